/*
 * rows_values.c - the value of a column, as the kind that was asked for.
 *
 * What is sent in binary is read in binary, what is sent in text in text, with
 * the same outcome. What cannot be read as asked is remembered, and reads as a
 * null does.
 */
#include "pg/rows_internal.h"
#include "base/utf8.h"
#include "wire/json_read.h"
#include "wire/pg_time.h"
#include <eddy/error.h>
#include <eddy/json.h>
#include <jansson.h>

/* ---- mistakes ---- */

/* As much of a value as is told in an error. */
#define SHOWN_MAX 40

static int shown_len(struct ed_bytes text)
{
    size_t len = 0;

    while (len < text.len && len < SHOWN_MAX) {
        size_t size = ed_utf8_len(text.ptr + len, text.len - len);
        if (!size || len + size > SHOWN_MAX)
            break;
        len += size;
    }
    return (int)len;
}

static void refuse(ed_rows *rows, size_t index, struct ed_bytes held,
                   const char *wanted)
{
    const struct pg_column *c = &rows->columns[index];
    const struct pg_type *type = pg_type_of(c->oid);

    pg_rows_fail(rows, ED_EUSAGE, "column '%.60s' (%s%s) is not %s: %.*s%s",
                 c->name, type->name, type->kind == PG_ARRAY ? "[]" : "",
                 wanted, shown_len(held), held.ptr,
                 held.len > SHOWN_MAX ? "..." : "");
}

static void refuse_malformed(ed_rows *rows, size_t index)
{
    const struct pg_column *c = &rows->columns[index];
    const struct pg_type *type = pg_type_of(c->oid);

    if (type->kind == PG_UNKNOWN)
        pg_rows_fail(rows, ED_EUSAGE,
                     "column '%.60s': type %u is not read in binary", c->name,
                     c->oid);
    else
        pg_rows_fail(rows, ED_EUSAGE, "column '%.60s' (%s%s) is malformed",
                     c->name, type->name, type->kind == PG_ARRAY ? "[]" : "");
}

void pg_rows_refuse(ed_rows *rows, size_t index, const struct pg_cell *cell,
                    const char *wanted, int err)
{
    struct ed_buf text = {0};

    if (err == ED_EPARSE)
        err = pg_cell_text(&text, cell);
    if (err == ED_ENOMEM)
        pg_rows_fail(rows, err, "no memory for a value");
    else if (err)
        refuse_malformed(rows, index);
    else
        refuse(rows, index, ed_buf_bytes(&text), wanted);
    ed_buf_free(&text);
}

/* Whether a reader of pg_cell.h made it. */
static bool settle(int err, ed_rows *rows, size_t index,
                   const struct pg_cell *cell, const char *wanted)
{
    if (err)
        pg_rows_refuse(rows, index, cell, wanted, err);
    return !err;
}

/* ---- scalars ---- */

long long ed_rows_int_(ed_rows *rows, struct ed_column column)
{
    struct pg_cell cell;
    size_t index;
    int64_t n = 0;

    if (!pg_rows_cell(rows, column, &index, &cell))
        return 0;
    int err = pg_cell_int(&cell, &n);
    return settle(err, rows, index, &cell, "a whole number of 64 bits") ? n : 0;
}

double ed_rows_double_(ed_rows *rows, struct ed_column column)
{
    struct pg_cell cell;
    size_t index;
    double x = 0;

    if (!pg_rows_cell(rows, column, &index, &cell))
        return 0;
    int err = pg_cell_double(&cell, &x);
    return settle(err, rows, index, &cell, "a number that a double holds") ? x
                                                                           : 0;
}

bool ed_rows_bool_(ed_rows *rows, struct ed_column column)
{
    struct pg_cell cell;
    size_t index;
    bool truth = false;

    if (!pg_rows_cell(rows, column, &index, &cell))
        return false;
    int err = pg_cell_bool(&cell, &truth);
    return settle(err, rows, index, &cell, "a boolean") && truth;
}

void ed_rows_uuid_(ed_rows *rows, struct ed_column column, uint8_t out[16])
{
    struct pg_cell cell;
    size_t index;

    memset(out, 0, 16);
    if (!pg_rows_cell(rows, column, &index, &cell))
        return;
    int err = pg_cell_uuid(&cell, out);
    (void)settle(err, rows, index, &cell, "a uuid"); /* zeros then */
}

/* ---- times ---- */

static bool is_infinite(int64_t us)
{
    return us == ED_TIME_INFINITY || us == ED_TIME_MINUS_INFINITY;
}

int64_t ed_rows_time_(ed_rows *rows, struct ed_column column)
{
    struct pg_cell cell;
    size_t index;
    int64_t us = 0;

    if (!pg_rows_cell(rows, column, &index, &cell))
        return 0;
    int err = pg_cell_timestamp(&cell, &us);
    if (!err && !is_infinite(us) &&
        (__builtin_add_overflow(us, PG_EPOCH_US, &us) || is_infinite(us)))
        err = ED_EPARSE; /* years from 294247 on */
    return settle(err, rows, index, &cell,
                  "a time in ISO style that fits into 64 bits")
               ? us
               : 0;
}

struct ed_date ed_rows_date_(ed_rows *rows, struct ed_column column)
{
    struct pg_cell cell;
    size_t index;
    int32_t days = 0;

    if (!pg_rows_cell(rows, column, &index, &cell))
        return (struct ed_date){0};
    int err = pg_cell_date(&cell, &days);
    if (days == PG_DATE_INFINITY || days == PG_DATE_MINUS_INFINITY)
        err = ED_EPARSE;
    return settle(err, rows, index, &cell, "a day") ? pg_date_of(days)
                                                    : (struct ed_date){0};
}

struct ed_interval ed_rows_interval_(ed_rows *rows, struct ed_column column)
{
    struct ed_interval interval = {0};
    struct pg_cell cell;
    size_t index;

    if (!pg_rows_cell(rows, column, &index, &cell))
        return interval;
    int err = pg_cell_interval(&cell, &interval);
    (void)settle(err, rows, index, &cell,
                 "an interval in style postgres or iso_8601"); /* 0 then */
    return interval;
}

/* ---- texts and bytes ---- */

/* A cell that has to be written anew, in the arena. */
static int write_text(ed_rows *rows, const struct pg_cell *cell,
                      struct ed_bytes *text)
{
    struct ed_buf buf = {0};
    char *copy = NULL;
    int err = pg_cell_text(&buf, cell);

    if (!err)
        copy = pg_rows_room(rows, buf.len + 1);
    if (copy)
        *text = ed_bytes_of(memcpy(copy, buf.ptr, buf.len + 1), buf.len);
    ed_buf_free(&buf);
    return err || copy ? err : ED_ENOMEM;
}

static int read_text(ed_rows *rows, const struct pg_cell *cell,
                     struct ed_bytes *text)
{
    return pg_cell_is_text(cell, text) ? 0 : write_text(rows, cell, text);
}

static int read_bytea(ed_rows *rows, const struct pg_cell *cell,
                      struct ed_bytes *bytes)
{
    size_t len;

    *bytes = cell->bytes;
    if (cell->binary)
        return 0;
    char *room = pg_rows_room(rows, cell->bytes.len + 1);
    if (!room)
        return ED_ENOMEM;
    int err = pg_cell_bytea(cell, room, &len);
    if (err)
        return err;
    room[len] = '\0';
    *bytes = ed_bytes_of(room, len);
    return 0;
}

int pg_rows_bytes(ed_rows *rows, const struct pg_cell *cell,
                  struct ed_bytes *bytes)
{
    return cell->kind == PG_BYTEA ? read_bytea(rows, cell, bytes)
                                  : read_text(rows, cell, bytes);
}

/* What a type's own text or bytes cannot be but by a fault of the sender. */
#define WELL_FORMED "well-formed"

const char *ed_rows_text_(ed_rows *rows, struct ed_column column)
{
    struct ed_bytes text;
    struct pg_cell cell;
    size_t index;

    if (!pg_rows_cell(rows, column, &index, &cell))
        return "";
    int err = read_text(rows, &cell, &text);
    return settle(err, rows, index, &cell, WELL_FORMED) ? text.ptr : "";
}

struct ed_bytes ed_rows_bytes_(ed_rows *rows, struct ed_column column)
{
    static const struct ed_bytes empty = {"", 0};
    struct ed_bytes bytes;
    struct pg_cell cell;
    size_t index;

    if (!pg_rows_cell(rows, column, &index, &cell))
        return empty;
    int err = pg_rows_bytes(rows, &cell, &bytes);
    return settle(err, rows, index, &cell, WELL_FORMED) ? bytes : empty;
}

/* ---- json ---- */

struct json_t *ed_rows_json_(ed_rows *rows, struct ed_column column)
{
    struct pg_cell cell;
    struct ed_bytes text;
    json_error_t error;
    size_t index;

    if (!pg_rows_cell(rows, column, &index, &cell))
        return NULL;
    json_t *value = NULL;
    if (cell.kind != PG_ARRAY && pg_cell_is_text(&cell, &text))
        value = ed_json_load(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!value)
        pg_rows_refuse(rows, index, &cell, "JSON", ED_EPARSE);
    return value;
}
