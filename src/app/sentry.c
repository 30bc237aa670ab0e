/*
 * sentry.c - reports errors to Sentry: what is reported, and the queue.
 *
 * Owns the queue: at most so many events, at most so many bytes. Putting an
 * event in never waits, and when there is no room it is not even put together:
 * a service all of whose requests fail must not be slowed by saying so.
 */
#include "app/sentry_internal.h"
#include "base/ascii.h"
#include "base/backoff.h"
#include "base/options.h"

#include <eddy/clock.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QUEUE       100
#define QUEUE_BYTES ((size_t)4 << 20) /* of all events in it */

static const int64_t FLUSH = 2 * ED_S;
static const int64_t TIMEOUT = 10 * ED_S;

#define TAG_MAX   200 /* what Sentry keeps of one */
#define CRUMB_MAX 500

/* ---- making one ---- */

static const char *not_empty(const char *text)
{
    return text && *text ? text : NULL;
}

/* Keeps a text of the options, or another; false without memory. */
static bool keep(ed_sentry *sentry, const char **text, const char *otherwise)
{
    if (!*text)
        *text = otherwise;
    if (!*text)
        return true;
    *text = ed_arena_copy(sentry->arena, ed_bytes(*text));
    return *text;
}

/* The same for a list that ends with NULL. */
static bool keep_list(ed_sentry *sentry, const char *const **list)
{
    size_t count = 0;
    while (*list && (*list)[count])
        count++;
    if (!*list)
        return true;
    const char **copy =
        ed_arena_alloc(sentry->arena, (count + 1) * sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = ed_arena_copy(sentry->arena, ed_bytes((*list)[i]));
        if (!copy[i])
            return false;
    }
    if (copy)
        copy[count] = NULL;
    *list = copy;
    return copy;
}

static int fill_in(ed_sentry *sentry)
{
    struct ed_sentry_options *o = &sentry->options;
    char host[256] = "";
    if (gethostname(host, sizeof host - 1))
        strcpy(host, "unknown");
    sentry->arena = ed_arena_new(0);
    if (!sentry->arena ||
        !keep(sentry, &o->release, not_empty(getenv("SENTRY_RELEASE"))) ||
        !keep(sentry, &o->environment,
              not_empty(getenv("SENTRY_ENVIRONMENT"))) ||
        !keep(sentry, &o->environment, "production") ||
        !keep(sentry, &o->server_name, host) || !keep_list(sentry, &o->tags) ||
        !keep_list(sentry, &o->secrets))
        return ED_ENOMEM;
    o->queue = o->queue ? o->queue : QUEUE;
    o->flush = o->flush ? o->flush : FLUSH;
    o->timeout = o->timeout ? o->timeout : TIMEOUT;
    return 0;
}

static int read_dsn(ed_sentry *sentry, const char **why)
{
    const char *text = sentry->options.dsn;
    *why = NULL;
    if (!text)
        text = getenv("SENTRY_DSN");
    sentry->off = !not_empty(text);
    sentry->options.dsn = NULL; /* it is kept in parts */
    return sentry->off ? 0 : ed_sentry_dsn_read(&sentry->dsn, text, why);
}

ed_sentry *ed_sentry_new_with(const struct ed_sentry_options *given)
{
    const char *why = NULL;
    ed_sentry *sentry = calloc(1, sizeof *sentry);
    if (!sentry)
        return NULL;
    ed_options_take(&sentry->options, sizeof sentry->options, given);
    ed_list_init(&sentry->queue);
    sentry->lines_end = &sentry->lines;
    pthread_mutex_init(&sentry->lock, NULL);
    int err = fill_in(sentry);
    if (!err)
        err = read_dsn(sentry, &why);
    if (!err)
        return sentry;
    /* The DSN itself holds a key. */
    ed_log_error("Sentry: %s%s", why ? "its DSN: " : "",
                 why ? why : ed_err_text(err));
    ed_sentry_free(sentry);
    return NULL;
}

void ed_sentry_free(ed_sentry *sentry)
{
    struct ed_list *node;
    if (!sentry)
        return;
    while ((node = ed_list_take(&sentry->queue)))
        ed_sentry_event_free(ED_CONTAINER(node, struct ed_sentry_event, node));
    ed_sentry_dsn_free(&sentry->dsn);
    ed_arena_free(sentry->arena);
    pthread_mutex_destroy(&sentry->lock);
    free(sentry);
}

int ed_sentry_add(ed_sentry *sentry, ed_app *app)
{
    if (!sentry || sentry->off)
        return 0;
    int err = ed_around(app, ed_sentry_reported, sentry);
    return err ? err : ed_app_fiber(app, ed_sentry_run, sentry);
}

void ed_sentry_counts(const ed_sentry *sentry, struct ed_sentry_counts *counts)
{
    *counts = (struct ed_sentry_counts){0};
    if (!sentry)
        return;
    counts->captured = sentry->captured;
    counts->sent = sentry->sent;
    counts->sampled = sentry->lost[ED_SENTRY_SAMPLED];
    counts->overflowed = sentry->lost[ED_SENTRY_OVERFLOW];
    counts->refused = sentry->lost[ED_SENTRY_REFUSED];
    counts->limited = sentry->lost[ED_SENTRY_LIMITED];
    counts->failed = sentry->lost[ED_SENTRY_FAILED];
    counts->queued = sentry->queued;
}

/* ---- secrets ---- */

bool ed_sentry_contains(struct ed_bytes text, const char *part)
{
    size_t len = strlen(part);
    for (size_t at = 0; len && at + len <= text.len; at++) {
        if (ed_bytes_equal_nocase(ed_bytes_of(text.ptr + at, len),
                                  ed_bytes_of(part, len)))
            return true;
    }
    return false;
}

bool ed_sentry_is_secret(const ed_sentry *sentry, struct ed_bytes name)
{
    /* These are parts of much else. */
    static const char *const whole[] = {"key", "code", "sig"};
    static const char *const words[] = {
        "-key",  "_key", "auth",    "cookie",    "token",
        "passw", "pwd",  "secret",  "apikey",    "session",
        "csrf",  "xsrf", "credent", "signature", "jwt"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (ed_sentry_contains(name, words[i]))
            return true;
    }
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        if (ed_bytes_equal_nocase(name, ed_bytes(whole[i])))
            return true;
    }
    const char *const *own = sentry->options.secrets;
    for (; own && *own; own++) {
        if (ed_sentry_contains(name, *own))
            return true;
    }
    return false;
}

/* ---- the queue ---- */

void ed_sentry_lose(ed_sentry *sentry, enum ed_sentry_loss why)
{
    sentry->lost[why]++;
}

/* Puts an event into the queue, or drops it. */
static void queue_event(ed_sentry *sentry, struct ed_sentry_event *event)
{
    if (!event || sentry->queued_bytes + event->json.len > QUEUE_BYTES) {
        ed_sentry_event_free(event);
        ed_sentry_lose(sentry, ED_SENTRY_OVERFLOW);
        return;
    }
    ed_list_add_back(&sentry->queue, &event->node);
    sentry->queued++;
    sentry->queued_bytes += event->json.len;
    ed_waitq_wake(&sentry->filled, 0);
}

/* Whether there is a point in making an event. */
static bool has_room(ed_sentry *sentry)
{
    const struct ed_sentry_options *o = &sentry->options;
    sentry->captured++;
    if (o->sample > 0 && ed_chance() >= o->sample) {
        ed_sentry_lose(sentry, ED_SENTRY_SAMPLED);
        return false;
    }
    if (sentry->queued < o->queue)
        return true;
    ed_sentry_lose(sentry, ED_SENTRY_OVERFLOW);
    return false;
}

static void capture(ed_sentry *sentry, enum ed_log_level level, int err,
                    const char *message, const struct ed_sentry_notes *notes)
{
    if (sentry && !sentry->off && has_room(sentry))
        queue_event(sentry,
                    ed_sentry_event_new(sentry, level, err, message, notes));
}

void ed_sentry_error(ed_sentry *sentry, int err)
{
    if (err < 0)
        capture(sentry, ED_LOG_ERROR, err, NULL, ed_sentry_notes());
}

void ed_sentry_message(ed_sentry *sentry, enum ed_log_level level,
                       const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    capture(sentry, level, 0, text, ed_sentry_notes());
}

/* ---- the middleware ---- */

/* Fibers that a handler starts note for its request, too. */
static struct ed_local current = {.inherit = true};

struct ed_sentry_notes *ed_sentry_notes(void)
{
    return ed_local_get(&current);
}

static void free_notes(struct ed_sentry_notes *notes)
{
    for (size_t i = 0; i < notes->tag_count; i++) {
        free(notes->tags[i].name);
        free(notes->tags[i].value);
    }
    for (size_t i = 0; notes->crumbs && i < ED_SENTRY_CRUMBS; i++) {
        free(notes->crumbs[i].category);
        free(notes->crumbs[i].message);
    }
    free(notes->tags);
    free(notes->crumbs);
    free(notes->user);
}

/* A client that has left is no error of ours, nor is one told of 4xx. */
static bool is_reported(const ed_req *req, int result)
{
    if (result >= 0 || (result == ED_ECANCELED && ed_cancelled()))
        return false;
    return ed_req_error_status(req, result) >= 500;
}

int ed_sentry_reported(ed_req *req, ed_next *next, void *arg)
{
    ed_sentry *sentry = arg;
    if (!sentry || sentry->off)
        return ed_next_call(next, req);
    struct ed_sentry_notes notes = {.req = req};
    struct ed_sentry_notes *outer = ed_sentry_notes();
    /* Without memory nothing is noted, and the failure is reported anyway. */
    int unnoted = ed_local_set(&current, &notes);
    int result = ed_next_call(next, req);
    if (is_reported(req, result)) {
        capture(sentry, ED_LOG_ERROR, result, NULL, &notes);
        ed_sentry_watch_skip(sentry, req);
    }
    /* There is a place for it by now: it cannot fail. */
    int lost = unnoted ? 0 : ed_local_set(&current, outer);
    (void)lost;
    free_notes(&notes);
    return result;
}

/* ---- what is noted ---- */

/* Puts a copy of at most `max` bytes in the place of another text; without
 * memory, nothing. */
static void replace(char **place, const char *text, size_t max)
{
    free(*place);
    *place = strndup(text, max);
}

static struct ed_sentry_tag *tag_of(struct ed_sentry_notes *notes,
                                    const char *name)
{
    for (size_t i = 0; i < notes->tag_count; i++) {
        if (!strcmp(notes->tags[i].name, name))
            return &notes->tags[i];
    }
    if (!notes->tags)
        notes->tags = calloc(ED_SENTRY_TAGS, sizeof *notes->tags);
    if (!notes->tags || notes->tag_count == ED_SENTRY_TAGS)
        return NULL;
    struct ed_sentry_tag *tag = &notes->tags[notes->tag_count];
    replace(&tag->name, name, TAG_MAX);
    if (!tag->name)
        return NULL;
    notes->tag_count++;
    return tag;
}

void ed_sentry_tag(const char *name, const char *value)
{
    struct ed_sentry_notes *notes = ed_sentry_notes();
    struct ed_sentry_tag *tag = notes ? tag_of(notes, name) : NULL;
    if (tag)
        replace(&tag->value, value, TAG_MAX);
}

void ed_sentry_user(const char *id)
{
    struct ed_sentry_notes *notes = ed_sentry_notes();
    if (notes)
        replace(&notes->user, id, TAG_MAX);
}

void ed_sentry_breadcrumb(const char *category, const char *fmt, ...)
{
    struct ed_sentry_notes *notes = ed_sentry_notes();
    char text[CRUMB_MAX + 1];
    va_list args;
    if (!notes)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (!notes->crumbs)
        notes->crumbs = calloc(ED_SENTRY_CRUMBS, sizeof *notes->crumbs);
    if (!notes->crumbs)
        return;
    struct ed_sentry_crumb *crumb =
        &notes->crumbs[notes->crumb_count++ % ED_SENTRY_CRUMBS];
    replace(&crumb->category, category, TAG_MAX);
    replace(&crumb->message, text, CRUMB_MAX);
    crumb->at = ed_clock_realtime();
}
