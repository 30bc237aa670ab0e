/*
 * connect.c - connect() and accept().
 */
#include "patch/patch.h"

#include <errno.h>
#include <fcntl.h>

/* ---- connect ---- */

/* Begins as on a descriptor that does not block. */
static int begin(int fd, int flags, const struct sockaddr *to, socklen_t len)
{
    bool changed = ed_patch_unblock(fd, flags);
    int result = ed_plain->connect(fd, to, len);

    if (changed)
        ed_patch_block(fd, flags);
    return result;
}

/* Called again, connect() tells what became of it, and leaves the socket as it
 * would have been left by one that waited: SO_ERROR does not. */
static int outcome(int fd, int flags, const struct sockaddr *to, socklen_t len)
{
    int result = begin(fd, flags, to, len);

    return result && errno == EISCONN ? 0 : result;
}

/* `pending` is what it is told as: EINPROGRESS of this call's attempt, EALREADY
 * of one that an earlier call began. */
static int finish(struct ed_patch_try *t, int flags, const struct sockaddr *to,
                  socklen_t len, int pending)
{
    struct pollfd p = {.fd = t->fd, .events = POLLOUT};

    while (!ed_plain->poll(&p, 1, 0)) {
        enum ed_patch_next next = ed_patch_retry(t);
        /* Begun already, it goes on as any call that blocks. */
        if (next == ED_PATCH_PLAIN)
            return ed_plain->connect(t->fd, to, len);
        if (next == ED_PATCH_ERROR) {
            if (errno == EAGAIN) /* SO_SNDTIMEO, socket(7) */
                errno = pending;
            return -1;
        }
    }
    return outcome(t->fd, flags, to, len);
}

/* The queue of a Unix socket is full. Nothing tells when it has room. */
static int again(struct ed_patch_try *t, int flags, const struct sockaddr *to,
                 socklen_t len)
{
    int64_t until = ed_patch_try_until(t);

    for (unsigned tries = 0;; tries++) {
        if (ed_patch_stays_plain(t->call))
            return ed_plain->connect(t->fd, to, len);
        int err = ed_patch_back_off(tries);
        if (err)
            return ed_patch_fail(err);
        if (ed_now() >= until) {
            errno = EAGAIN;
            return -1;
        }
        int result = begin(t->fd, flags, to, len);
        if (!result || errno != EAGAIN)
            return result;
    }
}

int ed_patch_connect(int fd, const struct sockaddr *to, socklen_t len)
{
    struct ed_patch_try t = {
        .call = "connect()",
        .fd = fd,
        .events = POLLOUT,
        .timeout_option = SO_SNDTIMEO,
    };
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || (flags & O_NONBLOCK))
        return ed_plain->connect(fd, to, len);
    if (!ed_patch_enter(fd))
        return -1;
    int result = begin(fd, flags, to, len);
    if (!result)
        return 0;
    if (errno == EINPROGRESS || errno == EALREADY)
        return finish(&t, flags, to, len, errno);
    if (errno == EAGAIN && to->sa_family == AF_UNIX)
        return again(&t, flags, to, len);
    return result;
}

/* ---- accept ---- */

/* What does not listen is told so at once, whatever comes to it. */
static bool listens(int fd)
{
    int on = 0;
    socklen_t len = sizeof on;

    return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) && on;
}

/* There is no MSG_DONTWAIT for it, so another process that listens on the same
 * socket may take the connection between the look and the call. */
static bool await_connection(const char *call, int fd)
{
    struct ed_patch_try t = {
        .call = call,
        .fd = fd,
        .events = POLLIN,
        .timeout_option = SO_RCVTIMEO,
    };
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (!ed_patch_enter(fd))
        return false;
    while (fd >= 0 && !ed_plain->poll(&p, 1, 0)) {
        if (!listens(fd))
            return true;
        enum ed_patch_next next = ed_patch_retry(&t);
        if (next != ED_PATCH_AGAIN)
            return next == ED_PATCH_PLAIN;
    }
    return true;
}

int ed_patch_accept(int fd, struct sockaddr *from, socklen_t *len)
{
    if (!await_connection("accept()", fd))
        return -1;
    return ed_plain->accept(fd, from, len);
}

int ed_patch_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags)
{
    if (!await_connection("accept4()", fd))
        return -1;
    return ed_plain->accept4(fd, from, len, flags);
}
