/*
 * test_pg_array.c - arrays in PostgreSQL's text and in its binary form.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/pg_array.h"
#include <eddy/error.h>
#include <stdio.h>
#include <stdlib.h>

/* What an array holds, as "{" and "}", elements in brackets, "-" for a null;
 * "bad" once it is malformed. */
static const char *told_of(const struct pg_cell *cell)
{
    static char told[300];
    char *room = malloc(cell->bytes.len + 1), *at = told;
    struct pg_cell element;
    struct pg_array a;
    int event = pg_array_open(&a, cell, room);

    while (event >= 0 && (event = pg_array_next(&a, &element)) > 0) {
        if (event == PG_ARRAY_ELEMENT)
            at += sprintf(at, "[%.*s]", (int)element.bytes.len,
                          element.bytes.ptr);
        else
            *at++ = event == PG_ARRAY_DOWN ? '{'
                    : event == PG_ARRAY_UP ? '}'
                                           : '-';
    }
    *at = '\0';
    free(room);
    return event < 0 ? "bad" : told;
}

static const char *told(const char *text)
{
    const struct pg_cell cell = {PG_ARRAY, PG_TEXT, false, ed_bytes(text)};

    return told_of(&cell);
}

static void elements_are_told_from_their_quotes(void **state)
{
    (void)state;
    assert_string_equal(told("{}"), "{}");
    assert_string_equal(told("{a}"), "{[a]}");
    assert_string_equal(told("{a,b c,\"\"}"), "{[a][b c][]}");
    assert_string_equal(told("{\"a,b\",\"}{\",\"\\\"\\\\\"}"),
                        "{[a,b][}{][\"\\]}");
}

static void a_null_in_quotes_is_a_text(void **state)
{
    (void)state;
    assert_string_equal(told("{NULL,null,\"NULL\",NULLS}"),
                        "{--[NULL][NULLS]}");
}

static void levels_nest_and_bounds_are_passed_over(void **state)
{
    (void)state;
    assert_string_equal(told("{{1,2},{3,NULL}}"), "{{[1][2]}{[3]-}}");
    assert_string_equal(told("[0:1][-1:0]={{1,2},{3,4}}"),
                        "{{[1][2]}{[3][4]}}");
    assert_string_equal(told("{{{{{{1}}}}}}"), "{{{{{{[1]}}}}}}");
}

static void a_malformed_text_is_refused(void **state)
{
    static const char *const bad[] = {
        "",       "a",     "{",        "}",      "{a",
        "{a,",    "{a,}",  "{,a}",     "{a}}",   "{a}b",
        "{a}{b}", "{\"a}", "{\"a\"b}", "{a\"b}", "{a\\",
        "{{1}2}", "[1:2]", "[a]={}",   "{a{b}}", "{{{{{{{1}}}}}}}"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (strcmp(told(bad[i]), "bad") != 0)
            fail_msg("'%s' is read as %s", bad[i], told(bad[i]));
    }
}

/* ---- binary ---- */

#define WORD(n) \
    (char)((n) >> 24), (char)((n) >> 16), (char)((n) >> 8), (char)(n)

static struct pg_cell binary_of(const char *bytes, size_t len)
{
    return (struct pg_cell){PG_ARRAY, PG_TEXT, true, {bytes, len}};
}

static void binary_arrays_tell_the_same(void **state)
{
    static const char two[] = {WORD(2), WORD(1), WORD(25), WORD(2),
                               WORD(0), WORD(1), WORD(-5), WORD(2),
                               'a',     '"',     WORD(-1)};
    static const char none[] = {WORD(0), WORD(0), WORD(25)};
    struct pg_cell cell = binary_of(two, sizeof two);
    struct ed_buf text = {0};

    (void)state;
    assert_string_equal(told_of(&cell), "{{[a\"]}{-}}");
    assert_int_equal(pg_array_text(&text, &cell), 0);
    assert_string_equal(text.ptr, "[0:1][-5:-5]={{\"a\\\"\"},{NULL}}");
    cell = binary_of(none, sizeof none);
    assert_string_equal(told_of(&cell), "{}");
    ed_buf_free(&text);
}

static void a_malformed_binary_is_refused(void **state)
{
    static const char good[] = {WORD(1), WORD(0), WORD(25), WORD(1),
                                WORD(1), WORD(1), 'a'};
    static const struct {
        size_t at;
        char byte;
    } changes[] = {
        {3, 7},     /* seven levels */
        {3, 2},     /* a level more than there is */
        {11, 23},   /* elements of another type */
        {15, 0},    /* a level of nothing */
        {15, 2},    /* more elements than there are */
        {12, 0x7f}, /* very many */
        {23, 2},    /* an element that is too long */
        {23, 0},    /* bytes left over */
        {20, -128}, /* a negative length other than a null's */
    };
    char bytes[sizeof good];

    (void)state;
    for (size_t len = 0; len < sizeof good; len++) {
        struct pg_cell cell = binary_of(good, len);
        assert_string_equal(told_of(&cell), "bad");
    }
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct ed_buf text = {0};
        memcpy(bytes, good, sizeof good);
        bytes[changes[i].at] = changes[i].byte;
        struct pg_cell cell = binary_of(bytes, sizeof bytes);
        assert_string_equal(told_of(&cell), "bad");
        assert_int_equal(pg_array_text(&text, &cell), ED_EPARSE);
        assert_int_equal(text.len, 0);
        ed_buf_free(&text);
    }
}

/* ---- writing ---- */

static void only_what_needs_quotes_has_them(void **state)
{
    static const char *const pairs[][2] = {
        {"a", "a"},         {"", "\"\""},       {"null", "\"null\""},
        {"nulls", "nulls"}, {"a b", "\"a b\""}, {"a\v", "\"a\v\""},
        {"{", "\"{\""},     {",", "\",\""},     {"\\", "\"\\\\\""},
        {"\"", "\"\\\"\""}, {"ø", "ø"},         {"'", "'"}};

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct ed_buf out = {0};
        assert_int_equal(pg_array_quote(&out, ed_bytes(pairs[i][0])), 0);
        assert_string_equal(out.ptr, pairs[i][1]);
        ed_buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_told_from_their_quotes),
        cmocka_unit_test(a_null_in_quotes_is_a_text),
        cmocka_unit_test(levels_nest_and_bounds_are_passed_over),
        cmocka_unit_test(a_malformed_text_is_refused),
        cmocka_unit_test(binary_arrays_tell_the_same),
        cmocka_unit_test(a_malformed_binary_is_refused),
        cmocka_unit_test(only_what_needs_quotes_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
