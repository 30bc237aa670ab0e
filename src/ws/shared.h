/*
 * shared.h - messages that many connections get: framed once, compressed once
 * for each way of compressing, and sent from where they lie.
 *
 * For rooms. Nothing here suspends, and a slow peer delays nobody: what its
 * socket does not take waits in a queue of references, whose bound is the
 * caller's to choose, as is what is done when it is reached. All of it belongs
 * to one loop.
 */
#ifndef EDDY_WS_SHARED_H
#define EDDY_WS_SHARED_H

#include <eddy/ws.h>

/* ---- messages ---- */

struct ws_shared;

/* A message with one reference, which is the caller's; the payload is copied.
 * Text has to be UTF-8, which is the caller's to see to
 * (ed_ws_utf8_is_valid()). NULL: no memory. */
ED_CHECK struct ws_shared *ws_shared_new(bool text, struct ed_bytes payload);
struct ws_shared *ws_shared_ref(struct ws_shared *shared); /* returns it */
void ws_shared_unref(struct ws_shared *shared);            /* NULL is allowed */

/* Its payload as given; as long as a reference is held. */
struct ed_bytes ws_shared_payload(const struct ws_shared *shared);

/* ---- sending them ---- */

/*
 * Sends the message, behind what was sent before, as far as it goes at once;
 * the rest waits, by reference. `max_queued` bounds the bytes of the messages
 * that wait at this connection (as they were given, not compressed), and what
 * holds them, by itself, so that they are not many; one is taken however large
 * it is when none waits.
 *
 * Returns 0 when it is sent or waits, or
 *   -EAGAIN     more would wait than that; nothing was done
 *   ED_ECLOSED  the connection is closing or gone
 *   ED_EUSAGE   it is a client's
 *   ED_ENOMEM
 * A connection that breaks is told of by on_close, by ed_ws_recv(), and by the
 * `left` of its members: later, never from within this call.
 */
ED_CHECK int ws_post_shared(ed_ws *ws, struct ws_shared *shared,
                            size_t max_queued);

/* How much waits: bytes of payload, and messages. */
size_t ws_queued_bytes(const ed_ws *ws);
unsigned ws_queued_messages(const ed_ws *ws);

/* Takes the oldest waiting message of which nothing has been sent out of the
 * queue. False when there is none. */
bool ws_drop_oldest(ed_ws *ws);

/* Begins to close the connection, as ed_ws_close() does, without waiting; what
 * waits in the queue and was not begun is dropped first. Again: does nothing.
 * The code has to be one that may be sent. */
void ws_close_soon(ed_ws *ws, int code, const char *reason);

/* ---- membership ---- */

/* That a connection belongs to something; inside of its owner. */
struct ws_member {
    struct ws_member *next, **link; /* the connection's own list */
    ed_ws *ws;                      /* NULL: member of none (any more) */
    /* The connection closes or has broken: nothing more can be sent to it. The
     * member is out of its list by then; it may be freed. Called in the loop or
     * in a fiber, at most once for each joining; must not suspend. */
    void (*left)(struct ws_member *member);
};

/* Adds a member whose `left` is set. Returns 0, or ED_ECLOSED when the
 * connection is closing or gone. */
ED_CHECK int ws_join(ed_ws *ws, struct ws_member *member);

/* Takes it out again, without calling `left`; nothing to do when it is out. */
void ws_leave(struct ws_member *member);

/* The first member of the connection's with that `left`, and the next with the
 * same behind `member`; or NULL. */
struct ws_member *ws_member_find(const ed_ws *ws,
                                 void (*left)(struct ws_member *member));
struct ws_member *ws_member_next(const struct ws_member *member);

#endif
