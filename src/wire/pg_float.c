/*
 * pg_float.c - floating-point numbers as PostgreSQL writes and reads them.
 */
#include "wire/json_writer.h"
#include "wire/pg_digits.h"
#include "wire/pg_number.h"
#include <eddy/error.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- reading ---- */

/* What strtod() might take that is no number here: hexadecimals, spaces, "inf"
 * and all. */
static bool is_decimal(struct ed_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!strchr("0123456789+-.eE", text.ptr[i]) || !text.ptr[i])
            return false;
    }
    return text.len;
}

static bool read_special(struct ed_bytes text, double *x)
{
    if (ed_bytes_equal(text, ED_BYTES("NaN")))
        *x = NAN;
    else if (ed_bytes_equal(text, ED_BYTES("Infinity")))
        *x = INFINITY;
    else if (ed_bytes_equal(text, ED_BYTES("-Infinity")))
        *x = -INFINITY;
    else
        return false;
    return true;
}

int pg_double_read(struct ed_bytes text, double *x)
{
    char *end;

    if (read_special(text, x))
        return 0;
    if (!is_decimal(text))
        return ED_EPARSE;
    /* The C locale is not made but found: no allocation, no failure. */
    locale_t c = newlocale(LC_ALL_MASK, "C", NULL);
    double read = strtod_l(text.ptr, &end, c);
    if (end != text.ptr + text.len || isinf(read))
        return ED_EPARSE;
    *x = read;
    return 0;
}

int pg_int_read(struct ed_bytes text, int64_t *n)
{
    struct ed_bytes zeros = text;
    struct ed_bytes whole = ed_bytes_cut(&zeros, '.');

    for (size_t i = 0; i < zeros.len; i++) {
        if (zeros.ptr[i] != '0')
            return ED_EPARSE;
    }
    return ed_bytes_int(whole, n);
}

/* ---- writing ---- */

/* More digits than any of 17 are rounded from, so that none is rounded twice.
 */
#define DIGITS_SEEN 21

/* A number above zero: 0.DIGITS times ten to the power of `point`. */
struct decimal {
    char digits[DIGITS_SEEN + 1];
    int count;
    int point;
};

/* What differs between the two types. */
struct format {
    int bits; /* of a mantissa */
    /* Decimals of so many digits lie further apart than numbers: one that will
     * do is the only one, and the shortest when its zeros are gone. */
    int sure;
    double sure_from; /* below it numbers have fewer bits */
    int most;         /* so many digits tell all numbers apart */
    int plain_max;    /* digits before the point, or it has an exponent */
};

static const struct format float4 = {24, 6, FLT_MIN, 9, 6};
static const struct format float8 = {53, 15, DBL_MIN, 17, 15};

/* Prints and takes the digits out, whatever the locale's point is. */
static void see_digits(double x, struct decimal *d)
{
    char text[DIGITS_SEEN + 16];
    const char *p = text;

    (void)snprintf(text, sizeof text, "%.*e", DIGITS_SEEN - 1, x);
    for (d->count = 0; *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9')
            d->digits[d->count++] = *p;
    }
    d->point = (int)strtol(p + 1, NULL, 10) + 1;
}

static struct decimal rounded(const struct decimal *d, int count, bool up)
{
    struct decimal r = *d;

    r.count = count;
    for (int i = count - 1; up && i >= 0; i--) {
        up = r.digits[i] == '9';
        r.digits[i] = up ? '0' : (char)(r.digits[i] + 1);
    }
    if (up) { /* 9.99 is 10.0 */
        r.digits[0] = '1';
        r.point++;
    }
    while (r.count > 1 && r.digits[r.count - 1] == '0')
        r.count--;
    return r;
}

/* In `count` digits; one that is just in the middle goes to the even one. */
static struct decimal nearest(const struct decimal *d, int count)
{
    char next = d->digits[count];
    bool rest = false;

    for (int i = count + 1; i < d->count && !rest; i++)
        rest = d->digits[i] != '0';
    bool odd = d->digits[count - 1] % 2; /* '0' is even */
    return rounded(d, count, next > '5' || (next == '5' && (rest || odd)));
}

static bool reads_as(const struct decimal *d, double x,
                     const struct format *format)
{
    char text[DIGITS_SEEN + 16];

    (void)snprintf(text, sizeof text, "%.*se%d", d->count, d->digits,
                   d->point - d->count);
    return format == &float4 ? strtof(text, NULL) == (float)x
                             : strtod(text, NULL) == x;
}

/*
 * Whether a decimal is just between two numbers: readers may then take either.
 * It is a whole number in that case, with an odd part of one bit more than a
 * mantissa has; fractions that are would have more digits than the shortest.
 */
static bool is_halfway(const struct decimal *d, const struct format *format)
{
    unsigned __int128 n = 0;

    if (d->count > d->point || d->point - d->count > 23)
        return false;
    for (int i = 0; i < d->count; i++)
        n = n * 10 + (unsigned)(d->digits[i] - '0');
    for (int i = d->count; i < d->point; i++)
        n *= 5; /* and twos, which change nothing */
    while (n % 2 == 0)
        n /= 2;
    return n >> format->bits == 1;
}

static bool tells(const struct decimal *d, double x,
                  const struct format *format)
{
    return reads_as(d, x, format) && !is_halfway(d, format);
}

/* The fewest digits that will do. Below a power of two numbers are twice as
 * close as above it, so that it may be the decimal above, and not the nearest,
 * that does. */
static struct decimal shortest(double x, const struct format *format)
{
    struct decimal seen, best;
    int count = x < format->sure_from ? 1 : format->sure;

    see_digits(x, &seen);
    for (; count < format->most; count++) {
        best = nearest(&seen, count);
        if (tells(&best, x, format))
            return best;
        best = rounded(&seen, count, true);
        if (tells(&best, x, format))
            return best;
    }
    return nearest(&seen, format->most);
}

/* The digits and the point of a number as JSON has it, without an exponent. */
static struct decimal taken_from(const char *text, const char *end)
{
    struct decimal d = {.count = 0};
    bool fraction = false;

    for (; text < end; text++) {
        if (*text == '.') {
            fraction = true;
        } else if (*text != '0' || d.count) {
            d.digits[d.count++] = *text;
            d.point += !fraction;
        } else {
            d.point -= fraction; /* a zero before the first digit */
        }
    }
    while (d.digits[d.count - 1] == '0')
        d.count--;
    return d;
}

/* JSON's writer is exact, and much quicker, for numbers of usual size. */
static struct decimal digits_of(double x, const struct format *format)
{
    char text[ED_JSON_NUMBER_MAX];

    if (format != &float8 || x < 1e-5 || x >= 0x1p53)
        return shortest(x, format);
    const char *end = ed_json_print_double(text, x);
    return taken_from(text, end);
}

static char *print_plain(char *at, const struct decimal *d)
{
    if (d->point <= 0) {
        *at++ = '0';
        *at++ = '.';
        memset(at, '0', (size_t)-d->point);
        at += -d->point;
    }
    for (int i = 0; i < d->count || i < d->point; i++) {
        if (i == d->point && i)
            *at++ = '.';
        *at++ = i < d->count ? d->digits[i] : '0';
    }
    return at;
}

static char *print_exponent(char *at, const struct decimal *d)
{
    int exponent = d->point - 1;

    *at++ = d->digits[0];
    if (d->count > 1) {
        *at++ = '.';
        memcpy(at, d->digits + 1, (size_t)d->count - 1);
        at += d->count - 1;
    }
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    return pg_digits_put(at, (uint64_t)abs(exponent), 2);
}

static char *print_word(char *at, const char *word)
{
    size_t len = strlen(word);

    memcpy(at, word, len);
    return at + len;
}

static char *print(char *at, double x, const struct format *format)
{
    if (isnan(x))
        return print_word(at, "NaN");
    if (signbit(x))
        *at++ = '-';
    if (isinf(x))
        return print_word(at, "Infinity");
    if (x == 0)
        return print_word(at, "0");
    struct decimal d = digits_of(fabs(x), format);
    if (d.point < -3 || d.point > format->plain_max)
        return print_exponent(at, &d);
    return print_plain(at, &d);
}

char *pg_float8_print(char *at, double x)
{
    return print(at, x, &float8);
}

char *pg_float4_print(char *at, float x)
{
    return print(at, x, &float4);
}
