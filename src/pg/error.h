/*
 * error.h - what a server says when it refuses, as an error of ours.
 */
#ifndef EDDY_PG_ERROR_H
#define EDDY_PG_ERROR_H

#include "pg/statement.h"
#include <eddy/arena.h>
#include <eddy/pg.h>
#include <libpq-fe.h>

/* The error of an SQLSTATE, by the table in docs/pg.md. */
int pg_error_code(const char *sqlstate);

/* Copies a failed result's fields into the arena; NULL: no memory. `statement`
 * is named in ed_error(), and `position` is moved to where the program wrote
 * it; NULL: as is. Does not suspend. */
struct ed_pg_error *pg_error_of(ed_arena *arena, const PGresult *result,
                                const struct pg_statement *statement);

/* Makes `error`, of pg_error_of(), the fiber's ed_pg_error() (NULL: none), and
 * its text ed_error(). Returns the code, 0 for NULL. In a fiber. */
int pg_error_set(const struct ed_pg_error *error);

#endif
