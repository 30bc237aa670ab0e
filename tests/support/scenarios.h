/*
 * scenarios.h - small programs that use the library as users do, for tests
 * that run them again and again, each time disturbed in another place.
 *
 * A scenario is the body of a fiber and needs a virtual clock. Undisturbed it
 * returns 0. Disturbed it may return any other error; SCENARIO_CORRUPT is what
 * it returns when it was given a wrong answer without an error. It leaves
 * nothing behind either way.
 */
#ifndef EDDY_TESTS_SCENARIOS_H
#define EDDY_TESTS_SCENARIOS_H

#include <eddy/fiber.h>

enum { SCENARIO_CORRUPT = -20001 };

struct scenario {
    const char *name;
    ed_fn *run;
};

/* The last one has no name. */
extern const struct scenario scenarios[];

/* The main() of a program that disturbs scenarios: `test` is given one as its
 * state. Without arguments it runs all, else those they name. Skipped where
 * memory cannot be counted. */
int scenarios_main(int argc, char **argv, const char *group,
                   void (*test)(void **state));

/* Whether run(trial) is true, and leaves no descriptor and no child behind. */
bool scenario_leaves_nothing(bool (*run)(void *trial), void *trial);

/* Whether it gives back all memory. */
bool scenario_loses_no_memory(bool (*run)(void *trial), void *trial);

#endif
