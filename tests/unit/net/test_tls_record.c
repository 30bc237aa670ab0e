/*
 * test_tls_record.c - records of TLS 1.3: against the traces of RFC 8448,
 * against themselves with the sides exchanged, and against what must not come.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/tls_record.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { AES_128 = 0x1301, AES_256 = 0x1302, CHACHA = 0x1303, ROOM = 20000 };

/* The alerts (RFC 8446, 6). */
enum {
    UNEXPECTED_MESSAGE = 10,
    BAD_RECORD_MAC = 20,
    RECORD_OVERFLOW = 22,
    ILLEGAL_PARAMETER = 47,
    DECODE_ERROR = 50,
};

static struct ed_tls_ciphers ciphers;

/* A server and, with the secrets exchanged, its client. */
struct sides {
    struct ed_tls_records server, client;
};

static void open_sides(struct sides *s, uint32_t suite)
{
    struct ed_tls_secrets secrets = {0}, exchanged = {0};

    for (int i = 0; i < ED_TLS_SECRET_MAX; i++) {
        secrets.client[i] = exchanged.server[i] = (uint8_t)(i * 7);
        secrets.server[i] = exchanged.client[i] = (uint8_t)(i * 11 + 1);
    }
    assert_int_equal(
        ed_tls_records_begin(&s->server, &ciphers, suite, &secrets), 0);
    assert_int_equal(
        ed_tls_records_begin(&s->client, &ciphers, suite, &exchanged), 0);
}

static void close_sides(struct sides *s)
{
    ed_tls_records_end(&s->server);
    ed_tls_records_end(&s->client);
}

static size_t seal_text(struct ed_tls_records *r, const char *text, size_t len,
                        char *out)
{
    struct iovec iov[2] = {{(void *)text, len / 3},
                           {(char *)text + len / 3, len - len / 3}};
    struct ed_tls_cursor cursor = {.iov = iov, .count = 2};

    return ed_tls_seal_data(r, &cursor, out);
}

/* Opens one record in a block of just its size. */
static int open_one(struct ed_tls_records *r, const char *record, size_t len,
                    char *data, size_t *data_len)
{
    struct ed_bytes text = {0};
    char *copy = malloc(len ? len : 1);

    memcpy(copy, record, len);
    int content = (int)ed_tls_record_length(r, ed_bytes_of(copy, len));
    if (content > 0) {
        assert_int_equal(content, len);
        content = ed_tls_record_open(r, copy, len, &text);
    }
    if (content == ED_TLS_DATA && data) {
        memcpy(data, text.ptr, text.len);
        *data_len = text.len;
    }
    free(copy);
    return content;
}

/* Seals a record of any type and padding, as a client would that knows no
 * shame; with AES-128. */
static size_t seal_raw(struct ed_tls_records *r, uint8_t type, const void *text,
                       size_t len, size_t padding, char *out)
{
    uint8_t nonce[12], *o = (uint8_t *)out;
    size_t sealed = len + 1 + padding + 16;
    static uint8_t plain[ROOM];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n;

    memcpy(nonce, r->write.iv, 12);
    for (int i = 0; i < 8; i++)
        nonce[11 - i] ^= (uint8_t)(r->write.sequence >> 8 * i);
    r->write.sequence++;
    memcpy(plain, text, len);
    plain[len] = type;
    memset(plain + len + 1, 0, padding);
    memcpy(o, (uint8_t[]){23, 3, 3, (uint8_t)(sealed >> 8), (uint8_t)sealed},
           5);
    EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, r->write.key, nonce);
    EVP_EncryptUpdate(ctx, NULL, &n, o, 5);
    EVP_EncryptUpdate(ctx, o + 5, &n, plain, (int)(len + 1 + padding));
    EVP_EncryptFinal_ex(ctx, o + 5 + n, &n);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16,
                        o + 5 + len + 1 + padding);
    EVP_CIPHER_CTX_free(ctx);
    return 5 + sealed;
}

/* ---- the traces of RFC 8448, section 3 ---- */

static const uint8_t client_secret[] = {
    0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d, 0xc0, 0x5a, 0xf8,
    0x88, 0x9b, 0xce, 0x65, 0x52, 0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf,
    0x00, 0x87, 0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5};
static const uint8_t server_secret[] = {
    0xa1, 0x1a, 0xf9, 0xf0, 0x55, 0x31, 0xf8, 0x56, 0xad, 0x47, 0x11,
    0x6b, 0x45, 0xa9, 0x50, 0x32, 0x82, 0x04, 0xb4, 0xf4, 0x4b, 0xfb,
    0x6b, 0x3a, 0x4b, 0x4f, 0x1f, 0x3f, 0xcb, 0x63, 0x16, 0x43};
static const uint8_t client_record[] = {
    0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94,
    0xd0, 0xaf, 0xfa, 0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea,
    0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc, 0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8,
    0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20, 0x44, 0x1e, 0x2b,
    0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
    0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4};
static const uint8_t server_record[] = {
    0x17, 0x03, 0x03, 0x00, 0x43, 0x2e, 0x93, 0x7e, 0x11, 0xef, 0x4a, 0xc7,
    0x40, 0xe5, 0x38, 0xad, 0x36, 0x00, 0x5f, 0xc4, 0xa4, 0x69, 0x32, 0xfc,
    0x32, 0x25, 0xd0, 0x5f, 0x82, 0xaa, 0x1b, 0x36, 0xe3, 0x0e, 0xfa, 0xf9,
    0x7d, 0x90, 0xe6, 0xdf, 0xfc, 0x60, 0x2d, 0xcb, 0x50, 0x1a, 0x59, 0xa8,
    0xfc, 0xc4, 0x9c, 0x4b, 0xf2, 0xe5, 0xf0, 0xa2, 0x1c, 0x00, 0x47, 0xc2,
    0xab, 0xf3, 0x32, 0x54, 0x0d, 0xd0, 0x32, 0xe1, 0x67, 0xc2, 0x95, 0x5d};

static void the_traces_of_rfc_8448_are_opened_and_sealed(void **state)
{
    struct ed_tls_secrets secrets = {.written = 1}; /* the ticket */
    struct ed_tls_records r;
    char text[50], data[100], out[100];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)i;
    memcpy(secrets.client, client_secret, sizeof(client_secret));
    memcpy(secrets.server, server_secret, sizeof(server_secret));
    assert_int_equal(ed_tls_records_begin(&r, &ciphers, AES_128, &secrets), 0);
    assert_int_equal(open_one(&r, (const char *)client_record,
                              sizeof(client_record), data, &len),
                     ED_TLS_DATA);
    assert_int_equal(len, sizeof(text));
    assert_memory_equal(data, text, sizeof(text));
    assert_int_equal(seal_text(&r, text, sizeof(text), out),
                     sizeof(server_record));
    assert_memory_equal(out, server_record, sizeof(server_record));
    ed_tls_records_end(&r);
}

/* ---- what may come ---- */

static void what_one_side_seals_the_other_opens(void **state)
{
    static const size_t sizes[] = {1, 2, 15, 16, 17, 1000, 16383, 16384};
    static char text[ROOM], record[ROOM], data[ROOM];
    struct sides s;
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 31);
    for (uint32_t suite = AES_128; suite <= CHACHA; suite++) {
        open_sides(&s, suite);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            size_t n = seal_text(&s.server, text, sizes[i], record);
            assert_int_equal(n, sizes[i] + ED_TLS_RECORD_EXTRA);
            assert_int_equal(open_one(&s.client, record, n, data, &len),
                             ED_TLS_DATA);
            assert_int_equal(len, sizes[i]);
            assert_memory_equal(data, text, len);
            n = seal_text(&s.client, text, sizes[i], record);
            assert_int_equal(open_one(&s.server, record, n, data, &len),
                             ED_TLS_DATA);
            assert_memory_equal(data, text, len);
        }
        close_sides(&s);
    }
}

static void no_record_is_longer_than_allowed(void **state)
{
    static char text[ROOM], record[ROOM];
    struct iovec iov = {text, sizeof(text)};
    struct ed_tls_cursor cursor = {.iov = &iov, .count = 1};
    struct sides s;

    (void)state;
    open_sides(&s, AES_128);
    assert_int_equal(ed_tls_seal_data(&s.server, &cursor, record),
                     ED_TLS_PLAIN + ED_TLS_RECORD_EXTRA);
    assert_int_equal(cursor.offset, ED_TLS_PLAIN);
    assert_int_equal(ed_tls_seal_data(&s.server, &cursor, record),
                     ROOM - ED_TLS_PLAIN + ED_TLS_RECORD_EXTRA);
    close_sides(&s);
}

static void more_connections_than_slots_do_not_mix_their_keys(void **state)
{
    enum { MANY = ED_TLS_CIPHER_SLOTS + 10 };
    static struct sides all[MANY];
    char record[100], data[100];
    size_t len;

    (void)state;
    for (int i = 0; i < MANY; i++)
        open_sides(&all[i], AES_128 + (uint32_t)i % 3);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            size_t n = seal_text(&all[i].server, "hello", 5, record);
            assert_int_equal(open_one(&all[i].client, record, n, data, &len),
                             ED_TLS_DATA);
            assert_memory_equal(data, "hello", 5);
        }
    }
    for (int i = 0; i < MANY; i++)
        close_sides(&all[i]);
}

static void keys_change_in_step_on_both_sides(void **state)
{
    static const uint8_t ask[] = {24, 0, 0, 1, 1};
    char record[100], data[100];
    struct sides s;
    size_t len;

    (void)state;
    open_sides(&s, AES_128);
    for (int i = 0; i < 5; i++) {
        uint8_t before[32];
        memcpy(before, s.server.write.key, 32);
        size_t n = ed_tls_seal_update(&s.server, record);
        assert_int_not_equal(n, 0);
        assert_memory_not_equal(before, s.server.write.key, 16);
        assert_int_equal(open_one(&s.client, record, n, NULL, NULL),
                         ED_TLS_NOTHING);
        assert_false(ed_tls_update_is_due(&s.client));
        n = seal_text(&s.server, "new", 3, record);
        assert_int_equal(open_one(&s.client, record, n, data, &len),
                         ED_TLS_DATA);
    }
    size_t n = seal_raw(&s.client, 22, ask, sizeof(ask), 0, record);
    assert_int_equal(open_one(&s.server, record, n, NULL, NULL),
                     ED_TLS_NOTHING);
    assert_true(ed_tls_update_is_due(&s.server));
    n = ed_tls_seal_update(&s.server, record);
    assert_false(ed_tls_update_is_due(&s.server));
    assert_int_equal(open_one(&s.client, record, n, NULL, NULL),
                     ED_TLS_NOTHING);
    close_sides(&s);
}

static void an_update_may_come_in_pieces_with_nothing_between(void **state)
{
    static const char update[] = "\30\0\0\1\1";
    char record[100], data[100];
    struct sides s;
    size_t n, len;

    (void)state;
    open_sides(&s, AES_128);
    for (size_t i = 0; i < 5; i++) {
        n = seal_raw(&s.client, 22, update + i, 1, i, record);
        assert_false(ed_tls_update_is_due(&s.server));
        assert_int_equal(open_one(&s.server, record, n, NULL, NULL),
                         ED_TLS_NOTHING);
    }
    assert_true(ed_tls_update_is_due(&s.server));
    /* The client's own, in the place of the one just sent. */
    s.client.write.sequence = 0;
    ed_tls_seal_update(&s.client, record);
    n = seal_text(&s.client, "new", 3, record);
    assert_int_equal(open_one(&s.server, record, n, data, &len), ED_TLS_DATA);

    n = seal_raw(&s.client, 22, update, 4, 0, record);
    assert_int_equal(open_one(&s.server, record, n, NULL, NULL),
                     ED_TLS_NOTHING);
    n = seal_text(&s.client, "between", 7, record);
    assert_int_equal(open_one(&s.server, record, n, NULL, NULL), ED_ETLS);
    assert_int_equal(s.server.last_alert, UNEXPECTED_MESSAGE);
    close_sides(&s);
}

static void keys_are_not_used_for_ever(void **state)
{
    struct sides s;

    (void)state;
    open_sides(&s, AES_128);
    s.server.write.sequence = (1 << 23) - 1;
    assert_false(ed_tls_update_is_due(&s.server));
    char record[100];
    seal_text(&s.server, "x", 1, record);
    assert_true(ed_tls_update_is_due(&s.server));
    ed_tls_seal_update(&s.server, record);
    assert_false(ed_tls_update_is_due(&s.server));
    close_sides(&s);
}

static void padding_is_taken_off(void **state)
{
    static char record[ROOM];
    char data[100];
    struct sides s;
    size_t len;

    (void)state;
    open_sides(&s, AES_128);
    for (size_t padding = 0; padding < 16000; padding = padding * 2 + 1) {
        size_t n = seal_raw(&s.client, 23, "zero\0", 5, padding, record);
        assert_int_equal(open_one(&s.server, record, n, data, &len),
                         ED_TLS_DATA);
        assert_int_equal(len, 5);
    }
    close_sides(&s);
}

static void a_close_is_told_from_other_alerts(void **state)
{
    struct sides s;
    char record[100];

    (void)state;
    open_sides(&s, AES_128);
    size_t n = ed_tls_seal_end(&s.client, record);
    assert_int_equal(open_one(&s.server, record, n, NULL, NULL), ED_TLS_END);
    n = seal_raw(&s.client, 21, "\1\132", 2, 0, record); /* user_canceled */
    assert_int_equal(open_one(&s.server, record, n, NULL, NULL),
                     ED_TLS_NOTHING);
    n = seal_raw(&s.client, 21, "\1\50", 2, 0, record);
    assert_int_equal(open_one(&s.server, record, n, NULL, NULL), ED_ETLS);
    assert_int_equal(ed_tls_seal_alert(&s.server, record), 0);
    close_sides(&s);
}

/* ---- what must not ---- */

static void anything_changed_is_refused(void **state)
{
    char record[100], changed[100];
    struct sides s;

    (void)state;
    open_sides(&s, AES_128);
    size_t n = seal_text(&s.client, "hello", 5, record);
    for (size_t at = 0; at < n; at++) {
        if (at == 3 || at == 4)
            continue; /* the length, which makes it another record */
        memcpy(changed, record, n);
        changed[at] ^= 1;
        s.server.last_alert = 0;
        assert_int_equal(open_one(&s.server, changed, n, NULL, NULL), ED_ETLS);
        assert_int_equal(s.server.last_alert,
                         at ? BAD_RECORD_MAC : UNEXPECTED_MESSAGE);
    }
    assert_int_equal(open_one(&s.server, record, n, changed, &n), ED_TLS_DATA);
    close_sides(&s);
}

static void a_record_is_opened_once_and_in_its_turn(void **state)
{
    char first[100], second[100], data[100];
    struct sides s;
    size_t len;

    (void)state;
    open_sides(&s, AES_128);
    size_t n = seal_text(&s.client, "first", 5, first);
    seal_text(&s.client, "other", 5, second);
    assert_int_equal(open_one(&s.server, second, n, NULL, NULL), ED_ETLS);
    assert_int_equal(open_one(&s.server, first, n, data, &len), ED_TLS_DATA);
    assert_int_equal(open_one(&s.server, first, n, NULL, NULL), ED_ETLS);
    close_sides(&s);
}

/* Opens a record of a client without shame, and returns the alert. */
static int alert_for(uint8_t type, const char *text, size_t len, size_t padding)
{
    static char record[ROOM];
    struct sides s;

    open_sides(&s, AES_128);
    size_t n = seal_raw(&s.client, type, text, len, padding, record);
    assert_int_equal(open_one(&s.server, record, n, NULL, NULL), ED_ETLS);
    int alert = s.server.last_alert;
    assert_int_not_equal(ed_tls_seal_alert(&s.server, record), 0);
    close_sides(&s);
    return alert;
}

static void each_breach_has_its_alert(void **state)
{
    static char much[ED_TLS_PLAIN + 200];

    (void)state;
    /* No type at all; types that are none, or over. */
    assert_int_equal(alert_for(0, "", 0, 0), UNEXPECTED_MESSAGE);
    assert_int_equal(alert_for(0, "\0\0\0", 3, 20), UNEXPECTED_MESSAGE);
    assert_int_equal(alert_for(20, "\1", 1, 0), UNEXPECTED_MESSAGE);
    assert_int_equal(alert_for(24, "x", 1, 0), UNEXPECTED_MESSAGE);
    /* Messages of a handshake: a hello, nothing, one update and more. */
    assert_int_equal(alert_for(22, "\1\0\0\1\0", 5, 0), UNEXPECTED_MESSAGE);
    assert_int_equal(alert_for(22, "", 0, 0), UNEXPECTED_MESSAGE);
    assert_int_equal(alert_for(22, "\30\0\0\1\0\30\0\0\1\0", 10, 0),
                     UNEXPECTED_MESSAGE);
    assert_int_equal(alert_for(22, "\30\0\0\2\0", 5, 0), DECODE_ERROR);
    assert_int_equal(alert_for(22, "\30\0\0\1\2", 5, 0), ILLEGAL_PARAMETER);
    /* Alerts that are none. */
    assert_int_equal(alert_for(21, "", 0, 0), UNEXPECTED_MESSAGE);
    assert_int_equal(alert_for(21, "\1", 1, 0), DECODE_ERROR);
    assert_int_equal(alert_for(21, "\1\0\1", 3, 0), DECODE_ERROR);
    /* Longer than a record may be, with and without padding. */
    assert_int_equal(alert_for(23, much, ED_TLS_PLAIN + 1, 0), RECORD_OVERFLOW);
    assert_int_equal(alert_for(23, much, 10, ED_TLS_PLAIN), RECORD_OVERFLOW);
}

static void headers_are_judged_before_anything_is_waited_for(void **state)
{
    static const struct {
        const char *head;
        ssize_t length;
        int alert;
    } rows[] = {
        {"\x17\3\3\0\x11", 22, 0},
        {"\x17\3\1\0\x11", 22, 0}, /* the version means nothing */
        {"\x17\3\3\x41\0", 5 + 16640, 0},
        {"\x17\3\3\x41\1", ED_ETLS, RECORD_OVERFLOW},
        {"\x17\3\3\xff\xff", ED_ETLS, RECORD_OVERFLOW},
        {"\x17\3\3\0\x10", ED_ETLS, BAD_RECORD_MAC},
        {"\x17\3\3\0\0", ED_ETLS, BAD_RECORD_MAC},
        {"\x14\3\3\0\1", ED_ETLS, UNEXPECTED_MESSAGE},
        {"\x15\3\3\0\2", ED_ETLS, UNEXPECTED_MESSAGE},
        {"\x16\3\3\0\x20", ED_ETLS, UNEXPECTED_MESSAGE},
        {"GET /", ED_ETLS, UNEXPECTED_MESSAGE},
    };
    struct sides s;

    (void)state;
    open_sides(&s, AES_128);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        s.server.last_alert = 0;
        assert_int_equal(
            ed_tls_record_length(&s.server, ed_bytes_of(rows[i].head, 5)),
            rows[i].length);
        assert_int_equal(s.server.last_alert, rows[i].alert);
        assert_int_equal(
            ed_tls_record_length(&s.server, ed_bytes_of(rows[i].head, 4)), 0);
    }
    close_sides(&s);
}

static void records_without_data_are_bounded(void **state)
{
    char record[100], data[100];
    struct sides s;
    size_t n, len, count = 0;

    (void)state;
    open_sides(&s, AES_128);
    for (int i = 0; i < 32; i++) {
        n = seal_raw(&s.client, 23, "", 0, 1, record);
        assert_int_equal(open_one(&s.server, record, n, NULL, NULL),
                         ED_TLS_NOTHING);
    }
    n = seal_text(&s.client, "x", 1, record);
    assert_int_equal(open_one(&s.server, record, n, data, &len), ED_TLS_DATA);
    do
        n = ed_tls_seal_update(&s.client, record);
    while (open_one(&s.server, record, n, NULL, NULL) == ED_TLS_NOTHING &&
           ++count < 100);
    assert_int_equal(count, 32);
    assert_int_equal(s.server.last_alert, UNEXPECTED_MESSAGE);
    close_sides(&s);
}

/* The alert for it, too, comes behind a close. */
static void nothing_is_due_after_the_end(void **state)
{
    static const uint8_t ask[] = {24, 0, 0, 1, 1};
    struct sides s;
    char record[100];

    (void)state;
    open_sides(&s, AES_128);
    ed_tls_seal_end(&s.server, record);
    size_t n = seal_raw(&s.client, 22, ask, sizeof(ask), 0, record);
    assert_int_equal(open_one(&s.server, record, n, NULL, NULL),
                     ED_TLS_NOTHING);
    assert_false(ed_tls_update_is_due(&s.server));
    s.server.write.sequence = 1 << 24;
    assert_false(ed_tls_update_is_due(&s.server));
    n = seal_raw(&s.client, 23, "", 0, 0, record);
    record[n - 1] ^= 1;
    assert_int_equal(open_one(&s.server, record, n, NULL, NULL), ED_ETLS);
    assert_int_equal(ed_tls_seal_alert(&s.server, record), 0);
    close_sides(&s);
}

/* ---- without memory ---- */

static int allocations = -1; /* that succeed; negative: all */

static void *scarce_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    if (allocations == 0)
        return NULL;
    allocations -= allocations > 0;
    return malloc(size);
}

static void *scarce_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    if (size)
        return allocations ? realloc(old, size) : NULL;
    free(old);
    return NULL;
}

static void scarce_free(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    free(memory);
}

/* Wherever a change of keys breaks off, what is sealed afterwards, if anything,
 * is the next record of the keys there were. */
static void keys_that_could_not_be_changed_do_not_begin_again(void **state)
{
    char record[100], data[100];
    struct sides s;
    size_t n, len, changed = 0;
    unsigned refused = 0;

    (void)state;
    for (int most = 0; !changed; most++) {
        open_sides(&s, AES_128);
        n = seal_text(&s.server, "first", 5, record);
        assert_int_equal(open_one(&s.client, record, n, data, &len),
                         ED_TLS_DATA);
        allocations = most;
        changed = ed_tls_seal_update(&s.server, record);
        allocations = -1;
        if (changed)
            assert_int_equal(open_one(&s.client, record, changed, NULL, NULL),
                             ED_TLS_NOTHING);
        n = seal_text(&s.server, "second", 6, record);
        refused += !n;
        if (n)
            assert_int_equal(open_one(&s.client, record, n, data, &len),
                             ED_TLS_DATA);
        close_sides(&s);
    }
    assert_true(refused > 0);
}

static void a_suite_of_other_versions_is_not_taken_over(void **state)
{
    struct ed_tls_secrets secrets = {0};
    struct ed_tls_records r;

    (void)state;
    assert_int_equal(ed_tls_records_begin(&r, &ciphers, 0xc02f, &secrets),
                     ED_EUSAGE);
    assert_int_equal(ed_tls_records_begin(&r, &ciphers, 0x1304, &secrets),
                     ED_EUSAGE);
}

static void nothing_of_a_secret_is_left(void **state)
{
    struct sides s;
    const char *bytes = (const char *)&s;

    (void)state;
    open_sides(&s, AES_256);
    char record[100];
    seal_text(&s.server, "x", 1, record);
    close_sides(&s);
    for (size_t i = 0; i < sizeof(s); i++)
        assert_int_equal(bytes[i], 0);
    for (int i = 0; i < ED_TLS_CIPHER_SLOTS; i++)
        assert_null(ciphers.slots[i].ctx);
}

static int free_ciphers(void **state)
{
    (void)state;
    ed_tls_ciphers_free(&ciphers);
    memset(&ciphers, 0, sizeof(ciphers));
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, free_ciphers)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_traces_of_rfc_8448_are_opened_and_sealed),
        TEST(what_one_side_seals_the_other_opens),
        TEST(no_record_is_longer_than_allowed),
        TEST(more_connections_than_slots_do_not_mix_their_keys),
        TEST(keys_change_in_step_on_both_sides),
        TEST(an_update_may_come_in_pieces_with_nothing_between),
        TEST(keys_are_not_used_for_ever),
        TEST(padding_is_taken_off),
        TEST(a_close_is_told_from_other_alerts),
        TEST(anything_changed_is_refused),
        TEST(a_record_is_opened_once_and_in_its_turn),
        TEST(each_breach_has_its_alert),
        TEST(headers_are_judged_before_anything_is_waited_for),
        TEST(records_without_data_are_bounded),
        TEST(nothing_is_due_after_the_end),
        TEST(keys_that_could_not_be_changed_do_not_begin_again),
        TEST(a_suite_of_other_versions_is_not_taken_over),
        TEST(nothing_of_a_secret_is_left),
    };

    if (!CRYPTO_set_mem_functions(scarce_malloc, scarce_realloc, scarce_free))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
