/*
 * cmocka.h - the little of cmocka that a test needs which is cross-compiled.
 *
 * Debian has no cmocka for a foreign processor without adding that whole
 * architecture, so tests run under an emulator find this header instead. The
 * first failed assertion ends the program: there is no jumping back from a
 * stack the switch under test may have spoilt. Reports as cmocka does.
 */
#ifndef EDDY_TESTS_CROSS_CMOCKA_H
#define EDDY_TESTS_CROSS_CMOCKA_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define cmocka_unit_test(fn) \
    {                        \
#fn, fn              \
    }

#define assert_true(c)             cross_check((c), #c, __FILE__, __LINE__)
#define assert_false(c)            assert_true(!(c))
#define assert_int_equal(a, b)     assert_true((intmax_t)(a) == (intmax_t)(b))
#define assert_int_not_equal(a, b) assert_true((intmax_t)(a) != (intmax_t)(b))
#define assert_ptr_equal(a, b) \
    assert_true((const void *)(a) == (const void *)(b))
#define assert_ptr_not_equal(a, b) \
    assert_false((const void *)(a) == (const void *)(b))
#define assert_null(p)                 assert_true((p) == NULL)
#define assert_non_null(p)             assert_true((p) != NULL)
#define assert_string_equal(a, b)      assert_true(strcmp((a), (b)) == 0)
#define assert_memory_equal(a, b, len) assert_true(memcmp((a), (b), (len)) == 0)
#define cmocka_run_group_tests(tests, setup, teardown) \
    cross_run((tests), sizeof(tests) / sizeof((tests)[0]))

static inline void cross_check(bool holds, const char *what, const char *file,
                               int line)
{
    if (holds)
        return;
    printf("%s:%d: failed: %s\n[  FAILED  ] 1 test(s)\n", file, line, what);
    exit(1);
}

static inline int cross_run(const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("[ RUN      ] %s\n", tests[i].name);
        fflush(stdout);
        tests[i].run(&(void *){NULL});
    }
    printf("[  PASSED  ] %zu test(s).\n", count);
    return 0;
}

#endif
