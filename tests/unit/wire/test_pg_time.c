/*
 * test_pg_time.c - dates, times and intervals as PostgreSQL writes them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/pg_time.h"
#include <eddy/error.h>

static const int64_t S = 1000000;

/* ---- reading ---- */

/* Microseconds, or -1 for what is refused. */
static int64_t stamp(const char *text)
{
    int64_t us = -1;
    int err = pg_timestamp_read(ed_bytes(text), &us);

    assert_true(!err || (err == ED_EPARSE && us == -1));
    return us;
}

static int64_t day(const char *text)
{
    int32_t days = 99;
    int err = pg_date_read(ed_bytes(text), &days);

    assert_true(!err || (err == ED_EPARSE && days == 99));
    return days;
}

static void a_timestamp_counts_from_2000(void **state)
{
    (void)state;
    assert_int_equal(stamp("2000-01-01 00:00:00"), 0);
    assert_int_equal(stamp("2000-01-01 00:00:00.5"), 500000);
    assert_int_equal(stamp("1999-12-31 23:59:59.999998"), -2);
    assert_int_equal(stamp("1970-01-01 00:00:00"), -PG_EPOCH_US);
    assert_true(stamp("infinity") == ED_TIME_INFINITY);
    assert_true(stamp("-infinity") == ED_TIME_MINUS_INFINITY);
}

static void an_offset_is_taken_off(void **state)
{
    (void)state;
    assert_int_equal(stamp("2000-01-01 00:00:00+00"), 0);
    assert_int_equal(stamp("2000-01-01 05:30:00+05:30"), 0);
    assert_int_equal(stamp("1999-12-31 20:29:00-03:31"), 0);
    assert_int_equal(stamp("2000-01-01 05:53:28+05:53:28"), 0);
}

static void years_before_the_first_are_bc(void **state)
{
    (void)state;
    assert_int_equal(day("0001-01-01") - day("0001-12-31 BC"), 1);
    assert_int_equal(day("0001-03-01 BC") - day("0001-02-29 BC"), 1);
    assert_int_equal(stamp("0001-01-01 00:00:00+00") -
                         stamp("0001-12-31 23:59:59+00 BC"),
                     S);
}

static void a_day_is_a_day_of_the_calendar(void **state)
{
    static const char *const bad[] = {
        "",           "2023-02-29",  "1900-02-29",     "2023-00-01",
        "2023-13-01", "2023-01-00",  "2023-01-32",     "2023-1-1",
        "23-01-01",   "2023-01-01 ", "2023-01-01 BCE", "4715-01-01 BC",
        "Infinity",   "2023/01/01",  "5874898-01-01",  "-2023-01-01"};

    (void)state;
    assert_int_equal(day("2000-02-29"), 59);
    assert_int_equal(day("1999-12-31"), -1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(day(bad[i]), 99);
}

static void a_malformed_timestamp_is_refused(void **state)
{
    static const char *const bad[] = {"2000-01-01",
                                      "2000-01-01T00:00:00",
                                      "2000-01-01 00:00",
                                      "2000-01-01 24:00:01",
                                      "2000-01-01 00:60:00",
                                      "2000-01-01 00:00:61",
                                      "2000-01-01 00:00:00.",
                                      "2000-01-01 00:00:00.1234567",
                                      "2000-01-01 00:00:00+1",
                                      "2000-01-01 00:00:00+00:",
                                      "2000-01-01 00:00:00+00:60",
                                      "2000-01-01 00:00:00 UTC",
                                      "5874897-01-01 00:00:00"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(stamp(bad[i]), -1);
}

/* ---- writing ---- */

static const char *printed(int64_t us, bool zone, enum pg_style style)
{
    static char text[PG_TIME_MAX + 1];

    *pg_timestamp_print(text, us, zone, style) = '\0';
    return text;
}

static void what_is_written_is_what_the_server_writes(void **state)
{
    (void)state;
    assert_string_equal(printed(0, true, PG_SQL), "2000-01-01 00:00:00+00");
    assert_string_equal(printed(-1, false, PG_SQL),
                        "1999-12-31 23:59:59.999999");
    assert_string_equal(
        printed(stamp("0044-03-15 01:02:03.040+00 BC"), true, PG_SQL),
        "0044-03-15 01:02:03.04+00 BC");
    assert_string_equal(printed(ED_TIME_MINUS_INFINITY, true, PG_SQL),
                        "-infinity");
}

static void iso_style_is_what_javascript_reads(void **state)
{
    (void)state;
    assert_string_equal(printed(S / 2, true, PG_ISO), "2000-01-01T00:00:00.5Z");
    assert_string_equal(printed(0, false, PG_ISO), "2000-01-01T00:00:00");
    assert_string_equal(printed(stamp("0044-03-15 00:00:00 BC"), true, PG_ISO),
                        "-000043-03-15T00:00:00Z");
    assert_string_equal(printed(stamp("0001-03-15 00:00:00 BC"), true, PG_ISO),
                        "0000-03-15T00:00:00Z");
    assert_string_equal(printed(stamp("12026-03-15 00:00:00"), true, PG_ISO),
                        "+012026-03-15T00:00:00Z");
}

static void days_are_written_and_read_as_themselves(void **state)
{
    char text[PG_TIME_MAX];
    const int32_t last = (int32_t)day("5874897-12-31");
    int32_t days;

    (void)state;
    for (int64_t d = day("4714-11-24 BC"); d <= last; d += 1997) {
        char *end = pg_date_print(text, (int32_t)d, PG_SQL);
        assert_int_equal(
            pg_date_read(ed_bytes_of(text, (size_t)(end - text)), &days), 0);
        assert_int_equal(days, d);
    }
}

static void any_number_is_written_within_bounds(void **state)
{
    static const int64_t odd[] = {INT64_MIN + 1, INT64_MAX - 1,
                                  INT64_MIN + PG_DAY_US};
    char text[PG_TIME_MAX];
    struct ed_interval i = {INT32_MIN, INT32_MIN, INT64_MIN};

    (void)state;
    for (size_t k = 0; k < sizeof odd / sizeof *odd; k++)
        assert_true(strlen(printed(odd[k], true, PG_ISO)) < PG_TIME_MAX);
    assert_true(pg_interval_print(text, i, true) <= text + PG_TIME_MAX);
    assert_true(pg_date_print(text, INT32_MIN + 1, PG_ISO) <=
                text + PG_TIME_MAX);
}

/* ---- intervals ---- */

static void interval(const char *text, int32_t months, int32_t days, int64_t us)
{
    struct ed_interval i;

    if (pg_interval_read(ed_bytes(text), &i))
        fail_msg("'%s' is refused", text);
    assert_int_equal(i.months, months);
    assert_int_equal(i.days, days);
    assert_int_equal(i.microseconds, us);
}

static void intervals_are_read_in_two_styles(void **state)
{
    (void)state;
    interval("00:00:00", 0, 0, 0);
    interval("1 year 2 mons 3 days 04:05:06.789", 14, 3, 14706789000);
    interval("-1 years -2 mons +3 days -04:05:06", -14, 3, -14706 * S);
    interval("1 mon -1 days", 1, -1, 0);
    interval("-00:00:00.000001", 0, 0, -1);
    interval("-2562047788:00:54.775808", 0, 0, INT64_MIN);
    interval("P1Y2M3DT4H5M6.789S", 14, 3, 14706789000);
    interval("P-1Y-2M3DT-4H-5M-6.5S", -14, 3, -14706500000);
    interval("PT0S", 0, 0, 0);
    interval("PT-0.5S", 0, 0, -500000);
}

static void a_malformed_interval_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "1 year ",
                                      "1 years2 mons",
                                      "1 week",
                                      "@ 1 year",
                                      "4:5:6",
                                      "00:60:00",
                                      "P",
                                      "PT",
                                      "P1",
                                      "P1.5Y",
                                      "P1Y2",
                                      "P1H",
                                      "PT1Y",
                                      "1-2 3 4:05:06",
                                      "00:00:00a",
                                      "1 year  1 mon",
                                      "178956971 years",
                                      "2147483648 days",
                                      "-2147483649 days",
                                      "2562047789:00:00"};
    struct ed_interval i;

    (void)state;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        if (pg_interval_read(ed_bytes(bad[k]), &i) != ED_EPARSE)
            fail_msg("'%s' is read", bad[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timestamp_counts_from_2000),
        cmocka_unit_test(an_offset_is_taken_off),
        cmocka_unit_test(years_before_the_first_are_bc),
        cmocka_unit_test(a_day_is_a_day_of_the_calendar),
        cmocka_unit_test(a_malformed_timestamp_is_refused),
        cmocka_unit_test(what_is_written_is_what_the_server_writes),
        cmocka_unit_test(iso_style_is_what_javascript_reads),
        cmocka_unit_test(days_are_written_and_read_as_themselves),
        cmocka_unit_test(any_number_is_written_within_bounds),
        cmocka_unit_test(intervals_are_read_in_two_styles),
        cmocka_unit_test(a_malformed_interval_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
