/* Shields: a bounded time out of reach of cancellation. */
#include "../../fiber_test.h"

FIBER_TEST(a_shield_lets_a_cancelled_fiber_say_goodbye)
{
    ed_scope(s);
    ed_cancel(s);
    {
        ed_shield(calm, 2 * ED_S);
        check_int(ed_cancelled(), 0);
        check_int(ed_sleep(ED_S), 0);
    }
    check_int(ed_sleep(ED_S), ED_ECANCELED);
}

FIBER_TEST(a_shield_ends_after_its_time)
{
    int64_t began = ed_now();
    ed_scope(s);
    ed_cancel(s);
    {
        ed_shield(calm, 2 * ED_S);
        check_int(ed_deadline(), began + 2 * ED_S);
        check_int(ed_sleep(ED_MIN), ED_ETIMEOUT);
    }
    check_int(ed_now() - began, 2 * ED_S);
}

FIBER_TEST(a_shield_outlasts_the_deadline_around_it)
{
    ed_scope(s, .within = ED_S);
    {
        ed_shield(calm, 5 * ED_S);
        check_int(ed_sleep(3 * ED_S), 0);
    }
    check_int(ed_sleep(ED_S), ED_ETIMEOUT);
    check_int(ed_wait(s), ED_ETIMEOUT);
}

static int say_goodbye(void *arg)
{
    int err = ed_sleep(ED_MIN);
    ed_shield(calm, 3 * ED_S);
    *(int *)arg = ed_sleep(2 * ED_S);
    return err;
}

FIBER_TEST(a_joined_fiber_has_the_time_of_its_shield)
{
    int goodbye = -1;
    int64_t began = ed_now();
    {
        ed_scope(s);
        ed_go(s, say_goodbye, &goodbye);
        check_int(ed_sleep(ED_S), 0);
    }
    check_int(goodbye, 0);
    check_int(ed_now() - began, 3 * ED_S);
}

static int sleep_long(void *arg)
{
    return *(int *)arg = ed_sleep(ED_MIN);
}

FIBER_TEST(fibers_started_in_a_shield_are_shielded_and_bounded)
{
    int seen = 0;
    int64_t began = ed_now();
    ed_scope(s);
    ed_cancel(s);
    {
        ed_shield(calm, 2 * ED_S);
        check_int(ed_go(calm, sleep_long, &seen), 0);
        check_int(ed_wait(calm), ED_ETIMEOUT);
        /* The shield is over; what is around it counts. */
        check_int(ed_sleep(ED_S), ED_ECANCELED);
    }
    check_int(seen, ED_ETIMEOUT);
    check_int(ed_now() - began, 2 * ED_S);
}

static int wait_in_ended_shield(void *arg)
{
    ed_shield(calm, ED_S);
    check_int(ed_wait(calm), 0);
    return *(int *)arg = ed_sleep(ED_MIN);
}

FIBER_TEST(a_shield_waited_for_shields_no_longer)
{
    int seen = 0;
    ed_scope(s);
    ed_go(s, wait_in_ended_shield, &seen);
    check_int(ed_sleep(ED_S), 0);
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    check_int(seen, ED_ECANCELED);
}

FIBER_TEST(a_shield_can_be_cancelled_itself)
{
    ed_shield(calm, ED_MIN);
    ed_cancel(calm);
    check_int(ed_sleep(ED_S), ED_ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shield_lets_a_cancelled_fiber_say_goodbye),
        cmocka_unit_test(a_shield_ends_after_its_time),
        cmocka_unit_test(a_shield_outlasts_the_deadline_around_it),
        cmocka_unit_test(a_joined_fiber_has_the_time_of_its_shield),
        cmocka_unit_test(fibers_started_in_a_shield_are_shielded_and_bounded),
        cmocka_unit_test(a_shield_waited_for_shields_no_longer),
        cmocka_unit_test(a_shield_can_be_cancelled_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
