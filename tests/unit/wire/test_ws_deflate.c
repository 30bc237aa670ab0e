/*
 * test_ws_deflate.c - compressed messages; the examples are those of RFC 7692,
 * 7.2.3.
 */
#include "wire/ws_deflate.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>
#include <stdlib.h>

/* Reads a message given in pieces of `step` bytes, `room` bytes at a time. 0 or
 * an error. */
static int inflate_in(ed_ws_inflate *z, struct ed_bytes in, size_t step,
                      size_t room, struct ed_buf *out)
{
    size_t at = 0;
    ssize_t n;

    do {
        size_t left = in.len - at, len = left < step ? left : step;
        struct ed_bytes piece = ed_bytes_of(in.ptr + at, len);
        char *copy = malloc(room);
        at += len;
        while ((n = ed_ws_inflate_read(z, &piece, at == in.len, copy, room)) >
               0)
            assert_int_equal(ed_buf_add(out, copy, (size_t)n), 0);
        free(copy);
        assert_true(n < 0 || !piece.len);
    } while (!n && at < in.len);
    return (int)n;
}

static void expect_message(ed_ws_inflate *z, struct ed_bytes in,
                           struct ed_bytes want)
{
    struct ed_buf out = {0};

    assert_int_equal(inflate_in(z, in, in.len + 1, 64, &out), 0);
    assert_true(ed_bytes_equal(ed_buf_bytes(&out), want));
    ed_buf_free(&out);
}

static void a_message_comes_out_however_it_is_cut(void **state)
{
    static const struct {
        struct ed_bytes in;
        const char *about;
    } hellos[] = {
        {ED_BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"), "one block"},
        {ED_BYTES("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), "stored"},
        {ED_BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "a last block"},
        {ED_BYTES("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
         "two blocks"},
        {ED_BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00"), "nothing behind the last"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(hellos) / sizeof(*hellos); i++) {
        for (size_t step = 1; step <= hellos[i].in.len; step++) {
            for (size_t room = 1; room < 8; room++) {
                ed_ws_inflate *z = ed_ws_inflate_new(15);
                struct ed_buf out = {0};
                assert_int_equal(inflate_in(z, hellos[i].in, step, room, &out),
                                 0);
                assert_string_equal(out.ptr, "Hello");
                ed_buf_free(&out);
                ed_ws_inflate_free(z);
            }
        }
    }
}

static void a_message_refers_to_the_one_before(void **state)
{
    ed_ws_inflate *z = ed_ws_inflate_new(15);

    (void)state;
    expect_message(z, ED_BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"),
                   ED_BYTES("Hello"));
    expect_message(z, ED_BYTES("\xf2\x00\x11\x00\x00"), ED_BYTES("Hello"));
    ed_ws_inflate_free(z);
}

static void also_to_one_that_ended_with_a_last_block(void **state)
{
    ed_ws_inflate *z = ed_ws_inflate_new(15);

    (void)state;
    expect_message(z, ED_BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
                   ED_BYTES("Hello"));
    expect_message(z, ED_BYTES("\xf2\x00\x11\x00\x00"), ED_BYTES("Hello"));
    ed_ws_inflate_free(z);
}

static void a_reset_forgets_what_was(void **state)
{
    ed_ws_inflate *z = ed_ws_inflate_new(15);
    struct ed_buf out = {0};

    (void)state;
    expect_message(z, ED_BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"),
                   ED_BYTES("Hello"));
    ed_ws_inflate_reset(z);
    assert_int_equal(
        inflate_in(z, ED_BYTES("\xf2\x00\x11\x00\x00"), 10, 64, &out),
        ED_EPROTO);
    ed_buf_free(&out);
    ed_ws_inflate_free(z);
}

static void an_empty_message_is_one_byte_or_none(void **state)
{
    ed_ws_inflate *z = ed_ws_inflate_new(15);

    (void)state;
    expect_message(z, ED_BYTES("\x00"), ED_BYTES(""));
    expect_message(z, ED_BYTES(""), ED_BYTES(""));
    expect_message(z, ED_BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"),
                   ED_BYTES("Hello"));
    expect_message(z, ED_BYTES(""), ED_BYTES(""));
    expect_message(z, ED_BYTES("\xf2\x00\x11\x00\x00"), ED_BYTES("Hello"));
    ed_ws_inflate_free(z);
}

static void what_is_malformed_or_cut_off_is_refused(void **state)
{
    static const struct ed_bytes cases[] = {
        ED_BYTES("\xff\xff\xff"),
        ED_BYTES("\xf2\x48\xcd\xc9"), /* within a block */
        ED_BYTES("\x00\x05\x00\xfa\xff\x48\x65"),
        ED_BYTES("\x00\x05\x00\xfb\xff"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ed_ws_inflate *z = ed_ws_inflate_new(15);
        struct ed_buf out = {0};
        assert_int_equal(inflate_in(z, cases[i], 100, 64, &out), ED_EPROTO);
        ed_buf_free(&out);
        ed_ws_inflate_free(z);
    }
}

static void no_more_comes_out_than_there_is_room_for(void **state)
{
    enum { LARGE = 1 << 20 };
    ed_ws_deflate_ctx *d = ed_ws_deflate_new(15, 9);
    ed_ws_inflate *z = ed_ws_inflate_new(15);
    char *zeros = calloc(1, LARGE);
    struct ed_bytes in = ed_bytes_of(zeros, LARGE);
    char small[4096], out[100];
    bool whole;

    (void)state;
    size_t len =
        ed_ws_deflate_write(d, &in, true, small, sizeof(small), &whole);
    assert_true(whole && len < sizeof(small));
    struct ed_bytes bomb = ed_bytes_of(small, len);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ed_ws_inflate_read(z, &bomb, true, out, sizeof(out)),
                         sizeof(out));
    free(zeros);
    ed_ws_deflate_free(d);
    ed_ws_inflate_free(z);
}

/* ---- compressing ---- */

/* Compresses in pieces of `step` bytes by way of `room` bytes. */
static void deflate_in(ed_ws_deflate_ctx *z, struct ed_bytes in, size_t step,
                       size_t room, struct ed_buf *out)
{
    char *way = malloc(room);
    size_t at = 0;

    do {
        size_t left = in.len - at, len = left < step ? left : step;
        struct ed_bytes piece = ed_bytes_of(in.ptr + at, len);
        bool whole = false;
        at += len;
        while (!whole) {
            size_t n =
                ed_ws_deflate_write(z, &piece, at == in.len, way, room, &whole);
            assert_int_equal(ed_buf_add(out, way, n), 0);
        }
        assert_int_equal(piece.len, 0);
    } while (at < in.len);
    free(way);
}

static void fill(char *text, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = (char)(seed >> 24 & (seed >> 23 & 1 ? 0xff : 0x03));
    }
}

/* Several messages through one context each way. */
static void run_through(int bits, int level, bool takeover, size_t step,
                        size_t room)
{
    static const size_t lengths[] = {0, 1, 5, 0, 0, 300, 5000, 40000, 0, 2};
    ed_ws_deflate_ctx *d = ed_ws_deflate_new(bits, level);
    ed_ws_inflate *z = ed_ws_inflate_new(bits);
    char text[40000];

    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        struct ed_buf small = {0}, back = {0};
        struct ed_bytes in = ed_bytes_of(text, lengths[i]);
        fill(text, lengths[i], (uint32_t)(i + room));
        deflate_in(d, in, step, room, &small);
        assert_true(small.len > 0);
        assert_int_equal(inflate_in(z, ed_buf_bytes(&small), step, room, &back),
                         0);
        assert_true(ed_bytes_equal(ed_buf_bytes(&back), in));
        ed_buf_free(&small);
        ed_buf_free(&back);
        if (takeover)
            continue;
        ed_ws_deflate_reset(d);
        ed_ws_inflate_reset(z);
    }
    ed_ws_deflate_free(d);
    ed_ws_inflate_free(z);
}

static void what_is_compressed_comes_out_again(void **state)
{
    static const size_t steps[] = {1, 7, 1000, 100000};
    static const size_t rooms[] = {64, 65, 67, 1000, 65536};

    (void)state;
    for (int bits = 9; bits <= 15; bits++)
        run_through(bits, 6, bits & 1, 1000, 64);
    for (int level = 1; level <= 9; level += 4)
        run_through(15, level, true, 5000, 4096);
    for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
        for (size_t r = 0; r < sizeof(rooms) / sizeof(*rooms); r++) {
            run_through(15, 6, true, steps[s], rooms[r]);
            run_through(11, 3, false, steps[s], rooms[r]);
        }
    }
}

static void the_tail_is_left_out(void **state)
{
    ed_ws_deflate_ctx *z = ed_ws_deflate_new(15, 6);
    struct ed_buf out = {0};

    (void)state;
    deflate_in(z, ED_BYTES("Hello"), 100, 100, &out);
    assert_true(
        ed_bytes_equal(ed_buf_bytes(&out), ED_BYTES("\xf2\x48\xcd\xc9\xc9\x07"
                                                    "\x00")));
    out.len = 0;
    deflate_in(z, ED_BYTES(""), 100, 100, &out);
    assert_true(ed_bytes_equal(ed_buf_bytes(&out), ED_BYTES("\x00")));
    ed_buf_free(&out);
    ed_ws_deflate_free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_comes_out_however_it_is_cut),
        cmocka_unit_test(a_message_refers_to_the_one_before),
        cmocka_unit_test(also_to_one_that_ended_with_a_last_block),
        cmocka_unit_test(a_reset_forgets_what_was),
        cmocka_unit_test(an_empty_message_is_one_byte_or_none),
        cmocka_unit_test(what_is_malformed_or_cut_off_is_refused),
        cmocka_unit_test(no_more_comes_out_than_there_is_room_for),
        cmocka_unit_test(what_is_compressed_comes_out_again),
        cmocka_unit_test(the_tail_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
