/*
 * magic.h - a number in long-lived objects that tells a live one from a
 * freed one or a stray pointer. Debug builds check it; others do not have it.
 *
 *     struct ed_thing {
 *         ED_MAGIC;
 *         ...
 *     };
 *     ED_MAGIC_SET(thing, THING_MAGIC);     when it is made
 *     ED_MAGIC_CHECK(thing, THING_MAGIC);   where it is used
 *     ED_MAGIC_CLEAR(thing);                before it is freed
 */
#ifndef EDDY_BASE_MAGIC_H
#define EDDY_BASE_MAGIC_H

#include <assert.h>
#include <stdint.h>

#ifndef NDEBUG
/* volatile: clearing it before free() is no dead store. */
#define ED_MAGIC                  volatile uint32_t magic
#define ED_MAGIC_SET(obj, value)  ((void)((obj)->magic = (value)))
#define ED_MAGIC_CHECK(obj, want) assert((obj)->magic == (want))
#define ED_MAGIC_CLEAR(obj)       ((void)((obj)->magic = 0))
#else
#define ED_MAGIC \
    struct {     \
    }
#define ED_MAGIC_SET(obj, value)  ((void)0)
#define ED_MAGIC_CHECK(obj, want) ((void)0)
#define ED_MAGIC_CLEAR(obj)       ((void)0)
#endif

#endif
