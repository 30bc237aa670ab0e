/*
 * mw_security.c - the fields by which browsers are told to be careful.
 *
 * They are added when the head goes out, so that one that a handler has set
 * stays, and error replies have them, too.
 */
#include "app/mw.h"
#include "base/base64.h"
#include "base/options.h"
#include "net/crypto.h"

#include <stdio.h>

enum { NONCE_BYTES = 16 };

static const int64_t YEAR = 365 * 24 * 60 * ED_MIN;
static const char NONCE[] = "{nonce}";
static const char nonce_key; /* of the note */

struct security {
    const char *hsts; /* "": none */
    const char *csp;  /* with {nonce} in it, if `nonce` */
    const char *csp_name;
    bool nonce;
    const char *frame_options;
    const char *referrer_policy;
    const char *opener_policy;
    const char *resource_policy;
    const char *permissions_policy;
    const char *sniffing;
};

struct securing {
    struct ed_reply_filter filter;
    const struct security *how;
};

/* ---- the nonce ---- */

static const char *make_nonce(ed_req *req)
{
    uint8_t random[NONCE_BYTES];
    struct ed_buf text = {0};
    const char *nonce = NULL;

    if (ed_random(random, sizeof random) ||
        ed_base64_encode(&text, ed_bytes_of(random, sizeof random)))
        return NULL;
    nonce = ed_arena_copy(req->arena, ed_buf_bytes(&text));
    ed_buf_free(&text);
    return nonce;
}

/* Without a note there is no policy that would name one. */
const char *ed_csp_nonce(ed_req *req)
{
    const char *nonce = ed_req_noted(req, &nonce_key);

    return nonce ? nonce : "";
}

/* The policy with the nonce in all its places; NULL without memory. */
static const char *policy_of(const struct security *how, ed_req *req)
{
    const char *nonce = ed_csp_nonce(req);
    const char *policy = "", *rest = how->csp, *at;

    if (!how->nonce)
        return how->csp;
    while (policy && (at = strstr(rest, NONCE)) != NULL) {
        policy = ed_arena_printf(req->arena, "%s%.*s%s", policy,
                                 (int)(at - rest), rest, nonce);
        rest = at + strlen(NONCE);
    }
    return policy ? ed_arena_printf(req->arena, "%s%s", policy, rest) : NULL;
}

/* ---- replies ---- */

static int add_field(ed_req *req, const char *name, const char *value)
{
    return *value ? ed_reply_field_default(req, name, value) : 0;
}

static int add_policy(const struct security *how, ed_req *req)
{
    const char *policy = policy_of(how, req);

    return policy ? add_field(req, how->csp_name, policy) : ED_ENOMEM;
}

static int security_head(struct ed_reply_filter *f, ed_req *req,
                         struct ed_bytes *body, bool end)
{
    const struct security *how = ED_CONTAINER(f, struct securing, filter)->how;
    const struct {
        const char *name, *value;
    } fields[] = {
        {"X-Content-Type-Options", how->sniffing},
        {"X-Frame-Options", how->frame_options},
        {"Referrer-Policy", how->referrer_policy},
        {"Cross-Origin-Opener-Policy", how->opener_policy},
        {"Cross-Origin-Resource-Policy", how->resource_policy},
        {"Permissions-Policy", how->permissions_policy},
    };
    int err = add_policy(how, req);

    (void)body;
    (void)end;
    for (size_t i = 0; i < sizeof fields / sizeof *fields && !err; i++)
        err = add_field(req, fields[i].name, fields[i].value);
    /* In the clear it would be ignored (RFC 6797, 7.2). */
    if (!err && !strcmp(ed_req_scheme(req), "https"))
        err = add_field(req, "Strict-Transport-Security", how->hsts);
    return err;
}

static int security_before(ed_req *req, void *arg)
{
    static const struct ed_reply_filter_ops ops = {.head = security_head};
    struct securing *s = ed_arena_alloc(req->arena, sizeof *s);

    if (!s)
        return ED_ENOMEM;
    *s = (struct securing){.filter.ops = &ops, .how = arg};
    if (s->how->nonce && !ed_req_noted(req, &nonce_key)) {
        const char *nonce = make_nonce(req);
        int err = nonce ? ed_req_note(req, &nonce_key, nonce) : ED_ENOMEM;
        if (err)
            return err;
    }
    return ed_reply_filter(req, &s->filter);
}

/* ---- options ---- */

static const char *make_hsts(struct ed_where where,
                             const struct ed_security_options *o)
{
    int64_t age = o->hsts_max_age ? o->hsts_max_age : YEAR;
    char text[100];

    if (age < 0)
        return "";
    snprintf(text, sizeof text, "max-age=%lld%s%s", (long long)(age / ED_S),
             o->hsts_subdomains ? "; includeSubDomains" : "",
             o->hsts_preload ? "; preload" : "");
    return mw_copy(where, text);
}

/* "none" and "self" are keywords, which want quotes; sources do not. */
static const char *frame_sources(const char *ancestors)
{
    if (!strcmp(ancestors, "none"))
        return "'none'";
    return strcmp(ancestors, "self") ? ancestors : "'self'";
}

/* The older field, for browsers that know no frame-ancestors; it cannot say
 * more than these two. */
static const char *frame_options(const char *ancestors)
{
    if (!strcmp(ancestors, "none"))
        return "DENY";
    return strcmp(ancestors, "self") ? "" : "SAMEORIGIN";
}

static const char *make_policy(struct ed_where where, const char *csp,
                               const char *ancestors)
{
    ed_app *app = mw_app(where);
    const char *sources = frame_sources(ancestors);
    const char *gap = csp && *csp ? "; " : "";

    if (csp && (!*ancestors || strstr(csp, "frame-ancestors")))
        return mw_copy(where, csp);
    if (!*ancestors)
        return "";
    size_t room = (csp ? strlen(csp) : 0) + strlen(sources) + 24;
    char *policy = ed_app_alloc(app, room);
    snprintf(policy, room, "%s%sframe-ancestors %s", csp ? csp : "", gap,
             sources);
    return policy;
}

static const char *or_default(struct ed_where where, const char *value,
                              const char *otherwise)
{
    return value ? mw_copy(where, value) : otherwise;
}

static bool all_are_values(const struct security *how)
{
    const char *const values[] = {
        how->csp,
        how->referrer_policy,
        how->opener_policy,
        how->resource_policy,
        how->permissions_policy,
    };

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        if (!ed_http1_is_value(ed_bytes_trim(ed_bytes(values[i]))))
            return false;
    }
    return true;
}

int ed_use_security_headers_with(struct ed_where where,
                                 const struct ed_security_options *options)
{
    ED_OPTIONS_TAKE(struct ed_security_options, o, options);
    struct security *how = MW_NEW(where, struct security);
    const char *ancestors = o.frame_ancestors ? o.frame_ancestors : "none";

    *how = (struct security){
        .hsts = make_hsts(where, &o),
        .csp = make_policy(where, o.csp, ancestors),
        .csp_name = o.csp_report_only ? "Content-Security-Policy-Report-Only"
                                      : "Content-Security-Policy",
        .nonce = o.csp && strstr(o.csp, NONCE),
        .frame_options = frame_options(ancestors),
        .referrer_policy = or_default(where, o.referrer_policy,
                                      "strict-origin-when-cross-origin"),
        .opener_policy = or_default(where, o.opener_policy, "same-origin"),
        .resource_policy = or_default(where, o.resource_policy, ""),
        .permissions_policy = or_default(where, o.permissions_policy, ""),
        .sniffing = o.sniffing ? "" : "nosniff",
    };
    if (!all_are_values(how))
        return mw_refuse(where,
                         "security headers: a policy is one line of text");
    return mw_before(where, security_before, how);
}
