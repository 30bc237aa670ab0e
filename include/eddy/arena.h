/*
 * arena.h - memory that is given back all at once.
 *
 * A request has an arena; what handlers allocate lives until the request
 * ends, and nobody calls free. An arena belongs to one thread.
 */
#ifndef EDDY_ARENA_H
#define EDDY_ARENA_H

#include <eddy/api.h>
#include <eddy/bytes.h>

ED_BEGIN_DECLS

typedef struct ed_arena ed_arena;

/* A new, empty arena that hands out at most `limit_bytes` in all (0: no
 * limit), counting the bytes asked for. NULL when the system has no memory. */
ED_API ed_arena *ed_arena_new(size_t limit_bytes);

/* Gives back the arena and all that it handed out. NULL is fine. */
ED_API void ed_arena_free(ed_arena *arena);

/* Memory aligned for any type, not cleared, valid until the arena is reset,
 * freed, or rewound past it. NULL when the limit is reached or the system has
 * no memory. */
ED_API ED_CHECK void *ed_arena_alloc(ed_arena *arena, size_t len);
ED_API ED_CHECK void *ed_arena_zalloc(ed_arena *arena, size_t len);

/* A NUL-terminated copy; NULL as above. */
ED_API ED_CHECK char *ed_arena_copy(ed_arena *arena, struct ed_bytes b);
ED_API ED_CHECK char *ed_arena_printf(ed_arena *arena, const char *fmt, ...)
    ED_PRINTF(2, 3);
ED_API ED_CHECK char *ed_arena_vprintf(ed_arena *arena, const char *fmt,
                                       va_list args) ED_PRINTF(2, 0);

/* Where the arena stands; rewinding gives back all that came after. A loop
 * that runs for long inside one request marks and rewinds. A mark is void once
 * the arena was rewound to an older one or reset. */
struct ed_arena_mark {
    void *block;
    size_t used;
    size_t total;
};
ED_API struct ed_arena_mark ed_arena_mark(const ed_arena *arena);
ED_API void ed_arena_rewind(ed_arena *arena, struct ed_arena_mark mark);

/* Empties the arena and keeps its first block, so that the next use costs
 * nothing. */
ED_API void ed_arena_reset(ed_arena *arena);

/* Bytes handed out since the last reset, and not rewound since. */
ED_API size_t ed_arena_used(const ed_arena *arena);

ED_END_DECLS
#endif
