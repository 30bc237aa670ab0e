/*
 * url.h - http, https and unix URLs, and their parts (RFC 3986).
 *
 * Pure functions; views point into the text that was given.
 */
#ifndef EDDY_WIRE_URL_H
#define EDDY_WIRE_URL_H

#include <eddy/api.h>
#include <eddy/bytes.h>

struct ed_url {
    struct ed_bytes scheme;   /* "http" or "https", as written */
    bool secure;              /* https */
    struct ed_bytes userinfo; /* before '@', still encoded; ptr NULL if none */
    struct ed_bytes host;     /* a name or an address, without brackets */
    bool ipv6;                /* the host stood in brackets */
    uint16_t port;            /* as given, else the scheme's default */
    bool port_given;
    struct ed_bytes path;     /* from '/', empty if none */
    struct ed_bytes query;    /* behind '?'; ptr NULL if none */
    struct ed_bytes fragment; /* behind '#'; ptr NULL if none */
    struct ed_bytes target;   /* path and query as a request sends them; empty
                                 path: send "/" before it */
    struct ed_bytes origin;   /* "scheme://host:port" part of the text, with
                                 the userinfo if there is one */
    struct ed_bytes socket;   /* for "http+unix://%2Frun%2Fx.sock/path": the
                                 still encoded path of the socket; the host
                                 is then empty */
};

/* Reads an absolute URL. Returns 0, or ED_EURL with a static text in *why:
 * other schemes, an empty host, a port that is none, white space, control
 * characters, backslashes or bytes from 0x80 anywhere. *why is NULL when all
 * is well. */
ED_CHECK int ed_url_parse(struct ed_url *url, struct ed_bytes text,
                          const char **why);

/* Resolves a reference such as "../x?y" against a base (RFC 3986, 5.2) and
 * appends the result, a URL that ed_url_parse() reads, to `out`. Returns 0,
 * ED_EURL or ED_ENOMEM; `out` is then as it was. */
ED_CHECK int ed_url_resolve(struct ed_buf *out, struct ed_bytes base,
                            struct ed_bytes reference);

/* Decodes %XX: writes to `out` (room for in.len, may be in.ptr itself) and
 * returns the length, or ED_EURL for a '%' without two hex digits or one that
 * decodes to NUL; `out` is then partly written. `plus` makes '+' a space, as in
 * forms. */
ED_CHECK ssize_t ed_url_decode(char *out, struct ed_bytes in, bool plus);

/* Appends `in` with everything but unreserved characters (and '/', if
 * `keep_slash`) written as %XX. Returns 0, or ED_ENOMEM with `out` as it
 * was. */
ED_CHECK int ed_url_encode(struct ed_buf *out, struct ed_bytes in,
                           bool keep_slash);

/* Takes the next "name=value" off a query; both still encoded, value.ptr NULL
 * when there is no '='. Empty pairs are skipped. False at the end. */
bool ed_query_next(struct ed_bytes *rest, struct ed_bytes *name,
                   struct ed_bytes *value);

/* Removes "." and ".." segments (RFC 3986, 5.2.4) in place and returns the
 * new length. ".." never climbs above the first '/'. Escaped dots are not
 * segments: decode first where they matter. */
size_t ed_path_normalize(char *path, size_t len);

#endif
