/*
 * map.c - a hash map from bytes to pointers.
 *
 * Owns the entries and the copies of their keys. Entries stand in the order in
 * which they were set, in one array; removing one leaves a hole there. A
 * second array, probed linearly, finds an entry's number from its hash. So
 * iteration is a walk over the first array that removing the current key
 * does not disturb, and goes the same way in every run whatever the seed.
 *
 * When the array of entries is full, both are rebuilt without the holes, in a
 * size that leaves at least half of them free: the only time memory moves.
 */
#include "base/hash.h"
#include "base/magic.h"
#include "base/size.h"
#include <eddy/error.h>
#include <eddy/map.h>
#include <stdlib.h>

#define MAP_MAGIC 0xeddf3a90u

#define MIN_SLOTS 8

/* Numbers of entries have 32 bits. */
#define MAX_SLOTS ((size_t)1 << 31)

struct entry {
    char *key; /* NULL in a hole */
    size_t len;
    void *value;
    uint32_t hash;
};

struct ed_map {
    ED_MAGIC;
    struct entry *entries;
    uint32_t *slots;   /* 0, or 1 + the number of an entry */
    size_t slot_count; /* a power of two, or 0 before the first key */
    size_t used;       /* entries, holes included */
    size_t count;      /* entries, holes not included */
};

/* How many entries so many slots bear: probing stays short below 3/4. */
static size_t capacity(size_t slot_count)
{
    return slot_count / 4 * 3;
}

ed_map *ed_map_new(void)
{
    ed_map *map = calloc(1, sizeof(*map));

    if (map)
        ED_MAGIC_SET(map, MAP_MAGIC);
    return map;
}

void ed_map_free(ed_map *map)
{
    if (!map)
        return;
    ED_MAGIC_CHECK(map, MAP_MAGIC);
    for (size_t i = 0; i < map->used; i++)
        free(map->entries[i].key);
    free(map->entries);
    free(map->slots);
    ED_MAGIC_CLEAR(map);
    free(map);
}

static bool has_key(const struct entry *entry, struct ed_bytes key,
                    uint32_t hash)
{
    return entry->hash == hash &&
           ed_bytes_equal(ed_bytes_of(entry->key, entry->len), key);
}

/* The slot that has the key, or the empty one where it belongs. The map has
 * slots, and always an empty one among them. */
static size_t find_slot(const ed_map *map, struct ed_bytes key, uint32_t hash)
{
    size_t mask = map->slot_count - 1;
    size_t slot = hash & mask;

    while (map->slots[slot] &&
           !has_key(&map->entries[map->slots[slot] - 1], key, hash))
        slot = (slot + 1) & mask;
    return slot;
}

static struct entry *find(const ed_map *map, struct ed_bytes key)
{
    if (map->count == 0)
        return NULL;
    uint32_t number = map->slots[find_slot(map, key, (uint32_t)ed_hash(key))];
    return number ? &map->entries[number - 1] : NULL;
}

/* Moves the entries over, closing the holes; cannot fail any more. */
static void refill(ed_map *map, struct entry *entries, uint32_t *slots,
                   size_t slot_count)
{
    size_t used = 0;

    for (size_t i = 0; i < map->used; i++) {
        if (!map->entries[i].key)
            continue;
        entries[used] = map->entries[i];
        size_t slot = entries[used].hash & (slot_count - 1);
        while (slots[slot])
            slot = (slot + 1) & (slot_count - 1);
        slots[slot] = (uint32_t)++used;
    }
    free(map->entries);
    free(map->slots);
    map->entries = entries;
    map->slots = slots;
    map->slot_count = slot_count;
    map->used = used;
}

static int rebuild(ed_map *map)
{
    size_t slot_count = MIN_SLOTS;
    size_t bytes;

    while (slot_count < MAX_SLOTS && capacity(slot_count) < 2 * map->count)
        slot_count *= 2;
    if (capacity(slot_count) <= map->count ||
        !ed_size_mul(capacity(slot_count), sizeof(struct entry), &bytes))
        return ED_ENOMEM;

    struct entry *entries = malloc(bytes);
    uint32_t *slots = calloc(slot_count, sizeof(*slots));
    if (!entries || !slots) {
        free(entries);
        free(slots);
        return ED_ENOMEM;
    }
    refill(map, entries, slots, slot_count);
    return 0;
}

static int add(ed_map *map, struct ed_bytes key, void *value)
{
    uint32_t hash = (uint32_t)ed_hash(key);
    size_t size;

    if (map->used == capacity(map->slot_count)) {
        int err = rebuild(map);
        if (err)
            return err;
    }
    if (!ed_size_add(key.len, 1, &size))
        return ED_ENOMEM;
    char *copy = malloc(size);
    if (!copy)
        return ED_ENOMEM;
    if (key.len)
        memcpy(copy, key.ptr, key.len);
    copy[key.len] = '\0';

    map->entries[map->used] = (struct entry){copy, key.len, value, hash};
    map->slots[find_slot(map, key, hash)] = (uint32_t)++map->used;
    map->count++;
    return 0;
}

int ed_map_set(ed_map *map, struct ed_bytes key, void *value, void **old)
{
    ED_MAGIC_CHECK(map, MAP_MAGIC);

    struct entry *entry = find(map, key);
    void *before = NULL;

    if (entry) {
        before = entry->value;
        entry->value = value;
    } else {
        int err = add(map, key, value);
        if (err)
            return err;
    }
    if (old)
        *old = before;
    return 0;
}

void *ed_map_get(const ed_map *map, struct ed_bytes key)
{
    ED_MAGIC_CHECK(map, MAP_MAGIC);

    struct entry *entry = find(map, key);
    return entry ? entry->value : NULL;
}

/*
 * Empties a slot. Keys behind it that were probed past it would no longer be
 * found, so each one that may stand in the gap moves there, and leaves the
 * next gap.
 */
static void close_gap(ed_map *map, size_t gap)
{
    size_t mask = map->slot_count - 1;

    for (size_t slot = (gap + 1) & mask; map->slots[slot];
         slot = (slot + 1) & mask) {
        size_t home = map->entries[map->slots[slot] - 1].hash & mask;
        if (((slot - home) & mask) < ((slot - gap) & mask))
            continue;
        map->slots[gap] = map->slots[slot];
        gap = slot;
    }
    map->slots[gap] = 0;
}

void *ed_map_remove(ed_map *map, struct ed_bytes key)
{
    ED_MAGIC_CHECK(map, MAP_MAGIC);

    if (map->count == 0)
        return NULL;
    size_t slot = find_slot(map, key, (uint32_t)ed_hash(key));
    if (!map->slots[slot])
        return NULL;
    struct entry *entry = &map->entries[map->slots[slot] - 1];
    void *value = entry->value;

    close_gap(map, slot);
    free(entry->key);
    entry->key = NULL;
    map->count--;
    /* Holes at the end are free to use again at once. */
    while (map->used && !map->entries[map->used - 1].key)
        map->used--;
    return value;
}

size_t ed_map_count(const ed_map *map)
{
    ED_MAGIC_CHECK(map, MAP_MAGIC);

    return map->count;
}

bool ed_map_next(const ed_map *map, struct ed_map_iter *it)
{
    ED_MAGIC_CHECK(map, MAP_MAGIC);

    while (it->at < map->used) {
        const struct entry *entry = &map->entries[it->at++];
        if (!entry->key)
            continue;
        it->key = ed_bytes_of(entry->key, entry->len);
        it->value = entry->value;
        return true;
    }
    return false;
}
