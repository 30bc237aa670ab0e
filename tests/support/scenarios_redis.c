/*
 * scenarios_redis.c - the Redis client, and a server that knows some commands:
 * alone, with channels, with a stream, and as a cluster of one.
 */
#include "scenarios_run.h"

#include <eddy/redis.h>
#include <eddy/redis_pubsub.h>
#include <eddy/redis_stream.h>
#include <eddy/stream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the server ---- */

#define LINE_END ED_BYTES("\r\n")

/* What it does but once. */
struct server {
    ed_listener *listener;
    int port;
    bool hung_up, moved, asked;
};

static const struct {
    const char *command, *reply;
} replies[] = {
    {"PING", "+PONG\r\n"},
    {"GET", "$5\r\nhello\r\n"},
    {"MULTI", "+OK\r\n"},
    {"INCR", "+QUEUED\r\n"},
    {"EXEC", "*1\r\n:7\r\n"},
    {"WATCH", "+OK\r\n"},
    {"UNWATCH", "+OK\r\n"},
    {"BLPOP", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
    {"EVALSHA", "-NOSCRIPT no\r\n"},
    {"EVAL", ":1\r\n"},
    {"SUBSCRIBE", "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
                  "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n"},
    {"PSUBSCRIBE",
     "*3\r\n$10\r\npsubscribe\r\n$2\r\nw*\r\n:2\r\n"
     "*4\r\n$8\r\npmessage\r\n$2\r\nw*\r\n$2\r\nwe\r\n$3\r\nsun\r\n"},
    {"UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n"},
    {"XREVRANGE", "*0\r\n"},
    {"XREAD", "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n"
              "*2\r\n$1\r\nn\r\n$1\r\n7\r\n"},
    {"XREADGROUP", "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-0\r\n"
                   "*-1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nn\r\n$1\r\n7\r\n"},
    {"XGROUP", "-BUSYGROUP it is there\r\n"},
    {"XACK", ":1\r\n"},
    {"ASKING", "+OK\r\n"},
    {"STRLEN", ":5\r\n"},
    {"INCRBY", ":7\r\n"},
};

/* Reads "*3" or "$5". */
static int read_number(ed_stream *s, int64_t *n)
{
    struct ed_bytes line;
    int err = ed_stream_read_until(s, LINE_END, 100, &line);

    if (err)
        return err;
    return ed_bytes_int(ed_bytes_of(line.ptr + 1, line.len - 3), n);
}

/* Reads a command; `name` is all that is kept. */
static int read_command(ed_stream *s, char name[16])
{
    char other[256];
    int64_t count, len;
    int err = read_number(s, &count);

    for (int64_t i = 0; !err && i < count; i++) {
        char *to = i ? other : name;
        err = read_number(s, &len);
        if (!err && len > (i ? 250 : 10))
            err = ED_EPARSE;
        if (!err)
            err = ed_stream_read_exactly(s, to, (size_t)len + 2);
        if (!err)
            to[len] = '\0';
    }
    return err;
}

/* Says "a", the port, and "b". */
static int name_port(ed_stream *s, const struct server *server, const char *a,
                     const char *b)
{
    char text[100];
    int len = snprintf(text, sizeof(text), "%s%d%s", a, server->port, b);

    return ed_stream_write(s, text, (size_t)len);
}

static bool once(bool *done, const char *name, const char *wanted)
{
    if (*done || strcmp(name, wanted) != 0)
        return false;
    *done = true;
    return true;
}

static int answer(ed_stream *s, const char *name, struct server *server)
{
    int err = strcmp(name, "BLPOP") ? 0 : ed_sleep(10 * ED_MS);

    if (!strcmp(name, "CLUSTER"))
        return name_port(s, server,
                         "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n"
                         "\r\n:",
                         "\r\n");
    if (once(&server->moved, name, "STRLEN"))
        return name_port(s, server, "-MOVED 1 127.0.0.1:", "\r\n");
    if (once(&server->asked, name, "INCRBY"))
        return name_port(s, server, "-ASK 1 :", "\r\n");
    for (size_t i = 0; !err && i < sizeof(replies) / sizeof(*replies); i++) {
        if (strcmp(name, replies[i].command) != 0)
            continue;
        err = ed_stream_write(s, replies[i].reply, strlen(replies[i].reply));
        return !err && once(&server->hung_up, name, "PSUBSCRIBE") ? ED_EEOF
                                                                  : err;
    }
    return err;
}

static int talk(ed_stream *s, void *server)
{
    char name[16];
    int err = 0;

    while (!err) {
        err = read_command(s, name);
        if (!err)
            err = answer(s, name, server);
    }
    return 0;
}

static int serve(void *arg)
{
    struct server *server = arg;

    return ed_accept_each(server->listener, talk, server, 0);
}

/* ---- the client ---- */

static int get(void *db)
{
    ed_redis_reply *reply;
    int err = ed_redis_cmd(db, &reply, "GET %s", "greeting");

    return err ? err : expect(!strcmp(ed_redis_text(reply), "hello"));
}

static int pop(void *db)
{
    ed_redis_reply *reply;
    int err = ed_redis_cmd(db, &reply, "BLPOP a 0");

    return err ? err
               : expect(!strcmp(ed_redis_text(ed_redis_at(reply, 1)), "b"));
}

static int check_and_set(void *db)
{
    ed_redis_reply *reply;
    int64_t n = 0;
    ed_redis_session(s, db);
    int err = ed_redis_cmd(s, NULL, "WATCH a");

    ed_redis_multi(tx, s);
    if (!err)
        err = ed_redis_cmd(tx, NULL, "INCR a");
    if (!err)
        err = ed_redis_exec(tx, &reply);
    if (!err)
        err = ed_redis_int(ed_redis_at(reply, 0), &n);
    return err ? err : expect(n == 7);
}

static int evaluate(void *db)
{
    static struct ed_redis_script script = {.text = "return 1"};
    ed_redis_reply *reply;
    int64_t n = 0;
    int err = ed_redis_eval(db, &reply, &script, 0, 0, NULL);

    if (!err)
        err = ed_redis_int(reply, &n);
    return err ? err : expect(n == 1);
}

static int use(ed_redis *db)
{
    ed_scope(s);

    ed_go(s, get, db);
    ed_go(s, get, db);
    ed_go(s, pop, db);
    ed_go(s, check_and_set, db);
    ed_go(s, evaluate, db);
    return ed_wait(s);
}

static void free_redis(ed_redis **db)
{
    ed_redis_free(*db);
}

static void close_listener(ed_listener **l)
{
    ed_listener_close(*l);
}

/* Runs `body` with a client, by the scheme given, of a server. */
static int with_server(const char *scheme, int (*body)(ed_redis *db))
{
    char address[ED_ADDR_TEXT];
    char url[ED_ADDR_TEXT + 32];
    ed_listener *l __attribute__((cleanup(close_listener))) = NULL;
    ed_redis *db __attribute__((cleanup(free_redis))) = NULL;
    int err = ed_listen(&l, "127.0.0.1:0");

    if (err)
        return err;
    ed_listener_local(l, address);
    struct server server = {
        .listener = l,
        .port = (int)strtol(strrchr(address, ':') + 1, NULL, 10)};
    snprintf(url, sizeof(url), "%s://%s", scheme, address);
    db = ed_redis_new(.url = url);
    if (!db)
        return ED_ENOMEM;
    ed_scope(s, .independent = true);
    ed_go(s, serve, &server);
    err = body(db);
    ed_cancel(s);
    int served = ed_wait(s);
    (void)served; /* it was cancelled */
    return err;
}

int run_redis(void *arg)
{
    (void)arg;
    return with_server("redis", use);
}

/* ---- channels ---- */

/* The server hangs up behind the second channel's first message. */
static int listen_to(ed_redis *db)
{
    ed_redis_sub *sub ED_REDIS_SUB_AUTO = NULL;
    struct ed_redis_message m;
    int err = ed_redis_subscribe(db, &sub, "news");

    if (!err)
        err = ed_redis_next_message(sub, &m);
    if (!err)
        err = expect(m.gap || !strcmp(m.payload.ptr, "hi"));
    if (!err)
        err = ed_redis_psubscribe_also(sub, "w*");
    while (!err && !m.gap)
        err = ed_redis_next_message(sub, &m);
    if (!err)
        err = ed_redis_unsubscribe(sub, "news");
    return err;
}

int run_redis_channels(void *arg)
{
    (void)arg;
    return with_server("redis", listen_to);
}

/* ---- a stream ---- */

static int read_alone(ed_redis *db)
{
    ed_redis_stream *stream ED_REDIS_STREAM_AUTO = NULL;
    struct ed_redis_entry e;
    int err = ed_redis_stream_open(db, &stream, "s");

    if (!err)
        err = ed_redis_stream_next(stream, &e);
    return err ? err : expect(!strcmp(e.id, "1-0") && e.count == 1);
}

/* The first entry was deleted. */
static int read_in_group(ed_redis *db)
{
    ed_redis_stream *stream ED_REDIS_STREAM_AUTO = NULL;
    struct ed_redis_entry e;
    int err =
        ed_redis_stream_open(db, &stream, "s", .group = "g", .consumer = "c");

    if (!err)
        err = ed_redis_stream_next(stream, &e);
    if (!err)
        err = expect(!strcmp(e.id, "2-0") && e.again);
    return err ? err : ed_redis_stream_ack(stream, e.id);
}

static int read_both(ed_redis *db)
{
    int err = read_alone(db);

    return err ? err : read_in_group(db);
}

int run_redis_stream(void *arg)
{
    (void)arg;
    return with_server("redis", read_both);
}

/* ---- a cluster ---- */

static int is_sent_on(void *db)
{
    ed_redis_reply *reply;
    int64_t n = 0;
    int err = ed_redis_cmd(db, &reply, "STRLEN a");

    if (!err)
        err = ed_redis_int(reply, &n);
    return err ? err : expect(n == 5);
}

static int is_a_guest(void *db)
{
    ed_redis_reply *reply;
    int64_t n = 0;
    int err = ed_redis_cmd(db, &reply, "INCRBY a 1");

    if (!err)
        err = ed_redis_int(reply, &n);
    return err ? err : expect(n == 7);
}

static int use_cluster(ed_redis *db)
{
    ed_scope(s);

    ed_go(s, is_sent_on, db);
    ed_go(s, is_a_guest, db);
    ed_go(s, check_and_set, db);
    return ed_wait(s);
}

int run_redis_cluster(void *arg)
{
    (void)arg;
    return with_server("redis+cluster", use_cluster);
}
