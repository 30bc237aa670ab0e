/*
 * prometheus.c - what a server counts, in the text format 0.0.4.
 *
 * Numbers are written without the C library's doubles, whose decimal point is
 * the locale's.
 */
#include "serve/prometheus.h"

#include <dirent.h>
#include <eddy/clock.h>
#include <eddy/error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is written, and the first failure of writing it. */
struct text {
    struct ed_buf *out;
    int err;
};

ED_PRINTF(2, 3)
static void add(struct text *t, const char *fmt, ...)
{
    va_list args;

    if (t->err)
        return;
    va_start(args, fmt);
    t->err = ed_buf_vaddf(t->out, fmt, args);
    va_end(args);
}

/* A label's value: backslash, quote and line end are escaped. */
static void add_value(struct text *t, const char *value)
{
    for (; *value; value++) {
        if (*value == '\n')
            add(t, "\\n");
        else if (*value == '\\' || *value == '"')
            add(t, "\\%c", *value);
        else
            add(t, "%c", *value);
    }
}

static void describe(struct text *t, const char *name, const char *type,
                     const char *help)
{
    add(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_seconds(struct text *t, uint64_t ns)
{
    add(t, "%" PRIu64 ".%09" PRIu64, ns / (uint64_t)ED_S, ns % (uint64_t)ED_S);
}

static void tell(struct text *t, const char *name, const char *type,
                 const char *help, uint64_t n)
{
    describe(t, name, type, help);
    add(t, "%s %" PRIu64 "\n", name, n);
}

static void tell_seconds(struct text *t, const char *name, const char *type,
                         const char *help, uint64_t ns)
{
    describe(t, name, type, help);
    add(t, "%s ", name);
    add_seconds(t, ns);
    add(t, "\n");
}

/* ---- requests ---- */

static void tell_statuses(struct text *t, const struct ed_counters *c)
{
    describe(t, "eddy_http_requests_total", "counter",
             "Requests that were answered, by the status of the reply.");
    for (unsigned i = 0; i <= ED_STATUS_LAST - ED_STATUS_FIRST; i++) {
        uint64_t n = ed_counted(&c->statuses[i]);
        if (n)
            add(t, "eddy_http_requests_total{code=\"%u\"} %" PRIu64 "\n",
                i + ED_STATUS_FIRST, n);
    }
}

static void tell_methods(struct text *t, const struct ed_counters *c)
{
    static const char *const names[] = {
        [ED_METHOD_GET] = "GET",         [ED_METHOD_HEAD] = "HEAD",
        [ED_METHOD_POST] = "POST",       [ED_METHOD_PUT] = "PUT",
        [ED_METHOD_PATCH] = "PATCH",     [ED_METHOD_DELETE] = "DELETE",
        [ED_METHOD_OPTIONS] = "OPTIONS", [ED_METHOD_OTHER] = "other",
    };

    describe(t, "eddy_http_requests_by_method_total", "counter",
             "Requests that reached a handler, by method.");
    for (unsigned i = 0; i < ED_METHODS; i++)
        add(t,
            "eddy_http_requests_by_method_total{method=\"%s\"} %" PRIu64 "\n",
            names[i], ed_counted(&c->methods[i]));
}

/* ---- histograms ---- */

/* Each is the end of a step, so that its count is exact. */
static const struct {
    int64_t bound;
    const char *text;
} bounds[] = {
    {100 * ED_US, "0.0001"}, {250 * ED_US, "0.00025"}, {500 * ED_US, "0.0005"},
    {1 * ED_MS, "0.001"},    {2500 * ED_US, "0.0025"}, {5 * ED_MS, "0.005"},
    {10 * ED_MS, "0.01"},    {25 * ED_MS, "0.025"},    {50 * ED_MS, "0.05"},
    {100 * ED_MS, "0.1"},    {250 * ED_MS, "0.25"},    {500 * ED_MS, "0.5"},
    {1 * ED_S, "1"},         {2500 * ED_MS, "2.5"},    {5 * ED_S, "5"},
    {10 * ED_S, "10"},       {25 * ED_S, "25"},        {50 * ED_S, "50"},
    {100 * ED_S, "100"},
};

static void tell_times(struct text *t, const char *name, const char *help,
                       const _Atomic uint64_t times[ED_TIME_STEPS],
                       uint64_t sum)
{
    uint64_t all = ed_times_count(times), seen = 0;
    unsigned step = 0;

    describe(t, name, "histogram", help);
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        while (ed_time_step_end(step) <= bounds[i].bound)
            seen += ed_counted(&times[step++]);
        add(t, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, bounds[i].text,
            seen);
    }
    add(t, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, all, name);
    add_seconds(t, sum);
    add(t, "\n%s_count %" PRIu64 "\n", name, all);
}

/* ---- all that is one number ---- */

static const struct {
    const char *name;
    const char *help;
    size_t offset; /* in the counters */
} totals[] = {
    {"eddy_http_requests_abandoned_total",
     "Requests whose client left before anything of a reply was sent.",
     offsetof(struct ed_counters, left)},
    {"eddy_http_requests_refused_total",
     "Requests answered 4xx before any handler: malformed, too large, too "
     "slow.",
     offsetof(struct ed_counters, refused)},
    {"eddy_http_requests_shed_total",
     "Requests answered 503 since there were too many, or they waited too "
     "long.",
     offsetof(struct ed_counters, shed)},
    {"eddy_http_replies_cut_total", "Replies that did not go out whole.",
     offsetof(struct ed_counters, cut)},
    {"eddy_http_response_body_bytes_total", "Bytes of bodies that were sent.",
     offsetof(struct ed_counters, bytes_out)},
    {"eddy_connections_accepted_total", "Connections that were accepted.",
     offsetof(struct ed_counters, accepted)},
    {"eddy_loop_blocked_total",
     "Times a worker's loop stood still for long enough to be reported.",
     offsetof(struct ed_counters, blocked)},
};

static void tell_counters(struct text *t, const struct ed_counters *c)
{
    tell_statuses(t, c);
    tell_methods(t, c);
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
        tell(t, totals[i].name, "counter", totals[i].help,
             ed_counted((const _Atomic uint64_t *)((const char *)c +
                                                   totals[i].offset)));
    describe(t, "eddy_tls_handshakes_total", "counter",
             "Handshakes of TLS, by how they came out.");
    add(t,
        "eddy_tls_handshakes_total{result=\"completed\"} %" PRIu64
        "\neddy_tls_handshakes_total{result=\"failed\"} %" PRIu64 "\n",
        ed_counted(&c->handshakes), ed_counted(&c->handshakes_failed));
    tell_times(t, "eddy_http_request_duration_seconds",
               "From the end of a request's head to the end of its reply.",
               c->times, ed_counted(&c->time_sum));
    tell_times(t, "eddy_http_request_queue_seconds",
               "How long requests waited in line, of those that did.", c->waits,
               ed_counted(&c->wait_sum));
}

static void tell_now(struct text *t, const struct ed_snapshot *s)
{
    tell(t, "eddy_http_requests_in_flight", "gauge",
         "Requests that are being handled.", s->in_flight);
    tell(t, "eddy_http_requests_queued", "gauge", "Requests that wait in line.",
         s->queued);
    tell(t, "eddy_connections_open", "gauge", "Connections that are open.",
         s->open);
}

/* ---- workers ---- */

static uint64_t worker_open(const struct ed_seen_worker *w)
{
    return w->open;
}

static uint64_t worker_in_flight(const struct ed_seen_worker *w)
{
    return w->in_flight;
}

static uint64_t worker_queued(const struct ed_seen_worker *w)
{
    return w->queued;
}

static uint64_t worker_limit(const struct ed_seen_worker *w)
{
    return w->limit;
}

static uint64_t worker_memory(const struct ed_seen_worker *w)
{
    return w->memory;
}

static uint64_t worker_cpu(const struct ed_seen_worker *w)
{
    return (uint64_t)w->cpu;
}

static uint64_t worker_age(const struct ed_seen_worker *w)
{
    return w->age > 0 ? (uint64_t)w->age : 0;
}

static uint64_t worker_beat_age(const struct ed_seen_worker *w)
{
    return w->beat_age > 0 ? (uint64_t)w->beat_age : 0;
}

static const struct {
    const char *name;
    const char *type;
    const char *help;
    uint64_t (*of)(const struct ed_seen_worker *w);
    bool seconds;
} of_workers[] = {
    {"eddy_worker_connections_open", "gauge",
     "Connections that a worker has open.", worker_open},
    {"eddy_worker_requests_in_flight", "gauge",
     "Requests that a worker handles.", worker_in_flight},
    {"eddy_worker_requests_queued", "gauge",
     "Requests that wait in line in a worker.", worker_queued},
    {"eddy_worker_requests_limit", "gauge",
     "How many requests a worker handles at once; 0: any number.",
     worker_limit},
    {"eddy_worker_resident_memory_bytes", "gauge",
     "Resident memory of a worker.", worker_memory},
    {"eddy_worker_cpu_seconds_total", "counter",
     "CPU that a worker has used since it started.", worker_cpu, true},
    {"eddy_worker_age_seconds", "gauge", "How long ago a worker was started.",
     worker_age, true},
    {"eddy_worker_heartbeat_age_seconds", "gauge",
     "How long ago a worker's loop last showed that it runs.", worker_beat_age,
     true},
};

static void tell_states(struct text *t, const struct ed_snapshot *s)
{
    describe(t, "eddy_workers", "gauge", "Workers there are, by state.");
    for (unsigned i = ED_SLOT_STARTING; i <= ED_SLOT_DRAINING; i++)
        add(t, "eddy_workers{state=\"%s\"} %u\n",
            ed_slot_state_name((enum ed_slot_state)i), s->states[i]);
}

static void tell_workers(struct text *t, const struct ed_snapshot *s)
{
    for (size_t i = 0; i < sizeof of_workers / sizeof *of_workers; i++) {
        describe(t, of_workers[i].name, of_workers[i].type, of_workers[i].help);
        for (size_t k = 0; k < s->count; k++) {
            const struct ed_seen_worker *w = &s->workers[k];
            uint64_t n = of_workers[i].of(w);
            add(t, "%s{slot=\"%u\"} ", of_workers[i].name, w->slot);
            if (of_workers[i].seconds)
                add_seconds(t, n);
            else
                add(t, "%" PRIu64, n);
            add(t, "\n");
        }
    }
}

/* ---- the server ---- */

static void tell_server(struct text *t, const struct ed_board *board,
                        const struct ed_snapshot *s, const char *program)
{
    describe(t, "eddy_build_info", "gauge", "1, with what is served by what.");
    add(t, "eddy_build_info{version=\"" ED_VERSION "\",program=\"");
    add_value(t, program);
    add(t, "\"} 1\n");
    tell(t, "eddy_ready", "gauge", "Whether /readyz says so.",
         !ed_board_unready(board));
    tell(t, "eddy_generation", "gauge",
         "Of the code and settings that new workers get.",
         atomic_load(&board->generation));
    tell(t, "eddy_reloads_total", "counter", "Reloads that came out well.",
         atomic_load(&board->reloads));
    tell(t, "eddy_reloads_failed_total", "counter",
         "Reloads after which all stayed as it was.",
         atomic_load(&board->reloads_failed));
    tell_states(t, s);
    tell(t, "eddy_workers_wanted", "gauge", "Workers there shall be.",
         atomic_load(&board->wanted));
    tell(t, "eddy_workers_spawned_total", "counter",
         "Workers that were started.", atomic_load(&board->spawned));
    tell(t, "eddy_workers_crashed_total", "counter",
         "Workers that were ended by a signal.", atomic_load(&board->crashed));
    tell(t, "eddy_workers_hung_total", "counter",
         "Workers that were killed since their loop stood still.",
         atomic_load(&board->hung));
    tell_seconds(t, "eddy_workers_cpu_seconds_total", "counter",
                 "CPU that all workers have used, those included that are "
                 "gone.",
                 s->cpu);
}

/* ---- the master's process ---- */

/* Words of /proc/PID/stat behind the name (proc(5)), from 0. */
enum { STAT_UTIME = 11, STAT_STIME = 12, STAT_SIZE = 20, STAT_PAGES = 21 };
enum { STAT_WORDS = 22 };

static int open_of(int pid, const char *file, int flags)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    return open(path, O_RDONLY | O_CLOEXEC | flags);
}

void ed_prometheus_open(struct ed_prometheus_master *master, int pid)
{
    master->stat = open_of(pid, "stat", 0);
    master->fds = open_of(pid, "fd", O_DIRECTORY);
}

void ed_prometheus_close(struct ed_prometheus_master *master)
{
    if (master->stat >= 0)
        close(master->stat);
    if (master->fds >= 0)
        close(master->fds);
    *master = (struct ed_prometheus_master){-1, -1};
}

/* False: the system does not tell. */
static bool read_stat(int fd, uint64_t words[STAT_WORDS])
{
    char line[1024];
    ssize_t len = fd < 0 ? 0 : pread(fd, line, sizeof line - 1, 0);

    line[len > 0 ? len : 0] = '\0';
    /* The name before may have anything in it, blanks and parentheses, too. */
    char *at = strrchr(line, ')');
    for (int i = 0; i < STAT_WORDS; i++) {
        at = at ? strchr(at, ' ') : NULL;
        if (!at)
            return false;
        words[i] = strtoull(++at, NULL, 10); /* the first is a letter: 0 */
    }
    return true;
}

static void tell_descriptors(struct text *t, int fd)
{
    uint64_t n = 0;
    int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);

    if (!dir && copy >= 0)
        close(copy);
    if (!dir)
        return;
    rewinddir(dir); /* the copy stands where we have come to before */
    while (readdir(dir))
        n++;
    closedir(dir);
    if (n) /* else it is gone */
        tell(t, "process_open_fds", "gauge", "Open descriptors of the master.",
             n > 2 ? n - 2 : 0); /* without "." and ".." */
}

static void tell_process(struct text *t, const struct ed_board *board,
                         const struct ed_prometheus_master *master)
{
    uint64_t words[STAT_WORDS];

    tell_seconds(t, "process_start_time_seconds", "gauge",
                 "When the master was started, since 1970.",
                 (uint64_t)atomic_load(&board->started));
    if (!read_stat(master->stat, words))
        return;
    uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
    tell_seconds(t, "process_cpu_seconds_total", "counter",
                 "CPU that the master has used.",
                 (words[STAT_UTIME] + words[STAT_STIME]) * (uint64_t)ED_S /
                     ticks);
    tell(t, "process_virtual_memory_bytes", "gauge",
         "Virtual memory of the master.", words[STAT_SIZE]);
    tell(t, "process_resident_memory_bytes", "gauge",
         "Resident memory of the master.",
         words[STAT_PAGES] * (uint64_t)sysconf(_SC_PAGESIZE));
    tell_descriptors(t, master->fds);
}

int ed_prometheus_write(struct ed_buf *out, const struct ed_board *board,
                        const struct ed_snapshot *s, const char *program,
                        const struct ed_prometheus_master *master)
{
    struct text text = {.out = out}, *t = &text;

    tell_server(t, board, s, program);
    tell_counters(t, &s->all);
    tell_now(t, s);
    tell_workers(t, s);
    tell_process(t, board, master);
    return t->err;
}
