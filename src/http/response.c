/*
 * response.c - what a client gets: status, fields, body, timing.
 *
 * All of it lies in the arena of who asked. A streamed response owns, until it
 * is closed, the part of the body that was received but not read, and by its
 * exchange the connection.
 */
#include "http/response.h"
#include "http/decoding.h"
#include "http/payload.h"
#include "http/request_body.h"
#include "http/upstream.h"
#include "http/watch.h"
#include "wire/json_read.h"
#include <jansson.h>

int ed_res_status(const ed_res *res)
{
    return res->status;
}

const char *ed_res_reason(const ed_res *res)
{
    return res->reason;
}

const char *ed_res_header(const ed_res *res, const char *name)
{
    const struct ed_http1_field *field =
        ed_http1_find(res->head, res->fields, res->field_count, ed_bytes(name));

    return field ? res->head + field->value.at : NULL;
}

bool ed_res_header_at(const ed_res *res, size_t i, struct ed_bytes *name,
                      struct ed_bytes *value)
{
    if (i >= res->field_count)
        return false;
    *name = ed_http1_bytes(res->head, res->fields[i].name);
    *value = ed_http1_bytes(res->head, res->fields[i].value);
    return true;
}

struct ed_bytes ed_res_body(const ed_res *res)
{
    return res->body;
}

const char *ed_res_text(const ed_res *res)
{
    return res->body.ptr;
}

struct json_t *ed_res_json(const ed_res *res)
{
    json_error_t error;
    json_t *json = ed_json_load(res->body, 0, &error);

    if (!json)
        (void)ed_fail(ED_ECONTENT,
                      "%.120s: %d, and its body is no JSON: line %d, column %d:"
                      " %s",
                      ed_res_url(res), ed_res_status(res), error.line,
                      error.column, error.text);
    return json;
}

void ed_res_timing(const ed_res *res, struct ed_res_timing *timing)
{
    const struct ed_res_timing *t = &res->timing;

    *timing = (struct ed_res_timing){
        .started = t->started,
        .queued = t->queued,
        .resolved = t->resolved,
        .connected = t->connected,
        .secured = t->secured,
        .sent = __atomic_load_n(&t->sent, __ATOMIC_RELAXED),
        .first_byte = t->first_byte,
        .done = __atomic_load_n(&t->done, __ATOMIC_RELAXED),
        .reused = t->reused,
    };
}

const struct ed_tls_info *ed_res_tls(const ed_res *res)
{
    return res->secured ? &res->secured->info : NULL;
}

const struct ed_tls_peer *ed_res_tls_peer(const ed_res *res)
{
    return res->secured && res->secured->has_peer ? &res->secured->peer : NULL;
}

const char *ed_res_url(const ed_res *res)
{
    return res->url;
}

unsigned ed_res_redirects(const ed_res *res)
{
    return res->redirects;
}

/* ---- streamed ---- */

/* Below this the receiving goes on. */
static const size_t RESUME_BYTES = 32 * 1024;

static size_t left(const ed_res *res)
{
    return res->gathered.len - res->gathered_read;
}

/* Reads of what was received before it was asked for. */
static size_t take_gathered(ed_res *res, void *buf, size_t len)
{
    size_t n = left(res) < len ? left(res) : len;

    memcpy(buf, res->gathered.ptr + res->gathered_read, n);
    res->gathered_read += n;
    if (!left(res)) {
        /* Most of the time nothing is gathered at all. */
        ed_buf_free(&res->gathered);
        res->gathered_read = 0;
    }
    if (left(res) < RESUME_BYTES)
        ed_exchange_resume(res);
    return n;
}

/* Waits for a piece, and sends on what is left of the request meanwhile. */
static int wait_for_data(ed_res *res)
{
    int err = 0;

    while (res->conn && !res->into_got && !left(res) && !err) {
        if (ed_request_body_ready(res))
            err = ed_request_body_pump(res);
        else
            err = ed_exchange_wait(res, "response body",
                                   ED_RES_DATA | ED_RES_SENT);
    }
    return err;
}

/* The same within the time that the fetch as a whole has. */
static int wait_within(ed_res *res)
{
    if (!res->deadline)
        return wait_for_data(res);
    ed_scope(s, .deadline = res->deadline, .name = "fetch");
    return wait_for_data(res);
}

/* The same with a buffer for what comes meanwhile to lie in at once. */
static int wait_with_buffer(ed_res *res, void *buf, size_t len)
{
    res->into = buf;
    res->into_len = len;
    int err = wait_within(res);
    res->into = NULL;
    return err;
}

void ed_res_failure_text(const struct ed_res_failure *failure,
                         char text[ED_FAILURE_TEXT])
{
    const char *why = failure->why ? failure->why : ed_err_text(failure->err);
    const char *cause = failure->cause;

    if (failure->after)
        ed_timeout_text(text, ED_FAILURE_TEXT, why,
                        (enum ed_timeout)failure->timeout, failure->after);
    else
        snprintf(text, ED_FAILURE_TEXT, "%s%s%s%s", why, cause ? " (" : "",
                 cause ? cause : "", cause ? ")" : "");
}

static ssize_t explain_read(const ed_res *res)
{
    const struct ed_res_failure *failure = &res->failure;
    char text[ED_FAILURE_TEXT];

    ed_res_failure_text(failure, text);
    if (failure->err == ED_ETIMEOUT && !failure->after)
        return ed_fail(failure->err, "%s: %s", res->about,
                       "no whole response body within the deadline");
    return ed_fail(failure->err, "%s: %s", res->about, text);
}

ssize_t ed_res_fail_read(ed_res *res, int err, const char *why)
{
    ed_exchange_abandon(res, err);
    res->failure = (struct ed_res_failure){.err = err, .why = why};
    return explain_read(res);
}

ssize_t ed_res_read_raw(ed_res *res, void *buf, size_t len)
{
    int err = ed_checkpoint();

    res->into_got = 0;
    if (!err && !left(res) && res->conn)
        err = wait_with_buffer(res, buf, len);
    if (err) {
        ed_exchange_abandon(res, err);
        /* What has come whole may not seem to end here, either. */
        if (!res->failure.err)
            res->failure.err = err;
        if (err == ED_ETIMEOUT && !ed_cancelled()) {
            res->failure.why = "no whole response body";
            res->failure.after = res->timeout;
        }
        return explain_read(res);
    }
    if (res->into_got)
        return (ssize_t)res->into_got;
    if (left(res))
        return (ssize_t)take_gathered(res, buf, len);
    return res->failure.err ? explain_read(res) : 0;
}

ssize_t ed_res_read(ed_res *res, void *buf, size_t len)
{
    if (!res->stream || !len)
        return ED_EUSAGE;
    return res->codings.count ? ed_decoding_read(res, buf, len)
                              : ed_res_read_raw(res, buf, len);
}

void ed_res_close(ed_res *res)
{
    if (!res->stream)
        return;
    ed_exchange_abandon(res, ED_ECLOSED);
    ed_watch_attempt(res, ED_PHASE_DONE, res->failure.err);
    ed_request_body_free(res);
    ed_payload_close(res->payload);
    ed_decoding_free(res);
    ed_buf_free(&res->gathered);
    res->gathered_read = 0;
    res->stream = false;
    res->client->busy--;
    if (res->hold.upstream)
        ed_upstream_release(&res->hold);
}

void ed_res_discard(ed_res *res)
{
    res->watched = NULL;
    ed_res_close(res);
}
