/*
 * host.h - what may name a host, in a Host field, a request target or a URL.
 */
#ifndef EDDY_WIRE_HOST_H
#define EDDY_WIRE_HOST_H

#include <eddy/bytes.h>

/*
 * Whether bytes are host[:port] (RFC 3986, 3.2.2 and 3.2.3): a registered
 * name, an IPv4 address or an IPv6 address in brackets; the port may be
 * empty. An empty host is valid, though not with a port. The caller may know
 * already that the first `plain` bytes are characters of a registered name.
 */
bool ed_host_is_valid(struct ed_bytes b, size_t plain);

/* Whether bytes are ":port", with a port that may be empty. */
static inline bool ed_host_is_port(struct ed_bytes b)
{
    unsigned port = 0;

    if (!b.len || b.ptr[0] != ':')
        return false;
    for (size_t i = 1; i < b.len; i++) {
        unsigned digit = (unsigned char)b.ptr[i] - (unsigned)'0';
        port = port * 10 + digit;
        if (digit > 9 || port > UINT16_MAX)
            return false;
    }
    return true;
}

#endif
