/*
 * addr.h - where to connect or listen, taken apart but not yet resolved.
 */
#ifndef EDDY_NET_ADDR_H
#define EDDY_NET_ADDR_H

#include <eddy/addr.h>

/* RFC 1035, 2.3.4: at most 253 characters of text, 63 in a label. */
#define ED_HOST_MAX  253
#define ED_LABEL_MAX 63

struct ed_endpoint {
    bool any; /* ":80" or "*:80": every interface */
    uint16_t port;
    struct ed_addr addr;        /* len 0: `host` is to be resolved, or `any` */
    char host[ED_HOST_MAX + 1]; /* the name; "" for anything else */
};

/*
 * Takes an address or "name:port" apart. A name that ends in a number is no
 * name ("127.1", "10.0.0.256"), so that no two programs read it differently.
 * Returns 0 or ED_EADDR.
 */
ED_CHECK int ed_endpoint_parse(struct ed_endpoint *out, struct ed_bytes text);

/* The same for a host and a port that stand apart already, as in a URL; IPv6
 * with or without brackets. */
ED_CHECK int ed_endpoint_of(struct ed_endpoint *out, struct ed_bytes host,
                            uint16_t port);

/* Whether the text is the name of a host: labels of letters, digits, '-' and
 * '_', a final dot allowed, and not ending in a number. Of at most ED_HOST_MAX
 * characters without that dot. */
bool ed_host_is_name(struct ed_bytes host);

#endif
