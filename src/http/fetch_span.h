/*
 * fetch_span.h - telling whoever keeps traces of each fetch that is part of
 * one.
 *
 * A fetch in a sampled trace is a span of its own, which what it sends names as
 * parent. Without somebody to tell there are no such spans, and a fetch costs
 * one test more.
 */
#ifndef EDDY_HTTP_FETCH_SPAN_H
#define EDDY_HTTP_FETCH_SPAN_H

#include <eddy/trace.h>

struct ed_journey;

struct ed_fetch_span {
    const struct ed_trace *trace; /* its parent is trace->span */
    uint8_t id[8];
    int64_t began; /* in ed_now() time */
    int64_t ended; /* the response, or if it is streamed its head, is there */
    const char *method;
    const char *url;   /* the last, after redirects; without a password */
    int status;        /* 0: no response */
    int err;           /* 0, or why not */
    unsigned attempts; /* requests sent: with retries and redirects */
};

/* Called in the fiber that fetched. It may not suspend, nor keep the span. */
typedef void ed_fetch_traced(void *arg, const struct ed_fetch_span *span);

/* Has fn(arg, ...) called for the fetches of this thread that are traced; NULL
 * for nobody. */
void ed_fetch_trace(ed_fetch_traced *fn, void *arg);

/* ---- for fetch.c ---- */

extern _Thread_local ed_fetch_traced *ed_fetch_traced_;

bool ed_fetch_span_begin_(struct ed_journey *journey,
                          struct ed_fetch_span *span);
void ed_fetch_span_end_(const struct ed_journey *journey,
                        struct ed_fetch_span *span, int status, int err);

/* Begins the span of a fetch, if it is to have one; *span lives as long as the
 * journey. To be ended if it returns true. */
static inline bool ed_fetch_span_begin(struct ed_journey *journey,
                                       struct ed_fetch_span *span)
{
    return __builtin_expect(ed_fetch_traced_ != NULL, 0) &&
           ed_fetch_span_begin_(journey, span);
}

#endif
