/*
 * h1_request.c - from bytes to a request, and its body.
 */
#include "http/h1.h"

#include <eddy/fiber.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is left of a body no handler wanted is read and thrown away up to this
 * much, to keep the connection; beyond, closing it is cheaper. */
static const uint64_t SHORT_BODY = 64 * 1024;
enum { MAX_TRAILER = 8 * 1024 };

/* ---- the head ---- */

/* The head so far lies in the server's memory, which the next connection will
 * use: moves it. */
static int keep_partial(struct h1_conn *c, const struct ed_http1_head *head)
{
    ed_server *server = c->base.server;
    size_t fields = server->limits.max_fields * sizeof *head->fields;
    struct h1_partial *p = malloc(sizeof *p + fields);
    if (!p)
        return ED_ENOMEM;
    p->head = *head;
    p->head.fields = p->fields;
    memcpy(p->fields, head->fields, head->field_count * sizeof *head->fields);
    c->partial = p;
    return 0;
}

ssize_t h1_parse_head(struct h1_conn *c, const struct ed_http1_head **out)
{
    ed_server *server = c->base.server;
    struct ed_http1_head *head = &server->head;
    if (c->partial)
        head = &c->partial->head;
    else
        ed_http1_begin(head, server->fields);
    *out = head;
    ssize_t n = ed_http1_request(head, c->view, c->view_len, &server->limits);
    if (n == 0 && !c->partial)
        return keep_partial(c, head);
    return n;
}

static const char *text_of(ed_arena *arena, const char *base,
                           struct ed_http1_span span)
{
    return ed_arena_copy(arena, ed_http1_bytes(base, span));
}

/*
 * The texts of a request end with NUL. Most do so in place, since what stood
 * behind them is done with; where one text is a part of another it is copied.
 */
static bool take_texts(ed_req *req, const struct ed_http1_head *head,
                       char *text)
{
    static const char none[] = "";
    req->head = text;
    req->method = text + head->method.at;
    req->target = text + head->target.at;
    req->path = text + head->path.at;
    req->query = none;
    req->host = none;
    text[head->method.at + head->method.len] = '\0';
    text[head->target.at + head->target.len] = '\0';
    if (head->path.len == head->target.len) {
        req->path = req->target;
    } else {
        req->path = text_of(req->arena, text, head->path);
        if (head->query.len)
            req->query = text + head->query.at;
    }
    if (head->host.len) {
        if (head->host.at < head->target.at + head->target.len)
            req->host = text_of(req->arena, text, head->host);
        else
            req->host = text + head->host.at;
        /* Behind the value of the Host field stands its line end. */
        if (req->host == text + head->host.at)
            text[head->host.at + head->host.len] = '\0';
    }
    return req->path && req->host;
}

static void take_body(struct h1_exchange *x, const struct ed_http1_head *head)
{
    ed_req *req = &x->req;
    x->body = head->body;
    x->wants_continue = head->expect_continue;
    switch (head->body) {
    case ED_BODY_LENGTH:
        x->body_left = head->content_length;
        req->body_length = (int64_t)head->content_length;
        req->body_ended = head->content_length == 0;
        break;
    case ED_BODY_CHUNKED:
        req->body_length = -1;
        break;
    default:
        req->body_ended = true;
    }
}

struct h1_exchange *h1_request_new(struct h1_conn *c,
                                   const struct ed_http1_head *head, size_t len)
{
    ed_server *server = c->base.server;
    ed_arena *arena = ed_server_arena_get(server);
    if (!arena)
        return NULL;
    size_t fields = head->field_count * sizeof *head->fields;
    struct h1_exchange *x = ed_arena_alloc(arena, sizeof *x + fields);
    char *text = ed_arena_copy(arena, ed_bytes_of(c->view, len));
    if (!x || !text) {
        ed_server_arena_put(server, arena);
        return NULL;
    }
    memset(x, 0, sizeof *x);
    memcpy(x->fields, head->fields, fields);

    ed_req *req = &x->req;
    ed_req_init(req);
    req->ops = &h1_ops;
    req->exchange = x;
    req->arena = arena;
    req->server = server;
    req->secure = c->secure;
    req->user = server->options.user;
    req->version = 10 + head->minor;
    req->max_body = server->options.max_body;
    req->number = ++server->counts.requests;
    req->came = ed_now();
    c->requests++;
    req->fields = x->fields;
    req->field_count = head->field_count;
    x->conn = c;
    x->keep_alive = head->keep_alive && !c->close && !server->stopping;
    take_body(x, head);
    bool ok = take_texts(req, head, text);
    req->is_head = head->method.len == 4 && !memcmp(req->method, "HEAD", 4);
    x->upgrade = head->upgrade;
    x->connect =
        ed_bytes_equal(ed_http1_bytes(text, head->method), ED_BYTES("CONNECT"));
    /* A client takes what follows a 2xx for the tunnel's, not for a reply. */
    if (x->connect)
        x->keep_alive = false;

    /* The head is done with only now: `head` may lie in the partial one. */
    h1_consume(c, len);
    free(c->partial);
    c->partial = NULL;
    if (ok)
        return x;
    ed_server_arena_put(server, arena);
    return NULL;
}

/* ---- the body ---- */

bool h1_body_is_short(const struct h1_exchange *x)
{
    if (x->req.body_ended)
        return true;
    if (x->req.body_error || x->wants_continue)
        return false; /* the rest may never come */
    return x->body == ED_BODY_LENGTH && x->body_left <= SHORT_BODY;
}

static bool reader_abort(void *arg)
{
    struct h1_conn *c = arg;
    c->reader = NULL;
    if (c->base.state == ED_CONN_BODY)
        ed_conn_enter(&c->base, ED_CONN_BUSY);
    return true;
}

/* Where the next request would begin is not known any more. */
static int body_fails(struct h1_exchange *x, int err, const char *why)
{
    x->keep_alive = false;
    x->req.body_error = err;
    return ed_fail(err, "request body: %s", why);
}

/* Waits until there is input. Suspends. */
static int more_input(struct h1_exchange *x)
{
    struct h1_conn *c = x->conn;
    if (x->wants_continue) {
        x->wants_continue = false;
        int err = h1_continue(x);
        if (err)
            return err;
    }
    while (!c->view_len) {
        if (c->ended)
            return body_fails(x, ED_EEOF, "the client left before its end");
        if (c->reader)
            return ed_fail(ED_EUSAGE, "two fibers read one body");
        if (ed_cancelled())
            return ed_cancelled();
        c->reader = ed_fiber_self();
        ed_conn_enter(&c->base, ED_CONN_BODY);
        int err = ed_park("the body of the request", reader_abort, c);
        if (err == H1_TOO_SLOW)
            return body_fails(x, ED_ETIMEOUT,
                              "the client took too long to send it");
        if (err)
            return err;
    }
    return 0;
}

static ssize_t read_length(struct h1_exchange *x, void *buf, size_t len)
{
    struct h1_conn *c = x->conn;
    size_t n = c->view_len < len ? c->view_len : len;
    if (n > x->body_left)
        n = (size_t)x->body_left;
    memcpy(buf, c->view, n);
    h1_consume(c, n);
    x->body_left -= n;
    x->req.body_ended = x->body_left == 0;
    return (ssize_t)n;
}

/* A count, 0 at the end, or -EAGAIN when more input is needed. */
static ssize_t read_chunked(struct h1_exchange *x, void *buf, size_t len)
{
    struct h1_conn *c = x->conn;
    while (c->view_len) {
        /* No more than `len`, so that a piece never exceeds it. */
        size_t n = c->view_len < len ? c->view_len : len;
        struct ed_bytes in = ed_bytes_of(c->view, n);
        struct ed_bytes out;
        int event = ed_http1_chunked(&x->chunked, &in, &out, MAX_TRAILER);
        size_t used = n - in.len;
        if (event == ED_CHUNK_DATA)
            memcpy(buf, out.ptr, out.len);
        h1_consume(c, used);
        if (event < 0)
            return body_fails(x, event,
                              x->chunked.error ? x->chunked.error
                                               : "trailers too large");
        if (event == ED_CHUNK_DATA)
            return (ssize_t)out.len;
        if (event == ED_CHUNK_END) {
            x->req.body_ended = true;
            return 0;
        }
    }
    return -EAGAIN;
}

ssize_t h1_body_read(ed_req *req, void *buf, size_t len)
{
    struct h1_exchange *x = h1_exchange(req);
    for (;;) {
        int err = more_input(x);
        if (err)
            return err;
        ssize_t n = x->body == ED_BODY_CHUNKED ? read_chunked(x, buf, len)
                                               : read_length(x, buf, len);
        if (n != -EAGAIN)
            return n;
    }
}
