/*
 * certs.c - see certs.h.
 */
#include "certs.h"

#include "base/base64.h"
#include <eddy/addr.h>
#include <eddy/bytes.h>

#include <ftw.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY (24 * 60 * 60)

/* Aborts when what cannot fail did. */
#define DO(call) ((call) ? (void)0 : do_failed(#call, __FILE__, __LINE__))

static void do_failed(const char *call, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s failed\n", file, line, call);
    ERR_print_errors_fp(stderr);
    abort();
}

static char folder[64];

const char *certs_path(const char *file)
{
    static char paths[16][256];
    static unsigned next;
    char *path = paths[next++ % 16];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, file);
    return path;
}

static const char *path_with(const char *file, const char *ending)
{
    char name[128];

    snprintf(name, sizeof(name), "%s%s", file, ending);
    return certs_path(name);
}

void certs_write(const char *file, const char *text)
{
    FILE *out = fopen(certs_path(file), "w");

    DO(out);
    DO(fchmod(fileno(out), 0600) == 0);
    DO(fputs(text, out) >= 0);
    DO(fclose(out) == 0);
}

void certs_append(const char *file, const char *from)
{
    FILE *in = fopen(certs_path(from), "r");
    FILE *out = fopen(certs_path(file), "a");
    int c;

    DO(in && out);
    DO(fchmod(fileno(out), 0600) == 0);
    while ((c = fgetc(in)) != EOF)
        DO(fputc(c, out) != EOF);
    fclose(in);
    DO(fclose(out) == 0);
}

void certs_copy(const char *file, const char *from)
{
    certs_write(file, "");
    certs_append(file, from);
}

void certs_cut(const char *file)
{
    FILE *in = fopen(certs_path(file), "r");
    X509 *first = in ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;

    DO(first);
    fclose(in);
    FILE *out = fopen(certs_path(file), "w");
    DO(out);
    DO(PEM_write_X509(out, first));
    DO(fclose(out) == 0);
    X509_free(first);
}

/* ---- reading what was made ---- */

static EVP_PKEY *read_key(const char *file)
{
    FILE *in = fopen(path_with(file, ".key"), "r");

    DO(in);
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
    DO(key);
    fclose(in);
    return key;
}

static X509 *read_certificate(const char *file)
{
    FILE *in = fopen(path_with(file, ".pem"), "r");

    DO(in);
    X509 *certificate = PEM_read_X509(in, NULL, NULL, NULL);
    DO(certificate);
    fclose(in);
    return certificate;
}

/* The file name of who signed a certificate is kept beside it. */
static void read_issuer(const char *file, char issuer[128])
{
    FILE *in = fopen(path_with(file, ".issuer"), "r");

    DO(in);
    DO(fgets(issuer, 128, in));
    fclose(in);
}

/* ---- making ---- */

static EVP_PKEY *make_key(enum cert_key kind)
{
    if (kind == CERT_RSA)
        return EVP_RSA_gen(2048);
    return kind == CERT_RSA_WEAK ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
}

static void write_key(const char *file, EVP_PKEY *key)
{
    const char *path = path_with(file, ".key");
    FILE *out = fopen(path, "w");

    DO(out);
    DO(fchmod(fileno(out), 0600) == 0);
    DO(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL));
    DO(fclose(out) == 0);
}

static void write_certificate(const char *file, X509 *certificate)
{
    FILE *out = fopen(path_with(file, ".pem"), "w");

    DO(out);
    DO(PEM_write_X509(out, certificate));
    DO(fclose(out) == 0);
}

static void add_extension(X509 *certificate, X509 *issuer, int nid,
                          const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    DO(ext);
    DO(X509_add_ext(certificate, ext, -1));
    X509_EXTENSION_free(ext);
}

static void add_names(X509 *certificate, X509 *issuer, const char *names)
{
    struct ed_bytes rest = ed_bytes(names);
    struct ed_buf value = {0};
    struct ed_addr addr;

    while (rest.ptr) {
        struct ed_bytes name = ed_bytes_cut(&rest, ',');

        DO(!ed_buf_addf(&value, "%s%s:%.*s", value.len ? "," : "",
                        ed_addr_parse_ip(&addr, name, 0) ? "DNS" : "IP",
                        (int)name.len, name.ptr));
    }
    add_extension(certificate, issuer, NID_subject_alt_name, value.ptr);
    ed_buf_free(&value);
}

static void set_validity(X509 *certificate, const struct cert *cert)
{
    int from = cert->from, until = cert->until;

    if (!from && !until) {
        from = -1;
        until = 30;
    }
    DO(X509_gmtime_adj(X509_getm_notBefore(certificate), (long)from * DAY));
    DO(X509_gmtime_adj(X509_getm_notAfter(certificate), (long)until * DAY));
}

static void set_subject(X509 *certificate, const struct cert *cert)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    const char *text = cert->common_name ? cert->common_name : cert->file;

    DO(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                  (const unsigned char *)"Eddy", -1, -1, 0));
    DO(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                  (const unsigned char *)text, -1, -1, 0));
}

static void set_number(X509 *certificate)
{
    static long number = 1000;

    DO(X509_set_version(certificate, X509_VERSION_3));
    DO(ASN1_INTEGER_set(X509_get_serialNumber(certificate), number++));
}

static void set_extensions(X509 *certificate, X509 *issuer,
                           const struct cert *cert)
{
    add_extension(certificate, issuer, NID_basic_constraints,
                  cert->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    if (!cert->ca)
        add_extension(certificate, issuer, NID_ext_key_usage,
                      cert->client ? "clientAuth" : "serverAuth");
    if (cert->names)
        add_names(certificate, issuer, cert->names);
}

/* Signs it; itself without an issuer. */
static void sign(X509 *certificate, const struct cert *cert, EVP_PKEY *key,
                 const char *issuer_file)
{
    X509 *issuer = *issuer_file ? read_certificate(issuer_file) : NULL;
    EVP_PKEY *issuer_key = *issuer_file ? read_key(issuer_file) : NULL;

    DO(X509_set_issuer_name(
        certificate, X509_get_subject_name(issuer ? issuer : certificate)));
    set_extensions(certificate, issuer ? issuer : certificate, cert);
    DO(X509_sign(certificate, issuer_key ? issuer_key : key, EVP_sha256()));
    X509_free(issuer);
    EVP_PKEY_free(issuer_key);
}

void certs_make_with(const struct cert *cert)
{
    const char *issuer = cert->issuer ? cert->issuer : "ca";
    EVP_PKEY *key = cert->key_of ? read_key(cert->key_of) : make_key(cert->key);
    X509 *certificate = X509_new();
    char name[128];

    DO(key && certificate);
    set_number(certificate);
    set_validity(certificate, cert);
    set_subject(certificate, cert);
    DO(X509_set_pubkey(certificate, key));
    sign(certificate, cert, key, issuer);
    write_key(cert->file, key);
    write_certificate(cert->file, certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);

    /* The chain, but for the root, which clients have. */
    snprintf(name, sizeof(name), "%s.issuer", cert->file);
    certs_write(name, *issuer ? issuer : cert->file);
    if (*issuer && strcmp(issuer, "ca")) {
        char own[128], next[128];
        snprintf(own, sizeof(own), "%s.pem", cert->file);
        snprintf(next, sizeof(next), "%s.pem", issuer);
        certs_append(own, next);
    }
}

void certs_open(void)
{
    snprintf(folder, sizeof(folder), "/tmp/eddy-certs-XXXXXX");
    DO(mkdtemp(folder));
    certs_make(.file = "ca", .common_name = "Eddy Test CA", .issuer = "",
               .ca = true);
}

static int remove_entry(const char *path, const struct stat *st, int kind,
                        struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

void certs_close(void)
{
    DO(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

int certs_tear_down(void **state)
{
    (void)state;
    certs_close();
    return 0;
}

/* ---- revocation ---- */

void certs_ocsp(const char *file, bool revoked, int until)
{
    char issuer_file[128];
    X509 *certificate = read_certificate(file);
    read_issuer(file, issuer_file);
    X509 *issuer = read_certificate(issuer_file);
    EVP_PKEY *key = read_key(issuer_file);
    ASN1_TIME *now = X509_gmtime_adj(NULL, -2 * DAY);
    ASN1_TIME *end = until ? X509_gmtime_adj(NULL, (long)until * DAY) : NULL;
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), certificate, issuer);
    unsigned char *der = NULL;

    DO(OCSP_basic_add1_status(
        basic, id, revoked ? V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD,
        OCSP_REVOKED_STATUS_KEYCOMPROMISE, revoked ? now : NULL, now, end));
    DO(OCSP_basic_sign(basic, issuer, key, EVP_sha256(), NULL, 0));
    OCSP_RESPONSE *response =
        OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int len = i2d_OCSP_RESPONSE(response, &der);
    DO(len > 0);
    FILE *out = fopen(path_with(file, ".ocsp"), "w");
    DO(out);
    DO(fwrite(der, 1, (size_t)len, out) == (size_t)len);
    DO(fclose(out) == 0);

    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
    ASN1_TIME_free(now);
    ASN1_TIME_free(end);
    EVP_PKEY_free(key);
    X509_free(issuer);
    X509_free(certificate);
}

void certs_revoke(const char *file, const char *append_to)
{
    char issuer_file[128];
    X509 *certificate = read_certificate(file);
    read_issuer(file, issuer_file);
    X509 *issuer = read_certificate(issuer_file);
    EVP_PKEY *key = read_key(issuer_file);
    ASN1_TIME *now = X509_gmtime_adj(NULL, -DAY);
    ASN1_TIME *next = X509_gmtime_adj(NULL, DAY);
    X509_CRL *list = X509_CRL_new();
    X509_REVOKED *entry = X509_REVOKED_new();

    DO(list && entry);
    DO(X509_REVOKED_set_serialNumber(entry,
                                     X509_get_serialNumber(certificate)));
    DO(X509_REVOKED_set_revocationDate(entry, now));
    DO(X509_CRL_set_version(list, X509_CRL_VERSION_2));
    DO(X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer)));
    DO(X509_CRL_set1_lastUpdate(list, now));
    DO(X509_CRL_set1_nextUpdate(list, next));
    DO(X509_CRL_add0_revoked(list, entry));
    DO(X509_CRL_sign(list, key, EVP_sha256()));
    FILE *out = fopen(certs_path(append_to), "a");
    DO(out);
    DO(PEM_write_X509_CRL(out, list));
    DO(fclose(out) == 0);

    X509_CRL_free(list);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    EVP_PKEY_free(key);
    X509_free(issuer);
    X509_free(certificate);
}

/* ---- pins ---- */

char *certs_pin_of_key(const char *file)
{
    X509 *certificate = read_certificate(file);
    unsigned char *der = NULL, digest[32];
    struct ed_buf text = {0};
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

    DO(len > 0);
    DO(EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL));
    DO(!ed_buf_add(&text, "sha256//", 8));
    DO(!ed_base64_encode(&text, ed_bytes_of(digest, sizeof(digest))));
    OPENSSL_free(der);
    X509_free(certificate);
    return text.ptr;
}

char *certs_pin(const char *file)
{
    X509 *certificate = read_certificate(file);
    unsigned char digest[32];
    struct ed_buf text = {0};

    DO(X509_digest(certificate, EVP_sha256(), digest, NULL));
    DO(!ed_buf_add(&text, "sha256:", 7));
    for (int i = 0; i < 32; i++)
        DO(!ed_buf_addf(&text, "%s%02X", i ? ":" : "", digest[i]));
    X509_free(certificate);
    return text.ptr;
}
