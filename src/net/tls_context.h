/*
 * tls_context.h - what the files of a TLS context share; net/tls.h is what
 * others see of it.
 *
 * A context (struct ed_tls) is settings that never change, and the set in use.
 * A set is all that was made of the files: connections hold the set they began
 * with, so a reload, or the end of the context, does not touch them. A set is
 * read by several threads at once and never changes, but for ticket keys and
 * remembered sessions, which ed_tls_lock() guards.
 */
#ifndef EDDY_NET_TLS_CONTEXT_H
#define EDDY_NET_TLS_CONTEXT_H

#include "base/magic.h"
#include "net/tls.h"
#include <eddy/arena.h>
#include <eddy/map.h>
#include <openssl/ssl.h>
#include <stdatomic.h>

/* Guards ticket keys, remembered sessions and which set is in use, of all
 * contexts: held for a few instructions, and across fork(). Nobody calls out,
 * allocates much or logs while holding it. */
void ed_tls_lock(void);
void ed_tls_unlock(void);

/* Returns ED_ETLSCONFIG with that text for ed_error(), or for the log outside
 * of a fiber; empties OpenSSL's error queue. */
int ed_tls_refuse(const char *fmt, ...) ED_PRINTF(1, 2);

/* What the last error in OpenSSL's queue is called. */
const char *ed_tls_reason(void);

/* ---- certificates, keys and issuers (tls_files.c) ---- */

struct ed_tls_files {
    const char *certificate;
    const char *key;
    const char *ocsp;
};

/* A certificate to present, with its key; immutable. */
struct ed_tls_identity {
    atomic_uint refs;
    const char *file; /* for messages; of the context's settings */
    X509 *certificate;
    EVP_PKEY *key;
    STACK_OF(X509) * chain; /* from the certificate's issuer on */
    unsigned char *ocsp;    /* DER; NULL: none */
    size_t ocsp_len;
    int64_t ocsp_until; /* Unix time; INT64_MAX: it says none */
};

ED_CHECK int ed_tls_identity_read(struct ed_tls_identity **out,
                                  const struct ed_tls_files *files);
struct ed_tls_identity *ed_tls_identity_ref(struct ed_tls_identity *id);
void ed_tls_identity_unref(struct ed_tls_identity *id);

/* The same of files already read; `ocsp` is left out when it cannot be used.
 * `files` names them in messages. */
ED_CHECK int ed_tls_identity_parse(struct ed_tls_identity **out,
                                   const struct ed_tls_files *files,
                                   struct ed_bytes certificate,
                                   struct ed_bytes key, struct ed_bytes ocsp);

/* Seconds of Unix time; 0 for what is none. */
int64_t ed_tls_time(const ASN1_TIME *time);

/* Whose certificates are believed. */
struct ed_tls_trust {
    X509_STORE *store;
    STACK_OF(X509_NAME) * names; /* of issuers, each once */
    uint8_t digest[32];          /* of all that was read, in order */
};

/* Reads a file, or all files of a directory that hold certificates. Revocation
 * lists among them are heeded for the issuers they are of. */
ED_CHECK int ed_tls_trust_read(struct ed_tls_trust *out, const char *path);
void ed_tls_trust_free(struct ed_tls_trust *trust);

/* Adds what a PEM text holds; its name is for messages. The number of
 * certificates, or an error. */
ED_CHECK int ed_tls_trust_add(struct ed_tls_trust *trust, const char *name,
                              struct ed_bytes pem);

/* The secret of ticket keys. Overwrite it after use. */
ED_CHECK int ed_tls_secret_read(struct ed_buf *out, const char *path);

/* ---- which certificate for which name (tls_names.c) ---- */

/* Kinds of keys that may stand side by side: RSA, RSA-PSS, EC, Ed25519,
 * Ed448. */
#define ED_TLS_KINDS 5

/* Certificates for one name, of keys of different kinds. */
struct ed_tls_choice {
    unsigned count;
    const struct ed_tls_identity *list[ED_TLS_KINDS];
};

struct ed_tls_names {
    struct ed_tls_identity **all; /* owned references */
    unsigned count;
    ed_map *by_name;               /* small letters to struct ed_tls_choice */
    struct ed_tls_choice fallback; /* for every other name */
};

/* Takes one more certificate in. 0, ED_ENOMEM, or ED_ETLSCONFIG when it could
 * never be shown. On failure the table is only good to be freed. */
ED_CHECK int ed_tls_names_add(struct ed_tls_names *names,
                              struct ed_tls_identity *id);
/* NULL when nothing was added. The name may have any case and a final dot. */
const struct ed_tls_choice *ed_tls_names_find(const struct ed_tls_names *names,
                                              struct ed_bytes name);
void ed_tls_names_free(struct ed_tls_names *names);

/* ---- sets, and the connections that hold them (tls.c) ---- */

struct ed_tls_pin {
    bool of_key; /* the digest of the public key, else of the certificate */
    uint8_t sha256[32];
};

/* What a context was made with; as in the options. */
struct ed_tls_settings {
    bool server;
    enum ed_tls_version min_version;
    const char *ciphers;
    const char *groups;
    struct ed_bytes alpn; /* as in the extension (RFC 7301, 3.1) */
    const char *ca;

    enum ed_tls_client_auth client_auth;
    int64_t ticket_rotation; /* 0: no tickets */
    const char *ticket_secret;

    const struct ed_tls_pin *pins;
    unsigned pin_count;
    bool no_verify;
    bool no_resumption;
};

struct ed_tls_set {
    atomic_uint refs;
    ed_tls *owner; /* a reference, for its settings */
    SSL_CTX *ctx;
    struct ed_tls_names names;        /* of a server; or one, of a client */
    struct ed_tls_tickets *tickets;   /* of a server; NULL: none */
    struct ed_tls_sessions *sessions; /* of a client; NULL: none */
    unsigned char scope[SSL_MAX_SID_CTX_LENGTH]; /* see tls_server.c */
};

struct ed_tls {
    ED_MAGIC;
    atomic_uint refs; /* its user's, and one of each set */
    ed_arena *arena;  /* of the settings and the list of files */
    struct ed_tls_settings settings;
    struct ed_tls_files *files;
    unsigned file_count;
    struct ed_tls_set *current; /* guarded by ed_tls_lock() */
};

/* What a connection carries, hung on its SSL object and freed with it. */
struct ed_tls_conn {
    struct ed_tls_set *set;  /* a reference */
    struct ed_bytes alpn;    /* offered or accepted, as in the extension */
    const char *server_name; /* client: to be checked; NULL: none */
    char *alpn_text;         /* what was agreed on, when asked for */
    /* What made the peer's certificate fail (tls_verify.c). */
    X509 *culprit;
    int culprit_depth;
    int culprit_error;
};

struct ed_tls_conn *ed_tls_conn_of(const SSL *ssl);

/* The text of protocols, "h2,http/1.1", as they stand in the extension,
 * appended. 0, ED_ENOMEM, or ED_EPARSE. */
ED_CHECK int ed_tls_alpn_parse(struct ed_buf *out, const char *text);

/* ---- what a side needs beside (tls_server.c, tls_client.c) ---- */

ED_CHECK int ed_tls_server_setup(struct ed_tls_set *set);
ED_CHECK int ed_tls_client_setup(struct ed_tls_set *set);
ED_CHECK int ed_tls_client_connection(SSL *ssl, struct ed_tls_conn *conn);

/* ---- trust (tls_verify.c) ---- */

/* Makes the context demand a certificate as `mode` says (SSL_VERIFY_...), and
 * note why one is refused. */
void ed_tls_verify_setup(SSL_CTX *ctx, int mode);

/* Demands that the peer's certificate is for that name or address. 0 or
 * ED_ENOMEM. */
ED_CHECK int ed_tls_verify_name(SSL *ssl, const char *name);

/* Reads a pin. 0 or ED_EPARSE. */
ED_CHECK int ed_tls_pin_parse(struct ed_tls_pin *out, struct ed_bytes text);

#endif
