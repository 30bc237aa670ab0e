/* The monitor of blocked loops. */
#include "outside.h"

#include <eddy/clock.h>
#include <pthread.h>
#include <limits.h>
#include <time.h>

#include "core/monitor.h"

#define LIMIT (20 * ED_MS)

/* Keeps its thread busy. */
__attribute__((noinline)) static void slow_query(int64_t how_long)
{
    int64_t until = ed_clock_monotonic() + how_long;

    while (ed_clock_monotonic() < until)
        __asm__ volatile("" ::: "memory");
}

static int report_page(void *arg)
{
    (void)arg;
    slow_query(5 * LIMIT);
    return 0;
}

/* The file the log goes to; -1: nobody waits for what it says. */
static int log_fd = -1;

static bool is_logged(const char *part)
{
    static _Thread_local char text[64 * 1024];
    ssize_t len = pread(log_fd, text, sizeof text - 1, 0);

    text[len > 0 ? len : 0] = '\0';
    return strstr(text, part) != NULL;
}

/* Within so many looks. */
static int await_line(const char *part, int looks)
{
    int err = 0;

    while (!err && looks-- && !is_logged(part))
        err = ed_sleep(LIMIT / 4);
    return err;
}

static int block_once(void *arg)
{
    ed_scope(s);
    ed_go_at_(s, report_page, arg, "report", "app.c:42");
    return ed_wait(s);
}

/* On a busy machine the watching thread may not have run meanwhile: then once
 * more. Until it, which may be busy reading debug information, has seen that
 * the loop runs again. */
static int until_told(ed_fn *fn, void *arg)
{
    int err;

    do {
        err = fn(arg);
        if (!err && log_fd >= 0)
            err = await_line("loop blocked", 200);
    } while (!err && log_fd >= 0 && !is_logged("loop blocked"));
    return err || log_fd < 0 ? err : await_line("loop runs again", INT_MAX);
}

static int block(void *arg)
{
    return until_told(block_once, arg);
}

/* Runs fn with a monitor; what it logged, to be freed. */
static char *run_watched(ed_fn *fn)
{
    int err;

    log_fd = capture_log();
    err = ed_run(fn, NULL, .blocked_after = LIMIT);
    char *said = captured(log_fd);
    log_fd = -1;
    assert_int_equal(err, 0);
    return said;
}

static void a_blocked_loop_is_told_with_the_culprit(void **state)
{
    uint64_t before = ed_monitor_blocked_count();
    char *said;

    (void)state;
    said = run_watched(block);
    assert_non_null(strstr(said, "loop blocked for "));
    assert_non_null(strstr(said, " by fiber 'report' (started at app.c:42)"));
    assert_non_null(strstr(said, "    slow_query at "));
    assert_non_null(strstr(said, "test_monitor.c:"));
    assert_non_null(strstr(said, "    report_page at "));
    assert_non_null(strstr(said, "loop runs again after "));
    assert_int_equal(ed_monitor_blocked_count() - before, 1);
    free(said);
}

/* What was told last of the one with the highest number. */
static struct {
    struct ed_block block;
    char names[128], fiber[32], place[32];
} told;

static void note_block(const struct ed_block *block, void *arg)
{
    (void)arg;
    told.block = *block;
    if (!block->names)
        return;
    snprintf(told.names, sizeof told.names, "%s", block->names);
    snprintf(told.fiber, sizeof told.fiber, "%s", block->fiber);
    snprintf(told.place, sizeof told.place, "%s", block->place);
}

static void who_listens_is_told_where_it_stands_and_when_it_is_over(
    void **state)
{
    (void)state;
    memset(&told, 0, sizeof told);
    ed_monitor_on_block(note_block, NULL);
    free(run_watched(block));
    ed_monitor_on_block(NULL, NULL);
    assert_int_equal(told.block.number, ed_monitor_blocked_count());
    assert_true(told.block.over);
    assert_true(told.block.lasted >= LIMIT);
#ifndef __SANITIZE_THREAD__ /* it calls handlers later, if at all */
    assert_non_null(strstr(told.names, "slow_query < report_page"));
    assert_string_equal(told.fiber, "report");
    assert_string_equal(told.place, "app.c:42");
#endif
}

static void frames_of_the_runtime_are_left_out(void **state)
{
    char *said;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it calls handlers later, from places of its own */
#endif
    said = run_watched(block);
    assert_null(strstr(said, "take_sample"));
    assert_null(strstr(said, "core/monitor.c:"));
    assert_null(strstr(said, "fiber.c:"));
    free(said);
}

static int count_of(const char *text, const char *part)
{
    int count = 0;

    while ((text = strstr(text, part))) {
        count++;
        text++;
    }
    return count;
}

/* At 1, 2 and 4 limits, and not at every look. */
static void reports_are_repeated_ever_less_often(void **state)
{
    char *said;
    int count;

    (void)state;
    said = run_watched(block);
    count = count_of(said, "loop blocked for ");
    assert_true(count >= 1 && count <= 3);
    assert_int_equal(count_of(said, "loop runs again"), 1);
    free(said);
}

static int sleep_in_kernel(void *arg)
{
    struct timespec left = {0, 3 * LIMIT};

    (void)arg;
    while (nanosleep(&left, &left))
        ;
    return 0;
}

static int sleep_until_told(void *arg)
{
    return until_told(sleep_in_kernel, arg);
}

static void a_blocking_system_call_is_named(void **state)
{
    char *said;

    (void)state;
    said = run_watched(sleep_until_told);
    assert_non_null(strstr(said, "nanosleep"));
    assert_non_null(strstr(said, "sleep_in_kernel at "));
    free(said);
}

/* How long the longest turn took, which is more than it was busy when the
 * machine is. */
static int take_turns(void *arg)
{
    int64_t *longest = arg;
    int64_t began = ed_clock_monotonic();

    for (int i = 0; i < 20; i++) {
        slow_query(LIMIT / 5);
        ed_yield();
        int64_t now = ed_clock_monotonic();
        *longest = now - began > *longest ? now - began : *longest;
        began = now;
    }
    return 0;
}

/* On a busy machine it may stand still: then once more. */
static void a_busy_loop_that_takes_turns_is_not_blocked(void **state)
{
    (void)state;
    for (int tries = 0; tries < 100; tries++) {
        uint64_t before = ed_monitor_blocked_count();
        int64_t longest = 0;
        assert_int_equal(ed_run(take_turns, &longest, .blocked_after = LIMIT),
                         0);
        if (longest >= LIMIT)
            continue;
        assert_int_equal(ed_monitor_blocked_count(), before);
        return;
    }
    skip();
}

static int sleep_long(void *arg)
{
    (void)arg;
    return ed_sleep(3 * LIMIT);
}

static void a_loop_with_nothing_to_do_is_not_blocked(void **state)
{
    uint64_t before = ed_monitor_blocked_count();

    (void)state;
    assert_int_equal(ed_run(sleep_long, NULL, .blocked_after = LIMIT), 0);
    assert_int_equal(ed_monitor_blocked_count(), before);
}

static void it_can_be_turned_off(void **state)
{
    uint64_t before = ed_monitor_blocked_count();

    (void)state;
    assert_int_equal(ed_run(block, NULL, .blocked_after = -1), 0);
    assert_int_equal(ed_monitor_blocked_count(), before);
}

static int note_threads(void *arg)
{
    *(int *)arg = held_threads();
    return 0;
}

static void the_watching_thread_ends_with_the_last_loop(void **state)
{
    int before = held_threads();
    int inside = 0;

    (void)state;
    assert_int_equal(ed_run(note_threads, &inside), 0);
    assert_int_equal(inside, before + 1);
    assert_int_equal(held_threads(), before);
}

/* With a fiber of that name, until it was told of. */
static int block_as(void *name)
{
    char told_of[64];
    int err = 0;

    snprintf(told_of, sizeof told_of, "by fiber '%s'", (const char *)name);
    while (!err && !is_logged(told_of)) {
        ed_scope(s);
        ed_go_at_(s, report_page, NULL, name, "app.c:42");
        err = ed_wait(s);
        if (!err)
            err = await_line(told_of, 10);
    }
    return err;
}

static void *run_loop(void *name)
{
    return ed_run(block_as, name, .blocked_after = LIMIT) ? "failed" : NULL;
}

static void several_loops_are_watched_at_once(void **state)
{
    static char names[3][8] = {"one", "two", "three"};
    pthread_t threads[3];
    void *failed[3];

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it calls handlers later, if at all */
#endif
    log_fd = capture_log();
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_loop, names[i]),
                         0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], &failed[i]);
    free(captured(log_fd));
    log_fd = -1;
    for (int i = 0; i < 3; i++)
        assert_null(failed[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blocked_loop_is_told_with_the_culprit),
        cmocka_unit_test(
            who_listens_is_told_where_it_stands_and_when_it_is_over),
        cmocka_unit_test(frames_of_the_runtime_are_left_out),
        cmocka_unit_test(reports_are_repeated_ever_less_often),
        cmocka_unit_test(a_blocking_system_call_is_named),
        cmocka_unit_test(a_busy_loop_that_takes_turns_is_not_blocked),
        cmocka_unit_test(a_loop_with_nothing_to_do_is_not_blocked),
        cmocka_unit_test(it_can_be_turned_off),
        cmocka_unit_test(the_watching_thread_ends_with_the_last_loop),
        cmocka_unit_test(several_loops_are_watched_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
