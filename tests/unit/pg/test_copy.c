/*
 * test_copy.c - COPY, in and out.
 */
#include "pool_test.h"
#include <eddy/pg_copy.h>

static ed_pg *new_pool(unsigned max)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = max);
    check_int(ed_pg_script(db, "drop table if exists copy_t;"
                               "create table copy_t (n int, t text)"),
              0);
    return db;
}

static void check_clean(ed_pg *db, long long rows)
{
    eventually(counts_of(db).held == 0 && counts_of(db).under_way == 0);
    check_int(find_int(db, "select count(*) from copy_t"), rows);
}

static const char from_stdin[] = "copy copy_t from stdin";

/* Adds rows whose texts hold all that has to be escaped. */
static int add_rows(ed_pg_copy *in, int count)
{
    int err = 0;
    for (int n = 0; n < count && !err; n++) {
        char text[80];
        snprintf(text, sizeof text, "%d\t\\.\n\\N \r\v\b\f '\";\\x41 \xc3\xa9",
                 n);
        err = ed_pg_copy_row(in, ed_v(n),
                             ed_v(n % 10 ? (const char *)text : NULL));
    }
    return err;
}

POOL_TEST(what_is_copied_in_comes_out_the_same)
{
    ed_pg *db = new_pool(2);
    ed_pg_copy *in, *out;
    struct ed_bytes bytes;
    int64_t rows = 0;
    int got, count = 0;
    check_int(ed_pg_copy_in(db, &in, from_stdin), 0);
    check_int(add_rows(in, 100000), 0);
    check_int(ed_pg_copy_end(in, &rows), 0);
    check_int(rows, 100000);
    ed_pg_copy_close(in);
    check_int(find_int(db,
                       "select count(*) from copy_t where t = n ||"
                       " E'\\t\\\\.\\n\\\\N \\r\\x0b\\b\\f ''\";\\\\x41 é'"),
              90000);
    check_int(find_int(db, "select count(*) from copy_t where t is null"),
              10000);

    /* And through both at once. */
    check_int(ed_pg_script(db, "create table copy_u (like copy_t)"), 0);
    check_int(ed_pg_copy_out(db, &out, "copy copy_t to stdout (format csv)"),
              0);
    check_int(ed_pg_copy_in(db, &in, "copy copy_u from stdin (format csv)"), 0);
    while ((got = ed_pg_copy_read(out, &bytes)) > 0 && ++count)
        check_int(ed_pg_copy_write(in, bytes.ptr, bytes.len), 0);
    check_int(got, 0);
    check_int(count, 100000);
    check_int(ed_pg_copy_read(out, &bytes), 0);
    check_int(ed_pg_copy_end(out, &rows), 0);
    check_int(rows, 100000);
    rows = 0;
    check_int(ed_pg_copy_end(in, &rows), 0);
    check_int(rows, 100000);
    ed_pg_copy_close(in);
    ed_pg_copy_close(out);
    check_int(find_int(db, "select count(*) from (table copy_t except all"
                           " table copy_u) d"),
              0);
    check_int(ed_pg_script(db, "drop table copy_u"), 0);
    check_clean(db, 100000);
    check_int((long long)counts_of(db).lost, 0);
    ed_pg_free(db);
}

POOL_TEST(bytes_need_not_end_where_a_row_does)
{
    ed_pg *db = new_pool(1);
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    int64_t rows;
    size_t len = (size_t)5 << 20;
    char *large = malloc(len);
    memset(large, 'x', len);
    check_int(ed_pg_copy_in(db, &in, from_stdin), 0);
    check_int(ed_pg_copy_write(in, "1\to", 3), 0);
    check_int(ed_pg_copy_write(in, "ne\n2\t", 5), 0);
    check_int(ed_pg_copy_write(in, large, len), 0);
    check_int(ed_pg_copy_write(in, "\n", 1), 0);
    check_int(ed_pg_copy_end(in, &rows), 0);
    check_int(rows, 2);
    check_int(find_int(db, "select length(t) from copy_t where n = 2"),
              (long long)len);
    check_clean(db, 2);
    free(large);
    ed_pg_free(db);
}

POOL_TEST(a_copy_behind_something_else_is_refused)
{
    ed_pg *db = new_pool(1);
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    check_int(ed_pg_copy_in(db, &in, "select 1; copy copy_t from stdin"),
              ED_EUSAGE);
    check_int(ed_pg_copy_in(db, &in,
                            "copy copy_t from stdin; copy copy_t from stdin"),
              0);
    check_int(ed_pg_copy_row(in, ed_v(1), ed_v("x")), 0);
    check_int(ed_pg_copy_end(in, NULL), ED_EUSAGE);
    check_clean(db, 0);
    ed_pg_free(db);
}

POOL_TEST(a_copy_may_be_empty)
{
    ed_pg *db = new_pool(1);
    ed_pg_copy *copy;
    struct ed_bytes bytes;
    int64_t rows = -1;
    check_int(ed_pg_copy_in(db, &copy, from_stdin), 0);
    check_int(ed_pg_copy_end(copy, &rows), 0);
    check_int(rows, 0);
    ed_pg_copy_close(copy);
    check_int(ed_pg_copy_out(db, &copy, "copy copy_t to stdout"), 0);
    check_int(ed_pg_copy_read(copy, &bytes), 0);
    check_int(ed_pg_copy_end(copy, NULL), 0);
    ed_pg_copy_close(copy);
    ed_pg_copy_close(NULL);
    check_clean(db, 0);
    ed_pg_free(db);
}

POOL_TEST(other_statements_are_no_copies)
{
    ed_pg *db = new_pool(1);
    ed_pg_copy *copy;
    check_int(ed_pg_copy_in(db, &copy, "select generate_series(1, 1000)"),
              ED_EUSAGE);
    check(!copy);
    check_int(ed_pg_copy_out(db, &copy, "select 1"), ED_EUSAGE);
    check_int(ed_pg_copy_out(db, &copy, from_stdin), ED_EUSAGE);
    check_int(ed_pg_copy_in(db, &copy,
                            "copy (select generate_series(1, 1000000))"
                            " to stdout"),
              ED_EUSAGE);
    check_int(ed_pg_copy_in(db, &copy, "copy nowhere from stdin"), ED_ESQL);
    check_text(ed_pg_error()->sqlstate, "42P01");
    check_clean(db, 0);
    check_int((long long)counts_of(db).lost, 0);
    ed_pg_free(db);
}

POOL_TEST(misuse_of_a_copy_is_told_and_harms_nothing)
{
    ed_pg *db = new_pool(1);
    ed_pg_copy *copy;
    struct ed_bytes bytes;
    int64_t rows;
    check_int(ed_pg_copy_in(db, &copy, from_stdin), 0);
    check_int(ed_pg_copy_read(copy, &bytes), ED_EUSAGE);
    check_int(ed_pg_copy_row(copy, ed_v(1)), ED_EUSAGE);
    check_int(ed_pg_copy_row(copy, ed_v(1), ed_v("a"), ed_v("b")), ED_EUSAGE);
    check_int(ed_pg_copy_row(copy, ed_v(1), ed_v("\xff")), ED_EVALUE);
    check_int(ed_pg_copy_row(copy, ed_v(1), ed_v("good")), 0);
    check_int(ed_pg_copy_end(copy, &rows), 0);
    check_int(rows, 1);
    check_int(ed_pg_copy_row(copy, ed_v(1), ed_v("late")), ED_EUSAGE);
    ed_pg_copy_close(copy);

    check_int(ed_pg_copy_in(db, &copy,
                            "copy copy_t from stdin"
                            " (format binary)"),
              0);
    check_int(ed_pg_copy_row(copy, ed_v(1), ed_v("x")), ED_EUSAGE);
    ed_pg_copy_close(copy);

    check_int(ed_pg_copy_out(db, &copy, "copy copy_t to stdout"), 0);
    check_int(ed_pg_copy_write(copy, "", 0), ED_EUSAGE);
    check_int(ed_pg_copy_end(copy, NULL), ED_EUSAGE);
    check_int(ed_pg_copy_read(copy, &bytes), 1);
    check_int(ed_pg_copy_read(copy, &bytes), 0);
    ed_pg_copy_close(copy);
    check_clean(db, 1);
    ed_pg_free(db);
}

POOL_TEST(a_copy_closed_before_its_end_stores_nothing)
{
    ed_pg *db = new_pool(1);
    for (int rows = 0; rows < 100000; rows = 5 * rows + 1) {
        ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
        check_int(ed_pg_copy_in(db, &in, from_stdin), 0);
        check_int(add_rows(in, rows), 0);
    }
    check_clean(db, 0);
    check_int((long long)counts_of(db).connects, 1);
    ed_pg_free(db);
}

POOL_TEST(a_copy_out_given_up_after_ten_rows_leaves_a_clean_connection)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_copy *out ED_PG_COPY_AUTO = NULL;
        struct ed_bytes bytes;
        check_int(ed_pg_copy_out(db, &out,
                                 "copy (select generate_series(1, 10000000))"
                                 " to stdout"),
                  0);
        for (int i = 1; i <= 10; i++) {
            char text[16];
            snprintf(text, sizeof text, "%d\n", i);
            check_int(ed_pg_copy_read(out, &bytes), 1);
            check(ed_bytes_equal(bytes, ed_bytes(text)));
        }
    }
    check_clean(db, 0);
    check_int((long long)counts_of(db).connects, 1);
    ed_pg_free(db);
}

/* One that goes on until it is told. */
static int copy_forever(void *arg)
{
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    int err = ed_pg_copy_in(arg, &in, from_stdin);
    while (!err)
        err = add_rows(in, 100);
    return err;
}

POOL_TEST(a_refusal_ends_a_copy_that_has_no_end)
{
    ed_pg *db = new_pool(1);
    check_int(ed_pg_script(db, "alter table copy_t add check (n < 50)"), 0);
    check_int(copy_forever(db), ED_EVALUE);
    check_text(ed_pg_error()->sqlstate, "23514");
    check_clean(db, 0);
    check_int((long long)counts_of(db).connects, 1);
    ed_pg_free(db);
}

POOL_TEST(a_refusal_at_the_end_is_told)
{
    ed_pg *db = new_pool(1);
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    check_int(ed_pg_copy_in(db, &in, from_stdin), 0);
    check_int(ed_pg_copy_write(in, "one\ttwo\n", 8), 0);
    check_int(ed_pg_copy_end(in, NULL), ED_EVALUE);
    check_text(ed_pg_error()->sqlstate, "22P02");
    check_int(ed_pg_copy_end(in, NULL), ED_EVALUE);
    check_int(ed_pg_copy_write(in, "1\t2\n", 4), ED_EVALUE);
    check_clean(db, 0);
    ed_pg_free(db);
}

POOL_TEST(notices_are_no_refusals)
{
    ed_pg *db = new_pool(1);
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    int64_t rows = 0;
    check_int(ed_pg_script(db, "create or replace function tell() returns"
                               " trigger language plpgsql as $$ begin"
                               " raise warning '%', repeat('x', 20000);"
                               " return new; end $$;"
                               "create trigger tell before insert on copy_t"
                               " for each row execute function tell()"),
              0);
    check_int(ed_pg_copy_in(db, &in, from_stdin), 0);
    for (int i = 0; i < 5; i++) {
        check_int(add_rows(in, 1000), 0);
        ed_sleep(60 * ED_MS);
    }
    check_int(ed_pg_copy_end(in, &rows), 0);
    check_int(rows, 5000);
    check_clean(db, 5000);
    ed_pg_free(db);
}

POOL_TEST(cancelled_in_the_middle_it_stores_nothing)
{
    ed_pg *db = new_pool(1);
    for (int ms = 0; ms < 40; ms += 6) {
        ed_scope(s);
        ed_go(s, copy_forever, db);
        ed_sleep(ms * ED_MS);
        ed_cancel(s);
        check_int(ed_wait(s), ED_ECANCELED);
        check_clean(db, 0);
    }
    check_int((long long)counts_of(db).lost, 0);
    ed_pg_free(db);
}

/* The server is held up by a lock, and reads no more. */
POOL_TEST(a_deadline_ends_a_copy_that_the_server_does_not_read)
{
    ed_pg *db = new_pool(3);
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec(tx, "create unique index on copy_t (n)"), 0);
        check_int(ed_pg_commit(tx), 0);
    }
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec(tx, "insert into copy_t values (99, '')"), 1);
        check_int(ed_with_timeout(300 * ED_MS, copy_forever, db), ED_ETIMEOUT);
    }
    check_clean(db, 0);
    ed_pg_free(db);
}

static int read_all(void *arg)
{
    ed_pg_copy *out ED_PG_COPY_AUTO = NULL;
    struct ed_bytes bytes;
    int err = ed_pg_copy_out(arg, &out,
                             "copy (select n, case when n = 5000 then"
                             " pg_sleep(60) end from"
                             " generate_series(1, 10000) n) to stdout");
    while (!err && (err = ed_pg_copy_read(out, &bytes)) > 0)
        err = 0;
    return err;
}

POOL_TEST(a_deadline_ends_a_copy_out)
{
    ed_pg *db = new_pool(1);
    check_int(ed_with_timeout(60 * ED_MS, read_all, db), ED_ETIMEOUT);
    check_clean(db, 0);
    check_int((long long)counts_of(db).connects, 1);
    ed_pg_free(db);
}

static void terminate_others(void)
{
    pg_server_psql(server, "select pg_terminate_backend(pid) from"
                           " pg_stat_activity where backend_type ="
                           " 'client backend' and pid <> pg_backend_pid()");
}

POOL_TEST(a_terminated_server_process_is_told)
{
    ed_pg *db = new_pool(1);
    ed_pg_copy *copy;
    struct ed_bytes bytes;
    int err = 0;
    check_int(ed_pg_copy_in(db, &copy, from_stdin), 0);
    check_int(add_rows(copy, 100), 0);
    terminate_others();
    for (int i = 0; i < 1000 && !err; i++)
        err = add_rows(copy, 1000);
    check_int(err, ED_EDATABASE);
    check_text(ed_pg_error()->sqlstate, "57P01");
    ed_pg_copy_close(copy);
    check_clean(db, 0);

    err = ed_pg_copy_out(db, &copy,
                         "copy (select repeat('x', 1000) from"
                         " generate_series(1, 100000)) to stdout");
    check_int(err, 0);
    check_int(ed_pg_copy_read(copy, &bytes), 1);
    terminate_others();
    while ((err = ed_pg_copy_read(copy, &bytes)) > 0)
        continue;
    check(err == ED_EDATABASE || err == ED_EUNCERTAIN);
    ed_pg_copy_close(copy);
    check_clean(db, 0);
    ed_pg_free(db);
}

/* The server says why to who has nothing under way. */
POOL_TEST(a_server_may_end_after_a_copy)
{
    ed_pg *db = new_pool(1);
    ed_pg_copy *copy;
    check_int(ed_pg_copy_in(db, &copy, from_stdin), 0);
    check_int(add_rows(copy, 10), 0);
    check_int(ed_pg_copy_end(copy, NULL), 0);
    ed_pg_copy_close(copy);
    terminate_others();
    eventually(counts_of(db).lost == 1);
    check_clean(db, 10);
    ed_pg_free(db);
}

POOL_TEST(in_a_transaction_a_copy_is_part_of_it)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        ed_pg_copy *in;
        check_int(ed_pg_copy_in(tx, &in, from_stdin), 0);
        check_int(add_rows(in, 10), 0);
        check_int(ed_pg_copy_end(in, NULL), 0);
        ed_pg_copy_close(in);
        check_int(find_int(tx, "select count(*) from copy_t"), 10);
    }
    check_clean(db, 0);
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec(tx, "insert into copy_t values (1, '')"), 1);
        {
            ed_pg_transaction(savepoint, tx);
            ed_pg_copy *in;
            check_int(ed_pg_copy_in(savepoint, &in, from_stdin), 0);
            check_int(add_rows(in, 10), 0);
            ed_pg_copy_close(in);
        }
        check_int(find_int(tx, "select count(*) from copy_t"), 1);
        check_int(ed_pg_commit(tx), 0);
    }
    check_clean(db, 1);
    ed_pg_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_copied_in_comes_out_the_same),
        cmocka_unit_test(bytes_need_not_end_where_a_row_does),
        cmocka_unit_test(a_copy_behind_something_else_is_refused),
        cmocka_unit_test(a_copy_may_be_empty),
        cmocka_unit_test(other_statements_are_no_copies),
        cmocka_unit_test(misuse_of_a_copy_is_told_and_harms_nothing),
        cmocka_unit_test(a_copy_closed_before_its_end_stores_nothing),
        cmocka_unit_test(
            a_copy_out_given_up_after_ten_rows_leaves_a_clean_connection),
        cmocka_unit_test(a_refusal_ends_a_copy_that_has_no_end),
        cmocka_unit_test(a_refusal_at_the_end_is_told),
        cmocka_unit_test(notices_are_no_refusals),
        cmocka_unit_test(cancelled_in_the_middle_it_stores_nothing),
        cmocka_unit_test(a_deadline_ends_a_copy_that_the_server_does_not_read),
        cmocka_unit_test(a_deadline_ends_a_copy_out),
        cmocka_unit_test(a_terminated_server_process_is_told),
        cmocka_unit_test(a_server_may_end_after_a_copy),
        cmocka_unit_test(in_a_transaction_a_copy_is_part_of_it),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
