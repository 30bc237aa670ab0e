/*
 * test_http1_response.c - which responses are read, and where their bodies
 * end. Every one is read in every way it can arrive.
 */
#include "heads.h"

#include <stdio.h>

static struct ed_bytes accept_as(struct heads_result *r, const char *text,
                                 enum heads_kind kind)
{
    struct ed_bytes bytes = ed_bytes(text);

    heads_read_every_way(r, bytes, kind);
    if (r->head.error)
        print_error("%s: %s\n", text, r->head.error);
    assert_int_equal(r->result, bytes.len);
    return bytes;
}

static struct ed_bytes accept(struct heads_result *r, const char *text)
{
    return accept_as(r, text, HEADS_RESPONSE);
}

static void refuse(const char *text, int error)
{
    struct heads_result r;

    heads_read_every_way(&r, ed_bytes(text), HEADS_RESPONSE);
    if (r.result != error)
        print_error("%s\n", text);
    assert_int_equal(r.result, error);
    assert_non_null(r.head.error);
}

static void a_response_is_taken_apart(void **state)
{
    struct heads_result r;
    struct ed_bytes b = accept(&r, "HTTP/1.1 404 Not Here\r\n"
                                   "Server: eddy\r\n"
                                   "Content-Length: 12\r\n"
                                   "\r\n");

    (void)state;
    assert_int_equal(r.head.status, 404);
    heads_assert_span(b, r.head.reason, "Not Here");
    assert_int_equal(r.head.body, ED_BODY_LENGTH);
    assert_int_equal(r.head.content_length, 12);
    assert_int_equal(r.head.field_count, 2);
    assert_int_equal(r.fields[0].known, ED_FIELD_SERVER);
    assert_true(r.head.keep_alive);
}

static void a_reason_may_be_missing(void **state)
{
    struct heads_result r;
    struct ed_bytes b = accept(&r, "HTTP/1.1 200 \r\n\r\n");

    (void)state;
    heads_assert_span(b, r.head.reason, "");
    b = accept(&r, "HTTP/1.0 200\r\n\r\n");
    heads_assert_span(b, r.head.reason, "");
    assert_int_equal(r.head.status, 200);
}

static void a_malformed_status_line_is_refused(void **state)
{
    static const char *const lines[] = {
        "HTTP/1.1 20 OK\r\n\r\n",    "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",   "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",  "HTTP/1.1 200\tOK\r\n\r\n",
        "HTTP/1.1 200 O\nK\r\n\r\n", "HTTP/1.1 200 OK\n\r\n",
        "HTTP/1.1 200 OK\rX\r\n",    "HTTP/1.1\t200 OK\r\n\r\n",
        "HTTP/1.12200 OK\r\n\r\n",   "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",   "HTTP/2 200\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",   "ICY 200 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n",   " HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1\r\n\r\n",          "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 \x7f\r\n\r\n", "HTTP/1.1 200\n\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        refuse(lines[i], ED_EPROTO);
}

static void smuggled_framing_is_refused(void **state)
{
    static const char *const fields[] = {
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Transfer-Encoding: gzip\r\nContent-Length: 3",
        "Content-Length: 3\r\nContent-Length: 3",
        "Content-Length: 3, 3",
        "Content-Length: -1",
        "Content-Length: 9223372036854775808",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding : chunked",
        "A: b\r\n folded",
        "A: b\nC: d",
        "A: b\rC: d",
        ": a",
    };
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%s\r\n\r\n",
                 fields[i]);
        refuse(text, ED_EPROTO);
    }
    refuse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ED_EPROTO);
}

static void a_body_ends_where_the_rfc_says(void **state)
{
    static const struct {
        enum heads_kind kind;
        const char *text;
        enum ed_http1_body body;
        bool keep_alive;
    } cases[] = {
        {HEADS_RESPONSE, "200 OK\r\n\r\n", ED_BODY_UNTIL_CLOSE, false},
        {HEADS_RESPONSE, "200 OK\r\nContent-Length: 0\r\n\r\n", ED_BODY_LENGTH,
         true},
        {HEADS_RESPONSE, "200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n",
         ED_BODY_CHUNKED, true},
        {HEADS_RESPONSE, "200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
         ED_BODY_CHUNKED, true},
        {HEADS_RESPONSE, "200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
         ED_BODY_UNTIL_CLOSE, false},
        {HEADS_RESPONSE,
         "200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
         ED_BODY_CHUNKED, false},
        {HEADS_RESPONSE, "204 No Content\r\n\r\n", ED_BODY_NONE, true},
        {HEADS_RESPONSE, "304 Not Modified\r\nContent-Length: 9\r\n\r\n",
         ED_BODY_NONE, true},
        {HEADS_RESPONSE, "100 Continue\r\n\r\n", ED_BODY_NONE, true},
        {HEADS_TO_HEAD, "200 OK\r\nContent-Length: 9\r\n\r\n", ED_BODY_NONE,
         true},
        {HEADS_TO_HEAD, "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
         ED_BODY_NONE, true},
        {HEADS_TO_CONNECT, "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
         ED_BODY_NONE, true},
        {HEADS_TO_CONNECT, "407 No\r\nContent-Length: 9\r\n\r\n",
         ED_BODY_LENGTH, true},
    };
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct heads_result r;

        snprintf(text, sizeof(text), "HTTP/1.1 %s", cases[i].text);
        accept_as(&r, text, cases[i].kind);
        assert_int_equal(r.head.body, cases[i].body);
        assert_int_equal(r.head.keep_alive, cases[i].keep_alive);
    }
}

static void an_upgrade_is_told(void **state)
{
    struct heads_result r;

    (void)state;
    accept(&r, "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\n\r\n");
    assert_true(r.head.upgrade);
    assert_int_equal(r.head.body, ED_BODY_NONE);
}

static void fields_that_only_requests_have_mean_nothing(void **state)
{
    struct heads_result r;

    (void)state;
    accept(&r, "HTTP/1.1 204 x\r\nHost: a b\r\nHost: c\r\nExpect: x\r\n\r\n");
    assert_false(r.head.has_host);
    assert_false(r.head.expect_continue);
}

static void limits_hold(void **state)
{
    char text[400];

    (void)state;
    snprintf(text, sizeof(text), "HTTP/1.1 200 %0100d\r\n\r\n", 0);
    refuse(text, ED_EHEADLIMIT);
    snprintf(text, sizeof(text), "HTTP/1.1 200 x\r\nA: %0100d\r\n\r\n", 0);
    refuse(text, ED_EHEADLIMIT);
    refuse("HTTP/1.1 200 x\r\n1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n"
           "9:\r\n\r\n",
           ED_EHEADLIMIT);
    snprintf(text, sizeof(text),
             "HTTP/1.1 200 x\r\nA: %090d\r\nB: %090d\r\nC: %090d\r\nD:", 0, 0,
             0);
    refuse(text, ED_EHEADLIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_is_taken_apart),
        cmocka_unit_test(a_reason_may_be_missing),
        cmocka_unit_test(a_malformed_status_line_is_refused),
        cmocka_unit_test(smuggled_framing_is_refused),
        cmocka_unit_test(a_body_ends_where_the_rfc_says),
        cmocka_unit_test(an_upgrade_is_told),
        cmocka_unit_test(fields_that_only_requests_have_mean_nothing),
        cmocka_unit_test(limits_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
