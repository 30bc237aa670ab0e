/*
 * test_many.c - one statement for many sets of parameters.
 */
#include "pool_test.h"
#include <eddy/arena.h>

static ed_pg *new_pool(void)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 1);
    check(ed_pg_exec(db, "drop table if exists many_t") >= 0);
    check(ed_pg_exec(db, "create table many_t (n int primary key, t text)") >=
          0);
    return db;
}

static void check_clean(ed_pg *db, long long rows)
{
    eventually(counts_of(db).held == 0 && counts_of(db).under_way == 0);
    check_int(find_int(db, "select count(*) from many_t"), rows);
}

static const char insert[] = "insert into many_t values (:n, :t)";

struct sets {
    size_t fails_at;   /* next() does; 0: never */
    size_t repeats_at; /* a key that is there already; 0: never */
    struct ed_bytes text;
    unsigned called;
    char own[32];
};

static int next_set(void *arg, size_t i, struct ed_pg_value *values)
{
    struct sets *sets = arg;
    sets->called++;
    if (sets->fails_at && i == sets->fails_at)
        return ed_fail(ED_EBADREQ, "number %zu is bad", i);
    bool repeats = sets->repeats_at && i == sets->repeats_at;
    values[0] = ed_pg_value(repeats ? 0 : (int)i);
    if (!sets->text.ptr)
        snprintf(sets->own, sizeof sets->own, "text %zu", i);
    values[1] = sets->text.ptr ? ed_pg_value(sets->text)
                               : ed_pg_value((const char *)sets->own);
    return 0;
}

POOL_TEST(every_set_is_run)
{
    ed_pg *db = new_pool();
    struct sets sets = {0};
    check_int(ed_pg_exec_many(db, insert, 2, 100000, next_set, &sets), 100000);
    check_int(find_int(db, "select sum(n) from many_t"
                           " where t = 'text ' || n"),
              4999950000);
    check_int(ed_pg_exec_many(db,
                              "select n from many_t where n < :a and"
                              " t <> :b",
                              2, 0, next_set, &sets),
              0);
    check_clean(db, 100000);
    ed_pg_free(db);
}

/* Both ways at once, much more than any buffer holds. */
POOL_TEST(large_sets_with_large_answers_do_not_block_each_other)
{
    ed_pg *db = new_pool();
    struct ed_buf text = {0};
    check_int(ed_buf_reserve(&text, 50000), 0);
    memset(text.ptr, 'x', 50000);
    struct sets sets = {.text = {text.ptr, 50000}};
    check_int(ed_pg_exec_many(db,
                              "insert into many_t values (:n, :t)"
                              " returning t || t",
                              2, 1000, next_set, &sets),
              1000);
    check_int(find_int(db, "select sum(length(t)) from many_t"), 50000000);
    check_clean(db, 1000);
    ed_buf_free(&text);
    ed_pg_free(db);
}

POOL_TEST(a_refused_set_is_named_and_undoes_all)
{
    ed_pg *db = new_pool();
    struct sets sets = {.repeats_at = 1234};
    check_int(ed_pg_exec_many(db, insert, 2, 50000, next_set, &sets),
              ED_ECONSTRAINT);
    check(strstr(ed_error(), "set 1234: ") != NULL);
    check_text(ed_pg_error()->constraint, "many_t_pkey");
    check(sets.called < 50000);
    sets = (struct sets){.repeats_at = 1};
    check_int(ed_pg_exec_many(db, insert, 2, 3, next_set, &sets),
              ED_ECONSTRAINT);
    check(strstr(ed_error(), "set 1: ") != NULL);
    check_int(ed_pg_exec_many(db, "insert into nowhere values (:n, :t)", 2, 3,
                              next_set, &sets),
              ED_ESQL);
    check(strstr(ed_error(), "set 0: ") != NULL);
    check_clean(db, 0);
    check_int((long long)counts_of(db).connects, 1);
    ed_pg_free(db);
}

POOL_TEST(a_constraint_checked_at_the_end_undoes_all)
{
    ed_pg *db = new_pool();
    check_int(ed_pg_exec(db, "alter table many_t add constraint later unique"
                             " (t) deferrable initially deferred"),
              0);
    struct sets sets = {.text = {"same", 4}};
    check_int(ed_pg_exec_many(db, insert, 2, 10, next_set, &sets),
              ED_ECONSTRAINT);
    check_text(ed_pg_error()->constraint, "later");
    check_clean(db, 0);
    ed_pg_free(db);
}

POOL_TEST(a_failure_of_next_undoes_all)
{
    ed_pg *db = new_pool();
    struct sets sets = {.fails_at = 30000};
    check_int(ed_pg_exec_many(db, insert, 2, 100000, next_set, &sets),
              ED_EBADREQ);
    check_text(ed_error(), "number 30000 is bad");
    check_clean(db, 0);
    check_int((long long)counts_of(db).connects, 1);
    ed_pg_free(db);
}

static int next_bad_text(void *arg, size_t i, struct ed_pg_value *values)
{
    (void)arg;
    values[0] = ed_pg_value((int)i);
    values[1] = ed_pg_value(i == 5 ? ed_bytes_of("\xff", 1) : ed_bytes("x"));
    return 0;
}

static int next_empty(void *arg, size_t i, struct ed_pg_value *values)
{
    (void)arg, (void)i, (void)values;
    return 0;
}

POOL_TEST(misuse_undoes_all)
{
    ed_pg *db = new_pool();
    struct sets sets = {0};
    check_int(ed_pg_exec_many(db, insert, 3, 10, next_set, &sets), ED_EUSAGE);
    check_int(ed_pg_exec_many(db, insert, 2, 10, next_bad_text, NULL),
              ED_EVALUE);
    check_int(
        ed_pg_exec_many(db, "copy many_t from stdin", 0, 1, next_empty, NULL),
        ED_EUSAGE);
    check_int(
        ed_pg_exec_many(db, "copy many_t to stdout", 0, 1, next_empty, NULL),
        ED_EUSAGE);
    check_clean(db, 0);
    ed_pg_free(db);
}

/* Binary only for some of the sets: the server must not take it for text. */
static int next_bytes(void *arg, size_t i, struct ed_pg_value *values)
{
    (void)arg;
    values[0] = i % 2 ? ed_bytea(ed_bytes_of("\0\xff", 2)) : ed_null();
    return 0;
}

POOL_TEST(types_that_only_some_sets_say_are_heeded)
{
    ed_pg *db = new_pool();
    check_int(ed_pg_script(db, "create table bytes_t (b bytea)"), 0);
    check_int(ed_pg_exec_many(db, "insert into bytes_t values (:b)", 1, 10,
                              next_bytes, NULL),
              10);
    check_int(find_int(db, "select count(*) from bytes_t"
                           " where b = '\\x00ff'"),
              5);
    check_int(ed_pg_exec_many(db,
                              "insert into many_t values"
                              " (length(:b), '')",
                              1, 2, next_bytes, NULL),
              ED_EVALUE); /* null is no key */
    check_int(ed_pg_script(db, "drop table bytes_t"), 0);
    ed_pg_free(db);
}

POOL_TEST(in_a_transaction_it_is_part_of_that)
{
    ed_pg *db = new_pool();
    struct sets sets = {0};
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec_many(tx, insert, 2, 10, next_set, &sets), 10);
        check_int(find_int(tx, "select count(*) from many_t"), 10);
    }
    check_clean(db, 0);
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec(tx, "insert into many_t values (-1, '')"), 1);
        sets = (struct sets){.fails_at = 5};
        check_int(ed_pg_exec_many(tx, insert, 2, 10, next_set, &sets),
                  ED_EBADREQ);
        check_int(find_int(tx, "select count(*) from many_t"), 1);
        sets = (struct sets){0};
        check_int(ed_pg_exec_many(tx, insert, 2, 10, next_set, &sets), 10);
        check_int(ed_pg_commit(tx), 0);
    }
    check_clean(db, 11);
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec_many(tx, insert, 2, 10, next_set, &sets),
                  ED_ECONSTRAINT);
        check_int(ed_pg_commit(tx), ED_ESQL);
    }
    check_clean(db, 11);
    ed_pg_free(db);
}

static int run_slowly(void *arg)
{
    struct sets sets = {0};
    return ed_pg_exec_many(arg,
                           "insert into many_t select :n, :t"
                           " from pg_sleep(0.001)",
                           2, 100000, next_set, &sets);
}

POOL_TEST(cancelled_at_any_time_it_leaves_nothing)
{
    ed_pg *db = new_pool();
    for (int ms = 1; ms < 100; ms += 24) {
        check_int(ed_with_timeout(ms * ED_MS, run_slowly, db), ED_ETIMEOUT);
        check_clean(db, 0);
    }
    ed_pg_free(db);
}

static int run_fast(void *arg)
{
    struct sets sets = {0};
    return ed_pg_exec_many(arg, insert, 2, 100000, next_set, &sets);
}

POOL_TEST(cancelled_while_sending_it_leaves_nothing)
{
    ed_pg *db = new_pool();
    for (int ms = 1; ms < 40; ms += 7) {
        int n = ed_with_timeout(ms * ED_MS, run_fast, db);
        check_int(n, ED_ETIMEOUT);
        check_clean(db, 0);
    }
    check_int((long long)counts_of(db).connects, 1);
    ed_pg_free(db);
}

static int next_kills(void *arg, size_t i, struct ed_pg_value *values)
{
    if (i == 20000)
        pg_server_psql(server, "select pg_terminate_backend(pid) from"
                               " pg_stat_activity where backend_type ="
                               " 'client backend' and"
                               " pid <> pg_backend_pid()");
    return next_set(arg, i, values);
}

POOL_TEST(a_terminated_server_process_is_told)
{
    ed_pg *db = new_pool();
    struct sets sets = {0};
    int err = ed_pg_exec_many(db, insert, 2, 100000, next_kills, &sets);
    check(err == ED_EDATABASE || err == ED_EUNCERTAIN);
    check(*ed_error());
    check_clean(db, 0);
    ed_pg_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_is_run),
        cmocka_unit_test(large_sets_with_large_answers_do_not_block_each_other),
        cmocka_unit_test(a_refused_set_is_named_and_undoes_all),
        cmocka_unit_test(a_constraint_checked_at_the_end_undoes_all),
        cmocka_unit_test(a_failure_of_next_undoes_all),
        cmocka_unit_test(misuse_undoes_all),
        cmocka_unit_test(types_that_only_some_sets_say_are_heeded),
        cmocka_unit_test(in_a_transaction_it_is_part_of_that),
        cmocka_unit_test(cancelled_at_any_time_it_leaves_nothing),
        cmocka_unit_test(cancelled_while_sending_it_leaves_nothing),
        cmocka_unit_test(a_terminated_server_process_is_told),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
