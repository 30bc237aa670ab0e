/*
 * tls_codec.c - see tls_codec.h.
 */
#include "net/tls_codec.h"
#include "net/tls_ssl.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

/* What is left of a connection that has left OpenSSL. */
struct ed_tls_settled {
    struct ed_tls_records records;
    struct ed_tls_info info;
    struct ed_tls_peer *peer; /* NULL: showed no certificate */
    char texts[];             /* of the info */
};

/* ---- life ---- */

static void forget_secrets(struct ed_tls_codec *c)
{
    if (c->wire.secrets)
        OPENSSL_cleanse(c->wire.secrets, sizeof(*c->wire.secrets));
    free(c->wire.secrets);
    c->wire.secrets = NULL;
}

int ed_tls_codec_open(struct ed_tls_codec *c, SSL *ssl)
{
    *c = (struct ed_tls_codec){.ssl = ssl};
    int err = ed_tls_wire_open(&c->wire);
    if (!err)
        err = ed_tls_ssl_attach(ssl, &c->wire);
    if (!err && SSL_is_server(ssl)) {
        c->wire.secrets = calloc(1, sizeof(*c->wire.secrets));
        if (!c->wire.secrets)
            err = ED_ENOMEM;
    }
    if (err)
        ed_tls_codec_close(c);
    return err;
}

void ed_tls_codec_close(struct ed_tls_codec *c)
{
    SSL_free(c->ssl);
    if (c->settled) {
        ed_tls_records_end(&c->settled->records);
        free(c->settled->peer);
        free(c->settled);
    }
    free(c->plain);
    free(c->why);
    forget_secrets(c);
    if (c->wire.shared)
        ed_tls_wire_close(&c->wire);
    *c = (struct ed_tls_codec){0};
}

/* ---- the handshake, and leaving OpenSSL ---- */

static struct ed_tls_settled *settled_new(const struct ed_tls_info *info)
{
    size_t alpn = strlen(info->alpn) + 1, name = strlen(info->server_name) + 1;
    struct ed_tls_settled *s = calloc(1, sizeof(*s) + alpn + name);

    if (!s)
        return NULL;
    s->info = *info; /* version and cipher are OpenSSL's own constants */
    s->info.alpn = memcpy(s->texts, info->alpn, alpn);
    s->info.server_name = memcpy(s->texts + alpn, info->server_name, name);
    return s;
}

/* 0 or ED_ENOMEM. */
static int settle_peer(struct ed_tls_settled *s, SSL *ssl)
{
    struct ed_tls_peer peer;

    if (!ed_tls_peer_of(ssl, &peer))
        return 0;
    s->peer = malloc(sizeof(peer));
    if (!s->peer)
        return ED_ENOMEM;
    *s->peer = peer;
    return 0;
}

/* Leaves OpenSSL, if that can be done. */
static void settle(struct ed_tls_codec *c)
{
    struct ed_tls_info info;
    uint32_t suite = ed_tls_ssl_suite(c->ssl, &c->wire);

    if (!suite)
        return;
    ed_tls_info_of(c->ssl, &info);
    struct ed_tls_settled *s = settled_new(&info);
    if (!s)
        return;
    if (settle_peer(s, c->ssl) ||
        ed_tls_records_begin(&s->records, &c->wire.shared->ciphers, suite,
                             c->wire.secrets)) {
        free(s->peer);
        free(s);
        return;
    }
    SSL_free(c->ssl);
    c->ssl = NULL;
    c->settled = s;
}

int ed_tls_codec_handshake(struct ed_tls_codec *c, char why[ED_TLS_WHY])
{
    int err = ed_tls_ssl_handshake(c->ssl);

    if (err == -EAGAIN || err == -ENOBUFS)
        return err;
    err = err ? ed_tls_failure(c->ssl, why) : ed_tls_check(c->ssl, why);
    if (!err)
        settle(c);
    forget_secrets(c);
    return err;
}

void ed_tls_codec_info(const struct ed_tls_codec *c, struct ed_tls_info *out)
{
    if (c->settled)
        *out = c->settled->info;
    else
        ed_tls_info_of(c->ssl, out);
}

bool ed_tls_codec_peer(const struct ed_tls_codec *c, struct ed_tls_peer *out)
{
    if (!c->settled)
        return ed_tls_peer_of(c->ssl, out);
    if (c->settled->peer)
        *out = *c->settled->peer;
    return c->settled->peer;
}

/* ---- writing ---- */

/* Room for a record that is no data; NULL: there is none. */
static char *spare_room(struct ed_tls_codec *c)
{
    struct ed_tls_out *out = ed_tls_wire_out(&c->wire);

    if (!out || sizeof(out->bytes) - out->len < ED_TLS_EXTRA)
        return NULL;
    return out->bytes + out->len;
}

/* New keys of ours, if they are due. Those the peer has asked for while it
 * takes nothing can wait until it does. */
static int renew_keys(struct ed_tls_codec *c)
{
    struct ed_tls_records *r = &c->settled->records;

    if (!ed_tls_update_is_due(r))
        return 0;
    char *room = spare_room(c);
    if (!room)
        return c->wire.out ? 0 : ED_ENOMEM;
    size_t len = ed_tls_seal_update(r, room);
    c->wire.out->len += len;
    return len ? 0 : ED_ENOMEM;
}

static int seal_records(struct ed_tls_codec *c, struct ed_tls_cursor *cursor)
{
    struct ed_tls_out *out = c->wire.out;
    int err = renew_keys(c);

    while (!err && ed_tls_cursor_more(cursor) &&
           ed_tls_wire_has_room(&c->wire)) {
        size_t len = ed_tls_seal_data(&c->settled->records, cursor,
                                      out->bytes + out->len);
        if (!len)
            return ED_ENOMEM;
        out->len += len;
        out->plain += len - ED_TLS_RECORD_EXTRA;
    }
    return err;
}

/* OpenSSL has failed: what that means, with the reason kept. */
static int keep_failure(struct ed_tls_codec *c)
{
    char why[ED_TLS_WHY];
    int err = ed_tls_failure(c->ssl, why);

    if (!c->why)
        c->why = strdup(why); /* NULL: then there is just the error */
    return err;
}

int ed_tls_codec_seal(struct ed_tls_codec *c, struct ed_tls_cursor *cursor)
{
    if (!ed_tls_wire_out(&c->wire))
        return ED_ENOMEM;
    if (c->settled)
        return seal_records(c, cursor);
    int err = ed_tls_ssl_seal(c->ssl, &c->wire, cursor);
    return err == ED_ETLS ? keep_failure(c) : err;
}

void ed_tls_codec_say_end(struct ed_tls_codec *c)
{
    if (c->ssl) {
        ed_tls_ssl_say_end(c->ssl);
        return;
    }
    char *room = spare_room(c);
    if (room)
        c->wire.out->len += ed_tls_seal_end(&c->settled->records, room);
}

/* ---- reading ---- */

bool ed_tls_codec_has_input(const struct ed_tls_codec *c)
{
    return c->plain || ed_tls_wire_has_input(&c->wire) ||
           (c->ssl && SSL_has_pending(c->ssl));
}

static ssize_t read_ssl(struct ed_tls_codec *c, char *buf, size_t len)
{
    ssize_t n = ed_tls_ssl_read(c->ssl, buf, len);

    return n == ED_ETLS ? keep_failure(c) : n;
}

/* Opens the next record: enum ed_tls_content or an error. */
static int open_record(struct ed_tls_codec *c, struct ed_bytes *data)
{
    struct ed_tls_records *r = &c->settled->records;
    char *bytes;
    int err = ed_tls_wire_look(&c->wire, ED_TLS_RECORD_HEADER, &bytes);

    if (err)
        return err;
    ssize_t len =
        ed_tls_record_length(r, ed_bytes_of(bytes, ED_TLS_RECORD_HEADER));
    if (len < 0)
        return (int)len;
    err = ed_tls_wire_look(&c->wire, (size_t)len, &bytes);
    if (err)
        return err;
    ed_tls_wire_pass(&c->wire, (size_t)len);
    return ed_tls_record_open(r, bytes, (size_t)len, data);
}

/* Opens records up to one of data: its length, 0 at the end, or an error. */
static ssize_t open_data(struct ed_tls_codec *c, struct ed_bytes *data)
{
    int content;

    while ((content = open_record(c, data)) == ED_TLS_NOTHING) {
        int err = renew_keys(c); /* the peer may have asked for it */
        if (err)
            return err;
    }
    if (content == ED_ETLS) {
        char *room = spare_room(c);
        if (room)
            c->wire.out->len += ed_tls_seal_alert(&c->settled->records, room);
    }
    if (content < 0)
        return content;
    return content == ED_TLS_DATA ? (ssize_t)data->len : 0;
}

ssize_t ed_tls_codec_read_piece(struct ed_tls_codec *c, struct ed_bytes *piece)
{
    char *plain = c->wire.shared->plain;
    ssize_t n = (ssize_t)ed_tls_kept_take(&c->plain, plain, ED_TLS_PLAIN);

    if (!n && c->settled)
        return open_data(c, piece);
    if (!n)
        n = read_ssl(c, plain, ED_TLS_PLAIN);
    *piece = ed_bytes_of(plain, n > 0 ? (size_t)n : 0);
    return n;
}

ssize_t ed_tls_codec_read(struct ed_tls_codec *c, char *buf, size_t len)
{
    struct ed_bytes data;
    size_t kept = ed_tls_kept_take(&c->plain, buf, len);

    if (kept)
        return (ssize_t)kept;
    if (c->ssl)
        return read_ssl(c, buf, len); /* keeps the rest itself */
    ssize_t n = open_data(c, &data);
    if (n <= 0)
        return n;
    if (data.len < len)
        len = data.len;
    memcpy(buf, data.ptr, len);
    if (ed_tls_keep(&c->plain, data.ptr + len, data.len - len))
        return ED_ENOMEM;
    return (ssize_t)len;
}
