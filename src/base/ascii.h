/*
 * ascii.h - letters and digits, whatever the locale is.
 */
#ifndef EDDY_BASE_ASCII_H
#define EDDY_BASE_ASCII_H

#include <eddy/bytes.h>
#include <eddy/error.h>
#include <stdint.h>

static inline bool ed_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ed_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ed_is_alnum(char c)
{
    return ed_is_letter(c) || ed_is_digit(c);
}

static inline char ed_lower_char(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Writes `from` in small letters to `to`, which has room for it and may be
 * where it is. */
static inline void ed_lower(char *to, struct ed_bytes from)
{
    for (size_t i = 0; i < from.len; i++)
        to[i] = ed_lower_char(from.ptr[i]);
}

/* ed_bytes_int() of digits alone: a sign is ED_EPARSE. */
ED_CHECK static inline int ed_digits_read(struct ed_bytes text, int64_t *value)
{
    return text.len && ed_is_digit(text.ptr[0]) ? ed_bytes_int(text, value)
                                                : ED_EPARSE;
}

/* The most digits that a number has. */
enum { ED_DIGITS_MAX = 20 };

/* Writes the digits of a number so that they stop before `end`; returns where
 * they begin. Safe in the handler of a signal. */
static inline char *ed_digits_write(char *end, uint64_t number)
{
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return end;
}

#endif
