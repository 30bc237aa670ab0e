/*
 * sse_write.c - writing the text of server-sent events.
 *
 * Data is cut at every line end a reader would see, each piece becoming a line
 * of its own: nothing that somebody else said can end the event and begin
 * another. How long the text will be is counted first, so that it is written
 * whole or not at all.
 */
#include "wire/sse.h"

#include <eddy/error.h>

/* Of the lines in front of the data, without the values. */
enum { FRAME_BYTES = 64 };

static size_t line_length(struct ed_bytes text)
{
    size_t n = 0;

    while (n < text.len && text.ptr[n] != '\r' && text.ptr[n] != '\n')
        n++;
    return n;
}

/* Cuts the first line off; `rest` without ptr is the end. A line end at the
 * very end has an empty line behind it. */
static struct ed_bytes next_line(struct ed_bytes *rest)
{
    size_t n = line_length(*rest);
    struct ed_bytes line = ed_bytes_of(rest->ptr, n);

    if (n == rest->len) {
        *rest = (struct ed_bytes){0};
        return line;
    }
    n += n + 1 < rest->len && rest->ptr[n] == '\r' && rest->ptr[n + 1] == '\n'
             ? 2
             : 1;
    *rest = ed_bytes_of(rest->ptr + n, rest->len - n);
    return line;
}

static bool is_one_line(struct ed_bytes text)
{
    return line_length(text) == text.len &&
           (!text.len || !memchr(text.ptr, '\0', text.len));
}

static size_t count_lines(struct ed_bytes text)
{
    size_t lines = 0;

    for (; text.ptr; lines++)
        next_line(&text);
    return lines;
}

/* There is room for it. */
static void put(struct ed_buf *out, struct ed_bytes text)
{
    if (text.len)
        memcpy(out->ptr + out->len, text.ptr, text.len);
    out->len += text.len;
}

static void put_lines(struct ed_buf *out, struct ed_bytes name,
                      struct ed_bytes text)
{
    while (text.ptr) {
        struct ed_bytes line = next_line(&text);
        put(out, name);
        put(out, line.len ? ED_BYTES(": ") : ED_BYTES(":"));
        put(out, line);
        put(out, ED_BYTES("\n"));
    }
}

int ed_sse_write(struct ed_buf *out, const struct ed_sse_text *text)
{
    struct ed_bytes data = text->data;
    struct ed_bytes type = text->type;

    if (!is_one_line(type) || !is_one_line(text->id))
        return ED_EUSAGE;
    if (!type.len)
        type.ptr = NULL; /* the same, and shorter */
    if (type.ptr && !data.ptr)
        data = ED_BYTES("");
    if (!text->comment.ptr && !text->id.ptr && !data.ptr && text->retry_ms < 0)
        return 0;
    size_t lines = count_lines(data) + count_lines(text->comment);
    int err = ed_buf_reserve(out, FRAME_BYTES + lines * sizeof("data: \n") +
                                      data.len + type.len + text->id.len +
                                      text->comment.len);
    if (err)
        return err;
    put_lines(out, ED_BYTES(""), text->comment);
    put_lines(out, ED_BYTES("event"), type);
    put_lines(out, ED_BYTES("id"), text->id);
    if (text->retry_ms >= 0) {
        err = ed_buf_addf(out, "retry: %lld\n", (long long)text->retry_ms);
        if (err)
            return err;
    }
    put_lines(out, ED_BYTES("data"), data);
    put(out, ED_BYTES("\n"));
    out->ptr[out->len] = '\0';
    return 0;
}
