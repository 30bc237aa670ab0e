/*
 * fuzz_coding.c - encoded bodies, at once and in pieces.
 *
 * The first byte names codings, the second the size of the pieces and of the
 * room for what comes out; the rest is a body. However it arrives, it decodes
 * to the same bytes or not at all, and never to more than allowed.
 */
#include "check.h"
#include "wire/coding.h"

#include <eddy/error.h>

#define MAX_OUTPUT (256 * 1024)

static const char *const FIELDS[] = {
    "gzip",       "deflate",     "br",       "zstd",
    "gzip, gzip", "br, gzip",    "zstd, br", "gzip, deflate, zstd",
    "zstd, zstd", "deflate, br",
};

enum { FIELDS_COUNT = sizeof(FIELDS) / sizeof(*FIELDS) };

struct reading {
    struct ed_buf text;
    ssize_t result;
};

static void read_piece(struct reading *r, ed_decoder *d, struct ed_bytes piece,
                       bool last, size_t room)
{
    const char *copy = check_copy(piece);
    struct ed_bytes in = ed_bytes_of(copy, piece.len);
    char *out = malloc(room);

    CHECK(out);
    while ((r->result = ed_decoder_read(d, &in, last, out, room)) > 0) {
        CHECK((size_t)r->result <= room);
        CHECK(in.ptr >= copy && in.ptr + in.len <= copy + piece.len);
        CHECK(ed_buf_add(&r->text, out, (size_t)r->result) == 0);
    }
    CHECK(r->result < 0 || !in.len);
    free(out);
    free((void *)copy);
}

static void read_in_steps(struct reading *r, const char *field,
                          struct ed_bytes bytes, size_t step, size_t room)
{
    struct ed_codings codings = {0};

    memset(r, 0, sizeof(*r));
    CHECK(ed_codings_add(&codings, ed_bytes(field)));
    ed_decoder *d = ed_decoder_new(codings, MAX_OUTPUT);
    CHECK(d);
    for (size_t at = 0; at < bytes.len && !r->result; at += step) {
        size_t left = bytes.len - at;
        read_piece(r, d, ed_bytes_of(bytes.ptr + at, left < step ? left : step),
                   false, room);
    }
    if (!r->result)
        read_piece(r, d, ED_BYTES(""), true, room);
    CHECK((r->result != 0) == (ed_decoder_error(d) != NULL));
    CHECK(r->result == 0 || r->result == ED_ECODING ||
          r->result == ED_EBODYLIMIT);
    CHECK(r->text.len <= MAX_OUTPUT);
    ed_decoder_free(d);
}

/* A failure may come before or behind the last bytes that are still well, and
 * before or behind the limit, but not instead of a success. */
static void check_same(const struct reading *a, const struct reading *b)
{
    size_t common = a->text.len < b->text.len ? a->text.len : b->text.len;

    CHECK((a->result == 0) == (b->result == 0));
    CHECK(a->result != 0 || a->text.len == b->text.len);
    CHECK(!common || !memcmp(a->text.ptr, b->text.ptr, common));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reading whole, pieces;

    if (len < 2)
        return 0;
    const char *field = FIELDS[data[0] % FIELDS_COUNT];
    struct ed_bytes bytes = ed_bytes_of(data + 2, len - 2);
    read_in_steps(&whole, field, bytes, bytes.len + 1, 64 * 1024);
    read_in_steps(&pieces, field, bytes, 1 + data[1] % 16,
                  1 + (size_t)(data[1] >> 4) * 100);
    check_same(&whole, &pieces);
    ed_buf_free(&whole.text);
    ed_buf_free(&pieces.text);
    return 0;
}
