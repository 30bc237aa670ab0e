/*
 * session.c - a connection that is one block's alone.
 *
 * Owns the connection from the first command to the end of the block. Fibers
 * may share a session; what one of them leaves unanswered breaks it, since the
 * reply, or the blocking, would be the next one's.
 */
#include "redis/place.h"
#include <eddy/sync.h>

struct session {
    ed_redis base;
    ed_redis *of;
    struct redis_link *link; /* NULL: none yet */
    ed_mutex taking;
    bool changed; /* it is not as it was opened */
    bool watches;
    bool broken;
};

_Static_assert(sizeof(struct session) <= sizeof(struct ed_redis_store),
               "struct ed_redis_store is too small");

static int take_link(struct session *s, const struct redis_request *request)
{
    ed_mutex *held ED_MUTEX_AUTO = NULL;
    int err = ed_mutex_hold(&s->taking, &held);

    if (err || s->link)
        return err;
    return s->of->ops->hold(s->of, request, &s->link);
}

static void note_flags(struct session *s, const struct redis_request *request)
{
    unsigned flags = request->command.flags;

    s->changed |= flags & REDIS_CHANGES;
    s->watches |= flags & REDIS_WATCHES;
}

static int session_run(ed_redis *db, const struct redis_request *request,
                       struct redis_call *call)
{
    struct session *s = (struct session *)db;
    int err = s->link ? 0 : take_link(s, request);

    if (err)
        return err;
    if (s->broken || !redis_link_up(s->link))
        return ed_fail(ED_EDATABASE, "%s: the session's connection was lost",
                       request->command.name);
    note_flags(s, request);
    call->replies = request->commands;
    err = redis_link_call(s->link, call, redis_request_bytes(request));
    if (!err && call->fate == REDIS_ANSWERED) {
        if (call->err)
            s->of->ops->heed(s->of, s->link, call);
        return 0;
    }
    s->broken = true;
    return err ? err : redis_call_lost(request, call);
}

/* Its reply is dropped when it comes, whoever has the connection then. */
static int unwatch(struct redis_link *link)
{
    return redis_link_post(link, 1, ED_BYTES("*1\r\n$7\r\nUNWATCH\r\n"));
}

static void session_leave(ed_redis *db)
{
    struct session *s = (struct session *)db;

    if (!s->link)
        return;
    bool keep = !s->broken && !s->changed && redis_link_up(s->link);
    if (keep && s->watches)
        keep = !unwatch(s->link);
    s->of->ops->release(s->of, s->link, keep);
    s->link = NULL;
}

static const struct redis_place_ops session_ops = {
    .refuses = REDIS_REFUSED,
    .run = session_run,
    .leave = session_leave,
};

/* ---- where there can be none ---- */

static int refuse(ed_redis *db, const struct redis_request *request,
                  struct redis_call *call)
{
    (void)db;
    (void)call;
    return ed_fail(ED_EUSAGE, "%s: sessions are of clients only",
                   request->command.name);
}

static void leave_nothing(ed_redis *db)
{
    (void)db;
}

static const struct redis_place_ops no_session_ops = {
    .run = refuse,
    .leave = leave_nothing,
};

ed_redis *ed_redis_session_(struct ed_redis_store *store, ed_redis *db)
{
    struct session *s = (struct session *)(void *)store;

    *s = (struct session){.of = db};
    s->base.ops = db->ops->hold ? &session_ops : &no_session_ops;
    return &s->base;
}
