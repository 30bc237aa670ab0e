/*
 * monitor.h - sees a loop that stands still, and says who holds it.
 *
 * The loop counts its steps; a thread of its own, one per process, looks at
 * the counts a few times per limit. A count that does not move while the loop
 * is busy means that one step takes too long: the loop's thread is sent a
 * signal, whose handler notes the stack, and the thread writes it to the log.
 *
 * The signal is the highest real-time signal nobody has a handler for. System
 * calls it interrupts are restarted where the system can do so; sleep() and
 * poll() cannot be and may return EINTR, a loop's thread being no place for
 * them.
 */
#ifndef EDDY_CORE_MONITOR_H
#define EDDY_CORE_MONITOR_H

#include <stdatomic.h>
#include <eddy/api.h>
#include "base/list.h"

struct ed_monitor_sample;

/* The exit status of a process whose loop hung. */
#define ED_EXIT_HUNG 86

/* What is to be done once a hang was reported, before the process ends by
 * _exit(ED_EXIT_HUNG): it may end it otherwise, by abort() for a core dump. On
 * the watching thread, while the loop's is held with whatever it has locked. */
typedef void ed_hang_fn(void *arg);

/* A loop that stands still, or has done so. */
struct ed_block {
    uint64_t number; /* of those of this process, from 1 */
    int64_t lasted;  /* so far; ns */
    bool over;       /* the loop runs again */
    /* Where it stood when it was looked at; until the function told of it
     * returns. NULL: that was not to be seen (it is over, or in the kernel). */
    const char *names; /* of functions, innermost first: "slow < page" */
    const char *fiber; /* NULL: outside of any */
    const char *place; /* where that was started; NULL as `fiber` */
};

typedef void ed_block_fn(const struct ed_block *block, void *arg);

/* One per loop, embedded in it, zero before it is started. */
struct ed_monitor {
    /* Steps taken, times two; the lowest bit is set while the loop sleeps.
     * Written by the loop's thread only. */
    _Atomic uint64_t steps;

    /* The rest belongs to monitor.c. */
    struct ed_list link;
    int64_t limit;
    pid_t thread;
    uint64_t seen;      /* steps at the last look */
    int64_t seen_since; /* when they were first that many */
    int64_t report_at;  /* how long they must last for the next report */
    uint64_t reported;  /* the number of what was; 0: nothing */
    int64_t hang_limit; /* 0: none */
    ed_hang_fn *on_hang;
    void *on_hang_arg;
    struct ed_monitor_sample *sample;
};

/* A new step begins: a fiber is about to run, or events to be handled. */
static inline void ed_monitor_busy(struct ed_monitor *monitor)
{
    uint64_t steps =
        atomic_load_explicit(&monitor->steps, memory_order_relaxed);
    atomic_store_explicit(&monitor->steps, (steps | 1) + 1,
                          memory_order_relaxed);
}

/* The loop is about to wait for events, for as long as it takes. */
static inline void ed_monitor_idle(struct ed_monitor *monitor)
{
    uint64_t steps =
        atomic_load_explicit(&monitor->steps, memory_order_relaxed);
    atomic_store_explicit(&monitor->steps, steps | 1, memory_order_relaxed);
}

/*
 * Has the calling thread's loop watched. `limit_ns` is how long one step may
 * take. Returns 0, or
 *   -EAGAIN    the watching thread could not be started
 *   ED_ENOMEM
 *   -EBUSY     every real-time signal is taken
 */
ED_CHECK int ed_monitor_start(struct ed_monitor *monitor, int64_t limit_ns);

/* Ends that; by the thread that started it. Nothing to do when it was not
 * started. The last one ends the watching thread, too. */
void ed_monitor_stop(struct ed_monitor *monitor);

/*
 * Ends the process when one step of the calling thread's loop takes as long as
 * that: the log gets the stack that hangs, its fiber, and what
 * ed_report_set_extra() adds; then `fn` is called, unless it is NULL; then the
 * process ends with ED_EXIT_HUNG, without exit handlers. Time in which the
 * whole process did not run (stopped, starved) does not count. 0 takes it back.
 *
 * A hang in the middle of writing to a log that nobody reads cannot be told:
 * who starts such a process should look after it from outside as well.
 *
 * In a loop's thread; does not suspend. Returns 0, ED_EUSAGE outside of a loop
 * or for a negative limit, or as ed_monitor_start().
 */
ED_CHECK int ed_loop_on_hang(int64_t limit_ns, ed_hang_fn *fn, void *arg);

/*
 * Has fn(block, arg) told of each loop of this process that stands still: when
 * the log first says so, each time it does again, and when it is over. On the
 * watching thread, which looks at no loop meanwhile: it must not wait. NULL
 * takes that back; fn is then not under way any more. Any thread.
 */
void ed_monitor_on_block(ed_block_fn *fn, void *arg);

/* How often a loop of this process stood still, since it began. Any thread. */
uint64_t ed_monitor_blocked_count(void);

#endif
