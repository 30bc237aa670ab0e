/*
 * trace.h - what travels along with requests: the time the deadline leaves, and
 * the trace (W3C Trace Context). Read by a server, sent by a client.
 */
#ifndef EDDY_HTTP_TRACE_H
#define EDDY_HTTP_TRACE_H

#include <eddy/log.h>
#include <eddy/trace.h>
#include "http/request_head.h"

#define ED_DEADLINE_HEADER "X-Request-Timeout-Ms"
#define ED_TRACE_HEADER    "traceparent"

/* The fields, any case, of a client or a server. */
struct ed_propagation_names {
    struct ed_bytes deadline; /* empty: it does not travel */
    struct ed_bytes trace;
};

/* Names given in options, or the usual ones; borrowed. */
struct ed_propagation_names ed_propagation_names(bool off, const char *deadline,
                                                 const char *trace);

static inline bool ed_propagates(const struct ed_propagation_names *names)
{
    return names->deadline.len || names->trace.len;
}

/* ---- of a request ---- */

/* Its trace, read from its fields when first asked for; NULL: none. */
const struct ed_trace *ed_req_trace(ed_req *req);

/* As ed_trace_begin(), of a request that no fiber works on yet. 0 or an error;
 * there is no trace then. */
ED_CHECK int ed_req_trace_begin(ed_req *req, bool sampled);

/* Names the trace of the running fiber, for its log lines. */
bool ed_trace_log(char trace_id[ED_LOG_TRACE_ID], char span_id[ED_LOG_SPAN_ID]);

/* ---- a client ---- */

/* What a request carries; lives as long as its head. */
struct ed_carried {
    int64_t until; /* the deadline; INT64_MAX: none */
    struct ed_request_field deadline;
    struct ed_request_field parent;
    struct ed_request_field state;
    char deadline_text[24];
    char parent_text[ED_TRACE_PARENT_TEXT];
};

/* Puts the fields in front of *fields, those there are something to say in;
 * `span` is named as parent, or with NULL that of the trace. 0, or ED_ETIMEOUT
 * when not a millisecond is left. */
ED_CHECK int ed_carry(struct ed_carried *carried,
                      const struct ed_propagation_names *names,
                      const uint8_t *span, struct ed_request_field **fields);

/* Once the head is written: writes the time that is left anew in it. */
void ed_carry_renew(struct ed_carried *carried);

/* ---- a server ---- */

/* Nanoseconds that whoever sent the request waits; INT64_MAX: not told, or
 * malformed. Of a field found by the length of its name. */
int64_t ed_req_patience_of(const ed_req *req, uint32_t field);

#endif
