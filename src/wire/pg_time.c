/*
 * pg_time.c - dates and times as PostgreSQL counts and writes them.
 */
#include "wire/pg_time.h"
#include "wire/pg_digits.h"
#include <eddy/error.h>

/* Those the server knows. */
#define YEAR_MIN (-4713)
#define YEAR_MAX 5874897

#define HOUR_US   ((int64_t)3600 * 1000000)
#define MINUTE_US ((int64_t)60 * 1000000)
#define SECOND_US ((int64_t)1000000)

/* ---- the calendar ---- */

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in(int64_t year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

bool pg_date_is(struct ed_date d)
{
    return d.year >= YEAR_MIN && d.year <= YEAR_MAX && d.month >= 1 &&
           d.month <= 12 && d.day >= 1 && d.day <= days_in(d.year, d.month);
}

/* Years are counted from March, so that a leap day ends one; cycles of 400
 * years all have the same number of days. From 0000-03-01 it is so many days
 * to 2000-01-01. */
#define CYCLE_DAYS  146097
#define SINCE_MARCH 730425

int32_t pg_date_days(struct ed_date d)
{
    int64_t year = d.month > 2 ? d.year : (int64_t)d.year - 1;
    int month = d.month > 2 ? d.month - 3 : d.month + 9;
    int64_t cycle = (year >= 0 ? year : year - 399) / 400;
    int64_t y = year - cycle * 400;

    return (int32_t)(cycle * CYCLE_DAYS + 365 * y + y / 4 - y / 100 +
                     (153 * month + 2) / 5 + d.day - 1 - SINCE_MARCH);
}

struct ed_date pg_date_of(int64_t days)
{
    int64_t n = days + SINCE_MARCH;
    int64_t cycle = (n >= 0 ? n : n - (CYCLE_DAYS - 1)) / CYCLE_DAYS;
    int64_t of_cycle = n - cycle * CYCLE_DAYS;
    int64_t y = (of_cycle - of_cycle / 1460 + of_cycle / 36524 -
                 of_cycle / (CYCLE_DAYS - 1)) /
                365;
    int64_t of_year = of_cycle - (365 * y + y / 4 - y / 100);
    int64_t month = (5 * of_year + 2) / 153;
    int64_t year = cycle * 400 + y + (month >= 10);

    return (struct ed_date){
        .year = (int32_t)year,
        .month = (int8_t)(month < 10 ? month + 3 : month - 9),
        .day = (int8_t)(of_year - (153 * month + 2) / 5 + 1),
    };
}

int64_t pg_timestamp_day(int64_t us)
{
    int64_t day = us / PG_DAY_US;

    return day - (us % PG_DAY_US < 0);
}

/* ---- writing ---- */

static char *put(char *at, struct ed_bytes text)
{
    memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static char *put_infinity(char *at, bool minus)
{
    return put(at, minus ? ED_BYTES("-infinity") : ED_BYTES("infinity"));
}

/* The year as it stands in front; years before 1 AD have theirs told behind in
 * SQL's style, and a sign in ISO's. */
static char *put_year(char *at, int64_t year, enum pg_style style)
{
    if (style == PG_ISO && (year < 0 || year > 9999)) {
        *at++ = year < 0 ? '-' : '+';
        return pg_digits_put(at, (uint64_t)(year < 0 ? -year : year), 6);
    }
    if (style == PG_SQL && year < 1)
        year = 1 - year;
    return pg_digits_put(at, (uint64_t)year, 4);
}

static char *put_day(char *at, struct ed_date d, enum pg_style style)
{
    at = put_year(at, d.year, style);
    *at++ = '-';
    at = pg_digits_put(at, (uint64_t)d.month, 2);
    *at++ = '-';
    return pg_digits_put(at, (uint64_t)d.day, 2);
}

static char *put_era(char *at, struct ed_date d, enum pg_style style)
{
    return style == PG_SQL && d.year < 1 ? put(at, ED_BYTES(" BC")) : at;
}

char *pg_date_print(char *at, int32_t days, enum pg_style style)
{
    if (days == PG_DATE_INFINITY || days == PG_DATE_MINUS_INFINITY)
        return put_infinity(at, days < 0);
    struct ed_date d = pg_date_of(days);
    return put_era(put_day(at, d, style), d, style);
}

char *pg_time_print(char *at, int64_t us)
{
    uint64_t n = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    uint64_t fraction = n % 1000000;

    at = pg_digits_put(at, n / HOUR_US, 2);
    *at++ = ':';
    at = pg_digits_put(at, n % HOUR_US / MINUTE_US, 2);
    *at++ = ':';
    at = pg_digits_put(at, n % MINUTE_US / SECOND_US, 2);
    if (!fraction)
        return at;
    *at++ = '.';
    at = pg_digits_put(at, fraction, 6);
    while (at[-1] == '0')
        at--;
    return at;
}

char *pg_timestamp_print(char *at, int64_t us, bool zone, enum pg_style style)
{
    if (us == ED_TIME_INFINITY || us == ED_TIME_MINUS_INFINITY)
        return put_infinity(at, us < 0);
    int64_t day = pg_timestamp_day(us);
    struct ed_date d = pg_date_of(day);

    at = put_day(at, d, style);
    *at++ = style == PG_ISO ? 'T' : ' ';
    /* Not us - day * PG_DAY_US, which may not fit. */
    at = pg_time_print(at, us % PG_DAY_US + (us % PG_DAY_US < 0) * PG_DAY_US);
    if (zone)
        at = put(at, style == PG_ISO ? ED_BYTES("Z") : ED_BYTES("+00"));
    return put_era(at, d, style);
}

/* ---- reading ---- */

/* Takes "04:05:06.789012" off, of 24 hours at most. */
static bool take_clock(struct ed_bytes *text, int64_t *us)
{
    uint64_t hour, minute, second;
    int64_t fraction;

    if (!pg_digits_take(text, 2, 2, &hour) || !pg_take(text, ':') ||
        !pg_digits_take(text, 2, 2, &minute) || !pg_take(text, ':') ||
        !pg_digits_take(text, 2, 2, &second) ||
        !pg_fraction_take(text, &fraction))
        return false;
    *us = (int64_t)hour * HOUR_US + (int64_t)minute * MINUTE_US +
          (int64_t)second * SECOND_US + fraction;
    return minute < 60 && second <= 60 && *us <= PG_DAY_US;
}

/* Takes an offset such as "+05:53:28" off, if there is one. */
static bool take_zone(struct ed_bytes *text, int64_t *us)
{
    uint64_t hour, minute = 0, second = 0;
    char sign = text->len ? text->ptr[0] : '\0';

    *us = 0;
    if (sign != '+' && sign != '-')
        return true;
    (void)pg_take(text, sign);
    if (!pg_digits_take(text, 2, 2, &hour) ||
        (pg_take(text, ':') &&
         (!pg_digits_take(text, 2, 2, &minute) ||
          (pg_take(text, ':') && !pg_digits_take(text, 2, 2, &second)))))
        return false;
    *us = (int64_t)(hour * 3600 + minute * 60 + second) * SECOND_US;
    if (sign == '-')
        *us = -*us;
    return minute < 60 && second < 60;
}

/* Takes "2026-01-02" off. */
static bool take_day(struct ed_bytes *text, struct ed_date *d)
{
    uint64_t year, month, day;

    if (!pg_digits_take(text, 4, 7, &year) || !pg_take(text, '-') ||
        !pg_digits_take(text, 2, 2, &month) || !pg_take(text, '-') ||
        !pg_digits_take(text, 2, 2, &day))
        return false;
    *d = (struct ed_date){(int32_t)year, (int8_t)month, (int8_t)day};
    return true;
}

/* What a text ends with: nothing, or " BC", which changes the year. */
static bool ends_in_era(struct ed_bytes rest, struct ed_date *d)
{
    if (ed_bytes_equal(rest, ED_BYTES(" BC"))) {
        d->year = 1 - d->year;
        rest.len = 0;
    }
    return !rest.len && pg_date_is(*d);
}

int pg_date_read(struct ed_bytes text, int32_t *days)
{
    struct ed_date d;
    bool plus = ed_bytes_equal(text, ED_BYTES("infinity"));

    if (plus || ed_bytes_equal(text, ED_BYTES("-infinity"))) {
        *days = plus ? PG_DATE_INFINITY : PG_DATE_MINUS_INFINITY;
        return 0;
    }
    if (!take_day(&text, &d) || !ends_in_era(text, &d))
        return ED_EPARSE;
    *days = pg_date_days(d);
    return 0;
}

int pg_timestamp_read(struct ed_bytes text, int64_t *us)
{
    struct ed_date d;
    int64_t clock, zone, sum;
    bool plus = ed_bytes_equal(text, ED_BYTES("infinity"));

    if (plus || ed_bytes_equal(text, ED_BYTES("-infinity"))) {
        *us = plus ? ED_TIME_INFINITY : ED_TIME_MINUS_INFINITY;
        return 0;
    }
    if (!take_day(&text, &d) || !pg_take(&text, ' ') ||
        !take_clock(&text, &clock) || !take_zone(&text, &zone) ||
        !ends_in_era(text, &d))
        return ED_EPARSE;
    if (__builtin_mul_overflow((int64_t)pg_date_days(d), PG_DAY_US, &sum) ||
        __builtin_add_overflow(sum, clock - zone, &sum) ||
        sum == ED_TIME_INFINITY || sum == ED_TIME_MINUS_INFINITY)
        return ED_EPARSE;
    *us = sum;
    return 0;
}
