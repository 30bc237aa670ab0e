/*
 * trace.h - the trace a request is part of (W3C Trace Context).
 *
 * A server reads the trace and the time that is left from the fields of a
 * request; whatever its handler fetches carries both on. A request without a
 * trace begins none, unless ed_trace_begin() is called.
 */
#ifndef EDDY_TRACE_H
#define EDDY_TRACE_H

#include <eddy/api.h>
#include <eddy/http.h>

ED_BEGIN_DECLS

struct ed_trace {
    uint8_t id[16];    /* of the trace; all zero: there is none */
    uint8_t parent[8]; /* the span of whoever sent the request */
    uint8_t span[8];   /* that of this one; fetches name it as parent */
    uint8_t flags;     /* 1: sampled */
    const char *state; /* tracestate as it came; "" if it did not */
};

/* What an id looks like in text, in lower-case hexadecimal. */
#define ED_TRACE_PARENT_TEXT 56

/* The trace of the request that the fiber works on; NULL when there is none.
 * Valid until the handler returns. Does not suspend. */
ED_API const struct ed_trace *ed_trace_current(void);

/* Begins a trace for the request that the fiber works on, or, without one, for
 * the fiber and those it starts from now on; one that is there stays. Does not
 * suspend. 0, ED_ENOMEM, or ED_EUSAGE outside of a fiber. */
ED_API int ed_trace_begin(bool sampled);

/* "00-4bf9...-00f0...-01" with the current span; "" without a trace. */
ED_API const char *ed_trace_text(const struct ed_trace *trace,
                                 char out[ED_TRACE_PARENT_TEXT]);

ED_END_DECLS
#endif
