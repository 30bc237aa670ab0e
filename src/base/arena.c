/*
 * arena.c - memory that is given back all at once.
 *
 * Owns the arena, its chain of blocks and its large allocations. The first
 * block shares one malloc with the arena itself and is kept on reset: a
 * request that needs little costs no malloc at all. Further blocks double up
 * to 64 KiB; what would fill more than half of the next block gets a malloc
 * of its own, so that the room left in the current block is not lost.
 *
 * Texts are packed without padding, everything else is aligned. The limit
 * counts the bytes asked for, neither padding nor the unused rest of blocks.
 *
 * Under AddressSanitizer memory not handed out is poisoned and allocations
 * are kept apart, so that running over the end of one is reported.
 */
#include "base/asan.h"
#include "base/magic.h"
#include "base/size.h"
#include <eddy/arena.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_MAGIC 0xa2e7a001u

#define ALIGN      _Alignof(max_align_t)
#define TEXT_ALIGN (ED_ASAN ? ALIGN : 1)
#define GAP        (ED_ASAN ? ALIGN : 0) /* poisoned, behind each allocation */

#define FIRST_BYTES     4096 /* a page, the arena's own members included */
#define MAX_BLOCK_BYTES (64 * 1024)

/* Most formatted texts fit here and are formatted once only. */
#define PRINTF_TRY_BYTES 256

struct block {
    struct block *below;
    char *end;
    _Alignas(max_align_t) char data[];
};

/* An allocation with a malloc of its own. */
struct large {
    struct large *below;
    size_t used_before; /* what the arena had handed out before this one */
    _Alignas(max_align_t) char data[];
};

struct ed_arena {
    char *at;  /* where the top block is free */
    char *end; /* of the top block; aligned */
    size_t left;
    size_t limit;
    struct block *top;
    struct large *large; /* youngest first */
    ED_MAGIC;
    struct block first;
};

static void start_block(ed_arena *arena, struct block *block)
{
    arena->top = block;
    arena->at = block->data;
    arena->end = block->end;
    ed_asan_poison(arena->at, (size_t)(arena->end - arena->at));
}

ed_arena *ed_arena_new(size_t limit_bytes)
{
    ed_arena *arena = malloc(FIRST_BYTES);

    if (!arena)
        return NULL;
    ED_MAGIC_SET(arena, ARENA_MAGIC);
    arena->limit = limit_bytes ? limit_bytes : SIZE_MAX;
    arena->left = arena->limit;
    arena->large = NULL;
    arena->first.below = NULL;
    arena->first.end = (char *)arena + FIRST_BYTES;
    start_block(arena, &arena->first);
    return arena;
}

/* Frees the blocks above `block`, which then is the top one. */
static void drop_blocks(ed_arena *arena, const struct block *block)
{
    while (arena->top != block) {
        struct block *top = arena->top;

        arena->top = top->below;
        ed_asan_unpoison(top->data, (size_t)(top->end - top->data));
        free(top);
    }
    arena->end = arena->top->end;
}

/* Frees the large allocations made since `used` bytes were handed out. None
 * is empty, so the count tells what came before from what came after. */
static void drop_large(ed_arena *arena, size_t used)
{
    while (arena->large && arena->large->used_before >= used) {
        struct large *large = arena->large;

        arena->large = large->below;
        free(large);
    }
}

void ed_arena_free(ed_arena *arena)
{
    if (!arena)
        return;
    ed_arena_reset(arena);
    ED_MAGIC_CLEAR(arena);
    ed_asan_unpoison(arena, FIRST_BYTES);
    free(arena);
}

static void *alloc_large(ed_arena *arena, size_t len)
{
    size_t size;

    if (!ed_size_add(sizeof(struct large), len, &size))
        return NULL;
    struct large *large = malloc(size);
    if (!large)
        return NULL;
    large->below = arena->large;
    large->used_before = ed_arena_used(arena);
    arena->large = large;
    arena->left -= len;
    return large->data;
}

static bool add_block(ed_arena *arena, size_t size)
{
    struct block *block = malloc(size);

    if (!block)
        return false;
    block->below = arena->top;
    block->end = (char *)block + size;
    start_block(arena, block);
    return true;
}

static size_t next_block_bytes(const ed_arena *arena)
{
    if (arena->top == &arena->first)
        return 2 * FIRST_BYTES;
    size_t size = 2 * (size_t)(arena->top->end - (char *)arena->top);
    return size < MAX_BLOCK_BYTES ? size : MAX_BLOCK_BYTES;
}

/* Hands out the front of the top block. The caller knows it fits. */
static inline void *take(ed_arena *arena, char *ptr, size_t len)
{
    arena->at = ptr + len + GAP;
    arena->left -= len;
    ed_asan_unpoison(ptr, len);
    return ptr;
}

/* When the top block is full, or the limit reached. Kept apart, so that the
 * common case stays a few instructions. */
__attribute__((noinline)) static void *alloc_slow(ed_arena *arena, size_t len)
{
    size_t size = next_block_bytes(arena);

    if (len > arena->left)
        return NULL;
    if (len > size / 2)
        return alloc_large(arena, len);
    if (!add_block(arena, size))
        return NULL;
    return take(arena, arena->at, len);
}

static inline void *alloc(ed_arena *arena, size_t len, size_t align)
{
    ED_MAGIC_CHECK(arena, ARENA_MAGIC);

    size_t pad = -(uintptr_t)arena->at & (align - 1);
    size_t room = (size_t)(arena->end - arena->at);
    if (__builtin_expect(room < pad + GAP || len > room - pad - GAP ||
                             len > arena->left,
                         false))
        return alloc_slow(arena, len);
    return take(arena, arena->at + pad, len);
}

void *ed_arena_alloc(ed_arena *arena, size_t len)
{
    return alloc(arena, len, ALIGN);
}

void *ed_arena_zalloc(ed_arena *arena, size_t len)
{
    void *ptr = alloc(arena, len, ALIGN);

    return ptr ? memset(ptr, 0, len) : NULL;
}

char *ed_arena_copy(ed_arena *arena, struct ed_bytes b)
{
    size_t size;

    if (!ed_size_add(b.len, 1, &size))
        return NULL;
    char *text = alloc(arena, size, TEXT_ALIGN);
    if (!text)
        return NULL;
    if (b.len)
        memcpy(text, b.ptr, b.len);
    text[b.len] = '\0';
    return text;
}

char *ed_arena_printf(ed_arena *arena, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    char *text = ed_arena_vprintf(arena, fmt, args);
    va_end(args);
    return text;
}

char *ed_arena_vprintf(ed_arena *arena, const char *fmt, va_list args)
{
    char try[PRINTF_TRY_BYTES];
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(try, sizeof(try), fmt, again);
    va_end(again);
    if (len < 0)
        return NULL;
    if ((size_t)len < sizeof(try))
        return ed_arena_copy(arena, ed_bytes_of(try, (size_t)len));

    char *text = alloc(arena, (size_t)len + 1, TEXT_ALIGN);
    if (text)
        vsnprintf(text, (size_t)len + 1, fmt, args);
    return text;
}

struct ed_arena_mark ed_arena_mark(const ed_arena *arena)
{
    ED_MAGIC_CHECK(arena, ARENA_MAGIC);

    struct ed_arena_mark mark = {
        .block = arena->top,
        .used = (size_t)(arena->at - arena->top->data),
        .total = ed_arena_used(arena),
    };
    return mark;
}

void ed_arena_rewind(ed_arena *arena, struct ed_arena_mark mark)
{
    ED_MAGIC_CHECK(arena, ARENA_MAGIC);

    drop_large(arena, mark.total);
    drop_blocks(arena, mark.block);
    arena->at = arena->top->data + mark.used;
    arena->left = arena->limit - mark.total;
    ed_asan_poison(arena->at, (size_t)(arena->end - arena->at));
}

void ed_arena_reset(ed_arena *arena)
{
    ED_MAGIC_CHECK(arena, ARENA_MAGIC);

    if (arena->large)
        drop_large(arena, 0);
    if (arena->top != &arena->first)
        drop_blocks(arena, &arena->first);
    arena->left = arena->limit;
    start_block(arena, &arena->first);
}

size_t ed_arena_used(const ed_arena *arena)
{
    return arena->limit - arena->left;
}
