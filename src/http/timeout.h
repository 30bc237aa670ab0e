/*
 * timeout.h - how long a client waits in each phase of a fetch.
 *
 * The phases until there is a connection are bounded by scopes. Those of an
 * exchange, which most fetches have nothing else of, are bounded by lists: a
 * connection stands at the end of the list of the phase it is in, so that the
 * first of each list is the first whose time is over, and one timer serves
 * them all.
 */
#ifndef EDDY_HTTP_TIMEOUT_H
#define EDDY_HTTP_TIMEOUT_H

#include "core/runtime.h"

enum ed_timeout {
    ED_TIMEOUT_NONE,
    ED_TIMEOUT_FIRST_BYTE,
    ED_TIMEOUT_IDLE,
    ED_TIMEOUT_LISTS, /* so far by lists */
    ED_TIMEOUT_RESOLVE = ED_TIMEOUT_LISTS,
    ED_TIMEOUT_CONNECT,
    ED_TIMEOUT_TLS,
    ED_TIMEOUT_COUNT,
};

/* What is waited for; inside of its owner. */
struct ed_timed {
    struct ed_list node;
    int64_t since;
    uint8_t phase; /* enum ed_timeout; NONE: in no list */
};

struct ed_timeout_list {
    struct ed_list waiting; /* ed_timed.node, longest first */
    struct ed_timer timer;
    struct ed_timeouts *timeouts;
    enum ed_timeout phase;
};

struct ed_timeouts {
    ed_loop *loop;
    int64_t after[ED_TIMEOUT_COUNT]; /* INT64_MAX: no limit */
    /* Called in the loop for what waited too long, and is in no list then. */
    void (*expired)(struct ed_timed *timed, enum ed_timeout phase);
    struct ed_timeout_list lists[ED_TIMEOUT_LISTS];
};

/* Makes the lists of one whose limits and `expired` are set. */
void ed_timeouts_open(struct ed_timeouts *t, ed_loop *loop);

/* Stops the timers. Nothing may be in the lists. */
void ed_timeouts_close(struct ed_timeouts *t);

/* How a phase is named: "first byte". Static. */
const char *ed_timeout_name(enum ed_timeout phase);

/* Writes "no first byte within the first byte timeout of 60 s"; NONE is the
 * timeout of all of a fetch. Returns `out`. */
char *ed_timeout_text(char *out, size_t size, const char *missing,
                      enum ed_timeout phase, int64_t after);

/* Arms the timer of a list for the longest in it. 0 or ED_ENOMEM. */
ED_CHECK int ed_timeout_arm(struct ed_timeout_list *list);

/* How long a phase may take, for a scope's `within`: 0 without a limit. */
static inline int64_t ed_timeout_within(const struct ed_timeouts *t,
                                        enum ed_timeout phase)
{
    return t->after[phase] == INT64_MAX ? 0 : t->after[phase];
}

/* The time in no phase begins, or is over. */
static inline void ed_timeout_end(struct ed_timed *timed)
{
    if (timed->phase == ED_TIMEOUT_NONE)
        return;
    timed->phase = ED_TIMEOUT_NONE;
    ed_list_remove(&timed->node);
}

/* The time in a phase begins, or begins anew. 0, or ED_ENOMEM: it would never
 * end. Does not suspend. */
ED_CHECK static inline int ed_timeout_begin(struct ed_timeouts *t,
                                            struct ed_timed *timed,
                                            enum ed_timeout phase)
{
    struct ed_timeout_list *list = &t->lists[phase];

    ed_timeout_end(timed);
    if (t->after[phase] == INT64_MAX)
        return 0;
    timed->phase = (uint8_t)phase;
    timed->since = ed_now();
    ed_list_add_back(&list->waiting, &timed->node);
    return list->timer.index ? 0 : ed_timeout_arm(list);
}

#endif
