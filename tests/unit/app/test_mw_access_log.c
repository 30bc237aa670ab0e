/*
 * test_mw_access_log.c - a line for each request, whatever it is and however
 * it ends, and where the lines go.
 */
#include "hosted.h"

#include <ctype.h>
#include <errno.h>
#include <eddy/log.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char file[64];

static int hello(ed_req *req)
{
    ed_reply_header(req, "X-Kind", "a \"kind\"");
    return ed_reply(req, 200, "hello");
}

static int slowly(ed_req *req)
{
    int err = ed_sleep(1500 * ED_MS);
    return err ? err : ed_reply(req, 200, "done");
}

static int failing(ed_req *req)
{
    (void)req;
    return ED_EDATABASE;
}

static int cut(ed_req *req)
{
    int err = ed_write(req, "some of it");
    if (!err)
        err = ed_flush(req);
    return err ? err : ED_EDATABASE;
}

static int large(ed_req *req)
{
    static char zeros[100 * 1000];
    int err = ed_reply_header_set(req, "Content-Type", "text/plain");
    if (!err)
        err = ed_write_bytes(req, ed_bytes_of(zeros, sizeof zeros));
    return err ? err : ed_write_bytes(req, ed_bytes_of(zeros, sizeof zeros));
}

/* Half of it out of a file. */
static int mixed(ed_req *req)
{
    int fd = memfd_create("mixed", MFD_CLOEXEC);
    int err = ftruncate(fd, 100 * 1000) ? -errno : 0;
    if (!err)
        err = ed_write(req, "12345");
    if (!err)
        err = ed_write_file(req, fd, 0, 100 * 1000);
    close(fd);
    return err;
}

static const struct ed_basic_user users[] = {{"Ada", "x"}, {NULL, NULL}};

static void open_with(struct hosted *h,
                      const struct ed_access_log_options *options)
{
    static int count;
    struct ed_access_log_options o = *options;
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(h);
    snprintf(file, sizeof file, "/tmp/eddy-access-%d-%d", getpid(), ++count);
    if (!o.file)
        o.file = file;
    ed_use_trusted_proxies(h->app, .trusted = "unix");
    check_int(ed_use_access_log_with(ed_where_app_(h->app), &o), 0);
    ed_use_request_id(h->app, .trusted = "unix");
    ed_group *users_only = ed_group_new(h->app, "/users");
    ed_use_basic_auth(users_only, .users = users);
    ed_group_route(users_only, "GET", hello);
    ed_route(h->app, "GET,POST /", hello);
    ed_route(h->app, "GET /slow", slowly);
    ed_route(h->app, "GET /failing", failing);
    ed_route(h->app, "GET /cut", cut);
    ed_route(h->app, "GET /large", large);
    ed_route(h->app, "GET /mixed", mixed);
}

#define open_app(h, ...) \
    open_with((h), ED_OPTIONS(struct ed_access_log_options, __VA_ARGS__))

/* What the file has; valid until the next call. */
static const char *logged_in(const char *path)
{
    static char text[100 * 1000];
    size_t len = 0;
    FILE *f = fopen(path, "r");
    if (f) {
        len = fread(text, 1, sizeof text - 1, f);
        fclose(f);
    }
    text[len] = '\0';
    return text;
}

/* After the second in which it is written. */
static const char *logged(void)
{
    check_int(ed_sleep(2 * ED_S), 0);
    return logged_in(file);
}

static void close_app(struct hosted *h)
{
    hosted_close(h);
    unlink(file);
}

FIBER_TEST(directives_say_what_they_promise)
{
    static const struct {
        const char *format, *line;
    } rows[] = {
        {"%a %m %U %q %H %s %b", "9.9.9.9 GET / x=1 HTTP/1.1 200 5"},
        {"\"%r\" %h", "\"GET /?x=1 HTTP/1.1\" shop.example"},
        {"%L %X %u%%", "id-1 + -%"},
        {"%{Referer}i|%{None}i", "https://a.example/|-"},
        {"%{X-Kind}o|%{content-type}o|%{None}o",
         "a \\\"kind\\\"|text/plain; charset=utf-8|-"},
        {"%{trace}x %{scheme}x", "4bf92f3577b34da6a3ce929d0e0e4736 https"},
        {"%T %D", "0 0"},
        {"%Tf", "0.000000"},
        {"", ""},
        {"plain", "plain"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hosted h = {0};
        char wanted[200];
        open_app(&h, .format = rows[i].format);
        hosted_get(&h, "/?x=1", "Host: shop.example",
                   "X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https",
                   "X-Request-ID: id-1", "Referer: https://a.example/",
                   "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"
                   "00f067aa0ba902b7-01");
        snprintf(wanted, sizeof wanted, "%s\n", rows[i].line);
        check_text(logged(), wanted);
        close_app(&h);
    }
}

/* 'd' stands for a digit, 'a' for a letter. */
static bool is_like(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++) {
        bool well = *pattern == 'd'   ? isdigit(*text)
                    : *pattern == 'a' ? isalpha(*text)
                                      : *text == *pattern;
        if (!well)
            return false;
    }
    return true;
}

static bool is_combined(const char *line)
{
    static const char begin[] = "unix: - - ";
    static const char end[] = " \"GET / HTTP/1.1\" 200 5 \"-\" \"tester\"\n";
    const char *date = line + strlen(begin);
    return !strncmp(line, begin, strlen(begin)) &&
           is_like(date, "[dd/aaa/dddd:dd:dd:dd +0000]") &&
           !strcmp(date + strlen("[dd/aaa/dddd:dd:dd:dd +0000]"), end);
}

FIBER_TEST(the_usual_format_is_combined)
{
    struct hosted h = {0};
    open_app(&h);
    hosted_get(&h, "/", "User-Agent: tester");
    check_(is_combined(logged()), "not combined: %s", logged());
    close_app(&h);
}

FIBER_TEST(what_a_client_sends_cannot_forge_a_line)
{
    struct hosted h = {0};
    open_app(&h, .format = "\"%r\" \"%{User-Agent}i\"");
    hosted_raw(&h, "GET /a\"b\\ HTTP/1.1\r\nHost: a\r\n"
                   "User-Agent: a\" 200 \t\xc3\xa4\x9b\x80\r\n\r\n");
    check_text(logged(), "\"GET /a\\\"b\\\\ HTTP/1.1\" "
                         "\"a\\\" 200 \\x09\\xc3\\xa4\\x9b\\x80\"\n");
    close_app(&h);
}

FIBER_TEST(json_has_members_and_is_a_line)
{
    struct hosted h = {0};
    open_app(&h, .format = "json");
    hosted_get(&h, "/users?a=%22", "X-Request-ID: id-1",
               "User-Agent: a\"\t\xff", "Authorization: Basic QWRhOng=");
    const char *text = logged();
    json_t *line = json_loads(text, 0, NULL);
    check(line != NULL);
    check(strchr(text, '\n') == text + strlen(text) - 1);
    check_text(json_string_value(json_object_get(line, "id")), "id-1");
    check_text(json_string_value(json_object_get(line, "user")), "Ada");
    check_text(json_string_value(json_object_get(line, "method")), "GET");
    check_text(json_string_value(json_object_get(line, "target")),
               "/users?a=%22");
    check_text(json_string_value(json_object_get(line, "user_agent")),
               "a\"\t\xef\xbf\xbd");
    check_int(json_integer_value(json_object_get(line, "status")), 200);
    check_int(json_integer_value(json_object_get(line, "bytes")), 5);
    check(json_is_number(json_object_get(line, "seconds")));
    check(!json_object_get(line, "cut") && !json_object_get(line, "referer"));
    json_decref(line);
    close_app(&h);
}

FIBER_TEST(however_a_request_ends_it_is_logged)
{
    struct hosted h = {0};
    open_app(&h, .format = "%m %U %s %b %X %D");
    hosted_get(&h, "/slow", "A: b");
    hosted_get(&h, "/none", "Accept: application/json");
    hosted_fetch(&h, "POST", "/slow", "Accept: application/json");
    hosted_fetch(&h, "HEAD", "/", "A: b");
    hosted_get(&h, "/failing", "Accept: application/json");
    hosted_get(&h, "/large", "A: b");
    hosted_get(&h, "/mixed", "A: b");
    hosted_raw(&h, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
    hosted_raw(&h, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *text = logged();
    check_(!strncmp(text, "GET /slow 200 4 + 1500000\n", 26), "%s", text);
    check(strstr(text, "GET /none 404 ") != NULL);
    check(strstr(text, "POST /slow 405 ") != NULL);
    check(strstr(text, "HEAD / 200 - + 0\n") != NULL);
    check(strstr(text, "GET /failing 503 ") != NULL);
    check(strstr(text, "GET /large 200 200000 + 0\n") != NULL);
    check(strstr(text, "GET /mixed 200 100005 + 0\n") != NULL);
    check(strstr(text, "GET /cut 200 10 X 0\n") != NULL);
    check(strstr(text, "GET /slow 499 - X ") != NULL);
    close_app(&h);
}

FIBER_TEST(bytes_are_counted_as_they_are_sent)
{
    struct hosted h = {0};
    open_app(&h, .format = "%b %{Content-Encoding}o");
    ed_use_compression(h.app);
    ed_res *res = hosted_get(&h, "/large", "Accept-Encoding: gzip");
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%zu gzip\n", ed_res_body(res).len);
    check(ed_res_body(res).len < 10000);
    check_text(logged(), wanted);
    close_app(&h);
}

FIBER_TEST(only_some_of_what_went_well_is_logged_if_asked_for)
{
    struct hosted h = {0};
    open_app(&h, .format = "%s", .one_in = 3);
    for (int i = 0; i < 7; i++)
        hosted_get(&h, "/", "A: b");
    hosted_get(&h, "/none", "A: b");
    hosted_get(&h, "/none", "A: b");
    check_text(logged(), "200\n200\n200\n404\n404\n");
    close_app(&h);
}

FIBER_TEST(a_file_is_written_each_second)
{
    struct hosted h = {0};
    open_app(&h, .format = "%s");
    hosted_get(&h, "/", "A: b");
    check_int(ed_sleep(900 * ED_MS), 0);
    check_text(logged_in(file), "");
    check_int(ed_sleep(200 * ED_MS), 0);
    check_text(logged_in(file), "200\n");
    hosted_get(&h, "/", "A: b");
    check_int(ed_sleep(1100 * ED_MS), 0);
    check_text(logged_in(file), "200\n200\n");
    close_app(&h);
}

FIBER_TEST(what_is_left_is_written_at_the_end)
{
    struct hosted h = {0};
    open_app(&h, .format = "%s");
    hosted_get(&h, "/", "A: b");
    hosted_close(&h);
    check_text(logged_in(file), "200\n");
    unlink(file);
}

FIBER_TEST(a_file_that_was_moved_away_is_opened_anew)
{
    struct hosted h = {0};
    char moved[80];
    open_app(&h, .format = "%U");
    snprintf(moved, sizeof moved, "%s.1", file);
    hosted_get(&h, "/", "A: b");
    check_int(rename(file, moved), 0);
    check_int(ed_access_log_reopen(h.app), 0);
    hosted_get(&h, "/users", "A: b");
    check_text(logged(), "/users\n");
    check_text(logged_in(moved), "/\n");
    check_int(unlink(file), 0);
    check_int(mkdir(file, 0700), 0);
    check_int(ed_access_log_reopen(h.app), -EISDIR);
    check_int(rmdir(file), 0);
    hosted_get(&h, "/", "A: b");
    hosted_close(&h);
    unlink(moved);
}

/* Reads what a pipe holds. */
static size_t drain(int fd)
{
    char bytes[4096];
    size_t len = 0;
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0)
        len += (size_t)n;
    return len;
}

FIBER_TEST(a_pipe_nobody_reads_holds_up_nobody)
{
    struct hosted h = {0};
    char fifo[64], agent[8100] = "User-Agent: ";
    enum { REQUESTS = 60 };
    snprintf(fifo, sizeof fifo, "/tmp/eddy-fifo-%d", getpid());
    check_int(mkfifo(fifo, 0600), 0);
    int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    check(fd >= 0);
    open_app(&h, .file = fifo, .format = "%{User-Agent}i");
    memset(agent + strlen(agent), 'x', 8000);
    for (int i = 0; i < REQUESTS; i++)
        check_int(ed_res_status(hosted_get(&h, "/", agent)), 200);
    size_t held = 0, n;
    while ((n = drain(fd)) > 0 && !ed_sleep(ED_S))
        held += n;
    /* A pipe's 64 KiB, and 256 KiB with the line that filled them. */
    check(held >= 256 * 1024 && held <= (256 + 64 + 8) * 1024);
    hosted_get(&h, "/", "User-Agent: again");
    check_int(ed_sleep(ED_S), 0);
    check_int(drain(fd), strlen("again\n"));
    hosted_close(&h);
    close(fd);
    unlink(fifo);
}

static void formats_nobody_knows_are_refused(void **state)
{
    static const char *const formats[] = {
        "%",       "%z",       "%{a", "%{a}", "%{a}s",     "%i",     "%{}i",
        "%{a b}i", "%{nope}x", "%x",  "a\nb", "combined%", "%{a}i%",
    };
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    ed_app *app = ed_app_new();
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (ed_use_access_log(app, .format = formats[i]) != ED_EUSAGE)
            print_error("'%s' was taken\n", formats[i]);
        assert_int_equal(ed_use_access_log(app, .format = formats[i]),
                         ED_EUSAGE);
    }
    assert_int_equal(ed_use_access_log(app, .file = "/none/such"), -ENOENT);
    ed_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directives_say_what_they_promise),
        cmocka_unit_test(the_usual_format_is_combined),
        cmocka_unit_test(what_a_client_sends_cannot_forge_a_line),
        cmocka_unit_test(json_has_members_and_is_a_line),
        cmocka_unit_test(however_a_request_ends_it_is_logged),
        cmocka_unit_test(bytes_are_counted_as_they_are_sent),
        cmocka_unit_test(only_some_of_what_went_well_is_logged_if_asked_for),
        cmocka_unit_test(a_file_is_written_each_second),
        cmocka_unit_test(what_is_left_is_written_at_the_end),
        cmocka_unit_test(a_file_that_was_moved_away_is_opened_anew),
        cmocka_unit_test(a_pipe_nobody_reads_holds_up_nobody),
        cmocka_unit_test(formats_nobody_knows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
