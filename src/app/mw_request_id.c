/*
 * mw_request_id.c - an id for each request: the sender's, or our own.
 */
#include "app/mw_networks.h"
#include "base/ascii.h"
#include "base/options.h"

static const char DEFAULT_HEADER[] = "X-Request-ID";

struct request_ids {
    const char *header;
    struct mw_networks trusted;
};

struct identified {
    struct ed_reply_filter filter;
    const char *header;
};

static bool is_well_formed(const char *id)
{
    size_t len = strlen(id);

    for (size_t i = 0; i < len; i++) {
        if (!ed_is_alnum(id[i]) && !strchr("-_.:+/=", id[i]))
            return false;
    }
    return len > 0 && len <= ED_REQUEST_ID_MAX;
}

static int request_id_head(struct ed_reply_filter *f, ed_req *req,
                           struct ed_bytes *body, bool end)
{
    (void)body;
    (void)end;
    return ed_reply_header_set(
        req, ED_CONTAINER(f, struct identified, filter)->header,
        ed_req_id(req));
}

static int request_id_before(ed_req *req, void *arg)
{
    static const struct ed_reply_filter_ops ops = {.head = request_id_head};
    const struct request_ids *ids = arg;
    const char *sent = ed_header(req, ids->header);
    struct identified *i = ed_arena_alloc(req->arena, sizeof *i);

    if (!i)
        return ED_ENOMEM;
    *i = (struct identified){.filter.ops = &ops, .header = ids->header};
    if (sent && is_well_formed(sent) && mw_networks_sent(&ids->trusted, req)) {
        req->id = ed_arena_copy(req->arena, ed_bytes(sent));
        if (!req->id)
            return ED_ENOMEM;
    }
    return ed_reply_filter(req, &i->filter);
}

int ed_use_request_id_with(struct ed_where where,
                           const struct ed_request_id_options *options)
{
    ED_OPTIONS_TAKE(struct ed_request_id_options, o, options);
    struct request_ids *ids = MW_NEW(where, struct request_ids);

    ids->header = o.header ? mw_copy(where, o.header) : DEFAULT_HEADER;
    if (!ed_http1_is_token(ed_bytes(ids->header)))
        return mw_refuse(where, "request ids: '%s' is no name of a field",
                         ids->header);
    int err = mw_networks_take(where, &ids->trusted, "request ids", o.trusted);
    return err ? err : mw_before(where, request_id_before, ids);
}
