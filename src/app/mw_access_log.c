/*
 * mw_access_log.c - a line for each request when it is over.
 *
 * The line is written when the request has ended for good, not when its handler
 * returns: only then is it known whether the reply was sent or cut.
 */
#include "app/access_format.h"
#include "app/access_sink.h"
#include "base/options.h"

#include <eddy/clock.h>
#include <errno.h>

struct access_log {
    struct ed_access_format *format;
    struct ed_access_sink *sink;
    unsigned one_in;
    unsigned passed_over; /* since the last that went well and was logged */
};

struct logging {
    struct ed_reply_filter filter;
    struct access_log *log;
    int64_t began; /* of the loop's clock */
    int64_t came;  /* since 1970 */
    int64_t bytes;
};

static int64_t exact_now(void)
{
    ed_loop *loop = ed_loop_current();

    return loop ? ed_loop_now_exact(loop) : ed_clock_monotonic();
}

static int access_send(struct ed_reply_filter *f, ed_req *req,
                       struct ed_bytes piece, bool end)
{
    struct logging *l = ED_CONTAINER(f, struct logging, filter);
    int err = ed_reply_pass(f, req, piece, end);

    if (!err && ed_req_reply_has_body(req))
        l->bytes += (int64_t)piece.len;
    return err;
}

static void access_around(struct ed_reply_filter *f, ed_req *req, int64_t bytes)
{
    if (ed_req_reply_has_body(req))
        ED_CONTAINER(f, struct logging, filter)->bytes += bytes;
}

static bool is_passed_over(struct access_log *log, int status)
{
    if (log->one_in <= 1 || status >= 400 || !status)
        return false;
    return log->passed_over++ % log->one_in != 0;
}

static void access_over(struct ed_reply_filter *f, ed_req *req, int err)
{
    struct logging *l = ED_CONTAINER(f, struct logging, filter);
    struct ed_access access = {
        .req = req,
        .came = l->came,
        .took = exact_now() - l->began,
        .status = ed_access_status(req, err),
        .bytes = l->bytes,
        .cut = err != 0,
    };
    struct ed_buf *out;

    if (is_passed_over(l->log, access.status))
        return;
    out = ed_access_sink_buffer(l->log->sink);
    if (!out)
        return;
    if (ed_access_format_add(l->log->format, &access, out))
        ed_access_sink_lost(l->log->sink);
    else
        ed_access_sink_wrote(l->log->sink);
}

static int access_before(ed_req *req, void *arg)
{
    static const struct ed_reply_filter_ops ops = {
        .send = access_send,
        .around = access_around,
        .over = access_over,
    };
    struct logging *l = ed_arena_alloc(req->arena, sizeof *l);

    if (!l)
        return ED_ENOMEM;
    *l = (struct logging){
        .filter.ops = &ops,
        .log = arg,
        .began = exact_now(),
        .came = ed_clock_realtime(),
    };
    return ed_reply_filter(req, &l->filter);
}

int ed_use_access_log_with(struct ed_where where,
                           const struct ed_access_log_options *options)
{
    ED_OPTIONS_TAKE(struct ed_access_log_options, o, options);
    struct access_log *log = MW_NEW(where, struct access_log);

    log->one_in = o.one_in;
    const char *why;
    int err = ed_access_format_read(&log->format, mw_app(where)->arena,
                                    o.format, &why);
    if (err)
        return mw_refuse(where, "access log: %s", why ? why : ed_err_text(err));
    log->sink = ed_access_sink_open(mw_app(where), o.file);
    if (!log->sink) {
        err = -errno;
        mw_refuse(where, "access log: %s: %s", o.file, ed_err_text(err));
        return err;
    }
    return mw_before(where, access_before, log);
}
