/*
 * decoding.c - bodies of responses, decoded.
 *
 * A whole body is decoded when all of it is there: what came and what it means
 * then both lie in the arena. A streamed one is decoded as it is read, by a
 * decoder that is made with the first read and freed with the response.
 */
#include "http/decoding.h"
#include "core/runtime.h"
#include "http/response.h"
#include <stdlib.h>

/* What is read, and what comes out, at once. */
#define PIECE_BYTES (16 * 1024)
#define OUT_BYTES   (64 * 1024)

struct ed_decoding {
    ed_decoder *decoder;
    struct ed_bytes in; /* not decoded yet */
    bool last;          /* nothing comes behind it */
    char piece[PIECE_BYTES];
};

/* ---- whether ---- */

static bool has_a_body(const ed_res *res)
{
    /* A part of an encoded body cannot be decoded. */
    return res->body_kind != ED_BODY_NONE && res->status != 206;
}

/* Several fields are one list (RFC 9110, 5.3). What is not known to us was not
 * asked for, and is given as it is. */
static struct ed_codings codings_of(const ed_res *res)
{
    static const struct ed_bytes name = {"Content-Encoding", 16};
    struct ed_codings codings = {0};

    for (uint32_t i = 0; i < res->field_count; i++) {
        const struct ed_http1_field *field =
            ed_http1_find(res->head, res->fields + i, 1, name);
        if (field &&
            !ed_codings_add(&codings, ed_http1_bytes(res->head, field->value)))
            return (struct ed_codings){0};
    }
    return codings;
}

/* ---- whole bodies ---- */

static int decode_into(struct ed_buf *text, ed_decoder *decoder,
                       struct ed_bytes coded)
{
    for (;;) {
        int err = ed_checkpoint();
        if (!err)
            err = ed_buf_reserve(text, OUT_BYTES);
        if (err)
            return err;
        ssize_t n = ed_decoder_read(decoder, &coded, true,
                                    text->ptr + text->len, OUT_BYTES);
        if (n <= 0)
            return (int)n;
        text->len += (size_t)n;
    }
}

static int keep_text(ed_res *res, struct ed_bytes text)
{
    char *copy = ed_arena_copy(res->arena, text);

    if (!copy)
        return ED_ENOMEM;
    res->body = ed_bytes_of(copy, text.len);
    return 0;
}

static int explain(const struct ed_journey *journey, int err, const char *why)
{
    if (!why)
        why = err == ED_ENOMEM     ? "no memory to decode the body"
              : err == ED_ETIMEOUT ? "body not decoded within the deadline"
                                   : "body not decoded when cancelled";
    return ed_journey_explain(journey, err, "%s", why);
}

static int decode_whole(const struct ed_journey *journey, ed_res *res)
{
    ed_decoder *decoder = ed_decoder_new(res->codings, res->max_body);
    struct ed_buf text = {0};

    if (!decoder)
        return explain(journey, ED_ENOMEM, NULL);
    int err = decode_into(&text, decoder, res->body);
    if (!err)
        err = keep_text(res, ed_buf_bytes(&text));
    if (err)
        explain(journey, err, ed_decoder_error(decoder));
    ed_buf_free(&text);
    ed_decoder_free(decoder);
    return err;
}

int ed_decoding_begin(const struct ed_journey *journey, ed_res *res)
{
    if (!res->asks_for_codings || !has_a_body(res))
        return 0;
    res->codings = codings_of(res);
    if (!res->codings.count || res->stream)
        return 0;
    return decode_whole(journey, res);
}

/* ---- streamed ones ---- */

static int open_decoding(ed_res *res)
{
    struct ed_decoding *decoding = malloc(sizeof(*decoding));
    ed_decoder *decoder = ed_decoder_new(res->codings, UINT64_MAX);

    if (!decoding || !decoder) {
        free(decoding);
        ed_decoder_free(decoder);
        return ED_ENOMEM;
    }
    decoding->decoder = decoder;
    decoding->in = ED_BYTES("");
    decoding->last = false;
    res->decoding = decoding;
    return 0;
}

void ed_decoding_free(ed_res *res)
{
    if (!res->decoding)
        return;
    ed_decoder_free(res->decoding->decoder);
    free(res->decoding);
    res->decoding = NULL;
}

/* Waits for more of what is to be decoded. */
static ssize_t refill(ed_res *res, struct ed_decoding *decoding)
{
    ssize_t n = ed_res_read_raw(res, decoding->piece, PIECE_BYTES);

    if (n >= 0) {
        decoding->in = ed_bytes_of(decoding->piece, (size_t)n);
        decoding->last = !n;
    }
    return n;
}

ssize_t ed_decoding_read(ed_res *res, void *buf, size_t len)
{
    int err = ed_checkpoint();

    if (!err && !res->decoding)
        err = open_decoding(res);
    if (err)
        return ed_res_fail_read(res, err, NULL);
    struct ed_decoding *decoding = res->decoding;
    for (;;) {
        ssize_t n = ed_decoder_read(decoding->decoder, &decoding->in,
                                    decoding->last, buf, len);
        if (n < 0)
            return ed_res_fail_read(res, (int)n,
                                    ed_decoder_error(decoding->decoder));
        if (n || decoding->last)
            return n;
        n = refill(res, decoding);
        if (n < 0)
            return n;
    }
}
