/*
 * test_range.c - the Range field.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/range.h"

#include <stdio.h>

/* What a field comes to, as "0-4 9-9"; "ignored", "none". */
static const char *parsed(const char *field, int64_t size)
{
    static char text[1024];
    struct ed_ranges r;
    enum ed_ranges_result result = ed_ranges_parse(&r, ed_bytes(field), size);
    size_t len = 0;
    if (result == ED_RANGES_IGNORED)
        return "ignored";
    if (result == ED_RANGES_UNSATISFIABLE)
        return "none";
    for (unsigned i = 0; i < r.count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld-%lld",
                                i ? " " : "", (long long)r.list[i].first,
                                (long long)r.list[i].last);
    return text;
}

struct parsing {
    const char *field;
    int64_t size;
    const char *is;
};

static void parse_all(const struct parsing *p, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *is = parsed(p[i].field, p[i].size);
        if (strcmp(is, p[i].is))
            print_error("'%s' of %lld is %s, not %s\n", p[i].field,
                        (long long)p[i].size, is, p[i].is);
        assert_string_equal(is, p[i].is);
    }
}

#define PARSE(...)                                       \
    do {                                                 \
        static const struct parsing all[] = __VA_ARGS__; \
        (void)state;                                     \
        parse_all(all, sizeof all / sizeof *all);        \
    } while (0)

static void a_range_is_capped_at_the_end_of_the_whole(void **state)
{
    PARSE({
        {"bytes=0-3", 10, "0-3"},
        {"bytes=4-99", 10, "4-9"},
        {"bytes=4-", 10, "4-9"},
        {"bytes=9-9", 10, "9-9"},
        {"bytes=0-0", 1, "0-0"},
        {"Bytes=0-3", 10, "0-3"},
        {"bytes=0-99999999999999999999999", 10, "0-9"},
        {" bytes=0-3 ", 10, "0-3"},
    });
}

static void a_suffix_is_counted_from_the_end(void **state)
{
    PARSE({
        {"bytes=-3", 10, "7-9"},
        {"bytes=-10", 10, "0-9"},
        {"bytes=-11", 10, "0-9"},
        {"bytes=-99999999999999999999999", 10, "0-9"},
    });
}

static void what_lies_behind_the_end_cannot_be_had(void **state)
{
    PARSE({
        {"bytes=10-", 10, "none"},
        {"bytes=10-20", 10, "none"},
        {"bytes=99999999999999999999999-", 10, "none"},
        {"bytes=-0", 10, "none"},
        {"bytes=0-", 0, "none"},
        {"bytes=-1", 0, "none"},
        {"bytes=20-30,40-50", 10, "none"},
        {"bytes=20-30,0-0", 10, "0-0"},
    });
}

static void what_is_malformed_is_ignored(void **state)
{
    PARSE({
        {"", 10, "ignored"},
        {"bytes", 10, "ignored"},
        {"bytes=", 10, "ignored"},
        {"bytes=,", 10, "ignored"},
        {"bytes=-", 10, "ignored"},
        {"bytes=3", 10, "ignored"},
        {"bytes=3-1", 10, "ignored"},
        {"bytes=a-b", 10, "ignored"},
        {"bytes=1-2-3", 10, "ignored"},
        {"bytes=+1-2", 10, "ignored"},
        {"bytes=--1", 10, "ignored"},
        {"bytes=0 - 3", 10, "ignored"},
        {"bytes=0x1-3", 10, "ignored"},
        {"bytes=0-3,x", 10, "ignored"},
        {"bytes=0-3;4-5", 10, "ignored"},
        {"items=0-3", 10, "ignored"},
        {"bytes 0-3", 10, "ignored"},
    });
}

static void ranges_far_apart_stay_apart_and_in_order(void **state)
{
    PARSE({
        {"bytes=0-9,500-509", 1000, "0-9 500-509"},
        {"bytes=500-509 , 0-9", 1000, "500-509 0-9"},
        {"bytes=0-0,,-1", 1000, "0-0 999-999"},
        {"bytes=0-0,90-90", 1000, "0-0 90-90"},
        {"bytes=0-0,81-81", 1000, "0-0 81-81"},
    });
}

static void ranges_that_overlap_or_nearly_touch_become_one(void **state)
{
    PARSE({
        {"bytes=0-9,5-19", 1000, "0-19"},
        {"bytes=5-19,0-9", 1000, "0-19"},
        {"bytes=0-9,0-9,0-9", 1000, "0-9"},
        {"bytes=0-,0-,0-,0-", 1000, "0-999"},
        {"bytes=0-0,80-80", 1000, "0-80"},
        {"bytes=0-9,500-509,5-505", 1000, "0-509"},
        {"bytes=700-709,0-9,500-509,5-505", 1000, "700-709 0-509"},
        {"bytes=500-509,900-909,200-209,100-600", 1000, "100-600 900-909"},
    });
}

static void more_ranges_than_anybody_needs_are_ignored(void **state)
{
    (void)state;
    char field[400] = "bytes=0-0";
    size_t len = strlen(field);
    for (int i = 1; i <= ED_RANGES_MAX; i++) {
        assert_string_not_equal(parsed(field, 10000), "ignored");
        len += (size_t)snprintf(field + len, sizeof field - len, ",%d-%d",
                                i * 200, i * 200);
    }
    assert_string_equal(parsed(field, 10000), "ignored");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_capped_at_the_end_of_the_whole),
        cmocka_unit_test(a_suffix_is_counted_from_the_end),
        cmocka_unit_test(what_lies_behind_the_end_cannot_be_had),
        cmocka_unit_test(what_is_malformed_is_ignored),
        cmocka_unit_test(ranges_far_apart_stay_apart_and_in_order),
        cmocka_unit_test(ranges_that_overlap_or_nearly_touch_become_one),
        cmocka_unit_test(more_ranges_than_anybody_needs_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
