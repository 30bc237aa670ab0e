/*
 * topology.h - what a URL says of how many servers there are.
 *
 *     redis://host                                one server
 *     redis+sentinel://host,host/master[/db]      whoever the Sentinels say
 *     redis+cluster://host,host                   a cluster, asked for its map
 *
 * The same with rediss for TLS. User and password are the servers'.
 */
#ifndef EDDY_REDIS_TOPOLOGY_H
#define EDDY_REDIS_TOPOLOGY_H

#include "redis/target.h"

enum redis_layout { REDIS_ONE, REDIS_SENTINEL, REDIS_CLUSTER };

struct redis_topology {
    enum redis_layout layout;
    struct redis_target server; /* how to speak to servers; at the first of: */
    char **addresses; /* of Sentinels, or of some of the cluster's nodes */
    size_t count;
    char *master; /* the name Sentinels know it by; NULL elsewhere */
};

/* Reads URL and options. 0, ED_ENOMEM, or ED_EURL with ed_error(), and logged
 * outside of a fiber. Does not suspend. */
ED_CHECK int redis_topology_init(struct redis_topology *topology,
                                 const struct ed_redis_options *options);
void redis_topology_free(struct redis_topology *topology);

#endif
