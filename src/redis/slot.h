/*
 * slot.h - which of a cluster's slots a key belongs to (Redis Cluster
 * specification, "Key distribution model").
 */
#ifndef EDDY_REDIS_SLOT_H
#define EDDY_REDIS_SLOT_H

#include <eddy/bytes.h>

#define REDIS_SLOTS 16384

/* The slot of a key. Of a key with a part in braces that is not empty, the
 * first such part alone counts: so {user7}:name and {user7}:mail lie
 * together. Any thread. */
unsigned redis_slot_of(struct ed_bytes key);

#endif
