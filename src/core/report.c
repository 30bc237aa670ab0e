/*
 * report.c - the handlers of crashes, and the parts of a report.
 *
 * What is tried (ed_report_try()) and faults is left by a jump out of the
 * handler: so are the parts of a report. Another thread that crashes meanwhile
 * is held until it is over: what it would say could not be told apart. So is
 * the one whose lists the report tells of.
 */
#include "core/report.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <eddy/clock.h>
#include "base/log_safe.h"
#include "core/elf.h"

static const struct {
    int signo;
    const char *name;
} crashes[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
    {SIGILL, "SIGILL"},   {SIGABRT, "SIGABRT"},
};
#define CRASHES (sizeof crashes / sizeof *crashes)

static struct sigaction former[CRASHES];
static struct sigaction former_alarm; /* before a report */
static int installed;                 /* 0 or -errno, once tried */

static _Atomic pid_t reporter; /* the thread that crashed first; 0: none */
static struct {
    int which; /* place in the tables */
    const siginfo_t *info;
    const void *context;
    struct ed_frames frames;
} crash; /* of that thread */

/* Where the thread goes on if what it tries faults; NULL: it tries nothing. */
static _Thread_local sigjmp_buf *volatile attempt;

/* A thread that is to be held is waited for no longer: it may be in the kernel,
 * where it changes nothing either. */
#define HOLD_WAIT (100 * ED_MS)
#define HOLD_LOOK (1 * ED_MS)
static _Atomic pid_t held; /* the last one */
static _Atomic bool over;  /* the report is */

static _Atomic bool extra_set;
static struct {
    void (*fn)(void *arg);
    void *arg;
    pid_t thread; /* which may change what it tells of */
} extra;

static pid_t this_thread(void)
{
    return (pid_t)syscall(SYS_gettid);
}

bool ed_report_crashing(void)
{
    return atomic_load(&reporter) != 0;
}

void ed_report_set_extra(void (*fn)(void *arg), void *arg)
{
    atomic_store(&extra_set, false);
    extra.fn = fn;
    extra.arg = arg;
    extra.thread = this_thread();
    atomic_store(&extra_set, fn != NULL);
}

/* ---- what may fault ---- */

void ed_report_leave(void)
{
    if (attempt)
        siglongjmp(*attempt, 1);
}

bool ed_report_try(void (*fn)(void *arg), void *arg)
{
    sigjmp_buf here, *outer = attempt;
    bool done = false;

    if (!sigsetjmp(here, 1)) {
        attempt = &here;
        fn(arg);
        done = true;
    }
    attempt = outer;
    return done;
}

/* ---- threads that are held ---- */

static void on_crash(int signo, siginfo_t *info, void *context);

/* By the system call itself: this may be a fiber, in which the patch would let
 * others run. */
static void pause_for(int64_t ns)
{
    const struct timespec time = {ns / ED_S, ns % ED_S};

    (void)syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &time, NULL);
}

/* As if it had crashed as well: our handler holds it. */
static void hold_other(pid_t thread)
{
    struct sigaction now;

    if (thread == this_thread() || sigaction(SIGABRT, NULL, &now) ||
        now.sa_sigaction != on_crash ||
        syscall(SYS_tgkill, getpid(), thread, SIGABRT))
        return;
    for (int64_t ns = 0; ns < HOLD_WAIT && atomic_load(&held) != thread;
         ns += HOLD_LOOK)
        pause_for(HOLD_LOOK);
}

/* ---- the parts ---- */

/* "    load_user+0x1f (app+0x40c3)": the second is what addr2line takes. */
static void tell_address(uintptr_t pc)
{
    struct ed_safe_line line = {0};
    struct ed_elf_place place;

    ed_elf_find(pc, &place);
    ed_safe_put(&line, "    ");
    if (place.start) {
        ed_safe_put(&line, place.function);
        ed_safe_put(&line, "+");
        ed_safe_put_hex(&line, pc - place.start);
        ed_safe_put(&line, " ");
    }
    ed_safe_put(&line, "(");
    ed_safe_put(&line, place.object);
    ed_safe_put(&line, *place.object ? "+" : "");
    ed_safe_put_hex(&line, place.offset);
    ed_safe_put(&line, ")");
    ed_log_safely(ED_LOG_ERROR, &line);
}

static void tell_addresses(void *arg)
{
    const struct ed_frames *frames = arg;

    for (int i = ed_frames_first(frames); i < frames->count; i++)
        tell_address(ed_frames_pc(frames, i));
}

static void tell_extra(void *arg)
{
    (void)arg;
    if (!atomic_load(&extra_set))
        return;
    if (ed_report_crashing())
        hold_other(extra.thread);
    extra.fn(extra.arg);
}

static void tell_symbol(void *arg, const struct ed_symbol *symbol)
{
    struct ed_safe_line line = {0};

    (void)arg;
    ed_safe_put(&line, "    ");
    ed_safe_put(&line, symbol->function ? symbol->function : "?");
    if (symbol->file) {
        ed_safe_put(&line, " at ");
        ed_safe_put(&line, symbol->file);
        ed_safe_put(&line, ":");
        ed_safe_put_number(&line, (uint64_t)symbol->line);
    } else if (symbol->object) {
        ed_safe_put(&line, " in ");
        ed_safe_put(&line, symbol->object);
    }
    ed_log_safely(ED_LOG_ERROR, &line);
}

/* Reads debug information into memory that the library maps itself. */
static void tell_names(void *arg)
{
    const struct ed_frames *frames = arg;

    ed_frames_describe(frames, tell_symbol, NULL);
}

/* ---- what happened ---- */

static void put_fiber(struct ed_safe_line *line)
{
    const ed_fiber *fiber = ed_fiber_self();

    if (!fiber)
        return;
    ed_safe_put(line, " in fiber '");
    ed_safe_put(line, fiber->name);
    ed_safe_put(line, "' (started at ");
    ed_safe_put(line, fiber->place);
    ed_safe_put(line, ")");
}

static void tell_crash(void *arg)
{
    const siginfo_t *info = crash.info;
    struct ed_safe_line line = {0};

    (void)arg;
    ed_safe_put(&line, "crash: ");
    ed_safe_put(&line, crashes[crash.which].name);
    if (info->si_code > 0) {
        ed_safe_put(&line, " at address ");
        ed_safe_put_hex(&line, (uintptr_t)info->si_addr);
    } else if (info->si_pid != getpid()) {
        ed_safe_put(&line, " sent by process ");
        ed_safe_put_number(&line, (uint64_t)info->si_pid);
    }
    put_fiber(&line);
    ed_safe_put(&line, ", process ");
    ed_safe_put_number(&line, (uint64_t)getpid());
    ed_log_safely(ED_LOG_ERROR, &line);
}

static void take_stack(void *frames)
{
    ed_frames_take(frames, crash.context);
}

/* ---- in the handler ---- */

static void (*const parts[])(void *arg) = {
    tell_crash, take_stack, tell_addresses, tell_extra, tell_names,
};
#define PARTS (sizeof parts / sizeof *parts)

/* Until the report is over, and most often with it the process. */
static void hold(void)
{
    atomic_store(&held, this_thread());
    while (!atomic_load(&over))
        pause_for(HOLD_LOOK);
}

/* All of them: a handler that was there before may well call abort(), and who
 * has had his say would be held for it. */
static void put_back(void)
{
    for (size_t i = 0; i < CRASHES; i++)
        sigaction(crashes[i].signo, &former[i], NULL);
    sigaction(SIGALRM, &former_alarm, NULL);
    atomic_store(&over, true);
}

/* SIGALRM: the report stands still, on a lock of what crashed. */
static void give_up(int signo)
{
    (void)signo;
    put_back();
    raise(crashes[crash.which].signo);
}

/* A report that stands still is given up, and a part that faults is left: also
 * where a handler that passed the signal on had them blocked. */
static void prepare_for_failure(void)
{
    struct sigaction action = {.sa_handler = give_up, .sa_flags = SA_ONSTACK};
    sigset_t set;

    sigaction(SIGALRM, &action, &former_alarm);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    for (size_t i = 0; i < CRASHES; i++)
        sigaddset(&set, crashes[i].signo);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    alarm(ED_REPORT_SECONDS);
}

static void report(void)
{
    for (size_t i = 0; i < PARTS; i++)
        (void)ed_report_try(parts[i], &crash.frames);
}

static int place_of(int signo)
{
    int i = 0;

    while (crashes[i].signo != signo)
        i++;
    return i;
}

static void on_crash(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    pid_t first = atomic_load(&reporter);
    pid_t nobody = 0;
    pid_t self = this_thread();

    /* What others send does not come from what is tried. */
    if (attempt && (first ? first == self : info->si_code != SI_USER))
        siglongjmp(*attempt, 1);
    if (!atomic_compare_exchange_strong(&reporter, &nobody, self)) {
        hold();
        errno = saved;
        return; /* a fault happens again, and is nobody's of ours then */
    }
    crash.which = place_of(signo);
    crash.info = info;
    crash.context = context;
    prepare_for_failure();
    report();
    alarm(0);
    put_back();
    errno = saved;
    /* A fault happens again when this returns; what somebody sent does not, and
     * has to be sent again. */
    if (info->si_code <= 0)
        raise(signo);
}

/* ---- a hang ---- */

void ed_report_tell(struct ed_frames *frames, ed_report_try_fn *by)
{
    (void)by(tell_addresses, frames);
    (void)by(tell_extra, frames);
    (void)by(tell_names, frames);
}

/* ---- preparing ---- */

/* In the child of a fork: who reports stayed with the parent. */
static void forget_in_child(void)
{
    atomic_store(&reporter, 0);
}

/* Of the signals only other faults may disturb a report. */
static void install(void)
{
    struct sigaction action = {
        .sa_sigaction = on_crash,
        .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
    };

    ed_frames_prepare();
    ed_log_prepare();
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGALRM);
    for (size_t i = 0; i < CRASHES; i++)
        sigdelset(&action.sa_mask, crashes[i].signo);
    for (size_t i = 0; i < CRASHES; i++) {
        if (sigaction(crashes[i].signo, &action, &former[i]))
            installed = -errno;
    }
    pthread_atfork(NULL, NULL, forget_in_child);
}

int ed_report_on_crash(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install);
    return installed;
}
