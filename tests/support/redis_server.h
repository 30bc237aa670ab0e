/*
 * redis_server.h - a Redis of a test's own, on a unix socket and a free port.
 *
 *     struct redis_server *r = redis_server_start(
 *         (const char *[]){ "requirepass secret", "maxmemory 10mb", NULL });
 *     ...redis_server_socket(r), redis_server_port(r)...
 *     redis_server_ask(r, "SET greeting hello");
 *     redis_server_stop(r);
 *
 * The settings are lines of its own configuration file, which it may rewrite:
 *
 *   "tls-port 1", "cluster-port 1"   on a free port, whatever the number is
 *   "cluster-enabled yes"            of a cluster, whose other nodes are more
 *                                    servers; its bus has a free port, too
 *   "sentinel monitor ..."           it is a Sentinel then
 *
 * Nothing is saved to disk unless a setting says so.
 *
 * Where no Redis is installed redis_server_start() ends the test program as
 * skipped. What fails here ends it with a message. Blocks the thread.
 */
#ifndef EDDY_TESTS_REDIS_SERVER_H
#define EDDY_TESTS_REDIS_SERVER_H

#include <sys/types.h>

struct redis_server;

/* `settings` are ended by NULL; NULL: none. */
struct redis_server *redis_server_start(const char *const *settings);

/* Ends the server and removes all it had. NULL is let be. */
void redis_server_stop(struct redis_server *s);

const char *redis_server_socket(const struct redis_server *s); /* a path */
int redis_server_port(const struct redis_server *s); /* of 127.0.0.1 */
int redis_server_tls_port(const struct redis_server *s);
int redis_server_bus_port(const struct redis_server *s); /* of a cluster */
const char *redis_server_folder(const struct redis_server *s);
const char *redis_server_log(const struct redis_server *s); /* a file's path */
pid_t redis_server_pid(const struct redis_server *s); /* 0: it does not run */

/* kill -9. */
void redis_server_kill(struct redis_server *s);

/* Ends the server as an administrator does. */
void redis_server_halt(struct redis_server *s);

/* Halts the server if it runs, and starts it again with the same folder,
 * configuration and ports. */
void redis_server_restart(struct redis_server *s);

/* Runs one command, words apart by blanks, on a connection of its own that has
 * given the password of the settings. The reply as redis-cli --raw would show
 * it, errors too; valid until the next call. */
const char *redis_server_ask(struct redis_server *s, const char *command);

/* Makes one cluster of servers with "cluster-enabled yes" and shares the slots
 * out evenly: to all of them, or to the first `masters` with the others their
 * replicas in turn. Waits until each of them says that all is well. */
void redis_server_cluster(struct redis_server *const *servers, unsigned count,
                          unsigned masters);

#endif
