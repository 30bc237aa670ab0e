/*
 * test_ws_utf8.c - UTF-8 in pieces, against the reader of whole characters.
 */
#include "wire/ws_utf8.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

/* How many bytes may be read before a text is known to be wrong; the length if
 * it is not. */
static size_t good_bytes(struct ed_bytes text)
{
    struct ed_ws_utf8 utf8 = {0};

    for (size_t i = 0; i < text.len; i++) {
        if (!ed_ws_utf8_read(&utf8, ed_bytes_of(text.ptr + i, 1)))
            return i;
    }
    return text.len;
}

static void expect_wrong_at(const char *text, size_t at)
{
    struct ed_bytes bytes = ed_bytes(text);
    struct ed_ws_utf8 before = {0}, with = {0};

    assert_int_equal(good_bytes(bytes), at);
    assert_false(ed_ws_utf8_is_valid(bytes));
    assert_true(ed_ws_utf8_read(&before, ed_bytes_of(text, at)));
    assert_false(ed_ws_utf8_read(&with, ed_bytes_of(text, at + 1)));
}

static void what_is_wrong_is_told_at_the_first_byte_that_shows_it(void **state)
{
    (void)state;
    expect_wrong_at("\x80", 0);
    expect_wrong_at("\xc0\x80", 0);
    expect_wrong_at("\xc1\xbf", 0);
    expect_wrong_at("\xf5\x80\x80\x80", 0);
    expect_wrong_at("\xff", 0);
    expect_wrong_at("a\xc3(", 2);
    expect_wrong_at("\xe0\x9f\xbf", 1); /* longer than needed */
    expect_wrong_at("\xed\xa0\x80", 1); /* a surrogate */
    expect_wrong_at("\xf0\x8f\xbf\xbf", 1);
    expect_wrong_at("\xf4\x90\x80\x80", 1); /* beyond U+10FFFF */
    expect_wrong_at("\xe2\x82(", 2);
    expect_wrong_at("\xf0\x90\x80(", 3);
    expect_wrong_at("the quick brown fox jumps over the lazy \xed\xa0\x80", 41);
}

static void a_text_may_not_end_within_a_character(void **state)
{
    struct ed_ws_utf8 utf8 = {0};

    (void)state;
    assert_true(ed_ws_utf8_read(&utf8, ED_BYTES("\xe2\x82")));
    assert_false(ed_ws_utf8_may_end(&utf8));
    assert_true(ed_ws_utf8_read(&utf8, ED_BYTES("\xac")));
    assert_true(ed_ws_utf8_may_end(&utf8));
    assert_false(ed_ws_utf8_is_valid(ED_BYTES("abc\xf0\x9f\x98")));
    assert_true(ed_ws_utf8_is_valid(ED_BYTES("")));
}

/* All sequences of up to three bytes of the kinds there are, and four. */
static void it_agrees_with_the_reader_of_whole_characters(void **state)
{
    static const uint8_t kinds[] = {
        0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf,
        0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
    enum { KINDS = sizeof(kinds) };
    char text[4];

    (void)state;
    for (unsigned n = 0; n < KINDS * KINDS * KINDS * KINDS; n++) {
        unsigned left = n;
        for (int i = 0; i < 4; i++, left /= KINDS)
            text[i] = (char)kinds[left % KINDS];
        size_t at = 0;
        while (at < 4) {
            size_t len = ed_utf8_len(text + at, 4 - at);
            if (!len)
                break;
            at += len;
        }
        assert_int_equal(ed_ws_utf8_is_valid(ed_bytes_of(text, 4)), at == 4);
    }
}

static void it_does_not_matter_how_a_text_is_cut(void **state)
{
    static const char text[] =
        "plain text that is long enough for large steps, "
        "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5 "
        "\xf0\x9f\x98\x80 and again plain text of some length";
    size_t len = sizeof(text) - 1;

    (void)state;
    for (size_t a = 0; a <= len; a++) {
        for (size_t b = a; b <= len; b += 3) {
            struct ed_ws_utf8 utf8 = {0};
            assert_true(ed_ws_utf8_read(&utf8, ed_bytes_of(text, a)));
            assert_true(ed_ws_utf8_read(&utf8, ed_bytes_of(text + a, b - a)));
            assert_true(ed_ws_utf8_read(&utf8, ed_bytes_of(text + b, len - b)));
            assert_true(ed_ws_utf8_may_end(&utf8));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_told_at_the_first_byte_that_shows_it),
        cmocka_unit_test(a_text_may_not_end_within_a_character),
        cmocka_unit_test(it_agrees_with_the_reader_of_whole_characters),
        cmocka_unit_test(it_does_not_matter_how_a_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
