/*
 * link.h - one connection to a Redis server: commands go in, and replies come
 * out, in the same order.
 *
 * A link is made of a stream, which connect.h does, and is a state machine in
 * the loop from then on. It knows nothing of
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
#include <eddy/stream.h>

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
 * abandoned, the link does not know it any more.
 */
struct redis_call {
    unsigned replies; /* how many there will be; 0 counts as 1 */
    ed_arena *arena;  /* to build them in; NULL: they are not wanted */
    /* Called for each reply but the last, which are not built: with the words
     * of the error, or NULL when it is none. In the loop; may neither suspend
     * nor abandon the call. May be NULL. */
    void (*each)(struct redis_call *call, const char *refused);
    /* Called once, in the loop or in a fiber that closes the link, when the
     * last has come or the link was lost, and not from within
     * redis_link_send(). May send; may not suspend. */
    void (*done)(struct redis_call *call);
    void *context; /* of who set `each` */
    void *user;    /* of who set `done` */

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

/* Back to before it was sent. */
static inline void redis_call_reset(struct redis_call *call)
{
    call->fate = REDIS_PENDING;
    call->err = 0;
    call->reply = NULL;
    call->words[0] = '\0';
    call->link = NULL;
}

/* A call for one reply that nobody is told of. (Zeroing it would do, too, but
 * `words` is long.) */
static inline void redis_call_init(struct redis_call *call, ed_arena *arena)
{
    call->replies = 1;
    call->arena = arena;
    call->each = NULL;
    call->done = NULL;
    call->context = NULL;
    call->user = NULL;
    redis_call_reset(call);
}

/* ---- links ---- */

/* What a link tells its owner; called in the loop, or in a fiber that talks to
 * the link; may send and close, may not suspend. Each may be NULL. */
struct redis_link_owner {
    /* A call was answered; there is room for others. */
    void (*room)(struct redis_link *link);
    /* It broke, and every call has been told. The owner closes it, there or
     * later. Not called until the link was given to it by
     * redis_link_own(). */
    void (*lost)(struct redis_link *link, int err, const char *why);
    /* A reply that no call waits for, built in the arena that push_arena()
     * gave when it began. */
    void (*push)(struct redis_link *link, const ed_redis_reply *reply);
    ed_arena *(*push_arena)(struct redis_link *link);
};

/* What an owner keeps with a link. */
struct redis_link_info {
    struct redis_link *link;
    void *user;
    struct ed_list node;
    int64_t idle_since;
    bool retiring;
    bool useful; /* it has answered a call of its owner's */
    /* Said by the link: */
    int64_t opened_at;
    bool idle; /* when it was lost: nobody waited */
};

struct redis_link_counts {
    uint64_t commands;
    uint64_t writes;
    uint64_t dropped;
};

struct redis_link_options {
    const struct redis_link_owner *owner;
    void *user;
    /* It breaks when calls wait and nothing at all comes for so long; 0: does
     * not. */
    int64_t reply_timeout;
    /* Added to; NULL: not counted. Must outlive the link. */
    struct redis_link_counts *counts;
};

/*
 * Makes a link of a connected stream, which it owns from then on, whatever
 * comes of it. Nothing is said to the server. Does not suspend. 0, ED_ENOMEM or
 * -errno. See connect.h for the usual way.
 */
ED_CHECK int redis_link_new(struct redis_link **out, ed_stream *stream,
                            size_t max_reply,
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

/* Sends `bytes`, whole commands, whose replies are dropped. As above. */
ED_CHECK int redis_link_post(struct redis_link *link, unsigned replies,
                             struct ed_bytes bytes);

/* The caller goes: replies still to come are dropped. */
void redis_call_abandon(struct redis_call *call);

/* Sends and waits. When the caller is cancelled the call is abandoned.
 * Suspends. Returns 0 with call->fate set, ED_ENOMEM, ED_ECANCELED or
 * ED_ETIMEOUT. */
ED_CHECK int redis_link_call(struct redis_link *link, struct redis_call *call,
                             struct ed_bytes bytes);

/* From now on the owner is told what becomes of it. */
void redis_link_own(struct redis_link *link);

/* Whether it is of use; false once it broke. */
bool redis_link_up(const struct redis_link *link);

/* Calls under way, abandoned ones included. */
unsigned redis_link_load(const struct redis_link *link);

/* Whether something large is under way on it: a reply that has come in part, or
 * commands that the system does not take. */
bool redis_link_clogged(const struct redis_link *link);

/* Bytes the system has not taken yet. */
size_t redis_link_unsent(const struct redis_link *link);

#endif
