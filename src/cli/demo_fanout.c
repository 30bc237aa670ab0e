/*
 * demo_fanout.c - GET /fanout: the same page made twice, by calling many slow
 * services one after the other and all at once.
 *
 * Owns the plan of a page (which service is asked to take how long) and its
 * measured runs. Both runs make the same calls, at the same time, in this one
 * thread: they wait, and waiting keeps nobody from anything.
 */
#include "demo.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <eddy/app.h>
#include <eddy/client.h>
#include <eddy/fiber.h>

#define MS_MIN 1
#define MS_MAX 1000

/* A call that takes next to nothing would make a bar nobody sees. */
#define SPREAD_MAX 90 /* percent */

#define CALLS_DEFAULT  20
#define MS_DEFAULT     100
#define SPREAD_DEFAULT 20

/* On top of what the services were asked to take: a busy machine is no reason
 * to fail. */
#define PATIENCE (10 * ED_S)

/* ---- making it ---- */

static int note_call(struct demo_call *call, const ed_res *res)
{
    struct ed_res_timing timing;

    ed_res_timing(res, &timing);
    call->status = ed_res_status(res);
    call->connected = timing.reused ? call->start : timing.connected;
    call->first_byte = timing.first_byte;
    call->end = timing.done;
    return demo_live_call_ends(call);
}

static int begin_call(struct demo_call *call)
{
    call->start = ed_now();
    return demo_live_call_begins(call);
}

/* [call] */
static int make_call(void *arg)
{
    struct demo_call *call = arg;
    ed_res *res;
    int err = begin_call(call);

    if (!err)
        err = ed_get(&res, call->url);
    return err ? err : note_call(call, res);
}
/* [/call] */

/* [in-turn] */
static int one_after_the_other(void *arg)
{
    struct demo_run *run = arg;
    int err = 0;

    for (int i = 0; i < run->page->calls && !err; i++)
        err = make_call(&run->calls[i]);
    return err;
}
/* [/in-turn] */

/* [at-once] */
static int all_at_once(void *arg)
{
    struct demo_run *run = arg;

    ed_scope(calls);
    for (int i = 0; i < run->page->calls; i++)
        ed_go(calls, make_call, &run->calls[i]);
    return ed_wait(calls);
}
/* [/at-once] */

static int make_run(void *arg)
{
    struct demo_run *run = arg;
    int err;

    run->began = ed_now();
    err = run->make(run);
    run->ended = ed_now();
    return err ? err : demo_live_run_ends(run);
}

static int make_page(struct demo_page *page)
{
    ed_scope(both, .within = page->planned_ms * ED_MS + PATIENCE);

    for (int i = 0; i < DEMO_RUNS; i++)
        if (page->runs[i].wanted)
            ed_go(both, make_run, &page->runs[i]);
    return ed_wait(both);
}

double demo_ms(const struct demo_run *run, int64_t time)
{
    return (double)(time - run->began) / ED_MS;
}

/* ---- planning it ---- */

static int choose_runs(struct demo_page *page, const char *mode)
{
    bool both = !mode || !strcmp(mode, "both");
    bool any = both;

    for (int i = 0; i < DEMO_RUNS; i++) {
        struct demo_run *run = &page->runs[i];

        run->page = page;
        run->wanted = both || !strcmp(mode, run->mode);
        any |= run->wanted;
    }
    if (!any)
        return ed_fail(ED_EBADREQ,
                       "mode=%s is none of sequential, parallel and both",
                       mode);
    return 0;
}

/* Both runs ask the same service for the same delay in the same place. */
static void plan_call(struct demo_page *page, int i, uint32_t dice)
{
    int64_t swing = (int64_t)page->ms * page->spread;
    int64_t delay =
        page->ms * 100 - swing + (swing ? dice % (uint64_t)(2 * swing + 1) : 0);
    int delay_ms = (int)((delay + 50) / 100);
    int service = i % page->services->count;

    page->planned_ms += delay_ms;
    for (int r = 0; r < DEMO_RUNS; r++) {
        struct demo_call *call = &page->runs[r].calls[i];

        call->run = &page->runs[r];
        call->number = i + 1;
        call->service = service + 1;
        snprintf(call->url, sizeof call->url, "http://%s/?ms=%d",
                 page->services->each[service].address, delay_ms);
    }
}

/* Reads what is wanted from the query. ED_EBADREQ with the reason. */
static int plan_page(ed_req *req, struct demo_page *page)
{
    uint32_t dice[DEMO_CALLS_MAX] = {0};
    int64_t n, ms, spread;
    int err = ed_query_int(req, "n", 1, DEMO_CALLS_MAX, CALLS_DEFAULT, &n);

    if (!err)
        err = ed_query_int(req, "ms", MS_MIN, MS_MAX, MS_DEFAULT, &ms);
    if (!err)
        err =
            ed_query_int(req, "spread", 0, SPREAD_MAX, SPREAD_DEFAULT, &spread);
    if (!err)
        err = choose_runs(page, ed_query(req, "mode"));
    if (err)
        return err;

    page->calls = (int)n;
    page->ms = (int)ms;
    page->spread = (int)spread;
    /* Should it fail, every call takes the shortest time: still a page. */
    (void)!getrandom(dice, sizeof dice, GRND_NONBLOCK);
    for (int i = 0; i < page->calls; i++)
        plan_call(page, i, dice[i]);
    return 0;
}

/* ---- answering ---- */

enum form { FORM_TEXT, FORM_JSON, FORM_EVENTS, FORMS };

static const struct {
    const char *name;
    const char *type;
} forms[FORMS] = {
    [FORM_TEXT] = {"text", "text/plain"},
    [FORM_JSON] = {"json", "application/json"},
    [FORM_EVENTS] = {"events", "text/event-stream"},
};

/* By ?format=, else by the Accept field, else as text. */
static int choose_form(ed_req *req, enum form *form)
{
    const char *name = ed_query(req, "format");
    const char *accept = ed_header(req, "Accept");

    *form = FORM_TEXT;
    for (int i = 0; i < FORMS; i++) {
        if (name ? !strcmp(name, forms[i].name)
                 : accept && strstr(accept, forms[i].type)) {
            *form = i;
            return 0;
        }
    }
    if (name)
        return ed_fail(ED_EBADREQ, "format=%s is none of text, json and events",
                       name);
    return 0;
}

/* A browser that is led here gets the page, which then asks for events. */
static bool wants_page(ed_req *req)
{
    const char *accept = ed_header(req, "Accept");
    return !ed_query(req, "format") && accept && strstr(accept, "text/html");
}

static int refuse(ed_req *req, enum form form)
{
    if (form == FORM_JSON)
        return ed_reply_json(req, 400, "{s:i, s:s}", "status", 400, "error",
                             ed_error());
    return ed_reply(req, 400, "%s\n", ed_error());
}

static int answer_live(struct demo_page *page)
{
    int err = demo_live_plan(page);

    if (err)
        return err;
    return demo_live_end(page, make_page(page));
}

static int answer_whole(ed_req *req, struct demo_page *page, enum form form)
{
    int err = make_page(page);

    if (err)
        return err;
    return form == FORM_JSON ? demo_report_json(req, page)
                             : demo_report_text(req, page);
}

static struct demo_page *new_page(ed_req *req)
{
    struct demo_page *page = ed_arena_zalloc(ed_req_arena(req), sizeof *page);

    if (!page)
        return NULL;
    page->services = services_of(req);
    page->runs[DEMO_SEQUENTIAL] =
        (struct demo_run){.mode = "sequential",
                          .name = "one after the other",
                          .make = one_after_the_other};
    page->runs[DEMO_PARALLEL] = (struct demo_run){
        .mode = "parallel", .name = "all at once", .make = all_at_once};
    return page;
}

int demo_fanout(ed_req *req)
{
    enum form form;

    ed_reply_header(req, "Vary", "Accept");
    if (wants_page(req))
        return demo_send_file(req);
    struct demo_page *page = new_page(req);
    if (!page)
        return ED_ENOMEM;
    if (choose_form(req, &form) || plan_page(req, page))
        return refuse(req, form);
    if (form != FORM_EVENTS)
        return answer_whole(req, page, form);
    page->live = req;
    return answer_live(page);
}
