/*
 * report.h - last words: what a process says that crashes, or whose loop hangs.
 *
 * Both go to the log, in its format, without its lock: first what happened and
 * in which fiber, then the bare addresses of the stack, then what the program
 * adds (the requests in flight), then the stack by names. Each part is tried
 * even if the one before it failed: a memory that is broken enough to crash the
 * program may be broken for its reporter, too.
 */
#ifndef EDDY_CORE_REPORT_H
#define EDDY_CORE_REPORT_H

#include <eddy/api.h>
#include "core/frames.h"

/*
 * Has crashes reported from now on: SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT,
 * on every thread. After its report the process dies by the same signal and
 * with the disposition that was there before, so that core dumps, sanitizers
 * and handlers of the program are as without it. A report that takes longer
 * than ED_REPORT_SECONDS is given up.
 *
 * A stack overflow is reported in threads that run a loop, where signals have a
 * stack of their own (overflow.h). Once in a process; any thread. 0 or -errno.
 */
enum { ED_REPORT_SECONDS = 5 };
ED_CHECK int ed_report_on_crash(void);

/*
 * Whom reports ask for further lines. It is called in a signal handler, or
 * while the loop's thread is held, where anything may be locked or half
 * changed: it only reads, and tells by ed_log_safely(). One; NULL: nobody. By
 * the thread that changes what it reads: when another crashes, that one is
 * held, too.
 */
void ed_report_set_extra(void (*fn)(void *arg), void *arg);

/*
 * Calls fn(arg), in a handler of a signal or outside. False: it faulted, or
 * aborted, and was left where it did, which needs ed_report_on_crash():
 * without, a fault is one. For what only reads, and holds nothing. Any thread.
 */
typedef bool ed_report_try_fn(void (*fn)(void *arg), void *arg);
ed_report_try_fn ed_report_try;

/* In a handler of a signal: leaves what this thread tries, as a fault would.
 * Returns when it tries nothing. */
void ed_report_leave(void);

/* For the report of a hang (monitor.c): the parts behind what happened, each
 * tried by `by`. */
void ed_report_tell(struct ed_frames *frames, ed_report_try_fn *by);

/* Whether a crash is being reported. Any thread. */
bool ed_report_crashing(void);

#endif
