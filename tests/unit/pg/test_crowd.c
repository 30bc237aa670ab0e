/*
 * test_crowd.c - the test that matters most: many fibers, few connections,
 * random values, random cancels, failures in between. Every result must reach
 * the fiber that asked for it.
 */
#include "pool_test.h"

enum { FIBERS = 200, MAX_CONNECTIONS = 4 };

/* Under a sanitizer a tenth says as much. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { QUERIES = 10000 };
#else
enum { QUERIES = 100000 };
#endif

struct crowd {
    ed_pg *db;
    uint32_t seed;
    int begun;
    int right, wrong, refused, given_up, other;
    int last; /* of the others */
};

static void note(struct crowd *c, int err)
{
    if (err == ED_ETIMEOUT || err == ED_ECANCELED) {
        c->given_up++;
    } else if (err < 0) {
        c->other++;
        c->last = err;
    }
}

/* A value and a text that only this query can have. */
static void ask(struct crowd *c, ed_pg *db, bool read_only)
{
    long long value = test_random(&c->seed, 1u << 30);
    char text[32];
    ed_rows *rows;
    snprintf(text, sizeof text, "t%u", test_random(&c->seed, 1u << 30));
    int err = ed_pg_row(db, &rows, "select :v::bigint + 1 as v, :t::text as t",
                        ed_p(v, value), ed_p(t, text),
                        ed_pg_with(.read_only = read_only));
    if (err) {
        note(c, err);
        return;
    }
    bool right = ed_rows_int(rows, "v") == value + 1 &&
                 !strcmp(ed_rows_text(rows, "t"), text);
    c->right += right;
    c->wrong += !right;
}

static void be_refused(struct crowd *c, bool read_only)
{
    int err = ed_pg_exec(c->db, "select 1 / :n::int", ed_p(n, 0),
                         ed_pg_with(.read_only = read_only));
    if (err == ED_EVALUE && !strcmp(ed_pg_error()->sqlstate, "22012"))
        c->refused++;
    else
        note(c, err);
}

static void give_up(struct crowd *c, bool read_only)
{
    ed_scope(s, .within = test_random(&c->seed, 3000) * ED_US);
    (void)s;
    if (test_random(&c->seed, 4))
        ask(c, c->db, read_only);
    else
        note(c, ed_pg_exec(c->db, "select pg_sleep(0.01)",
                           ed_pg_with(.read_only = read_only)));
}

static void transact(struct crowd *c)
{
    ed_pg_transaction(tx, c->db);
    ask(c, tx, false);
    ask(c, tx, false);
    int err = test_random(&c->seed, 2) ? ed_pg_commit(tx) : 0;
    if (err)
        note(c, err);
}

static int member(void *arg)
{
    struct crowd *c = arg;
    ed_arena *arena = ed_arena_new(0);
    ed_fiber_use_arena(arena);
    while (c->begun < QUERIES && !ed_cancelled()) {
        bool read_only = test_random(&c->seed, 2);
        uint32_t what = test_random(&c->seed, 1000);
        c->begun++;
        if (what < 20)
            be_refused(c, read_only);
        else if (what < 30)
            give_up(c, read_only);
        else if (what < 40)
            transact(c);
        else
            ask(c, c->db, read_only);
        ed_arena_reset(arena);
    }
    ed_fiber_use_arena(NULL);
    ed_arena_free(arena);
    return 0;
}

POOL_TEST(every_result_reaches_the_fiber_that_asked)
{
    struct crowd c = {
        .db = ed_pg_new(.dsn = pg_server_dsn(server), .max = MAX_CONNECTIONS),
        .seed = 20240229};
    {
        ed_scope(s);
        for (int i = 0; i < FIBERS; i++)
            ed_go(s, member, &c);
        check_int(ed_wait(s), 0);
    }
    check_int(c.wrong, 0);
    check_(!c.other, "%d others, the last %s\n", c.other, ed_err_name(c.last));
    check(c.right > QUERIES / 100 * 90);
    check(c.refused > QUERIES / 100);
    check(c.given_up > 0);
    struct ed_pg_counts counts = counts_of(c.db);
    check(counts.open <= MAX_CONNECTIONS);
    check(counts.batches > 0);
    check(counts.cancelled > 0);
    check_int(counts.waiting, 0);
    eventually(counts_of(c.db).under_way == 0);
    eventually(counts_of(c.db).idle == counts_of(c.db).open);
    ed_pg_free(c.db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_result_reaches_the_fiber_that_asked),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
