/*
 * h1_reply.c - from a reply to bytes on the connection.
 *
 * Small pieces are gathered in an output buffer and leave together: when the
 * input at hand has been worked through, or at the end of the loop's turn.
 * Large ones go to the socket from where they lie. A fiber waits only when the
 * client does not take what is sent.
 */
#include "http/h1.h"
#include "base/ascii.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    /* Pieces up to this are worth a copy to save a system call. */
    GATHER = 8 * 1024,
    LENGTH_LINE = 48,
    STATUS_LINE = 128,
};

/*
 * For what stands between the loop and send(). The way through the kernel is so
 * long that the processor has forgotten where to return to: each return that
 * follows is predicted wrongly, and costs as much as 50 instructions.
 */
#define SENDS static inline __attribute__((always_inline))

/* ---- output ---- */

static void deferred_push(struct ed_deferred *deferred);

static struct ed_out *out_get(struct h1_conn *c)
{
    if (c->out)
        return c->out;
    ed_server *server = c->base.server;
    struct ed_out *out = ed_server_out_get(server);
    if (!out)
        return NULL;
    out->owner = c;
    out->deferred.run = deferred_push;
    ed_defer(server->loop, &out->deferred);
    c->out = out;
    return out;
}

static void out_release(struct h1_conn *c)
{
    ed_server *server = c->base.server;
    ed_undefer(server->loop, &c->out->deferred);
    ed_server_out_put(server, c->out);
    c->out = NULL;
}

/* Notes what came of writing. What was taken is progress, which a client that
 * takes nothing cannot feign by sending. */
static inline ssize_t written(struct h1_conn *c, ssize_t n)
{
    if (n > 0 && c->base.state == ED_CONN_WRITE)
        ed_conn_enter(&c->base, ED_CONN_WRITE);
    if (n < 0 && n != -EAGAIN)
        c->broken = (int)n;
    return n;
}

SENDS ssize_t try_writev(struct h1_conn *c, const struct iovec *iov, int count)
{
    if (c->broken)
        return c->broken;
    return written(c, ed_stream_try_writev(c->stream, iov, count));
}

static void out_sent(struct h1_conn *c, size_t n)
{
    c->out->at += n;
    if (c->out->at == c->out->len)
        out_release(c);
}

/* The client takes no more for now: waits for it, in the list of those who
 * wait so that it is not for ever. */
static void wait_writable(struct h1_conn *c)
{
    if (c->base.state != ED_CONN_WRITE)
        ed_conn_enter(&c->base, ED_CONN_WRITE);
    int err = ed_stream_want_writable(c->stream, true);
    if (err)
        c->broken = err;
}

/* Nothing is left to write: the connection waits for something else now. */
static void stop_waiting(struct h1_conn *c)
{
    if (c->base.state != ED_CONN_WRITE || c->writer)
        return;
    if (c->fiber)
        ed_conn_enter(&c->base, c->reader ? ED_CONN_BODY : ED_CONN_BUSY);
    else
        ed_conn_enter(&c->base, c->view_len ? ED_CONN_HEAD : ED_CONN_IDLE);
}

SENDS int push(struct h1_conn *c)
{
    if (!c->out || c->broken)
        return c->broken;
    struct iovec iov = {
        .iov_base = c->out->bytes + c->out->at,
        .iov_len = c->out->len - c->out->at,
    };
    ssize_t n = iov.iov_len ? try_writev(c, &iov, 1) : 0;
    if (n >= 0)
        out_sent(c, (size_t)n);
    if (!c->out)
        stop_waiting(c);
    else if (!c->broken)
        wait_writable(c);
    return c->broken;
}

int h1_push(struct h1_conn *c)
{
    return push(c);
}

static void deferred_push(struct ed_deferred *deferred)
{
    struct ed_out *out = ED_CONTAINER(deferred, struct ed_out, deferred);
    struct h1_conn *c = out->owner;
    int err = push(c);
    if (err)
        h1_break(c, err);
    else if (!c->out)
        h1_output_done(c);
}

static bool writer_abort(void *arg)
{
    struct h1_conn *c = arg;
    c->writer = NULL;
    return true;
}

int h1_await_writable(struct h1_conn *c)
{
    wait_writable(c);
    if (c->broken)
        return c->broken;
    c->writer = ed_fiber_self();
    int err = ed_park("the client to take the reply", writer_abort, c);
    c->writer = NULL; /* also when cancelled before it could wait */
    return err ? err : c->broken;
}

void h1_on_writable(ed_stream *stream)
{
    struct h1_conn *c = stream->user;
    if (c->writer) {
        ed_fiber *writer = c->writer;
        c->writer = NULL;
        ed_wake(writer, 0);
        return;
    }
    int err = h1_push(c);
    if (err)
        h1_break(c, err);
    else if (!c->out)
        h1_output_done(c);
}

/* Sends a part of what was gathered and then of `piece`, or waits for room.
 * Suspends. */
static int send_some(struct h1_conn *c, struct ed_bytes *piece)
{
    struct iovec iov[2];
    int count = 0;
    size_t gathered = c->out ? c->out->len - c->out->at : 0;
    if (gathered)
        iov[count++] = (struct iovec){c->out->bytes + c->out->at, gathered};
    if (piece->len)
        iov[count++] = (struct iovec){(char *)piece->ptr, piece->len};
    ssize_t n = try_writev(c, iov, count);
    if (n == -EAGAIN)
        return h1_await_writable(c);
    if (n < 0)
        return (int)n;
    size_t from_out = (size_t)n < gathered ? (size_t)n : gathered;
    if (c->out)
        out_sent(c, from_out);
    if (piece->len) { /* else it may be no memory at all */
        piece->ptr += (size_t)n - from_out;
        piece->len -= (size_t)n - from_out;
    }
    return 0;
}

int h1_sent_through(struct h1_conn *c, int err)
{
    if (c->broken)
        h1_break(c, c->broken);
    else if (!err)
        stop_waiting(c);
    return err;
}

/* Sends what was gathered and then `piece`, without copying it. Lets others
 * run at times, even if the client takes everything at once. Suspends. */
static int send_through(struct h1_conn *c, struct ed_bytes piece)
{
    int err = ed_checkpoint();
    while (!err && (c->out || piece.len))
        err = send_some(c, &piece);
    return h1_sent_through(c, err);
}

ssize_t h1_try_send_file(struct h1_conn *c, int fd, int64_t offset, size_t len)
{
    struct ed_bytes gathered = {0};
    if (c->broken)
        return c->broken;
    if (c->out)
        gathered =
            ed_bytes_of(c->out->bytes + c->out->at, c->out->len - c->out->at);
    ssize_t n = ed_stream_try_send_file(c->stream, gathered, fd, offset, len);
    /* Says something of the file, and nothing of the connection. */
    if (n == -EINVAL)
        return n;
    n = written(c, n);
    if (n < 0)
        return n;
    if (!n && !gathered.len)
        return ED_EEOF;
    size_t from_out = (size_t)n < gathered.len ? (size_t)n : gathered.len;
    if (c->out)
        out_sent(c, from_out);
    return n - (ssize_t)from_out;
}

char *h1_room(struct h1_conn *c, size_t len)
{
    struct ed_out *out = c->broken ? NULL : out_get(c);
    return out && ED_OUT_BYTES - out->len >= len ? out->bytes + out->len : NULL;
}

void h1_gathered(struct h1_conn *c, size_t len)
{
    c->out->len += len;
}

/* What does not simply fit behind what was gathered. Suspends. */
__attribute__((noinline)) static int put_slow(struct h1_conn *c,
                                              struct ed_bytes bytes)
{
    if (c->broken)
        return c->broken;
    if (c->out && ED_OUT_BYTES - c->out->len < bytes.len) {
        int err = send_through(c, (struct ed_bytes){0});
        if (err)
            return err;
    }
    if (bytes.len > GATHER)
        return send_through(c, bytes);
    if (!bytes.len)
        return 0;
    struct ed_out *out = out_get(c);
    if (!out)
        return ED_ENOMEM;
    memcpy(out->bytes + out->len, bytes.ptr, bytes.len);
    out->len += bytes.len;
    return 0;
}

int h1_put(struct h1_conn *c, struct ed_bytes bytes)
{
    struct ed_out *out = c->out;
    if (!out || c->broken || bytes.len > GATHER ||
        bytes.len > ED_OUT_BYTES - out->len || !bytes.len)
        return put_slow(c, bytes);
    memcpy(out->bytes + out->len, bytes.ptr, bytes.len);
    out->len += bytes.len;
    return 0;
}

/* ---- the head ---- */

static char *add(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

#define ADD(at, literal) add((at), (literal), sizeof(literal) - 1)

static char *add_bytes(char *at, struct ed_bytes b)
{
    return add(at, b.ptr, b.len);
}

static char *add_number(char *at, uint64_t n)
{
    char digits[ED_DIGITS_MAX];
    char *end = digits + sizeof digits;
    const char *first = ed_digits_write(end, n);
    return add(at, first, (size_t)(end - first));
}

static char *add_other_status_line(char *at, int status,
                                   struct ed_bytes own_reason)
{
    const char *reason = ed_http_reason(status);
    at = ADD(at, "HTTP/1.1 ");
    at = add_number(at, (uint64_t)status);
    *at++ = ' ';
    at = own_reason.len ? add_bytes(at, own_reason)
                        : add(at, reason, strlen(reason));
    return ADD(at, "\r\n");
}

static inline char *add_status_line(char *at, int status,
                                    struct ed_bytes own_reason)
{
    if (status == 200 && !own_reason.len)
        return ADD(at, "HTTP/1.1 200 OK\r\n");
    return add_other_status_line(at, status, own_reason);
}

static size_t fields_bytes(const struct ed_reply_field *f)
{
    size_t bytes = 0;
    for (; f; f = f->next)
        bytes += f->name.len + f->value.len + 4;
    return bytes;
}

static char *add_fields(char *at, const struct ed_reply_field *f)
{
    for (; f; f = f->next) {
        at = add_bytes(at, f->name);
        at = ADD(at, ": ");
        at = add_bytes(at, f->value);
        at = ADD(at, "\r\n");
    }
    return at;
}

/* Chooses how the body is framed (RFC 9112, 6) and writes the field for it. */
static char *add_framing(char *at, struct h1_exchange *x)
{
    const ed_req *req = &x->req;
    int status = req->reply.status;
    int64_t length = ed_req_reply_length(req);
    x->no_reply_body = !ed_req_reply_has_body(req);
    if (status == 204 || (status == 304 && length <= 0))
        return at;
    if (length >= 0) {
        at = ADD(at, "Content-Length: ");
        at = add_number(at, (uint64_t)length);
        return ADD(at, "\r\n");
    }
    if (req->version == 10) {
        x->keep_alive = false; /* the end of the connection ends the body */
        return at;
    }
    x->chunked_reply = !x->no_reply_body;
    return ADD(at, "Transfer-Encoding: chunked\r\n");
}

static char *add_connection(char *at, const struct h1_exchange *x)
{
    if (!x->keep_alive)
        return ADD(at, "Connection: close\r\n");
    if (x->req.version == 10)
        return ADD(at, "Connection: keep-alive\r\n");
    return at;
}

static int put_head(struct h1_exchange *x)
{
    ed_req *req = &x->req;
    struct h1_conn *c = x->conn;
    struct ed_bytes common = ed_server_common(
        req->server, !req->reply.own_server, !req->reply.own_date);
    struct ed_bytes type = req->reply.content_type;
    if (req->reply.status == 204)
        type.len = 0;
    size_t most = STATUS_LINE + req->reply.reason.len + common.len + type.len +
                  2 * LENGTH_LINE + fields_bytes(req->reply.fields);
    if (!h1_body_is_short(x) || c->close || req->server->stopping)
        x->keep_alive = false;

    /* In place, when it fits what is gathered; that saves a copy. */
    bool in_place = !c->broken && most <= GATHER &&
                    (!c->out || ED_OUT_BYTES - c->out->len >= most) &&
                    out_get(c);
    char *head = in_place ? c->out->bytes + c->out->len
                          : ed_arena_alloc(req->arena, most);
    if (!head)
        return ED_ENOMEM;
    char *at = add_status_line(head, req->reply.status, req->reply.reason);
    at = add_bytes(at, common);
    if (type.len) {
        at = ADD(at, "Content-Type: ");
        at = add_bytes(at, type);
        at = ADD(at, "\r\n");
    }
    at = add_framing(at, x);
    at = add_connection(at, x);
    at = add_fields(at, req->reply.fields);
    at = ADD(at, "\r\n");
    req->reply.began = true;
    ed_req_let_go(req);
    if (!in_place)
        return h1_put(c, ed_bytes_of(head, (size_t)(at - head)));
    c->out->len = (size_t)(at - c->out->bytes);
    return 0;
}

/* ---- the body ---- */

static int put_chunk(struct h1_conn *c, struct ed_bytes piece)
{
    char line[ED_HTTP1_CHUNK_LINE_MAX];
    size_t len = ed_http1_chunk_line(line, piece.len);
    int err = h1_put(c, ed_bytes_of(line, len));
    if (!err)
        err = h1_put(c, piece);
    return err ? err : h1_put(c, ED_BYTES("\r\n"));
}

static int put_body(struct h1_exchange *x, struct ed_bytes piece)
{
    struct h1_conn *c = x->conn;
    int err = x->chunked_reply ? put_chunk(c, piece) : h1_put(c, piece);
    if (!err)
        x->req.sent_bytes += (int64_t)piece.len;
    return err;
}

static int put_last_chunk(struct h1_exchange *x)
{
    struct h1_conn *c = x->conn;
    int err = h1_put(c, ED_BYTES("0\r\n"));
    for (struct ed_reply_field *f = x->req.reply.trailers; f && !err;
         f = f->next) {
        err = h1_put(c, f->name);
        err = err ? err : h1_put(c, ED_BYTES(": "));
        err = err ? err : h1_put(c, f->value);
        err = err ? err : h1_put(c, ED_BYTES("\r\n"));
    }
    return err ? err : h1_put(c, ED_BYTES("\r\n"));
}

/* Fibers that write one reply together take turns, so that a piece of one is
 * not cut in two by a piece of another. Suspends. */
int h1_take_turn(struct h1_exchange *x)
{
    while (x->sending) {
        int err = ed_waitq_wait(&x->turns, "another fiber's piece", NULL);
        if (err)
            return err;
    }
    x->sending = true;
    return 0;
}

int h1_end_turn(struct h1_exchange *x, int err)
{
    x->sending = false;
    ed_waitq_wake(&x->turns, 0);
    return err;
}

int h1_begin(struct h1_exchange *x)
{
    return x->req.reply.began ? 0 : put_head(x);
}

static int send_piece(struct h1_exchange *x, struct ed_bytes piece, bool end)
{
    ed_req *req = &x->req;
    int err = h1_begin(x);
    if (!err && piece.len && !x->no_reply_body)
        err = put_body(x, piece);
    if (!err && end && x->chunked_reply)
        err = put_last_chunk(x);
    if (!err && end)
        req->reply.ended = true;
    return err;
}

int h1_send(ed_req *req, struct ed_bytes piece, bool end)
{
    struct h1_exchange *x = h1_exchange(req);
    int err = h1_take_turn(x);
    return err ? err : h1_end_turn(x, send_piece(x, piece, end));
}

int h1_flush(ed_req *req)
{
    struct h1_exchange *x = h1_exchange(req);
    struct ed_bytes nothing = {0};
    if (x->conn->broken)
        return x->conn->broken;
    int err = h1_take_turn(x);
    return err ? err : h1_end_turn(x, send_through(x->conn, nothing));
}

bool h1_try_send(ed_req *req, struct ed_bytes piece)
{
    struct h1_exchange *x = h1_exchange(req);
    struct h1_conn *c = x->conn;
    size_t most = piece.len + ED_HTTP1_CHUNK_LINE_MAX + sizeof("\r\n");
    if (x->sending || c->broken || most > GATHER ||
        c->base.state == ED_CONN_WRITE ||
        (c->out && ED_OUT_BYTES - c->out->len < most))
        return false;
    return !send_piece(x, piece, false);
}

static int put_continue(struct h1_conn *c)
{
    int err = h1_put(c, ED_BYTES("HTTP/1.1 100 Continue\r\n\r\n"));
    if (!err)
        err = h1_push(c);
    if (c->broken)
        h1_break(c, c->broken);
    return err;
}

int h1_continue(struct h1_exchange *x)
{
    if (x->req.reply.began)
        return 0;
    int err = h1_take_turn(x);
    if (err)
        return err;
    /* Another fiber may have begun the reply meanwhile. */
    return h1_end_turn(x, x->req.reply.began ? 0 : put_continue(x->conn));
}

/* The head that turns the connection over to another protocol; sent whole. */
int h1_upgrade_reply(struct h1_exchange *x, const char *protocol)
{
    ed_req *req = &x->req;
    struct ed_bytes common = ed_server_common(
        req->server, !req->reply.own_server, !req->reply.own_date);
    size_t most = STATUS_LINE + common.len + LENGTH_LINE + LENGTH_LINE +
                  fields_bytes(req->reply.fields) +
                  (protocol ? strlen(protocol) : 0);
    char *head = ed_arena_alloc(req->arena, most);
    if (!head)
        return ED_ENOMEM;
    req->reply.status = protocol ? 101 : 200;
    req->reply.began = req->reply.ended = true;
    ed_req_let_go(req);
    x->keep_alive = false;
    char *at = add_status_line(head, req->reply.status, (struct ed_bytes){0});
    at = add_bytes(at, common);
    if (protocol) {
        at = ADD(at, "Connection: Upgrade\r\nUpgrade: ");
        at = add(at, protocol, strlen(protocol));
        at = ADD(at, "\r\n");
    }
    at = add_fields(at, req->reply.fields);
    at = ADD(at, "\r\n");
    int err = h1_put(x->conn, ed_bytes_of(head, (size_t)(at - head)));
    return err ? err : send_through(x->conn, (struct ed_bytes){0});
}

void h1_refuse(struct h1_conn *c, int status, const char *why)
{
    char text[512];
    char body[256];
    const char *reason = ed_http_reason(status);
    int body_len =
        snprintf(body, sizeof body, "%d %s: %s\n", status, reason, why);
    struct ed_bytes common = ed_server_common(c->base.server, true, true);
    int len =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %d %s\r\n%.*sContent-Type: text/plain; "
                 "charset=utf-8\r\nContent-Length: %d\r\n"
                 "Connection: close\r\n\r\n%s",
                 status, reason, (int)common.len, common.ptr, body_len, body);
    ed_server_refused(c->base.server, status, c->stream);
    struct ed_out *out = out_get(c);
    if (!out || ED_OUT_BYTES - out->len < (size_t)len)
        return; /* what was gathered before is more than this is worth */
    memcpy(out->bytes + out->len, text, (size_t)len);
    out->len += (size_t)len;
}
