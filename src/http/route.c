/*
 * route.c - how an attempt gets to its server.
 *
 * A way has phases, each bounded by a timeout of its own: finding addresses,
 * connecting, TLS to the proxy, asking the proxy, TLS to the server. What is
 * open belongs to the way until all of them are done.
 */
#include "http/route.h"
#include "http/attempt.h"
#include "http/tunnel.h"
#include "http/watch.h"
#include "net/connect.h"
#include "net/resolve.h"
#include <stdio.h>

#define PROTOCOLS "http/1.1"

/* ---- what a client's options say ---- */

int ed_routes_open(struct ed_routes *routes,
                   const struct ed_client_options *options)
{
    *routes = (struct ed_routes){
        .tls = options->tls,
        .proxy_tls = options->proxy_tls ? options->proxy_tls : options->tls,
    };
    if (options->local &&
        ed_connect_parse_local(&routes->local, options->local))
        return ed_fail(ED_EUSAGE,
                       "local: '%.120s' is no address to connect "
                       "from",
                       options->local);
    int err = ed_host_map_new(&routes->hosts, options->hosts);
    if (!err)
        err = ed_proxies_open(&routes->proxies, options->proxy,
                              options->no_proxy);
    routes->plain = !routes->hosts && !ed_proxies_any(&routes->proxies);
    return err;
}

void ed_routes_close(struct ed_routes *routes)
{
    ed_host_map_free(routes->hosts);
    ed_proxies_close(&routes->proxies);
}

void ed_route_choose(const struct ed_routes *routes, const struct ed_url *url,
                     struct ed_route *out)
{
    out->proxy = NULL;
    out->fixed.len = 0;
    if (routes->plain || url->socket.len)
        return;
    if (routes->hosts &&
        ed_host_map_find(routes->hosts, url->host, url->port, &out->fixed))
        return;
    out->proxy = ed_proxies_choose(&routes->proxies, url);
}

/* ---- the way ---- */

struct way {
    struct ed_attempt *attempt;
    const struct ed_proxy *proxy;
    struct ed_connecting connecting;
    struct ed_addrs addrs; /* of where to connect */
    struct ed_addr target; /* for a SOCKS5 proxy; len 0: it finds the name */
    ed_stream *stream;
};

struct phase {
    int (*run)(struct way *way);
    enum ed_timeout timeout;
    const char *missing; /* when it does not come to an end in time */
};

/* Whether a policy has resolved the name, and chosen one of its addresses. */
static bool is_planned(const struct ed_attempt *a)
{
    return a->journey->plan && a->journey->plan->to.len;
}

/* A policy that knows of further addresses leaves less time to each. */
static int64_t timeout_of(const struct way *way, const struct phase *phase)
{
    const struct ed_attempt *a = way->attempt;

    if (phase->timeout == ED_TIMEOUT_CONNECT)
        return is_planned(a) ? a->journey->plan->connect_within
                             : ed_journey_connect_within(a->journey);
    return ed_timeout_within(&way->attempt->client->timeouts, phase->timeout);
}

static int run_within(struct way *way, const struct phase *phase)
{
    ed_scope(s, .within = timeout_of(way, phase),
             .name = ed_timeout_name(phase->timeout));
    return phase->run(way);
}

/* The time of the phase itself is over. */
static int explain_timeout(const struct way *way, const struct phase *phase)
{
    const struct ed_attempt *a = way->attempt;
    char text[320];

    ed_timeout_text(text, sizeof(text), phase->missing, phase->timeout,
                    timeout_of(way, phase));
    /* Which addresses were tried, and what they did. */
    size_t at = strlen(text);
    if (phase->timeout == ED_TIMEOUT_CONNECT)
        snprintf(text + at, sizeof(text) - at, ": %s", ed_error());
    return ed_journey_explain(a->journey, ED_ETIMEOUT, "%s", text);
}

static int explain(const struct way *way, const struct phase *phase, int err)
{
    const struct ed_attempt *a = way->attempt;

    if (err == ED_ETIMEOUT && !ed_cancelled())
        return explain_timeout(way, phase);
    if (err == ED_ETIMEOUT || err == ED_ECANCELED)
        return ed_attempt_explain_end(a, err, phase->missing);
    if (!way->proxy)
        return ed_journey_explain(a->journey, err, "%s", ed_error());
    return ed_journey_explain(a->journey, err, "by proxy %.80s: %s",
                              way->proxy->text, ed_error());
}

static int run(struct way *way, const struct phase *phase)
{
    int err = run_within(way, phase);

    return err ? explain(way, phase, err) : 0;
}

/* ---- connecting ---- */

/* Says where to connect: to the proxy, to what the map has, or to the host. */
static int find_end(struct way *way)
{
    struct ed_attempt *a = way->attempt;
    struct ed_endpoint *to = &way->connecting.to;

    way->connecting.from = a->client->routes.local;
    if (way->proxy)
        *to = way->proxy->at;
    else if (a->route.fixed.len)
        to->addr = a->route.fixed;
    else if (ed_endpoint_parse(to, a->authority))
        return ed_journey_explain(a->journey, ED_EURL, "malformed host");
    return 0;
}

/* With a proxy that resolves no names, that of the server, too. */
static int find_target(struct way *way)
{
    const struct ed_attempt *a = way->attempt;
    struct ed_endpoint host;

    if (ed_endpoint_parse(&host, a->authority))
        return ed_fail(ED_EURL, "malformed host");
    way->target = host.addr;
    if (host.addr.len || way->proxy->kind == ED_PROXY_SOCKS5H)
        return 0;
    int err = ed_resolve_soon(host.host, &way->addrs);
    if (!err)
        way->target = way->addrs.list[0];
    return err;
}

static int resolve(struct way *way)
{
    int err = 0;

    if (way->proxy && way->proxy->kind != ED_PROXY_HTTP)
        err = find_target(way);
    return err ? err : ed_net_resolve(&way->connecting, &way->addrs);
}

static int connect_to(struct way *way)
{
    int err = ed_net_connect_any(&way->connecting, &way->addrs);

    way->stream = way->connecting.stream;
    return err;
}

/* ---- proxies and TLS ---- */

static int secure_proxy(struct way *way)
{
    return ed_start_tls(&way->stream, way->attempt->client->routes.proxy_tls,
                        .server_name = way->proxy->name, .alpn = PROTOCOLS);
}

static int ask_proxy(struct way *way)
{
    const struct ed_attempt *a = way->attempt;
    const ed_client *client = a->client;

    if (way->proxy->kind == ED_PROXY_HTTP)
        return ed_tunnel_http(
            way->stream, way->proxy, a->authority, a->head.proxy_authorization,
            ed_bytes_of(client->user_agent, client->user_agent_len));
    return ed_tunnel_socks5(way->stream, way->proxy, a->url.host, a->url.port,
                            &way->target);
}

static int secure(struct way *way)
{
    const struct ed_attempt *a = way->attempt;
    struct ed_bytes host = a->url.host;
    char name[ED_HOST_MAX + 1];

    /* Certificates have no final dot (RFC 6066, 3). */
    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--;
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    return ed_start_tls(&way->stream, a->client->routes.tls,
                        .server_name = name, .alpn = PROTOCOLS);
}

/* ---- the phases ---- */

static void note_time(const struct way *way, int64_t *time, enum ed_phase phase)
{
    const ed_res *res = way->attempt->res;

    *time = ed_res_now(res);
    ed_watch_attempt(res, phase, 0);
}

static int connect_phases(struct way *way)
{
    static const struct phase resolving = {resolve, ED_TIMEOUT_RESOLVE,
                                           "name not resolved"};
    static const struct phase connecting = {connect_to, ED_TIMEOUT_CONNECT,
                                            "not connected"};
    struct ed_res_timing *timing = &way->attempt->res->timing;

    int err = find_end(way);
    if (!err)
        err = run(way, &resolving);
    if (err)
        return err;
    if (*way->connecting.to.host || is_planned(way->attempt))
        note_time(way, &timing->resolved, ED_PHASE_RESOLVED);
    err = run(way, &connecting);
    if (!err)
        note_time(way, &timing->connected, ED_PHASE_CONNECTED);
    return err;
}

static int proxy_phases(struct way *way)
{
    static const struct phase securing = {secure_proxy, ED_TIMEOUT_TLS,
                                          "no TLS to the proxy"};
    static const struct phase asking = {ask_proxy, ED_TIMEOUT_TLS,
                                        "no answer of the proxy"};
    const struct ed_attempt *a = way->attempt;
    int err = 0;

    if (!way->proxy)
        return 0;
    if (way->proxy->secure)
        err = run(way, &securing);
    if (err || ed_route_is_relayed(&a->route, &a->url))
        return err;
    err = run(way, &asking);
    way->proxy = NULL; /* what fails from now on is not its doing */
    return err;
}

static int tls_phase(struct way *way)
{
    static const struct phase securing = {secure, ED_TIMEOUT_TLS,
                                          "no TLS to the server"};
    struct ed_attempt *a = way->attempt;

    if (!a->url.secure)
        return 0;
    int err = run(way, &securing);
    if (!err)
        note_time(way, &a->res->timing.secured, ED_PHASE_TLS);
    return err;
}

int ed_route_open(struct ed_attempt *attempt, ed_stream **out)
{
    struct way way;

    /* Not all of it: there is much room for addresses. */
    way.attempt = attempt;
    way.proxy = attempt->route.proxy;
    way.connecting = (struct ed_connecting){0};
    way.target.len = 0;
    way.stream = NULL;
    int err = connect_phases(&way);
    if (!err)
        err = proxy_phases(&way);
    if (!err)
        err = tls_phase(&way);
    if (err)
        ed_stream_close(way.stream);
    else
        *out = way.stream;
    return err;
}
