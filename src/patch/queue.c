/*
 * queue.c - fibers of a thread that wait for a lock of threads.
 *
 * Owns nothing: a waiter lies on its fiber's stack.
 */
#include "core/runtime.h"
#include "patch/patch.h"

struct waiter {
    struct ed_list link;
    ed_fiber *fiber;
    const void *address;
    struct ed_timer timer;
};

static void leave(struct waiter *w)
{
    ed_list_remove(&w->link);
    ed_timer_stop(w->fiber->loop, &w->timer);
    ed_wake(w->fiber, 0);
}

static void time_is_up(struct ed_timer *timer)
{
    leave(ED_CONTAINER(timer, struct waiter, timer));
}

void ed_patch_queue_wait(struct ed_patch_queue *queue, const char *call,
                         const void *address, int64_t until)
{
    struct waiter w = {
        .fiber = ed_fiber_self(),
        .address = address,
        .timer.fire = time_is_up,
    };

    if (!queue->waiters.next)
        ed_list_init(&queue->waiters);
    /* Without memory for a timer, others at least get their turn. */
    if (ed_timer_start(w.fiber->loop, &w.timer, until)) {
        (void)ed_yield();
        return;
    }
    ed_list_add_back(&queue->waiters, &w.link);
    (void)ed_park(call, NULL, NULL);
}

bool ed_patch_queue_wake(struct ed_patch_queue *queue, const void *address)
{
    if (!queue->waiters.next)
        return false;
    ed_list_each (link, &queue->waiters) {
        struct waiter *w = ED_CONTAINER(link, struct waiter, link);
        if (w->address != address)
            continue;
        leave(w);
        return true;
    }
    return false;
}
