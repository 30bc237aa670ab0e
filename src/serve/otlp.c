/*
 * otlp.c - spans, written into batches of OTLP's JSON.
 *
 * Owns the batches, their limits, and what is said of those that were dropped.
 * A batch is the text of one request to the collector, which grows by a span at
 * a time: a span is written once and never looked at again.
 */
#include "serve/otlp.h"
#include "base/hex.h"
#include "wire/url.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Of a batch: what the SDKs of OpenTelemetry send at once, and less than
 * collectors take in one request. */
enum { BATCH_SPANS = 512 };
#define BATCH_BYTES ((size_t)512 * 1024)

/* How long a span waits for others. */
static const int64_t BATCH_TIME = 2 * ED_S;

/* Of all that is kept, in a worker, for a collector that is slow or away. */
enum { QUEUE_SPANS = 4096 };
#define QUEUE_BYTES ((size_t)8 << 20)

/* Of a text: what a client sends is as long as it likes. */
enum { TEXT_MAX = 1024 };

static const int64_t TELL_EVERY = 60 * ED_S;
static const int64_t CLOSE_TIME = 2 * ED_S;

static const char PATH[] = "/v1/traces";

/* ---- what was lost ---- */

void ed_otlp_tell(struct ed_otlp *otlp)
{
    if (otlp->dropped == otlp->told || ed_now() < otlp->tell_at)
        return;
    ed_log_warn("traces: %llu spans were dropped: %s",
                (unsigned long long)(otlp->dropped - otlp->told), otlp->why);
    otlp->told = otlp->dropped;
    otlp->tell_at = ed_now() + TELL_EVERY;
}

void ed_otlp_lose(struct ed_otlp *otlp, uint64_t spans, const char *why)
{
    otlp->dropped += spans;
    snprintf(otlp->why, sizeof otlp->why, "%s", why);
    ed_otlp_tell(otlp);
}

/* ---- batches ---- */

static void free_batch(struct ed_otlp_batch *batch)
{
    ed_list_remove(&batch->node);
    ed_buf_free(&batch->body);
    free(batch);
}

void ed_otlp_batch_free(struct ed_otlp *otlp, struct ed_otlp_batch *batch)
{
    otlp->spans -= batch->spans;
    otlp->bytes -= batch->counted;
    free_batch(batch);
}

static struct ed_otlp_batch *new_batch(struct ed_otlp *otlp)
{
    struct ed_otlp_batch *batch = calloc(1, sizeof *batch);

    if (!batch)
        return NULL;
    ed_list_init(&batch->node);
    if (ed_buf_add(&batch->body, otlp->head.ptr, otlp->head.len)) {
        free_batch(batch);
        return NULL;
    }
    batch->due = ed_now() + BATCH_TIME;
    otlp->filling = batch;
    ed_waitq_wake_all(&otlp->changed, 0);
    return batch;
}

static void put_away(struct ed_otlp *otlp)
{
    struct ed_otlp_batch *batch = otlp->filling;

    batch->counted = batch->body.len;
    otlp->bytes += batch->counted;
    ed_list_add_back(&otlp->full, &batch->node);
    otlp->filling = NULL;
    ed_waitq_wake_all(&otlp->changed, 0);
}

struct ed_otlp_batch *ed_otlp_take(struct ed_otlp *otlp)
{
    if (otlp->filling && (otlp->ending || ed_now() >= otlp->filling->due))
        put_away(otlp);
    struct ed_list *node = ed_list_take(&otlp->full);
    return node ? ED_CONTAINER(node, struct ed_otlp_batch, node) : NULL;
}

/* ---- spans ---- */

static void add_text(ed_json *j, const char *key, const char *text)
{
    ed_json_key(j, key);
    ed_json_text(j, text);
}

static void add_id(ed_json *j, const char *key, const uint8_t *id, size_t len)
{
    char text[2 * 16];

    ed_hex_write(text, id, len);
    ed_json_key(j, key);
    ed_json_bytes(j, ed_bytes_of(text, 2 * len));
}

/* 64-bit numbers are texts in JSON as Protobuf has it. */
static void add_time(ed_json *j, const char *key, int64_t ns)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)ns);
    add_text(j, key, text);
}

static void begin_attribute(ed_json *j, const char *key)
{
    ed_json_object(j);
    add_text(j, "key", key);
    ed_json_key(j, "value");
    ed_json_object(j);
}

static void end_attribute(ed_json *j)
{
    ed_json_end(j);
    ed_json_end(j);
}

void ed_otlp_text(ed_json *j, const char *key, struct ed_bytes text)
{
    if (!text.len)
        return;
    begin_attribute(j, key);
    ed_json_key(j, "stringValue");
    ed_json_bytes(
        j, ed_bytes_of(text.ptr, text.len < TEXT_MAX ? text.len : TEXT_MAX));
    end_attribute(j);
}

void ed_otlp_int(ed_json *j, const char *key, int64_t n)
{
    begin_attribute(j, key);
    add_time(j, "intValue", n);
    end_attribute(j);
}

static void add_name(ed_json *j, const struct ed_span *span)
{
    char name[256];

    snprintf(name, sizeof name, "%.100s%s%s", span->name[0],
             span->name[1] ? " " : "", span->name[1] ? span->name[1] : "");
    add_text(j, "name", name);
}

/* Bits of a span's flags beside those of the trace: whether it is known where
 * its parent is, and that it is elsewhere. */
enum { PARENT_KNOWN = 0x100, PARENT_REMOTE = 0x200 };

static void add_parent(ed_json *j, const struct ed_span *span)
{
    static const uint8_t none[8];
    unsigned flags = span->trace->flags;

    if (memcmp(span->parent, none, sizeof none)) {
        add_id(j, "parentSpanId", span->parent, 8);
        flags |= PARENT_KNOWN | (span->parent_is_remote ? PARENT_REMOTE : 0u);
    }
    ed_json_key(j, "flags");
    ed_json_uint(j, flags);
    if (*span->trace->state)
        add_text(j, "traceState", span->trace->state);
}

static void add_status(ed_json *j)
{
    ed_json_key(j, "status");
    ed_json_object(j);
    ed_json_key(j, "code");
    ed_json_int(j, 2); /* STATUS_CODE_ERROR */
    ed_json_end(j);
}

/* Whether there is room for one more, and a batch for it. */
static struct ed_otlp_batch *room_for_one(struct ed_otlp *otlp)
{
    struct ed_otlp_batch *batch = otlp->filling;
    size_t bytes = otlp->bytes + (batch ? batch->body.len : 0);

    if (otlp->spans >= QUEUE_SPANS || bytes >= QUEUE_BYTES) {
        ed_otlp_lose(otlp, 1, "the collector does not take them fast enough");
        return NULL;
    }
    if (!batch)
        batch = new_batch(otlp);
    if (!batch || (batch->spans && ed_buf_add(&batch->body, ",", 1))) {
        ed_otlp_lose(otlp, 1, "no memory");
        return NULL;
    }
    return batch;
}

bool ed_otlp_begin(struct ed_otlp *otlp, ed_json *j, const struct ed_span *span)
{
    struct ed_otlp_batch *batch = room_for_one(otlp);

    if (!batch)
        return false;
    ed_json_begin(j, &batch->body);
    ed_json_object(j);
    add_id(j, "traceId", span->trace->id, 16);
    add_id(j, "spanId", span->id, 8);
    add_parent(j, span);
    add_name(j, span);
    ed_json_key(j, "kind");
    ed_json_int(j, span->kind);
    add_time(j, "startTimeUnixNano", span->began);
    add_time(j, "endTimeUnixNano", span->began + span->took);
    if (span->failed)
        add_status(j);
    ed_json_key(j, "attributes");
    ed_json_array(j);
    return true;
}

void ed_otlp_end(struct ed_otlp *otlp, ed_json *j)
{
    struct ed_otlp_batch *batch = otlp->filling;

    ed_json_end(j);
    ed_json_end(j);
    if (ed_json_finish(j)) { /* the batch is as it was */
        if (batch->spans)
            batch->body.len--; /* but for the comma */
        ed_otlp_lose(otlp, 1, "no memory");
        return;
    }
    batch->spans++;
    otlp->spans++;
    if (batch->spans == BATCH_SPANS || batch->body.len >= BATCH_BYTES)
        put_away(otlp);
}

/* ---- beginning ---- */

static int misused(const char *what, const char *value, const char *why)
{
    ed_log_error("%s '%s': %s", what, value, why);
    return ED_EUSAGE;
}

/* Takes "name=value" off a list of the environment, both decoded, in an arena
 * (https://www.w3.org/TR/baggage/). False at the end, or when it is none. */
static bool take_pair(ed_arena *arena, struct ed_bytes *rest, const char **name,
                      const char **value)
{
    while (rest->ptr && rest->len) {
        struct ed_bytes v = ed_bytes_trim(ed_bytes_cut(rest, ','));
        struct ed_bytes n = ed_bytes_trim(ed_bytes_cut(&v, '='));
        v = ed_bytes_trim(v);
        char *text = v.ptr ? ed_arena_alloc(arena, v.len + 1) : NULL;
        ssize_t len = text ? ed_url_decode(text, v, false) : -1;
        *name = ed_arena_copy(arena, n);
        *value = text;
        if (len < 0 || !*name || !n.len)
            continue;
        text[len] = '\0';
        return true;
    }
    return false;
}

/* Enough for any; each costs bytes in every request. */
enum { HEADERS = 16 };

static int read_headers(struct ed_otlp *otlp)
{
    struct ed_bytes rest = ed_bytes(getenv("OTEL_EXPORTER_OTLP_HEADERS"));
    const char *name, *value;
    size_t count = 0;

    otlp->headers =
        ed_arena_alloc(otlp->arena, (HEADERS + 2) * sizeof *otlp->headers);
    if (!otlp->headers)
        return ED_ENOMEM;
    while (count < HEADERS && take_pair(otlp->arena, &rest, &name, &value)) {
        otlp->headers[count] =
            ed_arena_printf(otlp->arena, "%s: %s", name, value);
        if (!otlp->headers[count++])
            return ED_ENOMEM;
    }
    if (otlp->packs)
        otlp->headers[count++] = "Content-Encoding: gzip";
    otlp->headers[count] = NULL;
    return 0;
}

static void add_resource(struct ed_otlp *otlp, ed_json *j, const char *service)
{
    struct ed_bytes more = ed_bytes(getenv("OTEL_RESOURCE_ATTRIBUTES"));
    const char *name, *value;
    char host[256] = "";

    if (gethostname(host, sizeof host - 1))
        *host = '\0';
    ed_json_array(j);
    ed_otlp_text(j, "service.name", ed_bytes(service));
    ed_otlp_text(j, "host.name", ed_bytes(host));
    ed_otlp_int(j, "process.pid", getpid());
    ed_otlp_text(j, "telemetry.sdk.name", ED_BYTES("eddy"));
    ed_otlp_text(j, "telemetry.sdk.language", ED_BYTES("c"));
    ed_otlp_text(j, "telemetry.sdk.version", ED_BYTES(ED_VERSION));
    while (take_pair(otlp->arena, &more, &name, &value)) {
        if (strcmp(name, "service.name") != 0)
            ed_otlp_text(j, name, ed_bytes(value));
    }
    ed_json_end(j);
}

static int write_head(struct ed_otlp *otlp, const char *service)
{
    static const char before[] = "{\"resourceSpans\":[{\"resource\":"
                                 "{\"attributes\":";
    static const char behind[] =
        "},\"scopeSpans\":[{\"scope\":{\"name\":"
        "\"eddy\",\"version\":\"" ED_VERSION "\"},\"spans\":[";
    struct ed_json json;
    int err = ed_buf_add(&otlp->head, before, sizeof before - 1);

    if (err)
        return err;
    ed_json_begin(&json, &otlp->head);
    add_resource(otlp, &json, service);
    err = ed_json_finish(&json);
    return err ? err : ed_buf_add(&otlp->head, behind, sizeof behind - 1);
}

/* On the way to this very machine bytes cost less than packing them does. */
static bool is_far(const struct ed_url *url)
{
    return !url->socket.len && !ed_bytes_equal(url->host, ED_BYTES("::1")) &&
           !ed_bytes_equal_nocase(url->host, ED_BYTES("localhost")) &&
           !ed_bytes_starts(url->host, ED_BYTES("127."));
}

static int read_url(struct ed_otlp *otlp, const char *text)
{
    struct ed_bytes path = ed_bytes(PATH);
    const char *why;
    struct ed_url url;

    if (ed_url_parse(&url, ed_bytes(text), &why))
        return misused("otlp", text, why);
    if (url.query.ptr || url.fragment.ptr)
        return misused("otlp", text, "it may have a path and no more");
    struct ed_bytes all = ed_bytes(text);
    while (all.len && all.ptr[all.len - 1] == '/')
        all.len--;
    int err = ed_buf_add(&otlp->url, all.ptr, all.len);
    bool whole = all.len >= path.len &&
                 !memcmp(all.ptr + all.len - path.len, path.ptr, path.len);
    if (!err && !whole)
        err = ed_buf_add(&otlp->url, path.ptr, path.len);
    otlp->packs = is_far(&url);
    return err;
}

static void free_otlp(struct ed_otlp *otlp)
{
    struct ed_list *node;

    if (otlp->filling)
        free_batch(otlp->filling);
    while ((node = ed_list_take(&otlp->full)))
        free_batch(ED_CONTAINER(node, struct ed_otlp_batch, node));
    ed_client_free(otlp->client);
    ed_buf_free(&otlp->url);
    ed_buf_free(&otlp->head);
    ed_arena_free(otlp->arena);
    free(otlp);
}

static int begin(struct ed_otlp *otlp, const char *url, const char *service)
{
    int err = read_url(otlp, url);

    if (!err)
        err = read_headers(otlp);
    if (!err)
        err = write_head(otlp, service);
    if (err)
        return err;
    otlp->client = ed_client_new(.no_propagation = true, .max_redirects = -1,
                                 .timeout = 10 * ED_S);
    if (!otlp->client)
        return ED_ENOMEM;
    otlp->running = true;
    err = ed_background(ed_otlp_send, otlp);
    otlp->running = !err;
    return err;
}

int ed_otlp_open(struct ed_otlp **out, const char *url, const char *service)
{
    struct ed_otlp *otlp = calloc(1, sizeof *otlp);

    if (!otlp)
        return ED_ENOMEM;
    ed_list_init(&otlp->full);
    otlp->arena = ed_arena_new(0);
    int err = otlp->arena ? begin(otlp, url, service) : ED_ENOMEM;
    if (err)
        free_otlp(otlp);
    else
        *out = otlp;
    return err;
}

/* ---- ending ---- */

static bool stop_waiting(void *arg)
{
    struct ed_otlp *otlp = arg;

    otlp->waiter = NULL;
    return true;
}

static void await_end(struct ed_otlp *otlp)
{
    ed_shield(s, CLOSE_TIME);
    (void)s;
    int err = 0;
    while (!err && otlp->running) {
        otlp->waiter = ed_fiber_self();
        err = ed_park("the last traces", stop_waiting, otlp);
    }
}

/* Its fiber is not there to be cancelled before it has run. */
static void cancel(struct ed_otlp *otlp)
{
    if (otlp->sender)
        ed_fiber_cancel(otlp->sender, ED_ECANCELED);
    while (otlp->running) {
        otlp->waiter = ed_fiber_self();
        ed_park("the end of sending traces", NULL, NULL);
    }
}

void ed_otlp_close(struct ed_otlp *otlp)
{
    if (!otlp)
        return;
    otlp->ending = true;
    ed_waitq_wake_all(&otlp->changed, 0);
    await_end(otlp);
    cancel(otlp);
    otlp->tell_at = 0;
    if (otlp->spans)
        ed_otlp_lose(otlp, otlp->spans, "no time was left for them");
    ed_otlp_tell(otlp);
    free_otlp(otlp);
}
