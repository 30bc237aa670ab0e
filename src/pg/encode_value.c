/*
 * encode_value.c - a value of C as text that PostgreSQL reads.
 *
 * The same text whatever the session's settings and the program's locale.
 */
#include "pg/encode_value.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "wire/json_writer.h"
#include "wire/pg_array.h"
#include "wire/pg_time.h"
#include "wire/pg_uuid.h"
#include <eddy/error.h>
#include <math.h>

bool pg_value_null(const struct ed_pg_value *v)
{
    if (v->kind == ED_PG_TEXT || v->kind == ED_PG_BYTEA)
        return !v->as.bytes.ptr;
    if (v->kind == ED_PG_JSON)
        return !v->as.json;
    if (v->kind == ED_PG_UUID)
        return !v->as.ptr;
    return v->kind == ED_PG_NULL;
}

static int refuse(const char **why, const char *text)
{
    *why = text;
    return ED_EVALUE;
}

/* ---- numbers ---- */

static char *print_int(char *at, int64_t n)
{
    if (n < 0)
        *at++ = '-';
    return ed_json_print_uint(at, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

static char *print_text(char *at, struct ed_bytes text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static char *print_double(char *at, double x)
{
    if (isnan(x))
        return print_text(at, ED_BYTES("NaN"));
    if (isinf(x))
        return print_text(at,
                          x < 0 ? ED_BYTES("-Infinity") : ED_BYTES("Infinity"));
    return ed_json_print_double(at, x);
}

/* ---- texts ---- */

/* What keeps bytes from being a text; NULL: nothing. */
static const char *flaw_of(struct ed_bytes text)
{
    size_t i = 0;

    while (i < text.len) {
        uint64_t eight;

        /* Eight bytes of ASCII at once; a borrow out of a byte that is 0 shows
         * in its top bit, and in none that is not. */
        while (text.len - i >= sizeof eight) {
            memcpy(&eight, text.ptr + i, sizeof eight);
            if ((eight | (eight - 0x0101010101010101)) & 0x8080808080808080)
                break;
            i += sizeof eight;
        }
        if (i == text.len)
            break;
        if (!text.ptr[i])
            return "a text with a NUL in it";
        size_t len = ed_utf8_len(text.ptr + i, text.len - i);
        if (!len)
            return "a text that is not UTF-8";
        i += len;
    }
    return NULL;
}

static int add_text(struct ed_buf *out, struct ed_bytes text, const char **why)
{
    const char *flaw = flaw_of(text);

    return flaw ? refuse(why, flaw) : ed_buf_add(out, text.ptr, text.len);
}

static int add_bytea(struct ed_buf *out, struct ed_bytes bytes)
{
    int err = ed_buf_reserve(out, 2 + 2 * bytes.len);

    if (err)
        return err;
    char *at = print_text(out->ptr + out->len, ED_BYTES("\\x"));
    at = ed_hex_write(at, (const uint8_t *)bytes.ptr, bytes.len);
    *at = '\0';
    out->len = (size_t)(at - out->ptr);
    return 0;
}

static int add_json(struct ed_buf *out, const struct json_t *value,
                    const char **why)
{
    struct ed_json j;

    ed_json_begin(&j, out);
    ed_json_value(&j, value);
    int err = ed_json_finish(&j);
    return err == ED_EUSAGE ? refuse(why, j.why) : err;
}

/* ---- arrays ---- */

static int add_text_element(struct ed_buf *out, struct ed_bytes text,
                            const char **why)
{
    if (!text.ptr)
        return ed_buf_add(out, "NULL", 4);
    const char *flaw = flaw_of(text);
    if (flaw)
        return refuse(why, flaw);
    return pg_array_quote(out, text);
}

static struct ed_bytes text_at(const struct ed_pg_value *array, size_t i)
{
    if (array->width == sizeof(struct ed_bytes))
        return ((const struct ed_bytes *)array->as.ptr)[i];
    return ed_bytes(((const char *const *)array->as.ptr)[i]);
}

static int64_t int_at(const struct ed_pg_value *array, size_t i)
{
    if (array->width == sizeof(int))
        return ((const int *)array->as.ptr)[i];
    return ((const int64_t *)array->as.ptr)[i];
}

static int add_element(struct ed_buf *out, const struct ed_pg_value *array,
                       size_t i, const char **why)
{
    char text[ED_JSON_NUMBER_MAX], *end = text;

    switch (array->of) {
    case ED_PG_BOOL:
        *end++ = ((const bool *)array->as.ptr)[i] ? 't' : 'f';
        break;
    case ED_PG_INT:
        end = print_int(text, int_at(array, i));
        break;
    case ED_PG_DOUBLE:
        end = print_double(text, ((const double *)array->as.ptr)[i]);
        break;
    case ED_PG_TEXT:
        return add_text_element(out, text_at(array, i), why);
    default:
        *why = "an array of what cannot be sent in one";
        return ED_EUSAGE;
    }
    return ed_buf_add(out, text, (size_t)(end - text));
}

static int add_array(struct ed_buf *out, const struct ed_pg_value *array,
                     const char **why)
{
    int err = ed_buf_add(out, "{", 1);

    for (size_t i = 0; !err && i < array->count; i++) {
        if (i)
            err = ed_buf_add(out, ",", 1);
        if (!err)
            err = add_element(out, array, i, why);
    }
    return err ? err : ed_buf_add(out, "}", 1);
}

/* ---- all of them ---- */

static int add_time(struct ed_buf *out, int64_t unix_us, const char **why)
{
    char text[PG_TIME_MAX];
    int64_t us = unix_us;

    if (us != ED_TIME_INFINITY && us != ED_TIME_MINUS_INFINITY &&
        __builtin_sub_overflow(us, PG_EPOCH_US, &us))
        return refuse(why, "a time too early for a timestamp");
    char *end = pg_timestamp_print(text, us, true, PG_SQL);
    return ed_buf_add(out, text, (size_t)(end - text));
}

static int add_date(struct ed_buf *out, struct ed_date date, const char **why)
{
    char text[PG_TIME_MAX];

    if (!pg_date_is(date))
        return refuse(why, "there is no such day");
    char *end = pg_date_print(text, pg_date_days(date), PG_SQL);
    return ed_buf_add(out, text, (size_t)(end - text));
}

static int add_interval(struct ed_buf *out, struct ed_interval interval)
{
    char text[PG_TIME_MAX];
    char *end = pg_interval_print(text, interval, true);

    return ed_buf_add(out, text, (size_t)(end - text));
}

static int add_uuid(struct ed_buf *out, const uint8_t *uuid)
{
    char text[PG_UUID_TEXT];

    (void)pg_uuid_print(text, uuid);
    return ed_buf_add(out, text, sizeof text);
}

int pg_value_text(struct ed_buf *out, const struct ed_pg_value *v,
                  const char **why)
{
    char text[ED_JSON_NUMBER_MAX], *end = text;

    if (pg_value_null(v))
        return 0;
    switch (v->kind) {
    case ED_PG_BOOL:
        *end++ = v->as.boolean ? 't' : 'f';
        break;
    case ED_PG_INT:
        end = print_int(text, v->as.integer);
        break;
    case ED_PG_UINT:
        end = ed_json_print_uint(text, v->as.natural);
        break;
    case ED_PG_DOUBLE:
        end = print_double(text, v->as.real);
        break;
    case ED_PG_TEXT:
        return add_text(out, v->as.bytes, why);
    case ED_PG_BYTEA:
        return add_bytea(out, v->as.bytes);
    case ED_PG_JSON:
        return add_json(out, v->as.json, why);
    case ED_PG_TIME:
        return add_time(out, v->as.integer, why);
    case ED_PG_DATE:
        return add_date(out, v->as.date, why);
    case ED_PG_INTERVAL:
        return add_interval(out, v->as.interval);
    case ED_PG_UUID:
        return add_uuid(out, (const uint8_t *)v->as.ptr);
    case ED_PG_ARRAY:
        return add_array(out, v, why);
    default:
        *why = "no value";
        return ED_EUSAGE;
    }
    return ed_buf_add(out, text, (size_t)(end - text));
}
