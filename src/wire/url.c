/*
 * url.c - reads, resolves and escapes URLs (RFC 3986).
 *
 * What a URL is taken apart into is put together again elsewhere, as a name
 * to resolve and a line to send: so nothing passes here that a resolver, a
 * log or another parser could read differently. There is no guessing what
 * was meant.
 */
#include "wire/url.h"
#include "base/ascii.h"
#include "base/hex.h"
#include "wire/host.h"

#include <eddy/error.h>

static int bad(const char **why, const char *text)
{
    *why = text;
    return ED_EURL;
}

static struct ed_bytes between(const char *from, const char *to)
{
    return ed_bytes_of(from, (size_t)(to - from));
}

/* RFC 3986, 2.3 */
static bool is_unreserved(char c)
{
    return ed_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* What characters mean, as bits: looking one up takes a load where a search
 * in a text takes a call. */
enum {
    COLON = 1,
    SLASH = 2,
    QUESTION = 4,
    HASH = 8,
    BRACKET = 16, /* the closing one */
    BAD = 32,     /* may not stand anywhere in a URL */
};

static const uint8_t meaning[256] = {
    [0 ... ' '] = BAD, ['\\'] = BAD,     [0x7f ... 0xff] = BAD, [':'] = COLON,
    ['/'] = SLASH,     ['?'] = QUESTION, ['#'] = HASH,          [']'] = BRACKET,
};

/* The first that means one of `stops` in [at, end), or `end`. */
static const char *find_any(const char *at, const char *end, uint8_t stops)
{
    while (at < end && !(meaning[(unsigned char)*at] & stops))
        at++;
    return at;
}

/* What may not stand anywhere in a URL. */
static const char *bad_character(struct ed_bytes text)
{
    const char *end = text.ptr + text.len;
    const char *at = find_any(text.ptr, end, BAD);

    if (at == end)
        return NULL;
    if (*at == '\\')
        return "a backslash";
    if ((unsigned char)*at >= 0x80)
        return "not ASCII: such characters are written as %XX";
    return "white space or a control character";
}

static bool is_scheme(struct ed_bytes scheme, const char *lower)
{
    return ed_bytes_equal_nocase(scheme, ed_bytes(lower));
}

/* Reads "[userinfo@]"; returns what is behind it, or NULL. */
static const char *read_userinfo(struct ed_url *url, const char *at,
                                 const char *end)
{
    const char *sign = memchr(at, '@', (size_t)(end - at));
    if (!sign)
        return at;

    for (const char *c = at; c < sign; c++) {
        if (!ed_is_alnum(*c) && !strchr("-._~!$&'()*+,;=:%", *c))
            return NULL;
    }
    url->userinfo = between(at, sign);
    return sign + 1;
}

/* Reads the digits of a port, of which there may be none. */
static int read_port(struct ed_url *url, struct ed_bytes digits,
                     const char **why)
{
    unsigned port = 0;

    if (!digits.len)
        return 0;
    for (size_t i = 0; i < digits.len; i++)
        port = port * 10 + (unsigned)(digits.ptr[i] - '0');
    if (!port)
        return bad(why, "port 0");
    url->port = (uint16_t)port;
    url->port_given = true;
    return 0;
}

static int read_host(struct ed_url *url, struct ed_bytes host, const char **why)
{
    const char *end = host.ptr + host.len;

    if (!host.len)
        return bad(why, "no host");
    if (!ed_host_is_valid(host, 0))
        return bad(why, "malformed host or port");

    const char *host_end;
    if (host.ptr[0] == '[') {
        url->ipv6 = true;
        host_end = find_any(host.ptr, end, BRACKET);
        url->host = between(host.ptr + 1, host_end);
        host_end++;
    } else {
        host_end = find_any(host.ptr, end, COLON);
        url->host = between(host.ptr, host_end);
    }
    if (host_end == end)
        return 0;
    return read_port(url, between(host_end + 1, end), why);
}

/* The encoded path of a socket: an absolute one, as nobody can know what a
 * relative one would be relative to. */
static int read_socket(struct ed_url *url, struct ed_bytes socket,
                       const char **why)
{
    const char *colon = memchr(socket.ptr, ':', socket.len);

    if (socket.len < 4 || colon || !ed_host_is_valid(socket, 0) ||
        strncmp(socket.ptr, "%2", 2) || (socket.ptr[2] | 0x20) != 'f')
        return bad(why, "no path of a socket, such as %2Frun%2Fx.sock");
    url->socket = socket;
    return 0;
}

static int read_scheme(struct ed_url *url, struct ed_bytes scheme,
                       const char **why)
{
    url->scheme = scheme;
    url->secure = is_scheme(scheme, "https");
    url->port = url->secure ? 443 : 80;
    if (url->secure || is_scheme(scheme, "http") ||
        is_scheme(scheme, "http+unix"))
        return 0;
    return bad(why, "neither http:// nor https://");
}

static int read_authority(struct ed_url *url, const char *at, const char *end,
                          const char **why)
{
    if (is_scheme(url->scheme, "http+unix"))
        return read_socket(url, between(at, end), why);

    const char *host = read_userinfo(url, at, end);
    if (!host)
        return bad(why, "malformed user information");
    return read_host(url, between(host, end), why);
}

static void read_target(struct ed_url *url, const char *at, const char *end)
{
    const char *hash = find_any(at, end, HASH);
    const char *question = find_any(at, hash, QUESTION);

    url->path = between(at, question);
    url->target = between(at, hash);
    if (question < hash)
        url->query = between(question + 1, hash);
    if (hash < end)
        url->fragment = between(hash + 1, end);
}

int ed_url_parse(struct ed_url *url, struct ed_bytes text, const char **why)
{
    *url = (struct ed_url){0};
    *why = bad_character(text);
    if (*why)
        return ED_EURL;

    ssize_t colon = ed_bytes_find(text, ED_BYTES("://"));
    if (colon < 0)
        return bad(why, "neither http:// nor https://");
    int err = read_scheme(url, ed_bytes_of(text.ptr, (size_t)colon), why);
    if (err)
        return err;

    const char *end = text.ptr + text.len;
    const char *authority = text.ptr + colon + 3;
    const char *authority_end =
        find_any(authority, end, SLASH | QUESTION | HASH);
    err = read_authority(url, authority, authority_end, why);
    if (err)
        return err;
    url->origin = between(text.ptr, authority_end);
    read_target(url, authority_end, end);
    return 0;
}

/* --- resolving --- */

/* A reference has a scheme when a ':' comes before any '/', '?' or '#'. */
static bool has_scheme(struct ed_bytes reference)
{
    const char *end = reference.ptr + reference.len;
    const char *stop =
        find_any(reference.ptr, end, COLON | SLASH | QUESTION | HASH);

    return stop < end && *stop == ':';
}

/* Adds a path and then takes the dot segments out of what was added. */
static int add_path(struct ed_buf *out, struct ed_bytes directory,
                    struct ed_bytes path)
{
    size_t start = out->len;
    int err = ed_buf_add(out, directory.ptr, directory.len);

    if (!err)
        err = ed_buf_add(out, path.ptr, path.len);
    if (err || out->len == start)
        return err;
    out->len = start + ed_path_normalize(out->ptr + start, out->len - start);
    out->ptr[out->len] = '\0';
    return 0;
}

/* What of the base's path a relative one is behind: all up to the last '/'. */
static struct ed_bytes directory_of(struct ed_bytes path)
{
    while (path.len && path.ptr[path.len - 1] != '/')
        path.len--;
    return path.len ? path : ED_BYTES("/");
}

/* Adds "scheme://authority" and a path with its dot segments taken out, then
 * the query and fragment as they are: they may hold dots and slashes. */
static int add_absolute(struct ed_buf *out, struct ed_bytes origin,
                        struct ed_bytes directory, struct ed_bytes rest)
{
    const char *end = rest.ptr + rest.len;
    const char *path_end = find_any(rest.ptr, end, QUESTION | HASH);
    int err = ed_buf_add(out, origin.ptr, origin.len);

    if (!err)
        err = add_path(out, directory, between(rest.ptr, path_end));
    if (!err)
        err = ed_buf_add(out, path_end, (size_t)(end - path_end));
    return err;
}

/* RFC 3986, 5.2.2, for a reference without a scheme. */
static int add_relative(struct ed_buf *out, const struct ed_url *base,
                        struct ed_bytes reference)
{
    const char *end = reference.ptr + reference.len;

    if (ed_bytes_starts(reference, ED_BYTES("//"))) {
        const char *stop =
            find_any(reference.ptr + 2, end, SLASH | QUESTION | HASH);
        int err = ed_buf_add(out, base->scheme.ptr, base->scheme.len);

        if (!err)
            err = ed_buf_add(out, ":", 1);
        if (err)
            return err;
        return add_absolute(out, between(reference.ptr, stop), ED_BYTES(""),
                            between(stop, end));
    }
    if (ed_bytes_starts(reference, ED_BYTES("/")))
        return add_absolute(out, base->origin, ED_BYTES(""), reference);
    if (!reference.len || reference.ptr[0] == '#') {
        int err = add_absolute(out, base->origin, ED_BYTES(""), base->target);
        return err ? err : ed_buf_add(out, reference.ptr, reference.len);
    }
    if (reference.ptr[0] == '?')
        return add_absolute(out, base->origin, base->path, reference);
    return add_absolute(out, base->origin, directory_of(base->path), reference);
}

static int add_resolved(struct ed_buf *out, struct ed_bytes base,
                        struct ed_bytes reference)
{
    struct ed_url url;
    const char *why;
    int err = ed_url_parse(&url, base, &why);
    if (err)
        return err;
    if (!has_scheme(reference))
        return add_relative(out, &url, reference);

    err = ed_url_parse(&url, reference, &why);
    if (err)
        return err;
    const char *end = reference.ptr + reference.len;
    return add_absolute(out, url.origin, ED_BYTES(""),
                        between(url.path.ptr, end));
}

int ed_url_resolve(struct ed_buf *out, struct ed_bytes base,
                   struct ed_bytes reference)
{
    size_t start = out->len;
    struct ed_url result;
    const char *why;
    int err = add_resolved(out, base, reference);

    if (!err)
        err = ed_url_parse(
            &result, ed_bytes_of(out->ptr + start, out->len - start), &why);
    if (err && out->ptr) {
        out->len = start;
        out->ptr[start] = '\0';
    }
    return err;
}

/* --- escaping --- */

ssize_t ed_url_decode(char *out, struct ed_bytes in, bool plus)
{
    char *to = out;

    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != '%') {
            *to++ = plus && in.ptr[i] == '+' ? ' ' : in.ptr[i];
            continue;
        }
        int high = in.len - i > 2 ? ed_hex_value(in.ptr[i + 1]) : -1;
        int low = high >= 0 ? ed_hex_value(in.ptr[i + 2]) : -1;
        if (low < 0 || high + low == 0)
            return ED_EURL;
        *to++ = (char)(high << 4 | low);
        i += 2;
    }
    return to - out;
}

static bool stays(char c, bool keep_slash)
{
    return is_unreserved(c) || (keep_slash && c == '/');
}

int ed_url_encode(struct ed_buf *out, struct ed_bytes in, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++)
        len += stays(in.ptr[i], keep_slash) ? 1 : 3;
    int err = ed_buf_reserve(out, len);
    if (err)
        return err;

    char *to = out->ptr + out->len;
    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.ptr[i];

        if (stays(in.ptr[i], keep_slash)) {
            *to++ = in.ptr[i];
            continue;
        }
        *to++ = '%';
        *to++ = hex[c >> 4];
        *to++ = hex[c & 15];
    }
    *to = '\0';
    out->len += len;
    return 0;
}

bool ed_query_next(struct ed_bytes *rest, struct ed_bytes *name,
                   struct ed_bytes *value)
{
    while (rest->len) {
        struct ed_bytes pair = ed_bytes_cut(rest, '&');

        if (!pair.len)
            continue;
        *name = ed_bytes_cut(&pair, '=');
        *value = pair;
        return true;
    }
    return false;
}

/* --- dot segments --- */

/* Whether the segment that begins behind the '/' at path[at] is `dots` long
 * and consists of dots. */
static bool is_dots(const char *path, size_t at, size_t len, size_t dots)
{
    if (len - at - 1 < dots || memcmp(path + at + 1, "..", dots))
        return false;
    return at + 1 + dots == len || path[at + 1 + dots] == '/';
}

/* A path without its last segment and the '/' before it. */
static size_t without_last(const char *path, size_t len)
{
    while (len && path[--len] != '/')
        ;
    return len;
}

size_t ed_path_normalize(char *path, size_t len)
{
    size_t from = 0, to = 0;

    /* A relative path: its first segment has no '/' before it. */
    while (from < len && path[from] != '/')
        path[to++] = path[from++];
    if ((to == 1 && path[0] == '.') || (to == 2 && !memcmp(path, "..", 2)))
        to = 0;

    while (from < len) {
        bool up = is_dots(path, from, len, 2);

        if (up || is_dots(path, from, len, 1)) {
            if (up)
                to = without_last(path, to);
            from += up ? 3 : 2;
            if (from == len)
                path[to++] = '/';
            continue;
        }
        path[to++] = path[from++];
        while (from < len && path[from] != '/')
            path[to++] = path[from++];
    }
    return to;
}
