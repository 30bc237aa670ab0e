/*
 * tunnel.h - asking a proxy for a connection to somewhere else, on a stream to
 * it that nobody has used.
 */
#ifndef EDDY_HTTP_TUNNEL_H
#define EDDY_HTTP_TUNNEL_H

#include "http/proxy.h"
#include <eddy/stream.h>

/* The most that a proxy's answer to CONNECT may be. */
#define ED_TUNNEL_HEAD_MAX 8192

/*
 * Asks a proxy that speaks HTTP for a connection (CONNECT; RFC 9110, 9.3.6) to
 * "host:port". `authorization`, the value of Proxy-Authorization, and
 * `user_agent` may be empty.
 *
 * Suspends. Returns 0, and what is read from the stream next comes from there;
 * or, with ed_error() saying why,
 *   ED_EPROXY   it refused, or broke off, or is no such proxy
 *   ED_ECANCELED, ED_ETIMEOUT
 */
ED_CHECK int ed_tunnel_http(ed_stream *s, const struct ed_proxy *proxy,
                            struct ed_bytes authority,
                            struct ed_bytes authorization,
                            struct ed_bytes user_agent);

/* Asks a proxy that speaks SOCKS5, for a name or, unless its `len` is 0, an
 * address with its port. As above otherwise. */
ED_CHECK int ed_tunnel_socks5(ed_stream *s, const struct ed_proxy *proxy,
                              struct ed_bytes host, uint16_t port,
                              const struct ed_addr *address);

#endif
