/*
 * date.c - reads dates, as HTTP and cookies have them.
 */
#include "wire/date.h"
#include "base/ascii.h"
#include <eddy/error.h>

struct date {
    int year;
    int month; /* 1 to 12 */
    int day;
    int hour;
    int minute;
    int second;
};

enum { DAY_S = 86400, HOUR_S = 3600, MINUTE_S = 60 };

/* ---- from a date to seconds ---- */

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 0000-03-01: years begin in March, so that a leap day ends one, and
 * months have a length by a formula. */
static int64_t days_from_march(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int m = month > 2 ? month - 3 : month + 9;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
}

static int to_unix(const struct date *d, int64_t *unix_s)
{
    if (d->month < 1 || d->month > 12 || d->day < 1 ||
        d->day > days_in(d->year, d->month) || d->hour > 23 || d->minute > 59 ||
        d->second > 59)
        return ED_EPARSE;
    int64_t days = days_from_march(d->year, d->month, d->day) -
                   days_from_march(1970, 1, 1);
    *unix_s =
        days * DAY_S + d->hour * HOUR_S + d->minute * MINUTE_S + d->second;
    return 0;
}

/* ---- names ---- */

/* The number, from 1, of the name that `text` begins with; 0: none. */
static int month_of(struct ed_bytes text)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    if (text.len < 3)
        return 0;
    for (int i = 0; i < 12; i++) {
        struct ed_bytes name = ed_bytes_of(names + 3 * i, 3);
        if (ed_bytes_equal_nocase(ed_bytes_of(text.ptr, 3), name))
            return i + 1;
    }
    return 0;
}

/* ---- HTTP dates ---- */

/* Reads a form from left to right; once something is wrong nothing more is
 * read. */
struct reader {
    struct ed_bytes rest;
    bool wrong;
};

static void skip(struct reader *r, struct ed_bytes text)
{
    if (!ed_bytes_starts(r->rest, text)) {
        r->wrong = true;
        return;
    }
    r->rest = ed_bytes_of(r->rest.ptr + text.len, r->rest.len - text.len);
}

static int number(struct reader *r, size_t digits)
{
    int n = 0;

    if (r->rest.len < digits)
        r->wrong = true;
    for (size_t i = 0; i < digits && !r->wrong; i++) {
        r->wrong = !ed_is_digit(r->rest.ptr[i]);
        n = n * 10 + (r->rest.ptr[i] - '0');
    }
    if (!r->wrong)
        r->rest = ed_bytes_of(r->rest.ptr + digits, r->rest.len - digits);
    return n;
}

/* A month is written in one way only, but letters of other cases are not worth
 * a failure. */
static int month(struct reader *r)
{
    int m = month_of(r->rest);

    if (m)
        r->rest = ed_bytes_of(r->rest.ptr + 3, r->rest.len - 3);
    else
        r->wrong = true;
    return m;
}

static void time_of_day(struct reader *r, struct date *d)
{
    d->hour = number(r, 2);
    skip(r, ED_BYTES(":"));
    d->minute = number(r, 2);
    skip(r, ED_BYTES(":"));
    d->second = number(r, 2);
    /* A leap second counts as the one before it: Unix time has none. */
    if (d->second == 60)
        d->second = 59;
}

/* "06 Nov 1994 08:49:37 GMT" */
static void read_fixed(struct reader *r, struct date *d)
{
    d->day = number(r, 2);
    skip(r, ED_BYTES(" "));
    d->month = month(r);
    skip(r, ED_BYTES(" "));
    d->year = number(r, 4);
    skip(r, ED_BYTES(" "));
    time_of_day(r, d);
    skip(r, ED_BYTES(" GMT"));
}

/* Seconds of a mean year of the calendar. */
static const int64_t YEAR_S = 31556952;

/* "06-Nov-94 08:49:37 GMT" */
static void read_rfc850(struct reader *r, struct date *d, int64_t now)
{
    int year_now = 1970 + (int)(now / YEAR_S);

    d->day = number(r, 2);
    skip(r, ED_BYTES("-"));
    d->month = month(r);
    skip(r, ED_BYTES("-"));
    d->year = year_now - year_now % 100 + number(r, 2);
    if (d->year > year_now + 50)
        d->year -= 100;
    else if (d->year <= year_now - 50)
        d->year += 100;
    skip(r, ED_BYTES(" "));
    time_of_day(r, d);
    skip(r, ED_BYTES(" GMT"));
}

/* "Nov  6 08:49:37 1994" */
static void read_asctime(struct reader *r, struct date *d)
{
    d->month = month(r);
    skip(r, ED_BYTES(" "));
    if (ed_bytes_starts(r->rest, ED_BYTES(" "))) {
        skip(r, ED_BYTES(" "));
        d->day = number(r, 1);
    } else {
        d->day = number(r, 2);
    }
    skip(r, ED_BYTES(" "));
    time_of_day(r, d);
    skip(r, ED_BYTES(" "));
    d->year = number(r, 4);
}

/* Takes the name of a day off; its length, 0 if there is none. */
static size_t take_weekday(struct reader *r)
{
    static const char *const names[] = {"Sunday",    "Monday",   "Tuesday",
                                        "Wednesday", "Thursday", "Friday",
                                        "Saturday"};
    size_t len = 0;

    while (len < r->rest.len && ed_is_letter(r->rest.ptr[len]))
        len++;
    struct ed_bytes word = ed_bytes_of(r->rest.ptr, len);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct ed_bytes name = ed_bytes(names[i]);
        if (len == 3)
            name.len = 3;
        if (!ed_bytes_equal_nocase(word, name))
            continue;
        r->rest = ed_bytes_of(r->rest.ptr + len, r->rest.len - len);
        return len;
    }
    return 0;
}

int ed_date_parse(struct ed_bytes text, int64_t now, int64_t *unix_s)
{
    struct reader r = {ed_bytes_trim(text), false};
    struct date d = {0};
    size_t weekday = take_weekday(&r);

    if (!weekday)
        return ED_EPARSE;
    if (ed_bytes_starts(r.rest, ED_BYTES(", "))) {
        skip(&r, ED_BYTES(", "));
        if (r.rest.len > 2 && r.rest.ptr[2] == '-')
            read_rfc850(&r, &d, now);
        else
            read_fixed(&r, &d);
    } else {
        skip(&r, ED_BYTES(" "));
        read_asctime(&r, &d);
    }
    if (r.wrong || r.rest.len)
        return ED_EPARSE;
    return to_unix(&d, unix_s);
}

/* ---- dates of cookies ---- */

/* What separates the pieces (RFC 6265, 5.1.1). */
static bool is_delimiter(char ch)
{
    unsigned char c = (unsigned char)ch;

    return c == 0x09 || (c >= 0x20 && c <= 0x2f) || (c >= 0x3b && c <= 0x40) ||
           (c >= 0x5b && c <= 0x60) || (c >= 0x7b && c <= 0x7e);
}

/* What was found so far; -1: not yet. */
struct found {
    int hour;
    int minute;
    int second;
    int day;
    int month;
    int year;
};

/* Reads `least` to `most` digits with no further one behind them, and moves
 * *text behind them. -1: there are none. */
static int digits(struct ed_bytes *text, size_t least, size_t most)
{
    size_t len = 0;
    int n = 0;

    while (len < text->len && len < most && ed_is_digit(text->ptr[len]))
        n = n * 10 + (text->ptr[len++] - '0');
    if (len < least || (len < text->len && ed_is_digit(text->ptr[len])))
        return -1;
    *text = ed_bytes_of(text->ptr + len, text->len - len);
    return n;
}

static bool take_colon(struct ed_bytes *text)
{
    if (!ed_bytes_starts(*text, ED_BYTES(":")))
        return false;
    *text = ed_bytes_of(text->ptr + 1, text->len - 1);
    return true;
}

static bool take_time(struct found *f, struct ed_bytes piece)
{
    int hour = digits(&piece, 1, 2);
    int minute = hour >= 0 && take_colon(&piece) ? digits(&piece, 1, 2) : -1;
    int second = minute >= 0 && take_colon(&piece) ? digits(&piece, 1, 2) : -1;

    if (second < 0)
        return false;
    f->hour = hour;
    f->minute = minute;
    f->second = second;
    return true;
}

/* Each piece is the first of these that it can be and that is still open. */
static void take_piece(struct found *f, struct ed_bytes piece)
{
    struct ed_bytes day = piece, year = piece;
    int n;

    if (f->hour < 0 && take_time(f, piece))
        return;
    if (f->day < 0 && (n = digits(&day, 1, 2)) >= 0) {
        f->day = n;
        return;
    }
    if (f->month < 0 && (n = month_of(piece))) {
        f->month = n;
        return;
    }
    if (f->year < 0 && (n = digits(&year, 2, 4)) >= 0)
        f->year = n;
}

int ed_date_parse_cookie(struct ed_bytes text, int64_t *unix_s)
{
    struct found f = {-1, -1, -1, -1, -1, -1};
    const char *at = text.len ? text.ptr : "", *end = at + text.len;

    while (at < end) {
        while (at < end && is_delimiter(*at))
            at++;
        const char *begin = at;
        while (at < end && !is_delimiter(*at))
            at++;
        if (at > begin)
            take_piece(&f, ed_bytes_of(begin, (size_t)(at - begin)));
    }
    if (f.hour < 0 || f.day < 0 || f.month < 0 || f.year < 0)
        return ED_EPARSE;
    if (f.year >= 70 && f.year <= 99)
        f.year += 1900;
    else if (f.year <= 69)
        f.year += 2000;
    if (f.year < 1601)
        return ED_EPARSE;
    struct date d = {f.year, f.month, f.day, f.hour, f.minute, f.second};
    return to_unix(&d, unix_s);
}
