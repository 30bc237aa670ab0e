/*
 * test_cancel.c - cancels scenarios at each point where a fiber suspends.
 *
 * Every scenario is run again and again. The linker puts __wrap_ed_switch()
 * in the place of ed_switch(), so each time a fiber leaves its stack is seen,
 * and in the k-th run the k-th such moment is when the scenario is cancelled,
 * its deadline passes, or just the fiber that suspends is cancelled. After
 * each run nothing may be left: no memory, descriptor or child, and a result
 * that is not 0 must be an error. When a run ends before its k-th suspension
 * all have been tried.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>
#include "core/loop_internal.h"
#include "core/switch.h"
#include "scenarios.h"

enum how { SCOPE_CANCELLED, DEADLINE_PASSED, FIBER_CANCELLED, WAYS };

static const char *const how_text[WAYS] = {"cancel", "deadline", "one fiber"};

/* Virtual: what is not done by then waits for what never comes. */
static const int64_t PATIENCE = 60 * ED_MIN;

/* Real seconds for a run, in case even the clock stands still. */
enum { ALARM_S = 20 };

struct trial {
    const struct scenario *scenario;
    enum how how;
    int at; /* the suspension to strike; 0: none */
    int suspensions;
    ed_scope *scope;
    int result;
    bool stalled;
};

static struct trial *trial;

static void strike(ed_fiber *f)
{
    switch (trial->how) {
    case SCOPE_CANCELLED:
        ed_cancel(trial->scope);
        break;
    case DEADLINE_PASSED:
        ed_scope_cancel_with(trial->scope, ED_ETIMEOUT);
        break;
    default:
        ed_fiber_cancel(f, ED_ECANCELED);
    }
}

void __real_ed_switch(void **save, void *to);
void __wrap_ed_switch(void **save, void *to);

void __wrap_ed_switch(void **save, void *to)
{
    ed_fiber *f = ed_fiber_self();
    if (f && save == &f->sp && f->state != ED_FIBER_FREE && trial->scope &&
        ++trial->suspensions == trial->at)
        strike(f);
    __real_ed_switch(save, to);
}

static int run_scenario(void *arg)
{
    struct trial *t = arg;
    {
        ed_scope(patience, .within = PATIENCE);
        {
            ed_scope(s);
            t->scope = s;
            t->result = t->scenario->run(NULL);
        }
        t->scope = NULL;
        t->stalled = ed_cancelled() == ED_ETIMEOUT;
        (void)patience;
    }
    return 0;
}

/* Returns whether all is well with the run itself. */
static bool run(void *arg)
{
    struct trial *t = arg;

    trial = t;
    t->suspensions = 0;
    alarm(ALARM_S);
    int err = ed_run(run_scenario, t, .virtual_clock = true);
    alarm(0);
    if (err || t->result > 0 || (!t->at && t->result))
        return false;
    /* A scenario may miss, or wait for, what a fiber should have done that was
     * cancelled behind its back; its deadline is there for that. */
    return t->how == FIBER_CANCELLED ||
           (!t->stalled && t->result != SCENARIO_CORRUPT);
}

static void report(const struct trial *t, const char *what)
{
    fprintf(stderr, "%s, %s at suspension %d: %s (result %d%s)\n",
            t->scenario->name, how_text[t->how], t->at, what, t->result,
            t->stalled ? ", stalled" : "");
}

/* Returns the number of suspensions tried; failures are counted. */
static int try_all(const struct scenario *scenario, enum how how, int *failures)
{
    for (int at = 1;; at++) {
        struct trial t = {.scenario = scenario, .how = how, .at = at};
        if (!scenario_leaves_nothing(run, &t)) {
            report(&t, "not well");
            ++*failures;
        }
        if (t.suspensions < at)
            return at - 1;
        if (!scenario_loses_no_memory(run, &t)) {
            report(&t, "memory lost");
            ++*failures;
        }
    }
}

static void cancelled_anywhere_it_leaves_nothing(void **state)
{
    const struct scenario *scenario = *state;
    struct trial undisturbed = {.scenario = scenario};
    int failures = 0;
    for (int i = 0; i < 2; i++)
        assert_true(run(&undisturbed));
    for (int how = 0; how < WAYS; how++) {
        int tried = try_all(scenario, (enum how)how, &failures);
        print_message("%s: %s at each of %d suspensions\n", scenario->name,
                      how_text[how], tried);
        assert_true(tried > 0);
    }
    assert_true(run(&undisturbed));
    assert_int_equal(failures, 0);
}

/* Not under ThreadSanitizer, where memory is not counted: switches are counted
 * in the middle of what it is told about them. */
int main(int argc, char **argv)
{
    return scenarios_main(argc, argv, "cancel",
                          cancelled_anywhere_it_leaves_nothing);
}
