/*
 * tree.c - ed_fiber_tree(): who lives in this loop, in whose scope, doing
 * what.
 *
 * Children are written in the order they were started, then the scope opened
 * inside. The walk needs no memory: it climbs back by the links every scope
 * has to what is around it, however deep the tree is.
 */
#include <eddy/fiber.h>

#include <stdio.h>
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

static void write_fiber(const ed_fiber *fiber, int indent, int64_t now)
{
    struct remarks r = remarks_on(&fiber->base, now);
    bool waits = fiber->state == ED_FIBER_PARKED;

    ed_log_info("%*s%s (%s) %s%s%s", indent, "", fiber->name, fiber->place,
                state_text(fiber),
                waits ? (fiber->what ? fiber->what : "something") : "", r.text);
}

static void write_scope(const ed_scope *scope, int depth, int64_t now)
{
    int indent = 2 * (depth < DEEPEST ? depth : DEEPEST);
    struct remarks r = remarks_on(scope, now);

    if (is_base(scope))
        write_fiber(scope->owner, indent, now);
    else if (scope->parent)
        ed_log_info("%*sscope%s%s%s", indent, "", scope->name ? " " : "",
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

void ed_fiber_tree(void)
{
    const ed_loop *loop = ed_loop_tls;
    const ed_scope *scope;
    int depth = 0;

    if (!loop || !ed_log_enabled(ED_LOG_INFO))
        return;
    ed_log_info("fibers: %zu", loop->fiber_count);
    scope = &loop->root;
    while (scope) {
        const ed_scope *below = first_below(scope);

        write_scope(scope, depth, loop->now);
        if (below)
            depth++;
        scope = below ? below : next_above(scope, &depth);
    }
}
