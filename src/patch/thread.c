/*
 * thread.c - giving way to other threads, and waiting for their end.
 */
#include "patch/patch.h"

#include <errno.h>

enum { YIELDS = 16 }; /* of which one lets other fibers run */

static const int64_t PAUSE_MIN = 1 * ED_MS;
static const int64_t PAUSE_MAX = 16 * ED_MS;

/* Nobody is called here. */
static _Thread_local struct ed_patch_queue pausing;

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
