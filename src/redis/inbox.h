/*
 * inbox.h - messages that came and were not taken yet: a queue that is bounded,
 * and that marks where it had to leave some out.
 *
 * Owns its messages. Nothing here suspends.
 */
#ifndef EDDY_REDIS_INBOX_H
#define EDDY_REDIS_INBOX_H

#include "base/list.h"
#include <eddy/redis_pubsub.h>

struct redis_inbox {
    struct ed_list messages;
    size_t count;
    size_t bytes;
    bool gap; /* before the first message; others stand with messages */
    struct redis_letter *taken; /* the last given, to be freed with the next */
};

void redis_inbox_init(struct redis_inbox *box);
void redis_inbox_free(struct redis_inbox *box);

/* Puts a copy of a message at the end; when there is no room, or no memory, a
 * gap instead. */
void redis_inbox_put(struct redis_inbox *box,
                     const struct ed_redis_message *message);

/* Marks a gap; several in a row are one. Needs no memory. */
void redis_inbox_gap(struct redis_inbox *box);

/* The first message, valid until the next call; false: there is none. */
bool redis_inbox_take(struct redis_inbox *box, struct ed_redis_message *out);

#endif
