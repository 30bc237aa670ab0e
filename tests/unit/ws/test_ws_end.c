/*
 * test_ws_end.c - how WebSockets of a server end: by either side, by a handler,
 * by silence, by a server that stops; and what they hold until then.
 */
#include "ws_echo.h"

/* ---- the end ---- */

FIBER_TEST(a_close_is_answered_with_its_code)
{
    static const int codes[] = {1000, 1001, 1011, 3000, 4999};
    struct served s = {0};
    served_open(&s, echo_handler);
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        both_styles(path)
        {
            ed_stream *client = raw_open(&s, path, "");
            raw_say_close(client, codes[i]);
            raw_closed(client, codes[i]);
            check(served_ended(client));
            ed_stream_close(client);
            settle();
            check_int(echo_closed_code, codes[i]);
        }
    }
    ed_stream *client = raw_open(&s, "/", "");
    raw_send(client, 0x88, ED_BYTES(""));
    raw_closed(client, ED_WS_NO_CODE);
    ed_stream_close(client);
    settle();
    check_int(echo_closed_code, ED_WS_NO_CODE);
    served_close(&s);
}

FIBER_TEST(a_handler_that_returns_ends_its_connection)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    ed_stream *client = raw_open(&s, "/leave", "");
    raw_gets(client, 0x81, "bye");
    raw_closed(client, ED_WS_NORMAL);
    raw_say_close(client, ED_WS_NORMAL);
    check(served_ended(client));
    ed_stream_close(client);
    settle();
    check_int(served_counts(&s).open, 0);
    served_close(&s);
}

FIBER_TEST(a_handler_that_fails_ends_its_connection_with_1011)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    both_styles(path)
    {
        ed_stream *client = raw_open(&s, path, "");
        raw_text(client, "fail");
        raw_text(client, "not read any more");
        raw_closed(client, ED_WS_FAILED);
        raw_say_close(client, ED_WS_FAILED);
        check(served_ended(client));
        ed_stream_close(client);
    }
    settle();
    check_int(echo_closed, 1);
    served_close(&s);
}

FIBER_TEST(a_close_waits_for_the_peer_and_throws_away_what_still_comes)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    both_styles(path)
    {
        ed_stream *client = raw_open(&s, path, "");
        raw_text(client, "close");
        raw_closed(client, 4000);
        raw_text(client, "late");
        raw_send(client, 0x02, ED_BYTES("later"));
        settle();
        raw_send(client, 0x80, ED_BYTES("latest"));
        raw_say_close(client, 4000);
        check(served_ended(client));
        ed_stream_close(client);
        settle();
        check_int(echo_closed_code, 4000);
    }
    served_close(&s);
}

FIBER_TEST(a_peer_that_does_not_close_is_left_after_some_time)
{
    struct served s = {.clients_left = 1};
    served_open(&s, echo_handler);
    ed_stream *client = raw_open(&s, "/leave", "");
    raw_gets(client, 0x81, "bye");
    raw_closed(client, ED_WS_NORMAL);
    check_int(ed_sleep(4 * ED_S), 0);
    check_int(served_counts(&s).open, 1);
    check_int(ed_sleep(2 * ED_S), 0);
    check_int(served_counts(&s).open, 0);
    served_close(&s);
    ed_stream_close(client);
}

FIBER_TEST(a_connection_that_breaks_is_told_as_1006)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    both_styles(path)
    {
        ed_stream *client = raw_open(&s, path, "");
        raw_send(client, 0x01, ED_BYTES("half"));
        settle();
        ed_stream_close(client);
        settle();
        check_int(echo_closed_code, ED_WS_ABNORMAL);
    }
    check_int(echo_result, ED_ECONNLOST);
    check_int(echo_closed, 1);
    check_int(served_counts(&s).open, 0);
    served_close(&s);
}

FIBER_TEST(what_came_before_the_end_is_still_given)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    both_styles(path)
    {
        ed_stream *client = raw_open(&s, path, "");
        raw_text(client, "slow");
        raw_text(client, "next");
        raw_say_close(client, 4001);
        check_int(ed_stream_shutdown(client), 0);
        check_int(ed_sleep(ED_S + ED_MS), 0);
        raw_gets(client, 0x81, "slow");
        raw_gets(client, 0x81, "next");
        raw_closed(client, 4001);
        ed_stream_close(client);
        settle();
        check_int(echo_closed_code, 4001);
    }
    served_close(&s);
}

FIBER_TEST(a_peer_that_leaves_while_a_handler_waits_is_told_of_later)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    ed_stream *client = raw_open(&s, "/", "");
    raw_text(client, "slow");
    settle();
    ed_stream_close(client);
    settle();
    check_int(echo_closed, 0);
    check_int(ed_sleep(ED_S + ED_MS), 0);
    check_int(echo_closed, 1);
    check_int(echo_closed_code, ED_WS_ABNORMAL);
    served_close(&s);
}

/* ---- heartbeats ---- */

FIBER_TEST(a_quiet_peer_is_pinged_and_left_when_it_is_dumb)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    both_styles(path)
    {
        ed_stream *client = raw_open(&s, path, "");
        check_int(ed_sleep(29 * ED_S), 0);
        check_text(served_heard(client), "");
        check_int(ed_sleep(ED_S + 10 * ED_MS), 0);
        const struct raw_got *got = raw_read(client);
        check_int(got->first, 0x89);
        raw_send(client, 0x8a, ed_bytes_of(got->bytes, got->len));
        check_int(ed_sleep(16 * ED_S), 0);
        check_int(served_counts(&s).open, 1);
        if (!path[1])
            check(ed_ws_latency(echo_last) >= 0);
        /* It is heard of again 30 s after the pong. */
        check_int(ed_sleep(15 * ED_S), 0);
        check_int(raw_read(client)->first, 0x89);
        check_int(ed_sleep(14 * ED_S), 0);
        check_int(served_counts(&s).open, 1);
        check_int(ed_sleep(2 * ED_S), 0);
        check_int(served_counts(&s).open, 0);
        check_int(echo_closed_code, ED_WS_ABNORMAL);
        ed_stream_close(client);
    }
    check_int(echo_result, ED_ECONNLOST);
    served_close(&s);
}

FIBER_TEST(each_connection_is_waited_for_as_its_options_say)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    ed_stream *usual = raw_open(&s, "/", "");
    ed_stream *client = raw_open(&s, "/impatient", "");
    check_int(ed_sleep(ED_S + 10 * ED_MS), 0);
    check_int(raw_read(client)->first, 0x89);
    check_text(served_heard(usual), "");
    check_int(ed_sleep(1900 * ED_MS), 0);
    check_int(echo_closed, 0);
    check_int(ed_sleep(200 * ED_MS), 0);
    check_int(echo_closed, 1);
    check_int(served_counts(&s).open, 1);
    ed_stream_close(client);
    raw_close(usual);
    served_close(&s);
}

/* A pong that was not asked for is no measure. */
FIBER_TEST(only_pongs_to_pings_of_ours_tell_the_latency)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    ed_stream *client = raw_open(&s, "/", "");
    raw_send(client, 0x8a, ED_BYTES("eight by"));
    settle();
    check_int(ed_ws_latency(echo_last), -1);
    raw_close(client);
    served_close(&s);
}

/* ---- memory ---- */

FIBER_TEST(a_quiet_connection_holds_nothing_but_itself)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    size_t fibers = served_fibers();
    ed_stream *client = raw_open(&s, "/", "");
    raw_text(client, "hello");
    raw_gets(client, 0x81, "hello");
    raw_send(client, 0x89, ED_BYTES("x"));
    raw_gets(client, 0x8a, "x");
    settle();
    check(!echo_last->in && !echo_last->out && !echo_last->more &&
          !echo_last->zip && !echo_last->fiber);
    check_int(served_fibers(), fibers);
    raw_close(client);
    served_close(&s);
}

/* ---- stopping ---- */

FIBER_TEST(a_server_that_stops_says_goodbye)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    ed_stream *clients[2];
    for (int i = 0; i < 2; i++)
        clients[i] = raw_open(&s, echo_paths[i], "");
    ed_server_stop(s.server);
    for (int i = 0; i < 2; i++) {
        raw_closed(clients[i], ED_WS_GOING_AWAY);
        raw_say_close(clients[i], ED_WS_GOING_AWAY);
        check(served_ended(clients[i]));
        ed_stream_close(clients[i]);
    }
    served_join(&s);
    check_int(s.result, 0);
    check_int(echo_closed, 1);
    check_int(echo_result, ED_ECLOSED);
}

FIBER_TEST(a_handler_that_goes_on_is_cut_after_the_drain)
{
    struct served s = {.clients_left = 1};
    served_open(&s, echo_handler, .drain_timeout = 500 * ED_MS);
    ed_stream *client = raw_open(&s, "/", "");
    raw_text(client, "slow");
    settle();
    ed_server_stop(s.server);
    check_int(ed_sleep(600 * ED_MS), 0);
    check(s.ended);
    check_int(s.result, ED_ETIMEOUT);
    check_int(echo_closed, 1);
    served_join(&s);
    ed_stream_close(client);
    /* The sleep was cancelled: that check has failed, and was meant to. */
    check_int(fiber_test_failures, 1);
    fiber_test_failures = 0;
}

FIBER_TEST(a_websocket_counts_as_a_connection)
{
    struct served s = {0};
    served_open(&s, echo_handler, .max_connections = 1);
    ed_stream *client = raw_open(&s, "/seq", "");
    check_int(served_counts(&s).open, 1);
    ed_stream *second = served_connect(&s);
    raw_ask(second, "/", "");
    settle();
    check_text(served_heard(second), "");
    raw_close(client);
    check_int(ed_sleep(ED_S), 0);
    served_says(second, "HTTP/1.1 101 ");
    ed_stream_close(second);
    settle();
    served_close(&s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, echo_forget)
    const struct CMUnitTest tests[] = {
        TEST(a_close_is_answered_with_its_code),
        TEST(a_handler_that_returns_ends_its_connection),
        TEST(a_handler_that_fails_ends_its_connection_with_1011),
        TEST(a_close_waits_for_the_peer_and_throws_away_what_still_comes),
        TEST(a_peer_that_does_not_close_is_left_after_some_time),
        TEST(a_connection_that_breaks_is_told_as_1006),
        TEST(what_came_before_the_end_is_still_given),
        TEST(a_peer_that_leaves_while_a_handler_waits_is_told_of_later),
        TEST(a_quiet_peer_is_pinged_and_left_when_it_is_dumb),
        TEST(each_connection_is_waited_for_as_its_options_say),
        TEST(only_pongs_to_pings_of_ours_tell_the_latency),
        TEST(a_quiet_connection_holds_nothing_but_itself),
        TEST(a_server_that_stops_says_goodbye),
        TEST(a_handler_that_goes_on_is_cut_after_the_drain),
        TEST(a_websocket_counts_as_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
