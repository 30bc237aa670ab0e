/*
 * ws_deflate.c - messages of a WebSocket, compressed.
 *
 * A message is a piece of raw deflate that ends with an empty stored block, of
 * which the last four bytes, always the same, are left out on the wire.
 */
#include "wire/ws_deflate.h"
#include <assert.h>
#include <eddy/error.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define TAIL_BYTES 4
static const unsigned char TAIL[TAIL_BYTES] = {0x00, 0x00, 0xff, 0xff};

/* zlib's amount of memory besides the window: its default, 8, with the largest,
 * and half of it with half the window: who wants that wants little memory. */
enum { MEMORY_LEVEL_BEHIND = 7, LEAST_BITS = 9 };

static unsigned at_most(size_t len)
{
    return len < UINT_MAX ? (unsigned)len : UINT_MAX;
}

/* ---- decompressing ---- */

struct ed_ws_inflate {
    z_stream z;
    uint8_t tail_at; /* bytes of the tail that were given */
    bool some;       /* bytes of this message were given */
    bool ended;      /* with a block that said it is the last */
};

ed_ws_inflate *ed_ws_inflate_new(int bits)
{
    ed_ws_inflate *z = calloc(1, sizeof(*z));

    if (!z)
        return NULL;
    if (inflateInit2(&z->z, bits < LEAST_BITS ? -LEAST_BITS : -bits) == Z_OK)
        return z;
    free(z);
    return NULL;
}

void ed_ws_inflate_free(ed_ws_inflate *z)
{
    if (!z)
        return;
    inflateEnd(&z->z);
    free(z);
}

static void begin_message(ed_ws_inflate *z)
{
    z->tail_at = 0;
    z->some = false;
    z->ended = false;
}

void ed_ws_inflate_reset(ed_ws_inflate *z)
{
    inflateReset(&z->z);
    begin_message(z);
}

/* Gives zlib `len` bytes at `from`, and *used of them are taken. Returns the
 * bytes written or an error. */
static ssize_t step(ed_ws_inflate *z, const void *from, size_t len, int flush,
                    char *out, size_t room, size_t *used)
{
    unsigned given = at_most(len), asked = at_most(room);

    z->z.next_in = (Bytef *)(uintptr_t)from;
    z->z.avail_in = given;
    z->z.next_out = (Bytef *)out;
    z->z.avail_out = asked;
    int result = inflate(&z->z, flush);
    ssize_t written = (ssize_t)(asked - z->z.avail_out);
    *used = given - z->z.avail_in;
    /* What came out before is given first; zlib says the same again. */
    if (result == Z_MEM_ERROR && !written)
        return ED_ENOMEM;
    if (result == Z_DATA_ERROR && !written)
        return ED_EPROTO;
    z->ended = result == Z_STREAM_END;
    /* A last block is that of a message only: others may follow, and refer to
     * what was before (RFC 7692, 7.2.3.4). */
    if (z->ended)
        inflateResetKeep(&z->z);
    return written;
}

/* What was left out on the wire. */
static ssize_t read_tail(ed_ws_inflate *z, char *out, size_t room)
{
    size_t used;

    do {
        ssize_t n = step(z, TAIL + z->tail_at, TAIL_BYTES - z->tail_at, Z_BLOCK,
                         out, room, &used);
        if (n < 0)
            return n;
        z->tail_at = (uint8_t)(z->tail_at + used);
        if (n)
            return n;
    } while (used && z->tail_at < TAIL_BYTES);
    /* zlib says by this that it stands between two blocks. */
    bool between = z->z.data_type & 128 || z->ended;
    return z->tail_at == TAIL_BYTES && between ? 0 : ED_EPROTO;
}

ssize_t ed_ws_inflate_read(ed_ws_inflate *z, struct ed_bytes *in, bool last,
                           char *out, size_t room)
{
    ssize_t n = 0;

    do {
        size_t used;
        /* Also without input: some of the output may still be inside. */
        if (z->tail_at || (!in->len && (z->ended || !z->some)))
            break;
        z->some = true;
        n = step(z, in->ptr, in->len, Z_SYNC_FLUSH, out, room, &used);
        in->ptr += used;
        in->len -= used;
    } while (!n && in->len);
    if (n || !last)
        return n;
    /* A message that is nothing at all should be one byte; and there are those
     * whose last block is not followed by the empty one. */
    if (z->some && !(z->ended && !z->tail_at))
        n = read_tail(z, out, room);
    if (!n)
        begin_message(z);
    return n;
}

/* ---- compressing ---- */

struct ed_ws_deflate_ctx {
    z_stream z;
    uint8_t held; /* bytes that may be the tail */
    unsigned char hold[TAIL_BYTES];
};

ed_ws_deflate_ctx *ed_ws_deflate_new(int bits, int level)
{
    ed_ws_deflate_ctx *z = calloc(1, sizeof(*z));

    if (!z)
        return NULL;
    if (deflateInit2(&z->z, level, Z_DEFLATED, -bits,
                     bits - MEMORY_LEVEL_BEHIND, Z_DEFAULT_STRATEGY) == Z_OK)
        return z;
    free(z);
    return NULL;
}

void ed_ws_deflate_free(ed_ws_deflate_ctx *z)
{
    if (!z)
        return;
    deflateEnd(&z->z);
    free(z);
}

void ed_ws_deflate_reset(ed_ws_deflate_ctx *z)
{
    deflateReset(&z->z);
    z->held = 0;
}

/* All but the tail of a message, or, when it is not at its end, all but what
 * may be a part of that. */
static size_t without_tail(ed_ws_deflate_ctx *z, char *out, size_t len,
                           bool whole)
{
    /* zlib does not flush again what is flushed: an empty message behind
     * another. What is left of the empty block is one byte. */
    if (whole && len < TAIL_BYTES) {
        out[0] = 0;
        return 1;
    }
    len -= TAIL_BYTES;
    z->held = whole ? 0 : TAIL_BYTES;
    memcpy(z->hold, out + len, z->held);
    return len;
}

size_t ed_ws_deflate_write(ed_ws_deflate_ctx *z, struct ed_bytes *in, bool last,
                           char *out, size_t room, bool *whole)
{
    unsigned given = at_most(in->len);
    unsigned asked = at_most(room - z->held);
    bool all = given == in->len;

    assert(room >= ED_WS_DEFLATE_ROOM);
    memcpy(out, z->hold, z->held);
    z->z.next_in = (Bytef *)(uintptr_t)in->ptr;
    z->z.avail_in = given;
    z->z.next_out = (Bytef *)out + z->held;
    z->z.avail_out = asked;
    (void)deflate(&z->z, last && all ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    in->ptr += given - z->z.avail_in;
    in->len -= given - z->z.avail_in;
    *whole = z->z.avail_out && !in->len;
    size_t len = z->held + asked - z->z.avail_out;
    z->held = 0;
    return last && all ? without_tail(z, out, len, *whole) : len;
}
