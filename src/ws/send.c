/*
 * send.c - messages to frames.
 *
 * A small message that is not compressed is gathered and that is all. Others
 * are sent by fibers that take turns, so that the fragments of two messages
 * never mix.
 */
#include "ws/conn.h"
#include "base/printed.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

enum {
    /* What is compressed at once; a message that is larger goes out in frames
     * of this, and others may run in between. */
    COMPRESSED_FRAME = 64 * 1024,
    COMPRESSED_STEP = 128 * 1024, /* what is given to the compressor at once:
                                     what repeats itself may become no frame
                                     for long */
    SMALL_FRAME = 4 * 1024,       /* these lie on the fiber's stack */
    TIME_BYTES = 4, /* of a ping of ours: the time, and then who we are */
    PING_BYTES = 8,
};

/* ---- turns ---- */

static int check_open(const ed_ws *ws)
{
    if (ws->phase != WS_OPEN)
        return ws_verdict(ws);
    if (ws->broken)
        return ed_fail(ED_ECONNLOST, "the connection broke");
    return 0;
}

/* Suspends. */
static int take_turn(ed_ws *ws)
{
    int err = check_open(ws);

    while (!err && ws->sending) {
        struct ws_more *more = ws_more(ws);
        if (!more)
            return ED_ENOMEM;
        if (more->piecer == ed_fiber_self())
            return ed_fail(ED_EUSAGE,
                           "a message in pieces was begun and not ended");
        err = ed_waitq_wait(&more->turns, "another fiber's message", NULL);
        if (!err)
            err = check_open(ws);
    }
    if (!err)
        ws->sending = true;
    return err;
}

static int end_turn(ed_ws *ws, int err)
{
    ws->sending = false;
    if (ws->more)
        ed_waitq_wake(&ws->more->turns, 0);
    return err;
}

/* ---- compressing ---- */

/* The context that compresses what we send; to be given back. NULL: no
 * memory. */
static ed_ws_deflate_ctx *deflate_take(ed_ws *ws)
{
    struct ws_kind *kind = ws->kind;

    if (!ws_keeps_out(kind))
        return ws_deflate_get(kind);
    if (!ws->zip)
        ws->zip = calloc(1, sizeof(*ws->zip));
    if (ws->zip && !ws->zip->out)
        ws->zip->out = ed_ws_deflate_new(ws_bits_out(kind), kind->level);
    return ws->zip ? ws->zip->out : NULL;
}

void ws_deflate_give(ed_ws *ws, ed_ws_deflate_ctx *z)
{
    if (!ws_keeps_out(ws->kind))
        ws_deflate_put(ws->kind, z);
}

/* What is left to be said of a message. */
struct rest {
    struct ed_ws_head head; /* of the next frame */
    struct ed_bytes payload;
    bool last; /* the message ends with it */
};

static int put_frame(ed_ws *ws, struct rest *rest, const char *bytes,
                     size_t len, bool fin)
{
    struct ed_ws_head head = rest->head;

    head.fin = fin;
    head.len = len;
    int err = ws_put(ws, &head, bytes);
    rest->head.opcode = ED_WS_CONTINUATION;
    rest->head.compressed = false;
    if (!err)
        ws->inside = !fin;
    return err;
}

/* Takes from the front of what is left what is compressed at once. */
static struct ed_bytes next_step(const struct rest *rest)
{
    size_t left = rest->payload.len;

    return ed_bytes_of(rest->payload.ptr,
                       left < COMPRESSED_STEP ? left : COMPRESSED_STEP);
}

/* Compresses and sends by way of `room` bytes at `out`. Suspends. */
static int put_compressed(ed_ws *ws, struct rest *rest, ed_ws_deflate_ctx *z,
                          char *out, size_t room)
{
    bool whole = false;
    int err = 0;

    while (!err && !(whole && !rest->payload.len)) {
        struct ed_bytes step = next_step(rest);
        size_t given = step.len;
        bool last = rest->last && given == rest->payload.len;
        size_t len = ed_ws_deflate_write(z, &step, last, out, room, &whole);
        rest->payload.ptr += given - step.len;
        rest->payload.len -= given - step.len;
        /* What it keeps to itself comes with the next piece. */
        if (len || (whole && last))
            err = put_frame(ws, rest, out, len, whole && last);
        if (!err && !(whole && !rest->payload.len))
            err = ed_checkpoint();
    }
    return err;
}

static int compress_with(ed_ws *ws, struct rest *rest, ed_ws_deflate_ctx *z)
{
    char small[SMALL_FRAME];

    if (rest->payload.len < SMALL_FRAME / 2)
        return put_compressed(ws, rest, z, small, sizeof(small));
    char *out = malloc(COMPRESSED_FRAME);
    if (!out)
        return ED_ENOMEM;
    int err = put_compressed(ws, rest, z, out, COMPRESSED_FRAME);
    free(out);
    return err;
}

static int send_compressed(ed_ws *ws, struct rest *rest)
{
    ed_ws_deflate_ctx *z = deflate_take(ws);

    if (!z)
        return ED_ENOMEM;
    int err = compress_with(ws, rest, z);
    /* The peer's context and ours do not agree any more. */
    if (err && ws_keeps_out(ws->kind))
        ws_break(ws, -ECANCELED);
    ws_deflate_give(ws, z);
    return err;
}

/* ---- messages ---- */

static int send_in_turn(ed_ws *ws, struct rest *rest)
{
    int err = take_turn(ws);

    if (err)
        return err;
    err = rest->head.compressed
              ? send_compressed(ws, rest)
              : put_frame(ws, rest, rest->payload.ptr, rest->payload.len, true);
    return end_turn(ws, err);
}

static int send_message(ed_ws *ws, enum ed_ws_opcode opcode,
                        struct ed_bytes payload)
{
    const struct ws_kind *kind = ws->kind;
    struct rest rest = {
        .head = {.opcode = (uint8_t)opcode,
                 .fin = true,
                 .compressed = kind->terms.on && payload.len >= kind->threshold,
                 .len = payload.len},
        .payload = payload,
        .last = true,
    };

    if (ws->phase == WS_OPEN && !ws->sending && !rest.head.compressed &&
        ws_gather(ws, &rest.head, payload.ptr, false))
        return 0;
    return send_in_turn(ws, &rest);
}

int ed_ws_send(ed_ws *ws, struct ed_bytes text)
{
    if (!ed_ws_utf8_is_valid(text))
        return ed_fail(ED_EUSAGE, "the text to send is not UTF-8");
    return send_message(ws, ED_WS_TEXT, text);
}

int ed_ws_send_binary(ed_ws *ws, struct ed_bytes data)
{
    return send_message(ws, ED_WS_BINARY, data);
}

int ed_ws_printf(ed_ws *ws, const char *fmt, ...)
{
    struct ed_printed text ED_PRINTED_AUTO;
    va_list args;

    va_start(args, fmt);
    int err = ed_print(&text, fmt, args);
    va_end(args);
    return err ? err : ed_ws_send(ws, text.bytes);
}

/* ---- in pieces ---- */

int ed_ws_send_begin(ed_ws *ws, bool text)
{
    struct ws_more *more = ws_more(ws);

    if (!more)
        return ED_ENOMEM;
    int err = take_turn(ws);
    if (err)
        return err;
    if (ws->kind->terms.on) {
        more->piece_deflate = deflate_take(ws);
        if (!more->piece_deflate)
            return end_turn(ws, ED_ENOMEM);
    }
    more->piecer = ed_fiber_self();
    more->piece_text = text;
    more->piece_begun = false;
    more->piece_utf8 = (struct ed_ws_utf8){0};
    return 0;
}

static int check_piecer(const ed_ws *ws)
{
    if (ws->more && ws->more->piecer == ed_fiber_self())
        return check_open(ws);
    return ed_fail(ED_EUSAGE, "this fiber has begun no message in pieces");
}

/* Suspends. */
static int put_piece(ed_ws *ws, struct ed_bytes piece, bool last)
{
    struct ws_more *more = ws->more;
    struct rest rest = {.payload = piece, .last = last};

    if (!more->piece_begun) {
        rest.head.opcode = more->piece_text ? ED_WS_TEXT : ED_WS_BINARY;
        rest.head.compressed = more->piece_deflate != NULL;
    }
    int err = more->piece_deflate
                  ? compress_with(ws, &rest, more->piece_deflate)
                  : put_frame(ws, &rest, piece.ptr, piece.len, last);
    /* Not when the compressor has kept all of it. */
    more->piece_begun |= rest.head.opcode == ED_WS_CONTINUATION;
    return err;
}

/* The message can only be ended, and its end would be a lie. */
static int break_message(ed_ws *ws, int err)
{
    ws_break(ws, -ECANCELED);
    return err;
}

int ed_ws_write(ed_ws *ws, struct ed_bytes piece)
{
    int err = check_piecer(ws);

    if (err || !piece.len)
        return err;
    if (ws->more->piece_text && !ed_ws_utf8_read(&ws->more->piece_utf8, piece))
        return break_message(
            ws, ed_fail(ED_EUSAGE, "the text to send is not UTF-8"));
    err = put_piece(ws, piece, false);
    return err ? break_message(ws, err) : 0;
}

static int end_message(ed_ws *ws)
{
    if (ws->more->piece_text && !ed_ws_utf8_may_end(&ws->more->piece_utf8))
        return break_message(
            ws, ed_fail(ED_EUSAGE, "the text to send is not UTF-8"));
    int err = put_piece(ws, ED_BYTES(""), true);
    return err ? break_message(ws, err) : 0;
}

int ed_ws_send_end(ed_ws *ws)
{
    struct ws_more *more = ws->more;

    if (!more || more->piecer != ed_fiber_self())
        return check_piecer(ws);
    int err = check_open(ws);
    if (!err)
        err = end_message(ws);
    more->piecer = NULL;
    ws_deflate_give(ws, more->piece_deflate);
    more->piece_deflate = NULL;
    return end_turn(ws, err);
}

int ed_ws_flush(ed_ws *ws)
{
    int err = check_open(ws);

    while (!err) {
        int pushed = ws_push(ws);
        if (!pushed && !ws->large)
            return 0;
        err = ws_await_output(ws);
        if (!err)
            err = check_open(ws);
    }
    return err;
}

/* ---- pings ---- */

/* Now, in microseconds, and not told to the peer as it is: the time is that
 * since the system was started. */
static uint32_t disguised_now(struct ws_local *local)
{
    uint32_t salt;

    memcpy(&salt, local->salt, sizeof(salt));
    return (uint32_t)(ed_now() / ED_US) + salt;
}

void ws_ping_now(ed_ws *ws)
{
    uint32_t now = disguised_now(ws->kind->local);
    struct ed_ws_head head = {
        .opcode = ED_WS_PING, .fin = true, .len = PING_BYTES};
    char payload[PING_BYTES];

    memcpy(payload, &now, TIME_BYTES);
    memcpy(payload + TIME_BYTES, ws->kind->local->salt + TIME_BYTES,
           PING_BYTES - TIME_BYTES);
    (void)ws_gather(ws, &head, payload, true);
}

/* Has a control frame sent as soon as possible; of several that wait the
 * latest. 0 or ED_ENOMEM. */
static int say_soon(ed_ws *ws, enum ed_ws_opcode opcode,
                    struct ed_bytes payload)
{
    struct ed_ws_head head = {
        .opcode = (uint8_t)opcode, .fin = true, .len = payload.len};

    if (!ws->blocked && ws_gather(ws, &head, payload.ptr, true))
        return 0;
    struct ws_more *more = ws_more(ws);
    if (!more)
        return ED_ENOMEM;
    struct ws_words *words = opcode == ED_WS_PING ? &more->ping : &more->pong;
    words->due = true;
    words->len = (uint8_t)payload.len;
    memcpy(words->bytes, payload.ptr, payload.len);
    return 0;
}

int ed_ws_ping(ed_ws *ws, struct ed_bytes payload)
{
    int err = check_open(ws);

    if (err)
        return err;
    if (payload.len > ED_WS_CONTROL_MAX)
        return ed_fail(ED_EUSAGE, "a ping of more than 125 bytes");
    return say_soon(ws, ED_WS_PING, payload);
}

void ws_pong(ed_ws *ws, struct ed_bytes payload)
{
    /* Without memory the peer may ask again. */
    if (ws->phase == WS_OPEN)
        (void)say_soon(ws, ED_WS_PONG, payload);
}

void ws_ponged(ed_ws *ws, struct ed_bytes payload)
{
    const uint8_t *mark = ws->kind->local->salt + TIME_BYTES;
    uint32_t sent;

    if (payload.len != PING_BYTES ||
        memcmp(payload.ptr + TIME_BYTES, mark, PING_BYTES - TIME_BYTES) != 0)
        return;
    memcpy(&sent, payload.ptr, sizeof(sent));
    uint32_t took = disguised_now(ws->kind->local) - sent;
    if (took <= INT32_MAX)
        ws->latency_us = (int32_t)took;
}
