/*
 * test_future.c - futures, gather, first-of, as-completed and races.
 */
#include "../../fiber_test.h"

#include <eddy/future.h>
#include <eddy/log.h>
#include <unistd.h>

/* ---- what the log says meanwhile ---- */

struct captured {
    int ends[2];
    char text[4096];
};

static void capture_log(struct captured *c)
{
    memset(c, 0, sizeof *c);
    check_int(pipe(c->ends), 0);
    ed_log_set_fd(c->ends[1]);
}

static void end_capture(struct captured *c)
{
    ed_log_set_fd(2);
    close(c->ends[1]);
    ssize_t n = read(c->ends[0], c->text, sizeof c->text - 1);
    check(n >= 0);
    close(c->ends[0]);
}

/* ---- work to wait for ---- */

struct job {
    int64_t takes;
    int result;
    int got; /* what its own wait returned */
    bool ended;
};

static int run_job(void *arg)
{
    struct job *job = arg;
    job->got = ed_sleep(job->takes);
    job->ended = true;
    if (job->got)
        return job->got;
    if (job->result < 0)
        return ed_fail(job->result, "job of %d s", (int)(job->takes / ED_S));
    return job->result;
}

static void start_jobs(ed_scope *s, ed_future *f, ed_future **all,
                       struct job *jobs, int n)
{
    for (int i = 0; i < n; i++) {
        all[i] = &f[i];
        check_int(ed_go_future(s, &f[i], run_job, &jobs[i]), 0);
    }
}

/* ---- one future ---- */

FIBER_TEST(a_future_is_set_once)
{
    ed_future f = {0};
    int one = 1, two = 2;
    void *value = NULL;
    check(!ed_future_done(&f));
    check_int(ed_future_get(&f, &value), ED_EWOULDBLOCK);
    check_int(ed_future_set(&f, 5, &one), 0);
    check_int(ed_future_set(&f, 6, &two), ED_EUSAGE);
    check(ed_future_done(&f));
    check_int(ed_future_wait(&f, &value), 5);
    check(value == &one);
    check_int(ed_future_wait(&f, NULL), 5);
    check_int(ed_future_get(&f, NULL), 5);
}

struct waiter {
    ed_future *future;
    int *turn;
    int woken;
    void *value;
};

static int await_future(void *arg)
{
    struct waiter *w = arg;
    int result = ed_future_wait(w->future, &w->value);
    w->woken = ++*w->turn;
    return result;
}

FIBER_TEST(all_who_wait_for_a_future_are_woken_in_order)
{
    ed_future f = {0};
    int turn = 0;
    int value = 1;
    struct waiter w[6];
    ed_scope(s);
    for (int i = 0; i < 6; i++) {
        w[i] = (struct waiter){&f, &turn, 0, NULL};
        ed_go(s, await_future, &w[i]);
    }
    check_int(ed_yield(), 0);
    check_int(ed_future_set(&f, 0, &value), 0);
    check_int(ed_wait(s), 0);
    for (int i = 0; i < 6; i++) {
        check_int(w[i].woken, i + 1);
        check(w[i].value == &value);
    }
}

FIBER_TEST(a_cancelled_wait_leaves_the_future_to_the_others)
{
    ed_future f = {0};
    int turn = 0;
    struct waiter stays = {&f, &turn, 0, NULL};
    struct waiter leaves = {&f, &turn, 0, &f};
    ed_scope(s);
    {
        ed_scope(doomed, .within = ED_S);
        ed_go(doomed, await_future, &leaves);
        check_int(ed_yield(), 0);
        ed_go(s, await_future, &stays);
        check_int(ed_wait(doomed), ED_ETIMEOUT);
    }
    check(leaves.value == &f);
    check_int(ed_future_set(&f, 0, NULL), 0);
    check_int(ed_wait(s), 0);
    check_int(stays.woken, 2);
}

static int await_cancelled_late(void *arg)
{
    struct waiter *w = arg;
    check_int(ed_future_wait(w->future, &w->value), 3);
    check_int(ed_cancelled(), ED_ECANCELED);
    w->woken = 1;
    return 0;
}

FIBER_TEST(a_result_given_to_a_fiber_cancelled_in_the_same_turn_is_not_lost)
{
    ed_future f = {0};
    int turn = 0;
    struct waiter w = {&f, &turn, 0, NULL};
    {
        ed_scope(s);
        ed_go(s, await_cancelled_late, &w);
        check_int(ed_yield(), 0);
        check_int(ed_future_set(&f, 3, &f), 0);
        ed_cancel(s);
    }
    check_int(w.woken, 1);
    check(w.value == &f);
}

/* ---- fibers that set one ---- */

FIBER_TEST(a_fibers_result_and_argument_land_in_its_future)
{
    ed_future f = {0};
    struct job job = {.takes = ED_S, .result = 9};
    void *value;
    ed_scope(s);
    check_int(ed_go_future(s, &f, run_job, &job), 0);
    check_int(ed_future_set(&f, 1, NULL), ED_EUSAGE);
    check_int(ed_go_future(s, &f, run_job, &job), ED_EUSAGE);
    check_int(ed_future_wait(&f, &value), 9);
    check(value == &job);
    check_int(ed_wait(s), 0);
}

FIBER_TEST(a_failure_in_a_future_cancels_no_siblings)
{
    ed_future f = {0};
    struct job fails = {.takes = ED_S, .result = ED_EPROTO};
    struct job works = {.takes = 2 * ED_S};
    ed_scope(s);
    ed_go(s, run_job, &works);
    ed_go_future(s, &f, run_job, &fails);
    check_int(ed_wait(s), 0);
    check_int(works.got, 0);
    check_int(ed_future_get(&f, NULL), ED_EPROTO);
    check_text(ed_error(), "job of 1 s");
}

FIBER_TEST(a_failure_nobody_asked_for_is_logged_with_its_place)
{
    struct captured log;
    ed_future f = {0};
    struct job fails = {.takes = ED_S, .result = ED_EPROTO};
    capture_log(&log);
    {
        ed_scope(s);
        ed_go_future(s, &f, run_job, &fails);
        check_int(ed_wait(s), 0);
    }
    end_capture(&log);
    check(strstr(log.text, "run_job") != NULL);
    check(strstr(log.text, "test_future.c:") != NULL);
    check(strstr(log.text, "job of 1 s") != NULL);
    check(strstr(log.text, "ED_EPROTO") != NULL);
}

FIBER_TEST(a_failure_asked_for_after_the_join_is_not_logged)
{
    struct captured log;
    ed_future f = {0};
    struct job fails = {.takes = ED_S, .result = ED_EPROTO};
    capture_log(&log);
    {
        ed_scope(s);
        ed_go_future(s, &f, run_job, &fails);
        check_int(ed_wait(s), 0);
        check_int(ed_future_get(&f, NULL), ED_EPROTO);
    }
    end_capture(&log);
    check_text(log.text, "");
}

FIBER_TEST(a_cancelled_fibers_future_is_not_logged)
{
    struct captured log;
    ed_future f[2] = {0};
    struct job cancelled = {.takes = 5 * ED_S};
    struct job late = {.takes = 5 * ED_S};
    capture_log(&log);
    {
        ed_scope(s);
        ed_go_future(s, &f[0], run_job, &cancelled);
        check_int(ed_yield(), 0);
    }
    {
        ed_scope(s, .within = ED_S);
        ed_go_future(s, &f[1], run_job, &late);
        check_int(ed_wait(s), ED_ETIMEOUT);
    }
    end_capture(&log);
    check_int(ed_future_get(&f[0], NULL), ED_ECANCELED);
    check_int(ed_future_get(&f[1], NULL), ED_ETIMEOUT);
    check_text(log.text, "");
}

FIBER_TEST(a_fiber_that_cannot_start_fails_its_future)
{
    ed_future f = {0};
    struct job job = {0};
    ed_scope(s);
    ed_cancel(s);
    check_int(ed_go_future(s, &f, run_job, &job), ED_ECANCELED);
    check_int(ed_future_get(&f, NULL), ED_ECANCELED);
    check(!job.ended);
}

/* ---- gather ---- */

static int get_over_and_fail(void *arg)
{
    (void)arg;
    (void)ed_fail(ED_ECONNECT, "the first try");
    return ED_ENOTFOUND; /* without a text of its own */
}

FIBER_TEST(a_future_has_no_text_of_an_earlier_failure)
{
    ed_future f = {0};
    ed_scope(s);
    ed_go_future(s, &f, get_over_and_fail, NULL);
    check_int(ed_future_wait(&f, NULL), ED_ENOTFOUND);
    check_text(ed_error(), "");
    const struct ed_call calls[] = {{get_over_and_fail, NULL}};
    check_int(ed_race_calls(calls, 1), ED_ENOTFOUND);
    check_text(ed_error(), "");
    check_int(ed_wait(s), 0);
}

FIBER_TEST(gather_waits_for_all)
{
    struct job jobs[6];
    ed_future f[6] = {0};
    ed_future *all[6];
    int64_t began = ed_now();
    for (int i = 0; i < 6; i++)
        jobs[i] = (struct job){.takes = (6 - i) * ED_S, .result = i};
    ed_scope(s);
    start_jobs(s, f, all, jobs, 6);
    check_int(ed_gather(all, 6), 0);
    check_int(ed_now() - began, 6 * ED_S);
    check_int(ed_gather(all, 6), 0); /* of what is done already, too */
    check_int(ed_gather(all, 0), 0);
}

FIBER_TEST(gather_returns_the_first_failure_at_once_and_the_others_go_on)
{
    struct job jobs[3] = {{.takes = 3 * ED_S},
                          {.takes = 2 * ED_S, .result = ED_EPROTO},
                          {.takes = ED_S, .result = 1}};
    ed_future f[3] = {0};
    ed_future *all[3];
    int64_t began = ed_now();
    ed_scope(s);
    start_jobs(s, f, all, jobs, 3);
    check_int(ed_gather(all, 3), ED_EPROTO);
    check_text(ed_error(), "job of 2 s");
    check_int(ed_now() - began, 2 * ED_S);
    check(!ed_future_done(&f[0]));
    check_int(ed_future_wait(&f[0], NULL), 0);
    check_int(ed_gather(all, 3), ED_EPROTO);
}

FIBER_TEST(gather_gives_up_at_the_deadline_and_leaves_no_trace)
{
    struct job jobs[6];
    ed_future f[6] = {0};
    ed_future *all[6];
    for (int i = 0; i < 6; i++)
        jobs[i] = (struct job){.takes = (i + 1) * ED_S};
    ed_scope(s);
    start_jobs(s, f, all, jobs, 6);
    {
        ed_scope(hurry, .within = 2500 * ED_MS);
        (void)hurry;
        check_int(ed_gather(all, 6), ED_ETIMEOUT);
    }
    check_int(ed_wait(s), 0); /* they end, and find nobody waiting */
    check_int(ed_gather(all, 6), 0);
}

FIBER_TEST(one_future_may_be_in_a_gathering_twice)
{
    ed_future f = {0};
    ed_future *all[3] = {&f, &f, &f};
    struct job job = {.takes = ED_S};
    ed_scope(s);
    ed_go_future(s, &f, run_job, &job);
    check_int(ed_gather(all, 3), 0);
}

/* ---- the first of several ---- */

FIBER_TEST(first_of_returns_the_first_success)
{
    struct job jobs[3] = {{.takes = 3 * ED_S},
                          {.takes = 2 * ED_S},
                          {.takes = ED_S, .result = ED_EPROTO}};
    ed_future f[3] = {0};
    ed_future *all[3];
    int64_t began = ed_now();
    ed_scope(s);
    start_jobs(s, f, all, jobs, 3);
    check_int(ed_first_of(all, 3), 1);
    check_int(ed_now() - began, 2 * ED_S);
    check(!ed_future_done(&f[0]));
    check_int(ed_first_of(all, 3), 1);
}

FIBER_TEST(first_of_returns_the_first_failure_when_all_fail)
{
    struct job jobs[2] = {{.takes = 3 * ED_S, .result = ED_EADDR},
                          {.takes = 2 * ED_S, .result = ED_EPROTO}};
    ed_future f[2] = {0};
    ed_future *all[2];
    struct captured log;
    capture_log(&log);
    {
        ed_scope(s);
        start_jobs(s, f, all, jobs, 2);
        check_int(ed_first_of(all, 2), ED_EPROTO);
        check_text(ed_error(), "job of 2 s");
    }
    end_capture(&log);
    check_text(log.text, "");
    check_int(ed_first_of(all, 0), ED_EUSAGE);
}

/* ---- as completed ---- */

FIBER_TEST(as_completed_gives_each_once_in_order_of_completion)
{
    const int64_t takes[6] = {4, 2, 6, 1, 5, 3};
    const size_t expected[6] = {3, 1, 5, 0, 4, 2};
    struct job jobs[6];
    ed_future f[6] = {0};
    ed_future *all[6];
    for (int i = 0; i < 6; i++)
        jobs[i] = (struct job){.takes = takes[i] * ED_S,
                               .result = ED_EPROTO * (i & 1)};
    ed_scope(s);
    start_jobs(s, f, all, jobs, 6);
    struct ed_as_completed it = {.futures = all, .count = 6};
    int given = 0;
    int err;
    while ((err = ed_next_completed(&it)) > 0) {
        check_int(it.index, expected[given++]);
        check_int(ed_future_get(all[it.index], NULL), jobs[it.index].result);
        if (given == 2) /* several complete before the next is asked for */
            check_int(ed_sleep(2 * ED_S), 0);
    }
    check_int(err, 0);
    check_int(given, 6);
    check_int(ed_next_completed(&it), 0);
}

FIBER_TEST(as_completed_can_be_left_and_taken_up_again)
{
    struct job jobs[2] = {{.takes = ED_S}, {.takes = 2 * ED_S}};
    ed_future f[2] = {0};
    ed_future *all[2];
    ed_scope(s);
    start_jobs(s, f, all, jobs, 2);
    struct ed_as_completed it = {.futures = all, .count = 2};
    check_int(ed_next_completed(&it), 1);
    {
        ed_scope(hurry, .within = 10 * ED_MS);
        (void)hurry;
        check_int(ed_next_completed(&it), ED_ETIMEOUT);
    }
    check_int(ed_next_completed(&it), 1);
    check_int(it.index, 1);
    check_int(ed_next_completed(&it), 0);
}

/* ---- calls ---- */

FIBER_TEST(gathered_calls_run_at_once)
{
    struct job jobs[2] = {{.takes = ED_S}, {.takes = 2 * ED_S, .result = 4}};
    struct ed_call calls[] = {{run_job, &jobs[0]}, {run_job, &jobs[1]}};
    int64_t began = ed_now();
    check_int(ed_gather_calls(calls, 2), 0);
    check_int(ed_now() - began, 2 * ED_S);
    check_int(ed_gather_calls(NULL, 0), 0);
}

FIBER_TEST(a_failed_gathered_call_cancels_the_others)
{
    struct job jobs[2] = {{.takes = ED_S, .result = ED_EPROTO},
                          {.takes = 2 * ED_S}};
    struct ed_call calls[] = {{run_job, &jobs[0]}, {run_job, &jobs[1]}};
    int64_t began = ed_now();
    check_int(ed_gather_calls(calls, 2), ED_EPROTO);
    check_text(ed_error(), "job of 1 s");
    check_int(ed_now() - began, ED_S);
    check_int(jobs[1].got, ED_ECANCELED);
}

FIBER_TEST(a_race_cancels_and_awaits_the_losers)
{
    struct job jobs[3] = {{.takes = 3 * ED_S},
                          {.takes = 2 * ED_S},
                          {.takes = ED_S, .result = ED_EPROTO}};
    struct ed_call calls[] = {
        {run_job, &jobs[0]}, {run_job, &jobs[1]}, {run_job, &jobs[2]}};
    int64_t began = ed_now();
    check_int(ed_race_calls(calls, 3), 1);
    check_int(ed_now() - began, 2 * ED_S);
    check_int(jobs[0].got, ED_ECANCELED);
    check(jobs[0].ended);
    check_int(ed_cancelled(), 0);
}

FIBER_TEST(a_race_all_lose_returns_the_first_failure)
{
    struct job jobs[2] = {{.takes = 2 * ED_S, .result = ED_EADDR},
                          {.takes = ED_S, .result = ED_EPROTO}};
    struct ed_call calls[] = {{run_job, &jobs[0]}, {run_job, &jobs[1]}};
    check_int(ed_race_calls(calls, 2), ED_EPROTO);
    check_text(ed_error(), "job of 1 s");
    check_int(ed_race_calls(calls, 0), ED_EUSAGE);
}

FIBER_TEST(a_race_ends_at_the_deadline)
{
    struct job jobs[2] = {{.takes = 9 * ED_S}, {.takes = 8 * ED_S}};
    struct ed_call calls[] = {{run_job, &jobs[0]}, {run_job, &jobs[1]}};
    ed_scope(s, .within = ED_S);
    (void)s;
    check_int(ed_race_calls(calls, 2), ED_ETIMEOUT);
    check(jobs[0].ended && jobs[1].ended);
}

/* ---- at every moment ---- */

static int gather_six(void *arg)
{
    struct job *jobs = arg;
    ed_future f[6] = {0};
    ed_future *all[6];
    ed_scope(s);
    for (int i = 0; i < 6; i++) {
        all[i] = &f[i];
        (void)ed_go_future(s, &f[i], run_job, &jobs[i]);
    }
    return ed_gather(all, 6);
}

FIBER_TEST(a_gathering_cancelled_at_any_moment_leaves_nothing_running)
{
    for (int64_t at = 0; at <= 13; at++) {
        struct job jobs[6];
        for (int i = 0; i < 6; i++)
            jobs[i] = (struct job){.takes = (i + 1) * ED_S};
        ed_scope(s);
        ed_go(s, gather_six, jobs);
        check_int(ed_sleep(at * ED_S / 2), 0);
        ed_cancel(s);
        int err = ed_wait(s);
        check(err == 0 || err == ED_ECANCELED);
        for (int i = 0; i < 6; i++)
            check(jobs[i].ended || at == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_future_is_set_once),
        cmocka_unit_test(all_who_wait_for_a_future_are_woken_in_order),
        cmocka_unit_test(a_cancelled_wait_leaves_the_future_to_the_others),
        cmocka_unit_test(
            a_result_given_to_a_fiber_cancelled_in_the_same_turn_is_not_lost),
        cmocka_unit_test(a_fibers_result_and_argument_land_in_its_future),
        cmocka_unit_test(a_failure_in_a_future_cancels_no_siblings),
        cmocka_unit_test(a_failure_nobody_asked_for_is_logged_with_its_place),
        cmocka_unit_test(a_failure_asked_for_after_the_join_is_not_logged),
        cmocka_unit_test(a_cancelled_fibers_future_is_not_logged),
        cmocka_unit_test(a_fiber_that_cannot_start_fails_its_future),
        cmocka_unit_test(a_future_has_no_text_of_an_earlier_failure),
        cmocka_unit_test(gather_waits_for_all),
        cmocka_unit_test(
            gather_returns_the_first_failure_at_once_and_the_others_go_on),
        cmocka_unit_test(gather_gives_up_at_the_deadline_and_leaves_no_trace),
        cmocka_unit_test(one_future_may_be_in_a_gathering_twice),
        cmocka_unit_test(first_of_returns_the_first_success),
        cmocka_unit_test(first_of_returns_the_first_failure_when_all_fail),
        cmocka_unit_test(as_completed_gives_each_once_in_order_of_completion),
        cmocka_unit_test(as_completed_can_be_left_and_taken_up_again),
        cmocka_unit_test(gathered_calls_run_at_once),
        cmocka_unit_test(a_failed_gathered_call_cancels_the_others),
        cmocka_unit_test(a_race_cancels_and_awaits_the_losers),
        cmocka_unit_test(a_race_all_lose_returns_the_first_failure),
        cmocka_unit_test(a_race_ends_at_the_deadline),
        cmocka_unit_test(
            a_gathering_cancelled_at_any_moment_leaves_nothing_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
