/*
 * test_pg_cell.c - single values of PostgreSQL, and numbers in all their forms.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/pg_cell.h"
#include "wire/pg_number.h"
#include "wire/pg_uuid.h"
#include <eddy/error.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

static struct pg_cell text_of(enum pg_kind kind, const char *text)
{
    return (struct pg_cell){kind, PG_UNKNOWN, false, ed_bytes(text)};
}

static struct pg_cell binary_of(enum pg_kind kind, const void *bytes,
                                size_t len)
{
    return (struct pg_cell){kind, PG_UNKNOWN, true, ed_bytes_of(bytes, len)};
}

/* ---- numbers ---- */

static void a_type_is_known_by_its_number(void **state)
{
    (void)state;
    assert_int_equal(pg_type_of(23)->kind, PG_INT4);
    assert_string_equal(pg_type_of(23)->name, "integer");
    assert_int_equal(pg_type_of(1185)->kind, PG_ARRAY);
    assert_int_equal(pg_type_of(1185)->element, PG_TIMESTAMPTZ);
    assert_int_equal(pg_type_of(16384)->kind, PG_UNKNOWN);
    assert_int_equal(pg_type_of(0)->kind, PG_UNKNOWN);
}

static void a_double_is_read_only_from_a_decimal(void **state)
{
    static const char *const bad[] = {"",      " 1",  "1 ",  "0x1p3", "inf",
                                      "nan",   "1,5", "1e",  "e1",    ".",
                                      "1e400", "-",   "+-1", "1.5.5"};
    double x = 7;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (pg_double_read(ed_bytes(bad[i]), &x) != ED_EPARSE)
            fail_msg("'%s' is read as %g", bad[i], x);
    }
    assert_true(x == 7);
    assert_int_equal(pg_double_read(ed_bytes("-1.5e-3"), &x), 0);
    assert_true(x == -1.5e-3);
    assert_int_equal(pg_double_read(ed_bytes("-Infinity"), &x), 0);
    assert_true(isinf(x) && x < 0);
    assert_int_equal(pg_double_read(ed_bytes("NaN"), &x), 0);
    assert_true(isnan(x));
}

static const char *float8(double x)
{
    static char text[PG_FLOAT_MAX + 1];

    *pg_float8_print(text, x) = '\0';
    return text;
}

static const char *float4(float x)
{
    static char text[PG_FLOAT_MAX + 1];

    *pg_float4_print(text, x) = '\0';
    return text;
}

static void floats_are_written_in_the_fewest_digits(void **state)
{
    (void)state;
    assert_string_equal(float8(0.1), "0.1");
    assert_string_equal(float8(-0.0), "-0");
    assert_string_equal(float8(1e15), "1e+15");
    assert_string_equal(float8(123456789012345), "123456789012345");
    assert_string_equal(float8(0.0001), "0.0001");
    assert_string_equal(float8(0.00001), "1e-05");
    assert_string_equal(float8(DBL_MAX), "1.7976931348623157e+308");
    assert_string_equal(float8(5e-324), "5e-324");
    /* Just between two numbers, so that it is no name of either. */
    assert_string_equal(float8(1e23), "9.999999999999999e+22");
    assert_string_equal(float8(0x1p-25), "2.9802322387695312e-08");
    assert_string_equal(float8(NAN), "NaN");
    assert_string_equal(float8(-INFINITY), "-Infinity");
    assert_string_equal(float4(0.1f), "0.1");
    assert_string_equal(float4(1e6f), "1e+06");
    assert_string_equal(float4(FLT_MAX), "3.4028235e+38");
    assert_string_equal(float4(0x1p-149f), "1e-45");
    assert_string_equal(float4(16777218), "1.6777218e+07");
}

static void the_locale_has_no_say(void **state)
{
    double x;

    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") &&
        !setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
        skip();
    assert_int_equal(pg_double_read(ed_bytes("0.5"), &x), 0);
    assert_true(x == 0.5);
    assert_string_equal(float8(1.5e300), "1.5e+300");
    assert_string_equal(float4(1.5f), "1.5");
    setlocale(LC_NUMERIC, "C");
}

static void whole_numbers_may_have_places_of_zeros(void **state)
{
    static const char *const bad[] = {
        "", ".", ".0", "1.5", "1.0x", "1e2", "9223372036854775808"};
    int64_t n = 7;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (pg_int_read(ed_bytes(bad[i]), &n) != ED_EPARSE)
            fail_msg("'%s' is read", bad[i]);
    }
    assert_int_equal(n, 7);
    assert_int_equal(pg_int_read(ed_bytes("-12.00"), &n), 0);
    assert_int_equal(n, -12);
}

static void a_malformed_numeric_is_refused(void **state)
{
    static const char good[] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 7};
    struct ed_buf text = {0};
    char bytes[sizeof good];
    int64_t n;

    (void)state;
    for (size_t len = 0; len < sizeof good; len++) {
        struct ed_bytes cut = ed_bytes_of(good, len);
        assert_int_equal(pg_numeric_text(&text, cut), ED_EPARSE);
        assert_int_equal(pg_numeric_int(cut, &n), ED_EPARSE);
    }
    memcpy(bytes, good, sizeof good);
    bytes[8] = 0x27; /* a digit of 10,000 or more */
    bytes[9] = 0x10;
    assert_int_equal(pg_numeric_text(&text, ed_bytes_of(bytes, sizeof bytes)),
                     ED_EPARSE);
    memcpy(bytes, good, sizeof good);
    bytes[4] = 0x10; /* a sign that is none */
    assert_int_equal(pg_numeric_text(&text, ed_bytes_of(bytes, sizeof bytes)),
                     ED_EPARSE);
    assert_int_equal(text.len, 0);
    assert_int_equal(pg_numeric_int(ed_bytes_of(good, sizeof good), &n), 0);
    assert_int_equal(n, 7);
    ed_buf_free(&text);
}

/* ---- other types ---- */

static void a_binary_of_another_length_is_refused(void **state)
{
    static const enum pg_kind kinds[] = {
        PG_BOOL, PG_INT2,      PG_INT4,        PG_INT8,     PG_OID,
        PG_DATE, PG_TIMESTAMP, PG_TIMESTAMPTZ, PG_INTERVAL, PG_TIME,
        PG_UUID, PG_FLOAT4,    PG_FLOAT8,      PG_NUMERIC};
    static const char bytes[16];
    struct ed_buf text = {0};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        for (size_t len = 0; len <= 15; len += 3) {
            struct pg_cell cell = binary_of(kinds[i], bytes, len);
            assert_int_equal(pg_cell_text(&text, &cell), ED_EPARSE);
        }
    }
    assert_int_equal(text.len, 0);
    ed_buf_free(&text);
}

static void bytes_are_read_in_both_outputs(void **state)
{
    static const char *const bad[] = {"\\x0", "\\x0g", "\\",
                                      "\\0",  "\\400", "\\08\\"};
    char out[16];
    size_t len;

    (void)state;
    struct pg_cell cell = text_of(PG_BYTEA, "\\x00fFab");
    assert_int_equal(pg_cell_bytea(&cell, out, &len), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(out, "\0\xff\xab", 3);
    cell = text_of(PG_BYTEA, "a\\\\b\\000\\377");
    assert_int_equal(pg_cell_bytea(&cell, out, &len), 0);
    assert_int_equal(len, 5);
    assert_memory_equal(out, "a\\b\0\xff", 5);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cell = text_of(PG_BYTEA, bad[i]);
        assert_int_equal(pg_cell_bytea(&cell, out, &len), ED_EPARSE);
    }
}

static void a_uuid_is_36_characters(void **state)
{
    static const char *const bad[] = {"", "12345678-9abc-def0-0102-03040506070",
                                      "12345678-9abc-def0-0102-0304050607080",
                                      "12345678x9abc-def0-0102-030405060708",
                                      "12345678-9abc-def0-0102-03040506070g"};
    uint8_t uuid[16];
    char text[PG_UUID_TEXT + 1] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(pg_uuid_read(ed_bytes(bad[i]), uuid), ED_EPARSE);
    assert_int_equal(
        pg_uuid_read(ed_bytes("12345678-9ABC-def0-0102-030405060708"), uuid),
        0);
    pg_uuid_print(text, uuid);
    assert_string_equal(text, "12345678-9abc-def0-0102-030405060708");
}

static void a_boolean_is_nothing_else(void **state)
{
    bool truth = true;

    (void)state;
    struct pg_cell cell = text_of(PG_BOOL, "f");
    assert_int_equal(pg_cell_bool(&cell, &truth), 0);
    assert_false(truth);
    cell = text_of(PG_BOOL, "1");
    assert_int_equal(pg_cell_bool(&cell, &truth), ED_EPARSE);
    cell = text_of(PG_INT4, "1");
    assert_int_equal(pg_cell_bool(&cell, &truth), ED_EPARSE);
    cell = text_of(PG_TEXT, "t");
    assert_int_equal(pg_cell_bool(&cell, &truth), ED_EPARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_is_known_by_its_number),
        cmocka_unit_test(a_double_is_read_only_from_a_decimal),
        cmocka_unit_test(floats_are_written_in_the_fewest_digits),
        cmocka_unit_test(the_locale_has_no_say),
        cmocka_unit_test(whole_numbers_may_have_places_of_zeros),
        cmocka_unit_test(a_malformed_numeric_is_refused),
        cmocka_unit_test(a_binary_of_another_length_is_refused),
        cmocka_unit_test(bytes_are_read_in_both_outputs),
        cmocka_unit_test(a_uuid_is_36_characters),
        cmocka_unit_test(a_boolean_is_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
