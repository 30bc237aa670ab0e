/*
 * pg_array.c - arrays as PostgreSQL sent them, element by element.
 */
#include "wire/pg_array.h"
#include "wire/pg_digits.h"
#include "wire/pg_wire.h"
#include <eddy/error.h>

static void advance(struct pg_array *a, size_t len)
{
    a->rest = ed_bytes_of(a->rest.ptr + len, a->rest.len - len);
}

/* ---- binary ---- */

/* Levels, flags and the elements' type; then for each level how many there are
 * and the first index; then the elements. */
#define HEAD  12
#define LEVEL 8

static int open_levels(struct pg_array *a)
{
    size_t count = 1;

    for (int i = 0; i < a->levels; i++) {
        a->lengths[i] = pg_u32(a->rest.ptr);
        a->lower[i] = (int32_t)pg_u32(a->rest.ptr + 4);
        advance(a, LEVEL);
        /* Each element has a length of four bytes at least. */
        if (!a->lengths[i] || a->lengths[i] > a->rest.len / 4)
            return ED_EPARSE;
        count *= a->lengths[i];
        if (count > a->rest.len / 4)
            return ED_EPARSE;
    }
    return 0;
}

static int open_binary(struct pg_array *a, enum pg_kind element)
{
    if (a->rest.len < HEAD)
        return ED_EPARSE;
    uint32_t levels = pg_u32(a->rest.ptr);
    if (levels > PG_ARRAY_DEPTH || a->rest.len < HEAD + levels * LEVEL ||
        pg_kind_of(pg_u32(a->rest.ptr + 8)) != element)
        return ED_EPARSE;
    advance(a, HEAD);
    a->levels = (int)levels;
    return open_levels(a);
}

static int next_binary_element(struct pg_array *a, struct pg_cell *element)
{
    if (a->rest.len < 4)
        return ED_EPARSE;
    uint32_t len = pg_u32(a->rest.ptr);
    advance(a, 4);
    if (len == UINT32_MAX)
        return PG_ARRAY_NULL;
    if (len > a->rest.len)
        return ED_EPARSE;
    *element = (struct pg_cell){
        .kind = a->element,
        .binary = true,
        .bytes = {a->rest.ptr, len},
    };
    advance(a, len);
    return PG_ARRAY_ELEMENT;
}

static int down(struct pg_array *a)
{
    /* An array without elements has no levels, and is written as if it had. */
    a->left[a->depth] = a->depth < a->levels ? a->lengths[a->depth] : 0;
    a->depth++;
    return PG_ARRAY_DOWN;
}

static int next_binary(struct pg_array *a, struct pg_cell *element)
{
    if (a->ended)
        return a->rest.len ? ED_EPARSE : PG_ARRAY_END;
    if (!a->depth)
        return down(a);
    uint32_t *left = &a->left[a->depth - 1];
    if (!*left) {
        a->ended = !--a->depth;
        return PG_ARRAY_UP;
    }
    --*left;
    return a->depth < a->levels ? down(a) : next_binary_element(a, element);
}

/* ---- text ---- */

/* Indexes that do not begin with 1 are told in front: "[2:4][0:1]={...". */
static int skip_bounds(struct pg_array *a)
{
    if (!ed_bytes_starts(a->rest, ED_BYTES("[")))
        return 0;
    for (size_t i = 0; i < a->rest.len; i++) {
        char c = a->rest.ptr[i];
        if (c == '=') {
            advance(a, i + 1);
            return 0;
        }
        if (!c || !strchr("[]:+-0123456789", c))
            return ED_EPARSE;
    }
    return ED_EPARSE;
}

/* Copies an element to the room, up to what ends it, which is taken only if it
 * is a quote. */
static int copy_element(struct pg_array *a, bool quoted, bool *escaped)
{
    size_t i = 0;

    *escaped = quoted;
    for (; i < a->rest.len; i++) {
        char c = a->rest.ptr[i];
        if (quoted ? c == '"' : c == ',' || c == '}')
            break;
        if (!quoted && (c == '"' || c == '{'))
            return ED_EPARSE;
        if (c == '\\') {
            *escaped = true;
            if (++i == a->rest.len)
                return ED_EPARSE;
            c = a->rest.ptr[i];
        }
        *a->room++ = c;
    }
    if (i == a->rest.len || (!quoted && i == 0))
        return ED_EPARSE;
    advance(a, i + quoted);
    *a->room++ = '\0';
    return 0;
}

static int next_text_element(struct pg_array *a, struct pg_cell *element)
{
    char *begin = a->room;
    bool escaped;
    int err = copy_element(a, pg_take(&a->rest, '"'), &escaped);

    if (err)
        return err;
    a->last = 'x';
    struct ed_bytes text = ed_bytes_of(begin, (size_t)(a->room - begin) - 1);
    if (!escaped && ed_bytes_equal_nocase(text, ED_BYTES("null")))
        return PG_ARRAY_NULL;
    *element = (struct pg_cell){.kind = a->element, .bytes = text};
    return PG_ARRAY_ELEMENT;
}

static int next_text(struct pg_array *a, struct pg_cell *element)
{
    if (a->ended)
        return a->rest.len ? ED_EPARSE : PG_ARRAY_END;
    bool value_may_come = a->last != 'x' && a->last != '}';
    if (!value_may_come && pg_take(&a->rest, ',')) {
        a->last = ',';
        value_may_come = true;
    }
    if (a->last != ',' && a->depth && pg_take(&a->rest, '}')) {
        a->last = '}';
        a->ended = !--a->depth;
        return PG_ARRAY_UP;
    }
    if (!value_may_come)
        return ED_EPARSE;
    if (pg_take(&a->rest, '{')) {
        a->last = '{';
        return ++a->depth <= PG_ARRAY_DEPTH ? PG_ARRAY_DOWN : ED_EPARSE;
    }
    return a->depth ? next_text_element(a, element) : ED_EPARSE;
}

/* ---- both ---- */

int pg_array_open(struct pg_array *a, const struct pg_cell *cell, char *room)
{
    *a = (struct pg_array){
        .rest = cell->bytes,
        .room = room,
        .element = cell->element,
        .binary = cell->binary,
    };
    if (cell->kind == PG_ARRAY && cell->binary)
        return open_binary(a, cell->element);
    if (cell->kind == PG_ARRAY || (cell->kind == PG_UNKNOWN && !cell->binary))
        return skip_bounds(a);
    return ED_EPARSE;
}

int pg_array_next(struct pg_array *a, struct pg_cell *element)
{
    return a->binary ? next_binary(a, element) : next_text(a, element);
}

size_t pg_array_most(const struct pg_array *a)
{
    size_t most = 1;

    if (a->binary)
        return a->rest.len / 4;
    for (size_t i = 0; i < a->rest.len; i++)
        most += a->rest.ptr[i] == ',';
    return most;
}

/* ---- writing ---- */

static bool needs_quotes(struct ed_bytes text)
{
    if (!text.len || ed_bytes_equal_nocase(text, ED_BYTES("null")))
        return true;
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("\"\\{}, \t\n\v\f\r", text.ptr[i]))
            return true;
    }
    return false;
}

int pg_array_quote(struct ed_buf *out, struct ed_bytes text)
{
    if (!needs_quotes(text))
        return ed_buf_add(out, text.ptr, text.len);
    int err = ed_buf_reserve(out, 2 * text.len + 2);
    if (err)
        return err;
    char *at = out->ptr + out->len;
    *at++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            *at++ = '\\';
        *at++ = text.ptr[i];
    }
    *at++ = '"';
    *at = '\0';
    out->len = (size_t)(at - out->ptr);
    return 0;
}

static int add_bounds(struct ed_buf *out, const struct pg_array *a)
{
    bool told = false;
    int err = 0;

    for (int i = 0; i < a->levels; i++)
        told |= a->lower[i] != 1;
    if (!told)
        return 0;
    for (int i = 0; !err && i < a->levels; i++)
        err = ed_buf_addf(out, "[%ld:%ld]", (long)a->lower[i],
                          (long)a->lower[i] + (long)a->lengths[i] - 1);
    return err ? err : ed_buf_add(out, "=", 1);
}

static int add_element(struct ed_buf *out, const struct pg_cell *element,
                       struct ed_buf *scratch)
{
    struct ed_bytes text;

    if (pg_cell_is_text(element, &text))
        return pg_array_quote(out, text);
    scratch->len = 0;
    int err = pg_cell_text(scratch, element);
    return err ? err : pg_array_quote(out, ed_buf_bytes(scratch));
}

static int add_events(struct ed_buf *out, struct pg_array *a,
                      struct ed_buf *scratch)
{
    struct pg_cell element;
    bool comma = false;
    int err = 0;

    while (!err) {
        int event = pg_array_next(a, &element);
        if (event <= 0) /* PG_ARRAY_END or an error */
            return event;
        if (comma && event != PG_ARRAY_UP)
            err = ed_buf_add(out, ",", 1);
        comma = event != PG_ARRAY_DOWN;
        if (err)
            break;
        if (event == PG_ARRAY_DOWN)
            err = ed_buf_add(out, "{", 1);
        else if (event == PG_ARRAY_UP)
            err = ed_buf_add(out, "}", 1);
        else if (event == PG_ARRAY_NULL)
            err = ed_buf_add(out, "NULL", 4);
        else
            err = add_element(out, &element, scratch);
    }
    return err;
}

int pg_array_text(struct ed_buf *out, const struct pg_cell *cell)
{
    struct ed_buf scratch = {0};
    struct pg_array a;
    size_t before = out->len;
    int err = pg_array_open(&a, cell, NULL);

    if (err)
        return err;
    err = add_bounds(out, &a);
    if (!err)
        err = add_events(out, &a, &scratch);
    ed_buf_free(&scratch);
    if (err && out->ptr)
        out->ptr[out->len = before] = '\0';
    return err;
}
