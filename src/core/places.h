/*
 * places.h - standing in several lines at once.
 *
 * A fiber that can be served by any of several others takes a place in the
 * line of each. Whoever serves it takes it out of all of them in the same
 * step, so it is served once.
 */
#ifndef EDDY_CORE_PLACES_H
#define EDDY_CORE_PLACES_H

#include "core/runtime.h"

struct ed_places;

struct ed_place {
    struct ed_list node; /* in the line; the user links it */
    struct ed_places *all;
    void *data; /* the user's */
};

/* That many need no allocation: nearly every select and race. */
#define ED_PLACES_FEW 4

struct ed_places {
    ed_fiber *fiber;
    size_t count;
    struct ed_place *place; /* `few`, or allocated */
    struct ed_place few[ED_PLACES_FEW];
};

/* Makes `count` places for the running fiber, in no line yet. 0 or
 * ED_ENOMEM. */
ED_CHECK int ed_places_init(struct ed_places *all, size_t count);

/* Waits to be served. Suspends. Returns what ed_places_serve() was given, or
 * ED_ECANCELED or ED_ETIMEOUT; the fiber then stands in no line any more. */
ED_CHECK int ed_places_wait(struct ed_places *all, const char *what);

/* Takes the fiber out of all its lines and wakes it with that result. */
void ed_places_serve(struct ed_places *all, int result);

/* Gives the memory of the places back; they must be in no line. */
void ed_places_free(struct ed_places *all);

#endif
