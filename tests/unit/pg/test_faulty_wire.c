/*
 * test_faulty_wire.c - a pool whose connections are cut and stalled at every
 * byte of what they say: statements end in time, with their own result or a
 * clear error, and the pool recovers.
 */
#include "pool_test.h"

#include "asked.h"
#include "fault_proxy.h"

enum { FRONT_PORT = 6543 };

static struct fault_proxy *proxy;
static const bool changing = false; /* might change something */

static const char *front_dsn(void)
{
    static char dsn[256];

    snprintf(dsn, sizeof(dsn), "host=%s port=%d user=postgres dbname=postgres",
             pg_server_folder(server), FRONT_PORT);
    return dsn;
}

static void open_proxy(void)
{
    char front[128], back[128];

    snprintf(front, sizeof(front), "unix:%s/.s.PGSQL.%d",
             pg_server_folder(server), FRONT_PORT);
    snprintf(back, sizeof(back), "unix:%s/.s.PGSQL.%d",
             pg_server_folder(server), pg_server_port(server));
    proxy = fault_proxy_start(front, back);
}

/* One statement, whose result is nobody else's. */
static int ask(ed_pg *db, bool read_only, long long number, long long *answer)
{
    static const char sql[] = "select :n::bigint, repeat('x', 20)";
    ed_rows *rows;
    int err;

    if (read_only)
        err = ed_pg_row(db, &rows, sql, ed_p(n, number),
                        ed_pg_with(.read_only = true));
    else
        err = ed_pg_row(db, &rows, sql, ed_p(n, number));
    if (!err)
        *answer = ed_rows_int(rows, 0);
    return err;
}

/* As `how` says: whether it is declared to change nothing. */
static int ask_for(const struct asked *asked, long long number,
                   long long *answer)
{
    return ask(asked->db, *(const bool *)asked->how, number, answer);
}

static struct asked asked_of(ed_pg *db, const bool *read_only, int64_t within)
{
    return (struct asked){.ask = ask_for,
                          .numbers = 1 << 30,
                          .db = db,
                          .how = read_only,
                          .within = within};
}

static void recovers(ed_pg *db, const char *words, unsigned at)
{
    long long answer = -1;

    fault_proxy_set(proxy, .action = FAULT_NONE);
    fault_proxy_release(proxy);
    int64_t until = ed_now() + 5 * ED_S;
    while (ask(db, false, 7, &answer) != 0 && ed_now() < until)
        ed_sleep(5 * ED_MS);
    /* While it pauses after a failure, the next one would find it without any
     * connection. */
    eventually(counts_of(db).open == 2);
    check_(answer == 7, "%s at byte %u: the pool does not recover: %s", words,
           at, ed_error());
}

static ed_pg *front_pool(void)
{
    return ed_pg_new(.dsn = front_dsn(), .min = 2, .max = 2,
                     .goodbye = 20 * ED_MS, .max_backoff = 20 * ED_MS);
}

/* How many bytes all of them say when nothing happens, the statement being
 * prepared everywhere. */
static unsigned size_of_all(ed_pg *db, enum fault_side side, bool read_only)
{
    struct asked o = asked_of(db, &read_only, 5 * ED_S);

    asked_together(&o, "warming up", 0);
    fault_proxy_set(proxy, .action = FAULT_NONE);
    o.right = 0;
    asked_together(&o, "counting", 0);
    check_int(o.right, ASKED);
    return (unsigned)fault_proxy_count(proxy, side);
}

/* The fault at every `step`th byte of what goes that way. */
static void try_all(enum fault_action action, enum fault_side side,
                    unsigned step, bool read_only, const char *words)
{
    open_proxy();
    ed_pg *db = front_pool();
    unsigned size = size_of_all(db, side, read_only);
    unsigned at = 0;
    bool happened = true;
    int failures = 0;

    /* Until it is beyond their last byte, which how they share syncs and
     * connections shifts a little. */
    for (; happened; at += step) {
        struct asked o = asked_of(
            db, &read_only, action == FAULT_STALL ? 60 * ED_MS : 5 * ED_S);
        fault_proxy_set(proxy, .action = action, .side = side, .after = at);
        asked_together(&o, words, at);
        happened = fault_proxy_happened(proxy);
        failures += o.uncertain + o.late;
        if (read_only)
            check_(o.right == ASKED, "%s at byte %u: %s", words, at, o.text);
        recovers(db, words, at);
    }
    check(read_only || failures > 0);
    check_(at > size / 2, "%s: of %u bytes not even at %u", words, size, at);
    ed_pg_free(db);
    fault_proxy_stop(proxy);
}

POOL_TEST(a_request_cut_at_any_byte_ends_clearly)
{
    try_all(FAULT_CUT, FAULT_REQUEST, 17, false, "a request cut");
}

POOL_TEST(an_answer_cut_at_any_byte_ends_clearly)
{
    try_all(FAULT_CUT, FAULT_ANSWER, 19, false, "an answer cut");
}

POOL_TEST(a_read_only_batch_cut_at_any_byte_is_run_again)
{
    try_all(FAULT_CUT, FAULT_ANSWER, 37, true, "a batch cut");
}

POOL_TEST(a_request_stalled_at_any_byte_ends_by_its_deadline)
{
    try_all(FAULT_STALL, FAULT_REQUEST, 173, false, "a request stalled");
}

POOL_TEST(an_answer_stalled_at_any_byte_ends_by_its_deadline)
{
    try_all(FAULT_STALL, FAULT_ANSWER, 197, false, "an answer stalled");
}

POOL_TEST(a_connection_cut_while_it_opens_is_opened_again)
{
    enum { STEP = 23, GREETING = 460 };

    open_proxy();
    for (unsigned at = 0; at < GREETING; at += STEP) {
        struct asked o = asked_of(front_pool(), &changing, 5 * ED_S);
        fault_proxy_set(proxy, .action = FAULT_CUT, .side = FAULT_ANSWER,
                        .after = at);
        asked_together(&o, "a greeting cut", at);
        check_int(fault_proxy_happened(proxy), 1);
        recovers(o.db, "a greeting cut", at);
        ed_pg_free(o.db);
    }
    fault_proxy_stop(proxy);
}

POOL_TEST(a_connection_that_stalls_while_it_opens_ends_by_the_deadline)
{
    enum { STEP = 115, GREETING = 460 };

    open_proxy();
    for (unsigned at = 0; at < GREETING; at += STEP) {
        struct asked o = asked_of(front_pool(), &changing, 60 * ED_MS);
        fault_proxy_set(proxy, .action = FAULT_STALL, .side = FAULT_ANSWER,
                        .after = at);
        asked_together(&o, "a greeting stalled", at);
        recovers(o.db, "a greeting stalled", at);
        ed_pg_free(o.db);
    }
    fault_proxy_stop(proxy);
}

POOL_TEST(a_server_that_refuses_connections_is_an_error_and_then_comes_back)
{
    open_proxy();
    struct asked o = asked_of(front_pool(), &changing, 5 * ED_S);

    fault_proxy_refuse(proxy, true);
    asked_together(&o, "refused", 0);
    check_int(o.down, ASKED);
    check_(strstr(o.text, "efused") != NULL, "said: %s", o.text);
    fault_proxy_refuse(proxy, false);
    recovers(o.db, "refused", 0);
    ed_pg_free(o.db);
    fault_proxy_stop(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_cut_at_any_byte_ends_clearly),
        cmocka_unit_test(an_answer_cut_at_any_byte_ends_clearly),
        cmocka_unit_test(a_read_only_batch_cut_at_any_byte_is_run_again),
        cmocka_unit_test(a_request_stalled_at_any_byte_ends_by_its_deadline),
        cmocka_unit_test(an_answer_stalled_at_any_byte_ends_by_its_deadline),
        cmocka_unit_test(a_connection_cut_while_it_opens_is_opened_again),
        cmocka_unit_test(
            a_connection_that_stalls_while_it_opens_ends_by_the_deadline),
        cmocka_unit_test(
            a_server_that_refuses_connections_is_an_error_and_then_comes_back),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
