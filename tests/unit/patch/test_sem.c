/* Semaphores, and who gives way. */
#include "../core/outside.h"
#include "patch_test.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <eddy/blocking.h>

struct shared {
    sem_t sem;
    int64_t hold;
    int inside;
    int done;
};

static int hold_it(void *arg)
{
    struct shared *shared = arg;

    check_int(sem_wait(&shared->sem), 0);
    check_int(++shared->inside, 1);
    (void)ed_sleep(shared->hold);
    check_int(--shared->inside, 0);
    check_int(sem_post(&shared->sem), 0);
    shared->done++;
    return 0;
}

FIBER_TEST(a_semaphore_of_one_lets_in_one_fiber)
{
    struct shared shared = {.hold = 1 * ED_S + 7};
    int64_t began = ed_now();

    check_int(sem_init(&shared.sem, 0, 1), 0);
    ed_scope(s);
    for (int i = 0; i < 10; i++)
        ed_go(s, hold_it, &shared);
    check_int(ed_wait(s), 0);
    check_int(shared.done, 10);
    check_int(ed_now() - began, 10 * (1 * ED_S + 7));
    check_int(sem_destroy(&shared.sem), 0);
}

static int take_one(void *arg)
{
    struct shared *shared = arg;

    check_int(sem_wait(&shared->sem), 0);
    shared->done++;
    return 0;
}

FIBER_TEST(each_post_lets_one_in)
{
    struct shared shared = {0};

    check_int(sem_init(&shared.sem, 0, 0), 0);
    ed_scope(s);
    for (int i = 0; i < 5; i++)
        ed_go(s, take_one, &shared);
    check_int(ed_sleep(1 * ED_MS), 0);
    int64_t began = ed_now();
    for (int i = 1; i <= 5; i++) {
        check_int(sem_post(&shared.sem), 0);
        for (int turn = 0; turn < 3; turn++)
            check_int(ed_sleep(1), 0);
        check_int(shared.done, i);
    }
    check_int(ed_wait(s), 0);
    /* Nobody had to look. */
    check(ed_now() - began < 1 * ED_MS);
    check_int(sem_destroy(&shared.sem), 0);
}

static int hog(void *arg)
{
    struct shared *shared = arg;
    int times = 0;

    while (!shared->done) {
        check_int(sem_wait(&shared->sem), 0);
        (void)ed_sleep(shared->hold);
        check_int(sem_post(&shared->sem), 0);
        if (!check(++times < 10))
            return 0;
    }
    return 0;
}

FIBER_TEST(who_waits_for_a_semaphore_gets_it_next)
{
    struct shared shared = {.hold = 3 * ED_S + 7};

    check_int(sem_init(&shared.sem, 0, 1), 0);
    ed_scope(s);
    ed_go(s, hog, &shared);
    check_int(ed_yield(), 0);
    check_int(sem_wait(&shared.sem), 0);
    shared.done = 1;
    check_int(sem_post(&shared.sem), 0);
    check_int(ed_wait(s), 0);
    check_int(sem_destroy(&shared.sem), 0);
}

static struct timespec in(clockid_t clock, time_t seconds)
{
    struct timespec at;

    clock_gettime(clock, &at);
    at.tv_sec += seconds;
    return at;
}

FIBER_TEST(a_semaphore_is_waited_for_as_long_as_asked)
{
    struct shared shared = {0};
    struct timespec until = in(CLOCK_REALTIME, 2);
    int64_t began = ed_now();

    check_int(sem_init(&shared.sem, 0, 0), 0);
    check_errno(sem_timedwait(&shared.sem, &until), ETIMEDOUT);
    check(ed_now() - began > 1 * ED_S && ed_now() - began <= 2 * ED_S);
    until = in(CLOCK_MONOTONIC, 2);
    check_errno(sem_clockwait(&shared.sem, CLOCK_MONOTONIC, &until), ETIMEDOUT);
    check_errno(sem_clockwait(&shared.sem, CLOCK_BOOTTIME, &until), EINVAL);
    check_errno(sem_trywait(&shared.sem), EAGAIN);
    until.tv_nsec = ED_S;
    check_errno(sem_timedwait(&shared.sem, &until), EINVAL);
    check_int(sem_post(&shared.sem), 0);
    check_int(sem_trywait(&shared.sem), 0);
    check_int(sem_destroy(&shared.sem), 0);
}

/* Code that does not look whether it failed goes on as if it had not. */
FIBER_TEST(a_cancelled_fiber_still_waits_for_a_semaphore)
{
    struct shared shared = {.hold = 1 * ED_S};
    struct timespec until = in(CLOCK_REALTIME, 20);
    int64_t began = ed_now();

    check_int(sem_init(&shared.sem, 0, 1), 0);
    ed_scope(outer);
    ed_go(outer, hold_it, &shared);
    check_int(ed_yield(), 0);
    {
        ed_scope(s);
        ed_cancel(s);
        check_errno(sem_timedwait(&shared.sem, &until), ETIMEDOUT);
        check_int(ed_now() - began, 0);
        check_int(sem_wait(&shared.sem), 0);
        check_int(shared.inside, 0);
        check_int(sem_post(&shared.sem), 0);
    }
    check_int(ed_now() - began, 1 * ED_S);
    check_int(ed_wait(outer), 0);
    check_int(sem_destroy(&shared.sem), 0);
}

/* ---- posts of others ---- */

/* The virtual clock stands still until this has ended, so nothing is found by
 * looking. */
static int post_and_wait(void *arg)
{
    struct shared *shared = arg;
    int value = 1;

    sem_post(&shared->sem);
    for (int i = 0; i < 5000 && value > 0; i++) {
        usleep(1000);
        sem_getvalue(&shared->sem, &value);
    }
    return value > 0 ? -ETIME : 0;
}

FIBER_TEST(another_thread_s_post_is_heard)
{
    struct shared shared = {0};

    check_int(sem_init(&shared.sem, 0, 0), 0);
    ed_scope(s);
    for (int i = 0; i < 3; i++) {
        ed_go(s, take_one, &shared);
        check_int(ed_yield(), 0);
        check_int(ed_blocking(post_and_wait, &shared), 0);
    }
    check_int(ed_wait(s), 0);
    check_int(sem_destroy(&shared.sem), 0);
}

enum { POSTERS = 3, LOOPS = 100, TAKERS = 4, TAKES = 5 };

static struct shared busy;
static atomic_bool enough;

/* Never more than one a poster, so that fibers do wait. */
static void *post_and_post(void *arg)
{
    int value;

    while (!atomic_load(&enough)) {
        if (!sem_getvalue(&busy.sem, &value) && value < 1)
            sem_post(&busy.sem);
        usleep(1);
    }
    return arg;
}

static int take_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < TAKES; i++)
        check_int(sem_wait(&busy.sem), 0);
    return 0;
}

static int take_in_crowd(void *arg)
{
    (void)arg;
    ed_scope(s);
    for (int i = 0; i < TAKERS; i++)
        ed_go(s, take_some, NULL);
    return ed_wait(s);
}

/* Who posts may be about to tell a loop that ends. */
static void loops_come_and_go_while_others_post(void **state)
{
    pthread_t posters[POSTERS];

    (void)state;
    fiber_test_failures = 0;
    assert_int_equal(sem_init(&busy.sem, 0, 0), 0);
    for (int i = 0; i < POSTERS; i++)
        pthread_create(&posters[i], NULL, post_and_post, NULL);
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(ed_run(take_in_crowd, NULL), 0);
    atomic_store(&enough, true);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(posters[i], NULL);
    assert_int_equal(fiber_test_failures, 0);
}

static struct shared handled;

static void post_in_handler(int signo)
{
    (void)signo;
    sem_post(&handled.sem);
}

FIBER_TEST(a_handler_may_post)
{
    const struct sigaction action = {.sa_handler = post_in_handler};
    struct sigaction before;

    check_int(sem_init(&handled.sem, 0, 0), 0);
    check_int(sigaction(SIGUSR1, &action, &before), 0);
    ed_scope(s);
    ed_go(s, take_one, &handled);
    check_int(ed_yield(), 0);
    int64_t began = ed_now();
    check_int(raise(SIGUSR1), 0);
    check_int(ed_wait(s), 0);
    check_int(ed_now() - began, 0);
    check_int(handled.done, 1);
    check_int(sigaction(SIGUSR1, &before, NULL), 0);
    check_int(sem_destroy(&handled.sem), 0);
}

static int post_in_child(void *arg)
{
    pid_t child = fork();

    if (!child) {
        usleep(20000);
        _exit(sem_post(arg));
    }
    check(child > 0);
    return 0;
}

REAL_TEST(another_process_s_post_is_found)
{
    int status = -1;
    sem_t *sem = mmap(NULL, sizeof *sem, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    check_int(sem_init(sem, 1, 0), 0);
    check_int(ed_blocking(post_in_child, sem), 0);
    check_int(sem_wait(sem), 0);
    check(wait(&status) > 0);
    check_int(status, 0);
    check_int(sem_destroy(sem), 0);
    munmap(sem, sizeof *sem);
}

/* ---- giving way ---- */

static int set(void *arg)
{
    *(volatile int *)arg = 1;
    return 0;
}

FIBER_TEST(who_yields_the_processor_lets_others_run)
{
    volatile int done = 0;
    int turns = 0;

    ed_scope(s);
    ed_go(s, set, (void *)&done);
    while (!done && check(++turns < 100))
        check_int(sched_yield(), 0);
    done = 0;
    ed_go(s, set, (void *)&done);
    {
        ed_scope(inner);
        ed_cancel(inner);
        while (!done && check(++turns < 100))
            check_int(sched_yield(), 0);
    }
    check_int(ed_wait(s), 0);
}

/* ---- what is done once ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int began_once, done_once;

static void init_slowly(void)
{
    began_once++;
    (void)ed_sleep(1 * ED_S + 7);
    done_once++;
}

static int need_it(void *arg)
{
    (void)arg;
    check_int(pthread_once(&once, init_slowly), 0);
    check_int(done_once, 1);
    return 0;
}

FIBER_TEST(what_is_done_once_is_waited_for)
{
    int64_t began = ed_now();

    ed_scope(s);
    for (int i = 0; i < 5; i++)
        ed_go(s, need_it, NULL);
    check_int(ed_wait(s), 0);
    check_int(began_once, 1);
    check_int(ed_now() - began, 1 * ED_S + 7);
    (void)need_it(NULL);
    check_int(began_once, 1);
}

/* ---- waiting for threads ---- */

static struct shared met;

/* It ends when a fiber has let it. */
static void *wait_in_thread(void *arg)
{
    sem_wait(&met.sem);
    return arg;
}

static int let_end(void *arg)
{
    (void)arg;
    (void)ed_sleep(3 * ED_MS);
    return sem_post(&met.sem);
}

REAL_TEST(others_run_while_a_thread_is_waited_for)
{
    pthread_t thread;
    void *result = NULL;

    check_int(sem_init(&met.sem, 0, 0), 0);
    check_int(pthread_create(&thread, NULL, wait_in_thread, &met), 0);
    ed_scope(s);
    ed_go(s, let_end, NULL);
    check_int(pthread_join(thread, &result), 0);
    check(result == &met);
    check_int(ed_wait(s), 0);
}

REAL_TEST(a_thread_that_cannot_be_joined_is_an_error)
{
#if !defined(__SANITIZE_ADDRESS__) /* since gcc 14 it ends who asks so */
    pthread_t thread;

    check_int(sem_init(&met.sem, 0, 0), 0);
    check_int(pthread_join(pthread_self(), NULL), EDEADLK);
    check_int(pthread_create(&thread, NULL, wait_in_thread, &met), 0);
    check_int(pthread_detach(thread), 0);
    check_int(pthread_join(thread, NULL), EINVAL);
    check_int(sem_post(&met.sem), 0);
    (void)ed_sleep(5 * ED_MS);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_semaphore_of_one_lets_in_one_fiber),
        cmocka_unit_test(each_post_lets_one_in),
        cmocka_unit_test(who_waits_for_a_semaphore_gets_it_next),
        cmocka_unit_test(a_semaphore_is_waited_for_as_long_as_asked),
        cmocka_unit_test(a_cancelled_fiber_still_waits_for_a_semaphore),
        cmocka_unit_test(another_thread_s_post_is_heard),
        cmocka_unit_test(loops_come_and_go_while_others_post),
        cmocka_unit_test(a_handler_may_post),
        cmocka_unit_test(another_process_s_post_is_found),
        cmocka_unit_test(who_yields_the_processor_lets_others_run),
        cmocka_unit_test(what_is_done_once_is_waited_for),
        cmocka_unit_test(others_run_while_a_thread_is_waited_for),
        cmocka_unit_test(a_thread_that_cannot_be_joined_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
