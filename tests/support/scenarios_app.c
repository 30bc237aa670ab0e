/*
 * scenarios_app.c - an app with ready-made middleware.
 *
 * The app is made once, before anything is disturbed: setting one up without
 * memory aborts.
 */
#include "scenario_server.h"
#include "scenarios_run.h"

#include <eddy/client.h>
#include <eddy/middleware.h>
#include <eddy/server.h>
#include <stdio.h>
#include <string.h>

enum { LINES = 400 };

#define LINE "a line of a page that is long when it is whole\n"

/* In pieces, with a flush in the middle, and others running. */
static int long_page(ed_req *req)
{
    int err = ed_reply_begin(req, 200, -1);
    for (int i = 0; i < LINES && !err; i++) {
        err = ed_write_bytes(req, ED_BYTES(LINE));
        if (!err && i == LINES / 2)
            err = ed_flush(req);
        if (!err && i % 100 == 0)
            err = ed_yield();
    }
    return err;
}

static int whole_page(ed_req *req)
{
    static char page[LINES * (sizeof LINE - 1) + 1];
    for (int i = 0; i < LINES && !*page; i++)
        memcpy(page + (size_t)i * (sizeof LINE - 1), LINE, sizeof LINE - 1);
    return ed_reply_bytes(req, 200, "text/plain",
                          ed_bytes_of(page, sizeof page - 1));
}

static const char *const codings[] = {"gzip", "br", "zstd"};

enum { CODINGS = sizeof codings / sizeof *codings };

static ed_app *make_app(void)
{
    static const struct ed_basic_user users[] = {{"Ada", "x"}, {NULL, NULL}};
    static ed_app *app;
    if (app)
        return app;
    app = ed_app_new();
    ed_use_access_log(app, .file = "/dev/null");
    ed_use_request_id(app);
    ed_use_cors(app, .origins = "https://shop.example");
    ed_use_security_headers(app, .csp = "script-src 'nonce-{nonce}'");
    ed_use_timeout(app, .within = ED_MIN);
    ed_use_basic_auth(app, .users = users);
    for (size_t i = 0; i < CODINGS; i++) {
        char prefix[16];
        snprintf(prefix, sizeof prefix, "/%s", codings[i]);
        ed_group *group = ed_group_new(app, prefix);
        ed_use_compression(group, .codings = codings[i]);
        ed_use_etag(group);
        ed_group_route(group, "GET /long", long_page);
        ed_group_route(group, "GET /whole", whole_page);
    }
    return app;
}

/* All pages at once, decoded by the client. */
static int fetch_pages(ed_client *client, const char *address)
{
    ed_res *res[2 * CODINGS] = {NULL};
    char url[200];
    struct ed_fetch_options options = {.size = sizeof options,
                                       .client = client,
                                       .user = "Ada",
                                       .password = "x"};
    ed_scope(s, .within = ED_MIN);
    for (size_t i = 0; i < 2 * CODINGS; i++) {
        snprintf(url, sizeof url, "http://%s/%s/%s", address,
                 codings[i % CODINGS], i < CODINGS ? "long" : "whole");
        ed_go_fetch(s, &res[i], url, &options);
    }
    int err = ed_wait(s);
    for (size_t i = 0; i < 2 * CODINGS && !err; i++) {
        if (!res[i]) /* its fiber alone was cancelled */
            return SCENARIO_CORRUPT;
        err = ed_res_status(res[i]) == 200
                  ? expect(ed_res_body(res[i]).len == LINES * (sizeof LINE - 1))
                  : ED_EPROTO;
    }
    return err;
}

int run_middleware(void *arg)
{
    (void)arg;
    return with_server(ed_server_new(ed_app_handle, .user = make_app()),
                       ed_client_new(.max_per_origin = 3), fetch_pages);
}
