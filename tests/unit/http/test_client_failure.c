/*
 * test_client_failure.c - every way in which a fetch fails, what it then says,
 * and that nothing is left behind.
 */
#include "fetch_fails.h"
#include <eddy/dns.h>
#include <errno.h>

/* A fetch from a peer that plays a script fails. */
static void fails(const char *const *script, int want, const char *detail)
{
    struct peer p = {.scripts = {script}};
    ed_scope(s, .within = ED_S);

    (void)s;
    fetch_fails(&p, ed_client_new(.max_body = 1000), want, detail);
}

FIBER_TEST(a_url_that_is_none_is_told_of)
{
    ed_res *res;

    check_int(ed_get(&res, "ftp://a/"), ED_EURL);
    check_text(ed_error(), "GET ftp://a/: neither http:// nor https://");
    check_int(ed_get(&res, "http://a b/"), ED_EURL);
    check_int(ed_get(&res, "http:///"), ED_EURL);
    check_int(ed_get(&res, "http://1.2.3.256/"), ED_EURL);
    check_int(ed_get(&res, "http+unix://%2Fa%00/"), ED_EURL);
    check_int(ed_get(&res, ""), ED_EURL);
}

FIBER_TEST(secrets_in_a_url_are_in_no_text)
{
    static const char *const bad[] = {"http://me:word@127.0.0.1:x/",
                                      "http://me:wo/rd@127.0.0.1/",
                                      "http://me:wo rd@a/", "me:word@a"};
    ed_res *res;

    check_int(ed_get(&res, "http://me:word@127.0.0.1:1/"), ED_ECONNECT);
    check(strstr(ed_error(), "GET http://127.0.0.1:1/: "));
    check(!strstr(ed_error(), "word"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        check_int(ed_get(&res, bad[i]), ED_EURL);
        check(!strstr(ed_error(), "wo"));
    }
    check_int(ed_get(&res, "http://me:%zz@127.0.0.1:1/"), ED_EURL);
    check(strstr(ed_error(), "malformed user information"));
    check(!strstr(ed_error(), "%zz"));
    check_int(
        ed_fetch(&res, "http://me:word@127.0.0.1:1/", .file = "/no/such/file"),
        -ENOENT);
    check(!strstr(ed_error(), "word"));
}

static void hear_url(void *arg, const struct ed_phase_event *event)
{
    unsigned *heard = arg;

    ++*heard;
    check(!strstr(event->url, "word"));
}

FIBER_TEST(secrets_in_a_url_are_not_told_to_hooks)
{
    unsigned heard = 0;
    ed_client *client = ed_client_new(.hook = hear_url, .hook_arg = &heard);
    ed_res *res;

    check_int(ed_fetch(&res, "http://me:word@127.0.0.1:1/", .client = client),
              ED_ECONNECT);
    check_int(ed_fetch(&res, "http://me:word@a b/", .client = client), ED_EURL);
    check(heard >= 2);
    ed_client_free(client);
}

FIBER_TEST(a_refused_connection_names_the_address)
{
    ed_res *res;

    check_int(ed_get(&res, "http://127.0.0.1:1/x"), ED_ECONNECT);
    check_text(ed_error(), "GET http://127.0.0.1:1/x: connect to 127.0.0.1:1: "
                           "Connection refused");
}

static int fetch_without_name_server(void *arg)
{
    ed_res *res;

    (void)arg;
    check_int(ed_dns_configure(.servers = "127.0.0.1:1", .tries = 1), 0);
    check_int(ed_get(&res, "http://name.example/"), ED_ERESOLVE);
    check(!strncmp(ed_error(), "GET http://name.example/: resolve name.example",
                   46));
    return 0;
}

/* Name servers keep the time of the world. */
static void a_name_without_an_address_is_told_of(void **state)
{
    (void)state;
    fiber_test_failures = 0;
    assert_int_equal(ed_run(fetch_without_name_server, NULL), 0);
    assert_int_equal(fiber_test_failures, 0);
}

FIBER_TEST(a_connection_that_breaks_says_where)
{
    fails(SCRIPT("<"), ED_ECONNLOST, "closed before a response");
    fails(SCRIPT("<", "!"), ED_ECONNLOST,
          "closed before a response (Connection reset by peer)");
    fails(SCRIPT("<", ">HTTP/1.1 200"), ED_ECONNLOST,
          "closed within the response head");
    fails(SCRIPT("<", ">HTTP/1.1 100 Continue\r\n\r\n"), ED_ECONNLOST,
          "closed within the response head");
    fails(SCRIPT("<", ">HTTP/1.1 200 Ok\r\nContent-Length: 9\r\n\r\nhalf"),
          ED_ECONNLOST, "closed within the response body");
    fails(SCRIPT("<", ">HTTP/1.1 200 Ok\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "4\r\nhalf\r\n"),
          ED_ECONNLOST, "closed within the response body");
    fails(SCRIPT("<", ">HTTP/1.1 200 Ok\r\n\r\nhalf", "~1", "!"), ED_ECONNLOST,
          "closed within the response body (Connection reset by peer)");
}

/* The same without a look at the text, which is the codec's. */
static void malformed(const char *answer, int want)
{
    struct peer p = {.scripts = {SCRIPT("<", answer, "=")}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_get(&res, p.url), want);
    check(!strncmp(ed_error(), "GET http://127.0.0.1:", 21));
    check(strlen(ed_error()) > strlen(p.url) + 8);
    settle();
    check_int(p.open, 0);
    peer_close(&p);
}

FIBER_TEST(a_malformed_response_is_refused)
{
    malformed(">SSH-2.0-x\r\n\r\n", ED_EPROTO);
    malformed(">HTTP/1.1 20 Ok\r\n\r\n", ED_EPROTO);
    malformed(">HTTP/1.1 200 Ok\r\nX : y\r\n\r\n", ED_EPROTO);
    malformed(">HTTP/1.1 200 Ok\r\nContent-Length: 1\r\n"
              "Transfer-Encoding: chunked\r\n\r\n",
              ED_EPROTO);
    malformed(">HTTP/1.1 200 Ok\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
              ED_EPROTO);
    malformed(">HTTP/1.1 101 Switching Protocols\r\n\r\n", ED_EPROTO);
}

FIBER_TEST(endless_interim_responses_are_refused)
{
    struct ed_buf answer = {0};

    check_int(ed_buf_add(&answer, ">", 1), 0);
    for (int i = 0; i < 17; i++)
        check_int(ed_buf_addf(&answer, "HTTP/1.1 102 Wait\r\n\r\n"), 0);
    malformed(answer.ptr, ED_EPROTO);
    ed_buf_free(&answer);
}

FIBER_TEST(a_head_that_is_too_large_is_refused)
{
    static char answer[70000] = ">HTTP/1.1 200 Ok\r\nX: ";
    size_t len = strlen(answer);

    memset(answer + len, 'x', sizeof(answer) - len - 1);
    malformed(answer, ED_EHEADLIMIT);
}

FIBER_TEST(a_head_of_too_many_fields_is_refused)
{
    struct ed_buf answer = {0};

    check_int(ed_buf_addf(&answer, ">HTTP/1.1 200 Ok\r\n"), 0);
    for (int i = 0; i < 129; i++)
        check_int(ed_buf_addf(&answer, "X: y\r\n"), 0);
    check_int(ed_buf_addf(&answer, "\r\n"), 0);
    malformed(answer.ptr, ED_EHEADLIMIT);
    ed_buf_free(&answer);
}

FIBER_TEST(trailers_that_are_too_large_are_refused)
{
    static char answer[20000] = ">HTTP/1.1 200 Ok\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ";
    size_t len = strlen(answer);

    memset(answer + len, 'x', sizeof(answer) - len - 1);
    malformed(answer, ED_EHEADLIMIT);
}

FIBER_TEST(a_body_that_is_too_large_is_refused)
{
    static char answer[1200] = ">HTTP/1.1 200 Ok\r\n\r\n";
    size_t len = strlen(answer);

    /* Known from the head: refused before it comes. */
    fails(SCRIPT("<", ">HTTP/1.1 200 Ok\r\nContent-Length: 1001\r\n\r\n", "="),
          ED_EBODYLIMIT, "body larger than allowed");
    fails(SCRIPT("<",
                 ">HTTP/1.1 200 Ok\r\nContent-Length: 9223372036854775807\r\n"
                 "\r\n",
                 "="),
          ED_EBODYLIMIT, "body larger than allowed");
    memset(answer + len, 'x', sizeof(answer) - len - 1);
    fails(SCRIPT("<", answer, "="), ED_EBODYLIMIT, "body larger than allowed");
}

FIBER_TEST(a_body_as_large_as_allowed_is_taken)
{
    struct peer p = {.scripts = {SCRIPT("<", ">HTTP/1.1 200 Ok\r\n\r\n12345")}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .max_body = 5), 0);
    check_int(ed_fetch(&res, p.url, .max_body = 4), ED_EBODYLIMIT);
    peer_close(&p);
}

FIBER_TEST(a_deadline_says_what_did_not_come)
{
    fails(SCRIPT("="), ED_ETIMEOUT, "no response head within the deadline");
    fails(SCRIPT("<", ">HTTP/1.1 2", "="), ED_ETIMEOUT,
          "no response head within the deadline");
    fails(SCRIPT("<", ">HTTP/1.1 200 Ok\r\nContent-Length: 3\r\n\r\nno", "="),
          ED_ETIMEOUT, "no whole response body within the deadline");
}

FIBER_TEST(a_body_that_is_not_taken_meets_the_deadline)
{
    struct peer p = {.scripts = {SCRIPT("~2000")}, .large = true};
    char *body = calloc(1, 1 << 20);
    ed_res *res;

    peer_open(&p);
    {
        ed_scope(s, .within = ED_S);
        (void)s;
        check_int(ed_fetch(&res, p.url, .body = ed_bytes_of(body, 1 << 20)),
                  ED_ETIMEOUT);
    }
    check(strstr(ed_error(), ": request not sent within the deadline"));
    free(body);
    peer_close(&p);
}

/* ---- cancellation ---- */

struct cancelled {
    ed_client *client;
    const char *url;
    struct ed_bytes body;
    bool stream;
    int err;
};

static int fetch_to_be_cancelled(void *arg)
{
    struct cancelled *c = arg;
    ed_res *res;
    char byte;

    c->err = ed_fetch(&res, c->url, .client = c->client, .body = c->body,
                      .stream = c->stream);
    if (c->err || !c->stream)
        return 0;
    c->err = (int)ed_res_read(res, &byte, 1);
    ed_res_close(res);
    return 0;
}

/* Cancels a fetch after so much time. */
static void cancel_after(const char *const *script, int64_t time, bool stream,
                         size_t body)
{
    struct peer p = {.scripts = {script}, .large = body != 0};
    int before = held_descriptors();
    char *bytes = calloc(1, body + 1);
    struct ed_client_counts counts;
    struct cancelled c = {.client = ed_client_new(.max_per_origin = 1),
                          .stream = stream};

    if (body)
        c.body = ed_bytes_of(bytes, body);
    peer_open(&p);
    c.url = p.url;
    {
        ed_scope(s);
        ed_go(s, fetch_to_be_cancelled, &c);
        if (time)
            check_int(ed_sleep(time), 0);
        else
            check_int(ed_yield(), 0);
    }
    check_int(c.err, ED_ECANCELED);
    ed_client_counts(c.client, &counts);
    check_int(counts.open, 0);
    check_int(counts.waiting, 0);
    ed_client_free(c.client);
    peer_close(&p);
    free(bytes);
    check_int(held_descriptors(), before);
}

FIBER_TEST(a_cancelled_fetch_leaves_nothing_behind)
{
    cancel_after(SCRIPT("="), 0, false, 0); /* connecting */
    cancel_after(SCRIPT("="), ED_MS, false, 0);
    cancel_after(SCRIPT("~1000"), ED_MS, false, 1 << 20); /* sending */
    cancel_after(SCRIPT("<", ">HTT", "="), ED_MS, false, 0);
    cancel_after(SCRIPT("<", ">HTTP/1.1 200 Ok\r\n\r\nx", "="), ED_MS, false,
                 0);
    cancel_after(SCRIPT("<", ">HTTP/1.1 200 Ok\r\n\r\n", "="), ED_MS, true, 0);
}

FIBER_TEST(a_cancelled_waiter_leaves_the_line)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "~100", ">HTTP/1.1 204 No\r\n\r\n", "=")}};
    ed_client *client = ed_client_new(.max_per_origin = 1);
    struct cancelled a = {client, NULL}, b = {client, NULL};
    struct ed_client_counts counts;

    peer_open(&p);
    a.url = b.url = p.url;
    {
        ed_scope(all);
        ed_go(all, fetch_to_be_cancelled, &a);
        check_int(ed_sleep(ED_MS), 0);
        {
            ed_scope(s);
            ed_go(s, fetch_to_be_cancelled, &b);
            check_int(ed_sleep(ED_MS), 0);
        }
        check_int(b.err, ED_ECANCELED);
        check_int(ed_wait(all), 0);
        check_int(a.err, 0);
    }
    ed_client_counts(client, &counts);
    check_int(counts.open, 1);
    check_int(counts.waiting, 0);
    ed_client_free(client);
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_that_is_none_is_told_of),
        cmocka_unit_test(secrets_in_a_url_are_in_no_text),
        cmocka_unit_test(secrets_in_a_url_are_not_told_to_hooks),
        cmocka_unit_test(a_refused_connection_names_the_address),
        cmocka_unit_test(a_name_without_an_address_is_told_of),
        cmocka_unit_test(a_connection_that_breaks_says_where),
        cmocka_unit_test(a_malformed_response_is_refused),
        cmocka_unit_test(endless_interim_responses_are_refused),
        cmocka_unit_test(a_head_that_is_too_large_is_refused),
        cmocka_unit_test(a_head_of_too_many_fields_is_refused),
        cmocka_unit_test(trailers_that_are_too_large_are_refused),
        cmocka_unit_test(a_body_that_is_too_large_is_refused),
        cmocka_unit_test(a_body_as_large_as_allowed_is_taken),
        cmocka_unit_test(a_deadline_says_what_did_not_come),
        cmocka_unit_test(a_body_that_is_not_taken_meets_the_deadline),
        cmocka_unit_test(a_cancelled_fetch_leaves_nothing_behind),
        cmocka_unit_test(a_cancelled_waiter_leaves_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
