/*
 * cluster_map.h - which node of a cluster has which slots.
 *
 * Owns the nodes, each with a pool of connections. A node that left the cluster
 * stays until nobody uses it.
 */
#ifndef EDDY_REDIS_CLUSTER_MAP_H
#define EDDY_REDIS_CLUSTER_MAP_H

#include "redis/pool.h"
#include "redis/slot.h"

struct cluster_node {
    struct ed_list node;
    struct redis_pool *pool;
    unsigned users; /* requests and sessions on it */
    bool listed;    /* it is of the cluster */
    char address[];
};

struct cluster_map {
    const struct redis_target *server; /* how to speak to nodes */
    const struct ed_redis_options *options;
    struct ed_list nodes;
    size_t count;
    struct ed_redis_counts past;              /* of nodes that left */
    struct cluster_node *owners[REDIS_SLOTS]; /* NULL: nobody knows */
};

void cluster_map_init(struct cluster_map *map,
                      const struct redis_target *server,
                      const struct ed_redis_options *options);
void cluster_map_free(struct cluster_map *map);

/* The node at an address, made if it is not known, and of the cluster. 0,
 * ED_EURL, ED_ENOMEM, or ED_EPROTO when there are too many. */
ED_CHECK int cluster_map_node(struct cluster_map *map, const char *address,
                              struct cluster_node **out);

/* Reads the answer to CLUSTER SLOTS; `asked` is the address it came from, which
 * stands for what a node does not know of itself. 0, ED_EPROTO when it makes no
 * sense, ED_ENOMEM; the map is then half old, half new. */
ED_CHECK int cluster_map_read(struct cluster_map *map,
                              const ed_redis_reply *slots, const char *asked);

/* Uses a node for a while: it stays. */
void cluster_node_use(struct cluster_node *node);
void cluster_node_leave(struct cluster_map *map, struct cluster_node *node);

#endif
