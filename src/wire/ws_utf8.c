/*
 * ws_utf8.c - whether text that comes in pieces is UTF-8.
 */
#include "wire/ws_utf8.h"

/* Which bytes may follow a first byte is what rules out longer forms than
 * needed, surrogates, and what is beyond U+10FFFF. */
static const struct first {
    uint8_t from, to; /* first bytes */
    uint8_t missing;
    uint8_t low, high; /* of the second */
} FIRST[] = {
    {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
    {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f},
    {0xee, 0xef, 2, 0x80, 0xbf}, {0xf0, 0xf0, 3, 0x90, 0xbf},
    {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

static bool begin_character(struct ed_ws_utf8 *utf8, uint8_t byte)
{
    for (size_t i = 0; i < sizeof(FIRST) / sizeof(*FIRST); i++) {
        const struct first *f = &FIRST[i];
        if (byte > f->to)
            continue;
        if (byte < f->from)
            return false;
        utf8->missing = f->missing;
        utf8->low = f->low;
        utf8->high = f->high;
        return true;
    }
    return false;
}

/* Passes what is ASCII, in large steps. */
static const char *pass_ascii(const char *at, const char *end)
{
    enum { WORDS = 4, STEP = WORDS * sizeof(uint64_t) };
    static const uint64_t tops = 0x8080808080808080u;
    uint64_t words[WORDS];

    for (; (size_t)(end - at) >= STEP; at += STEP) {
        memcpy(words, at, STEP);
        if ((words[0] | words[1] | words[2] | words[3]) & tops)
            break;
    }
    for (; (size_t)(end - at) >= sizeof(*words); at += sizeof(*words)) {
        memcpy(words, at, sizeof(*words));
        if (words[0] & tops)
            break;
    }
    while (at < end && (uint8_t)*at < 0x80)
        at++;
    return at;
}

/* Reads on inside of a character. NULL: wrong. */
static const char *go_on(struct ed_ws_utf8 *utf8, const char *at,
                         const char *end)
{
    while (utf8->missing && at < end) {
        uint8_t byte = (uint8_t)*at++;
        if (byte < utf8->low || byte > utf8->high)
            return NULL;
        utf8->missing--;
        utf8->low = 0x80;
        utf8->high = 0xbf;
    }
    return at;
}

bool ed_ws_utf8_read(struct ed_ws_utf8 *utf8, struct ed_bytes piece)
{
    const char *at = piece.ptr, *end = at + piece.len;

    while (at && at < end) {
        at = go_on(utf8, at, end);
        if (!at)
            return false;
        /* Characters of one script stand together. */
        if (at < end && (uint8_t)*at < 0x80)
            at = pass_ascii(at, end);
        if (at < end && !utf8->missing &&
            !begin_character(utf8, (uint8_t)*at++))
            return false;
    }
    return true;
}

bool ed_ws_utf8_is_valid(struct ed_bytes text)
{
    struct ed_ws_utf8 utf8 = {0};

    return ed_ws_utf8_read(&utf8, text) && ed_ws_utf8_may_end(&utf8);
}
