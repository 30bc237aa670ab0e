/*
 * connect.h - connecting, with its phases to be seen.
 */
#ifndef EDDY_NET_CONNECT_H
#define EDDY_NET_CONNECT_H

#include "net/addr.h"
#include <eddy/dns.h>
#include <eddy/stream.h>

struct ed_connecting {
    /* Given by the caller. */
    struct ed_endpoint to;
    struct ed_addr from; /* address to connect from; len 0: any */

    /* What became of it. */
    ed_stream *stream;    /* the caller's, on success */
    struct ed_addr peer;  /* the address that answered */
    int64_t resolved_at;  /* ed_now() time; 0: not got so far */
    int64_t connected_at; /* likewise */
};

/* Connects as ed_connect() does, with the same results. Suspends. */
ED_CHECK int ed_net_connect(struct ed_connecting *c);

/* The two halves of that, for whoever bounds them apart: finds the addresses,
 * with their port, and connects to one of them; the order of `addrs` is
 * changed. Both suspend. */
ED_CHECK int ed_net_resolve(struct ed_connecting *c, struct ed_addrs *out);
ED_CHECK int ed_net_connect_any(struct ed_connecting *c,
                                struct ed_addrs *addrs);

/* Reads where to connect from: "ip" or "ip:port". 0 or ED_EADDR. */
ED_CHECK int ed_connect_parse_local(struct ed_addr *from, const char *text);

/* Begins to connect to one address. 0 when *out is connected, -EINPROGRESS when
 * it will be (socket.h), or an error as below. Suspends only for a Unix socket
 * whose queue is full. */
ED_CHECK int ed_connect_begin(ed_stream **out, const struct ed_addr *to,
                              const struct ed_addr *from);

/* Connects to one address, from another unless that is NULL. Suspends. Returns
 * 0, ED_ECANCELED, ED_ETIMEOUT, ED_ENOMEM or -errno. */
ED_CHECK int ed_connect_addr(ed_stream **out, const struct ed_addr *to,
                             const struct ed_addr *from);

#endif
