/*
 * utf8.h - which bytes are a character (RFC 3629).
 */
#ifndef EDDY_BASE_UTF8_H
#define EDDY_BASE_UTF8_H

#include <eddy/api.h>

/*
 * How many bytes the character at the front of `text` takes, 1 to 4; 0 when
 * there is no valid one: stray or missing continuation bytes, a longer form
 * than needed, a surrogate, or beyond U+10FFFF. `len` is at least 1.
 */
static inline size_t ed_utf8_len(const char *text, size_t len)
{
    const unsigned char *b = (const unsigned char *)text;
    /* The second byte's range is narrower behind some first bytes; that is
     * what rules out longer forms, surrogates and what is beyond the end. */
    unsigned char low = 0x80, high = 0xbf;
    size_t size;

    if (b[0] < 0x80)
        return 1;
    if (b[0] < 0xc2 || b[0] > 0xf4)
        return 0;
    size = b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    if (b[0] == 0xe0)
        low = 0xa0;
    else if (b[0] == 0xed)
        high = 0x9f;
    else if (b[0] == 0xf0)
        low = 0x90;
    else if (b[0] == 0xf4)
        high = 0x8f;
    if (len < size || b[1] < low || b[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

#endif
