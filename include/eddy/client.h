/*
 * client.h - fetching over HTTP.
 *
 * A client keeps connections to origins (scheme, host, port) for reuse. A
 * response lives in the arena of the fiber that asked for it.
 *
 *     ed_res *res;
 *     int err = ed_get(&res, "https://users.local/42");
 *     if (!err)
 *         use(ed_res_status(res), ed_res_text(res));
 *
 * What is true of all requests is said once, when the client is made:
 *
 *     ed_client *client = ed_client_new(
 *         .jar = jar,
 *         .retry = {.attempts = 3},
 *         .hedge = {.after = 40 * ED_MS},
 *         .limit = {.adaptive = true});
 */
#ifndef EDDY_CLIENT_H
#define EDDY_CLIENT_H

#include <eddy/api.h>
#include <eddy/bytes.h>
#include <eddy/fiber.h>
#include <eddy/form.h>
#include <eddy/jar.h>
#include <eddy/tls.h>

ED_BEGIN_DECLS

typedef struct ed_client ed_client;
typedef struct ed_res ed_res;
struct json_t; /* jansson's */

/* ---- policies: each is off while its first member is 0 ---- */

/*
 * Sends a request again that got no whole response, since no connection was to
 * be had, or it broke, or a phase took too long, or one of 429, 502, 503 and
 * 504: only if its method is idempotent (GET, HEAD, PUT, DELETE, OPTIONS,
 * TRACE), or nothing of it was sent, or the fetch says .retry_unsafe; only if
 * its body can be sent again; and only within the budget. Before each it
 * sleeps a random time of up to `backoff`, doubled each time, on top of what
 * Retry-After asks for; a pause that would pass the deadline ends the trying.
 * What came last is the result, be it a response or an error. (A kept
 * connection that turns out to be dead is replaced without any of this.)
 */
struct ed_retry_policy {
    unsigned attempts;   /* in all; 3 is usual. 0 and 1: no retries */
    int64_t backoff;     /* 25 ms */
    int64_t max_backoff; /* 2 s */
    int64_t max_wait;    /* asked for by Retry-After that is obeyed; 10 s */
    int64_t reserved[2];
};

/*
 * Sends a request whose method is safe (GET, HEAD, OPTIONS, TRACE), and that
 * has no body, a second time when nothing of a response has come after that
 * time, within the budget. The first response wins, whole or, when streamed,
 * its head; the other request is cancelled. A failure, or one of the statuses
 * that are retried, wins only if the other is no better.
 */
struct ed_hedge_policy {
    int64_t after;
    int64_t reserved[2];
};

/* What retries and hedged requests of a client may add to its requests, all
 * origins together, so that they cannot bring down what is struggling. */
struct ed_budget_policy {
    unsigned percent;    /* of the requests; 20 */
    unsigned per_second; /* besides; 10 */
    int64_t reserved[2];
};

/*
 * Spreads requests over all addresses of a name, instead of taking the first
 * that answers: of two taken at random, that with the fewest requests under way
 * (power of two choices). One that takes no connection is passed over for the
 * next. Not with a proxy, a Unix socket or a mapped host.
 */
struct ed_balance_policy {
    bool on;
    int64_t reserved[2];
};

/*
 * Leaves an address alone for a while after so many failures in a row (no
 * connection, no response in time, or not before a hedged request's; or 502,
 * 503, 504), or with more than `percent` of its last 100 requests failed. Then
 * one request probes it: it is taken back, or left alone for twice as long. At
 * most half of a name's addresses are left alone at once, so the only one never
 * is. Turns balancing on.
 */
struct ed_eject_policy {
    unsigned failures;
    unsigned percent;  /* 0: 50; 100: never for that */
    int64_t pause;     /* 5 s */
    int64_t max_pause; /* 60 s */
    int64_t reserved[2];
};

/*
 * Bounds the requests that are under way to an origin. Others wait in the order
 * they came, at most `queue` of them; a request beyond that fails at once with
 * ED_EOVERLOAD. A streamed response counts until it is closed. An adaptive
 * limit follows the latency: it grows while responses come as fast as ever, and
 * shrinks when they slow down or fail. On with either of the first two.
 */
struct ed_limit_policy {
    unsigned max; /* fixed, or the most an adaptive one may become; 1000 */
    bool adaptive;
    unsigned min;   /* of an adaptive one; 4 */
    unsigned queue; /* 0: 1000 */
    int64_t reserved[2];
};

/* ---- what can be watched ---- */

enum ed_phase {
    ED_PHASE_QUEUED,   /* left the queue: a place is there */
    ED_PHASE_RESOLVED, /* the name has addresses */
    ED_PHASE_CONNECTED,
    ED_PHASE_TLS,        /* the handshake is done */
    ED_PHASE_SENT,       /* the whole request */
    ED_PHASE_FIRST_BYTE, /* of the response */
    ED_PHASE_REDIRECTED, /* the URL is where to go next */
    ED_PHASE_RETRIED,    /* the err is why, or 0 for the status */
    ED_PHASE_HEDGED,
    ED_PHASE_DONE, /* the err is how; once for each fetch */
};

struct ed_phase_event {
    enum ed_phase phase;
    const char *method;
    const char *url;
    unsigned attempt; /* from 1 */
    int status;       /* 0: no response so far */
    int err;
    int64_t at; /* ed_now() time */
};

/* Called in the loop, or in the fiber that fetches. It may not suspend, nor
 * keep the event. */
typedef void ed_client_hook(void *arg, const struct ed_phase_event *event);

/* ---- the client ---- */

struct ed_client_options {
    size_t size;

    /* Connections. */
    unsigned max_per_origin; /* at once; 1024. Further requests wait in the
                                order they came */
    unsigned max_idle;       /* kept in all; 1024 */
    int64_t keep_alive;      /* one is kept unused; 15 s */
    const char *local;       /* "ip" or "ip:port" to connect from */
    /* "name:port=address" as in curl's --connect-to, the address "ip:port" or
     * "unix:/path"; "name=ip" for every port. NULL at the end. Such a name is
     * not resolved, nor reached by a proxy; TLS and Host keep it. */
    const char *const *hosts;
    ed_tls *tls;       /* NULL: the system's trusted issuers, names checked */
    ed_tls *proxy_tls; /* of an https:// proxy; NULL: as `tls` */

    /*
     * "http://[user:password@]host:port" (https there is asked for by CONNECT),
     * "https://...", "socks5://..." (names resolved here) or "socks5h://..."
     * (there). NULL: what the environment says, read as curl does: http_proxy,
     * https_proxy or HTTPS_PROXY, all_proxy or ALL_PROXY, and no_proxy or
     * NO_PROXY. "": none. A Proxy-Authorization field of a fetch is told to
     * the proxy alone.
     */
    const char *proxy;
    /* Hosts reached without it: "a.org,.b.org,10.0.0.0/8,[::1]" or "*". */
    const char *no_proxy;

    /* How long a phase may take; 0 is the default, negative without a limit.
     * The deadline in force holds besides. */
    int64_t resolve_timeout;    /* 5 s */
    int64_t connect_timeout;    /* 10 s, over all addresses */
    int64_t tls_timeout;        /* 10 s; of a proxy's answer, too */
    int64_t first_byte_timeout; /* from the request's end; 60 s */
    int64_t idle_timeout;       /* between two pieces of a body; 60 s */
    int64_t timeout;            /* of all of a fetch, redirects and retries
                                   included; none */

    /* Requests and responses. */
    size_t max_body;        /* of a response read whole, decoded; 64 MiB */
    const char *user_agent; /* NULL: "eddy/VERSION"; "": none */
    int max_redirects;      /* followed; 0: 10, negative: none */
    ed_jar *jar;            /* of cookies, borrowed; NULL: none */
    bool no_decoding;       /* gzip, br and zstd are neither asked for nor
                               decoded */

    /* What travels along, to every origin: the time the deadline leaves, in
     * milliseconds, and the trace (W3C Trace Context). */
    bool no_propagation;
    const char *deadline_header; /* NULL: "X-Request-Timeout-Ms"; "": none */
    const char *trace_header;    /* NULL: "traceparent"; "": none */

    struct ed_retry_policy retry;
    struct ed_hedge_policy hedge;
    struct ed_budget_policy budget;
    struct ed_balance_policy balance;
    struct ed_eject_policy eject;
    struct ed_limit_policy limit;

    ed_client_hook *hook;
    void *hook_arg;
};

/*
 * A client with connections of its own; texts are copied. NULL, with ed_error()
 * saying why, without memory or when an option cannot be used (a proxy that is
 * no URL, a host map that is none). Fiber only.
 */
#define ed_client_new(...) \
    ed_client_new_with(ED_OPTIONS(struct ed_client_options, __VA_ARGS__))
ED_API ed_client *ed_client_new_with(const struct ed_client_options *options);

/* Closes it; no request may be under way. */
ED_API void ed_client_free(ed_client *client);

/* ---- fetching ---- */

enum ed_auth {
    ED_AUTH_BASIC,  /* sent at once (RFC 7617) */
    ED_AUTH_DIGEST, /* when asked for (RFC 7616) */
    ED_AUTH_ANY,    /* when asked for, the better of the two */
};

struct ed_fetch_options {
    size_t size;
    ed_client *client;  /* NULL: the loop's own */
    const char *method; /* NULL: GET, or POST when there is a body */
    /* "Name: value" lines, NULL at the end; they take the place of the
     * client's own of those names. */
    const char *const *headers;

    /* The body, one of these. Borrowed until the fetch returns; with `stream`
     * until ed_res_close(). */
    struct ed_bytes body;
    ed_form *form;    /* sets the content type, too */
    const char *file; /* the path of one to send */
    /* Sends a body in pieces: fills `buf` and returns a count, 0 at the end,
     * or an error, which fails the request. May suspend. With `stream` it is
     * called by ed_res_read(), too, when the server answers before the end of
     * the request; a server that refuses it (3xx to 5xx) is not sent the
     * rest. */
    ssize_t (*send)(void *arg, void *buf, size_t len);
    void *send_arg;
    int64_t send_length; /* of what `send` gives; -1 or 0: unknown */
    /* Makes `send` begin anew, for a redirect, a retry or a challenge; 0 or an
     * error. NULL: it cannot, and what needs it fails with ED_EUSAGE. */
    int (*rewind)(void *arg);
    const char *content_type; /* of the body; application/octet-stream */
    /* Asks whether the body is wanted before it is sent (Expect: 100-continue);
     * without an answer it is sent after a second. */
    bool expect_continue;

    /* The response is given once its head is there; its body is read with
     * ed_res_read(), and ed_res_close() must be called. */
    bool stream;
    size_t max_body; /* 0: the client's */

    /* Sent to the origin of the URL, and never to another one that it redirects
     * to. User information in a URL is the same as `user` and `password`. */
    const char *user;
    const char *password;
    enum ed_auth auth;
    const char *bearer; /* a token (RFC 6750) */

    /* Asks for it only if it has changed, and is answered 304 otherwise. */
    const char *etag;       /* If-None-Match: as the server gave it */
    int64_t modified_since; /* If-Modified-Since: seconds of Unix time */
    /* A part, "0-499", "500-" or "-500": the answer is 206, or 200 and all of
     * it. With `if_range`, an ETag or date of the server's, a part only of
     * that very version. */
    const char *range;
    const char *if_range;

    int64_t timeout; /* 0: the client's */
    /* A request that is not safe to send twice (POST, ...) may be. */
    bool retry_unsafe;
    int max_redirects;       /* followed; 0: the client's, negative: none */
    int64_t connect_timeout; /* 0: the client's, negative: without a limit */
};

/*
 * Sends a request and reads the response, whatever its status. URLs are
 * http[s]://[USER:PASSWORD@]HOST[:PORT]/PATH?QUERY or, for Unix sockets,
 * http+unix://%2Frun%2Fx.sock/PATH?QUERY.
 *
 * Redirects are followed as browsers do: 303 with GET (HEAD stays), 301 and 302
 * of a POST with GET, all others with the same method and body. Authorization,
 * Cookie, Proxy-Authorization and Host fields of the caller's are not sent to
 * another origin, nor when it leads back. A response without a Location it can
 * follow is given as it is; one to a Unix socket can be followed only from it.
 *
 * A kept connection that the server closed meanwhile is replaced and the
 * request sent again when its method is idempotent and nothing of a response
 * has come.
 *
 * Suspends, under the deadline in force. Returns 0, or, with ed_error() naming
 * the host and the phase,
 *   ED_EURL        the URL is none
 *   ED_ENOMEM      no memory, or the URL is NULL, as ed_arena_printf() gives it
 *                  then
 *   ED_EUSAGE      not called from a fiber;
 *                  a method, field, content type, user agent or range that is
 *                  none; a user of basic authentication with a ':';
 *                  a field that is the client's to set (Content-Length,
 *                  Transfer-Encoding); two bodies; a body that cannot be sent
 *                  again where it has to be; a file without a length, or that
 *                  changed while it was sent
 *   ED_ERESOLVE    the name has no address
 *   ED_ECONNECT    no address took the connection
 *   ED_ECERT       the server's certificate is not to be trusted (tls.h)
 *   ED_ETLS        TLS failed otherwise
 *   ED_EPROXY      the proxy refused, or is none
 *   ED_ECONNLOST   the connection broke before the response was whole
 *   ED_EPROTO      the response is malformed
 *   ED_EBODYLIMIT  its body is larger than allowed, decoded or not
 *   ED_ECODING     its body cannot be decoded
 *   ED_EHEADLIMIT  its head is larger than allowed
 *   ED_EREDIRECT   more redirects than allowed
 *   ED_EOVERLOAD   too many requests wait for that origin (ed_limit_policy)
 *   ED_ETIMEOUT    a phase took too long, or the deadline passed
 *   ED_ECANCELED; -errno of `send`, `rewind` or `file`
 */
#define ed_fetch(out, url, ...) \
    ed_fetch_with((out), (url), \
                  ED_OPTIONS(struct ed_fetch_options, __VA_ARGS__))
ED_API ED_CHECK int ed_fetch_with(ed_res **out, const char *url,
                                  const struct ed_fetch_options *options);
#define ed_get(out, url) ed_fetch((out), (url))

/*
 * Starts a fiber in the scope that fetches and sets *out; after ed_wait() has
 * returned 0 it is there. `url` is copied; `*options` and `*out` are borrowed
 * until the scope ends. Returns as ed_go() does.
 */
#define ed_go_get(scope, out, url) \
    ed_go_fetch_at_((scope), (out), (url), NULL, ED_PLACE_)
#define ed_go_fetch(scope, out, url, options) \
    ed_go_fetch_at_((scope), (out), (url), (options), ED_PLACE_)
ED_API int ed_go_fetch_at_(ed_scope *scope, ed_res **out, const char *url,
                           const struct ed_fetch_options *options,
                           const char *place);

ED_API int ed_res_status(const ed_res *res);
ED_API const char *ed_res_reason(const ed_res *res);

/* The first field of that name (any case), or NULL; and the i-th. */
ED_API const char *ed_res_header(const ed_res *res, const char *name);
ED_API bool ed_res_header_at(const ed_res *res, size_t i, struct ed_bytes *name,
                             struct ed_bytes *value);

/* The body, read whole: as bytes, and as text ending with NUL. Codings that the
 * client has asked for are undone, here and by ed_res_read(); the fields stay
 * as they were sent, so that a Content-Length is that of the encoded body. */
ED_API struct ed_bytes ed_res_body(const ed_res *res);
ED_API const char *ed_res_text(const ed_res *res);

/* Where it came from in the end; and how many redirects led there. */
ED_API const char *ed_res_url(const ed_res *res);
ED_API unsigned ed_res_redirects(const ed_res *res);

/* Which part of how much this is, from a 206's Content-Range: first and last
 * byte, and the size of the whole or -1. False for other responses. */
ED_API bool ed_res_range(const ed_res *res, int64_t *first, int64_t *last,
                         int64_t *whole);

/* What TLS agreed on and whom it found, copied when the response came; NULL
 * when it came in the clear, or the server showed no certificate. As long as
 * the response. */
ED_API const struct ed_tls_info *ed_res_tls(const ed_res *res);
ED_API const struct ed_tls_peer *ed_res_tls_peer(const ed_res *res);

/* The body as JSON, whatever the status: a new reference, or NULL when it is
 * none, ed_error() telling where. ed_reply_json() with that NULL is ED_ECONTENT
 * (502). */
ED_API struct json_t *ed_res_json(const ed_res *res);

/* Of a streamed response: what there is of the body, at least a byte; 0 at
 * its end. Suspends. Errors as ed_fetch(). */
ED_API ED_CHECK ssize_t ed_res_read(ed_res *res, void *buf, size_t len);

/* Ends a streamed response; its connection is kept if the body was read to
 * the end. Again, or on others: does nothing. */
ED_API void ed_res_close(ed_res *res);

/* When each phase ended, in ed_now() time; 0: there was none (a kept
 * connection needs neither name nor connection). After redirects and retries
 * it is that of the last request, but for `started`. */
struct ed_res_timing {
    int64_t started;
    int64_t queued; /* a place among the origin's connections was free */
    int64_t resolved;
    int64_t connected;
    int64_t secured; /* TLS */
    int64_t sent;
    int64_t first_byte;
    int64_t done;
    bool reused;
};
ED_API void ed_res_timing(const ed_res *res, struct ed_res_timing *timing);

struct ed_client_counts {
    uint64_t requests;    /* fetches, in all */
    uint64_t connections; /* opened, in all */
    uint64_t reused;
    uint64_t replaced;  /* kept ones that turned out to be dead */
    uint64_t redirects; /* followed */
    uint64_t retries;
    uint64_t retries_denied; /* by the budget, and hedges as well */
    uint64_t hedges;
    uint64_t hedges_won; /* the second request was answered first */
    uint64_t ejections;
    uint64_t probes;    /* of addresses left alone */
    uint64_t queued;    /* requests that had to wait for a limit */
    uint64_t overloads; /* refused by a limit */
    unsigned open;      /* connections now */
    unsigned idle;
    unsigned waiting; /* requests for a connection or a limit */
};
ED_API void ed_client_counts(const ed_client *client,
                             struct ed_client_counts *counts);

/* The i-th address that a client with a policy for balancing, ejection or
 * limits knows of, in no order; false when there is none. An origin that is not
 * balanced counts as one. What is told of limits is the origin's. Those not
 * used for longest are forgotten when there are too many. */
struct ed_endpoint_counts {
    char origin[280];           /* "https://users.local:443" */
    char address[ED_ADDR_TEXT]; /* "" unless balanced */
    unsigned limit;             /* requests at once; 0: none */
    unsigned in_flight;
    unsigned waiting;
    uint64_t requests;
    uint64_t failures;
    bool ejected;
};
ED_API bool ed_client_endpoint(const ed_client *client, size_t i,
                               struct ed_endpoint_counts *counts);

ED_END_DECLS
#endif
