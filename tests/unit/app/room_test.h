/*
 * room_test.h - a room on a server in the loop of the test, and WebSockets that
 * come to it.
 *
 * The clients are streams: what they send and hear is frames, of which these
 * helpers write and read the short kinds.
 */
#ifndef EDDY_TESTS_APP_ROOM_TEST_H
#define EDDY_TESTS_APP_ROOM_TEST_H

#include "../http/served.h"
#include "app/room.h"

#include <eddy/room.h>

/* Connects and shakes hands; what the server says behind that is heard
 * later. */
static inline ed_stream *ws_client(const struct served *s, const char *path)
{
    ed_stream *client = served_connect(s);
    struct ed_bytes head;

    check_int(ed_stream_printf(client,
                               "GET %s HTTP/1.1\r\nHost: a\r\n"
                               "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                               "\r\n",
                               path),
              0);
    check_int(ed_stream_read_until(client, ED_BYTES("\r\n\r\n"), 4096, &head),
              0);
    check_(ed_bytes_find(head, ED_BYTES(" 101 ")) > 0, "%.*s", (int)head.len,
           head.ptr);
    settle();
    return client;
}

/* Sends a text of at most 125 bytes, masked with nothing. */
static inline void ws_say(ed_stream *client, const char *text)
{
    char frame[140] = {(char)0x81, (char)(0x80 | strlen(text))};

    memcpy(frame + 6, text, strlen(text));
    check_int(ed_stream_write(client, frame, 6 + strlen(text)), 0);
    settle();
}

/* Closes as a client does, or just goes. */
static inline void ws_close_with(ed_stream *client, int code)
{
    char frame[8] = {(char)0x88, (char)0x82,        0,         0, 0,
                     0,          (char)(code >> 8), (char)code};

    check_int(ed_stream_write(client, frame, sizeof(frame)), 0);
    settle();
}

static inline void ws_go(ed_stream *client)
{
    ed_stream_close(client);
    settle();
}

static inline int ws_read_head(ed_stream *client, uint8_t *opcode, size_t *len)
{
    unsigned char head[10];
    int err = ed_stream_read_exactly(client, head, 2);
    size_t more = (head[1] & 127) == 126 ? 2 : (head[1] & 127) == 127 ? 8 : 0;

    if (!err && more)
        err = ed_stream_read_exactly(client, head + 2, more);
    *opcode = head[0] & 15;
    *len = more ? 0 : head[1];
    for (size_t i = 0; i < more; i++)
        *len = *len << 8 | head[2 + i];
    return err;
}

/* Reads a message; its first bytes as text. A close frame is "close CODE", the
 * end "end", and nothing in time "". */
static inline int ws_read_text(ed_stream *client, char out[64])
{
    uint8_t opcode = 0;
    size_t len = 0;
    char byte;
    int err = ws_read_head(client, &opcode, &len);

    out[0] = '\0';
    for (size_t i = 0; i < len && !err; i++) {
        err = ed_stream_read_exactly(client, &byte, 1);
        if (i < 63) {
            out[i] = byte;
            out[i + 1] = '\0';
        }
    }
    if (!err && opcode == 8)
        snprintf(out, 64, "close %d",
                 (unsigned char)out[0] << 8 | (unsigned char)out[1]);
    if (err && err != ED_ETIMEOUT)
        snprintf(out, 64, "end");
    return err;
}

/* All that comes now, with commas between; the first of each. */
static inline const char *ws_heard(ed_stream *client)
{
    static char text[4096];
    char one[64];
    size_t len = 0;
    ed_scope(soon, .within = 10 * ED_US);

    (void)soon;
    text[0] = '\0';
    for (;;) {
        int err = ws_read_text(client, one);
        if (*one && len < sizeof(text))
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
                                    len ? "," : "", one);
        if (err)
            return text;
    }
}

#endif
