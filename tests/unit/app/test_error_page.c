/*
 * test_error_page.c - error replies: their form, and what they do not tell.
 */
#include "fake.h"

#include <stdlib.h>

static int fail_with_secret(ed_req *req)
{
    (void)ed_reply_header(req, "ETag", "\"secret\"");
    (void)ed_reply_header(req, "X-Kept", "yes");
    return ed_fail(ED_ECONNECT, "db.internal refused the password");
}

static int fail_plainly(ed_req *req)
{
    (void)req;
    return ED_EFORBIDDEN;
}

static int fail_after_choosing(ed_req *req)
{
    (void)ed_reply_header(req, "Content-Type", "image/png");
    (void)ed_reply_begin(req, 200, 7);
    return ED_EOVERLOAD;
}

static int fail_midway(ed_req *req)
{
    (void)ed_write(req, "half of it");
    return ED_ECONNLOST;
}

static int reply_nothing(ed_req *req)
{
    (void)req;
    return 0;
}

static ed_app *app_that_fails(void)
{
    ed_app *app = ed_app_new();
    free(fake_log()); /* the failures belong there, not on the terminal */
    ed_route(app, "GET /secret", fail_with_secret);
    ed_route(app, "GET /plain", fail_plainly);
    ed_route(app, "GET /chosen", fail_after_choosing);
    ed_route(app, "GET /midway", fail_midway);
    ed_route(app, "GET /nothing", reply_nothing);
    return app;
}

static void request_accepting(struct fake *f, ed_app *app, const char *target,
                              const char *accept)
{
    fake_begin(f, app, "GET", target);
    f->accept = accept;
    fake_run(f);
}

static void the_form_is_what_accept_asks_for(void **state)
{
    (void)state;
    static const char html[] = "text/html; charset=utf-8";
    static const char json[] = "application/json";
    static const char text[] = "text/plain; charset=utf-8";
    static const struct {
        const char *accept;
        const char *type;
    } cases[] = {
        {NULL, text},
        {"", text},
        {"*/*", text},
        {"text/*", text},
        {"image/png", text},
        {"nonsense", text},
        {";;,,=", text},
        {"text/html", html},
        {"TEXT/HTML", html},
        {"application/json", json},
        {"application/*", json},
        {"application/problem+json", json},
        {"application/xhtml+xml", html},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
         html},
        {"application/json, text/plain, */*", json},
        {"application/json, text/javascript, */*; q=0.01", json},
        {"text/html;q=0.4, application/json;q=0.5", json},
        {"text/html;q=0.5, application/json;q=0.499", html},
        {"text/html;level=1;q=0.2, text/plain;q=0.3", text},
        {"application/json;q=0, */*", text},
        {"text/html;q=0", text},
        {"text/plain;q=0.1, text/html;q=0.000", text},
        {"*/*;q=0.9, text/html;q=0.8", text},
        {"text/plain;q=0, */*;q=0.5", html},
    };
    ed_app *app = app_that_fails();
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake f;
        request_accepting(&f, app, "/plain", cases[i].accept);
        if (strcmp(f.req.reply.content_type.ptr, cases[i].type) != 0)
            print_error("Accept: %s\n", cases[i].accept);
        assert_string_equal(f.req.reply.content_type.ptr, cases[i].type);
        assert_int_equal(f.req.reply.status, 403);
        assert_string_equal(fake_field(&f, "Vary"), "Accept");
        fake_done(&f);
    }
    ed_app_free(app);
}

static void json_has_status_and_reason(void **state)
{
    (void)state;
    struct fake f;
    ed_app *app = app_that_fails();
    request_accepting(&f, app, "/none", "application/json");
    assert_string_equal(
        f.body.ptr, "{\"error\":{\"status\":404,\"reason\":\"Not Found\"}}\n");
    fake_done(&f);
    request_accepting(&f, app, "/secret", "application/json");
    assert_string_equal(f.body.ptr,
                        "{\"error\":{\"status\":502,\"reason\":\"Bad "
                        "Gateway\",\"request\":\"test1\"}}\n");
    fake_done(&f);
    ed_app_free(app);
}

static void html_is_a_page_of_its_own(void **state)
{
    (void)state;
    struct fake f;
    ed_app *app = app_that_fails();
    request_accepting(&f, app, "/none", "text/html");
    assert_memory_equal(f.body.ptr, "<!DOCTYPE html>", 15);
    assert_non_null(strstr(f.body.ptr, "<title>404 Not Found</title>"));
    assert_null(strstr(f.body.ptr, "http"));
    assert_null(strstr(f.body.ptr, "test1"));
    fake_done(&f);
    request_accepting(&f, app, "/secret", "text/html");
    assert_non_null(strstr(f.body.ptr, "<code>test1</code>"));
    fake_done(&f);
    ed_app_free(app);
}

static void html_is_escaped(void **state)
{
    (void)state;
    struct fake f;
    ed_app *app = app_that_fails();
    fake_begin(&f, app, "GET", "/");
    f.accept = "text/html";
    f.field = (struct ed_http1_field){.name = {0, 6}, .value = {6, 9}};
    f.req.head = "accepttext/html";
    f.req.fields = &f.field;
    f.req.field_count = 1;
    assert_int_equal(ed_error_page(&f.req, 400, "<a href='\"&'>"), 0);
    assert_int_equal(ed_buf_add(&f.body, "", 1), 0);
    assert_non_null(strstr(f.body.ptr, "&lt;a href=&#39;&quot;&amp;&#39;&gt;"));
    assert_null(strstr(f.body.ptr, "<a "));
    fake_done(&f);
    ed_app_free(app);
}

static void nothing_of_the_failure_is_shown(void **state)
{
    (void)state;
    static const char *const accepts[] = {"text/html", "application/json",
                                          "*/*"};
    ed_app *app = app_that_fails();
    for (unsigned i = 0; i < 3; i++) {
        struct fake f;
        request_accepting(&f, app, "/secret", accepts[i]);
        assert_int_equal(f.req.reply.status, 502);
        assert_null(strstr(f.body.ptr, "internal"));
        assert_null(strstr(f.body.ptr, "/secret"));
        assert_null(fake_field(&f, "ETag"));
        assert_string_equal(fake_field(&f, "X-Kept"), "yes");
        assert_non_null(strstr(f.body.ptr, "test1"));
        fake_done(&f);
    }
    ed_app_free(app);
}

static void a_reply_that_is_not_out_gives_way(void **state)
{
    (void)state;
    struct fake f;
    ed_app *app = app_that_fails();
    fake_request(&f, app, "GET", "/chosen");
    assert_int_equal(f.result, 0);
    assert_int_equal(f.req.reply.status, 503);
    assert_string_equal(f.req.reply.content_type.ptr,
                        "text/plain; charset=utf-8");
    assert_int_equal(f.req.reply.length, f.body.len);
    fake_done(&f);
    ed_app_free(app);
}

static void a_reply_that_is_out_is_cut(void **state)
{
    (void)state;
    struct fake f;
    ed_app *app = app_that_fails();
    fake_request(&f, app, "GET", "/midway");
    assert_int_equal(f.result, ED_ECONNLOST);
    assert_string_equal(f.body.ptr, "half of it");
    fake_done(&f);
    ed_app_free(app);
}

static void a_handler_that_replies_nothing_has_failed(void **state)
{
    (void)state;
    ed_app *app = app_that_fails();
    fake_expect(app, "GET", "/nothing", 500, NULL);
    ed_app_free(app);
}

static void a_failure_is_logged_once(void **state)
{
    (void)state;
    ed_app *app = app_that_fails();
    fake_expect(app, "GET", "/secret", 502, NULL);
    char *log = fake_log();
    assert_non_null(strstr(log, "GET /secret failed: cannot connect"));
    assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1);
    free(log);
    ed_app_free(app);
}

static int own_page(ed_req *req, int status, const char *text)
{
    return ed_reply(req, status, "own %d %s", status, text);
}

static int own_page_sometimes(ed_req *req, int status, const char *text)
{
    (void)text;
    if (status == 403)
        return 0;
    (void)ed_reply_header(req, "Content-Type", "x/y");
    return ED_ENOMEM;
}

static void an_app_makes_its_own_error_replies(void **state)
{
    (void)state;
    ed_app *app = app_that_fails();
    ed_on_error(app, own_page);
    fake_expect(app, "GET", "/plain", 403, "own 403 You may not do this.");
    fake_expect(app, "GET", "/none", 404,
                "own 404 There is nothing at this address.");
    ed_on_error(app, NULL);
    fake_expect(app, "GET", "/plain", 403,
                "403 Forbidden\nYou may not do this.\n");
    ed_app_free(app);
}

static void the_default_steps_in_for_an_error_reply_that_fails(void **state)
{
    (void)state;
    ed_app *app = app_that_fails();
    ed_on_error(app, own_page_sometimes);
    fake_expect(app, "GET", "/plain", 403,
                "403 Forbidden\nYou may not do this.\n");
    fake_expect(app, "GET", "/none", 404,
                "404 Not Found\nThere is nothing at this address.\n");
    ed_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_is_what_accept_asks_for),
        cmocka_unit_test(json_has_status_and_reason),
        cmocka_unit_test(html_is_a_page_of_its_own),
        cmocka_unit_test(html_is_escaped),
        cmocka_unit_test(nothing_of_the_failure_is_shown),
        cmocka_unit_test(a_reply_that_is_not_out_gives_way),
        cmocka_unit_test(a_reply_that_is_out_is_cut),
        cmocka_unit_test(a_handler_that_replies_nothing_has_failed),
        cmocka_unit_test(a_failure_is_logged_once),
        cmocka_unit_test(an_app_makes_its_own_error_replies),
        cmocka_unit_test(the_default_steps_in_for_an_error_reply_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
