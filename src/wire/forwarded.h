/*
 * forwarded.h - the Forwarded field (RFC 7239), and lists that came before it.
 *
 * Pure functions; views point into the text that was given.
 */
#ifndef EDDY_WIRE_FORWARDED_H
#define EDDY_WIRE_FORWARDED_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/* What one proxy told. Values stand without quotes but as they need them
 * escaped: neither an address nor a host has anything to escape. ptr NULL: it
 * was not told. */
struct ed_forwarded {
    struct ed_bytes node; /* for= */
    struct ed_bytes by;
    struct ed_bytes proto;
    struct ed_bytes host;
};

/*
 * Takes the next element off the value of a field: 1, *rest then being what
 * stands behind its comma; 0 at the end. ED_EPARSE when it is malformed: no
 * name=value, a quote that does not end, a name that comes twice in an element.
 * Empty elements are passed over; names nobody knows are ignored.
 */
ED_CHECK int ed_forwarded_next(struct ed_bytes *rest, struct ed_forwarded *out);

/*
 * The address in a node, or in an element of X-Forwarded-For: "192.0.2.1",
 * "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". What is
 * none ("unknown", "_hidden") gives an empty view; what is given still has to
 * be read as an address.
 */
struct ed_bytes ed_forwarded_ip(struct ed_bytes node);

#endif
