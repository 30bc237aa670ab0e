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

/* libpq keeps the single-row mode of a stream for the first statement of the
 * pipeline behind it. Beginning a statement outside of one ends the mode, even
 * if it is refused for having no text. */
static void end_single_rows(PGconn *conn)
{
    if (PQpipelineStatus(conn) == PQ_PIPELINE_OFF)
        (void)PQsendQueryParams(conn, NULL, 0, NULL, NULL, NULL, NULL, 0);
}

void pg_link_put_back(struct pg_link *link)
{
    link->taken = false;
    link->idle_since = ed_now();
    pg_flight_hear_state(link);
    bool idle = is_idle(link->conn);
    if (idle)
        end_single_rows(link->conn);
    if (idle && PQenterPipelineMode(link->conn))
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

/* A wait for both directions at once. */
struct either {
    ed_fiber *fiber;
    struct ed_io *io;
    struct ed_op in, out;
};

static bool stop_either(void *arg)
{
    struct either *e = arg;
    ed_io_stop(e->io, &e->in);
    ed_io_stop(e->io, &e->out);
    return true;
}

static void either_done(struct ed_op *op, ssize_t result)
{
    struct either *e = op->user;
    stop_either(e);
    ed_wake(e->fiber, (int)result);
}

static int wait_either(struct ed_io *io)
{
    struct either e = {
        .fiber = ed_fiber_self(),
        .io = io,
        .in = {.kind = ED_OP_READABLE, .done = either_done, .user = &e},
        .out = {.kind = ED_OP_WRITABLE, .done = either_done, .user = &e},
    };
    int cancelled = ed_checkpoint();
    if (cancelled)
        return cancelled;
    ssize_t n = ed_io_start(io, &e.out);
    if (n == ED_IO_PENDING)
        n = ed_io_start(io, &e.in);
    if (n == ED_IO_PENDING)
        return ed_park("PostgreSQL", stop_either, &e);
    stop_either(&e);
    return (int)n;
}

/* A server that writes itself may not read until it has been read. */
int pg_link_wait(struct pg_link *link, bool writable)
{
    struct ed_op op = {.kind = ED_OP_READABLE};
    return writable ? wait_either(&link->io)
                    : (int)ed_io_await(&link->io, &op, "PostgreSQL");
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
        if (!pg_consume(link->conn))
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
        if (!pg_consume(link->conn) && PQisBusy(link->conn))
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

static int drop_copy_out(struct pg_link *link)
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
        if (!pg_consume(link->conn))
            return gone(link);
    }
}

/* By the extended protocol libpq sends a sync behind the statement and another
 * behind the data; a server that gives up early answers both, of which only one
 * is waited for. An answer that comes before that to a question tells. */
static int check_in_step(struct pg_link *link)
{
    PGresult *result;
    if (!PQsendQuery(link->conn, ""))
        return gone(link);
    int err = pg_link_flush(link);
    if (!err)
        err = pg_link_result(link, &result);
    if (err)
        return err;
    bool answered = PQresultStatus(result) == PGRES_EMPTY_QUERY;
    PQclear(result);
    if (!answered)
        return ED_EPROTO;
    err = pg_link_result(link, &result);
    if (err || !result)
        return err;
    PQclear(result);
    return ED_EPROTO;
}

static int drop_copy_in(struct pg_link *link)
{
    if (PQpipelineStatus(link->conn) != PQ_PIPELINE_OFF)
        return ED_EPROTO;
    if (PQputCopyEnd(link->conn, "given up") < 0)
        return gone(link);
    return pg_link_flush(link);
}

/* How far dropping has come: it can be interrupted. */
struct drop {
    bool copied;  /* something was to be copied in */
    bool nothing; /* the last result was none */
};

/* Reads and drops up to the end, which is NULL, or in a pipeline the result of
 * the sync behind it, while NULL parts what its statements give. A pipeline
 * without any has nothing twice in a row. */
static int drop_results(struct pg_link *link, struct drop *d)
{
    bool pipeline = PQpipelineStatus(link->conn) != PQ_PIPELINE_OFF;
    for (;;) {
        PGresult *result;
        int err = pg_link_result(link, &result);
        if (err)
            return err;
        if (!result && (!pipeline || d->nothing))
            return 0;
        d->nothing = !result;
        ExecStatusType status = PQresultStatus(result);
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC)
            return PQexitPipelineMode(link->conn) ? 0 : gone(link);
        d->copied |= status == PGRES_COPY_IN;
        if (status == PGRES_COPY_IN)
            err = drop_copy_in(link);
        else if (status == PGRES_COPY_OUT)
            err = drop_copy_out(link);
        if (err)
            return err;
    }
}

static bool is_active(struct pg_link *link)
{
    return PQtransactionStatus(link->conn) == PQTRANS_ACTIVE;
}

static int drop_within(struct pg_link *link, struct drop *d, int64_t within)
{
    ed_scope(s, .within = within);
    (void)s;
    int err = pg_link_flush(link);
    return err ? err : drop_results(link, d);
}

/* A request that arrives before the statement hits nothing, and is repeated. */
static int drop_all(struct pg_link *link)
{
    struct drop d = {0};
    int err = is_active(link) ? ED_ETIMEOUT : 0;
    link->pause = PG_CANCEL_AGAIN;
    link->asked_to_cancel = false;
    for (; err == ED_ETIMEOUT; link->pause *= 2) {
        err = pg_cancel_request(link, is_active);
        if (!err)
            err = drop_within(link, &d, link->pause);
    }
    return !err && d.copied ? check_in_step(link) : err;
}

static int drop_in_background(void *arg)
{
    struct pg_link *link = arg;
    link->dropping = ed_fiber_self();
    int err = link->closed ? ED_ECLOSED : drop_all(link);
    link->dropping = NULL;
    if (!link->closed && !link->broken) {
        pg_cancel_ended(link);
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
    int err = pg_cancel_patience(link);
    pg_link_enter(link);
    if (!err)
        err = ed_background(drop_in_background, link);
    if (!err)
        return;
    pg_link_break(link, "what it did could not be ended");
    pg_link_leave(link);
}

void pg_takeover_forget(struct pg_link *link)
{
    pg_cancel_ended(link);
    if (link->dropping)
        ed_fiber_cancel(link->dropping, ED_ECANCELED);
}
