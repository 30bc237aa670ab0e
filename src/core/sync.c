/*
 * sync.c - mutex, semaphore, condition and event.
 *
 * Owns nothing: each lives where its user put it, with its line of waiters.
 * Promises order of arrival, and that what is handed to a waiter stays handed:
 * the new holder is written down by whoever gives, before the waiter runs.
 */
#include <eddy/sync.h>
#include "core/line.h"

/* ---- mutex ---- */

static bool holds(const ed_mutex *m)
{
    return m->holder && m->holder == ed_fiber_self();
}

int ed_mutex_try_lock(ed_mutex *m)
{
    if (holds(m))
        return ED_EUSAGE;
    if (m->holder)
        return ED_EWOULDBLOCK;
    m->holder = ed_fiber_self();
    return 0;
}

int ed_mutex_lock(ed_mutex *m)
{
    int err = ed_checkpoint();
    if (err)
        return err;
    err = ed_mutex_try_lock(m);
    if (err != ED_EWOULDBLOCK)
        return err;
    return ed_waitq_wait(ed_line_queue(&m->line), "mutex", NULL);
}

int ed_mutex_hold(ed_mutex *m, ed_mutex **held)
{
    int err = ed_mutex_lock(m);
    *held = err ? NULL : m;
    return err;
}

int ed_mutex_unlock(ed_mutex *m)
{
    if (!holds(m))
        return ED_EUSAGE;
    struct ed_waiter *next = ed_waitq_wake(ed_line_queue(&m->line), 0);
    m->holder = next ? next->fiber : NULL;
    return 0;
}

/* Locks even in a cancelled fiber, whose caller relies on holding the mutex. */
static void relock(ed_mutex *m)
{
    struct ed_waiter self = {.fiber = ed_fiber_self()};
    if (!m->holder) {
        m->holder = self.fiber;
        return;
    }
    ed_list_add_back(&ed_line_queue(&m->line)->waiters, &self.node);
    ed_park("mutex", NULL, NULL);
}

/* ---- semaphore ---- */

int ed_semaphore_try_acquire(ed_semaphore *s)
{
    if (!s->permits)
        return ED_EWOULDBLOCK;
    s->permits--;
    return 0;
}

int ed_semaphore_acquire(ed_semaphore *s)
{
    int err = ed_checkpoint();
    if (err)
        return err;
    if (!ed_semaphore_try_acquire(s))
        return 0;
    return ed_waitq_wait(ed_line_queue(&s->line), "semaphore", NULL);
}

int ed_semaphore_release(ed_semaphore *s)
{
    if (s->limit && s->permits >= s->limit)
        return ED_EUSAGE;
    if (!ed_waitq_wake(ed_line_queue(&s->line), 0))
        s->permits++;
    return 0;
}

/* ---- condition ---- */

int ed_cond_wait(ed_cond *c, ed_mutex *m)
{
    if (!holds(m))
        return ED_EUSAGE;
    int err = ed_checkpoint();
    if (err)
        return err;
    ed_mutex_unlock(m);
    err = ed_waitq_wait(ed_line_queue(&c->line), "condition", NULL);
    relock(m);
    return err;
}

void ed_cond_notify(ed_cond *c)
{
    (void)ed_waitq_wake(ed_line_queue(&c->line), 0);
}

void ed_cond_notify_all(ed_cond *c)
{
    ed_waitq_wake_all(ed_line_queue(&c->line), 0);
}

/* ---- event ---- */

int ed_event_wait(ed_event *e)
{
    int err = ed_checkpoint();
    if (err || e->is_set)
        return err;
    return ed_waitq_wait(ed_line_queue(&e->line), "event", NULL);
}

void ed_event_set(ed_event *e)
{
    e->is_set = true;
    ed_waitq_wake_all(ed_line_queue(&e->line), 0);
}

void ed_event_clear(ed_event *e)
{
    e->is_set = false;
}
