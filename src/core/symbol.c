/*
 * symbol.c - what code lies at an address: by libbacktrace, which reads debug
 * information and symbol tables (static functions, lines, inlining); built
 * without it, and where that knows nothing, by symbol tables alone (elf.h).
 */
#include "core/symbol.h"

#include <pthread.h>
#include "core/elf.h"

static void describe_plainly(uintptr_t pc, ed_symbol_fn *each, void *arg)
{
    struct ed_symbol symbol = {0};
    struct ed_elf_place place;

    ed_elf_find(pc, &place);
    if (*place.function)
        symbol.function = place.function;
    if (*place.object)
        symbol.object = place.object;
    each(arg, &symbol);
}

#ifdef EDDY_BACKTRACE
#include <backtrace.h>

static struct backtrace_state *state;

/* What cannot be read is described less well; that is all. */
static void ignore(void *data, const char *message, int code)
{
    (void)data, (void)message, (void)code;
}

static void make_state(void)
{
    state = backtrace_create_state(NULL, 1, ignore, NULL);
}

static struct backtrace_state *get_state(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_state);
    return state;
}

struct description {
    ed_symbol_fn *each;
    void *arg;
    bool given;
};

static int give_lines(void *data, uintptr_t pc, const char *file, int line,
                      const char *function)
{
    struct description *d = data;
    const struct ed_symbol symbol = {function, file, line, NULL};

    (void)pc;
    if (!function)
        return 0;
    d->each(d->arg, &symbol);
    d->given = true;
    return 0;
}

static void give_name(void *data, uintptr_t pc, const char *name,
                      uintptr_t start, uintptr_t size)
{
    struct description *d = data;
    const struct ed_symbol symbol = {name, NULL, 0, ed_elf_object(pc)};

    (void)start, (void)size;
    if (!name)
        return;
    d->each(d->arg, &symbol);
    d->given = true;
}

void ed_symbol_describe(uintptr_t pc, ed_symbol_fn *each, void *arg)
{
    struct description d = {each, arg, false};
    struct backtrace_state *s = get_state();

    if (s)
        backtrace_pcinfo(s, pc, give_lines, ignore, &d);
    if (s && !d.given)
        backtrace_syminfo(s, pc, give_name, ignore, &d);
    if (!d.given)
        describe_plainly(pc, each, arg);
}

static void give_start(void *data, uintptr_t pc, const char *name,
                       uintptr_t start, uintptr_t size)
{
    (void)pc, (void)name, (void)size;
    *(uintptr_t *)data = start;
}

uintptr_t ed_symbol_start(uintptr_t pc)
{
    struct backtrace_state *s = get_state();
    uintptr_t start = 0;

    if (s)
        backtrace_syminfo(s, pc, give_start, ignore, &start);
    return start;
}

#else

void ed_symbol_describe(uintptr_t pc, ed_symbol_fn *each, void *arg)
{
    describe_plainly(pc, each, arg);
}

uintptr_t ed_symbol_start(uintptr_t pc)
{
    struct ed_elf_place place;

    ed_elf_find(pc, &place);
    return place.start;
}

#endif
