/*
 * test_main.c - ed_main() as a process: its command line, its signals and what
 * it logs. Each test runs it in a child and reads what it prints.
 */
#include <eddy/app.h>
#include <eddy/log.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "certs.h"

#define PATIENCE_MS                                          \
    20000 /* for what never takes long but on a busy machine \
           */

/* ---- the program under test ---- */

static const char *greeting = "hi";

static int greet(ed_req *req)
{
    return ed_reply(req, 200, "%s\n", greeting);
}

static int wait_a_little(ed_req *req)
{
    ed_log_info("somebody waits");
    int err = ed_sleep(200 * ED_MS);
    return err ? err : ed_reply(req, 200, "done\n");
}

static int wait_for_ever(ed_req *req)
{
    ed_log_info("somebody waits");
    int err = ed_sleep(INT64_MAX / 2);
    return err ? err : ed_reply(req, 200, "never\n");
}

static int log_in_child(void *arg)
{
    ed_log_info("said by a %s", (char *)arg);
    return 0;
}

static int log_something(ed_req *req)
{
    ed_scope(s);
    ed_go(s, log_in_child, "child");
    int err = ed_wait(s);
    return err ? err : ed_reply(req, 200, "%s\n", ed_req_id(req));
}

static int break_off(ed_req *req)
{
    (void)req;
    return ed_fail(ED_ECONNECT, "db.internal");
}

static int tick(void *arg)
{
    ed_log_info("task %s", (char *)arg);
    return ed_sleep(INT64_MAX / 2);
}

static int break_down(void *arg)
{
    (void)arg;
    return ed_fail(ED_ELIMIT, "nothing left to do");
}

static int start_task(ed_req *req)
{
    int err = ed_app_background(ed_req_app(req), tick, "later");
    return err ? err : ed_reply(req, 200, "started\n");
}

static int get_ready(void *arg)
{
    ed_log_info("ready with %s and %s", greeting, (char *)arg);
    return strcmp(greeting, "none") ? 0 : ed_fail(ED_EBADREQ, "no greeting");
}

static bool with_bad_route;

static int run_program(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    ed_route(app, "GET /", greet);
    ed_route(app, "GET /slow", wait_a_little);
    ed_route(app, "GET /forever", wait_for_ever);
    ed_route(app, "GET /log", log_something);
    ed_route(app, "GET /fail", break_off);
    ed_route(app, "GET /task", start_task);
    ed_option(app, "greeting", &greeting, "WORD", "what / says");
    ed_app_context(app, get_ready, NULL, "a smile");
    ed_app_background(app, tick, "first");
    ed_app_background(app, break_down, NULL);
    if (with_bad_route)
        ed_route(app, "GET /{", greet);
    return ed_main(app, argc, argv);
}

/* ---- running it ---- */

struct program {
    pid_t pid;
    int output; /* its stdout and stderr */
    struct ed_buf text;
};

#define start(...) \
    start_((const char *[]){"/x/prog", "--single", ##__VA_ARGS__, NULL})

static struct program start_(const char **argv)
{
    struct program p = {0};
    int fds[2], argc = 0;
    assert_int_equal(pipe(fds), 0);
    while (argv[argc])
        argc++;
    fflush(NULL);
    p.pid = fork();
    assert_true(p.pid >= 0);
    if (p.pid == 0) {
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        exit(run_program(argc, (char **)argv));
    }
    close(fds[1]);
    p.output = fds[0];
    return p;
}

/* Reads more of what it prints; false at the end. */
static bool read_more(struct program *p)
{
    struct pollfd ready = {p->output, POLLIN, 0};
    char piece[1024];
    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    ssize_t n = read(p->output, piece, sizeof piece);
    assert_true(n >= 0);
    assert_int_equal(ed_buf_add(&p->text, piece, (size_t)n), 0);
    return n > 0;
}

static const char *printed(struct program *p, const char *text)
{
    const char *at;
    while (!(at = p->text.len ? strstr(p->text.ptr, text) : NULL)) {
        if (!read_more(p)) {
            print_error("not printed: %s\n%s\n", text, p->text.ptr);
            fail_msg("the program ended");
        }
    }
    return at;
}

/* Waits for its end and gives its exit status. */
static int status_of(struct program *p)
{
    int status;
    while (read_more(p))
        continue;
    close(p->output);
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void forget(struct program *p)
{
    ed_buf_free(&p->text);
}

static void stop(struct program *p)
{
    kill(p->pid, SIGTERM);
    assert_int_equal(status_of(p), 0);
    forget(p);
}

static uint16_t port_of(struct program *p)
{
    const char *at = printed(p, "listening on http://127.0.0.1:");
    while (!strchr(at, '\n')) {
        size_t offset = (size_t)(at - p->text.ptr);
        assert_true(read_more(p));
        at = p->text.ptr + offset;
    }
    const char *colon = memrchr(at, ':', strcspn(at, "\n"));
    return (uint16_t)strtoul(colon + 1, NULL, 10);
}

/* ---- asking it ---- */

static int connect_to(const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, address, len), 0);
    return fd;
}

static int connect_port(uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return connect_to((struct sockaddr *)&in, sizeof in);
}

static void send_request(int fd, const char *path)
{
    char text[128];
    int len = snprintf(
        text, sizeof text,
        "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
    assert_int_equal(write(fd, text, (size_t)len), len);
}

/* All that comes until the end; closes the connection. */
static char *read_reply(int fd)
{
    static char text[4096];
    size_t len = 0;
    ssize_t n;
    while ((n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fd);
    return text;
}

static char *get(uint16_t port, const char *path)
{
    int fd = connect_port(port);
    send_request(fd, path);
    return read_reply(fd);
}

/* ---- the command line ---- */

static void expect_usage_error(struct program p, const char *line)
{
    assert_int_equal(status_of(&p), 2);
    assert_string_equal(p.text.ptr, line);
    forget(&p);
}

static void wrong_usage_is_one_line_and_status_2(void **state)
{
    (void)state;
    expect_usage_error(start("--lisen", "x"),
                       "prog: unknown option '--lisen' (did you mean "
                       "'--listen'?)\n");
    expect_usage_error(start("--greting=x"),
                       "prog: unknown option '--greting' (did you mean "
                       "'--greeting'?)\n");
    expect_usage_error(start("--qwertz"),
                       "prog: unknown option '--qwertz' (--help lists them)\n");
    expect_usage_error(start("--listen"),
                       "prog: --listen needs a value: ADDRESS\n");
    expect_usage_error(start("--greeting"),
                       "prog: --greeting needs a value: WORD\n");
    expect_usage_error(start("--help=x"), "prog: --help takes no value\n");
    expect_usage_error(start("--log", "loud"),
                       "prog: --log 'loud' is none of debug, info, warn, error "
                       "and off, with ,text or ,json behind it\n");
    expect_usage_error(start("8080"), "prog: unexpected argument '8080' "
                                      "(--help lists the options)\n");
    expect_usage_error(start("--keyfile", "site.key"),
                       "prog: --keyfile without certfile\n");
    expect_usage_error(start("--"), "prog: unexpected argument '--' (--help "
                                    "lists the options)\n");
}

static void a_malformed_address_is_wrong_usage(void **state)
{
    (void)state;
    struct program p = start("--log", "off", "--listen", "no port");
    assert_int_equal(status_of(&p), 2);
    assert_string_equal(p.text.ptr,
                        "prog: --listen 'no port' is no address such as "
                        "127.0.0.1:8080, [::]:80 or unix:/run/x.sock\n");
    forget(&p);
}

static void help_lists_all_options(void **state)
{
    (void)state;
    struct program p = start("--help");
    assert_int_equal(status_of(&p), 0);
    assert_memory_equal(p.text.ptr, "usage: prog [OPTION...]\n", 24);
    printed(&p, "  --greeting WORD          what / says (hi)\n");
    printed(&p, "  --listen ADDRESS         where to listen");
    printed(&p, "  --log LEVEL[,FORMAT]     debug");
    printed(&p, "  --help  ");
    forget(&p);
}

static void version_names_the_library(void **state)
{
    (void)state;
    struct program p = start("--version");
    assert_int_equal(status_of(&p), 0);
    assert_string_equal(p.text.ptr, "prog, on eddy " ED_VERSION "\n");
    forget(&p);
}

static void what_takes_a_master_is_told_to_do_nothing(void **state)
{
    (void)state;
    struct program p =
        start("--listen=127.0.0.1:0", "--pidfile=/tmp/x", "--admin=:0");
    printed(&p, "admin does nothing with single");
    printed(&p, "pidfile does nothing with single");
    (void)port_of(&p); /* signals are waited for */
    stop(&p);
}

static void a_programs_own_option_sets_its_variable(void **state)
{
    (void)state;
    struct program p = start("--listen=127.0.0.1:0", "--greeting", "moin");
    assert_non_null(strstr(get(port_of(&p), "/"), "\r\n\r\nmoin\n"));
    stop(&p);
    p = start("--greeting=a=b", "--listen", "127.0.0.1:0");
    assert_non_null(strstr(get(port_of(&p), "/"), "\r\n\r\na=b\n"));
    stop(&p);
}

/* ---- starting ---- */

static void a_refused_route_keeps_it_from_starting(void **state)
{
    (void)state;
    with_bad_route = true;
    struct program p = start("--listen", "127.0.0.1:0");
    with_bad_route = false;
    assert_int_equal(status_of(&p), 1);
    printed(&p, "route \"GET /{\"");
    printed(&p, "not starting");
    forget(&p);
}

static void a_certificate_that_is_not_there_keeps_it_from_starting(void **state)
{
    (void)state;
    struct program p = start("--certfile", "/nowhere/site.pem");
    assert_int_equal(status_of(&p), 2);
    printed(&p, "--certfile '/nowhere/site.pem': No such file or directory");
    assert_null(strstr(p.text.ptr, "stops"));
    forget(&p);
}

static void with_a_certificate_it_speaks_tls_and_reads_it_again(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "localhost");
    struct program p =
        start("--listen", "127.0.0.1:0", "--certfile", certs_path("site.pem"),
              "--keyfile", certs_path("site.key"));
    printed(&p, "listening on https://127.0.0.1:");
    assert_int_equal(kill(p.pid, SIGHUP), 0);
    printed(&p, "certificates reloaded");
    certs_write("site.pem", "nonsense");
    assert_int_equal(kill(p.pid, SIGHUP), 0);
    printed(&p, "certificates not reloaded, the old ones stay: ");
    stop(&p);
    certs_close();
}

static void a_taken_address_is_a_failure_that_names_it(void **state)
{
    (void)state;
    char address[32];
    struct program first = start("--listen", "127.0.0.1:0");
    snprintf(address, sizeof address, "127.0.0.1:%u", port_of(&first));
    struct program second = start("--listen", address);
    assert_int_equal(status_of(&second), 1);
    printed(&second, address);
    assert_null(strstr(second.text.ptr, "stops"));
    forget(&second);
    stop(&first);
}

static void it_listens_everywhere_it_was_told_to(void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char option[sizeof un.sun_path + 16];
    snprintf(un.sun_path, sizeof un.sun_path, "/tmp/eddy-test-%d.sock",
             (int)getpid());
    snprintf(option, sizeof option, "--listen=unix:%s", un.sun_path);
    struct program p = start("--listen", "127.0.0.1:0", option);
    assert_non_null(strstr(get(port_of(&p), "/"), "hi\n"));
    printed(&p, "listening on unix:/tmp/eddy-test-");
    int fd = connect_to((struct sockaddr *)&un, sizeof un);
    send_request(fd, "/");
    assert_non_null(strstr(read_reply(fd), "hi\n"));
    stop(&p);
    assert_int_equal(access(un.sun_path, F_OK), -1);
}

/* ---- signals ---- */

static void sigterm_and_sigquit_let_requests_end(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGQUIT};
    for (unsigned i = 0; i < 2; i++) {
        struct program p = start("--listen", "127.0.0.1:0");
        int fd = connect_port(port_of(&p));
        send_request(fd, "/slow");
        printed(&p, "somebody waits");
        kill(p.pid, signals[i]);
        assert_non_null(strstr(read_reply(fd), "done\n"));
        assert_int_equal(status_of(&p), 0);
        forget(&p);
    }
}

static void sigint_does_not(void **state)
{
    (void)state;
    struct program p = start("--listen", "127.0.0.1:0");
    int fd = connect_port(port_of(&p));
    send_request(fd, "/forever");
    printed(&p, "somebody waits");
    kill(p.pid, SIGINT);
    assert_null(strstr(read_reply(fd), "never"));
    assert_int_equal(status_of(&p), 0);
    forget(&p);
}

static void the_second_signal_cancels_them(void **state)
{
    (void)state;
    struct program p = start("--listen", "127.0.0.1:0");
    int fd = connect_port(port_of(&p));
    send_request(fd, "/forever");
    printed(&p, "somebody waits");
    kill(p.pid, SIGTERM);
    printed(&p, "stopping when all requests are answered");
    kill(p.pid, SIGTERM);
    assert_null(strstr(read_reply(fd), "never"));
    assert_int_equal(status_of(&p), 0);
    printed(&p, "stopping at once");
    forget(&p);
}

static void sigusr1_opens_the_log_again(void **state)
{
    (void)state;
    char name[] = "/tmp/eddy-log-XXXXXX", moved[64];
    close(mkstemp(name));
    snprintf(moved, sizeof moved, "%s.1", name);
    struct program p = start("--listen", "127.0.0.1:0", "--log-file", name);
    while (access(moved, F_OK)) {
        struct stat st;
        if (!stat(name, &st) && st.st_size)
            assert_int_equal(rename(name, moved), 0);
        usleep(1000);
    }
    do {
        kill(p.pid, SIGUSR1);
        usleep(10000);
    } while (access(name, F_OK));
    stop(&p);
    unlink(name);
    unlink(moved);
}

static void a_client_that_vanishes_does_not_end_it(void **state)
{
    (void)state;
    struct program p = start("--listen", "127.0.0.1:0");
    uint16_t port = port_of(&p);
    for (unsigned i = 0; i < 3; i++) {
        int fd = connect_port(port);
        struct linger reset = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        send_request(fd, "/slow");
        close(fd);
    }
    kill(p.pid, SIGPIPE);
    assert_non_null(strstr(get(port, "/"), "hi\n"));
    stop(&p);
}

/* ---- the log, and tasks ---- */

static void lines_of_a_request_carry_its_id(void **state)
{
    (void)state;
    struct program p = start("--listen", "127.0.0.1:0");
    char id[64], wanted[96];
    char *reply = get(port_of(&p), "/log");
    assert_int_equal(sscanf(strstr(reply, "\r\n\r\n"), " %63s", id), 1);
    snprintf(wanted, sizeof wanted, "[%s] said by a child", id);
    printed(&p, wanted);
    stop(&p);
}

static void a_5xx_shows_the_id_of_its_log_line(void **state)
{
    (void)state;
    struct program p = start("--listen", "127.0.0.1:0");
    char id[64], wanted[96];
    char *reply = get(port_of(&p), "/fail");
    assert_int_equal(sscanf(strstr(reply, "Request "), "Request %63s", id), 1);
    assert_null(strstr(reply, "internal"));
    snprintf(wanted, sizeof wanted, "[%s] GET /fail failed", id);
    printed(&p, wanted);
    printed(&p, "db.internal");
    stop(&p);
}

static void the_log_is_json_when_asked(void **state)
{
    (void)state;
    struct program p = start("--listen", "127.0.0.1:0", "--log", "info,json");
    printed(&p, "\"message\":\"listening on http://127.0.0.1:");
    stop(&p);
}

static void tasks_run_and_their_failure_is_logged(void **state)
{
    (void)state;
    struct program p = start("--listen", "127.0.0.1:0");
    uint16_t port = port_of(&p);
    printed(&p, "task first");
    printed(&p, "break_down");
    printed(&p, "nothing left to do");
    assert_non_null(strstr(get(port, "/task"), "started"));
    printed(&p, "INFO  task later");
    assert_non_null(strstr(get(port, "/"), "hi\n"));
    kill(p.pid, SIGTERM);
    assert_int_equal(status_of(&p), 0);
    /* Being cancelled at the end is no failure. */
    assert_null(strstr(p.text.ptr, "tick"));
    forget(&p);
}

/* ---- what is done before it serves ---- */

static void a_start_runs_before_it_listens_and_knows_the_options(void **state)
{
    (void)state;
    struct program p = start("--listen=127.0.0.1:0", "--greeting", "moin");
    const char *listening = printed(&p, "listening on");
    const char *ready = strstr(p.text.ptr, "ready with moin and a smile\n");
    assert_non_null(ready);
    assert_true(ready < listening);
    stop(&p);
}

static void a_start_that_fails_ends_the_program_and_says_why(void **state)
{
    (void)state;
    struct program p = start("--listen=127.0.0.1:0", "--greeting", "none");
    assert_int_equal(status_of(&p), 1);
    assert_non_null(strstr(p.text.ptr, ": no greeting\n"));
    assert_null(strstr(p.text.ptr, "listening on"));
    forget(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_is_one_line_and_status_2),
        cmocka_unit_test(a_malformed_address_is_wrong_usage),
        cmocka_unit_test(help_lists_all_options),
        cmocka_unit_test(version_names_the_library),
        cmocka_unit_test(what_takes_a_master_is_told_to_do_nothing),
        cmocka_unit_test(a_programs_own_option_sets_its_variable),
        cmocka_unit_test(a_refused_route_keeps_it_from_starting),
        cmocka_unit_test(
            a_certificate_that_is_not_there_keeps_it_from_starting),
        cmocka_unit_test(with_a_certificate_it_speaks_tls_and_reads_it_again),
        cmocka_unit_test(a_taken_address_is_a_failure_that_names_it),
        cmocka_unit_test(it_listens_everywhere_it_was_told_to),
        cmocka_unit_test(sigterm_and_sigquit_let_requests_end),
        cmocka_unit_test(sigint_does_not),
        cmocka_unit_test(the_second_signal_cancels_them),
        cmocka_unit_test(sigusr1_opens_the_log_again),
        cmocka_unit_test(a_client_that_vanishes_does_not_end_it),
        cmocka_unit_test(lines_of_a_request_carry_its_id),
        cmocka_unit_test(a_5xx_shows_the_id_of_its_log_line),
        cmocka_unit_test(the_log_is_json_when_asked),
        cmocka_unit_test(tasks_run_and_their_failure_is_logged),
        cmocka_unit_test(a_start_runs_before_it_listens_and_knows_the_options),
        cmocka_unit_test(a_start_that_fails_ends_the_program_and_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
