/*
 * h1.h - one HTTP/1 connection of a server, for the files that make it up:
 * h1_conn.c (its life), h1_request.c (reading), h1_reply.c (writing),
 * h1_file.c (writing files).
 */
#ifndef EDDY_HTTP_H1_H
#define EDDY_HTTP_H1_H

#include "http/message.h"
#include "http/server_internal.h"
#include "net/keep.h"

#include <errno.h>

/* A head of which not all has come, as far as it was read. */
struct h1_partial {
    struct ed_http1_head head;
    struct ed_http1_field fields[];
};

/*
 * A connection. Between requests it is this structure and its stream, and
 * nothing else.
 */
struct h1_conn {
    struct ed_conn base;
    ed_stream *stream;

    /* Input not used yet: in the loop's scratch memory while that is being
     * worked on, else in `in`. */
    char *view;
    struct ed_keep *in;
    struct h1_partial *partial;

    char *peer; /* whose it is, once somebody has asked; owned */
    struct ed_out *out;
    ed_fiber *fiber;  /* handles requests of this connection */
    ed_fiber *reader; /* waits for more of a body */
    ed_fiber *writer; /* waits for output to be taken */
    int broken;       /* why nothing can be written any more */
    uint32_t view_len;
    uint32_t lingered; /* bytes thrown away while lingering */
    uint32_t requests; /* it has brought */

    bool in_event : 1;  /* the loop is working on it: do not free it yet */
    bool gone : 1;      /* to be freed when that is done */
    bool ended : 1;     /* the client has ended its side */
    bool paused : 1;    /* receiving is off: enough is waiting */
    bool close : 1;     /* no further request */
    bool finishing : 1; /* out goes what is left, then it closes */
    bool secure : 1;    /* over TLS */
    bool reset : 1;     /* by a reset, so that the end is no end of a body */
};

/* A request on it, in the request's arena. */
struct h1_exchange {
    ed_req req;
    struct h1_conn *conn;
    uint8_t body; /* enum ed_http1_body */
    bool keep_alive;
    bool chunked_reply;
    bool no_reply_body;
    bool wants_continue;   /* the client waits for 100 Continue */
    bool upgrade;          /* the client offers another protocol */
    bool connect;          /* the method: a tunnel, if the handler makes one */
    bool sending;          /* a fiber is at work on the reply... */
    struct ed_waitq turns; /* ...and these wait for their turn */
    uint64_t body_left;
    struct ed_http1_chunked chunked;
    char *peer;
    struct ed_http1_field fields[]; /* of the head */
};

static inline struct h1_exchange *h1_exchange(const ed_req *req)
{
    return req->exchange;
}

extern const struct ed_exchange_ops h1_ops;

/* What wakes the reader of a body whose client takes too long: told apart from
 * a deadline of the reader's own. */
#define H1_TOO_SLOW (-ETIME)

/* ---- h1_conn.c ---- */

/* Marks `n` bytes of the view as used. */
void h1_consume(struct h1_conn *c, size_t n);

/* All output is out, after it had to wait. May free the connection. */
void h1_output_done(struct h1_conn *c);

/* Nothing can be written any more: cancels the fiber that handles requests or,
 * without one, closes the connection, which may free it. */
void h1_break(struct h1_conn *c, int err);

/* ---- h1_request.c ---- */

/*
 * Reads a head from the view. Returns its length, 0 when more is needed, or
 * an error, *out then telling what is wrong.
 */
ssize_t h1_parse_head(struct h1_conn *c, const struct ed_http1_head **out);

/* Makes a request of a head of `len` bytes and consumes it; NULL: no memory. */
struct h1_exchange *h1_request_new(struct h1_conn *c,
                                   const struct ed_http1_head *head,
                                   size_t len);

ssize_t h1_body_read(ed_req *req, void *buf, size_t len);

/* Whether what is left of the body, if anything, is worth reading so that the
 * connection can be kept. */
bool h1_body_is_short(const struct h1_exchange *x);

/* ---- h1_file.c ---- */

int h1_send_file(ed_req *req, int fd, int64_t offset, int64_t length,
                 bool *warm);

/* ---- h1_reply.c ---- */

int h1_send(ed_req *req, struct ed_bytes piece, bool end);
int h1_flush(ed_req *req);
bool h1_try_send(ed_req *req, struct ed_bytes piece);

/* Fibers that write one reply together take turns. The first suspends if need
 * be; the second returns `err`. */
int h1_take_turn(struct h1_exchange *x);
int h1_end_turn(struct h1_exchange *x, int err);

/* In a turn: the head, unless it is out. Suspends. */
int h1_begin(struct h1_exchange *x);

/* Asks the client for the body it waits to send, unless the final reply has
 * begun and said it. Suspends. */
int h1_continue(struct h1_exchange *x);

int h1_upgrade_reply(struct h1_exchange *x, const char *protocol);

/* Adds bytes to the output, waiting for room if need be. Suspends. */
int h1_put(struct h1_conn *c, struct ed_bytes bytes);

/* Room for more output, in a buffer that is sent at the end of the turn if not
 * before; NULL: there is not that much, or no memory. Waits for nothing.
 * h1_gathered() says that bytes were put there. */
char *h1_room(struct h1_conn *c, size_t len);
void h1_gathered(struct h1_conn *c, size_t len);

/* Sends what is gathered and `len` bytes of a file behind it, as much as goes
 * at once; a count of the file's bytes, which may be 0, -EAGAIN, ED_EEOF when
 * it ends there, -EINVAL when the kernel cannot send it, or why the connection
 * is broken. */
ssize_t h1_try_send_file(struct h1_conn *c, int fd, int64_t offset, size_t len);

/* Waits until the client takes more. Suspends. */
int h1_await_writable(struct h1_conn *c);

/* What had to be sent at once is sent, or was not: `err` is returned. */
int h1_sent_through(struct h1_conn *c, int err);

/* Writes what goes without waiting; the rest goes when the client takes it.
 * 0, or why the connection is broken, which is the caller's to act upon. */
int h1_push(struct h1_conn *c);

/* A reply to what is no request; does not wait. */
void h1_refuse(struct h1_conn *c, int status, const char *why);

/* The client takes output again. */
void h1_on_writable(ed_stream *stream);

#endif
