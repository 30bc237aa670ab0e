/*
 * fetch_request.c - the request of a fetch: where it goes and what it says.
 */
#include "http/fetch.h"
#include "net/addr.h"
#include <stdio.h>
#include <stdlib.h>

#define SOCKET_PATH_MAX ((ssize_t)sizeof(((struct sockaddr_un *)0)->sun_path))

/* ---- where to ---- */

static void add(struct ed_fetch *f, struct ed_bytes text)
{
    memcpy(f->key + f->key_len, text.ptr, text.len);
    f->key_len += text.len;
}

static void add_lower(struct ed_fetch *f, struct ed_bytes text)
{
    char *to = f->key + f->key_len;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        to[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    f->key_len += text.len;
}

static void add_port(struct ed_fetch *f, unsigned port)
{
    char text[8];
    size_t at = sizeof(text);

    do {
        text[--at] = (char)('0' + port % 10);
        port /= 10;
    } while (port);
    text[--at] = ':';
    add(f, ed_bytes_of(text + at, sizeof(text) - at));
}

/* The scheme is part of the key, so that no connection can ever be mistaken
 * for one with TLS. */
static const struct ed_bytes SCHEME = {"http://", 7};

static int place_of_socket(struct ed_fetch *f)
{
    char path[3 * SOCKET_PATH_MAX]; /* each byte may be encoded */

    if (f->url.socket.len > sizeof(path))
        return ed_fetch_explain(f, ED_EURL,
                                "path of a socket that is too long");
    ssize_t len = ed_url_decode(path, f->url.socket, false);
    if (len < 0)
        return ed_fetch_explain(f, ED_EURL, "malformed path of a socket");
    if (len > SOCKET_PATH_MAX)
        return ed_fetch_explain(f, ED_EURL,
                                "path of a socket that is too long");
    add(f, ED_BYTES("unix:"));
    add(f, ed_bytes_of(path, (size_t)len));
    f->head.host = ED_BYTES("localhost");
    return 0;
}

static int place_of_host(struct ed_fetch *f)
{
    if (f->url.host.len > ED_HOST_MAX)
        return ed_fetch_explain(f, ED_EURL, "name of a host that is too long");
    size_t host = f->key_len;
    if (f->url.ipv6)
        add(f, ED_BYTES("["));
    add_lower(f, f->url.host);
    if (f->url.ipv6)
        add(f, ED_BYTES("]"));
    size_t end = f->key_len;
    add_port(f, f->url.port);
    if (f->url.port != 80)
        end = f->key_len;
    f->head.host = ed_bytes_of(f->key + host, end - host);
    return 0;
}

/* Takes the URL apart: where to connect, what to ask for. */
int ed_fetch_read_url(struct ed_fetch *f)
{
    const char *why;

    if (ed_url_parse(&f->url, ed_bytes(f->url_text), &why))
        return ed_fetch_explain(f, ED_EURL, why);
    if (f->url.secure)
        return ed_fetch_explain(f, ED_ECONNECT, "TLS is not built in yet");
    if (f->url.userinfo.ptr)
        return ed_fetch_explain(f, ED_EURL,
                                "user information in a URL is not sent;"
                                " use an Authorization field");
    f->head.target = f->url.target;
    f->head.slash = !f->url.path.len;
    add(f, SCHEME);
    int err = f->url.socket.len ? place_of_socket(f) : place_of_host(f);
    f->key[f->key_len] = '\0';
    f->address = f->key + SCHEME.len;
    return err;
}

/* ---- what to send ---- */

bool ed_fetch_is_idempotent(struct ed_bytes method)
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

static void frame_request(struct ed_fetch *f)
{
    const struct ed_fetch_options *o = &f->options;
    struct ed_request_head *head = &f->head;

    if (ed_fetch_has_body(o))
        head->content_type = ed_bytes(
            o->content_type ? o->content_type : "application/octet-stream");
    if (o->send && o->send_length <= 0) {
        head->framing = ED_REQUEST_CHUNKED;
    } else if (ed_fetch_has_body(o) || wants_length(head->method)) {
        head->framing = ED_REQUEST_LENGTH;
        head->length = o->send ? (uint64_t)o->send_length : o->body.len;
    }
}

int ed_fetch_write_head(struct ed_fetch *f)
{
    struct ed_request_head *head = &f->head;

    head->user_agent =
        ed_bytes_of(f->client->user_agent, f->client->user_agent_len);
    head->headers = f->options.headers;
    frame_request(f);
    int err = ed_request_head_write(head, f->res->arena);
    return err ? ed_fetch_explain(f, err, ed_error()) : 0;
}
