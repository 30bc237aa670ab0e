/*
 * mount.c - apps within apps.
 *
 * A mounted app is a route of the app around it, of all methods and of all that
 * lies below the prefix, so the order of routes is the router's as ever. What
 * such a route runs is the mounted app, which is given what is left of the
 * path.
 */
#include "app/app_internal.h"

#include <eddy/log.h>

/* The argument of the route that stands for what lies below: no program has
 * one of that name. */
#define BELOW "below_the_mount_"

/* What the path of the mounted app is within the whole: the canonical one, from
 * the slash behind the prefix. */
static struct ed_bytes path_below(const struct ed_note *note)
{
    const struct ed_pattern *pattern = &note->match.route->pattern;
    const char *rest = note->match.args[pattern->arg_count - 1].ptr;
    const char *end = note->path.ptr + note->path.len;
    return ed_bytes_of(rest - 1, (size_t)(end - rest) + 1);
}

static int run_mounted(ed_req *req)
{
    struct ed_note *outer = req->app;
    return ed_app_answer_below(outer->match.route->mounted, outer,
                               path_below(outer), req);
}

/* "/admin" to "/admin/". */
static int add_slash(ed_req *req)
{
    const char *path = ed_path_normal(req->arena, req->path);
    if (path)
        path = ed_arena_printf(req->arena, "%s/%s%s", path,
                               *req->query ? "?" : "", req->query);
    return path ? ed_redirect(req, 308, path) : ED_ENOMEM;
}

/* A prefix without the slash at its end; ptr NULL when it is none. */
static struct ed_bytes read_prefix(const char *prefix)
{
    struct ed_bytes text = ed_bytes(prefix);
    const char *slash = strchr(prefix, '/');
    if (text.len && !slash)
        return (struct ed_bytes){0};
    if (text.len && prefix[text.len - 1] == '/')
        text.len--;
    return text;
}

static const char *why_not(const ed_app *app, const ed_app *mounted)
{
    if (mounted->outer)
        return "the app is mounted already";
    for (; app; app = app->outer) {
        if (app == mounted)
            return "an app cannot be mounted in itself";
    }
    return NULL;
}

static int add_route(ed_app *app, const ed_group *group, struct ed_bytes prefix,
                     const char *behind, ed_handler *handler)
{
    const char *before = group ? group->prefix : "";
    struct ed_buf pattern = {0};
    size_t host = prefix.len ? strcspn(prefix.ptr, "/") : 0;
    int err =
        ed_buf_addf(&pattern, "* %.*s%s%.*s%s", (int)host, prefix.ptr, before,
                    (int)(prefix.len - host), prefix.ptr + host, behind);
    if (!err)
        err = ed_app_add_route(app, group, pattern.ptr, handler);
    ed_buf_free(&pattern);
    return err;
}

/* Whether there is a path without the slash that a redirect could be for. */
static bool has_path(const ed_group *group, struct ed_bytes prefix)
{
    return (group && *group->prefix) ||
           (prefix.len && memchr(prefix.ptr, '/', prefix.len));
}

static int mount(ed_app *app, const ed_group *group, const char *text,
                 ed_app *mounted)
{
    const char *why = why_not(app, mounted);
    struct ed_bytes prefix = read_prefix(text);
    if (!why && !prefix.ptr)
        why = "a prefix is a path, or a host with '/' behind it";
    if (why)
        return ed_app_refuse(app, "mount", text, why);
    int err = 0;
    if (has_path(group, prefix))
        err = add_route(app, group, prefix, "", add_slash);
    if (err >= 0)
        err = add_route(app, group, prefix, "/{" BELOW "*}", run_mounted);
    if (err < 0)
        return err;
    ed_app_last_route(app)->mounted = mounted;
    mounted->mounted_by = ed_app_last_route(app);
    return ed_app_adopt(app, mounted);
}

int ed_mount(ed_app *app, const char *prefix, ed_app *mounted)
{
    return mount(app, NULL, prefix, mounted);
}

int ed_group_mount(ed_group *group, const char *prefix, ed_app *mounted)
{
    return mount(group->app, group, prefix, mounted);
}

/* ---- what a route is called ---- */

/* Without the argument that stands for what lies below. */
static struct ed_bytes own_path(const struct ed_route *route)
{
    static const char below[] = "/{" BELOW "*}";
    const char *slash = strchr(route->pattern.text, '/');
    struct ed_bytes path = ed_bytes(slash ? slash : "");

    if (route->mounted)
        path.len -= sizeof below - 1;
    return path;
}

int ed_route_add_path(struct ed_buf *out, const struct ed_route *route)
{
    const struct ed_route *mounted_by = route->app->mounted_by;
    struct ed_bytes path = own_path(route);
    int err = mounted_by ? ed_route_add_path(out, mounted_by) : 0;

    return err ? err : ed_buf_add(out, path.ptr, path.len);
}
