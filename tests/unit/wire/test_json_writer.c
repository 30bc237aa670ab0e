/*
 * test_json_writer.c - what a writer of JSON says, and what it refuses.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/json_writer.h"
#include <eddy/error.h>
#include <float.h>
#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct ed_json json;
static ed_json *const j = &json;
static struct ed_buf buf;

static int begin(void **state)
{
    (void)state;
    ed_json_begin(j, &buf);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    ed_buf_free(&buf);
    return 0;
}

/* What was written is this; then begins again. */
static void said(const char *expected)
{
    assert_int_equal(ed_json_finish(j), 0);
    assert_string_equal(buf.ptr, expected);
    assert_int_equal(buf.len, strlen(expected));
    ed_buf_free(&buf);
    ed_json_begin(j, &buf);
}

static void refused(const char *why)
{
    assert_int_equal(ed_json_error(j) ? ED_EUSAGE : 0, ed_json_error(j));
    assert_int_equal(ed_json_finish(j), ED_EUSAGE);
    assert_non_null(strstr(j->why, why));
    assert_int_equal(buf.len, 0);
    ed_buf_free(&buf);
    ed_json_begin(j, &buf);
}

/* ---- shape ---- */

static void commas_and_colons_are_where_they_belong(void **state)
{
    (void)state;
    ed_json_object(j);
    ed_json_key(j, "a");
    ed_json_array(j);
    ed_json_int(j, 1);
    ed_json_array(j);
    ed_json_end(j);
    ed_json_bool(j, true);
    ed_json_bool(j, false);
    ed_json_end(j);
    ed_json_key(j, "b");
    ed_json_object(j);
    ed_json_end(j);
    ed_json_key(j, "c");
    ed_json_null(j);
    ed_json_key(j, "");
    ed_json_text(j, NULL);
    ed_json_end(j);
    said("{\"a\":[1,[],true,false],\"b\":{},\"c\":null,\"\":null}");
}

static void a_value_alone_is_json_too(void **state)
{
    (void)state;
    ed_json_text(j, "");
    said("\"\"");
    ed_json_bytes(j, (struct ed_bytes){0});
    said("\"\"");
    ed_json_null(j);
    said("null");
}

static void it_writes_behind_what_the_buffer_holds(void **state)
{
    (void)state;
    assert_int_equal(ed_buf_add(&buf, "data: ", 6), 0);
    ed_json_begin(j, &buf);
    ed_json_int(j, 7);
    said("data: 7");
}

static void a_failure_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    assert_int_equal(ed_buf_add(&buf, "kept", 4), 0);
    ed_json_begin(j, &buf);
    ed_json_array(j);
    for (int i = 0; i < 1000; i++)
        ed_json_int(j, i);
    assert_int_equal(ed_json_finish(j), ED_EUSAGE);
    assert_string_equal(buf.ptr, "kept");
}

static void raw_json_is_copied(void **state)
{
    (void)state;
    ed_json_array(j);
    ed_json_raw(j, ED_BYTES("{\"a\": [1]}"));
    ed_json_raw(j, ED_BYTES("2"));
    ed_json_end(j);
    said("[{\"a\": [1]},2]");
}

/* ---- misuse ---- */

static void a_second_value_is_refused(void **state)
{
    (void)state;
    ed_json_int(j, 1);
    ed_json_int(j, 2);
    refused("second JSON value");
    ed_json_array(j);
    ed_json_end(j);
    ed_json_object(j);
    refused("second JSON value");
}

static void a_value_in_an_object_needs_a_key(void **state)
{
    (void)state;
    ed_json_object(j);
    ed_json_int(j, 1);
    refused("without a key");
    ed_json_object(j);
    ed_json_key(j, "a");
    ed_json_int(j, 1);
    ed_json_raw(j, ED_BYTES("2"));
    refused("without a key");
}

static void a_key_needs_an_object_and_a_value(void **state)
{
    (void)state;
    ed_json_key(j, "a");
    refused("a key where");
    ed_json_array(j);
    ed_json_key(j, "a");
    refused("a key where");
    ed_json_object(j);
    ed_json_key(j, "a");
    ed_json_key(j, "b");
    refused("a key where");
    ed_json_object(j);
    ed_json_key(j, "a");
    ed_json_end(j);
    refused("an end where");
}

static void ends_must_match(void **state)
{
    (void)state;
    ed_json_end(j);
    refused("an end where");
    ed_json_array(j);
    ed_json_end(j);
    ed_json_end(j);
    refused("an end where");
    ed_json_object(j);
    refused("not ended");
}

static void nothing_is_not_json(void **state)
{
    (void)state;
    refused("no JSON value");
    ed_json_raw(j, ED_BYTES(""));
    refused("no JSON where");
}

static void depth_ends_where_it_says(void **state)
{
    (void)state;
    for (int i = 0; i < ED_JSON_DEPTH; i++) {
        if (i % 2) {
            ed_json_object(j);
            ed_json_key(j, "a");
        } else {
            ed_json_array(j);
        }
    }
    ed_json_int(j, 1);
    for (int i = 0; i < ED_JSON_DEPTH; i++)
        ed_json_end(j);
    assert_int_equal(ed_json_finish(j), 0);
    json_t *read = json_loads(buf.ptr, 0, NULL);
    assert_non_null(read);
    json_decref(read);
    buf.len = 0;

    ed_json_begin(j, &buf);
    for (int i = 0; i <= ED_JSON_DEPTH; i++)
        ed_json_array(j);
    refused("nested too deeply");
}

static void the_first_error_stays(void **state)
{
    (void)state;
    ed_json_key(j, "a");
    ed_json_object(j);
    ed_json_end(j);
    ed_json_end(j);
    refused("a key where");
}

static void a_writer_ends_once(void **state)
{
    (void)state;
    ed_json_int(j, 1);
    assert_int_equal(ed_json_finish(j), 0);
    ed_json_int(j, 2);
    assert_int_equal(ed_json_finish(j), ED_EUSAGE);
    assert_string_equal(buf.ptr, "1");
}

static void without_a_writer_there_is_no_memory(void **state)
{
    (void)state;
    ed_json_object(NULL);
    ed_json_key(NULL, "a");
    ed_json_int(NULL, 1);
    ed_json_text(NULL, "a");
    ed_json_double(NULL, 0.1);
    ed_json_end(NULL);
    assert_int_equal(ed_json_error(NULL), ED_ENOMEM);
    assert_int_equal(ed_json_finish(NULL), ED_ENOMEM);
}

/* ---- texts ---- */

static void a_text_of_every_byte_reads_as_the_same(void **state)
{
    char text[0x80];

    (void)state;
    for (int i = 0; i < 0x80; i++)
        text[i] = (char)i;
    ed_json_bytes(j, ed_bytes_of(text, sizeof text));
    assert_int_equal(ed_json_finish(j), 0);
    json_t *read = json_loads(buf.ptr, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(read);
    assert_int_equal(json_string_length(read), sizeof text);
    assert_memory_equal(json_string_value(read), text, sizeof text);
    json_decref(read);
}

static void escapes_are_short_where_there_are_short_ones(void **state)
{
    (void)state;
    ed_json_bytes(j, ED_BYTES("\"\\/\b\f\n\r\t\0\x1f\x7f"));
    said("\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\"");
}

static void keys_are_escaped(void **state)
{
    (void)state;
    ed_json_object(j);
    ed_json_key(j, "a\"\n\xc3\xa4");
    ed_json_int(j, 1);
    ed_json_end(j);
    said("{\"a\\\"\\n\xc3\xa4\":1}");
}

static void valid_utf8_stays_as_it_is(void **state)
{
    (void)state;
    ed_json_text(j, "Gr\xc3\xbc\xc3\x9f"
                    "e \xe2\x82\xac \xf0\x9f\x8c\x80 "
                    "\xe2\x80\xa8 \xf4\x8f\xbf\xbf");
    said("\"Gr\xc3\xbc\xc3\x9f"
         "e \xe2\x82\xac \xf0\x9f\x8c\x80 "
         "\xe2\x80\xa8 \xf4\x8f\xbf\xbf\"");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
#define FFFD "\xef\xbf\xbd"
    (void)state;
    ed_json_text(j, "a\x80z\xc3");
    said("\"a" FFFD "z" FFFD "\"");
    ed_json_text(j, "\xed\xa0\x80"); /* a surrogate */
    said("\"" FFFD FFFD FFFD "\"");
    ed_json_text(j, "\xc0\xaf"); /* longer than needed */
    said("\"" FFFD FFFD "\"");
    ed_json_text(j, "0123456789 \xe2\x82 0123456789");
    said("\"0123456789 " FFFD FFFD " 0123456789\"");
}

/* What needs an escape, at every place of texts of every length. */
static void an_escape_may_stand_anywhere(void **state)
{
    static const char special[] = {'"', '\\', 1, 0x1f, '\x7f', '\xff'};

    (void)state;
    for (size_t len = 1; len < 40; len++) {
        for (size_t at = 0; at < len; at++) {
            for (size_t s = 0; s < sizeof special; s++) {
                char *text = malloc(len); /* nothing may be read behind it */
                memset(text, 'x', len);
                text[at] = special[s];
                ed_json_bytes(j, ed_bytes_of(text, len));
                assert_int_equal(ed_json_finish(j), 0);
                json_t *read = json_loads(buf.ptr, JSON_DECODE_ANY, NULL);
                assert_non_null(read);
                bool bad = special[s] == '\xff';
                assert_int_equal(json_string_length(read), len + 2 * bad);
                if (!bad)
                    assert_memory_equal(json_string_value(read), text, len);
                json_decref(read);
                free(text);
                buf.len = 0;
                ed_json_begin(j, &buf);
            }
        }
    }
}

static void a_long_text_is_whole(void **state)
{
    enum { LEN = 100000 };
    char *text = malloc(LEN);

    (void)state;
    for (size_t i = 0; i < LEN; i++)
        text[i] = i % 97 ? 'a' : '\n';
    ed_json_bytes(j, ed_bytes_of(text, LEN));
    assert_int_equal(ed_json_finish(j), 0);
    json_t *read = json_loads(buf.ptr, JSON_DECODE_ANY, NULL);
    assert_non_null(read);
    assert_int_equal(json_string_length(read), LEN);
    assert_memory_equal(json_string_value(read), text, LEN);
    json_decref(read);
    free(text);
}

/* ---- the smallest room there can be ---- */

struct narrow {
    char *room; /* with nothing behind it */
    struct ed_buf text;
};

static int narrow_room(ed_json *to, size_t more)
{
    struct narrow *n = to->into;
    size_t len = (size_t)(to->at - n->room);

    (void)more;
    assert_true(len <= ED_JSON_ROOM);
    to->at = n->room;
    return ed_buf_add(&n->text, n->room, len);
}

static int narrow_finish(ed_json *to, int err)
{
    return err ? err : narrow_room(to, 0);
}

/* A text that needs escapes, behind as much as moves it through the room. */
static void write_shifted(ed_json *to, size_t shift, struct ed_bytes text)
{
    static const char spaces[] = "                                    "
                                 "                                    ";

    ed_json_array(to);
    ed_json_bytes(to, ed_bytes_of(spaces, shift));
    ed_json_bytes(to, text);
    ed_json_raw(to, text); /* no JSON, but nobody looks */
    ed_json_end(to);
}

static void the_room_is_never_left(void **state)
{
    static const struct ed_json_sink sink = {narrow_room, narrow_finish};
    const struct ed_bytes text =
        ED_BYTES("\1\1\1\1\1\1\1\1\1\1\1\1\1 plain, \"and\" \xe2\x82\xac\xff"
                 "abcdefg\1 abcdef\1 01234567890123456789012345\n");
    struct narrow narrow = {malloc(ED_JSON_ROOM), {0}};

    (void)state;
    for (size_t shift = 0; shift < ED_JSON_ROOM + 8; shift++) {
        struct ed_json to;
        ed_json_start(&to, &sink, &narrow, narrow.room,
                      narrow.room + ED_JSON_ROOM);
        write_shifted(&to, shift, text);
        assert_int_equal(ed_json_finish(&to), 0);
        assert_int_equal(ed_buf_add(&narrow.text, "", 1), 0);
        write_shifted(j, shift, text);
        said(narrow.text.ptr);
        narrow.text.len = 0;
    }
    ed_buf_free(&narrow.text);
    free(narrow.room);
}

/* ---- numbers ---- */

static void an_integer(int64_t n)
{
    char expected[32];

    snprintf(expected, sizeof expected, "%lld", (long long)n);
    ed_json_int(j, n);
    said(expected);
}

static void integers_have_all_their_digits(void **state)
{
    (void)state;
    an_integer(INT64_MIN);
    an_integer(INT64_MAX);
    for (int64_t n = 1; n < INT64_MAX / 10; n *= 10) {
        for (int64_t by = -1; by <= 1; by++) {
            an_integer(n + by);
            an_integer(-n + by);
        }
    }
    ed_json_uint(j, UINT64_MAX);
    said("18446744073709551615");
    ed_json_uint(j, 10000000000000000000u);
    said("10000000000000000000");
    ed_json_uint(j, 9999999999999999999u);
    said("9999999999999999999");
}

static void a_double(double x, const char *expected)
{
    ed_json_double(j, x);
    said(expected);
}

static void doubles_have_as_few_digits_as_they_need(void **state)
{
    (void)state;
    a_double(0, "0");
    a_double(-0.0, "-0.0");
    a_double(1, "1");
    a_double(-42, "-42");
    a_double(0.1, "0.1");
    a_double(904169666483526.25, "904169666483526.2");
    a_double(2023347301156851.25, "2023347301156851.2");
    a_double(2023347301156851.75, "2023347301156851.8");
    a_double(-0.5, "-0.5");
    a_double(19.99, "19.99");
    a_double(0.1 + 0.2, "0.30000000000000004");
    a_double(1.0 / 3, "0.3333333333333333");
    a_double(0.00001, "0.00001");
    a_double(0.000001, "1e-6");
    a_double(0.000123, "0.000123");
    a_double(123456789.125, "123456789.125");
    a_double(1234567890123.5, "1234567890123.5");
    a_double(9007199254740992.0, "9007199254740992");
    a_double(1e16, "10000000000000000");
    a_double(1e17, "1e+17");
    a_double(1e22, "1e+22");
    a_double(1e23, "1e+23");
    a_double(1.5e300, "1.5e+300");
    a_double(DBL_MAX, "1.7976931348623157e+308");
    a_double(DBL_MIN, "2.2250738585072014e-308");
    a_double(5e-324, "5e-324");
    a_double(0x1p-1017, "7.120236347223045e-307"); /* not the nearest */
    a_double(9.5e-7, "9.5e-7");
    a_double(999999999.9999999, "999999999.9999999");
}

static void what_is_no_number_is_null(void **state)
{
    (void)state;
    a_double((double)NAN, "null");
    a_double((double)INFINITY, "null");
    a_double(-(double)INFINITY, "null");
}

/* xorshift: the same numbers each time. */
static uint64_t next_random(void)
{
    static uint64_t x = 88172645463325252u;

    x ^= x << 13;
    x ^= x >> 7;
    return x ^= x << 17;
}

static void check_round_trip(double x)
{
    char text[ED_JSON_NUMBER_MAX + 1], fewer[64];
    char *end = ed_json_print_double(text, x);

    assert_true(end - text <= ED_JSON_NUMBER_MAX);
    *end = '\0';
    assert_true(strtod(text, NULL) == x);

    int digits = 0;
    for (const char *p = text; *p && *p != 'e'; p++)
        digits += *p >= '0' && *p <= '9' && (digits || *p != '0');
    if (digits < 2 || x == floor(x))
        return;
    snprintf(fewer, sizeof fewer, "%.*e", digits - 2, x);
    assert_true(strtod(fewer, NULL) != x);
}

static void every_double_reads_as_itself_and_no_shorter_one_does(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = next_random();
        double x;

        memcpy(&x, &bits, sizeof x);
        if (isfinite(x))
            check_round_trip(x);
        check_round_trip((double)(int64_t)(bits >> 20) / 1000);
        check_round_trip((double)(int64_t)(bits >> 44) / 100);
        check_round_trip((double)(bits >> 11) * 0x1p-53);
    }
}

static void the_locale_has_no_say(void **state)
{
    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
        skip();
    a_double(1.0 / 3, "0.3333333333333333");
    a_double(1.5e300, "1.5e+300");
    setlocale(LC_NUMERIC, "C");
}

/* ---- values of jansson ---- */

static void a_value_of_jansson_is_written_as_it_is(void **state)
{
    json_t *value = json_pack("{s:[i,f,b,b,n,{}], s:s%}", "list", -1, 2.5, 1, 0,
                              "text", "a\0\"", (size_t)3);

    (void)state;
    ed_json_array(j);
    ed_json_value(j, value);
    ed_json_value(j, NULL);
    ed_json_end(j);
    json_decref(value);
    said("[{\"list\":[-1,2.5,true,false,null,{}],\"text\":\"a\\u0000\\\"\"},"
         "null]");
}

static void a_value_that_contains_itself_is_refused(void **state)
{
    json_t *outer = json_array(), *inner = json_array();

    (void)state;
    json_array_append_new(outer, inner);
    json_array_append(inner, outer);
    ed_json_value(j, outer);
    json_array_clear(inner);
    json_decref(outer);
    refused("nested too deeply");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commas_and_colons_are_where_they_belong),
        TEST(a_value_alone_is_json_too),
        TEST(it_writes_behind_what_the_buffer_holds),
        TEST(a_failure_leaves_the_buffer_as_it_was),
        TEST(raw_json_is_copied),
        TEST(a_second_value_is_refused),
        TEST(a_value_in_an_object_needs_a_key),
        TEST(a_key_needs_an_object_and_a_value),
        TEST(ends_must_match),
        TEST(nothing_is_not_json),
        TEST(depth_ends_where_it_says),
        TEST(the_first_error_stays),
        TEST(a_writer_ends_once),
        TEST(without_a_writer_there_is_no_memory),
        TEST(a_text_of_every_byte_reads_as_the_same),
        TEST(escapes_are_short_where_there_are_short_ones),
        TEST(keys_are_escaped),
        TEST(valid_utf8_stays_as_it_is),
        TEST(bytes_that_are_no_utf8_are_replaced),
        TEST(an_escape_may_stand_anywhere),
        TEST(a_long_text_is_whole),
        TEST(the_room_is_never_left),
        TEST(integers_have_all_their_digits),
        TEST(doubles_have_as_few_digits_as_they_need),
        TEST(what_is_no_number_is_null),
        TEST(every_double_reads_as_itself_and_no_shorter_one_does),
        TEST(the_locale_has_no_say),
        TEST(a_value_of_jansson_is_written_as_it_is),
        TEST(a_value_that_contains_itself_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
