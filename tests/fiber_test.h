/*
 * fiber_test.h - tests whose bodies run in a fiber.
 *
 *     FIBER_TEST(a_sleep_lasts_as_long_as_asked)
 *     {
 *         int64_t began = ed_now();
 *         check_int(ed_sleep(5 * ED_S), 0);
 *         check_int(ed_now() - began, 5 * ED_S);
 *     }
 *
 * defines a test for cmocka_unit_test(). The body is the first fiber of a loop
 * with a virtual clock. cmocka leaves a failed test by longjmp(), which must
 * not go from a fiber's stack to the thread's, so the checks here print and
 * count, the body goes on, and the test fails once its loop has ended. They
 * may be used in every fiber of the test and in the loop, and return whether
 * all is well: if (!check(x != NULL)) return;
 *
 * When nothing can go on any more the virtual clock jumps to a deadline around
 * the body, so what would hang gets ED_ETIMEOUT and the test fails.
 */
#ifndef EDDY_TESTS_FIBER_TEST_H
#define EDDY_TESTS_FIBER_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <eddy/fiber.h>
#include <stdio.h>
#include <string.h>

#define FIBER_TEST_PATIENCE (24 * 60 * ED_MIN)

/* One of the whole program: what a helper beside the tests checks counts. */
__attribute__((weak)) unsigned fiber_test_failures;

#define FIBER_TEST(name)              \
    static void name##_body(void);    \
    static void name(void **state)    \
    {                                 \
        (void)state;                  \
        fiber_test_run_(name##_body); \
    }                                 \
    static void name##_body(void)

#define check(condition) \
    check_((condition), "%s:%d: not so: %s", __FILE__, __LINE__, #condition)

#define check_int(actual, expected) \
    check_int_((actual), (expected), #actual, __FILE__, __LINE__)

#define check_text(actual, expected) \
    check_text_((actual), (expected), #actual, __FILE__, __LINE__)

__attribute__((format(printf, 2, 3))) static inline bool check_(bool well,
                                                                const char *fmt,
                                                                ...)
{
    if (well)
        return true;
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    fiber_test_failures++;
    return false;
}

static inline bool check_int_(long long actual, long long expected,
                              const char *text, const char *file, int line)
{
    return check_(actual == expected, "%s:%d: %s is %lld, not %lld", file, line,
                  text, actual, expected);
}

static inline bool check_text_(const char *actual, const char *expected,
                               const char *text, const char *file, int line)
{
    return check_(!strcmp(actual, expected), "%s:%d: %s is \"%s\", not \"%s\"",
                  file, line, text, actual, expected);
}

static int fiber_test_body_(void *arg)
{
    void (**body)(void) = arg;
    ed_scope(patience, .within = FIBER_TEST_PATIENCE, .name = "test");
    (void)patience;
    (*body)();
    check_(ed_cancelled() != ED_ETIMEOUT, "the test came to a standstill");
    return 0;
}

static inline void fiber_test_run_(void (*body)(void))
{
    fiber_test_failures = 0;
    int err = ed_run(fiber_test_body_, &body, .virtual_clock = true);
    assert_int_equal(err, 0);
    assert_int_equal(fiber_test_failures, 0);
}

/* The next number below `limit` of a sequence that only depends on the seed,
 * which must not be 0: for tests that try many orders, the same each time. */
static inline uint32_t test_random(uint32_t *seed, uint32_t limit)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed % limit;
}

#endif
