/*
 * heads.h - reads a head in every way it can arrive: at once, byte by byte,
 * and in two pieces cut at every position, with every instruction set of this
 * machine, out of memory that ends where the bytes do. All must agree.
 */
#ifndef EDDY_TESTS_WIRE_HEADS_H
#define EDDY_TESTS_WIRE_HEADS_H

#include "wire/http1.h"
#include "wire/http1_head.h"

#include <eddy/error.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#define HEADS_MAX_FIELDS 8

enum heads_kind {
    HEADS_REQUEST,
    HEADS_RESPONSE,
    HEADS_TO_HEAD,
    HEADS_TO_CONNECT
};

struct heads_result {
    ssize_t result;
    struct ed_http1_head head;
    struct ed_http1_field fields[HEADS_MAX_FIELDS];
};

static const struct ed_http1_limits heads_limits = {100, HEADS_MAX_FIELDS, 300};

/* One call, out of a copy of just those bytes: AddressSanitizer tells when
 * one behind them is looked at. */
static ssize_t heads_read(struct ed_http1_head *head, struct ed_bytes bytes,
                          enum heads_kind kind)
{
    char *copy = malloc(bytes.len ? bytes.len : 1);
    ssize_t result;

    assert_non_null(copy);
    memcpy(copy, bytes.ptr, bytes.len);
    if (kind == HEADS_REQUEST)
        result = ed_http1_request(head, copy, bytes.len, &heads_limits);
    else
        result =
            ed_http1_response(head, copy, bytes.len, &heads_limits,
                              kind == HEADS_TO_HEAD, kind == HEADS_TO_CONNECT);
    free(copy);
    return result;
}

/* Reads with `first` bytes at first and then `step` more at a time. */
static void heads_read_in_steps(struct heads_result *r, struct ed_bytes bytes,
                                enum heads_kind kind, size_t first, size_t step)
{
    size_t len = first;

    memset(r, 0, sizeof(*r));
    ed_http1_begin(&r->head, r->fields);
    for (;;) {
        r->result = heads_read(&r->head, ed_bytes_of(bytes.ptr, len), kind);
        if (r->result || len == bytes.len)
            return;
        len = bytes.len - len < step ? bytes.len : len + step;
    }
}

static void heads_assert_same_span(struct ed_http1_span a,
                                   struct ed_http1_span b)
{
    assert_int_equal(a.at, b.at);
    assert_int_equal(a.len, b.len);
}

static void heads_assert_same(const struct heads_result *a,
                              const struct heads_result *b)
{
    assert_int_equal(a->result, b->result);
    assert_int_equal(!a->head.error, !b->head.error);
    if (a->head.error)
        assert_string_equal(a->head.error, b->head.error);
    assert_int_equal(a->head.error_status, b->head.error_status);
    if (a->result <= 0)
        return;
    heads_assert_same_span(a->head.method, b->head.method);
    heads_assert_same_span(a->head.target, b->head.target);
    heads_assert_same_span(a->head.path, b->head.path);
    heads_assert_same_span(a->head.query, b->head.query);
    heads_assert_same_span(a->head.host, b->head.host);
    heads_assert_same_span(a->head.reason, b->head.reason);
    assert_int_equal(a->head.seen, b->head.seen);
    assert_int_equal(a->head.body, b->head.body);
    assert_int_equal(a->head.field_count, b->head.field_count);
    for (uint32_t i = 0; i < a->head.field_count; i++) {
        heads_assert_same_span(a->fields[i].name, b->fields[i].name);
        heads_assert_same_span(a->fields[i].value, b->fields[i].value);
        assert_int_equal(a->fields[i].known, b->fields[i].known);
    }
}

/* Reads in every way; what all agree on is in *whole. */
static void heads_read_every_way(struct heads_result *whole,
                                 struct ed_bytes bytes, enum heads_kind kind)
{
    static const char *const units[] = {"avx2", "sse4.2", "neon", "plain"};
    const char *used = ed_http1_used();
    struct heads_result again;

    heads_read_in_steps(whole, bytes, kind, bytes.len, bytes.len);
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        if (!ed_http1_use(units[u]))
            continue;
        heads_read_in_steps(&again, bytes, kind, 0, 1);
        heads_assert_same(whole, &again);
        for (size_t at = 0; at <= bytes.len; at++) {
            heads_read_in_steps(&again, bytes, kind, at, bytes.len);
            heads_assert_same(whole, &again);
        }
    }
    assert_true(ed_http1_use(used));
}

static struct ed_bytes heads_span(struct ed_bytes bytes,
                                  struct ed_http1_span span)
{
    assert_in_range(span.at + span.len, 0, bytes.len);
    return ed_http1_bytes(bytes.ptr, span);
}

static void heads_assert_span(struct ed_bytes bytes, struct ed_http1_span span,
                              const char *expected)
{
    struct ed_bytes actual = heads_span(bytes, span);

    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.ptr, expected, actual.len);
}

#endif
