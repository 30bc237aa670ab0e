/*
 * tls_files.c - what TLS contexts read: certificates and their chains, keys,
 * OCSP responses, trusted issuers, the secret of ticket keys.
 *
 * Owns identities. Files are read whole and then parsed, so that a message can
 * name the file and what is wrong with it; keys and secrets are overwritten in
 * memory once they are parsed. Nothing here asks for a passphrase.
 */
#include "net/crypto.h"
#include "net/tls_context.h"
#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The issuers of a whole system are 250 KB; what is larger is something else,
 * a device maybe. */
#define FILE_MAX ((size_t)16 << 20)

/* Room for each read. */
#define READ_AHEAD 4096

/* Less could be guessed. */
#define SECRET_MIN 32

/* How far clocks of a responder and ours may differ, in seconds. */
#define OCSP_LEEWAY 300

/* ---- files ---- */

static int read_all(int fd, struct ed_buf *out)
{
    for (;;) {
        if (out->len > FILE_MAX)
            return -EFBIG;
        if (ed_buf_reserve(out, READ_AHEAD))
            return -ENOMEM;
        ssize_t n = read(fd, out->ptr + out->len, out->cap - out->len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        out->len += (size_t)n;
    }
    out->ptr[out->len] = '\0';
    return 0;
}

/* 0 or -errno. `mode` gets the file's kind and permissions. */
static int read_path(const char *path, struct ed_buf *out, mode_t *mode)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return -errno;
    int err = fstat(fd, &st) ? -errno : 0;
    *mode = err ? 0 : st.st_mode;
    if (!err && S_ISDIR(st.st_mode))
        err = -EISDIR;
    /* At once, so that no copy of a secret is left where it grew from. */
    if (!err && st.st_size > 0 && st.st_size < (off_t)FILE_MAX &&
        ed_buf_reserve(out, (size_t)st.st_size + READ_AHEAD + 1))
        err = -ENOMEM;
    if (!err)
        err = read_all(fd, out);
    close(fd);
    return err;
}

static int refuse_file(const char *path, int err)
{
    if (err == -ENOMEM)
        return ED_ENOMEM;
    return ed_tls_refuse("%s: %s", path, ed_err_text(err));
}

static void warn_if_public(const char *path, mode_t mode)
{
    if (S_ISREG(mode) && mode & S_IROTH)
        ed_log_warn("%s: every user of the system can read it", path);
}

int ed_tls_secret_read(struct ed_buf *out, const char *path)
{
    mode_t mode;
    int err = read_path(path, out, &mode);

    if (err)
        err = refuse_file(path, err);
    else if (out->len < SECRET_MIN)
        err = ed_tls_refuse("%s: a secret of %zu bytes; at least %d are needed",
                            path, out->len, SECRET_MIN);
    if (err)
        ed_erase_buf(out);
    else
        warn_if_public(path, mode);
    return err;
}

/* ---- certificates and keys ---- */

/* A program that serves has nobody to ask. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
    (void)buf, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static bool at_end_of_pem(void)
{
    unsigned long error = ERR_peek_last_error();

    return ERR_GET_LIB(error) == ERR_LIB_PEM &&
           ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static BIO *bio_of(struct ed_bytes b)
{
    if (b.len > FILE_MAX)
        return NULL;
    return BIO_new_mem_buf(b.len ? b.ptr : "", (int)b.len);
}

static int parse_chain(struct ed_tls_identity *id, const char *file, BIO *bio)
{
    bool asked = false;
    X509 *certificate;
    unsigned count = 0;

    id->chain = sk_X509_new_null();
    if (!id->chain)
        return ED_ENOMEM;
    ERR_clear_error();
    while (
        (certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, &asked))) {
        count++;
        if (!id->certificate) {
            id->certificate = certificate;
        } else if (!sk_X509_push(id->chain, certificate)) {
            X509_free(certificate);
            return ED_ENOMEM;
        }
    }
    if (!at_end_of_pem())
        return ed_tls_refuse("%s: certificate %u in it is broken: %s", file,
                             count + 1, ed_tls_reason());
    ERR_clear_error();
    if (!id->certificate)
        return ed_tls_refuse("%s: no PEM certificate in it", file);
    return 0;
}

static int parse_key(struct ed_tls_identity *id, const char *file, BIO *bio)
{
    bool asked = false;

    ERR_clear_error();
    id->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
    if (id->key)
        return 0;
    if (asked)
        return ed_tls_refuse("%s: the key is protected by a passphrase; "
                             "openssl pkey takes it away",
                             file);
    return ed_tls_refuse("%s: the private key is broken: %s", file,
                         ed_tls_reason());
}

static int parse_certificate(struct ed_tls_identity *id,
                             const struct ed_tls_files *files,
                             struct ed_bytes certificate, struct ed_bytes key)
{
    BIO *certificates = bio_of(certificate);
    BIO *keys = bio_of(key);
    int err = certificates && keys ? 0 : ED_ENOMEM;

    if (!err)
        err = parse_chain(id, files->certificate, certificates);
    /* OpenSSL has no error of its own for this. */
    if (!err && ed_bytes_find(key, ED_BYTES("PRIVATE KEY-----")) < 0)
        err = ed_tls_refuse("%s: no PEM private key in it", files->key);
    if (!err)
        err = parse_key(id, files->key, keys);
    if (!err && X509_check_private_key(id->certificate, id->key) != 1)
        err = ed_tls_refuse("%s: not the key of the certificate in %s",
                            files->key, files->certificate);
    BIO_free(certificates);
    BIO_free(keys);
    return err;
}

/* ---- OCSP responses ---- */

int64_t ed_tls_time(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) ? (int64_t)timegm(&tm) : 0;
}

/* Whether an answer is about our certificate; without its issuer at hand the
 * serial number has to do. */
static bool is_about(const OCSP_CERTID *answer, X509 *certificate, X509 *issuer)
{
    ASN1_OBJECT *digest;
    ASN1_INTEGER *serial;

    OCSP_id_get0_info(NULL, &digest, NULL, &serial, (OCSP_CERTID *)answer);
    if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate)))
        return false;
    const EVP_MD *md = EVP_get_digestbyobj(digest);
    if (!issuer || !md)
        return true;
    OCSP_CERTID *ours = OCSP_cert_to_id(md, certificate, issuer);
    bool same = ours && !OCSP_id_cmp(ours, answer);
    OCSP_CERTID_free(ours);
    return same;
}

/* Finds the answer about our certificate, and until when it counts. NULL, or
 * why the response cannot be used. */
static const char *check_answers(OCSP_BASICRESP *basic,
                                 const struct ed_tls_identity *id,
                                 int64_t *until)
{
    X509 *issuer = sk_X509_value(id->chain, 0);

    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *answer = OCSP_resp_get0(basic, i);
        ASN1_GENERALIZEDTIME *from, *to;

        if (!is_about(OCSP_SINGLERESP_get0_id(answer), id->certificate, issuer))
            continue;
        OCSP_single_get0_status(answer, NULL, NULL, &from, &to);
        if (!OCSP_check_validity(from, to, OCSP_LEEWAY, -1))
            return "it is out of date";
        *until = to ? ed_tls_time(to) + OCSP_LEEWAY : INT64_MAX;
        return NULL;
    }
    return "it is about other certificates";
}

static const char *check_response(struct ed_bytes der,
                                  const struct ed_tls_identity *id,
                                  int64_t *until)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)der.len);
    OCSP_BASICRESP *basic = NULL;
    const char *wrong;

    if (!response || (const char *)at != der.ptr + der.len)
        wrong = "it is no OCSP response in DER";
    else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        wrong = OCSP_response_status_str(OCSP_response_status(response));
    else if (!(basic = OCSP_response_get1_basic(response)))
        wrong = "it is of an unknown kind";
    else
        wrong = check_answers(basic, id, until);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return wrong;
}

static int take_response(struct ed_tls_identity *id, const char *file,
                         struct ed_bytes der)
{
    int64_t until = 0;
    const char *wrong = check_response(der, id, &until);

    if (wrong) {
        ed_log_warn("%s: not stapled: %s", file, wrong);
        return 0;
    }
    id->ocsp = malloc(der.len);
    if (!id->ocsp)
        return ED_ENOMEM;
    memcpy(id->ocsp, der.ptr, der.len);
    id->ocsp_len = der.len;
    id->ocsp_until = until;
    return 0;
}

/* ---- identities ---- */

int ed_tls_identity_parse(struct ed_tls_identity **out,
                          const struct ed_tls_files *files,
                          struct ed_bytes certificate, struct ed_bytes key,
                          struct ed_bytes ocsp)
{
    struct ed_tls_identity *id = calloc(1, sizeof(*id));

    if (!id)
        return ED_ENOMEM;
    atomic_init(&id->refs, 1);
    id->file = files->certificate;
    int err = parse_certificate(id, files, certificate, key);
    if (!err && ocsp.ptr)
        err = take_response(id, files->ocsp, ocsp);
    if (err)
        ed_tls_identity_unref(id);
    else
        *out = id;
    return err;
}

/* Without one nothing is stapled, which no client minds. */
static int read_response(const char *path, struct ed_buf *out)
{
    mode_t mode;
    int err = read_path(path, out, &mode);

    if (!err)
        return 0;
    ed_log_warn("%s: not stapled: %s", path, ed_err_text(err));
    ed_buf_free(out);
    return err == -ENOMEM ? ED_ENOMEM : 0;
}

static int read_identity(struct ed_tls_identity **out,
                         const struct ed_tls_files *files,
                         struct ed_buf *certificate, struct ed_buf *key,
                         struct ed_buf *ocsp)
{
    mode_t mode;
    int err = read_path(files->certificate, certificate, &mode);

    if (err)
        return refuse_file(files->certificate, err);
    err = read_path(files->key, key, &mode);
    if (err)
        return refuse_file(files->key, err);
    err = files->ocsp ? read_response(files->ocsp, ocsp) : 0;
    if (!err)
        err = ed_tls_identity_parse(out, files, ed_buf_bytes(certificate),
                                    ed_buf_bytes(key), ed_buf_bytes(ocsp));
    if (!err)
        warn_if_public(files->key, mode);
    return err;
}

int ed_tls_identity_read(struct ed_tls_identity **out,
                         const struct ed_tls_files *files)
{
    struct ed_buf certificate = {0}, key = {0}, ocsp = {0};
    int err = read_identity(out, files, &certificate, &key, &ocsp);

    ed_erase_buf(&certificate); /* it may hold the key as well */
    ed_erase_buf(&key);
    ed_buf_free(&ocsp);
    return err;
}

struct ed_tls_identity *ed_tls_identity_ref(struct ed_tls_identity *id)
{
    atomic_fetch_add_explicit(&id->refs, 1, memory_order_relaxed);
    return id;
}

void ed_tls_identity_unref(struct ed_tls_identity *id)
{
    if (atomic_fetch_sub_explicit(&id->refs, 1, memory_order_acq_rel) > 1)
        return;
    X509_free(id->certificate);
    EVP_PKEY_free(id->key);
    sk_X509_pop_free(id->chain, X509_free);
    free(id->ocsp);
    free(id);
}

/* ---- trusted issuers ---- */

static int note_name(struct ed_tls_trust *trust, X509 *certificate)
{
    const X509_NAME *name = X509_get_subject_name(certificate);

    for (int i = 0; i < sk_X509_NAME_num(trust->names); i++) {
        if (!X509_NAME_cmp(sk_X509_NAME_value(trust->names, i), name))
            return 0;
    }
    X509_NAME *copy = X509_NAME_dup(name);
    if (copy && sk_X509_NAME_push(trust->names, copy))
        return 0;
    X509_NAME_free(copy);
    return ED_ENOMEM;
}

/* Makes the digest one of what it was of and of something more. */
static int note_digest(struct ed_tls_trust *trust, const uint8_t more[32])
{
    uint8_t both[64];

    memcpy(both, trust->digest, 32);
    memcpy(both + 32, more, 32);
    int len = ed_digest(ED_SHA256, ed_bytes_of(both, 64), trust->digest);
    return len < 0 ? len : 0;
}

static int trust_certificate(struct ed_tls_trust *trust, X509 *certificate)
{
    uint8_t digest[32];

    if (!X509_digest(certificate, EVP_sha256(), digest, NULL) ||
        !X509_STORE_add_cert(trust->store, certificate))
        return ED_ENOMEM;
    int err = note_name(trust, certificate);
    return err ? err : note_digest(trust, digest);
}

static int heed_list(struct ed_tls_trust *trust, X509_CRL *list)
{
    uint8_t digest[32];

    if (!X509_CRL_digest(list, EVP_sha256(), digest, NULL) ||
        !X509_STORE_add_crl(trust->store, list))
        return ED_ENOMEM;
    X509_STORE_set_flags(trust->store,
                         X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return note_digest(trust, digest);
}

int ed_tls_trust_add(struct ed_tls_trust *trust, const char *name,
                     struct ed_bytes pem)
{
    bool asked = false;
    BIO *bio = bio_of(pem);
    int count = 0, err = 0;

    ERR_clear_error();
    STACK_OF(X509_INFO) *found =
        bio ? PEM_X509_INFO_read_bio(bio, NULL, no_passphrase, &asked) : NULL;
    BIO_free(bio);
    if (!found)
        return ed_tls_refuse("%s: not all of it is PEM: %s", name,
                             ed_tls_reason());
    for (int i = 0; !err && i < sk_X509_INFO_num(found); i++) {
        X509_INFO *info = sk_X509_INFO_value(found, i);

        if (info->x509) {
            err = trust_certificate(trust, info->x509);
            count++;
        }
        if (!err && info->crl)
            err = heed_list(trust, info->crl);
    }
    sk_X509_INFO_pop_free(found, X509_INFO_free);
    ERR_clear_error();
    return err ? err : count;
}

static int trust_file(struct ed_tls_trust *trust, const char *path)
{
    struct ed_buf text = {0};
    mode_t mode;
    int count = read_path(path, &text, &mode);

    if (count)
        count = refuse_file(path, count);
    else
        count = ed_tls_trust_add(trust, path, ed_buf_bytes(&text));
    ed_buf_free(&text);
    return count;
}

/* What is no file, and whatever OpenSSL and people leave there (keys, notes,
 * lists of names) is passed over. */
static int trust_entry(struct ed_tls_trust *trust, const char *folder,
                       const char *entry)
{
    struct ed_buf path = {0}, text = {0};
    mode_t mode;
    int count = ed_buf_addf(&path, "%s/%s", folder, entry);

    if (!count && !read_path(path.ptr, &text, &mode) &&
        ed_bytes_find(ed_buf_bytes(&text), ED_BYTES("-----BEGIN ")) >= 0)
        count = ed_tls_trust_add(trust, path.ptr, ed_buf_bytes(&text));
    ed_buf_free(&path);
    ed_buf_free(&text);
    return count;
}

static int trust_folder(struct ed_tls_trust *trust, const char *path)
{
    struct dirent **entries;
    int total = 0, failed = 0;
    int found = scandir(path, &entries, NULL, alphasort);

    if (found < 0)
        return refuse_file(path, -errno);
    for (int i = 0; i < found; i++) {
        int count = 0;

        if (!failed && entries[i]->d_name[0] != '.')
            count = trust_entry(trust, path, entries[i]->d_name);
        if (count < 0)
            failed = count;
        else
            total += count;
        free(entries[i]);
    }
    free(entries);
    return failed ? failed : total;
}

int ed_tls_trust_read(struct ed_tls_trust *out, const char *path)
{
    struct stat st;
    struct ed_tls_trust trust = {
        .store = X509_STORE_new(),
        .names = sk_X509_NAME_new_null(),
    };
    int count;

    if (!trust.store || !trust.names)
        count = ED_ENOMEM;
    else if (stat(path, &st))
        count = refuse_file(path, -errno);
    else if (S_ISDIR(st.st_mode))
        count = trust_folder(&trust, path);
    else
        count = trust_file(&trust, path);
    if (count == 0)
        count = ed_tls_refuse("%s: no PEM certificate in it", path);
    if (count > 0)
        *out = trust;
    else
        ed_tls_trust_free(&trust);
    return count < 0 ? count : 0;
}

void ed_tls_trust_free(struct ed_tls_trust *trust)
{
    X509_STORE_free(trust->store);
    sk_X509_NAME_pop_free(trust->names, X509_NAME_free);
    *trust = (struct ed_tls_trust){0};
}
