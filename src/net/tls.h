/*
 * tls.h - inside TLS: contexts as streams see them, and the handshake of a
 * server, which holds no fiber.
 *
 * tls.c owns contexts (tls_files.c what is read into them, tls_server.c and
 * tls_client.c what is decided during a handshake, tls_names.c certificates by
 * name, tls_tickets.c and tls_sessions.c resuming, tls_verify.c whom they trust
 * and what a failure is called; tls_context.h is theirs); tls_stream.c owns
 * streams.
 */
#ifndef EDDY_NET_TLS_H
#define EDDY_NET_TLS_H

#include <eddy/tls.h>
#include "net/stream.h"

/* OpenSSL's, so that only files that need more include it. */
struct ssl_st;

/* ---- contexts (tls.c) ---- */

/* Has TLS know of forks and of the process's end, as the first context does:
 * for those whose own handlers of these have to run before. Any thread. */
void ed_tls_prepare(void);

bool ed_tls_is_server(const ed_tls *tls);

/* The context of those who bring none: a client's with default options, made
 * when first asked for, once per process. NULL: it cannot be had (ed_error()
 * says why). */
ed_tls *ed_tls_default(void);

/*
 * Makes the OpenSSL object for one connection, as tls.h promises: side,
 * versions, trust, name check, SNI, the session to resume. NULL arguments as in
 * ed_start_tls(); an `alpn` of "" offers nothing. It holds what it needs of the
 * context, and has no BIO yet. Returns 0, ED_ENOMEM, ED_ETLSCONFIG (no
 * certificate so far), or ED_EUSAGE (no name to check, or none that a server
 * could have; a malformed `alpn`), with ed_error().
 */
ED_CHECK int ed_tls_connection(ed_tls *tls, const char *server_name,
                               const char *alpn, struct ssl_st **out);

/* The handshake is done: checks what OpenSSL does not, the pins. 0, ED_ECERT
 * or ED_ENOMEM; `why` gets a text. */
#define ED_TLS_WHY 200
ED_CHECK int ed_tls_check(struct ssl_st *ssl, char why[ED_TLS_WHY]);

/* What OpenSSL's failure (its error queue, which is emptied) means: ED_ECERT,
 * ED_ETLS or ED_ENOMEM, with a text in `why` such as "certificate of a.org
 * expired on 2026-01-02". The queue has to be empty before the call that may
 * fail. */
int ed_tls_failure(struct ssl_st *ssl, char why[ED_TLS_WHY]);

/* What ed_stream_tls() and ed_stream_tls_peer() give. */
void ed_tls_info_of(struct ssl_st *ssl, struct ed_tls_info *out);
bool ed_tls_peer_of(struct ssl_st *ssl, struct ed_tls_peer *out);

/* ---- the handshake of a server (tls_stream.c) ---- */

/*
 * Called in the loop at the end of a handshake: with 0, `s` being ready for
 * either face; or with an error as of ed_start_tls() and a text that lasts as
 * long as the call. On failure the callee closes the stream.
 */
typedef void ed_tls_ready_fn(ed_stream *s, int err, const char *why, void *arg);

/*
 * Begins the handshake of a server on a stream nobody uses, in the loop, and
 * gives the stream that will be over TLS; until it is ready the caller may
 * only close it, and bounds the time. `alpn` as in ed_start_tls(). 0, or an
 * error as of ed_tls_connection() or -errno, the stream then still being the
 * caller's. Does not suspend; `ready` is not called from within.
 */
ED_CHECK int ed_tls_accept(ed_stream **out, ed_stream *lower, ed_tls *tls,
                           const char *alpn, ed_tls_ready_fn *ready, void *arg);

/* For ed_tls_ready_fn, of a handshake that failed: if the peer spoke a protocol
 * of text instead of TLS, gives it an answer in the clear, as far as that goes
 * at once. Returns whether it did speak so. */
bool ed_tls_answer_in_clear(ed_stream *s, struct ed_bytes answer);

#endif
