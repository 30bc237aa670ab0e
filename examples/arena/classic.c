/*
 * classic.c - the classic tests of web frameworks: a constant, JSON, and rows
 * of a table of 10,000 random numbers, one, many, written back, and cached.
 *
 * Each of many rows is a query of its own, as the rules want it. Several are
 * under way at once, in fibers, and share the way to the database: the pool
 * sends them without waiting for the answer to the one before. None is declared
 * read-only, although that would be faster, because the rules want a sync
 * behind each.
 */
#include "arena.h"

#include <eddy/fiber.h>
#include <stdlib.h>

enum {
    WORLDS = 10000, /* rows of the table, with ids from 1 */
    QUERIES_MAX = 500,
    /* Queries of one request that are under way at once: enough to keep a
     * database busy, and few enough for hundreds of requests to fit into the
     * pool's queue. */
    ABREAST = 16,
};

struct world {
    int id;
    int number;
};

static int any_world(void)
{
    return 1 + (int)(random() % WORLDS);
}

/* ---- JSON ---- */

static void write_world(ed_json *j, int id, int number)
{
    ed_json_object(j);
    ed_json_key(j, "id");
    ed_json_int(j, id);
    ed_json_key(j, "randomNumber");
    ed_json_int(j, number);
    ed_json_end(j);
}

static int reply_worlds(ed_req *req, const struct world *worlds, size_t count)
{
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_array(j);
    for (size_t i = 0; i < count; i++)
        write_world(j, worlds[i].id, worlds[i].number);
    ed_json_end(j);
    return ed_json_finish(j);
}

/* ---- without a database ---- */

/* GET /plaintext */
static int plaintext(ed_req *req)
{
    return ed_reply_bytes(req, 200, "text/plain", ED_BYTES("Hello, World!"));
}

/* GET /json */
static int hello_json(ed_req *req)
{
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_object(j);
    ed_json_key(j, "message");
    ed_json_text(j, "Hello, World!");
    ed_json_end(j);
    return ed_json_finish(j);
}

/* ---- reading ---- */

/* [queries] */
/* Finds the number of a world. */
static int find_world(ed_pg *db, struct world *world)
{
    ed_rows *rows;
    int err =
        ed_pg_row(db, &rows, "select randomnumber from world where id = :id",
                  ed_p(id, world->id));
    if (!err)
        world->number = (int)ed_rows_int(rows, 0);
    return err;
}

/* Worlds to be found; the fibers that do take one after the other. */
struct search {
    ed_pg *db;
    struct world *next, *end;
};

static int find_some(void *arg)
{
    struct search *search = arg;
    int err = 0;
    while (!err && search->next < search->end)
        err = find_world(search->db, search->next++);
    return err;
}

static int find_worlds(ed_pg *db, struct world *worlds, size_t count)
{
    struct search search = {db, worlds, worlds + count};
    ed_scope(s);
    for (size_t i = 0; i < count && i < ABREAST; i++)
        ed_go(s, find_some, &search);
    return ed_wait(s); /* the first failure ends the others */
}
/* [/queries] */

/* GET /db */
static int one_world(ed_req *req)
{
    struct world world = {.id = any_world()};
    int err = find_world(arena_of(req)->db, &world);
    if (err)
        return err;
    ed_json *j = ed_reply_json_begin(req, 200);
    write_world(j, world.id, world.number);
    return ed_json_finish(j);
}

/* As many random worlds as the client asks for, in the request's arena. */
static int choose_worlds(ed_req *req, struct world **out, size_t *count)
{
    *count = (size_t)query_number(req, "queries", 1, QUERIES_MAX, 1);
    *out = ed_arena_alloc(ed_req_arena(req), *count * sizeof **out);
    if (!*out)
        return ED_ENOMEM;
    for (size_t i = 0; i < *count; i++)
        (*out)[i] = (struct world){.id = any_world()};
    return 0;
}

/* GET /queries?queries= */
static int many_worlds(ed_req *req)
{
    struct world *worlds;
    size_t count;
    int err = choose_worlds(req, &worlds, &count);
    if (!err)
        err = find_worlds(arena_of(req)->db, worlds, count);
    return err ? err : reply_worlds(req, worlds, count);
}

/* ---- writing ---- */

static int by_id(const void *a, const void *b)
{
    const struct world *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Gives every world a new number, and the same one to the same. */
static void renumber(struct world *worlds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool again = i && worlds[i].id == worlds[i - 1].id;
        worlds[i].number = again ? worlds[i - 1].number : any_world();
    }
}

/* Writes all of them by one statement. */
static int store_worlds(ed_pg *db, const struct world *worlds, size_t count)
{
    int ids[QUERIES_MAX], numbers[QUERIES_MAX];
    for (size_t i = 0; i < count; i++) {
        ids[i] = worlds[i].id;
        numbers[i] = worlds[i].number;
    }
    return ed_pg_exec(db,
                      "update world w set randomnumber = v.number "
                      "from unnest(:ids::int[], :numbers::int[]) "
                      "  as v (id, number) "
                      "where w.id = v.id",
                      ed_p(ids, ed_array(ids, count)),
                      ed_p(numbers, ed_array(numbers, count)));
}

/* GET /updates?queries= */
static int updates(ed_req *req)
{
    struct world *worlds;
    size_t count;
    int err = choose_worlds(req, &worlds, &count);
    if (!err)
        err = find_worlds(arena_of(req)->db, worlds, count);
    if (err)
        return err;
    /* In the order of their ids, as every request's, so that they queue up for
     * rows instead of waiting for each other. */
    qsort(worlds, count, sizeof *worlds, by_id);
    renumber(worlds, count);
    err = store_worlds(arena_of(req)->db, worlds, count);
    return err < 0 ? err : reply_worlds(req, worlds, count);
}

/* ---- cached ---- */

/* The cache: every world's number, by id, read when the first is asked for. */
static int cached[WORLDS + 1];
static bool cache_filled;

static int fill_cache(ed_pg *db)
{
    ed_rows *rows;
    int err = ed_pg_query(db, &rows, "select id, randomnumber from world");
    if (err)
        return err;
    while (ed_rows_next(rows))
        cached[clamp(ed_rows_int(rows, 0), 0, WORLDS)] =
            (int)ed_rows_int(rows, 1);
    err = ed_rows_error(rows);
    cache_filled = !err;
    return err;
}

/* GET /cached-queries?count= */
static int cached_queries(ed_req *req)
{
    int64_t count = query_number(req, "count", 1, QUERIES_MAX, 1);
    int err = cache_filled ? 0 : fill_cache(arena_of(req)->db);
    if (err)
        return err;
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_array(j);
    for (int64_t i = 0; i < count; i++) {
        int id = any_world();
        write_world(j, id, cached[id]);
    }
    ed_json_end(j);
    return ed_json_finish(j);
}

void classic_routes(ed_app *app, ed_group *stored)
{
    ed_route(app, "GET /plaintext", plaintext);
    ed_route(app, "GET /json", hello_json);
    ed_group_route(stored, "GET /db", one_world);
    ed_group_route(stored, "GET /queries", many_worlds);
    ed_group_route(stored, "GET /updates", updates);
    ed_group_route(stored, "GET /cached-queries", cached_queries);
}
