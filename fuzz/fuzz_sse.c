/*
 * fuzz_sse.c - streams of events, at once and in pieces.
 *
 * The first byte is the size of the pieces, the rest a stream. However it
 * arrives, the same events, ids and times to wait must come out.
 */
#include "check.h"
#include "wire/sse.h"

#include <eddy/error.h>

#define MAX_EVENT 100

/* Events as text, with a mark between all that could be mistaken. */
struct reading {
    struct ed_buf text;
    int result;
    int64_t retry_ms;
};

static void add(struct ed_buf *text, struct ed_bytes bytes)
{
    CHECK(ed_buf_addf(text, "<%zu:", bytes.len) == 0);
    CHECK(ed_buf_add(text, bytes.ptr, bytes.len) == 0);
}

static void add_event(struct ed_buf *text, const struct ed_sse_reader *s)
{
    CHECK(s->data.ptr[s->data.len] == '\0');
    CHECK(s->data.len + s->type.len <= MAX_EVENT);
    CHECK(!s->last_id.len || !memchr(s->last_id.ptr, '\0', s->last_id.len));
    add(text, ed_buf_bytes(&s->type));
    add(text, ed_buf_bytes(&s->last_id));
    add(text, ed_buf_bytes(&s->data));
}

static void read_in_steps(struct reading *r, struct ed_bytes bytes, size_t step)
{
    struct ed_sse_reader s;

    memset(r, 0, sizeof(*r));
    ed_sse_reader_begin(&s, MAX_EVENT);
    for (size_t at = 0; at < bytes.len && !r->result; at += step) {
        size_t left = bytes.len - at;
        struct ed_bytes piece =
            ed_bytes_of(bytes.ptr + at, left < step ? left : step);
        const char *copy = check_copy(piece);
        struct ed_bytes in = ed_bytes_of(copy, piece.len);
        while ((r->result = ed_sse_read(&s, &in)) == 1)
            add_event(&r->text, &s);
        CHECK(r->result == ED_ELIMIT || (r->result == 0 && !in.len));
        free((void *)copy);
    }
    r->retry_ms = s.retry_ms;
    ed_sse_reader_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reading whole, pieces;

    if (!len)
        return 0;
    struct ed_bytes bytes = ed_bytes_of(data + 1, len - 1);
    read_in_steps(&whole, bytes, bytes.len);
    read_in_steps(&pieces, bytes, 1 + data[0] % 32);
    CHECK(whole.result == pieces.result);
    CHECK(whole.retry_ms == pieces.retry_ms);
    CHECK(
        ed_bytes_equal(ed_buf_bytes(&whole.text), ed_buf_bytes(&pieces.text)));
    ed_buf_free(&whole.text);
    ed_buf_free(&pieces.text);
    return 0;
}
