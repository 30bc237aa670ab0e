/*
 * slot.c - keys to slots: CRC-16/XMODEM, modulo their number.
 */
#include "redis/slot.h"

/* The polynomial x^16 + x^12 + x^5 + 1, for four bits at a time. */
static const uint16_t REMAINDERS[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
};

static uint16_t crc16(struct ed_bytes bytes)
{
    uint16_t crc = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = (uint8_t)bytes.ptr[i];
        crc = (uint16_t)(crc << 4) ^ REMAINDERS[(crc >> 12) ^ (byte >> 4)];
        crc = (uint16_t)(crc << 4) ^ REMAINDERS[(crc >> 12) ^ (byte & 15)];
    }
    return crc;
}

/* The part of a key that decides. */
static struct ed_bytes tag_of(struct ed_bytes key)
{
    struct ed_bytes tag = key;

    ed_bytes_cut(&tag, '{');
    if (!tag.ptr)
        return key;
    struct ed_bytes rest = tag;
    tag = ed_bytes_cut(&rest, '}');
    return rest.ptr && tag.len ? tag : key;
}

unsigned redis_slot_of(struct ed_bytes key)
{
    return crc16(tag_of(key)) % REDIS_SLOTS;
}
