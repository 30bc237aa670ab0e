/*
 * held.h - connections that are held by one caller at a time: for commands that
 * block, and for sessions.
 */
#ifndef EDDY_REDIS_HELD_H
#define EDDY_REDIS_HELD_H

#include "redis/link.h"

/* What opens a connection. Suspends. */
typedef int redis_open_fn(void *arg, struct redis_link **out,
                          const struct redis_link_options *options);

struct redis_held {
    ed_loop *loop;
    redis_open_fn *open;
    void *arg;
    unsigned max;
    int64_t idle_time;
    struct redis_link_counts *counts;

    struct ed_list idle;     /* redis_link_info.node, youngest first */
    struct ed_waitq waiters; /* for a connection, or for a place */
    struct ed_timer timer;
    unsigned places; /* taken */
    unsigned idle_count;
    unsigned waiting;
};

/* Makes it ready, its first six members being set. */
void redis_held_open(struct redis_held *held);

/* Closes the idle ones. */
void redis_held_close(struct redis_held *held);

/* Takes one, or opens one, or waits in line for either. Suspends. 0, or as
 * `open`, ED_ECANCELED, ED_ETIMEOUT. */
ED_CHECK int redis_held_take(struct redis_held *held, struct redis_link **out);

/* Gives one back: to who waits first, or to be kept, or (`keep` false, or when
 * it is of no use) to be closed. Does not suspend. */
void redis_held_give(struct redis_held *held, struct redis_link *link,
                     bool keep);

#endif
