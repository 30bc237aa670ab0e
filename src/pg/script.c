/*
 * script.c - ed_pg_script(): a text of several statements.
 *
 * Sent as it is by the simple protocol, which makes one transaction of it,
 * unless it has its own. Its end leaves the connection as it was: what is still
 * open is rolled back.
 */
#include "pg/held.h"

/* Drops what a COPY ... TO STDOUT gives. */
static int drop_copy(const struct pg_held *held)
{
    for (;;) {
        char *row;
        int len = PQgetCopyData(held->conn, &row, true);
        int err = len ? ed_checkpoint() : pg_held_wait(held);
        if (len > 0)
            PQfreemem(row);
        if (err || len < 0)
            return err;
    }
}

/* A server that waits for data would do so forever. */
static int refuse_copy(const struct pg_held *held)
{
    static const char why[] = "a script has no data for COPY ... FROM STDIN";
    if (PQputCopyEnd(held->conn, why) < 1)
        return pg_held_lost(held);
    int err = pg_held_flush(held);
    if (!err)
        err = pg_held_finish(held);
    if (!pg_held_idle(held))
        return err;
    pg_error_set(NULL); /* it was our doing */
    return ed_fail(ED_EUSAGE, "%s", why);
}

static int take_result(const struct pg_held *held, const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_COPY_IN:
        return refuse_copy(held);
    case PGRES_COPY_OUT:
        return drop_copy(held);
    default:
        return 0;
    }
}

/* Until the last result, or the first failure. */
static int take_results(const struct pg_held *held)
{
    for (;;) {
        PGresult *result;
        int err = pg_held_result(held, NULL, &result);
        if (err || !result)
            return err;
        err = take_result(held, result);
        PQclear(result);
        if (err)
            return err;
    }
}

static int run(const struct pg_held *held, const char *sql)
{
    if (!PQsendQuery(held->conn, sql))
        return pg_held_lost(held);
    int err = pg_held_flush(held);
    if (!err)
        err = take_results(held);
    if (err)
        pg_held_finish(held); /* a failure leaves nothing but the end */
    return err;
}

/* Does not let a script leave a pool's connection in a transaction, nor end the
 * one it is part of. `err` is how the script ended. */
static int settle(const struct pg_held *held, bool inside, int err)
{
    PGTransactionStatusType state = PQtransactionStatus(held->conn);
    if (inside && state == PQTRANS_IDLE && !err)
        return ed_fail(ED_EUSAGE, "the script ended the transaction around it");
    bool open = state == PQTRANS_INTRANS || state == PQTRANS_INERROR;
    if (!open || pg_pool_of(held->db) != held->db)
        return err;
    int undone = run(held, "rollback");
    if (err || undone)
        return err ? err : undone;
    return ed_fail(ED_EUSAGE, "the script left a transaction open, which was "
                              "rolled back");
}

int ed_pg_script(ed_pg *db, const char *sql)
{
    struct pg_held held;
    int err = pg_hold(&held, db);
    if (err)
        return err;
    bool inside = PQtransactionStatus(held.conn) != PQTRANS_IDLE;
    err = run(&held, sql);
    if (pg_held_idle(&held))
        err = settle(&held, inside, err);
    pg_let_go(&held);
    return err;
}
