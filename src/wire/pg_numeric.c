/*
 * pg_numeric.c - binary numerics: digits of base 10,000 behind a head of four
 * 16-bit numbers that says how many, where the point is, and how many decimal
 * places are shown.
 */
#include "wire/pg_digits.h"
#include "wire/pg_number.h"
#include "wire/pg_wire.h"
#include <eddy/error.h>

#define BASE 10000
#define HEAD 8

enum sign {
    PLUS = 0x0000,
    MINUS = 0x4000,
    NOT_A_NUMBER = 0xc000,
    INFINITE = 0xd000,
    MINUS_INFINITE = 0xf000,
};

struct numeric {
    const char *digits;
    int count;
    int weight; /* of the first digit: its power of the base */
    int places; /* shown behind the point */
    unsigned sign;
};

/* Digit that has a power of the base; 0 where none is kept. */
static unsigned digit_at(const struct numeric *n, int power)
{
    int i = n->weight - power;

    return i >= 0 && i < n->count ? pg_u16(n->digits + 2 * (size_t)i) : 0;
}

static int open_numeric(struct numeric *n, struct ed_bytes binary)
{
    if (binary.len < HEAD)
        return ED_EPARSE;
    *n = (struct numeric){
        .digits = binary.ptr + HEAD,
        .count = pg_u16(binary.ptr),
        .weight = (int16_t)pg_u16(binary.ptr + 2),
        .sign = pg_u16(binary.ptr + 4),
        .places = pg_u16(binary.ptr + 6),
    };
    if (binary.len != HEAD + 2 * (size_t)n->count)
        return ED_EPARSE;
    for (int i = 0; i < n->count; i++) {
        if (pg_u16(n->digits + 2 * (size_t)i) >= BASE)
            return ED_EPARSE;
    }
    return 0;
}

static const char *special_of(unsigned sign)
{
    switch (sign) {
    case NOT_A_NUMBER:
        return "NaN";
    case INFINITE:
        return "Infinity";
    case MINUS_INFINITE:
        return "-Infinity";
    default:
        return NULL;
    }
}

static char *print_whole(char *at, const struct numeric *n)
{
    if (n->weight < 0) {
        *at++ = '0';
        return at;
    }
    at = ed_json_print_uint(at, digit_at(n, n->weight));
    for (int power = n->weight - 1; power >= 0; power--)
        at = pg_digits_put(at, digit_at(n, power), 4);
    return at;
}

static char *print_places(char *at, const struct numeric *n)
{
    char *end = at + n->places;

    for (int power = -1; at < end; power--)
        at = pg_digits_put(at, digit_at(n, power), 4);
    return end;
}

int pg_numeric_text(struct ed_buf *out, struct ed_bytes binary)
{
    struct numeric n;
    int err = open_numeric(&n, binary);
    if (err)
        return err;

    const char *special = special_of(n.sign);
    if (special)
        return ed_buf_add(out, special, strlen(special));
    if (n.sign != PLUS && n.sign != MINUS)
        return ED_EPARSE;
    /* Sign, point, and four digits more than are shown; at most 200,000. */
    size_t whole = n.weight < 0 ? 1 : 4 * ((size_t)n.weight + 1);
    err = ed_buf_reserve(out, whole + (size_t)n.places + 6);
    if (err)
        return err;
    char *at = out->ptr + out->len;
    if (n.sign == MINUS)
        *at++ = '-';
    at = print_whole(at, &n);
    if (n.places) {
        *at++ = '.';
        at = print_places(at, &n);
    }
    *at = '\0';
    out->len = (size_t)(at - out->ptr);
    return 0;
}

int pg_numeric_int(struct ed_bytes binary, int64_t *value)
{
    struct numeric n;
    int64_t sum = 0;
    int err = open_numeric(&n, binary);

    if (err)
        return err;
    if ((n.sign != PLUS && n.sign != MINUS) || n.weight > 4)
        return ED_EPARSE;
    for (int i = n.weight < 0 ? 0 : n.weight + 1; i < n.count; i++) {
        if (pg_u16(n.digits + 2 * (size_t)i))
            return ED_EPARSE;
    }
    for (int power = n.weight; power >= 0; power--) {
        int64_t digit = digit_at(&n, power);
        if (__builtin_mul_overflow(sum, BASE, &sum) ||
            __builtin_add_overflow(sum, n.sign == MINUS ? -digit : digit, &sum))
            return ED_EPARSE;
    }
    *value = sum;
    return 0;
}
