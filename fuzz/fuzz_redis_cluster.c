/*
 * fuzz_redis_cluster.c - what the nodes of a cluster say of one another.
 *
 * The first line is the words of an error; the rest are replies to CLUSTER
 * SLOTS, read one after the other into the same map. Whatever they are, each
 * slot belongs to a node that the map still has, a node that is used stays, and
 * an address is a host and a port.
 */
#include "check.h"
#include "redis/cluster_map.h"
#include "redis/reader.h"
#include "redis/redirect.h"

#include <eddy/error.h>

#define MAX_REPLY ((size_t)64 * 1024)

static const char asked[] = "10.0.0.1:7000";

static void check_words(struct ed_bytes words)
{
    struct redis_redirect to;
    struct ed_buf address = {0};

    if (!redis_redirect_read(&to, words))
        return;
    CHECK(to.slot < REDIS_SLOTS);
    int err = redis_node_address(&address, to.host, to.port, asked);
    CHECK(err == 0 || err == ED_EPROTO);
    if (!err) {
        const char *colon = strrchr(address.ptr, ':');
        CHECK(strlen(address.ptr) == address.len);
        CHECK(colon && colon != address.ptr && atoi(colon + 1) == to.port);
    }
    ed_buf_free(&address);
}

static bool has_node(struct cluster_map *map, const struct cluster_node *wanted)
{
    ed_list_each (link, &map->nodes) {
        if (ED_CONTAINER(link, struct cluster_node, node) == wanted)
            return true;
    }
    return false;
}

static void check_map(struct cluster_map *map)
{
    const struct cluster_node *last = NULL;
    size_t count = 0;

    ed_list_each (link, &map->nodes)
        count++;
    CHECK(count == map->count);
    for (size_t slot = 0; slot < REDIS_SLOTS; slot++) {
        if (map->owners[slot] && map->owners[slot] != last)
            CHECK(has_node(map, map->owners[slot]));
        last = map->owners[slot];
    }
}

/* Somebody uses a node while the map changes. */
static void read_map(struct cluster_map *map, const ed_redis_reply *reply)
{
    struct ed_list *first = ed_list_first(&map->nodes);
    struct cluster_node *used =
        first ? ED_CONTAINER(first, struct cluster_node, node) : NULL;

    if (used)
        cluster_node_use(used);
    int err = cluster_map_read(map, reply, asked);
    CHECK(err == 0 || err == ED_EPROTO);
    check_map(map);
    if (!used)
        return;
    CHECK(has_node(map, used));
    cluster_node_leave(map, used);
    check_map(map);
}

static void read_replies(struct cluster_map *map, struct ed_bytes bytes)
{
    ed_arena *arena = ed_arena_new(0);
    struct redis_reader reader;

    CHECK(arena && redis_reader_open(&reader, MAX_REPLY) == 0);
    reader.arena = arena;
    while (redis_reader_next(&reader, &bytes) == 1)
        read_map(map, reader.reply);
    redis_reader_close(&reader);
    ed_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cluster_map map;
    static const struct ed_redis_options options = {.url = "redis://a"};
    struct ed_bytes rest = ed_bytes_of(data, size);
    struct redis_target target;

    CHECK(redis_target_init(&target, &options) == 0);
    cluster_map_init(&map, &target, &options);
    check_words(ed_bytes_cut(&rest, '\n'));
    if (rest.ptr)
        read_replies(&map, rest);
    cluster_map_free(&map);
    redis_target_free(&target);
    return 0;
}
