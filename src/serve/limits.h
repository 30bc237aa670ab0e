/*
 * limits.h - what the system lets a server have.
 */
#ifndef EDDY_SERVE_LIMITS_H
#define EDDY_SERVE_LIMITS_H

#include "serve/cgroup.h"
#include "serve/settings.h"

/* How many processors this process may use, as workers by default: those it
 * may run on, and no more than its control group gives it the time of (rounded
 * up). At least 1. */
unsigned ed_processors(void);

/* Raises what can be, and warns of what is too low for the settings: a line
 * each in the log, with what to do. Once, in the master. */
void ed_limits_prepare(const struct ed_settings *settings);

/* ---- the parts, for tests ---- */

/* As found; 0: not known, or no limit. */
struct ed_system_limits {
    uint64_t open_files; /* of a process */
    uint64_t accept_queue;
    uint64_t maps;        /* of memory, of a process */
    bool strict_memory;   /* all that is reserved counts, used or not */
    bool guards_are_maps; /* those of fibers' stacks */
    unsigned processors;
    struct ed_cgroup group;
};

/* Says each warning to `warn`. */
void ed_limits_judge(const struct ed_system_limits *have,
                     const struct ed_settings *settings,
                     void (*warn)(const char *text, void *arg), void *arg);

/* `affinity` processors, bounded by a group's time. */
unsigned ed_processors_of(unsigned affinity, const struct ed_cgroup *group);

#endif
