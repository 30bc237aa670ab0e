/*
 * load.c - the load generator: keep-alive clients that ask as fast as they
 * are answered, and what that cost the server.
 *
 *     load [-c CONNECTIONS] [-p DEPTH] [-t SECONDS] [-w WARM-UP SECONDS]
 *          [--fresh] [--watch PID,PID...] http://127.0.0.1:8080/path
 *     load --idle [-c CONNECTIONS] URL
 *
 * Closed loop: each connection asks DEPTH requests in one write, and again as
 * soon as all of them are answered (as wrk does), so a server is asked as much
 * as it can take and latency includes its queue. Answers are framed properly
 * (Content-Length or chunked) and counted only when whole.
 *
 * The processor time of the watched processes is read by this program, at the
 * same instants that begin and end the count of answers: no start-up, warm-up
 * or connection set-up is in it. Prints one JSON object.
 *
 * https:// is TLS, whatever certificate the server shows. With --fresh every
 * answer ends its connection: the next request opens one of its own.
 *
 * --idle opens the connections, has one request answered on each, prints
 * {"connections": N} and holds them until its standard input ends.
 */
#include "load_tls.h"
#include <dirent.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <sys/epoll.h>

#define WATCHED_MAX 64
#define DEPTH_MAX   64

/* Ports to one destination run out at 28,000 by default: every so many
 * connections another local address of 127.0.0.0/8 is used. */
#define CONNECTIONS_PER_ADDRESS 20000

/* ---- options ---- */

static struct {
    int connections;
    int depth;
    double seconds;
    double warm_up;
    bool idle;
    bool fresh;
    bool tls;
    int watched[WATCHED_MAX];
    int watched_count;
    struct sockaddr_in server;
    char batch[DEPTH_MAX * 512];
    size_t batch_len;
} options = {.connections = 64, .depth = 1, .seconds = 3, .warm_up = 0.5};

/* ---- the latencies seen, as counts of logarithmic steps ---- */

/* Each power of two of nanoseconds is cut in 32: a step is 3 % wide. */
#define STEP_BITS 5
#define STEPS     (64 << STEP_BITS)

static struct {
    uint64_t count[STEPS];
    int64_t max_ns;
} latency;

static unsigned latency_step(uint64_t ns)
{
    unsigned power;

    if (ns < 1 << STEP_BITS)
        return (unsigned)ns;
    power = 63 - (unsigned)__builtin_clzll(ns);
    return ((power - STEP_BITS + 1) << STEP_BITS) +
           (unsigned)((ns >> (power - STEP_BITS)) & ((1 << STEP_BITS) - 1));
}

/* The middle of a step, in nanoseconds. */
static double step_ns(unsigned step)
{
    unsigned power = step >> STEP_BITS;
    unsigned part = step & ((1 << STEP_BITS) - 1);

    if (power == 0)
        return step;
    return ldexp((1 << STEP_BITS) + part + 0.5, (int)power - 1);
}

static void latency_add(int64_t ns)
{
    latency.count[latency_step((uint64_t)ns)]++;
    if (ns > latency.max_ns)
        latency.max_ns = ns;
}

/* The latency that `share` of the answers did not exceed, in microseconds. */
static double latency_at(double share)
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
static bool read_text(const char *path, char *text, size_t size)
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
static void add_schedstat(struct usage *u, const char *path)
{
    char text[128], *rest;

    if (!read_text(path, text, sizeof text))
        return; /* a thread that has just ended */
    u->run_ns += strtoull(text, &rest, 10);
    u->wait_ns += strtoull(rest, NULL, 10);
}

static void add_threads(struct usage *u, int pid)
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
static void add_ticks(struct usage *u, int pid)
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

static struct usage usage_of_watched(void)
{
    struct usage u = {0};

    for (int i = 0; i < options.watched_count; i++) {
        add_threads(&u, options.watched[i]);
        add_ticks(&u, options.watched[i]);
    }
    return u;
}

static uint64_t own_run_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- one connection ---- */

enum phase { IN_HEAD, IN_BODY, IN_CHUNK_SIZE, IN_CHUNK, IN_TRAILER };

struct conn {
    int fd;
    SSL *ssl;     /* NULL: in the clear */
    bool shaking; /* hands */
    enum phase phase;
    uint64_t left;  /* of the body or chunk being skipped */
    unsigned asked; /* requests of this batch */
    unsigned done;  /* those of them answered */
    int64_t sent_ns;
    size_t held; /* bytes of a line or head not complete yet */
    char *carry; /* and those bytes, HEAD_MAX; NULL until needed */
};

static struct {
    uint64_t answers;
    uint64_t not_2xx;
    uint64_t reconnects; /* the server closed on us */
    uint64_t bytes;
} counts;

/* A server's heads are alike but for the second in their Date. Remembering the
 * last one makes framing the next a comparison, which keeps this program out
 * of the way of servers that take 0.4 us a request. */
static struct {
    char bytes[HEAD_MAX];
    size_t len;
    enum phase next;
    uint64_t body;
    bool ok;
} known_head;

static bool is_chunked(const char *p, size_t n)
{
    const char *value = head_field(p, n, "Transfer-Encoding:");

    return value && !strncasecmp(value, "chunked", 7);
}

static void learn_head(const char *p, size_t len)
{
    int64_t body = content_length(p, len);

    errno = 0;
    if (len > HEAD_MAX)
        die("an answer's head of %zu bytes", len);
    if (body < 0 && !is_chunked(p, len))
        die("an answer without a length: %.*s", (int)len, p);
    memcpy(known_head.bytes, p, len);
    known_head.len = len;
    known_head.ok = len > 12 && p[9] == '2';
    known_head.next = body < 0 ? IN_CHUNK_SIZE : IN_BODY;
    known_head.body = body < 0 ? 0 : (uint64_t)body;
}

static void answer_done(struct conn *c, int64_t now)
{
    latency_add(now - c->sent_ns);
    errno = 0;
    if (c->done++ == c->asked)
        die("an answer nobody asked for");
    counts.answers++;
    c->phase = IN_HEAD;
}

/* Each take_ function uses bytes from the front and returns how many; 0 if it
 * needs more to go on. */
static size_t take_head(struct conn *c, const char *p, size_t n, int64_t now)
{
    if (n < known_head.len || !known_head.len ||
        memcmp(p, known_head.bytes, known_head.len)) {
        size_t len = head_length(p, n);

        if (!len)
            return 0;
        learn_head(p, len);
    }
    if (!known_head.ok)
        counts.not_2xx++;
    c->phase = known_head.next;
    c->left = known_head.body;
    if (c->phase == IN_BODY && !c->left)
        answer_done(c, now);
    return known_head.len;
}

static size_t take_data(struct conn *c, size_t n, int64_t now)
{
    size_t used = n < c->left ? n : (size_t)c->left;

    c->left -= used;
    if (c->left)
        return used;
    if (c->phase == IN_BODY)
        answer_done(c, now);
    else
        c->phase = IN_CHUNK_SIZE;
    return used;
}

/* A chunk's size line, or a line of the trailer, which an empty one ends. */
static size_t take_line(struct conn *c, const char *p, size_t n, int64_t now)
{
    const char *end = memchr(p, '\n', n);

    if (!end)
        return 0;
    if (c->phase == IN_TRAILER) {
        if (end - p <= 1)
            answer_done(c, now);
        return (size_t)(end - p) + 1;
    }
    c->left = strtoull(p, NULL, 16);
    c->phase = c->left ? IN_CHUNK : IN_TRAILER;
    if (c->left)
        c->left += 2; /* the line end after the data */
    return (size_t)(end - p) + 1;
}

static size_t take(struct conn *c, const char *p, size_t n, int64_t now)
{
    switch (c->phase) {
    case IN_HEAD:
        return take_head(c, p, n, now);
    case IN_BODY:
    case IN_CHUNK:
        return take_data(c, n, now);
    default:
        return take_line(c, p, n, now);
    }
}

static void ask(struct conn *c)
{
    c->asked = (unsigned)options.depth;
    c->done = 0;
    c->sent_ns = now_ns();
    if (c->ssl)
        tls_send(c->ssl, options.batch, options.batch_len);
    else
        send_whole(c->fd, options.batch, options.batch_len);
}

/* Goes on with the handshake, and asks when it is done. */
static void shake_hands(struct conn *c)
{
    c->shaking = !tls_shake(c->ssl);
    if (!c->shaking)
        ask(c);
}

static void keep_rest(struct conn *c, const char *p, size_t n)
{
    errno = 0;
    if (n > HEAD_MAX)
        die("a head or line of more than %d bytes", HEAD_MAX);
    if (n && !c->carry && !(c->carry = malloc(HEAD_MAX)))
        die("malloc");
    if (n)
        memcpy(c->carry, p, n);
    c->held = n;
}

/* Reads of what has come and counts the answers in it; false at the end. */
static bool receive_once(struct conn *c)
{
    static char input[HEAD_MAX + 65536];
    size_t at = 0, have = c->held, used;
    ssize_t n;
    int64_t now;

    if (have)
        memcpy(input, c->carry, have);
    n = c->ssl ? tls_receive(c->ssl, input + have, sizeof input - have)
               : recv(c->fd, input + have, sizeof input - have, 0);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    now = now_ns();
    counts.bytes += (uint64_t)n;
    have += (size_t)n;
    while (at < have && (used = take(c, input + at, have - at, now)))
        at += used;
    keep_rest(c, input + at, have - at);
    return true;
}

/* Reads what has come. What TLS has decrypted already no event would tell. */
static bool receive(struct conn *c)
{
    do {
        if (!receive_once(c))
            return false;
    } while (c->ssl && SSL_pending(c->ssl));
    return true;
}

static void open_conn(struct conn *c, int index)
{
    struct sockaddr_in local = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK +
                                 (uint32_t)(index / CONNECTIONS_PER_ADDRESS)),
    };

    c->fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1},
                    sizeof(int)),
         "IP_BIND_ADDRESS_NO_PORT");
    must(bind(c->fd, (struct sockaddr *)&local, sizeof local), "bind");
    must(connect(c->fd, (struct sockaddr *)&options.server,
                 sizeof options.server),
         "connect");
    set_nodelay(c->fd);
    c->ssl = options.tls ? tls_begin(c->fd) : NULL;
    c->phase = IN_HEAD;
    c->held = 0;
    c->asked = c->done = 0;
}

/* ---- load ---- */

static void report(double seconds, const struct usage *from, uint64_t own_from)
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

static void close_conn(struct conn *c)
{
    SSL_free(c->ssl);
    close(c->fd);
}

static void reopen(struct conn *c, int index, int epoll)
{
    if (c->fd >= 0) {
        close_conn(c);
        counts.reconnects++;
    }
    open_conn(c, index);
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd,
                   &(struct epoll_event){.events = EPOLLIN,
                                         .data.u32 = (uint32_t)index}),
         "epoll_ctl");
    if (c->ssl)
        shake_hands(c);
    else
        ask(c);
}

/* What an event means for its connection. */
static void go_on(struct conn *c, int index, int epoll)
{
    if (c->shaking)
        shake_hands(c);
    else if (!receive(c) || (options.fresh && c->done == c->asked))
        reopen(c, index, epoll);
    else if (c->done == c->asked)
        ask(c);
}

/* Lets the connections run until a moment, which it returns as it was met. */
static int64_t run_until(struct conn *conns, int epoll, int64_t end_ns)
{
    struct epoll_event events[256];
    int64_t now;

    while ((now = now_ns()) < end_ns) {
        int n = epoll_wait(epoll, events, 256, 1);

        for (int i = 0; i < n; i++) {
            uint32_t index = events[i].data.u32;

            go_on(&conns[index], (int)index, epoll);
        }
    }
    return now;
}

static void run_load(struct conn *conns)
{
    int epoll = must(epoll_create1(0), "epoll_create1");
    struct usage usage;
    uint64_t own;
    int64_t from, to;

    for (int i = 0; i < options.connections; i++)
        reopen(&conns[i], i, epoll);
    from = run_until(conns, epoll, now_ns() + (int64_t)(options.warm_up * 1e9));

    memset(&counts, 0, sizeof counts);
    memset(&latency, 0, sizeof latency);
    usage = usage_of_watched();
    own = own_run_ns();
    to = run_until(conns, epoll, from + (int64_t)(options.seconds * 1e9));
    report((double)(to - from) / 1e9, &usage, own);
}

/* ---- idle ---- */

static void wait_for(struct conn *c)
{
    struct pollfd wait = {.fd = c->fd, .events = POLLIN};

    must(poll(&wait, 1, -1), "poll");
}

static void hold_idle(struct conn *conns)
{
    char byte;

    for (int i = 0; i < options.connections; i++) {
        struct conn *c = &conns[i];

        open_conn(c, i);
        while (c->ssl && !tls_shake(c->ssl))
            wait_for(c);
        ask(c);
        while (c->done < c->asked) {
            wait_for(c);
            if (!receive(c))
                die("connection %d was closed unanswered", i);
        }
    }
    printf("{\"connections\": %d}\n", options.connections);
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
}

/* ---- command line ---- */

static void parse_watched(char *list)
{
    char *pid;

    while ((pid = strsep(&list, ","))) {
        errno = 0;
        if (options.watched_count == WATCHED_MAX)
            die("more than %d processes to watch", WATCHED_MAX);
        options.watched[options.watched_count++] = (int)number(pid, 1, INT_MAX);
    }
}

static void parse_url(const char *url)
{
    char host[64], path[256] = "/", request[512];
    size_t len;

    errno = 0;
    options.tls = !strncmp(url, "https:", 6);
    if (sscanf(url,
               options.tls ? "https://%63[^/]%255s" : "http://%63[^/]%255s",
               host, path) < 1)
        die("'%s' is not a URL like http://127.0.0.1:8080/path", url);
    options.server = parse_address(host);
    len = (size_t)snprintf(request, sizeof request,
                           "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host);
    for (int i = 0; i < options.depth; i++)
        memcpy(options.batch + (size_t)i * len, request, len);
    options.batch_len = (size_t)options.depth * len;
}

static double seconds_of(const char *text)
{
    char *end;
    double seconds = strtod(text, &end);

    errno = 0;
    if (end == text || *end || !(seconds >= 0 && seconds <= 86400))
        die("'%s' is not a number of seconds", text);
    return seconds;
}

static void parse_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"watch", required_argument, NULL, 'W'},
        {"idle", no_argument, NULL, 'i'},
        {"fresh", no_argument, NULL, 'f'},
        {0},
    };
    int flag;

    while ((flag = getopt_long(argc, argv, "c:p:t:w:", names, NULL)) != -1) {
        switch (flag) {
        case 'c':
            options.connections = (int)number(optarg, 1, 1000000);
            break;
        case 'p':
            options.depth = (int)number(optarg, 1, DEPTH_MAX);
            break;
        case 't':
            options.seconds = seconds_of(optarg);
            break;
        case 'w':
            options.warm_up = seconds_of(optarg);
            break;
        case 'W':
            parse_watched(optarg);
            break;
        case 'i':
            options.idle = true;
            break;
        case 'f':
            options.fresh = true;
            break;
        default:
            exit(2);
        }
    }
    errno = 0;
    if (optind != argc - 1)
        die("usage: load [-c CONNECTIONS] [-p DEPTH] [-t SECONDS] "
            "[-w SECONDS] [--fresh] [--watch PID,...] [--idle] URL");
    parse_url(argv[optind]);
}

int main(int argc, char **argv)
{
    struct conn *conns;

    parse_options(argc, argv);
    raise_descriptor_limit();
    conns = calloc((size_t)options.connections, sizeof *conns);
    if (!conns)
        die("calloc");
    for (int i = 0; i < options.connections; i++)
        conns[i].fd = -1;
    if (options.idle)
        hold_idle(conns);
    else
        run_load(conns);
    return 0;
}
