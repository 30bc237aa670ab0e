/*
 * sem.c - semaphores, between the fibers of a thread and with others.
 *
 * Anybody may post: other threads, processes, signal handlers. A fiber that
 * waits is called by its loop, and looks. So a post in a fiber does no more
 * than that in a handler, for it may be in one.
 *
 * Callers do not expect sem_wait() to fail but by a signal, and many do not
 * look: a cancellation does not end it. Where there is a timeout, it is said to
 * have passed.
 */
#include "patch/patch.h"

#include <errno.h>

static const int64_t LOOK_EVERY = 100 * ED_MS;
/* ... at what other processes may post to. */
static const int64_t LOOK_OFTEN = 10 * ED_MS;

/* glibc's, which notes whose it is (internaltypes.h). */
struct insides {
    uint64_t value;
    int of_processes;
};
_Static_assert(sizeof(struct insides) <= sizeof(sem_t), "not glibc's");

static int64_t look_every(const sem_t *sem, bool heard)
{
    const struct insides *insides = (const struct insides *)(const void *)sem;

    return !heard || insides->of_processes ? LOOK_OFTEN : LOOK_EVERY;
}

static bool has_more(sem_t *sem)
{
    int value = 0;

    return !sem_getvalue(sem, &value) && value > 0;
}

enum { TAKEN, FAILED, PLAIN };

/* Two posts may have called one. */
static void call_next(sem_t *sem)
{
    if (ed_patch_listens(sem) && has_more(sem))
        (void)ed_patch_queue_wake(ed_patch_signalled(), sem);
}

/* `ends`: with its scope, too. */
static int wait_until(const char *call, sem_t *sem, int64_t until, bool ends,
                      int64_t look)
{
    for (;;) {
        int64_t now = ed_patch_until(0);
        if (now >= until || (ends && ed_cancelled())) {
            errno = ETIMEDOUT;
            return FAILED;
        }
        if (ed_patch_stays_plain(call))
            return PLAIN;
        (void)ed_patch_queue_wait(ed_patch_signalled(), call, sem,
                                  until - now < look ? until : now + look);
        if (!ed_plain->sem_trywait(sem))
            return TAKEN;
        if (errno != EAGAIN)
            return FAILED;
    }
}

static int take(const char *call, sem_t *sem, int64_t until, bool ends)
{
    /* Who waits already goes first. */
    bool behind = ed_patch_listens(sem);

    if (behind)
        call_next(sem);
    else if (!ed_plain->sem_trywait(sem))
        return TAKEN;
    else if (errno != EAGAIN)
        return FAILED;
    bool heard = ed_patch_listen(sem);
    /* What was posted before it listened has told nobody. */
    int result =
        !behind && !ed_plain->sem_trywait(sem)
            ? TAKEN
            : wait_until(call, sem, until, ends, look_every(sem, heard));
    if (heard)
        ed_patch_unlisten(sem);
    if (result == TAKEN)
        call_next(sem);
    return result;
}

int ed_patch_sem_wait(sem_t *sem)
{
    int result = take("sem_wait()", sem, INT64_MAX, false);

    if (result == PLAIN)
        return ed_plain->sem_wait(sem);
    return result == TAKEN ? 0 : -1;
}

int ed_patch_sem_trywait(sem_t *sem)
{
    return ed_plain->sem_trywait(sem);
}

int ed_patch_sem_clockwait(sem_t *sem, clockid_t clock,
                           const struct timespec *until)
{
    int result = PLAIN;

    if (ed_patch_time_valid(until) && ed_patch_clock_valid(clock))
        result = take("sem_timedwait()", sem,
                      ed_patch_until(ed_patch_from_now(clock, until)), true);
    if (result == PLAIN)
        return ed_plain->sem_clockwait(sem, clock, until);
    return result == TAKEN ? 0 : -1;
}

int ed_patch_sem_timedwait(sem_t *sem, const struct timespec *until)
{
    return ed_patch_sem_clockwait(sem, CLOCK_REALTIME, until);
}

int ed_patch_sem_post(sem_t *sem)
{
    int result = ed_plain->sem_post(sem);

    if (!result)
        ed_patch_ring(sem);
    return result;
}
