/*
 * demo_wsgi.c - GET /wsgi: a Flask page of many calls, made by three servers at
 * the same moment.
 *
 * The calls come back to the demo itself, as GET /wsgi/service: so it sees when
 * each begins and ends, and nothing has to be measured in the page. A page has
 * a number, by which a call is found to belong to a run. Runs that are over, or
 * whose viewer has left, are not found any more, and their calls only wait.
 */
#include "cli/demo_wsgi.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <eddy/app.h>
#include <eddy/bytes.h>
#include <eddy/client.h>
#include <eddy/error.h>
#include <eddy/fiber.h>
#include "cli/demo.h"

#define CALLS_MAX     20
#define CALLS_DEFAULT 20
#define MS_MIN        1
#define MS_MAX        300
#define MS_DEFAULT    100
#define VISITORS_MAX  5

/* On top of pages one after the other. */
#define PATIENCE (10 * ED_S)

/* Of a page that is made before the run, and how often. */
#define FIRST_MS    60
#define FIRST_TRIES 12

/* Twice the slowest call: a service that is asked for more refuses. */
#define DELAY_MAX_MS 600

enum { CALL_MAX = 1000 }; /* the number of a call, whoever makes it */

struct visit {
    struct lane *lane;
    unsigned page;
};

/* One server's part of a run. */
struct lane {
    struct demo_run_of_wsgi *run;
    struct demo_wsgi_server *server;
    bool ready;
    int err;
    int64_t began, ended;
    unsigned first_page;
    struct visit visits[VISITORS_MAX];
};

struct demo_run_of_wsgi {
    struct demo_run_of_wsgi *next;
    struct demo_wsgi *wsgi;
    int calls, ms, visitors;
    bool live; /* there is somebody who hears of each call */
    bool over;
    struct ed_buf news;
    ed_event told;
    struct lane lanes[DEMO_WAYS];
};

/* ---- telling ---- */

/* Appends an event for the fiber that sends them. What there is no memory for
 * is not told. */
__attribute__((format(printf, 3, 4))) static void tell(
    struct demo_run_of_wsgi *run, const char *event, const char *fmt, ...)
{
    va_list args;
    int err;

    if (!run->live)
        return;
    err = ed_buf_addf(&run->news, "event: %s\ndata: ", event);
    va_start(args, fmt);
    if (!err)
        err = ed_buf_vaddf(&run->news, fmt, args);
    va_end(args);
    if (!err)
        err = ed_buf_add(&run->news, "\n\n", 2);
    (void)err;
    ed_event_set(&run->told);
}

static double ms_of(const struct lane *lane, int64_t time)
{
    return (double)(time - lane->began) / ED_MS;
}

/* What a server says is put into JSON: no quotes, no backslashes. */
static void plain_words(const char *said, char out[160])
{
    size_t len = 0;

    for (; *said && len < 159; said++)
        if (*said != '"' && *said != '\\')
            out[len++] = *said;
    out[len] = '\0';
}

static void tell_failure(const struct lane *lane)
{
    char said[160];

    plain_words(lane->ready ? ed_err_text(lane->err) : lane->server->said,
                said);
    tell(lane->run, "missing",
         "{\"mode\":\"%s\",\"why\":\"%s\",\"packages\":\"%s\"}",
         lane->server->way->mode, said,
         lane->ready ? "" : lane->server->way->packages);
}

/* ---- the service ---- */

static struct lane *find_lane(struct demo_wsgi *wsgi, unsigned page)
{
    for (struct demo_run_of_wsgi *run = wsgi->runs; run; run = run->next)
        for (int i = 0; i < DEMO_WAYS; i++)
            if (page - run->lanes[i].first_page < (unsigned)run->visitors)
                return &run->lanes[i];
    return NULL;
}

/* The row of a call: those of a page are together. */
static int row_of(const struct lane *lane, unsigned page, int call)
{
    return (int)(page - lane->first_page) * lane->run->calls + call;
}

static void tell_begin(struct demo_wsgi *wsgi, unsigned page, int call)
{
    const struct lane *lane = find_lane(wsgi, page);

    if (lane)
        tell(lane->run, "begin",
             "{\"mode\":\"%s\",\"call\":%d,\"start_ms\":%.3f}",
             lane->server->way->mode, row_of(lane, page, call),
             ms_of(lane, ed_now()));
}

static void tell_end(struct demo_wsgi *wsgi, unsigned page, int call,
                     int64_t began)
{
    const struct lane *lane = find_lane(wsgi, page);

    if (lane && began >= lane->began)
        tell(lane->run, "call",
             "{\"mode\":\"%s\",\"call\":%d,\"start_ms\":%.3f,\"end_ms\":%.3f}",
             lane->server->way->mode, row_of(lane, page, call),
             ms_of(lane, began), ms_of(lane, ed_now()));
}

int demo_wsgi_service(ed_req *req)
{
    struct demo_wsgi *wsgi = wsgi_of(req);
    int64_t ms, page, call, began = ed_now();
    int err = ed_query_int(req, "ms", 0, DELAY_MAX_MS, 0, &ms);

    if (!err)
        err = ed_query_int(req, "page", 0, UINT32_MAX, 0, &page);
    if (!err)
        err = ed_query_int(req, "call", 1, CALL_MAX, 1, &call);
    if (err)
        return err;
    tell_begin(wsgi, (unsigned)page, (int)call);
    err = ed_sleep(ms * ED_MS);
    if (err)
        return err;
    tell_end(wsgi, (unsigned)page, (int)call, began);
    return ed_reply(req, 200, "%lld ms later\n", (long long)ms);
}

/* ---- making pages ---- */

static int visit(void *arg)
{
    const struct visit *visit = arg;
    const struct demo_run_of_wsgi *run = visit->lane->run;
    char url[128];
    ed_res *res;
    int err;

    snprintf(url, sizeof url, "%s/?n=%d&ms=%d&page=%u",
             visit->lane->server->url, run->calls, run->ms, visit->page);
    err = ed_get(&res, url);
    if (err)
        return err;
    return ed_res_status(res) == 200 ? 0 : ED_EPROTO;
}

/* A failure is this server's alone. */
static int make_pages(void *arg)
{
    struct lane *lane = arg;
    ed_scope(visitors);

    lane->began = ed_now();
    for (int i = 0; i < lane->run->visitors; i++)
        ed_go(visitors, visit, &lane->visits[i]);
    lane->err = ed_wait(visitors);
    lane->ended = ed_now();
    if (lane->err)
        tell_failure(lane);
    else
        tell(lane->run, "done", "{\"mode\":\"%s\",\"total_ms\":%.3f}",
             lane->server->way->mode, ms_of(lane, lane->ended));
    return 0;
}

static int first_page(void *arg)
{
    const struct lane *lane = arg;
    char url[80];
    ed_res *res;
    int err;

    snprintf(url, sizeof url, "%s/?n=1&ms=%d", lane->server->url, FIRST_MS);
    err = ed_get(&res, url);
    if (!err && ed_res_status(res) != 200)
        err = ED_EPROTO;
    return err;
}

static int first_pages(struct lane *lane)
{
    ed_scope(pages);

    for (int i = 0; i < DEMO_WORKERS; i++)
        ed_go(pages, first_page, lane);
    return ed_wait(pages);
}

/* Until a page of each worker takes as long as one: then all of them have
 * loaded everything. Whatever else keeps the machine busy ends it, too. */
static int warm_up(struct lane *lane)
{
    int err = 0;

    for (int i = 0; i < FIRST_TRIES && !err; i++) {
        int64_t began = ed_now();

        err = first_pages(lane);
        if (ed_now() - began < 3 * FIRST_MS * ED_MS / 2)
            break;
    }
    return err;
}

static int make_ready(void *arg)
{
    struct lane *lane = arg;

    lane->err = demo_wsgi_server_need(lane->server);
    if (!lane->err)
        lane->err = warm_up(lane);
    lane->ready = !lane->err;
    if (lane->err)
        tell_failure(lane);
    return 0;
}

static int on_lanes(struct demo_run_of_wsgi *run, ed_fn *fn)
{
    ed_scope(lanes);

    for (int i = 0; i < DEMO_WAYS; i++)
        if (!run->lanes[i].err)
            ed_go(lanes, fn, &run->lanes[i]);
    return ed_wait(lanes);
}

/* All begin when the last server is ready. */
static int make_all(void *arg)
{
    struct demo_run_of_wsgi *run = arg;
    int64_t longest = (int64_t)run->calls * run->ms * run->visitors * ED_MS;
    int err = on_lanes(run, make_ready);

    if (!err) {
        ed_scope(bounded, .within = longest + PATIENCE);
        tell(run, "plan", "{\"calls\":%d,\"ms\":%d,\"visitors\":%d}",
             run->calls, run->ms, run->visitors);
        err = on_lanes(run, make_pages);
    }
    run->over = true;
    ed_event_set(&run->told);
    return err;
}

/* ---- answering ---- */

static int send_news(ed_req *req, struct demo_run_of_wsgi *run)
{
    int err = 0;

    while (!err && (!run->over || run->news.len)) {
        struct ed_buf now = run->news;

        if (!now.len) {
            err = ed_event_wait(&run->told);
            ed_event_clear(&run->told);
            continue;
        }
        run->news = (struct ed_buf){0};
        err = ed_write_bytes(req, ed_buf_bytes(&now));
        ed_buf_free(&now);
    }
    return err;
}

static int answer_live(ed_req *req, struct demo_run_of_wsgi *run)
{
    int err = ed_reply_header_set(req, "Content-Type", "text/event-stream");

    if (!err)
        err = ed_reply_header_set(req, "Cache-Control", "no-store");
    if (err)
        return err;
    ed_scope(making);
    ed_go(making, make_all, run);
    err = send_news(req, run);
    if (!err)
        err = ed_wait(making);
    return err ? err : ed_write(req, "event: end\ndata: {}\n\n");
}

#define BAR_COLUMNS 40

static int write_lane(ed_req *req, const struct lane *lane, double longest)
{
    const struct demo_way *way = lane->server->way;
    double ms = ms_of(lane, lane->ended);
    int columns = (int)(ms / longest * BAR_COLUMNS + .5);
    int err;

    if (lane->err)
        return ed_write(req, "%-9s %-12s %s (%s)\n", way->mode, way->view,
                        lane->ready ? ed_err_text(lane->err)
                                    : lane->server->said,
                        way->packages);
    err = ed_write(req, "%-9s %-12s %6.0f ms  ", way->mode, way->view, ms);
    for (int i = 0; i < columns + !columns && !err; i++)
        err = ed_write(req, "█");
    return err ? err : ed_write(req, "\n");
}

static int answer_text(ed_req *req, struct demo_run_of_wsgi *run)
{
    double longest = 1;
    int err = make_all(run);

    if (!err)
        err = ed_write(req, "A Flask page of %d calls of %d ms, %d at once\n\n",
                       run->calls, run->ms, run->visitors);
    for (int i = 0; i < DEMO_WAYS; i++)
        if (!run->lanes[i].err &&
            ms_of(&run->lanes[i], run->lanes[i].ended) > longest)
            longest = ms_of(&run->lanes[i], run->lanes[i].ended);
    for (int i = 0; i < DEMO_WAYS && !err; i++)
        err = write_lane(req, &run->lanes[i], longest);
    return err;
}

static int read_query(ed_req *req, struct demo_run_of_wsgi *run)
{
    const char *format = ed_query(req, "format");
    int64_t calls, ms, visitors;
    int err = ed_query_int(req, "n", 1, CALLS_MAX, CALLS_DEFAULT, &calls);

    if (!err)
        err = ed_query_int(req, "ms", MS_MIN, MS_MAX, MS_DEFAULT, &ms);
    if (!err)
        err = ed_query_int(req, "visitors", 1, VISITORS_MAX, 1, &visitors);
    if (err)
        return err;
    if (format && strcmp(format, "events") && strcmp(format, "text"))
        return ed_fail(ED_EBADREQ, "format=%s is none of text and events",
                       format);
    run->live = format && !strcmp(format, "events");
    run->calls = (int)calls;
    run->ms = (int)ms;
    run->visitors = (int)visitors;
    return 0;
}

static void enlist(struct demo_wsgi *wsgi, struct demo_run_of_wsgi *run)
{
    run->wsgi = wsgi;
    for (int i = 0; i < DEMO_WAYS; i++) {
        struct lane *lane = &run->lanes[i];

        lane->run = run;
        lane->server = &wsgi->servers[i];
        lane->first_page = wsgi->pages + 1; /* 0 is a page of somebody else's */
        for (int j = 0; j < run->visitors; j++)
            lane->visits[j] = (struct visit){lane, ++wsgi->pages};
    }
    run->next = wsgi->runs;
    wsgi->runs = run;
}

static void strike_off(struct demo_run_of_wsgi *run)
{
    struct demo_run_of_wsgi **at = &run->wsgi->runs;

    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
    ed_buf_free(&run->news);
}

static bool wants_page(ed_req *req)
{
    const char *accept = ed_header(req, "Accept");
    return !ed_query(req, "format") && accept && strstr(accept, "text/html");
}

int demo_wsgi_page(ed_req *req)
{
    struct demo_run_of_wsgi *run;
    int err;

    ed_reply_header(req, "Vary", "Accept");
    if (wants_page(req))
        return demo_send_file(req);
    run = ed_arena_zalloc(ed_req_arena(req), sizeof *run);
    if (!run)
        return ED_ENOMEM;
    if (read_query(req, run))
        return ed_reply(req, 400, "%s\n", ed_error());
    enlist(wsgi_of(req), run);
    err = run->live ? answer_live(req, run) : answer_text(req, run);
    strike_off(run);
    return err;
}
