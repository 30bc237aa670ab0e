/* Forks at any time: before the loop, beside it, on it, in a crowd. */
#include "offloaded.h"

#include <signal.h>

static int fetch_hello(void *arg)
{
    ed_ticket *t;

    (void)arg;
    if (!may_have_loop())
        return 0;
    int err = ed_fetch_blocking(&t, backend_url("/hello"), .timeout = PATIENCE);
    bool well = !err && !strcmp(ed_res_text(ed_ticket_res(t)), "hello");
    if (err)
        fprintf(stderr, "%s\n", ed_ticket_failure(t));
    ed_ticket_free(t);
    return well ? 0 : 1;
}

static void a_child_made_before_there_is_a_loop_starts_its_own(void **state)
{
    (void)state;
    assert_int_equal(in_child(fetch_hello, NULL), 0);
    assert_int_equal(fetch_hello(NULL), 0);
}

static int give_five(void *unused)
{
    int n = 5;
    ed_ticket *t;
    int result = ed_call_blocking(&t, give, &n);

    (void)unused;
    ed_ticket_free(t);
    return result == 5 ? 0 : 1;
}

static void *call_first(void *unused)
{
    (void)give_five(unused);
    return NULL;
}

/* In a process that has used nothing of all this yet. */
static int fork_beside_first_call(void *delay)
{
    int64_t at = ed_now() + *(int64_t *)delay;
    pthread_t thread;

    pthread_create(&thread, NULL, call_first, NULL);
    while (ed_now() < at)
        ;
    int failed = in_child(give_five, NULL);
    pthread_join(thread, NULL);
    return failed;
}

static void a_child_made_beside_the_very_first_call_starts_its_own(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* their allocators may be locked for good in such a child */
#endif
    for (int64_t delay = 0; delay < 2 * ED_MS; delay += ED_MS / 20)
        assert_int_equal(in_child(fork_beside_first_call, &delay), 0);
}

static void a_child_made_beside_the_loop_starts_its_own(void **state)
{
    (void)state;
    assert_int_equal(fetch_hello(NULL), 0);
    assert_int_equal(in_child(fetch_hello, NULL), 0);
    assert_int_equal(fetch_hello(NULL), 0);
}

static int fork_again(void *arg)
{
    if (fetch_hello(arg))
        return 2;
    return in_child(fetch_hello, arg);
}

static void so_does_a_child_of_a_child(void **state)
{
    (void)state;
    assert_int_equal(in_child(fork_again, NULL), 0);
}

/* ---- what is under way ---- */

static atomic_int heard;

static void hear(ed_ticket *t, void *arg)
{
    (void)t, (void)arg;
    atomic_fetch_add(&heard, 1);
}

static int look_at_pending(void *arg)
{
    ed_ticket *t = arg;
    int n = 5;

    if (ed_ticket_done(t))
        return 1;
    if (ed_ticket_wait(t, -1) != ED_EFORKED)
        return 2;
    if (ed_tickets_wait_all(&t, 1, -1) != ED_EFORKED)
        return 3;
    if (!strstr(ed_ticket_failure(t), "left with the process that forked"))
        return 4;
    if (ed_ticket_on_done(t, hear, NULL) != ED_EFORKED ||
        ed_ticket_fd(t) != ED_EFORKED)
        return 5;
    ed_ticket_cancel(t);
    ed_ticket_free(t);
    if (!may_have_loop())
        return heard;
    ed_ticket *own = ed_offload(give, &n);
    if (ed_ticket_wait(own, PATIENCE) != 5)
        return 6;
    ed_ticket_free(own);
    return heard ? 7 : 0;
}

static void what_is_under_way_is_the_parents(void **state)
{
    atomic_int waiting = 0;
    ed_ticket *t = ed_offload(wait_for_ever, &waiting);

    (void)state;
    assert_int_equal(ed_ticket_on_done(t, hear, NULL), 0);
    await_count(&waiting, 1);
    assert_int_equal(in_child(look_at_pending, t), 0);
    /* The child's cancelling has not touched it. */
    assert_int_equal(ed_ticket_wait(t, 2 * ED_MS), ED_ETIMEOUT);
    ed_ticket_cancel(t);
    assert_int_equal(ed_ticket_wait(t, PATIENCE), ED_ECANCELED);
    await_count(&heard, 1);
    ed_ticket_free(t);
}

static atomic_int child = -1;

static void fork_now(int signo)
{
    pid_t pid = fork();

    if (!pid) {
        signal(signo, SIG_DFL);
        alarm(PATIENCE / ED_S);
    }
    atomic_store(&child, pid);
}

static void *cancel_when_forked(void *ticket)
{
    sigset_t all;

    sigfillset(&all); /* they are for who waits */
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (atomic_load(&child) < 0)
        sched_yield();
    ed_ticket_cancel(ticket);
    return NULL;
}

static void a_child_made_in_a_wait_waits_no_more(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it wants nothing to be called in a signal handler */
#endif
    ed_ticket *t = ed_offload(wait_for_ever, NULL);
    pthread_t thread;
    int status;

    pthread_create(&thread, NULL, cancel_when_forked, t);
    signal(SIGALRM, fork_now);
    ualarm(10000, 0);
    int result = ed_ticket_wait(t, -1);
    if (!child)
        _exit(result != ED_EFORKED);
    signal(SIGALRM, SIG_DFL);
    assert_int_equal(result, ED_ECANCELED);
    pthread_join(thread, NULL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ed_ticket_free(t);
}

static int look_at_done(void *arg)
{
    ed_ticket *t = arg;

    if (ed_ticket_wait(t, 0) != 0 || !ed_ticket_res(t))
        return 1;
    return strcmp(ed_res_text(ed_ticket_res(t)), "hello") != 0;
}

static void results_can_be_had_in_the_child(void **state)
{
    ed_ticket *t;

    (void)state;
    assert_int_equal(ed_fetch_blocking(&t, backend_url("/hello")), 0);
    assert_int_equal(in_child(look_at_done, t), 0);
    ed_ticket_free(t);
}

static int retrieve(void *arg)
{
    ed_ticket *t = ed_ticket_retrieve(*(int64_t *)arg);
    int result = t ? ed_ticket_wait(t, 0) : -1;

    ed_ticket_free(t);
    return result == 0 ? 0 : 1;
}

static void numbers_lead_to_results_in_the_child(void **state)
{
    int n = 0;
    ed_ticket *t;

    (void)state;
    assert_int_equal(ed_call_blocking(&t, give, &n), 0);
    int64_t number = ed_ticket_stash(t);
    assert_int_equal(in_child(retrieve, &number), 0);
    assert_int_equal(retrieve(&number), 0); /* the parent's is still there */
    ed_ticket_free(t);
}

static int count_connections(void *arg)
{
    (void)arg;
    return backend_connections();
}

static void the_child_closes_what_it_inherited(void **state)
{
    (void)state;
    assert_int_equal(fetch_hello(NULL), 0);
    assert_true(backend_connections() > 0); /* kept for reuse */
    assert_int_equal(in_child(count_connections, NULL), 0);
    assert_true(backend_connections() > 0);
    assert_int_equal(fetch_hello(NULL), 0);
}

static int use_client_of_parent(void *arg)
{
    if (ed_ticket_value(arg))
        return 2;
    if (!may_have_loop())
        return 0;
    ed_ticket *t =
        ed_offload_fetch_by(arg, backend_url("/hello"), .timeout = PATIENCE);
    int err = ed_ticket_wait(t, PATIENCE);

    return err == ED_EFORKED ? 0 : 1;
}

static void what_lives_on_the_parents_loop_is_not_used(void **state)
{
    ed_ticket *client = ed_offload_client(.user_agent = "test");

    (void)state;
    assert_int_equal(ed_ticket_wait(client, PATIENCE), 0);
    assert_int_equal(in_child(use_client_of_parent, client), 0);
    assert_int_equal(in_child(fetch_hello, NULL), 0);
    ed_ticket_free(client);
}

/* ---- from the loop's own thread ---- */

static int fork_inside(void *arg, ed_arena *arena, void **value)
{
    (void)arg, (void)arena, (void)value;
    return in_child(fetch_hello, NULL);
}

static void a_child_made_on_the_loops_thread_starts_its_own(void **state)
{
    ed_ticket *t = ed_offload(fork_inside, NULL);

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    ed_ticket_free(t);
    assert_int_equal(fetch_hello(NULL), 0);
}

static int stray(void *arg, ed_arena *arena, void **value)
{
    (void)arena, (void)value;
    *(pid_t *)arg = fork();
    return 0; /* both of them */
}

static void a_child_that_returns_into_the_loop_is_ended(void **state)
{
    int log = capture_log();
    pid_t pid = 0;
    int status;
    ed_ticket *t = ed_offload(stray, &pid);

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
    char *text = captured(log);
    says(text, "was forked on the loop's own thread");
    free(text);
    ed_ticket_free(t);
}

static void fork_in_callback(ed_ticket *t, void *arg)
{
    (void)t;
    atomic_store((atomic_int *)arg, in_child(fetch_hello, NULL));
}

static void a_callback_may_fork(void **state)
{
    atomic_int result = -2;
    ed_ticket *t = ed_offload(wait_for_ever, NULL);

    (void)state;
    assert_int_equal(ed_ticket_on_done(t, fork_in_callback, &result), 0);
    ed_ticket_cancel(t);
    await_count(&result, 0);
    ed_ticket_free(t);
}

/* What is called back may wait for the very thread that forks. */
static pthread_mutex_t interpreter = PTHREAD_MUTEX_INITIALIZER;
static atomic_int called;

static void take_interpreter(ed_ticket *t, void *arg)
{
    (void)t, (void)arg;
    atomic_store(&called, 1);
    pthread_mutex_lock(&interpreter);
    pthread_mutex_unlock(&interpreter);
}

static int64_t time_fork(void)
{
    int64_t began = ed_now();

    if (in_child(fetch_hello, NULL))
        return INT64_MAX;
    return ed_now() - began;
}

static void a_fork_does_not_wait_for_who_waits_for_it(void **state)
{
    ed_ticket *t = ed_offload(wait_for_ever, NULL);

    (void)state;
    pthread_mutex_lock(&interpreter);
    assert_int_equal(ed_ticket_on_done(t, take_interpreter, NULL), 0);
    ed_ticket_cancel(t);
    await_count(&called, 1);
    assert_true(time_fork() < PATIENCE);
    pthread_mutex_unlock(&interpreter);
    ed_ticket_free(t);
}

/* ---- in a crowd ---- */

enum { FORKERS = 4, FORKS = 6, CALLERS = 2 };

static atomic_bool enough;

static void *fork_often(void *arg)
{
    atomic_int *failed = arg;

    for (int i = 0; i < FORKS; i++)
        atomic_fetch_add(failed, in_child(fetch_hello, NULL) != 0);
    return NULL;
}

static void *fetch_often(void *arg)
{
    atomic_int *failed = arg;

    while (!atomic_load(&enough))
        atomic_fetch_add(failed, fetch_hello(NULL));
    return NULL;
}

static void several_threads_fork_while_others_fetch(void **state)
{
    pthread_t threads[FORKERS + CALLERS];
    atomic_int failed = 0;

    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* its allocator may be locked for good in such a child */
#endif
    for (int i = 0; i < FORKERS; i++)
        pthread_create(&threads[i], NULL, fork_often, &failed);
    for (int i = 0; i < CALLERS; i++)
        pthread_create(&threads[FORKERS + i], NULL, fetch_often, &failed);
    for (int i = 0; i < FORKERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&enough, true);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[FORKERS + i], NULL);
    assert_int_equal(failed, 0);
}

static int fetch_crowd(void *arg)
{
    enum { MANY = 20 };
    ed_ticket *t[MANY];
    int failed = 0;

    (void)arg;
    for (int i = 0; i < MANY; i++)
        t[i] = ed_offload_fetch(backend_url("/sleep?ms=5"));
    failed += ed_tickets_wait_all(t, MANY, PATIENCE) != 0;
    for (int i = 0; i < MANY; i++)
        ed_ticket_free(t[i]);
    return failed + (ed_offload_stop(PATIENCE) != 0);
}

static void several_children_work_side_by_side(void **state)
{
    enum { WORKERS = 4 };
    pid_t pids[WORKERS];
    int status;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip();
#endif
    assert_int_equal(fetch_hello(NULL), 0); /* the master has a loop */
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = fork();
        if (!pids[i])
            _exit(fetch_crowd(NULL));
    }
    assert_int_equal(fetch_hello(NULL), 0);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

static int start_after_stop(void *arg)
{
    int n = 9;

    (void)arg;
    if (!may_have_loop())
        return 0;
    ed_ticket *t = ed_offload(give, &n);
    int result = ed_ticket_wait(t, PATIENCE);
    ed_ticket_free(t);
    return result == 9 ? 0 : 1;
}

static void a_child_has_a_loop_though_the_parents_was_stopped(void **state)
{
    (void)state;
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(start_after_stop(NULL), 1);
    assert_int_equal(in_child(start_after_stop, NULL), 0);
    assert_int_equal(ed_offload_start(), 0);
    assert_int_equal(start_after_stop(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_child_made_beside_the_very_first_call_starts_its_own),
        cmocka_unit_test(a_child_made_before_there_is_a_loop_starts_its_own),
        cmocka_unit_test(a_child_made_beside_the_loop_starts_its_own),
        cmocka_unit_test(so_does_a_child_of_a_child),
        cmocka_unit_test(what_is_under_way_is_the_parents),
        cmocka_unit_test(a_child_made_in_a_wait_waits_no_more),
        cmocka_unit_test(results_can_be_had_in_the_child),
        cmocka_unit_test(numbers_lead_to_results_in_the_child),
        cmocka_unit_test(the_child_closes_what_it_inherited),
        cmocka_unit_test(what_lives_on_the_parents_loop_is_not_used),
        cmocka_unit_test(a_child_made_on_the_loops_thread_starts_its_own),
        cmocka_unit_test(a_child_that_returns_into_the_loop_is_ended),
        cmocka_unit_test(a_callback_may_fork),
        cmocka_unit_test(a_fork_does_not_wait_for_who_waits_for_it),
        cmocka_unit_test(several_threads_fork_while_others_fetch),
        cmocka_unit_test(several_children_work_side_by_side),
        cmocka_unit_test(a_child_has_a_loop_though_the_parents_was_stopped),
    };
    backend_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
