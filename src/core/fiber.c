/*
 * fiber.c - fibers: starting, switching, waiting, ending.
 *
 * A fiber that ends goes to the pool of its loop with its stack ready for its
 * entry function to be called again, and is started by switching to it: a start
 * costs no set-up of a stack. All switches go between a fiber and the loop,
 * never from fiber to fiber, which keeps every trace readable for one switch
 * more.
 */
#include "core/loop_internal.h"
#include "base/moment.h"
#include "core/sanitizer.h"
#include "core/switch.h"

#include <eddy/clock.h>
#include <eddy/log.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A waiting call may succeed this often without waiting before the clock is
 * looked at, and then keep the loop from I/O for this long. */
enum { IMMEDIATE_CALLS = 32 };
static const int64_t LONGEST_SLICE = 2 * ED_MS;

enum { DETAIL_BYTES = 256 };

struct ed_local_value {
    struct ed_local_value *next;
    const struct ed_local *key;
    void *value;
    bool borrowed; /* inherited: somebody else's to drop */
};

ed_fiber *ed_fiber_self(void)
{
    ed_loop *loop = ed_loop_tls;
    return loop ? loop->current : NULL;
}

bool ed_in_fiber(void)
{
    return ed_fiber_self() != NULL;
}

/* ---- fiber-local values ---- */

static struct ed_local_value *local_find(const ed_fiber *f,
                                         const struct ed_local *key)
{
    for (struct ed_local_value *v = f->locals; v; v = v->next) {
        if (v->key == key)
            return v;
    }
    return NULL;
}

static int local_add(ed_fiber *f, const struct ed_local *key, void *value,
                     bool borrowed)
{
    struct ed_local_value *v = malloc(sizeof *v);
    if (!v)
        return ED_ENOMEM;
    *v = (struct ed_local_value){f->locals, key, value, borrowed};
    f->locals = v;
    return 0;
}

static int locals_inherit(ed_fiber *f, const ed_fiber *from)
{
    for (struct ed_local_value *v = from->locals; v; v = v->next) {
        if (!v->key->inherit)
            continue;
        int err = local_add(f, v->key, v->value, true);
        if (err)
            return err;
    }
    return 0;
}

static void local_drop(struct ed_local_value *v)
{
    if (v->key->drop && v->value && !v->borrowed)
        v->key->drop(v->value);
}

static void locals_drop(ed_fiber *f)
{
    while (f->locals) {
        struct ed_local_value *v = f->locals;
        f->locals = v->next;
        local_drop(v);
        free(v);
    }
}

int ed_local_set(struct ed_local *key, void *value)
{
    ed_fiber *f = ed_fiber_self();
    if (!f)
        return ED_EUSAGE;
    struct ed_local_value *v = local_find(f, key);
    if (!v)
        return local_add(f, key, value, false);
    local_drop(v);
    v->value = value;
    v->borrowed = false;
    return 0;
}

void *ed_local_get(const struct ed_local *key)
{
    ed_fiber *f = ed_fiber_self();
    struct ed_local_value *v = f ? local_find(f, key) : NULL;
    return v ? v->value : NULL;
}

/* ---- life ---- */

static void end(ed_fiber *f, int result)
{
    ed_loop *loop = f->loop;
    ed_scope *scope = f->base.parent;

    locals_drop(f);
    ed_list_remove(&f->all);
    ed_list_remove(&f->sibling);
    loop->fiber_count--;
    ed_scope_child_ended(scope, f, result);
    free(f->detail);
    f->detail = NULL;
    f->state = ED_FIBER_FREE;
    ed_stack_put(loop, f);
}

static void live(ed_fiber *f)
{
    int result = f->fn(f->arg);
    /* What it started in its own first scope may not outlive it. */
    ed_scope_close(&f->base);
    end(f, result);
}

/* Enters in one fiber and leaves, to ThreadSanitizer, in another, and so must
 * not tell it of either. */
__attribute__((no_sanitize("thread"))) static struct ed_switch_home entry(
    void *arg)
{
    ed_fiber *f = arg;
    ed_sanitizer_entered_fiber(f->loop, f);
    live(f);
    ed_sanitizer_leave(f->loop, f);
    return (struct ed_switch_home){&f->sp, f->loop->sp};
}

ed_fiber *ed_fiber_new(ed_loop *loop, ed_scope *scope, ed_fn *fn, void *arg,
                       const char *name, const char *place)
{
    ed_fiber *f = ed_stack_get(loop);
    if (!f)
        return NULL;
    /* From whose scope it is, and not from who starts it: a request may start
     * fibers in a scope that outlives it. */
    ed_fiber *from = scope->owner;
    if (!f->sp) {
        f->sp = ed_switch_prepare(f, entry, f);
        ed_list_init(&f->sibling);
        ed_list_init(&f->all);
    }
    f->fn = fn;
    f->arg = arg;
    f->name = name;
    f->place = place;
    f->trimmed = false;
    f->plain_calls = false;
    f->cancelled = 0;
    f->arena = from ? from->arena : NULL;
    f->work = from ? from->work : NULL;
    if (from && from->locals && locals_inherit(f, from) < 0) {
        locals_drop(f);
        ed_stack_put(loop, f);
        return NULL;
    }
    ed_scope_init(&f->base, scope, f);
    f->scope = &f->base;
    ed_list_add_back(&scope->children, &f->sibling);
    ed_list_add_back(&loop->fibers, &f->all);
    loop->fiber_count++;
    return f;
}

void ed_fiber_ready(ed_fiber *f)
{
    ed_loop *loop = f->loop;
    f->state = ED_FIBER_READY;
    f->next = NULL;
    *loop->ready_end = f;
    loop->ready_end = &f->next;
}

int ed_fiber_run_now(ed_scope *scope, ed_fn *fn, void *arg, const char *name,
                     const char *place, ed_arena *arena)
{
    ed_loop *loop = ed_loop_tls;
    ed_fiber *f = ed_fiber_new(loop, scope, fn, arg, name, place);
    if (!f)
        return ED_ENOMEM;
    f->arena = arena;
    ed_fiber_switch_in(loop, f);
    return 0;
}

/* ---- switching ---- */

void ed_fiber_switch_in(ed_loop *loop, ed_fiber *f)
{
    f->state = ED_FIBER_RUNNING;
    loop->current = f;
    ed_monitor_busy(&loop->monitor);
    ed_sanitizer_enter(loop, f);
    ed_switch(&loop->sp, f->sp);
    ed_sanitizer_entered_loop(loop);
    loop->current = NULL;
}

void ed_fiber_switch_out(ed_fiber *f)
{
    ed_loop *loop = f->loop;
    int saved = errno;
    ed_sanitizer_leave(loop, f);
    ed_switch(&f->sp, loop->sp);
    ed_sanitizer_entered_fiber(loop, f);
    errno = saved;
}

int ed_park(const char *what, bool (*abort)(void *arg), void *arg)
{
    ed_fiber *f = ed_fiber_self();
    if (abort && f->scope->cancelled)
        return f->scope->cancelled;
    f->state = ED_FIBER_PARKED;
    f->what = what;
    f->abort = abort;
    f->abort_arg = arg;
    ed_fiber_switch_out(f);
    return f->result;
}

static void end_wait(ed_fiber *f, int result)
{
    f->result = result;
    f->abort = NULL;
    f->what = NULL;
}

void ed_wake(ed_fiber *f, int result)
{
    end_wait(f, result);
    ed_fiber_ready(f);
}

void ed_wake_now(ed_fiber *f, int result)
{
    end_wait(f, result);
    ed_fiber_switch_in(f->loop, f);
}

int ed_checkpoint_now(void)
{
    ed_fiber *f = ed_fiber_self();
    ed_loop *loop = f->loop;
    loop->immediate = 0;
    if (!loop->virtual_clock &&
        ed_clock_monotonic() - loop->turn_began > LONGEST_SLICE) {
        loop->turn_over = true;
        return ed_yield();
    }
    return f->scope->cancelled;
}

int ed_checkpoint(void)
{
    ed_fiber *f = ed_fiber_self();
    if (!f)
        return ED_EUSAGE;
    if (++f->loop->immediate >= IMMEDIATE_CALLS)
        return ed_checkpoint_now();
    return f->scope->cancelled;
}

int ed_yield(void)
{
    ed_fiber *f = ed_fiber_self();
    if (!f)
        return ED_EUSAGE;
    if (f->scope->cancelled)
        return f->scope->cancelled;
    f->what = "its turn";
    ed_fiber_ready(f);
    ed_fiber_switch_out(f);
    f->what = NULL;
    return f->scope->cancelled;
}

struct sleeper {
    struct ed_timer timer;
    ed_fiber *fiber;
};

static void sleeper_fire(struct ed_timer *timer)
{
    struct sleeper *s = ED_CONTAINER(timer, struct sleeper, timer);
    ed_wake(s->fiber, 0);
}

static bool sleeper_abort(void *arg)
{
    struct sleeper *s = arg;
    ed_timer_stop(s->fiber->loop, &s->timer);
    return true;
}

int ed_sleep(int64_t duration)
{
    if (duration <= 0)
        return ed_yield();
    ed_fiber *f = ed_fiber_self();
    if (!f)
        return ED_EUSAGE;
    if (f->scope->cancelled)
        return f->scope->cancelled;
    struct sleeper s = {.timer.fire = sleeper_fire, .fiber = f};
    int err =
        ed_timer_start(f->loop, &s.timer,
                       ed_moment_after(ed_loop_now_exact(f->loop), duration));
    return err ? err : ed_park("sleep", sleeper_abort, &s);
}

/* ---- waiting in line ---- */

bool ed_waitq_empty(const struct ed_waitq *q)
{
    return !q->waiters.next || ed_list_empty(&q->waiters);
}

static bool waiter_abort(void *arg)
{
    struct ed_waiter *w = arg;
    ed_list_remove(&w->node);
    return true;
}

int ed_waitq_wait(struct ed_waitq *q, const char *what, void *data)
{
    ed_fiber *f = ed_fiber_self();
    if (f->scope->cancelled)
        return f->scope->cancelled;
    if (!q->waiters.next)
        ed_list_init(&q->waiters);
    struct ed_waiter w = {.fiber = f, .data = data};
    ed_list_add_back(&q->waiters, &w.node);
    return ed_park(what, waiter_abort, &w);
}

struct ed_waiter *ed_waitq_first(const struct ed_waitq *q)
{
    if (ed_waitq_empty(q))
        return NULL;
    return ED_CONTAINER(q->waiters.next, struct ed_waiter, node);
}

struct ed_waiter *ed_waitq_last(const struct ed_waitq *q)
{
    if (ed_waitq_empty(q))
        return NULL;
    return ED_CONTAINER(q->waiters.prev, struct ed_waiter, node);
}

void ed_waitq_wake_it(struct ed_waiter *waiter, int result)
{
    ed_list_remove(&waiter->node);
    ed_wake(waiter->fiber, result);
}

struct ed_waiter *ed_waitq_wake(struct ed_waitq *q, int result)
{
    struct ed_waiter *w = ed_waitq_first(q);

    if (w)
        ed_waitq_wake_it(w, result);
    return w;
}

void ed_waitq_wake_all(struct ed_waitq *q, int result)
{
    while (ed_waitq_wake(q, result))
        ;
}

/* ---- what a fiber carries ---- */

const char *ed_error_of(int err)
{
    ed_fiber *f = ed_fiber_self();
    return f && f->detail && f->detail_of == err ? f->detail : "";
}

const char *ed_error(void)
{
    ed_fiber *f = ed_fiber_self();
    return f && f->detail ? f->detail : "";
}

int ed_fail(int err, const char *fmt, ...)
{
    ed_fiber *f = ed_fiber_self();
    if (!f)
        return err;
    /* Arguments may point into the old text. */
    char text[DETAIL_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!f->detail)
        f->detail = malloc(DETAIL_BYTES);
    if (f->detail)
        memcpy(f->detail, text, sizeof text);
    f->detail_of = err;
    return err;
}

static ed_arena *arena_of(const ed_fiber *f)
{
    return f->arena ? f->arena : f->loop->arena;
}

ed_arena *ed_fiber_arena(void)
{
    const ed_fiber *f = ed_fiber_self();
    return f ? arena_of(f) : NULL;
}

ed_arena *ed_scope_arena(const ed_scope *scope)
{
    return arena_of(scope->owner);
}

ed_arena *ed_fiber_use_arena(ed_arena *arena)
{
    ed_fiber *f = ed_fiber_self();
    if (!f)
        return NULL;
    ed_arena *old = f->arena;
    f->arena = arena;
    return old;
}

void ed_fiber_name(const char *name)
{
    ed_fiber *f = ed_fiber_self();
    if (f)
        f->name = name;
}
