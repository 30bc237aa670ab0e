/*
 * pg.c - Eddy's PostgreSQL client asking for rows as fast as they come, for the
 * `pg` benchmark.
 *
 *     pg [--read-only] [-c FIBERS] [-t SECONDS] [-w WARM-UP SECONDS] DSN
 *
 * So many fibers share a pool of four connections; each awaits one row by its
 * primary key after the other, as a handler of requests would. With
 * --read-only the queries are declared so, and the pool has two connections:
 * the fewer, the more queries share a sync. Prints what client.c prints.
 */
#include "clients.h"
#include <eddy/fiber.h>
#include <eddy/pg.h>

enum { CONNECTIONS = 4, READ_ONLY_CONNECTIONS = 2, ROWS = 10000 };

static struct client_run run;
static bool read_only;
static ed_pg *db;
static uint32_t seed = 1;

static uint32_t random_id(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % ROWS + 1;
}

static int query(ed_rows **rows, uint32_t id)
{
    static const char sql[] =
        "select id, randomnumber from world where id = :id";

    if (read_only)
        return ed_pg_row(db, rows, sql, ed_p(id, (int)id),
                         ed_pg_with(.read_only = true));
    return ed_pg_row(db, rows, sql, ed_p(id, (int)id));
}

static int ask(void *arg)
{
    (void)arg;
    while (!run_ended(&run)) {
        ed_arena *arena = ed_fiber_arena();
        struct ed_arena_mark mark = ed_arena_mark(arena);
        uint32_t id = random_id();
        ed_rows *rows;
        int err = query(&rows, id);

        if (err || ed_rows_int(rows, "id") != id) {
            errno = 0;
            die("%s", err ? ed_error() : "another row");
        }
        run_answered(&run);
        ed_arena_rewind(arena, mark);
    }
    return 0;
}

/* Each has an arena of its own, as a request has. */
static int ask_in_arena(void *arg)
{
    ed_arena *arena = ed_arena_new(0);

    ed_fiber_use_arena(arena);
    int err = ask(arg);
    ed_fiber_use_arena(NULL);
    ed_arena_free(arena);
    return err;
}

static int ask_all(void *arg)
{
    (void)arg;
    ed_scope(s);
    for (int i = 0; i < run.concurrency; i++)
        ed_go(s, ask_in_arena, NULL);
    return ed_wait(s);
}

int main(int argc, char **argv)
{
    read_only = argc > 1 && !strcmp(argv[1], "--read-only");
    run_options(&run, argc - read_only, argv + read_only);
    db = ed_pg_new(.dsn = run.url,
                   .max = read_only ? READ_ONLY_CONNECTIONS : CONNECTIONS);
    if (!db || ed_run(ask_all, NULL))
        return 1;
    ed_pg_free(db);
    run_report(&run);
    return 0;
}
