/*
 * test_servers.c - what tests rely on about their own PostgreSQL and Redis.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pg_server.h"
#include "redis_server.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool gone(const char *path)
{
    struct stat info;

    return stat(path, &info) != 0;
}

static void a_killed_postgres_keeps_what_was_committed(void **state)
{
    (void)state;
    struct pg_server *s = pg_server_start(
        (const char *[]){"max_connections=17", "synchronous_commit=on", NULL});

    assert_string_equal(pg_server_psql(s, "show max_connections"), "17");
    pg_server_psql(s, "create table t (v int); insert into t values (42)");
    pg_server_kill(s);
    assert_int_equal(pg_server_pid(s), 0);
    pg_server_restart(s);
    assert_string_equal(pg_server_psql(s, "select v from t"), "42");
    pg_server_stop(s);
}

static void a_postgres_listens_on_tcp_when_asked(void **state)
{
    (void)state;
    struct pg_server *s =
        pg_server_start((const char *[]){"listen_addresses=127.0.0.1", NULL});
    char folder[256];

    snprintf(folder, sizeof(folder), "%s", pg_server_folder(s));
    assert_non_null(strstr(pg_server_tcp_dsn(s), "host=127.0.0.1"));
    assert_int_not_equal(pg_server_port(s), 5432);
    pg_server_stop(s);
    assert_true(gone(folder));
}

static void a_redis_has_a_password_and_comes_back(void **state)
{
    (void)state;
    struct redis_server *s = redis_server_start((const char *[]){
        "requirepass secret", "appendonly yes", "appendfsync always", NULL});

    assert_string_equal(redis_server_ask(s, "SET a b"), "OK");
    redis_server_kill(s);
    redis_server_restart(s);
    assert_string_equal(redis_server_ask(s, "GET a"), "b");
    redis_server_stop(s);
}

static void a_sentinel_knows_its_master(void **state)
{
    (void)state;
    char monitor[128];
    struct redis_server *master = redis_server_start(NULL);

    snprintf(monitor, sizeof(monitor), "sentinel monitor m 127.0.0.1 %d 1",
             redis_server_port(master));
    struct redis_server *sentinel =
        redis_server_start((const char *[]){monitor, NULL});
    snprintf(monitor, sizeof(monitor), "127.0.0.1\n%d",
             redis_server_port(master));
    assert_string_equal(
        redis_server_ask(sentinel, "SENTINEL get-master-addr-by-name m"),
        monitor);
    redis_server_stop(sentinel);
    redis_server_stop(master);
}

static void three_nodes_make_a_cluster(void **state)
{
    (void)state;
    struct redis_server *nodes[3];

    for (int i = 0; i < 3; i++)
        nodes[i] =
            redis_server_start((const char *[]){"cluster-enabled yes", NULL});
    redis_server_cluster(nodes, 3, 3);
    /* "a" is in slot 15495, of the last node. */
    assert_string_equal(redis_server_ask(nodes[2], "SET a b"), "OK");
    assert_non_null(
        strstr(redis_server_ask(nodes[0], "GET a"), "MOVED 15495 127.0.0.1:"));
    for (int i = 0; i < 3; i++)
        redis_server_stop(nodes[i]);
}

/* The child's two servers, and where they have their folders. */
struct left_behind {
    pid_t pg, redis;
    char pg_folder[128], redis_folder[128];
};

static struct left_behind left_behind_by_a_crash(void)
{
    struct left_behind left = {0};
    int pipes[2];

    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct pg_server *pg = pg_server_start(NULL);
        struct redis_server *redis = redis_server_start(NULL);
        left.pg = pg_server_pid(pg);
        left.redis = redis_server_pid(redis);
        snprintf(left.pg_folder, sizeof(left.pg_folder), "%s",
                 pg_server_folder(pg));
        snprintf(left.redis_folder, sizeof(left.redis_folder), "%s",
                 redis_server_folder(redis));
        if (write(pipes[1], &left, sizeof(left)) < 0)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &left, sizeof(left)), sizeof(left));
    close(pipes[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return left;
}

static bool folders_are_gone(const struct left_behind *left)
{
    return gone(left->pg_folder) && gone(left->redis_folder);
}

/* When the first of all processes has noticed, too. */
static bool processes_are_gone(const struct left_behind *left)
{
    return kill(left->pg, 0) && kill(left->redis, 0);
}

static bool soon(bool (*so)(const struct left_behind *left),
                 const struct left_behind *left)
{
    enum { TIMES = 500, EVERY_NS = 10 * 1000 * 1000 };

    for (int i = 0; i < TIMES && !so(left); i++)
        nanosleep(&(struct timespec){.tv_nsec = EVERY_NS}, NULL);
    return so(left);
}

static void servers_end_with_a_test_that_crashes(void **state)
{
    (void)state;
    struct left_behind left = left_behind_by_a_crash();

    assert_true(soon(folders_are_gone, &left));
    assert_true(soon(processes_are_gone, &left));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_postgres_keeps_what_was_committed),
        cmocka_unit_test(a_postgres_listens_on_tcp_when_asked),
        cmocka_unit_test(a_redis_has_a_password_and_comes_back),
        cmocka_unit_test(a_sentinel_knows_its_master),
        cmocka_unit_test(three_nodes_make_a_cluster),
        cmocka_unit_test(servers_end_with_a_test_that_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
