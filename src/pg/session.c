/*
 * session.c - sessions, as programs declare them: a connection that is theirs
 * alone. What they left on it is removed in pool_place.c.
 */
#include "pg/lease.h"

ed_pg *ed_pg_session_(struct ed_pg_store *store, ed_pg *db)
{
    struct pg_lease *session = pg_lease_init(store, db, PG_SESSION);

    if (session->outer)
        session->misuse = "a session needs a connection of its own, so it"
                          " cannot lie in a transaction or session";
    return &session->handle;
}
