/*
 * test_multipart.c - what stands around the parts of a form.
 */
#include "wire/multipart.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>

static void expect_part(struct ed_multipart_part part, bool first,
                        const char *text)
{
    struct ed_buf out = {0};

    assert_int_equal(ed_multipart_part(&out, "b", &part, first), 0);
    assert_string_equal(out.ptr, text);
    ed_buf_free(&out);
}

static void a_field_has_a_name_only(void **state)
{
    (void)state;
    expect_part((struct ed_multipart_part){.name = ED_BYTES("a b")}, true,
                "--b\r\nContent-Disposition: form-data; name=\"a b\"\r\n\r\n");
}

static void a_file_has_a_name_and_a_type_as_well(void **state)
{
    (void)state;
    expect_part((struct ed_multipart_part){.name = ED_BYTES("a"),
                                           .filename = ED_BYTES("x.pdf"),
                                           .type = ED_BYTES("a/b; c=d")},
                false,
                "\r\n--b\r\nContent-Disposition: form-data; name=\"a\"; "
                "filename=\"x.pdf\"\r\nContent-Type: a/b; c=d\r\n\r\n");
}

static void an_empty_file_name_is_one(void **state)
{
    (void)state;
    expect_part((struct ed_multipart_part){.name = ED_BYTES(""),
                                           .filename = ED_BYTES("")},
                true,
                "--b\r\nContent-Disposition: form-data; name=\"\"; "
                "filename=\"\"\r\n\r\n");
}

static void names_cannot_end_what_they_stand_in(void **state)
{
    (void)state;
    expect_part(
        (struct ed_multipart_part){.name = ED_BYTES("a\"b\r\nX: y"),
                                   .filename = ED_BYTES("\xc3\xa4\\%22\n\"")},
        true,
        "--b\r\nContent-Disposition: form-data; name=\"a%22b%0D%0AX: y\"; "
        "filename=\"\xc3\xa4\\%22%0A%22\"\r\n\r\n");
}

static void a_type_that_would_end_its_line_is_refused(void **state)
{
    (void)state;
    struct ed_multipart_part part = {.type = ED_BYTES("a/b\r\nX: y")};
    struct ed_buf out = {0};

    assert_int_equal(ed_multipart_part(&out, "b", &part, true), ED_EUSAGE);
    ed_buf_free(&out);
}

static void the_end_stands_on_a_line_of_its_own(void **state)
{
    (void)state;
    struct ed_buf out = {0};

    assert_int_equal(ed_multipart_end(&out, "b"), 0);
    assert_string_equal(out.ptr, "\r\n--b--\r\n");
    ed_buf_free(&out);
}

static void a_boundary_holds_all_of_its_random_bytes(void **state)
{
    (void)state;
    char text[ED_MULTIPART_BOUNDARY + 1];
    uint8_t random[ED_MULTIPART_RANDOM];

    for (size_t i = 0; i < sizeof(random); i++)
        random[i] = (uint8_t)(i * 17);
    ed_multipart_boundary(text, random);
    assert_string_equal(text, "eddy-00112233445566778899aabbccddeeff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_has_a_name_only),
        cmocka_unit_test(a_file_has_a_name_and_a_type_as_well),
        cmocka_unit_test(an_empty_file_name_is_one),
        cmocka_unit_test(names_cannot_end_what_they_stand_in),
        cmocka_unit_test(a_type_that_would_end_its_line_is_refused),
        cmocka_unit_test(the_end_stands_on_a_line_of_its_own),
        cmocka_unit_test(a_boundary_holds_all_of_its_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
