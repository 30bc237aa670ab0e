/*
 * scenarios_redis.c - the Redis client, and a server that knows ten commands.
 */
#include "scenarios_run.h"

#include <eddy/redis.h>
#include <eddy/stream.h>
#include <stdio.h>
#include <string.h>

/* ---- the server ---- */

#define LINE_END ED_BYTES("\r\n")

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

static int answer(ed_stream *s, const char *name)
{
    int err = strcmp(name, "BLPOP") ? 0 : ed_sleep(10 * ED_MS);

    for (size_t i = 0; !err && i < sizeof(replies) / sizeof(*replies); i++) {
        if (!strcmp(name, replies[i].command))
            return ed_stream_write(s, replies[i].reply,
                                   strlen(replies[i].reply));
    }
    return err;
}

static int talk(ed_stream *s, void *arg)
{
    char name[16];
    int err = 0;

    (void)arg;
    while (!err) {
        err = read_command(s, name);
        if (!err)
            err = answer(s, name);
    }
    return 0;
}

static int serve(void *listener)
{
    return ed_accept_each(listener, talk, NULL, 0);
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

int run_redis(void *arg)
{
    char address[ED_ADDR_TEXT];
    char url[ED_ADDR_TEXT + 16];
    ed_listener *l __attribute__((cleanup(close_listener))) = NULL;
    ed_redis *db __attribute__((cleanup(free_redis))) = NULL;
    int err = ed_listen(&l, "127.0.0.1:0");

    (void)arg;
    if (err)
        return err;
    ed_listener_local(l, address);
    snprintf(url, sizeof(url), "redis://%s", address);
    db = ed_redis_new(.url = url);
    if (!db)
        return ED_ENOMEM;
    ed_scope(s, .independent = true);
    ed_go(s, serve, l);
    err = use(db);
    ed_cancel(s);
    int served = ed_wait(s);
    (void)served; /* it was cancelled */
    return err;
}
