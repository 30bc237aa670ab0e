/*
 * patch_test.h - what the tests of the patch share: descriptors that block,
 * and a second fiber that does something a while later.
 */
#ifndef EDDY_TESTS_PATCH_TEST_H
#define EDDY_TESTS_PATCH_TEST_H

#include "../../fiber_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <eddy/patch.h>

/* A call failed with that errno. */
#define check_errno(call, number)                                         \
    do {                                                                  \
        errno = 0;                                                        \
        check_int((call), -1);                                            \
        check_int_(errno, (number), #call ": errno", __FILE__, __LINE__); \
    } while (0)

static inline void make_sockets(int fds[2])
{
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static inline void make_pipe(int fds[2])
{
    check_int(pipe2(fds, O_CLOEXEC), 0);
}

static inline void close_both(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

/* Something another fiber does after that time of the virtual clock. */
struct later {
    int64_t after;
    int fd;
    const char *text; /* to write */
    size_t bytes;     /* to read, when there is no text */
};

static inline int write_later(void *arg)
{
    const struct later *l = arg;

    (void)ed_sleep(l->after);
    check_int(write(l->fd, l->text, strlen(l->text)),
              (long long)strlen(l->text));
    return 0;
}

static inline int close_later(void *arg)
{
    const struct later *l = arg;

    (void)ed_sleep(l->after);
    check_int(close(l->fd), 0);
    return 0;
}

static inline int read_later(void *arg)
{
    const struct later *l = arg;
    char buf[4096];
    size_t left = l->bytes;

    while (left) {
        (void)ed_sleep(l->after);
        ssize_t n = read(l->fd, buf, left < sizeof buf ? left : sizeof buf);
        if (!check(n > 0))
            return 0;
        left -= (size_t)n;
    }
    return 0;
}

/* Calls `fn` where the deadline passes after a second: it must fail by that. */
static inline void in_a_second(void (*fn)(void *arg), void *arg)
{
    ed_scope(s, .within = 1 * ED_S);
    (void)s;
    int64_t began = ed_now();
    fn(arg);
    check_int(ed_now() - began, 1 * ED_S);
}

/* Calls `fn` where everything is cancelled. */
static inline void cancelled(void (*fn)(void *arg), void *arg)
{
    ed_scope(s);
    int64_t began = ed_now();
    ed_cancel(s);
    fn(arg);
    check_int(ed_now() - began, 0);
}

#endif
