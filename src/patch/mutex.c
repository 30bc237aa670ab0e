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
 * thread may lock again (recursive) or is told of (error-checking): of these
 * there is a list of who holds them. Robust, inheriting and protecting ones
 * are left alone.
 */
#include "patch/patch.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "core/runtime.h"

/* Mutexes of that kind held at once by the fibers of a thread. One more is
 * handled as if there were no fibers. */
enum { HELD_MAX = 256 };

/* A mutex given back where nobody can tell is found free this soon. */
static const int64_t LOOK_EVERY = 20 * ED_MS;

struct held {
    const pthread_mutex_t *mutex;
    const ed_fiber *fiber;
    unsigned depth;
};

/* The list is no variable of the thread itself: a library that is loaded late
 * finds room for few of these. */
static _Thread_local struct {
    struct ed_patch_queue waiting;
    unsigned held_count;
    struct held *held; /* of HELD_MAX; NULL: none yet */
} mine;

static pthread_key_t held_key; /* gives the list back with its thread */
static bool have_key;

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

/* ---- who holds what ---- */

static struct held *find(const pthread_mutex_t *mutex)
{
    for (unsigned i = 0; i < mine.held_count; i++) {
        if (mine.held[i].mutex == mutex)
            return &mine.held[i];
    }
    return NULL;
}

static bool another_holds(const pthread_mutex_t *mutex)
{
    const struct held *held = tells_holders_apart(mutex) ? find(mutex) : NULL;

    return held && held->fiber != ed_fiber_self();
}

static void give_back(void *held)
{
    munmap(held, HELD_MAX * sizeof(struct held));
    mine.held = NULL;
    mine.held_count = 0;
}

__attribute__((constructor)) static void make_key(void)
{
    have_key = !pthread_key_create(&held_key, give_back);
}

/* Not from malloc(), which may be what locks. */
static bool have_list(void)
{
    if (mine.held || !have_key)
        return mine.held;
    void *held =
        mmap(NULL, HELD_MAX * sizeof(struct held), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (held == MAP_FAILED)
        return false;
    if (pthread_setspecific(held_key, held)) {
        give_back(held);
        return false;
    }
    mine.held = held;
    return true;
}

static void note(const pthread_mutex_t *mutex)
{
    if (!tells_holders_apart(mutex))
        return;
    struct held *held = find(mutex);
    if (held)
        held->depth++;
    else if (mine.held_count < HELD_MAX && have_list())
        mine.held[mine.held_count++] = (struct held){mutex, ed_fiber_self(), 1};
}

static void forget(const pthread_mutex_t *mutex)
{
    struct held *held = tells_holders_apart(mutex) ? find(mutex) : NULL;

    if (held && !--held->depth)
        *held = mine.held[--mine.held_count];
}

/* ---- locking ---- */

/* Takes it if nobody has it; EBUSY: a fiber of this thread has; EAGAIN: another
 * thread, or the mutex is none of ours. */
static int try_to_lock(pthread_mutex_t *mutex)
{
    if (!is_ordinary(mutex))
        return EAGAIN;
    if (another_holds(mutex))
        return EBUSY;
    if (tells_holders_apart(mutex) && held_by_this_thread(mutex))
        return EAGAIN; /* libc counts it, or says what is wrong */
    int err = ed_plain->pthread_mutex_trylock(mutex);
    if (err != EBUSY)
        return err;
    return held_by_this_thread(mutex) ? EBUSY : EAGAIN;
}

/* Returns as try_to_lock(), but EBUSY only when `until` has passed. */
static int lock_until(const char *call, pthread_mutex_t *mutex, int64_t until)
{
    for (;;) {
        int err = try_to_lock(mutex);
        if (err != EBUSY)
            return err;
        int64_t now = ed_patch_until(0);
        if (now >= until)
            return EBUSY;
        if (ed_patch_stays_plain(call))
            return EAGAIN;
        ed_patch_queue_wait(&mine.waiting, call, mutex,
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

    if (ed_patch_time_valid(until))
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
    forget(mutex);
    int err = ed_plain->pthread_mutex_unlock(mutex);
    if (!err)
        (void)ed_patch_queue_wake(&mine.waiting, mutex);
    return err;
}
