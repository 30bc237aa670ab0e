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
#include "asking.h"
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

static void ask(void)
{
    uint32_t id = random_id();
    ed_rows *rows;
    int err = query(&rows, id);

    check_answer(err, !err && ed_rows_int(rows, "id") == id, "another row");
}

int main(int argc, char **argv)
{
    read_only = argc > 1 && !strcmp(argv[1], "--read-only");
    run_options(&run, argc - read_only, argv + read_only);
    db = ed_pg_new(.dsn = run.url,
                   .max = read_only ? READ_ONLY_CONNECTIONS : CONNECTIONS);
    if (!db)
        return 1;
    int status = ask_and_report(&run, ask);
    ed_pg_free(db);
    return status;
}
