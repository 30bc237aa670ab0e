/*
 * offloaded.h - work to hand over, a server to fetch from, and what is looked
 * at from outside: for the tests of offload, whose bodies run in no loop.
 */
#ifndef EDDY_TESTS_OFFLOADED_H
#define EDDY_TESTS_OFFLOADED_H

#include "../core/outside.h"

#include <eddy/offload.h>
#include <pthread.h>
#include <stdatomic.h>

/* Long enough for a machine that is busy; nobody waits for it to pass. */
#define PATIENCE (30 * ED_S)

/* Returns `result` of an `int *`, and gives the pointer as its value. */
int give(void *arg, ed_arena *arena, void **value);

/* Waits until it is cancelled, and returns that. `arg`, an atomic int, counts
 * those that wait; it may be NULL. */
int wait_for_ever(void *arg, ed_arena *arena, void **value);

/* Fails as `arg`, an `int *`, says, with the text "no such luck". */
int fail_with(void *arg, ed_arena *arena, void **value);

/* Work that keeps the whole loop, as none should, until the lock is let go. */
struct door {
    pthread_mutex_t lock;
    atomic_int before;
};
#define DOOR                         \
    {                                \
        PTHREAD_MUTEX_INITIALIZER, 0 \
    }

/* Takes the lock, and returns when the work waits for it. */
ed_ticket *block_loop(struct door *door);

/* Waits until the counter is that. */
void await_count(atomic_int *counter, int count);

/* Whether this process may start a loop: ThreadSanitizer allows no threads in
 * the child of a process that has some. */
bool may_have_loop(void);

/* Forks, runs fn(arg) in the child, which ends with what that returns, and
 * returns the child's status. A child that hangs is killed: -1. */
int in_child(int (*fn)(void *arg), void *arg);

/* ---- a server in a process of its own (server.c) ---- */

/*
 * Starts it; it ends with the test program. To be called before any thread is
 * started. What it answers, by path:
 *   /hello        "hello", and what "X-Say" says, and the body
 *   /sleep?ms=N   "slept", N milliseconds later
 *   /status?is=N  with that status
 *   /chunks?n=N   "0123456789" N times, in pieces
 */
void backend_start(void);

/* A URL of it, static: http://127.0.0.1:PORT/PATH. */
const char *backend_url(const char *path);

/* How many connections to it this process has open. */
int backend_connections(void);

#endif
