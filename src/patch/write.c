/*
 * write.c - calls that write to a descriptor.
 *
 * Who writes to a descriptor that blocks relies on all of it being written, so
 * these go on until it is. What fails after a part returns the count of that
 * part, and the next call tells of the failure; so does a cancellation. The
 * same happens where libc's calls are cut short by a signal.
 *
 * Sockets are asked with MSG_DONTWAIT, as in read.c. Into a pipe goes at most
 * PIPE_BUF at once, which is what poll() promises room for.
 */
#include "patch/patch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What is left of a message. */
struct rest {
    struct iovec *iov; /* a copy, when a part was sent */
    size_t count;
    void *memory;
};

/* Skips what was written. False: no memory for the copy that takes. */
static bool advance(struct rest *rest, size_t bytes)
{
    if (!rest->memory) {
        rest->memory = malloc(rest->count * sizeof *rest->iov);
        if (!rest->memory)
            return false;
        rest->iov =
            memcpy(rest->memory, rest->iov, rest->count * sizeof *rest->iov);
    }
    while (rest->count && bytes >= rest->iov->iov_len) {
        bytes -= rest->iov->iov_len;
        rest->iov++;
        rest->count--;
    }
    if (bytes) {
        rest->iov->iov_base = (char *)rest->iov->iov_base + bytes;
        rest->iov->iov_len -= bytes;
    }
    return true;
}

static size_t bytes_of(const struct iovec *iov, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

/* ---- sockets ---- */

/* As in read.c: send() costs less than sendmsg(). */
static ssize_t send_now(int fd, const struct msghdr *message, int flags)
{
    if (message->msg_iovlen == 1 && !message->msg_name && !message->msg_control)
        return ed_plain->send(fd, message->msg_iov->iov_base,
                              message->msg_iov->iov_len, flags);
    return ed_plain->sendmsg(fd, message, flags);
}

/* Once all that can be without waiting was tried: one more piece. */
static ssize_t send_some(struct ed_patch_try *t, const struct msghdr *message,
                         int flags)
{
    for (;;) {
        ssize_t n = send_now(t->fd, message, flags | MSG_DONTWAIT);
        if (n >= 0 || errno != EAGAIN)
            return n;
        enum ed_patch_next next = ed_patch_retry(t);
        if (next == ED_PATCH_ERROR)
            return -1;
        if (next == ED_PATCH_PLAIN)
            return send_now(t->fd, message, flags);
    }
}

/* The bytes behind those sent at first. They carry no descriptors, and break
 * no pipe: their failure is not this call's to tell. */
static size_t send_rest(struct ed_patch_try *t, const struct msghdr *whole,
                        size_t done, int flags)
{
    struct rest rest = {whole->msg_iov, whole->msg_iovlen, NULL};
    size_t all = bytes_of(rest.iov, rest.count);
    size_t step = done;

    while (done < all && advance(&rest, step)) {
        struct msghdr message = {
            .msg_iov = rest.iov,
            .msg_iovlen = rest.count,
        };
        t->tries = 0;
        ssize_t n = send_some(t, &message, flags | MSG_NOSIGNAL);
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
    if (n <= 0 || (size_t)n >= bytes_of(message->msg_iov, message->msg_iovlen))
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

/* Up to PIPE_BUF bytes into what is no socket and no file. */
static ssize_t write_some(struct ed_patch_try *t, const char *buf, size_t len)
{
    struct pollfd p = {.fd = t->fd, .events = POLLOUT};

    while (!ed_plain->poll(&p, 1, 0)) {
        enum ed_patch_next next = ed_patch_retry(t);
        if (next == ED_PATCH_ERROR)
            return -1;
        if (next == ED_PATCH_PLAIN)
            break;
    }
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
    if (ed_patch_is_file(fd))
        return ed_plain->write(fd, buf, len);
    return write_all("write()", fd, buf, len);
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
    size_t bytes =
        count > 0 && count <= IOV_MAX ? bytes_of(iov, (size_t)count) : 0;

    if (!bytes)
        return ed_plain->writev(fd, iov, count);
    const struct msghdr message = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = (size_t)count,
    };
    ssize_t n = transmit("writev()", fd, &message, 0);
    if (n >= 0 || errno != ENOTSOCK)
        return n;
    if (ed_patch_is_file(fd))
        return ed_plain->writev(fd, iov, count);
    return writev_all(fd, iov, count, bytes);
}
