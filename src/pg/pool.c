/*
 * pool.c - a pool's life: made anywhere, bound to the loop that uses it first,
 * emptied when that ends, freed by the program.
 *
 * Owns the list of pools of each loop. The memory of a pool stays until the
 * last fiber that connects for it has noticed that it was freed.
 */
#include "pg/dsn.h"
#include "pg/pool_internal.h"

#include "base/options.h"
#include <eddy/clock.h>
#include <eddy/log.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- making one ---- */

static void use_defaults(struct ed_pg_options *o)
{
    static const struct ed_pg_options defaults = {
        .max = 10,
        .pipeline = 64,
        .queue = 10000,
        .max_wait = 30 * ED_S,
        .max_backoff = 5 * ED_S,
        .idle_time = 5 * ED_MIN,
        .lifetime = 60 * ED_MIN,
        .check_after = 30 * ED_S,
        .goodbye = 5 * ED_S,
        .statements = 256,
        .statement_lifetime = 60 * ED_MIN,
    };
#define USE_DEFAULT(member) o->member = o->member ? o->member : defaults.member
    USE_DEFAULT(max);
    USE_DEFAULT(pipeline);
    USE_DEFAULT(queue);
    USE_DEFAULT(max_wait);
    USE_DEFAULT(idle_time);
    USE_DEFAULT(lifetime);
    USE_DEFAULT(check_after);
    USE_DEFAULT(statements);
    USE_DEFAULT(statement_lifetime);
#undef USE_DEFAULT
    if (o->max_backoff <= 0)
        o->max_backoff = defaults.max_backoff;
    if (o->goodbye <= 0)
        o->goodbye = defaults.goodbye;
    if (o->max < o->min)
        o->max = o->min;
}

static void take_options(struct pg_pool *pool, const struct ed_pg_options *o)
{
    pool->min = o->min;
    pool->max = o->max;
    pool->pipeline = o->pipeline;
    pool->queue_max = o->queue;
    pool->max_wait = o->max_wait;
    pool->max_backoff = o->max_backoff;
    pool->idle_time = o->idle_time;
    pool->lifetime = o->lifetime;
    pool->check_after = o->check_after;
    pool->goodbye = o->goodbye;
    pool->read_only = o->read_only;
    pool->on_connect = o->on_connect;
    pool->arg = o->arg;
}

static struct pg_pool *new_pool(const struct ed_pg_options *options)
{
    struct pg_pool *pool = calloc(1, sizeof *pool);

    if (!pool)
        return NULL;
    pool->handle.kind = PG_POOL;
    pool->handle.pool = pool;
    ED_MAGIC_SET(&pool->handle, PG_HANDLE_MAGIC);
    pool->references = 1;
    take_options(pool, options);
    ed_list_init(&pool->in_loop);
    ed_list_init(&pool->idle);
    ed_list_init(&pool->shared);
    ed_list_init(&pool->other);
    ed_list_init(&pool->queue);
    pool->moving.run = pg_queue_moving;
    pool->impatience.fire = pg_queue_impatient;
    pool->retry.fire = pg_upkeep_retry;
    pool->upkeep.fire = pg_upkeep_due;
    pool->pace = ED_S; /* until something else is known */
    return pool;
}

ed_pg *ed_pg_new_with(const struct ed_pg_options *given)
{
    ED_OPTIONS_TAKE(struct ed_pg_options, options, given);
    use_defaults(&options);
    struct pg_pool *pool = new_pool(&options);
    if (!pool)
        return NULL;
    if (pg_target_init(&pool->target, &options)) {
        if (ed_in_fiber())
            ed_log_error("PostgreSQL: %s", ed_error());
        free(pool);
        return NULL;
    }
    if (pg_statements_init(&pool->statements, options.statements,
                           options.statement_lifetime)) {
        pg_target_free(&pool->target);
        free(pool);
        return NULL;
    }
    return &pool->handle;
}

void pg_pool_release(struct pg_pool *pool)
{
    if (--pool->references)
        return;
    pg_statements_free(&pool->statements);
    pg_target_free(&pool->target);
    ED_MAGIC_CLEAR(&pool->handle);
    free(pool);
}

/* ---- binding it to a loop ---- */

static const char pools_key;

static void close_places(struct ed_list *places)
{
    ed_list_each_safe (node, places) {
        struct pg_place *place = ED_CONTAINER(node, struct pg_place, node);
        if (!place->attended)
            pg_place_close(place);
        else if (place->fiber)
            ed_fiber_cancel(place->fiber, ED_ECANCELED);
    }
}

/* Closes all links; those that fibers attend to are left to them. */
static void unbind(struct pg_pool *pool)
{
    ed_loop *loop = pool->loop;

    close_places(&pool->idle);
    close_places(&pool->shared);
    close_places(&pool->other);
    ed_list_remove(&pool->in_loop);
    ed_undefer(loop, &pool->moving);
    ed_timer_stop(loop, &pool->impatience);
    ed_timer_stop(loop, &pool->retry);
    ed_timer_stop(loop, &pool->upkeep);
    pool->loop = NULL;
    pool->failures = 0;
}

static void loop_ends(void *value)
{
    struct ed_list *pools = value;

    while (!ed_list_empty(pools))
        unbind(ED_CONTAINER(pools->next, struct pg_pool, in_loop));
    free(pools);
}

static struct ed_list *pools_of(ed_loop *loop)
{
    struct ed_list *pools = ed_loop_get(loop, &pools_key);

    if (pools)
        return pools;
    pools = malloc(sizeof *pools);
    if (!pools)
        return NULL;
    ed_list_init(pools);
    if (ed_loop_set(loop, &pools_key, pools, loop_ends)) {
        free(pools);
        return NULL;
    }
    return pools;
}

/* What messages call the server. */
static void name_server(struct pg_pool *pool)
{
    struct pg_dsn dsn;

    if (pg_dsn_read(&dsn, pool->target.dsn)) {
        snprintf(pool->where, sizeof pool->where, "the server");
        return;
    }
    const char *host = dsn.host ? dsn.host : dsn.hostaddr;
    snprintf(pool->where, sizeof pool->where, "%s%s%s",
             host ? host : "the local socket", dsn.port ? ", port " : "",
             dsn.port ? dsn.port : "");
    pg_dsn_free(&dsn);
}

static int bind(struct pg_pool *pool)
{
    ed_loop *loop = ed_loop_current();

    if (!ed_in_fiber())
        return ED_EUSAGE;
    if (pool->closed) /* on_connect goes on after the pool has gone */
        return ED_ECANCELED;
    if (pool->loop)
        return ed_fail(ED_EUSAGE,
                       "a pool belongs to the thread that used it first");
    struct ed_list *pools = pools_of(loop);
    if (!pools)
        return ED_ENOMEM;
    if (!*pool->where)
        name_server(pool);
    ed_list_add_back(pools, &pool->in_loop);
    pool->loop = loop;
    return 0;
}

int pg_pool_enter(struct pg_pool *pool)
{
    ED_MAGIC_CHECK(&pool->handle, PG_HANDLE_MAGIC);
    if (pool->loop && pool->loop == ed_loop_current() && ed_in_fiber())
        return 0;
    return bind(pool);
}

/* Only debug builds ask. */
__attribute__((unused)) static bool has_held(const struct pg_pool *pool)
{
    ed_list_each (node, &pool->other) {
        struct pg_place *place = ED_CONTAINER(node, struct pg_place, node);
        if (place->state == PG_HELD && !place->attended)
            return true;
    }
    return false;
}

void ed_pg_free(ed_pg *db)
{
    if (!db)
        return;
    struct pg_pool *pool = db->pool;
    assert(db->kind == PG_POOL && !pool->waiting && !has_held(pool));
    pool->closed = true;
    if (pool->loop)
        unbind(pool);
    pg_pool_release(pool);
}

/* ---- what may be asked of it ---- */

int ed_pg_ready(ed_pg *db)
{
    struct pg_pool *pool = db->pool;
    struct pg_link *link;
    int err = pg_pool_enter(pool);

    if (err)
        return err;
    pg_pool_keep_min(pool);
    if (pool->open)
        return 0;
    err = pg_lease(&pool->handle, &link);
    if (!err)
        pg_unlease(&pool->handle, link);
    return err;
}

void ed_pg_expire(ed_pg *db)
{
    struct pg_pool *pool = db->pool;
    struct ed_list *lists[] = {&pool->idle, &pool->shared, &pool->other};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        ed_list_each (node, lists[i])
            ED_CONTAINER(node, struct pg_place, node)->outdated = true;
    }
    pg_pool_move(pool);
}

static void count_places(const struct ed_list *places, struct ed_pg_counts *c)
{
    ed_list_each (node, places) {
        struct pg_place *place = ED_CONTAINER(node, struct pg_place, node);
        if (place->state == PG_IDLE)
            c->idle++;
        if (place->state == PG_HELD)
            c->held++;
        if (place->state != PG_OPENING)
            c->under_way += pg_link_load(place->link);
    }
}

void ed_pg_counts(const ed_pg *db, struct ed_pg_counts *counts)
{
    const struct pg_pool *pool = db->pool;
    const struct pg_link_counts *links = &pool->statements.counts;

    *counts = pool->counts;
    counts->open = pool->open;
    counts->connecting = pool->opening;
    counts->waiting = pool->waiting;
    counts->batches = links->batches;
    counts->resent += links->resent;
    counts->prepared = links->prepared;
    counts->cancelled = links->cancelled;
    count_places(&pool->idle, counts);
    count_places(&pool->shared, counts);
    count_places(&pool->other, counts);
}

/* ---- for streams and listeners ---- */

ed_pg *pg_pool_of(ed_pg *db)
{
    return &db->pool->handle;
}

const struct pg_target *pg_pool_target(const ed_pg *db)
{
    return &db->pool->target;
}

struct pg_statements *pg_pool_statements(ed_pg *db)
{
    return &db->pool->statements;
}
