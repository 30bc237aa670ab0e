/*
 * h1_conn.c - the life of an HTTP/1 connection of a server.
 *
 * Between requests a connection is a structure, a stream and a place in a list
 * of those that wait. What arrives lies in the loop's scratch memory. When a
 * head is whole a fiber is taken, which answers that request and those that
 * came behind it; what they reply is gathered and leaves in one write. Only
 * when a handler waits, or input ends in the middle of something, are bytes
 * kept in memory of the connection's own.
 */
#include "http/h1.h"
#include "http/takeover.h"

#include <eddy/log.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Input kept for a busy connection before the client has to wait. */
    MOST_WAITING = 64 * 1024,
    /* What a client may still send to a connection that is about to close. */
    MOST_LINGERING = 1024 * 1024,
};

/* Without receiving, nothing about the connection would ever be heard. */
static void receive(struct h1_conn *c, bool on)
{
    c->paused = !on;
    int err = ed_stream_receive(c->stream, on);
    if (err)
        h1_break(c, err);
}

/* ---- the end ---- */

static void release_in(struct h1_conn *c)
{
    free(c->in);
    c->in = NULL;
    c->view = NULL;
    c->view_len = 0;
}

static void free_conn(struct h1_conn *c)
{
    if (c->out) {
        ed_undefer(c->base.server->loop, &c->out->deferred);
        ed_server_out_put(c->base.server, c->out);
    }
    free(c->partial);
    free(c->in);
    free(c->peer);
    ed_conn_gone(&c->base);
    free(c);
}

/* Closes the connection; nothing may touch it afterwards but the event that
 * is at work on it. */
static void close_conn(struct h1_conn *c)
{
    if (c->gone)
        return;
    c->gone = true;
    /* The end of the connection would end the body of a reply that has neither
     * length nor chunks; a reset does not (RFC 9112, 8). */
    if (c->stream && c->reset)
        ed_stream_reset(c->stream);
    else
        ed_stream_close(c->stream);
    c->stream = NULL;
    if (!c->in_event)
        free_conn(c);
}

void h1_break(struct h1_conn *c, int err)
{
    if (!c->broken)
        c->broken = err;
    if (c->fiber) {
        ed_fiber_cancel(c->fiber, err == ED_ETIMEOUT ? err : ED_ECANCELED);
        return;
    }
    close_conn(c);
}

/* Says that nothing more will come and waits a little for the client to
 * close: closing over unread input would reset the connection, and with it
 * the reply (RFC 9112, 9.6). */
static void linger(struct h1_conn *c)
{
    if (c->reset || c->ended || c->broken ||
        ed_stream_shutdown(c->stream) < 0) {
        close_conn(c);
        return;
    }
    release_in(c);
    ed_conn_enter(&c->base, ED_CONN_LINGER);
    if (c->paused)
        receive(c, true);
}

/* No further request: what was replied goes out, then the connection ends. */
static void finish(struct h1_conn *c)
{
    c->finishing = true;
    int err = h1_push(c);
    if (err)
        close_conn(c);
    else if (!c->out)
        linger(c);
}

void h1_output_done(struct h1_conn *c)
{
    if (c->fiber)
        return;
    if (c->finishing)
        linger(c);
    else if (ed_server_hurries(c->base.server) && !c->view_len)
        finish(c);
}

/* ---- input ---- */

void h1_consume(struct h1_conn *c, size_t n)
{
    c->view += n;
    c->view_len -= (uint32_t)n;
    if (c->paused && c->view_len <= MOST_WAITING / 2)
        receive(c, true);
}

/* Adds what arrived to the input kept, or keeps the view's rest. */
static int keep(struct h1_conn *c, const char *data, size_t len)
{
    int err = ed_keep(&c->in, &c->view, c->view_len, data, len);
    if (!err)
        c->view_len += (uint32_t)len;
    return err;
}

/* ---- requests ---- */

static void refuse(struct h1_conn *c, const struct ed_http1_head *head)
{
    if (head->error)
        h1_refuse(c, head->error_status, head->error);
    else
        h1_refuse(c, 503, "out of memory");
    c->close = true;
}

static int run_handler(void *arg)
{
    struct h1_exchange *x = arg;
    return ed_req_run(&x->req, x->conn->base.server->handler);
}

/* What the handler did not want of the body stands before the next request. */
static int skip_body(struct h1_exchange *x)
{
    char nothing[4096];
    while (!x->req.body_ended) {
        ssize_t n = h1_body_read(&x->req, nothing, sizeof nothing);
        if (n < 0)
            return (int)n;
    }
    return 0;
}

/* A reply that began and did not end has to be seen as cut. */
static void cut_reply(struct h1_conn *c, const struct h1_exchange *x)
{
    c->close = true;
    c->reset = x->req.reply.began && ed_req_reply_length(&x->req) < 0 &&
               !x->chunked_reply && !x->no_reply_body;
}

/*
 * Fibers that the handler started in the scope it was called in, which is this
 * fiber's own and lasts for further requests: they work on the request, and
 * must not outlive it. A scope that was cancelled or waited for is of no use
 * to another request.
 */
static void end_stragglers(struct h1_conn *c, ed_scope *scope)
{
    c->close = true;
    if (ed_list_empty(&scope->children))
        return;
    ed_cancel(scope);
    int err = ed_wait(scope);
    if (err && scope->failure)
        ed_log_failure(scope->failed_name, scope->failed_place, err,
                       ed_error_of(err));
}

/* How long the handler may take: as long as the server says, or whoever asks,
 * if that is shorter. Names are looked at only if they are of that length:
 * every request comes through here. */
static int64_t time_limit(const ed_req *req)
{
    int64_t limit = req->server->options.request_timeout;
    size_t wanted = req->server->propagated.deadline.len;

    for (uint32_t i = 0; i < req->field_count; i++) {
        if (req->fields[i].name.len != wanted)
            continue;
        int64_t patience = ed_req_patience_of(req, i);
        if (patience < limit)
            limit = patience;
    }
    return limit;
}

static void run_request(struct h1_conn *c, struct h1_exchange *x)
{
    ed_server *server = c->base.server;
    ed_fiber *self = c->fiber;
    self->arena = x->req.arena;
    self->work = &x->req;
    server->counts.in_flight++;
    if (server->observer)
        ed_observer_began(&x->req);
    int64_t limit = time_limit(&x->req);
    int err = limit == INT64_MAX ? run_handler(x)
                                 : ed_with_timeout(limit, run_handler, x);
    if (!err && !x->req.taken && x->keep_alive && !x->req.body_ended)
        err = skip_body(x);
    ed_scope *scope = &self->base;
    if (!ed_list_empty(&scope->children) || scope->cancelled || scope->ended)
        end_stragglers(c, scope);
    ed_req_over(&x->req, x->req.reply.ended ? 0 : err);
    server->counts.in_flight--;
    if (err || !x->keep_alive || x->req.taken)
        c->close = true;
    if (err && !x->req.reply.ended)
        cut_reply(c, x);
    self->work = NULL;
    self->arena = NULL;
    ed_server_arena_put(server, x->req.arena);
}

/* After the last request at hand. */
static void settle(struct h1_conn *c)
{
    c->fiber = NULL;
    if (!c->stream || c->broken) {
        close_conn(c);
        return;
    }
    if (c->close || c->ended ||
        (ed_server_hurries(c->base.server) && !c->view_len)) {
        finish(c);
        return;
    }
    if (!c->view_len && c->in)
        release_in(c);
    if (c->base.state != ED_CONN_WRITE)
        ed_conn_enter(&c->base, c->view_len ? ED_CONN_HEAD : ED_CONN_IDLE);
}

/* Whether there may be a further request in the input at hand. */
static bool goes_on(const struct h1_conn *c)
{
    if (c->close || c->broken || !c->view_len)
        return false;
    return !c->ended || c->base.server->options.half_close;
}

/* One fiber answers the request whose head was just read, and those that came
 * behind it. */
static int answer(void *arg)
{
    struct h1_conn *c = arg;
    const struct ed_http1_head *head =
        c->partial ? &c->partial->head : &c->base.server->head;
    ssize_t len = (ssize_t)c->base.server->head_len;
    c->fiber = ed_fiber_self();
    while (len > 0) {
        struct h1_exchange *x = h1_request_new(c, head, (size_t)len);
        if (!x) {
            h1_refuse(c, 503, "out of memory");
            c->close = true;
            break;
        }
        run_request(c, x);
        if (!goes_on(c))
            break;
        len = h1_parse_head(c, &head);
        if (len < 0)
            refuse(c, head);
    }
    settle(c);
    return 0;
}

static bool between_requests(const struct h1_conn *c)
{
    return c->base.state == ED_CONN_IDLE || c->base.state == ED_CONN_HEAD;
}

/* Reads from the view what is there. */
static void work(struct h1_conn *c)
{
    const struct ed_http1_head *head;
    ssize_t len = h1_parse_head(c, &head);
    if (len == 0) {
        if (c->base.state == ED_CONN_IDLE)
            ed_conn_enter(&c->base, ED_CONN_HEAD);
        return;
    }
    if (len > 0) {
        c->base.server->head_len = (size_t)len;
        if (!ed_fiber_run_now(c->base.server->scope, answer, c, "request",
                              "server", NULL)) {
            /* Most handlers never wait, and are spared the change of lists. */
            if (c->fiber && between_requests(c))
                ed_conn_enter(&c->base, ED_CONN_BUSY);
            return;
        }
        h1_refuse(c, 503, "out of memory");
        c->close = true;
    } else {
        refuse(c, head);
    }
    release_in(c);
    finish(c);
}

static void wake_reader(struct h1_conn *c, int result)
{
    ed_fiber *reader = c->reader;
    if (!reader)
        return;
    c->reader = NULL;
    if (c->base.state == ED_CONN_BODY)
        ed_conn_enter(&c->base, ED_CONN_BUSY);
    ed_wake(reader, result);
}

static void arrived_while_busy(struct h1_conn *c, const char *data, size_t len)
{
    if (keep(c, data, len) < 0) {
        h1_break(c, ED_ENOMEM);
        return;
    }
    wake_reader(c, 0);
    if (c->view_len > MOST_WAITING)
        receive(c, false);
}

static void arrived(struct h1_conn *c, char *data, size_t len)
{
    if (c->in) {
        if (keep(c, data, len) < 0) {
            close_conn(c);
            return;
        }
    } else {
        c->view = data;
        c->view_len = (uint32_t)len;
    }
    work(c);
    if (c->gone)
        return;
    /* Scratch memory is the loop's again from here on. */
    if (c->view_len && !c->in && keep(c, NULL, 0) < 0) {
        c->view_len = 0;
        h1_break(c, ED_ENOMEM);
    }
}

/* The client has ended its side, or the connection broke. */
static void ended(struct h1_conn *c, ssize_t err)
{
    c->ended = true;
    if (!c->fiber) {
        if (c->out && err == 0)
            c->finishing = true; /* it may still read what it asked for */
        else
            close_conn(c);
        return;
    }
    if (err < 0) {
        h1_break(c, (int)err);
        return;
    }
    wake_reader(c, 0);
    if (!c->base.server->options.half_close)
        ed_fiber_cancel(c->fiber, ED_ECANCELED);
}

static void on_data(ed_stream *stream, char *data, ssize_t len)
{
    struct h1_conn *c = stream->user;
    c->in_event = true;
    if (len <= 0) {
        ended(c, len);
    } else if (c->fiber) {
        arrived_while_busy(c, data, (size_t)len);
    } else if (c->finishing) {
        c->lingered += (uint32_t)len;
        if (c->lingered > MOST_LINGERING)
            close_conn(c);
    } else {
        arrived(c, data, (size_t)len);
    }
    c->in_event = false;
    if (c->gone)
        free_conn(c);
}

/* While input is paused the end of the client is told apart from data. A
 * client that may end its side is not gone: what it sent before still lies in
 * the kernel, and its end will be found behind that. */
static void on_hangup(ed_stream *stream)
{
    struct h1_conn *c = stream->user;
    if (c->base.server->options.half_close)
        return;
    c->in_event = true;
    ended(c, 0);
    c->in_event = false;
    if (c->gone)
        free_conn(c);
}

/* ---- patience ---- */

static void expire(struct ed_conn *base, int err)
{
    struct h1_conn *c = ED_CONTAINER(base, struct h1_conn, base);
    if (c->reader && base->state == ED_CONN_BODY && err == ED_ETIMEOUT) {
        /* The handler is told by its read, and can still reply. */
        c->close = true;
        wake_reader(c, H1_TOO_SLOW);
    } else if (c->fiber && err == ED_ECLOSED) {
        c->close = true; /* a handler stops the server, and has not waited */
    } else if (c->fiber) {
        if (base->state == ED_CONN_WRITE)
            c->broken = c->broken ? c->broken : err;
        c->close = true;
        ed_fiber_cancel(c->fiber, err == ED_ETIMEOUT ? err : ED_ECANCELED);
    } else if (err == ED_ETIMEOUT && base->state == ED_CONN_HEAD &&
               c->view_len) {
        h1_refuse(c, 408, "the head of the request took too long");
        release_in(c);
        finish(c);
    } else if (between_requests(c) && c->out) {
        finish(c);
    } else {
        close_conn(c);
    }
}

static ed_stream *stream_of(const struct ed_conn *base)
{
    return ED_CONTAINER(base, const struct h1_conn, base)->stream;
}

static uint64_t requests_of(const struct ed_conn *base)
{
    return ED_CONTAINER(base, const struct h1_conn, base)->requests;
}

static const struct ed_conn_kind http_1 = {
    .name = "http/1.1",
    .expire = expire,
    .stream = stream_of,
    .requests = requests_of,
};

void ed_h1_open(ed_server *server, ed_stream *stream)
{
    struct ed_tls_info info;
    struct h1_conn *c = calloc(1, sizeof *c);
    if (!c) {
        ed_stream_close(stream);
        return;
    }
    c->stream = stream;
    c->secure = ed_stream_tls(stream, &info);
    c->base.kind = &http_1;
    stream->user = c;
    stream->on_data = on_data;
    stream->on_writable = h1_on_writable;
    stream->on_hangup = on_hangup;
    ed_conn_open(server, &c->base);
    receive(c, true);
}

/* ---- for handlers ---- */

/* Kept for further requests: to ask the system costs as much as all of an
 * access log's line does. */
static const char *peer_of(struct h1_conn *c)
{
    if (!c->peer && c->stream) {
        char text[ED_ADDR_TEXT];
        ed_stream_peer(c->stream, text);
        c->peer = strdup(text);
    }
    return c->peer ? c->peer : "";
}

/* The connection may end before the request does. */
static const char *peer(ed_req *req)
{
    struct h1_exchange *x = h1_exchange(req);
    if (!x->peer)
        x->peer = ed_arena_copy(req->arena, ed_bytes(peer_of(x->conn)));
    return x->peer ? x->peer : "";
}

static ed_stream *transport(const ed_req *req)
{
    return h1_exchange(req)->conn->stream;
}

/* Replies that another protocol begins. */
static int say_upgrade(ed_req *req, const char *protocol)
{
    struct h1_exchange *x = h1_exchange(req);
    if (protocol ? !x->upgrade : !x->connect)
        return ed_fail(ED_EBADREQ, "the request asks for no upgrade");
    if (!req->body_ended)
        return ed_fail(ED_EBADREQ, "an upgrade in the middle of a body");
    return h1_upgrade_reply(x, protocol);
}

/* Parts the stream from the connection. */
static ed_stream *give_stream(ed_req *req)
{
    struct h1_conn *c = h1_exchange(req)->conn;
    ed_stream *stream = c->stream;
    stream->user = NULL;
    stream->on_data = NULL;
    stream->on_writable = NULL;
    stream->on_hangup = NULL;
    c->view_len = 0;
    c->stream = NULL;
    req->taken = true;
    return stream;
}

static int upgrade(ed_req *req, const char *protocol, ed_stream **out)
{
    struct h1_conn *c = h1_exchange(req)->conn;
    int err = say_upgrade(req, protocol);
    if (err)
        return err;
    err = ed_stream_receive(c->stream, false);
    if (!err)
        err = ed_stream_unread(c->stream, ed_bytes_of(c->view, c->view_len));
    if (!err)
        *out = give_stream(req);
    return err;
}

static int take_over(ed_req *req, struct ed_takeover *takeover)
{
    struct h1_conn *c = h1_exchange(req)->conn;
    int err = say_upgrade(req, takeover->protocol);
    if (err)
        return err;
    takeover->ahead = ed_bytes_of(c->view, c->view_len);
    takeover->stream = give_stream(req);
    ed_conn_replace(&c->base, takeover->conn);
    return 0;
}

const struct ed_exchange_ops h1_ops = {
    .body_read = h1_body_read,
    .send = h1_send,
    .send_file = h1_send_file,
    .flush = h1_flush,
    .try_send = h1_try_send,
    .upgrade = upgrade,
    .take_over = take_over,
    .peer = peer,
    .transport = transport,
};
