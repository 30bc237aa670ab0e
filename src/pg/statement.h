/*
 * statement.h - statements a pool has met: compiled once, prepared on each link
 * when first used there.
 *
 * A pool's table finds a statement by its text. The name a statement has on
 * servers is a digest of its text and types, so that two programs behind one
 * pooler never mean different things by one name.
 */
#ifndef EDDY_PG_STATEMENT_H
#define EDDY_PG_STATEMENT_H

#include "base/list.h"
#include "wire/sql_names.h"
#include <eddy/pg_value.h>
#include <libpq-fe.h>

struct pg_statement {
    struct ed_list node;    /* in the table, the most recently used first */
    unsigned references;    /* the table's, calls', links' */
    struct ed_bytes source; /* as the program wrote it */
    uint64_t hash;
    struct ed_sql *sql;
    char name[36];  /* on servers; "" : it is never prepared (statements < 0) */
    bool described; /* the next is known */
    bool binary;    /* ask for its results in binary */
};

/* A pool's statements, and whether they are prepared at all. */
struct pg_statements {
    struct ed_list recent;
    struct pg_statement **slots; /* by hash */
    size_t slot_count, count;
    size_t most;      /* kept here; those in use stay anyway */
    int per_link;     /* prepared on one link; <= 0: none */
    int64_t lifetime; /* of a prepared one */
};

ED_CHECK int pg_statements_init(struct pg_statements *table, int per_link,
                                int64_t lifetime);
void pg_statements_free(struct pg_statements *table);

/* Finds or makes a statement; *out holds a reference for the caller. 0,
 * ED_ENOMEM, or ED_EUSAGE with ed_error() naming line and column of what is
 * wrong. Does not suspend. */
ED_CHECK int pg_statement_get(struct pg_statements *table, const char *sql,
                              struct pg_statement **out);
void pg_statement_release(struct pg_statement *statement);

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

#endif
