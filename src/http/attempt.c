/*
 * fetch.c - the course of a fetch: from a URL to a response.
 *
 * Takes a place among the origin's connections and a connection, sends the
 * request, waits for the response, and tries once more where a kept connection
 * turns out to be dead. Every failure ends here with a text that names the
 * request and the phase.
 */
#include "base/options.h"
#include "http/fetch.h"
#include "http/request_body.h"
#include "net/connect.h"
#include <stdio.h>

/* ---- what went wrong ---- */

int ed_fetch_explain(const struct ed_fetch *f, int err, const char *what)
{
    const char *method = f->head.method.ptr ? f->head.method.ptr : "GET";

    return ed_fail(err, "%.20s %.120s: %s", method, f->url_text, what);
}

int ed_fetch_explain_end(const struct ed_fetch *f, int err, const char *missing)
{
    char text[96];

    snprintf(text, sizeof(text),
             err == ED_ETIMEOUT ? "%s within the deadline"
                                : "%s when cancelled",
             missing);
    return ed_fetch_explain(f, err, text);
}

/* ---- making ready ---- */

static int new_res(struct ed_fetch *f)
{
    ed_arena *arena = ed_fiber_arena();
    const struct ed_fetch_options *o = &f->options;
    ed_res *res = ed_arena_zalloc(arena, sizeof(*res));

    if (!res)
        return ed_fetch_explain(f, ED_ENOMEM, "no memory for the response");
    res->client = f->client;
    res->arena = arena;
    res->stream = o->stream;
    res->max_body = o->max_body ? o->max_body : f->client->max_body;
    res->to_head = ed_bytes_equal(f->head.method, ED_BYTES("HEAD"));
    res->may_retry = o->retry_unsafe || ed_fetch_is_idempotent(f->head.method);
    res->body = ED_BYTES("");
    res->timing.started = ed_loop_now_exact(f->client->loop);
    f->res = res;
    return 0;
}

static int prepare(struct ed_fetch *f)
{
    const struct ed_fetch_options *o = &f->options;

    f->client = o->client ? o->client : ed_client_of_loop();
    if (!f->client)
        return ed_fetch_explain(f, ED_ENOMEM, "no memory for a client");
    ED_MAGIC_CHECK(f->client, ED_CLIENT_MAGIC);
    f->head.method = ed_bytes(o->method              ? o->method
                              : ed_fetch_has_body(o) ? "POST"
                                                     : "GET");
    int err = ed_fetch_read_url(f);
    if (!err)
        err = new_res(f);
    if (!err)
        err = ed_fetch_write_head(f);
    if (err)
        return err;
    f->res->last = f->head.close;
    if (!o->stream && !o->send)
        return 0;
    f->res->about = ed_arena_printf(f->res->arena, "%.20s %.120s",
                                    f->head.method.ptr, f->url_text);
    if (!f->res->about)
        return ED_ENOMEM;
    return o->send ? ed_request_body_new(f->res, o) : 0;
}

/* ---- a connection ---- */

static void leave_place(struct ed_fetch *f)
{
    ed_pool_leave(&f->client->pool, f->origin);
}

static int explain_connect(const struct ed_fetch *f,
                           const struct ed_connecting *c, int err)
{
    const char *missing =
        c->resolved_at ? "not connected" : "name not resolved";

    if (err != ED_ETIMEOUT && err != ED_ECANCELED)
        return ed_fetch_explain(f, err, ed_error());
    if (ed_cancelled())
        return ed_fetch_explain_end(f, err, missing);
    char text[96];
    snprintf(text, sizeof(text), "%s within the connect timeout of %.3g s",
             missing, (double)f->client->connect_timeout / ED_S);
    return ed_fetch_explain(f, err, text);
}

static int connect_within(struct ed_connecting *c, int64_t timeout)
{
    ed_scope(s, .within = timeout, .name = "connect");
    return ed_net_connect(c);
}

/* Opens a connection in the place that is held, or gives that up. */
static int open_conn(struct ed_fetch *f, struct ed_client_conn **out)
{
    struct ed_connecting c = {0};
    int err = ed_endpoint_parse(&c.to, ed_bytes(f->address));

    if (err) {
        err = ed_fetch_explain(f, ED_EURL, "malformed host");
    } else {
        err = connect_within(&c, f->client->connect_timeout);
        if (err)
            err = explain_connect(f, &c, err);
        else if (ed_client_conn_new(f->client, f->origin, c.stream, out))
            err = ed_fetch_explain(f, ED_ENOMEM, "no memory for a connection");
    }
    if (err) {
        leave_place(f);
        return err;
    }
    f->client->connections++;
    f->res->timing.connected = ed_res_now(f->res);
    if (*c.to.host)
        f->res->timing.resolved = c.resolved_at > f->res->timing.queued
                                      ? c.resolved_at
                                      : f->res->timing.queued;
    return 0;
}

/* ---- request and response ---- */

static int explain_failure(const struct ed_fetch *f)
{
    const struct ed_res_failure *failure = &f->res->failure;
    char text[128];

    snprintf(
        text, sizeof(text), "%s%s%s%s", failure->why, failure->os ? " (" : "",
        failure->os ? ed_err_text(-failure->os) : "", failure->os ? ")" : "");
    return ed_fetch_explain(f, failure->err, text);
}

/* What a cancellation or a deadline kept from coming. */
static const char *missing(const ed_res *res)
{
    if (res->status)
        return "no whole response body";
    return res->sent ? "no response head" : "request not sent";
}

/* Whether what was asked for is there. The rest of a body may still be on its
 * way to a server that answers early, but the head lies on this stack. */
static bool is_there(const ed_res *res)
{
    bool head_sent = !ed_exchange_sending(res) || res->conn->out != res->out;

    return !res->conn || (res->stream && res->status && head_sent);
}

/* Sends what is still to be sent, and waits for the end of the response, or
 * for its head if it is streamed. */
static int await_response(struct ed_fetch *f)
{
    ed_res *res = f->res;
    uint8_t events = (res->stream ? ED_RES_HEAD : 0) |
                     (res->stream || res->request ? ED_RES_SENT : 0);

    while (!is_there(res)) {
        int err = 0;
        if (ed_request_body_ready(res))
            err = ed_request_body_pump(res);
        else if ((err = ed_exchange_wait(res, "response", events)))
            ed_fetch_explain_end(f, err, missing(res));
        if (err)
            return err;
    }
    /* What became of a streamed body is told to who reads it. */
    if (!res->failure.err || (res->stream && res->status))
        return 0;
    return explain_failure(f);
}

/* Sends the head, and the body if it is given whole. */
static void send_request(struct ed_fetch *f)
{
    struct ed_bytes head = f->head.bytes, body = f->options.body;
    ed_res *res = f->res;

    res->out[0] = (struct iovec){(char *)head.ptr, head.len};
    res->out[1] = (struct iovec){(char *)body.ptr, body.len};
    ed_exchange_send(res, res->out, body.len && !res->request ? 2 : 1,
                     !res->request);
}

/* Carries the exchange out. When it fails with res->retry set the place is
 * still held. */
static int talk(struct ed_fetch *f, struct ed_client_conn *conn)
{
    ed_exchange_begin(conn, f->res);
    send_request(f);
    int err = await_response(f);
    if (err)
        ed_exchange_abandon(f->res, err);
    return err;
}

/* ---- the course ---- */

/* As if nothing had been tried yet. */
static void begin_again(struct ed_fetch *f)
{
    ed_res *res = f->res;

    f->client->retried++;
    res->retry = false;
    res->sent = false;
    res->sent_any = false;
    res->last = f->head.close;
    res->failure = (struct ed_res_failure){0};
    res->timing.sent = 0;
}

/* Takes a place, and a kept connection if there is one. */
static int take_place(struct ed_fetch *f, struct ed_client_conn **conn)
{
    struct ed_pooled *pooled;
    int err = ed_pool_take(&f->client->pool, ed_bytes_of(f->key, f->key_len),
                           &f->origin, &pooled);

    if (err == ED_ENOMEM)
        return ed_fetch_explain(f, err, "no memory for a connection");
    if (err)
        return ed_fetch_explain_end(f, err, "no free connection");
    f->res->timing.queued = ed_res_now(f->res);
    if (pooled)
        *conn = ED_CONTAINER(pooled, struct ed_client_conn, pooled);
    return 0;
}

static int course(struct ed_fetch *f)
{
    struct ed_client_conn *conn = NULL;
    int err = take_place(f, &conn);

    if (err)
        return err;
    if (conn && conn->dead) {
        ed_client_conn_close(conn);
        conn = NULL;
    }
    if (conn) {
        f->client->reused++;
        err = talk(f, conn);
        if (!f->res->retry)
            return err;
        begin_again(f);
    }
    err = open_conn(f, &conn);
    return err ? err : talk(f, conn);
}

static int fetch(struct ed_fetch *f)
{
    int err = prepare(f);

    if (err)
        return err;
    f->client->requests++;
    f->client->busy++;
    err = course(f);
    if (!err && f->res->stream)
        return 0;
    ed_buf_free(&f->res->gathered);
    ed_request_body_free(f->res);
    f->client->busy--;
    return err;
}

int ed_fetch_with(ed_res **out, const char *url,
                  const struct ed_fetch_options *options)
{
    struct ed_fetch f;

    /* Not all of it: the room for the head is large. */
    memset(&f, 0, offsetof(struct ed_fetch, head));
    memset(&f.head, 0, offsetof(struct ed_request_head, store));
    f.key_len = 0;
    f.url_text = url;
    ed_options_take(&f.options, sizeof(f.options), options);
    *out = NULL;
    int err = fetch(&f);
    if (!err)
        *out = f.res;
    return err;
}

/* ---- in a fiber of its own ---- */

struct go_fetch {
    ed_res **out;
    const struct ed_fetch_options *options;
    char url[];
};

static int run_go_fetch(void *arg)
{
    static const struct ed_fetch_options defaults = {.size = sizeof(defaults)};
    struct go_fetch *go = arg;

    return ed_fetch_with(go->out, go->url,
                         go->options ? go->options : &defaults);
}

int ed_go_fetch_at_(ed_scope *scope, ed_res **out, const char *url,
                    const struct ed_fetch_options *options, const char *place)
{
    size_t len = strlen(url) + 1;
    /* The scope may outlive the request that the caller works on. */
    struct go_fetch *go =
        ed_arena_alloc(ed_scope_arena(scope), sizeof(*go) + len);

    *out = NULL;
    if (!go)
        return ed_scope_refuse(scope, ED_ENOMEM, "fetch", place);
    go->out = out;
    go->options = options;
    memcpy(go->url, url, len);
    return ed_go_at_(scope, run_go_fetch, go, "fetch", place);
}
