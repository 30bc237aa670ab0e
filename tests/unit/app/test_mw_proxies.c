/*
 * test_mw_proxies.c - whom a request is from, when proxies tell, and the ids
 * that trusted senders give.
 */
#include "hosted.h"

#include <eddy/log.h>

static int who(ed_req *req)
{
    return ed_reply(req, 200, "%s %s %s", ed_req_peer(req), ed_req_scheme(req),
                    ed_req_host(req));
}

static int of_host(ed_req *req)
{
    return ed_reply(req, 200, "of shop.example");
}

static int id(ed_req *req)
{
    return ed_reply(req, 200, "%s", ed_req_id(req));
}

static void open_app(struct hosted *h, const char *trusted,
                     enum ed_proxy_fields fields)
{
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(h);
    check_int(
        ed_use_trusted_proxies(h->app, .trusted = trusted, .fields = fields),
        0);
    ed_route(h->app, "GET /", who);
    ed_route(h->app, "GET shop.example/", of_host);
}

static void expect(struct hosted *h, const char *wanted,
                   const char *const *fields)
{
    ed_res *res = hosted_fetch_(h, "GET", "/", fields);
    check_text(ed_res_text(res), wanted);
}

#define EXPECT(h, wanted, ...) \
    expect((h), (wanted), (const char *const[]){"Host: a", __VA_ARGS__, NULL})

FIBER_TEST(the_rightmost_that_is_not_trusted_is_the_client)
{
    struct hosted h = {0};
    open_app(&h, "unix, 10.0.0.0/8", ED_PROXY_X_FORWARDED);
    EXPECT(&h, "9.9.9.9 http a", "X-Forwarded-For: 6.6.6.6, 9.9.9.9, 10.0.0.2");
    EXPECT(&h, "9.9.9.9 http a", "X-Forwarded-For: 6.6.6.6, 9.9.9.9",
           "X-Forwarded-For: 10.0.0.2");
    EXPECT(&h, "9.9.9.9 http a", "X-Forwarded-For: 10.0.0.1, 9.9.9.9");
    EXPECT(&h, "10.0.0.1 http a", "X-Forwarded-For: 10.0.0.1, 10.0.0.2");
    EXPECT(&h, "2001:db8::1 http a", "X-Forwarded-For: [2001:db8::1]:80");
    EXPECT(&h, "9.9.9.9 http a", "X-Forwarded-For: 9.9.9.9:1234,10.0.0.2");
    EXPECT(&h, "10.0.0.2 http a", "X-Forwarded-For: 9.9.9.9, evil, 10.0.0.2");
    EXPECT(&h, "unix: http a", "X-Forwarded-For: unknown");
    EXPECT(&h, "unix: http a", "X-Forwarded-For: ");
    EXPECT(&h, "unix: http a", "X-Forwarded-For: 1.2.3.4\\n");
    EXPECT(&h, "unix: http a", "X-Real-IP: 9.9.9.9");
    EXPECT(&h, "unix: http a", "Forwarded: for=9.9.9.9");
    hosted_close(&h);
}

FIBER_TEST(scheme_and_host_are_those_told_by_who_told_the_client)
{
    struct hosted h = {0};
    open_app(&h, "unix, 10.0.0.0/8", ED_PROXY_X_FORWARDED);
    EXPECT(&h, "9.9.9.9 https b:8443", "X-Forwarded-For: 9.9.9.9",
           "X-Forwarded-Proto: HTTPS", "X-Forwarded-Host: b:8443");
    EXPECT(&h, "9.9.9.9 https b", "X-Forwarded-For: 6.6.6.6, 9.9.9.9, 10.0.0.2",
           "X-Forwarded-Proto: http, https, http",
           "X-Forwarded-Host: evil, b, a");
    EXPECT(&h, "9.9.9.9 https b", "X-Forwarded-For: 9.9.9.9, 10.0.0.2",
           "X-Forwarded-Proto: https", "X-Forwarded-Host: b");
    EXPECT(&h, "unix: https a", "X-Forwarded-Proto: http, https");
    EXPECT(&h, "unix: http a", "X-Forwarded-Proto: javascript",
           "X-Forwarded-Host: b/../evil");
    hosted_close(&h);
}

FIBER_TEST(routes_of_a_host_see_the_one_that_was_told)
{
    struct hosted h = {0};
    open_app(&h, "unix", ED_PROXY_X_FORWARDED);
    EXPECT(&h, "of shop.example", "X-Forwarded-Host: shop.example");
    hosted_close(&h);
}

FIBER_TEST(nobody_else_is_believed)
{
    struct hosted h = {0};
    open_app(&h, "10.0.0.0/8", ED_PROXY_X_FORWARDED);
    EXPECT(&h, "unix: http a", "X-Forwarded-For: 9.9.9.9",
           "X-Forwarded-Proto: https", "X-Forwarded-Host: b");
    hosted_close(&h);
}

FIBER_TEST(forwarded_is_read_if_asked_for)
{
    struct hosted h = {0};
    open_app(&h, "unix, 10.0.0.0/8", ED_PROXY_FORWARDED);
    EXPECT(&h, "2001:db8::1 https b:80",
           "Forwarded: for=6.6.6.6, for=\"[2001:db8::1]:80\";proto=https;"
           "host=\"b:80\"",
           "Forwarded: for=10.0.0.2;proto=http;host=c");
    EXPECT(&h, "10.0.0.2 http a", "Forwarded: for=_secret, for=10.0.0.2");
    EXPECT(&h, "unix: http a", "Forwarded: for=9.9.9.9, for=\"");
    EXPECT(&h, "unix: http a", "Forwarded: for=\"\", for=9.9.9.9;x",
           "Forwarded: for=8.8.8.8");
    EXPECT(&h, "unix: http a", "X-Forwarded-For: 9.9.9.9",
           "X-Forwarded-Host: b");
    hosted_close(&h);
}

FIBER_TEST(x_real_ip_is_read_if_asked_for)
{
    struct hosted h = {0};
    open_app(&h, "unix", ED_PROXY_X_REAL_IP);
    EXPECT(&h, "9.9.9.9 https a", "X-Real-IP: 9.9.9.9",
           "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https");
    EXPECT(&h, "unix: http a", "X-Real-IP: nonsense");
    hosted_close(&h);
}

FIBER_TEST(a_crowd_of_proxies_is_no_trouble)
{
    struct hosted h = {0};
    char field[4096];
    int len = snprintf(field, sizeof field, "X-Forwarded-For: 10.0.0.9");
    open_app(&h, "unix, 10.0.0.0/8", ED_PROXY_X_FORWARDED);
    for (int i = 0; i < 300; i++)
        len += snprintf(field + len, sizeof field - (size_t)len, ", 10.0.0.1");
    EXPECT(&h, "10.0.0.1 http a", field);
    hosted_close(&h);
}

static void networks_have_to_be_named(void **state)
{
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    ed_app *app = ed_app_new();
    assert_int_equal(ed_use_trusted_proxies(app), ED_EUSAGE);
    assert_int_equal(ed_use_trusted_proxies(app, .trusted = "*"), ED_EUSAGE);
    assert_int_equal(ed_use_trusted_proxies(app, .trusted = "10.0.0.1/8"),
                     ED_EUSAGE);
    assert_int_equal(ed_use_request_id(app, .trusted = "none"), ED_EUSAGE);
    assert_int_equal(ed_use_request_id(app, .header = "a b"), ED_EUSAGE);
    ed_app_free(app);
}

/* ---- ids ---- */

static bool is_own(const char *text)
{
    return strlen(text) == 14 && strspn(text, "0123456789abcdef") == 14;
}

FIBER_TEST(an_id_is_made_told_and_seen_by_the_handler)
{
    struct hosted h = {0};
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    ed_use_request_id(h.app);
    ed_route(h.app, "GET /", id);
    ed_res *res = hosted_get(&h, "/", "X-Request-ID: from-a-stranger");
    check(is_own(hosted_field(res, "X-Request-ID")));
    check_text(ed_res_text(res), hosted_field(res, "X-Request-ID"));
    res = hosted_get(&h, "/none", "X-Nothing: asked");
    check(is_own(hosted_field(res, "X-Request-ID")));
    hosted_close(&h);
}

FIBER_TEST(a_well_formed_id_of_a_trusted_sender_is_kept)
{
    static const struct {
        const char *sent;
        bool kept;
    } rows[] = {
        {"7b1e6a3c-0d51-4ad8-9d0d-6a2f5f0ab1c2", true},
        {"a_b.c:d+e/f=", true},
        {"a b", false},
        {"a\"b", false},
        {"<script>", false},
        {"", false},
        {"012345678901234567890123456789012345678901234567890123456789012",
         true},
        {"0123456789012345678901234567890123456789012345678901234567890123",
         false},
    };
    struct hosted h = {0};
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    ed_use_request_id(h.app, .header = "X-Trace", .trusted = "unix");
    ed_route(h.app, "GET /", id);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char field[100];
        snprintf(field, sizeof field, "X-Trace: %s", rows[i].sent);
        ed_res *res = hosted_get(&h, "/", field);
        const char *got = hosted_field(res, "X-Trace");
        check_text(ed_res_text(res), got);
        check(rows[i].kept ? !strcmp(got, rows[i].sent) : is_own(got));
    }
    hosted_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rightmost_that_is_not_trusted_is_the_client),
        cmocka_unit_test(scheme_and_host_are_those_told_by_who_told_the_client),
        cmocka_unit_test(routes_of_a_host_see_the_one_that_was_told),
        cmocka_unit_test(nobody_else_is_believed),
        cmocka_unit_test(forwarded_is_read_if_asked_for),
        cmocka_unit_test(x_real_ip_is_read_if_asked_for),
        cmocka_unit_test(a_crowd_of_proxies_is_no_trouble),
        cmocka_unit_test(networks_have_to_be_named),
        cmocka_unit_test(an_id_is_made_told_and_seen_by_the_handler),
        cmocka_unit_test(a_well_formed_id_of_a_trusted_sender_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
