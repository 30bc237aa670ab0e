/*
 * ws_frame.h - the frames of a WebSocket (RFC 6455, 5 and 7.4).
 *
 * Pure functions: bytes in, structure out; no I/O, no allocation. Strict: what
 * the RFC forbids is refused at the first byte that shows it, whatever
 * extensions and masks are in use.
 */
#ifndef EDDY_WIRE_WS_FRAME_H
#define EDDY_WIRE_WS_FRAME_H

#include <eddy/api.h>
#include <eddy/bytes.h>

enum ed_ws_opcode {
    ED_WS_CONTINUATION = 0,
    ED_WS_TEXT = 1,
    ED_WS_BINARY = 2,
    ED_WS_CLOSE = 8,
    ED_WS_PING = 9,
    ED_WS_PONG = 10,
};

static inline bool ed_ws_is_control(unsigned opcode)
{
    return opcode & 8;
}

/* The longest head: two bytes, a length of eight, a mask of four. */
#define ED_WS_HEAD_MAX 14

/* Payload of a control frame, and of it the reason of a close frame. */
#define ED_WS_CONTROL_MAX 125
#define ED_WS_REASON_MAX  123

/* The bytes of a mask as they stand in the frame. */
#define ED_WS_MASK_BYTES 4

struct ed_ws_head {
    uint8_t opcode; /* enum ed_ws_opcode */
    bool fin;
    bool compressed; /* RSV1 */
    bool masked;
    uint8_t mask[ED_WS_MASK_BYTES];
    uint64_t len; /* of the payload */
};

/* What a frame may be at this place of the connection. */
struct ed_ws_rules {
    bool masked;    /* it has to be: it comes from a client; else it must not */
    bool deflate;   /* messages may be compressed */
    bool continues; /* a message has begun, and its last frame has not come */
};

/*
 * Reads a head from the bytes at its front. Returns its length; 0 when more is
 * needed, call again with the same bytes and more; or ED_EPROTO with a static
 * text in *why.
 */
ED_CHECK int ed_ws_head_read(struct ed_ws_head *head, struct ed_bytes in,
                             const struct ed_ws_rules *rules, const char **why);

/* Writes a head; its mask is written if `masked`. Returns its length. */
size_t ed_ws_head_write(char out[ED_WS_HEAD_MAX],
                        const struct ed_ws_head *head);

/*
 * Masks, or unmasks, `len` bytes from `from` to `to`, which may be the same
 * place but may not overlap otherwise. `offset` is how many bytes of the
 * payload stand before them.
 */
void ed_ws_mask(char *to, const char *from, size_t len,
                const uint8_t mask[ED_WS_MASK_BYTES], uint64_t offset);

/* ---- close frames ---- */

/* Whether a code may stand in a close frame: 1000 to 1003, 1007 to 1014, 3000
 * to 4999. */
bool ed_ws_code_is_valid(int code);

/* What is in the payload of a close frame: the code, 1005 for an empty one, and
 * the reason, a view of it. 0, or ED_EPROTO with a static text in *why. That
 * the reason is UTF-8 is not looked at. */
ED_CHECK int ed_ws_close_read(struct ed_bytes payload, int *code,
                              struct ed_bytes *reason, const char **why);

/* Writes the payload of a close frame: none for 1005. A reason that is too long
 * is cut between two characters. Returns the length. */
size_t ed_ws_close_write(char out[ED_WS_CONTROL_MAX], int code,
                         struct ed_bytes reason);

#endif
