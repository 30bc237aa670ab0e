/*
 * request.c - commands as they are sent.
 *
 * Owns the request's memory, which is its own until it needs more.
 */
#include "redis/request.h"
#include "base/size.h"
#include "redis/format.h"
#include <eddy/fiber.h>
#include <stdlib.h>

/* A sign, digits of a size_t, and CR LF. */
#define HEAD_MAX 24

void redis_request_init(struct redis_request *r)
{
    r->ptr = r->small;
    r->len = 0;
    r->cap = sizeof(r->small);
    r->commands = 0;
    r->last = 0;
    r->idempotent = false;
}

void redis_request_free(struct redis_request *r)
{
    if (r->ptr != r->small)
        free(r->ptr);
}

static int reserve(struct redis_request *r, size_t more)
{
    size_t need;

    if (more <= r->cap - r->len)
        return 0;
    if (!ed_size_add(r->len, more, &need))
        return ED_ENOMEM;
    /* Transactions grow by one command after the other. */
    size_t cap = r->commands && need < 2 * r->cap ? 2 * r->cap : need;
    char *old = r->ptr == r->small ? NULL : r->ptr;
    char *ptr = realloc(old, cap);
    if (!ptr)
        return ED_ENOMEM;
    if (!old)
        memcpy(ptr, r->small, r->len);
    r->ptr = ptr;
    r->cap = cap;
    return 0;
}

/* ---- writing, where room is reserved ---- */

static void put(struct redis_request *r, const char *ptr, size_t len)
{
    memcpy(r->ptr + r->len, ptr, len);
    r->len += len;
}

static void put_head(struct redis_request *r, char sign, size_t n)
{
    char text[HEAD_MAX];
    char *at = text + sizeof(text);

    *--at = '\n';
    *--at = '\r';
    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    *--at = sign;
    put(r, at, (size_t)(text + sizeof(text) - at));
}

static void begin(struct redis_request *r, size_t arguments)
{
    r->last = r->len;
    put_head(r, '*', arguments);
}

/* A command is complete. */
static void end(struct redis_request *r)
{
    struct ed_bytes name = {NULL, 0};
    struct ed_bytes argument = {NULL, 0};

    (void)redis_request_arg(r, 0, &name); /* there is one */
    (void)redis_request_arg(r, 1, &argument);
    redis_command_of(&r->command, name, argument);
    r->commands++;
}

static int check_count(size_t arguments)
{
    return arguments ? 0 : ed_fail(ED_EUSAGE, "a command without a name");
}

/* ---- from a format ---- */

/* The length of the argument whose first piece it is; *next is that of the
 * next. */
static size_t argument_len(const struct redis_pieces *p, size_t first,
                           size_t *next)
{
    size_t len = p->list[first].len;
    size_t i = first + 1;

    for (; i < p->count && !p->list[i].first; i++)
        len += p->list[i].len;
    *next = i;
    return len;
}

static int reserve_pieces(struct redis_request *r, const struct redis_pieces *p)
{
    size_t bytes;

    if (!ed_size_mul(p->arguments + 1, HEAD_MAX + 2, &bytes))
        return ED_ENOMEM;
    for (size_t i = 0; i < p->count; i++) {
        if (!ed_size_add(bytes, p->list[i].len, &bytes))
            return ED_ENOMEM;
    }
    return reserve(r, bytes);
}

static void put_pieces(struct redis_request *r, const struct redis_pieces *p)
{
    size_t next;

    begin(r, p->arguments);
    for (size_t i = 0; i < p->count; i = next) {
        put_head(r, '$', argument_len(p, i, &next));
        for (size_t k = i; k < next; k++)
            put(r, redis_piece_ptr(p, &p->list[k]), p->list[k].len);
        put(r, "\r\n", 2);
    }
    end(r);
}

int redis_request_format(struct redis_request *r, const char *fmt, va_list args)
{
    struct redis_pieces pieces;
    int err = redis_pieces_of(&pieces, fmt, args);

    if (!err)
        err = check_count(pieces.arguments);
    if (!err)
        err = reserve_pieces(r, &pieces);
    if (!err)
        put_pieces(r, &pieces);
    redis_pieces_free(&pieces);
    return err;
}

int redis_request_formatf(struct redis_request *r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int err = redis_request_format(r, fmt, args);
    va_end(args);
    return err;
}

/* ---- from arguments ---- */

static int reserve_list(struct redis_request *r, size_t argc,
                        const struct ed_bytes *argv)
{
    size_t bytes;

    if (!ed_size_mul(argc + 1, HEAD_MAX + 2, &bytes))
        return ED_ENOMEM;
    for (size_t i = 0; i < argc; i++) {
        if (!ed_size_add(bytes, argv[i].len, &bytes))
            return ED_ENOMEM;
    }
    return reserve(r, bytes);
}

static void put_list(struct redis_request *r, size_t argc,
                     const struct ed_bytes *argv)
{
    for (size_t i = 0; i < argc; i++) {
        put_head(r, '$', argv[i].len);
        if (argv[i].len)
            put(r, argv[i].ptr, argv[i].len);
        put(r, "\r\n", 2);
    }
}

int redis_request_argv2(struct redis_request *r, size_t argc,
                        const struct ed_bytes *argv, size_t more,
                        const struct ed_bytes *argv_more)
{
    size_t before = r->len;
    int err = check_count(argc);

    if (!err)
        err = reserve_list(r, argc, argv);
    if (err)
        return err;
    begin(r, argc + more);
    put_list(r, argc, argv);
    err = reserve_list(r, more, argv_more);
    if (err) {
        r->len = before;
        return err;
    }
    put_list(r, more, argv_more);
    end(r);
    return 0;
}

int redis_request_argv(struct redis_request *r, size_t argc,
                       const struct ed_bytes *argv)
{
    return redis_request_argv2(r, argc, argv, 0, NULL);
}

int redis_request_append(struct redis_request *r,
                         const struct redis_request *other)
{
    int err = reserve(r, other->len);

    if (err)
        return err;
    r->last = r->len + other->last;
    put(r, other->ptr, other->len);
    r->command = other->command;
    r->commands += other->commands;
    return 0;
}

/* ---- looking in ---- */

/* Reads "*3\r\n" or "$10\r\n", which we wrote. */
static size_t take_head(struct ed_bytes *rest)
{
    size_t n = 0;

    while (*++rest->ptr != '\r')
        n = 10 * n + (size_t)(*rest->ptr - '0');
    rest->ptr += 2;
    return n;
}

bool redis_request_arg(const struct redis_request *r, size_t index,
                       struct ed_bytes *out)
{
    struct ed_bytes rest = {r->ptr + r->last, 0};
    size_t count = take_head(&rest);

    if (index >= count)
        return false;
    for (;; index--) {
        size_t len = take_head(&rest);

        *out = ed_bytes_of(rest.ptr, len);
        if (!index)
            return true;
        rest.ptr += len + 2;
    }
}

bool redis_request_blocks(const struct redis_request *r)
{
    struct ed_bytes argument;

    if (!(r->command.flags & REDIS_BLOCKS))
        return false;
    if (r->command.first_key >= 0)
        return true;
    /* XREAD and XREADGROUP: options come before the keys. */
    for (size_t i = 1; redis_request_arg(r, i, &argument); i++) {
        if (ed_bytes_equal_nocase(argument, ED_BYTES("BLOCK")))
            return true;
        if (ed_bytes_equal_nocase(argument, ED_BYTES("STREAMS")))
            return false;
    }
    return false;
}
