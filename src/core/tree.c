/*
 * tree.c - ed_fiber_tree(): who lives in this loop, in whose scope, doing
 * what.
 *
 * Children are written in the order they were started, then the scope opened
 * inside. The walk needs no memory: it climbs back by the links every scope
 * has to what is around it, however deep the tree is.
 */
#include <eddy/fiber.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <eddy/log.h>
#include "core/loop_internal.h"

/* Deeper levels are written at the same indentation. */
#define DEEPEST 30

/* What there is to say about a scope beyond its name. */
struct remarks {
    char text[64];
};

static struct remarks remarks_on(const ed_scope *scope, int64_t now)
{
    struct remarks r = {""};

    if (scope->cancelled)
        snprintf(r.text, sizeof r.text, ", %s", ed_err_text(scope->cancelled));
    else if (scope->timer.index)
        snprintf(r.text, sizeof r.text, ", %lld ms left",
                 (long long)((scope->deadline - now) / ED_MS));
    return r;
}

static const char *state_text(const ed_fiber *fiber)
{
    switch (fiber->state) {
    case ED_FIBER_RUNNING:
        return "running";
    case ED_FIBER_PARKED:
        return "waits for ";
    default:
        return "ready";
    }
}

static bool is_base(const ed_scope *scope)
{
    return scope->owner && scope == &scope->owner->base;
}

/* Whom the lines are told, and the one being told. */
struct teller {
    ed_tree_line_fn *fn;
    void *arg;
    int64_t now;
    char line[512];
};

ED_PRINTF(2, 3) static void tell(struct teller *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(t->line, sizeof t->line, fmt, args);
    va_end(args);
    t->fn(t->arg, t->line);
}

static void write_fiber(struct teller *t, const ed_fiber *fiber, int indent)
{
    struct remarks r = remarks_on(&fiber->base, t->now);
    bool waits = fiber->state == ED_FIBER_PARKED;

    tell(t, "%*s%s (%s) %s%s%s", indent, "", fiber->name, fiber->place,
         state_text(fiber),
         waits ? (fiber->what ? fiber->what : "something") : "", r.text);
}

static void write_scope(struct teller *t, const ed_scope *scope, int depth)
{
    int indent = 2 * (depth < DEEPEST ? depth : DEEPEST);
    struct remarks r = remarks_on(scope, t->now);

    if (is_base(scope))
        write_fiber(t, scope->owner, indent);
    else if (scope->parent)
        tell(t, "%*sscope%s%s%s", indent, "", scope->name ? " " : "",
             scope->name ? scope->name : "", r.text);
}

static const ed_scope *first_below(const ed_scope *scope)
{
    struct ed_list *child = ed_list_first(&scope->children);

    if (child)
        return &ED_CONTAINER(child, ed_fiber, sibling)->base;
    return scope->inner;
}

/* What follows a scope within the one around it; NULL: it was the last. */
static const ed_scope *next_beside(const ed_scope *scope)
{
    const ed_scope *around = scope->parent;
    struct ed_list *next;

    if (!is_base(scope))
        return NULL; /* an inner scope comes last */
    next = scope->owner->sibling.next;
    if (next != &around->children)
        return &ED_CONTAINER(next, ed_fiber, sibling)->base;
    return around->inner;
}

/* What follows a scope and all below it; NULL: the tree has ended. */
static const ed_scope *next_above(const ed_scope *scope, int *depth)
{
    for (; scope->parent; scope = scope->parent) {
        const ed_scope *next = next_beside(scope);
        if (next)
            return next;
        --*depth;
    }
    return NULL;
}

void ed_fiber_tree_lines(ed_tree_line_fn *fn, void *arg)
{
    const ed_loop *loop = ed_loop_tls;
    const ed_scope *scope = &loop->root;
    struct teller t = {.fn = fn, .arg = arg, .now = loop->now};
    int depth = 0;

    tell(&t, "fibers: %zu", loop->fiber_count);
    while (scope) {
        const ed_scope *below = first_below(scope);

        write_scope(&t, scope, depth);
        if (below)
            depth++;
        scope = below ? below : next_above(scope, &depth);
    }
}

static void log_line(void *arg, const char *line)
{
    (void)arg;
    ed_log_info("%s", line);
}

void ed_fiber_tree(void)
{
    if (ed_loop_tls && ed_log_enabled(ED_LOG_INFO))
        ed_fiber_tree_lines(log_line, NULL);
}

/* ---- those of one piece of work ---- */

void ed_fibers_at_work(const ed_loop *loop, const void *work,
                       ed_each_fiber_fn *fn, void *arg)
{
    ed_list_each (node, &loop->fibers) {
        const ed_fiber *fiber = ED_CONTAINER(node, ed_fiber, all);
        if (fiber->work == work && !fn(fiber, arg))
            return;
    }
}

static const ed_fiber *first_child(const ed_fiber *fiber)
{
    for (const ed_scope *s = fiber->scope;; s = s->parent) {
        struct ed_list *child = ed_list_first(&s->children);
        if (child)
            return ED_CONTAINER(child, ed_fiber, sibling);
        if (is_base(s))
            return NULL;
    }
}

const ed_fiber *ed_fiber_awaited(const ed_fiber *fiber)
{
    const ed_fiber *child = fiber;

    while (child && child->state == ED_FIBER_PARKED && child->what &&
           !strcmp(child->what, ED_WAITS_FOR_CHILDREN)) {
        fiber = child;
        child = first_child(fiber);
    }
    return child ? child : fiber;
}
