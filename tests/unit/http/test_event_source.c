/*
 * test_event_source.c - server-sent events over connections that come and go.
 */
#include "held.h"
#include "peer.h"
#include <eddy/event_source.h>
#include <zlib.h>

#define EVENTS ">HTTP/1.1 200 Ok\r\nContent-Type: text/event-stream\r\n\r\n"

static ed_event_source *open_source(const struct peer *p)
{
    ed_event_source *source = NULL;

    check_int(ed_event_source_open(&source, p->url), 0);
    return source;
}

/* Whether the next event is "type/id/data". */
static bool next_is(ed_event_source *source, const char *expected)
{
    struct ed_sse_event event;
    char text[200];

    if (!check_int(ed_event_source_next(source, &event), 0))
        return false;
    snprintf(text, sizeof(text), "%s/%s/%s", event.type, event.id,
             event.data.ptr);
    return check_text(text, expected) &&
           check_int(event.data.len, strlen(event.data.ptr));
}

static bool next_fails(ed_event_source *source, int err)
{
    struct ed_sse_event event;

    return check_int(ed_event_source_next(source, &event), err);
}

static bool within(int64_t value, int64_t least, int64_t most)
{
    return check_(value >= least && value <= most, "%lld is not in %lld..%lld",
                  (long long)value, (long long)least, (long long)most);
}

FIBER_TEST(events_come_as_they_are_sent)
{
    struct peer p = {.scripts = {SCRIPT("<", EVENTS, ">data: one\n\n", "~10",
                                        ">event: add\nid: 7\nda", "~10",
                                        ">ta: two\n\n:\n", "=")}};

    peer_open(&p);
    ed_event_source *source = open_source(&p);
    int64_t began = ed_now();
    next_is(source, "message//one");
    check_int((ed_now() - began) / ED_MS, 0);
    next_is(source, "add/7/two");
    check_int((ed_now() - began) / ED_MS, 20);
    check(strstr(peer_seen(&p), "Accept: text/event-stream\r\n"));
    check(strstr(peer_seen(&p), "Cache-Control: no-store\r\n"));
    check(!strstr(peer_seen(&p), "Last-Event-ID"));
    ed_event_source_close(source);
    settle();
    check_int(p.open, 0);
    peer_close(&p);
}

FIBER_TEST(a_connection_that_ends_is_made_again_behind_the_last_event)
{
    struct peer p = {
        .scripts = {SCRIPT("<", EVENTS, ">id: 1\ndata: a\n\nid: 2\ndata: b"),
                    SCRIPT("<", EVENTS, ">id: 2\ndata: b\n\n"),
                    SCRIPT("<", EVENTS, ">data: c\n\n", "=")}};

    peer_open(&p);
    ed_event_source *source = open_source(&p);
    next_is(source, "message/1/a");
    int64_t began = ed_now();
    next_is(source, "message/2/b");
    within(ed_now() - began, 3 * ED_S, 3750 * ED_MS);
    check(strstr(peer_seen(&p), "Last-Event-ID: 1\r\n"));
    next_is(source, "message/2/c");
    check(strstr(peer_seen(&p), "Last-Event-ID: 2\r\n"));
    check_int(p.accepted, 3);
    ed_event_source_close(source);
    peer_close(&p);
}

FIBER_TEST(the_server_says_when_to_come_back)
{
    struct peer p = {
        .scripts = {SCRIPT("<", EVENTS, ">retry: 10000\ndata: a\n\n", "!"),
                    SCRIPT("<", EVENTS, ">retry: 0\ndata: b\n\n"),
                    SCRIPT("<", EVENTS, ">data: c\n\n", "=")}};

    peer_open(&p);
    ed_event_source *source = open_source(&p);
    next_is(source, "message//a");
    int64_t began = ed_now();
    next_is(source, "message//b");
    within(ed_now() - began, 10 * ED_S, 12500 * ED_MS);
    began = ed_now();
    next_is(source, "message//c");
    within(ed_now() - began, 100 * ED_MS, 125 * ED_MS);
    ed_event_source_close(source);
    peer_close(&p);
}

FIBER_TEST(pauses_grow_while_there_is_no_connection)
{
    struct peer p = {.scripts = {SCRIPT("<", EVENTS, ">data: a\n\n")}};
    ed_event_source *source = NULL;
    struct ed_sse_event event;

    peer_open(&p);
    check_int(ed_event_source_open(&source, p.url, .max_failures = 8), 0);
    next_is(source, "message//a");
    peer_close(&p);
    int64_t began = ed_now();
    check_int(ed_event_source_next(source, &event), ED_ECONNECT);
    /* 3 + 6 + 12 + 24 + 4 * 48 seconds, and up to a quarter more. */
    within((ed_now() - began) / ED_S, 237, 297);
    began = ed_now();
    check_int(ed_event_source_next(source, &event), ED_ECONNECT);
    check_int(ed_now(), began);
    ed_event_source_close(source);
}

FIBER_TEST(a_server_that_is_restarted_is_waited_for)
{
    struct peer p = {
        .scripts = {SCRIPT("<", EVENTS, ">data: a\n\n"),
                    SCRIPT("<", ">HTTP/1.1 503 No\r\nContent-Length: "
                                "0\r\n\r\n"),
                    SCRIPT("<", "!"), SCRIPT("<", EVENTS, ">data: b\n\n"),
                    SCRIPT("<", EVENTS, ">data: c\n\n", "=")}};

    peer_open(&p);
    ed_event_source *source = open_source(&p);
    next_is(source, "message//a");
    int64_t began = ed_now();
    next_is(source, "message//b");
    within((ed_now() - began) / ED_S, 3 + 6 + 12, (3 + 6 + 12) * 5 / 4);
    began = ed_now();
    next_is(source, "message//c");
    within(ed_now() - began, 3 * ED_S, 3750 * ED_MS);
    ed_event_source_close(source);
    peer_close(&p);
}

FIBER_TEST(a_server_without_more_events_is_left_alone)
{
    struct peer p = {.scripts = {SCRIPT("<", EVENTS, ">data: a\n\n"),
                                 SCRIPT("<", ">HTTP/1.1 204 No\r\n\r\n")}};

    peer_open(&p);
    ed_event_source *source = open_source(&p);
    next_is(source, "message//a");
    next_fails(source, ED_EEOF);
    next_fails(source, ED_EEOF);
    check_int(p.accepted, 2);
    ed_event_source_close(source);
    peer_close(&p);
}

FIBER_TEST(what_is_no_stream_of_events_is_refused)
{
    static const struct {
        const char *answer;
        int err;
        const char *why;
    } cases[] = {
        {">HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", ED_ECONTENT,
         ": 404 instead of events"},
        {">HTTP/1.1 200 Ok\r\nContent-Type: text/html\r\n\r\n", ED_ECONTENT,
         ": text/html instead of text/event-stream"},
        {">HTTP/1.1 200 Ok\r\n\r\n", ED_ECONTENT,
         ": no type instead of text/event-stream"},
        {">HTTP/1.1 503 Busy\r\n\r\n", ED_ECONTENT, ": 503 instead of events"},
        {">HTTP/1.1 204 No\r\n\r\n", ED_EEOF, "no more events"},
        {"!", ED_ECONNLOST, "GET http"}};
    ed_event_source *source;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct peer p = {.scripts = {SCRIPT("<", cases[i].answer)}};
        peer_open(&p);
        check_int(ed_event_source_open(&source, p.url), cases[i].err);
        check(!source);
        check_(strstr(ed_error(), cases[i].why) != NULL, "%s", ed_error());
        settle();
        check_int(p.open, 0);
        peer_close(&p);
    }
    check_int(ed_event_source_open(&source, "nowhere"), ED_EURL);
}

FIBER_TEST(a_password_of_the_url_is_in_no_text)
{
    struct peer p = {.scripts = {SCRIPT("<", ">HTTP/1.1 404 No\r\n\r\n")}};
    ed_event_source *source;
    char url[ED_ADDR_TEXT + 32];

    peer_open(&p);
    snprintf(url, sizeof(url), "http://me:secret@%s/", p.host);
    check_int(ed_event_source_open(&source, url), ED_ECONTENT);
    check_(strstr(ed_error(), "secret") == NULL, "%s", ed_error());
    check(strstr(peer_seen(&p), "Authorization: Basic "));
    peer_close(&p);
}

FIBER_TEST(the_type_may_have_any_case_and_parameters)
{
    struct peer p = {.scripts = {SCRIPT(
                         "<", ">HTTP/1.1 200 Ok\r\n"
                              "content-type: Text/Event-Stream ; charset=x\r\n"
                              "\r\ndata: a\n\n")}};

    peer_open(&p);
    ed_event_source *source = open_source(&p);
    next_is(source, "message//a");
    ed_event_source_close(source);
    peer_close(&p);
}

FIBER_TEST(fields_of_the_caller_are_sent_each_time)
{
    static const char *const headers[] = {"accept: x/y", "X-Key: 1", NULL};
    struct peer p = {.scripts = {SCRIPT("<", EVENTS),
                                 SCRIPT("<", EVENTS, ">data: a\n\n", "=")}};
    ed_event_source *source;

    peer_open(&p);
    check_int(ed_event_source_open(&source, p.url, .headers = headers,
                                   .last_id = "start"),
              0);
    next_is(source, "message/start/a");
    const char *first = strstr(peer_seen(&p), "X-Key: 1\r\n");
    check(first && strstr(first + 1, "X-Key: 1\r\n"));
    first = strstr(peer_seen(&p), "Last-Event-ID: start\r\n");
    check(first && strstr(first + 1, "Last-Event-ID: start\r\n"));
    check(!strstr(peer_seen(&p), "Accept: text"));
    ed_event_source_close(source);
    peer_close(&p);
}

FIBER_TEST(an_id_that_no_field_can_hold_is_not_sent)
{
    struct peer p = {.scripts = {SCRIPT("<", EVENTS, ">id: a\x01\ndata: a\n\n"),
                                 SCRIPT("<", EVENTS, ">data: b\n\n", "=")}};

    peer_open(&p);
    ed_event_source *source = open_source(&p);
    next_is(source, "message/a\x01/a");
    next_is(source, "message/a\x01/b");
    check(!strstr(peer_seen(&p), "Last-Event-ID"));
    ed_event_source_close(source);
    peer_close(&p);
}

FIBER_TEST(a_silent_connection_is_replaced_when_asked_to)
{
    struct peer p = {
        .scripts = {SCRIPT("<", EVENTS, "~900", ">:\n", "~900", ">:\n", "="),
                    SCRIPT("<", EVENTS, ">data: a\n\n", "=")}};
    ed_event_source *source;

    peer_open(&p);
    check_int(ed_event_source_open(&source, p.url, .idle_timeout = ED_S), 0);
    int64_t began = ed_now();
    next_is(source, "message//a");
    within((ed_now() - began) / ED_MS, 2800 + 3000, 2800 + 3750);
    ed_event_source_close(source);
    peer_close(&p);
}

FIBER_TEST(the_times_of_the_client_do_not_end_a_silent_connection)
{
    struct peer p = {
        .scripts = {SCRIPT("<", EVENTS, "~600000", ">data: a\n\n", "=")}};
    ed_client *client =
        ed_client_new(.idle_timeout = ED_S, .timeout = 5 * ED_S);
    ed_event_source *source;

    peer_open(&p);
    check_int(ed_event_source_open(&source, p.url, .client = client), 0);
    next_is(source, "message//a");
    check_int(p.accepted, 1);
    ed_event_source_close(source);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_deadline_ends_the_waiting_and_not_the_source)
{
    struct peer p = {.scripts = {SCRIPT("<", EVENTS, "="),
                                 SCRIPT("<", EVENTS, ">data: a\n\n", "=")}};
    struct ed_sse_event event;

    peer_open(&p);
    ed_event_source *source = open_source(&p);
    {
        ed_scope(s, .within = ED_S);
        check_int(ed_event_source_next(source, &event), ED_ETIMEOUT);
        check_int(ed_event_source_next(source, &event), ED_ETIMEOUT);
    }
    {
        ed_scope(s);
        ed_cancel(s);
        check_int(ed_event_source_next(source, &event), ED_ECANCELED);
    }
    next_is(source, "message//a");
    ed_event_source_close(source);
    peer_close(&p);
}

FIBER_TEST(an_event_that_is_too_large_ends_it)
{
    struct peer p = {
        .scripts = {SCRIPT("<", EVENTS, ">data: 1234567890\n\n", "=")}};
    ed_event_source *source;

    peer_open(&p);
    check_int(ed_event_source_open(&source, p.url, .max_event = 10), 0);
    next_fails(source, ED_ELIMIT);
    check(strstr(ed_error(), "event larger than allowed"));
    settle();
    check_int(p.open, 0);
    next_fails(source, ED_ELIMIT);
    ed_event_source_close(source);
    peer_close(&p);
}

/* ---- memory, and codings ---- */

/* Each connection brings one event. */
static int serve_one(ed_stream *s, void *arg)
{
    struct ed_bytes head;

    (void)arg;
    int err = ed_stream_read_until(s, ED_BYTES("\r\n\r\n"), 65536, &head);
    return err ? err
               : ed_stream_printf(s, "%s\r\nretry: 1000\ndata: x\n\n",
                                  "HTTP/1.1 200 Ok\r\n"
                                  "Content-Type: text/event-stream\r\n");
}

static int serve_many(void *listener)
{
    return ed_accept_each(listener, serve_one, NULL, 0);
}

FIBER_TEST(a_source_does_not_grow)
{
    char host[ED_ADDR_TEXT], url[ED_ADDR_TEXT + 10];
    ed_listener *listener;
    ed_event_source *source;

    check_int(ed_listen(&listener, "127.0.0.1:0"), 0);
    ed_listener_local(listener, host);
    snprintf(url, sizeof(url), "http://%s", host);
    {
        ed_scope(s, .independent = true);
        ed_go(s, serve_many, listener);
        check_int(ed_event_source_open(&source, url), 0);
        for (int i = 0; i < 10; i++)
            next_is(source, "message//x");
        size_t used = ed_arena_used(ed_fiber_arena()), held = held_bytes();
        for (int i = 0; i < 200; i++)
            next_is(source, "message//x");
        check_int(ed_arena_used(ed_fiber_arena()), used);
        check(!held_counts() || held_bytes() < held + 16 * 1024);
        ed_event_source_close(source);
        ed_cancel(s);
    }
    ed_listener_close(listener);
}

static int serve_gzip(ed_stream *s, void *arg)
{
    z_stream z = {0};
    struct ed_bytes head;
    char coded[200];

    (void)arg;
    int err = ed_stream_read_until(s, ED_BYTES("\r\n\r\n"), 65536, &head);
    if (!err)
        err = ed_stream_printf(s, "HTTP/1.1 200 Ok\r\nContent-Encoding: gzip"
                                  "\r\nContent-Type: text/event-stream"
                                  "\r\n\r\n");
    if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY))
        return ED_ENOMEM;
    for (int i = 0; i < 3 && !err; i++) {
        z.next_in = (Bytef *)(uintptr_t) "data: x\n\n";
        z.avail_in = 9;
        z.next_out = (Bytef *)coded;
        z.avail_out = sizeof(coded);
        deflate(&z, Z_SYNC_FLUSH);
        err = ed_stream_write(s, coded, sizeof(coded) - z.avail_out);
        if (!err)
            err = ed_sleep(ED_S);
    }
    deflateEnd(&z);
    return err;
}

static int serve_coded(void *listener)
{
    return ed_accept_each(listener, serve_gzip, NULL, 0);
}

FIBER_TEST(events_of_an_encoded_stream_come_at_once)
{
    char host[ED_ADDR_TEXT], url[ED_ADDR_TEXT + 10];
    ed_listener *listener;
    ed_event_source *source;

    check_int(ed_listen(&listener, "127.0.0.1:0"), 0);
    ed_listener_local(listener, host);
    snprintf(url, sizeof(url), "http://%s", host);
    {
        ed_scope(s, .independent = true);
        ed_go(s, serve_coded, listener);
        check_int(ed_event_source_open(&source, url), 0);
        int64_t began = ed_now();
        for (int i = 0; i < 3; i++) {
            next_is(source, "message//x");
            check_int((ed_now() - began) / ED_S, i);
        }
        ed_event_source_close(source);
        ed_cancel(s);
    }
    ed_listener_close(listener);
}

int main(int argc, char **argv)
{
    (void)argc;
    held_begin(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_as_they_are_sent),
        cmocka_unit_test(
            a_connection_that_ends_is_made_again_behind_the_last_event),
        cmocka_unit_test(the_server_says_when_to_come_back),
        cmocka_unit_test(pauses_grow_while_there_is_no_connection),
        cmocka_unit_test(a_server_that_is_restarted_is_waited_for),
        cmocka_unit_test(a_server_without_more_events_is_left_alone),
        cmocka_unit_test(what_is_no_stream_of_events_is_refused),
        cmocka_unit_test(a_password_of_the_url_is_in_no_text),
        cmocka_unit_test(the_type_may_have_any_case_and_parameters),
        cmocka_unit_test(fields_of_the_caller_are_sent_each_time),
        cmocka_unit_test(an_id_that_no_field_can_hold_is_not_sent),
        cmocka_unit_test(a_silent_connection_is_replaced_when_asked_to),
        cmocka_unit_test(
            the_times_of_the_client_do_not_end_a_silent_connection),
        cmocka_unit_test(a_deadline_ends_the_waiting_and_not_the_source),
        cmocka_unit_test(an_event_that_is_too_large_ends_it),
        cmocka_unit_test(a_source_does_not_grow),
        cmocka_unit_test(events_of_an_encoded_stream_come_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
