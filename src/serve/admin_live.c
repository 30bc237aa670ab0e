/*
 * admin_live.c - what goes on, a message a second, by WebSocket.
 *
 * Figures of an interval are made once for all who look, and not at all while
 * nobody does. A viewer that is slow misses messages: the next one says all
 * there is to say.
 */
#include "serve/admin_internal.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <eddy/ws.h>
#include <stdio.h>
#include <string.h>

static const int64_t INTERVAL = ED_S;

/* The requests that have lasted longest: workers that do not tell them in this
 * time are left out, so that the figures come when they are due. */
static const int64_t SLOWEST_TIME = 300 * ED_MS;
enum { SLOWEST = 10 };

/* People who look at one server. */
enum { VIEWERS_MAX = 64 };

/* A few messages: behind that they are missed. */
static const size_t BEHIND_MAX = (size_t)1 << 20;

int ed_admin_live_open(struct ed_admin *a)
{
    a->live.room =
        ed_room_new(NULL, "live", .slow = ED_ROOM_DROP_OLDEST,
                    .max_behind = BEHIND_MAX, .max_members = VIEWERS_MAX);
    return a->live.room ? 0 : ED_ENOMEM;
}

void ed_admin_live_close(struct ed_admin *a)
{
    ed_room_free(a->live.room);
    a->live.room = NULL;
}

/* ---- what goes on ---- */

struct interval {
    const struct ed_snapshot *from, *to;
    int64_t lasted;
    struct ed_counters counted;
};

static void write_rate(ed_json *j, const char *key, uint64_t n, int64_t lasted)
{
    ed_json_key(j, key);
    ed_json_double(j, (double)n * (double)ED_S / (double)lasted);
}

static void write_rates(ed_json *j, const struct interval *v)
{
    static const char *const classes[] = {"1xx", "2xx", "3xx", "4xx", "5xx"};

    write_rate(j, "requests_per_s", ed_counters_total(&v->counted), v->lasted);
    ed_json_key(j, "by_class_per_s");
    ed_json_object(j);
    for (unsigned i = 0; i < 5; i++)
        write_rate(j, classes[i], ed_counters_class(&v->counted, i + 1),
                   v->lasted);
    ed_json_end(j);
    write_rate(j, "bytes_out_per_s", ed_counted(&v->counted.bytes_out),
               v->lasted);
    write_rate(j, "accepted_per_s", ed_counted(&v->counted.accepted),
               v->lasted);
    write_rate(j, "shed_per_s", ed_counted(&v->counted.shed), v->lasted);
}

/* A worker that came meanwhile began with nothing. */
static const struct ed_seen_worker *worker_before(
    const struct interval *v, const struct ed_seen_worker *w)
{
    static const struct ed_seen_worker nothing;
    const struct ed_seen_worker *before = ed_snapshot_find(v->from, w->pid);

    return before ? before : &nothing;
}

static void write_workers(ed_json *j, const struct interval *v)
{
    ed_json_key(j, "workers");
    ed_json_array(j);
    for (size_t i = 0; i < v->to->count; i++) {
        const struct ed_seen_worker *w = &v->to->workers[i];
        ed_admin_write_worker(j, w, worker_before(v, w), v->lasted);
    }
    ed_json_end(j);
}

/* ---- loops that stood still ---- */

/* Of the chain of functions, in a text for people. */
enum { NAMES_SHOWN = 120 };

/* The kernel's own code in the process, which clocks are read by, has no
 * names. */
static struct ed_bytes known_names(const char *names)
{
    static const struct ed_bytes unknown = ED_BYTES("? < ");
    struct ed_bytes rest = ed_bytes(names);

    while (ed_bytes_starts(rest, unknown))
        rest = ed_bytes_of(rest.ptr + unknown.len, rest.len - unknown.len);
    return rest;
}

/* As many whole names as may be shown. */
static struct ed_bytes shown_names(const char *names)
{
    struct ed_bytes known = known_names(names);

    if (known.len <= NAMES_SHOWN)
        return known;
    known.len = NAMES_SHOWN;
    const char *last = memrchr(known.ptr, '<', known.len);
    if (last)
        known.len = (size_t)(last - known.ptr);
    return ed_bytes_trim(known);
}

static void write_standstill_text(ed_json *j, const struct ed_standstill *s,
                                  int64_t lasted)
{
    char text[400];
    struct ed_bytes names = shown_names(s->names);
    int len = snprintf(text, sizeof text,
                       s->over ? "stood still for %lld ms in "
                               : "stands still, for %lld ms so far, in ",
                       (long long)(lasted / ED_MS));

    if (!names.len)
        snprintf(text + len, sizeof text - (size_t)len, "the kernel");
    else if (!*s->fiber)
        snprintf(text + len, sizeof text - (size_t)len,
                 "%.*s, outside of any fiber", (int)names.len, names.ptr);
    else
        snprintf(text + len, sizeof text - (size_t)len,
                 "%.*s, fiber '%s' (started at %s)", (int)names.len, names.ptr,
                 s->fiber, s->place);
    ed_json_key(j, "text");
    ed_json_text(j, text);
}

static void write_text(ed_json *j, const char *key, const char *text)
{
    ed_json_key(j, key);
    ed_json_text(j, *text ? text : NULL);
}

static void write_standstill(ed_json *j, const struct interval *v,
                             const struct ed_seen_worker *w,
                             const struct ed_standstill *s)
{
    struct ed_bytes rest = known_names(s->names);
    int64_t lasted = s->over ? s->lasted : v->to->now - s->began;

    ed_json_object(j);
    ed_admin_write_seconds(j, "time", s->began);
    ed_admin_write_count(j, "pid", (uint64_t)w->pid);
    write_standstill_text(j, s, lasted);
    ed_admin_write_seconds(j, "lasted_s", lasted);
    ed_json_key(j, "over");
    ed_json_bool(j, s->over);
    ed_json_key(j, "function");
    rest = ed_bytes_cut(&rest, ' ');
    if (rest.len)
        ed_json_bytes(j, rest);
    else
        ed_json_null(j);
    write_text(j, "names", s->names);
    write_text(j, "fiber", s->fiber);
    write_text(j, "place", s->place);
    ed_json_end(j);
}

static void write_more(ed_json *j, const struct interval *v,
                       const struct ed_seen_worker *w, uint64_t more)
{
    char text[80];

    snprintf(text, sizeof text,
             "stood still %llu time%s more; the log says where",
             (unsigned long long)more, more == 1 ? "" : "s");
    ed_json_object(j);
    ed_admin_write_seconds(j, "time", v->to->now);
    ed_admin_write_count(j, "pid", (uint64_t)w->pid);
    write_text(j, "text", text);
    ed_json_end(j);
}

/* How many there have been in that worker. */
static uint64_t standstills(const struct ed_seen_worker *w)
{
    uint64_t last = 0;

    for (size_t i = 0; i < ED_STANDSTILLS; i++) {
        if (w->standstills[i].number > last)
            last = w->standstills[i].number;
    }
    return last;
}

/* Each is told of twice if it outlasts a message: when it has begun, and how
 * long it lasted. */
static void write_blocked_worker(ed_json *j, const struct interval *v,
                                 const struct ed_seen_worker *w)
{
    const struct ed_seen_worker *before = worker_before(v, w);
    uint64_t untold = standstills(w) - standstills(before);

    for (size_t i = 0; i < ED_STANDSTILLS; i++) {
        const struct ed_standstill *now = &w->standstills[i];
        const struct ed_standstill *then = &before->standstills[i];
        bool fresh = now->number > then->number;
        if (!fresh && (now->number != then->number || now->over == then->over))
            continue;
        untold -= fresh;
        write_standstill(j, v, w, now);
    }
    if (untold)
        write_more(j, v, w, untold);
}

static void write_blocked(ed_json *j, const struct interval *v)
{
    ed_json_key(j, "blocked");
    ed_json_array(j);
    for (size_t i = 0; i < v->to->count; i++)
        write_blocked_worker(j, v, &v->to->workers[i]);
    ed_json_end(j);
}

static void write_interval(ed_json *j, const struct interval *v)
{
    const struct ed_snapshot *s = v->to;
    uint64_t cpu = s->cpu > v->from->cpu ? s->cpu - v->from->cpu : 0;

    ed_admin_write_seconds(j, "now_s", s->now);
    ed_admin_write_seconds(j, "interval_s", v->lasted);
    write_rates(j, v);
    ed_admin_write_latency(j, v->counted.times,
                           ed_counted(&v->counted.time_sum));
    ed_json_key(j, "cpu");
    ed_json_double(j, (double)cpu / (double)v->lasted);
    ed_admin_write_count(j, "in_flight", s->in_flight);
    ed_admin_write_count(j, "open", s->open);
    ed_admin_write_count(j, "queued", s->queued);
    write_workers(j, v);
    write_blocked(j, v);
}

static int write_message(struct ed_admin *a, const struct interval *v,
                         struct ed_buf *text)
{
    struct ed_json json, *j = &json;
    json_t *slowest = ed_admin_slowest(a, SLOWEST, SLOWEST_TIME);

    ed_json_begin(j, text);
    ed_json_object(j);
    write_interval(j, v);
    ed_json_key(j, "slowest");
    if (slowest) {
        ed_json_value(j, slowest);
    } else {
        ed_json_array(j);
        ed_json_end(j);
    }
    ed_json_end(j);
    json_decref(slowest);
    return ed_json_finish(j);
}

/* ---- those who look ---- */

static int tell(struct ed_admin *a, const struct ed_snapshot *from,
                const struct ed_snapshot *to)
{
    struct interval v = {
        .from = from,
        .to = to,
        .lasted = to->at - from->at,
        .counted = to->all,
    };
    struct ed_buf text = {0};

    if (v.lasted <= 0)
        return 0;
    ed_counters_subtract(&v.counted, &from->all);
    int err = write_message(a, &v, &text);
    if (!err)
        err = ed_room_tell(a->live.room, ed_buf_bytes(&text));
    ed_buf_free(&text);
    return err;
}

/* What one second makes is not kept for the next. */
static int tell_next(struct ed_admin *a, struct ed_snapshot pair[2])
{
    ed_arena *arena = ed_fiber_arena();
    struct ed_arena_mark mark = ed_arena_mark(arena);
    int err = ed_snapshot_take(&pair[1], a->board);

    if (!err)
        err = tell(a, &pair[0], &pair[1]);
    ed_arena_rewind(arena, mark);
    struct ed_snapshot old = pair[0];
    pair[0] = pair[1];
    pair[1] = old;
    return err;
}

static int tell_while_viewed(struct ed_admin *a)
{
    struct ed_snapshot pair[2] = {0};
    int err = ed_snapshot_take(&pair[0], a->board);
    int64_t due = ed_now() + INTERVAL;

    while (!err && ed_room_count(a->live.room)) {
        err = ed_sleep(due - ed_now());
        if (!err)
            err = tell_next(a, pair);
        due += INTERVAL;
        if (due < ed_now())
            due = ed_now(); /* late: the next comes at once, not all of them */
    }
    ed_snapshot_free(&pair[0]);
    ed_snapshot_free(&pair[1]);
    return err;
}

static int run(struct ed_admin *a)
{
    int err = 0;

    while (err != ED_ECANCELED) {
        err = ed_event_wait(&a->live.viewed);
        ed_event_clear(&a->live.viewed);
        if (!err)
            err = tell_while_viewed(a);
        if (err && err != ED_ECANCELED) {
            ed_log_warn("live figures: %s", ed_err_text(err));
            if (ed_sleep(INTERVAL))
                break;
            ed_event_set(&a->live.viewed); /* they still look */
        }
    }
    return err;
}

int ed_admin_live_run(void *arg)
{
    /* The loop's own is shared with whoever else uses it: what is rewound
     * here must be nobody else's. */
    ed_arena *arena = ed_arena_new(0);
    if (!arena)
        return ED_ENOMEM;
    ed_arena *before = ed_fiber_use_arena(arena);
    int err = run(arg);
    ed_fiber_use_arena(before);
    ed_arena_free(arena);
    return err;
}

static int live(ed_req *req)
{
    struct ed_admin *a = ed_admin_of(req);
    struct ed_bytes message;
    ed_ws *ws;
    int err = ed_ws_accept(req, &ws);

    if (err)
        return err;
    err = ed_room_join(a->live.room, ws);
    if (err == ED_ELIMIT)
        return ed_ws_close(ws, ED_WS_TRY_LATER, "too many look already");
    ed_event_set(&a->live.viewed);
    while (!err)
        err = ed_ws_recv(ws, &message); /* nothing that is said matters */
    return err == ED_ECLOSED ? 0 : err;
}

void ed_admin_live_routes(ed_app *app)
{
    ed_route(app, "GET /v1/live", live);
}
