/*
 * test_buf.c - the growing buffer.
 */
#include <eddy/bytes.h>
#include <eddy/error.h>
#include <stdlib.h>
#include <wchar.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void an_empty_buffer_owns_nothing(void **state)
{
    struct ed_buf buf = {0};

    (void)state;
    ed_buf_drop(&buf, 3);
    assert_int_equal(ed_buf_bytes(&buf).len, 0);
    ed_buf_free(&buf);
    assert_null(buf.ptr);
}

static void adding_nothing_still_makes_a_string(void **state)
{
    struct ed_buf buf = {0};

    (void)state;
    assert_int_equal(ed_buf_add(&buf, NULL, 0), 0);
    assert_string_equal(buf.ptr, "");
    ed_buf_free(&buf);
}

static void contents_stay_terminated_while_they_grow(void **state)
{
    struct ed_buf buf = {0};

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(ed_buf_add(&buf, &"0123456789"[i % 10], 1), 0);
        assert_int_equal(buf.ptr[i + 1], '\0');
    }
    assert_int_equal(buf.len, 5000);
    assert_memory_equal(buf.ptr + 4990, "0123456789", 11);
    ed_buf_free(&buf);
}

static void growing_byte_by_byte_moves_rarely(void **state)
{
    struct ed_buf buf = {0};
    size_t cap = 0, moves = 0;

    (void)state;
    for (size_t i = 0; i < 100000; i++) {
        assert_int_equal(ed_buf_add(&buf, "x", 1), 0);
        moves += buf.cap != cap;
        cap = buf.cap;
    }
    assert_true(moves < 16);
    ed_buf_free(&buf);
}

static void formatted_text_of_any_length_is_whole(void **state)
{
    (void)state;
    for (int len = 0; len < 300; len++) {
        struct ed_buf buf = {0};
        assert_int_equal(ed_buf_addf(&buf, "<"), 0);
        assert_int_equal(ed_buf_addf(&buf, "%*d", len, 5), 0);
        assert_int_equal(buf.len, 1 + (len ? len : 1));
        assert_int_equal(buf.ptr[buf.len - 1], '5');
        assert_int_equal(strlen(buf.ptr), buf.len);
        ed_buf_free(&buf);
    }
}

static void a_reserved_buffer_does_not_move(void **state)
{
    struct ed_buf buf = {0};

    (void)state;
    assert_int_equal(ed_buf_reserve(&buf, 1000), 0);
    assert_string_equal(buf.ptr, "");
    const char *before = buf.ptr;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(ed_buf_add(&buf, "x", 1), 0);
    assert_ptr_equal(buf.ptr, before);
    ed_buf_free(&buf);
}

static void an_impossible_size_is_refused_and_changes_nothing(void **state)
{
    struct ed_buf buf = {0};

    (void)state;
    assert_int_equal(ed_buf_reserve(&buf, SIZE_MAX), ED_ENOMEM);
    assert_null(buf.ptr);
    assert_int_equal(ed_buf_add(&buf, "abc", 3), 0);
    struct ed_buf before = buf;
    assert_int_equal(ed_buf_reserve(&buf, SIZE_MAX), ED_ENOMEM);
    assert_int_equal(ed_buf_reserve(&buf, SIZE_MAX - 3), ED_ENOMEM);
    assert_memory_equal(&buf, &before, sizeof(buf));
    assert_string_equal(buf.ptr, "abc");
    ed_buf_free(&buf);
}

static void a_format_that_cannot_be_printed_changes_nothing(void **state)
{
    const wchar_t no_text[] = {(wchar_t)0x7fffffff, 0};
    struct ed_buf buf = {0};

    (void)state;
    assert_int_equal(ed_buf_addf(&buf, "kept"), 0);
    assert_int_equal(ed_buf_addf(&buf, "more %ls", no_text), ED_EUSAGE);
    assert_int_equal(buf.len, 4);
    assert_string_equal(buf.ptr, "kept");
    ed_buf_free(&buf);
}

static void dropping_keeps_the_rest(void **state)
{
    struct ed_buf buf = {0};

    (void)state;
    assert_int_equal(ed_buf_addf(&buf, "hello world"), 0);
    ed_buf_drop(&buf, 0);
    assert_string_equal(buf.ptr, "hello world");
    ed_buf_drop(&buf, 6);
    assert_string_equal(buf.ptr, "world");
    assert_int_equal(buf.len, 5);
    ed_buf_drop(&buf, 99);
    assert_string_equal(buf.ptr, "");
    assert_int_equal(buf.len, 0);
    ed_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_owns_nothing),
        cmocka_unit_test(adding_nothing_still_makes_a_string),
        cmocka_unit_test(contents_stay_terminated_while_they_grow),
        cmocka_unit_test(growing_byte_by_byte_moves_rarely),
        cmocka_unit_test(formatted_text_of_any_length_is_whole),
        cmocka_unit_test(a_reserved_buffer_does_not_move),
        cmocka_unit_test(an_impossible_size_is_refused_and_changes_nothing),
        cmocka_unit_test(a_format_that_cannot_be_printed_changes_nothing),
        cmocka_unit_test(dropping_keeps_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
