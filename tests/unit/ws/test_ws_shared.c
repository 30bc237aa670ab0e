/*
 * test_ws_shared.c - messages that many connections get: order, bounds, memory,
 * compression, and who belongs to what.
 */
#include "ws_test.h"

enum { MANY = 5, QUEUE = 100000 };

static ed_ws *members[MANY];
static unsigned member_count, closed_count;
static struct ed_ws_deflate deflate;

static int note_open(ed_ws *ws)
{
    if (member_count < MANY)
        members[member_count++] = ws;
    return 0;
}

static void note_close(ed_ws *ws)
{
    (void)ws;
    closed_count++;
}

static int say_back(ed_ws *ws, struct ed_bytes msg)
{
    return ed_ws_send(ws, msg);
}

static int handler(ed_req *req)
{
    return ed_ws_serve(req, .on_open = note_open, .on_message = say_back,
                       .on_close = note_close, .deflate = deflate);
}

static int reset(void **state)
{
    member_count = closed_count = 0;
    deflate = (struct ed_ws_deflate){0};
    return ws_quiet(state);
}

static struct ws_shared *text_of(char c, size_t len)
{
    char *text = malloc(len + 1);
    memset(text, c, len);
    struct ws_shared *shared = ws_shared_new(true, ed_bytes_of(text, len));
    free(text);
    return shared;
}

static int post(ed_ws *ws, char c, size_t len)
{
    struct ws_shared *shared = text_of(c, len);
    int err = ws_post_shared(ws, shared, QUEUE);
    ws_shared_unref(shared);
    return err;
}

FIBER_TEST(many_get_one_message_and_none_holds_it)
{
    struct served s = {0};
    ed_stream *clients[MANY];
    served_open(&s, handler);
    for (int i = 0; i < MANY; i++)
        clients[i] = raw_open(&s, "/", "");
    struct ws_shared *shared = ws_shared_new(true, ED_BYTES("to all"));
    struct ws_shared *binary = ws_shared_new(false, ED_BYTES("of you"));
    check(ed_bytes_equal(ws_shared_payload(shared), ED_BYTES("to all")));
    for (int i = 0; i < MANY; i++) {
        check_int(ws_post_shared(members[i], shared, QUEUE), 0);
        check_int(ws_post_shared(members[i], binary, QUEUE), 0);
        check(!members[i]->queue && !members[i]->out);
        check_int(ws_queued_messages(members[i]), 0);
    }
    ws_shared_unref(shared);
    ws_shared_unref(binary);
    for (int i = 0; i < MANY; i++) {
        raw_gets(clients[i], 0x81, "to all");
        raw_gets(clients[i], 0x82, "of you");
        raw_close(clients[i]);
    }
    served_close(&s);
}

FIBER_TEST(messages_keep_their_order_among_those_of_others)
{
    struct served s = {0};
    served_open(&s, handler);
    ed_stream *client = raw_open(&s, "/", "");
    check_int(ed_ws_send(members[0], ED_BYTES("1")), 0);
    check_int(post(members[0], '2', 1), 0);
    check_int(ed_ws_send(members[0], ED_BYTES("3")), 0);
    check_int(post(members[0], '4', 1), 0);
    raw_gets(client, 0x81, "1");
    raw_gets(client, 0x81, "2");
    raw_gets(client, 0x81, "3");
    raw_gets(client, 0x81, "4");
    raw_close(client);
    served_close(&s);
}

FIBER_TEST(none_comes_between_the_fragments_of_another)
{
    struct served s = {0};
    served_open(&s, handler);
    ed_stream *client = raw_open(&s, "/", "");
    ed_ws *ws = members[0];
    check_int(ed_ws_send_begin(ws, true), 0);
    check_int(ed_ws_write(ws, ED_BYTES("one ")), 0);
    check_int(post(ws, 'x', 3), 0);
    check_int(ws_queued_messages(ws), 1);
    settle();
    check_int(ed_ws_write(ws, ED_BYTES("two")), 0);
    check_int(ed_ws_ping(ws, ED_BYTES("p")), 0);
    settle();
    check_int(ed_ws_send_end(ws), 0);
    raw_gets(client, 0x01, "one ");
    raw_gets(client, 0x00, "two");
    raw_gets(client, 0x89, "p");
    raw_gets(client, 0x80, "");
    raw_gets(client, 0x81, "xxx");
    check_int(ws_queued_messages(ws), 0);
    raw_close(client);
    served_close(&s);
}

/* Posts until the socket takes no more; how many went out whole or in part. */
static int fill_socket(ed_ws *ws)
{
    int n = 0;
    while (!ws->blocked && n < 1000) {
        check_int(post(ws, (char)('a' + n % 26), 10000), 0);
        n++;
    }
    return n;
}

FIBER_TEST(a_slow_peer_is_bounded_and_nobody_waits)
{
    struct served s = {0};
    served_open(&s, handler);
    ed_stream *client = raw_open(&s, "/", "");
    ed_ws *ws = members[0];
    int sent = fill_socket(ws);
    check_int(ws_queued_messages(ws), 1);
    check_int(ws_queued_bytes(ws), 10000);
    /* That one has begun. */
    check(!ws_drop_oldest(ws));
    for (int i = 0; i < 9; i++)
        check_int(post(ws, '1', 10000), 0);
    check_int(ws_queued_bytes(ws), QUEUE);
    check_int(post(ws, '2', 1), -EAGAIN);
    check(ws_drop_oldest(ws));
    check_int(post(ws, '2', 1), 0);
    check_int(ws_queued_messages(ws), 10);
    /* All of it comes, in its order, and without what was dropped. */
    for (int i = 0; i < sent; i++) {
        const struct raw_got *got = raw_read(client);
        if (!check(got->first == 0x81 && got->len == 10000 &&
                   got->bytes[9999] == 'a' + i % 26))
            break;
    }
    for (int i = 0; i < 8; i++)
        check(raw_read(client)->bytes[0] == '1');
    raw_gets(client, 0x81, "2");
    check_int(ws_queued_messages(ws), 0);
    check(!ws->queue && !ws->blocked);
    raw_text(client, "still there");
    raw_gets(client, 0x81, "still there");
    raw_close(client);
    served_close(&s);
}

FIBER_TEST(who_takes_nothing_is_left_and_its_queue_freed)
{
    struct served s = {.clients_left = 1};
    served_open(&s, handler);
    ed_stream *client = raw_open(&s, "/", "");
    fill_socket(members[0]);
    check_int(post(members[0], 'x', 5), 0);
    check_int(ed_sleep(31 * ED_S), 0);
    check_int(closed_count, 1);
    check_int(served_counts(&s).open, 0);
    served_close(&s);
    ed_stream_close(client);
}

FIBER_TEST(messages_of_no_bytes_are_bounded_too)
{
    struct served s = {.clients_left = 1};
    unsigned posted = 0;
    served_open(&s, handler);
    ed_stream *client = raw_open(&s, "/", "");
    fill_socket(members[0]);
    while (posted < QUEUE && !post(members[0], 'x', 0))
        posted++;
    check(posted > 100);
    check(posted < QUEUE / 20);
    check(ws_drop_oldest(members[0]));
    check_int(post(members[0], 'x', 0), 0);
    served_close(&s);
    ed_stream_close(client);
}

FIBER_TEST(a_close_goes_out_before_what_was_not_begun)
{
    struct served s = {0};
    served_open(&s, handler);
    ed_stream *client = raw_open(&s, "/", "");
    ed_ws *ws = members[0];
    int sent = fill_socket(ws);
    check_int(post(ws, 'x', 5), 0);
    ws_close_soon(ws, ED_WS_POLICY, "too slow");
    ws_close_soon(ws, ED_WS_NORMAL, "again");
    check_int(ws_queued_messages(ws), 1);
    check_int(post(ws, 'y', 5), ED_ECLOSED);
    for (int i = 0; i < sent; i++)
        check_int(raw_read(client)->len, 10000);
    raw_closed(client, ED_WS_POLICY);
    raw_say_close(client, ED_WS_POLICY);
    check(served_ended(client));
    ed_stream_close(client);
    served_close(&s);
}

/* ---- compression ---- */

/* The payload of the next frame, decompressed if it is. */
static void gets_inflated(ed_stream *client, ed_ws_inflate *z, bool compressed,
                          struct ed_bytes want)
{
    const struct raw_got *got = raw_read(client);
    char out[2000];
    size_t len = 0;
    ssize_t n;
    check_int(got->first, compressed ? 0xc1 : 0x81);
    struct ed_bytes in = ed_bytes_of(got->bytes, got->len);
    if (!compressed) {
        check(ed_bytes_equal(in, want));
        return;
    }
    while ((n = ed_ws_inflate_read(z, &in, true, out + len,
                                   sizeof(out) - len)) > 0)
        len += (size_t)n;
    check_int(n, 0);
    check(ed_bytes_equal(ed_bytes_of(out, len), want));
}

FIBER_TEST(a_message_is_compressed_once_for_each_way)
{
    struct served s = {0};
    ed_stream *clients[3];
    char text[500];
    static const char *const offers[] = {
        "", "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; "
        "server_max_window_bits=9\r\n"};
    served_open(&s, handler);
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 3; i++)
        clients[i] = raw_open(&s, "/", offers[i]);
    struct ws_shared *shared =
        ws_shared_new(true, ed_bytes_of(text, sizeof(text)));
    for (int i = 0; i < 3; i++)
        check_int(ws_post_shared(members[i], shared, QUEUE), 0);
    ws_shared_unref(shared);
    check_int(post(members[1], 'y', 5), 0);
    for (int i = 0; i < 3; i++) {
        ed_ws_inflate *z = ed_ws_inflate_new(i == 2 ? 9 : 15);
        gets_inflated(clients[i], z, i > 0, ed_bytes_of(text, sizeof(text)));
        ed_ws_inflate_free(z);
    }
    raw_gets(clients[1], 0x81, "yyyyy"); /* too short to gain */
    for (int i = 0; i < 3; i++)
        raw_close(clients[i]);
    served_close(&s);
}

FIBER_TEST(messages_of_both_kinds_can_be_decompressed_in_one_context)
{
    struct served s = {0};
    char text[300];
    deflate.takeover = true;
    deflate.threshold = 1;
    served_open(&s, handler);
    ed_stream *client =
        raw_open(&s, "/", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    ed_ws_inflate *z = ed_ws_inflate_new(15);
    for (int i = 0; i < 6; i++) {
        memset(text, 'a' + i, sizeof(text));
        memcpy(text + 20 + 31 * i, "a part that repeats itself each time", 36);
        struct ed_bytes bytes = ed_bytes_of(text, sizeof(text));
        if (i % 3 == 1) {
            struct ws_shared *shared = ws_shared_new(true, bytes);
            check_int(ws_post_shared(members[0], shared, QUEUE), 0);
            ws_shared_unref(shared);
        } else {
            check_int(ed_ws_send(members[0], bytes), 0);
        }
        gets_inflated(client, z, true, bytes);
    }
    ed_ws_inflate_free(z);
    raw_close(client);
    served_close(&s);
}

/* Decompresses what comes until a message ends, and wants that. */
static void gets_message(ed_stream *client, ed_ws_inflate *z,
                         struct ed_bytes want)
{
    enum { ROOM = 10000 };
    char *out = malloc(ROOM);
    size_t len = 0;
    bool fin = false, compressed = false;
    for (bool first = true; !fin; first = false) {
        const struct raw_got *got = raw_read(client);
        struct ed_bytes in = ed_bytes_of(got->bytes, got->len);
        ssize_t n = 0;
        if (!check(got->first))
            break;
        fin = got->first & 0x80;
        compressed = first ? got->first & 0x40 : compressed;
        if (!compressed) {
            memcpy(out + len, in.ptr, in.len);
            len += in.len;
            continue;
        }
        while ((n = ed_ws_inflate_read(z, &in, fin, out + len, ROOM - len)) > 0)
            len += (size_t)n;
        check_int(n, 0);
    }
    check(ed_bytes_equal(ed_bytes_of(out, len), want));
    free(out);
}

FIBER_TEST(a_message_in_pieces_keeps_its_context_among_those_of_others)
{
    static const char first[] = "a part that repeats itself each time",
                      piece[] = "a part that repeats itself, and more";
    struct served s = {0};
    char text[300];
    deflate.takeover = true;
    deflate.threshold = 1;
    served_open(&s, handler);
    ed_stream *client =
        raw_open(&s, "/", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    ed_ws_inflate *z = ed_ws_inflate_new(15);
    ed_ws *ws = members[0];
    memset(text, 'x', sizeof(text));
    check_int(ed_ws_send(ws, ed_bytes(first)), 0);
    check_int(ed_ws_send_begin(ws, true), 0);
    check_int(ed_ws_write(ws, ed_bytes(piece)), 0);
    check_int(post(ws, 'x', sizeof(text)), 0);
    settle();
    check_int(ed_ws_write(ws, ed_bytes(piece)), 0);
    check_int(post(ws, 'x', sizeof(text)), 0);
    check_int(ed_ws_send_end(ws), 0);
    check_int(ed_ws_send(ws, ed_bytes(first)), 0);
    gets_message(client, z, ed_bytes(first));
    /* The compressor has kept the pieces. */
    gets_message(client, z, ed_bytes_of(text, sizeof(text)));
    gets_message(client, z, ed_bytes_of(text, sizeof(text)));
    gets_message(client, z,
                 ed_bytes("a part that repeats itself, and more"
                          "a part that repeats itself, and more"));
    gets_message(client, z, ed_bytes(first));
    ed_ws_inflate_free(z);
    raw_close(client);
    served_close(&s);
}

/* ---- membership ---- */

static unsigned left_count;

static void left(struct ws_member *member)
{
    check(member->ws == NULL);
    left_count++;
}

static void left_other(struct ws_member *member)
{
    (void)member;
    left_count += 100;
}

FIBER_TEST(members_are_told_when_a_connection_closes)
{
    struct served s = {0};
    struct ws_member a = {.left = left}, b = {.left = left_other},
                     c = {.left = left};
    served_open(&s, handler);
    ed_stream *client = raw_open(&s, "/", "");
    ed_ws *ws = members[0];
    left_count = 0;
    check_int(ws_join(ws, &a), 0);
    check_int(ws_join(ws, &b), 0);
    check_int(ws_join(ws, &c), 0);
    check(ws_member_find(ws, left) == &c);
    check(ws_member_next(&c) == &a);
    check(ws_member_next(&a) == NULL);
    ws_leave(&c);
    ws_leave(&c);
    check(ws_member_find(ws, left) == &a);
    check_int(left_count, 0);
    raw_say_close(client, ED_WS_NORMAL);
    raw_closed(client, ED_WS_NORMAL);
    check_int(left_count, 101);
    check(a.ws == NULL && b.ws == NULL);
    ed_stream_close(client);
    served_close(&s);
    check_int(left_count, 101);
}

FIBER_TEST(members_are_told_when_a_connection_breaks)
{
    struct served s = {0};
    struct ws_member a = {.left = left};
    served_open(&s, handler);
    ed_stream *client = raw_open(&s, "/", "");
    left_count = 0;
    check_int(ws_join(members[0], &a), 0);
    ed_stream_close(client);
    /* Whatever is tried first finds out, and says so later. */
    struct ws_shared *shared = ws_shared_new(true, ED_BYTES("x"));
    int err = ws_post_shared(members[0], shared, QUEUE);
    check(err == 0 || err == ED_ECLOSED);
    ws_shared_unref(shared);
    check_int(left_count, 0);
    settle();
    check_int(left_count, 1);
    check_int(closed_count, 1);
    served_close(&s);
}

FIBER_TEST(nobody_joins_what_is_closing)
{
    struct served s = {0};
    struct ws_member a = {.left = left};
    served_open(&s, handler);
    ed_stream *client = raw_open(&s, "/", "");
    ws_close_soon(members[0], ED_WS_NORMAL, NULL);
    check_int(ws_join(members[0], &a), ED_ECLOSED);
    check(a.ws == NULL);
    raw_closed(client, ED_WS_NORMAL);
    ed_stream_close(client);
    settle();
    served_close(&s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, reset)
    const struct CMUnitTest tests[] = {
        TEST(many_get_one_message_and_none_holds_it),
        TEST(messages_keep_their_order_among_those_of_others),
        TEST(none_comes_between_the_fragments_of_another),
        TEST(a_slow_peer_is_bounded_and_nobody_waits),
        TEST(who_takes_nothing_is_left_and_its_queue_freed),
        TEST(messages_of_no_bytes_are_bounded_too),
        TEST(a_close_goes_out_before_what_was_not_begun),
        TEST(a_message_is_compressed_once_for_each_way),
        TEST(messages_of_both_kinds_can_be_decompressed_in_one_context),
        TEST(a_message_in_pieces_keeps_its_context_among_those_of_others),
        TEST(members_are_told_when_a_connection_closes),
        TEST(members_are_told_when_a_connection_breaks),
        TEST(nobody_joins_what_is_closing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
