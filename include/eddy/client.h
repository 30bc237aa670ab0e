/*
 * client.h - fetching over HTTP.
 *
 * A client keeps connections to origins (scheme, host, port) for reuse. A
 * response lives in the arena of the fiber that asked for it.
 *
 *     ed_res *res;
 *     int err = ed_get(&res, "http://users.local/42");
 *     if (!err)
 *         use(ed_res_status(res), ed_res_text(res));
 */
#ifndef EDDY_CLIENT_H
#define EDDY_CLIENT_H

#include <eddy/api.h>
#include <eddy/bytes.h>
#include <eddy/fiber.h>

ED_BEGIN_DECLS

typedef struct ed_client ed_client;
typedef struct ed_res ed_res;
struct json_t; /* jansson's */

struct ed_client_options {
    size_t size;
    unsigned max_per_origin; /* connections at once; 1024. Further requests
                                wait in the order they came */
    unsigned max_idle;       /* kept in all; 1024 */
    int64_t idle_timeout;    /* a connection is kept; 15 s */
    int64_t connect_timeout; /* name and connection; 10 s */
    size_t max_body;         /* of a response read whole; 64 MiB */
    const char *user_agent;  /* NULL: "eddy/VERSION"; "": none */
};

/* A client with connections of its own. NULL without memory. Fiber only. */
#define ed_client_new(...) \
    ed_client_new_with(ED_OPTIONS(struct ed_client_options, __VA_ARGS__))
ED_API ed_client *ed_client_new_with(const struct ed_client_options *options);

/* Closes it; no request may be under way. */
ED_API void ed_client_free(ed_client *client);

struct ed_fetch_options {
    size_t size;
    ed_client *client;  /* NULL: the loop's own */
    const char *method; /* NULL: GET, or POST when there is a body */
    /* "Name: value" lines, NULL at the end; they take the place of the
     * client's own of those names. */
    const char *const *headers;
    /* Borrowed until the fetch returns; with `stream` until ed_res_close(). */
    struct ed_bytes body;
    const char *content_type; /* of the body; application/octet-stream */
    /* Sends a body in pieces: fills `buf` and returns a count, 0 at the end,
     * or an error, which fails the request. May suspend. With `stream` it is
     * called by ed_res_read(), too, when the server answers before the end of
     * the request; a server that refuses it (3xx to 5xx) is not sent the
     * rest. */
    ssize_t (*send)(void *arg, void *buf, size_t len);
    void *send_arg;
    int64_t send_length; /* of what `send` gives; -1 or 0: unknown */
    /* The response is given once its head is there; its body is read with
     * ed_res_read(), and ed_res_close() must be called. */
    bool stream;
    size_t max_body; /* 0: the client's */
    /* A request that is not safe to send twice (POST, ...) may be sent again
     * on a fresh connection when a kept one turns out to be dead. */
    bool retry_unsafe;
};

/*
 * Sends a request and reads the response, whatever its status: redirects are
 * not followed. URLs are http://HOST[:PORT]/PATH?QUERY or, for Unix sockets,
 * http+unix://%2Frun%2Fx.sock/PATH?QUERY. A kept
 * connection that the server closed meanwhile is replaced and the request sent
 * again when its method is idempotent and nothing of a response has come.
 *
 * Suspends, under the deadline in force. Returns 0, or, with ed_error() naming
 * the host and the phase,
 *   ED_EURL        the URL is none, or has user information in it
 *   ED_EUSAGE      a method, field, content type or user agent that is none,
 *                  or a field that is the client's to set (Content-Length,
 *                  Transfer-Encoding)
 *   ED_ERESOLVE    the name has no address
 *   ED_ECONNECT    no address took the connection; https, which is not there
 *                  yet
 *   ED_ECONNLOST   the connection broke before the response was whole
 *   ED_EPROTO      the response is malformed
 *   ED_EBODYLIMIT  its body is larger than allowed
 *   ED_EHEADLIMIT  its head is
 *   ED_ETIMEOUT, ED_ECANCELED, ED_ENOMEM
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

/* The body, read whole: as bytes, and as text ending with NUL. */
ED_API struct ed_bytes ed_res_body(const ed_res *res);
ED_API const char *ed_res_text(const ed_res *res);

/* The body as JSON: a new reference, or NULL when it is none, ed_error()
 * telling where. */
ED_API struct json_t *ed_res_json(const ed_res *res);

/* Of a streamed response: what there is of the body, at least a byte; 0 at
 * its end. Suspends. Errors as ed_fetch(). */
ED_API ED_CHECK ssize_t ed_res_read(ed_res *res, void *buf, size_t len);

/* Ends a streamed response; its connection is kept if the body was read to
 * the end. Again, or on others: does nothing. */
ED_API void ed_res_close(ed_res *res);

/* When each phase ended, in ed_now() time; 0: there was none (a kept
 * connection needs neither name nor connection). */
struct ed_res_timing {
    int64_t started;
    int64_t queued; /* a place among the origin's connections was free */
    int64_t resolved;
    int64_t connected;
    int64_t sent;
    int64_t first_byte;
    int64_t done;
    bool reused;
};
ED_API void ed_res_timing(const ed_res *res, struct ed_res_timing *timing);

struct ed_client_counts {
    uint64_t requests;
    uint64_t connections; /* opened, in all */
    uint64_t reused;
    uint64_t retried;
    unsigned open;
    unsigned idle;
    unsigned waiting; /* requests for a connection */
};
ED_API void ed_client_counts(const ed_client *client,
                             struct ed_client_counts *counts);

ED_END_DECLS
#endif
