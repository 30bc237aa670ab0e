/* The pool for functions that block. */
#include "outside.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <eddy/blocking.h>
#include <eddy/loop.h>

/* A door that blocking functions stand before. */
struct door {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int before; /* standing there now */
    int passed;
};
#define DOOR                                                         \
    {                                                                \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0 \
    }

static int pass(void *arg)
{
    struct door *door = arg;

    pthread_mutex_lock(&door->lock);
    door->before++;
    pthread_cond_broadcast(&door->changed);
    while (!door->open)
        pthread_cond_wait(&door->changed, &door->lock);
    door->before--;
    door->passed++;
    pthread_mutex_unlock(&door->lock);
    return 7;
}

static void open_door(struct door *door)
{
    pthread_mutex_lock(&door->lock);
    door->open = true;
    pthread_cond_broadcast(&door->changed);
    pthread_mutex_unlock(&door->lock);
}

/* Blocks the test's own thread until so many stand before the door. */
static void await_before(struct door *door, int count)
{
    pthread_mutex_lock(&door->lock);
    while (door->before < count)
        pthread_cond_wait(&door->changed, &door->lock);
    pthread_mutex_unlock(&door->lock);
}

static int pass_blocking(void *arg)
{
    return ed_blocking(pass, arg);
}

static int double_it(void *arg)
{
    return *(int *)arg * 2;
}

static int own_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return -EXDEV;
}

FIBER_TEST(a_call_returns_what_the_function_returned)
{
    int n = 21;

    check_int(ed_blocking(double_it, &n), 42);
}

FIBER_TEST(a_call_runs_on_another_thread)
{
    pthread_t thread = pthread_self();

    check_int(ed_blocking(own_thread, &thread), -EXDEV);
    check(!pthread_equal(thread, pthread_self()));
}

static int note_mask(void *arg)
{
    return pthread_sigmask(SIG_SETMASK, NULL, arg);
}

FIBER_TEST(its_threads_leave_signals_to_others_but_not_faults)
{
    sigset_t mask;

    check_int(ed_blocking(note_mask, &mask), 0);
    check_int(sigismember(&mask, SIGTERM), 1);
    check_int(sigismember(&mask, SIGUSR1), 1);
    check_int(sigismember(&mask, SIGSEGV), 0);
}

FIBER_TEST(other_fibers_run_meanwhile)
{
    struct door door = DOOR;
    ed_scope(s);

    ed_go(s, pass_blocking, &door);
    ed_yield();
    check_int(door.passed, 0);
    open_door(&door);
    check_int(ed_wait(s), 0);
    check_int(door.passed, 1);
}

FIBER_TEST(a_virtual_clock_waits_for_it)
{
    int64_t began = ed_now();
    const struct timespec moment = {0, 1000000};
    struct door door = DOOR;
    ed_scope(s, .within = 1 * ED_MS);

    ed_go(s, pass_blocking, &door);
    ed_yield();
    nanosleep(&moment, NULL);
    open_door(&door);
    check_int(ed_wait(s), 0);
    check_int(ed_now() - began, 0);
}

FIBER_TEST(no_more_calls_run_at_once_than_the_limit_allows)
{
    struct door door = DOOR;
    ed_scope(s);

    ed_blocking_limit(2);
    for (int i = 0; i < 6; i++)
        ed_go(s, pass_blocking, &door);
    ed_yield();
    await_before(&door, 2);
    check_int(door.before, 2);
    open_door(&door);
    check_int(ed_wait(s), 0);
    check_int(door.passed, 6);
    ed_blocking_limit(ED_BLOCKING_THREADS);
}

static int blocked_result;

static int note_result(void *arg)
{
    blocked_result = pass_blocking(arg);
    return 0;
}

FIBER_TEST(a_call_that_has_not_begun_is_withdrawn)
{
    struct door first = DOOR;
    struct door second = DOOR;
    ed_scope(outer);

    ed_blocking_limit(1);
    ed_go(outer, pass_blocking, &first);
    ed_yield();
    await_before(&first, 1);
    {
        ed_scope(inner);
        ed_go(inner, note_result, &second);
        ed_yield();
        ed_cancel(inner);
        check_int(ed_wait(inner), ED_ECANCELED);
    }
    check_int(blocked_result, ED_ECANCELED);
    open_door(&first);
    check_int(ed_wait(outer), 0);
    check_int(second.before + second.passed, 0);
    ed_blocking_limit(ED_BLOCKING_THREADS);
}

static int open_soon(void *arg)
{
    ed_yield();
    open_door(arg);
    return 0;
}

FIBER_TEST(a_call_that_has_begun_is_waited_for)
{
    struct door door = DOOR;
    ed_scope(inner);

    ed_go(inner, note_result, &door);
    ed_yield();
    await_before(&door, 1);
    ed_cancel(inner);
    {
        /* The canceller is not disturbed in what it does elsewhere. */
        ed_shield(shield, ED_S);
        ed_go(shield, open_soon, &door);
        check_int(ed_wait(shield), 0);
    }
    check_int(ed_wait(inner), ED_ECANCELED);
    check_int(blocked_result, 7);
    check_int(door.passed, 1);
}

static int call_in_vain(void *arg)
{
    int n = 1;

    (void)arg;
    return ed_blocking(double_it, &n);
}

FIBER_TEST(a_cancelled_fiber_does_not_begin_a_call)
{
    ed_scope(s);

    ed_cancel(s);
    check_int(call_in_vain(NULL), ED_ECANCELED);
}

static void outside_a_fiber_it_is_refused(void **state)
{
    int n = 1;

    (void)state;
    assert_int_equal(ed_blocking(double_it, &n), ED_EUSAGE);
}

static int fill_queue(void *arg)
{
    int err = pass_blocking(arg);

    return err == 7 ? 0 : err;
}

FIBER_TEST(a_queue_too_long_turns_calls_away)
{
#ifdef __SANITIZE_THREAD__
    return; /* it has no room for that many fibers */
#endif
    struct door door = DOOR;
    ed_scope(s, .independent = true);

    ed_blocking_limit(1);
    ed_go(s, fill_queue, &door);
    ed_yield();
    await_before(&door, 1);
    for (int i = 0; i < 10000; i++)
        ed_go(s, fill_queue, &door);
    ed_yield();
    check_int(pass_blocking(&door), ED_ELIMIT);
    open_door(&door);
    check_int(ed_wait(s), 0);
    check_int(door.passed, 10001);
    ed_blocking_limit(ED_BLOCKING_THREADS);
}

static int call_in_child(void *arg)
{
    int n = 4;

    (void)arg;
    return ed_blocking(double_it, &n);
}

/* The child has the parent's counts of threads, but none of the threads. */
static void a_forked_child_has_a_pool_of_its_own(void **state)
{
    int status;
    pid_t pid;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it allows no thread in a child */
#endif
    assert_int_equal(ed_run(call_in_child, NULL), 8);
    pid = fork();
    if (!pid)
        _exit(ed_run(call_in_child, NULL) == 8 ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_returns_what_the_function_returned),
        cmocka_unit_test(a_call_runs_on_another_thread),
        cmocka_unit_test(its_threads_leave_signals_to_others_but_not_faults),
        cmocka_unit_test(other_fibers_run_meanwhile),
        cmocka_unit_test(a_virtual_clock_waits_for_it),
        cmocka_unit_test(no_more_calls_run_at_once_than_the_limit_allows),
        cmocka_unit_test(a_call_that_has_not_begun_is_withdrawn),
        cmocka_unit_test(a_call_that_has_begun_is_waited_for),
        cmocka_unit_test(a_cancelled_fiber_does_not_begin_a_call),
        cmocka_unit_test(outside_a_fiber_it_is_refused),
        cmocka_unit_test(a_queue_too_long_turns_calls_away),
        cmocka_unit_test(a_forked_child_has_a_pool_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
