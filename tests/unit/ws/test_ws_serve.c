/*
 * test_ws_serve.c - WebSockets of a server: handshakes, messages in both styles
 * of serving, and what a peer may not do.
 */
#include "ws_echo.h"

/* ---- handshakes ---- */

FIBER_TEST(a_handshake_is_answered)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    ed_stream *client = served_connect(&s);
    raw_ask(client, "/", "Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n");
    const char *head = raw_head(client);
    check(strstr(head, "HTTP/1.1 101 Switching Protocols\r\n") == head);
    check(strstr(head, "\r\nConnection: Upgrade\r\n") != NULL);
    check(strstr(head, "\r\nUpgrade: websocket\r\n") != NULL);
    check(strstr(head, "\r\nSec-WebSocket-Accept: " WS_ACCEPT "\r\n") != NULL);
    check(strstr(head, "\r\nSec-WebSocket-Protocol: chat.v2\r\n") != NULL);
    check(strstr(head, "Extensions") == NULL);
    check_text(ed_ws_protocol(echo_last), "chat.v2");
    check_int(served_counts(&s).open, 1);
    check_int(served_counts(&s).in_flight, 0);
    raw_close(client);
    served_close(&s);
}

FIBER_TEST(what_is_no_handshake_is_refused)
{
    static const struct {
        const char *request, *reply;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
         "Connection: upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WS_KEY "\r\n\r\n",
         "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
         "Upgrade: h2c\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: " WS_KEY "\r\n\r\n",
         "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n"
         "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: " WS_KEY "\r\n\r\n",
         "HTTP/1.1 400 "},
        {"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\n"
         "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: " WS_KEY "\r\n\r\n",
         "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
         "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
         "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
         "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n\r\n",
         "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
         "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Extensions: a b\r\n"
         "Sec-WebSocket-Key: " WS_KEY "\r\n\r\n",
         "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
         "Upgrade: websocket\r\nSec-WebSocket-Version: 8\r\n"
         "Sec-WebSocket-Key: " WS_KEY "\r\n\r\n",
         "\r\nSec-WebSocket-Version: 13\r\n"},
    };
    struct served s = {0};
    served_open(&s, echo_handler);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ed_stream *client = served_connect(&s);
        served_send(client, cases[i].request);
        served_says(client, cases[i].reply);
        ed_stream_close(client);
    }
    check_int(echo_opened, 0);
    check_int(echo_closed, 0);
    served_close(&s);
}

FIBER_TEST(another_version_is_answered_426)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    ed_stream *client = served_connect(&s);
    served_send(client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
                        "Upgrade: websocket\r\nSec-WebSocket-Version: 14\r\n"
                        "Sec-WebSocket-Key: " WS_KEY "\r\n\r\n");
    served_says(client, "HTTP/1.1 426 Upgrade Required\r\n");
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(pages_of_other_sites_are_refused)
{
    static const struct {
        const char *origin, *reply;
    } cases[] = {
        {"Origin: http://a.org\r\n", "HTTP/1.1 101 "},
        {"Origin: https://a.org\r\n", "HTTP/1.1 101 "},
        {"Origin: http://A.ORG:80\r\n", "HTTP/1.1 101 "},
        {"Origin: http://a.org:8080\r\n", "HTTP/1.1 403 "},
        {"Origin: http://b.org\r\n", "HTTP/1.1 403 "},
        {"Origin: http://a.org.evil\r\n", "HTTP/1.1 403 "},
        {"Origin: null\r\n", "HTTP/1.1 403 "},
        {"Origin: file://\r\n", "HTTP/1.1 403 "},
        {"Origin: https://good.org\r\n", "HTTP/1.1 101 "},
        {"Origin: http://good.org\r\n", "HTTP/1.1 403 "},
        {"Origin: http://good.org:81\r\n", "HTTP/1.1 101 "},
    };
    struct served s = {0};
    served_open(&s, echo_handler);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ed_stream *client = served_connect(&s);
        raw_ask(client, "/", cases[i].origin);
        served_says(client, cases[i].reply);
        ed_stream_close(client);
    }
    settle();
    served_close(&s);
}

/* ---- messages ---- */

FIBER_TEST(messages_are_given_and_answered)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    both_styles(path)
    {
        ed_stream *client = raw_open(&s, path, "");
        raw_text(client, "one");
        raw_gets(client, 0x81, "one");
        raw_send(client, 0x82, ED_BYTES("two"));
        raw_gets(client, 0x82, "two");
        raw_text(client, "");
        raw_gets(client, 0x81, "");
        raw_text(client, "a");
        raw_text(client, "b");
        raw_gets(client, 0x81, "a");
        raw_gets(client, 0x81, "b");
        raw_close(client);
        settle();
        check_int(echo_closed_code, ED_WS_NORMAL);
    }
    check_int(echo_result, ED_ECLOSED);
    check_int(echo_closed, 1);
    served_close(&s);
}

FIBER_TEST(fragments_become_one_message_and_pings_may_stand_between)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    both_styles(path)
    {
        ed_stream *client = raw_open(&s, path, "");
        raw_send(client, 0x01, ED_BYTES("one "));
        raw_send(client, 0x89, ED_BYTES("there?"));
        raw_gets(client, 0x8a, "there?");
        raw_send(client, 0x00, ED_BYTES(""));
        raw_send(client, 0x80, ED_BYTES("two"));
        raw_gets(client, 0x81, "one two");
        raw_close(client);
    }
    served_close(&s);
}

/* Everything in a conversation, byte by byte. */
FIBER_TEST(it_does_not_matter_how_bytes_arrive)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    both_styles(path)
    {
        ed_stream *client = raw_open(&s, path, "");
        char text[300];
        memset(text, 'x', sizeof(text));
        struct {
            int first;
            struct ed_bytes payload;
        } frames[] = {{0x81, ED_BYTES("short")},
                      {0x01, ed_bytes_of(text, 126)},
                      {0x89, ED_BYTES("ping")},
                      {0x80, ed_bytes_of(text, 174)},
                      {0x88, ED_BYTES("\x03\xe8")}};
        for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
            size_t len;
            char *bytes = raw_frame(frames[i].first, frames[i].payload, &len);
            for (size_t at = 0; at < len; at++) {
                check_int(ed_stream_write(client, bytes + at, 1), 0);
                settle();
            }
            free(bytes);
        }
        raw_gets(client, 0x81, "short");
        raw_gets(client, 0x8a, "ping");
        check_int(raw_read(client)->len, 300);
        raw_closed(client, ED_WS_NORMAL);
        ed_stream_close(client);
    }
    served_close(&s);
}

FIBER_TEST(what_comes_behind_the_handshake_is_not_lost)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    both_styles(path)
    {
        struct ed_buf both = {0};
        size_t len;
        char *bytes = raw_frame(0x81, ED_BYTES("eager"), &len);
        check_int(ed_buf_addf(&both,
                              "GET %s HTTP/1.1\r\nHost: a\r\n"
                              "Connection: upgrade\r\nUpgrade: websocket\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: " WS_KEY "\r\n\r\n",
                              path),
                  0);
        check_int(ed_buf_add(&both, bytes, len), 0);
        ed_stream *client = served_connect(&s);
        check_int(ed_stream_write(client, both.ptr, both.len), 0);
        raw_head(client);
        raw_gets(client, 0x81, "eager");
        raw_close(client);
        free(bytes);
        ed_buf_free(&both);
    }
    served_close(&s);
}

FIBER_TEST(the_next_message_waits_for_a_handler_that_waits)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    both_styles(path)
    {
        ed_stream *client = raw_open(&s, path, "");
        raw_text(client, "slow");
        raw_text(client, "next");
        settle();
        check_text(served_heard(client), "");
        check_int(ed_sleep(ED_S), 0);
        raw_gets(client, 0x81, "slow");
        raw_gets(client, 0x81, "next");
        raw_close(client);
    }
    served_close(&s);
}

/* ---- what a peer may not do ---- */

FIBER_TEST(who_breaks_the_rules_is_told_and_left)
{
    static const struct {
        int first;
        struct ed_bytes payload;
        int code;
    } cases[] = {
        {0xc1, ED_BYTES("x"), ED_WS_PROTOCOL}, /* RSV1 */
        {0x83, ED_BYTES(""), ED_WS_PROTOCOL},
        {0x80, ED_BYTES(""), ED_WS_PROTOCOL},
        {0x09, ED_BYTES(""), ED_WS_PROTOCOL},
        {0x88, ED_BYTES("\x03"), ED_WS_PROTOCOL},
        {0x88, ED_BYTES("\x03\xed"), ED_WS_PROTOCOL},
        {0x88, ED_BYTES("\x03\xe8\xff"), ED_WS_BAD_TEXT},
        {0x81, ED_BYTES("\xff"), ED_WS_BAD_TEXT},
        {0x81, ED_BYTES("cut \xe2\x82"), ED_WS_BAD_TEXT},
        {0x01, ED_BYTES("\xed\xa0\x80"), ED_WS_BAD_TEXT},
    };
    struct served s = {0};
    served_open(&s, echo_handler);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        both_styles(path)
        {
            ed_stream *client = raw_open(&s, path, "");
            raw_send(client, cases[i].first, cases[i].payload);
            raw_closed(client, cases[i].code);
            check(served_ended(client));
            ed_stream_close(client);
            settle();
            check_int(echo_closed_code, ED_WS_ABNORMAL);
            if (path[1])
                check_int(echo_result, ED_EPROTO);
        }
    }
    check_int(served_counts(&s).open, 0);
    served_close(&s);
}

FIBER_TEST(wrong_text_is_refused_before_its_frame_is_whole)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    both_styles(path)
    {
        ed_stream *client = raw_open(&s, path, "");
        size_t len;
        char *bytes =
            raw_frame(0x81, ED_BYTES("ok \xce\xba\xff and more"), &len);
        check_int(ed_stream_write(client, bytes, 6 + 6), 0);
        raw_closed(client, ED_WS_BAD_TEXT);
        free(bytes);
        ed_stream_close(client);
    }
    served_close(&s);
}

FIBER_TEST(frames_of_clients_have_to_be_masked)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    ed_stream *client = raw_open(&s, "/", "");
    check_int(ed_stream_write(client, "\x81\x01x", 3), 0);
    raw_closed(client, ED_WS_PROTOCOL);
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(what_is_too_large_is_refused_by_its_head)
{
    struct served s = {0};
    char large[1001];
    memset(large, 'x', sizeof(large));
    served_open(&s, echo_handler);
    both_styles(path)
    {
        /* The frame; the message; the fragments. */
        ed_stream *client = raw_open(&s, path, "");
        size_t len;
        char *bytes = raw_frame(0x82, ed_bytes_of(large, 901), &len);
        check_int(ed_stream_write(client, bytes, 8), 0);
        raw_closed(client, ED_WS_TOO_BIG);
        ed_stream_close(client);
        free(bytes);

        client = raw_open(&s, path, "");
        raw_send(client, 0x02, ed_bytes_of(large, 900));
        raw_send(client, 0x80, ed_bytes_of(large, 101));
        raw_closed(client, ED_WS_TOO_BIG);
        ed_stream_close(client);
        if (path[1])
            check_int(echo_result, ED_ELIMIT);

        client = raw_open(&s, path, "");
        raw_send(client, 0x02, ed_bytes_of(large, 900));
        raw_send(client, 0x80, ed_bytes_of(large, 100));
        check_int(raw_read(client)->len, 1000);
        raw_send(client, 0x02, ED_BYTES(""));
        for (int i = 0; i < 4; i++)
            raw_send(client, 0x00, ED_BYTES(""));
        settle();
        check_text(served_heard(client), "");
        raw_send(client, 0x00, ED_BYTES(""));
        raw_closed(client, ED_WS_TOO_BIG);
        ed_stream_close(client);
    }
    served_close(&s);
}

FIBER_TEST(a_flood_of_pings_ends_the_connection)
{
    struct served s = {0};
    served_open(&s, echo_handler);
    ed_stream *client = raw_open(&s, "/", "");
    for (int i = 0; i < 1000; i++)
        raw_send(client, 0x89, ED_BYTES(""));
    check_int(served_drain(client), 2000);
    raw_send(client, 0x89, ED_BYTES(""));
    raw_closed(client, ED_WS_POLICY);
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(pongs_nobody_reads_become_one)
{
    struct served s = {0};
    char payload[125];
    served_open(&s, echo_handler);
    ed_stream *client = raw_open(&s, "/", "");
    memset(payload, 'p', sizeof(payload));
    /* Until its socket is full. */
    while (!echo_last->blocked) {
        for (int i = 0; i < 500; i++)
            raw_send(client, 0x89, ed_bytes_of(payload, sizeof(payload)));
        check_int(ed_sleep(ED_S), 0);
    }
    for (int i = 0; i < 900; i++)
        raw_send(client, 0x89, ED_BYTES("before the last"));
    raw_send(client, 0x89, ED_BYTES("the last"));
    check_int(ed_sleep(ED_S), 0);
    check(echo_last->more && echo_last->more->pong.due);
    const struct raw_got *got;
    int before = 0;
    do {
        got = raw_read(client);
        before += !strcmp(got->bytes, "before the last");
    } while (got->first == 0x8a && strcmp(got->bytes, "the last") != 0);
    check_int(got->first, 0x8a);
    check_int(before, 0);
    raw_close(client);
    served_close(&s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, echo_forget)
    const struct CMUnitTest tests[] = {
        TEST(a_handshake_is_answered),
        TEST(what_is_no_handshake_is_refused),
        TEST(another_version_is_answered_426),
        TEST(pages_of_other_sites_are_refused),
        TEST(messages_are_given_and_answered),
        TEST(fragments_become_one_message_and_pings_may_stand_between),
        TEST(it_does_not_matter_how_bytes_arrive),
        TEST(what_comes_behind_the_handshake_is_not_lost),
        TEST(the_next_message_waits_for_a_handler_that_waits),
        TEST(who_breaks_the_rules_is_told_and_left),
        TEST(wrong_text_is_refused_before_its_frame_is_whole),
        TEST(frames_of_clients_have_to_be_masked),
        TEST(what_is_too_large_is_refused_by_its_head),
        TEST(a_flood_of_pings_ends_the_connection),
        TEST(pongs_nobody_reads_become_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
