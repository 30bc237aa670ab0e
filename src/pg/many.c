/*
 * many.c - ed_pg_exec_many(): one statement, many sets of parameters, all or
 * nothing.
 *
 * Everything is one pipeline with one sync behind it, which makes it one
 * implicit transaction. Sets are sent while the results of earlier ones come:
 * whenever something has to wait to be sent, what has come is read, so that the
 * server never waits for us while we wait for it, and neither what is unsent
 * nor what is unread grows.
 */
#include "pg/held.h"
#include "pg/statement.h"

#include <limits.h>
#include <stdlib.h>

/* What may wait in libpq until it is seen to that it goes out: some packets. */
#define UNSENT_MAX ((size_t)32 * 1024)

/* What goes before the sets, and behind them to keep or to undo them. A
 * transaction that is the caller's is not ours to end, so a savepoint stands
 * for it. An implicit one cannot be rolled back (that is, without a warning)
 * until it is made explicit. */
struct frame {
    const char *before, *keep, *undo[2]; /* NULL: nothing */
};
static const struct frame alone = {NULL, NULL, {"begin", "rollback"}};
static const struct frame within = {
    "savepoint ed_many",
    "release ed_many",
    {"rollback to ed_many", "release ed_many"},
};

struct many {
    struct pg_held held;
    struct pg_statement *statement;
    const struct frame *frame;
    struct pg_params params;
    struct ed_pg_value *values;
    Oid *types; /* the statement is prepared with */
    bool prepared;
    size_t unsent; /* since it was last seen to, about */

    size_t under_way; /* commands whose results have not all come */
    size_t answered;  /* commands with a tag of their own that have */
    bool synced;      /* the end has come */
    int64_t affected;
    int err; /* the server's first refusal */
};

/* ---- what comes back ---- */

/* Says which set it was; the savepoint before them is none. */
static int name_set(const struct many *m, size_t count, int err)
{
    size_t index = m->answered - (m->frame->before != NULL);
    return index < count ? ed_fail(err, "set %zu: %s", index, ed_error()) : err;
}

static int take(struct many *m, const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        m->synced = true;
        return 0;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
        return ed_fail(ED_EUSAGE, "COPY has functions of its own: "
                                  "ed_pg_copy_in() and ed_pg_copy_out()");
    case PGRES_PIPELINE_ABORTED:
        return 0;
    default:
        /* A statement that was prepared has no tag. */
        m->answered += *PQcmdStatus((PGresult *)result) != '\0';
        m->affected += pg_result_affected(result);
        return 0;
    }
}

/* Takes the next result, waiting for it. 0, also when the server refused
 * something (m->err), or why it cannot go on. */
static int take_next(struct many *m, size_t count)
{
    PGresult *result;
    int err = pg_held_result(&m->held, m->statement, &result);
    if (err && (ed_cancelled() || !pg_held_alive(&m->held)))
        return err;
    if (err) {
        if (!m->err)
            m->err = name_set(m, count, err);
        return 0;
    }
    if (!result) {
        m->under_way -= m->under_way > 0;
        return 0;
    }
    err = take(m, result);
    PQclear(result);
    return err;
}

/* Sees that everything goes out, and takes the results that are there. */
static int relieve(struct many *m, size_t count)
{
    int err = pg_held_flush(&m->held);
    m->unsent = 0;
    if (!err && !pg_consume(m->held.conn))
        err = pg_held_lost(&m->held);
    while (!err && m->under_way && !PQisBusy(m->held.conn))
        err = take_next(m, count);
    return err;
}

/* ---- what is sent ---- */

static int sent(struct many *m, int success, size_t bytes)
{
    m->under_way++;
    m->unsent += bytes;
    return success ? 0 : pg_held_lost(&m->held);
}

static int send_text(struct many *m, const char *sql)
{
    if (!sql)
        return 0;
    int ok = PQsendQueryParams(m->held.conn, sql, 0, NULL, NULL, NULL, NULL, 0);
    return sent(m, ok, strlen(sql));
}

/* Whether the set says a type that was not said before: what is binary must not
 * be taken for another type. */
static bool says_more(const struct many *m)
{
    for (int i = 0; i < m->params.count; i++) {
        if (m->params.types[i] && m->params.types[i] != m->types[i])
            return true;
    }
    return false;
}

static int send_prepare(struct many *m)
{
    const struct pg_params *p = &m->params;
    struct ed_bytes text = m->statement->sql->text;
    if (p->count)
        memcpy(m->types, p->types, (size_t)p->count * sizeof *m->types);
    m->prepared = true;
    int ok = PQsendPrepare(m->held.conn, "", text.ptr, p->count, p->types);
    return sent(m, ok, text.len);
}

static int send_set(struct many *m)
{
    const struct pg_params *p = &m->params;
    int err = pg_encode(&m->params, m->values, m->statement->sql->param_count);
    if (!err && (!m->prepared || says_more(m)))
        err = send_prepare(m);
    if (err)
        return err;
    size_t bytes = 64; /* the messages around them */
    for (int i = 0; i < p->count; i++)
        bytes += (size_t)p->lengths[i] + 8;
    int ok = PQsendQueryPrepared(m->held.conn, "", p->count, p->values,
                                 p->lengths, p->formats, 0);
    return sent(m, ok, bytes);
}

static int send_undo(struct many *m)
{
    int err = send_text(m, m->frame->undo[0]);
    return err ? err : send_text(m, m->frame->undo[1]);
}

/* Sends all sets, or up to the first that the server is known to have refused.
 * Returns what `next`, or a value, fails with, too. */
static int send_sets(struct many *m, size_t count, ed_pg_next_fn *next,
                     void *arg)
{
    for (size_t i = 0; i < count && !m->err; i++) {
        int err = next(arg, i, m->values);
        if (err < 0)
            return err;
        err = send_set(m);
        if (!err && m->unsent >= UNSENT_MAX)
            err = relieve(m, count);
        if (err)
            return err;
    }
    return 0;
}

/* ---- the whole ---- */

static int end_pipeline(struct many *m, size_t count)
{
    if (!PQpipelineSync(m->held.conn))
        return pg_held_lost(&m->held);
    int err = pg_held_flush(&m->held);
    while (!err && !m->synced)
        err = take_next(m, count);
    if (!err && !PQexitPipelineMode(m->held.conn))
        err = pg_held_lost(&m->held);
    return err;
}

static int run(struct many *m, size_t count, ed_pg_next_fn *next, void *arg)
{
    bool open = PQtransactionStatus(m->held.conn) != PQTRANS_IDLE;
    m->frame = open ? &within : &alone;
    if (!PQenterPipelineMode(m->held.conn))
        return pg_held_lost(&m->held);
    int err = send_text(m, m->frame->before);
    if (!err)
        err = send_sets(m, count, next, arg);
    char why[256];
    snprintf(why, sizeof why, "%s", ed_error_of(err));

    /* Whatever happens to the connection from here on: what was sent so far
     * must not be kept by the sync behind it. */
    int sending = err ? send_undo(m) : send_text(m, m->frame->keep);
    int ending = sending ? sending : end_pipeline(m, count);
    if (m->err || !err)
        return m->err ? m->err : ending;
    return *why ? ed_fail(err, "%s", why) : err;
}

static int get_ready(struct many *m, ed_pg *db, const char *sql, size_t width)
{
    int err = pg_statement_get(pg_pool_statements(pg_pool_of(db)), sql,
                               &m->statement);
    if (err)
        return err;
    err = pg_statement_check_single(m->statement);
    if (err)
        return err;
    size_t needed = m->statement->sql->param_count;
    if (width != needed)
        return ed_fail(ED_EUSAGE,
                       "a set has %zu values, the statement %zu "
                       "parameters",
                       width, needed);
    m->values = calloc(width + 1, sizeof *m->values);
    m->types = calloc(width + 1, sizeof *m->types);
    if (!m->values || !m->types)
        return ED_ENOMEM;
    return pg_hold(&m->held, db);
}

int ed_pg_exec_many(ed_pg *db, const char *sql, size_t width, size_t count,
                    ed_pg_next_fn *next, void *arg)
{
    struct many m = {0};
    int err = get_ready(&m, db, sql, width);
    if (err)
        (void)pg_error_set(NULL);
    else
        err = run(&m, count, next, arg);
    pg_let_go(&m.held);
    if (m.statement)
        pg_statement_release(m.statement);
    pg_params_free(&m.params);
    free(m.values);
    free(m.types);
    if (err)
        return err;
    return m.affected < INT_MAX ? (int)m.affected : INT_MAX;
}
