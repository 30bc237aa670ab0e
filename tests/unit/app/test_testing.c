/*
 * test_testing.c - the client that tests apps: that it finds what is wrong, and
 * nothing else.
 */
#include "../../fiber_test.h"

#include <eddy/eddy.h>
#include <fcntl.h>
#include <unistd.h>

static int greet(ed_req *req)
{
    ed_log_info("greeting %s", ed_arg(req, "name"));
    return ed_reply(req, 200, "Hello, %s!\n", ed_arg(req, "name"));
}

static int echo_form(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);
    if (err)
        return err;
    const char *type = ed_header(req, "Content-Type");
    return ed_reply_json(req, 200, "{s:s, s:s%}", "type", type ? type : "",
                         "body", body.ptr ? body.ptr : "", body.len);
}

static int visit(ed_req *req)
{
    const char *count = ed_cookie(req, "count");
    int err = ed_reply_header(req, "Set-Cookie",
                              count ? "count=many; Path=/" : "count=1; Path=/");
    return err ? err : ed_redirect(req, 303, "/hello/again");
}

static int sleep_long(ed_req *req)
{
    int err = ed_sleep(60 * ED_MIN);
    return err ? err : ed_reply(req, 200, "late\n");
}

static int host(ed_req *req)
{
    return ed_reply(req, 200, "%s %s", ed_req_host(req), ed_req_peer(req));
}

static int talk(ed_req *req)
{
    ed_ws *ws;
    struct ed_bytes msg;
    int err = ed_ws_accept(req, &ws);
    while (!err && !(err = ed_ws_recv(ws, &msg)))
        err = ed_ws_printf(ws, "you said %s", msg.ptr);
    return err == ED_ECLOSED ? 0 : err;
}

static bool running;

static int start(void *arg)
{
    (void)arg;
    running = true;
    return 0;
}

static int stop(void *arg)
{
    (void)arg;
    running = false;
    return 0;
}

static ed_app *make_app(void)
{
    ed_app *app = ed_app_new();
    ed_app_context(app, start, stop, NULL);
    ed_route(app, "GET /hello/{name}", greet);
    ed_route(app, "POST /echo", echo_form);
    ed_route(app, "GET /visit", visit);
    ed_route(app, "GET /slow", sleep_long);
    ed_route(app, "GET /host", host);
    ed_route(app, "GET /talk", talk);
    return app;
}

/* Runs `body` with a test, whose complaints are not shown, and gives how many
 * there were. */
static int complaints(void (*body)(ed_test *t))
{
    ed_app *app = make_app();
    int saved = dup(2), nowhere = open("/dev/null", O_WRONLY);
    ed_test *t = ed_test_new(app);
    check(running);
    fflush(stderr);
    dup2(nowhere, 2);
    body(t);
    int failed = ed_test_end(t);
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    close(nowhere);
    check(!running);
    ed_app_free(app);
    return failed;
}

static void what_holds(ed_test *t)
{
    ed_res *res;
    ed_test_expect(t, "/hello/Ada", 200, "Hello, Ada!\n");
    ed_test_expect(t, "POST /hello/Ada", 405, NULL);
    ed_test_get(t, &res, "/hello/Ada");
    ed_test_status(t, res, 200);
    ed_test_has(t, res, "Ada");
    ed_test_header(t, res, "content-type", "text/plain; charset=utf-8");
    ed_test_header(t, res, "X-None", NULL);
    ed_test_logged(t, "INFO greeting Ada\n");
    ed_test_log_clear(t);
    ed_test_check(t, !*ed_test_log(t));
    ed_test_post_form(t, &res, "/echo", "a", "1 2", "b", "", NULL);
    ed_test_json(t, res, "{s:s, s:s}", "body", "a=1%202&b=", "type",
                 "application/x-www-form-urlencoded");
    ed_test_post_json(t, &res, "/echo", "[i, n]", 7);
    ed_test_json(t, res, "{s:s, s:s}", "body", "[7,null]", "type",
                 "application/json");
    ed_test_expect(t, "/host", 200, "test.local unix:");
}

FIBER_TEST(what_holds_is_not_complained_of)
{
    check_int(complaints(what_holds), 0);
}

static void what_does_not_hold(ed_test *t)
{
    ed_res *res;
    ed_test_expect(t, "/hello/Ada", 201, NULL);
    ed_test_expect(t, "/hello/Ada", 200, "Hello");
    ed_test_expect(t, "GET", 200, NULL);
    ed_test_get(t, &res, "/hello/Ada");
    ed_test_status(t, res, 404);
    ed_test_body(t, res, "Hello, Ada!");
    ed_test_has(t, res, "Bob");
    ed_test_header(t, res, "Content-Type", "text/html");
    ed_test_header(t, res, "Content-Type", NULL);
    ed_test_header(t, res, "X-None", "");
    ed_test_json(t, res, "{}");
    ed_test_post_json(t, &res, "/echo", "{s:i}", "n", 1);
    ed_test_json(t, res, "{s:s}", "body", "{\"n\":1}");
    ed_test_logged(t, "greeting Bob");
    ed_test_check(t, !running);
}

FIBER_TEST(each_thing_that_does_not_hold_counts)
{
    check_int(complaints(what_does_not_hold), 13);
}

static void what_fails(ed_test *t)
{
    ed_res *res;
    ed_test_get(t, &res, "/slow");
    check(res == NULL);
    ed_test_body(t, res, "");
}

FIBER_TEST(a_request_that_fails_counts_and_its_response_holds_nothing)
{
    int64_t began = ed_now();
    check_int(complaints(what_fails), 2);
    check(ed_now() - began >= 60 * ED_S);
}

static void what_cookies_do(ed_test *t)
{
    ed_res *res;
    ed_test_get(t, &res, "/visit");
    ed_test_status(t, res, 303);
    check_text(ed_test_cookie(t, "count"), "1");
    ed_test_get(t, &res, "/visit", .max_redirects = 1);
    ed_test_body(t, res, "Hello, again!\n");
    check_text(ed_test_cookie(t, "count"), "many");
    check(!ed_test_cookie(t, "other"));
    check_int(ed_test_set_cookie(t, "other=x; Path=/"), 0);
    check_text(ed_test_cookie(t, "other"), "x");
}

FIBER_TEST(cookies_are_kept_and_redirects_followed_when_asked_for)
{
    check_int(complaints(what_cookies_do), 0);
}

static int get_slow(void *t)
{
    ed_res *res;
    int err = ed_test_get(t, &res, "/slow", .timeout = 2 * 60 * ED_MIN);
    ed_test_body(t, res, "late\n");
    return err;
}

static void open_where_there_is_none(ed_test *t)
{
    ed_ws *ws ED_WS_AUTO = NULL;
    check(ed_test_ws(t, &ws, "/host") == ED_ECONTENT);
    check(!ws);
}

/* In the time of the test: an hour of pings and pongs passes at once. */
FIBER_TEST(websockets_are_tested_as_requests_are)
{
    ed_app *app = make_app();
    ed_test *t = ed_test_new(app);
    struct ed_bytes msg;
    ed_ws *ws;
    check_int(ed_test_ws(t, &ws, "/talk"), 0);
    check_int(ed_test_advance(t, 60 * ED_MIN), 0);
    check_int(ed_ws_send(ws, ED_BYTES("hello")), 0);
    check_int(ed_ws_recv(ws, &msg), 0);
    check_text(msg.ptr, "you said hello");
    check_int(ed_ws_close(ws, ED_WS_NORMAL, NULL), 0);
    ed_ws_free(ws);
    check_int(ed_test_end(t), 0);
    ed_app_free(app);
    check_int(complaints(open_where_there_is_none), 1);
}

FIBER_TEST(time_passes_when_told_to)
{
    ed_app *app = make_app();
    ed_test *t = ed_test_new(app);
    ed_scope(s);
    ed_go(s, get_slow, t);
    check_int(ed_test_advance(t, 59 * ED_MIN), 0);
    check_int(ed_test_advance(t, 2 * ED_MIN), 0);
    check_int(ed_wait(s), 0);
    check_int(ed_test_end(t), 0);
    ed_app_free(app);
}

FIBER_TEST(a_request_under_way_is_waited_for_at_the_end)
{
    ed_app *app = make_app();
    ed_test *t = ed_test_new(
        app, .listen = "127.0.0.1:0",
        .server = &(struct ed_server_options){
            .size = sizeof(struct ed_server_options), .drain_timeout = ED_S});
    if (!check(t != NULL))
        return;
    check(!strncmp(ed_test_url(t), "http://127.0.0.1:", 17));
    ed_test *beside = ed_test_new(NULL, .url = ed_test_url(t));
    ed_test_expect(beside, "/hello/port", 200, "Hello, port!\n");
    ed_test_expect(t, "/hello/port", 200, "Hello, port!\n");
    check_int(ed_test_end(beside), 0);
    check_int(ed_test_end(t), 0);
    check(!running);
    ed_app_free(app);
}

static int refuse(void *arg)
{
    (void)arg;
    return ed_fail(ED_EDATABASE, "no database");
}

static void nothing(ed_test *t)
{
    (void)t;
}

FIBER_TEST(an_app_that_does_not_start_is_a_failure)
{
    ed_app *app = make_app();
    ed_res *res = NULL;
    ed_app_context(app, refuse, NULL, NULL);
    int saved = dup(2), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 2);
    ed_test *t = ed_test_new(app);
    check(!t && !running);
    check_int(ed_test_get(t, &res, "/"), ED_EUSAGE);
    check(!ed_test_expect(t, "/", 200, NULL));
    check_int(ed_test_end(t), 1);
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    close(nowhere);
    ed_app_free(app);
    check_int(complaints(nothing), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_holds_is_not_complained_of),
        cmocka_unit_test(each_thing_that_does_not_hold_counts),
        cmocka_unit_test(
            a_request_that_fails_counts_and_its_response_holds_nothing),
        cmocka_unit_test(
            cookies_are_kept_and_redirects_followed_when_asked_for),
        cmocka_unit_test(websockets_are_tested_as_requests_are),
        cmocka_unit_test(time_passes_when_told_to),
        cmocka_unit_test(a_request_under_way_is_waited_for_at_the_end),
        cmocka_unit_test(an_app_that_does_not_start_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
