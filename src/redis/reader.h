/*
 * reader.h - bytes of a server in, replies out, built where they will lie.
 *
 * hiredis' reader takes the protocol apart; what it finds is built straight in
 * the arena of whoever the reply is for. Long strings do not pass through the
 * reader's buffer: they are copied once, from where they were received to where
 * they will stay.
 *
 * Knows nothing of connections. Nothing here suspends.
 */
#ifndef EDDY_REDIS_READER_H
#define EDDY_REDIS_READER_H

#include "redis/reply.h"
#include <hiredis/read.h>

/* Of an error's words, for those who do not want the reply. */
#define REDIS_WORDS 200

struct redis_reader {
    /* Whom the reply under way is for; NULL: nobody, it is thrown away. May
     * become NULL at any time, and something else between two replies. */
    ed_arena *arena;

    /* The reply that was just read: */
    struct ed_redis_reply *reply; /* in the arena; NULL: dropped, or see err */
    int err;         /* 0, ED_ENOMEM or ED_ELIMIT; ED_EPROTO: it can be none */
    const char *why; /* the last of these */
    bool refused;    /* it is an error, and `words` has it, cut */
    char words[REDIS_WORDS];

    /* The reader's own. */
    redisReader *hiredis;
    size_t max_reply;
    size_t used;   /* bytes of memory for the reply so far */
    char *text;    /* the long string under way; NULL: it is dropped */
    size_t len;    /* of it */
    size_t left;   /* bytes of it to come, its CR LF included */
    bool has_text; /* it is complete, and to be taken */
    bool ended;    /* a reply was just given */
};

/* Replies may take `max_reply` bytes of memory. 0 or ED_ENOMEM. */
ED_CHECK int redis_reader_open(struct redis_reader *reader, size_t max_reply);
void redis_reader_close(struct redis_reader *reader);

/* Whether it stands between two replies. */
bool redis_reader_between(const struct redis_reader *reader);

/*
 * Reads from *bytes, and takes off it what was read, up to the end of the next
 * reply: 1 when there is one, 0 when all was read and there is none, ED_EPROTO
 * (see redis_reader_why()) or ED_ENOMEM when what follows can be no reply.
 */
ED_CHECK int redis_reader_next(struct redis_reader *reader,
                               struct ed_bytes *bytes);

/* What was wrong with the protocol. */
const char *redis_reader_why(const struct redis_reader *reader);

#endif
