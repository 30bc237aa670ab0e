/*
 * test_fault_proxy.c - the proxy that cuts and stalls does so at the very byte.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fault_proxy.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A client and a server, and the proxy between. */
struct line {
    char folder[32], front[64], back[64];
    struct fault_proxy *proxy;
    int listener, client, server;
};

static int unix_socket(struct sockaddr_un *addr, const char *path)
{
    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof(addr->sun_path));
    memcpy(addr->sun_path, path, strlen(path));
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int dial(struct line *l)
{
    struct sockaddr_un addr;
    int fd = unix_socket(&addr, l->front + strlen("unix:"));

    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void join(struct line *l)
{
    l->client = dial(l);
    assert_true(l->client >= 0);
    l->server = accept(l->listener, NULL, NULL);
    assert_true(l->server >= 0);
}

static int open_line(void **state)
{
    static struct line line;
    struct line *l = &line;
    struct sockaddr_un addr;

    strcpy(l->folder, "/tmp/eddy-line-XXXXXX");
    assert_non_null(mkdtemp(l->folder));
    snprintf(l->front, sizeof(l->front), "unix:%.30s/front", l->folder);
    snprintf(l->back, sizeof(l->back), "unix:%.30s/back", l->folder);
    l->listener = unix_socket(&addr, l->back + strlen("unix:"));
    assert_int_equal(bind(l->listener, (struct sockaddr *)&addr, sizeof(addr)),
                     0);
    assert_int_equal(listen(l->listener, 8), 0);
    l->proxy = fault_proxy_start(l->front, l->back);
    join(l);
    *state = l;
    return 0;
}

static int close_line(void **state)
{
    struct line *l = *state;

    fault_proxy_stop(l->proxy);
    close(l->client);
    close(l->server);
    close(l->listener);
    unlink(l->back + strlen("unix:"));
    rmdir(l->folder);
    return 0;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
                     (ssize_t)strlen(text));
}

/* What comes within `ms`, or until the end, which is shown as a "." */
static const char *hear(int fd, size_t most, int ms)
{
    static char text[256];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t len = 0;

    while (len < most && poll(&p, 1, ms) == 1) {
        ssize_t n = read(fd, text + len, most - len);
        if (n <= 0) {
            text[len++] = '.';
            break;
        }
        len += (size_t)n;
    }
    text[len] = '\0';
    return text;
}

enum { SOON = 2000, A_WHILE = 50 }; /* milliseconds */

static void without_a_fault_all_passes(void **state)
{
    struct line *l = *state;

    say(l->client, "hello");
    assert_string_equal(hear(l->server, 5, SOON), "hello");
    say(l->server, "good day");
    assert_string_equal(hear(l->client, 8, SOON), "good day");
    assert_int_equal(fault_proxy_count(l->proxy, FAULT_REQUEST), 5);
    assert_int_equal(fault_proxy_count(l->proxy, FAULT_ANSWER), 8);
    shutdown(l->client, SHUT_WR);
    assert_string_equal(hear(l->server, 9, SOON), ".");
    say(l->server, "still here");
    assert_string_equal(hear(l->client, 10, SOON), "still here");
}

static void a_cut_comes_after_the_byte_asked_for(void **state)
{
    struct line *l = *state;

    fault_proxy_set(l->proxy, .action = FAULT_CUT, .side = FAULT_ANSWER,
                    .after = 4);
    say(l->server, "goodbye");
    assert_string_equal(hear(l->client, 100, SOON), "good.");
    assert_string_equal(hear(l->server, 100, SOON), ".");
    assert_int_equal(fault_proxy_happened(l->proxy), 1);
    assert_int_equal(fault_proxy_connections(l->proxy), 0);
}

static void a_cut_after_nothing_waits_for_the_first_byte(void **state)
{
    struct line *l = *state;

    fault_proxy_set(l->proxy, .action = FAULT_CUT, .side = FAULT_REQUEST);
    assert_string_equal(hear(l->server, 100, A_WHILE), "");
    say(l->client, "x");
    assert_string_equal(hear(l->server, 100, SOON), ".");
}

static void a_stall_lasts_until_it_is_released(void **state)
{
    struct line *l = *state;

    fault_proxy_set(l->proxy, .action = FAULT_STALL, .side = FAULT_REQUEST,
                    .after = 2);
    say(l->client, "hello");
    assert_string_equal(hear(l->server, 100, A_WHILE), "he");
    say(l->server, "well?");
    assert_string_equal(hear(l->client, 5, SOON), "well?");
    fault_proxy_release(l->proxy);
    assert_string_equal(hear(l->server, 3, SOON), "llo");
}

static void a_delay_ends_by_itself(void **state)
{
    struct line *l = *state;

    fault_proxy_set(l->proxy, .action = FAULT_DELAY, .side = FAULT_ANSWER,
                    .after = 1, .delay_ms = 2 * A_WHILE, .lasting = true);
    say(l->server, "ab");
    assert_string_equal(hear(l->client, 100, A_WHILE), "a");
    assert_string_equal(hear(l->client, 1, SOON), "b");
    assert_int_equal(fault_proxy_happened(l->proxy), 2);
}

static void new_connections_are_refused_when_asked(void **state)
{
    struct line *l = *state;

    fault_proxy_refuse(l->proxy, true);
    assert_int_equal(dial(l), -1);
    assert_int_equal(errno, ECONNREFUSED);
    say(l->client, "x");
    assert_string_equal(hear(l->server, 1, SOON), "x");
    fault_proxy_refuse(l->proxy, false);
    close(l->client);
    close(l->server);
    join(l);
}

static void what_happens_now_happens_to_all(void **state)
{
    struct line *l = *state;
    int client = l->client, server = l->server;

    join(l);
    fault_proxy_now(l->proxy, FAULT_CUT, FAULT_REQUEST);
    assert_string_equal(hear(client, 1, SOON), ".");
    assert_string_equal(hear(l->client, 1, SOON), ".");
    close(client);
    close(server);
}

#define LINE_TEST(name) \
    cmocka_unit_test_setup_teardown(name, open_line, close_line)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LINE_TEST(without_a_fault_all_passes),
        LINE_TEST(a_cut_comes_after_the_byte_asked_for),
        LINE_TEST(a_cut_after_nothing_waits_for_the_first_byte),
        LINE_TEST(a_stall_lasts_until_it_is_released),
        LINE_TEST(a_delay_ends_by_itself),
        LINE_TEST(new_connections_are_refused_when_asked),
        LINE_TEST(what_happens_now_happens_to_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
