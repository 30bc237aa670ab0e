/*
 * json_number.c - numbers as JSON has them, in the fewest digits.
 *
 * Pure functions. The locale, which decides how printf() writes a decimal
 * point, has no say here: points are put by this file, and strtod() is given
 * none to read.
 */
#include "wire/json_writer.h"

#include <stdio.h>
#include <stdlib.h>

/* Every double is told from all others by this many digits. Some more are
 * looked at, so that what was rounded once is not rounded again from a five
 * that was none. */
#define DIGITS_MAX  17
#define DIGITS_SEEN 21

/* "00" to "99": two digits for one division. */
static const char pairs[] = "00010203040506070809"
                            "10111213141516171819"
                            "20212223242526272829"
                            "30313233343536373839"
                            "40414243444546474849"
                            "50515253545556575859"
                            "60616263646566676869"
                            "70717273747576777879"
                            "80818283848586878889"
                            "90919293949596979899";

static const uint64_t powers[] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
    10000000000000000000u,
};

static unsigned count_digits(uint64_t n)
{
    /* 1233 / 4096 is the logarithm of 2 to the base of 10, close enough. */
    unsigned bits = 64 - (unsigned)__builtin_clzll(n | 1);
    unsigned guess = bits * 1233 >> 12;

    return guess + (n >= powers[guess] || !n);
}

char *ed_json_print_uint(char *at, uint64_t n)
{
    char *end = at + count_digits(n);
    char *to = end;

    while (n >= 100) {
        memcpy(to -= 2, pairs + n % 100 * 2, 2);
        n /= 100;
    }
    if (n >= 10)
        memcpy(to - 2, pairs + n * 2, 2);
    else
        to[-1] = (char)('0' + n);
    return end;
}

/* ---- doubles ---- */

/* A number above zero: 0.DIGITS times ten to the power of `point`. */
struct decimal {
    char digits[DIGITS_SEEN];
    int count;
    int point;
};

static char *add(char *at, const char *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

static char *add_zeros(char *at, int count)
{
    memset(at, '0', (size_t)count);
    return at + count;
}

static char *print_exponent(char *at, const struct decimal *d)
{
    int exponent = d->point - 1;

    *at++ = d->digits[0];
    if (d->count > 1) {
        *at++ = '.';
        at = add(at, d->digits + 1, (size_t)d->count - 1);
    }
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    return ed_json_print_uint(at, (uint64_t)abs(exponent));
}

static char *print_decimal(char *at, const struct decimal *d)
{
    if (d->point < -4 || d->point > DIGITS_MAX)
        return print_exponent(at, d);
    if (d->point <= 0) {
        at = add(at, "0.", 2);
        at = add_zeros(at, -d->point);
        return add(at, d->digits, (size_t)d->count);
    }
    if (d->count <= d->point) {
        at = add(at, d->digits, (size_t)d->count);
        return add_zeros(at, d->point - d->count);
    }
    at = add(at, d->digits, (size_t)d->point);
    *at++ = '.';
    return add(at, d->digits + d->point, (size_t)(d->count - d->point));
}

static void strip_zeros(struct decimal *d)
{
    while (d->count > 1 && d->digits[d->count - 1] == '0')
        d->count--;
}

/*
 * Prices, measures, percentages: a whole number of at most 15 digits over a
 * small power of ten. Both are doubles without an error, so that one division
 * gives the double closest to the decimal, as every reader does. No other
 * decimal of 15 digits gives the same double, so this is the shortest.
 */
static bool is_short(double x, struct decimal *d)
{
    enum { PLACES_MAX = 9 };

    if (x < 1e-5 || x >= 1e9)
        return false;
    for (int places = 0; places <= PLACES_MAX; places++) {
        double scaled = x * (double)powers[places];

        if (scaled >= 1e15)
            return false;
        uint64_t n = (uint64_t)(scaled + 0.5);
        if ((double)n / (double)powers[places] != x)
            continue;
        d->count = (int)(ed_json_print_uint(d->digits, n) - d->digits);
        d->point = d->count - places;
        return true;
    }
    return false;
}

/* Prints and takes the digits out, whatever the point between them is. */
static void see_digits(double x, struct decimal *d)
{
    char text[48];

    snprintf(text, sizeof text, "%.*e", DIGITS_SEEN - 1, x);
    const char *p = text;
    for (d->count = 0; *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9')
            d->digits[d->count++] = *p;
    }
    d->point = (int)strtol(p + 1, NULL, 10) + 1;
}

static double value_of(const struct decimal *d)
{
    char text[DIGITS_SEEN + 8];
    int exponent = d->point - d->count;
    char *at = add(text, d->digits, (size_t)d->count);

    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    at = ed_json_print_uint(at, (uint64_t)abs(exponent));
    *at = '\0';
    return strtod(text, NULL);
}

/* `d` in `count` digits. */
static struct decimal rounded(const struct decimal *d, int count)
{
    struct decimal r = *d;
    bool up = d->digits[count] >= '5';

    r.count = count;
    for (int i = count - 1; up && i >= 0; i--) {
        up = r.digits[i] == '9';
        r.digits[i] = up ? '0' : (char)(r.digits[i] + 1);
    }
    if (up) { /* 9.99 is 10.0 */
        r.digits[0] = '1';
        r.point++;
    }
    strip_zeros(&r);
    return r;
}

/* Leaves digits out for as long as the rest reads as the same number. */
static void find_shortest(double x, struct decimal *d)
{
    struct decimal seen;

    see_digits(x, &seen);
    *d = rounded(&seen, DIGITS_MAX);
    while (d->count > 1) {
        struct decimal r = rounded(&seen, d->count - 1);

        if (value_of(&r) != x)
            return;
        *d = r;
    }
}

char *ed_json_print_double(char *at, double x)
{
    struct decimal d;

    if (x == 0)
        return __builtin_signbit(x) ? add(at, "-0.0", 4) : add(at, "0", 1);
    if (x < 0) {
        *at++ = '-';
        x = -x;
    }
    if (x < 1e15 && x == (double)(uint64_t)x)
        return ed_json_print_uint(at, (uint64_t)x);
    if (!is_short(x, &d))
        find_shortest(x, &d);
    return print_decimal(at, &d);
}
