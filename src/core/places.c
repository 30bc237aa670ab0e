/*
 * places.c - standing in several lines at once.
 *
 * Owns the places of one wait, which live on the waiting fiber's stack while
 * they are few. Leaving one line is O(1), so being served costs as much as
 * there are lines.
 */
#include "core/places.h"

#include <stdlib.h>

int ed_places_init(struct ed_places *all, size_t count)
{
    all->fiber = ed_fiber_self();
    all->count = count;
    all->place = all->few;
    if (count > ED_PLACES_FEW)
        all->place = calloc(count, sizeof *all->place);
    if (!all->place)
        return ED_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        ed_list_init(&all->place[i].node);
        all->place[i].all = all;
    }
    return 0;
}

static void leave(struct ed_places *all)
{
    for (size_t i = 0; i < all->count; i++)
        ed_list_remove(&all->place[i].node);
}

static bool places_abort(void *arg)
{
    leave(arg);
    return true;
}

int ed_places_wait(struct ed_places *all, const char *what)
{
    int result = ed_park(what, places_abort, all);
    /* A fiber cancelled beforehand was not parked, and not aborted. */
    if (result < 0)
        leave(all);
    return result;
}

void ed_places_serve(struct ed_places *all, int result)
{
    leave(all);
    ed_wake(all->fiber, result);
}

void ed_places_free(struct ed_places *all)
{
    if (all->place != all->few)
        free(all->place);
}
