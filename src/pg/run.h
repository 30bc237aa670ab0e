/*
 * run.h - one statement, run wherever an `ed_pg` stands for: a pool, or a lease
 * of one.
 */
#ifndef EDDY_PG_RUN_H
#define EDDY_PG_RUN_H

#include "pg/link.h"
#include "pg/pool_internal.h"

/* What is to be run. All of it outlives the run. */
struct pg_job {
    struct pg_statement *statement;
    const struct ed_pg_value *values;
    ed_arena *arena; /* for the rows, or the error */
    bool read_only;
    bool idempotent;
    bool no_rows; /* only how many there were */
};

/*
 * Runs it and waits for its end, in a fiber of the pool's loop
 * (pg_pool_enter()). Suspends. 0 with *out, which the caller
 * releases, when the server was content; or an error, with ed_error() and
 * ed_pg_error() set.
 */
ED_CHECK int pg_run(ed_pg *db, const struct pg_job *job, struct pg_call **out);

/* The same on a pool. */
ED_CHECK int pg_pool_run(struct pg_pool *pool, const struct pg_job *job,
                         struct pg_call **out);

/* A call for a job; NULL: no memory. */
struct pg_call *pg_job_call(const struct pg_job *job,
                            void (*done)(struct pg_call *call), void *waiter);

/* How a call that is PG_DONE or PG_REFUSED ended, as an error with its texts.
 * In a fiber. */
ED_CHECK int pg_call_outcome(const struct pg_call *call);

/* A connection may break before a statement is sent, again and again; this
 * often it is taken elsewhere. */
enum { PG_TRIES = 5 };

#endif
