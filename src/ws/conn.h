/*
 * conn.h - one WebSocket, for the files that make it up: conn.c (its life),
 * read.c (from bytes to messages), recv.c (giving them), out.c (output), send.c
 * (messages to frames), shared.c (messages that many get).
 */
#ifndef EDDY_WS_CONN_H
#define EDDY_WS_CONN_H

#include "ws/kind.h"
#include "ws/shared.h"
#include "net/keep.h"
#include "net/stream.h"
#include "wire/ws_utf8.h"

enum {
    /* Room for a message that comes with its buffer; most are smaller. */
    WS_STORE = 4 * 1024,
    WS_OUT_BYTES = 16 * 1024,
    /* Payloads up to this are worth a copy to save a system call. */
    WS_GATHER = 8 * 1024,
    /* What is kept of a message that is read in pieces. */
    WS_PIECES = 64 * 1024,
};

enum ws_phase {
    WS_OPEN,
    WS_CLOSING, /* we have said so, or are about to; the peer has not */
    WS_OVER,    /* nothing more is received; last words may still go out */
    WS_GONE,    /* without a stream */
};

/* What a sequential reader is waiting for; without one nothing is read beyond
 * the control frames before the next message. */
enum ws_want {
    WS_WANT_NOTHING,
    WS_WANT_MESSAGE,
    WS_WANT_PIECES,
};

/*
 * What is being received. Taken when something comes, given back when all of
 * that was used.
 */
struct ws_in {
    /* Bytes not read yet: in the loop's scratch memory while that is worked on,
     * else in `raw`. The first `clear` of them are unmasked already. */
    char *view;
    size_t view_len;
    size_t clear;
    struct ed_keep *raw;

    struct ed_ws_head frame; /* at hand, if `in_frame` */
    uint64_t got;            /* of its payload */
    bool in_frame;

    bool in_message; /* its last frame has not come */
    bool whole;      /* it has, and waits to be used */
    bool handed;     /* to who uses it */
    bool text;
    bool compressed;
    bool pieces; /* it is read in pieces */
    struct ed_ws_utf8 utf8;
    unsigned fragments;
    char *bytes; /* of the message: `store`, or on the heap */
    size_t len, cap;
    size_t given; /* of its bytes, in pieces */
    ed_ws_inflate *lent;

    char control[ED_WS_CONTROL_MAX];
    char store[WS_STORE];
};

/* Output that was gathered. Its `deferred` is the connection's turn in the
 * loop, for whatever is to be done there. */
struct ws_out {
    struct ed_deferred deferred;
    ed_ws *ws;
    size_t at; /* sent so far */
    size_t len;
    char bytes[WS_OUT_BYTES];
};

/* Contexts that last from message to message. */
struct ws_zip {
    ed_ws_inflate *in;
    ed_ws_deflate_ctx *out;
};

/* A control frame that waits to be sent. */
struct ws_words {
    bool due;
    uint8_t len;
    char bytes[ED_WS_CONTROL_MAX];
};

/* What a quiet connection that is served by events does not have. */
struct ws_more {
    ed_fiber *receiver;      /* waits for input */
    ed_fiber *holder;        /* runs the handler that accepted */
    struct ed_waitq writers; /* those who wait for output to be taken */
    struct ed_waitq turns;   /* those who want to send */
    struct ed_waitq ends;    /* those who wait for the close */

    /* A message sent in pieces. */
    ed_fiber *piecer;
    bool piece_text;
    bool piece_begun;
    struct ed_ws_utf8 piece_utf8;
    ed_ws_deflate_ctx *piece_deflate;

    struct ws_words pong, ping, close;
    int err;                           /* why it is over */
    const char *why;                   /* static; NULL: the error's text */
    char cause[96];                    /* what is behind that; "" */
    char reason[ED_WS_REASON_MAX + 1]; /* the peer's */

    /* Of a client's. */
    struct ed_timer timer;
    int64_t since;
    struct ed_list node; /* in ws_local.left */
    ed_ws *ws;
};

/* Messages that many get, waiting for this one's socket; shared.c. */
struct ws_queue;

struct ed_ws {
    struct ed_conn base; /* of a server's */
    ed_stream *stream;
    struct ws_kind *kind;
    void *user;
    struct ws_in *in;
    struct ws_out *out;
    struct ws_more *more;
    ed_fiber *fiber; /* runs on_message or on_close */
    struct ws_zip *zip;
    struct ws_queue *queue;
    struct ws_member *members;

    int32_t latency_us; /* -1: unknown */
    uint16_t close_code;
    /* Control frames in this second: the second's last bits, and how many. */
    uint16_t controls;
    uint8_t second;

    uint8_t phase : 2; /* enum ws_phase */
    uint8_t waits : 3; /* enum ws_wait */
    uint8_t want : 2;  /* enum ws_want */
    bool is_text : 1;  /* the last message */
    bool held : 1;     /* a handler or a client's owner has it */
    bool in_event : 1; /* the loop is working on it: do not free it yet */
    bool paused : 1;   /* receiving is off: enough is waiting */
    bool told : 1;     /* on_close was called */
    bool blocked : 1;  /* the socket takes no more for now */
    bool large : 1;    /* a frame goes out past the buffer, and has begun */
    bool sending : 1;  /* a fiber has the turn to send */
    bool inside : 1;   /* a message of ours has begun, and has fragments to
                          come */
    bool unclean : 1;  /* what comes cannot be read any more */
    bool shut : 1;     /* our side is ended */
    bool close_sent : 1;
    bool ended : 1; /* nothing more comes behind what is in the view */
    int16_t broken; /* -errno of writing; 0 */
};

#define WS_QUIET_BYTES 136
_Static_assert(sizeof(struct ed_ws) <= WS_QUIET_BYTES,
               "an idle connection is to cost no more");

static inline bool ws_is_masking(const ed_ws *ws)
{
    return ws_is_client(ws->kind);
}

/* ---- conn.c ---- */

/* Makes one of a stream and takes the kind's reference; not yet open. NULL: no
 * memory, and nothing is taken. */
ed_ws *ws_new(struct ws_kind *kind, void *user);

/* Gives it its stream, on which the loop works from then on; `ahead` came on it
 * already. 0, or an error: it is over then. */
ED_CHECK int ws_start(ed_ws *ws, ed_stream *stream, struct ed_bytes ahead);

/* The rest of it; NULL: no memory. */
struct ws_more *ws_more(ed_ws *ws);

/* Waits for that from now on. */
void ws_wait_for(ed_ws *ws, enum ws_wait what);

/* Has the loop work on it soon. */
void ws_soon(ed_ws *ws);

/* Its turn in the loop. */
void ws_turn(ed_ws *ws);

/* Begins to close; behind what waits in the queue. */
void ws_close_begin(ed_ws *ws, int code, struct ed_bytes reason);

/* The peer broke the rules: it is told by that code. */
void ws_fail(ed_ws *ws, int code, int err, const char *why);

/* The peer's close frame came. */
void ws_peer_closed(ed_ws *ws, int code, struct ed_bytes reason);

/* Reads on, and notices the end behind what was read. */
void ws_go_on(ed_ws *ws);

/* What it is over for, with ed_error(). */
int ws_verdict(const ed_ws *ws);

/* The handler that accepted has returned. */
void ws_let_go(ed_ws *ws);

/* The clients that were given up: the loop ends. */
void ws_close_left(struct ws_local *local);

/* ---- read.c ---- */

/* Reads on in the view, until it is used up, or a message is to be given, or
 * nothing is wanted, or the connection is over. True in the first case: more
 * has to come. */
bool ws_read(ed_ws *ws);

/* The message at hand was used. */
void ws_message_done(ed_ws *ws);

/* Adds what arrived to the view, or keeps its rest. 0 or ED_ENOMEM. */
ED_CHECK int ws_keep(struct ws_in *in, const char *data, size_t len);

/* Puts aside what was not used, as the memory it lies in is the loop's; has
 * the peer wait when that is too much, or no more; gives back what is not
 * needed. */
void ws_rest(ed_ws *ws);

/* ---- out.c ---- */

/* Writes what goes at once. 0 when all is out, -EAGAIN, or why nothing can be
 * written any more. */
int ws_push(ed_ws *ws);

/* Adds a frame to what is gathered; false when it does not fit or it is not its
 * turn. `control`: between other frames. The head's mask is chosen here. */
bool ws_gather(ed_ws *ws, struct ed_ws_head *head, const char *payload,
               bool control);

/* Sends a frame: gathered, or from where it lies. The caller has the turn.
 * Suspends. */
ED_CHECK int ws_put(ed_ws *ws, struct ed_ws_head *head, const char *payload);

/* Waits until the socket takes more. Suspends. */
ED_CHECK int ws_await_output(ed_ws *ws);

void ws_on_writable(ed_stream *stream);

/* Lets go of the buffer. */
void ws_out_release(ed_ws *ws);

/* Tries to write, and notes progress and failure. */
ssize_t ws_try_writev(ed_ws *ws, const struct iovec *iov, int count);

/* Nothing can be written any more, for that reason: an error of the system, or
 * -ECANCELED when something of ours was begun and not ended. */
void ws_break(ed_ws *ws, ssize_t why);

/* Waits in the list of those whose peer takes nothing. */
void ws_block(ed_ws *ws);

/* ---- send.c ---- */

/* Gives back a context that compresses what we send. */
void ws_deflate_give(ed_ws *ws, ed_ws_deflate_ctx *z);

/* Pings it, if that goes without waiting. */
void ws_ping_now(ed_ws *ws);

/* A ping came, or a pong. */
void ws_pong(ed_ws *ws, struct ed_bytes payload);
void ws_ponged(ed_ws *ws, struct ed_bytes payload);

/* ---- shared.c ---- */

/* There are messages in it, and it is their turn: not while a message of our
 * own has fragments to come. */
bool ws_queue_is_next(const ed_ws *ws);
/* A message of the queue has begun to go out, and has not ended. */
bool ws_queue_is_inside(const ed_ws *ws);
/* Sends of the queue one message. As ws_push(). */
int ws_queue_push(ed_ws *ws);
/* Drops what was not begun, or all of it. */
void ws_queue_drop(ed_ws *ws, bool all);
/* Tells the members. */
void ws_members_leave(ed_ws *ws);

#endif
