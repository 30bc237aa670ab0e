/*
 * test_clock.c - clocks and dates, held against the C library's.
 */
#include <eddy/clock.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#define LAST_S 253402300799 /* 9999-12-31T23:59:59Z */

static void assert_like_libc(int64_t unix_s)
{
    char ours[ED_HTTP_DATE_LEN + 1], theirs[64];
    time_t t = (time_t)unix_s;
    struct tm tm;

    memset(ours, 'x', sizeof(ours));
    ed_http_date(ours, unix_s);
    assert_non_null(gmtime_r(&t, &tm));
    strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    assert_string_equal(ours, theirs);
}

static void the_example_of_the_rfc_comes_out(void **state)
{
    char date[ED_HTTP_DATE_LEN + 1];

    (void)state;
    ed_http_date(date, 784111777);
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT");
    ed_http_date(date, 0);
    assert_string_equal(date, "Thu, 01 Jan 1970 00:00:00 GMT");
}

static void every_day_from_1970_to_2500_is_right(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 193600; day++)
        assert_like_libc(day * 86400 + day % 86400);
}

static void random_times_up_to_9999_are_right(void **state)
{
    unsigned short seed[3] = {1, 2, 3};

    (void)state;
    for (int i = 0; i < 100000; i++)
        assert_like_libc((int64_t)(erand48(seed) * (double)LAST_S));
    assert_like_libc(LAST_S);
}

static void the_edges_of_leap_years_are_right(void **state)
{
    static const int years[] = {1999, 2000, 2001, 2004, 2100, 2400, 9996};

    (void)state;
    for (size_t i = 0; i < sizeof(years) / sizeof(years[0]); i++) {
        struct tm first = {.tm_year = years[i] - 1900, .tm_mday = 1};
        int64_t start = timegm(&first);
        for (int64_t day = -2; day < 64; day++) {
            assert_like_libc(start + day * 86400);
            assert_like_libc(start + day * 86400 + 86399);
        }
    }
}

static void times_outside_of_four_digit_years_are_moved_inside(void **state)
{
    char date[ED_HTTP_DATE_LEN + 1];

    (void)state;
    ed_http_date(date, LAST_S + 1);
    assert_string_equal(date, "Fri, 31 Dec 9999 23:59:59 GMT");
    ed_http_date(date, INT64_MAX);
    assert_string_equal(date, "Fri, 31 Dec 9999 23:59:59 GMT");
    ed_http_date(date, INT64_MIN);
    assert_string_equal(date, "Sat, 01 Jan 0000 00:00:00 GMT");
}

static void times_before_1970_are_right(void **state)
{
    (void)state;
    assert_like_libc(-1);
    assert_like_libc(-86400);
    assert_like_libc(-86401);
    assert_like_libc(-2208988800);
}

static void assert_iso(int64_t unix_ns, const char *want)
{
    char date[ED_ISO_DATE_LEN + 1];

    ed_iso_date(date, unix_ns);
    assert_string_equal(date, want);
}

static void iso_dates_go_to_the_millisecond_on_both_sides_of_1970(void **state)
{
    (void)state;
    assert_iso(0, "1970-01-01T00:00:00.000Z");
    assert_iso(1 * ED_S + 999999999, "1970-01-01T00:00:01.999Z");
    assert_iso(784111777 * ED_S + 7 * ED_MS, "1994-11-06T08:49:37.007Z");
    assert_iso(-1, "1969-12-31T23:59:59.999Z");
    assert_iso(-ED_S, "1969-12-31T23:59:59.000Z");
    assert_iso(INT64_MAX, "2262-04-11T23:47:16.854Z");
    assert_iso(INT64_MIN, "1677-09-21T00:12:43.145Z");
}

static void monotonic_time_never_goes_back(void **state)
{
    int64_t before = ed_clock_monotonic();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t now = ed_clock_monotonic();
        assert_true(now >= before);
        before = now;
    }
}

static void real_time_is_the_time_of_the_system(void **state)
{
    int64_t before = (int64_t)time(NULL);

    (void)state;
    int64_t now = ed_clock_realtime() / ED_S;
    assert_true(now >= before - 1 && now <= (int64_t)time(NULL) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_rfc_comes_out),
        cmocka_unit_test(every_day_from_1970_to_2500_is_right),
        cmocka_unit_test(random_times_up_to_9999_are_right),
        cmocka_unit_test(the_edges_of_leap_years_are_right),
        cmocka_unit_test(times_outside_of_four_digit_years_are_moved_inside),
        cmocka_unit_test(times_before_1970_are_right),
        cmocka_unit_test(iso_dates_go_to_the_millisecond_on_both_sides_of_1970),
        cmocka_unit_test(monotonic_time_never_goes_back),
        cmocka_unit_test(real_time_is_the_time_of_the_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
