/*
 * encode.c - parameters as libpq wants them.
 *
 * Owns the memory of struct pg_params, which is used again for the next
 * parameters, so that writing down a few costs no allocation.
 */
#include "pg/encode.h"
#include "pg/encode_value.h"
#include "base/size.h"
#include <eddy/error.h>
#include <eddy/fiber.h>
#include <stdlib.h>

#define COUNT_MAX 65535              /* of the protocol: an unsigned 16 bits */
#define BYTES_MAX ((size_t)1 << 30)  /* of a message the server takes */
#define KEEP_MAX  ((size_t)64 << 10) /* what was larger is given back */

enum { BYTEA_OID = 17, UUID_OID = 2950 };

/* Room for `count` values: all arrays in one allocation. */
static int make_room(struct pg_params *p, size_t count)
{
    const size_t each =
        sizeof *p->values + 2 * sizeof *p->lengths + sizeof *p->types;
    size_t size;

    if (count <= p->room_for)
        return 0;
    if (!ed_size_mul(count, each, &size))
        return ED_ENOMEM;
    void *room = malloc(size);
    if (!room)
        return ED_ENOMEM;
    free(p->room);
    p->room = room;
    p->room_for = count;
    p->values = room;
    p->lengths = (int *)(p->values + count);
    p->formats = p->lengths + count;
    p->types = (Oid *)(p->formats + count);
    return 0;
}

static void set(struct pg_params *p, size_t i, int format, Oid type, size_t len)
{
    p->formats[i] = format;
    p->types[i] = type;
    p->lengths[i] = (int)len;
}

/* As they are, in binary: true for what is sent so. */
static bool refer(struct pg_params *p, size_t i, const struct ed_pg_value *v)
{
    if (v->kind == ED_PG_BYTEA) {
        set(p, i, 1, BYTEA_OID, v->as.bytes.len);
        p->values[i] = v->as.bytes.ptr;
        return true;
    }
    if (v->kind == ED_PG_UUID) {
        set(p, i, 1, UUID_OID, 16);
        p->values[i] = v->as.ptr;
        return true;
    }
    return false;
}

/* Writes one down. The buffer may move yet, so that a text is not pointed to
 * before all are written; until then the pointer only tells it from a null. */
static int encode_one(struct pg_params *p, size_t i,
                      const struct ed_pg_value *v, const char **why)
{
    size_t before = p->text.len;

    p->values[i] = NULL;
    if (v->kind == ED_PG_BYTEA && v->as.bytes.len > BYTES_MAX) {
        *why = "more than 1 GiB";
        return ED_EUSAGE;
    }
    if (refer(p, i, v))
        return 0;
    int err = pg_value_text(&p->text, v, why);
    if (!err)
        err = ed_buf_reserve(&p->text, 1);
    if (!err)
        p->text.ptr[p->text.len++] = '\0';
    if (!err && p->text.len > BYTES_MAX) {
        *why = "more than 1 GiB of parameters";
        err = ED_EUSAGE;
    }
    if (err)
        return err;
    set(p, i, 0, 0, p->text.len - before - 1);
    if (!pg_value_null(v))
        p->values[i] = p->text.ptr;
    return 0;
}

/* Texts lie one behind the other, each with its NUL; nulls have an empty one.
 */
static void point_to_texts(struct pg_params *p)
{
    const char *at = p->text.ptr;

    for (int i = 0; i < p->count; i++) {
        if (p->formats[i])
            continue;
        if (p->values[i])
            p->values[i] = at;
        at += p->lengths[i] + 1;
    }
}

int pg_encode(struct pg_params *p, const struct ed_pg_value *values,
              size_t count)
{
    p->count = 0;
    p->text.len = 0;
    if (p->text.cap > KEEP_MAX)
        ed_buf_free(&p->text);
    if (count > COUNT_MAX)
        return ed_fail(ED_EUSAGE, "%zu parameters; %d at most", count,
                       COUNT_MAX);
    int err = make_room(p, count);
    if (err)
        return err;

    for (size_t i = 0; i < count; i++) {
        const char *why = NULL;
        err = encode_one(p, i, &values[i], &why);
        if (err)
            return why ? ed_fail(err, "$%zu: %s", i + 1, why) : err;
    }
    p->count = (int)count;
    point_to_texts(p);
    return 0;
}

void pg_params_free(struct pg_params *p)
{
    free(p->room);
    ed_buf_free(&p->text);
    *p = (struct pg_params){0};
}

/* ---- COPY ---- */

/* The letter that stands behind a backslash for a character that COPY's text
 * format reads otherwise; 0: it stands for itself. */
static char escape_of(char c)
{
    switch (c) {
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\v':
        return 'v';
    case '\\':
        return '\\';
    default:
        return 0;
    }
}

/* Escapes what stands behind `from`, in place: from the end on, since it gets
 * longer. */
static int escape(struct ed_buf *out, size_t from)
{
    size_t more = 0;

    for (size_t i = from; i < out->len; i++)
        more += escape_of(out->ptr[i]) != 0;
    if (!more)
        return 0;
    int err = ed_buf_reserve(out, more);
    if (err)
        return err;
    size_t read = out->len, write = out->len + more;
    out->len = write;
    out->ptr[write] = '\0';
    while (read < write) {
        char c = out->ptr[--read];
        char letter = escape_of(c);
        out->ptr[--write] = letter ? letter : c;
        if (letter)
            out->ptr[--write] = '\\';
    }
    return 0;
}

int pg_encode_copy(struct ed_buf *out, const struct ed_pg_value *value)
{
    const char *why = NULL;
    size_t before = out->len;

    if (pg_value_null(value))
        return ed_buf_add(out, "\\N", 2);
    int err = pg_value_text(out, value, &why);
    if (!err)
        err = escape(out, before);
    if (!err)
        return 0;
    if (out->ptr)
        out->ptr[out->len = before] = '\0';
    return why ? ed_fail(err, "%s", why) : err;
}
