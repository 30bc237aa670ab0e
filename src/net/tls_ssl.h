/*
 * tls_ssl.h - OpenSSL between plain bytes and the wire: it is given what
 * arrived and fills the buffer for output, and never sees a descriptor. Nothing
 * here suspends.
 */
#ifndef EDDY_NET_TLS_SSL_H
#define EDDY_NET_TLS_SSL_H

#include "net/tls_wire.h"

struct ssl_st;
struct ssl_ctx_st;

/* Besides what each function says, they return
 *   -EAGAIN   more has to arrive
 *   -ENOBUFS  the output has to leave first
 *   ED_ETLS   OpenSSL failed: ed_tls_failure() tells why and must be called;
 *             an alert may be in the output
 */

/* Ties the object to the wire, which has to outlive it. 0 or ED_ENOMEM. */
ED_CHECK int ed_tls_ssl_attach(struct ssl_st *ssl, struct ed_tls_wire *wire);

/* Goes on with the handshake: 0 when it is done. */
ED_CHECK int ed_tls_ssl_handshake(struct ssl_st *ssl);

/* Reads plain bytes: a count, or 0 when the peer has said that no more come. */
ED_CHECK ssize_t ed_tls_ssl_read(struct ssl_st *ssl, void *buf, size_t len);

/* Seals what the cursor stands at, as far as there is room: 0. */
ED_CHECK int ed_tls_ssl_seal(struct ssl_st *ssl, struct ed_tls_wire *wire,
                             struct ed_tls_cursor *cursor);

/*
 * Secrets, for those who take over from OpenSSL after a handshake. The context
 * of a server is to tell them; wire->secrets then gets those of a connection.
 * What they are good for: a TLS 1.3 suite's number, or 0, the connection then
 * needing OpenSSL further on.
 */
void ed_tls_ssl_tell_secrets(struct ssl_ctx_st *ctx);
uint32_t ed_tls_ssl_suite(struct ssl_st *ssl, const struct ed_tls_wire *wire);

/* Puts a close_notify into the output, if that can be done. */
void ed_tls_ssl_say_end(struct ssl_st *ssl);

#endif
