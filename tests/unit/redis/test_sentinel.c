/*
 * A master that Sentinels name, and another when it dies.
 */
#include "redis_test.h"
#include <stdlib.h>

static struct redis_server *replica, *sentinel;

static int start_all(void **state)
{
    char of[64], monitor[96];

    (void)state;
    server = redis_server_start(
        (const char *[]){"requirepass secret", "masterauth secret", NULL});
    snprintf(of, sizeof of, "replicaof 127.0.0.1 %d",
             redis_server_port(server));
    replica = redis_server_start(
        (const char *[]){of, "requirepass secret", "masterauth secret", NULL});
    snprintf(monitor, sizeof monitor, "sentinel monitor main 127.0.0.1 %d 1",
             redis_server_port(server));
    sentinel = redis_server_start((const char *[]){
        monitor, "sentinel auth-pass main secret",
        "sentinel down-after-milliseconds main 500",
        "sentinel failover-timeout main 3000", "requirepass watcher", NULL});
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    redis_server_stop(sentinel);
    redis_server_stop(replica);
    redis_server_stop(server);
    return 0;
}

/* Of a Sentinel that is not there, and one that is. */
static ed_redis *by_sentinel(const char *master)
{
    char url[128];

    snprintf(url, sizeof url,
             "redis+sentinel://:secret@127.0.0.1:1,127.0.0.1:%d/%s/1",
             redis_server_port(sentinel), master);
    return ed_redis_new(.url = url, .sentinel_password = "watcher");
}

REDIS_TEST(the_master_is_found_and_used)
{
    ed_redis *db = by_sentinel("main");
    ed_redis_reply *reply;

    must(db, NULL, "SET greeting hello");
    must(db, &reply, "GET greeting");
    check_text(ed_redis_text(reply), "hello");
    must(db, &reply, "ROLE");
    check_text(ed_redis_text(ed_redis_at(reply, 0)), "master");
    check_text(redis_server_ask(server, "DBSIZE"), "0"); /* it is database 1 */
    ed_redis_free(db);
}

REDIS_TEST(a_name_no_sentinel_knows_is_told)
{
    ed_redis *db = by_sentinel("other");

    check_int(ed_redis_ready(db), ED_EDATABASE);
    check_error("knows no master 'other'");
    ed_redis_free(db);
}

REDIS_TEST(without_any_sentinel_it_is_told)
{
    ed_redis *db = ed_redis_new(.url = "redis+sentinel://127.0.0.1:1/main");

    check_int(ed_redis_ready(db), ED_EDATABASE);
    check_error("127.0.0.1:1");
    ed_redis_free(db);
}

/* The key, of database 1. */
static void until_replicated(void)
{
    static const char get[] = "EVAL redis.call('select',1)return(redis.call("
                              "'get','precious')) 0";

    while (strcmp(redis_server_ask(replica, get), "1") != 0)
        ed_sleep(20 * ED_MS);
}

REDIS_TEST(when_the_master_dies_its_successor_is_used)
{
    ed_redis *db = by_sentinel("main");
    ed_redis_reply *reply;
    int err;

    must(db, NULL, "SET precious 1");
    until_replicated();
    /* Sentinel has to know the replica before it can promote it. */
    while (!strstr(redis_server_ask(sentinel, "SENTINEL REPLICAS main"), "ip"))
        ed_sleep(50 * ED_MS);
    redis_server_kill(server);
    do {
        ed_sleep(50 * ED_MS);
        err = ed_redis_cmd(db, &reply, "INCR precious");
    } while (err == ED_EDATABASE || err == ED_EUNCERTAIN);
    check_int(err, 0);
    must(db, &reply, "GET precious");
    check_text(ed_redis_text(reply), "2");
    must(db, &reply, "ROLE");
    check_text(ed_redis_text(ed_redis_at(reply, 0)), "master");
    ed_redis_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_master_is_found_and_used),
        cmocka_unit_test(a_name_no_sentinel_knows_is_told),
        cmocka_unit_test(without_any_sentinel_it_is_told),
        cmocka_unit_test(when_the_master_dies_its_successor_is_used),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
