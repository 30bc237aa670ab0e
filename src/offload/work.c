/*
 * work.c - what a call goes through: handed over, run in a fiber of the loop,
 * delivered.
 *
 * Callers put tickets in a queue, under the lock; the loop takes the whole
 * queue at once and starts a fiber for each. What ends in one turn of the loop
 * is delivered together at its end, on the loop's own stack: foreign code that
 * is called back gets no fiber's small stack, and may wait for whoever forks.
 */
#include "offload/ticket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <eddy/clock.h>

static void deliver_all(struct ed_deferred *deferred);

/* Tickets that have ended, ed_ticket.next; the loop's thread's. */
static struct ed_list undelivered = {&undelivered, &undelivered};
static struct ed_deferred delivery = {.run = deliver_all};

static ed_ticket *take(struct ed_list *list)
{
    return ED_CONTAINER(ed_list_take(list), ed_ticket, next);
}

static void move_all(struct ed_list *to, struct ed_list *from)
{
    while (!ed_list_empty(from))
        ed_list_add_back(to, ed_list_take(from));
}

/* ---- handing over ---- */

/* Under the lock. */
static int hand_over(ed_ticket *t)
{
    struct ed_offload_loop *o = &ed_offload_loop;
    int err = ed_offload_need();

    if (err)
        return err;
    if (o->pending_count >= o->max_pending)
        return ED_ELIMIT;
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    atomic_store_explicit(&t->state, ED_TICKET_PENDING, memory_order_relaxed);
    ed_list_add_back(&o->queue, &t->next);
    ed_list_add_back(&o->pending, &t->link);
    o->pending_count++;
    o->calls++;
    ed_offload_nudge();
    return 0;
}

ed_ticket *ed_offload_submit(ed_ticket *t)
{
    ed_offload_lock();
    int err = hand_over(t);
    ed_offload_unlock();
    if (err)
        ed_offload_deliver(t, err);
    return t;
}

ed_ticket *ed_offload_at_(ed_offload_fn *fn, void *arg, const char *name,
                          const char *place,
                          const struct ed_offload_options *options)
{
    ed_ticket *t = ed_ticket_new(fn, arg, name, place, options);

    if (t)
        return ed_offload_submit(t);
    if (options->free_arg)
        options->free_arg(arg);
    return NULL;
}

int ed_call_blocking_at_(ed_ticket **ticket, ed_offload_fn *fn, void *arg,
                         const char *name, const char *place,
                         const struct ed_offload_options *options)
{
    *ticket = NULL;
    if (ed_offload_inside())
        return -EDEADLK;
    *ticket = ed_offload_at_(fn, arg, name, place, options);
    return ed_ticket_wait(*ticket, -1);
}

void ed_ticket_cancel(ed_ticket *t)
{
    if (!t)
        return;
    ed_offload_lock();
    bool wanted = atomic_load(&t->state) == ED_TICKET_PENDING &&
                  t->generation == ed_offload_loop.generation &&
                  !atomic_load(&t->cancelled);
    if (wanted) {
        atomic_store(&t->cancelled, true);
        ed_list_add_back(&ed_offload_loop.cancels, &t->to_cancel);
        ed_ticket_ref(t);
        ed_offload_nudge();
    }
    ed_offload_unlock();
}

/* ---- delivering ---- */

/* Under the lock. */
static void settle(ed_ticket *t)
{
    struct ed_offload_loop *o = &ed_offload_loop;

    t->ended = ed_clock_monotonic();
    t->order = ++o->order;
    if (atomic_load(&t->state) != ED_TICKET_NEW) {
        ed_list_remove(&t->link);
        o->pending_count--;
    }
    if (t->at_home && t->value && t->free_value)
        ed_list_add_back(&o->homed, &t->link);
    atomic_store_explicit(&t->state, ED_TICKET_DONE, memory_order_release);
    ed_ticket_wake(t, t->result);
}

static void call_back(ed_ticket *t, bool in_loop)
{
    if (t->free_arg)
        t->free_arg(t->arg);
    t->arg = NULL;
    while (t->callbacks) {
        struct ed_ticket_callback callback = *t->callbacks;
        free(t->callbacks);
        t->callbacks = callback.next;
        callback.fn(t, callback.arg);
        if (in_loop)
            ed_offload_check_fork();
    }
}

void ed_offload_deliver(ed_ticket *t, int result)
{
    t->result = result;
    ed_offload_lock();
    settle(t);
    ed_offload_unlock();
    call_back(t, false);
}

static void deliver_all(struct ed_deferred *deferred)
{
    struct ed_list batch;

    (void)deferred;
    ed_list_init(&batch);
    move_all(&batch, &undelivered);
    ed_offload_lock();
    ed_list_each (link, &batch) {
        settle(ED_CONTAINER(link, ed_ticket, next));
    }
    ed_offload_unlock();
    ed_offload_step_out();
    while (!ed_list_empty(&batch)) {
        ed_ticket *t = take(&batch);
        call_back(t, true);
        ed_ticket_free(t);
        ed_offload_check_fork();
    }
    ed_offload_step_in();
}

bool ed_offload_undelivered(void)
{
    return !ed_list_empty(&undelivered) || delivery.queued;
}

static void deliver_soon(ed_ticket *t, int result)
{
    t->result = result;
    atomic_store_explicit(&t->state, ED_TICKET_ENDED, memory_order_relaxed);
    ed_list_add_back(&undelivered, &t->next);
    ed_defer(ed_loop_current(), &delivery);
}

/* ---- running ---- */

static void keep_detail(ed_ticket *t, int result)
{
    const char *detail = result < 0 ? ed_error_of(result) : "";

    if (*detail)
        t->detail = strdup(detail);
}

static int call(ed_ticket *t)
{
    if (atomic_load(&t->cancelled))
        return ED_ECANCELED;
    if (!t->arena)
        t->arena = ed_arena_new(t->max_bytes);
    if (!t->arena)
        return ED_ENOMEM;
    ed_fiber_use_arena(t->arena);
    if (t->deadline == INT64_MAX)
        return t->fn(t->arg, t->arena, &t->value);
    ed_scope(s, .deadline = t->deadline, .name = "within");
    return t->fn(t->arg, t->arena, &t->value);
}

static int run(void *arg)
{
    ed_ticket *t = arg;

    t->fiber = ed_fiber_self();
    int result = call(t);
    ed_offload_check_fork();
    keep_detail(t, result);
    /* It was not the caller who cancelled it. */
    if (result == ED_ECANCELED && !atomic_load(&t->cancelled) && ed_cancelled())
        result = ED_ESTOPPED;
    t->fiber = NULL;
    ed_fiber_use_arena(NULL);
    deliver_soon(t, result);
    return 0;
}

static void begin(ed_ticket *t)
{
    int err = ed_go_at_(ed_offload_loop.scope, run, t, t->name, t->place);

    if (err)
        deliver_soon(t, err == ED_ENOMEM ? err : ED_ESTOPPED);
}

/* One that has not begun sees that it is cancelled when it does. */
static void cancel_all(struct ed_list *cancels)
{
    if (ed_list_empty(cancels))
        return;
    ed_list_each (link, cancels) {
        ed_ticket *t = ED_CONTAINER(link, ed_ticket, to_cancel);
        if (t->fiber)
            ed_fiber_cancel(t->fiber, ED_ECANCELED);
    }
    /* It may have ended meanwhile, and this may be the last reference. */
    ed_offload_step_out();
    while (!ed_list_empty(cancels))
        ed_ticket_free(
            ED_CONTAINER(ed_list_take(cancels), ed_ticket, to_cancel));
    ed_offload_step_in();
}

static void release(ed_ticket *t)
{
    t->free_value(t->value);
    atomic_store(&t->gone, true);
    ed_ticket_free(t);
}

/* ---- taking up what callers left ---- */

static void take_lists(struct ed_list *queue, struct ed_list *cancels,
                       struct ed_list *releases)
{
    struct ed_offload_loop *o = &ed_offload_loop;

    ed_list_init(queue);
    ed_list_init(cancels);
    ed_list_init(releases);
    ed_offload_lock();
    o->posted = false;
    if (o->scope)
        move_all(queue, &o->queue);
    move_all(cancels, &o->cancels);
    move_all(releases, &o->releases);
    ed_offload_unlock();
}

void ed_offload_take_up(void)
{
    struct ed_list queue, cancels, releases;

    take_lists(&queue, &cancels, &releases);
    while (!ed_list_empty(&queue))
        begin(take(&queue));
    cancel_all(&cancels);
    while (!ed_list_empty(&releases))
        release(take(&releases));
}

void ed_offload_refuse_queued(int err)
{
    struct ed_list queue;

    ed_list_init(&queue);
    ed_offload_lock();
    move_all(&queue, &ed_offload_loop.queue);
    ed_offload_unlock();
    while (!ed_list_empty(&queue))
        deliver_soon(take(&queue), err);
}

/* The last of the list, with a reference; NULL: it is empty. */
static ed_ticket *take_homed(void)
{
    struct ed_list *homed = &ed_offload_loop.homed;
    ed_ticket *t = NULL;

    ed_offload_lock();
    if (!ed_list_empty(homed)) {
        t = ED_CONTAINER(ed_list_last(homed), ed_ticket, link);
        ed_list_remove(&t->link);
        ed_ticket_ref(t);
    }
    ed_offload_unlock();
    return t;
}

void ed_offload_free_homed(void)
{
    ed_ticket *t;

    /* Those made last first: they may use what was there before. */
    while ((t = take_homed()))
        release(t);
}

void ed_offload_forget_work(void)
{
    struct ed_offload_loop *o = &ed_offload_loop;

    ed_list_init(&undelivered);
    delivery.queued = false;
    ed_list_init(&o->queue);
    ed_list_init(&o->cancels);
    ed_list_init(&o->releases);
    ed_list_init(&o->homed);
    ed_list_init(&o->pending);
    o->pending_count = 0;
}
