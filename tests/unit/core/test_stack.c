/* Stacks: their size, their guard, and having no more of them. */
#include "../../fiber_test.h"
#include "core/loop_internal.h"
#include "outside.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

/* Runs `body` in a child process; its exit status is what `body` returns. */
static int in_a_child(int (*body)(void))
{
    int status;
    pid_t child = fork();
    if (!child)
        _exit(body());
    if (waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return ed_sleep(ED_MIN);
}

static int start_too_many(void *arg)
{
    (void)arg;
    int err = 0;
    ed_scope(s);
    for (int i = 0; i < 100 * 1000 && !err; i++)
        err = ed_go(s, sleep_long, NULL);
    check_int(err, ED_ENOMEM);
    check_int(ed_sleep(ED_MIN), ED_ECANCELED);
    check_int(ed_wait(s), ED_ENOMEM);
    check_int(ed_sleep(ED_S), 0);
    ed_scope(again);
    check_int(ed_go(again, sleep_long, NULL), 0);
    return ed_wait(again);
}

static int limit_memory(void)
{
    struct rlimit limit = {1024 * 1024 * 1024, 1024 * 1024 * 1024};
    setrlimit(RLIMIT_AS, &limit);
    int err = ed_run(start_too_many, NULL, .virtual_clock = true);
    return err || fiber_test_failures;
}

static void no_memory_for_a_stack_is_a_failure_of_the_scope(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* a sanitizer's shadow needs more address space than that */
#endif
    assert_int_equal(in_a_child(limit_memory), 0);
}

static int use_stack(void *arg)
{
    size_t bytes = *(size_t *)arg;
    volatile char *room = __builtin_alloca(bytes);
    for (size_t i = 0; i < bytes; i += 512)
        room[i] = 1;
    int err = ed_yield();
    for (size_t i = 0; i < bytes; i += 512)
        check_int(room[i], 1);
    return err;
}

static int use_stacks(void *arg)
{
    ed_scope(s);
    for (int i = 0; i < 40; i++)
        ed_go(s, use_stack, arg);
    return ed_wait(s);
}

static void a_stack_has_the_size_asked_for(void **state)
{
    (void)state;
    size_t most = 900 * 1024, usual = 200 * 1024, least = 6 * 1024;
    fiber_test_failures = 0;
    assert_int_equal(ed_run(use_stacks, &usual), 0);
    assert_int_equal(ed_run(use_stacks, &most, .stack_bytes = 1000 * 1000), 0);
    assert_int_equal(ed_run(use_stacks, &least, .stack_bytes = 1), 0);
    assert_int_equal(fiber_test_failures, 0);
}

enum { CROWD = 1000, CROWD_BYTES = 64 * 1024 };

static long resident_pages(void)
{
    char line[128] = "", *rest = line;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f) {
        check(fgets(line, sizeof line, f) != NULL);
        fclose(f);
    }
    (void)strtol(line, &rest, 10); /* of the address space */
    return strtol(rest, NULL, 10);
}

static int give_back_in_parts(void *arg)
{
    size_t bytes = CROWD_BYTES;
    (void)arg;
    {
        ed_scope(s);
        for (int i = 0; i < CROWD; i++)
            ed_go(s, use_stack, &bytes);
        check_int(ed_wait(s), 0);
    }
    ed_loop *loop = ed_loop_current();
    long before = resident_pages();
    unsigned parts = 1;
    while (ed_stacks_trim(loop))
        check(++parts < CROWD);
    check(parts > 4);
    check(!ed_stacks_trim(loop)); /* there is nothing left to give back */
    long given = before - resident_pages();
    check_(given > CROWD / 2 * (CROWD_BYTES / 4096), "%ld pages given back",
           given);

    /* They serve again, from wherever the giving back has stopped. */
    ed_scope(again);
    for (int i = 0; i < CROWD; i++)
        ed_go(again, use_stack, &bytes);
    check_int(ed_wait(again), 0);
    ed_stacks_trim(loop);
    return use_stacks(&bytes);
}

static void memory_of_unused_stacks_is_given_back_in_parts(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* what a sanitizer keeps is not given back */
#endif
    fiber_test_failures = 0;
    assert_int_equal(ed_run(give_back_in_parts, NULL), 0);
    assert_int_equal(fiber_test_failures, 0);
}

static int touch_guard(void *arg)
{
    (void)arg;
    *(volatile char *)(ed_fiber_self()->stack_low - 1) = 1;
    return 0;
}

static int run_into_guard(void)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGSEGV, SIG_DFL); /* cmocka's would go on with the tests */
    signal(SIGBUS, SIG_DFL);
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
    return ed_run(touch_guard, NULL);
}

static void below_a_stack_is_a_guard(void **state)
{
    (void)state;
    /* By a signal, or as a sanitizer exits when it has caught it. */
    assert_int_not_equal(in_a_child(run_into_guard), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_for_a_stack_is_a_failure_of_the_scope),
        cmocka_unit_test(a_stack_has_the_size_asked_for),
        cmocka_unit_test(memory_of_unused_stacks_is_given_back_in_parts),
        cmocka_unit_test(below_a_stack_is_a_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
