/*
 * calls.h - the libc calls of our own that must stay what they are.
 *
 * The patch (src/patch) replaces calls that may block for a whole process, and
 * inside a fiber its versions suspend. Eddy's own calls go by this table where
 * that would be wrong (the log suspends nobody) or a waste (the loop knows
 * that its descriptors do not block; handlers of forks may let nobody run;
 * children are reaped in a fiber that is cancelled, too). The patch puts the
 * plain functions into it before the first fiber runs; without it they are what
 * the linker found.
 */
#ifndef EDDY_BASE_CALLS_H
#define EDDY_BASE_CALLS_H

#include <semaphore.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct ed_calls {
    ssize_t (*read)(int fd, void *buf, size_t len);
    ssize_t (*write)(int fd, const void *buf, size_t len);
    ssize_t (*readv)(int fd, const struct iovec *iov, int count);
    ssize_t (*writev)(int fd, const struct iovec *iov, int count);
    ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
    ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
    int (*sem_wait)(sem_t *sem);
    int (*sem_clockwait)(sem_t *sem, clockid_t clock,
                         const struct timespec *until);
    pid_t (*waitpid)(pid_t child, int *status, int options);
};

extern struct ed_calls ed_calls;

#endif
