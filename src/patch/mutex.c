/*
 * mutex.c - mutexes of threads, between the fibers of one.
 *
 * To a mutex all fibers of a thread are the same holder. One that holds it
 * while it waits for something else would have the next block the thread, and
 * itself, for ever; a recursive mutex would let the next in. So who wants a
 * mutex that another fiber of this thread holds waits as a fiber does. One
 * that another thread holds is waited for as ever: that thread runs, and a
 * mutex is not held for long.
 *
 * A mutex notes its thread. Which fiber it is matters only for those that a
 * thread may lock again (recursive) or is told of (error-checking): of these it
 * is noted who holds them. Robust, inheriting and protecting ones are left
 * alone.
 */
#include "patch/patch.h"

#include <errno.h>
#include <unistd.h>
#include "core/runtime.h"

/* A mutex given back where nobody can tell is found free this soon. */
static const int64_t LOOK_EVERY = 20 * ED_MS;

static _Thread_local struct ed_patch_queue waiting;

/* ---- what a mutex is: glibc's, of which the kind and the holder can be read
 * (bits/struct_mutex.h) ---- */

enum { KIND_MASK = 3, FLAGS_MASK = 0xf0 };

static bool is_ordinary(const pthread_mutex_t *mutex)
{
    return !(mutex->__data.__kind & FLAGS_MASK);
}

static bool tells_holders_apart(const pthread_mutex_t *mutex)
{
    int kind = mutex->__data.__kind & KIND_MASK;

    return is_ordinary(mutex) && (kind == PTHREAD_MUTEX_RECURSIVE_NP ||
                                  kind == PTHREAD_MUTEX_ERRORCHECK_NP);
}

static bool held_by_this_thread(const pthread_mutex_t *mutex)
{
    return mutex->__data.__owner == gettid();
}

/* Whether giving it back once leaves it free. */
static bool is_last_hold(const pthread_mutex_t *mutex)
{
    int kind = mutex->__data.__kind & KIND_MASK;

    return kind != PTHREAD_MUTEX_RECURSIVE_NP || mutex->__data.__count == 1;
}

/* ---- who holds what ---- */

static bool another_holds(const pthread_mutex_t *mutex)
{
    struct ed_patch_held *held =
        tells_holders_apart(mutex) ? ed_patch_held_find(mutex) : NULL;

    if (!held || held->fiber == ed_fiber_self())
        return false;
    if (held_by_this_thread(mutex))
        return true;
    ed_patch_held_drop(held);
    return false;
}

/* It was locked. Once more by who holds it changes nothing. */
static void note(const pthread_mutex_t *mutex)
{
    if (!tells_holders_apart(mutex) || !is_last_hold(mutex))
        return;
    struct ed_patch_held *held = ed_patch_held_find(mutex);
    if (!held)
        held = ed_patch_held_add(mutex);
    if (held)
        held->fiber = ed_fiber_self();
}

static void forget(const pthread_mutex_t *mutex)
{
    struct ed_patch_held *held =
        tells_holders_apart(mutex) ? ed_patch_held_find(mutex) : NULL;

    if (held)
        ed_patch_held_drop(held);
}

/* ---- locking ---- */

/* Takes it if nobody has it; EBUSY: a fiber of this thread has, or it was given
 * back for one that was called, unless that is the caller, whose turn it is;
 * EAGAIN: another thread, or the mutex is none of ours. */
static int try_to_lock(pthread_mutex_t *mutex, bool turn)
{
    if (!is_ordinary(mutex))
        return EAGAIN;
    if (another_holds(mutex))
        return EBUSY;
    if (tells_holders_apart(mutex) && held_by_this_thread(mutex))
        return EAGAIN; /* libc counts it, or says what is wrong */
    if (!turn && ed_patch_queue_called(&waiting, mutex))
        return EBUSY;
    int err = ed_plain->pthread_mutex_trylock(mutex);
    if (err != EBUSY)
        return err;
    return held_by_this_thread(mutex) ? EBUSY : EAGAIN;
}

/* Returns as try_to_lock(), but EBUSY only when `until` has passed. */
static int lock_until(const char *call, pthread_mutex_t *mutex, int64_t until)
{
    bool turn = false;

    for (;;) {
        int err = try_to_lock(mutex, turn);
        if (err != EBUSY)
            return err;
        int64_t now = ed_patch_until(0);
        if (now >= until)
            return EBUSY;
        if (ed_patch_stays_plain(call))
            return EAGAIN;
        turn = ed_patch_queue_wait(&waiting, call, mutex,
                                   until - now < LOOK_EVERY ? until
                                                            : now + LOOK_EVERY);
    }
}

static int noted(pthread_mutex_t *mutex, int err)
{
    if (!err)
        note(mutex);
    return err;
}

int ed_patch_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int err = lock_until("pthread_mutex_lock()", mutex, INT64_MAX);

    if (err == EAGAIN)
        err = ed_plain->pthread_mutex_lock(mutex);
    return noted(mutex, err);
}

int ed_patch_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    if (another_holds(mutex))
        return EBUSY;
    return noted(mutex, ed_plain->pthread_mutex_trylock(mutex));
}

int ed_patch_pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                     const struct timespec *until)
{
    int err = EAGAIN;

    if (ed_patch_time_valid(until) && ed_patch_clock_valid(clock))
        err = lock_until("pthread_mutex_clocklock()", mutex,
                         ed_patch_until(ed_patch_from_now(clock, until)));
    if (err == EBUSY)
        return ETIMEDOUT;
    if (err == EAGAIN)
        err = ed_plain->pthread_mutex_clocklock(mutex, clock, until);
    return noted(mutex, err);
}

int ed_patch_pthread_mutex_timedlock(pthread_mutex_t *mutex,
                                     const struct timespec *until)
{
    return ed_patch_pthread_mutex_clocklock(mutex, CLOCK_REALTIME, until);
}

int ed_patch_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    bool last = is_last_hold(mutex);
    int err = ed_plain->pthread_mutex_unlock(mutex);

    if (err || !last)
        return err;
    forget(mutex);
    (void)ed_patch_queue_wake(&waiting, mutex);
    return 0;
}
