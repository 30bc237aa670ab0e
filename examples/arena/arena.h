/*
 * arena.h - what the files of this service share.
 *
 *   main.c       the command line, the environment, two listeners
 *   classic.c    six classic tests: constants, and rows of a table
 *   fortunes.c   the seventh: a page of HTML
 *   baseline.c   sums, a pipelined "ok", uploads
 *   dataset.c    50 items in memory, as JSON
 *   items.c      100,000 items in the database: a query, and a REST interface
 *   cache.c      what items.c keeps for 200 ms, here or in Redis
 *   seed.c       makes the tables
 */
#ifndef ARENA_H
#define ARENA_H

#include <eddy/app.h>
#include <eddy/pg.h>

struct cache;
struct dataset;

/* The service; handlers get it by arena_of(). */
struct arena {
    ed_pg *db;             /* NULL: none was named */
    struct cache *cache;   /* of single items */
    struct dataset *items; /* of /json/{count} */
};

ED_APP_VALUE(struct arena, arena)

/* Adds routes. Those of `stored` have a database. */
void classic_routes(ed_app *app, ed_group *stored);
void fortunes_routes(ed_group *stored);
void baseline_routes(ed_app *app);
void dataset_routes(ed_app *app);
void items_routes(ed_group *stored);

/* A number of the query, brought into min..max; `absent` when there is none
 * that can be read. The suites want this instead of 400. */
int64_t query_number(ed_req *req, const char *name, int64_t min, int64_t max,
                     int64_t absent);

static inline int64_t clamp(int64_t n, int64_t min, int64_t max)
{
    return n < min ? min : n > max ? max : n;
}

/* ---- items ---- */

enum { TAGS_MAX = 8 };

struct item {
    int64_t id;
    const char *name;
    const char *category;
    int64_t price;
    int64_t quantity;
    bool active;
    const char *tags[TAGS_MAX];
    size_t tag_count;
    int64_t score;
    int64_t raters;
};

/* Makes up the item of an id, always the same one. Its name is written to
 * `name`, everything else lives for ever. */
enum { ITEM_NAME_SIZE = 48 };
void item_make_up(struct item *item, int id, char name[ITEM_NAME_SIZE]);

/* Writes a list of texts. */
void write_tags(ed_json *j, const struct item *item);

/*
 * The dataset: the items of a file (a JSON array), or made-up ones if `path` is
 * NULL. Reads the file at once, so not while serving. Returns 0, or an error
 * with ed_error() saying what is wrong with the file.
 */
int dataset_load(struct dataset **out, const char *path);
void dataset_free(struct dataset *dataset);

/* ---- the cache ---- */

/*
 * Keeps the JSON of single items for 200 ms: in this process, or in the Redis
 * of a URL, if it is not NULL, so that several processes agree.
 *
 * A cache that cannot be reached fails nothing. Nothing is found in it then;
 * what could not be dropped is gone 200 ms later.
 */
struct cache *cache_new(const char *redis_url);
void cache_free(struct cache *cache);

/* Whether an item is there; *json is then valid as long as the request. All
 * three suspend if the cache is in Redis. */
bool cache_get(struct cache *cache, int64_t id, struct ed_bytes *json);
void cache_put(struct cache *cache, int64_t id, struct ed_bytes json);
void cache_drop(struct cache *cache, int64_t id);

/* ---- seeding ---- */

/* Makes the tables, or makes them anew. An ed_fn; its argument is the pool. */
int seed(void *db);

#endif
