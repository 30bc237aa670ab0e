/*
 * chan.h - bounded channels between the fibers of one thread, and waiting for
 * several at once.
 *
 *     ed_chan *lines ED_CHAN_AUTO = ed_chan_new(sizeof(struct line), 16);
 *     ...
 *     err = ed_chan_send(lines, &line);          // one fiber
 *     ...
 *     while (!(err = ed_chan_recv(lines, &line)))   // another
 *         print(&line);
 *
 * Values are copied in and out, bytes as they are; a channel of pointers does
 * not own what they point to. Values come out in the order they went in.
 * Senders are served in order of arrival, and so are receivers.
 *
 * Cancellation loses and doubles nothing: a send or receive that returns an
 * error has not happened, and one that has happened returns 0 even if its
 * fiber was cancelled before it ran again.
 *
 * Thread: the loop's own. Only fibers may call what suspends.
 */
#ifndef EDDY_CHAN_H
#define EDDY_CHAN_H

#include <eddy/api.h>
#include <eddy/error.h>

ED_BEGIN_DECLS

typedef struct ed_chan ed_chan;

/*
 * A new channel of values of `element_bytes` each, holding at most `capacity`
 * of them. With capacity 0 a value goes straight from a sender to a receiver,
 * and each waits for the other. NULL when the system has no memory.
 */
ED_API ED_CHECK ed_chan *ed_chan_new(size_t element_bytes, size_t capacity);

/* Closes and frees the channel and drops what is in it; fibers waiting on it
 * get ED_ECLOSED. NULL is allowed. Does not suspend. */
ED_API void ed_chan_free(ed_chan *ch);

/* For `cleanup`. */
static inline void ed_chan_free_(ed_chan **ch)
{
    ed_chan_free(*ch);
}
#define ED_CHAN_AUTO __attribute__((cleanup(ed_chan_free_)))

/*
 * Sends the value at `value`, waiting for room, or with capacity 0 for a
 * receiver.
 *
 * Suspends. Returns 0, or, the value not being sent,
 *   ED_ECLOSED   the channel is closed, or was while this waited
 *   ED_ECANCELED, ED_ETIMEOUT
 */
ED_API ED_CHECK int ed_chan_send(ed_chan *ch, const void *value);

/*
 * Receives the oldest value into `value`, waiting for one.
 *
 * Suspends. Returns 0, or, *value being as it was,
 *   ED_ECLOSED   the channel is closed, and all that was in it received
 *   ED_ECANCELED, ED_ETIMEOUT
 */
ED_API ED_CHECK int ed_chan_recv(ed_chan *ch, void *value);

/* The same without waiting: ED_EWOULDBLOCK where they would. Do not
 * suspend. */
ED_API ED_CHECK int ed_chan_try_send(ed_chan *ch, const void *value);
ED_API ED_CHECK int ed_chan_try_recv(ed_chan *ch, void *value);

/* Nothing more can be sent; what is in the channel can still be received.
 * Closing again changes nothing. Does not suspend. */
ED_API void ed_chan_close(ed_chan *ch);

/* Values that can be received without a sender. */
ED_API size_t ed_chan_count(const ed_chan *ch);

/* ---- several at once ---- */

/* One thing to wait for: ED_SEND(channel, &value) or ED_RECV(channel, &value).
 * With channel NULL it never happens, so that a case can be switched off. */
struct ed_select_case {
    ed_chan *chan;
    const void *send; /* the value to send, or NULL */
    void *recv;       /* where to receive one, or NULL */
    int err;          /* set for the case that was chosen: 0 or ED_ECLOSED */
    bool sends;
};
#define ED_SEND(channel, from)                           \
    {                                                    \
        .chan = (channel), .send = (from), .sends = true \
    }
#define ED_RECV(channel, into)            \
    {                                     \
        .chan = (channel), .recv = (into) \
    }

/*
 * Does exactly one of several sends and receives, waiting until one can be
 * done. A closed channel counts: its case is chosen with err ED_ECLOSED.
 *
 *     struct ed_select_case cases[] = {
 *         ED_RECV(orders, &order),
 *         ED_SEND(results, &result),
 *     };
 *     switch (ed_select(cases, 2)) {
 *     case 0: ...
 *
 * Among several that can be done one is drawn, each as likely as the others, so
 * that none starves. The draws repeat from run to run.
 *
 * Suspends. Returns the index of the case, or, nothing being done,
 *   ED_ENOMEM   more than a few cases, and no memory to wait for them
 *   ED_ECANCELED, ED_ETIMEOUT
 */
ED_API ED_CHECK int ed_select(struct ed_select_case *cases, size_t count);

/* The same without waiting: ED_EWOULDBLOCK when no case can be done now. Does
 * not suspend. */
ED_API ED_CHECK int ed_try_select(struct ed_select_case *cases, size_t count);

ED_END_DECLS
#endif
