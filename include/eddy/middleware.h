/*
 * middleware.h - ready-made middleware: what nearly every service wants around
 * its handlers.
 *
 *     ed_use_trusted_proxies(app, .trusted = "10.0.0.0/8 unix");
 *     ed_use_access_log(app, .file = "/var/log/shop.log");
 *     ed_use_request_id(app);
 *     ed_use_compression(app);
 *     ed_use_security_headers(app);
 *     ed_use_etag(app);
 *     ed_use_timeout(reports, .within = 30 * ED_S);
 *
 * Each is added to an app or to a group, and runs as if ed_before() or
 * ed_around() had added it there: of one place, the first added is the
 * outermost (app.h). A reply passes them in the opposite order. The order above
 * is a good one: who logs sees what the others make of a reply, and a hash is
 * taken of what the handler said, before it is compressed.
 *
 * They are added before the first request, by the thread the app belongs to.
 * Nothing here suspends where nothing else is said. Texts in options are
 * copied; lists in them are separated by commas, spaces or both. What a
 * programmer got wrong (a network that is none, a format nobody knows) is
 * logged and returned as ED_EUSAGE, and ed_main() refuses to start, so that
 * programs may ignore the result.
 */
#ifndef EDDY_MIDDLEWARE_H
#define EDDY_MIDDLEWARE_H

#include <eddy/app.h>

ED_BEGIN_DECLS

/* An app or a group; made by the macros below of either. */
struct ed_where {
    ed_app *app;
    ed_group *group;
};

static inline struct ed_where ed_where_app_(ed_app *app)
{
    struct ed_where where = {app, NULL};
    return where;
}

static inline struct ed_where ed_where_group_(ed_group *group)
{
    struct ed_where where = {NULL, group};
    return where;
}

#ifdef __cplusplus
ED_BEGIN_CXX_DECLS
static inline struct ed_where ed_where_of_(ed_app *app)
{
    return ed_where_app_(app);
}
static inline struct ed_where ed_where_of_(ed_group *group)
{
    return ed_where_group_(group);
}
ED_END_CXX_DECLS
#define ED_WHERE_(x) ed_where_of_(x)
#else
#define ED_WHERE_(x) \
    _Generic((x), ed_app * : ed_where_app_, ed_group * : ed_where_group_)(x)
#endif

/* ---- heads of replies ---- */

/*
 * Has fn(req, arg) called just before the head of a reply goes out, whoever
 * made it, an error reply too: ed_reply_status() is the status, and
 * ed_reply_header() adds fields. A negative result takes the reply's place, as
 * if the handler had returned it. For a reply that did not get out and the one
 * in its place it is called twice; ed_reply_header_set() does not mind. Not for
 * a connection that is taken over (ed_req_upgrade()).
 *
 * `fn` must not suspend.
 */
typedef int ed_head_fn(ed_req *req, void *arg);
#define ed_use_head(where, fn, arg) \
    ed_use_head_with(ED_WHERE_(where), (fn), (arg))
ED_API int ed_use_head_with(struct ed_where where, ed_head_fn *fn, void *arg);

/* ---- compression ---- */

struct ed_compression_options {
    size_t size;
    const char *codings; /* offered, the preferred first; "zstd, br, gzip" */
    /* Types of content worth it: "text/html", "text/" followed by a star, or
     * "+json" for all subtypes that end so. NULL: text, JSON, XML, scripts,
     * SVG, and fonts and images that are not compressed by themselves. */
    const char *types;
    int64_t min_bytes; /* smaller bodies of known length are sent as they are;
                          0: 1 KiB, negative: none is too small */
    int gzip_level;    /* 1 to 9; 0: 5 */
    int br_level;      /* 1 to 11; 0: 4 */
    int zstd_level;    /* 1 to 19; 0: 3 */
    unsigned max_streams; /* compressed at once by a loop; 0: 128 */
    bool event_streams;   /* text/event-stream, too */
};

/*
 * Compresses bodies as they are sent, by the coding that Accept-Encoding asks
 * for most, with its qualities (RFC 9110, 12.5.3); of equal ones, the first
 * offered. A client that takes nothing else ("identity;q=0") gets even small
 * bodies and other types compressed.
 *
 * Every reply gets "Vary: Accept-Encoding". One that is compressed gets
 * Content-Encoding, and its strong ETag becomes a weak one, since the bytes
 * differ. A body that is given whole and fits a buffer when compressed keeps a
 * Content-Length. ed_flush() sends on all that was written.
 *
 * Left alone are: what has a Content-Encoding already, parts (206,
 * Content-Range), "Cache-Control: no-transform", and streams of events, unless
 * asked for.
 *
 * An encoder takes memory until the reply has ended: about 270 KiB for gzip,
 * 1.8 MiB for br and 1.7 MiB for zstd at the usual levels. Of
 * max_streams replies under way, further ones are sent as they are. Long bodies
 * are compressed piece by piece, and other fibers run in between.
 *
 * Compressing a secret together with something an attacker can choose, over
 * TLS, gives the secret away by the length (BREACH): leave it off where pages
 * repeat parts of a request beside tokens that stay the same.
 */
#define ed_use_compression(where, ...) \
    ed_use_compression_with(           \
        ED_WHERE_(where),              \
        ED_OPTIONS(struct ed_compression_options, __VA_ARGS__))
ED_API int ed_use_compression_with(
    struct ed_where where, const struct ed_compression_options *options);

/* ---- ETag ---- */

struct ed_etag_options {
    size_t size;
    size_t max_bytes; /* longer bodies get none; 0: 1 MiB */
};

/*
 * Gives 200 replies to GET and HEAD whose body is given whole an ETag, a
 * strong one: 128 bits of the body's SHA-256. One that the handler has set
 * stays. When If-None-Match names it, by weak comparison, the reply becomes
 * 304 Not Modified, without the body and the fields that describe it; what it
 * cost to make the body was spent all the same.
 */
#define ed_use_etag(where, ...)        \
    ed_use_etag_with(ED_WHERE_(where), \
                     ED_OPTIONS(struct ed_etag_options, __VA_ARGS__))
ED_API int ed_use_etag_with(struct ed_where where,
                            const struct ed_etag_options *options);

/* ---- CORS ---- */

/* Whether pages of an origin, such as "https://shop.example", may read what is
 * replied; may suspend. */
typedef bool ed_cors_origin_fn(ed_req *req, const char *origin, void *arg);

struct ed_cors_options {
    size_t size;
    /* Who may read: "https://shop.example", "https://" with "*." and a domain
     * for all hosts below it, or a star alone for everybody. Scheme and port
     * count. */
    const char *origins;
    ed_cors_origin_fn *allow; /* asked when none of those fits */
    void *arg;
    bool credentials;     /* with cookies and passwords; not for everybody */
    const char *methods;  /* NULL: GET, HEAD, POST, PUT, PATCH, DELETE */
    const char *headers;  /* of requests, a star for those asked for; NULL:
                             Content-Type */
    const char *exposed;  /* of replies; NULL: none but the usual */
    int64_t max_age;      /* how long a browser remembers; 0: 10 minutes,
                             negative: its own idea */
    bool private_network; /* from the internet into a private network */
};

/*
 * Lets pages of other origins read replies (the Fetch standard's CORS
 * protocol). Preflights (OPTIONS with Access-Control-Request-Method) are
 * answered here, 204, or 403 for an origin that may not read; in a group, too,
 * when the method that is asked for leads to one of its routes. Put it before
 * what refuses requests, such as ed_use_basic_auth(): a preflight carries no
 * password.
 *
 * Replies to any other origin are as without it: it is the browser that keeps
 * them from the page. "Vary: Origin" is added unless everybody may read.
 *
 * ED_EUSAGE: no origin at all, one that is malformed, or credentials for
 * everybody.
 */
#define ed_use_cors(where, ...)        \
    ed_use_cors_with(ED_WHERE_(where), \
                     ED_OPTIONS(struct ed_cors_options, __VA_ARGS__))
ED_API int ed_use_cors_with(struct ed_where where,
                            const struct ed_cors_options *options);

/* ---- security headers ---- */

struct ed_security_options {
    size_t size;
    /* Strict-Transport-Security, sent over https alone; 0: a year, negative:
     * not at all. */
    int64_t hsts_max_age;
    bool hsts_subdomains;
    bool hsts_preload;
    /* Content-Security-Policy, in which "{nonce}" becomes ed_csp_nonce():
     * "script-src 'nonce-{nonce}'". NULL: none. */
    const char *csp;
    bool csp_report_only;
    /* Who may show the page in a frame: "none", "self", or sources of
     * frame-ancestors. NULL: "none"; "": everybody. A frame-ancestors in `csp`
     * goes before. */
    const char *frame_ancestors;
    /* The values of fields; "" leaves one out. */
    const char *referrer_policy;    /* NULL: strict-origin-when-cross-origin */
    const char *opener_policy;      /* Cross-Origin-Opener-Policy; NULL:
                                       same-origin */
    const char *resource_policy;    /* Cross-Origin-Resource-Policy; NULL:
                                       left out */
    const char *permissions_policy; /* NULL: left out */
    bool sniffing; /* leaves out X-Content-Type-Options: nosniff */
};

/*
 * Adds the fields by which browsers are told to be careful, to every reply,
 * errors included. One that the handler has set itself stays.
 */
#define ed_use_security_headers(where, ...) \
    ed_use_security_headers_with(           \
        ED_WHERE_(where), ED_OPTIONS(struct ed_security_options, __VA_ARGS__))
ED_API int ed_use_security_headers_with(
    struct ed_where where, const struct ed_security_options *options);

/* The nonce of this reply's Content-Security-Policy, new for each request: 128
 * random bits in base64, which need no escaping in HTML. "" without
 * ed_use_security_headers(). Valid until the handler returns. */
ED_API const char *ed_csp_nonce(ed_req *req);

/* ---- request ids ---- */

/* The longest id that is accepted; lines of the log have room for it. */
#define ED_REQUEST_ID_MAX 63

struct ed_request_id_options {
    size_t size;
    const char *header;  /* NULL: "X-Request-ID" */
    const char *trusted; /* networks whose id is accepted, as for
                            ed_use_trusted_proxies(); a star: everybody's.
                            NULL: nobody's */
};

/*
 * Gives each request an id: the one it came with, if the connection is from a
 * trusted network and it is well formed (letters, digits and "-_.:+/=", at
 * most ED_REQUEST_ID_MAX), and else one of our own. It is ed_req_id(), which
 * lines of the log carry from then on, and is told in the reply.
 */
#define ed_use_request_id(where, ...) \
    ed_use_request_id_with(           \
        ED_WHERE_(where),             \
        ED_OPTIONS(struct ed_request_id_options, __VA_ARGS__))
ED_API int ed_use_request_id_with(struct ed_where where,
                                  const struct ed_request_id_options *options);

/* ---- the access log ---- */

struct ed_access_log_options {
    size_t size;
    const char *file;   /* appended to, made if need be; NULL: stderr */
    const char *format; /* "combined" (also without), "common", "json", or one
                           of directives, see below */
    unsigned one_in;    /* only one of so many is logged of requests that went
                           well (status below 400); 0: all */
};

/*
 * Writes a line for each request when it is over, however it ended.
 *
 *   %a  address of the client    %t  time it came, [10/Oct/2026:13:55:36 +0000]
 *   %r  request line             %m %U %q %H  method, path, query, version
 *   %s  status                   %b  bytes of the body as sent; - for none
 *   %T  seconds it took, whole   %Tf seconds, to the microsecond
 *   %D  microseconds             %P  process
 *   %u  user (basic auth), or -  %L  request id
 *   %h  host                     %X  + sent whole, X cut
 *   %{Name}i  field of the request     %{Name}o  field of the reply
 *   %{trace}x  id of the trace         %{scheme}x  http or https
 *   %{queue}x  seconds in line before its handler ran (`eddy serve`)
 *   %%  a percent sign
 *
 * The status is 499 when the request was cancelled before its reply began,
 * because the client left or the server ended, and 000 when there was no reply
 * for another reason. What is no request (a malformed head) is in no log.
 * Quotes,
 * backslashes, control characters and bytes outside of ASCII are escaped
 * (\xhh), so that nothing a client sends can forge a line. In JSON the members
 * are time, id, trace, peer, user, method, target, host, scheme, version,
 * status, bytes, seconds, cut, referer, user_agent; what is unknown is left
 * out.
 *
 * Lines are gathered in a buffer and written at the end of the loop's turn to a
 * terminal or pipe, and each second, or when there are 32 KiB, to a file. A
 * pipe whose reader is slow never makes a request wait: up to 256 KiB are kept,
 * then lines are dropped, and the log tells how many.
 *
 * ED_EUSAGE for a format that is none; -errno when the file cannot be opened.
 */
#define ed_use_access_log(where, ...) \
    ed_use_access_log_with(           \
        ED_WHERE_(where),             \
        ED_OPTIONS(struct ed_access_log_options, __VA_ARGS__))
ED_API int ed_use_access_log_with(struct ed_where where,
                                  const struct ed_access_log_options *options);

/* Opens the files of an app's access logs anew, when they were moved away, and
 * those of apps mounted in it. 0, or -errno of the first that could not be: it
 * goes on in the old one, and the log says so. */
ED_API int ed_access_log_reopen(ed_app *app);

/* ---- limits ---- */

struct ed_timeout_options {
    size_t size;
    int64_t within; /* from here to the end of the handler */
    int status;     /* 503 or 504; 0: 504 */
};

/*
 * Bounds the time of handlers: what they wait for returns ED_ETIMEOUT then
 * (fiber.h), and one that returns it is replied with that status. A reply that
 * has begun is cut. Suspends as the handler does. ED_EUSAGE: no time, or
 * another status.
 */
#define ed_use_timeout(where, ...)        \
    ed_use_timeout_with(ED_WHERE_(where), \
                        ED_OPTIONS(struct ed_timeout_options, __VA_ARGS__))
ED_API int ed_use_timeout_with(struct ed_where where,
                               const struct ed_timeout_options *options);

struct ed_body_limit_options {
    size_t size;
    size_t max_bytes;
};

/*
 * Sets how many bytes ed_body() may read, fewer or more than the server says
 * (ed_body_limit()). A request that says beforehand that it has more is
 * refused with 413 before its body is read. ED_EUSAGE: 0.
 */
#define ed_use_body_limit(where, ...) \
    ed_use_body_limit_with(           \
        ED_WHERE_(where),             \
        ED_OPTIONS(struct ed_body_limit_options, __VA_ARGS__))
ED_API int ed_use_body_limit_with(struct ed_where where,
                                  const struct ed_body_limit_options *options);

/* ---- basic authentication ---- */

struct ed_basic_user {
    const char *name;
    const char *password;
};

/* Whether that is the user's password. May suspend. 0 when it is,
 * ED_EUNAUTHORIZED when it is not, or another error, which is replied. */
typedef int ed_basic_verify_fn(ed_req *req, const char *user,
                               const char *password, void *arg);

struct ed_basic_auth_options {
    size_t size;
    const char *realm;                 /* NULL: "Restricted" */
    const struct ed_basic_user *users; /* up to one without a name */
    ed_basic_verify_fn *verify; /* asked for those who are not among them */
    void *arg;
};

/*
 * Lets only those pass who give a name and a password (RFC 7617), in UTF-8;
 * others are replied with 401 and WWW-Authenticate. How long it takes to
 * compare with `users` tells nothing of them. Passwords travel as good as in
 * the clear: only over TLS.
 *
 * Suspends if `verify` does. ED_EUSAGE: neither users nor verify, or a realm
 * that cannot be one.
 */
#define ed_use_basic_auth(where, ...) \
    ed_use_basic_auth_with(           \
        ED_WHERE_(where),             \
        ED_OPTIONS(struct ed_basic_auth_options, __VA_ARGS__))
ED_API int ed_use_basic_auth_with(struct ed_where where,
                                  const struct ed_basic_auth_options *options);

/* The name that ed_use_basic_auth() let pass, or "". Valid until the handler
 * returns. */
ED_API const char *ed_basic_user(ed_req *req);

/* ---- proxies ---- */

enum ed_proxy_fields {
    ED_PROXY_X_FORWARDED, /* X-Forwarded-For, -Proto and -Host */
    ED_PROXY_FORWARDED,   /* Forwarded (RFC 7239) */
    ED_PROXY_X_REAL_IP,   /* X-Real-IP, and X-Forwarded-Proto and -Host */
};

struct ed_trusted_proxies_options {
    size_t size;
    /* Networks of the proxies: "10.0.0.0/8, fd00::/8, 192.0.2.7, unix". The
     * last is whoever connects by a Unix socket. */
    const char *trusted;
    /* The fields they set. One kind only: proxies pass on what they do not
     * know, and so what a client made up. */
    enum ed_proxy_fields fields;
};

/*
 * Believes proxies of our own about who sent a request: ed_req_peer(),
 * ed_req_scheme() and ed_req_host() tell what they told. Only when the
 * connection is from a trusted network are the fields looked at. The client is
 * the rightmost address of the list that is not trusted itself, for what stands
 * left of it a client may have made up; scheme and host are those told by the
 * proxy that told this address. An address that is none ends the search there;
 * a scheme other than http and https, or a host that is none, is ignored.
 *
 * Of an app only, and ahead of everything else, so that routes with a host see
 * the one the client named.
 */
#define ed_use_trusted_proxies(app, ...) \
    ed_use_trusted_proxies_with(         \
        (app), ED_OPTIONS(struct ed_trusted_proxies_options, __VA_ARGS__))
ED_API int ed_use_trusted_proxies_with(
    ed_app *app, const struct ed_trusted_proxies_options *options);

ED_END_DECLS
#endif
