/*
 * stream.h - what a stream is made of, and its face for state machines.
 *
 * Fibers use include/eddy/stream.h. Connections that hold no fiber use the
 * event face here: data is delivered as it comes, lying in the loop's scratch
 * memory, and writing never waits. Both work over any transport, TLS later
 * among them: a transport is a struct ed_stream_ops.
 */
#ifndef EDDY_NET_STREAM_H
#define EDDY_NET_STREAM_H

#include <eddy/stream.h>
#include "core/io.h"

/*
 * Called in the loop with what arrived: `len` bytes at `data`, valid (and free
 * to be overwritten) until it returns; or len 0 at the end of the stream, or a
 * negative error, after either of which nothing more comes. It may stop the
 * receiving or close the stream.
 */
typedef void ed_stream_data_fn(ed_stream *s, char *data, ssize_t len);
typedef void ed_stream_event_fn(ed_stream *s);

struct ed_stream_ops {
    /* Fiber face; both suspend. A count, 0 at the end (read), or an error. */
    ssize_t (*readv)(ed_stream *s, const struct iovec *iov, int count);
    ssize_t (*writev)(ed_stream *s, const struct iovec *iov, int count);

    /* Event face. */
    int (*receive)(ed_stream *s, bool on);
    ssize_t (*try_writev)(ed_stream *s, const struct iovec *iov, int count);
    int (*want_writable)(ed_stream *s, bool on);
    /* See ed_stream_try_send_file(). NULL: bytes have to come by here. */
    ssize_t (*try_send_file)(ed_stream *s, struct ed_bytes before, int fd,
                             off_t offset, size_t len);

    int (*shutdown)(ed_stream *s);
    /* Closes, and gives fibers inside readv() and writev() ED_ECLOSED; the
     * memory stays until free(), which comes when they have left. */
    void (*close)(ed_stream *s);
    void (*free)(ed_stream *s);
    int (*fd)(ed_stream *s);                /* the descriptor beneath, or -1 */
    const char *(*why)(const ed_stream *s); /* may be NULL: there is none */
};

struct ed_stream {
    const struct ed_stream_ops *ops;
    void *user; /* of who uses the event face */
    ed_stream_data_fn *on_data;
    ed_stream_event_fn *on_writable; /* once for each want_writable(true) */
    /* The peer has closed or the connection broke while nothing was being
     * received. Called in the loop, at most once. */
    ed_stream_event_fn *on_hangup;
    struct ed_read_ahead *read_ahead; /* of read_until(); NULL when empty */
    bool reading, writing;            /* a fiber is inside a call */
    bool closed; /* to be freed by the last fiber that leaves */
    bool reset;  /* see ed_stream_reset() */
};

/*
 * Turns receiving on or off. What ed_stream_read_until() has read ahead is not
 * seen here. Returns 0, ED_EUSAGE while a fiber is reading, or -errno when the
 * system cannot watch one more descriptor: the stream is then of no use.
 */
static inline int ed_stream_receive(ed_stream *s, bool on)
{
    return s->ops->receive(s, on);
}

/* Writes as much as goes at once: a count, -EAGAIN, or another error. Bytes
 * that were offered and not counted have to be offered again before others:
 * over TLS they may be sealed already. */
static inline ssize_t ed_stream_try_writev(ed_stream *s,
                                           const struct iovec *iov, int count)
{
    return s->ops->try_writev(s, iov, count);
}

/* Whether bytes of a file can be sent without coming by here. Over TLS they
 * cannot: they have to be sealed. */
static inline bool ed_stream_sends_files(const ed_stream *s)
{
    return s->ops->try_send_file;
}

/*
 * Writes `before`, and behind it `len` bytes (at least one) of a file from
 * `offset` on, as much as goes at once; they leave together. The kernel takes
 * the file's bytes from where they are, waiting for a disk if need be. A
 * count of both, 0 when `before` is empty and the file ends there, -EAGAIN, or
 * another error. Only if ed_stream_sends_files().
 */
static inline ssize_t ed_stream_try_send_file(ed_stream *s,
                                              struct ed_bytes before, int fd,
                                              off_t offset, size_t len)
{
    return s->ops->try_send_file(s, before, fd, offset, len);
}

/* Asks for one on_writable(), or takes that back. Results as above. */
static inline int ed_stream_want_writable(ed_stream *s, bool on)
{
    return s->ops->want_writable(s, on);
}

/* What says more than the error that reading or writing came to, or NULL; valid
 * as long as the stream. */
static inline const char *ed_stream_why(const ed_stream *s)
{
    return s->ops->why ? s->ops->why(s) : NULL;
}

/* Gives bytes back: the next reads of the fiber face get them first. 0 or
 * ED_ENOMEM. */
ED_CHECK int ed_stream_unread(ed_stream *s, struct ed_bytes bytes);

/* How much of what was read ahead is there. */
size_t ed_stream_ahead(const ed_stream *s);

/* Closes so that the peer cannot take it for the proper end of what was sent:
 * by a reset (not over a Unix socket, which knows none), and over TLS without
 * saying so. */
void ed_stream_reset(ed_stream *s);

/*
 * A listener's event face: on_accept is called in the loop with each new
 * stream, which the callee owns. Out of descriptors, or above the limit set by
 * pausing, connections wait in the kernel's queue; accepting is tried again
 * when a descriptor of this loop closes, and every 100 ms. Pausing is counted
 * as on or off, not nested.
 */
typedef void ed_listener_fn(ed_stream *s, void *arg);
void ed_listener_start(ed_listener *l, ed_listener_fn *on_accept, void *arg);
void ed_listener_pause(ed_listener *l, bool pause);

struct ed_listener_options {
    size_t size;
    /* Other processes listen by the same socket: a connection wakes one of
     * them, not all. Which one is up to the system, and is the same one as long
     * as that is idle: see serve/spread.h. */
    bool exclusive;
};

/* A listener over a socket that listens already (inherited); owned from then
 * on, but a Unix socket's file is left alone. 0, ED_EUSAGE outside of a loop,
 * ED_ENOMEM, or -errno (-EINVAL: no stream socket that listens), the descriptor
 * then still being the caller's. */
#define ed_listener_of_fd(out, fd, ...) \
    ed_listener_of_fd_with(             \
        (out), (fd), ED_OPTIONS(struct ed_listener_options, __VA_ARGS__))
ED_CHECK int ed_listener_of_fd_with(ed_listener **out, int fd,
                                    const struct ed_listener_options *options);

#endif
