/*
 * test_traceparent.c - the traceparent field.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/traceparent.h"
#include <eddy/error.h>
#include <stdio.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

static bool is_taken(const char *text)
{
    struct ed_traceparent t;

    return !ed_traceparent_parse(&t, ed_bytes(text));
}

static int flags(const char *digits)
{
    struct ed_traceparent t;
    char text[80];

    snprintf(text, sizeof(text), "00-" TRACE "-" SPAN "-%s", digits);
    assert_int_equal(ed_traceparent_parse(&t, ed_bytes(text)), 0);
    return t.flags;
}

static void what_is_written_is_read(void **state)
{
    static const char text[] = "00-" TRACE "-" SPAN "-01";
    char again[ED_TRACEPARENT_LEN + 1];
    struct ed_traceparent t;

    (void)state;
    assert_int_equal(ed_traceparent_parse(&t, ed_bytes(text)), 0);
    assert_int_equal(t.trace[0], 0x4b);
    assert_int_equal(t.trace[15], 0x36);
    assert_int_equal(t.span[7], 0xb7);
    ed_traceparent_write(again, &t);
    assert_string_equal(again, text);
}

static void only_known_flags_mean_something(void **state)
{
    (void)state;
    assert_int_equal(flags("00"), 0);
    assert_int_equal(flags("01"), ED_TRACE_SAMPLED);
    assert_int_equal(flags("03"), ED_TRACE_SAMPLED | ED_TRACE_RANDOM);
    assert_int_equal(flags("fe"), ED_TRACE_RANDOM);
}

static void later_versions_are_read_as_far_as_they_are_known(void **state)
{
    (void)state;
    assert_true(is_taken("01-" TRACE "-" SPAN "-01"));
    assert_true(is_taken("cc-" TRACE "-" SPAN "-01-what-ever"));
    assert_true(is_taken("fe-" TRACE "-" SPAN "-01-"));
    assert_false(is_taken("cc-" TRACE "-" SPAN "-01.what"));
    assert_false(is_taken("cc-" TRACE "-" SPAN "-011"));
}

static void what_is_malformed_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "00",
        "ff-" TRACE "-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-" TRACE "-" SPAN "-01-",
        "00-" TRACE "-" SPAN "-01-more",
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-0x",
        "00-" TRACE "-" SPAN "-0A",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "0x-" TRACE "-" SPAN "-01",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        "00-" TRACE "0-" SPAN "-01",
        " 00-" TRACE "-" SPAN "-01",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(is_taken(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(only_known_flags_mean_something),
        cmocka_unit_test(later_versions_are_read_as_far_as_they_are_known),
        cmocka_unit_test(what_is_malformed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
