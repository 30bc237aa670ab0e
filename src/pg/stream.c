/*
 * stream.c - ed_pg_stream(): the rows of one statement, one by one.
 *
 * A stream holds a connection until its last row or its end. It reads from that
 * only while somebody asks for a row, so the server is kept waiting by TCP, and
 * what lies in memory is one row and libpq's buffer.
 */
#include "pg/held.h"
#include "pg/rows.h"
#include "pg/statement.h"

#include <stdlib.h>

struct stream {
    struct pg_rows_source source;
    struct pg_held held;
    struct pg_statement *statement;
    PGresult *first; /* came already, and is to be given next */
};

/* The last result has no row, and says only how many there were. */
static PGresult *next(struct pg_rows_source *source, int *err)
{
    struct stream *s = ED_CONTAINER(source, struct stream, source);
    PGresult *result = s->first;
    s->first = NULL;
    *err = 0;
    if (!result)
        *err = pg_held_result(&s->held, s->statement, &result);
    if (!result || PQntuples(result))
        return result;
    PQclear(result);
    *err = pg_held_finish(&s->held);
    return NULL;
}

static void close_stream(struct pg_rows_source *source)
{
    struct stream *s = ED_CONTAINER(source, struct stream, source);
    PQclear(s->first);
    pg_let_go(&s->held);
    pg_statement_release(s->statement);
    free(s);
}

static int send_statement(struct stream *s, const struct pg_params *p)
{
    PGconn *conn = s->held.conn;
    if (!PQsendQueryParams(conn, s->statement->sql->text.ptr, p->count,
                           p->types, p->values, p->lengths, p->formats, 0) ||
        !PQsetSingleRowMode(conn))
        return pg_held_lost(&s->held);
    return pg_held_flush(&s->held);
}

/* Puts the parameters in their places and writes them down. */
static int encode(const struct pg_statement *statement, struct pg_params *out,
                  const struct ed_pg_param *params)
{
    const struct ed_pg_query_options *options = NULL;
    struct ed_pg_value *values =
        calloc(statement->sql->param_count + 1, sizeof *values);
    if (!values)
        return ED_ENOMEM;
    int err = pg_statement_check_single(statement);
    if (!err)
        err = pg_statement_bind(statement, params, values, &options);
    if (!err)
        err = pg_encode(out, values, statement->sql->param_count);
    free(values);
    return err;
}

/* Runs the statement up to its first result, which tells whether it works at
 * all, and what its columns are. */
static int begin(struct stream *s, ed_pg *db, const struct ed_pg_param *params)
{
    struct pg_params encoded = {0};
    int err = encode(s->statement, &encoded, params);
    if (err)
        (void)pg_error_set(NULL);
    else
        err = pg_hold(&s->held, db);
    if (!err)
        err = send_statement(s, &encoded);
    pg_params_free(&encoded);
    if (!err)
        err = pg_held_result(&s->held, s->statement, &s->first);
    if (err)
        return err;
    switch (PQresultStatus(s->first)) {
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
        return ed_fail(ED_EUSAGE, "COPY has functions of its own: "
                                  "ed_pg_copy_in() and ed_pg_copy_out()");
    default:
        return 0;
    }
}

int ed_pg_stream_(ed_pg *db, ed_rows **rows, const char *sql,
                  const struct ed_pg_param *params)
{
    *rows = NULL;
    struct stream *s = calloc(1, sizeof *s);
    if (!s)
        return ED_ENOMEM;
    s->source = (struct pg_rows_source){next, close_stream};
    int err = pg_statement_get(pg_pool_statements(pg_pool_of(db)), sql,
                               &s->statement);
    if (err) {
        (void)pg_error_set(NULL);
        free(s);
        return err;
    }
    err = begin(s, db, params);
    if (!err)
        err = pg_rows_stream(rows, ed_fiber_arena(), &s->source);
    if (err)
        close_stream(&s->source);
    return err;
}
