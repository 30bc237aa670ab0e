/*
 * scenarios_parts.c - an app with parts, one mounted in it, limits and a
 * reporter, asked by the client that tests apps.
 *
 * The apps are made once: making one aborts when there is no memory, as a
 * program's beginning may.
 */
#include "scenarios_run.h"

#include "app/sentry_internal.h"

#include <eddy/rate_limit.h>
#include <eddy/testing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the parts ---- */

static int start(void *arg)
{
    (void)arg;
    return ed_sleep(ED_MS);
}

static int stop(void *arg)
{
    (void)arg;
    return ed_sleep(ED_MS);
}

static int context(ed_context *self, void *arg)
{
    (void)arg;
    char *held = malloc(100);
    int err = held ? ed_sleep(ED_MS) : ED_ENOMEM;
    if (!err)
        err = ed_context_ready(self);
    if (!err)
        err = ed_sleep(ED_MS);
    free(held);
    return err;
}

static int task(void *arg)
{
    (void)arg;
    return ed_sleep(INT64_MAX);
}

/* ---- what answers ---- */

static int hello(ed_req *req)
{
    int err = ed_app_background(ed_req_app(req), stop, NULL);
    return err ? err : ed_reply(req, 200, "hello");
}

static int break_down(ed_req *req)
{
    (void)req;
    ed_sentry_breadcrumb("scenario", "about to fail");
    return ed_fail(ED_ECONNECT, "as planned");
}

static int take_envelope(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);
    return err ? err : ed_reply_json(req, 200, "{}");
}

static ed_sentry *reporter; /* of the run */

static int report(ed_req *req, ed_next *next, void *arg)
{
    (void)arg;
    return ed_sentry_reported(req, next, reporter);
}

/* ---- the apps ---- */

static ed_app *make_app(void)
{
    static ed_app *app;
    static ed_rate_limit *limit;
    if (app)
        return app;
    ed_app *outer = ed_app_new();
    ed_app *inner = ed_app_new();
    limit = ed_rate_limit_new(.limit = 1000, .concurrent = 10);
    if (!limit)
        return NULL;
    ed_app_context(outer, start, stop, NULL);
    ed_app_fiber(outer, context, NULL);
    ed_mount(outer, "/in", inner);
    ed_app_background(outer, task, NULL);
    ed_on_shutdown(outer, stop, NULL);
    ed_app_fiber(inner, context, NULL);
    ed_around(outer, report, NULL);
    ed_around(inner, ed_rate_limited, limit);
    ed_route(inner, "GET /hello", hello);
    ed_route(outer, "GET /fail", break_down);
    return app = outer;
}

static ed_app *make_sentry(void)
{
    static ed_app *app;
    if (!app) {
        app = ed_app_new();
        ed_route(app, "POST /api/1/envelope/", take_envelope);
    }
    return app;
}

/* ---- what is asked ---- */

static int get(const ed_test *t, const char *path, int status)
{
    char url[300];
    ed_res *res;
    snprintf(url, sizeof url, "%s%s", ed_test_url(t), path);
    int err = ed_fetch(&res, url, .client = ed_test_client(t));
    if (err)
        return err;
    /* Without memory the app says 503, and that is right. */
    if (ed_res_status(res) == 503)
        return ED_ENOMEM;
    return expect(ed_res_status(res) == status);
}

static void end_test(ed_test **t)
{
    if (*t)
        ed_test_end(*t);
}
#define TEST_AUTO __attribute__((cleanup(end_test)))

int run_parts(void *arg)
{
    (void)arg;
    ed_app *app = make_app();
    if (!app)
        return ED_ENOMEM;
    ed_test *t TEST_AUTO = ed_test_new(app);
    if (!t)
        return ED_ENOMEM;
    int err = get(t, "/in/hello", 200);
    if (!err)
        err = get(t, "/in/none", 404);
    return err ? err : ed_test_advance(t, ED_S);
}

static int report_to(const char *url, struct ed_sentry_counts *counts)
{
    char dsn[300];
    snprintf(dsn, sizeof dsn, "http://key@%s/1", url + strlen("http://"));
    reporter = ed_sentry_new(.dsn = dsn, .log_errors = true);
    ed_app *app = make_app();
    ed_test *t TEST_AUTO = app && reporter ? ed_test_new(app) : NULL;
    if (!t)
        return ED_ENOMEM;
    int err = ed_app_fiber(app, ed_sentry_run, reporter);
    if (!err)
        err = get(t, "/fail", 502);
    if (!err)
        err = ed_test_advance(t, ED_S);
    ed_sentry_counts(reporter, counts);
    return err;
}

int run_sentry(void *arg)
{
    (void)arg;
    struct ed_sentry_counts counts = {0};
    ed_test *sentry TEST_AUTO =
        ed_test_new(make_sentry(), .listen = "127.0.0.1:0");
    if (!sentry)
        return ED_ENOMEM;
    int err = report_to(ed_test_url(sentry), &counts);
    ed_sentry_free(reporter);
    reporter = NULL;
    if (err)
        return err;
    /* What is not sent is counted. */
    return expect(counts.captured == 1 &&
                  counts.sent + counts.failed + counts.overflowed +
                          counts.limited + counts.queued <=
                      1);
}
