/*
 * test_html.c - text in pages.
 */
#include "wire/html.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void becomes(struct ed_bytes text, const char *expected)
{
    struct ed_buf out = {0};

    assert_int_equal(ed_html_add(&out, text), 0);
    assert_int_equal(ed_buf_add(&out, "", 1), 0);
    assert_string_equal(out.ptr, expected);
    ed_buf_free(&out);
}

static void plain_text_stays(void **state)
{
    (void)state;
    becomes(ED_BYTES(""), "");
    becomes(ED_BYTES("a\tb\n"), "a\tb\n");
    becomes(ED_BYTES("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x80"),
            "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x80");
}

static void what_means_something_is_escaped(void **state)
{
    (void)state;
    becomes(ED_BYTES("<a href=\"x\">'&amp;'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;&#39;&lt;/a&gt;");
}

static void bytes_that_are_no_text_are_replaced(void **state)
{
    (void)state;
    becomes(ED_BYTES("a\xff<"), "a\xef\xbf\xbd&lt;");
    becomes(ED_BYTES("\xc3"), "\xef\xbf\xbd");
    becomes(ED_BYTES("\xc0\xbc"), "\xef\xbf\xbd\xef\xbf\xbd"); /* overlong < */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_stays),
        cmocka_unit_test(what_means_something_is_escaped),
        cmocka_unit_test(bytes_that_are_no_text_are_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
