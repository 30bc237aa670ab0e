/*
 * hex.h - hexadecimal digits.
 */
#ifndef EDDY_BASE_HEX_H
#define EDDY_BASE_HEX_H

#include <stddef.h>
#include <stdint.h>

/* The value of a digit of either case; -1 for anything else. */
static inline int ed_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Writes two small digits for each byte, without a NUL; returns where they
 * end. */
static inline char *ed_hex_write(char *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    return out;
}

#endif
