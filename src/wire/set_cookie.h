/*
 * set_cookie.h - the Set-Cookie field of a response (RFC 6265bis, 5.6).
 *
 * Reads what servers send as browsers do, who take nearly everything: what a
 * cookie means is decided here, whether it may be kept is the jar's matter.
 * Pure functions; views point into the text that was given.
 */
#ifndef EDDY_WIRE_SET_COOKIE_H
#define EDDY_WIRE_SET_COOKIE_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/* Name and value together; longer cookies are none. */
#define ED_COOKIE_MAX 4096

/* No cookie lives for longer: 400 days. */
#define ED_COOKIE_AGE_MAX (400ll * 24 * 60 * 60)

struct ed_set_cookie {
    struct ed_bytes name; /* may be empty, but not with the value */
    struct ed_bytes value;
    struct ed_bytes domain; /* without a dot in front; empty: not given */
    struct ed_bytes path;   /* begins with '/'; empty: the default one */
    bool persistent;
    int64_t expires; /* seconds of Unix time, if persistent; perhaps past */
    bool secure;
    bool http_only;
};

/* Reads a field's value that came at `now`, in seconds of Unix time. Returns 0,
 * or ED_EPARSE with a static text in *why; *why is NULL when all is well. */
ED_CHECK int ed_set_cookie_parse(struct ed_set_cookie *cookie,
                                 struct ed_bytes field, int64_t now,
                                 const char **why);

/* The path a cookie has that names none: the directory of the URL's (RFC
 * 6265bis, 5.1.4). A view of `path`, or "/". */
struct ed_bytes ed_cookie_default_path(struct ed_bytes path);

/* Whether a request for `path` gets the cookies of `cookie_path`. */
bool ed_cookie_path_match(struct ed_bytes path, struct ed_bytes cookie_path);

/* Whether a host is `domain` or below it; both in small letters, and the host
 * is a name. */
bool ed_cookie_domain_match(struct ed_bytes host, struct ed_bytes domain);

#endif
