/*
 * test_router.c - which route a request takes, and what it is told when there
 * is none.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>

/* Replies with the pattern it was reached by and its arguments. */
static int tell_route(ed_req *req)
{
    const struct ed_note *note = req->app;
    const struct ed_pattern *p = &note->match.route->pattern;
    struct ed_buf text = {0};
    int err = ed_buf_addf(&text, "%s", p->text);
    for (size_t i = 0; !err && i < p->part_count; i++) {
        if (p->parts[i].kind != ED_PART_LITERAL)
            err = ed_buf_addf(&text, " %s=%s", p->parts[i].text.ptr,
                              ed_arg(req, p->parts[i].text.ptr));
    }
    if (!err)
        err = ed_reply(req, 200, "%s", text.ptr);
    ed_buf_free(&text);
    return err;
}

#define app_with(...)                             \
    app_with_((const char *const[]){__VA_ARGS__}, \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static ed_app *app_with_(const char *const *patterns, size_t count)
{
    ed_app *app = ed_app_new();
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ed_route(app, patterns[i], tell_route), i);
    return app;
}

static void a_literal_path_is_found(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /", "GET /a", "GET /a/b", "GET /a/b/", "GET /c",
                           "GET /aa", "GET /b/a");
    fake_expect(app, "GET", "/", 200, "GET /");
    fake_expect(app, "GET", "/a", 200, "GET /a");
    fake_expect(app, "GET", "/a?b/c", 200, "GET /a");
    fake_expect(app, "GET", "/a/b", 200, "GET /a/b");
    fake_expect(app, "GET", "/a/b/", 200, "GET /a/b/");
    fake_expect(app, "GET", "/aa", 200, "GET /aa");
    fake_expect(app, "GET", "/a/", 404, NULL);
    fake_expect(app, "GET", "/a/b/c", 404, NULL);
    fake_expect(app, "GET", "/A", 404, NULL);
    fake_expect(app, "GET", "//", 404, NULL);
    fake_expect(app, "GET", "//a", 404, NULL);
    fake_expect(app, "GET", "", 404, NULL);
    ed_app_free(app);
}

static void many_siblings_are_told_apart(void **state)
{
    (void)state;
    char pattern[32];
    ed_app *app = ed_app_new();
    for (unsigned i = 0; i < 500; i++) {
        snprintf(pattern, sizeof pattern, "GET /r%u/x", i * 7919 % 500);
        assert_true(ed_route(app, pattern, tell_route) >= 0);
    }
    for (unsigned i = 0; i < 500; i++) {
        snprintf(pattern, sizeof pattern, "GET /r%u/x", i);
        fake_expect(app, "GET", pattern + 4, 200, pattern);
    }
    ed_app_free(app);
}

static void an_argument_is_a_segment_and_not_empty(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /hello/{name}", "GET /{a}/x/{b}");
    fake_expect(app, "GET", "/hello/Ada", 200, "GET /hello/{name} name=Ada");
    fake_expect(app, "GET", "/1/x/2", 200, "GET /{a}/x/{b} a=1 b=2");
    fake_expect(app, "GET", "/hello/", 404, NULL);
    fake_expect(app, "GET", "/hello", 404, NULL);
    fake_expect(app, "GET", "/hello/a/b", 404, NULL);
    fake_expect(app, "GET", "//x/2", 404, NULL);
    ed_app_free(app);
}

static void an_int_is_digits_that_fit(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /{n:int}");
    fake_expect(app, "GET", "/42", 200, "GET /{n:int} n=42");
    fake_expect(app, "GET", "/-7", 200, "GET /{n:int} n=-7");
    fake_expect(app, "GET", "/%34%32", 200, "GET /{n:int} n=42");
    fake_expect(app, "GET", "/-9223372036854775808", 200, NULL);
    fake_expect(app, "GET", "/9223372036854775808", 404, NULL);
    fake_expect(app, "GET", "/+7", 404, NULL);
    fake_expect(app, "GET", "/-", 404, NULL);
    fake_expect(app, "GET", "/7a", 404, NULL);
    fake_expect(app, "GET", "/", 404, NULL);
    ed_app_free(app);
}

static void a_rest_takes_what_is_left_even_nothing(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /files/{path*}");
    fake_expect(app, "GET", "/files/a/b.txt", 200,
                "GET /files/{path*} path=a/b.txt");
    fake_expect(app, "GET", "/files/", 200, "GET /files/{path*} path=");
    fake_expect(app, "GET", "/files//", 200, "GET /files/{path*} path=/");
    fake_expect(app, "GET", "/files", 404, NULL);
    ed_app_free(app);
}

static void literal_wins_over_int_over_name_over_rest(void **state)
{
    (void)state;
    static const char *const patterns[] = {"GET /u/1", "GET /u/{n:int}",
                                           "GET /u/{s}", "GET /u/{r*}"};
    /* In every rotation of the order in which they are added. */
    for (size_t first = 0; first < 4; first++) {
        ed_app *app = ed_app_new();
        for (size_t i = 0; i < 4; i++)
            ed_route(app, patterns[(first + i) % 4], tell_route);
        fake_expect(app, "GET", "/u/1", 200, "GET /u/1");
        fake_expect(app, "GET", "/u/2", 200, "GET /u/{n:int} n=2");
        fake_expect(app, "GET", "/u/x", 200, "GET /u/{s} s=x");
        fake_expect(app, "GET", "/u/x/y", 200, "GET /u/{r*} r=x/y");
        fake_expect(app, "GET", "/u/", 200, "GET /u/{r*} r=");
        ed_app_free(app);
    }
}

static void the_search_goes_back_where_a_better_way_ends(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /a/b/c", "GET /a/{x}/d", "GET /{y}/b/{n:int}/f",
                           "GET /{y}/{z}/{w}/e", "GET /{r*}");
    fake_expect(app, "GET", "/a/b/c", 200, "GET /a/b/c");
    fake_expect(app, "GET", "/a/b/d", 200, "GET /a/{x}/d x=b");
    fake_expect(app, "GET", "/a/b/1/f", 200, "GET /{y}/b/{n:int}/f y=a n=1");
    fake_expect(app, "GET", "/a/b/1/e", 200, "GET /{y}/{z}/{w}/e y=a z=b w=1");
    fake_expect(app, "GET", "/a/b/1/g", 200, "GET /{r*} r=a/b/1/g");
    ed_app_free(app);
}

static void a_route_is_passed_over_that_does_not_take_the_method(void **state)
{
    (void)state;
    ed_app *app =
        app_with("POST /a/b", "GET /a/{x}", "* /a/{r*}", "PURGE /c", "PUT /d");
    fake_expect(app, "POST", "/a/b", 200, "POST /a/b");
    fake_expect(app, "GET", "/a/b", 200, "GET /a/{x} x=b");
    fake_expect(app, "ODD", "/a/b", 200, "* /a/{r*} r=b");
    fake_expect(app, "PURGE", "/c", 200, "PURGE /c");
    fake_expect(app, "PURGE", "/d", 405, NULL);
    ed_app_free(app);
}

static void get_answers_head_unless_there_is_a_head_route(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /a", "HEAD /b", "GET /b", "* /c", "POST /d");
    fake_expect(app, "HEAD", "/a", 200, "GET /a");
    fake_expect(app, "HEAD", "/b", 200, "HEAD /b");
    fake_expect(app, "HEAD", "/c", 200, "* /c");
    fake_expect(app, "HEAD", "/d", 405, NULL);
    ed_app_free(app);
}

static void expect_allow(ed_app *app, const char *method, const char *target,
                         int status, const char *allow)
{
    struct fake f;
    fake_request(&f, app, method, target);
    assert_int_equal(f.req.reply.status, status);
    assert_string_equal(fake_field(&f, "Allow"), allow);
    fake_done(&f);
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
    (void)state;
    ed_app *app = app_with("GET,POST /a", "PUT /{x}", "DELETE /b", "LINK /a");
    expect_allow(app, "PATCH", "/a", 405,
                 "GET, HEAD, OPTIONS, POST, PUT, LINK");
    expect_allow(app, "GET", "/b", 405, "OPTIONS, PUT, DELETE");
    expect_allow(app, "get", "/b", 405, "OPTIONS, PUT, DELETE");
    ed_app_free(app);
}

static void options_are_told_of_a_path_and_of_all(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /a", "PUT /b/{x:int}", "OPTIONS /c", "* /d");
    expect_allow(app, "OPTIONS", "/a", 200, "GET, HEAD, OPTIONS");
    expect_allow(app, "OPTIONS", "*", 200, "GET, HEAD, OPTIONS, PUT");
    fake_expect(app, "OPTIONS", "/b/x", 404, NULL);
    fake_expect(app, "OPTIONS", "/c", 200, "OPTIONS /c");
    fake_expect(app, "OPTIONS", "/d", 200, "* /d");
    fake_expect(app, "GET", "*", 404, NULL);
    ed_app_free(app);
}

static void an_encoded_path_is_decoded_segment_by_segment(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /b%20c", "GET /x%2Fy", "GET /x/y",
                           "GET /n/{name}", "GET /r/{rest*}");
    fake_expect(app, "GET", "/b%20c", 200, "GET /b%20c");
    fake_expect(app, "GET", "/%62%20c", 200, "GET /b%20c");
    fake_expect(app, "GET", "/x%2fy", 200, "GET /x%2Fy");
    fake_expect(app, "GET", "/x/%79", 200, "GET /x/y");
    fake_expect(app, "GET", "/n/J%C3%BCrgen", 200,
                "GET /n/{name} name=J\xc3\xbcrgen");
    fake_expect(app, "GET", "/n/a%2Fb", 200, "GET /n/{name} name=a/b");
    fake_expect(app, "GET", "/n/a+b", 200, "GET /n/{name} name=a+b");
    fake_expect(app, "GET", "/r/..%2F..%2Fetc", 200,
                "GET /r/{rest*} rest=..%2F..%2Fetc");
    ed_app_free(app);
}

static void bad_encoding_is_a_bad_request(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /{rest*}");
    fake_expect(app, "GET", "/%", 400, NULL);
    fake_expect(app, "GET", "/a%4", 400, NULL);
    fake_expect(app, "GET", "/%g0/b", 400, NULL);
    fake_expect(app, "GET", "/%00", 400, NULL);
    fake_expect(app, "GET", "/a/%0", 400, NULL);
    ed_app_free(app);
}

static void expect_redirect(ed_app *app, const char *target, const char *to)
{
    struct fake f;
    fake_request(&f, app, "POST", target);
    assert_int_equal(f.req.reply.status, 308);
    assert_string_equal(fake_field(&f, "Location"), to);
    fake_done(&f);
}

static void dot_segments_redirect_to_the_normal_form(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /{rest*}");
    expect_redirect(app, "/a/../b", "/b");
    expect_redirect(app, "/a/./b/.", "/a/b/");
    expect_redirect(app, "/..", "/");
    expect_redirect(app, "/a/../b?q=/../%41", "/b?q=/../%41");
    expect_redirect(app, "/a/%2e%2E/b%20c", "/b%20c");
    expect_redirect(app, "/a/.%2e/x%2f..", "/x%2f..");
    fake_expect(app, "GET", "/.../.a/a..", 200, NULL);
    fake_expect(app, "GET", "/a?/../", 200, NULL);
    ed_app_free(app);
}

static void a_redirect_never_leads_to_another_host(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /{rest*}");
    expect_redirect(app, "//evil.example/..", "/");
    expect_redirect(app, "//evil.example/a/..", "/evil.example/");
    expect_redirect(app, "/..//evil.example", "/evil.example");
    expect_redirect(app, "/.//evil.example", "/evil.example");
    expect_redirect(app, "///x/..///evil.example", "/evil.example");
    expect_redirect(app, "/x/../\\evil.example", "/%5Cevil.example");
    expect_redirect(app, "/%2e%2e//%2e//evil.example", "/evil.example");
    ed_app_free(app);
}

static void expect_host(ed_app *app, const char *host, const char *body)
{
    struct fake f;
    fake_begin(&f, app, "GET", "/x");
    f.host = host;
    fake_run(&f);
    assert_string_equal(f.body.ptr, body);
    fake_done(&f);
}

static void a_host_goes_before_a_wildcard_before_every_host(void **state)
{
    (void)state;
    ed_app *app =
        app_with("GET /{any}", "GET *.example.org/x", "GET example.org/x",
                 "GET *.b.example.org/{y}", "POST a.example.org/x");
    expect_host(app, "example.org", "GET example.org/x");
    expect_host(app, "EXAMPLE.org:8080", "GET example.org/x");
    expect_host(app, "example.org.", "GET example.org/x");
    expect_host(app, "a.example.org", "GET *.example.org/x");
    expect_host(app, "a.b.example.org:1", "GET *.b.example.org/{y} y=x");
    expect_host(app, "notexample.org", "GET /{any} any=x");
    expect_host(app, ".example.org", "GET /{any} any=x");
    expect_host(app, "", "GET /{any} any=x");
    expect_host(app, "[::1]:8080", "GET /{any} any=x");
    ed_app_free(app);
}

static void expect_refused(ed_app *app, const char *pattern, const char *why)
{
    char *log = fake_log();
    free(log);
    assert_int_equal(ed_route(app, pattern, tell_route), ED_EUSAGE);
    log = fake_log();
    if (!strstr(log, why))
        print_error("%s: %s", pattern, log);
    assert_non_null(strstr(log, why));
    assert_non_null(strstr(log, pattern));
    free(log);
}

static void a_malformed_pattern_is_refused_with_the_reason(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    expect_refused(app, "GET /a/{x:flaot}",
                   "route \"GET /a/{x:flaot}\": unknown type 'flaot' (did you "
                   "mean 'int'?)");
    expect_refused(app, "", "no method");
    expect_refused(app, "GET", "no path");
    expect_refused(app, "/a", "'/a' is not a method (such as GET /a)");
    expect_refused(app, "get /a", "method 'get' is not in upper case");
    expect_refused(app, "GET,,POST /a", "'' is not a method");
    expect_refused(app, "GET,* /a", "'*' is not a method");
    expect_refused(app, "GET exa mple/a", "'exa mple' is not a host");
    expect_refused(app, "GET *./a", "'*.' is not a host");
    expect_refused(app, "GET a.*.b/a", "'a.*.b' is not a host");
    expect_refused(app, "GET example.org:80/a", "without a port");
    expect_refused(app, "GET /a//b", "two slashes");
    expect_refused(app, "GET //", "two slashes");
    expect_refused(app, "GET /a{x}/b", "in 'a{x}'");
    expect_refused(app, "GET /{x/b", "in '{x'");
    expect_refused(app, "GET /{}", "'' is not a name");
    expect_refused(app, "GET /{1x}", "'1x' is not a name");
    expect_refused(app, "GET /{x:}", "unknown type ''");
    expect_refused(app, "GET /{x*}/b", "{x*} is not at the end");
    expect_refused(app, "GET /{x}/{x:int}", "two arguments are named 'x'");
    expect_refused(app, "GET /a?b", "in 'a?b'");
    expect_refused(app, "GET /a b", "in 'a b'");
    expect_refused(app, "GET /%zz", "in '%zz'");
    expect_refused(app, "GET /%00", "in '%00'");
    expect_refused(app, "GET /a/../b", "'..' never matches");
    expect_refused(app,
                   "GET /{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/"
                   "{m}/{n}/{o}/{p}/{q}",
                   "more than 16 arguments");
    assert_int_not_equal(app->refused, 0);
    ed_app_free(app);
}

static void a_taken_place_is_refused_with_its_owner(void **state)
{
    (void)state;
    ed_app *app = app_with("GET,POST /a/{x}", "* /b", "GET h.org/c");
    expect_refused(app, "PUT,POST /a/{y}", "taken by \"GET,POST /a/{x}\"");
    expect_refused(app, "* /b", "taken by \"* /b\"");
    expect_refused(app, "GET H.ORG/c", "taken by \"GET h.org/c\"");
    assert_int_equal(ed_route(app, "PUT /a/{y}", tell_route), 3);
    assert_true(ed_route(app, "GET /b", tell_route) > 0);
    assert_true(ed_route(app, "GET /a/{n:int}", tell_route) > 0);
    fake_expect(app, "PUT", "/a/z", 200, "PUT /a/{y} y=z");
    fake_expect(app, "GET", "/b", 200, "GET /b");
    fake_expect(app, "POST", "/b", 200, "* /b");
    ed_app_free(app);
}

static int tell_urls(ed_req *req)
{
    static const char *const values[] = {"Ada", "a b/c%",   "..",
                                         "",    "\xc3\xbc", "a/../b"};
    struct ed_buf text = {0};
    int err = 0;
    for (size_t i = 0; !err && i < sizeof values / sizeof *values; i++) {
        const char *url =
            ed_url_for(req, "hello", "other", "x", "name", values[i], NULL);
        err = ed_buf_addf(&text, "%s\n", url ? url : "-");
    }
    if (!err)
        err = ed_reply(req, 200, "%s", text.ptr);
    ed_buf_free(&text);
    return err;
}

static void a_named_route_has_a_url(void **state)
{
    (void)state;
    ed_app *app = app_with("GET example.org/hello/{name}/x%2Fy%20");
    free(fake_log());
    assert_int_equal(ed_route_name(app, "hello"), 0);
    ed_route(app, "GET /urls", tell_urls);
    fake_expect(app, "GET", "/urls", 200,
                "/hello/Ada/x%2Fy%20\n"
                "/hello/a%20b%2Fc%25/x%2Fy%20\n"
                "-\n"
                "-\n"
                "/hello/%C3%BC/x%2Fy%20\n"
                "/hello/a%2F..%2Fb/x%2Fy%20\n");
    ed_app_free(app);
}

static int tell_odd_urls(ed_req *req)
{
    assert_null(ed_url_for(req, "nobody", NULL));
    assert_null(ed_url_for(req, "files", NULL));
    assert_null(ed_url_for(req, "files", "path", NULL));
    assert_null(ed_url_for(req, "files", "path", "/evil.example", NULL));
    assert_null(ed_url_for(req, "files", "path", "a/../b", NULL));
    assert_null(ed_url_for(req, "number", "n", "x", NULL));
    assert_string_equal(ed_url_for(req, "number", "n", "-7", NULL), "/n/-7");
    assert_string_equal(ed_url_for(req, "files", "path", "a/b c", NULL),
                        "/a/b%20c");
    assert_string_equal(ed_url_for(req, "files", "path", "", NULL), "/");
    return ed_reply(req, 200, "ok");
}

static void a_url_that_would_lead_elsewhere_is_refused(void **state)
{
    (void)state;
    ed_app *app = app_with("GET /{path*}");
    free(fake_log());
    ed_route_name(app, "files");
    ed_route(app, "GET /n/{n:int}", tell_odd_urls);
    ed_route_name(app, "number");
    fake_expect(app, "GET", "/n/1", 200, "ok");
    char *log = fake_log();
    assert_non_null(strstr(log, "no route is named 'nobody'"));
    free(log);
    ed_app_free(app);
}

static void a_name_is_given_once(void **state)
{
    (void)state;
    free(fake_log());
    ed_app *app = ed_app_new();
    assert_int_equal(ed_route_name(app, "early"), ED_EUSAGE);
    ed_route(app, "GET /", tell_route);
    assert_int_equal(ed_route_name(app, "home"), 0);
    assert_int_equal(ed_route_name(app, "home"), ED_EUSAGE);
    assert_int_equal(app->refused, 2);
    ed_app_free(app);
}

static int tell_numbers(ed_req *req)
{
    return ed_reply(req, 200, "%lld %lld %s", (long long)ed_arg_int(req, "n"),
                    (long long)ed_arg_int(req, "s"), ed_arg(req, "none"));
}

static void an_argument_is_read_as_a_number(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    ed_route(app, "GET /{n:int}/{s}", tell_numbers);
    fake_expect(app, "GET", "/-12/x", 200, "-12 0 ");
    fake_expect(app, "GET", "/5/6", 200, "5 6 ");
    ed_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_literal_path_is_found),
        cmocka_unit_test(many_siblings_are_told_apart),
        cmocka_unit_test(an_argument_is_a_segment_and_not_empty),
        cmocka_unit_test(an_int_is_digits_that_fit),
        cmocka_unit_test(a_rest_takes_what_is_left_even_nothing),
        cmocka_unit_test(literal_wins_over_int_over_name_over_rest),
        cmocka_unit_test(the_search_goes_back_where_a_better_way_ends),
        cmocka_unit_test(a_route_is_passed_over_that_does_not_take_the_method),
        cmocka_unit_test(get_answers_head_unless_there_is_a_head_route),
        cmocka_unit_test(a_wrong_method_is_told_the_right_ones),
        cmocka_unit_test(options_are_told_of_a_path_and_of_all),
        cmocka_unit_test(an_encoded_path_is_decoded_segment_by_segment),
        cmocka_unit_test(bad_encoding_is_a_bad_request),
        cmocka_unit_test(dot_segments_redirect_to_the_normal_form),
        cmocka_unit_test(a_redirect_never_leads_to_another_host),
        cmocka_unit_test(a_host_goes_before_a_wildcard_before_every_host),
        cmocka_unit_test(a_malformed_pattern_is_refused_with_the_reason),
        cmocka_unit_test(a_taken_place_is_refused_with_its_owner),
        cmocka_unit_test(a_named_route_has_a_url),
        cmocka_unit_test(a_url_that_would_lead_elsewhere_is_refused),
        cmocka_unit_test(a_name_is_given_once),
        cmocka_unit_test(an_argument_is_read_as_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
