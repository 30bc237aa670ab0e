/*
 * app.c - an application: what it was told, and how it answers a request.
 *
 * Owns the routes and everything else that is set up before the first request,
 * in one arena that only grows. Each request is given a note (req->app) for as
 * long as it is answered. What the app answers by itself (404, 405, OPTIONS,
 * redirects) runs as a handler does, inside of the app's middleware.
 */
#include "app/app_internal.h"

#include <eddy/log.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the app ---- */

static void out_of_memory(void)
{
    fputs("eddy: no memory to set up the application\n", stderr);
    abort();
}

void *ed_app_alloc(ed_app *app, size_t size)
{
    void *ptr = ed_arena_alloc(app->arena, size);
    if (!ptr)
        out_of_memory();
    return ptr;
}

const char *ed_app_copy(ed_app *app, struct ed_bytes text)
{
    const char *copy = ed_arena_copy(app->arena, text);
    if (!copy)
        out_of_memory();
    return copy;
}

ed_app *ed_app_new(void)
{
    ed_app *app = calloc(1, sizeof *app);
    if (!app)
        out_of_memory();
    app->arena = ed_arena_new(0);
    app->names = ed_map_new();
    if (!app->arena || !app->names)
        out_of_memory();
    ed_router_init(&app->router, app->arena);
    ed_app_init_life(app);
    ed_list_init(&app->rooms);
    app->options_end = &app->options;
    return app;
}

void ed_app_free(ed_app *app)
{
    if (!app)
        return;
    ed_app_drop_parts(app);
    ed_app_free_rooms(app);
    for (struct ed_app_end *end = app->ends; end; end = end->next)
        end->fn(end->arg);
    ed_map_free(app->names);
    ed_arena_free(app->arena);
    free(app);
}

void ed_app_at_end(ed_app *app, void (*fn)(void *arg), void *arg)
{
    struct ed_app_end *end = ed_app_alloc(app, sizeof *end);
    *end = (struct ed_app_end){app->ends, fn, arg};
    app->ends = end;
}

void ed_app_early(ed_app *app, int (*fn)(ed_req *req, void *arg), void *arg)
{
    struct ed_early **at = &app->early;
    while (*at)
        at = &(*at)->next;
    *at = ed_app_alloc(app, sizeof **at);
    **at = (struct ed_early){NULL, fn, arg};
}

void ed_on_error(ed_app *app, ed_error_fn *fn)
{
    app->on_error = fn;
}

/* ---- routes ---- */

static void keep_route(ed_app *app, struct ed_route *route)
{
    if (app->route_count == app->route_room) {
        size_t room = app->route_room ? 2 * app->route_room : 16;
        struct ed_route **routes = ed_app_alloc(app, room * sizeof *routes);
        if (app->route_count)
            memcpy(routes, app->routes, app->route_count * sizeof *routes);
        app->routes = routes;
        app->route_room = room;
    }
    app->routes[app->route_count++] = route;
    app->arranged = false;
}

int ed_app_refuse(ed_app *app, const char *what, const char *name,
                  const char *why)
{
    ed_log_error("%s \"%s\": %s", what, name, why);
    app->refused++;
    return ED_EUSAGE;
}

struct ed_route *ed_app_last_route(const ed_app *app)
{
    return app->routes[app->route_count - 1];
}

int ed_app_add_route(ed_app *app, const struct ed_group *group,
                     const char *pattern, ed_handler *handler)
{
    struct ed_route *route = ed_app_alloc(app, sizeof *route);
    const char *why;
    *route = (struct ed_route){.app = app, .handler = handler, .group = group};
    int err = ed_pattern_parse(&route->pattern, app->arena, pattern, &why);
    if (!err)
        err = ed_router_add(&app->router, route, &why);
    if (err == ED_ENOMEM)
        out_of_memory();
    if (err)
        return ed_app_refuse(app, "route", pattern, why);
    keep_route(app, route);
    return (int)app->route_count - 1;
}

int ed_route(ed_app *app, const char *pattern, ed_handler *handler)
{
    return ed_app_add_route(app, NULL, pattern, handler);
}

int ed_route_name(ed_app *app, const char *name)
{
    if (!app->route_count)
        return ed_app_refuse(app, "route name", name, "there is no route yet");
    if (ed_map_get(app->names, ed_bytes(name)))
        return ed_app_refuse(app, "route name", name, "taken");
    if (ed_map_set(app->names, ed_bytes(name), ed_app_last_route(app), NULL))
        out_of_memory();
    return 0;
}

/* ---- arguments ---- */

ed_app *ed_req_app(const ed_req *req)
{
    const struct ed_note *note = req->app;
    return note ? note->app : NULL;
}

static const char *read_arg(const ed_req *req, const struct ed_note *note,
                            size_t number)
{
    const struct ed_pattern *p = &note->match.route->pattern;
    struct ed_bytes arg = note->match.args[number];
    bool ends_path = arg.ptr + arg.len == note->path.ptr + note->path.len;
    bool rest = number + 1 == p->arg_count &&
                p->parts[p->part_count - 1].kind == ED_PART_REST;
    return ed_path_arg(req->arena, arg, ends_path, rest);
}

/* Whether it has an argument of that name, and which. */
static bool has_arg(const struct ed_note *note, const char *name, int *number)
{
    if (!note->match.route)
        return false;
    *number = ed_pattern_arg(&note->match.route->pattern, ed_bytes(name));
    return *number >= 0;
}

const char *ed_arg(const ed_req *req, const char *name)
{
    struct ed_note *note = req->app;
    int number;
    while (note && !has_arg(note, name, &number))
        note = note->outer;
    if (!note)
        return "";
    if (!note->args[number])
        note->args[number] = read_arg(req, note, (size_t)number);
    return note->args[number] ? note->args[number] : "";
}

int64_t ed_arg_int(const ed_req *req, const char *name)
{
    int64_t value = 0;
    if (ed_bytes_int(ed_bytes(ed_arg(req, name)), &value))
        return 0;
    return value;
}

/* ---- what the app answers by itself ---- */

static int badly_encoded(ed_req *req)
{
    return ed_fail(ED_EBADREQ, "%s is not well encoded", req->path);
}

static int no_memory(ed_req *req)
{
    (void)req;
    return ED_ENOMEM;
}

static int not_found(ed_req *req)
{
    return ed_fail(ED_ENOTFOUND, "no route for %s", req->method);
}

static int set_allow(ed_req *req)
{
    const struct ed_note *note = req->app;
    const char *methods =
        ed_router_allow(&note->app->router, note->match.allowed, req->arena);
    return methods ? ed_reply_header_set(req, "Allow", methods) : ED_ENOMEM;
}

static int not_allowed(ed_req *req)
{
    int err = set_allow(req);
    return err ? err : ed_fail(ED_EMETHOD, "no route takes %s", req->method);
}

static int tell_options(ed_req *req)
{
    int err = set_allow(req);
    return err ? err : ed_reply_bytes(req, 200, NULL, (struct ed_bytes){0});
}

static int redirect_to_normal(ed_req *req)
{
    const char *path = ed_path_normal(req->arena, req->path);
    bool query = *req->query;
    if (path && query)
        path = ed_arena_printf(req->arena, "%s?%s", path, req->query);
    return path ? ed_redirect(req, 308, path) : ED_ENOMEM;
}

/* ---- answering ---- */

/* For "OPTIONS *", which asks about all there is (RFC 9110, 9.3.7). */
static ed_handler *answer_to_star(struct ed_note *note, const ed_req *req)
{
    if (strcmp(req->method, "OPTIONS"))
        return not_found;
    note->match.allowed = ed_router_all_methods(&note->app->router);
    return tell_options;
}

/* A browser asks whether it may send a request of another method (CORS): the
 * middleware of the route that will answer it has to know. */
static void find_preflighted(struct ed_note *note, const ed_req *req)
{
    const char *method = ed_header(req, "Access-Control-Request-Method");
    struct ed_match match;
    if (!method)
        return;
    ed_router_match(&note->app->router, method, req->host, note->path, &match);
    if (!match.route)
        return;
    match.allowed = note->match.allowed;
    note->match = match;
    for (size_t i = 0; i < match.route->pattern.arg_count; i++)
        note->args[i] = NULL;
}

static ed_handler *answer_without_route(struct ed_note *note, const ed_req *req)
{
    if (!note->match.allowed)
        return not_found;
    if (strcmp(req->method, "OPTIONS"))
        return not_allowed;
    find_preflighted(note, req);
    return tell_options;
}

/* Finds the route of a canonical path, or what to answer without one. */
static ed_handler *search_handler(struct ed_note *note, const ed_req *req)
{
    ed_router_match(&note->app->router, req->method, req->host, note->path,
                    &note->match);
    const struct ed_route *route = note->match.route;
    if (!route)
        return answer_without_route(note, req);
    for (size_t i = 0; i < route->pattern.arg_count; i++)
        note->args[i] = NULL;
    return route->handler;
}

static ed_handler *choose_handler(struct ed_note *note, const ed_req *req)
{
    struct ed_bytes path = ed_bytes(req->path);
    note->match.route =
        ed_router_match_literal(&note->app->router, req->method, path);
    if (note->match.route)
        return note->match.route->handler;
    int err = ed_path_decode(req->arena, path, &note->path);
    if (err)
        return err == ED_EPARSE ? badly_encoded : no_memory;
    if (ed_bytes_equal(note->path, ED_BYTES("*")))
        return answer_to_star(note, req);
    if (ed_path_has_dots(note->path))
        return redirect_to_normal;
    return search_handler(note, req);
}

static int run_early(const ed_app *app, struct ed_note *note, ed_req *req)
{
    int err = 0;
    note->match.route = NULL; /* there are no arguments so far */
    for (struct ed_early *e = app->early; e && !err; e = e->next)
        err = e->fn(req, e->arg);
    return err;
}

/* Runs a handler inside of the middleware of its route, or of the app. */
static int run(const ed_app *app, const struct ed_note *note,
               ed_handler *handler, ed_req *req)
{
    const struct ed_layer *layers = app->layers.layers;
    const struct ed_layer *end = layers ? layers + app->layers.count : NULL;
    if (note->match.route) {
        layers = note->match.route->layers;
        end = note->match.route->layers_end;
    }
    return layers == end ? handler(req)
                         : ed_layers_run(layers, end, handler, req);
}

static int answer(const ed_app *app, struct ed_note *note, ed_req *req)
{
    int err = app->early ? run_early(app, note, req) : 0;
    if (!err) {
        ed_handler *handler = choose_handler(note, req);
        req->route = note->match.route;
        err = run(app, note, handler, req);
    }
    if (err < 0)
        return ed_app_fail(req, err);
    if (req->reply.status || req->taken)
        return 0;
    return ed_app_fail(req, ed_fail(ED_EUSAGE, "the handler replied nothing"));
}

/* The rest of a note is written when it is known: it is large. */
static void begin_note(struct ed_note *note, ed_app *app, struct ed_note *outer)
{
    if (!app->arranged)
        ed_app_arrange(app);
    note->app = app;
    note->outer = outer;
    note->failed = NULL;
}

int ed_app_handle(ed_req *req)
{
    ed_app *app = ed_req_user(req);
    struct ed_note note;
    begin_note(&note, app, NULL);
    void *outer = req->app;
    req->app = &note;
    int err = answer(app, &note, req);
    req->app = outer;
    return err;
}

int ed_app_answer_below(ed_app *app, struct ed_note *outer,
                        struct ed_bytes path, ed_req *req)
{
    struct ed_note note;
    begin_note(&note, app, outer);
    note.path = path;
    req->app = &note;
    int err = app->early ? run_early(app, &note, req) : 0;
    if (!err) {
        ed_handler *handler = search_handler(&note, req);
        if (note.match.route)
            req->route = note.match.route;
        err = run(app, &note, handler, req);
    }
    req->app = outer;
    if (err < 0)
        outer->failed = note.failed ? note.failed : app;
    return err;
}

/* ---- options, for ed_main() ---- */

void ed_option(ed_app *app, const char *name, const char **value,
               const char *placeholder, const char *help)
{
    struct ed_option *option = ed_app_alloc(app, sizeof *option);
    *option = (struct ed_option){
        .name = ed_app_copy(app, ed_bytes(name)),
        .value = value,
        .placeholder = ed_app_copy(app, ed_bytes(placeholder)),
        .help = ed_app_copy(app, ed_bytes(help)),
    };
    *app->options_end = option;
    app->options_end = &option->next;
}

void ed_setting(ed_app *app, const char *name, const char *value)
{
    struct ed_option_default *d = ed_app_alloc(app, sizeof *d);
    *d = (struct ed_option_default){
        .next = app->defaults,
        .name = ed_app_copy(app, ed_bytes(name)),
        .value = ed_app_copy(app, ed_bytes(value)),
    };
    app->defaults = d;
}
