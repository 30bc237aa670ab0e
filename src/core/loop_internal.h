/*
 * loop_internal.h - the loop's parts, for the files that make it up: loop.c,
 * fiber.c, scope.c, stack.c, timer.c, the backend, tree and monitor.
 */
#ifndef EDDY_CORE_LOOP_INTERNAL_H
#define EDDY_CORE_LOOP_INTERNAL_H

#include "core/io.h"
#include "core/monitor.h"
#include "core/runtime.h"
#include "core/share.h"

#include <stdatomic.h>

/* ---- timers ---- */

struct ed_timer_slot {
    int64_t at;
    struct ed_timer *timer;
};
struct ed_timers {
    struct ed_timer_slot *slots;
    uint32_t count;
    uint32_t capacity;
    uint64_t seq;
};
/* Has room for the first timers, so that small programs never lack it. 0 or
 * ED_ENOMEM. */
ED_CHECK int ed_timers_open(struct ed_timers *t);
/* When the next one is due; INT64_MAX when none is armed. */
int64_t ed_timers_next(const struct ed_timers *t);
void ed_timers_fire(ed_loop *loop, int64_t now);

/* ---- stacks ---- */

struct ed_slab;
struct ed_stacks {
    size_t stack_bytes; /* of one, guard included */
    ed_fiber *free;     /* last in, first out: warm in the cache */
    size_t free_count;
    ed_fiber *trim_next;   /* of the free; NULL: from the first that is cold */
    struct ed_slab *slabs; /* newest first; all but it are used up */
    size_t slab_left;      /* stacks never used yet in the newest */
    size_t next_slab_stacks;
    uint32_t colour;
    bool no_guard; /* said once that guards cannot be had */
};
/* A fiber on a stack of its own, never run or ended; NULL: no memory. */
ed_fiber *ed_stack_get(ed_loop *loop);
void ed_stack_put(ed_loop *loop, ed_fiber *fiber);
/* Gives back the memory of some stacks that have not been used for a while.
 * Whether there are more. */
bool ed_stacks_trim(ed_loop *loop);
void ed_stacks_free(struct ed_stacks *stacks);

/* Bytes at the low end of a stack that fault when touched. */
size_t ed_stack_guard_bytes(void);

/* ---- the loop ---- */

struct ed_kept; /* one ed_loop_set() entry */

struct ed_loop {
    /* What every switch touches. */
    void *sp;          /* the thread's own stack while a fiber runs */
    ed_fiber *current; /* NULL: in the loop */
    ed_fiber *ready;   /* run queue: first, and where the next is linked */
    ed_fiber **ready_end;
    int64_t now;
    int64_t turn_began; /* real time, for fairness */
    unsigned immediate; /* waiting calls that needed no wait, this turn */
    bool turn_over;     /* I/O has waited long enough */
    struct ed_monitor monitor;

    struct ed_deferred *deferred;
    struct ed_deferred **deferred_end;
    struct ed_timers timers;
    struct ed_stacks stacks;

    /* The backend. */
    int poll_fd;
    struct ed_io *dispatching; /* whose `done` is running; NULL if closed */
    void *events;              /* the batch being dispatched */
    int event_count;
    int event_at;
    unsigned full_polls; /* in a row: the batch was full, more may be ready */
    char *scratch;

    /* Posts from other threads. */
    _Atomic(struct ed_post *) posts;
    _Atomic unsigned posting; /* threads in ed_loop_post() */
    struct ed_io wake_io;
    struct ed_op wake_op;
    struct iovec wake_iov;
    uint64_t wakes;         /* read from wake_io */
    struct ed_share *share; /* NULL: it is not shared */
    ed_loop *former;        /* left by the fork before, once this one is left */
    int expected;

    bool virtual_clock;
    pid_t process;
    ed_scope root;
    struct ed_list fibers; /* ed_fiber.all */
    size_t fiber_count;    /* alive */
    ed_arena *arena;
    struct ed_kept *kept;

    struct ed_timer trim_timer;
    bool trim_armed;

    void *sanitizer; /* ASan fake stack or TSan fiber of the thread */
    const void *thread_stack;
    size_t thread_stack_bytes;
};

/* Has unused stacks looked after, some time from now. */
void ed_loop_trim_later(ed_loop *loop);

/* The two halves of ed_loop_post(): whether the list was empty, and waking
 * the loop of that descriptor. */
bool ed_loop_push(ed_loop *loop, struct ed_post *post);
void ed_loop_ring(int fd);

/* Runs what was put off. */
void ed_run_deferred(ed_loop *loop);

/* This thread's loop. Written by ed_run() only. */
extern _Thread_local ed_loop *ed_loop_tls __attribute__((visibility("hidden")));

/* ---- fibers ---- */

/* A fiber of `scope`, not yet ready; NULL: no memory. */
ed_fiber *ed_fiber_new(ed_loop *loop, ed_scope *scope, ed_fn *fn, void *arg,
                       const char *name, const char *place);
/* In the loop: runs the fiber until it waits or ends. */
void ed_fiber_switch_in(ed_loop *loop, ed_fiber *fiber);
/* Puts a fiber at the end of the run queue. */
void ed_fiber_ready(ed_fiber *fiber);
/* Leaves the running fiber for the loop; errno is kept. */
void ed_fiber_switch_out(ed_fiber *fiber);

/* ---- scopes ---- */

/* What a fiber waits for that joins a scope. */
#define ED_WAITS_FOR_CHILDREN "children"

void ed_scope_init(ed_scope *scope, ed_scope *parent, ed_fiber *owner);
/* Cancels and joins what is left in it, and reports failures nobody took. */
void ed_scope_close(ed_scope *scope);
/* A fiber of the scope has ended with `result`. */
void ed_scope_child_ended(ed_scope *scope, ed_fiber *fiber, int result);

/* ---- the backend ---- */

ED_CHECK int ed_backend_open(ed_loop *loop);
void ed_backend_close(ed_loop *loop);
/* Waits at most `timeout` nanoseconds (negative: for ever) for operations to
 * be done and calls their `done`. Whether any was. */
bool ed_backend_poll(ed_loop *loop, int64_t timeout);

#endif
