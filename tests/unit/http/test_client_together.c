/*
 * test_client_together.c - features of the client that meet in one fetch.
 */
#include "contexts.h"
#include "peer.h"
#include <eddy/client.h>
#include <eddy/dns.h>
#include <eddy/event_source.h>
#include <eddy/file.h>

#define OK        ">HTTP/1.1 200 Ok\r\nContent-Length: 2\r\n\r\nok"
#define NO_BODY   "Content-Length: 0\r\n\r\n"
#define CONNECTED ">HTTP/1.1 200 Connected\r\n\r\n"
#define ASKS                             \
    ">HTTP/1.1 401 Who\r\n"              \
    "WWW-Authenticate: Digest realm=r, " \
    "nonce=n, qop=auth\r\n"

/* "hello", by gzip -n. */
#define GZIPPED                         \
    "x1f8b0800000000000003cb48cdc9c907" \
    "0086a6103605000000"
#define GZIP_HEAD "Content-Encoding: gzip\r\nContent-Length: 25\r\n\r\n"

static int open_certs(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "a.org");
    return contexts_open();
}

/* How often a text stands in what a peer saw. */
static int times(const struct peer *p, const char *text)
{
    int count = 0;

    for (const char *at = peer_seen(p); (at = strstr(at, text)); at++)
        count++;
    return count;
}

/* A body in pieces of three bytes. */
struct source {
    const char *text;
    size_t at;
    int rewinds;
};

static ssize_t give(void *arg, void *buf, size_t len)
{
    struct source *s = arg;
    size_t n = strlen(s->text + s->at);

    n = n < 3 ? n : 3;
    n = n < len ? n : len;
    memcpy(buf, s->text + s->at, n);
    s->at += n;
    return (ssize_t)n;
}

static int begin_again(void *arg)
{
    struct source *s = arg;

    s->at = 0;
    s->rewinds++;
    return 0;
}

static bool reads(ed_res *res, const char *expected)
{
    char text[64];
    size_t len = 0;
    ssize_t n;

    while ((n = ed_res_read(res, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    return check_int(n, 0) && check_text(text, expected);
}

/* ---- redirects ---- */

FIBER_TEST(an_encoded_redirect_leads_to_an_encoded_stream)
{
    struct peer p = {
        .scripts = {SCRIPT(
            "<", ">HTTP/1.1 302 There\r\nLocation: /b\r\n" GZIP_HEAD, GZIPPED,
            "<", ">HTTP/1.1 200 Ok\r\n" GZIP_HEAD, GZIPPED, "=")}};
    ed_res *res;

    peer_open(&p);
    if (check_int(ed_fetch(&res, p.url, .stream = true), 0)) {
        reads(res, "hello");
        ed_res_close(res);
    }
    check_int(p.accepted, 1);
    peer_close(&p);
}

FIBER_TEST(a_redirect_that_never_ends_is_not_read_for_long)
{
    struct peer p = {
        .scripts = {SCRIPT("<",
                           ">HTTP/1.1 302 There\r\nLocation: /b\r\n"
                           "Content-Length: 9\r\n\r\n...",
                           "="),
                    SCRIPT("<", OK, "=")}};
    int64_t began = ed_now();
    ed_res *res;

    peer_open(&p);
    if (check_int(ed_fetch(&res, p.url, .stream = true), 0)) {
        check(ed_now() - began <= ED_S);
        reads(res, "ok");
        ed_res_close(res);
    }
    peer_close(&p);
}

FIBER_TEST(a_body_that_is_asked_for_is_asked_for_again_elsewhere)
{
    struct peer p = {
        .scripts = {
            SCRIPT("<", ">HTTP/1.1 307 There\r\nLocation: /b\r\n" NO_BODY, "="),
            SCRIPT("<", ">HTTP/1.1 100 Go\r\n\r\n", "<8", OK, "=")}};
    struct source source = {"in parts", 0, 0};
    ed_res *res;

    peer_open(&p);
    /* Nothing of it was sent, so nothing has to be rewound. */
    check_int(ed_fetch(&res, p.url, .send = give, .send_arg = &source,
                       .send_length = 8, .expect_continue = true),
              0);
    check_int(times(&p, "Expect: 100-continue"), 2);
    check_int(times(&p, "in parts"), 1);
    peer_close(&p);
}

/* ---- challenges ---- */

FIBER_TEST(a_challenge_comes_before_the_body_that_is_asked_for)
{
    struct peer p = {
        .scripts = {SCRIPT("<", ASKS NO_BODY, "="),
                    SCRIPT("<", ">HTTP/1.1 100 Go\r\n\r\n", "<8", OK, "=")}};
    struct source source = {"in parts", 0, 0};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .send = give, .send_arg = &source,
                       .send_length = 8, .expect_continue = true, .user = "me",
                       .password = "word", .auth = ED_AUTH_DIGEST),
              0);
    check_int(ed_res_status(res), 200);
    check_int(times(&p, "Authorization: Digest "), 1);
    check_int(times(&p, "in parts"), 1);
    peer_close(&p);
}

FIBER_TEST(cookies_of_a_challenge_are_sent_with_its_answer)
{
    struct peer p = {.scripts = {SCRIPT("<", ASKS "Set-Cookie: s=1\r\n" NO_BODY,
                                        "<", OK, "=")}};
    ed_jar *jar = ed_jar_new();
    ed_client *client = ed_client_new(.jar = jar);
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .user = "me",
                       .auth = ED_AUTH_ANY),
              0);
    check_int(ed_res_status(res), 200);
    check_int(times(&p, "Cookie: s=1\r\n"), 1);
    ed_client_free(client);
    ed_jar_free(jar);
    peer_close(&p);
}

/* ---- policies ---- */

FIBER_TEST(a_body_in_pieces_is_sent_again_by_a_retry)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "<8", ">HTTP/1.1 503 No\r\n" NO_BODY, "<", "<8",
                           OK, "=")}};
    ed_client *client = ed_client_new(.retry = {.attempts = 2});
    struct source source = {"in parts", 0, 0};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .method = "PUT",
                       .stream = true, .send = give, .send_arg = &source,
                       .send_length = 8, .rewind = begin_again),
              0);
    check_int(ed_res_status(res), 200);
    reads(res, "ok");
    ed_res_close(res);
    check_int(source.rewinds, 1);
    check_int(times(&p, "in parts"), 2);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_redirect_and_a_retry_each_rewind_the_body)
{
    struct peer p = {
        .scripts = {SCRIPT(
            "<", "<8", ">HTTP/1.1 307 There\r\nLocation: /b\r\n" NO_BODY, "<",
            "<8", ">HTTP/1.1 503 No\r\n" NO_BODY, "<", "<8", OK, "=")}};
    ed_client *client = ed_client_new(.retry = {.attempts = 2});
    struct source source = {"in parts", 0, 0};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .send = give,
                       .send_arg = &source, .send_length = 8,
                       .rewind = begin_again, .retry_unsafe = true),
              0);
    check_int(ed_res_status(res), 200);
    check_int(source.rewinds, 2);
    check_int(times(&p, "in parts"), 3);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(both_of_two_requests_carry_cookies_and_one_sets_them)
{
    struct peer p = {
        .scripts = {
            SCRIPT("<", "~500",
                   ">HTTP/1.1 200 Ok\r\nSet-Cookie: first=1\r\n" NO_BODY, "="),
            SCRIPT("<", ">HTTP/1.1 200 Ok\r\nSet-Cookie: second=1\r\n" NO_BODY,
                   "<", OK, "=")}};
    ed_jar *jar = ed_jar_new();
    ed_client *client =
        ed_client_new(.jar = jar, .hedge = {.after = 20 * ED_MS});
    ed_res *res;

    peer_open(&p);
    check_int(ed_jar_set(jar, p.url, "n=v"), 0);
    check_int(ed_fetch(&res, p.url, .client = client), 0);
    check_int(times(&p, "Cookie: n=v\r\n"), 2);
    check(ed_jar_get(jar, p.url, "second") != NULL);
    check(ed_jar_get(jar, p.url, "first") == NULL);
    ed_client_free(client);
    ed_jar_free(jar);
    peer_close(&p);
}

FIBER_TEST(a_streamed_redirect_leaves_its_slot_of_the_limit)
{
    struct peer p = {
        .scripts = {SCRIPT("<",
                           ">HTTP/1.1 302 There\r\nLocation: /b\r\n"
                           "Content-Length: 2\r\n\r\nno",
                           "<", ASKS NO_BODY, "<", OK, "=")}};
    ed_client *client = ed_client_new(.limit = {.max = 1});
    struct ed_client_counts counts;
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .stream = true,
                       .user = "me", .auth = ED_AUTH_DIGEST,
                       .timeout = 5 * ED_S),
              0);
    reads(res, "ok");
    ed_res_close(res);
    ed_client_counts(client, &counts);
    check_int(counts.queued, 0);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_balanced_address_shows_the_certificate_of_the_name)
{
    struct peer p = {.tls = server_tls, .scripts = {SCRIPT("T", "<", OK, "=")}};
    ed_client *client =
        ed_client_new(.tls = client_tls, .balance = {.on = true});
    char url[64], hosts[64];
    ed_res *res;

    peer_open(&p);
    snprintf(hosts, sizeof(hosts), "%s", certs_path("hosts"));
    check_int(
        ed_file_write(hosts, ED_BYTES("127.0.0.1 a.org\n127.0.0.1 b.org\n")),
        0);
    check_int(ed_dns_configure(.hosts_file = hosts), 0);
    snprintf(url, sizeof(url), "https://a.org%s/", strchr(p.host, ':'));
    check_int(ed_fetch(&res, url, .client = client), 0);
    url[8] = 'b';
    check_int(ed_fetch(&res, url, .client = client), ED_ECERT);
    check(strstr(ed_error(), "not for b.org"));
    ed_client_free(client);
    peer_close(&p);
}

/* ---- proxies ---- */

static ed_client *client_of(const struct peer *proxy)
{
    char url[ED_ADDR_TEXT + 32];

    snprintf(url, sizeof(url), "http://me:word@%s", proxy->host);
    return ed_client_new(.proxy = url, .no_proxy = "", .tls = client_tls);
}

FIBER_TEST(a_tunnel_that_was_closed_while_idle_is_dug_again)
{
    struct peer proxy = {
        .tls = server_tls,
        .scripts = {SCRIPT("<", CONNECTED, "T", "<", OK, "~10"),
                    SCRIPT("<", CONNECTED, "T", "<", OK, "=")}};
    ed_res *res;

    peer_open(&proxy);
    ed_client *client = client_of(&proxy);
    check_int(ed_fetch(&res, "https://a.org/", .client = client), 0);
    check_int(ed_sleep(20 * ED_MS), 0);
    check_int(ed_fetch(&res, "https://a.org/", .client = client), 0);
    check_int(proxy.accepted, 2);
    ed_client_free(client);
    peer_close(&proxy);
}

FIBER_TEST(a_redirect_out_of_a_tunnel_is_relayed)
{
    struct peer proxy = {
        .tls = server_tls,
        .scripts = {
            SCRIPT(
                "<", CONNECTED, "T", "<",
                ">HTTP/1.1 302 There\r\nLocation: http://a.org/b\r\n" NO_BODY,
                "="),
            SCRIPT("<", OK, "=")}};
    ed_res *res;

    peer_open(&proxy);
    ed_client *client = client_of(&proxy);
    check_int(
        ed_fetch(&res, "https://a.org/", .client = client, .bearer = "token"),
        0);
    check(strstr(peer_seen(&proxy), "GET http://a.org/b HTTP/1.1\r\n"));
    check_int(times(&proxy, "Proxy-Authorization: "), 2);
    check_int(times(&proxy, "Bearer token"), 1);
    check_int(res ? (int)ed_res_redirects(res) : 0, 1);
    check(res && !ed_res_tls(res));
    ed_client_free(client);
    peer_close(&proxy);
}

FIBER_TEST(what_is_for_the_proxy_is_not_told_to_the_server)
{
    static const char *const headers[] = {"proxy-authorization:Bearer secret",
                                          NULL};
    struct peer proxy = {
        .tls = server_tls,
        .scripts = {SCRIPT("<", CONNECTED, "T", "<", OK, "=")}};
    struct peer server = {.scripts = {SCRIPT("<", OK, "=")}};
    char url[ED_ADDR_TEXT + 32];
    ed_res *res;

    peer_open(&proxy);
    peer_open(&server);
    snprintf(url, sizeof(url), "http://me:word@%s", proxy.host);
    ed_client *client =
        ed_client_new(.proxy = url, .no_proxy = "127.0.0.1", .tls = client_tls);
    check_int(
        ed_fetch(&res, "https://a.org/", .client = client, .headers = headers),
        0);
    check_int(times(&proxy, "Proxy-Authorization: Bearer secret\r\n"), 1);
    check_int(times(&proxy, "secret"), 1);
    check_int(ed_fetch(&res, server.url, .client = client, .headers = headers),
              0);
    check_int(times(&server, "secret"), 0);
    ed_client_free(client);
    peer_close(&server);
    peer_close(&proxy);
}

FIBER_TEST(events_come_by_redirects_and_proxies)
{
    struct peer proxy = {
        .tls = server_tls,
        .scripts = {
            SCRIPT(
                "<",
                ">HTTP/1.1 307 There\r\nLocation: https://a.org/e\r\n" NO_BODY,
                "="),
            SCRIPT("<", CONNECTED, "T", "<",
                   ">HTTP/1.1 200 Ok\r\nContent-Type: text/event-stream\r\n"
                   "\r\ndata: one\n\n",
                   "="),
        }};
    ed_event_source *source;
    struct ed_sse_event event;

    peer_open(&proxy);
    ed_client *client = client_of(&proxy);
    check_int(ed_event_source_open(&source, "http://a.org/", .client = client),
              0);
    if (check_int(ed_event_source_next(source, &event), 0))
        check_text(event.data.ptr, "one");
    ed_event_source_close(source);
    ed_client_free(client);
    peer_close(&proxy);
}

/* ---- parts ---- */

FIBER_TEST(a_part_of_what_is_encoded_is_given_as_it_is)
{
    struct peer p = {
        .scripts = {SCRIPT("<",
                           ">HTTP/1.1 206 Part\r\nContent-Encoding: gzip"
                           "\r\nContent-Range: bytes 0-1/25\r\n"
                           "Content-Length: 2\r\n\r\n",
                           "x1f8b", "=")}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .range = "0-1"), 0);
    check(!strstr(peer_seen(&p), "Accept-Encoding"));
    check_int(res ? (int)ed_res_body(res).len : 0, 2);
    peer_close(&p);
}

/* ---- many at once ---- */

enum { FIBERS = 40 };

struct crowd {
    ed_client *client;
    const char *url;
    unsigned done;
};

static int fetch_in_crowd(void *arg)
{
    struct crowd *c = arg;
    char text[8];
    ed_res *res;

    int err = ed_fetch(&res, c->url, .client = c->client, .stream = true);
    if (err)
        return err;
    ssize_t n = ed_res_read(res, text, sizeof(text));
    ed_res_close(res);
    c->done += n == 2;
    return 0;
}

FIBER_TEST(many_fibers_share_a_client_with_everything_on)
{
    struct peer p = {
        .scripts = {SCRIPT("<",
                           ">HTTP/1.1 302 There\r\nLocation: /b\r\n"
                           "Set-Cookie: n=v\r\n" NO_BODY,
                           "<", ">HTTP/1.1 503 Busy\r\n" NO_BODY, "<", "~30",
                           OK)}};
    ed_jar *jar = ed_jar_new();
    ed_client *client =
        ed_client_new(.jar = jar, .retry = {.attempts = 9, .backoff = ED_MS},
                      .budget = {.percent = 1000, .per_second = 1000},
                      .hedge = {.after = 5 * ED_MS},
                      .limit = {.max = 8, .adaptive = true},
                      .eject = {.failures = 3}, .max_redirects = 50);
    struct crowd crowd = {.client = client, .url = p.url};
    struct ed_client_counts counts;

    peer_open(&p);
    {
        ed_scope(s);
        for (int i = 0; i < FIBERS; i++)
            ed_go(s, fetch_in_crowd, &crowd);
        (void)!ed_wait(s);
    }
    /* Which of them got what is up to chance; that nothing is left is not. */
    check(crowd.done > 0);
    ed_client_counts(client, &counts);
    check_int(counts.open, counts.idle);
    check_int(counts.waiting, 0);
    check(ed_jar_get(jar, p.url, "n") != NULL);
    ed_client_free(client);
    ed_jar_free(jar);
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_encoded_redirect_leads_to_an_encoded_stream),
        cmocka_unit_test(a_redirect_that_never_ends_is_not_read_for_long),
        cmocka_unit_test(a_body_that_is_asked_for_is_asked_for_again_elsewhere),
        cmocka_unit_test(a_challenge_comes_before_the_body_that_is_asked_for),
        cmocka_unit_test(cookies_of_a_challenge_are_sent_with_its_answer),
        cmocka_unit_test(a_body_in_pieces_is_sent_again_by_a_retry),
        cmocka_unit_test(a_redirect_and_a_retry_each_rewind_the_body),
        cmocka_unit_test(both_of_two_requests_carry_cookies_and_one_sets_them),
        cmocka_unit_test(a_streamed_redirect_leaves_its_slot_of_the_limit),
        cmocka_unit_test(a_balanced_address_shows_the_certificate_of_the_name),
        cmocka_unit_test(a_tunnel_that_was_closed_while_idle_is_dug_again),
        cmocka_unit_test(a_redirect_out_of_a_tunnel_is_relayed),
        cmocka_unit_test(what_is_for_the_proxy_is_not_told_to_the_server),
        cmocka_unit_test(events_come_by_redirects_and_proxies),
        cmocka_unit_test(a_part_of_what_is_encoded_is_given_as_it_is),
        cmocka_unit_test(many_fibers_share_a_client_with_everything_on),
    };
    return cmocka_run_group_tests(tests, open_certs, contexts_tear_down);
}
