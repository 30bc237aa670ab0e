/*
 * admin_stats.c - what the board tells, as JSON: the server's state, its
 * workers, and what they have counted.
 */
#include "serve/admin_internal.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <stdio.h>
#include <string.h>
#include "serve/handed.h"

/* ---- writing ---- */

void ed_admin_write_seconds(ed_json *j, const char *key, int64_t ns)
{
    int64_t us = ns / ED_US; /* more digits say nothing */

    ed_json_key(j, key);
    ed_json_double(j, (double)us / 1e6);
}

void ed_admin_write_count(ed_json *j, const char *key, uint64_t n)
{
    ed_json_key(j, key);
    ed_json_uint(j, n);
}

static void write_text(ed_json *j, const char *key, const char *text)
{
    ed_json_key(j, key);
    ed_json_text(j, text);
}

void ed_admin_write_latency(ed_json *j,
                            const _Atomic uint64_t times[ED_TIME_STEPS],
                            uint64_t sum)
{
    static const struct {
        const char *key;
        double share;
    } shares[] = {
        {"p50_s", 0.5}, {"p90_s", 0.9}, {"p99_s", 0.99}, {"p999_s", 0.999}};

    ed_json_key(j, "latency");
    ed_json_object(j);
    ed_admin_write_count(j, "count", ed_times_count(times));
    ed_admin_write_seconds(j, "sum_s", (int64_t)sum);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        ed_admin_write_seconds(j, shares[i].key,
                               ed_times_quantile(times, shares[i].share));
    ed_json_end(j);
}

/* ---- workers ---- */

static double rate(uint64_t n, int64_t interval)
{
    return interval > 0 ? (double)n * (double)ED_S / (double)interval : 0;
}

/* What is of an interval, and not since the worker began. */
static void write_interval(ed_json *j, const struct ed_seen_worker *w,
                           const struct ed_seen_worker *before,
                           int64_t interval)
{
    struct ed_counters c = w->counters;

    ed_counters_subtract(&c, &before->counters);
    int64_t cpu = w->cpu - before->cpu;
    ed_json_key(j, "requests_per_s");
    ed_json_double(j, rate(ed_counters_total(&c), interval));
    ed_json_key(j, "cpu");
    ed_json_double(j, cpu > 0 && interval > 0 ? (double)cpu / (double)interval
                                              : 0);
    ed_admin_write_latency(j, c.times, ed_counted(&c.time_sum));
}

void ed_admin_write_worker(ed_json *j, const struct ed_seen_worker *w,
                           const struct ed_seen_worker *before,
                           int64_t interval)
{
    const struct ed_counters *c = &w->counters;

    ed_json_object(j);
    ed_admin_write_count(j, "slot", w->slot);
    ed_admin_write_count(j, "pid", (uint64_t)w->pid);
    write_text(j, "state", ed_slot_state_name(w->state));
    ed_admin_write_count(j, "generation", w->generation);
    ed_admin_write_seconds(j, "age_s", w->age);
    ed_admin_write_count(j, "open", w->open);
    ed_admin_write_count(j, "in_flight", w->in_flight);
    ed_admin_write_count(j, "queued", w->queued);
    ed_admin_write_count(j, "limit", w->limit);
    ed_admin_write_count(j, "requests", ed_counters_total(c));
    ed_admin_write_count(j, "errors_5xx", ed_counters_class(c, 5));
    ed_admin_write_seconds(j, "cpu_s", w->cpu);
    ed_admin_write_count(j, "memory_bytes", w->memory);
    if (w->beat_age >= 0) {
        ed_admin_write_seconds(j, "beat_age_s", w->beat_age);
    } else {
        ed_json_key(j, "beat_age_s");
        ed_json_null(j);
    }
    ed_admin_write_count(j, "blocked", ed_counted(&c->blocked));
    if (before)
        write_interval(j, w, before, interval);
    ed_json_end(j);
}

static void write_workers(ed_json *j, const struct ed_admin *a,
                          const struct ed_snapshot *s)
{
    (void)a;
    ed_json_key(j, "workers");
    ed_json_array(j);
    for (size_t i = 0; i < s->count; i++)
        ed_admin_write_worker(j, &s->workers[i], NULL, 0);
    ed_json_end(j);
}

/* ---- what was counted ---- */

static const struct {
    const char *key;
    size_t offset;
} totals[] = {
    {"bytes_out", offsetof(struct ed_counters, bytes_out)},
    {"accepted", offsetof(struct ed_counters, accepted)},
    {"refused", offsetof(struct ed_counters, refused)},
    {"shed", offsetof(struct ed_counters, shed)},
    {"cut", offsetof(struct ed_counters, cut)},
    {"left", offsetof(struct ed_counters, left)},
    {"blocked", offsetof(struct ed_counters, blocked)},
};

static void write_totals(ed_json *j, const struct ed_counters *c)
{
    char key[4];

    ed_admin_write_count(j, "requests", ed_counters_total(c));
    ed_json_key(j, "by_class");
    ed_json_object(j);
    for (unsigned class_ = 1; class_ <= 5; class_++) {
        snprintf(key, sizeof key, "%uxx", class_ % 10);
        ed_admin_write_count(j, key, ed_counters_class(c, class_));
    }
    ed_json_end(j);
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
        ed_admin_write_count(
            j, totals[i].key,
            ed_counted((const _Atomic uint64_t *)((const char *)c +
                                                  totals[i].offset)));
}

static void write_stats(ed_json *j, const struct ed_admin *a,
                        const struct ed_snapshot *s)
{
    ed_admin_write_seconds(j, "now_s", s->now);
    write_totals(j, &s->all);
    ed_admin_write_count(j, "in_flight", s->in_flight);
    ed_admin_write_count(j, "open", s->open);
    ed_admin_write_count(j, "queued", s->queued);
    ed_admin_write_latency(j, s->all.times, ed_counted(&s->all.time_sum));
    write_workers(j, a, s);
}

/* ---- the state of the whole ---- */

/* Workers of an older generation answer what they have: another is on its
 * way, or has come. */
static bool is_changing(const struct ed_snapshot *s)
{
    for (size_t i = 1; i < s->count; i++) {
        if (s->workers[i].generation != s->workers[0].generation)
            return true;
    }
    return false;
}

static const char *state_of(const struct ed_board *board,
                            const struct ed_snapshot *s)
{
    if (!atomic_load(&board->ready))
        return s->count ? "draining" : "drained";
    if (!s->states[ED_SLOT_READY])
        return s->count ? "starting" : "down";
    return is_changing(s) ? "reloading" : "ready";
}

/* As a URL. */
static void write_address(ed_json *j, struct ed_bytes address, bool tls)
{
    static const struct ed_bytes local = ED_BYTES("unix:");
    const char *scheme = tls ? "https" : "http", *between = "://";
    char url[512];

    if (ed_bytes_starts(address, local)) {
        between = "+unix://";
        address = ed_bytes_of(address.ptr + local.len, address.len - local.len);
    }
    snprintf(url, sizeof url, "%s%s%.*s", scheme, between, (int)address.len,
             address.ptr);
    ed_json_text(j, url);
}

/* Those that the system has given, which the settings do not always tell: port
 * 0 is any, and a service manager's sockets are its own. */
static void write_addresses(ed_json *j, const struct ed_admin *a)
{
    const struct ed_settings *s = a->options->settings;
    struct ed_buf given = {0};
    int fd = a->options->launch->addresses;
    bool known = fd >= 0 && !ed_handed_read(fd, &given);
    struct ed_bytes rest = known ? ed_buf_bytes(&given) : ed_bytes("");

    ed_json_key(j, "listen");
    ed_json_array(j);
    while (rest.len)
        write_address(j, ed_bytes_cut(&rest, '\n'), s->certfile);
    ed_json_end(j);
    ed_buf_free(&given);
}

static void write_admin_addresses(ed_json *j, const struct ed_admin *a)
{
    char address[ED_ADDR_TEXT];

    ed_json_key(j, "admin");
    ed_json_array(j);
    for (size_t i = 0; ed_server_address(a->open, i, address); i++)
        write_address(j, ed_bytes(address), false);
    ed_json_end(j);
}

/* What was told last, or stands in the settings ("info,text"). */
static void write_level(ed_json *j, const struct ed_admin *a)
{
    static const char *const names[] = {
        [ED_LOG_DEBUG] = "debug", [ED_LOG_INFO] = "info",
        [ED_LOG_WARN] = "warn",   [ED_LOG_ERROR] = "error",
        [ED_LOG_OFF] = "off",
    };
    int told = atomic_load(&a->board->log_level) - 1;
    struct ed_bytes rest = ed_bytes(a->options->settings->log);
    struct ed_bytes level = ed_bytes_cut(&rest, ',');

    if (told >= 0 && told <= ED_LOG_OFF)
        level = ed_bytes(names[told]);
    ed_json_key(j, "log_level");
    ed_json_bytes(j, level);
}

static void write_master(ed_json *j, const struct ed_board *board)
{
    static const struct {
        const char *key;
        size_t offset;
    } counts[] = {
        {"generation", offsetof(struct ed_board, generation)},
        {"reloads", offsetof(struct ed_board, reloads)},
        {"reloads_failed", offsetof(struct ed_board, reloads_failed)},
        {"spawned", offsetof(struct ed_board, spawned)},
        {"crashed", offsetof(struct ed_board, crashed)},
        {"hung", offsetof(struct ed_board, hung)},
    };

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        ed_admin_write_count(
            j, counts[i].key,
            ed_counted((const _Atomic uint64_t *)((const char *)board +
                                                  counts[i].offset)));
}

/* The last that is over, and why if it came to nothing. */
static void write_reload(ed_json *j, const struct ed_board *board)
{
    enum ed_reload_end how;
    uint64_t number = ed_board_reload(board, &how);

    if (!number)
        return;
    ed_admin_write_count(j, "last_reload", number);
    if (how != ED_RELOAD_DONE)
        write_text(j, "last_reload_error", ed_board_reload_text(how));
}

static void write_status(ed_json *j, const struct ed_admin *a,
                         const struct ed_snapshot *s)
{
    const struct ed_board *board = a->board;

    write_text(j, "version", ED_VERSION);
    write_text(j, "program", a->options->name);
    ed_admin_write_count(j, "pid", (uint64_t)atomic_load(&board->master));
    ed_admin_write_seconds(j, "uptime_s",
                           s->now - atomic_load(&board->started));
    write_text(j, "state", state_of(board, s));
    ed_admin_write_count(j, "workers_wanted", atomic_load(&board->wanted));
    ed_admin_write_count(j, "workers_ready", s->states[ED_SLOT_READY]);
    write_master(j, board);
    write_reload(j, board);
    write_addresses(j, a);
    write_admin_addresses(j, a);
    write_level(j, a);
}

/* ---- answering ---- */

typedef void write_fn(ed_json *j, const struct ed_admin *a,
                      const struct ed_snapshot *s);

/* An object, with the members that are written of this moment. */
static int answer(ed_req *req, write_fn *write)
{
    const struct ed_admin *a = ed_admin_of(req);
    struct ed_snapshot s = {0};
    int err = ed_snapshot_take(&s, a->board);

    if (err)
        return err;
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_object(j);
    write(j, a, &s);
    ed_json_end(j);
    ed_snapshot_free(&s);
    return ed_json_finish(j);
}

static int status(ed_req *req)
{
    return answer(req, write_status);
}

static int workers(ed_req *req)
{
    return answer(req, write_workers);
}

static int stats(ed_req *req)
{
    return answer(req, write_stats);
}

void ed_admin_stats_routes(ed_app *app)
{
    ed_route(app, "GET /v1/status", status);
    ed_route(app, "GET /v1/workers", workers);
    ed_route(app, "GET /v1/stats", stats);
}
