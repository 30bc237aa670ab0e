/*
 * link.h - one connection to a Redis server: commands go in, and replies come
 * out, in the same order.
 *
 * A link is made by a fiber (redis_link_open()), which connects and introduces
 * itself, and is a state machine in the loop from then on. It knows nothing of
 * clients: whoever owns it is told by the functions of struct redis_link_owner.
 *
 * What is sent in one turn of the loop is written at its end, together. A
 * reply belongs to the oldest call without one. Replies that no call waits for
 * (messages of channels, MONITOR) go to the owner, if it has a hook for them;
 * otherwise they break the link.
 */
#ifndef EDDY_REDIS_LINK_H
#define EDDY_REDIS_LINK_H

#include "base/list.h"
#include "core/runtime.h"
#include "redis/reader.h"
#include "redis/target.h"

struct redis_link;

/* ---- calls ---- */

enum redis_fate {
    REDIS_PENDING,
    REDIS_ANSWERED,   /* err says how */
    REDIS_NEVER_SENT, /* the link was lost before: it can go elsewhere */
    REDIS_UNCERTAIN,  /* the link was lost while it was under way */
};

/*
 * Somebody waiting for replies; lies in his frame. Once it is answered, or
 * abandoned, the link does not know it any more. To be zeroed but for:
 */
struct redis_call {
    unsigned replies; /* how many there will be; 0 counts as 1 */
    ed_arena *arena;  /* to build them in; NULL: they are not wanted */
    /* Called with each reply but the last (NULL if not wanted, or too long). In
     * the loop; may not suspend. NULL: they are dropped. */
    void (*each)(struct redis_call *call, const ed_redis_reply *reply);
    /* Called once, in the loop or in a fiber that closes the link, when the
     * last has come or the link was lost, and not from within
     * redis_link_send(). May send; may not suspend. */
    void (*done)(struct redis_call *call);
    void *user; /* of who set those */

    /* What became of it. */
    enum redis_fate fate;
    int err;               /* 0, ED_EREDIS or ED_EDATABASE (the server refused,
                              see words), ED_ENOMEM, ED_ELIMIT */
    ed_redis_reply *reply; /* the last, an error included; NULL: none */
    char words[REDIS_WORDS]; /* of the error, or of what broke the link */

    /* The link's own. */
    struct redis_link *link;
    uint64_t number;
};

/* ---- links ---- */

/* What a link tells its owner; called in the loop, or in a fiber that talks to
 * the link; may send and close, may not suspend. Each may be NULL. */
struct redis_link_owner {
    /* A call was answered; there is room for others. */
    void (*room)(struct redis_link *link);
    /* It broke, and every call has been told. The owner closes it. */
    void (*lost)(struct redis_link *link, int err, const char *why);
    /* A reply that no call waits for, built in the arena that push_arena()
     * gave when it began. */
    void (*push)(struct redis_link *link, const ed_redis_reply *reply);
    ed_arena *(*push_arena)(struct redis_link *link);
};

/* What an owner keeps with a link: its first member. */
struct redis_link_info {
    struct ed_list node;
    void *user;
    int64_t idle_since; /* the owner's, too */
};

struct redis_link_counts {
    uint64_t commands;
    uint64_t writes;
    uint64_t dropped;
};

struct redis_link_options {
    const struct redis_link_owner *owner;
    void *user;
    int64_t reply_timeout; /* 0: none */
    /* Added to; NULL: not counted. Must outlive the link. */
    struct redis_link_counts *counts;
};

/*
 * Connects to the target and introduces itself: TLS, AUTH, CLIENT SETNAME,
 * SELECT. Suspends. Returns 0, or
 *   ED_EDATABASE  it cannot be reached, or refuses us; ed_error() says why. So
 *                 does a target's connect_timeout
 *   ED_ECANCELED, ED_ETIMEOUT, ED_ENOMEM
 */
ED_CHECK int redis_link_open(struct redis_link **out,
                             const struct redis_target *target,
                             const struct redis_link_options *options);

/* Closes at once and frees. Calls under way are told, with `why`, before it
 * returns. Allowed from within the functions of its owner and of its calls. */
void redis_link_close(struct redis_link *link, const char *why);

struct redis_link_info *redis_link_info(struct redis_link *link);

/* Sends `bytes`, whole commands, and has `call` wait for their replies. With
 * call NULL no replies are waited for: what comes of it goes to the owner's
 * push(). Copies the bytes. 0 or ED_ENOMEM, nothing being sent then. Does not
 * suspend. */
ED_CHECK int redis_link_send(struct redis_link *link, struct redis_call *call,
                             struct ed_bytes bytes);

/* The caller goes: replies still to come are dropped. */
void redis_call_abandon(struct redis_call *call);

/* Sends and waits. When the caller is cancelled the call is abandoned.
 * Suspends. Returns 0 with call->fate set, ED_ENOMEM, ED_ECANCELED or
 * ED_ETIMEOUT. */
ED_CHECK int redis_link_call(struct redis_link *link, struct redis_call *call,
                             struct ed_bytes bytes);

/* Calls under way, abandoned ones included. */
unsigned redis_link_load(const struct redis_link *link);

/* Bytes the kernel has not taken yet. */
size_t redis_link_unsent(const struct redis_link *link);

#endif
