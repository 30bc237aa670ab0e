/*
 * fetch_span.c - the spans of fetches, told to whoever keeps traces.
 */
#include "http/fetch_span.h"
#include "http/attempt.h"
#include "http/journey.h"
#include "net/crypto.h"
#include "wire/traceparent.h"

_Thread_local ed_fetch_traced *ed_fetch_traced_;
static _Thread_local void *traced_arg;

void ed_fetch_trace(ed_fetch_traced *fn, void *arg)
{
    ed_fetch_traced_ = fn;
    traced_arg = arg;
}

bool ed_fetch_span_begin_(struct ed_journey *journey,
                          struct ed_fetch_span *span)
{
    /* Where the trace does not travel, no other span can be below. It is one
     * all the same: what a request waited for is what traces are for. */
    const struct ed_trace *trace = ed_trace_current();

    if (!trace || !(trace->flags & ED_TRACE_SAMPLED) ||
        ed_random(span->id, sizeof(span->id)))
        return false;
    span->trace = trace;
    span->began = ed_loop_now_exact(journey->client->loop);
    journey->span = span->id;
    return true;
}

void ed_fetch_span_end_(const struct ed_journey *journey,
                        struct ed_fetch_span *span, int status, int err)
{
    if (!ed_fetch_traced_)
        return; /* nobody is there any more */
    span->ended = ed_loop_now_exact(journey->client->loop);
    span->method = ed_attempt_method(&journey->options);
    span->url = journey->url;
    span->attempts = journey->attempts;
    span->status = status;
    span->err = err;
    ed_fetch_traced_(traced_arg, span);
}
