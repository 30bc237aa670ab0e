/*
 * test_log.c - lines as an operator and a collector see them.
 *
 * Everything is written to a pipe and read back.
 */
#include "base/list.h"
#include "base/log_safe.h"
#include "base/log_watch.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static int pipe_fds[2];
static char heard[256 * 1024];

static int setup(void **state)
{
    (void)state;
    if (pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC))
        return -1;
    ed_log_set_fd(pipe_fds[1]);
    ed_log_set_context(NULL);
    return ed_log_configure("debug,text");
}

static int teardown(void **state)
{
    (void)state;
    unsetenv("JOURNAL_STREAM");
    ed_log_set_fd(STDERR_FILENO);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return 0;
}

/* All that was written since the last call. */
static const char *hear(void)
{
    size_t len = 0;
    ssize_t n;

    while ((n = read(pipe_fds[0], heard + len, sizeof(heard) - 1 - len)) > 0)
        len += (size_t)n;
    heard[len] = '\0';
    return heard;
}

/* The same without the time in front, which must look like one. */
static const char *hear_text(void)
{
    const char *shape = "dddd-dd-ddTdd:dd:dd.dddZ ";
    const char *text = hear();

    for (size_t i = 0; shape[i]; i++) {
        if (shape[i] == 'd')
            assert_in_range(text[i], '0', '9');
        else
            assert_int_equal(text[i], shape[i]);
    }
    return text + strlen(shape);
}

static const char *hear_json(void)
{
    const char *text = hear();

    assert_memory_equal(text, "{\"time\":\"2", 10);
    const char *rest = strstr(text, "Z\",");
    assert_non_null(rest);
    return rest + 3;
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;

    for (; (text = strstr(text, what)); text += strlen(what))
        count++;
    return count;
}

static void a_context(char *out, size_t size)
{
    snprintf(out, size, "req-7");
}

static void a_failing_context(char *out, size_t size)
{
    snprintf(out, size, "ctx");
    errno = EBADF;
}

static void a_nasty_context(char *out, size_t size)
{
    memset(out, '\n', size - 1);
    out[size - 1] = '\0';
}

static void a_line_has_time_level_context_and_message(void **state)
{
    (void)state;
    ed_log_warn("%s is %d", "answer", 42);
    assert_string_equal(hear_text(), "WARN  answer is 42\n");
    ed_log_set_context(a_context);
    ed_log_error("no");
    assert_string_equal(hear_text(), "ERROR [req-7] no\n");
    ed_log_info("so");
    assert_string_equal(hear_text(), "INFO  [req-7] so\n");
    ed_log_debug("hm");
    assert_string_equal(hear_text(), "DEBUG [req-7] hm\n");
}

static void a_json_line_has_the_same_four(void **state)
{
    (void)state;
    ed_log_set_format(ED_LOG_JSON);
    ed_log_warn("say \"hi\\\"");
    assert_string_equal(hear_json(), "\"level\":\"warn\",\"context\":\"\","
                                     "\"message\":\"say \\\"hi\\\\\\\"\"}\n");
    ed_log_set_context(a_context);
    ed_log_info("x");
    assert_string_equal(hear_json(), "\"level\":\"info\",\"context\":\"req-7\","
                                     "\"message\":\"x\"}\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    ed_log_set_level(ED_LOG_WARN);
    ed_log_debug("no");
    ed_log_info("no");
    assert_string_equal(hear(), "");
    assert_false(ed_log_enabled(ED_LOG_INFO));
    assert_true(ed_log_enabled(ED_LOG_WARN));
    ed_log_set_level(ED_LOG_OFF);
    ed_log_error("no");
    ed_log(ED_LOG_OFF, "no");
    assert_string_equal(hear(), "");
    assert_false(ed_log_enabled(ED_LOG_OFF));
}

static void settings_are_read_from_text(void **state)
{
    (void)state;
    assert_int_equal(ed_log_configure("error"), 0);
    assert_false(ed_log_enabled(ED_LOG_WARN));
    assert_int_equal(ed_log_configure("debug,json"), 0);
    assert_true(ed_log_enabled(ED_LOG_DEBUG));
    ed_log_info("x");
    assert_int_equal(hear()[0], '{');
    assert_int_equal(ed_log_configure("info"), 0);
    ed_log_info("x");
    assert_int_equal(hear()[0], '{');
    assert_int_equal(ed_log_configure("off,text"), 0);
    assert_false(ed_log_enabled(ED_LOG_ERROR));
}

static void settings_that_are_none_change_nothing(void **state)
{
    static const char *const bad[] = {
        "", "loud", "json", "error,", "error,xml", "error,json,text", "error ",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(ed_log_configure(bad[i]), ED_EPARSE);
    assert_int_equal(ed_log_configure(NULL), ED_EPARSE);
    assert_true(ed_log_enabled(ED_LOG_DEBUG));
    ed_log_info("x");
    assert_string_equal(hear_text(), "INFO  x\n");
}

static void nothing_sent_by_a_peer_forges_a_line(void **state)
{
    (void)state;
    ed_log_info("%s", "a\r\nb\t\033[2J\177");
    assert_string_equal(hear_text(), "INFO  a\\x0d\\x0ab\\x09\\x1b[2J\\x7f\n");
    ed_log_set_context(a_nasty_context);
    ed_log_info("x");
    const char *text = hear_text();
    assert_int_equal(count_of(text, "\n"), 1);
    assert_int_equal(count_of(text, "\\x0a"), 63);
    ed_log_set_format(ED_LOG_JSON);
    ed_log_info("a\nb");
    text = hear_json();
    assert_int_equal(count_of(text, "\n"), 1);
    assert_int_equal(count_of(text, "\\u000a"), 64);
}

static void characters_pass_and_invalid_bytes_are_escaped(void **state)
{
    static const struct {
        const char *raw, *text, *json;
    } cases[] = {
        {"\xc3\xa9", "\xc3\xa9", "\xc3\xa9"},
        {"\xe2\x82\xac", "\xe2\x82\xac", "\xe2\x82\xac"},
        {"\xf0\x9f\x8c\x80", "\xf0\x9f\x8c\x80", "\xf0\x9f\x8c\x80"},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        /* a control of C1 */
        {"\xc2\x9b", "\\xc2\\x9b", "\\u009b"},
        /* no character at all */
        {"\xff", "\\xff", "\\ufffd"},
        {"\x80", "\\x80", "\\ufffd"},
        /* cut short, at the end and before another */
        {"\xc3", "\\xc3", "\\ufffd"},
        {"\xe2\x82z", "\\xe2\\x82z", "\\ufffd\\ufffdz"},
        /* longer than needed, a surrogate, beyond the end */
        {"\xc0\xaf", "\\xc0\\xaf", "\\ufffd\\ufffd"},
        {"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf", "\\ufffd\\ufffd\\ufffd"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\\ufffd\\ufffd\\ufffd"},
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80",
         "\\ufffd\\ufffd\\ufffd\\ufffd"},
    };
    char want[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ed_log_set_format(ED_LOG_TEXT);
        ed_log_info("%s", cases[i].raw);
        snprintf(want, sizeof(want), "INFO  %s\n", cases[i].text);
        assert_string_equal(hear_text(), want);
        ed_log_set_format(ED_LOG_JSON);
        ed_log_info("%s", cases[i].raw);
        snprintf(want, sizeof(want), "\"message\":\"%s\"}\n", cases[i].json);
        assert_non_null(strstr(hear_json(), want));
    }
}

static void a_message_of_8_kib_is_whole_and_a_longer_one_is_marked(void **state)
{
    char text[20000];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[8192] = '\0';
    ed_log_info("%s", text);
    assert_int_equal(strlen(hear_text()), 6 + 8192 + 1);
    text[8192] = 'a';
    text[8193] = '\0';
    ed_log_info("%s", text);
    const char *line = hear_text();
    assert_string_equal(line + 6 + 8192,
                        "... [truncated, 8193 bytes in all]\n");
    text[8193] = 'a';
    text[sizeof(text) - 1] = '\0';
    ed_log_set_format(ED_LOG_JSON);
    ed_log_info("%s", text);
    assert_non_null(
        strstr(hear_json(), "a... [truncated, 19999 bytes in all]\"}\n"));
}

static void cutting_never_tears_a_character_or_an_escape(void **state)
{
    char text[9000];

    (void)state;
    for (size_t shift = 0; shift < 6; shift++) {
        for (size_t i = 0; i < sizeof(text); i++)
            text[i] = i < shift ? 'b' : "\xf0\x9f\x8c\x80"[(i - shift) % 4];
        text[sizeof(text) - 1] = '\0';
        ed_log_info("%s", text);
        const char *line = hear_text();
        const char *mark = strstr(line, "... [truncated");
        assert_non_null(mark);
        assert_int_equal((unsigned char)mark[-1], 0x80);
        assert_null(strstr(line, "\\x"));
    }
    memset(text, '\n', 5000);
    text[5000] = '\0';
    ed_log_info("%s", text);
    assert_non_null(strstr(hear_text(), "\\x0a... [truncated, 5000 "));
}

static void errno_is_printed_and_kept(void **state)
{
    (void)state;
    ed_log_set_context(a_failing_context);
    errno = ENOENT;
    ed_log_info("open: %m");
    assert_int_equal(errno, ENOENT);
    assert_string_equal(hear_text(),
                        "INFO  [ctx] open: No such file or directory\n");
    ed_log_set_fd(-1);
    errno = ENOENT;
    ed_log_info("open: %m");
    assert_int_equal(errno, ENOENT);
    ed_log_set_fd(pipe_fds[1]);
    ed_log_info("this one tells of the loss");
}

static void a_full_descriptor_drops_lines_and_the_next_one_tells(void **state)
{
    (void)state;
    while (write(pipe_fds[1], heard, 4096) > 0)
        continue;
    ed_log_info("lost");
    ed_log_info("lost, too");
    hear();
    ed_log_info("back");
    assert_string_equal(hear_text(),
                        "INFO  back (2 lines before this one were lost)\n");
    ed_log_info("again");
    assert_string_equal(hear_text(), "INFO  again\n");
}

static void json_tells_of_dropped_lines_in_a_member(void **state)
{
    (void)state;
    ed_log_set_format(ED_LOG_JSON);
    while (write(pipe_fds[1], heard, 4096) > 0)
        continue;
    ed_log_info("lost");
    hear();
    ed_log_info("back");
    assert_non_null(strstr(hear_json(), "\"back\",\"dropped\":1}\n"));
}

static void after_half_a_line_the_next_begins_on_its_own(void **state)
{
    char text[8001];

    (void)state;
    memset(text, 'h', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    /* One page of room is less than the line, which goes in in part. */
    while (write(pipe_fds[1], heard, 4096) > 0)
        continue;
    assert_int_equal(read(pipe_fds[0], heard, 4096), 4096);
    ed_log_info("%s", text);
    assert_non_null(strstr(hear() + 60000, "INFO  hhhh"));
    ed_log_info("whole");
    const char *next = hear();
    assert_int_equal(next[0], '\n');
    assert_non_null(strstr(next, "INFO  whole (1 lines before"));
    ed_log_info("plain");
    assert_string_equal(hear_text(), "INFO  plain\n");
}

static void a_closed_descriptor_harms_nobody(void **state)
{
    (void)state;
    ed_log_set_fd(-1);
    ed_log_info("to nobody");
    ed_log_set_fd(pipe_fds[1]);
    ed_log_info("here");
    assert_non_null(strstr(hear_text(), "(1 lines before"));
}

static void *talk(void *arg)
{
    for (int i = 0; i < 100; i++)
        ed_log_info("%s", (const char *)arg);
    return NULL;
}

static void lines_of_many_threads_do_not_mix(void **state)
{
    static const char *const words[4] = {"aaaaaaaa", "bbbbbbbb", "cccccccc",
                                         "dddddddd"};
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, talk,
                                        (void *)(uintptr_t)words[i]),
                         0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    const char *text = hear();
    assert_int_equal(count_of(text, "\n"), 400);
    for (int i = 0; i < 4; i++) {
        char want[32];
        snprintf(want, sizeof(want), "Z INFO  %s\n", words[i]);
        assert_int_equal(count_of(text, want), 100);
    }
}

static _Atomic bool quiet;

static void *talk_until_quiet(void *arg)
{
    while (!quiet)
        ed_log_info("parent");
    return arg;
}

static void a_child_forked_while_others_log_can_log(void **state)
{
    pthread_t thread;
    int status;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, talk_until_quiet, NULL), 0);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            alarm(5);
            ed_log_info("child");
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        /* The alarm's signal, had it waited for a lock no one holds. */
        assert_false(WIFSIGNALED(status));
    }
    quiet = true;
    pthread_join(thread, NULL);
}

/* What a terminal shows of one line, as the program sees NO_COLOR. */
static void hear_terminal(char *out, size_t size)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    ed_log_set_fd(slave);
    ed_log_warn("x");
    ssize_t n = read(master, out, size - 1);
    assert_true(n > 0);
    out[n] = '\0';
    ed_log_set_fd(pipe_fds[1]);
    close(slave);
    close(master);
}

static void only_a_terminal_gets_colour_and_only_if_wanted(void **state)
{
    char text[256];

    (void)state;
    unsetenv("NO_COLOR");
    hear_terminal(text, sizeof(text));
    assert_non_null(strstr(text, " \033[33mWARN \033[0m x"));
    setenv("NO_COLOR", "", 1);
    hear_terminal(text, sizeof(text));
    assert_non_null(strchr(text, '\033'));
    setenv("NO_COLOR", "1", 1);
    hear_terminal(text, sizeof(text));
    assert_non_null(strstr(text, "Z WARN  x"));
    ed_log_set_format(ED_LOG_JSON);
    unsetenv("NO_COLOR");
    hear_terminal(text, sizeof(text));
    assert_null(strchr(text, '\033'));
}

/* What systemd sets for a service whose stream this descriptor is. */
static void name_journal(int fd)
{
    struct stat about;
    char stream[64];

    assert_int_equal(fstat(fd, &about), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu",
             (unsigned long long)about.st_dev,
             (unsigned long long)about.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
}

static void the_journal_is_told_the_level(void **state)
{
    struct ed_safe_line safe = {0};

    (void)state;
    name_journal(pipe_fds[1]);
    ed_log_set_fd(pipe_fds[1]);
    ed_log_debug("a");
    assert_memory_equal(hear(), "<7>2", 4);
    ed_log_info("a");
    assert_memory_equal(hear(), "<6>2", 4);
    ed_log_warn("a");
    assert_memory_equal(hear(), "<4>2", 4);
    ed_safe_put(&safe, "a");
    ed_log_safely(ED_LOG_ERROR, &safe);
    assert_memory_equal(hear(), "<3>2", 4);
    ed_log_set_format(ED_LOG_JSON);
    ed_log_error("a");
    assert_memory_equal(hear(), "<3>{", 4);
}

/* A service's error stream that was redirected, to a file or another one. */
static void who_is_not_the_journal_is_told_no_priority(void **state)
{
    int other[2];

    (void)state;
    assert_int_equal(pipe2(other, O_CLOEXEC), 0);
    name_journal(other[1]);
    ed_log_set_fd(pipe_fds[1]);
    ed_log_warn("a");
    assert_string_equal(hear_text(), "WARN  a\n");
    close(other[0]);
    close(other[1]);
    setenv("JOURNAL_STREAM", "", 1);
    ed_log_set_fd(pipe_fds[1]);
    ed_log_warn("a");
    assert_string_equal(hear_text(), "WARN  a\n");
}

/* ---- who else is told ---- */

struct listener {
    struct ed_log_watch watch;
    char text[256];
    bool let_through;
};

static bool listen_to(struct ed_log_watch *watch, enum ed_log_level level,
                      const char *context, struct ed_bytes message)
{
    struct listener *l = ED_CONTAINER(watch, struct listener, watch);
    size_t len = strlen(l->text);

    snprintf(l->text + len, sizeof(l->text) - len, "%d[%s]%.*s;", (int)level,
             context, (int)message.len, message.ptr);
    return l->let_through;
}

static void name_context(char *out, size_t size)
{
    snprintf(out, size, "id7");
}

static void watches_are_told_and_may_keep_lines_to_themselves(void **state)
{
    struct listener all = {{NULL, ED_LOG_DEBUG, listen_to}, "", true};
    struct listener errors = {{NULL, ED_LOG_ERROR, listen_to}, "", false};

    (void)state;
    ed_log_set_context(name_context);
    ed_log_watch(&all.watch);
    ed_log_watch(&errors.watch);
    ed_log_info("one");
    ed_log_error("two\n");
    assert_string_equal(hear_text(), "INFO  [id7] one\n");
    ed_log_unwatch(&errors.watch);
    ed_log_unwatch(&errors.watch);
    ed_log_error("three");
    assert_string_equal(hear_text(), "ERROR [id7] three\n");
    ed_log_unwatch(&all.watch);
    ed_log_error("four");
    assert_string_equal(all.text, "1[id7]one;3[id7]two\n;3[id7]three;");
    assert_string_equal(errors.text, "3[id7]two\n;");
}

static bool in_a_trace(char trace_id[ED_LOG_TRACE_ID],
                       char span_id[ED_LOG_SPAN_ID])
{
    memcpy(trace_id, "4bf92f3577b34da6a3ce929d0e0e4736", ED_LOG_TRACE_ID);
    memcpy(span_id, "00f067aa0ba902b7", ED_LOG_SPAN_ID);
    return true;
}

static void lines_of_a_trace_carry_its_ids(void **state)
{
    (void)state;
    ed_log_set_trace(in_a_trace);
    ed_log_info("x");
    assert_string_equal(hear_text(),
                        "INFO  [4bf92f3577b34da6a3ce929d0e0e4736] x\n");
    ed_log_set_format(ED_LOG_JSON);
    ed_log_info("x");
    assert_non_null(strstr(hear(), "\"context\":\"\",\"trace_id\":"
                                   "\"4bf92f3577b34da6a3ce929d0e0e4736\","
                                   "\"span_id\":\"00f067aa0ba902b7\","
                                   "\"message\":\"x\"}"));
    ed_log_set_trace(NULL);
    ed_log_info("x");
    assert_null(strstr(hear(), "trace_id"));
}

static void a_log_file_that_cannot_be_opened_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(ed_log_open("/nonexistent/x.log"), -ENOENT);
    assert_int_equal(ed_log_reopen(), 0);
    ed_log_info("still here");
    assert_string_equal(hear_text(), "INFO  still here\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_line_has_time_level_context_and_message, setup, teardown),
        cmocka_unit_test_setup_teardown(a_json_line_has_the_same_four, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(lines_below_the_level_are_not_written,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(settings_are_read_from_text, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(settings_that_are_none_change_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_sent_by_a_peer_forges_a_line,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            characters_pass_and_invalid_bytes_are_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_message_of_8_kib_is_whole_and_a_longer_one_is_marked, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            cutting_never_tears_a_character_or_an_escape, setup, teardown),
        cmocka_unit_test_setup_teardown(errno_is_printed_and_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_full_descriptor_drops_lines_and_the_next_one_tells, setup,
            teardown),
        cmocka_unit_test_setup_teardown(json_tells_of_dropped_lines_in_a_member,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            after_half_a_line_the_next_begins_on_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_descriptor_harms_nobody, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            watches_are_told_and_may_keep_lines_to_themselves, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_of_many_threads_do_not_mix, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_child_forked_while_others_log_can_log,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            only_a_terminal_gets_colour_and_only_if_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(the_journal_is_told_the_level, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            who_is_not_the_journal_is_told_no_priority, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_of_a_trace_carry_its_ids, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_log_file_that_cannot_be_opened_changes_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
