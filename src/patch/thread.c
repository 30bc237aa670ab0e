/*
 * thread.c - giving way to other threads, what is done once, and the end of
 * threads.
 */
#include "patch/patch.h"

#include <errno.h>
#include "core/runtime.h"

enum { YIELDS = 16 }; /* of which one lets other fibers run */

static const int64_t PAUSE_MIN = 1 * ED_MS;
static const int64_t PAUSE_MAX = 16 * ED_MS;

/* Nobody is called here. */
static _Thread_local struct ed_patch_queue pausing;

/* ---- sched_yield() ---- */

/* Who waits for another fiber so, in a loop, would never see it run. But most
 * wait for another thread, and not long, some inside an allocator, where no
 * other fiber should come by: only who calls again and again is believed to
 * wait for one. Cancelled or not: what is waited for may be what ends. */
int ed_patch_sched_yield(void)
{
    static _Thread_local unsigned calls;

    if (++calls % YIELDS == 0 && !ed_patch_in_child())
        (void)ed_patch_queue_wait(&pausing, "sched_yield()", NULL,
                                  ed_patch_until(0));
    return ed_plain->sched_yield();
}

/* ---- pthread_once() ---- */

/* One that ended where nobody can tell is found this soon. */
static const int64_t LOOK_EVERY = 20 * ED_MS;

/* glibc's (pthreadP.h). */
enum { ONCE_IN_PROGRESS = 1, ONCE_DONE = 2 };

static int state_of(const pthread_once_t *once)
{
    return __atomic_load_n(once, __ATOMIC_ACQUIRE);
}

/* While another fiber of this thread initialises: libc would wait for the
 * thread, which is this one. Not for one that left by an exception. */
static bool another_initialises(const pthread_once_t *once)
{
    struct ed_patch_held *held = ed_patch_held_find(once);

    if (!held || held->fiber == ed_fiber_self())
        return false;
    if (state_of(once) & ONCE_IN_PROGRESS)
        return true;
    ed_patch_held_drop(held);
    return false;
}

static int initialise(pthread_once_t *once, void (*init)(void),
                      struct ed_patch_queue *waiting)
{
    struct ed_patch_held *held = ed_patch_held_find(once);

    if (!held)
        held = ed_patch_held_add(once);
    if (held)
        held->fiber = ed_fiber_self();
    int err = ed_plain->pthread_once(once, init);
    held = ed_patch_held_find(once);
    if (held)
        ed_patch_held_drop(held);
    ed_patch_queue_wake_all(waiting, once);
    return err;
}

int ed_patch_pthread_once(pthread_once_t *once, void (*init)(void))
{
    static _Thread_local struct ed_patch_queue waiting;

    while (!(state_of(once) & ONCE_DONE) && another_initialises(once)) {
        if (ed_patch_stays_plain("pthread_once()"))
            break;
        (void)ed_patch_queue_wait(&waiting, "pthread_once()", once,
                                  ed_patch_until(LOOK_EVERY));
    }
    if (state_of(once) & ONCE_DONE)
        return ed_plain->pthread_once(once, init);
    return initialise(once, init, &waiting);
}

/* ---- pthread_join() ---- */

/* Of others libc says at once what is wrong. */
static bool may_be_joined(pthread_t thread)
{
    pthread_attr_t attributes;
    int state = PTHREAD_CREATE_DETACHED;

    if (pthread_equal(thread, pthread_self()) ||
        pthread_getattr_np(thread, &attributes))
        return false;
    pthread_attr_getdetachstate(&attributes, &state);
    pthread_attr_destroy(&attributes);
    return state == PTHREAD_CREATE_JOINABLE;
}

/* Nothing tells of its end, so it is looked for, less often with time. The
 * thread may need this loop. Cancellation does not end it: callers free what
 * the thread works on. */
int ed_patch_pthread_join(pthread_t thread, void **result)
{
    int64_t pause = PAUSE_MIN;
    int err = pthread_tryjoin_np(thread, result);

    if (err == EBUSY && !may_be_joined(thread))
        return ed_plain->pthread_join(thread, result);
    while (err == EBUSY) {
        if (ed_patch_stays_plain("pthread_join()"))
            return ed_plain->pthread_join(thread, result);
        (void)ed_patch_queue_wait(&pausing, "pthread_join()", NULL,
                                  ed_patch_until(pause));
        if (pause < PAUSE_MAX)
            pause *= 2;
        err = pthread_tryjoin_np(thread, result);
    }
    return err;
}
