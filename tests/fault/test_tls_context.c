/*
 * test_tls_context.c - makes every allocation and every reading of a file that
 * contexts of TLS do fail: then it is an error, and nothing is lost.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "certs.h"
#include "faults.h"
#include "net/tls.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

static const char *pins[2];

static int make_server(ed_tls **out)
{
    int err = ed_tls_server(out, .certificate = certs_path("site.pem"),
                            .key = certs_path("site.key"),
                            .ocsp = certs_path("site.ocsp"), .alpn = "h2",
                            .client_auth = ED_TLS_CLIENT_OPTIONAL,
                            .client_ca = certs_path("ca.pem"),
                            .ticket_secret = certs_path("secret"));
    if (err)
        return err;
    err = ed_tls_add(*out, certs_path("b.pem"), certs_path("b.key"), NULL);
    if (!err)
        err = ed_tls_reload(*out);
    if (err)
        ed_tls_free(*out);
    return err;
}

static int make_client(ed_tls **out)
{
    int err = ed_tls_client(out, .ca = certs_path("ca.pem"), .alpn = "h2",
                            .certificate = certs_path("user.pem"),
                            .key = certs_path("user.key"), .pins = pins);
    if (err)
        return err;
    err = ed_tls_reload(*out);
    if (err)
        ed_tls_free(*out);
    return err;
}

static int step(SSL *ssl)
{
    char why[ED_TLS_WHY];

    ERR_clear_error();
    int n = SSL_do_handshake(ssl);
    int error = SSL_get_error(ssl, n);
    if (n == 1)
        return ed_tls_check(ssl, why);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE
               ? 0
               : ed_tls_failure(ssl, why);
}

static int shake(SSL *client, SSL *server)
{
    struct ed_tls_info info;
    char byte;
    BIO *a, *b;
    int err = 0;

    assert_true(BIO_new_bio_pair(&a, 0, &b, 0));
    SSL_set_bio(client, a, a);
    SSL_set_bio(server, b, b);
    for (int i = 0; !err && i < 5; i++) {
        err = step(client);
        if (!err)
            err = step(server);
    }
    if (err)
        return err;
    ed_tls_info_of(client, &info);
    (void)SSL_read(client, &byte, 1); /* tickets */
    SSL_shutdown(client);
    SSL_shutdown(server);
    return 0;
}

static int connect_both(ed_tls *client_tls, ed_tls *server_tls)
{
    SSL *client, *server;
    int err = ed_tls_connection(client_tls, "b.org", "h2", &client);

    if (err)
        return err;
    err = ed_tls_connection(server_tls, NULL, NULL, &server);
    if (!err) {
        err = shake(client, server);
        SSL_free(server);
    }
    SSL_free(client);
    return err;
}

static int whole_life(void)
{
    ed_tls *server, *client;
    int err = make_server(&server);

    if (err)
        return err;
    err = make_client(&client);
    if (!err) {
        err = connect_both(client, server);
        if (!err)
            err = connect_both(client, server);
        ed_tls_free(client);
    }
    ed_tls_free(server);
    return err;
}

/* In one of its ways; false when there is no such call. */
static bool bears(int call, int way, int *ways)
{
    fault_arm(call, way);
    int err = whole_life();
    struct fault_report report = fault_disarm();

    if (report.name && err > 0)
        fail_msg("call %d, %s, fails with %d: %d", call, report.name,
                 report.error, err);
    assert_int_equal(ERR_peek_error(), 0);
    *ways = report.ways;
    return report.name;
}

static void every_failing_call_is_borne(void **state)
{
    int call = 1, ways;

    (void)state;
    assert_int_equal(whole_life(), 0);
    for (; bears(call, 1, &ways); call++) {
        for (int way = 2; way <= ways; way++)
            bears(call, way, &ways);
    }
    print_message("each of %d calls\n", call - 1);
    assert_true(call > 100);
    assert_int_equal(whole_life(), 0);
}

static int make_files(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "a.org");
    certs_make(.file = "b", .names = "b.org");
    certs_make(.file = "user", .client = true);
    certs_ocsp("site", false, 1);
    certs_write("secret", "a secret of more than thirty-two bytes");
    pins[0] = certs_pin_of_key("b");
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    certs_close();
    free((char *)pins[0]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_call_is_borne),
    };
    ed_log_set_level(ED_LOG_OFF);
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
