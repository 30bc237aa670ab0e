/*
 * net_test.h - tests in fibers that do real input and output.
 *
 * Like FIBER_TEST, but on the real clock, since a virtual one would jump while
 * the kernel works; and no test may leave a descriptor behind.
 */
#ifndef EDDY_NET_TEST_H
#define EDDY_NET_TEST_H

#include "../../fiber_test.h"
#include "held.h"

/* Gives everybody else a turn, the kernel included. */
__attribute__((unused)) static void settle(void)
{
    for (int i = 0; i < 5; i++)
        check_int(ed_yield(), 0);
    check_int(ed_sleep(2 * ED_MS), 0);
}

static void run_in_loop(ed_fn *test)
{
    int before = held_descriptors();

    fiber_test_failures = 0;
    int result = ed_run(test, NULL);
    assert_int_equal(fiber_test_failures, 0);
    assert_int_equal(result, 0);
    assert_int_equal(held_descriptors(), before);
}

#define NET_TEST(name)                 \
    static int name##_body(void *arg); \
    static void name(void **state)     \
    {                                  \
        (void)state;                   \
        run_in_loop(name##_body);      \
    }                                  \
    static int name##_body(void *arg __attribute__((unused)))

#endif
