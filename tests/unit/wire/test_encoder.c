/*
 * test_encoder.c - encoding gzip, br and zstd: what comes out decodes to what
 * went in, however it is given and taken, and flushes can be decoded at once.
 */
#include "wire/encoder.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>
#include <stdlib.h>

static const enum ed_coding codings[] = {ED_CODING_GZIP, ED_CODING_BR,
                                         ED_CODING_ZSTD};

enum { CODINGS = sizeof codings / sizeof *codings, LARGE = 300 * 1000 };

/* Text that compresses about as pages do. */
static char *made_up(size_t len)
{
    char *text = malloc(len);
    assert_non_null(text);
    for (uint32_t i = 0, x = 1; i < len; i++) {
        x = x * 1664525 + 1013904223;
        text[i] =
            "<div class=\"item\">etaoin shrdlu</div>\n"[(i % 24 + (x >> 30)) %
                                                        38];
    }
    return text;
}

static void take(ed_encoder *e, struct ed_bytes in, enum ed_encode purpose,
                 size_t room, struct ed_buf *coded)
{
    char out[4096];
    ssize_t n;
    while ((n = ed_encoder_write(e, &in, purpose, out, room)) > 0)
        assert_int_equal(ed_buf_add(coded, out, (size_t)n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(in.len, 0);
}

static void decode(enum ed_coding coding, struct ed_bytes coded, bool whole,
                   struct ed_buf *plain)
{
    struct ed_codings list = {0};
    char out[4096];
    ssize_t n;
    assert_true(ed_codings_add(&list, ed_bytes(ed_coding_name(coding))));
    ed_decoder *d = ed_decoder_new(list, UINT64_MAX);
    assert_non_null(d);
    while ((n = ed_decoder_read(d, &coded, whole, out, sizeof out)) > 0)
        assert_int_equal(ed_buf_add(plain, out, (size_t)n), 0);
    assert_int_equal(n, 0);
    ed_decoder_free(d);
}

static void expect_plain(enum ed_coding coding, const struct ed_buf *coded,
                         bool whole, struct ed_bytes wanted)
{
    struct ed_buf plain = {0};
    decode(coding, ed_buf_bytes(coded), whole, &plain);
    assert_true(ed_bytes_equal(ed_buf_bytes(&plain), wanted));
    ed_buf_free(&plain);
}

static void what_is_encoded_decodes_however_it_is_given(void **state)
{
    static const size_t steps[] = {1, 100, 5000, LARGE};
    (void)state;
    char *text = made_up(LARGE);
    for (size_t i = 0; i < CODINGS * 4; i++) {
        enum ed_coding coding = codings[i % CODINGS];
        size_t step = steps[i / CODINGS],
               room = step > 1 ? 4096 : ED_ENCODER_ROOM;
        size_t len = step > 1 ? LARGE : 5000;
        struct ed_buf coded = {0};
        ed_encoder *e = ed_encoder_new(coding, 0);
        assert_non_null(e);
        for (size_t at = 0; at < len; at += step)
            take(e, ed_bytes_of(text + at, len - at < step ? len - at : step),
                 ED_ENCODE, room, &coded);
        take(e, ED_BYTES(""), ED_ENCODE_END, room, &coded);
        assert_true(coded.len < len / 2);
        expect_plain(coding, &coded, true, ed_bytes_of(text, len));
        ed_encoder_free(e);
        ed_buf_free(&coded);
    }
    free(text);
}

#define AWAITED "a piece that somebody waits for"

static void what_was_flushed_can_be_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODINGS; i++) {
        struct ed_buf coded = {0};
        ed_encoder *e = ed_encoder_new(codings[i], 0);
        assert_non_null(e);
        for (size_t room = ED_ENCODER_ROOM; room <= 4096; room *= 256) {
            size_t before = coded.len;
            take(e, ED_BYTES(AWAITED), ED_ENCODE_FLUSH, room, &coded);
            assert_true(coded.len > before);
        }
        expect_plain(codings[i], &coded, false, ED_BYTES(AWAITED AWAITED));
        ed_encoder_free(e);
        ed_buf_free(&coded);
    }
}

static void a_second_flush_adds_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODINGS; i++) {
        struct ed_buf coded = {0};
        ed_encoder *e = ed_encoder_new(codings[i], 0);
        assert_non_null(e);
        take(e, ED_BYTES("x"), ED_ENCODE_FLUSH, 4096, &coded);
        size_t len = coded.len;
        take(e, ED_BYTES(""), ED_ENCODE_FLUSH, 4096, &coded);
        assert_int_equal(coded.len, len);
        take(e, ED_BYTES(""), ED_ENCODE_END, 4096, &coded);
        len = coded.len;
        take(e, ED_BYTES(""), ED_ENCODE_END, 4096, &coded);
        assert_int_equal(coded.len, len);
        expect_plain(codings[i], &coded, true, ED_BYTES("x"));
        ed_encoder_free(e);
        ed_buf_free(&coded);
    }
}

static void an_empty_body_is_a_proper_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODINGS; i++) {
        struct ed_buf coded = {0};
        ed_encoder *e = ed_encoder_new(codings[i], 0);
        assert_non_null(e);
        take(e, ED_BYTES(""), ED_ENCODE_END, 4096, &coded);
        assert_true(coded.len > 0);
        expect_plain(codings[i], &coded, true, ED_BYTES(""));
        ed_encoder_free(e);
        ed_buf_free(&coded);
    }
}

static void one_that_was_reset_begins_anew(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODINGS; i++) {
        struct ed_buf first = {0}, second = {0};
        ed_encoder *e = ed_encoder_new(codings[i], 0);
        assert_non_null(e);
        take(e, ED_BYTES("left in the middle"), ED_ENCODE, 4096, &first);
        if (ed_encoder_reset(e)) {
            take(e, ED_BYTES("anew"), ED_ENCODE_END, 4096, &second);
            expect_plain(codings[i], &second, true, ED_BYTES("anew"));
        } else {
            assert_int_equal(codings[i], ED_CODING_BR);
        }
        ed_encoder_free(e);
        ed_buf_free(&first);
        ed_buf_free(&second);
    }
}

static void a_level_that_is_none_becomes_the_nearest(void **state)
{
    static const int levels[] = {-5, 1, 1000};
    (void)state;
    for (size_t i = 0; i < CODINGS * 3; i++) {
        struct ed_buf coded = {0};
        ed_encoder *e =
            ed_encoder_new(codings[i % CODINGS], levels[i / CODINGS]);
        assert_non_null(e);
        take(e, ED_BYTES("hello"), ED_ENCODE_END, 4096, &coded);
        expect_plain(codings[i % CODINGS], &coded, true, ED_BYTES("hello"));
        ed_encoder_free(e);
        ed_buf_free(&coded);
    }
}

static void deflate_is_never_sent(void **state)
{
    (void)state;
    assert_false(ed_encoder_has(ED_CODING_DEFLATE));
    for (size_t i = 0; i < CODINGS; i++)
        assert_true(ed_encoder_has(codings[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_decodes_however_it_is_given),
        cmocka_unit_test(what_was_flushed_can_be_decoded),
        cmocka_unit_test(a_second_flush_adds_nothing),
        cmocka_unit_test(an_empty_body_is_a_proper_one),
        cmocka_unit_test(one_that_was_reset_begins_anew),
        cmocka_unit_test(a_level_that_is_none_becomes_the_nearest),
        cmocka_unit_test(deflate_is_never_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
