/*
 * tls_ssl.c - see tls_ssl.h.
 *
 * Owns the BIO, OpenSSL's notion of a transport, by which it takes from the
 * input and appends to the output.
 */
#include "net/tls_ssl.h"
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>

/* ---- the transport as OpenSSL sees it ---- */

static int wire_read(BIO *bio, char *buf, int len)
{
    struct ed_tls_wire *wire = BIO_get_data(bio);
    size_t n = len > 0 ? ed_tls_wire_take(wire, buf, (size_t)len) : 0;

    BIO_clear_retry_flags(bio);
    if (n)
        return (int)n;
    /* Also at the end of the stream, which is the stream's to judge. */
    BIO_set_retry_read(bio);
    return -1;
}

static int wire_write(BIO *bio, const char *bytes, int len)
{
    struct ed_tls_out *out = ed_tls_wire_out(BIO_get_data(bio));

    BIO_clear_retry_flags(bio);
    if (!out || len < 0)
        return -1;
    size_t room = sizeof(out->bytes) - out->len;
    size_t n = (size_t)len < room ? (size_t)len : room;
    if (!n) {
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(out->bytes + out->len, bytes, n);
    out->len += n;
    return (int)n;
}

static long wire_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static int method_type;

static void make_method(void)
{
    method_type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;
    BIO_METHOD *m = BIO_meth_new(method_type, "eddy stream");

    if (m && BIO_meth_set_read(m, wire_read) &&
        BIO_meth_set_write(m, wire_write) && BIO_meth_set_ctrl(m, wire_ctrl))
        method = m;
    else
        BIO_meth_free(m);
}

int ed_tls_ssl_attach(struct ssl_st *ssl, struct ed_tls_wire *wire)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (!bio)
        return ED_ENOMEM;
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return 0;
}

/* ---- the secrets of a handshake ---- */

/* What a line of a key log is about (NSS key log format); NULL: nothing we
 * want. */
static uint8_t *secret_of_line(struct ed_tls_secrets *secrets,
                               struct ed_bytes label)
{
    if (ed_bytes_equal(label, ED_BYTES("CLIENT_TRAFFIC_SECRET_0"))) {
        secrets->have_client = true;
        return secrets->client;
    }
    if (ed_bytes_equal(label, ED_BYTES("SERVER_TRAFFIC_SECRET_0"))) {
        secrets->have_server = true;
        return secrets->server;
    }
    return NULL;
}

/* Where the secrets of a connection are wanted; NULL: nowhere. Contexts serve
 * others than streams, too, with transports of other kinds. */
static struct ed_tls_secrets *wanted_by(const struct ssl_st *ssl)
{
    BIO *bio = SSL_get_rbio(ssl);

    if (!bio || BIO_method_type(bio) != method_type)
        return NULL;
    return ((struct ed_tls_wire *)BIO_get_data(bio))->secrets;
}

/* "LABEL CLIENT_RANDOM SECRET": the only way OpenSSL tells its secrets. */
static void secret_made(const struct ssl_st *ssl, const char *line)
{
    struct ed_tls_secrets *secrets = wanted_by(ssl);
    struct ed_bytes rest = ed_bytes(line);
    size_t len;

    if (!secrets)
        return;
    uint8_t *secret = secret_of_line(secrets, ed_bytes_cut(&rest, ' '));
    ed_bytes_cut(&rest, ' ');
    if (secret && OPENSSL_hexstr2buf_ex(secret, ED_TLS_SECRET_MAX, &len,
                                        rest.ptr, '\0') != 1)
        secrets->have_client = secrets->have_server = false;
}

/* Tickets are sealed by the secret that is ours from then on. */
static void record_passes(int write, int version, int type, const void *bytes,
                          size_t len, struct ssl_st *ssl, void *arg)
{
    struct ed_tls_secrets *secrets = wanted_by(ssl);

    (void)version, (void)bytes, (void)len, (void)arg;
    if (write && type == SSL3_RT_HEADER && secrets && secrets->have_server)
        secrets->written++;
}

void ed_tls_ssl_tell_secrets(struct ssl_ctx_st *ctx)
{
    SSL_CTX_set_keylog_callback(ctx, secret_made);
    SSL_CTX_set_msg_callback(ctx, record_passes);
}

/* Whether the client has asked for less in a record than all may hold
 * (RFC 6066, 4). */
static bool wants_short_records(struct ssl_st *ssl)
{
    return SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl)) !=
           TLSEXT_max_fragment_length_DISABLED;
}

uint32_t ed_tls_ssl_suite(struct ssl_st *ssl, const struct ed_tls_wire *wire)
{
    const struct ed_tls_secrets *secrets = wire->secrets;
    if (!secrets || !secrets->have_client || !secrets->have_server ||
        SSL_version(ssl) != TLS1_3_VERSION || SSL_has_pending(ssl) ||
        wants_short_records(ssl))
        return 0;
    return SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl));
}

/* ---- what streams ask for ---- */

static int result_of(struct ssl_st *ssl, int ret)
{
    switch (SSL_get_error(ssl, ret)) {
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        return -ENOBUFS;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return ED_ETLS;
    }
}

int ed_tls_ssl_handshake(struct ssl_st *ssl)
{
    /* SSL_get_error() looks at the queue, in which other users of the library
     * may have left theirs. */
    ERR_clear_error();
    int ret = SSL_do_handshake(ssl);
    if (ret == 1)
        return 0;
    int err = result_of(ssl, ret);
    return err ? err : ED_ETLS; /* closed in the middle of it */
}

ssize_t ed_tls_ssl_read(struct ssl_st *ssl, void *buf, size_t len)
{
    size_t n;

    ERR_clear_error();
    int ret = SSL_read_ex(ssl, buf, len, &n);
    return ret == 1 ? (ssize_t)n : result_of(ssl, 0);
}

/* Bytes to seal as one record: from where they lie, or, if they are several
 * small pieces, gathered. The cursor stays. */
static struct ed_bytes next_record(struct ed_tls_wire *wire,
                                   const struct ed_tls_cursor *cursor)
{
    struct ed_tls_cursor c = *cursor;
    char *gather = wire->shared->gather;
    const char *first = (char *)c.iov->iov_base + c.offset;
    size_t here = c.iov->iov_len - c.offset;
    size_t len = 0;

    if (here >= ED_TLS_PLAIN)
        return ed_bytes_of(first, ED_TLS_PLAIN);
    if (c.count == 1)
        return ed_bytes_of(first, here);
    while (len < ED_TLS_PLAIN && ed_tls_cursor_more(&c)) {
        size_t n = c.iov->iov_len - c.offset;
        if (n > ED_TLS_PLAIN - len)
            n = ED_TLS_PLAIN - len;
        memcpy(gather + len, (char *)c.iov->iov_base + c.offset, n);
        len += n;
        c.offset += n;
    }
    return ed_bytes_of(gather, len);
}

int ed_tls_ssl_seal(struct ssl_st *ssl, struct ed_tls_wire *wire,
                    struct ed_tls_cursor *cursor)
{
    while (ed_tls_cursor_more(cursor) && ed_tls_wire_has_room(wire)) {
        struct ed_bytes record = next_record(wire, cursor);
        size_t n;
        ERR_clear_error();
        int ret = SSL_write_ex(ssl, record.ptr, record.len, &n);
        if (ret != 1) {
            int err = result_of(ssl, 0);
            return err ? err : ED_ETLS;
        }
        wire->out->plain += n;
        ed_tls_cursor_skip(cursor, n);
    }
    return 0;
}

void ed_tls_ssl_say_end(struct ssl_st *ssl)
{
    ERR_clear_error();
    if (SSL_shutdown(ssl) < 0)
        ERR_clear_error();
}
