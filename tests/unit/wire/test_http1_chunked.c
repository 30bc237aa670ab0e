/*
 * test_http1_chunked.c - chunked bodies: at once, byte by byte, and in two
 * pieces cut at every position, the same must come out.
 */
#include "wire/http1.h"

#include <eddy/error.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_TRAILER_BYTES 24

struct reading {
    char data[1024];
    size_t data_len;
    char trailer[256];
    size_t trailer_len;
    int event;
    size_t used;
    struct ed_http1_chunked chunked;
};

static void keep(char *to, size_t *len, size_t room, struct ed_bytes piece)
{
    assert_in_range(piece.len, 0, room - *len);
    memcpy(to + *len, piece.ptr, piece.len);
    *len += piece.len;
}

/* Reads a piece out of memory that ends where it does. */
static void read_piece(struct reading *r, struct ed_bytes piece)
{
    char *copy = malloc(piece.len ? piece.len : 1);
    assert_non_null(copy);
    memcpy(copy, piece.ptr, piece.len);

    struct ed_bytes in = ed_bytes_of(copy, piece.len), out;
    do {
        r->event = ed_http1_chunked(&r->chunked, &in, &out, MAX_TRAILER_BYTES);
        if (r->event == ED_CHUNK_DATA)
            keep(r->data, &r->data_len, sizeof(r->data), out);
        if (r->event == ED_CHUNK_TRAILER)
            keep(r->trailer, &r->trailer_len, sizeof(r->trailer), out);
    } while (r->event == ED_CHUNK_DATA || r->event == ED_CHUNK_TRAILER);
    r->used += piece.len - in.len;
    free(copy);
}

static void read_in_steps(struct reading *r, struct ed_bytes bytes,
                          size_t first, size_t step)
{
    size_t at = 0, len = first;

    memset(r, 0, sizeof(*r));
    do {
        if (len > bytes.len - at)
            len = bytes.len - at;
        read_piece(r, ed_bytes_of(bytes.ptr + at, len));
        at += len;
        len = step;
    } while (at < bytes.len && r->event == ED_CHUNK_MORE);
}

static void assert_same(const struct reading *a, const struct reading *b)
{
    assert_int_equal(a->event, b->event);
    assert_int_equal(a->used, b->used);
    assert_int_equal(a->data_len, b->data_len);
    assert_memory_equal(a->data, b->data, a->data_len);
    assert_int_equal(a->trailer_len, b->trailer_len);
    assert_memory_equal(a->trailer, b->trailer, a->trailer_len);
    assert_ptr_equal(a->chunked.error, b->chunked.error);
}

static void read_every_way(struct reading *whole, struct ed_bytes bytes)
{
    struct reading again;

    read_in_steps(whole, bytes, bytes.len, bytes.len);
    read_in_steps(&again, bytes, 1, 1);
    assert_same(whole, &again);
    for (size_t at = 0; at <= bytes.len; at++) {
        read_in_steps(&again, bytes, at, bytes.len);
        assert_same(whole, &again);
    }
}

static void expect(const char *text, const char *data, const char *trailer,
                   size_t behind)
{
    struct reading r;

    read_every_way(&r, ed_bytes(text));
    if (r.event != ED_CHUNK_END)
        print_error("%s: %s\n", text, r.chunked.error);
    assert_int_equal(r.event, ED_CHUNK_END);
    assert_int_equal(r.used, strlen(text) - behind);
    assert_int_equal(r.data_len, strlen(data));
    assert_memory_equal(r.data, data, r.data_len);
    assert_int_equal(r.trailer_len, strlen(trailer));
    assert_memory_equal(r.trailer, trailer, r.trailer_len);
}

static void chunks_are_put_together(void **state)
{
    (void)state;
    expect("0\r\n\r\n", "", "", 0);
    expect("5\r\nhello\r\n0\r\n\r\n", "hello", "", 0);
    expect("5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n", "hello, world", "", 0);
    expect("0000000000000003\r\na\r\n\r\n000\r\n\r\n", "a\r\n", "", 0);
    expect("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
           "01234567890123456789", "", 0);
}

static void what_is_behind_a_body_is_left(void **state)
{
    (void)state;
    expect("1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n", "x", "", 16);
    expect("0\r\n\r\n\r\n", "", "", 2);
}

static void extensions_are_passed_over(void **state)
{
    (void)state;
    expect("1;a\r\nx\r\n0;b=c\r\n\r\n", "x", "", 0);
    expect("1;a=\"b;c\\\"\" ; d\r\nx\r\n0\r\n\r\n", "x", "", 0);
}

static void trailers_are_handed_out(void **state)
{
    (void)state;
    expect("1\r\nx\r\n0\r\nA: b\r\nC:\td\r\n\r\n!", "x", "A: b\r\nC:\td\r\n",
           1);
    expect("0\r\nAbc: 01234567890123456\r\n\r\n", "",
           "Abc: 01234567890123456\r\n", 0);
}

static void an_unfinished_body_needs_more(void **state)
{
    static const char text[] = "3\r\nabc\r\n0\r\nA: b\r\n\r\n";
    struct reading r;

    (void)state;
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        read_every_way(&r, ed_bytes_of(text, len));
        assert_int_equal(r.event, ED_CHUNK_MORE);
        assert_int_equal(r.used, len);
    }
}

static void tricks_are_refused(void **state)
{
    static const char *const tricks[] = {
        "\r\n",
        "x\r\n",
        ";a\r\n",
        "0x3\r\nabc\r\n",
        "+3\r\nabc\r\n",
        "-3\r\nabc\r\n",
        " 3\r\nabc\r\n",
        "\t3\r\nabc\r\n",
        "3 \r\nabc\r\n",
        "3 ;a\r\nabc\r\n",
        "3\t\r\nabc\r\n",
        "3,4\r\nabc\r\n",
        "3g\r\nabc\r\n",
        "3\nabc\r\n",
        "3\rabc\r\n",
        "3\r\rabc\r\n",
        "3;a\nabc\r\n",
        "3;a\rb\r\nabc\r\n",
        "3;a\x01\r\nabc\r\n",
        "3;a\x7f\r\nabc\r\n",
        "3\r\nabcd\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc\rX",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabc \r\n",
        "00000000000000000\r\n\r\n",
        "00000000000000003\r\nabc\r\n",
        "8000000000000000\r\n",
        "ffffffffffffffff\r\n",
        "10000000000000003\r\nabc\r\n",
        "0\r\n\n",
        "0\r\n\rX",
        "0\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA: b\rc\r\n\r\n",
        "0\r\nA: \x01\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nA\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(tricks) / sizeof(tricks[0]); i++) {
        struct reading r;

        read_every_way(&r, ed_bytes(tricks[i]));
        if (r.event != ED_EPROTO)
            print_error("%s\n", tricks[i]);
        assert_int_equal(r.event, ED_EPROTO);
        assert_non_null(r.chunked.error);
    }
}

static void a_nul_is_refused_everywhere_but_in_data(void **state)
{
    static const char body[] = "1;a\r\nx\r\n0\r\nA: b\r\n\r\n";

    (void)state;
    for (size_t at = 0; at < sizeof(body) - 1; at++) {
        char text[sizeof(body)];
        struct reading r;

        memcpy(text, body, sizeof(body));
        text[at] = '\0';
        read_every_way(&r, ed_bytes_of(text, sizeof(body) - 1));
        assert_int_equal(r.event, at == 5 ? ED_CHUNK_END : ED_EPROTO);
    }
}

static void the_largest_chunk_is_begun(void **state)
{
    struct reading r;

    (void)state;
    read_every_way(&r, ED_BYTES("7fffffffffffffff\r\nabc"));
    assert_int_equal(r.event, ED_CHUNK_MORE);
    assert_true(r.chunked.left == INT64_MAX - 3);
}

static void a_long_size_line_is_refused(void **state)
{
    char text[400];
    struct reading r;

    (void)state;
    snprintf(text, sizeof(text), "1;%0255d\r\nx\r\n0\r\n\r\n", 0);
    read_every_way(&r, ed_bytes(text));
    assert_int_equal(r.event, ED_CHUNK_END);
    snprintf(text, sizeof(text), "1;%0256d\r\nx\r\n0\r\n\r\n", 0);
    read_every_way(&r, ed_bytes(text));
    assert_int_equal(r.event, ED_EPROTO);
}

static void a_large_trailer_section_is_refused(void **state)
{
    struct reading r;

    (void)state;
    read_every_way(&r, ED_BYTES("0\r\nAbc: 012345678901234567\r\n\r\n"));
    assert_int_equal(r.event, ED_EHEADLIMIT);
    assert_int_equal(r.trailer_len, MAX_TRAILER_BYTES);
}

static void a_failed_body_stays_failed(void **state)
{
    struct ed_http1_chunked chunked = {0};
    struct ed_bytes in = ED_BYTES("x"), out;

    (void)state;
    assert_int_equal(ed_http1_chunked(&chunked, &in, &out, 0), ED_EPROTO);
    in = ED_BYTES("0\r\n\r\n");
    assert_int_equal(ed_http1_chunked(&chunked, &in, &out, 0), ED_EPROTO);
    in = ED_BYTES("");
    assert_int_equal(ed_http1_chunked(&chunked, &in, &out, 0), ED_EPROTO);
}

static void a_trailer_section_becomes_fields(void **state)
{
    static const char text[] = "Digest: abc \r\nContent-Length: 3\r\n"
                               "hOST: x\r\nX:\r\nSet-Cookie: a=b\r\n";
    struct ed_http1_field fields[2];

    (void)state;
    assert_int_equal(ed_http1_trailers(text, sizeof(text) - 1, fields, 2), 2);
    assert_memory_equal(text + fields[0].name.at, "Digest", 6);
    assert_int_equal(fields[0].value.len, 3);
    assert_int_equal(fields[1].name.len, 1);
    assert_int_equal(fields[1].value.len, 0);
    assert_int_equal(ed_http1_trailers(text, sizeof(text) - 1, fields, 1),
                     ED_EHEADLIMIT);
    assert_int_equal(ed_http1_trailers(NULL, 0, fields, 2), 0);
}

static void a_malformed_trailer_section_is_refused(void **state)
{
    static const char *const sections[] = {
        "A: b",    "A: b\r", "A: b\n",      "A : b\r\n", "A: b\r\n c\r\n",
        ": b\r\n", "A\r\n",  "A: \x01\r\n", "\r\n",
    };
    struct ed_http1_field fields[2];

    (void)state;
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
        assert_int_equal(
            ed_http1_trailers(sections[i], strlen(sections[i]), fields, 2),
            ED_EPROTO);
}

static void a_size_line_is_written_and_read(void **state)
{
    static const uint64_t sizes[] = {1, 9, 10, 15, 16, 255, 4096, INT64_MAX};
    char line[ED_HTTP1_CHUNK_LINE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct ed_http1_chunked chunked = {0};
        size_t len = ed_http1_chunk_line(line, sizes[i]);
        struct ed_bytes in = ed_bytes_of(line, len), out;

        assert_int_equal(ed_http1_chunked(&chunked, &in, &out, 0),
                         ED_CHUNK_MORE);
        assert_true(chunked.left == sizes[i]);
    }
    assert_int_equal(ed_http1_chunk_line(line, 0), 3);
    assert_memory_equal(line, "0\r\n", 3);
    assert_int_equal(ed_http1_chunk_line(line, UINT64_MAX), 18);
    assert_memory_equal(line, "ffffffffffffffff\r\n", 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_put_together),
        cmocka_unit_test(what_is_behind_a_body_is_left),
        cmocka_unit_test(extensions_are_passed_over),
        cmocka_unit_test(trailers_are_handed_out),
        cmocka_unit_test(an_unfinished_body_needs_more),
        cmocka_unit_test(tricks_are_refused),
        cmocka_unit_test(a_nul_is_refused_everywhere_but_in_data),
        cmocka_unit_test(the_largest_chunk_is_begun),
        cmocka_unit_test(a_long_size_line_is_refused),
        cmocka_unit_test(a_large_trailer_section_is_refused),
        cmocka_unit_test(a_failed_body_stays_failed),
        cmocka_unit_test(a_trailer_section_becomes_fields),
        cmocka_unit_test(a_malformed_trailer_section_is_refused),
        cmocka_unit_test(a_size_line_is_written_and_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
