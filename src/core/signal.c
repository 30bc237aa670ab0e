/*
 * signal.c - signals by signalfd.
 *
 * Two descriptors for one signal would each get some of its arrivals, and the
 * first to be closed would unblock it for the other: a signal has one receiver
 * a thread.
 */
#include <eddy/signal.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>
#include <eddy/error.h>
#include "core/io.h"
#include "core/runtime.h"

struct ed_signals {
    struct ed_io io;
    sigset_t received;
    sigset_t unblock; /* those that were not blocked before */
};

/* Received in this thread by some ed_signals. */
static _Thread_local bool taken[NSIG];

static bool is_fault(int signo)
{
    return signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE ||
           signo == SIGILL;
}

static int add(sigset_t *set, int signo)
{
    if (signo == SIGKILL || signo == SIGSTOP || is_fault(signo))
        return -EINVAL;
    if (sigaddset(set, signo))
        return -EINVAL;
    return taken[signo] ? -EBUSY : 0;
}

/* The signals up to a 0. */
static int collect(sigset_t *set, va_list args)
{
    int signo = va_arg(args, int);
    int err = signo ? 0 : -EINVAL;

    sigemptyset(set);
    while (signo && !err) {
        err = add(set, signo);
        signo = va_arg(args, int);
    }
    return err;
}

static void mark_taken(const sigset_t *set, bool yes)
{
    for (int signo = 1; signo < NSIG; signo++) {
        if (sigismember(set, signo) == 1)
            taken[signo] = yes;
    }
}

/* Blocks the signals and notes which of them were not. */
static void block(ed_signals *signals)
{
    sigset_t before;

    pthread_sigmask(SIG_BLOCK, &signals->received, &before);
    signals->unblock = signals->received;
    for (int signo = 1; signo < NSIG; signo++) {
        if (sigismember(&before, signo) == 1)
            sigdelset(&signals->unblock, signo);
    }
}

/* A pending signal would strike the moment it is unblocked. */
static void drop_pending(const sigset_t *set)
{
    const struct timespec at_once = {0};

    while (sigtimedwait(set, NULL, &at_once) > 0)
        ;
}

static void unblock(const ed_signals *signals)
{
    drop_pending(&signals->received);
    pthread_sigmask(SIG_UNBLOCK, &signals->unblock, NULL);
}

static int open_fd(ed_signals *signals)
{
    int fd = signalfd(-1, &signals->received, SFD_NONBLOCK | SFD_CLOEXEC);
    int err;

    if (fd < 0)
        return -errno;
    err = ed_io_open(ed_loop_current(), &signals->io, fd);
    if (err)
        close(fd);
    return err;
}

static int open_set(ed_signals **out, const sigset_t *set)
{
    ed_signals *signals = ed_loop_current() ? calloc(1, sizeof *signals) : NULL;
    int err;

    if (!signals)
        return ed_loop_current() ? ED_ENOMEM : ED_EUSAGE;
    signals->received = *set;
    err = open_fd(signals);
    if (err) {
        free(signals);
        return err;
    }
    block(signals);
    mark_taken(&signals->received, true);
    *out = signals;
    return 0;
}

int ed_signals_open_(ed_signals **out, ...)
{
    va_list args;
    sigset_t set;
    int err;

    va_start(args, out);
    err = collect(&set, args);
    va_end(args);
    return err ? err : open_set(out, &set);
}

int ed_signals_next(ed_signals *signals, int *signo)
{
    struct signalfd_siginfo info;
    struct iovec iov = {&info, sizeof info};
    struct ed_op op = {.kind = ED_OP_READ, .iov_count = 1, .iov = &iov};
    ssize_t n = ed_io_await(&signals->io, &op, "a signal");

    if (n < 0)
        return (int)n;
    *signo = (int)info.ssi_signo;
    return 0;
}

void ed_signals_close(ed_signals *signals)
{
    if (!signals)
        return;
    ed_io_close(&signals->io);
    unblock(signals);
    mark_taken(&signals->received, false);
    free(signals);
}
