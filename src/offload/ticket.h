/*
 * ticket.h - the inside of offload: tickets, and the one lock they are under.
 *
 * A ticket is made by a thread that calls (ticket.c), handed to the loop and
 * run there (work.c), delivered, waited for (wait.c), kept by number (stash.c).
 * background.c owns the loop: its thread, or that of a host, forks, the end.
 *
 * The lock, ed_offload_lock(), guards every list, the stash and the state of
 * the loop. It is held for moments, across fork(), and never while anything
 * foreign is called: what was handed to us to be freed or called back waits
 * until it was let go. Order: the loop's share (core/share.h), then this lock,
 * then the log's.
 */
#ifndef EDDY_OFFLOAD_TICKET_H
#define EDDY_OFFLOAD_TICKET_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <eddy/offload.h>
#include "base/list.h"
#include "core/runtime.h"

enum ed_ticket_state {
    ED_TICKET_NEW,
    ED_TICKET_PENDING, /* handed over */
    ED_TICKET_ENDED,   /* its result is there, for the loop's thread only */
    ED_TICKET_DONE,    /* delivered */
};

struct ed_ticket_callback {
    struct ed_ticket_callback *next;
    ed_ticket_fn *fn;
    void *arg;
};

struct ed_ticket {
    _Atomic unsigned refs; /* the loop has one, until it is delivered */
    _Atomic int state;
    _Atomic bool seen;      /* somebody asked for the result */
    _Atomic bool cancelled; /* somebody asked for that */
    bool given_up;          /* the loop was stopped, and it did not end */
    unsigned generation;    /* of the process that made it */

    /* The work. Once it is handed over, the loop's thread's. */
    ed_offload_fn *fn;
    void *arg;
    void (*free_arg)(void *arg);
    void (*free_value)(void *value);
    ed_arena *arena;
    size_t max_bytes;
    int64_t deadline; /* INT64_MAX: none */
    ed_fiber *fiber;  /* while it runs */
    bool at_home;
    bool remade;
    bool reading;     /* somebody reads on from the response it stands for */
    ed_ticket *keeps; /* a reference, as long as it lives: what made it */

    /* The result; what it was when the state says DONE. */
    int result;
    void *value;
    _Atomic bool gone; /* the value was freed, which was at home */
    char *detail;      /* owned, or NULL */
    char *failure;     /* made when first asked for; under the lock */
    uint64_t order;    /* among all that were delivered, from 1 */
    int64_t began;
    int64_t ended;

    /* Under the lock. */
    struct ed_list link; /* among those under way; at home: among those, then */
    struct ed_list next; /* queued, to be released, or to be delivered */
    struct ed_list to_cancel;
    struct ed_list waiters;
    struct ed_ticket_callback *callbacks;
    struct ed_ticket_callback **callbacks_end;
    int fd; /* -1: none */

    const char *place; /* behind the name */
    char name[];
};

/* ---- the loop (background.c) ---- */

enum ed_offload_state {
    ED_OFFLOAD_NONE,
    ED_OFFLOAD_STARTING,
    ED_OFFLOAD_RUNNING,
};

struct ed_offload_loop {
    enum ed_offload_state state;
    bool adopted;
    bool stopping; /* it is to end, or about to */
    bool stopped;  /* nothing is to be started before ed_offload_start() */
    bool exiting;
    bool posted;         /* `post` is in the loop's list */
    unsigned generation; /* how many forks lie before this process */
    ed_loop *loop;       /* NULL: not yet, or not any more */
    ed_scope *scope;     /* of the work; in the loop's thread */

    /* What the loop is to take up when it looks next. */
    struct ed_list queue;    /* ed_ticket.next */
    struct ed_list cancels;  /* ed_ticket.to_cancel */
    struct ed_list releases; /* ed_ticket.next: values to be freed at home */
    struct ed_list homed;    /* ed_ticket.link of those that have such values */
    struct ed_list pending;  /* ed_ticket.link of all that are under way */
    size_t pending_count;
    uint64_t order;
    uint64_t starts;
    uint64_t calls;
    uint64_t wakeups; /* of loops that have ended */

    size_t stack_bytes;
    unsigned max_pending;
};
extern struct ed_offload_loop ed_offload_loop;

void ed_offload_lock(void);
void ed_offload_unlock(void);

/* Under the lock: starts a loop if there is none. 0, or an error as
 * ed_offload() refuses by. */
ED_CHECK int ed_offload_need(void);

/* Under the lock: has the loop look at its lists. */
void ed_offload_nudge(void);

/* Around foreign code on the loop's thread, without the lock: whoever holds
 * what that waits for may fork meanwhile. Nothing on other threads. */
void ed_offload_step_out(void);
void ed_offload_step_in(void);

/* To be called in the loop after foreign code: in the child of a fork that it
 * made there is no loop any more to go back to, and this does not return. */
void ed_offload_check_fork(void);

/* ---- tickets (ticket.c) ---- */

/* One reference, not yet handed over. NULL: no memory; `arg` is then still
 * the caller's. */
ed_ticket *ed_ticket_new(ed_offload_fn *fn, void *arg, const char *name,
                         const char *place,
                         const struct ed_offload_options *given);

/* Whether it has an answer, be it that there will be none, which it gives in
 * *result. Under the lock, or by who knows that it is done. */
bool ed_ticket_settled(const ed_ticket *t, int *result);

/* The value, for those on the loop's thread, even if it is not delivered yet:
 * 0, its failure, ED_EUSAGE (not ended) or ED_ESTOPPED (it is gone). */
ED_CHECK int ed_ticket_at_home(ed_ticket *t, void **value);

/* Tells of failures that were only counted so far. */
void ed_ticket_flush_log(void);

uint64_t ed_ticket_uncollected(void);

/* ---- work (work.c) ---- */

/* Hands it over; what is refused is delivered as failed. Returns it. */
ed_ticket *ed_offload_submit(ed_ticket *t);

/* In the loop's thread, on its own stack: takes up what is in the lists. */
void ed_offload_take_up(void);

/* In the loop's thread: nothing that is queued will begin. It is delivered
 * soon, by the loop, as failed with that. */
void ed_offload_refuse_queued(int err);

/* In the loop's thread: whether something waits to be delivered. */
bool ed_offload_undelivered(void);

/* In the loop's thread, when nothing runs any more: frees all values there. */
void ed_offload_free_homed(void);

/* The work lists of the loop, in the child of a fork. */
void ed_offload_forget_work(void);

/* Delivers it with that result at once, where there is no loop to do it.
 * Without the lock. Drops no reference. */
void ed_offload_deliver(ed_ticket *t, int result);

/* ---- waiting (wait.c) ---- */

/* Under the lock: wakes who waits for that, if it was what they need. */
void ed_ticket_wake(ed_ticket *t, int result);

/* In the child of a fork: wakes the thread that made it, if it waits. */
void ed_ticket_wake_forked(void);

/* ---- the stash (stash.c) ---- */

/* Drops all that is kept. Without the lock. */
void ed_stash_clear(void);
size_t ed_stash_count(void); /* under the lock, as is the next */
void ed_stash_limit(unsigned count, int64_t time);

#endif
