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
static pid_t owner; /* the worker */

/* Those that worker.c listens for. */
static const int forwarded[] = {SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGHUP};

/* In a process that the application has forked there is no loop: it does what
 * a program does that minds no signals, when this handler has returned. */
static void strike(int signo)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};

    sigaction(signo, &usual, NULL);
    kill(getpid(), signo);
}

/* To a thread that blocks it: there it waits for the descriptor's reader. When
 * that thread is struck itself, the worker is at its end already. */
static void send_on(int signo)
{
    int before = errno;

    if (getpid() != owner)
        strike(signo);
    else if (!pthread_equal(pthread_self(), loop_thread))
        pthread_kill(loop_thread, signo);
    errno = before;
}

void wsgi_signals_forward(void)
{
    struct sigaction action = {.sa_handler = send_on, .sa_flags = SA_RESTART};

    loop_thread = pthread_self();
    owner = getpid();
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
