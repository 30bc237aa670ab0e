/* Calls that write to a descriptor: all of it, however slowly it is taken. */
#include "patch_test.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

enum { MUCH = 3 * 1000 * 1000 };

/* ---- each call ---- */

static ssize_t by_write(int fd, const char *buf, size_t len)
{
    return write(fd, buf, len);
}

static ssize_t by_writev(int fd, const char *buf, size_t len)
{
    struct iovec iov[] = {{(void *)buf, 3},
                          {NULL, 0},
                          {(void *)(buf + 3), len / 2},
                          {(void *)(buf + 3 + len / 2), len - 3 - len / 2}};

    return writev(fd, iov, 4);
}

static ssize_t by_send(int fd, const char *buf, size_t len)
{
    return send(fd, buf, len, 0);
}

static ssize_t by_sendto(int fd, const char *buf, size_t len)
{
    return sendto(fd, buf, len, 0, NULL, 0);
}

static ssize_t by_sendmsg(int fd, const char *buf, size_t len)
{
    struct iovec iov[] = {{(void *)buf, 3}, {(void *)(buf + 3), len - 3}};
    const struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

    return sendmsg(fd, &message, 0);
}

typedef ssize_t writer(int fd, const char *buf, size_t len);

static writer *const of_any[] = {by_write, by_writev};
static writer *const of_sockets[] = {by_send, by_sendto, by_sendmsg};
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* What is written counts up, in steps that no size of a buffer divides. */
static char *pattern(size_t len)
{
    char *text = malloc(len);

    for (size_t i = 0; i < len; i++)
        text[i] = (char)(i % 251);
    return text;
}

struct taker {
    int fd;
    size_t bytes;
    int64_t pause;
};

static int take(void *arg)
{
    const struct taker *t = arg;
    size_t done = 0;
    char buf[60000];

    while (done < t->bytes) {
        (void)ed_sleep(t->pause);
        if (ed_cancelled())
            return 0;
        ssize_t n = read(t->fd, buf, sizeof buf);
        if (!check(n > 0))
            return 0;
        for (ssize_t i = 0; i < n; i++, done++) {
            if ((unsigned char)buf[i] != done % 251)
                return check_int(buf[i], (char)(done % 251)), 0;
        }
    }
    return 0;
}

static void writes_all(writer *call, void (*make)(int fds[2]))
{
    int fds[2];
    char *much = pattern(MUCH);

    make(fds);
    struct taker t = {fds[0], MUCH, 1 * ED_MS};
    ed_scope(s);
    ed_go(s, take, &t);
    check_int(call(fds[1], much, MUCH), MUCH);
    check_int(ed_wait(s), 0);
    close_both(fds);
    free(much);
}

FIBER_TEST(writing_ends_when_all_is_written)
{
    for (size_t i = 0; i < COUNT(of_any); i++) {
        writes_all(of_any[i], make_sockets);
        writes_all(of_any[i], make_pipe);
    }
    for (size_t i = 0; i < COUNT(of_sockets); i++)
        writes_all(of_sockets[i], make_sockets);
}

struct attempt {
    writer *call;
    int fd;
    const char *much;
    int err;
};

static void try_much(void *arg)
{
    const struct attempt *a = arg;
    ssize_t n = a->call(a->fd, a->much, MUCH);

    check(n > 0 && n < MUCH);
}

static void try(void *arg)
{
    const struct attempt *a = arg;

    check_errno(a->call(a->fd, a->much, MUCH), a->err);
}

static void tells_the_part(writer *call, void (*make)(int fds[2]))
{
    int fds[2];
    char *much = pattern(MUCH);

    make(fds);
    struct attempt a = {call, fds[1], much, ETIMEDOUT};
    in_a_second(try_much, &a);
    in_a_second(try, &a);
    a.err = ECANCELED;
    cancelled(try, &a);
    close_both(fds);
    free(much);
}

FIBER_TEST(a_deadline_ends_writing_and_the_part_is_told)
{
    for (size_t i = 0; i < COUNT(of_any); i++) {
        tells_the_part(of_any[i], make_sockets);
        tells_the_part(of_any[i], make_pipe);
    }
    for (size_t i = 0; i < COUNT(of_sockets); i++)
        tells_the_part(of_sockets[i], make_sockets);
}

static void does_not_wait(writer *call, void (*make)(int fds[2]))
{
    int fds[2];
    char *much = pattern(MUCH);
    int64_t began = ed_now();

    make(fds);
    check_int(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    struct attempt a = {call, fds[1], much, EAGAIN};
    try_much(&a);
    try(&a);
    cancelled(try, &a);
    check_int(ed_now() - began, 0);
    close_both(fds);
    free(much);
}

FIBER_TEST(a_descriptor_that_does_not_block_takes_what_it_can)
{
    for (size_t i = 0; i < COUNT(of_any); i++) {
        does_not_wait(of_any[i], make_sockets);
        does_not_wait(of_any[i], make_pipe);
    }
    for (size_t i = 0; i < COUNT(of_sockets); i++)
        does_not_wait(of_sockets[i], make_sockets);
}

/* ---- what a caller may ask for ---- */

FIBER_TEST(a_socket_s_own_timeout_ends_a_write)
{
    int fds[2];
    char *much = pattern(MUCH);
    const struct timeval limit = {2, 0};

    make_sockets(fds);
    check_int(setsockopt(fds[1], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit),
              0);
    int64_t began = ed_now();
    ssize_t n = send(fds[1], much, MUCH, 0);
    check(n > 0 && n < MUCH);
    check_int(ed_now() - began, 2 * ED_S);
    check_errno(write(fds[1], much, MUCH), EAGAIN);
    check_int(ed_now() - began, 4 * ED_S);
    close_both(fds);
    free(much);
}

/* The time is that of the call, not of each step. */
FIBER_TEST(a_slow_reader_does_not_stretch_a_socket_s_timeout)
{
    int fds[2];
    char *much = pattern(MUCH);
    const struct timeval limit = {2, 0};

    make_sockets(fds);
    check_int(setsockopt(fds[1], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit),
              0);
    struct taker t = {fds[0], MUCH, 900 * ED_MS};
    int64_t began = ed_now();
    ed_scope(s);
    ed_go(s, take, &t);
    check(send(fds[1], much, MUCH, 0) < MUCH);
    check_int(ed_now() - began, 2 * ED_S);
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    close_both(fds);
    free(much);
}

FIBER_TEST(dontwait_does_not_wait)
{
    int fds[2];
    char *much = pattern(MUCH);

    make_sockets(fds);
    ssize_t n = send(fds[1], much, MUCH, MSG_DONTWAIT);
    check(n > 0 && n < MUCH);
    check_errno(send(fds[1], much, MUCH, MSG_DONTWAIT), EAGAIN);
    close_both(fds);
    free(much);
}

static int broken_pipes;

static void count_broken(int signo)
{
    (void)signo;
    broken_pipes++;
}

FIBER_TEST(a_peer_that_is_gone_breaks_the_pipe)
{
    int fds[2];
    const struct sigaction action = {.sa_handler = count_broken};
    struct sigaction before;
    char *much = pattern(MUCH);

    check_int(sigaction(SIGPIPE, &action, &before), 0);
    make_sockets(fds);
    struct later l = {.after = 1, .fd = fds[0]};
    ed_scope(s);
    ed_go(s, close_later, &l);
    /* A part was written: that is told first, and raises nothing. */
    ssize_t n = write(fds[1], much, MUCH);
    check(n > 0 && n < MUCH);
    check_int(broken_pipes, 0);
    check_errno(write(fds[1], "x", 1), EPIPE);
    check_int(broken_pipes, 1);
    check_errno(send(fds[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    check_int(broken_pipes, 1);
    check_int(ed_wait(s), 0);
    close(fds[1]);
    check_int(sigaction(SIGPIPE, &before, NULL), 0);
    free(much);
}

/* Reads everything, and counts the descriptors that come with it. */
static int take_descriptors(void *arg)
{
    struct taker *t = arg;
    size_t done = 0;
    int came = 0;

    while (done < t->bytes) {
        static char buf[60000];
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec iov = {buf, sizeof buf};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        (void)ed_sleep(t->pause);
        ssize_t n = recvmsg(t->fd, &message, MSG_CMSG_CLOEXEC);
        if (!check(n > 0))
            break;
        done += (size_t)n;
        struct cmsghdr *part = CMSG_FIRSTHDR(&message);
        if (!part)
            continue;
        int fd;
        memcpy(&fd, CMSG_DATA(part), sizeof fd);
        close(fd);
        came++;
    }
    check_int(came, 1);
    return 0;
}

FIBER_TEST(a_descriptor_travels_once_however_often_is_written)
{
    int fds[2];
    char *much = pattern(MUCH);
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = "";
    struct iovec iov = {much, MUCH};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);

    make_sockets(fds);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(part), &fds[0], sizeof(int));
    struct taker t = {fds[0], MUCH, 1 * ED_MS};
    ed_scope(s);
    ed_go(s, take_descriptors, &t);
    check_int(sendmsg(fds[1], &message, 0), MUCH);
    check_int(ed_wait(s), 0);
    close_both(fds);
    free(much);
}

FIBER_TEST(packets_go_whole)
{
    int fds[2];
    char packet[100] = "";

    check_int(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    check_int(write(fds[1], packet, 100), 100);
    check_int(read(fds[0], packet, 10), 10);
    check_int(write(fds[1], packet, 50), 50);
    check_int(read(fds[0], packet, 100), 50);
    close_both(fds);
}

static int read_packets(void *arg)
{
    char packet[10];

    for (int i = 0; i < 500; i++) {
        (void)ed_sleep(1 * ED_MS);
        check_int(recv(*(int *)arg, packet, sizeof packet, 0), 5);
    }
    return 0;
}

/* poll() says of an unconnected socket that it can be written to, whatever
 * the receiver's queue is like. */
FIBER_TEST(a_full_queue_of_packets_is_waited_for)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int to = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof name;

    check_int(bind(to, (struct sockaddr *)&name, sizeof name.sun_family), 0);
    check_int(getsockname(to, (struct sockaddr *)&name, &len), 0);
    ed_scope(s);
    ed_go(s, read_packets, &to);
    for (int i = 0; i < 500; i++)
        check_int(sendto(from, "hello", 5, 0, (struct sockaddr *)&name, len),
                  5);
    check_int(ed_wait(s), 0);
    close(from);
    close(to);
}

/* ---- what is no socket ---- */

FIBER_TEST(files_are_written_as_ever)
{
    char name[] = "/tmp/eddy-patch-XXXXXX";
    int fd = mkstemp(name);
    char *much = pattern(MUCH);

    check_int(unlink(name), 0);
    check_int(write(fd, much, MUCH), MUCH);
    check_int(by_writev(fd, much, MUCH), MUCH);
    check_int(lseek(fd, 0, SEEK_CUR), 2 * MUCH);
    close(fd);
    free(much);
}

static int write_line(void *arg)
{
    char line[PIPE_BUF];

    memset(line, 'x', sizeof line);
    struct iovec iov[2] = {{line, 100}, {line + 100, sizeof line - 100}};
    check_int(writev(*(int *)arg, iov, 2), PIPE_BUF);
    return 0;
}

static int write_digits(void *arg)
{
    char line[PIPE_BUF];

    memset(line, '1', sizeof line);
    check_int(write(*(int *)arg, line, sizeof line), PIPE_BUF);
    return 0;
}

FIBER_TEST(what_fits_a_pipe_at_once_stays_together)
{
    int fds[2];
    char line[PIPE_BUF];
    enum { LINES = 40 };

    make_pipe(fds);
    ed_scope(s);
    for (int i = 0; i < LINES / 2; i++) {
        ed_go(s, write_line, &fds[1]);
        ed_go(s, write_digits, &fds[1]);
    }
    for (int i = 0; i < LINES; i++) {
        size_t len = 0;
        while (len < sizeof line) {
            ssize_t n = read(fds[0], line + len, sizeof line - len);
            if (!check(n > 0))
                return;
            len += (size_t)n;
        }
        check(!memcmp(line, line + 1, sizeof line - 1));
    }
    check_int(ed_wait(s), 0);
    close_both(fds);
}

/* ---- files, by the system ---- */

static int file_of(const char *bytes, size_t len)
{
    char name[] = "/tmp/eddy-patch-XXXXXX";
    int fd = mkstemp(name);

    check_int(unlink(name), 0);
    check_int(write(fd, bytes, len), (long long)len);
    return fd;
}

FIBER_TEST(a_file_is_sent_whole_however_slowly_it_is_taken)
{
    int fds[2];
    char *much = pattern(MUCH);
    int file = file_of(much, MUCH);
    off_t offset = 0;

    make_sockets(fds);
    struct taker t = {.fd = fds[0], .bytes = MUCH, .pause = 10 * ED_MS};
    int64_t began = ed_now();
    ed_scope(s);
    ed_go(s, take, &t);
    check_int(sendfile(fds[1], file, &offset, MUCH), MUCH);
    check(ed_now() > began);
    check_int(ed_wait(s), 0);
    check_int(offset, MUCH);
    /* No more than there is, from where the file is. */
    check_int(lseek(file, 0, SEEK_SET), 0);
    ed_scope(again);
    ed_go(again, take, &t);
    check_int(sendfile64(fds[1], file, NULL, 2 * MUCH), MUCH);
    check_int(ed_wait(again), 0);
    check(!(fcntl(fds[1], F_GETFL) & O_NONBLOCK));
    check_errno(sendfile(fds[1], -1, NULL, 1), EBADF);
    check_errno(sendfile(-1, file, NULL, 1), EBADF);
    close_both(fds);
    close(file);
    free(much);
}

static void send_file_in_vain(void *arg)
{
    const int *a = arg;
    off_t offset = 0;

    check(sendfile(a[0], a[1], &offset, MUCH) == offset);
    check_errno(sendfile(a[0], a[1], &offset, MUCH), ETIMEDOUT);
}

FIBER_TEST(a_deadline_ends_sending_a_file)
{
    int fds[2];
    char *much = pattern(MUCH);
    int file = file_of(much, MUCH);

    make_sockets(fds);
    in_a_second(send_file_in_vain, (int[]){fds[1], file});
    check_int(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    off_t offset = 0;
    check_errno(sendfile(fds[1], file, &offset, MUCH), EAGAIN);
    close_both(fds);
    close(file);
    free(much);
}

/* A counter takes a number a call, and a device for packets a packet: only what
 * is a stream of bytes is written piece by piece, or put together. */
FIBER_TEST(what_takes_one_thing_a_call_is_called_once)
{
    const uint64_t numbers[2] = {3, 5};
    const struct iovec iov[2] = {{(void *)&numbers[0], 8},
                                 {(void *)&numbers[1], 8}};
    uint64_t sum = 0;
    int fd = eventfd(0, EFD_CLOEXEC);

    check_int(write(fd, numbers, 8), 8);
    check_int(writev(fd, iov, 2), 16);
    check_int(read(fd, &sum, sizeof sum), 8);
    check_int(sum, 3 + 3 + 5);
    close(fd);
}

FIBER_TEST(to_write_nothing_is_as_ever)
{
    int fds[2];

    make_pipe(fds);
    check_int(write(fds[1], "", 0), 0);
    check_int(writev(fds[1], NULL, 0), 0);
    volatile int wrong = -1;
    check_errno(writev(fds[1], (struct iovec[1]){{0}}, wrong), EINVAL);
    close_both(fds);
    check_errno(write(-1, "x", 1), EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_ends_when_all_is_written),
        cmocka_unit_test(a_deadline_ends_writing_and_the_part_is_told),
        cmocka_unit_test(a_descriptor_that_does_not_block_takes_what_it_can),
        cmocka_unit_test(a_socket_s_own_timeout_ends_a_write),
        cmocka_unit_test(a_slow_reader_does_not_stretch_a_socket_s_timeout),
        cmocka_unit_test(dontwait_does_not_wait),
        cmocka_unit_test(a_peer_that_is_gone_breaks_the_pipe),
        cmocka_unit_test(a_descriptor_travels_once_however_often_is_written),
        cmocka_unit_test(packets_go_whole),
        cmocka_unit_test(a_full_queue_of_packets_is_waited_for),
        cmocka_unit_test(files_are_written_as_ever),
        cmocka_unit_test(what_fits_a_pipe_at_once_stays_together),
        cmocka_unit_test(a_file_is_sent_whole_however_slowly_it_is_taken),
        cmocka_unit_test(a_deadline_ends_sending_a_file),
        cmocka_unit_test(what_takes_one_thing_a_call_is_called_once),
        cmocka_unit_test(to_write_nothing_is_as_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
