/* Cancellation: whom it reaches, and what waiting returns then. */
#include "../../fiber_test.h"
#include "core/runtime.h"

struct seen {
    int result;
    int count;
};

static int sleep_long(void *arg)
{
    struct seen *seen = arg;
    seen->result = ed_sleep(ED_MIN);
    seen->count++;
    return seen->result;
}

FIBER_TEST(cancelling_ends_the_waits_of_all_fibers_of_a_scope)
{
    struct seen seen[3] = {0};
    int64_t began = ed_now();
    ed_scope(s);
    for (int i = 0; i < 3; i++)
        ed_go(s, sleep_long, &seen[i]);
    check_int(ed_sleep(ED_S), 0);
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    for (int i = 0; i < 3; i++)
        check_int(seen[i].result, ED_ECANCELED);
    check_int(ed_now() - began, ED_S);
}

FIBER_TEST(a_fiber_cancelled_before_it_ran_runs_and_is_told)
{
    struct seen seen = {0};
    ed_scope(s);
    ed_go(s, sleep_long, &seen);
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    check_int(seen.count, 1);
    check_int(seen.result, ED_ECANCELED);
}

FIBER_TEST(every_later_wait_in_a_cancelled_scope_fails)
{
    {
        ed_scope(s);
        ed_cancel(s);
        for (int i = 0; i < 3; i++)
            check_int(ed_sleep(ED_S), ED_ECANCELED);
        check_int(ed_yield(), ED_ECANCELED);
        check_int(ed_cancelled(), ED_ECANCELED);
    }
    check_int(ed_cancelled(), 0);
    check_int(ed_sleep(ED_S), 0);
}

FIBER_TEST(cancelling_reaches_nested_scopes_of_the_same_fiber)
{
    ed_scope(outer);
    ed_scope(middle);
    ed_scope(inner);
    ed_cancel(outer);
    check_int(ed_sleep(ED_S), ED_ECANCELED);
    check_int(ed_wait(inner), ED_ECANCELED);
    check_int(ed_wait(middle), ED_ECANCELED);
}

FIBER_TEST(cancelling_does_not_reach_the_scope_around)
{
    ed_scope(outer);
    {
        ed_scope(inner);
        ed_cancel(inner);
        check_int(ed_sleep(ED_S), ED_ECANCELED);
    }
    check_int(ed_sleep(ED_S), 0);
    check_int(ed_wait(outer), 0);
}

FIBER_TEST(the_first_reason_of_a_cancellation_stays)
{
    ed_scope(s, .within = ED_S);
    ed_cancel(s);
    {
        ed_shield(calm, ED_MIN);
        check_int(ed_sleep(2 * ED_S), 0);
    }
    check_int(ed_wait(s), ED_ECANCELED);
}

FIBER_TEST(a_scope_opened_in_a_cancelled_one_is_cancelled)
{
    struct seen seen = {0};
    ed_scope(outer);
    ed_cancel(outer);
    ed_scope(inner, .within = ED_S);
    check_int(ed_go(inner, sleep_long, &seen), ED_ECANCELED);
    check_int(ed_wait(inner), ED_ECANCELED);
}

FIBER_TEST(cancelling_one_fiber_leaves_its_siblings_alone)
{
    struct seen seen[2] = {0};
    ed_scope(s);
    ed_go(s, sleep_long, &seen[0]);
    ed_go(s, sleep_long, &seen[1]);
    check_int(ed_sleep(ED_S), 0);
    ed_fiber_cancel(
        ED_CONTAINER(ed_list_first(&s->children), ed_fiber, sibling),
        ED_ECANCELED);
    check_int(ed_wait(s), 0);
    check_int(seen[0].result, ED_ECANCELED);
    check_int(seen[1].result, 0);
}

/* ---- deep trees ---- */

enum {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    DEEP = 5 * 1000,
#else
    DEEP = 100 * 1000,
#endif
};

static int ended_levels;

static int go_deeper(void *arg)
{
    int level = (int)(intptr_t)arg;
    int err;
    if (level == DEEP) {
        err = ed_sleep(ED_MIN);
    } else {
        ed_scope(s);
        ed_go(s, go_deeper, (void *)(intptr_t)(level + 1));
        err = ed_wait(s);
    }
    ended_levels += err == ED_ECANCELED;
    return err;
}

FIBER_TEST(a_tree_deeper_than_any_stack_is_cancelled)
{
    int64_t began = ed_now();
    ended_levels = 0;
    ed_scope(s);
    ed_go(s, go_deeper, (void *)(intptr_t)1);
    check_int(ed_sleep(ED_S), 0);
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    check_int(ended_levels, DEEP);
    check_int(ed_now() - began, ED_S);
}

/* ---- an operation that cannot be taken back ---- */

static bool refuse(void *arg)
{
    ++*(int *)arg;
    return false;
}

static ed_fiber *stubborn;
static int asked;

static int wait_stubbornly(void *arg)
{
    (void)arg;
    stubborn = ed_fiber_self();
    return ed_park("a kernel", refuse, &asked);
}

FIBER_TEST(an_operation_in_other_hands_is_waited_for)
{
    asked = 0;
    ed_scope(s);
    ed_go(s, wait_stubbornly, NULL);
    check_int(ed_yield(), 0);
    ed_cancel(s);
    ed_cancel(s);
    check_int(asked, 1);
    {
        ed_shield(calm, ED_MIN);
        check_int(ed_sleep(ED_S), 0);
    }
    ed_wake(stubborn, 7);
    check_int(ed_wait(s), ED_ECANCELED);
    check_int(asked, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancelling_ends_the_waits_of_all_fibers_of_a_scope),
        cmocka_unit_test(a_fiber_cancelled_before_it_ran_runs_and_is_told),
        cmocka_unit_test(every_later_wait_in_a_cancelled_scope_fails),
        cmocka_unit_test(cancelling_reaches_nested_scopes_of_the_same_fiber),
        cmocka_unit_test(cancelling_does_not_reach_the_scope_around),
        cmocka_unit_test(the_first_reason_of_a_cancellation_stays),
        cmocka_unit_test(a_scope_opened_in_a_cancelled_one_is_cancelled),
        cmocka_unit_test(cancelling_one_fiber_leaves_its_siblings_alone),
        cmocka_unit_test(a_tree_deeper_than_any_stack_is_cancelled),
        cmocka_unit_test(an_operation_in_other_hands_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
