/* Calls that wait for one of several descriptors. */
#include "../core/outside.h"
#include "patch_test.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <eddy/blocking.h>

int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count,
                const struct timespec *timeout, const sigset_t *mask,
                size_t room);

/* ---- poll ---- */

FIBER_TEST(poll_waits_for_the_first_of_several)
{
    int pairs[6][2];
    struct pollfd fds[6];

    for (int i = 0; i < 6; i++) {
        (i % 2 ? make_pipe : make_sockets)(pairs[i]);
        fds[i] = (struct pollfd){.fd = pairs[i][0], .events = POLLIN};
    }
    struct later l = {.after = 3 * ED_S, .fd = pairs[4][1], .text = "x"};
    int64_t began = ed_now();
    ed_scope(s);
    ed_go(s, write_later, &l);
    check_int(poll(fds, 6, -1), 1);
    check_int(fds[4].revents, POLLIN);
    check_int(fds[0].revents, 0);
    check_int(ed_now() - began, 3 * ED_S);
    check_int(ed_wait(s), 0);
    /* It is still there. */
    check_int(poll(fds, 6, -1), 1);
    check_int(__poll_chk(fds, 6, 1000, sizeof fds), 1);
    check_int(ed_now() - began, 3 * ED_S);
    for (int i = 0; i < 6; i++)
        close_both(pairs[i]);
}

FIBER_TEST(poll_ends_when_its_time_is_up)
{
    int fds[2];

    make_sockets(fds);
    struct pollfd p = {.fd = fds[0], .events = POLLIN, .revents = POLLIN};
    int64_t began = ed_now();
    check_int(poll(&p, 1, 1500), 0);
    check_int(p.revents, 0);
    check_int(ed_now() - began, 1500 * ED_MS);
    check_int(poll(NULL, 0, 500), 0);
    check_int(ed_now() - began, 2000 * ED_MS);
    p.fd = -1;
    check_int(poll(&p, 1, 500), 0);
    check_int(ed_now() - began, 2500 * ED_MS);
    check_int(poll(&p, 1, 0), 0);
    const struct timespec time = {1, 7};
    check_int(ppoll(&p, 1, &time, NULL), 0);
    check_int(ed_now() - began, 3500 * ED_MS + 7);
    check_int(__ppoll_chk(&p, 1, &time, NULL, sizeof p), 0);
    check_int(ed_now() - began, 4500 * ED_MS + 14);
    close_both(fds);
}

FIBER_TEST(poll_tells_of_ends_and_of_what_is_no_descriptor)
{
    int fds[2];

    make_pipe(fds);
    struct pollfd p[2] = {{.fd = fds[0], .events = POLLIN},
                          {.fd = fds[1], .events = POLLOUT}};
    check_int(poll(p, 2, -1), 1);
    check_int(p[1].revents, POLLOUT);
    struct later l = {.after = 2, .fd = fds[1]};
    ed_scope(s);
    ed_go(s, close_later, &l);
    check_int(poll(p, 1, -1), 1);
    check_int(p[0].revents, POLLHUP);
    check_int(poll(p, 2, -1), 2);
    check_int(p[1].revents, POLLNVAL);
    check_int(ed_wait(s), 0);
    close(fds[0]);
}

FIBER_TEST(poll_may_ask_for_ends_alone)
{
    int fds[2];

    make_pipe(fds);
    struct pollfd p = {.fd = fds[0], .events = 0};
    struct later l = {.after = 2 * ED_S, .fd = fds[1]};
    int64_t began = ed_now();
    ed_scope(s);
    ed_go(s, close_later, &l);
    check_int(poll(&p, 1, -1), 1);
    check_int(p.revents, POLLHUP);
    check(ed_now() - began < 3 * ED_S);
    check_int(poll(&(struct pollfd){.fd = -1}, 1, 5000), 0);
    check_int(ed_wait(s), 0);
    close(fds[0]);
}

FIBER_TEST(poll_for_both_directions_of_one_descriptor)
{
    int fds[2];
    char fill[100000] = "";

    size_t full = 0;
    ssize_t n;

    make_sockets(fds);
    while ((n = send(fds[0], fill, sizeof fill, MSG_DONTWAIT)) > 0)
        full += (size_t)n;
    struct pollfd p = {.fd = fds[0], .events = POLLIN | POLLOUT};
    struct later l = {.after = 2, .fd = fds[1], .text = "x"};
    ed_scope(s);
    ed_go(s, write_later, &l);
    check_int(poll(&p, 1, -1), 1);
    check_int(p.revents, POLLIN);
    check_int(read(fds[0], fill, 1), 1);
    struct later r = {.after = 2, .fd = fds[1], .bytes = full};
    ed_go(s, read_later, &r);
    check_int(poll(&p, 1, -1), 1);
    check_int(p.revents, POLLOUT);
    check_int(ed_wait(s), 0);
    close_both(fds);
}

static int poll_one(void *arg)
{
    struct pollfd p = {.fd = *(int *)arg, .events = POLLIN};

    check_int(poll(&p, 1, -1), 1);
    return 0;
}

FIBER_TEST(several_fibers_may_wait_for_one_descriptor)
{
    int fds[2];

    make_sockets(fds);
    struct later l = {.after = 1 * ED_S, .fd = fds[1], .text = "x"};
    ed_scope(s);
    for (int i = 0; i < 5; i++)
        ed_go(s, poll_one, &fds[0]);
    ed_go(s, write_later, &l);
    check_int(ed_wait(s), 0);
    close_both(fds);
}

FIBER_TEST(one_descriptor_may_be_asked_for_twice)
{
    int fds[2];

    make_sockets(fds);
    struct pollfd p[2] = {{.fd = fds[0], .events = POLLIN},
                          {.fd = fds[0], .events = POLLIN}};
    struct later l = {.after = 1 * ED_S, .fd = fds[1], .text = "x"};
    ed_scope(s);
    ed_go(s, write_later, &l);
    check_int(poll(p, 2, -1), 2);
    check_int(ed_wait(s), 0);
    close_both(fds);
}

static void poll_in_vain(void *arg)
{
    const int *a = arg;
    struct pollfd p = {.fd = a[0], .events = POLLIN};

    check_errno(poll(&p, 1, -1), a[1]);
    check_errno(ppoll(&p, 1, NULL, NULL), a[1]);
}

FIBER_TEST(a_deadline_and_a_cancellation_end_polling)
{
    int fds[2];

    make_sockets(fds);
    in_a_second(poll_in_vain, (int[]){fds[0], ETIMEDOUT});
    cancelled(poll_in_vain, (int[]){fds[0], ECANCELED});
    check_int(write(fds[1], "x", 1), 1);
    cancelled(poll_in_vain, (int[]){fds[0], ECANCELED});
    close_both(fds);
}

static int set(void *arg)
{
    *(volatile bool *)arg = true;
    return 0;
}

/* It does not get there; but what would let it go may be another fiber. */
FIBER_TEST(who_tries_again_for_ever_lets_others_run)
{
    struct timespec time = {1, 0};
    volatile bool stop = false;
    int tries = 0;

    ed_scope(outer);
    ed_go(outer, set, (void *)&stop);
    {
        ed_scope(s);
        ed_cancel(s);
        while (!stop && poll(NULL, 0, -1) < 0 && check(++tries < 10000))
            ;
        stop = false;
        tries = 0;
        ed_go(outer, set, (void *)&stop);
        while (!stop && clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL) &&
               check(++tries < 10000))
            ;
    }
    check_int(ed_wait(outer), 0);
}

FIBER_TEST(who_polls_what_is_closed_is_told)
{
    int fds[2];

    make_sockets(fds);
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    struct later l = {.after = 1, .fd = fds[0]};
    ed_scope(s);
    ed_go(s, close_later, &l);
    check_int(poll(&p, 1, -1), 1);
    check_int(p.revents, POLLNVAL);
    check_int(ed_wait(s), 0);
    close(fds[1]);
}

static int poll_briefly(void *arg)
{
    struct pollfd p = {.fd = *(int *)arg, .events = POLLIN};

    check_int(poll(&p, 1, 20), 1);
    check_int(p.revents, POLLNVAL);
    return 0;
}

static int close_on_a_thread(void *arg)
{
    return close(*(int *)arg);
}

static int use_stack(void *arg)
{
    char room[2048];

    memset(room, 0x5a, sizeof room);
    check_int(nanosleep(&(struct timespec){0, 1000}, NULL), 0);
    check(!memchr(room, 0, sizeof room));
    *(int *)arg += room[99];
    return 0;
}

/* The system goes on telling of it, since it is open under another number. */
REAL_TEST(what_is_closed_while_it_is_waited_for_leaves_nothing_behind)
{
    int fds[2], sum = 0;

    make_sockets(fds);
    int still_open = dup(fds[0]);
    ed_scope(s);
    ed_go(s, poll_briefly, &fds[0]);
    check_int(ed_yield(), 0);
    check_int(ed_blocking(close_on_a_thread, &fds[0]), 0);
    check_int(ed_sleep(40 * ED_MS), 0);
    /* On the stack of that fiber. */
    ed_go(s, use_stack, &sum);
    check_int(write(fds[1], "x", 1), 1);
    check_int(ed_sleep(2 * ED_MS), 0);
    check_int(ed_wait(s), 0);
    close(still_open);
    close(fds[1]);
}

static void make_tcp(int fds[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check_int(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    check_int(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    check_int(listen(listener, 1), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_int(connect(fds[0], (struct sockaddr *)&at, sizeof at), 0);
    fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    check(fds[1] >= 0);
    close(listener);
}

static int send_urgent(void *arg)
{
    (void)ed_sleep(1 * ED_S);
    check_int(send(*(int *)arg, "!", 1, MSG_OOB), 1);
    return 0;
}

FIBER_TEST(urgent_data_is_told_beside_others_and_alone)
{
    int fds[2];
    char c;

    make_tcp(fds);
    for (int i = 0; i < 2; i++) {
        struct pollfd p = {.fd = fds[0], .events = POLLPRI};
        if (!i)
            p.events |= POLLIN;
        int64_t began = ed_now();
        ed_scope(s);
        ed_go(s, send_urgent, &fds[1]);
        check_int(poll(&p, 1, 5000), 1);
        check(ed_now() - began < 2 * ED_S);
        check_int(p.revents, POLLPRI);
        check_int(recv(fds[0], &c, 1, MSG_OOB), 1);
        check_int(ed_wait(s), 0);
    }
    close_both(fds);
}

/* ---- masks of signals ---- */

static int arrivals;

static void arrive(int signo)
{
    (void)signo;
    arrivals++;
}

FIBER_TEST(a_signal_that_a_mask_lets_through_ends_the_call)
{
    const struct sigaction action = {.sa_handler = arrive};
    struct sigaction before;
    sigset_t blocked, mask;
    int fds[2];

    make_sockets(fds);
    arrivals = 0;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    check_int(sigaction(SIGUSR1, &action, &before), 0);
    check_int(pthread_sigmask(SIG_BLOCK, &blocked, &mask), 0);
    check_int(raise(SIGUSR1), 0);
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    check_int(arrivals, 0);
    check_errno(ppoll(&p, 1, NULL, &mask), EINTR);
    check_int(arrivals, 1);

    check_int(raise(SIGUSR1), 0);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(fds[0], &in);
    check_errno(pselect(fds[0] + 1, &in, NULL, NULL, NULL, &mask), EINTR);
    check_int(arrivals, 2);
    check(FD_ISSET(fds[0], &in));

    struct epoll_event event;
    int set = epoll_create1(EPOLL_CLOEXEC);
    check_int(raise(SIGUSR1), 0);
    check_errno(epoll_pwait(set, &event, 1, -1, &mask), EINTR);
    check_int(arrivals, 3);
    close(set);
    check_int(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
    check_int(sigaction(SIGUSR1, &before, NULL), 0);
    close_both(fds);
}

/* ---- select ---- */

FIBER_TEST(select_waits_and_tells_what_is_left)
{
    int a[2], b[2];
    fd_set in, out;
    struct timeval limit = {10, 0};

    make_sockets(a);
    make_pipe(b);
    struct later l = {.after = 3 * ED_S, .fd = b[1], .text = "x"};
    ed_scope(s);
    ed_go(s, write_later, &l);
    FD_ZERO(&in);
    FD_SET(a[0], &in);
    FD_SET(b[0], &in);
    int top = (a[0] > b[0] ? a[0] : b[0]) + 1;
    check_int(select(top, &in, NULL, NULL, &limit), 1);
    check(FD_ISSET(b[0], &in));
    check(!FD_ISSET(a[0], &in));
    check_int(limit.tv_sec, 7);
    check_int(ed_wait(s), 0);

    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(a[0], &in);
    FD_SET(a[0], &out);
    check_int(select(top, &in, &out, NULL, NULL), 1);
    check(FD_ISSET(a[0], &out) && !FD_ISSET(a[0], &in));
    close_both(a);
    close_both(b);
}

FIBER_TEST(select_ends_when_its_time_is_up)
{
    int fds[2];
    fd_set in;
    struct timeval limit = {1, 500000};
    int64_t began = ed_now();

    make_sockets(fds);
    FD_ZERO(&in);
    FD_SET(fds[0], &in);
    check_int(select(fds[0] + 1, &in, NULL, NULL, &limit), 0);
    check(!FD_ISSET(fds[0], &in));
    check_int(limit.tv_sec, 0);
    check_int(limit.tv_usec, 0);
    check_int(ed_now() - began, 1500 * ED_MS);
    /* The portable way to sleep, once. */
    limit = (struct timeval){0, 250000};
    check_int(select(0, NULL, NULL, NULL, &limit), 0);
    check_int(ed_now() - began, 1750 * ED_MS);
    limit = (struct timeval){0, 0};
    FD_SET(fds[0], &in);
    check_int(select(fds[0] + 1, &in, NULL, NULL, &limit), 0);
    const struct timespec time = {2, 0};
    check_int(pselect(0, NULL, NULL, NULL, &time, NULL), 0);
    check_int(time.tv_sec, 2);
    check_int(ed_now() - began, 3750 * ED_MS);
    close_both(fds);
}

/* As getdtablesize() may be. The system looks at no more than there can be
 * open, and so at nothing behind the set. */
FIBER_TEST(select_may_name_more_than_there_are)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct timeval limit = {1, 0};
    int fds[2];
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    check_int(mprotect(pages + page, page, PROT_NONE), 0);
    fd_set *in = (fd_set *)(void *)(pages + page - sizeof *in);
    make_sockets(fds);
    struct later l = {.after = 1 * ED_MS, .fd = fds[1], .text = "x"};
    FD_ZERO(in);
    FD_SET(fds[0], in);
    ed_scope(s);
    ed_go(s, write_later, &l);
    check_int(select(1000000, in, NULL, NULL, &limit), 1);
    check(FD_ISSET(fds[0], in));
    check_int(ed_wait(s), 0);
    check_int(munmap(pages, 2 * page), 0);
    close_both(fds);
}

FIBER_TEST(select_tells_what_is_wrong)
{
    fd_set in;
    int fd = dup(0);

    /* A number the system has room for: it ignores others. */
    close(fd);
    FD_ZERO(&in);
    FD_SET(fd, &in);
    check_errno(select(fd + 1, &in, NULL, NULL, NULL), EBADF);
    check(FD_ISSET(fd, &in));
    check_errno(select(-1, NULL, NULL, NULL, NULL), EINVAL);
    check_errno(select(0, NULL, NULL, NULL, &(struct timeval){-1, 0}), EINVAL);
}

static void select_in_vain(void *arg)
{
    const int *a = arg;
    fd_set in;

    FD_ZERO(&in);
    FD_SET(a[0], &in);
    check_errno(select(a[0] + 1, &in, NULL, NULL, NULL), a[1]);
    check(FD_ISSET(a[0], &in));
}

FIBER_TEST(a_deadline_and_a_cancellation_end_selecting)
{
    int fds[2];

    make_sockets(fds);
    in_a_second(select_in_vain, (int[]){fds[0], ETIMEDOUT});
    cancelled(select_in_vain, (int[]){fds[0], ECANCELED});
    close_both(fds);
}

/* ---- epoll ---- */

FIBER_TEST(a_set_of_one_s_own_is_waited_for)
{
    int fds[2], set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 4711}, came;

    make_sockets(fds);
    check_int(epoll_ctl(set, EPOLL_CTL_ADD, fds[0], &event), 0);
    struct later l = {.after = 3 * ED_S, .fd = fds[1], .text = "x"};
    int64_t began = ed_now();
    ed_scope(s);
    ed_go(s, write_later, &l);
    check_int(epoll_wait(set, &came, 1, -1), 1);
    check_int(came.data.u32, 4711);
    check_int(ed_now() - began, 3 * ED_S);
    check_int(epoll_pwait(set, &came, 1, 1000, NULL), 1);
    check_int(ed_now() - began, 3 * ED_S);
    check_int(ed_wait(s), 0);
    close(set);
    close_both(fds);
}

FIBER_TEST(waiting_for_a_set_ends_when_its_time_is_up)
{
    int set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event came;
    int64_t began = ed_now();
    const struct timespec time = {0, 5};

    check_int(epoll_wait(set, &came, 1, 1500), 0);
    check_int(epoll_wait(set, &came, 1, 0), 0);
    check_int(ed_now() - began, 1500 * ED_MS);
    check_int(epoll_pwait2(set, &came, 1, &time, NULL), 0);
    check_int(ed_now() - began, 1500 * ED_MS + 5);
    check_errno(epoll_wait(-1, &came, 1, -1), EBADF);
    check_errno(epoll_wait(set, &came, 0, -1), EINVAL);
    close(set);
}

static void epoll_in_vain(void *arg)
{
    const int *a = arg;
    struct epoll_event came;

    check_errno(epoll_wait(a[0], &came, 1, -1), a[1]);
}

FIBER_TEST(a_deadline_and_a_cancellation_end_waiting_for_a_set)
{
    int set = epoll_create1(EPOLL_CLOEXEC);

    in_a_second(epoll_in_vain, (int[]){set, ETIMEDOUT});
    cancelled(epoll_in_vain, (int[]){set, ECANCELED});
    close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poll_waits_for_the_first_of_several),
        cmocka_unit_test(poll_ends_when_its_time_is_up),
        cmocka_unit_test(poll_tells_of_ends_and_of_what_is_no_descriptor),
        cmocka_unit_test(poll_may_ask_for_ends_alone),
        cmocka_unit_test(poll_for_both_directions_of_one_descriptor),
        cmocka_unit_test(several_fibers_may_wait_for_one_descriptor),
        cmocka_unit_test(one_descriptor_may_be_asked_for_twice),
        cmocka_unit_test(a_deadline_and_a_cancellation_end_polling),
        cmocka_unit_test(who_tries_again_for_ever_lets_others_run),
        cmocka_unit_test(who_polls_what_is_closed_is_told),
        cmocka_unit_test(
            what_is_closed_while_it_is_waited_for_leaves_nothing_behind),
        cmocka_unit_test(urgent_data_is_told_beside_others_and_alone),
        cmocka_unit_test(a_signal_that_a_mask_lets_through_ends_the_call),
        cmocka_unit_test(select_waits_and_tells_what_is_left),
        cmocka_unit_test(select_ends_when_its_time_is_up),
        cmocka_unit_test(select_may_name_more_than_there_are),
        cmocka_unit_test(select_tells_what_is_wrong),
        cmocka_unit_test(a_deadline_and_a_cancellation_end_selecting),
        cmocka_unit_test(a_set_of_one_s_own_is_waited_for),
        cmocka_unit_test(waiting_for_a_set_ends_when_its_time_is_up),
        cmocka_unit_test(a_deadline_and_a_cancellation_end_waiting_for_a_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
