/*
 * test_tls_verify.c - whom TLS connections trust, and what they say when they
 * do not.
 */
#include "tls_pair.h"
#include "../../fiber_test.h"
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <time.h>

static ed_tls *client_trusting(const char *ca)
{
    ed_tls *tls;

    assert_int_equal(ed_tls_client(&tls, .ca = certs_path(ca)), 0);
    return tls;
}

/* A client that trusts `ca` reaches for a name at a server with that
 * certificate; what it says must be `why`, "" for nothing. */
static void assert_reached(const char *ca, const char *name, const char *shown,
                           const char *why)
{
    ed_tls *client = client_trusting(ca), *server = server_of(shown);
    struct tls_pair p = tls_pair_try(client, name, server);

    assert_string_equal(p.client.why, why);
    assert_int_equal(p.client.err, *why ? ED_ECERT : 0);
    ed_tls_free(client);
    ed_tls_free(server);
}

/* A date as texts have it, days from now. */
static const char *date(int days)
{
    static char text[4][16];
    static int next;
    time_t at = time(NULL) + (time_t)days * 24 * 3600;
    char *out = text[next++ % 4];

    strftime(out, sizeof(text[0]), "%Y-%m-%d", gmtime(&at));
    return out;
}

#define TENS "1234567890"

/* ---- servers ---- */

static void names_and_addresses_of_the_certificate_are_reached(void **state)
{
    (void)state;
    assert_reached("ca.pem", "a.org", "site", "");
    assert_reached("ca.pem", "A.Org", "site", "");
    assert_reached("ca.pem", "a.org.", "site", "");
    assert_reached("ca.pem", "www.a.org", "site", "");
    assert_reached("ca.pem", "127.0.0.1", "site", "");
    assert_reached("ca.pem", "::1", "site", "");
    assert_reached("ca.pem", "[::1]", "site", "");
    assert_reached("ca.pem", "0:0::0:1", "site", "");
}

static void other_hosts_are_refused_by_what_it_is_for(void **state)
{
    (void)state;
    assert_reached("ca.pem", "b.org", "site",
                   "certificate is for a.org, *.a.org, 127.0.0.1 and 1 more, "
                   "not for b.org");
    assert_reached("ca.pem", "10.0.0.1", "site",
                   "certificate is for a.org, *.a.org, 127.0.0.1 and 1 more, "
                   "not for 10.0.0.1");
    /* A '*' is one label, whole, and never part of an address. */
    assert_reached("ca.pem", "x.www.a.org", "site",
                   "certificate is for a.org, *.a.org, 127.0.0.1 and 1 more, "
                   "not for x.www.a.org");
    assert_reached("ca.pem", "foo.a.org", "partial",
                   "certificate is for f*.a.org, ::1, not for foo.a.org");
    /* A common name is no name of a host. */
    assert_reached("ca.pem", "nameless", "nameless",
                   "certificate is for no host, not for nameless");
}

static void what_is_out_of_date_is_refused_with_the_date(void **state)
{
    char why[ED_TLS_WHY];

    (void)state;
    snprintf(why, sizeof(why), "certificate of old.org expired on %s",
             date(-2));
    assert_reached("ca.pem", "old.org", "old", why);
    snprintf(why, sizeof(why), "certificate of new.org is not valid before %s",
             date(5));
    assert_reached("ca.pem", "new.org", "new", why);
    snprintf(why, sizeof(why),
             "certificate of issuer between_old expired on %s", date(-1));
    assert_reached("ca.pem", "deep_old.org", "deep_old", why);
}

static void issuers_nobody_trusts_are_refused_by_name(void **state)
{
    (void)state;
    assert_reached("other_ca.pem", "a.org", "site",
                   "certificate of a.org is of an unknown issuer, "
                   "Eddy Test CA");
    assert_reached("other_ca.pem", "self.org", "self",
                   "certificate of self.org is signed by itself only");
    assert_reached("other_ca.pem", "a.org", "with_root",
                   "issuer Eddy Test CA is not trusted");
    assert_reached("ca.pem", "deep.org", "gap",
                   "certificate of deep.org is of an unknown issuer, between");
}

static void the_system_does_not_trust_our_issuer(void **state)
{
    ed_tls *client, *server = server_of("site");

    (void)state;
    assert_int_equal(ed_tls_client(&client, .alpn = "h2"), 0);
    struct tls_pair p = tls_pair_try(client, "a.org", server);
    assert_int_equal(p.client.err, ED_ECERT);
    assert_string_equal(p.client.why, "certificate of a.org is of an unknown "
                                      "issuer, Eddy Test CA");
    assert_int_equal(p.server.err, ED_ETLS);
    assert_string_equal(p.server.why,
                        "the peer does not trust our certificate's issuer "
                        "(alert 48, unknown CA)");
    ed_tls_free(client);

    /* Unless told so. */
    assert_int_equal(setenv("SSL_CERT_FILE", certs_path("ca.pem"), 1), 0);
    assert_int_equal(ed_tls_client(&client, .alpn = "h2"), 0);
    unsetenv("SSL_CERT_FILE");
    p = tls_pair_try(client, "a.org", server);
    well(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void who_is_trusted_may_be_anyone_in_the_chain(void **state)
{
    (void)state;
    assert_reached("between.pem", "deep.org", "deep", "");
    assert_reached("self.pem", "self.org", "self", "");
    assert_reached("site.pem", "a.org", "site", "");
    assert_reached("folder", "a.org", "site", "");
    assert_reached("folder", "self.org", "self", "");
}

static void revoked_certificates_are_refused(void **state)
{
    (void)state;
    assert_reached("ca_and_list.pem", "bad.org", "bad",
                   "certificate of bad.org is revoked");
    assert_reached("ca_and_list.pem", "a.org", "site", "");
    assert_reached("ca.pem", "bad.org", "bad", "");
    /* Issuers without a list are believed. */
    assert_reached("ca_and_list.pem", "theirs.org", "theirs", "");
    assert_reached("folder", "bad.org", "bad", "");
    /* So are issuers. */
    assert_reached("ca_and_list.pem", "deep.org", "deep", "");
    assert_reached("ca_and_other_list.pem", "deep.org", "deep",
                   "certificate of issuer between is revoked");
    assert_reached("ca_and_other_list.pem", "a.org", "site", "");
}

static void certificates_for_other_purposes_are_refused(void **state)
{
    (void)state;
    assert_reached("ca.pem", "user.org", "user",
                   "certificate of user.org is not for servers");
    assert_reached("ca.pem", "deep.org", "no_issuer",
                   "certificate of issuer site is not for issuing others");
}

/* A server of OpenSSL alone, that shows what ours would not. */
static void weak_keys_are_refused(void **state)
{
    ed_tls *client = client_trusting("ca.pem");
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct tls_pair p = {0};

    (void)state;
    SSL_CTX_set_security_level(ctx, 0);
    assert_true(
        SSL_CTX_use_certificate_chain_file(ctx, certs_path("weak.pem")));
    assert_true(SSL_CTX_use_PrivateKey_file(ctx, certs_path("weak.key"),
                                            SSL_FILETYPE_PEM));
    assert_int_equal(ed_tls_connection(client, "a.org", NULL, &p.client.ssl),
                     0);
    p.server.ssl = SSL_new(ctx);
    SSL_set_accept_state(p.server.ssl);
    tls_pair_join(&p);
    tls_pair_shake_of(&p, true, false);
    assert_int_equal(p.client.err, ED_ECERT);
    assert_string_equal(p.client.why,
                        "certificate of a.org is too weak: EE certificate key "
                        "too weak");
    tls_pair_close(&p);
    SSL_CTX_free(ctx);
    ed_tls_free(client);
}

static void what_a_peer_writes_into_its_names_cannot_act(void **state)
{
    (void)state;
    assert_reached("ca.pem", "evil.org", "evil",
                   "certificate is for ?[31mevil??name, not for evil.org");
}

static void long_names_leave_room_for_what_is_wrong(void **state)
{
    char why[ED_TLS_WHY];

    (void)state;
    snprintf(why, sizeof(why),
             "certificate of " TENS TENS TENS TENS "12345678... expired on %s",
             date(-2));
    assert_reached("ca.pem", TENS TENS TENS TENS TENS TENS ".org", "long", why);
}

/* ---- no verification, and pins ---- */

static struct tls_pair try_pins(const char *ca, bool no_verify,
                                const char *first, const char *second,
                                const char *name, const char *shown)
{
    const char *const pins[] = {first, second, NULL};
    ed_tls *client, *server = server_of(shown);
    struct ed_tls_info info;
    struct tls_pair p;

    assert_int_equal(ed_tls_client(&client, .ca = ca ? certs_path(ca) : NULL,
                                   .pins = pins, .no_verify = no_verify),
                     0);
    tls_pair_open(&p, client, name, server);
    tls_pair_shake(&p);
    ed_tls_info_of(p.client.ssl, &info);
    if (!p.client.err)
        assert_true(info.verified);
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
    return p;
}

static void without_verification_everybody_is_reached(void **state)
{
    static const char *const shown[] = {"site", "old", "self", "user"};
    ed_tls *client;
    struct ed_tls_info info;
    struct tls_pair p;

    (void)state;
    assert_int_equal(ed_tls_client(&client, .no_verify = true), 0);
    for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
        ed_tls *server = server_of(shown[i]);
        tls_pair_open(&p, client, i ? "any.org" : NULL, server);
        tls_pair_shake(&p);
        well(&p);
        ed_tls_info_of(p.client.ssl, &info);
        assert_false(info.verified);
        assert_string_equal(info.server_name, i ? "any.org" : "");
        tls_pair_close(&p);
        ed_tls_free(server);
    }
    ed_tls_free(client);
}

static void pins_are_checked_besides_the_issuer(void **state)
{
    char *key = certs_pin_of_key("site"), *whole = certs_pin("site");
    char *other = certs_pin_of_key("self"), *self = certs_pin("self");
    char why[ED_TLS_WHY];

    (void)state;
    struct tls_pair p = try_pins("ca.pem", false, key, NULL, "a.org", "site");
    well(&p);
    p = try_pins("ca.pem", false, whole, NULL, "a.org", "site");
    well(&p);
    p = try_pins("ca.pem", false, other, key, "a.org", "site");
    well(&p);
    p = try_pins("ca.pem", false, other, self, "a.org", "site");
    assert_int_equal(p.client.err, ED_ECERT);
    snprintf(why, sizeof(why),
             "certificate of a.org is none of those pinned; its key is %s",
             key);
    assert_string_equal(p.client.why, why);
    /* The right pin makes up for nothing else. */
    p = try_pins("other_ca.pem", false, key, NULL, "a.org", "site");
    assert_string_equal(p.client.why, "certificate of a.org is of an unknown "
                                      "issuer, Eddy Test CA");
    p = try_pins("ca.pem", false, key, NULL, "b.org", "site");
    assert_int_equal(p.client.err, ED_ECERT);
    free(key);
    free(whole);
    free(other);
    free(self);
}

static void pins_alone_are_what_is_trusted_without_verification(void **state)
{
    char *key = certs_pin_of_key("self"), *other = certs_pin("site");

    (void)state;
    struct tls_pair p = try_pins(NULL, true, key, NULL, "whatever.org", "self");
    well(&p);
    p = try_pins(NULL, true, other, NULL, "whatever.org", "self");
    assert_int_equal(p.client.err, ED_ECERT);
    free(key);
    free(other);
}

FIBER_TEST(a_malformed_pin_is_refused)
{
    static const char *const wrong[] = {
        "",
        "sha256",
        "sha256//",
        "sha256:",
        "sha1//AAAA",
        "sha256//AAAA",                                        /* too short */
        "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* no '=' */
        "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",
        "sha256:00112233445566778899aabbccddeeff"
        "00112233445566778899aabbccddee",
        "sha256:00112233445566778899aabbccddeeff"
        "00112233445566778899aabbccddeeff0",
        "sha256:00112233445566778899aabbccddeeff"
        "00112233445566778899aabbccddeefg",
        "sha256:0:0112233445566778899aabbccddeeff"
        "00112233445566778899aabbccddeeff",
        "sha256::00112233445566778899aabbccddeeff"
        "00112233445566778899aabbccddeeff",
    };
    static const char *const right[] = {
        "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "sha256:00112233445566778899aabbccddeeff"
        "00:11:22:33445566778899AABBCCDDEEFF",
        NULL,
    };
    ed_tls *tls;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        const char *const pins[] = {right[0], wrong[i], NULL};
        check_int(ed_tls_client(&tls, .pins = pins), ED_ETLSCONFIG);
        check(strstr(ed_error(), "': neither sha256//BASE64") != NULL);
    }
    check_int(ed_tls_client(&tls, .pins = right), 0);
    ed_tls_free(tls);
}

/* ---- clients ---- */

static struct tls_pair try_client(enum ed_tls_client_auth auth,
                                  const char *shown, struct ed_tls_info *info)
{
    char pem[64] = "", key[64] = "";
    ed_tls *client, *server;
    struct tls_pair p;

    if (shown) {
        snprintf(pem, sizeof(pem), "%s.pem", shown);
        snprintf(key, sizeof(key), "%s.key", shown);
    }
    assert_int_equal(
        ed_tls_server(&server, .certificate = certs_path("site.pem"),
                      .key = certs_path("site.key"), .client_auth = auth,
                      .client_ca = certs_path("users_ca.pem")),
        0);
    assert_int_equal(
        ed_tls_client(&client, .ca = certs_path("ca.pem"),
                      .certificate = shown ? certs_path(pem) : NULL,
                      .key = shown ? certs_path(key) : NULL),
        0);
    tls_pair_open(&p, client, "a.org", server);
    tls_pair_shake(&p);
    ed_tls_info_of(p.server.ssl, info);
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
    return p;
}

static void clients_show_certificates_where_asked_to(void **state)
{
    static const struct {
        enum ed_tls_client_auth auth;
        const char *shown;
        bool verified;
    } cases[] = {
        {ED_TLS_CLIENT_NONE, NULL, false},
        {ED_TLS_CLIENT_NONE, "ann", false},
        {ED_TLS_CLIENT_OPTIONAL, NULL, false},
        {ED_TLS_CLIENT_OPTIONAL, "ann", true},
        {ED_TLS_CLIENT_REQUIRED, "ann", true},
    };
    struct ed_tls_info info;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tls_pair p = try_client(cases[i].auth, cases[i].shown, &info);
        well(&p);
        assert_int_equal(info.verified, cases[i].verified);
    }
}

static void clients_without_a_good_certificate_are_refused(void **state)
{
    struct ed_tls_info info;
    char why[ED_TLS_WHY];

    (void)state;
    struct tls_pair p = try_client(ED_TLS_CLIENT_REQUIRED, NULL, &info);
    assert_int_equal(p.server.err, ED_ECERT);
    assert_string_equal(p.server.why, "the peer showed no certificate");
    assert_int_equal(p.client.err, ED_ETLS);
    assert_string_equal(p.client.why,
                        "the peer demands a certificate (alert 116)");

    p = try_client(ED_TLS_CLIENT_OPTIONAL, "user", &info);
    assert_int_equal(p.server.err, ED_ECERT);
    assert_string_equal(p.server.why, "certificate of user.org is of an "
                                      "unknown issuer, Eddy Test CA");
    assert_string_equal(p.client.why,
                        "the peer does not trust our certificate's issuer "
                        "(alert 48, unknown CA)");

    p = try_client(ED_TLS_CLIENT_REQUIRED, "bob_old", &info);
    snprintf(why, sizeof(why), "certificate of bob_old expired on %s",
             date(-2));
    assert_string_equal(p.server.why, why);
    assert_string_equal(p.client.why,
                        "our certificate has expired (alert 45, certificate "
                        "expired)");

    p = try_client(ED_TLS_CLIENT_REQUIRED, "host", &info);
    assert_string_equal(p.server.why, "certificate of host is not for clients");
}

static void clients_are_told_who_may_have_signed_them(void **state)
{
    ed_tls *client = client_trusting("ca.pem"), *server;
    struct tls_pair p;

    (void)state;
    assert_int_equal(ed_tls_server(&server,
                                   .certificate = certs_path("site.pem"),
                                   .key = certs_path("site.key"),
                                   .client_auth = ED_TLS_CLIENT_OPTIONAL,
                                   .client_ca = certs_path("users_ca.pem")),
                     0);
    tls_pair_open(&p, client, "a.org", server);
    tls_pair_shake(&p);
    well(&p);
    const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(p.client.ssl);
    assert_int_equal(sk_X509_NAME_num(names), 1);
    char text[64];
    X509_NAME_oneline(sk_X509_NAME_value(names, 0), text, sizeof(text));
    assert_string_equal(text, "/O=Eddy/CN=users_ca");
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

/* ---- peers that speak something else ---- */

/* What one end makes of those bytes. */
static struct tls_end hear(ed_tls *tls, const char *bytes, size_t len)
{
    struct tls_end end = {0};
    BIO *in = BIO_new_mem_buf(bytes, (int)len);

    assert_int_equal(ed_tls_connection(tls, "a.org", NULL, &end.ssl), 0);
    SSL_set_bio(end.ssl, in, BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(in, 0);
    tls_end_step(&end, true);
    SSL_free(end.ssl);
    return end;
}

static void peers_without_tls_are_told_apart(void **state)
{
    ed_tls *client = client_trusting("ca.pem"), *server = server_of("site");
    const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const char connect[] = "CONNECT a:443 HTTP/1.1\r\n\r\n";
    const char ssh[] = "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
    const struct {
        ed_tls *tls;
        const char *bytes;
        const char *why;
    } cases[] = {
        {client, http, "the peer speaks no TLS"},
        {client, ssh, "the peer speaks no TLS"},
        {server, get, "the peer speaks HTTP without TLS"},
        {server, connect, "the peer takes this for a proxy"},
        {server, ssh, "the peer speaks no TLS"},
        {client, "", "the peer closed without saying so"},
        {server, "\x16\x03\x01\x02", "the peer closed without saying so"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tls_end end =
            hear(cases[i].tls, cases[i].bytes, strlen(cases[i].bytes));
        assert_true(end.done);
        assert_int_equal(end.err, ED_ETLS);
        assert_string_equal(end.why, cases[i].why);
    }
    ed_tls_free(client);
    ed_tls_free(server);
}

static void every_alert_has_a_text(void **state)
{
    ed_tls *client = client_trusting("ca.pem");

    (void)state;
    for (int alert = 1; alert < 256; alert++) {
        const char bytes[] = {0x15, 3, 3, 0, 2, 2, (char)alert};
        struct tls_end end = hear(client, bytes, sizeof(bytes));

        assert_int_equal(end.err, ED_ETLS);
        if (!strstr(end.why, " (alert "))
            fail_msg("alert %d: %s", alert, end.why);
    }
    ed_tls_free(client);
}

static void bytes_that_were_changed_are_told_so(void **state)
{
    ed_tls *client = client_trusting("ca.pem"), *server = server_of("site");
    char why[ED_TLS_WHY], *sent, byte;
    struct tls_pair p;

    (void)state;
    tls_pair_open(&p, client, "a.org", server);
    tls_pair_shake(&p);
    well(&p);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set0_rbio(p.client.ssl, in);
    SSL_set0_wbio(p.server.ssl, out);
    assert_int_equal(SSL_write(p.server.ssl, "hello", 5), 5);
    long len = BIO_get_mem_data(out, &sent);
    sent[len - 1] ^= 1;
    BIO_write(in, sent, (int)len);
    ERR_clear_error();
    assert_true(SSL_read(p.client.ssl, &byte, 1) <= 0);
    assert_int_equal(ed_tls_failure(p.client.ssl, why), ED_ETLS);
    assert_string_equal(why, "what came is not what was sent");
    assert_int_equal(ERR_peek_error(), 0);
    p.client.err = p.server.err = ED_ETLS;
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

/* ---- files ---- */

static int make_files(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "a.org,*.a.org,127.0.0.1,::1");
    certs_make(.file = "partial", .names = "f*.a.org,::1");
    certs_make(.file = "nameless");
    certs_make(.file = "old", .names = "old.org", .from = -10, .until = -2);
    certs_make(.file = "new", .names = "new.org", .from = 5, .until = 10);
    certs_make(.file = "between", .ca = true);
    certs_make(.file = "deep", .names = "deep.org", .issuer = "between");
    certs_make(.file = "between_old", .ca = true, .from = -9, .until = -1);
    certs_make(.file = "deep_old", .names = "deep_old.org",
               .issuer = "between_old");
    certs_make(.file = "no_issuer", .names = "deep.org", .issuer = "site");
    certs_make(.file = "other_ca", .issuer = "", .ca = true);
    certs_make(.file = "self", .names = "self.org", .issuer = "");
    certs_make(.file = "bad", .names = "bad.org");
    certs_make(.file = "user", .names = "user.org", .client = true);
    certs_make(.file = "weak", .names = "a.org", .key = CERT_RSA_WEAK);
    certs_make(.file = "long", .names = TENS TENS TENS TENS TENS TENS ".org",
               .from = -10, .until = -2);
    certs_make(.file = "evil", .names = "\033[31mevil\xc2\x9bname",
               .common_name = "\033[31mevil\xc2\x9bname", .from = -10,
               .until = -2);

    certs_make(.file = "users_ca", .issuer = "", .ca = true);
    certs_make(.file = "ann", .issuer = "users_ca", .client = true);
    certs_make(.file = "bob_old", .issuer = "users_ca", .client = true,
               .from = -10, .until = -2);
    certs_make(.file = "host", .issuer = "users_ca");

    /* A server that forgot the issuer between, and one that sends the root. */
    certs_make(.file = "gap", .names = "deep.org", .issuer = "between");
    certs_cut("gap.pem");
    certs_copy("with_root.pem", "site.pem");
    certs_append("with_root.pem", "ca.pem");
    certs_append("with_root.key", "site.key");

    certs_make(.file = "theirs", .names = "theirs.org", .issuer = "other_ca");
    certs_append("ca_and_list.pem", "ca.pem");
    certs_append("ca_and_list.pem", "other_ca.pem");
    certs_revoke("bad", "ca_and_list.pem");
    certs_append("ca_and_other_list.pem", "ca.pem");
    certs_revoke("between", "ca_and_other_list.pem");
    assert_int_equal(mkdir(certs_path("folder"), 0700), 0);
    certs_append("folder/one.crt", "ca.pem");
    certs_append("folder/two.crt", "self.pem");
    certs_write("folder/README", "Not a certificate.\n");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_addresses_of_the_certificate_are_reached),
        cmocka_unit_test(other_hosts_are_refused_by_what_it_is_for),
        cmocka_unit_test(what_is_out_of_date_is_refused_with_the_date),
        cmocka_unit_test(issuers_nobody_trusts_are_refused_by_name),
        cmocka_unit_test(the_system_does_not_trust_our_issuer),
        cmocka_unit_test(who_is_trusted_may_be_anyone_in_the_chain),
        cmocka_unit_test(revoked_certificates_are_refused),
        cmocka_unit_test(certificates_for_other_purposes_are_refused),
        cmocka_unit_test(weak_keys_are_refused),
        cmocka_unit_test(what_a_peer_writes_into_its_names_cannot_act),
        cmocka_unit_test(long_names_leave_room_for_what_is_wrong),
        cmocka_unit_test(without_verification_everybody_is_reached),
        cmocka_unit_test(pins_are_checked_besides_the_issuer),
        cmocka_unit_test(pins_alone_are_what_is_trusted_without_verification),
        cmocka_unit_test(a_malformed_pin_is_refused),
        cmocka_unit_test(clients_show_certificates_where_asked_to),
        cmocka_unit_test(clients_without_a_good_certificate_are_refused),
        cmocka_unit_test(clients_are_told_who_may_have_signed_them),
        cmocka_unit_test(peers_without_tls_are_told_apart),
        cmocka_unit_test(every_alert_has_a_text),
        cmocka_unit_test(bytes_that_were_changed_are_told_so),
    };
    return cmocka_run_group_tests(tests, make_files, certs_tear_down);
}
