/*
 * ws_frame.c - the frames of a WebSocket.
 */
#include "wire/ws_frame.h"
#include <eddy/error.h>

enum {
    FIN = 0x80,
    RSV1 = 0x40,
    RSV2_3 = 0x30,
    OPCODE = 0x0f,
    MASKED = 0x80,
    LENGTH = 0x7f,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
};

/* ---- reading heads ---- */

static const char *check_first(unsigned byte, const struct ed_ws_rules *rules)
{
    unsigned opcode = byte & OPCODE;
    bool control = ed_ws_is_control(opcode);

    if (byte & RSV2_3)
        return "a reserved bit is set";
    if ((opcode > ED_WS_BINARY && !control) || opcode > ED_WS_PONG)
        return "a reserved opcode";
    if (byte & RSV1 && !rules->deflate)
        return "a compressed frame, which was not agreed on";
    if (byte & RSV1 && (control || opcode == ED_WS_CONTINUATION))
        return "a compressed frame that begins no message";
    if (control)
        return byte & FIN ? NULL : "a control frame in fragments";
    if (opcode == ED_WS_CONTINUATION)
        return rules->continues ? NULL : "a fragment without a beginning";
    return rules->continues ? "a message within another" : NULL;
}

static const char *check_second(unsigned first, unsigned byte,
                                const struct ed_ws_rules *rules)
{
    bool masked = byte & MASKED;

    if (masked != rules->masked)
        return masked ? "a frame of a server that is masked"
                      : "a frame of a client that is not masked";
    if (ed_ws_is_control(first & OPCODE) && (byte & LENGTH) > ED_WS_CONTROL_MAX)
        return "a control frame of more than 125 bytes";
    return NULL;
}

static uint64_t number(const uint8_t *at, unsigned bytes)
{
    uint64_t n = 0;

    while (bytes--)
        n = n << 8 | *at++;
    return n;
}

static const char *check_length(uint64_t len, unsigned bytes)
{
    if (bytes == 2 && len <= ED_WS_CONTROL_MAX)
        return "a length in more bytes than it needs";
    if (bytes == 8 && len <= UINT16_MAX)
        return "a length in more bytes than it needs";
    return len >> 63 ? "a length of 64 bits" : NULL;
}

static int refuse(const char *text, const char **why)
{
    *why = text;
    return ED_EPROTO;
}

int ed_ws_head_read(struct ed_ws_head *head, struct ed_bytes in,
                    const struct ed_ws_rules *rules, const char **why)
{
    const uint8_t *at = (const uint8_t *)in.ptr;
    const char *wrong = in.len ? check_first(at[0], rules) : NULL;

    if (!wrong && in.len > 1)
        wrong = check_second(at[0], at[1], rules);
    if (wrong)
        return refuse(wrong, why);
    if (in.len < 2)
        return 0;
    unsigned length = at[1] & LENGTH;
    unsigned more = length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
    if (in.len < 2 + more)
        return 0;
    head->len = more ? number(at + 2, more) : length;
    wrong = check_length(head->len, more);
    if (wrong)
        return refuse(wrong, why);
    head->opcode = at[0] & OPCODE;
    head->fin = at[0] & FIN;
    head->compressed = at[0] & RSV1;
    head->masked = at[1] & MASKED;
    if (!head->masked)
        return (int)(2 + more);
    if (in.len < 2 + more + ED_WS_MASK_BYTES)
        return 0;
    memcpy(head->mask, at + 2 + more, ED_WS_MASK_BYTES);
    return (int)(2 + more + ED_WS_MASK_BYTES);
}

/* ---- writing heads ---- */

static uint8_t *put_number(uint8_t *at, uint64_t n, unsigned bytes)
{
    while (bytes--)
        *at++ = (uint8_t)(n >> 8 * bytes);
    return at;
}

size_t ed_ws_head_write(char out[ED_WS_HEAD_MAX], const struct ed_ws_head *head)
{
    uint8_t *at = (uint8_t *)out;
    unsigned masked = head->masked ? MASKED : 0;

    *at++ = (uint8_t)((head->fin ? FIN : 0) | (head->compressed ? RSV1 : 0) |
                      head->opcode);
    if (head->len < LENGTH_16) {
        *at++ = (uint8_t)(masked | head->len);
    } else if (head->len <= UINT16_MAX) {
        *at++ = (uint8_t)(masked | LENGTH_16);
        at = put_number(at, head->len, 2);
    } else {
        *at++ = (uint8_t)(masked | LENGTH_64);
        at = put_number(at, head->len, 8);
    }
    if (masked) {
        memcpy(at, head->mask, ED_WS_MASK_BYTES);
        at += ED_WS_MASK_BYTES;
    }
    return (size_t)(at - (uint8_t *)out);
}

/* ---- masks ---- */

/* What every machine we run on has registers for, or does in two halves. */
typedef uint32_t vector __attribute__((vector_size(16)));
#define VECTOR_BYTES sizeof(vector)
enum { VECTORS_A_STEP = 4 };

static inline void mask_vector(char *to, const char *from, vector key)
{
    vector v;

    memcpy(&v, from, VECTOR_BYTES);
    v ^= key;
    memcpy(to, &v, VECTOR_BYTES);
}

/* The mask as it lies on the first of the bytes. */
static uint32_t turn_mask(const uint8_t mask[ED_WS_MASK_BYTES], uint64_t offset)
{
    uint8_t twice[2 * ED_WS_MASK_BYTES];
    uint32_t key;

    memcpy(twice, mask, ED_WS_MASK_BYTES);
    memcpy(twice + ED_WS_MASK_BYTES, mask, ED_WS_MASK_BYTES);
    memcpy(&key, twice + offset % ED_WS_MASK_BYTES, sizeof(key));
    return key;
}

void ed_ws_mask(char *to, const char *from, size_t len,
                const uint8_t mask[ED_WS_MASK_BYTES], uint64_t offset)
{
    uint32_t key = turn_mask(mask, offset);
    vector wide = {key, key, key, key};
    uint8_t bytes[sizeof(key)];

    for (; len >= VECTORS_A_STEP * VECTOR_BYTES;
         len -= VECTORS_A_STEP * VECTOR_BYTES) {
        for (unsigned i = 0; i < VECTORS_A_STEP; i++)
            mask_vector(to + i * VECTOR_BYTES, from + i * VECTOR_BYTES, wide);
        to += VECTORS_A_STEP * VECTOR_BYTES;
        from += VECTORS_A_STEP * VECTOR_BYTES;
    }
    for (; len >= VECTOR_BYTES; len -= VECTOR_BYTES) {
        mask_vector(to, from, wide);
        to += VECTOR_BYTES;
        from += VECTOR_BYTES;
    }
    for (; len >= sizeof(key); len -= sizeof(key)) {
        uint32_t word;
        memcpy(&word, from, sizeof(word));
        word ^= key;
        memcpy(to, &word, sizeof(word));
        to += sizeof(word);
        from += sizeof(word);
    }
    memcpy(bytes, &key, sizeof(key));
    for (size_t i = 0; i < len; i++)
        to[i] = (char)((uint8_t)from[i] ^ bytes[i]);
}

/* ---- close frames ---- */

bool ed_ws_code_is_valid(int code)
{
    static const struct {
        int first, last;
    } ranges[] = {
        {1000, 1003}, /* 1004 is reserved; 1005 and 1006 are never sent */
        {1007, 1014}, /* registered with IANA; 1015 is never sent */
        {3000, 4999}, /* of libraries and programs */
    };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    }
    return false;
}

enum { CODE_BYTES = 2, NO_CODE = 1005 };

int ed_ws_close_read(struct ed_bytes payload, int *code,
                     struct ed_bytes *reason, const char **why)
{
    *code = NO_CODE;
    *reason = ED_BYTES("");
    if (!payload.len)
        return 0;
    if (payload.len < CODE_BYTES)
        return refuse("a close frame with half a code", why);
    *code = (int)number((const uint8_t *)payload.ptr, CODE_BYTES);
    if (!ed_ws_code_is_valid(*code))
        return refuse("a close frame with a code that means nothing", why);
    *reason = ed_bytes_of(payload.ptr + CODE_BYTES, payload.len - CODE_BYTES);
    return 0;
}

/* Whether a byte goes on with a character of UTF-8. */
static bool is_inside(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

size_t ed_ws_close_write(char out[ED_WS_CONTROL_MAX], int code,
                         struct ed_bytes reason)
{
    size_t len = reason.len;

    if (code == NO_CODE)
        return 0;
    if (len > ED_WS_REASON_MAX) {
        len = ED_WS_REASON_MAX;
        while (len && is_inside(reason.ptr[len]))
            len--;
    }
    put_number((uint8_t *)out, (uint64_t)code, CODE_BYTES);
    if (len)
        memcpy(out + CODE_BYTES, reason.ptr, len);
    return CODE_BYTES + len;
}
