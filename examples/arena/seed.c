/*
 * seed.c - arena --seed: makes the tables and fills them by COPY, always with
 * the same rows. All of it is one transaction, so that a service that runs
 * meanwhile sees the old rows, and then the new.
 */
#include "arena.h"

#include <eddy/log.h>
#include <eddy/pg_copy.h>

enum { WORLDS = 10000, ITEMS = 100000 };

static const char SCHEMA[] = "create table if not exists world ("
                             "  id integer primary key,"
                             "  randomnumber integer not null);"
                             "create table if not exists fortune ("
                             "  id integer primary key,"
                             "  message varchar(2048) not null);"
                             "create table if not exists items ("
                             "  id integer primary key,"
                             "  name text not null,"
                             "  category text not null,"
                             "  price integer not null,"
                             "  quantity integer not null,"
                             "  active boolean not null,"
                             "  tags jsonb not null,"
                             "  rating_score integer not null,"
                             "  rating_count integer not null);"
                             "truncate world, fortune, items";

static const char *const FORTUNES[] = {
    "A test that cannot fail has not been run.",
    "The shortest queue is the one nobody stands in.",
    "Whoever measures once is surprised; whoever measures twice is late.",
    "Any fast enough program is waiting for a slow one.",
    "There are two hard things: names, caches, and counting from zero.",
    "Ask a database twice, and it will know the answer.",
    "Every deadline was once a comfortable distance.",
    "Even an idle connection costs somebody something.",
    "To err is human; to retry with jitter is better.",
    "<script>alert(\"This message is not to be obeyed.\");</script>",
    "It worked & nobody knows why.",
    "フレームワークのベンチマーク",
};

static int copy_worlds(ed_pg *db)
{
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    int err = ed_pg_copy_in(db, &in, "copy world from stdin");
    for (int id = 1; !err && id <= WORLDS; id++) {
        int number = 1 + (int)(id * INT64_C(7919) % WORLDS);
        err = ed_pg_copy_row(in, ed_v(id), ed_v(number));
    }
    return err ? err : ed_pg_copy_end(in, NULL);
}

static int copy_fortunes(ed_pg *db)
{
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    int count = sizeof FORTUNES / sizeof *FORTUNES;
    int err = ed_pg_copy_in(db, &in, "copy fortune from stdin");
    for (int i = 0; !err && i < count; i++)
        err = ed_pg_copy_row(in, ed_v(i + 1), ed_v(FORTUNES[i]));
    return err ? err : ed_pg_copy_end(in, NULL);
}

static int copy_item(ed_pg_copy *in, struct ed_buf *tags, int id)
{
    char name[ITEM_NAME_SIZE];
    struct item item;
    struct ed_json json;
    item_make_up(&item, id, name);
    tags->len = 0;
    ed_json_begin(&json, tags);
    write_tags(&json, &item);
    int err = ed_json_finish(&json);
    if (err)
        return err;
    return ed_pg_copy_row(in, ed_v(item.id), ed_v(item.name),
                          ed_v(item.category), ed_v(item.price),
                          ed_v(item.quantity), ed_v(item.active),
                          ed_v(tags->ptr), ed_v(item.score), ed_v(item.raters));
}

static int copy_items(ed_pg *db)
{
    struct ed_buf tags __attribute__((cleanup(ed_buf_free))) = {0};
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    int err = ed_pg_copy_in(db, &in, "copy items from stdin");
    for (int id = 1; !err && id <= ITEMS; id++)
        err = copy_item(in, &tags, id);
    return err ? err : ed_pg_copy_end(in, NULL);
}

static int fill_tables(ed_pg *db)
{
    ed_pg_transaction(tx, db);
    int err = ed_pg_script(tx, SCHEMA);
    if (!err)
        err = copy_worlds(tx);
    if (!err)
        err = copy_fortunes(tx);
    if (!err)
        err = copy_items(tx);
    return err ? err : ed_pg_commit(tx);
}

int seed(void *db)
{
    int err = fill_tables(db);
    /* What the planner knows of the new rows; not within a transaction. */
    if (!err)
        err = ed_pg_exec(db, "vacuum analyze world, fortune, items");
    if (err < 0) {
        ed_log_error("not seeded: %s", ed_error());
        return err;
    }
    ed_log_info("seeded: %d worlds, %zu fortunes, %d items", WORLDS,
                sizeof FORTUNES / sizeof *FORTUNES, ITEMS);
    return 0;
}
