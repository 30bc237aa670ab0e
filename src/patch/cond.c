/*
 * cond.c - conditions of threads, between the fibers of one.
 *
 * POSIX lets pthread_cond_wait() return for no reason, and who calls it looks
 * again. So a fiber that waits gives the mutex back, waits in line until
 * another fiber of its thread signals, or 10 ms, takes the mutex again, and
 * returns. A signal of another thread is found after those 10 ms: libc keeps
 * nothing of a signal nobody waits for as it knows waiting.
 *
 * There is no failure by which a cancelled fiber could be told; where there is
 * a timeout, it is said to have passed.
 */
#include "patch/patch.h"

#include <errno.h>
#include <time.h>

static const int64_t LOOK_EVERY = 10 * ED_MS;

static _Thread_local struct ed_patch_queue waiting;

/* glibc's, which notes by what clock it is timed (internaltypes.h). */
enum { BY_MONOTONIC_CLOCK = 2 };

static clockid_t clock_of(const pthread_cond_t *cond)
{
    return cond->__data.__wrefs & BY_MONOTONIC_CLOCK ? CLOCK_MONOTONIC
                                                     : CLOCK_REALTIME;
}

static int wait_a_while(const char *call, pthread_cond_t *cond,
                        pthread_mutex_t *mutex, int64_t until)
{
    int err = ed_patch_pthread_mutex_unlock(mutex);

    if (err)
        return err;
    int64_t look_at = ed_patch_until(LOOK_EVERY);
    ed_patch_queue_wait(&waiting, call, cond,
                        look_at < until ? look_at : until);
    return ed_patch_pthread_mutex_lock(mutex);
}

int ed_patch_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    if (ed_patch_stays_plain("pthread_cond_wait()"))
        return ed_plain->pthread_cond_wait(cond, mutex);
    return wait_a_while("pthread_cond_wait()", cond, mutex, INT64_MAX);
}

int ed_patch_pthread_cond_clockwait(pthread_cond_t *cond,
                                    pthread_mutex_t *mutex, clockid_t clock,
                                    const struct timespec *until)
{
    if (!ed_patch_time_valid(until) ||
        ed_patch_stays_plain("pthread_cond_timedwait()"))
        return ed_plain->pthread_cond_clockwait(cond, mutex, clock, until);
    int64_t end = ed_patch_until(ed_patch_from_now(clock, until));
    int err = wait_a_while("pthread_cond_timedwait()", cond, mutex, end);
    if (err)
        return err;
    return ed_cancelled() || ed_patch_until(0) >= end ? ETIMEDOUT : 0;
}

int ed_patch_pthread_cond_timedwait(pthread_cond_t *cond,
                                    pthread_mutex_t *mutex,
                                    const struct timespec *until)
{
    return ed_patch_pthread_cond_clockwait(cond, mutex, clock_of(cond), until);
}

int ed_patch_pthread_cond_signal(pthread_cond_t *cond)
{
    (void)ed_patch_queue_wake(&waiting, cond);
    return ed_plain->pthread_cond_signal(cond);
}

int ed_patch_pthread_cond_broadcast(pthread_cond_t *cond)
{
    while (ed_patch_queue_wake(&waiting, cond))
        ;
    return ed_plain->pthread_cond_broadcast(cond);
}
