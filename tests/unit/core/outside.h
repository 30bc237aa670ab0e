/*
 * outside.h - for tests of what reaches out of the process: a loop on the
 * system's clock, what the log says, and what is left behind.
 */
#ifndef EDDY_TESTS_OUTSIDE_H
#define EDDY_TESTS_OUTSIDE_H

#include "../../fiber_test.h"
#include "held.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <eddy/log.h>

/* As FIBER_TEST(), on the system's clock. */
#define REAL_TEST(name)              \
    static void name##_body(void);   \
    static void name(void **state)   \
    {                                \
        (void)state;                 \
        real_test_run_(name##_body); \
    }                                \
    static void name##_body(void)

static inline void real_test_run_(void (*body)(void))
{
    fiber_test_failures = 0;
    int err = ed_run(fiber_test_body_, &body);
    assert_int_equal(err, 0);
    assert_int_equal(fiber_test_failures, 0);
}

/* From here on the log goes to a file that is returned. */
static inline int capture_log(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);

    ed_log_set_fd(fd);
    return fd;
}

/* What was logged; the log goes to standard error again. To be freed. */
static inline char *captured(int fd)
{
    off_t len = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)len + 1);

    ed_log_set_fd(2);
    if (pread(fd, text, (size_t)len, 0) != len)
        text[0] = '\0';
    close(fd);
    return text;
}

static inline bool says(const char *text, const char *part)
{
    return check_(strstr(text, part), "\"%s\" does not say \"%s\"", text, part);
}

#endif
