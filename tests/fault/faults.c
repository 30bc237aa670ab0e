/*
 * faults.c - the wrappers, and how each function typically fails.
 *
 * Errors that would need the kernel's help to be followed by anything sensible
 * are not among them: a descriptor that reports EAGAIN while it is ready would
 * never be reported again, and so would a stream socket of which a part of what
 * is there is received.
 */
#include "faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

enum {
    SHORT = -1,
    /* Counters of eventfds are read and written whole, and never fail. */
    INDIVISIBLE = 8,
};

static _Thread_local struct {
    bool armed;
    int at;
    int way;
    struct fault_report report;
} fault;

void fault_arm(int at, int way)
{
    fault.at = at;
    fault.way = way;
    fault.report = (struct fault_report){0};
    fault.armed = true;
}

struct fault_report fault_disarm(void)
{
    fault.armed = false;
    return fault.report;
}

/* Counts a call. Returns 0 to let it be, or the error it is to fail with. */
static int strike(const char *name, const int *errors, int count)
{
    if (!fault.armed || ++fault.report.calls != fault.at)
        return 0;
    fault.report.name = name;
    fault.report.ways = count;
    if (fault.way <= count)
        fault.report.error = errors[fault.way - 1];
    return fault.report.error;
}

#define STRIKE(name, ...)                     \
    strike(#name, (const int[]){__VA_ARGS__}, \
           (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)))

/* A function that returns `failed` and sets errno. */
#define FAULT(type, name, params, args, failed, ...) \
    type __real_##name params;                       \
    type __wrap_##name params;                       \
    type __wrap_##name params                        \
    {                                                \
        int error = STRIKE(name, __VA_ARGS__);       \
        if (!error)                                  \
            return __real_##name args;               \
        errno = error;                               \
        return failed;                               \
    }

/* One that moves bytes, and may move a few of them. */
#define FAULT_IO(name, params, args, short_args, len, ...) \
    ssize_t __real_##name params;                          \
    ssize_t __wrap_##name params;                          \
    ssize_t __wrap_##name params                           \
    {                                                      \
        if ((len) <= INDIVISIBLE)                          \
            return __real_##name args;                     \
        int error = STRIKE(name, __VA_ARGS__);             \
        if (!error)                                        \
            return __real_##name args;                     \
        if (error == SHORT)                                \
            return __real_##name short_args;               \
        errno = error;                                     \
        return -1;                                         \
    }

/* ---- memory ---- */

FAULT(void *, malloc, (size_t len), (len), NULL, ENOMEM)
FAULT(void *, calloc, (size_t n, size_t len), (n, len), NULL, ENOMEM)
FAULT(void *, realloc, (void *p, size_t len), (p, len), NULL, ENOMEM)
FAULT(char *, strdup, (const char *text), (text), NULL, ENOMEM)
FAULT(void *, mmap,
      (void *at, size_t len, int prot, int flags, int fd, off_t offset),
      (at, len, prot, flags, fd, offset), (void *)-1, ENOMEM)

/* ---- descriptors ---- */

FAULT(int, epoll_create1, (int flags), (flags), -1, EMFILE)
FAULT(int, eventfd, (unsigned value, int flags), (value, flags), -1, EMFILE)
FAULT(int, socket, (int domain, int type, int protocol),
      (domain, type, protocol), -1, EMFILE, EAFNOSUPPORT)
FAULT(int, socketpair, (int domain, int type, int protocol, int fds[2]),
      (domain, type, protocol, fds), -1, EMFILE)
FAULT(int, pipe2, (int fds[2], int flags), (fds, flags), -1, EMFILE)
FAULT(int, bind, (int fd, const struct sockaddr *addr, socklen_t len),
      (fd, addr, len), -1, EADDRINUSE)
FAULT(int, listen, (int fd, int backlog), (fd, backlog), -1, EADDRINUSE)
FAULT(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags),
      (fd, addr, len, flags), -1, EMFILE, EINTR, ECONNABORTED, EAGAIN)
FAULT(int, connect, (int fd, const struct sockaddr *addr, socklen_t len),
      (fd, addr, len), -1, ECONNREFUSED, ENETUNREACH)
FAULT(int, getsockopt,
      (int fd, int level, int name, void *value, socklen_t *len),
      (fd, level, name, value, len), -1, ENOBUFS)
FAULT(int, setsockopt,
      (int fd, int level, int name, const void *value, socklen_t len),
      (fd, level, name, value, len), -1, ENOBUFS)
FAULT(int, epoll_pwait2,
      (int fd, struct epoll_event *events, int count,
       const struct timespec *limit, const sigset_t *mask),
      (fd, events, count, limit, mask), -1, EINTR)

/* Only adding needs memory. */
int __real_epoll_ctl(int fd, int how, int which, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int how, int which, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int how, int which, struct epoll_event *event)
{
    int error = how == EPOLL_CTL_ADD ? STRIKE(epoll_ctl, ENOMEM, ENOSPC) : 0;
    if (!error)
        return __real_epoll_ctl(fd, how, which, event);
    errno = error;
    return -1;
}

/* ---- bytes ---- */

FAULT_IO(read, (int fd, void *buf, size_t len), (fd, buf, len), (fd, buf, 1),
         len, SHORT, EINTR)
FAULT_IO(write, (int fd, const void *buf, size_t len), (fd, buf, len),
         (fd, buf, 1), len, SHORT, EINTR)
FAULT_IO(readv, (int fd, const struct iovec *iov, int count), (fd, iov, count),
         (fd, &(struct iovec){iov->iov_base, 1}, 1), iov->iov_len, SHORT, EINTR,
         EIO)
FAULT_IO(writev, (int fd, const struct iovec *iov, int count), (fd, iov, count),
         (fd, &(struct iovec){iov->iov_base, 1}, 1), iov->iov_len, SHORT, EINTR,
         EPIPE)
FAULT_IO(recv, (int fd, void *buf, size_t len, int flags),
         (fd, buf, len, flags), (fd, buf, 1, flags), len, EINTR, ECONNRESET)
FAULT_IO(send, (int fd, const void *buf, size_t len, int flags),
         (fd, buf, len, flags), (fd, buf, 1, flags), len, SHORT, EINTR,
         ECONNRESET, EPIPE)
FAULT_IO(sendmsg, (int fd, const struct msghdr *message, int flags),
         (fd, message, flags),
         (fd,
          &(struct msghdr){
              .msg_iov = &(struct iovec){message->msg_iov->iov_base, 1},
              .msg_iovlen = 1},
          flags),
         message->msg_iov->iov_len, SHORT, EINTR, ECONNRESET)

/* Files are read at once, or by a thread when the system would have to wait or
 * cannot tell. */
FAULT_IO(preadv64v2,
         (int fd, const struct iovec *iov, int count, off_t at, int flags),
         (fd, iov, count, at, flags),
         (fd, &(struct iovec){iov->iov_base, 1}, 1, at, flags), iov->iov_len,
         SHORT, EAGAIN, EOPNOTSUPP, EIO)
FAULT_IO(sendfile64, (int to, int from, off_t *at, size_t len),
         (to, from, at, len), (to, from, at, 1), len, SHORT, EINTR, ECONNRESET,
         EIO, EINVAL)
FAULT(int, fstatat64, (int dir, const char *name, void *st, int flags),
      (dir, name, st, flags), -1, ENOENT, ENOMEM)

/* ---- threads ---- */

typedef void *thread_fn(void *arg);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          thread_fn *run, void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          thread_fn *run, void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          thread_fn *run, void *arg)
{
    int error = STRIKE(pthread_create, EAGAIN);
    return error ? error : __real_pthread_create(thread, attr, run, arg);
}
