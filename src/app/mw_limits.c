/*
 * mw_limits.c - bounds for handlers: their time, and the bodies they read.
 */
#include "app/mw.h"
#include "base/moment.h"
#include "base/options.h"

/* ---- time ---- */

struct bounded {
    ed_next *next;
    ed_req *req;
};

static int run_bounded(void *arg)
{
    const struct bounded *b = arg;

    return ed_next_call(b->next, b->req);
}

static int timeout_around(ed_req *req, ed_next *next, void *arg)
{
    const struct ed_timeout_options *o = arg;
    struct bounded b = {next, req};
    int64_t until = ed_moment_after(ed_now(), o->within);
    int err = ed_with_timeout(o->within, run_bounded, &b);

    /* A deadline within, or around ours, is somebody else's to tell. */
    if (err != ED_ETIMEOUT || ed_now() < until || req->reply.began ||
        ed_cancelled())
        return err;
    return ed_fail(o->status == 503 ? ED_EOVERLOAD : ED_ETIMEOUT,
                   "the handler took longer than %lld ms",
                   (long long)(o->within / ED_MS));
}

int ed_use_timeout_with(struct ed_where where,
                        const struct ed_timeout_options *options)
{
    struct ed_timeout_options *o = MW_NEW(where, struct ed_timeout_options);

    ed_options_take(o, sizeof *o, options);
    if (o->within <= 0)
        return mw_refuse(where, "timeout: no time is given");
    if (o->status && o->status != 503 && o->status != 504)
        return mw_refuse(where, "timeout: status %d is neither 503 nor 504",
                         o->status);
    return mw_around(where, timeout_around, o);
}

/* ---- bodies ---- */

static int body_limit_before(ed_req *req, void *arg)
{
    const struct ed_body_limit_options *o = arg;

    ed_body_limit(req, o->max_bytes);
    if (req->body_length > 0 && (uint64_t)req->body_length > o->max_bytes)
        return ed_fail(ED_EBODYLIMIT, "the limit is %zu bytes", o->max_bytes);
    return 0;
}

int ed_use_body_limit_with(struct ed_where where,
                           const struct ed_body_limit_options *options)
{
    struct ed_body_limit_options *o =
        MW_NEW(where, struct ed_body_limit_options);

    ed_options_take(o, sizeof *o, options);
    if (!o->max_bytes)
        return mw_refuse(where, "body limit: no limit is given");
    return mw_before(where, body_limit_before, o);
}
