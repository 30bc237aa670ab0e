/*
 * dns.c - ed_resolve(): names to addresses, from local files and name servers.
 *
 * Owns a resolver for each loop: its answers, which are both the cache and
 * the lookups under way, and how many of these ask at once (dns_query.c).
 *
 * Nothing here blocks but the reading of small local files, and no thread is
 * started.
 */
#include "base/ascii.h"
#include "base/options.h"
#include "core/runtime.h"
#include "net/addr.h"
#include "net/dns_query.h"
#include "net/hosts.h"
#include "net/resolve.h"
#include <eddy/dns.h>
#include <eddy/map.h>
#include <stdlib.h>
#include <strings.h>

/* A channel takes about 100 KiB; further lookups wait in line. */
#define QUERIES_AT_ONCE 64

#define DEFAULT_TRY_TIME      ED_S
#define DEFAULT_TRIES         3
#define DEFAULT_CACHE_ENTRIES 1000
#define DEFAULT_MIN_TTL       ED_S
#define DEFAULT_MAX_TTL       (3600 * ED_S)
#define DEFAULT_NEGATIVE_TTL  (5 * ED_S)

/* Addresses of one kind only may be half an answer: c-ares does not tell a name
 * without the other kind from a lost reply about it. So they are not believed
 * for long. */
#define HALF_ANSWER_TTL (30 * ED_S)

struct resolver {
    ed_loop *loop;
    struct ed_dns_options options; /* defaults filled in; texts owned */
    struct ed_hosts hosts;
    ed_map *answers;       /* key to struct answer */
    struct ed_list recent; /* those not being asked for, oldest use first */
    unsigned recent_count;
    struct ed_list line; /* those that wait for a query to end */
    unsigned queries;
    bool begins; /* begin_next() is at work */
};

enum progress { KNOWN, IN_LINE, ASKED };

/* What is known of a name and family, or is being asked for. */
struct answer {
    struct resolver *resolver;
    struct ed_list link; /* in `recent` or `line` */
    enum progress progress;
    struct ed_dns_query *query; /* while ASKED */
    struct ed_waitq waiters;    /* data: struct ed_addrs */
    unsigned users;             /* fibers that may still touch this */
    int64_t expires;            /* when KNOWN; in the past: ask again */
    int status;                 /* 0, or why there is no address */
    unsigned count;
    struct ed_addr *list;
    int family;
    struct ed_bytes key; /* the name behind one byte for the family */
    char text[ED_HOST_MAX + 2];
};

/* ---- answers ---- */

static void give(const struct answer *answer, struct ed_addrs *out)
{
    out->count = answer->count;
    if (answer->count)
        memcpy(out->list, answer->list, answer->count * sizeof(*answer->list));
}

static void free_answer(struct answer *answer)
{
    free(answer->list);
    free(answer);
}

/* Forgets the answers used longest ago that are too many. */
static void bound_cache(struct resolver *r)
{
    ed_list_each_safe (link, &r->recent) {
        struct answer *answer = ED_CONTAINER(link, struct answer, link);
        if (r->recent_count <= r->options.cache_entries)
            return;
        if (answer->users)
            continue;
        ed_list_remove(&answer->link);
        r->recent_count--;
        ed_map_remove(r->answers, answer->key);
        free_answer(answer);
    }
}

static void remember(struct answer *answer)
{
    struct resolver *r = answer->resolver;

    answer->progress = KNOWN;
    ed_list_remove(&answer->link);
    ed_list_add_back(&r->recent, &answer->link);
    r->recent_count++;
    bound_cache(r);
}

static void stop_remembering(struct answer *answer)
{
    ed_list_remove(&answer->link);
    answer->resolver->recent_count--;
}

static struct answer *new_answer(struct resolver *r, struct ed_bytes key,
                                 int family)
{
    struct answer *answer = calloc(1, sizeof(*answer));

    if (!answer)
        return NULL;
    answer->resolver = r;
    answer->family = family;
    memcpy(answer->text, key.ptr, key.len);
    answer->key = ed_bytes_of(answer->text, key.len);
    ed_list_init(&answer->link);
    if (ed_map_set(r->answers, key, answer, NULL)) {
        free(answer);
        return NULL;
    }
    answer->users++; /* not by bound_cache() */
    remember(answer);
    answer->users--;
    return answer;
}

/* Wakes who waits, with copies: nobody else keeps the answer alive. */
static void tell(struct answer *answer)
{
    struct ed_waiter *waiter;

    while ((waiter = ed_waitq_wake(&answer->waiters, answer->status))) {
        give(answer, waiter->data);
        answer->users--;
    }
}

/* Nothing is being asked any more. What is known holds for `ttl`. */
static void settle(struct answer *answer, int64_t ttl)
{
    answer->query = NULL;
    answer->expires = ttl ? ed_now() + ttl : 0;
    tell(answer);
    remember(answer);
}

/* ---- how long it holds ---- */

static int64_t clamp_ttl(const struct resolver *r, int64_t ttl)
{
    if (ttl < r->options.min_ttl)
        return r->options.min_ttl;
    return ttl < r->options.max_ttl ? ttl : r->options.max_ttl;
}

static bool is_half(const struct answer *answer)
{
    int first = answer->list[0].any.sa_family;

    if (answer->family != AF_UNSPEC)
        return false;
    for (unsigned i = 1; i < answer->count; i++)
        if (answer->list[i].any.sa_family != first)
            return false;
    return true;
}

static int64_t time_to_live(const struct answer *answer,
                            const struct ed_dns_found *found)
{
    const struct resolver *r = answer->resolver;

    if (found->status)
        return found->none ? r->options.negative_ttl : 0;
    int64_t ttl = clamp_ttl(r, found->ttl);
    return is_half(answer) && ttl > HALF_ANSWER_TTL ? HALF_ANSWER_TTL : ttl;
}

/* ---- asking name servers ---- */

static void begin_next(struct resolver *r);

static void end_query(struct resolver *r)
{
    r->queries--;
    begin_next(r);
}

static void on_found(void *arg, const struct ed_dns_found *found)
{
    struct answer *answer = arg;
    struct resolver *r = answer->resolver;

    answer->status = found->status;
    answer->count = found->count;
    answer->list = found->list;
    settle(answer, time_to_live(answer, found));
    end_query(r);
}

/* Asks; the answer may be there when this returns. */
static void begin(struct answer *answer)
{
    struct resolver *r = answer->resolver;

    r->queries++;
    answer->progress = ASKED;
    ed_dns_query_begin(&answer->query, r->loop, &r->options, answer->text + 1,
                       answer->family, on_found, answer);
}

static void begin_next(struct resolver *r)
{
    if (r->begins) /* one that was answered at once: the loop goes on */
        return;
    r->begins = true;
    while (r->queries < QUERIES_AT_ONCE && !ed_list_empty(&r->line))
        begin(ED_CONTAINER(ed_list_take(&r->line), struct answer, link));
    r->begins = false;
}

static void ask(struct answer *answer)
{
    struct resolver *r = answer->resolver;

    stop_remembering(answer);
    free(answer->list);
    answer->list = NULL;
    answer->count = 0;
    if (r->queries < QUERIES_AT_ONCE) {
        begin(answer);
        return;
    }
    answer->progress = IN_LINE;
    ed_list_add_back(&r->line, &answer->link);
}

/* Nobody waits any more. */
static void abandon(struct answer *answer)
{
    struct resolver *r = answer->resolver;
    struct ed_dns_query *query = answer->query;

    settle(answer, 0);
    if (!query)
        return;
    ed_dns_query_end(query);
    end_query(r);
}

/* ---- the resolver ---- */

static void forget_all(struct resolver *r)
{
    struct ed_map_iter it = {0};

    while (r->answers && ed_map_next(r->answers, &it)) {
        struct answer *answer = it.value;
        ed_map_remove(r->answers, answer->key);
        free_answer(answer);
    }
    ed_list_init(&r->recent);
    r->recent_count = 0;
}

static void close_resolver(void *arg)
{
    struct resolver *r = arg;

    forget_all(r);
    ed_map_free(r->answers);
    ed_hosts_close(&r->hosts);
    free((char *)r->options.servers);
    free(r);
}

static void fill_defaults(struct ed_dns_options *o)
{
    if (!o->servers)
        o->servers = getenv("EDDY_DNS_SERVERS");
    if (!o->hosts_file)
        o->hosts_file = getenv("EDDY_HOSTS_FILE");
    if (!o->hosts_file)
        o->hosts_file = "/etc/hosts";
    if (o->try_time < ED_MS)
        o->try_time = DEFAULT_TRY_TIME;
    if (o->tries <= 0)
        o->tries = DEFAULT_TRIES;
    if (!o->cache_entries)
        o->cache_entries = DEFAULT_CACHE_ENTRIES;
    if (o->min_ttl <= 0)
        o->min_ttl = DEFAULT_MIN_TTL;
    if (o->max_ttl <= 0)
        o->max_ttl = DEFAULT_MAX_TTL;
    if (o->negative_ttl <= 0)
        o->negative_ttl = DEFAULT_NEGATIVE_TTL;
}

/* Replaces the options; on failure all is as it was. */
static int configure(struct resolver *r, const struct ed_dns_options *options)
{
    struct ed_dns_options filled = *options;
    struct ed_hosts hosts;
    int err;

    fill_defaults(&filled);
    err = filled.servers ? ed_dns_query_check(&filled) : 0;
    if (err)
        return ed_fail(err, "name servers \"%s\": %s", filled.servers,
                       ed_err_text(err));
    if (filled.servers && !(filled.servers = strdup(filled.servers)))
        return ED_ENOMEM;
    err = ed_hosts_open(&hosts, filled.hosts_file);
    if (err) {
        free((char *)filled.servers);
        return err;
    }
    free((char *)r->options.servers);
    ed_hosts_close(&r->hosts);
    r->options = filled;
    r->hosts = hosts;
    forget_all(r);
    return 0;
}

static int resolver_of(ed_loop *loop, struct resolver **out)
{
    static const char key;
    const struct ed_dns_options defaults = {.size = sizeof(defaults)};
    struct resolver *r = ed_loop_get(loop, &key);

    *out = r;
    if (r)
        return 0;
    r = calloc(1, sizeof(*r));
    if (!r)
        return ED_ENOMEM;
    r->loop = loop;
    r->answers = ed_map_new();
    ed_list_init(&r->recent);
    ed_list_init(&r->line);
    int err = r->answers ? configure(r, &defaults) : ED_ENOMEM;
    if (!err)
        err = ed_loop_set(loop, &key, r, close_resolver);
    if (err)
        close_resolver(r);
    else
        *out = r;
    return err;
}

static bool is_idle(const struct resolver *r)
{
    struct ed_map_iter it = {0};

    while (ed_map_next(r->answers, &it))
        if (((struct answer *)it.value)->users)
            return false;
    return true;
}

int ed_dns_configure_with(const struct ed_dns_options *given)
{
    ED_OPTIONS_TAKE(struct ed_dns_options, options, given);
    struct resolver *r;
    ed_loop *loop = ed_loop_current();
    int err = loop ? resolver_of(loop, &r) : ED_EUSAGE;

    if (err)
        return err;
    return is_idle(r) ? configure(r, &options) : ED_EUSAGE;
}

/* ---- resolving ---- */

static int outcome(int status, const char *name, enum ed_resolve_why *why)
{
    *why = ed_dns_query_why(status);
    return ed_dns_query_error(status, name);
}

/* Waits with everyone else who asks for the same. */
static int join(struct answer *answer, const char *name, struct ed_addrs *out,
                enum ed_resolve_why *why)
{
    answer->users++;
    if (answer->progress == KNOWN)
        ask(answer);
    if (answer->progress == KNOWN) { /* at once */
        answer->users--;
        give(answer, out);
        return outcome(answer->status, name, why);
    }
    int status = ed_waitq_wait(&answer->waiters, "name server", out);
    if (status >= 0)
        return outcome(status, name, why);
    if (!--answer->users && answer->progress != KNOWN)
        abandon(answer);
    return status;
}

static int ask_servers(struct resolver *r, const char *name,
                       struct ed_bytes lower, int family, struct ed_addrs *out,
                       enum ed_resolve_why *why)
{
    char text[ED_HOST_MAX + 2];
    struct ed_bytes key = {text, lower.len + 1};

    text[0] = family == AF_UNSPEC ? '*' : family == AF_INET ? '4' : '6';
    memcpy(text + 1, lower.ptr, lower.len);
    struct answer *answer = ed_map_get(r->answers, key);
    if (!answer)
        answer = new_answer(r, key, family);
    if (!answer)
        return ED_ENOMEM;
    if (answer->progress != KNOWN || answer->expires <= ed_now())
        return join(answer, name, out, why);
    stop_remembering(answer);
    remember(answer); /* used last */
    give(answer, out);
    return outcome(answer->status, name, why);
}

static void add_ip(struct ed_addrs *out, const char *ip, int family)
{
    struct ed_addr addr;

    if (ed_addr_parse_ip(&addr, ed_bytes(ip), 0))
        return;
    if (family == AF_UNSPEC || family == addr.any.sa_family)
        out->list[out->count++] = addr;
}

static bool is_localhost(struct ed_bytes name)
{
    static const struct ed_bytes local = {"localhost", 9};

    if (name.len < local.len ||
        memcmp(name.ptr + name.len - local.len, local.ptr, local.len))
        return false;
    return name.len == local.len || name.ptr[name.len - local.len - 1] == '.';
}

/* Without name servers; *lower is the name in lower case, as they know it. */
static int resolve_name_here(const char *name, int family, struct ed_addrs *out,
                             char text[ED_HOST_MAX + 1],
                             struct ed_bytes *lower_out)
{
    struct ed_bytes lower = {text, strlen(name)};
    struct resolver *r;

    if (lower.len > ED_HOST_MAX || !ed_host_is_name(ed_bytes(name)))
        return ed_fail(ED_EADDR, "resolve %.300s: not the name of a host",
                       name);
    ed_lower(text, ed_bytes(name));
    struct ed_bytes plain = lower;
    if (plain.ptr[plain.len - 1] == '.')
        plain.len--;
    if (is_localhost(plain)) {
        add_ip(out, "127.0.0.1", family);
        add_ip(out, "::1", family);
        return 0;
    }
    int err = resolver_of(ed_loop_current(), &r);
    if (err)
        return err;
    ed_hosts_find(&r->hosts, plain, family, out);
    *lower_out = lower;
    return 0;
}

/* The text of an address is its own answer. */
static int take_ip(const char *name, const struct ed_addr *ip, int family,
                   struct ed_addrs *out)
{
    if (family != AF_UNSPEC && family != ip->any.sa_family)
        return ed_fail(ED_ERESOLVE, "resolve %s: an address of the other kind",
                       name);
    out->list[out->count++] = *ip;
    return 0;
}

static int resolve_here(const char *name, int family, struct ed_addrs *out,
                        char text[ED_HOST_MAX + 1], struct ed_bytes *lower)
{
    struct ed_addr ip;

    out->count = 0;
    if (!ed_in_fiber() ||
        (family != AF_UNSPEC && family != AF_INET && family != AF_INET6))
        return ED_EUSAGE;
    if (!ed_addr_parse_ip(&ip, ed_bytes(name), 0))
        return take_ip(name, &ip, family, out);
    return resolve_name_here(name, family, out, text, lower);
}

int ed_resolve_here(const char *name, int family, struct ed_addrs *out)
{
    char text[ED_HOST_MAX + 1];
    struct ed_bytes lower;

    return resolve_here(name, family, out, text, &lower);
}

int ed_resolve_telling(const char *name, int family, struct ed_addrs *out,
                       enum ed_resolve_why *why)
{
    char text[ED_HOST_MAX + 1];
    struct ed_bytes lower;
    struct resolver *r;

    *why = ED_RESOLVE_NO_ADDRESS;
    int err = resolve_here(name, family, out, text, &lower);
    if (err || out->count)
        return err;
    if (!ed_loop_current())
        return ED_EUSAGE;
    err = resolver_of(ed_loop_current(), &r);
    return err ? err : ask_servers(r, name, lower, family, out, why);
}

int ed_resolve(const char *name, int family, struct ed_addrs *out)
{
    enum ed_resolve_why why;

    return ed_resolve_telling(name, family, out, &why);
}
