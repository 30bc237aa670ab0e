/*
 * pg_uuid.c - uuids, as 16 bytes and as text.
 */
#include "wire/pg_uuid.h"
#include "base/hex.h"
#include <eddy/error.h>

/* Bytes before which a hyphen stands. */
static bool has_hyphen(size_t i)
{
    return i == 4 || i == 6 || i == 8 || i == 10;
}

char *pg_uuid_print(char *at, const uint8_t uuid[16])
{
    for (size_t i = 0; i < 16; i++) {
        if (has_hyphen(i))
            *at++ = '-';
        at = ed_hex_write(at, uuid + i, 1);
    }
    return at;
}

int pg_uuid_read(struct ed_bytes text, uint8_t uuid[16])
{
    const char *at = text.ptr;

    if (text.len != PG_UUID_TEXT)
        return ED_EPARSE;
    for (size_t i = 0; i < 16; i++, at += 2) {
        if (has_hyphen(i) && *at++ != '-')
            return ED_EPARSE;
        int high = ed_hex_value(at[0]), low = ed_hex_value(at[1]);
        if (high < 0 || low < 0)
            return ED_EPARSE;
        uuid[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}
