/*
 * test_static_copies.c - compressed copies beside files, links with versions,
 * and files of a handler's choice.
 */
#include "static_site.h"

#include <eddy/log.h>
#include <eddy/middleware.h>

/* ---- compressed copies ---- */

static void make_copies(const struct site *s)
{
    site_file(s, "app.css", "plain");
    site_file(s, "app.css.gz", "gzipped");
    site_file(s, "app.css.br", "brotli");
    site_file(s, "app.css.zst", "zstandard");
    site_file(s, "one.js", "plain");
    site_file(s, "one.js.gz", "gzipped");
    site_file(s, "photo.jpeg", "plain");
    site_file(s, "photo.jpeg.gz", "gzipped");
}

FIBER_TEST(the_copy_the_client_likes_best_is_sent)
{
    static const struct {
        const char *target, *accept, *coding, *body;
    } asked[] = {
        {"app.css", NULL, "", "plain"},
        {"app.css", "gzip, deflate, br, zstd", "br", "brotli"},
        {"app.css", "gzip", "gzip", "gzipped"},
        {"app.css", "gzip;q=0.9, zstd;q=1", "zstd", "zstandard"},
        {"app.css", "br;q=0.5, zstd;q=0.5, gzip;q=0.8", "gzip", "gzipped"},
        {"app.css", "br;q=0, gzip;q=0.1", "gzip", "gzipped"},
        {"app.css", "*", "br", "brotli"},
        {"app.css", "*;q=0.5, br;q=0", "zstd", "zstandard"},
        {"app.css", "identity", "", "plain"},
        {"app.css", "gzip;q=0.5, identity;q=0.8", "", "plain"},
        {"app.css", "gzip;q=0.8, identity;q=0.5", "gzip", "gzipped"},
        {"app.css", "gzip;q=0", "", "plain"},
        {"app.css", "compress", "", "plain"},
        {"app.css", "", "", "plain"},
        {"one.js", "br, gzip", "gzip", "gzipped"},
        {"one.js", "br", "", "plain"},
        {"photo.jpeg", "gzip", "", "plain"},
        {"app.css.gz", "gzip", "", "gzipped"},
    };
    struct site s;
    char target[100], fields[200];
    site_open(&s);
    make_copies(&s);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        snprintf(target, sizeof target, "/static/%s", asked[i].target);
        snprintf(fields, sizeof fields, "Accept-Encoding: %s\r\n",
                 asked[i].accept);
        site_ask(&s, "GET", target, asked[i].accept ? fields : NULL);
        check_(!strcmp(s.body, asked[i].body), "%s of %s: %s", asked[i].accept,
               asked[i].target, s.body);
        check_text(site_field(&s, "content-encoding"), asked[i].coding);
        bool may_vary = strncmp(asked[i].target, "photo", 5) != 0 &&
                        !strstr(asked[i].target, ".gz");
        check_text(site_field(&s, "vary"), may_vary ? "Accept-Encoding" : "");
    }
    site_close(&s);
}

FIBER_TEST(a_copy_has_the_type_of_the_file_and_a_tag_of_its_own)
{
    struct site s;
    char tag[100], fields[200];
    site_open(&s);
    make_copies(&s);
    site_get(&s, "/static/app.css");
    snprintf(tag, sizeof tag, "%s", site_field(&s, "etag"));
    site_ask(&s, "GET", "/static/app.css", "Accept-Encoding: br\r\n");
    check_text(site_field(&s, "content-type"), "text/css; charset=utf-8");
    check(strcmp(site_field(&s, "etag"), tag) != 0);
    snprintf(fields, sizeof fields,
             "Accept-Encoding: br\r\nIf-None-Match: %s\r\n",
             site_field(&s, "etag"));
    site_ask(&s, "GET", "/static/app.css", fields);
    check_int(s.status, 304);
    /* The plain file's tag is not the copy's. */
    snprintf(fields, sizeof fields,
             "Accept-Encoding: br\r\nIf-None-Match: %s\r\n", tag);
    site_ask(&s, "GET", "/static/app.css", fields);
    check_int(s.status, 200);
    site_ask(&s, "GET", "/static/app.css",
             "Accept-Encoding: gzip\r\nRange: bytes=0-2\r\n");
    check_int(s.status, 206);
    check_text(s.body, "gzi");
    check_text(site_field(&s, "content-range"), "bytes 0-2/7");
    site_close(&s);
}

FIBER_TEST(a_copy_older_than_the_file_is_passed_over)
{
    struct site s;
    site_open(&s);
    make_copies(&s);
    site_age(&s, "app.css", FILES_TIME + 2);
    site_ask(&s, "GET", "/static/app.css", "Accept-Encoding: br\r\n");
    check_text(s.body, "brotli");
    site_age(&s, "app.css", FILES_TIME + 3);
    site_ask(&s, "GET", "/static/app.css", "Accept-Encoding: br\r\n");
    check_text(s.body, "plain");
    site_close(&s);
}

FIBER_TEST(a_copy_that_is_no_file_or_leads_out_is_passed_over)
{
    struct site s;
    site_open(&s);
    site_file(&s, "a.css", "plain");
    site_folder(&s, "a.css.br");
    site_link(&s, "a.css.zst", "/etc/passwd");
    check_int(mkfifo(site_path(&s, "a.css.gz"), 0644), 0);
    site_ask(&s, "GET", "/static/a.css", "Accept-Encoding: br,gzip,zstd\r\n");
    check_text(s.body, "plain");
    site_close(&s);
}

FIBER_TEST(copies_are_not_looked_for_when_that_is_said)
{
    struct site s;
    site_open(&s, .no_precompressed = true);
    make_copies(&s);
    site_ask(&s, "GET", "/static/app.css", "Accept-Encoding: br\r\n");
    check_text(s.body, "plain");
    check_text(site_field(&s, "vary"), "");
    site_close(&s);
}

FIBER_TEST(a_file_without_a_copy_is_compressed_by_middleware)
{
    char text[30001];
    struct site s;
    memset(text, 'a', 30000);
    text[30000] = '\0';
    site_make_directory(&s);
    ed_use_compression(s.app);
    (void)ed_static(s.app, "/static", s.directory);
    site_serve(&s);
    make_copies(&s);
    site_file(&s, "large.css", text);
    site_ask(&s, "GET", "/static/large.css", "Accept-Encoding: gzip\r\n");
    check_int(s.status, 200);
    check_text(site_field(&s, "content-encoding"), "gzip");
    check(s.body_len < 1000);
    site_ask(&s, "GET", "/static/large.css", NULL);
    check_text(site_field(&s, "content-encoding"), "");
    check_text(s.body, text);
    site_ask(&s, "HEAD", "/static/large.css", "Accept-Encoding: gzip\r\n");
    check_int((long long)s.body_len, 0);
    site_ask(&s, "GET", "/static/large.css",
             "Accept-Encoding: gzip\r\nRange: bytes=0-9999\r\n");
    check_int(s.status, 206);
    check_text(site_field(&s, "content-encoding"), "");
    check_int((long long)s.body_len, 10000);
    site_ask(&s, "GET", "/static/app.css", "Accept-Encoding: gzip\r\n");
    check_text(site_field(&s, "content-encoding"), "gzip");
    check_text(s.body, "gzipped");
    site_close(&s);
}

/* ---- versions ---- */

static char url[200];

static int give_url(ed_req *req)
{
    const char *made = ed_static_url(req, ed_query(req, "of"));
    snprintf(url, sizeof url, "%s", made ? made : "none");
    return ed_reply(req, 200, "%s", url);
}

/* Serves the directory in two places. */
static void open_versioned(struct site *s)
{
    site_make_directory(s);
    ed_route(s->app, "GET /url", give_url);
    (void)ed_static(s->app, "/static", s->directory);
    (void)ed_static(s->app, "/other", s->directory, .dot_files = true);
    site_serve(s);
}

#define HELLO_SHA256 "2cf24dba5fb0a30e"

FIBER_TEST(a_link_has_the_digest_of_the_content)
{
    struct site s;
    open_versioned(&s);
    site_folder(&s, "a b");
    site_file(&s, "a b/a.txt", "hello");
    site_get(&s, "/url?of=a+b/a.txt");
    check_text(s.body, "/static/a%20b/a.txt?v=" HELLO_SHA256);
    site_get(&s, "/url?of=/other/a+b/a.txt");
    check_text(s.body, "/other/a%20b/a.txt?v=" HELLO_SHA256);
    site_file(&s, "a b/a.txt", "another");
    site_get(&s, "/url?of=a+b/a.txt");
    check(!strstr(s.body, HELLO_SHA256));
    check(strstr(s.body, "?v="));
    site_close(&s);
}

FIBER_TEST(a_link_to_what_is_not_there_has_no_version)
{
    struct site s;
    open_versioned(&s);
    site_file(&s, ".hidden", "hello");
    site_get(&s, "/url?of=none.css");
    check_text(s.body, "/static/none.css");
    site_get(&s, "/url?of=../../etc/passwd");
    check_text(s.body, "/static/../../etc/passwd");
    site_get(&s, "/url?of=.hidden");
    check_text(s.body, "/static/.hidden");
    site_get(&s, "/url?of=/other/.hidden");
    check_text(s.body, "/other/.hidden?v=" HELLO_SHA256);
    site_get(&s, "/url?of=/nowhere/a");
    check_text(s.body, "none");
    site_close(&s);
}

FIBER_TEST(a_link_never_leads_to_another_host)
{
    struct site s;
    site_make_directory(&s);
    check_int(ed_static(s.app, "", s.directory), 0);
    ed_route(s.app, "GET /url", give_url);
    site_serve(&s);
    site_file(&s, "a.txt", "hello");
    site_get(&s, "/url?of=/a.txt");
    check_text(s.body, "/a.txt?v=" HELLO_SHA256);
    site_get(&s, "/url?of=//evil.example/a.txt");
    check_text(s.body, "none");
    site_get(&s, "/url?of=/evil.example/a.txt");
    check_text(s.body, "/evil.example/a.txt");
    site_close(&s);
}

FIBER_TEST(a_link_in_a_mounted_app_leads_there)
{
    struct site s;
    site_make_directory(&s);
    ed_app *inner = ed_app_new();
    check_int(ed_static(inner, "/static", s.directory), 0);
    ed_route(inner, "GET /url", give_url);
    check_int(ed_mount(s.app, "/teams/{team}", inner), 0);
    site_serve(&s);
    site_file(&s, "a.txt", "hello");
    site_get(&s, "/teams/r%20d/url?of=a.txt");
    check_text(s.body, "/teams/r%20d/static/a.txt?v=" HELLO_SHA256);
    site_get(&s, "/teams/r%20d/static/a.txt?v=" HELLO_SHA256);
    check_text(s.body, "hello");
    site_close(&s);
}

FIBER_TEST(only_a_request_by_the_right_version_is_kept_for_ever)
{
    static const char *const for_ever = "public, max-age=31536000, immutable";
    struct site s;
    open_versioned(&s);
    site_file(&s, "a.txt", "hello");
    site_get(&s, "/static/a.txt?v=" HELLO_SHA256);
    check_text(site_field(&s, "cache-control"), for_ever);
    check_text(s.body, "hello");
    site_get(&s, "/static/a.txt?x=y&v=" HELLO_SHA256);
    check_text(site_field(&s, "cache-control"), for_ever);
    static const char *const others[] = {
        "", "?", "?v", "?v=", "?v=2cf24dba5fb0a30f", "?v=2cf24dba5fb0a30e2",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char target[100];
        snprintf(target, sizeof target, "/static/a.txt%s", others[i]);
        site_get(&s, target);
        check_text(site_field(&s, "cache-control"), "no-cache");
    }
    /* A refusal is for who made such conditions, and for nobody else. */
    static const char *const refused[] = {"If-Match: \"x\"\r\n",
                                          "Range: bytes=9-\r\n"};
    for (size_t i = 0; i < 2; i++) {
        site_ask(&s, "GET", "/static/a.txt?v=" HELLO_SHA256, refused[i]);
        check(s.status == 412 || s.status == 416);
        check_text(site_field(&s, "cache-control"), "");
    }
    site_file(&s, "a.txt", "another");
    site_get(&s, "/static/a.txt?v=" HELLO_SHA256);
    check_text(site_field(&s, "cache-control"), "no-cache");
    site_close(&s);
}

FIBER_TEST(a_digest_is_remembered_when_the_file_was_closed)
{
    struct site s;
    open_versioned(&s);
    site_file(&s, "a.txt", "hello");
    site_get(&s, "/url?of=a.txt");
    check_int(ed_sleep(ED_MIN), 0);
    site_get(&s, "/url?of=a.txt");
    check_text(s.body, "/static/a.txt?v=" HELLO_SHA256);
    site_close(&s);
}

/* ---- files of a handler's choice ---- */

static char reply_path[400];
static struct ed_reply_file_options reply_options;

static int reply_chosen(ed_req *req)
{
    return ed_reply_file_with(req, reply_path, &reply_options);
}

#define CHOOSE(s, path, ...)                                                 \
    (snprintf(reply_path, sizeof reply_path, "%s", (path)),                  \
     reply_options = *ED_OPTIONS(struct ed_reply_file_options, __VA_ARGS__), \
     site_ask((s), "GET", "/", NULL))

static void open_chosen(struct site *s)
{
    site_make_directory(s);
    ed_route(s->app, "GET /", reply_chosen);
    site_serve(s);
}

FIBER_TEST(a_handler_replies_with_a_file)
{
    struct site s;
    open_chosen(&s);
    site_file(&s, "a.txt", "hello");
    CHOOSE(&s, site_path(&s, "a.txt"), .cache = 0);
    check_int(s.status, 200);
    check_text(s.body, "hello");
    check_text(site_field(&s, "content-type"), "text/plain; charset=utf-8");
    site_ask(&s, "GET", "/", "Range: bytes=1-2\r\n");
    check_text(s.body, "el");
    CHOOSE(&s, site_path(&s, "none"), .cache = 0);
    check_int(s.status, 404);
    CHOOSE(&s, s.directory, .cache = 0);
    check_int(s.status, 403);
    CHOOSE(&s, "", .cache = 0);
    check_int(s.status, 404);
    site_close(&s);
}

/* What was asked for has been done by then (RFC 9110, 13.2.1 and 14.2). */
FIBER_TEST(conditions_and_ranges_are_for_get_and_head_alone)
{
    static const char *const fields[] = {
        "Range: bytes=1-2\r\n",
        "If-None-Match: *\r\n",
        "If-Match: \"x\"\r\n",
        "If-Modified-Since: " FILES_DATE "\r\n",
    };
    struct site s;
    site_make_directory(&s);
    ed_route(s.app, "GET /", reply_chosen);
    ed_route(s.app, "POST /", reply_chosen);
    site_serve(&s);
    site_file(&s, "a.txt", "hello");
    CHOOSE(&s, site_path(&s, "a.txt"), .cache = 0);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        site_ask(&s, "POST", "/", fields[i]);
        check_(s.status == 200, "%s: %d", fields[i], s.status);
        check_text(s.body, "hello");
    }
    site_close(&s);
}

FIBER_TEST(a_file_is_downloaded_under_any_name)
{
    struct site s;
    open_chosen(&s);
    site_file(&s, "a.txt", "hello");
    CHOOSE(&s, site_path(&s, "a.txt"), .content_type = "text/x",
           .cache_control = "private",
           .download = "na\xc3\xafve \"x\"\r\n.txt");
    check_text(site_field(&s, "content-type"), "text/x");
    check_text(site_field(&s, "cache-control"), "private");
    check_text(site_field(&s, "content-disposition"),
               "attachment; filename=\"na__ve _x___.txt\"; "
               "filename*=UTF-8''na%C3%AFve%20%22x%22%0D%0A.txt");
    site_close(&s);
}

FIBER_TEST(a_name_from_a_client_stays_beneath)
{
    static const char *const bad[] = {
        "../secret", "/etc/passwd", "sub/../../secret", "up", "", "sub/up",
    };
    struct site s;
    char root[400];
    open_chosen(&s);
    site_file(&s, "secret", "SECRET");
    site_folder(&s, "root");
    site_folder(&s, "root/sub");
    site_file(&s, "root/sub/a.txt", "public");
    site_link(&s, "root/up", "../secret");
    site_link(&s, "root/sub/up", "../../secret");
    snprintf(root, sizeof root, "%s", site_path(&s, "root"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHOOSE(&s, bad[i], .beneath = root);
        check_(s.status == 404, "%s: %d", bad[i], s.status);
    }
    CHOOSE(&s, "sub/a.txt", .beneath = root);
    check_text(s.body, "public");
    CHOOSE(&s, "sub/a.txt", .beneath = "/nowhere/at/all");
    check_int(s.status, 500);
    site_close(&s);
}

static int quiet(void **state)
{
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_copy_the_client_likes_best_is_sent),
        cmocka_unit_test(a_copy_has_the_type_of_the_file_and_a_tag_of_its_own),
        cmocka_unit_test(a_copy_older_than_the_file_is_passed_over),
        cmocka_unit_test(a_copy_that_is_no_file_or_leads_out_is_passed_over),
        cmocka_unit_test(copies_are_not_looked_for_when_that_is_said),
        cmocka_unit_test(a_file_without_a_copy_is_compressed_by_middleware),
        cmocka_unit_test(a_link_has_the_digest_of_the_content),
        cmocka_unit_test(a_link_to_what_is_not_there_has_no_version),
        cmocka_unit_test(a_link_never_leads_to_another_host),
        cmocka_unit_test(a_link_in_a_mounted_app_leads_there),
        cmocka_unit_test(only_a_request_by_the_right_version_is_kept_for_ever),
        cmocka_unit_test(a_digest_is_remembered_when_the_file_was_closed),
        cmocka_unit_test(a_handler_replies_with_a_file),
        cmocka_unit_test(conditions_and_ranges_are_for_get_and_head_alone),
        cmocka_unit_test(a_file_is_downloaded_under_any_name),
        cmocka_unit_test(a_name_from_a_client_stays_beneath),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
