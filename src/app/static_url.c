/*
 * static_url.c - links to files that change with their content.
 */
#include "app/static_tree.h"

#include "wire/url.h"

#include <eddy/log.h>

/* The directory a path lies in, and its name below it. */
static const struct ed_tree *find_tree(const ed_app *app, struct ed_bytes *path)
{
    if (!ed_bytes_starts(*path, ED_BYTES("/")))
        return app->trees;
    /* In a link, this would be another host. */
    if (ed_bytes_starts(*path, ED_BYTES("//")))
        return NULL;
    for (const struct ed_tree *m = app->trees; m; m = m->next) {
        size_t len = m->prefix.len;
        if (ed_bytes_starts(*path, m->prefix) && path->len > len &&
            path->ptr[len] == '/') {
            *path = ed_bytes_of(path->ptr + len + 1, path->len - len - 1);
            return m;
        }
    }
    return NULL;
}

/* Its version, or why there is none. */
static int find_version(const struct ed_tree *m, struct ed_bytes path,
                        char version[ED_FILE_VERSION + 1])
{
    struct ed_open_file *file ED_OPEN_FILE_AUTO = NULL;
    if (!path.len || !ed_tree_may_serve(m, path))
        return ed_fail(ED_ENOTFOUND, "not a name that is served");
    int err = ed_open_file_get(&m->root, path, m->manner.believe, &file);
    err = err ? err : ed_open_file_version(file);
    if (!err)
        memcpy(version, file->version, sizeof file->version);
    return err;
}

static const char *make_url(ed_req *req, const struct ed_tree *m,
                            struct ed_bytes path, const char *version)
{
    struct ed_buf url = {0};
    int err = ed_url_add_mounts(&url, req);
    if (!err)
        err = ed_buf_addf(&url, "%.*s/", (int)m->prefix.len, m->prefix.ptr);
    err = err ? err : ed_url_encode(&url, path, true);
    if (!err && *version)
        err = ed_buf_addf(&url, "?v=%s", version);
    const char *text =
        err ? NULL : ed_arena_copy(req->arena, ed_buf_bytes(&url));
    ed_buf_free(&url);
    return text;
}

const char *ed_static_url(ed_req *req, const char *path)
{
    const ed_app *app = ed_req_app(req);
    struct ed_bytes name = ed_bytes(path);
    char version[ED_FILE_VERSION + 1] = "";
    const struct ed_tree *m = app ? find_tree(app, &name) : NULL;
    if (!m || (m->prefix.len && memchr(m->prefix.ptr, '{', m->prefix.len))) {
        ed_log_error("ed_static_url: no directory is served that has '%s'",
                     path);
        return NULL;
    }
    int err = find_version(m, name, version);
    if (err)
        ed_log_error("ed_static_url: %s: %s", path,
                     *ed_error_of(err) ? ed_error_of(err) : ed_err_text(err));
    return make_url(req, m, name, version);
}
