/*
 * pg_server.h - a PostgreSQL of a test's own, on a unix socket.
 *
 *     struct pg_server *db = pg_server_start(
 *         (const char *[]){ "max_connections=20", NULL });
 *     ...ed_pg_open(pg_server_dsn(db))...
 *     pg_server_kill(db);
 *     pg_server_restart(db);
 *     pg_server_stop(db);
 *
 * A start takes some tenths of a second, an end much less; a test file may
 * well have one server for all its tests. The user is postgres, a superuser,
 * and everybody is trusted (pg_server_write() replaces pg_hba.conf). The server
 * has what makes it quick and small, such as fsync=off, autovacuum=off,
 * shared_buffers=2MB and wal_level=minimal; settings of the test win.
 *
 * Where no PostgreSQL is installed pg_server_start() ends the test program as
 * skipped. What fails here ends it with a message. Blocks the thread.
 */
#ifndef EDDY_TESTS_PG_SERVER_H
#define EDDY_TESTS_PG_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct pg_server;

/* `settings` are NAME=VALUE as in postgresql.conf but without quotes, ended by
 * NULL; NULL: none. With "listen_addresses=127.0.0.1" it also listens on a free
 * TCP port. */
struct pg_server *pg_server_start(const char *const *settings);

/* Ends the server and removes all it had. NULL is let be. */
void pg_server_stop(struct pg_server *s);

/* For libpq: "host=FOLDER port=N user=postgres dbname=postgres". */
const char *pg_server_dsn(const struct pg_server *s);

/* The same by "host=127.0.0.1", if the server listens there. */
const char *pg_server_tcp_dsn(const struct pg_server *s);

int pg_server_port(const struct pg_server *s);
/* The folder of the unix socket; its name there is ".s.PGSQL.PORT". */
const char *pg_server_folder(const struct pg_server *s);
pid_t pg_server_pid(const struct pg_server *s);       /* 0: it does not run */
const char *pg_server_log(const struct pg_server *s); /* a file's path */

/* kill -9 for the server and all who serve a client, at one moment. */
void pg_server_kill(struct pg_server *s);

/* Ends the server as an administrator does: clients are told 57P01. */
void pg_server_halt(struct pg_server *s);

/* Halts the server if it runs, and starts it again with the same folder,
 * settings and port. After a kill it recovers what was committed. */
void pg_server_restart(struct pg_server *s);

/* Runs statements on a connection of its own, as psql -c. The first value of
 * the last result, "" if there is none; valid until the next call. */
const char *pg_server_psql(struct pg_server *s, const char *sql);

/* Writes a file of the data folder, such as pg_hba.conf or server.key; the
 * server reads most of them at pg_server_reload(). */
void pg_server_write(struct pg_server *s, const char *name, const char *text);
void pg_server_reload(struct pg_server *s);

#endif
