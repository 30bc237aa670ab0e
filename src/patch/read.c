/*
 * read.c - calls that read from a descriptor.
 *
 * A socket is asked with MSG_DONTWAIT, so nothing is assumed of it: neither
 * whether it is in the mode O_NONBLOCK, which anybody may change at any time,
 * nor that what made it readable is still there. Other descriptors have no
 * such flag and are looked at by poll() first. Files are read as ever.
 */
#include "patch/patch.h"

#include <errno.h>
#include <limits.h>

/* What these ask for is there or it is not. */
static const int NEVER_WAIT = MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB;

/* ---- sockets ---- */

/* One buffer, and nobody asks for more: recv() costs half of what recvmsg()
 * does. */
static ssize_t receive_now(const struct ed_patch_try *t, struct msghdr *message,
                           int flags)
{
    if (t->bare)
        return ed_plain->recv(t->fd, message->msg_iov->iov_base,
                              message->msg_iov->iov_len, flags);
    return ed_plain->recvmsg(t->fd, message, flags);
}

static ssize_t receive_some(struct ed_patch_try *t, struct msghdr *message,
                            int flags)
{
    if (!ed_patch_enter(t->fd))
        return -1;
    for (;;) {
        ssize_t n = receive_now(t, message, flags | MSG_DONTWAIT);
        if (n >= 0 || errno != EAGAIN)
            return n;
        enum ed_patch_next next = ed_patch_retry(t);
        if (next == ED_PATCH_ERROR)
            return -1;
        if (next == ED_PATCH_PLAIN)
            return receive_now(t, message, flags);
    }
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;

    return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) &&
           type == SOCK_STREAM;
}

/* MSG_WAITALL for a single buffer: the rest, up to the end of the stream. What
 * fails after a part is told by the next call, as the system does it. */
static ssize_t receive_rest(struct ed_patch_try *t, char *buf, size_t len,
                            size_t done, int flags)
{
    while (done < len) {
        struct iovec iov = {buf + done, len - done};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n = receive_some(t, &message, flags);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static ssize_t receive(const char *call, int fd, struct msghdr *message,
                       int flags, bool bare)
{
    struct ed_patch_try t = {
        .call = call,
        .fd = fd,
        .events = POLLIN,
        .timeout_option = SO_RCVTIMEO,
        .bare = bare,
    };

    if (flags & NEVER_WAIT)
        return receive_now(&t, message, flags);
    ssize_t n = receive_some(&t, message, flags);
    if (n <= 0 || !(flags & MSG_WAITALL) || (flags & MSG_PEEK) ||
        message->msg_iovlen != 1 || (size_t)n >= message->msg_iov->iov_len ||
        !is_stream(fd))
        return n;
    return receive_rest(&t, message->msg_iov->iov_base,
                        message->msg_iov->iov_len, (size_t)n, flags);
}

ssize_t ed_patch_recvmsg(int fd, struct msghdr *message, int flags)
{
    return receive("recvmsg()", fd, message, flags, false);
}

ssize_t ed_patch_recv(int fd, void *buf, size_t len, int flags)
{
    struct iovec iov = {buf, len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    return receive("recv()", fd, &message, flags, true);
}

ssize_t ed_patch_recvfrom(int fd, void *buf, size_t len, int flags,
                          struct sockaddr *from, socklen_t *from_len)
{
    struct iovec iov = {buf, len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (from && from_len) {
        message.msg_name = from;
        message.msg_namelen = *from_len;
    }
    ssize_t n = receive("recvfrom()", fd, &message, flags, !from);
    if (n >= 0 && from && from_len)
        *from_len = message.msg_namelen;
    return n;
}

/* ---- any descriptor ---- */

static size_t bytes_of(const struct iovec *iov, int count)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

/* Until there is something to read from what is no socket, or an end or error
 * to be told of. False with errno set. */
static bool await_readable(const char *call, int fd)
{
    struct ed_patch_try t = {.call = call, .fd = fd, .events = POLLIN};
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (!ed_patch_enter(fd))
        return false;
    while (!ed_plain->poll(&p, 1, 0)) {
        enum ed_patch_next next = ed_patch_retry(&t);
        if (next != ED_PATCH_AGAIN)
            return next == ED_PATCH_PLAIN;
    }
    return true;
}

ssize_t ed_patch_readv(int fd, const struct iovec *iov, int count)
{
    /* To read nothing is no reading, and what is wrong is the system's to
     * say. */
    if (count <= 0 || count > IOV_MAX || !bytes_of(iov, count))
        return ed_plain->readv(fd, iov, count);
    struct msghdr message = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = (size_t)count,
    };
    ssize_t n = receive("readv()", fd, &message, 0, false);
    if (n >= 0 || errno != ENOTSOCK)
        return n;
    if (!ed_patch_is_file(fd) && !await_readable("readv()", fd))
        return -1;
    return ed_plain->readv(fd, iov, count);
}

ssize_t ed_patch_read(int fd, void *buf, size_t len)
{
    struct iovec iov = {buf, len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (!len)
        return ed_plain->read(fd, buf, len);
    ssize_t n = receive("read()", fd, &message, 0, true);
    if (n >= 0 || errno != ENOTSOCK)
        return n;
    if (!ed_patch_is_file(fd) && !await_readable("read()", fd))
        return -1;
    return ed_plain->read(fd, buf, len);
}
