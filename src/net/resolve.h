/*
 * resolve.h - addresses to connect to, without waiting for every answer.
 */
#ifndef EDDY_NET_RESOLVE_H
#define EDDY_NET_RESOLVE_H

#include <eddy/dns.h>

/*
 * Finds addresses of a name as ed_resolve() does, but asks for each family by
 * itself and does not wait long for the second answer once it has the first
 * (RFC 8305, 3): where answers about IPv6 get lost, as behind some firewalls,
 * nobody has to wait until that is certain.
 *
 * Suspends. Results as of ed_resolve().
 */
ED_CHECK int ed_resolve_soon(const char *name, struct ed_addrs *out);

/* Why a name has no address. */
enum ed_resolve_why {
    ED_RESOLVE_NO_NAME,    /* there is no such name */
    ED_RESOLVE_NO_ADDRESS, /* there is, but without an address of the kind */
    ED_RESOLVE_NO_ANSWER,  /* nobody could say: it may be otherwise later */
};

/* As ed_resolve(), and says in *why, of ED_ERESOLVE, why. */
ED_CHECK int ed_resolve_telling(const char *name, int family,
                                struct ed_addrs *out, enum ed_resolve_why *why);

/* What is known of a name without asking anybody else: an address as text,
 * localhost, /etc/hosts. 0, *out being empty when name servers are to be asked,
 * or an error as of ed_resolve(). Does not suspend. */
ED_CHECK int ed_resolve_here(const char *name, int family,
                             struct ed_addrs *out);

#endif
