/* What a process says that crashes or hangs. Each does so in a child. */
#include "outside.h"

#include <eddy/clock.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include "base/log_safe.h"
#include "base/log_watch.h"
#include "core/monitor.h"
#include "core/report.h"
#include "core/runtime.h"

/* Runs fn in a child; *status is how it ended. What it logged, to be freed. */
static char *run_in_child(void (*fn)(void), int *status)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    pid_t pid = fork();

    if (!pid) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        dup2(fd, 2);
        /* cmocka has handlers of its own. */
        for (int signo = 1; signo < SIGSYS; signo++)
            signal(signo, SIG_DFL);
        fn();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, status, 0), pid);
    return captured(fd);
}

static bool has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fprintf(stderr, "no \"%s\" in:\n%s\n", part, text);
    return strstr(text, part);
}

/* A sanitizer takes the signal first or last, and ends the process itself. */
static bool died_by(int status, int signo)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return !WIFEXITED(status) || WEXITSTATUS(status);
#endif
    return WIFSIGNALED(status) && WTERMSIG(status) == signo;
}

/* ---- crashes ---- */

static int *volatile nowhere = (int *)16;

__attribute__((noinline)) static int load_user(void *arg)
{
    *nowhere = 1;
    return arg != NULL;
}

static int in_fiber(void *arg)
{
    int (*fn)(void *) = *(int (**)(void *))arg;
    ed_scope(s);
    ed_go_at_(s, fn, NULL, "user", "app.c:42");
    return ed_wait(s);
}

static void say_more(void *arg)
{
    struct ed_safe_line line = {0};

    ed_safe_put(&line, "GET /");
    ed_safe_put(&line, arg);
    ed_log_safely(ED_LOG_ERROR, &line);
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

static void fault_again(void *arg)
{
    (void)arg;
    *nowhere = 2;
}

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

static void stand_still(void *arg)
{
    (void)arg;
    for (;;)
        pause();
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

/* ---- code that leads the unwinder astray ---- */

#define LIMIT (50 * ED_MS)

#if defined(__x86_64__)
/* Waits for *flag, with a word on the stack that its tables know nothing of:
 * they give it, an address with nothing there, for the caller's. */
void wait_astray(const volatile bool *flag);
__asm__(".text\n"
        ".type wait_astray, @function\n"
        "wait_astray:\n"
        ".cfi_startproc\n"
        "pushq $0x73\n"
        "1: pause\n"
        "cmpb $0, (%rdi)\n"
        "je 1b\n"
        "popq %rax\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size wait_astray, .-wait_astray\n");

static volatile bool is_told;

static void note_told(const struct ed_block *block, void *arg)
{
    (void)block, (void)arg;
    is_told = true;
}

static int block_astray(void *arg)
{
    (void)arg;
    wait_astray(&is_told);
    return 0;
}

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

static void be_astray(void)
{
    ed_fn *fn = block_astray;

    if (ed_report_on_crash())
        _exit(3);
    ed_monitor_on_block(note_told, NULL);
    if (ed_run(in_fiber, &fn, .blocked_after = LIMIT))
        _exit(4);
}

static void a_stack_that_cannot_be_unwound_harms_nobody(void **state)
{
    int status;
    char *said;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it calls handlers where the program calls something */
#endif
    said = run_in_child(be_astray, &status);
    assert_int_equal(status, 0);
    assert_true(has(said, "by fiber 'user' (started at app.c:42)"));
    assert_true(has(said, "    in wait_astray\n"));
    free(said);
}

static void a_crash_there_is_told_with_the_place_at_least(void **state)
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

#define ASTRAY                                                       \
    cmocka_unit_test(a_crash_there_is_told_with_the_place_at_least), \
        cmocka_unit_test(a_stack_that_cannot_be_unwound_harms_nobody),
#else
#define ASTRAY
#endif

/* ---- hangs ---- */

__attribute__((noinline)) static void spin(void)
{
    while (go_on)
        __asm__ volatile("" ::: "memory");
}

static int hang(void *arg)
{
    int err = ed_loop_on_hang(LIMIT, *(ed_hang_fn **)arg, NULL);
    if (err)
        return err;
    spin();
    return 0;
}

static void run_hang(ed_hang_fn *fn)
{
    ed_report_set_extra(say_more, "slow");
    (void)!ed_run(hang, &fn, .blocked_after = -1);
}

static void hang_plainly(void)
{
    run_hang(NULL);
}

static void a_hang_is_told_and_ends_the_process(void **state)
{
    int status;
    char *said;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it calls handlers where the program calls something */
#endif
    said = run_in_child(hang_plainly, &status);
    assert_true(has(said, "ERROR loop hangs, for "));
    assert_true(
        has(said, " ms, in fiber 'main' (started at ed_run): process "));
    assert_true(has(said, "    spin+0x"));
    assert_true(has(said, "    spin at "));
    assert_true(has(said, "GET /slow"));
    assert_null(strstr(said, "loop blocked"));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ED_EXIT_HUNG);
    free(said);
}

static void by_abort(void *arg)
{
    (void)arg;
    abort();
}

static void hang_until_abort(void)
{
    run_hang(by_abort);
}

static void who_wants_a_core_of_a_hang_gets_it(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(hang_until_abort, &status);
    assert_true(has(said, "loop hangs"));
    assert_true(died_by(status, SIGABRT));
    free(said);
}

/* Holds the log's lock, as who writes to a full pipe does. */
static bool hang_in_log(struct ed_log_watch *watch, enum ed_log_level level,
                        const char *context, struct ed_bytes message)
{
    (void)watch, (void)level, (void)context, (void)message;
    spin();
    return true;
}

static int log_for_ever(void *arg)
{
    static struct ed_log_watch watch = {.told = hang_in_log};
    int err = ed_loop_on_hang(LIMIT, NULL, arg);

    ed_log_watch(&watch);
    ed_log_info("anything");
    return err;
}

static void hang_with_the_lock(void)
{
    (void)!ed_run(log_for_ever, NULL, .blocked_after = -1);
}

static void a_hang_with_the_log_locked_is_told_all_the_same(void **state)
{
    int status;
    char *said;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it calls handlers where the program calls something */
#endif
    said = run_in_child(hang_with_the_lock, &status);
    assert_true(has(said, "    hang_in_log at "));
    assert_int_equal(WEXITSTATUS(status), ED_EXIT_HUNG);
    free(said);
}

static int work_in_short_steps(void *arg)
{
    int err = ed_loop_on_hang(LIMIT, NULL, arg);

    for (int i = 0; i < 30 && !err; i++) {
        int64_t until = ed_clock_monotonic() + LIMIT / 10;
        while (ed_clock_monotonic() < until)
            ;
        err = ed_yield();
    }
    return err ? err : ed_sleep(3 * LIMIT);
}

static void be_busy(void)
{
    _exit(ed_run(work_in_short_steps, NULL) ? 1 : 0);
}

static void a_loop_that_works_or_waits_does_not_hang(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(be_busy, &status);
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
    free(said);
}

static int take_it_back(void *arg)
{
    int err = ed_loop_on_hang(LIMIT, NULL, arg);
    err = err ? err : ed_loop_on_hang(0, NULL, NULL);
    int64_t until = ed_clock_monotonic() + 4 * LIMIT;
    while (ed_clock_monotonic() < until)
        ;
    return err;
}

static void take_back(void)
{
    _exit(ed_run(take_it_back, NULL) ? 1 : 0);
}

static void a_limit_can_be_taken_back(void **state)
{
    int status;

    (void)state;
    free(run_in_child(take_back, &status));
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
    assert_int_equal(ed_loop_on_hang(LIMIT, NULL, NULL), ED_EUSAGE);
}

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
        cmocka_unit_test(a_crash_outside_of_loops_is_told_too),
        cmocka_unit_test(a_log_of_json_stays_one),
        ASTRAY cmocka_unit_test(a_hang_is_told_and_ends_the_process),
        cmocka_unit_test(who_wants_a_core_of_a_hang_gets_it),
        cmocka_unit_test(a_hang_with_the_log_locked_is_told_all_the_same),
        cmocka_unit_test(a_loop_that_works_or_waits_does_not_hang),
        cmocka_unit_test(a_limit_can_be_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
