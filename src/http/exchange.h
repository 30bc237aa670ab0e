/*
 * exchange.h - a request and its response on one connection of a client.
 *
 * What is sent and received is handled in the loop, by state machines on the
 * event face of the stream. The fiber that asked waits in one place, and is
 * woken when there is something for it to do: with a small response once, when
 * all of it is there.
 */
#ifndef EDDY_HTTP_EXCHANGE_H
#define EDDY_HTTP_EXCHANGE_H

#include <eddy/client.h>
#include "base/magic.h"
#include "http/pool.h"
#include "http/route.h"
#include "http/secured.h"
#include "http/trace.h"
#include "net/stream.h"
#include "wire/coding.h"
#include "wire/http1.h"

/* The most that a response head may be; more than any server sends. */
enum {
    ED_RES_MAX_LINE = 16 * 1024,
    ED_RES_MAX_FIELDS = 128,
    ED_RES_MAX_HEAD = 64 * 1024,
    ED_RES_MAX_TRAILERS = 16 * 1024,
    /* Interim (1xx) responses before the final one. */
    ED_RES_MAX_INTERIM = 16,
};

/* A head being read. One serves all connections of a client, since most heads
 * come in one piece; a connection keeps it when that was not so. */
struct ed_head_reader {
    struct ed_http1_head head;
    struct ed_http1_field fields[ED_RES_MAX_FIELDS];
    struct ed_buf bytes; /* that came; empty as long as it is one piece */
};

#define ED_CLIENT_MAGIC 0xedc11e47u

struct ed_client {
    ED_MAGIC;
    ed_loop *loop;
    struct ed_pool pool;
    struct ed_head_reader *reader; /* at hand; or NULL */
    struct ed_routes routes;
    struct ed_timeouts timeouts;
    int64_t timeout; /* of all of a fetch; 0: none */
    size_t max_body;
    bool no_decoding;
    char *user_agent; /* "" for none */
    size_t user_agent_len;
    ed_client_hook *hook; /* watch.h */
    void *hook_arg;
    unsigned max_redirects;
    ed_jar *jar;
    struct ed_auth_memory *auth; /* auth.h; NULL: nothing so far */
    struct ed_propagation_names propagated;
    struct ed_policies *policies; /* policy.h; NULL: none is on */
    unsigned busy;                /* requests under way */
    uint64_t requests;
    uint64_t redirects;
    uint64_t connections;
    uint64_t reused;
    uint64_t replaced; /* kept connections that turned out to be dead */
};

/* The client of those who bring none. 0, ED_ENOMEM or ED_EUSAGE, with
 * ed_error(). */
ED_CHECK int ed_client_of_loop(ed_client **out);

/* A connection, in the pool or in use. */
struct ed_client_conn {
    struct ed_pooled pooled;
    ed_client *client;
    ed_stream *stream;
    struct ed_secured *secured;    /* over TLS; NULL: in the clear */
    struct ed_timed timed;         /* while something is waited for */
    ed_res *res;                   /* of the exchange under way; NULL: none */
    struct ed_head_reader *reader; /* of a head that came in part */
    struct iovec *out;             /* what is still to be sent; the fiber's */
    int out_count;
    bool out_end; /* with it the request is whole */
    struct ed_http1_chunked chunked;
    uint64_t left;    /* of a body with a length */
    uint16_t interim; /* interim responses seen */
    bool paused;      /* not receiving: the reader is behind */
    bool refused;     /* takes nothing more */
    bool used;        /* has answered a request before */
    bool dead;        /* closed by the peer between two uses */
};

/* What a waiting fiber wants to hear of; the end and failures it always
 * does. */
enum ed_res_event {
    ED_RES_SENT = 1,
    ED_RES_HEAD = 2,
    ED_RES_DATA = 4,
    ED_RES_CONTINUE = 8, /* the server asks for the body */
};

/* What a response still occupies of what policies share out (upstream.h), all
 * NULL for nothing. */
struct ed_hold {
    struct ed_upstream *upstream;
    struct ed_backend *backend;
};

/* A connection that a response with 101 has handed over, for another protocol:
 * its stream, receiving nothing, and what came behind the response. Whoever
 * asks for it zeroes it, and owns both from then on. */
struct ed_upgrade {
    ed_stream *stream; /* NULL: there was no such response */
    struct ed_buf ahead;
};

/* How the connection of a response came to be of no use. */
struct ed_res_failure {
    int err;           /* ED_E...; 0: none */
    const char *why;   /* static; NULL: `err` says all */
    const char *cause; /* what is behind that, or NULL; as long as the arena */
    /* With ED_ETIMEOUT: whose time it was that is over, and how long that was;
     * 0: the deadline in force. */
    uint8_t timeout; /* enum ed_timeout */
    int64_t after;
};

struct ed_res {
    ed_client *client;
    ed_arena *arena;
    struct ed_client_conn *conn; /* NULL once the exchange is over */
    ed_fiber *fiber;             /* that waits for an event */
    uint8_t wanted;              /* enum ed_res_event */

    bool to_head; /* answers HEAD: without a body, whatever it says */
    bool stream;
    bool asks_for_codings; /* those that decoding.c undoes */
    bool may_retry;        /* as far as the request is concerned */
    bool retry;    /* failed so that it is to be sent again; the place among
                      the origin's connections is still held */
    bool sent;     /* the whole request */
    bool sent_any; /* a byte of it */
    bool go_ahead; /* the server asked for the body (100) */
    bool body_was_asked; /* of who gives the request's in pieces */
    bool body_held;      /* not to be sent: it answered without asking for it */
    bool last;           /* the connection ends with this exchange */
    uint8_t body_kind;   /* enum ed_http1_body */
    struct ed_res_failure failure;

    uint16_t status; /* 0: the head has not come */
    uint32_t field_count;
    char *head; /* what the fields are spans of; values end with NUL */
    struct ed_http1_field *fields;
    const char *reason;
    struct ed_secured *secured; /* NULL: it came in the clear */

    /* Of a streamed response: when its fetch as a whole is to be over, and how
     * long that may take; 0: it may take for ever. */
    int64_t deadline;
    int64_t timeout;
    bool patient; /* its pauses are not bounded, either */

    const char *url; /* where it came from, once it is the caller's */
    unsigned redirects;

    size_t max_body;
    uint64_t received;            /* bytes of the body */
    uint64_t body_length;         /* if told */
    struct ed_bytes body;         /* in the arena; whole at the end */
    struct ed_codings codings;    /* to be undone */
    struct ed_decoding *decoding; /* of a streamed body; or NULL */

    /* A body that is streamed, or of which the length is not known. */
    struct ed_buf gathered;
    size_t gathered_read; /* bytes of it that were read already */
    char *into;           /* buffer of a reader that waits */
    size_t into_len;
    size_t into_got;

    struct iovec out[2];             /* head and body of the request */
    struct ed_request_body *request; /* given in pieces; or NULL */
    struct ed_upgrade *upgrade;      /* it may hand its connection over */
    struct ed_payload *payload;      /* that it is made of, if `stream` */
    const char *about;          /* "GET http://...", if `stream` or `request` */
    struct ed_hold hold;        /* until it is closed, if `stream` */
    struct ed_watched *watched; /* watch.h; NULL: there is no hook */
    struct ed_res_timing timing;
};

/* Now, for the timing. The start was read from the clock itself, which may be
 * ahead of the loop's. */
static inline int64_t ed_res_now(const ed_res *res)
{
    int64_t now = ed_now();

    return now > res->timing.started ? now : res->timing.started;
}

/* The end of a phase that may come when the response was given already: a
 * thread that is not the loop's may look at the times of one that is streamed.
 */
static inline void ed_res_stamp(const ed_res *res, int64_t *at)
{
    __atomic_store_n(at, ed_res_now(res), __ATOMIC_RELAXED);
}

/* Begins an exchange: what `conn` receives is the response. */
void ed_exchange_begin(struct ed_client_conn *conn, ed_res *res);

/*
 * Begins to send a part of the request, the last one if `end`. The vector is
 * changed, and it and the bytes stay until ed_exchange_sending() is false;
 * ED_RES_SENT is told then. When the connection takes nothing more, the rest
 * is not sent, and `res` tells why, or will. Does not suspend.
 */
void ed_exchange_send(ed_res *res, struct iovec *iov, int count, bool end);

static inline bool ed_exchange_sending(const ed_res *res)
{
    return res->conn && res->conn->out_count;
}

/* Waits for the next of the events, or the end of the exchange; not at all
 * when that is over. Suspends. Returns 0, ED_ECANCELED or ED_ETIMEOUT. */
ED_CHECK int ed_exchange_wait(ed_res *res, const char *what, uint8_t events);

/* A streamed response whose pauses and end are nobody's to bound, such as a
 * stream of events. */
void ed_exchange_be_patient(ed_res *res);

/* Ends an exchange that is under way and closes its connection; `res` has
 * failed with that error. Nothing to do when it is over. */
void ed_exchange_abandon(ed_res *res, int err);

/* The reader is ready for more. */
void ed_exchange_resume(ed_res *res);

/* Makes a connection of a stream, which it then owns; its place in the origin
 * is the caller's. With `secure` its responses come over TLS. ED_ENOMEM or
 * -errno, the stream being closed then. */
ED_CHECK int ed_client_conn_new(ed_client *client, struct ed_origin *origin,
                                ed_stream *stream, bool secure,
                                struct ed_client_conn **out);

/* What a connection waits for did not come in time; of struct ed_timeouts. */
void ed_client_conn_expired(struct ed_timed *timed, enum ed_timeout phase);

/* Closes a connection and frees it; it holds no place. */
void ed_client_conn_close(struct ed_client_conn *conn);

#endif
