/*
 * test_elf.c - names of functions from symbol tables.
 *
 * It is linked with holes between its segments (cmake/tests.cmake), of which
 * the dynamic linker tells as if each began another file.
 */
#include "core/elf.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

extern const char __ehdr_start[]; /* the linker's: where the file begins */

static void a_function_of_ours_has_its_name(void **state)
{
    struct ed_elf_place place;
    uintptr_t at = (uintptr_t)&a_function_of_ours_has_its_name;

    (void)state;
    ed_elf_find(at + 1, &place);
    assert_string_equal(place.function, __func__);
    assert_string_equal(place.object, "test_elf");
    assert_int_equal(place.start, at);
    assert_int_equal(place.offset, at + 1 - (uintptr_t)__ehdr_start);
}

static void one_of_a_library_has_its_own(void **state)
{
    struct ed_elf_place place;

    (void)state;
    ed_elf_find((uintptr_t)&_cmocka_run_group_tests + 1, &place);
    assert_string_equal(place.function, "_cmocka_run_group_tests");
    assert_non_null(strstr(place.object, "libcmocka"));
    assert_int_equal(place.start, (uintptr_t)&_cmocka_run_group_tests);
}

static void what_is_no_function_has_none(void **state)
{
    struct ed_elf_place place;
    char *memory = malloc(1);

    (void)state;
    ed_elf_find((uintptr_t)memory, &place);
    free(memory);
    assert_string_equal(place.function, "");
    assert_string_equal(place.object, "");
    assert_int_equal(place.start, 0);
    assert_null(ed_elf_object(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_function_of_ours_has_its_name),
        cmocka_unit_test(one_of_a_library_has_its_own),
        cmocka_unit_test(what_is_no_function_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
