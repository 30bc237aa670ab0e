/*
 * test_sse.c - reading the text of server-sent events.
 */
#include "wire/sse.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>
#include <stdio.h>

/* Adds the event at hand to a text as "type/id/data;". */
static void add_event(struct ed_buf *text, const struct ed_sse_reader *s)
{
    assert_int_equal(ed_buf_addf(text, "%s/%s/%.*s;",
                                 s->type.len ? s->type.ptr : "",
                                 s->last_id.ptr ? s->last_id.ptr : "",
                                 (int)s->data.len, s->data.ptr),
                     0);
    assert_int_equal(s->data.ptr[s->data.len], '\0');
}

/* Reads a stream in pieces; returns 0 or an error. */
static int read_in(struct ed_sse_reader *s, struct ed_buf *text,
                   struct ed_bytes in, size_t step)
{
    for (size_t at = 0; at < in.len; at += step) {
        size_t left = in.len - at;
        struct ed_bytes piece =
            ed_bytes_of(in.ptr + at, left < step ? left : step);
        int got;
        while ((got = ed_sse_read(s, &piece)) == 1)
            add_event(text, s);
        if (got)
            return got;
        assert_int_equal(piece.len, 0);
    }
    return 0;
}

static void expect_events_of(struct ed_bytes in, const char *events)
{
    for (size_t step = 1; step <= in.len; step++) {
        struct ed_buf text = {0};
        struct ed_sse_reader s;
        ed_sse_reader_begin(&s, 1000);
        assert_int_equal(read_in(&s, &text, in, step), 0);
        assert_string_equal(text.ptr ? text.ptr : "", events);
        ed_sse_reader_free(&s);
        ed_buf_free(&text);
    }
}

static void expect_events(const char *in, const char *events)
{
    expect_events_of(ed_bytes(in), events);
}

static void an_event_is_its_lines_of_data(void **state)
{
    (void)state;
    expect_events("data: one\n\n", "//one;");
    expect_events("data: one\ndata:two\ndata\n\n", "//one\ntwo\n;");
    expect_events("data:  two spaces\n\ndata:\n\n", "// two spaces;//;");
    expect_events("data\n\ndata\ndata\n\n", "//;//\n;");
}

static void lines_may_end_in_three_ways(void **state)
{
    (void)state;
    expect_events("data: a\r\rdata: b\r\n\r\ndata: c\n\n", "//a;//b;//c;");
    expect_events("data: a\r\ndata: b\rdata: c\n\r\n", "//a\nb\nc;");
    expect_events("data: a\n\r", "//a;");
}

static void an_event_is_there_with_the_first_byte_of_its_end(void **state)
{
    (void)state;
    struct ed_bytes in = ED_BYTES("data: a\r\n\r"), rest = ED_BYTES("\ndata");
    struct ed_sse_reader s;

    ed_sse_reader_begin(&s, 1000);
    assert_int_equal(ed_sse_read(&s, &in), 1);
    assert_string_equal(s.data.ptr, "a");
    assert_int_equal(ed_sse_read(&s, &rest), 0);
    ed_sse_reader_free(&s);
}

static void types_and_ids_are_told(void **state)
{
    (void)state;
    expect_events("event: add\nid: 7\ndata: x\n\ndata: y\n\n", "add/7/x;/7/y;");
    expect_events("id: 1\ndata: x\n\nid\ndata: y\n\n", "/1/x;//y;");
    expect_events("event: a\nevent: b\ndata: x\n\n", "b//x;");
    /* Nothing without data, but the id counts, and the type does not. */
    expect_events("event: a\nid: 3\n\ndata: x\n\n", "/3/x;");
}

static void an_id_with_a_NUL_is_none(void **state)
{
    (void)state;
    expect_events_of(ED_BYTES("id: 1\nid: 2\0\ndata: x\n\n"), "/1/x;");
}

static void comments_and_unknown_fields_do_not_count(void **state)
{
    (void)state;
    expect_events(":hello\n: data: x\ndata: y\n:\n\n", "//y;");
    expect_events("Data: x\n data: y\ndatax: z\nfoo\n\n", "");
    expect_events("data: a:b\n\n", "//a:b;");
}

static void a_mark_at_the_start_is_skipped_once(void **state)
{
    (void)state;
    expect_events("\xef\xbb\xbf"
                  "data: x\n\n",
                  "//x;");
    expect_events("\xef\xbb\xbf\xef\xbb\xbf"
                  "data: x\n\n",
                  "");
    expect_events("\xef\xbb"
                  "data: x\n\ndata: y\n\n",
                  "//y;");
    expect_events("data: x\n\n\xef\xbb\xbf"
                  "data: y\n\n",
                  "//x;");
}

static void what_no_empty_line_ends_is_no_event(void **state)
{
    (void)state;
    expect_events("data: x\n\ndata: y\n", "//x;");
    expect_events("data: x", "");
    expect_events("\n\n\r\r\n\n", "");
}

static void a_time_to_wait_is_digits_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"retry: 1500\n", 1500},
                 {"retry:0\n", 0},
                 {"retry: 1s\n", -1},
                 {"retry: -1\n", -1},
                 {"retry\n", -1},
                 {"retry: 12", -1},
                 {"retry: 5\nretry: x\n", 5},
                 {"retry: 99999999999999999999\n", 24 * 60 * 60 * 1000}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct ed_bytes in = ed_bytes(cases[i].text);
        struct ed_sse_reader s;
        ed_sse_reader_begin(&s, 1000);
        assert_int_equal(ed_sse_read(&s, &in), 0);
        assert_int_equal(s.retry_ms, cases[i].ms);
        ed_sse_reader_free(&s);
    }
}

static void another_stream_goes_on_behind_the_last_event(void **state)
{
    (void)state;
    struct ed_buf text = {0};
    struct ed_sse_reader s;

    ed_sse_reader_begin(&s, 1000);
    assert_int_equal(ed_sse_reader_set_id(&s, ED_BYTES("first")), 0);
    read_in(&s, &text, ED_BYTES("data: a\n\nid: 1\ndata: b\n\n"), 100);
    read_in(&s, &text, ED_BYTES("event: x\nid: 2\nretry: 9\ndata: lost\r"), 99);
    ed_sse_reader_restart(&s);
    assert_string_equal(s.last_id.ptr, "1");
    assert_int_equal(s.retry_ms, 9);
    read_in(&s, &text, ED_BYTES("\xef\xbb\xbf\ndata: c\n\n"), 100);
    assert_string_equal(text.ptr, "/first/a;/1/b;/1/c;");
    ed_sse_reader_free(&s);
    ed_buf_free(&text);
}

static int result_of(const char *in, size_t max)
{
    struct ed_buf text = {0};
    struct ed_sse_reader s;

    ed_sse_reader_begin(&s, max);
    int result = read_in(&s, &text, ed_bytes(in), 3);
    ed_sse_reader_free(&s);
    ed_buf_free(&text);
    return result;
}

static void an_event_has_a_limit(void **state)
{
    (void)state;
    assert_int_equal(result_of("data: 12345\n\ndata: 12345\n\n", 11), 0);
    assert_int_equal(result_of("data: 123456\n\n", 11), ED_ELIMIT);
    assert_int_equal(result_of("data: 1\ndata: 23\n\n", 11), 0);
    assert_int_equal(result_of("data\ndata\ndata\ndata\ndata\n", 7), ED_ELIMIT);
    assert_int_equal(result_of("abcdefgh", 7), ED_ELIMIT);
    assert_int_equal(result_of(":abcdefghijkl\ndata: x\n\n", 7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_its_lines_of_data),
        cmocka_unit_test(lines_may_end_in_three_ways),
        cmocka_unit_test(an_event_is_there_with_the_first_byte_of_its_end),
        cmocka_unit_test(types_and_ids_are_told),
        cmocka_unit_test(an_id_with_a_NUL_is_none),
        cmocka_unit_test(comments_and_unknown_fields_do_not_count),
        cmocka_unit_test(a_mark_at_the_start_is_skipped_once),
        cmocka_unit_test(what_no_empty_line_ends_is_no_event),
        cmocka_unit_test(a_time_to_wait_is_digits_alone),
        cmocka_unit_test(another_stream_goes_on_behind_the_last_event),
        cmocka_unit_test(an_event_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
