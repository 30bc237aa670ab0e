/*
 * rows_json.c - values of rows, written as JSON.
 *
 * What JSON has is written as such; what it has not, as the text that
 * PostgreSQL's to_json() makes of it, timestamps in UTC as JavaScript reads
 * them. Nothing is allocated for the values that are most usual.
 */
#include "pg/rows_internal.h"
#include "wire/pg_array.h"
#include "wire/pg_time.h"
#include <eddy/error.h>
#include <eddy/json.h>
#include <stdlib.h>

/* Whether a text is a number as JSON has it: not NaN and the infinities. */
static bool is_finite(struct ed_bytes text)
{
    size_t digit = text.len && text.ptr[0] == '-';

    return digit < text.len && text.ptr[digit] >= '0' && text.ptr[digit] <= '9';
}

/* A text of the server's, as it is where it is JSON already: numbers keep all
 * their digits. */
static void put_as_written(ed_json *j, enum pg_kind kind, struct ed_bytes text)
{
    bool number = kind == PG_NUMERIC || kind == PG_FLOAT4;

    if (kind == PG_JSON || kind == PG_JSONB || (number && is_finite(text)))
        ed_json_raw(j, text);
    else if (kind == PG_FLOAT4)
        ed_json_null(j);
    else
        ed_json_bytes(j, text);
}

static int put_text(ed_json *j, const struct pg_cell *cell)
{
    struct ed_buf written = {0};
    struct ed_bytes text;

    if (pg_cell_is_text(cell, &text)) {
        put_as_written(j, cell->kind, text);
        return 0;
    }
    int err = pg_cell_text(&written, cell);
    if (!err)
        put_as_written(j, cell->kind, ed_buf_bytes(&written));
    ed_buf_free(&written);
    return err;
}

static int put_int(ed_json *j, const struct pg_cell *cell)
{
    int64_t n;
    int err = pg_cell_int(cell, &n);

    if (!err)
        ed_json_int(j, n);
    return err;
}

static int put_double(ed_json *j, const struct pg_cell *cell)
{
    double x;
    int err = pg_cell_double(cell, &x);

    if (!err)
        ed_json_double(j, x);
    return err;
}

static int put_bool(ed_json *j, const struct pg_cell *cell)
{
    bool truth;
    int err = pg_cell_bool(cell, &truth);

    if (!err)
        ed_json_bool(j, truth);
    return err;
}

static int put_date(ed_json *j, const struct pg_cell *cell)
{
    char text[PG_TIME_MAX];
    int32_t days;
    int err = pg_cell_date(cell, &days);

    if (err)
        return err;
    char *end = pg_date_print(text, days, PG_ISO);
    ed_json_bytes(j, ed_bytes_of(text, (size_t)(end - text)));
    return 0;
}

static int put_timestamp(ed_json *j, const struct pg_cell *cell)
{
    char text[PG_TIME_MAX];
    int64_t us;
    int err = pg_cell_timestamp(cell, &us);

    if (err)
        return err;
    char *end =
        pg_timestamp_print(text, us, cell->kind == PG_TIMESTAMPTZ, PG_ISO);
    ed_json_bytes(j, ed_bytes_of(text, (size_t)(end - text)));
    return 0;
}

static int put_scalar(ed_json *j, const struct pg_cell *cell)
{
    switch (cell->kind) {
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
    case PG_OID:
        return put_int(j, cell);
    case PG_FLOAT8:
        return put_double(j, cell);
    case PG_BOOL:
        return put_bool(j, cell);
    case PG_DATE:
        return put_date(j, cell);
    case PG_TIMESTAMP:
    case PG_TIMESTAMPTZ:
        return put_timestamp(j, cell);
    default:
        return put_text(j, cell);
    }
}

static int put_elements(ed_json *j, struct pg_array *a)
{
    struct pg_cell element;
    int event, err = 0;

    while (!err && (event = pg_array_next(a, &element)) != PG_ARRAY_END) {
        if (event == PG_ARRAY_DOWN)
            ed_json_array(j);
        else if (event == PG_ARRAY_UP)
            ed_json_end(j);
        else if (event == PG_ARRAY_NULL)
            ed_json_null(j);
        else
            err = event < 0 ? event : put_scalar(j, &element);
    }
    return err;
}

/* Not in the arena, which others may use while a slow client is waited for. */
static int put_array(ed_json *j, const struct pg_cell *cell)
{
    struct pg_array a;
    char *room = cell->binary ? NULL : malloc(cell->bytes.len + 1);

    if (!cell->binary && !room)
        return ED_ENOMEM;
    int err = pg_array_open(&a, cell, room);
    if (!err)
        err = put_elements(j, &a);
    free(room);
    return err;
}

/* A value that cannot be written leaves the writer without one, or in the
 * middle of an array: the JSON as a whole fails, and says so. */
static void put_cell(ed_json *j, ed_rows *rows, size_t index,
                     const struct pg_cell *cell)
{
    int err = cell->kind == PG_ARRAY ? put_array(j, cell) : put_scalar(j, cell);

    if (!err)
        return;
    pg_rows_refuse(rows, index, cell, "well-formed", err);
    ed_json_raw(j, (struct ed_bytes){0});
}

void ed_json_column_(struct ed_json *j, ed_rows *rows, struct ed_column column)
{
    struct pg_cell cell;
    size_t index;

    if (pg_rows_cell(rows, column, &index, &cell))
        put_cell(j, rows, index, &cell);
    else
        ed_json_null(j);
}

void ed_json_row(struct ed_json *j, ed_rows *rows)
{
    ed_json_object(j);
    for (size_t i = 0; i < ed_rows_columns(rows); i++) {
        const struct pg_column *c = &rows->columns[i];
        ed_json_key_bytes(j, ed_bytes_of(c->name, c->name_len));
        ed_json_column_(j, rows, ed_column_at_((int64_t)i));
    }
    ed_json_end(j);
}
