/*
 * client.c - clients of one server, and running commands anywhere.
 */
#include "base/options.h"
#include "redis/cluster.h"
#include "redis/sentinel.h"
#include <stdlib.h>

/* ---- clients ---- */

struct client {
    ed_redis base;
    struct redis_pool *pool;
};

static struct redis_pool *pool_of(const ed_redis *db)
{
    return ((const struct client *)db)->pool;
}

static int client_run(ed_redis *db, const struct redis_request *request,
                      struct redis_call *call)
{
    return redis_pool_run(pool_of(db), request, call);
}

static int client_hold(ed_redis *db, const struct redis_request *hint,
                       struct redis_link **out)
{
    (void)hint;
    return redis_pool_hold(pool_of(db), out);
}

static void client_release(ed_redis *db, struct redis_link *link, bool keep)
{
    redis_pool_release(pool_of(db), link, keep);
}

static void client_heed(ed_redis *db, struct redis_link *link,
                        const struct redis_call *call)
{
    redis_pool_heed(pool_of(db), link, call);
}

static int client_open(ed_redis *db, struct redis_link **out,
                       const struct redis_link_options *options)
{
    return redis_pool_open(pool_of(db), out, options);
}

static void client_free(ed_redis *db)
{
    redis_pool_free(pool_of(db));
    free(db);
}

static int client_ready(ed_redis *db)
{
    return redis_pool_ready(pool_of(db));
}

static void client_counts(const ed_redis *db, struct ed_redis_counts *counts)
{
    redis_pool_counts(pool_of(db), counts);
}

static const struct redis_place_ops client_ops = {
    .refuses = REDIS_NOT_SHARED,
    .run = client_run,
    .hold = client_hold,
    .release = client_release,
    .heed = client_heed,
    .open = client_open,
    .free = client_free,
    .ready = client_ready,
    .counts = client_counts,
};

static struct redis_pool *new_pool(struct redis_topology *topology,
                                   const struct ed_redis_options *options)
{
    if (topology->layout != REDIS_SENTINEL)
        return redis_pool_new(&topology->server, options);
    struct redis_sentinel *sentinel = redis_sentinel_new(topology, options);
    if (!sentinel)
        return NULL;
    struct redis_pool *pool = redis_pool_new(&topology->server, options);
    if (pool)
        redis_pool_find(pool, redis_sentinel_find, redis_sentinel_free,
                        sentinel);
    else
        redis_sentinel_free(sentinel);
    return pool;
}

static ed_redis *new_client(struct redis_topology *topology,
                            const struct ed_redis_options *options)
{
    struct client *client = malloc(sizeof(*client));

    if (!client)
        return NULL;
    client->base = (ed_redis){.ops = &client_ops};
    client->pool = new_pool(topology, options);
    if (client->pool)
        return &client->base;
    free(client);
    return NULL;
}

ed_redis *ed_redis_new_with(const struct ed_redis_options *given)
{
    ED_OPTIONS_TAKE(struct ed_redis_options, options, given);
    struct redis_topology topology;

    if (redis_topology_init(&topology, &options))
        return NULL;
    ed_redis *db = topology.layout == REDIS_CLUSTER
                       ? redis_cluster_new(&topology, &options)
                       : new_client(&topology, &options);
    if (!db)
        redis_topology_free(&topology);
    return db;
}

void redis_place_use(ed_redis *db)
{
    db->users++;
}

void redis_place_leave(ed_redis *db)
{
    if (!--db->users && db->freed)
        db->ops->free(db);
}

void ed_redis_free(ed_redis *db)
{
    if (!db || !db->ops->free)
        return;
    db->freed = true;
    if (!db->users)
        db->ops->free(db);
}

int ed_redis_ready(ed_redis *db)
{
    if (!db->ops->ready || !ed_in_fiber())
        return ED_EUSAGE;
    return db->ops->ready(db);
}

void ed_redis_counts(const ed_redis *db, struct ed_redis_counts *counts)
{
    *counts = (struct ed_redis_counts){0};
    if (db->ops->counts)
        db->ops->counts(db, counts);
}

void ed_redis_leave_(ed_redis **db)
{
    (*db)->ops->leave(*db);
}

/* ---- commands ---- */

static int check_place(const ed_redis *db, const struct redis_request *request)
{
    const char *name = request->command.name;
    unsigned wrong = request->command.flags & db->ops->refuses;

    if (!ed_in_fiber())
        return ED_EUSAGE;
    if (wrong & REDIS_REFUSED)
        return ed_fail(ED_EUSAGE,
                       "%s: not as a command; transactions, channels and "
                       "sessions have functions of their own",
                       name);
    return wrong ? ed_fail(ED_EUSAGE, "%s: only in a session", name) : 0;
}

int redis_run(ed_redis *db, const struct redis_request *request,
              ed_redis_reply **reply)
{
    struct redis_call call;
    int err = check_place(db, request);

    if (err)
        return err;
    redis_call_init(&call, reply ? ed_fiber_arena() : NULL);
    err = db->ops->run(db, request, &call);
    if (err || db->ops->notes)
        return err;
    if (reply)
        *reply = call.reply;
    return redis_call_result(request, &call);
}

static void begin(struct redis_request *request, ed_redis_reply **reply,
                  const struct ed_redis_call_options *given)
{
    ED_OPTIONS_TAKE(struct ed_redis_call_options, options, given);
    redis_request_init(request);
    request->idempotent = options.idempotent;
    if (reply)
        *reply = NULL;
}

int ed_redis_vcmd(ed_redis *db, ed_redis_reply **reply,
                  const struct ed_redis_call_options *options, const char *fmt,
                  va_list args)
{
    struct redis_request request;

    begin(&request, reply, options);
    int err = redis_request_format(&request, fmt, args);
    if (!err)
        err = redis_run(db, &request, reply);
    redis_request_free(&request);
    return err;
}

int ed_redis_cmd_with(ed_redis *db, ed_redis_reply **reply,
                      const struct ed_redis_call_options *options,
                      const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int err = ed_redis_vcmd(db, reply, options, fmt, args);
    va_end(args);
    return err;
}

int ed_redis_cmd(ed_redis *db, ed_redis_reply **reply, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int err = ed_redis_vcmd(db, reply, ED_REDIS_CALL(), fmt, args);
    va_end(args);
    return err;
}

int ed_redis_argv_with(ed_redis *db, ed_redis_reply **reply,
                       const struct ed_redis_call_options *options, size_t argc,
                       const struct ed_bytes *argv)
{
    struct redis_request request;

    begin(&request, reply, options);
    int err = redis_request_argv(&request, argc, argv);
    if (!err)
        err = redis_run(db, &request, reply);
    redis_request_free(&request);
    return err;
}

int ed_redis_argv(ed_redis *db, ed_redis_reply **reply, size_t argc,
                  const struct ed_bytes *argv)
{
    return ed_redis_argv_with(db, reply, ED_REDIS_CALL(), argc, argv);
}
