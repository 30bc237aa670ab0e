/*
 * test_ws_connect.c - WebSockets of a client, against servers of ours and
 * against one by hand.
 */
#include "ws_test.h"
#include "../http/contexts.h"
#include "ws/key.h"

#include <eddy/client.h>

/* ---- a server of ours ---- */

static int say_back(ed_ws *ws, struct ed_bytes msg)
{
    return ed_ws_is_text(ws) ? ed_ws_send(ws, msg) : ed_ws_send_binary(ws, msg);
}

static struct ed_ws_deflate server_deflate;

static int handler(ed_req *req)
{
    const char *path = ed_req_path(req);
    if (!strcmp(path, "/moved"))
        return ed_redirect(req, 302, "/");
    if (!strcmp(path, "/secret"))
        return ED_EFORBIDDEN;
    if (!strcmp(path, "/plain"))
        return ed_reply(req, 200, "no WebSocket here\n");
    if (!strcmp(path, "/agent"))
        return ed_ws_serve(req, .protocols = ed_header(req, "X-Protocol"));
    return ed_ws_serve(req, .on_message = say_back,
                       .max_message = 32 * 1024 * 1024, .protocols = "b, a",
                       .deflate = server_deflate);
}

static int reset(void **state)
{
    server_deflate = (struct ed_ws_deflate){0};
    return ws_quiet(state);
}

static ed_client *client;

/* A client for whom a.org is at that address. */
static void open_client(const char *address)
{
    char clear[256], secure[256];
    const char *hosts[] = {clear, secure, NULL};
    snprintf(clear, sizeof(clear), "a.org:80=%s", address);
    snprintf(secure, sizeof(secure), "a.org:443=%s", address);
    client = ed_client_new(.proxy = "", .hosts = hosts, .tls = client_tls);
    check(client != NULL);
}

static void open_both(struct served *s)
{
    served_open(s, handler);
    open_client(s->address);
}

static void close_both(struct served *s)
{
    ed_client_free(client);
    /* Connections that were given up close in the background. */
    check_int(ed_sleep(10 * ED_S), 0);
    served_close(s);
}

FIBER_TEST(a_client_talks_to_a_server)
{
    struct served s = {0};
    struct ed_bytes msg;
    open_both(&s);
    ed_ws *ws = NULL;
    check_int(ed_ws_connect(&ws, "ws://a.org/", .client = client,
                            .protocols = "a, b"),
              0);
    check_text(ed_ws_protocol(ws), "a");
    check(ed_ws_is_compressed(ws));
    check_int(ed_ws_send(ws, ED_BYTES("hello")), 0);
    check_int(ed_ws_recv(ws, &msg), 0);
    check_text(msg.ptr, "hello");
    check(ed_ws_is_text(ws));
    check_int(ed_ws_send_binary(ws, ED_BYTES("\x00\xff")), 0);
    check_int(ed_ws_recv(ws, &msg), 0);
    check_int(msg.len, 2);
    check(!ed_ws_is_text(ws));
    check_int(ed_ws_printf(ws, "%d", 42), 0);
    check_int(ed_ws_recv(ws, &msg), 0);
    check_text(msg.ptr, "42");
    check_int(ed_ws_close(ws, 4444, "enough"), 0);
    check_int(ed_ws_close_code(ws), 4444);
    check_int(ed_ws_recv(ws, &msg), ED_ECLOSED);
    check_int(ed_ws_send(ws, ED_BYTES("late")), ED_ECLOSED);
    ed_ws_free(ws);
    close_both(&s);
}

static void fill(char *text, size_t len)
{
    uint32_t seed = 1;
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + test_random(&seed, 6));
}

/* All sizes where something changes, through the whole of it. */
static void echo_all_sizes(ed_ws *ws)
{
    static const size_t sizes[] = {0,     1,     125,   126,    127,   128,
                                   4000,  4095,  4096,  8192,   8193,  16370,
                                   20000, 65535, 65536, 131072, 300000};
    char *text = malloc(300000);
    struct ed_bytes msg = {0};
    fill(text, 300000);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            struct ed_bytes sent =
                ed_bytes_of(text + i, sizes[i] - (sizes[i] > 100 ? i : 0));
            check_int(
                round ? ed_ws_send_binary(ws, sent) : ed_ws_send(ws, sent), 0);
            check_int(ed_ws_recv(ws, &msg), 0);
            check(ed_bytes_equal(msg, sent));
        }
    }
    free(text);
}

FIBER_TEST(messages_of_all_sizes_come_back_however_they_are_compressed)
{
    static const struct {
        struct ed_ws_deflate server, client;
        bool on;
    } cases[] = {
        {{.off = true}, {0}, false},
        {{0}, {.off = true}, false},
        {{0}, {0}, true},
        {{.takeover = true}, {.takeover = true}, true},
        {{.takeover = true}, {0}, true},
        {{0}, {.takeover = true, .threshold = 1}, true},
        {{.takeover = true, .window_bits = 9, .threshold = 1},
         {.takeover = true, .window_bits = 10, .level = 1, .threshold = 1},
         true},
        {{.takeover = true, .peer_window_bits = 9},
         {.takeover = true, .peer_window_bits = 11, .level = 9},
         true},
    };
    struct served s = {0};
    open_both(&s);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ed_ws *ws = NULL;
        server_deflate = cases[i].server;
        check_int(ed_ws_connect(&ws, "ws://a.org/", .client = client,
                                .max_message = 2000000,
                                .deflate = cases[i].client),
                  0);
        check_int(ed_ws_is_compressed(ws), cases[i].on);
        echo_all_sizes(ws);
        ed_ws_free(ws);
    }
    close_both(&s);
}

FIBER_TEST(without_takeover_no_context_is_kept)
{
    struct served s = {0};
    struct ed_bytes msg;
    char text[1000];
    open_both(&s);
    for (int keeps = 0; keeps < 2; keeps++) {
        ed_ws *ws = NULL;
        server_deflate.takeover = keeps;
        check_int(ed_ws_connect(&ws, "ws://a.org/", .client = client,
                                .deflate.takeover = keeps),
                  0);
        fill(text, sizeof(text));
        check_int(ed_ws_send(ws, ed_bytes_of(text, sizeof(text))), 0);
        check_int(ed_ws_recv(ws, &msg), 0);
        check_int(ws->zip != NULL, keeps);
        ed_ws_free(ws);
    }
    close_both(&s);
}

FIBER_TEST(a_refusal_is_told_with_its_status)
{
    struct served s = {0};
    ed_ws *ws;
    open_both(&s);
    check_int(ed_ws_connect(&ws, "ws://a.org/secret", .client = client),
              ED_ECONTENT);
    check(ws == NULL);
    check_int(ed_ws_refused_status(), 403);
    check(strstr(ed_error(), "403") != NULL);
    check_int(ed_ws_connect(&ws, "ws://a.org/plain", .client = client),
              ED_ECONTENT);
    check_int(ed_ws_refused_status(), 200);
    check_int(ed_ws_connect(&ws, "ftp://a.org/", .client = client), ED_EURL);
    check_int(ed_ws_refused_status(), 0);
    check_int(ed_ws_connect(&ws, "ws://a.org/", .client = client,
                            .deflate.window_bits = 8),
              ED_EUSAGE);
    close_both(&s);
}

FIBER_TEST(a_redirect_is_followed)
{
    struct served s = {0};
    ed_ws *ws = NULL;
    struct ed_bytes msg;
    open_both(&s);
    check_int(ed_ws_connect(&ws, "ws://a.org/moved", .client = client), 0);
    check_int(ed_ws_send(ws, ED_BYTES("there")), 0);
    check_int(ed_ws_recv(ws, &msg), 0);
    check_text(msg.ptr, "there");
    ed_ws_free(ws);
    close_both(&s);
}

FIBER_TEST(a_websocket_may_go_over_tls)
{
    struct served s = {.tls = server_tls};
    ed_ws *ws = NULL;
    open_both(&s);
    if (check_int(ed_ws_connect(&ws, "wss://a.org/", .client = client,
                                .max_message = 2000000),
                  0)) {
        echo_all_sizes(ws);
        check_int(ed_ws_close(ws, ED_WS_NORMAL, NULL), 0);
    }
    ed_ws_free(ws);
    close_both(&s);
}

FIBER_TEST(a_deadline_ends_the_waiting_and_not_the_connection)
{
    struct served s = {0};
    ed_ws *ws = NULL;
    struct ed_bytes msg;
    open_both(&s);
    check_int(ed_ws_connect(&ws, "ws://a.org/", .client = client), 0);
    {
        ed_scope(soon, .within = ED_S);
        (void)soon;
        check_int(ed_ws_recv(ws, &msg), ED_ETIMEOUT);
    }
    check_int(ed_ws_send(ws, ED_BYTES("still there")), 0);
    check_int(ed_ws_recv(ws, &msg), 0);
    check_text(msg.ptr, "still there");
    ed_ws_free(ws);
    close_both(&s);
}

FIBER_TEST(quiet_ends_ping_each_other)
{
    struct served s = {0};
    ed_ws *ws = NULL;
    struct ed_bytes msg;
    open_both(&s);
    check_int(ed_ws_connect(&ws, "ws://a.org/", .client = client,
                            .ping_interval = 10 * ED_S),
              0);
    check_int(ed_ws_latency(ws), -1);
    check_int(ed_sleep(5 * ED_MIN), 0);
    check(ed_ws_is_open(ws));
    check(ed_ws_latency(ws) >= 0);
    check_int(ed_ws_send(ws, ED_BYTES("x")), 0);
    check_int(ed_ws_recv(ws, &msg), 0);
    ed_ws_free(ws);
    close_both(&s);
}

FIBER_TEST(a_message_is_sent_and_received_in_pieces)
{
    struct served s = {0};
    ed_ws *ws = NULL;
    char *piece = malloc(100000);
    open_both(&s);
    check_int(ed_ws_connect(&ws, "ws://a.org/", .client = client), 0);
    fill(piece, 100000);
    check_int(ed_ws_send_begin(ws, true), 0);
    check_int(ed_ws_send(ws, ED_BYTES("within")), ED_EUSAGE);
    for (int i = 0; i < 30; i++)
        check_int(ed_ws_write(ws, ed_bytes_of(piece, 100000)), 0);
    check_int(ed_ws_send_end(ws), 0);
    check_int(ed_ws_send(ws, ED_BYTES("behind")), 0);

    size_t got = 0;
    ssize_t n;
    char buf[7000];
    check_int(ed_ws_recv_begin(ws), 0);
    check(ed_ws_is_text(ws));
    while ((n = ed_ws_read(ws, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < n; i++, got++) {
            if (buf[i] != piece[got % 100000])
                break;
        }
    }
    check_int(n, 0);
    check_int(got, 3000000);
    struct ed_bytes msg;
    check_int(ed_ws_recv(ws, &msg), 0);
    check_text(msg.ptr, "behind");
    free(piece);
    ed_ws_free(ws);
    close_both(&s);
}

FIBER_TEST(the_largest_of_limits_is_none)
{
    struct served s = {0};
    ed_ws *ws = NULL;
    struct ed_bytes msg = {0};
    char text[6000];
    open_both(&s);
    check_int(ed_ws_connect(&ws, "ws://a.org/", .client = client,
                            .max_message = SIZE_MAX),
              0);
    fill(text, sizeof(text));
    check_int(ed_ws_send(ws, ed_bytes_of(text, sizeof(text))), 0);
    {
        ed_scope(soon, .within = ED_S);
        (void)soon;
        check_int(ed_ws_recv(ws, &msg), 0);
    }
    check(ed_bytes_equal(msg, ed_bytes_of(text, sizeof(text))));
    ed_ws_free(ws);
    close_both(&s);
}

/* ---- a server by hand ---- */

struct by_hand {
    ed_listener *listener;
    char address[ED_ADDR_TEXT];
    ed_stream *stream; /* of the one client */
    ed_ws *ws;
    const char *answer; /* behind the status line; NULL: a proper one */
    int result;
    struct ed_scope_store store;
    ed_scope *scope;
    struct ed_ws_connect_options options;
};

static int connect_to_hand(void *arg)
{
    struct by_hand *h = arg;
    h->result = ed_ws_connect_with(&h->ws, "ws://a.org/", &h->options);
    return 0;
}

/* Accepts the client and answers its handshake. */
static void hand_open(struct by_hand *h, const char *more)
{
    struct ed_bytes head;
    char accept[WS_ACCEPT_TEXT];
    char key[WS_KEY_TEXT] = "";
    snprintf(h->address, sizeof(h->address), "unix:@eddy-hand-%d", getpid());
    check_int(ed_listen(&h->listener, h->address), 0);
    open_client(h->address);
    h->options.size = sizeof(h->options);
    h->options.client = client;
    ed_scope(s);
    ed_go(s, connect_to_hand, h);
    check_int(ed_accept(h->listener, &h->stream), 0);
    check_int(
        ed_stream_read_until(h->stream, ED_BYTES("\r\n\r\n"), 4000, &head), 0);
    ssize_t at = ed_bytes_find(head, ED_BYTES("Sec-WebSocket-Key: "));
    if (check(at > 0))
        snprintf(key, sizeof(key), "%.24s", head.ptr + at + 19);
    check_int(ws_accept_key(key, accept), 0);
    check_int(ed_stream_printf(h->stream,
                               "HTTP/1.1 101 Switching Protocols\r\n"
                               "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: %s\r\n%s\r\n",
                               h->answer ? h->answer : accept, more),
              0);
    check_int(ed_wait(s), 0);
}

static void hand_close(struct by_hand *h)
{
    ed_ws_free(h->ws);
    ed_stream_close(h->stream);
    ed_listener_close(h->listener);
    check_int(ed_sleep(10 * ED_S), 0);
    ed_client_free(client);
}

static void hand_says(struct by_hand *h, struct ed_bytes bytes)
{
    check_int(ed_stream_write(h->stream, bytes.ptr, bytes.len), 0);
}

/* Reads a frame of the client's, whose mask it takes off. */
static void hand_gets(struct by_hand *h, int first, struct ed_bytes want)
{
    uint8_t head[6];
    char payload[125];
    ed_scope(soon, .within = ED_S);
    (void)soon;
    if (!check_int(ed_stream_read_exactly(h->stream, head, 6), 0))
        return;
    check_int(head[0], first);
    check_int(head[1], 0x80 | (int)want.len);
    check_int(ed_stream_read_exactly(h->stream, payload, want.len), 0);
    ed_ws_mask(payload, payload, want.len, head + 2, 0);
    check(!memcmp(payload, want.ptr, want.len));
}

FIBER_TEST(a_client_masks_what_it_sends_each_time_anew)
{
    struct by_hand h = {0};
    uint8_t first[11], second[11];
    hand_open(&h, "");
    if (!check_int(h.result, 0))
        return;
    check_int(ed_ws_send(h.ws, ED_BYTES("hello")), 0);
    check_int(ed_ws_send(h.ws, ED_BYTES("hello")), 0);
    check_int(ed_stream_read_exactly(h.stream, first, 11), 0);
    check_int(ed_stream_read_exactly(h.stream, second, 11), 0);
    check_int(first[0], 0x81);
    check_int(first[1], 0x85);
    check(memcmp(first + 2, second + 2, 4) != 0);
    ed_ws_mask((char *)first + 6, (char *)first + 6, 5, first + 2, 0);
    check(!memcmp(first + 6, "hello", 5));
    hand_close(&h);
}

/* Half of a message of `len` bytes comes for a receive that is given up. */
static void hand_says_half(struct by_hand *h, const char *text, size_t len)
{
    struct ed_ws_head head = {.opcode = ED_WS_TEXT, .fin = true, .len = len};
    char bytes[ED_WS_HEAD_MAX];
    struct ed_bytes msg;
    hand_says(h, ed_bytes_of(bytes, ed_ws_head_write(bytes, &head)));
    hand_says(h, ed_bytes_of(text, len / 2));
    ed_scope(soon, .within = ED_S);
    (void)soon;
    check_int(ed_ws_recv(h->ws, &msg), ED_ETIMEOUT);
}

FIBER_TEST(what_was_half_received_can_be_read_in_pieces)
{
    static const size_t lengths[] = {10, 60000, 300000};
    struct by_hand h = {0};
    char *text = malloc(300000), *got = malloc(300000);
    hand_open(&h, "");
    fill(text, 300000);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        size_t len = lengths[i], at = 0;
        ssize_t n = 0;
        hand_says_half(&h, text, len);
        ed_scope(soon, .within = ED_S);
        (void)soon;
        hand_says(&h, ed_bytes_of(text + len / 2, len - len / 2));
        check_int(ed_ws_recv_begin(h.ws), 0);
        while (at < len && (n = ed_ws_read(h.ws, got + at, len - at)) > 0)
            at += (size_t)n;
        check_int(at, len);
        check_int(ed_ws_read(h.ws, got, 1), 0);
        check(!memcmp(text, got, at));
    }
    free(text);
    free(got);
    hand_close(&h);
}

FIBER_TEST(what_comes_behind_the_response_is_not_lost)
{
    struct by_hand h = {0};
    struct ed_bytes msg;
    hand_open(&h, "X: y\r\n");
    if (!check_int(h.result, 0))
        return;
    hand_says(&h, ED_BYTES("\x81\x03one\x81\x03two"));
    check_int(ed_ws_recv(h.ws, &msg), 0);
    check_text(msg.ptr, "one");
    check_int(ed_ws_recv(h.ws, &msg), 0);
    check_text(msg.ptr, "two");
    hand_close(&h);
}

FIBER_TEST(a_server_that_accepts_wrongly_is_left)
{
    static const struct {
        const char *answer, *more;
    } cases[] = {
        {"bm90IHRoZSByaWdodCBhbnN3ZXI=", ""},
        {NULL, "Sec-WebSocket-Protocol: unasked\r\n"},
        {NULL, "Sec-WebSocket-Extensions: x-unasked\r\n"},
        {NULL, "Sec-WebSocket-Extensions: permessage-deflate; "
               "client_max_window_bits=8\r\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct by_hand h = {.answer = cases[i].answer};
        hand_open(&h, cases[i].more);
        check_int(h.result, ED_EPROTO);
        check(h.ws == NULL);
        check(served_ended(h.stream));
        hand_close(&h);
    }
}

FIBER_TEST(a_server_that_breaks_the_rules_is_told)
{
    static const struct {
        struct ed_bytes bytes;
        struct ed_bytes close; /* the code */
        int err;
    } cases[] = {
        {ED_BYTES("\x81\x81wxyz-"), ED_BYTES("\x03\xea"), ED_EPROTO},
        {ED_BYTES("\x81\x02\xff\xff"), ED_BYTES("\x03\xef"), ED_EPROTO},
        {ED_BYTES("\x82\x7f\0\0\0\0\x7f\0\0\0"), ED_BYTES("\x03\xf1"),
         ED_ELIMIT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct by_hand h = {0};
        struct ed_bytes msg;
        uint8_t head[8];
        hand_open(&h, "");
        if (!check_int(h.result, 0))
            return;
        hand_says(&h, cases[i].bytes);
        check_int(ed_ws_recv(h.ws, &msg), cases[i].err);
        check_int(ed_ws_recv(h.ws, &msg), cases[i].err);
        check_int(ed_ws_close_code(h.ws), ED_WS_ABNORMAL);
        check_int(ed_stream_read_exactly(h.stream, head, 8), 0);
        check_int(head[0], 0x88);
        ed_ws_mask((char *)head + 6, (char *)head + 6, 2, head + 2, 0);
        check(!memcmp(head + 6, cases[i].close.ptr, 2));
        hand_close(&h);
    }
}

FIBER_TEST(a_client_that_was_freed_says_goodbye)
{
    struct by_hand h = {0};
    hand_open(&h, "");
    if (!check_int(h.result, 0))
        return;
    ed_ws_free(h.ws);
    h.ws = NULL;
    hand_gets(&h, 0x88, ED_BYTES("\x03\xe8"));
    hand_says(&h, ED_BYTES("\x88\x02\x03\xe8"));
    check_int(ed_stream_shutdown(h.stream), 0);
    check(served_ended(h.stream));
    hand_close(&h);
}

FIBER_TEST(a_server_that_does_not_close_is_left_after_some_time)
{
    struct by_hand h = {0};
    hand_open(&h, "");
    if (!check_int(h.result, 0))
        return;
    int64_t began = ed_now();
    check_int(ed_ws_close(h.ws, ED_WS_NORMAL, NULL), ED_ETIMEOUT);
    check(ed_now() - began >= 5 * ED_S);
    check(ed_now() - began < 6 * ED_S);
    hand_close(&h);
}

FIBER_TEST(a_ping_carries_what_it_was_given)
{
    struct by_hand h = {0};
    hand_open(&h, "");
    if (!check_int(h.result, 0))
        return;
    check_int(ed_ws_ping(h.ws, ED_BYTES("are you there?")), 0);
    hand_gets(&h, 0x89, ED_BYTES("are you there?"));
    hand_says(&h, ED_BYTES("\x89\x03yes"));
    hand_gets(&h, 0x8a, ED_BYTES("yes"));
    hand_close(&h);
}

FIBER_TEST(a_sender_waits_for_a_slow_peer_and_breaks_when_that_is_too_slow)
{
    struct by_hand h = {.options.write_timeout = 3 * ED_S,
                        .options.ping_interval = -1};
    char *text = malloc(1000000);
    int err = 0, sent = 0;
    hand_open(&h, "");
    if (!check_int(h.result, 0))
        return;
    fill(text, 1000000);
    int64_t began = ed_now();
    while (!err && sent < 100) {
        err = ed_ws_send(h.ws, ed_bytes_of(text, 1000000));
        sent++;
    }
    check_int(err, ED_ECONNLOST);
    check(sent < 100);
    check(ed_now() - began >= 3 * ED_S);
    check(ed_now() - began < 5 * ED_S);
    free(text);
    hand_close(&h);
}

static int set_up(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "a.org");
    return contexts_open();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, reset)
    const struct CMUnitTest tests[] = {
        TEST(a_client_talks_to_a_server),
        TEST(messages_of_all_sizes_come_back_however_they_are_compressed),
        TEST(without_takeover_no_context_is_kept),
        TEST(a_refusal_is_told_with_its_status),
        TEST(a_redirect_is_followed),
        TEST(a_websocket_may_go_over_tls),
        TEST(a_deadline_ends_the_waiting_and_not_the_connection),
        TEST(quiet_ends_ping_each_other),
        TEST(a_message_is_sent_and_received_in_pieces),
        TEST(a_client_masks_what_it_sends_each_time_anew),
        TEST(the_largest_of_limits_is_none),
        TEST(what_was_half_received_can_be_read_in_pieces),
        TEST(what_comes_behind_the_response_is_not_lost),
        TEST(a_server_that_accepts_wrongly_is_left),
        TEST(a_server_that_breaks_the_rules_is_told),
        TEST(a_client_that_was_freed_says_goodbye),
        TEST(a_server_that_does_not_close_is_left_after_some_time),
        TEST(a_ping_carries_what_it_was_given),
        TEST(a_sender_waits_for_a_slow_peer_and_breaks_when_that_is_too_slow),
    };
    return cmocka_run_group_tests(tests, set_up, contexts_tear_down);
}
