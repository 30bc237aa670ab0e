/*
 * reply_filter.c - the chain of filters between a reply and the wire.
 *
 * Owns whose turn it is. The turn is taken where a reply enters the chain, not
 * by each filter, so that what a filter keeps from piece to piece is never seen
 * half changed by another fiber while the first waits for the client.
 */
#include "http/reply_filter.h"

#include "core/runtime.h"

struct ed_reply_filters {
    struct ed_reply_filter *first;
    bool busy;             /* a fiber is in the chain... */
    bool over;             /* the request has ended */
    struct ed_waitq turns; /* ...and these wait for their turn */
};

int ed_reply_filter(ed_req *req, struct ed_reply_filter *f)
{
    if (req->reply.began)
        return ed_fail(ED_EUSAGE, "the head of the reply is out");
    if (!req->filters)
        req->filters = ed_arena_zalloc(req->arena, sizeof *req->filters);
    if (!req->filters)
        return ED_ENOMEM;
    f->next = req->filters->first;
    req->filters->first = f;
    return 0;
}

void ed_reply_recode(ed_req *req, int64_t length)
{
    req->reply.recoded = true;
    req->reply.recoded_length = length;
}

/* ---- turns ---- */

static int take_turn(struct ed_reply_filters *filters)
{
    while (filters->busy) {
        int err = ed_waitq_wait(&filters->turns, "another fiber's piece", NULL);
        if (err)
            return err;
    }
    if (filters->over)
        return ED_ECLOSED;
    filters->busy = true;
    return 0;
}

static int end_turn(struct ed_reply_filters *filters, int err)
{
    filters->busy = false;
    ed_waitq_wake(&filters->turns, 0);
    return err;
}

/* ---- the chain ---- */

static int enter(struct ed_reply_filter *f, ed_req *req, struct ed_bytes piece,
                 bool end)
{
    if (!f)
        return req->ops->send(req, piece, end);
    if (f->ops->head && !req->reply.began) {
        int err = f->ops->head(f, req, &piece, end);
        if (err)
            return err;
    }
    return f->ops->send ? f->ops->send(f, req, piece, end)
                        : enter(f->next, req, piece, end);
}

/* Where the chain begins. */
static int enter_first(ed_req *req, struct ed_bytes piece, bool end)
{
    if (!req->reply.began)
        req->reply.recoded = false;
    return enter(req->filters->first, req, piece, end);
}

static int enter_flush(struct ed_reply_filter *f, ed_req *req)
{
    while (f && !f->ops->flush)
        f = f->next;
    return f ? f->ops->flush(f, req) : req->ops->flush(req);
}

int ed_reply_pass(struct ed_reply_filter *f, ed_req *req, struct ed_bytes piece,
                  bool end)
{
    return enter(f->next, req, piece, end);
}

int ed_reply_pass_flush(struct ed_reply_filter *f, ed_req *req)
{
    return enter_flush(f->next, req);
}

int ed_filtered_send(ed_req *req, struct ed_bytes piece, bool end)
{
    struct ed_reply_filters *filters = req->filters;
    int err = take_turn(filters);

    return err ? err : end_turn(filters, enter_first(req, piece, end));
}

int ed_filtered_flush(ed_req *req)
{
    struct ed_reply_filters *filters = req->filters;
    int err = take_turn(filters);

    return err ? err : end_turn(filters, enter_flush(filters->first, req));
}

/* The filters look at the head of a reply whose body they will not see. */
static int show_head(ed_req *req)
{
    struct ed_reply_filter *f = req->filters->first;
    struct ed_bytes unknown = {0};
    int err = 0;

    req->reply.recoded = false;
    for (; f && !err; f = f->next)
        err = f->ops->head ? f->ops->head(f, req, &unknown, false) : 0;
    return err;
}

static void tell_around(ed_req *req, int64_t length)
{
    for (struct ed_reply_filter *f = req->filters->first; f; f = f->next) {
        if (f->ops->around)
            f->ops->around(f, req, length);
    }
}

bool ed_filtered_try_send(ed_req *req, struct ed_bytes piece)
{
    if (req->filters->busy || req->filters->over || req->reply.recoded ||
        !req->ops->try_send(req, piece))
        return false;
    tell_around(req, (int64_t)piece.len);
    return true;
}

static int go_around(ed_req *req, int64_t length,
                     int (*fn)(ed_req *req, void *arg), void *arg)
{
    int err = req->reply.began ? 0 : show_head(req);

    if (err || req->reply.recoded)
        return err ? err : 1;
    err = fn(req, arg);
    if (!err)
        tell_around(req, length);
    return err;
}

int ed_filtered_around(ed_req *req, int64_t length,
                       int (*fn)(ed_req *req, void *arg), void *arg)
{
    struct ed_reply_filters *filters = req->filters;
    int err = take_turn(filters);

    return err ? err : end_turn(filters, go_around(req, length, fn, arg));
}

void ed_filters_over(ed_req *req, int err)
{
    struct ed_reply_filter *f = req->filters->first;

    req->filters->over = true;
    for (; f; f = f->next) {
        if (f->ops->over)
            f->ops->over(f, req, err);
    }
}
