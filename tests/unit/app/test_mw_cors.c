/*
 * test_mw_cors.c - which pages may read replies, and what they may send.
 */
#include "hosted.h"

#include <eddy/log.h>

static int hello(ed_req *req)
{
    ed_reply_header(req, "Vary", "Cookie");
    return ed_reply(req, 200, "hello");
}

static int failing(ed_req *req)
{
    (void)req;
    return ED_ECONFLICT;
}

static bool ask_for(ed_req *req, const char *origin, void *arg)
{
    (void)req;
    return !strcmp(origin, arg);
}

static void open_with(struct hosted *h, const struct ed_cors_options *options)
{
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(h);
    check_int(ed_use_cors_with(ed_where_app_(h->app), options), 0);
    ed_route(h->app, "GET,POST /", hello);
    ed_route(h->app, "GET /failing", failing);
}

#define open_app(h, ...) \
    open_with((h), ED_OPTIONS(struct ed_cors_options, __VA_ARGS__))

FIBER_TEST(only_pages_of_the_origins_named_may_read)
{
    static const struct {
        const char *origin;
        bool may;
    } rows[] = {
        {"https://shop.example", true},
        {"HTTPS://SHOP.example", true},
        {"http://shop.example", false},
        {"https://shop.example:8443", false},
        {"https://shop.example.evil", false},
        {"https://evil.example/https://shop.example", false},
        {"https://a.wild.example", true},
        {"https://a.b.wild.example", true},
        {"https://wild.example", false},
        {"https://.wild.example", false},
        {"https://evilwild.example", false},
        {"https://evil/a.wild.example", false},
        {"https://evil:80.wild.example", false},
        {"https://a.wild.example.", false},
        {"https://a.ports.example:8443", true},
        {"https://a.ports.example", false},
        {"null", false},
        {"", false},
        {"https://called.example", true},
    };
    struct hosted h = {0};
    open_app(&h,
             .origins = "https://shop.example, https://*.wild.example "
                        "https://*.ports.example:8443",
             .allow = ask_for, .arg = (void *)"https://called.example");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char origin[100];
        snprintf(origin, sizeof origin, "Origin: %s", rows[i].origin);
        ed_res *res = hosted_get(&h, "/", origin);
        check_int(ed_res_status(res), 200);
        const char *allowed = hosted_field(res, "Access-Control-Allow-Origin");
        check_(!strcmp(allowed, rows[i].may ? rows[i].origin : "-"),
               "'%s' is answered with '%s'", rows[i].origin, allowed);
        check_text(hosted_field(res, "Vary"), "Cookie, Origin");
        check_text(hosted_field(res, "Access-Control-Allow-Credentials"), "-");
    }
    hosted_close(&h);
}

FIBER_TEST(everybody_may_read_without_the_origin_being_repeated)
{
    struct hosted h = {0};
    open_app(&h, .origins = "*", .exposed = "X-Total, ETag");
    ed_res *res = hosted_get(&h, "/", "Origin: https://any.example");
    check_text(hosted_field(res, "Access-Control-Allow-Origin"), "*");
    check_text(hosted_field(res, "Access-Control-Expose-Headers"),
               "X-Total, ETag");
    check_text(hosted_field(res, "Vary"), "Cookie");
    res = hosted_get(&h, "/", "X-Nothing: asked");
    check_text(hosted_field(res, "Access-Control-Allow-Origin"), "-");
    hosted_close(&h);
}

FIBER_TEST(an_error_can_be_read_too)
{
    struct hosted h = {0};
    open_app(&h, .origins = "https://shop.example", .credentials = true);
    ed_res *res = hosted_get(&h, "/failing", "Origin: https://shop.example");
    check_int(ed_res_status(res), 409);
    check_text(hosted_field(res, "Access-Control-Allow-Origin"),
               "https://shop.example");
    check_text(hosted_field(res, "Access-Control-Allow-Credentials"), "true");
    res = hosted_get(&h, "/none", "Origin: https://shop.example");
    check_int(ed_res_status(res), 404);
    check_text(hosted_field(res, "Access-Control-Allow-Origin"),
               "https://shop.example");
    hosted_close(&h);
}

FIBER_TEST(a_preflight_is_answered_without_the_handler)
{
    struct hosted h = {0};
    open_app(&h, .origins = "https://shop.example");
    ed_res *res =
        hosted_fetch(&h, "OPTIONS", "/", "Origin: https://shop.example",
                     "Access-Control-Request-Method: POST");
    check_int(ed_res_status(res), 204);
    check_text(hosted_field(res, "Access-Control-Allow-Origin"),
               "https://shop.example");
    check_text(hosted_field(res, "Access-Control-Allow-Methods"),
               "GET, HEAD, POST, PUT, PATCH, DELETE");
    check_text(hosted_field(res, "Access-Control-Allow-Headers"),
               "Content-Type");
    check_text(hosted_field(res, "Access-Control-Max-Age"), "600");
    check_text(hosted_field(res, "Access-Control-Allow-Private-Network"), "-");
    check_text(hosted_field(res, "Vary"),
               "Access-Control-Request-Method, "
               "Access-Control-Request-Headers, Origin");
    hosted_close(&h);
}

FIBER_TEST(a_preflight_of_others_is_refused)
{
    struct hosted h = {0};
    open_app(&h, .origins = "https://shop.example");
    ed_res *res =
        hosted_fetch(&h, "OPTIONS", "/", "Origin: https://evil.example",
                     "Access-Control-Request-Method: POST");
    check_int(ed_res_status(res), 403);
    check_text(hosted_field(res, "Access-Control-Allow-Origin"), "-");
    check_text(hosted_field(res, "Access-Control-Allow-Methods"), "-");
    hosted_close(&h);
}

FIBER_TEST(what_is_no_preflight_is_answered_as_ever)
{
    struct hosted h = {0};
    open_app(&h, .origins = "https://shop.example");
    ed_res *res =
        hosted_fetch(&h, "OPTIONS", "/", "Origin: https://shop.example");
    check_int(ed_res_status(res), 200);
    check_text(hosted_field(res, "Allow"), "GET, HEAD, OPTIONS, POST");
    res =
        hosted_fetch(&h, "OPTIONS", "/", "Access-Control-Request-Method: POST");
    check_int(ed_res_status(res), 200);
    hosted_close(&h);
}

FIBER_TEST(a_preflight_gets_what_the_options_say)
{
    struct hosted h = {0};
    open_app(&h, .origins = "https://shop.example", .methods = "GET",
             .headers = "*", .max_age = -1, .private_network = true);
    ed_res *res =
        hosted_fetch(&h, "OPTIONS", "/", "Origin: https://shop.example",
                     "Access-Control-Request-Method: GET",
                     "Access-Control-Request-Headers: x-a, x-b",
                     "Access-Control-Request-Private-Network: true");
    check_text(hosted_field(res, "Access-Control-Allow-Methods"), "GET");
    check_text(hosted_field(res, "Access-Control-Allow-Headers"), "x-a, x-b");
    check_text(hosted_field(res, "Access-Control-Max-Age"), "-");
    check_text(hosted_field(res, "Access-Control-Allow-Private-Network"),
               "true");
    res = hosted_fetch(&h, "OPTIONS", "/", "Origin: https://shop.example",
                       "Access-Control-Request-Method: GET",
                       "Access-Control-Request-Headers: x a, x-b");
    check_int(ed_res_status(res), 204);
    check_text(hosted_field(res, "Access-Control-Allow-Headers"), "-");
    hosted_close(&h);
}

FIBER_TEST(a_group_answers_preflights_of_its_routes)
{
    struct hosted h = {0};
    static const char *const rows[][3] = {
        {"/api/7", "PUT", "204"},
        {"/api/7", "DELETE", "200"},
        {"/other/7", "PUT", "200"},
    };
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    ed_group *api = ed_group_new(h.app, "/api");
    ed_use_cors(api, .origins = "https://shop.example");
    ed_group_route(api, "PUT /{id}", hello);
    ed_route(h.app, "DELETE /api/{id}", hello);
    ed_route(h.app, "PUT /other/{id}", hello);
    for (size_t i = 0; i < 3; i++) {
        char method[64], status[8];
        snprintf(method, sizeof method, "Access-Control-Request-Method: %s",
                 rows[i][1]);
        ed_res *res = hosted_fetch(&h, "OPTIONS", rows[i][0],
                                   "Origin: https://shop.example", method);
        snprintf(status, sizeof status, "%d", ed_res_status(res));
        check_text(status, rows[i][2]);
    }
    hosted_close(&h);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    static const char *const origins[] = {
        "shop.example",   "https://",      "https://a/",
        "https://a/path", "https://a.*.b", "https://*b.example",
        "https://*.*.b",  "https://*.",    "*://a.example",
        "://a",
    };
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    ed_app *app = ed_app_new();
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++)
        assert_int_equal(ed_use_cors(app, .origins = origins[i]), ED_EUSAGE);
    assert_int_equal(ed_use_cors(app), ED_EUSAGE);
    assert_int_equal(ed_use_cors(app, .origins = "*", .credentials = true),
                     ED_EUSAGE);
    assert_int_equal(ed_use_cors(app, .origins = "*", .methods = "GET PUT"),
                     ED_EUSAGE);
    assert_int_equal(ed_use_cors(app, .origins = "https://a.example:80"), 0);
    ed_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_pages_of_the_origins_named_may_read),
        cmocka_unit_test(everybody_may_read_without_the_origin_being_repeated),
        cmocka_unit_test(an_error_can_be_read_too),
        cmocka_unit_test(a_preflight_is_answered_without_the_handler),
        cmocka_unit_test(a_preflight_of_others_is_refused),
        cmocka_unit_test(what_is_no_preflight_is_answered_as_ever),
        cmocka_unit_test(a_preflight_gets_what_the_options_say),
        cmocka_unit_test(a_group_answers_preflights_of_its_routes),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
