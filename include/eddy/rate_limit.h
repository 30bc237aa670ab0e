/*
 * rate_limit.h - how much one client may ask for.
 *
 *     ed_rate_limit *limit = ed_rate_limit_new(.limit = 100, .per = ED_MIN);
 *     ed_around(app, ed_rate_limited, limit);          all requests
 *     ed_group_around(api, ed_rate_limited, stricter); those of a group
 *
 * Each client has a bucket of `burst` tokens, which fills up again at the rate
 * of `limit` tokens in `per`, evenly. A request takes one, or what it costs;
 * who has not enough is answered 429, with Retry-After. So a client that keeps
 * to the rate is never refused, and none gets more than burst + rate x time.
 * Responses tell where the client stands: RateLimit-Limit (its bucket),
 * RateLimit-Remaining (in it), RateLimit-Reset (seconds until it is full).
 *
 * Buckets are in this process, or in Redis, shared by all that use the same
 * name there. A limit belongs to one thread. It is the program's to free, when
 * no request uses it any more.
 */
#ifndef EDDY_RATE_LIMIT_H
#define EDDY_RATE_LIMIT_H

#include <eddy/app.h>
#include <eddy/redis.h>

ED_BEGIN_DECLS

typedef struct ed_rate_limit ed_rate_limit;

/* What becomes of requests when Redis does not answer. A warning is logged, at
 * most every 10 seconds. */
enum ed_rate_limit_down {
    ED_RATE_PASS,   /* are let pass */
    ED_RATE_LOCAL,  /* take from buckets of this process's own */
    ED_RATE_REFUSE, /* are answered 503 */
};

struct ed_rate_limit_options {
    size_t size;
    unsigned limit;      /* tokens; 0: only `concurrent` holds */
    int64_t per;         /* in this time; a second. At most 30 days */
    unsigned burst;      /* at once; as `limit` */
    unsigned concurrent; /* requests of one client at once, in this process;
                            0: any number */

    /* Who is one client. Without any of these, an address: of IPv6 its first 64
     * bits, which is what one customer has. */
    const char *header; /* the value of that field, such as an API key; who
                           sends none goes by the address. Its value must be
                           known to be right by then: otherwise a client has as
                           many buckets as it makes up values */
    /* What it returns, valid until it is called again; NULL: not limited. */
    const char *(*key)(ed_req *req, void *arg);
    /* What the request costs, 1 without it; 0: nothing. More than `burst` is
     * always refused. */
    unsigned (*cost)(ed_req *req, void *arg);
    void *arg; /* of both */

    /* Clients remembered in this process; 100,000. Beyond that the one unseen
     * for longest is forgotten, and starts with a full bucket. */
    unsigned max_keys;

    ed_redis *redis;  /* shared buckets; borrowed. NULL: local ones */
    const char *name; /* of the limit there, "eddy:rate:NAME:..."; "requests" */
    enum ed_rate_limit_down down;
    int64_t redis_timeout; /* until Redis counts as down; 250 ms */

    bool no_fields; /* responses tell nothing but Retry-After */
};

/*
 * A limit. Texts are copied. Does not suspend; no loop is needed yet. NULL,
 * with the reason in the log, without memory or when the options make no sense.
 */
#define ed_rate_limit_new(...) \
    ed_rate_limit_new_with(    \
        ED_OPTIONS(struct ed_rate_limit_options, __VA_ARGS__))
ED_API ed_rate_limit *ed_rate_limit_new_with(
    const struct ed_rate_limit_options *options);
ED_API void ed_rate_limit_free(ed_rate_limit *limit);

/* The middleware: ed_around(app, ed_rate_limited, limit). With several limits,
 * what the innermost says is told. Suspends if the limit is in Redis. */
ED_API int ed_rate_limited(ed_req *req, ed_next *next, void *limit);

/*
 * Takes tokens in a handler, when it knows what the request costs. Nothing is
 * done with `concurrent`. Suspends if the limit is in Redis. Returns 0, or
 *   ED_ERATE      there are not enough; to be returned by the handler
 *   ED_EDATABASE  Redis does not answer (ED_RATE_REFUSE)
 *   ED_ENOMEM, ED_ECANCELED, ED_ETIMEOUT
 */
ED_API ED_CHECK int ed_rate_limit_take(ed_rate_limit *limit, ed_req *req,
                                       unsigned cost);

struct ed_rate_limit_counts {
    uint64_t passed;
    uint64_t refused;
    uint64_t undecided; /* Redis did not answer */
    uint64_t forgotten; /* clients, for want of room */
    unsigned keys;      /* clients remembered here */
};
ED_API void ed_rate_limit_counts(const ed_rate_limit *limit,
                                 struct ed_rate_limit_counts *counts);

ED_END_DECLS
#endif
