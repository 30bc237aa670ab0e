/*
 * exchange.c - a request and its response on one connection of a client.
 *
 * Owns a connection while it carries an exchange, and watches it while it is
 * idle: receiving is always on, so that a server's closing is seen at once.
 * Data is parsed where it arrived, in the loop's scratch memory, and copied
 * once, into the arena of who asked.
 *
 * The exchange ends in finish() or fail(), both in the loop. There the
 * connection leaves the response: into the pool, if it can carry another, or
 * it is closed. The fiber looks only at the response.
 */
#include "http/exchange.h"
#include "http/watch.h"
#include <errno.h>
#include <stdlib.h>

/* A reader that is behind by more than this stops the receiving. */
static const size_t PAUSE_BYTES = 128 * 1024;

static const struct ed_http1_limits LIMITS = {
    .max_line = ED_RES_MAX_LINE,
    .max_fields = ED_RES_MAX_FIELDS,
    .max_head = ED_RES_MAX_HEAD,
};

/* ---- telling the fiber ---- */

static void wake(ed_res *res)
{
    ed_fiber *fiber = res->fiber;

    res->fiber = NULL;
    if (fiber)
        ed_wake(fiber, 0);
}

static void tell(ed_res *res, enum ed_res_event event)
{
    if (res->wanted & event)
        wake(res);
}

/* The fiber wakes with the cancellation and abandons the exchange itself. */
static bool forget_fiber(void *arg)
{
    ed_res *res = arg;

    res->fiber = NULL;
    return true;
}

int ed_exchange_wait(ed_res *res, const char *what, uint8_t events)
{
    int err = ed_cancelled();

    if (err || !res->conn)
        return err;
    res->fiber = ed_fiber_self();
    res->wanted = events;
    return ed_park(what, forget_fiber, res);
}

/* ---- the readers of heads ---- */

static struct ed_head_reader *take_reader(struct ed_client_conn *conn)
{
    struct ed_head_reader *reader = conn->reader;

    if (reader) {
        conn->reader = NULL;
        return reader;
    }
    reader = conn->client->reader;
    conn->client->reader = NULL;
    if (!reader)
        reader = malloc(sizeof(*reader));
    if (!reader)
        return NULL;
    reader->bytes = (struct ed_buf){0};
    ed_http1_begin(&reader->head, reader->fields);
    return reader;
}

static void put_reader(ed_client *client, struct ed_head_reader *reader)
{
    if (!reader)
        return;
    ed_buf_free(&reader->bytes);
    if (client->reader)
        free(reader);
    else
        client->reader = reader;
}

/* ---- the ends of an exchange ---- */

/* Parts the connection from the response. */
static void detach(struct ed_client_conn *conn)
{
    ed_res *res = conn->res;

    ed_timeout_end(&conn->timed);
    put_reader(conn->client, conn->reader);
    conn->reader = NULL;
    conn->out_count = 0;
    conn->res = NULL;
    res->conn = NULL;
}

void ed_client_conn_close(struct ed_client_conn *conn)
{
    ed_stream_close(conn->stream);
    free(conn->secured);
    free(conn);
}

static void close_and_leave(struct ed_client_conn *conn)
{
    struct ed_pool *pool = &conn->client->pool;
    struct ed_origin *origin = conn->pooled.origin;

    ed_client_conn_close(conn);
    ed_pool_leave(pool, origin);
}

static void end_badly(struct ed_client_conn *conn,
                      struct ed_res_failure failure)
{
    ed_res *res = conn->res;

    detach(conn);
    res->failure = failure;
    if (res->retry)
        ed_client_conn_close(conn);
    else
        close_and_leave(conn);
}

static void fail(struct ed_client_conn *conn, int err, const char *why)
{
    ed_res *res = conn->res;

    end_badly(conn, (struct ed_res_failure){.err = err, .why = why});
    wake(res);
}

void ed_exchange_abandon(ed_res *res, int err)
{
    if (res->conn)
        end_badly(res->conn, (struct ed_res_failure){.err = err});
}

/* ---- patience ---- */

/* From now on that phase is waited for. The exchange may have failed
 * afterwards. */
static void wait_for(struct ed_client_conn *conn, enum ed_timeout phase)
{
    if (conn->res->patient)
        ed_timeout_end(&conn->timed);
    else if (ed_timeout_begin(&conn->client->timeouts, &conn->timed, phase))
        fail(conn, ED_ENOMEM, "no memory for a timer");
}

/* What came, or was taken, was not the end: the next piece is waited for,
 * unless it is our reader or writer who keeps the server waiting. */
static void wait_on(struct ed_client_conn *conn)
{
    bool writer = !conn->res->sent && !conn->out_count && !conn->refused;

    if (conn->paused || writer)
        ed_timeout_end(&conn->timed);
    else
        wait_for(conn, ED_TIMEOUT_IDLE);
}

static const char *missing(const struct ed_client_conn *conn,
                           enum ed_timeout phase)
{
    if (phase == ED_TIMEOUT_FIRST_BYTE)
        return "no first byte";
    if (conn->out_count)
        return "nothing more of the request taken";
    return conn->res->status ? "nothing more of the response body"
                             : "nothing more of the response head";
}

void ed_client_conn_expired(struct ed_timed *timed, enum ed_timeout phase)
{
    struct ed_client_conn *conn =
        ED_CONTAINER(timed, struct ed_client_conn, timed);
    ed_res *res = conn->res;

    end_badly(conn, (struct ed_res_failure){
                        .err = ED_ETIMEOUT,
                        .why = missing(conn, phase),
                        .timeout = (uint8_t)phase,
                        .after = conn->client->timeouts.after[phase],
                    });
    wake(res);
}

/* The connection broke or ended where the response did not. A kept one may
 * just have been closed by the server before the request came: what could not
 * have had an effect, or may have it twice, is sent again. */
static void fail_lost(struct ed_client_conn *conn, int os, const char *why)
{
    ed_res *res = conn->res;
    const char *cause = os ? ed_stream_why(conn->stream) : NULL;

    if (cause)
        cause = ed_arena_copy(res->arena, ed_bytes(cause));
    if (os && !cause)
        cause = ed_err_text(-os);
    res->retry = conn->used && !res->timing.first_byte &&
                 (res->may_retry || !res->sent_any);
    end_badly(conn, (struct ed_res_failure){
                        .err = ED_ECONNLOST, .why = why, .cause = cause});
    wake(res);
}

static void finish(struct ed_client_conn *conn, size_t bytes_behind)
{
    ed_res *res = conn->res;
    bool again = res->sent && !res->last && !bytes_behind;

    ed_res_stamp(res, &res->timing.done);
    detach(conn);
    conn->used = true;
    if (again && conn->paused)
        again = ed_stream_receive(conn->stream, true) == 0;
    conn->paused = false;
    if (again)
        ed_pool_give(&conn->client->pool, &conn->pooled);
    else
        close_and_leave(conn);
    wake(res);
}

/* The connection is another protocol's from here on. */
static void give_away(struct ed_client_conn *conn, struct ed_bytes behind)
{
    struct ed_upgrade *upgrade = conn->res->upgrade;
    ed_stream *stream = conn->stream;
    int err = ed_stream_receive(stream, false);

    if (!err && behind.len)
        err = ed_buf_add(&upgrade->ahead, behind.ptr, behind.len);
    if (err) {
        fail(conn, err, "cannot hand the connection over");
        return;
    }
    ed_res *res = conn->res;
    ed_res_stamp(res, &res->timing.done);
    detach(conn);
    stream->user = NULL;
    stream->on_data = NULL;
    stream->on_writable = NULL;
    upgrade->stream = stream;
    ed_pool_leave(&conn->client->pool, conn->pooled.origin);
    free(conn->secured);
    free(conn);
    wake(res);
}

/* ---- the body ---- */

/* Gives what there is to a reader that waits; *piece is then what is left. */
static void hand_over(ed_res *res, struct ed_bytes *piece)
{
    if (!res->into || !piece->len)
        return;
    size_t room = res->into_len - res->into_got;
    size_t n = piece->len < room ? piece->len : room;
    memcpy(res->into + res->into_got, piece->ptr, n);
    res->into_got += n;
    piece->ptr += n;
    piece->len -= n;
    tell(res, ED_RES_DATA);
}

static int stream_piece(struct ed_client_conn *conn, struct ed_bytes piece)
{
    ed_res *res = conn->res;

    hand_over(res, &piece);
    if (!piece.len)
        return 0;
    ed_buf_drop(&res->gathered, res->gathered_read);
    res->gathered_read = 0;
    int err = ed_buf_add(&res->gathered, piece.ptr, piece.len);
    if (err || conn->paused || res->gathered.len < PAUSE_BYTES)
        return err;
    conn->paused = true;
    return ed_stream_receive(conn->stream, false);
}

static int keep_body(ed_res *res, struct ed_bytes body)
{
    char *copy = ed_arena_copy(res->arena, body);

    if (!copy)
        return ED_ENOMEM;
    res->body = ed_bytes_of(copy, body.len);
    return 0;
}

/* A piece of a body whose length is not known before its end. */
static int gather_piece(ed_res *res, struct ed_bytes piece, bool end)
{
    if (end && !res->gathered.len)
        return keep_body(res, piece);
    if (!end && !piece.len)
        return 0;
    int err = ed_buf_add(&res->gathered, piece.ptr, piece.len);
    if (!err && end) {
        err = keep_body(res, ed_buf_bytes(&res->gathered));
        ed_buf_free(&res->gathered);
    }
    return err;
}

static int take_piece(struct ed_client_conn *conn, struct ed_bytes piece,
                      bool end)
{
    ed_res *res = conn->res;
    uint64_t before = res->received;

    res->received += piece.len;
    if (res->stream)
        return stream_piece(conn, piece);
    if (res->received > res->max_body)
        return ED_EBODYLIMIT;
    if (res->body_kind != ED_BODY_LENGTH)
        return gather_piece(res, piece, end);
    memcpy((char *)res->body.ptr + before, piece.ptr, piece.len);
    return 0;
}

static void fail_piece(struct ed_client_conn *conn, int err)
{
    fail(conn, err,
         err == ED_EBODYLIMIT ? "body larger than allowed"
                              : "no memory for the body");
}

static void read_length(struct ed_client_conn *conn, struct ed_bytes in)
{
    size_t n = in.len < conn->left ? in.len : conn->left;

    conn->left -= n;
    int err = take_piece(conn, ed_bytes_of(in.ptr, n), !conn->left);
    if (err)
        fail_piece(conn, err);
    else if (!conn->left)
        finish(conn, in.len - n);
}

/* The pieces of the body are moved together where they lie, over the framing
 * between them, so that each arrival is copied at once. */
static void read_chunked(struct ed_client_conn *conn, char *data, size_t len)
{
    struct ed_bytes in = ed_bytes_of(data, len), piece;
    size_t held = 0;
    int event;

    while ((event = ed_http1_chunked(&conn->chunked, &in, &piece,
                                     ED_RES_MAX_TRAILERS)) >= 0) {
        if (event == ED_CHUNK_DATA) {
            memmove(data + held, piece.ptr, piece.len);
            held += piece.len;
        } else if (event != ED_CHUNK_TRAILER) {
            break;
        }
    }
    if (event < 0) {
        fail(conn, event,
             event == ED_EHEADLIMIT ? "trailers larger than allowed"
                                    : conn->chunked.error);
        return;
    }
    bool end = event == ED_CHUNK_END;
    int err = take_piece(conn, ed_bytes_of(data, held), end);
    if (err)
        fail_piece(conn, err);
    else if (end)
        finish(conn, in.len);
}

static void read_body(struct ed_client_conn *conn, char *data, size_t len)
{
    int err;

    if (conn->res->status == 101) {
        give_away(conn, ed_bytes_of(data, len));
        return;
    }
    switch (conn->res->body_kind) {
    case ED_BODY_NONE:
        finish(conn, len);
        return;
    case ED_BODY_LENGTH:
        read_length(conn, ed_bytes_of(data, len));
        return;
    case ED_BODY_CHUNKED:
        read_chunked(conn, data, len);
        return;
    case ED_BODY_UNTIL_CLOSE:
        err = take_piece(conn, ed_bytes_of(data, len), false);
        if (err)
            fail_piece(conn, err);
    }
}

/* ---- the head ---- */

/* Ends values with NUL, for which the line end behind each makes room. */
static void end_values(ed_res *res)
{
    for (uint32_t i = 0; i < res->field_count; i++) {
        struct ed_http1_span value = res->fields[i].value;
        res->head[value.at + value.len] = '\0';
    }
}

/* Copies a head into the arena, with room for a body of known length. */
static int keep_head(ed_res *res, const struct ed_http1_head *head,
                     const char *bytes, size_t len)
{
    size_t fields = head->field_count * sizeof(*head->fields);
    size_t body = 0;

    if (!res->stream && res->body_kind == ED_BODY_LENGTH)
        body = (size_t)head->content_length + 1;
    char *room = ed_arena_alloc(res->arena, fields + len + body);
    if (!room)
        return ED_ENOMEM;
    res->fields = (struct ed_http1_field *)(void *)room;
    res->field_count = head->field_count;
    res->head = room + fields;
    memcpy(res->fields, head->fields, fields);
    memcpy(res->head, bytes, len);
    end_values(res);
    res->reason = res->head + head->reason.at;
    res->head[head->reason.at + head->reason.len] = '\0';
    if (body) {
        res->head[len + body - 1] = '\0';
        res->body = ed_bytes_of(res->head + len, body - 1);
    }
    return 0;
}

/* A final head is whole: `len` bytes. False when the exchange has failed. */
static bool begin_body(struct ed_client_conn *conn,
                       const struct ed_http1_head *head, const char *bytes,
                       size_t len)
{
    ed_res *res = conn->res;

    res->body_kind = head->body;
    res->body_length = head->content_length;
    res->last |= !head->keep_alive || head->body == ED_BODY_UNTIL_CLOSE;
    if (head->body == ED_BODY_LENGTH && !res->stream &&
        head->content_length > res->max_body) {
        fail_piece(conn, ED_EBODYLIMIT);
        return false;
    }
    if (keep_head(res, head, bytes, len)) {
        fail(conn, ED_ENOMEM, "no memory for the response");
        return false;
    }
    if (conn->secured) {
        res->secured = ed_secured_copy(res->arena, conn->secured);
        if (!res->secured) {
            fail(conn, ED_ENOMEM, "no memory for the response");
            return false;
        }
    }
    res->status = head->status;
    conn->left = head->content_length;
    conn->chunked = (struct ed_http1_chunked){0};
    tell(res, ED_RES_HEAD);
    return true;
}

/* Passes an interim head. False when the exchange has failed. */
static bool pass_interim(struct ed_client_conn *conn,
                         struct ed_head_reader *reader)
{
    const char *why = NULL;

    if (reader->head.status == 100) {
        conn->res->go_ahead = true;
        tell(conn->res, ED_RES_CONTINUE);
    }
    if (reader->head.status == 101)
        why = "switched protocols without being asked to";
    else if (++conn->interim > ED_RES_MAX_INTERIM)
        why = "too many interim responses";
    if (why)
        fail(conn, ED_EPROTO, why);
    ed_http1_begin(&reader->head, reader->fields);
    return !why;
}

/*
 * Reads heads up to and with the final one. Returns 1, *in being what is
 * behind it; 0 when more is needed for what begins at *in; or -1 when the
 * exchange has failed.
 */
static int read_heads(struct ed_client_conn *conn,
                      struct ed_head_reader *reader, struct ed_bytes *in)
{
    for (;;) {
        struct ed_http1_head *head = &reader->head;
        ssize_t n = ed_http1_response(head, in->ptr, in->len, &LIMITS,
                                      conn->res->to_head, false);
        if (n == 0)
            return 0;
        if (n < 0) {
            fail(conn, (int)n, head->error);
            return -1;
        }
        const char *bytes = in->ptr;
        in->ptr += n;
        in->len -= (size_t)n;
        /* HTTP/1.0 knows no upgrades (RFC 9110, 7.8). */
        bool upgraded =
            head->status == 101 && head->minor > 0 && conn->res->upgrade;
        if (head->status >= 200 || upgraded)
            return begin_body(conn, head, bytes, (size_t)n) ? 1 : -1;
        if (!pass_interim(conn, reader))
            return -1;
    }
}

/* Keeps what came of a head. */
static int keep_part(struct ed_head_reader *reader, struct ed_bytes part)
{
    struct ed_buf *bytes = &reader->bytes;

    if (!bytes->len)
        return ed_buf_add(bytes, part.ptr, part.len);
    ed_buf_drop(bytes, bytes->len - part.len);
    return 0;
}

static void read_head(struct ed_client_conn *conn, char *data, size_t len)
{
    ed_client *client = conn->client;
    struct ed_head_reader *reader = take_reader(conn);
    struct ed_bytes in = ed_bytes_of(data, len);

    if (!reader ||
        (reader->bytes.len && ed_buf_add(&reader->bytes, data, len))) {
        fail(conn, ED_ENOMEM, "no memory for the response head");
        put_reader(client, reader);
        return;
    }
    if (reader->bytes.len)
        in = ed_buf_bytes(&reader->bytes);
    int whole = read_heads(conn, reader, &in);
    if (whole == 0 && keep_part(reader, in) == 0) {
        conn->reader = reader;
        return;
    }
    if (whole == 0)
        fail(conn, ED_ENOMEM, "no memory for the response head");
    if (whole > 0)
        read_body(conn, (char *)in.ptr, in.len);
    put_reader(client, reader);
}

/* ---- events of the stream ---- */

/* The peer closes, or speaks, while nothing was asked. A connection that was
 * handed to a fiber already is left for it to find dead. */
static void unexpected(struct ed_client_conn *conn)
{
    conn->dead = true;
    if (!conn->pooled.idle) {
        (void)ed_stream_receive(conn->stream, false); /* turning off works */
        return;
    }
    ed_pool_drop(&conn->client->pool, &conn->pooled);
    ed_client_conn_close(conn);
}

static void ended(struct ed_client_conn *conn, int os)
{
    ed_res *res = conn->res;

    if (!res->timing.first_byte) {
        fail_lost(conn, os, "closed before a response");
    } else if (!res->status) {
        fail_lost(conn, os, "closed within the response head");
    } else if (os || res->body_kind != ED_BODY_UNTIL_CLOSE) {
        fail_lost(conn, os, "closed within the response body");
    } else {
        int err = take_piece(conn, ED_BYTES(""), true);
        if (err)
            fail_piece(conn, err);
        else
            finish(conn, 0);
    }
}

static void on_data(ed_stream *stream, char *data, ssize_t len)
{
    struct ed_client_conn *conn = stream->user;
    ed_res *res = conn->res;

    if (!res) {
        unexpected(conn);
        return;
    }
    if (len <= 0) {
        ended(conn, (int)-len);
        return;
    }
    if (!res->timing.first_byte) {
        res->timing.first_byte = ed_res_now(res);
        ed_watch_attempt(res, ED_PHASE_FIRST_BYTE, 0);
    }
    if (res->status)
        read_body(conn, data, (size_t)len);
    else
        read_head(conn, data, (size_t)len);
    if (res->conn == conn)
        wait_on(conn);
}

/* ---- sending ---- */

/* Nothing more can be sent. What the server sent before is still there to be
 * read, an early refusal perhaps, and the end of it will be seen. */
static void refused(struct ed_client_conn *conn, int os)
{
    conn->out_count = 0;
    conn->res->last = true;
    conn->refused = true;
    if (!conn->res->sent_any)
        fail_lost(conn, os, "closed before the request");
    else
        wait_on(conn);
}

static void advance(struct ed_client_conn *conn, size_t sent)
{
    while (conn->out_count && sent >= conn->out->iov_len) {
        sent -= conn->out->iov_len;
        conn->out++;
        conn->out_count--;
    }
    if (sent) {
        conn->out->iov_base = (char *)conn->out->iov_base + sent;
        conn->out->iov_len -= sent;
    }
}

/* Sends as much as goes at once. The exchange may have failed afterwards. */
static void send_on(struct ed_client_conn *conn)
{
    while (conn->out_count) {
        ssize_t n =
            ed_stream_try_writev(conn->stream, conn->out, conn->out_count);
        if (n == -EAGAIN) {
            n = ed_stream_want_writable(conn->stream, true);
            if (n == 0) {
                wait_on(conn);
                return;
            }
        }
        if (n < 0) {
            refused(conn, (int)-n);
            return;
        }
        conn->res->sent_any = true;
        advance(conn, (size_t)n);
    }
    if (conn->out_end) {
        conn->res->sent = true;
        ed_res_stamp(conn->res, &conn->res->timing.sent);
        ed_watch_attempt(conn->res, ED_PHASE_SENT, 0);
        if (!conn->res->timing.first_byte) {
            wait_for(conn, ED_TIMEOUT_FIRST_BYTE);
            return;
        }
    }
    wait_on(conn);
}

static void on_writable(ed_stream *stream)
{
    struct ed_client_conn *conn = stream->user;
    ed_res *res = conn->res;

    if (!res)
        return;
    send_on(conn);
    if (res->conn && !res->conn->out_count)
        tell(res, ED_RES_SENT);
}

void ed_exchange_send(ed_res *res, struct iovec *iov, int count, bool end)
{
    struct ed_client_conn *conn = res->conn;

    if (!conn || conn->refused)
        return;
    conn->out = iov;
    conn->out_count = count;
    conn->out_end = end;
    send_on(conn);
}

void ed_exchange_resume(ed_res *res)
{
    struct ed_client_conn *conn = res->conn;

    if (!conn || !conn->paused)
        return;
    conn->paused = false;
    if (ed_stream_receive(conn->stream, true))
        fail(conn, ED_ENOMEM, "cannot watch the connection");
    else
        wait_on(conn);
}

void ed_exchange_be_patient(ed_res *res)
{
    res->patient = true;
    res->deadline = 0;
    if (res->conn)
        ed_timeout_end(&res->conn->timed);
}

/* ---- life ---- */

static int make_conn(struct ed_client_conn **out, ed_stream *stream,
                     bool secure)
{
    struct ed_client_conn *conn = calloc(1, sizeof(*conn));

    *out = conn;
    if (!conn)
        return ED_ENOMEM;
    conn->secured = secure ? ed_secured_of(stream) : NULL;
    if (secure && !conn->secured)
        return ED_ENOMEM;
    return ed_stream_receive(stream, true);
}

int ed_client_conn_new(ed_client *client, struct ed_origin *origin,
                       ed_stream *stream, bool secure,
                       struct ed_client_conn **out)
{
    struct ed_client_conn *conn;
    int err = make_conn(&conn, stream, secure);

    if (err) {
        ed_stream_close(stream);
        if (conn)
            free(conn->secured);
        free(conn);
        return err;
    }
    conn->client = client;
    conn->stream = stream;
    conn->pooled.origin = origin;
    stream->user = conn;
    stream->on_data = on_data;
    stream->on_writable = on_writable;
    *out = conn;
    return 0;
}

void ed_exchange_begin(struct ed_client_conn *conn, ed_res *res)
{
    conn->res = res;
    conn->interim = 0;
    res->conn = conn;
    res->timing.reused = conn->used;
}
