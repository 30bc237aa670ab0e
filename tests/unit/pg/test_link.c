/*
 * test_link.c - calls on one link: their ends, and what happens behind them.
 */
#include "link_fixture.h"

#include "pg/flight.h"
#include <signal.h>
#include <stdlib.h>

LINK_TEST(a_call_gives_rows_and_how_many)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    struct wait w;
    SEND(link, &w, "select n, :word from generate_series(1, :n) n",
         ed_p(word, "hello"), ed_p(n, 3));
    check_int(await(&w), 0);
    check_int(w.call->affected, 3);
    check_int((long long)ed_rows_count(w.call->rows), 3);
    check_text(ed_rows_text(w.call->rows, 1), "hello");
    done(&w);
    check_text(ask(link, "select 6 * 7"), "42");
    check_int(pg_link_load(link), 0);
    pg_link_close(link);
}

LINK_TEST(two_calls_of_one_fiber_are_under_way_at_once)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    struct wait a, b;
    SEND(link, &a, "select 1");
    SEND(link, &b, "select 2");
    check_int(pg_link_load(link), 2);
    check_int(await(&b), 0);
    check(a.over);
    check_text(ed_rows_text(a.call->rows, 0), "1");
    check_text(ed_rows_text(b.call->rows, 0), "2");
    done(&a);
    done(&b);
    pg_link_close(link);
}

LINK_TEST(a_call_with_a_sync_of_its_own_fails_alone)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    struct wait w[3];
    SEND(link, &w[0], "select 1");
    SEND(link, &w[1], "select 1 / :x::int", ed_p(x, 0));
    SEND(link, &w[2], "select 3");
    check_int(await(&w[0]), 0);
    check_int(await(&w[1]), ED_EVALUE);
    check_int(await(&w[2]), 0);
    check_int((long long)statements.counts.resent, 0);
    for (int i = 0; i < 3; i++)
        done(&w[i]);
    pg_link_close(link);
}

LINK_TEST(neighbours_of_a_failed_call_are_run_again_unseen)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    struct wait w[4];
    SEND_READ(link, &w[0], "select 10");
    SEND_READ(link, &w[1], "select 1 / :x::int", ed_p(x, 0));
    SEND_READ(link, &w[2], "select 12");
    SEND_READ(link, &w[3], "select 13 where :x::int = 5", ed_p(x, 5));
    check_int(await(&w[0]), 0);
    check_int(await(&w[1]), ED_EVALUE);
    check_int(await(&w[2]), 0);
    check_int(await(&w[3]), 0);
    check_text(ed_rows_text(w[0].call->rows, 0), "10");
    check_text(ed_rows_text(w[2].call->rows, 0), "12");
    check_text(ed_rows_text(w[3].call->rows, 0), "13");
    check_int((long long)statements.counts.batches, 1);
    check_int((long long)statements.counts.resent, 2);
    for (int i = 0; i < 4; i++)
        done(&w[i]);
    pg_link_close(link);
}

/* ---- calls sent at the end of the turn ---- */

static bool untold(const struct pg_link *link)
{
    return link->flight.end == link->flight.at;
}

LINK_TEST(calls_of_one_turn_are_sent_at_its_end_in_order)
{
    struct pg_link *link = link_open();
    struct wait w[3];
    if (!link)
        return;
    SEND(link, &w[0], "create temp table t as select 1 as n");
    SEND(link, &w[1], "insert into t values (2)");
    SEND(link, &w[2], "select sum(n) from t");
    check_int((long long)pg_link_load(link), 3);
    check(untold(link));
    for (int i = 0; i < 3; i++)
        check_int(await(&w[i]), 0);
    check_text(ed_rows_text(w[2].call->rows, 0), "3");
    check_int((long long)pg_link_load(link), 0);
    for (int i = 0; i < 3; i++)
        done(&w[i]);
    pg_link_close(link);
}

LINK_TEST(what_is_given_up_before_it_is_sent_is_never_run)
{
    struct pg_link *link = link_open();
    struct wait w;
    if (!link)
        return;
    check_text(ask(link, "create temp table t(n int)"), "");
    SEND(link, &w, "insert into t values (1)");
    pg_call_abandon(w.call);
    done(&w);
    check_text(ask(link, "select count(*)::text from t"), "0");
    check_int((long long)statements.counts.cancelled, 0);
    check_int((long long)pg_link_load(link), 0);
    pg_link_close(link);
}

LINK_TEST(values_that_cannot_be_sent_fail_alone)
{
    struct pg_link *link = link_open();
    struct wait w[3];
    if (!link)
        return;
    SEND(link, &w[0], "select 'a'");
    SEND(link, &w[1], "select :x::text", ed_p(x, "\xff"));
    SEND_READ(link, &w[2], "select 'c'");
    unsigned before = rooms;
    check_int(await(&w[0]), 0);
    check_int(await(&w[1]), ED_EVALUE);
    check_int(w[1].call->fate, PG_REFUSED);
    check_int(await(&w[2]), 0);
    check_text(ed_rows_text(w[2].call->rows, 0), "c");
    check_int((long long)pg_link_load(link), 0);
    check(rooms > before);
    for (int i = 0; i < 3; i++)
        done(&w[i]);
    pg_link_close(link);
}

LINK_TEST(a_link_closed_before_the_turn_ends_has_sent_nothing)
{
    struct pg_link *link = link_open();
    struct wait w;
    if (!link)
        return;
    SEND(link, &w, "select 1");
    pg_link_close(link);
    (void)await(&w);
    check_int(w.call->fate, PG_NEVER_SENT);
    done(&w);
}

/* ---- waiters that go ---- */

static void abandon(struct wait *w)
{
    pg_call_abandon(w->call);
    done(w);
}

LINK_TEST(an_abandoned_call_is_cancelled_at_the_server)
{
    struct pg_link *link = link_open();
    struct wait w;
    if (!link)
        return;
    SEND(link, &w, "select pg_sleep(30)");
    check_int(ed_sleep(20 * ED_MS), 0);
    int64_t began = ed_now();
    abandon(&w);
    while (!pg_link_open_for_calls(link) || pg_link_load(link))
        (void)!ed_sleep(ED_MS);
    check(ed_now() - began < 10 * ED_S);
    check_int((long long)statements.counts.cancelled, 1);
    check_text(ask(link, "select 2"), "2");
    check(rooms > 0);
    check_int(losses, 0);
    pg_link_close(link);
}

LINK_TEST(a_call_is_cancelled_when_its_turn_has_come)
{
    struct pg_link *link = link_open();
    struct wait w[3];
    if (!link)
        return;
    SEND(link, &w[0], "select 1 from pg_sleep(0.1)");
    SEND(link, &w[1], "select pg_sleep(30)");
    SEND(link, &w[2], "select 3");
    check_int(ed_sleep(10 * ED_MS), 0); /* they are sent */
    abandon(&w[1]);
    check_int(await(&w[0]), 0);
    check_int(await(&w[2]), 0);
    check_text(ed_rows_text(w[2].call->rows, 0), "3");
    check_int((long long)statements.counts.cancelled, 1);
    done(&w[0]);
    done(&w[2]);
    pg_link_close(link);
}

/* A session that is stopped is idle for a request that comes meanwhile, though
 * it has the statement. */
LINK_TEST(a_call_that_a_cancel_came_too_early_for_is_cancelled)
{
    struct pg_link *link = link_open();
    struct wait w[2];
    if (!link)
        return;
    pid_t backend = (int)strtol(ask(link, "select pg_backend_pid()"), NULL, 10);
    check_int(kill(backend, SIGSTOP), 0);
    SEND(link, &w[0], "select pg_sleep(30)");
    SEND(link, &w[1], "select 3");
    check_int(ed_sleep(ED_MS), 0); /* they are sent */
    abandon(&w[0]);
    while (!link->settle_sent)
        (void)!ed_sleep(ED_MS);
    check_int(kill(backend, SIGCONT), 0);
    check_int(await(&w[1]), 0);
    check_text(ed_rows_text(w[1].call->rows, 0), "3");
    check_int((long long)statements.counts.cancelled, 1);
    check_int(losses, 0);
    done(&w[1]);
    while (!pg_link_open_for_calls(link))
        (void)!ed_sleep(ED_MS);
    check_text(ask(link, "select 4"), "4");
    pg_link_close(link);
}

LINK_TEST(calls_that_end_in_time_are_not_cancelled)
{
    struct pg_link *link = link_open();
    struct wait w;
    if (!link)
        return;
    check_text(ask(link, "select 1"), "1");
    for (int i = 0; i < 10; i++) {
        uint64_t cancelled = statements.counts.cancelled;
        int64_t began = ed_now();
        SEND(link, &w, "select 1");
        abandon(&w);
        while (pg_link_load(link) || !pg_link_open_for_calls(link))
            (void)!ed_sleep(ED_MS / 4);
        /* It may have taken long, on a busy machine. */
        if (ed_now() - began < 2 * ED_MS)
            check_int((long long)(statements.counts.cancelled - cancelled), 0);
        while (link->doomed)
            (void)!ed_sleep(ED_MS);
    }
    check_int(losses, 0);
    pg_link_close(link);
}

LINK_TEST(a_cancelled_call_that_does_not_end_costs_its_link)
{
    goodbye = 100 * ED_MS;
    struct pg_link *link = link_open();
    struct wait w[2];
    if (!link)
        return;
    pid_t backend = (int)strtol(ask(link, "select pg_backend_pid()"), NULL, 10);
    SEND(link, &w[0], "select pg_sleep(30)");
    SEND(link, &w[1], "select 1");
    check_int(ed_sleep(10 * ED_MS), 0);
    check_int(kill(backend, SIGSTOP), 0);
    abandon(&w[0]);
    check_int(await(&w[1]), ED_EUNCERTAIN);
    check_int(w[1].call->fate, PG_UNCERTAIN);
    check_text(w[1].call->why, "a cancelled statement did not end");
    done(&w[1]);
    check_int(losses, 1);
    check_int(kill(backend, SIGCONT), 0);
}

/* Each answer is the one asked for, whoever else goes away at any time. */
static int ask_and_go(void *arg)
{
    struct pg_link *link = *(struct pg_link **)arg;
    static uint32_t seed = 7;
    for (int i = 0; i < 40; i++) {
        struct wait w;
        uint32_t n = test_random(&seed, 1000);
        while (!pg_link_open_for_calls(link))
            (void)!ed_sleep(ED_MS / 4);
        /* Of those that are given up some take long enough to be cancelled,
         * however busy the machine is. */
        double seconds = n % 7 ? 0 : n % 5 ? .004 : .1;
        int err = give(link, &w, "select :n::int, pg_sleep(:s)", n % 2,
                       ED_PG_LIST_(ed_p(n, n), ed_p(s, seconds)));
        if (!check_int(err, 0))
            return err;
        if (n % 5) {
            check_int(await(&w), 0);
            check_int(ed_rows_int(w.call->rows, 0), n);
            done(&w);
            continue;
        }
        (void)!ed_sleep(test_random(&seed, 4) * ED_MS);
        abandon(&w);
    }
    return 0;
}

LINK_TEST(no_answer_reaches_another_whoever_leaves)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    ed_scope(s);
    for (int i = 0; i < 8; i++)
        ed_go(s, ask_and_go, &link);
    check_int(ed_wait(s), 0);
    check(statements.counts.cancelled > 0);
    check_int(losses, 0);
    pg_link_close(link);
}

/* ---- lost links ---- */

LINK_TEST(an_idle_link_that_breaks_is_told_at_once)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    pg_server_psql(server, "select pg_terminate_backend(pid) from "
                           "pg_stat_activity where pid <> pg_backend_pid() and "
                           "backend_type = 'client backend'");
    check_int(ed_sleep(50 * ED_MS), 0);
    check_int(losses, 1);
}

LINK_TEST(calls_on_a_broken_link_know_what_became_of_them)
{
    struct pg_link *link = link_open();
    struct wait w[4];
    if (!link)
        return;
    SEND(link, &w[0], "select 1/0");
    SEND(link, &w[1], "select pg_sleep(30)");
    SEND(link, &w[2], "select 1");
    check_int(await(&w[0]), ED_EVALUE);
    pg_server_psql(server, "select pg_terminate_backend(pid) from "
                           "pg_stat_activity where pid <> pg_backend_pid() and "
                           "backend_type = 'client backend'");
    SEND_READ(link, &w[3], "select 1");
    check_int(await(&w[1]), ED_EUNCERTAIN);
    check_int(await(&w[2]), ED_EUNCERTAIN);
    check_int(w[1].call->fate, PG_UNCERTAIN);
    check_text(w[1].call->why,
               "terminating connection due to administrator command");
    check_int(w[2].call->fate, PG_NEVER_SENT);
    check_int(await(&w[3]), ED_EUNCERTAIN);
    check_int(w[3].call->fate, PG_NEVER_SENT);
    check_int(ed_yield(), 0);
    check_int(losses, 1);
    for (int i = 0; i < 4; i++)
        done(&w[i]);
}

LINK_TEST(a_server_that_is_killed_leaves_it_open)
{
    struct pg_link *link = link_open();
    struct wait w[3];
    if (!link)
        return;
    SEND(link, &w[0], "select pg_sleep(30)");
    SEND(link, &w[1], "select 1");
    check_int(ed_sleep(10 * ED_MS), 0);
    SEND_READ(link, &w[2], "select 1");
    pg_server_kill(server);
    for (int i = 0; i < 3; i++)
        check_int(await(&w[i]), ED_EUNCERTAIN);
    check_int(w[0].call->fate, PG_UNCERTAIN);
    check_int(w[1].call->fate, PG_UNCERTAIN);
    for (int i = 0; i < 3; i++)
        done(&w[i]);
    check_int(ed_yield(), 0);
    check_int(losses, 1);
    pg_server_restart(server);
}

LINK_TEST(closing_tells_those_who_wait)
{
    struct pg_link *link = link_open();
    struct wait w[2];
    if (!link)
        return;
    SEND(link, &w[0], "select pg_sleep(1)");
    check_int(ed_sleep(10 * ED_MS), 0); /* it is sent */
    SEND_READ(link, &w[1], "select 1");
    pg_link_close(link);
    check_int(w[0].call->fate, PG_UNCERTAIN);
    check_int(w[1].call->fate, PG_NEVER_SENT);
    done(&w[0]);
    done(&w[1]);
}

static void close_in_done(struct pg_call *call)
{
    struct wait *w = call->waiter;
    w->over = true;
    pg_link_close(w->link);
}

LINK_TEST(a_link_may_be_closed_by_who_is_told_of_an_end)
{
    struct pg_link *link = link_open();
    struct wait w[2];
    if (!link)
        return;
    SEND(link, &w[0], "select 1");
    w[0].link = link;
    w[0].call->done = close_in_done;
    SEND(link, &w[1], "select 2");
    check_int(await(&w[1]), ED_EUNCERTAIN);
    check(w[0].over);
    done(&w[0]);
    done(&w[1]);
}

LINK_TEST(copy_is_refused_without_a_hang)
{
    struct pg_link *link = link_open();
    struct wait w;
    if (!link)
        return;
    SEND(link, &w, "copy (select 1) to stdout");
    check_int(await(&w), ED_EUSAGE);
    done(&w);
    check_int(ed_yield(), 0);
    check_int(losses, 1);
}

/* ---- much at once ---- */

LINK_TEST(what_the_socket_does_not_take_is_sent_later)
{
    static char big[3 << 20];
    struct pg_link *link = link_open();
    struct wait w[4];
    if (!link)
        return;
    memset(big, 'x', sizeof big - 1);
    for (int i = 0; i < 4; i++)
        SEND(link, &w[i], "select length(:t), :t", ed_p(t, (const char *)big));
    for (int i = 0; i < 4; i++) {
        check_int(await(&w[i]), 0);
        check_int(ed_rows_int(w[i].call->rows, 0), sizeof big - 1);
        done(&w[i]);
    }
    pg_link_close(link);
}

/* ---- in one fiber's hands ---- */

LINK_TEST(a_link_can_be_taken_over_and_put_back)
{
    struct pg_link *link = link_open();
    PGconn *conn;
    PGresult *result;
    if (!link)
        return;
    check_text(ask(link, "select 1"), "1");
    check_int(pg_link_take_over(link, &conn), 0);
    check(!pg_link_open_for_calls(link));
    check(PQsendQuery(conn, "select 1; select 2"));
    check_int(pg_link_flush(link), 0);
    check_int(pg_link_result(link, &result), 0);
    check_text(PQgetvalue(result, 0, 0), "1");
    PQclear(result);
    check_int(pg_link_result(link, &result), 0);
    check_text(PQgetvalue(result, 0, 0), "2");
    PQclear(result);
    check_int(pg_link_result(link, &result), 0);
    check(!result);
    pg_link_put_back(link);
    check_text(ask(link, "select 1"), "1");
    pg_link_close(link);
}

/* Waits until a session is at some work, as others see it: a request to cancel
 * hits nothing before. */
static void see_begun(PGconn *conn, const char *work)
{
    struct pg_link *other = link_open();
    char sql[256];
    snprintf(sql, sizeof sql,
             "select count(*) from pg_stat_activity "
             "where pid = %d and query = '%s'",
             PQbackendPID(conn), work);
    while (other && strcmp(ask(other, sql), "1") && !ed_sleep(ED_MS))
        ;
    if (other)
        pg_link_close(other);
}

LINK_TEST(work_that_is_dropped_is_cancelled_and_read_to_its_end)
{
    static const char *const works[] = {
        "select pg_sleep(30)",
        "copy (select n from generate_series(1, 100000000) n) to stdout",
        "create temp table c (a text); copy c from stdin",
        "select 1",
    };
    struct pg_link *link = link_open();
    PGconn *conn;
    for (int i = 0; link && i < 4; i++) {
        check_int(pg_link_take_over(link, &conn), 0);
        check(PQsendQuery(conn, works[i]));
        check_int(pg_link_flush(link), 0);
        see_begun(conn, works[i]);
        rooms = 0;
        pg_link_drop_work(link);
        while (!rooms && !losses && !ed_sleep(ED_MS))
            ;
        check_int(losses, 0);
        if (losses) /* which has closed it */
            return;
        check_text(ask(link, "select 1"), "1");
    }
    if (link)
        pg_link_close(link);
}

LINK_TEST(a_link_may_be_closed_while_its_work_is_dropped)
{
    struct pg_link *link = link_open();
    PGconn *conn;
    if (!link)
        return;
    check_int(pg_link_take_over(link, &conn), 0);
    check(PQsendQuery(conn, "select pg_sleep(1)"));
    check_int(pg_link_flush(link), 0);
    pg_link_drop_work(link);
    check_int(ed_yield(), 0);
    pg_link_close(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_gives_rows_and_how_many),
        cmocka_unit_test(two_calls_of_one_fiber_are_under_way_at_once),
        cmocka_unit_test(a_call_with_a_sync_of_its_own_fails_alone),
        cmocka_unit_test(neighbours_of_a_failed_call_are_run_again_unseen),
        cmocka_unit_test(calls_of_one_turn_are_sent_at_its_end_in_order),
        cmocka_unit_test(what_is_given_up_before_it_is_sent_is_never_run),
        cmocka_unit_test(values_that_cannot_be_sent_fail_alone),
        cmocka_unit_test(a_link_closed_before_the_turn_ends_has_sent_nothing),
        cmocka_unit_test(an_abandoned_call_is_cancelled_at_the_server),
        cmocka_unit_test(a_call_is_cancelled_when_its_turn_has_come),
        cmocka_unit_test(a_call_that_a_cancel_came_too_early_for_is_cancelled),
        cmocka_unit_test(calls_that_end_in_time_are_not_cancelled),
        cmocka_unit_test(a_cancelled_call_that_does_not_end_costs_its_link),
        cmocka_unit_test(no_answer_reaches_another_whoever_leaves),
        cmocka_unit_test(an_idle_link_that_breaks_is_told_at_once),
        cmocka_unit_test(calls_on_a_broken_link_know_what_became_of_them),
        cmocka_unit_test(a_server_that_is_killed_leaves_it_open),
        cmocka_unit_test(closing_tells_those_who_wait),
        cmocka_unit_test(a_link_may_be_closed_by_who_is_told_of_an_end),
        cmocka_unit_test(copy_is_refused_without_a_hang),
        cmocka_unit_test(what_the_socket_does_not_take_is_sent_later),
        cmocka_unit_test(a_link_can_be_taken_over_and_put_back),
        cmocka_unit_test(work_that_is_dropped_is_cancelled_and_read_to_its_end),
        cmocka_unit_test(a_link_may_be_closed_while_its_work_is_dropped),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
