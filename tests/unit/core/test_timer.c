/* Timers: order, moving, stopping, and what they do to each other. */
#include "../../fiber_test.h"
#include "core/loop_internal.h"

#include <stdlib.h>

struct noted {
    struct ed_timer timer;
    int64_t due;
    uint64_t armed; /* a counter: equal times fire in this order */
    int fired;
};

static struct noted *last;
static int order_mistakes;
static int fired_count;

static void note(struct ed_timer *timer)
{
    struct noted *n = ED_CONTAINER(timer, struct noted, timer);
    n->fired++;
    fired_count++;
    if (ed_now() < n->due)
        order_mistakes++;
    if (last &&
        (n->due < last->due || (n->due == last->due && n->armed < last->armed)))
        order_mistakes++;
    last = n;
}

enum {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    MANY = 100 * 1000,
#else
    MANY = 1000 * 1000,
#endif
};

static void arm(struct noted *n, int64_t at)
{
    static uint64_t counter;
    n->timer.fire = note;
    n->due = at;
    n->armed = ++counter;
    check_int(ed_timer_start(ed_loop_current(), &n->timer, at), 0);
}

FIBER_TEST(a_million_timers_fire_in_order_or_not_at_all)
{
    struct noted *all = calloc(MANY, sizeof *all);
    int64_t now = ed_now();
    uint32_t seed = 4711;
    int stopped = 0;

    last = NULL;
    order_mistakes = fired_count = 0;
    for (int i = 0; i < MANY; i++)
        arm(&all[i], now + 1 + test_random(&seed, MANY / 4));
    for (int i = 0; i < MANY; i++) {
        uint32_t what = test_random(&seed, 4);
        if (what == 0) {
            ed_timer_stop(ed_loop_current(), &all[i].timer);
            ed_timer_stop(ed_loop_current(), &all[i].timer);
            all[i].fired = 1;
            stopped++;
        } else if (what == 1) {
            arm(&all[i], now + 1 + test_random(&seed, MANY / 4));
        }
    }
    check_int(ed_sleep(ED_S), 0);
    check_int(order_mistakes, 0);
    check_int(fired_count, MANY - stopped);
    for (int i = 0; i < MANY; i++) {
        if (all[i].fired != 1 && !check_int(all[i].fired, 1))
            break;
    }
    free(all);
}

/* ---- timers that meddle with timers ---- */

static struct noted victim;

static void stop_the_victim(struct ed_timer *timer)
{
    (void)timer;
    ed_timer_stop(ed_loop_current(), &victim.timer);
}

FIBER_TEST(a_timer_stopped_by_one_of_the_same_time_does_not_fire)
{
    struct ed_timer first = {.fire = stop_the_victim};
    int64_t at = ed_now() + ED_S;

    last = NULL;
    victim = (struct noted){0};
    check_int(ed_timer_start(ed_loop_current(), &first, at), 0);
    arm(&victim, at);
    check_int(ed_sleep(2 * ED_S), 0);
    check_int(victim.fired, 0);
}

static int again_count;

static void again_for_a_time_past(struct ed_timer *timer)
{
    if (++again_count < 1000)
        check_int(ed_timer_start(ed_loop_current(), timer, 0), 0);
}

FIBER_TEST(a_timer_armed_again_for_a_time_past_lets_others_fire)
{
    struct ed_timer greedy = {.fire = again_for_a_time_past};
    struct noted modest = {0};
    int64_t at = ed_now() + ED_S;

    last = NULL;
    again_count = 0;
    check_int(ed_timer_start(ed_loop_current(), &greedy, at), 0);
    arm(&modest, at);
    check_int(ed_sleep(ED_S), 0);
    check_int(modest.fired, 1);
    check(again_count < 10);
    check_int(ed_sleep(ED_S), 0);
    check_int(again_count, 1000);
}

FIBER_TEST(a_timer_for_never_does_not_fire)
{
    struct noted never = {0};

    last = NULL;
    arm(&never, INT64_MAX);
    check_int(ed_sleep(1000 * ED_S), 0);
    check_int(never.fired, 0);
    ed_timer_stop(ed_loop_current(), &never.timer);
}

FIBER_TEST(equal_times_fire_in_the_order_they_were_armed)
{
    struct noted all[100] = {0};
    int64_t at = ed_now() + ED_S;

    last = NULL;
    order_mistakes = 0;
    for (int i = 0; i < 100; i++)
        arm(&all[i], at);
    arm(&all[0], at); /* moved to the same time: now the last */
    check_int(ed_sleep(ED_S + 1), 0);
    check_int(order_mistakes, 0);
    check(last == &all[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_timers_fire_in_order_or_not_at_all),
        cmocka_unit_test(a_timer_stopped_by_one_of_the_same_time_does_not_fire),
        cmocka_unit_test(a_timer_armed_again_for_a_time_past_lets_others_fire),
        cmocka_unit_test(a_timer_for_never_does_not_fire),
        cmocka_unit_test(equal_times_fire_in_the_order_they_were_armed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
