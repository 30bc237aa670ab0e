/*
 * url_for.c - the paths of named routes.
 *
 * A path leads through the routes of the mounts it lies in to the route itself.
 *
 * Promises that a path it gives leads to the named route's pattern with the
 * same arguments again; arguments for which there is no such path are refused.
 */
#include "app/app_internal.h"

#include "wire/url.h"

#include <eddy/log.h>

/* Mounts within mounts, and the route: more is a mistake. */
#define WAY_MAX 16

struct way {
    const struct ed_route *routes[WAY_MAX];
    size_t count;
};

static bool go(struct way *way, const struct ed_route *route)
{
    if (!route || way->count == WAY_MAX)
        return false;
    way->routes[way->count++] = route;
    return true;
}

/* Goes from an app to a route by its name, "mount:mount:route". */
static bool go_by_name(struct way *way, const ed_app *app, struct ed_bytes name)
{
    const struct ed_route *route = ed_map_get(app->names, name);
    if (route)
        return go(way, route);
    struct ed_bytes rest = name;
    route = ed_map_get(app->names, ed_bytes_cut(&rest, ':'));
    if (!route || !route->mounted || !rest.ptr)
        return false;
    return go(way, route) && go_by_name(way, route->mounted, rest);
}

/* Goes to the app that a note is of, from the outermost. */
static bool go_to_note(struct way *way, const struct ed_note *note)
{
    const struct ed_note *outer = note->outer;
    return !outer || (go_to_note(way, outer) && go(way, outer->match.route));
}

static bool find_way(struct way *way, const ed_req *req, struct ed_bytes name)
{
    for (const struct ed_note *n = req->app; n; n = n->outer) {
        way->count = 0;
        if (go_to_note(way, n) && go_by_name(way, n->app, name))
            return true;
    }
    return false;
}

/* The text behind a name among name, value pairs that end with NULL. */
static const char *value_of(struct ed_bytes name, va_list args)
{
    const char *value = NULL;
    const char *key;
    va_list pairs;
    va_copy(pairs, args);
    while ((key = va_arg(pairs, const char *))) {
        value = va_arg(pairs, const char *);
        if (!value || ed_bytes_equal(name, ed_bytes(key)))
            break;
        value = NULL;
    }
    va_end(pairs);
    return value;
}

/* Whether a path with that argument would give it back. */
static bool fits(enum ed_part_kind kind, struct ed_bytes text)
{
    if (kind == ED_PART_INT)
        return ed_pattern_is_int(text);
    if (kind == ED_PART_REST)
        return !ed_path_has_dots(text);
    bool slash = text.len && memchr(text.ptr, '/', text.len);
    return text.len && (slash || !ed_path_has_dots(text));
}

/* Where a path is made of: what was asked for, and what is there. */
struct maker {
    const ed_req *req;
    const struct ed_route *route;
    struct ed_buf path;
};

/* A prefix goes on with the arguments that the request has. */
static const char *own_value(const struct maker *m, struct ed_bytes name)
{
    const char *value = m->route->mounted ? ed_arg(m->req, name.ptr) : "";
    return *value ? value : NULL;
}

static int add_arg(struct maker *m, const struct ed_part *part, va_list args)
{
    const char *value = value_of(part->text, args);
    if (!value)
        value = own_value(m, part->text);
    if (!value)
        return ed_fail(ED_EUSAGE, "no argument '%s'", part->text.ptr);
    struct ed_bytes text = ed_bytes(value);
    if (!fits(part->kind, text))
        return ed_fail(ED_EUSAGE, "'%s' cannot be its argument '%s'", value,
                       part->text.ptr);
    return ed_url_encode(&m->path, text, part->kind == ED_PART_REST);
}

/* A literal, whose encoded slashes are NUL bytes in canonical form. */
static int add_literal(struct ed_buf *path, struct ed_bytes text)
{
    struct ed_bytes rest = text;
    int err = 0;
    while (!err && rest.ptr) {
        err = ed_url_encode(path, ed_bytes_cut(&rest, '\0'), false);
        if (!err && rest.ptr)
            err = ed_buf_add(path, "%2F", 3);
    }
    return err;
}

static int add_parts(struct maker *m, va_list args)
{
    const struct ed_pattern *pattern = &m->route->pattern;
    /* What lies below a mount, the next route says. */
    size_t count = pattern->part_count - (m->route->mounted ? 1 : 0);
    int err = 0;
    for (size_t i = 0; !err && i < count; i++) {
        const struct ed_part *part = &pattern->parts[i];
        err = ed_buf_add(&m->path, "/", 1);
        if (!err)
            err = part->kind == ED_PART_LITERAL
                      ? add_literal(&m->path, part->text)
                      : add_arg(m, part, args);
    }
    return err;
}

static int add_way(struct maker *m, const struct way *way, va_list args)
{
    int err = 0;
    for (size_t i = 0; !err && i < way->count; i++) {
        m->route = way->routes[i];
        err = add_parts(m, args);
    }
    if (!err && m->route->mounted)
        err = ed_buf_add(&m->path, "/", 1);
    /* In a link, this would be another host. */
    if (!err && ed_bytes_starts(ed_buf_bytes(&m->path), ED_BYTES("//")))
        return ed_fail(ED_EUSAGE, "the path would begin with two slashes");
    return err;
}

/* The same without arguments given. */
static int add_own_way(struct maker *m, const struct way *way, ...)
{
    va_list none;
    va_start(none, way);
    int err = add_way(m, way, none);
    va_end(none);
    return err;
}

int ed_url_add_mounts(struct ed_buf *out, const ed_req *req)
{
    struct maker m = {.req = req};
    struct way way = {.count = 0};
    if (!go_to_note(&way, req->app))
        return ED_EUSAGE;
    if (!way.count)
        return 0;
    int err = add_own_way(&m, &way, (const char *)NULL);
    /* What follows begins with the slash. */
    err = err ? err : ed_buf_add(out, m.path.ptr, m.path.len - 1);
    ed_buf_free(&m.path);
    return err;
}

const char *ed_url_for(ed_req *req, const char *name, ...)
{
    struct maker m = {.req = req};
    struct way way;
    if (!find_way(&way, req, ed_bytes(name))) {
        ed_log_error("ed_url_for: no route is named '%s'", name);
        return NULL;
    }
    va_list args;
    va_start(args, name);
    int err = add_way(&m, &way, args);
    va_end(args);
    const char *text = NULL;
    if (!err)
        text = ed_arena_copy(req->arena, ed_buf_bytes(&m.path));
    if (!text)
        ed_log_error("ed_url_for: route '%s': %s", name,
                     err == ED_EUSAGE ? ed_error() : "no memory");
    ed_buf_free(&m.path);
    return text;
}
