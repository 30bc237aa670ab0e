/*
 * reply_filter.h - what stands between a reply and the version of HTTP that
 * sends it: looks at the head before it goes out, and changes the body.
 *
 * A request has none of it unless middleware adds some: then a pointer is
 * tested, and that is all. Filters form a chain from the handler to the wire.
 * The last one added is the first to see a reply, as the last middleware added
 * is the innermost.
 *
 * One fiber at a time is in the chain of a request, whatever it waits for
 * there; others that write the same reply wait for their turn.
 */
#ifndef EDDY_HTTP_REPLY_FILTER_H
#define EDDY_HTTP_REPLY_FILTER_H

#include "http/message.h"

struct ed_reply_filter;

/* Each may be NULL. But for send and flush they do not suspend. */
struct ed_reply_filter_ops {
    /*
     * The head is about to go out: status, fields and type can be changed.
     * *body is what goes out with it, if `end` the whole body; the filter may
     * put other bytes in its place, as long as they live until the request
     * ends. An error is returned to who replies, and nothing goes out.
     *
     * Called again when that reply did not get out and another, an error
     * reply, takes its place: nothing may be left of the first then.
     */
    int (*head)(struct ed_reply_filter *f, ed_req *req, struct ed_bytes *body,
                bool end);

    /* A piece of the body, which goes on by ed_reply_pass(). Who lets less or
     * more go on than came has said so in head(), by ed_reply_recode(). */
    int (*send)(struct ed_reply_filter *f, ed_req *req, struct ed_bytes piece,
                bool end);

    /* All that was held back goes on, and then ed_reply_pass_flush(). */
    int (*flush)(struct ed_reply_filter *f, ed_req *req);

    /* So many bytes of the body have gone around the filters. */
    void (*around)(struct ed_reply_filter *f, ed_req *req, int64_t bytes);

    /* The request is over, its reply sent or cut: frees what is held. `err` is
     * what ended it, 0 when the reply is whole. */
    void (*over)(struct ed_reply_filter *f, ed_req *req, int err);
};

/* To be made part of a structure that lives in the request's arena. */
struct ed_reply_filter {
    const struct ed_reply_filter_ops *ops;
    struct ed_reply_filter *next; /* nearer to the wire */
};

/* Adds a filter, which becomes the first. 0, ED_ENOMEM, or ED_EUSAGE when the
 * head of the reply is out. */
ED_CHECK int ed_reply_filter(ed_req *req, struct ed_reply_filter *f);

/* For a filter: gives a piece to the next, or to the wire. Suspends. */
ED_CHECK int ed_reply_pass(struct ed_reply_filter *f, ed_req *req,
                           struct ed_bytes piece, bool end);
ED_CHECK int ed_reply_pass_flush(struct ed_reply_filter *f, ed_req *req);

/* For head(): the body will be another, of that length; -1: only its end will
 * tell. */
void ed_reply_recode(ed_req *req, int64_t length);

/* ---- for message.c and the versions ---- */

/* ops->send and ops->flush, through the filters. Suspend. */
ED_CHECK int ed_filtered_send(ed_req *req, struct ed_bytes piece, bool end);
ED_CHECK int ed_filtered_flush(ed_req *req);

/* ops->try_send around the filters. False as well when one changes the body, or
 * a fiber is in the chain: what it has from the handler is not out then. */
bool ed_filtered_try_send(ed_req *req, struct ed_bytes piece);

/*
 * For a piece of the body that does not go through memory, such as a part of a
 * file given to sendfile(): shows the filters the head, if it is not out, and
 * has fn(req, arg) send the piece, of that length, around them.
 *
 * Suspends. Returns 1 when a filter changes the body: nothing was sent, and the
 * piece has to go through ed_filtered_send() after all. Otherwise what fn
 * returned, or an error of the filters.
 */
ED_CHECK int ed_filtered_around(ed_req *req, int64_t length,
                                int (*fn)(ed_req *req, void *arg), void *arg);

#endif
