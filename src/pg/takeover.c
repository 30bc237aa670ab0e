/*
 * takeover.c - a link in one fiber's hands: for COPY, streams, scripts and
 * LISTEN, which pipelines cannot do.
 *
 * Owns the way there and back. Meanwhile nothing is watched in the loop: the
 * fiber waits for the socket itself, and finds out itself when it breaks.
 */
#include "pg/flight.h"

#include <eddy/log.h>

int pg_link_take_over(struct pg_link *link, PGconn **conn)
{
    if (!pg_link_open_for_calls(link) || link->load ||
        !PQexitPipelineMode(link->conn))
        return ed_fail(ED_EDATABASE, "PostgreSQL: the connection is not idle");
    pg_link_unwatch(link);
    link->taken = true;
    *conn = link->conn;
    return 0;
}

static bool is_idle(PGconn *conn)
{
    PGTransactionStatusType status = PQtransactionStatus(conn);
    return status != PQTRANS_ACTIVE && status != PQTRANS_UNKNOWN;
}

void pg_link_put_back(struct pg_link *link)
{
    link->taken = false;
    link->idle_since = ed_now();
    if (is_idle(link->conn) && PQenterPipelineMode(link->conn))
        pg_link_watch(link);
    else
        pg_link_break(link, PQerrorMessage(link->conn));
}

/* ---- waiting ---- */

static int gone(struct pg_link *link)
{
    const char *words = PQerrorMessage(link->conn);
    return ed_fail(ED_EUNCERTAIN, "PostgreSQL: %.*s", (int)strcspn(words, "\n"),
                   words);
}

int pg_link_wait(struct pg_link *link, bool writable)
{
    struct ed_op op = {.kind = writable ? ED_OP_WRITABLE : ED_OP_READABLE};
    return (int)ed_io_await(&link->io, &op, "PostgreSQL");
}

int pg_link_flush(struct pg_link *link)
{
    for (;;) {
        int left = PQflush(link->conn);
        if (left < 0)
            return gone(link);
        if (!left)
            return 0;
        /* A server that is writing itself reads when it has been read. */
        int err = pg_link_wait(link, true);
        if (err)
            return err;
        if (!pg_link_consume(link))
            return gone(link);
    }
}

int pg_link_result(struct pg_link *link, PGresult **result)
{
    *result = NULL;
    while (PQisBusy(link->conn)) {
        int err = pg_link_wait(link, false);
        if (err)
            return err;
        if (!pg_link_consume(link) && PQisBusy(link->conn))
            return gone(link);
    }
    *result = PQgetResult(link->conn);
    if (!*result || PQstatus(link->conn) != CONNECTION_BAD)
        return 0;
    PQclear(*result);
    *result = NULL;
    return gone(link);
}

/* ---- dropping work ---- */

static int drop_copy(struct pg_link *link)
{
    for (;;) {
        char *data;
        int n = PQgetCopyData(link->conn, &data, 1);
        if (n < 0)
            return 0;
        PQfreemem(data);
        if (n > 0)
            continue;
        int err = pg_link_wait(link, false);
        if (err)
            return err;
        if (!pg_link_consume(link))
            return gone(link);
    }
}

static int drop_result(struct pg_link *link, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (status == PGRES_COPY_OUT)
        return drop_copy(link);
    if (status == PGRES_COPY_IN && PQputCopyEnd(link->conn, "given up") < 0)
        return gone(link);
    return pg_link_flush(link);
}

static int drop_all(void *arg)
{
    struct pg_link *link = arg;
    if (PQtransactionStatus(link->conn) != PQTRANS_ACTIVE)
        return 0;
    int err = pg_cancel_request(link);
    PGresult *result = NULL;
    do {
        if (!err)
            err = pg_link_result(link, &result);
        if (!err && result)
            err = drop_result(link, result);
    } while (!err && result);
    return err;
}

static int drop_in_background(void *arg)
{
    struct pg_link *link = arg;
    link->dropping = ed_fiber_self();
    int err = link->closed ? ED_ECLOSED
                           : ed_with_timeout(link->goodbye, drop_all, link);
    link->dropping = NULL;
    if (!link->closed) {
        if (err)
            pg_link_break(link, "what it did could not be ended");
        else
            pg_link_put_back(link);
        if (!link->broken)
            link->owner->room(link);
    }
    pg_link_leave(link);
    return 0;
}

void pg_link_drop_work(struct pg_link *link)
{
    pg_link_enter(link);
    if (!ed_background(drop_in_background, link))
        return;
    pg_link_break(link, "what it did could not be ended");
    pg_link_leave(link);
}

void pg_takeover_forget(struct pg_link *link)
{
    if (link->dropping)
        ed_fiber_cancel(link->dropping, ED_ECANCELED);
}
