/*
 * test_middleware.c - what runs around handlers, in which order.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>

/* What has run, in its order. */
static char trail[256];

static void step(const char *what)
{
    size_t len = strlen(trail);
    snprintf(trail + len, sizeof trail - len, "%s%s", len ? " " : "", what);
}

static int before(ed_req *req, void *arg)
{
    (void)req;
    step(arg);
    return 0;
}

static int after(ed_req *req, int result, void *arg)
{
    char text[32];
    (void)req;
    snprintf(text, sizeof text, "%s=%s", (char *)arg, ed_err_name(result));
    step(text);
    return result;
}

static int around(ed_req *req, ed_next *next, void *arg)
{
    char end[32];
    step(arg);
    int result = ed_next_call(next, req);
    snprintf(end, sizeof end, "/%s", (char *)arg);
    step(end);
    return result;
}

static int handler(ed_req *req)
{
    step("handler");
    return ed_reply(req, 200, "ok");
}

static int failing(ed_req *req)
{
    (void)req;
    step("failing");
    return ED_ECONFLICT;
}

static void expect_trail(ed_app *app, const char *target, int status,
                         const char *wanted)
{
    *trail = '\0';
    fake_expect(app, "GET", target, status, NULL);
    assert_string_equal(trail, wanted);
}

static void the_first_added_is_the_outermost(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    assert_int_equal(ed_around(app, around, "a"), 0);
    assert_int_equal(ed_before(app, before, "b"), 0);
    assert_int_equal(ed_after(app, after, "c"), 0);
    assert_int_equal(ed_around(app, around, "d"), 0);
    ed_route(app, "GET /", handler);
    expect_trail(app, "/", 200, "a b d handler /d c=OK /a");
    ed_app_free(app);
}

static void groups_nest_inside_of_the_app(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    ed_group *api = ed_group_new(app, "/api");
    ed_group *users = ed_group_in(api, "/users/{id}");
    ed_group *bare = ed_group_new(app, "");
    ed_group_route(api, "GET /x", handler);
    ed_group_route(users, "GET", handler);
    ed_group_route(users, "GET example.org/y", handler);
    ed_group_route(bare, "GET /z", handler);
    ed_route(app, "GET /w", handler);
    ed_group_around(users, around, "users");
    ed_group_before(api, before, "api");
    ed_group_after(bare, after, "bare");
    ed_before(app, before, "app");
    assert_int_equal(app->refused, 0);
    expect_trail(app, "/api/x", 200, "app api handler");
    expect_trail(app, "/api/users/7", 200, "app api users handler /users");
    expect_trail(app, "/api/users/7/y", 200, "app api users handler /users");
    expect_trail(app, "/z", 200, "app handler bare=OK");
    expect_trail(app, "/w", 200, "app handler");
    ed_app_free(app);
}

static int refuse(ed_req *req, void *arg)
{
    (void)req;
    (void)arg;
    return ED_EFORBIDDEN;
}

static int reply_itself(ed_req *req, void *arg)
{
    (void)arg;
    (void)ed_reply(req, 202, "mine");
    return 1;
}

static void a_before_that_fails_ends_the_request(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    ed_after(app, after, "outer");
    ed_before(app, refuse, NULL);
    ed_before(app, before, "inner");
    ed_route(app, "GET /", handler);
    expect_trail(app, "/", 403, "outer=ED_EFORBIDDEN");
    ed_app_free(app);
}

static void a_before_that_replies_ends_the_request(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    ed_after(app, after, "outer");
    ed_before(app, reply_itself, NULL);
    ed_route(app, "GET /", handler);
    expect_trail(app, "/", 202, "outer=OK");
    ed_app_free(app);
}

static int answer_alone(ed_req *req, ed_next *next, void *arg)
{
    (void)next;
    (void)arg;
    return ed_reply(req, 204, "%s", "");
}

static void an_around_may_leave_out_what_comes_next(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    ed_around(app, answer_alone, NULL);
    ed_route(app, "GET /", handler);
    expect_trail(app, "/", 204, "");
    ed_app_free(app);
}

static int mend(ed_req *req, int result, void *arg)
{
    (void)arg;
    return result == ED_ECONFLICT ? ed_reply(req, 200, "mended") : result;
}

static void an_after_sees_the_result_and_may_change_it(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    ed_after(app, after, "outer");
    ed_group *mended = ed_group_new(app, "/mended");
    ed_group_after(mended, mend, NULL);
    ed_group_route(mended, "GET", failing);
    ed_route(app, "GET /plain", failing);
    expect_trail(app, "/mended", 200, "failing outer=OK");
    expect_trail(app, "/plain", 409, "failing outer=ED_ECONFLICT");
    ed_app_free(app);
}

static void the_apps_middleware_sees_what_no_route_answers(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    ed_after(app, after, "app");
    ed_group_after(ed_group_new(app, "/g"), after, "group");
    ed_route(app, "POST /", handler);
    expect_trail(app, "/none", 404, "app=ED_ENOTFOUND");
    expect_trail(app, "/", 405, "app=ED_EMETHOD");
    expect_trail(app, "/%zz", 400, "app=ED_EBADREQ");
    expect_trail(app, "/a/..", 308, "app=OK");
    expect_trail(app, "/g/none", 404, "app=ED_ENOTFOUND");
    ed_app_free(app);
}

static int name_argument(ed_req *req, void *arg)
{
    (void)arg;
    step(ed_arg(req, "id"));
    return 0;
}

static int add_field(ed_req *req, int result, void *arg)
{
    (void)ed_reply_header(req, "X-Seen", arg);
    return result;
}

static void middleware_reads_arguments_and_adds_fields_to_errors(void **state)
{
    (void)state;
    struct fake f;
    ed_app *app = ed_app_new();
    ed_before(app, name_argument, NULL);
    ed_after(app, add_field, "yes");
    ed_route(app, "GET /{id}", failing);
    *trail = '\0';
    fake_request(&f, app, "GET", "/seven");
    assert_string_equal(trail, "seven failing");
    assert_string_equal(fake_field(&f, "X-Seen"), "yes");
    fake_done(&f);
    ed_app_free(app);
}

static void middleware_added_later_holds_from_then_on(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    ed_group *group = ed_group_new(app, "/g");
    ed_group_route(group, "GET", handler);
    expect_trail(app, "/g", 200, "handler");
    ed_group_before(group, before, "late");
    expect_trail(app, "/g", 200, "late handler");
    ed_app_free(app);
}

static void a_route_without_middleware_has_no_layers(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    ed_group_before(ed_group_new(app, "/g"), before, "group");
    ed_route(app, "GET /", handler);
    expect_trail(app, "/", 200, "handler");
    assert_ptr_equal(app->routes[0]->layers, app->routes[0]->layers_end);
    ed_app_free(app);
}

static void a_malformed_prefix_is_refused(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"api", "/", "/api/"};
    for (unsigned i = 0; i < 3; i++) {
        free(fake_log());
        ed_app *app = ed_app_new();
        assert_non_null(ed_group_new(app, prefixes[i]));
        assert_int_equal(app->refused, 1);
        char *log = fake_log();
        assert_non_null(strstr(log, prefixes[i]));
        free(log);
        ed_app_free(app);
    }
}

ED_APP_VALUE(ed_app, inner)

static int handle_inside(ed_req *req)
{
    void *user = req->user;
    req->user = inner_of(req);
    int err = ed_app_handle(req);
    req->user = user;
    if (!err)
        step(ed_arg(req, "outer"));
    return err;
}

static int tell_inner(ed_req *req)
{
    step(ed_arg(req, "inner"));
    step(ed_arg(req, "outer"));
    return ed_reply(req, 200, "ok");
}

static void an_app_inside_of_an_app_has_its_own_arguments(void **state)
{
    (void)state;
    ed_app *inner = ed_app_new();
    ed_app *outer = ed_app_new();
    inner_set(outer, inner);
    ed_route(outer, "GET /{outer}", handle_inside);
    ed_route(inner, "GET /{inner}", tell_inner);
    expect_trail(outer, "/x", 200, "x  x");
    ed_app_free(outer);
    ed_app_free(inner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_added_is_the_outermost),
        cmocka_unit_test(groups_nest_inside_of_the_app),
        cmocka_unit_test(a_before_that_fails_ends_the_request),
        cmocka_unit_test(a_before_that_replies_ends_the_request),
        cmocka_unit_test(an_around_may_leave_out_what_comes_next),
        cmocka_unit_test(an_after_sees_the_result_and_may_change_it),
        cmocka_unit_test(the_apps_middleware_sees_what_no_route_answers),
        cmocka_unit_test(middleware_reads_arguments_and_adds_fields_to_errors),
        cmocka_unit_test(middleware_added_later_holds_from_then_on),
        cmocka_unit_test(a_route_without_middleware_has_no_layers),
        cmocka_unit_test(a_malformed_prefix_is_refused),
        cmocka_unit_test(an_app_inside_of_an_app_has_its_own_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
