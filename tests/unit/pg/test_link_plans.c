/*
 * test_link_plans.c - what a link knows of its session: the plans prepared in
 * it, and the transaction it is in.
 */
#include "link_fixture.h"

#include "pg/flight.h"
#include <eddy/log.h>
#include <stdlib.h>

/* ---- plans ---- */

static unsigned plans_on_server(struct pg_link *link)
{
    return (unsigned)(int)strtol(
        ask(link, "select count(*) from pg_prepared_statements "
                  "where name like 'ed\\_%'"),
        NULL, 10);
}

LINK_TEST(a_plan_is_prepared_once)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    for (int i = 0; i < 5; i++)
        check_text(ask(link, "select 1"), "1");
    check_int((long long)statements.counts.prepared, 1);
    check_int(plans_on_server(link), 2);
    pg_link_close(link);
}

LINK_TEST(plans_beyond_the_most_are_closed_on_the_server)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    for (int i = 0; i < 12; i++) {
        char sql[32];
        snprintf(sql, sizeof sql, "select %d", i);
        (void)ask(link, sql);
    }
    check(plans_on_server(link) <= 4);
    check_text(ask(link, "select 0"), "0");
    pg_link_close(link);
}

LINK_TEST(a_plan_past_its_lifetime_is_prepared_anew)
{
    statements.lifetime = 1;
    struct pg_link *link = link_open();
    if (!link)
        return;
    check_text(ask(link, "select 1"), "1");
    check_int(ed_sleep(ED_MS), 0);
    check_text(ask(link, "select 1"), "1");
    check_int((long long)statements.counts.prepared, 2);
    check_int((long long)statements.counts.resent, 0);
    pg_link_close(link);
}

LINK_TEST(types_that_differ_make_plans_that_differ)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    struct wait w[3];
    SEND(link, &w[0], "select :x", ed_p(x, "t"));
    SEND(link, &w[1], "select :x", ed_p(x, ed_bytea(ED_BYTES("b"))));
    SEND(link, &w[2], "select :x", ed_p(x, ed_null()));
    for (int i = 0; i < 3; i++)
        check_int(await(&w[i]), 0);
    check_int(ed_rows_type(w[0].call->rows, 0), 25);
    check_int(ed_rows_type(w[1].call->rows, 0), 17);
    check_int((long long)statements.counts.prepared, 2);
    for (int i = 0; i < 3; i++)
        done(&w[i]);
    pg_link_close(link);
}

LINK_TEST(without_plans_a_statement_has_no_name)
{
    statements.per_link = 0;
    struct pg_link *link = link_open();
    if (!link)
        return;
    check_text(ask(link, "select 1"), "1");
    check_text(ask(link, "select 1"), "1");
    check_int(plans_on_server(link), 0);
    pg_link_close(link);
}

LINK_TEST(a_plan_made_stale_by_a_migration_is_made_anew)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    pg_server_psql(server, "create table stale (a int); "
                           "insert into stale values (7)");
    check_text(ask(link, "select * from stale"), "7");
    check_text(ask(link, "select * from stale"), "7");
    pg_server_psql(server,
                   "alter table stale alter a type text using 'x' || a");
    struct wait w[3];
    for (int i = 0; i < 3; i++)
        SEND(link, &w[i], "select * from stale");
    for (int i = 0; i < 3; i++) {
        check_int(await(&w[i]), 0);
        check_text(ed_rows_text(w[i].call->rows, 0), "x7");
        done(&w[i]);
    }
    check_int((long long)statements.counts.prepared, 2);
    pg_server_psql(server, "alter table stale add b int default 8");
    check_text(ask(link, "begin"), "");
    check_text(ask(link, "select * from stale"), "ED_ESQL");
    check_text(ask(link, "rollback"), "");
    check_text(ask(link, "select * from stale"), "x7");
    check_int(losses, 0);
    pg_server_psql(server, "drop table stale");
    pg_link_close(link);
}

LINK_TEST(each_link_learns_the_types_of_results_for_itself)
{
    static const char sql[] = "select * from moving";
    struct pg_link *one = link_open();
    if (!one)
        return;
    pg_server_psql(server, "create table moving (a int); "
                           "insert into moving values (7)");
    check_text(ask(one, sql), "7");
    check_text(ask(one, sql), "7"); /* in binary */
    pg_server_psql(server, "alter table moving alter a type point "
                           "using point(a, a)");
    struct pg_link *two = link_open();
    if (two) {
        check_text(ask(two, sql), "(7,7)");
        pg_link_close(two);
    }
    pg_server_psql(server, "drop table moving");
    pg_link_close(one);
}

LINK_TEST(plans_of_a_transaction_are_closed_behind_it)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    check_text(ask(link, "select 0"), "0");
    check_text(ask(link, "begin"), "");
    for (int i = 1; i < 6; i++) {
        char sql[32];
        snprintf(sql, sizeof sql, "select %d", i);
        (void)ask(link, sql);
    }
    check_text(ask(link, "select 0"), "0");
    check_text(ask(link, "select 1/0"), "ED_EVALUE");
    check_text(ask(link, "rollback"), "");
    check_text(ask(link, "select 1"), "1");
    check(plans_on_server(link) <= 4);
    check_int(statements.mishaps, 0);
    pg_link_close(link);
}

/* Behind our back, as a pooler that changes the session. */
static const char lose_names[] = "do 'begin deallocate all; end'";

LINK_TEST(names_that_are_gone_are_made_anew_and_then_done_without)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    check_text(ask(link, "select 1"), "1");
    check_text(ask(link, lose_names), "");
    struct wait w[2];
    SEND(link, &w[0], "select 1");
    SEND(link, &w[1], "select 1");
    check_int(await(&w[0]), 0);
    check_int(await(&w[1]), 0);
    done(&w[0]);
    done(&w[1]);
    check_int(statements.mishaps, 1);
    check_int(statements.per_link, 4);
    ed_log_set_level(ED_LOG_OFF);
    check_text(ask(link, lose_names), "");
    check_text(ask(link, "select 1"), "1");
    ed_log_set_level(ED_LOG_INFO);
    check_int(statements.per_link, 0);
    check_text(ask(link, "select 1"), "1");
    pg_link_close(link);
}

LINK_TEST(a_name_that_is_there_already_means_the_same)
{
    struct pg_link *link = link_open();
    struct pg_statement *s;
    if (!link)
        return;
    check_text(ask(link, "select 5"), "5");
    check_int(pg_statement_get(&statements, "select 5", &s), 0);
    char sql[128];
    snprintf(sql, sizeof sql, "deallocate %s", s->plans->name);
    check_text(ask(link, sql), "");
    snprintf(sql, sizeof sql, "prepare %s as select 5", s->plans->name);
    check_text(ask(link, sql), "");
    pg_prepared_clear(&link->prepared);
    check_text(ask(link, "select 5"), "5");
    check_int(statements.mishaps, 1);
    pg_statement_release(s);
    pg_link_close(link);
}

LINK_TEST(a_statement_that_cannot_be_parsed_fails_each_time)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    struct wait w[3];
    for (int i = 0; i < 3; i++)
        SEND(link, &w[i], "selec 1");
    for (int i = 0; i < 3; i++) {
        check_int(await(&w[i]), ED_ESQL);
        check(w[i].call->error != NULL);
        check_text(w[i].call->error ? w[i].call->error->sqlstate : "", "42601");
        done(&w[i]);
    }
    check_int(statements.mishaps, 0);
    pg_link_close(link);
}

/* ---- transactions ---- */

LINK_TEST(what_only_fails_at_the_commit_fails)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    pg_server_psql(
        server, "create table twin (id int primary key, other int references "
                "twin deferrable initially deferred)");
    check_text(ask(link, "insert into twin values (1, 2)"), "ED_ECONSTRAINT");
    check_text(ask(link, "insert into twin values (1, 1)"), "");
    check_text(ask(link, "select count(*) from twin"), "1");
    pg_server_psql(server, "drop table twin");
    pg_link_close(link);
}

LINK_TEST(after_a_failure_a_transaction_takes_no_more)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    struct wait w[3];
    SEND(link, &w[0], "begin");
    SEND(link, &w[1], "select 1/0");
    SEND_READ(link, &w[2], "select 1");
    check_int(await(&w[0]), 0);
    check_int(await(&w[1]), ED_EVALUE);
    check_int(await(&w[2]), ED_ESQL);
    check_text(w[2].call->error->sqlstate, "25P02");
    check_int(pg_link_state(link), PQTRANS_INERROR);
    check_text(ask(link, "rollback"), "");
    check_int(pg_link_state(link), PQTRANS_IDLE);
    for (int i = 0; i < 3; i++)
        done(&w[i]);
    pg_link_close(link);
}

static int give_with(struct pg_link *link, struct wait *w, const char *prelude,
                     const char *sql)
{
    struct pg_statement *s;
    *w = (struct wait){0};
    check_int(pg_statement_get(&statements, sql, &s), 0);
    w->call = pg_call_new(s);
    pg_statement_release(s);
    w->call->prelude = prelude;
    w->call->arena = ed_fiber_arena();
    w->call->done = on_done;
    w->call->waiter = w;
    return pg_link_send(link, w->call);
}

LINK_TEST(a_prelude_goes_before_and_fails_its_call)
{
    struct pg_link *link = link_open();
    struct wait w;
    if (!link)
        return;
    check_int(give_with(link, &w, "begin read only", "create table t ()"), 0);
    check_int(await(&w), ED_ESQL);
    check_text(w.call->error->sqlstate, "25006");
    done(&w);
    check_text(ask(link, "rollback"), "");
    check_int(give_with(link, &w, "savepoint a", "select 1"), 0);
    check_int(await(&w), ED_ESQL);
    check_text(w.call->error->sqlstate, "25P01");
    done(&w);
    pg_link_close(link);
}

LINK_TEST(a_transaction_begins_though_its_first_plan_is_gone)
{
    struct pg_link *link = link_open();
    struct wait w;
    if (!link)
        return;
    check_text(ask(link, "select 1"), "1");
    check_text(ask(link, lose_names), "");
    check_int(give_with(link, &w, "begin", "select 1"), 0);
    check_int(await(&w), 0);
    check_int(pg_link_state(link), PQTRANS_INTRANS);
    done(&w);
    check_text(ask(link, "commit"), "");
    pg_link_close(link);
}

LINK_TEST(a_transaction_begins_though_its_first_plan_is_stale)
{
    struct pg_link *link = link_open();
    struct wait w;
    if (!link)
        return;
    pg_server_psql(server,
                   "create table old (a int); insert into old values (1)");
    check_text(ask(link, "select * from old"), "1");
    pg_server_psql(server, "alter table old alter a type text");
    check_int(give_with(link, &w, "begin", "select * from old"), 0);
    check_int(await(&w), 0);
    check_int(pg_link_state(link), PQTRANS_INTRANS);
    done(&w);
    check_text(ask(link, "rollback"), "");
    check_int((long long)statements.counts.resent, 1);
    pg_server_psql(server, "drop table old");
    pg_link_close(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_prepared_once),
        cmocka_unit_test(plans_beyond_the_most_are_closed_on_the_server),
        cmocka_unit_test(a_plan_past_its_lifetime_is_prepared_anew),
        cmocka_unit_test(types_that_differ_make_plans_that_differ),
        cmocka_unit_test(without_plans_a_statement_has_no_name),
        cmocka_unit_test(a_plan_made_stale_by_a_migration_is_made_anew),
        cmocka_unit_test(each_link_learns_the_types_of_results_for_itself),
        cmocka_unit_test(plans_of_a_transaction_are_closed_behind_it),
        cmocka_unit_test(
            names_that_are_gone_are_made_anew_and_then_done_without),
        cmocka_unit_test(a_name_that_is_there_already_means_the_same),
        cmocka_unit_test(a_statement_that_cannot_be_parsed_fails_each_time),
        cmocka_unit_test(what_only_fails_at_the_commit_fails),
        cmocka_unit_test(after_a_failure_a_transaction_takes_no_more),
        cmocka_unit_test(a_prelude_goes_before_and_fails_its_call),
        cmocka_unit_test(a_transaction_begins_though_its_first_plan_is_gone),
        cmocka_unit_test(a_transaction_begins_though_its_first_plan_is_stale),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
