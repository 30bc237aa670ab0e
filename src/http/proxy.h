/*
 * proxy.h - which proxy a URL is fetched through, if any.
 */
#ifndef EDDY_HTTP_PROXY_H
#define EDDY_HTTP_PROXY_H

#include "net/addr.h"
#include "wire/url.h"

enum ed_proxy_kind {
    ED_PROXY_HTTP,
    ED_PROXY_SOCKS5,  /* names are resolved here */
    ED_PROXY_SOCKS5H, /* and there */
};

struct ed_proxy {
    enum ed_proxy_kind kind;
    bool secure;                /* spoken to over TLS */
    struct ed_endpoint at;      /* where it is */
    char name[ED_HOST_MAX + 1]; /* its host, to be found in its certificate */
    char *user;                 /* decoded; NULL: none */
    char *password;
    char *authorization; /* "Basic ...", of one that speaks HTTP; or NULL */
    char *text;          /* "socks5://host:port" for people: nothing secret */
    char key[4];         /* "#1": stands for all of that within a client */
};

/* The proxies of a client. Zeroed: none. */
struct ed_proxies {
    struct ed_proxy *of_http;
    struct ed_proxy *of_https; /* may be the same */
    char *no_proxy;            /* NULL: nobody */
};

/*
 * Reads what the options of a client say: "" is none, and NULL what the
 * environment says (of each by itself). 0, ED_ENOMEM, or ED_EUSAGE, ed_error()
 * saying what is wrong, without secrets; close it in any case.
 */
ED_CHECK int ed_proxies_open(struct ed_proxies *proxies, const char *proxy,
                             const char *no_proxy);
void ed_proxies_close(struct ed_proxies *proxies);

static inline bool ed_proxies_any(const struct ed_proxies *proxies)
{
    return proxies->of_http || proxies->of_https;
}

/* The proxy to fetch a URL through; NULL: none. */
const struct ed_proxy *ed_proxies_choose(const struct ed_proxies *proxies,
                                         const struct ed_url *url);

#endif
