/*
 * test_session.c - sessions: what a server keeps by session is theirs, and gone
 * when they are left.
 */
#include "pool_test.h"

static int hooks;

static int on_connect(ed_pg *session, void *arg)
{
    (void)arg;
    hooks++;
    int n = ed_pg_exec(session, "set statement_timeout to 12345");
    return n < 0 ? n : 0;
}

static ed_pg *new_pool(void)
{
    return ed_pg_new(.dsn = pg_server_dsn(server), .max = 1);
}

static bool setting_is(ed_pg *db, const char *name, const char *value)
{
    ed_rows *rows;
    return check_int(ed_pg_row(db, &rows, "select current_setting(:n)",
                               ed_p(n, name)),
                     0) &&
           check_text(ed_rows_text(rows, 0), value);
}

POOL_TEST(a_session_keeps_its_connection)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 3);
    {
        ed_pg_session(session, db);
        long long pid = find_int(session, "select pg_backend_pid()");
        for (int i = 0; i < 5; i++) {
            check(find_int(db, "select pg_backend_pid()") != pid);
            check_int(find_int(session, "select pg_backend_pid()"), pid);
        }
        check_int(counts_of(db).held, 1);
    }
    eventually(counts_of(db).held == 0);
    ed_pg_free(db);
}

POOL_TEST(what_a_session_left_is_removed)
{
    ed_pg *db = new_pool();
    long long pid = find_int(db, "select pg_backend_pid()");
    {
        ed_pg_session(session, db);
        check_int(ed_pg_exec(session, "set work_mem to '77MB'"), 0);
        check_int(ed_pg_exec(session, "create temp table mine (n int)"), 0);
        check_int(ed_pg_exec(session, "select pg_advisory_lock(99)"), 1);
        check_int(ed_pg_exec(session, "listen news"), 0);
        check_int(ed_pg_exec(session, "declare c cursor with hold for"
                                      " select 1"),
                  0);
        check_int(ed_pg_exec(session, "set datestyle to german"), 0);
        check_int(ed_pg_exec(session, "set role pg_monitor"), 0);
    }
    check_int(find_int(db, "select pg_backend_pid()"), pid);
    check(setting_is(db, "work_mem", "4MB"));
    check(setting_is(db, "DateStyle", "ISO, MDY"));
    check(setting_is(db, "client_encoding", "UTF8"));
    check_int(find_int(db, "select (to_regclass('mine') is null)::int"), 1);
    check_int(find_int(db, "select count(*) from pg_locks where locktype ="
                           " 'advisory'"),
              0);
    check_int(find_int(db, "select count(*) from pg_listening_channels()"), 0);
    check_int(find_int(db, "select count(*) from pg_cursors where name = 'c'"),
              0);
    check_int(find_int(db, "select (current_user = 'postgres')::int"), 1);
    ed_pg_free(db);
}

POOL_TEST(prepared_statements_stay)
{
    ed_pg *db = new_pool();
    check_int(find_int(db, "select 11"), 11);
    {
        ed_pg_session(session, db);
        check_int(find_int(session, "select 11"), 11);
    }
    {
        /* What resets is prepared by now. */
        ed_pg_session(session, db);
        check_int(find_int(session, "select 11"), 11);
    }
    eventually(counts_of(db).held == 0);
    uint64_t prepared = counts_of(db).prepared;
    check_int(find_int(db, "select 11"), 11);
    check_int((long long)counts_of(db).prepared, (long long)prepared);
    ed_pg_free(db);
}

POOL_TEST(a_transaction_left_open_by_hand_is_rolled_back)
{
    ed_pg *db = new_pool();
    check_int(ed_pg_exec(db, "create table by_hand (n int)"), 0);
    {
        ed_pg_session(session, db);
        check_int(ed_pg_exec(session, "begin"), 0);
        check_int(ed_pg_exec(session, "insert into by_hand values (1)"), 1);
    }
    check_int(find_int(db, "select count(*) from by_hand"), 0);
    {
        ed_pg_session(session, db);
        check_int(ed_pg_exec(session, "begin"), 0);
        check_int(ed_pg_exec(session, "select 1/0"), ED_EVALUE);
    }
    check_int(find_int(db, "select count(*) from by_hand"), 0);
    check_int((long long)counts_of(db).connects, 1);
    check_int(ed_pg_exec(db, "drop table by_hand"), 0);
    ed_pg_free(db);
}

POOL_TEST(what_on_connect_set_is_set_again)
{
    hooks = 0;
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 1,
                          .on_connect = on_connect, .read_only = true);
    {
        ed_pg_session(session, db);
        check(setting_is(session, "statement_timeout", "12345ms"));
        check_int(ed_pg_exec(session, "set statement_timeout to 0"), 0);
        check_int(ed_pg_exec(session, "set default_transaction_read_only to"
                                      " off"),
                  0);
    }
    check(setting_is(db, "statement_timeout", "12345ms"));
    check(setting_is(db, "default_transaction_read_only", "on"));
    check_int(hooks, 2);
    check_int((long long)counts_of(db).connects, 1);
    ed_pg_free(db);
}

POOL_TEST(a_pool_may_be_freed_while_on_connect_is_called_again)
{
    for (int us = 0; us < 3000; us += 100) {
        ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 1,
                              .on_connect = on_connect);
        {
            ed_pg_session(session, db);
            check_int(find_int(session, "select 1"), 1);
        }
        ed_sleep(us * ED_US);
        ed_pg_free(db);
    }
}

POOL_TEST(a_session_that_was_not_used_takes_nothing)
{
    ed_pg *db = new_pool();
    {
        ed_pg_session(session, db);
    }
    check_int(counts_of(db).open + counts_of(db).connecting, 0);
    ed_pg_free(db);
}

POOL_TEST(a_deadline_in_a_session_ends_the_statement_alone)
{
    ed_pg *db = new_pool();
    {
        ed_pg_session(session, db);
        long long pid = find_int(session, "select pg_backend_pid()");
        {
            ed_scope(s, .within = 40 * ED_MS);
            (void)s;
            check_int(ed_pg_exec(session, "select pg_sleep(10)"), ED_ETIMEOUT);
        }
        check_int(find_int(session, "select pg_backend_pid()"), pid);
    }
    eventually(counts_of(db).idle == 1);
    ed_pg_free(db);
}

POOL_TEST(a_session_is_lost_with_its_connection)
{
    ed_pg *db = new_pool();
    {
        ed_pg_session(session, db);
        check_int(find_int(session, "select 1"), 1);
        check_int(ed_pg_exec(session, "select pg_terminate_backend("
                                      "pg_backend_pid())"),
                  ED_EUNCERTAIN);
        check_int(ed_pg_exec(session, "select 1"), ED_EDATABASE);
        check(strstr(ed_error(), "session") != NULL);
    }
    check_int(find_int(db, "select 5"), 5);
    ed_pg_free(db);
}

POOL_TEST(a_session_cannot_lie_in_another_or_in_a_transaction)
{
    ed_pg *db = new_pool();
    {
        ed_pg_transaction(tx, db);
        ed_pg_session(session, tx);
        check_int(ed_pg_exec(session, "select 1"), ED_EUSAGE);
        check_int(ed_pg_commit(session), ED_EUSAGE);
    }
    ed_pg_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_keeps_its_connection),
        cmocka_unit_test(what_a_session_left_is_removed),
        cmocka_unit_test(prepared_statements_stay),
        cmocka_unit_test(a_transaction_left_open_by_hand_is_rolled_back),
        cmocka_unit_test(what_on_connect_set_is_set_again),
        cmocka_unit_test(a_pool_may_be_freed_while_on_connect_is_called_again),
        cmocka_unit_test(a_session_that_was_not_used_takes_nothing),
        cmocka_unit_test(a_deadline_in_a_session_ends_the_statement_alone),
        cmocka_unit_test(a_session_is_lost_with_its_connection),
        cmocka_unit_test(a_session_cannot_lie_in_another_or_in_a_transaction),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
