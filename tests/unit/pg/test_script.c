/*
 * test_script.c - texts of several statements.
 */
#include "pool_test.h"

static ed_pg *new_pool(void)
{
    return ed_pg_new(.dsn = pg_server_dsn(server), .max = 1);
}

static void check_clean(ed_pg *db)
{
    eventually(counts_of(db).held == 0 && counts_of(db).under_way == 0);
    check_int(find_int(db, "select 42"), 42);
}

POOL_TEST(all_statements_are_run)
{
    ed_pg *db = new_pool();
    check_int(ed_pg_script(db, "create table script_t (n int, t text);\n"
                               "insert into script_t values (1, 'a;b');\n"
                               "-- a comment; with more\n"
                               "insert into script_t\n"
                               "    select n, '' from generate_series(2, 9) n;"
                               "select * from script_t;"),
              0);
    check_int(find_int(db, "select count(*) from script_t"), 9);
    check_int(ed_pg_script(db, "drop table script_t"), 0);
    check_int(ed_pg_script(db, ""), 0);
    check_clean(db);
    ed_pg_free(db);
}

POOL_TEST(a_failure_undoes_all_and_has_its_place_in_the_text)
{
    ed_pg *db = new_pool();
    const char *text = "create table undone (n int);\n"
                       "insert into undone values (1);\n"
                       "insert into undonne values (2);\n"
                       "select 1;\n";
    check_int(ed_pg_script(db, text), ED_ESQL);
    check_text(ed_pg_error()->sqlstate, "42P01");
    check_int(ed_pg_error()->position, strstr(text, "undonne") - text + 1);
    check_clean(db);
    check_int(find_int(db, "select count(*) from pg_class"
                           " where relname = 'undone'"),
              0);
    ed_pg_free(db);
}

POOL_TEST(a_script_may_have_transactions_of_its_own)
{
    ed_pg *db = new_pool();
    check_int(ed_pg_script(db, "begin; create table mine (n int); commit;"
                               "begin; insert into mine values (1); rollback;"
                               "insert into mine values (2);"),
              0);
    check_int(find_int(db, "select sum(n) from mine"), 2);
    check_int(ed_pg_script(db, "drop table mine"), 0);
    ed_pg_free(db);
}

POOL_TEST(a_transaction_left_open_is_rolled_back_and_told)
{
    ed_pg *db = new_pool();
    check_int(ed_pg_script(db, "begin; create table left_open (n int)"),
              ED_EUSAGE);
    check(strstr(ed_error(), "open") != NULL);
    check_int(ed_pg_script(db, "begin; select 1 / 0; commit"), ED_EVALUE);
    check_text(ed_pg_error()->sqlstate, "22012");
    check_clean(db);
    check_int(find_int(db, "select count(*) from pg_class"
                           " where relname = 'left_open'"),
              0);
    check_int((long long)counts_of(db).connects, 1);
    ed_pg_free(db);
}

POOL_TEST(a_copy_in_a_script_fails_instead_of_waiting)
{
    ed_pg *db = new_pool();
    check_int(ed_pg_script(db, "create table copied (n int);"
                               "copy copied from stdin; select 1"),
              ED_EUSAGE);
    check(strstr(ed_error(), "COPY") != NULL);
    check_int(ed_pg_script(db, "copy pg_type to stdout; select 1;"
                               "copy (select generate_series(1, 100000))"
                               " to stdout"),
              0);
    check_clean(db);
    check_int(find_int(db, "select count(*) from pg_class"
                           " where relname = 'copied'"),
              0);
    ed_pg_free(db);
}

POOL_TEST(a_long_script_with_long_results_goes_both_ways)
{
    ed_pg *db = new_pool();
    struct ed_buf text = {0};
    for (int i = 0; i < 3000; i++)
        check_int(ed_buf_addf(&text, "select repeat('x', 2000), '%01000d';", i),
                  0);
    check_int(ed_pg_script(db, text.ptr), 0);
    ed_buf_free(&text);
    check_clean(db);
    ed_pg_free(db);
}

POOL_TEST(in_a_transaction_a_script_is_part_of_it)
{
    ed_pg *db = new_pool();
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_script(tx, "create table part (n int);"
                                   "insert into part values (1)"),
                  0);
        check_int(find_int(tx, "select count(*) from part"), 1);
    }
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_script(tx, "select 1; commit; select 2"), ED_EUSAGE);
        check(strstr(ed_error(), "ended the transaction") != NULL);
    }
    check_clean(db);
    check_int(find_int(db, "select count(*) from pg_class"
                           " where relname = 'part'"),
              0);
    ed_pg_free(db);
}

POOL_TEST(a_deadline_ends_a_script_and_undoes_it)
{
    ed_pg *db = new_pool();
    {
        ed_scope(s, .within = 50 * ED_MS);
        (void)s;
        check_int(ed_pg_script(db, "create table late (n int);"
                                   "select pg_sleep(60)"),
                  ED_ETIMEOUT);
    }
    check_clean(db);
    check_int(find_int(db, "select count(*) from pg_class"
                           " where relname = 'late'"),
              0);
    ed_pg_free(db);
}

POOL_TEST(a_terminated_server_process_ends_a_script)
{
    ed_pg *db = new_pool();
    int err = ed_pg_script(db, "select 1;"
                               "select pg_terminate_backend(pg_backend_pid());"
                               "select 2");
    check(err == ED_EDATABASE || err == ED_EUNCERTAIN);
    check_clean(db);
    ed_pg_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_statements_are_run),
        cmocka_unit_test(a_failure_undoes_all_and_has_its_place_in_the_text),
        cmocka_unit_test(a_script_may_have_transactions_of_its_own),
        cmocka_unit_test(a_transaction_left_open_is_rolled_back_and_told),
        cmocka_unit_test(a_copy_in_a_script_fails_instead_of_waiting),
        cmocka_unit_test(a_long_script_with_long_results_goes_both_ways),
        cmocka_unit_test(in_a_transaction_a_script_is_part_of_it),
        cmocka_unit_test(a_deadline_ends_a_script_and_undoes_it),
        cmocka_unit_test(a_terminated_server_process_ends_a_script),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
