/*
 * test_json_read.c - texts of others: values, and what is told of those that
 * are none, or go too deep for a stack.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/json_read.h"
#include <eddy/error.h>
#include <stdio.h>
#include <string.h>

static char why[ED_JSON_WHY];

/* So many levels of what opens and what closes one. */
static const char *levels(int count, const char *open, const char *inside,
                          char close)
{
    static char text[64 * 1024];
    char *at = text;

    for (int i = 0; i < count; i++)
        at = stpcpy(at, open);
    at = stpcpy(at, inside);
    memset(at, close, (size_t)count);
    at[count] = '\0';
    return text;
}

static void a_text_becomes_a_value(void **state)
{
    static const char *const texts[] = {
        "{\"a\":[1,2.5,\"x\",null,true]}", "[]", "\"text\"", "12", "null",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *value;
        assert_int_equal(ed_json_parse(ed_bytes(texts[i]), &value, why), 0);
        char *again = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        assert_string_equal(again, texts[i]);
        free(again);
        json_decref(value);
    }
}

static void what_is_none_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "line 1, column 0: "},
        {"{\n \"a\": nil}", "line 2, column 9: "},
        {"[1] 2", "line 1, column 5: end of file expected"},
        {"\"\\", "line 1, column 2: "},
        {"\"\xff\"", "line 1, column 1: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *value = (json_t *)1;
        assert_int_equal(ed_json_parse(ed_bytes(cases[i].text), &value, why),
                         ED_EPARSE);
        assert_null(value);
        if (strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s: %s", cases[i].text, why);
    }
    json_t *value;
    assert_int_equal(ed_json_parse((struct ed_bytes){0}, &value, NULL),
                     ED_EPARSE);
}

static void levels_are_bounded(void **state)
{
    json_t *value;

    (void)state;
    assert_int_equal(
        ed_json_parse(ed_bytes(levels(256, "[", "1", ']')), &value, why), 0);
    json_decref(value);
    assert_int_equal(
        ed_json_parse(ed_bytes(levels(257, "[", "1", ']')), &value, why),
        ED_EPARSE);
    assert_string_equal(why, "line 1, column 257: more than 256 levels");
    assert_null(value);
    assert_int_equal(
        ed_json_parse(ed_bytes(levels(2000, "\n{\"a\":", "1", '}')), &value,
                      why),
        ED_EPARSE);
    assert_string_equal(why, "line 258, column 1: more than 256 levels");
    json_error_t error;
    assert_null(ed_json_load(ed_bytes(levels(300, "[", "", ']')), 0, &error));
    assert_int_equal(json_error_code(&error), json_error_stack_overflow);
}

/* Brackets in texts open nothing, and what is closed is not counted. */
static void only_what_is_open_counts(void **state)
{
    char text[8192];
    char *at = stpcpy(text, "[\"\\\"");
    json_t *value;

    (void)state;
    memset(at, '[', 1000);
    at = stpcpy(at + 1000, "\\\\\"");
    for (int i = 0; i < 1000; i++)
        at = stpcpy(at, ",{}");
    (void)stpcpy(at, "]");
    assert_int_equal(ed_json_parse(ed_bytes(text), &value, why), 0);
    assert_int_equal(json_array_size(value), 1001);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_becomes_a_value),
        cmocka_unit_test(what_is_none_is_told_with_its_place),
        cmocka_unit_test(levels_are_bounded),
        cmocka_unit_test(only_what_is_open_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
