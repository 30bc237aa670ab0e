/*
 * demo_report.c - what a page took, told in three ways: as text with bars for
 * a terminal, as JSON, and call by call while it happens as server-sent
 * events, which the demo's own page draws.
 *
 * All times are milliseconds since the run began.
 */
#include "demo.h"

#include <stdio.h>
#include <string.h>
#include <eddy/error.h>
#include <eddy/fiber.h>

/* Room for the text of one call, and of one event about it. */
#define CALL_TEXT 256

/* ---- what text and JSON share ---- */

static double total_ms(const struct demo_run *run)
{
    return demo_ms(run, run->ended);
}

static bool has_both(const struct demo_page *page)
{
    return page->runs[DEMO_SEQUENTIAL].wanted &&
           page->runs[DEMO_PARALLEL].wanted;
}

/* The longest run: what a full line of bars stands for. */
static double longest_ms(const struct demo_page *page)
{
    double longest = 0;

    for (int i = 0; i < DEMO_RUNS; i++)
        if (page->runs[i].wanted && total_ms(&page->runs[i]) > longest)
            longest = total_ms(&page->runs[i]);
    return longest;
}

static double slowest_call_ms(const struct demo_run *run)
{
    int64_t slowest = 0;

    for (int i = 0; i < run->page->calls; i++) {
        int64_t time = run->calls[i].end - run->calls[i].start;

        if (time > slowest)
            slowest = time;
    }
    return (double)slowest / ED_MS;
}

static double speedup(const struct demo_page *page)
{
    return total_ms(&page->runs[DEMO_SEQUENTIAL]) /
           total_ms(&page->runs[DEMO_PARALLEL]);
}

/* ---- text ---- */

#define BAR_COLUMNS 56 /* a line then fits 80 */
#define BAR_PARTS   8  /* eighths of a column, left to right */

/* A bar from `start` to `end`, of a whole line's `full`; 3 bytes a block. */
static void draw_bar(char out[3 * BAR_COLUMNS + 4], double start, double end,
                     double full)
{
    /* From nothing to a full block; in the first one a bar begins at its
     * left edge, as no character fills one from the right. */
    static const char *const blocks[BAR_PARTS + 1] = {"",  "▏", "▎", "▍", "▌",
                                                      "▋", "▊", "▉", "█"};
    int from = (int)(start / full * BAR_COLUMNS);
    int to = (int)(end / full * BAR_COLUMNS * BAR_PARTS + 0.5);
    int parts = to - from * BAR_PARTS;

    if (from > BAR_COLUMNS - 1)
        from = BAR_COLUMNS - 1;
    if (parts < 1)
        parts = 1;
    if (parts > (BAR_COLUMNS - from) * BAR_PARTS)
        parts = (BAR_COLUMNS - from) * BAR_PARTS;

    memset(out, ' ', (size_t)from);
    out += from;
    for (; parts > 0; parts -= BAR_PARTS)
        out = stpcpy(out, blocks[parts < BAR_PARTS ? parts : BAR_PARTS]);
}

static int write_run(ed_req *req, const struct demo_run *run, double full)
{
    char bar[3 * BAR_COLUMNS + 4];
    int err = ed_write(req, "\n%-61s %8.0f ms\n", run->name, total_ms(run));

    for (int i = 0; i < run->page->calls && !err; i++) {
        const struct demo_call *call = &run->calls[i];

        draw_bar(bar, demo_ms(run, call->start), demo_ms(run, call->end), full);
        err = ed_write(req, "%3d  service %-2d  %s\n", call->number,
                       call->service, bar);
    }
    return err;
}

int demo_report_text(ed_req *req, const struct demo_page *page)
{
    const struct demo_run *parallel = &page->runs[DEMO_PARALLEL];
    int err = ed_write(req, "%d calls of about %d ms to %d services\n",
                       page->calls, page->ms, page->services->count);

    for (int i = 0; i < DEMO_RUNS && !err; i++)
        if (page->runs[i].wanted)
            err = write_run(req, &page->runs[i], longest_ms(page));
    if (err || !has_both(page))
        return err;
    return ed_write(req,
                    "\nAll at once is %.1f times as fast: as long as the "
                    "slowest call, %.0f ms.\n",
                    speedup(page), slowest_call_ms(parallel));
}

/* ---- JSON ---- */

static void call_json(char out[CALL_TEXT], const struct demo_call *call)
{
    const struct demo_run *run = call->run;

    snprintf(out, CALL_TEXT,
             "{\"call\":%d,\"service\":%d,\"status\":%d,\"start_ms\":%.3f,"
             "\"connected_ms\":%.3f,\"first_byte_ms\":%.3f,\"end_ms\":%.3f}",
             call->number, call->service, call->status,
             demo_ms(run, call->start), demo_ms(run, call->connected),
             demo_ms(run, call->first_byte), demo_ms(run, call->end));
}

static int write_run_json(ed_req *req, const struct demo_run *run)
{
    char text[CALL_TEXT];
    int err = ed_write(req, ",\"%s\":{\"total_ms\":%.3f,\"calls\":[", run->mode,
                       total_ms(run));

    for (int i = 0; i < run->page->calls && !err; i++) {
        call_json(text, &run->calls[i]);
        err = ed_write(req, "%s%s", i ? "," : "", text);
    }
    return err ? err : ed_write(req, "]}");
}

int demo_report_json(ed_req *req, const struct demo_page *page)
{
    int err = ed_reply_header_set(req, "Content-Type", "application/json");

    if (!err)
        err = ed_write(req, "{\"n\":%d,\"ms\":%d,\"spread\":%d", page->calls,
                       page->ms, page->spread);
    for (int i = 0; i < DEMO_RUNS && !err; i++)
        if (page->runs[i].wanted)
            err = write_run_json(req, &page->runs[i]);
    if (!err && has_both(page))
        err = ed_write(req, ",\"speedup\":%.2f", speedup(page));
    return err ? err : ed_write(req, "}\n");
}

/* ---- events ---- */

/* One event; the calls that tell them take turns, should the client be slow
 * to listen. */
static int say(struct demo_page *page, const char *event, const char *data)
{
    ed_mutex *held ED_MUTEX_AUTO = NULL;
    int err = ed_mutex_hold(&page->talking, &held);

    if (err)
        return err;
    return ed_write(page->live, "event: %s\ndata: %s\n\n", event, data);
}

int demo_live_plan(struct demo_page *page)
{
    char data[CALL_TEXT];
    int err =
        ed_reply_header_set(page->live, "Content-Type", "text/event-stream");

    if (!err)
        err = ed_reply_header_set(page->live, "Cache-Control", "no-store");
    if (err)
        return err;
    snprintf(data, sizeof data, "{\"n\":%d,\"services\":%d,\"planned_ms\":%d}",
             page->calls, page->services->count, page->planned_ms);
    return say(page, "plan", data);
}

int demo_live_call_begins(struct demo_call *call)
{
    struct demo_run *run = call->run;
    char data[CALL_TEXT];

    if (!run->page->live)
        return 0;
    snprintf(data, sizeof data,
             "{\"mode\":\"%s\",\"call\":%d,\"service\":%d,\"start_ms\":%.3f}",
             run->mode, call->number, call->service, demo_ms(run, call->start));
    return say(run->page, "begin", data);
}

int demo_live_call_ends(struct demo_call *call)
{
    char data[CALL_TEXT + 64];
    char text[CALL_TEXT];

    if (!call->run->page->live)
        return 0;
    call_json(text, call);
    snprintf(data, sizeof data, "{\"mode\":\"%s\",\"timing\":%s}",
             call->run->mode, text);
    return say(call->run->page, "call", data);
}

int demo_live_run_ends(struct demo_run *run)
{
    char data[CALL_TEXT];

    if (!run->page->live)
        return 0;
    snprintf(data, sizeof data,
             "{\"mode\":\"%s\",\"total_ms\":%.3f,\"slowest_ms\":%.3f}",
             run->mode, total_ms(run), slowest_call_ms(run));
    return say(run->page, "done", data);
}

/* The detail of a failure stays in the log, as for any reply. */
int demo_live_end(struct demo_page *page, int err)
{
    char data[CALL_TEXT];

    if (!err)
        return say(page, "end", "{}");
    snprintf(data, sizeof data, "{\"status\":%d,\"error\":\"%s\"}",
             ed_err_status(err), ed_err_text(err));
    return say(page, "failed", data);
}
