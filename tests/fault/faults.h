/*
 * faults.h - making the n-th allocation or system call fail.
 *
 * The linker puts our wrappers in the place of the functions of wrap.txt, for
 * calls by the library and by the test; calls that other libraries make are
 * not seen. Only calls of the thread that armed the fault count, so that runs
 * can be repeated.
 */
#ifndef EDDY_TESTS_FAULTS_H
#define EDDY_TESTS_FAULTS_H

/* From now on the `at`-th call fails in its `way`-th typical way, both counted
 * from 1. `at` 0: none does. */
void fault_arm(int at, int way);

struct fault_report {
    int calls;        /* seen since then */
    const char *name; /* of what failed; NULL: nothing did */
    int error;        /* the errno it failed with; -1: a short count */
    int ways;         /* in which that function may fail */
};

/* Calls succeed again. Tells what happened. */
struct fault_report fault_disarm(void);

#endif
