/*
 * scenarios_run.h - the scenarios one by one, and what they share.
 */
#ifndef EDDY_TESTS_SCENARIOS_RUN_H
#define EDDY_TESTS_SCENARIOS_RUN_H

#include "scenarios.h"

#include <eddy/tls.h>

#define SCENARIO(name) int run_##name(void *arg);
#include "scenarios.def"
#undef SCENARIO

/* Both sides' TLS, for "127.0.0.1". Made once, before anything is disturbed:
 * keys take their time. */
extern struct secured {
    ed_tls *server, *client;
} secured;
int make_secured(void);

static inline int expect(bool holds)
{
    return holds ? 0 : SCENARIO_CORRUPT;
}

#endif
