/*
 * crypto.h - digests, derived keys and random bytes, for rooms that know
 * nothing of OpenSSL. Secrets are compared with ed_bytes_equal_secret().
 *
 * Nothing here suspends; any thread.
 */
#ifndef EDDY_NET_CRYPTO_H
#define EDDY_NET_CRYPTO_H

#include <eddy/bytes.h>

enum ed_digest {
    ED_MD5,  /* for old protocols only: it protects nothing */
    ED_SHA1, /* likewise */
    ED_SHA256,
    ED_SHA512_256,
};

/* Room for any of them. */
#define ED_DIGEST_MAX 32

/*
 * The digest of some bytes. Returns its length, ED_ENOMEM, or ED_EUSAGE when
 * the system's policy (FIPS) forbids it, as it does MD5.
 */
ED_CHECK int ed_digest(enum ed_digest kind, struct ed_bytes bytes,
                       uint8_t out[ED_DIGEST_MAX]);

/* Room for the hexadecimal text of the longest digest, and the NUL. */
#define ED_DIGEST_TEXT (2 * ED_DIGEST_MAX + 1)

/* The same as text, in small letters. 0 or an error as above. */
ED_CHECK int ed_digest_text(enum ed_digest kind, struct ed_bytes bytes,
                            char out[ED_DIGEST_TEXT]);

/* The same of a file, from its beginning to its end; reading may wait for a
 * disk. 0, or an error as above, or -errno. */
ED_CHECK int ed_digest_file_text(enum ed_digest kind, int fd,
                                 char out[ED_DIGEST_TEXT]);

/* Fills `out` with `len` bytes (at most 8160) that follow from a secret and
 * the name of their purpose, and tell nothing of others: HKDF with SHA-256
 * (RFC 5869), without salt. 0, ED_ENOMEM or ED_EUSAGE. */
ED_CHECK int ed_derive(struct ed_bytes secret, struct ed_bytes purpose,
                       void *out, size_t len);

/* Fills `out` with bytes nobody can foresee. 0, or ED_EUSAGE when the system
 * has none to give. */
ED_CHECK int ed_random(void *out, size_t len);

/* Overwrites a secret for good. */
void ed_erase(void *secret, size_t len);

/* Overwrites all that a buffer has room for, and frees it. */
void ed_erase_buf(struct ed_buf *buf);

#endif
