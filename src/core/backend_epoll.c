/*
 * backend_epoll.c - operations by epoll.
 *
 * Each descriptor is registered once, edge-triggered, when its first operation
 * has to wait: an edge costs the kernel one look where a level costs a second
 * one at the next epoll_wait() to find that nothing is left, and a descriptor
 * nobody reads from costs nothing. What edges need in return is a note of
 * what may still be there: the hints. A short read from a stream socket
 * clears a hint without a further call, since anything that comes later is a
 * new edge; others are read until they say EAGAIN, since a terminal gives a
 * line and a packet socket a packet however much there is.
 * Listeners are level-triggered, so that accepting may stop at any count, and
 * so is what is watched for a library that does not tell whether it read all:
 * that second look is much cheaper than the call that arms an edge again.
 */
#include "base/calls.h"
#include "core/loop_internal.h"

#include <eddy/clock.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    /* ed_io.hints */
    HINT_IN = 1,      /* a read may find something */
    HINT_BLOCKED = 2, /* a write found no room */
    HINT_HUP = 4,     /* the peer has closed or the connection broke */
    HINT_BROKEN = 8,  /* both directions have ended */
    HINT_NEWS = 16,   /* one of these two, of which the owner does not know */

    EVENTS_A_POLL = 256,
    /* A fast peer may fill the scratch memory this often before others get
     * their turn. */
    FILLS_A_TURN = 4,
    ACCEPTS_A_TURN = 64,
    /* Output is written after so many events. Sending runs through the whole
     * of TCP and leaves nothing else in the caches: several in a row, after
     * several requests in a row, cost 2 to 4 % less each. More in a row gain
     * nothing, and would make the first wait for the last. */
    EVENTS_A_WRITE = 16,
};

static const uint32_t LEVEL_IN = EPOLLIN | EPOLLRDHUP;
/* May be added and removed, but not changed (epoll_ctl(2)). */
static const uint32_t SHARED_IN = EPOLLIN | EPOLLEXCLUSIVE;
static const uint32_t STREAM_IN = EPOLLIN | EPOLLRDHUP | EPOLLET;

int ed_backend_open(ed_loop *loop)
{
    loop->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->poll_fd < 0)
        return -errno;
    loop->events = malloc(EVENTS_A_POLL * sizeof(struct epoll_event));
    return loop->events ? 0 : ED_ENOMEM;
}

void ed_backend_close(ed_loop *loop)
{
    if (loop->poll_fd >= 0)
        close(loop->poll_fd);
    free(loop->events);
}

/* ---- registration ---- */

int ed_io_open(ed_loop *loop, struct ed_io *io, int fd)
{
    memset(io, 0, sizeof *io);
    io->loop = loop;
    io->fd = fd;
    if (loop->share)
        ed_share_own(loop->share, fd);
    return 0;
}

/* The flags that count here fit 16 bits but for EPOLLET, which is kept in the
 * top one. */
enum { WATCHED_ET = 1 << 15 };

static uint16_t pack(uint32_t events)
{
    return (uint16_t)((events & 0x7fff) | (events & EPOLLET ? WATCHED_ET : 0));
}

/* Registers or changes what is watched; with `again`, even if nothing
 * changes, so that epoll looks at the state anew. 0 or -errno. */
static int watch(struct ed_io *io, uint32_t events, bool again)
{
    uint16_t packed = pack(events);
    if (io->watched && !again && (io->watched & packed) == packed)
        return 0;
    struct epoll_event event = {.events = events, .data.ptr = io};
    int how = EPOLL_CTL_MOD;
    if (!io->watched)
        how = EPOLL_CTL_ADD;
    else if (events & EPOLLET)
        event.events |=
            io->watched & (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI);
    if (epoll_ctl(io->loop->poll_fd, how, io->fd, &event) < 0)
        return -errno;
    io->watched = pack(event.events);
    return 0;
}

static void forget(struct ed_io *io)
{
    ed_loop *loop = io->loop;
    if (loop->share)
        ed_share_disown(loop->share, io->fd);
    /* Explicitly, and not by close() alone: a child process between fork and
     * exec may still hold the descriptor, and events would go on coming. */
    if (io->watched)
        epoll_ctl(loop->poll_fd, EPOLL_CTL_DEL, io->fd, NULL);
    io->watched = 0;
    if (loop->dispatching == io)
        loop->dispatching = NULL;
    struct epoll_event *events = loop->events;
    for (int i = loop->event_at; i < loop->event_count; i++) {
        if (events[i].data.ptr == io)
            events[i].data.ptr = NULL;
    }
    io->in = io->out = NULL;
}

int ed_io_release(struct ed_io *io)
{
    int fd = io->fd;
    forget(io);
    io->fd = -1;
    return fd;
}

void ed_io_close(struct ed_io *io)
{
    close(ed_io_release(io));
}

/* ---- single steps ---- */

static ssize_t result_of(ssize_t n)
{
    return n < 0 ? -errno : n;
}

static size_t iov_bytes(const struct ed_op *op)
{
    size_t bytes = 0;
    for (int i = 0; i < op->iov_count; i++)
        bytes += op->iov[i].iov_len;
    return bytes;
}

/* Whether a read of `n` out of `room` bytes has found all there is. Behind a
 * hang-up stands an end that gives no edge any more. */
static bool drained(const struct ed_io *io, const struct ed_op *op, ssize_t n,
                    size_t room)
{
    if (n == -EAGAIN)
        return true;
    return n > 0 && (size_t)n < room && op->socket && !(io->hints & HINT_HUP);
}

static ssize_t read_step(struct ed_io *io, struct ed_op *op)
{
    ssize_t n;
    do {
        if (op->socket && op->iov_count == 1)
            n = ed_calls.recv(io->fd, op->iov->iov_base, op->iov->iov_len, 0);
        else
            n = ed_calls.readv(io->fd, op->iov, op->iov_count);
    } while (n < 0 && errno == EINTR);
    n = result_of(n);
    if (drained(io, op, n, iov_bytes(op)))
        io->hints &= (uint8_t)~HINT_IN;
    return n;
}

static ssize_t write_step(struct ed_io *io, struct ed_op *op)
{
    ssize_t n;
    do {
        if (op->socket && op->iov_count == 1) {
            n = ed_calls.send(io->fd, op->iov->iov_base, op->iov->iov_len,
                              MSG_NOSIGNAL);
        } else if (op->socket) {
            struct msghdr message = {
                .msg_iov = (struct iovec *)op->iov,
                .msg_iovlen = (size_t)op->iov_count,
            };
            n = ed_calls.sendmsg(io->fd, &message, MSG_NOSIGNAL);
        } else {
            n = ed_calls.writev(io->fd, op->iov, op->iov_count);
        }
    } while (n < 0 && errno == EINTR);
    n = result_of(n);
    if (n == -EAGAIN)
        io->hints |= HINT_BLOCKED;
    return n;
}

static ssize_t connect_result(struct ed_io *io)
{
    int err = 0;
    socklen_t len = sizeof err;
    if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
        return -errno;
    return -err;
}

/* ---- starting and stopping ---- */

static ssize_t pend_in(struct ed_io *io, struct ed_op *op, uint32_t events,
                       bool again)
{
    int err = watch(io, events, again);
    if (err)
        return err;
    io->in = op;
    return ED_IO_PENDING;
}

static ssize_t pend_out(struct ed_io *io, struct ed_op *op, bool again)
{
    int err = watch(io, EPOLLOUT | STREAM_IN, again);
    if (err)
        return err;
    io->out = op;
    return ED_IO_PENDING;
}

static ssize_t start_read(struct ed_io *io, struct ed_op *op)
{
    /* Not watched yet: nothing is known, and trying costs less than asking. */
    if (!io->watched || (io->hints & HINT_IN)) {
        ssize_t n = read_step(io, op);
        if (n != -EAGAIN)
            return n;
    }
    return pend_in(io, op, STREAM_IN, false);
}

static ssize_t start_write(struct ed_io *io, struct ed_op *op)
{
    if (!(io->hints & HINT_BLOCKED)) {
        ssize_t n = write_step(io, op);
        if (n != -EAGAIN)
            return n;
    }
    return pend_out(io, op, false);
}

ssize_t ed_io_start(struct ed_io *io, struct ed_op *op)
{
    switch (op->kind) {
    case ED_OP_READ:
        return start_read(io, op);
    case ED_OP_WRITE:
        return start_write(io, op);
    case ED_OP_RECEIVE:
        /* What came while nobody was reading is asked for again. */
        return pend_in(io, op, STREAM_IN, io->hints & HINT_IN);
    case ED_OP_ACCEPT:
        return pend_in(io, op, op->exclusive ? SHARED_IN : EPOLLIN, true);
    case ED_OP_READABLE:
        return pend_in(io, op, STREAM_IN | (op->urgent ? EPOLLPRI : 0), true);
    case ED_OP_WATCH:
        return pend_in(io, op, LEVEL_IN, true);
    case ED_OP_CONNECT:
        return pend_out(io, op, false);
    case ED_OP_WRITABLE:
        return pend_out(io, op, true);
    }
    return ED_EUSAGE;
}

void ed_io_stop(struct ed_io *io, struct ed_op *op)
{
    if (io->out == op)
        io->out = NULL;
    if (io->in != op)
        return;
    io->in = NULL;
    /* Level-triggered: it would go on telling. */
    if (op->kind == ED_OP_WATCH)
        (void)watch(io, STREAM_IN, true);
    if (op->kind != ED_OP_ACCEPT)
        return;
    epoll_ctl(io->loop->poll_fd, EPOLL_CTL_DEL, io->fd, NULL);
    io->watched = 0;
}

/* ---- dispatching ---- */

/* Completes an operation. False when the descriptor is gone afterwards. */
static bool done_in(ed_loop *loop, struct ed_io *io, ssize_t result)
{
    struct ed_op *op = io->in;
    io->in = NULL;
    if (result <= 0)
        io->hints &= (uint8_t)~HINT_NEWS;
    op->done(op, result);
    return loop->dispatching == io;
}

static ssize_t receive_step(struct ed_io *io, const struct ed_op *op,
                            char *scratch)
{
    ssize_t n;
    do {
        if (op->socket)
            n = ed_calls.recv(io->fd, scratch, ED_SCRATCH_BYTES, 0);
        else
            n = ed_calls.read(io->fd, scratch, ED_SCRATCH_BYTES);
    } while (n < 0 && errno == EINTR);
    return result_of(n);
}

static bool dispatch_receive(ed_loop *loop, struct ed_io *io)
{
    struct ed_op *op = io->in;
    for (int fills = 0; fills < FILLS_A_TURN; fills++) {
        ssize_t n = receive_step(io, op, loop->scratch);
        bool all = drained(io, op, n, ED_SCRATCH_BYTES);
        if (all)
            io->hints &= (uint8_t)~HINT_IN;
        if (n == -EAGAIN)
            return true;
        if (n <= 0)
            return done_in(loop, io, n);
        op->buf = loop->scratch;
        op->done(op, n);
        if (loop->dispatching != io)
            return false;
        if (all || io->in != op)
            return true;
    }
    /* Others first; epoll will tell again. */
    return watch(io, STREAM_IN, true) == 0;
}

static bool dispatch_accept(ed_loop *loop, struct ed_io *io)
{
    struct ed_op *op = io->in;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 &&
            (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            return true;
        op->done(op, fd < 0 ? -errno : fd);
        if (loop->dispatching != io)
            return false;
        if (fd < 0 || io->in != op)
            return true;
    }
    return true;
}

static bool dispatch_watch(ed_loop *loop, struct ed_io *io)
{
    io->in->done(io->in, 0);
    return loop->dispatching == io;
}

static bool dispatch_in(ed_loop *loop, struct ed_io *io)
{
    struct ed_op *op = io->in;
    ssize_t n;
    switch (op->kind) {
    case ED_OP_RECEIVE:
        return dispatch_receive(loop, io);
    case ED_OP_ACCEPT:
        return dispatch_accept(loop, io);
    case ED_OP_WATCH:
        return dispatch_watch(loop, io);
    case ED_OP_READ:
        n = read_step(io, op);
        return n == -EAGAIN || done_in(loop, io, n);
    default:
        return done_in(loop, io, 0);
    }
}

static void dispatch_out(struct ed_io *io)
{
    struct ed_op *op = io->out;
    ssize_t n = 0;
    if (op->kind == ED_OP_WRITE)
        n = write_step(io, op);
    else if (op->kind == ED_OP_CONNECT)
        n = connect_result(io);
    if (n == -EAGAIN)
        return;
    io->out = NULL;
    op->done(op, n);
}

static void take_hints(struct ed_io *io, uint32_t events)
{
    uint8_t ended = 0;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        ended |= HINT_HUP;
    if (events & (EPOLLHUP | EPOLLERR))
        ended |= HINT_BROKEN;
    if (ended & ~io->hints)
        io->hints |= ended | HINT_NEWS;
    if (ended || (events & EPOLLIN))
        io->hints |= HINT_IN;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        io->hints &= (uint8_t)~HINT_BLOCKED;
}

static void dispatch(ed_loop *loop, struct ed_io *io, uint32_t events)
{
    loop->dispatching = io;
    take_hints(io, events);
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) && io->out) {
        dispatch_out(io);
        if (loop->dispatching != io)
            return;
    }
    if (!(events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)))
        return;
    if (io->in && !dispatch_in(loop, io))
        return;
    if ((io->hints & HINT_NEWS) && !io->in && io->hangup) {
        io->hints &= (uint8_t)~HINT_NEWS;
        io->hangup(io);
    }
}

static int poll_events(ed_loop *loop, int64_t timeout)
{
    struct timespec limit = {timeout / ED_S, timeout % ED_S};
    /* Any thread may find out, and finds the same. */
    static atomic_bool no_pwait2;
    if (!atomic_load_explicit(&no_pwait2, memory_order_relaxed)) {
        int n = epoll_pwait2(loop->poll_fd, loop->events, EVENTS_A_POLL,
                             timeout < 0 ? NULL : &limit, NULL);
        /* EPERM: a seccomp filter older than the call. */
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        atomic_store_explicit(&no_pwait2, true, memory_order_relaxed);
    }
    int ms = timeout < 0 ? -1 : (int)((timeout + ED_MS - 1) / ED_MS);
    return epoll_wait(loop->poll_fd, loop->events, EVENTS_A_POLL, ms);
}

bool ed_backend_poll(ed_loop *loop, int64_t timeout)
{
    struct epoll_event *events = loop->events;
    const int64_t longest = 3600 * ED_S; /* fits every argument type */
    if (timeout > longest)
        timeout = longest;
    if (loop->share)
        timeout = ed_share_sleep(loop, timeout);
    ed_monitor_idle(&loop->monitor);
    int n = poll_events(loop, timeout);
    ed_monitor_busy(&loop->monitor);
    if (loop->share)
        ed_share_wake(loop);
    loop->full_polls = n == EVENTS_A_POLL ? loop->full_polls + 1 : 0;
    if (n < 0)
        return true; /* a signal: there may be some */
    if (!n)
        return false;
    /* What is done now is not done in the turn before the wait. */
    if (!loop->virtual_clock)
        loop->now = ed_clock_monotonic();
    loop->event_count = n;
    for (int i = 0; i < n; i++) {
        loop->event_at = i + 1;
        struct ed_io *io = events[i].data.ptr;
        if (io)
            dispatch(loop, io, events[i].events);
        if (i % EVENTS_A_WRITE == EVENTS_A_WRITE - 1)
            ed_run_deferred(loop);
    }
    ed_run_deferred(loop);
    loop->event_at = loop->event_count = 0;
    loop->dispatching = NULL;
    return true;
}
