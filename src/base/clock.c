/*
 * clock.c - the clocks of the system, and wall-clock time as text.
 *
 * Owns nothing; no lock, no locale, no time zone. Dates are computed from
 * the count of days (proleptic Gregorian calendar).
 */
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

/* A date and a time of day, in UTC. */
struct civil {
    int year;    /* 0 to 9999 */
    int month;   /* 1 to 12 */
    int day;     /* 1 to 31 */
    int weekday; /* 0 is Sunday */
    int hour;
    int minute;
    int second; /* 0 to 59: Unix time has no leap seconds */
};

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
static void set_date(struct civil *civil, int days_since_1970)
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

/* What lies outside of the years 0 to 9999 becomes their first or last second,
 * so that a year always has four digits. */
static struct civil civil_of(int64_t unix_s)
{
    struct civil civil;

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

static char *put4(char *out, int value)
{
    out = put2(out, value / 100);
    return put2(out, value % 100);
}

static char *put_time_of_day(char *out, const struct civil *civil)
{
    out = put2(out, civil->hour);
    *out++ = ':';
    out = put2(out, civil->minute);
    *out++ = ':';
    return put2(out, civil->second);
}

static char *put_name(char *out, const char *names, int index)
{
    memcpy(out, names + index * 3, 3);
    return out + 3;
}

void ed_http_date(char out[ED_HTTP_DATE_LEN + 1], int64_t unix_s)
{
    struct civil civil = civil_of(unix_s);

    out = put_name(out, "SunMonTueWedThuFriSat", civil.weekday);
    *out++ = ',';
    *out++ = ' ';
    out = put2(out, civil.day);
    *out++ = ' ';
    out =
        put_name(out, "JanFebMarAprMayJunJulAugSepOctNovDec", civil.month - 1);
    *out++ = ' ';
    out = put4(out, civil.year);
    *out++ = ' ';
    out = put_time_of_day(out, &civil);
    memcpy(out, " GMT", sizeof(" GMT"));
}

void ed_iso_date(char out[ED_ISO_DATE_LEN + 1], int64_t unix_ns)
{
    int64_t rest = unix_ns % ED_S;
    int64_t second = unix_ns / ED_S - (rest < 0);
    int ms = (int)((rest < 0 ? rest + ED_S : rest) / ED_MS);
    struct civil civil = civil_of(second);

    out = put4(out, civil.year);
    *out++ = '-';
    out = put2(out, civil.month);
    *out++ = '-';
    out = put2(out, civil.day);
    *out++ = 'T';
    out = put_time_of_day(out, &civil);
    *out++ = '.';
    *out++ = (char)('0' + ms / 100);
    out = put2(out, ms % 100);
    memcpy(out, "Z", sizeof("Z"));
}
