/*
 * rows_arrays.c - the elements of a column's array, in the arena.
 */
#include "pg/rows_internal.h"
#include "base/size.h"
#include "wire/pg_array.h"
#include <eddy/error.h>

/* Reads an element that is no null into its place: 0, ED_EPARSE, ED_ENOMEM. */
typedef int read_fn(ed_rows *rows, const struct pg_cell *cell, void *place);

struct kind {
    const char *wanted;
    size_t size;
    read_fn *read;
};

/* Reads all elements; their number, or an error. */
static ssize_t read_all(ed_rows *rows, struct pg_array *a,
                        const struct kind *kind, char *places)
{
    struct pg_cell element;
    size_t count = 0;
    int event;

    while ((event = pg_array_next(a, &element)) > 0) {
        int err = 0;
        if (event != PG_ARRAY_ELEMENT && event != PG_ARRAY_NULL)
            continue;
        char *place = places + count++ * kind->size;
        if (event == PG_ARRAY_NULL)
            memset(place, 0, kind->size);
        else
            err = kind->read(rows, &element, place);
        if (err)
            return err;
    }
    return event ? event : (ssize_t)count;
}

/* Reads an array into room for as many elements as there may be, and, in text,
 * for theirs. Their number, or an error. */
static ssize_t read_array(ed_rows *rows, const struct pg_cell *cell,
                          const struct kind *kind, const void **out)
{
    char *texts = NULL;
    struct pg_array a;
    size_t size;

    if (!cell->binary)
        texts = pg_rows_room(rows, cell->bytes.len + 1);
    if (!cell->binary && !texts)
        return ED_ENOMEM;
    int err = pg_array_open(&a, cell, texts);
    if (err)
        return err;
    if (!ed_size_mul(pg_array_most(&a), kind->size, &size))
        return ED_ENOMEM;
    char *places = pg_rows_room(rows, size);
    *out = places;
    return places ? read_all(rows, &a, kind, places) : ED_ENOMEM;
}

static size_t elements(ed_rows *rows, struct ed_column column,
                       const struct kind *kind, const void **out)
{
    struct pg_cell cell;
    size_t index;

    *out = NULL;
    if (!pg_rows_cell(rows, column, &index, &cell))
        return 0;
    ssize_t count = read_array(rows, &cell, kind, out);
    if (count >= 0)
        return (size_t)count;
    pg_rows_refuse(rows, index, &cell, kind->wanted, (int)count);
    *out = NULL;
    return 0;
}

/* ---- the kinds ---- */

static int read_int(ed_rows *rows, const struct pg_cell *cell, void *place)
{
    (void)rows;
    return pg_cell_int(cell, place);
}

static int read_double(ed_rows *rows, const struct pg_cell *cell, void *place)
{
    (void)rows;
    return pg_cell_double(cell, place);
}

static int read_text(ed_rows *rows, const struct pg_cell *cell, void *place)
{
    return pg_rows_bytes(rows, cell, place);
}

size_t ed_rows_ints_(ed_rows *rows, struct ed_column column,
                     const int64_t **out)
{
    static const struct kind kind = {"an array of whole numbers",
                                     sizeof(int64_t), read_int};
    const void *places;
    size_t count = elements(rows, column, &kind, &places);

    *out = places;
    return count;
}

size_t ed_rows_doubles_(ed_rows *rows, struct ed_column column,
                        const double **out)
{
    static const struct kind kind = {"an array of numbers", sizeof(double),
                                     read_double};
    const void *places;
    size_t count = elements(rows, column, &kind, &places);

    *out = places;
    return count;
}

size_t ed_rows_texts_(ed_rows *rows, struct ed_column column,
                      const struct ed_bytes **out)
{
    static const struct kind kind = {"an array", sizeof(struct ed_bytes),
                                     read_text};
    const void *places;
    size_t count = elements(rows, column, &kind, &places);

    *out = places;
    return count;
}
