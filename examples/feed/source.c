/*
 * source.c - follows a stream of messages, whatever becomes of connections.
 *
 * Events are an ed_event_source's, which does all that is needed. Lines of JSON
 * have no standard for coming back, so the same is done by hand: the member
 * "id" of the last line is told as Last-Event-ID, and a source that knows
 * nothing of this goes on with what is new.
 */
#include "source.h"

#include <eddy/json.h>
#include <eddy/event_source.h>
#include <eddy/log.h>
#include <jansson.h>
#include <stdio.h>
#include <strings.h>

/* A message larger than this is none for a wall. */
#define MESSAGE_MAX (256 * 1024)

/* Longer than any that was seen: some hold a position in several logs. */
#define ID_MAX 1024

/* Without a byte for so long a source counts as gone. One of events sends
 * comments meanwhile; lines may be rare. */
#define EVENTS_IDLE ED_MIN
#define LINES_IDLE  (5 * ED_MIN)

/* Between two attempts to connect, where the event source does not see to it:
 * doubled each time. */
#define PAUSE     ED_S
#define PAUSE_MAX ED_MIN

static const char *const lines_accept = "Accept: application/x-ndjson, "
                                        "application/json;q=0.9, */*;q=0.1";

/* ---- whether it is connected ---- */

/* Told by the client of each phase of each request. */
static void notice(void *arg, const struct ed_phase_event *event)
{
    struct source *source = arg;

    if (event->phase == ED_PHASE_FIRST_BYTE) {
        source->connected = true; /* an error ends at once */
        source->connects++;
    }
    if (event->phase == ED_PHASE_DONE) {
        source->connected = false;
        source->failure = event->err;
    }
}

static int remember(struct source *source, const char *id)
{
    ed_buf_drop(&source->last_id, source->last_id.len);
    return ed_buf_add(&source->last_id, id, strlen(id));
}

/* Whether an id can be told again, in a field. */
static bool is_usable(const char *id)
{
    const char *end = id;

    while ((unsigned char)*end >= ' ' && *end != 0x7f)
        end++;
    return !*end && end > id && end - id <= ID_MAX;
}

static int take(struct source *source, const char *id, struct ed_bytes data)
{
    bool usable = is_usable(id);

    source->failures = 0;
    source->take(source->arg, usable ? id : "", data);
    return usable ? remember(source, id) : 0;
}

/* ---- server-sent events ---- */

/* [events] */
static int follow_events(struct source *source)
{
    ed_event_source *events;
    struct ed_sse_event event;
    int err = ed_event_source_open(
        &events, source->url, .client = source->client,
        .last_id = source->last_id.len ? source->last_id.ptr : NULL,
        .max_event = MESSAGE_MAX, .max_failures = -1,
        .idle_timeout = EVENTS_IDLE);

    while (!err && !(err = ed_event_source_next(events, &event)))
        err = take(source, event.id, event.data);
    ed_event_source_close(events);
    return err;
}
/* [/events] */

/* ---- lines ---- */

/* The id in a line, as text; "" when there is none. */
static const char *id_of(const json_t *line, char number[24])
{
    const json_t *id = json_object_get(line, "id");

    if (json_is_string(id))
        return json_string_value(id);
    *number = '\0';
    if (json_is_integer(id))
        snprintf(number, 24, "%lld", (long long)json_integer_value(id));
    return number;
}

static int take_line(struct source *source, struct ed_bytes text)
{
    char number[24];

    text = ed_bytes_trim(text);
    if (!text.len)
        return 0; /* some sources send empty ones to show that they are there */
    json_t *line;
    (void)!ed_json_parse(text, &line, NULL); /* what is none has no id */
    int err = take(source, id_of(line, number), text);
    json_decref(line);
    return err;
}

/* Takes the whole lines out of what has come. */
static int take_lines(struct source *source, struct ed_buf *in)
{
    struct ed_bytes rest = ed_buf_bytes(in);
    int err = 0;

    while (!err && rest.len && memchr(rest.ptr, '\n', rest.len)) {
        struct ed_bytes line = ed_bytes_cut(&rest, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        err = take_line(source, line);
    }
    ed_buf_drop(in, in->len - rest.len);
    if (!err && in->len > MESSAGE_MAX)
        err = ed_fail(ED_ELIMIT, "a line of more than %d bytes", MESSAGE_MAX);
    return err;
}

static int read_lines(struct source *source, ed_res *res)
{
    struct ed_buf in = {0};
    char piece[16 * 1024];
    ssize_t got = 0;
    int err = 0;

    if (ed_res_status(res) != 200)
        return ed_fail(ED_ECONTENT, "%s: status %d", source->url,
                       ed_res_status(res));
    while (!err && (got = ed_res_read(res, piece, sizeof piece)) > 0) {
        err = ed_buf_add(&in, piece, (size_t)got);
        if (!err)
            err = take_lines(source, &in);
    }
    ed_buf_free(&in);
    if (err || got < 0)
        return err ? err : (int)got;
    return ed_fail(ED_ECONNLOST, "the source has ended its stream");
}

static int fetch_lines(struct source *source)
{
    const char *fields[] = {lines_accept, NULL, NULL};
    ed_res *res;

    if (source->last_id.len)
        fields[1] = ed_arena_printf(ed_fiber_arena(), "Last-Event-ID: %s",
                                    source->last_id.ptr);
    int err = ed_fetch(&res, source->url, .client = source->client,
                       .headers = fields, .stream = true);
    if (err)
        return err;
    err = read_lines(source, res);
    ed_res_close(res);
    return err;
}

/* A connection's memory is given back at its end: the fiber lives on. */
static int follow_lines(struct source *source)
{
    ed_arena *arena = ed_arena_new(0);
    int err = ED_ENOMEM;

    if (!arena)
        return err;
    ed_arena *before = ed_fiber_use_arena(arena);
    err = fetch_lines(source);
    ed_fiber_use_arena(before);
    ed_arena_free(arena);
    return err;
}

/* ---- for ever ---- */

static int64_t next_pause(struct source *source)
{
    int64_t pause = PAUSE;

    for (int i = 0; i < source->failures && pause < PAUSE_MAX; i++)
        pause *= 2;
    source->failures++;
    return pause < PAUSE_MAX ? pause : PAUSE_MAX;
}

/* Until the connection is lost for good, or there is none. What answers without
 * events is taken for lines. */
static int follow(struct source *source)
{
    int err = follow_events(source);

    if (err == ED_ECONTENT)
        err = follow_lines(source);
    if (err == ED_ELIMIT && !ed_cancelled()) {
        /* Asked to go on where it was, it would send that message again. */
        ed_buf_free(&source->last_id);
        source->gap(source->arg);
    }
    return err;
}

static int follow_for_ever(struct source *source)
{
    for (;;) {
        int err = follow(source);
        int stopped = ed_cancelled();

        source->connected = false;
        if (stopped)
            return stopped;
        if (err == ED_EEOF) {
            source->ended = true;
            ed_log_info("%s has no more messages", source->url);
            return 0;
        }
        source->failure = err;
        ed_log_warn("source: %s", ed_error());
        err = ed_sleep(next_pause(source));
        if (err)
            return err;
    }
}

bool source_is_web(const char *url)
{
    return !strncasecmp(url, "http://", 7) ||
           !strncasecmp(url, "https://", 8) ||
           !strncasecmp(url, "http+unix://", 12);
}

int source_follow(void *arg)
{
    struct source *source = arg;

    source->client = ed_client_new(.hook = notice, .hook_arg = source,
                                   .idle_timeout = LINES_IDLE);
    if (!source->client)
        return ED_ENOMEM;
    int err = follow_for_ever(source);
    ed_client_free(source->client);
    source->client = NULL;
    return err;
}
