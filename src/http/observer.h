/*
 * observer.h - looking at a server from inside its process: being told of its
 * requests as they begin and end, and listing those under way and the
 * connections.
 *
 * For what counts, logs and reports; nothing here changes what is replied.
 * Where nobody observes a request costs a test of one pointer.
 */
#ifndef EDDY_HTTP_OBSERVER_H
#define EDDY_HTTP_OBSERVER_H

#include "http/message.h"
#include "http/server_internal.h"

/*
 * Whom a server tells; embedded in what it is about. Each may be NULL. They are
 * called in the fiber of the request or in the loop, and must not suspend.
 */
struct ed_server_observer {
    /* A head has come, and its handler is about to be called. Not for what was
     * refused before. Told in the fiber of the request. */
    void (*began)(struct ed_server_observer *observer, ed_req *req);

    /*
     * Once for each that began: no fiber works on it any more, and it is gone
     * when this returns. `status` is that of the reply; 0 when none was sent.
     * `err` is 0 when the reply is whole, or what ended it: ED_ECANCELED when
     * the client left, ED_ETIMEOUT, what the handler returned and could not be
     * replied.
     *
     * Of a connection that was taken over (101) it is told when its handler
     * returns; where another protocol has it, that is at once.
     */
    void (*over)(struct ed_server_observer *observer, ed_req *req, int status,
                 int err);

    /* What is no request was answered, before any handler: a broken head (400,
     * 431, ...), one that took too long (408), no memory for it (503), HTTP in
     * the clear where TLS is spoken (400). `peer` is whose it was, as
     * ed_req_peer(), until this returns. */
    void (*refused)(struct ed_server_observer *observer, int status,
                    const char *peer);
};

/* Has the observer told from now on, instead of the one before: there is one.
 * NULL: nobody. It must live as long as it is told. In the server's loop. */
void ed_server_observe(ed_server *server, struct ed_server_observer *observer);

/*
 * Calls `fn` for each request whose handler runs or waits, with the fiber it
 * was called in, oldest connection first; until it returns false. Nothing may
 * suspend, begin or end meanwhile. In the server's loop, on which `fn` may be
 * called in a signal handler, too: this allocates nothing and calls nothing
 * but it.
 */
typedef bool ed_each_request_fn(ed_req *req, const ed_fiber *fiber, void *arg);
void ed_server_each_request(const ed_server *server, ed_each_request_fn *fn,
                            void *arg);

/*
 * Tells by ed_log_safely() how many requests are under way and, of up to
 * ED_TOLD_REQUESTS, what they are, for how long, and where their fibers wait:
 * for ed_report_set_extra(), in whose conditions it may be called. `about` is
 * an ed_server.
 */
enum { ED_TOLD_REQUESTS = 100, ED_TOLD_FIBERS = 8 };
void ed_server_report(void *about);

/* A connection as it is now. */
struct ed_conn_seen {
    char peer[ED_ADDR_TEXT];  /* "" when it is not known */
    char local[ED_ADDR_TEXT]; /* where it came in */
    /* What it waits for: "handshake", "idle", "head", "handler", "body",
     * "write", "linger"; or the other protocol that has it, "websocket". */
    const char *state;
    int64_t since;     /* when it entered that, or made progress in it */
    uint64_t requests; /* it has brought so far */
};

/* The same for its connections; `seen` is there until `fn` returns. */
typedef bool ed_each_conn_fn(const struct ed_conn_seen *seen, void *arg);
void ed_server_each_conn(const ed_server *server, ed_each_conn_fn *fn,
                         void *arg);

#endif
