/*
 * fuzz_tls_files.c - what TLS contexts read: PEM files of certificates, keys
 * and issuers, OCSP responses, pins, lists of protocols, and names that are
 * asked for. The first byte says which.
 *
 * These files are the operator's own, so that what matters is that nothing in
 * them brings the program down, leaks, or is taken for something it is not.
 */
#include "check.h"
#include "net/tls_context.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static const struct ed_tls_files files = {"certificate", "key", "ocsp"};

/* A certificate for a.org and *.b.org with its key, in one text. */
static struct ed_bytes good_identity(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    X509_EXTENSION *names = X509V3_EXT_conf_nid(
        NULL, NULL, NID_subject_alt_name, "DNS:a.org,DNS:*.b.org");
    char *text;

    CHECK(key && certificate && bio && names);
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1));
    CHECK(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
    CHECK(X509_gmtime_adj(X509_getm_notAfter(certificate), 1000));
    CHECK(X509_set_pubkey(certificate, key));
    CHECK(X509_add_ext(certificate, names, -1));
    CHECK(X509_sign(certificate, key, EVP_sha256()));
    CHECK(PEM_write_bio_X509(bio, certificate));
    CHECK(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    long len = BIO_get_mem_data(bio, &text);
    struct ed_bytes pem = {check_copy(ed_bytes_of(text, (size_t)len)),
                           (size_t)len};
    X509_EXTENSION_free(names);
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return pem;
}

static struct ed_bytes good;

static void try_identity(struct ed_bytes pem)
{
    struct ed_tls_names names = {0};
    struct ed_tls_identity *id;

    if (ed_tls_identity_parse(&id, &files, pem, pem, ed_bytes(NULL)))
        return;
    CHECK(X509_check_private_key(id->certificate, id->key) == 1);
    CHECK(!ed_tls_names_add(&names, id));
    CHECK(ed_tls_names_find(&names, ED_BYTES("a.org"))->list[0] == id);
    CHECK(ed_tls_names_add(&names, id) == ED_ETLSCONFIG);
    ed_tls_names_free(&names);
    ed_tls_identity_unref(id);
}

/* Whatever the response is, the certificate can be used. */
static void try_ocsp(struct ed_bytes der)
{
    struct ed_tls_identity *id;

    CHECK(!ed_tls_identity_parse(&id, &files, good, good, der));
    CHECK(id->ocsp_len == 0 || id->ocsp_len == der.len);
    ed_tls_identity_unref(id);
}

static void try_trust(struct ed_bytes pem)
{
    struct ed_tls_trust trust = {
        .store = X509_STORE_new(),
        .names = sk_X509_NAME_new_null(),
    };

    CHECK(trust.store && trust.names);
    int count = ed_tls_trust_add(&trust, "issuers", pem);
    CHECK(count < 0 || sk_X509_NAME_num(trust.names) <= count);
    ed_tls_trust_free(&trust);
}

static void try_name(struct ed_bytes name)
{
    static struct ed_tls_names names;
    struct ed_tls_identity *id;

    if (!names.count) {
        CHECK(!ed_tls_identity_parse(&id, &files, good, good, ed_bytes(NULL)));
        CHECK(!ed_tls_names_add(&names, id));
        ed_tls_identity_unref(id);
    }
    const struct ed_tls_choice *choice = ed_tls_names_find(&names, name);
    CHECK(choice && choice->count == 1);
}

static void try_pin(struct ed_bytes text)
{
    struct ed_tls_pin pin;
    int err = ed_tls_pin_parse(&pin, text);

    CHECK(err == 0 || err == ED_EPARSE);
    CHECK(err || ed_bytes_starts(text, pin.of_key ? ED_BYTES("sha256//")
                                                  : ED_BYTES("sha256:")));
}

static void try_alpn(struct ed_bytes text)
{
    struct ed_buf copy = {0}, wire = {0};

    CHECK(!ed_buf_add(&copy, text.ptr, text.len));
    int err = ed_tls_alpn_parse(&wire, copy.ptr ? copy.ptr : "");
    CHECK(err == 0 || err == ED_EPARSE);
    for (size_t at = 0; !err && at < wire.len;) {
        size_t len = (unsigned char)wire.ptr[at];
        CHECK(len > 0 && at + len < wire.len);
        at += 1 + len;
    }
    ed_buf_free(&copy);
    ed_buf_free(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct ed_bytes) = {
        ['i'] = try_identity, ['o'] = try_ocsp, ['t'] = try_trust,
        ['n'] = try_name,     ['p'] = try_pin,  ['a'] = try_alpn,
    };

    if (!good.ptr) {
        ed_log_set_level(ED_LOG_OFF);
        good = good_identity();
    }
    if (size == 0 || data[0] >= sizeof(tries) / sizeof(*tries) ||
        !tries[data[0]])
        return 0;
    char *copy = check_copy(ed_bytes_of(data + 1, size - 1));
    tries[data[0]](ed_bytes_of(copy, size - 1));
    CHECK(!ERR_peek_error());
    free(copy);
    return 0;
}
