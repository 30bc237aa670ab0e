/*
 * base64.c - base64 (RFC 4648, 4), in its one canonical form.
 *
 * Owns nothing; results are appended to the caller's buffer. Decoding a
 * secret may tell its bits through the cache: texts come from files and header
 * fields, where that does not matter.
 */
#include "base/base64.h"

#include "base/size.h"
#include <eddy/error.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Up to three bytes as four characters. */
static void encode_group(char out[4], const unsigned char *bytes, size_t len)
{
    uint32_t bits = (uint32_t)bytes[0] << 16;

    if (len > 1)
        bits |= (uint32_t)bytes[1] << 8;
    if (len > 2)
        bits |= bytes[2];
    out[0] = alphabet[bits >> 18];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = len > 1 ? alphabet[bits >> 6 & 63] : '=';
    out[3] = len > 2 ? alphabet[bits & 63] : '=';
}

int ed_base64_encode(struct ed_buf *out, struct ed_bytes bytes)
{
    size_t groups = bytes.len / 3 + (bytes.len % 3 > 0);
    size_t size;

    if (!ed_size_mul(groups, 4, &size) || ed_buf_reserve(out, size))
        return ED_ENOMEM;
    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t left = bytes.len - at;

        encode_group(out->ptr + out->len, (const unsigned char *)bytes.ptr + at,
                     left);
        out->len += 4;
    }
    out->ptr[out->len] = '\0';
    return 0;
}

/* The six bits of a character, or -1. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Four characters, of which `padding` are '=', as up to three bytes. */
static int decode_group(char *out, const char *text, size_t padding)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 4 - padding; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return ED_EPARSE;
        bits |= (uint32_t)value << (18 - 6 * i);
    }
    /* What stands behind the last byte must be zero. */
    if (padding && bits & (padding == 1 ? 0xffu : 0xffffu))
        return ED_EPARSE;
    for (size_t i = 0; i < 3 - padding; i++)
        out[i] = (char)(bits >> (16 - 8 * i));
    return 0;
}

static size_t padding_of(struct ed_bytes text)
{
    if (text.len == 0 || text.ptr[text.len - 1] != '=')
        return 0;
    return text.ptr[text.len - 2] == '=' ? 2 : 1;
}

int ed_base64_decode(struct ed_buf *out, struct ed_bytes text)
{
    if (text.len % 4)
        return ED_EPARSE;
    int err = ed_buf_reserve(out, text.len / 4 * 3);
    if (err)
        return err;
    size_t padding = padding_of(text);
    char *to = out->ptr + out->len;
    for (size_t at = 0; at < text.len; at += 4, to += 3) {
        bool last = at + 4 == text.len;
        err = decode_group(to, text.ptr + at, last ? padding : 0);
        if (err) {
            out->ptr[out->len] = '\0';
            return err;
        }
    }
    out->len += text.len / 4 * 3 - padding;
    out->ptr[out->len] = '\0';
    return 0;
}
