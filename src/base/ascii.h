/*
 * ascii.h - letters of either case, whatever the locale is.
 */
#ifndef EDDY_BASE_ASCII_H
#define EDDY_BASE_ASCII_H

#include <eddy/bytes.h>

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

#endif
