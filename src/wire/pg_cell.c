/*
 * pg_cell.c - what can be read from a value as PostgreSQL sent it.
 */
#include "wire/pg_cell.h"
#include "base/hex.h"
#include "wire/pg_number.h"
#include "wire/pg_time.h"
#include "wire/pg_uuid.h"
#include "wire/pg_wire.h"
#include <eddy/error.h>

/* ---- numbers ---- */

static int read_binary_int(const struct pg_cell *cell, int64_t *n)
{
    const char *at = cell->bytes.ptr;
    size_t len = cell->bytes.len;

    switch (cell->kind) {
    case PG_INT2:
        if (len != 2)
            return ED_EPARSE;
        *n = (int16_t)pg_u16(at);
        return 0;
    case PG_INT4:
        if (len != 4)
            return ED_EPARSE;
        *n = (int32_t)pg_u32(at);
        return 0;
    case PG_OID:
        if (len != 4)
            return ED_EPARSE;
        *n = pg_u32(at);
        return 0;
    case PG_INT8:
        if (len != 8)
            return ED_EPARSE;
        *n = (int64_t)pg_u64(at);
        return 0;
    default:
        return ED_EPARSE;
    }
}

static bool is_integer(enum pg_kind kind)
{
    return kind == PG_INT2 || kind == PG_INT4 || kind == PG_INT8 ||
           kind == PG_OID;
}

int pg_cell_int(const struct pg_cell *cell, int64_t *n)
{
    if (is_integer(cell->kind))
        return cell->binary ? read_binary_int(cell, n)
                            : ed_bytes_int(cell->bytes, n);
    if (cell->kind == PG_NUMERIC)
        return cell->binary ? pg_numeric_int(cell->bytes, n)
                            : pg_int_read(cell->bytes, n);
    if (cell->kind == PG_TEXT || (cell->kind == PG_UNKNOWN && !cell->binary))
        return pg_int_read(ed_bytes_trim(cell->bytes), n);
    return ED_EPARSE;
}

static int read_binary_float(const struct pg_cell *cell, double *x)
{
    if (cell->kind == PG_FLOAT4 && cell->bytes.len == 4) {
        uint32_t bits = pg_u32(cell->bytes.ptr);
        float f;
        memcpy(&f, &bits, sizeof f);
        *x = f;
        return 0;
    }
    if (cell->kind == PG_FLOAT8 && cell->bytes.len == 8) {
        uint64_t bits = pg_u64(cell->bytes.ptr);
        memcpy(x, &bits, sizeof *x);
        return 0;
    }
    return ED_EPARSE;
}

static int read_exactly(const struct pg_cell *cell, double *x)
{
    int64_t n;
    int err = pg_cell_int(cell, &n);

    if (err)
        return err;
    /* The largest are rounded up to 2^63, which is no int64_t. */
    if ((double)n >= 0x1p63 || (int64_t)(double)n != n)
        return ED_EPARSE;
    *x = (double)n;
    return 0;
}

static int read_numeric_double(const struct pg_cell *cell, double *x)
{
    struct ed_buf text = {0};
    int err = pg_numeric_text(&text, cell->bytes);

    if (!err)
        err = pg_double_read(ed_buf_bytes(&text), x);
    ed_buf_free(&text);
    return err;
}

int pg_cell_double(const struct pg_cell *cell, double *x)
{
    if (is_integer(cell->kind))
        return read_exactly(cell, x);
    switch (cell->kind) {
    case PG_FLOAT4:
    case PG_FLOAT8:
        return cell->binary ? read_binary_float(cell, x)
                            : pg_double_read(cell->bytes, x);
    case PG_NUMERIC:
        return cell->binary ? read_numeric_double(cell, x)
                            : pg_double_read(cell->bytes, x);
    case PG_TEXT:
        return pg_double_read(cell->bytes, x);
    case PG_UNKNOWN:
        return cell->binary ? ED_EPARSE : pg_double_read(cell->bytes, x);
    default:
        return ED_EPARSE;
    }
}

int pg_cell_bool(const struct pg_cell *cell, bool *truth)
{
    if (cell->kind != PG_BOOL || cell->bytes.len != 1)
        return ED_EPARSE;
    char c = cell->bytes.ptr[0];
    if (!cell->binary && c != 't' && c != 'f')
        return ED_EPARSE;
    *truth = cell->binary ? c != 0 : c == 't';
    return 0;
}

/* ---- times ---- */

static int read_timestamp(const struct pg_cell *cell, int64_t *us)
{
    if (!cell->binary)
        return pg_timestamp_read(cell->bytes, us);
    if (cell->bytes.len != 8)
        return ED_EPARSE;
    *us = (int64_t)pg_u64(cell->bytes.ptr);
    return 0;
}

static int read_date(const struct pg_cell *cell, int32_t *days)
{
    if (!cell->binary)
        return pg_date_read(cell->bytes, days);
    if (cell->bytes.len != 4)
        return ED_EPARSE;
    *days = (int32_t)pg_u32(cell->bytes.ptr);
    return 0;
}

static int timestamp_of_date(const struct pg_cell *cell, int64_t *us)
{
    int32_t days;
    int64_t n;
    int err = read_date(cell, &days);

    if (err)
        return err;
    if (days == PG_DATE_INFINITY)
        n = ED_TIME_INFINITY;
    else if (days == PG_DATE_MINUS_INFINITY)
        n = ED_TIME_MINUS_INFINITY;
    else if (__builtin_mul_overflow((int64_t)days, PG_DAY_US, &n))
        return ED_EPARSE;
    *us = n;
    return 0;
}

int pg_cell_timestamp(const struct pg_cell *cell, int64_t *us)
{
    switch (cell->kind) {
    case PG_TIMESTAMP:
    case PG_TIMESTAMPTZ:
        return read_timestamp(cell, us);
    case PG_DATE:
        return timestamp_of_date(cell, us);
    default:
        return ED_EPARSE;
    }
}

int pg_cell_date(const struct pg_cell *cell, int32_t *days)
{
    int64_t us;

    if (cell->kind == PG_DATE)
        return read_date(cell, days);
    int err = pg_cell_timestamp(cell, &us);
    if (err)
        return err;
    if (us == ED_TIME_INFINITY)
        *days = PG_DATE_INFINITY;
    else if (us == ED_TIME_MINUS_INFINITY)
        *days = PG_DATE_MINUS_INFINITY;
    else
        *days = (int32_t)pg_timestamp_day(us);
    return 0;
}

int pg_cell_interval(const struct pg_cell *cell, struct ed_interval *interval)
{
    const char *at = cell->bytes.ptr;

    if (cell->kind != PG_INTERVAL)
        return ED_EPARSE;
    if (!cell->binary)
        return pg_interval_read(cell->bytes, interval);
    if (cell->bytes.len != 16)
        return ED_EPARSE;
    *interval = (struct ed_interval){
        .microseconds = (int64_t)pg_u64(at),
        .days = (int32_t)pg_u32(at + 8),
        .months = (int32_t)pg_u32(at + 12),
    };
    return 0;
}

/* ---- bytes ---- */

int pg_cell_uuid(const struct pg_cell *cell, uint8_t uuid[16])
{
    if (cell->kind == PG_TEXT || (cell->kind == PG_UUID && !cell->binary))
        return pg_uuid_read(cell->bytes, uuid);
    if (cell->kind != PG_UUID || cell->bytes.len != 16)
        return ED_EPARSE;
    memcpy(uuid, cell->bytes.ptr, 16);
    return 0;
}

static int read_hex(struct ed_bytes text, char *out, size_t *len)
{
    if (text.len % 2)
        return ED_EPARSE;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = ed_hex_value(text.ptr[i]);
        int low = ed_hex_value(text.ptr[i + 1]);
        if (high < 0 || low < 0)
            return ED_EPARSE;
        out[i / 2] = (char)(high << 4 | low);
    }
    *len = text.len / 2;
    return 0;
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* bytea_output escape: "\\" is a backslash, "\012" any byte. */
static int read_escapes(struct ed_bytes text, char *out, size_t *len)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    char *to = out;

    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
        } else if (end - at >= 2 && at[1] == '\\') {
            *to++ = '\\';
            at += 2;
        } else if (end - at >= 4 && at[1] >= '0' && at[1] <= '3' &&
                   is_octal(at[2]) && is_octal(at[3])) {
            *to++ =
                (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            at += 4;
        } else {
            return ED_EPARSE;
        }
    }
    *len = (size_t)(to - out);
    return 0;
}

int pg_cell_bytea(const struct pg_cell *cell, char *out, size_t *len)
{
    struct ed_bytes b = cell->bytes;

    if (cell->kind != PG_BYTEA)
        return ED_EPARSE;
    if (cell->binary) {
        memcpy(out, b.ptr, b.len);
        *len = b.len;
        return 0;
    }
    if (ed_bytes_starts(b, ED_BYTES("\\x")))
        return read_hex(ed_bytes_of(b.ptr + 2, b.len - 2), out, len);
    return read_escapes(b, out, len);
}
