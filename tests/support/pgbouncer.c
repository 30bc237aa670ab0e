/*
 * pgbouncer.c - see pgbouncer.h.
 */
#include "pgbouncer.h"

#include "server_process.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PORT = 6432 };

struct pgbouncer {
    struct server_process *process;
    char dsn[256];
};

static void write_config(const struct pgbouncer *b, const char *path,
                         const struct pg_server *server,
                         const char *const *settings)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        server_process_fail(NULL, "no memory");
    fprintf(out,
            "[databases]\n* = host=%s port=%d user=postgres\n"
            "[pgbouncer]\nlisten_port = %d\nunix_socket_dir = %s\n"
            "auth_type = any\npool_mode = transaction\n",
            pg_server_folder(server), pg_server_port(server), PORT,
            b->process->folder);
    for (; settings && *settings; settings++)
        fprintf(out, "%s\n", *settings);
    fclose(out);
    server_process_write(b->process, path, text);
    free(text);
}

static bool is_ready(void *user)
{
    struct pgbouncer *b = user;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/.s.PGSQL.%d",
             b->process->folder, PORT);
    bool ready = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
    close(fd);
    return ready;
}

struct pgbouncer *pgbouncer_start(const struct pg_server *server,
                                  const char *const *settings)
{
    struct pgbouncer *b = calloc(1, sizeof(*b));
    char config[SERVER_PATH];
    char *argv[] = {"/usr/sbin/pgbouncer", config, NULL};

    if (!b)
        server_process_fail(NULL, "no memory");
    if (access(argv[0], X_OK))
        server_process_skip("pgbouncer is not installed");
    b->process = server_process_open(true);
    snprintf(config, sizeof(config), "%s/pgbouncer.ini", b->process->folder);
    write_config(b, config, server, settings);
    snprintf(b->dsn, sizeof(b->dsn),
             "host=%s port=%d user=postgres dbname=postgres",
             b->process->folder, PORT);
    server_process_start(b->process, argv);
    if (!server_process_wait(b->process, is_ready, b))
        server_process_fail(b->process, "pgbouncer does not start");
    return b;
}

void pgbouncer_stop(struct pgbouncer *b)
{
    if (!b)
        return;
    server_process_close(b->process);
    free(b);
}

const char *pgbouncer_dsn(const struct pgbouncer *b)
{
    return b->dsn;
}
