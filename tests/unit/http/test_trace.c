/*
 * test_trace.c - the deadline and the trace that travel with requests, from
 * fetch to handler and on to the next server.
 */
#include "../../fiber_test.h"
#include <eddy/client.h>
#include <eddy/log.h>
#include <eddy/server.h>
#include <eddy/trace.h>

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00-" TRACE "-00f067aa0ba902b7-01"

/* ---- a server that hears, and asks itself ---- */

struct hearing {
    ed_server *server;
    struct ed_scope_store store;
    ed_scope *scope;
    char url[ED_ADDR_TEXT + 16];
};

/* What the last request to "/" came with, and what its handler found. */
static struct {
    char deadline[32];
    char parent[80];
    int64_t left; /* until the handler's deadline */
    bool traced;
    struct ed_trace trace;
    char state[80];
} heard;

static char asked_as[ED_TRACE_PARENT_TEXT]; /* by who asks, about itself */
static char url_to_ask[ED_ADDR_TEXT + 16];

static void copy(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text ? text : "");
}

static int hear(ed_req *req)
{
    const struct ed_trace *trace = ed_trace_current();

    heard.left = ed_deadline() - ed_now();
    heard.traced = trace != NULL;
    if (trace)
        heard.trace = *trace;
    copy(heard.state, sizeof heard.state, trace ? trace->state : "");
    copy(heard.deadline, sizeof heard.deadline,
         ed_header(req, "X-Request-Timeout-Ms"));
    copy(heard.parent, sizeof heard.parent, ed_header(req, "traceparent"));
    return ed_reply(req, 200, "ok\n");
}

/* Asks in a fiber of its own. */
static int ask(void)
{
    ed_res *res;

    ed_trace_text(ed_trace_current(), asked_as);
    ed_scope(s);
    ed_go_get(s, &res, url_to_ask);
    return ed_wait(s);
}

static int handler(ed_req *req)
{
    const char *path = ed_req_path(req);
    int err = 0;

    if (!strcmp(path, "/"))
        return hear(req);
    if (!strcmp(path, "/sleep"))
        err = ed_sleep(10 * ED_S);
    else if (!strcmp(path, "/begin"))
        err = ed_trace_begin(true);
    if (!err)
        err = ask();
    return err ? err : ed_reply(req, 200, "asked\n");
}

static int run_server(void *arg)
{
    struct hearing *h = arg;
    return ed_server_run(h->server);
}

#define open_server(h, ...) \
    open_server_((h), ED_OPTIONS(struct ed_server_options, __VA_ARGS__))

static void open_server_(struct hearing *h,
                         const struct ed_server_options *options)
{
    char address[ED_ADDR_TEXT] = "";

    memset(&heard, 0, sizeof heard);
    ed_log_set_level(ED_LOG_OFF);
    h->server = ed_server_new_with(handler, options);
    check_int(ed_server_listen(h->server, "127.0.0.1:0"), 0);
    ed_server_address(h->server, 0, address);
    snprintf(h->url, sizeof h->url, "http://%s/", address);
    memcpy(url_to_ask, h->url, sizeof url_to_ask);
    h->scope = ed_scope_enter_(
        &h->store, ED_OPTIONS(struct ed_scope_options, .independent = true));
    ed_go(h->scope, run_server, h);
}

static void close_server(struct hearing *h)
{
    ed_server_stop(h->server);
    ed_scope_leave_(&h->scope);
    ed_server_free(h->server);
}

/* Asks with fields of its own; the status, or an error. */
static int get(const struct hearing *h, const char *path, const char *field,
               const char *second)
{
    const char *const headers[] = {field, second, NULL};
    char url[sizeof h->url + 16];
    ed_res *res;

    snprintf(url, sizeof url, "%s%s", h->url, path);
    int err = ed_fetch(&res, url, .headers = headers);
    return err ? err : ed_res_status(res);
}

/* ---- deadlines ---- */

FIBER_TEST(the_deadline_is_told_and_bounds_the_handler)
{
    struct hearing h;
    ed_res *res;

    open_server(&h);
    {
        ed_scope(s, .within = 1500 * ED_MS + 999 * ED_US);
        (void)s;
        check_int(ed_get(&res, h.url), 0);
    }
    check_text(heard.deadline, "1501");
    check_int(heard.left, 1501 * ED_MS);
    close_server(&h);
}

FIBER_TEST(the_shorter_of_both_limits_holds)
{
    struct hearing h;

    open_server(&h, .request_timeout = 2 * ED_S);
    check_int(get(&h, "", "X-Request-Timeout-Ms: 500", NULL), 200);
    check_int(heard.left, 500 * ED_MS);
    check_int(get(&h, "", "x-request-timeout-MS:   5000", NULL), 200);
    check_int(heard.left, 2 * ED_S);
    close_server(&h);
}

FIBER_TEST(a_handler_that_takes_longer_is_answered_for)
{
    struct hearing h;

    open_server(&h);
    int64_t began = ed_now();
    check_int(get(&h, "sleep", "X-Request-Timeout-Ms: 70", NULL), 504);
    check_int(ed_now() - began, 70 * ED_MS);
    /* No time at all is a deadline, too. */
    check_int(get(&h, "sleep", "X-Request-Timeout-Ms: 0", NULL), 504);
    check_int(ed_now() - began, 70 * ED_MS);
    close_server(&h);
}

FIBER_TEST(a_malformed_time_is_as_if_it_was_not_there)
{
    static const char *const bad[] = {
        "", "soon", "-5", "+5", "5s", "5 5", "99999999999999999999"};
    struct hearing h;

    open_server(&h);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char field[64];
        snprintf(field, sizeof field, "X-Request-Timeout-Ms: %s", bad[i]);
        check_int(get(&h, "", field, NULL), 200);
        check_int(heard.left, FIBER_TEST_PATIENCE);
    }
    check_int(get(&h, "", "Y-Request-Timeout-Ms: 5", NULL), 200);
    check_int(heard.left, FIBER_TEST_PATIENCE);
    close_server(&h);
}

FIBER_TEST(the_deadline_travels_on)
{
    struct hearing h;

    open_server(&h);
    check_int(get(&h, "ask", "X-Request-Timeout-Ms: 700", NULL), 200);
    check_text(heard.deadline, "700");
    close_server(&h);
}

FIBER_TEST(less_than_a_millisecond_is_not_worth_a_request)
{
    ed_res *res;

    ed_scope(s, .within = 900 * ED_US);
    (void)s;
    check_int(ed_get(&res, "http://127.0.0.1:1/"), ED_ETIMEOUT);
    check_text(ed_error(), "GET http://127.0.0.1:1/: request not sent within"
                           " the deadline");
}

FIBER_TEST(time_that_passed_in_a_queue_is_taken_off)
{
    struct hearing h;
    ed_client *client = ed_client_new(.max_per_origin = 1);
    ed_res *first, *second;
    char url[sizeof h.url + 16];
    const struct ed_fetch_options options = {.size = sizeof options,
                                             .client = client};

    open_server(&h);
    snprintf(url, sizeof url, "%ssleep", h.url);
    {
        ed_scope(s, .within = 60 * ED_S);
        ed_go_fetch(s, &first, url, &options);
        ed_go_fetch(s, &second, h.url, &options);
        check_int(ed_wait(s), 0);
    }
    check_text(heard.deadline, "50000");
    check_int(heard.left, 50 * ED_S);
    ed_client_free(client);
    close_server(&h);
}

/* ---- traces ---- */

FIBER_TEST(a_handler_knows_the_trace_of_its_request)
{
    struct hearing h;

    open_server(&h);
    check_int(get(&h, "", "TraceParent: " PARENT, "tracestate: a=b,c=d"), 200);
    check(heard.traced);
    check_int(heard.trace.id[0], 0x4b);
    check_int(heard.trace.parent[7], 0xb7);
    check_int(heard.trace.flags, 1);
    check(memcmp(heard.trace.span, heard.trace.parent, 8) != 0);
    check_text(heard.state, "a=b,c=d");
    /* Each request is a span of its own. */
    struct ed_trace before = heard.trace;
    check_int(get(&h, "", "traceparent: " PARENT, NULL), 200);
    check(memcmp(heard.trace.span, before.span, 8) != 0);
    check_text(heard.state, "");
    close_server(&h);
}

FIBER_TEST(what_is_malformed_or_doubled_is_no_trace)
{
    struct hearing h;

    open_server(&h);
    check_int(get(&h, "", "traceparent: 00-1-2-3", NULL), 200);
    check(!heard.traced);
    check_int(get(&h, "", "traceparent: " PARENT, "traceparent: " PARENT), 200);
    check(!heard.traced);
    check_int(get(&h, "", "tracestate: a=b", NULL), 200);
    check(!heard.traced);
    check_text(heard.parent, "");
    close_server(&h);
}

FIBER_TEST(fetches_of_a_handler_name_its_span_as_parent)
{
    struct hearing h;

    open_server(&h);
    check_int(get(&h, "ask", "traceparent: " PARENT, "tracestate: a=b"), 200);
    check(!strncmp(asked_as, "00-" TRACE "-", 36));
    check(strcmp(asked_as, PARENT) != 0);
    check_text(heard.parent, asked_as);
    check_text(heard.state, "a=b");
    close_server(&h);
}

FIBER_TEST(a_request_without_a_trace_begins_none_by_itself)
{
    struct hearing h;

    open_server(&h);
    check_int(get(&h, "ask", NULL, NULL), 200);
    check_text(asked_as, "");
    check_text(heard.parent, "");
    check_int(get(&h, "begin", NULL, NULL), 200);
    check_int(strlen(asked_as), ED_TRACE_PARENT_TEXT - 1);
    check_text(heard.parent, asked_as);
    check_int(heard.trace.flags & 1, 1);
    /* One that is there stays. */
    check_int(get(&h, "begin", "traceparent: " PARENT, NULL), 200);
    check(!strncmp(heard.parent, "00-" TRACE "-", 36));
    close_server(&h);
}

FIBER_TEST(fibers_without_a_request_have_traces_too)
{
    char mine[ED_TRACE_PARENT_TEXT];
    struct hearing h;
    ed_res *res;

    open_server(&h);
    check(!ed_trace_current());
    check_text(ed_trace_text(NULL, mine), "");
    check_int(ed_trace_begin(false), 0);
    ed_trace_text(ed_trace_current(), mine);
    check_int(ed_trace_begin(true), 0);
    check_int(ask(), 0);
    check_text(heard.parent, mine);
    check_text(asked_as, mine);
    check_int(heard.trace.flags & 1, 0);
    check_int(ed_get(&res, h.url), 0);
    check_text(heard.parent, mine);
    close_server(&h);
}

static void outside_of_a_fiber_there_is_no_trace(void **state)
{
    (void)state;
    assert_null(ed_trace_current());
    assert_int_equal(ed_trace_begin(true), ED_EUSAGE);
}

/* ---- options ---- */

FIBER_TEST(a_client_may_tell_nothing)
{
    ed_client *client = ed_client_new(.no_propagation = true);
    struct hearing h;
    ed_res *res;

    open_server(&h);
    check_int(ed_trace_begin(true), 0);
    check_int(ed_fetch(&res, h.url, .client = client), 0);
    check_text(heard.deadline, "");
    check_text(heard.parent, "");
    ed_client_free(client);
    close_server(&h);
}

FIBER_TEST(a_server_may_hear_nothing)
{
    struct hearing h;

    open_server(&h, .no_propagation = true);
    check_int(get(&h, "", "X-Request-Timeout-Ms: 5", "traceparent: " PARENT),
              200);
    check_int(heard.left, FIBER_TEST_PATIENCE);
    check(!heard.traced);
    close_server(&h);
}

FIBER_TEST(the_fields_may_have_other_names)
{
    ed_client *client =
        ed_client_new(.deadline_header = "X-Left", .trace_header = "X-Trace");
    struct hearing h;
    ed_res *res;

    open_server(&h, .deadline_header = "X-LEFT", .trace_header = "x-trace");
    check_int(ed_trace_begin(true), 0);
    {
        ed_scope(s, .within = 2 * ED_S);
        (void)s;
        check_int(ed_fetch(&res, h.url, .client = client), 0);
    }
    check_text(heard.deadline, "");
    check_text(heard.parent, "");
    check_int(heard.left, 2 * ED_S);
    check(heard.traced);
    check(!memcmp(heard.trace.id, ed_trace_current()->id, 16));
    ed_client_free(client);
    check(!ed_client_new(.deadline_header = "no name"));
    check(strstr(ed_error(), "'no name'"));
    check(!ed_client_new(.trace_header = "a\r\nb"));
    /* "": that one does not travel. */
    client = ed_client_new(.deadline_header = "");
    check_int(ed_fetch(&res, h.url, .client = client), 0);
    check_text(heard.deadline, "");
    check(heard.parent[0] != '\0');
    ed_client_free(client);
    close_server(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_deadline_is_told_and_bounds_the_handler),
        cmocka_unit_test(the_shorter_of_both_limits_holds),
        cmocka_unit_test(a_handler_that_takes_longer_is_answered_for),
        cmocka_unit_test(a_malformed_time_is_as_if_it_was_not_there),
        cmocka_unit_test(the_deadline_travels_on),
        cmocka_unit_test(less_than_a_millisecond_is_not_worth_a_request),
        cmocka_unit_test(time_that_passed_in_a_queue_is_taken_off),
        cmocka_unit_test(a_handler_knows_the_trace_of_its_request),
        cmocka_unit_test(what_is_malformed_or_doubled_is_no_trace),
        cmocka_unit_test(fetches_of_a_handler_name_its_span_as_parent),
        cmocka_unit_test(a_request_without_a_trace_begins_none_by_itself),
        cmocka_unit_test(fibers_without_a_request_have_traces_too),
        cmocka_unit_test(outside_of_a_fiber_there_is_no_trace),
        cmocka_unit_test(a_client_may_tell_nothing),
        cmocka_unit_test(a_server_may_hear_nothing),
        cmocka_unit_test(the_fields_may_have_other_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
