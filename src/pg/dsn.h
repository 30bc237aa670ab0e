/*
 * dsn.h - where a dsn leads to: hosts, with addresses instead of names.
 */
#ifndef EDDY_PG_DSN_H
#define EDDY_PG_DSN_H

#include "pg/link.h"

/* What libpq makes of a dsn together with the environment, the service file
 * and its defaults, as far as we have to know it. */
struct pg_dsn {
    char *host; /* lists with commas; NULL: none, as are the others */
    char *hostaddr;
    char *port;
    int64_t host_timeout; /* connect_timeout: one host's; 0: none given */
    /* Somebody chose the client_encoding, and how long a peer may be silent. */
    bool encoding;
    bool patience;
};

/* Reads it; does not touch the network. 0, ED_ENOMEM, or ED_EDATABASE with
 * libpq's words in ed_error(), about a service that is not defined for one. */
ED_CHECK int pg_dsn_read(struct pg_dsn *dsn, const char *text);
void pg_dsn_free(struct pg_dsn *dsn);

/* One server to try. Texts may be "". */
struct pg_host {
    char *name;
    char *addr;
    char *port;
};

struct pg_hosts {
    struct pg_host *list; /* in the order they are to be tried */
    size_t count;
};

/*
 * Resolves the names of a dsn; a name becomes as many hosts as it has
 * addresses. Those that cannot be resolved are left out unless all are.
 * `count` is 0 when the dsn names no host at all. Suspends. 0, ED_ENOMEM,
 * ED_EDATABASE with ed_error() naming the host, ED_ECANCELED, ED_ETIMEOUT.
 */
ED_CHECK int pg_hosts_resolve(struct pg_hosts *hosts, const struct pg_dsn *dsn);
void pg_hosts_free(struct pg_hosts *hosts);

#endif
