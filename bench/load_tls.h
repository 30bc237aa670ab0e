/*
 * load_tls.h - TLS for the load generator: a client that trusts everyone and
 * remembers nothing, so that every handshake is a whole one.
 */
#ifndef EDDY_BENCH_LOAD_TLS_H
#define EDDY_BENCH_LOAD_TLS_H

#include "bench.h"
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

__attribute__((noreturn)) static inline void die_tls(const char *what)
{
    errno = 0;
    die("%s: %s", what, ERR_reason_error_string(ERR_peek_error()));
}

/* The context of all connections. */
static inline SSL_CTX *tls_context(void)
{
    static SSL_CTX *context;

    if (!context) {
        context = SSL_CTX_new(TLS_client_method());
        if (!context)
            die_tls("SSL_CTX_new");
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    }
    return context;
}

/* Begins a handshake on a connected socket, which no longer blocks. */
static inline SSL *tls_begin(int fd)
{
    SSL *ssl = SSL_new(tls_context());

    if (!ssl || !SSL_set_fd(ssl, fd))
        die_tls("SSL_new");
    must(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
    SSL_set_connect_state(ssl);
    return ssl;
}

/* Goes on with a handshake: whether it is done. */
static inline bool tls_shake(SSL *ssl)
{
    int done = SSL_do_handshake(ssl);

    if (done == 1)
        return true;
    if (SSL_get_error(ssl, done) != SSL_ERROR_WANT_READ)
        die_tls("handshake");
    return false;
}

static inline void tls_send(SSL *ssl, const char *p, size_t n)
{
    if (SSL_write(ssl, p, (int)n) != (int)n)
        die_tls("SSL_write");
}

/* As recv(). */
static inline ssize_t tls_receive(SSL *ssl, char *p, size_t n)
{
    int got = SSL_read(ssl, p, (int)n);

    if (got > 0)
        return got;
    if (SSL_get_error(ssl, got) != SSL_ERROR_WANT_READ)
        return 0;
    errno = EAGAIN;
    return -1;
}

#endif
