/*
 * monitor.c - the thread that watches loops, and the signal handler that
 * notes where a loop stands.
 *
 * Two locks: `life` is held while the thread is started or ended, `lock`
 * guards the list of loops and is held by the thread while it looks. What the
 * handler writes is handed over by the sample's stage, not by a lock.
 */
#include "core/monitor.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include "base/log_safe.h"
#include "core/frames.h"
#include "core/loop_internal.h"
#include "core/report.h"
#include "core/runtime.h"
#include "core/sanitizer.h"
#include "core/symbol.h"
#include "core/thread.h"

/* A loop is looked at this often within its limit: what lasts 1.25 limits is
 * never missed. */
#define LOOKS_PER_LIMIT 4
#define SHORTEST_PERIOD (1 * ED_MS)

/* A thread that does not run a handler for this long waits in the kernel for
 * what no signal interrupts. */
#define SAMPLE_WAIT (200 * ED_MS)

enum stage { NOTHING, ASKED, TAKING, TAKEN };

/* Where a loop stood. Filled in by its thread's handler. */
struct ed_monitor_sample {
    _Atomic int stage;
    uint64_t steps;    /* the step that is asked about */
    bool missed;       /* it was over when the handler ran */
    _Atomic bool hold; /* the thread is not to go on from there */
    struct ed_frames frames;
    char name[64]; /* of the fiber */
    char place[192];
};

static struct {
    pthread_mutex_t life;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ed_list monitors;
    pthread_t thread;
    int64_t looked; /* when last */
    bool running;
    bool stop;
    int signo; /* 0: none yet */
    sem_t taken;
    ed_block_fn *on_block;
    void *on_block_arg;
} watch = {
    .life = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .changed = PTHREAD_COND_INITIALIZER,
    .monitors = {&watch.monitors, &watch.monitors},
};

static _Atomic uint64_t blocked_count;
static _Thread_local struct ed_monitor *mine;

uint64_t ed_monitor_blocked_count(void)
{
    return atomic_load_explicit(&blocked_count, memory_order_relaxed);
}

/* ---- in the handler: only what may be done in one ---- */

static void copy_text(char *to, size_t size, const char *from)
{
    size_t len = 0;

    for (; from && from[len] && len < size - 1; len++)
        to[len] = from[len];
    to[len] = '\0';
}

static void note_fiber(void *arg)
{
    struct ed_monitor_sample *sample = arg;
    const ed_fiber *fiber = ed_fiber_self();

    copy_text(sample->name, sizeof sample->name, fiber ? fiber->name : NULL);
    copy_text(sample->place, sizeof sample->place, fiber ? fiber->place : NULL);
}

static void take_sample(int signo, siginfo_t *info, void *context)
{
    struct ed_monitor *monitor = mine;
    int saved = errno;
    int asked = ASKED;

    (void)signo;
    if (info->si_code == SI_TIMER)
        ed_report_leave();
    if (!monitor || !atomic_compare_exchange_strong(&monitor->sample->stage,
                                                    &asked, TAKING))
        return;
    struct ed_monitor_sample *sample = monitor->sample;
    sample->missed =
        sample->steps !=
        atomic_load_explicit(&monitor->steps, memory_order_relaxed);
    sample->name[0] = sample->place[0] = '\0';
    ed_frames_take(&sample->frames, context);
    (void)ed_report_try(note_fiber, sample);
    atomic_store_explicit(&sample->stage, TAKEN, memory_order_release);
    sem_post(&watch.taken);
    /* What it stands in may not change while that is told. */
    while (!sample->missed && atomic_load(&sample->hold))
        pause();
    errno = saved;
}

static void accept_signal(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, watch.signo);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- in the watching thread ---- */

static struct timespec in(int64_t ns)
{
    int64_t at = ed_clock_monotonic() + ns;

    return (struct timespec){at / ED_S, at % ED_S};
}

/* Has the loop's thread note where it stands. False: it does not react. */
static bool sample_taken(struct ed_monitor *monitor)
{
    struct ed_monitor_sample *sample = monitor->sample;
    struct timespec until = in(SAMPLE_WAIT);
    int asked = ASKED;

    while (!sem_trywait(&watch.taken))
        ; /* of a handler that came too late for an earlier question */
    sample->steps = monitor->seen;
    atomic_store_explicit(&sample->stage, ASKED, memory_order_release);
    syscall(SYS_tgkill, getpid(), monitor->thread, watch.signo);
    while (sem_clockwait(&watch.taken, CLOCK_MONOTONIC, &until) &&
           errno == EINTR)
        ;
    /* One that is to be held is held if it comes later, too. */
    if (atomic_load(&sample->hold) && atomic_load(&sample->stage) == ASKED)
        return false;
    if (atomic_compare_exchange_strong(&sample->stage, &asked, NOTHING))
        return false;
    while (atomic_load_explicit(&sample->stage, memory_order_acquire) != TAKEN)
        sched_yield();
    return true;
}

/* Names at once: lines of code may take longer to find than the block lasts. */
static void log_blocked(const struct ed_monitor_sample *sample,
                        const struct ed_safe_line *names, int64_t lasted)
{
    int ms = (int)(lasted / ED_MS);

    if (sample->frames.fn)
        ed_log_warn("loop blocked for %d ms by fiber '%s' (started at %s)", ms,
                    sample->name, sample->place);
    else
        ed_log_warn("loop blocked for %d ms outside any fiber", ms);
    ed_log_warn("    in %s", names->text);
    ed_frames_log(&sample->frames);
}

static void tell_block(const struct ed_block *block)
{
    if (watch.on_block)
        watch.on_block(block, watch.on_block_arg);
}

/* `names`: NULL if it is not known where it stands. */
static void tell_standing(const struct ed_monitor *monitor, int64_t lasted,
                          const struct ed_safe_line *names)
{
    const struct ed_monitor_sample *sample = monitor->sample;
    bool fiber = names && sample->frames.fn;
    const struct ed_block block = {
        .number = monitor->reported,
        .lasted = lasted,
        .names = names ? names->text : NULL,
        .fiber = fiber ? sample->name : NULL,
        .place = fiber ? sample->place : NULL,
    };

    tell_block(&block);
}

static void tell_over(struct ed_monitor *monitor, int64_t lasted)
{
    const struct ed_block block = {
        .number = monitor->reported,
        .lasted = lasted,
        .over = true,
    };

    if (!monitor->reported)
        return;
    monitor->reported = 0;
    ed_log_warn("loop runs again after %d ms", (int)(lasted / ED_MS));
    tell_block(&block);
}

static void report(struct ed_monitor *monitor, int64_t lasted)
{
    struct ed_safe_line names = {0};
    bool taken = sample_taken(monitor);

    if (taken && monitor->sample->missed)
        return;
    if (!monitor->reported)
        monitor->reported = 1 + atomic_fetch_add_explicit(&blocked_count, 1,
                                                          memory_order_relaxed);
    monitor->report_at *= 2;
    if (taken)
        ed_frames_put_names(&monitor->sample->frames, &names);
    tell_standing(monitor, lasted, taken ? &names : NULL);
    if (taken)
        log_blocked(monitor->sample, &names, lasted);
    else
        ed_log_warn("loop blocked for %d ms in the kernel",
                    (int)(lasted / ED_MS));
}

/* ---- a loop that hangs ---- */

static void tell_hang(const struct ed_monitor_sample *sample, bool taken,
                      int64_t lasted)
{
    struct ed_safe_line line = {0};

    ed_safe_put(&line, "loop hangs, for ");
    ed_safe_put_number(&line, (uint64_t)(lasted / ED_MS));
    if (!taken) {
        ed_safe_put(&line, " ms, in the kernel");
    } else if (!sample->frames.fn) {
        ed_safe_put(&line, " ms, outside any fiber");
    } else {
        ed_safe_put(&line, " ms, in fiber '");
        ed_safe_put(&line, sample->name);
        ed_safe_put(&line, "' (started at ");
        ed_safe_put(&line, sample->place);
        ed_safe_put(&line, ")");
    }
    ed_safe_put(&line, ": process ");
    ed_safe_put_number(&line, (uint64_t)getpid());
    ed_safe_put(&line, " ends");
    ed_log_safely(ED_LOG_ERROR, &line);
}

/* What hangs may hold what the report needs, such as the dynamic linker's lock:
 * a part that stands still is left, and the next one begins. */
static bool try_for_a_while(void (*fn)(void *arg), void *arg)
{
    const struct itimerspec once = {.it_value.tv_sec = ED_REPORT_SECONDS};
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID,
        .sigev_signo = watch.signo,
    };
    timer_t timer;

    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    bool limited = !timer_create(CLOCK_MONOTONIC, &event, &timer) &&
                   !timer_settime(timer, 0, &once, NULL);
    bool done = ed_report_try(fn, arg);
    if (limited)
        timer_delete(timer);
    return done;
}

/* Reports and ends the process; returns when the loop runs after all. The log's
 * lock may be held by the very thread that hangs.
 *
 * What is told of requests and fibers is that thread's. It cannot change it: a
 * handler holds it, or the kernel, which runs that handler before it lets the
 * thread go on. */
static void end_hang(struct ed_monitor *monitor, int64_t lasted)
{
    struct ed_monitor_sample *sample = monitor->sample;

    atomic_store(&sample->hold, true);
    bool taken = sample_taken(monitor);
    if (taken && sample->missed) {
        atomic_store(&sample->hold, false);
        return;
    }
    if (!taken)
        sample->frames.count = 0;
    tell_hang(sample, taken, lasted);
    ed_sanitizer_read_begin();
    accept_signal();
    ed_report_tell(&sample->frames, try_for_a_while);
    ed_sanitizer_read_end();
    if (monitor->on_hang)
        monitor->on_hang(monitor->on_hang_arg);
    _exit(ED_EXIT_HUNG);
}

static void look_at(struct ed_monitor *monitor, int64_t now)
{
    uint64_t steps =
        atomic_load_explicit(&monitor->steps, memory_order_relaxed);
    int64_t lasted = now - monitor->seen_since;

    if (steps == monitor->seen && !(steps & 1)) {
        if (ed_report_crashing())
            return;
        if (monitor->hang_limit && lasted >= monitor->hang_limit)
            end_hang(monitor, lasted);
        else if (lasted >= monitor->report_at)
            report(monitor, lasted);
        return;
    }
    tell_over(monitor, lasted);
    monitor->seen = steps;
    monitor->seen_since = now;
    monitor->report_at = monitor->limit;
}

static int64_t period(void)
{
    int64_t shortest = INT64_MAX;

    ed_list_each (link, &watch.monitors) {
        const struct ed_monitor *monitor =
            ED_CONTAINER(link, struct ed_monitor, link);
        if (monitor->limit < shortest)
            shortest = monitor->limit;
        if (monitor->hang_limit && monitor->hang_limit < shortest)
            shortest = monitor->hang_limit;
    }
    shortest /= LOOKS_PER_LIMIT;
    return shortest > SHORTEST_PERIOD ? shortest : SHORTEST_PERIOD;
}

/* When this thread has not run either (the process was stopped, the machine
 * is overloaded), the time is nobody's fault: it is taken off. */
static int64_t lost_time(int64_t now, int64_t usual)
{
    int64_t gap = now - watch.looked;

    return watch.looked && gap > 2 * usual ? gap - usual : 0;
}

static void look_at_all(int64_t usual)
{
    int64_t now = ed_clock_monotonic();
    int64_t lost = lost_time(now, usual);

    ed_list_each (link, &watch.monitors) {
        struct ed_monitor *monitor =
            ED_CONTAINER(link, struct ed_monitor, link);
        monitor->seen_since += lost;
        look_at(monitor, now);
    }
    /* Reporting takes time of its own. */
    watch.looked = ed_clock_monotonic();
}

static void *watch_loops(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&watch.lock);
    while (!watch.stop) {
        int64_t usual = period();
        struct timespec until = in(usual);

        pthread_cond_clockwait(&watch.changed, &watch.lock, CLOCK_MONOTONIC,
                               &until);
        look_at_all(usual);
    }
    pthread_mutex_unlock(&watch.lock);
    return NULL;
}

/* ---- starting and stopping ---- */

/* Finds a signal nobody uses and installs the handler, for good: a signal
 * still under way when the last loop ends must not kill the process. */
static int install_handler(void)
{
    struct sigaction action = {
        .sa_sigaction = take_sample,
        .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK,
    };

    /* What another handler does must not be taken for what is tried here. */
    ed_signals_but_faults(&action.sa_mask);
    for (int signo = SIGRTMAX; signo >= SIGRTMIN; signo--) {
        struct sigaction now;
        if (sigaction(signo, NULL, &now) || now.sa_handler != SIG_DFL)
            continue;
        if (sigaction(signo, &action, NULL))
            return -errno;
        watch.signo = signo;
        return 0;
    }
    return -EBUSY;
}

static void lock_before_fork(void)
{
    pthread_mutex_lock(&watch.life);
    pthread_mutex_lock(&watch.lock);
}

static void unlock_after_fork(void)
{
    pthread_mutex_unlock(&watch.lock);
    pthread_mutex_unlock(&watch.life);
}

/* The thread did not come along, nor did the other threads' loops. */
static void forget_in_child(void)
{
    pthread_cond_init(&watch.changed, NULL); /* it waited there */
    ed_list_each_safe (link, &watch.monitors) {
        ed_list_init(link);
    }
    ed_list_init(&watch.monitors);
    watch.running = false;
    unlock_after_fork(); /* who forked holds them here as well */
}

/* Before anybody can hold these locks while another thread forks. */
__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(lock_before_fork, unlock_after_fork, forget_in_child);
}

/* Once in the process. Needs `life`. */
static int prepare(void)
{
    if (watch.signo)
        return 0;
    ed_frames_prepare();
    ed_log_prepare();
    sem_init(&watch.taken, 0, 0);
    return install_handler();
}

static int start_thread(void)
{
    int err;

    if (watch.running)
        return 0;
    watch.stop = false;
    watch.looked = 0;
    err = ed_thread_start(&watch.thread, "eddy-monitor", watch_loops, NULL);
    watch.running = !err;
    return err;
}

static void stop_thread(void)
{
    pthread_mutex_lock(&watch.lock);
    watch.stop = true;
    pthread_cond_signal(&watch.changed);
    pthread_mutex_unlock(&watch.lock);
    pthread_join(watch.thread, NULL);
    watch.running = false;
}

static int join_watch(struct ed_monitor *monitor)
{
    int err = prepare();

    if (err)
        return err;
    pthread_mutex_lock(&watch.lock);
    ed_list_add_back(&watch.monitors, &monitor->link);
    pthread_cond_signal(&watch.changed);
    pthread_mutex_unlock(&watch.lock);
    err = start_thread();
    if (err)
        ed_list_remove(&monitor->link);
    return err;
}

int ed_monitor_start(struct ed_monitor *monitor, int64_t limit_ns)
{
    int err;

    monitor->sample = calloc(1, sizeof *monitor->sample);
    if (!monitor->sample)
        return ED_ENOMEM;
    ed_list_init(&monitor->link);
    monitor->limit = monitor->report_at = limit_ns;
    monitor->thread = (pid_t)syscall(SYS_gettid);
    monitor->seen_since = ed_clock_monotonic();

    pthread_mutex_lock(&watch.life);
    mine = monitor;
    err = join_watch(monitor);
    pthread_mutex_unlock(&watch.life);
    if (!err) {
        accept_signal();
        return 0;
    }
    mine = NULL;
    free(monitor->sample);
    monitor->sample = NULL;
    return err;
}

void ed_monitor_stop(struct ed_monitor *monitor)
{
    bool last;

    if (!monitor->sample)
        return;
    pthread_mutex_lock(&watch.life);
    pthread_mutex_lock(&watch.lock);
    ed_list_remove(&monitor->link);
    last = ed_list_empty(&watch.monitors);
    pthread_mutex_unlock(&watch.lock);
    if (last && watch.running)
        stop_thread();
    pthread_mutex_unlock(&watch.life);

    mine = NULL;
    free(monitor->sample);
    monitor->sample = NULL;
}

void ed_monitor_on_block(ed_block_fn *fn, void *arg)
{
    pthread_mutex_lock(&watch.lock);
    watch.on_block = fn;
    watch.on_block_arg = arg;
    pthread_mutex_unlock(&watch.lock);
}

int ed_loop_on_hang(int64_t limit, ed_hang_fn *fn, void *arg)
{
    ed_loop *loop = ed_loop_tls;
    struct ed_monitor *monitor = loop ? &loop->monitor : NULL;
    int err = 0;

    if (!monitor || limit < 0)
        return ED_EUSAGE;
    /* A program that wants no reports of short blocks may want this one. */
    if (!monitor->sample && limit)
        err = ed_monitor_start(monitor, INT64_MAX);
    if (err || !monitor->sample)
        return err;
    pthread_mutex_lock(&watch.lock);
    monitor->hang_limit = limit;
    monitor->on_hang = fn;
    monitor->on_hang_arg = arg;
    pthread_cond_signal(&watch.changed);
    pthread_mutex_unlock(&watch.lock);
    return 0;
}
