/*
 * test_mw_limits.c - bounds for handlers, and who may pass.
 */
#include "hosted.h"

#include <eddy/log.h>

/* ---- time ---- */

static int slowly(ed_req *req)
{
    int err = ed_sleep(ED_MIN);
    return err ? err : ed_reply(req, 200, "done");
}

static int begun(ed_req *req)
{
    int err = ed_write(req, "some");
    return err ? err : slowly(req);
}

/* Does not take the deadline for an answer. */
static int stubborn(ed_req *req)
{
    int err = ed_sleep(ED_MIN);
    return ed_reply(req, 200, "%s", ed_err_name(err));
}

static int sleep_long(void *arg)
{
    (void)arg;
    return ed_sleep(ED_MIN);
}

/* Has a deadline of its own, for a service that is slow. */
static int impatient(ed_req *req)
{
    (void)req;
    return ed_with_timeout(ED_S, sleep_long, NULL);
}

FIBER_TEST(a_deadline_within_is_told_as_ever)
{
    struct hosted h = {0};
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    ed_use_timeout(h.app, .within = 10 * ED_S, .status = 503);
    ed_route(h.app, "GET /", impatient);
    check_int(ed_res_status(hosted_get(&h, "/", "A: b")), 504);
    hosted_close(&h);
}

FIBER_TEST(a_slow_handler_is_told_and_replied_for)
{
    struct hosted h = {0};
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    ed_group *busy = ed_group_new(h.app, "/busy");
    ed_use_timeout(h.app, .within = 10 * ED_S);
    ed_use_timeout(busy, .within = 5 * ED_S, .status = 503);
    ed_route(h.app, "GET /slow", slowly);
    ed_route(h.app, "GET /stubborn", stubborn);
    ed_group_route(busy, "GET /slow", slowly);
    int64_t began = ed_now();
    check_int(ed_res_status(hosted_get(&h, "/slow", "A: b")), 504);
    check_int(ed_now() - began, 10 * ED_S);
    began = ed_now();
    check_int(ed_res_status(hosted_get(&h, "/busy/slow", "A: b")), 503);
    check_int(ed_now() - began, 5 * ED_S);
    check_int(ed_res_status(hosted_get(&h, "/stubborn", "A: b")), 200);
    hosted_close(&h);
}

FIBER_TEST(a_reply_that_has_begun_is_cut)
{
    struct hosted h = {0};
    ed_res *res;
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    ed_use_timeout(h.app, .within = 10 * ED_S);
    ed_route(h.app, "GET /", begun);
    check_int(ed_fetch(&res, hosted_url(&h, "/"), .client = h.client),
              ED_ECONNLOST);
    hosted_close(&h);
}

/* ---- bodies ---- */

static int length(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);
    return err ? err : ed_reply(req, 200, "%zu", body.len);
}

static ssize_t give(void *arg, void *buf, size_t len)
{
    size_t *left = arg;
    size_t n = len < *left ? len : *left;
    memset(buf, 'x', n);
    *left -= n;
    return (ssize_t)n;
}

static int post(struct hosted *h, const char *path, size_t len, bool told)
{
    static char zeros[4 << 20];
    size_t left = len;
    ed_res *res = NULL;
    int err = told
                  ? ed_fetch(&res, hosted_url(h, path), .client = h->client,
                             .body = ed_bytes_of(zeros, len))
                  : ed_fetch(&res, hosted_url(h, path), .client = h->client,
                             .method = "POST", .send = give, .send_arg = &left);
    check_int(err, 0);
    return res ? ed_res_status(res) : 0;
}

FIBER_TEST(a_group_may_take_more_or_less_than_the_server)
{
    static const struct {
        const char *path;
        size_t len;
        int status;
    } rows[] = {
        {"/", 1 << 20, 200},     {"/", (1 << 20) + 1, 413},
        {"/less", 1000, 200},    {"/less", 1001, 413},
        {"/more", 3 << 20, 200}, {"/more", (3 << 20) + 1, 413},
    };
    struct hosted h = {0};
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    ed_group *less = ed_group_new(h.app, "/less");
    ed_group *more = ed_group_new(h.app, "/more");
    ed_use_body_limit(less, .max_bytes = 1000);
    ed_use_body_limit(more, .max_bytes = 3 << 20);
    ed_route(h.app, "POST /", length);
    ed_group_route(less, "POST", length);
    ed_group_route(more, "POST", length);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_int(post(&h, rows[i].path, rows[i].len, true), rows[i].status);
        check_int(post(&h, rows[i].path, rows[i].len, false), rows[i].status);
    }
    hosted_close(&h);
}

/* ---- passwords ---- */

static const struct ed_basic_user users[] = {
    {"Aladdin", "open sesame"},
    {"empty", ""},
    {"t\xc3\xa4st", "123\xc2\xa3"},
    {NULL, NULL},
};

static int hello(ed_req *req)
{
    return ed_reply(req, 200, "hello %s", ed_basic_user(req));
}

static int verify(ed_req *req, const char *user, const char *password,
                  void *arg)
{
    (void)req;
    int err = ed_sleep(ED_S);
    if (err)
        return err;
    if (!strcmp(user, "broken"))
        return ED_EDATABASE;
    return !strcmp(user, "asked") && !strcmp(password, arg) ? 0
                                                            : ED_EUNAUTHORIZED;
}

FIBER_TEST(only_who_knows_a_password_passes)
{
    static const struct {
        const char *field, *hello; /* NULL: is refused */
    } rows[] = {
        {"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "hello Aladdin"},
        {"Authorization: bAsIc  QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "hello Aladdin"},
        {"Authorization: Basic ZW1wdHk6", "hello empty"},
        {"Authorization: Basic dMOkc3Q6MTIzwqM=", "hello t\xc3\xa4st"},
        {"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtRQ==", NULL},
        {"Authorization: Basic QWxhZGRpbjo=", NULL},
        {"Authorization: Basic QWxhZGRpbg==", NULL},
        {"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", NULL},
        {"Authorization: Basic", NULL},
        {"Authorization: Basic !!!!", NULL},
        {"Authorization: Basic AAA6AAA=", NULL},
        {"Authorization: Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", NULL},
        {"Authorization: BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==", NULL},
        {"X-Nothing: asked", NULL},
    };
    struct hosted h = {0};
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    ed_use_basic_auth(h.app, .realm = "a \"quoted\" realm", .users = users);
    ed_route(h.app, "GET /", hello);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ed_res *res = hosted_get(&h, "/", rows[i].field);
        if (rows[i].hello) {
            check_int(ed_res_status(res), 200);
            check_text(ed_res_text(res), rows[i].hello);
            continue;
        }
        check_(ed_res_status(res) == 401, "%s passes", rows[i].field);
        check_text(hosted_field(res, "WWW-Authenticate"),
                   "Basic realm=\"a \\\"quoted\\\" realm\", "
                   "charset=\"UTF-8\"");
    }
    hosted_close(&h);
}

FIBER_TEST(a_function_may_wait_before_it_says_who_passes)
{
    static const struct {
        const char *field;
        int status;
    } rows[] = {
        {"Authorization: Basic YXNrZWQ6c2VjcmV0", 200},
        {"Authorization: Basic YXNrZWQ6d3Jvbmc=", 401},
        {"Authorization: Basic YnJva2VuOng=", 503},
        {"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", 200},
    };
    struct hosted h = {0};
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    ed_group *inner = ed_group_new(h.app, "/inner");
    ed_use_basic_auth(inner, .users = users, .verify = verify,
                      .arg = (void *)"secret");
    ed_group_route(inner, "GET", hello);
    ed_route(h.app, "GET /", hello);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ed_res *res = hosted_get(&h, "/inner", rows[i].field);
        check_int(ed_res_status(res), rows[i].status);
    }
    check_text(ed_res_text(hosted_get(&h, "/", "A: b")), "hello ");
    hosted_close(&h);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    static const struct ed_basic_user colon[] = {{"a:b", "c"}, {NULL, NULL}};
    static const struct ed_basic_user none[] = {{"a", NULL}, {NULL, NULL}};
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    ed_app *app = ed_app_new();
    assert_int_equal(ed_use_timeout(app), ED_EUSAGE);
    assert_int_equal(ed_use_timeout(app, .within = ED_S, .status = 500),
                     ED_EUSAGE);
    assert_int_equal(ed_use_body_limit(app), ED_EUSAGE);
    assert_int_equal(ed_use_basic_auth(app), ED_EUSAGE);
    assert_int_equal(ed_use_basic_auth(app, .users = colon), ED_EUSAGE);
    assert_int_equal(ed_use_basic_auth(app, .users = none), ED_EUSAGE);
    assert_int_equal(ed_use_basic_auth(app, .users = users, .realm = "a\nb"),
                     ED_EUSAGE);
    ed_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_within_is_told_as_ever),
        cmocka_unit_test(a_slow_handler_is_told_and_replied_for),
        cmocka_unit_test(a_reply_that_has_begun_is_cut),
        cmocka_unit_test(a_group_may_take_more_or_less_than_the_server),
        cmocka_unit_test(only_who_knows_a_password_passes),
        cmocka_unit_test(a_function_may_wait_before_it_says_who_passes),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
