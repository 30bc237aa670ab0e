/*
 * write.c - calls that write to a descriptor.
 *
 * Who writes to a descriptor that blocks relies on all of it being written, so
 * these go on until it is. What fails after a part returns the count of that
 * part, and the next call tells of the failure; so does a cancellation. The
 * same happens where libc's calls are cut short by a signal.
 *
 * Sockets are asked with MSG_DONTWAIT, as in read.c. Into a pipe goes at most
 * PIPE_BUF at once, which is what poll() promises room for. A device is written
 * to once, and whole: to it a call may be a packet.
 */
#include "patch/patch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- sockets ---- */

/* As in read.c: send() costs less than sendmsg(). */
static ssize_t send_now(int fd, const struct msghdr *message, int flags)
{
    if (message->msg_iovlen == 1 && !message->msg_name && !message->msg_control)
        return ed_plain->send(fd, message->msg_iov->iov_base,
                              message->msg_iov->iov_len, flags);
    return ed_plain->sendmsg(fd, message, flags);
}

/* Once all that can be without waiting was tried: one more piece. With
 * MSG_FASTOPEN, or when connect() was put off to the first data, it is a
 * connection that is waited for; the data then go the usual way. */
static ssize_t send_some(struct ed_patch_try *t, const struct msghdr *message,
                         int flags)
{
    for (;;) {
        ssize_t n = send_now(t->fd, message, flags | MSG_DONTWAIT);
        int why = errno;
        if (n >= 0 || (why != EAGAIN && why != EINPROGRESS))
            return n;
        enum ed_patch_next next = ed_patch_retry(t);
        if (next == ED_PATCH_ERROR) {
            if (errno == EAGAIN)
                errno = why;
            return -1;
        }
        if (why == EINPROGRESS)
            flags &= ~MSG_FASTOPEN;
        if (next == ED_PATCH_PLAIN)
            return send_now(t->fd, message, flags);
    }
}

/* The bytes behind those sent at first. They carry no descriptors, and break
 * no pipe: their failure is not this call's to tell. */
static size_t send_rest(struct ed_patch_try *t, const struct msghdr *whole,
                        size_t done, int flags)
{
    struct ed_patch_rest rest = {whole->msg_iov, whole->msg_iovlen, NULL};
    size_t all = ed_patch_bytes_of(rest.iov, rest.count);
    size_t step = done;

    flags = (flags & ~MSG_FASTOPEN) | MSG_NOSIGNAL;
    while (done < all && ed_patch_skip(&rest, step)) {
        struct msghdr message = {
            .msg_iov = rest.iov,
            .msg_iovlen = rest.count,
        };
        t->tries = 0;
        ssize_t n = send_some(t, &message, flags);
        if (n <= 0)
            break;
        step = (size_t)n;
        done += step;
    }
    free(rest.memory);
    return done;
}

static ssize_t transmit(const char *call, int fd, const struct msghdr *message,
                        int flags)
{
    struct ed_patch_try t = {
        .call = call,
        .fd = fd,
        .events = POLLOUT,
        .timeout_option = SO_SNDTIMEO,
    };

    if (flags & MSG_DONTWAIT)
        return ed_plain->sendmsg(fd, message, flags);
    if (!ed_patch_enter(fd))
        return -1;
    ssize_t n = send_some(&t, message, flags);
    if (n <= 0 ||
        (size_t)n >= ed_patch_bytes_of(message->msg_iov, message->msg_iovlen))
        return n;
    return (ssize_t)send_rest(&t, message, (size_t)n, flags);
}

ssize_t ed_patch_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return transmit("sendmsg()", fd, message, flags);
}

ssize_t ed_patch_sendto(int fd, const void *buf, size_t len, int flags,
                        const struct sockaddr *to, socklen_t to_len)
{
    struct iovec iov = {(void *)buf, len};
    const struct msghdr message = {
        .msg_name = (void *)to,
        .msg_namelen = to ? to_len : 0,
        .msg_iov = &iov,
        .msg_iovlen = 1,
    };

    return transmit("sendto()", fd, &message, flags);
}

ssize_t ed_patch_send(int fd, const void *buf, size_t len, int flags)
{
    struct iovec iov = {(void *)buf, len};
    const struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    return transmit("send()", fd, &message, flags);
}

/* ---- any descriptor ---- */

/* Until there is room in what is no socket and no file. False with errno
 * set. */
static bool await_room(struct ed_patch_try *t)
{
    struct pollfd p = {.fd = t->fd, .events = POLLOUT};

    while (!ed_plain->poll(&p, 1, 0)) {
        enum ed_patch_next next = ed_patch_retry(t);
        if (next != ED_PATCH_AGAIN)
            return next == ED_PATCH_PLAIN;
    }
    return true;
}

static bool await_device(const char *call, int fd)
{
    struct ed_patch_try t = {.call = call, .fd = fd, .events = POLLOUT};

    return ed_patch_enter(fd) && await_room(&t);
}

/* Up to PIPE_BUF bytes of a stream. */
static ssize_t write_some(struct ed_patch_try *t, const char *buf, size_t len)
{
    if (!await_room(t))
        return -1;
    return ed_plain->write(t->fd, buf, len < PIPE_BUF ? len : PIPE_BUF);
}

static ssize_t write_all(const char *call, int fd, const char *buf, size_t len)
{
    struct ed_patch_try t = {.call = call, .fd = fd, .events = POLLOUT};
    size_t done = 0;

    if (!ed_patch_enter(fd))
        return -1;
    while (done < len) {
        ssize_t n = write_some(&t, buf + done, len - done);
        if (n < 0)
            return done ? (ssize_t)done : -1;
        done += (size_t)n;
        if (!n)
            break;
    }
    return (ssize_t)done;
}

ssize_t ed_patch_write(int fd, const void *buf, size_t len)
{
    struct iovec iov = {(void *)buf, len};
    const struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (!len)
        return ed_plain->write(fd, buf, len);
    ssize_t n = transmit("write()", fd, &message, 0);
    if (n >= 0 || errno != ENOTSOCK)
        return n;
    enum ed_patch_kind kind = ed_patch_kind_of(fd);
    if (kind == ED_PATCH_BYTES)
        return write_all("write()", fd, buf, len);
    if (kind == ED_PATCH_DEVICE && !await_device("write()", fd))
        return -1;
    return ed_plain->write(fd, buf, len);
}

/* What fits a pipe's promise goes in one piece, as POSIX has it. */
static ssize_t writev_all(int fd, const struct iovec *iov, int count,
                          size_t bytes)
{
    char together[PIPE_BUF];
    size_t done = 0;

    if (bytes <= PIPE_BUF) {
        for (int i = 0; i < count; i++) {
            if (iov[i].iov_len)
                memcpy(together + done, iov[i].iov_base, iov[i].iov_len);
            done += iov[i].iov_len;
        }
        return write_all("writev()", fd, together, bytes);
    }
    for (int i = 0; i < count; i++) {
        ssize_t n = write_all("writev()", fd, iov[i].iov_base, iov[i].iov_len);
        if (n < 0)
            return done ? (ssize_t)done : -1;
        done += (size_t)n;
        if ((size_t)n < iov[i].iov_len)
            break;
    }
    return (ssize_t)done;
}

ssize_t ed_patch_writev(int fd, const struct iovec *iov, int count)
{
    size_t bytes = count > 0 && count <= IOV_MAX
                       ? ed_patch_bytes_of(iov, (size_t)count)
                       : 0;

    if (!bytes)
        return ed_plain->writev(fd, iov, count);
    const struct msghdr message = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = (size_t)count,
    };
    ssize_t n = transmit("writev()", fd, &message, 0);
    if (n >= 0 || errno != ENOTSOCK)
        return n;
    enum ed_patch_kind kind = ed_patch_kind_of(fd);
    if (kind == ED_PATCH_BYTES)
        return writev_all(fd, iov, count, bytes);
    if (kind == ED_PATCH_DEVICE && !await_device("writev()", fd))
        return -1;
    return ed_plain->writev(fd, iov, count);
}
