/*
 * socket.c - the transport of streams that lie straight on a descriptor.
 *
 * Owns the descriptor and the two operations of the event face; what a fiber
 * waits for lives on its own stack. An idle connection costs one of these and
 * nothing else, so every member is worth its bytes.
 */
#include "net/socket.h"
#include "base/calls.h"
#include "base/list.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

struct socket_stream {
    struct ed_stream stream;
    struct ed_io io;
    struct ed_op receive;
    struct waiting_writer *writer; /* NULL until want_writable() is used */
};

/* Most connections never find the kernel's buffer full. */
struct waiting_writer {
    struct ed_op op;
    struct socket_stream *sock;
};

static struct socket_stream *of_stream(ed_stream *s)
{
    return ED_CONTAINER(s, struct socket_stream, stream);
}

/* Sockets are sent to without SIGPIPE; receive.socket tells them apart. */
static bool is_socket(const struct socket_stream *sock)
{
    return sock->receive.socket;
}

/* ---- fiber face ---- */

static ssize_t socket_readv(ed_stream *s, const struct iovec *iov, int count)
{
    struct socket_stream *sock = of_stream(s);
    struct ed_op op = {
        .kind = ED_OP_READ,
        .socket = is_socket(sock),
        .iov_count = count,
        .iov = iov,
    };

    if (sock->io.in)
        return ED_EUSAGE;
    return ed_io_await(&sock->io, &op, "read");
}

static ssize_t socket_writev(ed_stream *s, const struct iovec *iov, int count)
{
    struct socket_stream *sock = of_stream(s);
    struct ed_op op = {
        .kind = ED_OP_WRITE,
        .socket = is_socket(sock),
        .iov_count = count,
        .iov = iov,
    };

    if (sock->io.out)
        return ED_EUSAGE;
    return ed_io_await(&sock->io, &op, "write");
}

/* ---- event face ---- */

static void received(struct ed_op *op, ssize_t result)
{
    struct socket_stream *sock =
        ED_CONTAINER(op, struct socket_stream, receive);

    sock->stream.on_data(&sock->stream, result > 0 ? op->buf : NULL, result);
}

static void became_writable(struct ed_op *op, ssize_t result)
{
    struct waiting_writer *writer = ED_CONTAINER(op, struct waiting_writer, op);
    ed_stream *s = &writer->sock->stream;

    /* An error is found, and told better, by the write that follows. */
    (void)result;
    s->on_writable(s);
}

static void hung_up(struct ed_io *io)
{
    struct socket_stream *sock = ED_CONTAINER(io, struct socket_stream, io);

    io->hangup = NULL;
    if (sock->stream.on_hangup)
        sock->stream.on_hangup(&sock->stream);
}

/* Starts an operation that reports when it has something to report. */
static int start(struct ed_io *io, struct ed_op *pending, struct ed_op *op)
{
    if (pending)
        return pending == op ? 0 : ED_EUSAGE;
    ssize_t result = ed_io_start(io, op);
    return result == ED_IO_PENDING ? 0 : (int)result;
}

static int socket_receive(ed_stream *s, bool on)
{
    struct socket_stream *sock = of_stream(s);

    if (on)
        return start(&sock->io, sock->io.in, &sock->receive);
    ed_io_stop(&sock->io, &sock->receive);
    return 0;
}

static ssize_t send_pieces(int fd, const struct iovec *iov, int count)
{
    struct msghdr message = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = (size_t)count,
    };

    return ed_calls.sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t socket_try_writev(ed_stream *s, const struct iovec *iov,
                                 int count)
{
    struct socket_stream *sock = of_stream(s);
    ssize_t sent;

    do {
        /* One piece is by far the most frequent, and send() spares the kernel
         * the copying and checking of a message header. */
        if (is_socket(sock) && count == 1)
            sent = ed_calls.send(sock->io.fd, iov->iov_base, iov->iov_len,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
        else if (is_socket(sock))
            sent = send_pieces(sock->io.fd, iov, count);
        else
            sent = ed_calls.writev(sock->io.fd, iov, count);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

/* Writing to what nobody reads kills a program that has not said otherwise, and
 * write() and sendfile() have no MSG_NOSIGNAL. */
static void ignore_sigpipe(void)
{
    struct sigaction action;

    if (sigaction(SIGPIPE, NULL, &action) || action.sa_handler != SIG_DFL)
        return;
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

/* Part of what is written; the kernel waits for the rest before it makes a
 * packet of its own of that. */
static ssize_t send_first_part(const struct socket_stream *sock,
                               struct ed_bytes part)
{
    ssize_t sent;

    do {
        sent = is_socket(sock)
                   ? ed_calls.send(sock->io.fd, part.ptr, part.len,
                                   MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE)
                   : ed_calls.write(sock->io.fd, part.ptr, part.len);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

static ssize_t socket_try_send_file(ed_stream *s, struct ed_bytes before,
                                    int fd, off_t offset, size_t len)
{
    struct socket_stream *sock = of_stream(s);
    static atomic_bool told;
    ssize_t sent;

    if (!atomic_load_explicit(&told, memory_order_relaxed)) {
        ignore_sigpipe();
        atomic_store_explicit(&told, true, memory_order_relaxed);
    }
    ssize_t first = before.len ? send_first_part(sock, before) : 0;
    if (first < (ssize_t)before.len)
        return first;
    do {
        sent = sendfile(sock->io.fd, fd, &offset, len);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return first ? first : -errno;
    return first + sent;
}

static int make_writer(struct socket_stream *sock)
{
    struct waiting_writer *writer = calloc(1, sizeof(*writer));

    if (!writer)
        return ED_ENOMEM;
    writer->op = (struct ed_op){
        .done = became_writable,
        .kind = ED_OP_WRITABLE,
    };
    writer->sock = sock;
    sock->writer = writer;
    return 0;
}

static int socket_want_writable(ed_stream *s, bool on)
{
    struct socket_stream *sock = of_stream(s);

    if (on) {
        int err = sock->writer ? 0 : make_writer(sock);
        return err ? err : start(&sock->io, sock->io.out, &sock->writer->op);
    }
    if (sock->writer)
        ed_io_stop(&sock->io, &sock->writer->op);
    return 0;
}

/* ---- both ---- */

static int socket_shutdown(ed_stream *s)
{
    return shutdown(of_stream(s)->io.fd, SHUT_WR) ? -errno : 0;
}

/* A fiber's operation is told; an operation of the event face is not. */
static void end_wait(struct ed_io *io, struct ed_op *op,
                     const struct ed_op *own)
{
    if (!op || op == own)
        return;
    ed_io_stop(io, op);
    op->done(op, ED_ECLOSED);
}

static void socket_close(ed_stream *s)
{
    struct socket_stream *sock = of_stream(s);
    struct linger at_once = {.l_onoff = 1};

    /* Of no effect on a Unix socket. */
    if (s->reset)
        (void)setsockopt(sock->io.fd, SOL_SOCKET, SO_LINGER, &at_once,
                         sizeof(at_once));
    end_wait(&sock->io, sock->io.in, &sock->receive);
    end_wait(&sock->io, sock->io.out, sock->writer ? &sock->writer->op : NULL);
    ed_io_close(&sock->io);
    ed_listeners_descriptor_freed();
}

static void socket_free(ed_stream *s)
{
    struct socket_stream *sock = of_stream(s);

    free(sock->writer);
    free(sock);
}

static int socket_fd(ed_stream *s)
{
    return of_stream(s)->io.fd;
}

static const struct ed_stream_ops socket_ops = {
    .readv = socket_readv,
    .writev = socket_writev,
    .receive = socket_receive,
    .try_writev = socket_try_writev,
    .want_writable = socket_want_writable,
    .try_send_file = socket_try_send_file,
    .shutdown = socket_shutdown,
    .close = socket_close,
    .free = socket_free,
    .fd = socket_fd,
};

static int open_stream(ed_stream **out, ed_loop *loop, int fd, bool socket)
{
    struct socket_stream *sock = calloc(1, sizeof(*sock));

    if (!sock)
        return ED_ENOMEM;
    int err = ed_io_open(loop, &sock->io, fd);
    if (err) {
        free(sock);
        return err;
    }
    sock->stream.ops = &socket_ops;
    sock->io.hangup = hung_up;
    sock->receive = (struct ed_op){
        .done = received,
        .kind = ED_OP_RECEIVE,
        .socket = socket,
    };
    *out = &sock->stream;
    return 0;
}

int ed_socket_stream(ed_stream **out, ed_loop *loop, int fd)
{
    return open_stream(out, loop, fd, true);
}

int ed_socket_connected(ed_stream *s)
{
    struct ed_op op = {.kind = ED_OP_CONNECT};

    return (int)ed_io_await(&of_stream(s)->io, &op, "connect");
}

ssize_t ed_socket_connecting(ed_stream *s, struct ed_op *op)
{
    return ed_io_start(&of_stream(s)->io, op);
}

void ed_socket_stop_connecting(ed_stream *s, struct ed_op *op)
{
    ed_io_stop(&of_stream(s)->io, op);
}

int ed_stream_pair(ed_stream **a, ed_stream **b)
{
    int fds[2];
    ed_loop *loop = ed_loop_current();

    if (!loop)
        return ED_EUSAGE;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds))
        return -errno;
    int err = ed_socket_stream(a, loop, fds[0]);
    if (err) {
        close(fds[0]);
        close(fds[1]);
        return err;
    }
    err = ed_socket_stream(b, loop, fds[1]);
    if (err) {
        ed_stream_close(*a);
        *a = NULL;
        close(fds[1]);
    }
    return err;
}

/* Whether bytes flow through the descriptor in order: 0 or an error. */
static int check_kind(int fd, bool *socket)
{
    struct stat st;
    int type;
    socklen_t len = sizeof(type);

    if (fstat(fd, &st))
        return -errno;
    *socket = S_ISSOCK(st.st_mode);
    if (*socket) {
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len))
            return -errno;
        return type == SOCK_STREAM ? 0 : ED_EUSAGE;
    }
    return S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode) ? 0 : ED_EUSAGE;
}

int ed_stream_of_fd(ed_stream **out, int fd)
{
    bool socket;
    ed_loop *loop = ed_loop_current();
    int err = loop ? check_kind(fd, &socket) : ED_EUSAGE;

    if (err)
        return err;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK))
        return -errno;
    if (!socket)
        ignore_sigpipe();
    return open_stream(out, loop, fd, socket);
}
