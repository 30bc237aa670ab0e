/*
 * rwlock.c - read-write locks of threads, between the fibers of one.
 *
 * As with a mutex (mutex.c), all fibers of a thread are one holder: one that
 * wants what another fiber of its thread keeps from it waits as a fiber does,
 * and what another thread keeps is waited for as ever. A lock does not note who
 * reads, so it is noted here which are held by the thread's fibers, and how
 * often.
 */
#include "patch/patch.h"

#include <errno.h>
#include "core/runtime.h"

/* One given back where nobody can tell is found free this soon. */
static const int64_t LOOK_EVERY = 20 * ED_MS;

static _Thread_local struct ed_patch_queue waiting;

/* Not an error: libc is to lock it, or to say what is wrong. */
enum { PLAIN = -1 };

/* One of the two ways. */
struct way {
    const char *call;
    bool writes;
    int (*try)(pthread_rwlock_t *lock);
};

static int try_to_read(pthread_rwlock_t *lock)
{
    return ed_plain->pthread_rwlock_tryrdlock(lock);
}

static int try_to_write(pthread_rwlock_t *lock)
{
    return ed_plain->pthread_rwlock_trywrlock(lock);
}

static const struct way reading = {"pthread_rwlock_rdlock()", false,
                                   try_to_read};
static const struct way writing = {"pthread_rwlock_wrlock()", true,
                                   try_to_write};

static int note(pthread_rwlock_t *lock, const struct way *way, int err)
{
    if (err)
        return err;
    struct ed_patch_held *held = ed_patch_held_find(lock);
    if (!held)
        held = ed_patch_held_add(lock);
    if (!held)
        return 0;
    held->holds = way->writes ? 1 : held->holds + 1;
    held->fiber = way->writes ? ed_fiber_self() : NULL;
    return 0;
}

/* Takes it, or EBUSY: fibers of this thread have it, or were called for it. */
static int try_it(pthread_rwlock_t *lock, const struct way *way, bool turn)
{
    if (!turn && ed_patch_queue_called(&waiting, lock))
        return EBUSY;
    int err = way->try(lock);
    if (err != EBUSY)
        return err;
    const struct ed_patch_held *held = ed_patch_held_find(lock);
    if (!held || held->fiber == ed_fiber_self())
        return PLAIN;
    return EBUSY;
}

static int lock_until(pthread_rwlock_t *lock, const struct way *way,
                      int64_t until)
{
    bool turn = false;

    for (;;) {
        int err = try_it(lock, way, turn);
        if (err != EBUSY)
            return note(lock, way, err);
        int64_t now = ed_patch_until(0);
        if (now >= until)
            return ETIMEDOUT;
        if (ed_patch_stays_plain(way->call))
            return PLAIN;
        turn = ed_patch_queue_wait(&waiting, way->call, lock,
                                   until - now < LOOK_EVERY ? until
                                                            : now + LOOK_EVERY);
    }
}

int ed_patch_pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    int err = lock_until(lock, &reading, INT64_MAX);

    if (err != PLAIN)
        return err;
    return note(lock, &reading, ed_plain->pthread_rwlock_rdlock(lock));
}

int ed_patch_pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    int err = lock_until(lock, &writing, INT64_MAX);

    if (err != PLAIN)
        return err;
    return note(lock, &writing, ed_plain->pthread_rwlock_wrlock(lock));
}

int ed_patch_pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
    return note(lock, &reading, ed_plain->pthread_rwlock_tryrdlock(lock));
}

int ed_patch_pthread_rwlock_trywrlock(pthread_rwlock_t *lock)
{
    return note(lock, &writing, ed_plain->pthread_rwlock_trywrlock(lock));
}

static int lock_by(pthread_rwlock_t *lock, const struct way *way,
                   clockid_t clock, const struct timespec *until)
{
    if (!ed_patch_time_valid(until) || !ed_patch_clock_valid(clock))
        return PLAIN;
    return lock_until(lock, way,
                      ed_patch_until(ed_patch_from_now(clock, until)));
}

int ed_patch_pthread_rwlock_clockrdlock(pthread_rwlock_t *lock, clockid_t clock,
                                        const struct timespec *until)
{
    int err = lock_by(lock, &reading, clock, until);

    if (err != PLAIN)
        return err;
    return note(lock, &reading,
                ed_plain->pthread_rwlock_clockrdlock(lock, clock, until));
}

int ed_patch_pthread_rwlock_clockwrlock(pthread_rwlock_t *lock, clockid_t clock,
                                        const struct timespec *until)
{
    int err = lock_by(lock, &writing, clock, until);

    if (err != PLAIN)
        return err;
    return note(lock, &writing,
                ed_plain->pthread_rwlock_clockwrlock(lock, clock, until));
}

int ed_patch_pthread_rwlock_timedrdlock(pthread_rwlock_t *lock,
                                        const struct timespec *until)
{
    return ed_patch_pthread_rwlock_clockrdlock(lock, CLOCK_REALTIME, until);
}

int ed_patch_pthread_rwlock_timedwrlock(pthread_rwlock_t *lock,
                                        const struct timespec *until)
{
    return ed_patch_pthread_rwlock_clockwrlock(lock, CLOCK_REALTIME, until);
}

/* Readers may all come in at once. */
int ed_patch_pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    struct ed_patch_held *held = ed_patch_held_find(lock);

    if (held && --held->holds == 0)
        ed_patch_held_drop(held);
    int err = ed_plain->pthread_rwlock_unlock(lock);
    if (!err)
        ed_patch_queue_wake_all(&waiting, lock);
    return err;
}
