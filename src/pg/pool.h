/*
 * pool.h - the pool's inside, for those who need a link of their own: streams,
 * copies, scripts, listeners.
 */
#ifndef EDDY_PG_POOL_H
#define EDDY_PG_POOL_H

#include "pg/link.h"
#include <eddy/pg.h>

/*
 * Takes a link that is idle, for the caller alone: of a pool, one from it; of a
 * transaction or session, its own, when all its statements have ended, the
 * transaction being begun. Suspends. 0, or as ed_pg_query() when there is no
 * connection.
 */
ED_CHECK int pg_lease(ed_pg *db, struct pg_link **out);

/* Gives it back, idle or lost. Does not suspend. */
void pg_unlease(ed_pg *db, struct pg_link *link);

/* What listeners need of a pool (the pool of `db`, if that is none itself): how
 * to connect, and how long to pause after so many failures in a row. */
const struct pg_target *pg_pool_target(const ed_pg *db);
int64_t pg_pool_backoff(const ed_pg *db, unsigned failures);

/* The pool of a transaction or session; a pool itself. */
ed_pg *pg_pool_of(ed_pg *db);

/* The pool's table of statements. */
struct pg_statements *pg_pool_statements(ed_pg *db);

#endif
