/*
 * test_client_conditional.c - asking for what has changed, or for a part.
 */
#include "peer.h"
#include <eddy/client.h>

#define NONE ">HTTP/1.1 204 No\r\n\r\n"

FIBER_TEST(options_become_fields)
{
    struct peer p = {.scripts = {SCRIPT("<", NONE)}};
    ed_res *res;

    peer_open(&p);
    check_int(
        ed_fetch(&res, p.url, .etag = "W/\"a\"", .modified_since = 784111777),
        0);
    check(strstr(peer_seen(&p), "\r\nIf-None-Match: W/\"a\"\r\n"));
    check(strstr(peer_seen(&p),
                 "\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    check(!strstr(peer_seen(&p), "Range"));
    check_int(ed_fetch(&res, p.url, .range = "500-", .if_range = "\"a\""), 0);
    check(strstr(peer_seen(&p), "\r\nRange: bytes=500-\r\n"));
    check(strstr(peer_seen(&p), "\r\nIf-Range: \"a\"\r\n"));
    peer_close(&p);
}

FIBER_TEST(without_a_range_there_is_no_if_range)
{
    struct peer p = {.scripts = {SCRIPT("<", NONE)}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .if_range = "\"a\""), 0);
    check(!strstr(peer_seen(&p), "Range"));
    peer_close(&p);
}

FIBER_TEST(fields_of_the_caller_take_their_place)
{
    static const char *const own[] = {"if-none-match: *", "RANGE: bytes=1-1",
                                      NULL};
    struct peer p = {.scripts = {SCRIPT("<", NONE)}};
    ed_res *res;

    peer_open(&p);
    check_int(
        ed_fetch(&res, p.url, .headers = own, .etag = "\"a\"", .range = "0-4"),
        0);
    check(!strstr(peer_seen(&p), "If-None-Match"));
    check(!strstr(peer_seen(&p), "Range"));
    peer_close(&p);
}

FIBER_TEST(a_redirect_keeps_the_conditions)
{
    struct peer p = {.scripts = {SCRIPT("<",
                                        ">HTTP/1.1 302 Go\r\nLocation: /b\r\n"
                                        "Content-Length: 0\r\n\r\n",
                                        "<", NONE)}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .etag = "\"a\""), 0);
    check(strstr(strstr(peer_seen(&p), "GET /b"), "If-None-Match: \"a\""));
    peer_close(&p);
}

FIBER_TEST(a_range_that_is_none_is_refused)
{
    static const char *const bad[] = {
        "",      "5",         "-",       "a-b",  "5-a",
        "5-6-7", "bytes=0-1", "0-1,3-4", "+1-2", "0-\r\nX: y"};
    ed_res *res;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        check_int(ed_fetch(&res, "http://127.0.0.1:1/", .range = bad[i]),
                  ED_EUSAGE);
    check_int(ed_fetch(&res, "http://127.0.0.1:1/", .etag = "a\r\nX: y"),
              ED_EUSAGE);
    check(!strstr(ed_error(), "X: y"));
}

FIBER_TEST(a_206_tells_which_part_it_is)
{
    struct peer p = {
        .scripts = {SCRIPT("<",
                           ">HTTP/1.1 206 Part\r\nContent-Range: bytes 5-6/20"
                           "\r\nContent-Length: 2\r\n\r\nok",
                           "<",
                           ">HTTP/1.1 206 Part\r\nContent-Range: bytes 6-5/20"
                           "\r\nContent-Length: 2\r\n\r\nok",
                           "<",
                           ">HTTP/1.1 200 Ok\r\nContent-Range: bytes 5-6/20"
                           "\r\nContent-Length: 2\r\n\r\nok")}};
    int64_t first, last, whole;
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .range = "5-6"), 0);
    check(ed_res_range(res, &first, &last, &whole));
    check_int(first, 5);
    check_int(last, 6);
    check_int(whole, 20);
    check_int(ed_fetch(&res, p.url, .range = "5-6"), 0);
    check(!ed_res_range(res, &first, &last, &whole));
    check_int(ed_fetch(&res, p.url, .range = "5-6"), 0);
    check(!ed_res_range(res, &first, &last, &whole));
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_become_fields),
        cmocka_unit_test(without_a_range_there_is_no_if_range),
        cmocka_unit_test(fields_of_the_caller_take_their_place),
        cmocka_unit_test(a_redirect_keeps_the_conditions),
        cmocka_unit_test(a_range_that_is_none_is_refused),
        cmocka_unit_test(a_206_tells_which_part_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
