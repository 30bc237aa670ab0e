/*
 * error.c - what a server says when it refuses: which error of ours an SQLSTATE
 * is, and the detail that ed_pg_error() gives.
 *
 * Owns the table of SQLSTATEs. The detail lies in the arena of whoever asked,
 * and is remembered by the fiber until its next failure.
 */
#include "pg/error.h"

#include <string.h>

/* Whole states before the classes they belong to: the first that fits wins. */
static const struct {
    char state[6];
    int err;
} codes[] = {
    {"23502", ED_EVALUE},      /* not null */
    {"23514", ED_EVALUE},      /* check */
    {"23505", ED_ECONSTRAINT}, /* unique */
    {"23503", ED_ECONSTRAINT}, /* foreign key */
    {"23P01", ED_ECONSTRAINT}, /* exclusion */
    {"23001", ED_ECONSTRAINT}, /* restrict */
    {"22", ED_EVALUE},         /* data exceptions */
    {"40", ED_ESERIAL},        /* serialization, deadlock */
    {"55P03", ED_ESERIAL},     /* lock not available */
    {"42501", ED_EFORBIDDEN},  /* privileges */
    {"P0001", ED_EBADREQ},     /* raise in a function */
    {"57014", ED_ETIMEOUT},    /* cancelled, statement_timeout */
    {"08", ED_EDATABASE},      /* connection */
    {"53", ED_EDATABASE},      /* out of connections, disk, memory */
    {"57P01", ED_EDATABASE},   /* shut down by an administrator */
    {"57P02", ED_EDATABASE},   /* crash */
    {"57P03", ED_EDATABASE},   /* starting up, shutting down */
    {"28", ED_EDATABASE},      /* not authorized to connect */
    {"3D000", ED_EDATABASE},   /* no such database */
};

int pg_error_code(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (!strncmp(sqlstate, codes[i].state, strlen(codes[i].state)))
            return codes[i].err;
    }
    return ED_ESQL;
}

/* What the fiber's texts need besides the public part. */
struct known {
    struct ed_pg_error error;
    const char *statement; /* its beginning; "" when unknown */
};

enum { STATEMENT_SHOWN = 48 };

static const char *field(ed_arena *arena, const PGresult *result, int code)
{
    const char *text = PQresultErrorField(result, code);
    return text && *text ? ed_arena_copy(arena, ed_bytes(text)) : "";
}

static unsigned position_of(const PGresult *result,
                            const struct pg_statement *statement)
{
    const char *text = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    int64_t position;
    if (!text || ed_bytes_int(ed_bytes(text), &position) || position < 1 ||
        position > INT32_MAX)
        return 0;
    if (!statement)
        return (unsigned)position;
    return (unsigned)ed_sql_position(statement->sql, statement->source,
                                     (size_t)position);
}

static bool complete(const struct known *k)
{
    const struct ed_pg_error *e = &k->error;
    return e->severity && e->message && e->detail && e->hint && e->context &&
           e->schema && e->table && e->column && e->type && e->constraint &&
           k->statement;
}

struct ed_pg_error *pg_error_of(ed_arena *arena, const PGresult *result,
                                const struct pg_statement *statement)
{
    struct known *k = ed_arena_alloc(arena, sizeof *k);
    if (!k)
        return NULL;
    *k = (struct known){
        .error =
            {
                .severity = field(arena, result, PG_DIAG_SEVERITY_NONLOCALIZED),
                .message = field(arena, result, PG_DIAG_MESSAGE_PRIMARY),
                .detail = field(arena, result, PG_DIAG_MESSAGE_DETAIL),
                .hint = field(arena, result, PG_DIAG_MESSAGE_HINT),
                .context = field(arena, result, PG_DIAG_CONTEXT),
                .schema = field(arena, result, PG_DIAG_SCHEMA_NAME),
                .table = field(arena, result, PG_DIAG_TABLE_NAME),
                .column = field(arena, result, PG_DIAG_COLUMN_NAME),
                .type = field(arena, result, PG_DIAG_DATATYPE_NAME),
                .constraint = field(arena, result, PG_DIAG_CONSTRAINT_NAME),
                .position = position_of(result, statement),
            },
        .statement = "",
    };
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state && strlen(state) < sizeof k->error.sqlstate)
        memcpy(k->error.sqlstate, state, strlen(state) + 1);
    if (statement) {
        char text[STATEMENT_SHOWN];
        k->statement = ed_arena_copy(
            arena, ed_bytes(pg_statement_text(statement, text, sizeof text)));
    }
    return complete(k) ? &k->error : NULL;
}

/* ---- the fiber's last ---- */

static const struct ed_pg_error nothing = {
    .severity = "",
    .message = "",
    .detail = "",
    .hint = "",
    .context = "",
    .schema = "",
    .table = "",
    .column = "",
    .type = "",
    .constraint = "",
};

static struct ed_local last_error;

int pg_error_set(const struct ed_pg_error *error)
{
    /* Without memory for the fiber's note the detail is lost, not the error. */
    if (error || ed_local_get(&last_error))
        (void)!ed_local_set(&last_error, (void *)error);
    if (!error)
        return 0;
    const struct known *k = ED_CONTAINER(error, struct known, error);
    return ed_fail(pg_error_code(error->sqlstate), "%s%s%s (%s)", k->statement,
                   *k->statement ? ": " : "", error->message, error->sqlstate);
}

const struct ed_pg_error *ed_pg_error(void)
{
    const struct ed_pg_error *error = ed_local_get(&last_error);
    return error ? error : &nothing;
}
