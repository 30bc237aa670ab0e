/*
 * telemetry.c - what a worker tells others of its requests.
 *
 * Owns what there is for each purpose, NULL where the settings ask for none,
 * and makes spans and lines of requests. Names of attributes are those of
 * OpenTelemetry's conventions for HTTP (semantic conventions 1.23 and later).
 */
#include "serve/telemetry.h"
#include "app/access_format.h"
#include "app/access_sink.h"
#include "base/backoff.h"
#include "http/fetch_span.h"
#include "http/trace.h"
#include "net/addr.h"
#include "serve/otlp.h"
#include "serve/statsd.h"
#include "wire/traceparent.h"
#include "wire/url.h"

#include <eddy/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct ed_telemetry {
    ed_loop *loop;
    ed_app *app;
    struct ed_otlp *otlp;
    struct ed_statsd *statsd;
    struct ed_access_sink *lines;
    struct ed_access_format *format;

    uint64_t chance; /* of a trace, of 2^64 */
    bool always;
    uint64_t random;

    int64_t realtime; /* what ed_now() has to be added to, for that */
    int64_t realtime_until;
};

/* The time since 1970 of a time of the loop's. To ask for both clocks with each
 * request would cost more than all else that is done here for most. */
static int64_t since_1970(struct ed_telemetry *t, int64_t at)
{
    int64_t now = ed_now();

    if (now >= t->realtime_until) {
        t->realtime = ed_clock_realtime() - ed_loop_now_exact(t->loop);
        t->realtime_until = now + ED_S;
    }
    return t->realtime + at;
}

/* ---- which requests are traced ---- */

/* Good enough for chance: xorshift64 (Marsaglia, 2003). */
static bool is_drawn(struct ed_telemetry *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->always || t->random < t->chance;
}

static void set_chance(struct ed_telemetry *t, double share)
{
    t->always = share >= 1;
    if (share > 0 && share < 1)
        t->chance = (uint64_t)(share * 0x1p64);
    t->random = (uint64_t)(ed_chance() * 0x1p53) | 1;
}

void ed_telemetry_began(struct ed_telemetry *t, ed_req *req)
{
    /* Without memory for a trace there is none. */
    if (t->otlp && is_drawn(t))
        (void)!ed_req_trace_begin(req, true);
}

/* ---- spans ---- */

/* Names, so that those who group by methods are not at a client's mercy. */
static const char *known_method(const char *method)
{
    static const char *const known[] = {
        "GET",     "POST",    "PUT",   "DELETE", "HEAD",
        "OPTIONS", "CONNECT", "TRACE", "PATCH",
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!strcmp(method, known[i]))
            return known[i];
    }
    return NULL;
}

static void add_method(ed_json *j, const char *method)
{
    const char *known = known_method(method);

    ed_otlp_text(j, "http.request.method", ed_bytes(known ? known : "_OTHER"));
    if (!known)
        ed_otlp_text(j, "http.request.method_original", ed_bytes(method));
}

/* "shop.example:8080", with the port that the scheme has otherwise. */
static void add_host(ed_json *j, const char *host, bool secure)
{
    bool bracket = *host == '[';
    const char *end = bracket ? strchr(host, ']') : strchr(host, ':');
    struct ed_bytes name = ed_bytes(host + bracket);
    int64_t port = secure ? 443 : 80;

    if (end) {
        const char *colon = strchr(end, ':');
        name.len = (size_t)(end - name.ptr);
        if (colon && ed_bytes_int(ed_bytes(colon + 1), &port))
            return;
    }
    if (!name.len)
        return;
    ed_otlp_text(j, "server.address", name);
    ed_otlp_int(j, "server.port", port);
}

/* `is_bad`: that status says it is this side that failed. */
static void add_outcome(ed_json *j, int status, bool is_bad, int err)
{
    char text[8];

    if (status)
        ed_otlp_int(j, "http.response.status_code", status);
    snprintf(text, sizeof text, "%d", status);
    if (status && is_bad)
        ed_otlp_text(j, "error.type", ed_bytes(text));
    else if (err)
        ed_otlp_text(j, "error.type", ed_bytes(ed_err_name(err)));
}

static void add_request(ed_json *j, ed_req *req, const char *route)
{
    char peer[ED_ADDR_TEXT];
    const char *agent = ed_header(req, "User-Agent");
    const char *version = req->version == 10   ? "1.0"
                          : req->version == 11 ? "1.1"
                                               : "2";

    add_method(j, ed_req_method(req));
    ed_otlp_text(j, "url.path", ed_bytes(ed_req_path(req)));
    ed_otlp_text(j, "url.scheme", ed_bytes(ed_req_scheme(req)));
    ed_otlp_text(j, "http.route", ed_bytes(route));
    add_host(j, ed_req_host(req), !strcmp(ed_req_scheme(req), "https"));
    ed_otlp_text(j, "client.address", ed_access_peer(ed_req_peer(req), peer));
    ed_otlp_text(j, "network.protocol.version", ed_bytes(version));
    ed_otlp_text(j, "user_agent.original", ed_bytes(agent));
}

static void add_server_span(struct ed_telemetry *t, ed_req *req, int status,
                            int err, int64_t took, const char *route)
{
    const struct ed_trace *trace = req->trace;
    const char *method = known_method(ed_req_method(req));
    struct ed_json json;

    if (!ed_otlp_begin(t->otlp, &json,
                       &(struct ed_span){
                           .kind = ED_SPAN_SERVER,
                           .trace = trace,
                           .id = trace->span,
                           .parent = trace->parent,
                           .parent_is_remote = true,
                           .name = {method ? method : "HTTP", route},
                           .began = since_1970(t, req->came),
                           .took = took,
                           .failed = status >= 500 ||
                                     (err && status != ED_STATUS_CLIENT_LEFT),
                       }))
        return;
    add_request(&json, req, route);
    add_outcome(&json, status == ED_STATUS_CLIENT_LEFT ? 0 : status,
                status >= 500, err);
    ed_otlp_end(t->otlp, &json);
}

static void trace_request(struct ed_telemetry *t, ed_req *req, int status,
                          int err, int64_t took)
{
    struct ed_buf route = {0};

    /* Without memory for its route it has none. */
    if (req->route)
        (void)!ed_route_add_path(&route, req->route);
    add_server_span(t, req, status, err, took, route.ptr);
    ed_buf_free(&route);
}

static bool is_traced(ed_req *req)
{
    const struct ed_trace *trace = ed_req_trace(req);

    return trace && (trace->flags & ED_TRACE_SAMPLED);
}

/* ---- fetches ---- */

/* What stands behind a '?' may be secret, and is not told. */
static void add_url(ed_json *j, const char *text)
{
    const char *why;
    struct ed_url url;

    ed_otlp_text(j, "url.full", ed_bytes_of(text, strcspn(text, "?#")));
    if (ed_url_parse(&url, ed_bytes(text), &why) || url.socket.len)
        return;
    ed_otlp_text(j, "server.address", url.host);
    ed_otlp_int(j, "server.port", url.port);
}

static void on_fetch(void *arg, const struct ed_fetch_span *fetch)
{
    struct ed_telemetry *t = arg;
    const char *method = known_method(fetch->method);
    struct ed_json json, *j = &json;
    bool failed = fetch->err || fetch->status >= 400;

    if (!ed_otlp_begin(t->otlp, j,
                       &(struct ed_span){
                           .kind = ED_SPAN_CLIENT,
                           .trace = fetch->trace,
                           .id = fetch->id,
                           .parent = fetch->trace->span,
                           .name = {method ? method : "HTTP"},
                           .began = since_1970(t, fetch->began),
                           .took = fetch->ended - fetch->began,
                           .failed = failed,
                       }))
        return;
    add_method(j, fetch->method);
    add_url(j, fetch->url);
    if (fetch->attempts > 1)
        ed_otlp_int(j, "http.request.resend_count", fetch->attempts - 1);
    add_outcome(j, fetch->status, failed, fetch->err);
    ed_otlp_end(t->otlp, j);
}

/* ---- lines ---- */

static void add_line(struct ed_telemetry *t, const struct ed_access *access)
{
    struct ed_buf *out = ed_access_sink_buffer(t->lines);

    if (!out)
        return;
    if (ed_access_format_add(t->format, access, out))
        ed_access_sink_lost(t->lines);
    else
        ed_access_sink_wrote(t->lines);
}

/* ---- requests that are over ---- */

void ed_telemetry_over(struct ed_telemetry *t, ed_req *req, int status, int err,
                       int64_t took)
{
    int shown = status ? status : ed_access_status(req, err);

    if (t->statsd)
        ed_statsd_request(t->statsd, shown, took);
    if (t->lines)
        add_line(t, &(struct ed_access){
                        .req = req,
                        .came = since_1970(t, req->came),
                        .took = took,
                        .status = shown,
                        .bytes = req->sent_bytes,
                        .cut = err != 0,
                    });
    if (t->otlp && is_traced(req))
        trace_request(t, req, shown, err, took);
}

void ed_telemetry_refused(struct ed_telemetry *t, int status, const char *peer)
{
    if (t->statsd)
        ed_statsd_request(t->statsd, status, -1);
    if (t->lines)
        add_line(t, &(struct ed_access){
                        .peer = peer,
                        .came = since_1970(t, ed_now()),
                        .status = status,
                    });
}

/* ---- life ---- */

static int open_lines(struct ed_telemetry *t, const struct ed_settings *s)
{
    const char *file = strcmp(s->access_log, "-") ? s->access_log : NULL;
    const char *why;
    int err = ed_access_format_read(&t->format, t->app->arena,
                                    s->access_log_format, &why);

    if (err) {
        ed_log_error("access-log-format: %s", why ? why : ed_err_text(err));
        return err;
    }
    t->lines = ed_access_sink_open(t->app, file);
    if (t->lines)
        return 0;
    err = -errno;
    ed_log_error("access-log: %s: %s", file, ed_err_text(err));
    return err;
}

static int open_all(struct ed_telemetry *t, const struct ed_settings *s,
                    const char *program)
{
    const char *service = s->service_name ? s->service_name : program;
    int err = 0;

    if (s->access_log)
        err = open_lines(t, s);
    if (!err && s->statsd)
        err = ed_statsd_open(&t->statsd, s->statsd, s->statsd_prefix);
    if (!err && s->otlp)
        err = ed_otlp_open(&t->otlp, s->otlp, service);
    if (!err && t->otlp)
        ed_fetch_trace(on_fetch, t);
    return err;
}

int ed_telemetry_open(struct ed_telemetry **out,
                      const struct ed_settings *settings, ed_app *app,
                      const char *program)
{
    struct ed_telemetry *t = calloc(1, sizeof *t);

    if (!t)
        return ED_ENOMEM;
    t->loop = ed_loop_current();
    t->app = app;
    set_chance(t, settings->trace_sample);
    int err = open_all(t, settings, program);
    if (err)
        ed_telemetry_close(t);
    else
        *out = t;
    return err;
}

void ed_telemetry_reopen(struct ed_telemetry *t)
{
    /* Each has told what went wrong. */
    (void)ed_access_log_reopen(t->app);
    (void)ed_log_reopen();
}

void ed_telemetry_close(struct ed_telemetry *t)
{
    if (!t)
        return;
    if (t->otlp)
        ed_fetch_trace(NULL, NULL);
    ed_otlp_close(t->otlp);
    ed_statsd_close(t->statsd);
    free(t);
}
