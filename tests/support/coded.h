/*
 * coded.h - bodies as servers encode them, for tests and fuzzers that decode.
 */
#ifndef EDDY_TESTS_CODED_H
#define EDDY_TESTS_CODED_H

#include <eddy/bytes.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

/* "hello, hello, hello\n" */
#define CODED_BR                                                        \
    ED_BYTES("\x8b\x09\x80\x68\x65\x6c\x6c\x6f\x2c\x20\x68\x65\x6c\x6c" \
             "\x6f\x2c\x20\x68\x65\x6c\x6c\x6f\x0a\x03")

/* Encoded bytes, to be freed by ptr. `window_bits` is zlib's: 31 for gzip, 15
 * for RFC 1950, -15 for RFC 1951. */
static inline struct ed_bytes coded_zlib(struct ed_bytes plain, int window_bits)
{
    z_stream z = {0};

    if (deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY))
        abort();
    uLong room = deflateBound(&z, plain.len);
    char *bytes = malloc(room);
    if (!bytes)
        abort();
    z.next_in = (Bytef *)(uintptr_t)plain.ptr;
    z.avail_in = (uInt)plain.len;
    z.next_out = (Bytef *)bytes;
    z.avail_out = (uInt)room;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    deflateEnd(&z);
    return ed_bytes_of(bytes, room - z.avail_out);
}

static inline struct ed_bytes coded_gzip(struct ed_bytes plain)
{
    return coded_zlib(plain, 31);
}

/* A whole frame with a window of 2^window_log bytes. */
static inline struct ed_bytes coded_zstd(struct ed_bytes plain, int window_log)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    size_t room = ZSTD_compressBound(plain.len);
    char *bytes = malloc(room);

    if (!c || !bytes)
        abort();
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
    size_t len = ZSTD_compress2(c, bytes, room, plain.ptr, plain.len);
    if (ZSTD_isError(len))
        abort();
    ZSTD_freeCCtx(c);
    return ed_bytes_of(bytes, len);
}

#endif
