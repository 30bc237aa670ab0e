/*
 * runtime.h - the inside of the runtime: loop, fibers, scopes, timers, and
 * the one way to wait.
 *
 * A thread has at most one loop. The loop's own code runs on the thread's
 * stack ("in the loop"); fibers run on theirs. In the loop nothing may
 * suspend.
 */
#ifndef EDDY_CORE_RUNTIME_H
#define EDDY_CORE_RUNTIME_H

#include <eddy/arena.h>
#include <eddy/fiber.h>
#include <eddy/loop.h>
#include <sys/types.h>
#include "base/list.h"

/* ---- timers ---- */

struct ed_timer {
    int64_t at;
    uint64_t seq;   /* equal times fire in the order they were armed */
    uint32_t index; /* place in the heap, from 1; 0: not armed */
    void (*fire)(struct ed_timer *timer); /* called in the loop */
};

/* Arms the timer, or moves it; a time past is now. 0 or ED_ENOMEM (a timer
 * that is armed already can always be moved). */
ED_CHECK int ed_timer_start(ed_loop *loop, struct ed_timer *timer, int64_t at);
void ed_timer_stop(ed_loop *loop, struct ed_timer *timer);

/* ---- scopes ---- */

struct ed_scope {
    ed_scope *parent;        /* NULL only for the root of a loop */
    ed_fiber *owner;         /* whose stack it lives on */
    ed_scope *inner;         /* the next scope opened by the same fiber */
    struct ed_list children; /* ed_fiber.sibling */
    ed_scope *cancel_next;   /* work list of a running cancellation */
    int64_t deadline;        /* the earliest of its own and those around it */
    struct ed_timer timer;   /* armed when the deadline is its own */
    const char *name;
    char *detail;             /* ed_error() text of the first failure; owned */
    const char *failed_place; /* where the failed child was started */
    const char *failed_name;
    struct ed_future *futures; /* set by fibers of it; future.h */
    int failure;               /* of the first failed child */
    int cancelled;  /* what waits return: 0, ED_ECANCELED or ED_ETIMEOUT */
    int answer;     /* of ed_wait(), once ended */
    unsigned alike; /* further children that failed like the first */
    bool shield : 1;
    bool independent : 1;
    bool ended : 1;
    bool collected : 1; /* the failure was returned by ed_wait() */
    bool joining : 1;   /* the owner waits for the last child */
};

/* Logs a failure nobody asked for, with where its fiber was started; `detail`
 * may be NULL. */
void ed_log_failure(const char *name, const char *place, int failure,
                    const char *detail);

/* The scope of these futures is being left: logs the failures nobody asked
 * for, and frees what the futures own. */
void ed_futures_leave(struct ed_future *first);

/* ---- fibers ---- */

enum ed_fiber_state {
    ED_FIBER_FREE,
    ED_FIBER_READY,
    ED_FIBER_RUNNING,
    ED_FIBER_PARKED,
};

struct ed_fiber {
    void *sp;       /* the saved stack pointer while it does not run */
    ed_fiber *next; /* in the run queue, or among the free */
    ed_loop *loop;
    ed_scope *scope; /* innermost */
    int result;      /* what ed_park() will return */
    uint8_t state;
    bool trimmed;             /* its unused pages were given back */
    bool plain_calls;         /* its calls of libc are not replaced: patch.h */
    const char *what;         /* it waits for, while parked */
    bool (*abort)(void *arg); /* see ed_park() */
    void *abort_arg;

    ed_fn *fn;
    void *arg;
    const char *name;
    const char *place; /* where it was started, "file.c:12" */
    ed_arena *arena;   /* NULL: the loop's */
    void *work;        /* what it works on (a request); inherited */
    char *detail;      /* ed_error() text; owned, allocated when first needed */
    int detail_of;     /* the error it belongs to */
    struct ed_local_value *locals;
    struct ed_list sibling; /* in scope->children of the scope it belongs to */
    struct ed_list all;     /* in loop->fibers */
    ed_scope base;          /* cancels and bounds this fiber alone */
    int cancelled;          /* by ed_fiber_cancel(): for good */

    char *stack_low; /* lowest usable byte */
    void *sanitizer; /* ASan fake stack or TSan fiber */
    unsigned valgrind_id;
};

/* The running fiber; NULL in the loop and outside. */
ed_fiber *ed_fiber_self(void);

/*
 * The one way to wait. Suspends the running fiber until somebody calls
 * ed_wake() on it, and returns what they gave. `what` says in trees and logs
 * what it waits for.
 *
 * When the fiber is cancelled meanwhile, `abort(arg)` is called, once, from
 * whoever cancels: it takes the fiber off whatever would have woken it and
 * returns true, and ed_park() returns the cancellation; or it returns false
 * when the waking is still to come (an operation in other hands), and
 * ed_park() returns what that waking gives. With abort NULL cancellation does
 * not disturb the wait at all.
 *
 * A fiber that is cancelled already does not wait: ed_park() returns the
 * cancellation at once, without calling abort (unless abort is NULL). So first
 * check ed_cancelled(), then link the waiter, then park; or link, park, and
 * unlink on error, with list nodes that bear being removed twice.
 */
int ed_park(const char *what, bool (*abort)(void *arg), void *arg);

/* Makes a parked fiber ready; ed_park() returns `result`. Must be parked. */
void ed_wake(ed_fiber *fiber, int result);

/* In the loop only: the same, but it goes on at once, while what it waited for
 * is in the caches. Returns when it waits again or has ended, and may have
 * changed what the caller works on. */
void ed_wake_now(ed_fiber *fiber, int result);

/* To be called by operations that could go on without waiting: yields when
 * the fiber has kept the loop from I/O for some milliseconds, and returns
 * what ed_cancelled() does. */
int ed_checkpoint(void);
/* The same for who counts such calls himself: it looks at the clock each time.
 */
int ed_checkpoint_now(void);

/* Calls `fn` with each line of ed_fiber_tree(), for this thread's loop. Nothing
 * may suspend, or start or end a fiber, meanwhile. */
typedef void ed_tree_line_fn(void *arg, const char *line);
void ed_fiber_tree_lines(ed_tree_line_fn *fn, void *arg);

/* Calls `fn` for each fiber of the loop that works on that, until it returns
 * false; by the loop's thread or while it stands still. Only reads. */
typedef bool ed_each_fiber_fn(const ed_fiber *fiber, void *arg);
void ed_fibers_at_work(const ed_loop *loop, const void *work,
                       ed_each_fiber_fn *fn, void *arg);

/* Where a fiber that waits for its children waits in truth: the first of them,
 * and its first, and so on; any other is itself. */
const ed_fiber *ed_fiber_awaited(const ed_fiber *fiber);

/* Fibers waiting in line for the same thing. */
struct ed_waiter {
    struct ed_list node;
    ed_fiber *fiber;
    void *data;
};
struct ed_waitq {
    struct ed_list waiters; /* zeroed: empty; use the functions */
};
bool ed_waitq_empty(const struct ed_waitq *q);
/* Waits in line; `data` travels with the waiter. Suspends. Returns what the
 * waker gave, ED_ECANCELED or ED_ETIMEOUT. */
int ed_waitq_wait(struct ed_waitq *q, const char *what, void *data);
/* Takes the first waiter off the line and wakes it with that result; returns
 * it (valid until the fiber runs), or NULL when none waits. */
struct ed_waiter *ed_waitq_wake(struct ed_waitq *q, int result);
void ed_waitq_wake_all(struct ed_waitq *q, int result);

/* For lines with another order. Who waits longest, and shortest; NULL: nobody.
 * And wakes one of them, as above. */
struct ed_waiter *ed_waitq_first(const struct ed_waitq *q);
struct ed_waiter *ed_waitq_last(const struct ed_waitq *q);
void ed_waitq_wake_it(struct ed_waiter *waiter, int result);

/*
 * In the loop only: starts a fiber in `scope` and runs it at once until it
 * waits or ends. For servers, whose requests should not stand in the run
 * queue. The fiber works on `arena`. Returns 0 or ED_ENOMEM.
 */
int ed_fiber_run_now(ed_scope *scope, ed_fn *fn, void *arg, const char *name,
                     const char *place, ed_arena *arena);

/* Has the pool of threads know of forks, as the first ed_blocking() does: for
 * those whose own handlers of forks have to run before its. Any thread. */
void ed_blocking_prepare(void);

/*
 * Starts a fiber that belongs to the loop and to nobody's scope: for the
 * housekeeping of what outlives requests, such as connecting for a pool. It is
 * cancelled when the loop's first fiber has ended. Its arena is the loop's,
 * which only grows: one that allocates should use its own.
 *
 * In the loop or in a fiber; does not suspend. Returns 0, ED_ENOMEM, or
 * ED_ECLOSED when the first fiber has ended.
 */
#define ed_background(fn, arg) ed_background_at_((fn), (arg), #fn, ED_PLACE_)
ED_CHECK int ed_background_at_(ed_fn *fn, void *arg, const char *name,
                               const char *place);

/* ed_error(), if it belongs to that error and not to an earlier one; else "".
 * For logs. */
const char *ed_error_of(int err);

/* Notes that a fiber could not be started in the scope, as a failed child is
 * noted, so that ed_wait() returns it. Returns `err`. */
int ed_scope_refuse(ed_scope *scope, int err, const char *name,
                    const char *place);

/* The arena of the fibers that are started in a scope: that of the fiber it
 * belongs to. Not of a loop's root. */
ed_arena *ed_scope_arena(const ed_scope *scope);

/* Cancels one fiber (its base scope) with ED_ECANCELED or ED_ETIMEOUT. */
void ed_fiber_cancel(ed_fiber *fiber, int err);
void ed_scope_cancel_with(ed_scope *scope, int err);

/* ---- the loop ---- */

/* Called once, in the loop, at the end of the turn in which it was asked for:
 * output of a turn is written then, coalesced. */
struct ed_deferred {
    struct ed_deferred *next;
    void (*run)(struct ed_deferred *deferred);
    bool queued;
};
void ed_defer(ed_loop *loop, struct ed_deferred *deferred);
/* Takes it back, if it was put off: for owners that go away. */
void ed_undefer(ed_loop *loop, struct ed_deferred *deferred);

/* The loop's scratch memory, in which data lies that was just received. */
#define ED_SCRATCH_BYTES (64 * 1024)

/* Reads the clock anew: for deadlines, which should not begin in the past. A
 * virtual clock stands still. */
int64_t ed_loop_now_exact(ed_loop *loop);

/* The process it runs in. A child that shares this one's memory (vfork()), or
 * that no handler of forks knows of (_Fork(), clone()), is another. */
pid_t ed_loop_process(const ed_loop *loop);
/* In the child of a fork, which may go on with its copy of the loop. */
void ed_loop_forked(ed_loop *loop);

/* Says that `n` posts more (or fewer, if negative) are to come from other
 * threads or processes: a virtual clock does not jump while any is. */
void ed_loop_expect(ed_loop *loop, int n);

/* Things that live as long as the loop, made when first needed (a resolver, a
 * connection pool): a slot by the address of a static key. `close` is called
 * in the first fiber's place when the loop ends, last set first; it may not
 * suspend. */
void *ed_loop_get(ed_loop *loop, const void *key);
ED_CHECK int ed_loop_set(ed_loop *loop, const void *key, void *value,
                         void (*close)(void *value));

#endif
