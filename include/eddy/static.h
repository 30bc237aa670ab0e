/*
 * static.h - files as replies: one of them, or all below a directory.
 *
 * Both answer GET and HEAD, conditions (If-Match, If-None-Match and their
 * dates, If-Range) and ranges, and send files by the kernel where they can.
 * Reading that would wait for a disk is done by the blocking pool (blocking.h).
 *
 * An open file is kept for some seconds after it was last asked for, and looked
 * at each time: what has changed under its name is served changed at once. With
 * `.cache` it is believed that long without a look.
 */
#ifndef EDDY_STATIC_H
#define EDDY_STATIC_H

#include <eddy/app.h>

ED_BEGIN_DECLS

/* The type of files whose names end so ("webp", without the dot). Lists of them
 * end with one that has no extension, and go before the types that are built
 * in; what neither knows is application/octet-stream. */
struct ed_file_type {
    const char *extension;
    const char *content_type;
};

struct ed_reply_file_options {
    size_t size;
    const char *content_type;         /* NULL: by the name */
    const struct ed_file_type *types; /* NULL: those built in */
    /* Of the Cache-Control field; NULL: "no-cache", which lets clients keep the
     * file and has them ask whether it has changed; "": none. */
    const char *cache_control;
    /* The client is to save it under this name instead of showing it. */
    const char *download;
    /* `path` is relative to this directory, and leads nowhere else, whatever it
     * says and wherever links point: for names that come from a client. */
    const char *beneath;
    int64_t cache; /* believe the file to be what it was for so long */
    /* Do not look for app.css.br, .zst and .gz beside app.css, to be sent to
     * clients that take them. One that is older than the file by more than two
     * seconds is passed over. */
    bool no_precompressed;
};

/*
 * Replies with a file: with 200, 206, 304, 412 or 416, as the request's fields
 * ask for. Fields the handler has added go along, and its Content-Type counts.
 *
 * Suspends. Returns 0, what ed_write_file() returns, or
 *   ED_ENOTFOUND   there is no such file, or it is not `beneath`
 *   ED_EFORBIDDEN  it may not be read, or is no regular file
 *   ED_EUSAGE      there was a reply already
 *   -EMFILE, -EIO, ...
 */
#define ed_reply_file(req, path, ...) \
    ed_reply_file_with((req), (path), \
                       ED_OPTIONS(struct ed_reply_file_options, __VA_ARGS__))
ED_API ED_CHECK int ed_reply_file_with(
    ed_req *req, const char *path, const struct ed_reply_file_options *options);

/* Called before a file below a directory is replied with, `path` being its name
 * below it: adds fields. A negative result is replied instead. */
typedef int ed_static_fn(ed_req *req, const char *path, void *arg);

struct ed_static_options {
    size_t size;
    const char *index; /* of directories; NULL: "index.html"; "": none */
    bool list;         /* directories without one are shown as a page */
    bool no_links;     /* refuse symbolic links, also those that stay below */
    /* Names that begin with a dot are not there; "/.well-known/" at the top may
     * be let through, or all of them. */
    bool well_known;
    bool dot_files;
    const struct ed_file_type *types; /* as above, and so are these */
    const char *cache_control;
    int64_t cache;
    bool no_precompressed;
    ed_static_fn *before;
    void *before_arg;
};

/*
 * Serves what lies below a directory under a prefix such as "/static", or ""
 * for the whole site; other routes win over it. The directory is opened here,
 * and followed when it is renamed.
 *
 * Never serves what lies elsewhere: the kernel is asked to stay below
 * (openat2()), so neither ".." in any disguise nor a symbolic link leads out;
 * links that stay below are followed, absolute ones never do. Before Linux 5.6
 * no link is followed.
 *
 * Replies 404 for what is not there or leads out, 403 for what may not be read,
 * for what is no regular file, and for directories without an index; 308 adds
 * the slash to a directory's name.
 *
 * Does not suspend. Returns 0, or an error with the reason in the log, upon
 * which ed_main() refuses to start.
 */
#define ed_static(app, prefix, directory, ...)   \
    ed_static_with((app), (prefix), (directory), \
                   ED_OPTIONS(struct ed_static_options, __VA_ARGS__))
ED_API int ed_static_with(ed_app *app, const char *prefix,
                          const char *directory,
                          const struct ed_static_options *options);

/* The same within a group. */
#define ed_group_static(group, prefix, directory, ...)   \
    ed_group_static_with((group), (prefix), (directory), \
                         ED_OPTIONS(struct ed_static_options, __VA_ARGS__))
ED_API int ed_group_static_with(ed_group *group, const char *prefix,
                                const char *directory,
                                const struct ed_static_options *options);

/*
 * A link to a file that may be kept for ever, since it changes with the
 * content: "css/app.css" gives "/static/css/app.css?v=3f0c...". A path that
 * begins with a slash, "/static/css/app.css", chooses among several
 * directories; otherwise it lies below the first that was added. Requests by
 * such a link are answered with "Cache-Control: public, max-age=31536000,
 * immutable" as long as the content is that.
 *
 * The content is read by the blocking pool when it is new, or has changed.
 * Suspends. In the request's arena; without a version, and logged, when the
 * file cannot be read; NULL when there is no memory, or no such directory.
 */
ED_API const char *ed_static_url(ed_req *req, const char *path);

ED_END_DECLS
#endif
