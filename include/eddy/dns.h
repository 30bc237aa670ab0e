/*
 * dns.h - addresses of names, asked for on the loop and never by a thread.
 *
 * In this order: an address given as text is its own answer; "localhost" and
 * names below it are the loopback addresses (RFC 6761, 6.3); then /etc/hosts,
 * read again when it changes; then what is remembered of earlier answers; then
 * the name servers and search domains of /etc/resolv.conf. Everyone asking for
 * a name at the same time shares one query. What is remembered belongs to the
 * loop.
 */
#ifndef EDDY_DNS_H
#define EDDY_DNS_H

#include <eddy/addr.h>
#include <eddy/api.h>

ED_BEGIN_DECLS

/* More addresses of one name are not of use to anyone. */
#define ED_ADDRS_MAX 16

struct ed_addrs {
    unsigned count;
    struct ed_addr list[ED_ADDRS_MAX]; /* best first (RFC 6724), port 0 */
};

/*
 * Finds the addresses of a name: `family` is AF_INET, AF_INET6, or AF_UNSPEC
 * for both, which are asked for at the same time. The memory is the caller's.
 *
 * A lookup nobody waits for any more is ended; one that others wait for goes
 * on. A name that does not exist is remembered briefly, a failing name server
 * is not.
 *
 * Suspends, except where no name server has to be asked. Thread: any loop's.
 * Returns 0 (at least one address), or
 *   ED_EADDR      the text is neither an address nor a name
 *   ED_ERESOLVE   the name has no address, or no name server gave an answer;
 *                 ed_error() says which
 *   ED_EUSAGE     no such family, or not in a fiber
 *   ED_ECANCELED, ED_ETIMEOUT, ED_ENOMEM
 */
ED_API ED_CHECK int ed_resolve(const char *name, int family,
                               struct ed_addrs *out);

struct ed_dns_options {
    size_t size;
    /* "10.0.0.2" or "127.0.0.1:5353,[::1]:53"; NULL: the environment's
     * EDDY_DNS_SERVERS, or else those of /etc/resolv.conf. Without the latter
     * there are no search domains. */
    const char *servers;
    const char *hosts_file;   /* NULL: EDDY_HOSTS_FILE, or /etc/hosts */
    int64_t try_time;         /* one server has for its first answer; 0: 1 s.
                                 Each further round has twice that. */
    int tries;                /* rounds of asking all servers; 0: 3 */
    unsigned cache_entries;   /* names remembered at most; 0: 1000 */
    int64_t min_ttl, max_ttl; /* bounds of what servers say; 0: 1 s, 1 h */
    int64_t negative_ttl;     /* for names without an address; 0: 5 s */
};

/*
 * Sets how this thread's loop resolves names, and forgets what it remembers.
 * The texts are copied. Does not suspend. Returns 0, or
 *   ED_EUSAGE   no loop runs in this thread, or a lookup is under way
 *   ED_EADDR    `servers` is malformed
 *   ED_ENOMEM
 */
#define ed_dns_configure(...) \
    ed_dns_configure_with(ED_OPTIONS(struct ed_dns_options, __VA_ARGS__))
ED_API ED_CHECK int ed_dns_configure_with(const struct ed_dns_options *options);

ED_END_DECLS
#endif
