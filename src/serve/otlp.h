/*
 * otlp.h - spans on their way to an OpenTelemetry collector: OTLP/HTTP with
 * JSON (OTLP 1.x, https://opentelemetry.io/docs/specs/otlp/).
 *
 * Spans are written into batches at once, in the loop, and sent by a fiber of
 * its own: never is anybody made to wait. There is room for so many, and what
 * is beyond that is dropped.
 */
#ifndef EDDY_SERVE_OTLP_H
#define EDDY_SERVE_OTLP_H

#include "base/list.h"
#include "core/runtime.h"

#include <eddy/client.h>
#include <eddy/json.h>
#include <eddy/trace.h>

/* One request to the collector, being filled or waiting to be sent. */
struct ed_otlp_batch {
    struct ed_list node;
    struct ed_buf body; /* the JSON, without its end */
    unsigned spans;
    size_t counted; /* bytes of it, in otlp->bytes */
    int64_t due;    /* in ed_now() time: when it is sent, full or not */
};

struct ed_otlp {
    struct ed_buf url;
    struct ed_buf head; /* what a batch begins with: whose spans they are */
    const char **headers;
    ed_arena *arena;
    ed_client *client;
    bool packs; /* bodies are gzip */

    struct ed_otlp_batch *filling; /* NULL: nothing in it */
    struct ed_list full;           /* of batches */
    unsigned spans;                /* in all batches, that being sent too */
    size_t bytes;                  /* of those, but for what is being filled */

    struct ed_waitq changed; /* there is something to send, or to end */
    bool ending;
    bool running;     /* the fiber that sends */
    ed_fiber *sender; /* once it runs */
    ed_fiber *waiter; /* for its end */

    uint64_t sent;
    uint64_t dropped;
    uint64_t told;   /* of those dropped */
    char why[200];   /* the last were */
    int64_t tell_at; /* in ed_now() time: not before */
};

/*
 * Begins to send to a collector at a URL, to which "/v1/traces" is added unless
 * it ends so. OTEL_EXPORTER_OTLP_HEADERS and OTEL_RESOURCE_ATTRIBUTES of the
 * environment are heeded. Fiber only; does not suspend. 0, ED_EUSAGE, told in
 * the log, or ED_ENOMEM.
 */
ED_CHECK int ed_otlp_open(struct ed_otlp **out, const char *url,
                          const char *service);

/* Sends what is left, for two seconds at most, and ends. Suspends. */
void ed_otlp_close(struct ed_otlp *otlp);

/* ---- spans ---- */

enum ed_span_kind {
    ED_SPAN_SERVER = 2,
    ED_SPAN_CLIENT = 3
}; /* as OTLP has it */

/* What every span says. */
struct ed_span {
    enum ed_span_kind kind;
    const struct ed_trace *trace;
    const uint8_t *id;     /* 8 bytes, as is the next */
    const uint8_t *parent; /* all zero: none */
    bool parent_is_remote;
    const char *name[2]; /* with a space between; the second NULL: one */
    int64_t began;       /* nanoseconds since 1970 */
    int64_t took;
    bool failed;
};

/* Begins one, into *j, if there is room: false when it is dropped. Attributes
 * follow, then ed_otlp_end(). Nothing suspends. */
ED_CHECK bool ed_otlp_begin(struct ed_otlp *otlp, ed_json *j,
                            const struct ed_span *span);
void ed_otlp_end(struct ed_otlp *otlp, ed_json *j);

/* Attributes: long texts are cut, and empty ones left out. */
void ed_otlp_text(ed_json *j, const char *key, struct ed_bytes text);
void ed_otlp_int(ed_json *j, const char *key, int64_t n);

/* ---- for the files of it ---- */

struct ed_otlp_batch *ed_otlp_take(struct ed_otlp *otlp);
void ed_otlp_batch_free(struct ed_otlp *otlp, struct ed_otlp_batch *batch);

/* Spans are lost; the log will say why. */
void ed_otlp_lose(struct ed_otlp *otlp, uint64_t spans, const char *why);

/* Says so, if it is time. */
void ed_otlp_tell(struct ed_otlp *otlp);

/* The fiber that sends (otlp_send.c). */
int ed_otlp_send(void *arg);

/* How long a collector asks to wait, by its Retry-After; 0: it does not say. */
int64_t ed_otlp_retry_after(const char *field);

#endif
