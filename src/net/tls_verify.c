/*
 * tls_verify.c - whom connections trust, and what a failure is called.
 *
 * Names, pins and the texts of failures. OpenSSL forgets the certificate that
 * made a handshake fail, so its verification is watched, and the connection
 * keeps what was wrong with which. Texts hold what a peer chose to put into its
 * certificate: only printable ASCII of it.
 */
#include "base/base64.h"
#include "base/hex.h"
#include "net/addr.h"
#include "net/crypto.h"
#include "net/tls_context.h"
#include <eddy/clock.h>
#include <eddy/error.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* Of names in a text; more are counted. */
#define NAMES_SHOWN 3

/* Of a name in a text, so that a long one leaves room for what is wrong. */
#define NAME_CHARS 48

/* ---- names and dates of certificates ---- */

/* Appends to a text of ED_TLS_WHY bytes, as much as there is room for. */
ED_PRINTF(2, 3)
static void add(char why[ED_TLS_WHY], const char *fmt, ...)
{
    size_t at = strlen(why);
    va_list args;

    va_start(args, fmt);
    vsnprintf(why + at, ED_TLS_WHY - at, fmt, args);
    va_end(args);
}

static void add_name(char why[ED_TLS_WHY], const ASN1_STRING *name)
{
    const unsigned char *text = ASN1_STRING_get0_data(name);
    int len = ASN1_STRING_length(name);

    for (int i = 0; i < len && i < NAME_CHARS; i++)
        add(why, "%c", text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    if (len > NAME_CHARS)
        add(why, "...");
}

static void add_date(char why[ED_TLS_WHY], const ASN1_TIME *time)
{
    char date[ED_ISO_DATE_LEN + 1];

    ed_iso_date(date, ed_tls_time(time) * ED_S);
    add(why, "%.10s", date);
}

/* The name people know it by: the common name, or else the last part. */
static void add_subject(char why[ED_TLS_WHY], const X509_NAME *name)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);

    if (at < 0)
        at = X509_NAME_entry_count(name) - 1;
    if (at < 0)
        add(why, "nobody");
    else
        add_name(why, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

static void add_address(char why[ED_TLS_WHY], const ASN1_STRING *bytes)
{
    char text[ED_ADDR_TEXT];
    struct ed_addr addr = {0};

    if (ASN1_STRING_length(bytes) == 4) {
        addr.v4.sin_family = AF_INET;
        memcpy(&addr.v4.sin_addr, ASN1_STRING_get0_data(bytes), 4);
        addr.len = sizeof(addr.v4);
    } else if (ASN1_STRING_length(bytes) == 16) {
        addr.v6.sin6_family = AF_INET6;
        memcpy(&addr.v6.sin6_addr, ASN1_STRING_get0_data(bytes), 16);
        addr.len = sizeof(addr.v6);
    }
    add(why, "%s", ed_addr_ip_text(&addr, text));
}

/* The hosts a certificate is for: "a.org, *.a.org and 3 more". */
static int add_hosts(char why[ED_TLS_WHY], const X509 *certificate, int most)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != GEN_DNS && name->type != GEN_IPADD)
            continue;
        if (count < most && count)
            add(why, ", ");
        if (count < most && name->type == GEN_DNS)
            add_name(why, name->d.dNSName);
        else if (count < most)
            add_address(why, name->d.iPAddress);
        count++;
    }
    if (count > most && most > 1)
        add(why, " and %d more", count - most);
    GENERAL_NAMES_free(names);
    ERR_clear_error(); /* they may be malformed */
    return count;
}

/* "certificate of a.org", or "certificate of issuer Some CA". */
static void add_certificate(char why[ED_TLS_WHY], const X509 *certificate,
                            int depth)
{
    if (depth > 0)
        add(why, "certificate of issuer ");
    else
        add(why, "certificate of ");
    if (depth > 0 || !add_hosts(why, certificate, 1))
        add_subject(why, X509_get_subject_name(certificate));
}

/* ---- why a certificate was refused ---- */

static void say_expired(char why[ED_TLS_WHY], const struct ed_tls_conn *conn)
{
    add_certificate(why, conn->culprit, conn->culprit_depth);
    add(why, " expired on ");
    add_date(why, X509_get0_notAfter(conn->culprit));
}

static void say_not_yet(char why[ED_TLS_WHY], const struct ed_tls_conn *conn)
{
    add_certificate(why, conn->culprit, conn->culprit_depth);
    add(why, " is not valid before ");
    add_date(why, X509_get0_notBefore(conn->culprit));
}

static void say_wrong_host(char why[ED_TLS_WHY], const struct ed_tls_conn *conn)
{
    add(why, "certificate is for ");
    if (!add_hosts(why, conn->culprit, NAMES_SHOWN))
        add(why, "no host");
    add(why, ", not for %s", conn->server_name);
}

static void say_self_signed(char why[ED_TLS_WHY],
                            const struct ed_tls_conn *conn)
{
    add_certificate(why, conn->culprit, 0);
    add(why, " is signed by itself only");
}

/* At the depth of the last certificate there is; its issuer is the unknown. */
static void say_unknown_issuer(char why[ED_TLS_WHY],
                               const struct ed_tls_conn *conn)
{
    add_certificate(why, conn->culprit, conn->culprit_depth);
    add(why, " is of an unknown issuer, ");
    add_subject(why, X509_get_issuer_name(conn->culprit));
}

static void say_untrusted_root(char why[ED_TLS_WHY],
                               const struct ed_tls_conn *conn)
{
    add(why, "issuer ");
    add_subject(why, X509_get_subject_name(conn->culprit));
    add(why, " is not trusted");
}

static void say_revoked(char why[ED_TLS_WHY], const struct ed_tls_conn *conn)
{
    add_certificate(why, conn->culprit, conn->culprit_depth);
    add(why, " is revoked");
}

static void say_wrong_purpose(char why[ED_TLS_WHY],
                              const struct ed_tls_conn *conn)
{
    add_certificate(why, conn->culprit, conn->culprit_depth);
    add(why, " is not for %s",
        conn->culprit_depth > 0             ? "issuing others"
        : conn->set->owner->settings.server ? "clients"
                                            : "servers");
}

static void say_weak(char why[ED_TLS_WHY], const struct ed_tls_conn *conn)
{
    add_certificate(why, conn->culprit, conn->culprit_depth);
    add(why, " is too weak: %s",
        X509_verify_cert_error_string(conn->culprit_error));
}

static void say_other(char why[ED_TLS_WHY], const struct ed_tls_conn *conn)
{
    add_certificate(why, conn->culprit, conn->culprit_depth);
    add(why, ": %s", X509_verify_cert_error_string(conn->culprit_error));
}

static const struct {
    int error;
    void (*say)(char why[ED_TLS_WHY], const struct ed_tls_conn *conn);
} refusals[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, say_expired},
    {X509_V_ERR_CERT_NOT_YET_VALID, say_not_yet},
    {X509_V_ERR_HOSTNAME_MISMATCH, say_wrong_host},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, say_wrong_host},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, say_self_signed},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, say_untrusted_root},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, say_unknown_issuer},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, say_unknown_issuer},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, say_unknown_issuer},
    {X509_V_ERR_CERT_REVOKED, say_revoked},
    {X509_V_ERR_INVALID_PURPOSE, say_wrong_purpose},
    {X509_V_ERR_INVALID_CA, say_wrong_purpose},
    {X509_V_ERR_EE_KEY_TOO_SMALL, say_weak},
    {X509_V_ERR_CA_KEY_TOO_SMALL, say_weak},
    {X509_V_ERR_CA_MD_TOO_WEAK, say_weak},
};

static void say_refusal(char why[ED_TLS_WHY], const struct ed_tls_conn *conn)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
        if (refusals[i].error == conn->culprit_error) {
            refusals[i].say(why, conn);
            return;
        }
    }
    say_other(why, conn);
}

/* ---- checking ---- */

static void note_culprit(struct ed_tls_conn *conn, X509_STORE_CTX *ctx,
                         int error)
{
    X509 *certificate = X509_STORE_CTX_get_current_cert(ctx);

    if (!certificate)
        certificate = X509_STORE_CTX_get0_cert(ctx);
    X509_free(conn->culprit);
    X509_up_ref(certificate);
    conn->culprit = certificate;
    conn->culprit_depth = X509_STORE_CTX_get_error_depth(ctx);
    conn->culprit_error = error;
}

static int watch_verification(int well, X509_STORE_CTX *ctx)
{
    const SSL *ssl =
        X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    int error = X509_STORE_CTX_get_error(ctx);

    if (well)
        return 1;
    /* Lists are heeded where there are some, and demanded of nobody. */
    if (error == X509_V_ERR_UNABLE_TO_GET_CRL) {
        X509_STORE_CTX_set_error(ctx, X509_V_OK);
        return 1;
    }
    note_culprit(ed_tls_conn_of(ssl), ctx, error);
    return 0;
}

void ed_tls_verify_setup(SSL_CTX *ctx, int mode)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

    SSL_CTX_set_verify(ctx, mode, watch_verification);
    /* Who is trusted is the end of the chain, whoever signed it: an issuer in
     * between, or a server itself. */
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
}

int ed_tls_verify_name(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    struct ed_addr addr;
    size_t len = strlen(name);
    int done;

    if (!ed_addr_parse_ip(&addr, ed_bytes(name), 0)) {
        done = addr.any.sa_family == AF_INET
                   ? X509_VERIFY_PARAM_set1_ip(
                         param, (const void *)&addr.v4.sin_addr, 4)
                   : X509_VERIFY_PARAM_set1_ip(
                         param, (const void *)&addr.v6.sin6_addr, 16);
        return done ? 0 : ED_ENOMEM;
    }
    if (name[len - 1] == '.')
        len--;
    /* RFC 9525: names of hosts are alternative names, and a '*' is a whole
     * label. */
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, name, len) ? 0 : ED_ENOMEM;
}

/* ---- pins ---- */

static int parse_key_pin(struct ed_tls_pin *out, struct ed_bytes text)
{
    struct ed_buf digest = {0};
    int err = ed_base64_decode(&digest, text);

    if (!err && digest.len != sizeof(out->sha256))
        err = ED_EPARSE;
    if (!err) {
        out->of_key = true;
        memcpy(out->sha256, digest.ptr, sizeof(out->sha256));
    }
    ed_buf_free(&digest);
    return err;
}

static int parse_certificate_pin(struct ed_tls_pin *out, struct ed_bytes text)
{
    out->of_key = false;
    for (size_t i = 0; i < sizeof(out->sha256); i++) {
        if (i && text.len && text.ptr[0] == ':') {
            text.ptr++;
            text.len--;
        }
        int high = text.len >= 2 ? ed_hex_value(text.ptr[0]) : -1;
        int low = text.len >= 2 ? ed_hex_value(text.ptr[1]) : -1;
        if (high < 0 || low < 0)
            return ED_EPARSE;
        out->sha256[i] = (uint8_t)(high << 4 | low);
        text.ptr += 2;
        text.len -= 2;
    }
    return text.len ? ED_EPARSE : 0;
}

int ed_tls_pin_parse(struct ed_tls_pin *out, struct ed_bytes text)
{
    const struct ed_bytes of_key = ED_BYTES("sha256//");
    const struct ed_bytes of_certificate = ED_BYTES("sha256:");

    if (ed_bytes_starts(text, of_key))
        return parse_key_pin(
            out, ed_bytes_of(text.ptr + of_key.len, text.len - of_key.len));
    if (ed_bytes_starts(text, of_certificate))
        return parse_certificate_pin(
            out, ed_bytes_of(text.ptr + of_certificate.len,
                             text.len - of_certificate.len));
    return ED_EPARSE;
}

static bool key_digest(const X509 *certificate, uint8_t out[32])
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

    if (len < 0)
        return false;
    bool done = ed_digest(ED_SHA256, ed_bytes_of(der, (size_t)len), out) > 0;
    OPENSSL_free(der);
    return done;
}

/* In the form of a pin, for people to compare and to copy. */
static void add_pin(char why[ED_TLS_WHY], const uint8_t digest[32])
{
    struct ed_buf text = {0};

    if (!ed_base64_encode(&text, ed_bytes_of(digest, 32)))
        add(why, "sha256//%s", text.ptr);
    ed_buf_free(&text);
}

static int check_pins(const struct ed_tls_settings *settings,
                      const X509 *certificate, char why[ED_TLS_WHY])
{
    uint8_t of_key[32], of_certificate[32];

    if (!certificate) {
        add(why, "the server showed no certificate, and some are pinned");
        return ED_ECERT;
    }
    if (!key_digest(certificate, of_key) ||
        !X509_digest(certificate, EVP_sha256(), of_certificate, NULL))
        return ED_ENOMEM;
    for (unsigned i = 0; i < settings->pin_count; i++) {
        const struct ed_tls_pin *pin = &settings->pins[i];

        if (!memcmp(pin->sha256, pin->of_key ? of_key : of_certificate, 32))
            return 0;
    }
    add_certificate(why, certificate, 0);
    add(why, " is none of those pinned; its key is ");
    add_pin(why, of_key);
    return ED_ECERT;
}

int ed_tls_check(SSL *ssl, char why[ED_TLS_WHY])
{
    const struct ed_tls_settings *settings =
        &ed_tls_conn_of(ssl)->set->owner->settings;

    why[0] = '\0';
    if (settings->pin_count == 0)
        return 0;
    return check_pins(settings, SSL_get0_peer_certificate(ssl), why);
}

/* ---- failures ---- */

static const struct {
    int alert;
    const char *text;
} alerts[] = {
    {SSL_AD_HANDSHAKE_FAILURE, "the peer found nothing both sides know"},
    {SSL_AD_PROTOCOL_VERSION, "the peer knows no TLS version of ours"},
    {SSL_AD_INSUFFICIENT_SECURITY, "the peer wants stronger ciphers"},
    {SSL_AD_NO_APPLICATION_PROTOCOL, "the peer knows no protocol of ours"},
    {SSL_AD_UNRECOGNIZED_NAME, "the peer has nothing of that name"},
    {SSL_AD_CERTIFICATE_REQUIRED, "the peer demands a certificate"},
    {SSL_AD_BAD_CERTIFICATE, "the peer refuses our certificate"},
    {SSL_AD_UNSUPPORTED_CERTIFICATE, "the peer refuses our certificate"},
    {SSL_AD_CERTIFICATE_REVOKED, "our certificate is revoked"},
    {SSL_AD_CERTIFICATE_EXPIRED, "our certificate has expired"},
    {SSL_AD_CERTIFICATE_UNKNOWN, "the peer refuses our certificate"},
    {SSL_AD_UNKNOWN_CA, "the peer does not trust our certificate's issuer"},
    {SSL_AD_ACCESS_DENIED, "the peer denies access"},
};

static int say_alert(char why[ED_TLS_WHY], int alert)
{
    for (size_t i = 0; i < sizeof(alerts) / sizeof(*alerts); i++) {
        if (alerts[i].alert == alert)
            add(why, "%s ", alerts[i].text);
    }
    if (!*why)
        add(why, "the peer refused ");
    const char *name = SSL_alert_desc_string_long(alert);
    bool known = strcmp(name, "unknown") != 0;
    add(why, "(alert %d%s%s)", alert, known ? ", " : "", known ? name : "");
    return ED_ETLS;
}

static const struct {
    int reason;
    int err;
    const char *text;
} reasons[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, ED_ECERT,
     "the peer showed no certificate"},
    {SSL_R_HTTP_REQUEST, ED_ETLS, "the peer speaks HTTP without TLS"},
    {SSL_R_HTTPS_PROXY_REQUEST, ED_ETLS, "the peer takes this for a proxy"},
    {SSL_R_WRONG_VERSION_NUMBER, ED_ETLS, "the peer speaks no TLS"},
    {SSL_R_BAD_PROTOCOL_VERSION_NUMBER, ED_ETLS, "the peer speaks no TLS"},
    {SSL_R_UNSUPPORTED_PROTOCOL, ED_ETLS, "no TLS version both sides know"},
    {SSL_R_VERSION_TOO_LOW, ED_ETLS, "no TLS version both sides know"},
    {SSL_R_WRONG_SSL_VERSION, ED_ETLS, "no TLS version both sides know"},
    {SSL_R_NO_SHARED_CIPHER, ED_ETLS, "no cipher both sides know"},
    {SSL_R_NO_SHARED_GROUPS, ED_ETLS, "no key exchange both sides know"},
    {SSL_R_NO_SUITABLE_KEY_SHARE, ED_ETLS, "no key exchange both sides know"},
    {SSL_R_NO_SUITABLE_GROUPS, ED_ETLS, "no key exchange both sides know"},
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, ED_ETLS,
     "no kind of signature both sides know"},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, ED_ETLS,
     "no kind of signature both sides know"},
    {SSL_R_NO_APPLICATION_PROTOCOL, ED_ETLS, "no protocol both sides know"},
    {SSL_R_NO_RENEGOTIATION, ED_ETLS, "the peer wants to renegotiate"},
    {SSL_R_UNEXPECTED_EOF_WHILE_READING, ED_ETLS,
     "the peer closed without saying so"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, ED_ETLS,
     "what came is not what was sent"},
    {SSL_R_BAD_RECORD_TYPE, ED_ETLS, "what came cannot be understood"},
};

static int say_reason(char why[ED_TLS_WHY], unsigned long error)
{
    int reason = ERR_GET_REASON(error);

    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        if (reasons[i].reason == reason) {
            add(why, "%s", reasons[i].text);
            return reasons[i].err;
        }
    }
    const char *text = ERR_reason_error_string(error);
    add(why, "the handshake failed: %s", text ? text : "unknown reason");
    return ED_ETLS;
}

int ed_tls_failure(SSL *ssl, char why[ED_TLS_WHY])
{
    const struct ed_tls_conn *conn = ed_tls_conn_of(ssl);
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);

    why[0] = '\0';
    ERR_clear_error();
    if (reason == ERR_R_MALLOC_FAILURE)
        return ED_ENOMEM;
    if (conn->culprit) {
        say_refusal(why, conn);
        return ED_ECERT;
    }
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET)
        return say_alert(why, reason - SSL_AD_REASON_OFFSET);
    if (ERR_GET_LIB(error) == ERR_LIB_SSL)
        return say_reason(why, error);
    add(why, "%s", error ? "what came cannot be understood" : "it was cut off");
    return ED_ETLS;
}

/* ---- the certificate of the peer ---- */

static void print_name(char out[256], const X509_NAME *name)
{
    unsigned long how =
        (XN_FLAG_RFC2253 & ~XN_FLAG_SEP_MASK) | XN_FLAG_SEP_CPLUS_SPC;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    out[0] = '\0';
    if (bio && X509_NAME_print_ex(bio, name, 0, how) >= 0) {
        long len = BIO_get_mem_data(bio, &text);
        snprintf(out, 256, "%.*s", (int)len, text);
    }
    BIO_free(bio);
}

bool ed_tls_peer_of(SSL *ssl, struct ed_tls_peer *out)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);

    *out = (struct ed_tls_peer){0};
    if (!certificate)
        return false;
    print_name(out->subject, X509_get_subject_name(certificate));
    print_name(out->issuer, X509_get_issuer_name(certificate));
    out->not_before = ed_tls_time(X509_get0_notBefore(certificate));
    out->not_after = ed_tls_time(X509_get0_notAfter(certificate));
    return X509_digest(certificate, EVP_sha256(), out->sha256, NULL);
}
