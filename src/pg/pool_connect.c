/*
 * pool_connect.c - links being opened, and what follows when that fails.
 *
 * Each is opened by a fiber of its own in the background, so that nobody who
 * wants a link waits for a certain one. After a failure there is a pause, which
 * doubles with each further one, and a single attempt after it; callers without
 * any link are told at once meanwhile. As soon as an attempt succeeds all is as
 * before.
 */
#include "base/backoff.h"
#include "pg/lease.h"
#include "pg/pool_internal.h"

#include <eddy/log.h>
#include <stdio.h>
#include <string.h>

static const int64_t FIRST_PAUSE = 50 * ED_MS;

bool pg_pool_may_open(const struct pg_pool *pool)
{
    if (pool->open + pool->opening >= pool->max)
        return false;
    if (pool->failures)
        return !pool->opening && ed_now() >= pool->retry_at;
    return true;
}

int64_t pg_pool_backoff(const ed_pg *db, unsigned failures)
{
    return ed_backoff(failures, FIRST_PAUSE, db->pool->max_backoff);
}

static void note_failure(struct pg_pool *pool, int err)
{
    const char *detail = ed_error_of(err);

    pool->counts.failed_connects++;
    pool->failures++;
    pool->retry_at =
        pg_time_after(ed_now(), pg_pool_backoff(&pool->handle, pool->failures));
    snprintf(pool->why, sizeof pool->why, "%s",
             *detail ? detail : ed_err_text(err));
    if (pool->failures == 1 && err != ED_ECANCELED)
        ed_log_warn("cannot connect, and will try again: %s", pool->why);
    pg_pool_move(pool);
}

static void note_success(struct pg_place *place)
{
    struct pg_pool *pool = place->pool;

    if (pool->failures)
        ed_log_info("PostgreSQL: connected again to %s", pool->where);
    pool->failures = 0;
    pool->counts.connects++;
    place->expires = pg_upkeep_expiry(pool);
    pg_place_idle(place);
    pg_upkeep_arm(pool);
    pg_pool_move(pool);
}

/* ---- on_connect ---- */

static int call_hook(struct pg_place *place)
{
    struct pg_pool *pool = place->pool;
    struct ed_pg_store store;
    ed_scope(bound, .within = pool->target.connect_timeout);

    (void)bound;
    ed_pg *session = pg_lease_over(&store, place);
    int err = pool->on_connect(session, pool->arg);
    int detached = pg_lease_detach(session);
    return err < 0 ? err : detached;
}

/* Lets the program make a new link what it wants it to be. */
static int welcome(struct pg_place *place)
{
    if (!place->pool->on_connect)
        return 0;
    int err = call_hook(place);
    if (err)
        return err;
    if (place->broken)
        return ed_fail(ED_EDATABASE, "connection lost in on_connect");
    if (pg_link_load(place->link) || pg_link_state(place->link) != PQTRANS_IDLE)
        return ed_fail(ED_EUSAGE, "on_connect left a transaction open");
    return 0;
}

/* ---- the fibers ---- */

static int open_link(struct pg_place *place)
{
    struct pg_pool *pool = place->pool;
    int err = pg_link_open(&place->link, &pool->target, &pool->statements,
                           pool->goodbye, &pg_place_owner, place);

    return err ? err : welcome(place);
}

/* Runs what fills the fiber's arena in one of its own: the loop's only grows.
 */
static int with_arena(int (*fn)(struct pg_place *place), struct pg_place *place)
{
    ed_arena *arena = ed_arena_new(0);

    if (!arena)
        return ED_ENOMEM;
    ed_fiber_use_arena(arena);
    int err = fn(place);
    ed_fiber_use_arena(NULL);
    ed_arena_free(arena);
    return err;
}

/* The pool may be freed while the fiber waits, and cancels it then. */
static int connecting(void *arg)
{
    struct pg_place *place = arg;
    struct pg_pool *pool = place->pool;

    place->fiber = ed_fiber_self();
    int err = pool->closed ? ED_ECANCELED : with_arena(open_link, place);
    place->attended = false;
    place->fiber = NULL;
    if (!err && !pool->closed) {
        note_success(place);
    } else {
        pg_place_close(place);
        if (!pool->closed)
            note_failure(pool, err);
    }
    pg_pool_release(pool);
    return 0;
}

void pg_place_open(struct pg_pool *pool)
{
    struct pg_place *place = pg_place_new(pool);
    int err = place ? ed_background(connecting, place) : ED_ENOMEM;

    if (!err) {
        place->attended = true;
        pool->references++;
        return;
    }
    if (place)
        pg_place_close(place);
    note_failure(pool, err);
}

static int welcoming(void *arg)
{
    struct pg_place *place = arg;
    struct pg_pool *pool = place->pool;

    place->fiber = ed_fiber_self();
    int err = pool->closed ? ED_ECANCELED : with_arena(welcome, place);
    place->attended = false;
    place->fiber = NULL;
    if (err || place->broken || pool->closed)
        pg_place_close(place);
    else
        pg_place_idle(place);
    pg_pool_release(pool);
    return 0;
}

void pg_place_welcome(struct pg_place *place)
{
    pg_place_hold(place);
    if (ed_background(welcoming, place)) {
        pg_place_retire(place);
        return;
    }
    place->attended = true;
    place->pool->references++;
}
