/*
 * switch.h - moving a thread from one stack to another.
 *
 * The only code that depends on the processor. Saves what the calling
 * convention says a function preserves; floating-point modes and the signal
 * mask are not saved: a fiber that changes them changes them for its thread.
 */
#ifndef EDDY_CORE_SWITCH_H
#define EDDY_CORE_SWITCH_H

#include <stddef.h>
#include <stdint.h>

/* Leaves the running stack, noting its pointer in *save, and goes on where
 * the stack with pointer `to` was left. Returns when somebody switches back
 * to *save. */
void ed_switch(void **save, void *to);

/* Where a stack goes when its entry returns: as ed_switch(). */
struct ed_switch_home {
    void **save;
    void *to;
};

/*
 * Makes the stack that ends at `top` such that a switch to the returned
 * pointer calls entry(arg) on it. When entry returns the thread goes where it
 * says, and the next switch to what was then saved calls it anew.
 *
 * Whoever can, returns: processors foretell where a return leads by the calls
 * before it. Seen from the caller of ed_switch(), that call has returned, and
 * all returns behind it are foretold as well; after an ed_switch() back, they
 * are off by one, and each costs as much as 50 instructions.
 */
void *ed_switch_prepare(void *top, struct ed_switch_home (*entry)(void *arg),
                        void *arg);

/*
 * Calls look(arg) on the running stack, as if from the place where the stack
 * with pointer `sp` was left: who unwinds the stack in look() finds the frames
 * of that one behind look()'s own and one more. Nothing is written to it.
 *
 * Returns the address at which that stack will go on, which is the first of
 * its frames; 0 without a call where that cannot be done (ucontext).
 */
uintptr_t ed_switch_look(void *sp, void (*look)(void *arg), void *arg);

#endif
