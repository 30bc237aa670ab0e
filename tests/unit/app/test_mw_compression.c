/*
 * test_mw_compression.c - bodies that are compressed as they are sent, and
 * those that are not.
 */
#include "hosted.h"

#include "wire/coding.h"
#include <eddy/event_source.h>
#include <eddy/log.h>
#include <eddy/sse.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { LARGE = 300 * 1000 };

static char large[LARGE + 1];

static void fill_large(void)
{
    for (uint32_t i = 0, x = 1; i < LARGE; i++) {
        x = x * 1664525 + 1013904223;
        large[i] = "etaoin shrdlu {\"json\": true}\n"[(x >> 27) % 29];
    }
}

/* ---- handlers ---- */

/* Sets a field by the query, as "?name=value", and the type by the path. */
static int set_field(ed_req *req)
{
    char name[64];
    const char *query = ed_req_query(req);
    const char *equals = strchr(query, '=');
    if (!equals)
        return 0;
    snprintf(name, sizeof name, "%.*s", (int)(equals - query), query);
    return ed_reply_header(req, name, ed_query(req, name));
}

static int whole(ed_req *req)
{
    int err = set_field(req);
    struct ed_bytes body =
        ed_bytes_of(large, (size_t)ed_arg_int(req, "length"));
    return err ? err : ed_reply_bytes(req, 200, "text/html", body);
}

/* Two of a kind, which are one list. */
static int forbidden(ed_req *req)
{
    int err = ed_reply_header(req, "Cache-Control", "private");
    if (!err)
        err = ed_reply_header(req, "Cache-Control", "no-transform");
    return err ? err
               : ed_reply_bytes(req, 200, "text/html",
                                ed_bytes_of(large, 4000));
}

static int typed(ed_req *req)
{
    return ed_reply_bytes(req, 200, ed_query(req, "type"),
                          ed_bytes_of(large, 4000));
}

static int pieces(ed_req *req)
{
    size_t step = (size_t)ed_arg_int(req, "step");
    int err = ed_reply_header_set(req, "Content-Type", "application/json");
    if (!err)
        err = ed_reply_begin(req, 200,
                             strcmp(ed_req_query(req), "length") ? -1 : LARGE);
    for (size_t at = 0; at < LARGE && !err; at += step) {
        size_t left = LARGE - at;
        err = ed_write_bytes(
            req, ed_bytes_of(large + at, left < step ? left : step));
    }
    return err ? err : ed_reply_trailer(req, "X-Trailer", "behind");
}

/* Out of a file, a piece of it at a time. */
static int file(ed_req *req)
{
    int fd = memfd_create("large", MFD_CLOEXEC);
    int err = write(fd, large, LARGE) == LARGE ? 0 : -EIO;
    if (!err)
        err = ed_reply_header_set(req, "Content-Type", ed_req_query(req));
    if (!err)
        err = ed_reply_begin(req, 200, LARGE);
    if (!err)
        err = ed_write_file(req, fd, 0, 1000);
    if (!err)
        err = ed_write_file(req, fd, 1000, LARGE - 1000);
    close(fd);
    return err;
}

static int part(ed_req *req)
{
    ed_reply_header(req, "Content-Range", "bytes 0-3999/9000");
    return ed_reply_bytes(req, 206, "text/plain", ed_bytes_of(large, 4000));
}

static int nothing(ed_req *req)
{
    return ed_reply_bytes(req, (int)ed_arg_int(req, "status"), NULL,
                          (struct ed_bytes){0});
}

/* Says something, then waits for long. */
static int slowly(ed_req *req)
{
    ed_reply_header_set(req, "Content-Type", "text/plain");
    int err = ed_write(req, "first piece\n");
    if (!err)
        err = ed_flush(req);
    if (!err)
        err = ed_sleep(ED_MIN);
    return err ? err : ed_write(req, "second piece\n");
}

static int cut(ed_req *req)
{
    int err = ed_write_bytes(req, ed_bytes_of(large, 100 * 1000));
    return err ? err : ED_EDATABASE;
}

static int too_short(ed_req *req)
{
    int err = ed_reply_begin(req, 200, 5000);
    return err ? err : ed_write_bytes(req, ed_bytes_of(large, 4000));
}

static int failing(ed_req *req)
{
    (void)req;
    return ED_ECONFLICT;
}

static int write_lines(void *arg)
{
    int err = 0;
    for (int i = 0; i < 500 && !err; i++) {
        err = ed_write(arg, "one line of many, written by one of three\n");
        if (!err && i % 50 == 0)
            err = ed_flush(arg);
        if (!err && i % 7 == 0)
            err = ed_yield();
    }
    return err;
}

static int together(ed_req *req)
{
    int err = ed_reply_begin(req, 200, -1);
    ed_scope(s);
    for (int i = 0; i < 3 && !err; i++)
        err = ed_go(s, write_lines, req);
    int waited = ed_wait(s);
    return waited ? waited : err;
}

static void open_with(struct hosted *h,
                      const struct ed_compression_options *options)
{
    ed_log_set_level(ED_LOG_OFF);
    fill_large();
    hosted_open(h);
    check_int(ed_use_compression_with(ed_where_app_(h->app), options), 0);
    ed_route(h->app, "GET /whole/{length:int}", whole);
    ed_route(h->app, "GET /typed", typed);
    ed_route(h->app, "GET /forbidden", forbidden);
    ed_route(h->app, "GET /pieces/{step:int}", pieces);
    ed_route(h->app, "GET /file", file);
    ed_route(h->app, "GET /part", part);
    ed_route(h->app, "GET /nothing/{status:int}", nothing);
    ed_route(h->app, "GET /slowly", slowly);
    ed_route(h->app, "GET /cut", cut);
    ed_route(h->app, "GET /short", too_short);
    ed_route(h->app, "GET /failing", failing);
    ed_route(h->app, "GET /together", together);
}

#define open_app(h, ...) \
    open_with((h), ED_OPTIONS(struct ed_compression_options, __VA_ARGS__))

/* ---- what came ---- */

/* Whether a response decodes to that body. */
static void check_body(const ed_res *res, struct ed_bytes wanted)
{
    struct ed_codings codings = {0};
    struct ed_bytes in = ed_res_body(res);
    static char plain[LARGE + 4096];
    size_t len = 0;
    ssize_t n;
    if (!check(ed_codings_add(
            &codings, ed_bytes(ed_res_header(res, "Content-Encoding")))))
        return;
    if (!check_int(codings.count, 1))
        return;
    ed_decoder *d = ed_decoder_new(codings, UINT64_MAX);
    while ((n = ed_decoder_read(d, &in, true, plain + len,
                                sizeof plain - len)) > 0)
        len += (size_t)n;
    check_int(n, 0);
    check(ed_bytes_equal(ed_bytes_of(plain, len), wanted));
    ed_decoder_free(d);
}

FIBER_TEST(a_whole_body_is_compressed_and_keeps_a_length)
{
    static const char *const codings[] = {"gzip", "br", "zstd"};
    struct hosted h = {0};
    open_app(&h);
    for (size_t i = 0; i < 3; i++) {
        char accept[64], length[24];
        snprintf(accept, sizeof accept, "Accept-Encoding: %s", codings[i]);
        ed_res *res = hosted_get(&h, "/whole/20000", accept);
        check_text(hosted_field(res, "Content-Encoding"), codings[i]);
        check_text(hosted_field(res, "Vary"), "Accept-Encoding");
        check_text(hosted_field(res, "Content-Type"), "text/html");
        snprintf(length, sizeof length, "%zu", ed_res_body(res).len);
        check_text(hosted_field(res, "Content-Length"), length);
        check(ed_res_body(res).len < 16000);
        check_body(res, ed_bytes_of(large, 20000));
    }
    hosted_close(&h);
}

FIBER_TEST(a_long_body_comes_in_pieces)
{
    static const char *const paths[] = {"/whole/300000", "/pieces/100",
                                        "/pieces/70000",
                                        "/pieces/70000?length"};
    struct hosted h = {0};
    open_app(&h);
    for (size_t i = 0; i < 4; i++) {
        ed_res *res =
            hosted_get(&h, paths[i], "Accept-Encoding: br, gzip;q=0.5");
        check_text(hosted_field(res, "Content-Encoding"), "br");
        check_text(hosted_field(res, "Content-Length"), "-");
        check_text(hosted_field(res, "Transfer-Encoding"), "chunked");
        check_body(res, ed_bytes_of(large, LARGE));
    }
    hosted_close(&h);
}

FIBER_TEST(a_file_is_read_if_it_is_to_be_compressed)
{
    struct hosted h = {0};
    open_app(&h);
    ed_res *res = hosted_get(&h, "/file?text/plain", "Accept-Encoding: gzip");
    check_text(hosted_field(res, "Content-Encoding"), "gzip");
    check_text(hosted_field(res, "Content-Length"), "-");
    check_body(res, ed_bytes_of(large, LARGE));
    res = hosted_get(&h, "/file?image/png", "Accept-Encoding: gzip");
    check_text(hosted_field(res, "Content-Encoding"), "-");
    check_text(hosted_field(res, "Content-Length"), "300000");
    check_text(hosted_field(res, "Vary"), "Accept-Encoding");
    check(ed_bytes_equal(ed_res_body(res), ed_bytes_of(large, LARGE)));
    res = hosted_fetch(&h, "HEAD", "/file?text/plain", "Accept-Encoding: gzip");
    check_text(hosted_field(res, "Content-Encoding"), "gzip");
    check_int(ed_res_body(res).len, 0);
    hosted_close(&h);
}

FIBER_TEST(a_trailer_stays_behind_a_compressed_body)
{
    struct hosted h = {0};
    open_app(&h);
    struct ed_bytes bytes = hosted_raw(&h, "GET /pieces/300000 HTTP/1.1\r\n"
                                           "Host: a\r\nConnection: close\r\n"
                                           "Accept-Encoding: zstd\r\n\r\n");
    check(hosted_has(bytes, "Content-Encoding: zstd\r\n"));
    check(hosted_has(bytes, "\r\n0\r\nX-Trailer: behind\r\n\r\n"));
    hosted_close(&h);
}

FIBER_TEST(what_is_sent_as_it_is_stays_as_it_is)
{
    static const struct {
        const char *path, *accept;
    } rows[] = {
        {"/whole/20000", "Accept-Encoding: identity"},
        {"/whole/20000", "Accept-Encoding: deflate"},
        {"/whole/20000", "Accept-Encoding: gzip;q=0"},
        {"/whole/20000", "X-Nothing: asked"},
        {"/whole/1023", "Accept-Encoding: gzip"},
        {"/whole/0", "Accept-Encoding: gzip"},
        {"/typed?type=image/png", "Accept-Encoding: gzip"},
        {"/typed?type=application/gzip", "Accept-Encoding: gzip"},
        {"/typed?type=application/octet-stream", "Accept-Encoding: gzip"},
        {"/typed?type=text/event-stream", "Accept-Encoding: gzip"},
        {"/typed?type=jsontext/plain", "Accept-Encoding: gzip"},
        {"/part", "Accept-Encoding: gzip"},
        {"/whole/20000?Content-Encoding=br", "Accept-Encoding: gzip"},
        {"/whole/20000?Cache-Control=public,no-transform",
         "Accept-Encoding: gzip"},
        {"/forbidden", "Accept-Encoding: gzip"},
    };
    struct hosted h = {0};
    open_app(&h);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ed_res *res = hosted_get(&h, rows[i].path, rows[i].accept);
        const char *coding = hosted_field(res, "Content-Encoding");
        check_(strcmp(coding, "gzip") != 0, "%s with %s is compressed",
               rows[i].path, rows[i].accept);
        check(!memcmp(ed_res_body(res).ptr, large, ed_res_body(res).len));
        check_text(hosted_field(res, "Vary"), "Accept-Encoding");
    }
    hosted_close(&h);
}

FIBER_TEST(types_that_are_worth_it_are_compressed)
{
    static const char *const types[] = {
        "text/plain",       "text/css;charset=utf-8",
        "application/json", "application/ld%2Bjson",
        "image/svg%2Bxml",  "APPLICATION/JSON",
        "application/wasm", "application/javascript",
    };
    struct hosted h = {0};
    open_app(&h);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char path[100];
        snprintf(path, sizeof path, "/typed?type=%s", types[i]);
        ed_res *res = hosted_get(&h, path, "Accept-Encoding: gzip");
        check_(!strcmp(hosted_field(res, "Content-Encoding"), "gzip"),
               "%s is not", types[i]);
    }
    hosted_close(&h);
}

FIBER_TEST(who_refuses_identity_gets_even_little_compressed)
{
    static const char *const paths[] = {"/whole/5", "/typed?type=image/png"};
    struct hosted h = {0};
    open_app(&h);
    for (size_t i = 0; i < 2; i++) {
        ed_res *res =
            hosted_get(&h, paths[i], "Accept-Encoding: gzip, identity;q=0");
        check_text(hosted_field(res, "Content-Encoding"), "gzip");
    }
    hosted_close(&h);
}

FIBER_TEST(several_fields_are_one_list)
{
    struct hosted h = {0};
    open_app(&h);
    ed_res *res = hosted_get(&h, "/whole/5000", "Accept-Encoding: br;q=0.1",
                             "Accept-Encoding: zstd;q=0.2");
    check_text(hosted_field(res, "Content-Encoding"), "zstd");
    hosted_close(&h);
}

FIBER_TEST(a_strong_etag_becomes_a_weak_one)
{
    struct hosted h = {0};
    open_app(&h);
    ed_res *res =
        hosted_get(&h, "/whole/5000?ETag=%22a%22", "Accept-Encoding: gzip");
    check_text(hosted_field(res, "ETag"), "W/\"a\"");
    res = hosted_get(&h, "/whole/5000?ETag=W/%22a%22", "Accept-Encoding: gzip");
    check_text(hosted_field(res, "ETag"), "W/\"a\"");
    res = hosted_get(&h, "/whole/5000?ETag=%22a%22", "X-Nothing: asked");
    check_text(hosted_field(res, "ETag"), "\"a\"");
    hosted_close(&h);
}

FIBER_TEST(replies_without_a_body_stay_without)
{
    struct hosted h = {0};
    open_app(&h);
    ed_res *res =
        hosted_fetch(&h, "HEAD", "/whole/20000", "Accept-Encoding: gzip");
    check_int(ed_res_status(res), 200);
    check_text(hosted_field(res, "Content-Encoding"), "gzip");
    check_text(hosted_field(res, "Content-Length"), "-");
    res = hosted_get(&h, "/nothing/204", "Accept-Encoding: gzip");
    check_int(ed_res_status(res), 204);
    check_text(hosted_field(res, "Content-Encoding"), "-");
    res = hosted_get(&h, "/nothing/304", "Accept-Encoding: gzip");
    check_int(ed_res_status(res), 304);
    check_text(hosted_field(res, "Content-Encoding"), "-");
    check_int(ed_res_body(res).len, 0);
    hosted_close(&h);
}

FIBER_TEST(an_error_reply_is_compressed_like_any_other)
{
    struct hosted h = {0};
    open_app(&h, .min_bytes = -1);
    ed_res *res = hosted_get(&h, "/failing", "Accept-Encoding: gzip",
                             "Accept: text/html");
    check_int(ed_res_status(res), 409);
    check_text(hosted_field(res, "Content-Encoding"), "gzip");
    check_text(hosted_field(res, "Vary"), "Accept, Accept-Encoding");
    hosted_close(&h);
}

FIBER_TEST(a_flush_sends_all_that_was_written)
{
    struct hosted h = {0};
    char text[64] = "";
    ed_res *res = NULL;
    open_app(&h);
    ed_client *decoding = ed_client_new();
    check_int(ed_fetch(&res, hosted_url(&h, "/slowly"), .client = decoding,
                       .stream = true),
              0);
    int64_t began = ed_now();
    ssize_t n = ed_res_read(res, text, sizeof text - 1);
    check_int(n, 12);
    check_text(text, "first piece\n");
    check(ed_now() - began < ED_S);
    ed_res_close(res);
    ed_client_free(decoding);
    hosted_close(&h);
}

FIBER_TEST(what_is_cut_is_seen_to_be_cut)
{
    static const char *const paths[] = {"/cut", "/short"};
    struct hosted h = {0};
    open_app(&h);
    for (size_t i = 0; i < 2; i++) {
        ed_res *res = NULL;
        const char *accept[] = {"Accept-Encoding: gzip", NULL};
        check_int(ed_fetch(&res, hosted_url(&h, paths[i]), .client = h.client,
                           .headers = accept),
                  ED_ECONNLOST);
    }
    hosted_close(&h);
}

FIBER_TEST(fibers_may_write_a_compressed_reply_together)
{
    static const char line[] = "one line of many, written by one of three\n";
    struct hosted h = {0};
    ed_res *res = NULL;
    open_app(&h);
    ed_client *decoding = ed_client_new();
    check_int(ed_fetch(&res, hosted_url(&h, "/together"), .client = decoding),
              0);
    check_int(ed_res_body(res).len, 1500 * (sizeof line - 1));
    for (size_t i = 0; i < 1500; i++) {
        if (memcmp(ed_res_body(res).ptr + i * (sizeof line - 1), line,
                   sizeof line - 1)) {
            check_(false, "line %zu is torn", i);
            break;
        }
    }
    ed_client_free(decoding);
    hosted_close(&h);
}

FIBER_TEST(http_1_0_gets_it_until_the_end_of_the_connection)
{
    struct hosted h = {0};
    open_app(&h);
    struct ed_bytes bytes = hosted_raw(
        &h, "GET /pieces/300000 HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
    check(hosted_has(bytes, "Content-Encoding: gzip\r\n"));
    check(!hosted_has(bytes, "Transfer-Encoding"));
    check(!hosted_has(bytes, "Content-Length"));
    check(hosted_has(bytes, "\r\n\r\n\x1f\x8b"));
    hosted_close(&h);
}

FIBER_TEST(no_more_replies_are_compressed_than_allowed)
{
    struct hosted h = {0};
    ed_res *slow = NULL;
    const char *accept[] = {"Accept-Encoding: gzip", NULL};
    open_app(&h, .max_streams = 1);
    check_int(ed_fetch(&slow, hosted_url(&h, "/slowly"), .client = h.client,
                       .headers = accept, .stream = true),
              0);
    check_text(hosted_field(slow, "Content-Encoding"), "gzip");
    ed_res *res = hosted_get(&h, "/whole/5000", "Accept-Encoding: gzip");
    check_text(hosted_field(res, "Content-Encoding"), "-");
    check_int(ed_res_body(res).len, 5000);
    ed_res_close(slow);
    check_int(ed_sleep(ED_S), 0);
    res = hosted_get(&h, "/whole/5000", "Accept-Encoding: gzip");
    check_text(hosted_field(res, "Content-Encoding"), "gzip");
    hosted_close(&h);
}

/* Waits at a piece that was flushed, as many do. */
static int watch_slowly(void *arg)
{
    struct hosted *h = arg;
    const char *accept[] = {"Accept-Encoding: gzip", NULL};
    ed_res *res = NULL;
    int err = ed_fetch(&res, hosted_url(h, "/slowly"), .client = h->client,
                       .headers = accept, .stream = true);
    if (!err)
        err = ed_sleep(ED_S);
    ed_res_close(res);
    return err;
}

FIBER_TEST(a_crowd_of_slow_replies_takes_bounded_memory)
{
    enum { CROWD = 300, ALLOWED = 8 };
    struct hosted h = {0};
    open_app(&h, .max_streams = ALLOWED);
    size_t before = mallinfo2().uordblks;
    {
        ed_scope(s);
        for (int i = 0; i < CROWD; i++)
            ed_go(s, watch_slowly, &h);
        check_int(ed_sleep(ED_S / 2), 0);
        size_t taken = mallinfo2().uordblks - before;
        /* An encoder is 270 KiB; 300 of them would be 80 MiB. */
        check_(taken < 20 << 20, "%zu bytes taken", taken);
        check_int(ed_wait(s), 0);
    }
    hosted_close(&h);
}

FIBER_TEST(what_is_offered_can_be_chosen)
{
    struct hosted h = {0};
    open_app(&h, .codings = "gzip", .types = "text/html", .min_bytes = 10,
             .gzip_level = 9);
    ed_res *res = hosted_get(&h, "/whole/11", "Accept-Encoding: br, gzip;q=.1",
                             "Accept-Encoding: gzip;q=0.2");
    check_text(hosted_field(res, "Content-Encoding"), "-");
    res = hosted_get(&h, "/whole/11", "Accept-Encoding: br, gzip;q=0.1");
    check_text(hosted_field(res, "Content-Encoding"), "gzip");
    res = hosted_get(&h, "/pieces/1000", "Accept-Encoding: gzip");
    check_text(hosted_field(res, "Content-Encoding"), "-");
    hosted_close(&h);
}

FIBER_TEST(events_are_compressed_when_asked_for)
{
    struct hosted h = {0};
    open_app(&h, .event_streams = true);
    ed_res *res = hosted_get(&h, "/typed?type=text/event-stream",
                             "Accept-Encoding: gzip");
    check_text(hosted_field(res, "Content-Encoding"), "gzip");
    hosted_close(&h);
}

static unsigned streams_begun;

/* GET /events */
static int two_events(ed_req *req)
{
    ed_sse *sse;
    int err = ed_sse_begin(req, &sse);

    streams_begun++;
    if (!err)
        err = ed_sse_send(sse, .data = ED_BYTES("one"));
    if (!err)
        err = ed_sleep(50 * ED_S);
    return err ? err : ed_sse_send(sse, .data = ED_BYTES("two"));
}

/* A client that takes 20 s of silence for the end sees each event when it is
 * sent, and comments in between. */
FIBER_TEST(compressed_events_come_at_once_and_have_heartbeats)
{
    struct hosted h = {0};
    struct ed_sse_event event;
    ed_event_source *source = NULL;

    open_app(&h, .event_streams = true);
    ed_route(h.app, "GET /events", two_events);
    streams_begun = 0;
    int64_t began = ed_now();
    check_int(ed_event_source_open(&source, hosted_url(&h, "/events"),
                                   .idle_timeout = 20 * ED_S),
              0);
    check_int(ed_event_source_next(source, &event), 0);
    check_text(event.data.ptr, "one");
    check((ed_now() - began) < ED_S);
    check_int(ed_event_source_next(source, &event), 0);
    check_text(event.data.ptr, "two");
    check((ed_now() - began) / ED_S == 50);
    check_int(streams_begun, 1);
    ed_event_source_close(source);
    hosted_close(&h);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    ed_app *app = ed_app_new();
    assert_int_equal(ed_use_compression(app, .codings = "lzma"), ED_EUSAGE);
    assert_int_equal(ed_use_compression(app, .codings = "deflate"), ED_EUSAGE);
    assert_int_equal(ed_use_compression(app, .gzip_level = 10), ED_EUSAGE);
    assert_int_equal(ed_use_compression(app, .br_level = -1), ED_EUSAGE);
    assert_int_equal(ed_use_compression(ed_group_new(app, "/x")), 0);
    ed_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_body_is_compressed_and_keeps_a_length),
        cmocka_unit_test(a_long_body_comes_in_pieces),
        cmocka_unit_test(a_file_is_read_if_it_is_to_be_compressed),
        cmocka_unit_test(a_trailer_stays_behind_a_compressed_body),
        cmocka_unit_test(what_is_sent_as_it_is_stays_as_it_is),
        cmocka_unit_test(types_that_are_worth_it_are_compressed),
        cmocka_unit_test(who_refuses_identity_gets_even_little_compressed),
        cmocka_unit_test(several_fields_are_one_list),
        cmocka_unit_test(a_strong_etag_becomes_a_weak_one),
        cmocka_unit_test(replies_without_a_body_stay_without),
        cmocka_unit_test(an_error_reply_is_compressed_like_any_other),
        cmocka_unit_test(a_flush_sends_all_that_was_written),
        cmocka_unit_test(what_is_cut_is_seen_to_be_cut),
        cmocka_unit_test(fibers_may_write_a_compressed_reply_together),
        cmocka_unit_test(http_1_0_gets_it_until_the_end_of_the_connection),
        cmocka_unit_test(no_more_replies_are_compressed_than_allowed),
        cmocka_unit_test(a_crowd_of_slow_replies_takes_bounded_memory),
        cmocka_unit_test(what_is_offered_can_be_chosen),
        cmocka_unit_test(events_are_compressed_when_asked_for),
        cmocka_unit_test(compressed_events_come_at_once_and_have_heartbeats),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
