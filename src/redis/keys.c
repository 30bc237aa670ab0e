/*
 * keys.c - finding keys among the arguments of commands, as they are sent:
 * well-formed, since it was us who wrote them.
 */
#include "redis/keys.h"

/* "*3\r\n" or "$5\r\n": the number, taken off. */
static size_t take_head(struct ed_bytes *rest)
{
    struct ed_bytes line = ed_bytes_cut(rest, '\n');
    size_t n = 0;

    for (size_t i = 1; i + 1 < line.len; i++)
        n = n * 10 + (size_t)(line.ptr[i] - '0');
    return n;
}

static struct ed_bytes take_argument(struct ed_bytes *rest)
{
    size_t len = take_head(rest);
    struct ed_bytes argument = ed_bytes_of(rest->ptr, len);

    rest->ptr += len + 2;
    rest->len -= len + 2;
    return argument;
}

static struct ed_bytes argument_at(struct ed_bytes arguments, size_t index)
{
    while (index--)
        take_argument(&arguments);
    return take_argument(&arguments);
}

/* Where the first key of XREAD and XREADGROUP stands. */
static size_t behind_streams(struct ed_bytes arguments, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++) {
        if (ed_bytes_equal_nocase(take_argument(&arguments),
                                  ED_BYTES("STREAMS")))
            return i + 1;
    }
    return 0;
}

/* Scripts and functions say how many keys they have; it may be none. */
static bool says_none(const struct redis_command *command,
                      struct ed_bytes arguments, size_t count)
{
    return command->first_key == 3 && count > 2 &&
           ed_bytes_equal(argument_at(arguments, 2), ED_BYTES("0"));
}

/* 0: the command has no key. */
static size_t key_index(struct ed_bytes arguments, size_t count)
{
    struct redis_command command;
    struct ed_bytes second = {NULL, 0};

    if (count > 1)
        second = argument_at(arguments, 1);
    redis_command_of(&command, argument_at(arguments, 0), second);
    if (command.first_key < 0)
        return behind_streams(arguments, count);
    size_t index = (size_t)command.first_key;
    return index < count && !says_none(&command, arguments, count) ? index : 0;
}

bool redis_request_key(const struct redis_request *request,
                       struct ed_bytes *key)
{
    struct ed_bytes rest = redis_request_bytes(request);

    while (rest.len) {
        size_t count = take_head(&rest);
        size_t index = key_index(rest, count);
        if (index) {
            *key = argument_at(rest, index);
            return true;
        }
        while (count--)
            take_argument(&rest);
    }
    return false;
}
