/*
 * test_mw_head.c - a function that sees the head of each reply before it goes
 * out.
 */
#include "hosted.h"

#include <eddy/log.h>

static int hello(ed_req *req)
{
    return ed_reply(req, 200, "hello");
}

static int failing(ed_req *req)
{
    (void)req;
    return ED_ECONFLICT;
}

static int add_status(ed_req *req, void *arg)
{
    char text[16];
    snprintf(text, sizeof text, "%d", ed_reply_status(req));
    return ed_reply_header_set(req, arg, text);
}

static int refuse_200(ed_req *req, void *arg)
{
    (void)arg;
    return ed_reply_status(req) == 200 ? ED_EFORBIDDEN : 0;
}

FIBER_TEST(every_head_is_seen_with_its_status)
{
    static const struct {
        const char *path, *status;
    } rows[] = {{"/", "200"}, {"/failing", "409"}, {"/none", "404"}};
    struct hosted h = {0};
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    ed_use_head(h.app, add_status, (void *)"X-Status");
    ed_route(h.app, "GET /", hello);
    ed_route(h.app, "GET /failing", failing);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ed_res *res = hosted_get(&h, rows[i].path, "A: b");
        check_text(hosted_field(res, "X-Status"), rows[i].status);
    }
    hosted_close(&h);
}

FIBER_TEST(an_error_takes_the_place_of_the_reply)
{
    struct hosted h = {0};
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    ed_group *group = ed_group_new(h.app, "/group");
    ed_use_head(group, add_status, (void *)"X-Status");
    ed_use_head(group, refuse_200, NULL);
    ed_use_etag(group);
    ed_use_compression(group, .min_bytes = -1);
    ed_group_route(group, "GET", hello);
    ed_res *res = hosted_get(&h, "/group", "Accept-Encoding: gzip");
    check_int(ed_res_status(res), 403);
    check_text(hosted_field(res, "X-Status"), "403");
    check_text(hosted_field(res, "Content-Encoding"), "gzip");
    check_text(hosted_field(res, "ETag"), "-");
    hosted_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_head_is_seen_with_its_status),
        cmocka_unit_test(an_error_takes_the_place_of_the_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
