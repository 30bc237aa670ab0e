/*
 * static.c - serving what lies below a directory.
 *
 * Owns the directories of an app, each behind two routes: its prefix, and all
 * below. Which names may be asked for is decided here, by their bytes; that
 * nothing else is opened is the kernel's to see to (base/beneath.h).
 */
#include "app/static_tree.h"

#include "base/options.h"
#include "wire/url.h"

#include <eddy/blocking.h>
#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* A year, the most that caches are said to heed, for what never changes. */
#define FOR_EVER "public, max-age=31536000, immutable"

/* ---- names ---- */

static bool is_hidden(const struct ed_tree *m, struct ed_bytes name, bool top)
{
    if (ed_bytes_equal(name, ED_BYTES(".")) ||
        ed_bytes_equal(name, ED_BYTES("..")))
        return true;
    if (name.ptr[0] != '.' || m->dot_files)
        return false;
    return !(m->well_known && top &&
             ed_bytes_equal(name, ED_BYTES(".well-known")));
}

bool ed_tree_may_serve(const struct ed_tree *m, struct ed_bytes path)
{
    const char *begin = path.ptr;
    if (!path.len)
        return true;
    /* An encoded slash, which is no part of a name. */
    if (path.len >= PATH_MAX || memchr(path.ptr, '\0', path.len))
        return false;
    while (path.ptr) {
        bool top = path.ptr == begin;
        struct ed_bytes name = ed_bytes_cut(&path, '/');
        if (!name.len || name.len > NAME_MAX || is_hidden(m, name, top))
            return false;
    }
    return true;
}

/* ---- one file ---- */

/* Whether the request names the version that the file has now. A link to
 * another version, old or yet to come, must not be kept for ever with this
 * content. */
static int names_version(ed_req *req, struct ed_open_file *file, bool *named)
{
    const char *version = *req->query ? ed_query(req, "v") : NULL;
    *named = false;
    if (!version || strlen(version) != ED_FILE_VERSION)
        return 0;
    int err = ed_open_file_version(file);
    if (err == ED_ECANCELED || err == ED_ETIMEOUT)
        return err;
    *named = !err && !strcmp(version, file->version);
    return 0;
}

static int reply_file(ed_req *req, const struct ed_tree *m,
                      struct ed_bytes path, struct ed_open_file *file)
{
    struct ed_file_manner manner = m->manner;
    bool versioned;
    int err = names_version(req, file, &versioned);
    if (!err && m->before) {
        const char *name = ed_arena_copy(req->arena, path);
        err = name ? m->before(req, name, m->before_arg) : ED_ENOMEM;
    }
    if (err)
        return err;
    if (versioned)
        manner.cache_control = FOR_EVER;
    return ed_file_reply(req, &m->root, path, file, &manner);
}

/* ---- directories ---- */

static int forbidden(struct ed_bytes path)
{
    return ed_fail(ED_EFORBIDDEN, "%.*s is a directory", (int)path.len,
                   path.ptr);
}

static int add_slash(ed_req *req)
{
    /* Never two at the front, which would be another host. */
    const char *path = ed_path_normal(req->arena, req->path);
    const char *with_query =
        path ? ed_arena_printf(req->arena, "%s/%s%s", path,
                               *req->query ? "?" : "", req->query)
             : NULL;
    return with_query ? ed_redirect(req, 308, with_query) : ED_ENOMEM;
}

/* What a directory has no page for: 403 if it is one, 404 otherwise. */
static int without_page(const struct ed_tree *m, struct ed_bytes path)
{
    struct ed_open_file *file;
    struct ed_bytes name = path.len ? path : ED_BYTES(".");
    int err = ed_open_file_get(&m->root, name, m->manner.believe, &file);
    if (err)
        return err == -EISDIR ? forbidden(path) : err;
    ed_open_file_put(file);
    return ed_fail(ED_ENOTFOUND, "%.*s is no directory", (int)path.len,
                   path.ptr);
}

static int reply_directory(ed_req *req, const struct ed_tree *m,
                           struct ed_bytes path)
{
    struct ed_open_file *file ED_OPEN_FILE_AUTO = NULL;
    int err = ED_ENOTFOUND;
    if (*m->index) {
        const char *name =
            ed_arena_printf(req->arena, "%.*s%s%s", (int)path.len, path.ptr,
                            path.len ? "/" : "", m->index);
        if (!name)
            return ED_ENOMEM;
        err = ed_open_file_get(&m->root, ed_bytes(name), m->manner.believe,
                               &file);
        if (!err)
            return reply_file(req, m, ed_bytes(name), file);
    }
    if (err != ED_ENOTFOUND && err != -EISDIR)
        return err;
    return m->list ? ed_tree_list(req, m, path) : without_page(m, path);
}

/* ---- requests ---- */

static int serve(ed_req *req)
{
    const struct ed_note *note = req->app;
    const struct ed_tree *m = note->match.route->data;
    struct ed_bytes path =
        note->match.args[note->match.route->pattern.arg_count - 1];
    struct ed_open_file *file ED_OPEN_FILE_AUTO = NULL;

    bool directory = !path.len || path.ptr[path.len - 1] == '/';
    if (path.len && directory)
        path.len--;
    if (!ed_tree_may_serve(m, path))
        return ed_fail(ED_ENOTFOUND, "not a name that is served");
    if (directory)
        return reply_directory(req, m, path);
    int err = ed_open_file_get(&m->root, path, m->manner.believe, &file);
    if (err == -EISDIR)
        return *m->index || m->list ? add_slash(req) : forbidden(path);
    return err ? err : reply_file(req, m, path, file);
}

/* The prefix itself. */
static int serve_prefix(ed_req *req)
{
    const struct ed_note *note = req->app;
    const struct ed_tree *m = note->match.route->data;
    return *m->index || m->list ? add_slash(req)
                                : forbidden(ed_bytes(req->path));
}

/* ---- adding ---- */

static void take_options(struct ed_app *app, struct ed_tree *m,
                         const struct ed_static_options *options)
{
    const char *control =
        options->cache_control ? options->cache_control : "no-cache";
    const char *index = options->index ? options->index : "index.html";
    m->index = ed_app_copy(app, ed_bytes(index));
    m->list = options->list;
    m->well_known = options->well_known;
    m->dot_files = options->dot_files;
    m->before = options->before;
    m->before_arg = options->before_arg;
    m->root.no_links = options->no_links;
    m->manner = (struct ed_file_manner){
        .types = options->types,
        .cache_control = ed_app_copy(app, ed_bytes(control)),
        .believe = options->cache,
        .precompressed = !options->no_precompressed,
    };
}

static void append(ed_app *app, struct ed_tree *m)
{
    struct ed_tree **at = &app->trees;
    while (*at)
        at = &(*at)->next;
    *at = m;
}

static int add_route(ed_app *app, const ed_group *group, struct ed_tree *m,
                     const char *path, ed_handler *handler)
{
    char pattern[PATH_MAX + sizeof "GET /{path*}"];
    snprintf(pattern, sizeof pattern, "GET %.*s%s", (int)m->prefix.len,
             m->prefix.ptr, path);
    int number = ed_app_add_route(app, group, pattern, handler);
    if (number >= 0)
        app->routes[number]->data = m;
    return number < 0 ? number : 0;
}

static int refuse(ed_app *app, int err, const char *directory, const char *why)
{
    ed_log_error("static files of \"%s\": %s", directory, why);
    app->refused++;
    return err;
}

static void close_root(void *arg)
{
    struct ed_tree *m = arg;
    close(m->root.fd);
}

static int add_tree(ed_app *app, const ed_group *group, const char *prefix,
                    const char *directory,
                    const struct ed_static_options *given)
{
    static _Atomic uint32_t serial;
    ED_OPTIONS_TAKE(struct ed_static_options, options, given);
    const char *outer = group ? group->prefix : "";
    const char *whole = ed_arena_printf(app->arena, "%s%s", outer, prefix);
    size_t len = whole ? strlen(whole) : 0;
    if (!whole || len >= PATH_MAX || (len && whole[len - 1] == '/'))
        return refuse(
            app, ED_EUSAGE, directory,
            "a prefix is \"\" or one like /static, without a '/' at its end");
    int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return refuse(app, -errno, directory, ed_err_text(-errno));

    struct ed_tree *m = ed_app_alloc(app, sizeof *m);
    *m = (struct ed_tree){
        .prefix = ed_bytes_of(whole, len),
        .root = {.fd = fd, .serial = atomic_fetch_add(&serial, 1) + 1},
    };
    take_options(app, m, &options);
    append(app, m);
    ed_app_at_end(app, close_root, m);
    int err = add_route(app, group, m, "/{path*}", serve);
    if (!err && len)
        err = add_route(app, group, m, "", serve_prefix);
    return err;
}

int ed_static_with(ed_app *app, const char *prefix, const char *directory,
                   const struct ed_static_options *options)
{
    return add_tree(app, NULL, prefix, directory, options);
}

int ed_group_static_with(ed_group *group, const char *prefix,
                         const char *directory,
                         const struct ed_static_options *options)
{
    return add_tree(group->app, group, prefix, directory, options);
}

/* ---- a file of a handler's choice ---- */

static int open_directory(void *directory)
{
    int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int reply_from(ed_req *req, const struct ed_file_root *root,
                      struct ed_bytes name, const struct ed_file_manner *manner)
{
    struct ed_open_file *file ED_OPEN_FILE_AUTO = NULL;
    int err = ed_open_file_get(root, name, manner->believe, &file);
    if (err == -EISDIR)
        return forbidden(name);
    return err ? err : ed_file_reply(req, root, name, file, manner);
}

int ed_reply_file_with(ed_req *req, const char *path,
                       const struct ed_reply_file_options *given)
{
    ED_OPTIONS_TAKE(struct ed_reply_file_options, options, given);
    struct ed_file_root root = {.fd = -1, .unkept = options.beneath != NULL};
    struct ed_file_manner manner = {
        .content_type = options.content_type,
        .types = options.types,
        .cache_control =
            options.cache_control ? options.cache_control : "no-cache",
        .download = options.download,
        .believe = options.cache,
        .precompressed = !options.no_precompressed,
    };
    if (!options.beneath)
        return reply_from(req, &root, ed_bytes(path), &manner);
    root.fd = ed_blocking(open_directory, (void *)options.beneath);
    if (root.fd < 0)
        return root.fd;
    int err = reply_from(req, &root, ed_bytes(path), &manner);
    close(root.fd);
    return err;
}
