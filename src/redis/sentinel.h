/*
 * sentinel.h - asking Redis Sentinels which server is the master.
 */
#ifndef EDDY_REDIS_SENTINEL_H
#define EDDY_REDIS_SENTINEL_H

#include "redis/pool.h"
#include "redis/topology.h"

struct redis_sentinel;

/* Takes over what it needs of the topology, whose `server` stays the caller's.
 * NULL: no memory. Does not suspend. */
struct redis_sentinel *redis_sentinel_new(
    struct redis_topology *topology, const struct ed_redis_options *options);
void redis_sentinel_free(void *sentinel);

/*
 * Asks one Sentinel after the other, first the one that answered last, and asks
 * the server they name whether it agrees (ROLE): while a master is replaced,
 * some know it later than others. A redis_find_fn. Suspends. Returns 0, or
 *   ED_EDATABASE  nobody knows; ed_error() has the last one's reason
 *   ED_ECANCELED, ED_ETIMEOUT, ED_ENOMEM
 */
int redis_sentinel_find(void *arg, struct redis_target *out);

#endif
