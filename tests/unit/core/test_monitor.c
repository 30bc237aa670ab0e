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

static const char *logged(void)
{
    static _Thread_local char text[256 * 1024];
    ssize_t len = pread(log_fd, text, sizeof text - 1, 0);

    text[len > 0 ? len : 0] = '\0';
    return text;
}

static bool is_logged(const char *part)
{
    return strstr(logged(), part) != NULL;
}

/* Within so many looks. */
static int await_line(const char *part, int looks)
{
    int err = 0;

    while (!err && looks-- && !is_logged(part))
        err = ed_sleep(LIMIT / 4);
    return err;
}

/* ---- what was told of one look at a blocked loop ---- */

/* To be freed: from `from`, which begins one, to what is told next. */
static char *report_at(const char *from)
{
    const char *next = strstr(from + 1, "loop blocked for ");
    const char *over = strstr(from, "loop runs again after ");
    size_t len = strlen(from);

    if (next)
        len = (size_t)(next - from);
    if (over && (size_t)(over - from) < len)
        len = (size_t)(over - from);
    return strndup(from, len);
}

static bool has_all(const char *text, const char *const *parts)
{
    while (*parts && strstr(text, *parts))
        parts++;
    return !*parts;
}

/* The report that has all of these, once it was told that it is over; NULL:
 * there is none. To be freed.
 *
 * On a busy machine a loop stands still anywhere, and is told of; or it does
 * not come to run the handler, and nobody knows where it stands. */
static char *report_with(const char *text, const char *const *parts)
{
    while ((text = strstr(text, "loop blocked for "))) {
        char *report = report_at(text);
        text += strlen(report);
        if (has_all(report, parts) && strstr(text, "loop runs again after "))
            return report;
        free(report);
    }
    return NULL;
}

static bool is_reported(const char *const *parts)
{
    char *report = report_with(logged(), parts);

    free(report);
    return report != NULL;
}

static const char *const culprit[] = {
    " by fiber 'report' (started at app.c:42)",
    "    slow_query at ",
    "test_monitor.c:",
    "    report_page at ",
    NULL,
};

static int block_once(void *arg)
{
    ed_scope(s);
    ed_go_at_(s, report_page, arg, "report", "app.c:42");
    return ed_wait(s);
}

/* What blocks is done again until it was seen to. */
enum { TRIES = 20 };

/* Until the watching thread, which may be busy reading debug information, has
 * told of it, and that the loop runs again. */
static int until_told(ed_fn *fn, void *arg, const char *const *parts)
{
    int err = 0;

    for (int i = 0; !err && i < TRIES && !is_reported(parts); i++) {
        err = fn(arg);
        for (int looks = 0; !err && looks < 200 && !is_reported(parts); looks++)
            err = ed_sleep(LIMIT / 4);
    }
    return err;
}

static int block(void *arg)
{
    return until_told(block_once, arg, culprit);
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

/* How many blocks are told of, each of them once or more. */
static unsigned blocks_in(const char *text)
{
    unsigned count = 0;
    bool goes_on = false;

    while ((text = strstr(text, "  loop "))) {
        bool blocked = !strncmp(text, "  loop blocked", 14);
        count += blocked && !goes_on;
        goes_on = blocked;
        text++;
    }
    return count;
}

static void a_blocked_loop_is_told_with_the_culprit(void **state)
{
    uint64_t before = ed_monitor_blocked_count();

    (void)state;
    char *said = run_watched(block);
    char *report = report_with(said, culprit);
    assert_non_null(report);
    assert_int_equal(ed_monitor_blocked_count() - before, blocks_in(said));
    free(report);
    free(said);
}

/* What was told last of where slow_query() stood, and that it was over. */
static struct {
    struct ed_block block, over;
    char names[512], fiber[32], place[32];
} told;

static void note_block(const struct ed_block *block, void *arg)
{
    (void)arg;
    if (block->over && block->number == told.block.number)
        told.over = *block;
    if (block->over || !block->names)
        return;
#ifndef __SANITIZE_THREAD__ /* it calls handlers later, if at all */
    if (!strstr(block->names, "slow_query < report_page"))
        return;
#endif
    told.block = *block;
    snprintf(told.names, sizeof told.names, "%s", block->names);
    snprintf(told.fiber, sizeof told.fiber, "%s", block->fiber);
    snprintf(told.place, sizeof told.place, "%s", block->place);
}

static void who_listens_is_told_where_it_stands_and_when_it_is_over(
    void **state)
{
    uint64_t before = ed_monitor_blocked_count();

    (void)state;
    memset(&told, 0, sizeof told);
    ed_monitor_on_block(note_block, NULL);
    free(run_watched(block));
    ed_monitor_on_block(NULL, NULL);
    assert_in_range(told.block.number, before + 1, ed_monitor_blocked_count());
    assert_false(told.block.over);
    assert_true(told.block.lasted >= LIMIT);
    assert_int_equal(told.over.number, told.block.number);
    assert_true(told.over.lasted >= told.block.lasted);
#ifndef __SANITIZE_THREAD__
    assert_string_equal(told.fiber, "report");
    assert_string_equal(told.place, "app.c:42");
#endif
}

static void frames_of_the_runtime_are_left_out(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it calls handlers later, from places of its own */
#endif
    char *said = run_watched(block);
    char *report = report_with(said, culprit);
    assert_non_null(report);
    assert_null(strstr(report, "take_sample"));
    assert_null(strstr(report, "core/monitor.c:"));
    assert_null(strstr(report, "fiber.c:"));
    free(report);
    free(said);
}

/* At 1, 2, 4... limits, and not at every look. */
static void reports_are_repeated_ever_less_often(void **state)
{
    static const char head[] = "  loop blocked for ";
    uint64_t before = ed_monitor_blocked_count();
    int64_t due = LIMIT / ED_MS;

    (void)state;
    char *said = run_watched(block);
    assert_int_equal(ed_monitor_blocked_count() - before, blocks_in(said));
    for (char *at = said; (at = strstr(at, "  loop "));) {
        if (strncmp(at, head, strlen(head)) != 0) {
            due = LIMIT / ED_MS; /* it runs again */
            at++;
            continue;
        }
        at += strlen(head);
        assert_true(strtoll(at, NULL, 10) >= due);
        due *= 2;
    }
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

static const char *const sleeper[] = {
    "nanosleep",
    "    sleep_in_kernel at ",
    NULL,
};

static int sleep_until_told(void *arg)
{
    return until_told(sleep_in_kernel, arg, sleeper);
}

static void a_blocking_system_call_is_named(void **state)
{
    (void)state;
    char *said = run_watched(sleep_until_told);
    char *report = report_with(said, sleeper);
    assert_non_null(report);
    free(report);
    free(said);
}

/* How long the longest turn took, which is more than it was busy when the
 * machine is. */
struct turns {
    int64_t began, longest;
};

static void end_turn(struct turns *turns)
{
    int64_t now = ed_clock_monotonic();

    if (now - turns->began > turns->longest)
        turns->longest = now - turns->began;
    turns->began = now;
}

static int take_turns(void *turns)
{
    end_turn(turns);
    for (int i = 0; i < 20; i++) {
        slow_query(LIMIT / 5);
        ed_yield();
        end_turn(turns);
    }
    return 0;
}

/* On a busy machine it may stand still: then once more. */
static void a_busy_loop_that_takes_turns_is_not_blocked(void **state)
{
    (void)state;
    for (int tries = 0; tries < 100; tries++) {
        uint64_t before = ed_monitor_blocked_count();
        struct turns turns = {.began = ed_clock_monotonic()};
        assert_int_equal(ed_run(take_turns, &turns, .blocked_after = LIMIT), 0);
        end_turn(&turns); /* the last, and the loop's own end */
        if (turns.longest >= LIMIT)
            continue;
        assert_int_equal(ed_monitor_blocked_count(), before);
        return;
    }
    skip();
}

static int sleep_long(void *arg)
{
    (void)arg;
    return ed_sleep(10 * LIMIT);
}

/* As above: it may stand still where it does not sleep, but not each time. */
static void a_loop_with_nothing_to_do_is_not_blocked(void **state)
{
    uint64_t before;
    int tries = 0;

    (void)state;
    do {
        before = ed_monitor_blocked_count();
        assert_int_equal(ed_run(sleep_long, NULL, .blocked_after = LIMIT), 0);
    } while (ed_monitor_blocked_count() != before && ++tries < 5);
    assert_int_equal(ed_monitor_blocked_count(), before);
}

static void it_can_be_turned_off(void **state)
{
    uint64_t before = ed_monitor_blocked_count();

    (void)state;
    assert_int_equal(ed_run(block_once, NULL, .blocked_after = -1), 0);
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
