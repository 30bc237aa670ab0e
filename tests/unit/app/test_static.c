/*
 * test_static.c - directories of files: what is served, and what never is.
 */
#include "static_site.h"

#include <eddy/client.h>
#include <eddy/log.h>

/* ---- what is served ---- */

FIBER_TEST(a_file_is_served_with_its_type_and_validators)
{
    struct site s;
    site_open(&s);
    site_file(&s, "page.html", "<p>hello\n");
    site_get(&s, "/static/page.html");
    check_int(s.status, 200);
    check_text(s.body, "<p>hello\n");
    check_text(site_field(&s, "content-type"), "text/html; charset=utf-8");
    check_text(site_field(&s, "content-length"), "9");
    check_text(site_field(&s, "last-modified"), FILES_DATE);
    check_text(site_field(&s, "accept-ranges"), "bytes");
    check_text(site_field(&s, "x-content-type-options"), "nosniff");
    check_text(site_field(&s, "cache-control"), "no-cache");
    check(site_field(&s, "etag")[0] == '"');
    site_close(&s);
}

FIBER_TEST(head_is_answered_as_get_is_without_the_body)
{
    struct site s;
    site_open(&s);
    site_file(&s, "a.txt", "hello");
    site_ask(&s, "HEAD", "/static/a.txt", NULL);
    check_int(s.status, 200);
    check_text(site_field(&s, "content-length"), "5");
    check_text(site_field(&s, "content-type"), "text/plain; charset=utf-8");
    check_int((long long)s.body_len, 0);
    site_ask(&s, "HEAD", "/static/a.txt", "Range: bytes=0-1\r\n");
    check_int(s.status, 200);
    check_text(site_field(&s, "content-length"), "5");
    site_close(&s);
}

FIBER_TEST(other_methods_are_not_taken)
{
    struct site s;
    site_open(&s);
    site_file(&s, "a.txt", "hello");
    site_ask(&s, "POST", "/static/a.txt", "Content-Length: 0\r\n");
    check_int(s.status, 405);
    site_ask(&s, "DELETE", "/static/a.txt", NULL);
    check_int(s.status, 405);
    site_close(&s);
}

FIBER_TEST(an_empty_file_is_served)
{
    struct site s;
    site_open(&s);
    site_file(&s, "empty", "");
    site_get(&s, "/static/empty");
    check_int(s.status, 200);
    check_text(site_field(&s, "content-length"), "0");
    check_text(site_field(&s, "content-type"), "application/octet-stream");
    site_ask(&s, "GET", "/static/empty", "Range: bytes=0-\r\n");
    check_int(s.status, 416);
    check_text(site_field(&s, "content-range"), "bytes */0");
    site_close(&s);
}

/* Of one size on either side of each way of sending. */
FIBER_TEST(files_of_every_size_come_whole)
{
    static const size_t sizes[] = {
        1,     4096,  8192,  8193,  12287,   12288,   12289,
        16384, 65535, 65536, 65537, 2097152, 2097153, 5000001,
    };
    char *noise = site_noise(5000001);
    struct site s;
    site_open(&s);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        site_bytes(&s, "noise", noise, sizes[i]);
        site_get(&s, "/static/noise");
        check_int(s.status, 200);
        check_int((long long)s.body_len, (long long)sizes[i]);
        check(!memcmp(s.body, noise, sizes[i]));
    }
    site_close(&s);
    free(noise);
}

FIBER_TEST(pipelined_requests_are_answered_in_order)
{
    char *noise = site_noise(300000);
    struct site s;
    site_open(&s);
    site_bytes(&s, "large", noise, 300000);
    site_file(&s, "small", "small");
    ed_stream *client = served_connect(&s.served);
    for (int i = 0; i < 3; i++) {
        served_ask(client, "/static/small");
        served_ask(client, "/static/large");
    }
    served_send(client, "GET /static/small HTTP/1.0\r\n\r\n");
    site_read_answer(&s, client);
    char *at = s.answer.ptr;
    size_t left = s.answer.len;
    for (int i = 0; i < 3; i++) {
        char *small = memmem(at, left, "small", 5);
        if (!check(small != NULL))
            break;
        left -= (size_t)(small - at);
        char *large = memmem(small, left, noise, 300000);
        if (!check(large != NULL))
            break;
        left -= (size_t)(large - small);
        at = large;
    }
    check(!memcmp(s.answer.ptr + s.answer.len - 5, "small", 5));
    ed_stream_close(client);
    site_close(&s);
    free(noise);
}

FIBER_TEST(types_go_by_the_last_extension_in_any_case)
{
    static const struct {
        const char *name, *type;
    } files[] = {
        {"a.JS", "text/javascript; charset=utf-8"},
        {"a.tar.gz", "application/gzip"},
        {"a.wasm", "application/wasm"},
        {"a.svg", "image/svg+xml"},
        {"a.json", "application/json"},
        {"a.woff2", "font/woff2"},
        {"a.7z", "application/x-7z-compressed"},
        {"a.zst", "application/zstd"},
        {"a.", "application/octet-stream"},
        {"a", "application/octet-stream"},
        {"a.verylongextension", "application/octet-stream"},
        {"own.dat", "text/x-own"},
        {"own.css", "text/x-css"},
    };
    static const struct ed_file_type types[] = {
        {"dat", "text/x-own"}, {"css", "text/x-css"}, {0}};
    struct site s;
    site_open(&s, .types = types);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char target[100];
        snprintf(target, sizeof target, "/static/%s", files[i].name);
        site_file(&s, files[i].name, "x");
        site_get(&s, target);
        check_text(site_field(&s, "content-type"), files[i].type);
    }
    site_close(&s);
}

/* ---- names ---- */

FIBER_TEST(names_may_be_encoded)
{
    struct site s;
    site_open(&s);
    site_folder(&s, "a b");
    site_file(&s, "a b/100%.txt", "percent");
    site_file(&s, "\xc3\xa4\\x.txt", "umlaut");
    site_file(&s, "a%2Fb", "not a slash");
    site_get(&s, "/static/a%20b/100%25.txt");
    check_text(s.body, "percent");
    site_get(&s, "/static/%C3%a4%5Cx.txt");
    check_text(s.body, "umlaut");
    site_get(&s, "/static/a%252Fb");
    check_text(s.body, "not a slash");
    site_get(&s, "/static/a%2Fb");
    check_int(s.status, 404);
    site_file(&s, "a", "not the end of a name");
    site_get(&s, "/static/a%2Fb");
    check_int(s.status, 404);
    site_close(&s);
}

/* What each of these would be to a careless server lies one above the root, or
 * in /etc. */
FIBER_TEST(no_path_leads_out_of_the_directory)
{
    static const char *const paths[] = {
        "/static/../secret",
        "/static/%2e%2e/secret",
        "/static/.%2e/secret",
        "/static/..%2fsecret",
        "/static/..%2Fsecret",
        "/static/%2e%2e%2fsecret",
        "/static/sub/../../secret",
        "/static/sub/..%2f..%2fsecret",
        "/static/%252e%252e/secret",
        "/static/..%252fsecret",
        "/static/..\\secret",
        "/static/..%5csecret",
        "/static/%2e%2e%5csecret",
        "/static//etc/passwd",
        "/static///etc/passwd",
        "/static/%2fetc/passwd",
        "/static/%2Fetc%2Fpasswd",
        "/static/etc/passwd",
        "/static/sub//../secret",
        "/static/./../secret",
        "/static/..;/secret",
        "/static/.../secret",
        "/static/%c0%ae%c0%ae/secret",
        "/static/%u002e%u002e/secret",
        "/static/a.txt%00.html",
        "/static/..%00/secret",
        "/static/a.txt/../../secret",
        "/static/a.txt/",
        "/static/a.txt/.",
        "/static/sub/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/static/proc/self/root/etc/passwd",
    };
    struct site s;
    site_make_directory(&s);
    site_file(&s, "secret", "SECRET");
    site_folder(&s, "root");
    site_folder(&s, "root/sub");
    site_file(&s, "root/a.txt", "public");
    check_int(ed_static(s.app, "/static", site_path(&s, "root")), 0);
    site_serve(&s);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        site_get(&s, paths[i]);
        check_(s.status == 404 || s.status == 400 || s.status == 308, "%s: %d",
               paths[i], s.status);
        check_(!strstr(s.body, "SECRET") && !strstr(s.body, "root:"),
               "%s leads out", paths[i]);
        const char *location = site_field(&s, "location");
        if (s.status == 308)
            check_(location[0] == '/' && location[1] != '/',
                   "%s is sent elsewhere", paths[i]);
    }
    site_get(&s, "/static/a.txt");
    check_text(s.body, "public");
    site_close(&s);
}

FIBER_TEST(no_link_leads_out_of_the_directory)
{
    struct site s;
    site_make_directory(&s);
    site_file(&s, "secret", "SECRET");
    site_folder(&s, "root");
    site_folder(&s, "root/sub");
    site_file(&s, "root/a.txt", "public");
    site_link(&s, "root/up", "../secret");
    site_link(&s, "root/out", "..");
    site_link(&s, "root/absolute", "/etc/passwd");
    site_link(&s, "root/etc", "/etc");
    site_link(&s, "root/magic", "/proc/self/root");
    site_link(&s, "root/loop", "loop");
    site_link(&s, "root/sub/up", "../../secret");
    site_link(&s, "root/sub/near", "../a.txt");
    site_link(&s, "root/near", "a.txt");
    site_link(&s, "root/folder", "sub");
    check_int(ed_static(s.app, "/static", site_path(&s, "root")), 0);
    check_int(
        ed_static(s.app, "/strict", site_path(&s, "root"), .no_links = true),
        0);
    site_serve(&s);
    static const char *const bad[] = {
        "up",   "out/secret", "absolute",  "etc/passwd", "magic/etc/passwd",
        "loop", "sub/up",     "folder/up",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char target[100];
        snprintf(target, sizeof target, "/static/%s", bad[i]);
        site_get(&s, target);
        check_int(s.status, 404);
    }
    static const char *const good[] = {"near", "sub/near", "folder/near"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char target[100];
        snprintf(target, sizeof target, "/static/%s", good[i]);
        site_get(&s, target);
        check_text(s.body, "public");
        snprintf(target, sizeof target, "/strict/%s", good[i]);
        site_get(&s, target);
        check_int(s.status, 404);
    }
    site_close(&s);
}

/* What was found once is looked for again, and a look must not be fooled. */
FIBER_TEST(a_file_replaced_by_a_link_out_is_gone)
{
    struct site s;
    site_make_directory(&s);
    site_file(&s, "secret", "SECRET");
    site_folder(&s, "root");
    site_file(&s, "root/a.txt", "public");
    check_int(ed_static(s.app, "/static", site_path(&s, "root")), 0);
    site_serve(&s);
    site_get(&s, "/static/a.txt");
    check_int(s.status, 200);
    check_int(unlink(site_path(&s, "root/a.txt")), 0);
    site_link(&s, "root/a.txt", "../secret");
    site_get(&s, "/static/a.txt");
    check_int(s.status, 404);
    site_close(&s);
}

FIBER_TEST(hidden_names_are_served_only_when_asked_for)
{
    struct site s;
    site_make_directory(&s);
    site_folder(&s, ".well-known");
    site_folder(&s, ".git");
    site_folder(&s, "sub");
    site_folder(&s, "sub/.well-known");
    site_file(&s, ".well-known/key", "key");
    site_file(&s, ".well-known/.hidden", "hidden");
    site_file(&s, "sub/.well-known/key", "sub key");
    site_file(&s, ".git/config", "config");
    site_file(&s, ".env", "env");
    (void)ed_static(s.app, "/none", s.directory);
    (void)ed_static(s.app, "/known", s.directory, .well_known = true);
    (void)ed_static(s.app, "/all", s.directory, .dot_files = true);
    site_serve(&s);
    static const struct {
        const char *target;
        int status;
    } asked[] = {
        {"/none/.env", 404},
        {"/none/%2eenv", 404},
        {"/none/.git/config", 404},
        {"/none/.well-known/key", 404},
        {"/known/.env", 404},
        {"/known/.git/config", 404},
        {"/known/.well-known/key", 200},
        {"/known/.well-known/.hidden", 404},
        {"/known/sub/.well-known/key", 404},
        {"/all/.env", 200},
        {"/all/.git/config", 200},
    };
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        site_get(&s, asked[i].target);
        check_(s.status == asked[i].status, "%s: %d", asked[i].target,
               s.status);
    }
    site_close(&s);
}

FIBER_TEST(what_is_no_regular_file_is_forbidden_and_keeps_nobody)
{
    struct site s;
    site_open(&s);
    site_folder(&s, "folder");
    check_int(mkfifo(site_path(&s, "pipe"), 0644), 0);
    site_link(&s, "device", "/dev/zero");
    site_get(&s, "/static/pipe");
    check_int(s.status, 403);
    site_get(&s, "/static/device");
    check_int(s.status, 404);
    site_get(&s, "/static/folder/");
    check_int(s.status, 403);
    site_get(&s, "/static/none/");
    check_int(s.status, 404);
    if (geteuid()) { /* root may read anything */
        site_file(&s, "mine", "mine");
        check_int(chmod(site_path(&s, "mine"), 0), 0);
        site_get(&s, "/static/mine");
        check_int(s.status, 403);
    }
    site_close(&s);
}

FIBER_TEST(a_name_of_any_length_is_bounded)
{
    struct site s;
    char target[6000];
    site_open(&s);
    memset(target, 'a', sizeof target);
    memcpy(target, "/static/", 8);
    target[300] = '\0';
    site_get(&s, target);
    check_int(s.status, 404);
    for (size_t i = 8; i < sizeof target; i += 100)
        target[i] = '/';
    target[300] = 'a';
    target[sizeof target - 1] = '\0';
    site_get(&s, target);
    check_int(s.status, 404);
    site_close(&s);
}

/* ---- directories ---- */

FIBER_TEST(a_directory_is_served_by_its_index)
{
    struct site s;
    site_open(&s);
    site_folder(&s, "sub");
    site_file(&s, "index.html", "top");
    site_file(&s, "sub/index.html", "below");
    site_get(&s, "/static/");
    check_text(s.body, "top");
    check_text(site_field(&s, "content-type"), "text/html; charset=utf-8");
    site_get(&s, "/static/sub/");
    check_text(s.body, "below");
    site_close(&s);
}

FIBER_TEST(a_missing_slash_is_added_and_leads_nowhere_else)
{
    struct site s;
    site_make_directory(&s);
    site_folder(&s, "sub");
    site_folder(&s, "evil.example");
    (void)ed_static(s.app, "", s.directory);
    site_serve(&s);
    site_get(&s, "/sub");
    check_int(s.status, 308);
    check_text(site_field(&s, "location"), "/sub/");
    site_get(&s, "/sub?a=b");
    check_text(site_field(&s, "location"), "/sub/?a=b");
    site_get(&s, "//evil.example");
    check_int(s.status, 404);
    site_get(&s, "/%2fevil.example");
    check_int(s.status, 404);
    site_close(&s);
}

FIBER_TEST(the_prefix_itself_is_a_directory)
{
    struct site s;
    site_open(&s);
    site_get(&s, "/static");
    check_int(s.status, 308);
    check_text(site_field(&s, "location"), "/static/");
    site_get(&s, "/staticx");
    check_int(s.status, 404);
    site_close(&s);
}

FIBER_TEST(without_index_and_list_directories_are_forbidden)
{
    struct site s;
    site_open(&s, .index = "");
    site_folder(&s, "sub");
    site_file(&s, "sub/index.html", "below");
    site_get(&s, "/static/sub");
    check_int(s.status, 403);
    site_get(&s, "/static/sub/");
    check_int(s.status, 403);
    site_get(&s, "/static");
    check_int(s.status, 403);
    site_get(&s, "/static/sub/index.html");
    check_int(s.status, 200);
    site_close(&s);
}

FIBER_TEST(a_list_is_sorted_escaped_and_hides_what_is_hidden)
{
    struct site s;
    site_open(&s, .list = true);
    site_folder(&s, "zoo");
    site_file(&s, "b & <i>.txt", "12345");
    site_file(&s, "a.txt", "");
    site_file(&s, "javascript:x", "");
    site_file(&s, "bad\xff", "");
    site_file(&s, ".hidden", "");
    site_get(&s, "/static/");
    check_int(s.status, 200);
    check_text(site_field(&s, "content-type"), "text/html; charset=utf-8");
    const char *zoo = strstr(s.body, "<a href=\"./zoo/\">zoo/</a>");
    const char *a = strstr(s.body, "<a href=\"./a.txt\">a.txt</a></td><td>0 B");
    const char *b = strstr(s.body, "<a href=\"./b%20%26%20%3Ci%3E.txt\">"
                                   "b &amp; &lt;i&gt;.txt</a></td><td>5 B"
                                   "</td><td>2023-11-14 22:13");
    check(zoo && a && b && zoo < a && a < b);
    check(strstr(s.body, "\"./javascript%3Ax\""));
    check(strstr(s.body, "\"./bad%FF\">bad\xef\xbf\xbd<"));
    check(!strstr(s.body, "hidden"));
    check(!strstr(s.body, "../"));
    site_get(&s, "/static/zoo/");
    check(strstr(s.body, "<h1>/static/zoo/</h1>"));
    check(strstr(s.body, "<a href=\"../\">"));
    site_get(&s, "/static/a.txt/");
    check_int(s.status, 404);
    site_get(&s, "/static/none/");
    check_int(s.status, 404);
    site_close(&s);
}

/* ---- what has changed ---- */

FIBER_TEST(a_changed_file_is_served_changed_at_once)
{
    struct site s;
    site_open(&s);
    site_file(&s, "a.txt", "old");
    site_get(&s, "/static/a.txt");
    check_text(s.body, "old");
    site_file(&s, "b.txt", "replaced");
    char from[400];
    snprintf(from, sizeof from, "%s", site_path(&s, "b.txt"));
    check_int(rename(from, site_path(&s, "a.txt")), 0);
    site_get(&s, "/static/a.txt");
    check_text(s.body, "replaced");
    site_file(&s, "a.txt", "written over");
    site_get(&s, "/static/a.txt");
    check_text(s.body, "written over");
    check_int(unlink(site_path(&s, "a.txt")), 0);
    site_get(&s, "/static/a.txt");
    check_int(s.status, 404);
    site_close(&s);
}

FIBER_TEST(a_file_is_believed_as_long_as_is_said)
{
    struct site s;
    site_open(&s, .cache = 2 * ED_S);
    site_file(&s, "a.txt", "old");
    site_get(&s, "/static/a.txt");
    check_int(unlink(site_path(&s, "a.txt")), 0);
    site_get(&s, "/static/a.txt");
    check_text(s.body, "old");
    check_int(ed_sleep(2 * ED_S), 0);
    site_get(&s, "/static/a.txt");
    check_int(s.status, 404);
    site_close(&s);
}

FIBER_TEST(files_nobody_asks_for_are_closed)
{
    struct site s;
    site_open(&s);
    site_file(&s, "a.txt", "a");
    int before = held_descriptors();
    site_get(&s, "/static/a.txt");
    settle();
    check_int(held_descriptors(), before + 1);
    check_int(ed_sleep(30 * ED_S), 0);
    check_int(held_descriptors(), before);
    site_get(&s, "/static/a.txt");
    check_int(s.status, 200);
    site_close(&s);
}

FIBER_TEST(only_so_many_files_are_kept_open)
{
    struct site s;
    char name[40];
    site_open(&s);
    int before = held_descriptors();
    for (int i = 0; i < 400; i++) {
        snprintf(name, sizeof name, "%d", i);
        site_file(&s, name, name);
    }
    for (int i = 0; i < 1200; i++) {
        snprintf(name, sizeof name, "/static/%d", i % 400);
        site_get(&s, name);
        check_int(s.status, 200);
        check_text(s.body, name + 8);
    }
    settle();
    check(held_descriptors() <= before + 256);
    site_close(&s);
}

/* ---- setting up ---- */

static int refuse_secrets(ed_req *req, const char *path, void *arg)
{
    if (!strcmp(path, "secret.txt"))
        return ED_EUNAUTHORIZED;
    return ed_reply_header(req, "X-Path", arg ? arg : path);
}

FIBER_TEST(a_hook_adds_fields_or_refuses)
{
    struct site s;
    site_open(&s, .before = refuse_secrets);
    site_folder(&s, "sub");
    site_file(&s, "sub/index.html", "x");
    site_file(&s, "secret.txt", "x");
    site_get(&s, "/static/sub/");
    check_text(site_field(&s, "x-path"), "sub/index.html");
    site_get(&s, "/static/secret.txt");
    check_int(s.status, 401);
    site_close(&s);
}

FIBER_TEST(routes_of_the_app_win_over_files)
{
    struct site s;
    site_make_directory(&s);
    site_file(&s, "a.txt", "file");
    (void)ed_static(s.app, "", s.directory);
    ed_group *group = ed_group_new(s.app, "/group");
    (void)ed_group_static(group, "/files", s.directory, .cache_control = "");
    site_serve(&s);
    site_get(&s, "/a.txt");
    check_text(s.body, "file");
    site_get(&s, "/group/files/a.txt");
    check_text(s.body, "file");
    check_text(site_field(&s, "cache-control"), "");
    site_close(&s);
}

static void what_cannot_be_served_is_refused_when_it_is_added(void **state)
{
    (void)state;
    ed_app *app = ed_app_new();
    assert_int_equal(ed_static(app, "/a", "/nowhere/at/all"), -ENOENT);
    assert_int_equal(ed_static(app, "/a", "/etc/passwd"), -ENOTDIR);
    assert_int_equal(ed_static(app, "/a/", "/tmp"), ED_EUSAGE);
    assert_int_equal(ed_static(app, "a", "/tmp"), ED_EUSAGE);
    assert_int_equal(ed_static(app, "/a", "/tmp"), 0);
    assert_int_equal(ed_static(app, "/a", "/tmp"), ED_EUSAGE);
    ed_app_free(app);
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
        cmocka_unit_test(a_file_is_served_with_its_type_and_validators),
        cmocka_unit_test(head_is_answered_as_get_is_without_the_body),
        cmocka_unit_test(other_methods_are_not_taken),
        cmocka_unit_test(an_empty_file_is_served),
        cmocka_unit_test(files_of_every_size_come_whole),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(types_go_by_the_last_extension_in_any_case),
        cmocka_unit_test(names_may_be_encoded),
        cmocka_unit_test(no_path_leads_out_of_the_directory),
        cmocka_unit_test(no_link_leads_out_of_the_directory),
        cmocka_unit_test(a_file_replaced_by_a_link_out_is_gone),
        cmocka_unit_test(hidden_names_are_served_only_when_asked_for),
        cmocka_unit_test(what_is_no_regular_file_is_forbidden_and_keeps_nobody),
        cmocka_unit_test(a_name_of_any_length_is_bounded),
        cmocka_unit_test(a_directory_is_served_by_its_index),
        cmocka_unit_test(a_missing_slash_is_added_and_leads_nowhere_else),
        cmocka_unit_test(the_prefix_itself_is_a_directory),
        cmocka_unit_test(without_index_and_list_directories_are_forbidden),
        cmocka_unit_test(a_list_is_sorted_escaped_and_hides_what_is_hidden),
        cmocka_unit_test(a_changed_file_is_served_changed_at_once),
        cmocka_unit_test(a_file_is_believed_as_long_as_is_said),
        cmocka_unit_test(files_nobody_asks_for_are_closed),
        cmocka_unit_test(only_so_many_files_are_kept_open),
        cmocka_unit_test(a_hook_adds_fields_or_refuses),
        cmocka_unit_test(routes_of_the_app_win_over_files),
        cmocka_unit_test(what_cannot_be_served_is_refused_when_it_is_added),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
