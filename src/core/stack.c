/*
 * stack.c - stacks for fibers, by the slab.
 *
 * A stack is a stretch of address space: only pages that were touched cost
 * memory. The fiber's own structure stands at its top, in the page that the
 * first frames touch anyway, so a small fiber costs one page in all. Stacks
 * are cut from large mappings, because the number of mappings a process may
 * have is limited (vm.max_map_count): guards are made with
 * MADV_GUARD_INSTALL, which needs no mapping of its own, on kernels that have
 * it (6.13), else with mprotect() as long as that goes.
 */
#include "core/loop_internal.h"
#include "core/sanitizer.h"

#include <eddy/log.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum {
    FIRST_SLAB_STACKS = 16,
    MOST_SLAB_STACKS = 256,
    /* Free stacks that keep their pages, however long they lie unused. */
    WARM_STACKS = 64,
    /* Given back at once; each costs some microseconds. */
    TRIM_SLICE = 128,
    /* Tops at the same offset of every page would fight for the same cache
     * sets: neighbours are shifted by a line each. */
    COLOURS = 16,
    COLOUR_BYTES = 64,
};

struct ed_slab {
    struct ed_slab *next;
    char *base;
    size_t bytes;
};

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t ed_stack_guard_bytes(void)
{
    return page_bytes();
}

static void guard(struct ed_stacks *stacks, char *low)
{
    if (!madvise(low, page_bytes(), MADV_GUARD_INSTALL))
        return;
    if (!mprotect(low, page_bytes(), PROT_NONE) || stacks->no_guard)
        return;
    stacks->no_guard = true;
    ed_log_warn("no guard pages for further fiber stacks: %s "
                "(raise vm.max_map_count)",
                strerrordesc_np(errno));
}

static bool add_slab(struct ed_stacks *stacks)
{
    size_t count =
        stacks->next_slab_stacks ? stacks->next_slab_stacks : FIRST_SLAB_STACKS;
    size_t bytes = count * stacks->stack_bytes;
    struct ed_slab *slab = malloc(sizeof *slab);
    if (!slab)
        return false;
    slab->bytes = bytes;
    slab->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slab->base == MAP_FAILED) {
        free(slab);
        return false;
    }
    /* A huge page would make one touched byte cost two megabytes. */
    madvise(slab->base, bytes, MADV_NOHUGEPAGE);
    slab->next = stacks->slabs;
    stacks->slabs = slab;
    stacks->slab_left = count;
    if (count < MOST_SLAB_STACKS)
        count *= 2;
    stacks->next_slab_stacks = count;
    return true;
}

ed_fiber *ed_stack_get(ed_loop *loop)
{
    struct ed_stacks *stacks = &loop->stacks;
    ed_fiber *fiber = stacks->free;
    if (fiber) {
        stacks->free = fiber->next;
        stacks->free_count--;
        if (stacks->trim_next == fiber)
            stacks->trim_next = NULL;
        return fiber;
    }
    if (!stacks->slab_left && !add_slab(stacks))
        return NULL;

    stacks->slab_left--;
    char *low = stacks->slabs->base + stacks->slab_left * stacks->stack_bytes;
    char *top = low + stacks->stack_bytes;
    guard(stacks, low);
    size_t shift = (stacks->colour++ % COLOURS) * COLOUR_BYTES;
    uintptr_t at = ((uintptr_t)top - shift - sizeof(ed_fiber)) & ~(uintptr_t)63;
    fiber = (ed_fiber *)at;
    /* Fresh pages are zero. */
    fiber->loop = loop;
    fiber->stack_low = low + page_bytes();
    ed_sanitizer_stack_made(fiber, low, (char *)fiber);
    return fiber;
}

void ed_stack_put(ed_loop *loop, ed_fiber *fiber)
{
    struct ed_stacks *stacks = &loop->stacks;
    fiber->next = stacks->free;
    stacks->free = fiber;
    if (++stacks->free_count > WARM_STACKS)
        ed_loop_trim_later(loop);
}

static void trim(ed_fiber *f)
{
    /* The page of the structure and of the suspended first frame stays. */
    uintptr_t keep = (uintptr_t)f->sp & ~(uintptr_t)(page_bytes() - 1);

    if (keep > (uintptr_t)f->stack_low)
        madvise(f->stack_low, keep - (uintptr_t)f->stack_low, MADV_DONTNEED);
    f->trimmed = true;
}

static ed_fiber *behind_the_warm(const struct ed_stacks *stacks)
{
    ed_fiber *f = stacks->free;

    for (size_t i = 0; f && i < WARM_STACKS; i++)
        f = f->next;
    return f;
}

bool ed_stacks_trim(ed_loop *loop)
{
    struct ed_stacks *stacks = &loop->stacks;
    ed_fiber *f =
        stacks->trim_next ? stacks->trim_next : behind_the_warm(stacks);

    for (size_t n = 0; f && n < TRIM_SLICE; f = f->next) {
        if (f->trimmed)
            continue;
        trim(f);
        n++;
    }
    stacks->trim_next = f;
    return f;
}

void ed_stacks_free(struct ed_stacks *stacks)
{
    for (ed_fiber *f = stacks->free; f; f = f->next)
        ed_sanitizer_stack_gone(f);
    while (stacks->slabs) {
        struct ed_slab *slab = stacks->slabs;
        stacks->slabs = slab->next;
        munmap(slab->base, slab->bytes);
        free(slab);
    }
}
