/*
 * load.h - what the load generators share: the options of a run, connections
 * to the server, how long answers took, and what they cost the server.
 *
 * The processor time of the watched processes is read by the generator, at the
 * same instants that begin and end the count of answers: no start-up, warm-up
 * or connection set-up is in it.
 */
#ifndef EDDY_BENCH_LOAD_H
#define EDDY_BENCH_LOAD_H

#include "bench.h"
#include <dirent.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <sys/epoll.h>

#define WATCHED_MAX 64

/* Ports to one destination run out at 28,000 by default: every so many
 * connections another local address of 127.0.0.0/8 is used. */
#define CONNECTIONS_PER_ADDRESS 20000

/* ---- the run ---- */

static struct {
    int connections;
    double seconds;
    double warm_up;
    bool idle;
    int watched[WATCHED_MAX];
    int watched_count;
    struct sockaddr_in server;
    int epoll;      /* of the connections; their indices are its data */
    int unfinished; /* answers still to come of what load_run() has begun */
} load = {.connections = 64, .seconds = 3, .warm_up = 0.5};

/* What was seen since the warm-up. */
static struct {
    uint64_t answers;
    uint64_t not_2xx;
    uint64_t reconnects; /* the server closed on us */
    uint64_t bytes;
} counts;

/* ---- the latencies seen, as counts of logarithmic steps ---- */

/* Each power of two of nanoseconds is cut in 32: a step is 3 % wide. */
#define STEP_BITS 5
#define STEPS     (64 << STEP_BITS)

static struct {
    uint64_t count[STEPS];
    int64_t max_ns;
} latency;

static inline unsigned latency_step(uint64_t ns)
{
    unsigned power;

    if (ns < 1 << STEP_BITS)
        return (unsigned)ns;
    power = 63 - (unsigned)__builtin_clzll(ns);
    return ((power - STEP_BITS + 1) << STEP_BITS) +
           (unsigned)((ns >> (power - STEP_BITS)) & ((1 << STEP_BITS) - 1));
}

/* The middle of a step, in nanoseconds. */
static inline double step_ns(unsigned step)
{
    unsigned power = step >> STEP_BITS;
    unsigned part = step & ((1 << STEP_BITS) - 1);

    if (power == 0)
        return step;
    return ldexp((1 << STEP_BITS) + part + 0.5, (int)power - 1);
}

static inline void latency_add(int64_t ns)
{
    latency.count[latency_step((uint64_t)ns)]++;
    if (ns > latency.max_ns)
        latency.max_ns = ns;
}

/* The latency that `share` of the answers did not exceed, in microseconds. */
static inline double latency_at(double share)
{
    uint64_t total = 0, seen = 0;
    unsigned step = 0;

    for (unsigned i = 0; i < STEPS; i++)
        total += latency.count[i];
    for (step = 0; step < STEPS; step++) {
        seen += latency.count[step];
        if (seen && (double)seen >= share * (double)total)
            break;
    }
    return step < STEPS ? step_ns(step) / 1e3 : 0;
}

/* ---- processor time, as the kernel accounts it ---- */

struct usage {
    uint64_t run_ns;       /* on a processor, exact */
    uint64_t wait_ns;      /* runnable, but the processor was taken */
    uint64_t user_ticks;   /* sampled: good for the ratio of the two */
    uint64_t system_ticks; /* over a long enough time */
};

/* Reads a small file of /proc as text; false if it is gone. */
static inline bool read_text(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "r");
    size_t n;

    if (!f)
        return false;
    n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    fclose(f);
    return n > 0;
}

/* "run_ns wait_ns switches" */
static inline void add_schedstat(struct usage *u, const char *path)
{
    char text[128], *rest;

    if (!read_text(path, text, sizeof text))
        return; /* a thread that has just ended */
    u->run_ns += strtoull(text, &rest, 10);
    u->wait_ns += strtoull(rest, NULL, 10);
}

static inline void add_threads(struct usage *u, int pid)
{
    char path[300];
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/task", pid);
    dir = opendir(path);
    if (!dir)
        die("%s", path);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid,
                 entry->d_name);
        add_schedstat(u, path);
    }
    closedir(dir);
}

/* Fields 14 and 15 of /proc/PID/stat; the name, field 2, may hold anything,
 * but its closing parenthesis is the last one. */
static inline void add_ticks(struct usage *u, int pid)
{
    char path[64], text[1024], *at = NULL;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (read_text(path, text, sizeof text))
        at = strrchr(text, ')');
    for (int field = 2; at && field < 14; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        die("%s", path);
    u->user_ticks += strtoull(at, &at, 10);
    u->system_ticks += strtoull(at, NULL, 10);
}

static inline struct usage usage_of_watched(void)
{
    struct usage u = {0};

    for (int i = 0; i < load.watched_count; i++) {
        add_threads(&u, load.watched[i]);
        add_ticks(&u, load.watched[i]);
    }
    return u;
}

static inline uint64_t own_run_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- connections ---- */

/* Before any of them. */
static inline void load_begin(void)
{
    raise_descriptor_limit();
    load.epoll = must(epoll_create1(0), "epoll_create1");
}

/* A connection to the server, which blocks. */
static inline int load_connect(int index)
{
    struct sockaddr_in local = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK +
                                 (uint32_t)(index / CONNECTIONS_PER_ADDRESS)),
    };
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    must(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1},
                    sizeof(int)),
         "IP_BIND_ADDRESS_NO_PORT");
    must(bind(fd, (struct sockaddr *)&local, sizeof local), "bind");
    must(connect(fd, (struct sockaddr *)&load.server, sizeof load.server),
         "connect");
    set_nodelay(fd);
    return fd;
}

/* Has load_run() told when there is something to read. */
static inline void load_await(int fd, int index)
{
    must(epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd,
                   &(struct epoll_event){.events = EPOLLIN,
                                         .data.u32 = (uint32_t)index}),
         "epoll_ctl");
}

static inline void load_wait(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    must(poll(&wait, 1, -1), "poll");
}

/* Says that all are open, and keeps them so until the standard input ends. */
static inline void load_hold(void)
{
    char byte;

    printf("{\"connections\": %d}\n", load.connections);
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
}

/* ---- measuring ---- */

static inline void load_report(double seconds, const struct usage *from,
                               uint64_t own_from)
{
    struct usage to = usage_of_watched();
    uint64_t own = own_run_ns() - own_from;

    printf("{\"seconds\": %.6f, \"answers\": %llu, \"not_2xx\": %llu, "
           "\"reconnects\": %llu, \"bytes\": %llu,\n",
           seconds, (unsigned long long)counts.answers,
           (unsigned long long)counts.not_2xx,
           (unsigned long long)counts.reconnects,
           (unsigned long long)counts.bytes);
    printf(" \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, "
           "\"max_us\": %.1f,\n",
           latency_at(0.50), latency_at(0.90), latency_at(0.99),
           (double)latency.max_ns / 1e3);
    printf(" \"server_run_ns\": %llu, \"server_wait_ns\": %llu, "
           "\"server_user_ticks\": %llu, \"server_system_ticks\": %llu,\n",
           (unsigned long long)(to.run_ns - from->run_ns),
           (unsigned long long)(to.wait_ns - from->wait_ns),
           (unsigned long long)(to.user_ticks - from->user_ticks),
           (unsigned long long)(to.system_ticks - from->system_ticks));
    printf(" \"generator_run_ns\": %llu}\n", (unsigned long long)own);
}

/* How long the last answers may take when the time is over. */
#define PATIENCE_NS INT64_C(20000000000)

/* Lets the connections run until a moment, which it returns as it was met. */
static inline int64_t load_until(void (*go_on)(int index), void (*begin)(void),
                                 int64_t end_ns)
{
    struct epoll_event events[256];
    int64_t now;

    while ((now = now_ns()) < end_ns || load.unfinished) {
        int n;

        if (now > end_ns + PATIENCE_NS)
            die("%d answers did not come", load.unfinished);
        if (begin && !load.unfinished)
            begin();
        n = epoll_wait(load.epoll, events, 256, 1);
        for (int i = 0; i < n; i++)
            go_on((int)events[i].data.u32);
    }
    return now;
}

/* Lets the connections run for the warm-up and for the time that is measured.
 * `go_on` is called for each that has something to read. They were asked before
 * and ask again by themselves; or `begin` asks, whenever nothing is unfinished.
 * Prints one JSON object. */
static inline void load_run(void (*go_on)(int index), void (*begin)(void))
{
    int64_t start = now_ns();
    int64_t from =
        load_until(go_on, begin, start + (int64_t)(load.warm_up * 1e9));
    struct usage usage;
    uint64_t own;
    int64_t to;

    memset(&counts, 0, sizeof counts);
    memset(&latency, 0, sizeof latency);
    usage = usage_of_watched();
    own = own_run_ns();
    to = load_until(go_on, begin, from + (int64_t)(load.seconds * 1e9));
    load_report((double)(to - from) / 1e9, &usage, own);
}

/* ---- command line ---- */

/* What every generator takes, for getopt_long(). */
#define LOAD_FLAGS "c:t:w:"
#define LOAD_WATCH "watch", required_argument, NULL, 'W'
#define LOAD_IDLE  "idle", no_argument, NULL, 'i'
#define LOAD_USAGE \
    "[-c CONNECTIONS] [-t SECONDS] [-w SECONDS] [--watch PID,...] [--idle]"

static inline void parse_watched(char *list)
{
    char *pid;

    while ((pid = strsep(&list, ","))) {
        errno = 0;
        if (load.watched_count == WATCHED_MAX)
            die("more than %d processes to watch", WATCHED_MAX);
        load.watched[load.watched_count++] = (int)number(pid, 1, INT_MAX);
    }
}

static inline double seconds_of(const char *text)
{
    char *end;
    double seconds = strtod(text, &end);

    errno = 0;
    if (end == text || *end || !(seconds >= 0 && seconds <= 86400))
        die("'%s' is not a number of seconds", text);
    return seconds;
}

/* Takes one of these; ends the program on what is none. */
static inline void load_option(int flag, char *value)
{
    switch (flag) {
    case 'c':
        load.connections = (int)number(value, 1, 1000000);
        break;
    case 't':
        load.seconds = seconds_of(value);
        break;
    case 'w':
        load.warm_up = seconds_of(value);
        break;
    case 'W':
        parse_watched(value);
        break;
    case 'i':
        load.idle = true;
        break;
    default:
        exit(2);
    }
}

/* Cuts "http://127.0.0.1:8080/path", the scheme being given. The server is the
 * one of the run from now on. */
static inline void load_url(const char *url, const char *scheme, char host[64],
                            char path[256])
{
    size_t len = strlen(scheme);

    errno = 0;
    memcpy(path, "/", 2);
    if (strncmp(url, scheme, len) || strncmp(url + len, "://", 3) ||
        sscanf(url + len + 3, "%63[^/]%255s", host, path) < 1)
        die("'%s' is not a URL like %s://127.0.0.1:8080/path", url, scheme);
    load.server = parse_address(host);
}

#endif
