/*
 * test_error.c - names, texts and statuses.
 */
#include <eddy/error.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void own_errors_answer_from_the_table(void **state)
{
    (void)state;
    assert_string_equal(ed_err_name(ED_ETIMEOUT), "ED_ETIMEOUT");
    assert_string_equal(ed_err_text(ED_ETIMEOUT), "deadline passed");
    assert_int_equal(ed_err_status(ED_ETIMEOUT), 504);
    assert_int_equal(ed_err_status(ED_ENOTFOUND), 404);
}

static void codes_are_unique_and_clear_of_errno(void **state)
{
    static const int codes[] = {
#define ED_ERR(name, code, text, status) code,
#include <eddy/err.def>
#undef ED_ERR
    };
    size_t count = sizeof(codes) / sizeof(codes[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_true(codes[i] <= -10001);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(codes[i], codes[j]);
    }
}

static void every_status_is_an_error_status(void **state)
{
    static const int statuses[] = {
#define ED_ERR(name, code, text, status) status,
#include <eddy/err.def>
#undef ED_ERR
    };

    (void)state;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        assert_in_range(statuses[i], 400, 599);
}

static void errors_of_the_system_have_their_usual_names(void **state)
{
    (void)state;
    assert_string_equal(ed_err_name(-ECONNREFUSED), "ECONNREFUSED");
    assert_string_equal(ed_err_text(-ECONNREFUSED), "Connection refused");
    assert_int_equal(ed_err_status(-ECONNREFUSED), 500);
}

static void success_is_ok(void **state)
{
    (void)state;
    assert_string_equal(ed_err_name(0), "OK");
    assert_string_equal(ed_err_name(INT_MAX), "OK");
    assert_string_equal(ed_err_text(7), "no error");
    assert_int_equal(ed_err_status(0), 200);
    assert_int_equal(ed_err_status(7), 200);
}

static void numbers_no_table_knows_are_unknown(void **state)
{
    static const int unknown[] = {-9999, -10000, -20000, INT_MIN, -INT_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_string_equal(ed_err_name(unknown[i]), "UNKNOWN");
        assert_string_equal(ed_err_text(unknown[i]), "unknown error");
        assert_int_equal(ed_err_status(unknown[i]), 500);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_errors_answer_from_the_table),
        cmocka_unit_test(codes_are_unique_and_clear_of_errno),
        cmocka_unit_test(every_status_is_an_error_status),
        cmocka_unit_test(errors_of_the_system_have_their_usual_names),
        cmocka_unit_test(success_is_ok),
        cmocka_unit_test(numbers_no_table_knows_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
