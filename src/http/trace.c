/*
 * trace.c - the deadline and the trace that travel with requests.
 *
 * A server's request keeps its trace, read when somebody first asks; fibers
 * without a request have theirs as a fiber-local value. A malformed field is as
 * if it had not come.
 */
#include "http/trace.h"
#include "base/ascii.h"
#include "base/hex.h"
#include "http/message.h"
#include "http/server_internal.h"
#include "net/crypto.h"
#include "wire/traceparent.h"
#include <stdlib.h>

_Static_assert(ED_TRACE_PARENT_TEXT == ED_TRACEPARENT_LEN + 1,
               "room for the text and its NUL");

struct ed_propagation_names ed_propagation_names(bool off, const char *deadline,
                                                 const char *trace)
{
    if (off)
        return (struct ed_propagation_names){0};
    return (struct ed_propagation_names){
        .deadline = ed_bytes(deadline ? deadline : ED_DEADLINE_HEADER),
        .trace = ed_bytes(trace ? trace : ED_TRACE_HEADER),
    };
}

/* ---- deadlines ---- */

int64_t ed_req_patience_of(const ed_req *req, uint32_t field)
{
    struct ed_bytes name = ed_http1_bytes(req->head, req->fields[field].name);
    struct ed_bytes value = ed_http1_bytes(req->head, req->fields[field].value);
    int64_t ms;

    if (!ed_bytes_equal_nocase(name, req->server->propagated.deadline) ||
        ed_digits_read(value, &ms) || ms > INT64_MAX / ED_MS)
        return INT64_MAX;
    return ms * ED_MS;
}

/* ---- traces ---- */

static struct ed_local fibers_trace = {.drop = free, .inherit = true};

/* Several fields of a name are one, with commas (RFC 9110, 5.3). */
static const char *read_state(ed_req *req)
{
    const char *state = "";
    struct ed_bytes name, value;

    for (size_t i = 0; ed_header_at(req, i, &name, &value); i++) {
        if (!value.len || !ed_bytes_equal_nocase(name, ED_BYTES("tracestate")))
            continue;
        state = ed_arena_printf(req->arena, "%s%s%.*s", state,
                                *state ? "," : "", (int)value.len, value.ptr);
        if (!state)
            return "";
    }
    return state;
}

/* The only field of that name: with two of them nobody knows (level 2, 3.2).
 * Names are looked at only if they are of that length: where spans are kept,
 * every request comes through here. */
static bool find_only(const ed_req *req, struct ed_bytes wanted,
                      struct ed_bytes *found)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < req->field_count; i++) {
        const struct ed_http1_field *f = &req->fields[i];
        if (f->name.len != wanted.len ||
            !ed_bytes_equal_nocase(ed_http1_bytes(req->head, f->name), wanted))
            continue;
        *found = ed_http1_bytes(req->head, f->value);
        count++;
    }
    return count == 1;
}

/* What the request came with; NULL when that is nothing. */
static struct ed_trace *read_trace(ed_req *req)
{
    struct ed_bytes wanted = req->server->propagated.trace;
    struct ed_traceparent parent;
    struct ed_bytes field;

    if (!wanted.len || !find_only(req, wanted, &field) ||
        ed_traceparent_parse(&parent, field))
        return NULL;
    struct ed_trace *trace = ed_arena_alloc(req->arena, sizeof(*trace));
    if (!trace || ed_random(trace->span, sizeof(trace->span)))
        return NULL;
    memcpy(trace->id, parent.trace, sizeof(trace->id));
    memcpy(trace->parent, parent.span, sizeof(trace->parent));
    trace->flags = parent.flags;
    trace->state = read_state(req);
    return trace;
}

const struct ed_trace *ed_req_trace(ed_req *req)
{
    if (!req->trace_read) {
        req->trace = read_trace(req);
        req->trace_read = true;
    }
    return req->trace;
}

const struct ed_trace *ed_trace_current(void)
{
    const ed_fiber *self = ed_fiber_self();
    const struct ed_trace *trace = NULL;

    if (self && self->work)
        trace = ed_req_trace(self->work);
    return trace || !self ? trace : ed_local_get(&fibers_trace);
}

/* Fills in one that begins here. */
static int begin(struct ed_trace *trace, bool sampled)
{
    *trace = (struct ed_trace){.flags = ED_TRACE_RANDOM, .state = ""};
    if (sampled)
        trace->flags |= ED_TRACE_SAMPLED;
    int err = ed_random(trace->id, sizeof(trace->id));
    return err ? err : ed_random(trace->span, sizeof(trace->span));
}

int ed_req_trace_begin(ed_req *req, bool sampled)
{
    if (ed_req_trace(req))
        return 0;
    struct ed_trace *trace = ed_arena_alloc(req->arena, sizeof(*trace));
    int err = trace ? begin(trace, sampled) : ED_ENOMEM;

    if (!err)
        req->trace = trace;
    return err;
}

static int begin_of_fiber(bool sampled)
{
    struct ed_trace *trace = malloc(sizeof(*trace));
    int err = trace ? begin(trace, sampled) : ED_ENOMEM;

    if (!err)
        err = ed_local_set(&fibers_trace, trace);
    if (err)
        free(trace);
    return err;
}

int ed_trace_begin(bool sampled)
{
    const ed_fiber *self = ed_fiber_self();

    if (!self)
        return ED_EUSAGE;
    if (ed_trace_current())
        return 0;
    return self->work ? ed_req_trace_begin(self->work, sampled)
                      : begin_of_fiber(sampled);
}

bool ed_trace_log(char trace_id[ED_LOG_TRACE_ID], char span_id[ED_LOG_SPAN_ID])
{
    const struct ed_trace *trace = ed_trace_current();

    if (!trace)
        return false;
    *ed_hex_write(trace_id, trace->id, sizeof(trace->id)) = '\0';
    *ed_hex_write(span_id, trace->span, sizeof(trace->span)) = '\0';
    return true;
}

/* With `span` in the place of the current one. */
static void write_parent(char out[ED_TRACE_PARENT_TEXT],
                         const struct ed_trace *trace, const uint8_t *span)
{
    struct ed_traceparent parent = {.flags = trace->flags};

    memcpy(parent.trace, trace->id, sizeof(parent.trace));
    memcpy(parent.span, span, sizeof(parent.span));
    ed_traceparent_write(out, &parent);
}

const char *ed_trace_text(const struct ed_trace *trace,
                          char out[ED_TRACE_PARENT_TEXT])
{
    *out = '\0';
    if (trace)
        write_parent(out, trace, trace->span);
    return out;
}

/* ---- what a request carries ---- */

static void put_in_front(struct ed_request_field **fields,
                         struct ed_request_field *field, struct ed_bytes name,
                         struct ed_bytes value)
{
    *field = (struct ed_request_field){*fields, name, value, NULL};
    *fields = field;
}

/* Rounded up, so that a server never gives up before its client does: that
 * would be answered with 504 just as the deadline passes here, and whether the
 * client has a failure or a response would be left to chance. */
static uint64_t left_ms(const struct ed_carried *c)
{
    int64_t left = c->until - ed_now();

    return left < ED_MS ? 0 : (uint64_t)((left + ED_MS - 1) / ED_MS);
}

static size_t write_number(char *out, uint64_t number)
{
    char digits[ED_DIGITS_MAX];
    char *end = digits + sizeof(digits);
    const char *first = ed_digits_write(end, number);

    memcpy(out, first, (size_t)(end - first));
    return (size_t)(end - first);
}

int ed_carry(struct ed_carried *carried,
             const struct ed_propagation_names *names, const uint8_t *span,
             struct ed_request_field **fields)
{
    const struct ed_trace *trace = names->trace.len ? ed_trace_current() : NULL;

    carried->until = names->deadline.len ? ed_deadline() : INT64_MAX;
    if (carried->until != INT64_MAX) {
        uint64_t ms = left_ms(carried);
        if (!ms)
            return ED_ETIMEOUT;
        size_t len = write_number(carried->deadline_text, ms);
        put_in_front(fields, &carried->deadline, names->deadline,
                     ed_bytes_of(carried->deadline_text, len));
    }
    if (!trace)
        return 0;
    write_parent(carried->parent_text, trace, span ? span : trace->span);
    put_in_front(fields, &carried->parent, names->trace,
                 ed_bytes(carried->parent_text));
    if (*trace->state)
        put_in_front(fields, &carried->state, ED_BYTES("tracestate"),
                     ed_bytes(trace->state));
    return 0;
}

/* Spaces behind a value mean nothing (RFC 9110, 5.5), so that the number may
 * become shorter. */
void ed_carry_renew(struct ed_carried *carried)
{
    char *at = carried->deadline.written;
    size_t len = write_number(at, left_ms(carried));

    memset(at + len, ' ', carried->deadline.value.len - len);
}
