/*
 * loop.c - the turning of a loop: run what can run, write what was put off,
 * wait for I/O and timers, again.
 *
 * Owns the loop of a thread from ed_run() to its end.
 */
#include "base/options.h"
#include "core/loop_internal.h"
#include "core/overflow.h"
#include "core/sanitizer.h"

#include <eddy/clock.h>
#include <eddy/log.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    /* Fibers run between two looks at I/O, and how often the clock is read
     * meanwhile: often enough for I/O to wait a millisecond at most, rarely
     * enough for two fibers handing something to and fro not to pay for it. */
    RUNS_A_TURN = 256,
    RUNS_A_CLOCK = 8,
    /* Turns for which timers wait while more comes in than is looked at in
     * one: after this many they are due although it never ends. */
    FULL_POLLS_A_CLOCK = 16,
};
static const int64_t LONGEST_TURN = 1 * ED_MS;
/* Unused stacks are looked after this long after the last time. */
static const int64_t TRIM_EVERY = 10 * ED_S;
/* Between two parts of that, in which others run. */
static const int64_t TRIM_PAUSE = 2 * ED_MS;
static const size_t LEAST_STACK = 16 * 1024;
static const size_t DEFAULT_STACK = 256 * 1024;
static const int64_t DEFAULT_BLOCKED_AFTER = 100 * ED_MS;

_Thread_local ed_loop *ed_loop_tls;

struct ed_kept {
    struct ed_kept *next;
    const void *key;
    void *value;
    void (*close)(void *value);
};

ed_loop *ed_loop_current(void)
{
    return ed_loop_tls;
}

int64_t ed_now(void)
{
    return ed_loop_tls ? ed_loop_tls->now : ed_clock_monotonic();
}

int64_t ed_loop_now_exact(ed_loop *loop)
{
    return loop->virtual_clock ? loop->now : ed_clock_monotonic();
}

pid_t ed_loop_process(const ed_loop *loop)
{
    return loop->process;
}

void ed_loop_forked(ed_loop *loop)
{
    loop->process = getpid();
    atomic_store(&loop->posting, 0); /* by threads of the parent's */
}

/* ---- what lives as long as the loop ---- */

void *ed_loop_get(ed_loop *loop, const void *key)
{
    for (struct ed_kept *k = loop->kept; k; k = k->next) {
        if (k->key == key)
            return k->value;
    }
    return NULL;
}

int ed_loop_set(ed_loop *loop, const void *key, void *value,
                void (*close)(void *value))
{
    struct ed_kept *k = malloc(sizeof *k);
    if (!k)
        return ED_ENOMEM;
    *k = (struct ed_kept){loop->kept, key, value, close};
    loop->kept = k;
    return 0;
}

static void close_kept(ed_loop *loop)
{
    while (loop->kept) {
        struct ed_kept *k = loop->kept;
        loop->kept = k->next;
        k->close(k->value);
        free(k);
    }
}

/* ---- put off to the end of the turn ---- */

void ed_defer(ed_loop *loop, struct ed_deferred *deferred)
{
    if (deferred->queued)
        return;
    deferred->queued = true;
    deferred->next = NULL;
    *loop->deferred_end = deferred;
    loop->deferred_end = &deferred->next;
}

void ed_undefer(ed_loop *loop, struct ed_deferred *deferred)
{
    if (!deferred->queued)
        return;
    deferred->queued = false;
    struct ed_deferred **at = &loop->deferred;
    while (*at != deferred)
        at = &(*at)->next;
    *at = deferred->next;
    if (!*at)
        loop->deferred_end = at;
}

void ed_run_deferred(ed_loop *loop)
{
    while (loop->deferred) {
        struct ed_deferred *d = loop->deferred;
        loop->deferred = d->next;
        if (!loop->deferred)
            loop->deferred_end = &loop->deferred;
        d->queued = false;
        d->run(d);
    }
}

/* ---- posts ---- */

bool ed_loop_push(ed_loop *loop, struct ed_post *post)
{
    struct ed_post *first =
        atomic_load_explicit(&loop->posts, memory_order_relaxed);
    do {
        post->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&loop->posts, &first, post,
                                                    memory_order_seq_cst,
                                                    memory_order_relaxed));
    return !first;
}

void ed_loop_ring(int fd)
{
    int saved = errno;
    uint64_t one = 1;
    ssize_t n;
    do
        n = write(fd, &one, sizeof one);
    while (n < 0 && errno == EINTR);
    errno = saved;
}

void ed_loop_post(ed_loop *loop, struct ed_post *post)
{
    /* Once it is posted the loop may end; but not while this writes to what by
     * then could be anybody's descriptor. */
    atomic_fetch_add(&loop->posting, 1);
    /* Whoever made the list non-empty wakes the loop. */
    if (ed_loop_push(loop, post))
        ed_loop_ring(loop->wake_io.fd);
    atomic_fetch_sub(&loop->posting, 1);
}

/* In a child made meanwhile nobody will come to the end of it. */
static void await_posting(const ed_loop *loop)
{
    while (atomic_load(&loop->posting) && loop->process == getpid())
        sched_yield();
}

static void run_posts(ed_loop *loop)
{
    struct ed_post *newest =
        atomic_exchange_explicit(&loop->posts, NULL, memory_order_acquire);
    struct ed_post *oldest = NULL;
    while (newest) {
        struct ed_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct ed_post *post = oldest;
        oldest = post->next;
        post->run(post);
    }
}

static ssize_t await_posts(ed_loop *loop)
{
    ssize_t n;
    do
        n = ed_io_start(&loop->wake_io, &loop->wake_op);
    while (n > 0);
    return n;
}

static void woken(struct ed_op *op, ssize_t result)
{
    (void)result;
    ed_loop *loop = op->user;
    ssize_t pending = await_posts(loop);
    (void)pending; /* cannot fail: the descriptor is registered */
    run_posts(loop);
}

static int open_wake(ed_loop *loop)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = ed_io_open(loop, &loop->wake_io, fd);
    if (err) {
        close(fd);
        return err;
    }
    loop->wake_iov = (struct iovec){&loop->wakes, sizeof loop->wakes};
    loop->wake_op = (struct ed_op){
        .done = woken,
        .user = loop,
        .kind = ED_OP_READ,
        .iov = &loop->wake_iov,
        .iov_count = 1,
    };
    ssize_t started = await_posts(loop);
    return started == ED_IO_PENDING ? 0 : (int)started;
}

void ed_loop_expect(ed_loop *loop, int n)
{
    loop->expected += n;
}

/* ---- turning ---- */

static void run_ready(ed_loop *loop)
{
    int64_t began = loop->turn_began;
    for (int runs = 1; loop->ready; runs++) {
        ed_fiber *f = loop->ready;
        loop->ready = f->next;
        if (!loop->ready)
            loop->ready_end = &loop->ready;
        ed_fiber_switch_in(loop, f);
        if (runs == RUNS_A_TURN || loop->turn_over)
            return;
        if (runs % RUNS_A_CLOCK == 0 && !loop->virtual_clock &&
            ed_clock_monotonic() - began > LONGEST_TURN)
            return;
    }
}

/* How long I/O may be waited for: negative for ever. */
static int64_t patience(const ed_loop *loop)
{
    if (loop->ready || loop->deferred)
        return 0;
    int64_t next = ed_timers_next(&loop->timers);
    if (next == INT64_MAX)
        return -1;
    if (loop->virtual_clock)
        return loop->expected ? -1 : 0;
    int64_t left = next - ed_clock_monotonic();
    return left > 0 ? left : 0;
}

/* A virtual clock waits for I/O that led to more I/O. */
static void advance_clock(ed_loop *loop, bool io)
{
    if (!loop->virtual_clock) {
        loop->now = loop->turn_began = ed_clock_monotonic();
        return;
    }
    int64_t next = ed_timers_next(&loop->timers);
    if (!io && !loop->ready && !loop->deferred && !loop->expected &&
        next != INT64_MAX && next > loop->now)
        loop->now = next;
}

static void turn(ed_loop *loop)
{
    run_ready(loop);
    ed_run_deferred(loop);
    if (!loop->fiber_count)
        return;
    loop->immediate = 0;
    loop->turn_over = false;
    bool io = ed_backend_poll(loop, patience(loop));
    /* Who posts to a loop that is awake does not ring. */
    if (loop->share &&
        atomic_load_explicit(&loop->posts, memory_order_relaxed)) {
        run_posts(loop);
        io = true;
    }
    advance_clock(loop, io);
    /* What has come in is not late because nobody has looked at it yet. */
    if (loop->full_polls % FULL_POLLS_A_CLOCK == 0)
        ed_timers_fire(loop, loop->now);
}

static void trim(struct ed_timer *timer)
{
    ed_loop *loop = ED_CONTAINER(timer, ed_loop, trim_timer);
    loop->trim_armed = ed_stacks_trim(loop) &&
                       ed_timer_start(loop, timer, loop->now + TRIM_PAUSE) == 0;
}

void ed_loop_trim_later(ed_loop *loop)
{
    if (loop->trim_armed || loop->virtual_clock)
        return;
    loop->trim_timer.fire = trim;
    loop->trim_armed =
        ed_timer_start(loop, &loop->trim_timer, loop->now + TRIM_EVERY) == 0;
}

/* ---- a loop's life ---- */

struct first {
    ed_fn *fn;
    void *arg;
    int result;
};

static int run_first(void *arg)
{
    struct first *first = arg;
    first->result = first->fn(first->arg);
    ed_scope_cancel_with(&ed_loop_tls->root, ED_ECANCELED);
    return 0;
}

int ed_background_at_(ed_fn *fn, void *arg, const char *name, const char *place)
{
    ed_loop *loop = ed_loop_tls;

    if (loop->root.cancelled)
        return ED_ECLOSED;
    ed_fiber *f = ed_fiber_new(loop, &loop->root, fn, arg, name, place);
    if (!f)
        return ED_ENOMEM;
    ed_fiber_ready(f);
    return 0;
}

static size_t stack_bytes(size_t asked)
{
    size_t page = ed_stack_guard_bytes();
    size_t bytes = asked ? asked : DEFAULT_STACK;
    if (bytes < LEAST_STACK)
        bytes = LEAST_STACK;
    return (bytes + page - 1) / page * page;
}

/* What helps to find errors is not worth refusing to run for. */
static void watch(ed_loop *loop, const struct ed_run_options *options)
{
    int64_t blocked_after = options->blocked_after;
    if (options->no_signals)
        return;
    int err = ed_overflow_enter();
    if (err)
        ed_log_warn("stack overflows will not be named: %s", ed_err_text(err));
    if (!blocked_after)
        blocked_after = loop->virtual_clock ? -1 : DEFAULT_BLOCKED_AFTER;
    if (blocked_after < 0)
        return;
    err = ed_monitor_start(&loop->monitor, blocked_after);
    if (err)
        ed_log_warn("blocked loops will not be seen: %s", ed_err_text(err));
}

static int loop_open(ed_loop *loop, const struct ed_run_options *options)
{
    loop->ready_end = &loop->ready;
    loop->deferred_end = &loop->deferred;
    loop->virtual_clock = options->virtual_clock;
    loop->process = getpid();
    loop->now = loop->turn_began = ed_clock_monotonic();
    loop->stacks.stack_bytes = stack_bytes(options->stack_bytes);
    ed_list_init(&loop->fibers);
    ed_scope_init(&loop->root, NULL, NULL);
    loop->root.name = "root";
    loop->root.independent = true;
    loop->poll_fd = -1;
    loop->wake_io.fd = -1;
    loop->arena = ed_arena_new(0);
    loop->scratch = malloc(ED_SCRATCH_BYTES);
    if (!loop->arena || !loop->scratch)
        return ED_ENOMEM;
    int err = ed_timers_open(&loop->timers);
    if (!err)
        err = ed_backend_open(loop);
    if (!err)
        err = open_wake(loop);
    if (!err)
        watch(loop, options);
    return err;
}

static void loop_close(ed_loop *loop)
{
    ed_monitor_stop(&loop->monitor);
    close_kept(loop);
    await_posting(loop);
    if (loop->wake_io.fd >= 0)
        ed_io_close(&loop->wake_io);
    ed_backend_close(loop);
    ed_overflow_leave();
    ed_stacks_free(&loop->stacks);
    free(loop->timers.slots);
    free(loop->scratch);
    if (loop->arena)
        ed_arena_free(loop->arena);
    /* Handlers of signals look at this thread's loop. */
    ed_loop_tls = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    free(loop);
}

int ed_run_with(ed_fn *fn, void *arg, const struct ed_run_options *given)
{
    ED_OPTIONS_TAKE(struct ed_run_options, options, given);
    if (ed_loop_tls)
        return ED_EUSAGE;
    ed_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return ED_ENOMEM;

    struct first first = {fn, arg, 0};
    int err = loop_open(loop, &options);
    ed_loop_tls = loop;
    if (!err) {
        ed_fiber *f = ed_fiber_new(loop, &loop->root, run_first, &first, "main",
                                   "ed_run");
        if (f)
            ed_fiber_ready(f);
        else
            err = ED_ENOMEM;
    }
    if (!err) {
        while (loop->fiber_count)
            turn(loop);
        err = first.result;
    }
    loop_close(loop);
    return err;
}
