/*
 * test_fault.c - makes every allocation and system call of scenarios fail.
 *
 * Each scenario runs again and again; in the n-th run the n-th call fails, in
 * each of the ways that function has. Then the scenario must end, with an
 * error or because the call was tried again, and leave nothing behind; and an
 * undisturbed run in the same process must go well. The scenarios are short:
 * every n is tried.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>
#include "faults.h"
#include "scenarios.h"

/* Virtual: what is not done by then waits for what never comes. */
static const int64_t PATIENCE = 60 * ED_MIN;

/* Real seconds for a run, in case even the clock stands still. */
enum { ALARM_S = 20 };

struct trial {
    const struct scenario *scenario;
    int at;
    int way;
    int result;
    bool stalled;
    struct fault_report report;
};

static int run_scenario(void *arg)
{
    struct trial *t = arg;
    ed_scope(patience, .within = PATIENCE);
    (void)patience;
    t->result = t->scenario->run(NULL);
    t->stalled = ed_cancelled() == ED_ETIMEOUT;
    return 0;
}

/* Returns whether all is well with the run itself. */
static bool run(void *arg)
{
    struct trial *t = arg;

    t->result = 0;
    t->stalled = false;
    alarm(ALARM_S);
    fault_arm(t->at, t->way);
    int err = ed_run(run_scenario, t, .virtual_clock = true);
    t->report = fault_disarm();
    alarm(0);
    if (err)
        t->result = err;
    if (!t->at)
        return t->result == 0;
    return !t->stalled && t->result <= 0 && t->result != SCENARIO_CORRUPT;
}

static bool complain(const struct trial *t, const char *what)
{
    fprintf(stderr, "%s, call %d, %s fails with %d: %s (result %d%s)\n",
            t->scenario->name, t->at, t->report.name, t->report.error, what,
            t->result, t->stalled ? ", stalled" : "");
    return false;
}

static bool bears(struct trial *t)
{
    struct trial after = {.scenario = t->scenario};
    if (!scenario_leaves_nothing(run, t))
        return complain(t, "not well");
    if (!scenario_loses_no_memory(run, t))
        return complain(t, "memory lost");
    if (run(&after))
        return true;
    t->result = after.result;
    return complain(t, "not well afterwards");
}

/* Tries every way in which the call `at` may fail. False: there is no such
 * call. */
static bool try_call(const struct scenario *scenario, int at, int *failures)
{
    int way = 1, ways;
    do {
        struct trial t = {.scenario = scenario, .at = at, .way = way};
        *failures += !bears(&t);
        if (!t.report.name)
            return false;
        ways = t.report.ways;
    } while (++way <= ways);
    return true;
}

static void every_failing_call_is_borne(void **state)
{
    const struct scenario *scenario = *state;
    struct trial undisturbed = {.scenario = scenario};
    int failures = 0, at = 1;
    for (int i = 0; i < 2; i++)
        assert_true(run(&undisturbed));
    while (try_call(scenario, at, &failures))
        at++;
    print_message("%s: each of %d calls\n", scenario->name, at - 1);
    assert_true(at > 1);
    assert_int_equal(failures, 0);
}

int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, "fault", every_failing_call_is_borne);
}
