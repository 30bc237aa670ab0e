/*
 * test_content_range.c - the Content-Range field.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/content_range.h"

static void a_range_has_ends_and_a_whole(void **state)
{
    struct ed_content_range r;

    (void)state;
    assert_int_equal(ed_content_range_parse(&r, ed_bytes("bytes 0-499/1234")),
                     0);
    assert_int_equal(r.first, 0);
    assert_int_equal(r.last, 499);
    assert_int_equal(r.whole, 1234);
    assert_int_equal(ed_content_range_parse(&r, ed_bytes("BYTES 5-5/6")), 0);
    assert_int_equal(ed_content_range_parse(&r, ed_bytes("bytes 7-8/*")), 0);
    assert_int_equal(r.whole, -1);
}

static void what_cannot_be_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "bytes",
        "bytes */1234",
        "bytes 0-499",
        "bytes 5-4/9",
        "bytes 0-9/9",
        "bytes -1-4/9",
        "bytes +1-4/9",
        "bytes 0-4/",
        "bytes 0 - 4/9",
        "bytes  0-4/9",
        "items 0-4/9",
        "bytes=0-4/9",
        "bytes 0-4/9x",
        "bytes 0-4/+9",
        "bytes 0-/9",
        "bytes -4/9",
        "bytes 0-99999999999999999999/*",
    };
    struct ed_content_range r = {1, 2, 3};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_not_equal(ed_content_range_parse(&r, ed_bytes(bad[i])), 0);
    assert_int_equal(r.first, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_has_ends_and_a_whole),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
