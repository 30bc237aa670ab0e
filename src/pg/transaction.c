/*
 * transaction.c - transactions and savepoints, as programs declare them.
 *
 * Owns the words that begin one, and the trying again of those that could not
 * be serialized. All else is a lease's (lease.c).
 */
#include "base/backoff.h"
#include "pg/lease.h"

#include "base/options.h"
#include <eddy/fiber.h>

static const char *const begins[4][2][2] = {
#define BEGIN(isolation)                                          \
    {                                                             \
        {"begin" isolation, "begin" isolation " not deferrable"}, \
            {"begin" isolation " read only",                      \
             "begin" isolation " read only deferrable"},          \
    }
    [ED_PG_DEFAULT] = BEGIN(""),
    [ED_PG_READ_COMMITTED] = BEGIN(" isolation level read committed"),
    [ED_PG_REPEATABLE_READ] = BEGIN(" isolation level repeatable read"),
    [ED_PG_SERIALIZABLE] = BEGIN(" isolation level serializable"),
#undef BEGIN
};

static const char *begin_of(const struct ed_pg_tx_options *o)
{
    if ((unsigned)o->isolation > ED_PG_SERIALIZABLE)
        return NULL;
    return begins[o->isolation][o->read_only][o->deferrable];
}

static bool any(const struct ed_pg_tx_options *o)
{
    return o->isolation || o->read_only || o->deferrable;
}

ed_pg *ed_pg_begin_(struct ed_pg_store *store, ed_pg *db,
                    const struct ed_pg_tx_options *given)
{
    ED_OPTIONS_TAKE(struct ed_pg_tx_options, options, given);
    struct pg_lease *tx = pg_lease_init(store, db, PG_TRANSACTION);
    const char *begin = begin_of(&options);

    if (tx->level) {
        if (any(&options))
            tx->misuse = "a savepoint has the options of its transaction";
    } else if (begin) {
        tx->begin = begin;
    } else {
        tx->misuse = "unknown isolation level";
    }
    return &tx->handle;
}

static int not_one(void)
{
    return ed_fail(ED_EUSAGE, "not a transaction");
}

int ed_pg_commit(ed_pg *tx)
{
    return tx->kind == PG_TRANSACTION ? pg_lease_end(pg_lease_of(tx), true)
                                      : not_one();
}

int ed_pg_rollback(ed_pg *tx)
{
    return tx->kind == PG_TRANSACTION ? pg_lease_end(pg_lease_of(tx), false)
                                      : not_one();
}

void ed_pg_leave_(ed_pg **db)
{
    pg_lease_leave(pg_lease_of(*db));
}

/* ---- trying again ---- */

static const unsigned DEFAULT_ATTEMPTS = 3;

/* Those that were in each other's way should not meet again. */
static int pause_before(unsigned attempt)
{
    return ed_sleep(ed_backoff(attempt, 5 * ED_MS, 500 * ED_MS));
}

static int transact_once(ed_pg *db, ed_pg_tx_fn *fn, void *arg,
                         const struct ed_pg_tx_options *options)
{
    struct ed_pg_store store;
    ed_pg *tx __attribute__((cleanup(ed_pg_leave_))) =
        ed_pg_begin_(&store, db, options);
    int err = fn(tx, arg);

    return err < 0 ? err : ed_pg_commit(tx);
}

int ed_pg_transact_(ed_pg *db, ed_pg_tx_fn *fn, void *arg, unsigned attempts,
                    const struct ed_pg_tx_options *options)
{
    int err = ED_ESERIAL;

    if (!attempts)
        attempts = DEFAULT_ATTEMPTS;
    for (unsigned attempt = 1; attempt <= attempts; attempt++) {
        int paused = attempt > 1 ? pause_before(attempt - 1) : 0;
        if (paused)
            return paused;
        err = transact_once(db, fn, arg, options);
        if (err != ED_ESERIAL)
            return err;
    }
    return err;
}
