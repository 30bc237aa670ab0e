/*
 * message.c - replies of handlers, whatever version of HTTP carries them, and
 * the run of a handler that comes to one.
 *
 * Owns what a reply may be: one status, well-formed fields, exactly the body
 * that was declared. How it becomes bytes is the version's (message.h).
 */
#include "http/takeover.h"

#include "base/printed.h"
#include "core/runtime.h"
#include "http/reply_filter.h"
#include "http/server_internal.h"

#include <eddy/log.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
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

void ed_req_give_place(ed_req *req)
{
    ed_req_let_go(req);
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
    struct ed_printed text ED_PRINTED_AUTO;
    va_list args;
    va_start(args, fmt);
    int err = ed_print(&text, fmt, args);
    va_end(args);
    return err ? err : reply_whole(req, status, TEXT, text.bytes);
}

/* A value that is none. One that a service should have sent, and ed_res_json()
 * has just told of, is that service's fault; all else is the program's. */
static int no_value(const char *fmt, const char *why)
{
    const char *content = ed_error_of(ED_ECONTENT);

    if (*content)
        return ed_fail(ED_ECONTENT, "%s", content);
    return ed_fail(ED_EUSAGE, "JSON format '%s': %s", fmt, why);
}

int ed_reply_json_value(ed_req *req, int status, json_t *value)
{
    if (!value)
        return no_value("o", "NULL object");
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
    if (!value && json_error_code(&error) == json_error_null_value)
        return no_value(fmt, error.text);
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
    if (!req->reply.content_type.len && !req->reply.content_type_set)
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
    struct ed_printed text ED_PRINTED_AUTO;
    va_list args;
    va_start(args, fmt);
    int err = ed_print(&text, fmt, args);
    va_end(args);
    return err ? err : ed_write_bytes(req, text.bytes);
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
    req->returned = takeover->returned;
    req->returned_arg = takeover->arg;
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
    req->reply.reason = (struct ed_bytes){0};
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

static int tell_returned(ed_req *req, int result)
{
    int (*returned)(ed_req *, void *, int) = req->returned;
    req->returned = NULL;
    return returned ? returned(req, req->returned_arg, result) : result;
}

int ed_req_run(ed_req *req, ed_handler *handler)
{
    int err = tell_returned(req, handler(req));
    if (req->taken)
        return 0;
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
