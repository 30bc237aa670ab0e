/*
 * rows.h - how a result of libpq becomes rows in an arena.
 */
#ifndef EDDY_PG_ROWS_H
#define EDDY_PG_ROWS_H

#include <eddy/arena.h>
#include <eddy/rows.h>
#include <libpq-fe.h>

/* What feeds the rows of a stream. */
struct pg_rows_source {
    /* Gets the next result (PGRES_SINGLE_TUPLE) for the caller to clear, or
     * NULL at the end with *err 0 or why. Suspends. */
    PGresult *(*next)(struct pg_rows_source *source, int *err);
    /* Called once: after the end, an error, or when the rows are closed. Does
     * not suspend. */
    void (*close)(struct pg_rows_source *source);
};

/*
 * Copies a result (PGRES_TUPLES_OK or PGRES_COMMAND_OK) into the arena, in one
 * allocation; the result stays the caller's. Called in the loop as well as in
 * fibers. 0 or ED_ENOMEM.
 */
ED_CHECK int pg_rows_of(ed_rows **out, ed_arena *arena, const PGresult *result);

/* Rows that come from a source, closed by ed_rows_close() and at the end. Made
 * with the arena of the fiber; each row is in memory of the rows' own. 0, or
 * ED_ENOMEM, the source then not being closed. */
ED_CHECK int pg_rows_stream(ed_rows **out, ed_arena *arena,
                            struct pg_rows_source *source);

/* The number in a command's tag, such as that of "INSERT 0 1"; 0 without. */
int64_t pg_rows_affected_by(const PGresult *result);

/* Whether all of a result's columns are of types whose binary form the
 * accessors read, and at least one is faster so: then it is worth asking for
 * binary. `result` is of PQdescribePrepared, or any with rows. */
bool pg_rows_binary_better(const PGresult *result);

#endif
