/*
 * pg_digits.h - numbers of a fixed width, as dates and times are made of.
 */
#ifndef EDDY_WIRE_PG_DIGITS_H
#define EDDY_WIRE_PG_DIGITS_H

#include "wire/json_writer.h"
#include <eddy/bytes.h>

/* Writes a number with zeros before it, `least` digits in all or more. Returns
 * the end. */
static inline char *pg_digits_put(char *at, uint64_t n, int least)
{
    for (uint64_t limit = 10; least > 1; least--, limit *= 10) {
        if (n < limit) {
            memset(at, '0', (size_t)least - 1);
            at += least - 1;
            break;
        }
    }
    return ed_json_print_uint(at, n);
}

/* Takes a character off the front, if it is there. */
static inline bool pg_take(struct ed_bytes *text, char c)
{
    if (!text->len || text->ptr[0] != c)
        return false;
    *text = ed_bytes_of(text->ptr + 1, text->len - 1);
    return true;
}

/* Takes `least` to `most` digits off the front, of 19 at most. */
static inline bool pg_digits_take(struct ed_bytes *text, size_t least,
                                  size_t most, uint64_t *n)
{
    size_t len = 0;

    *n = 0;
    while (len < text->len && len < most && text->ptr[len] >= '0' &&
           text->ptr[len] <= '9')
        *n = *n * 10 + (uint64_t)(text->ptr[len++] - '0');
    *text = ed_bytes_of(text->ptr + len, text->len - len);
    return len >= least;
}

/* Takes ".789" off the front, if it is there, in millionths. */
static inline bool pg_fraction_take(struct ed_bytes *text, int64_t *us)
{
    uint64_t n = 0;
    size_t before;

    *us = 0;
    if (!pg_take(text, '.'))
        return true;
    before = text->len;
    if (!pg_digits_take(text, 1, 6, &n))
        return false;
    for (size_t len = before - text->len; len < 6; len++)
        n *= 10;
    *us = (int64_t)n;
    return true;
}

#endif
