/*
 * test_client_route.c - the ways to a server: fixed hosts, a local address, and
 * proxies of every kind, what is said to them, and how they fail.
 */
#include "contexts.h"
#include "peer.h"
#include <eddy/client.h>
#include <eddy/dns.h>

#define OK(body)    ">HTTP/1.1 200 Ok\r\nContent-Length: 5\r\n\r\n" body
#define CONNECTED   ">HTTP/1.1 200 Connection established\r\n\r\n"
#define SOCKS_READY "x05000001010203040050"

static const char *const VARIABLES[] = {
    "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
    "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

static void clear_environment(void)
{
    for (size_t i = 0; i < sizeof(VARIABLES) / sizeof(*VARIABLES); i++)
        unsetenv(VARIABLES[i]);
}

static int open_certs(void **state)
{
    (void)state;
    clear_environment();
    certs_open();
    certs_make(.file = "site", .names = "a.org,127.0.0.1");
    return contexts_open();
}

/* A client and a scripted proxy, which plays the server behind it as well. */
struct stage {
    struct peer proxy;
    ed_client *client;
    char url[ED_ADDR_TEXT + 64]; /* of the proxy */
};

static void open_stage(struct stage *s, const char *before,
                       const char *no_proxy)
{
    s->proxy.tls = server_tls;
    peer_open(&s->proxy);
    snprintf(s->url, sizeof(s->url), "%.60s%s", before, s->proxy.host);
    s->client =
        ed_client_new(.proxy = s->url, .no_proxy = no_proxy, .tls = client_tls);
    check(s->client != NULL);
}

static void close_stage(struct stage *s)
{
    ed_client_free(s->client);
    peer_close(&s->proxy);
}

static int get(struct stage *s, const char *url)
{
    ed_res *res;
    int err = ed_fetch(&res, url, .client = s->client);

    if (!err)
        check_text(ed_res_text(res), "hello");
    return err;
}

static bool saw(const struct stage *s, const char *text)
{
    return strstr(peer_seen(&s->proxy), text) != NULL;
}

/* ---- HTTP ---- */

FIBER_TEST(plain_requests_are_relayed_by_their_whole_url)
{
    struct stage s = {
        .proxy.scripts = {SCRIPT("<", OK("hello"), "<", OK("hello"), "=")}};

    open_stage(&s, "http://", "");
    check_int(get(&s, "http://A.org/x?y=1"), 0);
    check(saw(&s, "GET http://a.org/x?y=1 HTTP/1.1\r\nHost: a.org\r\n"));
    check(!saw(&s, "Proxy-Authorization"));
    /* Its connections are for every host. */
    check_int(get(&s, "http://b.org:81"), 0);
    check(saw(&s, "GET http://b.org:81/ HTTP/1.1\r\nHost: b.org:81\r\n"));
    check_int(s.proxy.accepted, 1);
    close_stage(&s);
}

FIBER_TEST(a_proxy_is_told_who_asks)
{
    struct stage s = {.proxy.scripts = {SCRIPT("<", OK("hello"), "=")}};

    open_stage(&s, "http://me%40x:w:rd@", "");
    check_int(get(&s, "http://a.org/"), 0);
    check(saw(&s, "\r\nProxy-Authorization: Basic bWVAeDp3OnJk\r\n"));
    check(!saw(&s, "me@x") && !saw(&s, "me%40x"));
    close_stage(&s);
}

FIBER_TEST(the_callers_own_proxy_authorization_goes_first)
{
    struct stage s = {.proxy.scripts = {SCRIPT("<", OK("hello"), "=")}};
    ed_res *res;

    open_stage(&s, "http://me:word@", "");
    check_int(ed_fetch(&res, "http://a.org/", .client = s.client,
                       .headers =
                           (const char *const[]){
                               "Proxy-Authorization: Bearer x", NULL}),
              0);
    check(saw(&s, "Proxy-Authorization: Bearer x\r\n"));
    check(!saw(&s, "Basic"));
    close_stage(&s);
}

FIBER_TEST(a_407_to_a_plain_request_is_just_a_response)
{
    struct stage s = {
        .proxy.scripts = {
            SCRIPT("<", ">HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", "=")}};
    ed_res *res;

    open_stage(&s, "http://", "");
    if (check_int(ed_fetch(&res, "http://a.org/", .client = s.client), 0))
        check_int(ed_res_status(res), 407);
    close_stage(&s);
}

FIBER_TEST(https_goes_through_a_tunnel)
{
    struct stage s = {
        .proxy.scripts = {SCRIPT("<", CONNECTED, "T", "<", OK("hello"), "<",
                                 OK("hello"), "=")}};

    open_stage(&s, "http://me:word@", "");
    check_int(get(&s, "https://a.org/secret"), 0);
    check(!strncmp(peer_seen(&s.proxy),
                   "CONNECT a.org:443 HTTP/1.1\r\nHost: a.org:443\r\n", 45));
    check(saw(&s, "\r\nProxy-Authorization: Basic bWU6d29yZA==\r\n"));
    check(saw(&s, "GET /secret HTTP/1.1\r\nHost: a.org\r\n"));
    /* The server is not told what is for the proxy. */
    check(!strstr(strstr(peer_seen(&s.proxy), "GET "), "Proxy-"));
    check_int(get(&s, "https://a.org/"), 0);
    check_int(s.proxy.accepted, 1);
    close_stage(&s);
}

FIBER_TEST(a_tunnel_is_for_one_host)
{
    struct stage s = {
        .proxy.scripts = {SCRIPT("<", CONNECTED, "T", "<", OK("hello"), "=")}};

    open_stage(&s, "http://", "");
    check_int(get(&s, "https://a.org/"), 0);
    check_int(get(&s, "https://127.0.0.1/"), 0);
    check_int(get(&s, "https://a.org:444/"), 0);
    check_int(s.proxy.accepted, 3);
    close_stage(&s);
}

FIBER_TEST(a_proxy_may_be_spoken_to_over_tls)
{
    struct stage s = {.proxy.scripts = {SCRIPT("T", "<", OK("hello"), "="),
                                        SCRIPT("T", "<", CONNECTED, "T", "<",
                                               OK("hello"), "=")}};

    open_stage(&s, "https://", "");
    check_int(get(&s, "http://a.org/x"), 0);
    check(saw(&s, "GET http://a.org/x HTTP/1.1\r\n"));
    check_int(get(&s, "https://a.org/"), 0);
    check(saw(&s, "CONNECT a.org:443 "));
    close_stage(&s);
}

FIBER_TEST(tls_within_tls_carries_more_than_a_record)
{
    static char much[48 * 1024];
    struct stage s = {
        .proxy.scripts = {SCRIPT("T", "<", CONNECTED, "T", "<", much)}};
    size_t len = (size_t)sprintf(much, ">HTTP/1.1 200 Ok\r\n\r\n");
    ed_res *res;

    for (size_t i = len; i < sizeof(much) - 1; i++)
        much[i] = (char)('a' + i % 23);
    open_stage(&s, "https://", "");
    if (check_int(ed_fetch(&res, "https://a.org/", .client = s.client), 0)) {
        check_int(ed_res_body(res).len, sizeof(much) - 1 - len);
        check(!memcmp(ed_res_text(res), much + len, ed_res_body(res).len));
    }
    close_stage(&s);
}

FIBER_TEST(a_proxy_over_tls_has_to_be_trusted)
{
    struct stage s = {.proxy.scripts = {SCRIPT("T", "=")}};
    char *colon;

    s.proxy.tls = server_tls;
    peer_open(&s.proxy);
    /* Its certificate is not of that name. */
    colon = strchr(s.proxy.host, ':');
    snprintf(s.url, sizeof(s.url), "https://localhost%s", colon);
    s.client = ed_client_new(.proxy = s.url, .no_proxy = "", .tls = client_tls);
    check_int(get(&s, "https://a.org/"), ED_ECERT);
    check(strstr(ed_error(), "GET https://a.org/: by proxy https://localhost"));
    close_stage(&s);
}

/* What a proxy answers to CONNECT, and what is said of it. */
static void refused(const char *before, const char *const *script,
                    const char *detail)
{
    struct stage s = {.proxy.scripts = {script}};
    int descriptors = held_descriptors();
    struct ed_client_counts counts;
    char text[400];

    open_stage(&s, before, "");
    {
        ed_scope(t, .within = 5 * ED_S);
        (void)t;
        check_int(get(&s, "https://a.org/"), ED_EPROXY);
    }
    snprintf(text, sizeof(text), "GET https://a.org/: by proxy http%s://%s: %s",
             strncmp(before, "https", 5) ? "" : "s", s.proxy.host, detail);
    if (!strncmp(before, "socks", 5))
        snprintf(text, sizeof(text), "GET https://a.org/: by proxy %.*s%s: %s",
                 (int)strcspn(before, "/") + 2, before, s.proxy.host, detail);
    check_text(ed_error(), text);
    ed_client_counts(s.client, &counts);
    check_int(counts.open, 0);
    close_stage(&s);
    check_int(held_descriptors(), descriptors);
}

FIBER_TEST(a_proxy_that_refuses_is_told_of)
{
    refused("http://", SCRIPT("<", ">HTTP/1.1 407 Who\r\n\r\n", "="),
            "the proxy wants to know who asks (407)");
    refused("http://me:word@", SCRIPT("<", ">HTTP/1.1 407 Who\r\n\r\n", "="),
            "the proxy refused user name and password (407)");
    refused("http://", SCRIPT("<", ">HTTP/1.0 403 Forbidden\r\n\r\nNo.", "="),
            "the proxy does not allow the connection (403)");
    refused("http://", SCRIPT("<", ">HTTP/1.1 502 Bad Gateway\r\n\r\n", "="),
            "the proxy answered CONNECT with 502 Bad Gateway");
    refused("https://", SCRIPT("T", "<", ">HTTP/1.1 504 Slow\r\n\r\n", "="),
            "the proxy answered CONNECT with 504 Slow");
}

FIBER_TEST(what_is_no_proxy_is_told_of)
{
    refused("http://", SCRIPT("<"), "the proxy closed the connection");
    refused("http://", SCRIPT("<", "r"),
            "the connection to the proxy broke (Connection reset by peer)");
    refused("http://", SCRIPT("<", CONNECTED "220 mail\r\n", "="),
            "the proxy sent more than its answer");
    refused("http://", SCRIPT("<", ">HTTP/1.1 2"),
            "the proxy closed the connection");
}

FIBER_TEST(garbage_is_told_from_a_proxys_answer)
{
    static char endless[9000] = ">HTTP/1.1 200 Ok\r\nX: ";
    struct stage s = {.proxy.scripts = {SCRIPT("<", ">SSH-2.0-x\r\n\r\n", "="),
                                        SCRIPT("<", endless, "=")}};
    size_t len = strlen(endless);

    memset(endless + len, 'x', sizeof(endless) - len - 1);
    open_stage(&s, "http://", "");
    check_int(get(&s, "https://a.org/"), ED_EPROXY);
    check(strstr(ed_error(), ": the proxy does not speak HTTP: "));
    check_int(get(&s, "https://a.org/"), ED_EPROXY);
    close_stage(&s);
}

FIBER_TEST(interim_answers_and_pieces_are_taken)
{
    struct stage s = {
        .proxy.scripts = {SCRIPT("<",
                                 "*HTTP/1.1 100 Continue\r\n\r\n"
                                 "HTTP/1.1 200 Ok\r\nX: y\r\n\r\n",
                                 "T", "<", OK("hello"), "=")}};

    open_stage(&s, "http://", "");
    check_int(get(&s, "https://a.org/"), 0);
    close_stage(&s);
}

FIBER_TEST(a_proxy_that_never_answers_meets_its_timeout)
{
    struct stage s = {.proxy.scripts = {SCRIPT("<", "=")}};
    int64_t began = ed_now();

    open_stage(&s, "http://", "");
    check_int(get(&s, "https://a.org/"), ED_ETIMEOUT);
    check_int((ed_now() - began) / ED_S, 10);
    check(strstr(ed_error(),
                 ": no answer of the proxy within the TLS timeout of 10 s"));
    close_stage(&s);
}

FIBER_TEST(a_proxy_that_cannot_be_reached_is_named)
{
    ed_client *client = ed_client_new(.proxy = "127.0.0.1:1", .no_proxy = "");
    ed_res *res;

    check_int(ed_fetch(&res, "http://a.org/", .client = client), ED_ECONNECT);
    check_text(ed_error(), "GET http://a.org/: by proxy http://127.0.0.1:1: "
                           "connect to 127.0.0.1:1: Connection refused");
    ed_client_free(client);
}

/* ---- SOCKS ---- */

static bool saw_bytes(const struct stage *s, size_t at, const char *bytes,
                      size_t len)
{
    return s->proxy.seen.len >= at + len &&
           !memcmp(s->proxy.seen.ptr + at, bytes, len);
}

FIBER_TEST(a_socks5h_proxy_finds_the_name)
{
    struct stage s = {
        .proxy.scripts = {
            SCRIPT("<3", "x0500", "<12", SOCKS_READY, "<", OK("hello"), "=")}};

    open_stage(&s, "socks5h://", "");
    check_int(get(&s, "http://a.org/x"), 0);
    check(saw_bytes(&s, 0, "\5\1\0\5\1\0\3\5a.org\0\120GET /x ", 22));
    close_stage(&s);
}

FIBER_TEST(a_socks5_proxy_is_given_an_address)
{
    struct stage s = {
        .proxy.scripts = {
            SCRIPT("<3", "x0500", "<10", SOCKS_READY, "<", OK("hello"), "=")}};

    open_stage(&s, "socks5://", "");
    check_int(get(&s, "http://localhost:8080/"), 0);
    check(saw_bytes(&s, 3, "\5\1\0\1\177\0\0\1\37\220GET / ", 16));
    check(saw(&s, "") && memmem(s.proxy.seen.ptr, s.proxy.seen.len,
                                "Host: localhost:8080", 20));
    close_stage(&s);
}

FIBER_TEST(a_socks_proxy_is_told_who_asks)
{
    struct stage s = {
        .proxy.scripts = {SCRIPT("<4", "x0502", "<9", "x0100", "<10",
                                 SOCKS_READY, "T", "<", OK("hello"), "=")}};

    open_stage(&s, "socks5://me:word@", "");
    check_int(get(&s, "https://127.0.0.1/"), 0);
    check(saw_bytes(&s, 0, "\5\2\0\2\1\2me\4word\5\1\0\1\177\0\0\1\1\273", 23));
    close_stage(&s);
}

FIBER_TEST(a_socks_proxy_that_refuses_is_told_of)
{
    refused("socks5h://", SCRIPT("<3", "x0500", "<12", "x0505000100000000000"),
            "the host refused the proxy's connection");
    refused("socks5h://", SCRIPT("<3", "x05ff", "="),
            "the proxy wants to know who asks");
    refused("socks5h://", SCRIPT("<3", ">HTTP/1.1 400 Bad\r\n\r\n", "="),
            "the proxy does not speak SOCKS5");
    refused("socks5h://", SCRIPT("<3"), "the proxy closed the connection");
}

/* ---- who goes by a proxy ---- */

FIBER_TEST(hosts_of_the_list_are_reached_directly)
{
    struct stage s = {.proxy.scripts = {SCRIPT("<", OK("hello"), "=")}};
    struct peer site = {.scripts = {SCRIPT("<", OK("hello"), "=")}};

    peer_open(&site);
    open_stage(&s, "http://", "x.org,127.0.0.0/8");
    check_int(get(&s, site.url), 0);
    check_int(s.proxy.accepted, 0);
    check(strstr(peer_seen(&site), "GET / HTTP/1.1\r\n"));
    check_int(get(&s, "http://a.org/"), 0);
    check_int(s.proxy.accepted, 1);
    close_stage(&s);
    peer_close(&site);
}

FIBER_TEST(unix_sockets_need_no_proxy)
{
    struct peer site = {.scripts = {SCRIPT("<", OK("hello"), "=")},
                        .large = true};
    struct stage s = {.proxy.scripts = {SCRIPT("=")}};

    peer_open(&site);
    open_stage(&s, "http://", "");
    check_int(get(&s, site.url), 0);
    close_stage(&s);
    peer_close(&site);
}

/* Fetches by a client of the environment. Nobody listens where the URLs
 * point: what comes is the proxy's. */
static int get_by_environment(const char *url)
{
    ed_client *client = ed_client_new(.tls = client_tls);
    ed_res *res;

    if (!client)
        return ED_EUSAGE;
    int err = ed_fetch(&res, url, .client = client);
    ed_client_free(client);
    return err;
}

FIBER_TEST(the_environment_is_read_as_curl_reads_it)
{
    struct peer p = {.scripts = {SCRIPT("<", OK("hello"), "=")}};
    char url[ED_ADDR_TEXT + 32];

    peer_open(&p);
    snprintf(url, sizeof(url), "http://%s", p.host);
    setenv("HTTP_PROXY", url, 1); /* a CGI program's */
    check_int(get_by_environment("http://127.0.0.1:1/"), ED_ECONNECT);
    setenv("http_proxy", p.host, 1); /* without a scheme */
    check_int(get_by_environment("http://127.0.0.1:1/"), 0);
    check_int(get_by_environment("https://127.0.0.1:1/"), ED_ECONNECT);
    setenv("no_proxy", "localhost,127.0.0.1", 1);
    check_int(get_by_environment("http://127.0.0.1:1/"), ED_ECONNECT);
    clear_environment();

    setenv("ALL_PROXY", url, 1);
    setenv("http_proxy", "", 1); /* as if it were not there */
    check_int(get_by_environment("http://127.0.0.1:1/"), 0);
    setenv("NO_PROXY", "*", 1);
    check_int(get_by_environment("http://127.0.0.1:1/"), ED_ECONNECT);
    clear_environment();

    setenv("HTTPS_PROXY", url, 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    check_int(get_by_environment("https://127.0.0.1:1/"), ED_EPROXY);
    setenv("https_proxy", "http://127.0.0.1:1", 1); /* lower case first */
    check_int(get_by_environment("https://127.0.0.1:1/"), ED_ECONNECT);
    clear_environment();
    peer_close(&p);
}

/* ---- fixed hosts, and where from ---- */

FIBER_TEST(a_fixed_host_is_not_resolved)
{
    struct peer p = {.scripts = {SCRIPT("<", OK("hello"), "=")}};
    struct peer q = {.scripts = {SCRIPT("<", OK("hello"), "=")}, .large = true};
    char first[ED_ADDR_TEXT + 32], second[ED_ADDR_TEXT + 32];
    struct ed_res_timing timing;
    ed_res *res;

    peer_open(&p);
    peer_open(&q);
    snprintf(first, sizeof(first), "A.org:80=%s", p.host);
    snprintf(second, sizeof(second), "a.org:81=%s", q.host);
    ed_client *client =
        ed_client_new(.hosts = (const char *const[]){first, second, NULL},
                      .proxy = "127.0.0.1:1", .no_proxy = "");
    if (check_int(ed_fetch(&res, "http://a.ORG/x", .client = client), 0)) {
        ed_res_timing(res, &timing);
        check(!timing.resolved && timing.connected);
    }
    check(strstr(peer_seen(&p), "GET /x HTTP/1.1\r\nHost: a.org\r\n"));
    check_int(ed_fetch(&res, "http://a.org:81/y", .client = client), 0);
    check(strstr(peer_seen(&q), "Host: a.org:81\r\n"));
    /* Others go their way, here by the proxy. */
    check_int(ed_fetch(&res, "http://b.org/", .client = client), ED_ECONNECT);
    ed_client_free(client);
    peer_close(&q);
    peer_close(&p);
}

FIBER_TEST(a_fixed_host_may_keep_its_port)
{
    struct peer p = {.scripts = {SCRIPT("<", OK("hello"), "=")}};
    char url[64];
    ed_res *res;

    peer_open(&p);
    snprintf(url, sizeof(url), "http://a.org%.8s/", strchr(p.host, ':'));
    ed_client *client =
        ed_client_new(.hosts = (const char *const[]){"a.org=127.0.0.1", NULL},
                      .proxy = "");
    check_int(ed_fetch(&res, url, .client = client), 0);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(connections_come_from_the_local_address)
{
    ed_client *client = ed_client_new(.local = "127.0.0.7", .proxy = "");
    char address[ED_ADDR_TEXT], peer[ED_ADDR_TEXT], url[ED_ADDR_TEXT + 16];
    ed_listener *l;
    ed_stream *s;
    ed_res *res;

    check_int(ed_listen(&l, "127.0.0.1:0"), 0);
    ed_listener_local(l, address);
    snprintf(url, sizeof(url), "http://%s/", address);
    {
        ed_scope(t, .within = ED_S);
        (void)t;
        check_int(ed_fetch(&res, url, .client = client), ED_ETIMEOUT);
    }
    check_int(ed_accept(l, &s), 0);
    ed_stream_peer(s, peer);
    check(!strncmp(peer, "127.0.0.7:", 10));
    ed_stream_close(s);
    ed_listener_close(l);
    ed_client_free(client);
}

/* ---- options that cannot be used ---- */

FIBER_TEST(options_that_cannot_be_used_are_told_of)
{
    check(!ed_client_new(.proxy = "socks4://a:1"));
    check_text(ed_error(), "proxy: its scheme is none of http, https, socks5 "
                           "and socks5h");
    check(!ed_client_new(.proxy = "http://me:word@a b"));
    check_text(ed_error(), "proxy: not the URL of a proxy");
    check(!ed_client_new(.proxy = "http://a.org/path"));
    check(!ed_client_new(.proxy = "http://a%00@a.org"));
    check(!ed_client_new(.proxy = "http://"));
    for (int len = 250; len < 280; len++) {
        char proxy[300];
        snprintf(proxy, sizeof(proxy), "http://%0*d", len, 0);
        check(!ed_client_new(.proxy = proxy));
    }
    check(!ed_client_new(.hosts = (const char *const[]){"a.org", NULL}));
    check(strstr(ed_error(), "hosts: 'a.org' is not "));
    check(!ed_client_new(.hosts = (const char *const[]){"a=b", NULL}));
    check(!ed_client_new(.hosts = (const char *const[]){"a:0=1.2.3.4", NULL}));
    check(!ed_client_new(.local = "a.org"));
    check(strstr(ed_error(), "local: 'a.org' is no address"));
    setenv("all_proxy", "ftp://me:word@a", 1);
    check(!ed_client_new());
    check(strstr(ed_error(), "all_proxy: "));
    check(!strstr(ed_error(), "word"));
    ed_res *res;
    check_int(ed_get(&res, "http://127.0.0.1:1/"), ED_EUSAGE);
    check(strstr(ed_error(), "no client: all_proxy: "));
    clear_environment();
}

FIBER_TEST(proxies_without_a_port_have_the_usual_ones)
{
    static const struct {
        const char *proxy, *address;
    } rows[] = {
        {"127.0.0.2", "connect to 127.0.0.2:1080"},
        {"http://127.0.0.2/", "connect to 127.0.0.2:1080"},
        {"https://127.0.0.2", "connect to 127.0.0.2:443"},
        {"socks5://[::1]", "connect to [::1]:1080"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        ed_client *client =
            ed_client_new(.proxy = rows[i].proxy, .no_proxy = "");
        ed_res *res;
        check_int(ed_fetch(&res, "http://10.0.0.1/", .client = client),
                  ED_ECONNECT);
        check_(strstr(ed_error(), rows[i].address) != NULL, "%s", ed_error());
        ed_client_free(client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_requests_are_relayed_by_their_whole_url),
        cmocka_unit_test(a_proxy_is_told_who_asks),
        cmocka_unit_test(the_callers_own_proxy_authorization_goes_first),
        cmocka_unit_test(a_407_to_a_plain_request_is_just_a_response),
        cmocka_unit_test(https_goes_through_a_tunnel),
        cmocka_unit_test(a_tunnel_is_for_one_host),
        cmocka_unit_test(a_proxy_may_be_spoken_to_over_tls),
        cmocka_unit_test(tls_within_tls_carries_more_than_a_record),
        cmocka_unit_test(a_proxy_over_tls_has_to_be_trusted),
        cmocka_unit_test(a_proxy_that_refuses_is_told_of),
        cmocka_unit_test(what_is_no_proxy_is_told_of),
        cmocka_unit_test(garbage_is_told_from_a_proxys_answer),
        cmocka_unit_test(interim_answers_and_pieces_are_taken),
        cmocka_unit_test(a_proxy_that_never_answers_meets_its_timeout),
        cmocka_unit_test(a_proxy_that_cannot_be_reached_is_named),
        cmocka_unit_test(a_socks5h_proxy_finds_the_name),
        cmocka_unit_test(a_socks5_proxy_is_given_an_address),
        cmocka_unit_test(a_socks_proxy_is_told_who_asks),
        cmocka_unit_test(a_socks_proxy_that_refuses_is_told_of),
        cmocka_unit_test(hosts_of_the_list_are_reached_directly),
        cmocka_unit_test(unix_sockets_need_no_proxy),
        cmocka_unit_test(the_environment_is_read_as_curl_reads_it),
        cmocka_unit_test(a_fixed_host_is_not_resolved),
        cmocka_unit_test(a_fixed_host_may_keep_its_port),
        cmocka_unit_test(connections_come_from_the_local_address),
        cmocka_unit_test(options_that_cannot_be_used_are_told_of),
        cmocka_unit_test(proxies_without_a_port_have_the_usual_ones),
    };
    return cmocka_run_group_tests(tests, open_certs, contexts_tear_down);
}
