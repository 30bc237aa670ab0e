/*
 * dns_query.h - one question to name servers, asked by c-ares on the loop.
 */
#ifndef EDDY_NET_DNS_QUERY_H
#define EDDY_NET_DNS_QUERY_H

#include <eddy/addr.h>
#include <eddy/dns.h>
#include <eddy/loop.h>
#include "net/resolve.h"

/* What a query came to. */
struct ed_dns_found {
    int status;           /* 0, or why there is no address */
    bool none;            /* since the servers know that there is none */
    unsigned count;       /* up to ED_ADDRS_MAX */
    struct ed_addr *list; /* the receiver's to free() */
    int64_t ttl;          /* of the shortest-lived record; ns */
};

typedef void ed_dns_done(void *arg, const struct ed_dns_found *found);

struct ed_dns_query;

/*
 * Asks for the addresses of a name, of one family or AF_UNSPEC for both, as
 * the options say; both are borrowed for the call. `done` is called once, when
 * the query is no more: from the loop, or before this returns. *out is set
 * before that can be.
 */
void ed_dns_query_begin(struct ed_dns_query **out, ed_loop *loop,
                        const struct ed_dns_options *options, const char *name,
                        int family, ed_dns_done *done, void *arg);

/* Ends a query that is not done; `done` is not called. */
void ed_dns_query_end(struct ed_dns_query *query);

/* Turns a status into an error: 0, ED_ERESOLVE or ED_ENOMEM, explained with the
 * name that was asked for. */
ED_CHECK int ed_dns_query_error(int status, const char *name);

/* ... and into why there is no address. */
enum ed_resolve_why ed_dns_query_why(int status);

/* Whether c-ares can be opened as the options say, and understands their name
 * servers. 0, ED_EADDR or ED_ENOMEM. */
ED_CHECK int ed_dns_query_check(const struct ed_dns_options *options);

#endif
