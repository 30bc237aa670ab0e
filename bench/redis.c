/*
 * redis.c - Eddy's Redis client asking for values as fast as they come, for the
 * `redis` benchmark.
 *
 *     redis [-c FIBERS] [-t SECONDS] [-w WARM-UP SECONDS] SOCKET
 *
 * So many fibers share the connections of one client; each awaits one GET after
 * the other, as a handler of requests would. Prints what client.c prints.
 */
#include "asking.h"
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

static void ask(void)
{
    ed_redis_reply *reply;
    int err = ed_redis_cmd(db, &reply, "GET key:%012u", random_key());

    check_answer(err, !err && ed_redis_kind(reply) == ED_REDIS_STRING,
                 "no value");
}

int main(int argc, char **argv)
{
    char url[256];

    run_options(&run, argc, argv);
    snprintf(url, sizeof(url), "unix://%s", run.url);
    db = ed_redis_new(.url = url);
    if (!db)
        return 1;
    int status = ask_and_report(&run, ask);
    ed_redis_free(db);
    return status;
}
