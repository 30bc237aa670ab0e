/*
 * cache.c - items as JSON, for 200 ms: in this process, or in Redis.
 *
 * In this process an item has one place it may be in, by its id, where it
 * displaces what was there: memory is bounded, and nothing has to be swept.
 * Redis forgets by itself.
 */
#include "arena.h"

#include <eddy/fiber.h>
#include <eddy/log.h>
#include <eddy/redis.h>
#include <stdlib.h>

enum {
    LIFE_MS = 200,
    PLACES = 64 * 1024, /* more than are read in 200 ms */
    /* A cache that takes longer is of no use. */
    PATIENCE_MS = 200,
};

struct place {
    int64_t id;
    int64_t expires; /* in ed_now() time; 0: there is nothing */
    struct ed_buf json;
};

struct cache {
    ed_redis *redis; /* NULL: here */
    struct place places[PLACES];
};

struct cache *cache_new(const char *redis_url)
{
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    if (redis_url)
        cache->redis = ed_redis_new(.url = redis_url);
    if (redis_url && !cache->redis) {
        free(cache);
        return NULL;
    }
    return cache;
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    ed_redis_free(cache->redis);
    for (size_t i = 0; i < PLACES; i++)
        ed_buf_free(&cache->places[i].json);
    free(cache);
}

/* ---- in this process ---- */

static struct place *place_of(struct cache *cache, int64_t id)
{
    return &cache->places[(uint64_t)id % PLACES];
}

static bool get_here(struct cache *cache, int64_t id, struct ed_bytes *json)
{
    const struct place *place = place_of(cache, id);
    if (place->id != id || place->expires <= ed_now())
        return false;
    /* Copied, as the place may be taken while a slow client is answered. */
    json->len = place->json.len;
    json->ptr = ed_arena_copy(ed_fiber_arena(), ed_buf_bytes(&place->json));
    return json->ptr != NULL;
}

static void put_here(struct cache *cache, int64_t id, struct ed_bytes json)
{
    struct place *place = place_of(cache, id);
    place->json.len = 0;
    place->expires = 0;
    if (ed_buf_add(&place->json, json.ptr, json.len))
        return; /* without memory nothing is cached */
    place->id = id;
    place->expires = ed_now() + LIFE_MS * ED_MS;
}

static void drop_here(struct cache *cache, int64_t id)
{
    struct place *place = place_of(cache, id);
    if (place->id == id)
        place->expires = 0;
}

/* ---- in Redis ---- */

static bool get_shared(ed_redis *redis, int64_t id, struct ed_bytes *json)
{
    ed_redis_reply *reply;
    ed_scope(s, .within = PATIENCE_MS * ED_MS);
    if (ed_redis_cmd(redis, &reply, "GET item:%lld", (long long)id))
        return false;
    *json = ed_redis_bytes(reply);
    return json->ptr != NULL;
}

static void put_shared(ed_redis *redis, int64_t id, struct ed_bytes json)
{
    ed_scope(s, .within = PATIENCE_MS * ED_MS);
    int err = ed_redis_cmd(redis, NULL, "SET item:%lld %b PX %d", (long long)id,
                           json.ptr, json.len, LIFE_MS);
    if (err)
        ed_log_debug("item %lld is not cached: %s", (long long)id, ed_error());
}

static void drop_shared(ed_redis *redis, int64_t id)
{
    ed_scope(s, .within = PATIENCE_MS * ED_MS);
    int err = ed_redis_cmd(redis, NULL, "DEL item:%lld", (long long)id);
    if (err)
        ed_log_warn("item %lld stays cached for up to %d ms: %s", (long long)id,
                    LIFE_MS, ed_error());
}

/* ---- either ---- */

bool cache_get(struct cache *cache, int64_t id, struct ed_bytes *json)
{
    return cache->redis ? get_shared(cache->redis, id, json)
                        : get_here(cache, id, json);
}

void cache_put(struct cache *cache, int64_t id, struct ed_bytes json)
{
    if (cache->redis)
        put_shared(cache->redis, id, json);
    else
        put_here(cache, id, json);
}

void cache_drop(struct cache *cache, int64_t id)
{
    if (cache->redis)
        drop_shared(cache->redis, id);
    else
        drop_here(cache, id);
}
