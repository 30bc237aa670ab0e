/*
 * test_pgbouncer.c - pools behind pgbouncer, which gives each transaction
 * another connection to the server: prepared statements come and go there, and
 * a session's settings are nobody's.
 */
#include "pool_test.h"

#include "pgbouncer.h"

enum { FIBERS = 40, QUERIES = 15, TEXTS = 5 };

static struct pgbouncer *bouncer;
static uint32_t seed = 1;

struct crowd {
    ed_pg *db;
    bool read_only;
    int right, wrong, failed;
    char text[200];
};

/* Statements of several texts, each with an answer of its own. */
static int ask(struct crowd *c, unsigned which, long long number,
               long long *answer)
{
    char sql[64];
    ed_rows *rows;
    int err;

    snprintf(sql, sizeof(sql), "select :n::bigint + %u", which);
    if (c->read_only)
        err = ed_pg_row(c->db, &rows, sql, ed_p(n, number),
                        ed_pg_with(.read_only = true));
    else
        err = ed_pg_row(c->db, &rows, sql, ed_p(n, number));
    if (!err)
        *answer = ed_rows_int(rows, 0);
    return err;
}

static int member(void *arg)
{
    struct crowd *c = arg;

    for (int i = 0; i < QUERIES; i++) {
        unsigned which = test_random(&seed, TEXTS);
        long long number = test_random(&seed, 1 << 30), answer = -1;
        int err = ask(c, which, number, &answer);
        c->failed += err != 0;
        c->right += !err && answer == number + which;
        c->wrong += !err && answer != number + which;
        if (err)
            snprintf(c->text, sizeof(c->text), "%s: %s", ed_err_name(err),
                     ed_error());
    }
    return 0;
}

static void gather(struct crowd *c)
{
    ed_scope(s, .independent = true);
    for (int i = 0; i < FIBERS; i++)
        ed_go(s, member, c);
    check_int(ed_wait(s), 0);
    check_(c->right == FIBERS * QUERIES,
           "%d right, %d wrong, %d failed of %d: %s", c->right, c->wrong,
           c->failed, FIBERS * QUERIES, c->text);
}

POOL_TEST(a_pool_finds_out_and_prepares_no_more)
{
    struct crowd c = {.db = ed_pg_new(.dsn = pgbouncer_dsn(bouncer))};

    gather(&c);
    c.right = 0;
    gather(&c);
    uint64_t prepared = counts_of(c.db).prepared;
    c.right = 0;
    gather(&c);
    check_int((long long)counts_of(c.db).prepared, (long long)prepared);
    ed_pg_free(c.db);
}

POOL_TEST(a_pool_that_is_told_prepares_nothing)
{
    struct crowd c = {
        .db = ed_pg_new(.dsn = pgbouncer_dsn(bouncer), .statements = -1)};

    gather(&c);
    check_int((long long)counts_of(c.db).prepared, 0);
    ed_pg_free(c.db);
}

POOL_TEST(read_only_batches_pass)
{
    struct crowd c = {.db = ed_pg_new(.dsn = pgbouncer_dsn(bouncer), .max = 4),
                      .read_only = true};

    gather(&c);
    check(counts_of(c.db).batches > 0);
    ed_pg_free(c.db);
}

/* Two statements of a transaction, which is undone every other time. */
static int transfer(void *arg)
{
    struct crowd *c = arg;
    ed_pg_transaction(tx, c->db);
    long long first = find_int(tx, "select pg_backend_pid()");

    check_int(ed_pg_exec(tx, "insert into moved values (1)"), 1);
    check_int(find_int(tx, "select pg_backend_pid()"), first);
    check_int(ed_pg_exec(tx, "insert into moved values (1)"), 1);
    if (c->right++ % 2)
        check_int(ed_pg_commit(tx), 0);
    return 0;
}

POOL_TEST(a_transaction_stays_with_one_connection)
{
    /* While a pool has not found out yet, a name that is gone fails the whole
     * transaction. */
    struct crowd c = {
        .db = ed_pg_new(.dsn = pgbouncer_dsn(bouncer), .statements = -1)};

    check_int(ed_pg_exec(c.db, "create table moved (n int)"), 0);
    ed_scope(s, .independent = true);
    for (int i = 0; i < FIBERS; i++)
        ed_go(s, transfer, &c);
    check_int(ed_wait(s), 0);
    check_int(find_int(c.db, "select count(*) from moved"), FIBERS);
    check_int(ed_pg_exec(c.db, "drop table moved"), 0);
    ed_pg_free(c.db);
}

static int sleep_at_server(ed_pg *db, int64_t within)
{
    ed_scope(s, .within = within);
    (void)s;
    return ed_pg_exec(db, "select pg_sleep(20)");
}

POOL_TEST(a_cancel_finds_its_way_through)
{
    ed_pg *db = ed_pg_new(.dsn = pgbouncer_dsn(bouncer));

    check_int(ed_pg_ready(db), 0);
    int64_t began = ed_now();
    check_int(sleep_at_server(db, 100 * ED_MS), ED_ETIMEOUT);
    check(ed_now() - began < 10 * ED_S);
    eventually(!strcmp(
        pg_server_psql(server, "select count(*) from pg_stat_activity where"
                               " query like '%pg_sleep(20)%' and state ="
                               " 'active' and pid <> pg_backend_pid()"),
        "0"));
    check_int(find_int(db, "select 1"), 1);
    ed_pg_free(db);
}

static int start_both(void **state)
{
    behind_pooler = true;
    start_server(state);
    bouncer =
        pgbouncer_start(server, (const char *[]){"default_pool_size=3", NULL});
    return 0;
}

static int stop_both(void **state)
{
    pgbouncer_stop(bouncer);
    return stop_server(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_finds_out_and_prepares_no_more),
        cmocka_unit_test(a_pool_that_is_told_prepares_nothing),
        cmocka_unit_test(read_only_batches_pass),
        cmocka_unit_test(a_transaction_stays_with_one_connection),
        cmocka_unit_test(a_cancel_finds_its_way_through),
    };
    return cmocka_run_group_tests(tests, start_both, stop_both);
}
