/*
 * patch.h - blocking calls of libc that wait as fibers do.
 *
 * libeddy-patch.so, preloaded or linked, replaces the calls of libc that may
 * block: connect(), read(), poll(), sleep(), getaddrinfo(), ... In a fiber
 * they suspend it, and the other fibers run; everywhere else they are what
 * they were. So libraries that know nothing of Eddy, a database's client for
 * example, can be used in a fiber as they are.
 *
 *     LD_PRELOAD=libeddy-patch.so ./program
 *
 * The functions here say and set what the patch does. They are in the library
 * itself, and may be called whether or not the patch is there. docs/patch.md
 * lists the calls and how each behaves.
 */
#ifndef EDDY_PATCH_H
#define EDDY_PATCH_H

#include <eddy/api.h>

ED_BEGIN_DECLS

enum ed_patch_mode {
    ED_PATCH_OFF,    /* calls are libc's: they block the loop */
    ED_PATCH_ON,     /* in a fiber, calls suspend it */
    ED_PATCH_REPORT, /* they block, and the log says who called what */
};

/*
 * What the patch does in this process. It begins as the environment says:
 * EDDY_PATCH=on (or not set), report or off. ED_PATCH_OFF when libeddy-patch.so
 * is not loaded. Any thread; does not suspend.
 */
ED_API enum ed_patch_mode ed_patch_mode(void);

/*
 * Sets it, for the fibers of all loops, from their next call on.
 *
 * A program that cannot work without the patch says so at its start:
 *
 *     if (ed_patch_set_mode(ED_PATCH_ON) < 0)
 *         errx(1, "run me with LD_PRELOAD=libeddy-patch.so");
 *
 * Any thread; does not suspend. Returns 0, or
 *   -ENOENT     libeddy-patch.so is not loaded (not for ED_PATCH_OFF)
 *   ED_EUSAGE   there is no such mode
 */
ED_API ED_CHECK int ed_patch_set_mode(enum ed_patch_mode mode);

/*
 * Turns the patch off, or on again, for the running fiber alone: where libc's
 * calls must not let other fibers run in between. A new fiber begins with it
 * on. Returns how it was; false outside of a fiber, where it does nothing.
 * Does not suspend.
 *
 *     bool was = ed_patch_fiber(false);
 *     ...
 *     ed_patch_fiber(was);
 */
ED_API bool ed_patch_fiber(bool on);

ED_END_DECLS
#endif
