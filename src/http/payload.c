/*
 * payload.c - bodies of requests that are given as a form or a file.
 *
 * A payload is a row of segments: bytes, and files whose lengths are taken when
 * they are opened. The request says the sum, so a file that has another length
 * by the time it is sent fails the request: before its last bytes go out, so
 * that no server takes it for whole.
 *
 * Disks make a thread wait, so files are opened and read on the blocking pool.
 * They are closed in the loop: what was only read has nothing to be waited for.
 */
#include "http/payload.h"
#include "base/size.h"
#include "http/form.h"
#include "net/crypto.h"
#include "wire/multipart.h"
#include "wire/url.h"
#include <errno.h>
#include <eddy/blocking.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Read of a file at once: a trip to the pool costs as much as copying some
 * kilobytes. */
#define READ_BYTES (128 * 1024)

struct segment {
    const char *bytes; /* NULL: a file */
    uint64_t length;
    const char *path;
    int fd; /* -1: none */
};

struct ed_payload {
    struct segment *segments;
    size_t count;
    size_t current;
    uint64_t offset; /* in the current one */
    /* What was read of the current file, and not sent. */
    char *buffer;
    size_t buffered;
    size_t buffered_at;
};

static int explain(const struct ed_journey *j, int err, const char *what,
                   const char *why)
{
    return ed_journey_explain(j, err, "%.60s: %s", what, why);
}

/* ---- files ---- */

struct open_job {
    const char *path;
    int fd;
    uint64_t length;
};

static int open_file(void *arg)
{
    struct open_job *job = arg;
    struct stat st;

    /* A pipe without a writer is refused, not waited for. */
    int fd = open(job->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int err = fstat(fd, &st)         ? -errno
              : S_ISDIR(st.st_mode)  ? -EISDIR
              : !S_ISREG(st.st_mode) ? ED_EUSAGE
                                     : 0;
    if (err) {
        close(fd);
        return err;
    }
    job->fd = fd;
    job->length = (uint64_t)st.st_size;
    return 0;
}

static int open_segment(const struct ed_journey *j, struct segment *s)
{
    struct open_job job = {.path = s->path};
    int err = ed_blocking(open_file, &job);

    if (err)
        return explain(j, err, s->path,
                       err == ED_EUSAGE ? "is no regular file"
                                        : ed_err_text(err));
    s->fd = job.fd;
    s->length = job.length;
    return 0;
}

struct read_job {
    int fd;
    char *to;
    size_t len;
    uint64_t offset;
};

static int read_file(void *arg)
{
    const struct read_job *job = arg;
    ssize_t n;

    do {
        n = pread(job->fd, job->to, job->len, (off_t)job->offset);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : (int)n;
}

/* Fills the buffer from where the current file stands. One byte more than is
 * left is asked for, which shows whether it has grown. */
static int fill_buffer(struct ed_payload *p, const struct segment *s)
{
    uint64_t left = s->length - p->offset;

    if (!p->buffer)
        p->buffer = malloc(READ_BYTES + 1);
    if (!p->buffer)
        return ED_ENOMEM;
    size_t len = left <= READ_BYTES ? (size_t)left + 1 : READ_BYTES;
    struct read_job job = {s->fd, p->buffer, len, p->offset};
    int n = ed_blocking(read_file, &job);
    if (n < 0)
        return ed_fail(n, "%.120s: %s", s->path, ed_err_text(n));
    if (!n || (uint64_t)n > left)
        return ed_fail(ED_EUSAGE, "%.120s: became %s while it was sent",
                       s->path, n ? "larger" : "smaller");
    p->buffered = (size_t)n;
    p->buffered_at = 0;
    return 0;
}

static void forget_buffer(struct ed_payload *p)
{
    p->buffered = 0;
    p->buffered_at = 0;
}

/* ---- sending ---- */

/* A piece of the current segment, which is not at its end. */
static ssize_t give(struct ed_payload *p, const struct segment *s, char *buf,
                    size_t len)
{
    uint64_t left = s->length - p->offset;
    const char *from = s->bytes ? s->bytes + p->offset : NULL;

    if (!from) {
        if (p->buffered_at == p->buffered) {
            int err = fill_buffer(p, s);
            if (err)
                return err;
        }
        from = p->buffer + p->buffered_at;
        left = p->buffered - p->buffered_at;
    }
    size_t n = left < len ? (size_t)left : len;
    memcpy(buf, from, n);
    p->offset += n;
    if (!s->bytes)
        p->buffered_at += n;
    return (ssize_t)n;
}

static ssize_t send_payload(void *arg, void *buf, size_t len)
{
    struct ed_payload *p = arg;

    while (p->current < p->count) {
        const struct segment *s = &p->segments[p->current];
        if (p->offset < s->length)
            return give(p, s, buf, len);
        p->current++;
        p->offset = 0;
        forget_buffer(p);
    }
    return 0;
}

static int rewind_payload(void *arg)
{
    struct ed_payload *p = arg;

    p->current = 0;
    p->offset = 0;
    forget_buffer(p);
    return 0;
}

static struct ed_payload *new_payload(size_t segments)
{
    ed_arena *arena = ed_fiber_arena();
    struct ed_payload *p = ed_arena_zalloc(arena, sizeof(*p));

    if (p)
        p->segments = ed_arena_zalloc(arena, segments * sizeof(*p->segments));
    return p && p->segments ? p : NULL;
}

static void add_bytes(struct ed_payload *p, const char *bytes, size_t len)
{
    p->segments[p->count++] =
        (struct segment){.bytes = bytes, .length = len, .fd = -1};
}

static int add_file(struct ed_journey *j, const char *path)
{
    struct ed_payload *p = j->payload;
    struct segment *s = &p->segments[p->count++];

    *s = (struct segment){.path = path, .fd = -1};
    return open_segment(j, s);
}

/* Makes the options say what the segments are. */
static int send_segments(struct ed_journey *j)
{
    struct ed_fetch_options *o = &j->options;
    struct ed_payload *p = j->payload;
    size_t length = 0;

    for (size_t i = 0; i < p->count; i++) {
        if (!ed_size_add(length, p->segments[i].length, &length) ||
            length > INT64_MAX)
            return explain(j, ED_EUSAGE, "body", "is larger than can be told");
    }
    /* A `send` of that length would be one of a length that is not known. */
    if (!length) {
        o->body = ED_BYTES("");
        return 0;
    }
    o->send = send_payload;
    o->send_arg = p;
    o->send_length = (int64_t)length;
    o->rewind = rewind_payload;
    return 0;
}

void ed_payload_close(struct ed_payload *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++) {
        if (p->segments[i].fd >= 0)
            close(p->segments[i].fd);
    }
    p->count = 0;
    free(p->buffer);
    p->buffer = NULL;
}

/* ---- what is given ---- */

static int no_memory(const struct ed_journey *j)
{
    return explain(j, ED_ENOMEM, "body", "no memory for it");
}

static int take_file(struct ed_journey *j)
{
    j->payload = new_payload(1);
    if (!j->payload)
        return no_memory(j);
    int err = add_file(j, j->options.file);
    return err ? err : send_segments(j);
}

static int write_pairs(struct ed_buf *out, const struct ed_form *form)
{
    int err = ed_buf_reserve(out, 1); /* no parts: an empty text, yet one */

    for (const struct ed_form_part *part = form->first; part && !err;
         part = part->next) {
        if (out->len)
            err = ed_buf_add(out, "&", 1);
        if (!err)
            err = ed_url_encode(out, part->name, false);
        if (!err)
            err = ed_buf_add(out, "=", 1);
        if (!err)
            err = ed_url_encode(out, part->value, false);
    }
    return err;
}

static int take_pairs(struct ed_journey *j, const struct ed_form *form)
{
    struct ed_buf text = {0};
    int err = write_pairs(&text, form);
    const char *copy =
        err ? NULL : ed_arena_copy(ed_fiber_arena(), ed_buf_bytes(&text));

    j->options.body = ed_bytes_of(copy, text.len);
    j->options.content_type = "application/x-www-form-urlencoded";
    ed_buf_free(&text);
    return copy ? 0 : no_memory(j);
}

/* What stands around the parts, as one text; ends[i] is where the text before
 * the i-th part's content ends. */
static int write_frames(struct ed_buf *out, size_t *ends,
                        const struct ed_form *form, const char *boundary)
{
    size_t i = 0;

    for (const struct ed_form_part *part = form->first; part;
         part = part->next) {
        struct ed_multipart_part head = {part->name, part->filename,
                                         part->type};
        int err = ed_multipart_part(out, boundary, &head, !i);
        if (err)
            return err;
        ends[i++] = out->len;
    }
    return ed_multipart_end(out, boundary);
}

static int add_parts(struct ed_journey *j, const struct ed_form *form,
                     struct ed_bytes frames, const size_t *ends)
{
    struct ed_payload *p = j->payload;
    size_t at = 0;
    int err = 0;

    for (const struct ed_form_part *part = form->first; part && !err;
         part = part->next, ends++) {
        add_bytes(p, frames.ptr + at, *ends - at);
        at = *ends;
        if (part->path)
            err = add_file(j, part->path);
        else
            add_bytes(p, part->value.ptr, part->value.len);
    }
    if (!err)
        add_bytes(p, frames.ptr + at, frames.len - at);
    return err;
}

static const char *new_boundary(ed_arena *arena)
{
    uint8_t random[ED_MULTIPART_RANDOM];
    char *boundary = ed_arena_alloc(arena, ED_MULTIPART_BOUNDARY + 1);

    if (!boundary || ed_random(random, sizeof(random)))
        return NULL;
    ed_multipart_boundary(boundary, random);
    return boundary;
}

static int take_multipart(struct ed_journey *j, const struct ed_form *form)
{
    ed_arena *arena = ed_fiber_arena();
    const char *boundary = new_boundary(arena);
    size_t *ends = ed_arena_alloc(arena, form->count * sizeof(*ends));
    struct ed_buf text = {0};

    j->payload = new_payload(2 * form->count + 1);
    if (!boundary || !ends || !j->payload)
        return no_memory(j);
    j->options.content_type =
        ed_arena_printf(arena, "multipart/form-data; boundary=%s", boundary);
    int err = write_frames(&text, ends, form, boundary);
    struct ed_bytes frames = {NULL, text.len};
    if (!err)
        frames.ptr = ed_arena_copy(arena, ed_buf_bytes(&text));
    ed_buf_free(&text);
    if (!frames.ptr || !j->options.content_type)
        return no_memory(j);
    err = add_parts(j, form, frames, ends);
    return err ? err : send_segments(j);
}

static int take_form(struct ed_journey *j)
{
    const struct ed_form *form = j->options.form;

    if (form->err)
        return explain(j, form->err, "form",
                       form->err == ED_EUSAGE ? "the type of a part is none"
                                              : ed_err_text(form->err));
    return form->multipart ? take_multipart(j, form) : take_pairs(j, form);
}

int ed_payload_open(struct ed_journey *j)
{
    const struct ed_fetch_options *o = &j->options;
    int bodies = !!o->body.ptr + !!o->send + !!o->form + !!o->file;

    if (bodies > 1)
        return explain(j, ED_EUSAGE, "body", "there are two of them");
    if (o->form)
        return take_form(j);
    return o->file ? take_file(j) : 0;
}
