/*
 * policy.c - the policies of a client, and where a request enters them.
 */
#include "http/policy.h"
#include <eddy/clock.h>
#include "base/ascii.h"
#include "base/hash.h"
#include "http/watch.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the policies of a client ---- */

#define DEFAULT(member, value)  \
    do {                        \
        if (!(member))          \
            (member) = (value); \
    } while (0)

static void fill_in(struct ed_policies *p)
{
    struct ed_limit_policy *limit = &p->upstreams.limits.policy;

    DEFAULT(p->retry.backoff, 25 * ED_MS);
    DEFAULT(p->retry.max_backoff, 2 * ED_S);
    DEFAULT(p->retry.max_wait, 10 * ED_S);
    DEFAULT(p->eject.percent, 50);
    DEFAULT(p->eject.pause, 5 * ED_S);
    DEFAULT(p->eject.max_pause, 60 * ED_S);
    DEFAULT(limit->max, 1000);
    DEFAULT(limit->min, 4);
    DEFAULT(limit->queue, 1000);
    if (limit->min > limit->max)
        limit->min = limit->max;
}

/* Dice that fall differently in each client of each process, so that those
 * that fail together do not come back together. */
static uint64_t seed(const ed_client *client)
{
    const struct {
        const ed_client *client;
        int64_t at;
        int64_t pid;
    } unlike = {client, ed_clock_monotonic(), getpid()};

    return ed_hash(ed_bytes_of((const char *)&unlike, sizeof(unlike)));
}

int ed_policies_open(ed_client *client, const struct ed_client_options *o)
{
    bool balances = o->balance.on || o->eject.failures;
    bool limits = o->limit.max || o->limit.adaptive;

    if (!balances && !limits && o->retry.attempts < 2 && o->hedge.after <= 0)
        return 0;
    struct ed_policies *p = calloc(1, sizeof(*p));
    if (!p)
        return ED_ENOMEM;
    client->policies = p;
    p->retry = o->retry;
    p->hedge = o->hedge;
    p->eject = o->eject;
    p->balances = balances;
    p->by_origin = balances || limits;
    p->upstreams.limits = (struct ed_limits){.policy = o->limit, .on = limits};
    p->random = seed(client);
    fill_in(p);
    ed_budget_open(&p->budget, &o->budget, ed_now());
    return ed_upstreams_open(&p->upstreams);
}

void ed_policies_close(ed_client *client)
{
    if (client->policies)
        ed_upstreams_close(&client->policies->upstreams);
    free(client->policies);
}

/* ---- what can be seen ---- */

void ed_policies_count(const ed_client *client, struct ed_client_counts *counts)
{
    const struct ed_policies *p = client->policies;

    if (!p)
        return;
    counts->retries = p->retries;
    counts->retries_denied = p->denied;
    counts->hedges = p->hedges;
    counts->hedges_won = p->hedges_won;
    counts->ejections = p->ejections;
    counts->probes = p->probes;
    counts->queued = p->upstreams.limits.queued;
    counts->overloads = p->upstreams.limits.overloads;
    counts->waiting += p->upstreams.limits.waiting;
}

static void describe(const struct ed_upstream *upstream,
                     const struct ed_backend *backend,
                     struct ed_endpoint_counts *counts)
{
    *counts = (struct ed_endpoint_counts){
        .in_flight = backend->in_flight,
        .requests = backend->requests,
        .failures = backend->failures,
        .ejected = backend->health.ejected,
    };
    snprintf(counts->origin, sizeof(counts->origin), "%s", upstream->key);
    ed_addr_text(&backend->addr, counts->address);
    if (!upstream->all->limits.on)
        return;
    counts->limit = ed_limiter_now(&upstream->limiter);
    counts->waiting = upstream->limiter.waiting;
}

/* The i-th backend of an upstream, or NULL, *i being what is left then. */
static const struct ed_backend *nth(const struct ed_upstream *upstream,
                                    size_t *i)
{
    ed_list_each (node, &upstream->backends) {
        if (!(*i)--)
            return ED_CONTAINER(node, struct ed_backend, node);
    }
    return NULL;
}

bool ed_client_endpoint(const ed_client *client, size_t i,
                        struct ed_endpoint_counts *counts)
{
    struct ed_map_iter it = {0};

    if (!client->policies)
        return false;
    while (ed_map_next(client->policies->upstreams.map, &it)) {
        const struct ed_backend *backend = nth(it.value, &i);
        if (backend) {
            describe(it.value, backend, counts);
            return true;
        }
    }
    return false;
}

/* ---- sending ---- */

bool ed_policy_is_refusal(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* The most that a URL may have of the path of a socket, each byte encoded. */
#define SOCKET_TEXT_MAX (3 * sizeof(struct sockaddr_un))

static bool read_url(struct ed_url *url, const char *text)
{
    const char *why;

    return !ed_url_parse(url, ed_bytes(text), &why) &&
           url->host.len <= ED_HOST_MAX && url->socket.len <= SOCKET_TEXT_MAX;
}

/* Whether what is sent there goes to an address of the host's own. */
static bool is_balanced(const struct ed_sending *s, const struct ed_url *url)
{
    struct ed_route route;

    if (!s->policies->balances || url->socket.len)
        return false;
    ed_route_choose(&s->journey->client->routes, url, &route);
    return !route.proxy && !route.fixed.len;
}

/* Finds what is known of the origin. A URL that is none has none: the attempt
 * says what is wrong with it. */
static int find_upstream(struct ed_sending *s)
{
    struct ed_url url;
    char key[ED_ATTEMPT_KEY_MAX + SOCKET_TEXT_MAX];

    if (!read_url(&url, s->journey->url))
        return 0;
    ed_lower(s->host, url.host);
    s->host[url.host.len] = '\0';
    s->port = url.port;
    s->balanced = is_balanced(s, &url);
    if (url.socket.len)
        snprintf(key, sizeof(key), "http+unix://%.*s", (int)url.socket.len,
                 url.socket.ptr);
    else
        snprintf(key, sizeof(key), url.ipv6 ? "%s://[%s]:%u" : "%s://%s:%u",
                 url.secure ? "https" : "http", s->host, url.port);
    s->upstream = ed_upstream_use(&s->policies->upstreams, ed_bytes(key));
    if (s->upstream)
        return 0;
    return ed_journey_explain(s->journey, ED_ENOMEM,
                              "no memory for the origin");
}

static int send_by_policies(struct ed_journey *journey, ed_res **out)
{
    struct ed_sending s;

    /* Not all of it: the room for the name is large. */
    memset(&s, 0, offsetof(struct ed_sending, host));
    s.journey = journey;
    s.policies = journey->client->policies;
    int64_t began = ed_loop_now_exact(journey->client->loop);
    int err = s.policies->by_origin ? find_upstream(&s) : 0;
    if (err)
        return err;
    ed_budget_earn(&s.policies->budget);
    err = ed_retry_send(&s, out);
    if (s.upstream)
        ed_upstream_leave(s.upstream);
    if (!err)
        (*out)->timing.started = began;
    return err;
}

int ed_policy_send(struct ed_journey *journey, ed_res **out)
{
    if (__builtin_expect(journey->client->policies != NULL, 0))
        return send_by_policies(journey, out);
    return ed_attempt(journey, out);
}
