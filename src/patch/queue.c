/*
 * queue.c - fibers of a thread that wait for a lock of threads.
 *
 * Owns nothing: a waiter lies on its fiber's stack. One that was called stays
 * in line, in front of the others, until it runs: what it was called for is
 * its own, and who comes by in between stands behind. Otherwise a fiber that
 * gives a lock back and takes it again at once would keep it for ever.
 */
#include "core/runtime.h"
#include "patch/patch.h"

struct waiter {
    struct ed_list link;
    ed_fiber *fiber;
    const void *address;
    struct ed_timer timer;
    bool called;
};

static struct waiter *of(struct ed_list *link)
{
    return ED_CONTAINER(link, struct waiter, link);
}

static void time_is_up(struct ed_timer *timer)
{
    struct waiter *w = ED_CONTAINER(timer, struct waiter, timer);

    ed_list_remove(&w->link);
    ed_wake(w->fiber, 0);
}

bool ed_patch_queue_wait(struct ed_patch_queue *queue, const char *call,
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
        return false;
    }
    ed_list_add_back(&queue->waiters, &w.link);
    (void)ed_park(call, NULL, NULL);
    ed_list_remove(&w.link);
    return w.called;
}

static void call(struct ed_patch_queue *queue, struct waiter *w)
{
    w->called = true;
    ed_timer_stop(w->fiber->loop, &w->timer);
    ed_list_remove(&w->link);
    ed_list_add_front(&queue->waiters, &w->link);
    ed_wake(w->fiber, 0);
}

bool ed_patch_queue_wake(struct ed_patch_queue *queue, const void *address)
{
    if (!queue->waiters.next)
        return false;
    ed_list_each (link, &queue->waiters) {
        if (of(link)->address != address || of(link)->called)
            continue;
        call(queue, of(link));
        return true;
    }
    return false;
}

void ed_patch_queue_wake_all(struct ed_patch_queue *queue, const void *address)
{
    if (!queue->waiters.next)
        return;
    ed_list_each_safe (link, &queue->waiters) {
        if (of(link)->address == address && !of(link)->called)
            call(queue, of(link));
    }
}

void ed_patch_queue_wake_marked(struct ed_patch_queue *queue, uint64_t marks)
{
    if (!queue->waiters.next)
        return;
    ed_list_each_safe (link, &queue->waiters) {
        if ((marks & ed_patch_mark(of(link)->address)) && !of(link)->called)
            call(queue, of(link));
    }
}

bool ed_patch_queue_has(const struct ed_patch_queue *queue, const void *address)
{
    if (!queue->waiters.next)
        return false;
    ed_list_each (link, &queue->waiters) {
        if (of(link)->address == address)
            return true;
    }
    return false;
}

bool ed_patch_queue_called(const struct ed_patch_queue *queue,
                           const void *address)
{
    if (!queue->waiters.next)
        return false;
    ed_list_each (link, &queue->waiters) {
        if (!of(link)->called)
            return false;
        if (of(link)->address == address)
            return true;
    }
    return false;
}
