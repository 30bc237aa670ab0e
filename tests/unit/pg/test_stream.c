/*
 * test_stream.c - rows that come one by one.
 */
#include "pool_test.h"
#include <malloc.h>

static ed_pg *new_pool(unsigned max)
{
    return ed_pg_new(.dsn = pg_server_dsn(server), .max = max);
}

/* That the pool's connections are idle, and work. */
static void check_clean(ed_pg *db)
{
    eventually(counts_of(db).held == 0 && counts_of(db).under_way == 0);
    check_int(find_int(db, "select 42"), 42);
}

POOL_TEST(rows_come_one_by_one)
{
    ed_pg *db = new_pool(1);
    ed_rows *rows;
    long long sum = 0;
    check_int(ed_pg_stream(db, &rows,
                           "select n, 'row ' || n as t"
                           " from generate_series(1, :last::int) n",
                           ed_p(last, 1000)),
              0);
    check_int(counts_of(db).held, 1);
    while (ed_rows_next(rows))
        sum += ed_rows_int(rows, "n");
    check_int(ed_rows_error(rows), 0);
    check_int((long long)ed_rows_count(rows), 1000);
    check_int(sum, 500500);
    check_clean(db); /* at the last row, without a close */
    ed_rows_close(rows);
    ed_pg_free(db);
}

POOL_TEST(a_stream_may_have_no_rows)
{
    ed_pg *db = new_pool(1);
    ed_rows *rows;
    check_int(ed_pg_stream(db, &rows, "select 1 where false"), 0);
    check(!ed_rows_next(rows));
    check_int(ed_rows_error(rows), 0);
    check_int(ed_pg_stream(db, &rows, "create temporary table t (n int)"), 0);
    check(!ed_rows_next(rows));
    check_int(ed_rows_error(rows), 0);
    check_clean(db);
    ed_pg_free(db);
}

POOL_TEST(a_million_rows_need_no_more_memory_than_a_few)
{
    ed_pg *db = new_pool(1);
    ed_rows *rows;
    size_t arena = 0, heap = 0, most_heap = 0;
    check_int(ed_pg_stream(db, &rows,
                           "select n, repeat('x', 20) as t"
                           " from generate_series(1, 1000000) n"),
              0);
    while (ed_rows_next(rows)) {
        size_t count = ed_rows_count(rows);
        if (count == 1000) {
            arena = ed_arena_used(ed_fiber_arena());
            heap = mallinfo2().uordblks;
        }
        if (count > 1000 && count % 1000 == 0 &&
            mallinfo2().uordblks > most_heap)
            most_heap = mallinfo2().uordblks;
    }
    check_int((long long)ed_rows_count(rows), 1000000);
    check_int((long long)(ed_arena_used(ed_fiber_arena()) - arena), 0);
    check(most_heap < heap + (size_t)256 * 1024);
    check_clean(db);
    ed_pg_free(db);
}

/* Bytes that wait in the socket's buffer or came are few, however much the
 * server would like to send. */
POOL_TEST(the_server_waits_while_nobody_reads)
{
    ed_pg *db = new_pool(2);
    ed_rows *rows;
    check_int(ed_pg_stream(db, &rows,
                           "select repeat('x', 1000) as t"
                           " from generate_series(1, 100000)"),
              0);
    for (int i = 0; i < 10; i++)
        check(ed_rows_next(rows));
    eventually(find_int(db, "select count(*) from pg_stat_activity"
                            " where wait_event = 'ClientWrite'") == 1);
    ed_rows_close(rows);
    check_clean(db);
    ed_pg_free(db);
}

POOL_TEST(a_stream_closed_early_leaves_a_clean_connection)
{
    ed_pg *db = new_pool(1);
    for (int i = 0; i < 5; i++) {
        ed_rows *rows ED_ROWS_AUTO = NULL;
        check_int(
            ed_pg_stream(db, &rows, "select generate_series(1, 10000000)"), 0);
        check(ed_rows_next(rows));
        check_int(ed_rows_int(rows, 0), 1);
    }
    check_clean(db);
    check_int((long long)counts_of(db).connects, 1);
    ed_pg_free(db);
}

POOL_TEST(a_statement_that_is_refused_gives_no_stream)
{
    ed_pg *db = new_pool(1);
    ed_rows *rows;
    check_int(ed_pg_stream(db, &rows, "select nothing from nowhere"), ED_ESQL);
    check(!rows);
    check_text(ed_pg_error()->sqlstate, "42P01");
    check_int(ed_pg_stream(db, &rows, "select :x::int"), ED_EUSAGE);
    check_int(ed_pg_stream(db, &rows, "select 1; select 2"), ED_EUSAGE);
    check_int(ed_pg_stream(db, &rows, "copy pg_type to stdout"), ED_EUSAGE);
    check_int(ed_pg_stream(db, &rows, "copy pg_type from stdin"), ED_EUSAGE);
    check_clean(db);
    ed_pg_free(db);
}

static void check_prepared(ed_pg *db)
{
    ed_rows *rows;
    check_int(ed_pg_query(db, &rows, "select generate_series(1, 3)"), 0);
    check_int((long long)ed_rows_count(rows), 3);
}

/* libpq would give the rows of the statement behind it one by one, too. */
POOL_TEST(what_is_prepared_already_works_behind_a_stream)
{
    ed_pg *db = new_pool(1);
    ed_rows *rows;
    check_prepared(db);
    check_int(ed_pg_stream(db, &rows, "select generate_series(1, 5)"), 0);
    while (ed_rows_next(rows))
        continue;
    check_prepared(db);
    check_int(ed_pg_stream(db, &rows, "select generate_series(1, 90000)"), 0);
    check(ed_rows_next(rows));
    ed_rows_close(rows);
    check_prepared(db);
    check_int(ed_pg_stream(db, &rows, "select 1 / 0"), ED_EVALUE);
    check_prepared(db);
    {
        ed_pg_transaction(tx, db);
        check_prepared(tx);
        check_int(ed_pg_stream(tx, &rows, "select generate_series(1, 5)"), 0);
        while (ed_rows_next(rows))
            continue;
        check_prepared(tx);
    }
    check_int((long long)counts_of(db).connects, 1);
    check_clean(db);
    ed_pg_free(db);
}

POOL_TEST(an_error_in_mid_stream_comes_behind_the_rows)
{
    ed_pg *db = new_pool(1);
    ed_rows *rows;
    check_int(ed_pg_stream(db, &rows,
                           "select 10 / (:n::int - n) as q"
                           " from generate_series(1, 20000) n",
                           ed_p(n, 10000)),
              0);
    while (ed_rows_next(rows))
        continue;
    check_int((long long)ed_rows_count(rows), 9999);
    check_int(ed_rows_error(rows), ED_EVALUE);
    check_text(ed_pg_error()->sqlstate, "22012");
    check(strstr(ed_error(), "division by zero") != NULL);
    check_clean(db);
    check_int((long long)counts_of(db).lost, 0);
    ed_pg_free(db);
}

POOL_TEST(a_deadline_in_mid_stream_cancels_at_the_server)
{
    ed_pg *db = new_pool(2);
    ed_rows *rows;
    {
        ed_scope(s, .within = 100 * ED_MS);
        (void)s;
        check_int(ed_pg_stream(db, &rows,
                               "select n, case when n > 10 then pg_sleep(60)"
                               " end from generate_series(1, 20) n"),
                  ED_ETIMEOUT);
    }
    check_int(ed_pg_stream(db, &rows,
                           "select repeat('x', 10000), case when n > 100"
                           " then pg_sleep(60) end"
                           " from generate_series(1, 200) n"),
              0);
    {
        ed_scope(s, .within = 100 * ED_MS);
        (void)s;
        while (ed_rows_next(rows))
            continue;
        check_int(ed_rows_error(rows), ED_ETIMEOUT);
        check(ed_rows_count(rows) > 0);
    }
    check_clean(db);
    eventually(!find_int(db, "select count(*) from pg_stat_activity"
                             " where query like '%pg_sleep(60)%' and"
                             " state = 'active' and pid <> pg_backend_pid()"));
    ed_pg_free(db);
}

static int read_forever(void *arg)
{
    ed_rows *rows ED_ROWS_AUTO = NULL;
    int err = ed_pg_stream(arg, &rows, "select generate_series(1, 100000000)");
    while (!err && ed_rows_next(rows))
        continue;
    return err ? err : ed_rows_error(rows);
}

POOL_TEST(a_cancelled_fiber_gives_its_connection_back)
{
    ed_pg *db = new_pool(1);
    for (int ms = 0; ms < 20; ms += 4) {
        ed_scope(s);
        ed_go(s, read_forever, db);
        ed_sleep(ms * ED_MS);
        ed_cancel(s);
        check_int(ed_wait(s), ED_ECANCELED);
    }
    check_clean(db);
    ed_pg_free(db);
}

POOL_TEST(a_terminated_server_process_is_told_in_mid_stream)
{
    ed_pg *db = new_pool(2);
    ed_rows *rows;
    check_int(ed_pg_stream(db, &rows,
                           "select pg_backend_pid(), repeat('x', 1000)"
                           " from generate_series(1, 1000000)"),
              0);
    check(ed_rows_next(rows));
    int pid = (int)ed_rows_int(rows, 0);
    check_int(
        ed_pg_exec(db, "select pg_terminate_backend(:pid)", ed_p(pid, pid)), 1);
    while (ed_rows_next(rows))
        continue;
    int err = ed_rows_error(rows);
    check(err == ED_EDATABASE || err == ED_EUNCERTAIN);
    check(*ed_error());
    check_clean(db);
    ed_pg_free(db);
}

POOL_TEST(in_a_transaction_its_own_connection_is_used)
{
    ed_pg *db = new_pool(2);
    {
        ed_pg_transaction(tx, db);
        ed_rows *rows;
        check_int(ed_pg_exec(tx, "create table inside (n int)"), 0);
        check_int(ed_pg_exec(tx, "insert into inside select"
                                 " generate_series(1, 5)"),
                  5);
        check_int(ed_pg_stream(tx, &rows, "select n from inside"), 0);
        while (ed_rows_next(rows))
            continue;
        check_int((long long)ed_rows_count(rows), 5);
        check_int(find_int(tx, "select count(*) from inside"), 5);
        check_int(ed_pg_rollback(tx), 0);
    }
    {
        ed_pg_transaction(tx, db); /* begun by the stream */
        ed_rows *rows;
        check_int(ed_pg_stream(tx, &rows, "select pg_current_xact_id()"), 0);
        check(ed_rows_next(rows));
        long long id = ed_rows_int(rows, 0);
        check(!ed_rows_next(rows));
        check_int(find_int(tx, "select pg_current_xact_id()"), id);
    }
    check_clean(db);
    check_int(find_int(db, "select count(*) from pg_class"
                           " where relname = 'inside'"),
              0);
    ed_pg_free(db);
}

/* Whether or not the server had sent all of it. */
POOL_TEST(a_stream_closed_early_fails_its_transaction)
{
    ed_pg *db = new_pool(1);
    for (int rows = 2; rows < 10000000; rows *= 10) {
        ed_pg_transaction(tx, db);
        ed_rows *some ED_ROWS_AUTO = NULL;
        check_int(ed_pg_stream(tx, &some, "select generate_series(1, :n::int)",
                               ed_p(n, rows)),
                  0);
        check(ed_rows_next(some));
        ed_rows_close(some);
        check_int(ed_pg_exec(tx, "select 1"), ED_ESQL);
        check_int(ed_pg_commit(tx), ED_ESQL);
    }
    check_clean(db);
    ed_pg_free(db);
}

POOL_TEST(in_a_savepoint_a_stream_may_be_closed_early)
{
    ed_pg *db = new_pool(1);
    ed_pg_transaction(tx, db);
    check_int(ed_pg_exec(tx, "create temporary table kept (n int)"), 0);
    {
        ed_pg_transaction(savepoint, tx);
        ed_rows *rows ED_ROWS_AUTO = NULL;
        check_int(ed_pg_stream(savepoint, &rows,
                               "select generate_series(1, 10000000)"),
                  0);
        check(ed_rows_next(rows));
        ed_rows_close(rows);
        check_int(ed_pg_exec(savepoint, "select 1"), ED_ESQL);
    }
    check_int(find_int(tx, "select count(*) from kept"), 0);
    check_int(ed_pg_commit(tx), 0);
    check_clean(db);
    check_int((long long)counts_of(db).connects, 1);
    ed_pg_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_one_by_one),
        cmocka_unit_test(a_stream_may_have_no_rows),
        cmocka_unit_test(a_million_rows_need_no_more_memory_than_a_few),
        cmocka_unit_test(the_server_waits_while_nobody_reads),
        cmocka_unit_test(a_stream_closed_early_leaves_a_clean_connection),
        cmocka_unit_test(a_statement_that_is_refused_gives_no_stream),
        cmocka_unit_test(what_is_prepared_already_works_behind_a_stream),
        cmocka_unit_test(an_error_in_mid_stream_comes_behind_the_rows),
        cmocka_unit_test(a_deadline_in_mid_stream_cancels_at_the_server),
        cmocka_unit_test(a_cancelled_fiber_gives_its_connection_back),
        cmocka_unit_test(a_terminated_server_process_is_told_in_mid_stream),
        cmocka_unit_test(in_a_transaction_its_own_connection_is_used),
        cmocka_unit_test(a_stream_closed_early_fails_its_transaction),
        cmocka_unit_test(in_a_savepoint_a_stream_may_be_closed_early),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
