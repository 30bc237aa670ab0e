/*
 * test_base64.c - base64, and how strictly it is read.
 */
#include "base/base64.h"
#include <eddy/error.h>
#include <stdlib.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

/* RFC 4648, 10, and both characters that are no letters or digits. */
static const struct {
    const char *bytes, *text;
} pairs[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xef\xff", "++//"},
};

static void bytes_become_text_and_text_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        struct ed_buf text = {0}, bytes = {0};

        assert_int_equal(ed_base64_encode(&text, ed_bytes(pairs[i].bytes)), 0);
        assert_string_equal(text.ptr, pairs[i].text);
        assert_int_equal(ed_base64_decode(&bytes, ed_buf_bytes(&text)), 0);
        assert_string_equal(bytes.ptr, pairs[i].bytes);
        assert_int_equal(bytes.len, strlen(pairs[i].bytes));
        ed_buf_free(&text);
        ed_buf_free(&bytes);
    }
}

static void all_bytes_of_all_lengths_survive(void **state)
{
    (void)state;
    for (size_t len = 0; len < 260; len++) {
        struct ed_buf text = {0}, back = {0};
        char *bytes = malloc(len + 1); /* so that reading beyond is found */

        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(255 - i);
        assert_int_equal(ed_base64_encode(&text, ed_bytes_of(bytes, len)), 0);
        assert_int_equal(ed_base64_decode(&back, ed_buf_bytes(&text)), 0);
        assert_int_equal(back.len, len);
        assert_memory_equal(back.ptr, bytes, len);
        ed_buf_free(&text);
        ed_buf_free(&back);
        free(bytes);
    }
}

static void results_are_appended(void **state)
{
    struct ed_buf out = {0};

    (void)state;
    assert_int_equal(ed_buf_add(&out, "Basic ", 6), 0);
    assert_int_equal(ed_base64_encode(&out, ED_BYTES("a:b")), 0);
    assert_string_equal(out.ptr, "Basic YTpi");
    assert_int_equal(ed_base64_decode(&out, ED_BYTES("YQ==")), 0);
    assert_string_equal(out.ptr, "Basic YTpia");
    ed_buf_free(&out);
}

static void what_is_not_canonical_is_refused(void **state)
{
    static const char *const texts[] = {
        "Z",        "Zg",      "Zg=",        "Z===",   "====",  "=Zg=",
        "Zg==Zg==", "Zh==",    "Zm9=",       "Zm9v\n", "Zm 9v", "Zm9v====",
        "-_-_",     "Zm9\x80", "Zm9vYmE=\n", " Zm9v",  "Zm=v",
    };
    struct ed_buf out = {0};

    (void)state;
    assert_int_equal(ed_buf_add(&out, "kept", 4), 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_int_equal(ed_base64_decode(&out, ed_bytes(texts[i])), ED_EPARSE);
        assert_string_equal(out.ptr, "kept");
        assert_int_equal(out.len, 4);
    }
    assert_int_equal(ed_base64_decode(&out, ed_bytes_of("Zm\0v", 4)),
                     ED_EPARSE);
    ed_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_become_text_and_text_bytes),
        cmocka_unit_test(all_bytes_of_all_lengths_survive),
        cmocka_unit_test(results_are_appended),
        cmocka_unit_test(what_is_not_canonical_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
