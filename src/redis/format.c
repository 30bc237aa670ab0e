/*
 * format.c - hiredis' format language, taken apart into pieces of arguments.
 *
 * hiredis' own functions do the same with an allocation for each argument and
 * some more, which is most of what a short command costs (a GET 240 ns); tests
 * hold the two against each other.
 */
#include "redis/format.h"
#include <eddy/fiber.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A va_list that functions can share: as a parameter it would be a pointer on
 * some machines and a copy on others. */
struct arguments {
    va_list list;
};

/* ---- the lists ---- */

static int grow_list(struct redis_pieces *p)
{
    size_t cap = 2 * p->cap;
    struct redis_piece *old = p->list == p->small ? NULL : p->list;
    struct redis_piece *list = realloc(old, cap * sizeof(*list));

    if (!list)
        return ED_ENOMEM;
    if (!old)
        memcpy(list, p->small, sizeof(p->small));
    p->list = list;
    p->cap = cap;
    return 0;
}

static int grow_numbers(struct redis_pieces *p, size_t more)
{
    size_t cap = 2 * p->numbers_cap + more;
    char *old = p->numbers == p->small_numbers ? NULL : p->numbers;
    char *numbers = realloc(old, cap);

    if (!numbers)
        return ED_ENOMEM;
    if (!old)
        memcpy(numbers, p->small_numbers, p->numbers_len);
    p->numbers = numbers;
    p->numbers_cap = cap;
    return 0;
}

void redis_pieces_free(struct redis_pieces *p)
{
    if (p->list != p->small)
        free(p->list);
    if (p->numbers != p->small_numbers)
        free(p->numbers);
}

/* Adds a piece; *inside says whether an argument has begun. */
static int add(struct redis_pieces *p, const char *ptr, size_t len,
               bool *inside)
{
    int err = p->count == p->cap ? grow_list(p) : 0;

    if (err)
        return err;
    p->list[p->count++] = (struct redis_piece){
        .ptr = ptr,
        .offset = p->numbers_len,
        .len = len,
        .first = !*inside,
    };
    p->arguments += !*inside;
    *inside = true;
    return 0;
}

/* ---- numbers ---- */

enum width { W_INT, W_CHAR, W_SHORT, W_LONG, W_LONG_LONG, W_SIZE };

/* A conversion of printf(), such as "%-8.3f". */
struct conversion {
    enum width width;
    char type;
    bool plain;   /* a decimal integer, with zeros in front at most */
    size_t field; /* of a plain one: up to so many characters of them */
    char fmt[24]; /* of others, for long long or double */
};

/* No number that is printed plainly is longer. */
#define PLAIN_MAX 48

static const char *read_width(const char *at, enum width *width)
{
    *width = W_INT;
    if (*at == 'z') {
        *width = W_SIZE;
        return at + 1;
    }
    if (*at == 'h') {
        *width = at[1] == 'h' ? W_CHAR : W_SHORT;
        return at + (at[1] == 'h' ? 2 : 1);
    }
    if (*at == 'l') {
        *width = at[1] == 'l' ? W_LONG_LONG : W_LONG;
        return at + (at[1] == 'l' ? 2 : 1);
    }
    return at;
}

/* "%d", "%lld", "%012u": by far the most frequent ones. */
static bool is_plain(struct conversion *c, struct ed_bytes flags)
{
    int64_t field = 0;

    if (c->type != 'd' && c->type != 'u' && c->type != 'i')
        return false;
    if (flags.len && (*flags.ptr != '0' || ed_bytes_int(flags, &field)))
        return false;
    c->field = (size_t)field;
    return field < PLAIN_MAX;
}

/* Reads what stands behind a '%': where it ends, or NULL when it is none that
 * is known. */
static const char *read_conversion(struct conversion *c, const char *at)
{
    size_t flags = strspn(at, "#0-+ ");
    size_t wide = strspn(at + flags, "0123456789");
    size_t len = flags + wide;

    if (at[len] == '.')
        len += 1 + strspn(at + len + 1, "0123456789");
    if (len > 16)
        return NULL;
    const char *type = read_width(at + len, &c->width);
    c->type = *type;
    if (!c->type || !strchr("diouxXeEfFgGaA", c->type))
        return NULL;
    bool real = !strchr("diouxX", c->type);
    if (real && c->width != W_INT)
        return NULL;
    c->plain = is_plain(c, ed_bytes_of(at, len));
    if (!c->plain)
        snprintf(c->fmt, sizeof(c->fmt), "%%%.*s%s%c", (int)len, at,
                 real ? "" : "ll", c->type);
    return type + 1;
}

static long long take_signed(struct arguments *args, enum width width)
{
    switch (width) {
    case W_CHAR:
        return (signed char)va_arg(args->list, int);
    case W_SHORT:
        return (short)va_arg(args->list, int);
    case W_LONG:
        return va_arg(args->list, long);
    case W_LONG_LONG:
        return va_arg(args->list, long long);
    case W_SIZE:
        return va_arg(args->list, ssize_t);
    case W_INT:
        break;
    }
    return va_arg(args->list, int);
}

static unsigned long long take_unsigned(struct arguments *args,
                                        enum width width)
{
    switch (width) {
    case W_CHAR:
        return (unsigned char)va_arg(args->list, unsigned);
    case W_SHORT:
        return (unsigned short)va_arg(args->list, unsigned);
    case W_LONG:
        return va_arg(args->list, unsigned long);
    case W_LONG_LONG:
        return va_arg(args->list, unsigned long long);
    case W_SIZE:
        return va_arg(args->list, size_t);
    case W_INT:
        break;
    }
    return va_arg(args->list, unsigned);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static int print(char *out, size_t room, const struct conversion *c,
                 const void *value)
{
    if (strchr("di", c->type))
        return snprintf(out, room, c->fmt, *(const long long *)value);
    if (strchr("ouxX", c->type))
        return snprintf(out, room, c->fmt, *(const unsigned long long *)value);
    return snprintf(out, room, c->fmt, *(const double *)value);
}
#pragma GCC diagnostic pop

static int add_plain(struct redis_pieces *p, const struct conversion *c,
                     struct arguments *args, bool *inside)
{
    long long i = c->type == 'u' ? 0 : take_signed(args, c->width);
    unsigned long long n =
        c->type == 'u' ? take_unsigned(args, c->width) : (unsigned long long)i;
    char text[PLAIN_MAX];
    char *end = text + sizeof(text);
    char *at = end;

    if (i < 0)
        n = 0 - n;
    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    while ((size_t)(end - at) + (i < 0) < c->field)
        *--at = '0';
    if (i < 0)
        *--at = '-';
    size_t len = (size_t)(end - at);
    int err = p->numbers_cap - p->numbers_len < len ? grow_numbers(p, len) : 0;
    if (err)
        return err;
    memcpy(p->numbers + p->numbers_len, at, len);
    err = add(p, NULL, len, inside);
    p->numbers_len += len;
    return err;
}

static int add_number(struct redis_pieces *p, const struct conversion *c,
                      struct arguments *args, bool *inside)
{
    union {
        long long i;
        unsigned long long u;
        double d;
    } value;

    if (strchr("di", c->type))
        value.i = take_signed(args, c->width);
    else if (strchr("ouxX", c->type))
        value.u = take_unsigned(args, c->width);
    else
        value.d = va_arg(args->list, double);
    size_t room = p->numbers_cap - p->numbers_len;
    int len = print(p->numbers + p->numbers_len, room, c, &value);
    if (len < 0)
        return ed_fail(ED_EUSAGE, "a number that cannot be printed");
    if ((size_t)len >= room) {
        int err = grow_numbers(p, (size_t)len + 1);
        if (err)
            return err;
        print(p->numbers + p->numbers_len, (size_t)len + 1, c, &value);
    }
    int err = add(p, NULL, (size_t)len, inside);
    p->numbers_len += (size_t)len;
    return err;
}

/* ---- the format ---- */

static int add_text(struct redis_pieces *p, struct arguments *args,
                    bool *inside)
{
    const char *text = va_arg(args->list, const char *);

    if (!text)
        return ed_fail(ED_EUSAGE, "NULL for a %%s");
    return add(p, text, strlen(text), inside);
}

static int add_bytes(struct redis_pieces *p, struct arguments *args,
                     bool *inside)
{
    const char *ptr = va_arg(args->list, const char *);
    size_t len = va_arg(args->list, size_t);

    if (!ptr && len)
        return ed_fail(ED_EUSAGE, "NULL for the %zu bytes of a %%b", len);
    return add(p, ptr ? ptr : "", len, inside);
}

/* Adds what the conversion at *at, behind the '%', stands for, and passes it.
 */
static int convert(struct redis_pieces *p, const char **at,
                   struct arguments *args, bool *inside)
{
    struct conversion c;

    switch (**at) {
    case 's':
        ++*at;
        return add_text(p, args, inside);
    case 'b':
        ++*at;
        return add_bytes(p, args, inside);
    case '%':
        ++*at;
        return add(p, *at - 1, 1, inside);
    default:
        break;
    }
    const char *end = read_conversion(&c, *at);
    if (!end)
        return ed_fail(ED_EUSAGE, "a format of a command has '%%%.4s'", *at);
    *at = end;
    return c.plain ? add_plain(p, &c, args, inside)
                   : add_number(p, &c, args, inside);
}

static int take_apart(struct redis_pieces *p, const char *fmt,
                      struct arguments *args)
{
    bool inside = false;
    int err = 0;

    while (*fmt && !err) {
        size_t literal = strcspn(fmt, " %");

        if (literal)
            err = add(p, fmt, literal, &inside);
        fmt += literal;
        if (err || !*fmt)
            break;
        if (*fmt++ == ' ')
            inside = false;
        else
            err = convert(p, &fmt, args, &inside);
    }
    return err;
}

int redis_pieces_of(struct redis_pieces *p, const char *fmt, va_list args)
{
    struct arguments shared;

    p->list = p->small;
    p->count = 0;
    p->cap = REDIS_PIECES;
    p->arguments = 0;
    p->numbers = p->small_numbers;
    p->numbers_len = 0;
    p->numbers_cap = REDIS_NUMBERS;
    va_copy(shared.list, args);
    int err = take_apart(p, fmt, &shared);
    va_end(shared.list);
    return err;
}
