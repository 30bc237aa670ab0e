/*
 * tls_sessions.h - the sessions a client remembers, to resume them.
 *
 * They are kept by a key, which says all that a session must agree in: the
 * server's name and the protocols offered. Demands on certificates need not be
 * in it, as every set of a context has its own.
 */
#ifndef EDDY_NET_TLS_SESSIONS_H
#define EDDY_NET_TLS_SESSIONS_H

#include <eddy/bytes.h>
#include <openssl/ssl.h>

struct ed_tls_sessions;

/* NULL without memory. */
struct ed_tls_sessions *ed_tls_sessions_new(void);
void ed_tls_sessions_free(struct ed_tls_sessions *s);

/* Remembers a session, of which the caller gives a reference away; an older
 * one may be forgotten for it. Any thread. */
void ed_tls_sessions_keep(struct ed_tls_sessions *s, struct ed_bytes key,
                          SSL_SESSION *session);

/* The youngest session of that key that may still be resumed, as a reference of
 * the caller's; or NULL. One of TLS 1.3 is given out once only (RFC 8446,
 * C.4). Any thread. */
SSL_SESSION *ed_tls_sessions_take(struct ed_tls_sessions *s,
                                  struct ed_bytes key);

#endif
