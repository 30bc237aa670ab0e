/*
 * dns_query.c - a question to name servers, by c-ares on the loop.
 *
 * Owns a c-ares channel for each query, because a channel can only be cancelled
 * as a whole, and because each then has a port of its own, which makes answers
 * hard to forge. The channel reads /etc/resolv.conf when it is made, so that
 * changes are seen: the only thing that blocks here.
 */
#include "net/dns_query.h"
#include "core/io.h"
#include <eddy/clock.h>
#include <eddy/fiber.h>
#include <ares.h>
#include <pthread.h>
#include <stdlib.h>

struct ed_dns_query {
    ed_loop *loop;
    ares_channel channel;
    struct ed_timer timer;
    struct ed_list sockets; /* struct query_socket */
    bool over;              /* nothing is waited for any more */
    struct ed_dns_found found;
    ed_dns_done *done;
    void *arg;
};

/* A descriptor of c-ares, which opens and closes it. */
struct query_socket {
    struct ed_list link;
    struct ed_dns_query *query;
    struct ed_io io;
    struct ed_op readable, writable;
    bool want_readable, want_writable;
};

/* ---- what c-ares found ---- */

/* At least one. */
static unsigned count_nodes(const struct ares_addrinfo *found)
{
    unsigned count = 1;
    const struct ares_addrinfo_node *node = found->nodes->ai_next;

    for (; node && count < ED_ADDRS_MAX; node = node->ai_next)
        count++;
    return count;
}

/* Takes the addresses over. False without memory. */
static bool take_nodes(struct ed_dns_found *out,
                       const struct ares_addrinfo *found)
{
    const struct ares_addrinfo_node *node = found->nodes;
    const struct ares_addrinfo_cname *cname = found->cnames;
    int ttl = INT32_MAX;

    out->count = count_nodes(found);
    out->list = calloc(out->count, sizeof(*out->list));
    if (!out->list)
        return false;
    for (unsigned i = 0; i < out->count; i++, node = node->ai_next) {
        memcpy(&out->list[i].any, node->ai_addr, (size_t)node->ai_addrlen);
        out->list[i].len = (socklen_t)node->ai_addrlen;
        if (node->ai_ttl < ttl)
            ttl = node->ai_ttl;
    }
    for (; cname; cname = cname->next)
        if (cname->ttl < ttl)
            ttl = cname->ttl;
    out->ttl = ttl * ED_S;
    return true;
}

/* Of several ends the first counts. */
static void end_with(struct ed_dns_query *query, int status)
{
    if (query->over)
        return;
    query->found.status = status;
    query->found.none = status == ARES_ENOTFOUND || status == ARES_ENODATA;
    query->over = true;
}

static void on_found(void *arg, int status, int timeouts,
                     struct ares_addrinfo *found)
{
    struct ed_dns_query *query = arg;
    struct ed_dns_found *out = &query->found;

    (void)timeouts;
    if (status == ARES_SUCCESS && !found->nodes)
        status = ARES_ENODATA;
    if (!query->over) {
        if (status == ARES_SUCCESS && !take_nodes(out, found)) {
            out->count = 0;
            status = ARES_ENOMEM;
        }
        end_with(query, status);
    }
    if (found)
        ares_freeaddrinfo(found);
}

/* ---- on the loop ---- */

static void close_query(struct ed_dns_query *query)
{
    query->over = true;
    ed_timer_stop(query->loop, &query->timer);
    ares_destroy(query->channel); /* closes its sockets, telling us */
    free(query);
}

static void finish(struct ed_dns_query *query)
{
    struct ed_dns_found found = query->found;
    ed_dns_done *done = query->done;
    void *arg = query->arg;

    close_query(query);
    done(arg, &found);
}

/* To be called after each call into c-ares, which must not be left to wait
 * without a timer. False when the query has ended. */
static bool go_on(struct ed_dns_query *query)
{
    struct timeval tv;

    if (!query->over && ares_timeout(query->channel, NULL, &tv)) {
        /* c-ares looks at milliseconds: one too early would be for nothing. */
        int64_t at = ed_now() + tv.tv_sec * ED_S + tv.tv_usec * ED_US + ED_MS;
        if (ed_timer_start(query->loop, &query->timer, at))
            end_with(query, ARES_ENOMEM);
    }
    if (!query->over)
        return true;
    finish(query);
    return false;
}

static void timer_due(struct ed_timer *timer)
{
    struct ed_dns_query *query =
        ED_CONTAINER(timer, struct ed_dns_query, timer);

    ares_process_fd(query->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    go_on(query);
}

static struct query_socket *find_socket(struct ed_dns_query *query, int fd)
{
    ed_list_each (link, &query->sockets) {
        struct query_socket *sock =
            ED_CONTAINER(link, struct query_socket, link);
        if (sock->io.fd == fd)
            return sock;
    }
    return NULL;
}

/* Starts or stops an operation. What the system cannot watch for want of memory
 * would be waited for in vain: c-ares has seconds of patience. */
static void set_watch(struct query_socket *sock, struct ed_op *pending,
                      struct ed_op *op, bool on)
{
    if (on && pending == op)
        return;
    if (on && ed_io_start(&sock->io, op) == ED_IO_PENDING)
        return;
    ed_io_stop(&sock->io, op);
    if (on)
        end_with(sock->query, ARES_ENOMEM);
}

static void socket_ready(struct query_socket *sock, bool writable)
{
    struct ed_dns_query *query = sock->query;
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
    if (query->over)
        finish(query);
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

static struct query_socket *new_socket(struct ed_dns_query *query, int fd)
{
    struct query_socket *sock = calloc(1, sizeof(*sock));

    if (!sock)
        return NULL;
    if (ed_io_open(query->loop, &sock->io, fd)) {
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

/* c-ares tells what it waits for; nothing at all before it closes. It cannot be
 * told that something went wrong: who has called it sees that all is over. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable,
                            int writable)
{
    struct ed_dns_query *query = arg;
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
    if (!sock) {
        end_with(query, ARES_ENOMEM);
        return;
    }
    sock->want_readable = readable;
    sock->want_writable = writable;
    set_watch(sock, sock->io.in, &sock->readable, readable);
    set_watch(sock, sock->io.out, &sock->writable, writable);
}

/* ---- asking ---- */

static void init_library(void)
{
    ares_library_init(ARES_LIB_INIT_ALL);
}

static int open_channel(ares_channel *out, const struct ed_dns_options *how,
                        struct ed_dns_query *query)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
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

    pthread_once(&once, init_library);
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

void ed_dns_query_begin(struct ed_dns_query **out, ed_loop *loop,
                        const struct ed_dns_options *options, const char *name,
                        int family, ed_dns_done *done, void *arg)
{
    struct ares_addrinfo_hints hints = {
        .ai_family = family,
        .ai_socktype = SOCK_STREAM,
    };
    struct ed_dns_query *query = calloc(1, sizeof(*query));
    int status = ARES_ENOMEM;

    if (query) {
        query->loop = loop;
        query->timer.fire = timer_due;
        query->done = done;
        query->arg = arg;
        ed_list_init(&query->sockets);
        status = open_channel(&query->channel, options, query);
    }
    if (status != ARES_SUCCESS) {
        free(query);
        *out = NULL;
        done(arg, &(struct ed_dns_found){.status = status});
        return;
    }
    *out = query;
    ares_getaddrinfo(query->channel, name, NULL, &hints, on_found, query);
    go_on(query);
}

void ed_dns_query_end(struct ed_dns_query *query)
{
    close_query(query);
}

int ed_dns_query_check(const struct ed_dns_options *options)
{
    ares_channel channel;
    struct ed_dns_query nobody = {0};

    ed_list_init(&nobody.sockets);
    int status = open_channel(&channel, options, &nobody);
    if (status != ARES_SUCCESS)
        return status == ARES_ENOMEM ? ED_ENOMEM : ED_EADDR;
    ares_destroy(channel);
    return 0;
}

/* ---- what it came to, in words ---- */

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

enum ed_resolve_why ed_dns_query_why(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
        return ED_RESOLVE_NO_NAME;
    case ARES_ENODATA:
        return ED_RESOLVE_NO_ADDRESS;
    default:
        return ED_RESOLVE_NO_ANSWER;
    }
}

int ed_dns_query_error(int status, const char *name)
{
    if (status == ARES_SUCCESS)
        return 0;
    return ed_fail(status == ARES_ENOMEM ? ED_ENOMEM : ED_ERESOLVE,
                   "resolve %s: %s", name, reason_of(status));
}
