/*
 * frames.h - where a thread or a fiber stands: the addresses of its stack, and
 * what lies at them.
 *
 * Stacks are unwound by the tables every program has for it (.eh_frame), so
 * code compiled without frame pointers is no worse off.
 */
#ifndef EDDY_CORE_FRAMES_H
#define EDDY_CORE_FRAMES_H

#include <eddy/api.h>
#include "base/log_safe.h"
#include "core/runtime.h"
#include "core/symbol.h"

enum { ED_FRAMES_MAX = 64 };

struct ed_frames {
    /* What a signal interrupted: the frames before it are the handler's. 0: the
     * first is the innermost already. */
    uintptr_t at;
    /* Where a fiber begins: what called it is the runtime. NULL: not known. */
    ed_fn *fn;
    int count;
    void *pcs[ED_FRAMES_MAX];
};

/* Loads the unwinder, which a handler of a signal must not. Any thread. */
void ed_frames_prepare(void);

/* The stack of the calling thread, and of the fiber it runs, if any. In a
 * handler of a signal, with its context; NULL elsewhere. Where it cannot be
 * unwound (which needs ed_report_on_crash()), what was interrupted alone. */
void ed_frames_take(struct ed_frames *frames, const void *context);

/* The stack of a fiber that does not run, by its own thread: nothing of the
 * fiber is disturbed. False, with none, where the processor's switch cannot
 * tell, or the stack cannot be unwound (which needs ed_report_on_crash()). */
bool ed_frames_of(struct ed_frames *frames, const ed_fiber *fiber);

/* The first of the frames that count, and the code at a frame: a return address
 * may be the first of the next line, or function. In a handler, too. */
int ed_frames_first(const struct ed_frames *frames);
uintptr_t ed_frames_pc(const struct ed_frames *frames, int i);

/* The names of functions from symbol tables, "inner < outer", as many as fit.
 * Quick, and in a handler, too (elf.h). */
void ed_frames_put_names(const struct ed_frames *frames,
                         struct ed_safe_line *line);

/* Calls `each` for every function of the stack, innermost first, down to the
 * fiber's. Slow the first time; see ed_symbol_describe(). Any thread. */
void ed_frames_describe(const struct ed_frames *frames, ed_symbol_fn *each,
                        void *arg);

/* Says them in the log, as warnings, a line for each. */
void ed_frames_log(const struct ed_frames *frames);

#endif
