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

/* Leaves the running stack, noting its pointer in *save, and goes on where
 * the stack with pointer `to` was left. Returns when somebody switches back
 * to *save. */
void ed_switch(void **save, void *to);

/* Makes the stack that ends at `top` such that the first switch to the
 * returned pointer calls entry(arg) on it. entry must not return. */
void *ed_switch_prepare(void *top, void (*entry)(void *arg), void *arg);

#endif
