/*
 * redis_server.c - see redis_server.h.
 */
#include "redis_server.h"

#include "server_process.h"
#include <errno.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PORTS_TRIED = 5, SLOTS = 16384, CLUSTER_PATIENCE_MS = 20 * 1000 };

struct redis_server {
    struct server_process *process;
    char socket[SERVER_PATH], config[SERVER_PATH], password[128];
    int port, tls_port, bus_port;
    bool sentinel;
    char *answer;
    size_t answer_size;
};

/* ---- the configuration ---- */

static const char *after(const char *line, const char *key)
{
    size_t len = strlen(key);

    return !strncmp(line, key, len) && line[len] == ' ' ? line + len + 1 : NULL;
}

static void add_line(FILE *out, struct redis_server *s, const char *line)
{
    const char *password = after(line, "requirepass");

    if (password)
        snprintf(s->password, sizeof(s->password), "%s", password);
    if (after(line, "sentinel"))
        s->sentinel = true;
    if (after(line, "cluster-enabled") && !s->bus_port) {
        s->bus_port = server_process_free_port();
        fprintf(out, "cluster-port %d\n", s->bus_port);
    }
    if (after(line, "tls-port")) {
        s->tls_port = server_process_free_port();
        fprintf(out, "tls-port %d\n", s->tls_port);
        return;
    }
    fprintf(out, "%s\n", line);
}

static void write_config(struct redis_server *s, const char *const *settings)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        server_process_fail(NULL, "no memory");
    s->bus_port = 0;
    s->port = server_process_free_port();
    fprintf(out,
            "bind 127.0.0.1\nport %d\nunixsocket %s\ndir %s\n"
            "daemonize no\nsave \"\"\nappendonly no\n"
            "repl-diskless-sync-delay 0\n",
            s->port, s->socket, s->process->folder);
    for (unsigned i = 0; settings && settings[i]; i++)
        add_line(out, s, settings[i]);
    fclose(out);
    server_process_write(s->process, s->config, text);
    free(text);
}

/* ---- asking ---- */

static redisContext *connect_to(const struct redis_server *s)
{
    redisContext *c = redisConnectUnix(s->socket);

    if (c && c->err) {
        redisFree(c);
        return NULL;
    }
    return c;
}

static void put(struct redis_server *s, FILE *out, const redisReply *reply)
{
    switch (reply->type) {
    case REDIS_REPLY_INTEGER:
        fprintf(out, "%lld", reply->integer);
        break;
    case REDIS_REPLY_NIL:
        break;
    case REDIS_REPLY_ARRAY:
        for (size_t i = 0; i < reply->elements; i++) {
            if (i > 0)
                fputc('\n', out);
            put(s, out, reply->element[i]);
        }
        break;
    default:
        fwrite(reply->str, 1, reply->len, out);
    }
}

static void keep_answer(struct redis_server *s, const redisReply *reply)
{
    free(s->answer);
    FILE *out = open_memstream(&s->answer, &s->answer_size);
    if (!out)
        server_process_fail(NULL, "no memory");
    put(s, out, reply);
    fclose(out);
}

static void authenticate(const struct redis_server *s, redisContext *c)
{
    if (s->password[0])
        freeReplyObject(redisCommand(c, "AUTH %s", s->password));
}

const char *redis_server_ask(struct redis_server *s, const char *command)
{
    redisContext *c = connect_to(s);

    if (!c)
        server_process_fail(s->process, "%s: cannot connect", command);
    authenticate(s, c);
    /* A whole command with its blanks: no argument but the text itself. */
    redisReply *reply = redisCommand(c, command);
    if (!reply)
        server_process_fail(s->process, "%s: %s", command, c->errstr);
    keep_answer(s, reply);
    freeReplyObject(reply);
    redisFree(c);
    return s->answer;
}

/* ---- starting ---- */

/* One that wants a password does not say before that it is loading. */
static bool is_ready(void *user)
{
    struct redis_server *s = user;
    redisContext *c = connect_to(s);
    if (c)
        authenticate(s, c);
    redisReply *reply = c ? redisCommand(c, "PING") : NULL;
    bool ready = reply && strncmp(reply->str, "LOADING", 7) != 0;

    freeReplyObject(reply);
    if (c)
        redisFree(c);
    return ready;
}

static bool run(struct redis_server *s)
{
    char *argv[] = {"redis-server", s->config,
                    s->sentinel ? "--sentinel" : NULL, NULL};

    unlink(s->socket);
    server_process_start(s->process, argv);
    return server_process_wait(s->process, is_ready, s);
}

struct redis_server *redis_server_start(const char *const *settings)
{
    struct redis_server *s = calloc(1, sizeof(*s));

    if (!s)
        server_process_fail(NULL, "no memory");
    if (access("/usr/bin/redis-server", X_OK))
        server_process_skip("Redis is not installed");
    s->process = server_process_open(false);
    snprintf(s->socket, sizeof(s->socket), "%s/redis.sock", s->process->folder);
    snprintf(s->config, sizeof(s->config), "%s/redis.conf", s->process->folder);
    /* Somebody may take a free port before the server does. */
    for (int i = 0; i < PORTS_TRIED; i++) {
        write_config(s, settings);
        if (run(s))
            return s;
    }
    server_process_fail(s->process, "Redis does not start");
}

/* ---- ending ---- */

void redis_server_stop(struct redis_server *s)
{
    if (!s)
        return;
    server_process_close(s->process);
    free(s->answer);
    free(s);
}

void redis_server_kill(struct redis_server *s)
{
    server_process_kill(s->process);
}

void redis_server_halt(struct redis_server *s)
{
    server_process_end(s->process, SIGTERM);
}

void redis_server_restart(struct redis_server *s)
{
    redis_server_halt(s);
    if (!run(s))
        server_process_fail(s->process, "Redis does not start again");
}

/* ---- what it is called ---- */

const char *redis_server_socket(const struct redis_server *s)
{
    return s->socket;
}

int redis_server_port(const struct redis_server *s)
{
    return s->port;
}

int redis_server_tls_port(const struct redis_server *s)
{
    return s->tls_port;
}

int redis_server_bus_port(const struct redis_server *s)
{
    return s->bus_port;
}

const char *redis_server_folder(const struct redis_server *s)
{
    return s->process->folder;
}

const char *redis_server_log(const struct redis_server *s)
{
    return s->process->log;
}

pid_t redis_server_pid(const struct redis_server *s)
{
    return s->process->pid;
}

/* ---- a cluster ---- */

__attribute__((format(printf, 2, 3))) static const char *order(
    struct redis_server *s, const char *fmt, ...)
{
    char command[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    return redis_server_ask(s, command);
}

/* Asks again until the answer has a text in it. */
static void await(struct redis_server *s, const char *command, const char *text)
{
    enum { EVERY_MS = 10 };

    for (int ms = 0; !strstr(redis_server_ask(s, command), text);
         ms += EVERY_MS) {
        if (ms > CLUSTER_PATIENCE_MS)
            server_process_fail(s->process, "%s: never said %s, but: %s",
                                command, text, s->answer);
        nanosleep(&(struct timespec){.tv_nsec = EVERY_MS * 1000000L}, NULL);
    }
}

static void must(struct redis_server *s, const char *answer)
{
    if (strcmp(answer, "OK") != 0)
        server_process_fail(s->process, "cluster: %s", answer);
}

/* Each is told of each, which is quicker than gossip. */
static void acquaint(struct redis_server *const *servers, unsigned count)
{
    char known[64];

    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = i + 1; k < count; k++)
            must(servers[i], order(servers[i], "CLUSTER MEET 127.0.0.1 %d %d",
                                   servers[k]->port, servers[k]->bus_port));
    }
    snprintf(known, sizeof(known), "cluster_known_nodes:%u", count);
    for (unsigned i = 0; i < count; i++)
        await(servers[i], "CLUSTER INFO", known);
}

void redis_server_cluster(struct redis_server *const *servers, unsigned count,
                          unsigned masters)
{
    if (!masters)
        server_process_fail(NULL, "a cluster without masters");
    for (unsigned i = 0; i < masters; i++)
        must(servers[i],
             order(servers[i], "CLUSTER ADDSLOTSRANGE %u %u",
                   SLOTS * i / masters, SLOTS * (i + 1) / masters - 1));
    acquaint(servers, count);
    for (unsigned i = masters; i < count; i++) {
        struct redis_server *master = servers[(i - masters) % masters];
        char replicate[96];
        snprintf(replicate, sizeof(replicate), "CLUSTER REPLICATE %s",
                 redis_server_ask(master, "CLUSTER MYID"));
        await(servers[i], replicate, "OK"); /* they may not know each other */
    }
    for (unsigned i = masters; i < count; i++)
        await(servers[i], "INFO replication", "master_link_status:up");
    for (unsigned i = 0; i < count; i++)
        await(servers[i], "CLUSTER INFO", "cluster_state:ok");
}
