/*
 * held.c - locks of threads that the fibers of this thread hold.
 *
 * libc knows which thread holds a lock, if that. Which fiber, and whether any
 * of this thread, is noted here. A note may be stale, when a lock was given
 * back where the patch does not see it: who reads one asks the lock, too.
 */
#include "patch/patch.h"

#include <sys/mman.h>

/* Held at once by the fibers of a thread. One more is handled as if there were
 * no fibers. */
enum { HELD_MAX = 256 };

/* The list is no variable of the thread itself: a library that is loaded late
 * finds room for few of these. */
static _Thread_local struct {
    unsigned count;
    struct ed_patch_held *list; /* of HELD_MAX; NULL: none yet */
} mine;

static pthread_key_t list_key; /* gives the list back with its thread */
static bool have_key;

static void give_back(void *list)
{
    munmap(list, HELD_MAX * sizeof(struct ed_patch_held));
    mine.list = NULL;
    mine.count = 0;
}

__attribute__((constructor)) static void make_key(void)
{
    have_key = !pthread_key_create(&list_key, give_back);
}

static bool have_list(void)
{
    if (mine.list || !have_key)
        return mine.list;
    void *list =
        mmap(NULL, HELD_MAX * sizeof(struct ed_patch_held),
             PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (list == MAP_FAILED)
        return false;
    if (pthread_setspecific(list_key, list)) {
        give_back(list);
        return false;
    }
    mine.list = list;
    return true;
}

struct ed_patch_held *ed_patch_held_find(const void *lock)
{
    for (unsigned i = 0; i < mine.count; i++) {
        if (mine.list[i].lock == lock)
            return &mine.list[i];
    }
    return NULL;
}

struct ed_patch_held *ed_patch_held_add(const void *lock)
{
    if (mine.count == HELD_MAX || !have_list())
        return NULL;
    struct ed_patch_held *held = &mine.list[mine.count++];
    *held = (struct ed_patch_held){.lock = lock};
    return held;
}

void ed_patch_held_drop(struct ed_patch_held *held)
{
    *held = mine.list[--mine.count];
}
