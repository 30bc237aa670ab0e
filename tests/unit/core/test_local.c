/* What a fiber carries: local values and its arena. */
#include "../../fiber_test.h"

#include <stdlib.h>

static int dropped;

static void drop(void *value)
{
    dropped += *(int *)value;
}

static struct ed_local own = {.drop = drop};
static struct ed_local handed_down = {.drop = drop, .inherit = true};

static int expect_nothing(void *arg)
{
    (void)arg;
    check(ed_local_get(&own) == NULL);
    return 0;
}

FIBER_TEST(a_value_is_its_fibers_own)
{
    int one = 1;
    check(ed_local_get(&own) == NULL);
    check_int(ed_local_set(&own, &one), 0);
    ed_scope(s);
    ed_go(s, expect_nothing, NULL);
    check_int(ed_wait(s), 0);
    check(ed_local_get(&own) == &one);
    check_int(ed_local_set(&own, NULL), 0);
}

static int set_and_end(void *arg)
{
    return ed_local_set(&own, arg);
}

FIBER_TEST(a_value_is_dropped_when_its_fiber_ends)
{
    int five = 5;
    dropped = 0;
    ed_scope(s);
    ed_go(s, set_and_end, &five);
    check_int(ed_wait(s), 0);
    check_int(dropped, 5);
}

FIBER_TEST(a_replaced_value_is_dropped)
{
    int two = 2, three = 3;
    dropped = 0;
    check_int(ed_local_set(&own, &two), 0);
    check_int(ed_local_set(&own, &three), 0);
    check_int(dropped, 2);
    check_int(ed_local_set(&own, NULL), 0);
    check_int(dropped, 5);
}

static int look_deeper(void *arg)
{
    check(ed_local_get(&handed_down) == arg);
    return 0;
}

static int look(void *arg)
{
    check(ed_local_get(&handed_down) == arg);
    ed_scope(s);
    ed_go(s, look_deeper, arg);
    return ed_wait(s);
}

FIBER_TEST(an_inherited_value_is_seen_by_all_below_and_dropped_once)
{
    int seven = 7;
    dropped = 0;
    check_int(ed_local_set(&handed_down, &seven), 0);
    {
        ed_scope(s);
        ed_go(s, look, &seven);
        ed_go(s, look, &seven);
        check_int(ed_wait(s), 0);
    }
    check_int(dropped, 0);
    check_int(ed_local_set(&handed_down, NULL), 0);
    check_int(dropped, 7);
}

static int replace_inherited(void *arg)
{
    int err = ed_local_set(&handed_down, arg);
    check(ed_local_get(&handed_down) == arg);
    return err;
}

FIBER_TEST(replacing_an_inherited_value_leaves_the_parents_alone)
{
    int seven = 7, nine = 9;
    dropped = 0;
    check_int(ed_local_set(&handed_down, &seven), 0);
    ed_scope(s);
    ed_go(s, replace_inherited, &nine);
    check_int(ed_wait(s), 0);
    check_int(dropped, 9);
    check(ed_local_get(&handed_down) == &seven);
    check_int(ed_local_set(&handed_down, NULL), 0);
}

static void no_fiber_no_value(void **state)
{
    (void)state;
    int one = 1;
    assert_null(ed_local_get(&own));
    assert_int_equal(ed_local_set(&own, &one), ED_EUSAGE);
}

/* ---- arenas ---- */

static int expect_arena(void *arg)
{
    check(ed_fiber_arena() == arg);
    return 0;
}

FIBER_TEST(an_arena_is_inherited_by_those_started_from_now_on)
{
    ed_arena *loops = ed_fiber_arena();
    ed_arena *mine = ed_arena_new(0);
    check(loops != NULL && mine != NULL);
    ed_scope(s);
    ed_go(s, expect_arena, loops);
    check(ed_fiber_use_arena(mine) == NULL);
    ed_go(s, expect_arena, mine);
    check(ed_fiber_arena() == mine);
    check_int(ed_wait(s), 0);
    check(ed_fiber_use_arena(NULL) == mine);
    check(ed_fiber_arena() == loops);
    ed_arena_free(mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_its_fibers_own),
        cmocka_unit_test(a_value_is_dropped_when_its_fiber_ends),
        cmocka_unit_test(a_replaced_value_is_dropped),
        cmocka_unit_test(
            an_inherited_value_is_seen_by_all_below_and_dropped_once),
        cmocka_unit_test(replacing_an_inherited_value_leaves_the_parents_alone),
        cmocka_unit_test(no_fiber_no_value),
        cmocka_unit_test(an_arena_is_inherited_by_those_started_from_now_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
