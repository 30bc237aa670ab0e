/*
 * test_settings.c - settings from flags, variables and files: which wins, what
 * is refused and where that stands, and their way to another process.
 */
#include "serve/settings.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *word, *other;

static struct ed_option second = {NULL, "workers", &other, "N",
                                  "a name that a setting has, too"};
static struct ed_option first = {&second, "word", &word, "WORD", "one"};

static struct ed_option_default own_default = {NULL, "backlog", "7"};

static struct ed_settings_from from = {
    .program = "prog",
    .section = "serve",
    .usage = "prog",
    .own = &first,
    .defaults = &own_default,
    .arguments = 1,
};

static char path[] = "/tmp/eddy-settings-XXXXXX";

/* What is said on standard error while `read` runs. */
static char said[4096];

#define read_settings(s, ...) \
    read_settings_((s), (char *[]){"prog", ##__VA_ARGS__, NULL})

static int read_settings_(struct ed_settings *s, char **argv)
{
    int argc = 0, kept = dup(2), fd = memfd_create("stderr", 0);

    while (argv[argc])
        argc++;
    fflush(stderr);
    dup2(fd, 2);
    int status = ed_settings_read(s, &from, argc, argv);
    fflush(stderr);
    dup2(kept, 2);
    ssize_t n = pread(fd, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(kept);
    close(fd);
    return status;
}

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int begin(void **state)
{
    (void)state;
    word = other = NULL;
    unsetenv("EDDY_DRAIN_TIMEOUT");
    unsetenv("EDDY_LISTEN");
    return 0;
}

/* ---- values ---- */

static void what_is_not_said_is_the_default(void **state)
{
    (void)state;
    struct ed_settings s;
    assert_int_equal(read_settings(&s), ED_SETTINGS_GO_ON);
    assert_int_equal(s.drain_timeout, 30 * ED_S);
    assert_int_equal(s.max_body, 1 << 20);
    assert_int_equal(s.listen.count, 1);
    assert_string_equal(s.listen.each[0], "127.0.0.1:8080");
    assert_null(s.pidfile);
    assert_false(s.preload);
    assert_int_equal(s.umask, -1);
    assert_int_equal(s.backlog, 7); /* the program's own default */
    ed_settings_free(&s);
}

static void values_have_units(void **state)
{
    (void)state;
    struct ed_settings s;
    assert_int_equal(read_settings(&s, "--drain-timeout", "250ms",
                                   "--max-age=2h", "--idle-timeout", "5",
                                   "--max-body", "16M", "--max-head=4096",
                                   "--umask", "027", "--trace-sample", "25%",
                                   "--preload", "--listen", "unix:/tmp/a b",
                                   "--listen=:80"),
                     ED_SETTINGS_GO_ON);
    assert_int_equal(s.drain_timeout, 250 * ED_MS);
    assert_int_equal(s.max_age, 120 * ED_MIN);
    assert_int_equal(s.idle_timeout, 5 * ED_S);
    assert_int_equal(s.max_body, 16 << 20);
    assert_int_equal(s.max_head, 4096);
    assert_int_equal(s.umask, 027);
    assert_true(s.trace_sample > 0.2499 && s.trace_sample < 0.2501);
    assert_true(s.preload);
    assert_int_equal(s.listen.count, 2);
    assert_string_equal(s.listen.each[0], "unix:/tmp/a b");
    assert_string_equal(s.listen.each[1], ":80");
    ed_settings_free(&s);
}

static void nonsense_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        char *flag, *value;
        const char *text;
    } cases[] = {
        {"--drain-timeout", "soon",
         "prog: --drain-timeout 'soon' is not a time such as 250ms, 30s, 5m, "
         "1h or 2d\n"},
        {"--drain-timeout", "5 s", "--drain-timeout '5 s' is not a time"},
        {"--drain-timeout", "99999999999d", "is not a time"},
        {"--drain-timeout", "-1s", "is not a time"},
        {"--max-body", "1T", "--max-body '1T' is not a size"},
        {"--backlog", "-1", "--backlog '-1' is not a whole number from 0"},
        {"--backlog", "4294967296", "is not a whole number"},
        {"--umask", "8", "--umask '8' is not an octal number"},
        {"--umask", "7777", "is not an octal number"},
        {"--trace-sample", "2", "is not a number from 0 to 1"},
        {"--trace-sample", "nan", "is not a number from 0 to 1"},
        {"--listen", "no port", "--listen 'no port' is no address"},
        {"--user", "nobody-has-this-name",
         "--user 'nobody-has-this-name' is not known here"},
        {"--max-requests-jitter", "5",
         "--max-requests-jitter without max-requests"},
        {"--log", "loud", "--log 'loud' is none of debug"},
        {"--bcklog", "1",
         "unknown option '--bcklog' (did you mean "
         "'--backlog'?)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ed_settings s;
        assert_int_equal(read_settings(&s, cases[i].flag, cases[i].value), 2);
        if (!strstr(said, cases[i].text))
            fail_msg("%s %s: %s", cases[i].flag, cases[i].value, said);
    }
}

/* ---- sources ---- */

static void flags_win_over_variables_over_the_file(void **state)
{
    (void)state;
    struct ed_settings s;
    write_file("# all of it\n[serve]\nlisten = :1 :2\nlisten = :3\n"
               "drain-timeout = 1s\nmax-age = 7s\n\n; other\n[gateway]\n"
               "drain-timeout = 9s\nno-such = 1\n[app]\nword = in the file\n");
    assert_int_equal(read_settings(&s, "--config", path), ED_SETTINGS_GO_ON);
    assert_int_equal(s.listen.count, 3);
    assert_int_equal(s.drain_timeout, ED_S);
    assert_string_equal(word, "in the file");
    ed_settings_free(&s);

    setenv("EDDY_DRAIN_TIMEOUT", "2s", 1);
    setenv("EDDY_LISTEN", ":4 :5", 1);
    assert_int_equal(read_settings(&s, "--config", path), ED_SETTINGS_GO_ON);
    assert_int_equal(s.listen.count, 2);
    assert_int_equal(s.drain_timeout, 2 * ED_S);
    assert_int_equal(s.max_age, 7 * ED_S);
    ed_settings_free(&s);

    assert_int_equal(read_settings(&s, "--drain-timeout=3s", "--config", path,
                                   "--listen=:6", "--word", "flag"),
                     ED_SETTINGS_GO_ON);
    assert_int_equal(s.listen.count, 1);
    assert_string_equal(s.listen.each[0], ":6");
    assert_int_equal(s.drain_timeout, 3 * ED_S);
    assert_string_equal(word, "flag");
    ed_settings_free(&s);
}

static void all_errors_of_a_file_are_told_with_their_lines(void **state)
{
    (void)state;
    struct ed_settings s;
    char line[128];
    write_file("stray = 1\n[serve]\nbacklg = 1\nbacklog = x\nnothing\n"
               "log-file = \"quoted \"\n[servr]\n");
    assert_int_equal(read_settings(&s, "--config", path), 2);
    static const char *const texts[] = {
        "1: 'stray' stands before any section",
        "3: there is no setting 'backlg' (did you mean 'backlog'?)",
        "4: backlog 'x' is not a whole number from 0",
        "5: 'nothing' is no 'name = value'",
        "7: there is no section [servr]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        snprintf(line, sizeof line, "prog: %s:%s", path, texts[i]);
        if (!strstr(said, line))
            fail_msg("not told: %s\n%s", line, said);
    }
    assert_int_equal(read_settings(&s, "--config", "/nowhere/at-all"), 1);
    assert_non_null(strstr(said, "/nowhere/at-all: "));
}

static void a_file_is_read_again_for_a_reload(void **state)
{
    (void)state;
    struct ed_settings s, fresh;
    write_file("[serve]\nmax-age = 1s\n");
    assert_int_equal(
        read_settings(&s, "--config", path, "--backlog", "9", "module"),
        ED_SETTINGS_GO_ON);
    write_file("[serve]\nmax-age = 2s\n");
    assert_int_equal(ed_settings_reread(&s, &fresh), 0);
    assert_int_equal(s.max_age, ED_S);
    assert_int_equal(fresh.max_age, 2 * ED_S);
    assert_int_equal(fresh.backlog, 9);
    assert_string_equal(ed_settings_argument(&fresh, 0), "module");
    ed_settings_free(&s);
    write_file("[serve]\nmax-age = x\n");
    struct ed_settings worse;
    assert_int_not_equal(ed_settings_reread(&fresh, &worse), 0);
    assert_int_equal(fresh.max_age, 2 * ED_S);
    ed_settings_free(&fresh);
}

/* ---- to another process ---- */

static void they_arrive_as_they_are(void **state)
{
    (void)state;
    struct ed_settings s, copy;
    char odd[] = "a \"b\\ \t;#=\n";
    int fd = memfd_create("settings", 0);
    assert_int_equal(read_settings(&s, "--word", odd, "--listen", "unix:/a \"b",
                                   "--listen", ":0", "--workers", "own",
                                   "--pidfile", odd, "--max-age", "90s",
                                   "--trace-sample", "0.1", "module"),
                     ED_SETTINGS_GO_ON);
    assert_int_equal(ed_settings_give(&s, fd), 0);
    word = other = NULL;
    setenv("EDDY_MAX_AGE", "1s", 1); /* is not looked at */
    assert_int_equal(ed_settings_take(&copy, &from, fd), 0);
    unsetenv("EDDY_MAX_AGE");
    assert_string_equal(word, odd);
    assert_string_equal(other, "own");
    assert_int_equal(copy.workers, 0);
    assert_int_equal(copy.listen.count, 2);
    assert_string_equal(copy.listen.each[0], "unix:/a \"b");
    assert_string_equal(copy.pidfile, odd);
    assert_int_equal(copy.max_age, 90 * ED_S);
    assert_true(copy.trace_sample == s.trace_sample);
    assert_int_equal(copy.umask, -1);
    assert_null(copy.user);
    assert_string_equal(ed_settings_argument(&copy, 0), "module");
    assert_null(ed_settings_argument(&copy, 1));
    ed_settings_free(&copy);
    ed_settings_free(&s);
    close(fd);
}

static void what_is_printed_reads_the_same(void **state)
{
    (void)state;
    struct ed_settings s, again;
    assert_int_equal(read_settings(&s, "--listen", "unix:/a b", "--listen",
                                   ":0", "--max-age", "90s", "--max-body", "3K",
                                   "--umask", "007"),
                     ED_SETTINGS_GO_ON);
    FILE *f = fopen(path, "w");
    ed_settings_print(&s, f);
    fclose(f);
    assert_int_equal(read_settings(&again, "--config", path),
                     ED_SETTINGS_GO_ON);
    assert_int_equal(again.listen.count, 2);
    assert_string_equal(again.listen.each[0], "unix:/a b");
    assert_int_equal(again.max_age, 90 * ED_S);
    assert_int_equal(again.max_body, 3072);
    assert_int_equal(again.umask, 7);
    assert_int_equal(again.idle_timeout, s.idle_timeout);
    ed_settings_free(&again);
    ed_settings_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_not_said_is_the_default, begin),
        cmocka_unit_test_setup(values_have_units, begin),
        cmocka_unit_test_setup(nonsense_is_refused_by_name, begin),
        cmocka_unit_test_setup(flags_win_over_variables_over_the_file, begin),
        cmocka_unit_test_setup(all_errors_of_a_file_are_told_with_their_lines,
                               begin),
        cmocka_unit_test_setup(a_file_is_read_again_for_a_reload, begin),
        cmocka_unit_test_setup(they_arrive_as_they_are, begin),
        cmocka_unit_test_setup(what_is_printed_reads_the_same, begin),
    };
    close(mkstemp(path));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
