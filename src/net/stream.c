/*
 * stream.c - what streams do over any transport: whole writes, exact reads,
 * reads up to a delimiter.
 *
 * Owns the read-ahead buffer of a stream, which is there only while it holds
 * bytes or a fiber waits to fill it. A stream closed under a fiber that is
 * inside a call stays in memory until that fiber has left.
 */
#include "net/stream.h"
#include "base/printed.h"
#include "base/size.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

/* Enough for most lines and header blocks at the first try. */
#define READ_AHEAD_FIRST 4096

/* What of a long vector is handed to the transport at once. */
#define VECTOR_BATCH 64

struct ed_read_ahead {
    size_t start; /* bytes before it were read already */
    size_t end;
    size_t cap;
    char data[];
};

/* ---- entering and leaving ---- */

static void release(ed_stream *s)
{
    free(s->read_ahead);
    s->ops->free(s);
}

static int begin_read(ed_stream *s)
{
    if (s->reading)
        return ED_EUSAGE;
    s->reading = true;
    return 0;
}

static ssize_t end_read(ed_stream *s, ssize_t result)
{
    s->reading = false;
    if (!s->closed)
        return result;
    if (!s->writing)
        release(s);
    return ED_ECLOSED;
}

static int begin_write(ed_stream *s)
{
    if (s->writing)
        return ED_EUSAGE;
    s->writing = true;
    return 0;
}

static int end_write(ed_stream *s, int result)
{
    s->writing = false;
    if (!s->closed)
        return result;
    if (!s->reading)
        release(s);
    return ED_ECLOSED;
}

void ed_stream_close(ed_stream *s)
{
    if (!s || s->closed)
        return;
    s->closed = true;
    s->ops->close(s);
    if (!s->reading && !s->writing)
        release(s);
}

void ed_stream_reset(ed_stream *s)
{
    s->reset = true;
    ed_stream_close(s);
}

int ed_stream_shutdown(ed_stream *s)
{
    return s->ops->shutdown(s);
}

/* ---- reading ---- */

size_t ed_stream_ahead(const ed_stream *s)
{
    return s->read_ahead ? s->read_ahead->end - s->read_ahead->start : 0;
}

static void drop_empty_ahead(ed_stream *s)
{
    if (ed_stream_ahead(s))
        return;
    free(s->read_ahead);
    s->read_ahead = NULL;
}

static size_t take_ahead(ed_stream *s, char *buf, size_t len)
{
    struct ed_read_ahead *ahead = s->read_ahead;
    size_t have = ed_stream_ahead(s);

    if (!have)
        return 0;
    if (len > have)
        len = have;
    memcpy(buf, ahead->data + ahead->start, len);
    ahead->start += len;
    return len;
}

static ssize_t read_some(ed_stream *s, char *buf, size_t len)
{
    struct iovec iov = {buf, len};
    size_t taken = take_ahead(s, buf, len);

    drop_empty_ahead(s);
    return taken ? (ssize_t)taken : s->ops->readv(s, &iov, 1);
}

ssize_t ed_stream_read(ed_stream *s, void *buf, size_t len)
{
    int err = len ? begin_read(s) : ED_EUSAGE;

    if (err)
        return err;
    return end_read(s, read_some(s, buf, len));
}

int ed_stream_read_exactly(ed_stream *s, void *buf, size_t len)
{
    char *at = buf;
    char *end = at + len;
    ssize_t n = 0;
    int err = begin_read(s);

    if (err)
        return err;
    while (at < end) {
        n = read_some(s, at, (size_t)(end - at));
        if (n <= 0 || s->closed)
            break;
        at += n;
    }
    if (n == 0 && at < end)
        n = ED_EEOF;
    return (int)end_read(s, n > 0 ? 0 : n);
}

/* Makes room for at least one more byte, moving or growing what is there. */
static int make_room(ed_stream *s)
{
    struct ed_read_ahead *ahead = s->read_ahead;
    size_t len = ed_stream_ahead(s);
    size_t cap = ahead ? ahead->cap : READ_AHEAD_FIRST;
    size_t bytes;

    if (ahead && ahead->end < cap)
        return 0;
    if (ahead && ahead->start) {
        memmove(ahead->data, ahead->data + ahead->start, len);
        ahead->start = 0;
        ahead->end = len;
        return 0;
    }
    if (ahead && !ed_size_mul(cap, 2, &cap))
        return ED_ENOMEM;
    if (!ed_size_add(sizeof(*ahead), cap, &bytes))
        return ED_ENOMEM;
    struct ed_read_ahead *bigger = realloc(ahead, bytes);
    if (!bigger)
        return ED_ENOMEM;
    if (!ahead)
        bigger->start = bigger->end = 0;
    bigger->cap = cap;
    s->read_ahead = bigger;
    return 0;
}

int ed_stream_unread(ed_stream *s, struct ed_bytes bytes)
{
    size_t len = ed_stream_ahead(s);
    size_t all, total;

    if (!bytes.len)
        return 0;
    if (!ed_size_add(len, bytes.len, &all) ||
        !ed_size_add(sizeof(*s->read_ahead), all, &total))
        return ED_ENOMEM;
    struct ed_read_ahead *ahead = malloc(total);
    if (!ahead)
        return ED_ENOMEM;
    memcpy(ahead->data, bytes.ptr, bytes.len);
    take_ahead(s, ahead->data + bytes.len, len);
    ahead->start = 0;
    ahead->end = ahead->cap = all;
    free(s->read_ahead);
    s->read_ahead = ahead;
    return 0;
}

static ssize_t read_more_ahead(ed_stream *s)
{
    int err = make_room(s);

    if (err)
        return err;
    struct ed_read_ahead *ahead = s->read_ahead;
    struct iovec iov = {ahead->data + ahead->end, ahead->cap - ahead->end};
    ssize_t n = s->ops->readv(s, &iov, 1);
    if (s->closed)
        return ED_ECLOSED;
    if (n > 0)
        ahead->end += (size_t)n;
    return n;
}

/* Gives the text up to the delimiter when it is there: its length, 0 when it
 * is not. `seen` bytes were searched before. */
static size_t find_delimiter(const ed_stream *s, struct ed_bytes delimiter,
                             size_t seen)
{
    size_t len = ed_stream_ahead(s);
    size_t from = seen >= delimiter.len ? seen - delimiter.len + 1 : 0;

    if (from >= len)
        return 0;
    const char *text = s->read_ahead->data + s->read_ahead->start;
    ssize_t at = ed_bytes_find(ed_bytes_of(text + from, len - from), delimiter);
    return at < 0 ? 0 : from + (size_t)at + delimiter.len;
}

static int read_until(ed_stream *s, struct ed_bytes delimiter, size_t max_bytes,
                      struct ed_bytes *out)
{
    size_t seen = 0;
    size_t found;

    while (!(found = find_delimiter(s, delimiter, seen))) {
        seen = ed_stream_ahead(s);
        if (seen >= max_bytes)
            return ED_ELIMIT;
        ssize_t n = read_more_ahead(s);
        if (n <= 0)
            return n ? (int)n : ED_EEOF;
    }
    if (found > max_bytes)
        return ED_ELIMIT;
    struct ed_read_ahead *ahead = s->read_ahead;
    *out = ed_bytes_of(ahead->data + ahead->start, found);
    ahead->start += found;
    return 0;
}

int ed_stream_read_until(ed_stream *s, struct ed_bytes delimiter,
                         size_t max_bytes, struct ed_bytes *out)
{
    int err = delimiter.len ? begin_read(s) : ED_EUSAGE;

    if (err)
        return err;
    err = read_until(s, delimiter, max_bytes, out);
    if (err && !s->closed)
        drop_empty_ahead(s);
    return (int)end_read(s, err);
}

/* ---- writing ---- */

/* Moves a position in a vector on by `n` bytes; empty parts are passed, too. */
static void advance(const struct iovec *iov, int count, int *part,
                    size_t *offset, size_t n)
{
    while (*part < count && n >= iov[*part].iov_len - *offset) {
        n -= iov[*part].iov_len - *offset;
        *offset = 0;
        (*part)++;
    }
    *offset += n;
}

static int write_all(ed_stream *s, const struct iovec *iov, int count)
{
    struct iovec batch[VECTOR_BATCH];
    size_t offset = 0;
    int part = 0;

    advance(iov, count, &part, &offset, 0);
    while (part < count) {
        int parts = count - part < VECTOR_BATCH ? count - part : VECTOR_BATCH;
        memcpy(batch, iov + part, (size_t)parts * sizeof(*iov));
        batch[0].iov_base = (char *)batch[0].iov_base + offset;
        batch[0].iov_len -= offset;
        ssize_t n = s->ops->writev(s, batch, parts);
        if (n < 0)
            return (int)n;
        if (s->closed)
            return ED_ECLOSED;
        advance(iov, count, &part, &offset, (size_t)n);
    }
    return 0;
}

int ed_stream_writev(ed_stream *s, const struct iovec *iov, int count)
{
    int err = begin_write(s);

    if (err)
        return err;
    return end_write(s, write_all(s, iov, count));
}

int ed_stream_write(ed_stream *s, const void *buf, size_t len)
{
    struct iovec iov = {(void *)buf, len};

    return ed_stream_writev(s, &iov, 1);
}

int ed_stream_printf(ed_stream *s, const char *fmt, ...)
{
    struct ed_printed text ED_PRINTED_AUTO;
    va_list args;

    va_start(args, fmt);
    int err = ed_print(&text, fmt, args);
    va_end(args);
    return err ? err : ed_stream_write(s, text.bytes.ptr, text.bytes.len);
}

/* ---- who is who ---- */

typedef int name_fn(int fd, struct sockaddr *addr, socklen_t *len);

static void name_text(ed_stream *s, name_fn *name, char out[ED_ADDR_TEXT])
{
    struct ed_addr addr = {.len = sizeof(addr.un)};

    if (name(s->ops->fd(s), &addr.any, &addr.len))
        addr.len = 0;
    ed_addr_text(&addr, out);
}

void ed_stream_peer(ed_stream *s, char out[ED_ADDR_TEXT])
{
    name_text(s, getpeername, out);
}

void ed_stream_local(ed_stream *s, char out[ED_ADDR_TEXT])
{
    name_text(s, getsockname, out);
}
