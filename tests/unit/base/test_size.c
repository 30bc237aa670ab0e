/*
 * test_size.c - sums and products at the edge of their range.
 */
#include "base/size.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void sums_that_fit_are_given(void **state)
{
    size_t sum;

    (void)state;
    assert_true(ed_size_add(2, 3, &sum));
    assert_true(sum == 5);
    assert_true(ed_size_add(SIZE_MAX - 1, 1, &sum));
    assert_true(sum == SIZE_MAX);
}

static void sums_that_do_not_fit_are_refused(void **state)
{
    size_t sum;

    (void)state;
    assert_false(ed_size_add(SIZE_MAX, 1, &sum));
    assert_false(ed_size_add(SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1, &sum));
}

static void products_that_fit_are_given(void **state)
{
    size_t product;

    (void)state;
    assert_true(ed_size_mul(6, 7, &product));
    assert_true(product == 42);
    assert_true(ed_size_mul(SIZE_MAX, 0, &product));
    assert_true(product == 0);
    assert_true(ed_size_mul(SIZE_MAX / 2, 2, &product));
    assert_true(product == SIZE_MAX - 1);
}

static void products_that_do_not_fit_are_refused(void **state)
{
    size_t product;

    (void)state;
    assert_false(ed_size_mul(SIZE_MAX / 2 + 1, 2, &product));
    assert_false(ed_size_mul(SIZE_MAX, SIZE_MAX, &product));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_that_fit_are_given),
        cmocka_unit_test(sums_that_do_not_fit_are_refused),
        cmocka_unit_test(products_that_fit_are_given),
        cmocka_unit_test(products_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
