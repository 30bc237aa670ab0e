/*
 * pgbouncer.h - a pgbouncer of a test's own, in front of its PostgreSQL.
 *
 *     struct pgbouncer *b = pgbouncer_start(server, (const char *[]){
 *         "default_pool_size=3", NULL });
 *     ...ed_pg_new(.dsn = pgbouncer_dsn(b))...
 *     pgbouncer_stop(b);
 *
 * It pools by transaction unless a setting says otherwise. Where none is
 * installed pgbouncer_start() ends the test program as skipped. What fails here
 * ends it with a message. Blocks the thread.
 */
#ifndef EDDY_TESTS_PGBOUNCER_H
#define EDDY_TESTS_PGBOUNCER_H

#include "pg_server.h"

struct pgbouncer;

/* `settings` are NAME=VALUE of the section [pgbouncer], ended by NULL; NULL:
 * none. */
struct pgbouncer *pgbouncer_start(const struct pg_server *server,
                                  const char *const *settings);

/* NULL is let be. */
void pgbouncer_stop(struct pgbouncer *b);

const char *pgbouncer_dsn(const struct pgbouncer *b);

#endif
