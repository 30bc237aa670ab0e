/*
 * Fibers that belong to the loop: they outlive the scope they were asked for
 * in, and end with the loop's first fiber.
 */
#include "core/runtime.h"
#include "../../fiber_test.h"

struct life {
    bool began;
    int ended; /* what its last wait returned */
};

static int lives_on(void *arg)
{
    struct life *life = arg;

    life->began = true;
    life->ended = ed_sleep(ED_MIN);
    return life->ended;
}

static struct life of_first;

static int starts_one(void *arg)
{
    check_int(ed_background(lives_on, arg), 0);
    return ed_sleep(ED_MS);
}

FIBER_TEST(a_background_fiber_outlives_the_scope_it_was_asked_for_in)
{
    static struct life life;

    {
        ed_scope(s);
        ed_go(s, starts_one, &life);
        check_int(ed_wait(s), 0);
    }
    check(life.began);
    check_int(life.ended, 0);
    check_int(ed_sleep(2 * ED_MIN), 0);
    check_int(life.ended, 0);
}

static int first(void *arg)
{
    return starts_one(arg);
}

static void a_background_fiber_is_cancelled_when_the_first_has_ended(void **s)
{
    (void)s;
    assert_int_equal(ed_run(first, &of_first, .virtual_clock = true), 0);
    assert_true(of_first.began);
    assert_int_equal(of_first.ended, ED_ECANCELED);
}

static int asked_too_late(void *arg)
{
    int *err = arg;

    ed_sleep(ED_MIN);
    *err = ed_background(lives_on, NULL);
    return 0;
}

static int late_first(void *arg)
{
    return ed_background(asked_too_late, arg) ? -1 : ed_sleep(ED_MS);
}

static void none_can_be_had_once_the_first_has_ended(void **s)
{
    int err = 0;

    (void)s;
    assert_int_equal(ed_run(late_first, &err, .virtual_clock = true), 0);
    assert_int_equal(err, ED_ECLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_background_fiber_outlives_the_scope_it_was_asked_for_in),
        cmocka_unit_test(
            a_background_fiber_is_cancelled_when_the_first_has_ended),
        cmocka_unit_test(none_can_be_had_once_the_first_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
