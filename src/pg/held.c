/*
 * held.c - a connection in one fiber's hands.
 *
 * It promises that whatever was begun with one, the connection goes back clean,
 * or not at all: pg_let_go() asks libpq whether something is under way, and if
 * so leaves the rest to the link.
 */
#include "pg/held.h"

#include <string.h>

int pg_hold(struct pg_held *held, ed_pg *db)
{
    *held = (struct pg_held){.db = db};
    int err = pg_lease(db, &held->link);
    if (err) {
        (void)pg_error_set(NULL); /* it said nothing to this */
        return err;
    }
    err = pg_link_take_over(held->link, &held->conn);
    if (err) {
        held->conn = NULL;
        pg_unlease(db, held->link);
    }
    return err;
}

void pg_let_go(struct pg_held *held)
{
    if (!held->conn)
        return;
    if (PQtransactionStatus(held->conn) == PQTRANS_ACTIVE)
        pg_link_drop_work(held->link);
    else
        pg_link_put_back(held->link);
    pg_unlease(held->db, held->link);
    held->conn = NULL;
}

bool pg_held_alive(const struct pg_held *held)
{
    return PQstatus(held->conn) == CONNECTION_OK;
}

bool pg_held_idle(const struct pg_held *held)
{
    PGTransactionStatusType state = PQtransactionStatus(held->conn);
    return state != PQTRANS_ACTIVE && state != PQTRANS_UNKNOWN;
}

int pg_held_lost(const struct pg_held *held)
{
    const char *why = PQerrorMessage(held->conn);
    return ed_fail(ED_EUNCERTAIN, "connection to the database lost: %.*s",
                   (int)strcspn(why, "\n"), why);
}

int pg_held_wait(const struct pg_held *held)
{
    int err = pg_link_wait(held->link, false);
    if (err == ED_ECANCELED || err == ED_ETIMEOUT)
        return err;
    return !err && pg_consume(held->conn) ? 0 : pg_held_lost(held);
}

int pg_held_flush(const struct pg_held *held)
{
    int err = pg_link_flush(held->link);
    return err ? err : ed_checkpoint();
}

/* Whether the result says that its statement failed. */
static bool failed(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

/* A failure that libpq found by itself, such as a broken connection, has no
 * SQLSTATE. */
static int refused(const struct pg_held *held, const PGresult *result,
                   const struct pg_statement *statement)
{
    if (!PQresultErrorField(result, PG_DIAG_SQLSTATE))
        return pg_held_lost(held);
    const struct ed_pg_error *error =
        pg_error_of(ed_fiber_arena(), result, statement);
    if (error)
        return pg_error_set(error);
    return ed_fail(pg_error_code(PQresultErrorField(result, PG_DIAG_SQLSTATE)),
                   "%s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

int pg_held_result(const struct pg_held *held,
                   const struct pg_statement *statement, PGresult **result)
{
    int err = ed_checkpoint();
    *result = NULL;
    while (!err && PQisBusy(held->conn))
        err = pg_held_wait(held);
    /* A server that ends the connection says why before: libpq has it. */
    if (err && PQstatus(held->conn) != CONNECTION_BAD)
        return err;
    PGresult *r = PQgetResult(held->conn);
    if (!r)
        return err;
    if (!failed(r)) {
        *result = r;
        return 0;
    }
    err = refused(held, r, statement);
    PQclear(r);
    return err;
}

int pg_held_finish(const struct pg_held *held)
{
    int first = 0;
    for (;;) {
        PGresult *result;
        int err = pg_held_result(held, NULL, &result);
        if (!first)
            first = err;
        ExecStatusType status = PQresultStatus(result);
        bool last = !err && !result;
        if (last || ed_cancelled() || !pg_held_alive(held))
            return first;
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) {
            PQclear(result);
            return first ? first : ed_fail(ED_EUSAGE, "COPY among others");
        }
        PQclear(result);
    }
}

int64_t pg_result_affected(const PGresult *result)
{
    int64_t count;
    const char *text = PQcmdTuples((PGresult *)result);
    return ed_bytes_int(ed_bytes(text), &count) ? 0 : count;
}
