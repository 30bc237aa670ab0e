/*
 * static_list.c - a page of what is in a directory.
 *
 * The directory is read and the page written by a thread of the blocking pool.
 * Names are any bytes: in links they are encoded, in text they are escaped, and
 * what is no UTF-8 in them is shown as such.
 */
#include "app/static_tree.h"

#include "base/beneath.h"
#include "wire/html.h"
#include "wire/url.h"

#include <eddy/blocking.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Nobody reads on; and it bounds the memory and time that a request takes. */
#define ENTRIES_MAX 10000

struct entry {
    char *name;
    int64_t size;
    int64_t modified;
    bool directory;
    bool plain; /* a regular file: others have no size */
};

struct listing {
    const struct ed_tree *tree;
    const char *path;  /* below the root */
    const char *title; /* the path of the request, decoded */
    struct entry *entries;
    size_t count;
    bool more; /* than are shown */
    struct ed_buf page;
};

/* ---- reading ---- */

/* A link's own size and time say nothing of where it leads. */
static void look(int dir, struct entry *e)
{
    struct stat st;
    if (fstatat(dir, e->name, &st, AT_SYMLINK_NOFOLLOW))
        return;
    e->directory = S_ISDIR(st.st_mode);
    e->plain = S_ISREG(st.st_mode);
    e->size = st.st_size;
    e->modified = S_ISLNK(st.st_mode) ? -1 : st.st_mtim.tv_sec;
}

static int add_entry(struct listing *l, int dir, const char *name)
{
    struct entry *grown = l->entries;
    if (!(l->count & (l->count - 1))) /* at powers of two it is full */
        grown = realloc(grown, (l->count ? 2 * l->count : 1) * sizeof *grown);
    if (!grown)
        return ED_ENOMEM;
    l->entries = grown;
    struct entry e = {.name = strdup(name), .modified = -1};
    if (!e.name)
        return ED_ENOMEM;
    look(dir, &e);
    l->entries[l->count++] = e;
    return 0;
}

/* Whether a name is to be seen, which is if it could be asked for. */
static bool is_shown(const struct listing *l, const char *name)
{
    struct ed_buf path = {0};
    bool dots = !strcmp(name, ".") || !strcmp(name, "..");
    if (dots ||
        ed_buf_addf(&path, "%s%s%s", l->path, *l->path ? "/" : "", name))
        return false;
    bool shown = ed_tree_may_serve(l->tree, ed_buf_bytes(&path));
    ed_buf_free(&path);
    return shown;
}

static int read_entries(struct listing *l, DIR *dir)
{
    const struct dirent *entry;
    int err = 0;
    while (!err && (entry = readdir(dir))) {
        if (!is_shown(l, entry->d_name))
            continue;
        l->more = l->count == ENTRIES_MAX;
        if (l->more)
            break;
        err = add_entry(l, dirfd(dir), entry->d_name);
    }
    return err;
}

/* Directories first, then by name. */
static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->directory != b->directory)
        return a->directory ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* ---- writing ---- */

static const char page_head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<style>\n"
    "body{font:15px/1.6 system-ui,sans-serif;max-width:56em;margin:2em auto;"
    "padding:0 1em}\n"
    "h1{font-size:1.3em;overflow-wrap:anywhere}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "td,th{padding:.25em .5em;text-align:left;"
    "border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent)}\n"
    "td:first-child{overflow-wrap:anywhere}\n"
    "td+td,th+th{text-align:right;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}\n"
    "th{font-weight:600}\na{text-decoration:none}\n"
    "a:hover{text-decoration:underline}\n</style>\n";

static int add_size(struct ed_buf *page, const struct entry *e)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    double size = (double)e->size;
    size_t unit = 0;
    if (!e->plain)
        return ed_buf_addf(page, "<td></td>");
    if (e->size < 1024)
        return ed_buf_addf(page, "<td>%lld B</td>", (long long)e->size);
    size /= 1024;
    while (size >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        size /= 1024;
        unit++;
    }
    return ed_buf_addf(page, "<td>%.1f %s</td>", size, units[unit]);
}

static int add_date(struct ed_buf *page, int64_t modified)
{
    struct tm t;
    time_t seconds = modified;
    char text[64] = "";
    if (modified >= 0 && gmtime_r(&seconds, &t))
        (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M", &t);
    return ed_buf_addf(page, "<td>%s</td></tr>\n", text);
}

static int add_row(struct ed_buf *page, const struct entry *e)
{
    const char *slash = e->directory ? "/" : "";
    /* "./", or a name with a colon would be a URL of another scheme. */
    int err = ed_buf_addf(page, "<tr><td><a href=\"./");
    err = err ? err : ed_url_encode(page, ed_bytes(e->name), false);
    err = err ? err : ed_buf_addf(page, "%s\">", slash);
    err = err ? err : ed_html_add(page, ed_bytes(e->name));
    err = err ? err : ed_buf_addf(page, "%s</a></td>", slash);
    err = err ? err : add_size(page, e);
    return err ? err : add_date(page, e->modified);
}

static int write_page(struct listing *l)
{
    struct ed_buf *page = &l->page;
    int err = ed_buf_add(page, page_head, sizeof page_head - 1);
    err = err ? err : ed_buf_addf(page, "<title>");
    err = err ? err : ed_html_add(page, ed_bytes(l->title));
    err = err ? err : ed_buf_addf(page, "</title></head><body>\n<h1>");
    err = err ? err : ed_html_add(page, ed_bytes(l->title));
    err = err ? err
              : ed_buf_addf(page, "</h1>\n<table><thead><tr><th>Name</th>"
                                  "<th>Size</th><th>Changed (UTC)</th></tr>"
                                  "</thead><tbody>\n");
    if (!err && *l->path)
        err = ed_buf_addf(page, "<tr><td><a href=\"../\">../</a></td>"
                                "<td></td><td></td></tr>\n");
    for (size_t i = 0; i < l->count && !err; i++)
        err = add_row(page, &l->entries[i]);
    err = err ? err : ed_buf_addf(page, "</tbody></table>\n");
    if (!err && l->more)
        err = ed_buf_addf(page, "<p>Only %d are shown.</p>\n", ENTRIES_MAX);
    return err ? err : ed_buf_addf(page, "</body></html>\n");
}

/* ---- both ---- */

static int list_open(struct listing *l, int fd)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int err = -errno;
        close(fd);
        return err;
    }
    int err = read_entries(l, dir);
    closedir(dir);
    if (l->count)
        qsort(l->entries, l->count, sizeof *l->entries, compare);
    return err ? err : write_page(l);
}

static int list_on_thread(void *arg)
{
    struct listing *l = arg;
    unsigned how = l->tree->root.no_links ? ED_BENEATH_NO_LINKS : 0;
    int fd = ed_open_beneath(l->tree->root.fd, *l->path ? l->path : ".", how);
    return fd < 0 ? fd : list_open(l, fd);
}

static void listing_free(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->entries[i].name);
    free(l->entries);
    ed_buf_free(&l->page);
}

static int reply_page(ed_req *req, struct ed_bytes page)
{
    int err = ed_reply_header(req, "Cache-Control", "no-cache");
    err = err ? err
              : ed_reply_header(req, "Content-Security-Policy",
                                "default-src 'none'; "
                                "style-src 'unsafe-inline'");
    err = err ? err : ed_reply_header(req, "X-Content-Type-Options", "nosniff");
    return err ? err
               : ed_reply_bytes(req, 200, "text/html; charset=utf-8", page);
}

int ed_tree_list(ed_req *req, const struct ed_tree *m, struct ed_bytes path)
{
    const struct ed_note *note = req->app;
    struct listing l = {
        .tree = m,
        .path = ed_arena_copy(req->arena, path),
        .title = ed_arena_copy(req->arena, note->path),
    };
    if (!l.path || !l.title)
        return ED_ENOMEM;
    int err = ed_blocking(list_on_thread, &l);
    err =
        err ? ed_open_error(err, path) : reply_page(req, ed_buf_bytes(&l.page));
    listing_free(&l);
    return err;
}
