/*
 * pool_upkeep.c - what a pool does as time goes by: links are replaced when
 * they are old, closed when they were idle for long and are more than `min`,
 * and opened when they are fewer.
 *
 * One timer serves all links. It is armed for the first that is due and looks
 * anew when it fires, so that taking and giving back never touch it.
 */
#include "base/backoff.h"
#include "base/moment.h"
#include "pg/pool_internal.h"

#include <stdlib.h>

/* Not all links of a pool, or of many programs, are to end at once. */
static const double LIFETIME_JITTER = 0.1;

int64_t pg_time_after(int64_t from, int64_t time)
{
    return time < 0 ? INT64_MAX : ed_moment_after(from, time);
}

int64_t pg_upkeep_expiry(struct pg_pool *pool)
{
    double part = 1 + LIFETIME_JITTER * (2 * ed_chance() - 1);

    if (pool->lifetime > INT64_MAX / 2)
        return INT64_MAX;
    return pg_time_after(ed_now(), (int64_t)((double)pool->lifetime * part));
}

/* When an idle link is no longer worth keeping. */
static int64_t idle_until(const struct pg_place *place)
{
    const struct pg_pool *pool = place->pool;

    if (pool->open <= pool->min)
        return INT64_MAX;
    return pg_time_after(pg_link_idle_since(place->link), pool->idle_time);
}

static int64_t due(const struct pg_place *place)
{
    int64_t until = place->state == PG_IDLE ? idle_until(place) : INT64_MAX;

    if (!place->outdated && place->expires < until)
        until = place->expires;
    return until;
}

/* Those in use are closed when they come back. Returns when to look again. */
static int64_t expire(struct ed_list *places)
{
    int64_t next = INT64_MAX;

    ed_list_each (node, places) {
        struct pg_place *place = ED_CONTAINER(node, struct pg_place, node);
        if (ed_now() >= place->expires)
            place->outdated = true;
        if (due(place) < next)
            next = due(place);
    }
    return next;
}

/* Closes idle links, the longest idle first. Returns when to look again. */
static int64_t shrink(struct pg_pool *pool)
{
    int64_t next = INT64_MAX;

    for (struct ed_list *node = pool->idle.prev, *before; node != &pool->idle;
         node = before) {
        struct pg_place *place = ED_CONTAINER(node, struct pg_place, node);
        before = node->prev;
        int64_t at = due(place);
        if (place->outdated || ed_now() >= at)
            pg_place_close(place);
        else if (at < next)
            next = at;
    }
    return next;
}

static void arm(struct pg_pool *pool, int64_t at)
{
    /* Without memory for a timer the next link that is opened arms it. */
    if (at != INT64_MAX && (!pool->upkeep.index || at < pool->upkeep.at))
        (void)!ed_timer_start(pool->loop, &pool->upkeep, at);
}

static void look_after(struct pg_pool *pool)
{
    arm(pool, shrink(pool));
    arm(pool, expire(&pool->shared));
    arm(pool, expire(&pool->other));
    pg_pool_keep_min(pool);
}

void pg_upkeep_due(struct ed_timer *timer)
{
    struct pg_pool *pool = ED_CONTAINER(timer, struct pg_pool, upkeep);

    look_after(pool);
    /* A link that is idle later than it was when this looked is due later; one
     * that was in use then may be due any time. */
    if (pool->open > pool->min)
        arm(pool, pg_time_after(ed_now(), pool->idle_time));
}

void pg_upkeep_arm(struct pg_pool *pool)
{
    if (pool->open > pool->min)
        arm(pool, pg_time_after(ed_now(), pool->idle_time));
    ed_list_each (node, &pool->idle)
        arm(pool, ED_CONTAINER(node, struct pg_place, node)->expires);
}

static bool missing(const struct pg_pool *pool)
{
    return pool->waiting || pool->open + pool->opening < pool->min;
}

void pg_pool_keep_min(struct pg_pool *pool)
{
    while (pool->open + pool->opening < pool->min && pg_pool_may_open(pool))
        pg_place_open(pool);
    /* Without memory for a timer the next caller makes the attempt. */
    if (pool->failures && !pool->opening && missing(pool) && !pool->retry.index)
        (void)!ed_timer_start(pool->loop, &pool->retry, pool->retry_at);
}

void pg_upkeep_retry(struct ed_timer *timer)
{
    struct pg_pool *pool = ED_CONTAINER(timer, struct pg_pool, retry);

    pg_pool_move(pool); /* which opens what is missing */
}
