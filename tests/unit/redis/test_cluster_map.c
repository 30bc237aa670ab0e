/*
 * The map of a cluster, as its nodes tell it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redis/cluster_map.h"
#include "redis/reader.h"
#include <eddy/arena.h>
#include <eddy/error.h>
#include <stdio.h>

static struct cluster_map map;
static struct redis_target target;
static const struct ed_redis_options options = {.url = "redis://a"};

static int open_map(void **state)
{
    (void)state;
    assert_int_equal(redis_target_init(&target, &options), 0);
    cluster_map_init(&map, &target, &options);
    return 0;
}

static int close_map(void **state)
{
    (void)state;
    cluster_map_free(&map);
    redis_target_free(&target);
    return 0;
}

#define RANGE(first, last, len, host, port)                       \
    "*3\r\n:" #first "\r\n:" #last "\r\n*2\r\n$" #len "\r\n" host \
    "\r\n:" #port "\r\n"

/* Reads what 10.0.0.1 says. */
static int read_slots(const char *text)
{
    struct ed_bytes bytes = ed_bytes(text);
    struct redis_reader reader;
    ed_arena *arena = ed_arena_new(0);

    assert_int_equal(redis_reader_open(&reader, 1000 * 1000), 0);
    reader.arena = arena;
    assert_int_equal(redis_reader_next(&reader, &bytes), 1);
    int err = cluster_map_read(&map, reader.reply, "10.0.0.1:7000");
    redis_reader_close(&reader);
    ed_arena_free(arena);
    return err;
}

static void check_owner(unsigned slot, const char *address)
{
    assert_non_null(map.owners[slot]);
    assert_string_equal(map.owners[slot]->address, address);
}

static void slots_belong_to_the_nodes_that_are_named(void **state)
{
    (void)state;
    assert_int_equal(read_slots("*3\r\n" RANGE(0, 9, 8, "10.0.0.2", 7001) RANGE(
                         10, 19, 3, "::2", 7002) RANGE(20, 16383, 0, "", 7003)),
                     0);
    check_owner(0, "10.0.0.2:7001");
    check_owner(9, "10.0.0.2:7001");
    check_owner(10, "[::2]:7002");
    check_owner(20, "10.0.0.1:7003");
    check_owner(16383, "10.0.0.1:7003");
    assert_int_equal(map.count, 3);
}

static void a_node_that_left_stays_while_it_is_used(void **state)
{
    (void)state;
    assert_int_equal(read_slots("*1\r\n" RANGE(0, 16383, 1, "a", 7001)), 0);
    struct cluster_node *used = map.owners[0];
    cluster_node_use(used);
    assert_int_equal(read_slots("*1\r\n" RANGE(0, 16383, 1, "b", 7001)), 0);
    check_owner(0, "b:7001");
    assert_int_equal(map.count, 2);
    assert_string_equal(used->address, "a:7001");
    cluster_node_leave(&map, used);
    assert_int_equal(map.count, 1);
}

static void a_map_that_makes_no_sense_frees_no_owner(void **state)
{
    static const char *const maps[] = {
        "*-1\r\n",
        "+OK\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n" RANGE(-1, 5, 1, "b", 7001),
        "*1\r\n" RANGE(6, 5, 1, "b", 7001),
        "*1\r\n" RANGE(0, 16384, 1, "b", 7001),
        "*1\r\n" RANGE(0, 9, 1, "b", 0),
        "*1\r\n" RANGE(0, 9, 1, "b", 65536),
        "*1\r\n" RANGE(0, 9, 3, "b c", 7001),
        /* one slot twice */
        "*2\r\n" RANGE(0, 16383, 1, "b", 7001) RANGE(7, 7, 1, "c", 7001),
    };

    (void)state;
    assert_int_equal(read_slots("*1\r\n" RANGE(0, 16383, 1, "a", 7001)), 0);
    for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
        assert_int_equal(read_slots(maps[i]), ED_EPROTO);
        assert_non_null(map.owners[16383]->pool);
    }
}

static void there_are_only_so_many_nodes(void **state)
{
    struct cluster_node *node;
    char address[32];
    int err = 0;
    int made = 0;

    (void)state;
    for (; !err && made < 10000; made++) {
        snprintf(address, sizeof(address), "10.0.0.7:%d", made + 1);
        err = cluster_map_node(&map, address, &node);
    }
    assert_int_equal(err, ED_EPROTO);
    assert_true(made > 1000);
}

#define MAP_TEST(name) \
    cmocka_unit_test_setup_teardown(name, open_map, close_map)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MAP_TEST(slots_belong_to_the_nodes_that_are_named),
        MAP_TEST(a_node_that_left_stays_while_it_is_used),
        MAP_TEST(a_map_that_makes_no_sense_frees_no_owner),
        MAP_TEST(there_are_only_so_many_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
