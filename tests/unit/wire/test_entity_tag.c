/*
 * test_entity_tag.c - entity tags in lists.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/entity_tag.h"

static bool in(const char *field, const char *tag, bool strong)
{
    return ed_entity_tag_in(ed_bytes(field), ed_bytes(tag), strong);
}

static void a_tag_is_found_wherever_it_stands(void **state)
{
    (void)state;
    assert_true(in("\"a\"", "\"a\"", true));
    assert_true(in("\"b\", \"a\"", "\"a\"", true));
    assert_true(in("\"b\",\"a\",\"c\"", "\"a\"", true));
    assert_true(in(" ,, \"b\" ,\t\"a\" ", "\"a\"", true));
    assert_true(in("\"\"", "\"\"", true));
    assert_false(in("\"b\"", "\"a\"", true));
    assert_false(in("", "\"a\"", true));
    assert_false(in("\"A\"", "\"a\"", true));
}

static void an_asterisk_alone_is_every_tag(void **state)
{
    (void)state;
    assert_true(in("*", "\"a\"", true));
    assert_true(in(" * ", "\"a\"", false));
    assert_false(in("\"b\", *", "\"a\"", true));
}

static void a_comma_within_a_tag_separates_nothing(void **state)
{
    (void)state;
    assert_true(in("\"x,\\\", \"a\"", "\"a\"", true));
    assert_true(in("\"a,b\"", "\"a,b\"", true));
    assert_false(in("\"x, \"a\", y\"", "\", y\"", true));
}

static void weak_tags_are_equal_by_weak_comparison_alone(void **state)
{
    (void)state;
    assert_true(in("W/\"a\"", "\"a\"", false));
    assert_true(in("\"a\"", "W/\"a\"", false));
    assert_true(in("W/\"a\"", "W/\"a\"", false));
    assert_false(in("W/\"a\"", "\"a\"", true));
    assert_false(in("\"a\"", "W/\"a\"", true));
    assert_false(in("W/\"a\"", "W/\"a\"", true));
    assert_false(in("w/\"a\"", "\"a\"", false));
}

static void reading_ends_at_what_is_malformed(void **state)
{
    (void)state;
    assert_false(in("a, \"a\"", "\"a\"", true));
    assert_false(in("\"b, a", "\"a\"", true));
    assert_false(in("\"", "\"a\"", true));
    assert_false(in("W/", "\"a\"", false));
    assert_true(in("\"a\", b", "\"a\"", true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tag_is_found_wherever_it_stands),
        cmocka_unit_test(an_asterisk_alone_is_every_tag),
        cmocka_unit_test(a_comma_within_a_tag_separates_nothing),
        cmocka_unit_test(weak_tags_are_equal_by_weak_comparison_alone),
        cmocka_unit_test(reading_ends_at_what_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
