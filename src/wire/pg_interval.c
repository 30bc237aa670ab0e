/*
 * pg_interval.c - intervals as PostgreSQL writes them.
 */
#include "wire/pg_digits.h"
#include "wire/pg_time.h"
#include <eddy/error.h>

#define HOUR_US   ((int64_t)3600 * 1000000)
#define MINUTE_US ((int64_t)60 * 1000000)
#define SECOND_US ((int64_t)1000000)

/* ---- writing ---- */

/* What was written so far decides about spaces and signs. */
struct writer {
    char *at;
    bool any;    /* part */
    bool before; /* the last part was negative: a positive one says so */
    bool signs;  /* every part has one */
};

static void put_sign(struct writer *w, bool minus)
{
    if (w->any)
        *w->at++ = ' ';
    if (minus)
        *w->at++ = '-';
    else if (w->before || w->signs)
        *w->at++ = '+';
}

static void put_part(struct writer *w, int64_t n, const char *unit)
{
    if (!n)
        return;
    put_sign(w, n < 0);
    w->at = ed_json_print_uint(w->at, (uint64_t)(n < 0 ? -n : n));
    *w->at++ = ' ';
    size_t len = strlen(unit);
    memcpy(w->at, unit, len);
    w->at += len;
    if (n != 1)
        *w->at++ = 's';
    w->any = true;
    w->before = n < 0;
}

char *pg_interval_print(char *at, struct ed_interval i, bool signs)
{
    struct writer w = {.at = at, .signs = signs};

    put_part(&w, i.months / 12, "year");
    put_part(&w, i.months % 12, "mon");
    put_part(&w, i.days, "day");
    if (w.any && !i.microseconds)
        return w.at;
    put_sign(&w, i.microseconds < 0);
    return pg_time_print(w.at, i.microseconds);
}

/* ---- reading ---- */

/* *sum += n * unit, negated if `minus`; false when that does not fit. */
static bool add(int64_t *sum, uint64_t n, int64_t unit, bool minus)
{
    int64_t part;

    if (__builtin_mul_overflow(n, minus ? -unit : unit, &part))
        return false;
    return !__builtin_add_overflow(*sum, part, sum);
}

/* What is read so far, each in a width that 32 bits cannot leave unseen. */
struct reader {
    struct ed_bytes rest;
    int64_t months, days, us;
    bool time; /* behind the T of ISO 8601 */
};

static bool take_sign(struct reader *r)
{
    bool minus = pg_take(&r->rest, '-');

    if (!minus)
        (void)pg_take(&r->rest, '+');
    return minus;
}

static bool take_word(struct ed_bytes *text, const char *word)
{
    struct ed_bytes w = ed_bytes(word);

    if (!ed_bytes_starts(*text, w))
        return false;
    *text = ed_bytes_of(text->ptr + w.len, text->len - w.len);
    (void)pg_take(text, 's');
    return true;
}

/* "04:05.5" behind the "03:" of an "03:04:05.5" whose hours are read. */
static bool take_clock(struct reader *r, uint64_t hours, bool minus)
{
    uint64_t minutes, seconds;
    int64_t fraction;

    return pg_digits_take(&r->rest, 2, 2, &minutes) && minutes < 60 &&
           pg_take(&r->rest, ':') && pg_digits_take(&r->rest, 2, 2, &seconds) &&
           seconds < 60 && pg_fraction_take(&r->rest, &fraction) &&
           add(&r->us, hours, HOUR_US, minus) &&
           add(&r->us, minutes, MINUTE_US, minus) &&
           add(&r->us, seconds, SECOND_US, minus) &&
           add(&r->us, (uint64_t)fraction, 1, minus);
}

/* One of "-1 years", "+2 mons", "3 days" and "-04:05:06.5". */
static bool take_part(struct reader *r)
{
    bool minus = take_sign(r);
    uint64_t n;

    if (!pg_digits_take(&r->rest, 1, 12, &n))
        return false;
    if (pg_take(&r->rest, ':'))
        return take_clock(r, n, minus);
    if (!pg_take(&r->rest, ' '))
        return false;
    if (take_word(&r->rest, "year"))
        return add(&r->months, n, 12, minus);
    if (take_word(&r->rest, "mon"))
        return add(&r->months, n, 1, minus);
    return take_word(&r->rest, "day") && add(&r->days, n, 1, minus);
}

static bool take_parts(struct reader *r)
{
    do {
        if (!take_part(r))
            return false;
    } while (pg_take(&r->rest, ' '));
    return !r->rest.len;
}

/* One of "1Y", "-2M", "3D", "T", and behind that "4H", "5M", "-6.5S". */
static bool take_iso_part(struct reader *r)
{
    if (!r->time && pg_take(&r->rest, 'T'))
        r->time = true;
    bool minus = take_sign(r);
    int64_t fraction;
    uint64_t n;

    if (!pg_digits_take(&r->rest, 1, 12, &n) ||
        !pg_fraction_take(&r->rest, &fraction))
        return false;
    if (r->time && pg_take(&r->rest, 'S'))
        return add(&r->us, n, SECOND_US, minus) &&
               add(&r->us, (uint64_t)fraction, 1, minus);
    if (fraction)
        return false;
    if (r->time && pg_take(&r->rest, 'H'))
        return add(&r->us, n, HOUR_US, minus);
    if (r->time)
        return pg_take(&r->rest, 'M') && add(&r->us, n, MINUTE_US, minus);
    if (pg_take(&r->rest, 'Y'))
        return add(&r->months, n, 12, minus);
    if (pg_take(&r->rest, 'M'))
        return add(&r->months, n, 1, minus);
    return pg_take(&r->rest, 'D') && add(&r->days, n, 1, minus);
}

static bool take_iso_parts(struct reader *r)
{
    do {
        if (!take_iso_part(r))
            return false;
    } while (r->rest.len);
    return true;
}

int pg_interval_read(struct ed_bytes text, struct ed_interval *interval)
{
    struct reader r = {.rest = text};
    bool iso = pg_take(&r.rest, 'P');

    if (!(iso ? take_iso_parts(&r) : take_parts(&r)) ||
        r.months != (int32_t)r.months || r.days != (int32_t)r.days)
        return ED_EPARSE;
    *interval = (struct ed_interval){
        .months = (int32_t)r.months,
        .days = (int32_t)r.days,
        .microseconds = r.us,
    };
    return 0;
}
