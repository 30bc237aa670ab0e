/*
 * frames.c - unwinding stacks, and saying what they consist of.
 */
#include "core/frames.h"

#include <eddy/log.h>
#include <execinfo.h>
#include <ucontext.h>
#include "core/elf.h"
#include "core/report.h"
#include "core/switch.h"

void ed_frames_prepare(void)
{
    void *frame;

    (void)backtrace(&frame, 1);
}

static uintptr_t interrupted_at(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

/* ---- stacks ---- */

/* Is tried: code whose tables are wrong leads the unwinder astray. */
static void unwind(void *arg)
{
    struct ed_frames *frames = arg;

    frames->count = backtrace(frames->pcs, ED_FRAMES_MAX);
}

static void unwind_own(void *arg)
{
    struct ed_frames *frames = arg;
    const ed_fiber *fiber = ed_fiber_self();

    frames->fn = fiber ? fiber->fn : NULL;
    unwind(frames);
}

void ed_frames_take(struct ed_frames *frames, const void *context)
{
    frames->at = context ? interrupted_at(context) : 0;
    frames->fn = NULL;
    frames->count = 0;
    if (ed_report_try(unwind_own, frames) || !frames->at)
        return;
    frames->pcs[0] = (void *)frames->at;
    frames->count = 1;
}

struct looking {
    struct ed_frames *frames;
    const ed_fiber *fiber;
};

static void look_from(void *arg)
{
    const struct looking *l = arg;

    l->frames->at = ed_switch_look(l->fiber->sp, unwind, l->frames);
}

bool ed_frames_of(struct ed_frames *frames, const ed_fiber *fiber)
{
    frames->at = 0;
    frames->fn = fiber->fn;
    frames->count = 0;
    (void)ed_report_try(look_from, &(struct looking){frames, fiber});
    return frames->at;
}

/* ---- what it consists of ---- */

int ed_frames_first(const struct ed_frames *frames)
{
    for (int i = 0; i < frames->count; i++) {
        if ((uintptr_t)frames->pcs[i] == frames->at)
            return i;
    }
    return 0;
}

uintptr_t ed_frames_pc(const struct ed_frames *frames, int i)
{
    /* The first is what was about to run, not what a call returns to. */
    return (uintptr_t)frames->pcs[i] - (i > ed_frames_first(frames));
}

void ed_frames_put_names(const struct ed_frames *frames,
                         struct ed_safe_line *line)
{
    int first = ed_frames_first(frames);

    for (int i = first; i < frames->count; i++) {
        struct ed_elf_place place;

        ed_elf_find(ed_frames_pc(frames, i), &place);
        ed_safe_put(line, i > first ? " < " : "");
        ed_safe_put(line, *place.function ? place.function : "?");
        if (frames->fn && place.start == (uintptr_t)frames->fn)
            return;
    }
}

void ed_frames_describe(const struct ed_frames *frames, ed_symbol_fn *each,
                        void *arg)
{
    for (int i = ed_frames_first(frames); i < frames->count; i++) {
        uintptr_t pc = ed_frames_pc(frames, i);

        ed_symbol_describe(pc, each, arg);
        if (frames->fn && ed_symbol_start(pc) == (uintptr_t)frames->fn)
            return;
    }
}

static void log_symbol(void *arg, const struct ed_symbol *symbol)
{
    const char *function = symbol->function ? symbol->function : "?";

    (void)arg;
    if (symbol->file)
        ed_log_warn("    %s at %s:%d", function, symbol->file, symbol->line);
    else if (symbol->object)
        ed_log_warn("    %s in %s", function, symbol->object);
    else
        ed_log_warn("    %s", function);
}

void ed_frames_log(const struct ed_frames *frames)
{
    ed_frames_describe(frames, log_symbol, NULL);
}
