/*
 * test_keep.c - input that has to wait.
 */
#include "net/keep.h"

#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void what_lies_elsewhere_is_copied(void **state)
{
    struct ed_keep *keep = NULL;
    char scratch[] = "GET / HT", *view = scratch;

    (void)state;
    assert_int_equal(ed_keep(&keep, &view, 8, NULL, 0), 0);
    memset(scratch, 'x', sizeof scratch);
    assert_ptr_equal(view, keep->bytes);
    assert_memory_equal(view, "GET / HT", 8);
    assert_int_equal(ed_keep(&keep, &view, 8, "TP/1.1", 6), 0);
    assert_memory_equal(view, "GET / HTTP/1.1", 14);
    free(keep);
}

static void what_was_used_makes_room(void **state)
{
    struct ed_keep *keep = NULL;
    char *view = NULL;

    (void)state;
    assert_int_equal(ed_keep(&keep, &view, 0, "first second", 12), 0);
    size_t cap = keep->cap;
    view += 6;
    assert_int_equal(ed_keep(&keep, &view, 6, " third", 6), 0);
    assert_memory_equal(view, "second third", 12);
    assert_ptr_equal(view, keep->bytes);
    assert_int_equal(keep->cap, cap);
    free(keep);
}

static void it_grows_with_all_that_is_in_it(void **state)
{
    struct ed_keep *keep = NULL;
    char *view = NULL, piece[1000];

    (void)state;
    for (size_t have = 0; have < 100 * sizeof piece; have += sizeof piece) {
        memset(piece, (int)('a' + have / sizeof piece % 26), sizeof piece);
        assert_int_equal(ed_keep(&keep, &view, have, piece, sizeof piece), 0);
    }
    for (size_t i = 0; i < 100 * sizeof piece; i++)
        assert_int_equal(view[i], 'a' + i / sizeof piece % 26);
    free(keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_elsewhere_is_copied),
        cmocka_unit_test(what_was_used_makes_room),
        cmocka_unit_test(it_grows_with_all_that_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
