/*
 * test_coding.c - decoding gzip, deflate, br and zstd, and what is none.
 */
#include "wire/coding.h"
#include "coded.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>

#define HELLO ED_BYTES("hello, hello, hello\n")

/* A decoder for what a field names. */
static ed_decoder *decoder_for(const char *field, uint64_t max)
{
    struct ed_codings codings = {0};
    assert_true(ed_codings_add(&codings, ed_bytes(field)));
    ed_decoder *d = ed_decoder_new(codings, max);
    assert_non_null(d);
    return d;
}

/* How a body came out. */
struct outcome {
    ssize_t result; /* 0 or an error */
    const char *error;
    struct ed_buf text;
};

/* Takes all that comes of a piece, `room` bytes at once. */
static ssize_t take(ed_decoder *d, struct ed_bytes piece, bool last,
                    size_t room, struct ed_buf *text)
{
    char out[4096];
    ssize_t n;

    while ((n = ed_decoder_read(d, &piece, last, out, room)) > 0)
        assert_int_equal(ed_buf_add(text, out, (size_t)n), 0);
    if (!n)
        assert_int_equal(piece.len, 0);
    return n;
}

static struct outcome decode(const char *field, struct ed_bytes coded,
                             size_t step, size_t room)
{
    ed_decoder *d = decoder_for(field, 1 << 20);
    struct outcome o = {0};

    for (size_t at = 0; at < coded.len && o.result == 0; at += step) {
        size_t left = coded.len - at;
        o.result =
            take(d, ed_bytes_of(coded.ptr + at, left < step ? left : step),
                 false, room, &o.text);
    }
    if (o.result == 0)
        o.result = take(d, ED_BYTES(""), true, room, &o.text);
    o.error = ed_decoder_error(d);
    ed_decoder_free(d);
    return o;
}

static void expect_text(const char *field, struct ed_bytes coded,
                        struct ed_bytes plain)
{
    static const size_t steps[] = {1, 2, 3, 7, 100, 1 << 20};

    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        for (size_t room = 1; room <= 4096; room *= 16) {
            struct outcome o = decode(field, coded, steps[i], room);
            assert_int_equal(o.result, 0);
            assert_null(o.error);
            assert_true(ed_bytes_equal(ed_buf_bytes(&o.text), plain));
            ed_buf_free(&o.text);
        }
    }
}

static void expect_error(const char *field, struct ed_bytes coded, int err,
                         const char *error)
{
    struct outcome o = decode(field, coded, coded.len ? coded.len : 1, 4096);

    assert_int_equal(o.result, err);
    assert_string_equal(o.error, error);
    ed_buf_free(&o.text);
}

static void forget(struct ed_bytes coded)
{
    free((void *)(uintptr_t)coded.ptr);
}

static struct ed_bytes joined(struct ed_bytes a, struct ed_bytes b)
{
    char *both = malloc(a.len + b.len);
    assert_non_null(both);
    memcpy(both, a.ptr, a.len);
    memcpy(both + a.len, b.ptr, b.len);
    return ed_bytes_of(both, a.len + b.len);
}

/* ---- what is well ---- */

static void each_coding_is_decoded_however_it_arrives(void **state)
{
    (void)state;
    struct ed_bytes gzip = coded_gzip(HELLO), zlib = coded_zlib(HELLO, 15);
    struct ed_bytes raw = coded_zlib(HELLO, -15), zstd = coded_zstd(HELLO, 10);

    expect_text("gzip", gzip, HELLO);
    expect_text("x-gzip", gzip, HELLO);
    expect_text("deflate", zlib, HELLO);
    expect_text("deflate", raw, HELLO);
    expect_text("br", CODED_BR, HELLO);
    expect_text("zstd", zstd, HELLO);
    forget(gzip);
    forget(zlib);
    forget(raw);
    forget(zstd);
}

static void large_bodies_come_out_whole(void **state)
{
    (void)state;
    enum { LARGE = 300 * 1000 };
    char *plain = malloc(LARGE);
    assert_non_null(plain);
    for (uint32_t i = 0, x = 1; i < LARGE; i++, x = x * 1664525 + 1013904223)
        plain[i] = (char)("abcdefgh"[x >> 29] + (i % 1000 == 0));
    struct ed_bytes bytes = ed_bytes_of(plain, LARGE);
    struct ed_bytes gzip = coded_gzip(bytes), zstd = coded_zstd(bytes, 17);
    struct ed_bytes both = coded_zlib(zstd, 15);

    for (size_t step = 1000; step < 1000000; step *= 30) {
        struct outcome a = decode("gzip", gzip, step, 4096);
        struct outcome b = decode("zstd", zstd, step, 1000);
        struct outcome c = decode("zstd, deflate", both, step, 4096);
        assert_true(ed_bytes_equal(ed_buf_bytes(&a.text), bytes));
        assert_true(ed_bytes_equal(ed_buf_bytes(&b.text), bytes));
        assert_true(ed_bytes_equal(ed_buf_bytes(&c.text), bytes));
        ed_buf_free(&a.text);
        ed_buf_free(&b.text);
        ed_buf_free(&c.text);
    }
    forget(gzip);
    forget(zstd);
    forget(both);
    free(plain);
}

static void codings_are_undone_from_the_last_to_the_first(void **state)
{
    (void)state;
    struct ed_bytes zstd = coded_zstd(HELLO, 10);
    struct ed_bytes inner = coded_gzip(CODED_BR);
    struct ed_bytes outer = coded_zstd(inner, 10);
    struct ed_bytes twice = coded_gzip(zstd);

    expect_text("br, gzip, zstd", outer, HELLO);
    expect_text(" ZSTD ,identity,, x-GZip ", twice, HELLO);
    forget(zstd);
    forget(inner);
    forget(outer);
    forget(twice);
}

static void members_and_frames_may_follow_each_other(void **state)
{
    (void)state;
    struct ed_bytes gzip = coded_gzip(ED_BYTES("one")),
                    gzip2 = coded_gzip(ED_BYTES("two")),
                    gzips = joined(gzip, gzip2);
    struct ed_bytes zstd = coded_zstd(ED_BYTES("one"), 10),
                    zstd2 = coded_zstd(ED_BYTES("two"), 10),
                    zstds = joined(zstd, zstd2);

    expect_text("gzip", gzips, ED_BYTES("onetwo"));
    expect_text("zstd", zstds, ED_BYTES("onetwo"));
    forget(gzip);
    forget(gzip2);
    forget(gzips);
    forget(zstd);
    forget(zstd2);
    forget(zstds);
}

static void no_bytes_at_all_are_an_empty_body(void **state)
{
    (void)state;
    expect_text("gzip", ED_BYTES(""), ED_BYTES(""));
    expect_text("br, zstd", ED_BYTES(""), ED_BYTES(""));
}

static void bytes_come_out_as_soon_as_they_are_known(void **state)
{
    (void)state;
    z_stream z = {0};
    char coded[100], out[100];
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0), Z_OK);
    z.next_in = (Bytef *)(uintptr_t) "tick";
    z.avail_in = 4;
    z.next_out = (Bytef *)coded;
    z.avail_out = sizeof(coded);
    assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    struct ed_bytes in = ed_bytes_of(coded, sizeof(coded) - z.avail_out);
    ed_decoder *d = decoder_for("gzip", 100);
    assert_int_equal(ed_decoder_read(d, &in, false, out, sizeof(out)), 4);
    assert_int_equal(ed_decoder_read(d, &in, false, out, sizeof(out)), 0);
    assert_memory_equal(out, "tick", 4);
    ed_decoder_free(d);
    deflateEnd(&z);
}

static void asking_without_giving_does_no_harm(void **state)
{
    (void)state;
    struct ed_bytes zstd = coded_zstd(HELLO, 10);
    struct ed_bytes twice = coded_zstd(zstd, 10);
    ed_decoder *d = decoder_for("zstd, zstd", 100);
    char out[100];
    ssize_t n = 0;

    for (size_t i = 0; i < twice.len; i++) {
        struct ed_bytes byte = ed_bytes_of(twice.ptr + i, 1), none = {0};
        n += ed_decoder_read(d, &byte, false, out + n, sizeof(out) - (size_t)n);
        for (int again = 0; again < 50; again++)
            n += ed_decoder_read(d, &none, false, out + n,
                                 sizeof(out) - (size_t)n);
    }
    assert_true(ed_bytes_equal(ed_bytes_of(out, (size_t)n), HELLO));
    ed_decoder_free(d);
    forget(zstd);
    forget(twice);
}

/* ---- what is not ---- */

static void what_is_not_of_its_coding_is_refused(void **state)
{
    (void)state;
    expect_error("gzip", HELLO, ED_ECODING, "gzip data is malformed");
    expect_error("deflate", HELLO, ED_ECODING, "deflate data is malformed");
    expect_error("br", ED_BYTES("\xff\xff\xff\xff"), ED_ECODING,
                 "br data is malformed");
    expect_error("zstd", HELLO, ED_ECODING, "zstd data is malformed");
    struct ed_bytes gzip = coded_gzip(HELLO);
    expect_error("zstd, gzip", gzip, ED_ECODING, "zstd data is malformed");
    forget(gzip);
}

static void a_wrong_checksum_is_seen(void **state)
{
    (void)state;
    struct ed_bytes gzip = coded_gzip(HELLO);
    ((char *)(uintptr_t)gzip.ptr)[gzip.len - 6] ^= 1;
    expect_error("gzip", gzip, ED_ECODING, "gzip data is malformed");
    forget(gzip);
}

static void expect_cut_off(const char *field, struct ed_bytes coded,
                           const char *error)
{
    for (size_t len = 1; len < coded.len; len++)
        expect_error(field, ed_bytes_of(coded.ptr, len), ED_ECODING, error);
}

static void a_body_cut_off_anywhere_is_not_taken_for_whole(void **state)
{
    (void)state;
    struct ed_bytes gzip = coded_gzip(HELLO), raw = coded_zlib(HELLO, -15);
    struct ed_bytes zstd = coded_zstd(HELLO, 10);

    expect_cut_off("gzip", gzip, "gzip data is cut off");
    expect_cut_off("deflate", raw, "deflate data is cut off");
    expect_cut_off("br", CODED_BR, "br data is cut off");
    expect_cut_off("zstd", zstd, "zstd data is cut off");
    forget(gzip);
    forget(raw);
    forget(zstd);
}

static void what_follows_the_end_is_refused(void **state)
{
    (void)state;
    struct ed_bytes gzip = coded_gzip(HELLO), raw = coded_zlib(HELLO, -15);
    struct ed_bytes zstd = coded_zstd(HELLO, 10);
    struct ed_bytes behind[] = {joined(gzip, HELLO), joined(raw, HELLO),
                                joined(CODED_BR, HELLO), joined(zstd, HELLO)};

    expect_error("gzip", behind[0], ED_ECODING,
                 "something else follows the gzip data");
    expect_error("deflate", behind[1], ED_ECODING,
                 "something else follows the deflate data");
    expect_error("br", behind[2], ED_ECODING,
                 "something else follows the br data");
    expect_error("zstd", behind[3], ED_ECODING,
                 "something else follows the zstd data");
    for (int i = 0; i < 4; i++)
        forget(behind[i]);
    forget(gzip);
    forget(raw);
    forget(zstd);
}

static void an_error_stays(void **state)
{
    (void)state;
    ed_decoder *d = decoder_for("zstd", 100);
    struct ed_bytes in = HELLO, good = coded_zstd(HELLO, 10), more = good;
    char out[100];

    assert_int_equal(ed_decoder_read(d, &in, false, out, 100), ED_ECODING);
    assert_int_equal(ed_decoder_read(d, &more, true, out, 100), ED_ECODING);
    assert_string_equal(ed_decoder_error(d), "zstd data is malformed");
    ed_decoder_free(d);
    forget(good);
}

static void unknown_codings_and_too_many_are_not_taken(void **state)
{
    (void)state;
    struct ed_codings codings = {0};
    assert_false(ed_codings_add(&codings, ED_BYTES("compress")));
    codings.count = 0;
    assert_false(ed_codings_add(&codings, ED_BYTES("gzip, dcb")));
    codings.count = 0;
    assert_true(ed_codings_add(&codings, ED_BYTES("gzip, br")));
    assert_true(ed_codings_add(&codings, ED_BYTES("gzip")));
    assert_int_equal(codings.count, 3);
    assert_false(ed_codings_add(&codings, ED_BYTES("gzip")));
    codings.count = 0;
    assert_true(ed_codings_add(&codings, ED_BYTES("identity, ,")));
    assert_int_equal(codings.count, 0);
}

/* ---- limits ---- */

static void more_than_allowed_is_refused_and_as_much_is_not(void **state)
{
    (void)state;
    struct ed_bytes gzip = coded_gzip(HELLO), in = gzip;
    char out[100];
    ed_decoder *d = decoder_for("gzip", HELLO.len);
    assert_int_equal(ed_decoder_read(d, &in, true, out, 100), HELLO.len);
    assert_int_equal(ed_decoder_read(d, &in, true, out, 100), 0);
    ed_decoder_free(d);

    in = gzip;
    d = decoder_for("gzip", HELLO.len - 1);
    assert_int_equal(ed_decoder_read(d, &in, true, out, 100), ED_EBODYLIMIT);
    assert_string_equal(ed_decoder_error(d),
                        "body larger than allowed when decoded");
    ed_decoder_free(d);
    forget(gzip);
}

/* Decodes to nowhere; returns the result and how much came. */
static ssize_t drain(const char *field, struct ed_bytes coded, size_t *total)
{
    static char out[64 * 1024];
    ed_decoder *d = decoder_for(field, UINT64_MAX);
    ssize_t n;

    *total = 0;
    while ((n = ed_decoder_read(d, &coded, true, out, sizeof(out))) > 0)
        *total += (size_t)n;
    ed_decoder_free(d);
    return n;
}

static void a_bomb_is_stopped_and_gzip_of_nothing_but_zeros_is_not(void **state)
{
    (void)state;
    enum { ZEROS = 40 * 1024 * 1024 };
    size_t total;
    struct ed_bytes zeros = ed_bytes_of(calloc(1, ZEROS), ZEROS);
    struct ed_bytes gzip = coded_gzip(zeros), zstd = coded_zstd(zeros, 17);
    struct ed_bytes twice = coded_gzip(gzip);

    assert_int_equal(drain("gzip", gzip, &total), 0);
    assert_int_equal(total, ZEROS);
    assert_int_equal(drain("zstd", zstd, &total), ED_ECODING);
    assert_in_range(total, 1, ED_DECODER_FREE + 64 * 1024);
    assert_int_equal(drain("gzip, gzip", twice, &total), ED_ECODING);
    assert_in_range(total, 1, ED_DECODER_FREE + 64 * 1024);
    forget(zeros);
    forget(gzip);
    forget(zstd);
    forget(twice);
}

/* Empty members decode to nothing, however many there are. */
static void what_grows_between_two_codings_is_a_bomb_as_well(void **state)
{
    (void)state;
    enum { MEMBERS = 2 * 1000 * 1000 };
    size_t total;
    struct ed_bytes none = coded_gzip(ED_BYTES(""));
    char *many = malloc(none.len * MEMBERS);
    assert_non_null(many);
    for (size_t i = 0; i < MEMBERS; i++)
        memcpy(many + i * none.len, none.ptr, none.len);
    struct ed_bytes outer =
        coded_zstd(ed_bytes_of(many, none.len * MEMBERS), 17);

    assert_int_equal(drain("gzip, zstd", outer, &total), ED_ECODING);
    assert_int_equal(total, 0);
    free(many);
    forget(none);
    forget(outer);
}

static void a_window_beyond_8_MiB_is_refused(void **state)
{
    (void)state;
    size_t total;
    struct ed_bytes plain = ed_bytes_of(calloc(1, 32 << 20), 32 << 20);
    struct ed_bytes fits = coded_zstd(ed_bytes_of(plain.ptr, 8 << 20), 23);
    struct ed_bytes large = coded_zstd(plain, 24);

    expect_error("zstd", large, ED_ECODING,
                 "zstd data needs a window of more than 8 MiB");
    assert_int_equal(drain("zstd", fits, &total), 0);
    assert_int_equal(total, 8 << 20);
    forget(plain);
    forget(fits);
    forget(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_coding_is_decoded_however_it_arrives),
        cmocka_unit_test(large_bodies_come_out_whole),
        cmocka_unit_test(codings_are_undone_from_the_last_to_the_first),
        cmocka_unit_test(members_and_frames_may_follow_each_other),
        cmocka_unit_test(no_bytes_at_all_are_an_empty_body),
        cmocka_unit_test(bytes_come_out_as_soon_as_they_are_known),
        cmocka_unit_test(asking_without_giving_does_no_harm),
        cmocka_unit_test(what_is_not_of_its_coding_is_refused),
        cmocka_unit_test(a_wrong_checksum_is_seen),
        cmocka_unit_test(a_body_cut_off_anywhere_is_not_taken_for_whole),
        cmocka_unit_test(what_follows_the_end_is_refused),
        cmocka_unit_test(an_error_stays),
        cmocka_unit_test(unknown_codings_and_too_many_are_not_taken),
        cmocka_unit_test(more_than_allowed_is_refused_and_as_much_is_not),
        cmocka_unit_test(
            a_bomb_is_stopped_and_gzip_of_nothing_but_zeros_is_not),
        cmocka_unit_test(what_grows_between_two_codings_is_a_bomb_as_well),
        cmocka_unit_test(a_window_beyond_8_MiB_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
