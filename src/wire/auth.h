/*
 * auth.h - how servers ask for authentication (RFC 9110, 11): WWW-Authenticate,
 * Proxy-Authenticate and Authentication-Info.
 *
 * Pure functions; views point into the text that was given.
 */
#ifndef EDDY_WIRE_AUTH_H
#define EDDY_WIRE_AUTH_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/* "Digest realm="a", nonce="b"" or "Negotiate YII=". */
struct ed_challenge {
    struct ed_bytes scheme;
    struct ed_bytes token;  /* token68; empty if there is none */
    struct ed_bytes params; /* for ed_auth_param_next() */
};

/* Takes the next challenge off the value of a field, which may hold several
 * with commas between them. False at the end, and where it is malformed: *rest
 * is empty then. */
bool ed_challenge_next(struct ed_bytes *rest, struct ed_challenge *out);

struct ed_auth_param {
    struct ed_bytes name;
    struct ed_bytes value; /* without quotes, but as they need it escaped */
};

/* Takes the next "name=value" or "name="value"" off; false as above. */
bool ed_auth_param_next(struct ed_bytes *rest, struct ed_auth_param *out);

/* Takes the backslashes out of a value; `out` has room for value.len. Returns
 * the length. */
size_t ed_auth_unescape(char *out, struct ed_bytes value);

/* Appends a text in quotes, escaped as they need it. 0 or ED_ENOMEM. */
ED_CHECK int ed_auth_add_quoted(struct ed_buf *out, struct ed_bytes text);

#endif
