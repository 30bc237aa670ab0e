/*
 * link.c - one connection to a Redis server.
 *
 * Owns the stream, what is still to be written, the line of calls and the
 * reader. The line is a ring of places: a call that was abandoned leaves its
 * place empty, so that its replies can be told and dropped.
 *
 * A call is known to be unsent as long as its last byte has not been handed to
 * the system: a server does nothing before it has a command, and a transaction
 * its EXEC, whole.
 *
 * Functions of the owner and of calls may close the link they are called for;
 * its memory stays until the outermost of our functions has returned.
 */
#include "redis/link.h"
#include "net/stream.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_PLACES 64
/* A buffer for output that grew past this is not kept. */
#define KEEP_OUT ((size_t)256 * 1024)

/* In the line of those who wait. */
struct place {
    struct redis_call *call; /* NULL: the replies are dropped */
    unsigned left;           /* replies to come */
    uint64_t end;            /* where its bytes end, in all that is sent */
};

struct redis_link {
    struct redis_link_info info;
    const struct redis_link_owner *owner;
    ed_loop *loop;
    ed_stream *stream;
    struct redis_link_counts *counts;

    struct ed_buf out;
    size_t written; /* of out */
    uint64_t taken; /* bytes the system has taken, in all */
    struct ed_deferred flush;
    bool blocked; /* until the stream is writable, if it ever is */

    struct place *places; /* a ring */
    uint64_t capacity;    /* a power of two */
    uint64_t head, tail;  /* counted without end */

    struct redis_reader reader;
    bool pushed; /* the reply under way is nobody's */

    struct ed_timer timer;
    int64_t reply_timeout;
    int64_t heard_at; /* or since when somebody waits */

    unsigned depth; /* of our functions that are running */
    bool owned;
    bool broken;
    bool closed; /* freed when depth is 0 */
    struct redis_link_counts uncounted;
};

/* ---- the line ---- */

static struct place *place_of(const struct redis_link *link, uint64_t number)
{
    return &link->places[number & (link->capacity - 1)];
}

static int grow_line(struct redis_link *link)
{
    uint64_t capacity = link->capacity ? 2 * link->capacity : FIRST_PLACES;
    struct place *places = malloc(capacity * sizeof(*places));

    if (!places)
        return ED_ENOMEM;
    for (uint64_t n = link->head; n != link->tail; n++)
        places[n & (capacity - 1)] = *place_of(link, n);
    free(link->places);
    link->places = places;
    link->capacity = capacity;
    return 0;
}

/* Whose reply comes next. */
static void await_next(struct redis_link *link)
{
    const struct place *head = place_of(link, link->head);
    struct redis_reader *reader = &link->reader;

    link->pushed = link->head == link->tail;
    if (link->pushed)
        reader->arena =
            link->owner->push_arena ? link->owner->push_arena(link) : NULL;
    else
        reader->arena =
            head->call && head->left == 1 ? head->call->arena : NULL;
}

/* ---- the end ---- */

static void destroy(struct redis_link *link)
{
    redis_reader_close(&link->reader);
    ed_buf_free(&link->out);
    free(link->places);
    free(link);
}

static void enter(struct redis_link *link)
{
    link->depth++;
}

static void leave(struct redis_link *link)
{
    if (!--link->depth && link->closed)
        destroy(link);
}

/* Stops all that the loop would call us for. */
static void stop(struct redis_link *link)
{
    link->broken = true;
    ed_undefer(link->loop, &link->flush);
    ed_timer_stop(link->loop, &link->timer);
    ed_stream_close(link->stream);
    link->stream = NULL;
}

static void fail_call(struct redis_link *link, const struct place *place,
                      const char *why)
{
    struct redis_call *call = place->call;

    if (!call)
        return;
    call->link = NULL;
    call->fate = place->end > link->taken ? REDIS_NEVER_SENT : REDIS_UNCERTAIN;
    snprintf(call->words, sizeof(call->words), "%s", why);
    if (call->done)
        call->done(call);
}

static void fail_calls(struct redis_link *link, const char *why)
{
    while (link->head != link->tail) {
        struct place place = *place_of(link, link->head++);

        fail_call(link, &place, why);
    }
}

/* It broke. May be called in our functions only, between enter() and leave().
 */
static void lose(struct redis_link *link, int err, const char *why)
{
    char text[REDIS_WORDS]; /* `why` may be the stream's */

    if (link->broken)
        return;
    snprintf(text, sizeof(text), "%s", why);
    stop(link);
    fail_calls(link, text);
    if (link->owned && !link->closed && link->owner->lost)
        link->owner->lost(link, err, text);
}

void redis_link_close(struct redis_link *link, const char *why)
{
    if (link->closed)
        return;
    link->closed = true;
    enter(link);
    if (!link->broken)
        stop(link);
    fail_calls(link, why);
    leave(link);
}

/* ---- receiving ---- */

static void answer(struct redis_link *link, struct redis_call *call)
{
    const struct redis_reader *reader = &link->reader;

    call->link = NULL;
    call->fate = REDIS_ANSWERED;
    call->reply = reader->reply;
    call->err = reader->err;
    if (reader->refused) {
        memcpy(call->words, reader->words, sizeof(call->words));
        call->err = redis_error_of(ed_bytes(reader->words));
    }
    if (call->done)
        call->done(call);
}

/* A reply of the call at the head. */
static void deliver(struct redis_link *link)
{
    struct place *head = place_of(link, link->head);
    struct redis_call *call = head->call;
    const struct redis_reader *reader = &link->reader;

    if (--head->left) {
        if (call && call->each)
            call->each(call, reader->refused ? reader->words : NULL);
        return;
    }
    link->head++;
    if (call)
        answer(link, call);
    else
        link->counts->dropped++;
    if (!link->closed && link->owned && link->owner->room)
        link->owner->room(link);
}

/* A reply nobody asked for: a server says good-bye by an error. */
static void deliver_push(struct redis_link *link)
{
    const struct redis_reader *reader = &link->reader;

    if (link->owner->push)
        link->owner->push(link, reader->reply);
    else
        lose(link, ED_EPROTO,
             reader->refused ? reader->words : "a reply nobody asked for");
}

static void read_replies(struct redis_link *link, struct ed_bytes bytes)
{
    int got = 1;

    while (got == 1 && !link->broken) {
        if (redis_reader_between(&link->reader))
            await_next(link);
        got = redis_reader_next(&link->reader, &bytes);
        if (got < 0)
            lose(link, got, redis_reader_why(&link->reader));
        else if (got && link->pushed)
            deliver_push(link);
        else if (got)
            deliver(link);
    }
}

static void received(ed_stream *s, char *data, ssize_t len)
{
    struct redis_link *link = s->user;

    enter(link);
    if (len > 0) {
        link->heard_at = ed_now();
        read_replies(link, ed_bytes_of(data, (size_t)len));
    } else {
        const char *why = len < 0 ? ed_stream_why(s) : NULL;
        if (!why)
            why = len < 0 ? ed_err_text((int)len) : "closed by the server";
        lose(link, len < 0 ? (int)len : ED_EEOF, why);
    }
    leave(link);
}

/* ---- patience ---- */

static void watch(struct redis_link *link)
{
    int64_t at;

    if (__builtin_add_overflow(link->heard_at, link->reply_timeout, &at))
        at = INT64_MAX;
    /* Without memory for a timer, deadlines of callers are still kept. */
    (void)!ed_timer_start(link->loop, &link->timer, at);
}

/* The timer is not moved with every reply, but looks when it fires. */
static void look(struct ed_timer *timer)
{
    struct redis_link *link = ED_CONTAINER(timer, struct redis_link, timer);

    if (link->head == link->tail)
        return;
    if (ed_now() - link->heard_at < link->reply_timeout) {
        watch(link);
        return;
    }
    enter(link);
    lose(link, ED_ETIMEOUT, "the server does not answer");
    leave(link);
}

static void expect_reply(struct redis_link *link)
{
    if (link->head == link->tail)
        link->heard_at = ed_now();
    if (link->reply_timeout && !link->timer.index)
        watch(link);
}

/* ---- sending ---- */

static void drop_written(struct redis_link *link)
{
    struct ed_buf *out = &link->out;

    if (link->written == out->len) {
        link->written = out->len = 0;
        if (out->cap > KEEP_OUT)
            ed_buf_free(out);
    } else if (link->written > out->len / 2) {
        ed_buf_drop(out, link->written);
        link->written = 0;
    }
}

static void write_out(struct redis_link *link)
{
    struct iovec iov = {link->out.ptr + link->written,
                        link->out.len - link->written};
    ssize_t n = ed_stream_try_writev(link->stream, &iov, 1);

    if (n > 0) {
        link->written += (size_t)n;
        link->taken += (uint64_t)n;
        link->counts->writes++;
        drop_written(link);
    }
    if (!link->out.len)
        return;
    link->blocked = true;
    /* The server has closed; why, it may have said before, and that is still to
     * be read, up to the end. */
    if (n == -EPIPE || n == -ECONNRESET) {
        ed_stream_shutdown(link->stream);
        return;
    }
    int err = n < 0 && n != -EAGAIN
                  ? (int)n
                  : ed_stream_want_writable(link->stream, true);
    if (err) {
        const char *why = ed_stream_why(link->stream);
        lose(link, err, why ? why : ed_err_text(err));
    }
}

static void flush(struct ed_deferred *deferred)
{
    struct redis_link *link = ED_CONTAINER(deferred, struct redis_link, flush);

    enter(link);
    write_out(link);
    leave(link);
}

static void writable(ed_stream *s)
{
    struct redis_link *link = s->user;

    enter(link);
    link->blocked = false;
    write_out(link);
    leave(link);
}

static int append(struct redis_link *link, struct ed_bytes bytes)
{
    int err = ed_buf_add(&link->out, bytes.ptr, bytes.len);

    if (!err && !link->blocked)
        ed_defer(link->loop, &link->flush);
    return err;
}

static int join_line(struct redis_link *link, struct redis_call *call,
                     unsigned replies, struct ed_bytes bytes)
{
    bool full = link->tail - link->head == link->capacity;
    int err = full ? grow_line(link) : 0;

    if (err)
        return err;
    expect_reply(link);
    err = append(link, bytes);
    if (err)
        return err;
    link->counts->commands += replies;
    *place_of(link, link->tail++) = (struct place){
        .call = call,
        .left = replies,
        .end = link->taken + link->out.len - link->written,
    };
    return 0;
}

int redis_link_send(struct redis_link *link, struct redis_call *call,
                    struct ed_bytes bytes)
{
    if (link->broken)
        return ED_ECLOSED;
    if (!call)
        return append(link, bytes);
    int err = join_line(link, call, call->replies, bytes);
    if (err)
        return err;
    call->link = link;
    call->number = link->tail - 1;
    return 0;
}

int redis_link_post(struct redis_link *link, unsigned replies,
                    struct ed_bytes bytes)
{
    return link->broken ? ED_ECLOSED : join_line(link, NULL, replies, bytes);
}

void redis_call_abandon(struct redis_call *call)
{
    struct redis_link *link = call->link;

    if (!link)
        return;
    call->link = NULL;
    place_of(link, call->number)->call = NULL;
    /* What the reader has of it already lies in the caller's arena. */
    if (call->number == link->head && !link->pushed)
        link->reader.arena = NULL;
}

/* ---- a fiber that waits ---- */

static void wake(struct redis_call *call)
{
    ed_wake(call->user, 0);
}

static bool go(void *call)
{
    redis_call_abandon(call);
    return true;
}

int redis_link_call(struct redis_link *link, struct redis_call *call,
                    struct ed_bytes bytes)
{
    int err = ed_cancelled();

    if (err)
        return err;
    if (link->broken) {
        call->fate = REDIS_NEVER_SENT;
        snprintf(call->words, sizeof(call->words), "closed before");
        return 0;
    }
    call->done = wake;
    call->user = ed_fiber_self();
    err = redis_link_send(link, call, bytes);
    return err ? err : ed_park("Redis", go, call);
}

/* ---- life ---- */

int redis_link_new(struct redis_link **out, ed_stream *stream, size_t max_reply,
                   const struct redis_link_options *options)
{
    struct redis_link *link = calloc(1, sizeof(*link));

    if (!link) {
        ed_stream_close(stream);
        return ED_ENOMEM;
    }
    ed_list_init(&link->info.node);
    link->info.link = link;
    link->info.user = options->user;
    link->info.opened_at = ed_now();
    link->owner = options->owner;
    link->loop = ed_loop_current();
    link->counts = options->counts ? options->counts : &link->uncounted;
    link->reply_timeout = options->reply_timeout;
    link->timer.fire = look;
    link->flush.run = flush;
    link->stream = stream;
    stream->user = link;
    stream->on_data = received;
    stream->on_writable = writable;
    int err = redis_reader_open(&link->reader, max_reply);
    if (!err)
        err = grow_line(link);
    if (!err)
        err = ed_stream_receive(stream, true);
    if (err)
        redis_link_close(link, "");
    else
        *out = link;
    return err;
}

void redis_link_own(struct redis_link *link)
{
    link->owned = true;
}

struct redis_link_info *redis_link_info(struct redis_link *link)
{
    return &link->info;
}

bool redis_link_up(const struct redis_link *link)
{
    return !link->broken;
}

unsigned redis_link_load(const struct redis_link *link)
{
    return (unsigned)(link->tail - link->head);
}

bool redis_link_clogged(const struct redis_link *link)
{
    return link->blocked || !redis_reader_between(&link->reader);
}

size_t redis_link_unsent(const struct redis_link *link)
{
    return link->out.len - link->written;
}
