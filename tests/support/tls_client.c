/*
 * tls_client.c - see tls_client.h.
 */
#include "tls_client.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

/* Aborts when what cannot fail did. */
#define DO(call) ((call) ? (void)0 : do_failed(#call, __LINE__))

static void do_failed(const char *call, int line)
{
    fprintf(stderr, "%s:%d: %s failed\n", __FILE__, line, call);
    abort();
}

static void happened(struct tls_client *c)
{
    if (c->event)
        c->event(c);
}

/* ---- the server's side ---- */

static void take(ed_stream *s, char *data, ssize_t len)
{
    struct tls_client *c = s->user;

    if (len > 0)
        DO(!ed_buf_add(&c->got, data, (size_t)len));
    else
        c->ended = len;
    happened(c);
}

static void told(ed_stream *s)
{
    happened(s->user);
}

static void ready(ed_stream *s, int err, const char *why, void *arg)
{
    struct tls_client *c = arg;

    (void)why;
    c->result = err;
    if (err) {
        tls_client_close_server(c);
    } else {
        s->user = c;
        s->on_data = take;
        s->on_writable = told;
        s->on_hangup = told;
        DO(!ed_stream_receive(s, true));
    }
    happened(c);
}

void tls_client_close_server(struct tls_client *c)
{
    ed_stream_close(c->server);
    c->server = NULL;
}

/* ---- between the two ---- */

static void fire(struct ed_timer *timer)
{
    struct tls_client *c = ED_CONTAINER(timer, struct tls_client, timer);

    c->delivered = memory_peer_deliver(c->peer, c->most);
}

bool tls_client_deliver(struct tls_client *c, size_t most)
{
    c->most = most;
    DO(!ed_timer_start(ed_loop_current(), &c->timer, ed_now()));
    DO(!ed_sleep(1));
    return c->delivered;
}

void tls_client_hear(struct tls_client *c)
{
    struct ed_buf *heard = &c->peer->heard;

    if (heard->len)
        DO(BIO_write(SSL_get_rbio(c->ssl), heard->ptr, (int)heard->len) ==
           (int)heard->len);
    ed_buf_drop(heard, heard->len);
}

void tls_client_say(struct tls_client *c)
{
    BIO *out = SSL_get_wbio(c->ssl);
    char *bytes;
    long len = BIO_get_mem_data(out, &bytes);

    memory_peer_say(c->peer, ed_bytes_of(bytes, (size_t)len));
    DO(BIO_reset(out) == 1);
}

void tls_client_send(struct tls_client *c, size_t most)
{
    tls_client_say(c);
    while (tls_client_deliver(c, most))
        ;
    tls_client_hear(c);
}

bool tls_client_shake(struct tls_client *c)
{
    for (int i = 0; i < 10; i++) {
        ERR_clear_error();
        int n = SSL_do_handshake(c->ssl);
        if (n == 1)
            return true;
        if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
            return false;
        tls_client_send(c, SIZE_MAX);
    }
    return false;
}

/* ---- life ---- */

void tls_client_open(struct tls_client *c, SSL_CTX *ctx, ed_tls *server)
{
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

    *c = (struct tls_client){
        .ssl = SSL_new(ctx),
        .peer = memory_peer_new(),
        .result = TLS_CLIENT_WAITS,
        .ended = TLS_CLIENT_WAITS,
    };
    DO(in && out && c->ssl && c->peer);
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(c->ssl, in, out);
    SSL_set_connect_state(c->ssl);
    DO(SSL_set_tlsext_host_name(c->ssl, "a.org"));
    c->timer.fire = fire;
    DO(!ed_tls_accept(&c->server, c->peer->stream, server, NULL, ready, c));
}

void tls_client_close(struct tls_client *c)
{
    if (c->server)
        tls_client_close_server(c);
    SSL_free(c->ssl);
    ERR_clear_error();
    memory_peer_free(c->peer);
    ed_buf_free(&c->got);
}
