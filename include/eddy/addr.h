/*
 * addr.h - addresses of sockets, and their text.
 *
 * The text of an address is
 *
 *     127.0.0.1:80             IPv4
 *     [::1]:80                 IPv6; [fe80::1%eth0]:80 with its interface
 *     unix:/run/x.sock         a Unix socket in the file system
 *     unix:@name               a Linux abstract Unix socket
 *
 * Reading is strict: four decimal numbers without leading zeros, a port from
 * 0 to 65535 in digits only, nothing before or after. Nothing here suspends
 * or asks a name server; any thread.
 */
#ifndef EDDY_ADDR_H
#define EDDY_ADDR_H

#include <eddy/api.h>
#include <eddy/bytes.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

ED_BEGIN_DECLS

/* Room for the text of any address, and the NUL. */
#define ED_ADDR_TEXT 128

struct ed_addr {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    };
    socklen_t len; /* 0: no address */
};

/* Reads an address with its port. Returns 0, or ED_EADDR (names of hosts are
 * no addresses); *out is then untouched. */
ED_API ED_CHECK int ed_addr_parse(struct ed_addr *out, struct ed_bytes text);

/* Reads an IPv4 or IPv6 address without a port; IPv6 may stand in brackets.
 * Returns 0 or ED_EADDR, as above. */
ED_API ED_CHECK int ed_addr_parse_ip(struct ed_addr *out, struct ed_bytes text,
                                     uint16_t port);

/* Writes the text that ed_addr_parse() reads; "" for no address, "unix:" for
 * the unnamed end of a Unix socket. Unprintable bytes of a Unix address become
 * '?'. Returns `out`. */
ED_API char *ed_addr_text(const struct ed_addr *addr, char out[ED_ADDR_TEXT]);

/* The same without the port, and IPv6 without brackets. */
ED_API char *ed_addr_ip_text(const struct ed_addr *addr,
                             char out[ED_ADDR_TEXT]);

/* The port, or 0 when there is none. */
ED_API uint16_t ed_addr_port(const struct ed_addr *addr);
ED_API void ed_addr_set_port(struct ed_addr *addr, uint16_t port);

/* Whether both name the same address and port. */
ED_API bool ed_addr_equal(const struct ed_addr *a, const struct ed_addr *b);

ED_END_DECLS
#endif
