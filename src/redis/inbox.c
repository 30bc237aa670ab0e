/*
 * inbox.c - messages that came and were not taken yet.
 */
#include "redis/inbox.h"
#include <stdlib.h>

enum {
    MOST_MESSAGES = 10000,
    MOST_BYTES = 64 * 1024 * 1024,
};

struct redis_letter {
    struct ed_list node;
    struct ed_redis_message message;
    bool gap_behind;
    size_t bytes; /* of all texts, NULs included */
    char texts[];
};

static struct redis_letter *letter_of(struct ed_list *node)
{
    return ED_CONTAINER(node, struct redis_letter, node);
}

void redis_inbox_init(struct redis_inbox *box)
{
    *box = (struct redis_inbox){0};
    ed_list_init(&box->messages);
}

void redis_inbox_free(struct redis_inbox *box)
{
    struct ed_list *node;

    while ((node = ed_list_take(&box->messages)))
        free(letter_of(node));
    free(box->taken);
    redis_inbox_init(box);
}

static struct ed_bytes copy(char **at, struct ed_bytes text)
{
    char *to = *at;

    if (text.len)
        memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
    *at += text.len + 1;
    return ed_bytes_of(to, text.len);
}

static void add(struct redis_inbox *box, struct redis_letter *letter)
{
    ed_list_add_back(&box->messages, &letter->node);
    box->count++;
    box->bytes += letter->bytes;
}

static struct redis_letter *write_down(const struct ed_redis_message *message)
{
    size_t bytes =
        message->channel.len + message->pattern.len + message->payload.len + 3;
    struct redis_letter *letter = malloc(sizeof *letter + bytes);

    if (!letter)
        return NULL;
    char *at = letter->texts;
    letter->bytes = bytes;
    letter->gap_behind = false;
    letter->message = (struct ed_redis_message){
        .channel = copy(&at, message->channel),
        .payload = copy(&at, message->payload),
    };
    if (message->pattern.ptr)
        letter->message.pattern = copy(&at, message->pattern);
    return letter;
}

void redis_inbox_put(struct redis_inbox *box,
                     const struct ed_redis_message *message)
{
    struct redis_letter *letter = NULL;

    if (box->count < MOST_MESSAGES &&
        box->bytes + message->payload.len <= MOST_BYTES)
        letter = write_down(message);
    if (letter)
        add(box, letter);
    else
        redis_inbox_gap(box);
}

void redis_inbox_gap(struct redis_inbox *box)
{
    struct ed_list *last = ed_list_last(&box->messages);

    if (last)
        letter_of(last)->gap_behind = true;
    else
        box->gap = true;
}

static bool take_gap(struct redis_inbox *box, struct ed_redis_message *out)
{
    if (!box->gap)
        return false;
    box->gap = false;
    *out = (struct ed_redis_message){
        .gap = true, .channel = ED_BYTES(""), .payload = ED_BYTES("")};
    return true;
}

bool redis_inbox_take(struct redis_inbox *box, struct ed_redis_message *out)
{
    if (take_gap(box, out))
        return true;
    struct ed_list *node = ed_list_take(&box->messages);
    if (!node)
        return false;
    free(box->taken);
    box->taken = letter_of(node);
    box->count--;
    box->bytes -= box->taken->bytes;
    box->gap = box->taken->gap_behind;
    *out = box->taken->message;
    return true;
}
