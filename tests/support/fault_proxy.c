/*
 * fault_proxy.c - see fault_proxy.h.
 *
 * One thread polls all sockets; whatever wakes it, it tries everything that
 * could be done. Everything is under one lock but the polling itself.
 */
#include "fault_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PAIRS = 256, BUFFER = 64 * 1024, BACKLOG = 128 };

#define NEVER INT64_MAX

/* Ends the program when what cannot fail did. */
#define DO(call) \
    ((call) ? (void)0 : do_failed(#call, strerror(errno), __LINE__))

static void do_failed(const char *call, const char *why, int line)
{
    fprintf(stderr, "%s:%d: %s failed: %s\n", __FILE__, line, call, why);
    abort();
}

/* One direction of a connection. */
struct way {
    char *buffer;
    size_t start, end;     /* what is read and not forwarded */
    bool eof, eof_told;    /* the sender has ended; the receiver knows it */
    int64_t stalled_until; /* 0: goes on */
};

struct pair {
    int fds[2]; /* by side: who sends that way. -1: a free place */
    struct way ways[2];
};

union address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in in;
};

struct fault_proxy {
    pthread_t thread;
    pthread_mutex_t lock;
    int wake; /* the thread looks at all this again */
    bool stop;
    int listener; /* -1: refuses */
    union address front, target;
    struct fault fault;
    uint64_t counts[2];
    uint64_t due; /* the count of the fault's side at which it happens */
    unsigned happened;
    struct pair pairs[MAX_PAIRS];
};

/* ---- addresses ---- */

static socklen_t address_size(const union address *a)
{
    return a->any.sa_family == AF_UNIX ? sizeof(a->un) : sizeof(a->in);
}

static void parse(union address *a, const char *text)
{
    memset(a, 0, sizeof(*a));
    if (!strncmp(text, "unix:", 5)) {
        a->un.sun_family = AF_UNIX;
        DO(strlen(text + 5) < sizeof(a->un.sun_path));
        memcpy(a->un.sun_path, text + 5, strlen(text + 5));
        return;
    }
    const char *colon = strchr(text, ':');
    DO(colon && !strncmp(text, "127.0.0.1", (size_t)(colon - text)));
    a->in.sin_family = AF_INET;
    a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a->in.sin_port = htons((uint16_t)(int)strtol(colon + 1, NULL, 10));
}

static int open_socket(const union address *a)
{
    int fd =
        socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    DO(fd >= 0);
    if (a->any.sa_family == AF_INET) {
        DO(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) ==
           0);
        DO(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) ==
           0);
    }
    return fd;
}

static void start_listening(struct fault_proxy *p)
{
    socklen_t size = address_size(&p->front);

    p->listener = open_socket(&p->front);
    if (p->front.any.sa_family == AF_UNIX)
        unlink(p->front.un.sun_path);
    DO(bind(p->listener, &p->front.any, size) == 0);
    DO(listen(p->listener, BACKLOG) == 0);
    /* The port that was free is kept for later. */
    if (p->front.any.sa_family == AF_INET)
        DO(getsockname(p->listener, &p->front.any, &size) == 0);
}

/* ---- connections ---- */

static void close_pair(struct pair *pair, bool reset)
{
    const struct linger at_once = {.l_onoff = 1};

    for (int side = 0; side < 2; side++) {
        if (reset)
            setsockopt(pair->fds[side], SOL_SOCKET, SO_LINGER, &at_once,
                       sizeof(at_once));
        close(pair->fds[side]);
        pair->fds[side] = -1;
        free(pair->ways[side].buffer);
    }
}

static struct pair *free_place(struct fault_proxy *p)
{
    for (int i = 0; i < MAX_PAIRS; i++)
        if (p->pairs[i].fds[0] < 0)
            return &p->pairs[i];
    do_failed("accept", "too many connections", __LINE__);
    return NULL;
}

static void accept_one(struct fault_proxy *p, int client)
{
    struct pair *pair = free_place(p);
    int server = open_socket(&p->target);

    if (connect(server, &p->target.any, address_size(&p->target)) &&
        errno != EINPROGRESS) {
        /* Nobody there: the client learns it as the end. */
        close(server);
        close(client);
        return;
    }
    *pair = (struct pair){.fds = {client, server}};
    for (int side = 0; side < 2; side++)
        DO(pair->ways[side].buffer = malloc(BUFFER));
}

static void accept_all(struct fault_proxy *p)
{
    int fd;

    while (p->listener >= 0 &&
           (fd = accept4(p->listener, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (p->front.any.sa_family == AF_INET)
            DO(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1},
                          sizeof(int)) == 0);
        accept_one(p, fd);
    }
}

/* ---- faults ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether the connection is gone. */
static bool do_to(struct pair *pair, enum fault_action action, int side,
                  int delay_ms)
{
    switch (action) {
    case FAULT_NONE:
        return false;
    case FAULT_CUT:
    case FAULT_RESET:
        close_pair(pair, action == FAULT_RESET);
        return true;
    case FAULT_STALL:
        pair->ways[side].stalled_until = NEVER;
        return false;
    case FAULT_DELAY:
        pair->ways[side].stalled_until = now_ms() + delay_ms;
        return false;
    }
    return false;
}

static bool is_armed(const struct fault_proxy *p, int side)
{
    return p->fault.action != FAULT_NONE && (int)p->fault.side == side &&
           (p->fault.lasting || !p->happened);
}

static bool happen(struct fault_proxy *p, struct pair *pair, int side)
{
    p->happened++;
    p->due += p->fault.after;
    return do_to(pair, p->fault.action, side, p->fault.delay_ms);
}

/* ---- forwarding ---- */

static bool is_stalled(struct way *way)
{
    if (way->stalled_until && now_ms() >= way->stalled_until)
        way->stalled_until = 0;
    return way->stalled_until != 0;
}

/* One read. False if there was nothing to read, or no room for it. */
static bool take_in(struct pair *pair, int side)
{
    struct way *way = &pair->ways[side];

    if (way->eof || way->start < way->end)
        return false;
    ssize_t n = read(pair->fds[side], way->buffer, BUFFER);
    if (n < 0 && errno == EAGAIN)
        return false;
    /* A broken connection is told as an end. */
    way->eof = n <= 0;
    way->start = 0;
    way->end = n > 0 ? (size_t)n : 0;
    return true;
}

/* One write of what may be forwarded, or of the end. False if nothing could
 * be. */
static bool give_out(struct fault_proxy *p, struct pair *pair, int side)
{
    struct way *way = &pair->ways[side];
    int to = pair->fds[!side];
    size_t len = way->end - way->start;

    if (len == 0 && way->eof && !way->eof_told) {
        way->eof_told = true;
        shutdown(to, SHUT_WR);
        return true;
    }
    if (len > 0 && is_armed(p, side) && p->due - p->counts[side] < len)
        len = p->due - p->counts[side];
    ssize_t n = len ? send(to, way->buffer + way->start, len, MSG_NOSIGNAL) : 0;
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
        return false;
    if (n < 0) {
        way->start = way->end; /* nobody is there to take it */
        return true;
    }
    way->start += (size_t)n;
    p->counts[side] += (uint64_t)n;
    return n > 0;
}

/* Whether the fault is to happen to this way, now. */
static bool is_due(const struct fault_proxy *p, const struct way *way, int side,
                   uint64_t counted_before)
{
    return is_armed(p, side) && p->counts[side] == p->due &&
           (p->counts[side] > counted_before || way->start < way->end);
}

/* As far as it goes. */
static void forward(struct fault_proxy *p, struct pair *pair, int side)
{
    struct way *way = &pair->ways[side];

    while (pair->fds[0] >= 0 && !is_stalled(way)) {
        uint64_t before = p->counts[side];
        bool did = take_in(pair, side);
        did |= give_out(p, pair, side);
        if (is_due(p, way, side, before)) {
            if (happen(p, pair, side))
                return;
        } else if (!did) {
            return;
        }
    }
}

static void work(struct fault_proxy *p)
{
    accept_all(p);
    for (int i = 0; i < MAX_PAIRS; i++) {
        struct pair *pair = &p->pairs[i];
        forward(p, pair, FAULT_REQUEST);
        forward(p, pair, FAULT_ANSWER);
        if (pair->fds[0] >= 0 && pair->ways[0].eof_told &&
            pair->ways[1].eof_told)
            close_pair(pair, false);
    }
}

/* ---- the thread ---- */

static unsigned watch(struct pollfd *polls, unsigned n, int fd, short events)
{
    polls[n] = (struct pollfd){.fd = fd, .events = events};
    return n + 1;
}

/* What can wake it up, and the time it may sleep. */
static unsigned watch_all(struct fault_proxy *p, struct pollfd *polls,
                          int *timeout)
{
    unsigned n = watch(polls, 0, p->wake, POLLIN);
    int64_t next = NEVER;

    n = watch(polls, n, p->listener, POLLIN);
    for (int i = 0; i < MAX_PAIRS; i++) {
        struct pair *pair = &p->pairs[i];
        for (int side = 0; side < 2 && pair->fds[0] >= 0; side++) {
            struct way *way = &pair->ways[side];
            if (is_stalled(way))
                next = way->stalled_until < next ? way->stalled_until : next;
            else if (way->start < way->end)
                n = watch(polls, n, pair->fds[!side], POLLOUT);
            else if (!way->eof)
                n = watch(polls, n, pair->fds[side], POLLIN);
        }
    }
    *timeout = next == NEVER ? -1 : (int)(next - now_ms() + 1);
    return n;
}

static void *run(void *arg)
{
    struct fault_proxy *p = arg;
    struct pollfd polls[2 + 2 * MAX_PAIRS];
    uint64_t count;
    int timeout;

    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        work(p);
        unsigned n = watch_all(p, polls, &timeout);
        pthread_mutex_unlock(&p->lock);
        (void)poll(polls, n, timeout);
        (void)!read(p->wake, &count, sizeof(count));
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- commands ---- */

static void lock(struct fault_proxy *p)
{
    pthread_mutex_lock(&p->lock);
}

static void unlock(struct fault_proxy *p)
{
    pthread_mutex_unlock(&p->lock);
    (void)!write(p->wake, &(uint64_t){1}, sizeof(uint64_t));
}

struct fault_proxy *fault_proxy_start(const char *listen, const char *target)
{
    struct fault_proxy *p = calloc(1, sizeof(*p));
    sigset_t all, before;

    DO(p);
    parse(&p->front, listen);
    parse(&p->target, target);
    for (int i = 0; i < MAX_PAIRS; i++)
        p->pairs[i].fds[0] = -1;
    DO((p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0);
    start_listening(p);
    pthread_mutex_init(&p->lock, NULL);
    /* Signals are for the thread under test. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    DO(pthread_create(&p->thread, NULL, run, p) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p;
}

static void stop_listening(struct fault_proxy *p)
{
    if (p->listener < 0)
        return;
    /* The thread that polls it keeps it open until it looks again. */
    shutdown(p->listener, SHUT_RDWR);
    close(p->listener);
    p->listener = -1;
}

void fault_proxy_stop(struct fault_proxy *p)
{
    if (!p)
        return;
    lock(p);
    p->stop = true;
    unlock(p);
    pthread_join(p->thread, NULL);
    for (int i = 0; i < MAX_PAIRS; i++)
        if (p->pairs[i].fds[0] >= 0)
            close_pair(&p->pairs[i], false);
    stop_listening(p);
    if (p->front.any.sa_family == AF_UNIX)
        unlink(p->front.un.sun_path);
    close(p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int fault_proxy_port(const struct fault_proxy *p)
{
    return ntohs(p->front.in.sin_port);
}

void fault_proxy_set_with(struct fault_proxy *p, const struct fault *fault)
{
    lock(p);
    p->fault = *fault;
    p->counts[0] = p->counts[1] = 0;
    p->due = fault->after;
    p->happened = 0;
    unlock(p);
}

void fault_proxy_now(struct fault_proxy *p, enum fault_action action,
                     enum fault_side side)
{
    lock(p);
    for (int i = 0; i < MAX_PAIRS; i++)
        if (p->pairs[i].fds[0] >= 0)
            do_to(&p->pairs[i], action, side, 0);
    unlock(p);
}

void fault_proxy_release(struct fault_proxy *p)
{
    lock(p);
    for (int i = 0; i < MAX_PAIRS; i++)
        for (int side = 0; side < 2; side++)
            p->pairs[i].ways[side].stalled_until = 0;
    unlock(p);
}

void fault_proxy_refuse(struct fault_proxy *p, bool refuse)
{
    lock(p);
    if (refuse)
        stop_listening(p);
    else if (p->listener < 0)
        start_listening(p);
    unlock(p);
}

uint64_t fault_proxy_count(struct fault_proxy *p, enum fault_side side)
{
    lock(p);
    uint64_t count = p->counts[side];
    unlock(p);
    return count;
}

unsigned fault_proxy_happened(struct fault_proxy *p)
{
    lock(p);
    unsigned happened = p->happened;
    unlock(p);
    return happened;
}

unsigned fault_proxy_connections(struct fault_proxy *p)
{
    unsigned count = 0;

    lock(p);
    for (int i = 0; i < MAX_PAIRS; i++)
        count += p->pairs[i].fds[0] >= 0;
    unlock(p);
    return count;
}
