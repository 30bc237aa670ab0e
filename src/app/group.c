/*
 * group.c - routes below a prefix.
 *
 * A group is no more than a prefix and layers of middleware: a route added to
 * it is a route of the app, whose pattern has the prefix before its path.
 */
#include "app/app_internal.h"

#include <stdio.h>
#include <eddy/error.h>
#include <eddy/log.h>

/* What is wrong with it otherwise, the routes will tell. */
static void check_prefix(ed_app *app, const char *prefix)
{
    size_t len = strlen(prefix);
    if (!len || (prefix[0] == '/' && prefix[len - 1] != '/'))
        return;
    ed_log_error("group \"%s\": a prefix begins with '/' and does not end "
                 "with it",
                 prefix);
    app->refused++;
}

static ed_group *group_new(ed_app *app, const ed_group *outer,
                           const char *prefix)
{
    check_prefix(app, prefix);
    ed_group *group = ed_app_alloc(app, sizeof *group);
    const char *before = outer ? outer->prefix : "";
    size_t room = strlen(before) + strlen(prefix) + 1;
    char *whole = ed_app_alloc(app, room);
    snprintf(whole, room, "%s%s", before, prefix);
    *group = (ed_group){.app = app, .outer = outer, .prefix = whole};
    return group;
}

ed_group *ed_group_new(ed_app *app, const char *prefix)
{
    return group_new(app, NULL, prefix);
}

ed_group *ed_group_in(ed_group *group, const char *prefix)
{
    return group_new(group->app, group, prefix);
}

/* Where the path begins in a pattern, or would begin. */
static size_t path_place(const char *pattern)
{
    return strcspn(pattern, "/");
}

int ed_group_route(ed_group *group, const char *pattern, ed_handler *handler)
{
    size_t place = path_place(pattern);
    const char *gap = pattern[place] || strchr(pattern, ' ') ? "" : " ";
    struct ed_buf whole = {0};
    int err = ed_buf_addf(&whole, "%.*s%s%s%s", (int)place, pattern, gap,
                          group->prefix, pattern + place);
    if (!err)
        err = ed_app_add_route(group->app, group, whole.ptr, handler);
    ed_buf_free(&whole);
    return err;
}
