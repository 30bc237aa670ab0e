/*
 * URLs that name several servers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redis/topology.h"
#include <eddy/log.h>
#include <stdlib.h>

static struct redis_topology read_url(const char *url, int expected)
{
    const struct ed_redis_options options = {.size = sizeof options,
                                             .url = url};
    struct redis_topology t;

    assert_int_equal(redis_topology_init(&t, &options), expected);
    return t;
}

static void one_server_is_as_ever(void **state)
{
    struct redis_topology t = read_url("redis://u:p@cache.local:7/2", 0);

    (void)state;
    assert_int_equal(t.layout, REDIS_ONE);
    assert_string_equal(t.server.address, "cache.local:7");
    assert_int_equal(t.server.db, 2);
    redis_topology_free(&t);
}

static void sentinels_have_hosts_a_master_and_a_database(void **state)
{
    struct redis_topology t =
        read_url("redis+sentinel://u:p%40@s1,s2:7,[::1]:8,[::2]/main/3", 0);

    (void)state;
    assert_int_equal(t.layout, REDIS_SENTINEL);
    assert_string_equal(t.master, "main");
    assert_int_equal(t.count, 4);
    assert_string_equal(t.addresses[0], "s1:26379");
    assert_string_equal(t.addresses[1], "s2:7");
    assert_string_equal(t.addresses[2], "[::1]:8");
    assert_string_equal(t.addresses[3], "[::2]:26379");
    assert_string_equal(t.server.user, "u");
    assert_string_equal(t.server.password, "p@");
    assert_int_equal(t.server.db, 3);
    assert_false(t.server.secure);
    redis_topology_free(&t);
}

static void a_cluster_has_hosts(void **state)
{
    struct redis_topology t = read_url("rediss+cluster://a:1,b", 0);

    (void)state;
    assert_int_equal(t.layout, REDIS_CLUSTER);
    assert_int_equal(t.count, 2);
    assert_string_equal(t.addresses[0], "a:1");
    assert_string_equal(t.addresses[1], "b:6379");
    assert_true(t.server.secure);
    assert_null(t.master);
    redis_topology_free(&t);
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const urls[] = {
        "redis+sentinel://s1,s2",       /* whose master? */
        "redis+sentinel://s1,s2/",      /* likewise */
        "redis+sentinel://s1,,s2/main", /* an empty host */
        "redis+sentinel://s1/main/x",   /* a database that is none */
        "redis+cluster://a:1/3",        /* a cluster has none but 0 */
        "redis+cluster://",
        "redis+cluster://a:0",
        "redis+other://a",
    };

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        read_url(urls[i], ED_EURL);
}

static void more_hosts_than_anybody_has_are_refused(void **state)
{
    struct ed_buf url = {0};

    (void)state;
    assert_int_equal(ed_buf_addf(&url, "redis+cluster://h"), 0);
    for (int i = 0; i < 64; i++)
        assert_int_equal(ed_buf_addf(&url, ",h%d", i), 0);
    read_url(url.ptr, ED_EURL);
    ed_buf_free(&url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_server_is_as_ever),
        cmocka_unit_test(sentinels_have_hosts_a_master_and_a_database),
        cmocka_unit_test(a_cluster_has_hosts),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(more_hosts_than_anybody_has_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
