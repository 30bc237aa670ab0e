/*
 * test_cookie.c - reading Cookie fields, tidy and untidy.
 */
#include "wire/cookie.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

/* The pairs of a field as "name=value|name=value|". */
static const char *pairs_of(const char *field)
{
    static char text[256];
    struct ed_bytes rest = ed_bytes(field), name, value;
    int len = 0;

    text[0] = '\0';
    while (ed_cookie_next(&rest, &name, &value))
        len += snprintf(text + len, sizeof(text) - (size_t)len, "%.*s=%.*s|",
                        (int)name.len, name.ptr, (int)value.len, value.ptr);
    return text;
}

static void pairs_come_in_order(void **state)
{
    (void)state;
    assert_string_equal(pairs_of("a=b"), "a=b|");
    assert_string_equal(pairs_of("a=b; c=d; a=e"), "a=b|c=d|a=e|");
    assert_string_equal(pairs_of("session=x/y+z==; t=1"),
                        "session=x/y+z==|t=1|");
}

static void odd_white_space_does_not_count(void **state)
{
    (void)state;
    assert_string_equal(pairs_of("a=b;c=d"), "a=b|c=d|");
    assert_string_equal(pairs_of(" \ta = b\t;  c= d "), "a=b|c=d|");
    assert_string_equal(pairs_of("a=b c; d=e"), "a=b c|d=e|");
}

static void nothing_is_decoded(void **state)
{
    (void)state;
    assert_string_equal(pairs_of("a=\"b c\"; d=%20+"), "a=\"b c\"|d=%20+|");
}

static void an_empty_value_is_a_value(void **state)
{
    (void)state;
    assert_string_equal(pairs_of("a=; b="), "a=|b=|");
}

static void pieces_that_are_no_pair_are_skipped(void **state)
{
    (void)state;
    assert_string_equal(pairs_of(""), "");
    assert_string_equal(pairs_of(" ; ;; "), "");
    assert_string_equal(pairs_of("a; =b; c=d; ="), "c=d|");
}

static void the_first_of_a_name_is_found(void **state)
{
    struct ed_bytes value = {0};

    (void)state;
    assert_true(
        ed_cookie_find(ED_BYTES("b=1; a=2; a=3"), ED_BYTES("a"), &value));
    assert_true(ed_bytes_equal(value, ED_BYTES("2")));
    assert_false(ed_cookie_find(ED_BYTES("b=1; aa=2"), ED_BYTES("a"), &value));
    assert_false(ed_cookie_find(ED_BYTES("A=1"), ED_BYTES("a"), &value));
    assert_true(ed_bytes_equal(value, ED_BYTES("2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_come_in_order),
        cmocka_unit_test(odd_white_space_does_not_count),
        cmocka_unit_test(nothing_is_decoded),
        cmocka_unit_test(an_empty_value_is_a_value),
        cmocka_unit_test(pieces_that_are_no_pair_are_skipped),
        cmocka_unit_test(the_first_of_a_name_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
