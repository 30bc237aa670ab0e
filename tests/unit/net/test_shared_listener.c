/*
 * test_shared_listener.c - two processes that accept from one socket.
 *
 * Each child is a loop of its own with a listener over the parent's socket. It
 * tells of each connection by a byte, its own letter, to whoever has connected,
 * and does as it is told by signals.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <eddy/fiber.h>
#include <eddy/signal.h>
#include "net/bind.h"
#include "net/stream.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long something may take that must happen, and is given to what must
 * not; in milliseconds. */
enum { PATIENCE = 10000, A_WHILE = 300, TRIES = 500 };

static struct ed_bound shared;

/* Those that live; a test that fails leaves some behind. */
static pid_t children[4];

static void note(pid_t old, pid_t pid)
{
    for (size_t i = 0; i < sizeof(children) / sizeof(*children); i++) {
        if (children[i] == old) {
            children[i] = pid;
            return;
        }
    }
}

/* ---- a child ---- */

struct child {
    char letter;
    int ready; /* a byte is written there when it listens */
    ed_listener *listener;
    ed_signals *signals;
};

static void answer(ed_stream *s, void *arg)
{
    struct child *c = arg;

    if (ed_stream_try_writev(
            s, &(struct iovec){.iov_base = &c->letter, .iov_len = 1}, 1) != 1)
        _exit(2);
    /* Left open: the peer closes. */
}

static int be_child(void *arg)
{
    struct child *c = arg;
    int signo;

    if (ed_signals_open(&c->signals, SIGUSR1, SIGUSR2, SIGTERM) ||
        ed_listener_of_fd(&c->listener, shared.fd, .exclusive = true))
        return 1;
    ed_listener_start(c->listener, answer, c);
    if (write(c->ready, "r", 1) != 1)
        return 1;
    while (!ed_signals_next(c->signals, &signo) && signo != SIGTERM)
        ed_listener_pause(c->listener, signo == SIGUSR1);
    ed_listener_close(c->listener);
    ed_signals_close(c->signals);
    return 0;
}

/* Returns when it listens. */
static pid_t start(char letter)
{
    int ready[2];
    char c;

    assert_int_equal(pipe(ready), 0);
    struct child child = {.letter = letter, .ready = ready[1]};
    pid_t pid = fork();
    if (!pid)
        _exit(ed_run(be_child, &child));
    note(0, pid);
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    return pid;
}

static void end(pid_t pid)
{
    int status;

    kill(pid, SIGCONT);
    kill(pid, SIGTERM);
    note(pid, 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- a client ---- */

static int connect_one(void)
{
    struct ed_addr addr = {.len = sizeof(addr.un)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(getsockname(shared.fd, &addr.any, &addr.len), 0);
    assert_int_equal(connect(fd, &addr.any, addr.len), 0);
    return fd;
}

/* Who has accepted it: a letter; 0: nobody within that time. */
static char taker_within(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char letter = 0;

    if (poll(&p, 1, ms) == 1 && read(fd, &letter, 1) != 1)
        letter = '!';
    return letter;
}

static char taker_of_next(int ms)
{
    int fd = connect_one();
    char letter = taker_within(fd, ms);

    close(fd);
    return letter;
}

static bool is_none(const char *status, const char *signals)
{
    const char *at = strstr(status, signals);

    return at && !strtoull(at + strlen(signals), NULL, 16);
}

/* Whether a child waits in the kernel, with no signal to come. */
static bool is_asleep(pid_t pid)
{
    char path[64], status[4096] = "";

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    status[fread(status, 1, sizeof(status) - 1, file)] = '\0';
    fclose(file);
    return strstr(status, "State:\tS") && is_none(status, "SigPnd:") &&
           is_none(status, "ShdPnd:");
}

static void await_sleep(pid_t pid)
{
    for (int i = 0; i < 10 * TRIES && !is_asleep(pid); i++)
        usleep(1000);
}

/* Until the child has done what the signal asks for: it answers no other way,
 * so who connects meanwhile is asked again. */
static void tell(pid_t pid, int signo, bool (*done)(void))
{
    kill(pid, signo);
    await_sleep(pid);
    for (int i = 0; i < TRIES && !done(); i++)
        usleep(1000);
}

static bool only_b_takes(void)
{
    for (int i = 0; i < 20; i++) {
        if (taker_of_next(PATIENCE) != 'b')
            return false;
    }
    return true;
}

static bool nobody_takes(void)
{
    return taker_of_next(20) == 0;
}

static bool a_takes(void)
{
    return taker_of_next(20) == 'a';
}

/* ---- what is promised ---- */

static int open_shared(void **state)
{
    (void)state;
    return ed_listen_fd(&shared, "127.0.0.1:0",
                        ED_OPTIONS(struct ed_listen_options));
}

static int close_shared(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(children) / sizeof(*children); i++) {
        if (!children[i])
            continue;
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
        children[i] = 0;
    }
    ed_bound_close(&shared);
    return 0;
}

static void each_connection_is_taken_by_one_of_them(void **state)
{
    pid_t a = start('a'), b = start('b');
    int fds[100];

    (void)state;
    for (int i = 0; i < 100; i++)
        fds[i] = connect_one();
    for (int i = 0; i < 100; i++) {
        char letter = taker_within(fds[i], PATIENCE);
        assert_true(letter == 'a' || letter == 'b');
        close(fds[i]);
    }
    end(a);
    end(b);
}

static void one_that_pauses_leaves_all_to_the_other_until_it_goes_on(
    void **state)
{
    pid_t a = start('a'), b = start('b');

    (void)state;
    tell(a, SIGUSR1, only_b_takes);
    assert_true(only_b_takes());
    tell(b, SIGUSR1, nobody_takes);
    int fd = connect_one();
    assert_int_equal(taker_within(fd, A_WHILE), 0);
    tell(a, SIGUSR2, a_takes);
    assert_int_equal(taker_within(fd, PATIENCE), 'a');
    assert_int_equal(taker_of_next(PATIENCE), 'a');
    close(fd);
    end(a);
    end(b);
}

static void one_that_is_stopped_or_gone_leaves_all_to_the_other(void **state)
{
    pid_t a = start('a'), b = start('b');

    (void)state;
    while (taker_of_next(PATIENCE) != 'a')
        ;
    kill(a, SIGSTOP);
    waitpid(a, NULL, WUNTRACED);
    assert_true(only_b_takes());
    end(a);
    assert_true(only_b_takes());
    end(b);
}

/* Waits as a worker does, is woken, and never accepts; says so by `said`. */
static pid_t start_thief(int said[2])
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};

    assert_int_equal(pipe(said), 0);
    pid_t pid = fork();
    if (pid) {
        note(0, pid);
        return pid;
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, shared.fd, &event) ||
        write(said[1], "i", 1) != 1)
        _exit(1);
    while (epoll_wait(epoll, &event, 1, -1) != 1) {
        if (errno != EINTR) /* who was stopped has to wait again */
            _exit(1);
    }
    if (write(said[1], "w", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void what_one_was_woken_for_and_left_is_taken_by_the_other(void **state)
{
    int said[2];

    (void)state;
    pid_t thief = start_thief(said);
    /* First in the line, and asleep before the other comes. */
    assert_int_equal(taker_within(said[0], PATIENCE), 'i');
    usleep(20000);
    await_sleep(thief);
    pid_t b = start('b');
    usleep(20000);
    await_sleep(b);
    int fd = connect_one();
    assert_int_equal(taker_within(said[0], PATIENCE), 'w');
    assert_int_equal(taker_within(fd, PATIENCE), 'b');
    close(fd);
    close(said[0]);
    close(said[1]);
    end(b);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, open_shared, close_shared)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_connection_is_taken_by_one_of_them),
        TEST(one_that_pauses_leaves_all_to_the_other_until_it_goes_on),
        TEST(one_that_is_stopped_or_gone_leaves_all_to_the_other),
        TEST(what_one_was_woken_for_and_left_is_taken_by_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
