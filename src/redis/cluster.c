/*
 * cluster.c - a Redis Cluster as one place to run commands (Redis Cluster
 * specification).
 *
 * Owns the map of slots. A command goes to the node that has its first key's
 * slot; a node that has it no more says where it is (MOVED, ASK), and the
 * command goes there, unseen. Commands without a key go to any node.
 *
 * The map is read when it is first needed, and again when a node says that it
 * has changed, or cannot be reached.
 */
#include "redis/cluster.h"
#include "base/backoff.h"
#include "redis/cluster_map.h"
#include "redis/keys.h"
#include "redis/redirect.h"
#include <eddy/log.h>
#include <eddy/sync.h>
#include <stdlib.h>

/* A command is sent so often, with pauses, before its last failure is told: in
 * all about ten seconds, in which a cluster replaces a node that is down. */
enum { MOST_TRIES = 16 };
static const int64_t FIRST_PAUSE = 50 * ED_MS;
static const int64_t LONGEST_PAUSE = ED_S;

/* The map is not read more often than that because of nodes that say MOVED:
 * while slots move, many do. */
static const int64_t REREAD_PAUSE = 100 * ED_MS;

struct cluster {
    ed_redis base;
    struct redis_topology topology;
    struct ed_redis_options options;
    struct cluster_map map;
    bool known; /* the map was read */
    bool stale; /* and is not up to date */
    int64_t read_at;
    ed_mutex reading;
    size_t next; /* for commands without a key */
    struct ed_list leases;
};

/* A session's connection, and the node it is to. */
struct lease {
    struct ed_list of_cluster;
    struct redis_link *link;
    struct cluster_node *node;
};

static struct cluster *cluster_of(const ed_redis *db)
{
    return (struct cluster *)(uintptr_t)db;
}

/* ---- the map ---- */

static int ask_node(struct cluster *c, struct cluster_node *node)
{
    struct redis_request request;
    struct redis_call call;

    redis_request_init(&request);
    redis_call_init(&call, ed_fiber_arena());
    int err = redis_request_formatf(&request, "CLUSTER SLOTS");
    cluster_node_use(node);
    if (!err)
        err = redis_pool_run(node->pool, &request, &call);
    if (!err)
        err = redis_call_result(&request, &call);
    if (!err)
        err = cluster_map_read(&c->map, call.reply, node->address);
    if (err == ED_EPROTO)
        err = ed_fail(ED_EDATABASE, "Redis at %s: no map of a cluster",
                      node->address);
    cluster_node_leave(&c->map, node);
    redis_request_free(&request);
    return err;
}

/* Whom to ask: the nodes that are known, and those the URL names. Copied, since
 * they may leave while one of them is asked. */
static int list_addresses(struct cluster *c, const char ***out, size_t *count)
{
    size_t n = 0;
    const char **list = ed_arena_alloc(
        ed_fiber_arena(), (c->map.count + c->topology.count) * sizeof *list);

    if (!list)
        return ED_ENOMEM;
    ed_list_each (link, &c->map.nodes) {
        struct cluster_node *node =
            ED_CONTAINER(link, struct cluster_node, node);
        list[n] = ed_arena_copy(ed_fiber_arena(), ed_bytes(node->address));
        if (!list[n++])
            return ED_ENOMEM;
    }
    for (size_t i = 0; i < c->topology.count; i++)
        list[n++] = c->topology.addresses[i];
    *out = list;
    *count = n;
    return 0;
}

static int ask_somebody(struct cluster *c)
{
    const char **addresses;
    size_t count;
    int err = list_addresses(c, &addresses, &count);

    if (err)
        return err;
    for (size_t i = 0; i < count; i++) {
        struct cluster_node *node;
        err = cluster_map_node(&c->map, addresses[i], &node);
        if (!err)
            err = ask_node(c, node);
        if (!err || ed_cancelled())
            return err;
    }
    return err;
}

static int read_map(struct cluster *c)
{
    ed_mutex *held ED_MUTEX_AUTO = NULL;
    int64_t asked_at = ed_now();
    int err = ed_mutex_hold(&c->reading, &held);

    if (err || (c->known && c->read_at >= asked_at))
        return err; /* somebody else has just done it */
    ed_arena *arena = ed_arena_new(0);
    if (!arena)
        return ED_ENOMEM;
    ed_arena *before = ed_fiber_use_arena(arena);
    err = ask_somebody(c);
    ed_fiber_use_arena(before);
    ed_arena_free(arena);
    if (err)
        return err;
    c->known = true;
    c->stale = false;
    c->read_at = ed_now();
    return 0;
}

static bool must_read(const struct cluster *c)
{
    return !c->known || (c->stale && ed_now() - c->read_at >= REREAD_PAUSE);
}

static struct cluster_node *any_node(struct cluster *c)
{
    size_t skip = c->map.count ? c->next++ % c->map.count : 0;

    ed_list_each (link, &c->map.nodes) {
        struct cluster_node *node =
            ED_CONTAINER(link, struct cluster_node, node);
        if (!skip--)
            return node;
    }
    return NULL;
}

/* The node to send to; in use by the caller then. */
static int choose(struct cluster *c, const struct redis_request *request,
                  struct cluster_node **out)
{
    struct ed_bytes key;
    int err = must_read(c) ? read_map(c) : 0;

    if (err)
        return err;
    bool has_key = redis_request_key(request, &key);
    *out = has_key ? c->map.owners[redis_slot_of(key)] : any_node(c);
    if (!*out) {
        c->stale = true;
        return ed_fail(ED_EDATABASE, "%s: no node of the cluster has the slot",
                       request->command.name);
    }
    cluster_node_use(*out);
    return 0;
}

/* ---- what nodes say ---- */

enum said {
    ALL_WELL, /* or a failure that is the caller's */
    MOVED,
    ASK,
    LATER, /* the same, in a while */
};

struct verdict {
    enum said said;
    char words[REDIS_WORDS];
};

static enum said read_words(const char *words)
{
    if (!strncmp(words, "MOVED ", 6))
        return MOVED;
    if (!strncmp(words, "ASK ", 4))
        return ASK;
    if (!strncmp(words, "TRYAGAIN", 8) || !strncmp(words, "CLUSTERDOWN", 11))
        return LATER;
    return ALL_WELL;
}

/* Of a transaction: the first that was refused says why. */
static void note(struct verdict *verdict, const char *words)
{
    if (verdict->said != ALL_WELL || !words)
        return;
    verdict->said = read_words(words);
    memcpy(verdict->words, words, strnlen(words, REDIS_WORDS - 1) + 1);
    verdict->words[REDIS_WORDS - 1] = '\0';
}

/* ---- running ---- */

/* What one request goes through. */
struct errand {
    struct cluster *cluster;
    const struct redis_request *request;
    struct redis_call *call;
    struct cluster_node *node; /* to send to; in use */
    bool asking;               /* it is a guest there: ASKING goes before */
    struct verdict verdict;
    int moved;   /* the slot of the last MOVED; -1: none */
    int failure; /* of the last try; 0: the call says */
    void (*each)(struct redis_call *call, const char *refused); /* its own */
    void *context;
};

static void each_reply(struct redis_call *call, const char *refused)
{
    struct errand *errand = call->context;

    note(&errand->verdict, refused);
    if (!errand->each)
        return;
    call->context = errand->context;
    errand->each(call, refused);
    call->context = errand;
}

static int send_asking(struct errand *e)
{
    struct redis_request request;

    redis_request_init(&request);
    int err = redis_request_formatf(&request, "ASKING");
    if (!err)
        err = redis_request_append(&request, e->request);
    request.idempotent = e->request->idempotent;
    if (!err)
        err = redis_pool_run(e->node->pool, &request, e->call);
    redis_request_free(&request);
    return err;
}

static int send_once(struct errand *e)
{
    e->verdict.said = ALL_WELL;
    e->call->each = each_reply;
    e->call->context = e;
    int err = e->asking ? send_asking(e)
                        : redis_pool_run(e->node->pool, e->request, e->call);
    e->call->each = e->each;
    e->call->context = e->context;
    if (!err && e->call->err)
        note(&e->verdict, e->call->words);
    return err;
}

static void leave_node(struct errand *e)
{
    if (e->node)
        cluster_node_leave(&e->cluster->map, e->node);
    e->node = NULL;
    e->asking = false;
}

/* Whether the node has said where to go instead. A transaction cannot be a
 * guest: it would be one for its first command only. */
static bool is_sent_on(const struct errand *e)
{
    return e->verdict.said == MOVED ||
           (e->verdict.said == ASK && e->request->commands == 1);
}

static int nonsense(const struct errand *e)
{
    return ed_fail(ED_EDATABASE, "Redis at %s: '%.80s' makes no sense",
                   e->node->address, e->verdict.words);
}

/* The node that a redirection names. */
static int find_node(const struct errand *e, const struct redis_redirect *to,
                     struct cluster_node **out)
{
    struct ed_buf address = {0};
    int err =
        redis_node_address(&address, to->host, to->port, e->node->address);

    if (!err)
        err = cluster_map_node(&e->cluster->map, address.ptr, out);
    ed_buf_free(&address);
    return err && err != ED_ENOMEM ? nonsense(e) : err;
}

static void note_moved(struct errand *e, unsigned slot,
                       struct cluster_node *owner)
{
    e->moved = (int)slot;
    e->cluster->map.owners[slot] = owner;
    e->cluster->stale = true;
}

static int go_on(struct errand *e)
{
    struct redis_redirect to;
    struct cluster_node *next;

    if (!redis_redirect_read(&to, ed_bytes(e->verdict.words)))
        return nonsense(e);
    /* One node after the other would say so for ever. */
    if (e->request->commands > 1 && e->moved >= 0 && e->moved != (int)to.slot)
        return ed_fail(ED_EREDIS, "%s: a transaction on keys of several slots",
                       e->request->command.name);
    int err = find_node(e, &to, &next);
    if (err)
        return err;
    if (!to.asking)
        note_moved(e, to.slot, next);
    cluster_node_use(next);
    leave_node(e);
    e->node = next;
    e->asking = to.asking;
    return 0;
}

/* One try: 0 when it is over with, 1 when it is to be tried elsewhere at once,
 * 2 when in a while, or an error that is final. */
static int try(struct errand *e)
{
    int err = e->node ? 0 : choose(e->cluster, e->request, &e->node);

    if (!err)
        err = send_once(e);
    if (!err && e->verdict.said == ALL_WELL)
        return 0;
    if (!err && is_sent_on(e)) {
        err = go_on(e);
        return err ? err : 1;
    }
    leave_node(e);
    e->cluster->stale = true;
    e->failure = err;
    return err && err != ED_EDATABASE ? err : 2;
}

static int run_errand(struct errand *e)
{
    for (unsigned tries = 1;; tries++) {
        e->failure = 0;
        int outcome = try(e);
        if (outcome <= 0)
            return outcome;
        if (tries == MOST_TRIES)
            return e->failure;
        int err = 0;
        if (outcome == 2)
            err = ed_sleep(ed_backoff(tries, FIRST_PAUSE, LONGEST_PAUSE));
        if (err)
            return err;
    }
}

static int cluster_run(ed_redis *db, const struct redis_request *request,
                       struct redis_call *call)
{
    struct errand e = {
        .cluster = cluster_of(db),
        .request = request,
        .call = call,
        .each = call->each,
        .context = call->context,
        .moved = -1,
    };
    int err = run_errand(&e);

    leave_node(&e);
    return err;
}

/* ---- sessions and subscribers ---- */

static int cluster_hold(ed_redis *db, const struct redis_request *hint,
                        struct redis_link **out)
{
    struct cluster *c = cluster_of(db);
    struct lease *lease = malloc(sizeof *lease);
    int err = lease ? choose(c, hint, &lease->node) : ED_ENOMEM;

    if (err) {
        free(lease);
        return err;
    }
    err = redis_pool_hold(lease->node->pool, out);
    if (err) {
        c->stale = true;
        cluster_node_leave(&c->map, lease->node);
        free(lease);
        return err;
    }
    lease->link = *out;
    ed_list_add_back(&c->leases, &lease->of_cluster);
    return 0;
}

static void cluster_release(ed_redis *db, struct redis_link *link, bool keep)
{
    struct cluster *c = cluster_of(db);

    ed_list_each (at, &c->leases) {
        struct lease *lease = ED_CONTAINER(at, struct lease, of_cluster);
        if (lease->link != link)
            continue;
        ed_list_remove(&lease->of_cluster);
        redis_pool_release(lease->node->pool, link, keep);
        cluster_node_leave(&c->map, lease->node);
        free(lease);
        return;
    }
}

/* Sessions are not sent on: their next attempt is, by a new map. */
static void cluster_heed(ed_redis *db, struct redis_link *link,
                         const struct redis_call *call)
{
    (void)link;
    if (call->err && read_words(call->words) != ALL_WELL)
        cluster_of(db)->stale = true;
}

/* Messages of channels reach every node. */
static int cluster_open(ed_redis *db, struct redis_link **out,
                        const struct redis_link_options *options)
{
    struct cluster *c = cluster_of(db);
    int err = must_read(c) ? read_map(c) : 0;

    if (err)
        return err;
    struct cluster_node *node = any_node(c);
    if (!node)
        return ed_fail(ED_EDATABASE, "the cluster has no nodes");
    cluster_node_use(node);
    err = redis_pool_open(node->pool, out, options);
    cluster_node_leave(&c->map, node);
    return err;
}

/* ---- life ---- */

static int cluster_ready(ed_redis *db)
{
    return read_map(cluster_of(db));
}

static void cluster_counts(const ed_redis *db, struct ed_redis_counts *counts)
{
    *counts = cluster_of(db)->map.past;
    ed_list_each (link, &cluster_of(db)->map.nodes) {
        struct ed_redis_counts one;
        redis_pool_counts(ED_CONTAINER(link, struct cluster_node, node)->pool,
                          &one);
        redis_counts_add(counts, &one);
    }
}

static void cluster_free(ed_redis *db)
{
    struct cluster *c = cluster_of(db);

    cluster_map_free(&c->map);
    redis_topology_free(&c->topology);
    free(c);
}

static const struct redis_place_ops cluster_ops = {
    .refuses = REDIS_NOT_SHARED,
    .run = cluster_run,
    .hold = cluster_hold,
    .release = cluster_release,
    .heed = cluster_heed,
    .open = cluster_open,
    .free = cluster_free,
    .ready = cluster_ready,
    .counts = cluster_counts,
};

ed_redis *redis_cluster_new(struct redis_topology *topology,
                            const struct ed_redis_options *options)
{
    struct cluster *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->base.ops = &cluster_ops;
    c->topology = *topology;
    c->options = *options;
    ed_list_init(&c->leases);
    cluster_map_init(&c->map, &c->topology.server, &c->options);
    return &c->base;
}
