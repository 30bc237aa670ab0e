/*
 * symbol.h - what code lies at an address.
 */
#ifndef EDDY_CORE_SYMBOL_H
#define EDDY_CORE_SYMBOL_H

#include <eddy/api.h>

/* What is known of an address; texts are valid during the call only, NULL or
 * 0 where unknown. `object` is the file the code was loaded from. */
struct ed_symbol {
    const char *function;
    const char *file;
    int line;
    const char *object;
};
typedef void ed_symbol_fn(void *arg, const struct ed_symbol *symbol);

/* Describes the code at `pc`: calls `each` once, and where functions were
 * inlined once for each, innermost first. Slow the first time: it reads the
 * program's debug information, and keeps it. Any thread. */
void ed_symbol_describe(uintptr_t pc, ed_symbol_fn *each, void *arg);

/* Where the function that `pc` lies in begins; 0: unknown. Any thread. */
uintptr_t ed_symbol_start(uintptr_t pc);

#endif
