/*
 * test_server_stop.c - how a server ends: at once for who is idle, after their
 * replies for the others, and in the end in any case.
 */
#include "served_handlers.h"

FIBER_TEST(a_stop_closes_idle_connections_and_listeners_at_once)
{
    struct served s = {.clients_left = 1};
    ed_stream *late = NULL;

    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    served_says(client, "Hello");
    int64_t began = ed_now();
    ed_server_stop(s.server);
    check(served_ended(client));
    check(ed_connect(&late, s.address) != 0);
    served_join(&s);
    check(ed_now() - began < ED_S);
    check_int(s.result, 0);
    ed_stream_close(client);
}

FIBER_TEST(a_stop_lets_requests_be_answered_and_says_that_it_closes)
{
    struct served s = {0};

    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/sleep");
    settle();
    ed_server_stop(s.server);
    check_int(ed_sleep(5 * ED_S), 0);
    served_says(client, "Connection: close\r\n");
    check(served_ended(client));
    ed_stream_close(client);
    served_join(&s);
    check_int(s.result, 0);
    check_int(served_cancelled, 0);
}

FIBER_TEST(a_head_under_way_at_a_stop_is_still_answered)
{
    struct served s = {0};

    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_send(client, "GET / HTTP/1.1\r\n");
    settle();
    ed_server_stop(s.server);
    settle();
    served_send(client, "Host: a\r\n\r\n");
    served_says(client, "Connection: close\r\n");
    ed_stream_close(client);
    served_join(&s);
    check_int(s.result, 0);
}

FIBER_TEST(a_reply_under_way_at_a_stop_is_still_taken)
{
    struct served s = {.clients_left = 1};
    char buf[10000];
    ssize_t n;

    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_fill(&s, client);
    int64_t began = ed_now();
    ed_server_stop(s.server);
    settle();
    check_int(served_counts(&s).open, 1);
    while ((n = ed_stream_read(client, buf, sizeof buf)) > 0)
        ;
    check_int(n, 0);
    served_join(&s);
    check(ed_now() - began < 5 * ED_S);
    check_int(s.result, 0);
    ed_stream_close(client);
}

FIBER_TEST(a_handler_that_does_not_end_is_cancelled_after_the_drain_timeout)
{
    struct served s = {.clients_left = 1};

    served_open(&s, served_by_path, .drain_timeout = 10 * ED_S);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/long");
    settle();
    int64_t began = ed_now();
    ed_server_stop(s.server);
    served_join(&s);
    check_int(s.result, ED_ETIMEOUT);
    check_int(ed_now() - began, 10 * ED_S);
    check_int(served_cancelled, 3);
    ed_stream_close(client);
}

FIBER_TEST(a_second_stop_cancels_at_once)
{
    struct served s = {.clients_left = 1};

    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/long");
    settle();
    int64_t began = ed_now();
    ed_server_stop(s.server);
    settle();
    ed_server_stop(s.server);
    served_join(&s);
    check(ed_now() - began < 3 * ED_S); /* the client may read to the end */
    check_int(s.result, 0);
    check_int(served_cancelled, 3);
    ed_stream_close(client);
}

FIBER_TEST(a_handler_that_says_goodbye_is_waited_for)
{
    struct served s = {.clients_left = 1};

    served_open(&s, served_by_path, .drain_timeout = 1 * ED_S);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/shielded");
    settle();
    int64_t began = ed_now();
    ed_server_stop(s.server);
    served_join(&s);
    check_int(s.result, ED_ETIMEOUT);
    check(ed_now() - began >= 1900 * ED_MS);
    ed_stream_close(client);
}

FIBER_TEST(a_cancelled_server_cancels_its_requests)
{
    struct served s = {.clients_left = 2};

    served_open(&s, served_by_path);
    ed_stream *busy = served_connect(&s);
    ed_stream *idle = served_connect(&s);
    served_ask(busy, "/long");
    settle();
    ed_fiber_cancel(s.server->runner, ED_ECANCELED);
    int64_t began = ed_now();
    served_join(&s);
    check(ed_now() - began < ED_S);
    check_int(s.result, ED_ECANCELED);
    check_int(served_cancelled, 3);
    ed_stream_close(busy);
    ed_stream_close(idle);
}

static ed_server *to_stop;

static int stop_from_within(ed_req *req)
{
    ed_server_stop(to_stop);
    return ed_reply(req, 200, "Bye\n");
}

FIBER_TEST(a_handler_may_stop_its_server)
{
    struct served s = {0};

    served_open(&s, stop_from_within);
    to_stop = s.server;
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    served_says(client, "Connection: close\r\n");
    ed_stream_close(client);
    served_join(&s);
    check_int(s.result, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, served_forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stop_closes_idle_connections_and_listeners_at_once),
        TEST(a_stop_lets_requests_be_answered_and_says_that_it_closes),
        TEST(a_head_under_way_at_a_stop_is_still_answered),
        TEST(a_reply_under_way_at_a_stop_is_still_taken),
        TEST(a_handler_that_does_not_end_is_cancelled_after_the_drain_timeout),
        TEST(a_second_stop_cancels_at_once),
        TEST(a_handler_that_says_goodbye_is_waited_for),
        TEST(a_cancelled_server_cancels_its_requests),
        TEST(a_handler_may_stop_its_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
