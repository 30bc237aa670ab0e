/*
 * frames.h - just enough of WebSockets (RFC 6455) for the load generator and
 * the raw baseline: a handshake that is always the same, and the frames of
 * messages that are not long.
 */
#ifndef EDDY_BENCH_FRAMES_H
#define EDDY_BENCH_FRAMES_H

#include "bench.h"

/* The RFC's own example of a key and of its answer: who always sends the one
 * need not compute the other, and a server that computes it is checked. */
#define WS_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

#define WS_FIN        0x80
#define WS_COMPRESSED 0x40 /* RFC 7692, 6 */
#define WS_OPCODE     0x0f
#define WS_TEXT       1
#define WS_CLOSE      8

#define WS_MASKED   0x80
#define WS_MASK_LEN 4
#define WS_16_BITS  126 /* in the second byte: the length follows */

/* The longest head of a frame that is written here, its mask included. */
#define WS_HEAD_MAX (4 + WS_MASK_LEN)

struct ws_frame {
    uint8_t first;  /* WS_FIN, WS_COMPRESSED and the opcode */
    bool masked;    /* with the four bytes before the payload */
    size_t head;    /* the length of what is before the payload */
    size_t payload; /* its length */
};

/* Reads the head of a frame; false while not all of the frame is there. */
static inline bool ws_read_frame(struct ws_frame *f, const uint8_t *p, size_t n)
{
    if (n < 2)
        return false;
    f->first = p[0];
    f->masked = p[1] & WS_MASKED;
    f->head = 2;
    f->payload = p[1] & ~WS_MASKED;
    if (f->payload == WS_16_BITS) {
        if (n < 4)
            return false;
        f->head = 4;
        f->payload = (size_t)p[2] << 8 | p[3];
    } else if (f->payload > WS_16_BITS) {
        errno = 0;
        die("a frame of more than 65535 bytes");
    }
    if (f->masked)
        f->head += WS_MASK_LEN;
    return n >= f->head + f->payload;
}

/* Writes the head of a frame that is not masked; returns its length. */
static inline size_t ws_write_head(uint8_t *out, uint8_t first, size_t payload)
{
    out[0] = first;
    if (payload < WS_16_BITS) {
        out[1] = (uint8_t)payload;
        return 2;
    }
    out[1] = WS_16_BITS;
    out[2] = (uint8_t)(payload >> 8);
    out[3] = (uint8_t)payload;
    return 4;
}

/* Masks or unmasks a payload. */
static inline void ws_mask(uint8_t *out, const uint8_t *p, size_t n,
                           const uint8_t mask[WS_MASK_LEN])
{
    uint64_t twice, word;
    size_t i = 0;

    memcpy(&twice, mask, WS_MASK_LEN);
    memcpy((char *)&twice + WS_MASK_LEN, mask, WS_MASK_LEN);
    for (; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        word ^= twice;
        memcpy(out + i, &word, sizeof word);
    }
    for (; i < n; i++)
        out[i] = p[i] ^ mask[i % WS_MASK_LEN];
}

#endif
