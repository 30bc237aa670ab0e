/*
 * attempt.c - the course of an attempt: from a URL to a response.
 *
 * Takes a place among the origin's connections and a connection, sends the
 * request, waits for the response, and tries once more where a kept connection
 * turns out to be dead. Every failure ends here with a text that names the
 * request and the phase.
 */
#include "http/attempt.h"
#include "http/expect.h"
#include "http/request_body.h"
#include "http/response.h"
#include "http/watch.h"
#include <stdio.h>

/* ---- what went wrong ---- */

int ed_attempt_explain_end(const struct ed_attempt *a, int err,
                           const char *missing)
{
    char text[96];

    const struct ed_journey *j = a->journey;
    if (err == ED_ETIMEOUT && j->deadline && ed_deadline() == j->deadline)
        ed_timeout_text(text, sizeof(text), missing, ED_TIMEOUT_NONE,
                        j->timeout);
    else
        snprintf(text, sizeof(text),
                 err == ED_ETIMEOUT ? "%s within the deadline"
                                    : "%s when cancelled",
                 missing);
    return ed_journey_explain(a->journey, err, "%s", text);
}

/* ---- making ready ---- */

static int new_res(struct ed_attempt *a)
{
    ed_arena *arena = ed_fiber_arena();
    const struct ed_fetch_options *o = &a->journey->options;
    ed_res *res = ed_arena_zalloc(arena, sizeof(*res));

    if (!res)
        return ed_journey_explain(a->journey, ED_ENOMEM,
                                  "no memory for the response");
    res->client = a->client;
    res->arena = arena;
    res->stream = o->stream;
    res->upgrade = a->journey->upgrade;
    res->max_body = o->max_body ? o->max_body : a->client->max_body;
    res->to_head = ed_bytes_equal(a->head.method, ED_BYTES("HEAD"));
    res->may_retry = o->retry_unsafe || ed_method_is_idempotent(a->head.method);
    res->body = ED_BYTES("");
    res->deadline = a->journey->deadline;
    res->timeout = a->journey->timeout;
    res->timing.started = ed_loop_now_exact(a->client->loop);
    a->res = res;
    if (a->client->hook && ed_watch_begin(res, a->journey))
        return ed_journey_explain(a->journey, ED_ENOMEM,
                                  "no memory for the response");
    return 0;
}

/* Connections to an address of its own are not those to the name. */
static void follow_plan(struct ed_attempt *a, struct ed_attempt_plan *plan)
{
    char text[ED_ADDR_TEXT];

    plan->res = a->res;
    if (!plan->to.len)
        return;
    a->route.fixed = plan->to;
    a->key_len +=
        (size_t)snprintf(a->key + a->key_len, sizeof(a->key) - a->key_len,
                         " %s", ed_addr_text(&plan->to, text));
    a->pool_key.len = a->key_len;
}

static int prepare(struct ed_attempt *a)
{
    const struct ed_fetch_options *o = &a->journey->options;

    a->head.method = ed_bytes(ed_attempt_method(o));
    int err = ed_attempt_read_url(a);
    if (!err)
        err = new_res(a);
    if (!err)
        err = ed_attempt_write_head(a);
    if (err)
        return err;
    if (a->journey->plan)
        follow_plan(a, a->journey->plan);
    a->res->last = a->head.close;
    if (!o->stream && !o->send)
        return 0;
    a->res->about = ed_arena_printf(a->res->arena, "%.20s %.120s",
                                    a->head.method.ptr, a->journey->url);
    if (!a->res->about)
        return ED_ENOMEM;
    return o->send ? ed_request_body_new(a->res, o) : 0;
}

/* ---- a connection ---- */

static void leave_place(struct ed_attempt *a)
{
    ed_pool_leave(&a->client->pool, a->origin);
}

/* Opens a connection in the place that is held, or gives that up. */
static int open_conn(struct ed_attempt *a, struct ed_client_conn **out)
{
    ed_stream *stream;
    int err = ed_route_open(a, &stream);

    if (err && a->journey->plan)
        a->journey->plan->unreached = true;
    if (!err &&
        ed_client_conn_new(a->client, a->origin, stream, a->url.secure, out))
        err = ed_journey_explain(a->journey, ED_ENOMEM,
                                 "no memory for a connection");
    if (err)
        leave_place(a);
    else
        a->client->connections++;
    return err;
}

/* ---- request and response ---- */

static int explain_failure(const struct ed_attempt *a)
{
    const struct ed_res_failure *failure = &a->res->failure;
    char text[ED_FAILURE_TEXT];

    ed_res_failure_text(failure, text);
    return ed_journey_explain(a->journey, failure->err, "%s", text);
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
static int await_response(struct ed_attempt *a)
{
    ed_res *res = a->res;
    uint8_t events = (res->stream ? ED_RES_HEAD : 0) |
                     (res->stream || res->request ? ED_RES_SENT : 0);

    while (!is_there(res)) {
        int err = 0;
        if (ed_request_body_ready(res))
            err = ed_request_body_pump(res);
        else if ((err = ed_exchange_wait(res, "response", events)))
            ed_attempt_explain_end(a, err, missing(res));
        if (err)
            return err;
    }
    /* What became of a streamed body is told to who reads it. */
    if (!res->failure.err || (res->stream && res->status))
        return 0;
    return explain_failure(a);
}

/* Sends the head alone, waits until the body is asked for, and sends it if it
 * is given whole. */
static int send_when_asked(struct ed_attempt *a)
{
    ed_res *res = a->res;

    ed_exchange_send(res, res->out, 1, false);
    int err = ed_expect_wait(res);
    if (err)
        return ed_attempt_explain_end(a, err, missing(res));
    if (!res->request && !res->body_held)
        ed_exchange_send(res, &res->out[1], 1, true);
    return 0;
}

/* Sends the head, and the body if it is given whole. */
static int send_request(struct ed_attempt *a)
{
    struct ed_bytes head = a->head.bytes, body = a->journey->options.body;
    ed_res *res = a->res;

    if (a->carried.deadline.written)
        ed_carry_renew(&a->carried);
    res->out[0] = (struct iovec){(char *)head.ptr, head.len};
    res->out[1] = (struct iovec){(char *)body.ptr, body.len};
    if (ed_expect_asks(&a->journey->options))
        return send_when_asked(a);
    ed_exchange_send(res, res->out, body.len && !res->request ? 2 : 1,
                     !res->request);
    return 0;
}

/* Carries the exchange out. When it fails with res->retry set the place is
 * still held. */
static int talk(struct ed_attempt *a, struct ed_client_conn *conn)
{
    ed_exchange_begin(conn, a->res);
    int err = send_request(a);
    if (!err)
        err = await_response(a);
    if (err)
        ed_exchange_abandon(a->res, err);
    return err;
}

/* ---- the course ---- */

/* As if nothing had been tried yet. */
static void begin_again(struct ed_attempt *a)
{
    ed_res *res = a->res;

    a->client->replaced++;
    res->retry = false;
    res->sent = false;
    res->sent_any = false;
    res->go_ahead = false;
    res->last = a->head.close;
    res->failure = (struct ed_res_failure){0};
    res->timing.sent = 0;
}

/* Takes a place, and a kept connection if there is one. */
static int take_place(struct ed_attempt *a, struct ed_client_conn **conn)
{
    struct ed_pooled *pooled;
    int err = ed_pool_take(&a->client->pool, a->pool_key, &a->origin, &pooled);

    if (err == ED_ENOMEM)
        return ed_journey_explain(a->journey, err,
                                  "no memory for a connection");
    if (err)
        return ed_attempt_explain_end(a, err, "no free connection");
    a->res->timing.queued = ed_res_now(a->res);
    ed_watch_attempt(a->res, ED_PHASE_QUEUED, 0);
    if (pooled)
        *conn = ED_CONTAINER(pooled, struct ed_client_conn, pooled);
    return 0;
}

static int course(struct ed_attempt *a)
{
    struct ed_client_conn *conn = NULL;
    int err = take_place(a, &conn);

    if (err)
        return err;
    if (conn && conn->dead) {
        ed_client_conn_close(conn);
        conn = NULL;
    }
    if (conn) {
        a->client->reused++;
        err = talk(a, conn);
        if (!a->res->retry)
            return err;
        begin_again(a);
    }
    err = open_conn(a, &conn);
    return err ? err : talk(a, conn);
}

static int attempt(struct ed_attempt *a)
{
    int err = prepare(a);

    if (err)
        return err;
    a->client->busy++;
    err = course(a);
    if (!err && a->res->stream)
        return 0;
    ed_buf_free(&a->res->gathered);
    ed_request_body_free(a->res);
    a->client->busy--;
    return err;
}

static int attempt_once(struct ed_journey *journey, ed_res **out)
{
    struct ed_attempt a;

    /* Not all of it: the room for the head is large. */
    memset(&a, 0, offsetof(struct ed_attempt, head));
    memset(&a.head, 0, offsetof(struct ed_request_head, store));
    a.key_len = 0;
    a.journey = journey;
    a.client = journey->client;
    journey->attempts++;
    int err = attempt(&a);
    *out = a.res;
    return err;
}

int ed_attempt(struct ed_journey *journey, ed_res **out)
{
    int err = attempt_once(journey, out);

    if (!err && journey->options.expect_continue &&
        ed_expect_failed(journey, *out))
        err = attempt_once(journey, out);
    return err;
}
