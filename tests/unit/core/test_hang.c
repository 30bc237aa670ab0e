/* What a process says whose loop stands still. */
#include "last_words.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <ucontext.h>
#include "base/log_watch.h"
#include "core/frames.h"
#include "core/monitor.h"

static volatile bool go_on = true;

/* ---- code that leads the unwinder astray ---- */

#define LIMIT (50 * ED_MS)

#if defined(__x86_64__)
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

static void be_astray(void)
{
    ed_fn *fn = block_astray;

    if (ed_report_on_crash())
        _exit(3);
    ed_monitor_on_block(note_told, NULL);
    if (ed_run(in_fiber, &fn, .blocked_after = LIMIT))
        _exit(4);
}

static void a_stack_that_cannot_be_unwound_does_no_harm(void **state)
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

/* Calls fn() with such a word on the stack. */
void call_astray(void (*fn)(void));
__asm__(".text\n"
        ".type call_astray, @function\n"
        "call_astray:\n"
        ".cfi_startproc\n"
        "pushq $0x73\n"
        "callq *%rdi\n"
        "popq %rax\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size call_astray, .-call_astray\n");

static ed_fiber *waiting;

static void wait_there(void)
{
    (void)!ed_sleep(LIMIT);
}

static int wait_astray_too(void *arg)
{
    (void)arg;
    waiting = ed_fiber_self();
    call_astray(wait_there);
    return 0;
}

static int look_at_it(void *arg)
{
    struct ed_frames frames;

    (void)arg;
    ed_scope(s);
    ed_go(s, wait_astray_too, NULL);
    (void)!ed_yield();
    bool whole = ed_frames_of(&frames, waiting);
    return ed_wait(s) || whole || frames.count;
}

static void be_looked_at(void)
{
    ed_frames_prepare();
    (void)!ed_report_on_crash();
    _exit(ed_run(look_at_it, NULL) ? 5 : 42);
}

static void nor_does_that_of_a_fiber_that_waits(void **state)
{
    int status;

    (void)state;
    free(run_in_child(be_looked_at, &status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

static struct sigaction reporter;
static volatile bool alone;

static void look_at_mask(int signo, siginfo_t *info, void *context)
{
    const sigset_t *mask = &((ucontext_t *)context)->uc_sigmask;

    alone = sigismember(mask, SIGALRM) == 1 && !sigismember(mask, SIGABRT);
    reporter.sa_sigaction(signo, info, context);
}

static void be_astray_alone(void)
{
    struct sigaction action = {
        .sa_sigaction = look_at_mask,
        .sa_flags = SA_SIGINFO | SA_ONSTACK,
    };

    (void)!ed_report_on_crash();
    sigaction(SIGSEGV, &action, &reporter);
    be_astray();
    _exit(alone ? 42 : 5);
}

/* What an abort() in it ended would be the look at the stack. */
static void no_other_handler_runs_while_a_stack_is_looked_at(void **state)
{
    int status;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it calls handlers where the program calls something */
#endif
    free(run_in_child(be_astray_alone, &status));
    assert_int_equal(WEXITSTATUS(status), 42);
}
#define ASTRAY                                                     \
    cmocka_unit_test(a_stack_that_cannot_be_unwound_does_no_harm), \
        cmocka_unit_test(nor_does_that_of_a_fiber_that_waits),     \
        cmocka_unit_test(no_other_handler_runs_while_a_stack_is_looked_at),
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

static void hang_with(void (*extra)(void *arg))
{
    ed_hang_fn *nothing = NULL;

    ed_report_set_extra(extra, NULL);
    (void)!ed_run(hang, &nothing, .blocked_after = -1);
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

static void hang_and_fault(void)
{
    (void)!ed_report_on_crash();
    hang_with(fault_again);
}

static void hang_and_stand(void)
{
    hang_with(stand_still);
}

static void a_part_of_that_report_that_fails_does_not_keep_the_others(
    void **state)
{
    static void (*const ways[])(void) = {hang_and_fault, hang_and_stand};

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it calls handlers where the program calls something */
#endif
    for (int i = 0; i < 2; i++) {
        int status;
        char *said = run_in_child(ways[i], &status);

        assert_true(has(said, "    spin+0x"));
        assert_true(has(said, "    spin at "));
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), ED_EXIT_HUNG);
        free(said);
    }
}

static const char pipe_pattern[] = "/tmp/eddy-hang-XXXXXX";
static char pipe_name[sizeof pipe_pattern];

static void make_pipe(void)
{
    memcpy(pipe_name, pipe_pattern, sizeof pipe_name);
    close(mkstemp(pipe_name));
    unlink(pipe_name);
    assert_int_equal(mkfifo(pipe_name, 0600), 0);
}

/* Nobody will ever write to it. */
static int load_a_pipe(void *arg)
{
    int err = ed_loop_on_hang(4 * LIMIT, NULL, arg);

    return err ? err : dlopen(pipe_name, RTLD_LAZY) != NULL;
}

static void hang_in_the_linker(void)
{
    (void)!ed_run(load_a_pipe, NULL, .blocked_after = 2 * LIMIT);
}

static void a_hang_with_the_linkers_lock_is_told_all_the_same(void **state)
{
    int status;
    char *said;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it calls handlers where the program calls something */
#endif
    make_pipe();
    said = run_in_child(hang_in_the_linker, &status);
    unlink(pipe_name);
    assert_true(has(said, "loop blocked for "));
    assert_true(has(said, "ERROR loop hangs, for "));
    assert_true(has(said, "    load_a_pipe+0x"));
    assert_int_equal(WEXITSTATUS(status), ED_EXIT_HUNG);
    free(said);
}

/* ---- forks ---- */

static void wait_turns(unsigned turns)
{
    usleep(turns * (unsigned)(LIMIT / ED_US));
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static void *load_it(void *arg)
{
    wait_turns(1);
    (void)dlopen(pipe_name, RTLD_LAZY);
    return arg;
}

static void *run_first_loop(void *arg)
{
    wait_turns(2);
    (void)!ed_run(end_at_once, arg);
    return NULL;
}

static void *fork_and_run(void *status)
{
    wait_turns(3);
    pid_t pid = fork();

    if (!pid) {
        alarm(5);
        _exit(ed_run(end_at_once, NULL) ? 3 : 42);
    }
    waitpid(pid, status, 0);
    return NULL;
}

/* Has a thread start the first loop of the process, which loads the unwinder
 * for it, while another one has the linker's lock; and a third one fork. */
static void fork_while_a_loop_starts(void)
{
    void *(*const steps[])(void *arg) = {load_it, run_first_loop, fork_and_run};
    pthread_t threads[3];
    int status = 0;

    /* Now: starting a thread takes the linker's lock, too. */
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, steps[i], i == 2 ? &status : NULL);
    wait_turns(4);
    close(open(pipe_name, O_WRONLY));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 5);
}

static void a_child_forked_while_the_first_loop_starts_can_have_one(
    void **state)
{
    int status;

    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* a sanitizer does not see to its own locks when threads fork */
#endif
    make_pipe();
    free(run_in_child(fork_while_a_loop_starts, &status));
    unlink(pipe_name);
    assert_int_equal(WEXITSTATUS(status), 42);
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

/* Longer than a busy machine keeps a process from running. */
static int64_t long_limit;
#define LONG_LIMIT    (400 * ED_MS)
#define LONGEST_LIMIT (8 * LONG_LIMIT)

static int work_in_short_steps(void *arg)
{
    int err = ed_loop_on_hang(long_limit, NULL, arg);

    for (int i = 0; i < 30 && !err; i++) {
        int64_t until = ed_clock_monotonic() + long_limit / 20;
        while (ed_clock_monotonic() < until)
            ;
        err = ed_yield();
    }
    return err ? err : ed_sleep(2 * long_limit);
}

static void be_busy(void)
{
    _exit(ed_run(work_in_short_steps, NULL) ? 1 : 0);
}

static void a_loop_that_works_or_waits_does_not_hang(void **state)
{
    int status;

    (void)state;
    long_limit = LONG_LIMIT;
    free(run_in_child(be_busy, &status));
    /* That of a very busy one. */
    while (status && long_limit < LONGEST_LIMIT) {
        long_limit *= 2;
        free(run_in_child(be_busy, &status));
    }
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
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
        ASTRAY cmocka_unit_test(a_hang_is_told_and_ends_the_process),
        cmocka_unit_test(who_wants_a_core_of_a_hang_gets_it),
        cmocka_unit_test(
            a_part_of_that_report_that_fails_does_not_keep_the_others),
        cmocka_unit_test(a_hang_with_the_log_locked_is_told_all_the_same),
        cmocka_unit_test(a_hang_with_the_linkers_lock_is_told_all_the_same),
        cmocka_unit_test(
            a_child_forked_while_the_first_loop_starts_can_have_one),
        cmocka_unit_test(a_loop_that_works_or_waits_does_not_hang),
        cmocka_unit_test(a_limit_can_be_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
