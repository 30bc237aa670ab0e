/*
 * place.h - what an ed_redis is: a place to run commands. Clients, sessions and
 * transactions begin with one, and so does what speaks to many servers.
 */
#ifndef EDDY_REDIS_PLACE_H
#define EDDY_REDIS_PLACE_H

#include "redis/pool.h"

/* Flags of commands that shared connections and transactions refuse. */
#define REDIS_NOT_SHARED (REDIS_REFUSED | REDIS_CHANGES | REDIS_WATCHES)

struct redis_place_ops {
    /* Flags of commands it refuses (command.h). */
    unsigned refuses;
    /* Has a request answered; as redis_pool_run(), which does it for clients.
     * Suspends. */
    int (*run)(ed_redis *db, const struct redis_request *request,
               struct redis_call *call);
    /* Takes a connection for a session, and gives it back; `hint` is the
     * session's first command (a key of it tells where, in a cluster). NULL:
     * there are no sessions of it. */
    int (*hold)(ed_redis *db, const struct redis_request *hint,
                struct redis_link **out);
    void (*release)(ed_redis *db, struct redis_link *link, bool keep);
    /* A command of a session was refused: perhaps the server is not the one
     * wanted any more. */
    void (*heed)(ed_redis *db, struct redis_link *link,
                 const struct redis_call *call);
    /* Opens a connection beyond those that are counted, for subscribers. NULL:
     * there are none of it. Suspends; as redis_link_open(). */
    int (*open)(ed_redis *db, struct redis_link **out,
                const struct redis_link_options *options);
    /* Of those that are declared: the block is left. */
    void (*leave)(ed_redis *db);
    /* Of transactions: notes commands, and replies come later. */
    bool notes;
    /* Of those made by new(). */
    void (*free)(ed_redis *db);
    int (*ready)(ed_redis *db);
    void (*counts)(const ed_redis *db, struct ed_redis_counts *counts);
};

struct ed_redis {
    const struct redis_place_ops *ops;
    unsigned users; /* see redis_place_use() */
    bool freed;     /* as soon as there are none */
};

/* Something in the background that may be in the midst of using it, and knows
 * only later that it should not: ed_redis_free() frees it when the last of such
 * has left. */
void redis_place_use(ed_redis *db);
void redis_place_leave(ed_redis *db);

/* Checks that the request makes sense there, runs it, and gives the reply, as
 * ed_redis_cmd(). Suspends. */
ED_CHECK int redis_run(ed_redis *db, const struct redis_request *request,
                       ed_redis_reply **reply);

#endif
