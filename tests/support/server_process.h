/*
 * server_process.h - a real server that belongs to one test: what those of
 * PostgreSQL and Redis have in common (pg_server.h, redis_server.h).
 *
 * It has a folder of its own under $TMPDIR or /tmp, and both vanish with the
 * test program, however that ends: a guard process, nobody's child, waits for
 * the end of a pipe that only the test holds. The guard also outlives a runner
 * that kills a test with all its descendants.
 *
 * What fails here ends the program with a message and the server's log: it is
 * no part of any test. These functions block the thread.
 */
#ifndef EDDY_TESTS_SERVER_PROCESS_H
#define EDDY_TESTS_SERVER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

enum { SERVER_PATH = 108 }; /* as much as an address of a unix socket holds */

struct server_process {
    char folder[SERVER_PATH / 2]; /* absolute, readable by everybody */
    char log[SERVER_PATH];        /* what the server writes */
    uid_t uid;                    /* whom the server runs as */
    gid_t gid;
    pid_t pid; /* 0: it does not run */
    /* Clears up what a killed server leaves outside its folder; may be NULL.
     * Runs in the guard, too. */
    void (*killed)(const struct server_process *s);
    int guard; /* the pipe's end */
};

/* Makes the folder, and sets a guard. As root, the server will run as nobody
 * if `unprivileged`. */
struct server_process *server_process_open(bool unprivileged);

/* Removes the folder and the guard. Kills the server if it runs. */
void server_process_close(struct server_process *s);

/* Starts the server, found by argv[0] in $PATH. */
void server_process_start(struct server_process *s, char *const *argv);

/* Runs a program as the server's user to its end. */
void server_process_do(struct server_process *s, char *const *argv);

/* Waits until `ready` says so. False if the server ended before. */
bool server_process_wait(struct server_process *s, bool (*ready)(void *user),
                         void *user);

/* Sends a signal and waits for the end; kills when that takes too long. */
void server_process_end(struct server_process *s, int signal);

/* kill -9 for it and all its children, at one moment. Waits until they are
 * gone. */
void server_process_kill(struct server_process *s);

/* A port of 127.0.0.1 that nobody has, TCP or UDP. It is below those the system
 * gives to whoever wants any, so that it is still free when the server comes.
 */
int server_process_free_port(void);

/* Writes a file that belongs to the server's user, who alone may read it. */
void server_process_write(const struct server_process *s, const char *path,
                          const char *text);

/* Ends the program with a message, and the log if there is a server. */
__attribute__((noreturn, format(printf, 2, 3))) void server_process_fail(
    const struct server_process *s, const char *fmt, ...);

/* Ends the program as one to be skipped. */
__attribute__((noreturn)) void server_process_skip(const char *why);

#endif
