/*
 * crypto.c - digests, derived keys and random bytes, by OpenSSL.
 *
 * Owns nothing. Leaves OpenSSL's error queue empty, so that no failure here is
 * taken for one of a connection.
 */
#include "net/crypto.h"
#include "base/hex.h"

#include <eddy/error.h>
#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <unistd.h>

static const char *const digest_names[] = {
    [ED_MD5] = "MD5",
    [ED_SHA1] = "SHA1",
    [ED_SHA256] = "SHA2-256",
    [ED_SHA512_256] = "SHA2-512/256",
};

/* Empties the error queue and says what was in it. */
static int failure(void)
{
    int reason = ERR_GET_REASON(ERR_peek_error());

    ERR_clear_error();
    return reason == ERR_R_MALLOC_FAILURE ? ED_ENOMEM : ED_EUSAGE;
}

int ed_digest(enum ed_digest kind, struct ed_bytes bytes,
              uint8_t out[ED_DIGEST_MAX])
{
    unsigned len = 0;
    EVP_MD *md = EVP_MD_fetch(NULL, digest_names[kind], NULL);

    if (!md)
        return failure();
    int done = EVP_Digest(bytes.ptr, bytes.len, out, &len, md, NULL);
    EVP_MD_free(md);
    return done ? (int)len : failure();
}

int ed_digest_text(enum ed_digest kind, struct ed_bytes bytes,
                   char out[ED_DIGEST_TEXT])
{
    uint8_t digest[ED_DIGEST_MAX];
    int len = ed_digest(kind, bytes, digest);

    if (len < 0)
        return len;
    *ed_hex_write(out, digest, (size_t)len) = '\0';
    return 0;
}

/* Adds what a file holds: 0 or an error. */
static int digest_content(EVP_MD_CTX *ctx, int fd)
{
    char bytes[16 * 1024];
    off_t at = 0;
    ssize_t n;

    while ((n = pread(fd, bytes, sizeof(bytes), at)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (!EVP_DigestUpdate(ctx, bytes, (size_t)n))
            return failure();
        at += n;
    }
    return 0;
}

int ed_digest_file_text(enum ed_digest kind, int fd, char out[ED_DIGEST_TEXT])
{
    uint8_t digest[ED_DIGEST_MAX];
    unsigned len = 0;
    EVP_MD *md = EVP_MD_fetch(NULL, digest_names[kind], NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool begun = md && ctx && EVP_DigestInit_ex2(ctx, md, NULL);
    int err = begun ? digest_content(ctx, fd) : failure();

    if (!err && !EVP_DigestFinal_ex(ctx, digest, &len))
        err = failure();
    EVP_MD_CTX_free(ctx);
    EVP_MD_free(md);
    if (!err)
        *ed_hex_write(out, digest, len) = '\0';
    return err;
}

int ed_derive(struct ed_bytes secret, struct ed_bytes purpose, void *out,
              size_t len)
{
    char sha256[] = "SHA2-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256,
                               sizeof(sha256) - 1),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret.ptr,
                                secret.len),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, (void *)purpose.ptr,
                                purpose.len),
        OSSL_PARAM_END,
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;

    int done = ctx ? EVP_KDF_derive(ctx, out, len, params) : 0;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return done > 0 ? 0 : failure();
}

int ed_random(void *out, size_t len)
{
    if (len > INT_MAX)
        return ED_EUSAGE;
    return RAND_bytes(out, (int)len) > 0 ? 0 : failure();
}

void ed_erase(void *secret, size_t len)
{
    OPENSSL_cleanse(secret, len);
}

void ed_erase_buf(struct ed_buf *buf)
{
    if (buf->ptr)
        ed_erase(buf->ptr, buf->cap);
    ed_buf_free(buf);
}
