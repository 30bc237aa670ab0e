/*
 * out.c - from frames to the socket.
 *
 * Small frames are gathered and leave together, at the end of the loop's turn.
 * Large ones go to the socket from where they lie. What is written, in this
 * order: what was gathered; the rest of a frame that has begun; control frames
 * that wait; the messages of the queue; and, when nothing is left, the close
 * frame.
 */
#include "ws/conn.h"
#include <errno.h>

/* ---- the buffer ---- */

static void run_turn(struct ed_deferred *deferred)
{
    ws_turn(ED_CONTAINER(deferred, struct ws_out, deferred)->ws);
}

/* Taken if need be; NULL: no memory. */
static struct ws_out *out_of(ed_ws *ws)
{
    struct ws_local *local;

    if (ws->out)
        return ws->out;
    local = ws->kind->local;
    struct ws_out *out = ws_out_get(local);
    if (!out)
        return NULL;
    out->ws = ws;
    out->deferred.run = run_turn;
    ed_defer(local->loop, &out->deferred);
    ws->out = out;
    return out;
}

void ws_out_release(ed_ws *ws)
{
    struct ws_local *local = ws->kind->local;

    ed_undefer(local->loop, &ws->out->deferred);
    ws_out_put(local, ws->out);
    ws->out = NULL;
}

void ws_soon(ed_ws *ws)
{
    struct ws_out *out = out_of(ws);

    if (out && !out->deferred.queued)
        ed_defer(ed_loop_current(), &out->deferred);
}

/* ---- writing ---- */

ssize_t ws_try_writev(ed_ws *ws, const struct iovec *iov, int count)
{
    if (ws->broken)
        return ws->broken;
    ssize_t n = ed_stream_try_writev(ws->stream, iov, count);
    if (n > 0 && ws->waits == WS_WAIT_WRITE)
        ws_wait_for(ws, WS_WAIT_WRITE);
    if (n < 0 && n != -EAGAIN)
        ws_break(ws, n);
    return n;
}

void ws_break(ed_ws *ws, ssize_t why)
{
    if (!ws->broken)
        ws->broken = why > INT16_MIN ? (int16_t)why : -EIO;
    ws_soon(ws);
}

void ws_block(ed_ws *ws)
{
    if (ws->broken || ws->blocked)
        return;
    int err = ed_stream_want_writable(ws->stream, true);
    if (err) {
        ws_break(ws, err);
        return;
    }
    ws->blocked = true;
    if (ws->phase == WS_OPEN)
        ws_wait_for(ws, WS_WAIT_WRITE);
}

/* 0 when all that was gathered is out. The buffer stays with a frame that goes
 * on behind it. */
static int push_gathered(ed_ws *ws)
{
    struct ws_out *out = ws->out;
    struct iovec iov = {out->bytes + out->at, out->len - out->at};
    ssize_t n = iov.iov_len ? ws_try_writev(ws, &iov, 1) : 0;

    if (n < 0 && n != -EAGAIN)
        return (int)n;
    out->at += n > 0 ? (size_t)n : 0;
    if (out->at < out->len) {
        ws_block(ws);
        return ws->broken ? ws->broken : -EAGAIN;
    }
    if (ws->large)
        out->at = out->len = 0;
    else
        ws_out_release(ws);
    return 0;
}

/* Has the words gathered, if there are any. */
static bool say(ed_ws *ws, struct ws_words *words, enum ed_ws_opcode opcode)
{
    struct ed_ws_head head = {
        .opcode = (uint8_t)opcode,
        .fin = true,
        .len = words->len,
    };

    if (!words->due)
        return false;
    words->due = false;
    if (opcode == ED_WS_CLOSE)
        ws->close_sent = true;
    return ws_gather(ws, &head, words->bytes, true);
}

/* Gathers one of the control frames that wait. False when none does. */
static bool say_next(ed_ws *ws)
{
    struct ws_more *more = ws->more;

    if (!more || ws->close_sent)
        return false;
    if (say(ws, &more->pong, ED_WS_PONG) || say(ws, &more->ping, ED_WS_PING))
        return true;
    return !ws_queue_is_next(ws) && say(ws, &more->close, ED_WS_CLOSE);
}

int ws_push(ed_ws *ws)
{
    int err = ws->broken;

    while (!err && !ws->blocked) {
        if (ws->out) {
            err = push_gathered(ws);
            if (err || ws->large)
                return err;
        } else if (ws->large) {
            return 0;
        } else if (ws_queue_is_inside(ws)) {
            err = ws_queue_push(ws);
        } else if (!say_next(ws)) {
            if (!ws_queue_is_next(ws) || ws->close_sent)
                return 0;
            err = ws_queue_push(ws);
        }
    }
    return err ? err : -EAGAIN;
}

/* ---- gathering ---- */

/* Writes a frame behind what was gathered; there is room for it. False without
 * random bytes for a mask. */
static bool add_frame(ed_ws *ws, struct ed_ws_head *head, const char *payload)
{
    struct ws_out *out = ws->out;
    char *at = out->bytes + out->len;

    head->masked = ws_is_masking(ws);
    if (head->masked && ws_mask(ws->kind->local, head->mask))
        return false;
    at += ed_ws_head_write(at, head);
    if (head->masked)
        ed_ws_mask(at, payload, head->len, head->mask, 0);
    else if (head->len)
        memcpy(at, payload, head->len);
    out->len = (size_t)(at + head->len - out->bytes);
    return true;
}

static bool fits(const struct ws_out *out, size_t len)
{
    return WS_OUT_BYTES - out->len >= ED_WS_HEAD_MAX + len;
}

bool ws_gather(ed_ws *ws, struct ed_ws_head *head, const char *payload,
               bool control)
{
    if (head->len > WS_GATHER || ws->large || ws->broken ||
        (control ? ws_queue_is_inside(ws) : ws_queue_is_next(ws)))
        return false;
    if (!out_of(ws) || !fits(ws->out, head->len))
        return false;
    return add_frame(ws, head, payload);
}

/* ---- waiting ---- */

int ws_await_output(ed_ws *ws)
{
    struct ws_more *more = ws_more(ws);

    return more ? ed_waitq_wait(&more->writers, "the peer to take what is sent",
                                NULL)
                : ED_ENOMEM;
}

void ws_on_writable(ed_stream *stream)
{
    ed_ws *ws = stream->user;

    ws->blocked = false;
    ws_turn(ws);
}

/* ---- large frames ---- */

/* Whether a fiber that sends can go on. */
static int check(const ed_ws *ws)
{
    if (ws->phase >= WS_OVER || ws->close_sent)
        return ws_verdict(ws);
    return ws->broken ? ED_ECONNLOST : 0;
}

/* Sends what was gathered and then of `piece`, or waits for room. Suspends. */
static int send_some(ed_ws *ws, struct ed_bytes *piece)
{
    struct iovec iov[2];
    int count = 0;
    size_t gathered = ws->out ? ws->out->len - ws->out->at : 0;

    if (ws->blocked)
        return ws_await_output(ws);
    if (gathered)
        iov[count++] = (struct iovec){ws->out->bytes + ws->out->at, gathered};
    iov[count++] = (struct iovec){(char *)piece->ptr, piece->len};
    ssize_t n = ws_try_writev(ws, iov, count);
    if (n == -EAGAIN) {
        ws_block(ws);
        return ws->broken ? ED_ECONNLOST : 0;
    }
    if (n < 0)
        return ED_ECONNLOST;
    size_t from_out = (size_t)n < gathered ? (size_t)n : gathered;
    if (ws->out)
        ws->out->at += from_out;
    piece->ptr += (size_t)n - from_out;
    piece->len -= (size_t)n - from_out;
    return 0;
}

/* Waits until nothing but what the caller sends is to be sent. Suspends. */
static int await_empty(ed_ws *ws)
{
    int err = ed_checkpoint();

    while (!err && !(err = check(ws))) {
        if (!ws->out && !ws_queue_is_next(ws))
            return 0;
        int pushed = ws_push(ws);
        if (pushed == -EAGAIN)
            err = ws_await_output(ws);
        else if (pushed)
            return ED_ECONNLOST;
    }
    return err;
}

/* A server's payload is sent from where it lies. */
static int send_through(ed_ws *ws, struct ed_bytes payload)
{
    int err = 0;

    while (!err && payload.len && !(err = check(ws)))
        err = send_some(ws, &payload);
    return err;
}

/* A client's has to be masked on its way. */
static int send_masked(ed_ws *ws, struct ed_bytes payload,
                       const uint8_t mask[ED_WS_MASK_BYTES])
{
    size_t sent = 0;
    int err = 0;

    while (!err && sent < payload.len && !(err = check(ws))) {
        struct ws_out *out = out_of(ws);
        if (!out)
            return ED_ENOMEM;
        size_t room = WS_OUT_BYTES - out->len;
        size_t n = payload.len - sent < room ? payload.len - sent : room;
        ed_ws_mask(out->bytes + out->len, payload.ptr + sent, n, mask, sent);
        out->len += n;
        sent += n;
        while (!err && ws->out && ws->out->len == WS_OUT_BYTES) {
            int pushed = ws_push(ws);
            if (pushed == -EAGAIN)
                err = ws_await_output(ws);
            else if (pushed)
                err = ED_ECONNLOST;
            if (!err)
                err = check(ws);
        }
    }
    return err;
}

static int put_large(ed_ws *ws, struct ed_ws_head *head, const char *payload)
{
    struct ed_bytes bytes = ed_bytes_of(payload, head->len);
    int err = await_empty(ws);

    if (err)
        return err;
    struct ws_out *out = out_of(ws);
    if (!out)
        return ED_ENOMEM;
    head->masked = ws_is_masking(ws);
    if (head->masked && (err = ws_mask(ws->kind->local, head->mask)))
        return err;
    out->len += ed_ws_head_write(out->bytes + out->len, head);
    ws->large = true;
    err = head->masked ? send_masked(ws, bytes, head->mask)
                       : send_through(ws, bytes);
    ws->large = false;
    if (err)
        ws_break(ws, -ECANCELED);
    else
        ws_soon(ws); /* what had to wait meanwhile */
    return err;
}

int ws_put(ed_ws *ws, struct ed_ws_head *head, const char *payload)
{
    if (head->len > WS_GATHER)
        return put_large(ws, head, payload);
    for (;;) {
        int err = check(ws);
        if (!err && ws_gather(ws, head, payload, false))
            return 0;
        if (!err)
            err = await_empty(ws);
        if (err)
            return err;
        if (!out_of(ws))
            return ED_ENOMEM;
    }
}
