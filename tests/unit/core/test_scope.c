/* Structured concurrency: joining, failing, and what is never swallowed. */
#include "../../fiber_test.h"
#include "core/runtime.h"
#include "outside.h"

static int sleep_for(void *arg)
{
    return ed_sleep(*(int64_t *)arg);
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return ed_fail(-EIO, "the disk is gone");
}

static int fail_later(void *arg)
{
    int err = ed_sleep(*(int64_t *)arg);
    return err ? err : -EPIPE;
}

static int sleep_long(void *arg)
{
    int *seen = arg;
    *seen = ed_sleep(ED_MIN);
    return *seen;
}

FIBER_TEST(wait_returns_when_the_last_child_has_ended)
{
    int64_t began = ed_now(), short_time = ED_S, long_time = 3 * ED_S;
    ed_scope(s);
    ed_go(s, sleep_for, &long_time);
    ed_go(s, sleep_for, &short_time);
    check_int(ed_wait(s), 0);
    check_int(ed_now() - began, 3 * ED_S);
}

FIBER_TEST(the_first_failure_cancels_the_siblings_and_is_returned)
{
    int seen = 0;
    int64_t began = ed_now(), soon = ED_S;
    ed_scope(s);
    ed_go(s, sleep_long, &seen);
    ed_go(s, fail_later, &soon);
    check_int(ed_wait(s), -EPIPE);
    check_int(seen, ED_ECANCELED);
    check_int(ed_now() - began, ED_S);
}

FIBER_TEST(a_failure_cancels_what_the_scopes_own_fiber_waits_for)
{
    int64_t soon = ED_S;
    ed_scope(s);
    ed_go(s, fail_later, &soon);
    check_int(ed_sleep(ED_MIN), ED_ECANCELED);
    check_int(ed_wait(s), -EPIPE);
    check_int(ed_sleep(ED_S), 0);
}

FIBER_TEST(waiting_twice_gives_the_same_answer)
{
    ed_scope(s);
    ed_go(s, fail_at_once, NULL);
    check_int(ed_wait(s), -EIO);
    check_int(ed_wait(s), -EIO);
}

FIBER_TEST(nothing_starts_in_a_scope_that_was_waited_for)
{
    int seen = 0;
    ed_scope(s);
    check_int(ed_wait(s), 0);
    check_int(ed_go(s, sleep_long, &seen), ED_ECLOSED);
    check_int(ed_wait(s), 0);
    check_int(seen, 0);
}

FIBER_TEST(nothing_starts_in_a_cancelled_scope)
{
    int seen = 0;
    ed_scope(s);
    ed_cancel(s);
    check_int(ed_go(s, sleep_long, &seen), ED_ECANCELED);
    check_int(ed_wait(s), ED_ECANCELED);
    check_int(seen, 0);
}

FIBER_TEST(leaving_a_scope_cancels_and_joins_what_is_left)
{
    int seen = 0;
    int64_t began = ed_now();
    {
        ed_scope(s);
        ed_go(s, sleep_long, &seen);
        check_int(ed_sleep(ED_S), 0);
    }
    check_int(seen, ED_ECANCELED);
    check_int(ed_now() - began, ED_S);
}

static int start_and_return(void *arg)
{
    return ed_go(ed_scope_current(), sleep_long, arg);
}

FIBER_TEST(a_fiber_ends_after_the_children_of_its_first_scope)
{
    int seen = 0;
    ed_scope(s);
    ed_go(s, start_and_return, &seen);
    check_int(ed_wait(s), 0);
    check_int(seen, ED_ECANCELED);
}

FIBER_TEST(the_detail_of_a_failure_reaches_who_waits)
{
    ed_scope(s);
    ed_go(s, fail_at_once, NULL);
    check_int(ed_wait(s), -EIO);
    check_text(ed_error(), "the disk is gone");
}

static int fail_twice(void *arg)
{
    (void)arg;
    (void)ed_fail(-EIO, "got over");
    return -EPIPE;
}

FIBER_TEST(the_detail_of_a_failure_got_over_is_not_that_of_another)
{
    ed_scope(s);
    ed_go(s, fail_twice, NULL);
    check_int(ed_wait(s), -EPIPE);
    check_text(ed_error(), "");
}

FIBER_TEST(a_failure_nobody_collects_is_logged_with_its_place)
{
    int log = capture_log();
    {
        ed_scope(s);
        ed_go(s, fail_at_once, NULL);
        check_int(ed_sleep(ED_S), ED_ECANCELED);
    }
    char *text = captured(log);
    says(text, "fail_at_once");
    says(text, "test_scope.c:");
    says(text, "the disk is gone");
    free(text);
}

FIBER_TEST(a_collected_failure_is_not_logged)
{
    int log = capture_log();
    {
        ed_scope(s);
        ed_go(s, fail_at_once, NULL);
        check_int(ed_wait(s), -EIO);
    }
    char *text = captured(log);
    check_text(text, "");
    free(text);
}

static int fail_when_cancelled(void *arg)
{
    (void)arg;
    return ed_sleep(ED_MIN) ? -EBADF : 0;
}

FIBER_TEST(the_second_failure_of_a_scope_is_logged)
{
    int log = capture_log();
    ed_scope(s);
    ed_go(s, fail_when_cancelled, NULL);
    ed_go(s, fail_at_once, NULL);
    check_int(ed_wait(s), -EIO);
    char *text = captured(log);
    says(text, "fail_when_cancelled");
    free(text);
}

FIBER_TEST(children_of_an_independent_scope_fail_alone_and_are_logged)
{
    int64_t time = ED_S;
    int log = capture_log();
    ed_scope(s, .independent = true);
    ed_go(s, fail_at_once, NULL);
    ed_go(s, sleep_for, &time);
    check_int(ed_sleep(2 * ED_S), 0);
    check_int(ed_wait(s), 0);
    char *text = captured(log);
    says(text, "fail_at_once");
    free(text);
}

FIBER_TEST(an_independent_scope_survives_a_fiber_that_cannot_be_started)
{
    char big[ED_GO_COPY_MAX + 1] = "";
    int log = capture_log();
    ed_scope(s, .independent = true);
    check_int(ed_go_copy(s, fail_at_once, big, sizeof big), ED_EUSAGE);
    check_int(ed_sleep(ED_S), 0);
    check_int(ed_wait(s), 0);
    char *text = captured(log);
    says(text, "fail_at_once");
    free(text);
}

FIBER_TEST(a_fiber_that_cannot_be_started_is_a_failure_of_the_scope)
{
    char big[ED_GO_COPY_MAX + 1] = "";
    ed_scope(s);
    (void)ed_go_copy(s, fail_at_once, big, sizeof big);
    check_int(ed_wait(s), ED_EUSAGE);
}

static int wait_for_it(void *arg)
{
    return ed_wait(arg);
}

FIBER_TEST(only_the_fiber_that_declared_a_scope_may_wait_for_it)
{
    ed_scope(outer);
    {
        ed_scope(s);
        ed_go(s, wait_for_it, outer);
        check_int(ed_wait(s), ED_EUSAGE);
    }
    check_int(ed_wait(outer), 0);
}

static int leave_failing_child(void *arg)
{
    (void)arg;
    ed_go(ed_scope_current(), fail_at_once, NULL);
    return ed_sleep(ED_S);
}

FIBER_TEST(being_cancelled_by_ones_own_child_is_a_failure)
{
    int log = capture_log();
    ed_scope(s);
    ed_go(s, leave_failing_child, NULL);
    check_int(ed_wait(s), ED_ECANCELED);
    char *text = captured(log);
    says(text, "fail_at_once");
    free(text);
}

static int wait_for_first_scope(void *arg)
{
    int *seen = arg;
    check_int(ed_wait(ed_scope_current()), 0);
    *seen = ed_sleep(ED_MIN);
    return *seen;
}

static ed_fiber *youngest(ed_scope *s)
{
    return ED_CONTAINER(ed_list_last(&s->children), ed_fiber, sibling);
}

FIBER_TEST(a_fiber_that_waited_for_its_first_scope_can_be_cancelled)
{
    int seen = 0;
    int64_t began = ed_now();
    ed_scope(s);
    ed_go(s, wait_for_first_scope, &seen);
    check_int(ed_sleep(ED_S), 0);
    ed_fiber_cancel(youngest(s), ED_ECANCELED);
    check_int(ed_wait(s), 0);
    check_int(seen, ED_ECANCELED);
    check_int(ed_now() - began, ED_S);
}

static int wait_for_slow_child(void *arg)
{
    int *seen = arg, child = 0;
    ed_go(ed_scope_current(), sleep_long, &child);
    check_int(ed_wait(ed_scope_current()), ED_ECANCELED);
    *seen = ed_sleep(ED_MIN);
    return *seen;
}

FIBER_TEST(a_cancelled_fiber_stays_cancelled_after_waiting)
{
    int seen = 0;
    int64_t began = ed_now();
    ed_scope(s);
    ed_go(s, wait_for_slow_child, &seen);
    check_int(ed_sleep(ED_S), 0);
    ed_fiber_cancel(youngest(s), ED_ECANCELED);
    check_int(ed_wait(s), 0);
    check_int(seen, ED_ECANCELED);
    check_int(ed_now() - began, ED_S);
}

static int get_over_a_child(void *arg)
{
    (void)arg;
    ed_go(ed_scope_current(), fail_at_once, NULL);
    check_int(ed_wait(ed_scope_current()), -EIO);
    return ed_sleep(ED_S);
}

FIBER_TEST(a_fiber_can_go_on_after_a_collected_failure)
{
    ed_scope(s);
    ed_go(s, get_over_a_child, NULL);
    check_int(ed_wait(s), 0);
}

/* ---- the owner is woken once ---- */

struct burst {
    struct ed_deferred deferred;
    ed_scope *scope;
};

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static void run_two(struct ed_deferred *deferred)
{
    struct burst *burst = ED_CONTAINER(deferred, struct burst, deferred);
    for (int i = 0; i < 2; i++)
        check_int(ed_fiber_run_now(burst->scope, end_at_once, NULL, "burst",
                                   "here", NULL),
                  0);
}

static int run_burst(void *arg)
{
    struct burst *burst = arg;
    ed_defer(ed_loop_current(), &burst->deferred);
    return 0;
}

FIBER_TEST(children_that_come_and_go_before_the_owner_runs_wake_it_once)
{
    int64_t time = ED_S;
    struct burst burst = {.deferred.run = run_two};
    ed_scope(aside);
    ed_scope(s);
    burst.scope = s;
    ed_go(aside, sleep_for, &time);
    ed_go(s, run_burst, &burst);
    check_int(ed_wait(s), 0);
    check_int(ed_wait(aside), 0);
}

static int start_sibling(void *arg)
{
    return ed_go(arg, end_at_once, NULL);
}

FIBER_TEST(a_child_may_start_a_sibling_while_the_owner_waits)
{
    ed_scope(s);
    ed_go(s, start_sibling, s);
    check_int(ed_wait(s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wait_returns_when_the_last_child_has_ended),
        cmocka_unit_test(
            the_first_failure_cancels_the_siblings_and_is_returned),
        cmocka_unit_test(a_failure_cancels_what_the_scopes_own_fiber_waits_for),
        cmocka_unit_test(waiting_twice_gives_the_same_answer),
        cmocka_unit_test(nothing_starts_in_a_scope_that_was_waited_for),
        cmocka_unit_test(nothing_starts_in_a_cancelled_scope),
        cmocka_unit_test(leaving_a_scope_cancels_and_joins_what_is_left),
        cmocka_unit_test(a_fiber_ends_after_the_children_of_its_first_scope),
        cmocka_unit_test(the_detail_of_a_failure_reaches_who_waits),
        cmocka_unit_test(
            the_detail_of_a_failure_got_over_is_not_that_of_another),
        cmocka_unit_test(a_failure_nobody_collects_is_logged_with_its_place),
        cmocka_unit_test(a_collected_failure_is_not_logged),
        cmocka_unit_test(the_second_failure_of_a_scope_is_logged),
        cmocka_unit_test(
            children_of_an_independent_scope_fail_alone_and_are_logged),
        cmocka_unit_test(
            an_independent_scope_survives_a_fiber_that_cannot_be_started),
        cmocka_unit_test(
            a_fiber_that_cannot_be_started_is_a_failure_of_the_scope),
        cmocka_unit_test(only_the_fiber_that_declared_a_scope_may_wait_for_it),
        cmocka_unit_test(being_cancelled_by_ones_own_child_is_a_failure),
        cmocka_unit_test(
            a_fiber_that_waited_for_its_first_scope_can_be_cancelled),
        cmocka_unit_test(a_cancelled_fiber_stays_cancelled_after_waiting),
        cmocka_unit_test(a_fiber_can_go_on_after_a_collected_failure),
        cmocka_unit_test(
            children_that_come_and_go_before_the_owner_runs_wake_it_once),
        cmocka_unit_test(a_child_may_start_a_sibling_while_the_owner_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
