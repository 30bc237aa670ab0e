/*
 * ws_test.h - the other end of a WebSocket, by hand: a client that sends any
 * bytes, and says what must come back.
 */
#ifndef EDDY_TESTS_WS_WS_TEST_H
#define EDDY_TESTS_WS_WS_TEST_H

#include "../http/served.h"
#include "ws/conn.h"

#include <eddy/log.h>
#include <stdlib.h>

/* The key of RFC 6455's example, and what answers it. */
#define WS_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static inline int ws_quiet(void **state)
{
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    return 0;
}

/* Sends the request for a WebSocket; `more` is further lines, each with its
 * end. */
static inline void raw_ask(ed_stream *s, const char *path, const char *more)
{
    check_int(ed_stream_printf(s,
                               "GET %s HTTP/1.1\r\nHost: a.org\r\n"
                               "Connection: keep-alive, Upgrade\r\n"
                               "Upgrade: websocket\r\n"
                               "Sec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: " WS_KEY "\r\n%s\r\n",
                               path, more),
              0);
}

/* Reads the head of the reply; valid until the next read. */
static inline const char *raw_head(ed_stream *s)
{
    static char text[2048];
    struct ed_bytes head;
    if (!check(ed_stream_read_until(s, ED_BYTES("\r\n\r\n"), sizeof(text) - 1,
                                    &head) == 0))
        return "";
    memcpy(text, head.ptr, head.len);
    text[head.len] = '\0';
    return text;
}

static inline ed_stream *raw_open(const struct served *s, const char *path,
                                  const char *more)
{
    ed_stream *stream = served_connect(s);
    raw_ask(stream, path, more);
    const char *head = raw_head(stream);
    check(strstr(head, "HTTP/1.1 101 ") == head);
    return stream;
}

/* A frame as a client sends it, to be freed. `first` is its first byte. */
static inline char *raw_frame(int first, struct ed_bytes payload, size_t *len)
{
    static const uint8_t mask[] = {0x37, 0xfa, 0x21, 0x3d};
    struct ed_ws_head head = {.masked = true, .len = payload.len};
    char *bytes = malloc(ED_WS_HEAD_MAX + payload.len);
    memcpy(head.mask, mask, sizeof(mask));
    size_t at = ed_ws_head_write(bytes, &head);
    bytes[0] = (char)first;
    ed_ws_mask(bytes + at, payload.ptr, payload.len, mask, 0);
    *len = at + payload.len;
    return bytes;
}

static inline void raw_send(ed_stream *s, int first, struct ed_bytes payload)
{
    size_t len;
    char *bytes = raw_frame(first, payload, &len);
    check_int(ed_stream_write(s, bytes, len), 0);
    free(bytes);
}

static inline void raw_text(ed_stream *s, const char *text)
{
    raw_send(s, 0x81, ed_bytes(text));
}

/* What a server sent: a frame without a mask. */
struct raw_got {
    int first; /* 0: the stream has ended, or failed */
    uint64_t len;
    char bytes[70000]; /* with a NUL */
};

static inline const struct raw_got *raw_read(ed_stream *s)
{
    static struct raw_got got;
    uint8_t head[10];
    memset(&got, 0, offsetof(struct raw_got, bytes) + 1);
    ed_scope(soon, .within = 100 * ED_MS);
    (void)soon;
    if (ed_stream_read_exactly(s, head, 2))
        return &got;
    got.len = head[1];
    unsigned more = head[1] == 126 ? 2 : head[1] == 127 ? 8 : 0;
    if (more && !check(ed_stream_read_exactly(s, head + 2, more) == 0))
        return &got;
    for (unsigned i = 0; i < more; i++)
        got.len = (i ? got.len << 8 : 0) | head[2 + i];
    if (!check(got.len < sizeof(got.bytes)) ||
        !check(ed_stream_read_exactly(s, got.bytes, got.len) == 0))
        return &got;
    got.bytes[got.len] = '\0';
    got.first = head[0];
    return &got;
}

#define raw_gets(s, first, text) \
    raw_gets_((s), (first), (text), __FILE__, __LINE__)
static inline void raw_gets_(ed_stream *s, int first, const char *text,
                             const char *file, int line)
{
    const struct raw_got *got = raw_read(s);
    check_(got->first == first && !strcmp(got->bytes, text),
           "%s:%d: got %02x \"%.80s\", not %02x \"%.80s\"", file, line,
           (unsigned)got->first, got->bytes, (unsigned)first, text);
}

/* A close frame with that code, then the end of the stream. Answers it, unless
 * that is our answer. */
#define raw_closed(s, code) raw_closed_((s), (code), __FILE__, __LINE__)
static inline void raw_closed_(ed_stream *s, int code, const char *file,
                               int line)
{
    const struct raw_got *got = raw_read(s);
    int heard = got->len < 2
                    ? 1005
                    : (uint8_t)got->bytes[0] << 8 | (uint8_t)got->bytes[1];
    check_(got->first == 0x88 && heard == code,
           "%s:%d: got %02x %d, not a close with %d", file, line,
           (unsigned)got->first, got->first == 0x88 ? heard : 0, code);
}

static inline void raw_say_close(ed_stream *s, int code)
{
    char bytes[2] = {(char)(code >> 8), (char)code};
    raw_send(s, 0x88, ed_bytes_of(bytes, 2));
}

/* Closes as a proper client does, and sees the server agree. */
#define raw_close(s)                      \
    do {                                  \
        raw_say_close((s), ED_WS_NORMAL); \
        raw_closed((s), ED_WS_NORMAL);    \
        check(served_ended(s));           \
        ed_stream_close(s);               \
    } while (0)

#endif
