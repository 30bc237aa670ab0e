/*
 * tls.c - TLS contexts: making them, reading their files again, and the
 * OpenSSL objects of connections.
 *
 * Owns contexts, sets and what hangs on connections; tls_context.h says how
 * they belong together. References are counted atomically. Which set is in use
 * is read and written under ed_tls_lock(); changes of a context, which read
 * files, happen one after the other under a lock of their own. Both locks are
 * of the process and held across fork(), so that no child finds one taken.
 */
#include "base/options.h"
#include "core/runtime.h"
#include "net/tls_context.h"
#include "net/tls_sessions.h"
#include "net/tls_tickets.h"
#include <eddy/error.h>
#include <eddy/log.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>

#define TLS_MAGIC 0x7153c0de

/* Of TLS 1.2: forward secrecy and authenticated encryption only. */
#define CIPHERS                                                  \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

/* Of TLS 1.3: all are good, so the cheapest first. */
#define SUITES                                       \
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:" \
    "TLS_CHACHA20_POLY1305_SHA256"

#define GROUPS "X25519:P-256:P-384"

/* 112 bits: RSA from 2048 bits on, no SHA-1. */
#define SECURITY_LEVEL 2

#define TICKET_ROTATION (12 * 60 * ED_MIN)

/* ---- locks ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

static int conn_index;
static pthread_once_t started = PTHREAD_ONCE_INIT;

void ed_tls_lock(void)
{
    pthread_mutex_lock(&lock);
}

void ed_tls_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

static void lock_all(void)
{
    pthread_mutex_lock(&changing);
    pthread_mutex_lock(&lock);
}

static void unlock_all(void)
{
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&changing);
}

static void conn_free(void *parent, void *data, CRYPTO_EX_DATA *all, int index,
                      long argl, void *argp);

/* The handlers come last: in the child of a fork meanwhile this is begun anew,
 * and they are not to be there twice. */
static void start(void)
{
    OPENSSL_init_crypto(0, NULL);
    conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, conn_free);
    pthread_atfork(lock_all, unlock_all, unlock_all);
}

void ed_tls_prepare(void)
{
    pthread_once(&started, start);
}

/* ---- what is wrong ---- */

int ed_tls_refuse(const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ERR_clear_error();
    if (!ed_fiber_self())
        ed_log_error("TLS: %s", text);
    return ed_fail(ED_ETLSCONFIG, "TLS: %s", text);
}

const char *ed_tls_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason ? reason : "unknown reason";
}

/* ---- references ---- */

static void tls_unref(ed_tls *tls)
{
    if (atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) > 1)
        return;
    ED_MAGIC_CLEAR(tls);
    ed_arena_free(tls->arena);
    free(tls);
}

static struct ed_tls_set *set_new(ed_tls *tls)
{
    struct ed_tls_set *set = calloc(1, sizeof(*set));

    if (!set)
        return NULL;
    atomic_init(&set->refs, 1);
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    set->owner = tls;
    return set;
}

static void set_unref(struct ed_tls_set *set)
{
    if (!set ||
        atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1)
        return;
    SSL_CTX_free(set->ctx);
    ed_tls_names_free(&set->names);
    if (set->tickets)
        ed_tls_tickets_unref(set->tickets);
    if (set->sessions)
        ed_tls_sessions_free(set->sessions);
    tls_unref(set->owner);
    free(set);
}

/* The set in use, as a reference. */
static struct ed_tls_set *current_set(ed_tls *tls)
{
    ed_tls_lock();
    struct ed_tls_set *set = tls->current;
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    ed_tls_unlock();
    return set;
}

static void use_set(ed_tls *tls, struct ed_tls_set *set)
{
    ed_tls_lock();
    struct ed_tls_set *old = tls->current;
    tls->current = set;
    ed_tls_unlock();
    set_unref(old);
}

/* ---- making sets ---- */

static int set_versions(SSL_CTX *ctx, const struct ed_tls_settings *settings)
{
    int min =
        settings->min_version == ED_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;

    SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
    if (!SSL_CTX_set_min_proto_version(ctx, min) ||
        !SSL_CTX_set_ciphersuites(ctx, SUITES))
        return ed_tls_refuse("%s", ed_tls_reason());
    if (!SSL_CTX_set_cipher_list(ctx, settings->ciphers ? settings->ciphers
                                                        : CIPHERS))
        return ed_tls_refuse("ciphers '%s': OpenSSL knows none of them",
                             settings->ciphers);
    if (!SSL_CTX_set1_groups_list(ctx,
                                  settings->groups ? settings->groups : GROUPS))
        return ed_tls_refuse("groups '%s': not all are known to OpenSSL",
                             settings->groups);
    return 0;
}

static int set_ctx(struct ed_tls_set *set)
{
    const struct ed_tls_settings *settings = &set->owner->settings;

    ERR_clear_error();
    set->ctx = SSL_CTX_new(settings->server ? TLS_server_method()
                                            : TLS_client_method());
    if (!set->ctx)
        return ED_ENOMEM;
    SSL_CTX_set_options(set->ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* The system's configuration may set it: ends would then be believed that
     * nobody has signed. */
    SSL_CTX_clear_options(set->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* The chain is what the file says, not what else is trusted. */
    SSL_CTX_set_mode(set->ctx, SSL_MODE_RELEASE_BUFFERS |
                                   SSL_MODE_ENABLE_PARTIAL_WRITE |
                                   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                   SSL_MODE_NO_AUTO_CHAIN);
    return set_versions(set->ctx, settings);
}

/* Makes OpenSSL present a certificate, which it may find too weak for. */
static int present(SSL_CTX *ctx, const struct ed_tls_identity *id)
{
    if (SSL_CTX_use_cert_and_key(ctx, id->certificate, id->key, id->chain, 1))
        return 0;
    return ed_tls_refuse("%s: %s", id->file, ed_tls_reason());
}

/* Reads a certificate and takes it in, if OpenSSL will be able to use it. */
static int read_identity(struct ed_tls_set *set,
                         const struct ed_tls_files *files)
{
    struct ed_tls_identity *id;
    int err = ed_tls_identity_read(&id, files);

    if (err)
        return err;
    SSL_CTX *trial = SSL_CTX_new(TLS_method());
    if (trial) {
        SSL_CTX_set_security_level(trial, SECURITY_LEVEL);
        err = present(trial, id);
        SSL_CTX_free(trial);
    } else {
        err = ED_ENOMEM;
    }
    if (!err)
        err = ed_tls_names_add(&set->names, id);
    ed_tls_identity_unref(id);
    return err;
}

/* Makes the OpenSSL context of a set that has its certificates. */
static int complete(struct ed_tls_set *set)
{
    const struct ed_tls_choice *fallback = &set->names.fallback;
    int err = set_ctx(set);

    for (unsigned i = 0; !err && i < fallback->count; i++)
        err = present(set->ctx, fallback->list[i]);
    if (err)
        return err;
    return set->owner->settings.server ? ed_tls_server_setup(set)
                                       : ed_tls_client_setup(set);
}

/* Makes a set of all files, as they are now. */
static int read_set(ed_tls *tls, struct ed_tls_set **out)
{
    struct ed_tls_set *set = set_new(tls);
    int err = set ? 0 : ED_ENOMEM;

    for (unsigned i = 0; !err && i < tls->file_count; i++)
        err = read_identity(set, &tls->files[i]);
    if (!err)
        err = complete(set);
    if (err)
        set_unref(set);
    else
        *out = set;
    return err;
}

/* Takes over from another set all that does not depend on the certificates for
 * other names than the first's. */
static void share(struct ed_tls_set *set, const struct ed_tls_set *from)
{
    set->ctx = from->ctx;
    SSL_CTX_up_ref(set->ctx);
    memcpy(set->scope, from->scope, sizeof(set->scope));
    if (from->tickets)
        set->tickets = ed_tls_tickets_ref(from->tickets);
}

/* Makes a set of the one in use and one more certificate. */
static int widen_set(ed_tls *tls, const struct ed_tls_files *files,
                     struct ed_tls_set **out)
{
    const struct ed_tls_set *from = tls->current;
    struct ed_tls_set *set = set_new(tls);
    int err = set ? 0 : ED_ENOMEM;

    for (unsigned i = 0; !err && i < from->names.count; i++)
        err = ed_tls_names_add(&set->names, from->names.all[i]);
    if (!err)
        err = read_identity(set, files);
    bool same = !err && set->names.fallback.count == from->names.fallback.count;
    if (same)
        share(set, from);
    else if (!err)
        err = complete(set);
    if (err)
        set_unref(set);
    else
        *out = set;
    return err;
}

/* ---- settings ---- */

/* Copies a text that may be missing; false without memory. */
static bool copy(ed_tls *tls, const char *text, const char **out)
{
    *out = text ? ed_arena_copy(tls->arena, ed_bytes(text)) : NULL;
    return *out || !text;
}

static int add_files(ed_tls *tls, const struct ed_tls_files *given)
{
    struct ed_tls_files *all =
        ed_arena_alloc(tls->arena, (tls->file_count + 1) * sizeof(*all));

    if (!all)
        return ED_ENOMEM;
    if (tls->file_count)
        memcpy(all, tls->files, tls->file_count * sizeof(*all));
    struct ed_tls_files *files = &all[tls->file_count];
    if (!copy(tls, given->certificate, &files->certificate) ||
        !copy(tls, given->key ? given->key : given->certificate, &files->key) ||
        !copy(tls, given->ocsp, &files->ocsp))
        return ED_ENOMEM;
    tls->files = all;
    tls->file_count++;
    return 0;
}

static int first_files(ed_tls *tls, const struct ed_tls_files *given)
{
    if (given->certificate)
        return add_files(tls, given);
    if (given->key)
        return ed_tls_refuse("%s: a key without a certificate", given->key);
    if (given->ocsp)
        return ed_tls_refuse("%s: an OCSP response without a certificate",
                             given->ocsp);
    return 0;
}

int ed_tls_alpn_parse(struct ed_buf *out, const char *text)
{
    struct ed_bytes rest = ed_bytes(text && *text ? text : NULL);

    while (rest.ptr) {
        struct ed_bytes name = ed_bytes_trim(ed_bytes_cut(&rest, ','));
        unsigned char len = (unsigned char)name.len;

        if (name.len == 0 || name.len > 255 || out->len + name.len > 65000)
            return ED_EPARSE;
        if (ed_buf_add(out, &len, 1) || ed_buf_add(out, name.ptr, name.len))
            return ED_ENOMEM;
    }
    return 0;
}

static int set_alpn(ed_tls *tls, const char *text)
{
    struct ed_buf wire = {0};
    int err = ed_tls_alpn_parse(&wire, text);

    if (err == ED_EPARSE)
        err = ed_tls_refuse("alpn '%s': names of 1 to 255 bytes, with commas "
                            "between, are needed",
                            text);
    if (!err && wire.len) {
        char *kept = ed_arena_copy(tls->arena, ed_buf_bytes(&wire));
        tls->settings.alpn = ed_bytes_of(kept, wire.len);
        err = kept ? 0 : ED_ENOMEM;
    }
    ed_buf_free(&wire);
    return err;
}

static int set_pins(ed_tls *tls, const char *const *texts)
{
    unsigned count = 0;

    while (texts && texts[count])
        count++;
    if (count == 0)
        return 0;
    struct ed_tls_pin *pins = ed_arena_alloc(tls->arena, count * sizeof(*pins));
    if (!pins)
        return ED_ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        int err = ed_tls_pin_parse(&pins[i], ed_bytes(texts[i]));
        if (err == ED_EPARSE)
            return ed_tls_refuse("pin '%s': neither sha256//BASE64 of a public "
                                 "key nor sha256:HEX of a certificate",
                                 texts[i]);
        if (err)
            return err;
    }
    tls->settings.pins = pins;
    tls->settings.pin_count = count;
    return 0;
}

static int64_t rotation_of(int64_t given)
{
    if (given < 0)
        return 0;
    return given ? given : TICKET_ROTATION;
}

static int take_server(ed_tls *tls, const struct ed_tls_server_options *o)
{
    struct ed_tls_settings *settings = &tls->settings;

    settings->server = true;
    settings->min_version = o->min_version;
    settings->client_auth = o->client_auth;
    settings->ticket_rotation = rotation_of(o->ticket_rotation);
    if (!copy(tls, o->ciphers, &settings->ciphers) ||
        !copy(tls, o->groups, &settings->groups) ||
        !copy(tls, o->client_ca, &settings->ca) ||
        !copy(tls, o->ticket_secret, &settings->ticket_secret))
        return ED_ENOMEM;
    int err = set_alpn(tls, o->alpn);
    return err ? err
               : first_files(tls, &(struct ed_tls_files){o->certificate, o->key,
                                                         o->ocsp});
}

static int take_client(ed_tls *tls, const struct ed_tls_client_options *o)
{
    struct ed_tls_settings *settings = &tls->settings;

    settings->min_version = o->min_version;
    settings->no_verify = o->no_verify;
    settings->no_resumption = o->no_resumption;
    if (!copy(tls, o->ciphers, &settings->ciphers) ||
        !copy(tls, o->groups, &settings->groups) ||
        !copy(tls, o->ca, &settings->ca))
        return ED_ENOMEM;
    int err = set_alpn(tls, o->alpn);
    if (!err)
        err = set_pins(tls, o->pins);
    return err ? err
               : first_files(
                     tls, &(struct ed_tls_files){o->certificate, o->key, NULL});
}

/* ---- contexts ---- */

static ed_tls *tls_new(void)
{
    ed_tls *tls = calloc(1, sizeof(*tls));

    if (!tls)
        return NULL;
    pthread_once(&started, start);
    ED_MAGIC_SET(tls, TLS_MAGIC);
    atomic_init(&tls->refs, 1);
    tls->arena = ed_arena_new(0);
    if (tls->arena)
        return tls;
    free(tls);
    return NULL;
}

/* Hands a context out whose settings were taken with that result. */
static int finish(ed_tls *tls, int err, ed_tls **out)
{
    struct ed_tls_set *set;

    if (!err)
        err = read_set(tls, &set);
    if (err) {
        tls_unref(tls);
        return err;
    }
    tls->current = set;
    *out = tls;
    return 0;
}

int ed_tls_server_with(ed_tls **out, const struct ed_tls_server_options *given)
{
    ED_OPTIONS_TAKE(struct ed_tls_server_options, options, given);
    ed_tls *tls = tls_new();

    return tls ? finish(tls, take_server(tls, &options), out) : ED_ENOMEM;
}

int ed_tls_client_with(ed_tls **out, const struct ed_tls_client_options *given)
{
    ED_OPTIONS_TAKE(struct ed_tls_client_options, options, given);
    ed_tls *tls = tls_new();

    return tls ? finish(tls, take_client(tls, &options), out) : ED_ENOMEM;
}

int ed_tls_add(ed_tls *tls, const char *certificate, const char *key,
               const char *ocsp)
{
    struct ed_tls_files files = {certificate, key, ocsp};
    struct ed_tls_set *set;

    ED_MAGIC_CHECK(tls, TLS_MAGIC);
    if (!tls->settings.server)
        return ed_tls_refuse(
            "certificates are added to servers' contexts only");
    if (!certificate)
        return ed_tls_refuse("no certificate to add");
    pthread_mutex_lock(&changing);
    int err = add_files(tls, &files);
    if (!err) {
        err = widen_set(tls, &tls->files[tls->file_count - 1], &set);
        if (err)
            tls->file_count--;
        else
            use_set(tls, set);
    }
    pthread_mutex_unlock(&changing);
    return err;
}

int ed_tls_reload(ed_tls *tls)
{
    struct ed_tls_set *set;

    ED_MAGIC_CHECK(tls, TLS_MAGIC);
    pthread_mutex_lock(&changing);
    int err = read_set(tls, &set);
    if (!err)
        use_set(tls, set);
    pthread_mutex_unlock(&changing);
    return err;
}

void ed_tls_free(ed_tls *tls)
{
    if (!tls)
        return;
    ED_MAGIC_CHECK(tls, TLS_MAGIC);
    use_set(tls, NULL);
    tls_unref(tls);
}

bool ed_tls_is_server(const ed_tls *tls)
{
    return tls->settings.server;
}

ed_tls *ed_tls_default(void)
{
    static _Atomic(ed_tls *) made;
    ed_tls *tls = atomic_load_explicit(&made, memory_order_acquire);
    ed_tls *other = NULL;

    if (tls || ed_tls_client(&tls, .alpn = NULL))
        return tls;
    if (atomic_compare_exchange_strong(&made, &other, tls))
        return tls;
    ed_tls_free(tls); /* another thread was faster */
    return other;
}

/* ---- connections ---- */

struct ed_tls_conn *ed_tls_conn_of(const SSL *ssl)
{
    return SSL_get_ex_data(ssl, conn_index);
}

static void conn_drop(struct ed_tls_conn *conn)
{
    X509_free(conn->culprit);
    free(conn->alpn_text);
    set_unref(conn->set);
    free(conn);
}

static void conn_free(void *parent, void *data, CRYPTO_EX_DATA *all, int index,
                      long argl, void *argp)
{
    (void)parent, (void)all, (void)index, (void)argl, (void)argp;
    if (data)
        conn_drop(data);
}

/* A client's has the name, its NUL and the protocols behind itself, in this
 * order (tls_client.c makes a key of them); a server's only protocols of its
 * own. */
static struct ed_tls_conn *conn_new(struct ed_tls_set *set, const char *name,
                                    struct ed_bytes alpn)
{
    size_t name_size = name ? strlen(name) + 1 : 0;
    struct ed_tls_conn *conn = malloc(sizeof(*conn) + name_size + alpn.len);

    if (!conn)
        return NULL;
    char *behind = (char *)(conn + 1);
    *conn = (struct ed_tls_conn){.set = set};
    if (name)
        conn->server_name = memcpy(behind, name, name_size);
    conn->alpn = ed_bytes_of(behind + name_size, alpn.len);
    if (alpn.len)
        memcpy(behind + name_size, alpn.ptr, alpn.len);
    return conn;
}

/* Makes the object of a connection, which owns the set's reference. */
static SSL *ssl_new(struct ed_tls_set *set, const char *name,
                    struct ed_bytes alpn)
{
    struct ed_tls_conn *conn = conn_new(set, name, alpn);

    if (!conn) {
        set_unref(set);
        return NULL;
    }
    SSL *ssl = SSL_new(set->ctx);
    if (ssl && SSL_set_ex_data(ssl, conn_index, conn))
        return ssl;
    SSL_free(ssl);
    conn_drop(conn);
    ERR_clear_error();
    return NULL;
}

static int connection(ed_tls *tls, const char *name, struct ed_bytes alpn,
                      SSL **out)
{
    bool server = tls->settings.server;
    struct ed_tls_set *set = current_set(tls);

    if (server && set->names.count == 0) {
        set_unref(set);
        return ed_tls_refuse("a server needs a certificate");
    }
    SSL *ssl = ssl_new(set, server ? NULL : name, alpn);
    if (!ssl)
        return ED_ENOMEM;
    int err = server ? 0 : ed_tls_client_connection(ssl, ed_tls_conn_of(ssl));
    if (err) {
        SSL_free(ssl);
        return err;
    }
    if (server)
        SSL_set_accept_state(ssl);
    *out = ssl;
    return 0;
}

int ed_tls_connection(ed_tls *tls, const char *server_name, const char *alpn,
                      SSL **out)
{
    struct ed_buf wire = {0};

    ED_MAGIC_CHECK(tls, TLS_MAGIC);
    if (!alpn)
        return connection(tls, server_name, tls->settings.alpn, out);
    int err = ed_tls_alpn_parse(&wire, alpn);
    if (err == ED_EPARSE)
        err = ed_fail(ED_EUSAGE, "TLS: '%s' is no list of protocols", alpn);
    if (!err)
        err = connection(tls, server_name, ed_buf_bytes(&wire), out);
    ed_buf_free(&wire);
    return err;
}

/* ---- what was agreed on ---- */

static const char *alpn_text(SSL *ssl, struct ed_tls_conn *conn)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(ssl, &name, &len);
    if (!conn->alpn_text && len)
        conn->alpn_text = calloc(1, len + 1);
    if (conn->alpn_text)
        memcpy(conn->alpn_text, name, len);
    return conn->alpn_text ? conn->alpn_text : "";
}

static bool was_checked(SSL *ssl, const struct ed_tls_settings *settings)
{
    if (!SSL_get0_peer_certificate(ssl))
        return false;
    if (settings->server)
        return settings->client_auth != ED_TLS_CLIENT_NONE;
    return !settings->no_verify || settings->pin_count;
}

void ed_tls_info_of(SSL *ssl, struct ed_tls_info *out)
{
    struct ed_tls_conn *conn = ed_tls_conn_of(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    *out = (struct ed_tls_info){
        .version = SSL_get_version(ssl),
        .cipher = SSL_get_cipher_name(ssl),
        .alpn = alpn_text(ssl, conn),
        .server_name = name ? name : "",
        .resumed = SSL_session_reused(ssl),
        .verified = was_checked(ssl, &conn->set->owner->settings),
    };
}
