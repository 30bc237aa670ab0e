/*
 * test_bytes.c - comparing, cutting and reading views.
 */
#include <eddy/bytes.h>
#include <eddy/error.h>
#include <ctype.h>
#include <stdlib.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static const struct ed_bytes nothing = {NULL, 0};

static void assert_bytes(struct ed_bytes b, const char *want)
{
    assert_int_equal(b.len, strlen(want));
    assert_memory_equal(b.ptr, want, b.len);
}

static void a_view_of_a_null_string_is_empty(void **state)
{
    (void)state;
    assert_null(ed_bytes(NULL).ptr);
    assert_int_equal(ed_bytes(NULL).len, 0);
    assert_int_equal(ED_BYTES("a\0b").len, 3);
}

static void equal_views_have_the_same_bytes(void **state)
{
    (void)state;
    assert_true(ed_bytes_equal(ED_BYTES("ab"), ed_bytes("ab")));
    assert_true(ed_bytes_equal(nothing, ED_BYTES("")));
    assert_false(ed_bytes_equal(ED_BYTES("ab"), ED_BYTES("aB")));
    assert_false(ed_bytes_equal(ED_BYTES("ab"), ED_BYTES("abc")));
}

/* Every byte against every other, at every place of every short length. */
static void only_ascii_letters_have_two_cases(void **state)
{
    char a[20], b[20];

    (void)state;
    for (size_t len = 1; len <= sizeof(a); len++) {
        /* malloc, so that reading beyond the end is found */
        char *left = malloc(len), *right = malloc(len);
        for (size_t at = 0; at < len; at++) {
            memset(left, 'x', len);
            memset(right, 'X', len);
            for (int c = 0; c < 256; c++) {
                int twin = c < 128 && isalpha(c) ? c ^ 0x20 : c;
                left[at] = (char)c;
                right[at] = (char)twin;
                assert_true(ed_bytes_equal_nocase(ed_bytes_of(left, len),
                                                  ed_bytes_of(right, len)));
                right[at] = (char)(c ^ (c < 128 && isalpha(c) ? 0x40 : 0x20));
                assert_false(ed_bytes_equal_nocase(ed_bytes_of(left, len),
                                                   ed_bytes_of(right, len)));
            }
        }
        free(left);
        free(right);
    }
    memset(a, 'a', sizeof(a));
    memset(b, 'A', sizeof(b));
    assert_false(ed_bytes_equal_nocase(ed_bytes_of(a, 19), ed_bytes_of(b, 20)));
    assert_true(ed_bytes_equal_nocase(nothing, ED_BYTES("")));
}

static void case_folding_agrees_with_a_plain_loop_on_all_pairs(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        for (int d = 0; d < 256; d++) {
            int low_c = c >= 'A' && c <= 'Z' ? c + 32 : c;
            int low_d = d >= 'A' && d <= 'Z' ? d + 32 : d;
            char a[2] = {(char)c, 'z'}, b[2] = {(char)d, 'Z'};
            assert_int_equal(
                ed_bytes_equal_nocase(ed_bytes_of(a, 2), ed_bytes_of(b, 2)),
                low_c == low_d);
        }
    }
}

static void a_prefix_may_be_empty_or_all(void **state)
{
    (void)state;
    assert_true(ed_bytes_starts(ED_BYTES("abc"), ED_BYTES("ab")));
    assert_true(ed_bytes_starts(ED_BYTES("abc"), ED_BYTES("abc")));
    assert_true(ed_bytes_starts(nothing, nothing));
    assert_false(ed_bytes_starts(ED_BYTES("ab"), ED_BYTES("abc")));
    assert_false(ed_bytes_starts(ED_BYTES("abc"), ED_BYTES("b")));
}

static void trimming_takes_spaces_and_tabs_only(void **state)
{
    (void)state;
    assert_bytes(ed_bytes_trim(ED_BYTES(" \t a b\t ")), "a b");
    assert_bytes(ed_bytes_trim(ED_BYTES("\r\n")), "\r\n");
    assert_int_equal(ed_bytes_trim(ED_BYTES(" \t ")).len, 0);
    assert_int_equal(ed_bytes_trim(nothing).len, 0);
}

static void cutting_visits_empty_parts_too(void **state)
{
    struct ed_bytes rest = ED_BYTES("a,,bc,");

    (void)state;
    assert_bytes(ed_bytes_cut(&rest, ','), "a");
    assert_bytes(ed_bytes_cut(&rest, ','), "");
    assert_bytes(ed_bytes_cut(&rest, ','), "bc");
    assert_non_null(rest.ptr);
    assert_bytes(ed_bytes_cut(&rest, ','), "");
    assert_null(rest.ptr);
    assert_int_equal(ed_bytes_cut(&rest, ',').len, 0);
}

static void a_needle_is_found_where_it_first_stands(void **state)
{
    (void)state;
    assert_int_equal(ed_bytes_find(ED_BYTES("abcabc"), ED_BYTES("ca")), 2);
    assert_int_equal(ed_bytes_find(ED_BYTES("abcabc"), ED_BYTES("abc")), 0);
    assert_int_equal(ed_bytes_find(ED_BYTES("ab"), ED_BYTES("abc")), -1);
    assert_int_equal(ed_bytes_find(ED_BYTES("ab"), ED_BYTES("c")), -1);
    assert_int_equal(ed_bytes_find(nothing, nothing), 0);
    assert_int_equal(ed_bytes_find(nothing, ED_BYTES("a")), -1);
}

static void assert_int_of(const char *text, int64_t want)
{
    int64_t value = 4711;

    assert_int_equal(ed_bytes_int(ed_bytes(text), &value), 0);
    assert_true(value == want);
}

static void numbers_are_read_to_both_ends_of_their_range(void **state)
{
    (void)state;
    assert_int_of("0", 0);
    assert_int_of("-0", 0);
    assert_int_of("+7", 7);
    assert_int_of("000000000000000000000000012", 12);
    assert_int_of("9223372036854775807", INT64_MAX);
    assert_int_of("-9223372036854775808", INT64_MIN);
}

static void what_is_not_a_number_leaves_the_value_alone(void **state)
{
    static const char *const bad[] = {
        "",
        "+",
        "-",
        "+-1",
        "--1",
        " 1",
        "1 ",
        "0x1",
        "1.0",
        "1e3",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
        "\xb2",
    };
    int64_t value = 4711;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(ed_bytes_int(ed_bytes(bad[i]), &value), ED_EPARSE);
    assert_int_equal(ed_bytes_int(ED_BYTES("1\0"), &value), ED_EPARSE);
    assert_int_equal(ed_bytes_int(nothing, &value), ED_EPARSE);
    assert_true(value == 4711);
}

static void secrets_are_compared_to_the_last_byte(void **state)
{
    (void)state;
    assert_true(ed_bytes_equal_secret(ED_BYTES("s3cret"), ED_BYTES("s3cret")));
    assert_true(ed_bytes_equal_secret(nothing, ED_BYTES("")));
    assert_false(ed_bytes_equal_secret(ED_BYTES("s3cret"), ED_BYTES("s3creT")));
    assert_false(ed_bytes_equal_secret(ED_BYTES("S3cret"), ED_BYTES("s3cret")));
    assert_false(ed_bytes_equal_secret(ED_BYTES("s3cre"), ED_BYTES("s3cret")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_of_a_null_string_is_empty),
        cmocka_unit_test(equal_views_have_the_same_bytes),
        cmocka_unit_test(only_ascii_letters_have_two_cases),
        cmocka_unit_test(case_folding_agrees_with_a_plain_loop_on_all_pairs),
        cmocka_unit_test(a_prefix_may_be_empty_or_all),
        cmocka_unit_test(trimming_takes_spaces_and_tabs_only),
        cmocka_unit_test(cutting_visits_empty_parts_too),
        cmocka_unit_test(a_needle_is_found_where_it_first_stands),
        cmocka_unit_test(numbers_are_read_to_both_ends_of_their_range),
        cmocka_unit_test(what_is_not_a_number_leaves_the_value_alone),
        cmocka_unit_test(secrets_are_compared_to_the_last_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
