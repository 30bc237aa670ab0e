/*
 * test_encode.c - parameters as libpq wants them, and as COPY does.
 */
#include "../../fiber_test.h"
#include "pg/encode.h"
#include <eddy/error.h>
#include <jansson.h>
#include <math.h>

static const uint8_t a_uuid[16] = {
    0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8};

static struct pg_params params;

static int encode(struct ed_pg_value value)
{
    return pg_encode(&params, &value, 1);
}

/* The value goes as this text, its type to be inferred. */
#define sends(value, text) sends_((value), (text), __LINE__)
static void sends_(struct ed_pg_value value, const char *text, int line)
{
    if (encode(value))
        fail_msg("line %d: refused", line);
    if (strcmp(params.values[0], text) != 0)
        fail_msg("line %d: '%s', not '%s'", line, params.values[0], text);
    assert_int_equal(params.lengths[0], strlen(text));
    assert_int_equal(params.formats[0], 0);
    assert_int_equal(params.types[0], 0);
}

static void numbers_go_as_text_whatever_their_size(void **state)
{
    (void)state;
    sends(ed_pg_value(42), "42");
    sends(ed_pg_value(-1), "-1");
    sends(ed_pg_value(INT64_MIN), "-9223372036854775808");
    sends(ed_pg_value(UINT64_MAX), "18446744073709551615");
    sends(ed_pg_value((bool)true), "t");
    sends(ed_pg_value((bool)false), "f");
    sends(ed_pg_value(0.1), "0.1");
    sends(ed_pg_value(-1e300), "-1e+300");
    sends(ed_pg_value(NAN), "NaN");
    sends(ed_pg_value(-INFINITY), "-Infinity");
}

static void times_go_as_iso_text_in_utc(void **state)
{
    (void)state;
    sends(ed_time(0), "1970-01-01 00:00:00+00");
    sends(ed_time(-1), "1969-12-31 23:59:59.999999+00");
    sends(ed_time(1767323045500000), "2026-01-02 03:04:05.5+00");
    sends(ed_time(ED_TIME_INFINITY), "infinity");
    sends(ed_time(ED_TIME_MINUS_INFINITY), "-infinity");
    sends(ed_pg_value(((struct ed_date){2024, 2, 29})), "2024-02-29");
    sends(ed_pg_value(((struct ed_date){-43, 3, 15})), "0044-03-15 BC");
    sends(ed_pg_value(((struct ed_interval){-14, 3, -4})),
          "-1 years -2 mons +3 days -00:00:00.000004");
    sends(ed_pg_value(((struct ed_interval){0})), "+00:00:00");
}

static void a_text_goes_as_it_is(void **state)
{
    (void)state;
    sends(ed_pg_value("Bergen"), "Bergen");
    sends(ed_pg_value(""), "");
    sends(ed_pg_value(ED_BYTES("tromsø, 12345678 \xf0\x9f\x8c\x8a")),
          "tromsø, 12345678 \xf0\x9f\x8c\x8a");
}

static void what_points_nowhere_is_null(void **state)
{
    const char *nothing = NULL;

    (void)state;
    struct ed_pg_value nulls[] = {
        ed_null(), ed_pg_value(nothing), ed_pg_value((json_t *)NULL),
        ed_bytea((struct ed_bytes){0}), ed_pg_value((struct ed_bytes){0})};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++) {
        assert_int_equal(encode(nulls[i]), 0);
        assert_null(params.values[0]);
    }
}

static void bytes_go_in_binary_with_their_type(void **state)
{
    (void)state;
    assert_int_equal(encode(ed_bytea(ED_BYTES("a\0b"))), 0);
    assert_int_equal(params.formats[0], 1);
    assert_int_equal(params.types[0], 17);
    assert_int_equal(params.lengths[0], 3);
    assert_memory_equal(params.values[0], "a\0b", 3);

    assert_int_equal(encode(ed_uuid(a_uuid)), 0);
    assert_int_equal(params.formats[0], 1);
    assert_int_equal(params.types[0], 2950);
    assert_ptr_equal(params.values[0], a_uuid);
}

static void each_of_many_is_where_it_belongs(void **state)
{
    struct ed_pg_value values[300];
    char text[12];

    (void)state;
    for (int i = 0; i < 300; i++)
        values[i] = i % 3 == 0   ? ed_pg_value(i)
                    : i % 3 == 1 ? ed_null()
                                 : ed_bytea(ED_BYTES("b"));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(pg_encode(&params, values, 300), 0);
        assert_int_equal(params.count, 300);
        for (int i = 0; i < 300; i += 3) {
            (void)snprintf(text, sizeof text, "%d", i);
            assert_string_equal(params.values[i], text);
            assert_null(params.values[i + 1]);
            assert_string_equal(params.values[i + 2], "b");
        }
    }
}

static void json_goes_as_compact_text(void **state)
{
    (void)state;
    json_t *value = json_pack("{s: [i, f, n, s]}", "a", 1, 0.1, "\"x\"");
    sends(ed_pg_value(value), "{\"a\":[1,0.1,null,\"\\\"x\\\"\"]}");
    json_decref(value);
}

static void arrays_go_as_literals_quoted_where_needed(void **state)
{
    const bool bools[] = {true, false};
    const int ints[] = {1, -2, 3};
    const int64_t longs[] = {INT64_MIN, INT64_MAX};
    const double reals[] = {0.5, NAN, INFINITY};
    const char *texts[] = {"a", "", NULL, "null", "x y", "q\"b\\", "{,}", "ø"};
    const struct ed_bytes views[] = {ED_BYTES("ab"), {NULL, 0}, {"", 0}};

    (void)state;
    sends(ed_array(bools, 2), "{t,f}");
    sends(ed_array(ints, 3), "{1,-2,3}");
    sends(ed_array(ints, 0), "{}");
    sends(ed_array(longs, 2), "{-9223372036854775808,9223372036854775807}");
    sends(ed_array(reals, 3), "{0.5,NaN,Infinity}");
    sends(ed_array(texts, 8),
          "{a,\"\",NULL,\"null\",\"x y\",\"q\\\"b\\\\\",\"{,}\",ø}");
    sends(ed_array(views, 3), "{ab,NULL,\"\"}");
}

/* The second of two values is refused, and the error says so. */
static void refuses(struct ed_pg_value value, int error, const char *text)
{
    struct ed_pg_value values[] = {ed_pg_value(1), value};

    check_int(pg_encode(&params, values, 2), error);
    check_text(ed_error(), text);
}

FIBER_TEST(what_cannot_be_sent_is_named)
{
    const char *bad[] = {"fine", "\xff"};
    json_t *deep = json_array(), *inner = deep;

    for (int i = 0; i < 64; i++) {
        json_array_append_new(inner, json_array());
        inner = json_array_get(inner, 0);
    }
    refuses(ed_pg_value(ED_BYTES("12345678\0")), ED_EVALUE,
            "$2: a text with a NUL in it");
    refuses(ed_pg_value("abc\xc3"), ED_EVALUE, "$2: a text that is not UTF-8");
    refuses(ed_array(bad, 2), ED_EVALUE, "$2: a text that is not UTF-8");
    refuses(ed_pg_value(((struct ed_date){2023, 2, 29})), ED_EVALUE,
            "$2: there is no such day");
    refuses(ed_time(INT64_MIN + 1), ED_EVALUE,
            "$2: a time too early for a timestamp");
    refuses((struct ed_pg_value){.kind = ED_PG_END}, ED_EUSAGE, "$2: no value");
    refuses(ed_bytea(ed_bytes_of(bad, (size_t)2 << 30)), ED_EUSAGE,
            "$2: more than 1 GiB");
    struct ed_pg_value array = {.kind = ED_PG_JSON};
    array.as.json = deep;
    check_int(pg_encode(&params, &array, 1), ED_EVALUE);
    check(!strncmp(ed_error(), "$1: ", 4));
    check_int(pg_encode(&params, &array, 65536), ED_EUSAGE);
    check_text(ed_error(), "65536 parameters; 65535 at most");
    json_decref(deep);
}

/* ---- COPY ---- */

static void copies(struct ed_pg_value value, const char *text)
{
    struct ed_buf out = {0};

    assert_int_equal(ed_buf_add(&out, "a\t", 2), 0);
    assert_int_equal(pg_encode_copy(&out, &value), 0);
    assert_memory_equal(out.ptr, "a\t", 2);
    assert_string_equal(out.ptr + 2, text);
    assert_int_equal(out.len, 2 + strlen(text));
    ed_buf_free(&out);
}

static void copy_escapes_what_would_end_a_value(void **state)
{
    const char *texts[] = {"a\\b"};

    (void)state;
    copies(ed_pg_value(1), "1");
    copies(ed_null(), "\\N");
    copies(ed_pg_value(""), "");
    copies(ed_pg_value("\\N"), "\\\\N");
    copies(ed_pg_value("\b\f\n\r\t\v\\."), "\\b\\f\\n\\r\\t\\v\\\\.");
    copies(ed_bytea(ED_BYTES("\x01\xff")), "\\\\x01ff");
    copies(ed_uuid(a_uuid), "12345678-9abc-def0-0102-030405060708");
    copies(ed_array(texts, 1), "{\"a\\\\\\\\b\"}");
}

FIBER_TEST(a_value_copy_refuses_leaves_nothing_behind)
{
    struct ed_pg_value bad = ed_pg_value("\xff");
    struct ed_buf out = {0};

    check_int(ed_buf_add(&out, "a\t", 2), 0);
    check_int(pg_encode_copy(&out, &bad), ED_EVALUE);
    check_text(ed_error(), "a text that is not UTF-8");
    check_text(out.ptr, "a\t");
    ed_buf_free(&out);
}

static int free_params(void **state)
{
    (void)state;
    pg_params_free(&params);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_go_as_text_whatever_their_size),
        cmocka_unit_test(times_go_as_iso_text_in_utc),
        cmocka_unit_test(a_text_goes_as_it_is),
        cmocka_unit_test(what_points_nowhere_is_null),
        cmocka_unit_test(bytes_go_in_binary_with_their_type),
        cmocka_unit_test(each_of_many_is_where_it_belongs),
        cmocka_unit_test(json_goes_as_compact_text),
        cmocka_unit_test(arrays_go_as_literals_quoted_where_needed),
        cmocka_unit_test(what_cannot_be_sent_is_named),
        cmocka_unit_test(copy_escapes_what_would_end_a_value),
        cmocka_unit_test(a_value_copy_refuses_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, free_params);
}
