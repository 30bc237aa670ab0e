/*
 * redis.c - Eddy's Redis client asking for values as fast as they come, for the
 * `redis` benchmark.
 *
 *     redis [-c FIBERS] [-t SECONDS] [-w WARM-UP SECONDS] SOCKET
 *
 * So many fibers share the connections of one client; each awaits one GET after
 * the other, as a handler of requests would. Prints what client.c prints.
 */
#include "clients.h"
#include <eddy/fiber.h>
#include <eddy/redis.h>

enum { KEYS = 10000 };

static struct client_run run;
static ed_redis *db;
static uint32_t seed = 1;

static unsigned random_key(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % KEYS;
}

static int ask(void *arg)
{
    (void)arg;
    while (!run_ended(&run)) {
        ed_arena *arena = ed_fiber_arena();
        struct ed_arena_mark mark = ed_arena_mark(arena);
        ed_redis_reply *reply;
        int err = ed_redis_cmd(db, &reply, "GET key:%012u", random_key());

        if (err || ed_redis_kind(reply) != ED_REDIS_STRING) {
            errno = 0;
            die("%s", err ? ed_error() : "no value");
        }
        run_answered(&run);
        ed_arena_rewind(arena, mark);
    }
    return 0;
}

/* Each has an arena of its own, as a request has. */
static int ask_in_arena(void *arg)
{
    ed_arena *arena = ed_arena_new(0);

    ed_fiber_use_arena(arena);
    int err = ask(arg);
    ed_fiber_use_arena(NULL);
    ed_arena_free(arena);
    return err;
}

static int ask_all(void *arg)
{
    (void)arg;
    ed_scope(s);
    for (int i = 0; i < run.concurrency; i++)
        ed_go(s, ask_in_arena, NULL);
    return ed_wait(s);
}

int main(int argc, char **argv)
{
    char url[256];

    run_options(&run, argc, argv);
    snprintf(url, sizeof(url), "unix://%s", run.url);
    db = ed_redis_new(.url = url);
    if (!db || ed_run(ask_all, NULL))
        return 1;
    ed_redis_free(db);
    run_report(&run);
    return 0;
}
