/*
 * Pauses between attempts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/backoff.h"

static void a_pause_doubles_with_each_failure_up_to_the_longest(void **state)
{
    static const int64_t longest[] = {50, 50, 100, 200, 400, 800, 1000, 1000};

    (void)state;
    for (unsigned n = 0; n < sizeof longest / sizeof *longest; n++) {
        for (int i = 0; i < 1000; i++) {
            int64_t pause = ed_backoff(n, 50 * ED_MS, ED_S);
            assert_in_range(pause, longest[n] * ED_MS / 2, longest[n] * ED_MS);
        }
    }
    assert_in_range(ed_backoff(UINT32_MAX, 50 * ED_MS, ED_S), ED_S / 2, ED_S);
    assert_in_range(ed_backoff(3, 1, INT64_MAX), 2, 4);
    assert_in_range(ed_backoff(UINT32_MAX, 1, INT64_MAX), INT64_MAX / 2,
                    INT64_MAX);
}

static void pauses_differ_by_chance(void **state)
{
    int64_t least = ED_S, most = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t pause = ed_backoff(1, ED_S, ED_S);
        least = pause < least ? pause : least;
        most = pause > most ? pause : most;
    }
    assert_true(least < 6 * ED_S / 10);
    assert_true(most > 9 * ED_S / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_doubles_with_each_failure_up_to_the_longest),
        cmocka_unit_test(pauses_differ_by_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
