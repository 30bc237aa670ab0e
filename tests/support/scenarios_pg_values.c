/*
 * scenarios_pg_values.c - what is given to PostgreSQL and what comes back,
 * without one: results are made by hand.
 */
#include "scenarios_run.h"

#include "pg/encode.h"
#include "pg/rows.h"
#include <eddy/arena.h>
#include <eddy/error.h>
#include <eddy/json.h>
#include <jansson.h>
#include <string.h>

static void clear_result(PGresult **result)
{
    PQclear(*result);
}
#define RESULT_AUTO __attribute__((cleanup(clear_result)))

static void free_params(struct pg_params *p)
{
    pg_params_free(p);
}
#define PARAMS_AUTO __attribute__((cleanup(free_params)))

static void free_arena(ed_arena **arena)
{
    ed_arena_free(*arena);
}
#define ARENA_AUTO __attribute__((cleanup(free_arena)))

static void free_buf(struct ed_buf *buf)
{
    ed_buf_free(buf);
}
#define BUF_AUTO __attribute__((cleanup(free_buf)))

/* One row: a long bytea and a timestamp in binary, an array in text. */
static PGresult *make_result(void)
{
    static char bytes[5000], stamp[8], array[] = "{{\"a,b\"},{NULL}}";
    char names[][8] = {"bytes", "stamp", "array"};
    PGresAttDesc columns[] = {{.name = names[0], .typid = 17, .format = 1},
                              {.name = names[1], .typid = 1184, .format = 1},
                              {.name = names[2], .typid = 1009}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    if (!PQsetResultAttrs(result, 3, columns) ||
        !PQsetvalue(result, 0, 0, bytes, sizeof bytes) ||
        !PQsetvalue(result, 0, 1, stamp, sizeof stamp) ||
        !PQsetvalue(result, 0, 2, array, sizeof array - 1)) {
        PQclear(result);
        return NULL;
    }
    return result;
}

/* What is read of the row at hand is right, or an error is remembered. */
static int check_row(ed_rows *rows)
{
    const struct ed_bytes *texts;
    size_t bytes_len = strlen(ed_rows_text(rows, "bytes"));
    const char *stamp = ed_rows_text(rows, "stamp");
    size_t count = ed_rows_texts(rows, "array", &texts);
    int err = ed_rows_error(rows);

    if (err)
        return err;
    return expect(bytes_len == 2 + 10000 && count == 2 && !texts[1].ptr &&
                  !strcmp(stamp, "2000-01-01 00:00:00+00") &&
                  ed_bytes_equal(texts[0], ED_BYTES("a,b")));
}

static int check_json(ed_rows *rows)
{
    struct ed_buf text BUF_AUTO = {0};
    struct ed_json j;

    ed_json_begin(&j, &text);
    ed_json_row(&j, rows);
    int err = ed_json_finish(&j);
    return err ? err : expect(text.len > 10000);
}

static int check_rows(const PGresult *result)
{
    ed_arena *arena ARENA_AUTO = ed_arena_new(0);
    ed_rows *rows = NULL;
    int err = arena ? pg_rows_of(&rows, arena, result) : ED_ENOMEM;

    if (!err)
        err = check_row(rows);
    return err ? err : check_json(rows);
}

/* Gives a copy of a result, twice, and lets others run before. */
struct copies {
    struct pg_rows_source source;
    const PGresult *result;
    int left;
};

static PGresult *next_copy(struct pg_rows_source *source, int *err)
{
    struct copies *c = (struct copies *)source;

    *err = ed_yield();
    if (*err || !c->left--)
        return NULL;
    PGresult *copy =
        PQcopyResult(c->result, PG_COPYRES_ATTRS | PG_COPYRES_TUPLES);
    *err = copy ? 0 : ED_ENOMEM;
    return copy;
}

static void close_copies(struct pg_rows_source *source)
{
    (void)source;
}

static int check_stream(const PGresult *result)
{
    struct copies c = {{next_copy, close_copies}, result, 2};
    ed_arena *arena ARENA_AUTO = ed_arena_new(0);
    ed_rows *rows ED_ROWS_AUTO = NULL;
    int err = arena ? pg_rows_stream(&rows, arena, &c.source) : ED_ENOMEM;

    if (err)
        return err;
    while (ed_rows_next(rows)) {
        err = check_row(rows);
        if (err)
            return err;
    }
    err = ed_rows_error(rows);
    return err ? err : expect(ed_rows_count(rows) == 2);
}

static int check_params(void)
{
    const char *texts[] = {"a", NULL, "b c"};
    const struct ed_pg_value values[] = {ed_pg_value(1), ed_array(texts, 3),
                                         ed_time(0)};
    struct pg_params p PARAMS_AUTO = {0};
    struct ed_buf line BUF_AUTO = {0};
    int err = pg_encode(&p, values, 3);

    if (!err)
        err = pg_encode_copy(&line, &values[1]);
    if (err)
        return err;
    return expect(!strcmp(p.values[1], "{a,NULL,\"b c\"}") &&
                  !strcmp(p.values[2], "1970-01-01 00:00:00+00") &&
                  !strcmp(line.ptr, p.values[1]));
}

int run_pg_values(void *arg)
{
    (void)arg;
    PGresult *result RESULT_AUTO = make_result();
    int err = result ? check_rows(result) : ED_ENOMEM;

    if (!err)
        err = check_stream(result);
    return err ? err : check_params();
}
