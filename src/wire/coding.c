/*
 * coding.c - the content codings of HTTP, undone.
 *
 * A decoder is a row of stages, one for each coding, the one that was applied
 * last being the first. A stage gives bytes to the next through a buffer, and
 * is only asked when the next has nothing left, so that nothing piles up.
 *
 * The libraries differ in how they tell of an end and of failures; that ends
 * at the table below. None of them is called without need: an empty call at
 * the wrong moment is an error to some.
 */
#include "wire/coding.h"
#include <brotli/decode.h>
#include <eddy/error.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define BETWEEN_BYTES (16 * 1024)

/* RFC 9659: 8 MiB. */
#define ZSTD_WINDOW_LOG 23

enum place {
    AT_START,
    INSIDE,
    AT_END, /* of a stream, member or frame; another may follow */
};

struct stage {
    const struct coding *coding;
    enum place place;
    bool again;   /* a member or frame has ended before */
    bool pending; /* gives more without being given any */
    bool open;
    const char *error;
    uint64_t made;
    struct ed_bytes in; /* to be decoded */
    char *buffer;       /* what `in` lies in; NULL: the caller's memory */
    union {
        z_stream z;
        BrotliDecoderState *br;
        ZSTD_DCtx *zstd;
    };
};

/*
 * A step takes what it can of stage->in, writes to `out` and sets
 * stage->place. It returns the bytes written, ED_ENOMEM or ED_ECODING, with
 * stage->error set where there is more to say than that it is malformed.
 */
struct coding {
    const char *name;
    bool repeats; /* what follows the end is another member or frame */
    int (*open)(struct stage *s);
    ssize_t (*step)(struct stage *s, char *out, size_t room);
    void (*close)(struct stage *s);
    const char *malformed, *cut_off, *behind;
};

struct ed_decoder {
    uint64_t given; /* bytes to the first stage */
    uint64_t max_output;
    int err;
    const char *error;
    unsigned count;
    struct stage stages[ED_CODINGS_MAX];
    char between[]; /* buffers of all stages but the first */
};

/* ---- gzip and deflate ---- */

static int open_zlib(struct stage *s, int window_bits)
{
    return inflateInit2(&s->z, window_bits) == Z_OK ? 0 : ED_ENOMEM;
}

static int open_gzip(struct stage *s)
{
    return open_zlib(s, 16 + MAX_WBITS);
}

/* The first byte of RFC 1950 holds 8 in its lower half. As a first byte of
 * RFC 1951 that would be a stored block with a bit set in its padding, which
 * nobody writes. */
static int open_deflate(struct stage *s)
{
    bool has_header = (s->in.ptr[0] & 0x0f) == 8;

    return open_zlib(s, has_header ? MAX_WBITS : -MAX_WBITS);
}

static unsigned at_most(size_t len)
{
    return len < UINT_MAX ? (unsigned)len : UINT_MAX;
}

static ssize_t step_zlib(struct stage *s, char *out, size_t room)
{
    z_stream *z = &s->z;
    unsigned given = at_most(s->in.len), asked = at_most(room);

    if (s->place == AT_END)
        inflateReset(z);
    z->next_in = (Bytef *)(uintptr_t)s->in.ptr;
    z->avail_in = given;
    z->next_out = (Bytef *)out;
    z->avail_out = asked;
    int result = inflate(z, Z_NO_FLUSH);
    s->in.ptr += given - z->avail_in;
    s->in.len -= given - z->avail_in;
    s->place = result == Z_STREAM_END ? AT_END : INSIDE;
    if (result == Z_MEM_ERROR)
        return ED_ENOMEM;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return ED_ECODING;
    return (ssize_t)(asked - z->avail_out);
}

static void close_zlib(struct stage *s)
{
    inflateEnd(&s->z);
}

/* ---- br ---- */

static int open_br(struct stage *s)
{
    s->br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    return s->br ? 0 : ED_ENOMEM;
}

static ssize_t step_br(struct stage *s, char *out, size_t room)
{
    const uint8_t *next_in = (const uint8_t *)s->in.ptr;
    uint8_t *next_out = (uint8_t *)out;
    size_t left = room;
    BrotliDecoderResult result = BrotliDecoderDecompressStream(
        s->br, &s->in.len, &next_in, &left, &next_out, NULL);

    s->in.ptr = (const char *)next_in;
    s->place = result == BROTLI_DECODER_RESULT_SUCCESS ? AT_END : INSIDE;
    if (result == BROTLI_DECODER_RESULT_ERROR) {
        BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(s->br);
        bool memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                      code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
        return memory ? ED_ENOMEM : ED_ECODING;
    }
    return (ssize_t)(room - left);
}

static void close_br(struct stage *s)
{
    BrotliDecoderDestroyInstance(s->br);
}

/* ---- zstd ---- */

static int open_zstd(struct stage *s)
{
    s->zstd = ZSTD_createDCtx();
    if (!s->zstd)
        return ED_ENOMEM;
    ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    return 0;
}

static ssize_t step_zstd(struct stage *s, char *out, size_t room)
{
    ZSTD_inBuffer in = {s->in.ptr, s->in.len, 0};
    ZSTD_outBuffer to = {out, room, 0};
    size_t result = ZSTD_decompressStream(s->zstd, &to, &in);

    s->in.ptr += in.pos;
    s->in.len -= in.pos;
    s->place = result == 0 ? AT_END : INSIDE;
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_no_error:
        return (ssize_t)to.pos;
    case ZSTD_error_memory_allocation:
        return ED_ENOMEM;
    case ZSTD_error_frameParameter_windowTooLarge:
        s->error = "zstd data needs a window of more than 8 MiB";
        return ED_ECODING;
    default:
        return ED_ECODING;
    }
}

static void close_zstd(struct stage *s)
{
    ZSTD_freeDCtx(s->zstd);
}

/* ---- all of them ---- */

#define TEXTS(name)                                     \
    name " data is malformed", name " data is cut off", \
        "something else follows the " name " data"

static const struct coding CODINGS[] = {
    [ED_CODING_GZIP] = {"gzip", true, open_gzip, step_zlib, close_zlib,
                        TEXTS("gzip")},
    [ED_CODING_DEFLATE] = {"deflate", false, open_deflate, step_zlib,
                           close_zlib, TEXTS("deflate")},
    [ED_CODING_BR] = {"br", false, open_br, step_br, close_br, TEXTS("br")},
    [ED_CODING_ZSTD] = {"zstd", true, open_zstd, step_zstd, close_zstd,
                        TEXTS("zstd")},
};

enum { CODINGS_COUNT = sizeof(CODINGS) / sizeof(*CODINGS) };

const char *ed_coding_name(enum ed_coding coding)
{
    return CODINGS[coding].name;
}

int ed_coding_named(struct ed_bytes name)
{
    if (ed_bytes_equal_nocase(name, ED_BYTES("x-gzip")))
        return ED_CODING_GZIP;
    for (int i = 0; i < CODINGS_COUNT; i++) {
        if (ed_bytes_equal_nocase(name, ed_bytes(CODINGS[i].name)))
            return i;
    }
    return -1;
}

bool ed_codings_add(struct ed_codings *codings, struct ed_bytes field)
{
    while (field.ptr) {
        struct ed_bytes name = ed_bytes_trim(ed_bytes_cut(&field, ','));
        if (!name.len || ed_bytes_equal_nocase(name, ED_BYTES("identity")))
            continue;
        int coding = ed_coding_named(name);
        if (coding < 0 || codings->count == ED_CODINGS_MAX)
            return false;
        codings->list[codings->count++] = (uint8_t)coding;
    }
    return true;
}

/* ---- stages ---- */

static ssize_t fail_coding(struct stage *s, const char *error)
{
    if (!s->error)
        s->error = error;
    return ED_ECODING;
}

static int begin(struct stage *s)
{
    if (s->place == AT_END) {
        s->again = true;
        return s->coding->repeats ? 0 : (int)fail_coding(s, s->coding->behind);
    }
    if (s->open)
        return 0;
    int err = s->coding->open(s);
    s->open = !err;
    return err;
}

static ssize_t step(struct stage *s, char *out, size_t room)
{
    size_t given = s->in.len;

    if (!given && !s->pending)
        return 0;
    bool fresh = s->place != INSIDE;
    int err = fresh ? begin(s) : 0;
    if (err)
        return err;
    ssize_t n = s->coding->step(s, out, room);
    if (n == ED_ECODING)
        return fail_coding(s, fresh && s->again ? s->coding->behind
                                                : s->coding->malformed);
    if (n < 0)
        return n;
    /* What neither takes nor gives would go on forever. */
    if (given && !n && s->in.len == given)
        return fail_coding(s, s->coding->malformed);
    s->pending = s->place == INSIDE && (size_t)n == room;
    s->made += (uint64_t)n;
    return n;
}

static bool grows_too_much(const ed_decoder *d, const struct stage *s)
{
    uint64_t taken = d->given - d->stages[0].in.len;

    return s->made > ED_DECODER_FREE && s->made / ED_DECODER_GROWTH > taken;
}

/* What stage `i` gives next; 0 when there is no more for now. */
static ssize_t pull(ed_decoder *d, unsigned i, char *out, size_t room)
{
    struct stage *s = &d->stages[i];

    for (;;) {
        ssize_t n = step(s, out, room);
        if (n < 0)
            d->error = s->error;
        if (n > 0 && grows_too_much(d, s)) {
            d->error = "body grows by more than 1100 times when decoded";
            return ED_ECODING;
        }
        if (n)
            return n;
        if (s->in.len)
            continue;
        if (!i)
            return 0;
        n = pull(d, i - 1, s->buffer, BETWEEN_BYTES);
        if (n <= 0)
            return n;
        s->in = ed_bytes_of(s->buffer, (size_t)n);
    }
}

/* Nothing comes any more. */
static int check_ends(ed_decoder *d)
{
    for (unsigned i = 0; i < d->count; i++) {
        struct stage *s = &d->stages[i];
        if (s->place == INSIDE) {
            d->error = s->coding->cut_off;
            return ED_ECODING;
        }
    }
    return 0;
}

static ssize_t fail_for_good(ed_decoder *d, int err)
{
    if (err == ED_ENOMEM)
        d->error = "no memory to decode the body";
    d->err = err;
    return err;
}

ssize_t ed_decoder_read(ed_decoder *d, struct ed_bytes *in, bool last,
                        char *out, size_t room)
{
    struct stage *first = &d->stages[0], *final = &d->stages[d->count - 1];

    if (d->err)
        return d->err;
    d->given += in->len;
    first->in = *in;
    ssize_t n = pull(d, d->count - 1, out, room);
    *in = first->in;
    first->in = ed_bytes_of(NULL, 0);
    d->given -= in->len;
    if (!n && last)
        n = check_ends(d);
    if (n >= 0 && final->made > d->max_output) {
        d->error = "body larger than allowed when decoded";
        n = ED_EBODYLIMIT;
    }
    return n < 0 ? fail_for_good(d, (int)n) : n;
}

/* ---- life ---- */

ed_decoder *ed_decoder_new(struct ed_codings codings, uint64_t max_output)
{
    size_t between = (codings.count - 1) * (size_t)BETWEEN_BYTES;
    ed_decoder *d = calloc(1, sizeof(*d) + between);

    if (!d)
        return NULL;
    d->max_output = max_output;
    d->count = codings.count;
    for (unsigned i = 0; i < d->count; i++) {
        uint8_t coding = codings.list[d->count - 1 - i];
        d->stages[i].coding = &CODINGS[coding];
        if (i)
            d->stages[i].buffer = d->between + (i - 1) * (size_t)BETWEEN_BYTES;
    }
    return d;
}

void ed_decoder_free(ed_decoder *d)
{
    if (!d)
        return;
    for (unsigned i = 0; i < d->count; i++) {
        if (d->stages[i].open)
            d->stages[i].coding->close(&d->stages[i]);
    }
    free(d);
}

const char *ed_decoder_error(const ed_decoder *d)
{
    return d->error;
}
