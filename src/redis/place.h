/*
 * place.h - what an ed_redis is: a place to run commands. Clients, sessions and
 * transactions begin with one, as will what speaks to many servers.
 */
#ifndef EDDY_REDIS_PLACE_H
#define EDDY_REDIS_PLACE_H

#include "redis/pool.h"

struct redis_place_ops {
    /* Runs one command, which has been checked to make sense here; *reply is
     * not NULL. As ed_redis_cmd(). */
    int (*run)(ed_redis *db, struct redis_request *request,
               struct redis_call *call);
    /* Flags of commands it refuses (command.h). */
    unsigned refuses;
    /* Declares a session of it in `store`: NULL when it cannot have one. */
    void (*leave)(ed_redis *db); /* of those declared; NULL: not to be left */
};

struct ed_redis {
    const struct redis_place_ops *ops;
};

#endif
