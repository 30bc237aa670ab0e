/*
 * fuzz_tls_record.c - records of TLS 1.3, at once and in pieces.
 *
 * The first byte is the size of the pieces. The rest says what a client sends:
 * a type, a length, an amount of padding and the bytes of each record, which is
 * sealed properly, or, when the padding is 255, left as it is. However it
 * arrives, the same data, end, alert and answers must come out, and no byte may
 * pass that was not sealed.
 */
#include "check.h"
#include "net/tls_wire.h"

#include <eddy/bytes.h>
#include <errno.h>
#include <openssl/evp.h>

enum { RAW = 255, MOST = 1 << 20 };

struct reading {
    struct ed_buf data;
    unsigned nothings, updates;
    int result; /* ED_TLS_END, ED_ETLS, or -EAGAIN */
    int alert;
};

static struct ed_tls_ciphers ciphers;

static void begin(struct ed_tls_records *r, bool client)
{
    struct ed_tls_secrets secrets = {0};

    memset(client ? secrets.server : secrets.client, 1, ED_TLS_SECRET_MAX);
    memset(client ? secrets.client : secrets.server, 2, ED_TLS_SECRET_MAX);
    CHECK(ed_tls_records_begin(r, &ciphers, 0x1301, &secrets) == 0);
}

/* ---- a client that knows no shame ---- */

static void seal(struct ed_tls_records *r, struct ed_bytes text, uint8_t type,
                 size_t padding, struct ed_buf *out)
{
    static EVP_CIPHER_CTX *ctx;
    size_t len = text.len + 1 + padding;
    uint8_t nonce[12],
        head[5] = {23, 3, 3, (uint8_t)((len + 16) >> 8), (uint8_t)(len + 16)};
    int n;

    memcpy(nonce, r->write.iv, sizeof(nonce));
    for (int i = 0; i < 8; i++)
        nonce[11 - i] ^= (uint8_t)(r->write.sequence >> 8 * i);
    r->write.sequence++;
    CHECK(ed_buf_add(out, head, sizeof(head)) == 0);
    CHECK(ed_buf_reserve(out, len + 16) == 0);
    uint8_t *at = (uint8_t *)out->ptr + out->len;
    memset(at, 0, len);
    if (text.len)
        memcpy(at, text.ptr, text.len);
    at[text.len] = type;
    if (!ctx)
        ctx = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, r->write.key, nonce);
    EVP_EncryptUpdate(ctx, NULL, &n, head, sizeof(head));
    EVP_EncryptUpdate(ctx, at, &n, at, (int)len);
    EVP_EncryptFinal_ex(ctx, at + n, &n);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, at + len);
    out->len += len + 16;
}

/* Whether the client changes its keys with what it has just sent, which may be
 * the last piece of an update. */
static bool ends_update(struct ed_buf *part, uint8_t type, struct ed_bytes text)
{
    if (type != 22)
        return false;
    CHECK(ed_buf_add(part, text.ptr, text.len) == 0);
    bool ends = part->len == 5 && !memcmp(part->ptr, "\30\0\0\1", 4) &&
                (uint8_t)part->ptr[4] <= 1;
    if (ends)
        part->len = 0;
    return ends;
}

/* What the client sends; `data` is what of it is data. */
static void send_all(const uint8_t *in, size_t len, struct ed_buf *out,
                     struct ed_buf *data)
{
    struct ed_tls_records client;
    struct ed_buf part = {0};

    begin(&client, true);
    while (len >= 4 && out->len < MOST) {
        uint8_t type = in[0], padding = in[3];
        size_t n = (size_t)in[1] << 8 | in[2];
        in += 4;
        len -= 4;
        if (n > len)
            n = len;
        struct ed_bytes text = ed_bytes_of((const char *)in, n);
        in += n;
        len -= n;
        if (padding == RAW) {
            CHECK(ed_buf_add(out, text.ptr, text.len) == 0);
            continue;
        }
        seal(&client, text, type, padding * 100, out);
        while (!type && text.len) /* zeros are padding */
            type = (uint8_t)text.ptr[--text.len];
        if (type == 23)
            CHECK(ed_buf_add(data, text.ptr, text.len) == 0);
        if (ends_update(&part, type, text)) {
            char record[100]; /* in the place of the one just sealed */
            client.write.sequence--;
            CHECK(ed_tls_seal_update(&client, record));
        }
    }
    ed_tls_records_end(&client);
    ed_buf_free(&part);
}

/* ---- the server ---- */

static int next(struct ed_tls_records *r, struct ed_tls_wire *wire,
                struct ed_bytes *data)
{
    char *bytes;
    int err = ed_tls_wire_look(wire, ED_TLS_RECORD_HEADER, &bytes);

    if (err)
        return err;
    ssize_t len =
        ed_tls_record_length(r, ed_bytes_of(bytes, ED_TLS_RECORD_HEADER));
    if (len < 0)
        return (int)len;
    err = ed_tls_wire_look(wire, (size_t)len, &bytes);
    if (err)
        return err;
    ed_tls_wire_pass(wire, (size_t)len);
    return ed_tls_record_open(r, bytes, (size_t)len, data);
}

static void take(struct reading *reading, struct ed_tls_records *r,
                 struct ed_tls_wire *wire)
{
    struct ed_bytes data;

    for (;;) {
        reading->result = next(r, wire, &data);
        if (reading->result == ED_TLS_DATA) {
            CHECK(data.len > 0 && data.len <= ED_TLS_PLAIN);
            CHECK(ed_buf_add(&reading->data, data.ptr, data.len) == 0);
        } else if (reading->result == ED_TLS_NOTHING) {
            reading->nothings++;
        } else {
            return;
        }
        char record[100];
        if (ed_tls_update_is_due(r)) {
            CHECK(ed_tls_seal_update(r, record) == 5 + 5 + 17);
            reading->updates++;
        }
    }
}

static void read_in_steps(struct reading *reading, struct ed_bytes sent,
                          size_t step)
{
    struct ed_tls_wire wire = {0};
    struct ed_tls_records server;

    *reading = (struct reading){.result = -EAGAIN};
    begin(&server, false);
    for (size_t at = 0; at < sent.len && reading->result == -EAGAIN;
         at += step) {
        size_t left = sent.len - at;
        struct ed_bytes piece =
            ed_bytes_of(sent.ptr + at, left < step ? left : step);
        char *copy = check_copy(piece);
        wire.view = copy;
        wire.view_len = piece.len;
        take(reading, &server, &wire);
        CHECK(ed_tls_wire_keep(&wire) == 0);
        free(copy);
    }
    reading->alert = server.last_alert;
    char record[100];
    CHECK((reading->alert != 0) == (ed_tls_seal_alert(&server, record) != 0));
    ed_tls_records_end(&server);
    free(wire.in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ed_buf sent = {0}, plain = {0};
    struct reading whole, parts;

    if (!len)
        return 0;
    send_all(data + 1, len - 1, &sent, &plain);
    read_in_steps(&whole, ed_buf_bytes(&sent), sent.len + 1);
    read_in_steps(&parts, ed_buf_bytes(&sent), data[0] + (size_t)1);
    CHECK(whole.result == parts.result && whole.alert == parts.alert);
    CHECK(whole.nothings == parts.nothings && whole.updates == parts.updates);
    CHECK(ed_bytes_equal(ed_buf_bytes(&whole.data), ed_buf_bytes(&parts.data)));
    CHECK(whole.data.len <= plain.len &&
          (!whole.data.len ||
           !memcmp(whole.data.ptr, plain.ptr, whole.data.len)));
    ed_buf_free(&whole.data);
    ed_buf_free(&parts.data);
    ed_buf_free(&sent);
    ed_buf_free(&plain);
    return 0;
}
