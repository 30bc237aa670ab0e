/*
 * test_sync.c - mutex, semaphore, condition and event: order, hand-over, and
 * cancellation at every point of a wait.
 */
#include "../../fiber_test.h"

#include <eddy/sync.h>

/* What the fibers of a test share. */
struct bench {
    ed_mutex mutex;
    ed_semaphore semaphore;
    ed_cond cond;
    ed_event event;
    bool ready;
    int order[8];
    int ended;
    int inside; /* fibers in the critical section */
    int most_inside;
    int err;
};

struct worker {
    struct bench *bench;
    int id;
};

static void note(struct worker *w)
{
    w->bench->order[w->bench->ended++] = w->id;
}

static void enter(struct bench *b)
{
    b->inside++;
    if (b->inside > b->most_inside)
        b->most_inside = b->inside;
}

/* ---- mutex ---- */

static int lock_and_note(void *arg)
{
    struct worker *w = arg;
    int err = ed_mutex_lock(&w->bench->mutex);
    if (err)
        return err;
    note(w);
    enter(w->bench);
    err = ed_yield();
    w->bench->inside--;
    ed_mutex_unlock(&w->bench->mutex);
    return err;
}

FIBER_TEST(a_mutex_is_handed_on_in_order_of_arrival)
{
    struct bench b = {0};
    struct worker w[4];
    ed_scope(s);
    for (int i = 0; i < 4; i++) {
        w[i] = (struct worker){&b, i};
        ed_go(s, lock_and_note, &w[i]);
    }
    check_int(ed_wait(s), 0);
    for (int i = 0; i < 4; i++)
        check_int(b.order[i], i);
    check_int(b.most_inside, 1);
    check(!b.mutex.holder);
}

FIBER_TEST(nobody_overtakes_who_was_handed_a_mutex)
{
    struct bench b = {0};
    struct worker w = {&b, 1};
    ed_scope(s);
    check_int(ed_mutex_lock(&b.mutex), 0);
    ed_go(s, lock_and_note, &w);
    check_int(ed_yield(), 0);
    check_int(ed_mutex_unlock(&b.mutex), 0);
    /* The waiter has it already, although it has not run. */
    check_int(ed_mutex_try_lock(&b.mutex), ED_EWOULDBLOCK);
    check_int(ed_wait(s), 0);
    check_int(ed_mutex_try_lock(&b.mutex), 0);
    check_int(ed_mutex_unlock(&b.mutex), 0);
}

static int misuse(void *arg)
{
    struct bench *b = arg;
    check_int(ed_mutex_unlock(&b->mutex), ED_EUSAGE);
    return 0;
}

FIBER_TEST(only_the_holder_unlocks_a_mutex)
{
    struct bench b = {0};
    check_int(ed_mutex_unlock(&b.mutex), ED_EUSAGE);
    check_int(ed_mutex_lock(&b.mutex), 0);
    ed_scope(s);
    ed_go(s, misuse, &b);
    check_int(ed_wait(s), 0);
    check_int(ed_mutex_unlock(&b.mutex), 0);
    check_int(ed_mutex_unlock(&b.mutex), ED_EUSAGE);
}

FIBER_TEST(a_fiber_cannot_wait_for_a_mutex_it_holds)
{
    struct bench b = {0};
    check_int(ed_mutex_lock(&b.mutex), 0);
    check_int(ed_mutex_lock(&b.mutex), ED_EUSAGE);
    check_int(ed_mutex_try_lock(&b.mutex), ED_EUSAGE);
    check_int(ed_mutex_unlock(&b.mutex), 0);
}

static int hold_briefly(struct bench *b)
{
    ed_mutex *held ED_MUTEX_AUTO = NULL;
    int err = ed_mutex_hold(&b->mutex, &held);
    if (err)
        return err;
    check(b->mutex.holder != NULL);
    return 7;
}

FIBER_TEST(a_held_mutex_is_unlocked_at_the_end_of_the_block)
{
    struct bench b = {0};
    check_int(hold_briefly(&b), 7);
    check(!b.mutex.holder);
    check_int(ed_mutex_lock(&b.mutex), 0);
    check_int(hold_briefly(&b), ED_EUSAGE);
    check(b.mutex.holder != NULL);
    check_int(ed_mutex_unlock(&b.mutex), 0);
}

FIBER_TEST(a_lock_gives_up_at_the_deadline)
{
    struct bench b = {0};
    struct worker w = {&b, 1};
    check_int(ed_mutex_lock(&b.mutex), 0);
    int64_t began = ed_now();
    ed_scope(s, .within = 3 * ED_S);
    ed_go(s, lock_and_note, &w);
    check_int(ed_wait(s), ED_ETIMEOUT);
    check_int(ed_now() - began, 3 * ED_S);
    check_int(ed_mutex_unlock(&b.mutex), 0);
    check(!b.mutex.holder);
}

/* Cancels the middle one of three that wait. */
FIBER_TEST(a_cancelled_waiter_leaves_the_line)
{
    struct bench b = {0};
    struct worker w[3] = {{&b, 0}, {&b, 1}, {&b, 2}};
    check_int(ed_mutex_lock(&b.mutex), 0);
    ed_scope(all);
    ed_go(all, lock_and_note, &w[0]);
    check_int(ed_yield(), 0);
    {
        ed_scope(middle, .within = ED_MS);
        ed_go(middle, lock_and_note, &w[1]);
        check_int(ed_yield(), 0);
        ed_go(all, lock_and_note, &w[2]);
        check_int(ed_wait(middle), ED_ETIMEOUT);
    }
    check_int(ed_mutex_unlock(&b.mutex), 0);
    check_int(ed_wait(all), 0);
    check_int(b.ended, 2);
    check_int(b.order[0], 0);
    check_int(b.order[1], 2);
}

static int lock_then_see_cancellation(void *arg)
{
    struct bench *b = arg;
    b->err = ed_mutex_lock(&b->mutex);
    check_int(ed_yield(), ED_ECANCELED);
    ed_mutex_unlock(&b->mutex);
    b->ended++;
    return 0;
}

FIBER_TEST(a_mutex_handed_to_a_fiber_cancelled_in_the_same_turn_is_not_lost)
{
    struct bench b = {0};
    check_int(ed_mutex_lock(&b.mutex), 0);
    {
        ed_scope(s);
        ed_go(s, lock_then_see_cancellation, &b);
        check_int(ed_yield(), 0);
        check_int(ed_mutex_unlock(&b.mutex), 0);
        ed_cancel(s);
    }
    check_int(b.ended, 1);
    check_int(b.err, 0);
    check(!b.mutex.holder);
}

FIBER_TEST(a_mutex_goes_past_a_fiber_cancelled_before_the_unlock)
{
    struct bench b = {0};
    struct worker next = {&b, 2};
    check_int(ed_mutex_lock(&b.mutex), 0);
    ed_scope(s);
    {
        struct worker w = {&b, 1};
        ed_scope(doomed);
        ed_go(doomed, lock_and_note, &w);
        check_int(ed_yield(), 0);
        ed_go(s, lock_and_note, &next);
        check_int(ed_yield(), 0);
        ed_cancel(doomed);
        check_int(ed_mutex_unlock(&b.mutex), 0);
        check_int(ed_wait(doomed), ED_ECANCELED);
    }
    check_int(ed_wait(s), 0);
    check_int(b.ended, 1);
    check_int(b.order[0], 2);
}

FIBER_TEST(a_cancelled_fiber_takes_no_mutex)
{
    struct bench b = {0};
    ed_scope(s);
    ed_cancel(s);
    check_int(ed_mutex_lock(&b.mutex), ED_ECANCELED);
    check(!b.mutex.holder);
}

/* ---- semaphore ---- */

static int work_with_permit(void *arg)
{
    struct worker *w = arg;
    int err = ed_semaphore_acquire(&w->bench->semaphore);
    if (err)
        return err;
    note(w);
    enter(w->bench);
    err = ed_sleep(ED_S);
    w->bench->inside--;
    check_int(ed_semaphore_release(&w->bench->semaphore), 0);
    return err;
}

FIBER_TEST(a_semaphore_lets_in_as_many_as_it_has_permits)
{
    struct bench b = {.semaphore = ED_SEMAPHORE(3)};
    struct worker w[8];
    int64_t began = ed_now();
    ed_scope(s);
    for (int i = 0; i < 8; i++) {
        w[i] = (struct worker){&b, i};
        ed_go(s, work_with_permit, &w[i]);
    }
    check_int(ed_wait(s), 0);
    check_int(b.most_inside, 3);
    check_int(ed_now() - began, 3 * ED_S);
    for (int i = 0; i < 8; i++)
        check_int(b.order[i], i);
    check_int(b.semaphore.permits, 3);
}

FIBER_TEST(a_semaphore_refuses_more_permits_than_its_limit)
{
    ed_semaphore bounded = ED_SEMAPHORE(1);
    check_int(ed_semaphore_release(&bounded), ED_EUSAGE);
    check_int(ed_semaphore_try_acquire(&bounded), 0);
    check_int(ed_semaphore_try_acquire(&bounded), ED_EWOULDBLOCK);
    check_int(ed_semaphore_release(&bounded), 0);
    check_int(ed_semaphore_release(&bounded), ED_EUSAGE);
}

FIBER_TEST(a_zeroed_semaphore_counts_without_limit)
{
    ed_semaphore counter = {0};
    check_int(ed_semaphore_try_acquire(&counter), ED_EWOULDBLOCK);
    for (int i = 0; i < 5; i++)
        check_int(ed_semaphore_release(&counter), 0);
    for (int i = 0; i < 5; i++)
        check_int(ed_semaphore_acquire(&counter), 0);
    check_int(ed_semaphore_try_acquire(&counter), ED_EWOULDBLOCK);
}

FIBER_TEST(a_permit_given_to_a_fiber_cancelled_in_the_same_turn_is_not_lost)
{
    struct bench b = {.semaphore = ED_SEMAPHORE(1)};
    struct worker w = {&b, 1};
    check_int(ed_semaphore_acquire(&b.semaphore), 0);
    {
        ed_scope(s);
        ed_go(s, work_with_permit, &w);
        check_int(ed_yield(), 0);
        check_int(ed_semaphore_release(&b.semaphore), 0);
        ed_cancel(s);
    }
    check_int(b.ended, 1); /* it got the permit, and gave it back */
    check_int(b.semaphore.permits, 1);
}

FIBER_TEST(a_cancelled_waiter_uses_up_no_permit)
{
    struct bench b = {.semaphore = ED_SEMAPHORE(1)};
    struct worker w = {&b, 1};
    check_int(ed_semaphore_acquire(&b.semaphore), 0);
    {
        ed_scope(s);
        ed_go(s, work_with_permit, &w);
        check_int(ed_yield(), 0);
        ed_cancel(s);
        check_int(ed_semaphore_release(&b.semaphore), 0);
    }
    check_int(b.ended, 0);
    check_int(b.semaphore.permits, 1);
}

/* ---- condition ---- */

static int await_ready(void *arg)
{
    struct worker *w = arg;
    struct bench *b = w->bench;
    ed_mutex *held ED_MUTEX_AUTO = NULL;
    int err = ed_mutex_hold(&b->mutex, &held);
    while (!err && !b->ready)
        err = ed_cond_wait(&b->cond, &b->mutex);
    check(b->mutex.holder != NULL);
    if (!err)
        note(w);
    return err;
}

FIBER_TEST(a_notification_wakes_the_one_that_waited_longest)
{
    struct bench b = {0};
    struct worker w[3] = {{&b, 0}, {&b, 1}, {&b, 2}};
    ed_scope(s);
    for (int i = 0; i < 3; i++)
        ed_go(s, await_ready, &w[i]);
    check_int(ed_sleep(ED_S), 0);
    b.ready = true;
    ed_cond_notify(&b.cond);
    check_int(ed_sleep(ED_S), 0);
    check_int(b.ended, 1);
    ed_cond_notify_all(&b.cond);
    check_int(ed_wait(s), 0);
    for (int i = 0; i < 3; i++)
        check_int(b.order[i], i);
}

FIBER_TEST(a_notification_nobody_waits_for_is_forgotten)
{
    struct bench b = {0};
    struct worker w = {&b, 1};
    ed_cond_notify(&b.cond);
    ed_cond_notify_all(&b.cond);
    ed_scope(s, .within = ED_S);
    ed_go(s, await_ready, &w);
    check_int(ed_wait(s), ED_ETIMEOUT);
}

FIBER_TEST(a_condition_is_not_waited_for_without_the_mutex)
{
    struct bench b = {0};
    check_int(ed_cond_wait(&b.cond, &b.mutex), ED_EUSAGE);
}

/* The mutex is held by another when the waiter is cancelled, so that it must
 * wait for its turn although it is. */
FIBER_TEST(a_cancelled_condition_wait_returns_holding_the_mutex)
{
    struct bench b = {0};
    struct worker w = {&b, 1};
    ed_scope(s);
    ed_go(s, await_ready, &w); /* checks that it holds the mutex */
    check_int(ed_yield(), 0);
    check_int(ed_mutex_lock(&b.mutex), 0);
    ed_cancel(s);
    {
        ed_shield(goodbye, ED_S);
        check_int(ed_sleep(ED_MS), 0);
        check(b.mutex.holder != NULL);
        check_int(ed_mutex_unlock(&b.mutex), 0);
    }
    check_int(ed_wait(s), ED_ECANCELED);
    check(!b.mutex.holder);
}

FIBER_TEST(a_notification_is_not_spent_on_a_fiber_cancelled_before)
{
    struct bench b = {0};
    struct worker w[2] = {{&b, 0}, {&b, 1}};
    ed_scope(s);
    {
        ed_scope(doomed);
        ed_go(doomed, await_ready, &w[0]);
        check_int(ed_yield(), 0);
        ed_go(s, await_ready, &w[1]);
        check_int(ed_yield(), 0);
        ed_cancel(doomed);
        b.ready = true;
        ed_cond_notify(&b.cond);
        check_int(ed_wait(doomed), ED_ECANCELED);
    }
    check_int(ed_wait(s), 0);
    check_int(b.ended, 1);
    check_int(b.order[0], 1);
}

/* ---- event ---- */

static int await_event(void *arg)
{
    struct worker *w = arg;
    int err = ed_event_wait(&w->bench->event);
    if (!err)
        note(w);
    return err;
}

FIBER_TEST(setting_an_event_wakes_all_and_keeps_it_set)
{
    struct bench b = {0};
    struct worker w[3] = {{&b, 0}, {&b, 1}, {&b, 2}};
    ed_scope(s);
    for (int i = 0; i < 3; i++)
        ed_go(s, await_event, &w[i]);
    check_int(ed_yield(), 0);
    check_int(b.ended, 0);
    ed_event_set(&b.event);
    check_int(ed_wait(s), 0);
    check_int(b.ended, 3);
    check_int(ed_event_wait(&b.event), 0);
}

FIBER_TEST(an_event_cleared_at_once_still_wakes_who_waited)
{
    struct bench b = {0};
    struct worker w = {&b, 1};
    ed_scope(s);
    ed_go(s, await_event, &w);
    check_int(ed_yield(), 0);
    ed_event_set(&b.event);
    ed_event_clear(&b.event);
    check_int(ed_wait(s), 0);
    check_int(b.ended, 1);
    check(!b.event.is_set);
}

FIBER_TEST(a_cancelled_wait_for_an_event_ends)
{
    struct bench b = {0};
    struct worker w = {&b, 1};
    ed_scope(s);
    ed_go(s, await_event, &w);
    check_int(ed_yield(), 0);
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    ed_event_set(&b.event); /* finds nobody */
    check_int(b.ended, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mutex_is_handed_on_in_order_of_arrival),
        cmocka_unit_test(nobody_overtakes_who_was_handed_a_mutex),
        cmocka_unit_test(only_the_holder_unlocks_a_mutex),
        cmocka_unit_test(a_fiber_cannot_wait_for_a_mutex_it_holds),
        cmocka_unit_test(a_held_mutex_is_unlocked_at_the_end_of_the_block),
        cmocka_unit_test(a_lock_gives_up_at_the_deadline),
        cmocka_unit_test(a_cancelled_waiter_leaves_the_line),
        cmocka_unit_test(
            a_mutex_handed_to_a_fiber_cancelled_in_the_same_turn_is_not_lost),
        cmocka_unit_test(a_mutex_goes_past_a_fiber_cancelled_before_the_unlock),
        cmocka_unit_test(a_cancelled_fiber_takes_no_mutex),
        cmocka_unit_test(a_semaphore_lets_in_as_many_as_it_has_permits),
        cmocka_unit_test(a_semaphore_refuses_more_permits_than_its_limit),
        cmocka_unit_test(a_zeroed_semaphore_counts_without_limit),
        cmocka_unit_test(
            a_permit_given_to_a_fiber_cancelled_in_the_same_turn_is_not_lost),
        cmocka_unit_test(a_cancelled_waiter_uses_up_no_permit),
        cmocka_unit_test(a_notification_wakes_the_one_that_waited_longest),
        cmocka_unit_test(a_notification_nobody_waits_for_is_forgotten),
        cmocka_unit_test(a_condition_is_not_waited_for_without_the_mutex),
        cmocka_unit_test(a_cancelled_condition_wait_returns_holding_the_mutex),
        cmocka_unit_test(
            a_notification_is_not_spent_on_a_fiber_cancelled_before),
        cmocka_unit_test(setting_an_event_wakes_all_and_keeps_it_set),
        cmocka_unit_test(an_event_cleared_at_once_still_wakes_who_waited),
        cmocka_unit_test(a_cancelled_wait_for_an_event_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
