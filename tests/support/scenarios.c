/*
 * scenarios.c - the list of scenarios.
 */
#include "scenarios_run.h"

const struct scenario scenarios[] = {
#define SCENARIO(name) {#name, run_##name},
#include "scenarios.def"
#undef SCENARIO
    {NULL, NULL},
};
