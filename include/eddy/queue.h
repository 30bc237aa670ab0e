/*
 * queue.h - queues of work between the fibers of one thread: first in first
 * out, last in first out, or by priority.
 *
 * A queue holds pointers, which it does not own. Unlike a channel it need not
 * have a bound, may reorder, and can be asked to wait until all that was put
 * in has been dealt with:
 *
 *     ed_queue *jobs ED_QUEUE_AUTO = ed_queue_new(.max = 100);
 *     ...
 *     while (!(err = ed_queue_get(jobs, &job))) {   // a worker
 *         work(job);
 *         ed_queue_task_done(jobs);
 *     }
 *
 * Who waits is served in order of arrival. Cancellation loses and doubles
 * nothing: a call that returns an error has not happened, and one that has
 * happened returns 0 even if its fiber was cancelled before it ran again.
 *
 * Thread: the loop's own. Only fibers may call what suspends.
 */
#ifndef EDDY_QUEUE_H
#define EDDY_QUEUE_H

#include <eddy/api.h>
#include <eddy/error.h>

ED_BEGIN_DECLS

typedef struct ed_queue ed_queue;

struct ed_queue_options {
    size_t size;
    /* Most items it holds; 0: any number, as memory allows. */
    size_t max;
    /* Makes it a priority queue: whether `a` must come out before `b`. It must
     * not suspend, and what it compares must not change while queued. NULL:
     * the order of putting in is the order of getting out. */
    bool (*before)(const void *a, const void *b);
    /* The item put in last comes out first; in a priority queue, among equals.
     */
    bool lifo;
};

/* A new, empty queue; NULL when the system has no memory. */
#define ed_queue_new(...) \
    ed_queue_new_with(ED_OPTIONS(struct ed_queue_options, __VA_ARGS__))
ED_API ED_CHECK ed_queue *ed_queue_new_with(
    const struct ed_queue_options *options);

/* Closes and frees the queue; the items in it are the caller's, as ever.
 * Fibers waiting on it get ED_ECLOSED. NULL is allowed. Does not suspend. */
ED_API void ed_queue_free(ed_queue *q);

/* For `cleanup`. */
static inline void ed_queue_free_(ed_queue **q)
{
    ed_queue_free(*q);
}
#define ED_QUEUE_AUTO __attribute__((cleanup(ed_queue_free_)))

/*
 * Puts an item in, waiting while the queue is full.
 *
 * Suspends. Returns 0, or, the item not being put in,
 *   ED_ECLOSED   the queue is closed, or was while this waited
 *   ED_ENOMEM
 *   ED_ECANCELED, ED_ETIMEOUT
 */
ED_API ED_CHECK int ed_queue_put(ed_queue *q, void *item);

/*
 * Gets the next item, waiting while there is none.
 *
 * Suspends. Returns 0, or, *item being as it was,
 *   ED_ECLOSED   the queue is closed and empty
 *   ED_ECANCELED, ED_ETIMEOUT
 */
ED_API ED_CHECK int ed_queue_get(ed_queue *q, void **item);

/* The same without waiting: ED_EWOULDBLOCK where they would. Do not
 * suspend. */
ED_API ED_CHECK int ed_queue_try_put(ed_queue *q, void *item);
ED_API ED_CHECK int ed_queue_try_get(ed_queue *q, void **item);

/* Nothing more can be put in; what is in the queue can still be got. Closing
 * again changes nothing. Does not suspend. */
ED_API void ed_queue_close(ed_queue *q);

/* Items that can be got now. */
ED_API size_t ed_queue_count(const ed_queue *q);

/* Says that one item got earlier has been dealt with. Returns 0, or ED_EUSAGE
 * when that was said of every item put in already. Does not suspend. */
ED_API int ed_queue_task_done(ed_queue *q);

/*
 * Waits until every item put in so far and meanwhile has been dealt with, that
 * is, ed_queue_task_done() was called once for each.
 *
 * Suspends. Returns 0, ED_ECANCELED, ED_ETIMEOUT, or ED_ECLOSED when the queue
 * was freed.
 */
ED_API ED_CHECK int ed_queue_join(ed_queue *q);

ED_END_DECLS
#endif
