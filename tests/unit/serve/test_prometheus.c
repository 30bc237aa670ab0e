/*
 * test_prometheus.c - what is counted, in the text format 0.0.4: that a parser
 * can read all of it, and that the figures are right.
 */
#include "serve/prometheus.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <eddy/clock.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ed_board *board;
static int fd;
static struct ed_buf text;

static int open_board(void **state)
{
    (void)state;
    board = ed_board_new(&fd);
    if (!board)
        return -1;
    atomic_store(&board->master, getpid());
    atomic_store(&board->started, 1234567890123456789);
    atomic_store(&board->ready, true);
    return 0;
}

static int close_board(void **state)
{
    (void)state;
    ed_board_unmap(board);
    close(fd);
    ed_buf_free(&text);
    return 0;
}

static void write_all_as(const char *program)
{
    struct ed_snapshot s = {0};
    struct ed_prometheus_master master;

    text.len = 0;
    assert_int_equal(ed_snapshot_take(&s, board), 0);
    ed_prometheus_open(&master, atomic_load(&board->master));
    assert_int_equal(ed_prometheus_write(&text, board, &s, program, &master),
                     0);
    ed_prometheus_close(&master);
    ed_snapshot_free(&s);
}

static void write_all(void)
{
    write_all_as("shop");
}

/* Whether there is such a line. */
static bool says(const char *line)
{
    struct ed_bytes rest = ed_buf_bytes(&text);

    while (rest.ptr) {
        if (ed_bytes_equal(ed_bytes_cut(&rest, '\n'), ed_bytes(line)))
            return true;
    }
    return false;
}

static struct ed_slot *worker(int pid)
{
    struct ed_slot *slot = ed_board_take(board);

    atomic_store(&slot->pid, pid);
    atomic_store(&slot->state, ED_SLOT_READY);
    return slot;
}

static void request(struct ed_slot *slot, int status, int64_t took)
{
    ed_counters_request(&slot->counters, status, ED_METHOD_GET, took, 100);
}

/* ---- the form ---- */

static size_t name_length(const char *at)
{
    size_t len = 0;

    while (isalnum((unsigned char)at[len]) || at[len] == '_' || at[len] == ':')
        len++;
    return len;
}

/* Behind the labels, or `at` if there are none; NULL: they are malformed. */
static const char *skip_labels(const char *at)
{
    if (*at != '{')
        return at;
    do {
        size_t len = name_length(++at);
        if (!len || strncmp(at + len, "=\"", 2) != 0)
            return NULL;
        for (at += len + 2; *at && *at != '"'; at++) {
            if (*at == '\\' && !strchr("\\\"n", *++at))
                return NULL;
        }
        if (*at++ != '"')
            return NULL;
    } while (*at == ',');
    return *at == '}' ? at + 1 : NULL;
}

static bool is_sample(const char *line)
{
    char *end;
    const char *at = skip_labels(line + name_length(line));

    if (!name_length(line) || !at || *at != ' ')
        return false;
    strtod(at + 1, &end);
    return end != at + 1 && !*end;
}

/* Samples belong to the TYPE told last: NAME, or with a part behind it if that
 * is a histogram. */
static bool belongs(const char *line, const char *name, const char *type)
{
    static const char *const parts[] = {"_bucket", "_sum", "_count"};
    size_t len = strlen(name);
    struct ed_bytes rest = ed_bytes_of(line + len, name_length(line) - len);

    if (strncmp(line, name, len) != 0)
        return false;
    if (strcmp(type, "histogram") != 0)
        return !rest.len;
    for (size_t i = 0; i < 3; i++) {
        if (ed_bytes_equal(rest, ed_bytes(parts[i])))
            return true;
    }
    return false;
}

static void check_line(const char *line)
{
    static char name[128], type[16], help[128];

    if (sscanf(line, "# HELP %127s ", help) == 1)
        return;
    if (sscanf(line, "# TYPE %127s %15s", name, type) == 2) {
        assert_string_equal(name, help);
        bool counts = !strcmp(type, "counter");
        size_t len = strlen(name);
        bool total = len > 6 && !strcmp(name + len - 6, "_total");
        assert_int_equal(counts, total);
        return;
    }
    if (!is_sample(line) || !belongs(line, name, type))
        fail_msg("not a sample of %s: %s", name, line);
}

static void check_form(void)
{
    struct ed_bytes rest = ed_buf_bytes(&text);
    char line[1024];

    assert_int_equal(rest.ptr[rest.len - 1], '\n');
    rest.len--;
    while (rest.ptr) {
        struct ed_bytes next = ed_bytes_cut(&rest, '\n');
        snprintf(line, sizeof line, "%.*s", (int)next.len, next.ptr);
        check_line(line);
    }
}

static void every_line_can_be_read(void **state)
{
    (void)state;
    request(worker(1), 200, ED_MS);
    request(worker(2), 503, ED_S);
    write_all();
    check_form();
}

static void no_name_comes_twice(void **state)
{
    (void)state;
    write_all();
    for (const char *at = text.ptr; (at = strstr(at, "# TYPE ")); at += 7) {
        char name[160];
        snprintf(name, sizeof name, "%.*s", (int)(strchr(at + 7, ' ') + 1 - at),
                 at);
        assert_null(strstr(at + 7, name));
    }
}

static void a_name_of_a_program_is_escaped(void **state)
{
    (void)state;
    write_all_as("a\"b\\c\nd");
    check_form();
    assert_true(says("eddy_build_info{version=\"" ED_VERSION
                     "\",program=\"a\\\"b\\\\c\\nd\"} 1"));
}

/* As far as the machine has one. */
static void no_number_has_a_decimal_comma(void **state)
{
    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
        (void)setlocale(LC_NUMERIC, "de_DE.utf8");
    request(worker(1), 200, 1500 * ED_MS);
    write_all();
    setlocale(LC_NUMERIC, "C");
    check_form();
    assert_true(says("eddy_http_request_duration_seconds_sum 1.500000000"));
}

/* ---- the figures ---- */

static void workers_are_summed_and_those_that_are_gone_stay(void **state)
{
    (void)state;
    struct ed_slot *gone = worker(1);
    request(gone, 200, ED_MS);
    request(gone, 404, ED_MS);
    atomic_store(&gone->cpu, 2 * ED_S);
    ed_board_give(board, gone);
    struct ed_slot *there = worker(2);
    request(there, 200, ED_MS);
    atomic_store(&there->cpu, ED_S);
    write_all();
    assert_true(says("eddy_http_requests_total{code=\"200\"} 2"));
    assert_true(says("eddy_http_requests_total{code=\"404\"} 1"));
    assert_true(says("eddy_http_requests_by_method_total{method=\"GET\"} 3"));
    assert_true(says("eddy_http_response_body_bytes_total 300"));
    assert_true(says("eddy_workers_cpu_seconds_total 3.000000000"));
    assert_true(says("eddy_worker_cpu_seconds_total{slot=\"0\"} 1.000000000"));
}

static void buckets_hold_all_that_took_no_longer(void **state)
{
    (void)state;
    struct ed_slot *slot = worker(1);
    request(slot, 200, 5 * ED_MS); /* of the bound itself */
    request(slot, 200, 5 * ED_MS + 1);
    request(slot, 200, 60 * ED_MIN);
    write_all();
    assert_true(
        says("eddy_http_request_duration_seconds_bucket{le=\"0.0025\"} 0"));
    assert_true(
        says("eddy_http_request_duration_seconds_bucket{le=\"0.005\"} 1"));
    assert_true(
        says("eddy_http_request_duration_seconds_bucket{le=\"0.01\"} 2"));
    assert_true(
        says("eddy_http_request_duration_seconds_bucket{le=\"100\"} 2"));
    assert_true(
        says("eddy_http_request_duration_seconds_bucket{le=\"+Inf\"} 3"));
    assert_true(says("eddy_http_request_duration_seconds_count 3"));
    assert_true(says("eddy_http_request_duration_seconds_sum 3600.010000001"));
}

static void waits_in_line_have_a_histogram_of_their_own(void **state)
{
    (void)state;
    ed_counters_wait(&worker(1)->counters, 30 * ED_MS);
    write_all();
    assert_true(says("eddy_http_request_queue_seconds_bucket{le=\"0.05\"} 1"));
    assert_true(says("eddy_http_request_queue_seconds_count 1"));
    assert_true(says("eddy_http_request_duration_seconds_count 0"));
}

static void workers_are_told_by_state(void **state)
{
    (void)state;
    worker(1);
    worker(2);
    atomic_store(&worker(3)->state, ED_SLOT_DRAINING);
    write_all();
    assert_true(says("eddy_workers{state=\"starting\"} 0"));
    assert_true(says("eddy_workers{state=\"ready\"} 2"));
    assert_true(says("eddy_workers{state=\"draining\"} 1"));
    assert_true(says("eddy_ready 1"));
    atomic_store(&board->ready, false);
    write_all();
    assert_true(says("eddy_ready 0"));
}

static void the_process_is_that_of_the_master(void **state)
{
    (void)state;
    write_all();
    assert_true(says("process_start_time_seconds 1234567890.123456789"));
    assert_non_null(strstr(text.ptr, "\nprocess_resident_memory_bytes "));
    assert_non_null(strstr(text.ptr, "\nprocess_open_fds "));
    atomic_store(&board->master, 0); /* nobody's */
    write_all();
    assert_null(strstr(text.ptr, "process_open_fds"));
    check_form();
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, open_board, close_board)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_line_can_be_read),
        TEST(no_name_comes_twice),
        TEST(a_name_of_a_program_is_escaped),
        TEST(no_number_has_a_decimal_comma),
        TEST(workers_are_summed_and_those_that_are_gone_stay),
        TEST(buckets_hold_all_that_took_no_longer),
        TEST(waits_in_line_have_a_histogram_of_their_own),
        TEST(workers_are_told_by_state),
        TEST(the_process_is_that_of_the_master),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
