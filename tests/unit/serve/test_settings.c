/*
 * test_settings.c - settings from flags, variables and files: which wins, what
 * is refused and where that stands, and their way to another process.
 */
#include "settings_test.h"

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
        "7: there is no section [servr] (did you mean [serve]?)",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        snprintf(line, sizeof line, "prog: %s:%s", path, texts[i]);
        if (!strstr(said, line))
            fail_msg("not told: %s\n%s", line, said);
    }
    assert_int_equal(read_settings(&s, "--config", "/nowhere/at-all"), 1);
    assert_non_null(strstr(said, "/nowhere/at-all: "));
}

static void what_a_program_sets_wrongly_is_told_too(void **state)
{
    (void)state;
    struct ed_settings s;
    own_default.name = "wrokers";
    assert_int_equal(read_settings_(&s, (char *[]){"prog", NULL}), 2);
    own_default.name = "backlog";
    expect_said(
        "prog: the program: there is no setting 'wrokers' (did you mean "
        "'workers'?)\n");
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

static void a_failed_reading_changes_no_option_of_the_program(void **state)
{
    (void)state;
    struct ed_settings s, fresh;
    word = "initial";
    write_file("[app]\nword = first\nmild = on\n");
    assert_int_equal(read_settings(&s, "--config", path), ED_SETTINGS_GO_ON);
    assert_string_equal(word, "first");
    assert_string_equal(mild, "on");
    const char *kept = word;

    write_file("[app]\nword = second\n[serve]\nmax-age = x\n");
    assert_int_not_equal(ed_settings_reread(&s, &fresh), 0);
    assert_string_equal(word, "first");

    write_file("[app]\nmild = no\n");
    assert_int_equal(ed_settings_reread(&s, &fresh), 0);
    assert_string_equal(word, "first");
    ed_settings_free(&s);
    ed_settings_publish(&fresh);
    assert_string_equal(word, "initial");
    assert_null(mild);
    assert_string_equal(kept, "first"); /* by whoever kept it */
    ed_settings_free(&fresh);

    write_file("[app]\nmild = perhaps\n");
    assert_int_equal(read_settings(&s, "--config", path), 2);
    expect_said(":2: mild 'perhaps' is not yes or no\n");
}

static void the_file_is_found_again_from_another_directory(void **state)
{
    (void)state;
    struct ed_settings s, fresh;
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir("/tmp"), 0);
    write_file("[serve]\nmax-age = 1s\n");
    setenv("EDDY_CONFIG", path + strlen("/tmp/"), 1);
    assert_int_equal(read_settings(&s), ED_SETTINGS_GO_ON);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(ed_settings_reread(&s, &fresh), 0);
    assert_int_equal(fresh.max_age, ED_S);
    ed_settings_free(&s);
    ed_settings_free(&fresh);
    assert_int_equal(chdir(here), 0);
}

static void what_a_file_cannot_be_is_told(void **state)
{
    (void)state;
    struct ed_settings s;
    write_file("[serve]\npidfile = \"a\" b \"c\"\nlog-file = \"x\n"
               "listen = \"unix:/x\n");
    assert_int_equal(read_settings(&s, "--config", path), 2);
    expect_said(":2: pidfile: a value that begins with a quotation mark");
    expect_said(":3: log-file: a value that begins with a quotation mark");
    expect_said(":4: listen '\"unix:/x' is not a list with each quotation");

    char long_line[9000] = "[serve]\n#";
    memset(long_line + 9, 'x', sizeof long_line - 10);
    write_file(long_line);
    assert_int_equal(read_settings(&s, "--config", path), ED_SETTINGS_GO_ON);
    ed_settings_free(&s);
    long_line[8] = 'x';
    write_file(long_line);
    assert_int_equal(read_settings(&s, "--config", path), 2);
    expect_said(":2: a line of 8991 characters is too long (8192)");

    assert_int_equal(read_settings(&s, "--config", "/dev/zero"), 1);
    expect_said("prog: /dev/zero: File too large\n");
    assert_int_equal(read_settings(&s, "--config", "/tmp"), 1);
    expect_said("prog: /tmp: Is a directory\n");

    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("?\n", f);
    fclose(f);
    assert_int_equal(read_settings(&s, "--config", path), 2);
    expect_said(": too many errors to tell all\n");
    assert_null(strstr(said, ":51: "));
}

static void quoted_values_keep_what_others_lose(void **state)
{
    (void)state;
    struct ed_settings s;
    write_file("\xef\xbb\xbf[serve]\r\n"
               "pidfile = \" a \\\"b\\\\ \"\r\n"
               "access-log-format = %h \"%r\" # %s ; x\r\n"
               "listen = \"unix:/a b\" \"unix:/c\\\"\"\n"
               "[app]\nword = \"\"\n");
    assert_int_equal(read_settings(&s, "--config", path), ED_SETTINGS_GO_ON);
    assert_string_equal(s.pidfile, " a \"b\\ ");
    assert_string_equal(s.access_log_format, "%h \"%r\" # %s ; x");
    assert_string_equal(s.listen.each[0], "unix:/a b");
    assert_string_equal(s.listen.each[1], "unix:/c\"");
    assert_string_equal(word, "");
    ed_settings_free(&s);
}

static void a_variable_that_was_misspelt_is_warned_about(void **state)
{
    (void)state;
    struct ed_settings s;
    setenv("EDDY_MAX_BDY", "1", 1);
    setenv("EDDY_CTL", "/x", 1);             /* of eddy ctl */
    setenv("EDDY_WORLD_DOMINATION", "1", 1); /* of anybody */
    setenv("EDDY_max_body", "2", 1);
    assert_int_equal(read_settings(&s), ED_SETTINGS_GO_ON);
    expect_said("prog: $EDDY_MAX_BDY is not a setting (did you mean "
                "$EDDY_MAX_BODY?)\n");
    assert_null(strstr(said, "CTL"));
    assert_null(strstr(said, "WORLD"));
    assert_int_equal(s.max_body, 1 << 20);
    ed_settings_free(&s);
    unsetenv("EDDY_MAX_BDY");
    unsetenv("EDDY_CTL");
    unsetenv("EDDY_WORLD_DOMINATION");
    unsetenv("EDDY_max_body");

    setenv("EDDY_MAX_BODY", "x", 1);
    assert_int_equal(read_settings(&s), 2);
    assert_string_equal(said, "prog: $EDDY_MAX_BODY 'x' is not a size such as "
                              "4096, 64K, 16M or 1G\n");
    unsetenv("EDDY_MAX_BODY");
}

/* ---- questions ---- */

static void help_fits_a_terminal_and_has_all_settings(void **state)
{
    (void)state;
    struct ed_settings s;
    char flag[64];
    word = "what it is before";
    assert_int_equal(read_settings(&s, "--help"), 0);
    assert_non_null(strstr(told, "one (what it is before)\n"));
    for (size_t i = 0; i < ed_settings_count; i++) {
        const struct ed_setting *setting = &ed_settings_table[i];
        bool section = setting->kind == ED_SETTING_SECTION;
        char letter = ed_settings_letter(setting->name);
        snprintf(flag, sizeof flag, section ? "\n%s\n" : "\n  --%s",
                 setting->name);
        if (letter)
            snprintf(flag, sizeof flag, "\n  -%c, --%s", letter, setting->name);
        if (!strstr(told, flag))
            fail_msg("%s is not in --help", setting->name);
    }
    assert_non_null(strstr(told, "net.core.somaxconn allows (7)\n"));
    assert_non_null(strstr(told, "after so many; 0:\n"
                                 "                           never (0)\n"));
    assert_non_null(strstr(told, "a name that a setting has, too"));
    assert_null(strstr(told, "processes that serve"));
    for (const char *line = told; *line;) {
        size_t len = strcspn(line, "\n");
        if (len > 79)
            fail_msg("too long: %.*s", (int)len, line);
        line += len + 1;
    }
}

static void flags_that_are_short_elsewhere_are_short_here(void **state)
{
    (void)state;
    struct ed_settings s;
    assert_int_equal(read_settings(&s, "-t", "3"), ED_SETTINGS_GO_ON);
    assert_int_equal(s.threads, 3);
    ed_settings_free(&s);
    assert_int_equal(read_settings(&s, "-t8"), ED_SETTINGS_GO_ON);
    assert_int_equal(s.threads, 8);
    ed_settings_free(&s);
    assert_int_equal(read_settings(&s, "-t"), 2);
    expect_said("--threads needs a value");
    assert_int_equal(read_settings(&s, "-x"), 2);
    expect_said("unknown option '-x'");
}

static void print_config_says_where_each_comes_from(void **state)
{
    (void)state;
    struct ed_settings s;
    char line[128];
    write_file("[serve]\nmax-age = 90s\n[app]\nword = x\n");
    setenv("EDDY_DRAIN_TIMEOUT", "1s", 1);
    assert_int_equal(read_settings(&s, "--print-config", "--config", path,
                                   "--umask=7", "--mild"),
                     0);
    snprintf(line, sizeof line, "(from %s:2)\nmax-age = 90s\n", path);
    assert_non_null(strstr(told, line));
    snprintf(line, sizeof line, "(from %s:4)\nword = x\n", path);
    assert_non_null(strstr(told, line));
    assert_non_null(strstr(told, "(from the program)\nbacklog = 7\n"));
    assert_non_null(
        strstr(told, "# (from $EDDY_DRAIN_TIMEOUT)\ndrain-timeout = 1s\n"));
    assert_non_null(strstr(told, "# (from --umask)\numask = 007\n"));
    assert_non_null(strstr(told, "# (from --mild)\nmild = yes\n"));
    assert_non_null(strstr(told, "\n#trace-sample = 0.01\n"));
    assert_non_null(strstr(told, "\n#user =\n"));
}

/* ---- to another process ---- */

static void they_arrive_as_they_are(void **state)
{
    (void)state;
    struct ed_settings s, copy;
    char odd[] = "a \"b\\ \t;#=\n";
    assert_int_equal(read_settings(&s, "--word", odd, "--listen", "unix:/a \"b",
                                   "--listen", ":0", "--workers", "own",
                                   "--pidfile", odd, "--max-age", "90s",
                                   "--trace-sample", "0.1", "module"),
                     ED_SETTINGS_GO_ON);
    int fd = ed_settings_give(&s);
    assert_true(fd >= 0);
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

/* ---- any values at all ---- */

static uint64_t seed = 0x9e3779b97f4a7c15;

static unsigned any(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % below;
}

static const char *any_text(ed_arena *arena)
{
    static const char letters[] = "ab \t\"\"\\\\\n\r#;=[]%,\x01\xc3\xa9'";
    unsigned len = 1 + any(7);
    char *text = ed_arena_zalloc(arena, len + 1);

    for (unsigned i = 0; i < len; i++)
        text[i] = letters[any(sizeof letters - 1)];
    return text;
}

static struct ed_texts any_list(ed_arena *arena)
{
    struct ed_texts list = {NULL, 1 + any(4)};

    list.each = ed_arena_zalloc(arena, 5 * sizeof *list.each);
    for (size_t i = 0; i < list.count; i++)
        list.each[i] = any(8) ? any_text(arena) : "";
    return list;
}

static void set_any(struct ed_settings *s, const struct ed_setting *setting)
{
    static const int64_t units[] = {ED_US, ED_MS, ED_S, ED_MIN, 60 * ED_MIN};
    void *member = ed_settings_member(s, setting);
    ed_arena *arena = s->inside->arena;

    switch (setting->kind) {
    case ED_SETTING_LIST:
        *(struct ed_texts *)member = any_list(arena);
        break;
    case ED_SETTING_TEXT:
        *(const char **)member = any_text(arena);
        break;
    case ED_SETTING_FLAG:
        *(bool *)member = any(2);
        break;
    case ED_SETTING_COUNT:
        *(unsigned *)member = any(INT32_MAX);
        break;
    case ED_SETTING_TIME:
        *(int64_t *)member = any(5000) * units[any(5)];
        break;
    case ED_SETTING_SIZE:
        *(size_t *)member = (size_t)any(5000) << any(31);
        break;
    case ED_SETTING_MODE:
        *(int *)member = (int)any(01000);
        break;
    case ED_SETTING_RATE:
        *(double *)member = any(INT32_MAX) / (double)INT32_MAX;
        break;
    case ED_SETTING_SECTION:
        return;
    }
    ed_settings_note(s, setting)->source = ED_FROM_FLAG;
    ed_settings_note(s, setting)->place = "a test";
}

static void expect_same_list(const struct ed_texts *a, const struct ed_texts *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_string_equal(a->each[i], b->each[i]);
    assert_null(b->each[b->count]);
}

static void expect_same(const struct ed_settings *a,
                        const struct ed_settings *b)
{
#define SAME_LIST(x, y)  expect_same_list(&(x), &(y))
#define SAME_TEXT(x, y)  assert_string_equal(x, y)
#define SAME_FLAG(x, y)  assert_int_equal(x, y)
#define SAME_COUNT(x, y) assert_int_equal(x, y)
#define SAME_TIME(x, y)  assert_int_equal(x, y)
#define SAME_SIZE(x, y)  assert_int_equal(x, y)
#define SAME_MODE(x, y)  assert_int_equal(x, y)
#define SAME_RATE(x, y)  assert_true((x) == (y))
#define SECTION(title)
#define SETTING(kind, member, name, placeholder, value, help) \
    SAME_##kind(a->member, b->member);
#include "serve/settings.def"
#undef SETTING
#undef SECTION
}

static void any_settings_can_be_printed_and_given(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct ed_settings s, read, taken;
        assert_int_equal(ed_settings_begin(&s, &from, 0, NULL), 0);
        for (size_t i = 0; i < ed_settings_count; i++)
            set_any(&s, &ed_settings_table[i]);
        const char *text = any_text(s.inside->arena);
        ed_settings_set_own(s.inside, &first, ED_FROM_FLAG, "a test",
                            ed_bytes(text));

        int fd = ed_settings_give(&s);
        assert_true(fd >= 0);
        assert_int_equal(ed_settings_take(&taken, &from, fd), 0);
        expect_same(&s, &taken);
        assert_string_equal(word, text);
        close(fd);

        char *printed = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&printed, &len);
        ed_settings_print(&s, f);
        fclose(f);
        assert_int_equal(ed_settings_begin(&read, &from, 0, NULL), 0);
        ed_settings_read_lines(&read, "a test", ed_bytes_of(printed, len));
        assert_int_equal(read.inside->errors, 0);
        expect_same(&s, &read);
        assert_string_equal(ed_settings_own_note(read.inside, &first)->text,
                            text);
        free(printed);
        ed_settings_free(&read);
        ed_settings_free(&taken);
        ed_settings_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_not_said_is_the_default, begin),
        cmocka_unit_test_setup(values_have_units, begin),
        cmocka_unit_test_setup(flags_win_over_variables_over_the_file, begin),
        cmocka_unit_test_setup(all_errors_of_a_file_are_told_with_their_lines,
                               begin),
        cmocka_unit_test_setup(what_a_program_sets_wrongly_is_told_too, begin),
        cmocka_unit_test_setup(a_file_is_read_again_for_a_reload, begin),
        cmocka_unit_test_setup(
            a_failed_reading_changes_no_option_of_the_program, begin),
        cmocka_unit_test_setup(the_file_is_found_again_from_another_directory,
                               begin),
        cmocka_unit_test_setup(what_a_file_cannot_be_is_told, begin),
        cmocka_unit_test_setup(quoted_values_keep_what_others_lose, begin),
        cmocka_unit_test_setup(a_variable_that_was_misspelt_is_warned_about,
                               begin),
        cmocka_unit_test_setup(help_fits_a_terminal_and_has_all_settings,
                               begin),
        cmocka_unit_test_setup(flags_that_are_short_elsewhere_are_short_here,
                               begin),
        cmocka_unit_test_setup(print_config_says_where_each_comes_from, begin),
        cmocka_unit_test_setup(any_settings_can_be_printed_and_given, begin),
        cmocka_unit_test_setup(they_arrive_as_they_are, begin),
        cmocka_unit_test_setup(what_is_printed_reads_the_same, begin),
    };
    close(mkstemp(path));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
