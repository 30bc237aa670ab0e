/*
 * ws_deflate.h - messages of a WebSocket, compressed (RFC 7692, 7.2).
 *
 * A message comes and goes in pieces of any size. What comes out of one that is
 * made to grow is bounded by whoever takes it, piece by piece: no more is
 * decompressed than there is room for.
 *
 * Whether a context lasts from one message to the next is the owner's to say,
 * by ed_ws_inflate_reset() and ed_ws_deflate_reset(). No I/O; nothing suspends.
 */
#ifndef EDDY_WIRE_WS_DEFLATE_H
#define EDDY_WIRE_WS_DEFLATE_H

#include <eddy/api.h>
#include <eddy/bytes.h>

typedef struct ed_ws_inflate ed_ws_inflate;
typedef struct ed_ws_deflate_ctx ed_ws_deflate_ctx;

/* ---- decompressing ---- */

/* For windows of up to that many bits, 8 to 15. NULL: no memory. */
ED_CHECK ed_ws_inflate *ed_ws_inflate_new(int bits);
void ed_ws_inflate_free(ed_ws_inflate *z); /* NULL is allowed */

/* Forgets all messages so far. */
void ed_ws_inflate_reset(ed_ws_inflate *z);

/*
 * Decompresses from *in, which is moved behind what was used, into `out`.
 * `last` says that the message ends with *in; call again with what is left
 * until it returns 0.
 *
 * Returns the bytes written; 0 when *in is used up and nothing more comes out,
 * with `last` for good: the next call begins a message. ED_EPROTO when it is
 * malformed or cut off, ED_ENOMEM.
 */
ED_CHECK ssize_t ed_ws_inflate_read(ed_ws_inflate *z, struct ed_bytes *in,
                                    bool last, char *out, size_t room);

/* ---- compressing ---- */

/* For a window of that many bits, 9 to 15; a level from 1 to 9. NULL: no
 * memory. */
ED_CHECK ed_ws_deflate_ctx *ed_ws_deflate_new(int bits, int level);
void ed_ws_deflate_free(ed_ws_deflate_ctx *z); /* NULL is allowed */
void ed_ws_deflate_reset(ed_ws_deflate_ctx *z);

/*
 * Compresses from *in, which is moved behind what was used, into `out`. `last`
 * says that the message ends with *in. Returns the bytes written, and in
 * *whole whether that is all: *in is used up, and with `last` the message is
 * at its end. Otherwise it is to be called again with what is left. `room` is
 * at least ED_WS_DEFLATE_ROOM. Never fails.
 */
#define ED_WS_DEFLATE_ROOM 64
size_t ed_ws_deflate_write(ed_ws_deflate_ctx *z, struct ed_bytes *in, bool last,
                           char *out, size_t room, bool *whole);

#endif
