/* Loops: results, reuse, posts from threads, several at once, forks. */
#include "../../fiber_test.h"
#include "core/runtime.h"
#include "outside.h"

#include <stdio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/time.h>

static int give(void *arg)
{
    return *(int *)arg;
}

static void a_loop_returns_what_its_first_fiber_does(void **state)
{
    (void)state;
    assert_int_equal(ed_run(give, &(int){5}), 5);
    assert_int_equal(ed_run(give, &(int){-EIO}), -EIO);
}

static void a_loop_can_be_run_again_and_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(ed_run(give, &(int){0}), 0);
    int before = held_descriptors();
    for (int i = 0; i < 50; i++)
        assert_int_equal(ed_run(give, &(int){i}), i);
    assert_int_equal(held_descriptors(), before);
    assert_null(ed_loop_current());
    assert_false(ed_in_fiber());
}

static int run_inside(void *arg)
{
    return ed_run(give, arg);
}

static void a_loop_in_a_loop_is_refused(void **state)
{
    (void)state;
    assert_int_equal(ed_run(run_inside, &(int){5}), ED_EUSAGE);
}

FIBER_TEST(a_virtual_clock_stands_still_while_anything_runs)
{
    int64_t began = ed_now();
    for (int i = 0; i < 1000; i++)
        check_int(ed_yield(), 0);
    check_int(ed_now() - began, 0);
    check_int(ed_sleep(ED_MIN), 0);
    check_int(ed_now() - began, ED_MIN);
}

/* ---- deferred ---- */

struct later {
    struct ed_deferred deferred;
    int runs;
};

static void run_later(struct ed_deferred *deferred)
{
    ED_CONTAINER(deferred, struct later, deferred)->runs++;
}

FIBER_TEST(what_is_put_off_runs_once_at_the_end_of_the_turn)
{
    struct later a = {.deferred.run = run_later}, b = a, c = a;
    ed_loop *loop = ed_loop_current();
    ed_defer(loop, &a.deferred);
    ed_defer(loop, &b.deferred);
    ed_defer(loop, &a.deferred);
    ed_defer(loop, &c.deferred);
    ed_undefer(loop, &c.deferred);
    ed_undefer(loop, &c.deferred);
    check_int(ed_sleep(1), 0);
    check_int(a.runs, 1);
    check_int(b.runs, 1);
    check_int(c.runs, 0);
    ed_defer(loop, &c.deferred);
    check_int(ed_sleep(1), 0);
    check_int(c.runs, 1);
}

/* ---- what lives as long as the loop ---- */

static char closing[8];

static void note_close(void *value)
{
    size_t len = strlen(closing);
    snprintf(closing + len, sizeof closing - len, "%s", (char *)value);
}

static int keep_two(void *arg)
{
    static char one, two;
    (void)arg;
    ed_loop *loop = ed_loop_current();
    check(ed_loop_get(loop, &one) == NULL);
    check_int(ed_loop_set(loop, &one, "1", note_close), 0);
    check_int(ed_loop_set(loop, &two, "2", note_close), 0);
    check_text(ed_loop_get(loop, &one), "1");
    return 0;
}

static void what_the_loop_keeps_is_closed_last_first(void **state)
{
    (void)state;
    fiber_test_failures = 0;
    for (int i = 0; i < 2; i++) {
        closing[0] = '\0';
        assert_int_equal(ed_run(keep_two, NULL), 0);
        assert_string_equal(closing, "21");
    }
    assert_int_equal(fiber_test_failures, 0);
}

/* ---- posts ---- */

enum { POSTERS = 4, POSTS = 2000 };

struct poster {
    pthread_t thread;
    ed_loop *loop;
    struct posted {
        struct ed_post post;
        struct poster *poster;
        int number;
    } posts[POSTS];
    int next; /* of the loop's thread */
    int mistakes;
};

static void take_post(struct ed_post *post)
{
    struct posted *p = ED_CONTAINER(post, struct posted, post);
    p->poster->mistakes += p->number != p->poster->next++;
}

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (int i = 0; i < POSTS; i++) {
        poster->posts[i] = (struct posted){{take_post, NULL}, poster, i};
        ed_loop_post(poster->loop, &poster->posts[i].post);
    }
    return NULL;
}

static bool all_came(const struct poster *posters)
{
    for (int i = 0; i < POSTERS; i++) {
        if (posters[i].next < POSTS)
            return false;
    }
    return true;
}

static void post_from_threads(void)
{
    struct poster *posters = calloc(POSTERS, sizeof *posters);
    for (int i = 0; i < POSTERS; i++) {
        posters[i].loop = ed_loop_current();
        check_int(
            pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    while (!all_came(posters) && !ed_sleep(ED_MS))
        ;
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(posters[i].thread, NULL);
        check_int(posters[i].mistakes, 0);
        check_int(posters[i].next, POSTS);
    }
    free(posters);
}

REAL_TEST(posts_of_a_thread_run_in_their_order)
{
    post_from_threads();
}

struct wakeup {
    struct ed_post post;
    ed_loop *loop;
    ed_fiber *fiber;
};

static void wake_fiber(struct ed_post *post)
{
    ed_wake(ED_CONTAINER(post, struct wakeup, post)->fiber, 1);
}

static void *post_after_a_while(void *arg)
{
    struct wakeup *w = arg;
    usleep(20 * 1000);
    ed_loop_post(w->loop, &w->post);
    return NULL;
}

static bool never_aborted(void *arg)
{
    (void)arg;
    return false;
}

REAL_TEST(a_post_wakes_a_loop_that_sleeps)
{
    pthread_t thread;
    struct wakeup w = {{.run = wake_fiber}, ed_loop_current(), ed_fiber_self()};
    int64_t began = ed_now();
    check_int(pthread_create(&thread, NULL, post_after_a_while, &w), 0);
    check_int(ed_park("a post", never_aborted, NULL), 1);
    check(ed_now() - began < 10 * ED_S);
    pthread_join(thread, NULL);
}

FIBER_TEST(a_virtual_clock_waits_for_expected_posts)
{
    pthread_t thread;
    struct wakeup w = {{.run = wake_fiber}, ed_loop_current(), ed_fiber_self()};
    int64_t began = ed_now();
    ed_loop_expect(w.loop, 1);
    check_int(pthread_create(&thread, NULL, post_after_a_while, &w), 0);
    check_int(ed_park("a post", never_aborted, NULL), 1);
    ed_loop_expect(w.loop, -1);
    check_int(ed_now() - began, 0);
    pthread_join(thread, NULL);
}

static struct wakeup from_signal;

static void on_alarm(int signal)
{
    (void)signal;
    ed_loop_post(from_signal.loop, &from_signal.post);
}

REAL_TEST(a_signal_handler_may_post)
{
    struct sigaction action = {.sa_handler = on_alarm}, before;
    struct itimerval soon = {.it_value.tv_usec = 10 * 1000};
    from_signal = (struct wakeup){
        {.run = wake_fiber}, ed_loop_current(), ed_fiber_self()};
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &soon, NULL);
    check_int(ed_park("a signal", never_aborted, NULL), 1);
    sigaction(SIGALRM, &before, NULL);
}

/* ---- several loops ---- */

static int nap(void *arg)
{
    (void)arg;
    return ed_sleep(ED_MS);
}

static int run_naps(void *arg)
{
    (void)arg;
    for (int round = 0; round < 5; round++) {
        ed_scope(s);
        for (int i = 0; i < 20; i++)
            ed_go(s, nap, NULL);
        int err = ed_wait(s);
        if (err)
            return err;
    }
    return 7;
}

static void *run_loop(void *arg)
{
    int result = 0;
    for (int i = 0; i < 5 && result >= 0; i++)
        result = ed_run(run_naps, NULL);
    *(int *)arg = result;
    return NULL;
}

static void loops_in_several_threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    pthread_t threads[3];
    int results[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, run_loop, &results[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(results[i], 7);
    }
}

static void a_forked_child_can_run_a_loop_of_its_own(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it takes mutexes made anew after a fork for locked ones */
#endif
    assert_int_equal(ed_run(run_naps, NULL), 7);
    pid_t child = fork();
    if (!child)
        _exit(ed_run(run_naps, NULL) == 7 ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(ed_run(run_naps, NULL), 7);
}

static int block_and_fork(void *arg)
{
    (void)arg;
    int status;
    usleep(30 * 1000);
    pid_t child = fork();
    if (!child)
        _exit(0);
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
    return 0;
}

/* The locks of the monitor and of the log are taken in the same order by its
 * thread and by fork(); ThreadSanitizer tells if they are not. */
static void a_blocked_loop_can_fork_while_that_is_logged(void **state)
{
    (void)state;
    int log = capture_log();
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            ed_run(block_and_fork, NULL, .blocked_after = 5 * ED_MS), 0);
    free(captured(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_returns_what_its_first_fiber_does),
        cmocka_unit_test(a_loop_can_be_run_again_and_leaves_nothing),
        cmocka_unit_test(a_loop_in_a_loop_is_refused),
        cmocka_unit_test(a_virtual_clock_stands_still_while_anything_runs),
        cmocka_unit_test(what_is_put_off_runs_once_at_the_end_of_the_turn),
        cmocka_unit_test(what_the_loop_keeps_is_closed_last_first),
        cmocka_unit_test(posts_of_a_thread_run_in_their_order),
        cmocka_unit_test(a_post_wakes_a_loop_that_sleeps),
        cmocka_unit_test(a_virtual_clock_waits_for_expected_posts),
        cmocka_unit_test(a_signal_handler_may_post),
        cmocka_unit_test(loops_in_several_threads_do_not_disturb_each_other),
        cmocka_unit_test(a_forked_child_can_run_a_loop_of_its_own),
        cmocka_unit_test(a_blocked_loop_can_fork_while_that_is_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
