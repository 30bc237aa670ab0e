/*
 * test_sse_write.c - writing the text of server-sent events.
 */
#include "wire/sse.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>

#define NONE .retry_ms = -1

static void expect_text(const struct ed_sse_text *event, const char *text)
{
    struct ed_buf out = {0};

    assert_int_equal(ed_buf_add(&out, "|", 1), 0);
    assert_int_equal(ed_sse_write(&out, event), 0);
    assert_string_equal(out.ptr + 1, text);
    assert_int_equal(out.len, strlen(text) + 1);
    ed_buf_free(&out);
}

#define writes(text, ...) \
    expect_text(&(const struct ed_sse_text){NONE, __VA_ARGS__}, (text))

static void an_event_is_lines_and_an_empty_one(void **state)
{
    (void)state;
    writes("data: hello\n\n", .data = ED_BYTES("hello"));
    writes("event: add\nid: 7\ndata: hello\n\n", .type = ED_BYTES("add"),
           .id = ED_BYTES("7"), .data = ED_BYTES("hello"));
    expect_text(
        &(const struct ed_sse_text){.data = ED_BYTES("x"), .retry_ms = 2500},
        "retry: 2500\ndata: x\n\n");
    writes(": so far\n\n", .comment = ED_BYTES("so far"));
}

static void data_is_cut_at_every_line_end(void **state)
{
    (void)state;
    writes("data: a\ndata: b\ndata: c\ndata: d\n\n",
           .data = ED_BYTES("a\nb\rc\r\nd"));
    writes("data: a\ndata:\n\n", .data = ED_BYTES("a\n"));
    writes("data:\ndata:\ndata:\n\n", .data = ED_BYTES("\n\r"));
    writes("data: a\ndata: event: b\ndata:\ndata: id: 1\n\n",
           .data = ED_BYTES("a\nevent: b\n\nid: 1"));
    writes(": a\n: data: b\n\n", .comment = ED_BYTES("a\r\ndata: b"));
}

static void leading_spaces_survive(void **state)
{
    (void)state;
    writes("event:  e\ndata:  x\n\n", .type = ED_BYTES(" e"),
           .data = ED_BYTES(" x"));
}

static void what_is_left_out_is_not_written(void **state)
{
    (void)state;
    writes("", .type = ED_BYTES(""));
    writes("id: 7\n\n", .id = ED_BYTES("7"));
    writes("id:\n\n", .id = ED_BYTES(""));
    writes("data:\n\n", .data = ED_BYTES(""));
    writes("event: ping\ndata:\n\n", .type = ED_BYTES("ping"));
}

static void refuses(const struct ed_sse_text *event)
{
    struct ed_buf out = {0};

    assert_int_equal(ed_sse_write(&out, event), ED_EUSAGE);
    assert_int_equal(out.len, 0);
    ed_buf_free(&out);
}

static void ids_and_types_are_one_line_without_nul(void **state)
{
    static const struct ed_bytes bad[] = {
        {"a\nb", 3}, {"a\rb", 3}, {"a\0b", 3}, {"\n", 1}, {"\0", 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        refuses(&(const struct ed_sse_text){NONE, .id = bad[i],
                                            .data = ED_BYTES("x")});
        refuses(&(const struct ed_sse_text){NONE, .type = bad[i],
                                            .data = ED_BYTES("x")});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_lines_and_an_empty_one),
        cmocka_unit_test(data_is_cut_at_every_line_end),
        cmocka_unit_test(leading_spaces_survive),
        cmocka_unit_test(what_is_left_out_is_not_written),
        cmocka_unit_test(ids_and_types_are_one_line_without_nul),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
