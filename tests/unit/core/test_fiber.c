/* Fibers: order, fairness, and what each keeps for itself. */
#include "../../fiber_test.h"
#include "core/runtime.h"
#include "outside.h"

#include <eddy/clock.h>
#include <eddy/signal.h>
#include <eddy/sync.h>
#include <signal.h>

struct order {
    char text[64];
    size_t len;
};

struct step {
    struct order *order;
    char name;
};

static void note(struct order *order, char name)
{
    if (order->len + 1 < sizeof order->text)
        order->text[order->len++] = name;
}

static int note_twice(void *arg)
{
    struct step *step = arg;
    note(step->order, step->name);
    int err = ed_yield();
    note(step->order, step->name);
    return err;
}

FIBER_TEST(fibers_run_in_the_order_they_were_started)
{
    struct order order = {0};
    struct step steps[3] = {{&order, 'a'}, {&order, 'b'}, {&order, 'c'}};
    ed_scope(s);
    for (int i = 0; i < 3; i++)
        ed_go(s, note_twice, &steps[i]);
    note(&order, '!');
    check_int(ed_wait(s), 0);
    check_text(order.text, "!abcabc");
}

struct timed_step {
    struct order *order;
    char name;
    int64_t time;
};

static int note_after(void *arg)
{
    struct timed_step *step = arg;
    int err = ed_sleep(step->time);
    note(step->order, step->name);
    return err;
}

FIBER_TEST(sleepers_wake_in_order_of_time_then_of_arrival)
{
    struct order order = {0};
    struct timed_step steps[] = {{&order, 'c', 2 * ED_S},
                                 {&order, 'a', ED_S},
                                 {&order, 'd', 2 * ED_S},
                                 {&order, 'b', ED_S}};
    ed_scope(s);
    for (int i = 0; i < 4; i++)
        ed_go(s, note_after, &steps[i]);
    check_int(ed_wait(s), 0);
    check_text(order.text, "abcd");
}

static int end_at_once(void *arg)
{
    return ++*(int *)arg;
}

FIBER_TEST(a_positive_result_is_success)
{
    int count = 0;
    ed_scope(s);
    ed_go(s, end_at_once, &count);
    check_int(ed_wait(s), 0);
    check_int(count, 1);
}

static int set_errno(void *arg)
{
    errno = (int)(intptr_t)arg;
    int err = ed_yield();
    check_int(errno, (int)(intptr_t)arg);
    errno = 0;
    return err;
}

FIBER_TEST(errno_is_each_fibers_own_across_waits)
{
    ed_scope(s);
    ed_go(s, set_errno, (void *)(intptr_t)EXDEV);
    ed_go(s, set_errno, (void *)(intptr_t)ELOOP);
    errno = ENOTTY;
    check_int(ed_yield(), 0);
    check_int(errno, ENOTTY);
    check_int(ed_wait(s), 0);
}

struct copied {
    int value;
    char text[ED_GO_COPY_MAX - sizeof(int)];
};

static int check_copy(void *arg)
{
    struct copied *copy = arg;
    check_int((intptr_t)copy % 16, 0);
    check_int(copy->value, 42);
    check_text(copy->text, "mine");
    return 0;
}

FIBER_TEST(go_copy_gives_the_fiber_its_own_argument)
{
    struct copied original = {42, "mine"};
    ed_scope(s);
    check_int(ed_go_copy(s, check_copy, &original, sizeof original), 0);
    original.value = 0;
    original.text[0] = '\0';
    check_int(ed_wait(s), 0);
}

FIBER_TEST(the_copy_of_a_fiber_cancelled_early_is_freed)
{
    struct copied original = {42, "mine"};
    ed_scope(s);
    check_int(ed_go_copy(s, check_copy, &original, sizeof original), 0);
    ed_cancel(s);
    check_int(ed_go_copy(s, check_copy, &original, sizeof original),
              ED_ECANCELED);
    check_int(ed_wait(s), ED_ECANCELED);
}

/* ---- detail ---- */

static int fail_quietly(void *arg)
{
    (void)arg;
    return ed_fail(-EIO, "%s", "another") == -EIO ? 0 : -EPROTO;
}

FIBER_TEST(the_detail_of_a_failure_is_each_fibers_own)
{
    check_text(ed_error(), "");
    check_int(ed_fail(-EIO, "block %d", 7), -EIO);
    ed_scope(s);
    ed_go(s, fail_quietly, NULL);
    check_int(ed_wait(s), 0);
    check_text(ed_error(), "block 7");
    check_int(ed_fail(-EPIPE, "again: %s", ed_error()), -EPIPE);
    check_text(ed_error(), "again: block 7");
    check_text(ed_error_of(-EPIPE), "again: block 7");
    check_text(ed_error_of(-EIO), "");
}

/* ---- fairness ---- */

struct spin {
    bool stop;
    int turns;
};

static int spin_yielding(void *arg)
{
    struct spin *spin = arg;
    int err = 0;
    for (; !spin->stop && !err; spin->turns++)
        err = ed_yield();
    return err;
}

REAL_TEST(timers_fire_while_fibers_spin_yielding)
{
    struct spin spin = {0};
    ed_scope(s);
    ed_go(s, spin_yielding, &spin);
    ed_go(s, spin_yielding, &spin);
    check_int(ed_sleep(5 * ED_MS), 0);
    spin.stop = true;
    check_int(ed_wait(s), 0);
    check(spin.turns > 10);
}

struct stop {
    struct ed_post post;
    bool stopped;
};

static void stop_spinning(struct ed_post *post)
{
    ED_CONTAINER(post, struct stop, post)->stopped = true;
}

FIBER_TEST(io_gets_in_after_a_bounded_number_of_yields)
{
    struct stop stop = {.post.run = stop_spinning};
    int turns = 0;
    ed_loop_post(ed_loop_current(), &stop.post);
    while (!stop.stopped && turns < 10000 && !ed_yield())
        turns++;
    check(stop.stopped);
    check(turns <= 512);
}

static int work_without_waiting(void *arg)
{
    struct stop *stop = arg;
    int calls = 0;
    ed_loop_post(ed_loop_current(), &stop->post);
    while (!stop->stopped && calls < 1000) {
        int64_t until = ed_clock_monotonic() + ED_MS;
        while (ed_clock_monotonic() < until)
            ;
        if (ed_checkpoint())
            break;
        calls++;
    }
    check(stop->stopped);
    return calls;
}

REAL_TEST(calls_that_need_no_wait_let_io_in_too)
{
    struct stop stop = {.post.run = stop_spinning};
    check(work_without_waiting(&stop) <= 64);
}

/* ---- many ---- */

enum {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    MANY = 5 * 1000,
#else
    MANY = 100 * 1000,
#endif
};

static int count_after_sleep(void *arg)
{
    int err = ed_sleep(ED_S);
    ++*(int *)arg;
    return err;
}

FIBER_TEST(a_hundred_thousand_fibers_live_at_once)
{
    int count = 0;
    ed_scope(s);
    for (int i = 0; i < MANY; i++)
        ed_go(s, count_after_sleep, &count);
    check_int(ed_wait(s), 0);
    check_int(count, MANY);
}

FIBER_TEST(ended_fibers_are_used_again)
{
    int count = 0;
    for (int i = 0; i < 1000; i++) {
        ed_scope(s);
        for (int j = 0; j < 20; j++)
            ed_go(s, end_at_once, &count);
        check_int(ed_wait(s), 0);
    }
    check_int(count, 20000);
}

static void nothing_waits_outside_of_a_fiber(void **state)
{
    (void)state;
    assert_int_equal(ed_sleep(ED_MS), ED_EUSAGE);
    assert_int_equal(ed_yield(), ED_EUSAGE);
    ed_event event = {0};
    ed_mutex mutex = {0};
    ed_signals *signals;
    assert_int_equal(ed_event_wait(&event), ED_EUSAGE);
    assert_int_equal(ed_mutex_lock(&mutex), ED_EUSAGE);
    assert_int_equal(ed_signals_open(&signals, SIGUSR2), ED_EUSAGE);
    assert_null(ed_fiber_use_arena(NULL));
    ed_fiber_name("nobody");
    assert_false(ed_in_fiber());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_waits_outside_of_a_fiber),
        cmocka_unit_test(fibers_run_in_the_order_they_were_started),
        cmocka_unit_test(sleepers_wake_in_order_of_time_then_of_arrival),
        cmocka_unit_test(a_positive_result_is_success),
        cmocka_unit_test(errno_is_each_fibers_own_across_waits),
        cmocka_unit_test(go_copy_gives_the_fiber_its_own_argument),
        cmocka_unit_test(the_copy_of_a_fiber_cancelled_early_is_freed),
        cmocka_unit_test(the_detail_of_a_failure_is_each_fibers_own),
        cmocka_unit_test(timers_fire_while_fibers_spin_yielding),
        cmocka_unit_test(io_gets_in_after_a_bounded_number_of_yields),
        cmocka_unit_test(calls_that_need_no_wait_let_io_in_too),
        cmocka_unit_test(a_hundred_thousand_fibers_live_at_once),
        cmocka_unit_test(ended_fibers_are_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
