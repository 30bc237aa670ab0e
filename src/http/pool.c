/*
 * pool.c - kept connections and places for them, by origin.
 *
 * Owns the origins, which are there while a place of theirs is taken, and the
 * connections that no request is using. A connection enters when its last
 * response was read to the end and leaves for the next request to the same
 * origin, youngest first: its congestion window is warm, and those no longer
 * needed grow old and are closed. Waiters are served in the order they came.
 *
 * One timer serves all idle connections. It is armed for the oldest and looks
 * anew when it fires, so that taking and giving never touch it.
 */
#include "http/pool.h"
#include <stdlib.h>

static struct ed_pooled *in_origin(struct ed_list *node)
{
    return ED_CONTAINER(node, struct ed_pooled, in_origin);
}

static struct ed_pooled *in_pool(struct ed_list *node)
{
    return ED_CONTAINER(node, struct ed_pooled, in_pool);
}

/* ---- origins ---- */

static struct ed_origin *new_origin(struct ed_pool *pool, struct ed_bytes key)
{
    struct ed_origin *origin = malloc(sizeof(*origin) + key.len + 1);

    if (!origin)
        return NULL;
    *origin = (struct ed_origin){.key_len = key.len};
    ed_list_init(&origin->idle);
    memcpy(origin->key, key.ptr, key.len);
    origin->key[key.len] = '\0';
    if (ed_map_set(pool->origins, key, origin, NULL)) {
        free(origin);
        return NULL;
    }
    return origin;
}

static struct ed_origin *find_origin(struct ed_pool *pool, struct ed_bytes key)
{
    struct ed_origin *origin = ed_map_get(pool->origins, key);

    return origin ? origin : new_origin(pool, key);
}

static void free_unused(struct ed_pool *pool, struct ed_origin *origin)
{
    if (origin->places || origin->waiting)
        return;
    ed_map_remove(pool->origins, ed_bytes_of(origin->key, origin->key_len));
    free(origin);
}

void ed_pool_leave(struct ed_pool *pool, struct ed_origin *origin)
{
    /* The place goes over to who waits, which keeps newcomers behind. */
    if (ed_waitq_wake(&origin->waiters, 0))
        return;
    pool->places--;
    origin->places--;
    free_unused(pool, origin);
}

/* ---- idle connections ---- */

void ed_pool_drop(struct ed_pool *pool, struct ed_pooled *conn)
{
    ed_list_remove(&conn->in_origin);
    ed_list_remove(&conn->in_pool);
    conn->idle = false;
    pool->idle_count--;
    ed_pool_leave(pool, conn->origin);
}

static void evict(struct ed_pool *pool, struct ed_pooled *conn)
{
    ed_pool_drop(pool, conn);
    pool->close(conn);
}

static void evict_oldest(struct ed_pool *pool)
{
    evict(pool, in_pool(ed_list_last(&pool->idle)));
}

static int start_timer(struct ed_pool *pool, const struct ed_pooled *oldest)
{
    int64_t at;

    if (__builtin_add_overflow(oldest->idle_since, pool->idle_timeout, &at))
        at = INT64_MAX;
    return ed_timer_start(pool->loop, &pool->timer, at);
}

static void expire(struct ed_timer *timer)
{
    struct ed_pool *pool = ED_CONTAINER(timer, struct ed_pool, timer);
    int64_t since = ed_now() - pool->idle_timeout;

    while (pool->idle_count) {
        struct ed_pooled *oldest = in_pool(ed_list_last(&pool->idle));

        /* One that can no longer be timed would stay for ever. */
        if (oldest->idle_since > since && !start_timer(pool, oldest))
            return;
        evict(pool, oldest);
    }
}

static struct ed_pooled *take_idle(struct ed_pool *pool,
                                   struct ed_origin *origin)
{
    struct ed_list *node = ed_list_take(&origin->idle);

    if (!node)
        return NULL;
    struct ed_pooled *conn = in_origin(node);
    ed_list_remove(&conn->in_pool);
    conn->idle = false;
    pool->idle_count--;
    return conn;
}

static void keep(struct ed_pool *pool, struct ed_pooled *conn)
{
    conn->idle = true;
    conn->idle_since = ed_now();
    ed_list_add_front(&conn->origin->idle, &conn->in_origin);
    ed_list_add_front(&pool->idle, &conn->in_pool);
    pool->idle_count++;
    if (pool->idle_count > pool->max_idle)
        evict_oldest(pool);
    else if (!pool->timer.index && start_timer(pool, conn))
        evict(pool, conn);
}

void ed_pool_give(struct ed_pool *pool, struct ed_pooled *conn)
{
    struct ed_waiter *waiter = ed_waitq_wake(&conn->origin->waiters, 0);

    if (waiter)
        *(struct ed_pooled **)waiter->data = conn;
    else
        keep(pool, conn);
}

/* ---- taking ---- */

/* A waiter woken with a result has what it waited for, cancelled or not. */
static int wait_in_line(struct ed_pool *pool, struct ed_origin *origin,
                        struct ed_pooled **conn)
{
    pool->waiting++;
    origin->waiting++;
    int err = ed_waitq_wait(&origin->waiters, "connection of the pool", conn);
    origin->waiting--;
    pool->waiting--;
    free_unused(pool, origin);
    return err;
}

int ed_pool_take(struct ed_pool *pool, struct ed_bytes key,
                 struct ed_origin **origin, struct ed_pooled **conn)
{
    struct ed_origin *o = find_origin(pool, key);

    *conn = NULL;
    *origin = o;
    if (!o)
        return ED_ENOMEM;
    *conn = take_idle(pool, o);
    if (*conn)
        return 0;
    /* Whoever waits has all places taken before him, so nobody overtakes. */
    if (o->places >= pool->max_per_origin)
        return wait_in_line(pool, o, conn);
    o->places++;
    pool->places++;
    return 0;
}

/* ---- life ---- */

int ed_pool_open(struct ed_pool *pool, ed_loop *loop)
{
    pool->loop = loop;
    pool->timer.fire = expire;
    ed_list_init(&pool->idle);
    pool->origins = ed_map_new();
    return pool->origins ? 0 : ED_ENOMEM;
}

void ed_pool_close(struct ed_pool *pool)
{
    while (pool->idle_count)
        evict_oldest(pool);
    ed_timer_stop(pool->loop, &pool->timer);
    ed_map_free(pool->origins);
}
