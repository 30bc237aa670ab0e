/*
 * test_date.c - dates of HTTP and of cookies.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/date.h"
#include <eddy/clock.h>
#include <eddy/error.h>

/* 2026-11-20T00:00:00Z */
static const int64_t NOW = 1795132800;

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static const int64_t EXAMPLE = 784111777;

static int64_t http(const char *text)
{
    int64_t time = -1;
    int err = ed_date_parse(ed_bytes(text), NOW, &time);

    assert_true(!err || time == -1);
    return err ? -1 : time;
}

static int64_t cookie(const char *text)
{
    int64_t time = -1;
    int err = ed_date_parse_cookie(ed_bytes(text), &time);

    assert_true(!err || time == -1);
    return err ? -1 : time;
}

static void all_three_forms_mean_the_same(void **state)
{
    (void)state;
    assert_int_equal(http("Sun, 06 Nov 1994 08:49:37 GMT"), EXAMPLE);
    assert_int_equal(http("Sunday, 06-Nov-94 08:49:37 GMT"), EXAMPLE);
    assert_int_equal(http("Sun Nov  6 08:49:37 1994"), EXAMPLE);
    assert_int_equal(http(" Sun, 06 Nov 1994 08:49:37 GMT\t"), EXAMPLE);
    assert_int_equal(http("Sun Nov 16 08:49:37 1994"), EXAMPLE + 10 * 86400);
}

static void what_is_written_is_read(void **state)
{
    static const int64_t times[] = {
        0,          1,       -1,           951782399,   951782400,
        4107542400, EXAMPLE, 253402300799, -62135596800};
    char text[ED_HTTP_DATE_LEN + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        int64_t time = 42;
        ed_http_date(text, times[i]);
        assert_int_equal(ed_date_parse(ed_bytes(text), NOW, &time), 0);
        assert_int_equal(time, times[i]);
    }
}

static void two_digits_of_a_year_are_near_now(void **state)
{
    (void)state;
    assert_int_equal(http("Friday, 20-Nov-26 00:00:00 GMT"), NOW);
    assert_true(http("Friday, 20-Nov-76 00:00:00 GMT") > NOW);
    assert_true(http("Friday, 20-Nov-77 00:00:00 GMT") < NOW);
    assert_true(http("Friday, 20-Nov-99 00:00:00 GMT") < NOW);
}

static void malformed_dates_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "Sun",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT+1",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nvo 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37",
        "Sun Nov 6 08:49:37 1994 GMT",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov   6 08:49:37 1994",
        "784111777",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(http(bad[i]), -1);
    assert_true(http("Sun, 29 Feb 2000 08:49:37 GMT") > 0);
}

static void a_leap_second_is_the_one_before_it(void **state)
{
    (void)state;
    assert_int_equal(http("Sat, 31 Dec 2016 23:59:60 GMT"),
                     http("Sat, 31 Dec 2016 23:59:59 GMT"));
}

/* RFC 6265, 5.1.1. */
static void a_cookies_date_has_its_parts_in_any_order(void **state)
{
    (void)state;
    assert_int_equal(cookie("Sun, 06 Nov 1994 08:49:37 GMT"), EXAMPLE);
    assert_int_equal(cookie("Sun, 06-Nov-1994 08:49:37 GMT"), EXAMPLE);
    assert_int_equal(cookie("Sunday, 06-Nov-94 08:49:37 GMT"), EXAMPLE);
    assert_int_equal(cookie("Sun Nov  6 08:49:37 1994"), EXAMPLE);
    assert_int_equal(cookie("1994 november 6th 8:49:37"), EXAMPLE);
    assert_int_equal(cookie("08:49:37 6 nov 94"), EXAMPLE);
    assert_int_equal(cookie("x,,08:49:37z;6/nov/1994 tomorrow"), EXAMPLE);
    assert_int_equal(cookie("06 Nov 1994 08:49:37 +0200"), EXAMPLE);
    /* Of two candidates the first counts. */
    assert_int_equal(cookie("6 Nov 1994 08:49:37 Dec 2001"), EXAMPLE);
}

static void years_of_cookies_have_two_to_four_digits(void **state)
{
    (void)state;
    assert_int_equal(cookie("1 Jan 70 00:00:00"), 0);
    assert_int_equal(cookie("1 Jan 69 00:00:00"), 3124224000);
    assert_int_equal(cookie("1 Jan 1601 00:00:00"), -11644473600);
    assert_int_equal(cookie("1 Jan 1600 00:00:00"), -1);
    assert_int_equal(cookie("1 Jan 199 00:00:00"), -1);
    assert_int_equal(cookie("1 Jan 19700 00:00:00"), -1);
}

static void a_cookies_date_needs_all_of_its_parts(void **state)
{
    static const char *const bad[] = {
        "",
        "Sun, 06 Nov 1994",
        "06 Nov 08:49:37",
        "Nov 1994 08:49:37",
        "06 1994 08:49:37",
        "06 Nov 1994 08:49",
        "06 Nov 1994 24:00:00",
        "06 Nov 1994 08:60:00",
        "06 Nov 1994 08:49:60",
        "31 Feb 1994 08:49:37",
        "00 Nov 1994 08:49:37",
        "006 Nov 1994 08:49:37",
        "06 Nov 1994 008:49:37",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(cookie(bad[i]), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_three_forms_mean_the_same),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(two_digits_of_a_year_are_near_now),
        cmocka_unit_test(malformed_dates_are_refused),
        cmocka_unit_test(a_leap_second_is_the_one_before_it),
        cmocka_unit_test(a_cookies_date_has_its_parts_in_any_order),
        cmocka_unit_test(years_of_cookies_have_two_to_four_digits),
        cmocka_unit_test(a_cookies_date_needs_all_of_its_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
