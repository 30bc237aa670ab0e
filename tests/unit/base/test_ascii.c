/*
 * test_ascii.c - letters and digits, and numbers written in them.
 */
#include "base/ascii.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static bool is_one_of(const char *these, int byte)
{
    return byte && strchr(these, byte);
}

static void every_byte_is_what_ascii_says(void **state)
{
    static const char digits[] = "0123456789";
    static const char small[] = "abcdefghijklmnopqrstuvwxyz";
    static const char large[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    (void)state;
    for (int i = 0; i < 256; i++) {
        bool digit = is_one_of(digits, i);
        bool letter = is_one_of(small, i) || is_one_of(large, i);
        char c = (char)i;
        assert_int_equal(ed_is_digit(c), digit);
        assert_int_equal(ed_is_letter(c), letter);
        assert_int_equal(ed_is_alnum(c), digit || letter);
        assert_int_equal(ed_lower_char(c),
                         is_one_of(large, i) ? (char)(c + 'a' - 'A') : c);
    }
}

static void numbers_of_digits_alone_are_read(void **state)
{
    static const char *const others[] = {"",   "+7", "-7",
                                         "7a", " 7", "9223372036854775808"};
    int64_t value = 5;

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_int_equal(ed_digits_read(ed_bytes(others[i]), &value),
                         ED_EPARSE);
    assert_int_equal(value, 5);
    assert_int_equal(ed_digits_read(ED_BYTES("9223372036854775807"), &value),
                     0);
    assert_true(value == INT64_MAX);
}

static void digits_end_where_they_are_told_to(void **state)
{
    static const struct {
        uint64_t number;
        const char *text;
    } cases[] = {{0, "0"},
                 {7, "7"},
                 {10, "10"},
                 {65535, "65535"},
                 {UINT64_MAX, "18446744073709551615"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char room[ED_DIGITS_MAX];
        char *end = room + sizeof(room);
        char *text = ed_digits_write(end, cases[i].number);
        assert_true(ed_bytes_equal(ed_bytes_of(text, (size_t)(end - text)),
                                   ed_bytes(cases[i].text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_what_ascii_says),
        cmocka_unit_test(numbers_of_digits_alone_are_read),
        cmocka_unit_test(digits_end_where_they_are_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
