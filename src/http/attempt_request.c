/*
 * attempt_request.c - the request of a fetch: where it goes and what it says.
 */
#include "http/attempt.h"
#include "base/ascii.h"
#include "http/expect.h"
#include "net/addr.h"
#include <stdio.h>
#include <stdlib.h>

#define SOCKET_PATH_MAX ((ssize_t)sizeof(((struct sockaddr_un *)0)->sun_path))

/* ---- where to ---- */

static void add(struct ed_attempt *a, struct ed_bytes text)
{
    memcpy(a->key + a->key_len, text.ptr, text.len);
    a->key_len += text.len;
}

static void add_port(struct ed_attempt *a, unsigned port)
{
    char text[ED_DIGITS_MAX];
    char *end = text + sizeof(text);
    const char *first = ed_digits_write(end, port);

    add(a, ED_BYTES(":"));
    add(a, ed_bytes_of(first, (size_t)(end - first)));
}

static int place_of_socket(struct ed_attempt *a)
{
    char path[3 * SOCKET_PATH_MAX]; /* each byte may be encoded */

    if (a->url.socket.len > sizeof(path))
        return ed_journey_explain(a->journey, ED_EURL,
                                  "path of a socket that is too long");
    ssize_t len = ed_url_decode(path, a->url.socket, false);
    if (len < 0)
        return ed_journey_explain(a->journey, ED_EURL,
                                  "malformed path of a socket");
    if (len > SOCKET_PATH_MAX)
        return ed_journey_explain(a->journey, ED_EURL,
                                  "path of a socket that is too long");
    add(a, ED_BYTES("unix:"));
    add(a, ed_bytes_of(path, (size_t)len));
    a->head.host = ED_BYTES("localhost");
    return 0;
}

static int place_of_host(struct ed_attempt *a)
{
    if (a->url.host.len > ED_HOST_MAX)
        return ed_journey_explain(a->journey, ED_EURL,
                                  "name of a host that is too long");
    size_t host = a->key_len;
    if (a->url.ipv6)
        add(a, ED_BYTES("["));
    ed_lower(a->key + a->key_len, a->url.host);
    a->key_len += a->url.host.len;
    if (a->url.ipv6)
        add(a, ED_BYTES("]"));
    size_t end = a->key_len;
    add_port(a, a->url.port);
    if (a->url.port != (a->url.secure ? 443 : 80))
        end = a->key_len;
    a->head.host = ed_bytes_of(a->key + host, end - host);
    return 0;
}

/* A connection by a proxy is kept apart from others: one that carries requests
 * to it is for all hosts, and one through it for one. */
static void go_by_proxy(struct ed_attempt *a)
{
    const struct ed_proxy *proxy = a->route.proxy;
    struct ed_bytes key = ed_bytes(proxy->key);

    a->head.proxy_authorization = ed_bytes(proxy->authorization);
    if (ed_route_is_relayed(&a->route, &a->url)) {
        a->head.relayed =
            ed_bytes_of(a->key, a->authority.ptr - a->key + a->head.host.len);
        a->pool_key = key;
        return;
    }
    memcpy(a->key + a->key_len + 1, key.ptr, key.len);
    a->pool_key.len = a->key_len + 1 + key.len;
}

/* Puts the key together. The scheme is part of it, so that no connection can
 * ever be mistaken for one with TLS. */
static int find_place(struct ed_attempt *a)
{
    add(a, a->url.secure ? ED_BYTES("https://") : ED_BYTES("http://"));
    size_t begin = a->key_len;
    int err = a->url.socket.len ? place_of_socket(a) : place_of_host(a);
    a->key[a->key_len] = '\0';
    a->authority = ed_bytes_of(a->key + begin, a->key_len - begin);
    a->pool_key = ed_bytes_of(a->key, a->key_len);
    return err;
}

/* Takes the URL apart: where to connect, what to ask for. */
int ed_attempt_read_url(struct ed_attempt *a)
{
    const char *why;

    if (ed_url_parse(&a->url, ed_bytes(a->journey->url), &why))
        return ed_journey_explain(a->journey, ED_EURL, "%s", why);
    a->head.target = a->url.target;
    a->head.slash = !a->url.path.len;
    int err = find_place(a);
    if (err)
        return err;
    ed_route_choose(&a->client->routes, &a->url, &a->route);
    a->route.tunnel = a->journey->upgrade != NULL;
    /* Who has a proxy means that with the field, and not the server. */
    a->head.withholds = ed_proxies_any(&a->client->routes.proxies) &&
                        !ed_route_is_relayed(&a->route, &a->url);
    if (a->route.proxy)
        go_by_proxy(a);
    return 0;
}

/* ---- what to send ---- */

bool ed_method_is_idempotent(struct ed_bytes method)
{
    static const char *const names[] = {"GET",     "HEAD",  "PUT",
                                        "OPTIONS", "TRACE", "DELETE"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (ed_bytes_equal(method, ed_bytes(names[i])))
            return true;
    }
    return false;
}

/* A server may insist on a length with methods whose requests usually have a
 * body (RFC 9110, 8.6). */
static bool wants_length(struct ed_bytes method)
{
    return ed_bytes_equal(method, ED_BYTES("POST")) ||
           ed_bytes_equal(method, ED_BYTES("PUT")) ||
           ed_bytes_equal(method, ED_BYTES("PATCH"));
}

static void frame_request(struct ed_attempt *a)
{
    const struct ed_fetch_options *o = &a->journey->options;
    struct ed_request_head *head = &a->head;

    if (ed_attempt_has_body(o))
        head->content_type = ed_bytes(
            o->content_type ? o->content_type : "application/octet-stream");
    if (o->send && o->send_length <= 0) {
        head->framing = ED_REQUEST_CHUNKED;
    } else if (ed_attempt_has_body(o) || wants_length(head->method)) {
        head->framing = ED_REQUEST_LENGTH;
        head->length = o->send ? (uint64_t)o->send_length : o->body.len;
    }
}

int ed_attempt_write_head(struct ed_attempt *a)
{
    struct ed_request_head *head = &a->head;

    head->user_agent =
        ed_bytes_of(a->client->user_agent, a->client->user_agent_len);
    head->headers = a->journey->options.headers;
    head->fields = a->journey->fields;
    head->codings = !a->client->no_decoding && !a->journey->options.range;
    head->expect = ed_expect_asks(&a->journey->options);
    frame_request(a);
    a->carried.deadline.written = NULL;
    struct ed_propagation_names names = a->client->propagated;
    if (a->journey->upgrade) /* what it opens outlives the request */
        names.deadline.len = 0;
    if (ed_propagates(&names) &&
        ed_carry(&a->carried, &names, a->journey->span, &head->fields))
        return ed_attempt_explain_end(a, ED_ETIMEOUT, "request not sent");
    int err = ed_request_head_write(head, a->res->arena);
    a->res->asks_for_codings = head->codings;
    return err ? ed_journey_explain(a->journey, err, "%s", ed_error()) : 0;
}
