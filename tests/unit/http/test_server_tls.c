/*
 * test_server_tls.c - a server whose connections begin with TLS: requests over
 * it, and handshakes that fail, stall, come in crowds or in the clear.
 */
#include "served.h"
#include "contexts.h"

#include <stdlib.h>

static ed_stream *connect_tls(const struct served *s)
{
    ed_stream *client = served_connect(s);
    check_int(ed_start_tls(&client, client_tls, .server_name = "a.org"), 0);
    return client;
}

static int tell(ed_req *req)
{
    struct ed_tls_info info = {0};
    struct ed_tls_peer peer = {0};
    bool tls = ed_req_tls(req, &info);
    bool shown = ed_req_tls_peer(req, &peer);
    return ed_reply(req, 200, "%s %s %s '%s' %s %s\n", ed_req_scheme(req),
                    tls ? info.version : "-", tls ? info.server_name : "-",
                    tls ? info.alpn : "-", shown ? peer.subject : "nobody",
                    tls && info.verified ? "verified" : "-");
}

FIBER_TEST(a_request_knows_that_it_came_over_tls)
{
    struct served s = {.tls = server_tls};
    served_open(&s, tell);
    ed_stream *client = connect_tls(&s);
    served_ask(client, "/");
    served_says(client, "https TLSv1.3 a.org '' nobody -\n");
    served_ask(client, "/again");
    served_says(client, "https TLSv1.3 a.org '' nobody -\n");
    check_int(served_counts(&s).handshakes, 1);
    check_int(served_counts(&s).handshakes_failed, 0);
    check_int(served_counts(&s).accepted, 1);
    check_int(served_counts(&s).open, 1);
    ed_stream_close(client);
    served_close(&s);

    struct served clear = {0};
    served_open(&clear, tell);
    client = served_connect(&clear);
    served_ask(client, "/");
    served_says(client, "http - - '-' nobody -\n");
    ed_stream_close(client);
    served_close(&clear);
}

FIBER_TEST(of_the_protocols_offered_it_takes_http_1_1)
{
    struct served s = {.tls = server_tls};
    served_open(&s, tell);
    ed_stream *client = served_connect(&s);
    check_int(ed_start_tls(&client, client_tls, .server_name = "a.org",
                           .alpn = "h2,http/1.1"),
              0);
    served_ask(client, "/");
    served_says(client, "'http/1.1'");
    ed_stream_close(client);
    client = served_connect(&s);
    check_int(
        ed_start_tls(&client, client_tls, .server_name = "a.org", .alpn = "h2"),
        ED_ETLS);
    settle();
    check_int(served_counts(&s).handshakes_failed, 1);
    check_int(served_counts(&s).open, 0);
    served_close(&s);
}

FIBER_TEST(who_offers_http_1_0_only_gets_that)
{
    struct served s = {.tls = server_tls};
    served_open(&s, tell);
    ed_stream *client = served_connect(&s);
    check_int(ed_start_tls(&client, client_tls, .server_name = "a.org",
                           .alpn = "http/1.0"),
              0);
    served_ask(client, "/");
    served_says(client, "'http/1.0'");
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(a_client_is_known_by_its_certificate)
{
    ed_tls *strict, *known;
    check_int(ed_tls_server(&strict, .certificate = certs_path("site.pem"),
                            .key = certs_path("site.key"),
                            .client_auth = ED_TLS_CLIENT_REQUIRED,
                            .client_ca = certs_path("ca.pem")),
              0);
    check_int(ed_tls_client(&known, .ca = certs_path("ca.pem"),
                            .certificate = certs_path("me.pem"),
                            .key = certs_path("me.key")),
              0);
    struct served s = {.tls = strict};
    served_open(&s, tell);
    ed_stream *client = served_connect(&s);
    check_int(ed_start_tls(&client, known, .server_name = "a.org"), 0);
    served_ask(client, "/");
    served_says(client, "CN=me, O=Eddy verified\n");
    ed_stream_close(client);

    client = served_connect(&s);
    char byte;
    int err = ed_start_tls(&client, client_tls, .server_name = "a.org");
    if (!err) /* a client of 1.3 hears of it later */
        check(ed_stream_read(client, &byte, 1) < 0);
    ed_stream_close(client);
    settle();
    check_int(served_counts(&s).handshakes, 1);
    check_int(served_counts(&s).handshakes_failed, 1);
    served_close(&s);
    ed_tls_free(strict);
    ed_tls_free(known);
}

/* ---- handshakes that do not come to their end ---- */

FIBER_TEST(a_handshake_that_takes_too_long_is_given_up)
{
    struct served s = {.tls = server_tls};
    served_open(&s, tell, .tls_timeout = 3 * ED_S);
    ed_stream *silent = served_connect(&s);
    ed_stream *slow = served_connect(&s);
    for (int i = 0; i < 10 && !served_ended(slow); i++) {
        if (ed_stream_write(slow, "\x16", 1)) /* progress does not count */
            break;
        check_int(ed_sleep(ED_S), 0);
    }
    check(served_ended(silent));
    check(served_ended(slow));
    check_int(served_counts(&s).handshakes_failed, 2);
    check_int(served_counts(&s).open, 0);
    ed_stream_close(silent);
    ed_stream_close(slow);
    served_close(&s);
}

FIBER_TEST(more_handshakes_than_allowed_wait_their_turn)
{
    struct served s = {.tls = server_tls};
    served_open(&s, tell, .max_handshakes = 2);
    ed_stream *silent[2] = {served_connect(&s), served_connect(&s)};
    settle();
    ed_stream *waiting = served_connect(&s);
    settle();
    check_int(served_counts(&s).open, 2);
    ed_stream_close(silent[0]);
    settle();
    check_int(served_counts(&s).open, 2);
    check_int(ed_start_tls(&waiting, client_tls, .server_name = "a.org"), 0);
    /* A connection that is through its handshake is in nobody's way. */
    ed_stream *another = connect_tls(&s);
    served_ask(another, "/");
    served_says(another, "https");
    check_int(served_counts(&s).handshakes, 2);
    ed_stream_close(silent[1]);
    ed_stream_close(waiting);
    ed_stream_close(another);
    settle();
    check_int(served_counts(&s).open, 0);
    served_close(&s);
}

FIBER_TEST(who_says_nothing_keeps_nobody_out_for_long)
{
    struct served s = {.tls = server_tls};
    served_open(&s, tell, .max_handshakes = 2, .tls_timeout = 8 * ED_S);
    ed_stream *silent[2] = {served_connect(&s), served_connect(&s)};
    settle();
    ed_stream *waiting = served_connect(&s);
    int64_t began = ed_now();
    check_int(ed_start_tls(&waiting, client_tls, .server_name = "a.org"), 0);
    check(ed_now() - began < 3 * ED_S);
    ed_stream_close(waiting);
    ed_stream_close(silent[0]);
    ed_stream_close(silent[1]);
    served_close(&s);
}

FIBER_TEST(connections_at_the_limit_stay_at_it_when_handshakes_end)
{
    struct served s = {.tls = server_tls};
    served_open(&s, tell, .max_connections = 2);
    ed_stream *a = connect_tls(&s);
    ed_stream *b = connect_tls(&s);
    ed_stream *waiting = served_connect(&s);
    settle();
    check_int(served_counts(&s).open, 2);
    check_int(served_counts(&s).accepted, 2);
    ed_stream_close(a);
    check_int(ed_start_tls(&waiting, client_tls, .server_name = "a.org"), 0);
    served_ask(waiting, "/");
    served_says(waiting, "https");
    ed_stream_close(b);
    ed_stream_close(waiting);
    served_close(&s);
}

FIBER_TEST(a_request_in_the_clear_is_told_what_is_wrong)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "D",
    };
    struct served s = {.tls = server_tls};
    served_open(&s, tell);
    for (size_t i = 0; i < 3; i++) {
        ed_stream *client = served_connect(&s);
        served_send(client, requests[i]);
        const char *text = served_heard(client);
        check(!strncmp(text, "HTTP/1.1 400 Bad Request\r\n", 26));
        check(strstr(text, "plain HTTP was sent to a port that speaks TLS"));
        check(served_ended(client));
        ed_stream_close(client);
        check_int(served_counts(&s).refused, i + 1);
        check_int(served_counts(&s).handshakes_failed, i + 1);
    }
    served_close(&s);
}

FIBER_TEST(garbage_is_answered_by_an_alert)
{
    struct served s = {.tls = server_tls};
    served_open(&s, tell);
    ed_stream *client = served_connect(&s);
    char alert[64];
    check_int(ed_stream_write(client, "\x16\x03\x01\x00\x05hello", 10), 0);
    check(ed_stream_read(client, alert, sizeof alert) >= 7);
    check_int(alert[0], 21);
    check(served_ended(client));
    ed_stream_close(client);
    settle();
    check_int(served_counts(&s).handshakes_failed, 1);
    check_int(served_counts(&s).refused, 0);
    served_close(&s);
}

/* ---- the end ---- */

FIBER_TEST(a_stop_ends_handshakes_and_idle_connections_at_once)
{
    struct served s = {.tls = server_tls};
    served_open(&s, tell);
    ed_stream *silent = served_connect(&s);
    ed_stream *idle = connect_tls(&s);
    char byte;
    settle();
    check_int(served_counts(&s).open, 2);
    s.clients_left = 2;
    served_close(&s);
    check(served_ended(silent));
    check_int(ed_stream_read(idle, &byte, 1), 0);
    ed_stream_close(silent);
    ed_stream_close(idle);
}

static int slow(ed_req *req)
{
    int err = ed_sleep(2 * ED_S);
    return err ? err : ed_reply(req, 200, "slow\n");
}

FIBER_TEST(a_stop_waits_for_replies)
{
    struct served s = {.tls = server_tls};
    served_open(&s, slow);
    ed_stream *client = connect_tls(&s);
    served_ask(client, "/");
    settle();
    ed_server_stop(s.server);
    check_int(ed_sleep(3 * ED_S), 0);
    served_says(client, "Connection: close");
    ed_stream_close(client);
    served_join(&s);
}

static int large(ed_req *req)
{
    static char bytes[3 << 20];
    memset(bytes, 'x', sizeof bytes);
    return ed_reply_bytes(req, 200, "text/plain",
                          ed_bytes_of(bytes, sizeof bytes));
}

FIBER_TEST(a_large_reply_comes_whole_to_a_slow_reader)
{
    struct served s = {.tls = server_tls};
    served_open(&s, large);
    ed_stream *client = connect_tls(&s);
    static char bytes[50000];
    size_t got = 0;
    ssize_t n;
    check_int(ed_stream_printf(client, "GET / HTTP/1.1\r\nHost: a\r\n"
                                       "Connection: close\r\n\r\n"),
              0);
    while ((n = ed_stream_read(client, bytes, sizeof bytes)) > 0) {
        got += (size_t)n;
        check_int(ed_sleep(ED_S), 0);
    }
    check_int(n, 0);
    check(got > (3 << 20) && got < (3 << 20) + 1000);
    ed_stream_close(client);
    served_close(&s);
}

static int break_off(ed_req *req)
{
    ed_reply_begin(req, 200, -1);
    (void)ed_write(req, "some of it");
    (void)ed_flush(req);
    return -EIO;
}

FIBER_TEST(a_reply_that_is_cut_does_not_look_complete)
{
    struct served s = {.tls = server_tls};
    served_open(&s, break_off);
    ed_stream *client = connect_tls(&s);
    char bytes[1000];
    ssize_t n;
    /* In HTTP/1.0 the end of the connection would be the end of the body. */
    check_int(ed_stream_printf(client, "GET / HTTP/1.0\r\n\r\n"), 0);
    while ((n = ed_stream_read(client, bytes, sizeof bytes)) > 0)
        continue;
    check(n < 0);
    ed_stream_close(client);
    served_close(&s);
}

static int set_up(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "a.org");
    certs_make(.file = "me", .client = true);
    return contexts_open();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_knows_that_it_came_over_tls),
        cmocka_unit_test(of_the_protocols_offered_it_takes_http_1_1),
        cmocka_unit_test(who_offers_http_1_0_only_gets_that),
        cmocka_unit_test(a_client_is_known_by_its_certificate),
        cmocka_unit_test(a_handshake_that_takes_too_long_is_given_up),
        cmocka_unit_test(more_handshakes_than_allowed_wait_their_turn),
        cmocka_unit_test(who_says_nothing_keeps_nobody_out_for_long),
        cmocka_unit_test(
            connections_at_the_limit_stay_at_it_when_handshakes_end),
        cmocka_unit_test(a_request_in_the_clear_is_told_what_is_wrong),
        cmocka_unit_test(garbage_is_answered_by_an_alert),
        cmocka_unit_test(a_stop_ends_handshakes_and_idle_connections_at_once),
        cmocka_unit_test(a_stop_waits_for_replies),
        cmocka_unit_test(a_large_reply_comes_whole_to_a_slow_reader),
        cmocka_unit_test(a_reply_that_is_cut_does_not_look_complete),
    };
    return cmocka_run_group_tests(tests, set_up, contexts_tear_down);
}
