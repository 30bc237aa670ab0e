/*
 * kind.h - what connections have in common: options, limits, handlers, and what
 * was agreed on. Connections that agree in all of it share one of these, so
 * that each of them need not hold it.
 */
#ifndef EDDY_WS_KIND_H
#define EDDY_WS_KIND_H

#include "ws/local.h"
#include "http/server_internal.h"
#include "wire/ws_extension.h"
#include <eddy/ws.h>

/* What a connection waits for, each for a time of its own. */
enum ws_wait {
    WS_WAIT_QUIET,  /* a byte of the peer's, or else the time to ping it */
    WS_WAIT_PONG,   /* a byte, after the ping */
    WS_WAIT_WRITE,  /* the peer to take what was written */
    WS_WAIT_CLOSE,  /* its close frame */
    WS_WAIT_LINGER, /* it to read our last words and close */
    WS_WAITS,
};

enum { WS_FREE_DEFLATES = 2, WS_PROTOCOL_MAX = 127 };

/* Everything up to `refs` is compared when one is looked for, padding included:
 * make it by zeroing. */
struct ws_kind {
    ed_server *server; /* NULL: clients */
    ed_ws_message_fn *on_message;
    ed_ws_end_fn *on_close;
    size_t max_message;
    uint64_t max_frame;
    int64_t patience[WS_WAITS]; /* INT64_MAX: no limit */
    size_t threshold;
    unsigned max_fragments;
    int level;
    struct ed_ws_deflate_terms terms;
    bool by_events;
    char protocol[WS_PROTOCOL_MAX + 1];

    unsigned refs;
    struct ws_local *local;
    struct ed_list node;
    uint8_t lines[WS_WAITS];                       /* of the server */
    ed_ws_deflate_ctx *deflates[WS_FREE_DEFLATES]; /* to be lent */
    unsigned deflate_count;
};

/* The part of the options that both sides have. */
struct ws_limits {
    size_t max_message;
    uint64_t max_frame;
    unsigned max_fragments;
    int64_t ping_interval, ping_timeout, close_timeout, write_timeout;
    struct ed_ws_deflate deflate;
};

/* Of the options of either side. */
#define WS_LIMITS_OF(o)                      \
    ((struct ws_limits){                     \
        .max_message = (o)->max_message,     \
        .max_frame = (o)->max_frame,         \
        .max_fragments = (o)->max_fragments, \
        .ping_interval = (o)->ping_interval, \
        .ping_timeout = (o)->ping_timeout,   \
        .close_timeout = (o)->close_timeout, \
        .write_timeout = (o)->write_timeout, \
        .deflate = (o)->deflate,             \
    })

/* Reads the limits into a kind; and what they wish of compression. 0, or
 * ED_EUSAGE with ed_error(). */
ED_CHECK int ws_kind_limits(struct ws_kind *kind,
                            const struct ws_limits *limits,
                            struct ed_ws_deflate_wish *wish);

/* One like that, with a reference; NULL: no memory. */
struct ws_kind *ws_kind_get(struct ws_local *local, const struct ws_kind *like);
void ws_kind_put(struct ws_kind *kind);

/* A context to compress a message with; NULL: no memory. */
ed_ws_deflate_ctx *ws_deflate_get(struct ws_kind *kind);
void ws_deflate_put(struct ws_kind *kind, ed_ws_deflate_ctx *z);

void ws_kinds_free(struct ws_local *local);

static inline bool ws_is_client(const struct ws_kind *kind)
{
    return !kind->server;
}

static inline bool ws_keeps_out(const struct ws_kind *kind)
{
    return ws_is_client(kind) ? kind->terms.client_takeover
                              : kind->terms.server_takeover;
}

static inline bool ws_keeps_in(const struct ws_kind *kind)
{
    return ws_is_client(kind) ? kind->terms.server_takeover
                              : kind->terms.client_takeover;
}

static inline int ws_bits_out(const struct ws_kind *kind)
{
    return ws_is_client(kind) ? kind->terms.client_bits
                              : kind->terms.server_bits;
}

static inline int ws_bits_in(const struct ws_kind *kind)
{
    return ws_is_client(kind) ? kind->terms.server_bits
                              : kind->terms.client_bits;
}

#endif
