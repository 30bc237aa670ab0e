/*
 * memory_stream.c - see memory_stream.h.
 */
#include "memory_stream.h"

#include "core/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct memory_stream {
    struct ed_stream stream;
    struct memory_peer *peer;
};

static struct memory_peer *peer_of(ed_stream *s)
{
    return ED_CONTAINER(s, struct memory_stream, stream)->peer;
}

static ssize_t no_fiber_face(ed_stream *s, const struct iovec *iov, int count)
{
    (void)s, (void)iov, (void)count;
    return ED_EUSAGE;
}

static int memory_receive(ed_stream *s, bool on)
{
    peer_of(s)->receiving = on;
    return 0;
}

static ssize_t memory_try_writev(ed_stream *s, const struct iovec *iov,
                                 int count)
{
    struct memory_peer *peer = peer_of(s);
    size_t written = 0;
    for (int i = 0; i < count; i++) {
        size_t n = iov[i].iov_len < peer->room ? iov[i].iov_len : peer->room;
        if (n && ed_buf_add(&peer->heard, iov[i].iov_base, n))
            return ED_ENOMEM;
        peer->room -= n;
        written += n;
    }
    return written ? (ssize_t)written : -EAGAIN;
}

static int memory_want_writable(ed_stream *s, bool on)
{
    peer_of(s)->wants_writable = on;
    return 0;
}

static int memory_shutdown(ed_stream *s)
{
    peer_of(s)->ended = true;
    return 0;
}

static void memory_close(ed_stream *s)
{
    struct memory_peer *peer = peer_of(s);
    peer->ended = true;
    peer->stream = NULL;
}

static void memory_free(ed_stream *s)
{
    free(ED_CONTAINER(s, struct memory_stream, stream));
}

static int memory_fd(ed_stream *s)
{
    (void)s;
    return -1;
}

static const struct ed_stream_ops memory_ops = {
    .readv = no_fiber_face,
    .writev = no_fiber_face,
    .receive = memory_receive,
    .try_writev = memory_try_writev,
    .want_writable = memory_want_writable,
    .shutdown = memory_shutdown,
    .close = memory_close,
    .free = memory_free,
    .fd = memory_fd,
};

struct memory_peer *memory_peer_new(void)
{
    struct memory_peer *peer = calloc(1, sizeof *peer);
    struct memory_stream *s = calloc(1, sizeof *s);
    if (!peer || !s) {
        free(peer);
        free(s);
        return NULL;
    }
    s->stream.ops = &memory_ops;
    s->peer = peer;
    peer->stream = &s->stream;
    peer->room = SIZE_MAX;
    return peer;
}

void memory_peer_free(struct memory_peer *peer)
{
    ed_buf_free(&peer->heard);
    ed_buf_free(&peer->said);
    free(peer);
}

void memory_peer_say(struct memory_peer *peer, struct ed_bytes bytes)
{
    if (ed_buf_add(&peer->said, bytes.ptr, bytes.len))
        abort();
}

void memory_peer_end(struct memory_peer *peer)
{
    peer->said_all = true;
}

static void deliver_bytes(struct memory_peer *peer, size_t most)
{
    /* The owner may write over what it receives, as it may over the loop's
     * scratch memory; and may not look behind its end. */
    size_t n = peer->said.len < most ? peer->said.len : most;
    char *data = malloc(n);
    if (!data)
        abort();
    memcpy(data, peer->said.ptr, n);
    ed_buf_drop(&peer->said, n);
    peer->stream->on_data(peer->stream, data, (ssize_t)n);
    free(data);
}

bool memory_peer_deliver(struct memory_peer *peer, size_t most)
{
    ed_stream *s = peer->stream;
    if (!s)
        return false;
    if (peer->wants_writable && peer->room && s->on_writable) {
        peer->wants_writable = false;
        s->on_writable(s);
        return true;
    }
    if (peer->receiving && peer->said.len && s->on_data) {
        deliver_bytes(peer, most);
        return true;
    }
    if (!peer->said_all)
        return false;
    if (peer->receiving && s->on_data) {
        peer->receiving = false;
        peer->said_all = false;
        s->on_data(s, NULL, 0);
        return true;
    }
    if (!peer->receiving && s->on_hangup) {
        ed_stream_event_fn *hangup = s->on_hangup;
        s->on_hangup = NULL; /* at most once */
        hangup(s);
        return true;
    }
    return false;
}
