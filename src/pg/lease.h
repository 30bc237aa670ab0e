/*
 * lease.h - a connection that is a transaction's or a session's alone, and the
 * levels that lie in it: a session, in it a transaction, in that savepoints.
 *
 * A level is a struct pg_lease in its owner's block. The outermost has the
 * connection, from the first statement on. A level is begun with its first
 * statement, in the same message.
 */
#ifndef EDDY_PG_LEASE_H
#define EDDY_PG_LEASE_H

#include "pg/pool_internal.h"
#include "pg/run.h"

enum pg_lease_state {
    PG_FRESH,  /* nothing was sent for it so far */
    PG_OPEN,   /* it was begun */
    PG_FAILED, /* could not be begun, or a statement was given up in it */
    PG_ENDED,
};

/* Savepoints in savepoints; they are numbered, from 1. */
enum { PG_LEVELS = 16, PG_NO_UNDO = PG_LEVELS + 1 };

struct pg_lease {
    struct ed_pg handle;
    struct pg_lease *outer; /* NULL: it has the connection */
    struct pg_lease *inner; /* that was begun in it and has not ended */
    const char *begin;      /* SQL that does; NULL: a session has none */
    const char *misuse;     /* why it cannot be used, if so */
    enum pg_lease_state state;
    uint8_t level; /* of a transaction 0, of a savepoint its number */

    /* Of the outermost. */
    uint8_t undo; /* the level to roll back before anything else is sent, for
                     it could not be when it ended; PG_NO_UNDO: none */
    bool busy;    /* one fiber has it to itself: takes a connection, begins a
                     level, ends one, streams */
    bool used;    /* some statement has been run, or may have been */
    ed_fiber *holder; /* busy: has the link for a stream or a copy; or NULL */
    struct pg_place *place;
    struct ed_waitq turn; /* fibers that wait for it to be of use */
};

static inline struct pg_lease *pg_lease_of(ed_pg *db)
{
    return ED_CONTAINER(db, struct pg_lease, handle);
}

/* Writes a level into a store; `db` is what it lies in. */
struct pg_lease *pg_lease_init(struct ed_pg_store *store, ed_pg *db,
                               enum pg_kind kind);

/* A session over a place that is held by the caller already, who takes it back
 * with pg_lease_detach(), when all is answered. Only the latter suspends: 0,
 * ED_ECANCELED, ED_ETIMEOUT. */
ed_pg *pg_lease_over(struct ed_pg_store *store, struct pg_place *place);
ED_CHECK int pg_lease_detach(ed_pg *session);

/* Runs a statement in it: pg_run(). */
ED_CHECK int pg_lease_run(struct pg_lease *lease, const struct pg_job *job,
                          struct pg_call **out);

/*
 * Commits a level or releases it (`keep`), or rolls it back, and ends it,
 * whatever happens. Suspends. 0, or as ed_pg_commit() and ed_pg_rollback().
 */
ED_CHECK int pg_lease_end(struct pg_lease *lease, bool keep);

/* Ends a level that was not: what is to be rolled back or reset is, in the
 * background. Does not suspend. */
void pg_lease_leave(struct pg_lease *lease);

/* Something has happened to its link. */
void pg_lease_stirred(struct pg_lease *lease);

#endif
