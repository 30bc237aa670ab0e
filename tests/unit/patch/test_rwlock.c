/* Read-write locks of threads, between fibers. */
#include "../core/outside.h"
#include "patch_test.h"

#include <pthread.h>
#include <time.h>

struct shared {
    pthread_rwlock_t lock;
    int64_t hold;
    int readers, writers;
    int most; /* readers at once */
    int done; /* how many have had it */
};

#define SHARED(hold)                                 \
    {                                                \
        PTHREAD_RWLOCK_INITIALIZER, hold, 0, 0, 0, 0 \
    }

static int read_it(void *arg)
{
    struct shared *shared = arg;

    check_int(pthread_rwlock_rdlock(&shared->lock), 0);
    check_int(shared->writers, 0);
    if (++shared->readers > shared->most)
        shared->most = shared->readers;
    (void)ed_sleep(shared->hold);
    check_int(shared->writers, 0);
    shared->readers--;
    shared->done++;
    check_int(pthread_rwlock_unlock(&shared->lock), 0);
    return 0;
}

static int write_it(void *arg)
{
    struct shared *shared = arg;

    check_int(pthread_rwlock_wrlock(&shared->lock), 0);
    check_int(shared->readers, 0);
    check_int(++shared->writers, 1);
    (void)ed_sleep(shared->hold);
    check_int(--shared->writers, 0);
    check_int(shared->readers, 0);
    shared->done++;
    check_int(pthread_rwlock_unlock(&shared->lock), 0);
    return 0;
}

FIBER_TEST(fibers_read_together_and_write_alone)
{
    struct shared shared = SHARED(1 * ED_S + 7);
    int64_t began = ed_now();

    ed_scope(s);
    ed_go(s, write_it, &shared);
    for (int i = 0; i < 5; i++)
        ed_go(s, read_it, &shared);
    ed_go(s, write_it, &shared);
    check_int(ed_wait(s), 0);
    check_int(shared.done, 7);
    check_int(shared.most, 5);
    check_int(ed_now() - began, 3 * (1 * ED_S + 7));
    check_int(pthread_rwlock_destroy(&shared.lock), 0);
}

FIBER_TEST(what_a_fiber_has_another_is_told)
{
    struct shared shared = SHARED(1 * ED_S);

    ed_scope(s);
    ed_go(s, write_it, &shared);
    check_int(ed_yield(), 0);
    check_int(pthread_rwlock_tryrdlock(&shared.lock), EBUSY);
    check_int(pthread_rwlock_trywrlock(&shared.lock), EBUSY);
    check_int(ed_wait(s), 0);
    ed_scope(again);
    ed_go(again, read_it, &shared);
    check_int(ed_yield(), 0);
    check_int(pthread_rwlock_tryrdlock(&shared.lock), 0);
    check_int(pthread_rwlock_unlock(&shared.lock), 0);
    check_int(pthread_rwlock_trywrlock(&shared.lock), EBUSY);
    check_int(ed_wait(again), 0);
    check_int(pthread_rwlock_trywrlock(&shared.lock), 0);
    /* Its own is for libc to judge. */
    check_int(pthread_rwlock_wrlock(&shared.lock), EDEADLK);
    check_int(pthread_rwlock_rdlock(&shared.lock), EDEADLK);
    check_int(pthread_rwlock_unlock(&shared.lock), 0);
    check_int(pthread_rwlock_destroy(&shared.lock), 0);
}

static struct timespec in(clockid_t clock, time_t seconds)
{
    struct timespec at;

    clock_gettime(clock, &at);
    at.tv_sec += seconds;
    return at;
}

FIBER_TEST(a_lock_is_waited_for_as_long_as_asked)
{
    struct shared shared = SHARED(20 * ED_S);
    int64_t began = ed_now();
    struct timespec until = in(CLOCK_REALTIME, 2);

    ed_scope(s);
    ed_go(s, write_it, &shared);
    check_int(ed_yield(), 0);
    check_int(pthread_rwlock_timedrdlock(&shared.lock, &until), ETIMEDOUT);
    check(ed_now() - began > 1 * ED_S && ed_now() - began <= 2 * ED_S);
    check_int(pthread_rwlock_timedwrlock(&shared.lock, &until), ETIMEDOUT);
    until = in(CLOCK_MONOTONIC, 60);
    check_int(pthread_rwlock_clockwrlock(&shared.lock, CLOCK_MONOTONIC, &until),
              0);
    check_int(shared.done, 1);
    check_int(pthread_rwlock_unlock(&shared.lock), 0);
    check_int(pthread_rwlock_clockrdlock(&shared.lock, CLOCK_MONOTONIC, &until),
              0);
    check_int(pthread_rwlock_unlock(&shared.lock), 0);
    check_int(pthread_rwlock_clockrdlock(&shared.lock, CLOCK_BOOTTIME, &until),
              EINVAL);
    check_int(ed_wait(s), 0);
    check_int(pthread_rwlock_destroy(&shared.lock), 0);
}

static int hog(void *arg)
{
    struct shared *shared = arg;

    for (int i = 0; !shared->done && check(i < 10); i++) {
        check_int(pthread_rwlock_wrlock(&shared->lock), 0);
        (void)ed_sleep(shared->hold);
        check_int(pthread_rwlock_unlock(&shared->lock), 0);
    }
    return 0;
}

FIBER_TEST(who_waits_for_a_lock_gets_it_next)
{
    struct shared shared = SHARED(3 * ED_S + 7);

    ed_scope(s);
    ed_go(s, hog, &shared);
    check_int(ed_yield(), 0);
    check_int(pthread_rwlock_rdlock(&shared.lock), 0);
    shared.done = 1;
    check_int(pthread_rwlock_unlock(&shared.lock), 0);
    check_int(ed_wait(s), 0);
    check_int(pthread_rwlock_destroy(&shared.lock), 0);
}

static void *hold_in_thread(void *arg)
{
    struct shared *shared = arg;
    const struct timespec time = {0, 30 * ED_MS};

    pthread_rwlock_wrlock(&shared->lock);
    __atomic_store_n(&shared->writers, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&shared->done, 1, __ATOMIC_SEQ_CST);
    nanosleep(&time, NULL);
    __atomic_store_n(&shared->writers, 0, __ATOMIC_SEQ_CST);
    pthread_rwlock_unlock(&shared->lock);
    return NULL;
}

REAL_TEST(another_thread_s_lock_is_waited_for_as_ever)
{
    struct shared shared = SHARED(0);
    pthread_t thread;

    check_int(pthread_create(&thread, NULL, hold_in_thread, &shared), 0);
    while (!__atomic_load_n(&shared.done, __ATOMIC_SEQ_CST))
        usleep(100);
    check_int(pthread_rwlock_rdlock(&shared.lock), 0);
    check_int(__atomic_load_n(&shared.writers, __ATOMIC_SEQ_CST), 0);
    check_int(pthread_rwlock_unlock(&shared.lock), 0);
    check_int(pthread_join(thread, NULL), 0);
    check_int(pthread_rwlock_destroy(&shared.lock), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fibers_read_together_and_write_alone),
        cmocka_unit_test(what_a_fiber_has_another_is_told),
        cmocka_unit_test(a_lock_is_waited_for_as_long_as_asked),
        cmocka_unit_test(who_waits_for_a_lock_gets_it_next),
        cmocka_unit_test(another_thread_s_lock_is_waited_for_as_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
