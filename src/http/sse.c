/*
 * sse.c - a reply that is a stream of events.
 *
 * Owns one stream each, from ed_sse_begin() to the end of the handler: its
 * heartbeat, and its end when the server stops. The heartbeat is a timer and no
 * fiber. It is written only where nothing else is on its way to the client,
 * which would keep the connection alive as well; so it never waits. Only where
 * a filter compresses the stream it takes a fiber, as what a filter makes of a
 * piece may have to wait.
 */
#include <eddy/sse.h>
#include "base/magic.h"
#include "base/options.h"
#include "core/runtime.h"
#include "http/message.h"
#include "http/server_internal.h"
#include "http/sse.h"
#include "wire/sse.h"

/* Proxies close what is silent for a minute, some for half of one. */
static const int64_t HEARTBEAT = 15 * ED_S;

#define ED_SSE_MAGIC 0xed55e001u

struct ed_sse {
    ED_MAGIC;
    ed_req *req;
    ed_fiber *handler;
    struct ed_stop_hook stop;
    struct ed_timer beat;
    int64_t every; /* 0: no heartbeat */
    int64_t sent;  /* when something was last */
    bool over;     /* ended on purpose: by the server, or before it began */
};

/* ---- what the client accepts ---- */

/* "text/html;q=0.9" without the parameters. */
static struct ed_bytes next_range(struct ed_bytes *rest)
{
    struct ed_bytes range = ed_bytes_cut(rest, ',');

    return ed_bytes_trim(ed_bytes_cut(&range, ';'));
}

/* Whether a client that says what it accepts can have meant events. What a
 * browser's EventSource sends is text/event-stream; other programs say nothing,
 * or anything. Weights are not looked at. */
static bool accepts_events(const ed_req *req)
{
    struct ed_bytes rest = ed_bytes(ed_header(req, "Accept"));
    bool all = true;

    while (rest.ptr) {
        struct ed_bytes range = next_range(&rest);
        if (ed_bytes_equal_nocase(range, ED_BYTES("text/event-stream")) ||
            ed_bytes_equal(range, ED_BYTES("*/*")) ||
            ed_bytes_equal_nocase(range, ED_BYTES("text/*")))
            return true;
        all &= !range.len;
    }
    return all;
}

/* ---- heartbeat ---- */

static void arm(ed_sse *sse)
{
    int64_t at = sse->sent + sse->every;

    /* Without memory for a timer there is no heartbeat; the stream goes on. */
    if (sse->every && ed_timer_start(sse->req->server->loop, &sse->beat, at))
        sse->every = 0;
}

/* The timer is not moved each time something is sent, but looks how long that
 * is ago when it fires. */
static void on_beat(struct ed_timer *timer)
{
    ed_sse *sse = ED_CONTAINER(timer, ed_sse, beat);

    if (ed_now() - sse->sent >= sse->every) {
        ed_req_try_write(sse->req, ED_BYTES(":\n\n"));
        sse->sent = ed_now();
    }
    arm(sse);
}

/* The same for a stream that is compressed. It ends with the handler's scope,
 * or when it sees that the stream has ended. */
static int beat_through_filters(void *arg)
{
    ed_sse *sse = arg;
    const ed_req *req = sse->req;
    int err = 0;

    while (!err && req->returned) {
        int64_t left = sse->sent + sse->every - ed_now();
        if (left > 0)
            err = ed_sleep(left);
        else
            err = ed_sse_put(sse, ED_BYTES(":\n\n"));
    }
    return err;
}

static int begin_beating(ed_sse *sse)
{
    if (sse->every && sse->req->reply.recoded)
        return ed_go(ed_scope_current(), beat_through_filters, sse);
    arm(sse);
    return 0;
}

/* ---- the stream ---- */

static void on_stop(struct ed_stop_hook *stop)
{
    ed_sse *sse = ED_CONTAINER(stop, ed_sse, stop);

    sse->over = true;
    ed_fiber_cancel(sse->handler, ED_ECANCELED);
}

/* A stream that was ended on purpose has not failed. */
static int handler_returned(ed_req *req, void *arg, int result)
{
    ed_sse *sse = arg;

    (void)req;
    ED_MAGIC_CHECK(sse, ED_SSE_MAGIC);
    ed_timer_stop(sse->req->server->loop, &sse->beat);
    ed_list_remove(&sse->stop.node);
    ED_MAGIC_CLEAR(sse);
    return sse->over && result < 0 ? 0 : result;
}

static int set_fields(ed_req *req)
{
    int err = ed_reply_header_set(req, "Content-Type", "text/event-stream");

    if (!err)
        err = ed_reply_header_set(req, "Cache-Control", "no-store");
    return err ? err : ed_reply_header_set(req, "X-Accel-Buffering", "no");
}

static int begin_reply(ed_req *req)
{
    if (req->reply.status)
        return ed_fail(ED_EUSAGE, "there is a reply already");
    if (!accepts_events(req))
        return ed_fail(ED_ENOTACCEPTABLE, "the reply is text/event-stream");
    int err = set_fields(req);
    return err ? err : ed_reply_begin(req, 200, -1);
}

static int send_head(ed_sse *sse, int64_t retry)
{
    int err = retry > 0 ? ed_sse_send(sse, .retry = retry) : 0;

    return err ? err : ed_flush(sse->req);
}

int ed_sse_begin_with(ed_req *req, ed_sse **out,
                      const struct ed_sse_options *given)
{
    ED_OPTIONS_TAKE(struct ed_sse_options, options, given);
    int err = begin_reply(req);

    if (err)
        return err;
    ed_sse *sse = ed_arena_zalloc(req->arena, sizeof(*sse));
    if (!sse)
        return ED_ENOMEM;
    ED_MAGIC_SET(sse, ED_SSE_MAGIC);
    sse->req = req;
    sse->handler = ed_fiber_self();
    sse->every = options.heartbeat ? options.heartbeat : HEARTBEAT;
    if (sse->every < 0 || req->is_head)
        sse->every = 0;
    sse->sent = ed_now();
    sse->beat.fire = on_beat;
    sse->stop.run = on_stop;
    req->returned = handler_returned;
    req->returned_arg = sse;
    ed_server_on_stop(req->server, &sse->stop);
    *out = sse;
    err = send_head(sse, options.retry);
    if (!err)
        err = begin_beating(sse);
    if (err || !req->is_head)
        return err;
    sse->over = true;
    return ED_ECLOSED;
}

ed_req *ed_sse_req(const ed_sse *sse)
{
    return sse->req;
}

const char *ed_sse_last_id(ed_req *req)
{
    const char *id = ed_header(req, "Last-Event-ID");

    if (!id || !*id)
        id = ed_query(req, "lastEventId");
    return id && *id ? id : NULL;
}

/* ---- events ---- */

int ed_sse_put(ed_sse *sse, struct ed_bytes text)
{
    ED_MAGIC_CHECK(sse, ED_SSE_MAGIC);
    int err = ed_checkpoint();

    if (err)
        return err;
    sse->sent = ed_now();
    err = ed_write_bytes(sse->req, text);
    /* An encoder would wait for more. */
    return err || !sse->req->reply.recoded ? err : ed_flush(sse->req);
}

int ed_sse_send_with(ed_sse *sse, const struct ed_sse_message *given)
{
    ED_OPTIONS_TAKE(struct ed_sse_message, message, given);
    struct ed_buf text = {0};
    int err = ed_sse_write(
        &text, &(const struct ed_sse_text){
                   .comment = ed_bytes(message.comment),
                   .type = ed_bytes(message.event),
                   .id = ed_bytes(message.id),
                   .data = message.data,
                   .retry_ms = message.retry > 0 ? message.retry / ED_MS : -1,
               });
    if (err == ED_EUSAGE)
        err = ed_fail(err, "a line end in the type or the id of an event");
    if (!err)
        err = ed_sse_put(sse, ed_buf_bytes(&text));
    ed_buf_free(&text);
    return err;
}
