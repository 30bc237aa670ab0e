/*
 * rate_bucket.h - the buckets of a rate limit: here, and in Redis.
 */
#ifndef EDDY_APP_RATE_BUCKET_H
#define EDDY_APP_RATE_BUCKET_H

#include "base/list.h"

#include <eddy/bytes.h>
#include <eddy/map.h>
#include <eddy/redis.h>

struct ed_rate {
    unsigned limit;
    unsigned burst;
    int64_t per;
};

/* What became of a request for tokens. */
struct ed_rate_answer {
    bool passed;
    unsigned remaining;
    int64_t reset; /* until the bucket is full, in nanoseconds */
    int64_t retry; /* until there are enough; 0 if they were taken */
};

/* ---- here ---- */

__extension__ typedef unsigned __int128 ed_rate_level;

/* A bucket, from the other side: a level that rises with each token taken and
 * sinks with time. It is counted in tokens times `per`, so that nothing is ever
 * rounded. */
struct ed_rate_bucket {
    ed_rate_level level;
    int64_t at; /* when the level was that */
};

struct ed_rate_answer ed_rate_bucket_take(struct ed_rate_bucket *bucket,
                                          const struct ed_rate *rate,
                                          int64_t now, unsigned cost);

/* One client. Not forgotten while `running`. */
struct ed_rate_client {
    struct ed_list node; /* longest unseen first */
    struct ed_rate_bucket bucket;
    unsigned running; /* requests */
    size_t key_len;
    char key[];
};

struct ed_rate_table {
    ed_map *clients;
    struct ed_list unseen;
    unsigned max;
    uint64_t forgotten;
};

ED_CHECK int ed_rate_table_init(struct ed_rate_table *table, unsigned max);
void ed_rate_table_free(struct ed_rate_table *table);

/* The client of that key, as the one seen last. NULL without memory. */
struct ed_rate_client *ed_rate_table_get(struct ed_rate_table *table,
                                         struct ed_bytes key);

/* ---- in Redis ---- */

/* The same, with the clock of Redis. Suspends. Errors of ed_redis_eval(). */
ED_CHECK int ed_rate_redis_take(ed_redis *redis, struct ed_bytes key,
                                const struct ed_rate *rate, unsigned cost,
                                struct ed_rate_answer *answer);

#endif
