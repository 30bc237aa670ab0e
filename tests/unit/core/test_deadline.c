/* Deadlines: ambient, nested, and over when their scope is. */
#include "../../fiber_test.h"

static int sleep_a_minute(void *arg)
{
    (void)arg;
    return ed_sleep(ED_MIN);
}

static int sleep_for(void *arg)
{
    return ed_sleep(*(int64_t *)arg);
}

FIBER_TEST(a_deadline_ends_waits_with_a_timeout)
{
    int64_t began = ed_now();
    ed_scope(s, .within = 5 * ED_S);
    check_int(ed_sleep(ED_MIN), ED_ETIMEOUT);
    check_int(ed_now() - began, 5 * ED_S);
    check_int(ed_sleep(1), ED_ETIMEOUT);
    check_int(ed_yield(), ED_ETIMEOUT);
    check_int(ed_cancelled(), ED_ETIMEOUT);
    check_int(ed_wait(s), ED_ETIMEOUT);
}

FIBER_TEST(a_deadline_holds_for_children_and_their_children)
{
    int64_t began = ed_now();
    ed_scope(s, .within = 5 * ED_S);
    ed_go(s, sleep_a_minute, NULL);
    check_int(ed_wait(s), ED_ETIMEOUT);
    check_int(ed_now() - began, 5 * ED_S);
}

FIBER_TEST(the_earliest_of_nested_deadlines_counts)
{
    int64_t began = ed_now();
    ed_scope(outer, .within = 5 * ED_S);
    check_int(ed_deadline(), began + 5 * ED_S);
    {
        ed_scope(wide, .within = ED_MIN);
        check_int(ed_deadline(), began + 5 * ED_S);
        ed_scope(narrow, .deadline = began + 2 * ED_S, .within = 3 * ED_S);
        check_int(ed_deadline(), began + 2 * ED_S);
        check_int(ed_sleep(ED_MIN), ED_ETIMEOUT);
        check_int(ed_now() - began, 2 * ED_S);
        (void)wide;
        (void)narrow;
    }
    check_int(ed_sleep(ED_S), 0);
    check_int(ed_sleep(ED_MIN), ED_ETIMEOUT);
    check_int(ed_now() - began, 5 * ED_S);
    (void)outer;
}

FIBER_TEST(a_deadline_ends_at_wait)
{
    int64_t time = ED_S, around = ed_deadline();
    ed_scope(s, .within = 5 * ED_S);
    ed_go(s, sleep_for, &time);
    check_int(ed_wait(s), 0);
    check_int(ed_deadline(), around);
    check_int(ed_sleep(ED_MIN), 0);
    check_int(ed_wait(s), 0);
}

FIBER_TEST(a_deadline_past_times_out_at_once)
{
    int64_t began = ed_now();
    ed_scope(s, .within = -1);
    check_int(ed_sleep(ED_S), ED_ETIMEOUT);
    check_int(ed_go(s, sleep_a_minute, NULL), ED_ETIMEOUT);
    check_int(ed_wait(s), ED_ETIMEOUT);
    check_int(ed_now(), began);
}

FIBER_TEST(with_timeout_returns_the_functions_result)
{
    int64_t time = ED_S, began = ed_now();
    check_int(ed_with_timeout(5 * ED_S, sleep_for, &time), 0);
    check_int(ed_now() - began, ED_S);
}

FIBER_TEST(with_timeout_cuts_the_function_short)
{
    int64_t began = ed_now();
    check_int(ed_with_timeout(5 * ED_S, sleep_a_minute, NULL), ED_ETIMEOUT);
    check_int(ed_now() - began, 5 * ED_S);
    check_int(ed_sleep(ED_S), 0);
}

FIBER_TEST(no_time_is_not_no_limit)
{
    int64_t began = ed_now();
    check_int(ed_with_timeout(0, sleep_a_minute, NULL), ED_ETIMEOUT);
    check_int(ed_now(), began);
}

static int time_out_by_oneself(void *arg)
{
    (void)arg;
    return ed_with_timeout(ED_S, sleep_a_minute, NULL);
}

FIBER_TEST(a_childs_own_timeout_is_a_failure)
{
    ed_scope(s);
    ed_go(s, time_out_by_oneself, NULL);
    check_int(ed_sleep(ED_MIN), ED_ECANCELED);
    check_int(ed_wait(s), ED_ETIMEOUT);
}

FIBER_TEST(a_deadline_far_away_does_not_overflow)
{
    ed_scope(s, .within = INT64_MAX);
    check(ed_deadline() > ed_now());
    check_int(ed_sleep(ED_S), 0);
    check_int(ed_wait(s), 0);
    check_int(ed_with_timeout(ED_S, sleep_for, &(int64_t){INT64_MAX}),
              ED_ETIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_ends_waits_with_a_timeout),
        cmocka_unit_test(a_deadline_holds_for_children_and_their_children),
        cmocka_unit_test(the_earliest_of_nested_deadlines_counts),
        cmocka_unit_test(a_deadline_ends_at_wait),
        cmocka_unit_test(a_deadline_past_times_out_at_once),
        cmocka_unit_test(with_timeout_returns_the_functions_result),
        cmocka_unit_test(with_timeout_cuts_the_function_short),
        cmocka_unit_test(no_time_is_not_no_limit),
        cmocka_unit_test(a_childs_own_timeout_is_a_failure),
        cmocka_unit_test(a_deadline_far_away_does_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
