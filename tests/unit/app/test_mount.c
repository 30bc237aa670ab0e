/*
 * test_mount.c - requests to apps within apps.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>

static int tell(ed_req *req)
{
    return ed_reply(req, 200, "%s id=%s team=%s", ed_req_path(req),
                    ed_arg(req, "id"), ed_arg(req, "team"));
}

static int mark(ed_req *req, void *text)
{
    return ed_reply_header(req, "X-Way", text);
}

static int own_page(ed_req *req, int status, const char *text)
{
    (void)text;
    return ed_reply(req, status, "own page");
}

static int fail_badly(ed_req *req)
{
    (void)req;
    return ED_EFORBIDDEN;
}

/* An app with one mounted at a prefix. */
static ed_app *with_inner(const char *prefix, ed_app **inner)
{
    free(fake_log());
    ed_app *app = ed_app_new();
    *inner = ed_app_new();
    ed_route(*inner, "GET /", tell);
    ed_route(*inner, "GET /users/{id:int}", tell);
    ed_route(*inner, "GET /files/{id*}", tell);
    ed_route(*inner, "GET /bad", fail_badly);
    assert_int_equal(ed_mount(app, prefix, *inner), 0);
    return app;
}

static void what_lies_below_a_prefix_is_the_mounted_apps(void **state)
{
    (void)state;
    ed_app *inner;
    ed_app *app = with_inner("/admin", &inner);
    ed_route(app, "GET /admin/health", fail_badly);
    ed_route(app, "GET /users/{id}", tell);
    fake_expect(app, "GET", "/admin/", 200, "/admin/ id= team=");
    fake_expect(app, "GET", "/admin/users/7", 200, "/admin/users/7 id=7 team=");
    fake_expect(app, "GET", "/admin/files/a%2Fb/c", 200,
                "/admin/files/a%2Fb/c id=a%2Fb/c team=");
    fake_expect(app, "GET", "/admin/users/x", 404, NULL);
    fake_expect(app, "POST", "/admin/users/7", 405, NULL);
    fake_expect(app, "GET", "/admin/health", 403, NULL);
    fake_expect(app, "GET", "/users/7", 200, "/users/7 id=7 team=");
    fake_expect(app, "GET", "/administer", 404, NULL);
    fake_expect(app, "HEAD", "/admin/", 200, "/admin/ id= team=");
    struct fake f;
    fake_request(&f, app, "OPTIONS", "/admin/users/7");
    assert_int_equal(f.req.reply.status, 200);
    assert_string_equal(fake_field(&f, "Allow"), "GET, HEAD, OPTIONS");
    fake_done(&f);
    ed_app_free(app);
}

static void the_prefix_itself_is_redirected(void **state)
{
    (void)state;
    ed_app *inner;
    ed_app *app = with_inner("/admin/", &inner);
    struct fake f;
    fake_request(&f, app, "GET", "/admin?x=1");
    assert_int_equal(f.req.reply.status, 308);
    assert_string_equal(fake_field(&f, "Location"), "/admin/?x=1");
    fake_done(&f);
    ed_app_free(app);
}

static void arguments_of_the_prefix_are_seen_within(void **state)
{
    (void)state;
    ed_app *inner;
    ed_app *app = with_inner("/teams/{team}", &inner);
    fake_expect(app, "GET", "/teams/a%20b/users/7", 200,
                "/teams/a%20b/users/7 id=7 team=a b");
    ed_app_free(app);
}

static void a_host_can_be_mounted(void **state)
{
    (void)state;
    ed_app *inner;
    ed_app *app = with_inner("admin.example.org/", &inner);
    struct fake f;
    fake_begin(&f, app, "GET", "/users/7");
    f.host = "admin.example.org:8080";
    fake_run(&f);
    assert_string_equal(f.body.ptr, "/users/7 id=7 team=");
    fake_done(&f);
    fake_expect(app, "GET", "/users/7", 404, NULL);
    ed_app_free(app);
}

static void its_middleware_is_inside_of_that_around_it(void **state)
{
    (void)state;
    ed_app *inner;
    ed_app *app = with_inner("/in", &inner);
    ed_before(inner, mark, "inner");
    ed_before(app, mark, "outer");
    struct fake f;
    fake_request(&f, app, "GET", "/in/none");
    assert_int_equal(f.req.reply.status, 404);
    const struct ed_reply_field *field = f.req.reply.fields;
    assert_string_equal(field->value.ptr, "outer");
    assert_string_equal(field->next->value.ptr, "inner");
    fake_done(&f);
    ed_app_free(app);
}

static void its_errors_get_its_page_or_that_around_it(void **state)
{
    (void)state;
    ed_app *inner;
    ed_app *app = with_inner("/in", &inner);
    ed_on_error(inner, own_page);
    fake_expect(app, "GET", "/in/bad", 403, "own page");
    fake_expect(app, "GET", "/in/none", 404, "own page");
    fake_expect(app, "GET", "/none", 404,
                "404 Not Found\nThere is nothing at this address.\n");
    ed_on_error(inner, NULL);
    ed_on_error(app, own_page);
    fake_expect(app, "GET", "/in/bad", 403, "own page");
    ed_app_free(app);
}

/* ---- names ---- */

static int link_to(ed_req *req)
{
    const char *own = ed_url_for(req, "user", "id", "7", NULL);
    const char *outer = ed_url_for(req, "home", NULL);
    return ed_reply(req, 200, "%s %s", own ? own : "-", outer ? outer : "-");
}

static int link_from_outside(ed_req *req)
{
    const char *url =
        ed_url_for(req, "team:user", "team", "red hat", "id", "7", NULL);
    const char *top = ed_url_for(req, "team", "team", "x", NULL);
    const char *none = ed_url_for(req, "team:none", NULL);
    return ed_reply(req, 200, "%s %s %s", url ? url : "-", top ? top : "-",
                    none ? none : "-");
}

static void names_lead_in_and_out(void **state)
{
    (void)state;
    free(fake_log());
    ed_app *app = ed_app_new();
    ed_app *inner = ed_app_new();
    ed_route(inner, "GET /users/{id:int}", tell);
    ed_route_name(inner, "user");
    ed_route(inner, "GET /link", link_to);
    ed_route(app, "GET /", link_from_outside);
    ed_route_name(app, "home");
    assert_int_equal(ed_mount(app, "/teams/{team}", inner), 0);
    ed_route_name(app, "team");
    fake_expect(app, "GET", "/teams/blue/link", 200, "/teams/blue/users/7 /");
    fake_expect(app, "GET", "/", 200, "/teams/red%20hat/users/7 /teams/x/ -");
    ed_app_free(app);
}

/* ---- apps in apps in apps ---- */

static void mounts_nest(void **state)
{
    (void)state;
    ed_app *inner;
    ed_app *middle = with_inner("/b/{team}", &inner);
    ed_app *app = ed_app_new();
    ed_group *group = ed_group_new(app, "/a");
    assert_int_equal(ed_group_mount(group, "/x", middle), 0);
    ed_on_error(middle, own_page);
    fake_expect(app, "GET", "/a/x/b/red/users/7", 200,
                "/a/x/b/red/users/7 id=7 team=red");
    fake_expect(app, "GET", "/a/x/b/red/bad", 403, "own page");
    ed_app_free(app);
}

static void an_impossible_mount_is_refused(void **state)
{
    (void)state;
    ed_app *inner;
    ed_app *app = with_inner("/in", &inner);
    ed_app *other = ed_app_new();
    assert_int_equal(ed_mount(app, "/again", inner), ED_EUSAGE);
    assert_int_equal(ed_mount(inner, "/loop", app), ED_EUSAGE);
    assert_int_equal(ed_mount(app, "/loop", app), ED_EUSAGE);
    assert_int_equal(ed_mount(app, "noslash", other), ED_EUSAGE);
    assert_int_equal(ed_mount(app, "/in", other), ED_EUSAGE);
    assert_int_equal(app->refused, 4);
    assert_int_equal(inner->refused, 1);
    char *log = fake_log();
    assert_non_null(strstr(log, "mount \"/again\": the app is mounted"));
    free(log);
    ed_app_free(other);
    ed_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_below_a_prefix_is_the_mounted_apps),
        cmocka_unit_test(the_prefix_itself_is_redirected),
        cmocka_unit_test(arguments_of_the_prefix_are_seen_within),
        cmocka_unit_test(a_host_can_be_mounted),
        cmocka_unit_test(its_middleware_is_inside_of_that_around_it),
        cmocka_unit_test(its_errors_get_its_page_or_that_around_it),
        cmocka_unit_test(names_lead_in_and_out),
        cmocka_unit_test(mounts_nest),
        cmocka_unit_test(an_impossible_mount_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
