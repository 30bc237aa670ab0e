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
#include <stdlib.h>

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

/* Of a stream that blocks, and has told nothing beside: descriptors that came
 * with the bytes end a call. */
static bool waits_for_all(int fd, const struct msghdr *message, ssize_t n)
{
    int type = 0;
    socklen_t len = sizeof type;

    return (size_t)n <
               ed_patch_bytes_of(message->msg_iov, message->msg_iovlen) &&
           !(message->msg_control && message->msg_controllen) &&
           !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) &&
           type == SOCK_STREAM && !ed_patch_is_nonblocking(fd);
}

/* MSG_WAITALL: the rest, up to the end of the stream. What fails after a part
 * is told by the next call, as the system does it. */
static ssize_t receive_rest(struct ed_patch_try *t, const struct msghdr *whole,
                            size_t done, int flags)
{
    struct ed_patch_rest rest = {whole->msg_iov, whole->msg_iovlen, NULL};
    size_t all = ed_patch_bytes_of(rest.iov, rest.count);
    size_t step = done;

    while (done < all && ed_patch_skip(&rest, step)) {
        struct msghdr message = {
            .msg_iov = rest.iov,
            .msg_iovlen = rest.count,
        };
        ssize_t n = receive_some(t, &message, flags);
        if (n <= 0)
            break;
        step = (size_t)n;
        done += step;
    }
    free(rest.memory);
    return (ssize_t)done;
}

/* Whether no more will come than is there. */
static bool has_ended(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    return ed_plain->poll(&p, 1, 0) != 0;
}

/* The same when it is to be looked at only. Nothing tells that there is more
 * than there was, so it is looked at again and again. */
static ssize_t peek_at_rest(struct ed_patch_try *t, struct msghdr *message,
                            ssize_t n, int flags)
{
    size_t all = ed_patch_bytes_of(message->msg_iov, message->msg_iovlen);

    for (unsigned tries = 0; (size_t)n < all && !has_ended(t->fd); tries++) {
        if (ed_patch_stays_plain(t->call))
            return receive_now(t, message, flags);
        if (ed_patch_back_off(tries) || ed_now() >= ed_patch_try_until(t))
            break;
        ssize_t more = receive_now(t, message, flags | MSG_DONTWAIT);
        if (more < 0)
            break;
        n = more;
    }
    return n;
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
    if (n <= 0 || !(flags & MSG_WAITALL) || !waits_for_all(fd, message, n))
        return n;
    return flags & MSG_PEEK ? peek_at_rest(&t, message, n, flags)
                            : receive_rest(&t, message, (size_t)n, flags);
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
    if (count <= 0 || count > IOV_MAX || !ed_patch_bytes_of(iov, (size_t)count))
        return ed_plain->readv(fd, iov, count);
    struct msghdr message = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = (size_t)count,
    };
    ssize_t n = receive("readv()", fd, &message, 0, false);
    if (n >= 0 || errno != ENOTSOCK)
        return n;
    if (ed_patch_kind_of(fd) != ED_PATCH_FILE && !await_readable("readv()", fd))
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
    if (ed_patch_kind_of(fd) != ED_PATCH_FILE && !await_readable("read()", fd))
        return -1;
    return ed_plain->read(fd, buf, len);
}
