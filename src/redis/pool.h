/*
 * pool.h - the connections to one server: a few shared ones, over which
 * commands are pipelined, and others that are held by one caller at a time.
 *
 * Keeps the shared ones up while it is used, in the background, pausing between
 * attempts that fail. While none is up and the last attempt has failed, callers
 * fail at once with what that failed with; else they wait.
 *
 * A pool belongs to the thread that uses it first. It closes its connections
 * when the loop ends, and may then be used by another.
 */
#ifndef EDDY_REDIS_POOL_H
#define EDDY_REDIS_POOL_H

#include "redis/link.h"
#include "redis/request.h"
#include "redis/target.h"

struct redis_pool;

/* A pool with the settings of a client's options. The target becomes the
 * pool's, and *target empty. NULL, without memory; the target then still is the
 * caller's. Does not suspend; in a loop or not. */
struct redis_pool *redis_pool_new(struct redis_target *target,
                                  const struct ed_redis_options *options);

/* Closes everything and frees. Nobody may be waiting in it, or hold a link of
 * it. NULL is fine. Does not suspend. */
void redis_pool_free(struct redis_pool *pool);

/*
 * Has the pool ask where to connect before each attempt (Sentinel): `find` runs
 * in a fiber, or in several at once, and may suspend. It returns 0 and a
 * target, which the pool frees, or an error with ed_error(). drop(arg) is
 * called when the pool needs it no more, which may be later than
 * redis_pool_free(): an attempt may be under way. To be set before the first
 * use.
 */
typedef int redis_find_fn(void *arg, struct redis_target *out);
void redis_pool_find(struct redis_pool *pool, redis_find_fn *find,
                     void (*drop)(void *arg), void *arg);

/*
 * Has a request answered: on a shared connection, or, when it blocks, on one of
 * its own; sent again as far as that is allowed. `call` is initialised; the
 * number of replies is the request's. Suspends. Returns 0 (see call->err, or
 * redis_call_result(), for what the server said), or an error as of
 * ed_redis_cmd(), with ed_error().
 */
ED_CHECK int redis_pool_run(struct redis_pool *pool,
                            const struct redis_request *request,
                            struct redis_call *call);

/* Waits until a shared connection is up, trying anew if none is. Suspends. As
 * ed_redis_ready(). */
ED_CHECK int redis_pool_ready(struct redis_pool *pool);

/* Has every connection replaced, shared ones as soon as what was sent on them
 * is answered: the server is not the one wanted any more. Does not suspend. */
void redis_pool_expire(struct redis_pool *pool);

/*
 * Takes a connection for the caller alone, waiting for one; and gives it back:
 * idle, and as it was opened, or else (`keep` false) to be closed. The first
 * suspends, and returns 0 or as ed_redis_cmd(); the other does not.
 */
ED_CHECK int redis_pool_hold(struct redis_pool *pool, struct redis_link **out);
void redis_pool_release(struct redis_pool *pool, struct redis_link *link,
                        bool keep);

/* To be told of what was refused on such a connection: a server that was made
 * a replica is left. */
void redis_pool_heed(struct redis_pool *pool, struct redis_link *link,
                     const struct redis_call *call);

/* Opens a connection that is not of the pool: its owner closes it. Suspends; as
 * redis_link_open(). */
ED_CHECK int redis_pool_open(struct redis_pool *pool, struct redis_link **out,
                             const struct redis_link_options *options);

void redis_pool_counts(const struct redis_pool *pool,
                       struct ed_redis_counts *counts);

/* Adds one's counts to another's. */
void redis_counts_add(struct ed_redis_counts *counts,
                      const struct ed_redis_counts *more);

/* What became of a request that was answered: 0, or the server's error, noted
 * for ed_error() with the command's name. */
int redis_call_result(const struct redis_request *request,
                      const struct redis_call *call);

/* What became of one whose connection was lost, likewise: ED_EUNCERTAIN, or
 * ED_EDATABASE when it was not done. */
int redis_call_lost(const struct redis_request *request,
                    const struct redis_call *call);

#endif
