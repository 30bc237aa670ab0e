/*
 * sse.c - the text of server-sent events.
 *
 * Lines are gathered in a buffer, except those that are comments, and read when
 * they are whole.
 */
#include "wire/sse.h"
#include "base/ascii.h"
#include <eddy/error.h>

static const char MARK[] = "\xef\xbb\xbf";

/* A day: nobody means more. */
static const int64_t MAX_RETRY_MS = 24 * 60 * 60 * 1000;

void ed_sse_reader_begin(struct ed_sse_reader *s, size_t max_event)
{
    *s = (struct ed_sse_reader){.retry_ms = -1, .max_event = max_event};
}

void ed_sse_reader_free(struct ed_sse_reader *s)
{
    ed_buf_free(&s->type);
    ed_buf_free(&s->data);
    ed_buf_free(&s->last_id);
    ed_buf_free(&s->line);
    ed_buf_free(&s->id);
}

static void forget_event(struct ed_sse_reader *s)
{
    s->type.len = 0;
    s->data.len = 0;
    s->given = false;
}

static int set(struct ed_buf *buf, struct ed_bytes text)
{
    buf->len = 0;
    return ed_buf_add(buf, text.ptr, text.len);
}

void ed_sse_reader_restart(struct ed_sse_reader *s)
{
    forget_event(s);
    s->line.len = 0;
    s->mark = 0;
    s->begun = false;
    s->after_cr = false;
    s->comment = false;
    /* One that its event did not follow is not the last. */
    if (s->id.ptr && set(&s->id, ed_buf_bytes(&s->last_id)))
        ed_buf_free(&s->id);
}

int ed_sse_reader_set_id(struct ed_sse_reader *s, struct ed_bytes id)
{
    int err = set(&s->id, id);

    return err ? err : set(&s->last_id, id);
}

/* ---- lines ---- */

/* Digits alone are a time. */
static void read_retry(struct ed_sse_reader *s, struct ed_bytes value)
{
    int64_t ms = 0;

    for (size_t i = 0; i < value.len; i++) {
        if (!ed_is_digit(value.ptr[i]))
            return;
        ms = ms * 10 + (value.ptr[i] - '0');
        if (ms > MAX_RETRY_MS)
            ms = MAX_RETRY_MS;
    }
    if (value.len)
        s->retry_ms = ms;
}

static int add_data(struct ed_sse_reader *s, struct ed_bytes value)
{
    int err = ed_buf_add(&s->data, value.ptr, value.len);

    return err ? err : ed_buf_add(&s->data, "\n", 1);
}

static int read_field(struct ed_sse_reader *s, struct ed_bytes line)
{
    struct ed_bytes value = line;
    struct ed_bytes name = ed_bytes_cut(&value, ':');

    if (!value.ptr)
        value = ED_BYTES("");
    else if (value.len && *value.ptr == ' ')
        value = ed_bytes_of(value.ptr + 1, value.len - 1);
    if (ed_bytes_equal(name, ED_BYTES("data")))
        return add_data(s, value);
    if (ed_bytes_equal(name, ED_BYTES("event")))
        return set(&s->type, value);
    if (ed_bytes_equal(name, ED_BYTES("id")))
        return memchr(value.ptr, '\0', value.len) ? 0 : set(&s->id, value);
    if (ed_bytes_equal(name, ED_BYTES("retry")))
        read_retry(s, value);
    return 0;
}

/* An empty line: 1 when it ends an event, which one without data is none. */
static int end_event(struct ed_sse_reader *s)
{
    int err = s->id.ptr ? set(&s->last_id, ed_buf_bytes(&s->id)) : 0;

    if (err)
        return err;
    if (!s->data.len) {
        s->type.len = 0;
        return 0;
    }
    s->data.ptr[--s->data.len] = '\0';
    if (s->type.ptr)
        s->type.ptr[s->type.len] = '\0';
    s->given = true;
    return 1;
}

static int end_line(struct ed_sse_reader *s)
{
    bool comment = s->comment;
    struct ed_bytes line = ed_buf_bytes(&s->line);

    s->comment = false;
    s->line.len = 0;
    if (comment)
        return 0;
    return line.len ? read_field(s, line) : end_event(s);
}

/* ---- bytes ---- */

static size_t line_length(struct ed_bytes in)
{
    size_t n = 0;

    while (n < in.len && in.ptr[n] != '\r' && in.ptr[n] != '\n')
        n++;
    return n;
}

static int add_to_line(struct ed_sse_reader *s, struct ed_bytes part)
{
    if (part.len && !s->line.len && *part.ptr == ':')
        s->comment = true;
    if (s->comment || !part.len)
        return 0;
    size_t held = s->line.len + s->data.len + s->type.len;
    if (held > s->max_event || part.len > s->max_event - held)
        return ED_ELIMIT;
    return ed_buf_add(&s->line, part.ptr, part.len);
}

static void skip(struct ed_bytes *in, size_t n)
{
    in->ptr += n;
    in->len -= n;
}

/* Skips a byte order mark, which may come in pieces. What only begins like one
 * is part of the first line. */
static int skip_mark(struct ed_sse_reader *s, struct ed_bytes *in)
{
    while (in->len && s->mark < 3 && *in->ptr == MARK[s->mark]) {
        s->mark++;
        skip(in, 1);
    }
    if (!in->len && s->mark < 3)
        return 0;
    s->begun = true;
    return s->mark < 3 ? add_to_line(s, ed_bytes_of(MARK, s->mark)) : 0;
}

int ed_sse_read(struct ed_sse_reader *s, struct ed_bytes *in)
{
    int result = 0;

    if (s->given)
        forget_event(s);
    if (!s->begun)
        result = skip_mark(s, in);
    while (in->len && !result) {
        if (s->after_cr && *in->ptr == '\n')
            skip(in, 1);
        s->after_cr = false;
        size_t n = line_length(*in);
        result = add_to_line(s, ed_bytes_of(in->ptr, n));
        skip(in, n);
        if (result || !in->len)
            break;
        s->after_cr = *in->ptr == '\r';
        skip(in, 1);
        result = end_line(s);
    }
    return result;
}
