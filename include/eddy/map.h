/*
 * map.h - a hash map from bytes to pointers.
 *
 * Keys are copied; values are borrowed. The hash is keyed with a random seed
 * of the process, so a peer who chooses the keys cannot choose collisions.
 * Belongs to one thread.
 */
#ifndef EDDY_MAP_H
#define EDDY_MAP_H

#include <eddy/api.h>
#include <eddy/bytes.h>

ED_BEGIN_DECLS

typedef struct ed_map ed_map;

/* A new, empty map, or NULL when the system has no memory. */
ED_API ed_map *ed_map_new(void);

/* Frees the map and its copies of keys, not what the values point at. NULL is
 * fine. */
ED_API void ed_map_free(ed_map *map);

/* Sets a key and hands back in *old (may be NULL) the value it had, or NULL.
 * Returns 0 or ED_ENOMEM, the map then being as it was. */
ED_API ED_CHECK int ed_map_set(ed_map *map, struct ed_bytes key, void *value,
                               void **old);

/* The value of a key, or NULL. */
ED_API void *ed_map_get(const ed_map *map, struct ed_bytes key);

/* Removes a key and returns the value it had, or NULL. */
ED_API void *ed_map_remove(ed_map *map, struct ed_bytes key);

ED_API size_t ed_map_count(const ed_map *map);

/*
 * Visits all entries, those first set first:
 *
 *     struct ed_map_iter it = {0};
 *     while (ed_map_next(map, &it))
 *         use(it.key, it.value);
 *
 * it.key is the map's own copy, NUL-terminated, valid until it is removed.
 * Between two steps the current key may be removed, but no new one set.
 */
struct ed_map_iter {
    struct ed_bytes key;
    void *value;
    size_t at;
};
ED_API bool ed_map_next(const ed_map *map, struct ed_map_iter *it);

ED_END_DECLS
#endif
