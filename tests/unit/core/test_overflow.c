/* Stack overflows reported by name. Each happens in a child process. */
#include "last_words.h"

/* As long as this is set, which the compiler cannot know. */
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

static int parent(void *arg)
{
    ed_scope(s);
    ed_go_at_(s, greedy, arg, "greedy", "here.c:7");
    return ed_wait(s);
}

static void overflow(void)
{
    (void)!ed_run(parent, NULL, .stack_bytes = 64 * 1024);
}

static void an_overflow_names_the_fiber_and_still_kills(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(overflow, &status);
    assert_non_null(strstr(said, "stack overflow in fiber 'greedy' started at "
                                 "here.c:7 (stack of 64 KiB)\n"));
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
    free(said);
}

static void of_the_program(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)info, (void)context;
    _exit(42);
}

static int touch_nothing(void *arg)
{
    (void)arg;
    raise(SIGSEGV);
    return 0;
}

static void fault_with_a_handler(void)
{
    struct sigaction action = {
        .sa_sigaction = of_the_program,
        .sa_flags = SA_SIGINFO,
    };

    sigaction(SIGSEGV, &action, NULL);
    (void)!ed_run(touch_nothing, NULL, .blocked_after = -1);
}

static void another_fault_goes_to_the_handler_that_was_there(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(fault_with_a_handler, &status);
    assert_string_equal(said, "");
    assert_int_equal(WEXITSTATUS(status), 42);
    free(said);
}

static void fault_without_a_handler(void)
{
    (void)!ed_run(touch_nothing, NULL, .blocked_after = -1);
}

static void another_fault_kills_as_ever(void **state)
{
    int status;
    char *said;

    (void)state;
    said = run_in_child(fault_without_a_handler, &status);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    free(said);
}

static int note_stack(void *arg)
{
    return sigaltstack(NULL, arg);
}

static void the_thread_gets_its_signal_stack_back(void **state)
{
    stack_t before, inside, after;

    (void)state;
    sigaltstack(NULL, &before);
    assert_int_equal(ed_run(note_stack, &inside), 0);
    sigaltstack(NULL, &after);
    assert_false(inside.ss_flags & SS_DISABLE);
    assert_int_equal(before.ss_flags, after.ss_flags);
    assert_ptr_equal(before.ss_sp, after.ss_sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_names_the_fiber_and_still_kills),
        cmocka_unit_test(another_fault_goes_to_the_handler_that_was_there),
        cmocka_unit_test(another_fault_kills_as_ever),
        cmocka_unit_test(the_thread_gets_its_signal_stack_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
