/*
 * test_sentry.c - what is reported to Sentry, what is not, and what becomes of
 * it when Sentry is slow, full or away. The Sentry is an app of ours.
 */
#include "../../fiber_test.h"
#include "app/sentry_internal.h"

#include <eddy/middleware.h>
#include <eddy/testing.h>
#include <eddy/trace.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a Sentry ---- */

/* What it has been sent, and how it answers. */
static struct {
    ed_test *test;
    ed_app *app;
    char dsn[128];
    unsigned count; /* of envelopes */
    json_t *head;   /* of the last */
    json_t *event;
    json_t *losses;
    char auth[256];
    int status;         /* to answer with */
    const char *limits; /* likewise */
    int64_t delay;
} sentry;

static void forget_envelope(void)
{
    json_decref(sentry.head);
    json_decref(sentry.event);
    json_decref(sentry.losses);
    sentry.head = sentry.event = sentry.losses = NULL;
}

/* Reads an item of the length that its head says; false at the end. */
static bool read_item(struct ed_bytes *rest)
{
    if (!rest->ptr || !rest->len)
        return false;
    struct ed_bytes line = ed_bytes_cut(rest, '\n');
    json_t *head = json_loadb(line.ptr, line.len, 0, NULL);
    const char *type = json_string_value(json_object_get(head, "type"));
    size_t len = (size_t)json_integer_value(json_object_get(head, "length"));
    if (!check(type && len < rest->len && rest->ptr[len] == '\n'))
        return false;
    json_t *payload = json_loadb(rest->ptr, len, JSON_REJECT_DUPLICATES, NULL);
    check(payload != NULL);
    *(strcmp(type, "event") ? &sentry.losses : &sentry.event) = payload;
    *rest = ed_bytes_of(rest->ptr + len + 1, rest->len - len - 1);
    json_decref(head);
    return true;
}

static int take_envelope(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);
    if (!err && sentry.delay)
        err = ed_sleep(sentry.delay);
    if (err)
        return err;
    forget_envelope();
    sentry.count++;
    check_text(ed_header(req, "Content-Type"), "application/x-sentry-envelope");
    snprintf(sentry.auth, sizeof sentry.auth, "%s",
             ed_header(req, "X-Sentry-Auth"));
    struct ed_bytes line = ed_bytes_cut(&body, '\n');
    sentry.head = json_loadb(line.ptr, line.len, 0, NULL);
    check(sentry.head != NULL);
    while (read_item(&body))
        continue;
    if (sentry.limits)
        ed_reply_header(req, "X-Sentry-Rate-Limits", sentry.limits);
    return ed_reply_json(req, sentry.status, "{}");
}

static void open_sentry(void)
{
    memset(&sentry, 0, sizeof sentry);
    sentry.status = 200;
    sentry.app = ed_app_new();
    ed_route(sentry.app, "POST /x/api/42/envelope/", take_envelope);
    sentry.test = ed_test_new(sentry.app, .listen = "127.0.0.1:0");
    if (check(sentry.test != NULL))
        snprintf(sentry.dsn, sizeof sentry.dsn, "http://abc:secret@%s/x/42",
                 ed_test_url(sentry.test) + strlen("http://"));
}

static void close_sentry(void)
{
    check_int(ed_test_end(sentry.test), 0);
    ed_app_free(sentry.app);
    forget_envelope();
}

/* ---- an app that is watched ---- */

static int note_more(void *arg)
{
    (void)arg;
    ed_sentry_breadcrumb("db", "asked for %d rows", 7);
    return 0;
}

static int fail_with_notes(ed_req *req)
{
    ed_sentry_tag("shard", "a");
    ed_sentry_tag("shard", "b");
    ed_sentry_user("u1");
    int err = ed_trace_begin(true);
    ed_scope(s);
    ed_go(s, note_more, NULL);
    if (!err)
        err = ed_wait(s);
    (void)req;
    return err ? err : ed_fail(ED_ECONNECT, "db.local refused \"us\"");
}

/* As a handler of a WebSocket's may, which goes on for days. */
static int fail_at_last(ed_req *req)
{
    struct ed_arena_mark mark = ed_arena_mark(ed_req_arena(req));
    size_t used = ed_arena_used(ed_req_arena(req));
    for (int i = 0; i < 10000; i++) {
        ed_sentry_breadcrumb("loop", "turn %d", i);
        ed_sentry_tag("turn", i % 2 ? "odd" : "even");
        ed_sentry_user(i % 2 ? "u1" : "u2");
    }
    check_int((int64_t)ed_arena_used(ed_req_arena(req)), (int64_t)used);
    ed_arena_rewind(ed_req_arena(req), mark);
    return ED_EDATABASE;
}

static int fail_plainly(ed_req *req)
{
    (void)req;
    return ED_EUSAGE;
}

static int not_found(ed_req *req)
{
    (void)req;
    return ED_ENOTFOUND;
}

static int fine(ed_req *req)
{
    ed_sentry_tag("not", "sent");
    return ed_reply(req, 200, "fine");
}

static void *log_elsewhere(void *arg)
{
    ed_log_error("said by a %s", (const char *)arg);
    return NULL;
}

static int log_errors(ed_req *req)
{
    pthread_t thread;
    ed_log_warn("no event");
    ed_log_error("said in a request");
    if (!pthread_create(&thread, NULL, log_elsewhere, "thread"))
        pthread_join(thread, NULL);
    return ed_reply(req, 200, "ok");
}

struct watched {
    ed_sentry *reporter;
    ed_app *app;
    ed_test *t;
};

#define watch(...) \
    watch_with(    \
        ed_sentry_new(.dsn = sentry.dsn, .server_name = "host1", __VA_ARGS__))

static struct watched watch_with(ed_sentry *reporter)
{
    struct watched w = {.reporter = reporter, .app = ed_app_new()};
    check(reporter != NULL);
    check_int(ed_sentry_add(reporter, w.app), 0);
    ed_route(w.app, "GET /notes/{id}", fail_with_notes);
    ed_route(w.app, "GET /plain", fail_plainly);
    ed_route(w.app, "GET /last", fail_at_last);
    ed_route(w.app, "GET /missing", not_found);
    ed_route(w.app, "GET /fine", fine);
    ed_route(w.app, "GET /log", log_errors);
    w.t = ed_test_new(w.app);
    return w;
}

static struct ed_sentry_counts unwatch(struct watched w)
{
    struct ed_sentry_counts counts;
    check_int(ed_test_end(w.t), 0);
    ed_sentry_counts(w.reporter, &counts);
    ed_app_free(w.app);
    ed_sentry_free(w.reporter);
    return counts;
}

/* The text at a path of names and numbers, "request.headers.0.1", in the last
 * event. */
static const char *said(const char *path)
{
    struct ed_bytes rest = ed_bytes(path);
    const json_t *at = sentry.event;
    while (rest.ptr) {
        char name[64];
        struct ed_bytes word = ed_bytes_cut(&rest, '.');
        snprintf(name, sizeof name, "%.*s", (int)word.len, word.ptr);
        at = json_is_array(at) ? json_array_get(at, strtoul(name, NULL, 10))
                               : json_object_get(at, name);
    }
    const char *text = json_string_value(at);
    return text ? text : "(nothing)";
}

/* The second of the pair in an array whose first is that. */
static const char *paired(const char *where, const char *name)
{
    static char path[128];
    for (int i = 0; i < 50; i++) {
        snprintf(path, sizeof path, "%s.%d.0", where, i);
        if (strcmp(said(path), name) != 0)
            continue;
        path[strlen(path) - 1] = '1';
        return said(path);
    }
    return "(nothing)";
}

/* ---- events ---- */

FIBER_TEST(an_error_is_sent_with_its_request_and_what_was_noted)
{
    static const char *fields[] = {"Authorization: Basic abc", "Cookie: a=b",
                                   "X-Api-Key: k", "X-Plain: p", NULL};
    ed_res *res;
    open_sentry();
    struct watched w = watch(.release = "shop@1", .environment = "test",
                             .tags = (const char *[]){"region", "north", NULL});
    ed_test_get(w.t, &res, "/notes/7?q=1&access_token=t&x", .headers = fields);
    ed_test_status(w.t, res, 502);
    ed_test_advance(w.t, ED_S);
    check_int(sentry.count, 1);

    check_text(sentry.auth, "Sentry sentry_version=7, sentry_client=eddy/"
                            "" ED_VERSION ", sentry_key=abc");
    const char *id =
        json_string_value(json_object_get(sentry.head, "event_id"));
    check(id && strlen(id) == 32);
    check_text(said("event_id"), id ? id : "");
    const char *dsn = json_string_value(json_object_get(sentry.head, "dsn"));
    check(dsn && strstr(dsn, "http://abc@127.0.0.1:"));
    check(dsn && !strstr(dsn, "secret"));

    check_text(said("exception.values.0.type"), "ED_ECONNECT");
    check_text(said("exception.values.0.value"), "db.local refused \"us\"");
    check_text(said("exception.values.0.stacktrace.frames.0.function"),
               "fail_with_notes");
    check_text(said("level"), "error");
    check_text(said("transaction"), "GET /notes/{id}");
    check_text(said("release"), "shop@1");
    check_text(said("environment"), "test");
    check_text(said("server_name"), "host1");
    check_text(said("user.id"), "u1");
    check_text(said("request.method"), "GET");
    check_text(said("request.url"), "http://test.local/notes/7");
    check(strlen(said("contexts.trace.trace_id")) == 32);
    check_text(said("breadcrumbs.values.0.message"), "asked for 7 rows");
    check_text(paired("tags", "shard"), "b");
    check_text(paired("tags", "region"), "north");
    check_text(paired("tags", "error"), "ED_ECONNECT");
    check_text(paired("tags", "status"), "502");
    check(strlen(paired("tags", "request_id")) > 10);

    check_text(paired("request.headers", "Authorization"), "[Filtered]");
    check_text(paired("request.headers", "Cookie"), "[Filtered]");
    check_text(paired("request.headers", "X-Api-Key"), "[Filtered]");
    check_text(paired("request.headers", "X-Plain"), "p");
    check_text(paired("request.query_string", "q"), "1");
    check_text(paired("request.query_string", "access_token"), "[Filtered]");
    unwatch(w);
    close_sentry();
}

FIBER_TEST(what_is_noted_for_long_takes_no_more_and_more_memory)
{
    open_sentry();
    struct watched w = watch(.queue = 10);
    ed_test_expect(w.t, "/last", 503, NULL);
    ed_test_advance(w.t, ED_S);
    check_text(said("breadcrumbs.values.0.message"), "turn 9950");
    check_text(said("breadcrumbs.values.49.message"), "turn 9999");
    check_text(said("breadcrumbs.values.49.category"), "loop");
    check_text(paired("tags", "turn"), "odd");
    check_text(said("user.id"), "u1");
    unwatch(w);
    close_sentry();
}

FIBER_TEST(neither_addresses_nor_secrets_get_out_in_other_fields)
{
    static const char *fields[] = {
        "X-Forwarded-For: 192.0.2.1",
        "X-Real-IP: 192.0.2.1",
        "Forwarded: for=192.0.2.1",
        "CF-Connecting-IP: 192.0.2.1",
        "Referer: http://test.local/reset?token=t",
        NULL,
    };
    ed_res *res;
    open_sentry();
    struct watched w = watch(.queue = 10);
    ed_test_get(w.t, &res,
                "/plain?%74oken=t&a%3Db=1&key=k&Code=c&sign_key=s&zip_code=1",
                .headers = fields);
    ed_test_status(w.t, res, 500);
    ed_test_advance(w.t, ED_S);
    check_text(paired("request.headers", "X-Forwarded-For"), "[Filtered]");
    check_text(paired("request.headers", "X-Real-IP"), "[Filtered]");
    check_text(paired("request.headers", "Forwarded"), "[Filtered]");
    check_text(paired("request.headers", "CF-Connecting-IP"), "[Filtered]");
    check_text(paired("request.headers", "Referer"), "http://test.local/reset");
    check_text(paired("request.query_string", "%74oken"), "[Filtered]");
    check_text(paired("request.query_string", "a%3Db"), "1");
    check_text(paired("request.query_string", "key"), "[Filtered]");
    check_text(paired("request.query_string", "Code"), "[Filtered]");
    check_text(paired("request.query_string", "sign_key"), "[Filtered]");
    check_text(paired("request.query_string", "zip_code"), "1");
    unwatch(w);
    close_sentry();
}

FIBER_TEST(what_is_no_failure_of_ours_is_not_sent)
{
    open_sentry();
    struct watched w = watch(.secrets = NULL);
    ed_test_expect(w.t, "/missing", 404, NULL);
    ed_test_expect(w.t, "/none", 404, NULL);
    ed_test_expect(w.t, "/fine", 200, NULL);
    ed_sentry_tag("outside", "of a request");
    ed_sentry_breadcrumb("outside", "of a request");
    struct ed_sentry_counts counts = unwatch(w);
    check_int((int64_t)counts.captured, 0);
    check_int(sentry.count, 0);
    close_sentry();
}

FIBER_TEST(without_a_dsn_nothing_happens)
{
    ed_sentry *off = ed_sentry_new(.dsn = "");
    struct watched w = watch_with(off);
    check(!w.app->layers.count);
    ed_test_expect(w.t, "/plain", 500, NULL);
    ed_sentry_error(off, ED_ECONNECT);
    ed_sentry_error(NULL, ED_ECONNECT);
    check_int((int64_t)unwatch(w).captured, 0);
}

static int work(void *reporter)
{
    ed_sentry_error(reporter, ed_fail(ED_EDATABASE, "no rows"));
    ed_sentry_message(reporter, ED_LOG_WARN, "%d left", 3);
    return 0;
}

FIBER_TEST(a_task_reports_with_the_place_it_was_started_at)
{
    open_sentry();
    struct watched w = watch(.queue = 10);
    check_int(ed_app_background(w.app, work, w.reporter), 0);
    ed_test_advance(w.t, ED_S);
    check_int(sentry.count, 2);
    check_text(said("message.formatted"), "3 left");
    check_text(said("level"), "warning");
    ed_scope(s);
    ed_go(s, work, w.reporter);
    sentry.delay = 0;
    check_int(ed_wait(s), 0);
    sentry.delay = ED_MS;
    while (sentry.count < 3)
        ed_test_advance(w.t, ED_MS / 4);
    check_text(said("exception.values.0.stacktrace.frames.0.function"), "work");
    check_text(said("exception.values.0.stacktrace.frames.0.filename"),
               "tests/unit/app/test_sentry.c");
    check_text(said("exception.values.0.value"), "no rows");
    unwatch(w);
    close_sentry();
}

FIBER_TEST(lines_of_level_error_are_sent_when_asked_for)
{
    open_sentry();
    struct watched w = watch(.log_errors = true);
    ed_test_expect(w.t, "/log", 200, NULL);
    ed_test_advance(w.t, ED_S);
    check_int(sentry.count, 2);
    check_text(said("message.formatted"), "said by a thread");
    /* A failure is reported once, though the log tells of it, too. */
    ed_test_expect(w.t, "/plain", 500, NULL);
    ed_test_advance(w.t, ED_S);
    check_int(sentry.count, 3);
    check_text(said("exception.values.0.type"), "ED_EUSAGE");
    unwatch(w);
    close_sentry();
}

FIBER_TEST(a_failure_is_reported_once_whatever_the_id_of_its_request)
{
    static const char *fields[] = {
        "X-Request-ID: 0b1e7a2c-5f3d-4c1e-9a77-d2f0c9b8a6e5", NULL};
    ed_sentry *reporter;
    ed_res *res;
    open_sentry();
    struct watched w = {.app = ed_app_new()};
    w.reporter = reporter =
        ed_sentry_new(.dsn = sentry.dsn, .log_errors = true);
    ed_use_request_id(w.app, .trusted = "*");
    check_int(ed_sentry_add(reporter, w.app), 0);
    ed_route(w.app, "GET /plain", fail_plainly);
    w.t = ed_test_new(w.app);
    ed_test_get(w.t, &res, "/plain", .headers = fields);
    ed_test_status(w.t, res, 500);
    ed_test_advance(w.t, ED_S);
    check_int(sentry.count, 1);
    check_text(paired("tags", "request_id"),
               "0b1e7a2c-5f3d-4c1e-9a77-d2f0c9b8a6e5");
    unwatch(w);
    close_sentry();
}

static int promise_too_much(ed_req *req)
{
    return ed_reply_begin(req, 200, 5);
}

FIBER_TEST(lines_of_the_log_tell_no_secrets_of_a_query)
{
    open_sentry();
    struct watched w = watch(.log_errors = true);
    ed_route(w.app, "GET /less", promise_too_much);
    ed_test_expect(w.t, "/less?access_token=t", 500, NULL);
    ed_test_advance(w.t, ED_S);
    check_int(sentry.count, 1);
    check(strstr(said("message.formatted"), "GET /less failed") != NULL);
    check(strstr(said("message.formatted"), "access_token") == NULL);
    unwatch(w);
    close_sentry();
}

static int complain_at_the_end(ed_context *self, void *arg)
{
    int err = ed_context_ready(self);
    (void)arg;
    ed_log_error("the last words");
    return err;
}

/* Events that are not sampled keep nobody waiting at the end. */
FIBER_TEST(a_line_logged_at_the_very_end_outlives_nobody)
{
    open_sentry();
    struct watched w = watch(.log_errors = true, .sample = 1e-9);
    check_int(ed_app_fiber(w.app, complain_at_the_end, NULL), 0);
    check_int((int64_t)unwatch(w).captured, 1);
    ed_test_advance(sentry.test, ED_S);
    close_sentry();
}

/* Forked while another thread, or the loop, has the lines in hand. */
FIBER_TEST(what_a_forked_child_logs_waits_for_nobody)
{
    int status = 0;
    open_sentry();
    struct watched w = watch(.log_errors = true);
    pthread_mutex_lock(&w.reporter->lock);
    pid_t pid = fork();
    if (!pid) {
        alarm(5);
        ed_log_error("said by a child");
        _exit(7);
    }
    pthread_mutex_unlock(&w.reporter->lock);
    check_int(waitpid(pid, &status, 0), pid);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    check_int((int64_t)unwatch(w).captured, 0);
    close_sentry();
}

/* ---- the program's say ---- */

static bool change(json_t *event, void *arg)
{
    (void)arg;
    const char *name = json_string_value(json_object_get(event, "transaction"));
    if (!strcmp(name, "GET /plain"))
        return false;
    json_object_set_new(event, "logger", json_string("changed"));
    return true;
}

FIBER_TEST(before_send_changes_events_and_drops_them)
{
    open_sentry();
    struct watched w = watch(.before_send = change);
    ed_test_expect(w.t, "/plain", 500, NULL);
    ed_test_expect(w.t, "/notes/1", 502, NULL);
    ed_test_advance(w.t, ED_S);
    check_int(sentry.count, 1);
    check_text(said("logger"), "changed");
    json_t *loss =
        json_array_get(json_object_get(sentry.losses, "discarded_events"), 0);
    check_text(json_string_value(json_object_get(loss, "reason")),
               "before_send");
    check_int(json_integer_value(json_object_get(loss, "quantity")), 1);
    struct ed_sentry_counts counts = unwatch(w);
    check_int((int64_t)counts.refused, 1);
    check_int((int64_t)counts.sent, 1);
    close_sentry();
}

FIBER_TEST(a_sample_is_sent)
{
    open_sentry();
    struct watched w = watch(.sample = 0.3, .queue = 1000);
    for (int i = 0; i < 200; i++)
        ed_sentry_message(w.reporter, ED_LOG_INFO, "%d", i);
    ed_test_advance(w.t, 10 * ED_S);
    struct ed_sentry_counts counts = unwatch(w);
    check(counts.sent > 20 && counts.sent < 120);
    check_int((int64_t)(counts.sent + counts.sampled), 200);
    close_sentry();
}

/* ---- trouble ---- */

FIBER_TEST(a_slow_sentry_slows_no_request_and_too_many_events_are_dropped)
{
    open_sentry();
    sentry.delay = ED_S;
    struct watched w = watch(.queue = 5, .flush = 60 * ED_S);
    int64_t began = ed_now();
    for (int i = 0; i < 20; i++)
        ed_test_expect(w.t, "/plain", 500, NULL);
    check(ed_now() - began < ED_S);
    struct ed_sentry_counts counts = unwatch(w);
    check_int((int64_t)counts.captured, 20);
    check_int((int64_t)counts.sent, sentry.count);
    check(counts.sent >= 5 && counts.sent <= 7);
    check_int((int64_t)(counts.sent + counts.overflowed), 20);
    close_sentry();
}

FIBER_TEST(what_is_left_at_the_end_is_sent_but_not_for_long)
{
    open_sentry();
    sentry.delay = ED_S;
    struct watched w = watch(.flush = 2500 * ED_MS);
    for (int i = 0; i < 5; i++)
        ed_test_expect(w.t, "/plain", 500, NULL);
    int64_t began = ed_now();
    struct ed_sentry_counts counts = unwatch(w);
    check_int(ed_now() - began, 2500 * ED_MS);
    check_int((int64_t)counts.sent, 2);
    check_int((int64_t)counts.failed, 3);
    close_sentry();
}

FIBER_TEST(a_limit_of_sentrys_is_obeyed)
{
    open_sentry();
    sentry.status = 429;
    sentry.limits = "10:transaction:key, 30:error;security:organization";
    struct watched w = watch(.queue = 10);
    ed_test_expect(w.t, "/plain", 500, NULL);
    ed_test_advance(w.t, ED_S);
    sentry.status = 200;
    sentry.limits = NULL;
    ed_test_advance(w.t, 28 * ED_S);
    ed_test_expect(w.t, "/plain", 500, NULL);
    ed_test_advance(w.t, 2 * ED_S);
    check_int(sentry.count, 1);
    ed_test_expect(w.t, "/plain", 500, NULL);
    ed_test_advance(w.t, ED_S);
    check_int(sentry.count, 2);
    json_t *losses = json_object_get(sentry.losses, "discarded_events");
    check_int((int64_t)json_array_size(losses), 1);
    struct ed_sentry_counts counts = unwatch(w);
    check_int((int64_t)counts.limited, 2);
    check_int((int64_t)counts.sent, 1);
    close_sentry();
}

FIBER_TEST(a_sentry_that_fails_is_asked_again_and_then_given_up)
{
    open_sentry();
    sentry.status = 503;
    struct watched w = watch(.queue = 10);
    ed_test_expect(w.t, "/plain", 500, NULL);
    ed_test_advance(w.t, 60 * ED_S);
    check_int(sentry.count, 3);
    ed_test_logged(w.t, "WARN Sentry: an event was not sent: it answers 503");
    sentry.status = 400;
    ed_test_expect(w.t, "/plain", 500, NULL);
    ed_test_advance(w.t, 60 * ED_S);
    check_int(sentry.count, 4);
    sentry.status = 200;
    ed_test_expect(w.t, "/plain", 500, NULL);
    ed_test_advance(w.t, ED_S);
    struct ed_sentry_counts counts = unwatch(w);
    check_int((int64_t)counts.failed, 2);
    check_int((int64_t)counts.sent, 1);
    close_sentry();
}

FIBER_TEST(limits_are_read_as_sentry_writes_them)
{
    static const struct {
        const char *field;
        int64_t seconds;
    } limits[] = {
        {"", 0},
        {"60", 60},
        {"60:error", 60},
        {"60::organization", 60},
        {"60:default;error:project:reason", 60},
        {"60:transaction:key", 0},
        {"60:transaction:key,2700:default:organization", 2700},
        {" 5 : error : x , 7 : error", 7},
        {"x:error", 60},
        {"-1:error", 60},
        {"99999999999:error", 3600},
        {",,", 0},
    };
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++)
        check_(ed_sentry_limit_of(ed_bytes(limits[i].field)) ==
                   limits[i].seconds * ED_S,
               "\"%s\" is not %d s", limits[i].field, (int)limits[i].seconds);
}

FIBER_TEST(a_malformed_dsn_is_refused_and_not_logged)
{
    static const char *const malformed[] = {
        "nonsense",       "https://host/1",       "https://@host/1",
        "https://k@host", "https://k@host/",      "https://k@host/1?x",
        "ftp://k@host/1", "https://a%20b@host/1", "https://a,b@host/1",
    };
    const char *why;
    struct ed_sentry_dsn dsn;
    for (unsigned i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        check_(ed_sentry_dsn_read(&dsn, malformed[i], &why) == ED_EURL && why,
               "taken: %s", malformed[i]);
        check(!dsn.url);
    }
    check_int(ed_sentry_dsn_read(&dsn, "https://k@[::1]:9/a/b/7", &why), 0);
    check_text(dsn.url, "https://[::1]:9/a/b/api/7/envelope/");
    check_text(dsn.text, "https://k@[::1]:9/a/b/7");
    ed_sentry_dsn_free(&dsn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_is_sent_with_its_request_and_what_was_noted),
        cmocka_unit_test(what_is_noted_for_long_takes_no_more_and_more_memory),
        cmocka_unit_test(neither_addresses_nor_secrets_get_out_in_other_fields),
        cmocka_unit_test(what_is_no_failure_of_ours_is_not_sent),
        cmocka_unit_test(without_a_dsn_nothing_happens),
        cmocka_unit_test(a_task_reports_with_the_place_it_was_started_at),
        cmocka_unit_test(lines_of_level_error_are_sent_when_asked_for),
        cmocka_unit_test(
            a_failure_is_reported_once_whatever_the_id_of_its_request),
        cmocka_unit_test(lines_of_the_log_tell_no_secrets_of_a_query),
        cmocka_unit_test(a_line_logged_at_the_very_end_outlives_nobody),
        cmocka_unit_test(what_a_forked_child_logs_waits_for_nobody),
        cmocka_unit_test(before_send_changes_events_and_drops_them),
        cmocka_unit_test(a_sample_is_sent),
        cmocka_unit_test(
            a_slow_sentry_slows_no_request_and_too_many_events_are_dropped),
        cmocka_unit_test(what_is_left_at_the_end_is_sent_but_not_for_long),
        cmocka_unit_test(a_limit_of_sentrys_is_obeyed),
        cmocka_unit_test(a_sentry_that_fails_is_asked_again_and_then_given_up),
        cmocka_unit_test(limits_are_read_as_sentry_writes_them),
        cmocka_unit_test(a_malformed_dsn_is_refused_and_not_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
