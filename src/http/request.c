/*
 * request.c - a request as its handler reads it, whatever version of HTTP it
 * came by.
 *
 * Owns nothing: texts lie in the request's head or its arena. What is decoded
 * is decoded when it is asked for.
 */
#include "http/message.h"

#include "core/runtime.h"
#include "http/server_internal.h"
#include "wire/cookie.h"
#include "wire/url.h"

#include <stdio.h>
#include <string.h>

/* ---- the request ---- */

const char *ed_req_method(const ed_req *req)
{
    return req->method;
}

const char *ed_req_target(const ed_req *req)
{
    return req->target;
}

const char *ed_req_path(const ed_req *req)
{
    return req->path;
}

const char *ed_req_query(const ed_req *req)
{
    return req->query;
}

const char *ed_req_scheme(const ed_req *req)
{
    if (req->told_scheme)
        return req->told_scheme;
    return req->secure ? "https" : "http";
}

const char *ed_req_host(const ed_req *req)
{
    return req->host;
}

int ed_req_version(const ed_req *req)
{
    return req->version;
}

/* The head is the request's own copy, and what stands behind a value (white
 * space or a line end) means nothing any more: the value gets its NUL when it
 * is asked for. */
static const char *terminated(const ed_req *req, struct ed_http1_span span)
{
    char *text = (char *)req->head + span.at;
    text[span.len] = '\0';
    return text;
}

const char *ed_header(const ed_req *req, const char *name)
{
    const struct ed_http1_field *f =
        ed_http1_find(req->head, req->fields, req->field_count, ed_bytes(name));
    return f ? terminated(req, f->value) : NULL;
}

bool ed_header_at(const ed_req *req, size_t i, struct ed_bytes *name,
                  struct ed_bytes *value)
{
    if (i >= req->field_count)
        return false;
    *name = ed_http1_bytes(req->head, req->fields[i].name);
    *value = ed_http1_bytes(req->head, req->fields[i].value);
    return true;
}

static const char *decoded(ed_req *req, struct ed_bytes text)
{
    char *out = ed_arena_alloc(req->arena, text.len + 1);
    ssize_t len = out ? ed_url_decode(out, text, true) : -1;
    if (len < 0)
        return NULL;
    out[len] = '\0';
    return out;
}

const char *ed_query(ed_req *req, const char *name)
{
    struct ed_bytes rest = ed_bytes(req->query);
    struct ed_bytes key, value;
    while (ed_query_next(&rest, &key, &value)) {
        const char *text = decoded(req, key);
        if (text && !strcmp(text, name))
            return decoded(req, value);
    }
    return NULL;
}

int ed_query_int(ed_req *req, const char *name, int64_t min, int64_t max,
                 int64_t absent, int64_t *value)
{
    const char *text = ed_query(req, name);
    int64_t n = absent;
    if (text && ed_bytes_int(ed_bytes(text), &n) < 0)
        return ed_fail(ED_EBADREQ, "%s=%s is not a whole number", name, text);
    if (text && (n < min || n > max))
        return ed_fail(ED_EBADREQ, "%s=%s is not within %lld to %lld", name,
                       text, (long long)min, (long long)max);
    *value = n;
    return 0;
}

const char *ed_cookie(ed_req *req, const char *name)
{
    struct ed_bytes wanted = ed_bytes(name);
    for (uint32_t i = 0; i < req->field_count; i++) {
        const struct ed_http1_field *f = &req->fields[i];
        if (f->known != ED_FIELD_COOKIE)
            continue;
        struct ed_bytes value;
        if (ed_cookie_find(ed_http1_bytes(req->head, f->value), wanted, &value))
            return ed_arena_copy(req->arena, value);
    }
    return NULL;
}

const char *ed_req_peer(ed_req *req)
{
    return req->told_peer ? req->told_peer : req->ops->peer(req);
}

/* The connection may end before the request does: its texts are copied. */
static bool keep_text(const ed_req *req, const char **text)
{
    *text = ed_arena_copy(req->arena, ed_bytes(*text));
    return *text;
}

bool ed_req_tls(const ed_req *req, struct ed_tls_info *out)
{
    ed_stream *stream = req->secure ? req->ops->transport(req) : NULL;
    return stream && ed_stream_tls(stream, out) && keep_text(req, &out->alpn) &&
           keep_text(req, &out->server_name);
}

bool ed_req_tls_peer(const ed_req *req, struct ed_tls_peer *out)
{
    ed_stream *stream = req->secure ? req->ops->transport(req) : NULL;
    return stream && ed_stream_tls_peer(stream, out);
}

static void print_id(const ed_req *req, char *out, size_t size)
{
    snprintf(out, size, "%08x%06llx", ed_server_seed(req->server),
             (unsigned long long)req->number);
}

const char *ed_req_id(ed_req *req)
{
    char id[32];
    if (!req->id) {
        print_id(req, id, sizeof id);
        req->id = ed_arena_copy(req->arena, ed_bytes(id));
    }
    return req->id ? req->id : "";
}

/* Of the request that a thread without fibers works for. */
static _Thread_local const char *thread_id;

void ed_req_log_thread(const char *id)
{
    thread_id = id;
}

void ed_req_log_context(char *out, size_t size)
{
    const ed_fiber *self = ed_fiber_self();
    const ed_req *req = self ? self->work : NULL;
    if (thread_id)
        snprintf(out, size, "%s", thread_id);
    else if (req && req->id)
        snprintf(out, size, "%s", req->id);
    else if (req)
        print_id(req, out, size);
}

int ed_req_note(ed_req *req, const void *key, const void *value)
{
    struct ed_req_note *note = ed_arena_alloc(req->arena, sizeof *note);
    if (!note)
        return ED_ENOMEM;
    *note = (struct ed_req_note){req->notes, key, value};
    req->notes = note;
    return 0;
}

const void *ed_req_noted(const ed_req *req, const void *key)
{
    const struct ed_req_note *note = req->notes;
    while (note && note->key != key)
        note = note->next;
    return note ? note->value : NULL;
}

ed_arena *ed_req_arena(const ed_req *req)
{
    return req->arena;
}

void *ed_req_user(const ed_req *req)
{
    return req->user;
}

/* ---- its body ---- */

void ed_body_limit(ed_req *req, size_t max_bytes)
{
    req->max_body = max_bytes ? max_bytes : ed_server_max_body(req->server);
}

int64_t ed_body_length(const ed_req *req)
{
    return req->body_length;
}

ssize_t ed_body_read(ed_req *req, void *buf, size_t len)
{
    if (req->body_error)
        return req->body_error;
    if (req->body_ended || !len)
        return 0;
    ssize_t n = req->ops->body_read(req, buf, len);
    req->body_read_some |= n > 0;
    return n;
}

static int too_large(const ed_req *req)
{
    return ed_fail(ED_EBODYLIMIT, "the limit is %zu bytes", req->max_body);
}

/* Of known length: one piece of the arena, filled as it comes. */
static int read_known(ed_req *req, struct ed_bytes *out)
{
    size_t length = (size_t)req->body_length;
    char *ptr = ed_arena_alloc(req->arena, length + 1);
    if (!ptr)
        return ED_ENOMEM;
    size_t have = 0;
    while (!req->body_ended) {
        ssize_t n = ed_body_read(req, ptr + have, length - have);
        if (n < 0)
            return (int)n;
        have += (size_t)n;
    }
    ptr[have] = '\0';
    *out = ed_bytes_of(ptr, have);
    return 0;
}

/* Of unknown length: gathered in a buffer that grows, then moved. */
static int gather_unknown(ed_req *req, struct ed_buf *buf)
{
    enum { PIECE = 8192 };
    while (!req->body_ended) {
        int err = ed_buf_reserve(buf, PIECE);
        if (err)
            return err;
        ssize_t n = ed_body_read(req, buf->ptr + buf->len, PIECE);
        if (n < 0)
            return (int)n;
        buf->len += (size_t)n;
        if (buf->len > req->max_body)
            return too_large(req);
    }
    return 0;
}

static int read_unknown(ed_req *req, struct ed_bytes *out)
{
    struct ed_buf buf = {0};
    int err = gather_unknown(req, &buf);
    if (!err) {
        out->ptr = ed_arena_copy(req->arena, ed_buf_bytes(&buf));
        out->len = buf.len;
        if (!out->ptr)
            err = ED_ENOMEM;
    }
    ed_buf_free(&buf);
    return err;
}

int ed_body_json(ed_req *req, struct json_t **out)
{
    struct ed_bytes body;
    char why[ED_JSON_WHY];
    int err = ed_body(req, &body);

    *out = NULL;
    if (!err && ed_json_parse(body, out, why))
        err = ed_fail(ED_EPARSE, "the body is no JSON: %s", why);
    return err;
}

int ed_body(ed_req *req, struct ed_bytes *out)
{
    if (req->body_error)
        return req->body_error;
    if (!req->body_read_whole) {
        if (req->body_read_some)
            return ed_fail(ED_EUSAGE, "a part of the body was read already");
        if (req->body_length > 0 && (size_t)req->body_length > req->max_body)
            return too_large(req);
        int err = req->body_length >= 0 ? read_known(req, &req->body)
                                        : read_unknown(req, &req->body);
        if (err)
            return err;
        req->body_read_whole = true;
    }
    *out = req->body;
    return 0;
}
