/*
 * test_tls_context.c - contexts of TLS: what two agree on, and how they change.
 */
#include "tls_pair.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

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

/* One end begins anew, and hears that the other does not want to. */
static void assert_refused_anew(SSL *who, SSL *other)
{
    char byte;

    SSL_clear_options(who, SSL_OP_NO_RENEGOTIATION);
    assert_true(SSL_renegotiate(who));
    SSL_do_handshake(who);
    assert_true(SSL_read(other, &byte, 1) <= 0);
    ERR_clear_error();
    assert_true(SSL_read(who, &byte, 1) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
}

static void renegotiation_is_refused(void **state)
{
    ed_tls *server = server_of("site"), *client = client_of();
    struct tls_pair p;

    (void)state;
    for (int i = 0; i < 2; i++) {
        open_1_2(&p, client, server);
        tls_pair_shake(&p);
        well(&p);
        if (i == 0)
            assert_refused_anew(p.client.ssl, p.server.ssl);
        else
            assert_refused_anew(p.server.ssl, p.client.ssl);
        p.client.err = p.server.err = ED_ETLS;
        tls_pair_close(&p);
    }
    ed_tls_free(client);
    ed_tls_free(server);
}

/* RFC 6066, 3: names are sent without one. */
static void a_final_dot_is_not_asked_for(void **state)
{
    ed_tls *server = server_of("site"), *client = client_of();
    struct ed_tls_info info;
    struct tls_pair p;

    (void)state;
    tls_pair_open(&p, client, "a.org.", server);
    tls_pair_shake(&p);
    well(&p);
    ed_tls_info_of(p.server.ssl, &info);
    assert_string_equal(info.server_name, "a.org");
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void the_longest_name_may_have_a_final_dot(void **state)
{
    ed_tls *client = client_of();
    char name[255];
    SSL *ssl;

    (void)state;
    memset(name, 'a', 253);
    name[63] = name[127] = name[191] = name[253] = '.';
    name[254] = '\0';
    assert_int_equal(ed_tls_connection(client, name, NULL, &ssl), 0);
    name[253] = '\0';
    assert_string_equal(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
                        name);
    SSL_free(ssl);
    ed_tls_free(client);
}

/* ---- changes ---- */

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
    certs_copy("now.pem", "b.pem");
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

/* ---- files ---- */

static int make_files(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "a.org,127.0.0.1");
    certs_make(.file = "b", .names = "b.org");
    certs_make(.file = "wild", .names = "*.C.org");
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
        cmocka_unit_test(a_final_dot_is_not_asked_for),
        cmocka_unit_test(the_longest_name_may_have_a_final_dot),
        cmocka_unit_test(a_reload_is_for_what_begins_later),
        cmocka_unit_test(a_reload_that_fails_changes_nothing),
        cmocka_unit_test(what_was_added_is_read_again_too),
        cmocka_unit_test(what_could_not_be_added_is_not_read_again),
        cmocka_unit_test(a_connection_outlives_its_context),
        cmocka_unit_test(the_default_is_one_client),
        cmocka_unit_test(the_certificate_of_the_peer_is_told),
        cmocka_unit_test(threads_share_contexts_that_are_reloaded),
    };
    return cmocka_run_group_tests(tests, make_files, certs_tear_down);
}
