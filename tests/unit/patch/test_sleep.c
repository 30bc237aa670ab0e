/* Calls that wait for time to pass. */
#include "patch_test.h"

#include <time.h>

static int sleep_one(void *arg)
{
    (void)arg;
    check_int(sleep(1), 0);
    return 0;
}

FIBER_TEST(sleeping_fibers_sleep_side_by_side)
{
    int64_t began = ed_now();
    ed_scope(s);
    for (int i = 0; i < 100; i++)
        ed_go(s, sleep_one, NULL);
    check_int(ed_wait(s), 0);
    check_int(ed_now() - began, 1 * ED_S);
}

FIBER_TEST(each_call_sleeps_for_what_it_is_told)
{
    struct timespec time = {2, 500000000};
    int64_t began = ed_now();
    check_int(usleep(1500), 0);
    check_int(ed_now() - began, 1500 * ED_US);

    began = ed_now();
    check_int(nanosleep(&time, &time), 0);
    check_int(ed_now() - began, 2500 * ED_MS);

    began = ed_now();
    time = (struct timespec){0, 7};
    check_int(clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL), 0);
    check_int(ed_now() - began, 7);
}

FIBER_TEST(a_sleep_to_a_time_ends_then)
{
    struct timespec at;
    int64_t began = ed_now();

    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += 5;
    check_int(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL), 0);
    check(ed_now() - began <= 5 * ED_S);
    check(ed_now() - began > 4 * ED_S);

    at.tv_sec -= 3600;
    began = ed_now();
    check_int(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL), 0);
    check_int(ed_now() - began, 0);
}

FIBER_TEST(times_that_are_none_are_refused)
{
    struct timespec wrong = {0, 1000000000};

    check_errno(nanosleep(&wrong, NULL), EINVAL);
    check_int(clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, NULL), EINVAL);
    wrong = (struct timespec){-1, 0};
    check_errno(nanosleep(&wrong, NULL), EINVAL);
    check_int(clock_nanosleep(12345, 0, &(struct timespec){0}, NULL), EINVAL);
}

static void sleep_long(void *arg)
{
    (void)arg;
    check_int(sleep(10), 9);
    check_int(errno, ETIMEDOUT);
}

static void nanosleep_long(void *arg)
{
    struct timespec left, time = {10, 5};

    (void)arg;
    check_errno(nanosleep(&time, &left), ETIMEDOUT);
    check_int(left.tv_sec, 9);
    check_int(left.tv_nsec, 5);
}

FIBER_TEST(a_deadline_ends_a_sleep_and_what_is_left_is_told)
{
    in_a_second(sleep_long, NULL);
    in_a_second(nanosleep_long, NULL);
}

static void sleep_in_vain(void *arg)
{
    struct timespec time = {3, 0}, left;

    (void)arg;
    check_int(sleep(3), 3);
    check_int(errno, ECANCELED);
    check_errno(usleep(3), ECANCELED);
    check_int(clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &left), ECANCELED);
    check_int(left.tv_sec, 3);
}

FIBER_TEST(a_cancelled_fiber_does_not_sleep)
{
    cancelled(sleep_in_vain, NULL);
}

/* Not in a fiber: the plain call, on the system's clock. */
static void outside_of_fibers_sleeping_is_as_ever(void **state)
{
    struct timespec began, ended;
    const struct timespec time = {0, 20 * ED_MS};

    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &began);
    assert_int_equal(nanosleep(&time, NULL), 0);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    assert_true((ended.tv_sec - began.tv_sec) * ED_S +
                    (ended.tv_nsec - began.tv_nsec) >=
                20 * ED_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleeping_fibers_sleep_side_by_side),
        cmocka_unit_test(each_call_sleeps_for_what_it_is_told),
        cmocka_unit_test(a_sleep_to_a_time_ends_then),
        cmocka_unit_test(times_that_are_none_are_refused),
        cmocka_unit_test(a_deadline_ends_a_sleep_and_what_is_left_is_told),
        cmocka_unit_test(a_cancelled_fiber_does_not_sleep),
        cmocka_unit_test(outside_of_fibers_sleeping_is_as_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
