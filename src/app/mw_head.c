/*
 * mw_head.c - a function of the program's own that sees the head of each reply
 * before it goes out.
 */
#include "app/mw.h"

struct hook {
    ed_head_fn *fn;
    void *arg;
};

struct hooked {
    struct ed_reply_filter filter;
    const struct hook *hook;
};

static int call_hook(struct ed_reply_filter *f, ed_req *req,
                     struct ed_bytes *body, bool end)
{
    const struct hook *hook = ED_CONTAINER(f, struct hooked, filter)->hook;
    int err = hook->fn(req, hook->arg);

    (void)body;
    (void)end;
    return err < 0 ? err : 0;
}

static int head_before(ed_req *req, void *arg)
{
    static const struct ed_reply_filter_ops ops = {.head = call_hook};
    struct hooked *h = ed_arena_alloc(req->arena, sizeof *h);

    if (!h)
        return ED_ENOMEM;
    *h = (struct hooked){.filter.ops = &ops, .hook = arg};
    return ed_reply_filter(req, &h->filter);
}

int ed_use_head_with(struct ed_where where, ed_head_fn *fn, void *arg)
{
    struct hook *hook = MW_NEW(where, struct hook);

    *hook = (struct hook){fn, arg};
    return mw_before(where, head_before, hook);
}
