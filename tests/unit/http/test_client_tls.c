/*
 * test_client_tls.c - https: whom a client trusts, what it tells of TLS, and
 * every way in which a server over TLS misbehaves.
 */
#include "contexts.h"
#include "fetch_fails.h"

#define OK(body) ">HTTP/1.1 200 Ok\r\nContent-Length: 5\r\n\r\n" body

static int open_certs(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "a.org,127.0.0.1");
    certs_make(.file = "other", .names = "b.org");
    certs_make(.file = "old", .names = "127.0.0.1", .from = -9, .until = -2);
    return contexts_open();
}

/* A fetch from a peer that plays a script behind its handshake fails. */
static void fails(const char *const *script, int want, const char *detail)
{
    struct peer p = {.scripts = {script}, .tls = server_tls, .https = true};
    ed_scope(s, .within = ED_S);

    (void)s;
    fetch_fails(&p, ed_client_new(.tls = client_tls, .proxy = ""), want,
                detail);
}

FIBER_TEST(a_response_tells_of_its_tls)
{
    struct peer p = {.scripts = {SCRIPT("T", "<", OK("hello"), "=")},
                     .tls = server_tls,
                     .https = true};
    ed_client *client = ed_client_new(.tls = client_tls, .proxy = "");
    struct ed_res_timing timing;
    ed_res *res;

    peer_open(&p);
    if (check_int(ed_fetch(&res, p.url, .client = client), 0)) {
        check_text(ed_res_text(res), "hello");
        ed_client_free(client); /* what is told outlives the connection */
        const struct ed_tls_info *info = ed_res_tls(res);
        const struct ed_tls_peer *who = ed_res_tls_peer(res);
        if (check(info && who)) {
            check_text(info->version, "TLSv1.3");
            check(strstr(info->cipher, "TLS_") == info->cipher);
            check(info->verified);
            check_text(who->subject, "CN=site, O=Eddy");
            check(who->not_after > who->not_before);
        }
        ed_res_timing(res, &timing);
        check(timing.secured >= timing.connected && timing.connected);
        check(timing.sent >= timing.secured);
    }
    peer_close(&p);
}

FIBER_TEST(a_kept_connection_is_used_again_and_tells_the_same)
{
    struct peer p = {
        .scripts = {SCRIPT("T", "<", OK("hello"), "<", OK("again"), "=")},
        .tls = server_tls,
        .https = true};
    ed_client *client = ed_client_new(.tls = client_tls, .proxy = "");
    struct ed_res_timing timing;
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), 0);
    if (check_int(ed_fetch(&res, p.url, .client = client), 0)) {
        check_text(ed_res_text(res), "again");
        check(ed_res_tls(res) && ed_res_tls_peer(res));
        ed_res_timing(res, &timing);
        check(timing.reused && !timing.secured);
    }
    check_int(p.accepted, 1);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(in_the_clear_there_is_nothing_to_tell)
{
    struct peer p = {.scripts = {SCRIPT("<", OK("hello"), "=")}};
    ed_res *res;

    peer_open(&p);
    if (check_int(ed_get(&res, p.url), 0))
        check(!ed_res_tls(res) && !ed_res_tls_peer(res));
    peer_close(&p);
}

FIBER_TEST(the_clear_and_the_protected_never_share_a_connection)
{
    struct peer p = {.scripts = {SCRIPT("<", OK("plain"), "="),
                                 SCRIPT("T", "<", OK("tight"), "=")},
                     .tls = server_tls};
    ed_client *client = ed_client_new(.tls = client_tls, .proxy = "");
    char url[ED_ADDR_TEXT + 32];
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), 0);
    snprintf(url, sizeof(url), "https://%s/", p.host);
    if (check_int(ed_fetch(&res, url, .client = client), 0))
        check_text(ed_res_text(res), "tight");
    check_int(p.accepted, 2);
    ed_client_free(client);
    peer_close(&p);
}

/* A name of the map keeps its name: in the certificate, and in Host. */
FIBER_TEST(a_mapped_host_is_checked_by_its_name)
{
    struct peer p = {.scripts = {SCRIPT("T", "<", OK("hello"), "=")},
                     .tls = server_tls};
    char good[ED_ADDR_TEXT + 32], bad[ED_ADDR_TEXT + 32];
    ed_res *res;

    peer_open(&p);
    snprintf(good, sizeof(good), "a.org:443=%s", p.host);
    snprintf(bad, sizeof(bad), "b.net=%s", p.host);
    ed_client *client =
        ed_client_new(.tls = client_tls,
                      .hosts = (const char *const[]){good, bad, NULL});
    check_int(ed_fetch(&res, "https://a.org/", .client = client), 0);
    check(strstr(peer_seen(&p), "\r\nHost: a.org\r\n"));
    check_int(ed_fetch(&res, "https://b.net/", .client = client), ED_ECERT);
    check(strstr(ed_error(), "GET https://b.net/: "));
    ed_client_free(client);
    peer_close(&p);
}

/* What the texts say is tested with the contexts. */
static void distrusts(const char *file, bool knows_issuer)
{
    char pem[32], key[32];
    ed_tls *server, *client_side;
    struct peer p = {.scripts = {SCRIPT("T", "=")}, .https = true};
    ed_res *res;

    snprintf(pem, sizeof(pem), "%s.pem", file);
    snprintf(key, sizeof(key), "%s.key", file);
    check_int(ed_tls_server(&server, .certificate = certs_path(pem),
                            .key = certs_path(key)),
              0);
    check_int(ed_tls_client(&client_side,
                            .ca = knows_issuer ? certs_path("ca.pem") : NULL),
              0);
    p.tls = server;
    peer_open(&p);
    ed_client *client = ed_client_new(.tls = client_side, .proxy = "");
    check_int(ed_fetch(&res, p.url, .client = client), ED_ECERT);
    check(!strncmp(ed_error(), "GET https://127.0.0.1:", 22));
    ed_client_free(client);
    peer_close(&p);
    ed_tls_free(server);
    ed_tls_free(client_side);
}

FIBER_TEST(a_server_that_cannot_be_trusted_is_refused)
{
    distrusts("other", true); /* of another name */
    distrusts("old", true);   /* expired */
    distrusts("site", false); /* of an issuer nobody knows */
}

FIBER_TEST(a_server_that_breaks_off_says_where)
{
    fails(SCRIPT("T", "<", "c"), ED_ECONNLOST,
          "closed before a response "
          "(end of stream)");
    fails(SCRIPT("T", "<"), ED_ECONNLOST, "closed before a response");
    fails(SCRIPT("T", "<", "r"), ED_ECONNLOST,
          "closed before a response (Connection reset by peer)");
    fails(SCRIPT("T", "<", ">HTTP/1.1 200"), ED_ECONNLOST,
          "closed within the response head");
    fails(SCRIPT("T", "<", ">HTTP/1.1 200 Ok\r\nContent-Length: 9\r\n\r\nhalf"),
          ED_ECONNLOST, "closed within the response body");
}

/* In TLS 1.3 it says so when the client is done with the handshake. */
FIBER_TEST(a_server_that_wants_a_certificate_says_so)
{
    struct peer p = {.scripts = {SCRIPT("T", "=")}, .https = true};
    ed_client *client = ed_client_new(.tls = client_tls, .proxy = "");
    ed_res *res;

    check_int(ed_tls_server(&p.tls, .certificate = certs_path("site.pem"),
                            .key = certs_path("site.key"),
                            .client_auth = ED_TLS_CLIENT_REQUIRED,
                            .client_ca = certs_path("ca.pem")),
              0);
    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), ED_ECONNLOST);
    check(strstr(ed_error(), "closed before a response (the peer demands a "
                             "certificate (alert 116"));
    ed_client_free(client);
    peer_close(&p);
    ed_tls_free(p.tls);
}

/* Without TLS's own goodbye nobody knows that this was all of it. */
FIBER_TEST(a_body_that_is_cut_off_is_not_taken_for_whole)
{
    fails(SCRIPT("T", "<", ">HTTP/1.1 200 Ok\r\n\r\nhalf", "c"), ED_ECONNLOST,
          "closed within the response body (end of stream)");
}

FIBER_TEST(a_body_that_ends_with_a_goodbye_is_whole)
{
    struct peer p = {
        .scripts = {SCRIPT("T", "<", ">HTTP/1.1 200 Ok\r\n\r\nall")},
        .tls = server_tls,
        .https = true};
    ed_client *client = ed_client_new(.tls = client_tls, .proxy = "");
    ed_res *res;

    peer_open(&p);
    if (check_int(ed_fetch(&res, p.url, .client = client), 0))
        check_text(ed_res_text(res), "all");
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(garbage_is_told_from_tls_and_from_http)
{
    struct peer p = {.scripts = {SCRIPT(">SSH-2.0-x\r\n", "="),
                                 SCRIPT("T", "<", ">SSH-2.0-x\r\n\r\n", "=")},
                     .tls = server_tls,
                     .https = true};
    ed_client *client = ed_client_new(.tls = client_tls, .proxy = "");
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), ED_ETLS);
    check(strlen(ed_error()) > strlen(p.url) + 8);
    check_int(ed_fetch(&res, p.url, .client = client), ED_EPROTO);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_server_that_never_answers_meets_the_deadline)
{
    fails(SCRIPT("="), ED_ETIMEOUT, "no TLS to the server within the deadline");
    fails(SCRIPT("T", "="), ED_ETIMEOUT,
          "no response head within the deadline");
    fails(SCRIPT("T", "<", ">HTTP/1.1 200 Ok\r\nContent-Length: 9\r\n\r\nhalf",
                 "="),
          ED_ETIMEOUT, "no whole response body within the deadline");
}

FIBER_TEST(a_handshake_has_a_timeout_of_its_own)
{
    struct peer p = {.scripts = {SCRIPT("=")}, .https = true};
    ed_client *client =
        ed_client_new(.tls = client_tls, .proxy = "", .tls_timeout = 3 * ED_S);
    int64_t began = ed_now();
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), ED_ETIMEOUT);
    check_int((ed_now() - began) / ED_S, 3);
    check(strstr(ed_error(),
                 ": no TLS to the server within the TLS timeout of 3 s"));
    ed_client_free(client);
    peer_close(&p);
}

static int fetch_to_be_cancelled(void *arg)
{
    ed_res *res;

    return ed_get(&res, ((struct peer *)arg)->url);
}

FIBER_TEST(a_handshake_can_be_cancelled)
{
    struct peer p = {.scripts = {SCRIPT("=")}, .https = true};

    peer_open(&p);
    {
        ed_scope(s);
        ed_go(s, fetch_to_be_cancelled, &p);
        settle();
        ed_cancel(s);
        check_int(ed_wait(s), ED_ECANCELED);
    }
    settle();
    check_int(p.open, 0);
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_tells_of_its_tls),
        cmocka_unit_test(a_kept_connection_is_used_again_and_tells_the_same),
        cmocka_unit_test(in_the_clear_there_is_nothing_to_tell),
        cmocka_unit_test(the_clear_and_the_protected_never_share_a_connection),
        cmocka_unit_test(a_mapped_host_is_checked_by_its_name),
        cmocka_unit_test(a_server_that_cannot_be_trusted_is_refused),
        cmocka_unit_test(a_server_that_breaks_off_says_where),
        cmocka_unit_test(a_server_that_wants_a_certificate_says_so),
        cmocka_unit_test(a_body_that_is_cut_off_is_not_taken_for_whole),
        cmocka_unit_test(a_body_that_ends_with_a_goodbye_is_whole),
        cmocka_unit_test(garbage_is_told_from_tls_and_from_http),
        cmocka_unit_test(a_server_that_never_answers_meets_the_deadline),
        cmocka_unit_test(a_handshake_has_a_timeout_of_its_own),
        cmocka_unit_test(a_handshake_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, open_certs, contexts_tear_down);
}
