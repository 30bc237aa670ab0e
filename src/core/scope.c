/*
 * scope.c - structured concurrency: who belongs to whom, deadlines and
 * cancellation.
 *
 * Scopes form a tree: a scope lies in the one around it in the same fiber, or,
 * for a fiber's first ("base"), in the scope the fiber was started in. A
 * cancellation is written into every scope below at once, stopping at shields,
 * so that asking "am I cancelled?" is one load.
 */
#include "base/options.h"
#include "base/moment.h"
#include "core/loop_internal.h"

#include <eddy/clock.h>
#include <eddy/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct ed_scope) <= sizeof(struct ed_scope_store),
               "ED_SCOPE_WORDS is too small");

static void deadline_passed(struct ed_timer *timer)
{
    ed_scope *s = ED_CONTAINER(timer, ed_scope, timer);
    ed_scope_cancel_with(s, ED_ETIMEOUT);
}

void ed_scope_init(ed_scope *s, ed_scope *parent, ed_fiber *owner)
{
    memset(s, 0, sizeof *s);
    s->parent = parent;
    s->owner = owner;
    ed_list_init(&s->children);
    s->deadline = INT64_MAX;
    if (parent) {
        s->deadline = parent->deadline;
        s->cancelled = parent->cancelled;
    }
}

static ed_fiber *fiber_or_die(const char *what)
{
    ed_fiber *f = ed_fiber_self();
    if (!f) {
        fprintf(stderr, "eddy: %s outside a fiber\n", what);
        abort();
    }
    return f;
}

static ed_scope *push(struct ed_scope_store *store, ed_fiber *f)
{
    ed_scope *s = (ed_scope *)(void *)store;
    ed_scope_init(s, f->scope, f);
    f->scope->inner = s;
    f->scope = s;
    return s;
}

/* Bounds the scope, whose deadline so far is the one around it. */
static void bound(ed_scope *s, int64_t deadline)
{
    ed_loop *loop = s->owner->loop;
    if (deadline >= s->deadline || s->cancelled)
        return;
    s->deadline = deadline;
    s->timer.fire = deadline_passed;
    /* Without memory for a timer the deadline could never be kept. */
    if (deadline <= loop->now || ed_timer_start(loop, &s->timer, deadline) < 0)
        ed_scope_cancel_with(s, ED_ETIMEOUT);
}

static int64_t from_now(const ed_fiber *f, int64_t within)
{
    return ed_moment_after(ed_loop_now_exact(f->loop), within);
}

ed_scope *ed_scope_enter_(struct ed_scope_store *store,
                          const struct ed_scope_options *given)
{
    ED_OPTIONS_TAKE(struct ed_scope_options, options, given);
    ed_fiber *f = fiber_or_die("ed_scope()");
    ed_scope *s = push(store, f);
    s->name = options.name;
    s->independent = options.independent;
    if (options.deadline)
        bound(s, options.deadline);
    if (options.within)
        bound(s, from_now(f, options.within));
    return s;
}

ed_scope *ed_shield_enter_(struct ed_scope_store *store, int64_t within)
{
    ed_fiber *f = fiber_or_die("ed_shield()");
    ed_scope *s = push(store, f);
    s->name = "shield";
    s->shield = true;
    s->cancelled = 0;
    s->deadline = INT64_MAX;
    bound(s, from_now(f, within));
    return s;
}

static bool is_base(const ed_scope *s)
{
    return s->owner && s == &s->owner->base;
}

static void join(ed_scope *s)
{
    while (!ed_list_empty(&s->children)) {
        s->joining = true;
        /* Not to be disturbed: whoever cancels this scope cancels the
         * children, and their end is what is awaited. */
        ed_park(ED_WAITS_FOR_CHILDREN, NULL, NULL);
    }
}

void ed_log_failure(const char *name, const char *place, int failure,
                    const char *detail)
{
    ed_log_error("fiber '%s' started at %s failed: %s%s%s (%s)", name, place,
                 ed_err_text(failure), detail ? ": " : "", detail ? detail : "",
                 ed_err_name(failure));
}

/* A service that is down makes many siblings fail at once: those that failed
 * like the first are counted and told in one line. */
static void further_failure(ed_scope *s, ed_fiber *f, int result)
{
    if (result == s->failure && f->place == s->failed_place)
        s->alike++;
    else
        ed_log_failure(f->name, f->place, result, f->detail);
}

static void log_alike(ed_scope *s)
{
    if (s->alike)
        ed_log_error("%u more of fiber '%s' started at %s failed alike (%s)",
                     s->alike, s->failed_name, s->failed_place,
                     ed_err_name(s->failure));
    s->alike = 0;
}

void ed_scope_close(ed_scope *s)
{
    if (!ed_list_empty(&s->children)) {
        ed_scope_cancel_with(s, ED_ECANCELED);
        join(s);
    }
    ed_timer_stop(s->owner->loop, &s->timer);
    if (s->failure && !s->collected)
        ed_log_failure(s->failed_name, s->failed_place, s->failure, s->detail);
    log_alike(s);
    free(s->detail);
    if (s->futures)
        ed_futures_leave(s->futures);
}

void ed_scope_leave_(ed_scope **scope)
{
    ed_scope *s = *scope;
    ed_scope_close(s);
    s->owner->scope = s->parent;
    s->parent->inner = NULL;
}

int ed_scope_refuse(ed_scope *s, int err, const char *name, const char *place)
{
    if (s->independent) {
        ed_log_failure(name, place, err, NULL);
    } else if (!s->failure && !s->cancelled && !s->ended) {
        s->failure = err;
        s->failed_name = name;
        s->failed_place = place;
        ed_scope_cancel_with(s, ED_ECANCELED);
    }
    return err;
}

static ed_fiber *spawn(ed_scope *s, ed_fn *fn, void *arg, const char *name,
                       const char *place, int *err)
{
    *err = s->ended ? ED_ECLOSED : s->cancelled;
    if (*err)
        return NULL;
    ed_fiber *f = ed_fiber_new(ed_loop_tls, s, fn, arg, name, place);
    if (!f)
        *err = ed_scope_refuse(s, ED_ENOMEM, name, place);
    return f;
}

int ed_go_at_(ed_scope *s, ed_fn *fn, void *arg, const char *name,
              const char *place)
{
    int err;
    ed_fiber *f = spawn(s, fn, arg, name, place, &err);
    if (f)
        ed_fiber_ready(f);
    return err;
}

struct copied {
    ed_fn *fn;
    _Alignas(16) char arg[ED_GO_COPY_MAX];
};

static int run_copied(void *arg)
{
    struct copied *copy = arg;
    int result = copy->fn(copy->arg);
    free(copy);
    return result;
}

int ed_go_copy_at_(ed_scope *s, ed_fn *fn, const void *arg, size_t len,
                   const char *name, const char *place)
{
    if (len > ED_GO_COPY_MAX)
        return ed_scope_refuse(s, ED_EUSAGE, name, place);
    struct copied *copy = malloc(sizeof *copy);
    if (!copy)
        return ed_scope_refuse(s, ED_ENOMEM, name, place);
    copy->fn = fn;
    memcpy(copy->arg, arg, len);
    int err;
    ed_fiber *f = spawn(s, run_copied, copy, name, place, &err);
    if (!f) {
        free(copy);
        return err;
    }
    ed_fiber_ready(f);
    return 0;
}

int ed_wait(ed_scope *s)
{
    if (s->owner != ed_fiber_self())
        return ED_EUSAGE;
    if (s->ended)
        return s->answer;
    join(s);
    ed_timer_stop(s->owner->loop, &s->timer);
    log_alike(s);
    s->answer = s->failure ? s->failure : s->cancelled;
    s->ended = true;
    if (s->failure) {
        s->collected = true;
        free(s->owner->detail);
        s->owner->detail = s->detail;
        s->owner->detail_of = s->failure;
        s->detail = NULL;
    }
    /* From here on the scope around this one is what counts. */
    s->shield = false;
    s->cancelled = s->parent->cancelled;
    s->deadline = s->parent->deadline;
    if (is_base(s) && s->owner->cancelled)
        s->cancelled = s->owner->cancelled;
    return s->answer;
}

/* Whether the fiber ended like that because it was told to from outside, and
 * not by the failure of a child of its own. */
static bool consequence(const ed_fiber *f, int result)
{
    if (result != ED_ECANCELED && result != ED_ETIMEOUT)
        return false;
    return f->base.parent->cancelled || f->cancelled ||
           (f->base.cancelled && !f->base.failure);
}

void ed_scope_child_ended(ed_scope *s, ed_fiber *f, int result)
{
    if (result < 0 && !consequence(f, result)) {
        /* The text may be of an earlier failure that the fiber got over. */
        if (f->detail && f->detail_of != result)
            f->detail[0] = '\0';
        if (s->independent) {
            ed_log_failure(f->name, f->place, result, f->detail);
        } else if (s->failure) {
            further_failure(s, f, result);
        } else {
            s->failure = result;
            s->failed_name = f->name;
            s->failed_place = f->place;
            s->detail = f->detail;
            f->detail = NULL;
            ed_scope_cancel_with(s, ED_ECANCELED);
        }
    }
    if (s->joining && ed_list_empty(&s->children)) {
        /* Once: another child may come and go before the owner runs. */
        s->joining = false;
        ed_wake(s->owner, 0);
    }
}

/* ---- cancellation ---- */

static void disturb(ed_fiber *f, int err)
{
    if (f->state != ED_FIBER_PARKED || !f->abort)
        return;
    bool (*abort)(void *) = f->abort;
    f->abort = NULL; /* once */
    if (abort(f->abort_arg))
        ed_wake(f, err);
}

void ed_scope_cancel_with(ed_scope *scope, int err)
{
    /* A fiber that has waited for its first scope goes on running in it. */
    if (scope->cancelled || (scope->ended && !is_base(scope)))
        return;
    /* A list and not a recursion: trees of fibers can be deeper than a stack
     * is. */
    ed_scope *todo = scope;
    scope->cancelled = err;
    scope->cancel_next = NULL;
    while (todo) {
        ed_scope *s = todo;
        todo = s->cancel_next;
        if (s->inner && !s->inner->shield && !s->inner->cancelled) {
            s->inner->cancelled = err;
            s->inner->cancel_next = todo;
            todo = s->inner;
        }
        ed_list_each (node, &s->children) {
            ed_fiber *child = ED_CONTAINER(node, ed_fiber, sibling);
            if (child->base.cancelled)
                continue;
            child->base.cancelled = err;
            child->base.cancel_next = todo;
            todo = &child->base;
        }
        if (s->owner && s->owner->scope == s)
            disturb(s->owner, err);
    }
}

void ed_cancel(ed_scope *scope)
{
    ed_scope_cancel_with(scope, ED_ECANCELED);
}

void ed_fiber_cancel(ed_fiber *f, int err)
{
    if (!f->cancelled)
        f->cancelled = err;
    ed_scope_cancel_with(&f->base, err);
}

ed_scope *ed_scope_current(void)
{
    ed_fiber *f = ed_fiber_self();
    return f ? f->scope : NULL;
}

int ed_cancelled(void)
{
    ed_fiber *f = ed_fiber_self();
    return f ? f->scope->cancelled : 0;
}

int64_t ed_deadline(void)
{
    ed_fiber *f = ed_fiber_self();
    return f ? f->scope->deadline : INT64_MAX;
}

int ed_with_timeout(int64_t within, ed_fn *fn, void *arg)
{
    /* No time at all is not the same as no limit. */
    ed_scope(s, .within = within > 0 ? within : -1, .name = "timeout");
    return fn(arg);
}
