/*
 * fuzz_http1_chunked.c - chunked bodies, at once and in pieces.
 *
 * The first byte is the size of the pieces, the rest a body. However it
 * arrives, the same data, trailer, end and error must come out; a trailer
 * section that came out whole must be readable as fields.
 */
#include "check.h"
#include "wire/http1.h"

#include <eddy/error.h>

#define MAX_TRAILER_BYTES 64

struct reading {
    struct ed_buf data, trailer;
    int event; /* the last one */
    size_t used;
    const char *error;
};

static void add(struct ed_buf *buf, struct ed_bytes bytes)
{
    CHECK(ed_buf_add(buf, bytes.ptr, bytes.len) == 0);
}

/* Reads one piece until it is used up or nothing more will come. */
static void read_piece(struct reading *r, struct ed_http1_chunked *chunked,
                       struct ed_bytes piece)
{
    const char *copy = check_copy(piece);
    struct ed_bytes in = ed_bytes_of(copy, piece.len), out;

    do {
        r->event = ed_http1_chunked(chunked, &in, &out, MAX_TRAILER_BYTES);
        CHECK(out.ptr >= copy && out.ptr + out.len <= copy + piece.len);
        if (r->event == ED_CHUNK_DATA)
            add(&r->data, out);
        if (r->event == ED_CHUNK_TRAILER)
            add(&r->trailer, out);
    } while (r->event == ED_CHUNK_DATA || r->event == ED_CHUNK_TRAILER);
    CHECK(r->event != ED_CHUNK_MORE || !in.len);
    r->used += piece.len - in.len;
    free((void *)copy);
}

static void read_in_steps(struct reading *r, struct ed_bytes bytes, size_t step)
{
    struct ed_http1_chunked chunked = {0};

    memset(r, 0, sizeof(*r));
    for (size_t at = 0; at < bytes.len && r->event == ED_CHUNK_MORE;
         at += step) {
        size_t left = bytes.len - at;

        read_piece(r, &chunked,
                   ed_bytes_of(bytes.ptr + at, left < step ? left : step));
    }
    r->error = chunked.error;
}

static void check_trailer(const struct reading *r)
{
    struct ed_http1_field fields[4];
    int count = ed_http1_trailers(r->trailer.ptr, r->trailer.len, fields, 4);

    CHECK(count >= 0 || count == ED_EHEADLIMIT);
    for (int i = 0; i < count; i++) {
        CHECK(
            ed_http1_is_token(ed_http1_bytes(r->trailer.ptr, fields[i].name)));
        CHECK(
            ed_http1_is_value(ed_http1_bytes(r->trailer.ptr, fields[i].value)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reading whole, pieces;

    if (!len)
        return 0;

    struct ed_bytes bytes = ed_bytes_of(data + 1, len - 1);
    read_in_steps(&whole, bytes, bytes.len);
    read_in_steps(&pieces, bytes, 1 + data[0] % 32);
    CHECK(whole.event == pieces.event);
    CHECK(whole.used == pieces.used);
    CHECK(whole.error == pieces.error);
    CHECK((whole.event < 0) == (whole.error != NULL));
    CHECK(
        ed_bytes_equal(ed_buf_bytes(&whole.data), ed_buf_bytes(&pieces.data)));
    CHECK(ed_bytes_equal(ed_buf_bytes(&whole.trailer),
                         ed_buf_bytes(&pieces.trailer)));
    if (whole.event == ED_CHUNK_END)
        check_trailer(&whole);
    ed_buf_free(&whole.data);
    ed_buf_free(&whole.trailer);
    ed_buf_free(&pieces.data);
    ed_buf_free(&pieces.trailer);
    return 0;
}
