/*
 * pool_test.h - tests of pools against a real server, one for each test file.
 *
 *     POOL_TEST(a_row_is_found)
 *     {
 *         ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server));
 *         ...
 *         ed_pg_free(db);
 *     }
 *
 * As FIBER_TEST(), but by the real clock. Afterwards no connection may be left
 * at the server, and no descriptor here.
 */
#ifndef EDDY_TESTS_POOL_TEST_H
#define EDDY_TESTS_POOL_TEST_H

#include "../../fiber_test.h"

#include "../../support/held.h"
#include "../../support/pg_server.h"
#include <eddy/clock.h>
#include <eddy/pg.h>
#include <stdlib.h>
#include <unistd.h>

static struct pg_server *server;

#define POOL_TEST(name)              \
    static void name##_body(void);   \
    static void name(void **state)   \
    {                                \
        (void)state;                 \
        pool_test_run_(name##_body); \
    }                                \
    static void name##_body(void)

#define POOL_TEST_PATIENCE (60 * ED_S)

static int pool_test_body_(void *arg)
{
    void (**body)(void) = arg;
    ed_scope(patience, .within = POOL_TEST_PATIENCE, .name = "test");
    (void)patience;
    (*body)();
    check_(ed_cancelled() != ED_ETIMEOUT, "the test came to a standstill");
    return 0;
}

/* How many clients the server has besides the one that asks, and the one that
 * asked before, which may still be on its way out. */
static inline int connections_at_server(void)
{
    return (int)strtol(
        pg_server_psql(
            server, "select count(*) from pg_stat_activity where backend_type ="
                    " 'client backend' and pid <> pg_backend_pid() and query"
                    " not like 'select count(*) from pg_stat_activity where"
                    " backend_type = %'"),
        NULL, 10);
}

/* Set by tests through a pooler, which keeps its connections for the next and
 * opens some that nobody waits for any more. */
static bool behind_pooler;

static inline void end_connections_at_server(void)
{
    pg_server_psql(server,
                   "select pg_terminate_backend(pid) from pg_stat_activity"
                   " where backend_type = 'client backend' and pid <>"
                   " pg_backend_pid()");
}

/* A server notices a little later that somebody has gone; on a busy machine
 * much later. */
static inline bool all_have_gone(void)
{
    if (!pg_server_pid(server))
        return true;
    for (int i = 0; i < 1000; i++) {
        /* Each time: one being opened is not among them yet. */
        if (behind_pooler)
            end_connections_at_server();
        if (!connections_at_server())
            return true;
        usleep(10 * 1000);
    }
    return false;
}

static inline void pool_test_run_(void (*body)(void))
{
    fiber_test_failures = 0;
    int descriptors = held_descriptors();
    int err = ed_run(pool_test_body_, &body, .blocked_after = -1 * ED_S);
    assert_int_equal(err, 0);
    assert_int_equal(held_descriptors(), descriptors);
    assert_true(all_have_gone());
    assert_int_equal(fiber_test_failures, 0);
}

static inline int start_server_with(const char *const *settings)
{
    server = pg_server_start(settings);
    return 0;
}

static inline int start_server(void **state)
{
    (void)state;
    return start_server_with(NULL);
}

static inline int stop_server(void **state)
{
    (void)state;
    pg_server_stop(server);
    return 0;
}

static inline struct ed_pg_counts counts_of(const ed_pg *db)
{
    struct ed_pg_counts counts;
    ed_pg_counts(db, &counts);
    return counts;
}

/* The number that a statement finds; -1 when it does not. */
static inline long long find_int(ed_pg *db, const char *sql)
{
    ed_rows *rows;
    int err = ed_pg_row(db, &rows, sql);
    if (!check_(!err, "%s: %s (%s)\n", sql, ed_err_name(err), ed_error()))
        return -1;
    return ed_rows_int(rows, 0);
}

/* Waits until it is so, for as long as a busy machine may need. */
#define eventually(condition)                                                \
    ({                                                                       \
        int64_t until_ = ed_now() + POOL_TEST_PATIENCE / 2;                  \
        while (!(condition) && ed_now() < until_)                            \
            ed_sleep(2 * ED_MS);                                             \
        check_((condition), "%s:%d: not so in time: %s", __FILE__, __LINE__, \
               #condition);                                                  \
    })

#endif
