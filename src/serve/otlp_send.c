/*
 * otlp_send.c - the fiber that sends batches of spans to a collector.
 *
 * One at a time, in their order. What the collector may take later is sent
 * again a few times, when it asks for it or after pauses that grow (OTLP 1.x,
 * "Failures"); what it does not want is dropped. Once the worker ends nothing
 * is tried twice.
 */
#include "base/backoff.h"
#include "serve/otlp.h"
#include "wire/encoder.h"

#include <jansson.h>
#include <eddy/error.h>
#include <stdio.h>

enum { ATTEMPTS = 6 };
static const int64_t FIRST_PAUSE = ED_S;
static const int64_t LONGEST_PAUSE = 30 * ED_S;

/* Of what Retry-After may ask for: more is a mistake. */
static const int64_t LONGEST_WAIT = 5 * ED_MIN;

/* Of an answer: it is an object with a number and a reason. */
#define ANSWER_MAX ((size_t)64 * 1024)

/* Text that repeats itself becomes a tenth by any level. */
enum { LEVEL = 1 };

static const char TAIL[] = "]}]}]}";

int64_t ed_otlp_retry_after(const char *field)
{
    int64_t seconds;

    if (!field || ed_bytes_int(ed_bytes_trim(ed_bytes(field)), &seconds) ||
        seconds <= 0)
        return 0;
    return seconds < LONGEST_WAIT / ED_S ? seconds * ED_S : LONGEST_WAIT;
}

/* Statuses by which the collector says: later. */
static bool is_later(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* ---- the body ---- */

static int pack_with(ed_encoder *e, struct ed_bytes in, struct ed_buf *out)
{
    ssize_t n;

    do {
        int err = ed_buf_reserve(out, 16 * 1024);
        if (err)
            return err;
        n = ed_encoder_write(e, &in, ED_ENCODE_END, out->ptr + out->len,
                             out->cap - out->len - 1);
        if (n > 0)
            out->len += (size_t)n;
    } while (n > 0);
    return (int)n;
}

static int pack(struct ed_buf *body)
{
    struct ed_buf packed = {0};
    ed_encoder *e = ed_encoder_new(ED_CODING_GZIP, LEVEL);
    int err = e ? pack_with(e, ed_buf_bytes(body), &packed) : ED_ENOMEM;

    ed_encoder_free(e);
    if (err) {
        ed_buf_free(&packed);
        return err;
    }
    ed_buf_free(body);
    *body = packed;
    return 0;
}

static int finish(const struct ed_otlp *otlp, struct ed_otlp_batch *batch)
{
    int err = ed_buf_add(&batch->body, TAIL, sizeof TAIL - 1);

    return !err && otlp->packs ? pack(&batch->body) : err;
}

/* ---- the answer ---- */

/* {"partialSuccess":{"rejectedSpans":"3","errorMessage":"..."}}; numbers of 64
 * bits are texts, or, from some, numbers. */
static void heed(struct ed_otlp *otlp, const ed_res *res, unsigned spans)
{
    json_t *answer = ed_res_json(res);
    json_t *partial = json_object_get(answer, "partialSuccess");
    json_t *count = json_object_get(partial, "rejectedSpans");
    const char *why =
        json_string_value(json_object_get(partial, "errorMessage"));
    int64_t rejected = json_integer_value(count);

    if (json_is_string(count) &&
        ed_bytes_int(ed_bytes(json_string_value(count)), &rejected))
        rejected = 0;
    if (rejected < 0 || rejected > spans)
        rejected = spans;
    if (rejected)
        ed_otlp_lose(otlp, (uint64_t)rejected,
                     why && *why ? why : "the collector rejected them");
    otlp->sent += spans - (uint64_t)rejected;
    json_decref(answer);
}

/* ---- sending ---- */

/* What one attempt came to. */
enum outcome { DONE, LATER, REFUSED };

static enum outcome post(struct ed_otlp *otlp, struct ed_otlp_batch *batch,
                         int64_t *wait, char *why, size_t size)
{
    ed_res *res;
    int err =
        ed_fetch(&res, otlp->url.ptr, .client = otlp->client, .method = "POST",
                 .headers = otlp->headers, .body = ed_buf_bytes(&batch->body),
                 .content_type = "application/json", .max_body = ANSWER_MAX);

    *wait = 0;
    if (err) {
        snprintf(why, size, "%s", ed_error());
        return LATER;
    }
    int status = ed_res_status(res);
    if (status >= 200 && status < 300) {
        heed(otlp, res, batch->spans);
        return DONE;
    }
    snprintf(why, size, "the collector answers %d", status);
    *wait = ed_otlp_retry_after(ed_res_header(res, "Retry-After"));
    return is_later(status) ? LATER : REFUSED;
}

/* Waits for something to happen, or until then (0: whenever). 0, or the fiber
 * was cancelled. */
static int rest(struct ed_otlp *otlp, int64_t until, const char *what)
{
    int err;
    {
        ed_scope(s, .deadline = until, .name = what);
        (void)s;
        err = ed_waitq_wait(&otlp->changed, what, NULL);
    }
    return err ? ed_cancelled() : 0;
}

/* New spans wake it, too, but it is the end alone that cuts a pause short. */
static int pause_for(struct ed_otlp *otlp, int64_t pause)
{
    int64_t until = ed_now() + pause;
    int err = 0;

    while (!err && !otlp->ending && ed_now() < until)
        err = rest(otlp, until, "a pause before traces are sent again");
    return err;
}

static void deal_with(struct ed_otlp *otlp, struct ed_otlp_batch *batch)
{
    enum outcome outcome = LATER;
    char why[160] = "no memory";
    int64_t wait;

    if (finish(otlp, batch)) {
        ed_otlp_lose(otlp, batch->spans, why);
        return;
    }
    for (unsigned attempt = 1; outcome == LATER; attempt++) {
        outcome = post(otlp, batch, &wait, why, sizeof why);
        if (outcome != LATER || attempt == ATTEMPTS || otlp->ending ||
            ed_cancelled())
            break;
        if (!wait)
            wait = ed_backoff(attempt, FIRST_PAUSE, LONGEST_PAUSE);
        if (pause_for(otlp, wait))
            break;
    }
    if (outcome != DONE)
        ed_otlp_lose(otlp, batch->spans, why);
}

/* The loop's arena only grows: what a batch needs is in one that is emptied
 * behind it. */
static int send_all(struct ed_otlp *otlp, ed_arena *arena)
{
    int err = 0;

    while (!err) {
        struct ed_otlp_batch *batch = ed_otlp_take(otlp);
        if (batch) {
            deal_with(otlp, batch);
            ed_otlp_batch_free(otlp, batch);
            ed_arena_reset(arena);
            ed_otlp_tell(otlp);
            err = ed_cancelled();
        } else if (otlp->ending) {
            break;
        } else {
            err = rest(otlp, otlp->filling ? otlp->filling->due : 0, "spans");
        }
    }
    return err;
}

int ed_otlp_send(void *arg)
{
    struct ed_otlp *otlp = arg;
    ed_arena *arena = ed_arena_new(0);

    otlp->sender = ed_fiber_self();
    if (arena) {
        ed_fiber_use_arena(arena);
        (void)send_all(otlp, arena); /* it was cancelled, or is to end */
        ed_fiber_use_arena(NULL);
        ed_arena_free(arena);
    } else {
        ed_otlp_lose(otlp, 0, "no memory");
    }
    otlp->sender = NULL;
    otlp->running = false;
    if (otlp->waiter)
        ed_wake(otlp->waiter, 0);
    return 0;
}
