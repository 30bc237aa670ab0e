/*
 * test_telemetry_lines.c - the access log that settings ask for: a line for
 * each request of a server, whatever its app is; and log files that are moved
 * away.
 */
#include "observed.h"

#include <eddy/log.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>

static char directory[] = "/tmp/eddy-lines-XXXXXX";
static char file[64], moved[64], own[64], log_file[64];

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(file, sizeof file, "%s/access.log", directory);
    snprintf(moved, sizeof moved, "%s/access.log.1", directory);
    snprintf(own, sizeof own, "%s/own.log", directory);
    snprintf(log_file, sizeof log_file, "%s/eddy.log", directory);
    return 0;
}

static void clean(void)
{
    unlink(file);
    unlink(moved);
    unlink(own);
    unlink(log_file);
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

/* What a file has; valid until the next call. */
static const char *text_of(const char *path)
{
    static char text[100 * 1000];
    FILE *f = fopen(path, "r");
    size_t len = f ? fread(text, 1, sizeof text - 1, f) : 0;

    if (f)
        fclose(f);
    text[len] = '\0';
    return text;
}

/* After the second in which it is written. */
static const char *logged(void)
{
    check_int(ed_sleep(2 * ED_S), 0);
    return text_of(file);
}

static int hello(ed_req *req)
{
    return ed_reply(req, 200, "hello");
}

static int slowly(ed_req *req)
{
    int err = ed_sleep(1500 * ED_MS);

    return err ? err : ed_reply(req, 200, "done");
}

static void open_observed(struct observed *o, const char *format)
{
    o->settings.access_log = file;
    o->settings.access_log_format = format;
    observed_open(o);
    ed_route(o->h.app, "GET /", hello);
    ed_route(o->h.app, "GET /slow", slowly);
}

FIBER_TEST(each_request_is_a_line)
{
    struct observed o = {0};

    open_observed(&o, "%a \"%r\" %s %b %X %D \"%{User-Agent}i\" %{trace}x");
    hosted_get(&o.h, "/", "User-Agent: tester",
               "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"
               "00f067aa0ba902b7-00");
    hosted_get(&o.h, "/slow", "User-Agent: tester");
    hosted_raw(&o.h, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *text = logged();
    check_(strstr(text, "unix: \"GET / HTTP/1.1\" 200 5 + 0 \"tester\" "
                        "4bf92f3577b34da6a3ce929d0e0e4736\n") == text,
           "%s", text);
    check(strstr(text, "unix: \"GET /slow HTTP/1.1\" 200 4 + 1500000 \"tester\""
                       " -\n") != NULL);
    check(strstr(text, "unix: \"GET /slow HTTP/1.1\" 499 - X ") != NULL);
    observed_close(&o);
    clean();
}

FIBER_TEST(what_is_no_request_is_a_line_without_one)
{
    struct observed o = {0};

    open_observed(&o, "%a %u \"%r\" %s %b \"%{User-Agent}i\"");
    hosted_raw(&o.h, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    check_text(logged(), "unix: - \"-\" 400 - \"-\"\n");
    observed_close(&o);
    clean();

    o = (struct observed){0};
    open_observed(&o, "json");
    hosted_raw(&o.h, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    json_t *line = json_loads(logged(), 0, NULL);
    check_int(json_integer_value(json_object_get(line, "status")), 400);
    check_text(json_string_value(json_object_get(line, "peer")), "unix:");
    check(!json_object_get(line, "method"));
    json_decref(line);
    observed_close(&o);
    clean();
}

FIBER_TEST(files_that_were_moved_are_opened_anew)
{
    struct observed o = {0};

    open_observed(&o, "%U");
    ed_use_access_log(o.h.app, .file = own, .format = "own %U");
    hosted_get(&o.h, "/", "A: b");
    check_int(rename(file, moved), 0);
    check_int(unlink(own), 0);
    ed_telemetry_reopen(o.t);
    hosted_get(&o.h, "/slow", "A: b");
    check_text(logged(), "/slow\n");
    check_text(text_of(moved), "/\n");
    check_text(text_of(own), "own /slow\n");
    observed_close(&o);
    clean();
}

FIBER_TEST(the_log_is_opened_anew_and_else_stays)
{
    struct observed o = {0};

    open_observed(&o, "%U");
    check_int(ed_log_open(log_file), 0);
    ed_log_info("first");
    check_int(rename(log_file, moved), 0);
    ed_telemetry_reopen(o.t);
    ed_log_info("second");
    check(strstr(text_of(moved), "first\n") != NULL);
    check(strstr(text_of(log_file), "second\n") != NULL);
    check(!strstr(text_of(log_file), "first\n"));

    check_int(unlink(moved), 0);
    check_int(rename(log_file, moved), 0);
    check_int(mkdir(log_file, 0700), 0);
    ed_telemetry_reopen(o.t);
    ed_log_info("third");
    check(strstr(text_of(moved), "the log stays in the old file: ") != NULL);
    check(strstr(text_of(moved), "third\n") != NULL);
    ed_log_set_fd(STDERR_FILENO);
    check_int(rmdir(log_file), 0);
    observed_close(&o);
    clean();
}

FIBER_TEST(what_is_no_format_or_file_is_refused)
{
    struct hosted h = {0};
    struct ed_settings settings = {.access_log = file,
                                   .access_log_format = "%Y"};
    struct ed_telemetry *t = NULL;

    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&h);
    check_int(ed_telemetry_open(&t, &settings, h.app, "tester"), ED_EUSAGE);
    settings = (struct ed_settings){.access_log = directory};
    check_int(ed_telemetry_open(&t, &settings, h.app, "tester"), -EISDIR);
    check(!t);
    hosted_close(&h);
    ed_log_set_level(ED_LOG_INFO);
    clean();
}

FIBER_TEST(settings_that_ask_for_nothing_cost_nothing)
{
    struct observed o = {.settings.trace_sample = 1};

    observed_open(&o);
    ed_route(o.h.app, "GET /", hello);
    ed_res *res = hosted_get(&o.h, "/", "A: b");
    check_int(ed_res_status(res), 200);
    ed_telemetry_reopen(o.t);
    observed_close(&o);
    ed_telemetry_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_is_a_line),
        cmocka_unit_test(what_is_no_request_is_a_line_without_one),
        cmocka_unit_test(files_that_were_moved_are_opened_anew),
        cmocka_unit_test(the_log_is_opened_anew_and_else_stays),
        cmocka_unit_test(what_is_no_format_or_file_is_refused),
        cmocka_unit_test(settings_that_ask_for_nothing_cost_nothing),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
