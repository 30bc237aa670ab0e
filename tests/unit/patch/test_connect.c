/* connect() and accept(). */
#include "../core/outside.h"
#include "patch_test.h"

#include <netinet/in.h>
#include <sys/time.h>
#include <sys/un.h>

static int listen_tcp(struct sockaddr_in *at, int backlog)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof *at;

    *at = (struct sockaddr_in){.sin_family = AF_INET};
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check_int(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
    check_int(getsockname(fd, (struct sockaddr *)at, &len), 0);
    check_int(listen(fd, backlog), 0);
    return fd;
}

static int tcp(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* A Linux abstract name nobody else has. */
static int listen_unix(struct sockaddr_un *at, socklen_t *len, int backlog)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    *len = sizeof *at;
    check_int(bind(fd, (struct sockaddr *)at, sizeof at->sun_family), 0);
    check_int(getsockname(fd, (struct sockaddr *)at, len), 0);
    check_int(listen(fd, backlog), 0);
    return fd;
}

struct client {
    struct sockaddr_in to;
    int64_t after;
};

static int connect_later(void *arg)
{
    const struct client *c = arg;
    int fd = tcp();

    (void)ed_sleep(c->after);
    check_int(connect(fd, (const struct sockaddr *)&c->to, sizeof c->to), 0);
    return close(fd);
}

FIBER_TEST(accepting_waits_for_a_connection)
{
    struct client c = {.after = 3 * ED_S};
    int listener = listen_tcp(&c.to, 5);
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    int64_t began = ed_now();

    ed_scope(s);
    ed_go(s, connect_later, &c);
    int fd = accept(listener, (struct sockaddr *)&from, &len);
    check(fd >= 0);
    check_int(len, sizeof from);
    check_int(from.sin_family, AF_INET);
    check_int(ed_now() - began, 3 * ED_S);
    close(fd);
    c.after = 1;
    ed_go(s, connect_later, &c);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    check_int(fcntl(fd, F_GETFD), FD_CLOEXEC);
    check(fcntl(fd, F_GETFL) & O_NONBLOCK);
    check_int(ed_wait(s), 0);
    close(fd);
    close(listener);
}

static void accept_in_vain(void *arg)
{
    const int *expected = arg;

    check_errno(accept(expected[0], NULL, NULL), expected[1]);
    check_int(errno, expected[1]);
}

FIBER_TEST(accepting_ends_by_a_deadline_or_its_own_timeout)
{
    struct sockaddr_in at;
    int listener = listen_tcp(&at, 5);
    const struct timeval limit = {2, 0};

    in_a_second(accept_in_vain, (int[]){listener, ETIMEDOUT});
    cancelled(accept_in_vain, (int[]){listener, ECANCELED});
    check_int(
        setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    int64_t began = ed_now();
    accept_in_vain((int[]){listener, EAGAIN});
    check_int(ed_now() - began, 2 * ED_S);
    check_int(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    began = ed_now();
    accept_in_vain((int[]){listener, EAGAIN});
    cancelled(accept_in_vain, (int[]){listener, EAGAIN});
    check_int(ed_now() - began, 0);
    close(listener);
}

FIBER_TEST(what_listens_to_nothing_is_told)
{
    int fd = tcp();

    check_errno(accept(fd, NULL, NULL), EINVAL);
    check_errno(accept4(fd, NULL, NULL, 12345), EINVAL);
    close(fd);
    check_errno(accept(-1, NULL, NULL), EBADF);
    check_errno(connect(-1, NULL, 0), EBADF);
}

/* ... at once, even where nothing can be read yet. */
FIBER_TEST(accepting_on_what_does_not_listen_does_not_wait)
{
    int fds[2], packets = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    make_sockets(fds);
    check_errno(accept(fds[0], NULL, NULL), EINVAL);
    check_errno(accept(packets, NULL, NULL), EOPNOTSUPP);
    close(packets);
    close_both(fds);
    make_pipe(fds);
    check_errno(accept(fds[0], NULL, NULL), ENOTSOCK);
    close_both(fds);
}

FIBER_TEST(connecting_leaves_a_descriptor_that_blocks)
{
    struct sockaddr_in at;
    int listener = listen_tcp(&at, 5), fd = tcp();

    check_int(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    check(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    check_errno(connect(fd, (struct sockaddr *)&at, sizeof at), EISCONN);
    check(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    close(fd);
    close(listener);
}

FIBER_TEST(a_refused_connection_is_told)
{
    struct sockaddr_in at;
    int fd = tcp();

    close(listen_tcp(&at, 5));
    check_errno(connect(fd, (struct sockaddr *)&at, sizeof at), ECONNREFUSED);
    check(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    /* Tried again, it is a new attempt. */
    check_errno(connect(fd, (struct sockaddr *)&at, sizeof at), ECONNREFUSED);
    close(fd);
}

/* ---- connections that take their time ---- */

/* A listener with a full queue: what comes then is not answered. */
static int listen_full(struct sockaddr_in *at, int others[2])
{
    int listener = listen_tcp(at, 0);

    for (int i = 0; i < 2; i++) {
        others[i] = tcp();
        check_int(fcntl(others[i], F_SETFL, O_NONBLOCK), 0);
        (void)connect(others[i], (struct sockaddr *)at, sizeof *at);
    }
    return listener;
}

struct attempt {
    int fd;
    const struct sockaddr *to;
    socklen_t len;
    int err;
};

static void try(void *arg)
{
    const struct attempt *a = arg;

    check_errno(connect(a->fd, a->to, a->len), a->err);
}

FIBER_TEST(connecting_ends_by_a_deadline_or_its_own_timeout)
{
    struct sockaddr_in at;
    int others[2], listener = listen_full(&at, others);
    struct attempt a = {tcp(), (struct sockaddr *)&at, sizeof at, ETIMEDOUT};
    const struct timeval limit = {2, 0};

    in_a_second(try, &a);
    check(!(fcntl(a.fd, F_GETFL) & O_NONBLOCK));
    close(a.fd);
    a.fd = tcp();
    a.err = ECANCELED;
    cancelled(try, &a);
    check_int(setsockopt(a.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit),
              0);
    a.err = EINPROGRESS;
    int64_t began = ed_now();
    try(&a);
    check_int(ed_now() - began, 2 * ED_S);
    close(a.fd);

    a.fd = tcp();
    check_int(fcntl(a.fd, F_SETFL, O_NONBLOCK), 0);
    began = ed_now();
    try(&a);
    check_int(ed_now() - began, 0);
    close(a.fd);
    close_both(others);
    close(listener);
}

/* Called again while it goes on, it waits on. */
static int connect_slowly(void *arg)
{
    const struct attempt *a = arg;

    check_int(connect(a->fd, a->to, a->len), 0);
    return 0;
}

REAL_TEST(a_connection_under_way_is_waited_for)
{
    struct sockaddr_in at;
    int others[2], listener = listen_full(&at, others);
    const struct timeval limit = {0, 20000};
    struct attempt a = {tcp(), (struct sockaddr *)&at, sizeof at, EINPROGRESS};

    check_int(setsockopt(a.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit),
              0);
    try(&a);
    a.err = EALREADY;
    int64_t began = ed_now();
    try(&a);
    check(ed_now() - began >= 15 * ED_MS);
    const struct timeval none = {0, 0};
    check_int(setsockopt(a.fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none), 0);
    ed_scope(s, .within = 10 * ED_S);
    ed_go(s, connect_slowly, &a);
    /* Room in its queue. */
    check(!close(accept(listener, NULL, NULL)));
    check(!close(accept(listener, NULL, NULL)));
    check_int(ed_wait(s), 0);
    close(a.fd);
    close_both(others);
    close(listener);
}

/* A server that gives no cookie has the connection come first, and the data
 * later. */
REAL_TEST(data_sent_with_the_connection_arrive)
{
    struct sockaddr_in at;
    int listener = listen_tcp(&at, 5), fd = tcp(), others[2];
    char buf[5] = "";

    ssize_t n =
        sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&at, sizeof at);
    if (n >= 0 || check_int(errno, EOPNOTSUPP)) {
        check_int(n, n < 0 ? -1 : 5);
        int peer = n < 0 ? -1 : accept(listener, NULL, NULL);
        check_int(recv(peer, buf, 5, MSG_WAITALL), n);
        close(peer);
    }
    close(fd);
    close(listener);
    listener = listen_full(&at, others);
    fd = tcp();
    check_int(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    check_int(
        sendto(fd, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&at, sizeof at),
        -1);
    check(errno == EINPROGRESS || errno == EOPNOTSUPP);
    close(fd);
    close_both(others);
    close(listener);
}

static int accept_all_later(void *arg)
{
    (void)ed_sleep(7 * ED_S);
    for (int i = 0; i < 3; i++) {
        int fd = accept(*(int *)arg, NULL, NULL);
        check(fd >= 0);
        close(fd);
    }
    return 0;
}

FIBER_TEST(a_unix_socket_s_full_queue_is_waited_for)
{
    struct sockaddr_un at;
    socklen_t len;
    int listener = listen_unix(&at, &len, 0), fds[3];
    int64_t began = ed_now();

    ed_scope(s);
    ed_go(s, accept_all_later, &listener);
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check_int(connect(fds[i], (struct sockaddr *)&at, len), 0);
    }
    check(ed_now() - began >= 7 * ED_S);
    check(ed_now() - began < 8 * ED_S);
    check_int(ed_wait(s), 0);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(listener);
}

FIBER_TEST(waiting_for_a_full_queue_ends_by_a_deadline)
{
    struct sockaddr_un at;
    socklen_t len;
    int listener = listen_unix(&at, &len, 0);
    int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct attempt a = {socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                        (struct sockaddr *)&at, len, ETIMEDOUT};

    check_int(connect(first, (struct sockaddr *)&at, len), 0);
    in_a_second(try, &a);
    /* ... and by the socket's own timeout. */
    const struct timeval limit = {2, 0};
    int64_t began = ed_now();
    check_int(setsockopt(a.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit),
              0);
    a.err = EAGAIN;
    try(&a);
    check(ed_now() - began >= 2 * ED_S && ed_now() - began < 3 * ED_S);
    close(a.fd);
    close(first);
    close(listener);
}

FIBER_TEST(a_packet_socket_connects_at_once)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check_int(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepting_waits_for_a_connection),
        cmocka_unit_test(accepting_ends_by_a_deadline_or_its_own_timeout),
        cmocka_unit_test(what_listens_to_nothing_is_told),
        cmocka_unit_test(accepting_on_what_does_not_listen_does_not_wait),
        cmocka_unit_test(a_connection_under_way_is_waited_for),
        cmocka_unit_test(data_sent_with_the_connection_arrive),
        cmocka_unit_test(connecting_leaves_a_descriptor_that_blocks),
        cmocka_unit_test(a_refused_connection_is_told),
        cmocka_unit_test(connecting_ends_by_a_deadline_or_its_own_timeout),
        cmocka_unit_test(a_unix_socket_s_full_queue_is_waited_for),
        cmocka_unit_test(waiting_for_a_full_queue_ends_by_a_deadline),
        cmocka_unit_test(a_packet_socket_connects_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
