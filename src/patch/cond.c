/*
 * cond.c - conditions of threads, between the fibers of one.
 *
 * POSIX lets pthread_cond_wait() return for no reason, and who calls it looks
 * again. So a fiber that waits says so, gives the mutex back, waits in line
 * until anybody signals, takes the mutex again, and returns. What is signalled
 * where the patch does not see it, by another process or inside libc, is found
 * by returning after a while.
 *
 * There is no failure by which a cancelled fiber could be told; where there is
 * a timeout, it is said to have passed.
 */
#include "patch/patch.h"

#include <errno.h>
#include <time.h>

static const int64_t LOOK_EVERY = 100 * ED_MS;
/* ... at what other processes may signal. */
static const int64_t LOOK_OFTEN = 10 * ED_MS;

/* glibc's, which notes whose it is, and by what clock it is timed
 * (internaltypes.h). */
enum { OF_PROCESSES = 1, BY_MONOTONIC_CLOCK = 2 };

static clockid_t clock_of(const pthread_cond_t *cond)
{
    return cond->__data.__wrefs & BY_MONOTONIC_CLOCK ? CLOCK_MONOTONIC
                                                     : CLOCK_REALTIME;
}

static int64_t next_look(const pthread_cond_t *cond, bool heard)
{
    bool often = !heard || (cond->__data.__wrefs & OF_PROCESSES);

    return ed_patch_until(often ? LOOK_OFTEN : LOOK_EVERY);
}

/* It listens before the mutex is free, so nothing is signalled unheard. */
static int wait_a_while(const char *call, pthread_cond_t *cond,
                        pthread_mutex_t *mutex, int64_t until, bool *called)
{
    bool heard = ed_patch_listen(cond);
    int64_t look_at = next_look(cond, heard);
    int err = ed_patch_pthread_mutex_unlock(mutex);

    if (!err)
        *called = ed_patch_queue_wait(ed_patch_signalled(), call, cond,
                                      look_at < until ? look_at : until);
    if (heard)
        ed_patch_unlisten(cond);
    return err ? err : ed_patch_pthread_mutex_lock(mutex);
}

int ed_patch_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    bool called;

    if (ed_patch_stays_plain("pthread_cond_wait()"))
        return ed_plain->pthread_cond_wait(cond, mutex);
    return wait_a_while("pthread_cond_wait()", cond, mutex, INT64_MAX, &called);
}

/* Who was called has had a signal that nobody else will get, however late it
 * is by now. */
int ed_patch_pthread_cond_clockwait(pthread_cond_t *cond,
                                    pthread_mutex_t *mutex, clockid_t clock,
                                    const struct timespec *until)
{
    bool called = false;

    if (!ed_patch_time_valid(until) || !ed_patch_clock_valid(clock) ||
        ed_patch_stays_plain("pthread_cond_timedwait()"))
        return ed_plain->pthread_cond_clockwait(cond, mutex, clock, until);
    int64_t end = ed_patch_until(ed_patch_from_now(clock, until));
    int err =
        wait_a_while("pthread_cond_timedwait()", cond, mutex, end, &called);
    if (err || called)
        return err;
    return ed_cancelled() || ed_patch_until(0) >= end ? ETIMEDOUT : 0;
}

int ed_patch_pthread_cond_timedwait(pthread_cond_t *cond,
                                    pthread_mutex_t *mutex,
                                    const struct timespec *until)
{
    return ed_patch_pthread_cond_clockwait(cond, mutex, clock_of(cond), until);
}

/* One fiber of this thread, if there is one; those of others come late, and
 * find what the first has left. */
int ed_patch_pthread_cond_signal(pthread_cond_t *cond)
{
    if (!ed_patch_listens(cond) ||
        !ed_patch_queue_wake(ed_patch_signalled(), cond))
        ed_patch_ring(cond);
    return ed_plain->pthread_cond_signal(cond);
}

int ed_patch_pthread_cond_broadcast(pthread_cond_t *cond)
{
    if (ed_patch_listens(cond))
        ed_patch_queue_wake_all(ed_patch_signalled(), cond);
    ed_patch_ring(cond);
    return ed_plain->pthread_cond_broadcast(cond);
}
