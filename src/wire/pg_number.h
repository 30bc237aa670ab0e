/*
 * pg_number.h - numerics and floating-point numbers, in binary and in text.
 *
 * Pure, and the same in every locale; any thread.
 */
#ifndef EDDY_WIRE_PG_NUMBER_H
#define EDDY_WIRE_PG_NUMBER_H

#include <eddy/bytes.h>

/* Adds the text of a binary numeric, with every digit of it. 0, ED_EPARSE,
 * ED_ENOMEM; `out` is as it was on failure. */
ED_CHECK int pg_numeric_text(struct ed_buf *out, struct ed_bytes binary);

/* A binary numeric that is a whole number and fits: 0, or ED_EPARSE. */
ED_CHECK int pg_numeric_int(struct ed_bytes binary, int64_t *n);

/* A text that is a number, "NaN", "Infinity" or "-Infinity", NUL-terminated:
 * 0, or ED_EPARSE, also for one too large. */
ED_CHECK int pg_double_read(struct ed_bytes text, double *x);

/* A text that is a whole number, such as "12" and "12.00". */
ED_CHECK int pg_int_read(struct ed_bytes text, int64_t *n);

/* Print as the server does with extra_float_digits 1: the fewest digits that
 * read as the same, never a decimal halfway between two. At most
 * PG_FLOAT_MAX bytes, without a NUL; return the end. */
#define PG_FLOAT_MAX 32
char *pg_float8_print(char *at, double x);
char *pg_float4_print(char *at, float x);

#endif
