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

#endif
