/*
 * patch_outside.c - calls outside of fibers, each between two that fail on
 * purpose: what strace sees between them is what the test compares.
 */
#include <eddy/blocking.h>
#include <eddy/fiber.h>

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void mark(const char *text)
{
    if (write(-1, text, strlen(text)) >= 0)
        _exit(1);
}

static void receive(int fd)
{
    char buf[8];
    struct iovec iov = {buf, sizeof buf};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    (void)!read(fd, buf, 1);
    (void)!readv(fd, &iov, 1);
    (void)!recv(fd, buf, 1, 0);
    (void)!recvfrom(fd, buf, 1, 0, NULL, NULL);
    (void)!recvmsg(fd, &message, 0);
}

static void transmit(int fd)
{
    char buf[8] = "1234567";
    struct iovec iov = {buf, 4};
    const struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    (void)!write(fd, buf, 3);
    (void)!writev(fd, &iov, 1);
    (void)!send(fd, buf, 1, 0);
    (void)!sendto(fd, buf, 1, 0, NULL, 0);
    (void)!sendmsg(fd, &message, 0);
}

static void watch(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct timeval brief = {0, 1000};
    const struct timespec short_time = {0, 1000};
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0);
    fd_set in;

    FD_ZERO(&in);
    FD_SET(fd, &in);
    poll(&p, 1, 1);
    ppoll(&p, 1, &short_time, NULL);
    select(fd + 1, &in, NULL, NULL, &brief);
    pselect(0, NULL, NULL, NULL, &short_time, NULL);
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
    epoll_wait(set, &event, 1, 1);
    epoll_pwait(set, &event, 1, 1, NULL);
    close(set);
}

static void rest(void)
{
    const struct timespec time = {0, 1000};

    sleep(0);
    usleep(1);
    nanosleep(&time, NULL);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static void lock(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    const struct timespec past = {1, 0};

    pthread_mutex_lock(&mutex);
    pthread_cond_timedwait(&cond, &mutex, &past);
    pthread_cond_signal(&cond);
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
    pthread_mutex_trylock(&mutex);
    pthread_mutex_unlock(&mutex);
    flock(0, LOCK_SH);
    flock(0, LOCK_UN);
}

static void meet(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr at = {.sa_family = AF_UNIX};

    connect(fd, &at, sizeof at);
    accept(fd, NULL, NULL);
    accept4(fd, NULL, NULL, 0);
    dup2(fd, fd + 1);
    dup3(fd, fd + 1, 0);
    close(fd + 1);
    close(fd);
}

static int call_all(void *arg)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
        return 1;
    mark(arg);
    transmit(fds[0]);
    receive(fds[1]);
    watch(fds[1]);
    rest();
    lock();
    meet();
    mark("end");
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static int on_a_thread(void *arg)
{
    return ed_blocking(call_all, arg);
}

int main(void)
{
    int err = call_all("without a loop");

    if (!err)
        err = ed_run(on_a_thread, "on a thread", .blocked_after = -1);
    return err;
}
