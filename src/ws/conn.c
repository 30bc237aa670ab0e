/*
 * conn.c - the life of a WebSocket.
 *
 * Between two messages a connection that is served by events is a structure and
 * a stream. What it waits for is a line of its server, or, on a client, a timer
 * of its own. When a message is whole a fiber is taken, which handles that one
 * and those that came behind it.
 *
 * Its phases follow each other and never go back. It is freed, in tidy(),
 * when it has no stream, no fiber of its own, and no owner.
 */
#include "ws/conn.h"
#include <eddy/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What a peer may still send to a connection that is over. */
enum { MOST_LINGERING_KB = 1024 };

static void on_data(ed_stream *stream, char *data, ssize_t len);
static void tidy(ed_ws *ws);

/* ---- waiting ---- */

static void timer_fired(struct ed_timer *timer);

static void wait_as_client(ed_ws *ws, enum ws_wait what)
{
    struct ws_more *more = ws->more;
    int64_t patience = ws->kind->patience[what];

    more->since = ed_now();
    if (patience == INT64_MAX)
        return;
    int64_t at = more->since + patience;
    if (more->timer.index && more->timer.at <= at)
        return;
    /* Without memory for the timer the next time tries again. */
    if (ed_timer_start(ed_loop_current(), &more->timer, at) < 0)
        ed_log_warn("no memory to watch a WebSocket");
}

void ws_wait_for(ed_ws *ws, enum ws_wait what)
{
    ws->waits = what & 7;
    if (ws_is_client(ws->kind))
        wait_as_client(ws, what);
    else
        ed_conn_enter(&ws->base, ws->kind->lines[what]);
}

/* ---- the end ---- */

static void wake_all(ed_ws *ws)
{
    struct ws_more *more = ws->more;

    if (!more)
        return;
    if (more->receiver) {
        ed_fiber *receiver = more->receiver;
        more->receiver = NULL;
        ed_wake(receiver, 0);
    }
    ed_waitq_wake_all(&more->ends, 0);
    ed_waitq_wake_all(&more->writers, 0);
    ed_waitq_wake_all(&more->turns, 0);
}

static void note_end(ed_ws *ws, int err, const char *why)
{
    struct ws_more *more = ws_more(ws);

    if (!more || more->err)
        return;
    more->err = err;
    more->why = why;
}

static void enter_over(ed_ws *ws)
{
    ws->phase = WS_OVER;
    ws->controls = 0; /* counts what comes too late from now on */
    if (!ws->close_code)
        ws->close_code = ED_WS_ABNORMAL;
    ws_members_leave(ws);
    ws_queue_drop(ws, false);
    wake_all(ws);
}

/* Closes the stream. */
static void enter_gone(ed_ws *ws)
{
    if (ws->phase == WS_GONE)
        return;
    if (ws->phase < WS_OVER)
        enter_over(ws);
    ws->phase = WS_GONE;
    ws_queue_drop(ws, true);
    if (ws->more)
        ed_timer_stop(ed_loop_current(), &ws->more->timer);
    ed_stream_close(ws->stream);
    ws->stream = NULL;
    wake_all(ws);
    ws_soon(ws);
}

/* The connection is of no use any more. In the loop only. */
static void lose(ed_ws *ws, int err, const char *why)
{
    const char *cause = ws->stream ? ed_stream_why(ws->stream) : NULL;

    note_end(ws, err, why);
    if (ws->more && ws->more->why == why && (cause || ws->broken))
        snprintf(ws->more->cause, sizeof(ws->more->cause), "%s",
                 cause ? cause : ed_err_text(ws->broken));
    enter_gone(ws);
}

/* Says that nothing more will come and waits a little for the peer to close:
 * closing over unread input would reset the connection, and with it our last
 * words. A client lets the server close first (RFC 6455, 7.1.1). */
static void linger(ed_ws *ws)
{
    bool waits = ws_is_client(ws->kind) && !ws->unclean;

    if (ws->shut)
        return;
    ws->shut = true;
    ws->controls = 0;
    if (ws->ended || ws->broken ||
        (!waits && ed_stream_shutdown(ws->stream) < 0)) {
        enter_gone(ws);
        return;
    }
    ws_wait_for(ws, WS_WAIT_LINGER);
    if (ws->paused && ed_stream_receive(ws->stream, true) == 0)
        ws->paused = false;
}

static void say_close(ed_ws *ws, int code, struct ed_bytes reason)
{
    struct ws_more *more = ws_more(ws);

    if (!more) {
        ws_break(ws, -ENOMEM);
    } else if (!ws->close_sent) {
        more->close.len =
            (uint8_t)ed_ws_close_write(more->close.bytes, code, reason);
        more->close.due = true;
    }
    ws_soon(ws);
}

void ws_close_begin(ed_ws *ws, int code, struct ed_bytes reason)
{
    if (ws->phase != WS_OPEN)
        return;
    ws->phase = WS_CLOSING;
    say_close(ws, code, reason);
    ws_wait_for(ws, WS_WAIT_CLOSE);
    ws_members_leave(ws);
    wake_all(ws);
}

void ws_fail(ed_ws *ws, int code, int err, const char *why)
{
    note_end(ws, err, why);
    if (ws->phase == WS_OPEN)
        say_close(ws, code, ed_bytes(why));
    ws->unclean = true;
    ws_wait_for(ws, WS_WAIT_CLOSE);
    enter_over(ws);
    ws_soon(ws);
}

void ws_peer_closed(ed_ws *ws, int code, struct ed_bytes reason)
{
    struct ws_more *more = ws_more(ws);

    ws->close_code = (uint16_t)code;
    if (more)
        memcpy(more->reason, reason.ptr, reason.len);
    note_end(ws, ED_ECLOSED, NULL);
    if (ws->phase == WS_OPEN)
        say_close(ws, code, ED_BYTES(""));
    ws_wait_for(ws, WS_WAIT_CLOSE);
    enter_over(ws);
    ws_soon(ws);
}

int ws_verdict(const ed_ws *ws)
{
    const struct ws_more *more = ws->more;

    if (!more || !more->err)
        return ws->phase == WS_CLOSING || !ws->broken
                   ? ed_fail(ED_ECLOSED, "the WebSocket is closed on our side")
                   : ed_fail(ED_ECONNLOST, "the connection broke");
    if (more->err == ED_ECLOSED)
        return ed_fail(ED_ECLOSED, "closed by the peer: %d%s%s", ws->close_code,
                       *more->reason ? " " : "", more->reason);
    return ed_fail(
        more->err, "%s%s%s%s", more->why ? more->why : ed_err_text(more->err),
        *more->cause ? " (" : "", more->cause, *more->cause ? ")" : "");
}

/* ---- freeing ---- */

static void free_zip(struct ws_zip *zip)
{
    if (!zip)
        return;
    ed_ws_inflate_free(zip->in);
    ed_ws_deflate_free(zip->out);
    free(zip);
}

static void free_more(ed_ws *ws)
{
    struct ws_more *more = ws->more;

    if (!more)
        return;
    ed_timer_stop(ed_loop_current(), &more->timer);
    ed_list_remove(&more->node);
    ws_deflate_give(ws, more->piece_deflate);
    free(more);
}

static void free_ws(ed_ws *ws)
{
    struct ws_local *local = ws->kind->local;

    if (ws->out)
        ws_out_release(ws);
    if (ws->in)
        ws_in_put(local, ws->in);
    free_more(ws);
    free_zip(ws->zip);
    if (!ws_is_client(ws->kind))
        ed_conn_gone(&ws->base);
    ws_kind_put(ws->kind);
    free(ws);
}

/* A fiber's own arena, lent by the server. NULL: no memory. */
static ed_arena *begin_fiber(ed_ws *ws)
{
    ed_fiber *self = ed_fiber_self();

    ws->fiber = self;
    self->arena = ed_server_arena_get(ws->kind->server);
    return self->arena;
}

static void end_fiber(ed_ws *ws)
{
    ed_fiber *self = ws->fiber;

    if (self->arena)
        ed_server_arena_put(ws->kind->server, self->arena);
    self->arena = NULL;
    ws->fiber = NULL;
    ws_rest(ws);
    tidy(ws);
}

/* In a fiber of the connection's own. */
static void tell_end(ed_ws *ws)
{
    if (ws->phase < WS_OVER || ws->told)
        return;
    ws->told = true;
    if (ws->kind->on_close)
        ws->kind->on_close(ws);
}

static int say_goodbye(void *arg)
{
    ed_ws *ws = arg;

    (void)begin_fiber(ws); /* without one it has the loop's */
    tell_end(ws);
    end_fiber(ws);
    return 0;
}

/* In a fiber, at once. */
static int run(ed_ws *ws, ed_fn *fn)
{
    return ed_fiber_run_now(ws->kind->server->scope, fn, ws, "websocket",
                            "server", NULL);
}

/* From the loop. */
static void have_end_told(ed_ws *ws)
{
    /* What it runs may come here again, and be the one that frees. */
    ws->in_event = true;
    if (ws->kind->on_close && run(ws, say_goodbye))
        ed_log_error("no memory to tell of the end of a WebSocket");
    ws->told = true;
    ws->in_event = false;
}

/* From a fiber, in which no other can be run: in its turn in the loop. False:
 * no memory for that, and the end is not told. */
static bool have_end_told_soon(ed_ws *ws)
{
    ws_soon(ws);
    if (ws->out)
        return true;
    if (ws->kind->on_close)
        ed_log_error("no memory to tell of the end of a WebSocket");
    ws->told = true;
    return false;
}

/* Frees what nobody needs any more, which may be all of it. At the end of what
 * the loop or a fiber of its own does. */
static void tidy(ed_ws *ws)
{
    if (ws->in_event || ws->fiber || ws->held)
        return;
    if (ws->phase >= WS_OVER && ws->kind->by_events && !ws->told) {
        if (!ed_in_fiber())
            have_end_told(ws);
        else if (have_end_told_soon(ws))
            return;
    }
    if (ws->phase == WS_GONE && !ws->fiber)
        free_ws(ws);
}

/* ---- messages, by events ---- */

static bool is_busy(const ed_ws *ws)
{
    return ws->kind->by_events && (ws->fiber || ws->held);
}

static int handle_one(ed_ws *ws)
{
    struct ws_in *in = ws->in;

    in->handed = true;
    in->bytes[in->len] = '\0';
    if (!ws->kind->on_message)
        return 0;
    int err = ws->kind->on_message(ws, ed_bytes_of(in->bytes, in->len));
    return err < 0 ? err : 0;
}

/* The handler has failed: the connection's own end is no failure of it. */
static void note_failure(ed_ws *ws, int err)
{
    if (ws->phase != WS_OPEN || ws->broken)
        return;
    const char *detail = ed_error_of(err);
    ed_log_error("a WebSocket's handler failed: %s%s%s (%s)", ed_err_text(err),
                 *detail ? ": " : "", detail, ed_err_name(err));
    ws_close_begin(ws, ED_WS_FAILED, ED_BYTES(""));
}

/* One fiber handles the message at hand, and those that came behind it. */
static int handle(void *arg)
{
    ed_ws *ws = arg;
    ed_arena *arena = begin_fiber(ws);

    do {
        int err = arena ? handle_one(ws) : ED_ENOMEM;
        ws_message_done(ws);
        if (err)
            note_failure(ws, err);
        ws_go_on(ws);
        if (arena)
            ed_arena_reset(arena);
    } while (ws->in && ws->in->whole && ws->phase == WS_OPEN);
    tell_end(ws);
    end_fiber(ws);
    return 0;
}

/* Whether a reader that waits has something to look at. */
static bool is_news(const ed_ws *ws)
{
    const struct ws_in *in = ws->in;

    if (ws->phase != WS_OPEN)
        return true;
    return in && (in->whole || (in->pieces && in->in_message));
}

static void wake_receiver(ed_ws *ws)
{
    struct ws_more *more = ws->more;

    if (!more || !more->receiver || !is_news(ws))
        return;
    ed_fiber *receiver = more->receiver;
    more->receiver = NULL;
    ed_wake_now(receiver, 0);
}

void ws_go_on(ed_ws *ws)
{
    if (ws_read(ws) && ws->ended && ws->phase <= WS_CLOSING)
        lose(ws, ED_ECONNLOST, "the connection ended without a close frame");
}

/* Reads what is there, and has it handled. */
static void work(ed_ws *ws)
{
    if (!is_busy(ws) || ws->phase == WS_CLOSING)
        ws_go_on(ws);
    if (!ws->kind->by_events) {
        wake_receiver(ws);
        return;
    }
    if (is_busy(ws) || ws->phase != WS_OPEN || !ws->in || !ws->in->whole)
        return;
    if (run(ws, handle))
        ws_close_begin(ws, ED_WS_TRY_LATER, ED_BYTES("out of memory"));
}

/* ---- events of the stream ---- */

/* One may come within another, of a handler that stops the server. Returns what
 * end_event() is to be given. */
static bool begin_event(ed_ws *ws)
{
    bool outer = ws->in_event;

    ws->in_event = true;
    return outer;
}

static void end_event(ed_ws *ws, bool outer)
{
    ws_rest(ws);
    ws->in_event = outer;
    tidy(ws);
}

/* Any byte says that the peer is there. */
static void note_life(ed_ws *ws)
{
    if (ws->waits <= WS_WAIT_PONG)
        ws_wait_for(ws, WS_WAIT_QUIET);
}

static void arrived(ed_ws *ws, char *data, size_t len)
{
    struct ws_local *local = ws->kind->local;

    if (!ws->in)
        ws->in = ws_in_get(local);
    struct ws_in *in = ws->in;
    if (!in || (in->view_len && ws_keep(in, data, len))) {
        lose(ws, ED_ENOMEM, "no memory for what was received");
        return;
    }
    if (!in->view_len) {
        in->view = data;
        in->view_len = len;
    }
    work(ws);
}

static void arrived_too_late(ed_ws *ws, size_t len)
{
    ws->controls = (uint16_t)(ws->controls + len / 1024 + 1);
    if (ws->controls > MOST_LINGERING_KB)
        enter_gone(ws);
}

/* The peer has ended its side, or the connection broke. */
static void ended(ed_ws *ws, ssize_t err)
{
    ws->ended = true;
    if (err < 0)
        ws_break(ws, err);
    if (ws->phase == WS_OVER && (err < 0 || ws->shut))
        enter_gone(ws);
    else
        work(ws);
}

static void on_data(ed_stream *stream, char *data, ssize_t len)
{
    ed_ws *ws = stream->user;
    bool outer = begin_event(ws);

    note_life(ws);
    if (len <= 0)
        ended(ws, len);
    else if (ws->phase >= WS_OVER)
        arrived_too_late(ws, (size_t)len);
    else
        arrived(ws, data, (size_t)len);
    end_event(ws, outer);
}

static void output_done(ed_ws *ws)
{
    if (ws->waits == WS_WAIT_WRITE)
        ws_wait_for(ws, WS_WAIT_QUIET);
    if (ws->phase == WS_OVER)
        linger(ws);
}

void ws_turn(ed_ws *ws)
{
    bool outer = begin_event(ws);
    int err = ws->stream ? ws_push(ws) : 0;
    if (!ws->stream) {
        if (ws->out)
            ws_out_release(ws);
    } else if (ws->broken) {
        lose(ws, ED_ECONNLOST, "the connection broke");
    } else if (!err) {
        output_done(ws);
    }
    if (ws->more && !ws->blocked)
        ed_waitq_wake_all(&ws->more->writers, 0);
    if (ws->phase <= WS_CLOSING && ws->in && ws->in->view_len)
        work(ws);
    end_event(ws, outer);
}

/* ---- patience ---- */

static void ping_it(ed_ws *ws)
{
    /* It cannot be heard while we do not listen. */
    if (ws->paused || ws->phase != WS_OPEN) {
        ws_wait_for(ws, WS_WAIT_QUIET);
        return;
    }
    ws_wait_for(ws, WS_WAIT_PONG);
    ws_ping_now(ws);
}

static void lose_dumb(ed_ws *ws)
{
    lose(ws, ED_ECONNLOST, "the peer answered no ping");
}

static void lose_deaf(ed_ws *ws)
{
    lose(ws, ED_ECONNLOST, "the peer takes nothing of what is sent");
}

static void stop_waiting(ed_ws *ws)
{
    lose(ws, ED_ETIMEOUT, "the peer did not close in time");
}

static void expired(ed_ws *ws)
{
    static void (*const acts[])(ed_ws *) = {
        [WS_WAIT_QUIET] = ping_it,     [WS_WAIT_PONG] = lose_dumb,
        [WS_WAIT_WRITE] = lose_deaf,   [WS_WAIT_CLOSE] = stop_waiting,
        [WS_WAIT_LINGER] = enter_gone,
    };

    if (ws->phase == WS_GONE)
        return;
    bool outer = begin_event(ws);
    acts[ws->waits](ws);
    end_event(ws, outer);
}

static void timer_fired(struct ed_timer *timer)
{
    struct ws_more *more = ED_CONTAINER(timer, struct ws_more, timer);
    int64_t patience = more->ws->kind->patience[more->ws->waits];

    if (patience == INT64_MAX)
        return;
    if (more->since + patience <= ed_now())
        expired(more->ws);
    else if (ed_timer_start(ed_loop_current(), timer, more->since + patience))
        ed_log_warn("no memory to watch a WebSocket");
}

/* Whoever is at work for it is told as well. */
static void cut(ed_ws *ws)
{
    if (ws->fiber)
        ed_fiber_cancel(ws->fiber, ED_ECANCELED);
    if (ws->more && ws->more->holder)
        ed_fiber_cancel(ws->more->holder, ED_ECANCELED);
    if (ws->phase != WS_GONE)
        lose(ws, ED_ECANCELED, "the server has stopped");
}

static void expire(struct ed_conn *base, int err)
{
    ed_ws *ws = ED_CONTAINER(base, ed_ws, base);

    if (err == ED_ETIMEOUT) {
        expired(ws);
        return;
    }
    bool outer = begin_event(ws);
    if (err == ED_ECLOSED)
        ws_close_begin(ws, ED_WS_GOING_AWAY, ED_BYTES("the server stops"));
    else
        cut(ws);
    end_event(ws, outer);
}

static ed_stream *stream_of(const struct ed_conn *base)
{
    return ED_CONTAINER(base, const ed_ws, base)->stream;
}

static const struct ed_conn_kind websocket = {
    .name = "websocket",
    .expire = expire,
    .stream = stream_of,
};

/* ---- the beginning ---- */

struct ws_more *ws_more(ed_ws *ws)
{
    struct ws_more *more = ws->more;

    if (more)
        return more;
    more = calloc(1, sizeof(*more));
    if (!more)
        return NULL;
    ed_list_init(&more->node);
    more->timer.fire = timer_fired;
    more->ws = ws;
    ws->more = more;
    return more;
}

ed_ws *ws_new(struct ws_kind *kind, void *user)
{
    ed_ws *ws = calloc(1, sizeof(*ws));

    if (!ws)
        return NULL;
    ws->kind = kind;
    ws->user = user;
    ws->base.kind = &websocket;
    ws->latency_us = -1;
    ws->held = true;
    /* Readers and handlers of their own, and timers, lie there. */
    if (!kind->by_events && !ws_more(ws)) {
        free(ws);
        return NULL;
    }
    return ws;
}

int ws_start(ed_ws *ws, ed_stream *stream, struct ed_bytes ahead)
{
    ws->stream = stream;
    stream->user = ws;
    stream->on_data = on_data;
    stream->on_writable = ws_on_writable;
    stream->on_hangup = NULL;
    ws_wait_for(ws, WS_WAIT_QUIET);
    int err = 0;
    if (ahead.len) {
        ws->in = ws_in_get(ws->kind->local);
        err = ws->in ? ws_keep(ws->in, ahead.ptr, ahead.len) : ED_ENOMEM;
    }
    if (!err)
        err = ed_stream_receive(stream, true);
    if (err)
        lose(ws, err, "the connection cannot be watched");
    return err;
}

void ws_let_go(ed_ws *ws)
{
    ws->held = false;
    if (ws->more)
        ws->more->holder = NULL;
    ws_soon(ws);
    if (!ws->out) /* no memory: nothing else would come here again */
        tidy(ws);
}

void ws_close_left(struct ws_local *local)
{
    struct ed_list *node;

    while ((node = ed_list_take(&local->left))) {
        ed_ws *ws = ED_CONTAINER(node, struct ws_more, node)->ws;
        enter_gone(ws);
        free_ws(ws);
    }
}
