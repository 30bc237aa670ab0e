/*
 * heads.h - the oracle of the head fuzzers.
 *
 * The first byte of the input says where it is cut and with which limits; the
 * rest is a head. Read at once with the widest unit, and in pieces with every
 * unit there is, it must come out the same; each buffer ends where its bytes
 * end, so that a read behind them is seen.
 */
#ifndef EDDY_FUZZ_HEADS_H
#define EDDY_FUZZ_HEADS_H

#include "check.h"
#include "wire/http1.h"
#include "wire/http1_head.h"

#define MAX_FIELDS 16

struct reading {
    ssize_t result;
    struct ed_http1_head head;
    struct ed_http1_field fields[MAX_FIELDS];
};

/* What is fuzzed: ed_http1_request() or a way to call ed_http1_response(). */
typedef ssize_t read_head(struct ed_http1_head *head, const char *buf,
                          size_t len, const struct ed_http1_limits *limits);

static void read_in_steps(struct reading *r, read_head *read,
                          struct ed_bytes bytes, size_t step,
                          const struct ed_http1_limits *limits)
{
    size_t len = 0;

    memset(r, 0, sizeof(*r));
    ed_http1_begin(&r->head, r->fields);
    do {
        len = bytes.len - len < step ? bytes.len : len + step;
        char *copy = check_copy(ed_bytes_of(bytes.ptr, len));
        r->result = read(&r->head, copy, len, limits);
        free(copy);
    } while (!r->result && len < bytes.len);
}

static void check_span(struct ed_http1_span span, ssize_t end)
{
    CHECK(span.at <= end);
    CHECK(span.len <= end - span.at);
}

static void check_same_span(struct ed_http1_span a, struct ed_http1_span b)
{
    CHECK(a.at == b.at && a.len == b.len);
}

static void check_whole(const struct reading *r, struct ed_bytes bytes)
{
    const struct ed_http1_head *head = &r->head;

    CHECK(r->result <= (ssize_t)bytes.len);
    CHECK(!memcmp(bytes.ptr + r->result - 2, "\r\n", 2));
    CHECK(head->field_count <= MAX_FIELDS);
    check_span(head->method, r->result);
    check_span(head->target, r->result);
    check_span(head->path, r->result);
    check_span(head->query, r->result);
    check_span(head->host, r->result);
    check_span(head->reason, r->result);
    for (uint32_t i = 0; i < head->field_count; i++) {
        check_span(r->fields[i].name, r->result);
        check_span(r->fields[i].value, r->result);
        CHECK(ed_http1_is_token(ed_http1_bytes(bytes.ptr, r->fields[i].name)));
        CHECK(ed_http1_is_value(ed_http1_bytes(bytes.ptr, r->fields[i].value)));
    }
}

static void check_same(const struct reading *a, const struct reading *b)
{
    CHECK(a->result == b->result);
    CHECK(a->head.error_status == b->head.error_status);
    CHECK(!a->head.error == !b->head.error);
    CHECK(!a->head.error || !strcmp(a->head.error, b->head.error));
    if (a->result <= 0)
        return;
    check_same_span(a->head.method, b->head.method);
    check_same_span(a->head.target, b->head.target);
    check_same_span(a->head.path, b->head.path);
    check_same_span(a->head.query, b->head.query);
    check_same_span(a->head.host, b->head.host);
    check_same_span(a->head.reason, b->head.reason);
    CHECK(a->head.status == b->head.status);
    CHECK(a->head.seen == b->head.seen);
    CHECK(a->head.body == b->head.body);
    CHECK(a->head.content_length == b->head.content_length);
    CHECK(a->head.field_count == b->head.field_count);
    CHECK(!memcmp(a->fields, b->fields, sizeof(a->fields)));
}

static void fuzz_head(read_head *read, struct ed_bytes input)
{
    static const char *const units[] = {"plain", "neon", "sse4.2", "avx2"};
    struct reading whole, pieces;

    if (!input.len)
        return;

    unsigned char choice = (unsigned char)input.ptr[0];
    struct ed_http1_limits limits = {choice & 0x80 ? 40 : 8192, MAX_FIELDS,
                                     choice & 0x40 ? 100 : 65536};
    struct ed_bytes bytes = ed_bytes_of(input.ptr + 1, input.len - 1);
    size_t step = 1 + (choice & 0x3f);

    read_in_steps(&whole, read, bytes, bytes.len, &limits);
    CHECK((whole.result < 0) == (whole.head.error != NULL));
    if (whole.result > 0)
        check_whole(&whole, bytes);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!ed_http1_use(units[i]))
            continue;
        read_in_steps(&pieces, read, bytes, step, &limits);
        check_same(&whole, &pieces);
        read_in_steps(&pieces, read, bytes, bytes.len, &limits);
        check_same(&whole, &pieces);
    }
}

#endif
