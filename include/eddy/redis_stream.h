/*
 * redis_stream.h - reading a Redis stream: its entries in order, whatever
 * happens to connections and servers.
 *
 *     ed_redis_stream *orders ED_REDIS_STREAM_AUTO = NULL;
 *     int err = ed_redis_stream_open(db, &orders, "orders",
 *                                    .group = "billing", .consumer = "b1");
 *     struct ed_redis_entry entry;
 *     while (!err && !(err = ed_redis_stream_next(orders, &entry))) {
 *         if (bill(ed_redis_entry_field(&entry, "order")) == 0)
 *             err = ed_redis_stream_ack(orders, entry.id);
 *     }
 *
 * Without a group every reader sees every entry, once. With one the entries are
 * shared out among its consumers, and each is theirs until acknowledged: what a
 * consumer of that name was given before, and did not acknowledge, comes first
 * when it opens again; what another has kept for too long can be claimed.
 *
 * While the server is away the reader waits for it, with growing pauses; then
 * it goes on behind the last entry it gave. Entries that were trimmed meanwhile
 * are gone.
 */
#ifndef EDDY_REDIS_STREAM_H
#define EDDY_REDIS_STREAM_H

#include <eddy/redis.h>

ED_BEGIN_DECLS

typedef struct ed_redis_stream ed_redis_stream;

struct ed_redis_field {
    struct ed_bytes name;
    struct ed_bytes value;
};

/* All of it is valid until the next ed_redis_stream_next(). */
struct ed_redis_entry {
    const char *id; /* such as "1700000000000-0" */
    const struct ed_redis_field *fields;
    size_t count;
    /* It was given to a consumer before, this one or another, and not
     * acknowledged: part of the work may have been done. */
    bool again;
};

struct ed_redis_stream_options {
    size_t size;
    /* Behind which entry to begin: an id, or "0" for all there are. NULL: only
     * what comes from now on. For a group it counts when the group is made,
     * which is done if it is not there. */
    const char *from;
    const char *group; /* with consumer; NULL: none */
    const char *consumer;
    /* Entries that another consumer, perhaps gone, has kept for so long are
     * taken over; 0: never. */
    int64_t claim_after;
    /* Entries asked for at once; 100. Fewer when so many are longer than the
     * client's max_reply. */
    unsigned batch;
};

/*
 * Begins to read the stream `key`; the texts are copied. `db` is a client, and
 * must outlive it. Suspends. Returns 0, ED_EUSAGE when one of group and
 * consumer is missing, or an error as of ed_redis_cmd(), with ed_error().
 */
#define ed_redis_stream_open(db, out, key, ...) \
    ed_redis_stream_open_with(                  \
        (db), (out), (key),                     \
        ED_OPTIONS(struct ed_redis_stream_options, __VA_ARGS__))
ED_API ED_CHECK int ed_redis_stream_open_with(
    ed_redis *db, ed_redis_stream **out, const char *key,
    const struct ed_redis_stream_options *options);

/*
 * Waits for the next entry; one fiber at a time. Suspends. Returns 0, or
 *   ED_EREDIS     the server refuses: the key is no stream, the group is gone;
 *                 ed_error() has its words
 *   ED_ELIMIT     one entry alone is longer than the client's max_reply
 *   ED_EUSAGE     another fiber waits already
 *   ED_ECANCELED, ED_ETIMEOUT, ED_ENOMEM   nothing is lost: call it again
 */
ED_API ED_CHECK int ed_redis_stream_next(ed_redis_stream *stream,
                                         struct ed_redis_entry *entry);

/* The value of a field, empty with ptr NULL if there is none. */
ED_API struct ed_bytes ed_redis_entry_field(const struct ed_redis_entry *entry,
                                            const char *name);

/* Tells the group that an entry is done with. Suspends. Returns 0, ED_EUSAGE
 * without a group, or an error as of ed_redis_cmd(). */
ED_API ED_CHECK int ed_redis_stream_ack(ed_redis_stream *stream,
                                        const char *id);

/* Frees. Nobody may be waiting in it; NULL is fine. Does not suspend. */
ED_API void ed_redis_stream_close(ed_redis_stream *stream);

static inline void ed_redis_stream_close_(ed_redis_stream **stream)
{
    ed_redis_stream_close(*stream);
}
#define ED_REDIS_STREAM_AUTO __attribute__((cleanup(ed_redis_stream_close_)))

ED_END_DECLS
#endif
