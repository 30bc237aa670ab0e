/*
 * pg_listen.h - LISTEN and NOTIFY.
 *
 *     ed_pg_listener *listener ED_PG_LISTENER_AUTO = NULL;
 *     int err = ed_pg_listen(db, &listener, "orders");
 *     struct ed_pg_notification n;
 *     while (!err && !(err = ed_pg_next_notification(listener, &n))) {
 *         if (n.gap)
 *             load_everything_anew();
 *         else
 *             handle(n.payload);
 *     }
 *
 * A listener has a connection of its own, beyond the pool's `max`, made with
 * the pool's parameters. When it breaks it is made again, with the pool's
 * backoff, and the channels are listened to again; what was notified meanwhile
 * is lost, so the next thing given is a mark of that.
 */
#ifndef EDDY_PG_LISTEN_H
#define EDDY_PG_LISTEN_H

#include <eddy/pg.h>

ED_BEGIN_DECLS

typedef struct ed_pg_listener ed_pg_listener;

struct ed_pg_notification {
    /* Some may have been lost here: look at the data itself. Comes alone, with
     * an empty channel and payload, when the connection was made again, and
     * when more came than were taken. */
    bool gap;
    int sender; /* process id of the sender's server process */
    /* Both NUL-terminated, valid until the next call. */
    struct ed_bytes channel;
    struct ed_bytes payload;
};

struct ed_pg_listen_options {
    size_t size;
    /* When nothing came for so long the server is asked for a sign of life;
     * 30 s. Negative: never. */
    int64_t check_after;
    /* How long it may take to answer that, or LISTEN, until the connection is
     * taken for broken; 10 s. */
    int64_t check_patience;
    size_t queue; /* notifications kept until they are taken; 10,000 */
};

/*
 * Listens to a channel, whose name is taken as it is: quoted for the server,
 * so case matters. `db` is a pool. Suspends until the server agreed. Returns 0,
 * ED_EUSAGE for a name that is empty, longer than 63 bytes or not UTF-8, or an
 * error as of ed_pg_query(); *out is then NULL.
 */
#define ed_pg_listen(db, out, channel, ...)   \
    ed_pg_listen_with((db), (out), (channel), \
                      ED_OPTIONS(struct ed_pg_listen_options, __VA_ARGS__))
ED_API ED_CHECK int ed_pg_listen_with(
    ed_pg *db, ed_pg_listener **out, const char *channel,
    const struct ed_pg_listen_options *options);

/* Listens to one channel more, or no longer to it; what came before is still
 * given. Suspends until the server agreed, and while the connection is being
 * made again. Results as above, and ED_ECLOSED when the program ends. */
ED_API ED_CHECK int ed_pg_listen_also(ed_pg_listener *listener,
                                      const char *channel);
ED_API ED_CHECK int ed_pg_unlisten(ed_pg_listener *listener,
                                   const char *channel);

/* Waits for the next notification; one fiber at a time (ED_EUSAGE). A broken
 * connection is no error. Suspends. 0, ED_ECANCELED, ED_ETIMEOUT, or ED_ECLOSED
 * when the program ends. */
ED_API ED_CHECK int ed_pg_next_notification(ed_pg_listener *listener,
                                            struct ed_pg_notification *out);

/* Notifies a channel, in a transaction when it commits. The payload has less
 * than 8000 bytes; NULL is an empty one. Suspends. 0, or an error as of
 * ed_pg_query(). */
ED_API ED_CHECK int ed_pg_notify(ed_pg *db, const char *channel,
                                 const char *payload);

/* Frees, and has the connection closed. NULL is fine. Does not suspend. */
ED_API void ed_pg_listener_close(ed_pg_listener *listener);

static inline void ed_pg_listener_close_(ed_pg_listener **listener)
{
    ed_pg_listener_close(*listener);
}
#define ED_PG_LISTENER_AUTO __attribute__((cleanup(ed_pg_listener_close_)))

ED_END_DECLS
#endif
