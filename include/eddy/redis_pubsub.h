/*
 * redis_pubsub.h - the messages of Redis channels.
 *
 *     ed_redis_sub *sub ED_REDIS_SUB_AUTO = NULL;
 *     int err = ed_redis_subscribe(db, &sub, "news");
 *     struct ed_redis_message m;
 *     while (!err && !(err = ed_redis_next_message(sub, &m))) {
 *         if (m.gap)
 *             load_everything_anew();
 *         else
 *             show(m.channel, m.payload);
 *     }
 *
 * Messages are sent with ed_redis_cmd(db, NULL, "PUBLISH %s %b", ...).
 *
 * A subscriber has a connection of its own, made as the client's are. When it
 * breaks it is made again, with growing pauses, and the channels are subscribed
 * to again; what was published meanwhile is lost, so the next thing given is a
 * mark of that. A connection that is silent is asked for a sign of life.
 */
#ifndef EDDY_REDIS_PUBSUB_H
#define EDDY_REDIS_PUBSUB_H

#include <eddy/redis.h>

ED_BEGIN_DECLS

typedef struct ed_redis_sub ed_redis_sub;

/* All of it is valid until the next ed_redis_next_message(), and NUL-terminated
 * (a payload may hold NULs of its own). */
struct ed_redis_message {
    /* Some may have been lost here. Comes alone, with an empty channel, when
     * the connection was made again, and when more came than were taken (10,000
     * messages, or 64 MiB, are kept). */
    bool gap;
    struct ed_bytes channel;
    struct ed_bytes pattern; /* it came by; ptr NULL: by the channel's name */
    struct ed_bytes payload;
};

/*
 * Subscribes to a channel, or to all whose names match a pattern (as Redis
 * reads it: * ? [..]). `db` is a client, and must outlive the subscriber.
 * Suspends until the server agreed. Returns 0, or
 *   ED_EDATABASE  the server cannot be reached; ed_error() says why
 *   ED_EREDIS     it refuses: a user's rights do not reach so far
 *   ED_EUSAGE     `db` is a session or a transaction
 *   ED_ECANCELED, ED_ETIMEOUT, ED_ENOMEM
 */
ED_API ED_CHECK int ed_redis_subscribe(ed_redis *db, ed_redis_sub **out,
                                       const char *channel);
ED_API ED_CHECK int ed_redis_psubscribe(ed_redis *db, ed_redis_sub **out,
                                        const char *pattern);

/* One more channel or pattern; nothing to do if it is there already. Suspends.
 * As above, the others being as before on failure. */
ED_API ED_CHECK int ed_redis_subscribe_also(ed_redis_sub *sub,
                                            const char *channel);
ED_API ED_CHECK int ed_redis_psubscribe_also(ed_redis_sub *sub,
                                             const char *pattern);

/* No messages of it are given from now on, but for those that are here already.
 * Returns 0, or ED_ENOTFOUND when it was not subscribed to. Does not
 * suspend. */
ED_API int ed_redis_unsubscribe(ed_redis_sub *sub, const char *channel);
ED_API int ed_redis_punsubscribe(ed_redis_sub *sub, const char *pattern);

/*
 * Waits for the next message; one fiber at a time (ED_EUSAGE). A broken
 * connection is no error. Suspends. Returns 0, ED_ECANCELED, ED_ETIMEOUT, or
 *   ED_EREDIS  the server does not allow one of the channels any more
 */
ED_API ED_CHECK int ed_redis_next_message(ed_redis_sub *sub,
                                          struct ed_redis_message *out);

/* Closes the connection and frees. Nobody may be waiting in it; NULL is fine.
 * Does not suspend. */
ED_API void ed_redis_sub_close(ed_redis_sub *sub);

static inline void ed_redis_sub_close_(ed_redis_sub **sub)
{
    ed_redis_sub_close(*sub);
}
#define ED_REDIS_SUB_AUTO __attribute__((cleanup(ed_redis_sub_close_)))

ED_END_DECLS
#endif
