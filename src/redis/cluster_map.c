/*
 * cluster_map.c - which node of a cluster has which slots.
 */
#include "redis/cluster_map.h"
#include "redis/redirect.h"
#include <stdlib.h>

/* Twice what the specification thinks of. */
enum { MOST_NODES = 2000 };

static struct cluster_node *node_of(struct ed_list *link)
{
    return ED_CONTAINER(link, struct cluster_node, node);
}

void cluster_map_init(struct cluster_map *map,
                      const struct redis_target *server,
                      const struct ed_redis_options *options)
{
    map->server = server;
    map->options = options;
    map->count = 0;
    map->past = (struct ed_redis_counts){0};
    ed_list_init(&map->nodes);
    memset(map->owners, 0, sizeof map->owners);
}

/* What was counted since the beginning stays so. */
static void keep_counts(struct cluster_map *map, const struct redis_pool *pool)
{
    struct ed_redis_counts counts;

    redis_pool_counts(pool, &counts);
    counts.open = counts.held = counts.held_idle = 0;
    counts.waiting = counts.under_way = 0;
    redis_counts_add(&map->past, &counts);
}

static void free_node(struct cluster_map *map, struct cluster_node *node)
{
    keep_counts(map, node->pool);
    ed_list_remove(&node->node);
    map->count--;
    redis_pool_free(node->pool);
    free(node);
}

void cluster_map_free(struct cluster_map *map)
{
    while (!ed_list_empty(&map->nodes))
        free_node(map, node_of(ed_list_first(&map->nodes)));
}

static struct redis_pool *new_pool(struct cluster_map *map, const char *address,
                                   int *err)
{
    struct redis_target target;
    struct redis_pool *pool;

    *err = redis_target_at(&target, map->server, address);
    if (*err)
        return NULL;
    pool = redis_pool_new(&target, map->options);
    if (!pool) {
        redis_target_free(&target);
        *err = ED_ENOMEM;
    }
    return pool;
}

int cluster_map_node(struct cluster_map *map, const char *address,
                     struct cluster_node **out)
{
    size_t len = strlen(address);
    int err;

    ed_list_each (link, &map->nodes) {
        *out = node_of(link);
        if (!strcmp((*out)->address, address)) {
            (*out)->listed = true;
            return 0;
        }
    }
    if (map->count == MOST_NODES)
        return ED_EPROTO;
    struct cluster_node *node = calloc(1, sizeof *node + len + 1);
    if (!node)
        return ED_ENOMEM;
    memcpy(node->address, address, len);
    node->pool = new_pool(map, address, &err);
    if (!node->pool) {
        free(node);
        return err;
    }
    node->listed = true;
    ed_list_add_back(&map->nodes, &node->node);
    map->count++;
    *out = node;
    return 0;
}

void cluster_node_use(struct cluster_node *node)
{
    node->users++;
}

void cluster_node_leave(struct cluster_map *map, struct cluster_node *node)
{
    if (!--node->users && !node->listed)
        free_node(map, node);
}

/* ---- reading the map ---- */

/* `left` is how many slots no range has named yet. */
static int read_range(struct cluster_map *map, const ed_redis_reply *range,
                      const char *asked, struct ed_buf *address, int64_t *left)
{
    const ed_redis_reply *at = ed_redis_at(range, 2);
    struct cluster_node *node;
    int64_t first, last, port;

    if (ed_redis_int(ed_redis_at(range, 0), &first) ||
        ed_redis_int(ed_redis_at(range, 1), &last) || first < 0 ||
        last < first || last - first >= *left || last >= REDIS_SLOTS ||
        ed_redis_int(ed_redis_at(at, 1), &port))
        return ED_EPROTO;
    int err = redis_node_address(address, ed_redis_bytes(ed_redis_at(at, 0)),
                                 port, asked);
    if (!err)
        err = cluster_map_node(map, address->ptr, &node);
    if (err)
        return err == ED_EURL ? ED_EPROTO : err;
    *left -= last - first + 1;
    for (int64_t slot = first; slot <= last; slot++)
        map->owners[slot] = node;
    return 0;
}

static bool owns_any(const struct cluster_map *map,
                     const struct cluster_node *node)
{
    for (size_t slot = 0; slot < REDIS_SLOTS; slot++) {
        if (map->owners[slot] == node)
            return true;
    }
    return false;
}

/* Those that are not in the new map, and have no slots of the old one that the
 * new one says nothing of. */
static void drop_unlisted(struct cluster_map *map)
{
    ed_list_each_safe (link, &map->nodes) {
        struct cluster_node *node = node_of(link);
        if (node->listed || owns_any(map, node))
            node->listed = true;
        else if (!node->users)
            free_node(map, node);
    }
}

int cluster_map_read(struct cluster_map *map, const ed_redis_reply *slots,
                     const char *asked)
{
    struct ed_buf address = {0};
    size_t count = ed_redis_count(slots);
    int64_t left = REDIS_SLOTS;
    int err = ed_redis_kind(slots) == ED_REDIS_ARRAY ? 0 : ED_EPROTO;

    ed_list_each (link, &map->nodes)
        node_of(link)->listed = false;
    for (size_t i = 0; i < count && !err; i++)
        err = read_range(map, ed_redis_at(slots, i), asked, &address, &left);
    ed_buf_free(&address);
    drop_unlisted(map);
    return err;
}
