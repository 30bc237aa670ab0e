/*
 * sentry_send.c - the part of an app that sends events to Sentry.
 *
 * One event at a time, in the order they came. A failure to reach Sentry is
 * tried again a few times; what Sentry does not want is not, and while it wants
 * nothing, events are dropped rather than kept, since they would be too many
 * and too old. What was dropped is told with the next event that goes through,
 * as a "client report".
 */
#include "app/sentry_internal.h"
#include "base/ascii.h"
#include "base/backoff.h"

#include <jansson.h>
#include <eddy/clock.h>
#include <eddy/json.h>
#include <stdlib.h>

/* Attempts to send one, and the pauses between them. */
enum { ATTEMPTS = 3 };
static const int64_t FIRST_PAUSE = ED_S;
static const int64_t LONGEST_PAUSE = 30 * ED_S;

/* When Sentry refuses without saying for how long; what its own clients do. */
static const int64_t USUAL_LIMIT = 60 * ED_S;

/* What is asked for beyond that is a mistake: an hour. */
static const int64_t LONGEST_LIMIT = 3600 * ED_S;

static const int64_t WARN_EVERY = 60 * ED_S;

/* Of a reply: it is an id, or a reason. */
#define REPLY_MAX ((size_t)64 * 1024)

/* ---- what Sentry asks for ---- */

/* Whether one of "error;default" is what we send; none means all. */
static bool are_ours(struct ed_bytes categories)
{
    if (!categories.len)
        return true;
    while (categories.ptr) {
        struct ed_bytes one = ed_bytes_trim(ed_bytes_cut(&categories, ';'));
        if (ed_bytes_equal(one, ED_BYTES("error")) ||
            ed_bytes_equal(one, ED_BYTES("default")))
            return true;
    }
    return false;
}

static int64_t seconds_of(struct ed_bytes text)
{
    int64_t seconds;
    if (ed_bytes_int(ed_bytes_trim(text), &seconds) || seconds < 0)
        return USUAL_LIMIT;
    return seconds < LONGEST_LIMIT / ED_S ? seconds * ED_S : LONGEST_LIMIT;
}

int64_t ed_sentry_limit_of(struct ed_bytes field)
{
    int64_t longest = 0;
    while (field.ptr) {
        struct ed_bytes categories = ed_bytes_cut(&field, ',');
        struct ed_bytes seconds = ed_bytes_cut(&categories, ':');
        if (!ed_bytes_trim(seconds).len)
            continue;
        /* Behind a second ':' is whose limit it is. */
        if (!are_ours(ed_bytes_cut(&categories, ':')))
            continue;
        int64_t time = seconds_of(seconds);
        longest = time > longest ? time : longest;
    }
    return longest;
}

static void obey(ed_sentry *sentry, const ed_res *res)
{
    const char *limits = ed_res_header(res, "X-Sentry-Rate-Limits");
    const char *after = ed_res_header(res, "Retry-After");
    int64_t time = 0;
    if (limits)
        time = ed_sentry_limit_of(ed_bytes(limits));
    else if (ed_res_status(res) == 429)
        time = after ? seconds_of(ed_bytes(after)) : USUAL_LIMIT;
    if (time)
        sentry->limited_until = ed_now() + time;
}

/* ---- the envelope ---- */

static const char *const reasons[ED_SENTRY_LOSSES] = {
    [ED_SENTRY_SAMPLED] = "sample_rate",
    [ED_SENTRY_OVERFLOW] = "queue_overflow",
    [ED_SENTRY_REFUSED] = "before_send",
    [ED_SENTRY_LIMITED] = "ratelimit_backoff",
    [ED_SENTRY_FAILED] = "network_error",
};

static void text_member(ed_json *j, const char *name, const char *value)
{
    ed_json_key(j, name);
    ed_json_text(j, value);
}

static void now_member(ed_json *j, const char *name)
{
    char date[ED_ISO_DATE_LEN + 1];
    ed_iso_date(date, ed_clock_realtime());
    text_member(j, name, date);
}

static int write_head(struct ed_buf *out, const ed_sentry *sentry,
                      const struct ed_sentry_event *event)
{
    struct ed_json json, *j = &json;
    ed_json_begin(j, out);
    ed_json_object(j);
    text_member(j, "event_id", event->id);
    now_member(j, "sent_at");
    text_member(j, "dsn", sentry->dsn.text);
    ed_json_end(j);
    int err = ed_json_finish(j);
    return err ? err : ed_buf_add(out, "\n", 1);
}

static int write_item(struct ed_buf *out, const char *type,
                      struct ed_bytes payload)
{
    int err = ed_buf_addf(out, "{\"type\":\"%s\",\"length\":%zu}\n", type,
                          payload.len);
    if (!err)
        err = ed_buf_add(out, payload.ptr, payload.len);
    return err ? err : ed_buf_add(out, "\n", 1);
}

static bool has_losses(const ed_sentry *sentry)
{
    return memcmp(sentry->lost, sentry->told, sizeof sentry->lost) != 0;
}

static int write_losses(struct ed_buf *out, const ed_sentry *sentry)
{
    struct ed_buf report = {0};
    struct ed_json json, *j = &json;
    ed_json_begin(j, &report);
    ed_json_object(j);
    now_member(j, "timestamp");
    ed_json_key(j, "discarded_events");
    ed_json_array(j);
    for (int i = 0; i < ED_SENTRY_LOSSES; i++) {
        uint64_t count = sentry->lost[i] - sentry->told[i];
        if (!count)
            continue;
        ed_json_object(j);
        text_member(j, "reason", reasons[i]);
        text_member(j, "category", "error");
        ed_json_key(j, "quantity");
        ed_json_uint(j, count);
        ed_json_end(j);
    }
    ed_json_end(j);
    ed_json_end(j);
    int err = ed_json_finish(j);
    if (!err)
        err = write_item(out, "client_report", ed_buf_bytes(&report));
    ed_buf_free(&report);
    return err;
}

/* Lets the program see the event, and change it. */
static int show(const ed_sentry *sentry, struct ed_sentry_event *event)
{
    if (!sentry->options.before_send)
        return 0;
    json_t *value = json_loadb(event->json.ptr, event->json.len, 0, NULL);
    if (!value)
        return ED_ENOMEM;
    bool wanted = sentry->options.before_send(value, sentry->options.arg);
    char *text = wanted ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    if (!wanted)
        return ED_EFORBIDDEN;
    if (!text)
        return ED_ENOMEM;
    event->json.len = 0;
    int err = ed_buf_add(&event->json, text, strlen(text));
    free(text);
    return err;
}

/* ---- sending ---- */

static void warn(ed_sentry *sentry, const char *what)
{
    if (ed_now() < sentry->warn_at)
        return;
    sentry->warn_at = ed_now() + WARN_EVERY;
    ed_log_warn("Sentry: an event was not sent: %s", what);
}

/* One attempt: 0 when that is all there is to do about the event. */
static int post(ed_sentry *sentry, struct ed_bytes envelope)
{
    const char *headers[] = {sentry->dsn.auth, NULL};
    ed_res *res;
    int err = ed_fetch(&res, sentry->dsn.url, .client = sentry->client,
                       .method = "POST", .headers = headers, .body = envelope,
                       .content_type = "application/x-sentry-envelope",
                       .max_body = REPLY_MAX);
    if (err)
        return err;
    int status = ed_res_status(res);
    obey(sentry, res);
    if (status >= 500)
        return ed_fail(ED_ECONTENT, "it answers %d", status);
    if (status >= 200 && status < 300) {
        sentry->sent++;
        return 0;
    }
    ed_sentry_lose(sentry,
                   status == 429 ? ED_SENTRY_LIMITED : ED_SENTRY_FAILED);
    warn(sentry, status == 429 ? "too many of them"
                               : ed_arena_printf(ed_fiber_arena(),
                                                 "it answers %d", status));
    return 0;
}

static int post_until_it_works(ed_sentry *sentry, struct ed_bytes envelope)
{
    for (unsigned attempt = 1;; attempt++) {
        int err = post(sentry, envelope);
        int cancelled = ed_cancelled();
        if (!err || cancelled)
            return err ? cancelled : 0;
        if (attempt == ATTEMPTS) {
            warn(sentry, ed_error());
            return err;
        }
        err = ed_sleep(ed_backoff(attempt, FIRST_PAUSE, LONGEST_PAUSE));
        if (err)
            return err;
    }
}

static int send_event(ed_sentry *sentry, struct ed_sentry_event *event)
{
    struct ed_buf envelope = {0};
    uint64_t told[ED_SENTRY_LOSSES];
    memcpy(told, sentry->lost, sizeof told);
    int err = write_head(&envelope, sentry, event);
    if (!err)
        err = write_item(&envelope, "event", ed_buf_bytes(&event->json));
    if (!err && has_losses(sentry))
        err = write_losses(&envelope, sentry);
    uint64_t sent = sentry->sent;
    if (!err)
        err = post_until_it_works(sentry, ed_buf_bytes(&envelope));
    if (!err && sentry->sent != sent)
        memcpy(sentry->told, told, sizeof told);
    ed_buf_free(&envelope);
    return err;
}

/* What is to be done about one event. */
static void deal_with(ed_sentry *sentry, struct ed_sentry_event *event)
{
    if (ed_now() < sentry->limited_until) {
        ed_sentry_lose(sentry, ED_SENTRY_LIMITED);
        return;
    }
    int err = ed_sentry_event_close(event);
    if (!err)
        err = show(sentry, event);
    if (err) {
        ed_sentry_lose(sentry, err == ED_EFORBIDDEN ? ED_SENTRY_REFUSED
                                                    : ED_SENTRY_OVERFLOW);
        return;
    }
    if (send_event(sentry, event))
        ed_sentry_lose(sentry, ED_SENTRY_FAILED);
}

static struct ed_sentry_event *take_event(ed_sentry *sentry)
{
    struct ed_list *node = ed_list_take(&sentry->queue);
    if (!node)
        return NULL;
    struct ed_sentry_event *event =
        ED_CONTAINER(node, struct ed_sentry_event, node);
    sentry->queued--;
    sentry->queued_bytes -= event->json.len;
    return event;
}

/* The loop's arena only grows: what one event needs is in one that is emptied
 * behind it. */
static int send_events(void *arg)
{
    ed_sentry *sentry = arg;
    ed_arena *arena = ed_arena_new(0);
    if (!arena)
        return ED_ENOMEM;
    ed_fiber_use_arena(arena);
    int err = 0;
    while (!err) {
        struct ed_sentry_event *event = take_event(sentry);
        sentry->sending = event != NULL;
        if (event) {
            deal_with(sentry, event);
            ed_sentry_event_free(event);
            ed_arena_reset(arena);
            err = ed_cancelled();
            continue;
        }
        ed_waitq_wake_all(&sentry->emptied, 0);
        err = ed_waitq_wait(&sentry->filled, "events to send", NULL);
    }
    sentry->sending = false;
    ed_fiber_use_arena(NULL);
    ed_arena_free(arena);
    return err;
}

/* ---- the part ---- */

/* Waits until all is sent, but not for long. */
static void flush(ed_sentry *sentry)
{
    ed_scope(s, .within = sentry->options.flush, .name = "last events");
    (void)s;
    int err = 0;
    while (!err && (sentry->queued || sentry->sending))
        err = ed_waitq_wait(&sentry->emptied, "the last events", NULL);
}

static void drop_rest(ed_sentry *sentry)
{
    struct ed_sentry_event *event;
    unsigned count = 0;
    while ((event = take_event(sentry))) {
        ed_sentry_lose(sentry, ED_SENTRY_FAILED);
        ed_sentry_event_free(event);
        count++;
    }
    if (count)
        ed_log_warn("Sentry: no time was left for %u events", count);
}

static int run(ed_sentry *sentry, ed_context *self)
{
    ed_scope(s, .independent = true, .name = "Sentry");
    int err = ed_go(s, send_events, sentry);
    if (err)
        return err;
    ed_sentry_watch_begin(sentry);
    err = ed_context_ready(self);
    ed_sentry_watch_end(sentry);
    flush(sentry);
    ed_cancel(s);
    int ended = ed_wait(s);
    (void)ended; /* it was cancelled */
    return err;
}

int ed_sentry_run(ed_context *self, void *arg)
{
    ed_sentry *sentry = arg;
    const struct ed_sentry_options *o = &sentry->options;
    sentry->client = ed_client_new(.max_redirects = -1, .timeout = o->timeout,
                                   .tls = o->tls, .no_propagation = true);
    if (!sentry->client)
        return ED_ENOMEM;
    int err = run(sentry, self);
    drop_rest(sentry);
    ed_client_free(sentry->client);
    sentry->client = NULL;
    return err;
}
