/*
 * replay.c - sends made-up messages when they are due.
 */
#include "replay.h"

#include <eddy/clock.h>
#include <eddy/log.h>
#include <eddy/server.h>
#include <eddy/sse.h>
#include <stdio.h>

/* Of the pace, to see that something changes. */
#define WAVE (40 * ED_S)

/* How far back a client may go: enough for some minutes away. */
#define BACKLOG_MAX 10000

/* What a wall begins with, so that it is not empty. */
#define FIRST_SIGHT 60

/* Streams have no end of their own to wait for. */
#define DRAIN_TIMEOUT ED_S

ED_APP_VALUE(struct replay, replay)

/* ---- when a message is due ---- */

/* [due] */
/* Time with a swell in it: what is even comes slower and faster, by a third. */
static int64_t swell(int64_t even)
{
    double x = (double)(even % WAVE) / WAVE;
    return even + (int64_t)(x * (1 - x) * (1 - 2 * x) * WAVE / 2);
}

/* Some time within its own period, so that the pace is not a metronome's. */
static int64_t due(const struct replay *replay, int64_t number)
{
    double late = sample_chance(number) * (double)replay->period;
    return swell(number * replay->period + (int64_t)late);
}

/* The first that is not due yet. */
static int64_t next_number(const struct replay *replay)
{
    int64_t now = ed_clock_realtime();
    int64_t from = (now - WAVE) / replay->period;
    int64_t to = (now + WAVE) / replay->period;

    while (from < to) {
        int64_t middle = from + (to - from) / 2;
        if (due(replay, middle) > now)
            to = middle;
        else
            from = middle + 1;
    }
    return to;
}
/* [/due] */

/* The message to begin with: the one behind that which the client has seen,
 * else as many back as it asks for, but not too many. */
static int first_number(ed_req *req, int64_t *number)
{
    const struct replay *replay = replay_of(req);
    int64_t next = next_number(replay), seen, back;
    int err = ed_query_int(req, "last", 0, BACKLOG_MAX, 0, &back);

    if (err)
        return err;
    *number = next - back;
    if (!ed_bytes_int(ed_bytes(ed_sse_last_id(req)), &seen) && seen < next)
        *number = seen < next - BACKLOG_MAX ? next - BACKLOG_MAX : seen + 1;
    return 0;
}

/* Waits until it is due and makes it; `text` is reused. Suspends. */
static int make_message(const struct replay *replay, int64_t number,
                        struct ed_buf *text)
{
    int64_t at = due(replay, number), wait = at - ed_clock_realtime();
    int err = wait > 0 ? ed_sleep(wait) : ed_cancelled();

    ed_buf_drop(text, text->len);
    return err ? err : sample_message(text, number, at / ED_MS);
}

/* ---- the two ways to have them ---- */

/* GET /events */
static int events(ed_req *req)
{
    struct ed_buf text = {0};
    ed_sse *sse;
    int64_t number;
    int err = first_number(req, &number);

    if (!err)
        err = ed_sse_begin(req, &sse, .retry = ED_S);
    for (; !err && !(err = make_message(replay_of(req), number, &text));
         number++) {
        char id[24];
        snprintf(id, sizeof id, "%lld", (long long)number);
        err = ed_sse_send(sse, .id = id, .data = ed_buf_bytes(&text));
    }
    ed_buf_free(&text);
    return err;
}

/* GET /lines */
static int lines(ed_req *req)
{
    struct ed_buf text = {0};
    int64_t number;
    int err = first_number(req, &number);

    if (ed_app_stopping(ed_req_app(req)))
        return ed_reply(req, 503, "The feed ends.\n");
    if (!err)
        err = ed_reply_header_set(req, "Content-Type", "application/x-ndjson");
    if (!err)
        err = ed_flush(req); /* the head alone: the first line may be late */
    for (; !err && !ed_app_stopping(ed_req_app(req)); number++) {
        err = make_message(replay_of(req), number, &text);
        if (!err)
            err = ed_write(req, "%s\n", text.ptr);
    }
    ed_buf_free(&text);
    return err;
}

/* ---- the app ---- */

static int replay_start(void *arg)
{
    struct replay *replay = arg;
    int64_t rate;

    if (ed_bytes_int(ed_bytes(replay->rate), &rate) || rate < 1 ||
        rate > REPLAY_RATE_MAX)
        return ed_fail(ED_EUSAGE, "--rate %s is not 1 to %d", replay->rate,
                       REPLAY_RATE_MAX);
    replay->period = ED_S / rate;
    return 0;
}

ed_app *replay_app(struct replay *replay)
{
    ed_app *app = ed_app_new();

    replay_set(app, replay);
    ed_app_context(app, replay_start, NULL, replay);
    ed_route(app, "GET /events", events);
    ed_route(app, "GET /lines", lines);
    return app;
}

/* ---- a server of its own ---- */

static int run_server(void *arg)
{
    return ed_server_run(arg);
}

static int listen_here(struct replay *replay)
{
    char address[ED_ADDR_TEXT];
    int err = ed_server_listen(replay->server, "127.0.0.1:0");

    if (err)
        return err;
    ed_server_address(replay->server, 0, address);
    snprintf(replay->url, sizeof replay->url, "http://%s/events?last=%d",
             address, FIRST_SIGHT);
    return 0;
}

static int serve_app(ed_context *self, struct replay *replay, ed_app *app)
{
    replay->server = ed_server_new(ed_app_handle, .user = app,
                                   .drain_timeout = DRAIN_TIMEOUT);
    if (!replay->server)
        return ED_ENOMEM;
    int err = listen_here(replay);
    if (!err) {
        ed_scope(s, .independent = true);
        ed_go(s, run_server, replay->server);
        err = ed_context_ready(self);
        ed_server_stop(replay->server);
        ed_app_shutdown(app);
        if (!err)
            err = ed_wait(s);
    }
    ed_server_free(replay->server);
    return err;
}

static int replay_part(ed_context *self, void *arg)
{
    struct replay *replay = arg;

    if (!replay->wanted)
        return 0;
    ed_app *app = replay_app(replay);
    int err = ed_app_start(app);

    if (!err) {
        err = serve_app(self, replay, app);
        ed_app_stop(app);
    }
    ed_app_free(app);
    return err;
}

void replay_serve(ed_app *app, struct replay *replay)
{
    ed_app_fiber(app, replay_part, replay);
}
