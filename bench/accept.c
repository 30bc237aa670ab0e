/*
 * accept.c - how connections come to several processes, in four ways.
 *
 *     accept [--json]
 *
 * Workers serve on one address: with a socket each (SO_REUSEPORT), or by one
 * socket with EPOLLEXCLUSIVE: as it is, with a worker going to the end of the
 * line after each connection it takes, and with the brake of serve/spread.h.
 * Each way is put under each load; rounds are interleaved. All clients are one
 * process. A reply says which worker has given it.
 */
#include <eddy/eddy.h>
#include "base/list.h"
#include "http/gate.h"
#include "net/bind.h"
#include "net/stream.h"
#include "serve/spread.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WORKERS = 4,
    ROUNDS = 5,
    SAMPLES_MAX = 64 * 1024,
};

/* What a heavy request costs its worker. */
static const int64_t HEAVY = 5 * ED_MS;

/* A request that is not answered by then is lost. */
static const int64_t PATIENCE = ED_S;

enum way { REUSEPORT, SHARED, ROTATE, BRAKE, WAYS };

static const char *const way_names[WAYS] = {
    [REUSEPORT] = "reuseport",
    [SHARED] = "shared",
    [ROTATE] = "shared, rotating",
    [BRAKE] = "shared, brake",
};

struct load {
    const char *name;
    int clients;
    int64_t pace;  /* between the first connections of two clients */
    int rounds;    /* connections of a client, one after the other */
    int asks;      /* requests on each */
    int64_t think; /* between two */
    int heavy;     /* every so many clients asks for what is heavy; 0: none */
    int signo;     /* for the first worker; 0: none */
    int at;        /* when so many connections were begun */
};

static const struct load loads[] = {
    {"even", 200, 2 * ED_MS, 1, 20, 30 * ED_MS, 0, 0, 0},
    {"burst", 200, 0, 1, 20, 30 * ED_MS, 0, 0, 0},
    {"short", 32, 0, 60, 1, 0, 0, 0, 0},
    {"heavy", 200, 2 * ED_MS, 1, 20, 30 * ED_MS, 20, 0, 0},
    {"one stopped", 200, 2 * ED_MS, 1, 20, 30 * ED_MS, 0, SIGSTOP, 0},
    {"one ends", 32, 0, 60, 1, 0, 8, SIGTERM, 960},
    {"one killed", 32, 0, 60, 1, 0, 8, SIGKILL, 960},
};

#define LOADS (sizeof(loads) / sizeof(*loads))

/* What clients have seen. */
struct seen {
    int connections[WORKERS];
    int requests[WORKERS];
    int begun;
    int lost; /* connections that were not served to their end */
    double *first, *later;
    int first_count, later_count;
};

/* Of one way under one load, over all rounds. */
struct figures {
    double connections_most, connections_least; /* × an even share, added up */
    double requests_most;
    double cpu_us; /* of workers */
    int begun, lost, requests;
    double *first, *later; /* ms, of light requests */
    int first_count, later_count;
};

static struct figures figures[LOADS][WAYS];

static void fail(const char *what)
{
    fprintf(stderr, "accept: %s\n", what);
    exit(1);
}

/* ---- workers ---- */

struct worker {
    int number;
    enum way way;
    int fd;
    struct ed_board *board;
    ed_server *server;
    ed_signals *signals;
};

static void burn(int64_t time)
{
    int64_t end = ed_clock_monotonic() + time;

    while (ed_clock_monotonic() < end)
        ;
}

static int handle(ed_req *req)
{
    const struct worker *w = ed_req_user(req);

    if (!strcmp(ed_req_path(req), "/heavy"))
        burn(HEAVY);
    return ed_reply(req, 200, "%03d\n", w->number);
}

static void rotate(struct ed_server_gate *gate, ed_server *server,
                   unsigned open, bool came)
{
    (void)gate;
    (void)open;
    if (came)
        ed_server_hold(server, ed_now());
}

static int watch(void *arg)
{
    struct worker *w = arg;
    int signo;
    int err = ed_signals_next(w->signals, &signo);

    if (!err)
        ed_server_stop(w->server);
    return err;
}

static int serve(void *arg)
{
    struct worker *w = arg;
    struct ed_slot *slot = &w->board->slots[w->number];
    struct ed_server_gate rotating = {rotate};
    static struct ed_spread spread;
    ed_listener *listener;

    if (ed_signals_open(&w->signals, SIGTERM) ||
        ed_listener_of_fd(&listener, w->fd, .exclusive = w->way != REUSEPORT))
        return 1;
    w->server = ed_server_new(handle, .user = w, .stop_grace = ED_S);
    if (!w->server || ed_server_add(w->server, listener))
        return 1;
    if (w->way == ROTATE)
        ed_server_set_gate(w->server, &rotating);
    if (w->way == BRAKE)
        ed_spread_begin(&spread, w->server, w->board, slot);
    ed_scope(s, .independent = true);
    ed_go(s, watch, w);
    atomic_store(&slot->state, ED_SLOT_READY);
    return ed_server_run(w->server);
}

static struct ed_bound bound[WORKERS];
static pid_t pids[WORKERS];
static char address[ED_ADDR_TEXT];
static struct ed_board *board;

/* One socket, or with SO_REUSEPORT one for each worker. */
static void open_sockets(enum way way)
{
    int count = way == REUSEPORT ? WORKERS : 1;

    snprintf(address, sizeof(address), "127.0.0.1:0");
    for (int i = 0; i < count; i++) {
        struct ed_addr addr = {.len = sizeof(addr.un)};
        const struct ed_listen_options options = {
            .size = sizeof(options),
            .reuse_port = way == REUSEPORT,
        };
        if (ed_listen_fd(&bound[i], address, &options))
            fail(bound[i].why);
        getsockname(bound[i].fd, &addr.any, &addr.len);
        ed_addr_text(&addr, address);
    }
    for (int i = count; i < WORKERS; i++)
        bound[i] = (struct ed_bound){.fd = -1};
}

static int fd_of(int number)
{
    return bound[number].fd >= 0 ? bound[number].fd : bound[0].fd;
}

static void start_worker(int number, enum way way)
{
    struct worker w = {
        .number = number, .way = way, .fd = fd_of(number), .board = board};

    fflush(NULL);
    pids[number] = fork();
    if (pids[number] < 0)
        fail("fork");
    if (pids[number])
        return;
    for (int i = 0; i < WORKERS; i++) {
        if (bound[i].fd >= 0 && bound[i].fd != w.fd)
            close(bound[i].fd);
    }
    _exit(ed_run(serve, &w) ? 1 : 0);
}

static void start_workers(enum way way)
{
    int fd;

    open_sockets(way);
    board = ed_board_new(&fd);
    if (!board)
        fail("no board");
    close(fd);
    for (int i = 0; i < WORKERS; i++)
        start_worker(i, way);
    for (int i = 0; i < WORKERS; i++) {
        while (atomic_load(&board->slots[i].state) != ED_SLOT_READY)
            usleep(1000);
    }
    /* A worker's own socket ends with the worker. */
    for (int i = 0; way == REUSEPORT && i < WORKERS; i++)
        ed_bound_close(&bound[i]);
}

static double microseconds(struct timeval t)
{
    return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

/* Returns the processor time they have used, in microseconds. */
static double stop_workers(void)
{
    double used = 0;

    for (int i = 0; i < WORKERS; i++) {
        struct rusage usage = {0};
        kill(pids[i], SIGKILL);
        wait4(pids[i], NULL, 0, &usage);
        used += microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
        ed_bound_close(&bound[i]);
    }
    ed_board_unmap(board);
    return used;
}

/* ---- clients ---- */

struct client {
    const struct load *load;
    struct seen *seen;
    int number;
};

static void keep(double *samples, int *count, int64_t since)
{
    if (*count < SAMPLES_MAX)
        samples[(*count)++] = (double)(ed_clock_monotonic() - since) / ED_MS;
}

/* Asks once; which worker has answered, or an error. */
static int ask(ed_stream *s, bool heavy)
{
    struct ed_bytes text;
    int64_t number;
    int err = ed_stream_printf(s, "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n",
                               heavy ? "heavy" : "");
    if (!err)
        err = ed_stream_read_until(s, ED_BYTES("\r\n\r\n"), 4096, &text);
    if (!err)
        err = ed_stream_read_until(s, ED_BYTES("\n"), 16, &text);
    if (err)
        return err;
    text.len--; /* the end of the line */
    err = ed_bytes_int(text, &number);
    if (err || number < 0 || number >= WORKERS)
        return ED_EPARSE;
    return (int)number;
}

static int ask_in_time(ed_stream *s, bool heavy)
{
    ed_scope(patience, .within = PATIENCE);
    (void)patience;
    return ask(s, heavy);
}

static int ask_all(const struct client *c, ed_stream *s, int64_t since)
{
    const struct load *load = c->load;
    struct seen *seen = c->seen;
    bool heavy = load->heavy && c->number % load->heavy == 0;

    for (int i = 0; i < load->asks; i++) {
        int number = ask_in_time(s, heavy);
        if (number < 0)
            return number;
        seen->connections[number] += i == 0;
        seen->requests[number]++;
        if (!heavy && i == 0)
            keep(seen->first, &seen->first_count, since);
        else if (!heavy)
            keep(seen->later, &seen->later_count, since);
        if (load->think && ed_sleep(load->think))
            return ED_ECANCELED;
        since = ed_clock_monotonic();
    }
    return 0;
}

static void use_connection(const struct client *c)
{
    int64_t since = ed_clock_monotonic();
    ed_stream *s ED_STREAM_AUTO = NULL;

    if (c->load->signo && c->seen->begun++ == c->load->at)
        kill(pids[0], c->load->signo);
    else if (!c->load->signo)
        c->seen->begun++;
    if (ed_connect(&s, address) || ask_all(c, s, since))
        c->seen->lost++;
}

static int be_client(void *arg)
{
    const struct client *c = arg;

    if (ed_sleep(c->number * c->load->pace))
        return ED_ECANCELED;
    for (int i = 0; i < c->load->rounds; i++)
        use_connection(c);
    return 0;
}

struct run {
    const struct load *load;
    struct seen *seen;
};

static int be_clients(void *arg)
{
    const struct run *run = arg;

    ed_scope(s, .independent = true);
    for (int i = 0; i < run->load->clients; i++) {
        struct client c = {run->load, run->seen, i};
        if (ed_go_copy(s, be_client, &c, sizeof(c)))
            fail("no memory for clients");
    }
    return ed_wait(s);
}

/* ---- figures ---- */

/* The most and the least loaded of those that were there all the time. */
static void add_spread(const int counts[WORKERS], int first, double *most,
                       double *least)
{
    int high = counts[first], low = counts[first], sum = 0;

    for (int i = first; i < WORKERS; i++) {
        sum += counts[i];
        high = counts[i] > high ? counts[i] : high;
        low = counts[i] < low ? counts[i] : low;
    }
    double share = (double)sum / (WORKERS - first);
    *most += share > 0 ? high / share : 0;
    *least += share > 0 ? low / share : 0;
}

static double *samples(void)
{
    double *room = malloc(SAMPLES_MAX * sizeof(double));

    if (!room)
        fail("no memory");
    return room;
}

static void run_case(const struct load *load, enum way way, struct figures *f)
{
    double ignored = 0;

    if (!f->first) {
        f->first = samples();
        f->later = samples();
    }
    struct seen seen = {
        .first = f->first,
        .later = f->later,
        .first_count = f->first_count,
        .later_count = f->later_count,
    };
    struct run run = {load, &seen};
    start_workers(way);
    if (ed_run(be_clients, &run))
        fail("clients failed");
    f->cpu_us += stop_workers();
    for (int i = 0; i < WORKERS; i++)
        f->requests += seen.requests[i];
    int first = load->signo ? 1 : 0;
    add_spread(seen.connections, first, &f->connections_most,
               &f->connections_least);
    add_spread(seen.requests, first, &f->requests_most, &ignored);
    f->begun += seen.begun;
    f->lost += seen.lost;
    f->first_count = seen.first_count;
    f->later_count = seen.later_count;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int count, double share)
{
    return count ? sorted[(int)((count - 1) * share)] : 0;
}

static void print(const struct load *load, enum way way, struct figures *f,
                  bool json, bool last)
{
    static const char text[] = "%-12s %-17s %5.2f %5.2f %5.2f  %8.2f %8.2f "
                               "%8.2f %8.2f %6.1f  %5d/%d\n";
    static const char object[] =
        "{\"load\": \"%s\", \"way\": \"%s\", \"most\": %.3f, \"least\": %.3f, "
        "\"requests_most\": %.3f, \"first_p50_ms\": %.3f, \"first_p99_ms\": "
        "%.3f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
        "\"cpu_us\": %.1f, \"lost\": %d, \"of\": %d}";

    qsort(f->first, (size_t)f->first_count, sizeof(double), compare);
    qsort(f->later, (size_t)f->later_count, sizeof(double), compare);
    printf(json ? object : text, load->name, way_names[way],
           f->connections_most / ROUNDS, f->connections_least / ROUNDS,
           f->requests_most / ROUNDS, quantile(f->first, f->first_count, 0.5),
           quantile(f->first, f->first_count, 0.99),
           quantile(f->later, f->later_count, 0.5),
           quantile(f->later, f->later_count, 0.99),
           f->requests ? f->cpu_us / f->requests : 0, f->lost, f->begun);
    if (json)
        printf(last ? "\n" : ",\n");
}

static void print_all(bool json)
{
    if (json)
        printf("{\"results\": [\n");
    else
        printf("%-12s %-17s %5s %5s %5s  %8s %8s %8s %8s %6s  %s\n", "load",
               "way", "most", "least", "req.", "1st p50", "1st p99", "p50 ms",
               "p99 ms", "us CPU", "lost");
    for (size_t l = 0; l < LOADS; l++) {
        for (enum way way = 0; way < WAYS; way++)
            print(&loads[l], way, &figures[l][way], json,
                  l == LOADS - 1 && way == WAYS - 1);
    }
    if (json)
        printf("]}\n");
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && !strcmp(argv[1], "--json");

    ed_log_set_level(ED_LOG_OFF);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t l = 0; l < LOADS; l++) {
            for (enum way way = 0; way < WAYS; way++)
                run_case(&loads[l], way, &figures[l][way]);
        }
    }
    print_all(json);
    return 0;
}
