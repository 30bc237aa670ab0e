/*
 * pg_cell_text.c - values as the server writes them, whatever form they came
 * in.
 */
#include "base/hex.h"
#include "wire/json_writer.h"
#include "wire/pg_array.h"
#include "wire/pg_cell.h"
#include "wire/pg_number.h"
#include "wire/pg_time.h"
#include "wire/pg_uuid.h"
#include "wire/pg_wire.h"
#include <eddy/error.h>

static bool ends_in(struct ed_bytes text, struct ed_bytes end)
{
    return text.len >= end.len &&
           !memcmp(text.ptr + text.len - end.len, end.ptr, end.len);
}

/* A timestamp with an offset other than UTC's has to be written anew. */
static bool is_in_utc(struct ed_bytes text)
{
    return ends_in(text, ED_BYTES("+00")) ||
           ends_in(text, ED_BYTES("+00 BC")) ||
           ends_in(text, ED_BYTES("infinity"));
}

bool pg_cell_is_text(const struct pg_cell *cell, struct ed_bytes *text)
{
    struct ed_bytes b = cell->bytes;

    *text = b;
    if (!cell->binary)
        return cell->kind != PG_TIMESTAMPTZ || is_in_utc(b);
    if (cell->kind == PG_JSONB && b.len && b.ptr[0] == 1) {
        *text = ed_bytes_of(b.ptr + 1, b.len - 1);
        return true;
    }
    return cell->kind == PG_TEXT || cell->kind == PG_JSON;
}

/* ---- binary, by kind ---- */

/* Types whose texts have a greatest length. */
#define SHORT_MAX PG_TIME_MAX

static int print_int(char **at, const struct pg_cell *cell)
{
    int64_t n;
    int err = pg_cell_int(cell, &n);

    if (err)
        return err;
    if (n < 0)
        *(*at)++ = '-';
    *at = ed_json_print_uint(*at, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
    return 0;
}

static int print_float(char **at, const struct pg_cell *cell)
{
    double x;
    int err = pg_cell_double(cell, &x);

    if (!err)
        *at = cell->kind == PG_FLOAT4 ? pg_float4_print(*at, (float)x)
                                      : pg_float8_print(*at, x);
    return err;
}

static int print_bool(char **at, const struct pg_cell *cell)
{
    bool truth;
    int err = pg_cell_bool(cell, &truth);

    if (!err)
        *(*at)++ = truth ? 't' : 'f';
    return err;
}

static int print_date(char **at, const struct pg_cell *cell)
{
    int32_t days;
    int err = pg_cell_date(cell, &days);

    if (!err)
        *at = pg_date_print(*at, days, PG_SQL);
    return err;
}

static int print_time(char **at, const struct pg_cell *cell)
{
    if (cell->bytes.len != 8)
        return ED_EPARSE;
    *at = pg_time_print(*at, (int64_t)pg_u64(cell->bytes.ptr));
    return 0;
}

static int print_timestamp(char **at, const struct pg_cell *cell)
{
    int64_t us;
    int err = pg_cell_timestamp(cell, &us);

    if (!err)
        *at = pg_timestamp_print(*at, us, cell->kind == PG_TIMESTAMPTZ, PG_SQL);
    return err;
}

static int print_interval(char **at, const struct pg_cell *cell)
{
    struct ed_interval interval;
    int err = pg_cell_interval(cell, &interval);

    if (!err)
        *at = pg_interval_print(*at, interval, false);
    return err;
}

static int print_uuid(char **at, const struct pg_cell *cell)
{
    uint8_t uuid[16];
    int err = pg_cell_uuid(cell, uuid);

    if (!err)
        *at = pg_uuid_print(*at, uuid);
    return err;
}

static int print_short(char **at, const struct pg_cell *cell)
{
    switch (cell->kind) {
    case PG_BOOL:
        return print_bool(at, cell);
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
    case PG_OID:
        return print_int(at, cell);
    case PG_FLOAT4:
    case PG_FLOAT8:
        return print_float(at, cell);
    case PG_DATE:
        return print_date(at, cell);
    case PG_TIME:
        return print_time(at, cell);
    case PG_TIMESTAMP:
    case PG_TIMESTAMPTZ:
        return print_timestamp(at, cell);
    case PG_INTERVAL:
        return print_interval(at, cell);
    case PG_UUID:
        return print_uuid(at, cell);
    default:
        return ED_EPARSE;
    }
}

static int add_short(struct ed_buf *out, const struct pg_cell *cell)
{
    char text[SHORT_MAX], *end = text;
    int err = print_short(&end, cell);

    return err ? err : ed_buf_add(out, text, (size_t)(end - text));
}

static int add_bytea(struct ed_buf *out, struct ed_bytes bytes)
{
    int err = ed_buf_reserve(out, 2 + 2 * bytes.len);

    if (err)
        return err;
    char *at = out->ptr + out->len;
    *at++ = '\\';
    *at++ = 'x';
    at = ed_hex_write(at, (const uint8_t *)bytes.ptr, bytes.len);
    *at = '\0';
    out->len = (size_t)(at - out->ptr);
    return 0;
}

int pg_cell_text(struct ed_buf *out, const struct pg_cell *cell)
{
    struct ed_bytes text;

    if (pg_cell_is_text(cell, &text))
        return ed_buf_add(out, text.ptr, text.len);
    switch (cell->kind) {
    case PG_BYTEA:
        return add_bytea(out, cell->bytes);
    case PG_NUMERIC:
        return pg_numeric_text(out, cell->bytes);
    case PG_ARRAY:
        return pg_array_text(out, cell);
    default:
        return add_short(out, cell);
    }
}
