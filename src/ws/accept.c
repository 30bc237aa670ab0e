/*
 * accept.c - the handshake of a server (RFC 6455, 4.2).
 *
 * Promises that nothing is agreed on before all of the request was checked, and
 * that a page of another site is refused unless it was allowed by name.
 */
#include "ws/conn.h"
#include "ws/key.h"
#include "base/base64.h"
#include "base/options.h"
#include "http/takeover.h"
#include "wire/url.h"
#include <stdlib.h>

#define VERSION "13"

/* ---- the request ---- */

/* The values of all fields of a name, joined by commas, in the request's arena;
 * "" if there is none. NULL: no memory. */
static const char *all_of(ed_req *req, struct ed_bytes wanted)
{
    struct ed_bytes name, value;
    char *joined = "";

    for (size_t i = 0; joined && ed_header_at(req, i, &name, &value); i++) {
        if (!ed_bytes_equal_nocase(name, wanted))
            continue;
        joined = ed_arena_printf(ed_req_arena(req), "%s%s%.*s", joined,
                                 *joined ? "," : "", (int)value.len, value.ptr);
    }
    return joined;
}

static bool asks_for_websocket(ed_req *req)
{
    const char *upgrade = all_of(req, ED_BYTES("Upgrade"));

    return upgrade && ed_http1_lists(ed_bytes(upgrade), ED_BYTES("websocket"));
}

/* Sixteen bytes in base64. */
static bool is_key(const char *text)
{
    struct ed_buf bytes = {0};
    bool well = text && !ed_base64_decode(&bytes, ed_bytes(text)) &&
                bytes.len == WS_KEY_BYTES;

    ed_buf_free(&bytes);
    return well;
}

static int refuse_version(ed_req *req)
{
    (void)ed_reply_header(req, "Sec-WebSocket-Version", VERSION);
    (void)ed_reply(req, 426, "WebSockets are spoken in version " VERSION "\n");
    return ed_fail(ED_EBADREQ, "a WebSocket of another version");
}

static int check_request(ed_req *req)
{
    /* Of either there may be one only: of two, joined, neither is right. */
    const char *version = all_of(req, ED_BYTES("Sec-WebSocket-Version"));
    const char *key = all_of(req, ED_BYTES("Sec-WebSocket-Key"));

    if (ed_reply_status(req))
        return ed_fail(ED_EUSAGE, "there was a reply already");
    if (strcmp(ed_req_method(req), "GET") != 0 || ed_req_version(req) != 11)
        return ed_fail(ED_EBADREQ, "a WebSocket begins with GET of HTTP/1.1");
    if (!asks_for_websocket(req))
        return ed_fail(ED_EBADREQ, "the request asks for no WebSocket");
    if (!version || strcmp(version, VERSION) != 0)
        return refuse_version(req);
    if (!is_key(key))
        return ed_fail(ED_EBADREQ,
                       "Sec-WebSocket-Key is not what it has to be");
    return 0;
}

/* ---- origins ---- */

static bool is_same(const struct ed_url *a, const struct ed_url *b)
{
    return a->secure == b->secure && a->port == b->port && a->ipv6 == b->ipv6 &&
           ed_bytes_equal_nocase(a->host, b->host);
}

/* Whether the page is of the host that the request is for. The scheme is that
 * of the page: we may stand behind somebody who speaks TLS for us. */
static bool is_own(ed_req *req, const struct ed_url *origin)
{
    struct ed_url own;
    const char *why;
    const char *text =
        ed_arena_printf(ed_req_arena(req), "%s://%s/",
                        origin->secure ? "https" : "http", ed_req_host(req));

    return text && !ed_url_parse(&own, ed_bytes(text), &why) &&
           is_same(origin, &own);
}

static bool is_listed(struct ed_bytes list, const struct ed_url *origin)
{
    while (list.ptr) {
        struct ed_url one;
        const char *why;
        struct ed_bytes text = ed_bytes_trim(ed_bytes_cut(&list, ','));
        if (ed_bytes_equal(text, ED_BYTES("*")))
            return true;
        if (origin && !ed_url_parse(&one, text, &why) && is_same(&one, origin))
            return true;
    }
    return false;
}

static int check_origin(ed_req *req, const char *allowed)
{
    const char *text = ed_header(req, "Origin");
    struct ed_url url, *origin = &url;
    const char *why;

    if (!text)
        return 0;
    /* "null", say, of a page that has none to tell. */
    if (ed_url_parse(&url, ed_bytes(text), &why) || url.socket.len)
        origin = NULL;
    if ((origin && is_own(req, origin)) || is_listed(ed_bytes(allowed), origin))
        return 0;
    return ed_fail(ED_EFORBIDDEN, "a WebSocket of a page of %.100s", text);
}

/* ---- what is agreed on ---- */

static int agree(ed_req *req, struct ws_kind *kind,
                 const struct ed_ws_options *o,
                 const struct ed_ws_deflate_wish *wish)
{
    const char *offers = all_of(req, ED_BYTES("Sec-WebSocket-Extensions"));
    const char *protocols = all_of(req, ED_BYTES("Sec-WebSocket-Protocol"));
    struct ed_bytes chosen;

    if (!offers || !protocols)
        return ED_ENOMEM;
    if (ed_ws_deflate_accept(&kind->terms, ed_bytes(offers), wish))
        return ed_fail(ED_EBADREQ, "Sec-WebSocket-Extensions is malformed");
    if (ed_ws_choose_protocol(&chosen, ed_bytes(protocols),
                              ed_bytes(o->protocols)))
        return ed_fail(ED_EBADREQ, "Sec-WebSocket-Protocol is malformed");
    if (chosen.len > WS_PROTOCOL_MAX)
        return ed_fail(ED_EUSAGE, "a subprotocol of more than %d characters",
                       WS_PROTOCOL_MAX);
    memcpy(kind->protocol, chosen.ptr, chosen.len);
    return 0;
}

static int add_fields(ed_req *req, const struct ws_kind *kind)
{
    char accept[WS_ACCEPT_TEXT];
    char extension[ED_WS_EXTENSION_MAX];
    int err = ws_accept_key(ed_header(req, "Sec-WebSocket-Key"), accept);

    if (!err)
        err = ed_reply_header_set(req, "Sec-WebSocket-Accept", accept);
    if (!err && *kind->protocol)
        err =
            ed_reply_header_set(req, "Sec-WebSocket-Protocol", kind->protocol);
    if (!err && kind->terms.on) {
        ed_ws_deflate_answer(extension, &kind->terms);
        err = ed_reply_header_set(req, "Sec-WebSocket-Extensions", extension);
    }
    return err;
}

/* ---- taking over ---- */

/* How it ends that the handler has returned. */
static void close_after(ed_req *req, ed_ws *ws, int err)
{
    if (ws->phase != WS_OPEN || ws->broken)
        return;
    if (err >= 0) {
        if (!ws->kind->by_events)
            ws_close_begin(ws, ED_WS_NORMAL, ED_BYTES(""));
    } else if (err == ED_ECANCELED && ed_cancelled()) {
        ws_close_begin(ws, ED_WS_GOING_AWAY, ED_BYTES(""));
    } else {
        ed_req_log_failure(req, err);
        ws_close_begin(ws, ED_WS_FAILED, ED_BYTES(""));
    }
}

static int handler_returned(ed_req *req, void *arg, int result)
{
    ed_ws *ws = arg;

    close_after(req, ws, result);
    ws_let_go(ws);
    return 0;
}

static void discard(ed_ws *ws)
{
    struct ws_kind *kind = ws->kind;

    free(ws->more);
    free(ws);
    ws_kind_put(kind);
}

static int take_over(ed_req *req, ed_ws *ws)
{
    struct ed_takeover takeover = {
        .protocol = "websocket",
        .conn = &ws->base,
        .returned = handler_returned,
        .arg = ws,
    };
    int err = add_fields(req, ws->kind);

    if (!err)
        err = ed_req_take_over(req, &takeover);
    if (err) {
        discard(ws);
        return err;
    }
    if (ws->more)
        ws->more->holder = ed_fiber_self();
    err = ws_start(ws, takeover.stream, takeover.ahead);
    /* The others were told when it began to. */
    if (!err && req->server->stopping)
        ws_close_begin(ws, ED_WS_GOING_AWAY, ED_BYTES("the server stops"));
    return err;
}

static int read_options(ed_req *req, const struct ed_ws_options *o,
                        struct ws_kind *kind, struct ed_ws_deflate_wish *wish)
{
    const struct ws_limits limits = WS_LIMITS_OF(o);

    memset(kind, 0, sizeof(*kind));
    kind->server = req->server;
    return ws_kind_limits(kind, &limits, wish);
}

static int accept_one(ed_req *req, const struct ed_ws_options *o,
                      bool by_events, ed_ws **out)
{
    struct ws_local *local = ws_local();
    struct ed_ws_deflate_wish wish;
    struct ws_kind like;
    int err = local ? read_options(req, o, &like, &wish) : ED_ENOMEM;

    *out = NULL;
    if (!err)
        err = check_request(req);
    if (!err)
        err = check_origin(req, o->origins);
    if (!err)
        err = agree(req, &like, o, &wish);
    if (err)
        return err;
    like.by_events = by_events;
    like.on_message = by_events ? o->on_message : NULL;
    like.on_close = by_events ? o->on_close : NULL;
    struct ws_kind *kind = ws_kind_get(local, &like);
    ed_ws *ws = kind ? ws_new(kind, o->user) : NULL;
    if (!ws) {
        if (kind)
            ws_kind_put(kind);
        return ED_ENOMEM;
    }
    err = take_over(req, ws);
    if (!err)
        *out = ws;
    return err;
}

int ed_ws_accept_with(ed_req *req, ed_ws **out,
                      const struct ed_ws_options *options)
{
    ED_OPTIONS_TAKE(struct ed_ws_options, o, options);

    if (o.on_open || o.on_message || o.on_close) {
        *out = NULL;
        return ed_fail(ED_EUSAGE, "handlers of events are for ed_ws_serve()");
    }
    return accept_one(req, &o, false, out);
}

int ed_ws_serve_with(ed_req *req, const struct ed_ws_options *options)
{
    ED_OPTIONS_TAKE(struct ed_ws_options, o, options);
    ed_ws *ws;
    int err = accept_one(req, &o, true, &ws);

    if (err || !o.on_open)
        return err;
    err = o.on_open(ws);
    return err < 0 ? err : 0;
}
