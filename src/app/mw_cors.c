/*
 * mw_cors.c - tells browsers which pages of other origins may read replies (the
 * Fetch standard, "CORS protocol").
 *
 * Promises that an origin is only ever repeated when it was allowed, and that
 * everybody never gets what is meant for one with credentials.
 */
#include "app/mw.h"
#include "base/options.h"

#include <stdio.h>

enum { MAX_ORIGINS = 64 };

static const int64_t DEFAULT_MAX_AGE = 10 * ED_MIN;

static const char DEFAULT_METHODS[] = "GET, HEAD, POST, PUT, PATCH, DELETE";
static const char DEFAULT_HEADERS[] = "Content-Type";

/* What stands before and behind the star of a pattern; in an origin without
 * one, all of it is `before`. */
struct origin {
    struct ed_bytes before, behind;
    bool star;
};

struct cors {
    struct ed_cors_options o;
    struct origin origins[MAX_ORIGINS];
    size_t origin_count;
    bool everybody;
    bool any_header;
    const char *methods;
    const char *headers;
    char max_age[24]; /* "": not told */
};

/* What is added to a reply. */
struct sharing {
    struct ed_reply_filter filter;
    const struct cors *cors;
    const char *origin; /* that may read; NULL: nobody */
};

/* ---- origins ---- */

static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* What a star stands for: labels with dots between them. */
static bool is_labels(struct ed_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_label_char(text.ptr[i]))
            return false;
    }
    return text.len && text.ptr[0] != '.' && text.ptr[text.len - 1] != '.';
}

static bool fits(const struct origin *o, struct ed_bytes origin)
{
    if (!o->star)
        return ed_bytes_equal_nocase(origin, o->before);
    size_t fixed = o->before.len + o->behind.len;
    if (origin.len <= fixed)
        return false;
    struct ed_bytes begin = ed_bytes_of(origin.ptr, o->before.len);
    struct ed_bytes end =
        ed_bytes_of(origin.ptr + origin.len - o->behind.len, o->behind.len);
    struct ed_bytes middle =
        ed_bytes_of(origin.ptr + o->before.len, origin.len - fixed);
    return ed_bytes_equal_nocase(begin, o->before) &&
           ed_bytes_equal_nocase(end, o->behind) && is_labels(middle);
}

static bool may_read(const struct cors *cors, ed_req *req, const char *origin)
{
    if (cors->everybody)
        return true;
    for (size_t i = 0; i < cors->origin_count; i++) {
        if (fits(&cors->origins[i], ed_bytes(origin)))
            return true;
    }
    return cors->o.allow && cors->o.allow(req, origin, cors->o.arg);
}

/* ---- replies ---- */

static int set_origin(const struct sharing *s, ed_req *req)
{
    const struct cors *cors = s->cors;
    int err = 0;

    if (!cors->everybody)
        err = ed_reply_vary(req, "Origin");
    if (err || !s->origin)
        return err;
    err = ed_reply_header_set(req, "Access-Control-Allow-Origin",
                              cors->everybody ? "*" : s->origin);
    if (!err && cors->o.credentials)
        err = ed_reply_header_set(req, "Access-Control-Allow-Credentials",
                                  "true");
    return err;
}

static int cors_head(struct ed_reply_filter *f, ed_req *req,
                     struct ed_bytes *body, bool end)
{
    struct sharing *s = ED_CONTAINER(f, struct sharing, filter);
    int err = set_origin(s, req);

    (void)body;
    (void)end;
    if (!err && s->origin && s->cors->o.exposed)
        err = ed_reply_header_set(req, "Access-Control-Expose-Headers",
                                  s->cors->o.exposed);
    return err;
}

/* ---- preflights ---- */

/* What is asked for is repeated only if it is a list of names. */
static bool is_name_list(struct ed_bytes list)
{
    while (list.ptr) {
        struct ed_bytes name = ed_bytes_trim(ed_bytes_cut(&list, ','));
        if (name.len && !ed_http1_is_token(name))
            return false;
    }
    return true;
}

static int set_headers(const struct cors *cors, ed_req *req)
{
    const char *asked = ed_header(req, "Access-Control-Request-Headers");
    const char *headers = cors->headers;

    if (cors->any_header)
        headers = asked && is_name_list(ed_bytes(asked)) ? asked : "";
    return *headers ? ed_reply_header_set(req, "Access-Control-Allow-Headers",
                                          headers)
                    : 0;
}

static int set_private_network(const struct cors *cors, ed_req *req)
{
    const char *asked =
        ed_header(req, "Access-Control-Request-Private-Network");

    if (!cors->o.private_network || !asked || strcmp(asked, "true") != 0)
        return 0;
    return ed_reply_header_set(req, "Access-Control-Allow-Private-Network",
                               "true");
}

static int set_permission(const struct cors *cors, ed_req *req)
{
    int err =
        ed_reply_header_set(req, "Access-Control-Allow-Methods", cors->methods);

    if (!err)
        err = set_headers(cors, req);
    if (!err && *cors->max_age)
        err = ed_reply_header_set(req, "Access-Control-Max-Age", cors->max_age);
    return err ? err : set_private_network(cors, req);
}

/* 1 when it has replied. */
static int answer_preflight(const struct sharing *s, ed_req *req)
{
    int err = ed_reply_vary(req, "Access-Control-Request-Method");

    if (!err)
        err = ed_reply_vary(req, "Access-Control-Request-Headers");
    if (!err && s->origin)
        err = set_permission(s->cors, req);
    if (err)
        return err;
    if (!s->origin)
        return ed_fail(ED_EFORBIDDEN, "origin %s may not read replies",
                       ed_header(req, "Origin"));
    err = ed_reply_bytes(req, 204, NULL, (struct ed_bytes){0});
    return err ? err : 1;
}

static bool is_preflight(const ed_req *req)
{
    return !strcmp(req->method, "OPTIONS") &&
           ed_header(req, "Access-Control-Request-Method");
}

static int cors_before(ed_req *req, void *arg)
{
    static const struct ed_reply_filter_ops ops = {.head = cors_head};
    const char *origin = ed_header(req, "Origin");
    struct sharing *s = ed_arena_alloc(req->arena, sizeof *s);

    if (!s)
        return ED_ENOMEM;
    *s = (struct sharing){.filter.ops = &ops, .cors = arg};
    if (origin && may_read(s->cors, req, origin))
        s->origin = origin;
    int err = ed_reply_filter(req, &s->filter);
    if (err || !origin || !is_preflight(req))
        return err;
    return answer_preflight(s, req);
}

/* ---- options ---- */

/* scheme://host[:port], the host beginning with "*." if it is a pattern; or
 * "null", which is what pages without an origin send. */
static bool read_origin(struct origin *o, struct ed_bytes text)
{
    ssize_t host = ed_bytes_find(text, ED_BYTES("://"));
    ssize_t star = ed_bytes_find(text, ED_BYTES("*"));

    *o = (struct origin){.before = text};
    if (ed_bytes_equal(text, ED_BYTES("null")))
        return true;
    if (host <= 0 || (size_t)host + 3 == text.len ||
        memchr(text.ptr + host + 3, '/', text.len - (size_t)host - 3))
        return false;
    if (star < 0)
        return true;
    o->star = true;
    o->before = ed_bytes_of(text.ptr, (size_t)star);
    o->behind = ed_bytes_of(text.ptr + star + 1, text.len - (size_t)star - 1);
    return star == host + 3 && o->behind.len > 1 && o->behind.ptr[0] == '.' &&
           ed_bytes_find(o->behind, ED_BYTES("*")) < 0;
}

static int take_origins(struct ed_where where, struct cors *cors)
{
    struct ed_bytes rest = ed_bytes(mw_copy(where, cors->o.origins)), word;

    while (mw_word(&rest, &word)) {
        if (ed_bytes_equal(word, ED_BYTES("*"))) {
            cors->everybody = true;
            continue;
        }
        if (cors->origin_count == MAX_ORIGINS)
            return mw_refuse(where, "CORS: more than %d origins", MAX_ORIGINS);
        if (!read_origin(&cors->origins[cors->origin_count++], word))
            return mw_refuse(where,
                             "CORS: '%.*s' is no origin such as "
                             "https://shop.example or https://*.shop.example",
                             (int)word.len, word.ptr);
    }
    if (!cors->everybody && !cors->origin_count && !cors->o.allow)
        return mw_refuse(where, "CORS: neither origins nor a function");
    if (cors->everybody && cors->o.credentials)
        return mw_refuse(where, "CORS: credentials are not for everybody: "
                                "name the origins");
    return 0;
}

static int take_lists(struct ed_where where, struct cors *cors)
{
    const struct ed_cors_options *o = &cors->o;

    cors->methods = o->methods ? mw_copy(where, o->methods) : DEFAULT_METHODS;
    cors->headers = o->headers ? mw_copy(where, o->headers) : DEFAULT_HEADERS;
    cors->o.exposed = mw_copy(where, o->exposed);
    cors->any_header = !strcmp(cors->headers, "*");
    if (!is_name_list(ed_bytes(cors->methods)) ||
        !is_name_list(ed_bytes(cors->headers)) ||
        !is_name_list(ed_bytes(cors->o.exposed)))
        return mw_refuse(where, "CORS: methods and headers are lists of names "
                                "with commas between them");
    int64_t age = o->max_age ? o->max_age : DEFAULT_MAX_AGE;
    if (age > 0)
        snprintf(cors->max_age, sizeof cors->max_age, "%lld",
                 (long long)(age / ED_S));
    return 0;
}

int ed_use_cors_with(struct ed_where where,
                     const struct ed_cors_options *options)
{
    struct cors *cors = MW_NEW(where, struct cors);

    ed_options_take(&cors->o, sizeof cors->o, options);
    int err = take_origins(where, cors);
    if (!err)
        err = take_lists(where, cors);
    return err ? err : mw_before(where, cors_before, cors);
}
