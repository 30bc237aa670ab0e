/*
 * tls_stream.c - streams over TLS, over any other stream.
 *
 * Owns the stream beneath, of which it uses the event face alone, and moves
 * bytes between that and the codec. Nothing here blocks on the peer but a fiber
 * that reads, writes or starts TLS; a server's handshake holds none.
 *
 * What is sealed cannot be taken back. So bytes that were offered and could not
 * be sent whole are kept, sealed, and count as written only when the stream
 * beneath has taken them: who writes sees the same as without TLS. They are
 * never more than one buffer (tls_wire.h), and go out before anything else.
 */
#include "net/tls_codec.h"
#include "net/tls_stream.h"
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

struct handshake {
    ed_tls_ready_fn *ready;
    void *arg;
};

/* A fiber inside readv(), on whose stack this lies. */
struct reader {
    ed_fiber *fiber; /* NULL: it does not wait (yet, or any more) */
    struct ed_tls_cursor into;
    ssize_t got; /* or how the stream ended */
    bool done;
};

struct tls_stream {
    struct ed_stream stream;
    ed_stream *lower; /* NULL when closed */
    struct ed_tls_codec codec;
    struct handshake *handshake; /* NULL when done */
    struct ed_deferred deferred; /* goes on with input that was kept */
    struct reader *reader;
    ed_fiber *writer;
    size_t credit;  /* bytes that went out and were not counted yet */
    int read_err;   /* what reading gives once `ended` */
    int lower_err;  /* the same of the stream beneath */
    int write_err;  /* why nothing can be written any more */
    unsigned users; /* calls that look at it after calling others */
    bool ended;
    bool lower_ended;
    bool receiving;       /* the event face is */
    bool lower_receiving; /* so is the one beneath */
    bool lower_watching;  /* waits to be writable */
    bool input_waits;     /* for room in the output */
    bool wants_writable;
    bool shut;       /* we have said that no more comes */
    bool lower_shut; /* and that is out */
    bool heard;      /* anything at all */
    bool clear_text; /* and that was no TLS, but text */
    bool dead;       /* to be freed by the last of the users */
};

static const struct ed_stream_ops tls_ops;

static struct tls_stream *of_stream(ed_stream *s)
{
    return ED_CONTAINER(s, struct tls_stream, stream);
}

static void free_stream(struct tls_stream *t)
{
    ed_tls_codec_close(&t->codec);
    free(t->handshake);
    free(t);
}

static void enter(struct tls_stream *t)
{
    t->users++;
}

static void leave(struct tls_stream *t)
{
    if (!--t->users && t->dead)
        free_stream(t);
}

/* ---- output ---- */

/* Counts data as sent when that is certain, however the records lie. */
static void count_sent(struct tls_stream *t)
{
    struct ed_tls_out *out = t->codec.wire.out;
    size_t extra = out->len - out->plain;
    size_t sent = out->at > extra ? out->at - extra : 0;

    if (sent <= out->counted)
        return;
    t->credit += sent - out->counted;
    out->counted = sent;
}

static void break_writing(struct tls_stream *t, int err)
{
    if (!t->write_err)
        t->write_err = err;
}

/* Sends what is sealed. Returns 0 when all is gone, -EAGAIN when the rest goes
 * as soon as the peer takes it, or why nothing can be written any more. */
static int send_out(struct tls_stream *t)
{
    struct ed_tls_out *out = t->codec.wire.out;

    if (!out || t->write_err)
        return t->write_err;
    struct iovec iov = {out->bytes + out->at, out->len - out->at};
    ssize_t n = iov.iov_len ? ed_stream_try_writev(t->lower, &iov, 1) : 0;
    if (n > 0)
        out->at += (size_t)n;
    count_sent(t);
    if (out->at == out->len) {
        ed_tls_wire_put_out(&t->codec.wire);
        return 0;
    }
    if (n < 0 && n != -EAGAIN)
        break_writing(t, (int)n);
    if (!t->write_err && !t->lower_watching) {
        int err = ed_stream_want_writable(t->lower, true);
        t->lower_watching = !err;
        if (err)
            break_writing(t, err);
    }
    return t->write_err ? t->write_err : -EAGAIN;
}

/* Takes what was counted since, at most `len`. */
static size_t take_credit(struct tls_stream *t, size_t len)
{
    size_t n = t->credit < len ? t->credit : len;

    t->credit -= n;
    return n;
}

/*
 * Writes what goes at once: how much of it is on its way beneath, -EAGAIN or an
 * error. What of it was sealed before is offered again, and not sealed twice.
 */
static ssize_t push(struct tls_stream *t, const struct iovec *iov, int count)
{
    struct ed_tls_cursor cursor = {.iov = iov, .count = count};
    size_t len = ed_tls_cursor_bytes(&cursor);
    int err = t->shut ? -EPIPE : send_out(t);
    size_t done = take_credit(t, len);

    ed_tls_cursor_skip(&cursor, done);
    while (!err && done < len) {
        err = ed_tls_codec_seal(&t->codec, &cursor);
        if (err) {
            break_writing(t, err);
            break;
        }
        err = send_out(t);
        done += take_credit(t, len - done);
    }
    return done || !len ? (ssize_t)done : err;
}

/* The fiber that offered bytes has gone: nobody will ask what became of those
 * that are sealed. */
static void forget_offer(struct tls_stream *t)
{
    t->credit = 0;
    if (t->codec.wire.out)
        t->codec.wire.out->counted = t->codec.wire.out->plain;
}

/* Ends the output beneath, behind our last record. */
static void end_output(struct tls_stream *t)
{
    if (t->lower_shut || t->codec.wire.out || t->write_err)
        return;
    t->lower_shut = true;
    int err = ed_stream_shutdown(t->lower);
    if (err)
        break_writing(t, err);
}

/* ---- input ---- */

/* Whether anybody waits for what the input may hold. */
static bool wanted(const struct tls_stream *t)
{
    if (t->stream.closed)
        return false;
    if (t->handshake)
        return true;
    return t->reader ? !t->reader->done : t->receiving;
}

static void end_input(struct tls_stream *t, int err)
{
    if (t->ended)
        return;
    t->ended = true;
    t->read_err = err;
}

/* Has the stream beneath receive exactly while there is a use for it. A fiber
 * that has read will soon read again; till then what comes is kept. */
static int update_receiving(struct tls_stream *t)
{
    bool on = (wanted(t) || t->reader) && !t->ended && !t->lower_ended &&
              !t->input_waits;

    if (on == t->lower_receiving)
        return 0;
    int err = ed_stream_receive(t->lower, on);
    t->lower_receiving = on && !err;
    return err;
}

static void wake_reader(struct reader *reader)
{
    ed_fiber *fiber = reader->fiber;

    reader->fiber = NULL;
    if (fiber)
        ed_wake(fiber, 0);
}

static void give_reader(struct tls_stream *t, ssize_t result)
{
    struct reader *reader = t->reader;

    reader->got = result;
    reader->done = true;
    wake_reader(reader);
}

/* Tells whoever waits for input that there is none. */
static void tell_end(struct tls_stream *t)
{
    if (t->reader) {
        if (!t->reader->done)
            give_reader(t, t->read_err);
        return;
    }
    t->receiving = false;
    t->stream.on_data(&t->stream, NULL, t->read_err);
}

/* The peer breaks the protocol: it gets the alert that says so, and no more.
 * A fiber that writes may wait for the peer to take what never goes now. */
static void break_off(struct tls_stream *t, int err)
{
    ed_fiber *writer = t->writer;

    (void)send_out(t);
    break_writing(t, err);
    t->writer = NULL;
    if (writer)
        ed_wake(writer, 0);
}

/* What a failed step comes to. False: it has to wait. */
static bool take_failure(struct tls_stream *t, int err)
{
    if (err == -ENOBUFS) {
        t->input_waits = true;
        return false;
    }
    if (err == -EAGAIN && !t->lower_ended)
        return false;
    if (err == -EAGAIN)
        err = t->lower_err ? t->lower_err : ED_EEOF;
    else if (err == ED_ETLS)
        break_off(t, err);
    end_input(t, err);
    return true;
}

/* Fills what a fiber wants to read into. Returns the last result. */
static ssize_t read_for_fiber(struct tls_stream *t, struct reader *reader)
{
    ssize_t n = 0;

    while (ed_tls_cursor_more(&reader->into)) {
        struct ed_bytes room = ed_tls_cursor_piece(&reader->into, SIZE_MAX);
        n = ed_tls_codec_read(&t->codec, (char *)room.ptr, room.len);
        if (n <= 0)
            break;
        reader->got += n;
        reader->into.offset += (size_t)n;
    }
    return n;
}

/* One step of reading. False when there is nothing more to do for now. */
static bool read_step(struct tls_stream *t)
{
    struct ed_bytes piece;
    ssize_t n = -EAGAIN;

    if (t->ended && !t->codec.plain) {
        tell_end(t);
        return false;
    }
    if (ed_tls_codec_has_input(&t->codec))
        n = t->reader ? read_for_fiber(t, t->reader)
                      : ed_tls_codec_read_piece(&t->codec, &piece);
    bool more = n >= 0 || take_failure(t, (int)n);
    if (n == 0)
        end_input(t, 0);
    if (t->reader && t->reader->got)
        give_reader(t, t->reader->got); /* and next time how it ended */
    else if (n > 0)
        t->stream.on_data(&t->stream, (char *)piece.ptr, n);
    return more;
}

static void handshake_over(struct tls_stream *t, int err, const char *why)
{
    ed_tls_ready_fn *ready = t->handshake->ready;
    void *arg = t->handshake->arg;

    if (err) {
        end_input(t, err);
        break_writing(t, err);
    }
    free(t->handshake);
    t->handshake = NULL;
    ready(&t->stream, err, why, arg);
}

/* One step of the handshake. False when it has to wait. */
static bool handshake_step(struct tls_stream *t)
{
    char why[ED_TLS_WHY] = "";
    int err =
        t->lower_err ? t->lower_err : ed_tls_codec_handshake(&t->codec, why);
    /* The last flight may leave with the first data behind it. */
    int sent = err ? send_out(t) : 0;
    if ((err == -EAGAIN || err == -ENOBUFS) && sent && sent != -EAGAIN)
        err = sent;
    if (err == -ENOBUFS) {
        t->input_waits = sent;
        return !sent;
    }
    if (err == -EAGAIN && !t->lower_ended)
        return false;
    if (err == -EAGAIN)
        err = ED_EEOF;
    if (err && !*why)
        snprintf(why, sizeof(why), "%s during the TLS handshake",
                 err == ED_EEOF ? "the peer closed" : ed_err_text(err));
    handshake_over(t, err, why);
    return true;
}

/* Nobody wants more for now, or there is no more. */
static void rest(struct tls_stream *t)
{
    int err = ed_tls_wire_keep(&t->codec.wire);

    if (!err)
        err = update_receiving(t);
    if (err)
        end_input(t, err);
    /* The end of a handshake, or an answer to what was no data, if no data took
     * it along meanwhile. */
    if (err || (t->codec.wire.out && !t->lower_watching && !t->write_err))
        ed_defer(ed_loop_current(), &t->deferred);
}

/* Works on the input for as long as somebody wants what is in it. */
static void work(struct tls_stream *t)
{
    enter(t);
    while (wanted(t)) {
        bool more = t->handshake ? handshake_step(t) : read_step(t);
        if (!more)
            break;
    }
    if (!t->stream.closed)
        rest(t);
    leave(t);
}

static void work_later(struct ed_deferred *deferred)
{
    struct tls_stream *t = ED_CONTAINER(deferred, struct tls_stream, deferred);

    (void)send_out(t); /* who writes next is told of a failure */
    work(t);
}

/* ---- events of the stream beneath ---- */

static void lower_hung_up(ed_stream *lower)
{
    struct tls_stream *t = lower->user;
    ed_stream_event_fn *told = t->stream.on_hangup;

    t->stream.on_hangup = NULL;
    if (told)
        told(&t->stream);
}

/* Whether the peer begins by a word: the first record of TLS is of type 22.
 * OpenSSL knows some methods of HTTP and answers others with an alert, which
 * would only confuse who reads it as text. */
static bool is_clear_text(struct tls_stream *t, char first)
{
    if (t->heard)
        return false;
    t->heard = true;
    t->clear_text = first >= 'A' && first <= 'Z';
    return t->clear_text;
}

/* Takes what arrived for work() to work on where it lies; but what TLS beneath
 * has opened lies where this TLS opens to, and is kept elsewhere. */
static void take_view(struct tls_stream *t, char *data, size_t len)
{
    const char *plain = t->codec.wire.shared->plain;

    if (data < plain || data >= plain + ED_TLS_PLAIN) {
        t->codec.wire.view = data;
        t->codec.wire.view_len = len;
    } else if (ed_tls_keep(&t->codec.wire.in, data, len)) {
        end_input(t, ED_ENOMEM);
    }
}

static void lower_data(ed_stream *lower, char *data, ssize_t len)
{
    struct tls_stream *t = lower->user;

    if (len > 0 && t->handshake && is_clear_text(t, *data)) {
        handshake_over(t, ED_ETLS, "the peer speaks no TLS, but text");
        return;
    }
    if (len > 0) {
        take_view(t, data, (size_t)len);
    } else {
        t->lower_ended = true;
        t->lower_receiving = false;
        t->lower_err = (int)len;
    }
    if (len > 0 || wanted(t))
        work(t);
    else
        lower_hung_up(lower);
}

static void tell_writer(struct tls_stream *t)
{
    ed_fiber *writer = t->writer;

    t->writer = NULL;
    if (writer) {
        ed_wake(writer, 0);
    } else if (t->wants_writable) {
        t->wants_writable = false;
        t->stream.on_writable(&t->stream);
    }
}

static void lower_writable(ed_stream *lower)
{
    struct tls_stream *t = lower->user;

    enter(t);
    t->lower_watching = false;
    int err = send_out(t);
    if (err != -EAGAIN || t->credit)
        tell_writer(t);
    if (!t->stream.closed && t->shut)
        end_output(t);
    if (!t->stream.closed && t->input_waits && err != -EAGAIN) {
        t->input_waits = false;
        work(t);
    }
    leave(t);
}

/* ---- fiber face ---- */

static bool reader_abort(void *arg)
{
    struct reader *reader = arg;

    reader->fiber = NULL;
    return true;
}

static ssize_t tls_readv(ed_stream *s, const struct iovec *iov, int count)
{
    struct tls_stream *t = of_stream(s);
    struct reader reader = {.into = {.iov = iov, .count = count}};
    int err = ed_checkpoint();

    if (err)
        return err;
    if (t->handshake || t->receiving)
        return ED_EUSAGE;
    t->reader = &reader;
    work(t);
    if (!reader.done) {
        reader.fiber = ed_fiber_self();
        err = ed_park("read", reader_abort, &reader);
    }
    t->reader = NULL;
    /* What came while it was being cancelled must not be lost, and a count
     * tells of it; the cancellation is seen at the next call. */
    if (!reader.done)
        return err;
    return reader.got == ED_ETLS && t->codec.why
               ? ed_fail(ED_ETLS, "%s", t->codec.why)
               : reader.got;
}

static bool writer_abort(void *arg)
{
    struct tls_stream *t = arg;

    t->writer = NULL;
    return true;
}

static ssize_t tls_writev(ed_stream *s, const struct iovec *iov, int count)
{
    struct tls_stream *t = of_stream(s);
    int err = ed_checkpoint();

    if (!err && t->handshake)
        return ED_EUSAGE;
    while (!err) {
        ssize_t n = push(t, iov, count);
        if (n != -EAGAIN)
            return n;
        t->writer = ed_fiber_self();
        err = ed_park("write", writer_abort, t);
        t->writer = NULL; /* also when cancelled before it could wait */
        if (s->closed)
            return ED_ECLOSED;
    }
    forget_offer(t);
    return err;
}

/* ---- event face ---- */

static int tls_receive(ed_stream *s, bool on)
{
    struct tls_stream *t = of_stream(s);

    if (t->handshake || (on && t->reader))
        return ED_EUSAGE;
    t->receiving = on;
    if (on && (t->ended || t->lower_ended || ed_tls_codec_has_input(&t->codec)))
        ed_defer(ed_loop_current(), &t->deferred);
    return update_receiving(t);
}

static ssize_t tls_try_writev(ed_stream *s, const struct iovec *iov, int count)
{
    struct tls_stream *t = of_stream(s);

    return t->handshake || t->writer ? ED_EUSAGE : push(t, iov, count);
}

static int tls_want_writable(ed_stream *s, bool on)
{
    struct tls_stream *t = of_stream(s);

    t->wants_writable = on;
    if (!on || t->lower_watching)
        return 0;
    int err = ed_stream_want_writable(t->lower, true);
    t->lower_watching = !err;
    return err;
}

/* ---- both ---- */

static int tls_shutdown(ed_stream *s)
{
    struct tls_stream *t = of_stream(s);

    if (t->handshake || t->writer)
        return ED_EUSAGE;
    if (t->shut)
        return 0;
    t->shut = true;
    ed_tls_codec_say_end(&t->codec);
    if (send_out(t) == -EAGAIN)
        return 0; /* the rest follows, and then the end */
    end_output(t);
    return t->write_err;
}

static void wake_waiting(struct tls_stream *t)
{
    ed_fiber *writer = t->writer;

    if (t->reader && !t->reader->done)
        give_reader(t, ED_ECLOSED);
    t->writer = NULL;
    if (writer)
        ed_wake(writer, ED_ECLOSED);
}

static void tls_close(ed_stream *s)
{
    struct tls_stream *t = of_stream(s);
    ed_stream *lower = t->lower;

    wake_waiting(t);
    ed_undefer(ed_loop_current(), &t->deferred);
    if (!t->handshake && !t->shut && !t->write_err && !s->reset)
        ed_tls_codec_say_end(&t->codec);
    if (!s->reset)
        (void)send_out(t); /* as far as it goes */
    t->lower = NULL;
    lower->reset = s->reset;
    ed_stream_close(lower);
}

static void tls_free(ed_stream *s)
{
    struct tls_stream *t = of_stream(s);

    t->dead = true;
    enter(t);
    leave(t);
}

static int tls_fd(ed_stream *s)
{
    struct tls_stream *t = of_stream(s);

    return t->lower ? t->lower->ops->fd(t->lower) : -1;
}

static const char *tls_why(const ed_stream *s)
{
    return of_stream((ed_stream *)s)->codec.why;
}

static const struct ed_stream_ops tls_ops = {
    .readv = tls_readv,
    .writev = tls_writev,
    .receive = tls_receive,
    .try_writev = tls_try_writev,
    .want_writable = tls_want_writable,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .free = tls_free,
    .fd = tls_fd,
    .why = tls_why,
};

/* ---- beginning ---- */

static struct tls_stream *stream_new(SSL *ssl, ed_tls_ready_fn *ready,
                                     void *arg)
{
    struct tls_stream *t = calloc(1, sizeof(*t));
    struct handshake *handshake = malloc(sizeof(*handshake));
    bool well = t && handshake;

    if (!well)
        SSL_free(ssl);
    if (!well || ed_tls_codec_open(&t->codec, ssl)) {
        free(handshake);
        free(t);
        return NULL;
    }
    *handshake = (struct handshake){.ready = ready, .arg = arg};
    t->stream.ops = &tls_ops;
    t->handshake = handshake;
    t->deferred.run = work_later;
    return t;
}

int ed_tls_begin(ed_stream **out, ed_stream *lower, SSL *ssl,
                 ed_tls_ready_fn *ready, void *arg)
{
    struct tls_stream *t = stream_new(ssl, ready, arg);

    if (!t)
        return ED_ENOMEM;
    t->lower = lower;
    lower->user = t;
    lower->on_data = lower_data;
    lower->on_writable = lower_writable;
    lower->on_hangup = lower_hung_up;
    int err = ed_stream_receive(lower, true);
    if (err) {
        free_stream(t);
        return err;
    }
    t->lower_receiving = true;
    *out = &t->stream;
    if (!SSL_is_server(ssl))
        work(t); /* speaks first */
    return 0;
}

int ed_tls_accept(ed_stream **out, ed_stream *lower, ed_tls *tls,
                  const char *alpn, ed_tls_ready_fn *ready, void *arg)
{
    SSL *ssl;
    int err = ed_tls_connection(tls, NULL, alpn, &ssl);

    return err ? err : ed_tls_begin(out, lower, ssl, ready, arg);
}

bool ed_tls_answer_in_clear(ed_stream *s, struct ed_bytes answer)
{
    struct tls_stream *t = of_stream(s);
    struct iovec iov = {(char *)answer.ptr, answer.len};

    if (!t->clear_text || !t->lower)
        return false;
    /* Short and first, so it goes whole or not at all. */
    (void)ed_stream_try_writev(t->lower, &iov, 1);
    (void)ed_stream_shutdown(t->lower);
    return true;
}

/* ---- who is who ---- */

bool ed_stream_tls(ed_stream *s, struct ed_tls_info *out)
{
    if (s->ops != &tls_ops || of_stream(s)->handshake)
        return false;
    ed_tls_codec_info(&of_stream(s)->codec, out);
    return true;
}

bool ed_stream_tls_peer(ed_stream *s, struct ed_tls_peer *out)
{
    if (s->ops != &tls_ops || of_stream(s)->handshake)
        return false;
    return ed_tls_codec_peer(&of_stream(s)->codec, out);
}
