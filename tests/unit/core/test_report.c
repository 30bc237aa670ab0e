/* What a process says that crashes. */
#include "last_words.h"

#include <pthread.h>
#include <sys/prctl.h>

/* ---- crashes ---- */

__attribute__((noinline)) static int load_user(void *arg)
{
    *nowhere = 1;
    return arg != NULL;
}

static void crash(ed_fn *fn)
{
    if (ed_report_on_crash())
        _exit(3);
    ed_report_set_extra(say_more, "slow\n");
    (void)!ed_run(in_fiber, &fn);
}

static void fault(void)
{
    crash(load_user);
}

static void a_crash_tells_fiber_stack_and_requests_and_still_kills(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(fault, &status);
    assert_true(has(said, "ERROR crash: SIGSEGV at address 0x10 in fiber "
                          "'user' (started at app.c:42), process "));
    assert_true(has(said, "    load_user+0x"));
    assert_true(has(said, "ERROR GET /slow\\x0a\n"));
    assert_true(has(said, "    load_user at "));
    assert_true(has(said, "test_report.c:"));
    assert_null(strstr(said, "on_crash"));
    assert_true(died_by(status, SIGSEGV));
    free(said);
}

static int give_up(void *arg)
{
    (void)arg;
    abort();
}

static void call_abort(void)
{
    crash(give_up);
}

static void an_abort_is_a_crash(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(call_abort, &status);
    assert_true(has(said, "crash: SIGABRT in fiber 'user'"));
    assert_true(has(said, "    give_up+0x"));
    assert_true(died_by(status, SIGABRT));
    free(said);
}

static volatile int zero, many = 1000;

__attribute__((no_sanitize("undefined"))) static int divide(void *arg)
{
    (void)arg;
#if defined(__x86_64__)
    return many / zero;
#else
    raise(SIGFPE);
    return zero;
#endif
}

static void divide_by_zero(void)
{
    crash(divide);
}

static void a_division_by_zero_is_a_crash(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(divide_by_zero, &status);
    assert_true(has(said, "crash: SIGFPE"));
    assert_true(has(said, "    divide+0x"));
    assert_true(died_by(status, SIGFPE));
    free(said);
}

static volatile bool go_on = true;

__attribute__((noinline)) static int recurse(volatile char *below)
{
    volatile char frame[256];

    frame[0] = below ? below[0] : 1;
    return go_on ? recurse(frame) + frame[0] : 0;
}

static int greedy(void *arg)
{
    (void)arg;
    return recurse(NULL);
}

static void overflow(void)
{
    crash(greedy);
}

static void a_stack_overflow_is_told_with_its_stack(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(overflow, &status);
    assert_true(has(said, "stack overflow in fiber 'user'"));
    assert_true(has(said, "    recurse+0x"));
    assert_true(has(said, "GET /slow"));
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status));
    free(said);
}

static int report_late(void *arg)
{
    if (ed_report_on_crash())
        _exit(3);
    return recurse(arg);
}

static void overflow_reported_late(void)
{
    ed_fn *fn = report_late;
    (void)!ed_run(in_fiber, &fn);
}

static void so_it_is_when_reports_were_asked_for_in_the_loop(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(overflow_reported_late, &status);
    assert_true(has(said, "stack overflow in fiber 'user'"));
    assert_true(has(said, "    recurse+0x"));
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status));
    free(said);
}

/* ---- reports that fail ---- */

static void fault_twice(void)
{
    ed_fn *fn = load_user;

    (void)!ed_report_on_crash();
    ed_report_set_extra(fault_again, NULL);
    (void)!ed_run(in_fiber, &fn);
}

static void a_part_that_faults_does_not_keep_the_others(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(fault_twice, &status);
    assert_true(has(said, "    load_user+0x"));
    assert_true(has(said, "    load_user at "));
    assert_true(died_by(status, SIGSEGV));
    free(said);
}

static void crash_and_stand(void)
{
    ed_fn *fn = load_user;

    (void)!ed_report_on_crash();
    ed_report_set_extra(stand_still, NULL);
    (void)!ed_run(in_fiber, &fn);
}

static void a_report_that_stands_still_is_given_up(void **state)
{
    int status;
    char *said;
    int64_t began = ed_clock_monotonic();

    (void)state;
    said = run_in_child(crash_and_stand, &status);
    assert_true(has(said, "    load_user+0x"));
    assert_true(died_by(status, SIGSEGV));
    assert_true(ed_clock_monotonic() - began <
                (2 * ED_REPORT_SECONDS + 10) * ED_S);
    free(said);
}

static void of_the_program(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    _exit(42);
}

static void fault_with_a_handler(void)
{
    struct sigaction action = {
        .sa_sigaction = of_the_program,
        .sa_flags = SA_SIGINFO,
    };

    sigaction(SIGSEGV, &action, NULL);
    fault();
}

static void a_handler_that_was_there_has_the_last_word(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(fault_with_a_handler, &status);
    assert_true(has(said, "    load_user+0x"));
    assert_int_equal(WEXITSTATUS(status), 42);
    free(said);
}

static void abort_at_last(int signo)
{
    (void)signo;
    abort();
}

static void fault_with_a_handler_that_aborts(void)
{
    signal(SIGSEGV, abort_at_last);
    fault();
}

static void so_it_has_when_it_aborts(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(fault_with_a_handler_that_aborts, &status);
    assert_true(has(said, "    load_user+0x"));
    assert_null(strstr(said, "SIGABRT"));
    assert_true(died_by(status, SIGABRT));
    free(said);
}

static void *crash_there(void *arg)
{
    return load_user(arg) ? NULL : arg;
}

static void crash_in_a_thread(void)
{
    pthread_t thread;

    (void)!ed_report_on_crash();
    pthread_create(&thread, NULL, crash_there, NULL);
    pthread_join(thread, NULL);
}

static void a_crash_outside_of_loops_is_told_too(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(crash_in_a_thread, &status);
    assert_true(has(said, "crash: SIGSEGV at address 0x10, process "));
    assert_true(has(said, "    crash_there+0x"));
    assert_true(died_by(status, SIGSEGV));
    free(said);
}

static _Atomic unsigned turns;

static void see_whether_it_turns(void *arg)
{
    unsigned before = turns;
    struct ed_safe_line line = {0};

    (void)arg;
    for (int64_t end = ed_clock_monotonic() + 50 * ED_MS;
         ed_clock_monotonic() < end;)
        ;
    ed_safe_put(&line, turns == before ? "it stands still" : "it turns");
    ed_log_safely(ED_LOG_ERROR, &line);
}

static int turn_for_ever(void *arg)
{
    pthread_t thread;
    int err = 0;

    (void)arg;
    ed_report_set_extra(see_whether_it_turns, NULL);
    pthread_create(&thread, NULL, crash_there, NULL);
    for (; !err; turns++)
        err = ed_yield();
    return err;
}

static void crash_beside_a_loop(void)
{
    (void)!ed_report_on_crash();
    (void)!ed_run(turn_for_ever, NULL);
}

static void the_loop_stands_still_while_another_threads_crash_is_told(
    void **state)
{
    int status;
    char *said;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it calls handlers where the program calls something */
#endif
    said = run_in_child(crash_beside_a_loop, &status);
    assert_true(has(said, "    crash_there+0x"));
    assert_true(has(said, "it stands still"));
    assert_true(has(said, "    crash_there at "));
    assert_true(died_by(status, SIGSEGV));
    free(said);
}

static _Atomic bool reporting, forked;

static void report_until_forked(void *arg)
{
    (void)arg;
    reporting = true;
    while (!forked)
        usleep(1000);
}

static void *crash_and_tell_long(void *arg)
{
    ed_report_set_extra(report_until_forked, NULL);
    return crash_there(arg);
}

static void crash_in_the_child(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ed_report_set_extra(NULL, NULL);
    _exit(load_user(NULL));
}

/* One thread reports its crash while the other forks. */
static void fork_meanwhile(void)
{
    pthread_t thread;
    int status;

    (void)!ed_report_on_crash();
    pthread_create(&thread, NULL, crash_and_tell_long, NULL);
    while (!reporting)
        usleep(1000);
    pid_t pid = fork();
    if (!pid)
        crash_in_the_child();
    waitpid(pid, &status, 0);
    if (died_by(status, SIGSEGV))
        _exit(42);
    forked = true;
    pthread_join(thread, NULL);
}

static void a_child_of_who_reports_reports_for_itself(void **state)
{
    int status;

    (void)state;
    free(run_in_child(fork_meanwhile, &status));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

static void crash_in_json(void)
{
    ed_log_set_format(ED_LOG_JSON);
    fault();
}

static void a_log_of_json_stays_one(void **state)
{
    int status;
    char *said, *line;

    (void)state;
    said = run_in_child(crash_in_json, &status);
    assert_true(has(said, "\"level\":\"error\",\"context\":\"\","
                          "\"message\":\"GET /slow\\u000a\"}\n"));
    for (line = strtok(said, "\n"); line; line = strtok(NULL, "\n")) {
        if (line[0] == '{')
            assert_int_equal(line[strlen(line) - 1], '}');
    }
    free(said);
}

#if defined(__x86_64__)
static int crash_astray(void *arg)
{
    (void)arg;
    wait_astray((bool *)nowhere);
    return 0;
}

static void fault_astray(void)
{
    crash(crash_astray);
}

static void where_the_stack_cannot_be_unwound_the_place_is_told(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(fault_astray, &status);
    assert_true(has(said, "in fiber 'user' (started at app.c:42)"));
    assert_true(has(said, "    wait_astray+0x"));
    assert_true(has(said, "GET /slow"));
    assert_true(died_by(status, SIGSEGV));
    free(said);
}
#define ASTRAY \
    cmocka_unit_test(where_the_stack_cannot_be_unwound_the_place_is_told),
#else
#define ASTRAY
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_crash_tells_fiber_stack_and_requests_and_still_kills),
        cmocka_unit_test(an_abort_is_a_crash),
        cmocka_unit_test(a_division_by_zero_is_a_crash),
        cmocka_unit_test(a_stack_overflow_is_told_with_its_stack),
        cmocka_unit_test(so_it_is_when_reports_were_asked_for_in_the_loop),
        cmocka_unit_test(a_part_that_faults_does_not_keep_the_others),
        cmocka_unit_test(a_report_that_stands_still_is_given_up),
        cmocka_unit_test(a_handler_that_was_there_has_the_last_word),
        cmocka_unit_test(so_it_has_when_it_aborts),
        cmocka_unit_test(a_crash_outside_of_loops_is_told_too),
        cmocka_unit_test(
            the_loop_stands_still_while_another_threads_crash_is_told),
        cmocka_unit_test(a_child_of_who_reports_reports_for_itself),
        ASTRAY cmocka_unit_test(a_log_of_json_stays_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
