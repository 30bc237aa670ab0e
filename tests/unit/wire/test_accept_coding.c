/*
 * test_accept_coding.c - the Accept-Encoding field.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/accept_coding.h"

static unsigned wanted(const char *field, const char *coding)
{
    return ed_accept_coding(ed_bytes(field), ed_bytes(coding));
}

static void a_coding_is_as_wanted_as_its_quality(void **state)
{
    (void)state;
    assert_int_equal(wanted("gzip", "gzip"), 1000);
    assert_int_equal(wanted("gzip, deflate, br", "br"), 1000);
    assert_int_equal(wanted("GZip;Q=0.5", "gzip"), 500);
    assert_int_equal(wanted("gzip ; q=0.123 , br;q=1.000", "gzip"), 123);
    assert_int_equal(wanted("gzip;q=0", "gzip"), 0);
    assert_int_equal(wanted("gzip;q=0.", "gzip"), 0);
    assert_int_equal(wanted("gzip;x=1;q=0.7", "gzip"), 700);
}

static void what_is_not_named_is_not_wanted_but_for_identity(void **state)
{
    (void)state;
    assert_int_equal(wanted("gzip", "br"), 0);
    assert_int_equal(wanted("", "gzip"), 0);
    assert_int_equal(wanted("xgzip, gzipx", "gzip"), 0);
    assert_true(wanted("gzip", "identity") > 0);
    assert_true(wanted("gzip", "identity") < 1000);
    assert_int_equal(wanted("identity;q=0", "identity"), 0);
}

static void an_asterisk_stands_for_what_is_not_named(void **state)
{
    (void)state;
    assert_int_equal(wanted("*", "br"), 1000);
    assert_int_equal(wanted("*;q=0.2, gzip", "br"), 200);
    assert_int_equal(wanted("br;q=0.1, *", "br"), 100);
    assert_int_equal(wanted("*, br;q=0", "br"), 0);
    assert_int_equal(wanted("*;q=0", "identity"), 0);
}

static void a_quality_that_is_none_is_a_refusal(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "gzip;q=2",    "gzip;q=1.001", "gzip;q=-1", "gzip;q=",
        "gzip;q=0.1x", "gzip;q=.5",    "gzip;q=05", "gzip;q=0.1234",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(wanted(bad[i], "gzip"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_coding_is_as_wanted_as_its_quality),
        cmocka_unit_test(what_is_not_named_is_not_wanted_but_for_identity),
        cmocka_unit_test(an_asterisk_stands_for_what_is_not_named),
        cmocka_unit_test(a_quality_that_is_none_is_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
