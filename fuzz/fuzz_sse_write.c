/*
 * fuzz_sse_write.c - events that are written and read again.
 *
 * The input is a row of events, each a byte that says which parts it has,
 * and the parts, each a length and bytes. What the reader finds in the text
 * must be those events and no other, whatever their parts hold.
 */
#include "check.h"
#include "wire/sse.h"

#include <eddy/error.h>

enum {
    HAS_COMMENT = 1,
    HAS_TYPE = 2,
    HAS_ID = 4,
    HAS_DATA = 8,
    HAS_RETRY = 16
};

/* What a client would have seen and taken note of. */
struct seen {
    struct ed_buf events;
    struct ed_buf last_id;
    int64_t retry_ms;
};

static void add(struct ed_buf *text, struct ed_bytes bytes)
{
    CHECK(ed_buf_addf(text, "<%zu:", bytes.len) == 0);
    CHECK(ed_buf_add(text, bytes.ptr, bytes.len) == 0);
}

static void add_event(struct seen *seen, struct ed_bytes type,
                      struct ed_bytes data)
{
    add(&seen->events, type);
    add(&seen->events, ed_buf_bytes(&seen->last_id));
    add(&seen->events, data);
}

static struct ed_bytes take(struct ed_bytes *in, size_t len)
{
    if (len > in->len)
        len = in->len;
    struct ed_bytes taken = ed_bytes_of(in->ptr, len);
    *in = ed_bytes_of(in->ptr + len, in->len - len);
    return taken;
}

static struct ed_bytes take_part(struct ed_bytes *in, bool there)
{
    if (!there || !in->len)
        return (struct ed_bytes){0};
    unsigned char len = (unsigned char)*take(in, 1).ptr;
    return take(in, len);
}

static struct ed_sse_text take_event(struct ed_bytes *in)
{
    unsigned char parts = (unsigned char)*take(in, 1).ptr;
    struct ed_sse_text text = {.retry_ms = -1};

    text.comment = take_part(in, parts & HAS_COMMENT);
    text.type = take_part(in, parts & HAS_TYPE);
    text.id = take_part(in, parts & HAS_ID);
    text.data = take_part(in, parts & HAS_DATA);
    if (parts & HAS_RETRY && in->len)
        text.retry_ms = (unsigned char)*take(in, 1).ptr;
    return text;
}

/* As a browser shows it: line ends of all kinds are LF. */
static void with_line_feeds(struct ed_buf *out, struct ed_bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        bool cr = data.ptr[i] == '\r';
        if (cr && i + 1 < data.len && data.ptr[i + 1] == '\n')
            continue;
        CHECK(ed_buf_add(out, cr ? "\n" : data.ptr + i, 1) == 0);
    }
}

static void expect(struct seen *seen, const struct ed_sse_text *text)
{
    struct ed_buf data = {0};

    if (text->retry_ms >= 0)
        seen->retry_ms = text->retry_ms;
    if (text->id.ptr) {
        seen->last_id.len = 0;
        CHECK(ed_buf_add(&seen->last_id, text->id.ptr, text->id.len) == 0);
    }
    if (text->data.ptr || text->type.len) {
        with_line_feeds(&data, text->data);
        add_event(seen, text->type, ed_buf_bytes(&data));
    }
    ed_buf_free(&data);
}

static bool one_line(struct ed_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n' || !text.ptr[i])
            return false;
    return true;
}

static void read_again(struct seen *seen, struct ed_bytes text)
{
    struct ed_sse_reader reader;
    int got;

    ed_sse_reader_begin(&reader, SIZE_MAX / 2);
    while ((got = ed_sse_read(&reader, &text)) == 1) {
        struct ed_bytes id = ed_buf_bytes(&reader.last_id);
        seen->last_id.len = 0;
        CHECK(ed_buf_add(&seen->last_id, id.ptr, id.len) == 0);
        add_event(seen, ed_buf_bytes(&reader.type), ed_buf_bytes(&reader.data));
    }
    CHECK(got == 0);
    seen->last_id.len = 0;
    CHECK(ed_buf_add(&seen->last_id, reader.last_id.ptr, reader.last_id.len) ==
          0);
    seen->retry_ms = reader.retry_ms;
    ed_sse_reader_free(&reader);
}

static void free_seen(struct seen *seen)
{
    ed_buf_free(&seen->events);
    ed_buf_free(&seen->last_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct seen sent = {.retry_ms = -1}, heard = {.retry_ms = -1};
    struct ed_bytes in = ed_bytes_of(data, len);
    struct ed_buf text = {0};

    while (in.len) {
        struct ed_sse_text event = take_event(&in);
        bool fine = one_line(event.type) && one_line(event.id);
        CHECK(ed_sse_write(&text, &event) == (fine ? 0 : ED_EUSAGE));
        if (fine)
            expect(&sent, &event);
    }
    read_again(&heard, ed_buf_bytes(&text));
    CHECK(ed_bytes_equal(ed_buf_bytes(&sent.events),
                         ed_buf_bytes(&heard.events)));
    CHECK(ed_bytes_equal(ed_buf_bytes(&sent.last_id),
                         ed_buf_bytes(&heard.last_id)));
    CHECK(sent.retry_ms == heard.retry_ms);
    free_seen(&sent);
    free_seen(&heard);
    ed_buf_free(&text);
    return 0;
}
