/*
 * clock.c - the clocks of the system, and wall-clock time as text.
 *
 * Owns nothing; no lock, no locale, no time zone. Dates are computed from
 * the count of days (proleptic Gregorian calendar).
 */
#include "base/civil.h"
#include <eddy/clock.h>
#include <string.h>
#include <time.h>

#define DAY_S        86400
#define FIRST_UNIX_S (-62167219200) /* 0000-01-01T00:00:00Z */
#define LAST_UNIX_S  253402300799   /* 9999-12-31T23:59:59Z */

/* From 0000-03-01 to 1970-01-01. */
#define DAYS_TO_1970 719468

/* 400 years, after which the calendar repeats, weekdays included. */
#define ERA_DAYS 146097

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    /* Cannot fail: both clocks exist on every Linux. */
    (void)clock_gettime(id, &now);
    return now.tv_sec * ED_S + now.tv_nsec;
}

int64_t ed_clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t ed_clock_realtime(void)
{
    return read_clock(CLOCK_REALTIME);
}

/*
 * Years are counted from March, so that the leap day is the last day of a
 * year and month lengths follow one pattern: five months of 153 days.
 */
static void set_date(struct ed_civil *civil, int days_since_1970)
{
    int days = days_since_1970 + DAYS_TO_1970;
    int era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    int day_of_era = days - era * ERA_DAYS;
    /* Leap days taken out, all years have 365: every 4 years (1460 days) one,
     * but not every 100 (36524 days), yet again every 400. */
    int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                       day_of_era / (ERA_DAYS - 1)) /
                      365;
    int day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month_from_march = (5 * day_of_year + 2) / 153;

    civil->day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    civil->month = month_from_march + (month_from_march < 10 ? 3 : -9);
    civil->year = year_of_era + era * 400 + (civil->month <= 2);
    /* 0000-03-01 was a Wednesday, and an era is a whole number of weeks. */
    civil->weekday = (day_of_era + 3) % 7;
}

struct ed_civil ed_civil(int64_t unix_s)
{
    struct ed_civil civil;

    if (unix_s < FIRST_UNIX_S)
        unix_s = FIRST_UNIX_S;
    if (unix_s > LAST_UNIX_S)
        unix_s = LAST_UNIX_S;
    int days = (int)(unix_s / DAY_S);
    int second = (int)(unix_s % DAY_S);
    if (second < 0) {
        second += DAY_S;
        days--;
    }
    set_date(&civil, days);
    civil.hour = second / 3600;
    civil.minute = second / 60 % 60;
    civil.second = second % 60;
    return civil;
}

static char *put2(char *out, int value)
{
    *out++ = (char)('0' + value / 10);
    *out++ = (char)('0' + value % 10);
    return out;
}

static char *put3(char *out, const char *names, int index)
{
    memcpy(out, names + index * 3, 3);
    return out + 3;
}

void ed_http_date(char out[ED_HTTP_DATE_LEN + 1], int64_t unix_s)
{
    struct ed_civil civil = ed_civil(unix_s);

    out = put3(out, "SunMonTueWedThuFriSat", civil.weekday);
    *out++ = ',';
    *out++ = ' ';
    out = put2(out, civil.day);
    *out++ = ' ';
    out = put3(out, "JanFebMarAprMayJunJulAugSepOctNovDec", civil.month - 1);
    *out++ = ' ';
    out = put2(out, civil.year / 100);
    out = put2(out, civil.year % 100);
    *out++ = ' ';
    out = put2(out, civil.hour);
    *out++ = ':';
    out = put2(out, civil.minute);
    *out++ = ':';
    out = put2(out, civil.second);
    memcpy(out, " GMT", sizeof(" GMT"));
}
