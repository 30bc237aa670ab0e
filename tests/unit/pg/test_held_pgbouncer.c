/*
 * test_held_pgbouncer.c - streams, copies, scripts and many sets through a
 * pgbouncer that pools by transaction, with fewer connections than we have.
 */
#include "pgbouncer.h"
#include "pool_test.h"
#include <eddy/pg_copy.h>

static struct pgbouncer *bouncer;

static int start_both(void **state)
{
    behind_pooler = true;
    start_server(state);
    bouncer =
        pgbouncer_start(server, (const char *[]){"default_pool_size=2", NULL});
    return 0;
}

static int stop_both(void **state)
{
    pgbouncer_stop(bouncer);
    return stop_server(state);
}

struct load {
    ed_pg *db;
    int number;
};

static int next_set(void *arg, size_t i, struct ed_pg_value *values)
{
    const struct load *load = arg;
    values[0] = ed_pg_value(load->number);
    values[1] = ed_pg_value((long)i);
    return 0;
}

static int give_up_a_stream(ed_pg *db)
{
    ed_rows *rows ED_ROWS_AUTO = NULL;
    int err = ed_pg_stream(db, &rows, "select generate_series(1, 1000000)");
    if (!err)
        check(ed_rows_next(rows));
    return err;
}

static int give_up_a_copy(ed_pg *db)
{
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    int err = ed_pg_copy_in(db, &in, "copy shared from stdin");
    return err ? err : ed_pg_copy_row(in, ed_v(-1), ed_v(-1));
}

static int copy_some(const struct load *load)
{
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    int err = ed_pg_copy_in(load->db, &in, "copy shared from stdin");
    for (int i = 100; i < 200 && !err; i++)
        err = ed_pg_copy_row(in, ed_v(load->number), ed_v(i));
    return err ? err : ed_pg_copy_end(in, NULL);
}

static int run_all(void *arg)
{
    struct load *load = arg;
    int n = ed_pg_exec_many(load->db, "insert into shared values (:a, :b)", 2,
                            100, next_set, load);
    int err = n < 0 ? n : give_up_a_stream(load->db);
    if (!err)
        err = copy_some(load);
    return err ? err : give_up_a_copy(load->db);
}

POOL_TEST(what_needs_a_connection_of_its_own_gets_one_there_too)
{
    enum { FIBERS = 8 };
    struct load loads[FIBERS];
    ed_rows *rows;
    ed_pg *db = ed_pg_new(.dsn = pgbouncer_dsn(bouncer), .max = 4);
    check_int(ed_pg_script(db, "create table shared (a int, b int)"), 0);
    {
        ed_scope(s);
        for (int i = 0; i < FIBERS; i++) {
            loads[i] = (struct load){db, i};
            ed_go(s, run_all, &loads[i]);
        }
        int err = ed_wait(s);
        check_(!err, "%s: %s\n", ed_err_name(err), ed_error());
    }
    check_int(ed_pg_stream(db, &rows,
                           "select a, sum(b) from shared group by a"
                           " order by a"),
              0);
    for (int i = 0; i < FIBERS; i++) {
        check(ed_rows_next(rows));
        check_int(ed_rows_int(rows, 0), i);
        check_int(ed_rows_int(rows, 1), 19900);
    }
    check(!ed_rows_next(rows));
    ed_pg_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_a_connection_of_its_own_gets_one_there_too),
    };
    return cmocka_run_group_tests(tests, start_both, stop_both);
}
