/*
 * pool_place.c - a connection's way through its pool.
 *
 * Owns places: from when a link is to be opened until it is closed, each is in
 * one list of its pool, and counted there. What a link tells its owner is acted
 * upon here. A link that comes back from somebody's hands is used again only
 * when the server has said that no transaction is open.
 */
#include "pg/pool_internal.h"
#include "pg/lease.h"

#include <stdlib.h>

/* A sign of life takes a round trip; a dead peer gives none. */
static const int64_t CHECK_PATIENCE = 2 * ED_S;

static void impatient(struct ed_timer *timer)
{
    struct pg_place *place = ED_CONTAINER(timer, struct pg_place, patience);

    if (place->state == PG_CHECKING) {
        /* The others were idle for even longer: not one after the other. */
        ed_list_each (node, &place->pool->idle)
            ED_CONTAINER(node, struct pg_place, node)->outdated = true;
    }
    pg_place_close(place);
}

struct pg_place *pg_place_new(struct pg_pool *pool)
{
    struct pg_place *place = calloc(1, sizeof *place);

    if (!place)
        return NULL;
    place->pool = pool;
    place->patience.fire = impatient;
    place->expires = INT64_MAX;
    ed_list_add_back(&pool->other, &place->node);
    pool->opening++;
    return place;
}

/* Leaves what it was counted as. */
static void leave_state(struct pg_place *place)
{
    struct pg_pool *pool = place->pool;

    ed_list_remove(&place->node);
    if (place->reserved)
        pool->reserved--;
    place->reserved = false;
    if (pool->sticky == place)
        pool->sticky = NULL;
    if (place->state == PG_CHECKING)
        pool->checking--;
    if (place->state == PG_CHECKING || place->state == PG_TIDYING)
        ed_timer_stop(pool->loop, &place->patience);
    if (place->state == PG_OPENING)
        pool->opening--;
    else
        pool->open--;
}

static void enter_state(struct pg_place *place, enum pg_place_state state)
{
    struct pg_pool *pool = place->pool;

    leave_state(place);
    place->state = state;
    pool->open++;
    if (state == PG_CHECKING)
        pool->checking++;
    if (state == PG_IDLE)
        ed_list_add_front(&pool->idle, &place->node);
    else
        ed_list_add_back(state == PG_SHARED ? &pool->shared : &pool->other,
                         &place->node);
}

void pg_place_close(struct pg_place *place)
{
    struct pg_pool *pool = place->pool;

    leave_state(place);
    place->state = PG_CLOSED;
    /* Ends calls under way, which look at the place. */
    if (place->link)
        pg_link_close(place->link);
    free(place);
    pg_pool_move(pool);
}

void pg_place_idle(struct pg_place *place)
{
    enter_state(place, PG_IDLE);
    if (place->pool->waiting || place->outdated)
        pg_pool_move(place->pool);
}

void pg_place_retire(struct pg_place *place)
{
    place->outdated = true;
    pg_place_idle(place);
}

void pg_place_hold(struct pg_place *place)
{
    enter_state(place, PG_HELD);
}

/* ---- calls ---- */

static bool quiet(const struct pg_place *place)
{
    return !pg_link_load(place->link) && pg_link_open_for_calls(place->link);
}

int pg_place_send(struct pg_place *place, struct pg_call *call)
{
    struct pg_pool *pool = place->pool;
    bool was_idle = place->state == PG_IDLE;

    if (was_idle)
        enter_state(place, PG_SHARED);
    int err = pg_link_send(place->link, call);
    if (!err)
        pool->counts.statements++;
    else if (was_idle)
        pg_place_idle(place);
    return err;
}

static void posted(struct pg_call *call)
{
    struct pg_place *place = call->waiter;

    if (call->fate != PG_DONE || call->err < 0)
        place->failed = true;
}

int pg_place_post(struct pg_place *place, const char *sql)
{
    struct pg_job job = {.no_rows = true};
    int err = pg_statement_get(&place->pool->statements, sql, &job.statement);
    if (err)
        return err;

    struct pg_call *call = pg_job_call(&job, posted, place);
    pg_statement_release(job.statement);
    if (!call)
        return ED_ENOMEM;
    err = pg_link_send(place->link, call);
    pg_call_release(call);
    return err;
}

/* Bounds what is asked of a link that nobody waits for. */
static int be_patient(struct pg_place *place, int64_t time)
{
    return ed_timer_start(place->pool->loop, &place->patience,
                          pg_time_after(ed_now(), time));
}

/* ---- checking ---- */

void pg_place_check(struct pg_place *place)
{
    enter_state(place, PG_CHECKING);
    place->failed = false;
    if (be_patient(place, CHECK_PATIENCE) || pg_place_post(place, "select 1"))
        pg_place_retire(place);
}

/* ---- tidying ---- */

/* Undoes all a session may have set, but prepared statements, which cost nobody
 * anything: DISCARD ALL would drop them. What connect.c set is set again. */
static const char *const reset[] = {
    "set session authorization default",
    "reset all",
    "set datestyle to iso",
    "set intervalstyle to postgres",
    "set standard_conforming_strings to on",
    "close all",
    "unlisten *",
    "select pg_advisory_unlock_all()",
    "discard temp",
    "discard sequences",
};

static int post_reset(struct pg_place *place)
{
    int err = 0;

    for (size_t i = 0; !err && i < sizeof reset / sizeof *reset; i++)
        err = pg_place_post(place, reset[i]);
    if (!err && place->pool->read_only)
        err = pg_place_post(place, "set default_transaction_read_only to on");
    return err;
}

/* Resetting everything undoes what on_connect set, too. */
static void tidied(struct pg_place *place)
{
    if (place->was_reset && place->pool->on_connect)
        pg_place_welcome(place);
    else
        pg_place_idle(place);
}

/* What is to be done next, when all before it has been answered. */
static void tidy(struct pg_place *place)
{
    int err = 0;

    if (!quiet(place))
        return;
    PGTransactionStatusType state = pg_link_state(place->link);
    bool open = state == PQTRANS_INTRANS || state == PQTRANS_INERROR;
    if (place->failed || (!open && state != PQTRANS_IDLE) ||
        (open && place->rolled_back)) {
        pg_place_retire(place);
        return;
    }
    if (open) {
        place->rolled_back = true;
        err = pg_place_post(place, "rollback");
    } else if (place->session && !place->was_reset) {
        place->was_reset = true;
        err = post_reset(place);
    } else {
        tidied(place);
        return;
    }
    if (err)
        pg_place_retire(place);
}

void pg_place_give_back(struct pg_place *place, bool session)
{
    place->lease = NULL;
    if (place->broken) {
        pg_place_close(place);
        return;
    }
    enter_state(place, PG_TIDYING);
    place->session = session;
    place->failed = place->rolled_back = place->was_reset = false;
    if (be_patient(place, place->pool->goodbye))
        pg_place_retire(place);
    else
        tidy(place);
}

/* ---- what links tell ---- */

/* A statement that began a transaction may have come among others. */
static void be_idle(struct pg_place *place)
{
    if (pg_link_state(place->link) == PQTRANS_IDLE)
        pg_place_idle(place);
    else
        pg_place_give_back(place, false);
}

static void room(struct pg_link *link)
{
    struct pg_place *place = pg_link_info(link)->user;

    switch (place->state) {
    case PG_SHARED:
        if (quiet(place))
            be_idle(place);
        else if (place->pool->waiting)
            pg_pool_move(place->pool);
        return;
    case PG_CHECKING:
        if (!quiet(place))
            return;
        if (place->failed)
            pg_place_retire(place);
        else
            pg_place_idle(place);
        return;
    case PG_TIDYING:
        tidy(place);
        return;
    default:
        if (place->lease)
            pg_lease_stirred(place->lease);
    }
}

static void lost(struct pg_link *link, int err)
{
    struct pg_place *place = pg_link_info(link)->user;

    (void)err; /* each call has been told */
    place->pool->counts.lost++;
    if (place->state != PG_HELD && place->state != PG_OPENING) {
        pg_place_close(place);
        return;
    }
    /* Whose it is may be in the middle of using it. */
    place->broken = true;
    if (place->lease)
        pg_lease_stirred(place->lease);
}

const struct pg_link_owner pg_place_owner = {.room = room, .lost = lost};
