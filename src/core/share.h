/*
 * share.h - a loop in a process whose other threads hand it work and fork.
 *
 * Such a loop can be made to stand still at a point where nothing is half
 * done, which is where a fork may happen; knows the descriptors that are its
 * own, for a child to close; and is woken by a system call only when it sleeps.
 * A loop that is not shared pays for none of this.
 */
#ifndef EDDY_CORE_SHARE_H
#define EDDY_CORE_SHARE_H

#include <semaphore.h>
#include <stdatomic.h>
#include "core/runtime.h"

/* One per loop that is shared; it outlives the loop. Use the functions. */
struct ed_share {
    /* `busy` is held by the loop's thread while it is at work. Who wants it to
     * stand still takes `gate` first, at which the loop then waits; otherwise
     * it would let go of `busy` and have it again before anybody woke. Both
     * belong to a loop and its fibers together, so they are no mutexes. */
    sem_t gate;
    sem_t busy;
    _Atomic bool asleep;
    _Atomic uint64_t wakeups;
    ed_loop *abandoned; /* that stayed with the parent, and those before it */
    uint64_t *owned;    /* a bit for each descriptor; in the loop's thread */
    size_t owned_words;
};

/* Before anything else. Once, and again in the child of a fork. */
void ed_share_init(struct ed_share *share);

/* ---- in the loop's thread ---- */

/* The calling thread's loop is shared from now on, until ed_share_end(), and
 * the descriptors that it opens are noted. */
void ed_share_begin(struct ed_share *share);
void ed_share_end(struct ed_share *share);

/* Around calls of foreign code, on the loop's own stack, which may wait for
 * whoever forks: meanwhile the loop counts as standing still. */
void ed_share_leave(struct ed_share *share);
void ed_share_return(struct ed_share *share);

/* Around the wait for I/O. Returns how long that may take: not at all, when
 * somebody has posted. */
int64_t ed_share_sleep(ed_loop *loop, int64_t timeout);
void ed_share_wake(ed_loop *loop);

/* A descriptor becomes, or is no more, one of the loop's. */
void ed_share_own(struct ed_share *share, int fd);
void ed_share_disown(struct ed_share *share, int fd);

/* ---- in any thread ---- */

/* As ed_loop_post(), but without a system call when the loop is awake. The loop
 * must be shared, and live until this returns. */
void ed_share_post(struct ed_share *share, ed_loop *loop, struct ed_post *post);

/* Makes the loop stand still until ed_share_release(); false when it does not
 * within that time, and there is nothing to release. */
ED_CHECK bool ed_share_hold(struct ed_share *share, int64_t within);
void ed_share_release(struct ed_share *share);

/* ---- in the child of a fork ---- */

/* The loop, if there was one, stayed with the parent: closes the child's copies
 * of what was its own, unless it did not stand still and nobody knows, and
 * makes `share` as new. The loop's memory is left alone, for its fibers lie in
 * the middle of what they did. */
void ed_share_abandon(struct ed_share *share, ed_loop *loop, bool still);

#endif
