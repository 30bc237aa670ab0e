/*
 * middleware.c - what runs around handlers.
 *
 * Owns the order: the app's layers are outside of those of its groups, an
 * outer group's outside of an inner one's, and of each the first added is the
 * outermost. Each route keeps its layers in one array, worked out before the
 * first request, so that a route without any calls its handler directly.
 */
#include "app/app_internal.h"

struct ed_next {
    const struct ed_layer *layer; /* the next; at `end`, the handler */
    const struct ed_layer *end;
    ed_handler *handler;
};

/* ---- adding ---- */

static int add_layer(ed_app *app, struct ed_layers *to, struct ed_layer layer)
{
    if (to->count == to->room) {
        size_t room = to->room ? 2 * to->room : 4;
        struct ed_layer *layers = ed_app_alloc(app, room * sizeof *layers);
        if (to->count)
            memcpy(layers, to->layers, to->count * sizeof *layers);
        to->layers = layers;
        to->room = room;
    }
    to->layers[to->count++] = layer;
    app->arranged = false;
    return 0;
}

int ed_before(ed_app *app, ed_before_fn *fn, void *arg)
{
    return add_layer(app, &app->layers,
                     (struct ed_layer){ED_LAYER_BEFORE, {.before = fn}, arg});
}

int ed_after(ed_app *app, ed_after_fn *fn, void *arg)
{
    return add_layer(app, &app->layers,
                     (struct ed_layer){ED_LAYER_AFTER, {.after = fn}, arg});
}

int ed_around(ed_app *app, ed_around_fn *fn, void *arg)
{
    return add_layer(app, &app->layers,
                     (struct ed_layer){ED_LAYER_AROUND, {.around = fn}, arg});
}

int ed_group_before(ed_group *group, ed_before_fn *fn, void *arg)
{
    return add_layer(group->app, &group->layers,
                     (struct ed_layer){ED_LAYER_BEFORE, {.before = fn}, arg});
}

int ed_group_after(ed_group *group, ed_after_fn *fn, void *arg)
{
    return add_layer(group->app, &group->layers,
                     (struct ed_layer){ED_LAYER_AFTER, {.after = fn}, arg});
}

int ed_group_around(ed_group *group, ed_around_fn *fn, void *arg)
{
    return add_layer(group->app, &group->layers,
                     (struct ed_layer){ED_LAYER_AROUND, {.around = fn}, arg});
}

/* ---- arranging ---- */

static size_t count_layers(const ed_app *app, const struct ed_group *group)
{
    size_t count = app->layers.count;
    for (; group; group = group->outer)
        count += group->layers.count;
    return count;
}

/* Copies layers so that they end before `end`, and returns where they begin. */
static struct ed_layer *put_before(struct ed_layer *end,
                                   const struct ed_layers *from)
{
    struct ed_layer *begin = end - from->count;
    if (from->count)
        memcpy(begin, from->layers, from->count * sizeof *begin);
    return begin;
}

static void arrange_route(ed_app *app, struct ed_route *route)
{
    size_t count = count_layers(app, route->group);
    route->layers = NULL;
    route->layers_end = NULL;
    if (!count)
        return;
    struct ed_layer *layers = ed_app_alloc(app, count * sizeof *layers);
    struct ed_layer *at = layers + count;
    for (const struct ed_group *g = route->group; g; g = g->outer)
        at = put_before(at, &g->layers);
    put_before(at, &app->layers);
    route->layers = layers;
    route->layers_end = layers + count;
}

void ed_app_arrange(ed_app *app)
{
    for (size_t i = 0; i < app->route_count; i++)
        arrange_route(app, app->routes[i]);
    app->arranged = true;
}

/* ---- running ---- */

static int run_before(const struct ed_layer *layer, ed_next *next, ed_req *req)
{
    int result = layer->before(req, layer->arg);
    if (result < 0)
        return result;
    return result > 0 ? 0 : ed_next_call(next, req);
}

int ed_next_call(ed_next *next, ed_req *req)
{
    if (next->layer == next->end)
        return next->handler(req);
    const struct ed_layer *layer = next->layer;
    struct ed_next inner = {layer + 1, next->end, next->handler};
    if (layer->kind == ED_LAYER_BEFORE)
        return run_before(layer, &inner, req);
    if (layer->kind == ED_LAYER_AROUND)
        return layer->around(req, &inner, layer->arg);
    return layer->after(req, ed_next_call(&inner, req), layer->arg);
}

int ed_layers_run(const struct ed_layer *layers, const struct ed_layer *end,
                  ed_handler *handler, ed_req *req)
{
    struct ed_next next = {layers, end, handler};
    return ed_next_call(&next, req);
}
