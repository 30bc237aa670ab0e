/*
 * auth.c - saying who asks.
 *
 * Owns what a client remembers of challenges: how each origin wants it, so that
 * only the first request to it is refused. The names and passwords are the
 * callers' and are not kept.
 */
#include "http/auth.h"
#include "http/attempt.h"
#include "base/ascii.h"
#include "base/base64.h"
#include "base/list.h"
#include "http/digest.h"
#include "wire/url.h"
#include <stdlib.h>

/* Origins remembered; the longest unused is forgotten. */
enum { REMEMBERED = 64 };

/* Challenges answered for one URL: a server may find a nonce stale that was
 * fresh a moment ago, but not for ever. */
enum { ANSWERS_MAX = 3 };

struct remembered {
    struct ed_list node;
    bool basic; /* or digest */
    struct ed_digest_challenge digest;
    char origin[];
};

struct ed_auth_memory {
    struct ed_list origins; /* last used first */
    unsigned count;
};

/* ---- what is remembered ---- */

static void forget(struct ed_auth_memory *memory, struct remembered *r)
{
    ed_list_remove(&r->node);
    memory->count--;
    ed_digest_free(&r->digest);
    free(r);
}

static struct remembered *remembered_at(struct ed_list *link)
{
    return ED_CONTAINER(link, struct remembered, node);
}

void ed_auth_forget(ed_client *client)
{
    struct ed_list *link;

    if (!client->auth)
        return;
    while ((link = ed_list_first(&client->auth->origins)))
        forget(client->auth, remembered_at(link));
    free(client->auth);
    client->auth = NULL;
}

static struct remembered *recall(const ed_client *client, const char *origin)
{
    if (!client->auth)
        return NULL;
    ed_list_each (link, &client->auth->origins) {
        struct remembered *r = remembered_at(link);

        if (strcmp(r->origin, origin) != 0)
            continue;
        ed_list_remove(&r->node);
        ed_list_add_front(&client->auth->origins, &r->node);
        return r;
    }
    return NULL;
}

static struct ed_auth_memory *memory_of(ed_client *client)
{
    if (client->auth)
        return client->auth;
    client->auth = calloc(1, sizeof(*client->auth));
    if (client->auth)
        ed_list_init(&client->auth->origins);
    return client->auth;
}

/* Takes a challenge over, in place of an earlier one of the same origin. */
static int remember(ed_client *client, const char *origin, bool basic,
                    struct ed_digest_challenge *digest)
{
    struct ed_auth_memory *memory = memory_of(client);
    struct remembered *old = recall(client, origin);
    size_t len = strlen(origin) + 1;
    struct remembered *r = memory ? malloc(sizeof(*r) + len) : NULL;

    if (!r) {
        ed_digest_free(digest);
        return ED_ENOMEM;
    }
    if (old)
        forget(memory, old);
    else if (memory->count == REMEMBERED)
        forget(memory, remembered_at(ed_list_last(&memory->origins)));
    r->basic = basic;
    r->digest = *digest;
    memcpy(r->origin, origin, len);
    ed_list_add_front(&memory->origins, &r->node);
    memory->count++;
    return 0;
}

/* ---- origins ---- */

/* Where the journey goes, taken apart. */
struct where {
    struct ed_url url;
    char *origin; /* as text, to compare */
};

static int find_out(const struct ed_journey *j, struct where *w)
{
    const char *why;
    int err = ed_url_parse(&w->url, ed_bytes(j->url), &why);

    if (err)
        return ed_journey_explain(j, err, "%s", why);
    struct ed_bytes host = w->url.socket.len ? w->url.socket : w->url.host;
    w->origin =
        ed_arena_printf(ed_fiber_arena(), "%s//%.*s:%u",
                        w->url.secure ? "https:" : "http:", (int)host.len,
                        host.ptr, w->url.port);
    if (!w->origin)
        return ed_journey_explain(j, ED_ENOMEM, "no memory for the request");
    if (!w->url.socket.len)
        ed_lower(w->origin, ed_bytes(w->origin));
    return 0;
}

/* ---- fields ---- */

static int add_authorization(struct ed_journey *j, struct ed_buf *value,
                             int err)
{
    char *copy = NULL;

    if (!err)
        copy = ed_arena_copy(ed_fiber_arena(), ed_buf_bytes(value));
    ed_buf_free(value);
    if (!copy)
        return ed_journey_explain(j, err ? err : ED_ENOMEM,
                                  "no Authorization can be made");
    return ed_journey_field(j, ED_BYTES("Authorization"), ed_bytes(copy));
}

static int add_bearer(struct ed_journey *j)
{
    struct ed_buf value = {0};
    int err = ed_buf_addf(&value, "Bearer %s", j->options.bearer);

    return add_authorization(j, &value, err);
}

static int add_basic(struct ed_journey *j)
{
    const struct ed_fetch_options *o = &j->options;
    struct ed_buf plain = {0}, value = {0};

    if (strchr(o->user, ':'))
        return ed_journey_explain(j, ED_EUSAGE,
                                  "the user of basic authentication has a ':'");
    int err =
        ed_buf_addf(&plain, "%s:%s", o->user, o->password ? o->password : "");
    if (!err)
        err = ed_buf_add(&value, "Basic ", 6);
    if (!err)
        err = ed_base64_encode(&value, ed_buf_bytes(&plain));
    ed_buf_free(&plain);
    return add_authorization(j, &value, err);
}

static int add_digest(struct ed_journey *j, const struct where *w,
                      struct ed_digest_challenge *challenge)
{
    const struct ed_fetch_options *o = &j->options;
    struct ed_bytes target = w->url.target;
    struct ed_buf value = {0};

    if (!w->url.path.len) {
        char *text = ed_arena_printf(ed_fiber_arena(), "/%.*s", (int)target.len,
                                     target.ptr);
        if (!text)
            return add_authorization(j, &value, ED_ENOMEM);
        target = ed_bytes(text);
    }
    struct ed_digest_request request = {
        .method = ed_bytes(ed_attempt_method(o)),
        .target = target,
        .user = ed_bytes(o->user),
        .password = ed_bytes(o->password),
    };
    int err = ed_digest_answer(challenge, &request, &value);
    return add_authorization(j, &value, err);
}

int ed_auth_send(struct ed_journey *journey)
{
    const struct ed_fetch_options *o = &journey->options;
    struct remembered *known;
    struct where where;

    if (o->bearer)
        return add_bearer(journey);
    if (o->auth == ED_AUTH_BASIC)
        return add_basic(journey);
    int err = find_out(journey, &where);
    known = err ? NULL : recall(journey->client, where.origin);
    if (!known)
        return err;
    if (!known->basic)
        return add_digest(journey, &where, &known->digest);
    return o->auth == ED_AUTH_ANY ? add_basic(journey) : 0;
}

/* ---- challenges ---- */

/* The best so far. */
struct choice {
    bool basic;
    bool has_digest;
    struct ed_digest_challenge digest;
};

static void consider(struct choice *best, const struct ed_challenge *challenge)
{
    struct ed_digest_challenge digest;

    if (ed_bytes_equal_nocase(challenge->scheme, ED_BYTES("Basic")))
        best->basic = true;
    if (!ed_bytes_equal_nocase(challenge->scheme, ED_BYTES("Digest")))
        return;
    if (!ed_digest_read(&digest, challenge->params) ||
        (best->has_digest && best->digest.kind >= digest.kind)) {
        ed_digest_free(&digest);
        return;
    }
    if (best->has_digest)
        ed_digest_free(&best->digest);
    best->digest = digest;
    best->has_digest = true;
}

static void choose(struct choice *best, const ed_res *res)
{
    struct ed_challenge challenge;
    struct ed_bytes name, value;

    for (size_t i = 0; ed_res_header_at(res, i, &name, &value); i++) {
        if (!ed_bytes_equal_nocase(name, ED_BYTES("WWW-Authenticate")))
            continue;
        while (ed_challenge_next(&value, &challenge))
            consider(best, &challenge);
    }
}

/* Whether another answer could be better than what was sent. */
static bool is_worth_it(const struct ed_journey *j, const struct choice *c)
{
    if (!c->has_digest && (!c->basic || j->options.auth != ED_AUTH_ANY))
        return false;
    if (!j->challenges)
        return true;
    return c->has_digest && c->digest.stale && j->challenges < ANSWERS_MAX;
}

int ed_auth_answer(struct ed_journey *journey, const ed_res *res)
{
    struct choice choice = {0};
    struct where where;

    if (journey->options.bearer || journey->options.auth == ED_AUTH_BASIC)
        return 0;
    choose(&choice, res);
    bool worth = is_worth_it(journey, &choice);
    int err = worth ? ed_journey_rewind(journey, "answered 401") : 0;
    if (!err && worth)
        err = find_out(journey, &where);
    if (err || !worth) {
        ed_digest_free(&choice.digest);
        return err;
    }
    if (remember(journey->client, where.origin, !choice.has_digest,
                 &choice.digest))
        return ed_journey_explain(journey, ED_ENOMEM,
                                  "no memory for the challenge");
    journey->challenges++;
    return 1;
}

/* "nextnonce" (RFC 7616, 3.5). */
void ed_auth_receive(struct ed_journey *journey, const ed_res *res)
{
    const char *info = ed_res_header(res, "Authentication-Info");
    struct ed_auth_param param;
    struct where where;

    if (!info || find_out(journey, &where))
        return;
    struct remembered *known = recall(journey->client, where.origin);
    struct ed_bytes rest = ed_bytes(info);
    while (known && !known->basic && ed_auth_param_next(&rest, &param)) {
        if (ed_bytes_equal_nocase(param.name, ED_BYTES("nextnonce")) &&
            ed_digest_set_nonce(&known->digest, param.value))
            return; /* without memory the old one will be found stale */
    }
}
