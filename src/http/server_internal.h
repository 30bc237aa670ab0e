/*
 * server_internal.h - what a server lends its connections: limits, buffers,
 * arenas, the time of day, and the lists by which slow clients are found.
 */
#ifndef EDDY_HTTP_SERVER_INTERNAL_H
#define EDDY_HTTP_SERVER_INTERNAL_H

#include <eddy/clock.h>
#include <eddy/server.h>
#include "core/runtime.h"
#include "http/trace.h"
#include "net/stream.h"
#include "wire/http1.h"

/*
 * What a connection is waiting for. Those waiting for the same thing wait
 * equally long, so each kind is a list in the order of their times and needs
 * no timer of its own: moving to the end of a list is all that activity costs.
 */
enum ed_conn_state {
    ED_CONN_TLS,    /* its TLS handshake */
    ED_CONN_BUSY,   /* its handler; no limit here */
    ED_CONN_IDLE,   /* the next request */
    ED_CONN_HEAD,   /* the rest of a head */
    ED_CONN_BODY,   /* a piece of a body */
    ED_CONN_WRITE,  /* the client to take what was written */
    ED_CONN_LINGER, /* the client to read our last words and close */
    ED_CONN_GUEST,  /* nothing of HTTP: another protocol has it; no limit */
    ED_CONN_STATES,
};

/* Lines beside those of the states above, for other protocols; ed_conn_line().
 */
#define ED_CONN_LINES (ED_CONN_STATES + 24)

/* In no line any more: another struct ed_conn has taken its place. */
#define ED_CONN_REPLACED 255

struct ed_conn;
struct ed_server_observer; /* observer.h */
struct ed_server_gate;     /* gate.h */

/* What connections of one protocol have in common. */
struct ed_conn_kind {
    const char *name;
    /* Waited too long, or has to go (ED_ETIMEOUT, ED_ECLOSED when the server
     * stops and it is idle, ED_ECANCELED). May free the connection. */
    void (*expire)(struct ed_conn *conn, int err);
    /* What it lies on; NULL when that is gone. */
    ed_stream *(*stream)(const struct ed_conn *conn);
    /* How many requests it has brought. NULL: one. */
    uint64_t (*requests)(const struct ed_conn *conn);
};

/* The head of every connection, whatever its version of HTTP. */
struct ed_conn {
    struct ed_list node; /* in server->waiting[state] */
    /* When it entered the state or made progress in it, in steps of the
     * server's own. An idle connection is little more than these members:
     * they are packed (`state` is an enum ed_conn_state, or a line). */
    uint64_t since : 56;
    uint64_t state : 8;
    ed_server *server;
    const struct ed_conn_kind *kind;
};

/* Output on its way; from a pool, so that an idle connection has none. */
#define ED_OUT_BYTES (16 * 1024)
struct ed_out {
    struct ed_deferred deferred;
    void *owner;
    size_t at; /* sent so far */
    size_t len;
    char bytes[ED_OUT_BYTES];
};

/* Something that would go on for ever, and is told once when the server
 * stops; ed_server_on_stop(). */
struct ed_stop_hook {
    struct ed_list node;
    void (*run)(struct ed_stop_hook *hook);
};

struct ed_server_listener {
    struct ed_server_listener *next;
    ed_server *server;
    ed_listener *listener;
    ed_tls *tls; /* NULL: in the clear */
    char address[ED_ADDR_TEXT];
};

struct ed_server {
    ed_handler *handler;
    struct ed_server_options options;
    struct ed_http1_limits limits;
    ed_loop *loop;
    ed_scope *scope;  /* of the fibers that run handlers */
    ed_fiber *runner; /* in ed_server_run(), while it waits */
    struct ed_server_listener *listeners;

    struct ed_propagation_names propagated;
    struct ed_list waiting[ED_CONN_LINES];
    int64_t patience[ED_CONN_LINES]; /* INT64_MAX: no limit */
    uint8_t lines;                   /* in use */
    struct ed_timer timer;

    struct ed_server_counts counts;
    struct ed_server_observer *observer; /* NULL: nobody */
    struct ed_list stop_hooks;
    uint32_t seed;
    bool stopping;
    struct ed_server_gate *gate; /* NULL: none */
    struct ed_timer hold;        /* while `held` */
    bool held;                   /* by ed_server_hold(): all listeners pause */
    bool full;                   /* at max_connections: they do as well */
    bool busy_shaking;           /* at max_handshakes: those for TLS do */
    unsigned handshakes;         /* under way */

    /* Stacks of what is free to be lent. Not lists: what was sent lately has
     * left the caches, and finding the next one should not wait for it. */
    ed_arena **arenas;
    unsigned arena_count;
    struct ed_out **outs;
    unsigned out_count;

    /* "Server: ...\r\nDate: ...\r\n", made anew each second. */
    char common[256];
    size_t server_len; /* of the Server line in it */
    size_t common_len;
    int64_t date_until; /* in loop time */

    /* A head is read into these; taken over before anything can wait. */
    struct ed_http1_head head;
    struct ed_http1_field *fields;
    size_t head_len;
};

/* Whether connections between two requests have to go: it stops, and gives
 * them no grace. */
static inline bool ed_server_hurries(const ed_server *server)
{
    return server->stopping && server->options.stop_grace <= 0;
}

uint32_t ed_server_seed(const ed_server *server);
size_t ed_server_max_body(const ed_server *server);

/* Takes in a connection and lets it go; one that changes hands is taken in
 * first. */
void ed_conn_open(ed_server *server, struct ed_conn *conn);
void ed_conn_gone(struct ed_conn *conn);

/* Puts one in the place of another, of the same server, which is in no line
 * from then on and has only to be freed. */
void ed_conn_replace(struct ed_conn *old, struct ed_conn *conn);

/* Moves to a state, or line, or notes progress in it. */
void ed_conn_enter(struct ed_conn *conn, unsigned state);

/* When it entered its state or made progress in it, within a few milliseconds.
 */
int64_t ed_conn_since(const struct ed_conn *conn);

/* Counts what is no request, came by that stream and was answered with that
 * status, and tells the observer. */
void ed_server_refused(ed_server *server, int status, ed_stream *stream);

/* A line whose connections are expired with ED_ETIMEOUT after that time. When
 * there are too many kinds of patience, the next longer one. */
unsigned ed_conn_line(ed_server *server, int64_t patience);

/* NULL: no memory. */
ed_arena *ed_server_arena_get(ed_server *server);
void ed_server_arena_put(ed_server *server, ed_arena *arena);
struct ed_out *ed_server_out_get(ed_server *server);
void ed_server_out_put(ed_server *server, struct ed_out *out);

/* The Server and Date lines; with `server` or `date` false, without it. */
struct ed_bytes ed_server_common(ed_server *server, bool server_line,
                                 bool date_line);

/* Has hook->run called when the server stops, at once if it does already. To be
 * taken back with ed_list_remove(&hook->node). */
void ed_server_on_stop(ed_server *server, struct ed_stop_hook *hook);

/* Begins TLS on a new connection, and HTTP over it; closes the stream if it
 * cannot. */
void ed_handshake_open(ed_server *server, ed_stream *lower, ed_tls *tls);

/* Begins HTTP/1 on a new connection; closes the stream if it cannot. */
void ed_h1_open(ed_server *server, ed_stream *stream);

#endif
