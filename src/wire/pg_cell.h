/*
 * pg_cell.h - a value as PostgreSQL sent it, in text or in binary, and what can
 * be read from it. That it is not null is seen by who has it.
 *
 * Readers return 0, or ED_EPARSE with the result untouched: when the type is
 * not one they read, the bytes are malformed, or the value does not fit.
 *
 * Pure; any thread.
 */
#ifndef EDDY_WIRE_PG_CELL_H
#define EDDY_WIRE_PG_CELL_H

#include "wire/pg_type.h"
#include <eddy/bytes.h>
#include <eddy/pg_value.h>

struct pg_cell {
    enum pg_kind kind;
    enum pg_kind element; /* of an ARRAY */
    bool binary;
    struct ed_bytes bytes; /* as text they are NUL-terminated */
};

/* Whole numbers: of integers, oids, and of numerics and texts that are one. */
ED_CHECK int pg_cell_int(const struct pg_cell *cell, int64_t *n);

/* The same, and any numeric, real and double precision. Integers are exact or
 * refused. */
ED_CHECK int pg_cell_double(const struct pg_cell *cell, double *x);

ED_CHECK int pg_cell_bool(const struct pg_cell *cell, bool *truth);

/* Microseconds since 2000, of timestamps and dates; days since then. */
ED_CHECK int pg_cell_timestamp(const struct pg_cell *cell, int64_t *us);
ED_CHECK int pg_cell_date(const struct pg_cell *cell, int32_t *days);

ED_CHECK int pg_cell_interval(const struct pg_cell *cell,
                              struct ed_interval *interval);

/* Of a uuid, or a text that is one. */
ED_CHECK int pg_cell_uuid(const struct pg_cell *cell, uint8_t uuid[16]);

/* A bytea's bytes, which are at most as many as the cell's: writes them to
 * `out` and their number to *len. */
ED_CHECK int pg_cell_bytea(const struct pg_cell *cell, char *out, size_t *len);

/* Whether the cell's own bytes, from *text on, are its text. */
bool pg_cell_is_text(const struct pg_cell *cell, struct ed_bytes *text);

/* Adds the text, as the server writes it with TimeZone UTC, DateStyle ISO,
 * IntervalStyle postgres, bytea_output hex. Also ED_ENOMEM; `out` is then as it
 * was, and on ED_EPARSE as well. */
ED_CHECK int pg_cell_text(struct ed_buf *out, const struct pg_cell *cell);

#endif
