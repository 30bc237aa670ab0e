/*
 * statement.h - statements a pool has met: compiled once, prepared on each link
 * when first used there.
 *
 * A pool's table finds a statement by its text. What is prepared on servers is
 * a plan: a statement with the types of its parameters, as far as they are
 * said. A plan's name there is a digest of both, so that two programs behind
 * one pooler never mean different things by one name.
 *
 * Nothing here suspends. A table belongs to one thread.
 */
#ifndef EDDY_PG_STATEMENT_H
#define EDDY_PG_STATEMENT_H

#include "base/list.h"
#include "pg/encode.h"
#include "wire/sql_names.h"
#include <eddy/pg_value.h>
#include <libpq-fe.h>

struct pg_call;
struct pg_statements;

/* "ed_", 128 bits in hexadecimal, and the NUL. */
#define PG_PLAN_NAME 36

struct pg_plan {
    struct pg_plan *next;           /* of the same statement */
    struct pg_statement *statement; /* no reference: it is a part of it */
    char name[PG_PLAN_NAME];
    bool binary; /* its last result would have been better had in binary: for
                    links that do not prepare it */
    Oid types[]; /* of the parameters; 0: inferred */
};

struct pg_statement {
    struct ed_list node;         /* in the table, the latest used first */
    struct pg_statement *chain;  /* in the table's slot */
    struct pg_statements *table; /* NULL: in none (any more) */
    unsigned references;         /* the table's, calls', links' */
    struct ed_bytes source;      /* as the program wrote it; NUL-terminated */
    uint64_t hash;
    struct ed_sql *sql;
    bool commits; /* CALL, DO: may do so on the way, and fail after it */
    struct pg_plan *plans; /* nearly always one */
    struct pg_call *spare; /* calls of it that ended, for its next ones */
    unsigned spare_count;
};

/* What links of one pool have done: added up here since all know the table. */
struct pg_link_counts {
    uint64_t batches;   /* syncs that read-only statements shared */
    uint64_t resent;    /* calls sent again since they had not been run */
    uint64_t prepared;  /* plans, on some link */
    uint64_t cancelled; /* cancel requests made */
};

/* Texts of which a table remembers where they lay: a program's statements are
 * nearly all literals, and these have few. */
enum { PG_STATEMENT_ADDRESSES = 64 };

/* A pool's statements, and whether they are prepared at all. */
struct pg_statements {
    /* By the address of the text they were last asked for with: comparing texts
     * costs a tenth of hashing them. NULL, or in the table. */
    struct pg_statement *by_address[PG_STATEMENT_ADDRESSES];
    struct ed_list recent;
    struct pg_statement **slots; /* by hash */
    size_t slot_count, count;
    size_t most;      /* kept here; those in use stay anyway */
    int per_link;     /* prepared on one link; <= 0: none */
    int64_t lifetime; /* of a prepared one */
    unsigned mishaps; /* names that were not as they had been left */
    struct pg_link_counts counts;
};

ED_CHECK int pg_statements_init(struct pg_statements *table, int per_link,
                                int64_t lifetime);

/* Statements that calls or links still hold live on by themselves. */
void pg_statements_free(struct pg_statements *table);

/* Finds or makes a statement; *out holds a reference for the caller. 0,
 * ED_ENOMEM, or ED_EUSAGE with ed_error() naming line and column of what is
 * wrong. */
ED_CHECK int pg_statement_get(struct pg_statements *table, const char *sql,
                              struct pg_statement **out);
void pg_statement_release(struct pg_statement *statement);

/* 0, or ED_EUSAGE with ed_error(): the text holds several. */
ED_CHECK int pg_statement_check_single(const struct pg_statement *statement);

/* The plan for such parameters; a null fits any type. It lives as long as the
 * statement. 0 or ED_ENOMEM. */
ED_CHECK int pg_statement_plan(struct pg_statement *statement,
                               const struct pg_params *params,
                               struct pg_plan **out);

/* Whether the plan is worth a name on servers: not when its text is so long
 * that it was surely made up for one use. */
bool pg_plan_named(const struct pg_plan *plan);

/*
 * Puts the parameters given in the order of their numbers, into `values`, which
 * has room for statement->sql->param_count; options among them into *options
 * (unchanged if there are none). 0, or ED_EUSAGE with ed_error() naming what is
 * missing, unknown, given twice, or mixed.
 */
ED_CHECK int pg_statement_bind(const struct pg_statement *statement,
                               const struct ed_pg_param *params,
                               struct ed_pg_value *values,
                               const struct ed_pg_query_options **options);

/* The statement's beginning as one line, for messages; cut at `size`. Returns
 * `out`. */
char *pg_statement_text(const struct pg_statement *statement, char *out,
                        size_t size);

#endif
