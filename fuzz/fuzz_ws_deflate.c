/*
 * fuzz_ws_deflate.c - compressed messages, at once and in pieces.
 *
 * The first byte is the size of pieces, the second the window and the level,
 * the rest a message: as something that was compressed, whatever comes out of
 * it; and as something to compress, of which the same has to come back, twice
 * in one context.
 */
#include "check.h"
#include "wire/ws_deflate.h"

#include <eddy/error.h>

/* What anybody would stop at. */
enum { MOST = 1 << 20 };

static int inflate_in(ed_ws_inflate *z, struct ed_bytes in, size_t step,
                      size_t room, struct ed_buf *out)
{
    size_t at = 0;
    ssize_t n = 0;
    char *way = malloc(room);

    CHECK(way);
    do {
        size_t left = in.len - at, len = left < step ? left : step;
        char *copy = check_copy(ed_bytes_of(in.ptr + at, len));
        struct ed_bytes piece = ed_bytes_of(copy, len);
        at += len;
        while (out->len < MOST &&
               (n = ed_ws_inflate_read(z, &piece, at == in.len, way, room)) > 0)
            CHECK(ed_buf_add(out, way, (size_t)n) == 0);
        CHECK(n <= (ssize_t)room);
        free(copy);
    } while (n >= 0 && at < in.len && out->len < MOST);
    free(way);
    return n < 0 ? (int)n : 0;
}

static void check_malformed(struct ed_bytes in, size_t step)
{
    struct ed_buf whole = {0}, pieces = {0};
    ed_ws_inflate *a = ed_ws_inflate_new(15), *b = ed_ws_inflate_new(15);

    CHECK(a && b);
    int at_once = inflate_in(a, in, in.len + 1, 4096, &whole);
    int in_pieces = inflate_in(b, in, step, 1 + step * 7, &pieces);
    if (whole.len < MOST && pieces.len < MOST) {
        CHECK(at_once == in_pieces);
        CHECK(ed_bytes_equal(ed_buf_bytes(&whole), ed_buf_bytes(&pieces)));
    }
    ed_buf_free(&whole);
    ed_buf_free(&pieces);
    ed_ws_inflate_free(a);
    ed_ws_inflate_free(b);
}

static void deflate_in(ed_ws_deflate_ctx *z, struct ed_bytes in, size_t step,
                       struct ed_buf *out)
{
    size_t at = 0, room = ED_WS_DEFLATE_ROOM + step;
    char *way = malloc(room);

    CHECK(way);
    do {
        size_t left = in.len - at, len = left < step ? left : step;
        struct ed_bytes piece = ed_bytes_of(in.ptr + at, len);
        bool whole = false;
        at += len;
        while (!whole) {
            size_t n =
                ed_ws_deflate_write(z, &piece, at == in.len, way, room, &whole);
            CHECK(n <= room);
            CHECK(ed_buf_add(out, way, n) == 0);
        }
        CHECK(!piece.len);
    } while (at < in.len);
    free(way);
}

static void check_round_trip(struct ed_bytes in, size_t step, int bits,
                             int level)
{
    ed_ws_deflate_ctx *d = ed_ws_deflate_new(bits, level);
    ed_ws_inflate *z = ed_ws_inflate_new(bits);

    CHECK(d && z);
    for (int i = 0; i < 2; i++) {
        struct ed_buf small = {0}, back = {0};
        deflate_in(d, in, step, &small);
        CHECK(small.len);
        CHECK(!inflate_in(z, ed_buf_bytes(&small), step, step, &back));
        CHECK(ed_bytes_equal(ed_buf_bytes(&back), in));
        ed_buf_free(&small);
        ed_buf_free(&back);
    }
    ed_ws_deflate_free(d);
    ed_ws_inflate_free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2)
        return 0;
    struct ed_bytes in = ed_bytes_of(data + 2, len - 2);
    size_t step = 1 + data[0];

    check_malformed(in, step);
    check_round_trip(in, step, 9 + data[1] % 7, 1 + (data[1] >> 4) % 9);
    return 0;
}
