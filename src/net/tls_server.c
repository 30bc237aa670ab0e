/*
 * tls_server.c - what a server decides during a handshake: which certificate
 * and protocol, whether to staple, which sessions may be resumed.
 *
 * The name asked for is looked at in the client's hello itself, before tickets
 * are: a ticket is good for the name it was given for only, and for the same
 * demands on clients (RFC 6066, 3; RFC 8446, 4.6.1). Both are in the scope of
 * its session, which OpenSSL calls the session id context.
 */
#include "base/hash.h"
#include "net/crypto.h"
#include "net/tls_context.h"
#include "net/tls_ssl.h"
#include "net/tls_tickets.h"
#include <eddy/clock.h>
#include <eddy/error.h>
#include <openssl/err.h>

/* Of a scope: what depends on the context, and the name's part behind it. */
#define SCOPE_DEMANDS 24
#define SCOPE_NAME    8

_Static_assert(SCOPE_DEMANDS + SCOPE_NAME == SSL_MAX_SID_CTX_LENGTH,
               "a scope fills what OpenSSL has for it");

/* ---- the name ---- */

/* The name in the hello's server_name extension (RFC 6066, 3); empty when
 * there is none, or nothing that OpenSSL will accept later on. */
static struct ed_bytes name_in_hello(SSL *ssl)
{
    const unsigned char *ext;
    size_t len;

    /* A list's length, the type 0, and a name's length stand before it. */
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &len) ||
        len < 5 || ext[2] != TLSEXT_NAMETYPE_host_name)
        return ed_bytes(NULL);
    size_t name = (size_t)ext[3] << 8 | ext[4];
    if (name > len - 5)
        return ed_bytes(NULL);
    return ed_bytes_of(ext + 5, name);
}

static bool same_choice(const struct ed_tls_choice *a,
                        const struct ed_tls_choice *b)
{
    return a->count == b->count &&
           !memcmp(a->list, b->list, a->count * sizeof(a->list[0]));
}

static bool show_certificates(SSL *ssl, const struct ed_tls_choice *choice)
{
    SSL_certs_clear(ssl);
    for (unsigned i = 0; i < choice->count; i++) {
        const struct ed_tls_identity *id = choice->list[i];

        if (!SSL_use_cert_and_key(ssl, id->certificate, id->key, id->chain, 1))
            return false;
    }
    return true;
}

/* Keyed, so that names cannot be made up to share a scope by those who do not
 * know the context's certificates of clients. */
static bool set_scope(SSL *ssl, const struct ed_tls_set *set,
                      struct ed_bytes name)
{
    unsigned char scope[SSL_MAX_SID_CTX_LENGTH];
    uint64_t key[2], hash;

    memcpy(scope, set->scope, SCOPE_DEMANDS);
    memcpy(key, set->scope, sizeof(key));
    hash = ed_siphash13(key, name);
    memcpy(scope + SCOPE_DEMANDS, &hash, SCOPE_NAME);
    return SSL_set_session_id_context(ssl, scope, sizeof(scope));
}

static int hello_arrived(SSL *ssl, int *alert, void *arg)
{
    const struct ed_tls_set *set = ed_tls_conn_of(ssl)->set;
    struct ed_bytes name = name_in_hello(ssl);
    const struct ed_tls_choice *choice = ed_tls_names_find(&set->names, name);

    (void)arg;
    *alert = SSL_AD_INTERNAL_ERROR;
    if (!set_scope(ssl, set, name))
        return SSL_CLIENT_HELLO_ERROR;
    /* Those of the fallback are the OpenSSL context's own. */
    if (!same_choice(choice, &set->names.fallback) &&
        !show_certificates(ssl, choice))
        return SSL_CLIENT_HELLO_ERROR;
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* Everything is decided by then; but only with this consent does OpenSSL keep
 * the name with the session and tell the client that it was understood. */
static int name_understood(SSL *ssl, int *alert, void *arg)
{
    (void)alert, (void)arg;
    return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

/* ---- the protocol ---- */

static int choose_protocol(SSL *ssl, const unsigned char **out,
                           unsigned char *out_len, const unsigned char *offered,
                           unsigned offered_len, void *arg)
{
    struct ed_bytes ours = ed_tls_conn_of(ssl)->alpn;
    unsigned char *chosen;

    (void)arg;
    if (ours.len == 0)
        return SSL_TLSEXT_ERR_NOACK;
    if (SSL_select_next_proto(&chosen, out_len, (const unsigned char *)ours.ptr,
                              (unsigned)ours.len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- the stapled response ---- */

static const struct ed_tls_identity *identity_shown(
    const struct ed_tls_names *names, const X509 *certificate)
{
    for (unsigned i = 0; i < names->count; i++) {
        if (names->all[i]->certificate == certificate)
            return names->all[i];
    }
    return NULL;
}

static int staple(SSL *ssl, void *arg)
{
    const struct ed_tls_identity *id = identity_shown(
        &ed_tls_conn_of(ssl)->set->names, SSL_get_certificate(ssl));

    (void)arg;
    if (!id || !id->ocsp || id->ocsp_until < ed_clock_realtime() / ED_S)
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *copy = OPENSSL_memdup(id->ocsp, id->ocsp_len);
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)id->ocsp_len);
    return SSL_TLSEXT_ERR_OK;
}

/* ---- clients that come back ---- */

/*
 * A ticket of TLS 1.3 brings the next one, so that a client could come back for
 * ever by what its certificate was worth on the first day. Tickets therefore
 * tell when the certificate was shown, and it is to be shown again after the
 * lifetime of a ticket, or once it has expired.
 */
static int give_ticket(SSL *ssl, void *arg)
{
    int64_t now = ed_clock_realtime();

    (void)arg;
    if (SSL_session_reused(ssl))
        return 1; /* the session tells already */
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &now,
                                           sizeof(now));
}

static bool shown_lately(SSL *ssl, SSL_SESSION *session)
{
    const X509 *certificate = SSL_SESSION_get0_peer(session);
    int64_t lifetime = SSL_CTX_get_timeout(SSL_get_SSL_CTX(ssl)) * ED_S;
    int64_t shown;
    void *data;
    size_t len;

    if (!certificate)
        return true;
    if (!SSL_SESSION_get0_ticket_appdata(session, &data, &len) ||
        len != sizeof(shown))
        return false;
    memcpy(&shown, data, sizeof(shown));
    return ed_clock_realtime() - shown < lifetime &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

static SSL_TICKET_RETURN take_ticket(SSL *ssl, SSL_SESSION *session,
                                     const unsigned char *name, size_t len,
                                     SSL_TICKET_STATUS status, void *arg)
{
    (void)name, (void)len, (void)arg;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (!shown_lately(ssl, session))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE
                                        : SSL_TICKET_RETURN_USE_RENEW;
}

/* ---- setting up ---- */

static int demand_certificates(struct ed_tls_set *set)
{
    const struct ed_tls_settings *settings = &set->owner->settings;
    struct ed_tls_trust trust = {0};
    int mode = SSL_VERIFY_PEER;

    if (settings->client_auth == ED_TLS_CLIENT_NONE)
        return 0;
    if (!settings->ca)
        return ed_tls_refuse("certificates of clients are asked for, but no "
                             "client_ca says who may sign them");
    int err = ed_tls_trust_read(&trust, settings->ca);
    if (err)
        return err;
    if (settings->client_auth == ED_TLS_CLIENT_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    ed_tls_verify_setup(set->ctx, mode);
    SSL_CTX_set1_cert_store(set->ctx, trust.store);
    SSL_CTX_set0_CA_list(set->ctx, trust.names);
    trust.names = NULL;
    memcpy(set->scope, trust.digest, sizeof(trust.digest));
    ed_tls_trust_free(&trust);
    return 0;
}

/* What sessions of other demands must not share. */
static int make_scope(struct ed_tls_set *set)
{
    uint8_t digest[ED_DIGEST_MAX];
    uint8_t demands[SSL_MAX_SID_CTX_LENGTH + 1];

    memcpy(demands, set->scope, sizeof(set->scope));
    demands[sizeof(set->scope)] = (uint8_t)set->owner->settings.client_auth;
    int len =
        ed_digest(ED_SHA256, ed_bytes_of(demands, sizeof(demands)), digest);
    if (len < 0)
        return len;
    memcpy(set->scope, digest, sizeof(set->scope));
    return 0;
}

int ed_tls_server_setup(struct ed_tls_set *set)
{
    SSL_CTX *ctx = set->ctx;
    int err = demand_certificates(set);

    if (!err)
        err = make_scope(set);
    if (err)
        return err;
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    ed_tls_ssl_tell_secrets(ctx);
    SSL_CTX_set_client_hello_cb(ctx, hello_arrived, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, name_understood);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    SSL_CTX_set_tlsext_status_cb(ctx, staple);
    if (set->owner->settings.client_auth != ED_TLS_CLIENT_NONE &&
        !SSL_CTX_set_session_ticket_cb(ctx, give_ticket, take_ticket, NULL))
        return ED_ENOMEM;
    return ed_tls_tickets_setup(set);
}
