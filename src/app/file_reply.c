/*
 * file_reply.c - from a file and what the request asks for to a reply.
 *
 * Decides, in this order: which copy of the file, the compressed or the plain
 * one; whether the client has it already; which parts of it are wanted. Each
 * copy is a representation of its own, with its own tag, length and ranges.
 */
#include "app/file_reply.h"

#include "app/conditions.h"
#include "app/static_types.h"
#include "http/message.h"
#include "http/reply_fields.h"
#include "net/crypto.h"
#include "wire/accept_coding.h"
#include "wire/range.h"
#include "wire/url.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

/* By how much a compressed copy may be older than the file: what unpacks or
 * copies a tree writes neighbours in any order. */
#define OLDER_BY (2 * ED_S)

/* A file that was all in memory is taken to be for so long. The system drops
 * what was not used for long, and that was. */
#define WARM_FOR ED_S

struct reply {
    ed_req *req;
    const struct ed_file_manner *manner;
    struct ed_open_file *file; /* the copy that is sent */
    struct ed_bytes type;      /* empty: none is said */
    const char *coding;        /* NULL: plain */
    bool varies;               /* there may be other copies */
};

static bool is_get(const ed_req *req)
{
    return !strcmp(req->method, "GET");
}

/* ---- compressed copies ---- */

static const struct coding {
    const char *name;
    const char *suffix;
} codings[] = {
    {"br", ".br"},
    {"zstd", ".zst"},
    {"gzip", ".gz"},
};
enum { CODINGS = sizeof codings / sizeof *codings };

/* The most wanted coding of those not tried yet, at least as wanted as the
 * plain file; -1: none. */
static int next_coding(const unsigned wanted[CODINGS], unsigned plain,
                       unsigned tried)
{
    int best = -1;
    for (int i = 0; i < CODINGS; i++) {
        if (tried >> i & 1 || !wanted[i] || wanted[i] < plain)
            continue;
        if (best < 0 || wanted[i] > wanted[best])
            best = i;
    }
    return best;
}

/* Opens the copy of one coding; 0 with *out NULL when there is none. */
static int open_copy(const struct reply *r, const struct ed_file_root *root,
                     struct ed_bytes name, const char *suffix,
                     struct ed_open_file **out)
{
    char path[PATH_MAX];
    struct ed_open_file *copy;
    int len =
        snprintf(path, sizeof path, "%.*s%s", (int)name.len, name.ptr, suffix);
    if (len < 0 || (size_t)len >= sizeof path)
        return 0;
    int err = ed_open_file_get(root, ed_bytes_of(path, (size_t)len),
                               r->manner->believe, &copy);
    if (err)
        return err == ED_ECANCELED || err == ED_ETIMEOUT ? err : 0;
    if (copy->identity.modified_ns + OLDER_BY < r->file->identity.modified_ns) {
        ed_open_file_put(copy);
        return 0;
    }
    *out = copy;
    return 0;
}

/* Finds the copy the client likes best; *out, NULL for the plain file, is to
 * be given back. */
static int choose_copy(struct reply *r, const struct ed_file_root *root,
                       struct ed_bytes name, struct ed_open_file **out)
{
    const char *field = ed_header(r->req, "accept-encoding");
    unsigned wanted[CODINGS], tried = 0;
    if (!field)
        return 0;
    struct ed_bytes accepted = ed_bytes(field);
    for (int i = 0; i < CODINGS; i++)
        wanted[i] = ed_accept_coding(accepted, ed_bytes(codings[i].name));
    unsigned plain = ed_accept_coding(accepted, ED_BYTES("identity"));
    int i;
    while ((i = next_coding(wanted, plain, tried)) >= 0) {
        int err = open_copy(r, root, name, codings[i].suffix, out);
        if (err || *out) {
            r->coding = codings[i].name;
            return err;
        }
        tried |= 1u << i;
    }
    return 0;
}

/* ---- the head ---- */

static int add(struct reply *r, struct ed_bytes name, const char *value)
{
    return ed_req_add_field(r->req, name, ed_bytes(value));
}

/* "attachment", with the name for clients old and new (RFC 6266). */
static int add_download(struct reply *r, const char *name)
{
    struct ed_buf value = {0};
    int err = ed_buf_addf(&value, "attachment; filename=\"");
    for (const char *p = name; *p && !err; p++) {
        bool plain = *p >= ' ' && *p < 0x7f && *p != '"' && *p != '\\';
        err = ed_buf_add(&value, plain ? p : "_", 1);
    }
    err = err ? err : ed_buf_addf(&value, "\"; filename*=UTF-8''");
    err = err ? err : ed_url_encode(&value, ed_bytes(name), false);
    err = err ? err : add(r, ED_BYTES("Content-Disposition"), value.ptr);
    ed_buf_free(&value);
    return err;
}

/* Fields of every answer that is about the file: also of 304, which stands for
 * the 200 there would have been (RFC 9110, 15.4.5). */
static int add_common(struct reply *r)
{
    const char *control = r->manner->cache_control;
    int err = ed_req_add_field(r->req, ED_BYTES("ETag"),
                               ed_bytes_of(r->file->tag, r->file->tag_len));
    if (!err && r->varies)
        err = add(r, ED_BYTES("Vary"), "Accept-Encoding");
    if (!err && control && *control)
        err = add(r, ED_BYTES("Cache-Control"), control);
    return err;
}

static int add_about_body(struct reply *r)
{
    int err =
        ed_req_add_field(r->req, ED_BYTES("Last-Modified"),
                         ed_bytes_of(r->file->modified, ED_HTTP_DATE_LEN));
    err = err ? err : add(r, ED_BYTES("Accept-Ranges"), "bytes");
    err = err ? err : add(r, ED_BYTES("X-Content-Type-Options"), "nosniff");
    if (!err && r->coding)
        err = add(r, ED_BYTES("Content-Encoding"), r->coding);
    if (!err && r->manner->download)
        err = add_download(r, r->manner->download);
    return err;
}

/* The handler's own type wins. */
static void set_type(struct reply *r, struct ed_bytes type)
{
    if (!r->req->reply.content_type_set)
        r->req->reply.content_type = type;
}

static int begin(struct reply *r, int status, int64_t length)
{
    int err = add_about_body(r);
    return err ? err : ed_reply_begin(r->req, status, length);
}

/* ---- the body ---- */

static int64_t length_of(const struct ed_range *range)
{
    return range->last - range->first + 1;
}

static int send_whole(struct reply *r)
{
    int64_t size = r->file->identity.size;
    int err = begin(r, 200, size);
    set_type(r, r->type);
    if (err || r->req->is_head)
        return err;
    bool known = ed_now() < r->file->warm_until;
    bool warm = known;
    err = ed_req_write_file(r->req, r->file->fd, 0, size, &warm);
    if (!err && warm && !known)
        r->file->warm_until = ed_now() + WARM_FOR;
    return err;
}

/* A part of the file. */
static int send_part(struct reply *r, const struct ed_range *range)
{
    bool warm = ed_now() < r->file->warm_until;
    return ed_req_write_file(r->req, r->file->fd, range->first,
                             length_of(range), &warm);
}

static const char *content_range(const struct reply *r,
                                 const struct ed_range *range)
{
    return ed_arena_printf(r->req->arena, "bytes %lld-%lld/%lld",
                           (long long)range->first, (long long)range->last,
                           (long long)r->file->identity.size);
}

static int send_range(struct reply *r, const struct ed_range *range)
{
    const char *where = content_range(r, range);
    int err = where ? add(r, ED_BYTES("Content-Range"), where) : ED_ENOMEM;
    err = err ? err : begin(r, 206, length_of(range));
    set_type(r, r->type);
    if (err)
        return err;
    return send_part(r, range);
}

/* Several ranges are parts between boundaries (RFC 9110, 14.6). */
struct parts {
    struct ed_bytes heads[ED_RANGES_MAX];
    struct ed_bytes end;
    const char *type;
    int64_t length; /* of all of it */
};

/* Nobody can have put such a boundary into the file. */
static int make_parts(const struct reply *r, const struct ed_ranges *ranges,
                      struct parts *parts)
{
    uint64_t mark[2];
    char boundary[2 * sizeof mark + 1];
    ed_arena *arena = r->req->arena;
    int err = ed_random(mark, sizeof mark);
    if (err)
        return err;
    snprintf(boundary, sizeof boundary, "%016llx%016llx",
             (unsigned long long)mark[0], (unsigned long long)mark[1]);
    parts->type =
        ed_arena_printf(arena, "multipart/byteranges; boundary=%s", boundary);
    parts->end = ed_bytes(ed_arena_printf(arena, "\r\n--%s--\r\n", boundary));
    parts->length = (int64_t)parts->end.len;
    for (unsigned i = 0; i < ranges->count; i++) {
        const struct ed_range *range = &ranges->list[i];
        const char *where = content_range(r, range);
        parts->heads[i] = ed_bytes(ed_arena_printf(
            arena, "\r\n--%s\r\n%s%.*s%sContent-Range: %s\r\n\r\n", boundary,
            r->type.len ? "Content-Type: " : "", (int)r->type.len, r->type.ptr,
            r->type.len ? "\r\n" : "", where ? where : ""));
        if (!where || !parts->heads[i].ptr)
            return ED_ENOMEM;
        parts->length += (int64_t)parts->heads[i].len + length_of(range);
    }
    return parts->type && parts->end.ptr ? 0 : ED_ENOMEM;
}

static int send_ranges(struct reply *r, const struct ed_ranges *ranges)
{
    struct parts parts;
    int err = make_parts(r, ranges, &parts);
    err = err ? err : begin(r, 206, parts.length);
    if (err)
        return err;
    r->req->reply.content_type = ed_bytes(parts.type);
    for (unsigned i = 0; i < ranges->count && !err; i++) {
        const struct ed_range *range = &ranges->list[i];
        err = ed_write_bytes(r->req, parts.heads[i]);
        err = err ? err : send_part(r, range);
    }
    return err ? err : ed_write_bytes(r->req, parts.end);
}

/* What may be kept is the file: a refusal in its place would be served to those
 * who never made the condition. */
static int refuse(struct reply *r, int status)
{
    ed_reply_field_drop(r->req, "Cache-Control");
    return ed_reply(r->req, status, "%d %s\n", status, ed_http_reason(status));
}

static int send_unsatisfiable(struct reply *r)
{
    const char *where = ed_arena_printf(r->req->arena, "bytes */%lld",
                                        (long long)r->file->identity.size);
    int err = where ? add(r, ED_BYTES("Content-Range"), where) : ED_ENOMEM;
    return err ? err : refuse(r, 416);
}

static int send_wanted(struct reply *r, const struct ed_validators *now)
{
    struct ed_ranges ranges;
    /* Ranges are defined for GET alone (RFC 9110, 14.2). */
    const char *field = is_get(r->req) ? ed_header(r->req, "range") : NULL;
    enum ed_ranges_result result = ED_RANGES_IGNORED;
    if (field && ed_conditions_allow_range(r->req, now))
        result =
            ed_ranges_parse(&ranges, ed_bytes(field), r->file->identity.size);
    if (result == ED_RANGES_UNSATISFIABLE)
        return send_unsatisfiable(r);
    if (result == ED_RANGES_IGNORED)
        return send_whole(r);
    return ranges.count == 1 ? send_range(r, &ranges.list[0])
                             : send_ranges(r, &ranges);
}

/* What else a handler answers with a file has been done by now, so there is
 * nothing left that conditions could be for. */
static enum ed_condition judge(const ed_req *req,
                               const struct ed_validators *now)
{
    return is_get(req) || req->is_head ? ed_conditions_judge(req, now)
                                       : ED_CONDITION_MET;
}

static int reply(struct reply *r)
{
    struct ed_validators now = {
        .tag = ed_bytes_of(r->file->tag, r->file->tag_len),
        .modified = r->file->identity.modified_ns / ED_S,
    };
    int err = add_common(r);
    if (err)
        return err;
    switch (judge(r->req, &now)) {
    case ED_CONDITION_NOT_MODIFIED:
        return ed_reply_bytes(r->req, 304, NULL, (struct ed_bytes){0});
    case ED_CONDITION_FAILED:
        return refuse(r, 412);
    default:
        return send_wanted(r, &now);
    }
}

int ed_file_reply(ed_req *req, const struct ed_file_root *root,
                  struct ed_bytes name, struct ed_open_file *file,
                  const struct ed_file_manner *manner)
{
    struct ed_type_of type = ed_type_of_name(manner->types, name);
    struct ed_open_file *copy ED_OPEN_FILE_AUTO = NULL;
    struct reply r = {
        .req = req,
        .manner = manner,
        .file = file,
        .type = ed_bytes(manner->content_type ? manner->content_type
                                              : type.content_type),
        .varies = manner->precompressed && type.compressible,
    };
    int err = r.varies ? choose_copy(&r, root, name, &copy) : 0;
    if (err)
        return err;
    if (copy)
        r.file = copy;
    return reply(&r);
}
