/*
 * tls_tickets.c - the keys that seal session tickets, and their rotation.
 *
 * Owns secrets and keys, which are erased as soon as their time is over.
 * Several threads use them, and processes forked from one another each keep
 * their own copy going by the clock; ed_tls_lock() guards them. Should the
 * clock be set back, the youngest keys stay in use.
 */
#include "net/tls_tickets.h"

#include "net/crypto.h"
#include "net/tls_context.h"
#include <eddy/clock.h>
#include <eddy/error.h>
#include <openssl/core_names.h>
#include <stdlib.h>

#define SECRET_BYTES 32

/*
 * A clock that jumps from 1970 to today, as on a board without a battery,
 * would make a random secret be followed through all epochs between, at 2 us
 * each. After that many a new one is drawn instead: processes then no longer
 * agree, and clients do whole handshakes.
 */
#define EPOCHS_MAX 10000

/* RFC 8446, 4.6.1: seven days, in seconds. */
#define LIFETIME_MAX 604800

struct ed_tls_tickets {
    atomic_uint refs;
    int64_t rotation;
    struct ed_buf given; /* the secret of a file; empty: random */
    /* Guarded from here on. */
    int64_t epoch;
    uint8_t secret[SECRET_BYTES]; /* random: of this epoch */
    struct ed_ticket_keys current;
    struct ed_ticket_keys previous;
};

/* ---- epochs ---- */

static int64_t epoch_of(const struct ed_tls_tickets *t, int64_t now)
{
    return now / t->rotation;
}

static int derive_keys(const uint8_t secret[SECRET_BYTES],
                       struct ed_ticket_keys *out)
{
    return ed_derive(ed_bytes_of(secret, SECRET_BYTES),
                     ED_BYTES("eddy ticket keys"), out, sizeof(*out));
}

/* The keys of any epoch, of a given secret. */
static int keys_of_epoch(const struct ed_tls_tickets *t, int64_t epoch,
                         struct ed_ticket_keys *out)
{
    static const char label[16] = "eddy epoch";
    uint8_t purpose[sizeof(label) + 16];
    uint8_t secret[SECRET_BYTES];

    /* The rotation as well, so that servers that differ in it share no keys. */
    memcpy(purpose, label, sizeof(label));
    for (int i = 0; i < 8; i++) {
        purpose[sizeof(label) + i] = (uint8_t)((uint64_t)epoch >> 8 * i);
        purpose[sizeof(label) + 8 + i] =
            (uint8_t)((uint64_t)t->rotation >> 8 * i);
    }
    int err = ed_derive(ed_buf_bytes(&t->given),
                        ed_bytes_of(purpose, sizeof(purpose)), secret,
                        sizeof(secret));
    if (!err)
        err = derive_keys(secret, out);
    ed_erase(secret, sizeof(secret));
    return err;
}

static int move_given(struct ed_tls_tickets *t, int64_t epoch)
{
    int err = keys_of_epoch(t, epoch - 1, &t->previous);

    if (!err)
        err = keys_of_epoch(t, epoch, &t->current);
    if (!err)
        t->epoch = epoch;
    return err;
}

/* Replaces the random secret by the next epoch's; there is no way back. */
static int step(struct ed_tls_tickets *t)
{
    uint8_t next[SECRET_BYTES];
    struct ed_ticket_keys keys;
    int err = ed_derive(ed_bytes_of(t->secret, SECRET_BYTES),
                        ED_BYTES("eddy next epoch"), next, sizeof(next));

    if (!err)
        err = derive_keys(next, &keys);
    if (!err) {
        t->epoch++;
        t->previous = t->current;
        t->current = keys;
        memcpy(t->secret, next, sizeof(next));
    }
    ed_erase(next, sizeof(next));
    ed_erase(&keys, sizeof(keys));
    return err;
}

static int draw(struct ed_tls_tickets *t, int64_t epoch)
{
    int err = ed_random(t->secret, sizeof(t->secret));

    if (!err)
        err = ed_random(&t->previous, sizeof(t->previous));
    if (!err)
        err = derive_keys(t->secret, &t->current);
    if (!err)
        t->epoch = epoch;
    return err;
}

/* Brings the keys up to the epoch of now. */
static int move(struct ed_tls_tickets *t, int64_t now)
{
    int64_t epoch = epoch_of(t, now);
    int err = 0;

    if (epoch <= t->epoch)
        return 0;
    if (t->given.len)
        return move_given(t, epoch);
    if (epoch - t->epoch > EPOCHS_MAX)
        return draw(t, epoch);
    while (!err && t->epoch < epoch)
        err = step(t);
    return err;
}

/* ---- keys ---- */

static int prepare(struct ed_tls_tickets *t, struct ed_bytes secret,
                   int64_t now)
{
    if (secret.len == 0)
        return draw(t, epoch_of(t, now));
    int err = ed_buf_add(&t->given, secret.ptr, secret.len);
    return err ? err : move_given(t, epoch_of(t, now));
}

int ed_tls_tickets_new(struct ed_tls_tickets **out, int64_t rotation,
                       struct ed_bytes secret, int64_t now)
{
    struct ed_tls_tickets *t = calloc(1, sizeof(*t));

    if (!t)
        return ED_ENOMEM;
    atomic_init(&t->refs, 1);
    t->rotation = rotation;
    int err = prepare(t, secret, now);
    if (err)
        ed_tls_tickets_unref(t);
    else
        *out = t;
    return err;
}

struct ed_tls_tickets *ed_tls_tickets_ref(struct ed_tls_tickets *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void ed_tls_tickets_unref(struct ed_tls_tickets *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
        return;
    ed_erase_buf(&t->given);
    ed_erase(t, sizeof(*t));
    free(t);
}

int ed_tls_tickets_seal(struct ed_tls_tickets *t, int64_t now,
                        struct ed_ticket_keys *out)
{
    ed_tls_lock();
    int err = move(t, now);
    if (!err)
        *out = t->current;
    ed_tls_unlock();
    return err;
}

enum ed_ticket_age ed_tls_tickets_find(struct ed_tls_tickets *t, int64_t now,
                                       const unsigned char name[ED_TICKET_NAME],
                                       struct ed_ticket_keys *out)
{
    enum ed_ticket_age age = ED_TICKET_UNKNOWN;

    ed_tls_lock();
    int err = move(t, now);
    if (!err && !memcmp(name, t->current.name, ED_TICKET_NAME)) {
        age = ED_TICKET_CURRENT;
        *out = t->current;
    } else if (!err && !memcmp(name, t->previous.name, ED_TICKET_NAME)) {
        age = ED_TICKET_OLD;
        *out = t->previous;
    }
    ed_tls_unlock();
    return age;
}

/* ---- OpenSSL's side ---- */

static bool use_keys(const struct ed_ticket_keys *keys, unsigned char *iv,
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
    char sha256[] = "SHA2-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, (void *)keys->mac,
                                sizeof(keys->mac)),
        OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256,
                               sizeof(sha256) - 1),
        OSSL_PARAM_END,
    };

    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, keys->cipher, iv,
                             sealing) &&
           EVP_MAC_CTX_set_params(mac, params);
}

/* OpenSSL's answers: keys found; none, do a whole handshake; found, and give a
 * new ticket. */
enum { WITHOUT = 0, FOUND = 1, RENEW = 2, FAILED = -1 };

static int seal(struct ed_tls_tickets *t, unsigned char *name,
                unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct ed_ticket_keys keys;

    if (ed_random(iv, EVP_MAX_IV_LENGTH) ||
        ed_tls_tickets_seal(t, ed_clock_realtime(), &keys))
        return WITHOUT;
    memcpy(name, keys.name, sizeof(keys.name));
    bool well = use_keys(&keys, iv, cipher, mac, 1);
    ed_erase(&keys, sizeof(keys));
    return well ? FOUND : FAILED;
}

/* In TLS 1.3 a client uses a ticket once, and needs a new one each time. */
static int unseal(struct ed_tls_tickets *t, const unsigned char *name,
                  unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                  bool once)
{
    struct ed_ticket_keys keys;
    enum ed_ticket_age age =
        ed_tls_tickets_find(t, ed_clock_realtime(), name, &keys);

    if (age == ED_TICKET_UNKNOWN)
        return WITHOUT;
    bool well = use_keys(&keys, iv, cipher, mac, 0);
    ed_erase(&keys, sizeof(keys));
    if (!well)
        return FAILED;
    return once || age == ED_TICKET_OLD ? RENEW : FOUND;
}

static int ticket_keys(SSL *ssl, unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
    struct ed_tls_tickets *t = ed_tls_conn_of(ssl)->set->tickets;

    if (sealing)
        return seal(t, name, iv, cipher, mac);
    return unseal(t, name, iv, cipher, mac, SSL_version(ssl) >= TLS1_3_VERSION);
}

/* A secret that is in memory only outlives a reload; a file is read again. */
static int tickets_of(struct ed_tls_set *set)
{
    const struct ed_tls_settings *settings = &set->owner->settings;
    int64_t now = ed_clock_realtime();
    struct ed_buf secret = {0};

    if (!settings->ticket_secret && set->owner->current) {
        set->tickets = ed_tls_tickets_ref(set->owner->current->tickets);
        return 0;
    }
    int err = settings->ticket_secret
                  ? ed_tls_secret_read(&secret, settings->ticket_secret)
                  : 0;
    if (!err)
        err = ed_tls_tickets_new(&set->tickets, settings->ticket_rotation,
                                 ed_buf_bytes(&secret), now);
    ed_erase_buf(&secret);
    return err == ED_EUSAGE ? ed_tls_refuse("the system has no random bytes")
                            : err;
}

int ed_tls_tickets_setup(struct ed_tls_set *set)
{
    int64_t rotation = set->owner->settings.ticket_rotation;

    if (rotation == 0) {
        SSL_CTX_set_options(set->ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(set->ctx, 0);
        return 0;
    }
    /* At least a second: OpenSSL's own unit. */
    int64_t lifetime = rotation / (ED_S / 2);
    SSL_CTX_set_timeout(set->ctx, lifetime < LIFETIME_MAX
                                      ? (long)lifetime + (lifetime == 0)
                                      : LIFETIME_MAX);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(set->ctx, ticket_keys);
    return tickets_of(set);
}
