/*
 * test_mw_security.c - the fields by which browsers are told to be careful.
 */
#include "hosted.h"

#include <eddy/log.h>

static char nonce[64];

static int page(ed_req *req)
{
    snprintf(nonce, sizeof nonce, "%s", ed_csp_nonce(req));
    return ed_reply(req, 200, "%s", ed_csp_nonce(req));
}

static int framed(ed_req *req)
{
    ed_reply_header(req, "X-Frame-Options", "SAMEORIGIN");
    return ed_reply(req, 200, "framed");
}

static void open_with(struct hosted *h,
                      const struct ed_security_options *options)
{
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(h);
    ed_use_trusted_proxies(h->app, .trusted = "unix");
    check_int(ed_use_security_headers_with(ed_where_app_(h->app), options), 0);
    ed_route(h->app, "GET /", page);
    ed_route(h->app, "GET /framed", framed);
}

#define open_app(h, ...) \
    open_with((h), ED_OPTIONS(struct ed_security_options, __VA_ARGS__))

FIBER_TEST(every_reply_has_careful_defaults)
{
    static const char *const paths[] = {"/", "/none"};
    struct hosted h = {0};
    open_app(&h);
    for (size_t i = 0; i < 2; i++) {
        ed_res *res = hosted_get(&h, paths[i], "X-Nothing: asked");
        check_text(hosted_field(res, "X-Content-Type-Options"), "nosniff");
        check_text(hosted_field(res, "X-Frame-Options"), "DENY");
        check_text(hosted_field(res, "Content-Security-Policy"),
                   "frame-ancestors 'none'");
        check_text(hosted_field(res, "Referrer-Policy"),
                   "strict-origin-when-cross-origin");
        check_text(hosted_field(res, "Cross-Origin-Opener-Policy"),
                   "same-origin");
        check_text(hosted_field(res, "Cross-Origin-Resource-Policy"), "-");
        check_text(hosted_field(res, "Permissions-Policy"), "-");
        check_text(hosted_field(res, "Strict-Transport-Security"), "-");
    }
    check_text(nonce, "");
    hosted_close(&h);
}

FIBER_TEST(https_is_insisted_on_over_https_alone)
{
    struct hosted h = {0};
    open_app(&h);
    ed_res *res = hosted_get(&h, "/", "X-Forwarded-Proto: https");
    check_text(hosted_field(res, "Strict-Transport-Security"),
               "max-age=31536000");
    res = hosted_get(&h, "/", "X-Forwarded-Proto: http");
    check_text(hosted_field(res, "Strict-Transport-Security"), "-");
    hosted_close(&h);
}

FIBER_TEST(options_change_the_fields)
{
    struct hosted h = {0};
    open_app(&h, .hsts_max_age = 60 * ED_S, .hsts_subdomains = true,
             .hsts_preload = true, .csp = "default-src 'self'",
             .frame_ancestors = "self", .referrer_policy = "no-referrer",
             .opener_policy = "", .resource_policy = "same-site",
             .permissions_policy = "camera=()", .sniffing = true);
    ed_res *res = hosted_get(&h, "/", "X-Forwarded-Proto: https");
    check_text(hosted_field(res, "Strict-Transport-Security"),
               "max-age=60; includeSubDomains; preload");
    check_text(hosted_field(res, "Content-Security-Policy"),
               "default-src 'self'; frame-ancestors 'self'");
    check_text(hosted_field(res, "X-Frame-Options"), "SAMEORIGIN");
    check_text(hosted_field(res, "Referrer-Policy"), "no-referrer");
    check_text(hosted_field(res, "Cross-Origin-Opener-Policy"), "-");
    check_text(hosted_field(res, "Cross-Origin-Resource-Policy"), "same-site");
    check_text(hosted_field(res, "Permissions-Policy"), "camera=()");
    check_text(hosted_field(res, "X-Content-Type-Options"), "-");
    hosted_close(&h);
}

FIBER_TEST(frames_may_be_for_some_or_for_everybody)
{
    static const struct {
        const char *ancestors, *csp, *policy, *options;
    } rows[] = {
        {"https://a.example", NULL, "frame-ancestors https://a.example", "-"},
        {"", NULL, "-", "-"},
        {"", "default-src 'self'", "default-src 'self'", "-"},
        {NULL, "frame-ancestors *", "frame-ancestors *", "DENY"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hosted h = {0};
        open_app(&h, .frame_ancestors = rows[i].ancestors, .csp = rows[i].csp,
                 .hsts_max_age = -1);
        ed_res *res = hosted_get(&h, "/", "X-Forwarded-Proto: https");
        check_text(hosted_field(res, "Content-Security-Policy"),
                   rows[i].policy);
        check_text(hosted_field(res, "X-Frame-Options"), rows[i].options);
        check_text(hosted_field(res, "Strict-Transport-Security"), "-");
        hosted_close(&h);
    }
}

FIBER_TEST(what_a_handler_sets_stays)
{
    struct hosted h = {0};
    open_app(&h);
    ed_res *res = hosted_get(&h, "/framed", "X-Nothing: asked");
    check_text(hosted_field(res, "X-Frame-Options"), "SAMEORIGIN");
    check_text(hosted_field(res, "X-Content-Type-Options"), "nosniff");
    hosted_close(&h);
}

FIBER_TEST(each_request_has_a_nonce_of_its_own)
{
    struct hosted h = {0};
    char first[64], wanted[200];
    open_app(&h, .csp = "script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'",
             .csp_report_only = true);
    hosted_get(&h, "/", "X-Nothing: asked");
    check_int(strlen(nonce), 24);
    snprintf(first, sizeof first, "%s", nonce);
    ed_res *res = hosted_get(&h, "/", "X-Nothing: asked");
    check(strcmp(first, nonce) != 0);
    check_text(ed_res_text(res), nonce);
    snprintf(wanted, sizeof wanted,
             "script-src 'nonce-%s'; style-src 'nonce-%s'; "
             "frame-ancestors 'none'",
             nonce, nonce);
    check_text(hosted_field(res, "Content-Security-Policy-Report-Only"),
               wanted);
    hosted_close(&h);
}

static void a_policy_of_two_lines_is_refused(void **state)
{
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    ed_app *app = ed_app_new();
    assert_int_equal(ed_use_security_headers(app, .csp = "a\r\nSet-Cookie: b"),
                     ED_EUSAGE);
    assert_int_equal(ed_use_security_headers(app, .referrer_policy = "a\nb"),
                     ED_EUSAGE);
    ed_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reply_has_careful_defaults),
        cmocka_unit_test(https_is_insisted_on_over_https_alone),
        cmocka_unit_test(options_change_the_fields),
        cmocka_unit_test(frames_may_be_for_some_or_for_everybody),
        cmocka_unit_test(what_a_handler_sets_stays),
        cmocka_unit_test(each_request_has_a_nonce_of_its_own),
        cmocka_unit_test(a_policy_of_two_lines_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
