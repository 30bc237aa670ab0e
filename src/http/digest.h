/*
 * digest.h - digest authentication (RFC 7616): from a challenge to its answer.
 *
 * Of the qualities of protection it has "auth" and, for old servers, none.
 */
#ifndef EDDY_HTTP_DIGEST_H
#define EDDY_HTTP_DIGEST_H

#include <eddy/bytes.h>
#include "net/crypto.h"
#include "wire/auth.h"

/* Room for a cnonce: 16 random bytes as text. */
#define ED_CNONCE_LEN 32

/* A challenge, as it is remembered. */
struct ed_digest_challenge {
    enum ed_digest kind;
    bool session; /* the "-sess" of the algorithm */
    bool qop;     /* "auth" */
    bool stale;
    bool userhash;
    struct ed_buf realm; /* all three as they are, and not escaped */
    struct ed_buf nonce;
    struct ed_buf opaque;
    bool has_opaque;
    struct ed_buf first_nonce; /* which a session is bound to */
    char cnonce[ED_CNONCE_LEN + 1];
    uint32_t count; /* answers given so far */
};

/* Reads the parameters of a challenge with scheme Digest. False when it cannot
 * be answered: there is no nonce or realm, or its algorithm or quality is
 * unknown; or there is no memory. Free it in any case. */
ED_CHECK bool ed_digest_read(struct ed_digest_challenge *c,
                             struct ed_bytes params);
void ed_digest_free(struct ed_digest_challenge *c);

/* What else an answer is made of. */
struct ed_digest_request {
    struct ed_bytes method;
    struct ed_bytes target;
    struct ed_bytes user;
    struct ed_bytes password;
};

/* Appends the value of an Authorization field that answers the challenge; its
 * count grows. 0, ED_ENOMEM, or ED_EUSAGE when the system's policy forbids the
 * algorithm. */
ED_CHECK int ed_digest_answer(struct ed_digest_challenge *c,
                              const struct ed_digest_request *request,
                              struct ed_buf *out);

/* The server names the nonce of the next request. 0 or ED_ENOMEM. */
ED_CHECK int ed_digest_set_nonce(struct ed_digest_challenge *c,
                                 struct ed_bytes nonce);

#endif
