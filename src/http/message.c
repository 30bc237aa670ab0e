/*
 * message.c - requests and replies for handlers, whatever version of HTTP
 * carries them.
 *
 * Owns what a reply may be: one status, well-formed fields, exactly the body
 * that was declared. How it becomes bytes is the version's (message.h).
 */
#include "http/takeover.h"

#include "core/runtime.h"
#include "http/reply_filter.h"
#include "http/server_internal.h"
#include "wire/cookie.h"
#include "wire/url.h"

#include <eddy/log.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT ED_BYTES("text/plain; charset=utf-8")
#define JSON ED_BYTES("application/json")

void ed_req_init(ed_req *req)
{
    req->reply.length = -1;
    req->reply.fields_end = &req->reply.fields;
    req->reply.trailers_end = &req->reply.trailers;
}

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

void ed_req_log_context(char *out, size_t size)
{
    const ed_fiber *self = ed_fiber_self();
    const ed_req *req = self ? self->work : NULL;
    if (req && req->id)
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

/* ---- fields of the reply ---- */

static bool is_name(struct ed_bytes name, const char *wanted)
{
    return ed_bytes_equal_nocase(name, ed_bytes(wanted));
}

/* Fields that say how the message is framed are the version's to write. */
static bool is_framing(struct ed_bytes name)
{
    return is_name(name, "content-length") ||
           is_name(name, "transfer-encoding") || is_name(name, "connection") ||
           is_name(name, "keep-alive") || is_name(name, "trailer");
}

static int add_field(ed_req *req, struct ed_reply_field ***end,
                     struct ed_bytes name, struct ed_bytes value)
{
    struct ed_reply_field *f = ed_arena_alloc(req->arena, sizeof *f);
    char *name_copy = ed_arena_copy(req->arena, name);
    char *value_copy = ed_arena_copy(req->arena, value);
    if (!f || !name_copy || !value_copy)
        return ED_ENOMEM;
    f->next = NULL;
    f->name = ed_bytes_of(name_copy, name.len);
    f->value = ed_bytes_of(value_copy, value.len);
    **end = f;
    *end = &f->next;
    return 0;
}

int ed_req_add_field(ed_req *req, struct ed_bytes name, struct ed_bytes value)
{
    struct ed_reply_field *f =
        ed_arena_alloc(req->arena, sizeof *f + value.len + 1);
    if (!f)
        return ED_ENOMEM;
    char *copy = memcpy(f + 1, value.ptr, value.len);
    copy[value.len] = '\0';
    *f = (struct ed_reply_field){.name = name,
                                 .value = ed_bytes_of(copy, value.len)};
    *req->reply.fields_end = f;
    req->reply.fields_end = &f->next;
    return 0;
}

static int check_field(const ed_req *req, struct ed_bytes name,
                       struct ed_bytes value)
{
    if (req->reply.began)
        return ed_fail(ED_EUSAGE, "field %.*s after the head of the reply",
                       (int)name.len, name.ptr);
    if (!ed_http1_is_token(name) || !ed_http1_is_value(value) ||
        is_framing(name))
        return ed_fail(ED_EUSAGE, "a reply may not have this field: %.*s",
                       (int)name.len, name.ptr);
    return 0;
}

int ed_reply_header(ed_req *req, const char *name, const char *value)
{
    struct ed_bytes n = ed_bytes(name);
    struct ed_bytes v = ed_bytes_trim(ed_bytes(value));
    int err = check_field(req, n, v);
    if (err)
        return err;
    if (is_name(n, "content-type")) {
        const char *copy = ed_arena_copy(req->arena, v);
        if (!copy)
            return ED_ENOMEM;
        req->reply.content_type = ed_bytes_of(copy, v.len);
        req->reply.content_type_set = true;
        return 0;
    }
    if (is_name(n, "date"))
        req->reply.own_date = true;
    else if (is_name(n, "server"))
        req->reply.own_server = true;
    return add_field(req, &req->reply.fields_end, n, v);
}

int ed_reply_header_set(ed_req *req, const char *name, const char *value)
{
    struct ed_bytes n = ed_bytes(name);
    int err = check_field(req, n, ed_bytes_trim(ed_bytes(value)));
    if (err)
        return err;
    struct ed_reply_field **at = &req->reply.fields;
    while (*at) {
        if (ed_bytes_equal_nocase((*at)->name, n))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    req->reply.fields_end = at;
    return ed_reply_header(req, name, value);
}

int ed_reply_trailer(ed_req *req, const char *name, const char *value)
{
    struct ed_bytes n = ed_bytes(name);
    struct ed_bytes v = ed_bytes_trim(ed_bytes(value));
    if (req->reply.ended || !ed_http1_is_token(n) || !ed_http1_is_value(v) ||
        is_framing(n))
        return ed_fail(ED_EUSAGE, "a reply may not have this trailer: %s",
                       name);
    return add_field(req, &req->reply.trailers_end, n, v);
}

/* ---- the reply ---- */

int ed_reply_status(const ed_req *req)
{
    return req->reply.status;
}

bool ed_reply_began(const ed_req *req)
{
    return req->reply.began;
}

/* RFC 9110, 6.4.1. */
bool ed_req_reply_has_body(const ed_req *req)
{
    int status = req->reply.status;
    return !req->is_head && status != 204 && status != 304;
}

/* A piece that did not get out leaves a hole: whatever the handler makes of
 * the error, the reply is not whole any more. Every reply comes through here:
 * a call less on the way to send() is worth having (h1_reply.c). */
static inline __attribute__((always_inline)) int send_on(ed_req *req,
                                                         struct ed_bytes piece,
                                                         bool end)
{
    if (req->reply.failed)
        return req->reply.failed;
    int err = req->filters ? ed_filtered_send(req, piece, end)
                           : req->ops->send(req, piece, end);
    /* Of several fibers that write, the first tells why. */
    if (err && req->reply.began && !req->reply.failed)
        req->reply.failed = err;
    return err;
}

static int choose_status(ed_req *req, int status)
{
    if (req->reply.status)
        return ed_fail(ED_EUSAGE, "a second reply (%d) to one request", status);
    if (status < 200 || status > 599)
        return ed_fail(ED_EUSAGE, "%d is not the status of a reply", status);
    req->reply.status = status;
    return 0;
}

static int reply_whole(ed_req *req, int status, struct ed_bytes type,
                       struct ed_bytes body)
{
    int err = choose_status(req, status);
    if (err)
        return err;
    if (!req->reply.content_type_set)
        req->reply.content_type = type;
    req->reply.length = (int64_t)body.len;
    req->reply.sent = (int64_t)body.len;
    err = send_on(req, body, true);
    if (err && !req->reply.began)
        req->reply.status = 0; /* as if it had not been tried */
    return err;
}

int ed_reply_bytes(ed_req *req, int status, const char *content_type,
                   struct ed_bytes body)
{
    struct ed_bytes type = ed_bytes(content_type);
    if (type.len && !ed_http1_is_value(type))
        return ed_fail(ED_EUSAGE, "'%s' is not a type of content",
                       content_type);
    return reply_whole(req, status, type, body);
}

int ed_reply(ed_req *req, int status, const char *fmt, ...)
{
    const char *end = strchrnul(fmt, '%');
    if (!*end)
        return reply_whole(req, status, TEXT,
                           ed_bytes_of(fmt, (size_t)(end - fmt)));
    char text[512];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct ed_bytes body = ed_bytes_of(text, len < 0 ? 0 : (size_t)len);
    if (body.len >= sizeof text) {
        char *long_text = ed_arena_alloc(req->arena, body.len + 1);
        if (long_text)
            vsnprintf(long_text, body.len + 1, fmt, again);
        body.ptr = long_text;
    }
    va_end(again);
    return body.ptr ? reply_whole(req, status, TEXT, body) : ED_ENOMEM;
}

int ed_reply_json_value(ed_req *req, int status, json_t *value)
{
    if (!value)
        return ed_fail(ED_EUSAGE, "no JSON value to reply with");
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    if (!text)
        return ED_ENOMEM;
    int err = reply_whole(req, status, JSON, ed_bytes(text));
    free(text);
    return err;
}

int ed_reply_json(ed_req *req, int status, const char *fmt, ...)
{
    json_error_t error;
    va_list args;
    va_start(args, fmt);
    json_t *value = json_vpack_ex(&error, 0, fmt, args);
    va_end(args);
    if (!value)
        return ed_fail(ED_EUSAGE, "JSON format '%s': %s", fmt, error.text);
    return ed_reply_json_value(req, status, value);
}

/* Bytes that a URL may hold as they are; the rest is written as %XX, which
 * leaves what is encoded already alone. */
static int escape_location(struct ed_buf *out, const char *location)
{
    for (const char *p = location; *p; p++) {
        unsigned char c = (unsigned char)*p;
        int err = c > 0x20 && c < 0x7f && !strchr("\"<>\\^`{|}", c)
                      ? ed_buf_add(out, p, 1)
                      : ed_buf_addf(out, "%%%02X", c);
        if (err)
            return err;
    }
    return ed_buf_reserve(out, 1);
}

int ed_redirect(ed_req *req, int status, const char *location)
{
    if (status < 300 || status > 399)
        return ed_fail(ED_EUSAGE, "%d is not a redirection", status);
    struct ed_buf escaped = {0};
    int err = escape_location(&escaped, location);
    if (!err)
        err = ed_reply_header_set(req, "Location", escaped.ptr);
    ed_buf_free(&escaped);
    return err ? err : ed_reply(req, status, "%s\n", ed_http_reason(status));
}

int ed_reply_begin(ed_req *req, int status, int64_t length)
{
    int err = choose_status(req, status);
    if (err)
        return err;
    req->reply.pieces = true;
    req->reply.length = length < 0 ? -1 : length;
    return 0;
}

int ed_req_begin_piece(ed_req *req, uint64_t len)
{
    if (!req->reply.status) {
        int err = ed_reply_begin(req, 200, -1);
        if (err)
            return err;
    }
    if (!req->reply.pieces || req->reply.ended)
        return ed_fail(ED_EUSAGE, "the reply is complete already");
    int64_t left = req->reply.length - req->reply.sent;
    if (req->reply.length >= 0 && (uint64_t)left < len)
        return ed_fail(ED_EUSAGE, "more than the %lld bytes declared",
                       (long long)req->reply.length);
    if (!req->reply.content_type.len)
        req->reply.content_type = TEXT;
    req->reply.sent += (int64_t)len;
    return 0;
}

int ed_write_bytes(ed_req *req, struct ed_bytes piece)
{
    int err = ed_req_begin_piece(req, piece.len);
    return err || !piece.len ? err : send_on(req, piece, false);
}

bool ed_req_try_write(ed_req *req, struct ed_bytes piece)
{
    if (!req->reply.pieces || !req->reply.began || req->reply.ended ||
        req->reply.failed || req->reply.length >= 0)
        return false;
    if (!(req->filters ? ed_filtered_try_send(req, piece)
                       : req->ops->try_send(req, piece)))
        return false;
    req->reply.sent += (int64_t)piece.len;
    return true;
}

int ed_write(ed_req *req, const char *fmt, ...)
{
    char text[1024];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    int err;
    if (len >= 0 && (size_t)len < sizeof text) {
        err = ed_write_bytes(req, ed_bytes_of(text, (size_t)len));
    } else {
        struct ed_buf buf = {0};
        err = ed_buf_vaddf(&buf, fmt, again);
        if (!err)
            err = ed_write_bytes(req, ed_buf_bytes(&buf));
        ed_buf_free(&buf);
    }
    va_end(again);
    return err;
}

int ed_flush(ed_req *req)
{
    /* A head without a piece goes out, too: "I am on it". */
    if (req->reply.pieces && !req->reply.began) {
        int err = send_on(req, (struct ed_bytes){0}, false);
        if (err)
            return err;
    }
    int err = req->filters ? ed_filtered_flush(req) : req->ops->flush(req);
    if (err && req->reply.began && !req->reply.failed)
        req->reply.failed = err;
    return err;
}

int ed_req_upgrade(ed_req *req, const char *protocol, ed_stream **out)
{
    if (req->reply.status || !req->ops->upgrade)
        return ed_fail(ED_EUSAGE, "the request cannot be upgraded any more");
    if (!ed_http1_is_value(ed_bytes(protocol)))
        return ed_fail(ED_EUSAGE, "'%s' is not a protocol", protocol);
    return req->ops->upgrade(req, protocol, out);
}

int ed_req_take_over(ed_req *req, struct ed_takeover *takeover)
{
    if (req->reply.status || !req->ops->take_over)
        return ed_fail(ED_EUSAGE, "the request cannot be upgraded any more");
    int err = req->ops->take_over(req, takeover);
    if (err)
        return err;
    req->ended = takeover->ended;
    req->ended_arg = takeover->arg;
    return 0;
}

/* ---- running the handler ---- */

/* Fields that say something of a body, and so nothing true of another. */
static bool is_about_body(struct ed_bytes name)
{
    static const char *const names[] = {
        "content-encoding", "content-language", "content-disposition",
        "content-range",    "content-location", "accept-ranges",
        "cache-control",    "expires",          "etag",
        "last-modified",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (is_name(name, names[i]))
            return true;
    }
    return false;
}

bool ed_req_take_back(ed_req *req)
{
    if (req->reply.began || req->reply.ended)
        return false;
    req->reply.status = 0;
    req->reply.pieces = false;
    req->reply.unfinished = false;
    req->reply.recoded = false;
    req->reply.content_type = (struct ed_bytes){0};
    req->reply.content_type_set = false;
    req->reply.length = -1;
    req->reply.sent = 0;
    struct ed_reply_field **at = &req->reply.fields;
    while (*at) {
        if (is_about_body((*at)->name))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    req->reply.fields_end = at;
    return true;
}

int ed_req_error_reply(ed_req *req, int status, const char *text)
{
    if (!ed_req_take_back(req))
        return ED_EUSAGE;
    return ed_reply(req, status, "%d %s\n%s%s", status, ed_http_reason(status),
                    text, *text ? "\n" : "");
}

int ed_req_error_status(const ed_req *req, int err)
{
    int status = ed_err_status(err);
    if (err != req->body_error)
        return status;
    if (err == ED_ETIMEOUT)
        return 408;
    return status < 500 ? status : 400;
}

void ed_req_log_failure(const ed_req *req, int err)
{
    const char *detail = ed_error_of(err);
    if (ed_req_error_status(req, err) < 500) {
        ed_log_debug("%s %s: %s%s%s", req->method, req->target,
                     ed_err_text(err), *detail ? ": " : "", detail);
        return;
    }
    /* Not the target: a query may hold what is nobody's to read. */
    ed_log_error("%s %s failed: %s%s%s (%s)", req->method, req->path,
                 ed_err_text(err), *detail ? ": " : "", detail,
                 ed_err_name(err));
}

/* Ends what the handler replied. */
static int finish(ed_req *req)
{
    if (!req->reply.status)
        return ed_fail(ED_EUSAGE, "the handler replied nothing");
    if (req->reply.ended)
        return 0;
    if (req->reply.unfinished)
        return ed_fail(ED_EUSAGE, "the JSON of the reply was not finished");
    if (req->reply.length >= 0 && req->reply.sent != req->reply.length &&
        ed_req_reply_has_body(req))
        return ed_fail(ED_EUSAGE, "%lld bytes declared, %lld written",
                       (long long)req->reply.length,
                       (long long)req->reply.sent);
    return send_on(req, (struct ed_bytes){0}, true);
}

/* Of two fibers that write, each may hear of it in its own way. */
static bool is_broken(int err)
{
    return err == -EPIPE || err == -ECONNRESET;
}

/* A client that has left gets no reply, and is nobody's failure. Whether the
 * handler hears of it as a cancellation or first as a write that failed is
 * chance. */
static bool has_left(const ed_req *req, int err)
{
    return (err == ED_ECANCELED && ed_cancelled()) ||
           (is_broken(err) && is_broken(req->reply.failed));
}

int ed_req_run(ed_req *req, ed_handler *handler)
{
    int err = handler(req);
    if (req->events)
        err = ed_sse_end(req->events, err);
    if (req->taken) {
        if (req->ended)
            req->ended(req, req->ended_arg, err);
        return 0;
    }
    if (err >= 0)
        err = finish(req);
    if (err >= 0)
        return 0;

    if (has_left(req, err))
        return err;
    ed_req_log_failure(req, err);
    if (req->reply.ended)
        return 0;
    if (req->reply.began)
        return err;
    return ed_req_error_reply(req, ed_req_error_status(req, err), "");
}
