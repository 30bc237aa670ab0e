/*
 * event_source.c - server-sent events, as a client.
 *
 * A source is a streamed response that is replaced whenever it ends. Responses
 * lie in an arena of the source's own, which is emptied between two of them: a
 * source may live much longer than the arena of who opened it should grow.
 */
#include <eddy/event_source.h>
#include "base/magic.h"
#include "base/options.h"
#include "http/exchange.h"
#include "net/crypto.h"
#include "wire/sse.h"
#include <stdlib.h>

#define MAX_EVENT    (1024 * 1024)
#define MAX_FAILURES 10
#define PIECE_BYTES  (16 * 1024)

/* Between two connections; with the quarter that chance adds, a minute at
 * most. A server that asks for no pause at all and closes at once is not to be
 * overrun. */
static const int64_t USUAL_PAUSE = 3 * ED_S;
static const int64_t LEAST_PAUSE = 100 * ED_MS;
static const int64_t LARGEST_PAUSE = 48 * ED_S;

#define ED_EVENT_SOURCE_MAGIC 0xede5e47eu

struct ed_event_source {
    ED_MAGIC;
    ed_client *client;
    const char *const *headers;
    const char *bearer;
    int max_failures; /* negative: no limit */
    int64_t idle_timeout;
    ed_arena *arena;
    ed_res *res;        /* NULL: not connected */
    struct ed_bytes in; /* received and not read */
    struct ed_sse_reader sse;
    int failures; /* to connect, in a row */
    int over;     /* an error that no connection mends; 0 */
    char piece[PIECE_BYTES];
    char url[];
};

/* Texts that name the URL take it from the response, as that one has no user
 * information. */
static int no_memory(void)
{
    return ed_fail(ED_ENOMEM, "no memory for events");
}

/* ---- connecting ---- */

static void disconnect(ed_event_source *source)
{
    if (source->res)
        ed_res_close(source->res);
    source->res = NULL;
    source->in = ED_BYTES("");
}

/* The field that tells where to go on; NULL without memory, "" when there is
 * nothing to tell. What cannot be said in a field is not. */
static const char *last_id_field(const ed_event_source *source)
{
    struct ed_bytes id = ed_bytes_trim(ed_buf_bytes(&source->sse.last_id));

    if (!id.len || !ed_http1_is_value(id))
        return "";
    return ed_arena_printf(source->arena, "Last-Event-ID: %.*s", (int)id.len,
                           id.ptr);
}

/* Whether one of the caller's fields has that name. */
static bool caller_sets(const ed_event_source *source, struct ed_bytes name)
{
    for (const char *const *line = source->headers; line && *line; line++) {
        struct ed_bytes rest = ed_bytes(*line);
        if (ed_bytes_equal_nocase(ed_bytes_cut(&rest, ':'), name))
            return true;
    }
    return false;
}

/* Our fields and the caller's, NULL at the end; NULL without memory. */
static const char **all_fields(const ed_event_source *source)
{
    size_t count = 0, at = 0;
    const char *last_id = last_id_field(source);

    while (source->headers && source->headers[count])
        count++;
    const char **fields =
        ed_arena_alloc(source->arena, (count + 4) * sizeof(*fields));
    if (!fields || !last_id)
        return NULL;
    if (!caller_sets(source, ED_BYTES("Accept")))
        fields[at++] = "Accept: text/event-stream";
    if (!caller_sets(source, ED_BYTES("Cache-Control")))
        fields[at++] = "Cache-Control: no-store";
    if (*last_id)
        fields[at++] = last_id;
    for (size_t i = 0; i < count; i++)
        fields[at++] = source->headers[i];
    fields[at] = NULL;
    return fields;
}

static int fetch(ed_event_source *source)
{
    const char **fields = all_fields(source);

    if (!fields)
        return no_memory();
    return ed_fetch(&source->res, source->url, .client = source->client,
                    .headers = fields, .bearer = source->bearer,
                    .stream = true);
}

static bool has_events(const ed_res *res)
{
    struct ed_bytes type = ed_bytes(ed_res_header(res, "Content-Type"));

    type = ed_bytes_trim(ed_bytes_cut(&type, ';'));
    return ed_bytes_equal_nocase(type, ED_BYTES("text/event-stream"));
}

/* What a server, or what stands before it, says that is being replaced or
 * overrun. */
static bool passes(int status)
{
    return status == 429 || status == 500 || (status >= 502 && status <= 504);
}

/* 0 when the response is one of events. */
static int check_response(const ed_event_source *source, bool *lasting)
{
    const ed_res *res = source->res;
    const char *url = ed_res_url(res);
    int status = ed_res_status(res);

    *lasting = !passes(status);
    if (status == 204)
        return ed_fail(ED_EEOF, "%.120s: the server has no more events", url);
    if (status != 200)
        return ed_fail(ED_ECONTENT, "%.120s: %d instead of events", url,
                       status);
    if (has_events(res))
        return 0;
    const char *type = ed_res_header(res, "Content-Type");
    return ed_fail(ED_ECONTENT, "%.120s: %.60s instead of text/event-stream",
                   url, type ? type : "no type");
}

/* Tries once. On failure *lasting says whether another time may help. */
static int connect_once(ed_event_source *source, bool *lasting)
{
    ed_arena_reset(source->arena);
    ed_arena *before = ed_fiber_use_arena(source->arena);
    int err = fetch(source);
    ed_fiber_use_arena(before);
    *lasting = err == ED_EURL || err == ED_EUSAGE;
    if (!err) {
        err = check_response(source, lasting);
        if (err)
            disconnect(source);
    }
    if (err)
        return err;
    /* Events may be rare: only the caller knows how rare. */
    ed_exchange_be_patient(source->res);
    ed_sse_reader_restart(&source->sse);
    source->failures = 0;
    return 0;
}

/* ---- pauses ---- */

/* Some more, so that those whom one failure has met do not come back as
 * one. */
static int64_t with_chance(int64_t pause)
{
    uint32_t random = 0;

    if (ed_random(&random, sizeof(random)))
        return pause;
    return pause + (int64_t)((double)pause / 4 * random / UINT32_MAX);
}

static int64_t next_pause(const ed_event_source *source)
{
    int64_t asked = source->sse.retry_ms, pause = USUAL_PAUSE;

    if (asked >= 0)
        pause = asked * ED_MS;
    if (pause < LEAST_PAUSE)
        pause = LEAST_PAUSE;
    for (int i = 0; i < source->failures && pause < LARGEST_PAUSE; i++)
        pause = 2 * pause < LARGEST_PAUSE ? 2 * pause : LARGEST_PAUSE;
    return with_chance(pause);
}

/* Until there is a connection, or none is to be had. */
static int reconnect(ed_event_source *source)
{
    for (;;) {
        bool lasting;
        int err = ed_sleep(next_pause(source));
        if (!err)
            err = connect_once(source, &lasting);
        if (!err)
            return 0;
        int stopped = ed_cancelled();
        if (stopped)
            return stopped;
        source->failures++;
        if (lasting || source->failures == source->max_failures) {
            source->over = err;
            return err;
        }
    }
}

/* ---- reading ---- */

static ssize_t read_piece(ed_event_source *source)
{
    if (source->idle_timeout <= 0)
        return ed_res_read(source->res, source->piece, PIECE_BYTES);
    ed_scope(s, .within = source->idle_timeout, .name = "events");
    return ed_res_read(source->res, source->piece, PIECE_BYTES);
}

/* 1 when the next event was read, 0 when there is no connection any more. */
static int read_event(ed_event_source *source)
{
    while (source->res) {
        int got = ed_sse_read(&source->sse, &source->in);
        if (got < 0)
            source->over =
                ed_fail(got, "%.120s: %s", ed_res_url(source->res),
                        got == ED_ELIMIT ? "event larger than allowed"
                                         : "no memory for an event");
        if (got)
            return got;
        ssize_t n = read_piece(source);
        if (n > 0)
            source->in = ed_bytes_of(source->piece, (size_t)n);
        else
            disconnect(source);
    }
    return 0;
}

static void give(const ed_event_source *source, struct ed_sse_event *out)
{
    const struct ed_sse_reader *sse = &source->sse;

    out->type = sse->type.len ? sse->type.ptr : "message";
    out->id = sse->last_id.ptr ? sse->last_id.ptr : "";
    out->data = ed_buf_bytes(&sse->data);
}

int ed_event_source_next(ed_event_source *source, struct ed_sse_event *out)
{
    ED_MAGIC_CHECK(source, ED_EVENT_SOURCE_MAGIC);
    int err = source->over;
    while (!err) {
        err = read_event(source);
        if (err == 1) {
            give(source, out);
            return 0;
        }
        if (!err)
            err = ed_cancelled();
        if (!err)
            err = reconnect(source);
    }
    if (source->over)
        disconnect(source);
    return err;
}

/* ---- life ---- */

static int begin(ed_event_source *source, const char *last_id)
{
    bool lasting;

    source->arena = ed_arena_new(0);
    if (!source->arena ||
        (last_id && ed_sse_reader_set_id(&source->sse, ed_bytes(last_id))))
        return no_memory();
    return connect_once(source, &lasting);
}

int ed_event_source_open_with(ed_event_source **out, const char *url,
                              const struct ed_event_source_options *options)
{
    ED_OPTIONS_TAKE(struct ed_event_source_options, o, options);
    size_t url_size = strlen(url) + 1;
    ed_event_source *source = malloc(sizeof(*source) + url_size);

    *out = NULL;
    if (!source)
        return no_memory();
    memset(source, 0, offsetof(struct ed_event_source, piece));
    ED_MAGIC_SET(source, ED_EVENT_SOURCE_MAGIC);
    source->client = o.client;
    source->headers = o.headers;
    source->bearer = o.bearer;
    source->max_failures = o.max_failures ? o.max_failures : MAX_FAILURES;
    source->idle_timeout = o.idle_timeout;
    ed_sse_reader_begin(&source->sse, o.max_event ? o.max_event : MAX_EVENT);
    memcpy(source->url, url, url_size);
    int err = begin(source, o.last_id);
    if (err)
        ed_event_source_close(source);
    else
        *out = source;
    return err;
}

void ed_event_source_close(ed_event_source *source)
{
    if (!source)
        return;
    ED_MAGIC_CHECK(source, ED_EVENT_SOURCE_MAGIC);
    disconnect(source);
    ed_sse_reader_free(&source->sse);
    ed_arena_free(source->arena);
    ED_MAGIC_CLEAR(source);
    free(source);
}
