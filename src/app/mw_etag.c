/*
 * mw_etag.c - hashes of replies that are made anew each time, so that a client
 * who has the same one already is spared the body.
 */
#include "app/mw.h"
#include "base/options.h"
#include "net/crypto.h"
#include "wire/entity_tag.h"

enum {
    MAX_BYTES = 1024 * 1024, /* a hash of that takes about a millisecond */
    DIGITS = 32,             /* of the hash: 128 bits are enough */
};

struct etagging {
    struct ed_reply_filter filter;
    size_t max_bytes;
};

static int add_etag(ed_req *req, struct ed_bytes body)
{
    char digest[ED_DIGEST_TEXT], etag[DIGITS + 3];
    int err = ed_digest_text(ED_SHA256, body, digest);

    if (err)
        return err;
    etag[0] = '"';
    memcpy(etag + 1, digest, DIGITS);
    etag[DIGITS + 1] = '"';
    etag[DIGITS + 2] = '\0';
    return ed_reply_header(req, "ETag", etag);
}

static bool client_has(const ed_req *req, struct ed_bytes etag)
{
    struct ed_bytes name, value;

    for (size_t i = 0; ed_header_at(req, i, &name, &value); i++) {
        if (ed_bytes_equal_nocase(name, ED_BYTES("if-none-match")) &&
            ed_entity_tag_in(value, etag, false))
            return true;
    }
    return false;
}

/* What describes a body has no place beside none; what a cache needs to know
 * stays (RFC 9110, 15.4.5). */
static void become_304(ed_req *req, struct ed_bytes *body)
{
    req->reply.status = 304;
    req->reply.content_type = (struct ed_bytes){0};
    ed_reply_field_drop(req, "Content-Encoding");
    ed_reply_field_drop(req, "Content-Language");
    ed_reply_field_drop(req, "Last-Modified");
    ed_reply_recode(req, -1);
    *body = (struct ed_bytes){0};
}

static bool is_get(const ed_req *req)
{
    return req->is_head || !strcmp(req->method, "GET");
}

static int etag_head(struct ed_reply_filter *f, ed_req *req,
                     struct ed_bytes *body, bool end)
{
    struct etagging *e = ED_CONTAINER(f, struct etagging, filter);
    struct ed_reply_field *etag = ed_reply_field_find(req, "ETag");

    if (req->reply.status != 200 || !is_get(req) || !end)
        return 0;
    if (!etag && body->len <= e->max_bytes) {
        int err = add_etag(req, *body);
        if (err)
            return err;
        etag = ed_reply_field_find(req, "ETag");
    }
    if (etag && client_has(req, etag->value))
        become_304(req, body);
    return 0;
}

static int etag_before(ed_req *req, void *arg)
{
    static const struct ed_reply_filter_ops ops = {.head = etag_head};
    const struct ed_etag_options *o = arg;
    struct etagging *e = ed_arena_alloc(req->arena, sizeof *e);

    if (!e)
        return ED_ENOMEM;
    *e = (struct etagging){
        .filter.ops = &ops,
        .max_bytes = o->max_bytes ? o->max_bytes : MAX_BYTES,
    };
    return ed_reply_filter(req, &e->filter);
}

int ed_use_etag_with(struct ed_where where,
                     const struct ed_etag_options *options)
{
    struct ed_etag_options *o = MW_NEW(where, struct ed_etag_options);

    ed_options_take(o, sizeof *o, options);
    return mw_before(where, etag_before, o);
}
