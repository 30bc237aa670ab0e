/*
 * test_tls_choice.c - what a TLS server chooses: the certificate, the protocol,
 * whether to staple.
 */
#include "tls_pair.h"
#include "../../fiber_test.h"
#include "net/tls_context.h"
#include <time.h>

/* ---- certificates by name ---- */

static void the_name_asked_for_chooses_the_certificate(void **state)
{
    static const char *const asked[][2] = {
        {"a.org", "site"},
        {"b.org", "b"},
        {"B.oRg", "b"},
        {"b.org.", "b"},
        {"www.c.org", "wild"},
        {"WWW.C.ORG", "wild"},
        {"exact.c.org", "b"},    /* before the wildcard */
        {"c.org", "site"},       /* a wildcard is for one label, not none */
        {"x.www.c.org", "site"}, /* nor two */
        {"other.net", "site"},
        {"localhost", "site"},
        {"127.0.0.1", "site"}, /* addresses are not asked for */
        {NULL, NULL},
    };
    ed_tls *server = server_of("site");

    (void)state;
    add_to(server, "b");
    add_to(server, "wild");
    for (int i = 0; asked[i][0]; i++)
        assert_shown(server, asked[i][0], asked[i][1]);
    assert_shown(server, NULL, "site");
    ed_tls_free(server);
}

/* Clients that send what ours would not. */
static void a_final_dot_in_the_name_asked_for_does_not_count(void **state)
{
    ed_tls *server = server_of("site"), *client = trusting_client();
    struct tls_pair p;
    char name[64];

    (void)state;
    add_to(server, "b");
    tls_pair_open(&p, client, "b.org", server);
    assert_true(SSL_set_tlsext_host_name(p.client.ssl, "b.org."));
    tls_pair_shake(&p);
    well(&p);
    name_of(&p, name);
    assert_string_equal(name, "b");
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

/* The server asks for another key share (RFC 8446, 4.1.4). */
static void a_second_hello_chooses_the_same_certificate(void **state)
{
    ed_tls *server, *client = client_of();
    struct tls_pair p;
    char name[64];

    (void)state;
    assert_int_equal(
        ed_tls_server(&server, .certificate = certs_path("site.pem"),
                      .key = certs_path("site.key"), .groups = "P-384"),
        0);
    add_to(server, "b");
    tls_pair_open(&p, client, "b.org", server);
    tls_pair_shake(&p);
    well(&p);
    name_of(&p, name);
    assert_string_equal(name, "b");
    assert_int_equal(SSL_get_negotiated_group(p.client.ssl), NID_secp384r1);
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void assert_kind(ed_tls *server, const char *name, const char *sigalgs,
                        int kind)
{
    ed_tls *client = client_of();
    struct tls_pair p;

    tls_pair_open(&p, client, name, server);
    assert_true(SSL_set1_sigalgs_list(p.client.ssl, sigalgs));
    tls_pair_shake(&p);
    well(&p);
    X509 *shown = SSL_get0_peer_certificate(p.client.ssl);
    assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(shown)), kind);
    tls_pair_close(&p);
    ed_tls_free(client);
}

static void of_two_kinds_of_keys_the_client_chooses(void **state)
{
    ed_tls *server = server_of("site");

    (void)state;
    add_to(server, "site_rsa");
    add_to(server, "b");
    add_to(server, "b_rsa");
    assert_kind(server, "a.org", "ECDSA+SHA256", EVP_PKEY_EC);
    assert_kind(server, "a.org", "RSA-PSS+SHA256", EVP_PKEY_RSA);
    assert_kind(server, "b.org", "ECDSA+SHA256", EVP_PKEY_EC);
    assert_kind(server, "b.org", "RSA-PSS+SHA256", EVP_PKEY_RSA);
    /* For every other name, too. */
    assert_kind(server, "127.0.0.1", "RSA-PSS+SHA256", EVP_PKEY_RSA);
    ed_tls_free(server);
}

static void no_kind_is_taken_from_another_name(void **state)
{
    ed_tls *server = server_of("site"), *client = trusting_client();
    struct tls_pair p;

    (void)state;
    add_to(server, "site_rsa");
    add_to(server, "b");
    tls_pair_open(&p, client, "b.org", server);
    assert_true(SSL_set1_sigalgs_list(p.client.ssl, "RSA-PSS+SHA256"));
    tls_pair_shake(&p);
    assert_int_equal(p.server.err, ED_ETLS);
    assert_string_equal(p.server.why, "no kind of signature both sides know");
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

FIBER_TEST(a_certificate_that_would_never_be_shown_is_refused)
{
    ed_tls *server;

    check_int(ed_tls_server(&server, .certificate = certs_path("site.pem"),
                            .key = certs_path("site.key")),
              0);
    check_int(ed_tls_add(server, certs_path("twin.pem"), certs_path("twin.key"),
                         NULL),
              ED_ETLSCONFIG);
    check(strstr(ed_error(), "twin.pem: another certificate") != NULL);
    ed_tls_free(server);
}

FIBER_TEST(a_server_needs_a_certificate)
{
    ed_tls *server, *client;
    SSL *ssl;

    check_int(ed_tls_server(&server, .alpn = "h2"), 0);
    check_int(ed_tls_connection(server, NULL, NULL, &ssl), ED_ETLSCONFIG);
    check_text(ed_error(), "TLS: a server needs a certificate");
    check_int(ed_tls_add(server, certs_path("site.pem"), certs_path("site.key"),
                         NULL),
              0);
    check_int(ed_tls_connection(server, NULL, NULL, &ssl), 0);
    SSL_free(ssl);
    ed_tls_free(server);

    check_int(ed_tls_client(&client, .ca = certs_path("ca.pem")), 0);
    check_int(ed_tls_add(client, certs_path("site.pem"), certs_path("site.key"),
                         NULL),
              ED_ETLSCONFIG);
    ed_tls_free(client);
}

static void the_chain_is_sent_as_the_file_has_it(void **state)
{
    ed_tls *server = server_of("deep"), *client = client_of();
    struct tls_pair p;

    (void)state;
    tls_pair_open(&p, client, "deep.org", server);
    tls_pair_shake(&p);
    well(&p);
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(p.client.ssl)), 2);
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void a_key_may_stand_in_the_file_of_its_certificate(void **state)
{
    ed_tls *server, *client = client_of();

    (void)state;
    assert_int_equal(
        ed_tls_server(&server, .certificate = certs_path("both.pem")), 0);
    struct tls_pair p = tls_pair_try(client, "a.org", server);
    well(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

/* ---- protocols ---- */

static struct tls_pair shake_alpn(const char *client_alpn,
                                  const char *client_own,
                                  const char *server_alpn,
                                  const char *server_own, char chosen[64])
{
    ed_tls *server, *client;
    struct ed_tls_info info;
    struct tls_pair p = {0};

    assert_int_equal(
        ed_tls_server(&server, .certificate = certs_path("site.pem"),
                      .key = certs_path("site.key"), .alpn = server_alpn),
        0);
    assert_int_equal(
        ed_tls_client(&client, .ca = certs_path("ca.pem"), .alpn = client_alpn),
        0);
    assert_int_equal(
        ed_tls_connection(client, "a.org", client_own, &p.client.ssl), 0);
    assert_int_equal(ed_tls_connection(server, NULL, server_own, &p.server.ssl),
                     0);
    tls_pair_join(&p);
    tls_pair_shake(&p);
    ed_tls_info_of(p.client.ssl, &info);
    snprintf(chosen, 64, "%s", info.alpn);
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
    return p;
}

static void the_servers_order_of_protocols_decides(void **state)
{
    static const struct {
        const char *client, *client_own, *server, *server_own, *chosen;
    } cases[] = {
        {"http/1.1,h2", NULL, "h2,http/1.1", NULL, "h2"},
        {"http/1.1, h2", NULL, " http/1.1 ,h2", NULL, "http/1.1"},
        {"http/1.1", NULL, "h2,http/1.1", NULL, "http/1.1"},
        {NULL, NULL, "h2", NULL, ""},
        {"h2", NULL, NULL, NULL, ""},
        {NULL, "h2", NULL, "h2", "h2"},
        {"h2", "http/1.1", "h2", "http/1.1", "http/1.1"},
        {"h2", "", "http/1.1", NULL, ""},
    };
    char chosen[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tls_pair p =
            shake_alpn(cases[i].client, cases[i].client_own, cases[i].server,
                       cases[i].server_own, chosen);
        well(&p);
        assert_string_equal(chosen, cases[i].chosen);
    }
}

static void without_a_protocol_both_know_there_is_no_connection(void **state)
{
    char chosen[64];
    struct tls_pair p = shake_alpn("h2", NULL, "http/1.1", NULL, chosen);

    (void)state;
    assert_int_equal(p.server.err, ED_ETLS);
    assert_string_equal(p.server.why, "no protocol both sides know");
    assert_int_equal(p.client.err, ED_ETLS);
    assert_string_equal(p.client.why, "the peer knows no protocol of ours "
                                      "(alert 120, no application protocol)");
}

static int choose_own(SSL *ssl, const unsigned char **out, unsigned char *len,
                      const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl, (void)in, (void)in_len, (void)arg;
    *out = (const unsigned char *)"gopher";
    *len = 6;
    return SSL_TLSEXT_ERR_OK;
}

/* A server of OpenSSL alone. */
static SSL *raw_server(SSL_CTX **ctx, const char *pem, const char *key)
{
    *ctx = SSL_CTX_new(TLS_server_method());
    assert_non_null(*ctx);
    SSL_CTX_set_security_level(*ctx, 0);
    assert_true(SSL_CTX_use_certificate_chain_file(*ctx, certs_path(pem)));
    assert_true(
        SSL_CTX_use_PrivateKey_file(*ctx, certs_path(key), SSL_FILETYPE_PEM));
    SSL *ssl = SSL_new(*ctx);
    assert_non_null(ssl);
    SSL_set_accept_state(ssl);
    return ssl;
}

static void a_protocol_that_was_not_offered_is_refused(void **state)
{
    ed_tls *client;
    SSL_CTX *ctx;
    struct tls_pair p = {0};

    (void)state;
    assert_int_equal(ed_tls_client(&client, .ca = certs_path("ca.pem"),
                                   .alpn = "h2,http/1.1"),
                     0);
    assert_int_equal(ed_tls_connection(client, "a.org", NULL, &p.client.ssl),
                     0);
    p.server.ssl = raw_server(&ctx, "site.pem", "site.key");
    SSL_CTX_set_alpn_select_cb(ctx, choose_own, NULL);
    tls_pair_join(&p);
    tls_pair_shake_of(&p, true, false);
    assert_int_equal(p.client.err, ED_ETLS);
    assert_string_equal(p.client.why, "the handshake failed: bad extension");
    tls_pair_close(&p);
    SSL_CTX_free(ctx);
    ed_tls_free(client);
}

FIBER_TEST(a_malformed_list_of_protocols_is_refused)
{
    static const char *const lists[] = {",", "h2,", ",h2", "h2,,h3", " "};
    ed_tls *tls;
    SSL *ssl;
    char longest[300];

    memset(longest, 'x', sizeof(longest));
    longest[256] = '\0';
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        check_int(ed_tls_client(&tls, .alpn = lists[i]), ED_ETLSCONFIG);
        check(!strncmp(ed_error(), "TLS: alpn '", 11));
    }
    check_int(ed_tls_client(&tls, .alpn = longest), ED_ETLSCONFIG);
    check_int(ed_tls_client(&tls, .alpn = longest + 1), 0);
    check_int(ed_tls_connection(tls, "a.org", "h2,", &ssl), ED_EUSAGE);
    check_text(ed_error(), "TLS: 'h2,' is no list of protocols");
    ed_tls_free(tls);
}

/* ---- stapling ---- */

/* How long a response the server staples when asked to. */
static long stapled(ed_tls *server, const char *sigalgs)
{
    ed_tls *client = trusting_client();
    const unsigned char *response;
    struct tls_pair p;

    tls_pair_open(&p, client, "a.org", server);
    SSL_set_tlsext_status_type(p.client.ssl, TLSEXT_STATUSTYPE_ocsp);
    assert_true(SSL_set1_sigalgs_list(p.client.ssl, sigalgs));
    tls_pair_shake(&p);
    well(&p);
    long len = SSL_get_tlsext_status_ocsp_resp(p.client.ssl, &response);
    tls_pair_close(&p);
    ed_tls_free(client);
    return len;
}

static ed_tls *stapling_server(const char *pem, const char *key,
                               const char *ocsp)
{
    ed_tls *server;

    assert_int_equal(ed_tls_server(&server, .certificate = certs_path(pem),
                                   .key = certs_path(key),
                                   .ocsp = certs_path(ocsp)),
                     0);
    return server;
}

static void a_response_is_stapled_for_those_who_ask(void **state)
{
    ed_tls *server;

    (void)state;
    certs_ocsp("site", false, 1);
    server = stapling_server("site.pem", "site.key", "site.ocsp");
    assert_true(stapled(server, "ECDSA+SHA256") > 0);
    /* It is not about the other certificate. */
    add_to(server, "site_rsa");
    assert_true(stapled(server, "ECDSA+SHA256") > 0);
    assert_int_equal(stapled(server, "RSA-PSS+SHA256"), -1);
    ed_tls_free(server);
}

static void a_response_without_an_end_is_stapled_for_good(void **state)
{
    ed_tls *server;

    (void)state;
    certs_ocsp("deep", false, 0);
    server = stapling_server("deep.pem", "deep.key", "deep.ocsp");
    assert_true(stapled(server, "ECDSA+SHA256") > 0);
    ed_tls_free(server);
}

static void a_response_that_runs_out_is_stapled_no_more(void **state)
{
    SSL *ssl;

    (void)state;
    certs_ocsp("site", false, 1);
    ed_tls *server = stapling_server("site.pem", "site.key", "site.ocsp");
    assert_true(stapled(server, "ECDSA+SHA256") > 0);
    /* Time flies. */
    assert_int_equal(ed_tls_connection(server, NULL, NULL, &ssl), 0);
    struct ed_tls_identity *id = ed_tls_conn_of(ssl)->set->names.all[0];
    assert_in_range(id->ocsp_until, time(NULL) + 80000, time(NULL) + 90000);
    id->ocsp_until = time(NULL) - 1;
    SSL_free(ssl);
    assert_int_equal(stapled(server, "ECDSA+SHA256"), -1);
    ed_tls_free(server);
}

static void a_useless_response_is_left_out_with_a_warning(void **state)
{
    static const struct {
        const char *ocsp, *warning;
    } cases[] = {
        {"gone.ocsp", "gone.ocsp: not stapled: No such file or directory"},
        {"b.ocsp", "b.ocsp: not stapled: it is about other certificates"},
        {"old.ocsp", "old.ocsp: not stapled: it is out of date"},
        {"ca.pem", "ca.pem: not stapled: it is no OCSP response in DER"},
    };

    (void)state;
    certs_ocsp("b", false, 1);
    certs_ocsp("site", false, -1);
    certs_append("old.ocsp", "site.ocsp");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        catch_log();
        ed_tls *server = stapling_server("site.pem", "site.key", cases[i].ocsp);
        assert_has(caught_log(), cases[i].warning);
        assert_int_equal(stapled(server, "ECDSA+SHA256"), -1);
        ed_tls_free(server);
    }
}

/* ---- files ---- */

static int make_files(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "a.org,127.0.0.1");
    certs_make(.file = "site_rsa", .names = "a.org,127.0.0.1", .key = CERT_RSA);
    certs_make(.file = "twin", .names = "a.org");
    certs_make(.file = "b", .names = "b.org,exact.c.org");
    certs_make(.file = "b_rsa", .names = "b.org", .key = CERT_RSA);
    certs_make(.file = "wild", .names = "*.C.org");
    certs_make(.file = "between", .ca = true);
    certs_make(.file = "deep", .names = "deep.org,a.org", .issuer = "between");
    certs_append("both.pem", "site.pem");
    certs_append("both.pem", "site.key");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_asked_for_chooses_the_certificate),
        cmocka_unit_test(a_final_dot_in_the_name_asked_for_does_not_count),
        cmocka_unit_test(a_second_hello_chooses_the_same_certificate),
        cmocka_unit_test(of_two_kinds_of_keys_the_client_chooses),
        cmocka_unit_test(no_kind_is_taken_from_another_name),
        cmocka_unit_test(a_certificate_that_would_never_be_shown_is_refused),
        cmocka_unit_test(a_server_needs_a_certificate),
        cmocka_unit_test(the_chain_is_sent_as_the_file_has_it),
        cmocka_unit_test(a_key_may_stand_in_the_file_of_its_certificate),
        cmocka_unit_test(the_servers_order_of_protocols_decides),
        cmocka_unit_test(without_a_protocol_both_know_there_is_no_connection),
        cmocka_unit_test(a_protocol_that_was_not_offered_is_refused),
        cmocka_unit_test(a_malformed_list_of_protocols_is_refused),
        cmocka_unit_test(a_response_is_stapled_for_those_who_ask),
        cmocka_unit_test(a_response_without_an_end_is_stapled_for_good),
        cmocka_unit_test(a_response_that_runs_out_is_stapled_no_more),
        cmocka_unit_test(a_useless_response_is_left_out_with_a_warning),
    };
    return cmocka_run_group_tests(tests, make_files, certs_tear_down);
}
