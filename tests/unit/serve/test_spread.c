/*
 * test_spread.c - when a worker leaves the next connection to another.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <eddy/clock.h>
#include "serve/spread.h"
#include <stdlib.h>
#include <string.h>

/* One worker decides, in slot 0; others are in the next ones. */
struct crew {
    struct ed_board *board;
    struct ed_spread spread;
    int64_t now;
};

static struct crew crew;

static void set(size_t slot, enum ed_slot_state state, uint32_t open)
{
    crew.board->slots[slot].state = state;
    crew.board->slots[slot].open = open;
}

static int begin(void **state)
{
    (void)state;
    memset(&crew.spread, 0, sizeof(crew.spread));
    crew.board = calloc(1, sizeof(*crew.board));
    crew.spread.board = crew.board;
    crew.spread.slot = crew.board->slots;
    crew.now = 1000 * ED_S;
    set(0, ED_SLOT_READY, 0);
    return crew.board ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    free(crew.board);
    return 0;
}

static bool holds_with(uint32_t open)
{
    int64_t until = ed_spread_hold(&crew.spread, open, crew.now);

    if (until)
        assert_in_range(until - crew.now, 100 * ED_US, 5 * ED_MS);
    return until != 0;
}

static void where_it_is_exact_one_more_is_too_many(void **state)
{
    (void)state;
    set(1, ED_SLOT_READY, 0);
    assert_false(holds_with(1));
    crew.spread.exact = true;
    assert_true(holds_with(1));
    set(1, ED_SLOT_READY, 1);
    assert_false(holds_with(1));
}

static void where_nothing_came_nobody_is_found_idle(void **state)
{
    (void)state;
    crew.spread.exact = true;
    set(1, ED_SLOT_READY, 0);
    for (int i = 0; i < 3; i++) {
        assert_true(holds_with(1));
        crew.now += 500 * ED_MS;
    }
    assert_true(holds_with(1));
    crew.now += 2 * ED_MS;
    assert_false(holds_with(1)); /* one that waited, and it was not taken */
}

static void alone_it_never_holds_back(void **state)
{
    (void)state;
    assert_false(holds_with(10000));
}

static void who_has_noticeably_more_holds_back(void **state)
{
    static const struct {
        uint32_t own, other;
        bool holds;
    } rows[] = {
        {0, 0, false},       {1, 0, false},      {2, 0, false},
        {3, 0, true},        {5, 9, false},      {10, 8, false},
        {12, 8, true},       {114, 100, false},  {115, 100, true},
        {1127, 1000, false}, {1128, 1000, true}, {UINT32_MAX, 0, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        memset(crew.spread.shunned_until, 0, sizeof(int64_t) * ED_BOARD_SLOTS);
        crew.spread.held_until = 0;
        set(1, ED_SLOT_READY, rows[i].other);
        if (holds_with(rows[i].own) != rows[i].holds)
            fail_msg("wrong for %u beside %u", rows[i].own, rows[i].other);
    }
}

static void it_compares_itself_to_the_least_loaded(void **state)
{
    (void)state;
    set(1, ED_SLOT_READY, 50);
    set(2, ED_SLOT_READY, 4);
    set(3, ED_SLOT_READY, 80);
    assert_true(holds_with(20));
    assert_false(holds_with(5));
}

static void only_ready_workers_count(void **state)
{
    (void)state;
    set(1, ED_SLOT_FREE, 0);
    set(2, ED_SLOT_STARTING, 0);
    set(3, ED_SLOT_DRAINING, 0);
    set(ED_BOARD_SLOTS - 1, ED_SLOT_READY, 20);
    assert_false(holds_with(20));
    set(ED_BOARD_SLOTS - 1, ED_SLOT_READY, 0);
    assert_true(holds_with(20));
}

static void one_that_takes_nothing_is_not_waited_for_again_at_once(void **state)
{
    (void)state;
    set(1, ED_SLOT_READY, 0);
    assert_true(holds_with(10));
    crew.now += 2 * ED_MS;
    assert_false(holds_with(11));
    crew.now += 50 * ED_MS;
    assert_false(holds_with(12));
    crew.now += 60 * ED_MS;
    assert_true(holds_with(13));
}

static void one_that_takes_some_is_waited_for_again(void **state)
{
    (void)state;
    set(1, ED_SLOT_READY, 0);
    for (uint32_t open = 0; open < 5; open++) {
        set(1, ED_SLOT_READY, open);
        assert_true(holds_with(20));
        crew.now += 2 * ED_MS;
    }
}

static void others_are_waited_for_while_one_stands_still(void **state)
{
    (void)state;
    set(1, ED_SLOT_READY, 0);
    set(2, ED_SLOT_READY, 3);
    assert_true(holds_with(20));
    crew.now += 2 * ED_MS;
    assert_true(holds_with(21)); /* for the second now */
    crew.now += 2 * ED_MS;
    set(2, ED_SLOT_READY, 4);
    assert_true(holds_with(22));
    crew.now += 2 * ED_MS;
    assert_false(holds_with(23)); /* which stands still as well */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(where_it_is_exact_one_more_is_too_many),
        TEST(where_nothing_came_nobody_is_found_idle),
        TEST(alone_it_never_holds_back),
        TEST(who_has_noticeably_more_holds_back),
        TEST(it_compares_itself_to_the_least_loaded),
        TEST(only_ready_workers_count),
        TEST(one_that_takes_nothing_is_not_waited_for_again_at_once),
        TEST(one_that_takes_some_is_waited_for_again),
        TEST(others_are_waited_for_while_one_stands_still),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
