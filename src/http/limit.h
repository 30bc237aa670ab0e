/*
 * limit.h - how many requests may be under way, and the line of those that
 * wait: to an origin, for a client; in a worker, for a server.
 *
 * A slot is taken before a request is sent (or handled), and given back when
 * its response is there, or closed if it is streamed. Slots go to who waits in
 * the order they came. What the latency says of the limit is told apart from
 * that.
 */
#ifndef EDDY_HTTP_LIMIT_H
#define EDDY_HTTP_LIMIT_H

#include <eddy/client.h>
#include "core/runtime.h"

/* How long one waits. All zero: until the caller's deadline. */
struct ed_line_policy {
    int64_t patience; /* at most so long */
    /* A line that was not empty for so long is none that a burst has left: more
     * comes than goes. Then who comes waits no longer than `brisk`, and the
     * last who came is next. 0: that is never thought of it. */
    int64_t standing;
    int64_t brisk;
};

/* What several limits have in common, as those of a client. */
struct ed_limits {
    struct ed_limit_policy policy; /* with its defaults filled in */
    struct ed_line_policy line;
    const char *what; /* is waited for, in trees; NULL: "limit of the origin" */
    bool on;
    uint64_t queued;
    uint64_t overloads;
    unsigned waiting;
};

struct ed_limiter {
    struct ed_limits *limits;
    struct ed_waitq line;
    unsigned in_flight;
    unsigned waiting;
    int64_t waited_since; /* from when on the line was never empty */
    double limit;         /* now; an adaptive one moves by less than 1 */

    /* Of the round under way; see limit.c. */
    unsigned results;
    unsigned signs; /* of overload */
    unsigned peak;  /* of in_flight */
    double latency; /* summed up, of those that were no such signs */

    double baseline; /* latency without a queue; 0: not known */
    unsigned busy_rounds;
    unsigned dip; /* rounds left of a dip that finds out about it */
};

/* Begins without any slot taken. */
void ed_limiter_open(struct ed_limiter *limiter, struct ed_limits *limits);

/* How many there may be. */
unsigned ed_limiter_now(const struct ed_limiter *limiter);

/* Whether a request would not have to wait. */
bool ed_limiter_has_room(const struct ed_limiter *limiter);

/* Takes a slot. Suspends while there is none. Returns 0, ED_EOVERLOAD when too
 * many wait already or it has waited too long, ED_ECANCELED or ED_ETIMEOUT. */
ED_CHECK int ed_limiter_take(struct ed_limiter *limiter);

/* Gives a slot back. Does not suspend, nor do those below. */
void ed_limiter_give(struct ed_limiter *limiter);

/* Tells an adaptive limit how long a response took to begin; or that a request
 * ended in a way that is a sign of overload. */
void ed_limiter_responded(struct ed_limiter *limiter, int64_t latency);
void ed_limiter_overloaded(struct ed_limiter *limiter);

#endif
