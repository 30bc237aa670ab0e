/*
 * test_query.c - single statements on a pool: results, errors, and what is
 * refused before anything is sent.
 */
#include "pool_test.h"

static ed_pg *new_pool(void)
{
    return ed_pg_new(.dsn = pg_server_dsn(server), .max = 2);
}

POOL_TEST(a_query_gives_rows_by_named_parameters)
{
    ed_pg *db = new_pool();
    ed_rows *rows;
    int err = ed_pg_query(db, &rows,
                          "select n, 'row ' || n as t from"
                          " generate_series(:a::int, :b::int) n",
                          ed_p(b, 3), ed_p(a, 2));
    if (check_int(err, 0)) {
        check_int((long long)ed_rows_count(rows), 2);
        check(ed_rows_next(rows));
        check_int(ed_rows_int(rows, "n"), 2);
        check_text(ed_rows_text(rows, "t"), "row 2");
        check(ed_rows_next(rows));
        check_int(ed_rows_int(rows, "n"), 3);
        check(!ed_rows_next(rows));
        check_int(ed_rows_error(rows), 0);
    }
    ed_pg_free(db);
}

POOL_TEST(a_row_is_exactly_one)
{
    ed_pg *db = new_pool();
    ed_rows *rows;
    check_int(ed_pg_row(db, &rows, "select 42 as n"), 0);
    check_int(ed_rows_int(rows, "n"), 42);
    check_int(ed_pg_row(db, &rows, "select 1 where false"), ED_ENOTFOUND);
    check(!rows);
    check_int(ed_pg_row(db, &rows, "select generate_series(1, 3)"), ED_EUSAGE);
    check(strstr(ed_error(), "3 rows") != NULL);
    ed_pg_free(db);
}

POOL_TEST(exec_tells_how_many_rows_were_changed)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 1);
    check_int(ed_pg_exec(db, "create table exec_t (n int)"), 0);
    check_int(ed_pg_exec(db, "insert into exec_t select generate_series(1, :n)",
                         ed_p(n, 7)),
              7);
    check_int(ed_pg_exec(db, "delete from exec_t where n <= $1", ed_v(3)), 3);
    check_int(ed_pg_exec(db, "select * from exec_t"), 4);
    check_int(ed_pg_exec(db, "drop table exec_t"), 0);
    ed_pg_free(db);
}

POOL_TEST(what_the_server_refuses_is_told_in_detail)
{
    ed_pg *db = new_pool();
    ed_rows *rows;
    check_int(ed_pg_query(db, &rows, "select 1 / :n::int", ed_p(n, 0)),
              ED_EVALUE);
    check(!rows);
    check_text(ed_pg_error()->sqlstate, "22012");
    check(strstr(ed_error(), "division by zero") != NULL);
    check_int(ed_pg_exec(db, "select * from there_is_none"), ED_ESQL);
    check_text(ed_pg_error()->sqlstate, "42P01");
    check_int(ed_pg_error()->position, 15);
    /* What was last refused is told until something else goes wrong. */
    check_int(find_int(db, "select 6"), 6);
    check_text(ed_pg_error()->sqlstate, "42P01");
    check_int(ed_pg_exec(db, "select :a::int"), ED_EUSAGE);
    check_text(ed_pg_error()->sqlstate, "");
    /* And the connection is as good as before. */
    check_int(find_int(db, "select 5"), 5);
    check_int(counts_of(db).open, 1);
    ed_pg_free(db);
}

POOL_TEST(misuse_is_found_before_anything_is_sent)
{
    ed_pg *db = new_pool();
    ed_rows *rows;
    check_int(ed_pg_query(db, &rows, "select :a::int"), ED_EUSAGE);
    check(strstr(ed_error(), "\"a\"") != NULL);
    check_int(ed_pg_query(db, &rows, "select 1; select 2"), ED_EUSAGE);
    check(strstr(ed_error(), "ed_pg_script") != NULL);
    check_int(ed_pg_query(db, &rows, "select 'a"), ED_EUSAGE);
    check_int((long long)counts_of(db).statements, 0);
    check_int(counts_of(db).open + counts_of(db).connecting, 0);
    ed_pg_free(db);
}

/* Found when it is sent, which is by then not in the fiber's own hands. */
POOL_TEST(a_parameter_that_cannot_be_sent_is_named_even_after_a_wait)
{
    ed_pg *db = new_pool();
    check_int(ed_pg_exec(db, "select :t::text", ed_p(t, "\xff")), ED_EVALUE);
    check(strstr(ed_error(), "$1") != NULL);
    check_int(find_int(db, "select 5"), 5);
    check_int(ed_pg_exec(db, "select :t::text", ed_p(t, "\xff")), ED_EVALUE);
    check(strstr(ed_error(), "$1") != NULL);
    ed_pg_free(db);
}

POOL_TEST(many_parameters_find_their_places)
{
    ed_pg *db = new_pool();
    ed_rows *rows;
    int err = ed_pg_row(
        db, &rows,
        "select concat_ws('-', $1::int, $2::int, $3::int, $4::int, $5::int,"
        " $6::int, $7::int, $8::int, $9::int, $10::int, $11::int, $12::int,"
        " $13::int, $14::int, $15::int, $16::int, $17::int, $18::int)",
        ed_v(1), ed_v(2), ed_v(3), ed_v(4), ed_v(5), ed_v(6), ed_v(7), ed_v(8),
        ed_v(9), ed_v(10), ed_v(11), ed_v(12), ed_v(13), ed_v(14), ed_v(15),
        ed_v(16), ed_v(17), ed_v(18));
    if (check_int(err, 0))
        check_text(ed_rows_text(rows, 0),
                   "1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16-17-18");
    ed_pg_free(db);
}

POOL_TEST(rows_that_do_not_fit_the_arena_are_an_error)
{
    ed_pg *db = new_pool();
    ed_rows *rows;
    ed_arena *small = ed_arena_new(4096);
    ed_fiber_use_arena(small);
    check_int(ed_pg_query(db, &rows, "select repeat('x', 10000)"), ED_ENOMEM);
    check(!rows);
    check_int(find_int(db, "select 5"), 5);
    ed_fiber_use_arena(NULL);
    ed_arena_free(small);
    ed_pg_free(db);
}

POOL_TEST(a_deadline_ends_a_statement_here_and_at_the_server)
{
    ed_pg *db = new_pool();
    int64_t began = ed_now();
    {
        ed_scope(s, .within = 50 * ED_MS);
        (void)s;
        check_int(ed_pg_exec(db, "select pg_sleep(20)"), ED_ETIMEOUT);
    }
    check(ed_now() - began < 10 * ED_S);
    eventually(find_int(db, "select count(*) from pg_stat_activity where"
                            " query like '%pg_sleep%' and state = 'active'"
                            " and pid <> pg_backend_pid()") == 0);
    check_int(find_int(db, "select 5"), 5);
    ed_pg_free(db);
}

POOL_TEST(a_read_only_pool_refuses_to_write)
{
    ed_pg *db =
        ed_pg_new(.dsn = pg_server_dsn(server), .max = 2, .read_only = true);
    check_int(find_int(db, "select 5"), 5);
    check(ed_pg_exec(db, "create table ro_t ()") < 0);
    check_text(ed_pg_error()->sqlstate, "25006");
    ed_pg_free(db);
}

struct neighbours {
    ed_pg *db;
    int failures;
    int64_t sum;
};

static int divide(void *arg)
{
    struct neighbours *n = arg;
    static int next;
    int mine = next++;
    ed_rows *rows;
    int err = ed_pg_row(n->db, &rows, "select 100 / :n::int as q",
                        ed_p(n, mine % 5), ed_pg_with(.read_only = true));
    if (mine % 5 == 0)
        n->failures += err == ED_EVALUE;
    else if (check_int(err, 0))
        n->sum += ed_rows_int(rows, "q") * (mine % 5) >= 96;
    return 0;
}

POOL_TEST(read_only_statements_share_syncs_and_fail_alone)
{
    struct neighbours n = {
        .db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 1)};
    check_int(find_int(n.db, "select 1"), 1);
    {
        ed_scope(s);
        for (int i = 0; i < 50; i++)
            ed_go(s, divide, &n);
        check_int(ed_wait(s), 0);
    }
    check_int(n.failures, 10);
    check_int(n.sum, 40);
    check(counts_of(n.db).batches > 0);
    check(counts_of(n.db).resent > 0);
    ed_pg_free(n.db);
}

static void a_malformed_dsn_gives_no_pool(void **state)
{
    (void)state;
    assert_null(ed_pg_new(.dsn = "host=a nonsense"));
}

static void a_pool_may_be_freed_unused(void **state)
{
    (void)state;
    ed_pg_free(ed_pg_new(.dsn = "host=nowhere.invalid"));
    ed_pg_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_gives_rows_by_named_parameters),
        cmocka_unit_test(a_row_is_exactly_one),
        cmocka_unit_test(exec_tells_how_many_rows_were_changed),
        cmocka_unit_test(what_the_server_refuses_is_told_in_detail),
        cmocka_unit_test(misuse_is_found_before_anything_is_sent),
        cmocka_unit_test(
            a_parameter_that_cannot_be_sent_is_named_even_after_a_wait),
        cmocka_unit_test(many_parameters_find_their_places),
        cmocka_unit_test(rows_that_do_not_fit_the_arena_are_an_error),
        cmocka_unit_test(a_deadline_ends_a_statement_here_and_at_the_server),
        cmocka_unit_test(a_read_only_pool_refuses_to_write),
        cmocka_unit_test(read_only_statements_share_syncs_and_fail_alone),
        cmocka_unit_test(a_malformed_dsn_gives_no_pool),
        cmocka_unit_test(a_pool_may_be_freed_unused),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
