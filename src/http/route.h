/*
 * route.h - how an attempt gets to its server: the connection, proxies on the
 * way, and TLS.
 */
#ifndef EDDY_HTTP_ROUTE_H
#define EDDY_HTTP_ROUTE_H

#include "http/host_map.h"
#include "http/proxy.h"
#include "http/timeout.h"
#include <eddy/client.h>

struct ed_attempt;

/* What a client's options say about it. */
struct ed_routes {
    bool plain; /* neither hosts nor proxies: most clients */
    struct ed_host_map *hosts;
    struct ed_proxies proxies;
    struct ed_addr local; /* len 0: any */
    ed_tls *tls;          /* borrowed; NULL: the default */
    ed_tls *proxy_tls;
};

/* The way of one attempt. */
struct ed_route {
    const struct ed_proxy *proxy; /* NULL: none */
    struct ed_addr fixed;         /* where the host is; len 0: to be found */
    bool tunnel;                  /* it has to lead to the host itself */
};

/* Reads the options. 0, ED_ENOMEM or ED_EUSAGE, with ed_error(); close it in
 * any case. */
ED_CHECK int ed_routes_open(struct ed_routes *routes,
                            const struct ed_client_options *options);
void ed_routes_close(struct ed_routes *routes);

/* Chooses the way to a URL. Hosts of the map are reached without a proxy. */
void ed_route_choose(const struct ed_routes *routes, const struct ed_url *url,
                     struct ed_route *out);

/* Whether requests for a URL that is not secure are sent to a proxy, which
 * fetches it for us. */
static inline bool ed_route_is_relayed(const struct ed_route *route,
                                       const struct ed_url *url)
{
    return route->proxy && route->proxy->kind == ED_PROXY_HTTP &&
           !url->secure && !route->tunnel;
}

/*
 * Goes the way of an attempt: *out is a stream that takes the request. Sets the
 * timing of the phases and tells the hook of them. Suspends. Returns 0 or an
 * error as of ed_fetch(), explained.
 */
ED_CHECK int ed_route_open(struct ed_attempt *attempt, ed_stream **out);

#endif
