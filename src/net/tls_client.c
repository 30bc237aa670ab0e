/*
 * tls_client.c - what a client demands and offers: trusted issuers, the
 * server's name, protocols, a session to resume.
 */
#include "net/addr.h"
#include "net/tls_context.h"
#include "net/tls_sessions.h"
#include "core/runtime.h"
#include <eddy/error.h>
#include <dirent.h>
#include <openssl/err.h>
#include <stdlib.h>

/* The name and the protocols, which stand behind one another (tls.c). */
static struct ed_bytes session_key(const struct ed_tls_conn *conn)
{
    return ed_bytes_of(conn->server_name,
                       strlen(conn->server_name) + 1 + conn->alpn.len);
}

/* OpenSSL calls this for each ticket, in TLS 1.3 long after the handshake. */
static int session_came(SSL *ssl, SSL_SESSION *session)
{
    const struct ed_tls_conn *conn = ed_tls_conn_of(ssl);

    if (!conn->server_name)
        return 0;
    ed_tls_sessions_keep(conn->set->sessions, session_key(conn), session);
    return 1; /* the reference is ours */
}

/* Whether a directory has files by the hash of their certificate's name, as
 * "0a775a30.0", by which OpenSSL finds an issuer when it needs one. */
static bool is_hashed(const char *path)
{
    const struct dirent *entry;
    bool found = false;
    DIR *dir = opendir(path);

    while (dir && !found && (entry = readdir(dir)))
        found = strspn(entry->d_name, "0123456789abcdef") == 8 &&
                entry->d_name[8] == '.';
    if (dir)
        closedir(dir);
    return found;
}

/* The file with all of the system's issuers takes tens of milliseconds to read,
 * so it is left alone where their directory serves, and nobody says
 * otherwise. */
static int trust_system(struct ed_tls_set *set)
{
    bool by_directory = !getenv(X509_get_default_cert_file_env()) &&
                        !getenv(X509_get_default_cert_dir_env()) &&
                        is_hashed(X509_get_default_cert_dir());
    int done = by_directory ? SSL_CTX_set_default_verify_dir(set->ctx)
                            : SSL_CTX_set_default_verify_paths(set->ctx);

    if (done)
        return 0;
    return ed_tls_refuse("the system's trusted issuers: %s", ed_tls_reason());
}

static int trust_issuers(struct ed_tls_set *set)
{
    const char *path = set->owner->settings.ca;
    struct ed_tls_trust trust;

    if (!path)
        return trust_system(set);
    int err = ed_tls_trust_read(&trust, path);
    if (err)
        return err;
    SSL_CTX_set1_cert_store(set->ctx, trust.store);
    ed_tls_trust_free(&trust);
    return 0;
}

/* Nothing is demanded, so nothing need be computed. */
static int believe_all(X509_STORE_CTX *ctx, void *arg)
{
    (void)ctx, (void)arg;
    return 1;
}

static int setup_trust(struct ed_tls_set *set)
{
    if (set->owner->settings.no_verify) {
        SSL_CTX_set_verify(set->ctx, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_cert_verify_callback(set->ctx, believe_all, NULL);
        return 0;
    }
    ed_tls_verify_setup(set->ctx, SSL_VERIFY_PEER);
    return trust_issuers(set);
}

static int setup_sessions(struct ed_tls_set *set)
{
    if (set->owner->settings.no_resumption) {
        SSL_CTX_set_options(set->ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(set->ctx, SSL_SESS_CACHE_OFF);
        return 0;
    }
    set->sessions = ed_tls_sessions_new();
    if (!set->sessions)
        return ED_ENOMEM;
    SSL_CTX_set_session_cache_mode(set->ctx, SSL_SESS_CACHE_CLIENT |
                                                 SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(set->ctx, session_came);
    return 0;
}

int ed_tls_client_setup(struct ed_tls_set *set)
{
    int err = setup_trust(set);

    return err ? err : setup_sessions(set);
}

/* ---- one connection ---- */

static bool is_address(const char *name)
{
    struct ed_addr addr;

    return !ed_addr_parse_ip(&addr, ed_bytes(name), 0);
}

/* Names only (RFC 6066, 3), and without a final dot. */
static int ask_for(SSL *ssl, const char *name)
{
    char host[ED_HOST_MAX + 1];
    size_t len = strlen(name);

    if (name[len - 1] == '.')
        len--;
    memcpy(host, name, len);
    host[len] = '\0';
    return SSL_set_tlsext_host_name(ssl, host) ? 0 : ED_ENOMEM;
}

static int set_name(SSL *ssl, const struct ed_tls_conn *conn)
{
    const char *name = conn->server_name;
    bool verify = !conn->set->owner->settings.no_verify;
    int err = 0;

    if (!name)
        return verify ? ed_fail(ED_EUSAGE, "TLS: no name of the server to "
                                           "check its certificate for")
                      : 0;
    if (!is_address(name)) {
        if (!ed_host_is_name(ed_bytes(name)))
            return ed_fail(ED_EUSAGE, "TLS: '%s' is no name of a server", name);
        err = ask_for(ssl, name);
    }
    if (!err && verify)
        err = ed_tls_verify_name(ssl, name);
    return err;
}

static void resume(SSL *ssl, const struct ed_tls_conn *conn)
{
    SSL_SESSION *session;

    if (!conn->set->sessions || !conn->server_name)
        return;
    session = ed_tls_sessions_take(conn->set->sessions, session_key(conn));
    /* When it cannot be used the handshake is a whole one. */
    if (session && !SSL_set_session(ssl, session))
        ERR_clear_error();
    SSL_SESSION_free(session);
}

int ed_tls_client_connection(SSL *ssl, struct ed_tls_conn *conn)
{
    int err = set_name(ssl, conn);

    if (err)
        return err;
    if (conn->alpn.len && SSL_set_alpn_protos(ssl, (const void *)conn->alpn.ptr,
                                              (unsigned)conn->alpn.len))
        return ED_ENOMEM;
    resume(ssl, conn);
    SSL_set_connect_state(ssl);
    return 0;
}
