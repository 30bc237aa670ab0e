/*
 * test_tls_context.c - contexts of TLS: what is agreed on, which certificate
 * is shown, how contexts change, and what files are refused for.
 */
#include "tls_pair.h"
#include "../../fiber_test.h"
#include <eddy/log.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static ed_tls *server_of(const char *name)
{
    char pem[64], key[64];
    ed_tls *tls;

    snprintf(pem, sizeof(pem), "%s.pem", name);
    snprintf(key, sizeof(key), "%s.key", name);
    assert_int_equal(ed_tls_server(&tls, .certificate = certs_path(pem),
                                   .key = certs_path(key)),
                     0);
    return tls;
}

static void add_to(ed_tls *server, const char *name)
{
    char pem[64], key[64];

    snprintf(pem, sizeof(pem), "%s.pem", name);
    snprintf(key, sizeof(key), "%s.key", name);
    assert_int_equal(ed_tls_add(server, certs_path(pem), certs_path(key), NULL),
                     0);
}

static ed_tls *client_of(void)
{
    ed_tls *tls;

    assert_int_equal(ed_tls_client(&tls, .ca = certs_path("ca.pem")), 0);
    return tls;
}

static ed_tls *trusting_client(void)
{
    ed_tls *tls;

    assert_int_equal(
        ed_tls_client(&tls, .no_verify = true, .no_resumption = true), 0);
    return tls;
}

static void well(const struct tls_pair *p)
{
    assert_string_equal(p->client.why, "");
    assert_string_equal(p->server.why, "");
    assert_true(p->client.done && p->server.done);
    assert_int_equal(p->client.err, 0);
    assert_int_equal(p->server.err, 0);
}

/* ---- the log, for a while ---- */

static int log_fd;

static void catch_log(void)
{
    log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(log_fd >= 0);
    ed_log_set_fd(log_fd);
}

static const char *caught_log(void)
{
    static char text[4096];
    ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    ed_log_set_fd(STDERR_FILENO);
    close(log_fd);
    return text;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in '%s'", part, text);
}

/* ---- what is agreed on ---- */

static void both_sides_agree_on_what_is_best(void **state)
{
    ed_tls *server = server_of("site"), *client = client_of();
    struct tls_pair p;
    struct ed_tls_info info;

    (void)state;
    tls_pair_open(&p, client, "a.org", server);
    tls_pair_shake(&p);
    well(&p);
    ed_tls_info_of(p.client.ssl, &info);
    assert_string_equal(info.version, "TLSv1.3");
    assert_string_equal(info.cipher, "TLS_AES_128_GCM_SHA256");
    assert_string_equal(info.alpn, "");
    assert_string_equal(info.server_name, "a.org");
    assert_false(info.resumed);
    assert_true(info.verified);

    ed_tls_info_of(p.server.ssl, &info);
    assert_string_equal(info.server_name, "a.org");
    assert_false(info.verified);
    assert_int_equal(SSL_get_negotiated_group(p.server.ssl), NID_X25519);
    assert_true(SSL_get_mode(p.server.ssl) & SSL_MODE_RELEASE_BUFFERS);

    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

/* Opens a pair whose client knows nothing newer than TLS 1.2. */
static void open_1_2(struct tls_pair *p, ed_tls *client, ed_tls *server)
{
    tls_pair_open(p, client, "a.org", server);
    assert_true(SSL_set_max_proto_version(p->client.ssl, TLS1_2_VERSION));
}

static void tls_1_2_is_taken_with_modern_ciphers_only(void **state)
{
    static const char *const old[] = {
        "AES128-GCM-SHA256",       /* no forward secrecy */
        "ECDHE-ECDSA-AES128-SHA",  /* no authenticated encryption */
        "ECDHE-ECDSA-AES256-CCM8", /* short tags */
        "ECDHE-ECDSA-AES256-SHA384",
    };
    ed_tls *server = server_of("site"), *client = trusting_client();
    struct tls_pair p;

    (void)state;
    open_1_2(&p, client, server);
    tls_pair_shake(&p);
    well(&p);
    assert_string_equal(SSL_get_version(p.client.ssl), "TLSv1.2");
    assert_string_equal(SSL_get_cipher_name(p.client.ssl),
                        "ECDHE-ECDSA-AES128-GCM-SHA256");
    tls_pair_close(&p);
    for (size_t i = 0; i < sizeof(old) / sizeof(*old); i++) {
        open_1_2(&p, client, server);
        SSL_set_security_level(p.client.ssl, 0);
        assert_true(SSL_set_cipher_list(p.client.ssl, old[i]));
        tls_pair_shake(&p);
        assert_int_equal(p.server.err, ED_ETLS);
        assert_string_equal(p.server.why, "no cipher both sides know");
        assert_int_equal(p.client.err, ED_ETLS);
        assert_string_equal(p.client.why, "the peer found nothing both sides "
                                          "know (alert 40, handshake failure)");
        tls_pair_close(&p);
    }
    ed_tls_free(client);
    ed_tls_free(server);
}

static void a_client_without_aes_instructions_gets_chacha(void **state)
{
    ed_tls *server = server_of("site"), *client = client_of();
    struct tls_pair p;

    (void)state;
    tls_pair_open(&p, client, "a.org", server);
    assert_true(SSL_set_ciphersuites(
        p.client.ssl, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"));
    tls_pair_shake(&p);
    well(&p);
    assert_string_equal(SSL_get_cipher_name(p.client.ssl),
                        "TLS_CHACHA20_POLY1305_SHA256");
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void versions_before_1_2_are_refused(void **state)
{
    ed_tls *server = server_of("site"), *client = client_of();
    struct tls_pair p;

    (void)state;
    tls_pair_open(&p, client, "a.org", server);
    SSL_set_security_level(p.client.ssl, 0);
    assert_true(SSL_set_min_proto_version(p.client.ssl, TLS1_VERSION));
    assert_true(SSL_set_max_proto_version(p.client.ssl, TLS1_1_VERSION));
    assert_true(SSL_set_cipher_list(p.client.ssl, "ALL"));
    tls_pair_shake(&p);
    assert_int_equal(p.server.err, ED_ETLS);
    assert_string_equal(p.server.why, "no TLS version both sides know");
    assert_int_equal(p.client.err, ED_ETLS);
    assert_string_equal(
        p.client.why,
        "the peer knows no TLS version of ours (alert 70, protocol version)");
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void a_least_version_is_kept_to(void **state)
{
    ed_tls *server, *client = client_of();
    struct tls_pair p;

    (void)state;
    assert_int_equal(
        ed_tls_server(&server, .certificate = certs_path("site.pem"),
                      .key = certs_path("site.key"), .min_version = ED_TLS_1_3),
        0);
    open_1_2(&p, client, server);
    tls_pair_shake(&p);
    assert_string_equal(p.server.why, "no TLS version both sides know");
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void ciphers_and_groups_of_ones_own_count(void **state)
{
    ed_tls *server, *client = client_of();
    struct tls_pair p;

    (void)state;
    assert_int_equal(ed_tls_server(&server,
                                   .certificate = certs_path("site.pem"),
                                   .key = certs_path("site.key"),
                                   .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384",
                                   .groups = "P-384"),
                     0);
    open_1_2(&p, client, server);
    tls_pair_shake(&p);
    well(&p);
    assert_string_equal(SSL_get_cipher_name(p.client.ssl),
                        "ECDHE-ECDSA-AES256-GCM-SHA384");
    assert_int_equal(SSL_get_negotiated_group(p.server.ssl), NID_secp384r1);
    tls_pair_close(&p);
    ed_tls_free(server);

    assert_int_equal(
        ed_tls_server(&server, .certificate = certs_path("site.pem"),
                      .key = certs_path("site.key"), .groups = "P-521"),
        0);
    tls_pair_open(&p, client, "a.org", server);
    tls_pair_shake(&p);
    assert_string_equal(p.server.why, "no key exchange both sides know");
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void renegotiation_is_refused(void **state)
{
    ed_tls *server = server_of("site"), *client = client_of();
    struct tls_pair p;
    char byte;

    (void)state;
    open_1_2(&p, client, server);
    SSL_clear_options(p.client.ssl, SSL_OP_NO_RENEGOTIATION);
    tls_pair_shake(&p);
    well(&p);
    assert_true(SSL_renegotiate(p.client.ssl));
    SSL_do_handshake(p.client.ssl);
    assert_true(SSL_read(p.server.ssl, &byte, 1) <= 0);
    assert_int_equal(SSL_do_handshake(p.client.ssl), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

/* ---- certificates by name ---- */

static void name_of(const struct tls_pair *p, char out[64])
{
    struct ed_tls_peer peer;

    assert_true(ed_tls_peer_of(p->client.ssl, &peer));
    sscanf(peer.subject, "CN=%63[^,]", out);
}

static void assert_shown(ed_tls *server, const char *asked, const char *shown)
{
    ed_tls *client = trusting_client();
    struct tls_pair p;
    char name[64] = "";

    tls_pair_open(&p, client, asked, server);
    tls_pair_shake(&p);
    well(&p);
    name_of(&p, name);
    assert_string_equal(name, shown);
    tls_pair_close(&p);
    ed_tls_free(client);
}

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

/* ---- changes ---- */

static void copy_file(const char *to, const char *from)
{
    certs_write(to, "");
    certs_append(to, from);
}

static void use_files_of(const char *name)
{
    char from[64];

    snprintf(from, sizeof(from), "%s.pem", name);
    copy_file("now.pem", from);
    snprintf(from, sizeof(from), "%s.key", name);
    copy_file("now.key", from);
}

static void a_reload_is_for_what_begins_later(void **state)
{
    ed_tls *client = trusting_client();
    struct tls_pair p;
    char name[64];

    (void)state;
    use_files_of("site");
    ed_tls *server = server_of("now");
    tls_pair_open(&p, client, "a.org", server);
    use_files_of("b");
    assert_shown(server, "a.org", "site");
    assert_int_equal(ed_tls_reload(server), 0);
    assert_shown(server, "a.org", "b");

    tls_pair_shake(&p);
    well(&p);
    name_of(&p, name);
    assert_string_equal(name, "site");
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void a_reload_that_fails_changes_nothing(void **state)
{
    (void)state;
    use_files_of("site");
    ed_tls *server = server_of("now");
    add_to(server, "wild");
    copy_file("now.pem", "b.pem");
    catch_log();
    assert_int_equal(ed_tls_reload(server), ED_ETLSCONFIG);
    assert_has(caught_log(), "now.key: not the key of the certificate in");
    assert_shown(server, "a.org", "site");
    assert_shown(server, "www.c.org", "wild");
    ed_tls_free(server);
}

static void what_was_added_is_read_again_too(void **state)
{
    (void)state;
    use_files_of("b");
    ed_tls *server = server_of("site");
    add_to(server, "now");
    assert_shown(server, "b.org", "b");
    use_files_of("wild");
    assert_int_equal(ed_tls_reload(server), 0);
    assert_shown(server, "b.org", "site");
    assert_shown(server, "www.c.org", "wild");
    ed_tls_free(server);
}

static void what_could_not_be_added_is_not_read_again(void **state)
{
    (void)state;
    ed_tls *server = server_of("site");
    catch_log();
    assert_int_equal(ed_tls_add(server, certs_path("gone.pem"), NULL, NULL),
                     ED_ETLSCONFIG);
    assert_has(caught_log(), "gone.pem: No such file or directory");
    assert_int_equal(ed_tls_reload(server), 0);
    ed_tls_free(server);
}

static void a_connection_outlives_its_context(void **state)
{
    ed_tls *server = server_of("site"), *client = client_of();
    struct tls_pair p;

    (void)state;
    add_to(server, "b");
    tls_pair_open(&p, client, "b.org", server);
    ed_tls_free(server);
    ed_tls_free(client);
    tls_pair_shake(&p);
    well(&p);
    tls_pair_close(&p);
    ed_tls_free(NULL);
}

static void the_default_is_one_client(void **state)
{
    (void)state;
    ed_tls *tls = ed_tls_default();
    assert_non_null(tls);
    assert_ptr_equal(ed_tls_default(), tls);
    assert_false(ed_tls_is_server(tls));
    ed_tls *server = server_of("site");
    assert_true(ed_tls_is_server(server));
    ed_tls_free(server);
}

static void the_certificate_of_the_peer_is_told(void **state)
{
    ed_tls *server = server_of("site"), *client = client_of();
    struct ed_tls_peer peer;
    struct tls_pair p;

    (void)state;
    tls_pair_open(&p, client, "a.org", server);
    tls_pair_shake(&p);
    assert_false(ed_tls_peer_of(p.server.ssl, &peer));
    assert_true(ed_tls_peer_of(p.client.ssl, &peer));
    assert_string_equal(peer.subject, "CN=site, O=Eddy");
    assert_string_equal(peer.issuer, "CN=Eddy Test CA, O=Eddy");
    assert_int_equal(peer.not_after - peer.not_before, 31 * 24 * 3600);
    assert_true(labs((long)(peer.not_before + 24 * 3600 - time(NULL))) < 60);
    char pin[128] = "sha256:";
    for (int i = 0; i < 32; i++)
        sprintf(pin + strlen(pin), "%s%02X", i ? ":" : "", peer.sha256[i]);
    char *want = certs_pin("site");
    assert_string_equal(pin, want);
    free(want);
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

/* ---- several threads ---- */

struct shared {
    ed_tls *server, *client;
    atomic_int failures;
};

static void *connect_often(void *arg)
{
    struct shared *shared = arg;

    for (int i = 0; i < 20; i++) {
        struct tls_pair p = tls_pair_try(
            shared->client, i % 2 ? "a.org" : "b.org", shared->server);
        shared->failures += p.client.err || p.server.err;
    }
    return NULL;
}

static void threads_share_contexts_that_are_reloaded(void **state)
{
    struct shared shared = {.server = server_of("site"), .client = client_of()};
    pthread_t threads[3];

    (void)state;
    add_to(shared.server, "b");
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, connect_often, &shared), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(ed_tls_reload(shared.server), 0);
        assert_int_equal(ed_tls_reload(shared.client), 0);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.failures, 0);
    ed_tls_free(shared.server);
    ed_tls_free(shared.client);
}

/* ---- what is refused ---- */

/* The end of an error's text, behind the folder. */
static void check_refused(int err, const char *part)
{
    check_int(err, ED_ETLSCONFIG);
    check_(strstr(ed_error(), part) != NULL, "'%s' is not in '%s'", part,
           ed_error());
}

static int try_server(const char *pem, const char *key)
{
    ed_tls *tls;

    return ed_tls_server(&tls, .certificate = certs_path(pem),
                         .key = key ? certs_path(key) : NULL);
}

FIBER_TEST(a_message_names_the_file_and_what_is_wrong_with_it)
{
    check_refused(try_server("gone.pem", "site.key"),
                  "gone.pem: No such file or directory");
    check_refused(try_server("site.pem", "gone.key"),
                  "gone.key: No such file or directory");
    check_refused(try_server("", "site.key"), ": Is a directory");
    check_refused(try_server("empty.pem", "site.key"),
                  "empty.pem: no PEM certificate in it");
    check_refused(try_server("site.key", NULL),
                  "site.key: no PEM certificate in it");
    check_refused(try_server("site.pem", NULL),
                  "site.pem: no PEM private key in it");
    check_refused(try_server("site.pem", "b.key"),
                  "b.key: not the key of the certificate in ");
    check_refused(try_server("torn.pem", "site.key"),
                  "torn.pem: certificate 1 in it is broken: ");
    check_refused(try_server("torn2.pem", "site.key"),
                  "torn2.pem: certificate 2 in it is broken: ");
    check_refused(try_server("site.pem", "torn.key"),
                  "torn.key: the private key is broken: ");
    check_refused(try_server("site.pem", "locked.key"),
                  "locked.key: the key is protected by a passphrase");
    check_refused(try_server("weak.pem", "weak.key"),
                  "weak.pem: ee key too small");
}

FIBER_TEST(options_that_say_nothing_are_refused)
{
    const char *pem = certs_path("site.pem"), *key = certs_path("site.key");
    ed_tls *tls;

    check_refused(ed_tls_server(&tls, .certificate = pem, .key = key,
                                .ciphers = "NONSENSE"),
                  "ciphers 'NONSENSE': OpenSSL knows none of them");
    check_refused(ed_tls_server(&tls, .certificate = pem, .key = key,
                                .groups = "X25519:Y"),
                  "groups 'X25519:Y': not all are known to OpenSSL");
    check_refused(ed_tls_server(&tls, .key = key),
                  "site.key: a key without a certificate");
    check_refused(ed_tls_server(&tls, .ocsp = pem),
                  "site.pem: an OCSP response without a certificate");
    check_refused(ed_tls_server(&tls, .certificate = pem, .key = key,
                                .client_auth = ED_TLS_CLIENT_REQUIRED),
                  "no client_ca says who may sign them");
    check_refused(ed_tls_server(&tls, .certificate = pem, .key = key,
                                .ticket_secret = certs_path("short")),
                  "short: a secret of 31 bytes; at least 32 are needed");
    check_refused(ed_tls_client(&tls, .ca = certs_path("gone.pem")),
                  "gone.pem: No such file or directory");
    check_refused(ed_tls_client(&tls, .ca = certs_path("empty.pem")),
                  "empty.pem: no PEM certificate in it");
    check_refused(ed_tls_client(&tls, .ca = certs_path("torn.pem")),
                  "torn.pem: not all of it is PEM: ");
}

FIBER_TEST(a_client_says_whom_it_wants_to_reach)
{
    static const char *const names[] = {"",      ".a.org", "a..org", "a b",
                                        "1.2.3", "a/b",    "*.a.org"};
    ed_tls *tls;
    SSL *ssl;

    check_int(ed_tls_client(&tls, .ca = certs_path("ca.pem")), 0);
    check_int(ed_tls_connection(tls, NULL, NULL, &ssl), ED_EUSAGE);
    check_text(ed_error(),
               "TLS: no name of the server to check its certificate for");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        check_int(ed_tls_connection(tls, names[i], NULL, &ssl), ED_EUSAGE);
        check(strstr(ed_error(), "is no name of a server") != NULL);
    }
    ed_tls_free(tls);
}

static void outside_of_a_fiber_the_text_is_in_the_log(void **state)
{
    ed_tls *tls;

    (void)state;
    catch_log();
    assert_int_equal(ed_tls_server(&tls, .certificate = "/no/such.pem"),
                     ED_ETLSCONFIG);
    assert_has(caught_log(), "TLS: /no/such.pem: No such file or directory");
}

static void a_key_everybody_can_read_is_warned_of(void **state)
{
    (void)state;
    use_files_of("site");
    assert_int_equal(chmod(certs_path("now.key"), 0644), 0);
    catch_log();
    ed_tls_free(server_of("now"));
    assert_has(caught_log(), "now.key: every user of the system can read it");
    assert_int_equal(chmod(certs_path("now.key"), 0640), 0);
    catch_log();
    ed_tls_free(server_of("now"));
    assert_string_equal(caught_log(), "");
}

/* ---- files ---- */

/* The first half of a file's lines, so that what it holds is cut in two. */
static void tear(const char *file, const char *from)
{
    char text[4096] = "";
    FILE *in = fopen(certs_path(from), "r");

    assert_non_null(in);
    size_t n = fread(text, 1, sizeof(text) - 1, in);
    fclose(in);
    text[n / 2] = '\0';
    certs_write(file, text);
}

static void write_locked_key(const char *file)
{
    FILE *in = fopen(certs_path("site.key"), "r");
    FILE *out = fopen(certs_path(file), "w");
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);

    assert_true(PEM_write_PKCS8PrivateKey(out, key, EVP_aes_128_cbc(), "pass",
                                          4, NULL, NULL));
    EVP_PKEY_free(key);
    fclose(in);
    fclose(out);
}

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
    certs_make(.file = "weak", .names = "a.org", .key = CERT_RSA_WEAK);
    copy_file("both.pem", "site.pem");
    certs_append("both.pem", "site.key");
    certs_write("empty.pem", "");
    certs_write("short", "1234567890123456789012345678901");
    tear("torn.pem", "site.pem");
    tear("torn.key", "site.key");
    copy_file("torn2.pem", "site.pem");
    certs_append("torn2.pem", "torn.pem");
    write_locked_key("locked.key");
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    certs_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_agree_on_what_is_best),
        cmocka_unit_test(tls_1_2_is_taken_with_modern_ciphers_only),
        cmocka_unit_test(a_client_without_aes_instructions_gets_chacha),
        cmocka_unit_test(versions_before_1_2_are_refused),
        cmocka_unit_test(a_least_version_is_kept_to),
        cmocka_unit_test(ciphers_and_groups_of_ones_own_count),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(the_name_asked_for_chooses_the_certificate),
        cmocka_unit_test(of_two_kinds_of_keys_the_client_chooses),
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
        cmocka_unit_test(a_useless_response_is_left_out_with_a_warning),
        cmocka_unit_test(a_reload_is_for_what_begins_later),
        cmocka_unit_test(a_reload_that_fails_changes_nothing),
        cmocka_unit_test(what_was_added_is_read_again_too),
        cmocka_unit_test(what_could_not_be_added_is_not_read_again),
        cmocka_unit_test(a_connection_outlives_its_context),
        cmocka_unit_test(the_default_is_one_client),
        cmocka_unit_test(the_certificate_of_the_peer_is_told),
        cmocka_unit_test(threads_share_contexts_that_are_reloaded),
        cmocka_unit_test(a_message_names_the_file_and_what_is_wrong_with_it),
        cmocka_unit_test(options_that_say_nothing_are_refused),
        cmocka_unit_test(a_client_says_whom_it_wants_to_reach),
        cmocka_unit_test(outside_of_a_fiber_the_text_is_in_the_log),
        cmocka_unit_test(a_key_everybody_can_read_is_warned_of),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
