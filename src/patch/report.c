/*
 * report.c - who calls what blocks the loop.
 *
 * Owns the list of places already told. A place is a whole stack: a library's
 * one call of poll() is as many as there are ways to it.
 */
#include "patch/patch.h"

#include <dlfcn.h>
#include <string.h>
#include <eddy/log.h>
#include "core/frames.h"

/* A program with more is told often enough what to do. */
#define PLACES_MAX 256

static struct {
    pthread_mutex_t lock;
    int count;
    bool full;
    uint64_t places[PLACES_MAX];
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* FNV-1a, over the addresses. */
static uint64_t place_of(const struct ed_frames *frames)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (int i = 0; i < frames->count; i++)
        hash = (hash ^ (uintptr_t)frames->pcs[i]) * 0x100000001b3;
    return hash;
}

enum news { OLD, NEW, NO_MORE };

static enum news note(uint64_t place)
{
    enum news news = NEW;

    ed_plain->pthread_mutex_lock(&told.lock);
    for (int i = 0; i < told.count; i++) {
        if (told.places[i] == place)
            news = OLD;
    }
    if (news == NEW && told.count == PLACES_MAX) {
        news = told.full ? OLD : NO_MORE;
        told.full = true;
    }
    if (news == NEW)
        told.places[told.count++] = place;
    ed_plain->pthread_mutex_unlock(&told.lock);
    return news;
}

/* What calls the patch: the frames before those of libeddy-patch.so, and its
 * own, are no news. Where it cannot be found all are kept. */
static void drop_own(struct ed_frames *frames)
{
    Dl_info plain, info;
    int first = 0;

    if (!dladdr(ed_patch_door, &plain))
        return;
    while (first < frames->count && (!dladdr(frames->pcs[first], &info) ||
                                     info.dli_fbase != plain.dli_fbase))
        first++;
    while (first < frames->count && dladdr(frames->pcs[first], &info) &&
           info.dli_fbase == plain.dli_fbase)
        first++;
    if (first == frames->count)
        return;
    frames->count -= first;
    memmove(frames->pcs, frames->pcs + first,
            (size_t)frames->count * sizeof *frames->pcs);
    /* It is where the call returns to, which may be the next line. */
    frames->pcs[0] = (char *)frames->pcs[0] - 1;
}

static void report(const char *call)
{
    struct ed_frames frames;

    ed_frames_take(&frames, NULL);
    drop_own(&frames);
    enum news news = note(place_of(&frames));
    if (news == NO_MORE)
        ed_log_warn("%d places block the loop: no more are told", PLACES_MAX);
    if (news != NEW)
        return;
    const ed_fiber *fiber = ed_fiber_self();
    ed_log_warn("%s blocks the loop, in fiber '%s' (started at %s)", call,
                fiber->name, fiber->place);
    ed_frames_log(&frames);
}

bool ed_patch_stays_plain(const char *call)
{
    if (ed_patch_in_child())
        return true;
    if (ed_patch_mode() != ED_PATCH_REPORT)
        return false;
    report(call);
    return true;
}
