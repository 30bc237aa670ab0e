/*
 * fuzz_ws_server.c - arbitrary frames, and arbitrary bytes, to a server of
 * WebSockets.
 *
 * The first byte says how the others are cut. The second says how the server
 * is (by events or in a fiber, which compression), and whether the rest are
 * bytes as they are, or records of a first byte, a length and a payload, of
 * which frames are made that a client might send. Whatever comes:
 *
 * - what the server says is a reply and then frames that a client would take;
 * - sent in one piece or in many, it says the same;
 * - the connection ends, and nothing is left of it.
 */
#include "talk.h"

#include "wire/ws_frame.h"

#include <eddy/log.h>
#include <eddy/ws.h>

enum {
    IN_A_FIBER = 1,
    TAKEOVER = 2,
    DEFLATE = 4,
    AS_IT_IS = 8,
    PATIENCE = 200, /* virtual seconds until it must have ended */
};

static uint8_t how;
static unsigned opened, closed;

/* ---- the server ---- */

static int open_one(ed_ws *ws)
{
    (void)ws;
    opened++;
    return 0;
}

static void close_one(ed_ws *ws)
{
    (void)ws;
    closed++;
}

static int say_back(ed_ws *ws, struct ed_bytes msg)
{
    CHECK(msg.ptr[msg.len] == '\0');
    return ed_ws_is_text(ws) ? ed_ws_send(ws, msg) : ed_ws_send_binary(ws, msg);
}

static int in_a_fiber(ed_req *req)
{
    ed_ws *ws;
    struct ed_bytes msg;
    int err = ed_ws_accept(req, &ws, .max_message = 5000, .max_fragments = 20,
                           .deflate.takeover = how & TAKEOVER,
                           .deflate.threshold = 1);
    while (!err && !(err = ed_ws_recv(ws, &msg)))
        err = say_back(ws, msg);
    return err;
}

static int handler(ed_req *req)
{
    if (how & IN_A_FIBER)
        return in_a_fiber(req);
    return ed_ws_serve(req, .on_open = open_one, .on_message = say_back,
                       .on_close = close_one, .max_message = 5000,
                       .max_fragments = 20, .deflate.takeover = how & TAKEOVER,
                       .deflate.threshold = 1);
}

/* ---- what the client says ---- */

static const char HANDSHAKE[] =
    "GET / HTTP/1.1\r\n"
    "Host: a\r\n"
    "Connection: Upgrade\r\n"
    "Upgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "%s\r\n";

static void add_frame(struct ed_buf *out, uint8_t first,
                      struct ed_bytes payload)
{
    static const uint8_t mask[] = {0x12, 0x34, 0x56, 0x78};
    struct ed_ws_head head = {.masked = true, .len = payload.len};
    char bytes[ED_WS_HEAD_MAX];

    memcpy(head.mask, mask, sizeof(mask));
    size_t len = ed_ws_head_write(bytes, &head);
    bytes[0] = (char)first;
    CHECK(!ed_buf_add(out, bytes, len));
    CHECK(!ed_buf_reserve(out, payload.len));
    ed_ws_mask(out->ptr + out->len, payload.ptr, payload.len, mask, 0);
    out->len += payload.len;
}

static void make_input(struct ed_buf *out, struct ed_bytes rest)
{
    CHECK(!ed_buf_addf(out, HANDSHAKE,
                       how & DEFLATE
                           ? "Sec-WebSocket-Extensions: permessage-deflate\r\n"
                           : ""));
    if (how & AS_IT_IS) {
        CHECK(!ed_buf_add(out, rest.ptr, rest.len));
        return;
    }
    while (rest.len >= 2) {
        uint8_t first = (uint8_t)rest.ptr[0];
        size_t len = (uint8_t)rest.ptr[1];
        rest = ed_bytes_of(rest.ptr + 2, rest.len - 2);
        if (len > rest.len)
            len = rest.len;
        add_frame(out, first, ed_bytes_of(rest.ptr, len));
        rest = ed_bytes_of(rest.ptr + len, rest.len - len);
    }
}

/* ---- one connection ---- */

static ed_server *make_server(void)
{
    return ed_server_new(handler);
}

static void converse(struct talk *t)
{
    memory_peer_say(t->peer, t->input);
    talk_play(t);
    memory_peer_end(t->peer);
    talk_play(t);
    for (unsigned s = 0; t->peer->stream; s++) {
        CHECK(s < PATIENCE);
        CHECK(!ed_sleep(ED_S));
        talk_play(t);
    }
    CHECK(!ed_sleep(ED_S));
    CHECK(opened == closed);
}

static void run(struct ed_bytes input, uint32_t seed, struct ed_buf *heard)
{
    struct talk t = {.input = input,
                     .seed = seed,
                     .make = make_server,
                     .converse = converse,
                     .heard = heard};

    talk(&t);
}

/* ---- what was heard ---- */

/* Behind the head of the reply. */
static struct ed_bytes frames_of(const struct ed_buf *heard)
{
    struct ed_bytes all = ed_buf_bytes(heard);
    ssize_t at = ed_bytes_find(all, ED_BYTES("\r\n\r\n"));

    CHECK(at > 0 && ed_bytes_starts(all, ED_BYTES("HTTP/1.1 101 ")));
    return ed_bytes_of(all.ptr + at + 4, all.len - (size_t)at - 4);
}

static void check_frames(struct ed_bytes rest)
{
    struct ed_ws_rules rules = {.deflate = how & DEFLATE};
    struct ed_ws_head head = {0};
    const char *why;

    while (rest.len) {
        CHECK(head.opcode != ED_WS_CLOSE); /* nothing may follow it */
        int n = ed_ws_head_read(&head, rest, &rules, &why);
        CHECK(n > 0 && rest.len - (size_t)n >= head.len);
        rest.ptr += (size_t)n + head.len;
        rest.len -= (size_t)n + head.len;
        if (!ed_ws_is_control(head.opcode))
            rules.continues = !head.fin;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ed_buf input = {0}, whole = {0}, cut = {0};

    if (len < 2)
        return 0;
    ed_log_set_level(ED_LOG_OFF);
    how = data[1];
    opened = closed = 0;
    make_input(&input, ed_bytes_of(data + 2, len - 2));
    run(ed_buf_bytes(&input), 0, &whole);
    check_frames(frames_of(&whole));
    run(ed_buf_bytes(&input), 1u + data[0], &cut);
    CHECK(ed_bytes_equal(frames_of(&whole), frames_of(&cut)));
    ed_buf_free(&input);
    ed_buf_free(&whole);
    ed_buf_free(&cut);
    return 0;
}
