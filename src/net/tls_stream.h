/*
 * tls_stream.h - how a stream over TLS begins.
 */
#ifndef EDDY_NET_TLS_STREAM_H
#define EDDY_NET_TLS_STREAM_H

#include "net/tls.h"

/*
 * Makes a stream over TLS of one that nobody uses, and of an OpenSSL object
 * that it owns from then on, and begins the handshake. `ready` as in
 * ed_tls_accept(), but for a client it may be called from within. 0, or
 * ED_ENOMEM or -errno, the lower stream then still being the caller's. In a
 * loop; does not suspend.
 */
ED_CHECK int ed_tls_begin(ed_stream **out, ed_stream *lower, struct ssl_st *ssl,
                          ed_tls_ready_fn *ready, void *arg);

#endif
