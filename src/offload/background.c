/*
 * background.c - the loop that the tickets' work runs in: a thread of our own,
 * or a host's; its beginning, its end, and forks.
 *
 * The loop is served by one fiber, whose scope all work belongs to: when it is
 * told to stop, or the host's loop ends, it leaves the scope, which cancels
 * what is under way and waits for it. Then it gives back what lives there.
 *
 * A fork happens while the loop stands still and nobody holds the lock. In the
 * child there is no loop, no work, and a new generation, by which tickets know
 * that they are the parent's.
 */
#include "offload/ticket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <eddy/clock.h>
#include <eddy/log.h>
#include <eddy/sync.h>
#include "base/moment.h"
#include "base/options.h"
#include "core/share.h"
#include "core/thread.h"
#include "net/tls.h"

/* Who forks waits so long for the loop to stand still. A step takes no longer
 * than a millisecond or so, unless foreign code in it waits for who forks. */
#define FORK_PATIENCE (100 * ED_MS)

/* exit() waits for the work under way to end: long enough for goodbyes within a
 * machine, and not so long that anybody would miss it. */
#define EXIT_PATIENCE (1 * ED_S)

/* What is still to be delivered when the work has ended, at one time. */
#define DELIVERY_PATIENCE (1 * ED_S)

static void take_up(struct ed_post *unused);

struct ed_offload_loop ed_offload_loop = {
    .queue = {&ed_offload_loop.queue, &ed_offload_loop.queue},
    .cancels = {&ed_offload_loop.cancels, &ed_offload_loop.cancels},
    .releases = {&ed_offload_loop.releases, &ed_offload_loop.releases},
    .homed = {&ed_offload_loop.homed, &ed_offload_loop.homed},
    .pending = {&ed_offload_loop.pending, &ed_offload_loop.pending},
    .max_pending = ED_OFFLOAD_PENDING,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* of the state */
static struct ed_share share;
static struct ed_post post = {.run = take_up};
static ed_event stop; /* the loop's thread's */
static pthread_t thread;
static bool to_join;  /* there is a thread that ended, or will */
static int failed;    /* why the last start did */
static uint64_t ends; /* of loops, ours or a host's */

/* In the loop's thread, and there alone. */
static _Thread_local bool inside;

static void prepare_once(void);

/* Without the handlers of forks a child could find it locked, and nobody there
 * to unlock it. */
void ed_offload_lock(void)
{
    prepare_once();
    pthread_mutex_lock(&lock);
}

void ed_offload_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

bool ed_offload_inside(void)
{
    return inside;
}

void ed_offload_step_out(void)
{
    if (inside)
        ed_share_leave(&share);
}

void ed_offload_step_in(void)
{
    if (inside)
        ed_share_return(&share);
}

/* ---- waking the loop ---- */

void ed_offload_nudge(void)
{
    struct ed_offload_loop *o = &ed_offload_loop;

    if (!o->loop || o->posted)
        return;
    o->posted = true;
    ed_share_post(&share, o->loop, &post);
}

static void take_up(struct ed_post *unused)
{
    (void)unused;
    ed_offload_take_up();
    /* Only now: who stops it before the post counts as taken posts no other. */
    ed_offload_lock();
    bool end = ed_offload_loop.stopping;
    ed_offload_unlock();
    if (end)
        ed_event_set(&stop);
}

/* ---- serving ---- */

static void set_state(enum ed_offload_state state)
{
    ed_offload_loop.state = state;
    pthread_cond_broadcast(&changed);
}

static void open_for_work(ed_scope *work)
{
    struct ed_offload_loop *o = &ed_offload_loop;

    inside = true;
    ed_share_begin(&share);
    ed_event_clear(&stop);
    ed_offload_lock();
    o->loop = ed_loop_current();
    o->scope = work;
    o->starts++;
    set_state(ED_OFFLOAD_RUNNING);
    ed_offload_nudge();
    ed_offload_unlock();
}

static void close_for_work(void)
{
    ed_offload_lock();
    ed_offload_loop.scope = NULL;
    /* A loop that ends by itself is not replaced by a thread. */
    ed_offload_loop.stopping = ed_offload_loop.stopped = true;
    ed_offload_unlock();
    ed_offload_refuse_queued(ED_ESTOPPED);
}

static bool quiet(void)
{
    ed_offload_lock();
    bool posted = ed_offload_loop.posted;
    ed_offload_unlock();
    return !posted && !ed_offload_undelivered();
}

/* The loop itself delivers, and takes up what was left to it. */
static void let_deliver(void)
{
    ed_shield(s, DELIVERY_PATIENCE);

    while (!quiet() && !ed_yield())
        ;
}

/* Nobody posts from now on. False when somebody has at the last moment. */
static bool leave_loop(void)
{
    struct ed_offload_loop *o = &ed_offload_loop;

    ed_offload_lock();
    bool posted = o->posted;
    if (!posted) {
        o->loop = NULL;
        o->wakeups += atomic_exchange(&share.wakeups, 0);
    }
    ed_offload_unlock();
    return !posted;
}

static void work_until_stopped(void)
{
    ed_scope(work, .independent = true, .name = "offload");

    open_for_work(work);
    int err = ed_event_wait(&stop);
    (void)err; /* the host's loop ends, which comes to the same */
    close_for_work();
}

static int serve(void *unused)
{
    (void)unused;
    work_until_stopped();
    let_deliver();
    ed_offload_free_homed();
    while (!leave_loop())
        let_deliver();
    ed_share_end(&share);
    inside = false;
    return 0;
}

/* ---- a thread of our own ---- */

/* Under the lock, which it lets go of meanwhile. The loop could not be made,
 * and nobody else will see to these. */
static void fail_queued(int err)
{
    struct ed_list *queue = &ed_offload_loop.queue;

    while (!ed_list_empty(queue)) {
        ed_ticket *t = ED_CONTAINER(ed_list_take(queue), ed_ticket, next);
        ed_offload_unlock();
        ed_offload_deliver(t, err);
        ed_ticket_free(t);
        ed_offload_lock();
    }
}

/* The lock is not needed after it: whoever joins the thread holds it. */
static void ended(int err)
{
    ed_offload_lock();
    fail_queued(err ? err : ED_ESTOPPED);
    failed = err;
    ed_offload_loop.adopted = false;
    ed_offload_loop.stopping = false;
    ends++;
    set_state(ED_OFFLOAD_NONE);
    ed_offload_unlock();
}

static void *run_thread(void *unused)
{
    (void)unused;
    ed_offload_lock();
    size_t stack_bytes = ed_offload_loop.stack_bytes;
    ed_offload_unlock();
    int err =
        ed_run(serve, NULL, .no_signals = true, .stack_bytes = stack_bytes);
    ended(err);
    return NULL;
}

static void at_exit(void)
{
    ed_offload_lock();
    ed_offload_loop.exiting = true;
    ed_offload_unlock();
    (void)ed_offload_stop(EXIT_PATIENCE);
    ed_stash_clear();
    ed_ticket_flush_log();
}

static void before_fork(void);
static void after_fork_in_parent(void);
static void after_fork_in_child(void);

/* Handlers of forks run in the reverse order in which they were given, those of
 * the end as well: what the loop's thread may use has to be there before. In
 * the child of a fork meanwhile this is done again, from its beginning; the
 * handlers come last so that it does not have them twice. */
static void prepare(void)
{
    ed_share_init(&share);
    ed_blocking_prepare();
    ed_tls_prepare();
    atexit(at_exit);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void prepare_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, prepare);
}

static int may_start(void)
{
    const struct ed_offload_loop *o = &ed_offload_loop;

    return o->stopped || o->stopping || o->exiting ? ED_ESTOPPED : 0;
}

static void join_ended(void)
{
    if (to_join)
        pthread_join(thread, NULL);
    to_join = false;
}

int ed_offload_need(void)
{
    struct ed_offload_loop *o = &ed_offload_loop;
    int err = may_start();

    if (err || o->state != ED_OFFLOAD_NONE)
        return err;
    join_ended();
    err = ed_thread_start(&thread, "eddy-offload", run_thread, NULL);
    if (err)
        return err;
    to_join = true;
    set_state(ED_OFFLOAD_STARTING);
    return 0;
}

/* ---- starting, adopting, stopping ---- */

static void take_limits(const struct ed_offload_start_options *options)
{
    if (options->stack_bytes)
        ed_offload_loop.stack_bytes = options->stack_bytes;
    if (options->max_pending)
        ed_offload_loop.max_pending = options->max_pending;
    ed_stash_limit(options->max_stashed, options->stash_time);
}

int ed_offload_start_with(const struct ed_offload_start_options *given)
{
    ED_OPTIONS_TAKE(struct ed_offload_start_options, options, given);
    struct ed_offload_loop *o = &ed_offload_loop;

    ed_offload_lock();
    take_limits(&options);
    o->stopped = o->stopping;
    int err = ed_offload_need();
    while (!err && o->state == ED_OFFLOAD_STARTING && !inside)
        pthread_cond_wait(&changed, &lock);
    if (!err && o->state == ED_OFFLOAD_NONE)
        err = failed;
    ed_offload_unlock();
    return err;
}

static int serve_host(void *unused)
{
    (void)serve(unused);
    ended(0);
    return 0;
}

int ed_offload_adopt(void)
{
    struct ed_offload_loop *o = &ed_offload_loop;

    if (!ed_loop_current())
        return ED_EUSAGE;
    ed_offload_lock();
    int err = o->exiting                    ? ED_ESTOPPED
              : o->state != ED_OFFLOAD_NONE ? ED_EUSAGE
                                            : 0;
    if (!err)
        err = ed_background(serve_host, NULL);
    if (!err) {
        inside = true;
        o->adopted = true;
        o->stopped = false;
        set_state(ED_OFFLOAD_STARTING);
    }
    ed_offload_unlock();
    return err == ED_ECLOSED ? ED_ESTOPPED : err;
}

/* Under the lock. Those that wait for what will not end soon wait no more. */
static void give_up(void)
{
    ed_list_each (link, &ed_offload_loop.pending) {
        ed_ticket *t = ED_CONTAINER(link, ed_ticket, link);
        t->given_up = true;
        ed_ticket_wake(t, ED_ESTOPPED);
    }
}

/* Under the lock, which it lets go of while it waits. Another loop may have
 * been started when this thread has its turn. */
static int await_end(int64_t within)
{
    uint64_t before = ends;
    int64_t until =
        within < 0 ? INT64_MAX : ed_moment_after(ed_clock_monotonic(), within);
    struct timespec at = {until / ED_S, until % ED_S};
    int err = 0;

    while (ends == before && !err)
        err = pthread_cond_clockwait(&changed, &lock, CLOCK_MONOTONIC, &at);
    if (ends == before) {
        give_up();
        return ED_ETIMEOUT;
    }
    if (ed_offload_loop.state == ED_OFFLOAD_NONE)
        join_ended();
    return 0;
}

int ed_offload_stop(int64_t within)
{
    struct ed_offload_loop *o = &ed_offload_loop;
    int err = 0;

    ed_offload_lock();
    o->stopped = true;
    if (o->state != ED_OFFLOAD_NONE) {
        o->stopping = true;
        ed_offload_nudge();
        if (inside)
            err = -EDEADLK;
        else if (!o->adopted)
            err = await_end(within);
    }
    ed_offload_unlock();
    return err;
}

static void count_homed(struct ed_offload_counts *counts)
{
    ed_list_each (link, &ed_offload_loop.homed) {
        counts->at_home++;
        counts->remade += ED_CONTAINER(link, ed_ticket, link)->remade;
    }
}

void ed_offload_counts(struct ed_offload_counts *counts)
{
    const struct ed_offload_loop *o = &ed_offload_loop;

    ed_offload_lock();
    *counts = (struct ed_offload_counts){
        .running = o->loop != NULL,
        .adopted = o->adopted,
        .starts = o->starts,
        .calls = o->calls,
        .wakeups = o->wakeups + atomic_load(&share.wakeups),
        .uncollected = ed_ticket_uncollected(),
        .pending = o->pending_count,
        .stashed = ed_stash_count(),
    };
    count_homed(counts);
    ed_offload_unlock();
}

/* ---- forks ---- */

/* Whether the loop stands still for it; under the lock. */
static bool held;

/* The loop's own thread stands still by itself. */
static void before_fork(void)
{
    bool holds = !inside && ed_share_hold(&share, FORK_PATIENCE);

    pthread_mutex_lock(&lock);
    held = holds;
}

static void after_fork_in_parent(void)
{
    bool holds = held;

    ed_offload_unlock();
    if (holds)
        ed_share_release(&share);
}

static void after_fork_in_child(void)
{
    struct ed_offload_loop *o = &ed_offload_loop;

    pthread_cond_init(&changed, NULL); /* those who waited are not here */
    ed_share_abandon(&share, o->loop, held || inside);
    o->loop = NULL;
    o->scope = NULL;
    o->posted = o->adopted = o->stopped = o->exiting = false;
    o->state = ED_OFFLOAD_NONE;
    o->generation++;
    o->stopping = to_join = false;
    inside = false;
    memset(&stop, 0, sizeof stop);
    ed_offload_forget_work();
    ed_ticket_wake_forked();
    ed_offload_unlock();
}

void ed_offload_check_fork(void)
{
    if (ed_loop_current())
        return;
    ed_log_error("process %d was forked on the loop's own thread, and has to"
                 " end there: it does now",
                 (int)getpid());
    _exit(EXIT_FAILURE);
}
