/*
 * target.h - where a server is and how to introduce oneself to it.
 */
#ifndef EDDY_REDIS_TARGET_H
#define EDDY_REDIS_TARGET_H

#include <eddy/redis.h>

/* Owns its texts, "" where there is none. */
struct redis_target {
    char *address; /* "host:port" or "unix:/path", as ed_connect() takes it */
    bool secure;
    ed_tls *tls; /* borrowed; NULL: the default */
    char *server_name;
    bool named; /* by the options, not by the address */
    char *user;
    char *password;
    const char *(*password_hook)(void *arg);
    void *password_arg;
    char *name;
    unsigned db;
    int64_t connect_timeout;
    size_t max_reply;
};

/* Reads URL and options, filling in defaults. 0, ED_ENOMEM, or ED_EURL with
 * ed_error(). Does not suspend. */
ED_CHECK int redis_target_init(struct redis_target *target,
                               const struct ed_redis_options *options);

/* The same way to introduce oneself, at another address ("host:port"), whose
 * host is then the TLS server's name, unless one was given. 0, ED_EURL or
 * ED_ENOMEM. */
ED_CHECK int redis_target_at(struct redis_target *target,
                             const struct redis_target *like,
                             const char *address);

/* Other ones; NULL: none. 0 or ED_ENOMEM. */
ED_CHECK int redis_target_identify(struct redis_target *target,
                                   const char *user, const char *password);

void redis_target_free(struct redis_target *target);

#endif
