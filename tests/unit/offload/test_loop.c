/* The loop: its thread, its end, a host's loop, and what it leaves alone. */
#include "offloaded.h"

#include <eddy/process.h>
#include <signal.h>
#include <sys/resource.h>

static int ok;

static int run_one(void)
{
    ed_ticket *t;
    int err = ed_call_blocking(&t, give, &ok);

    ed_ticket_free(t);
    return err;
}

/* ---- threads and signals ---- */

static void there_is_one_more_thread_whatever_it_does(void **state)
{
    ed_ticket *t;

    (void)state;
    assert_int_equal(run_one(), 0);
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    int before = held_threads();
    assert_int_equal(ed_offload_start(), 0);
    assert_int_equal(run_one(), 0);
    assert_int_equal(held_threads(), before + 1);
    /* A name to be resolved, by a server that is asked over the network. */
    int err = ed_fetch_blocking(&t, "http://no.such.name.invalid/",
                                .timeout = 100 * ED_MS);
    assert_true(err == ED_ERESOLVE || err == ED_ETIMEOUT);
    ed_ticket_free(t);
    assert_int_equal(held_threads(), before + 1);
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(held_threads(), before);
    assert_int_equal(ed_offload_start(), 0);
}

static int read_mask(void *arg, ed_arena *arena, void **value)
{
    (void)arena, (void)value;
    return -pthread_sigmask(SIG_SETMASK, NULL, arg);
}

static void its_thread_takes_no_signals(void **state)
{
    sigset_t mask;
    ed_ticket *t;

    (void)state;
    assert_int_equal(ed_call_blocking(&t, read_mask, &mask), 0);
    ed_ticket_free(t);
    for (int signo = 1; signo < 32; signo++) { /* then the library's own */
        bool fault = signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE ||
                     signo == SIGILL || signo == SIGABRT || signo == SIGTRAP;
        if (signo != SIGKILL && signo != SIGSTOP)
            assert_int_equal(sigismember(&mask, signo), !fault);
    }
    for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++)
        assert_int_equal(sigismember(&mask, signo), 1);
}

enum { SIGNALS = 65 };

static void read_actions(struct sigaction actions[], sigset_t *mask)
{
    memset(actions, 0, sizeof *actions * SIGNALS);
    for (int signo = 1; signo < SIGNALS; signo++)
        sigaction(signo, NULL, &actions[signo]);
    pthread_sigmask(SIG_SETMASK, NULL, mask);
}

static int compare_actions(void *unused)
{
    struct sigaction before[SIGNALS], after[SIGNALS];
    sigset_t mask_before, mask_after;

    (void)unused;
    read_actions(before, &mask_before);
    if (run_one())
        return 2;
    read_actions(after, &mask_after);
    for (int signo = 1; signo < SIGNALS; signo++) {
        if (before[signo].sa_handler != after[signo].sa_handler ||
            sigismember(&mask_before, signo) != sigismember(&mask_after, signo))
            return 1;
    }
    return 0;
}

static void no_handler_is_installed_and_no_mask_changed(void **state)
{
    (void)state;
    /* In a child, where no loop has run so far. */
    assert_int_equal(in_child(compare_actions, NULL), 0);
}

static int write_to_nobody(void *arg, ed_arena *arena, void **value)
{
    int ends[2];
    ssize_t n;

    (void)arg, (void)arena, (void)value;
    if (pipe(ends))
        return -errno;
    close(ends[0]);
    n = write(ends[1], "x", 1);
    int err = n < 0 ? -errno : 0;
    close(ends[1]);
    return err;
}

static void a_broken_pipe_is_an_error_and_no_signal(void **state)
{
    ed_ticket *t;

    (void)state;
    assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_DFL);
    assert_int_equal(ed_call_blocking(&t, write_to_nobody, NULL), -EPIPE);
    ed_ticket_free(t);
}

static int run_true(void *arg, ed_arena *arena, void **value)
{
    struct ed_process process;

    (void)arg, (void)arena, (void)value;
    ed_scope(s);
    int err = ed_process_start(&process, s, ED_ARGV("true"));
    return err ? err : ed_process_wait(&process);
}

static void only_its_own_children_are_reaped(void **state)
{
    pid_t pid = fork();
    int status;
    ed_ticket *t;

    (void)state;
    if (!pid)
        _exit(3);
    assert_int_equal(ed_call_blocking(&t, run_true, NULL), 0);
    ed_ticket_free(t);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 3);
}

/* ---- a loop that cannot be made ---- */

static int run_without_descriptors(void *unused)
{
    struct rlimit none, limit;

    (void)unused;
    if (!may_have_loop())
        return 0;
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &none);
    if (run_one() != -EMFILE || ed_offload_start() != -EMFILE)
        return 1;
    setrlimit(RLIMIT_NOFILE, &limit);
    return run_one();
}

static void what_keeps_the_loop_from_starting_fails_the_call(void **state)
{
    (void)state;
    assert_int_equal(in_child(run_without_descriptors, NULL), 0);
}

/* ---- stopping ---- */

static void *wait_stopped(void *ticket)
{
    return ed_ticket_wait(ticket, -1) == ED_ESTOPPED ? ticket : NULL;
}

static void a_stop_wakes_all_who_wait_and_later_calls_fail(void **state)
{
    atomic_int waiting = 0;
    ed_ticket *t = ed_offload(wait_for_ever, &waiting);
    pthread_t thread;
    void *well;

    (void)state;
    await_count(&waiting, 1);
    pthread_create(&thread, NULL, wait_stopped, t);
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    pthread_join(thread, &well);
    assert_ptr_equal(well, t);
    assert_int_equal(atomic_load(&waiting), 0); /* it was unwound */
    assert_int_equal(run_one(), ED_ESTOPPED);
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(ed_ticket_wait(t, 0), ED_ESTOPPED);
    ed_ticket_free(t);
    assert_int_equal(ed_offload_start(), 0);
    assert_int_equal(run_one(), 0);
}

static void it_can_be_started_again_and_again_and_leaves_nothing(void **state)
{
    int before;

    (void)state;
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    before = held_descriptors();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ed_offload_start(), 0);
        if (i % 2)
            assert_int_equal(run_one(), 0);
        assert_int_equal(ed_offload_stop(PATIENCE), 0);
    }
    assert_int_equal(held_descriptors(), before);
    assert_int_equal(ed_offload_start(), 0);
}

static atomic_bool enough;

static void *call_often(void *failed)
{
    while (!atomic_load(&enough)) {
        int err = run_one();
        if (err && err != ED_ESTOPPED)
            atomic_fetch_add((atomic_int *)failed, 1);
    }
    return NULL;
}

static void calls_may_come_while_it_stops_and_starts(void **state)
{
    enum { CALLERS = 4 };
    pthread_t callers[CALLERS];
    atomic_int failed = 0;

    (void)state;
    for (int i = 0; i < CALLERS; i++)
        pthread_create(&callers[i], NULL, call_often, &failed);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ed_offload_stop(PATIENCE), 0);
        assert_int_equal(ed_offload_start(), 0);
    }
    atomic_store(&enough, true);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(callers[i], NULL);
    assert_int_equal(failed, 0);
}

static void *start_often(void *unused)
{
    (void)unused;
    while (!atomic_load(&enough))
        (void)ed_offload_start();
    return NULL;
}

static void a_stop_does_not_wait_for_what_is_started_after_it(void **state)
{
    enum { STARTERS = 3, STOPS = 200 };
    pthread_t starters[STARTERS];

    (void)state;
    atomic_store(&enough, false);
    assert_int_equal(ed_offload_start(), 0);
    for (int i = 0; i < STARTERS; i++)
        pthread_create(&starters[i], NULL, start_often, NULL);
    for (int i = 0; i < STOPS; i++)
        assert_int_equal(ed_offload_stop(PATIENCE), 0);
    atomic_store(&enough, true);
    for (int i = 0; i < STARTERS; i++)
        pthread_join(starters[i], NULL);
    assert_int_equal(ed_offload_start(), 0);
    assert_int_equal(run_one(), 0);
}

static atomic_int closed;

static void note_closed(void *value)
{
    (void)value;
    atomic_fetch_add(&closed, ed_in_fiber() || ed_loop_current() ? 1 : 100);
}

static void what_lives_there_is_given_back_by_a_stop(void **state)
{
    int n = 0;
    ed_ticket *t =
        ed_offload(give, &n, .at_home = true, .free_value = note_closed);
    ed_ticket *client = ed_offload_client();

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_int_equal(ed_ticket_wait(client, PATIENCE), 0);
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(closed, 1);
    assert_null(ed_ticket_value(t));
    assert_null(ed_ticket_value(client));
    ed_ticket_free(t);
    ed_ticket_free(client);
    assert_int_equal(closed, 1);
    assert_int_equal(ed_offload_start(), 0);
}

static void what_would_be_made_again_is_counted(void **state)
{
    int n = 0;
    struct ed_offload_counts before, after;
    ed_ticket *kept =
        ed_offload(give, &n, .at_home = true, .free_value = note_closed);
    ed_ticket *remade = ed_offload(give, &n, .at_home = true, .remade = true,
                                   .free_value = note_closed);

    (void)state;
    assert_int_equal(ed_ticket_wait(kept, PATIENCE), 0);
    assert_int_equal(ed_ticket_wait(remade, PATIENCE), 0);
    ed_offload_counts(&before);
    assert_int_equal(before.remade, 1);
    assert_true(before.at_home >= 2);
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    ed_offload_counts(&after);
    assert_int_equal(after.remade, 0);
    assert_int_equal(after.at_home, 0);
    ed_ticket_free(kept);
    ed_ticket_free(remade);
    assert_int_equal(ed_offload_start(), 0);
}

static void a_stop_does_not_wait_for_longer_than_it_may(void **state)
{
    struct door door = DOOR;
    ed_ticket *t = block_loop(&door);

    (void)state;
    assert_int_equal(ed_offload_stop(5 * ED_MS), ED_ETIMEOUT);
    assert_int_equal(ed_ticket_wait(t, -1), ED_ESTOPPED);
    assert_int_equal(ed_offload_start(), ED_ESTOPPED);
    pthread_mutex_unlock(&door.lock);
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_true(ed_ticket_done(t));
    ed_ticket_free(t);
    assert_int_equal(ed_offload_start(), 0);
    assert_int_equal(run_one(), 0);
}

static int stop_inside(void *arg, ed_arena *arena, void **value)
{
    (void)arg, (void)arena, (void)value;
    return ed_offload_stop(PATIENCE);
}

static void a_stop_from_inside_is_told_and_done(void **state)
{
    ed_ticket *t;

    (void)state;
    assert_int_equal(ed_call_blocking(&t, stop_inside, NULL), -EDEADLK);
    ed_ticket_free(t);
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(ed_offload_start(), 0);
}

/* ---- the process's end ---- */

static void exit_now(void *arg)
{
    (void)arg;
    exit(0);
}

static int exit_with_work(void *arg)
{
    if (!may_have_loop())
        return 0;
    ed_ticket *t = ed_offload(wait_for_ever, NULL);

    ed_ticket *kept = ed_offload(fail_with, &(int){-EIO});
    (void)ed_ticket_stash(kept);
    ed_ticket_free(kept);
    (void)ed_ticket_wait(t, ED_MS);
    exit_now(arg);
    return 1;
}

static int exit_inside_work(void *arg, ed_arena *arena, void **value)
{
    (void)arg, (void)arena, (void)value;
    exit(0);
}

static int exit_inside(void *arg)
{
    if (!may_have_loop())
        return 0;
    (void)arg;
    (void)ed_ticket_wait(ed_offload(exit_inside_work, NULL), -1);
    return 1;
}

static int exit_blocked(void *arg)
{
    if (!may_have_loop())
        return 0;
    static struct door door = DOOR;

    (void)block_loop(&door);
    exit_now(arg);
    return 1;
}

static void the_process_ends_whatever_is_under_way(void **state)
{
    int log = capture_log();

    (void)state;
    assert_int_equal(in_child(exit_with_work, NULL), 0);
    assert_int_equal(in_child(exit_blocked, NULL), 0);
    assert_int_equal(in_child(exit_inside, NULL), 0);
    char *text = captured(log);
#ifndef __SANITIZE_THREAD__
    says(text, "nobody asked for it: no such luck");
#endif
    free(text);
    assert_int_equal(fiber_test_failures, 0);
}

/* ---- a host's loop ---- */

struct host {
    ed_loop *loop;
    atomic_int done;
    int own; /* what a wait on its own thread returns */
    int threads;
};

static int note_loop(void *arg, ed_arena *arena, void **value)
{
    struct host *host = arg;

    (void)arena, (void)value;
    return ed_loop_current() == host->loop ? 0 : -EXDEV;
}

static void *call_from_outside(void *arg)
{
    struct host *host = arg;
    ed_ticket *t;
    int err = ed_call_blocking(&t, note_loop, host);

    ed_ticket_free(t);
    host->threads = held_threads();
    atomic_store(&host->done, err ? err : 1);
    return NULL;
}

static int host_main(void *arg)
{
    struct host *host = arg;
    pthread_t thread;

    host->loop = ed_loop_current();
    int err = ed_offload_adopt();
    if (err)
        return err;
    if (ed_offload_adopt() != ED_EUSAGE)
        return -EXDEV;
    ed_ticket *t = ed_offload(note_loop, host);
    host->own = ed_ticket_wait(t, -1);
    pthread_create(&thread, NULL, call_from_outside, host);
    while (!atomic_load(&host->done) && !err)
        err = ed_sleep(ED_MS);
    pthread_join(thread, NULL);
    if (!err)
        err = ed_ticket_wait(t, 0);
    ed_ticket_free(t);
    return err;
}

static void a_hosts_loop_is_used_instead_of_a_thread(void **state)
{
    struct host host = {0};

    (void)state;
    assert_int_equal(ed_offload_adopt(), ED_EUSAGE); /* there is no loop */
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    int before = held_threads();
    assert_int_equal(ed_run(host_main, &host, .no_signals = true), 0);
    assert_int_equal(host.done, 1);
    assert_int_equal(host.own, -EDEADLK);
    assert_int_equal(host.threads, before + 1); /* that which called */
    assert_false(ed_offload_inside());
    /* It has ended, and no thread takes its place. */
    assert_int_equal(run_one(), ED_ESTOPPED);
    assert_int_equal(ed_offload_start(), 0);
    assert_int_equal(run_one(), 0);
}

static ed_ticket *left;

static int leave_work(void *arg)
{
    int err = ed_offload_adopt();

    left = ed_offload(wait_for_ever, arg);
    while (!err && !atomic_load((atomic_int *)arg))
        err = ed_sleep(ED_MS);
    return err;
}

static void the_end_of_a_hosts_loop_ends_the_work(void **state)
{
    atomic_int waiting = 0;

    (void)state;
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(ed_run(leave_work, &waiting), 0);
    assert_int_equal(waiting, 0);
    assert_int_equal(ed_ticket_wait(left, 0), ED_ESTOPPED);
    ed_ticket_free(left);
    assert_int_equal(ed_offload_start(), 0);
}

static int adopt_twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        int err = ed_offload_adopt();
        if (err)
            return err;
        ed_ticket *t = ed_offload(give, &ok);
        while (!ed_ticket_done(t))
            ed_sleep(ED_MS);
        err = ed_ticket_wait(t, 0);
        ed_ticket_free(t);
        if (err || ed_offload_stop(PATIENCE) != -EDEADLK)
            return err ? err : -EXDEV;
        if (ed_sleep(2 * ED_MS))
            return -EXDEV;
    }
    return 0;
}

static void a_hosts_loop_can_be_adopted_again(void **state)
{
    (void)state;
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(ed_run(adopt_twice, NULL), 0);
    assert_int_equal(ed_offload_start(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_handler_is_installed_and_no_mask_changed),
        cmocka_unit_test(there_is_one_more_thread_whatever_it_does),
        cmocka_unit_test(its_thread_takes_no_signals),
        cmocka_unit_test(a_broken_pipe_is_an_error_and_no_signal),
        cmocka_unit_test(only_its_own_children_are_reaped),
        cmocka_unit_test(what_keeps_the_loop_from_starting_fails_the_call),
        cmocka_unit_test(a_stop_wakes_all_who_wait_and_later_calls_fail),
        cmocka_unit_test(it_can_be_started_again_and_again_and_leaves_nothing),
        cmocka_unit_test(calls_may_come_while_it_stops_and_starts),
        cmocka_unit_test(a_stop_does_not_wait_for_what_is_started_after_it),
        cmocka_unit_test(what_lives_there_is_given_back_by_a_stop),
        cmocka_unit_test(what_would_be_made_again_is_counted),
        cmocka_unit_test(a_stop_does_not_wait_for_longer_than_it_may),
        cmocka_unit_test(a_stop_from_inside_is_told_and_done),
        cmocka_unit_test(the_process_ends_whatever_is_under_way),
        cmocka_unit_test(a_hosts_loop_is_used_instead_of_a_thread),
        cmocka_unit_test(the_end_of_a_hosts_loop_ends_the_work),
        cmocka_unit_test(a_hosts_loop_can_be_adopted_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
