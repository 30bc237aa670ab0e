/* Calls that read from a descriptor: they wait as fibers do, and otherwise are
 * what they were. */
#include "../core/outside.h"
#include "patch_test.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/uio.h>

ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags,
                       struct sockaddr *from, socklen_t *from_len);

/* ---- each call, from a socket and from a pipe ---- */

static ssize_t by_read(int fd, char *buf, size_t len)
{
    return read(fd, buf, len);
}

static ssize_t by_readv(int fd, char *buf, size_t len)
{
    struct iovec iov[2] = {{buf, 2}, {buf + 2, len - 2}};

    return readv(fd, iov, 2);
}

static ssize_t by_read_chk(int fd, char *buf, size_t len)
{
    return __read_chk(fd, buf, len, len);
}

static ssize_t by_recv(int fd, char *buf, size_t len)
{
    return recv(fd, buf, len, 0);
}

static ssize_t by_recv_chk(int fd, char *buf, size_t len)
{
    return __recv_chk(fd, buf, len, len, 0);
}

static ssize_t by_recvfrom(int fd, char *buf, size_t len)
{
    return recvfrom(fd, buf, len, 0, NULL, NULL);
}

static ssize_t by_recvfrom_chk(int fd, char *buf, size_t len)
{
    return __recvfrom_chk(fd, buf, len, len, 0, NULL, NULL);
}

static ssize_t by_recvmsg(int fd, char *buf, size_t len)
{
    struct iovec iov[2] = {{buf, 2}, {buf + 2, len - 2}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

    return recvmsg(fd, &message, 0);
}

typedef ssize_t reader(int fd, char *buf, size_t len);

static reader *const of_any[] = {by_read, by_readv, by_read_chk};
static reader *const of_sockets[] = {by_recv, by_recv_chk, by_recvfrom,
                                     by_recvfrom_chk, by_recvmsg};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void waits_for_what_comes(reader *call, void (*make)(int fds[2]))
{
    int fds[2];
    char buf[10] = "";

    make(fds);
    struct later l = {.after = 3 * ED_S, .fd = fds[1], .text = "hello"};
    int64_t began = ed_now();
    ed_scope(s);
    ed_go(s, write_later, &l);
    check_int(call(fds[0], buf, 9), 5);
    check_text(buf, "hello");
    check_int(ed_now() - began, 3 * ED_S);
    check_int(ed_wait(s), 0);
    close_both(fds);
}

FIBER_TEST(reading_waits_until_something_comes)
{
    for (size_t i = 0; i < COUNT(of_any); i++) {
        waits_for_what_comes(of_any[i], make_sockets);
        waits_for_what_comes(of_any[i], make_pipe);
    }
    for (size_t i = 0; i < COUNT(of_sockets); i++)
        waits_for_what_comes(of_sockets[i], make_sockets);
}

static void sees_the_end(reader *call, void (*make)(int fds[2]))
{
    int fds[2];
    char buf[10];

    make(fds);
    struct later l = {.after = 1, .fd = fds[1]};
    ed_scope(s);
    ed_go(s, close_later, &l);
    check_int(call(fds[0], buf, 9), 0);
    check_int(ed_wait(s), 0);
    close(fds[0]);
}

FIBER_TEST(reading_waits_for_the_end)
{
    for (size_t i = 0; i < COUNT(of_any); i++) {
        sees_the_end(of_any[i], make_sockets);
        sees_the_end(of_any[i], make_pipe);
    }
    for (size_t i = 0; i < COUNT(of_sockets); i++)
        sees_the_end(of_sockets[i], make_sockets);
}

struct attempt {
    reader *call;
    int fd;
    int err;
};

static void try(void *arg)
{
    const struct attempt *a = arg;
    char buf[10];

    check_errno(a->call(a->fd, buf, 9), a->err);
}

static void ends_early(reader *call, void (*make)(int fds[2]))
{
    int fds[2];

    make(fds);
    struct attempt a = {call, fds[0], ETIMEDOUT};
    in_a_second(try, &a);
    a.err = ECANCELED;
    cancelled(try, &a);
    /* Not even what is there is read any more. */
    check_int(write(fds[1], "x", 1), 1);
    cancelled(try, &a);
    close_both(fds);
}

FIBER_TEST(a_deadline_and_a_cancellation_end_reading)
{
    for (size_t i = 0; i < COUNT(of_any); i++) {
        ends_early(of_any[i], make_sockets);
        ends_early(of_any[i], make_pipe);
    }
    for (size_t i = 0; i < COUNT(of_sockets); i++)
        ends_early(of_sockets[i], make_sockets);
}

static void does_not_wait(reader *call, void (*make)(int fds[2]))
{
    int fds[2];
    int64_t began = ed_now();

    make(fds);
    check_int(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    struct attempt a = {call, fds[0], EAGAIN};
    try(&a);
    /* As ever, even here. */
    cancelled(try, &a);
    check_int(ed_now() - began, 0);
    close_both(fds);
}

FIBER_TEST(a_descriptor_that_does_not_block_stays_so)
{
    for (size_t i = 0; i < COUNT(of_any); i++) {
        does_not_wait(of_any[i], make_sockets);
        does_not_wait(of_any[i], make_pipe);
    }
    for (size_t i = 0; i < COUNT(of_sockets); i++)
        does_not_wait(of_sockets[i], make_sockets);
}

/* ---- what a caller may ask for ---- */

FIBER_TEST(dontwait_does_not_wait)
{
    int fds[2];
    char c;

    make_sockets(fds);
    check_errno(recv(fds[0], &c, 1, MSG_DONTWAIT), EAGAIN);
    check_errno(recvfrom(fds[0], &c, 1, MSG_DONTWAIT, NULL, NULL), EAGAIN);
    close_both(fds);
}

FIBER_TEST(a_socket_s_own_timeout_ends_a_read)
{
    int fds[2];
    char c;
    const struct timeval limit = {2, 500000};

    make_sockets(fds);
    check_int(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit),
              0);
    int64_t began = ed_now();
    check_errno(read(fds[0], &c, 1), EAGAIN);
    check_int(ed_now() - began, 2500 * ED_MS);
    check_errno(recv(fds[0], &c, 1, 0), EAGAIN);
    check_int(ed_now() - began, 5000 * ED_MS);
    close_both(fds);
}

static int write_in_parts(void *arg)
{
    const struct later *l = arg;

    for (const char *c = l->text; *c; c++) {
        (void)ed_sleep(l->after);
        check_int(write(l->fd, c, 1), 1);
    }
    return close(l->fd);
}

/* That long a time of nanoseconds does not fit 64 bits. */
FIBER_TEST(a_timeout_of_centuries_is_no_time_past)
{
    const struct timeval limit = {10000000000, 0};
    int fds[2];
    char c;

    make_sockets(fds);
    check_int(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit),
              0);
    struct later l = {.after = 1 * ED_S, .fd = fds[1], .text = "x"};
    ed_scope(s);
    ed_go(s, write_later, &l);
    check_int(recv(fds[0], &c, 1, 0), 1);
    check_int(ed_wait(s), 0);
    close_both(fds);
}

FIBER_TEST(waitall_waits_for_all)
{
    int fds[2];
    char buf[10] = "";

    make_sockets(fds);
    struct later l = {.after = 1 * ED_S, .fd = fds[1], .text = "abcdef"};
    int64_t began = ed_now();
    ed_scope(s);
    ed_go(s, write_in_parts, &l);
    check_int(recv(fds[0], buf, 4, MSG_WAITALL), 4);
    check_text(buf, "abcd");
    check_int(ed_now() - began, 4 * ED_S);
    /* Up to the end, if that comes first. */
    check_int(recv(fds[0], buf, 4, MSG_WAITALL), 2);
    check_int(ed_now() - began, 6 * ED_S);
    check_int(ed_wait(s), 0);
    close(fds[0]);
}

FIBER_TEST(waitall_fills_several_buffers)
{
    int fds[2];
    char a[3], b[5];
    struct iovec iov[2] = {{a, sizeof a}, {b, sizeof b}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

    make_sockets(fds);
    struct later l = {.after = 1 * ED_S, .fd = fds[1], .text = "cdefgh"};
    check_int(write(fds[1], "ab", 2), 2);
    ed_scope(s);
    ed_go(s, write_later, &l);
    check_int(recvmsg(fds[0], &message, MSG_WAITALL), 8);
    check(!memcmp(a, "abc", 3) && !memcmp(b, "defgh", 5));
    check_int(iov[0].iov_len, sizeof a);
    check_int(ed_wait(s), 0);
    close_both(fds);
}

FIBER_TEST(all_may_be_peeked_at)
{
    int fds[2];
    char buf[5];

    make_sockets(fds);
    struct later l = {.after = 1 * ED_S, .fd = fds[1], .text = "cde"};
    check_int(write(fds[1], "ab", 2), 2);
    ed_scope(s);
    ed_go(s, write_later, &l);
    check_int(recv(fds[0], buf, 5, MSG_PEEK | MSG_WAITALL), 5);
    check_int(recv(fds[0], buf, 5, MSG_PEEK | MSG_WAITALL), 5);
    check_int(recv(fds[0], buf, 3, MSG_WAITALL), 3);
    /* The end ends it, too. */
    close(fds[1]);
    check_int(recv(fds[0], buf, 5, MSG_PEEK | MSG_WAITALL), 2);
    check(!memcmp(buf, "de", 2));
    check_int(ed_wait(s), 0);
    close(fds[0]);
}

FIBER_TEST(what_is_peeked_at_stays)
{
    int fds[2];
    char buf[10] = "";

    make_sockets(fds);
    struct later l = {.after = 1, .fd = fds[1], .text = "ab"};
    ed_scope(s);
    ed_go(s, write_later, &l);
    check_int(recv(fds[0], buf, 9, MSG_PEEK), 2);
    check_int(recv(fds[0], buf, 9, 0), 2);
    check_int(ed_wait(s), 0);
    close_both(fds);
}

FIBER_TEST(packets_come_one_at_a_time_and_with_their_sender)
{
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET}, from;
    socklen_t len = sizeof to, from_len = sizeof from;
    char buf[10];

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check_int(bind(a, (struct sockaddr *)&to, sizeof to), 0);
    check_int(bind(b, (struct sockaddr *)&to, sizeof to), 0);
    check_int(getsockname(a, (struct sockaddr *)&to, &len), 0);
    check_int(connect(b, (struct sockaddr *)&to, len), 0);
    struct later l = {.after = 1, .fd = b, .text = "one"};
    struct later m = {.after = 2, .fd = b, .text = "three"};
    ed_scope(s);
    ed_go(s, write_later, &l);
    ed_go(s, write_later, &m);
    check_int(
        recvfrom(a, buf, sizeof buf, 0, (struct sockaddr *)&from, &from_len),
        3);
    check_int(from_len, sizeof from);
    check_int(getsockname(b, (struct sockaddr *)&to, &len), 0);
    check_int(from.sin_port, to.sin_port);
    check_int(recv(a, buf, sizeof buf, MSG_WAITALL), 5);
    check_int(ed_wait(s), 0);
    close(a);
    close(b);
}

FIBER_TEST(to_read_nothing_is_not_to_wait)
{
    int fds[2];
    char c;

    make_sockets(fds);
    check_int(read(fds[0], &c, 0), 0);
    check_int(readv(fds[0], NULL, 0), 0);
    close_both(fds);
}

/* ---- what is no socket ---- */

FIBER_TEST(files_are_read_as_ever)
{
    char name[] = "/tmp/eddy-patch-XXXXXX", buf[10] = "";
    int fd = mkstemp(name);
    struct iovec iov = {buf, sizeof buf};

    check_int(unlink(name), 0);
    check_int(write(fd, "text", 4), 4);
    check_int(read(fd, buf, 4), 0);
    check_int(lseek(fd, 0, SEEK_SET), 0);
    check_int(read(fd, buf, sizeof buf), 4);
    check_text(buf, "text");
    check_int(lseek(fd, 1, SEEK_SET), 1);
    check_int(readv(fd, &iov, 1), 3);
    close(fd);
    int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_errno(read(dir, buf, 1), EISDIR);
    close(dir);
}

static void read_file(void *arg)
{
    char c;

    check_int(read(*(int *)arg, &c, 1), 1);
}

FIBER_TEST(a_cancelled_fiber_still_reads_files)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    cancelled(read_file, &fd);
    close(fd);
}

FIBER_TEST(counters_are_waited_for)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t value = 0;
    struct later l = {.after = 5, .fd = fd, .text = "\1\1\1\1\1\1\1\1"};

    ed_scope(s);
    ed_go(s, write_later, &l);
    check_int(read(fd, &value, sizeof value), 8);
    check(value == 0x0101010101010101);
    check_int(ed_wait(s), 0);
    close(fd);
}

FIBER_TEST(what_is_no_descriptor_is_told)
{
    char c;

    check_errno(read(-1, &c, 1), EBADF);
    check_errno(recv(12345, &c, 1, 0), EBADF);
    int fds[2];
    make_pipe(fds);
    check_errno(recv(fds[0], &c, 1, 0), ENOTSOCK);
    close_both(fds);
}

/* ---- several at one descriptor ---- */

static int read_one(void *arg)
{
    char c;

    check_int(read(*(int *)arg, &c, 1), 1);
    return 0;
}

static void serves_all(void (*make)(int fds[2]))
{
    int fds[2];

    make(fds);
    struct later l = {.after = 1 * ED_S, .fd = fds[1], .text = "abcdefgh"};
    ed_scope(s);
    for (int i = 0; i < 8; i++)
        ed_go(s, read_one, &fds[0]);
    ed_go(s, write_later, &l);
    check_int(ed_wait(s), 0);
    close_both(fds);
}

FIBER_TEST(several_fibers_may_read_from_one_descriptor)
{
    serves_all(make_sockets);
    serves_all(make_pipe);
}

static int read_closed(void *arg)
{
    char c;

    check_errno(read(*(int *)arg, &c, 1), EBADF);
    return 0;
}

FIBER_TEST(who_waits_for_what_is_closed_is_told)
{
    int fds[2];

    make_sockets(fds);
    struct later l = {.after = 1, .fd = fds[0]};
    ed_scope(s);
    ed_go(s, read_closed, &fds[0]);
    ed_go(s, close_later, &l);
    check_int(ed_wait(s), 0);
    close(fds[1]);
}

/* Its number is given to the next that is opened. */
static int close_and_open(void *arg)
{
    int *fds = arg;

    check_int(close(fds[0]), 0);
    make_sockets(fds + 2);
    check_int(fds[2], fds[0]);
    check_int(write(fds[3], "theirs", 6), 6);
    return 0;
}

FIBER_TEST(who_waits_for_what_is_closed_reads_nothing_of_what_comes_after)
{
    int fds[4];
    char buf[6];

    make_sockets(fds);
    ed_scope(s);
    ed_go(s, read_closed, &fds[0]);
    ed_go(s, close_and_open, fds);
    check_int(ed_wait(s), 0);
    check_int(recv(fds[2], buf, sizeof buf, MSG_DONTWAIT), 6);
    close(fds[1]);
    close_both(fds + 2);
}

struct closer {
    int fds[4];
    int signal[2];
};

static int close_when_told(void *arg)
{
    struct closer *c = arg;

    read_one(&c->signal[0]);
    return close_and_open(c->fds);
}

/* Both have been woken, and the first closes what the second was woken for. */
FIBER_TEST(so_does_who_was_about_to_read)
{
    struct closer c;
    char buf[6];

    make_sockets(c.fds);
    make_sockets(c.signal);
    ed_scope(s);
    ed_go(s, close_when_told, &c);
    ed_go(s, read_closed, &c.fds[0]);
    check_int(ed_yield(), 0);
    check_int(write(c.signal[1], "x", 1), 1);
    check_int(write(c.fds[1], "ours", 4), 4);
    check_int(ed_wait(s), 0);
    check_int(recv(c.fds[2], buf, sizeof buf, MSG_DONTWAIT), 6);
    close(c.fds[1]);
    close_both(c.fds + 2);
    close_both(c.signal);
}

static int replace(void *arg)
{
    const int *fds = arg;

    check_int(dup2(fds[0], fds[1]), fds[1]);
    return 0;
}

FIBER_TEST(a_number_that_gets_another_meaning_is_read_with_that)
{
    int old[2], new[2];

    make_sockets(old);
    make_pipe(new);
    int fds[2] = {new[0], old[0]};
    struct later l = {.after = 5, .fd = new[1], .text = "x"};
    ed_scope(s);
    ed_go(s, read_one, &old[0]);
    ed_go(s, replace, fds);
    ed_go(s, write_later, &l);
    check_int(ed_wait(s), 0);
    close_both(old);
    close_both(new);
}

/* ---- others ---- */

static int set_soon(void *arg)
{
    check_int(ed_sleep(5 * ED_MS), 0);
    *(bool *)arg = true;
    return 0;
}

REAL_TEST(who_always_finds_something_lets_others_run)
{
    int fds[2];
    bool set = false;
    char c;

    make_sockets(fds);
    check_int(write(fds[1], "x", 1), 1);
    ed_scope(s, .within = 20 * ED_S);
    ed_go(s, set_soon, &set);
    while (!set && check(recv(fds[0], &c, 1, MSG_PEEK) == 1))
        ;
    check_int(ed_wait(s), 0);
    close_both(fds);
}

static int look_at_numbers(void *arg)
{
    const int *fds = arg;

    (void)ed_sleep(1);
    check_int(fcntl(STDIN_FILENO, F_GETFD), -1);
    check_int(write(fds[1], "ab", 2), 2);
    return 0;
}

/* ... which is none that what is printed goes to, or what is typed comes from.
 */
FIBER_TEST(a_second_wait_takes_no_standard_number)
{
    int fds[2], typed = dup(STDIN_FILENO);

    make_sockets(fds);
    close(STDIN_FILENO);
    ed_scope(s);
    ed_go(s, read_one, &fds[0]);
    ed_go(s, read_one, &fds[0]);
    ed_go(s, look_at_numbers, fds);
    check_int(ed_wait(s), 0);
    check_int(dup2(typed, STDIN_FILENO), typed < 0 ? -1 : STDIN_FILENO);
    close(typed);
    close_both(fds);
}

/* A second wait for one descriptor takes a number more. */
FIBER_TEST(out_of_descriptors_it_is_looked_at)
{
    struct rlimit before, none;
    int fds[2];

    check_int(getrlimit(RLIMIT_NOFILE, &before), 0);
    make_sockets(fds);
    struct later l = {.after = 1 * ED_S, .fd = fds[1], .text = "ab"};
    ed_scope(s);
    none = (struct rlimit){3, before.rlim_max};
    check_int(setrlimit(RLIMIT_NOFILE, &none), 0);
    ed_go(s, read_one, &fds[0]);
    ed_go(s, read_one, &fds[0]);
    ed_go(s, write_later, &l);
    check_int(ed_wait(s), 0);
    check_int(setrlimit(RLIMIT_NOFILE, &before), 0);
    close_both(fds);
}

/* ---- signals ---- */

static int arrivals;

static void arrive(int signo)
{
    (void)signo;
    arrivals++;
}

static int interrupt(void *arg)
{
    (void)arg;
    (void)ed_sleep(1);
    return raise(SIGUSR1);
}

FIBER_TEST(a_signal_is_handled_while_a_fiber_waits_on)
{
    int fds[2];
    const struct sigaction action = {.sa_handler = arrive};
    struct sigaction before;

    make_sockets(fds);
    check_int(sigaction(SIGUSR1, &action, &before), 0);
    struct later l = {.after = 1 * ED_S, .fd = fds[1], .text = "x"};
    ed_scope(s);
    ed_go(s, read_one, &fds[0]);
    ed_go(s, interrupt, NULL);
    ed_go(s, write_later, &l);
    check_int(ed_wait(s), 0);
    check_int(arrivals, 1);
    check_int(sigaction(SIGUSR1, &before, NULL), 0);
    close_both(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_waits_until_something_comes),
        cmocka_unit_test(reading_waits_for_the_end),
        cmocka_unit_test(a_deadline_and_a_cancellation_end_reading),
        cmocka_unit_test(a_descriptor_that_does_not_block_stays_so),
        cmocka_unit_test(dontwait_does_not_wait),
        cmocka_unit_test(a_socket_s_own_timeout_ends_a_read),
        cmocka_unit_test(waitall_waits_for_all),
        cmocka_unit_test(a_timeout_of_centuries_is_no_time_past),
        cmocka_unit_test(waitall_fills_several_buffers),
        cmocka_unit_test(all_may_be_peeked_at),
        cmocka_unit_test(what_is_peeked_at_stays),
        cmocka_unit_test(packets_come_one_at_a_time_and_with_their_sender),
        cmocka_unit_test(to_read_nothing_is_not_to_wait),
        cmocka_unit_test(files_are_read_as_ever),
        cmocka_unit_test(a_cancelled_fiber_still_reads_files),
        cmocka_unit_test(counters_are_waited_for),
        cmocka_unit_test(what_is_no_descriptor_is_told),
        cmocka_unit_test(several_fibers_may_read_from_one_descriptor),
        cmocka_unit_test(who_waits_for_what_is_closed_is_told),
        cmocka_unit_test(
            who_waits_for_what_is_closed_reads_nothing_of_what_comes_after),
        cmocka_unit_test(so_does_who_was_about_to_read),
        cmocka_unit_test(a_number_that_gets_another_meaning_is_read_with_that),
        cmocka_unit_test(who_always_finds_something_lets_others_run),
        cmocka_unit_test(a_second_wait_takes_no_standard_number),
        cmocka_unit_test(out_of_descriptors_it_is_looked_at),
        cmocka_unit_test(a_signal_is_handled_while_a_fiber_waits_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
