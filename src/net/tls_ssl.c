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

static void make_method(void)
{
    BIO_METHOD *m =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "eddy stream");

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
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_RELEASE_BUFFERS);
    return 0;
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
