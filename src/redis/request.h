/*
 * request.h - a command as it is sent (an array of bulk strings), made from a
 * format or from arguments.
 *
 * A request lies in the frame of the fiber that makes it until it is answered:
 * it can be sent again, or elsewhere, at any time. Short ones cost no malloc.
 */
#ifndef EDDY_REDIS_REQUEST_H
#define EDDY_REDIS_REQUEST_H

#include "redis/command.h"
#include <eddy/redis.h>

#define REDIS_REQUEST_SMALL 512

struct redis_request {
    char *ptr;
    size_t len;
    size_t cap;
    unsigned commands;            /* in it, and so replies it will have */
    size_t last;                  /* where the last one begins */
    struct redis_command command; /* what is known of the last one */
    bool idempotent;              /* may be sent again though it may have run */
    char small[REDIS_REQUEST_SMALL];
};

/* Makes it empty. It must not move, and is to be freed in any case. */
void redis_request_init(struct redis_request *request);
void redis_request_free(struct redis_request *request);

static inline struct ed_bytes redis_request_bytes(
    const struct redis_request *request)
{
    return ed_bytes_of(request->ptr, request->len);
}

/* Append one command. 0, ED_ENOMEM, or ED_EUSAGE with ed_error(): the request
 * is then as it was. */
ED_CHECK int redis_request_format(struct redis_request *request,
                                  const char *fmt, va_list args);
ED_CHECK int redis_request_formatf(struct redis_request *request,
                                   const char *fmt, ...);
ED_CHECK int redis_request_argv(struct redis_request *request, size_t argc,
                                const struct ed_bytes *argv);

/* The same with two lists of arguments, one behind the other. */
ED_CHECK int redis_request_argv2(struct redis_request *request, size_t argc,
                                 const struct ed_bytes *argv, size_t more,
                                 const struct ed_bytes *argv_more);

/* Append all commands of another. 0 or ED_ENOMEM. */
ED_CHECK int redis_request_append(struct redis_request *request,
                                  const struct redis_request *other);

/* An argument of the last command, the name being the 0th; false when there are
 * not so many. Valid until the request changes. */
bool redis_request_arg(const struct redis_request *request, size_t index,
                       struct ed_bytes *out);

/* Whether the last command may make the server wait: XREAD only with BLOCK. */
bool redis_request_blocks(const struct redis_request *request);

#endif
