/*
 * items.c - a table of 100,000 items: a query without an index, and a REST
 * interface to list, read, create and change them.
 *
 * A single item is read through the cache: what is not there is looked up and
 * put there, and who changes an item drops it. A reader that overtakes a
 * change may put the old item there once more, for the 200 ms that anything
 * stays.
 */
#include "arena.h"

#include <jansson.h>

enum {
    LIST_MAX = 50, /* items in one answer */
    /* Far enough to be nowhere, near enough to be an offset. */
    PAGE_MAX = 1000000,
};

#define COLUMNS                                                         \
    "id, name, category, price, quantity, active, tags, rating_score, " \
    "rating_count"

/* Where the rating begins, which is an object of its own. */
enum { SCORE = 7, RATERS = 8 };

/* ---- JSON ---- */

static void write_item(ed_json *j, ed_rows *rows)
{
    ed_json_object(j);
    for (int column = 0; column < SCORE; column++) {
        ed_json_key(j, ed_rows_name(rows, (size_t)column));
        ed_json_column(j, rows, column);
    }
    ed_json_key(j, "rating");
    ed_json_object(j);
    ed_json_key(j, "score");
    ed_json_column(j, rows, SCORE);
    ed_json_key(j, "count");
    ed_json_column(j, rows, RATERS);
    ed_json_end(j);
    ed_json_end(j);
}

static void write_items(ed_json *j, ed_rows *rows)
{
    ed_json_key(j, "items");
    ed_json_array(j);
    while (ed_rows_next(rows))
        write_item(j, rows);
    ed_json_end(j);
}

/* ---- a query ---- */

/* GET /async-db?min=&max=&limit= */
static int items_by_price(ed_req *req)
{
    ed_rows *rows;
    int err = ed_pg_query(
        arena_of(req)->db, &rows,
        "select " COLUMNS " from items "
        "where price between :min and :max limit :limit",
        ed_p(min, query_number(req, "min", INT32_MIN, INT32_MAX, 10)),
        ed_p(max, query_number(req, "max", INT32_MIN, INT32_MAX, 50)),
        ed_p(limit, query_number(req, "limit", 1, LIST_MAX, LIST_MAX)));
    if (err)
        return err;
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_object(j);
    write_items(j, rows);
    ed_json_key(j, "count");
    ed_json_uint(j, ed_rows_count(rows));
    ed_json_end(j);
    return ed_json_finish(j);
}

/* ---- reading ---- */

/* GET /crud/items?category=&page=&limit= */
static int list_items(ed_req *req)
{
    const char *category = ed_query(req, "category");
    int64_t page = query_number(req, "page", 1, PAGE_MAX, 1);
    int64_t limit = query_number(req, "limit", 1, LIST_MAX, 10);
    ed_rows *rows;
    int err = ed_pg_query(arena_of(req)->db, &rows,
                          "select " COLUMNS " from items "
                          "where category = :category "
                          "order by id limit :limit offset :offset",
                          ed_p(category, category ? category : "electronics"),
                          ed_p(limit, limit), ed_p(offset, (page - 1) * limit));
    if (err)
        return err;
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_object(j);
    write_items(j, rows);
    ed_json_key(j, "total");
    ed_json_uint(j, ed_rows_count(rows));
    ed_json_key(j, "page");
    ed_json_int(j, page);
    ed_json_key(j, "limit");
    ed_json_int(j, limit);
    ed_json_end(j);
    return ed_json_finish(j);
}

/* Finds an item and adds its JSON to a buffer. */
static int find_item(ed_pg *db, int64_t id, struct ed_buf *text)
{
    struct ed_json json;
    ed_rows *rows;
    /* A bigint, so that an id too large for the column is simply not there. */
    int err = ed_pg_row(db, &rows,
                        "select " COLUMNS " from items where id = :id::bigint",
                        ed_p(id, id));
    if (err)
        return err;
    ed_json_begin(&json, text);
    write_item(&json, rows);
    return ed_json_finish(&json);
}

static int reply_item(ed_req *req, const char *cache, struct ed_bytes json)
{
    int err = ed_reply_header(req, "X-Cache", cache);
    return err ? err : ed_reply_bytes(req, 200, "application/json", json);
}

/* [crud] */
/* GET /crud/items/{id:int} */
static int read_item(ed_req *req)
{
    struct ed_buf text __attribute__((cleanup(ed_buf_free))) = {0};
    struct arena *arena = arena_of(req);
    int64_t id = ed_arg_int(req, "id");
    struct ed_bytes item;

    if (cache_get(arena->cache, id, &item))
        return reply_item(req, "HIT", item);
    int err = find_item(arena->db, id, &text);
    if (err)
        return err;
    item = ed_buf_bytes(&text);
    cache_put(arena->cache, id, item);
    return reply_item(req, "MISS", item);
}
/* [/crud] */

/* ---- writing ---- */

/* Creates an item of the members of a body, or changes the one there is. */
static int store_item(ed_pg *db, json_t *body, ed_rows **rows)
{
    json_int_t id, price, quantity;
    const char *name, *category;
    json_error_t error;
    if (json_unpack_ex(body, &error, 0, "{s:I, s:s, s:s, s:I, s:I}", "id", &id,
                       "name", &name, "category", &category, "price", &price,
                       "quantity", &quantity) < 0)
        return ed_fail(ED_EBADREQ, "item: %s", error.text);
    return ed_pg_row(db, rows,
                     "insert into items (" COLUMNS ") "
                     "values (:id, :name, :category, :price, :quantity, "
                     "  true, '[]', 0, 0) "
                     "on conflict (id) do update set name = excluded.name, "
                     "  category = excluded.category, price = excluded.price, "
                     "  quantity = excluded.quantity "
                     "returning " COLUMNS,
                     ed_p(id, id), ed_p(name, name), ed_p(category, category),
                     ed_p(price, price), ed_p(quantity, quantity));
}

/* POST /crud/items */
static int create_item(ed_req *req)
{
    struct arena *arena = arena_of(req);
    json_auto_t *body = NULL;
    ed_rows *rows;
    int err = ed_body_json(req, &body);
    if (!err)
        err = store_item(arena->db, body, &rows);
    if (err)
        return err;
    cache_drop(arena->cache, ed_rows_int(rows, "id"));
    ed_json *j = ed_reply_json_begin(req, 201);
    write_item(j, rows);
    return ed_json_finish(j);
}

static int change_item(ed_pg *db, int64_t id, json_t *body, ed_rows **rows)
{
    json_int_t price, quantity;
    const char *name;
    json_error_t error;
    if (json_unpack_ex(body, &error, 0, "{s:s, s:I, s:I}", "name", &name,
                       "price", &price, "quantity", &quantity) < 0)
        return ed_fail(ED_EBADREQ, "item: %s", error.text);
    return ed_pg_row(db, rows,
                     "update items set name = :name, price = :price, "
                     "  quantity = :quantity "
                     "where id = :id::bigint "
                     "returning id, name, price, quantity",
                     ed_p(id, id), ed_p(name, name), ed_p(price, price),
                     ed_p(quantity, quantity));
}

/* PUT /crud/items/{id:int} */
static int update_item(ed_req *req)
{
    struct arena *arena = arena_of(req);
    int64_t id = ed_arg_int(req, "id");
    json_auto_t *body = NULL;
    ed_rows *rows;
    int err = ed_body_json(req, &body);
    if (!err)
        err = change_item(arena->db, id, body, &rows);
    if (err)
        return err;
    cache_drop(arena->cache, id);
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_row(j, rows);
    return ed_json_finish(j);
}

void items_routes(ed_group *stored)
{
    ed_group_route(stored, "GET /async-db", items_by_price);
    ed_group_route(stored, "GET /crud/items", list_items);
    ed_group_route(stored, "POST /crud/items", create_item);
    ed_group_route(stored, "GET /crud/items/{id:int}", read_item);
    ed_group_route(stored, "PUT /crud/items/{id:int}", update_item);
}
