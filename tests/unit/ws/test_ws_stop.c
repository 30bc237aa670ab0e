/*
 * test_ws_stop.c - servers that stop while they have WebSockets: at once, in
 * the middle of a message, and before a handshake is over.
 */
#include "ws_test.h"

#include <eddy/ws.h>

static ed_server *server;
static unsigned closed_count;
static int closed_code;
static bool stop_first, pause_at_end;

static void note_close(ed_ws *ws)
{
    closed_count++;
    closed_code = ed_ws_close_code(ws);
    if (pause_at_end)
        (void)ed_sleep(ED_MS); /* cancelled by then, or not */
}

static void cut(void)
{
    ed_server_stop(server);
    ed_server_stop(server);
}

static int cut_or_say_back(ed_ws *ws, struct ed_bytes msg)
{
    if (!strcmp(msg.ptr, "cut"))
        cut();
    return ed_ws_is_open(ws) ? ed_ws_send(ws, msg) : 0;
}

static int handler(ed_req *req)
{
    if (stop_first)
        ed_server_stop(server);
    return ed_ws_serve(req, .on_message = cut_or_say_back,
                       .on_close = note_close);
}

static int reset(void **state)
{
    closed_count = 0;
    closed_code = 0;
    stop_first = pause_at_end = false;
    return ws_quiet(state);
}

static ed_stream *begin(struct served *s, const char *path)
{
    served_open(s, handler, .drain_timeout = ED_S);
    server = s->server;
    return raw_open(s, path, "");
}

/* The server is over, and all was told, and freed. */
static void is_over(struct served *s, ed_stream *client, int result)
{
    served_join(s);
    check_int(s->result, result);
    check_int(closed_count, 1);
    ed_stream_close(client);
}

FIBER_TEST(a_fiber_that_cuts_the_server_off_has_the_end_told)
{
    for (int i = 0; i < 2; i++) {
        struct served s = {.clients_left = 1};
        closed_count = 0;
        pause_at_end = i;
        ed_stream *client = begin(&s, "/");
        cut();
        is_over(&s, client, 0);
    }
}

FIBER_TEST(a_peer_that_does_not_answer_is_cut_after_the_drain)
{
    struct served s = {.clients_left = 1};
    ed_stream *client = begin(&s, "/");
    ed_server_stop(server);
    check_int(ed_sleep(2 * ED_S), 0);
    check(s.ended);
    is_over(&s, client, ED_ETIMEOUT);
    check_int(closed_code, ED_WS_ABNORMAL);
}

FIBER_TEST(a_message_may_cut_the_server_off)
{
    struct served s = {.clients_left = 1};
    ed_stream *client = begin(&s, "/");
    raw_text(client, "cut");
    is_over(&s, client, 0);
}

FIBER_TEST(who_comes_while_the_server_stops_is_sent_away)
{
    struct served s = {0};
    stop_first = true;
    ed_stream *client = begin(&s, "/");
    raw_closed(client, ED_WS_GOING_AWAY);
    raw_say_close(client, ED_WS_GOING_AWAY);
    check(served_ended(client));
    ed_stream_close(client);
    served_join(&s);
    check_int(s.result, 0);
    check_int(closed_count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, reset)
    const struct CMUnitTest tests[] = {
        TEST(a_fiber_that_cuts_the_server_off_has_the_end_told),
        TEST(a_peer_that_does_not_answer_is_cut_after_the_drain),
        TEST(a_message_may_cut_the_server_off),
        TEST(who_comes_while_the_server_stops_is_sent_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
