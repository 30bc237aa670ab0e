/*
 * test_counters.c - what a worker counts: times within 1/8, sums, and that
 * somebody may look meanwhile.
 */
#include "serve/counters.h"

#include "../../fiber_test.h"
#include <eddy/clock.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct ed_counters counters;

static int start_anew(void **state)
{
    (void)state;
    ed_counters_clear(&counters);
    return 0;
}

/* ---- steps ---- */

static void each_step_begins_where_the_one_before_ends(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ED_TIME_STEPS - 1; i++) {
        assert_int_equal(ed_time_step(ed_time_step_end(i)), i);
        assert_int_equal(ed_time_step(ed_time_step_end(i) + 1), i + 1);
    }
    assert_int_equal(ed_time_step(0), 0);
    assert_int_equal(ed_time_step(INT64_MAX), ED_TIME_STEPS - 1);
}

static void no_step_is_longer_than_an_eighth(void **state)
{
    (void)state;
    assert_true(ed_time_step_end(0) <= ED_US + ED_US / 8);
    for (unsigned i = 1; i < ED_TIME_STEPS - 1; i++) {
        int64_t before = ed_time_step_end(i - 1);
        assert_true(ed_time_step_end(i) > before);
        assert_true(ed_time_step_end(i) <= before + before / 8);
    }
    assert_int_equal(ed_time_step_end(ED_TIME_STEPS - 2), ED_TIME_LONGEST);
}

/* What histograms of others have as bounds can be told exactly. */
static void the_bounds_of_dashboards_are_ends_of_steps(void **state)
{
    static const int64_t factors[] = {1000, 2500, 5000};

    (void)state;
    for (int64_t decade = 10; decade <= 10000000; decade *= 10) {
        for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
            int64_t bound = factors[i] * decade;
            assert_int_equal(ed_time_step_end(ed_time_step(bound)), bound);
        }
    }
}

/* ---- quantiles ---- */

static int smaller_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void check_quantile(const int64_t *times, size_t count, double share)
{
    size_t rank = (size_t)(share * (double)count + 0.999999);
    int64_t real = times[rank ? rank - 1 : 0];
    int64_t told = ed_times_quantile(counters.times, share);

    assert_true(told >= real);
    assert_true(told <= real + real / 8 + 1);
}

static void a_quantile_is_within_an_eighth_of_the_real_one(void **state)
{
    enum { COUNT = 5000 };
    static int64_t times[COUNT];

    uint32_t seed = 1;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        /* Over six decades, evenly in each. */
        int64_t decade = 10000;
        for (uint32_t n = test_random(&seed, 6); n > 0; n--)
            decade *= 10;
        times[i] = decade / 10 + test_random(&seed, (uint32_t)decade);
        ed_counters_request(&counters, 200, ED_METHOD_GET, times[i], 0);
    }
    qsort(times, COUNT, sizeof *times, smaller_first);
    check_quantile(times, COUNT, 0.5);
    check_quantile(times, COUNT, 0.9);
    check_quantile(times, COUNT, 0.99);
    check_quantile(times, COUNT, 0.999);
    check_quantile(times, COUNT, 1);
}

static void without_any_a_quantile_is_0(void **state)
{
    (void)state;
    assert_int_equal(ed_times_quantile(counters.times, 0.5), 0);
}

static void what_took_longer_than_the_longest_is_told_as_that(void **state)
{
    (void)state;
    ed_counters_request(&counters, 200, ED_METHOD_GET, 60 * ED_MIN, 0);
    assert_int_equal(ed_times_quantile(counters.times, 0.5), ED_TIME_LONGEST);
}

/* ---- requests ---- */

static void a_request_is_counted_by_status_method_and_time(void **state)
{
    (void)state;
    ed_counters_request(&counters, 404, ED_METHOD_POST, 3 * ED_MS, 10);
    ed_counters_request(&counters, 200, ED_METHOD_GET, 5 * ED_MS, 7);
    assert_int_equal(counters.statuses[404 - ED_STATUS_FIRST], 1);
    assert_int_equal(counters.methods[ED_METHOD_POST], 1);
    assert_int_equal(counters.bytes_out, 17);
    assert_int_equal(counters.time_sum, 8 * ED_MS);
    assert_int_equal(ed_times_count(counters.times), 2);
    assert_int_equal(ed_counters_class(&counters, 4), 1);
    assert_int_equal(ed_counters_total(&counters), 2);
}

static void a_client_that_left_is_a_request_without_a_status(void **state)
{
    (void)state;
    ed_counters_request(&counters, 0, ED_METHOD_GET, ED_MS, 0);
    assert_int_equal(counters.left, 1);
    assert_int_equal(ed_counters_total(&counters), 1);
    for (unsigned class_ = 1; class_ <= 5; class_++)
        assert_int_equal(ed_counters_class(&counters, class_), 0);
}

static void statuses_that_are_none_are_counted_nowhere_else(void **state)
{
    (void)state;
    ed_counters_request(&counters, 600, ED_METHOD_GET, ED_MS, 0);
    ed_counters_request(&counters, 99, ED_METHOD_GET, ED_MS, 0);
    assert_int_equal(counters.left, 2);
}

/* It would be the slowest request of all. */
static void a_websocket_has_no_time(void **state)
{
    (void)state;
    ed_counters_request(&counters, 101, ED_METHOD_GET, 60 * ED_MIN, 0);
    assert_int_equal(ed_counters_class(&counters, 1), 1);
    assert_int_equal(ed_times_count(counters.times), 0);
    assert_int_equal(counters.time_sum, 0);
}

static void every_method_has_its_place(void **state)
{
    (void)state;
    assert_int_equal(ed_method_index("GET"), ED_METHOD_GET);
    assert_int_equal(ed_method_index("OPTIONS"), ED_METHOD_OPTIONS);
    assert_int_equal(ed_method_index("BREW"), ED_METHOD_OTHER);
    assert_int_equal(ed_method_index("get"), ED_METHOD_OTHER);
}

/* ---- sums ---- */

static void what_was_added_can_be_taken_away(void **state)
{
    static struct ed_counters sum;

    (void)state;
    ed_counters_clear(&sum);
    ed_counters_request(&counters, 200, ED_METHOD_GET, 2 * ED_MS, 5);
    ed_counters_wait(&counters, ED_MS);
    ed_counters_add(&sum, &counters);
    ed_counters_add(&sum, &counters);
    assert_int_equal(ed_counters_total(&sum), 2);
    assert_int_equal(sum.time_sum, 4 * ED_MS);
    assert_int_equal(sum.wait_sum, 2 * ED_MS);
    assert_int_equal(ed_times_count(sum.waits), 2);
    ed_counters_subtract(&sum, &counters);
    assert_memory_equal(&sum, &counters, sizeof sum);
}

static void taking_away_more_than_there_is_leaves_nothing(void **state)
{
    static struct ed_counters sum, none;

    (void)state;
    ed_counters_clear(&sum);
    ed_counters_request(&counters, 200, ED_METHOD_GET, ED_MS, 5);
    ed_counters_subtract(&sum, &counters);
    assert_memory_equal(&sum, &none, sizeof sum);
}

enum { ROUNDS = 200000 };

static void *count_on(void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        ed_counters_request(arg, 200, ED_METHOD_GET, ED_MS, 1);
    return NULL;
}

static void who_looks_meanwhile_never_sees_less_than_before(void **state)
{
    uint64_t seen = 0;
    pthread_t writer;

    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, count_on, &counters), 0);
    while (seen < ROUNDS) {
        uint64_t now = ed_counters_total(&counters);
        if (now < seen)
            break;
        seen = now;
    }
    pthread_join(writer, NULL);
    assert_int_equal(seen, ROUNDS);
    assert_int_equal(counters.bytes_out, ROUNDS);
}

#define TEST(name) cmocka_unit_test_setup(name, start_anew)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_step_begins_where_the_one_before_ends),
        TEST(no_step_is_longer_than_an_eighth),
        TEST(the_bounds_of_dashboards_are_ends_of_steps),
        TEST(a_quantile_is_within_an_eighth_of_the_real_one),
        TEST(without_any_a_quantile_is_0),
        TEST(what_took_longer_than_the_longest_is_told_as_that),
        TEST(a_request_is_counted_by_status_method_and_time),
        TEST(a_client_that_left_is_a_request_without_a_status),
        TEST(statuses_that_are_none_are_counted_nowhere_else),
        TEST(a_websocket_has_no_time),
        TEST(every_method_has_its_place),
        TEST(what_was_added_can_be_taken_away),
        TEST(taking_away_more_than_there_is_leaves_nothing),
        TEST(who_looks_meanwhile_never_sees_less_than_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
