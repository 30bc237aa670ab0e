/*
 * test_sse.c - replies that are streams of events.
 */
#include "served_handlers.h"

#include <eddy/sse.h>

static ed_sse *last_sse;
static unsigned handlers_over;
static int last_result;

/* What the handler does once it has begun. */
static int (*act)(ed_sse *sse);

static int handle(ed_req *req)
{
    int err = ed_sse_begin(req, &last_sse, .retry = 2500 * ED_MS);

    if (!err && act)
        err = act(last_sse);
    handlers_over++;
    last_result = err;
    return err;
}

static int wait_long(ed_sse *sse)
{
    (void)sse;
    return ed_sleep(ED_MIN);
}

static void open_with(struct served *s, int (*what)(ed_sse *sse))
{
    act = what;
    handlers_over = 0;
    served_open(s, handle, .half_close = false);
}

static int send_some(ed_sse *sse)
{
    int err = ed_sse_send(sse, .event = "add", .id = "7",
                          .data = ED_BYTES("two\nlines"));
    return err ? err : ed_sse_send(sse, .data = ED_BYTES("last"));
}

FIBER_TEST(a_stream_says_what_it_is_and_sends_events)
{
    struct served s = {0};

    open_with(&s, send_some);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    settle();
    const char *text = served_heard(client);
    check(strstr(text, "HTTP/1.1 200 OK\r\n"));
    check(strstr(text, "Content-Type: text/event-stream\r\n"));
    check(strstr(text, "Cache-Control: no-store\r\n"));
    check(strstr(text, "X-Accel-Buffering: no\r\n"));
    check(strstr(text, "retry: 2500\n\n"));
    check(strstr(text, "event: add\nid: 7\ndata: two\ndata: lines\n\n"));
    check(strstr(text, "data: last\n\n"));
    check(strstr(text, "\r\n0\r\n\r\n"));
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(the_head_goes_out_before_anything_is_sent)
{
    struct served s = {0};

    open_with(&s, wait_long);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    settle();
    served_says(client, "retry: 2500\n\n");
    ed_stream_close(client);
    settle();
    check_int(handlers_over, 1);
    check_int(last_result, ED_ECANCELED);
    served_close(&s);
}

FIBER_TEST(comments_go_out_while_nothing_is_sent)
{
    struct served s = {0};

    open_with(&s, wait_long);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    settle();
    served_drain(client);
    check_int(ed_sleep(14 * ED_S), 0);
    check_text(served_heard(client), "");
    check_int(ed_sleep(2 * ED_S), 0);
    check_text(served_heard(client), "3\r\n:\n\n\r\n");
    check_int(ed_sleep(30 * ED_S), 0);
    check_text(served_heard(client), "3\r\n:\n\n\r\n3\r\n:\n\n\r\n");
    ed_stream_close(client);
    served_close(&s);
}

static int send_each_ten_seconds(ed_sse *sse)
{
    int err = 0;

    for (int i = 0; i < 4 && !err; i++) {
        err = ed_sleep(10 * ED_S);
        if (!err)
            err = ed_sse_send(sse, .data = ED_BYTES("x"));
    }
    return err ? err : ed_sleep(10 * ED_S);
}

FIBER_TEST(a_stream_that_speaks_needs_no_heartbeat)
{
    struct served s = {0};

    open_with(&s, send_each_ten_seconds);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    check_int(ed_sleep(49 * ED_S), 0);
    const char *text = served_heard(client);
    check(strstr(text, "data: x\n\n"));
    check(!strstr(text, "\n:\n"));
    ed_stream_close(client);
    served_close(&s);
}

static int send_for_ever(ed_sse *sse)
{
    char line[1000];
    int err = 0;

    memset(line, 'x', sizeof(line));
    while (!err)
        err = ed_sse_send(sse, .data = ed_bytes_of(line, sizeof(line)));
    return err;
}

FIBER_TEST(no_heartbeat_stands_between_pieces_that_wait)
{
    struct served s = {0};
    char text[4096];
    ssize_t n;

    open_with(&s, send_for_ever);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    check_int(ed_sleep(29 * ED_S), 0);
    {
        ed_scope(soon, .within = 100 * ED_US);
        (void)soon;
        for (int i = 0; i < 1000; i++) {
            n = ed_stream_read(client, text, sizeof(text) - 1);
            if (!check(n > 0))
                break;
            text[n] = '\0';
            check(!strstr(text, "\n:\n"));
        }
    }
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(a_client_that_takes_nothing_is_cut_off)
{
    struct served s = {0};

    open_with(&s, send_for_ever);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    check_int(ed_sleep(29 * ED_S), 0);
    check_int(handlers_over, 0);
    check_int(ed_sleep(2 * ED_S), 0);
    check_int(handlers_over, 1);
    check_int(last_result, ED_ETIMEOUT);
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(a_stop_ends_streams_as_if_all_were_said)
{
    struct served s = {.clients_left = 1};

    open_with(&s, wait_long);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    settle();
    served_drain(client);
    int64_t began = ed_now();
    ed_server_stop(s.server);
    settle();
    check_text(served_heard(client), "0\r\n\r\n");
    check(served_ended(client));
    check_int(last_result, ED_ECANCELED);
    served_join(&s);
    check_int(s.result, 0);
    check(ed_now() - began < 5 * ED_S);
    ed_stream_close(client);
}

FIBER_TEST(a_stream_that_never_waits_hears_of_a_stop)
{
    struct served s = {0};

    open_with(&s, send_for_ever);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    settle();
    ed_server_stop(s.server);
    served_drain(client);
    check_int(handlers_over, 1);
    ed_stream_close(client);
    served_join(&s);
}

static const char *answer(struct served *s, const char *method,
                          const char *fields)
{
    ed_stream *client = served_connect(s);

    check_int(ed_stream_printf(client, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n",
                               method, fields),
              0);
    settle();
    const char *text = served_heard(client);
    ed_stream_close(client);
    settle();
    return text;
}

FIBER_TEST(a_client_that_does_not_take_events_is_told)
{
    static const char *const good[] = {
        "",
        "Accept: text/event-stream\r\n",
        "Accept: */*\r\n",
        "Accept: text/html, TEXT/Event-Stream;q=0.5\r\n",
        "Accept: application/json, text/*;q=0.1\r\n",
        "Accept: \r\n"};
    struct served s = {0};

    open_with(&s, send_some);
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        check(strstr(answer(&s, "GET", good[i]), "200 OK"));
    check(strstr(answer(&s, "GET", "Accept: application/json\r\n"),
                 "HTTP/1.1 406 Not Acceptable"));
    check_int(last_result, ED_ENOTACCEPTABLE);
    served_close(&s);
}

FIBER_TEST(head_ends_at_once)
{
    struct served s = {0};

    open_with(&s, wait_long);
    ed_stream *client = served_connect(&s);
    check_int(ed_stream_printf(client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
              0);
    settle();
    const char *text = served_heard(client);
    check(strstr(text, "Content-Type: text/event-stream\r\n"));
    check(!strstr(text, "retry"));
    check_int(handlers_over, 1);
    check_int(last_result, ED_ECLOSED);
    /* The connection goes on. */
    check_int(ed_stream_printf(client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
              0);
    settle();
    served_says(client, "HTTP/1.1 200 OK");
    ed_stream_close(client);
    served_close(&s);
}

static int send_bad(ed_sse *sse)
{
    check_int(ed_sse_send(sse, .id = "a\nb", .data = ED_BYTES("zzz")),
              ED_EUSAGE);
    check_int(ed_sse_send(sse, .event = "a\rb", .data = ED_BYTES("zzz")),
              ED_EUSAGE);
    check_int(ed_sse_send(sse, .comment = "a\ndata: b"), 0);
    ed_sse *second;
    check_int(ed_sse_begin(ed_sse_req(sse), &second), ED_EUSAGE);
    return 0;
}

FIBER_TEST(what_would_be_another_event_is_refused)
{
    struct served s = {0};

    open_with(&s, send_bad);
    const char *text = answer(&s, "GET", "");
    check(strstr(text, ": a\n: data: b\n\n"));
    check(!strstr(text, "zzz"));
    check(strstr(text, "0\r\n\r\n"));
    served_close(&s);
}

static int say_last_id(ed_req *req)
{
    const char *id = ed_sse_last_id(req);

    return ed_reply(req, 200, "last=%s", id ? id : "(none)");
}

FIBER_TEST(the_last_id_comes_as_a_field_or_a_parameter)
{
    static const struct {
        const char *target, *field, *id;
    } rows[] = {
        {"/", "Last-Event-ID: 7\r\n", "last=7"},
        {"/?lastEventId=a%20b", "", "last=a b"},
        {"/?lastEventId=8", "Last-Event-ID: 7\r\n", "last=7"},
        {"/?lastEventId=8", "Last-Event-ID:\r\n", "last=8"},
        {"/?lastEventId=", "", "last=(none)"},
        {"/", "", "last=(none)"},
    };
    struct served s = {0};

    served_open(&s, say_last_id);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        ed_stream *client = served_connect(&s);
        check_int(ed_stream_printf(client,
                                   "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n",
                                   rows[i].target, rows[i].field),
                  0);
        settle();
        served_says(client, rows[i].id);
        ed_stream_close(client);
    }
    served_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_says_what_it_is_and_sends_events),
        cmocka_unit_test(the_head_goes_out_before_anything_is_sent),
        cmocka_unit_test(comments_go_out_while_nothing_is_sent),
        cmocka_unit_test(a_stream_that_speaks_needs_no_heartbeat),
        cmocka_unit_test(no_heartbeat_stands_between_pieces_that_wait),
        cmocka_unit_test(a_client_that_takes_nothing_is_cut_off),
        cmocka_unit_test(a_stop_ends_streams_as_if_all_were_said),
        cmocka_unit_test(a_stream_that_never_waits_hears_of_a_stop),
        cmocka_unit_test(a_client_that_does_not_take_events_is_told),
        cmocka_unit_test(head_ends_at_once),
        cmocka_unit_test(what_would_be_another_event_is_refused),
        cmocka_unit_test(the_last_id_comes_as_a_field_or_a_parameter),
    };

    return cmocka_run_group_tests(tests, served_forget, NULL);
}
