/*
 * test_transaction.c - transactions and savepoints: what is kept, what is
 * rolled back, and that nothing is ever run outside of its transaction.
 */
#include "pool_test.h"

static ed_pg *new_pool(unsigned max)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = max,
                          .goodbye = 1 * ED_S);
    check(ed_pg_exec(db, "drop table if exists t") >= 0);
    check_int(ed_pg_exec(db, "create table t (n int primary key deferrable"
                             " initially deferred)"),
              0);
    return db;
}

static long long rows_in_t(ed_pg *db)
{
    return find_int(db, "select count(*) from t");
}

static int insert(ed_pg *db, int n)
{
    return ed_pg_exec(db, "insert into t values (:n)", ed_p(n, n));
}

/* All connections are back, and none has a transaction open. */
static void check_all_is_back(ed_pg *db)
{
    eventually(counts_of(db).idle == counts_of(db).open);
    check_int(counts_of(db).held, 0);
    check_int(find_int(db, "select count(*) from pg_stat_activity where"
                           " state like 'idle in transaction%'"),
              0);
    ed_pg_free(db);
}

POOL_TEST(what_is_committed_stays)
{
    ed_pg *db = new_pool(2);
    {
        ed_pg_transaction(tx, db);
        check_int(insert(tx, 1), 1);
        check_int(insert(tx, 2), 1);
        check_int(rows_in_t(tx), 2);
        check_int(rows_in_t(db), 0);
        check_int(ed_pg_commit(tx), 0);
        check_int(insert(tx, 3), ED_EUSAGE);
        check(strstr(ed_error(), "transaction has ended") != NULL);
        check_int(ed_pg_commit(tx), ED_EUSAGE);
    }
    check_int(rows_in_t(db), 2);
    check_all_is_back(db);
}

static void leave_early(ed_pg *db)
{
    ed_pg_transaction(tx, db);
    check_int(insert(tx, 1), 1);
}

POOL_TEST(what_is_left_without_commit_is_rolled_back)
{
    ed_pg *db = new_pool(1);
    leave_early(db);
    check_int(rows_in_t(db), 0);
    check_int((long long)counts_of(db).connects, 1);
    check_all_is_back(db);
}

POOL_TEST(rollback_is_done_when_it_returns)
{
    ed_pg *db = new_pool(2);
    ed_pg_transaction(tx, db);
    check_int(insert(tx, 1), 1);
    check_int(ed_pg_rollback(tx), 0);
    check_int(find_int(db, "select count(*) from pg_locks where relation ="
                           " 't'::regclass and mode = 'RowExclusiveLock'"),
              0);
    check_int(insert(tx, 2), ED_EUSAGE);
    check_all_is_back(db);
}

POOL_TEST(one_without_statements_costs_nothing)
{
    ed_pg *db = new_pool(2);
    struct ed_pg_counts before = counts_of(db);
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_commit(tx), 0);
        ed_pg_transaction(other, db);
    }
    check_int((long long)counts_of(db).statements,
              (long long)before.statements);
    check_all_is_back(db);
}

POOL_TEST(begin_goes_with_the_first_statement)
{
    ed_pg *db = new_pool(2);
    ed_rows *rows;
    {
        ed_pg_transaction(tx, db, .isolation = ED_PG_SERIALIZABLE,
                          .read_only = true, .deferrable = true);
        check_int(
            ed_pg_row(tx, &rows,
                      "select current_setting('transaction_isolation')"
                      " || ' ' || current_setting('transaction_read_only')"
                      " || ' ' ||"
                      " current_setting('transaction_deferrable')"),
            0);
        check_text(ed_rows_text(rows, 0), "serializable on on");
        check_int(ed_pg_commit(tx), 0);
    }
    {
        ed_pg_transaction(tx, db, .isolation = ED_PG_REPEATABLE_READ);
        check_int(ed_pg_row(tx, &rows, "show transaction_isolation"), 0);
        check_text(ed_rows_text(rows, 0), "repeatable read");
    }
    check_all_is_back(db);
}

POOL_TEST(after_a_failure_all_fails_and_commit_says_so)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        check_int(insert(tx, 1), 1);
        check_int(ed_pg_exec(tx, "select 1/0"), ED_EVALUE);
        check_int(insert(tx, 2), ED_ESQL);
        check_text(ed_pg_error()->sqlstate, "25P02");
        check_int(ed_pg_commit(tx), ED_ESQL);
        check(strstr(ed_error(), "has failed") != NULL);
    }
    check_int(rows_in_t(db), 0);
    check_all_is_back(db);
}

POOL_TEST(a_first_statement_that_fails_leaves_nothing_outside)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec(tx, "select from where"), ED_ESQL);
        check_int(insert(tx, 1), ED_ESQL);
        check_int(ed_pg_commit(tx), ED_ESQL);
    }
    check_int(rows_in_t(db), 0);
    check_all_is_back(db);
}

POOL_TEST(what_only_fails_at_commit_is_told_there)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        check_int(insert(tx, 1), 1);
        check_int(insert(tx, 1), 1);
        check_int(ed_pg_commit(tx), ED_ECONSTRAINT);
        check_text(ed_pg_error()->constraint, "t_pkey");
    }
    check_int(rows_in_t(db), 0);
    check_all_is_back(db);
}

POOL_TEST(savepoints_are_kept_or_undone_by_themselves)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        check_int(insert(tx, 1), 1);
        {
            ed_pg_transaction(kept, tx);
            check_int(insert(kept, 2), 1);
            {
                ed_pg_transaction(deeper, kept);
                check_int(insert(deeper, 3), 1);
                check_int(ed_pg_rollback(deeper), 0);
            }
            check_int(ed_pg_commit(kept), 0);
        }
        {
            ed_pg_transaction(left, tx);
            check_int(insert(left, 4), 1);
            check_int(ed_pg_exec(left, "select 1/0"), ED_EVALUE);
        }
        check_int(insert(tx, 5), 1);
        {
            ed_pg_transaction(failed, tx);
            check_int(ed_pg_exec(failed, "select 1/0"), ED_EVALUE);
            check_int(ed_pg_commit(failed), ED_ESQL);
        }
        check_int(ed_pg_commit(tx), 0);
    }
    check_int(find_int(db, "select sum(n) from t"), 1 + 2 + 5);
    check_all_is_back(db);
}

POOL_TEST(all_levels_are_begun_with_the_innermost_statement)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(a, db);
        ed_pg_transaction(b, a);
        {
            ed_pg_transaction(c, b);
            check_int(insert(c, 1), 1);
        }
        check_int(insert(b, 2), 1);
        check_int(ed_pg_commit(b), 0);
        check_int(ed_pg_commit(a), 0);
    }
    check_int(find_int(db, "select sum(n) from t"), 2);
    check_all_is_back(db);
}

POOL_TEST(the_outer_may_be_used_while_a_savepoint_is_open)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        check_int(insert(tx, 1), 1);
        ed_pg_transaction(inner, tx);
        check_int(insert(inner, 2), 1);
        check_int(insert(tx, 3), 1); /* and so is undone with it */
        ed_pg_transaction(sibling, tx);
        check_int(insert(sibling, 4), ED_EUSAGE);
        check(strstr(ed_error(), "another savepoint") != NULL);
        check_int(ed_pg_rollback(inner), 0);
        check_int(ed_pg_commit(tx), 0);
        check_int(insert(inner, 5), ED_EUSAGE);
    }
    check_int(find_int(db, "select sum(n) from t"), 1);
    check_all_is_back(db);
}

POOL_TEST(an_inner_one_ends_with_the_outer)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        ed_pg_transaction(inner, tx);
        check_int(insert(inner, 1), 1);
        check_int(ed_pg_commit(tx), 0);
        check_int(insert(inner, 2), ED_EUSAGE);
        check(strstr(ed_error(), "has ended") != NULL);
        check_int(ed_pg_commit(inner), ED_EUSAGE);
    }
    check_int(find_int(db, "select sum(n) from t"), 1);
    check_all_is_back(db);
}

POOL_TEST(savepoints_have_no_options_and_nest_so_deep)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        ed_pg_transaction(inner, tx, .read_only = true);
        check_int(insert(inner, 1), ED_EUSAGE);
        check(strstr(ed_error(), "options") != NULL);
        struct ed_pg_store stores[20];
        ed_pg *at[21] = {tx};
        struct ed_pg_tx_options none = {.size = sizeof none};
        for (int i = 0; i < 20; i++)
            at[i + 1] = ed_pg_begin_(&stores[i], at[i], &none);
        check_int(insert(at[16], 1), 1);
        check_int(insert(at[17], 1), ED_EUSAGE);
        for (int i = 20; i > 0; i--)
            ed_pg_leave_(&at[i]);
    }
    check_int(rows_in_t(db), 0);
    check_all_is_back(db);
}

POOL_TEST(a_deadline_in_a_statement_rolls_back_behind_it)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        check_int(insert(tx, 1), 1);
        {
            ed_scope(s, .within = 40 * ED_MS);
            (void)s;
            check_int(ed_pg_exec(tx, "select pg_sleep(10)"), ED_ETIMEOUT);
        }
        check_int(insert(tx, 2), ED_ESQL);
        check(strstr(ed_error(), "given up") != NULL);
        check_int(ed_pg_commit(tx), ED_ESQL);
    }
    check_int(rows_in_t(db), 0);
    check_int((long long)counts_of(db).connects, 1);
    check_int((long long)counts_of(db).cancelled, 1);
    check_all_is_back(db);
}

POOL_TEST(a_savepoint_may_be_given_up_and_the_transaction_go_on)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_transaction(tx, db);
        check_int(insert(tx, 1), 1);
        {
            ed_pg_transaction(inner, tx);
            check_int(insert(inner, 2), 1);
            ed_scope(s, .within = 40 * ED_MS);
            (void)s;
            check_int(ed_pg_exec(inner, "select pg_sleep(10)"), ED_ETIMEOUT);
        }
        check_int(insert(tx, 3), 1);
        check_int(ed_pg_commit(tx), 0);
    }
    check_int(find_int(db, "select sum(n) from t"), 1 + 3);
    check_all_is_back(db);
}

static int sleep_in_it(void *arg)
{
    ed_pg_transaction(tx, arg);
    int n = insert(tx, 1);
    if (n >= 0)
        n = ed_pg_exec(tx, "select pg_sleep(10)");
    return n < 0 ? n : ed_pg_commit(tx);
}

POOL_TEST(a_cancelled_one_is_rolled_back)
{
    ed_pg *db = new_pool(2);
    {
        ed_scope(s);
        ed_go(s, sleep_in_it, db);
        ed_sleep(40 * ED_MS);
        ed_cancel(s);
        check_int(ed_wait(s), ED_ECANCELED);
    }
    check_int(rows_in_t(db), 0);
    check_all_is_back(db);
}

/* Cancelled at any moment, whatever it was doing. */
POOL_TEST(one_cancelled_at_any_moment_leaves_nothing_behind)
{
    ed_pg *db = new_pool(2);
    for (int i = 0; i < 60; i++) {
        ed_scope(s);
        ed_go(s, sleep_in_it, db);
        ed_sleep(i * 40 * ED_US);
        ed_cancel(s);
        check_int(ed_wait(s), ED_ECANCELED);
    }
    check_int(rows_in_t(db), 0);
    check_all_is_back(db);
}

POOL_TEST(a_lost_connection_ends_it_and_says_so)
{
    ed_pg *db = new_pool(2);
    {
        ed_pg_transaction(tx, db);
        check_int(insert(tx, 1), 1);
        ed_rows *rows;
        check_int(ed_pg_row(tx, &rows, "select pg_backend_pid() as pid"), 0);
        check_int(ed_pg_exec(db, "select pg_terminate_backend(:pid)",
                             ed_p(pid, ed_rows_int(rows, "pid"))),
                  1);
        check_int(insert(tx, 2), ED_EDATABASE);
        check_(strstr(ed_error(), "the transaction is rolled back") != NULL,
               "%s\n", ed_error());
        check_int(ed_pg_commit(tx), ED_EDATABASE);
    }
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec(tx, "select pg_terminate_backend("
                                 "pg_backend_pid())"),
                  ED_EDATABASE);
        check_int(ed_pg_rollback(tx), 0);
    }
    check_int(rows_in_t(db), 0);
    check_all_is_back(db);
}

struct shared {
    ed_pg *tx;
    int next;
};

static int insert_next(void *arg)
{
    struct shared *s = arg;
    int n = insert(s->tx, ++s->next);
    return n < 0 ? n : 0;
}

POOL_TEST(fibers_may_share_one)
{
    ed_pg *db = new_pool(2);
    {
        ed_pg_transaction(tx, db);
        struct shared shared = {.tx = tx};
        ed_scope(s);
        for (int i = 0; i < 50; i++)
            ed_go(s, insert_next, &shared);
        check_int(ed_wait(s), 0);
        check_int(rows_in_t(tx), 50);
        check_int(ed_pg_commit(tx), 0);
    }
    check_int(rows_in_t(db), 50);
    check_all_is_back(db);
}

struct account {
    ed_pg *db;
    int tries;
};

static int spend(ed_pg *tx, void *arg)
{
    struct account *a = arg;
    ed_rows *rows;
    a->tries++;
    int err = ed_pg_row(tx, &rows, "select sum(n) as s from t");
    if (err)
        return err;
    err = ed_sleep(10 * ED_MS);
    int n = err ? err : insert(tx, (int)ed_rows_int(rows, "s") + 1000);
    return n < 0 ? n : 0;
}

static int spender(void *arg)
{
    struct account *a = arg;
    return ed_pg_transact(a->db, spend, a, 20, .isolation = ED_PG_SERIALIZABLE);
}

POOL_TEST(those_that_cannot_be_serialized_are_tried_again)
{
    struct account a = {.db = new_pool(4)};
    check_int(insert(a.db, 1), 1);
    {
        ed_scope(s);
        for (int i = 0; i < 4; i++)
            ed_go(s, spender, &a);
        check_int(ed_wait(s), 0);
    }
    check(a.tries > 4);
    check_int(rows_in_t(a.db), 5);
    check_int(find_int(a.db, "select max(n) from t"),
              1 + 1000 + 1001 + 2002 + 4004 + 1000 - 1000);
    check_all_is_back(a.db);
}

static int always_serial(ed_pg *tx, void *arg)
{
    ++*(int *)arg;
    int n = ed_pg_exec(tx, "do $$ begin raise exception using errcode ="
                           " '40001'; end $$");
    return n < 0 ? n : 0;
}

static int fail_plainly(ed_pg *tx, void *arg)
{
    ++*(int *)arg;
    int n = insert(tx, 1);
    return n < 0 ? n : ED_EBADREQ;
}

POOL_TEST(transact_gives_up_after_so_many_attempts)
{
    ed_pg *db = new_pool(2);
    int tries = 0;
    check_int(ed_pg_transact(db, always_serial, &tries, 0), ED_ESERIAL);
    check_int(tries, 3);
    tries = 0;
    check_int(ed_pg_transact(db, fail_plainly, &tries, 5), ED_EBADREQ);
    check_int(tries, 1);
    check_int(rows_in_t(db), 0);
    check_all_is_back(db);
}

POOL_TEST(one_may_lie_in_a_session)
{
    ed_pg *db = new_pool(1);
    {
        ed_pg_session(session, db);
        check_int(ed_pg_exec(session, "create temp table x (n int)"), 0);
        {
            ed_pg_transaction(tx, session);
            check_int(ed_pg_exec(tx, "insert into x values (1)"), 1);
        }
        check_int(find_int(session, "select count(*) from x"), 0);
        {
            ed_pg_transaction(tx, session);
            check_int(ed_pg_exec(tx, "insert into x values (1)"), 1);
            check_int(ed_pg_commit(tx), 0);
        }
        check_int(find_int(session, "select count(*) from x"), 1);
    }
    check_all_is_back(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_stays),
        cmocka_unit_test(what_is_left_without_commit_is_rolled_back),
        cmocka_unit_test(rollback_is_done_when_it_returns),
        cmocka_unit_test(one_without_statements_costs_nothing),
        cmocka_unit_test(begin_goes_with_the_first_statement),
        cmocka_unit_test(after_a_failure_all_fails_and_commit_says_so),
        cmocka_unit_test(a_first_statement_that_fails_leaves_nothing_outside),
        cmocka_unit_test(what_only_fails_at_commit_is_told_there),
        cmocka_unit_test(savepoints_are_kept_or_undone_by_themselves),
        cmocka_unit_test(all_levels_are_begun_with_the_innermost_statement),
        cmocka_unit_test(the_outer_may_be_used_while_a_savepoint_is_open),
        cmocka_unit_test(an_inner_one_ends_with_the_outer),
        cmocka_unit_test(savepoints_have_no_options_and_nest_so_deep),
        cmocka_unit_test(a_deadline_in_a_statement_rolls_back_behind_it),
        cmocka_unit_test(a_savepoint_may_be_given_up_and_the_transaction_go_on),
        cmocka_unit_test(a_cancelled_one_is_rolled_back),
        cmocka_unit_test(one_cancelled_at_any_moment_leaves_nothing_behind),
        cmocka_unit_test(a_lost_connection_ends_it_and_says_so),
        cmocka_unit_test(fibers_may_share_one),
        cmocka_unit_test(those_that_cannot_be_serialized_are_tried_again),
        cmocka_unit_test(transact_gives_up_after_so_many_attempts),
        cmocka_unit_test(one_may_lie_in_a_session),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
