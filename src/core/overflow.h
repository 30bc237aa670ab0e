/*
 * overflow.h - a fiber that outgrows its stack is named before it dies.
 */
#ifndef EDDY_CORE_OVERFLOW_H
#define EDDY_CORE_OVERFLOW_H

#include <eddy/api.h>

/*
 * Prepares the calling thread, which is about to run a loop: gives it an
 * alternate signal stack unless it has one, and, the first time in the
 * process, installs handlers for SIGSEGV and SIGBUS. A fault below the
 * running fiber's stack then writes
 *
 *     stack overflow in fiber 'NAME' started at PLACE (stack of N KiB)
 *
 * to standard error; the former disposition then takes the fault, as it does
 * every other one. 0 or -errno.
 */
ED_CHECK int ed_overflow_enter(void);

/* Takes the thread's alternate stack away again if it was ours. The handlers
 * stay, since another library may have chained to them. */
void ed_overflow_leave(void);

#endif
