/* Many tickets at once: all, any, the first success, as they are done; and
 * tickets by number. */
#include "offloaded.h"

#include <signal.h>
#include <sys/time.h>

enum { MANY = 40 };

static int ok;
static int bad = -EIO;

struct tickets {
    ed_ticket *t[MANY];
};

static void cancel_all(struct tickets *all)
{
    for (int i = 0; i < MANY; i++) {
        ed_ticket_cancel(all->t[i]);
        (void)ed_ticket_wait(all->t[i], PATIENCE);
        ed_ticket_free(all->t[i]);
    }
}

/* All wait, but the given one, which does that instead. */
static struct tickets all_but(int which, ed_offload_fn *fn, void *arg)
{
    struct tickets all;

    for (int i = 0; i < MANY; i++)
        all.t[i] =
            i == which ? ed_offload(fn, arg) : ed_offload(wait_for_ever, NULL);
    return all;
}

static void all_are_waited_for_whatever_they_return(void **state)
{
    struct tickets all;

    (void)state;
    for (int i = 0; i < MANY; i++)
        all.t[i] = ed_offload(fail_with, &bad);
    assert_int_equal(ed_tickets_wait(all.t, MANY, ED_TICKETS_ALL, PATIENCE), 0);
    for (int i = 0; i < MANY; i++)
        assert_true(ed_ticket_done(all.t[i]));
    assert_int_equal(ed_tickets_wait_all(all.t, MANY, 0), -EIO);
    cancel_all(&all);
}

static void waiting_for_all_times_out(void **state)
{
    struct tickets all = all_but(3, give, &ok);

    (void)state;
    assert_int_equal(ed_tickets_wait_all(all.t, MANY, 2 * ED_MS), ED_ETIMEOUT);
    assert_int_equal(ed_tickets_wait_all(all.t, MANY, 0), ED_ETIMEOUT);
    cancel_all(&all);
}

static void any_is_the_one_that_was_done_first(void **state)
{
    struct tickets all = all_but(30, give, &ok);

    (void)state;
    assert_int_equal(ed_tickets_wait_any(all.t, MANY, PATIENCE), 30);
    ed_ticket_cancel(all.t[2]);
    assert_int_equal(ed_ticket_wait(all.t[2], PATIENCE), ED_ECANCELED);
    assert_int_equal(ed_tickets_wait_any(all.t, MANY, PATIENCE), 30);
    cancel_all(&all);
}

static void a_failure_ends_the_wait_for_soundness_but_not_the_others(
    void **state)
{
    struct tickets all = all_but(7, fail_with, &bad);

    (void)state;
    assert_int_equal(ed_tickets_wait(all.t, MANY, ED_TICKETS_SOUND, PATIENCE),
                     -EIO);
    assert_false(ed_ticket_done(all.t[0]));
    cancel_all(&all);

    for (int i = 0; i < MANY; i++)
        all.t[i] = ed_offload(give, &ok);
    assert_int_equal(ed_tickets_wait(all.t, MANY, ED_TICKETS_SOUND, PATIENCE),
                     0);
    cancel_all(&all);
}

static void the_first_success_is_found_behind_failures(void **state)
{
    struct tickets all = all_but(7, fail_with, &bad);

    (void)state;
    assert_int_equal(ed_tickets_wait(all.t, MANY, ED_TICKETS_FIRST, 2 * ED_MS),
                     ED_ETIMEOUT);
    ed_ticket_cancel(all.t[9]);
    ed_ticket_free(all.t[9]);
    all.t[9] = ed_offload(give, &ok);
    assert_int_equal(ed_tickets_wait(all.t, MANY, ED_TICKETS_FIRST, PATIENCE),
                     9);
    cancel_all(&all);

    for (int i = 0; i < MANY; i++)
        all.t[i] = ed_offload(fail_with, &bad);
    assert_int_equal(ed_tickets_wait(all.t, MANY, ED_TICKETS_FIRST, PATIENCE),
                     -EIO);
    cancel_all(&all);
}

static void of_none_nothing_is_the_first(void **state)
{
    (void)state;
    assert_int_equal(ed_tickets_wait_all(NULL, 0, -1), 0);
    assert_int_equal(ed_tickets_wait_any(NULL, 0, -1), ED_EUSAGE);
    assert_int_equal(ed_tickets_wait(NULL, 0, ED_TICKETS_FIRST, -1), ED_EUSAGE);
    ed_ticket *none = NULL;
    assert_int_equal(ed_tickets_wait_all(&none, 1, -1), ED_ENOMEM);
    assert_int_equal(ed_tickets_wait_any(&none, 1, -1), 0);
}

static void as_they_are_done_each_is_given_once(void **state)
{
    bool given[MANY] = {false};
    struct tickets all;
    struct ed_tickets_done it = {.tickets = all.t, .count = MANY};
    uint64_t last = 0;

    (void)state;
    for (int i = 0; i < MANY; i++)
        all.t[i] = ed_offload(wait_for_ever, NULL);
    assert_int_equal(ed_tickets_next(&it, 2 * ED_MS), ED_ETIMEOUT);
    for (int n = 0; n < MANY; n++) {
        int which = (n * 7) % MANY; /* 7 and 40 have no common divisor */
        assert_int_equal(ed_ticket_order(all.t[which]), 0);
        ed_ticket_cancel(all.t[which]);
        assert_int_equal(ed_tickets_next(&it, PATIENCE), 1);
        assert_int_equal(ed_ticket_order(all.t[which]), it.order);
        assert_int_equal(it.index, which);
        assert_false(given[which]);
        assert_true(it.order > last);
        last = it.order;
        given[which] = true;
    }
    assert_int_equal(ed_tickets_next(&it, -1), 0);
    cancel_all(&all);
}

static void what_was_done_before_is_given_in_its_order(void **state)
{
    struct tickets all;
    struct ed_tickets_done it = {.tickets = all.t, .count = MANY};

    (void)state;
    for (int i = MANY - 1; i >= 0; i--)
        all.t[i] = i ? ed_offload(give, &ok) : NULL;
    assert_int_equal(ed_tickets_wait(all.t, MANY, ED_TICKETS_ALL, PATIENCE), 0);
    for (int i = MANY - 1; i > 0; i--) {
        assert_int_equal(ed_tickets_next(&it, 0), 1);
        assert_int_equal(it.index, i);
    }
    assert_int_equal(ed_tickets_next(&it, 0), 0); /* not the one without */
    cancel_all(&all);
}

/* ---- signals ---- */

static void ignore(int signo)
{
    (void)signo;
}

static void alarm_every_ms(bool on)
{
    struct itimerval timer = {{0, on ? 1000 : 0}, {0, on ? 1000 : 0}};
    struct sigaction action = {.sa_handler = ignore};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void a_signal_ends_a_wait_only_if_it_may(void **state)
{
    ed_ticket *t = ed_offload(wait_for_ever, NULL);
    struct ed_tickets_done it = {
        .tickets = &t, .count = 1, .interruptible = true};

    (void)state;
    alarm_every_ms(true);
    assert_int_equal(ed_ticket_wait(t, 20 * ED_MS), ED_ETIMEOUT);
    assert_int_equal(
        ed_tickets_wait(&t, 1, ED_TICKETS_ALL | ED_TICKETS_INTERRUPTIBLE, -1),
        -EINTR);
    assert_int_equal(ed_tickets_next(&it, -1), -EINTR);
    alarm_every_ms(false);
    assert_false(ed_ticket_done(t));
    ed_ticket_cancel(t);
    assert_int_equal(ed_ticket_wait(t, PATIENCE), ED_ECANCELED);
    ed_ticket_free(t);
}

/* ---- threads ---- */

static void *wait_too(void *ticket)
{
    return ed_ticket_wait(ticket, PATIENCE) == ED_ECANCELED ? ticket : NULL;
}

static void any_number_of_threads_may_wait_for_the_same(void **state)
{
    enum { THREADS = 8 };
    ed_ticket *t = ed_offload(wait_for_ever, NULL);
    pthread_t threads[THREADS];
    void *well;

    (void)state;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, wait_too, t);
    ed_ticket_cancel(t);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &well);
        assert_ptr_equal(well, t);
    }
    ed_ticket_free(t);
}

static void *hand_over_many(void *failed)
{
    for (int round = 0; round < 20; round++) {
        struct tickets all;
        for (int i = 0; i < MANY; i++)
            all.t[i] = ed_offload(i % 2 ? give : fail_with, i % 2 ? &ok : &bad);
        if (ed_tickets_wait_all(all.t, MANY, PATIENCE) != -EIO)
            atomic_fetch_add((atomic_int *)failed, 1);
        for (int i = 0; i < MANY; i++)
            ed_ticket_free(all.t[i]);
    }
    return NULL;
}

static void many_threads_may_hand_over_at_once(void **state)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    atomic_int failed = 0;

    (void)state;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, hand_over_many, &failed);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(failed, 0);
}

static uint64_t wakeups(void)
{
    struct ed_offload_counts counts;

    ed_offload_counts(&counts);
    return counts.wakeups;
}

static int hand_over_inside(void *arg, ed_arena *arena, void **value)
{
    struct tickets *all = arg;

    (void)arena, (void)value;
    for (int i = 0; i < MANY; i++)
        all->t[i] = ed_offload(give, &ok);
    return 0;
}

static void a_loop_that_is_awake_is_not_woken(void **state)
{
    struct tickets all;
    ed_ticket *t;

    (void)state;
    assert_int_equal(ed_offload_start(), 0);
    uint64_t before = wakeups();
    assert_int_equal(ed_call_blocking(&t, hand_over_inside, &all), 0);
    assert_int_equal(ed_tickets_wait_all(all.t, MANY, PATIENCE), 0);
    assert_in_range(wakeups() - before, 0, 1);
    ed_ticket_free(t);
    cancel_all(&all);
}

/* ---- by number ---- */

static void a_number_is_good_for_one_retrieval(void **state)
{
    ed_ticket *t = ed_offload(give, &ok);
    int64_t number = ed_ticket_stash(t);
    int64_t again = ed_ticket_stash(t);

    (void)state;
    ed_ticket_free(t); /* the store has its own reference */
    assert_in_range(number, 1, ((int64_t)1 << 53) - 1);
    assert_int_not_equal(number, again);
    t = ed_ticket_retrieve(number);
    assert_int_equal(ed_ticket_wait(t, PATIENCE), 0);
    assert_null(ed_ticket_retrieve(number));
    assert_null(ed_ticket_retrieve(0));
    assert_null(ed_ticket_retrieve(-1));
    assert_ptr_equal(ed_ticket_retrieve(again), t);
    ed_ticket_free(t);
    ed_ticket_free(t);
}

static void the_store_is_bounded(void **state)
{
    ed_ticket *t = ed_offload(give, &ok);
    int64_t numbers[2];

    (void)state;
    assert_int_equal(ed_offload_start(.max_stashed = 2), 0);
    numbers[0] = ed_ticket_stash(t);
    numbers[1] = ed_ticket_stash(t);
    assert_int_equal(ed_ticket_stash(t), ED_ELIMIT);
    assert_ptr_equal(ed_ticket_retrieve(numbers[0]), t);
    ed_ticket_free(t);
    assert_true(ed_ticket_stash(t) > 0);
    ed_ticket_free(ed_ticket_retrieve(numbers[1]));
    ed_ticket_free(t);
    assert_int_equal(ed_offload_start(.max_stashed = ED_OFFLOAD_STASHED), 0);
}

static void what_nobody_retrieves_expires_and_its_failure_is_logged(
    void **state)
{
    int log = capture_log();
    ed_ticket *t = ed_offload(fail_with, &bad, .place = "kept.c:1");
    struct ed_offload_counts counts;

    (void)state;
    assert_int_equal(ed_tickets_wait(&t, 1, ED_TICKETS_ALL, PATIENCE), 0);
    assert_int_equal(ed_offload_start(.stash_time = ED_MS), 0);
    int64_t number = ed_ticket_stash(t);
    ed_ticket_free(t);
    usleep(2000);
    assert_null(ed_ticket_retrieve(number));
    char *text = captured(log);
    says(text, "at kept.c:1");
    free(text);
    assert_int_equal(fiber_test_failures, 0);
    assert_int_equal(ed_offload_start(.stash_time = ED_OFFLOAD_STASH_TIME), 0);
    /* What an earlier test left is of a time when all lived longer. */
    ed_offload_counts(&counts);
    assert_in_range(counts.stashed, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_waited_for_whatever_they_return),
        cmocka_unit_test(waiting_for_all_times_out),
        cmocka_unit_test(any_is_the_one_that_was_done_first),
        cmocka_unit_test(
            a_failure_ends_the_wait_for_soundness_but_not_the_others),
        cmocka_unit_test(the_first_success_is_found_behind_failures),
        cmocka_unit_test(of_none_nothing_is_the_first),
        cmocka_unit_test(as_they_are_done_each_is_given_once),
        cmocka_unit_test(what_was_done_before_is_given_in_its_order),
        cmocka_unit_test(a_signal_ends_a_wait_only_if_it_may),
        cmocka_unit_test(any_number_of_threads_may_wait_for_the_same),
        cmocka_unit_test(many_threads_may_hand_over_at_once),
        cmocka_unit_test(a_loop_that_is_awake_is_not_woken),
        cmocka_unit_test(a_number_is_good_for_one_retrieval),
        cmocka_unit_test(the_store_is_bounded),
        cmocka_unit_test(
            what_nobody_retrieves_expires_and_its_failure_is_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
