/*
 * scenarios.c - the list of scenarios, and what programs that disturb them
 * share.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <eddy/log.h>
#include <string.h>

#include "held.h"
#include "scenarios_run.h"

const struct scenario scenarios[] = {
#define SCENARIO(name) {#name, run_##name},
#include "scenarios.def"
#undef SCENARIO
    {NULL, NULL},
};

bool scenario_leaves_nothing(bool (*run)(void *trial), void *trial)
{
    int descriptors = held_descriptors();
    bool well = run(trial);

    return well && held_descriptors() == descriptors && !held_children();
}

/* Threads and caches come and go: memory counts as lost when the same run
 * loses it each time. */
bool scenario_loses_no_memory(bool (*run)(void *trial), void *trial)
{
    for (int tries = 0; tries < 3; tries++) {
        size_t before = held_bytes();
        (void)run(trial);
        if (held_bytes() <= before)
            return true;
    }
    return false;
}

int scenarios_main(int argc, char **argv, const char *group,
                   void (*test)(void **state))
{
    int failed = 0;

    held_begin(argv);
    if (!held_counts())
        return 77;
    ed_log_set_level(ED_LOG_OFF);
    for (const struct scenario *s = scenarios; s->name; s++) {
        const struct CMUnitTest one = {
            .name = s->name,
            .test_func = test,
            .initial_state = (void *)s,
        };
        if (argc < 2 || !strcmp(argv[1], s->name))
            failed += _cmocka_run_group_tests(group, &one, 1, NULL, NULL);
    }
    return failed;
}
