/*
 * recv.c - receiving and closing, for fibers.
 */
#include "ws/conn.h"
#include <eddy/fiber.h>

/* ---- waiting for input ---- */

static bool receiver_abort(void *arg)
{
    ed_ws *ws = arg;

    ws->more->receiver = NULL;
    ws->want = WS_WANT_NOTHING; /* what comes now is for who asks next */
    return true;
}

static bool has_message(const struct ws_in *in)
{
    return in && in->whole;
}

static bool has_begun(const struct ws_in *in)
{
    return in && in->pieces && (in->in_message || in->whole);
}

static bool has_piece(const struct ws_in *in)
{
    return in && (in->whole || in->len > in->given);
}

/* Reads on until there is what is asked for. Suspends. */
static int await(ed_ws *ws, enum ws_want want,
                 bool (*is_there)(const struct ws_in *in))
{
    int err = ed_checkpoint();

    ws->want = want & 3;
    while (!err && !is_there(ws->in)) {
        if (ws->phase == WS_OPEN)
            ws_go_on(ws);
        ws_rest(ws);
        if (is_there(ws->in))
            break;
        if (ws->phase != WS_OPEN) {
            err = ws_verdict(ws);
            break;
        }
        ws->more->receiver = ed_fiber_self();
        err = ed_park("a message", receiver_abort, ws);
        ws->more->receiver = NULL; /* also when cancelled before it waited */
    }
    ws->want = WS_WANT_NOTHING;
    return err;
}

/* Lets go of the message that was given. 0 or ED_EUSAGE. */
static int begin_receive(ed_ws *ws)
{
    const struct ws_in *in = ws->in;

    if (ws->kind->by_events)
        return ed_fail(ED_EUSAGE, "its messages are given to on_message");
    if (ws->more->receiver)
        return ed_fail(ED_EUSAGE, "two fibers receive from one WebSocket");
    if (has_begun(in) && in->handed)
        return ed_fail(ED_EUSAGE, "a message was not read to its end");
    if (in && in->whole && in->handed)
        ws_message_done(ws);
    return 0;
}

/* ---- receiving ---- */

int ed_ws_recv(ed_ws *ws, struct ed_bytes *msg)
{
    *msg = ED_BYTES("");
    int err = begin_receive(ws);
    if (!err)
        err = await(ws, WS_WANT_MESSAGE, has_message);
    if (err)
        return err;
    struct ws_in *in = ws->in;
    in->handed = true;
    ws->is_text = in->text;
    in->bytes[in->len] = '\0';
    *msg = ed_bytes_of(in->bytes, in->len);
    return 0;
}

bool ed_ws_is_text(const ed_ws *ws)
{
    return ws->is_text;
}

int ed_ws_recv_begin(ed_ws *ws)
{
    int err = begin_receive(ws);
    struct ws_in *in = ws->in;

    /* A message may have come, or a part of it, for a receive that was
     * cancelled. */
    if (!err && in && (in->whole || (in->in_message && ws->phase == WS_OPEN)))
        in->pieces = true;
    if (!err)
        err = await(ws, WS_WANT_PIECES, has_begun);
    if (err)
        return err;
    ws->in->handed = true;
    ws->is_text = ws->in->text;
    return 0;
}

static ssize_t take_piece(struct ws_in *in, void *buf, size_t len)
{
    size_t there = in->len - in->given;
    size_t n = len < there ? len : there;

    memcpy(buf, in->bytes + in->given, n);
    in->given += n;
    if (in->given == in->len)
        in->len = in->given = 0;
    return (ssize_t)n;
}

ssize_t ed_ws_read(ed_ws *ws, void *buf, size_t len)
{
    if (ws->kind->by_events || !len || ws->more->receiver ||
        !has_begun(ws->in) || !ws->in->handed)
        return ed_fail(ED_EUSAGE, "no message to read was begun");
    int err = await(ws, WS_WANT_PIECES, has_piece);
    if (err)
        return err;
    if (ws->in->len > ws->in->given)
        return take_piece(ws->in, buf, len);
    ws_message_done(ws);
    ws_rest(ws);
    return 0;
}

/* ---- closing ---- */

/* The peer's close frame came. */
static bool has_closed(const ed_ws *ws)
{
    return ws->close_code && ws->close_code != ED_WS_ABNORMAL;
}

/* Waits until the peer has closed. Suspends. */
static int await_close(ed_ws *ws)
{
    struct ws_more *more = ws_more(ws);
    int err = more ? 0 : ED_ENOMEM;

    while (!err && ws->phase < WS_OVER)
        err = ed_waitq_wait(&more->ends, "the peer to close", NULL);
    if (err || has_closed(ws))
        return err;
    err = ws_verdict(ws);
    return err == ED_ECLOSED ? 0 : err;
}

int ed_ws_close(ed_ws *ws, int code, const char *reason)
{
    struct ed_bytes text = ed_bytes(reason);

    if (!ed_ws_code_is_valid(code))
        return ed_fail(ED_EUSAGE, "%d is no code to close with", code);
    if (!ed_ws_utf8_is_valid(text))
        return ed_fail(ED_EUSAGE, "the reason to close is not UTF-8");
    if (ws->phase == WS_OPEN) {
        ws_close_begin(ws, code, text);
        /* Its answer may stand behind what nobody has received. */
        ws_go_on(ws);
        ws_rest(ws);
    }
    return ed_in_fiber() ? await_close(ws) : 0;
}

bool ed_ws_is_open(const ed_ws *ws)
{
    return ws->phase == WS_OPEN && !ws->broken;
}

int ed_ws_close_code(const ed_ws *ws)
{
    return ws->close_code;
}

const char *ed_ws_close_reason(const ed_ws *ws)
{
    return ws->more ? ws->more->reason : "";
}

void ws_close_soon(ed_ws *ws, int code, const char *reason)
{
    ws_queue_drop(ws, false);
    ws_close_begin(ws, code, ed_bytes(reason));
}

/* ---- about it ---- */

const char *ed_ws_protocol(const ed_ws *ws)
{
    return ws->kind->protocol;
}

bool ed_ws_is_compressed(const ed_ws *ws)
{
    return ws->kind->terms.on;
}

void ed_ws_peer(const ed_ws *ws, char out[ED_ADDR_TEXT])
{
    *out = '\0';
    if (ws->stream)
        ed_stream_peer(ws->stream, out);
}

void ed_ws_set_user(ed_ws *ws, void *user)
{
    ws->user = user;
}

void *ed_ws_user(const ed_ws *ws)
{
    return ws->user;
}

int64_t ed_ws_latency(const ed_ws *ws)
{
    return ws->latency_us < 0 ? -1 : ws->latency_us * ED_US;
}
