/*
 * tls_pair.h - both ends of a TLS connection in one test, over memory.
 *
 *     struct tls_pair p;
 *     tls_pair_open(&p, client, "a.org", server);
 *     tls_pair_shake(&p);
 *     assert_int_equal(p.client.err, 0);
 *     tls_pair_close(&p);
 */
#ifndef EDDY_TLS_PAIR_H
#define EDDY_TLS_PAIR_H

#include "certs.h"
#include "net/tls.h"
#include <eddy/error.h>
#include <eddy/log.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

struct tls_end {
    SSL *ssl;
    bool done;
    int err;
    char why[ED_TLS_WHY];
};

struct tls_pair {
    struct tls_end client, server;
};

/* Over an SSL object of OpenSSL alone, instead of a context of ours: give NULL
 * for that end, and set .ssl before tls_pair_join(). */
__attribute__((unused)) static void tls_pair_join(struct tls_pair *p)
{
    BIO *a, *b;

    assert_true(BIO_new_bio_pair(&a, 0, &b, 0));
    SSL_set_bio(p->client.ssl, a, a);
    SSL_set_bio(p->server.ssl, b, b);
}

__attribute__((unused)) static void tls_pair_open(struct tls_pair *p,
                                                  ed_tls *client,
                                                  const char *name,
                                                  ed_tls *server)
{
    *p = (struct tls_pair){0};
    assert_int_equal(ed_tls_connection(client, name, NULL, &p->client.ssl), 0);
    assert_int_equal(ed_tls_connection(server, NULL, NULL, &p->server.ssl), 0);
    tls_pair_join(p);
}

__attribute__((unused)) static void tls_end_step(struct tls_end *e, bool ours)
{
    if (e->done)
        return;
    ERR_clear_error();
    int n = SSL_do_handshake(e->ssl);
    int error = SSL_get_error(e->ssl, n);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return;
    e->done = true;
    if (!ours) /* an end of OpenSSL alone */
        e->err = n == 1 ? 0 : ED_ETLS;
    else
        e->err = n == 1 ? ed_tls_check(e->ssl, e->why)
                        : ed_tls_failure(e->ssl, e->why);
}

/* Lets both ends go on until neither can; one that hears nothing more is not
 * done. A client of TLS 1.3 that is done hears of a refusal with its first
 * read. */
__attribute__((unused)) static void tls_pair_shake_of(struct tls_pair *p,
                                                      bool client_ours,
                                                      bool server_ours)
{
    char byte;

    for (int i = 0; i < 20; i++) {
        tls_end_step(&p->client, client_ours);
        tls_end_step(&p->server, server_ours);
    }
    if (!p->client.done || p->client.err)
        return;
    ERR_clear_error();
    int n = SSL_read(p->client.ssl, &byte, 1);
    if (n <= 0 && SSL_get_error(p->client.ssl, n) == SSL_ERROR_SSL &&
        client_ours)
        p->client.err = ed_tls_failure(p->client.ssl, p->client.why);
}

__attribute__((unused)) static void tls_pair_shake(struct tls_pair *p)
{
    tls_pair_shake_of(p, true, true);
}

/* Both say that they end, as OpenSSL wants it for sessions to be resumed. */
__attribute__((unused)) static void tls_pair_close(struct tls_pair *p)
{
    if (p->client.done && !p->client.err)
        SSL_shutdown(p->client.ssl);
    if (p->server.done && !p->server.err)
        SSL_shutdown(p->server.ssl);
    SSL_free(p->client.ssl);
    SSL_free(p->server.ssl);
    ERR_clear_error();
}

/* A whole connection; what its ends say. */
__attribute__((unused)) static struct tls_pair tls_pair_try(ed_tls *client,
                                                            const char *name,
                                                            ed_tls *server)
{
    struct tls_pair p;

    tls_pair_open(&p, client, name, server);
    tls_pair_shake(&p);
    tls_pair_close(&p);
    p.client.ssl = p.server.ssl = NULL;
    return p;
}

/* ---- contexts of the files in certs.h's folder ---- */

__attribute__((unused)) static ed_tls *server_of(const char *name)
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

__attribute__((unused)) static void add_to(ed_tls *server, const char *name)
{
    char pem[64], key[64];

    snprintf(pem, sizeof(pem), "%s.pem", name);
    snprintf(key, sizeof(key), "%s.key", name);
    assert_int_equal(ed_tls_add(server, certs_path(pem), certs_path(key), NULL),
                     0);
}

__attribute__((unused)) static ed_tls *client_of(void)
{
    ed_tls *tls;

    assert_int_equal(ed_tls_client(&tls, .ca = certs_path("ca.pem")), 0);
    return tls;
}

__attribute__((unused)) static ed_tls *trusting_client(void)
{
    ed_tls *tls;

    assert_int_equal(
        ed_tls_client(&tls, .no_verify = true, .no_resumption = true), 0);
    return tls;
}

__attribute__((unused)) static void well(const struct tls_pair *p)
{
    assert_string_equal(p->client.why, "");
    assert_string_equal(p->server.why, "");
    assert_true(p->client.done && p->server.done);
    assert_int_equal(p->client.err, 0);
    assert_int_equal(p->server.err, 0);
}

/* ---- the log, for a while ---- */

static int log_fd;

__attribute__((unused)) static void catch_log(void)
{
    log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(log_fd >= 0);
    ed_log_set_fd(log_fd);
}

__attribute__((unused)) static const char *caught_log(void)
{
    static char text[4096];
    ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    ed_log_set_fd(STDERR_FILENO);
    close(log_fd);
    return text;
}

__attribute__((unused)) static void assert_has(const char *text,
                                               const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in '%s'", part, text);
}

/* Puts the certificate and key of one into now.pem and now.key. */
__attribute__((unused)) static void use_files_of(const char *name)
{
    char from[64];

    snprintf(from, sizeof(from), "%s.pem", name);
    certs_copy("now.pem", from);
    snprintf(from, sizeof(from), "%s.key", name);
    certs_copy("now.key", from);
}

/* The name in the certificate that the server has shown. */
__attribute__((unused)) static void name_of(const struct tls_pair *p,
                                            char out[64])
{
    struct ed_tls_peer peer;

    assert_true(ed_tls_peer_of(p->client.ssl, &peer));
    sscanf(peer.subject, "CN=%63[^,]", out);
}

/* Who asks for that name is shown the certificate of that one. */
__attribute__((unused)) static void assert_shown(ed_tls *server,
                                                 const char *asked,
                                                 const char *shown)
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

#endif
