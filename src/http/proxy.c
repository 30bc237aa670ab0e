/*
 * proxy.c - which proxy a URL is fetched through, if any.
 *
 * Owns what is known of proxies. The environment is read as curl reads it:
 * http_proxy in lower case only, since a CGI program's environment has an
 * HTTP_PROXY of the client's making; an empty variable is none; and a proxy
 * without a port is at 1080, or at 443 when it is spoken to over TLS.
 */
#include "http/proxy.h"
#include "base/base64.h"
#include "wire/no_proxy.h"
#include "wire/socks5.h"
#include <eddy/fiber.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLAIN_PORT = 1080, SECURE_PORT = 443 };

/* ---- one proxy ---- */

static void free_proxy(struct ed_proxy *proxy)
{
    if (!proxy)
        return;
    free(proxy->user);
    free(proxy->password);
    free(proxy->authorization);
    free(proxy->text);
    free(proxy);
}

/* Takes "scheme://" off. False when it is none of ours. */
static bool read_scheme(struct ed_proxy *proxy, struct ed_bytes *rest)
{
    static const struct {
        struct ed_bytes scheme;
        enum ed_proxy_kind kind;
        bool secure;
    } known[] = {
        {{"http", 4}, ED_PROXY_HTTP, false},
        {{"https", 5}, ED_PROXY_HTTP, true},
        {{"socks5", 6}, ED_PROXY_SOCKS5, false},
        {{"socks5h", 7}, ED_PROXY_SOCKS5H, false},
    };
    ssize_t len = ed_bytes_find(*rest, ED_BYTES("://"));

    if (len < 0)
        return true; /* "host:port" is a proxy that speaks HTTP */
    struct ed_bytes scheme = ed_bytes_of(rest->ptr, (size_t)len);
    rest->ptr += len + 3;
    rest->len -= (size_t)len + 3;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (!ed_bytes_equal_nocase(scheme, known[i].scheme))
            continue;
        proxy->kind = known[i].kind;
        proxy->secure = known[i].secure;
        return true;
    }
    return false;
}

/* Decodes a part of the user information. 0, ED_EURL or ED_ENOMEM. */
static int decode(struct ed_bytes part, char **out)
{
    char *text = malloc(part.len + 1);

    if (!text)
        return ED_ENOMEM;
    ssize_t len = ed_url_decode(text, part, false);
    if (len < 0 || len > ED_SOCKS5_TEXT_MAX) {
        free(text);
        return ED_EURL;
    }
    text[len] = '\0';
    *out = text;
    return 0;
}

static int make_authorization(struct ed_proxy *proxy)
{
    struct ed_buf plain = {0}, field = {0};
    int err = ed_buf_addf(&plain, "%s:%s", proxy->user, proxy->password);

    if (!err)
        err = ed_buf_addf(&field, "Basic ");
    if (!err)
        err = ed_base64_encode(&field, ed_buf_bytes(&plain));
    ed_buf_free(&plain);
    proxy->authorization = field.ptr;
    return err;
}

/* Takes "user:password@" off. */
static int read_user(struct ed_proxy *proxy, struct ed_bytes *rest)
{
    const char *at = memrchr(rest->ptr, '@', rest->len);

    if (!at)
        return 0;
    struct ed_bytes password = ed_bytes_of(rest->ptr, (size_t)(at - rest->ptr));
    rest->len -= password.len + 1;
    rest->ptr = at + 1;
    struct ed_bytes user = ed_bytes_cut(&password, ':');
    int err = decode(user, &proxy->user);
    if (!err)
        err = decode(password, &proxy->password);
    if (!err && proxy->kind == ED_PROXY_HTTP)
        err = make_authorization(proxy);
    return err;
}

/* Where it is: a URL of ours with the same host and port says. */
static int read_place(struct ed_proxy *proxy, struct ed_bytes rest)
{
    char text[ED_HOST_MAX + 32];
    struct ed_url url;
    const char *why;

    int len =
        snprintf(text, sizeof(text), "http://%.*s", (int)rest.len, rest.ptr);
    if (len < 0 || (size_t)len >= sizeof(text) ||
        ed_url_parse(&url, ed_bytes_of(text, (size_t)len), &why))
        return ED_EURL;
    if (url.socket.len || url.userinfo.ptr || url.path.len > 1 ||
        url.query.ptr || url.fragment.ptr || url.host.len > ED_HOST_MAX)
        return ED_EURL;
    uint16_t port = url.port_given  ? url.port
                    : proxy->secure ? SECURE_PORT
                                    : PLAIN_PORT;
    memcpy(proxy->name, url.host.ptr, url.host.len);
    return ed_endpoint_of(&proxy->at, url.host, port) ? ED_EURL : 0;
}

static int name_it(struct ed_proxy *proxy, unsigned number)
{
    static const char *const schemes[] = {"http", "socks5", "socks5h"};
    bool ipv6 = proxy->at.addr.len && proxy->at.addr.any.sa_family == AF_INET6;

    if (asprintf(&proxy->text, "%s%s://%s%s%s:%u", schemes[proxy->kind],
                 proxy->secure ? "s" : "", ipv6 ? "[" : "", proxy->name,
                 ipv6 ? "]" : "", proxy->at.port) < 0) {
        proxy->text = NULL;
        return ED_ENOMEM;
    }
    snprintf(proxy->key, sizeof(proxy->key), "#%u", number % 100);
    return 0;
}

static int read_proxy(struct ed_proxy *proxy, struct ed_bytes text,
                      unsigned number)
{
    if (!read_scheme(proxy, &text))
        return ED_EUSAGE;
    int err = read_user(proxy, &text);
    if (!err)
        err = read_place(proxy, text);
    return err ? err : name_it(proxy, number);
}

/* Makes a proxy of the text that `where` gave; of an empty one, none. */
static int make_proxy(struct ed_proxy **out, const char *text,
                      const char *where, unsigned number)
{
    if (!*text)
        return 0;
    struct ed_proxy *proxy = calloc(1, sizeof(*proxy));
    int err = proxy ? read_proxy(proxy, ed_bytes(text), number) : ED_ENOMEM;
    if (!err) {
        *out = proxy;
        return 0;
    }
    free_proxy(proxy);
    if (err == ED_ENOMEM)
        return ed_fail(err, "no memory for a proxy");
    return ed_fail(ED_EUSAGE,
                   err == ED_EUSAGE ? "%s: its scheme is none of http, https, "
                                      "socks5 and socks5h"
                                    : "%s: not the URL of a proxy",
                   where);
}

/* ---- those of a client ---- */

/* The first of the variables that is there and not empty; *name is which. */
static const char *variable(const char *const *names, const char **name)
{
    for (; *names; names++) {
        const char *value = getenv(*names);
        if (value && *value) {
            *name = *names;
            return value;
        }
    }
    return "";
}

static const char *const OF_HTTP[] = {"http_proxy", "all_proxy", "ALL_PROXY",
                                      NULL};
static const char *const OF_HTTPS[] = {"https_proxy", "HTTPS_PROXY",
                                       "all_proxy", "ALL_PROXY", NULL};
static const char *const NO_PROXY[] = {"no_proxy", "NO_PROXY", NULL};

static int read_environment(struct ed_proxies *proxies)
{
    const char *name = "";
    const char *text = variable(OF_HTTP, &name);
    int err = make_proxy(&proxies->of_http, text, name, 1);

    if (err)
        return err;
    text = variable(OF_HTTPS, &name);
    return make_proxy(&proxies->of_https, text, name, 2);
}

int ed_proxies_open(struct ed_proxies *proxies, const char *proxy,
                    const char *no_proxy)
{
    const char *name;
    int err;

    *proxies = (struct ed_proxies){0};
    if (proxy) {
        err = make_proxy(&proxies->of_http, proxy, "proxy", 1);
        proxies->of_https = proxies->of_http;
    } else {
        err = read_environment(proxies);
    }
    if (err || !ed_proxies_any(proxies))
        return err;
    proxies->no_proxy = strdup(no_proxy ? no_proxy : variable(NO_PROXY, &name));
    return proxies->no_proxy ? 0 : ed_fail(ED_ENOMEM, "no memory for a list");
}

void ed_proxies_close(struct ed_proxies *proxies)
{
    if (proxies->of_https != proxies->of_http)
        free_proxy(proxies->of_https);
    free_proxy(proxies->of_http);
    free(proxies->no_proxy);
}

const struct ed_proxy *ed_proxies_choose(const struct ed_proxies *proxies,
                                         const struct ed_url *url)
{
    const struct ed_proxy *proxy =
        url->secure ? proxies->of_https : proxies->of_http;

    if (!proxy || url->socket.len)
        return NULL;
    return ed_no_proxy_names(ed_bytes(proxies->no_proxy), url->host, url->port)
               ? NULL
               : proxy;
}
