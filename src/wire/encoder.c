/*
 * encoder.c - the content codings of HTTP, applied.
 *
 * The libraries differ in how they are told to flush and how they tell that
 * they have; that ends at the table below. None is asked to flush twice for
 * the same bytes, which would add an empty block each time.
 */
#include "wire/encoder.h"
#include <brotli/encode.h>
#include <eddy/error.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum {
    /* 16 more than the window makes it gzip. */
    GZIP_WINDOW_BITS = 16 + MAX_WBITS,
    GZIP_MEMORY = 8, /* zlib's default: 128 KiB for its tables */
    BR_WINDOW_LOG = 16,
    ZSTD_WINDOW_LOG = 17,
};

struct ed_encoder {
    const struct codec *codec;
    enum ed_encode fulfilled; /* since the last byte was given */
    bool pending;             /* has more to give than there was room for */
    union {
        z_stream z;
        BrotliEncoderState *br;
        ZSTD_CCtx *zstd;
    };
};

/*
 * A step takes what it can of *in and writes to `out`; it returns the bytes
 * written or ED_ENOMEM, and sets e->pending when it has to be called again for
 * the purpose to be fulfilled.
 */
struct codec {
    int level, level_max;
    int (*open)(ed_encoder *e, int level);
    ssize_t (*step)(ed_encoder *e, struct ed_bytes *in, enum ed_encode purpose,
                    char *out, size_t room);
    bool (*reset)(ed_encoder *e);
    void (*close)(ed_encoder *e);
};

/* ---- gzip ---- */

static int open_gzip(ed_encoder *e, int level)
{
    int result = deflateInit2(&e->z, level, Z_DEFLATED, GZIP_WINDOW_BITS,
                              GZIP_MEMORY, Z_DEFAULT_STRATEGY);

    return result == Z_OK ? 0 : ED_ENOMEM;
}

static unsigned at_most(size_t len)
{
    return len < UINT_MAX ? (unsigned)len : UINT_MAX;
}

static ssize_t step_gzip(ed_encoder *e, struct ed_bytes *in,
                         enum ed_encode purpose, char *out, size_t room)
{
    static const int how[] = {
        [ED_ENCODE] = Z_NO_FLUSH,
        [ED_ENCODE_FLUSH] = Z_SYNC_FLUSH,
        [ED_ENCODE_END] = Z_FINISH,
    };
    z_stream *z = &e->z;
    unsigned given = at_most(in->len), asked = at_most(room);
    bool all = given == in->len;

    z->next_in = (Bytef *)(uintptr_t)in->ptr;
    z->avail_in = given;
    z->next_out = (Bytef *)out;
    z->avail_out = asked;
    int result = deflate(z, all ? how[purpose] : Z_NO_FLUSH);
    in->ptr += given - z->avail_in;
    in->len -= given - z->avail_in;
    e->pending =
        purpose == ED_ENCODE_END ? result != Z_STREAM_END : !z->avail_out;
    return (ssize_t)(asked - z->avail_out);
}

static bool reset_gzip(ed_encoder *e)
{
    return deflateReset(&e->z) == Z_OK;
}

static void close_gzip(ed_encoder *e)
{
    deflateEnd(&e->z);
}

/* ---- br ---- */

static int open_br(ed_encoder *e, int level)
{
    e->br = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    if (!e->br)
        return ED_ENOMEM;
    BrotliEncoderSetParameter(e->br, BROTLI_PARAM_QUALITY, (uint32_t)level);
    BrotliEncoderSetParameter(e->br, BROTLI_PARAM_LGWIN, BR_WINDOW_LOG);
    return 0;
}

static ssize_t step_br(ed_encoder *e, struct ed_bytes *in,
                       enum ed_encode purpose, char *out, size_t room)
{
    static const BrotliEncoderOperation how[] = {
        [ED_ENCODE] = BROTLI_OPERATION_PROCESS,
        [ED_ENCODE_FLUSH] = BROTLI_OPERATION_FLUSH,
        [ED_ENCODE_END] = BROTLI_OPERATION_FINISH,
    };
    const uint8_t *next_in = (const uint8_t *)in->ptr;
    uint8_t *next_out = (uint8_t *)out;
    size_t left = room;

    if (!BrotliEncoderCompressStream(e->br, how[purpose], &in->len, &next_in,
                                     &left, &next_out, NULL))
        return ED_ENOMEM;
    in->ptr = (const char *)next_in;
    e->pending = BrotliEncoderHasMoreOutput(e->br) ||
                 (purpose == ED_ENCODE_END && !BrotliEncoderIsFinished(e->br));
    return (ssize_t)(room - left);
}

/* The library has no such thing. */
static bool reset_br(ed_encoder *e)
{
    (void)e;
    return false;
}

static void close_br(ed_encoder *e)
{
    BrotliEncoderDestroyInstance(e->br);
}

/* ---- zstd ---- */

static int open_zstd(ed_encoder *e, int level)
{
    e->zstd = ZSTD_createCCtx();
    if (!e->zstd)
        return ED_ENOMEM;
    ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_windowLog, ZSTD_WINDOW_LOG);
    return 0;
}

static ssize_t step_zstd(ed_encoder *e, struct ed_bytes *in,
                         enum ed_encode purpose, char *out, size_t room)
{
    static const ZSTD_EndDirective how[] = {
        [ED_ENCODE] = ZSTD_e_continue,
        [ED_ENCODE_FLUSH] = ZSTD_e_flush,
        [ED_ENCODE_END] = ZSTD_e_end,
    };
    ZSTD_inBuffer from = {in->ptr, in->len, 0};
    ZSTD_outBuffer to = {out, room, 0};
    size_t left = ZSTD_compressStream2(e->zstd, &to, &from, how[purpose]);

    in->ptr += from.pos;
    in->len -= from.pos;
    if (ZSTD_isError(left))
        return ED_ENOMEM;
    e->pending = purpose == ED_ENCODE ? to.pos == room : left > 0;
    return (ssize_t)to.pos;
}

static bool reset_zstd(ed_encoder *e)
{
    return !ZSTD_isError(ZSTD_CCtx_reset(e->zstd, ZSTD_reset_session_only));
}

static void close_zstd(ed_encoder *e)
{
    ZSTD_freeCCtx(e->zstd);
}

/* ---- all of them ---- */

/* The levels at which each takes about as long as gzip does at 5, or less:
 * what is sent once is not worth more. */
static const struct codec CODECS[] = {
    [ED_CODING_GZIP] = {5, 9, open_gzip, step_gzip, reset_gzip, close_gzip},
    [ED_CODING_BR] = {4, 11, open_br, step_br, reset_br, close_br},
    [ED_CODING_ZSTD] = {3, 19, open_zstd, step_zstd, reset_zstd, close_zstd},
};

bool ed_encoder_has(enum ed_coding coding)
{
    return coding < sizeof CODECS / sizeof *CODECS && CODECS[coding].open;
}

int ed_encoder_level(enum ed_coding coding)
{
    return CODECS[coding].level;
}

int ed_encoder_level_max(enum ed_coding coding)
{
    return CODECS[coding].level_max;
}

static int clamped(const struct codec *codec, int level)
{
    if (level < 1)
        return level ? 1 : codec->level;
    return level > codec->level_max ? codec->level_max : level;
}

ed_encoder *ed_encoder_new(enum ed_coding coding, int level)
{
    ed_encoder *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->codec = &CODECS[coding];
    if (e->codec->open(e, clamped(e->codec, level))) {
        free(e);
        return NULL;
    }
    return e;
}

void ed_encoder_free(ed_encoder *e)
{
    if (!e)
        return;
    e->codec->close(e);
    free(e);
}

bool ed_encoder_reset(ed_encoder *e)
{
    e->fulfilled = ED_ENCODE;
    e->pending = false;
    return e->codec->reset(e);
}

ssize_t ed_encoder_write(ed_encoder *e, struct ed_bytes *in,
                         enum ed_encode purpose, char *out, size_t room)
{
    ssize_t n = 0;

    if (in->len)
        e->fulfilled = ED_ENCODE;
    while (!n && (in->len || e->pending || e->fulfilled < purpose)) {
        n = e->codec->step(e, in, purpose, out, room);
        if (n >= 0 && !in->len && !e->pending)
            e->fulfilled = purpose;
    }
    return n;
}
