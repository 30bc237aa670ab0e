/*
 * tls_client.h - a client of OpenSSL alone against a server's stream over TLS,
 * in memory: what passes between them can be held back, cut, changed and added
 * to.
 *
 *     struct tls_client c;
 *     tls_client_open(&c, ctx, server);
 *     tls_client_shake(&c);         all but the client's last flight is through
 *     SSL_write(c.ssl, "hello", 5);
 *     tls_client_send(&c, 7);       in pieces of 7 bytes
 *     ...c.got is "hello"
 *     tls_client_close(&c);
 *
 * What fails here ends the program: it is no part of any test. In a fiber of a
 * loop with a virtual clock.
 */
#ifndef EDDY_TESTS_TLS_CLIENT_H
#define EDDY_TESTS_TLS_CLIENT_H

#include "core/runtime.h"
#include "memory_stream.h"
#include "net/tls.h"
#include <openssl/ssl.h>

enum { TLS_CLIENT_WAITS = 1 };

struct tls_client {
    SSL *ssl;
    struct memory_peer *peer;
    /* The server's side: NULL once closed, which a failed handshake does. */
    ed_stream *server;
    int result;        /* of its handshake; TLS_CLIENT_WAITS: none yet */
    struct ed_buf got; /* received */
    ssize_t ended;     /* how that ended; TLS_CLIENT_WAITS: not yet */
    /* Called when something has happened to the server's side, which it may
     * close by tls_client_close_server(); NULL: nobody. */
    void (*event)(struct tls_client *c);
    void *user;
    /* Private. */
    struct ed_timer timer;
    size_t most;
    bool delivered;
};

/* The options of the client are those of `ctx`. */
void tls_client_open(struct tls_client *c, SSL_CTX *ctx, ed_tls *server);
void tls_client_close(struct tls_client *c);
void tls_client_close_server(struct tls_client *c);

/* Gives what the server has written to the client, which does not look at it
 * yet. */
void tls_client_hear(struct tls_client *c);

/* Puts what the client has written behind what is to be delivered. */
void tls_client_say(struct tls_client *c);

/* Delivers one piece of at most `most` bytes, or another event of the stream
 * beneath. False when there was none. */
bool tls_client_deliver(struct tls_client *c, size_t most);

/* Says, and delivers all in such pieces; and hears. */
void tls_client_send(struct tls_client *c, size_t most);

/* Shakes hands until the client is done, whose last flight is not said yet.
 * Whether that went well. */
bool tls_client_shake(struct tls_client *c);

#endif
