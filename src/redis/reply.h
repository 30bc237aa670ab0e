/*
 * reply.h - what a reply is made of.
 */
#ifndef EDDY_REDIS_REPLY_H
#define EDDY_REDIS_REPLY_H

#include <eddy/redis.h>

/* Lies in an arena, with all it points to. */
struct ed_redis_reply {
    enum ed_redis_kind kind;
    union {
        int64_t integer;
        struct ed_bytes text; /* NUL-terminated */
        struct {
            struct ed_redis_reply *elements;
            size_t count;
        };
    };
};

/* What an error the server sent is to us: ED_EDATABASE where its first word
 * says that it cannot work now, else ED_EREDIS. */
int redis_error_of(struct ed_bytes words);

#endif
