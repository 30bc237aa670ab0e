/*
 * test_arena.c - memory given back all at once, its limit and its marks.
 */
#include "base/asan.h"
#include <eddy/arena.h>
#include <malloc.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void memory_is_aligned_and_writable_whatever_its_length(void **state)
{
    ed_arena *arena = ed_arena_new(0);

    (void)state;
    for (size_t len = 0; len < 3000; len++) {
        char *ptr = ed_arena_alloc(arena, len);
        assert_non_null(ptr);
        assert_int_equal((uintptr_t)ptr % _Alignof(max_align_t), 0);
        memset(ptr, (int)len, len);
    }
    ed_arena_free(arena);
}

static void allocations_do_not_overlap(void **state)
{
    enum { COUNT = 400 };
    ed_arena *arena = ed_arena_new(0);
    unsigned char *ptrs[COUNT];
    size_t len[COUNT];

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        len[i] = i * 7919 % 9000;
        ptrs[i] = ed_arena_alloc(arena, len[i]);
        assert_non_null(ptrs[i]);
        memset(ptrs[i], (int)(i & 0xff), len[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t at = 0; at < len[i]; at++)
            assert_int_equal(ptrs[i][at], i & 0xff);
    }
    ed_arena_free(arena);
}

static void zalloc_clears_memory_used_before(void **state)
{
    ed_arena *arena = ed_arena_new(0);

    (void)state;
    memset(ed_arena_alloc(arena, 2000), 0xff, 2000);
    ed_arena_reset(arena);
    const char *ptr = ed_arena_zalloc(arena, 2000);
    for (size_t i = 0; i < 2000; i++)
        assert_int_equal(ptr[i], 0);
    ed_arena_free(arena);
}

static void the_limit_is_reached_exactly(void **state)
{
    ed_arena *arena = ed_arena_new(100);

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_non_null(ed_arena_alloc(arena, 10));
    assert_int_equal(ed_arena_used(arena), 100);
    assert_null(ed_arena_alloc(arena, 1));
    assert_non_null(ed_arena_alloc(arena, 0));
    assert_null(ed_arena_copy(arena, ED_BYTES("")));
    ed_arena_reset(arena);
    assert_int_equal(ed_arena_used(arena), 0);
    assert_null(ed_arena_alloc(arena, 101));
    assert_non_null(ed_arena_alloc(arena, 100));
    ed_arena_free(arena);
}

static void the_limit_counts_large_allocations(void **state)
{
    ed_arena *arena = ed_arena_new(1000000);

    (void)state;
    assert_non_null(ed_arena_alloc(arena, 600000));
    assert_null(ed_arena_alloc(arena, 400001));
    assert_non_null(ed_arena_alloc(arena, 400000));
    assert_int_equal(ed_arena_used(arena), 1000000);
    ed_arena_free(arena);
}

static void an_impossible_size_is_refused(void **state)
{
    ed_arena *arena = ed_arena_new(0);

    (void)state;
    /* volatile: the compiler warns of sizes it can see are impossible */
    volatile size_t huge = SIZE_MAX;
    assert_null(ed_arena_alloc(arena, huge));
    assert_null(ed_arena_alloc(arena, huge - 8));
    assert_null(ed_arena_copy(arena, ed_bytes_of("", huge)));
    assert_int_equal(ed_arena_used(arena), 0);
    assert_non_null(ed_arena_alloc(arena, 1));
    ed_arena_free(arena);
}

static void copies_end_with_nul(void **state)
{
    ed_arena *arena = ed_arena_new(0);

    (void)state;
    char *a = ed_arena_copy(arena, ed_bytes_of("hello", 4));
    char *b = ed_arena_copy(arena, ed_bytes_of(NULL, 0));
    assert_string_equal(a, "hell");
    assert_string_equal(b, "");
    assert_int_equal(ed_arena_used(arena), 6);
    ed_arena_free(arena);
}

static void formatted_text_of_any_length_is_whole(void **state)
{
    static const int lengths[] = {1, 255, 256, 257, 4000, 70000};
    ed_arena *arena = ed_arena_new(0);

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char *text = ed_arena_printf(arena, "%*d", lengths[i], 7);
        assert_int_equal(strlen(text), lengths[i]);
        assert_int_equal(text[lengths[i] - 1], '7');
    }
    ed_arena_free(arena);
}

static void text_beyond_the_limit_is_refused(void **state)
{
    ed_arena *arena = ed_arena_new(300);

    (void)state;
    assert_null(ed_arena_printf(arena, "%*d", 300, 7));
    assert_non_null(ed_arena_printf(arena, "%*d", 299, 7));
    assert_null(ed_arena_printf(arena, "%s", ""));
    ed_arena_free(arena);
}

static void rewinding_hands_out_the_same_memory_again(void **state)
{
    ed_arena *arena = ed_arena_new(0);

    (void)state;
    char *kept = ed_arena_copy(arena, ED_BYTES("kept"));
    struct ed_arena_mark mark = ed_arena_mark(arena);
    char *first = ed_arena_alloc(arena, 100);
    assert_non_null(ed_arena_alloc(arena, 50000));
    for (int i = 0; i < 100; i++)
        assert_non_null(ed_arena_alloc(arena, 3000));
    ed_arena_rewind(arena, mark);
    assert_int_equal(ed_arena_used(arena), 5);
    assert_ptr_equal(ed_arena_alloc(arena, 100), first);
    assert_string_equal(kept, "kept");
    ed_arena_free(arena);
}

static void rewinding_keeps_what_came_before_in_every_kind_of_block(
    void **state)
{
    ed_arena *arena = ed_arena_new(0);
    char *small[40], *large[40];
    struct ed_arena_mark marks[40];

    (void)state;
    for (int i = 0; i < 40; i++) {
        marks[i] = ed_arena_mark(arena);
        large[i] = ed_arena_alloc(arena, 100000);
        small[i] = ed_arena_alloc(arena, 1000);
        memset(large[i], i, 100000);
        memset(small[i], i, 1000);
    }
    for (int i = 39; i >= 0; i--) {
        for (int j = 0; j <= i; j++) {
            assert_int_equal(large[j][99999], j);
            assert_int_equal(small[j][999], j);
        }
        ed_arena_rewind(arena, marks[i]);
        assert_int_equal(ed_arena_used(arena), i * 101000);
    }
    ed_arena_free(arena);
}

static void a_loop_that_rewinds_stays_within_the_limit(void **state)
{
    ed_arena *arena = ed_arena_new(10000);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct ed_arena_mark mark = ed_arena_mark(arena);
        assert_non_null(ed_arena_alloc(arena, 4000));
        assert_non_null(ed_arena_alloc(arena, 6000));
        ed_arena_rewind(arena, mark);
    }
    ed_arena_free(arena);
}

static void a_reset_arena_starts_again_in_its_first_block(void **state)
{
    ed_arena *arena = ed_arena_new(0);

    (void)state;
    char *first = ed_arena_alloc(arena, 10);
    for (int i = 0; i < 100; i++)
        assert_non_null(ed_arena_alloc(arena, i * 200));
    ed_arena_reset(arena);
    assert_int_equal(ed_arena_used(arena), 0);
    assert_ptr_equal(ed_arena_alloc(arena, 10), first);
    ed_arena_free(arena);
}

static void small_requests_cost_one_malloc(void **state)
{
    (void)state;
    if (ED_ASAN) /* whose malloc keeps no such figures */
        skip();
    ed_arena *arena = ed_arena_new(0);
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < 100; i++) {
        for (int j = 0; j < 35; j++)
            assert_non_null(ed_arena_alloc(arena, 100));
        assert_true(mallinfo2().uordblks == before.uordblks);
        ed_arena_reset(arena);
    }
    ed_arena_free(arena);
}

static void the_bytes_behind_an_allocation_are_poisoned(void **state)
{
    (void)state;
#if ED_ASAN
    ed_arena *arena = ed_arena_new(0);
    struct ed_arena_mark mark = ed_arena_mark(arena);
    char *a = ed_arena_alloc(arena, 13);
    char *b = ed_arena_alloc(arena, 16);
    char *text = ed_arena_copy(arena, ED_BYTES("abc"));
    assert_false(__asan_address_is_poisoned(a + 12));
    assert_true(__asan_address_is_poisoned(a + 13));
    assert_true(__asan_address_is_poisoned(b + 16));
    assert_true(__asan_address_is_poisoned(text + 4));
    ed_arena_rewind(arena, mark);
    assert_true(__asan_address_is_poisoned(a));
    assert_non_null(ed_arena_alloc(arena, 5));
    ed_arena_reset(arena);
    assert_true(__asan_address_is_poisoned(a));
    ed_arena_free(arena);
#else
    skip();
#endif
}

static void freeing_no_arena_is_fine(void **state)
{
    (void)state;
    ed_arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_writable_whatever_its_length),
        cmocka_unit_test(allocations_do_not_overlap),
        cmocka_unit_test(zalloc_clears_memory_used_before),
        cmocka_unit_test(the_limit_is_reached_exactly),
        cmocka_unit_test(the_limit_counts_large_allocations),
        cmocka_unit_test(an_impossible_size_is_refused),
        cmocka_unit_test(copies_end_with_nul),
        cmocka_unit_test(formatted_text_of_any_length_is_whole),
        cmocka_unit_test(text_beyond_the_limit_is_refused),
        cmocka_unit_test(rewinding_hands_out_the_same_memory_again),
        cmocka_unit_test(
            rewinding_keeps_what_came_before_in_every_kind_of_block),
        cmocka_unit_test(a_loop_that_rewinds_stays_within_the_limit),
        cmocka_unit_test(a_reset_arena_starts_again_in_its_first_block),
        cmocka_unit_test(small_requests_cost_one_malloc),
        cmocka_unit_test(the_bytes_behind_an_allocation_are_poisoned),
        cmocka_unit_test(freeing_no_arena_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
