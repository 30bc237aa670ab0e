/*
 * rows_internal.h - how rows lie in memory, for the files that read them.
 */
#ifndef EDDY_PG_ROWS_INTERNAL_H
#define EDDY_PG_ROWS_INTERNAL_H

#include "base/magic.h"
#include "pg/rows.h"
#include "wire/pg_cell.h"

struct pg_column {
    const char *name;
    uint32_t name_len;
    uint32_t oid;
    bool binary;
};

/* A value; ptr NULL: a null. A NUL stands behind it. */
struct pg_slot {
    const char *ptr;
    size_t len;
};

struct ed_rows {
    ED_MAGIC;
    int error;       /* the first, to be told by ed_rows_error() */
    const char *why; /* its text */
    size_t count;    /* rows there are, or have come */
    size_t at;       /* the row at hand, from 1; 0: before the first */
    size_t width;    /* columns */
    int64_t affected;
    struct pg_column *columns;
    struct pg_slot *slots;         /* of all rows, or of a stream's one */
    ed_arena *home;                /* where the rows lie */
    ed_arena *arena;               /* for what values are turned into */
    struct pg_rows_source *source; /* a stream that has not ended; or NULL */
    bool stream;
};

#define ED_ROWS_MAGIC 0x524f5753u

/* Remembers an error, if it is the first, with a text about it; the fiber's
 * ed_error() is that of the first one. */
ED_PRINTF(3, 4)
void pg_rows_fail(ed_rows *rows, int err, const char *fmt, ...);

/* The cell of a column in the row at hand. False for a null, for a column or a
 * row that is not there, which are remembered, and for NULL rows. */
ED_CHECK bool pg_rows_cell(ed_rows *rows, struct ed_column column,
                           size_t *index, struct pg_cell *cell);

/* Remembers that what a column holds is not what was asked for (ED_EPARSE), or
 * could not be read for lack of memory (ED_ENOMEM). */
void pg_rows_refuse(ed_rows *rows, size_t index, const struct pg_cell *cell,
                    const char *wanted, int err);

/* What ed_rows_bytes() gives, of any cell. 0, ED_EPARSE, ED_ENOMEM. */
ED_CHECK int pg_rows_bytes(ed_rows *rows, const struct pg_cell *cell,
                           struct ed_bytes *bytes);

/* Memory that lives as long as the values at hand; NULL is remembered. */
void *pg_rows_room(ed_rows *rows, size_t size);

#endif
