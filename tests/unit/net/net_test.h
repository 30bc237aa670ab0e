/*
 * net_test.h - tests that run in fibers.
 *
 * cmocka's assertions jump out of the stack they are called on, which must
 * not happen on a fiber's. Here checks note their failure and go on;
 * run_in_loop tells cmocka about it on its own stack.
 */
#ifndef EDDY_NET_TEST_H
#define EDDY_NET_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <eddy/fiber.h>

static int failed_checks;

static bool note_check(bool ok, const char *text, const char *file, int line)
{
    if (ok)
        return true;
    failed_checks++;
    fprintf(stderr, "%s:%d: failed: %s (%s)\n", file, line, text, ed_error());
    return false;
}

#define CHECK(condition) note_check((condition), #condition, __FILE__, __LINE__)

/* Notes what was got when it is not what was wanted. */
static bool note_equal(int64_t got, int64_t want, const char *text,
                       const char *file, int line)
{
    if (got == want)
        return true;
    failed_checks++;
    fprintf(stderr, "%s:%d: %s is %lld, not %lld (%s)\n", file, line, text,
            (long long)got, (long long)want, ed_error());
    return false;
}

#define CHECK_INT(got, want) note_equal((got), (want), #got, __FILE__, __LINE__)

/* Gives everybody else a turn, I/O included. */
__attribute__((unused)) static void settle(void)
{
    for (int i = 0; i < 5; i++)
        CHECK_INT(ed_yield(), 0);
    CHECK_INT(ed_sleep(2 * ED_MS), 0);
}

__attribute__((unused)) static int count_entries(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);

    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

/* Runs a test as the first fiber of a loop; it must leave no
 * descriptor behind. */
static void run_in_loop(ed_fn *test)
{
    int before = count_entries("/proc/self/fd");

    failed_checks = 0;
    int result = ed_run(test, NULL);
    assert_int_equal(failed_checks, 0);
    assert_int_equal(result, 0);
    assert_int_equal(count_entries("/proc/self/fd"), before);
}

#define IN_FIBER(name)                 \
    static int name##_body(void *arg); \
    static void name(void **state)     \
    {                                  \
        (void)state;                   \
        run_in_loop(name##_body);      \
    }                                  \
    static int name##_body(void *arg __attribute__((unused)))

#endif
