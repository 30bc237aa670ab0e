/*
 * pool.c - the connections to one server.
 *
 * Owns the shared links, and a fiber in the background, the keeper, that opens
 * those that are not there. Links are opened one after the other: the first
 * tells whether there is a server at all.
 *
 * The pool's memory stays while its keeper runs, and while the loop knows it.
 */
#include "redis/pool.h"
#include "base/backoff.h"
#include "base/magic.h"
#include "redis/connect.h"
#include "redis/held.h"
#include <eddy/log.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define POOL_MAGIC 0x4ed15001u

enum {
    MAX_LINKS = 64,
    DEFAULT_LINKS = 2,
    DEFAULT_HELD = 32,
    /* Commands on one link before others are used, too. */
    TOGETHER = 128,
    DEFAULT_QUEUE = 100 * 1000,
    /* A command that is never sent, so often, never will be. */
    MOST_ATTEMPTS = 5,
};
#define DEFAULT_MAX_UNSENT    ((size_t)64 * 1024 * 1024)
#define DEFAULT_IDLE_TIME     (60 * ED_S)
#define DEFAULT_REPLY_TIMEOUT (30 * ED_S)
#define FIRST_BACKOFF         (50 * ED_MS)
#define DEFAULT_MAX_BACKOFF   (5 * ED_S)

struct redis_pool {
    ED_MAGIC;
    struct redis_target target;
    redis_find_fn *find; /* NULL: the target is where to connect */
    void (*drop)(void *arg);
    void *find_arg;
    char where[128]; /* the last connection was to; for texts */
    unsigned queue;
    size_t max_unsent;
    int64_t reply_timeout;
    int64_t max_backoff;

    ed_loop *loop;           /* NULL: none has used it, or it has ended */
    struct keeping *keeping; /* the loop's */
    struct redis_link *links[MAX_LINKS];
    unsigned up; /* of these */
    unsigned wanted;
    struct ed_list retiring; /* redis_link_info.node */
    struct redis_held held;

    struct ed_waitq waiters; /* for a link, or for news that there is none */
    unsigned waiting;

    ed_fiber *keeper;      /* NULL: it does not run, or not yet */
    bool kept;             /* it has been started */
    struct ed_waitq pause; /* of the keeper */
    unsigned failures;     /* of attempts, one after the other */
    unsigned in_vain;      /* links, one after the other, that were of no use */
    bool down;             /* no link, and the last attempt failed: why */
    char why[REDIS_WORDS + ED_ADDR_TEXT];
    bool freed; /* by its user */

    struct redis_link_counts sent;
    uint64_t resent, connects, failed_connects, lost;
};

/* How the loop knows a pool, which may be gone before the loop is. */
struct keeping {
    struct redis_pool *pool;
};

static int start_keeper(struct redis_pool *pool);

/* ---- links ---- */

static int open_at(struct redis_pool *pool, const struct redis_target *target,
                   struct redis_link **out,
                   const struct redis_link_options *options)
{
    snprintf(pool->where, sizeof(pool->where), "%s", target->address);
    return redis_link_open(out, target, options);
}

static int open_link(void *arg, struct redis_link **out,
                     const struct redis_link_options *options)
{
    struct redis_pool *pool = arg;
    struct redis_target found = {0};
    int err = pool->find ? pool->find(pool->find_arg, &found) : 0;

    if (!err)
        err = open_at(pool, pool->find ? &found : &pool->target, out, options);
    redis_target_free(&found);
    if (err)
        pool->failed_connects++;
    else
        pool->connects++;
    return err;
}

static void remove_link(struct redis_pool *pool, const struct redis_link *link)
{
    for (unsigned i = 0; i < pool->up; i++) {
        if (pool->links[i] == link) {
            pool->links[i] = pool->links[--pool->up];
            return;
        }
    }
}

static void close_retired(struct redis_link *link)
{
    ed_list_remove(&redis_link_info(link)->node);
    redis_link_close(link, "replaced");
}

/* A server that lets us in and then hangs up is no better than one that is
 * down. */
static bool was_in_vain(const struct redis_link_info *info)
{
    return !info->useful && ed_now() - info->opened_at < ED_S;
}

static void link_lost(struct redis_link *link, int err, const char *why)
{
    struct redis_pool *pool = redis_link_info(link)->user;
    bool in_vain = was_in_vain(redis_link_info(link));

    if (redis_link_info(link)->retiring) {
        close_retired(link);
        return;
    }
    /* Servers may close what is not used. */
    ed_log(err == ED_EEOF && redis_link_info(link)->idle ? ED_LOG_INFO
                                                         : ED_LOG_WARN,
           "Redis at %s: connection lost: %s (%s)", pool->where, why,
           ed_err_name(err));
    pool->lost++;
    remove_link(pool, link);
    redis_link_close(link, why);
    pool->in_vain = in_vain ? pool->in_vain + 1 : 0;
    /* Whether the server is down will be seen by the next attempt, at once. */
    if (!pool->up && !in_vain) {
        pool->failures = 0;
        ed_waitq_wake(&pool->pause, 0);
    }
    (void)start_keeper(pool); /* or the next command does */
}

static void link_has_room(struct redis_link *link)
{
    redis_link_info(link)->useful = true;
    if (redis_link_info(link)->retiring && !redis_link_load(link))
        close_retired(link);
}

static void retire(struct redis_pool *pool, struct redis_link *link)
{
    struct redis_link_info *info = redis_link_info(link);

    remove_link(pool, link);
    info->retiring = true;
    ed_list_add_back(&pool->retiring, &info->node);
    link_has_room(link);
}

void redis_pool_expire(struct redis_pool *pool)
{
    if (!pool->loop)
        return;
    while (pool->up)
        retire(pool, pool->links[pool->up - 1]);
    redis_held_close(&pool->held);
    (void)start_keeper(pool); /* or the next command does */
}

/* ---- the keeper ---- */

static void wake_waiters(struct redis_pool *pool)
{
    ed_waitq_wake_all(&pool->waiters, 0);
}

static void note_success(struct redis_pool *pool, struct redis_link *link)
{
    pool->links[pool->up++] = link;
    if (pool->failures)
        ed_log_info("Redis at %s: connected again", pool->where);
    pool->failures = 0;
    pool->down = false;
    wake_waiters(pool);
}

static void note_failure(struct redis_pool *pool, int err)
{
    const char *why = ed_error_of(err);

    snprintf(pool->why, sizeof(pool->why), "%s", *why ? why : ed_err_text(err));
    if (!pool->failures++)
        ed_log_warn("%s", pool->why);
    pool->down = !pool->up;
    wake_waiters(pool);
}

/* After what went wrong; somebody may end the pause. */
static int pause_keeper(struct redis_pool *pool)
{
    unsigned failures = pool->failures + pool->in_vain;

    if (!failures)
        return 0;
    ed_scope(s,
             .within = ed_backoff(failures, FIRST_BACKOFF, pool->max_backoff),
             .name = "pause");
    int err = ed_waitq_wait(&pool->pause, "next attempt to connect", NULL);

    return err == ED_ETIMEOUT ? 0 : err;
}

static int add_link(struct redis_pool *pool)
{
    static const struct redis_link_owner owner = {
        .room = link_has_room,
        .lost = link_lost,
    };
    struct redis_link_options options = {
        .owner = &owner,
        .user = pool,
        .reply_timeout = pool->reply_timeout,
        .counts = &pool->sent,
    };
    struct redis_link *link;
    int err = open_link(pool, &link, &options);

    if (err)
        return err;
    if (pool->freed)
        redis_link_close(link, "");
    else
        note_success(pool, link);
    return 0;
}

static void keep_links(struct redis_pool *pool)
{
    while (!pool->freed && pool->up < pool->wanted) {
        if (pause_keeper(pool))
            return;
        int err = add_link(pool);
        if (ed_cancelled())
            return;
        if (err)
            note_failure(pool, err);
    }
}

static void free_pool(struct redis_pool *pool)
{
    if (pool->drop)
        pool->drop(pool->find_arg);
    redis_target_free(&pool->target);
    ED_MAGIC_CLEAR(pool);
    free(pool);
}

static int keeper(void *arg)
{
    struct redis_pool *pool = arg;
    /* For hooks: the loop's own arena would grow with each attempt. */
    ed_arena *arena = ed_arena_new(0);

    ed_fiber_use_arena(arena);
    pool->keeper = ed_fiber_self();
    keep_links(pool);
    pool->keeper = NULL;
    pool->kept = false;
    ed_fiber_use_arena(NULL);
    ed_arena_free(arena);
    wake_waiters(pool); /* cancelled: they start another, if they can */
    if (pool->freed)
        free_pool(pool);
    return 0;
}

static int start_keeper(struct redis_pool *pool)
{
    if (pool->kept || pool->up >= pool->wanted)
        return 0;
    int err = ed_background(keeper, pool);
    if (!err)
        pool->kept = true;
    return err;
}

/* ---- the loop ---- */

static void close_links(struct redis_pool *pool)
{
    struct ed_list *node;

    while (pool->up)
        redis_link_close(pool->links[--pool->up], "closed");
    while ((node = ed_list_first(&pool->retiring)))
        close_retired(ED_CONTAINER(node, struct redis_link_info, node)->link);
    redis_held_close(&pool->held);
}

static void loop_ends(void *arg)
{
    struct keeping *keeping = arg;
    struct redis_pool *pool = keeping->pool;

    free(keeping);
    if (!pool)
        return;
    close_links(pool);
    pool->loop = NULL;
    pool->down = false;
    pool->failures = pool->in_vain = 0;
}

static int join_loop(struct redis_pool *pool)
{
    struct keeping *keeping = malloc(sizeof(*keeping));

    if (!keeping)
        return ED_ENOMEM;
    keeping->pool = pool;
    ed_loop *loop = ed_loop_current();
    int err = ed_loop_set(loop, keeping, keeping, loop_ends);
    if (err) {
        free(keeping);
        return err;
    }
    pool->keeping = keeping;
    pool->loop = pool->held.loop = loop;
    return 0;
}

/* To be asked first by all that waits. */
static int enter(struct redis_pool *pool)
{
    ED_MAGIC_CHECK(pool, POOL_MAGIC);
    if (pool->loop == ed_loop_current())
        return ed_checkpoint();
    if (pool->loop)
        return ed_fail(ED_EUSAGE, "a Redis client of another thread");
    return join_loop(pool);
}

/* ---- shared links ---- */

static unsigned all_under_way(const struct redis_pool *pool)
{
    unsigned under_way = 0;

    for (unsigned i = 0; i < pool->up; i++)
        under_way += redis_link_load(pool->links[i]);
    return under_way;
}

/*
 * The first that nothing large is in the way of: what goes out together, and
 * is answered together, costs both sides least. (64 fibers that GET: 0.38 us of
 * CPU each on one connection, 0.52 on two, 0.65 on four.) Or else the one with
 * the least to do.
 */
static struct redis_link *choose(const struct redis_pool *pool)
{
    struct redis_link *best = NULL;
    unsigned least = UINT_MAX;

    for (unsigned i = 0; i < pool->up; i++) {
        struct redis_link *link = pool->links[i];
        unsigned load = redis_link_load(link);

        if (load < TOGETHER && !redis_link_clogged(link))
            return link;
        if (load < least) {
            best = link;
            least = load;
        }
    }
    return best;
}

static int overload(const char *what)
{
    return ed_fail(ED_EOVERLOAD, "too many %s", what);
}

static int wait_for_link(struct redis_pool *pool)
{
    if (pool->waiting >= pool->queue)
        return overload("callers wait for a connection to Redis");
    int err = start_keeper(pool);
    if (err)
        return err;
    pool->waiting++;
    err = ed_waitq_wait(&pool->waiters, "connection to Redis", NULL);
    pool->waiting--;
    return err;
}

static int pick(struct redis_pool *pool, struct redis_link **out)
{
    while (!(*out = choose(pool))) {
        if (pool->down)
            return ed_fail(ED_EDATABASE, "%s", pool->why);
        int err = wait_for_link(pool);
        if (err)
            return err;
    }
    if (all_under_way(pool) >= pool->queue)
        return overload("commands without an answer of Redis");
    if (redis_link_unsent(*out) >= pool->max_unsent)
        return overload("bytes Redis does not take");
    return 0;
}

/* A server that was made a replica meanwhile: its name may be another's now,
 * unless it was so a moment ago. */
static bool is_demoted(struct redis_link *link, const struct redis_call *call)
{
    return call->err == ED_EDATABASE && !strncmp(call->words, "READONLY", 8) &&
           ed_now() - redis_link_info(link)->opened_at > ED_S;
}

/* The link may be gone meanwhile. */
static void heed(struct redis_pool *pool, struct redis_link *link,
                 const struct redis_call *call)
{
    for (unsigned i = 0; i < pool->up; i++) {
        if (pool->links[i] != link)
            continue;
        if (is_demoted(link, call))
            redis_pool_expire(pool);
        return;
    }
}

static int run_shared(struct redis_pool *pool,
                      const struct redis_request *request,
                      struct redis_call *call)
{
    struct redis_link *link;
    int err = pick(pool, &link);

    if (!err)
        err = redis_link_call(link, call, redis_request_bytes(request));
    if (!err && call->fate == REDIS_ANSWERED && call->err)
        heed(pool, link, call);
    return err;
}

/* ---- links of one's own ---- */

int redis_pool_hold(struct redis_pool *pool, struct redis_link **out)
{
    int err = enter(pool);

    if (err)
        return err;
    if (pool->down)
        return ed_fail(ED_EDATABASE, "%s", pool->why);
    return redis_held_take(&pool->held, out);
}

void redis_pool_release(struct redis_pool *pool, struct redis_link *link,
                        bool keep)
{
    redis_held_give(&pool->held, link,
                    keep && !redis_link_info(link)->retiring);
}

void redis_pool_heed(struct redis_pool *pool, struct redis_link *link,
                     const struct redis_call *call)
{
    if (redis_link_info(link)->retiring || !is_demoted(link, call))
        return;
    redis_link_info(link)->retiring = true;
    redis_pool_expire(pool);
}

static int run_held(struct redis_pool *pool,
                    const struct redis_request *request,
                    struct redis_call *call)
{
    struct redis_link *link;
    int err = redis_pool_hold(pool, &link);

    if (err)
        return err;
    err = redis_link_call(link, call, redis_request_bytes(request));
    bool answered = !err && call->fate == REDIS_ANSWERED;
    if (answered && call->err)
        redis_pool_heed(pool, link, call);
    redis_pool_release(pool, link, answered);
    return err;
}

int redis_pool_open(struct redis_pool *pool, struct redis_link **out,
                    const struct redis_link_options *options)
{
    int err = enter(pool);

    return err ? err : open_link(pool, out, options);
}

/* ---- requests ---- */

static bool may_repeat(const struct redis_request *request)
{
    return request->idempotent || (request->command.flags & REDIS_READS);
}

int redis_pool_run(struct redis_pool *pool, const struct redis_request *request,
                   struct redis_call *call)
{
    bool blocks = redis_request_blocks(request);
    bool repeated = false;

    for (unsigned attempt = 1;; attempt++) {
        int err = enter(pool);

        if (err)
            return err;
        redis_call_reset(call);
        call->replies = request->commands;
        err = blocks ? run_held(pool, request, call)
                     : run_shared(pool, request, call);
        if (err || call->fate == REDIS_ANSWERED)
            return err;
        bool again = call->fate == REDIS_NEVER_SENT
                         ? attempt < MOST_ATTEMPTS
                         : may_repeat(request) && !repeated;
        if (!again)
            return redis_call_lost(request, call);
        repeated |= call->fate != REDIS_NEVER_SENT;
        pool->resent += request->commands;
    }
}

int redis_pool_ready(struct redis_pool *pool)
{
    int err = enter(pool);

    if (err || pool->up)
        return err;
    pool->down = false;
    ed_waitq_wake(&pool->pause, 0);
    while (!pool->up) {
        if (pool->down)
            return ed_fail(ED_EDATABASE, "%s", pool->why);
        err = wait_for_link(pool);
        if (err)
            return err;
    }
    return 0;
}

int redis_call_result(const struct redis_request *request,
                      const struct redis_call *call)
{
    const char *name = request->command.name;
    const char *words = call->words;

    switch (call->err) {
    case 0:
        return 0;
    case ED_ENOMEM:
        return ed_fail(ED_ENOMEM, "%s: no memory for the reply", name);
    case ED_ELIMIT:
        return ed_fail(ED_ELIMIT, "%s: the reply is too long", name);
    default:
        break;
    }
    /* A server that does not know a command repeats its arguments. */
    const char *arguments = strstr(words, ", with args beginning with");
    int len = arguments ? (int)(arguments - words) : (int)strlen(words);
    return ed_fail(call->err, "%s: %.*s", name, len, words);
}

int redis_call_lost(const struct redis_request *request,
                    const struct redis_call *call)
{
    bool harmless = call->fate == REDIS_NEVER_SENT ||
                    (request->command.flags & REDIS_READS);

    return ed_fail(harmless ? ED_EDATABASE : ED_EUNCERTAIN,
                   "%s: connection lost: %s", request->command.name,
                   call->words);
}

/* ---- life ---- */

static unsigned or_default(unsigned given, unsigned by_default)
{
    return given ? given : by_default;
}

static int64_t time_or(int64_t given, int64_t by_default)
{
    return given > 0 ? given : by_default;
}

static void set_up(struct redis_pool *pool, const struct ed_redis_options *o)
{
    pool->wanted = or_default(o->connections, DEFAULT_LINKS);
    if (pool->wanted > MAX_LINKS)
        pool->wanted = MAX_LINKS;
    pool->queue = or_default(o->queue, DEFAULT_QUEUE);
    pool->max_unsent = o->max_unsent ? o->max_unsent : DEFAULT_MAX_UNSENT;
    pool->reply_timeout =
        o->reply_timeout < 0 ? 0
                             : time_or(o->reply_timeout, DEFAULT_REPLY_TIMEOUT);
    pool->max_backoff = time_or(o->max_backoff, DEFAULT_MAX_BACKOFF);
    pool->held.open = open_link;
    pool->held.arg = pool;
    pool->held.max = or_default(o->held, DEFAULT_HELD);
    pool->held.idle_time = time_or(o->idle_time, DEFAULT_IDLE_TIME);
    pool->held.counts = &pool->sent;
    redis_held_open(&pool->held);
    ed_list_init(&pool->retiring);
}

struct redis_pool *redis_pool_new(struct redis_target *target,
                                  const struct ed_redis_options *options)
{
    struct redis_pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return NULL;
    ED_MAGIC_SET(pool, POOL_MAGIC);
    pool->target = *target;
    *target = (struct redis_target){0};
    set_up(pool, options);
    return pool;
}

void redis_pool_find(struct redis_pool *pool, redis_find_fn *find,
                     void (*drop)(void *arg), void *arg)
{
    pool->find = find;
    pool->drop = drop;
    pool->find_arg = arg;
}

void redis_pool_free(struct redis_pool *pool)
{
    if (!pool)
        return;
    ED_MAGIC_CHECK(pool, POOL_MAGIC);
    if (pool->loop) {
        close_links(pool);
        pool->keeping->pool = NULL;
    }
    pool->freed = true;
    if (pool->keeper)
        ed_fiber_cancel(pool->keeper, ED_ECANCELED);
    else if (!pool->kept)
        free_pool(pool);
}

void redis_pool_counts(const struct redis_pool *pool,
                       struct ed_redis_counts *counts)
{
    *counts = (struct ed_redis_counts){
        .open = pool->up,
        .held = pool->held.places,
        .held_idle = pool->held.idle_count,
        .waiting = pool->waiting + pool->held.waiting,
        .under_way = all_under_way(pool),
        .commands = pool->sent.commands,
        .writes = pool->sent.writes,
        .resent = pool->resent,
        .dropped = pool->sent.dropped,
        .connects = pool->connects,
        .failed_connects = pool->failed_connects,
        .lost = pool->lost,
    };
}

void redis_counts_add(struct ed_redis_counts *counts,
                      const struct ed_redis_counts *more)
{
    counts->open += more->open;
    counts->held += more->held;
    counts->held_idle += more->held_idle;
    counts->waiting += more->waiting;
    counts->under_way += more->under_way;
    counts->commands += more->commands;
    counts->writes += more->writes;
    counts->resent += more->resent;
    counts->dropped += more->dropped;
    counts->connects += more->connects;
    counts->failed_connects += more->failed_connects;
    counts->lost += more->lost;
}
