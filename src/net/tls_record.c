/*
 * tls_record.c - see tls_record.h.
 *
 * Owns the secrets of a connection and which record is next in each direction.
 * Whatever is not allowed in a place (RFC 8446, 5.1 to 5.5, 4.6.3 and 6) ends
 * the connection with the alert that says so.
 */
#include "net/tls_record.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum {
    /* Content types. */
    ALERT = 21,
    HANDSHAKE = 22,
    DATA = 23,

    KEY_UPDATE = 24,
    KEY_UPDATE_LEN = 5,

    /* Alerts. */
    CLOSE_NOTIFY = 0,
    UNEXPECTED_MESSAGE = 10,
    BAD_RECORD_MAC = 20,
    RECORD_OVERFLOW = 22,
    ILLEGAL_PARAMETER = 47,
    DECODE_ERROR = 50,
    INTERNAL_ERROR = 80,
    USER_CANCELED = 90,
    WARNING = 1,
    FATAL = 2,

    TAG = 16,
    HEADER = ED_TLS_RECORD_HEADER,
    MOST_SEALED = ED_TLS_PLAIN + 256,
    /* Records in a row without data: work for us and none for the peer. */
    MOST_WITHOUT_DATA = 32,
};

_Static_assert(sizeof(((struct ed_tls_records *)0)->part) == KEY_UPDATE_LEN,
               "a whole update fits");

/* AES-GCM may seal 2^24.5 full records with a key (RFC 8446, 5.5). */
static const uint64_t MOST_A_KEY = 1 << 23;

struct ed_tls_suite {
    uint32_t id;
    const EVP_CIPHER *(*cipher)(void);
    const EVP_MD *(*digest)(void);
    uint8_t key_len;
    uint8_t secret_len;
};

static const struct ed_tls_suite suites[] = {
    {0x1301, EVP_aes_128_gcm, EVP_sha256, 16, 32},
    {0x1302, EVP_aes_256_gcm, EVP_sha384, 32, 48},
    {0x1303, EVP_chacha20_poly1305, EVP_sha256, 32, 32},
};

/* ---- keys ---- */

/*
 * HKDF-Expand-Label (RFC 8446, 7.1) without a context. What is derived is never
 * longer than the digest, so that one block of HKDF-Expand is all.
 */
static bool derive(const struct ed_tls_suite *suite, const uint8_t *secret,
                   const char *label, uint8_t *out, size_t len)
{
    uint8_t info[2 + 1 + 6 + 12 + 1 + 1], block[EVP_MAX_MD_SIZE];
    size_t label_len = strlen(label);
    uint8_t *at = info;

    *at++ = 0;
    *at++ = (uint8_t)len;
    *at++ = (uint8_t)(6 + label_len);
    memcpy(at, "tls13 ", 6);
    memcpy(at + 6, label, label_len);
    at += 6 + label_len;
    *at++ = 0; /* the context's length */
    *at++ = 1; /* the number of the block */
    bool well = HMAC(suite->digest(), secret, suite->secret_len, info,
                     (size_t)(at - info), block, NULL);
    if (well)
        memcpy(out, block, len);
    OPENSSL_cleanse(block, sizeof(block));
    return well;
}

/* Makes keys of the secret there. When that fails there are none: the old ones
 * must not start again at the first nonce. */
static bool begin_keys(struct ed_tls_records *r, struct ed_tls_keys *keys)
{
    keys->id = 0;
    keys->sequence = 0;
    if (!derive(r->suite, keys->secret, "key", keys->key, r->suite->key_len) ||
        !derive(r->suite, keys->secret, "iv", keys->iv, sizeof(keys->iv)))
        return false;
    keys->id = ++r->ciphers->keys;
    return true;
}

static struct ed_tls_cipher_slot *slot_of(struct ed_tls_records *r,
                                          const struct ed_tls_keys *keys)
{
    return &r->ciphers->slots[keys->id % ED_TLS_CIPHER_SLOTS];
}

/* Takes the key out of the cipher's state, too. */
static void forget_cipher(struct ed_tls_records *r,
                          const struct ed_tls_keys *keys)
{
    struct ed_tls_cipher_slot *slot = slot_of(r, keys);

    if (!keys->id || slot->id != keys->id)
        return;
    EVP_CIPHER_CTX_free(slot->ctx);
    *slot = (struct ed_tls_cipher_slot){0};
}

/* The next generation (RFC 8446, 7.2). */
static bool update_keys(struct ed_tls_records *r, struct ed_tls_keys *keys)
{
    forget_cipher(r, keys);
    keys->id = 0;
    return derive(r->suite, keys->secret, "traffic upd", keys->secret,
                  r->suite->secret_len) &&
           begin_keys(r, keys);
}

static const struct ed_tls_suite *find_suite(uint32_t id)
{
    for (size_t i = 0; i < sizeof(suites) / sizeof(*suites); i++) {
        if (suites[i].id == id)
            return &suites[i];
    }
    return NULL;
}

int ed_tls_records_begin(struct ed_tls_records *r,
                         struct ed_tls_ciphers *ciphers, uint32_t suite,
                         const struct ed_tls_secrets *secrets)
{
    *r = (struct ed_tls_records){
        .suite = find_suite(suite),
        .ciphers = ciphers,
    };
    if (!r->suite)
        return ED_EUSAGE;
    memcpy(r->read.secret, secrets->client, r->suite->secret_len);
    memcpy(r->write.secret, secrets->server, r->suite->secret_len);
    if (!begin_keys(r, &r->read) || !begin_keys(r, &r->write)) {
        ed_tls_records_end(r);
        return ED_ENOMEM;
    }
    r->write.sequence = secrets->written;
    return 0;
}

void ed_tls_records_end(struct ed_tls_records *r)
{
    forget_cipher(r, &r->read);
    forget_cipher(r, &r->write);
    OPENSSL_cleanse(r, sizeof(*r));
}

void ed_tls_ciphers_free(struct ed_tls_ciphers *ciphers)
{
    for (size_t i = 0; i < ED_TLS_CIPHER_SLOTS; i++)
        EVP_CIPHER_CTX_free(ciphers->slots[i].ctx);
}

/* The cipher, ready for the next record; NULL: no memory, or no keys since
 * there was none. */
static EVP_CIPHER_CTX *next_cipher(struct ed_tls_records *r,
                                   struct ed_tls_keys *keys)
{
    struct ed_tls_cipher_slot *slot = slot_of(r, keys);
    int seals = keys == &r->write;
    const EVP_CIPHER *cipher = NULL;
    uint8_t nonce[sizeof(keys->iv)];

    if (!keys->id)
        return NULL;
    memcpy(nonce, keys->iv, sizeof(nonce));
    for (int i = 0; i < 8; i++)
        nonce[sizeof(nonce) - 1 - i] ^= (uint8_t)(keys->sequence >> 8 * i);
    if (slot->id == keys->id)
        return EVP_CipherInit_ex(slot->ctx, NULL, NULL, NULL, nonce, seals) == 1
                   ? slot->ctx
                   : NULL;
    if (!slot->ctx)
        slot->ctx = EVP_CIPHER_CTX_new();
    if (!slot->ctx)
        return NULL;
    if (slot->suite != r->suite)
        cipher = r->suite->cipher();
    slot->id = 0;
    slot->suite = NULL;
    if (EVP_CipherInit_ex(slot->ctx, cipher, NULL, keys->key, nonce, seals) !=
        1)
        return NULL;
    slot->id = keys->id;
    slot->suite = r->suite;
    return slot->ctx;
}

/* ---- opening ---- */

static int refuse(struct ed_tls_records *r, uint8_t alert)
{
    r->last_alert = alert;
    return ED_ETLS;
}

ssize_t ed_tls_record_length(struct ed_tls_records *r, struct ed_bytes head)
{
    const uint8_t *h = (const uint8_t *)head.ptr;

    if (head.len < HEADER)
        return 0;
    size_t len = (size_t)h[3] << 8 | h[4];
    /* Nothing else is allowed once there are keys, not even a change of cipher
     * spec for the sake of old boxes on the way (5). */
    if (h[0] != DATA)
        return refuse(r, UNEXPECTED_MESSAGE);
    if (len > MOST_SEALED)
        return refuse(r, RECORD_OVERFLOW);
    if (len < TAG + 1)
        return refuse(r, BAD_RECORD_MAC);
    return (ssize_t)(HEADER + len);
}

/* Opens in place. False when that fails, for whatever reason. */
static bool decrypt(struct ed_tls_records *r, uint8_t *record, size_t len)
{
    EVP_CIPHER_CTX *ctx = next_cipher(r, &r->read);
    uint8_t *text = record + HEADER;
    int n;

    return ctx &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, text + len) ==
               1 &&
           EVP_DecryptUpdate(ctx, NULL, &n, record, HEADER) == 1 &&
           EVP_DecryptUpdate(ctx, text, &n, text, (int)len) == 1 &&
           EVP_DecryptFinal_ex(ctx, text + n, &n) == 1;
}

static int take_alert(struct ed_tls_records *r, const uint8_t *text, size_t len)
{
    if (!len)
        return refuse(r, UNEXPECTED_MESSAGE); /* (5.4) */
    if (len != 2)
        return refuse(r, DECODE_ERROR);
    if (text[1] == CLOSE_NOTIFY)
        return ED_TLS_END;
    if (text[1] == USER_CANCELED)
        return ED_TLS_NOTHING; /* a close_notify follows */
    return refuse(r, 0);       /* whatever its level says (6.2) */
}

static int take_update(struct ed_tls_records *r)
{
    const uint8_t *update = r->part;

    r->part_len = 0;
    if (update[1] || update[2] || update[3] != 1)
        return refuse(r, DECODE_ERROR);
    if (update[4] > 1)
        return refuse(r, ILLEGAL_PARAMETER);
    r->owes_update |= update[4];
    return update_keys(r, &r->read) ? ED_TLS_NOTHING
                                    : refuse(r, INTERNAL_ERROR);
}

/* All that can still come of a handshake's kind is an update of keys, and
 * nothing may stand behind it under the old ones (5.1). It may come in pieces.
 */
static int take_handshake(struct ed_tls_records *r, const uint8_t *text,
                          size_t len)
{
    if (!len || len > sizeof(r->part) - r->part_len)
        return refuse(r, UNEXPECTED_MESSAGE);
    memcpy(r->part + r->part_len, text, len);
    r->part_len += (uint8_t)len;
    if (r->part[0] != KEY_UPDATE)
        return refuse(r, UNEXPECTED_MESSAGE);
    return r->part_len < sizeof(r->part) ? ED_TLS_NOTHING : take_update(r);
}

static int take_content(struct ed_tls_records *r, uint8_t type,
                        struct ed_bytes text)
{
    const uint8_t *bytes = (const uint8_t *)text.ptr;

    if (r->part_len && type != HANDSHAKE)
        return refuse(r, UNEXPECTED_MESSAGE); /* nothing between pieces */
    if (type == DATA && text.len) {
        r->no_data = 0;
        return ED_TLS_DATA;
    }
    if (++r->no_data > MOST_WITHOUT_DATA)
        return refuse(r, UNEXPECTED_MESSAGE);
    if (type == DATA)
        return ED_TLS_NOTHING;
    if (type == ALERT)
        return take_alert(r, bytes, text.len);
    if (type == HANDSHAKE)
        return take_handshake(r, bytes, text.len);
    return refuse(r, UNEXPECTED_MESSAGE);
}

int ed_tls_record_open(struct ed_tls_records *r, char *record, size_t len,
                       struct ed_bytes *data)
{
    uint8_t *bytes = (uint8_t *)record;
    size_t text_len = len - HEADER - TAG;

    if (!decrypt(r, bytes, text_len))
        return refuse(r, BAD_RECORD_MAC);
    r->read.sequence++;
    if (text_len > ED_TLS_PLAIN + 1)
        return refuse(r, RECORD_OVERFLOW);
    const uint8_t *text = bytes + HEADER;
    while (text_len && !text[text_len - 1])
        text_len--; /* padding */
    if (!text_len)
        return refuse(r, UNEXPECTED_MESSAGE);
    *data = ed_bytes_of((const char *)text, text_len - 1);
    return take_content(r, text[text_len - 1], *data);
}

/* ---- sealing ---- */

/* Seals `len` bytes from the cursor on, with `type` behind them. */
static size_t seal(struct ed_tls_records *r, uint8_t type,
                   struct ed_tls_cursor *cursor, size_t len, char *record)
{
    EVP_CIPHER_CTX *ctx = next_cipher(r, &r->write);
    uint8_t *out = (uint8_t *)record;
    size_t sealed = len + 1 + TAG;
    int n;

    if (!ctx)
        return 0;
    out[0] = DATA;
    out[1] = out[2] = 3; /* 1.2, as all versions say since (5.1) */
    out[3] = (uint8_t)(sealed >> 8);
    out[4] = (uint8_t)sealed;
    if (EVP_EncryptUpdate(ctx, NULL, &n, out, HEADER) != 1)
        return 0;
    uint8_t *at = out + HEADER;
    while (len && ed_tls_cursor_more(cursor)) {
        struct ed_bytes piece = ed_tls_cursor_piece(cursor, len);
        if (EVP_EncryptUpdate(ctx, at, &n, (const uint8_t *)piece.ptr,
                              (int)piece.len) != 1)
            return 0;
        at += n;
        len -= piece.len;
        cursor->offset += piece.len;
    }
    if (EVP_EncryptUpdate(ctx, at, &n, &type, 1) != 1 ||
        EVP_EncryptFinal_ex(ctx, at + n, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, at + 1) != 1)
        return 0;
    r->write.sequence++;
    return HEADER + sealed;
}

size_t ed_tls_seal_data(struct ed_tls_records *r, struct ed_tls_cursor *cursor,
                        char *out)
{
    size_t len = ed_tls_cursor_bytes(cursor);

    return seal(r, DATA, cursor, len < ED_TLS_PLAIN ? len : ED_TLS_PLAIN, out);
}

static size_t seal_message(struct ed_tls_records *r, uint8_t type,
                           uint8_t *message, size_t len, char *out)
{
    struct iovec iov = {message, len};
    struct ed_tls_cursor cursor = {.iov = &iov, .count = 1};

    return seal(r, type, &cursor, len, out);
}

bool ed_tls_update_is_due(const struct ed_tls_records *r)
{
    return !r->said_end && (r->owes_update || r->write.sequence >= MOST_A_KEY);
}

size_t ed_tls_seal_update(struct ed_tls_records *r, char *out)
{
    uint8_t update[KEY_UPDATE_LEN] = {KEY_UPDATE, 0, 0, 1, 0};
    size_t len = seal_message(r, HANDSHAKE, update, sizeof(update), out);

    if (!len || !update_keys(r, &r->write))
        return 0;
    r->owes_update = false;
    return len;
}

size_t ed_tls_seal_end(struct ed_tls_records *r, char *out)
{
    uint8_t alert[2] = {WARNING, CLOSE_NOTIFY};

    r->said_end = true;
    return seal_message(r, ALERT, alert, sizeof(alert), out);
}

size_t ed_tls_seal_alert(struct ed_tls_records *r, char *out)
{
    uint8_t alert[2] = {FATAL, r->last_alert};

    if (!r->last_alert || r->said_end)
        return 0;
    return seal_message(r, ALERT, alert, sizeof(alert), out);
}
