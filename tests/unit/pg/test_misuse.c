/*
 * test_misuse.c - what programs do behind a pool's back, or should not do at
 * all: it is told, and harms nobody else.
 */
#include "pool_test.h"

#include "pg/pool_internal.h"
#include <eddy/pg_copy.h>

static ed_pg *new_pool(unsigned max)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = max);
    check(ed_pg_exec(db, "drop table if exists t") >= 0);
    check_int(ed_pg_exec(db, "create table t (n int)"), 0);
    return db;
}

/* ---- transactions by hand ---- */

POOL_TEST(a_transaction_begun_on_a_pool_swallows_nobodys_work)
{
    ed_pg *db = new_pool(1), *other = new_pool(1);
    check_int(ed_pg_exec(db, "begin"), ED_EUSAGE);
    check(strstr(ed_error(), "ed_pg_transaction()") != NULL);
    check_int(ed_pg_exec(db, "start transaction read only"), ED_EUSAGE);
    check_int(ed_pg_exec(db, "insert into t values (1)"), 1);
    check_int(find_int(other, "select count(*) from t"), 1);
    ed_pg_free(other);
    ed_pg_free(db);
}

POOL_TEST(nothing_is_run_behind_a_transaction_ended_by_hand)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec(tx, "insert into t values (1)"), 1);
        check_int(ed_pg_exec(tx, "rollback"), 0);
        check_int(ed_pg_exec(tx, "insert into t values (2)"), ED_ESQL);
        check(strstr(ed_error(), "ended by hand") != NULL);
        check_int(ed_pg_commit(tx), ED_ESQL);
    }
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec(tx, "insert into t values (3)"), 1);
        check_int(ed_pg_script(tx, "rollback"), ED_EUSAGE);
        check_int(ed_pg_exec(tx, "insert into t values (4)"), ED_ESQL);
    }
    check_int(find_int(db, "select count(*) from t"), 0);
    ed_pg_free(db);
}

POOL_TEST(a_transaction_left_idle_for_too_long_says_so)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec(tx, "set local idle_in_transaction_session_timeout"
                                 " to '20ms'"),
                  0);
        eventually(counts_of(db).lost == 1);
        check_int(ed_pg_exec(tx, "insert into t values (1)"), ED_EDATABASE);
        check(strstr(ed_error(), "idle-in-transaction timeout") != NULL);
        check_int(ed_pg_commit(tx), ED_EDATABASE);
    }
    check_int(find_int(db, "select count(*) from t"), 0);
    ed_pg_free(db);
}

/* ---- waiting for oneself ---- */

POOL_TEST(a_statement_behind_a_stream_of_the_same_fiber_is_refused)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        ed_rows *rows ED_ROWS_AUTO = NULL;
        check_int(ed_pg_stream(tx, &rows, "select generate_series(1, 1000)"),
                  0);
        check(ed_rows_next(rows));
        check_int(ed_pg_exec(tx, "insert into t values (1)"), ED_EUSAGE);
        check(strstr(ed_error(), "stream") != NULL);
        check_int(ed_pg_commit(tx), ED_EUSAGE);
    }
    check_int(find_int(db, "select 1"), 1);
    ed_pg_free(db);
}

/* ---- prepared statements that vanish ---- */

POOL_TEST(discarding_all_in_a_session_costs_no_plans)
{
    ed_pg *db = new_pool(1);
    for (int i = 0; i < 3; i++) {
        ed_pg_session(session, db);
        check_int(find_int(session, "select 41"), 41);
        check_int(ed_pg_exec(session, "discard all"), 0);
        check_int(find_int(session, "select 41"), 41);
    }
    {
        ed_pg_transaction(tx, db);
        check_int(find_int(tx, "select 41"), 41);
        check_int(ed_pg_exec(tx, "deallocate all"), 0);
        check_int(find_int(tx, "select 41"), 41);
    }
    check_int(db->pool->statements.mishaps, 0);
    ed_pg_free(db);
}

/* ---- what commits by itself ---- */

struct late {
    ed_pg *db;
    const char *sql;
};

static int is_late(void *arg)
{
    const struct late *late = arg;
    ed_scope(s, .within = 60 * ED_MS);
    (void)s;
    check_int(ed_pg_exec(late->db, late->sql), ED_ETIMEOUT);
    return 0;
}

POOL_TEST(what_has_committed_is_not_run_again_for_anothers_cancel)
{
    static const char *const texts[] = {
        "do $$ begin insert into t values (1); commit;"
        " raise exception using errcode = '57014'; end $$",
        " /* x /* y */ */ -- z\n"
        "Call hit_by_cancel()",
    };
    ed_pg *db = new_pool(1);
    check_int(ed_pg_exec(db, "create or replace procedure hit_by_cancel()"
                             " language plpgsql as $$ begin insert into t"
                             " values (1); commit; raise exception using"
                             " errcode = '57014'; end $$"),
              0);
    for (size_t i = 0; i < 2; i++) {
        struct late late = {db, "select pg_sleep(10)"};
        ed_scope(s);
        check_int(ed_go(s, is_late, &late), 0);
        ed_sleep(20 * ED_MS);
        check_int(ed_pg_exec(db, texts[i]), ED_EUNCERTAIN);
        check(strstr(ed_error(), "57014") != NULL);
        check_int(ed_wait(s), 0);
        check_int(find_int(db, "select count(*) from t"), (long long)i + 1);
    }
    ed_pg_free(db);
}

/* ---- several statements in one text ---- */

static int no_set(void *arg, size_t index, struct ed_pg_value *values)
{
    (void)arg, (void)index, (void)values;
    return 0;
}

POOL_TEST(several_statements_are_refused_wherever_one_is_run)
{
    static const char two[] = "select 1; select 2";
    ed_pg *db = new_pool(1);
    ed_rows *rows;
    check_int(ed_pg_exec(db, two), ED_EUSAGE);
    check_int(ed_pg_exec(db, "select no_such"), ED_ESQL);
    check_int(ed_pg_stream(db, &rows, two), ED_EUSAGE);
    check(strstr(ed_error(), "ed_pg_script()") != NULL);
    check_text(ed_pg_error()->sqlstate, "");
    check_int(ed_pg_exec(db, "select no_such"), ED_ESQL);
    check_int(ed_pg_exec_many(db, two, 0, 1, no_set, NULL), ED_EUSAGE);
    check(strstr(ed_error(), "ed_pg_script()") != NULL);
    check_text(ed_pg_error()->sqlstate, "");
    ed_pg_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_begun_on_a_pool_swallows_nobodys_work),
        cmocka_unit_test(nothing_is_run_behind_a_transaction_ended_by_hand),
        cmocka_unit_test(a_transaction_left_idle_for_too_long_says_so),
        cmocka_unit_test(
            a_statement_behind_a_stream_of_the_same_fiber_is_refused),
        cmocka_unit_test(discarding_all_in_a_session_costs_no_plans),
        cmocka_unit_test(
            what_has_committed_is_not_run_again_for_anothers_cancel),
        cmocka_unit_test(several_statements_are_refused_wherever_one_is_run),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
