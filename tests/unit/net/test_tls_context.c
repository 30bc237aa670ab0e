/*
 * test_tls_context.c - contexts of TLS: what they agree on, which certificate
 * they show, and how they change.
 */
#include "tls_pair.h"
#include "../../fiber_test.h"
#include <eddy/log.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
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

static ed_tls *client_of(void)
{
    ed_tls *tls;

    assert_int_equal(ed_tls_client(&tls, .ca = certs_path("ca.pem")), 0);
    return tls;
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
    assert_string_equal(p.client.why, "");
    assert_string_equal(p.server.why, "");
    assert_true(p.client.done && p.server.done);

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

    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_agree_on_what_is_best),
    };
    certs_open();
    certs_make(.file = "site", .names = "a.org,*.a.org,127.0.0.1");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    certs_close();
    return failed;
}
