/*
 * digest.c - digest authentication: from a challenge to its answer.
 */
#include "http/digest.h"
#include "base/hex.h"
#include "wire/http1.h"
#include <eddy/error.h>
#include <stdio.h>

static const struct algorithm {
    const char *name;
    enum ed_digest kind;
    bool session;
} algorithms[] = {
    {"MD5", ED_MD5, false},
    {"MD5-sess", ED_MD5, true},
    {"SHA-256", ED_SHA256, false},
    {"SHA-256-sess", ED_SHA256, true},
    {"SHA-512-256", ED_SHA512_256, false},
    {"SHA-512-256-sess", ED_SHA512_256, true},
};

/* ---- reading ---- */

static bool is(struct ed_bytes text, struct ed_bytes other)
{
    return ed_bytes_equal_nocase(text, other);
}

static int set_text(struct ed_buf *out, struct ed_bytes value)
{
    out->len = 0;
    int err = ed_buf_reserve(out, value.len + 1);
    if (err)
        return err;
    out->len = ed_auth_unescape(out->ptr, value);
    out->ptr[out->len] = '\0';
    return 0;
}

static bool set_algorithm(struct ed_digest_challenge *c, struct ed_bytes value)
{
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++) {
        if (!is(value, ed_bytes(algorithms[i].name)))
            continue;
        c->kind = algorithms[i].kind;
        c->session = algorithms[i].session;
        return true;
    }
    return false;
}

/* False when the challenge cannot be answered. */
static bool take_param(struct ed_digest_challenge *c,
                       const struct ed_auth_param *p)
{
    if (is(p->name, ED_BYTES("realm")))
        return !set_text(&c->realm, p->value);
    if (is(p->name, ED_BYTES("nonce")))
        return !set_text(&c->nonce, p->value);
    if (is(p->name, ED_BYTES("opaque"))) {
        c->has_opaque = true;
        return !set_text(&c->opaque, p->value);
    }
    if (is(p->name, ED_BYTES("algorithm")))
        return set_algorithm(c, p->value);
    if (is(p->name, ED_BYTES("qop")))
        return c->qop = ed_http1_lists(p->value, ED_BYTES("auth"));
    if (is(p->name, ED_BYTES("stale")))
        c->stale = is(p->value, ED_BYTES("true"));
    else if (is(p->name, ED_BYTES("userhash")))
        c->userhash = is(p->value, ED_BYTES("true"));
    return true;
}

static bool draw_cnonce(struct ed_digest_challenge *c)
{
    uint8_t random[ED_CNONCE_LEN / 2];

    if (ed_random(random, sizeof(random)))
        return false;
    *ed_hex_write(c->cnonce, random, sizeof(random)) = '\0';
    return true;
}

bool ed_digest_read(struct ed_digest_challenge *c, struct ed_bytes params)
{
    struct ed_auth_param param;

    *c = (struct ed_digest_challenge){.kind = ED_MD5};
    while (ed_auth_param_next(&params, &param)) {
        if (!take_param(c, &param))
            return false;
    }
    return c->nonce.ptr && c->realm.ptr && draw_cnonce(c) &&
           !ed_buf_add(&c->first_nonce, c->nonce.ptr, c->nonce.len);
}

void ed_digest_free(struct ed_digest_challenge *c)
{
    ed_buf_free(&c->realm);
    ed_buf_free(&c->nonce);
    ed_buf_free(&c->opaque);
    ed_buf_free(&c->first_nonce);
}

int ed_digest_set_nonce(struct ed_digest_challenge *c, struct ed_bytes nonce)
{
    c->count = 0;
    return set_text(&c->nonce, nonce);
}

/* ---- answering ---- */

/* The digest of texts with colons between them; the last one is NULL. */
static int hash(enum ed_digest kind, const struct ed_bytes *const parts[],
                char out[ED_DIGEST_TEXT])
{
    struct ed_buf text = {0};
    int err = 0;

    for (size_t i = 0; parts[i] && !err; i++) {
        if (i)
            err = ed_buf_add(&text, ":", 1);
        if (!err && parts[i]->len)
            err = ed_buf_add(&text, parts[i]->ptr, parts[i]->len);
    }
    if (!err)
        err = ed_digest_text(kind, ed_buf_bytes(&text), out);
    ed_erase_buf(&text); /* a password may be in it */
    return err;
}

#define HASH(kind, out, ...) \
    hash((kind), (const struct ed_bytes *const[]){__VA_ARGS__, NULL}, (out))

/* RFC 7616, 3.4.2. */
static int hash_secret(const struct ed_digest_challenge *c,
                       const struct ed_digest_request *r,
                       char out[ED_DIGEST_TEXT])
{
    struct ed_bytes realm = ed_buf_bytes(&c->realm);
    struct ed_bytes nonce = ed_buf_bytes(&c->first_nonce);
    struct ed_bytes cnonce = ed_bytes(c->cnonce);
    int err = HASH(c->kind, out, &r->user, &realm, &r->password);

    if (err || !c->session)
        return err;
    struct ed_bytes secret = ed_bytes(out);
    return HASH(c->kind, out, &secret, &nonce, &cnonce);
}

/* RFC 7616, 3.4.1. */
static int hash_response(const struct ed_digest_challenge *c,
                         const struct ed_digest_request *r, const char *count,
                         char out[ED_DIGEST_TEXT])
{
    struct ed_bytes nonce = ed_buf_bytes(&c->nonce);
    struct ed_bytes cnonce = ed_bytes(c->cnonce);
    struct ed_bytes qop = ED_BYTES("auth");
    char secret[ED_DIGEST_TEXT], request[ED_DIGEST_TEXT];
    int err = hash_secret(c, r, secret);

    if (!err)
        err = HASH(c->kind, request, &r->method, &r->target);
    if (err)
        return err;
    struct ed_bytes a1 = ed_bytes(secret), a2 = ed_bytes(request);
    struct ed_bytes nc = ed_bytes(count);
    if (c->qop)
        err = HASH(c->kind, out, &a1, &nonce, &nc, &cnonce, &qop, &a2);
    else
        err = HASH(c->kind, out, &a1, &nonce, &a2);
    ed_erase(secret, sizeof(secret));
    return err;
}

static int add_quoted(struct ed_buf *out, const char *before,
                      struct ed_bytes text)
{
    int err = ed_buf_add(out, before, strlen(before));

    return err ? err : ed_auth_add_quoted(out, text);
}

static int add_user(const struct ed_digest_challenge *c,
                    const struct ed_digest_request *r, struct ed_buf *out)
{
    struct ed_bytes realm = ed_buf_bytes(&c->realm);
    struct ed_bytes user = r->user;
    char hashed[ED_DIGEST_TEXT];
    int err = 0;

    if (c->userhash) {
        err = HASH(c->kind, hashed, &r->user, &realm);
        user = ed_bytes(hashed);
    }
    return err ? err : add_quoted(out, "Digest username=", user);
}

static const char *name_of(const struct ed_digest_challenge *c)
{
    size_t i = 0;

    while (algorithms[i].kind != c->kind || algorithms[i].session != c->session)
        i++;
    return algorithms[i].name;
}

int ed_digest_answer(struct ed_digest_challenge *c,
                     const struct ed_digest_request *request,
                     struct ed_buf *out)
{
    char count[9], response[ED_DIGEST_TEXT];

    snprintf(count, sizeof(count), "%08x", ++c->count);
    int err = hash_response(c, request, count, response);
    if (!err)
        err = add_user(c, request, out);
    if (!err)
        err = add_quoted(out, ", realm=", ed_buf_bytes(&c->realm));
    if (!err)
        err = add_quoted(out, ", nonce=", ed_buf_bytes(&c->nonce));
    if (!err)
        err = add_quoted(out, ", uri=", request->target);
    if (!err)
        err = ed_buf_addf(out, ", response=\"%s\", algorithm=%s", response,
                          name_of(c));
    if (!err && c->qop)
        err = ed_buf_addf(out, ", qop=auth, nc=%s, cnonce=\"%s\"", count,
                          c->cnonce);
    if (!err && !c->qop && c->session)
        err = ed_buf_addf(out, ", cnonce=\"%s\"", c->cnonce);
    if (!err && c->has_opaque)
        err = add_quoted(out, ", opaque=", ed_buf_bytes(&c->opaque));
    if (!err && c->userhash)
        err = ed_buf_addf(out, ", userhash=true");
    return err;
}
