/*
 * rate_limit.c - who is asking, whether that is too much, and what is said.
 *
 * Owns the decision and the fields of the reply. Where the buckets are is
 * rate_bucket.c's or rate_redis.c's.
 */
#include "app/app_internal.h"
#include "app/rate_bucket.h"
#include "base/options.h"
#include "net/crypto.h"

#include <arpa/inet.h>
#include <eddy/clock.h>
#include <eddy/log.h>
#include <eddy/rate_limit.h>
#include <stdio.h>
#include <stdlib.h>

/* A table of so many takes some 15 MB. */
#define MAX_KEYS 100000

/* Longer than any answer of a Redis that works, shorter than what a person
 * notices. */
static const int64_t REDIS_TIMEOUT = 250 * ED_MS;

/* Beyond this, a bucket's time would not fit the numbers of Redis's scripts. */
static const int64_t MAX_PER = 30 * 24 * 60 * ED_MIN;

static const int64_t WARN_EVERY = 10 * ED_S;

/* Keys beyond that are replaced by their digests. */
#define KEY_MAX 96

struct ed_rate_limit {
    struct ed_rate_limit_options options;
    struct ed_rate rate;
    struct ed_rate_table table;
    struct ed_rate_limit_counts counts;
    char *header;
    char *name;
    int64_t warn_at; /* not before */
    uint64_t unwarned;
};

/* ---- making one ---- */

static const char *misused(const struct ed_rate_limit_options *o)
{
    if (!o->limit && !o->concurrent)
        return "neither .limit nor .concurrent";
    if (o->header && o->key)
        return "both .header and .key";
    if (o->per < 0 || o->per > MAX_PER)
        return ".per is negative, or more than 30 days";
    return NULL;
}

static int fill_in(ed_rate_limit *limit, const struct ed_rate_limit_options *o)
{
    limit->options = *o;
    limit->rate = (struct ed_rate){
        .limit = o->limit,
        .burst = o->burst ? o->burst : o->limit,
        .per = o->per ? o->per : ED_S,
    };
    if (!o->redis_timeout)
        limit->options.redis_timeout = REDIS_TIMEOUT;
    limit->header = o->header ? strdup(o->header) : NULL;
    limit->name = strdup(o->name ? o->name : "requests");
    if (!limit->name || (o->header && !limit->header))
        return ED_ENOMEM;
    return ed_rate_table_init(&limit->table,
                              o->max_keys ? o->max_keys : MAX_KEYS);
}

ed_rate_limit *ed_rate_limit_new_with(const struct ed_rate_limit_options *given)
{
    ED_OPTIONS_TAKE(struct ed_rate_limit_options, options, given);
    const char *why = misused(&options);
    if (why) {
        ed_log_error("rate limit: %s", why);
        return NULL;
    }
    ed_rate_limit *limit = calloc(1, sizeof *limit);
    if (limit && !fill_in(limit, &options))
        return limit;
    ed_log_error("rate limit: no memory");
    ed_rate_limit_free(limit);
    return NULL;
}

void ed_rate_limit_free(ed_rate_limit *limit)
{
    if (!limit)
        return;
    if (limit->table.clients)
        ed_rate_table_free(&limit->table);
    free(limit->header);
    free(limit->name);
    free(limit);
}

void ed_rate_limit_counts(const ed_rate_limit *limit,
                          struct ed_rate_limit_counts *counts)
{
    *counts = limit->counts;
    counts->forgotten = limit->table.forgotten;
    counts->keys = (unsigned)ed_map_count(limit->table.clients);
}

/* ---- who is asking ---- */

/* "10.1.2.3:4567" as "10.1.2.3", and "[2001:db8:1:2:3:4:5:6]:4567" as
 * "2001:db8:1:2::": what is routed to one customer is a network of 64 bits,
 * all of whose addresses are at hand. An IPv4 address within IPv6 is one. What
 * a proxy has told has neither brackets nor port. */
static const char *network_of(ed_arena *arena, const char *peer)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr six;
    const char *from = peer + (*peer == '[');
    snprintf(text, sizeof text, "%.*s", (int)strcspn(from, "]%"), from);
    if (inet_pton(AF_INET6, text, &six) != 1)
        return ed_arena_copy(arena, ed_bytes_of(peer, strcspn(peer, ":")));
    if (IN6_IS_ADDR_V4MAPPED(&six)) {
        inet_ntop(AF_INET, &six.s6_addr[12], text, sizeof text);
    } else {
        memset(&six.s6_addr[8], 0, 8);
        inet_ntop(AF_INET6, &six, text, sizeof text);
    }
    return ed_arena_copy(arena, ed_bytes(text));
}

static const char *address_key(ed_req *req)
{
    const char *network = network_of(req->arena, ed_req_peer(req));
    return network ? ed_arena_printf(req->arena, "address:%s", network) : NULL;
}

static const char *digest_key(ed_req *req, const char *kind, const char *key)
{
    char digest[ED_DIGEST_TEXT];
    if (ed_digest_text(ED_SHA256, ed_bytes(key), digest))
        return NULL;
    return ed_arena_printf(req->arena, "%s:%s", kind, digest);
}

/* Whoever may choose a long text must not choose how much is kept of it. */
static const char *short_key(ed_req *req, const char *key)
{
    if (!key || strlen(key) <= KEY_MAX)
        return key;
    return digest_key(req, "digest", key);
}

/* The client's name; "": it is not limited. NULL without memory. */
static const char *key_of(const ed_rate_limit *limit, ed_req *req)
{
    const struct ed_rate_limit_options *o = &limit->options;
    if (o->key) {
        const char *key = o->key(req, o->arg);
        if (!key)
            return "";
        return short_key(req, ed_arena_printf(req->arena, "key:%s", key));
    }
    const char *value = limit->header ? ed_header(req, limit->header) : NULL;
    if (!value)
        return address_key(req);
    /* It may well be a secret, and keys get into logs and Redis. */
    return digest_key(req, "header", value);
}

/* ---- whether it is too much ---- */

static int take_here(ed_rate_limit *limit, const char *key, unsigned cost,
                     struct ed_rate_answer *answer)
{
    struct ed_rate_client *client =
        ed_rate_table_get(&limit->table, ed_bytes(key));
    if (!client)
        return ED_ENOMEM;
    *answer =
        ed_rate_bucket_take(&client->bucket, &limit->rate, ed_now(), cost);
    return 0;
}

static int take_there(const ed_rate_limit *limit, const ed_req *req,
                      const char *key, unsigned cost,
                      struct ed_rate_answer *answer)
{
    const char *whole =
        ed_arena_printf(req->arena, "eddy:rate:%s:%s", limit->name, key);
    if (!whole)
        return ED_ENOMEM;
    ed_scope(s, .within = limit->options.redis_timeout, .name = "rate limit");
    (void)s;
    return ed_rate_redis_take(limit->options.redis, ed_bytes(whole),
                              &limit->rate, cost, answer);
}

static void warn(ed_rate_limit *limit, int err)
{
    static const char *const what[] = {
        [ED_RATE_PASS] = "let pass",
        [ED_RATE_LOCAL] = "counted here",
        [ED_RATE_REFUSE] = "refused",
    };
    limit->counts.undecided++;
    limit->unwarned++;
    if (ed_now() < limit->warn_at)
        return;
    const char *detail = ed_error_of(err);
    ed_log_warn("rate limit %s: Redis does not answer, %llu requests were %s: "
                "%s",
                limit->name, (unsigned long long)limit->unwarned,
                what[limit->options.down], *detail ? detail : ed_err_text(err));
    limit->warn_at = ed_now() + WARN_EVERY;
    limit->unwarned = 0;
}

/* Redis is down; *answer is as if there were no limit. */
static int decide_alone(ed_rate_limit *limit, const char *key, unsigned cost,
                        struct ed_rate_answer *answer, int err)
{
    warn(limit, err);
    if (limit->options.down == ED_RATE_LOCAL)
        return take_here(limit, key, cost, answer);
    if (limit->options.down == ED_RATE_REFUSE)
        return ed_fail(ED_EDATABASE, "the rate limit cannot be asked");
    *answer =
        (struct ed_rate_answer){.passed = true, .remaining = limit->rate.burst};
    return 0;
}

static int decide(ed_rate_limit *limit, const ed_req *req, const char *key,
                  unsigned cost, struct ed_rate_answer *answer)
{
    if (!limit->options.redis)
        return take_here(limit, key, cost, answer);
    int err = take_there(limit, req, key, cost, answer);
    if (!err)
        return 0;
    int cancelled = ed_cancelled();
    return cancelled ? cancelled : decide_alone(limit, key, cost, answer, err);
}

/* ---- what is said ---- */

static int set_field(ed_req *req, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return ed_reply_header_set(req, name, text);
}

/* Whole seconds, after which it is true. */
static int64_t seconds(int64_t time)
{
    return time / ED_S + (time % ED_S != 0);
}

static int tell(const ed_rate_limit *limit, ed_req *req,
                const struct ed_rate_answer *answer)
{
    if (limit->options.no_fields || ed_reply_began(req))
        return 0;
    int err = set_field(req, "RateLimit-Limit", limit->rate.burst);
    if (!err)
        err = set_field(req, "RateLimit-Remaining", answer->remaining);
    return err ? err
               : set_field(req, "RateLimit-Reset", seconds(answer->reset));
}

static int refuse(ed_rate_limit *limit, ed_req *req, int64_t retry,
                  const char *key)
{
    limit->counts.refused++;
    int err =
        ed_reply_began(req) ? 0 : set_field(req, "Retry-After", seconds(retry));
    return err ? err : ed_fail(ED_ERATE, "rate limit %s: %s", limit->name, key);
}

static int take(ed_rate_limit *limit, ed_req *req, const char *key,
                unsigned cost)
{
    struct ed_rate_answer answer;
    int err = decide(limit, req, key, cost, &answer);
    if (!err)
        err = tell(limit, req, &answer);
    if (err)
        return err;
    if (!answer.passed)
        return refuse(limit, req, answer.retry, key);
    limit->counts.passed++;
    return 0;
}

int ed_rate_limit_take(ed_rate_limit *limit, ed_req *req, unsigned cost)
{
    const char *key = key_of(limit, req);
    if (!key)
        return ED_ENOMEM;
    return *key && cost && limit->rate.limit ? take(limit, req, key, cost) : 0;
}

/* ---- the middleware ---- */

/* Runs what comes next while the client counts it among its own. A second is
 * as good a guess as any of when one of them will be done. */
static int run_counted(ed_rate_limit *limit, ed_req *req, ed_next *next,
                       const char *key)
{
    struct ed_rate_client *client =
        ed_rate_table_get(&limit->table, ed_bytes(key));
    if (!client)
        return ED_ENOMEM;
    if (client->running >= limit->options.concurrent)
        return refuse(limit, req, ED_S, key);
    client->running++;
    int result = ed_next_call(next, req);
    client->running--;
    return result;
}

int ed_rate_limited(ed_req *req, ed_next *next, void *arg)
{
    ed_rate_limit *limit = arg;
    const struct ed_rate_limit_options *o = &limit->options;
    const char *key = key_of(limit, req);
    if (!key)
        return ED_ENOMEM;
    unsigned cost = o->cost ? o->cost(req, o->arg) : 1;
    int err =
        *key && cost && limit->rate.limit ? take(limit, req, key, cost) : 0;
    if (err)
        return err;
    return *key && o->concurrent ? run_counted(limit, req, next, key)
                                 : ed_next_call(next, req);
}
