/*
 * pg_server.c - see pg_server.h.
 *
 * initdb takes seconds, so it is done once for a build directory; servers get
 * copies of what it made.
 */
#include "pg_server.h"

#include "server_process.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <string.h>
#include <sys/file.h>
#include <sys/shm.h>
#include <unistd.h>

enum { MAX_SETTINGS = 64, DEFAULT_PORT = 5432, PORTS_TRIED = 5 };

/* Before those of the test, which win. */
static const char *const own_settings[] = {
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "shared_buffers=2MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=64MB",
    "huge_pages=off",
    /* Files of the data folder instead of what a kill would leave. */
    "dynamic_shared_memory_type=mmap",
    "jit=off",
    "logging_collector=off",
    "lc_messages=C",
};

struct pg_server {
    struct server_process *process;
    char *settings[MAX_SETTINGS + 1]; /* NULL-ended */
    char data[SERVER_PATH];
    int port;
    bool tcp;
    char dsn[256], tcp_dsn[128];
    char *answer;
};

/* ---- the programs ---- */

static const char *program(const char *name)
{
    static char paths[2][256];
    static unsigned next;
    char *path = paths[next++ % 2];
    glob_t found;

    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found))
        server_process_skip("PostgreSQL is not installed");
    /* Versions of two digits: the last is the newest. */
    char *newest = found.gl_pathv[found.gl_pathc - 1];
    snprintf(path, sizeof(paths[0]), "%.*s/%s",
             (int)(strrchr(newest, '/') - newest), newest, name);
    globfree(&found);
    return path;
}

/* ---- the data folder ---- */

static void init_data(struct pg_server *s)
{
    char *argv[] = {(char *)program("initdb"),
                    "--pgdata",
                    s->data,
                    "--username=postgres",
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--wal-segsize=1",
                    "--no-sync",
                    "--no-instructions",
                    NULL};

    server_process_do(s->process, argv);
}

/* As ourselves: root may read what the build directory's owner may. */
static void copy_folder(const char *from, const char *to)
{
    char *const argv[] = {"cp",         "-a",       "--reflink=auto",
                          (char *)from, (char *)to, NULL};
    pid_t pid;
    int status;

    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) ||
        waitpid(pid, &status, 0) != pid || status)
        server_process_fail(NULL, "cp -a %s %s failed", from, to);
}

/* Keeps what initdb made for the next time. It appears as a whole or not. */
static void keep_template(struct pg_server *s, const char *template)
{
    char half_done[600];

    snprintf(half_done, sizeof(half_done), "%s-%d", template, (int)getpid());
    copy_folder(s->data, half_done);
    if (rename(half_done, template))
        server_process_fail(NULL, "%s: %s", template, strerror(errno));
}

static void make_data(struct pg_server *s)
{
    const char *build = getenv("EDDY_BUILD");
    char template[512], lock[600];

    if (!build) {
        init_data(s);
        return;
    }
    snprintf(template, sizeof(template), "%s/pg_template-%d", build,
             (int)s->process->uid);
    snprintf(lock, sizeof(lock), "%s.lock", template);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || flock(fd, LOCK_EX))
        server_process_fail(NULL, "%s: %s", lock, strerror(errno));
    if (access(template, F_OK) != 0) {
        init_data(s);
        keep_template(s, template);
        close(fd);
        return;
    }
    close(fd);
    copy_folder(template, s->data);
}

/* ---- starting ---- */

/* The lines of postmaster.pid that tell of more than its process. */
enum { PID_FILE_SHARED_MEMORY = 7, PID_FILE_STATUS = 8 };

/* A line of the server's postmaster.pid; false if it is not there yet. */
static bool pid_file_line(const struct server_process *process, int number,
                          char *line, int room)
{
    char path[SERVER_PATH + 32];
    bool there = true;

    snprintf(path, sizeof(path), "%s/data/postmaster.pid", process->folder);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    for (int i = 0; i < number && there; i++)
        there = fgets(line, room, file) != NULL;
    fclose(file);
    return there;
}

/* A killed server's shared memory stays; and its postmaster.pid, which would
 * hinder the next start if another process got its number. */
static void clear_remains(const struct server_process *process)
{
    char line[128], path[SERVER_PATH + 32];

    /* A key and an identifier. */
    if (pid_file_line(process, PID_FILE_SHARED_MEMORY, line, sizeof(line))) {
        char *id = line, *end;
        (void)strtoul(line, &id, 10);
        int number = (int)strtol(id, &end, 10);
        if (end != id)
            shmctl(number, IPC_RMID, NULL);
    }
    snprintf(path, sizeof(path), "%s/data/postmaster.pid", process->folder);
    unlink(path);
}

static bool is_ready(void *user)
{
    struct pg_server *s = user;
    char line[128];

    return pid_file_line(s->process, PID_FILE_STATUS, line, sizeof(line)) &&
           !strncmp(line, "ready", 5);
}

static unsigned add_setting(char **argv, unsigned n, const char *setting)
{
    argv[n++] = "-c";
    argv[n++] = (char *)setting;
    return n;
}

static bool run(struct pg_server *s)
{
    enum { OWN = sizeof(own_settings) / sizeof(own_settings[0]) };
    char *argv[2 * (MAX_SETTINGS + OWN) + 8];
    char socket[SERVER_PATH + 32], port[32];
    unsigned n = 0;

    snprintf(socket, sizeof(socket), "unix_socket_directories=%s",
             s->process->folder);
    snprintf(port, sizeof(port), "port=%d", s->port);
    argv[n++] = (char *)program("postgres");
    argv[n++] = "-D";
    argv[n++] = s->data;
    for (unsigned i = 0; i < OWN; i++)
        n = add_setting(argv, n, own_settings[i]);
    for (char **set = s->settings; *set; set++)
        n = add_setting(argv, n, *set);
    n = add_setting(argv, n, socket);
    n = add_setting(argv, n, port);
    argv[n] = NULL;
    server_process_start(s->process, argv);
    return server_process_wait(s->process, is_ready, s);
}

static void name_it(struct pg_server *s)
{
    snprintf(s->dsn, sizeof(s->dsn),
             "host=%s port=%d user=postgres dbname=postgres",
             s->process->folder, s->port);
    snprintf(s->tcp_dsn, sizeof(s->tcp_dsn),
             "host=127.0.0.1 port=%d user=postgres dbname=postgres", s->port);
}

static void keep_settings(struct pg_server *s, const char *const *settings)
{
    for (unsigned i = 0; settings && settings[i]; i++) {
        if (i == MAX_SETTINGS)
            server_process_fail(NULL, "too many settings");
        s->settings[i] = strdup(settings[i]);
        if (!strncmp(settings[i], "listen_addresses=", 17))
            s->tcp = true;
    }
}

struct pg_server *pg_server_start(const char *const *settings)
{
    struct pg_server *s = calloc(1, sizeof(*s));

    if (!s)
        server_process_fail(NULL, "no memory");
    (void)program("postgres"); /* skips before there is a folder */
    s->process = server_process_open(true);
    s->process->killed = clear_remains;
    keep_settings(s, settings);
    s->port = DEFAULT_PORT;
    snprintf(s->data, sizeof(s->data), "%s/data", s->process->folder);
    make_data(s);
    /* Somebody may take a free port before the server does. */
    for (int i = 0; i < PORTS_TRIED; i++) {
        if (s->tcp)
            s->port = server_process_free_port();
        name_it(s);
        if (run(s))
            return s;
    }
    server_process_fail(s->process, "PostgreSQL does not start");
}

/* ---- ending ---- */

void pg_server_stop(struct pg_server *s)
{
    if (!s)
        return;
    server_process_close(s->process);
    for (char **set = s->settings; *set; set++)
        free(*set);
    free(s->answer);
    free(s);
}

void pg_server_kill(struct pg_server *s)
{
    server_process_kill(s->process);
}

void pg_server_halt(struct pg_server *s)
{
    server_process_end(s->process, SIGINT);
}

void pg_server_restart(struct pg_server *s)
{
    pg_server_halt(s);
    if (!run(s))
        server_process_fail(s->process, "PostgreSQL does not start again");
}

/* ---- asking ---- */

const char *pg_server_dsn(const struct pg_server *s)
{
    return s->dsn;
}

const char *pg_server_tcp_dsn(const struct pg_server *s)
{
    if (!s->tcp)
        server_process_fail(NULL, "the server was not asked to listen on TCP");
    return s->tcp_dsn;
}

int pg_server_port(const struct pg_server *s)
{
    return s->port;
}

const char *pg_server_folder(const struct pg_server *s)
{
    return s->process->folder;
}

pid_t pg_server_pid(const struct pg_server *s)
{
    return s->process->pid;
}

const char *pg_server_log(const struct pg_server *s)
{
    return s->process->log;
}

const char *pg_server_psql(struct pg_server *s, const char *sql)
{
    PGconn *conn = PQconnectdb(s->dsn);

    if (PQstatus(conn) != CONNECTION_OK)
        server_process_fail(s->process, "%s", PQerrorMessage(conn));
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        server_process_fail(NULL, "%s: %s", sql, PQerrorMessage(conn));
    free(s->answer);
    s->answer = strdup(PQntuples(result) > 0 && PQnfields(result) > 0
                           ? PQgetvalue(result, 0, 0)
                           : "");
    PQclear(result);
    PQfinish(conn);
    return s->answer;
}

void pg_server_write(struct pg_server *s, const char *name, const char *text)
{
    char path[SERVER_PATH + 64];

    snprintf(path, sizeof(path), "%s/%s", s->data, name);
    server_process_write(s->process, path, text);
}

void pg_server_reload(struct pg_server *s)
{
    kill(s->process->pid, SIGHUP);
}
