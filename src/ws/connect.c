/*
 * connect.c - the handshake of a client (RFC 6455, 4.1).
 *
 * The request goes the way of any other: name servers, proxies, TLS, redirects
 * and cookies are the HTTP client's. What is read in the response is in an
 * arena of the handshake's own.
 */
#include "ws/conn.h"
#include "ws/key.h"
#include "base/options.h"
#include "http/journey.h"
#include <stdio.h>
#include <stdlib.h>

enum { HEADERS_OF_OURS = 8, EXTENSION_LINE = ED_WS_EXTENSION_MAX + 32 };

/* A handshake under way. */
struct handshake {
    const char *url;
    const struct ed_ws_connect_options *o;
    struct ed_ws_deflate_wish wish;
    struct ws_kind like;
    ed_arena *arena;
    struct ed_upgrade upgrade;
    ed_res *res;
    char key[WS_KEY_TEXT];
    char accept[WS_ACCEPT_TEXT];
};

/* ---- the request ---- */

/* "ws" and "wss" are what "http" and "https" are. */
static const char *http_url(const struct handshake *h)
{
    static const struct {
        struct ed_bytes from;
        const char *to;
    } schemes[] = {{{"ws://", 5}, "http://"}, {{"wss://", 6}, "https://"}};
    struct ed_bytes url = ed_bytes(h->url);

    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        struct ed_bytes from = schemes[i].from;
        if (url.len >= from.len &&
            ed_bytes_equal_nocase(ed_bytes_of(url.ptr, from.len), from))
            return ed_arena_printf(h->arena, "%s%s", schemes[i].to,
                                   url.ptr + from.len);
    }
    return h->url;
}

static const char *extension_line(const struct handshake *h)
{
    char offer[ED_WS_EXTENSION_MAX];

    ed_ws_deflate_offer(offer, &h->wish);
    return ed_arena_printf(h->arena, "Sec-WebSocket-Extensions: %s", offer);
}

/* Our fields and the caller's, NULL at the end; NULL without memory. */
static const char *const *make_fields(struct handshake *h)
{
    const struct ed_ws_connect_options *o = h->o;
    size_t theirs = 0, at = 0;

    while (o->headers && o->headers[theirs])
        theirs++;
    const char **fields = ed_arena_alloc(
        h->arena, (HEADERS_OF_OURS + theirs + 1) * sizeof(*fields));
    if (!fields)
        return NULL;
    fields[at++] = "Connection: Upgrade";
    fields[at++] = "Upgrade: websocket";
    fields[at++] = "Sec-WebSocket-Version: 13";
    fields[at++] = ed_arena_printf(h->arena, "Sec-WebSocket-Key: %s", h->key);
    if (o->protocols)
        fields[at++] = ed_arena_printf(h->arena, "Sec-WebSocket-Protocol: %s",
                                       o->protocols);
    if (!h->wish.off)
        fields[at++] = extension_line(h);
    if (o->origin)
        fields[at++] = ed_arena_printf(h->arena, "Origin: %s", o->origin);
    for (size_t i = 0; i < at; i++) {
        if (!fields[i])
            return NULL;
    }
    for (size_t i = 0; i < theirs; i++)
        fields[at++] = o->headers[i];
    fields[at] = NULL;
    return fields;
}

/* Suspends. */
static int ask(struct handshake *h)
{
    const char *url = http_url(h);
    const char *const *fields = make_fields(h);

    if (!url || !fields)
        return ed_fail(ED_ENOMEM, "no memory for a WebSocket");
    ed_arena *before = ed_fiber_use_arena(h->arena);
    int err = ed_fetch_upgrade(&h->res, &h->upgrade, url,
                               ED_OPTIONS(struct ed_fetch_options,
                                          .client = h->o->client,
                                          .headers = fields, .stream = true));
    ed_fiber_use_arena(before);
    return err;
}

/* ---- the response ---- */

static int wrong(const struct handshake *h, const char *why)
{
    return ed_fail(ED_EPROTO, "%.120s: %s", h->url, why);
}

/* The values of all fields of a name, joined by commas; NULL: no memory. */
static const char *all_of(const struct handshake *h, struct ed_bytes wanted)
{
    struct ed_bytes name, value;
    const char *joined = "";

    for (size_t i = 0; joined && ed_res_header_at(h->res, i, &name, &value);
         i++) {
        if (ed_bytes_equal_nocase(name, wanted))
            joined =
                ed_arena_printf(h->arena, "%s%s%.*s", joined,
                                *joined ? "," : "", (int)value.len, value.ptr);
    }
    return joined;
}

static bool has_token(const struct handshake *h, struct ed_bytes name,
                      struct ed_bytes token)
{
    return ed_http1_lists(ed_bytes(all_of(h, name)), token);
}

static int check_protocol(struct handshake *h)
{
    struct ed_bytes chosen =
        ed_bytes(all_of(h, ED_BYTES("Sec-WebSocket-Protocol")));

    if (!chosen.ptr)
        return ED_ENOMEM;
    if (!chosen.len)
        return 0;
    if (!ed_ws_has_protocol(ed_bytes(h->o->protocols), chosen) ||
        chosen.len > WS_PROTOCOL_MAX)
        return wrong(h, "the server speaks a protocol that was not offered");
    memcpy(h->like.protocol, chosen.ptr, chosen.len);
    return 0;
}

static int check_response(struct handshake *h)
{
    const char *why = NULL;
    int status = ed_res_status(h->res);

    if (status != 101) {
        h->like.local->refused_status = status;
        return ed_fail(ED_ECONTENT, "%.120s: answered with %d %.60s", h->url,
                       status, ed_res_reason(h->res));
    }
    if (!has_token(h, ED_BYTES("Upgrade"), ED_BYTES("websocket")) ||
        !has_token(h, ED_BYTES("Connection"), ED_BYTES("upgrade")))
        return wrong(h, "the server switched to something else");
    /* There may be one only: two, joined, are another. */
    const char *accept = all_of(h, ED_BYTES("Sec-WebSocket-Accept"));
    if (!accept || strcmp(accept, h->accept) != 0)
        return wrong(h, "the server answered another key");
    const char *extensions = all_of(h, ED_BYTES("Sec-WebSocket-Extensions"));
    if (!extensions)
        return ED_ENOMEM;
    if (ed_ws_deflate_confirm(&h->like.terms, ed_bytes(extensions), &h->wish,
                              &why))
        return wrong(h, why);
    return check_protocol(h);
}

/* ---- the connection ---- */

static int make(struct handshake *h, ed_ws **out)
{
    struct ws_kind *kind = ws_kind_get(h->like.local, &h->like);
    ed_ws *ws = kind ? ws_new(kind, h->o->user) : NULL;

    if (!ws) {
        if (kind)
            ws_kind_put(kind);
        return ed_fail(ED_ENOMEM, "no memory for a WebSocket");
    }
    ed_stream *stream = h->upgrade.stream;
    h->upgrade.stream = NULL;
    int err = ws_start(ws, stream, ed_buf_bytes(&h->upgrade.ahead));
    if (err)
        ed_ws_free(ws);
    else
        *out = ws;
    return err;
}

static int shake_hands(struct handshake *h, ed_ws **out)
{
    int err = ws_new_key(h->key);

    if (!err)
        err = ws_accept_key(h->key, h->accept);
    if (err)
        return ed_fail(err, "no key for a WebSocket");
    err = ask(h);
    if (!err)
        err = check_response(h);
    /* Its head was good, but the connection could not be handed over. */
    if (!err && !h->upgrade.stream)
        err = ed_fail(ED_ECONNLOST, "%.120s: the connection is lost", h->url);
    return err ? err : make(h, out);
}

static int read_options(struct handshake *h)
{
    const struct ed_ws_connect_options *o = h->o;
    const struct ws_limits limits = WS_LIMITS_OF(o);

    return ws_kind_limits(&h->like, &limits, &h->wish);
}

int ed_ws_connect_with(ed_ws **out, const char *url,
                       const struct ed_ws_connect_options *options)
{
    ED_OPTIONS_TAKE(struct ed_ws_connect_options, o, options);
    struct handshake h;

    *out = NULL;
    if (!ed_loop_current())
        return ED_EUSAGE;
    if (!url)
        return ed_fail(ED_ENOMEM, "no URL");
    memset(&h, 0, sizeof(h));
    h.url = url;
    h.o = &o;
    h.like.local = ws_local();
    h.arena = ed_arena_new(0);
    if (!h.arena || !h.like.local) {
        ed_arena_free(h.arena);
        return ed_fail(ED_ENOMEM, "no memory for a WebSocket");
    }
    h.like.local->refused_status = 0;
    int err = read_options(&h);
    if (!err)
        err = shake_hands(&h, out);
    if (h.res)
        ed_res_close(h.res);
    ed_stream_close(h.upgrade.stream);
    ed_buf_free(&h.upgrade.ahead);
    ed_arena_free(h.arena);
    return err;
}

int ed_ws_refused_status(void)
{
    const struct ws_local *local = ws_local();

    return local ? local->refused_status : 0;
}

void ed_ws_free(ed_ws *ws)
{
    if (!ws || !ws_is_client(ws->kind) || !ws->held)
        return;
    ed_list_add_back(&ws->kind->local->left, &ws->more->node);
    ws_close_begin(ws, ED_WS_NORMAL, ED_BYTES(""));
    ws_let_go(ws);
}
