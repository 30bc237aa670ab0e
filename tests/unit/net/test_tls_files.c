/*
 * test_tls_files.c - files and options of TLS contexts that are refused, and
 * what is said about them.
 */
#include "tls_pair.h"
#include "../../fiber_test.h"
#include <openssl/pem.h>
#include <sys/stat.h>

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
    certs_make(.file = "b", .names = "b.org");
    certs_make(.file = "weak", .names = "a.org", .key = CERT_RSA_WEAK);
    certs_write("empty.pem", "");
    certs_write("short", "1234567890123456789012345678901");
    tear("torn.pem", "site.pem");
    tear("torn.key", "site.key");
    certs_append("torn2.pem", "site.pem");
    certs_append("torn2.pem", "torn.pem");
    write_locked_key("locked.key");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_names_the_file_and_what_is_wrong_with_it),
        cmocka_unit_test(options_that_say_nothing_are_refused),
        cmocka_unit_test(a_client_says_whom_it_wants_to_reach),
        cmocka_unit_test(outside_of_a_fiber_the_text_is_in_the_log),
        cmocka_unit_test(a_key_everybody_can_read_is_warned_of),
    };
    return cmocka_run_group_tests(tests, make_files, certs_tear_down);
}
