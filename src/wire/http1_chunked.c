/*
 * http1_chunked.c - chunked bodies and their trailers (RFC 9112, 7.1).
 *
 * A state machine over single bytes, except for the data of a chunk, which is
 * handed out as it lies. Nothing is lenient: sizes are bare hexadecimal
 * digits, lines end with CRLF and no other way. An error is told at its byte,
 * after everything before it was handed out, so that the pieces in which a
 * body arrives make no difference.
 */
#include "wire/http1_head.h"
#include "base/hex.h"
#include "wire/http1_scan.h"

#include <eddy/error.h>

/* More digits than a size of 64 bits needs are a trick. */
#define SIZE_DIGITS_MAX 16

/* A size line with its extensions, which nobody uses, without its CRLF. */
#define SIZE_LINE_MAX 256

enum {
    AT_SIZE,         /* before the first digit */
    IN_SIZE,         /* behind a digit */
    IN_EXTENSION,    /* behind the ';' */
    AT_SIZE_LF,      /* behind the CR of a size line */
    IN_DATA,         /* within a chunk */
    AT_DATA_CR,      /* behind the last byte of a chunk */
    AT_DATA_LF,      /* behind the CR behind a chunk */
    AT_TRAILER,      /* at the start of a trailer line */
    IN_TRAILER_NAME, /* behind the first byte of one */
    IN_TRAILER_VALUE,
    AT_TRAILER_LF, /* behind the CR of one */
    AT_END_LF,     /* behind the CR of the empty line */
    AT_END,
    FAILED,
};

static bool fail(struct ed_http1_chunked *c, const char *error)
{
    c->state = FAILED;
    c->error = error;
    return false;
}

static bool read_digit(struct ed_http1_chunked *c, int digit)
{
    if (c->line_bytes == SIZE_DIGITS_MAX)
        return fail(c, "too many digits in a chunk size");
    if (c->left > INT64_MAX >> 4)
        return fail(c, "chunk too large");
    c->left = c->left << 4 | (uint64_t)digit;
    c->line_bytes++;
    c->state = IN_SIZE;
    return true;
}

static bool read_size(struct ed_http1_chunked *c, char byte)
{
    int digit = ed_hex_value(byte);

    if (digit >= 0)
        return read_digit(c, digit);
    if (c->state == AT_SIZE)
        return fail(c, "malformed chunk size");
    if (byte == '\r')
        c->state = AT_SIZE_LF;
    else if (byte == ';')
        c->state = IN_EXTENSION;
    else
        return fail(c, "malformed chunk size");
    return true;
}

static bool read_extension(struct ed_http1_chunked *c, char byte)
{
    if (byte == '\r') {
        c->state = AT_SIZE_LF;
        return true;
    }
    if (!scan_has(&scan_value, byte))
        return fail(c, "control character in a chunk extension");
    if (++c->line_bytes > SIZE_LINE_MAX)
        return fail(c, "chunk size line too long");
    return true;
}

/* Reads one byte of what stands between the data of two chunks. */
static bool read_framing(struct ed_http1_chunked *c, char byte)
{
    switch (c->state) {
    case AT_SIZE:
    case IN_SIZE:
        return read_size(c, byte);
    case IN_EXTENSION:
        return read_extension(c, byte);
    case AT_SIZE_LF:
        if (byte != '\n')
            return fail(c, "CR without LF in a chunk size line");
        c->line_bytes = 0;
        c->state = c->left ? IN_DATA : AT_TRAILER;
        return true;
    case AT_DATA_CR:
        if (byte != '\r')
            return fail(c, "no CRLF behind a chunk");
        c->state = AT_DATA_LF;
        return true;
    case AT_DATA_LF:
        if (byte != '\n')
            return fail(c, "no CRLF behind a chunk");
        c->state = AT_SIZE;
        return true;
    default: /* AT_END_LF */
        if (byte != '\n')
            return fail(c, "CR without LF in a trailer");
        c->state = AT_END;
        return true;
    }
}

/* The state behind one byte of a trailer line; FAILED if it may not stand
 * there. */
static uint8_t after_trailer_byte(uint8_t state, char byte)
{
    switch (state) {
    case AT_TRAILER:
        return scan_has(&scan_token, byte) ? IN_TRAILER_NAME : FAILED;
    case IN_TRAILER_NAME:
        if (byte == ':')
            return IN_TRAILER_VALUE;
        return scan_has(&scan_token, byte) ? IN_TRAILER_NAME : FAILED;
    case IN_TRAILER_VALUE:
        if (byte == '\r')
            return AT_TRAILER_LF;
        return scan_has(&scan_value, byte) ? IN_TRAILER_VALUE : FAILED;
    default: /* AT_TRAILER_LF */
        return byte == '\n' ? AT_TRAILER : FAILED;
    }
}

static void take(struct ed_bytes *in, size_t len)
{
    in->ptr += len;
    in->len -= len;
}

static int read_data(struct ed_http1_chunked *c, struct ed_bytes *in,
                     struct ed_bytes *out)
{
    size_t len = in->len < c->left ? in->len : (size_t)c->left;

    *out = ed_bytes_of(in->ptr, len);
    take(in, len);
    c->left -= len;
    if (!c->left)
        c->state = AT_DATA_CR;
    return ED_CHUNK_DATA;
}

/* Hands out trailer lines up to the end of the input, the empty line or a
 * byte that may not stand there; that one is told by the next call. */
static int read_trailer(struct ed_http1_chunked *c, struct ed_bytes *in,
                        struct ed_bytes *out, uint32_t max_trailer_bytes)
{
    size_t len = 0;

    while (len < in->len && c->trailer_bytes < max_trailer_bytes) {
        uint8_t next = after_trailer_byte(c->state, in->ptr[len]);

        if (next == FAILED)
            break;
        c->state = next;
        c->trailer_bytes++;
        len++;
    }
    if (len) {
        *out = ed_bytes_of(in->ptr, len);
        take(in, len);
        return ED_CHUNK_TRAILER;
    }
    if (c->state == AT_TRAILER && in->ptr[0] == '\r') {
        c->state = AT_END_LF;
        take(in, 1);
        return ED_CHUNK_MORE;
    }
    if (c->trailer_bytes < max_trailer_bytes) {
        fail(c, "malformed trailer");
        return ED_EPROTO;
    }
    fail(c, "trailer section too large");
    return ED_EHEADLIMIT;
}

static bool is_trailer_state(uint8_t state)
{
    return state >= AT_TRAILER && state <= AT_TRAILER_LF;
}

int ed_http1_chunked(struct ed_http1_chunked *c, struct ed_bytes *in,
                     struct ed_bytes *out, uint32_t max_trailer_bytes)
{
    *out = ed_bytes_of(in->ptr, 0);
    while (in->len && c->state != AT_END && c->state != FAILED) {
        if (c->state == IN_DATA)
            return read_data(c, in, out);
        if (is_trailer_state(c->state)) {
            int event = read_trailer(c, in, out, max_trailer_bytes);

            if (event != ED_CHUNK_MORE)
                return event;
            continue;
        }
        if (read_framing(c, in->ptr[0]))
            take(in, 1);
    }
    if (c->state == FAILED)
        return ED_EPROTO;
    return c->state == AT_END ? ED_CHUNK_END : ED_CHUNK_MORE;
}
