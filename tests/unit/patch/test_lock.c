/* Locks of files and of threads, between fibers. */
#include "patch_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <eddy/blocking.h>
#include "../core/outside.h"

/* ---- files ---- */

struct file {
    char name[32];
    int64_t hold;
};

static struct file new_file(int64_t hold)
{
    struct file f = {.name = "/tmp/eddy-patch-XXXXXX", .hold = hold};

    close(mkstemp(f.name));
    return f;
}

static int hold_file(void *arg)
{
    const struct file *f = arg;
    int fd = open(f->name, O_RDWR | O_CLOEXEC);

    check_int(flock(fd, LOCK_EX), 0);
    (void)ed_sleep(f->hold);
    return close(fd);
}

FIBER_TEST(a_lock_on_a_file_is_waited_for)
{
    struct file f = new_file(2 * ED_S);
    int fd = open(f.name, O_RDWR | O_CLOEXEC);
    int64_t began = ed_now();

    ed_scope(s);
    ed_go(s, hold_file, &f);
    check_int(ed_yield(), 0);
    check_errno(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    check_int(flock(fd, LOCK_EX), 0);
    check(ed_now() - began >= 2 * ED_S);
    check(ed_now() - began < 3 * ED_S);
    check_int(flock(fd, LOCK_UN), 0);
    check_int(ed_wait(s), 0);
    check_errno(flock(-1, LOCK_EX), EBADF);
    close(fd);
    unlink(f.name);
}

static void lock_in_vain(void *arg)
{
    check_errno(flock(*(int *)arg, LOCK_SH), ETIMEDOUT);
}

FIBER_TEST(a_deadline_ends_waiting_for_a_file)
{
    struct file f = new_file(20 * ED_S);
    int fd = open(f.name, O_RDWR | O_CLOEXEC);

    ed_scope(s);
    ed_go(s, hold_file, &f);
    check_int(ed_yield(), 0);
    in_a_second(lock_in_vain, &fd);
    ed_cancel(s);
    close(fd);
    unlink(f.name);
}

/* Others run while this one waits, or nobody would let the child go. */
static int let_child_go(void *arg)
{
    (void)ed_sleep(50 * ED_MS);
    check_int(write(*(int *)arg, "x", 1), 1);
    return 0;
}

/* False: it did not come to that. */
static bool hold_until_told(const char *name, int held, int told)
{
    int own = open(name, O_RDWR | O_CLOEXEC);
    char c;

    return !lockf(own, F_LOCK, 0) && write(held, "x", 1) == 1 &&
           read(told, &c, 1) == 1;
}

/* These locks are a process's: another must hold it. */
REAL_TEST(lockf_waits_for_another_process)
{
    struct file f = new_file(0);
    int fd = open(f.name, O_RDWR | O_CLOEXEC), held[2], told[2];
    char c;

    make_pipe(held);
    make_pipe(told);
    pid_t child = fork();
    if (!child) {
        close(told[1]); /* with the parent's it ends */
        _exit(!hold_until_told(f.name, held[1], told[0]));
    }
    check_int(read(held[0], &c, 1), 1);
    check_errno(lockf(fd, F_TLOCK, 0), EAGAIN);
    ed_scope(s);
    ed_go(s, let_child_go, &told[1]);
    check_int(lockf(fd, F_LOCK, 0), 0);
    check_int(ed_wait(s), 0);
    int status = -1;
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
    close_both(held);
    close_both(told);
    close(fd);
    unlink(f.name);
}

/* ---- mutexes ---- */

struct shared {
    pthread_mutex_t mutex;
    int64_t hold;
    int depth;
    int inside;
    int done;
};

static void init_mutex(struct shared *shared, int kind)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, kind);
    pthread_mutex_init(&shared->mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static int hold_mutex(void *arg)
{
    struct shared *shared = arg;

    for (int i = 0; i < shared->depth; i++)
        check_int(pthread_mutex_lock(&shared->mutex), 0);
    check_int(++shared->inside, 1);
    (void)ed_sleep(shared->hold);
    check_int(--shared->inside, 0);
    for (int i = 0; i < shared->depth; i++)
        check_int(pthread_mutex_unlock(&shared->mutex), 0);
    shared->done++;
    return 0;
}

static void one_at_a_time(int kind, int depth)
{
    /* Not a time at which waiters look by themselves. */
    struct shared shared = {.hold = 1 * ED_S + 7, .depth = depth};
    int64_t began = ed_now();

    init_mutex(&shared, kind);
    ed_scope(s);
    for (int i = 0; i < 10; i++)
        ed_go(s, hold_mutex, &shared);
    check_int(ed_wait(s), 0);
    check_int(shared.done, 10);
    check_int(ed_now() - began, 10 * (1 * ED_S + 7));
    check_int(pthread_mutex_destroy(&shared.mutex), 0);
}

FIBER_TEST(a_mutex_is_one_fiber_s_at_a_time)
{
    one_at_a_time(PTHREAD_MUTEX_NORMAL, 1);
    one_at_a_time(PTHREAD_MUTEX_ADAPTIVE_NP, 1);
    one_at_a_time(PTHREAD_MUTEX_ERRORCHECK, 1);
    one_at_a_time(PTHREAD_MUTEX_RECURSIVE, 1);
    one_at_a_time(PTHREAD_MUTEX_RECURSIVE, 3);
}

static void may_be_tried(int kind)
{
    struct shared shared = {.hold = 1 * ED_S, .depth = 1};

    init_mutex(&shared, kind);
    ed_scope(s);
    ed_go(s, hold_mutex, &shared);
    check_int(ed_yield(), 0);
    check_int(pthread_mutex_trylock(&shared.mutex), EBUSY);
    check_int(ed_wait(s), 0);
    check_int(pthread_mutex_trylock(&shared.mutex), 0);
    check_int(pthread_mutex_unlock(&shared.mutex), 0);
    check_int(pthread_mutex_destroy(&shared.mutex), 0);
}

FIBER_TEST(a_mutex_of_another_fiber_is_busy)
{
    may_be_tried(PTHREAD_MUTEX_NORMAL);
    may_be_tried(PTHREAD_MUTEX_RECURSIVE);
    may_be_tried(PTHREAD_MUTEX_ERRORCHECK);
}

FIBER_TEST(a_fiber_that_locks_again_is_told_or_let_in)
{
    struct shared shared = {0};

    init_mutex(&shared, PTHREAD_MUTEX_ERRORCHECK);
    check_int(pthread_mutex_lock(&shared.mutex), 0);
    check_int(pthread_mutex_lock(&shared.mutex), EDEADLK);
    check_int(pthread_mutex_unlock(&shared.mutex), 0);
    check_int(pthread_mutex_unlock(&shared.mutex), EPERM);
    check_int(pthread_mutex_destroy(&shared.mutex), 0);
    init_mutex(&shared, PTHREAD_MUTEX_RECURSIVE);
    check_int(pthread_mutex_lock(&shared.mutex), 0);
    check_int(pthread_mutex_lock(&shared.mutex), 0);
    check_int(pthread_mutex_trylock(&shared.mutex), 0);
    for (int i = 0; i < 3; i++)
        check_int(pthread_mutex_unlock(&shared.mutex), 0);
    check_int(pthread_mutex_destroy(&shared.mutex), 0);
}

/* Gives the mutex back only to take it again. */
static int hog(void *arg)
{
    struct shared *shared = arg;

    while (!shared->done) {
        check_int(pthread_mutex_lock(&shared->mutex), 0);
        (void)ed_sleep(shared->hold);
        check_int(pthread_mutex_unlock(&shared->mutex), 0);
        if (!check(++shared->depth < 10))
            return 0;
    }
    return 0;
}

static void gets_a_turn(int kind)
{
    struct shared shared = {.hold = 3 * ED_S + 7};

    init_mutex(&shared, kind);
    ed_scope(s);
    ed_go(s, hog, &shared);
    check_int(ed_yield(), 0);
    check_int(pthread_mutex_lock(&shared.mutex), 0);
    shared.done = 1;
    check_int(pthread_mutex_unlock(&shared.mutex), 0);
    check_int(ed_wait(s), 0);
    check_int(pthread_mutex_destroy(&shared.mutex), 0);
}

FIBER_TEST(who_waits_for_a_mutex_gets_it_next)
{
    gets_a_turn(PTHREAD_MUTEX_NORMAL);
    gets_a_turn(PTHREAD_MUTEX_RECURSIVE);
    gets_a_turn(PTHREAD_MUTEX_ERRORCHECK);
}

static int lock_and_unlock(void *arg)
{
    struct shared *shared = arg;

    check_int(pthread_mutex_lock(&shared->mutex), 0);
    check_int(pthread_mutex_lock(&shared->mutex), 0);
    check_int(pthread_mutex_unlock(&shared->mutex), 0);
    check_int(pthread_mutex_unlock(&shared->mutex), 0);
    shared->done++;
    return 0;
}

/* By who is not patched, or because there is a new one at its place. */
FIBER_TEST(a_mutex_given_back_unseen_is_free)
{
    struct shared shared = {0};

    init_mutex(&shared, PTHREAD_MUTEX_RECURSIVE);
    check_int(pthread_mutex_lock(&shared.mutex), 0);
    ed_patch_fiber(false);
    check_int(pthread_mutex_unlock(&shared.mutex), 0);
    ed_patch_fiber(true);
    ed_scope(s);
    ed_go(s, lock_and_unlock, &shared);
    check_int(ed_yield(), 0);
    check_int(shared.done, 1);
    check_int(pthread_mutex_trylock(&shared.mutex), 0);
    init_mutex(&shared, PTHREAD_MUTEX_RECURSIVE);
    ed_go(s, lock_and_unlock, &shared);
    check_int(ed_yield(), 0);
    check_int(shared.done, 2);
    check_int(ed_wait(s), 0);
    check_int(pthread_mutex_destroy(&shared.mutex), 0);
}

static struct timespec in(clockid_t clock, time_t seconds)
{
    struct timespec at;

    clock_gettime(clock, &at);
    at.tv_sec += seconds;
    return at;
}

static void is_given_up(int kind)
{
    struct shared shared = {.hold = 20 * ED_S, .depth = 1};
    int64_t began = ed_now();
    struct timespec until = in(CLOCK_REALTIME, 2);

    init_mutex(&shared, kind);
    ed_scope(s);
    ed_go(s, hold_mutex, &shared);
    check_int(ed_yield(), 0);
    check_int(pthread_mutex_timedlock(&shared.mutex, &until), ETIMEDOUT);
    check(ed_now() - began > 1 * ED_S && ed_now() - began <= 2 * ED_S);
    until = in(CLOCK_MONOTONIC, 2);
    check_int(pthread_mutex_clocklock(&shared.mutex, CLOCK_MONOTONIC, &until),
              ETIMEDOUT);
    until = in(CLOCK_MONOTONIC, 60);
    check_int(pthread_mutex_clocklock(&shared.mutex, CLOCK_MONOTONIC, &until),
              0);
    check_int(pthread_mutex_unlock(&shared.mutex), 0);
    check_int(ed_wait(s), 0);
    check_int(pthread_mutex_destroy(&shared.mutex), 0);
}

FIBER_TEST(a_mutex_is_waited_for_as_long_as_asked)
{
    is_given_up(PTHREAD_MUTEX_NORMAL);
    is_given_up(PTHREAD_MUTEX_RECURSIVE);
}

/* Code that locks cannot be told that it did not: it goes on as if it had. */
FIBER_TEST(a_cancelled_fiber_still_waits_for_a_mutex)
{
    struct shared shared = {.hold = 1 * ED_S, .depth = 1};
    int64_t began = ed_now();

    init_mutex(&shared, PTHREAD_MUTEX_NORMAL);
    ed_scope(outer);
    ed_go(outer, hold_mutex, &shared);
    check_int(ed_yield(), 0);
    {
        ed_scope(s);
        ed_cancel(s);
        check_int(pthread_mutex_lock(&shared.mutex), 0);
        check_int(shared.inside, 0);
        check_int(pthread_mutex_unlock(&shared.mutex), 0);
    }
    check_int(ed_now() - began, 1 * ED_S);
    check_int(ed_wait(outer), 0);
    check_int(pthread_mutex_destroy(&shared.mutex), 0);
}

static void *hold_in_thread(void *arg)
{
    struct shared *shared = arg;
    const struct timespec time = {0, 30 * ED_MS};

    pthread_mutex_lock(&shared->mutex);
    __atomic_store_n(&shared->inside, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&shared->done, 1, __ATOMIC_SEQ_CST);
    nanosleep(&time, NULL);
    __atomic_store_n(&shared->inside, 0, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&shared->mutex);
    return NULL;
}

REAL_TEST(another_thread_s_mutex_is_waited_for_as_ever)
{
    struct shared shared = {0};
    pthread_t thread;

    init_mutex(&shared, PTHREAD_MUTEX_NORMAL);
    check_int(pthread_create(&thread, NULL, hold_in_thread, &shared), 0);
    while (!__atomic_load_n(&shared.done, __ATOMIC_SEQ_CST))
        sched_yield();
    check_int(pthread_mutex_lock(&shared.mutex), 0);
    check_int(__atomic_load_n(&shared.inside, __ATOMIC_SEQ_CST), 0);
    check_int(pthread_mutex_unlock(&shared.mutex), 0);
    check_int(pthread_join(thread, NULL), 0);
    check_int(pthread_mutex_destroy(&shared.mutex), 0);
}

/* ---- conditions ---- */

struct box {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int filled;
};

#define BOX                                                    \
    {                                                          \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 \
    }

static int take_one(void *arg)
{
    struct box *box = arg;

    check_int(pthread_mutex_lock(&box->mutex), 0);
    while (!box->filled)
        check_int(pthread_cond_wait(&box->cond, &box->mutex), 0);
    box->filled--;
    check_int(pthread_mutex_unlock(&box->mutex), 0);
    return 0;
}

FIBER_TEST(who_waits_for_a_condition_is_woken_by_another_fiber)
{
    struct box box = BOX;

    ed_scope(s);
    for (int i = 0; i < 3; i++)
        ed_go(s, take_one, &box);
    check_int(ed_sleep(1 * ED_MS), 0);
    int64_t began = ed_now();
    check_int(pthread_mutex_lock(&box.mutex), 0);
    box.filled = 1;
    check_int(pthread_cond_signal(&box.cond), 0);
    check_int(pthread_mutex_unlock(&box.mutex), 0);
    check_int(ed_yield(), 0);
    check_int(ed_yield(), 0);
    check_int(box.filled, 0);
    box.filled = 2;
    check_int(pthread_cond_broadcast(&box.cond), 0);
    check_int(ed_wait(s), 0);
    check_int(ed_now() - began, 0);
}

static struct timespec soon(clockid_t clock)
{
    struct timespec at;

    clock_gettime(clock, &at);
    int64_t ns = at.tv_nsec + 30 * ED_MS;
    return (struct timespec){at.tv_sec + ns / ED_S, ns % ED_S};
}

/* On the system's clock, by which those times are. */
REAL_TEST(a_condition_is_waited_for_as_long_as_asked)
{
    struct box box = BOX;
    struct timespec until = soon(CLOCK_REALTIME);
    int64_t began = ed_now();
    int err = 0;

    check_int(pthread_mutex_lock(&box.mutex), 0);
    while (!box.filled && !err)
        err = pthread_cond_timedwait(&box.cond, &box.mutex, &until);
    check_int(err, ETIMEDOUT);
    check(ed_now() - began >= 25 * ED_MS);

    pthread_condattr_t attributes;
    pthread_cond_t cond;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    check_int(pthread_cond_init(&cond, &attributes), 0);
    began = ed_now();
    until = soon(CLOCK_MONOTONIC);
    do
        err = pthread_cond_timedwait(&cond, &box.mutex, &until);
    while (!err);
    check_int(err, ETIMEDOUT);
    check(ed_now() - began >= 25 * ED_MS);
    began = ed_now();
    until = soon(CLOCK_MONOTONIC);
    do
        err = pthread_cond_clockwait(&box.cond, &box.mutex, CLOCK_MONOTONIC,
                                     &until);
    while (!err);
    check_int(err, ETIMEDOUT);
    check(ed_now() - began >= 25 * ED_MS);
    check_int(pthread_cond_destroy(&cond), 0);
    check_int(pthread_mutex_unlock(&box.mutex), 0);
}

static int signal_and_hold(void *arg)
{
    struct box *box = arg;

    (void)ed_sleep(1 * ED_S + 7); /* not when waiters look by themselves */
    check_int(pthread_mutex_lock(&box->mutex), 0);
    check_int(pthread_cond_signal(&box->cond), 0);
    (void)ed_sleep(60 * ED_S);
    return pthread_mutex_unlock(&box->mutex);
}

/* Nobody else gets the signal, so it is not to be lost. */
FIBER_TEST(a_signal_in_time_counts_however_late_the_mutex_is)
{
    struct box box = BOX;
    struct timespec until = in(CLOCK_REALTIME, 20);
    int err = ETIMEDOUT;

    ed_scope(s);
    check_int(pthread_mutex_lock(&box.mutex), 0);
    ed_go(s, signal_and_hold, &box);
    int64_t began = ed_now();
    do
        err = pthread_cond_timedwait(&box.cond, &box.mutex, &until);
    while (!err && ed_now() - began < 60 * ED_S);
    check_int(err, 0);
    check_int(pthread_mutex_unlock(&box.mutex), 0);
    check_int(ed_wait(s), 0);
}

FIBER_TEST(a_clock_that_is_none_is_refused)
{
    struct box box = BOX;
    const struct timespec until = {0, 0};

    check_int(pthread_mutex_clocklock(&box.mutex, CLOCK_BOOTTIME, &until),
              EINVAL);
    check_int(pthread_mutex_lock(&box.mutex), 0);
    check_int(
        pthread_cond_clockwait(&box.cond, &box.mutex, CLOCK_BOOTTIME, &until),
        EINVAL);
    check_int(pthread_mutex_unlock(&box.mutex), 0);
}

FIBER_TEST(a_cancelled_fiber_s_time_is_up)
{
    struct box box = BOX;
    struct timespec until = in(CLOCK_REALTIME, 20);

    check_int(pthread_mutex_lock(&box.mutex), 0);
    ed_scope(s);
    ed_cancel(s);
    check_int(pthread_cond_timedwait(&box.cond, &box.mutex, &until), ETIMEDOUT);
    check_int(pthread_mutex_unlock(&box.mutex), 0);
}

static void *fill_in_thread(void *arg)
{
    struct box *box = arg;

    pthread_mutex_lock(&box->mutex);
    box->filled++;
    pthread_cond_signal(&box->cond);
    pthread_mutex_unlock(&box->mutex);
    return NULL;
}

static int tick(void *arg)
{
    int *ticks = arg;

    while (!ed_sleep(1 * ED_MS))
        ++*ticks;
    return 0;
}

REAL_TEST(another_thread_s_signal_is_found)
{
    struct box box = BOX;
    pthread_t thread;
    int ticks = 0;

    ed_scope(s);
    ed_go(s, tick, &ticks);
    ed_scope(takers);
    ed_go(takers, take_one, &box);
    check_int(ed_sleep(5 * ED_MS), 0);
    check_int(pthread_create(&thread, NULL, fill_in_thread, &box), 0);
    check_int(ed_wait(takers), 0);
    check_int(pthread_join(thread, NULL), 0);
    check(ticks > 0);
    ed_cancel(s);
}

/* The virtual clock stands still until the thread has ended, so nothing is
 * found by looking. */
static int fill_and_wait(void *arg)
{
    struct box *box = arg;

    fill_in_thread(box);
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&box->mutex);
        bool taken = !box->filled;
        pthread_mutex_unlock(&box->mutex);
        if (taken)
            return 0;
        usleep(1000);
    }
    return -ETIME;
}

FIBER_TEST(another_thread_s_signal_is_heard)
{
    struct box box = BOX;

    ed_scope(s);
    for (int i = 0; i < 3; i++) {
        ed_go(s, take_one, &box);
        check_int(ed_yield(), 0);
        check_int(ed_blocking(fill_and_wait, &box), 0);
    }
    check_int(ed_wait(s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_on_a_file_is_waited_for),
        cmocka_unit_test(a_deadline_ends_waiting_for_a_file),
        cmocka_unit_test(lockf_waits_for_another_process),
        cmocka_unit_test(a_mutex_is_one_fiber_s_at_a_time),
        cmocka_unit_test(a_mutex_of_another_fiber_is_busy),
        cmocka_unit_test(a_fiber_that_locks_again_is_told_or_let_in),
        cmocka_unit_test(a_mutex_is_waited_for_as_long_as_asked),
        cmocka_unit_test(a_cancelled_fiber_still_waits_for_a_mutex),
        cmocka_unit_test(another_thread_s_mutex_is_waited_for_as_ever),
        cmocka_unit_test(who_waits_for_a_condition_is_woken_by_another_fiber),
        cmocka_unit_test(a_condition_is_waited_for_as_long_as_asked),
        cmocka_unit_test(a_cancelled_fiber_s_time_is_up),
        cmocka_unit_test(another_thread_s_signal_is_found),
        cmocka_unit_test(another_thread_s_signal_is_heard),
        cmocka_unit_test(a_signal_in_time_counts_however_late_the_mutex_is),
        cmocka_unit_test(a_clock_that_is_none_is_refused),
        cmocka_unit_test(who_waits_for_a_mutex_gets_it_next),
        cmocka_unit_test(a_mutex_given_back_unseen_is_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
