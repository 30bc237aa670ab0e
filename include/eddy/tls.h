/*
 * tls.h - TLS: what one side presents and demands, and streams over it.
 *
 * A context holds certificates, keys, trust and session secrets; one serves
 * any number of connections. Versions are TLS 1.2 and 1.3 (RFC 5246, RFC 8446)
 * with forward secrecy and authenticated encryption only; renegotiation and
 * compression are never done.
 *
 *     ed_tls *tls;
 *     err = ed_tls_server(&tls, .certificate = "site.pem", .key = "site.key");
 *
 *     ed_stream *s;
 *     err = ed_connect(&s, "db.local:5432");
 *     ...                                    // say hello in the clear
 *     err = ed_start_tls(&s, NULL, .server_name = "db.local");
 *
 * Contexts belong to no loop. One may be used by the loops of several threads,
 * and by the processes forked after it was made; those that share it in this
 * way resume each other's sessions.
 */
#ifndef EDDY_TLS_H
#define EDDY_TLS_H

#include <eddy/api.h>
#include <eddy/bytes.h>
#include <eddy/stream.h>

ED_BEGIN_DECLS

typedef struct ed_tls ed_tls;

enum ed_tls_version {
    ED_TLS_DEFAULT, /* at least 1.2 */
    ED_TLS_1_2,
    ED_TLS_1_3,
};

/* What a server demands of its clients. */
enum ed_tls_client_auth {
    ED_TLS_CLIENT_NONE,
    ED_TLS_CLIENT_OPTIONAL, /* checked if there is one */
    ED_TLS_CLIENT_REQUIRED,
};

struct ed_tls_server_options {
    size_t size;
    /* PEM files: a certificate followed by those that lead to its issuer, and
     * its key (NULL: in the certificate's file). Both are needed, unless
     * ed_tls_add() gives them before the first connection. */
    const char *certificate;
    const char *key;
    /* DER file with the issuer's OCSP response for it, stapled for clients that
     * ask; NULL: none. One that is out of date, or not there, is left out, with
     * a warning in the log. */
    const char *ocsp;

    enum ed_tls_client_auth client_auth;
    /* PEM file, or directory of such, of who may sign clients. Revocation lists
     * (CRLs) in it count for the issuers they are of. */
    const char *client_ca;

    /* Protocols in the order preferred, "h2,http/1.1"; NULL: the user of the
     * context chooses (an HTTP server: http/1.1, or http/1.0). */
    const char *alpn;
    enum ed_tls_version min_version;
    const char *ciphers; /* of TLS 1.2, in OpenSSL's words; NULL: modern ones */
    const char *groups;  /* key exchange; NULL: X25519, P-256, P-384 */

    /* Session tickets are sealed with keys that change after this time and are
     * taken for twice as long; 0: 12 h, negative: no tickets. Keys follow from
     * a secret and the time, so that processes agree without talking. */
    int64_t ticket_rotation;
    /* File of 32 bytes or more of secret, for servers on several machines;
     * NULL: random, shared with processes forked later, and forgotten with each
     * change of keys. */
    const char *ticket_secret;
};

/*
 * Makes a server's context. Does not suspend; reads files. Returns 0, or, with
 * ed_error() naming the file and what is wrong,
 *   ED_ETLSCONFIG  a file cannot be used: not there, no PEM, key of another
 *                  certificate; or an option says nothing OpenSSL knows
 *   ED_ENOMEM
 * Outside of a fiber the text is in the log instead.
 */
#define ed_tls_server(out, ...) \
    ed_tls_server_with((out),   \
                       ED_OPTIONS(struct ed_tls_server_options, __VA_ARGS__))
ED_API ED_CHECK int ed_tls_server_with(
    ed_tls **out, const struct ed_tls_server_options *options);

/*
 * Adds a certificate to a server's context, for the names in it ("*.a.org"
 * included). The first certificate of all is for every other name, too. Two
 * with the same names and other kinds of key stand side by side, and the client
 * decides. `key` and `ocsp` as above. Errors as above, too.
 */
ED_API ED_CHECK int ed_tls_add(ed_tls *tls, const char *certificate,
                               const char *key, const char *ocsp);

struct ed_tls_client_options {
    size_t size;
    /* PEM file, or directory of such, of trusted issuers instead of the
     * system's; revocation lists in it count, too. */
    const char *ca;
    /* The client's own certificate, if servers ask for one; as above. */
    const char *certificate;
    const char *key;
    /*
     * Pins, NULL at the end; the server has to show one of them:
     * "sha256//BASE64" of its public key (as curl's --pinnedpubkey), or
     * "sha256:HEX" of its certificate, colons between the bytes allowed. They
     * are checked besides the issuer.
     */
    const char *const *pins;
    /* Trusts every certificate of any name: no security at all. With pins,
     * those are what is trusted: for self-signed certificates. */
    bool no_verify;
    const char *alpn; /* offered; as above */
    enum ed_tls_version min_version;
    const char *ciphers;
    const char *groups;
    bool no_resumption; /* remembers no sessions */
};

/* Makes a client's context: by default the system's trusted issuers (Debian's
 * ca-certificates; SSL_CERT_FILE and SSL_CERT_DIR as with OpenSSL), and the
 * server's name is checked. Does not suspend. Errors as above. */
#define ed_tls_client(out, ...) \
    ed_tls_client_with((out),   \
                       ED_OPTIONS(struct ed_tls_client_options, __VA_ARGS__))
ED_API ED_CHECK int ed_tls_client_with(
    ed_tls **out, const struct ed_tls_client_options *options);

/*
 * Reads all files of a context again, for what begins from now on; connections
 * there are go on with what they began with. When a file cannot be used
 * everything stays as it was. Does not suspend. Errors as above.
 */
ED_API ED_CHECK int ed_tls_reload(ed_tls *tls);

/* Gives a context up; connections there are keep what they need of it. */
ED_API void ed_tls_free(ed_tls *tls);

struct ed_start_tls_options {
    size_t size;
    /* Client: the name (or address) the server has to have in its certificate,
     * which also tells it which one to show. Needed unless no_verify. */
    const char *server_name;
    const char *alpn; /* instead of the context's */
};

/*
 * Turns a stream into one over TLS: does the handshake on it and puts the new
 * stream, which owns the old one, in its place. `tls` is a server's context or
 * a client's, which decides the side; NULL: that of clients, by default
 * options. Nobody may be reading or writing the stream. What was read ahead of
 * it (ed_stream_read_until()) and not used makes it fail with ED_EUSAGE: such
 * bytes came in the clear, and would be taken for protected ones.
 *
 * On failure the stream is closed and *stream NULL.
 *
 * Suspends. Returns 0, or, with ed_error() saying why,
 *   ED_ECERT   the peer's certificate is expired, or not yet valid, or for
 *              other names, or revoked, or of an issuer nobody trusts, or none
 *              of those pinned; or there is none
 *   ED_ETLS    there is no version, cipher or protocol both know; the peer
 *              speaks no TLS, or refused with an alert
 *   ED_EEOF    the peer closed
 *   ED_ECANCELED, ED_ETIMEOUT, ED_ENOMEM, -ECONNRESET, ...
 *
 * Afterwards reading returns ED_ETLS when what comes is not what was sent, and
 * ED_EEOF, not 0, when the connection ends without the peer having said so: the
 * end may have been cut off. ed_stream_shutdown() and ed_stream_close() say so
 * to the peer.
 */
#define ed_start_tls(stream, tls, ...) \
    ed_start_tls_with((stream), (tls), \
                      ED_OPTIONS(struct ed_start_tls_options, __VA_ARGS__))
ED_API ED_CHECK int ed_start_tls_with(
    ed_stream **stream, ed_tls *tls,
    const struct ed_start_tls_options *options);

/* What a connection's handshake agreed on. Texts are valid as long as the
 * stream. */
struct ed_tls_info {
    const char *version;     /* "TLSv1.3" */
    const char *cipher;      /* "TLS_AES_256_GCM_SHA384" */
    const char *alpn;        /* "" if none */
    const char *server_name; /* asked for by the client; "" if none */
    bool resumed;
    bool verified; /* the peer showed a certificate, and it was checked */
};

/* Of a stream over TLS; false for others. Does not suspend. */
ED_API bool ed_stream_tls(ed_stream *s, struct ed_tls_info *out);

/* The certificate of the peer. */
struct ed_tls_peer {
    char subject[256]; /* "CN=a.org, O=..." as in RFC 2253, cut if longer */
    char issuer[256];
    int64_t not_before; /* seconds of Unix time */
    int64_t not_after;
    uint8_t sha256[32]; /* of the certificate */
};

/* False when the stream is not over TLS, or the peer showed no certificate.
 * Does not suspend. */
ED_API bool ed_stream_tls_peer(ed_stream *s, struct ed_tls_peer *out);

ED_END_DECLS
#endif
