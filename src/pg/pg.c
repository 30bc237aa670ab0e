/*
 * pg.c - the public ways to run one statement.
 *
 * Owns nothing: finds the statement, puts the parameters in their places, has
 * it run, and hands out what came of it.
 */
#include "pg/error.h"
#include "pg/run.h"

#include <limits.h>
#include <stdlib.h>

/* Of more parameters than that, the values lie in the heap. */
enum { VALUES_INLINE = 16 };

struct bound {
    struct pg_job job;
    struct ed_pg_value few[VALUES_INLINE];
    struct ed_pg_value *many;
};

static int bind(struct bound *b, const struct ed_pg_param *params)
{
    static const struct ed_pg_query_options none;
    const struct ed_pg_query_options *options = &none;
    unsigned count = b->job.statement->sql->param_count;
    struct ed_pg_value *values = b->few;

    if (count > VALUES_INLINE)
        values = b->many = calloc(count, sizeof *values);
    if (!values)
        return ED_ENOMEM;
    int err = pg_statement_bind(b->job.statement, params, values, &options);
    b->job.values = values;
    b->job.read_only = options->read_only;
    b->job.idempotent = options->idempotent;
    return err;
}

/* On success the caller releases *out. */
static int run_bound(ed_pg *db, struct bound *b,
                     const struct ed_pg_param *params, struct pg_call **out)
{
    int err = pg_statement_check_single(b->job.statement);

    if (!err)
        err = bind(b, params);
    if (err) {
        (void)pg_error_set(NULL);
        return err;
    }
    return pg_run(db, &b->job, out);
}

static int run(ed_pg *db, const char *sql, const struct ed_pg_param *params,
               bool no_rows, struct pg_call **out)
{
    struct bound b;
    struct pg_statement *statement;
    int err = pg_pool_enter(db->pool);

    if (!err)
        err = pg_statement_get(&db->pool->statements, sql, &statement);
    if (err) {
        (void)pg_error_set(NULL);
        return err;
    }
    b.job = (struct pg_job){
        .statement = statement,
        .arena = ed_fiber_arena(),
        .no_rows = no_rows,
    };
    b.many = NULL;
    err = run_bound(db, &b, params, out);
    free(b.many);
    pg_statement_release(statement);
    return err;
}

int ed_pg_query_(ed_pg *db, ed_rows **rows, const char *sql,
                 const struct ed_pg_param *params)
{
    struct pg_call *call;
    int err = run(db, sql, params, false, &call);

    *rows = NULL;
    if (err)
        return err;
    *rows = call->rows;
    pg_call_release(call);
    return 0;
}

int ed_pg_row_(ed_pg *db, ed_rows **rows, const char *sql,
               const struct ed_pg_param *params)
{
    int err = ed_pg_query_(db, rows, sql, params);

    if (err || (ed_rows_count(*rows) == 1 && ed_rows_next(*rows)))
        return err;
    size_t count = ed_rows_count(*rows);
    *rows = NULL;
    if (!count)
        return ed_fail(ED_ENOTFOUND, "no row found");
    return ed_fail(ED_EUSAGE, "%zu rows where one was asked for", count);
}

int ed_pg_exec_(ed_pg *db, const char *sql, const struct ed_pg_param *params)
{
    struct pg_call *call;
    int err = run(db, sql, params, true, &call);

    if (err)
        return err;
    int affected = call->affected < INT_MAX ? (int)call->affected : INT_MAX;
    pg_call_release(call);
    return affected;
}
