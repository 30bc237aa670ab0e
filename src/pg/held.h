/*
 * held.h - a connection that is in one fiber's hands for a while: what streams,
 * copies, scripts and many executions have in common.
 */
#ifndef EDDY_PG_HELD_H
#define EDDY_PG_HELD_H

#include "pg/error.h"
#include "pg/pool.h"

struct pg_held {
    ed_pg *db;
    struct pg_link *link;
    PGconn *conn; /* NULL: nothing is held */
};

/* Takes a connection of `db` that is idle, for libpq's functions. Suspends. 0,
 * or as ed_pg_query() when there is none. */
ED_CHECK int pg_hold(struct pg_held *held, ed_pg *db);

/* Gives it back. What it is still at is given up, in the background. Does not
 * suspend. Doing so twice does no harm. */
void pg_let_go(struct pg_held *held);

/* Waits for bytes to come, and takes them in. Suspends. 0, ED_EUNCERTAIN,
 * ED_ECANCELED, ED_ETIMEOUT. */
ED_CHECK int pg_held_wait(const struct pg_held *held);

/* Waits until everything was sent that libpq holds back; what comes meanwhile
 * is taken in. Lets others run now and then. Suspends. Results as above. */
ED_CHECK int pg_held_flush(const struct pg_held *held);

/* The next result, NULL behind the last, which is the caller's to clear; one
 * that is a failure becomes the error returned. Suspends. 0, the results of
 * pg_held_wait(), or what the server said. `statement` may be NULL. */
ED_CHECK int pg_held_result(const struct pg_held *held,
                            const struct pg_statement *statement,
                            PGresult **result);

/* Reads what results there still are, up to the last. 0, or the first failure
 * among them; ED_EUSAGE for a COPY, which it does not carry out. Suspends. */
int pg_held_finish(const struct pg_held *held);

/* Whether it is not broken; and nothing is under way, either. */
bool pg_held_alive(const struct pg_held *held);
bool pg_held_idle(const struct pg_held *held);

/* It broke, or libpq refused: says why. ED_EUNCERTAIN. */
int pg_held_lost(const struct pg_held *held);

/* How many rows the result's statement changed or found. */
int64_t pg_result_affected(const PGresult *result);

#endif
