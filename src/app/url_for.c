/*
 * url_for.c - the paths of named routes.
 *
 * Promises that a path it gives leads to the named route's pattern with the
 * same arguments again; arguments for which there is no such path are refused.
 */
#include "app/app_internal.h"

#include "wire/url.h"

#include <eddy/log.h>

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

static int add_arg(struct ed_buf *path, const struct ed_part *part,
                   va_list args)
{
    const char *value = value_of(part->text, args);
    if (!value)
        return ed_fail(ED_EUSAGE, "no argument '%s'", part->text.ptr);
    struct ed_bytes text = ed_bytes(value);
    if (!fits(part->kind, text))
        return ed_fail(ED_EUSAGE, "'%s' cannot be its argument '%s'", value,
                       part->text.ptr);
    return ed_url_encode(path, text, part->kind == ED_PART_REST);
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

static int add_parts(struct ed_buf *path, const struct ed_pattern *pattern,
                     va_list args)
{
    for (size_t i = 0; i < pattern->part_count; i++) {
        const struct ed_part *part = &pattern->parts[i];
        int err = ed_buf_add(path, "/", 1);
        if (!err)
            err = part->kind == ED_PART_LITERAL ? add_literal(path, part->text)
                                                : add_arg(path, part, args);
        if (err)
            return err;
    }
    /* In a link, this would be another host. */
    if (ed_bytes_starts(ed_buf_bytes(path), ED_BYTES("//")))
        return ed_fail(ED_EUSAGE, "the path would begin with two slashes");
    return 0;
}

const char *ed_url_for(ed_req *req, const char *name, ...)
{
    const ed_app *app = ed_req_app(req);
    const struct ed_route *route =
        app ? ed_map_get(app->names, ed_bytes(name)) : NULL;
    if (!route) {
        ed_log_error("ed_url_for: no route is named '%s'", name);
        return NULL;
    }
    struct ed_buf path = {0};
    va_list args;
    va_start(args, name);
    int err = add_parts(&path, &route->pattern, args);
    va_end(args);
    const char *text = NULL;
    if (!err)
        text = ed_arena_copy(req->arena, ed_buf_bytes(&path));
    if (!text)
        ed_log_error("ed_url_for: route '%s': %s", name,
                     err == ED_EUSAGE ? ed_error() : "no memory");
    ed_buf_free(&path);
    return text;
}
