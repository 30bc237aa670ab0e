/*
 * tls_cursor.h - a place in a vector of bytes.
 */
#ifndef EDDY_NET_TLS_CURSOR_H
#define EDDY_NET_TLS_CURSOR_H

#include <eddy/bytes.h>
#include <sys/uio.h>

struct ed_tls_cursor {
    const struct iovec *iov;
    int count;
    size_t offset; /* in the first piece */
};

/* Passes empty pieces; false at the end. */
static inline bool ed_tls_cursor_more(struct ed_tls_cursor *c)
{
    while (c->count && c->offset == c->iov->iov_len) {
        c->iov++;
        c->count--;
        c->offset = 0;
    }
    return c->count;
}

/* What lies there in one piece, at most `max_bytes`; not at the end. */
static inline struct ed_bytes ed_tls_cursor_piece(const struct ed_tls_cursor *c,
                                                  size_t max_bytes)
{
    size_t len = c->iov->iov_len - c->offset;

    return ed_bytes_of((const char *)c->iov->iov_base + c->offset,
                       len < max_bytes ? len : max_bytes);
}

static inline void ed_tls_cursor_skip(struct ed_tls_cursor *c, size_t n)
{
    while (n && ed_tls_cursor_more(c)) {
        size_t step = ed_tls_cursor_piece(c, n).len;
        c->offset += step;
        n -= step;
    }
}

static inline size_t ed_tls_cursor_bytes(const struct ed_tls_cursor *c)
{
    size_t bytes = 0;

    for (int i = 0; i < c->count; i++)
        bytes += c->iov[i].iov_len;
    return bytes - (c->count ? c->offset : 0);
}

#endif
