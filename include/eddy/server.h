/*
 * server.h - an HTTP server: listeners in, requests out.
 *
 * An idle connection holds neither a fiber nor a buffer. Each request runs in
 * a fiber that is cancelled when the client leaves.
 */
#ifndef EDDY_SERVER_H
#define EDDY_SERVER_H

#include <eddy/fiber.h>
#include <eddy/http.h>
#include <eddy/tls.h>

ED_BEGIN_DECLS

typedef struct ed_server ed_server;

struct ed_server_options {
    size_t size;
    void *user; /* ed_req_user() */

    /* Against slow clients; 0 is the default, negative none. */
    int64_t head_timeout;    /* for a whole head from its first byte; 10 s */
    int64_t body_timeout;    /* between two pieces of a body; 30 s */
    int64_t idle_timeout;    /* between two requests; 75 s */
    int64_t write_timeout;   /* without any progress of a reply; 30 s */
    int64_t request_timeout; /* deadline of a handler; none */
    int64_t drain_timeout;   /* after ed_server_stop(); 30 s */
    int64_t stop_grace;      /* a connection that served a request so recently
                                may send one more after ed_server_stop(), so
                                that none is lost on its way; none */
    int64_t tls_timeout;     /* for a handshake; 10 s. A quarter of it at
                                max_handshakes */
    unsigned max_handshakes; /* TLS at once; further connections wait in the
                                kernel's queue; 0: 256 */

    /* Against large ones. */
    uint32_t max_line;   /* bytes of the request line, or of a field; 8190 */
    uint32_t max_fields; /* 100 */
    uint32_t max_head;   /* bytes; 32 KiB */
    size_t max_body;     /* of ed_body(); 1 MiB */
    size_t max_memory;   /* of a request's arena; 64 MiB */
    unsigned max_connections; /* others wait in the kernel's queue; 0: none */

    /* A client that ends its sending side still gets its reply; by default
     * it counts as gone, and its handler is cancelled. */
    bool half_close;

    const char *server_name; /* of the Server field; NULL, or what
                                cannot stand in one: "eddy"; "": none */

    /* What travels along with requests (trace.h): the time whoever sent one
     * will wait, which bounds its handler as request_timeout does, and its
     * trace. */
    bool no_propagation;         /* is not looked at */
    const char *deadline_header; /* NULL: "X-Request-Timeout-Ms"; "": none */
    const char *trace_header;    /* NULL: "traceparent"; "": none */
};

/* A server that answers with `handler`. NULL without memory. Fiber only;
 * belongs to this loop. */
#define ed_server_new(handler, ...) \
    ed_server_new_with((handler),   \
                       ED_OPTIONS(struct ed_server_options, __VA_ARGS__))
ED_API ed_server *ed_server_new_with(ed_handler *handler,
                                     const struct ed_server_options *options);

struct ed_server_listen_options {
    size_t size;
    /* Connections there begin with TLS; borrowed until the server is freed.
     * Of the protocols offered it takes http/1.1, or http/1.0. NULL: in the
     * clear. */
    ed_tls *tls;
};

/* Listens on an address (stream.h), and on further ones if called again. 0,
 * ED_EADDR or -errno, ed_error() naming the address. */
#define ed_server_listen(server, address, ...) \
    ed_server_listen_with(                     \
        (server), (address),                   \
        ED_OPTIONS(struct ed_server_listen_options, __VA_ARGS__))
ED_API ED_CHECK int ed_server_listen_with(
    ed_server *server, const char *address,
    const struct ed_server_listen_options *options);

/* Serves on a listener opened elsewhere, which it owns from then on. 0, or
 * ED_ENOMEM, the listener then still being the caller's. */
#define ed_server_add(server, listener, ...) \
    ed_server_add_with(                      \
        (server), (listener),                \
        ED_OPTIONS(struct ed_server_listen_options, __VA_ARGS__))
ED_API ED_CHECK int ed_server_add_with(
    ed_server *server, ed_listener *listener,
    const struct ed_server_listen_options *options);

/* The address of the i-th listener as text; false when there are no more. */
ED_API bool ed_server_address(const ed_server *server, size_t i,
                              char out[ED_ADDR_TEXT]);

/*
 * Serves until ed_server_stop() and then until the last request is answered,
 * for at most the drain timeout; what is left then is cancelled. A cancelled
 * fiber stops the same way, but cancels the requests at once.
 *
 * Suspends. Returns 0 after a stop, or
 *   ED_ETIMEOUT   the drain timeout passed, or the deadline in force
 *   ED_ECANCELED  the fiber was cancelled
 *   ED_EUSAGE     it is running already
 */
ED_API int ed_server_run(ed_server *server);

/* Closes the listeners and, when their grace is over, idle connections; replies
 * still to come say that the connection closes. Does not suspend. Again:
 * cancels what still runs. */
ED_API void ed_server_stop(ed_server *server);

struct ed_server_counts {
    uint64_t accepted;          /* connections, in all */
    uint64_t requests;          /* in all */
    uint64_t refused;           /* requests answered 4xx before any handler */
    uint64_t handshakes;        /* of TLS, that came to an end */
    uint64_t handshakes_failed; /* or were given up */
    unsigned open;              /* connections */
    unsigned in_flight;         /* requests */
};
ED_API void ed_server_counts(const ed_server *server,
                             struct ed_server_counts *counts);

/* After ed_server_run() has returned. */
ED_API void ed_server_free(ed_server *server);

ED_END_DECLS
#endif
