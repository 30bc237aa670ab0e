/*
 * test_admin_access.c - the admin process, by whom it answers: a page of
 * somebody else's in the browser of one who may connect shall get nothing.
 */
#include "admin_world.h"

#include <eddy/stream.h>
#include <stdlib.h>
#include <unistd.h>

enum { ANSWER_MAX = 4000 };

/* Sends a request with these fields to the admin address; all of the answer's
 * head. */
static const char *answer_to(struct world *w, const char *method,
                             const char *path, const char *fields)
{
    static char answer[ANSWER_MAX + 1];
    ed_stream *s = NULL;
    struct ed_bytes head = {0};
    int err = ed_connect(&s, strstr(w->open_url, "127."));

    if (!err)
        err = ed_stream_printf(s, "%s %s HTTP/1.1\r\n%s\r\n", method, path,
                               fields);
    if (!err)
        err = ed_stream_read_until(s, ED_BYTES("\r\n\r\n"), ANSWER_MAX, &head);
    check_int(err, 0);
    snprintf(answer, sizeof answer, "%.*s", (int)head.len, head.ptr);
    ed_stream_close(s);
    return answer;
}

static int status_at(struct world *w, const char *path, const char *host)
{
    char fields[300];

    snprintf(fields, sizeof fields, "Host: %s\r\nConnection: close\r\n", host);
    const char *answer = answer_to(w, "GET", path, fields);
    return (int)strtol(answer + strcspn(answer, " "), NULL, 10);
}

static void check_hosts(struct world *w, const char *const hosts[], int status)
{
    for (; *hosts; hosts++) {
        int got = status_at(w, "/v1/status", *hosts);
        check_(got == status, "%s: %d", *hosts, got);
    }
}

/* A name leads wherever its owner wants: to us, in the browser of one who may
 * connect, and the page then counts as ours. */
ADMIN_TEST(who_asks_by_a_foreign_name_is_told_nothing)
{
    static const char *const foreign[] = {
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil-localhost",
        "",
        NULL,
    };

    check_hosts(w, foreign, 421);
    check_int(status_at(w, "/metrics", "evil.example"), 421);
    check_int(status_at(w, "/console/", "evil.example"), 421);
}

ADMIN_TEST(addresses_and_the_names_of_the_machine_itself_are_known)
{
    char name[80] = "";
    const char *own[] = {
        "127.0.0.1",    "127.0.0.1:9180",
        "192.0.2.7:80", "[::1]",
        "[::1]:80",     "[2001:db8::7]:443",
        "localhost",    "LocalHost:9180",
        "localhost.",   name,
        NULL,
    };

    check_int(gethostname(name, sizeof name - 1), 0);
    check_hosts(w, own, 200);
}

/* Balancers name hosts as they like, and learn nothing but what they are for.
 */
ADMIN_TEST(health_is_told_by_any_name)
{
    world_worker(w, 0, 4101, NULL);
    check_int(status_at(w, "/healthz", "shop.example"), 200);
    check_int(status_at(w, "/readyz", "shop.example"), 200);
}

static void with_hosts(struct world *w)
{
    static const char *hosts[] = {"console.example", "Two.Example", NULL};

    w->settings.admin_hosts = (struct ed_texts){hosts, 2};
}

ADMIN_TEST_WITH(names_of_the_settings_are_known, with_hosts)
{
    static const char *const known[] = {
        "console.example",
        "CONSOLE.example:9180",
        "two.example",
        "127.0.0.1",
        NULL,
    };
    static const char *const foreign[] = {
        "evil.example",
        "a.console.example",
        "console.example.evil",
        NULL,
    };

    check_hosts(w, known, 200);
    check_hosts(w, foreign, 421);
}

static void with_any_host(struct world *w)
{
    static const char *hosts[] = {"*", NULL};

    w->settings.admin_hosts = (struct ed_texts){hosts, 1};
}

ADMIN_TEST_WITH(any_name_may_be_known, with_any_host)
{
    check_int(status_at(w, "/v1/status", "evil.example"), 200);
}

ADMIN_TEST(what_is_to_be_done_is_told)
{
    const char *answer = answer_to(w, "GET", "/v1/status",
                                   "Host: evil.example\r\n"
                                   "Connection: close\r\n");

    check(strstr(answer, "421 Misdirected Request"));
    check(strstr(answer, "application/json"));
}

/* The socket's mode is the lock there. */
ADMIN_TEST(by_its_socket_it_is_asked_under_any_name)
{
    check_int(world_status(world_get(w, "/v1/status")), 200);
}

/* ---- WebSockets ---- */

static int live_for(struct world *w, const char *host, const char *origin)
{
    char fields[400];

    snprintf(fields, sizeof fields,
             "Host: %s\r\n%s%s%sConnection: Upgrade\r\n"
             "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
             host, origin ? "Origin: " : "", origin ? origin : "",
             origin ? "\r\n" : "");
    const char *answer = answer_to(w, "GET", "/v1/live", fields);
    return (int)strtol(answer + strcspn(answer, " "), NULL, 10);
}

ADMIN_TEST(pages_of_others_do_not_look_live)
{
    check_int(live_for(w, "localhost:9180", NULL), 101);
    check_int(live_for(w, "localhost:9180", "http://localhost:9180"), 101);
    check_int(live_for(w, "localhost:9180", "http://evil.example"), 403);
    check_int(live_for(w, "localhost:9180", "http://localhost:8080"), 403);
    check_int(live_for(w, "localhost:9180", "null"), 403);
    check_int(live_for(w, "evil.example", "http://evil.example"), 421);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_by_a_foreign_name_is_told_nothing),
        cmocka_unit_test(
            addresses_and_the_names_of_the_machine_itself_are_known),
        cmocka_unit_test(health_is_told_by_any_name),
        cmocka_unit_test(names_of_the_settings_are_known),
        cmocka_unit_test(any_name_may_be_known),
        cmocka_unit_test(what_is_to_be_done_is_told),
        cmocka_unit_test(by_its_socket_it_is_asked_under_any_name),
        cmocka_unit_test(pages_of_others_do_not_look_live),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
