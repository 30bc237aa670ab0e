/*
 * test_pool.c - places and kept connections, with connections of cardboard.
 */
#include "http/pool.h"
#include "../../fiber_test.h"
#include <stdlib.h>

struct card {
    struct ed_pooled pooled;
    int number;
};

static int closed_count;
static int closed_last;

static void close_card(struct ed_pooled *pooled)
{
    struct card *card = ED_CONTAINER(pooled, struct card, pooled);

    closed_count++;
    closed_last = card->number;
    free(card);
}

static struct ed_pool pool_of(unsigned max_per_origin, unsigned max_idle)
{
    closed_count = 0;
    return (struct ed_pool){
        .max_per_origin = max_per_origin,
        .max_idle = max_idle,
        .idle_timeout = 15 * ED_S,
        .close = close_card,
    };
}

/* A connection to an origin in a place just taken. */
static struct card *take_new(struct ed_pool *pool, const char *key, int number)
{
    struct ed_origin *origin;
    struct ed_pooled *kept;
    struct card *card = calloc(1, sizeof(*card));

    check_int(ed_pool_take(pool, ed_bytes(key), &origin, &kept), 0);
    check(!kept);
    card->number = number;
    card->pooled.origin = origin;
    return card;
}

/* The number of the kept connection that is taken; 0 for a mere place. */
static int take_kept(struct ed_pool *pool, const char *key, struct card **card)
{
    struct ed_origin *origin;
    struct ed_pooled *kept;

    check_int(ed_pool_take(pool, ed_bytes(key), &origin, &kept), 0);
    *card = kept ? ED_CONTAINER(kept, struct card, pooled) : NULL;
    if (!kept)
        ed_pool_leave(pool, origin);
    return kept ? (*card)->number : 0;
}

FIBER_TEST(the_youngest_idle_connection_is_taken_first)
{
    struct ed_pool pool = pool_of(8, 8);
    struct card *cards[3], *card;

    check_int(ed_pool_open(&pool, ed_loop_current()), 0);
    for (int i = 0; i < 3; i++)
        cards[i] = take_new(&pool, "a", i + 1);
    for (int i = 0; i < 3; i++)
        ed_pool_give(&pool, &cards[i]->pooled);
    check_int(pool.idle_count, 3);
    check_int(take_kept(&pool, "a", &card), 3);
    ed_pool_give(&pool, &card->pooled);
    check_int(take_kept(&pool, "b", &card), 0);
    check_int(pool.places, 3);
    ed_pool_close(&pool);
    check_int(closed_count, 3);
    check_int(pool.places, 0);
}

FIBER_TEST(idle_connections_are_closed_when_their_time_is_over)
{
    struct ed_pool pool = pool_of(8, 8);
    struct card *a, *b;

    check_int(ed_pool_open(&pool, ed_loop_current()), 0);
    a = take_new(&pool, "a", 1);
    b = take_new(&pool, "b", 2);
    ed_pool_give(&pool, &a->pooled);
    check_int(ed_sleep(10 * ED_S), 0);
    ed_pool_give(&pool, &b->pooled);
    check_int(ed_sleep(4 * ED_S), 0);
    check_int(closed_count, 0);
    check_int(ed_sleep(2 * ED_S), 0);
    check_int(closed_count, 1);
    check_int(closed_last, 1);
    check_int(ed_sleep(10 * ED_S), 0);
    check_int(closed_last, 2);
    check_int(pool.places, 0);
    check_int(ed_map_count(pool.origins), 0);
    ed_pool_close(&pool);
}

FIBER_TEST(connections_may_be_kept_for_ever)
{
    struct ed_pool pool = pool_of(8, 8);

    pool.idle_timeout = INT64_MAX;
    check_int(ed_pool_open(&pool, ed_loop_current()), 0);
    struct card *card = take_new(&pool, "a", 1);
    ed_pool_give(&pool, &card->pooled);
    check(pool.timer.at > ed_now() + 1000 * 3600 * ED_S);
    ed_pool_close(&pool);
    check_int(closed_count, 1);
}

FIBER_TEST(the_oldest_gives_way_when_too_many_are_idle)
{
    struct ed_pool pool = pool_of(8, 2);
    struct card *cards[3];
    static const char *const keys[] = {"a", "b", "c"};

    check_int(ed_pool_open(&pool, ed_loop_current()), 0);
    for (int i = 0; i < 3; i++)
        cards[i] = take_new(&pool, keys[i], i + 1);
    for (int i = 0; i < 3; i++)
        ed_pool_give(&pool, &cards[i]->pooled);
    check_int(closed_count, 1);
    check_int(closed_last, 1);
    check_int(pool.idle_count, 2);
    ed_pool_close(&pool);
}

struct waiter {
    struct ed_pool *pool;
    int *order; /* where to note the number, and to move on */
    int number;
    int err;
    int got; /* number of a kept connection, 0: a place, -1: nothing */
    int64_t hold;
    int64_t patience; /* 0: without end */
};

static int wait_for_place(void *arg)
{
    struct waiter *w = arg;
    struct ed_origin *origin;
    struct ed_pooled *kept;

    w->got = -1;
    ed_scope(s, .within = w->patience);
    (void)s;
    w->err = ed_pool_take(w->pool, ED_BYTES("a"), &origin, &kept);
    if (w->err)
        return 0;
    w->got = kept ? ED_CONTAINER(kept, struct card, pooled)->number : 0;
    if (w->order)
        w->order[w->order[0]++] = w->number;
    (void)ed_sleep(w->hold);
    if (kept)
        ed_pool_give(w->pool, kept);
    else
        ed_pool_leave(w->pool, origin);
    return 0;
}

FIBER_TEST(waiters_are_served_in_the_order_they_came)
{
    struct ed_pool pool = pool_of(1, 8);
    int order[8] = {1};
    struct waiter w[5];

    check_int(ed_pool_open(&pool, ed_loop_current()), 0);
    struct card *card = take_new(&pool, "a", 7);
    {
        ed_scope(s);
        for (int i = 0; i < 5; i++) {
            w[i] = (struct waiter){&pool, order, i + 1, .hold = ED_S};
            ed_go(s, wait_for_place, &w[i]);
        }
        check_int(ed_sleep(ED_MS), 0);
        check_int(pool.waiting, 5);
        ed_pool_give(&pool, &card->pooled);
        check_int(ed_wait(s), 0);
    }
    for (int i = 0; i < 5; i++) {
        check_int(order[i + 1], i + 1);
        check_int(w[i].got, 7);
    }
    check_int(pool.waiting, 0);
    ed_pool_close(&pool);
    check_int(pool.places, 0);
}

FIBER_TEST(a_place_that_is_left_goes_to_the_first_waiter)
{
    struct ed_pool pool = pool_of(1, 8);
    struct waiter w = {&pool, NULL, 1};

    check_int(ed_pool_open(&pool, ed_loop_current()), 0);
    struct card *card = take_new(&pool, "a", 1);
    struct ed_origin *origin = card->pooled.origin;
    ed_scope(s);
    ed_go(s, wait_for_place, &w);
    check_int(ed_sleep(ED_MS), 0);
    free(card);
    ed_pool_leave(&pool, origin);
    check_int(pool.places, 1);
    check_int(ed_wait(s), 0);
    check_int(w.got, 0);
    check_int(pool.places, 0);
    ed_pool_close(&pool);
}

FIBER_TEST(a_waiter_leaves_the_line_at_its_deadline)
{
    struct ed_pool pool = pool_of(1, 8);
    struct waiter impatient = {&pool, NULL, 1, .patience = ED_S};
    struct waiter patient = {&pool, NULL, 2};

    check_int(ed_pool_open(&pool, ed_loop_current()), 0);
    struct card *card = take_new(&pool, "a", 1);
    ed_scope(s);
    ed_go(s, wait_for_place, &impatient);
    ed_go(s, wait_for_place, &patient);
    check_int(ed_sleep(2 * ED_S), 0);
    check_int(impatient.err, ED_ETIMEOUT);
    check_int(pool.waiting, 1);
    ed_pool_give(&pool, &card->pooled);
    check_int(ed_wait(s), 0);
    check_int(patient.got, 1);
    ed_pool_close(&pool);
    check_int(pool.places, 0);
}

FIBER_TEST(a_waiter_cancelled_after_being_served_gives_its_place_back)
{
    struct ed_pool pool = pool_of(1, 8);
    struct waiter w = {&pool, NULL, 1, .hold = 100 * ED_S};

    check_int(ed_pool_open(&pool, ed_loop_current()), 0);
    struct card *card = take_new(&pool, "a", 1);
    ed_scope(s);
    ed_go(s, wait_for_place, &w);
    check_int(ed_sleep(ED_MS), 0);
    ed_pool_give(&pool, &card->pooled);
    ed_cancel(s); /* it was woken, but has not run yet */
    check_int(ed_wait(s), ED_ECANCELED);
    check_int(w.got, 1);
    check_int(pool.idle_count, 1);
    ed_pool_close(&pool);
    check_int(pool.places, 0);
}

FIBER_TEST(no_place_is_lost_whoever_gives_up_when)
{
    enum { WAITERS = 200 };
    struct ed_pool pool = pool_of(3, 2);
    static struct waiter w[WAITERS];
    uint32_t seed = 42;

    check_int(ed_pool_open(&pool, ed_loop_current()), 0);
    struct card *card = take_new(&pool, "a", 1);
    ed_pool_give(&pool, &card->pooled);
    ed_scope(s);
    for (int i = 0; i < WAITERS; i++) {
        w[i] = (struct waiter){
            &pool, NULL, i, .hold = test_random(&seed, 50) * ED_MS,
            .patience = (1 + test_random(&seed, 300)) * ED_MS};
        ed_go(s, wait_for_place, &w[i]);
        if (i % 4 == 0)
            check_int(ed_sleep(test_random(&seed, 9) * ED_MS), 0);
        check(pool.places <= 3);
    }
    check_int(ed_wait(s), 0);
    check_int(pool.waiting, 0);
    check_int(pool.places, pool.idle_count);
    ed_pool_close(&pool);
    check_int(pool.places, 0);
}

FIBER_TEST(an_origin_is_forgotten_when_its_last_place_is_left)
{
    struct ed_pool pool = pool_of(1, 8);
    struct waiter w = {&pool, NULL, 1, .patience = ED_S};

    check_int(ed_pool_open(&pool, ed_loop_current()), 0);
    struct card *card = take_new(&pool, "a", 1);
    struct ed_origin *origin = card->pooled.origin;
    free(card);
    {
        ed_scope(s);
        ed_go(s, wait_for_place, &w);
        check_int(ed_sleep(ED_MS), 0);
        ed_cancel(s); /* the waiter has left the line, but has not run yet */
        ed_pool_leave(&pool, origin);
    }
    check_int(w.err, ED_ECANCELED);
    check_int(ed_map_count(pool.origins), 0);
    ed_pool_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_youngest_idle_connection_is_taken_first),
        cmocka_unit_test(idle_connections_are_closed_when_their_time_is_over),
        cmocka_unit_test(connections_may_be_kept_for_ever),
        cmocka_unit_test(the_oldest_gives_way_when_too_many_are_idle),
        cmocka_unit_test(waiters_are_served_in_the_order_they_came),
        cmocka_unit_test(a_place_that_is_left_goes_to_the_first_waiter),
        cmocka_unit_test(a_waiter_leaves_the_line_at_its_deadline),
        cmocka_unit_test(
            a_waiter_cancelled_after_being_served_gives_its_place_back),
        cmocka_unit_test(no_place_is_lost_whoever_gives_up_when),
        cmocka_unit_test(an_origin_is_forgotten_when_its_last_place_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
