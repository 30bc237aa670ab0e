/*
 * test_client_decoding.c - bodies that a server encodes.
 */
#include "coded.h"
#include "peer.h"
#include "site.h"

#define HELLO ED_BYTES("hello, hello, hello\n")

/* What the server of a test answers with, and has been asked for. */
static struct {
    const char *coding;
    struct ed_bytes body;
    int status;
    size_t step; /* bytes sent at once, chunked; 0: whole */
    int64_t pause;
    char accept[100];
} site_says;

static int send_steps(ed_req *req)
{
    struct ed_bytes left = site_says.body;
    int err = ed_reply_begin(req, site_says.status, -1);

    while (!err && left.len) {
        size_t n = left.len < site_says.step ? left.len : site_says.step;
        err = ed_write_bytes(req, ed_bytes_of(left.ptr, n));
        if (!err)
            err = ed_flush(req);
        if (!err)
            err = ed_sleep(site_says.pause);
        left.ptr += n;
        left.len -= n;
    }
    return err;
}

static int answer(ed_req *req)
{
    const char *accept = ed_header(req, "Accept-Encoding");

    snprintf(site_says.accept, sizeof(site_says.accept), "%s",
             accept ? accept : "none");
    if (site_says.coding)
        ed_reply_header(req, "Content-Encoding", site_says.coding);
    if (site_says.step)
        return send_steps(req);
    return ed_reply_bytes(req, site_says.status, "text/plain", site_says.body);
}

static struct site site;

static void say(const char *coding, struct ed_bytes body)
{
    memset(&site, 0, sizeof(site));
    site_says.coding = coding;
    site_says.body = body;
    site_says.status = 200;
    site_says.step = 0;
    site_says.pause = 0;
    site_open(&site, answer);
}

static void forget(struct ed_bytes coded)
{
    free((void *)(uintptr_t)coded.ptr);
}

/* Whether a fetch of the site gives that body. */
static bool gives(struct ed_bytes expected)
{
    ed_res *res;

    return check_int(ed_get(&res, site_url(&site, "/")), 0) &&
           check(ed_bytes_equal(ed_res_body(res), expected));
}

/* Whether it fails so. */
static bool fails(int err, const char *why)
{
    char text[400];
    ed_res *res;

    snprintf(text, sizeof(text), "GET %s: %s", site_url(&site, "/"), why);
    return check_int(ed_get(&res, site_url(&site, "/")), err) &&
           check_text(ed_error(), text) && check(!res);
}

/* ---- whole ---- */

static void give_each_coding(size_t step)
{
    struct ed_bytes gzip = coded_gzip(HELLO), zstd = coded_zstd(HELLO, 10);
    struct ed_bytes both = coded_gzip(zstd);
    struct {
        const char *coding;
        struct ed_bytes body;
    } cases[] = {{"gzip", gzip}, {"X-GZip", gzip},     {"br", CODED_BR},
                 {"zstd", zstd}, {"zstd, gzip", both}, {"identity", HELLO}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        say(cases[i].coding, cases[i].body);
        site_says.step = step;
        gives(HELLO);
        site_close(&site);
    }
    forget(gzip);
    forget(zstd);
    forget(both);
}

FIBER_TEST(a_body_is_decoded_as_the_server_says)
{
    give_each_coding(0);
}

FIBER_TEST(a_body_without_a_length_is_decoded_too)
{
    give_each_coding(3);
}

FIBER_TEST(codings_are_asked_for_and_fields_stay_as_sent)
{
    struct ed_bytes gzip = coded_gzip(HELLO);
    char length[20];
    ed_res *res;

    say("gzip", gzip);
    snprintf(length, sizeof(length), "%zu", gzip.len);
    check_int(ed_get(&res, site_url(&site, "/")), 0);
    check_text(site_says.accept, "gzip, br, zstd");
    check_text(ed_res_header(res, "Content-Encoding"), "gzip");
    check_text(ed_res_header(res, "Content-Length"), length);
    check_text(ed_res_text(res), HELLO.ptr);
    site_close(&site);
    forget(gzip);
}

FIBER_TEST(what_was_not_asked_for_is_given_as_it_is)
{
    static const char *const identity[] = {"accept-encoding: identity", NULL};
    static const char *const range[] = {"Range: bytes=0-5", NULL};
    struct ed_bytes gzip = coded_gzip(HELLO);
    ed_client *plain = ed_client_new(.no_decoding = true);
    const struct ed_fetch_options cases[] = {
        {sizeof(*cases), .headers = identity},
        {sizeof(*cases), .headers = range},
        {sizeof(*cases), .range = "0-5"},
        {sizeof(*cases), .client = plain}};
    ed_res *res;

    say("gzip", gzip);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        check_int(ed_fetch_with(&res, site_url(&site, "/"), &cases[i]), 0);
        check_text(site_says.accept, i ? "none" : "identity");
        check(ed_bytes_equal(ed_res_body(res), gzip));
    }
    site_says.coding = "compress";
    gives(gzip);
    site_says.coding = "gzip, compress";
    gives(gzip);
    site_says.coding = NULL;
    gives(gzip);
    ed_client_free(plain);
    site_close(&site);
    forget(gzip);
}

FIBER_TEST(a_part_and_what_has_no_body_are_not_decoded)
{
    struct ed_bytes gzip = coded_gzip(HELLO);
    ed_res *res;

    say("gzip", ed_bytes_of(gzip.ptr, 5));
    site_says.status = 206;
    gives(ed_bytes_of(gzip.ptr, 5));
    site_says.status = 200;
    check_int(ed_fetch(&res, site_url(&site, "/"), .method = "HEAD"), 0);
    check_int(ed_res_body(res).len, 0);
    site_says.status = 304;
    gives(ED_BYTES(""));
    site_says.status = 200;
    site_says.body = ED_BYTES("");
    gives(ED_BYTES(""));
    site_close(&site);
    forget(gzip);
}

FIBER_TEST(what_cannot_be_decoded_says_why)
{
    struct ed_bytes gzip = coded_gzip(HELLO);

    say("gzip", HELLO);
    fails(ED_ECODING, "gzip data is malformed");
    site_says.body = ed_bytes_of(gzip.ptr, gzip.len - 1);
    fails(ED_ECODING, "gzip data is cut off");
    site_says.coding = "br";
    site_says.body = ED_BYTES("\x8b\x09\x80");
    fails(ED_ECODING, "br data is cut off");
    site_close(&site);
    forget(gzip);
}

FIBER_TEST(the_limit_holds_for_what_is_decoded)
{
    static char zeros[100000];
    struct ed_bytes gzip = coded_gzip(ed_bytes_of(zeros, sizeof(zeros)));
    ed_res *res;

    say("gzip", gzip);
    check_int(ed_fetch(&res, site_url(&site, "/"), .max_body = sizeof(zeros)),
              0);
    check_int(ed_res_body(res).len, sizeof(zeros));
    check_int(
        ed_fetch(&res, site_url(&site, "/"), .max_body = sizeof(zeros) - 1),
        ED_EBODYLIMIT);
    check(strstr(ed_error(), "body larger than allowed when decoded"));
    site_close(&site);
    forget(gzip);
}

FIBER_TEST(several_fields_are_one_list)
{
    struct peer p = {.scripts = {SCRIPT("<", ">HTTP/1.1 200 Ok\r\n"
                                             "Content-Encoding: identity\r\n"
                                             "Content-Encoding: gzip\r\n"
                                             "Content-Length: 4\r\n\r\nnone")}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_get(&res, p.url), ED_ECODING);
    peer_close(&p);
}

/* ---- streamed ---- */

static ed_res *open_stream(ed_client *client)
{
    ed_res *res = NULL;

    check_int(
        ed_fetch(&res, site_url(&site, "/"), .client = client, .stream = true),
        0);
    return res;
}

FIBER_TEST(a_streamed_body_is_decoded_as_it_is_read)
{
    struct ed_bytes zstd = coded_zstd(HELLO, 10);
    char text[100];

    for (size_t step = 0; step < 100; step += 9) {
        for (size_t room = 1; room < sizeof(text); room += 40) {
            size_t len = 0;
            ssize_t n;
            say("zstd", zstd);
            site_says.step = step;
            ed_res *res = open_stream(NULL);
            while ((n = ed_res_read(res, text + len, room)) > 0)
                len += (size_t)n;
            check_int(n, 0);
            check(ed_bytes_equal(ed_bytes_of(text, len), HELLO));
            check_int(ed_res_read(res, text, room), 0);
            ed_res_close(res);
            site_close(&site);
        }
    }
    forget(zstd);
}

FIBER_TEST(a_connection_is_kept_behind_a_decoded_stream)
{
    struct ed_bytes gzip = coded_gzip(HELLO);
    ed_client *client = ed_client_new();
    struct ed_client_counts counts;
    char text[100];

    say("gzip", gzip);
    for (int i = 0; i < 3; i++) {
        ed_res *res = open_stream(client);
        check_int(ed_res_read(res, text, sizeof(text)), HELLO.len);
        check_int(ed_res_read(res, text, sizeof(text)), 0);
        ed_res_close(res);
    }
    ed_client_counts(client, &counts);
    check_int(counts.connections, 1);
    check_int(counts.idle, 1);
    ed_client_free(client);
    site_close(&site);
    forget(gzip);
}

FIBER_TEST(a_stream_that_cannot_be_decoded_fails_again_each_time)
{
    ed_client *client = ed_client_new();
    struct ed_client_counts counts;
    char text[100];

    say("gzip", HELLO);
    ed_res *res = open_stream(client);
    for (int i = 0; i < 2; i++) {
        check_int(ed_res_read(res, text, sizeof(text)), ED_ECODING);
        check(strstr(ed_error(), "GET http+unix:"));
        check(strstr(ed_error(), ": gzip data is malformed"));
    }
    ed_client_counts(client, &counts);
    check_int(counts.open, counts.idle);
    ed_res_close(res);
    ed_client_free(client);
    site_close(&site);
}

FIBER_TEST(a_lost_connection_is_told_as_such)
{
    struct ed_bytes gzip = coded_gzip(HELLO);
    struct peer p = {.scripts = {SCRIPT("<", ">HTTP/1.1 200 Ok\r\n"
                                             "Content-Encoding: gzip\r\n"
                                             "Content-Length: 40\r\n\r\n"
                                             "\x1f\x8b\x08")}};
    char text[100];
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .stream = true), 0);
    check_int(ed_res_read(res, text, sizeof(text)), ED_ECONNLOST);
    ed_res_close(res);
    check_int(ed_get(&res, p.url), ED_ECONNLOST);
    peer_close(&p);
    forget(gzip);
}

FIBER_TEST(a_stream_may_be_left_undecoded)
{
    say("br", CODED_BR);
    ed_res_close(open_stream(NULL));
    site_close(&site);
}

FIBER_TEST(a_streamed_bomb_is_stopped)
{
    enum { ALL = 60 * 1000 * 1000 };
    char *zeros = calloc(1, ALL), text[1000];
    struct ed_bytes zstd = coded_zstd(ed_bytes_of(zeros, ALL), 17);
    size_t len = 0;
    ssize_t n;

    free(zeros);
    say("zstd", zstd);
    ed_res *res = open_stream(NULL);
    while ((n = ed_res_read(res, text, sizeof(text))) > 0)
        len += (size_t)n;
    check_int(n, ED_ECODING);
    check(strstr(ed_error(), "grows by more than 1100 times"));
    check(len <= 8 * 1024 * 1024);
    ed_res_close(res);
    site_close(&site);
    forget(zstd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_decoded_as_the_server_says),
        cmocka_unit_test(a_body_without_a_length_is_decoded_too),
        cmocka_unit_test(codings_are_asked_for_and_fields_stay_as_sent),
        cmocka_unit_test(what_was_not_asked_for_is_given_as_it_is),
        cmocka_unit_test(a_part_and_what_has_no_body_are_not_decoded),
        cmocka_unit_test(what_cannot_be_decoded_says_why),
        cmocka_unit_test(the_limit_holds_for_what_is_decoded),
        cmocka_unit_test(several_fields_are_one_list),
        cmocka_unit_test(a_streamed_body_is_decoded_as_it_is_read),
        cmocka_unit_test(a_connection_is_kept_behind_a_decoded_stream),
        cmocka_unit_test(a_stream_that_cannot_be_decoded_fails_again_each_time),
        cmocka_unit_test(a_lost_connection_is_told_as_such),
        cmocka_unit_test(a_stream_may_be_left_undecoded),
        cmocka_unit_test(a_streamed_bomb_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
