/*
 * thread.h - threads of the runtime's own, which take no signals.
 */
#ifndef EDDY_CORE_THREAD_H
#define EDDY_CORE_THREAD_H

#include <eddy/api.h>
#include <pthread.h>
#include <signal.h>

/* Starts a thread that blocks every signal but those a fault of its own
 * raises. `name` is what debuggers show, at most 15 characters. Returns 0 or
 * -EAGAIN. */
ED_CHECK int ed_thread_start(pthread_t *thread, const char *name,
                             void *(*run)(void *arg), void *arg);

/* All signals but those that a fault or an abort() of its own raises. */
void ed_signals_but_faults(sigset_t *set);

#endif
