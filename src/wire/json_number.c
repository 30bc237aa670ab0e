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

/* ---- numbers of usual size, exactly ---- */

typedef unsigned __int128 wide;

/*
 * A number that is mantissa / 2^shift, as scaled / 2^shift times ten to the
 * power of (point - DIGITS_MAX). What is before the binary point of that is its
 * first 17 digits, without an error: 53 bits times 10^21 fit in 123.
 */
struct scaled {
    wide value;
    wide step; /* from one mantissa to the next */
    int shift;
    int point;
};

/* For 1e-5 <= x < 2^53. */
static struct scaled scale(double x)
{
    static const double tens[] = {1e-4, 1e-3, 1e-2, 1e-1, 1e0,  1e1, 1e2,
                                  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                  1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const uint64_t top = (uint64_t)1 << 52;
    uint64_t bits;
    int point = 0;

    memcpy(&bits, &x, sizeof bits);
    uint64_t mantissa = (bits & (top - 1)) | top;
    while (point < 20 && x >= tens[point])
        point++;
    point -= 4;

    int places = DIGITS_MAX - point; /* 1 to 21 */
    wide step =
        places < 19 ? powers[places] : (wide)powers[18] * powers[places - 18];
    return (struct scaled){
        .value = mantissa * step,
        .step = step,
        .shift = 1075 - (int)(bits >> 52),
        .point = point,
    };
}

/* Whether 17 digits are closer to the number than to its neighbours. Below a
 * power of two the neighbour is only half as far away; those that come here
 * have 12 digits at most, and are met exactly. */
static bool is_closest(const struct scaled *s, uint64_t digits)
{
    wide there = (wide)digits << s->shift;
    wide off = there > s->value ? there - s->value : s->value - there;

    return off * 2 < s->step;
}

/* The nearest multiple of `unit`; the even one if `n`, to which `more` says
 * whether something is missing, is just between two. */
static uint64_t rounded_to(uint64_t unit, uint64_t n, bool more)
{
    uint64_t off = n % unit, below = n - off;
    bool up = off * 2 > unit || (off * 2 == unit && (more || below / unit % 2));

    return up ? below + unit : below;
}

/*
 * Tries 15 digits, 16, and then 17, which always do. Decimals of 15 digits lie
 * further apart than doubles: no two are closest to the same one, so that what
 * is left of one without its zeros is the shortest there is.
 */
static uint64_t shortest_digits(const struct scaled *s)
{
    uint64_t n = (uint64_t)(s->value >> s->shift);
    wide half = (wide)1 << (s->shift - 1);
    wide rest = s->value & (2 * half - 1);

    for (uint64_t unit = 100; unit > 1; unit /= 10) {
        uint64_t rounded = rounded_to(unit, n, rest);

        if (is_closest(s, rounded))
            return rounded;
    }
    return n + (rest > half || (rest == half && n % 2));
}

static void find_exactly(double x, struct decimal *d)
{
    struct scaled s = scale(x);
    uint64_t n = shortest_digits(&s);

    d->count = (int)(ed_json_print_uint(d->digits, n) - d->digits);
    d->point = s.point + d->count - DIGITS_MAX;
    strip_zeros(d);
}

/* ---- very large and very small ones, by the C library ---- */

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
    strip_zeros(&r);
    return r;
}

static struct decimal nearest(const struct decimal *d, int count)
{
    return rounded(d, count, d->digits[count] >= '5');
}

/* Leaves digits out for as long as the rest reads as the same number. Below a
 * power of two there is only half the place, so that it may be the decimal
 * above, and not the nearest, that does. */
static void find_shortest(double x, struct decimal *d)
{
    struct decimal seen;

    see_digits(x, &seen);
    *d = nearest(&seen, DIGITS_MAX);
    while (d->count > 1) {
        int count = d->count - 1;
        struct decimal r = nearest(&seen, count);

        if (value_of(&r) != x)
            r = rounded(&seen, count, true);
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
    if (x < 0x1p53 && x == (double)(uint64_t)x)
        return ed_json_print_uint(at, (uint64_t)x);
    if (x >= 1e-5 && x < 0x1p53)
        find_exactly(x, &d);
    else
        find_shortest(x, &d);
    return print_decimal(at, &d);
}
