/*
 * test_client.c - what a client asks and what it makes of answers.
 */
#include "peer.h"
#include <eddy/client.h>
#include <jansson.h>

/* Fetches from a peer that plays one script; the caller looks at *res and
 * closes the peer. */
static ed_res *get(struct peer *p, const char *const *script)
{
    ed_res *res = NULL;

    *p = (struct peer){.scripts = {script}};
    peer_open(p);
    check_int(ed_get(&res, p->url), 0);
    check_text(ed_error(), "");
    return res;
}

FIBER_TEST(a_response_has_status_fields_and_body)
{
    struct peer p;
    struct ed_bytes name, value;
    ed_res *res = get(
        &p, SCRIPT("<", ">HTTP/1.1 203 Quite so\r\nContent-Length: 5\r\n"
                        "X-Empty:\r\nx-twice: 1\r\nX-Twice:  2 \r\n\r\nhello"));

    if (!check(res != NULL))
        return;
    check_int(ed_res_status(res), 203);
    check_text(ed_res_reason(res), "Quite so");
    check_text(ed_res_header(res, "content-length"), "5");
    check_text(ed_res_header(res, "X-EMPTY"), "");
    check_text(ed_res_header(res, "X-Twice"), "1");
    check(!ed_res_header(res, "X-Twic"));
    check(ed_res_header_at(res, 3, &name, &value));
    check(ed_bytes_equal(name, ED_BYTES("X-Twice")));
    check(ed_bytes_equal(value, ED_BYTES("2")));
    check(!ed_res_header_at(res, 4, &name, &value));
    check_int((int)ed_res_body(res).len, 5);
    check_text(ed_res_text(res), "hello");
    peer_close(&p);
}

/* The deadline around every test travels along. */
#define PATIENCE_FIELD "X-Request-Timeout-Ms: 86400000\r\n"

FIBER_TEST(a_plain_request_has_a_host_and_says_who_asks)
{
    struct peer p = {.scripts = {SCRIPT("<", ">HTTP/1.1 204 No\r\n\r\n")}};
    char url[200], want[300];
    ed_res *res;

    peer_open(&p);
    snprintf(url, sizeof(url), "HTTP://%s?a=b#c", p.host);
    check_int(ed_get(&res, url), 0);
    snprintf(want, sizeof(want),
             "GET /?a=b HTTP/1.1\r\nHost: %s\r\nUser-Agent: eddy/%s\r\n"
             "%sAccept-Encoding: gzip, br, zstd\r\n\r\n",
             p.host, EDDY_VERSION, PATIENCE_FIELD);
    check_text(peer_seen(&p), want);
    peer_close(&p);
}

FIBER_TEST(fields_of_the_caller_take_the_place_of_the_clients)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "<2", ">HTTP/1.1 204 No\r\n\r\n")}};
    static const char *const headers[] = {
        "host: elsewhere",    "USER-AGENT: me", "Content-type: text/x",
        "accept-encoding: *", "X: y",           NULL};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .headers = headers, .body = ED_BYTES("hi")),
              0);
    check_text(peer_seen(&p),
               "POST / HTTP/1.1\r\nhost: elsewhere\r\nUSER-AGENT: me\r\n"
               "Content-type: text/x\r\naccept-encoding: *\r\nX: "
               "y\r\n" PATIENCE_FIELD "Content-Length: 2\r\n\r\nhi");
    peer_close(&p);
}

FIBER_TEST(what_could_split_or_frame_a_request_is_refused)
{
    static const char *const bad[] = {"X: a\r\nY: b",
                                      "X",
                                      "X : y",
                                      ": y",
                                      "X: \001",
                                      "Authorization: Bearer secret\n",
                                      "Content-Length: 1",
                                      "transfer-encoding: chunked"};
    static const char *const methods[] = {"G T", "", "GET\r\n", "CONNECT"};
    ed_res *res;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const char *const headers[] = {bad[i], NULL};
        check_int(ed_fetch(&res, "http://127.0.0.1:1/", .headers = headers),
                  ED_EUSAGE);
        check(!strncmp(ed_error(), "GET http://127.0.0.1:1/: ", 25));
        check(!strstr(ed_error(), "secret"));
        check(!res);
    }
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        check_int(ed_fetch(&res, "http://127.0.0.1:1/", .method = methods[i]),
                  ED_EUSAGE);
    check_int(ed_fetch(&res, "http://127.0.0.1:1/", .body = ED_BYTES("x"),
                       .content_type = "a/b\r\nX: y"),
              ED_EUSAGE);
    ed_client *client = ed_client_new(.user_agent = "me\r\nX: y");
    check_int(ed_fetch(&res, "http://127.0.0.1:1/", .client = client),
              ED_EUSAGE);
    ed_client_free(client);
}

FIBER_TEST(a_body_is_sent_with_its_length_and_type)
{
    struct peer p = {.scripts = {SCRIPT("<", "<4", ">HTTP/1.1 204 No\r\n\r\n",
                                        "<", ">HTTP/1.1 204 No\r\n\r\n")}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .method = "PUT", .body = ED_BYTES("1234"),
                       .content_type = "text/plain"),
              0);
    check(strstr(peer_seen(&p), "PUT / HTTP/1.1\r\n"));
    check(strstr(peer_seen(&p), "\r\nContent-Type: text/plain\r\n"
                                "Content-Length: 4\r\n\r\n1234"));
    check_int(ed_fetch(&res, p.url, .method = "POST"), 0);
    check(strstr(peer_seen(&p), "\r\nContent-Length: 0\r\n\r\n"));
    peer_close(&p);
}

FIBER_TEST(a_large_head_and_body_are_sent_whole)
{
    enum { BODY = 8 * 1024 * 1024, FIELD = 5000 };
    struct peer p = {
        .scripts = {SCRIPT("<", "<8388608", ">HTTP/1.1 204 No\r\n\r\n", "=")},
        .large = true};
    char *body = malloc(BODY);
    char field[FIELD + 1] = "X: ";
    const char *const headers[] = {field, NULL};
    ed_res *res;

    for (size_t i = 0; i < BODY; i++)
        body[i] = (char)(i * i >> 7);
    memset(field + 3, 'x', FIELD - 3);
    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .headers = headers,
                       .body = ed_bytes_of(body, BODY)),
              0);
    check(p.seen.len > BODY + FIELD);
    check(!memcmp(p.seen.ptr + p.seen.len - BODY, body, BODY));
    check_int(p.open, 1); /* and the connection is kept */
    free(body);
    peer_close(&p);
}

FIBER_TEST(responses_that_have_no_body_are_not_waited_for)
{
    const char *const *scripts[] = {
        SCRIPT("<", ">HTTP/1.1 204 No\r\n\r\n", "="),
        SCRIPT("<", ">HTTP/1.1 304 No\r\nContent-Length: 7\r\n\r\n", "="),
        SCRIPT("<", ">HTTP/1.1 200 No\r\nContent-Length: 0\r\n\r\n", "="),
    };

    for (size_t i = 0; i < 3; i++) {
        struct peer p;
        ed_res *res = get(&p, scripts[i]);
        check_int((int)ed_res_body(res).len, 0);
        check_text(ed_res_text(res), "");
        check_int(p.open, 1);
        peer_close(&p);
    }
}

FIBER_TEST(an_answer_to_head_has_no_body_whatever_it_says)
{
    const char *const *scripts[] = {
        SCRIPT("<", ">HTTP/1.1 200 Ok\r\nContent-Length: 7\r\n\r\n", "="),
        SCRIPT("<", ">HTTP/1.1 200 Ok\r\nTransfer-Encoding: chunked\r\n\r\n",
               "="),
    };
    ed_res *res;

    for (size_t i = 0; i < 2; i++) {
        struct peer p = {.scripts = {scripts[i]}};
        peer_open(&p);
        check_int(ed_fetch(&res, p.url, .method = "HEAD"), 0);
        check_int((int)ed_res_body(res).len, 0);
        peer_close(&p);
    }
}

FIBER_TEST(a_body_may_last_until_the_connection_ends)
{
    struct peer p;
    ed_res *res =
        get(&p, SCRIPT("<", ">HTTP/1.1 200 Ok\r\n\r\nto ", "~5", ">the end"));

    check_text(ed_res_text(res), "to the end");
    peer_close(&p);
    res = get(&p, SCRIPT("<", ">HTTP/1.1 200 Ok\r\n\r\n"));
    check_text(ed_res_text(res), "");
    peer_close(&p);
}

FIBER_TEST(chunks_are_put_together)
{
    struct peer p;
    ed_res *res =
        get(&p, SCRIPT("<",
                       ">HTTP/1.1 200 Ok\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "3\r\none\r\n4;x=y\r\n two\r\n",
                       "~5", ">6\r\n three\r\n0\r\nX-Sum: 1\r\n\r\n", "="));

    check_text(ed_res_text(res), "one two three");
    check(!ed_res_header(res, "X-Sum"));
    check_int(p.open, 1);
    peer_close(&p);
}

/* What a response amounts to does not depend on how it comes in. */
static void same_in_bytes(const char *text)
{
    char slow[4096];
    ed_res *res;

    snprintf(slow, sizeof(slow), "*%s", text + 1);
    struct peer p = {
        .scripts = {SCRIPT("<", text, "="), SCRIPT("<", slow, "=")}};
    struct peer q = {.scripts = {SCRIPT("<", slow, "=")}};
    peer_open(&p);
    peer_open(&q);
    check_int(ed_get(&res, p.url), 0);
    const char *at_once = ed_res_text(res);
    int status = ed_res_status(res);
    const char *field = ed_res_header(res, "X-Field");
    check_int(ed_get(&res, q.url), 0);
    check_text(ed_res_text(res), at_once);
    check_text(ed_res_header(res, "X-Field"), field);
    check_int(ed_res_status(res), status);
    check_int(q.open, 1);
    peer_close(&q);
    peer_close(&p);
}

FIBER_TEST(responses_mean_the_same_byte_by_byte)
{
    same_in_bytes(">HTTP/1.1 200 Ok\r\nX-Field: a b\r\nContent-Length: 5\r\n"
                  "\r\nhello");
    same_in_bytes(">HTTP/1.1 103 Early\r\nX-Field: no\r\n\r\n"
                  "HTTP/1.1 200 Ok\r\nX-Field: yes\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"
                  "3\r\none\r\n4;x=y\r\n two\r\n0\r\nX-Sum: 1\r\n\r\n");
    same_in_bytes(">HTTP/1.1 404 \r\nX-Field: \r\nContent-Length: 0\r\n\r\n");
}

FIBER_TEST(interim_responses_are_passed_over)
{
    struct peer p;
    ed_res *res = get(
        &p, SCRIPT("<",
                   ">HTTP/1.1 100 Continue\r\n\r\n"
                   "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTT",
                   "~5", ">P/1.1 200 Ok\r\nContent-Length: 2\r\n\r\nok", "="));

    check_int(ed_res_status(res), 200);
    check_text(ed_res_text(res), "ok");
    peer_close(&p);
}

FIBER_TEST(several_are_fetched_at_once)
{
    const char *const *script = SCRIPT(
        "<", "~100", ">HTTP/1.1 200 Ok\r\nContent-Length: 2\r\n\r\nok", "=");
    struct peer p = {.scripts = {script}};
    ed_res *res[20];
    int64_t began = ed_now();

    peer_open(&p);
    {
        ed_scope(s);
        for (int i = 0; i < 20; i++)
            check_int(ed_go_get(s, &res[i], p.url), 0);
        check_int(ed_wait(s), 0);
        check_int(ed_now() - began, 100 * ED_MS);
        for (int i = 0; i < 20; i++)
            check_text(ed_res_text(res[i]), "ok");
        check_int(p.accepted, 20);
    }
    peer_close(&p);
}

struct elsewhere {
    ed_scope *scope;
    ed_res **res;
    const char *url;
};

/* As a request does that leaves a fetch to a scope that outlives it. */
static int fetch_elsewhere(void *arg)
{
    const struct elsewhere *e = arg;
    ed_arena *request = ed_arena_new(0);

    ed_fiber_use_arena(request);
    check_int(ed_go_get(e->scope, e->res, e->url), 0);
    check_int(ed_arena_used(request), 0);
    ed_fiber_use_arena(NULL);
    ed_arena_free(request);
    return 0;
}

FIBER_TEST(a_fetch_needs_nothing_of_a_starter_that_has_gone)
{
    struct peer p = {.scripts = {SCRIPT("<", ">HTTP/1.1 204 No\r\n\r\n")}};
    ed_res *res;

    peer_open(&p);
    {
        ed_scope(s);
        struct elsewhere e = {s, &res, p.url};
        ed_go(s, fetch_elsewhere, &e);
        check_int(ed_wait(s), 0);
        check_int(ed_res_status(res), 204);
    }
    peer_close(&p);
}

FIBER_TEST(a_failure_among_several_is_the_scopes)
{
    const char *const *script = SCRIPT("<", "~100", "!");
    struct peer p = {.scripts = {script}};
    ed_res *a, *b;

    peer_open(&p);
    {
        ed_scope(s);
        ed_go_get(s, &a, p.url);
        ed_go_get(s, &b, "http://127.0.0.1:1/");
        check_int(ed_wait(s), ED_ECONNECT);
        check_text(ed_error(),
                   "GET http://127.0.0.1:1/: connect to 127.0.0.1:1: "
                   "Connection refused");
        check(!a && !b);
    }
    peer_close(&p);
}

FIBER_TEST(a_body_is_read_as_json)
{
    struct peer p;
    ed_res *res = get(&p, SCRIPT("<", ">HTTP/1.1 200 Ok\r\nContent-Length: 9"
                                      "\r\n\r\n{\"a\": 42}"));
    json_t *json = ed_res_json(res);

    check_int(json_integer_value(json_object_get(json, "a")), 42);
    json_decref(json);
    peer_close(&p);
    res = get(&p, SCRIPT("<", ">HTTP/1.1 200 Ok\r\nContent-Length: 4"
                              "\r\n\r\n{\n ]"));
    check(!ed_res_json(res));
    check(strstr(ed_error(), "line 2"));
    peer_close(&p);
}

FIBER_TEST(unix_sockets_are_spoken_to)
{
    struct peer p = {
        .scripts = {SCRIPT("<", ">HTTP/1.1 200 Ok\r\nContent-Length: 2\r\n\r\n"
                                "ok")},
        .large = true};
    char url[200];
    ed_res *res;

    peer_open(&p);
    snprintf(url, sizeof(url), "%sa/b?c", p.url);
    check_int(ed_get(&res, url), 0);
    check_text(ed_error(), "");
    check_text(ed_res_text(res), "ok");
    check(strstr(peer_seen(&p), "GET /a/b?c HTTP/1.1\r\nHost: localhost\r\n"));
    peer_close(&p);
}

FIBER_TEST(each_phase_has_its_time)
{
    const char *const *script =
        SCRIPT("<", "~30", ">HTTP/1.1 200 Ok\r\nContent-Length: 2\r\n\r\n",
               "~40", ">ok", "<", ">HTTP/1.1 204 No\r\n\r\n", "=");
    struct peer p = {.scripts = {script}};
    struct ed_res_timing t;
    ed_res *res;

    peer_open(&p);
    check_int(ed_get(&res, p.url), 0);
    ed_res_timing(res, &t);
    check_int(t.queued, t.started);
    check_int(t.resolved, 0);
    check_int(t.connected, t.started);
    check_int(t.sent, t.started);
    check_int(t.first_byte - t.started, 30 * ED_MS);
    check_int(t.done - t.started, 70 * ED_MS);
    check(!t.reused);
    check_int(ed_get(&res, p.url), 0);
    ed_res_timing(res, &t);
    check_int(t.connected, 0);
    check(t.reused);
    peer_close(&p);
}

/* As ed_arena_printf() gives it when a request has no memory left. */
FIBER_TEST(a_url_that_there_was_no_memory_for_is_told_so)
{
    ed_res *res;

    check_int(ed_get(&res, NULL), ED_ENOMEM);
    check_text(ed_error(), "no URL");
    ed_scope(s);
    ed_go_get(s, &res, NULL);
    check_int(ed_wait(s), ED_ENOMEM);
    check(!res);
}

static void nothing_is_fetched_outside_of_a_fiber(void **state)
{
    ed_res *res;

    (void)state;
    assert_int_equal(ed_get(&res, "http://127.0.0.1:1/"), ED_EUSAGE);
    assert_null(res);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_fetched_outside_of_a_fiber),
        cmocka_unit_test(a_url_that_there_was_no_memory_for_is_told_so),
        cmocka_unit_test(a_response_has_status_fields_and_body),
        cmocka_unit_test(a_plain_request_has_a_host_and_says_who_asks),
        cmocka_unit_test(fields_of_the_caller_take_the_place_of_the_clients),
        cmocka_unit_test(what_could_split_or_frame_a_request_is_refused),
        cmocka_unit_test(a_body_is_sent_with_its_length_and_type),
        cmocka_unit_test(a_large_head_and_body_are_sent_whole),
        cmocka_unit_test(responses_that_have_no_body_are_not_waited_for),
        cmocka_unit_test(an_answer_to_head_has_no_body_whatever_it_says),
        cmocka_unit_test(a_body_may_last_until_the_connection_ends),
        cmocka_unit_test(chunks_are_put_together),
        cmocka_unit_test(responses_mean_the_same_byte_by_byte),
        cmocka_unit_test(interim_responses_are_passed_over),
        cmocka_unit_test(several_are_fetched_at_once),
        cmocka_unit_test(a_fetch_needs_nothing_of_a_starter_that_has_gone),
        cmocka_unit_test(a_failure_among_several_is_the_scopes),
        cmocka_unit_test(a_body_is_read_as_json),
        cmocka_unit_test(unix_sockets_are_spoken_to),
        cmocka_unit_test(each_phase_has_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
