/*
 * test_sql_names.c - where a name stands in SQL, and where it only seems to.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sql_texts.h"
#include "wire/sql_names.h"
#include <eddy/error.h>
#include <stdio.h>
#include <stdlib.h>

/* A copy with nothing behind it is read, and gone before the result is. */
static int compile(struct ed_sql **sql, struct ed_bytes text,
                   struct ed_sql_error *error)
{
    char *copy = malloc(text.len + !text.len);

    assert_non_null(copy);
    memcpy(copy, text.ptr, text.len);
    int err = ed_sql_compile(sql, ed_bytes_of(copy, text.len), error);
    free(copy);
    return err;
}

static struct ed_sql *compiled(const char *text)
{
    struct ed_sql_error error = {0};
    struct ed_sql *sql;

    if (compile(&sql, ed_bytes(text), &error))
        fail_msg("%s: %zu:%zu: %s", text, error.line, error.column, error.why);
    return sql;
}

static void assert_names(const struct ed_sql *sql, const char *names)
{
    struct ed_buf joined = {0};

    assert_int_equal(ed_buf_reserve(&joined, 1), 0);
    for (unsigned i = 0; i < sql->name_count; i++) {
        assert_int_equal(ed_buf_addf(&joined, "%.*s ", (int)sql->names[i].len,
                                     sql->names[i].ptr),
                         0);
        assert_int_equal(ed_sql_find(sql, sql->names[i]), i + 1);
    }
    assert_string_equal(joined.ptr, names);
    ed_buf_free(&joined);
}

/* Every text of the rule is compiled as its row says, and what comes out is
 * compiled to itself. */
static void holds(const char *rule)
{
    size_t rows = 0;

    for (size_t i = 0; i < sizeof(sql_texts) / sizeof(*sql_texts); i++) {
        const struct sql_text *row = &sql_texts[i];
        if (strcmp(row->rule, rule) != 0)
            continue;
        struct ed_sql *sql = compiled(row->text);
        assert_string_equal(sql->text.ptr, row->compiled);
        assert_int_equal(sql->text.len, strlen(row->compiled));
        assert_int_equal(sql->several, !strcmp(rule, "several"));
        assert_names(sql, row->names);
        struct ed_sql *again = compiled(row->compiled);
        assert_string_equal(again->text.ptr, row->compiled);
        assert_int_equal(again->param_count, sql->param_count);
        assert_int_equal(again->name_count, 0);
        ed_sql_free(again);
        ed_sql_free(sql);
        rows++;
    }
    assert_true(rows > 0);
}

/* The text is refused at "LINE:COLUMN: " for a reason that begins like that. */
static void refused_bytes(struct ed_bytes text, const char *where_and_why)
{
    struct ed_sql_error error = {0};
    struct ed_sql *sql = (struct ed_sql *)&error;
    char told[200];

    assert_int_equal(compile(&sql, text, &error), ED_EUSAGE);
    assert_null(sql);
    (void)snprintf(told, sizeof(told), "%zu:%zu: %s", error.line, error.column,
                   error.why);
    told[strlen(where_and_why)] = '\0';
    assert_string_equal(told, where_and_why);
}

static void refused(const char *text, const char *where_and_why)
{
    refused_bytes(ed_bytes(text), where_and_why);
}

static void names_are_numbered_in_their_order(void **state)
{
    (void)state;
    holds("number");
}

static void a_name_used_again_keeps_its_number(void **state)
{
    (void)state;
    holds("again");
}

static void a_text_without_parameters_stays_as_it_is(void **state)
{
    struct ed_sql_error error;
    struct ed_sql *sql;

    (void)state;
    holds("plain");
    assert_int_equal(ed_sql_compile(&sql, (struct ed_bytes){0}, &error), 0);
    assert_int_equal(sql->text.len, 0);
    assert_int_equal(sql->param_count, 0);
    ed_sql_free(sql);
}

static void strings_hold_no_names(void **state)
{
    (void)state;
    holds("string");
}

static void a_backslash_escapes_in_escape_strings_only(void **state)
{
    (void)state;
    holds("escape");
}

static void quoted_identifiers_hold_no_names(void **state)
{
    (void)state;
    holds("identifier");
}

static void comments_hold_no_names_and_nest(void **state)
{
    (void)state;
    holds("comment");
}

static void dollar_quotes_hold_no_names(void **state)
{
    (void)state;
    holds("dollar");
}

static void casts_and_assignments_are_no_names(void **state)
{
    (void)state;
    holds("cast");
}

static void slices_keep_their_colon(void **state)
{
    (void)state;
    holds("slice");
}

static void a_colon_that_may_be_of_a_slice_or_a_name_is_refused(void **state)
{
    (void)state;
    refused("select a[1:n]", "1:11: a slice or a parameter?");
    refused("select a[lo:hi]", "1:12: a slice");
    refused("select a[:lo:hi]", "1:13: a slice");
    refused("select a[(1):n]", "1:13: a slice");
    refused("select a[b[1]:n]", "1:14: a slice");
    refused("select a[\"lo\":hi]", "1:14: a slice");
    refused("select a['1':hi]", "1:13: a slice");
    refused("select a[lo:\"hi\"]", "1:12: a slice");
}

static void positional_parameters_stay_and_are_counted(void **state)
{
    struct ed_sql *sql = compiled("select $2, $10, $3");

    (void)state;
    assert_int_equal(sql->param_count, 10);
    assert_int_equal(sql->name_count, 0);
    assert_int_equal(ed_sql_find(sql, ed_bytes("a")), 0);
    ed_sql_free(sql);
    holds("positional");
}

static void positional_parameters_have_a_range(void **state)
{
    (void)state;
    ed_sql_free(compiled("select $65535"));
    refused("select $65536", "1:8: more than 65535 parameters");
    refused("select $99999999999999999999", "1:8: more than 65535");
    refused("select $0", "1:8: parameters count from $1");
}

static void named_and_positional_parameters_do_not_mix(void **state)
{
    (void)state;
    refused("select :a, $1", "1:12: a positional parameter beside named");
    refused("select $1,\n  :a", "2:3: a named parameter beside positional");
}

static void a_semicolon_at_the_end_leaves_one_statement(void **state)
{
    (void)state;
    holds("single");
}

static void several_statements_are_told(void **state)
{
    (void)state;
    holds("several");
}

static void quoting_as_in_psql_is_refused_with_a_hint(void **state)
{
    (void)state;
    refused("select :'a'", "1:8: :\"name\" and :'name' are psql's alone");
    refused("select :\"a\"", "1:8: :\"name\" and :'name' are psql's alone");
    refused("select a[:'b']", "1:10: :\"name\"");
}

static void what_is_not_closed_is_named_with_its_place(void **state)
{
    (void)state;
    refused("select 'a", "1:8: a string without its closing quote");
    refused("select\n'a''b", "2:1: a string without");
    refused("select '", "1:8: a string without");
    refused("select E'a\\'", "1:9: a string without");
    refused("select E'a\\", "1:9: a string without");
    refused("select E'a'\n'b", "1:9: a string without");
    refused("select \"a", "1:8: an identifier without its closing quote");
    refused("a\n b /* c", "2:4: a comment without its end");
    refused("/* /* */", "1:1: a comment without");
    refused("/*/", "1:1: a comment without");
    refused("select $$a$", "1:8: a dollar quote without its end");
    refused("select $a$ $A$ $$", "1:8: a dollar quote without");
}

static void places_count_characters_not_bytes(void **state)
{
    (void)state;
    refused("-- \xc3\xa9\n'\xc3\xa9\xe2\x82\xac', $0",
            "2:7: parameters count from $1");
}

static void names_are_ascii_and_end_at_a_boundary(void **state)
{
    const char *why =
        "1:8: a parameter's name has a character other than A-Z, a-z, 0-9";

    (void)state;
    refused("select :\xc3\xa9", why);
    refused("select :na\xc3\xafve", why);
    refused("select :a$b", why);
    refused("select :a$$b$$", why);
}

static void is_compiled(const char *text, const char *want)
{
    struct ed_sql *sql = compiled(text);

    assert_string_equal(sql->text.ptr, want);
    ed_sql_free(sql);
}

static void what_is_no_sql_is_left_to_the_server(void **state)
{
    (void)state;
    is_compiled("select : a, :1, $ :b :", "select : a, :1, $ $1 :");
    is_compiled("$:b", "$ $1"); /* not the quote $$ */
    is_compiled("$E'\\':a' :b", "$E'\\':a' $1");
    is_compiled("E'a' '\\' :b", "E'a' '\\' $1"); /* two strings */
    is_compiled("] a:b", "] a $1");
}

static void a_name_that_is_not_there_has_no_number(void **state)
{
    struct ed_sql *sql = compiled("select :a, :b");

    (void)state;
    assert_int_equal(ed_sql_find(sql, ed_bytes("c")), 0);
    assert_int_equal(ed_sql_find(sql, ed_bytes("A")), 0);
    assert_int_equal(ed_sql_find(sql, ed_bytes("")), 0);
    ed_sql_free(sql);
}

static void names_have_a_longest(void **state)
{
    char text[ED_SQL_NAME_MAX + 3] = ":";

    (void)state;
    memset(text + 1, 'n', ED_SQL_NAME_MAX);
    struct ed_sql *sql = compiled(text);
    assert_int_equal(sql->names[0].len, ED_SQL_NAME_MAX);
    ed_sql_free(sql);
    text[ED_SQL_NAME_MAX + 1] = 'n';
    refused(text, "1:1: a parameter's name of more than 63 bytes");
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    refused_bytes(ED_BYTES("select '\0'"), "1:9: a NUL byte");
    refused_bytes(ED_BYTES("--\n\0"), "2:1: a NUL byte");
}

static void as_many_parameters_as_the_protocol_counts(void **state)
{
    struct ed_buf text = {0};
    struct ed_sql_error error;
    struct ed_sql *sql;
    char name[16];

    (void)state;
    for (unsigned i = 1; i <= ED_SQL_PARAM_MAX; i++)
        assert_int_equal(ed_buf_addf(&text, "+:n%u", i), 0);
    assert_int_equal(compile(&sql, ed_buf_bytes(&text), &error), 0);
    assert_int_equal(sql->param_count, ED_SQL_PARAM_MAX);
    assert_int_equal(strlen(sql->text.ptr), sql->text.len);
    for (unsigned i = 1; i <= ED_SQL_PARAM_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(ed_sql_find(sql, ed_bytes(name)), i);
    }
    assert_int_equal(ed_sql_find(sql, ed_bytes("n0")), 0);
    ed_sql_free(sql);

    assert_int_equal(ed_buf_addf(&text, "\n :n1"), 0); /* is no new one */
    assert_int_equal(compile(&sql, ed_buf_bytes(&text), &error), 0);
    ed_sql_free(sql);
    assert_int_equal(ed_buf_addf(&text, " :more"), 0);
    refused_bytes(ed_buf_bytes(&text), "2:6: more than 65535 parameters");
    ed_buf_free(&text);
}

/* The most that a name can grow: "1:z" becomes "1 $10000", 100,000 times. */
static void the_longest_numbers_have_room(void **state)
{
    struct ed_buf text = {0};
    struct ed_sql_error error;
    struct ed_sql *sql;

    (void)state;
    for (unsigned i = 1; i < 10000; i++)
        assert_int_equal(ed_buf_addf(&text, "+:n%u", i), 0);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(ed_buf_add(&text, "+1:z", 4), 0);
    assert_int_equal(compile(&sql, ed_buf_bytes(&text), &error), 0);
    assert_int_equal(strlen(sql->text.ptr), sql->text.len);
    assert_string_equal(sql->text.ptr + sql->text.len - 17,
                        "1 $10000+1 $10000");
    assert_int_equal(ed_sql_find(sql, ed_bytes("n1")), 1);
    assert_int_equal(ed_sql_find(sql, ed_bytes("z")), 10000);
    ed_sql_free(sql);
    ed_buf_free(&text);
}

static size_t place_of(const char *source, const char *what)
{
    struct ed_sql_error error;
    struct ed_sql *sql;

    assert_int_equal(compile(&sql, ed_bytes(source), &error), 0);
    const char *at = strstr(sql->text.ptr, what);
    assert_non_null(at);
    size_t position = 1;
    for (const char *p = sql->text.ptr; p < at; p++)
        position += ((unsigned char)*p & 0xc0) != 0x80;
    position = ed_sql_position(sql, ed_bytes(source), position);
    ed_sql_free(sql);
    return position;
}

static void places_in_the_compiled_text_are_found_in_the_source(void **state)
{
    (void)state;
    assert_int_equal(place_of("select nope", "nope"), 8);
    assert_int_equal(place_of("select :a, nope", "nope"), 12);
    assert_int_equal(place_of("select :longer_name, :b nope", "nope"), 25);
    assert_int_equal(place_of("select '\u00e4\u00f6', :a, \u00fc1 ", "\u00fc1"),
                     18);
    assert_int_equal(place_of("select :city + :city", "$1 +"), 8);
    assert_int_equal(place_of("select 1 limit:n", "$1"), 15);
    assert_int_equal(place_of("select $1, nope", "nope"), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_numbered_in_their_order),
        cmocka_unit_test(a_name_used_again_keeps_its_number),
        cmocka_unit_test(a_text_without_parameters_stays_as_it_is),
        cmocka_unit_test(strings_hold_no_names),
        cmocka_unit_test(a_backslash_escapes_in_escape_strings_only),
        cmocka_unit_test(quoted_identifiers_hold_no_names),
        cmocka_unit_test(comments_hold_no_names_and_nest),
        cmocka_unit_test(dollar_quotes_hold_no_names),
        cmocka_unit_test(casts_and_assignments_are_no_names),
        cmocka_unit_test(slices_keep_their_colon),
        cmocka_unit_test(a_colon_that_may_be_of_a_slice_or_a_name_is_refused),
        cmocka_unit_test(positional_parameters_stay_and_are_counted),
        cmocka_unit_test(positional_parameters_have_a_range),
        cmocka_unit_test(named_and_positional_parameters_do_not_mix),
        cmocka_unit_test(a_semicolon_at_the_end_leaves_one_statement),
        cmocka_unit_test(several_statements_are_told),
        cmocka_unit_test(quoting_as_in_psql_is_refused_with_a_hint),
        cmocka_unit_test(what_is_not_closed_is_named_with_its_place),
        cmocka_unit_test(places_count_characters_not_bytes),
        cmocka_unit_test(names_are_ascii_and_end_at_a_boundary),
        cmocka_unit_test(what_is_no_sql_is_left_to_the_server),
        cmocka_unit_test(a_name_that_is_not_there_has_no_number),
        cmocka_unit_test(names_have_a_longest),
        cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(as_many_parameters_as_the_protocol_counts),
        cmocka_unit_test(the_longest_numbers_have_room),
        cmocka_unit_test(places_in_the_compiled_text_are_found_in_the_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
