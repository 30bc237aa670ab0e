/*
 * history.h - the inside of a history: a log of messages, and places in it.
 *
 * Messages are numbered from 0 as they come. The log holds a row of them
 * without holes; a follower is a number, that of the message it gets next. So
 * a slow follower costs nothing but the messages between it and the end, which
 * are bounded once for all of them.
 */
#ifndef EDDY_APP_HISTORY_H
#define EDDY_APP_HISTORY_H

#include <eddy/history.h>
#include "base/magic.h"
#include "core/runtime.h"
#include "ws/shared.h"

/* A message; freed with its last reference. All but `refs` and `text` stays as
 * it is. */
struct ed_entry {
    unsigned refs;
    bool gap;
    uint64_t number;
    uint64_t offset;          /* bytes of all messages before it */
    int64_t at;               /* when it came */
    struct ws_shared *shared; /* as a WebSocket's message; or NULL */
    struct ed_buf text;       /* as a server-sent event, once asked for */
    size_t event_len;         /* 0: no type */
    struct ed_bytes data;
    const char *event; /* in `bytes` */
    char bytes[];      /* id, NUL, event, NUL, data if not in `shared`, NUL */
};

static inline const char *ed_entry_id(const struct ed_entry *entry)
{
    return entry->bytes;
}

static inline struct ed_entry *ed_entry_ref(struct ed_entry *entry)
{
    entry->refs++;
    return entry;
}
void ed_entry_unref(struct ed_entry *entry);

/* It as the text of an event, with its id; empty without memory. */
struct ed_bytes ed_entry_text(struct ed_entry *entry);

/* A place in the log. */
struct ed_follower {
    uint64_t next; /* the message it gets next */
    bool waiting;  /* it has got all there are, and is in line for more */
};

#define ED_HISTORY_MAGIC 0xed415704u

struct ed_history {
    ED_MAGIC;
    struct ed_history_options limits;
    struct ed_entry **ring;
    size_t room;             /* of the ring: a power of two, or 0 */
    uint64_t first, next;    /* the log: messages from first, before next */
    uint64_t offset;         /* bytes of all messages before next */
    struct ed_waitq waiting; /* followers at the end */
    unsigned lagging;        /* followers that are not */
    struct ed_buf last_id;   /* of the last one added */
    struct ed_buf gone_id;   /* of the last one dropped */
    char epoch[16];          /* what made ids begin with */
};

static inline struct ed_entry *ed_history_entry(const ed_history *h,
                                                uint64_t number)
{
    return h->ring[number & (h->room - 1)];
}

/* Adds a message: `shared` is a reference that is taken over, whatever happens,
 * and the data when it is not NULL. The entry stays as long as it is kept, or
 * referenced. */
ED_CHECK int ed_history_put(ed_history *h,
                            const struct ed_history_message *message,
                            struct ws_shared *shared, struct ed_entry **out);

/* The oldest message that is kept for those who come later. */
uint64_t ed_history_oldest(ed_history *h);

/*
 * Finds the message behind that with the id. Returns whether all that came
 * behind it is here; if not, *next is the oldest that is.
 */
bool ed_history_find(ed_history *h, const char *id, uint64_t *next);

/* A follower holds messages from `next` on, within the bounds. To be given up
 * with ed_history_leave(). */
void ed_history_enter(ed_history *h, struct ed_follower *f, uint64_t next);
void ed_history_leave(ed_history *h, struct ed_follower *f);

/* Waits for a message behind the follower's place. Suspends. Returns 0, at once
 * when there is one, ED_ECANCELED or ED_ETIMEOUT. */
ED_CHECK int ed_history_wait(ed_history *h, struct ed_follower *f);

/* Takes what a follower missed, if it was too slow: moves it to the oldest
 * message there is and returns how many it has lost. */
uint64_t ed_history_catch_up(const ed_history *h, struct ed_follower *f);

#endif
