/*
 * reply.c - looking into replies, which are never changed once they are read.
 */
#include "redis/reply.h"
#include <eddy/error.h>
#include <stdlib.h>

enum ed_redis_kind ed_redis_kind(const ed_redis_reply *reply)
{
    return reply ? reply->kind : ED_REDIS_NIL;
}

static bool has_text(const ed_redis_reply *reply)
{
    return reply &&
           (reply->kind == ED_REDIS_STRING || reply->kind == ED_REDIS_STATUS ||
            reply->kind == ED_REDIS_ERROR);
}

struct ed_bytes ed_redis_bytes(const ed_redis_reply *reply)
{
    return has_text(reply) ? reply->text : (struct ed_bytes){NULL, 0};
}

const char *ed_redis_text(const ed_redis_reply *reply)
{
    return has_text(reply) ? reply->text.ptr : "";
}

/* 0 when there is a number to read, as an integer or in the text. */
static int check_number(const ed_redis_reply *reply)
{
    enum ed_redis_kind kind = ed_redis_kind(reply);

    if (kind == ED_REDIS_NIL)
        return ED_ENOTFOUND;
    return kind == ED_REDIS_INTEGER || kind == ED_REDIS_STRING ? 0 : ED_EPARSE;
}

int ed_redis_int(const ed_redis_reply *reply, int64_t *value)
{
    int err = check_number(reply);

    if (err)
        return err;
    if (reply->kind == ED_REDIS_STRING)
        return ed_bytes_int(reply->text, value);
    *value = reply->integer;
    return 0;
}

int ed_redis_double(const ed_redis_reply *reply, double *value)
{
    int err = check_number(reply);

    if (err)
        return err;
    if (reply->kind == ED_REDIS_INTEGER) {
        *value = (double)reply->integer;
        return 0;
    }
    /* strtod() would pass over space, and stop at a NUL within. */
    const char *text = reply->text.ptr;
    char *end;
    if (!reply->text.len || strchr(" \t\n\v\f\r", *text))
        return ED_EPARSE;
    double number = strtod(text, &end);
    if (end != text + reply->text.len)
        return ED_EPARSE;
    *value = number;
    return 0;
}

size_t ed_redis_count(const ed_redis_reply *reply)
{
    return ed_redis_kind(reply) == ED_REDIS_ARRAY ? reply->count : 0;
}

const ed_redis_reply *ed_redis_at(const ed_redis_reply *reply, size_t index)
{
    return index < ed_redis_count(reply) ? &reply->elements[index] : NULL;
}

const ed_redis_reply *ed_redis_field(const ed_redis_reply *reply,
                                     const char *name)
{
    struct ed_bytes wanted = ed_bytes(name);

    for (size_t i = 0; i + 1 < ed_redis_count(reply); i += 2) {
        if (ed_bytes_equal(ed_redis_bytes(&reply->elements[i]), wanted))
            return &reply->elements[i + 1];
    }
    return NULL;
}

static bool first_word_is(struct ed_bytes words, const char *code)
{
    struct ed_bytes first = ed_bytes_cut(&words, ' ');

    return ed_bytes_equal(first, ed_bytes(code));
}

bool ed_redis_is_error(const ed_redis_reply *reply, const char *code)
{
    return ed_redis_kind(reply) == ED_REDIS_ERROR &&
           first_word_is(reply->text, code);
}

int redis_error_of(struct ed_bytes words)
{
    static const char *const not_now[] = {
        "LOADING", "MASTERDOWN", "READONLY",   "CLUSTERDOWN",
        "BUSY",    "MISCONF",    "NOREPLICAS", "TRYAGAIN",
    };

    for (size_t i = 0; i < sizeof(not_now) / sizeof(*not_now); i++) {
        if (first_word_is(words, not_now[i]))
            return ED_EDATABASE;
    }
    return ED_EREDIS;
}
