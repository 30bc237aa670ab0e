/*
 * read.c - from bytes to messages.
 *
 * Data is read where it arrived, in the loop's scratch memory, and copied once,
 * which takes its mask off, to where its message is put together. Control
 * frames are answered on the way.
 */
#include "ws/conn.h"
#include <errno.h>
#include <stdlib.h>

enum {
    /* Input kept for a busy connection before the peer has to wait. */
    MOST_WAITING = 64 * 1024,
    /* Control frames a second: far more than anybody needs. */
    MOST_CONTROLS = 1000,
};

/* What a step of reading comes to. */
enum step {
    GO_ON,
    HUNGRY, /* more has to come */
    STOP,
};

/* ---- the view ---- */

static void consume(struct ws_in *in, size_t n)
{
    in->view += n;
    in->view_len -= n;
    in->clear = in->clear > n ? in->clear - n : 0;
}

int ws_keep(struct ws_in *in, const char *data, size_t len)
{
    int err = ed_keep(&in->raw, &in->view, in->view_len, data, len);

    if (!err)
        in->view_len += len;
    return err;
}

static bool is_kept(const struct ws_in *in)
{
    return in->raw && in->view >= in->raw->bytes &&
           in->view < in->raw->bytes + in->raw->cap;
}

static void receive(ed_ws *ws, bool on)
{
    ws->paused = !on;
    int err = ed_stream_receive(ws->stream, on);
    if (err)
        ws_break(ws, -ENOMEM);
}

void ws_rest(ed_ws *ws)
{
    struct ws_in *in = ws->in;

    if (!in)
        return;
    if (in->view_len && !is_kept(in) && ws_keep(in, NULL, 0)) {
        in->view_len = 0;
        ws_break(ws, -ENOMEM);
    }
    if (ws->stream && !ws->paused && in->view_len > MOST_WAITING)
        receive(ws, false);
    else if (ws->stream && ws->paused && in->view_len <= MOST_WAITING / 2)
        receive(ws, true);
    if (in->view_len || in->in_frame || in->in_message || in->whole)
        return;
    ws->in = NULL;
    ws_in_put(ws->kind->local, in);
}

/* ---- the message ---- */

/* Whether data frames are thrown away: we have closed. */
static bool discards(const ed_ws *ws)
{
    return ws->phase != WS_OPEN;
}

static enum step refuse(ed_ws *ws, int code, int err, const char *why)
{
    ws_fail(ws, code, err, why);
    return STOP;
}

static enum step refuse_size(ed_ws *ws)
{
    return refuse(ws, ED_WS_TOO_BIG, ED_ELIMIT,
                  "a message larger than allowed");
}

static int grow(struct ws_in *in, size_t cap)
{
    bool own = in->bytes == in->store;
    char *bytes = realloc(own ? NULL : in->bytes, cap);

    if (!bytes)
        return ED_ENOMEM;
    if (own)
        memcpy(bytes, in->store, in->len);
    in->bytes = bytes;
    in->cap = cap;
    return 0;
}

/* How many of `want` bytes there is room for, at least one; 0 when a reader of
 * pieces has to take some first; or ED_ENOMEM. A NUL has room besides. */
static ssize_t make_room(struct ws_in *in, size_t want)
{
    size_t room = in->cap - 1 - in->len;

    /* There may be more of one that was not read in pieces from the start. */
    size_t left = in->len < WS_PIECES ? WS_PIECES - in->len : 0;
    if (in->pieces && want > left)
        want = left;
    if (!want || room >= want)
        return (ssize_t)want;
    size_t cap = 2 * in->cap;
    while (cap < in->len + want + 1)
        cap *= 2;
    return grow(in, cap) ? ED_ENOMEM : (ssize_t)want;
}

static bool check_text(struct ws_in *in, size_t len)
{
    return !in->text ||
           ed_ws_utf8_read(&in->utf8, ed_bytes_of(in->bytes + in->len, len));
}

static enum step refuse_text(ed_ws *ws)
{
    return refuse(ws, ED_WS_BAD_TEXT, ED_EPROTO, "text that is not UTF-8");
}

static enum step refuse_memory(ed_ws *ws)
{
    return refuse(ws, ED_WS_TRY_LATER, ED_ENOMEM, "out of memory");
}

/* Moves `n` bytes of the payload that are in the view to the message. */
static enum step take_plain(ed_ws *ws, struct ws_in *in, size_t n)
{
    ssize_t room = n ? make_room(in, n) : 0;

    if (room < 0)
        return refuse_memory(ws);
    n = (size_t)room;
    if (n) {
        char *to = in->bytes + in->len;
        if (in->frame.masked)
            ed_ws_mask(to, in->view, n, in->frame.mask, in->got);
        else
            memcpy(to, in->view, n);
        if (!check_text(in, n))
            return refuse_text(ws);
        in->len += n;
        consume(in, n);
        in->got += n;
    }
    if (in->got == in->frame.len)
        return GO_ON;
    return in->view_len ? STOP : HUNGRY;
}

static ed_ws_inflate *inflate_of(ed_ws *ws)
{
    struct ws_in *in = ws->in;

    if (!ws_keeps_in(ws->kind)) {
        if (!in->lent)
            in->lent = ws_inflate_get(ws->kind->local);
        return in->lent;
    }
    if (!ws->zip)
        ws->zip = calloc(1, sizeof(*ws->zip));
    if (ws->zip && !ws->zip->in)
        ws->zip->in = ed_ws_inflate_new(ws_bits_in(ws->kind));
    return ws->zip ? ws->zip->in : NULL;
}

/* Takes the mask off where the bytes lie. */
static void clear_mask(struct ws_in *in, size_t n)
{
    if (!in->frame.masked || in->clear >= n)
        return;
    char *at = in->view + in->clear;
    ed_ws_mask(at, at, n - in->clear, in->frame.mask, in->got + in->clear);
    in->clear = n;
}

/* How much to make room for before it is known what comes out. */
static size_t guess(const ed_ws *ws, const struct ws_in *in)
{
    size_t room = in->cap - 1 - in->len;
    size_t most = ws->kind->max_message - in->len;

    if (in->pieces)
        return WS_PIECES;
    if (!room)
        room = in->cap;
    /* One more, to see that it is larger. */
    return room <= most ? room : most + 1;
}

static enum step take_inflated(ed_ws *ws, struct ws_in *in, ed_ws_inflate *z,
                               ssize_t n)
{
    (void)z;
    if (n < 0)
        return n == ED_ENOMEM ? refuse_memory(ws)
                              : refuse(ws, ED_WS_BAD_TEXT, ED_EPROTO,
                                       "a message that cannot be decompressed");
    if (!check_text(in, (size_t)n))
        return refuse_text(ws);
    in->len += (size_t)n;
    if (!in->pieces && in->len > ws->kind->max_message)
        return refuse_size(ws);
    return GO_ON;
}

static enum step take_compressed(ed_ws *ws, struct ws_in *in, size_t n)
{
    ed_ws_inflate *z = inflate_of(ws);
    ssize_t out;

    if (!z)
        return refuse_memory(ws);
    clear_mask(in, n);
    do {
        ssize_t room = make_room(in, guess(ws, in));
        if (room < 0)
            return refuse_memory(ws);
        if (!room)
            return STOP;
        struct ed_bytes from = ed_bytes_of(in->view, n);
        bool last = in->frame.fin && in->got + n == in->frame.len;
        out = ed_ws_inflate_read(z, &from, last, in->bytes + in->len,
                                 (size_t)room);
        consume(in, n - from.len);
        in->got += n - from.len;
        n = from.len;
        enum step step = take_inflated(ws, in, z, out);
        if (step != GO_ON)
            return step;
    } while (out);
    return in->got == in->frame.len ? GO_ON : HUNGRY;
}

/* ---- frames ---- */

static enum step begin_message(ed_ws *ws, struct ws_in *in)
{
    if (!discards(ws) && !ws->kind->by_events && ws->want == WS_WANT_NOTHING)
        return STOP;
    in->fragments = 0;
    in->compressed = in->frame.compressed;
    if (discards(ws))
        return GO_ON;
    in->text = in->frame.opcode == ED_WS_TEXT;
    in->pieces = ws->want == WS_WANT_PIECES;
    in->handed = false;
    in->utf8 = (struct ed_ws_utf8){0};
    in->len = in->given = 0;
    ws->is_text = in->text;
    return GO_ON;
}

/* Whether the frame may be that large, and there may be one more. */
static enum step check_sizes(ed_ws *ws, struct ws_in *in)
{
    const struct ws_kind *kind = ws->kind;
    size_t left = kind->max_message - in->len;

    if (discards(ws))
        return GO_ON;
    if (++in->fragments > kind->max_fragments)
        return refuse(ws, ED_WS_TOO_BIG, ED_ELIMIT,
                      "a message of too many fragments");
    if (in->frame.len > kind->max_frame)
        return refuse(ws, ED_WS_TOO_BIG, ED_ELIMIT,
                      "a frame larger than allowed");
    if (!in->pieces && !in->compressed && in->frame.len > left)
        return refuse_size(ws);
    return GO_ON;
}

static enum step read_head(ed_ws *ws, struct ws_in *in)
{
    struct ed_ws_rules rules = {
        .masked = !ws_is_client(ws->kind),
        .deflate = ws->kind->terms.on,
        .continues = in->in_message,
    };
    const char *why = NULL;
    enum step step = GO_ON;
    int n = ed_ws_head_read(&in->frame, ed_bytes_of(in->view, in->view_len),
                            &rules, &why);

    if (n < 0)
        return refuse(ws, ED_WS_PROTOCOL, ED_EPROTO, why);
    if (n == 0)
        return HUNGRY;
    bool control = ed_ws_is_control(in->frame.opcode);
    if (!control && in->frame.opcode != ED_WS_CONTINUATION)
        step = begin_message(ws, in);
    if (step == GO_ON && !control)
        step = check_sizes(ws, in);
    if (step != GO_ON)
        return step;
    consume(in, (size_t)n);
    in->in_frame = true;
    in->in_message |= !control;
    in->got = 0;
    in->clear = 0;
    return GO_ON;
}

static enum step end_data(ed_ws *ws, struct ws_in *in)
{
    in->in_message = !in->frame.fin;
    if (in->in_message || discards(ws))
        return GO_ON;
    if (in->text && !ed_ws_utf8_may_end(&in->utf8))
        return refuse_text(ws);
    if (in->lent) {
        ws_inflate_put(ws->kind->local, in->lent);
        in->lent = NULL;
    }
    in->whole = true;
    return STOP;
}

/* ---- control frames ---- */

static enum step read_close(ed_ws *ws, struct ed_bytes payload)
{
    struct ed_bytes reason;
    const char *why = NULL;
    int code;

    if (ed_ws_close_read(payload, &code, &reason, &why))
        return refuse(ws, ED_WS_PROTOCOL, ED_EPROTO, why);
    if (!ed_ws_utf8_is_valid(reason))
        return refuse_text(ws);
    ws_peer_closed(ws, code, reason);
    return STOP;
}

/* Whether the peer sends more of them than anybody needs. */
static bool is_flood(ed_ws *ws)
{
    uint8_t second = (uint8_t)(ed_now() / ED_S);

    if (second != ws->second)
        ws->controls = 0;
    ws->second = second;
    return ++ws->controls > MOST_CONTROLS;
}

static enum step end_control(ed_ws *ws, struct ws_in *in)
{
    struct ed_bytes payload = ed_bytes_of(in->control, in->frame.len);

    if (in->frame.opcode == ED_WS_CLOSE)
        return read_close(ws, payload);
    if (is_flood(ws))
        return refuse(ws, ED_WS_POLICY, ED_ELIMIT,
                      "more control frames than allowed");
    if (in->frame.opcode == ED_WS_PING)
        ws_pong(ws, payload);
    else
        ws_ponged(ws, payload);
    return GO_ON;
}

static enum step take_control(struct ws_in *in, size_t n)
{
    char *to = in->control + in->got;

    if (in->frame.masked)
        ed_ws_mask(to, in->view, n, in->frame.mask, in->got);
    else if (n)
        memcpy(to, in->view, n);
    consume(in, n);
    in->got += n;
    return in->got == in->frame.len ? GO_ON : HUNGRY;
}

static enum step discard(struct ws_in *in, size_t n)
{
    consume(in, n);
    in->got += n;
    return in->got == in->frame.len ? GO_ON : HUNGRY;
}

static enum step take_payload(ed_ws *ws, struct ws_in *in)
{
    uint64_t left = in->frame.len - in->got;
    size_t n = left < in->view_len ? (size_t)left : in->view_len;

    if (ed_ws_is_control(in->frame.opcode))
        return take_control(in, n);
    if (discards(ws))
        return discard(in, n);
    return in->compressed ? take_compressed(ws, in, n) : take_plain(ws, in, n);
}

static enum step read_payload(ed_ws *ws, struct ws_in *in)
{
    enum step step = take_payload(ws, in);

    if (step != GO_ON)
        return step;
    in->in_frame = false;
    return ed_ws_is_control(in->frame.opcode) ? end_control(ws, in)
                                              : end_data(ws, in);
}

/* ---- reading ---- */

bool ws_read(ed_ws *ws)
{
    struct ws_in *in = ws->in;
    enum step step = GO_ON;

    if (!in)
        return true;
    while (step == GO_ON) {
        if (ws->phase >= WS_OVER || (in->whole && !discards(ws)))
            return false;
        step = in->in_frame ? read_payload(ws, in) : read_head(ws, in);
    }
    return step == HUNGRY;
}

void ws_message_done(ed_ws *ws)
{
    struct ws_in *in = ws->in;

    in->whole = false;
    in->handed = false;
    in->pieces = false;
    in->len = in->given = 0;
    if (in->bytes == in->store)
        return;
    free(in->bytes);
    in->bytes = in->store;
    in->cap = sizeof(in->store);
}
