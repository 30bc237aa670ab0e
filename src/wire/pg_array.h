/*
 * pg_array.h - arrays as PostgreSQL sent them, in text or in binary, element by
 * element.
 *
 *     struct pg_array a;
 *     struct pg_cell element;
 *     int what = pg_array_open(&a, cell, room);
 *     while (what >= 0 && what != PG_ARRAY_END)
 *         what = pg_array_next(&a, &element);
 *
 * Pure; any thread.
 */
#ifndef EDDY_WIRE_PG_ARRAY_H
#define EDDY_WIRE_PG_ARRAY_H

#include "wire/pg_cell.h"

/* Of the server. */
#define PG_ARRAY_DEPTH 6

enum pg_array_event {
    PG_ARRAY_END,
    PG_ARRAY_DOWN, /* "{": into an array, the outermost as well */
    PG_ARRAY_UP,   /* "}" */
    PG_ARRAY_ELEMENT,
    PG_ARRAY_NULL,
};

/* Where a reader is; its members are private. */
struct pg_array {
    struct ed_bytes rest;
    char *room;
    enum pg_kind element;
    bool binary, ended;
    int depth;
    /* text: */
    char last; /* of "{", "}", ",", and "x" for an element: what was read */
    /* binary: */
    int levels;
    uint32_t lengths[PG_ARRAY_DEPTH]; /* of each */
    uint32_t left[PG_ARRAY_DEPTH];    /* to be read */
    int32_t lower[PG_ARRAY_DEPTH];    /* the first index */
};

/*
 * Begins to read an array, or the text of an unknown type, which may be one. In
 * text, elements without their escapes are written to `room`, which must have
 * as many bytes as the cell and stay as long as elements are used; binary ones
 * need none (NULL). 0, or ED_EPARSE.
 */
ED_CHECK int pg_array_open(struct pg_array *a, const struct pg_cell *cell,
                           char *room);

/* The next event; *element is set with PG_ARRAY_ELEMENT only, and
 * NUL-terminated if it is text. Or ED_EPARSE. */
ED_CHECK int pg_array_next(struct pg_array *a, struct pg_cell *element);

/* How many elements there are at most. */
size_t pg_array_most(const struct pg_array *a);

/* Adds the text of a binary array. 0, ED_EPARSE, ED_ENOMEM; `out` is as it was
 * on failure. */
ED_CHECK int pg_array_text(struct ed_buf *out, const struct pg_cell *cell);

/* Adds an element in the quotes it may need: for arrays as text. */
ED_CHECK int pg_array_quote(struct ed_buf *out, struct ed_bytes text);

#endif
