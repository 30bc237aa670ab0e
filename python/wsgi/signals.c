/*
 * signals.c - the worker's signals, where there are threads of Python.
 *
 * The worker takes its signals by a descriptor, for which they have to be
 * blocked everywhere. But what a thread blocks is blocked in the programs it
 * starts as well (subprocess), which then could not be ended by SIGTERM. So
 * threads of Python block nothing, and what strikes them is sent on.
 */
#include "host.h"

#include <errno.h>
#include <signal.h>

static pthread_t loop_thread;

/* Those that worker.c listens for. */
static const int forwarded[] = {SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGHUP};

/* To a thread that blocks it: there it waits for the descriptor's reader. When
 * that thread is struck itself, the worker is at its end already. */
static void send_on(int signo)
{
    int before = errno;

    if (!pthread_equal(pthread_self(), loop_thread))
        pthread_kill(loop_thread, signo);
    errno = before;
}

void wsgi_signals_forward(void)
{
    struct sigaction action = {.sa_handler = send_on, .sa_flags = SA_RESTART};

    loop_thread = pthread_self();
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++)
        sigaction(forwarded[i], &action, NULL);
}

void wsgi_signals_here(void)
{
    sigset_t none;

    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}
