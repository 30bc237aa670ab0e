/*
 * pool.h - kept connections and places for them, by origin.
 *
 * Knows nothing of HTTP or of sockets: a connection is a struct ed_pooled
 * inside of its owner. An origin has a number of places; a connection holds
 * one from before it is opened until after it is closed, idle or not.
 */
#ifndef EDDY_HTTP_POOL_H
#define EDDY_HTTP_POOL_H

#include <eddy/map.h>
#include "core/runtime.h"

struct ed_origin {
    struct ed_list idle;     /* ed_pooled.in_origin, youngest first */
    struct ed_waitq waiters; /* for a connection or a place */
    unsigned places;         /* taken */
    unsigned waiting;        /* fibers inside of ed_pool_take() */
    size_t key_len;
    char key[]; /* ends with NUL */
};

/* A connection as the pool sees it. */
struct ed_pooled {
    struct ed_origin *origin;
    struct ed_list in_origin;
    struct ed_list in_pool;
    int64_t idle_since;
    bool idle;
};

struct ed_pool {
    ed_loop *loop;
    unsigned max_per_origin;
    unsigned max_idle;
    int64_t idle_timeout;
    /* Closes a connection that was idle until now and frees it; its place is
     * given up already. */
    void (*close)(struct ed_pooled *conn);

    ed_map *origins;
    struct ed_list idle; /* ed_pooled.in_pool, youngest first */
    struct ed_timer timer;
    unsigned places;
    unsigned idle_count;
    unsigned waiting;
};

/* Makes a pool of one whose limits and `close` are set. 0 or ED_ENOMEM. */
ED_CHECK int ed_pool_open(struct ed_pool *pool, ed_loop *loop);

/* Closes the idle connections and frees what the pool owns. Nobody may hold a
 * place any more. Does not suspend. */
void ed_pool_close(struct ed_pool *pool);

/*
 * Takes the youngest idle connection of an origin, or else a place for a new
 * one (*conn is NULL then), or waits in line for either. *origin is valid
 * while the place is held.
 *
 * Suspends. Returns 0, ED_ENOMEM, ED_ECANCELED or ED_ETIMEOUT.
 */
ED_CHECK int ed_pool_take(struct ed_pool *pool, struct ed_bytes key,
                          struct ed_origin **origin, struct ed_pooled **conn);

/* Hands a connection in good order to who waits first, or keeps it. It may be
 * closed within the call. Does not suspend, nor do those below. */
void ed_pool_give(struct ed_pool *pool, struct ed_pooled *conn);

/* Gives up a place whose connection is closed, or was never opened. */
void ed_pool_leave(struct ed_pool *pool, struct ed_origin *origin);

/* Takes an idle connection out, and gives up its place: its peer has closed
 * it. The caller closes it. */
void ed_pool_drop(struct ed_pool *pool, struct ed_pooled *conn);

#endif
