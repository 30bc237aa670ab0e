/*
 * test_life.c - the parts of an app: their order, their failures, their time.
 */
#include "fake.h"
#include "../../fiber_test.h"

#include <eddy/log.h>
#include <stdio.h>
#include <stdlib.h>

/* What has happened, in its order. */
static char trail[256];

static int step(const char *what, const char *mark)
{
    size_t len = strlen(trail);
    snprintf(trail + len, sizeof trail - len, "%s%s%s", len ? " " : "", mark,
             what);
    return 0;
}

static int start(void *name)
{
    return step(name, "+");
}

static int stop(void *name)
{
    return step(name, "-");
}

static int start_slowly(void *name)
{
    int err = ed_sleep(ED_S);
    return err ? err : step(name, "+");
}

static int stop_slowly(void *name)
{
    int err = ed_sleep(ED_S);
    return err ? err : step(name, "-");
}

static int refuse(void *name)
{
    return ed_fail(ED_ECONNECT, "%s is not there", (char *)name);
}

static int run_context(ed_context *self, void *name)
{
    int err = ed_sleep(ED_MS);
    if (!err)
        err = step(name, "+");
    if (!err)
        err = ed_context_ready(self);
    if (!err)
        err = ed_sleep(ED_MS); /* its clean-up waits */
    return err ? err : step(name, "-");
}

static int run_task(void *name)
{
    step(name, "+");
    int err = ed_sleep(INT64_MAX);
    step(name, "-");
    return err;
}

static ed_app *new_app(void)
{
    *trail = '\0';
    free(fake_log());
    return ed_app_new();
}

/* Whether the log has said all of these, in this order. */
static bool logged(const char *first, const char *second)
{
    char *log = fake_log();
    const char *at = strstr(log, first);
    bool found = at && (!second || strstr(at, second));
    if (!found)
        fprintf(stderr, "the log is: %s\n", log);
    free(log);
    return found;
}

FIBER_TEST(parts_start_in_order_and_stop_in_reverse)
{
    ed_app *app = new_app();
    ed_app_context(app, start_slowly, stop, "pair");
    ed_app_fiber(app, run_context, "fiber");
    ed_app_background(app, run_task, "task");
    ed_app_context(app, start, NULL, "start");
    ed_app_context(app, NULL, stop, "stop");
    check_int(ed_app_start(app), 0);
    ed_yield();
    check_text(trail, "+pair +fiber +task +start");
    ed_app_stop(app);
    check_text(trail, "+pair +fiber +task +start -stop -task -fiber -pair");
    ed_app_free(app);
}

FIBER_TEST(what_started_before_a_failure_is_stopped)
{
    ed_app *app = new_app();
    ed_app_context(app, start, stop, "first");
    ed_app_fiber(app, run_context, "second");
    ed_app_context(app, refuse, stop, "third");
    ed_app_context(app, start, stop, "fourth");
    check_int(ed_app_start(app), ED_ECONNECT);
    check_text(ed_error(), "third is not there");
    check_text(trail, "+first +second -second -first");
    check(logged("cannot start refuse, stop (tests/unit/app/test_life.c:",
                 "): third is not there\n"));
    ed_app_free(app);
}

FIBER_TEST(a_part_of_one_function_is_named_by_it)
{
    ed_app *app = new_app();
    ed_app_context(app, refuse, NULL, "only");
    check_int(ed_app_start(app), ED_ECONNECT);
    check(logged("cannot start refuse (tests/unit/app/test_life.c:",
                 "): only is not there\n"));
    ed_app_free(app);
}

FIBER_TEST(an_app_can_be_started_again)
{
    ed_app *app = new_app();
    ed_app_context(app, start, stop, "a");
    ed_app_fiber(app, run_context, "b");
    for (int i = 0; i < 2; i++) {
        check_int(ed_app_start(app), 0);
        check_int(ed_app_start(app), ED_EUSAGE);
        ed_app_stop(app);
        ed_app_stop(app);
    }
    check_text(trail, "+a +b -b -a +a +b -b -a");
    ed_app_free(app);
}

static int stop_too(void *app)
{
    ed_app_stop(app);
    return step("stopped", "");
}

FIBER_TEST(two_fibers_stop_an_app_and_each_part_stops_once)
{
    ed_app *app = new_app();
    ed_app_context(app, start, stop, "a");
    ed_app_context(app, NULL, stop_slowly, "b");
    ed_on_shutdown(app, stop_slowly, "hook");
    check_int(ed_app_start(app), 0);
    int64_t began = ed_now();
    ed_scope(s);
    ed_go(s, stop_too, app);
    ed_go(s, stop_too, app);
    check_int(ed_wait(s), 0);
    check_int(ed_now() - began, 2 * ED_S);
    check_text(trail, "+a -hook -b -a stopped stopped");
    ed_app_free(app);
}

static int go_on(void *app)
{
    return ed_app_background(app, run_task, "task");
}

FIBER_TEST(a_task_that_has_not_run_yet_is_cancelled)
{
    ed_app *app = new_app();
    ed_on_shutdown(app, go_on, app);
    check_int(ed_app_start(app), 0);
    int64_t began = ed_now();
    ed_app_stop(app);
    check_int(ed_now() - began, 0);
    check_text(trail, "+task -task");
    ed_app_free(app);
}

FIBER_TEST(clean_up_that_takes_too_long_is_cancelled_and_the_rest_goes_on)
{
    ed_app *app = new_app();
    ed_app_stop_time(app, 3 * ED_S);
    ed_app_context(app, start, stop, "first");
    ed_app_context(app, NULL, run_task, "slow");
    check_int(ed_app_start(app), 0);
    int64_t began = ed_now();
    ed_app_stop(app);
    check_int(ed_now() - began, 3 * ED_S);
    check_text(trail, "+first +slow -slow -first");
    check(logged("NULL, run_task (", "took too long to stop"));
    ed_app_free(app);
}

static int fail_to_stop(void *name)
{
    step(name, "-");
    return ed_fail(ED_EDATABASE, "the last words were lost");
}

FIBER_TEST(a_failure_to_stop_is_logged_and_the_rest_goes_on)
{
    ed_app *app = new_app();
    ed_app_context(app, start, stop, "first");
    ed_app_context(app, start, fail_to_stop, "second");
    check_int(ed_app_start(app), 0);
    ed_app_stop(app);
    check_text(trail, "+first +second -second -first");
    check(logged("stopping start, fail_to_stop (", "the last words were lost"));
    ed_app_free(app);
}

FIBER_TEST(a_start_in_a_scope_that_is_over_is_given_up)
{
    ed_app *app = new_app();
    ed_app_context(app, start, stop, "first");
    ed_app_context(app, start_slowly, stop, "slow");
    ed_app_fiber(app, run_context, "never");
    {
        ed_scope(s, .within = 500 * ED_MS);
        (void)s;
        check_int(ed_app_start(app), ED_ETIMEOUT);
    }
    check_text(trail, "+first -first");
    ed_app_free(app);
}

static int stop_in_time(void *name)
{
    int err = ed_sleep(ED_S);
    return err ? err : step(name, "-");
}

FIBER_TEST(a_cancelled_fiber_stops_an_app_properly)
{
    ed_app *app = new_app();
    ed_app_context(app, start, stop_in_time, "a");
    check_int(ed_app_start(app), 0);
    {
        ed_scope(s);
        ed_cancel(s);
        ed_app_stop(app);
    }
    check_text(trail, "+a -a");
    ed_app_free(app);
}

static int break_down(void *arg)
{
    int err = arg ? ed_sleep(ED_S) : 0;
    return err ? err : ed_fail(ED_ELIMIT, "nothing left to do");
}

FIBER_TEST(a_task_that_fails_is_logged_and_the_app_goes_on)
{
    ed_app *app = new_app();
    ed_app_background(app, break_down, NULL);
    ed_app_context(app, start, stop, "a");
    check_int(ed_app_start(app), 0);
    check_int(ed_sleep(ED_MS), 0);
    check(logged("break_down (tests/unit/app/", "failed: nothing left to do"));
    ed_app_stop(app);
    check_text(trail, "+a -a");
    ed_app_free(app);
}

FIBER_TEST(parts_can_come_while_it_runs_and_go)
{
    ed_app *app = new_app();
    ed_app_context(app, start, stop, "a");
    check_int(ed_app_start(app), 0);
    check_int(ed_app_background(app, break_down, app), 0);
    check_int(ed_app_background(app, run_task, "task"), 0);
    check_int(ed_app_fiber(app, run_context, "late"), 0);
    check_int(ed_sleep(2 * ED_S), 0);
    check_text(trail, "+a +task +late");
    ed_app_stop(app);
    check_text(trail, "+a +task +late -late -task -a");
    *trail = '\0';
    check_int(ed_app_start(app), 0);
    ed_app_stop(app);
    check_text(trail, "+a -a");
    ed_app_free(app);
}

static int start_with_a_task(void *app)
{
    step("starter", "+");
    return ed_app_background(app, run_task, "task");
}

FIBER_TEST(a_part_that_is_asked_for_at_the_start_comes_in_its_turn)
{
    ed_app *app = new_app();
    ed_app_context(app, start_with_a_task, NULL, app);
    ed_app_context(app, start, stop, "b");
    check_int(ed_app_start(app), 0);
    ed_yield();
    check_text(trail, "+starter +b +task");
    ed_app_stop(app);
    check_text(trail, "+starter +b +task -task -b");
    ed_app_free(app);
}

static int hook(void *name)
{
    int err = ed_sleep(ED_S);
    return err ? err : step(name, "!");
}

static int shut_down(void *app)
{
    ed_app_shutdown(app);
    return 0;
}

FIBER_TEST(shutdown_comes_once_and_before_the_parts_stop)
{
    ed_app *app = new_app();
    ed_app_context(app, start, stop, "a");
    ed_on_shutdown(app, hook, "one");
    ed_on_shutdown(app, refuse, "two");
    ed_on_shutdown(app, hook, "three");
    check_int(ed_app_start(app), 0);
    check(!ed_app_stopping(app));
    ed_scope(s);
    ed_go(s, shut_down, app);
    check_int(ed_sleep(ED_MS), 0);
    check(ed_app_stopping(app));
    ed_app_stop(app);
    check_int(ed_wait(s), 0);
    check_text(trail, "+a !one !three -a");
    check(logged("refuse (", "two is not there"));
    ed_app_free(app);
}

static int hang(void *name)
{
    int err = ed_sleep(INT64_MAX);
    step(name, "!");
    return err;
}

FIBER_TEST(a_shutdown_that_hangs_costs_the_parts_no_time)
{
    ed_app *app = new_app();
    ed_app_stop_time(app, 2 * ED_S);
    ed_app_context(app, start, stop_in_time, "a");
    ed_on_shutdown(app, hang, "hook");
    check_int(ed_app_start(app), 0);
    int64_t began = ed_now();
    ed_app_stop(app);
    check_int(ed_now() - began, 3 * ED_S);
    check_text(trail, "+a !hook -a");
    check(logged("hang (", "failed"));
    ed_app_free(app);
}

/* ---- values ---- */

ED_APP_VALUE(const char, greeting)
ED_APP_VALUE(int, number)

FIBER_TEST(values_are_found_by_name_and_type)
{
    static const struct ed_app_key same = {"number", "int"};
    static const struct ed_app_key other = {"number", "long"};
    static int seven = 7;
    ed_app *app = new_app();
    check(!greeting_get(app));
    greeting_set(app, "hello");
    number_set(app, &seven);
    check_text(greeting_get(app), "hello");
    check_int(*number_get(app), 7);
    check(ed_app_value(app, &same) == &seven);
    check(!ed_app_value(app, &other));
    greeting_set(app, NULL);
    check(!greeting_get(app));
    ed_app_free(app);
}

/* ---- mounted apps ---- */

FIBER_TEST(a_mounted_app_starts_and_stops_in_its_place)
{
    ed_app *app = new_app();
    ed_app *inner = ed_app_new();
    ed_app_context(app, start, stop, "before");
    check_int(ed_mount(app, "/in", inner), 0);
    ed_app_context(app, start, stop, "behind");
    ed_app_context(inner, start, stop, "inner");
    ed_on_shutdown(inner, hook, "inner");
    ed_on_shutdown(app, hook, "outer");
    greeting_set(app, "outer");
    check_text(greeting_get(inner), "outer");
    greeting_set(inner, "inner");
    check_text(greeting_get(app), "outer");
    check_text(greeting_get(inner), "inner");
    check_int(ed_app_start(app), 0);
    check_text(trail, "+before +inner +behind");
    ed_app_shutdown(app);
    check_text(trail, "+before +inner +behind !inner !outer");
    ed_app_stop(app);
    check_text(trail, "+before +inner +behind !inner !outer -behind -inner "
                      "-before");
    ed_app_free(app);
}

FIBER_TEST(a_mounted_app_that_does_not_start_stops_the_others)
{
    ed_app *app = new_app();
    ed_app *inner = ed_app_new();
    ed_app_context(app, start, stop, "before");
    check_int(ed_mount(app, "/in", inner), 0);
    ed_app_context(inner, start, stop, "inner");
    ed_app_context(inner, refuse, stop, "backend");
    check_int(ed_app_start(app), ED_ECONNECT);
    check_text(ed_error(), "backend is not there");
    check_text(trail, "+before +inner -inner -before");
    ed_app_free(app);
}

FIBER_TEST(a_wrong_route_of_a_mounted_app_keeps_all_from_starting)
{
    ed_app *app = new_app();
    ed_app *inner = ed_app_new();
    check_int(ed_mount(app, "/in", inner), 0);
    ed_route(inner, "GET /{", NULL);
    check_int(ed_app_start(app), ED_EUSAGE);
    ed_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_start_in_order_and_stop_in_reverse),
        cmocka_unit_test(what_started_before_a_failure_is_stopped),
        cmocka_unit_test(a_part_of_one_function_is_named_by_it),
        cmocka_unit_test(an_app_can_be_started_again),
        cmocka_unit_test(two_fibers_stop_an_app_and_each_part_stops_once),
        cmocka_unit_test(a_task_that_has_not_run_yet_is_cancelled),
        cmocka_unit_test(
            clean_up_that_takes_too_long_is_cancelled_and_the_rest_goes_on),
        cmocka_unit_test(a_failure_to_stop_is_logged_and_the_rest_goes_on),
        cmocka_unit_test(a_start_in_a_scope_that_is_over_is_given_up),
        cmocka_unit_test(a_cancelled_fiber_stops_an_app_properly),
        cmocka_unit_test(a_task_that_fails_is_logged_and_the_app_goes_on),
        cmocka_unit_test(parts_can_come_while_it_runs_and_go),
        cmocka_unit_test(
            a_part_that_is_asked_for_at_the_start_comes_in_its_turn),
        cmocka_unit_test(shutdown_comes_once_and_before_the_parts_stop),
        cmocka_unit_test(a_shutdown_that_hangs_costs_the_parts_no_time),
        cmocka_unit_test(values_are_found_by_name_and_type),
        cmocka_unit_test(a_mounted_app_starts_and_stops_in_its_place),
        cmocka_unit_test(a_mounted_app_that_does_not_start_stops_the_others),
        cmocka_unit_test(
            a_wrong_route_of_a_mounted_app_keeps_all_from_starting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
