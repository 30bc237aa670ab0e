/*
 * thread.c - starting threads that take no signals.
 */
#include "core/thread.h"

void ed_signals_but_faults(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS,  SIGFPE,
                                 SIGILL,  SIGABRT, SIGTRAP};

    sigfillset(set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(set, faults[i]);
}

/* Signals meant for the program must reach the thread that waits for them,
 * but a fault must still reach the handler that reports it. */
static void block_signals(sigset_t *before)
{
    sigset_t all;

    ed_signals_but_faults(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

int ed_thread_start(pthread_t *thread, const char *name,
                    void *(*run)(void *arg), void *arg)
{
    sigset_t before;
    int err;

    /* A new thread inherits the mask of the one that starts it. */
    block_signals(&before);
    err = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err)
        return -err;
    pthread_setname_np(*thread, name);
    return 0;
}
