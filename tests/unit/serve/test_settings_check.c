/*
 * test_settings_check.c - what is wrong with settings is told by its name,
 * before anything is started.
 */
#include "settings_test.h"

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
        {"--listen", "shop.example:80",
         "--listen 'shop.example:80' is no address"},
        {"--user", "nobody-has-this-name",
         "--user 'nobody-has-this-name' is not known here"},
        {"--max-requests-jitter", "5",
         "--max-requests-jitter without max-requests"},
        {"--log", "loud", "--log 'loud' is none of debug"},
        {"--max-age", "36501d", "--max-age '36501d' is not a time"},
        {"--max-age", "1\n\x1b[m", "--max-age '1??[m' is not a time"},
        {"--keyfile", "/dev/null", "prog: --keyfile without certfile\n"},
        {"--certfile", "/nowhere/x",
         "prog: --certfile '/nowhere/x': No such file or directory\n"},
        {"--certfile", "/dev/null", "prog: --certfile '/dev/null': TLS"},
        {"--admin-token", "/nowhere/x", "--admin-token '/nowhere/x': No such"},
        {"--workdir", "/nowhere/x", "--workdir '/nowhere/x': No such"},
        {"--workdir", "/dev/null", "--workdir '/dev/null' is not a directory"},
        {"--log-file", "/nowhere/x",
         "--log-file '/nowhere/x': its directory: No such"},
        {"--access-log", "/nowhere/x", "--access-log '/nowhere/x': its"},
        {"--pidfile", "/nowhere/x", "--pidfile '/nowhere/x': its directory"},
        {"--log-file", "/tmp", "prog: --log-file '/tmp' is a directory\n"},
        {"--access-log", "/tmp", "--access-log '/tmp' is a directory\n"},
        {"--pidfile", "/tmp", "--pidfile '/tmp' is a directory\n"},
        {"--admin-token", "/tmp", "--admin-token '/tmp' is a directory\n"},
        {"--certfile", "/tmp", "--certfile '/tmp' is a directory\n"},
        {"--ctl", "/nowhere/x", "--ctl '/nowhere/x': its directory: No such"},
        {"--listen", "unix:/nowhere/x",
         "--listen 'unix:/nowhere/x': its directory: No such"},
        {"--admin", "unix:/tmp", "--admin 'unix:/tmp' is a directory\n"},
        {"--access-log-format", "%Q", "--access-log-format '%Q': "},
        {"--otlp", "collector:4318", "--otlp 'collector:4318' is no URL: "},
        {"--statsd", ":8125", "--statsd ':8125' is none of ADDRESS:PORT"},
        {"--admin-hosts", "a.org:80", "--admin-hosts 'a.org:80' is no name"},
        {"--admin-hosts", "http://a.org",
         "--admin-hosts 'http://a.org' is no name"},
        {"--vital", "healthz", "--vital 'healthz' is no path"},
        {"--sandbox-write", "/tmp", "--sandbox-write without sandbox"},
        {"--sandbox-read", "/tmp", "--sandbox-read without sandbox"},
        {"--listen=:1", "--listen=:1", "--listen ':1' stands there twice"},
        {"--mild=yes", "x", "--mild takes no value"},
        {"--bcklog", "1",
         "unknown option '--bcklog' (did you mean "
         "'--backlog'?)"},
        {"--foo", "1", "unknown option '--foo' (--help lists them)\n"},
        {"--bind", ":1", "unknown option '--bind' (did you mean '--listen'?)"},
        {"--http-socket", ":1", "(did you mean '--listen'?)"},
        {"--processes", "4", "(did you mean '--workers'?)"},
        {"-b", ":1", "unknown option '-b' (did you mean '--listen'?)"},
        {"--graceful-timeout=3", ":1", "(did you mean '--drain-timeout'?)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ed_settings s;
        assert_int_equal(read_settings(&s, cases[i].flag, cases[i].value), 2);
        if (!strstr(said, cases[i].text))
            fail_msg("%s %s: %s", cases[i].flag, cases[i].value, said);
    }
}

static void check_says_ok_or_all_that_is_wrong(void **state)
{
    (void)state;
    struct ed_settings s;
    char line[64];
    write_file("[serve]\nmax-age = 1s\n");
    assert_int_equal(read_settings(&s, "--check", "--config", path), 0);
    snprintf(line, sizeof line, "%s: ok\n", path);
    assert_string_equal(told, line);
    assert_int_equal(read_settings(&s, "--check"), 0);
    assert_string_equal(told, "the settings: ok\n");

    write_file("[serve]\nvital = x\nlisten = \"no port\"\n");
    assert_int_equal(read_settings(&s, "--check", "--config", path,
                                   "--max-requests-jitter=1"),
                     2);
    assert_string_equal(told, "");
    expect_said(":2: vital 'x' is no path");
    expect_said(":3: listen 'no port' is no address");
    expect_said("prog: --max-requests-jitter without max-requests\n");
}

static void what_is_told_of_python_is_checked(void **state)
{
    (void)state;
    struct ed_settings s;
    assert_int_equal(read_settings(&s, "--check", "--wsgi", "a:b",
                                   "--static=/tmp=/tmp", "--script-name=/a"),
                     0);
    assert_int_equal(
        read_settings(&s, "--check", "--wsgi", "a:b", "--static=tmp=/tmp",
                      "--static=/none=/no/such", "--script-name=a",
                      "--proxy-fields=via", "--threads=0",
                      "--virtualenv=/no/such", "--python-path=/no/such",
                      "--trusted-proxies=10.0.0.0/8, unix, lan"),
        2);
    expect_said("--static 'tmp=/tmp' is not like /static=./static");
    expect_said("--static '/no/such': No such file");
    expect_said("--script-name 'a' is no path");
    expect_said("--proxy-fields 'via' is none of x-forwarded");
    expect_said("--threads '0' is not from 1 to 1024");
    expect_said("--virtualenv '/no/such': No such file");
    expect_said("--python-path '/no/such': No such file");
    expect_said("--trusted-proxies 'lan' is no network such as 10.0.0.0/8");
    assert_int_equal(read_settings(&s, "--check", "--wsgi=:app"), 2);
    expect_said("--wsgi ':app' names no module, as shop:app does");
    assert_int_equal(read_settings(&s, "--check", "--virtualenv=/tmp"), 2);
    expect_said("--virtualenv without wsgi");
}

static void what_is_no_module_is_told_before_it_is_loaded(void **state)
{
    (void)state;
    struct ed_settings s;
    char script[] = "/tmp/eddy-settings-XXXXXX.py";
    close(mkstemps(script, 3));
    from.module = true;
    assert_int_equal(read_settings(&s, "--check", path), 0);
    assert_int_equal(read_settings(&s, "--check", "/no/such.so"), 2);
    assert_string_equal(said, "prog: /no/such.so: No such file or directory\n");
    assert_int_equal(read_settings(&s, "--check", "shop:app"), 2);
    expect_said("shop:app: No such file or directory; an application in "
                "Python is --wsgi shop:app\n");
    assert_int_equal(read_settings(&s, "--check", "/tmp"), 2);
    expect_said("prog: /tmp is a directory\n");
    assert_int_equal(read_settings(&s, "--check", script), 2);
    expect_said(".py is Python, of which --wsgi MODULE:APP serves");
    from.module = false;
    unlink(script);
}

static void paths_are_looked_for_where_they_will_be(void **state)
{
    (void)state;
    struct ed_settings s;
    char token[] = "/tmp/eddy-settings-token-XXXXXX";
    close(mkstemp(token));
    char *name = token + strlen("/tmp/");
    assert_int_equal(
        read_settings(&s, "--check", "--workdir=/tmp", "--admin-token", name),
        0);
    assert_int_equal(
        read_settings(&s, "--check", "--workdir=/", "--admin-token", name), 2);
    unlink(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nonsense_is_refused_by_name, begin),
        cmocka_unit_test_setup(check_says_ok_or_all_that_is_wrong, begin),
        cmocka_unit_test_setup(what_is_told_of_python_is_checked, begin),
        cmocka_unit_test_setup(what_is_no_module_is_told_before_it_is_loaded,
                               begin),
        cmocka_unit_test_setup(paths_are_looked_for_where_they_will_be, begin),
    };
    close(mkstemp(path));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
