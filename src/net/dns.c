/*
 * dns.c - ed_resolve(): names to addresses, by c-ares on the loop.
 *
 * Owns a resolver for each loop: its answers, which are both the cache and
 * the lookups under way, and the queries. A query has a c-ares channel of its
 * own, because a channel can only be cancelled as a whole, and because each
 * then has a port of its own, which makes answers hard to forge. The channel
 * reads /etc/resolv.conf when it is made, so that changes are seen.
 *
 * Nothing here blocks but the reading of such small local files, and no thread
 * is started.
 */
#include "base/ascii.h"
#include "base/options.h"
#include "core/io.h"
#include "net/addr.h"
#include "net/hosts.h"
#include "net/resolve.h"
#include <eddy/dns.h>
#include <eddy/map.h>
#include <ares.h>
#include <pthread.h>
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
};

enum progress { KNOWN, IN_LINE, ASKED };

/* What is known of a name and family, or is being asked for. */
struct answer {
    struct resolver *resolver;
    struct ed_list link; /* in `recent` or `line` */
    enum progress progress;
    struct query *query;     /* while ASKED */
    struct ed_waitq waiters; /* data: struct ed_addrs */
    unsigned users;          /* fibers that may still touch this */
    int64_t expires;         /* when KNOWN; in the past: ask again */
    int status;              /* ARES_SUCCESS or why there is no address */
    unsigned count;
    struct ed_addr *list;
    int family;
    struct ed_bytes key; /* the name behind one byte for the family */
    char text[ED_HOST_MAX + 2];
};

struct query {
    struct resolver *resolver;
    struct answer *answer; /* NULL: the answer has come or is not wanted */
    ares_channel channel;
    struct ed_timer timer;
    struct ed_list sockets; /* struct query_socket */
};

/* A descriptor of c-ares, which opens and closes it. */
struct query_socket {
    struct ed_list link;
    struct query *query;
    struct ed_io io;
    struct ed_op readable, writable;
    bool want_readable, want_writable;
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

static void settle(struct answer *answer, int status, int64_t ttl)
{
    answer->status = status;
    answer->query = NULL;
    answer->expires = ttl ? ed_now() + ttl : 0;
    tell(answer);
    remember(answer);
}

/* ---- what c-ares found ---- */

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

/* At least one. */
static unsigned count_nodes(const struct ares_addrinfo *found)
{
    unsigned count = 1;
    const struct ares_addrinfo_node *node = found->nodes->ai_next;

    for (; node && count < ED_ADDRS_MAX; node = node->ai_next)
        count++;
    return count;
}

/* Takes the addresses over and returns how long they hold; 0 without memory. */
static int64_t take_nodes(struct answer *answer,
                          const struct ares_addrinfo *found)
{
    unsigned count = count_nodes(found);
    struct ed_addr *list = calloc(count, sizeof(*list));
    const struct ares_addrinfo_node *node = found->nodes;
    const struct ares_addrinfo_cname *cname = found->cnames;
    int ttl = INT32_MAX;

    if (!list)
        return 0;
    for (unsigned i = 0; i < count; i++, node = node->ai_next) {
        memcpy(&list[i].any, node->ai_addr, (size_t)node->ai_addrlen);
        list[i].len = (socklen_t)node->ai_addrlen;
        if (node->ai_ttl < ttl)
            ttl = node->ai_ttl;
    }
    for (; cname; cname = cname->next)
        if (cname->ttl < ttl)
            ttl = cname->ttl;
    answer->list = list;
    answer->count = count;
    int64_t time = clamp_ttl(answer->resolver, ttl * ED_S);
    if (is_half(answer) && time > HALF_ANSWER_TTL)
        time = HALF_ANSWER_TTL;
    return time;
}

static void on_found(void *arg, int status, int timeouts,
                     struct ares_addrinfo *found)
{
    struct query *query = arg;
    struct answer *answer = query->answer;
    int64_t ttl = 0;

    (void)timeouts;
    query->answer = NULL;
    if (status == ARES_SUCCESS && !found->nodes)
        status = ARES_ENODATA;
    if (answer && status == ARES_SUCCESS) {
        ttl = take_nodes(answer, found);
        if (!ttl)
            status = ARES_ENOMEM;
    } else if (status == ARES_ENOTFOUND || status == ARES_ENODATA) {
        ttl = query->resolver->options.negative_ttl;
    }
    if (found)
        ares_freeaddrinfo(found);
    if (answer)
        settle(answer, status, ttl);
}

/* ---- queries on the loop ---- */

static void begin_next(struct resolver *r);

static void end_query(struct query *query)
{
    struct resolver *r = query->resolver;

    query->answer = NULL;
    ed_timer_stop(r->loop, &query->timer);
    ares_destroy(query->channel); /* closes its sockets, telling us */
    free(query);
    r->queries--;
    begin_next(r);
}

/* To be called after each call into c-ares, which must not be left to wait
 * without a timer. False when the query has ended. */
static bool go_on(struct query *query)
{
    struct timeval tv;

    if (!query->answer) {
        end_query(query);
        return false;
    }
    if (ares_timeout(query->channel, NULL, &tv)) {
        /* c-ares looks at milliseconds: one too early would be for nothing. */
        int64_t at = ed_now() + tv.tv_sec * ED_S + tv.tv_usec * ED_US + ED_MS;
        if (!ed_timer_start(query->resolver->loop, &query->timer, at))
            return true;
        struct answer *answer = query->answer;
        end_query(query);
        settle(answer, ARES_ENOMEM, 0);
        return false;
    }
    return true;
}

static void timer_due(struct ed_timer *timer)
{
    struct query *query = ED_CONTAINER(timer, struct query, timer);

    ares_process_fd(query->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    go_on(query);
}

static struct query_socket *find_socket(struct query *query, int fd)
{
    ed_list_each (link, &query->sockets) {
        struct query_socket *sock =
            ED_CONTAINER(link, struct query_socket, link);
        if (sock->io.fd == fd)
            return sock;
    }
    return NULL;
}

/* Starts or stops an operation. If the system cannot watch the descriptor,
 * c-ares will find that no answer comes. */
static void set_watch(struct query_socket *sock, struct ed_op *pending,
                      struct ed_op *op, bool on)
{
    if (!on)
        ed_io_stop(&sock->io, op);
    else if (pending != op && ed_io_start(&sock->io, op) != ED_IO_PENDING)
        ed_io_stop(&sock->io, op);
}

static void socket_ready(struct query_socket *sock, bool writable)
{
    struct query *query = sock->query;
    ares_socket_t fd = sock->io.fd;

    ares_process_fd(query->channel, writable ? ARES_SOCKET_BAD : fd,
                    writable ? fd : ARES_SOCKET_BAD);
    if (!go_on(query))
        return;
    sock = find_socket(query, fd);
    if (!sock)
        return;
    /* What is still wanted was left alone by c-ares; it happens once. */
    if (sock->want_readable)
        set_watch(sock, sock->io.in, &sock->readable, true);
    if (sock->want_writable)
        set_watch(sock, sock->io.out, &sock->writable, true);
}

static void became_readable(struct ed_op *op, ssize_t result)
{
    (void)result;
    socket_ready(ED_CONTAINER(op, struct query_socket, readable), false);
}

static void became_writable(struct ed_op *op, ssize_t result)
{
    (void)result;
    socket_ready(ED_CONTAINER(op, struct query_socket, writable), true);
}

static struct query_socket *new_socket(struct query *query, int fd)
{
    struct query_socket *sock = calloc(1, sizeof(*sock));

    if (!sock)
        return NULL;
    if (ed_io_open(query->resolver->loop, &sock->io, fd)) {
        free(sock);
        return NULL;
    }
    sock->query = query;
    sock->readable =
        (struct ed_op){.done = became_readable, .kind = ED_OP_READABLE};
    sock->writable =
        (struct ed_op){.done = became_writable, .kind = ED_OP_WRITABLE};
    ed_list_add_back(&query->sockets, &sock->link);
    return sock;
}

/* c-ares tells what it waits for; nothing at all before it closes. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable,
                            int writable)
{
    struct query *query = arg;
    struct query_socket *sock = find_socket(query, fd);

    if (!readable && !writable) {
        if (!sock)
            return;
        ed_io_release(&sock->io);
        ed_list_remove(&sock->link);
        free(sock);
        return;
    }
    if (!sock)
        sock = new_socket(query, fd);
    if (!sock)
        return;
    sock->want_readable = readable;
    sock->want_writable = writable;
    set_watch(sock, sock->io.in, &sock->readable, readable);
    set_watch(sock, sock->io.out, &sock->writable, writable);
}

static int open_channel(ares_channel *out, const struct ed_dns_options *how,
                        struct query *query)
{
    static char no_file[] = "/dev/null";
    static char by_server[] = "b"; /* the hosts file is ours */
    struct ares_options options = {
        .timeout = (int)(how->try_time / ED_MS),
        .tries = how->tries,
        .lookups = by_server,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = query,
        .resolvconf_path = no_file,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_SOCK_STATE_CB;

    if (how->servers)
        mask |= ARES_OPT_RESOLVCONF | ARES_OPT_DOMAINS;
    int status = ares_init_options(out, &options, mask);
    if (status != ARES_SUCCESS || !how->servers)
        return status;
    status = ares_set_servers_ports_csv(*out, how->servers);
    if (status != ARES_SUCCESS)
        ares_destroy(*out);
    return status;
}

/* Asks; the answer may be there when this returns. */
static void begin(struct answer *answer)
{
    struct resolver *r = answer->resolver;
    struct ares_addrinfo_hints hints = {
        .ai_family = answer->family,
        .ai_socktype = SOCK_STREAM,
    };
    struct query *query = calloc(1, sizeof(*query));
    int status = ARES_ENOMEM;

    if (query) {
        query->resolver = r;
        query->timer.fire = timer_due;
        ed_list_init(&query->sockets);
        status = open_channel(&query->channel, &r->options, query);
    }
    if (status != ARES_SUCCESS) {
        free(query);
        settle(answer, status, 0);
        return;
    }
    r->queries++;
    answer->progress = ASKED;
    answer->query = query;
    query->answer = answer;
    ares_getaddrinfo(query->channel, answer->text + 1, NULL, &hints, on_found,
                     query);
    go_on(query);
}

static void begin_next(struct resolver *r)
{
    while (r->queries < QUERIES_AT_ONCE && !ed_list_empty(&r->line))
        begin(ED_CONTAINER(ed_list_take(&r->line), struct answer, link));
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
    struct query *query = answer->query;

    settle(answer, ARES_ECANCELLED, 0);
    if (query)
        end_query(query);
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

/* Whether c-ares understands the servers; it has no other way to say. */
static int check_servers(const struct ed_dns_options *options)
{
    ares_channel channel;
    struct query nobody = {0};

    if (!options->servers)
        return 0;
    ed_list_init(&nobody.sockets);
    int status = open_channel(&channel, options, &nobody);
    if (status == ARES_SUCCESS)
        ares_destroy(channel);
    else
        return status == ARES_ENOMEM ? ED_ENOMEM : ED_EADDR;
    return 0;
}

/* Replaces the options; on failure all is as it was. */
static int configure(struct resolver *r, const struct ed_dns_options *options)
{
    struct ed_dns_options filled = *options;
    struct ed_hosts hosts;
    int err;

    fill_defaults(&filled);
    err = check_servers(&filled);
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

static void init_library(void)
{
    ares_library_init(ARES_LIB_INIT_ALL);
}

static int resolver_of(ed_loop *loop, struct resolver **out)
{
    static const char key;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct ed_dns_options defaults = {.size = sizeof(defaults)};
    struct resolver *r = ed_loop_get(loop, &key);

    *out = r;
    if (r)
        return 0;
    pthread_once(&once, init_library);
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

/* ---- asking ---- */

static const char *reason_of(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
        return "no such name";
    case ARES_ENODATA:
        return "the name has no such address";
    case ARES_ESERVFAIL:
        return "the name server failed";
    case ARES_EREFUSED:
        return "the name server refused to answer";
    case ARES_ECONNREFUSED:
        return "no name server can be reached";
    case ARES_ETIMEOUT:
        return "no name server answered";
    case ARES_EBADRESP:
        return "the name server's answer makes no sense";
    }
    return ares_strerror(status);
}

static int result_of(const char *name, int status)
{
    if (status == ARES_SUCCESS)
        return 0;
    return ed_fail(status == ARES_ENOMEM ? ED_ENOMEM : ED_ERESOLVE,
                   "resolve %s: %s", name, reason_of(status));
}

/* Waits with everyone else who asks for the same. */
static int join(struct answer *answer, const char *name, struct ed_addrs *out)
{
    answer->users++;
    if (answer->progress == KNOWN)
        ask(answer);
    if (answer->progress == KNOWN) { /* at once */
        answer->users--;
        give(answer, out);
        return result_of(name, answer->status);
    }
    int status = ed_waitq_wait(&answer->waiters, "name server", out);
    if (status >= 0)
        return result_of(name, status);
    if (!--answer->users && answer->progress != KNOWN)
        abandon(answer);
    return status;
}

static int ask_servers(struct resolver *r, const char *name,
                       struct ed_bytes lower, int family, struct ed_addrs *out)
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
        return join(answer, name, out);
    stop_remembering(answer);
    remember(answer); /* used last */
    give(answer, out);
    return result_of(name, answer->status);
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

int ed_resolve(const char *name, int family, struct ed_addrs *out)
{
    char text[ED_HOST_MAX + 1];
    struct ed_bytes lower;
    struct resolver *r;

    int err = resolve_here(name, family, out, text, &lower);
    if (err || out->count)
        return err;
    err = resolver_of(ed_loop_current(), &r);
    return err ? err : ask_servers(r, name, lower, family, out);
}
