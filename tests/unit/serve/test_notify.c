/*
 * test_notify.c - what a service manager hears, on a socket of its kind.
 */
#include "serve/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];
static int manager = -1;

/* A socket at NOTIFY_SOCKET; '@' begins an abstract name. */
static void listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);

    memcpy(address.sun_path, name, len);
    if (*name == '@')
        address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(
        bind(manager, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
        0);
    setenv("NOTIFY_SOCKET", name, 1);
}

/* The next message; "" when there is none. */
static const char *heard(void)
{
    static char text[512];
    ssize_t n = recv(manager, text, sizeof text - 1, MSG_DONTWAIT);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/eddy-notify-%d", (int)getpid());
    listen_at(path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(manager);
    unlink(path);
    ed_notify_forget();
    return 0;
}

static void lines_reach_the_manager(void **state)
{
    (void)state;
    ed_notify("READY=1");
    assert_string_equal(heard(), "READY=1");
    ed_notify_status("%u workers", 3U);
    assert_string_equal(heard(), "STATUS=3 workers");
    assert_string_equal(heard(), "");
}

static void an_abstract_name_is_one_without_a_file(void **state)
{
    char name[64];

    (void)state;
    close(manager);
    snprintf(name, sizeof name, "@eddy-notify-%d", (int)getpid());
    listen_at(name);
    ed_notify("READY=1");
    assert_string_equal(heard(), "READY=1");
}

static void a_reload_says_when_it_began(void **state)
{
    long long us = 0;
    int64_t before = ed_clock_monotonic() / ED_US;

    (void)state;
    ed_notify_reloading();
    static const char begin[] = "RELOADING=1\nMONOTONIC_USEC=";
    const char *text = heard();
    assert_memory_equal(text, begin, sizeof begin - 1);
    us = strtoll(text + sizeof begin - 1, NULL, 10);
    assert_true(us >= before && us <= ed_clock_monotonic() / ED_US);
}

static void the_watchdog_hears_at_half_of_its_time(void **state)
{
    const int64_t begun = 100 * ED_S;

    (void)state;
    setenv("WATCHDOG_USEC", "2000000", 1);
    ed_notify_take_over(0);
    (void)heard();
    assert_int_equal(ed_notify_watchdog(begun), begun + ED_S);
    assert_string_equal(heard(), "WATCHDOG=1");
    assert_int_equal(ed_notify_watchdog(begun + ED_S / 2), begun + ED_S);
    assert_string_equal(heard(), "");
    assert_int_equal(ed_notify_watchdog(begun + ED_S), begun + 2 * ED_S);
    assert_string_equal(heard(), "WATCHDOG=1");
}

static void a_watchdog_of_another_process_hears_nothing(void **state)
{
    char pid[24];

    (void)state;
    setenv("WATCHDOG_USEC", "2000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(ed_notify_watchdog(ED_S), 0);
    assert_string_equal(heard(), "");
    setenv("WATCHDOG_USEC", "soon", 1);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(ed_notify_watchdog(ED_S), 0);
    assert_string_equal(heard(), "");
}

/* As an upgrade does: the watchdog's variable names the master before. */
static void who_takes_over_is_watched_instead(void **state)
{
    char text[64];

    (void)state;
    setenv("WATCHDOG_USEC", "2000000", 1);
    setenv("WATCHDOG_PID", "4711", 1);
    ed_notify_take_over(4711);
    snprintf(text, sizeof text, "MAINPID=%d\nREADY=1", (int)getpid());
    assert_string_equal(heard(), text);
    assert_true(ed_notify_watchdog(ED_S) > 0);
    assert_string_equal(heard(), "WATCHDOG=1");
}

/* systemd looks whose child a main process is when it is told of another. */
static void who_was_adopted_is_told_of_as_if_new(void **state)
{
    char text[64];

    (void)state;
    assert_true(ed_notify_adopted(4711));
    assert_string_equal(heard(), "MAINPID=4711");
    snprintf(text, sizeof text, "MAINPID=%d", (int)getpid());
    assert_string_equal(heard(), text);
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    assert_false(ed_notify_adopted(4711));
    unsetenv("NOTIFY_SOCKET");
    assert_true(ed_notify_adopted(4711));
}

/* Has the manager read what has come, and be ready for more. */
static void catch_up(int messages)
{
    for (int i = 0; i < messages; i++)
        (void)recv(manager, &(char){0}, 1, 0);
}

/* What it hears that has no room for more until a moment later. */
static const char *heard_when_behind(void)
{
    int status, sent = 0;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    while (sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&address,
                  sizeof address) == 1)
        sent++;
    assert_true(sent > 0);
    pid_t pid = fork();
    if (!pid) {
        usleep(30000);
        catch_up(sent);
        _exit(0);
    }
    ed_notify("READY=1");
    waitpid(pid, &status, 0);
    close(fd);
    return heard();
}

/* On a busy machine it may be behind for longer than that: then once more. */
static void a_manager_that_is_behind_is_waited_for(void **state)
{
    const char *text = "";

    (void)state;
    for (int i = 0; i < 20 && !*text; i++)
        text = heard_when_behind();
    assert_string_equal(text, "READY=1");
}

static void without_a_manager_nothing_happens(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "2000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    ed_notify_forget();
    ed_notify("READY=1");
    assert_string_equal(heard(), "");
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    setenv("NOTIFY_SOCKET", "not/absolute", 1);
    ed_notify("READY=1");
}

#define NOTIFY_TEST(name) \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NOTIFY_TEST(lines_reach_the_manager),
        NOTIFY_TEST(an_abstract_name_is_one_without_a_file),
        NOTIFY_TEST(a_reload_says_when_it_began),
        NOTIFY_TEST(the_watchdog_hears_at_half_of_its_time),
        NOTIFY_TEST(a_watchdog_of_another_process_hears_nothing),
        NOTIFY_TEST(who_takes_over_is_watched_instead),
        NOTIFY_TEST(who_was_adopted_is_told_of_as_if_new),
        NOTIFY_TEST(a_manager_that_is_behind_is_waited_for),
        NOTIFY_TEST(without_a_manager_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
