/*
 * redirect.h - what nodes of a cluster say of one another: where a node is, and
 * where a command should go instead (Redis Cluster specification, "Redirection
 * and resharding").
 *
 * Pure: knows nothing of connections, and takes nothing for granted.
 */
#ifndef EDDY_REDIS_REDIRECT_H
#define EDDY_REDIS_REDIRECT_H

#include <eddy/api.h>
#include <eddy/bytes.h>

struct redis_redirect {
    bool asking; /* ASK: this once; else MOVED: from now on */
    unsigned slot;
    struct ed_bytes host; /* borrowed from the words */
    int64_t port;
};

/* Reads the words of an error, "MOVED 3999 10.0.0.7:6381"; false when they are
 * no redirection, or make no sense. Hosts of IPv6 stand without brackets. */
bool redis_redirect_read(struct redis_redirect *out, struct ed_bytes words);

/*
 * Writes the address of a node, as ed_connect() takes it, in place of what the
 * buffer holds. A node that does not know its own name says "" or "?": it is at
 * the host that was `asked` ("host:port"). 0, ED_EPROTO when it cannot be an
 * address, ED_ENOMEM.
 */
ED_CHECK int redis_node_address(struct ed_buf *out, struct ed_bytes host,
                                int64_t port, const char *asked);

#endif
