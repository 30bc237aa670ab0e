/*
 * test_mw_etag.c - hashes of replies, and clients that have them already.
 */
#include "hosted.h"

#include <eddy/log.h>

/* The first 128 bits of the SHA-256 of "hello". */
#define HELLO "\"2cf24dba5fb0a30e26e83b2ac5b9e29e\""

static int hello(ed_req *req)
{
    ed_reply_header(req, "Cache-Control", "max-age=5");
    ed_reply_header(req, "Content-Language", "en");
    return ed_reply(req, 200, "hello");
}

static int own(ed_req *req)
{
    ed_reply_header(req, "ETag", "W/\"own, with a comma\"");
    return ed_reply(req, 200, "hello");
}

static int pieces(ed_req *req)
{
    return ed_write(req, "hello");
}

static int created(ed_req *req)
{
    return ed_reply(req, 201, "hello");
}

static int large(ed_req *req)
{
    static char zeros[2000];
    return ed_reply_bytes(req, 200, "text/plain",
                          ed_bytes_of(zeros, sizeof zeros));
}

static int empty(ed_req *req)
{
    return ed_reply_bytes(req, 200, NULL, (struct ed_bytes){0});
}

static void open_app(struct hosted *h)
{
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(h);
    ed_use_compression(h->app, .min_bytes = -1);
    ed_use_etag(h->app, .max_bytes = 1000);
    ed_route(h->app, "GET,POST /", hello);
    ed_route(h->app, "GET /own", own);
    ed_route(h->app, "GET /pieces", pieces);
    ed_route(h->app, "GET /created", created);
    ed_route(h->app, "GET /large", large);
    ed_route(h->app, "GET /empty", empty);
}

FIBER_TEST(a_reply_gets_a_hash_of_its_body)
{
    struct hosted h = {0};
    open_app(&h);
    ed_res *res = hosted_get(&h, "/", "X-Nothing: asked");
    check_text(hosted_field(res, "ETag"), HELLO);
    check_text(ed_res_text(res), "hello");
    res = hosted_fetch(&h, "HEAD", "/", "X-Nothing: asked");
    check_text(hosted_field(res, "ETag"), HELLO);
    res = hosted_get(&h, "/empty", "X-Nothing: asked");
    check_text(hosted_field(res, "ETag"),
               "\"e3b0c44298fc1c149afbf4c8996fb924\"");
    hosted_close(&h);
}

FIBER_TEST(only_whole_200_replies_to_get_have_one)
{
    static const char *const rows[][2] = {
        {"GET", "/pieces"}, {"GET", "/created"}, {"GET", "/large"},
        {"POST", "/"},      {"GET", "/none"},
    };
    struct hosted h = {0};
    open_app(&h);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ed_res *res =
            hosted_fetch(&h, rows[i][0], rows[i][1], "If-None-Match: *");
        check_text(hosted_field(res, "ETag"), "-");
        check(ed_res_status(res) != 304);
    }
    hosted_close(&h);
}

FIBER_TEST(who_has_it_gets_304)
{
    static const struct {
        const char *path, *asked;
        int status;
    } rows[] = {
        {"/", "If-None-Match: " HELLO, 304},
        {"/", "If-None-Match: W/" HELLO, 304},
        {"/", "If-None-Match: \"a,b\" , " HELLO, 304},
        {"/", "If-None-Match: *", 304},
        {"/", "If-None-Match: \"other\"", 200},
        {"/", "If-None-Match: 2cf24dba5fb0a30e26e83b2ac5b9e29e", 200},
        {"/own", "If-None-Match: \"own, with a comma\"", 304},
        {"/own", "If-None-Match: " HELLO, 200},
        {"/large", "If-None-Match: *", 200},
    };
    struct hosted h = {0};
    open_app(&h);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ed_res *res = hosted_get(&h, rows[i].path, rows[i].asked);
        check_(ed_res_status(res) == rows[i].status, "%s: %d", rows[i].asked,
               ed_res_status(res));
        check((ed_res_body(res).len == 0) == (rows[i].status == 304));
    }
    hosted_close(&h);
}

FIBER_TEST(a_304_has_what_a_cache_needs_and_nothing_of_the_body)
{
    struct hosted h = {0};
    open_app(&h);
    ed_res *res = hosted_get(&h, "/", "If-None-Match: " HELLO);
    check_int(ed_res_status(res), 304);
    check_text(hosted_field(res, "ETag"), HELLO);
    check_text(hosted_field(res, "Cache-Control"), "max-age=5");
    check_text(hosted_field(res, "Vary"), "Accept-Encoding");
    check_text(hosted_field(res, "Content-Type"), "-");
    check_text(hosted_field(res, "Content-Length"), "-");
    check_text(hosted_field(res, "Content-Language"), "-");
    hosted_close(&h);
}

FIBER_TEST(a_hash_is_of_what_was_said_before_it_is_compressed)
{
    struct hosted h = {0};
    open_app(&h);
    ed_res *res = hosted_get(&h, "/", "Accept-Encoding: gzip");
    check_text(hosted_field(res, "Content-Encoding"), "gzip");
    check_text(hosted_field(res, "ETag"), "W/" HELLO);
    res =
        hosted_get(&h, "/", "Accept-Encoding: gzip", "If-None-Match: W/" HELLO);
    check_int(ed_res_status(res), 304);
    check_text(hosted_field(res, "Content-Encoding"), "-");
    check_text(hosted_field(res, "ETag"), "W/" HELLO);
    hosted_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_gets_a_hash_of_its_body),
        cmocka_unit_test(only_whole_200_replies_to_get_have_one),
        cmocka_unit_test(who_has_it_gets_304),
        cmocka_unit_test(a_304_has_what_a_cache_needs_and_nothing_of_the_body),
        cmocka_unit_test(a_hash_is_of_what_was_said_before_it_is_compressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
