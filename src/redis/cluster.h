/*
 * cluster.h - a Redis Cluster as one place to run commands.
 */
#ifndef EDDY_REDIS_CLUSTER_H
#define EDDY_REDIS_CLUSTER_H

#include "redis/place.h"
#include "redis/topology.h"

/* A client of the cluster. Takes the topology over; without memory NULL, the
 * topology then still being the caller's. Does not suspend. */
ed_redis *redis_cluster_new(struct redis_topology *topology,
                            const struct ed_redis_options *options);

#endif
