/*
 * limits.c - what the system lets a server have.
 */
#include "serve/limits.h"

#include <sched.h>
#include <sys/resource.h>

unsigned ed_processors(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) ? 1
                                                  : (unsigned)CPU_COUNT(&set);
}

void ed_limits_prepare(const struct ed_settings *settings)
{
    struct rlimit limit;

    (void)settings;
    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}
