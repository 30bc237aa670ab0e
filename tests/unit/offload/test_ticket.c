/* Tickets: results, waiting, cancelling, callbacks, failures nobody wants. */
#include "offloaded.h"

#include <poll.h>
#include <signal.h>
#include <sys/time.h>

static void work_runs_on_the_loop_and_its_result_can_be_had_again(void **state)
{
    int n = 42;
    void *value;
    ed_ticket *t = ed_offload(give, &n);

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 42);
    assert_int_equal(ed_ticket_wait(t, 0), 42);
    assert_true(ed_ticket_done(t));
    assert_int_equal(ed_ticket_result(t, &value), 42);
    assert_ptr_equal(value, &n);
    assert_ptr_equal(ed_ticket_value(t), &n);
    assert_null(ed_ticket_failure(t));
    assert_true(ed_ticket_elapsed(t) >= 0);
    ed_ticket_free(t);
}

static void a_wait_that_times_out_leaves_the_work_running(void **state)
{
    atomic_int waiting = 0;
    ed_ticket *t = ed_offload(wait_for_ever, &waiting);

    (void)state;
    assert_int_equal(ed_ticket_wait(t, 0), ED_ETIMEOUT);
    assert_int_equal(ed_ticket_wait(t, 2 * ED_MS), ED_ETIMEOUT);
    assert_false(ed_ticket_done(t));
    assert_int_equal(ed_ticket_result(t, NULL), ED_EWOULDBLOCK);
    assert_null(ed_ticket_value(t));
    assert_null(ed_ticket_failure(t));
    await_count(&waiting, 1);
    ed_ticket_cancel(t);
    ed_ticket_cancel(t);
    assert_int_equal(ed_ticket_wait(t, PATIENCE), ED_ECANCELED);
    assert_int_equal(atomic_load(&waiting), 0);
    ed_ticket_free(t);
}

static void work_has_the_time_it_is_given(void **state)
{
    ed_ticket *t = ed_offload(wait_for_ever, NULL, .within = 2 * ED_MS);

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), ED_ETIMEOUT);
    assert_true(ed_ticket_done(t));
    ed_ticket_free(t);
}

static void *wait_long(void *ticket)
{
    ed_ticket *t = ticket;

    return ed_tickets_wait(&t, 1, ED_TICKETS_ALL, -1) ? NULL : t;
}

/* It lies in the ticket's line with what is on its stack. */
static void a_thread_is_not_cancelled_while_it_waits(void **state)
{
    atomic_int waiting = 0;
    ed_ticket *t = ed_offload(wait_for_ever, &waiting);
    pthread_t thread;

    (void)state;
    await_count(&waiting, 1);
    pthread_create(&thread, NULL, wait_long, t);
    pthread_cancel(thread);
    assert_int_equal(ed_ticket_wait(t, 20 * ED_MS), ED_ETIMEOUT);
    assert_int_equal(pthread_tryjoin_np(thread, NULL), EBUSY);
    ed_ticket_cancel(t);
    assert_int_equal(ed_ticket_wait(t, PATIENCE), ED_ECANCELED);
    pthread_join(thread, NULL);
    ed_ticket_free(t);
}

static int note_begun(void *arg, ed_arena *arena, void **value)
{
    (void)arena, (void)value;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static void work_cancelled_before_it_begins_does_not_begin(void **state)
{
    struct door door = DOOR;
    atomic_int begun = 0;

    (void)state;
    ed_ticket *first = block_loop(&door);
    ed_ticket *second = ed_offload(note_begun, &begun);
    ed_ticket_cancel(second);
    pthread_mutex_unlock(&door.lock);
    assert_int_equal(ed_ticket_wait(second, PATIENCE), ED_ECANCELED);
    assert_int_equal(begun, 0);
    assert_int_equal(ed_ticket_wait(first, PATIENCE), 0);
    ed_ticket_free(first);
    ed_ticket_free(second);
}

static int use_arena(void *arg, ed_arena *arena, void **value)
{
    check(arena == ed_fiber_arena());
    *value = ed_arena_printf(ed_fiber_arena(), "%s, %s", (char *)arg, "world");
    return 0;
}

static void what_lies_in_the_arena_lives_as_long_as_the_ticket(void **state)
{
    ed_ticket *t = ed_offload(use_arena, "hello");

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_string_equal(ed_ticket_value(t), "hello, world");
    ed_ticket_free(t);
}

/* ---- order ---- */

static int note_turn(void *arg, ed_arena *arena, void **value)
{
    static int turn; /* of the loop's thread */

    (void)arena, (void)value;
    *(int *)arg = ++turn;
    return 0;
}

static void calls_of_one_thread_begin_in_their_order(void **state)
{
    enum { MANY = 500 };
    static int turns[MANY];
    ed_ticket *t[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++)
        t[i] = ed_offload(note_turn, &turns[i]);
    assert_int_equal(ed_tickets_wait_all(t, MANY, PATIENCE), 0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(turns[i], turns[0] + i);
        ed_ticket_free(t[i]);
    }
}

/* ---- the loop's own thread ---- */

struct inner {
    ed_ticket *ticket;
    int waited;
    int fetched;
    int called;
    atomic_int begun;
};

static int wait_inside(void *arg, ed_arena *arena, void **value)
{
    struct inner *inner = arg;
    ed_ticket *t = NULL;

    (void)arena, (void)value;
    inner->waited = ed_ticket_wait(inner->ticket, -1);
    inner->fetched = ed_fetch_blocking(&t, "http://127.0.0.1:1/");
    if (!t)
        inner->called = ed_call_blocking(&t, note_begun, &inner->begun);
    return ed_offload_inside() ? 0 : -EIO;
}

static void waiting_on_the_loops_own_thread_is_refused(void **state)
{
    struct inner inner = {.ticket = ed_offload(wait_for_ever, NULL)};
    ed_ticket *t = ed_offload(wait_inside, &inner);

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_int_equal(inner.waited, -EDEADLK);
    assert_int_equal(inner.fetched, -EDEADLK);
    assert_int_equal(inner.called, -EDEADLK);
    assert_int_equal(inner.begun, 0); /* nor was it begun all the same */
    assert_false(ed_offload_inside());
    ed_ticket_cancel(inner.ticket);
    ed_ticket_free(inner.ticket);
    ed_ticket_free(t);
}

static void a_call_that_blocks_returns_when_it_has_ended(void **state)
{
    int n = 7;
    ed_ticket *t;

    (void)state;
    assert_int_equal(ed_call_blocking(&t, give, &n), 7);
    assert_ptr_equal(ed_ticket_value(t), &n);
    ed_ticket_free(t);
    assert_int_equal(ed_call_blocking(&t, wait_for_ever, NULL, .within = ED_MS),
                     ED_ETIMEOUT);
    assert_true(ed_ticket_done(t));
    ed_ticket_free(t);
}

/* ---- callbacks ---- */

struct heard {
    atomic_int count;
    pthread_t thread;
    bool in_fiber;
    int order[3];
};

static void hear(ed_ticket *t, void *arg)
{
    struct heard *heard = arg;

    heard->thread = pthread_self();
    heard->in_fiber = ed_in_fiber();
    check(ed_ticket_done(t));
    atomic_fetch_add(&heard->count, 1);
}

static void callbacks_run_on_the_loops_thread_and_on_its_own_stack(void **state)
{
    struct heard heard = {0};
    ed_ticket *t = ed_offload(wait_for_ever, NULL);

    (void)state;
    assert_int_equal(ed_ticket_on_done(t, hear, &heard), 0);
    assert_int_equal(ed_ticket_on_done(t, hear, &heard), 0);
    assert_int_equal(heard.count, 0);
    ed_ticket_cancel(t);
    await_count(&heard.count, 2);
    assert_false(pthread_equal(heard.thread, pthread_self()));
    assert_false(heard.in_fiber);
    ed_ticket_free(t);
}

static void a_callback_of_what_is_done_is_called_at_once(void **state)
{
    struct heard heard = {0};
    int n = 0;
    ed_ticket *t = ed_offload(give, &n);

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_int_equal(ed_ticket_on_done(t, hear, &heard), 0);
    assert_int_equal(heard.count, 1);
    assert_true(pthread_equal(heard.thread, pthread_self()));
    ed_ticket_free(t);
}

static void call_again(ed_ticket *t, void *arg)
{
    (void)t;
    ed_ticket_free(ed_offload(note_begun, arg));
}

static void a_callback_may_hand_over_more(void **state)
{
    atomic_int begun = 0;
    int n = 0;
    ed_ticket *t = ed_offload(give, &n);

    (void)state;
    assert_int_equal(ed_ticket_on_done(t, call_again, &begun), 0);
    await_count(&begun, 1);
    ed_ticket_free(t);
}

static void a_descriptor_becomes_readable_when_it_is_done(void **state)
{
    ed_ticket *t = ed_offload(wait_for_ever, NULL);
    struct pollfd p = {.fd = ed_ticket_fd(t), .events = POLLIN};

    (void)state;
    assert_true(p.fd >= 0);
    assert_int_equal(ed_ticket_fd(t), p.fd);
    assert_int_equal(poll(&p, 1, 0), 0);
    ed_ticket_cancel(t);
    assert_int_equal(poll(&p, 1, (int)(PATIENCE / ED_MS)), 1);
    assert_true(ed_ticket_done(t));
    ed_ticket_free(t);

    t = ed_offload(wait_for_ever, NULL, .within = 1);
    (void)ed_ticket_wait(t, PATIENCE);
    p.fd = ed_ticket_fd(t);
    assert_int_equal(poll(&p, 1, 0), 1);
    ed_ticket_free(t);
}

/* ---- what is freed ---- */

static atomic_int freed;

static void count_freed(void *what)
{
    (void)what;
    atomic_fetch_add(&freed, 1);
}

static void arguments_and_values_are_freed_once(void **state)
{
    int n = 0;
    ed_ticket *t = ed_offload(give, &n, .free_arg = count_freed,
                              .free_value = count_freed);

    (void)state;
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    await_count(&freed, 1);
    ed_ticket_free(ed_ticket_ref(t));
    assert_int_equal(freed, 1);
    ed_ticket_free(t);
    await_count(&freed, 2); /* the loop may have had the last reference */
    freed = 0;
}

static void a_ticket_may_be_dropped_and_its_work_goes_on(void **state)
{
    atomic_int begun = 0;

    (void)state;
    ed_ticket_free(ed_offload(note_begun, &begun, .free_arg = count_freed));
    await_count(&begun, 1);
    await_count(&freed, 1);
    freed = 0;
}

static pthread_t freed_on;

static void note_thread(void *value)
{
    (void)value;
    freed_on = pthread_self();
    atomic_fetch_add(&freed, 1);
}

static int my_thread(void *arg, ed_arena *arena, void **value)
{
    (void)arena, (void)value;
    *(pthread_t *)arg = pthread_self();
    return 0;
}

static void a_value_at_home_is_freed_there(void **state)
{
    pthread_t loops;
    int n = 0;
    ed_ticket *t;

    (void)state;
    assert_int_equal(ed_call_blocking(&t, my_thread, &loops), 0);
    ed_ticket_free(t);
    t = ed_offload(give, &n, .free_value = note_thread, .at_home = true);
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_ptr_equal(ed_ticket_value(t), &n);
    ed_ticket_free(t);
    await_count(&freed, 1);
    assert_true(pthread_equal(freed_on, loops));
    freed = 0;
}

/* ---- failures ---- */

static void a_failure_is_told_with_its_place(void **state)
{
    int err = -ENOENT;
    char place[64];
    ed_ticket *t = ed_offload(fail_with, &err);

    (void)state;
    snprintf(place, sizeof place, "%s:%d", __FILE__, __LINE__ - 3);
    assert_int_equal(ed_ticket_wait(t, PATIENCE), -ENOENT);
    assert_string_equal(ed_ticket_detail(t), "no such luck");
    const char *text = ed_ticket_failure(t);
    says(text, "no such luck (ENOENT), of 'fail_with' at ");
    says(text, place);
    assert_ptr_equal(ed_ticket_failure(t), text);
    ed_ticket_free(t);

    t = ed_offload(fail_with, &err, .name = "look up", .place = "shop.py:3");
    (void)ed_ticket_wait(t, PATIENCE);
    assert_string_equal(ed_ticket_failure(t),
                        "no such luck (ENOENT), of 'look up' at shop.py:3");
    ed_ticket_free(t);
}

static uint64_t uncollected(void)
{
    struct ed_offload_counts counts;

    ed_offload_counts(&counts);
    return counts.uncollected;
}

static void await_uncollected(uint64_t count)
{
    while (uncollected() != count)
        usleep(1000);
}

static void a_failure_nobody_asks_for_is_logged_once(void **state)
{
    int log = capture_log();
    int err = -ENOENT;
    uint64_t before = uncollected();
    ed_ticket *t = ed_offload(fail_with, &err, .place = "a.c:1");

    (void)state;
    assert_int_equal(ed_tickets_wait(&t, 1, ED_TICKETS_ALL, PATIENCE), 0);
    ed_ticket_free(t);
    await_uncollected(before + 1);
    /* The same of one that was dropped before it failed. */
    ed_ticket_free(ed_offload(fail_with, &err, .place = "b.c:2"));
    await_uncollected(before + 2);
    /* Both are logged by now, or will be by a thread that may be late. */
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(ed_offload_start(), 0);
    char *text = captured(log);
    says(text,
         "nobody asked for it: no such luck (ENOENT), of 'fail_with' at a.c");
    says(text, "at b.c:2");
    assert_null(strstr(strstr(text, "b.c:2") + 1, "b.c:2"));
    free(text);
    assert_int_equal(fiber_test_failures, 0);
}

static void failures_that_were_asked_for_are_not_logged(void **state)
{
    int log = capture_log();
    int err = -ENOENT;
    uint64_t before = uncollected();
    ed_ticket *t = ed_offload(fail_with, &err);

    (void)state;
    (void)ed_ticket_wait(t, PATIENCE);
    ed_ticket_free(t);
    t = ed_offload(fail_with, &err);
    assert_int_equal(ed_tickets_wait(&t, 1, ED_TICKETS_ALL, PATIENCE), 0);
    assert_non_null(ed_ticket_failure(t));
    ed_ticket_free(t);
    t = ed_offload(wait_for_ever, NULL);
    ed_ticket_cancel(t);
    ed_ticket_free(t);
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(ed_offload_start(), 0);
    assert_int_equal(uncollected(), before);
    char *text = captured(log);
    assert_string_equal(text, "");
    free(text);
}

static void a_thousand_failures_are_not_a_thousand_lines(void **state)
{
    int log = capture_log();
    int err = -ENOENT;
    int lines = 0;

    (void)state;
    for (int i = 0; i < 1000; i++)
        ed_ticket_free(ed_offload(fail_with, &err));
    assert_int_equal(ed_offload_stop(PATIENCE), 0);
    assert_int_equal(ed_offload_start(), 0);
    char *text = captured(log);
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_in_range(lines, 1, 400);
    free(text);
}

static void without_a_ticket_there_is_an_answer_all_the_same(void **state)
{
    (void)state;
    assert_int_equal(ed_ticket_wait(NULL, -1), ED_ENOMEM);
    assert_int_equal(ed_ticket_result(NULL, NULL), ED_ENOMEM);
    assert_true(ed_ticket_done(NULL));
    assert_null(ed_ticket_value(NULL));
    assert_non_null(ed_ticket_failure(NULL));
    assert_int_equal(ed_ticket_fd(NULL), ED_ENOMEM);
    assert_int_equal(ed_ticket_on_done(NULL, hear, NULL), ED_ENOMEM);
    assert_int_equal(ed_ticket_stash(NULL), ED_ENOMEM);
    assert_null(ed_ticket_ref(NULL));
    ed_ticket_cancel(NULL);
    ed_ticket_free(NULL);
}

static void too_many_calls_are_refused(void **state)
{
    ed_ticket *t[3];

    (void)state;
    assert_int_equal(ed_offload_start(.max_pending = 2), 0);
    for (int i = 0; i < 3; i++)
        t[i] = ed_offload(wait_for_ever, NULL, .free_arg = count_freed);
    assert_int_equal(ed_ticket_wait(t[2], 0), ED_ELIMIT);
    assert_int_equal(freed, 1);
    for (int i = 0; i < 3; i++) {
        ed_ticket_cancel(t[i]);
        (void)ed_ticket_wait(t[i], PATIENCE);
        ed_ticket_free(t[i]);
    }
    await_count(&freed, 3);
    freed = 0;
    assert_int_equal(ed_offload_start(.max_pending = ED_OFFLOAD_PENDING), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_runs_on_the_loop_and_its_result_can_be_had_again),
        cmocka_unit_test(a_wait_that_times_out_leaves_the_work_running),
        cmocka_unit_test(work_has_the_time_it_is_given),
        cmocka_unit_test(a_thread_is_not_cancelled_while_it_waits),
        cmocka_unit_test(work_cancelled_before_it_begins_does_not_begin),
        cmocka_unit_test(what_lies_in_the_arena_lives_as_long_as_the_ticket),
        cmocka_unit_test(calls_of_one_thread_begin_in_their_order),
        cmocka_unit_test(waiting_on_the_loops_own_thread_is_refused),
        cmocka_unit_test(a_call_that_blocks_returns_when_it_has_ended),
        cmocka_unit_test(
            callbacks_run_on_the_loops_thread_and_on_its_own_stack),
        cmocka_unit_test(a_callback_of_what_is_done_is_called_at_once),
        cmocka_unit_test(a_callback_may_hand_over_more),
        cmocka_unit_test(a_descriptor_becomes_readable_when_it_is_done),
        cmocka_unit_test(arguments_and_values_are_freed_once),
        cmocka_unit_test(a_ticket_may_be_dropped_and_its_work_goes_on),
        cmocka_unit_test(a_value_at_home_is_freed_there),
        cmocka_unit_test(a_failure_is_told_with_its_place),
        cmocka_unit_test(a_failure_nobody_asks_for_is_logged_once),
        cmocka_unit_test(failures_that_were_asked_for_are_not_logged),
        cmocka_unit_test(a_thousand_failures_are_not_a_thousand_lines),
        cmocka_unit_test(without_a_ticket_there_is_an_answer_all_the_same),
        cmocka_unit_test(too_many_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
