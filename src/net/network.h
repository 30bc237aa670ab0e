/*
 * network.h - sets of addresses, as configurations name them: "10.0.0.0/8",
 * "2001:db8::/32", "192.0.2.7", and "unix" for whoever comes by a Unix socket.
 *
 * Nothing here suspends; any thread.
 */
#ifndef EDDY_NET_NETWORK_H
#define EDDY_NET_NETWORK_H

#include <eddy/addr.h>

struct ed_network {
    bool local;        /* Unix sockets; the rest means nothing then */
    uint8_t bits;      /* of the address that count, 0 to 128 */
    uint8_t bytes[16]; /* IPv4 as it is mapped into IPv6 (RFC 4291, 2.5.5.2) */
};

/* Reads one. Bits set behind the prefix ("10.0.0.1/8") are a mistake, and so
 * ED_EADDR as all else that is none; *out is then untouched. */
ED_CHECK int ed_network_parse(struct ed_network *out, struct ed_bytes text);

/* Whether an address is in one of them. IPv4 is the same when it came through a
 * socket of IPv6 ("::ffff:10.0.0.1"). No address is in none. */
bool ed_networks_have(const struct ed_network *networks, size_t count,
                      const struct ed_addr *addr);

#endif
