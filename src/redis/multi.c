/*
 * multi.c - transactions: commands that are noted, and sent in one go.
 *
 * Owns what was noted. Nothing can come in between on a shared connection: all
 * of it, from MULTI to EXEC, is one request, and one call waits for all its
 * replies.
 */
#include "redis/place.h"
#include <stdio.h>
#include <stdlib.h>

struct multi {
    ed_redis base;
    ed_redis *of;
    struct redis_request *noted; /* MULTI and what follows; NULL: nothing yet */
    bool executed;
};

_Static_assert(sizeof(struct multi) <= sizeof(struct ed_redis_store),
               "struct ed_redis_store is too small");

static void forget(struct multi *tx)
{
    if (tx->noted)
        redis_request_free(tx->noted);
    free(tx->noted);
    tx->noted = NULL;
}

static int begin(struct multi *tx)
{
    tx->noted = malloc(sizeof(*tx->noted));
    if (!tx->noted)
        return ED_ENOMEM;
    redis_request_init(tx->noted);
    return redis_request_formatf(tx->noted, "MULTI");
}

static int multi_run(ed_redis *db, const struct redis_request *request,
                     struct redis_call *call)
{
    struct multi *tx = (struct multi *)db;
    int err = 0;

    (void)call;
    if (tx->executed)
        return ed_fail(ED_EUSAGE, "%s: the transaction was executed",
                       request->command.name);
    if (!tx->noted)
        err = begin(tx);
    return err ? err : redis_request_append(tx->noted, request);
}

static void multi_leave(ed_redis *db)
{
    forget((struct multi *)db);
}

static const struct redis_place_ops multi_ops = {
    .refuses = REDIS_NOT_SHARED,
    .run = multi_run,
    .leave = multi_leave,
    .notes = true,
};

ed_redis *ed_redis_multi_(struct ed_redis_store *store, ed_redis *db)
{
    struct multi *tx = (struct multi *)(void *)store;

    *tx = (struct multi){.base.ops = &multi_ops, .of = db};
    return &tx->base;
}

/* ---- executing ---- */

/* The first of the replies that is a refusal. */
struct refusal {
    char words[REDIS_WORDS];
};

static void queued(struct redis_call *call, const char *refused)
{
    struct refusal *first = call->context;

    if (refused && !*first->words)
        snprintf(first->words, sizeof(first->words), "%s", refused);
}

/* EXEC only says that something before it was refused. */
static void tell_first(struct redis_call *call, const struct refusal *first)
{
    if (!call->err || !*first->words)
        return;
    memcpy(call->words, first->words, sizeof(call->words));
    call->err = redis_error_of(ed_bytes(call->words));
}

static int result(const struct redis_request *request, struct redis_call *call,
                  ed_redis_reply **reply)
{
    int err = redis_call_result(request, call);

    if (!err && ed_redis_kind(call->reply) == ED_REDIS_NIL)
        err = ed_fail(ED_ESERIAL, "EXEC: a key that is watched has changed");
    if (reply && !err)
        *reply = call->reply;
    return err;
}

static int execute(struct multi *tx, ed_redis_reply **reply)
{
    struct redis_request *request = tx->noted;
    struct refusal first = {{0}};
    struct redis_call call;
    int err = redis_request_formatf(request, "EXEC");

    if (err)
        return err;
    redis_call_init(&call, ed_fiber_arena());
    call.each = queued;
    call.context = &first;
    err = tx->of->ops->run(tx->of, request, &call);
    if (err)
        return err;
    tell_first(&call, &first);
    return result(request, &call, reply);
}

static int no_commands(ed_redis_reply **reply)
{
    struct ed_redis_reply *empty =
        ed_arena_zalloc(ed_fiber_arena(), sizeof(*empty));

    if (!empty)
        return ED_ENOMEM;
    empty->kind = ED_REDIS_ARRAY;
    if (reply)
        *reply = empty;
    return 0;
}

int ed_redis_exec(ed_redis *db, ed_redis_reply **reply)
{
    struct multi *tx = (struct multi *)db;

    if (reply)
        *reply = NULL;
    if (!ed_in_fiber())
        return ED_EUSAGE;
    if (db->ops != &multi_ops || tx->executed)
        return ed_fail(ED_EUSAGE, "EXEC: no transaction that is open");
    if (tx->of->ops->notes)
        return ed_fail(ED_EUSAGE, "EXEC: a transaction within another");
    tx->executed = true;
    if (!tx->noted)
        return no_commands(reply);
    int err = execute(tx, reply);
    forget(tx);
    return err;
}
