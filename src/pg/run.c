/*
 * run.c - running one statement on a pool, again if it must and may.
 *
 * Promises that what was never sent is sent elsewhere without anybody noticing,
 * that what changes nothing or may be repeated is tried once more, and that in
 * all other cases the caller is told that nobody knows.
 */
#include "pg/run.h"
#include "pg/error.h"
#include "pg/lease.h"

struct pg_call *pg_job_call(const struct pg_job *job,
                            void (*done)(struct pg_call *call), void *waiter)
{
    struct pg_call *call = pg_call_new(job->statement);

    if (!call)
        return NULL;
    call->values = job->values;
    call->prelude = NULL;
    call->read_only = job->read_only;
    call->idempotent = job->idempotent;
    call->unlucky = false;
    call->no_rows = job->no_rows;
    call->arena = job->arena;
    call->done = done;
    call->waiter = waiter;
    return call;
}

/* That a call is refused, for its values most likely, is found out in the loop,
 * where no text is kept: they are looked at once more for it. */
static int refused(const struct pg_call *call)
{
    struct pg_params params = {0};
    int err =
        pg_encode(&params, call->values, call->statement->sql->param_count);

    pg_params_free(&params);
    return err ? err : call->err;
}

int pg_call_outcome(const struct pg_call *call)
{
    if (call->err >= 0)
        return 0;
    (void)pg_error_set(call->error);
    if (call->fate == PG_REFUSED)
        return refused(call);
    if (call->error || !call->why[0])
        return call->err;
    return ed_fail(call->err, "%s", call->why);
}

/* Who begins a transaction on a pool does not get it: the connection is others'
 * as well. */
static int check_none_begun(const struct pg_call *call)
{
    if (!call->began)
        return 0;
    return ed_fail(ED_EUSAGE, "a transaction of its own is begun by "
                              "ed_pg_transaction(): this one is rolled back");
}

/* Whether a call that a lost connection took along goes on. */
static bool may_go_on(const struct pg_call *call)
{
    if (call->fate == PG_NEVER_SENT)
        return true;
    return (call->read_only || call->idempotent) && !call->unlucky;
}

static int lost(const struct pg_call *call)
{
    /* What changes nothing leaves nothing uncertain. */
    bool harmless = call->fate == PG_NEVER_SENT || call->read_only;

    return ed_fail(harmless ? ED_EDATABASE : ED_EUNCERTAIN, "%s%s",
                   call->why[0] ? call->why : "connection lost",
                   harmless ? "" : "; the statement may have been run");
}

int pg_pool_run(struct pg_pool *pool, const struct pg_job *job,
                struct pg_call **out)
{
    bool unlucky = false;

    for (unsigned tries = 1;; tries++) {
        struct pg_call *call = pg_job_call(job, NULL, NULL);
        if (!call)
            return ED_ENOMEM;
        call->read_only |= pool->read_only;
        call->unlucky = unlucky;
        int err = pg_pool_call(pool, call);
        if (!err && (call->fate == PG_DONE || call->fate == PG_REFUSED)) {
            err = pg_call_outcome(call);
            if (!err)
                err = check_none_begun(call);
            *out = call;
            if (err)
                pg_call_release(call);
            return err;
        }
        if (!err && (tries == PG_TRIES || !may_go_on(call)))
            err = lost(call);
        unlucky |= call->fate == PG_UNCERTAIN;
        pg_call_release(call);
        if (err) {
            (void)pg_error_set(NULL); /* the server said nothing */
            return err;
        }
        pool->counts.resent++;
    }
}

int pg_run(ed_pg *db, const struct pg_job *job, struct pg_call **out)
{
    if (db->kind == PG_POOL)
        return pg_pool_run(db->pool, job, out);
    return pg_lease_run(pg_lease_of(db), job, out);
}
