/*
 * test_printed.c - texts made by a format, short and long.
 */
#include "base/printed.h"

#include <eddy/error.h>
#include <string.h>
#include <wchar.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

ED_PRINTF(2, 3)
static int print(struct ed_printed *text, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int err = ed_print(text, fmt, args);
    va_end(args);
    return err;
}

static void a_short_text_needs_no_heap(void **state)
{
    struct ed_printed text ED_PRINTED_AUTO;

    (void)state;
    assert_int_equal(print(&text, "%d %s", 42, "apples"), 0);
    assert_int_equal(text.bytes.len, 9);
    assert_string_equal(text.bytes.ptr, "42 apples");
    assert_ptr_equal(text.bytes.ptr, text.few);
    assert_null(text.heap.ptr);
}

static void nothing_is_a_text_as_well(void **state)
{
    struct ed_printed text ED_PRINTED_AUTO;

    (void)state;
    assert_int_equal(print(&text, "%s", ""), 0);
    assert_int_equal(text.bytes.len, 0);
    assert_string_equal(text.bytes.ptr, "");
}

/* On either side of what fits with its NUL. */
static void a_long_text_comes_whole(void **state)
{
    char as[2 * ED_PRINTED_SHORT];

    (void)state;
    memset(as, 'a', sizeof as);
    for (size_t len = ED_PRINTED_SHORT - 2; len < ED_PRINTED_SHORT + 3; len++) {
        struct ed_printed text ED_PRINTED_AUTO;
        assert_int_equal(print(&text, "%.*s", (int)len, as), 0);
        assert_int_equal(text.bytes.len, len);
        assert_int_equal(strlen(text.bytes.ptr), len);
        assert_memory_equal(text.bytes.ptr, as, len);
        assert_int_equal(text.heap.ptr != NULL, len >= ED_PRINTED_SHORT);
    }
}

static void what_cannot_be_printed_is_told(void **state)
{
    struct ed_printed text ED_PRINTED_AUTO;
    static const wchar_t none[] = {0x7fffffff, 0};

    (void)state;
    assert_int_equal(print(&text, "%ls", none), ED_EUSAGE);
    assert_int_equal(text.bytes.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_text_needs_no_heap),
        cmocka_unit_test(nothing_is_a_text_as_well),
        cmocka_unit_test(a_long_text_comes_whole),
        cmocka_unit_test(what_cannot_be_printed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
