/*
 * body.c - the whole body of a request, before Python sees any of it.
 *
 * Owns memory or a file. The file has no name: nobody else finds it, and the
 * kernel removes it with its last descriptor, however the process ends.
 */
#include "host.h"

#include <eddy/blocking.h>
#include <eddy/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of what is read before it is written to the file: one trip to the blocking
 * pool for so much. */
enum { PIECE = 256 * 1024 };

/* The first piece of memory for a body of unknown length. */
enum { FIRST = 8 * 1024 };

struct reading {
    ed_req *req;
    struct wsgi_body *body;
    const struct ed_settings *settings;
    char *buf;
    size_t have, room;
    const char *directory;
};

/* ---- the file ---- */

static const char *spool_directory(const struct ed_settings *s)
{
    const char *directory = s->spool_dir ? s->spool_dir : getenv("TMPDIR");

    return directory && *directory ? directory : "/tmp";
}

/* Some file systems have none without a name. */
static int open_named(const char *directory)
{
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/eddy-body-XXXXXX", directory);

    if (len < 0 || len >= (int)sizeof path)
        return -ENAMETOOLONG;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    unlink(path);
    return fd;
}

static int open_in(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0)
        return fd;
    return errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT
               ? open_named(directory)
               : -errno;
}

int wsgi_spool_open(const struct ed_settings *settings)
{
    return open_in(spool_directory(settings));
}

/* On the blocking pool. */
static int spill(void *arg)
{
    struct reading *r = arg;
    struct wsgi_body *body = r->body;
    size_t done = 0;

    if (body->fd < 0) {
        int fd = open_in(r->directory);
        if (fd < 0)
            return fd;
        body->fd = fd;
    }
    while (done < r->have) {
        ssize_t n = pwrite(body->fd, r->buf + done, r->have - done,
                           body->len - (int64_t)(r->have - done));
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    r->have = 0;
    return 0;
}

static int write_out(struct reading *r)
{
    r->directory = spool_directory(r->settings);
    int err = ed_blocking(spill, r);
    if (err && err != ED_ECANCELED && err != ED_ETIMEOUT)
        return ed_fail(err, "a body cannot be kept in %s: %s", r->directory,
                       ed_err_text(err));
    return err;
}

/* ---- reading ---- */

static int too_large(const struct reading *r)
{
    return ed_fail(ED_EBODYLIMIT, "the limit is %zu bytes (max-body)",
                   r->settings->max_body);
}

/* More memory while it may stay there; then one piece, again and again. */
static int make_room(struct reading *r)
{
    size_t most = r->settings->spool_above;

    if (r->have < r->room)
        return 0;
    if (r->body->fd >= 0 || r->have >= most) {
        int err = write_out(r);
        if (err || r->room >= PIECE)
            return err;
        most = PIECE;
    }
    size_t room = r->room ? 2 * r->room : FIRST;
    if (r->body->fd >= 0)
        room = PIECE;
    /* A byte more than may stay, to see that there is more. */
    else if (room > most)
        room = most + 1;
    char *buf = realloc(r->buf, room);
    if (!buf)
        return ED_ENOMEM;
    r->buf = buf;
    r->room = room;
    return 0;
}

static int read_all(struct reading *r)
{
    ssize_t n;

    do {
        int err = make_room(r);
        if (err)
            return err;
        n = ed_body_read(r->req, r->buf + r->have, r->room - r->have);
        if (n < 0)
            return (int)n;
        r->have += (size_t)n;
        r->body->len += n;
        if (r->body->len > (int64_t)r->settings->max_body)
            return too_large(r);
    } while (n);
    return r->body->fd >= 0 && r->have ? write_out(r) : 0;
}

int wsgi_body_read(struct wsgi_body *body, ed_req *req,
                   const struct ed_settings *settings)
{
    int64_t told = ed_body_length(req);
    struct reading r = {.req = req, .body = body, .settings = settings};

    *body = (struct wsgi_body){.fd = -1};
    if (!told)
        return 0;
    if (told > (int64_t)settings->max_body)
        return too_large(&r);
    if (told > 0 && told <= (int64_t)settings->spool_above) {
        r.room = (size_t)told + 1; /* and the end is seen without more room */
        r.buf = malloc(r.room);
        if (!r.buf)
            return ED_ENOMEM;
    }
    int err = read_all(&r);
    if (!err && body->fd < 0) {
        body->bytes = r.buf;
        return 0;
    }
    free(r.buf);
    if (err)
        wsgi_body_free(body);
    return err;
}

void wsgi_body_free(struct wsgi_body *body)
{
    free(body->bytes);
    if (body->fd >= 0)
        close(body->fd);
    *body = (struct wsgi_body){.fd = -1};
}
