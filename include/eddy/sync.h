/*
 * sync.h - mutex, semaphore, condition and event, between fibers of a thread.
 *
 * Another fiber only runs when this one calls something that suspends. What
 * happens between two such calls needs no lock; these are for what must hold
 * across them.
 *
 * All are plain structs, ready when zeroed. They own nothing, so there is
 * nothing to free, but nobody may be waiting when their memory goes, and once
 * used they must not be copied or moved.
 *
 * Who waits stands in line and is served in order of arrival: what is given
 * back goes straight to the first in line, and nobody can overtake. Once
 * served, a fiber has what it waited for even if it is cancelled before it
 * runs again: it is told 0, and its next wait is told of the cancellation.
 *
 * Giving back, notifying and setting never suspend. Thread: the loop's own,
 * and only fibers may wait.
 */
#ifndef EDDY_SYNC_H
#define EDDY_SYNC_H

#include <eddy/api.h>
#include <eddy/error.h>
#include <eddy/fiber.h>

ED_BEGIN_DECLS

/* Fibers standing in line; a member of the structs below. */
struct ed_line {
    void *private_words[2];
};

/* ---- mutex ---- */

/* Held by one fiber at a time. A fiber must unlock before it ends. */
typedef struct ed_mutex {
    ed_fiber *holder; /* NULL: free */
    struct ed_line line;
} ed_mutex;

/*
 * Takes the mutex, waiting until it is free.
 *
 * Suspends. Returns 0, or
 *   ED_EUSAGE     the caller holds it already, and would wait for itself
 *   ED_ECANCELED, ED_ETIMEOUT   not taken
 */
ED_API ED_CHECK int ed_mutex_lock(ed_mutex *m);

/* Takes the mutex if it is free. Returns 0, ED_EWOULDBLOCK, or ED_EUSAGE when
 * the caller holds it already. Does not suspend. */
ED_API ED_CHECK int ed_mutex_try_lock(ed_mutex *m);

/* Gives the mutex to the first in line, or frees it. Returns 0, or ED_EUSAGE
 * when the caller does not hold it. Does not suspend. */
ED_API int ed_mutex_unlock(ed_mutex *m);

/*
 * Takes the mutex and notes in *held that it is to be unlocked when `held`
 * goes out of scope:
 *
 *     ed_mutex *held ED_MUTEX_AUTO = NULL;
 *     int err = ed_mutex_hold(&account->lock, &held);
 *     if (err)
 *         return err;
 *
 * Suspends. Returns what ed_mutex_lock() does; on failure *held is NULL and
 * nothing is unlocked later.
 */
ED_API ED_CHECK int ed_mutex_hold(ed_mutex *m, ed_mutex **held);

static inline void ed_mutex_unlock_(ed_mutex **held)
{
    if (*held)
        ed_mutex_unlock(*held);
}
#define ED_MUTEX_AUTO __attribute__((cleanup(ed_mutex_unlock_)))

/* ---- semaphore ---- */

/*
 * A number of permits. Zeroed, it has none and takes any number of them, so
 * that it counts what others have made ready; ED_SEMAPHORE(4) has four, and
 * refuses to hold more.
 */
typedef struct ed_semaphore {
    size_t permits; /* free ones; more than 0 only when nobody waits */
    size_t limit;   /* most permits there may be; 0: any number */
    struct ed_line line;
} ed_semaphore;

#define ED_SEMAPHORE(count) \
    {                       \
        (count), (count),   \
        {                   \
            {               \
                NULL, NULL  \
            }               \
        }                   \
    }

/* Takes one permit, waiting for it. Suspends. Returns 0, ED_ECANCELED or
 * ED_ETIMEOUT, the permit then not being taken. */
ED_API ED_CHECK int ed_semaphore_acquire(ed_semaphore *s);

/* Takes one permit if one is free. Returns 0 or ED_EWOULDBLOCK. Does not
 * suspend. */
ED_API ED_CHECK int ed_semaphore_try_acquire(ed_semaphore *s);

/* Gives one permit to the first in line, or keeps it. Any fiber may do so, as
 * may code that runs in the loop. Returns 0, or ED_EUSAGE when that would be
 * one more than the limit. Does not suspend. */
ED_API int ed_semaphore_release(ed_semaphore *s);

/* ---- condition ---- */

/* A place to wait for a change of something that a mutex guards. */
typedef struct ed_cond {
    struct ed_line line;
} ed_cond;

/*
 * Unlocks the mutex, waits to be notified, and locks the mutex again. Ask
 * whether what was waited for is true in a loop: others may have run between
 * the notification and the lock.
 *
 *     while (!err && queue_is_empty(q))
 *         err = ed_cond_wait(&q->filled, &q->lock);
 *
 * The caller holds the mutex when this returns, whatever it returns. So a
 * cancelled fiber still waits for its turn at the mutex, and whoever holds it
 * then must not be waiting for that fiber's end.
 *
 * Suspends. Returns 0 when notified, or
 *   ED_EUSAGE   the caller does not hold the mutex
 *   ED_ECANCELED, ED_ETIMEOUT   not notified; no notification is used up
 */
ED_API ED_CHECK int ed_cond_wait(ed_cond *c, ed_mutex *m);

/* Wakes the fiber that has waited longest, or all that wait; nothing happens,
 * and nothing is remembered, when none does. The mutex need not be held.
 * Does not suspend. */
ED_API void ed_cond_notify(ed_cond *c);
ED_API void ed_cond_notify_all(ed_cond *c);

/* ---- event ---- */

/* A flag one can wait for. */
typedef struct ed_event {
    bool is_set;
    struct ed_line line;
} ed_event;

/* Waits until the flag is set; a flag cleared again before the waiter runs
 * still counts. Suspends. Returns 0, ED_ECANCELED or ED_ETIMEOUT. */
ED_API ED_CHECK int ed_event_wait(ed_event *e);

/* Sets the flag and wakes all that wait for it. Does not suspend. */
ED_API void ed_event_set(ed_event *e);

/* Clears the flag. Does not suspend. */
ED_API void ed_event_clear(ed_event *e);

ED_END_DECLS
#endif
