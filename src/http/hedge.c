/*
 * hedge.c - sending a request a second time while the first is not answered.
 *
 * The first is sent by the fiber that fetches. A timer in the loop starts
 * another fiber for the second only when it is needed, so that a request that
 * is answered in time costs no more than that timer. Whoever has a response
 * first cancels the other, whose connection is closed by that, and whose place,
 * slot and address are given back. Both use the same arena; each has a journey
 * of its own.
 *
 * A streamed response is there with its head, so it can be hedged like any
 * other: the fiber that fetches reads on what the other one began.
 */
#include "http/hedge.h"
#include "base/moment.h"
#include "http/dispatch.h"
#include "http/response.h"
#include "http/watch.h"

struct runner {
    struct ed_journey journey;
    struct ed_attempt_plan plan;
    ed_res *res;
    int err;
    bool started;
    bool ended;
};

struct race {
    struct ed_timer timer;
    struct ed_sending *sending;
    ed_scope *both;
    ed_scope *own; /* of the first runner alone */
    ed_arena *arena;
    struct runner first, second;
};

/* Two requests may well both be carried out. */
static bool is_safe(const struct ed_fetch_options *o)
{
    static const char *const names[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    struct ed_bytes method = ed_bytes(ed_attempt_method(o));

    if (ed_attempt_has_body(o))
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (ed_bytes_equal(method, ed_bytes(names[i])))
            return true;
    }
    return false;
}

static bool has_won(const struct runner *r)
{
    return r->ended && !r->err && !ed_policy_is_refusal(r->res->status);
}

/* ---- the second ---- */

/* An address that does not answer at all would never be found out if all that
 * is sent to it were cancelled in time. */
static void overtake(struct race *race)
{
    struct ed_attempt_plan *plan = &race->first.plan;

    plan->outrun = !plan->res || !plan->res->timing.first_byte;
    ed_cancel(race->own);
}

static int run_second(void *arg)
{
    struct race *race = arg;
    struct runner *r = &race->second;

    r->err = ed_dispatch(race->sending, &r->journey, &r->plan, &r->res);
    r->ended = true;
    if (has_won(r) && !race->first.ended)
        overtake(race);
    return 0;
}

/* Whether it may help: a response that has begun is on its way, and where
 * requests stand in line another one only makes the line longer. */
static bool may_help(const struct race *race)
{
    const ed_res *res = race->first.plan.res;
    const struct ed_sending *s = race->sending;

    if (res && res->timing.first_byte)
        return false;
    return !s->upstream || !s->policies->upstreams.limits.on ||
           ed_limiter_has_room(&s->upstream->limiter);
}

static void start_second(struct ed_timer *timer)
{
    struct race *race = ED_CONTAINER(timer, struct race, timer);
    struct ed_policies *p = race->sending->policies;
    struct runner *r = &race->second;

    if (!may_help(race))
        return;
    if (!ed_budget_take(&p->budget, ed_now())) {
        p->denied++;
        return;
    }
    r->journey = race->first.journey;
    r->journey.plan = &r->plan;
    /* It need not be: without memory for a fiber the first is on its own. */
    r->started = true;
    p->hedges++;
    ed_watch(&r->journey, ED_PHASE_HEDGED, 0, 0);
    if (ed_fiber_run_now(race->both, run_second, race, "hedge", ED_PLACE_,
                         race->arena))
        r->started = false;
}

/* ---- both ---- */

static void run_first(struct race *race)
{
    struct runner *r = &race->first;
    ed_scope(own, .name = "first of two");

    race->own = own;
    r->err = ed_dispatch(race->sending, &r->journey, &r->plan, &r->res);
    r->ended = true;
    race->own = NULL;
}

/* The better of two that have ended, or the first. */
static struct runner *winner(struct race *race)
{
    struct runner *first = &race->first, *second = &race->second;

    if (!second->ended || has_won(first))
        return first;
    if (has_won(second))
        return second;
    return first->err && !second->err ? second : first;
}

static int settle(struct race *race, ed_res **out)
{
    struct runner *best = winner(race);
    struct runner *other = best == &race->first ? &race->second : &race->first;

    race->sending->journey->attempts = race->second.started
                                           ? race->second.journey.attempts
                                           : race->first.journey.attempts;
    if (other->ended && !other->err)
        ed_res_discard(other->res);
    if (best == &race->second && has_won(best))
        race->sending->policies->hedges_won++;
    *out = best->res;
    return best->err;
}

static int run(struct race *race, ed_res **out)
{
    ed_loop *loop = ed_loop_current();
    ed_scope(both, .name = "hedged");

    race->both = both;
    /* Without memory for a timer there is no second. */
    (void)!ed_timer_start(
        loop, &race->timer,
        ed_moment_after(ed_now(), race->sending->policies->hedge.after));
    run_first(race);
    ed_timer_stop(loop, &race->timer);
    if (has_won(&race->first))
        ed_cancel(both);
    (void)!ed_wait(both); /* children never fail; each tells its own result */
    return settle(race, out);
}

int ed_hedge_send(struct ed_sending *s, ed_res **out)
{
    struct ed_attempt_plan plan = {0};

    if (!s->policies->hedge.after || !is_safe(&s->journey->options)) {
        s->journey->plan = &plan;
        int err = ed_dispatch(s, s->journey, &plan, out);
        s->journey->plan = NULL;
        return err;
    }
    struct race race = {
        .timer = {.fire = start_second},
        .sending = s,
        .arena = ed_fiber_arena(),
        .first = {.journey = *s->journey},
    };
    race.first.journey.plan = &race.first.plan;
    return run(&race, out);
}
