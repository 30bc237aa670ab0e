/*
 * test_json_body.c - bodies of JSON: of a request, and of what a service
 * answered; none of them goes too deep for a fiber.
 */
#include "../../fiber_test.h"

#include <eddy/eddy.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* jansson would go so deep, and a fiber's stack ends before. */
enum { DEEP = 2000 };

static char deep[DEEP + 1];

/* POST /name {"name": ...} */
static int name(ed_req *req)
{
    json_t *body;
    int err = ed_body_json(req, &body);

    if (err) {
        check(!body);
        return err;
    }
    const char *text = json_string_value(json_object_get(body, "name"));
    err = ed_reply(req, 200, "%s", text ? text : "nobody");
    json_decref(body);
    return err;
}

/* GET /deep, /page: what a service might answer instead of JSON */
static int answer(ed_req *req)
{
    if (!strcmp(ed_req_path(req), "/deep"))
        return ed_reply(req, 200, "%s", deep);
    return ed_reply(req, 404, "<p>not here</p>");
}

static const char *service;

/* GET /of/{path}: a page made of it */
static int page(ed_req *req)
{
    ed_res *res;
    const char *url = ed_arena_printf(ed_req_arena(req), "%s/%s", service,
                                      ed_arg(req, "path"));
    int err = url ? ed_get(&res, url) : ED_ENOMEM;

    if (err)
        return err;
    return ed_reply_json(req, 200, "{s:o}", "it", ed_res_json(res));
}

/* GET /mine: a mistake of the program's own */
static int mine(ed_req *req)
{
    return ed_reply_json(req, 200, "{s:o}", "it", NULL);
}

static ed_app *make_app(void)
{
    ed_app *app = ed_app_new();

    memset(deep, '[', DEEP);
    ed_route(app, "POST /name", name);
    ed_route(app, "GET /deep", answer);
    ed_route(app, "GET /page", answer);
    ed_route(app, "GET /of/{path}", page);
    ed_route(app, "GET /mine", mine);
    return app;
}

FIBER_TEST(a_body_is_read_as_json)
{
    ed_app *app = make_app();
    ed_test *t = ed_test_new(app);
    ed_res *res;

    ed_test_post_json(t, &res, "/name", "{s:s}", "name", "Ada");
    ed_test_body(t, res, "Ada");
    ed_test_post_json(t, &res, "/name", "[]");
    ed_test_body(t, res, "nobody");
    check_int(ed_test_end(t), 0);
    ed_app_free(app);
}

FIBER_TEST(what_is_no_json_is_a_bad_request)
{
    ed_app *app = make_app();
    ed_test *t = ed_test_new(app);
    ed_res *res;

    ed_log_set_level(ED_LOG_DEBUG); /* where what clients do wrong is told */
    ed_test_fetch(t, &res, "/name", .method = "POST",
                  .body = ED_BYTES("{\"name\""));
    ed_test_status(t, res, 400);
    ed_test_logged(t, "the body is no JSON: line 1, column 7: ");
    ed_test_fetch(t, &res, "/name", .method = "POST");
    ed_test_status(t, res, 400);
    ed_test_fetch(t, &res, "/name", .method = "POST", .body = ed_bytes(deep));
    ed_test_status(t, res, 400);
    ed_test_logged(t, "column 257: more than 256 levels");
    ed_log_set_level(ED_LOG_INFO);
    check_int(ed_test_end(t), 0);
    ed_app_free(app);
}

FIBER_TEST(a_service_that_sends_none_is_a_bad_gateway)
{
    ed_app *app = make_app();
    ed_test *t = ed_test_new(app, .listen = "127.0.0.1:0");

    service = ed_test_url(t);
    ed_test_expect(t, "/of/page", 502, NULL);
    ed_test_logged(t, "/page: 404, and its body is no JSON: line 1");
    ed_test_expect(t, "/of/deep", 502, NULL);
    ed_test_logged(t,
                   "/deep: 200, and its body is no JSON: line 1, column 257");
    ed_test_expect(t, "/mine", 500, NULL);
    check_int(ed_test_end(t), 0);
    ed_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_read_as_json),
        cmocka_unit_test(what_is_no_json_is_a_bad_request),
        cmocka_unit_test(a_service_that_sends_none_is_a_bad_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
