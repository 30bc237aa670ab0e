/*
 * test_telemetry_traces.c - which requests become spans, what those say, and
 * what becomes of them when the collector is slow, full or away. The collector
 * is an app of ours.
 */
#include "observed.h"
#include "wire/traceparent.h"

#include <eddy/testing.h>
#include <eddy/trace.h>
#include <jansson.h>
#include <stdlib.h>

#define TRACE    "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT   "00f067aa0ba902b7"
#define SAMPLED  "traceparent: 00-" TRACE "-" PARENT "-01"
#define UNWANTED "traceparent: 00-" TRACE "-" PARENT "-00"

/* ---- a collector ---- */

static struct {
    ed_test *test;
    ed_app *app;
    char url[128];
    unsigned requests;
    unsigned spans;
    json_t *last; /* request */
    char coding[32];
    char token[32];
    int status; /* to answer with, once; then 200 */
    const char *retry_after;
    const char *answer;
    int64_t delay;
} collector;

static json_t *spans_of(json_t *request)
{
    json_t *resource =
        json_array_get(json_object_get(request, "resourceSpans"), 0);
    json_t *scope = json_array_get(json_object_get(resource, "scopeSpans"), 0);

    return json_object_get(scope, "spans");
}

static int take_spans(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);

    if (!err && collector.delay)
        err = ed_sleep(collector.delay);
    if (err)
        return err;
    collector.requests++;
    const char *coding = ed_header(req, "Content-Encoding");
    const char *token = ed_header(req, "X-Token");
    snprintf(collector.coding, sizeof collector.coding, "%s",
             coding ? coding : "");
    snprintf(collector.token, sizeof collector.token, "%s", token ? token : "");
    check_text(ed_header(req, "Content-Type"), "application/json");
    check(!ed_header(req, "traceparent"));
    if (!coding) {
        json_decref(collector.last);
        collector.last =
            json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
        check(collector.last != NULL);
    }
    int status = collector.status ? collector.status : 200;
    collector.status = 0;
    if (status == 200)
        collector.spans += (unsigned)json_array_size(spans_of(collector.last));
    if (collector.retry_after)
        ed_reply_header(req, "Retry-After", collector.retry_after);
    return ed_reply_bytes(req, status, "application/json",
                          ed_bytes(collector.answer ? collector.answer : "{}"));
}

static void open_collector(void)
{
    memset(&collector, 0, sizeof collector);
    collector.app = ed_app_new();
    ed_route(collector.app, "POST /v1/traces", take_spans);
    collector.test = ed_test_new(
        collector.app, .listen = "127.0.0.1:0",
        .server = ED_OPTIONS(struct ed_server_options, .max_body = 16 << 20));
    if (check(collector.test != NULL))
        snprintf(collector.url, sizeof collector.url, "%s",
                 ed_test_url(collector.test));
}

static void close_collector(void)
{
    check_int(ed_test_end(collector.test), 0);
    ed_app_free(collector.app);
    json_decref(collector.last);
}

/* The only span that came. */
static json_t *the_span(void)
{
    check_int((int)json_array_size(spans_of(collector.last)), 1);
    return json_array_get(spans_of(collector.last), 0);
}

static const char *text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "-";
}

/* The value of an attribute, as text; "-": there is none. */
static const char *attribute_in(json_t *list, const char *key)
{
    json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        json_t *value = json_object_get(one, "value");
        if (strcmp(text_of(one, "key"), key) != 0)
            continue;
        return json_object_get(value, "intValue")
                   ? text_of(value, "intValue")
                   : text_of(value, "stringValue");
    }
    return "-";
}

static const char *attribute(json_t *span, const char *key)
{
    return attribute_in(json_object_get(span, "attributes"), key);
}

/* ---- what is observed ---- */

static int hello(ed_req *req)
{
    return ed_reply(req, 200, "Hello, %s!\n", ed_arg(req, "name"));
}

static int slowly(ed_req *req)
{
    int err = ed_sleep(1500 * ED_MS);

    return err ? err : ed_reply(req, 200, "done");
}

static int failing(ed_req *req)
{
    (void)req;
    return ED_EDATABASE;
}

static char heard[ED_TRACE_PARENT_TEXT]; /* by what a request fetches */

static int backend(ed_req *req)
{
    const char *parent = ed_header(req, "traceparent");

    snprintf(heard, sizeof heard, "%s", parent ? parent : "");
    return ed_reply(req, 404, "none");
}

static char backend_url[200];

static int fetching(ed_req *req)
{
    ed_res *res;
    int err = ed_get(&res, backend_url);

    return err ? err : ed_reply(req, 200, "%d", ed_res_status(res));
}

static int mounted_hello(ed_req *req)
{
    return ed_reply(req, 200, "below");
}

static void open_observed(struct observed *o, double share)
{
    o->settings.otlp = o->settings.otlp ? o->settings.otlp : collector.url;
    o->settings.trace_sample = share;
    observed_open(o);
    ed_route(o->h.app, "GET /hello/{name}", hello);
    ed_route(o->h.app, "GET /slow", slowly);
    ed_route(o->h.app, "GET /failing", failing);
    ed_route(o->h.app, "GET /fetching", fetching);
    ed_app *below = ed_app_new();
    ed_route(below, "GET /x/{id:int}", mounted_hello);
    ed_mount(o->h.app, "/below", below);
    ed_route(collector.app, "GET /backend", backend);
    snprintf(backend_url, sizeof backend_url, "%s/backend?secret=1",
             collector.url);
}

/* Past the time that a batch is filled. */
static void let_them_be_sent(void)
{
    check_int(ed_sleep(3 * ED_S), 0);
}

FIBER_TEST(a_sampled_request_is_a_span_with_what_the_conventions_ask_for)
{
    struct observed o = {0};
    open_collector();
    open_observed(&o, 0);
    hosted_get(&o.h, "/hello/Ada?x=1", SAMPLED, "tracestate: a=1",
               "Host: shop.example:81", "User-Agent: tester");
    let_them_be_sent();
    json_t *span = the_span();
    check_text(text_of(span, "traceId"), TRACE);
    check_text(text_of(span, "parentSpanId"), PARENT);
    check_text(text_of(span, "traceState"), "a=1");
    check_int((int)strlen(text_of(span, "spanId")), 16);
    check(strcmp(text_of(span, "spanId"), PARENT) != 0);
    check_text(text_of(span, "name"), "GET /hello/{name}");
    check_int(json_integer_value(json_object_get(span, "kind")), 2);
    check_int(json_integer_value(json_object_get(span, "flags")), 0x301);
    check(!json_object_get(span, "status"));
    check_text(attribute(span, "http.request.method"), "GET");
    check_text(attribute(span, "http.route"), "/hello/{name}");
    check_text(attribute(span, "url.path"), "/hello/Ada");
    check_text(attribute(span, "url.scheme"), "http");
    check_text(attribute(span, "http.response.status_code"), "200");
    check_text(attribute(span, "server.address"), "shop.example");
    check_text(attribute(span, "server.port"), "81");
    check_text(attribute(span, "client.address"), "unix:");
    check_text(attribute(span, "network.protocol.version"), "1.1");
    check_text(attribute(span, "user_agent.original"), "tester");
    check_text(attribute(span, "error.type"), "-");
    observed_close(&o);
    close_collector();
}

FIBER_TEST(a_batch_says_whose_it_is)
{
    struct observed o = {.settings.service_name = "shop"};
    open_collector();
    setenv("OTEL_RESOURCE_ATTRIBUTES",
           "deployment.environment=a%20b,broken,service.name=other", 1);
    setenv("OTEL_EXPORTER_OTLP_HEADERS", "X-Token=s%3Dt", 1);
    open_observed(&o, 0);
    unsetenv("OTEL_RESOURCE_ATTRIBUTES");
    unsetenv("OTEL_EXPORTER_OTLP_HEADERS");
    hosted_get(&o.h, "/hello/Ada", SAMPLED);
    let_them_be_sent();
    json_t *resource =
        json_array_get(json_object_get(collector.last, "resourceSpans"), 0);
    json_t *list =
        json_object_get(json_object_get(resource, "resource"), "attributes");
    check_text(attribute_in(list, "service.name"), "shop");
    check_text(attribute_in(list, "deployment.environment"), "a b");
    check(strcmp(attribute_in(list, "process.pid"), "-") != 0);
    check_text(collector.token, "s=t");
    observed_close(&o);
    close_collector();
}

FIBER_TEST(a_span_lasts_as_long_as_its_request)
{
    struct observed o = {0};
    open_collector();
    open_observed(&o, 0);
    hosted_get(&o.h, "/slow", SAMPLED);
    let_them_be_sent();
    json_t *span = the_span();
    int64_t began = strtoll(text_of(span, "startTimeUnixNano"), NULL, 10);
    int64_t ended = strtoll(text_of(span, "endTimeUnixNano"), NULL, 10);
    check_int(ended - began, 1500 * ED_MS);
    check(began > (int64_t)1700000000 * ED_S);
    observed_close(&o);
    close_collector();
}

FIBER_TEST(whoever_sends_a_trace_says_whether_it_is_sampled)
{
    struct observed o = {0};
    open_collector();
    open_observed(&o, 1);
    hosted_get(&o.h, "/hello/Ada", UNWANTED);
    let_them_be_sent();
    check_int(collector.requests, 0);
    observed_close(&o);
    close_collector();
}

FIBER_TEST(a_share_of_requests_without_a_trace_begins_one)
{
    static const struct {
        double share;
        unsigned least, most;
    } rows[] = {{0, 0, 0}, {0.25, 150, 350}, {1, 1000, 1000}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct observed o = {0};
        open_collector();
        open_observed(&o, rows[i].share);
        for (int n = 0; n < 1000; n++)
            hosted_get(&o.h, "/hello/Ada", "A: b");
        let_them_be_sent();
        check_(collector.spans >= rows[i].least &&
                   collector.spans <= rows[i].most,
               "%u spans at %g", collector.spans, rows[i].share);
        if (collector.spans) {
            json_t *span = json_array_get(spans_of(collector.last), 0);
            check_text(text_of(span, "parentSpanId"), "-");
        }
        observed_close(&o);
        close_collector();
    }
}

FIBER_TEST(errors_of_ours_are_failures_and_those_of_clients_are_not)
{
    struct observed o = {0};
    open_collector();
    open_observed(&o, 0);
    hosted_get(&o.h, "/failing", SAMPLED);
    hosted_fetch(&o.h, "BREW", "/none", SAMPLED);
    let_them_be_sent();
    json_t *ours = json_array_get(spans_of(collector.last), 0);
    json_t *theirs = json_array_get(spans_of(collector.last), 1);
    json_t *status = json_object_get(ours, "status");
    check_int(json_integer_value(json_object_get(status, "code")), 2);
    check_text(attribute(ours, "error.type"), "503");
    check(!json_object_get(theirs, "status"));
    check_text(attribute(theirs, "error.type"), "-");
    check_text(text_of(theirs, "name"), "HTTP");
    check_text(attribute(theirs, "http.request.method"), "_OTHER");
    check_text(attribute(theirs, "http.request.method_original"), "BREW");
    check_text(attribute(theirs, "http.route"), "-");
    observed_close(&o);
    close_collector();
}

FIBER_TEST(the_route_of_a_mounted_app_is_told_whole)
{
    struct observed o = {0};
    open_collector();
    open_observed(&o, 0);
    hosted_get(&o.h, "/below/x/7", SAMPLED);
    let_them_be_sent();
    check_text(attribute(the_span(), "http.route"), "/below/x/{id:int}");
    observed_close(&o);
    close_collector();
}

FIBER_TEST(a_fetch_is_a_span_below_that_of_its_request)
{
    struct observed o = {0};
    struct ed_traceparent parent;
    char span_id[17] = "";
    open_collector();
    open_observed(&o, 0);
    hosted_get(&o.h, "/fetching", SAMPLED);
    let_them_be_sent();
    json_t *fetch = json_array_get(spans_of(collector.last), 0);
    json_t *request = json_array_get(spans_of(collector.last), 1);
    check_int(json_integer_value(json_object_get(fetch, "kind")), 3);
    check_text(text_of(fetch, "traceId"), TRACE);
    check_text(text_of(fetch, "parentSpanId"), text_of(request, "spanId"));
    check_text(attribute(fetch, "http.response.status_code"), "404");
    check_text(attribute(fetch, "error.type"), "404");
    check(strstr(attribute(fetch, "url.full"), "/backend") != NULL);
    check(!strstr(attribute(fetch, "url.full"), "secret"));
    check_text(attribute(fetch, "server.address"), "127.0.0.1");
    /* What was fetched hears of the fetch as its parent. */
    check_int(ed_traceparent_parse(&parent, ed_bytes(heard)), 0);
    snprintf(span_id, sizeof span_id, "%.16s", heard + 36);
    check_text(span_id, text_of(fetch, "spanId"));
    observed_close(&o);
    close_collector();
}

FIBER_TEST(what_the_collector_may_take_later_is_sent_again)
{
    static const int later[] = {429, 502, 503, 504};

    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        struct observed o = {0};
        open_collector();
        open_observed(&o, 0);
        collector.status = later[i];
        hosted_get(&o.h, "/hello/Ada", SAMPLED);
        check_int(ed_sleep(6 * ED_S), 0);
        check_int(collector.requests, 2);
        check_int(collector.spans, 1);
        observed_close(&o);
        close_collector();
    }
}

FIBER_TEST(a_collector_says_how_long_to_wait)
{
    struct observed o = {0};
    open_collector();
    open_observed(&o, 0);
    collector.status = 503;
    collector.retry_after = "100";
    hosted_get(&o.h, "/hello/Ada", SAMPLED);
    check_int(ed_sleep(101 * ED_S), 0);
    check_int(collector.requests, 1);
    check_int(ed_sleep(2 * ED_S), 0);
    check_int(collector.requests, 2);
    observed_close(&o);
    close_collector();
}

FIBER_TEST(what_the_collector_does_not_want_is_dropped_and_told)
{
    struct observed o = {0};
    open_collector();
    open_observed(&o, 0);
    collector.status = 400;
    hosted_get(&o.h, "/hello/Ada", SAMPLED);
    check_int(ed_sleep(60 * ED_S), 0);
    check_int(collector.requests, 1);
    ed_test_logged(collector.test, "WARN traces: 1 spans were dropped: the "
                                   "collector answers 400\n");
    observed_close(&o);
    close_collector();
}

FIBER_TEST(what_the_collector_rejects_of_a_batch_is_told)
{
    struct observed o = {0};
    open_collector();
    open_observed(&o, 0);
    collector.answer = "{\"partialSuccess\":{\"rejectedSpans\":\"1\","
                       "\"errorMessage\":\"too old\"}}";
    hosted_get(&o.h, "/hello/Ada", SAMPLED);
    hosted_get(&o.h, "/hello/Ada", SAMPLED);
    let_them_be_sent();
    ed_test_logged(collector.test,
                   "WARN traces: 1 spans were dropped: too old\n");
    observed_close(&o);
    close_collector();
}

/* Nothing is said of spans more than once a minute. */
FIBER_TEST(a_collector_that_hangs_costs_spans_and_no_request_any_time)
{
    struct observed o = {0};
    open_collector();
    open_observed(&o, 1);
    collector.delay = 5 * ED_S;
    int64_t began = ed_now();
    for (int i = 0; i < 6000; i++)
        hosted_get(&o.h, "/hello/Ada", "A: b");
    check(ed_now() - began < ED_S);
    check_int(ed_sleep(59 * ED_S), 0);
    check_int(collector.spans, 4096);
    check_text(ed_test_log(collector.test),
               "WARN traces: 1 spans were dropped: the collector does not take "
               "them fast enough\n");
    check_int(ed_sleep(2 * ED_S), 0);
    hosted_get(&o.h, "/hello/Ada", "A: b");
    check_int(ed_sleep(10 * ED_S), 0);
    ed_test_logged(collector.test, "1903 spans were dropped");
    observed_close(&o);
    close_collector();
}

FIBER_TEST(what_is_left_is_sent_at_the_end)
{
    struct observed o = {0};
    open_collector();
    open_observed(&o, 0);
    hosted_get(&o.h, "/hello/Ada", SAMPLED);
    int64_t began = ed_now();
    observed_close(&o);
    check(ed_now() - began < ED_S);
    check_int(collector.spans, 1);
    close_collector();
}

FIBER_TEST(the_end_waits_for_two_seconds_and_no_longer)
{
    struct observed o = {0};
    open_collector();
    open_observed(&o, 0);
    collector.delay = ED_MIN;
    hosted_get(&o.h, "/hello/Ada", SAMPLED);
    int64_t began = ed_now();
    observed_close(&o);
    check_int(ed_now() - began, 2 * ED_S);
    check_int(collector.spans, 0);
    check(strstr(ed_test_log(collector.test), "1 spans were dropped") != NULL);
    close_collector();
}

FIBER_TEST(to_another_machine_bodies_are_packed)
{
    char name[] = "/tmp/eddy-hosts-XXXXXX", url[128];
    int fd = mkstemp(name);
    struct observed o = {.settings.otlp = url};

    check(fd >= 0 && write(fd, "127.0.0.1 collector.test\n", 25) == 25);
    close(fd);
    setenv("EDDY_HOSTS_FILE", name, 1);
    open_collector();
    snprintf(url, sizeof url, "http://collector.test%s/v1/traces",
             strrchr(collector.url, ':'));
    open_observed(&o, 0);
    hosted_get(&o.h, "/hello/Ada", SAMPLED);
    let_them_be_sent();
    check_int(collector.requests, 1);
    check_text(collector.coding, "gzip");
    observed_close(&o);
    close_collector();
    unsetenv("EDDY_HOSTS_FILE");
    unlink(name);
}

FIBER_TEST(what_is_no_collector_is_refused)
{
    static const char *const urls[] = {"", "collector:4318", "ftp://a/",
                                       "http://a/?x=1", "http://a/#x"};
    struct hosted h = {0};

    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct ed_settings settings = {.otlp = urls[i]};
        struct ed_telemetry *t = NULL;
        check_int(ed_telemetry_open(&t, &settings, h.app, "tester"), ED_EUSAGE);
        check(!t);
    }
    hosted_close(&h);
    ed_log_set_level(ED_LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_sampled_request_is_a_span_with_what_the_conventions_ask_for),
        cmocka_unit_test(a_batch_says_whose_it_is),
        cmocka_unit_test(a_span_lasts_as_long_as_its_request),
        cmocka_unit_test(whoever_sends_a_trace_says_whether_it_is_sampled),
        cmocka_unit_test(a_share_of_requests_without_a_trace_begins_one),
        cmocka_unit_test(
            errors_of_ours_are_failures_and_those_of_clients_are_not),
        cmocka_unit_test(the_route_of_a_mounted_app_is_told_whole),
        cmocka_unit_test(a_fetch_is_a_span_below_that_of_its_request),
        cmocka_unit_test(what_the_collector_may_take_later_is_sent_again),
        cmocka_unit_test(a_collector_says_how_long_to_wait),
        cmocka_unit_test(what_the_collector_does_not_want_is_dropped_and_told),
        cmocka_unit_test(what_the_collector_rejects_of_a_batch_is_told),
        cmocka_unit_test(
            a_collector_that_hangs_costs_spans_and_no_request_any_time),
        cmocka_unit_test(what_is_left_is_sent_at_the_end),
        cmocka_unit_test(the_end_waits_for_two_seconds_and_no_longer),
        cmocka_unit_test(to_another_machine_bodies_are_packed),
        cmocka_unit_test(what_is_no_collector_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
