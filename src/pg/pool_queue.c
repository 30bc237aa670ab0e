/*
 * pool_queue.c - who gets which link, and in what order.
 *
 * A statement goes to an idle link, the last used first: its caches are warm,
 * and those no longer needed grow old and are closed. When there is none it
 * waits, as long as links can be opened, for one of its own; all of them in
 * use, it shares the link with the fewest statements under way. Who wants a
 * link alone needs an idle one; when all are shared, one of them takes no more
 * statements until it is.
 *
 * Who must wait does so in one queue, in the order they came. It moves when a
 * link is opened or has room, at the end of the turn, in the loop. A want that
 * is given up leaves the queue at once and so never holds a link.
 */
#include "pg/pool_internal.h"

/* What runs for longer holds up whatever is sent after it. */
static const int64_t SLOW = 10 * ED_MS;

/*
 * While statements are answered sooner than that, so many in a row go to one
 * link, instead of to the least loaded each: a server process that finds its
 * next statement there needs not fall asleep and be woken, which costs both
 * sides as much as a quick statement does. Those that share a sync come
 * together anyway.
 */
static const int64_t QUICK = 2 * ED_MS;
enum { ROW = 16 };

static struct pg_place *place_of(struct ed_list *node)
{
    return ED_CONTAINER(node, struct pg_place, node);
}

static struct pg_want *want_of(struct ed_list *node)
{
    return ED_CONTAINER(node, struct pg_want, node);
}

/* ---- choosing a link ---- */

/* Whether a link was idle for so long that it may be dead unheard. */
static bool stale(const struct pg_place *place)
{
    const struct pg_pool *pool = place->pool;

    return pool->check_after >= 0 &&
           ed_now() - pg_link_idle_since(place->link) > pool->check_after;
}

/* The idle link used last, which may be stale; NULL: none. */
static struct pg_place *last_used(struct pg_pool *pool)
{
    ed_list_each (node, &pool->idle) {
        struct pg_place *place = place_of(node);
        if (!place->outdated && pg_link_open_for_calls(place->link))
            return place;
    }
    return NULL;
}

/* If it is stale, all others are. */
static struct pg_place *find_idle(struct pg_pool *pool)
{
    struct pg_place *place = last_used(pool);

    return place && !stale(place) ? place : NULL;
}

static bool has_room(const struct pg_place *place, unsigned load)
{
    return load < place->pool->pipeline && !place->reserved &&
           !place->outdated && pg_link_open_for_calls(place->link) &&
           pg_link_state(place->link) == PQTRANS_IDLE;
}

static bool is_slow(const struct pg_place *place)
{
    return pg_link_busy_since(place->link) < ed_now() - SLOW;
}

/* Whether the row that goes to one link may go on. */
static bool may_stick(const struct pg_pool *pool)
{
    const struct pg_place *place = pool->sticky;

    return place && pool->sticks && pool->pace < QUICK &&
           has_room(place, pg_link_load(place->link)) && !is_slow(place);
}

/* The link to share: one that gets on, and of these the least loaded. NULL when
 * all are full. */
static struct pg_place *find_shared(struct pg_pool *pool, bool read_only)
{
    struct pg_place *best = NULL;
    unsigned least = 0;

    if (!read_only && may_stick(pool)) {
        pool->sticks--;
        return pool->sticky;
    }
    ed_list_each (node, &pool->shared) {
        struct pg_place *place = place_of(node);
        unsigned load = pg_link_load(place->link);
        if (!has_room(place, load))
            continue;
        if (is_slow(place))
            load += pool->pipeline; /* behind all others */
        if (!best || load < least) {
            best = place;
            least = load;
        }
    }
    pool->sticky = best;
    pool->sticks = ROW - 1;
    return best;
}

/* Attempts to connect after one that failed only find out whether it works
 * again: nobody waits for them who can be served otherwise. */
bool pg_pool_growing(const struct pg_pool *pool)
{
    return pool->checking ||
           (!pool->failures && (pool->opening || pg_pool_may_open(pool)));
}

static struct pg_place *find_for_call(struct pg_pool *pool,
                                      const struct pg_call *call)
{
    struct pg_place *place = find_idle(pool);

    if (place)
        return place;
    if (pg_pool_growing(pool))
        return NULL;
    if (pg_pool_may_open(pool)) /* for once, to find out */
        pg_place_open(pool);
    return find_shared(pool, call->read_only);
}

/* Has the least loaded shared link drained, for someone who wants it alone. */
static bool reserve_one(struct pg_pool *pool)
{
    struct pg_place *best = NULL;

    ed_list_each (node, &pool->shared) {
        struct pg_place *place = place_of(node);
        if (!place->reserved &&
            (!best || pg_link_load(place->link) < pg_link_load(best->link)))
            best = place;
    }
    if (!best)
        return false;
    best->reserved = true;
    pool->reserved++;
    return true;
}

static void unreserve_beyond(struct pg_pool *pool, unsigned needed)
{
    ed_list_each (node, &pool->shared) {
        struct pg_place *place = place_of(node);
        if (pool->reserved <= needed)
            return;
        if (place->reserved) {
            place->reserved = false;
            pool->reserved--;
        }
    }
}

/* Has as many links made ready as are waited for: stale ones checked, new ones
 * opened. */
static void summon(struct pg_pool *pool)
{
    while (pool->opening + pool->checking < pool->waiting) {
        struct pg_place *idle = last_used(pool);
        if (idle && stale(idle))
            pg_place_check(idle);
        else if (pg_pool_may_open(pool))
            pg_place_open(pool);
        else
            return;
    }
}

/* ---- the queue ---- */

/* Without any link, and none can be had for the time being. */
static bool out_of_reach(const struct pg_pool *pool)
{
    return pool->failures && !pool->open && !pool->opening &&
           ed_now() < pool->retry_at;
}

static void leave_queue(struct pg_want *want)
{
    struct pg_pool *pool = want->pool;

    ed_list_remove(&want->node);
    want->queued = false;
    pool->waiting--;
    pool->counts.waited += ed_now() - want->since;
}

static void answer(struct pg_want *want, int err)
{
    leave_queue(want);
    ed_wake(want->fiber, err);
}

static int arm_impatience(struct pg_pool *pool)
{
    struct ed_list *first = ed_list_first(&pool->queue);
    int64_t at = INT64_MAX;

    if (first)
        at = pg_time_after(want_of(first)->since, pool->max_wait);
    if (at == INT64_MAX)
        return 0;
    return ed_timer_start(pool->loop, &pool->impatience, at);
}

void pg_queue_impatient(struct ed_timer *timer)
{
    struct pg_pool *pool = ED_CONTAINER(timer, struct pg_pool, impatience);
    struct ed_list *first;

    while ((first = ed_list_first(&pool->queue)) &&
           ed_now() - want_of(first)->since >= pool->max_wait)
        answer(want_of(first), ED_EOVERLOAD);
    /* Cannot fail: a timer that just fired has left its room. */
    (void)arm_impatience(pool);
}

static int enter_queue(struct pg_want *want)
{
    struct pg_pool *pool = want->pool;

    if (out_of_reach(pool))
        return ED_EDATABASE;
    if (pool->waiting >= pool->queue_max)
        return ED_EOVERLOAD;
    want->since = ed_now();
    ed_list_add_back(&pool->queue, &want->node);
    int err = pool->impatience.index ? 0 : arm_impatience(pool);
    if (err) {
        ed_list_remove(&want->node);
        return err;
    }
    want->queued = true;
    pool->waiting++;
    pool->counts.waits++;
    summon(pool);
    /* If nothing is summoned, a link to drain may have to be chosen. */
    pg_pool_move(pool);
    return 0;
}

void pg_pool_move(struct pg_pool *pool)
{
    if (pool->loop)
        ed_defer(pool->loop, &pool->moving);
}

/* Serves a statement if it can be. */
static bool serve_call(struct pg_want *want)
{
    struct pg_place *place = find_for_call(want->pool, want->call);

    if (!place)
        return false;
    want->sent_at = ed_now();
    int err = pg_place_send(place, want->call);
    if (err)
        answer(want, err);
    else
        leave_queue(want); /* its end wakes the fiber */
    return true;
}

static bool serve_alone(struct pg_want *want)
{
    struct pg_place *place = find_idle(want->pool);

    if (!place)
        return false;
    pg_place_hold(place);
    want->place = place;
    answer(want, 0);
    return true;
}

/* Serves all that can be, in their order. Who waits for a link to drain lets
 * others pass who need none, for one is kept for him. */
static void serve(struct pg_pool *pool)
{
    unsigned draining = 0;

    ed_list_each_safe (node, &pool->queue) {
        struct pg_want *want = want_of(node);
        if (want->call ? serve_call(want) : serve_alone(want))
            continue;
        if (want->call || pg_pool_growing(pool))
            break;
        if (draining == pool->reserved && !reserve_one(pool))
            break;
        draining++;
    }
    unreserve_beyond(pool, draining);
}

static void close_outdated(struct pg_pool *pool)
{
    ed_list_each_safe (node, &pool->idle) {
        struct pg_place *place = place_of(node);
        if (place->outdated)
            pg_place_close(place);
    }
}

void pg_queue_moving(struct ed_deferred *deferred)
{
    struct pg_pool *pool = ED_CONTAINER(deferred, struct pg_pool, moving);

    close_outdated(pool);
    serve(pool);
    if (out_of_reach(pool)) {
        while (!ed_list_empty(&pool->queue))
            answer(want_of(ed_list_first(&pool->queue)), ED_EDATABASE);
    }
    summon(pool);
    pg_pool_keep_min(pool);
}

/* ---- waiting ---- */

static bool give_up(void *arg)
{
    struct pg_want *want = arg;

    if (!want->queued) {
        pg_call_abandon(want->call);
        return true;
    }
    leave_queue(want);
    pg_pool_move(want->pool); /* a link may be kept for him */
    return true;
}

static int not_served(const struct pg_want *want, int err)
{
    const struct pg_pool *pool = want->pool;
    double waited = (double)(ed_now() - want->since) / ED_S;

    switch (err) {
    case ED_EDATABASE:
        return ed_fail(err, "%s", pool->why);
    case ED_EOVERLOAD:
        if (!want->since)
            return ed_fail(err,
                           "%u wait already for one of %u connections to"
                           " %s",
                           pool->waiting, pool->max, pool->where);
        /* fallthrough */
    case ED_ETIMEOUT:
        return ed_fail(err, "waited %.1f s for one of %u connections to %s",
                       waited, pool->max, pool->where);
    case ED_ECANCELED:
        return err;
    default:
        return err;
    }
}

/* Waits in the queue. A call is sent from there; its end is awaited, too. */
static int wait_in_queue(struct pg_want *want)
{
    int err = enter_queue(want);

    if (!err)
        err = ed_park("a PostgreSQL connection", give_up, want);
    return err;
}

static void ended(struct pg_call *call)
{
    struct pg_want *want = call->waiter;
    struct pg_pool *pool = want->pool;

    pool->pace += (ed_now() - want->sent_at - pool->pace) / 8;
    ed_wake(want->fiber, 0);
}

int pg_pool_call(struct pg_pool *pool, struct pg_call *call)
{
    int err = ed_checkpoint();
    if (err)
        return err;

    struct pg_want want = {
        .pool = pool, .fiber = ed_fiber_self(), .call = call};
    ed_list_init(&want.node);
    call->done = ended;
    call->waiter = &want;
    struct pg_place *place = pool->waiting ? NULL : find_for_call(pool, call);
    if (!place) {
        err = wait_in_queue(&want);
        return err && !call->link ? not_served(&want, err) : err;
    }
    want.sent_at = ed_now();
    err = pg_place_send(place, call);
    return err ? err : ed_park("PostgreSQL", give_up, &want);
}

int pg_pool_take(struct pg_pool *pool, struct pg_place **out)
{
    int err = ed_checkpoint();
    if (err)
        return err;

    struct pg_want want = {.pool = pool, .fiber = ed_fiber_self()};
    ed_list_init(&want.node);
    struct pg_place *place = pool->waiting ? NULL : find_idle(pool);
    if (place) {
        pg_place_hold(place);
        *out = place;
        return 0;
    }
    err = wait_in_queue(&want);
    *out = want.place;
    return err ? not_served(&want, err) : 0;
}
