/*
 * pool.h - the connections to one server: a few shared ones, over which
 * commands are pipelined, and others that are held by one caller at a time.
 *
 * Keeps the shared ones up while it is used, in the background, pausing between
 * attempts that fail. While none is up and the last attempt has failed, callers
 * fail at once with what that failed with; else they wait.
 */
#ifndef EDDY_REDIS_POOL_H
#define EDDY_REDIS_POOL_H

#include "redis/link.h"
#include "redis/request.h"

struct redis_pool;

/* Takes a pool's settings from a client's options, with its defaults. The
 * target is copied by the caller and owned by the pool from then on, also when
 * it fails. NULL when there is no memory. Does not suspend; in a loop or not.
 */
struct redis_pool *redis_pool_new(struct redis_target *target,
                                  const struct ed_redis_options *options);

/* Closes everything and frees. Nobody may be waiting in it. NULL is fine. */
void redis_pool_free(struct redis_pool *pool);

/*
 * Has the pool ask where to connect before each attempt (Sentinel): `find`
 * runs in a fiber and may suspend; *out is its own until the next call. It
 * returns 0 or an error with ed_error(). To be set before the first use.
 */
typedef int redis_find_fn(void *arg, const struct redis_target **out);
void redis_pool_find(struct redis_pool *pool, redis_find_fn *find, void *arg);

/*
 * Has a request answered: on a shared connection, or, when it blocks, on one of
 * its own; sent again as far as that is allowed. call->replies is taken from
 * the request. Suspends. Returns 0 (see call->err for what the server said), or
 * an error as of ed_redis_cmd(), with ed_error().
 */
ED_CHECK int redis_pool_run(struct redis_pool *pool,
                            const struct redis_request *request,
                            struct redis_call *call);

/* Waits until a shared connection is up. Suspends. As ed_redis_ready(). */
ED_CHECK int redis_pool_ready(struct redis_pool *pool);

/* Closes the shared connections as soon as what was sent on them is answered,
 * and opens new ones: the server is not the one wanted any more. Does not
 * suspend. */
void redis_pool_expire(struct redis_pool *pool);

/* Takes a connection for the caller alone, waiting for one; and gives it back,
 * idle and as it was opened, or else (`keep` false) to be closed. Suspends; and
 * does not. */
ED_CHECK int redis_pool_hold(struct redis_pool *pool, struct redis_link **out);
void redis_pool_release(struct redis_pool *pool, struct redis_link *link,
                        bool keep);

void redis_pool_counts(const struct redis_pool *pool,
                       struct ed_redis_counts *counts);

/* Notes what the server said of a request for ed_error(), and returns its
 * error: 0 when all is well. */
int redis_call_result(const struct redis_request *request,
                      const struct redis_call *call);

#endif
