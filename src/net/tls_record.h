/*
 * tls_record.h - the records of TLS 1.3 once a handshake is over (RFC 8446,
 * section 5): opened and sealed by OpenSSL's ciphers, framed here.
 *
 * OpenSSL's object for a connection takes some 17 KB for as long as that lives,
 * nearly all of it for handshakes that never come. What is needed after the
 * first is a few hundred bytes: this. Bytes in, bytes out; nothing here
 * suspends or allocates, but for the ciphers' own state, which is kept for
 * connections at work only.
 */
#ifndef EDDY_NET_TLS_RECORD_H
#define EDDY_NET_TLS_RECORD_H

#include "net/tls_cursor.h"
#include <eddy/bytes.h>
#include <eddy/error.h>
#include <stdbool.h>
#include <stdint.h>

/* The most bytes of data in a record, and what sealing adds: header, type and
 * tag. */
#define ED_TLS_PLAIN         16384
#define ED_TLS_RECORD_HEADER 5
#define ED_TLS_RECORD_EXTRA  (ED_TLS_RECORD_HEADER + 1 + 16)

#define ED_TLS_SECRET_MAX 48

/* Keyed ciphers of a loop, a slot for each key in turn: a connection whose slot
 * another has taken meanwhile has its key set up anew, which costs some 180 ns.
 * Zeroed: empty. */
#define ED_TLS_CIPHER_SLOTS 256
struct ed_tls_ciphers {
    uint64_t keys; /* made so far; their ids */
    struct ed_tls_cipher_slot {
        uint64_t id; /* of the key that is set up; 0: none */
        struct evp_cipher_ctx_st *ctx;
        const struct ed_tls_suite *suite;
    } slots[ED_TLS_CIPHER_SLOTS];
};
void ed_tls_ciphers_free(struct ed_tls_ciphers *ciphers);

/* One direction of a connection. */
struct ed_tls_keys {
    uint64_t id; /* 0: none could be made, and nothing goes any more */
    uint64_t sequence;
    uint8_t iv[12];
    uint8_t key[32];
    uint8_t secret[ED_TLS_SECRET_MAX];
};

struct ed_tls_records {
    const struct ed_tls_suite *suite;
    struct ed_tls_ciphers *ciphers;
    struct ed_tls_keys read;
    struct ed_tls_keys write;
    bool owes_update; /* the peer has asked for new keys of ours */
    bool said_end;    /* and nothing may follow that (6.1) */
    uint8_t no_data;  /* records in a row that held none */
    uint8_t part_len; /* of an update of the peer's keys, in pieces */
    uint8_t part[5];
    uint8_t last_alert; /* to send after a failure; 0: none */
};

/* What a handshake leaves. */
struct ed_tls_secrets {
    uint8_t client[ED_TLS_SECRET_MAX]; /* CLIENT_TRAFFIC_SECRET_0 */
    uint8_t server[ED_TLS_SECRET_MAX];
    bool have_client;
    bool have_server;
    uint64_t written; /* records by the server under its secret */
};

/*
 * Takes over from a handshake as its server; `suite` is the number of the
 * cipher suite. The ciphers have to outlive it. 0, ED_EUSAGE for a suite that
 * is not TLS 1.3's own, or ED_ENOMEM.
 */
ED_CHECK int ed_tls_records_begin(struct ed_tls_records *r,
                                  struct ed_tls_ciphers *ciphers,
                                  uint32_t suite,
                                  const struct ed_tls_secrets *secrets);

/* Forgets all secrets. */
void ed_tls_records_end(struct ed_tls_records *r);

/* The length of the record that begins with these bytes, header included; 0
 * when more are needed to tell; or ED_ETLS: it is no record that may come. */
ED_CHECK ssize_t ed_tls_record_length(struct ed_tls_records *r,
                                      struct ed_bytes head);

enum ed_tls_content {
    ED_TLS_NOTHING, /* keys were changed, or it is empty */
    ED_TLS_DATA,
    ED_TLS_END, /* the peer sends no more */
};

/*
 * Opens a whole record where it lies; *data is the part of it that is data.
 * Returns enum ed_tls_content, or ED_ETLS: the peer broke the protocol,
 * somebody changed its bytes, or it sent an alert. Nothing can be read then,
 * and ed_tls_seal_alert() is to tell the peer.
 */
ED_CHECK int ed_tls_record_open(struct ed_tls_records *r, char *record,
                                size_t len, struct ed_bytes *data);

/* Sealing appends at `out` and returns the length there, or 0: no memory. */

/* One record of data, as much as fits, from the cursor on, which is moved. */
size_t ed_tls_seal_data(struct ed_tls_records *r, struct ed_tls_cursor *cursor,
                        char *out);

/* Whether our keys have to change before further data: the peer has asked, or
 * they have sealed all they safely may. */
bool ed_tls_update_is_due(const struct ed_tls_records *r);
size_t ed_tls_seal_update(struct ed_tls_records *r, char *out);

/* Nothing is due after the end. */
size_t ed_tls_seal_end(struct ed_tls_records *r, char *out);

/* The alert due after a failure; also 0 when none is, or it is too late for
 * it. */
size_t ed_tls_seal_alert(struct ed_tls_records *r, char *out);

#endif
