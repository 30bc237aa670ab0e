/*
 * dataset.c - the 50 items of /json/{count}: read from a file when the service
 * starts, or made up, and written as JSON anew for each request.
 */
#include "arena.h"

#include <eddy/fiber.h>
#include <eddy/middleware.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { ITEMS = 50 };

/* Of prices, quantities and multipliers, so that their product fits. */
#define FACTOR_MAX 1000000

struct dataset {
    struct item items[ITEMS];
    size_t count;
    char names[ITEMS][ITEM_NAME_SIZE]; /* of made-up items */
    json_t *document;                  /* holds the texts of the others */
};

/* ---- making items up ---- */

#define CHOOSE(array, n) ((array)[(n) % (sizeof(array) / sizeof *(array))])

static const char *const ADJECTIVES[] = {"Alpha", "Brisk",  "Calm",  "Deep",
                                         "Early", "Fair",   "Grand", "Humble",
                                         "Ideal", "Jovial", "Keen"};
static const char *const NOUNS[] = {"Lamp",   "Kettle", "Notebook", "Chair",
                                    "Camera", "Rope",   "Speaker"};
static const char *const CATEGORIES[] = {"electronics", "office", "kitchen",
                                         "garden", "toys"};
static const char *const TAGS[] = {"new",    "fast",  "sale", "light",
                                   "sturdy", "quiet", "rare"};

/* Spreads the bits of a number, so that neighbours have nothing in common. */
static uint32_t scatter(uint32_t n)
{
    n = (n ^ n >> 16) * 0x7feb352dU;
    n = (n ^ n >> 15) * 0x846ca68bU;
    return n ^ n >> 16;
}

void item_make_up(struct item *item, int id, char name[ITEM_NAME_SIZE])
{
    uint32_t dice = scatter((uint32_t)id);
    snprintf(name, ITEM_NAME_SIZE, "%s %s %d", CHOOSE(ADJECTIVES, dice),
             CHOOSE(NOUNS, dice / 11), id);
    *item = (struct item){
        .id = id,
        .name = name,
        .category = CHOOSE(CATEGORIES, dice / 77),
        .price = 1 + dice / 385 % 500,
        .quantity = 1 + dice / 193 % 100,
        .active = dice % 3 != 0,
        .tags = {CHOOSE(TAGS, dice / 5), CHOOSE(TAGS, dice / 5 + 1),
                 CHOOSE(TAGS, dice / 5 + 3)},
        .tag_count = dice / 13 % 4,
        .score = dice / 17 % 51,
        .raters = dice / 19 % 1000,
    };
}

/* ---- reading them from a file ---- */

static int read_tags(struct item *item, const json_t *tags)
{
    size_t i;
    const json_t *tag;
    item->tag_count = json_array_size(tags);
    if (item->tag_count > TAGS_MAX)
        return ED_EPARSE;
    json_array_foreach(tags, i, tag)
    {
        item->tags[i] = json_string_value(tag);
        if (!item->tags[i])
            return ED_EPARSE;
    }
    return 0;
}

static int read_item(struct item *item, json_t *json)
{
    json_int_t id, price, quantity, score, raters;
    int active;
    json_t *tags;
    if (json_unpack(json, "{s:I, s:s, s:s, s:I, s:I, s:b, s:o, s:{s:I, s:I}}",
                    "id", &id, "name", &item->name, "category", &item->category,
                    "price", &price, "quantity", &quantity, "active", &active,
                    "tags", &tags, "rating", "score", &score, "count",
                    &raters) < 0)
        return ED_EPARSE;
    if (llabs(price) > FACTOR_MAX || llabs(quantity) > FACTOR_MAX)
        return ED_EPARSE;
    item->id = id;
    item->price = price;
    item->quantity = quantity;
    item->active = active;
    item->score = score;
    item->raters = raters;
    return read_tags(item, tags);
}

static int read_file(struct dataset *d, const char *path)
{
    json_error_t error;
    d->document = json_load_file(path, 0, &error);
    if (!d->document)
        return ed_fail(ED_EPARSE, "%s:%d: %s", path, error.line, error.text);
    d->count = json_array_size(d->document);
    if (d->count < 1 || d->count > ITEMS)
        return ed_fail(ED_EPARSE, "%s: not an array of 1 to %d items", path,
                       ITEMS);
    for (size_t i = 0; i < d->count; i++) {
        if (read_item(&d->items[i], json_array_get(d->document, i)))
            return ed_fail(ED_EPARSE, "%s: item %zu is none", path, i);
    }
    return 0;
}

int dataset_load(struct dataset **out, const char *path)
{
    struct dataset *d = calloc(1, sizeof *d);
    *out = d;
    if (!d)
        return ED_ENOMEM;
    if (path)
        return read_file(d, path);
    for (int i = 0; i < ITEMS; i++)
        item_make_up(&d->items[i], i + 1, d->names[i]);
    d->count = ITEMS;
    return 0;
}

void dataset_free(struct dataset *dataset)
{
    if (dataset)
        json_decref(dataset->document);
    free(dataset);
}

/* ---- the route ---- */

void write_tags(ed_json *j, const struct item *item)
{
    ed_json_array(j);
    for (size_t i = 0; i < item->tag_count; i++)
        ed_json_text(j, item->tags[i]);
    ed_json_end(j);
}

static void write_item(ed_json *j, const struct item *item, int64_t m)
{
    ed_json_object(j);
    ed_json_key(j, "id");
    ed_json_int(j, item->id);
    ed_json_key(j, "name");
    ed_json_text(j, item->name);
    ed_json_key(j, "category");
    ed_json_text(j, item->category);
    ed_json_key(j, "price");
    ed_json_int(j, item->price);
    ed_json_key(j, "quantity");
    ed_json_int(j, item->quantity);
    ed_json_key(j, "active");
    ed_json_bool(j, item->active);
    ed_json_key(j, "tags");
    write_tags(j, item);
    ed_json_key(j, "rating");
    ed_json_object(j);
    ed_json_key(j, "score");
    ed_json_int(j, item->score);
    ed_json_key(j, "count");
    ed_json_int(j, item->raters);
    ed_json_end(j);
    ed_json_key(j, "total");
    ed_json_int(j, item->price * item->quantity * m);
    ed_json_end(j);
}

/* GET /json/{count:int}?m= */
static int json_items(ed_req *req)
{
    const struct dataset *d = arena_of(req)->items;
    int64_t count = clamp(ed_arg_int(req, "count"), 1, (int64_t)d->count);
    int64_t m = query_number(req, "m", -FACTOR_MAX, FACTOR_MAX, 1);

    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_object(j);
    ed_json_key(j, "items");
    ed_json_array(j);
    for (int64_t i = 0; i < count; i++)
        write_item(j, &d->items[i], m);
    ed_json_end(j);
    ed_json_key(j, "count");
    ed_json_int(j, count);
    ed_json_end(j);
    return ed_json_finish(j);
}

/* Compressed for whoever asks for it, and for nobody else. */
void dataset_routes(ed_app *app)
{
    ed_group *group = ed_group_new(app, "/json");
    ed_use_compression(group);
    ed_group_route(group, "GET /{count:int}", json_items);
}
