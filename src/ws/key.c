/*
 * key.c - the proof that the other side has understood.
 *
 * It is no secret and protects nothing: it keeps what was not written for
 * WebSockets from being taken for one that speaks them.
 */
#include "ws/key.h"
#include "base/base64.h"
#include "net/crypto.h"
#include <stdio.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static int to_text(char *out, size_t size, const uint8_t *bytes, size_t len)
{
    struct ed_buf text = {0};
    int err = ed_base64_encode(&text, ed_bytes_of(bytes, len));

    if (!err)
        snprintf(out, size, "%s", text.ptr);
    ed_buf_free(&text);
    return err;
}

int ws_new_key(char out[WS_KEY_TEXT])
{
    uint8_t bytes[WS_KEY_BYTES];
    int err = ed_random(bytes, sizeof(bytes));

    return err ? err : to_text(out, WS_KEY_TEXT, bytes, sizeof(bytes));
}

int ws_accept_key(const char *key, char out[WS_ACCEPT_TEXT])
{
    char both[WS_KEY_TEXT + sizeof(GUID)];
    uint8_t digest[ED_DIGEST_MAX];
    int len = snprintf(both, sizeof(both), "%.24s%s", key, GUID);
    int n = ed_digest(ED_SHA1, ed_bytes_of(both, (size_t)len), digest);

    return n < 0 ? n : to_text(out, WS_ACCEPT_TEXT, digest, (size_t)n);
}
