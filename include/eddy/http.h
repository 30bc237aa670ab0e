/*
 * http.h - a request and its reply, as a handler sees them.
 *
 * Nothing here knows which version of HTTP carries the message. A request,
 * what its functions return and what its arena holds are valid until the
 * handler returns. All of it belongs to the fiber that runs the handler and
 * to the fibers that one starts.
 */
#ifndef EDDY_HTTP_H
#define EDDY_HTTP_H

#include <eddy/api.h>
#include <eddy/arena.h>
#include <eddy/bytes.h>
#include <eddy/error.h>
#include <eddy/json.h>
#include <eddy/stream.h>
#include <eddy/tls.h>

ED_BEGIN_DECLS

typedef struct ed_req ed_req;

/*
 * Answers a request. Returns 0 when it has replied (or written), or a negative
 * error, which becomes an error reply with the error's status
 * (ed_err_status()): `return err;` is an honest reply. Once the head of a
 * reply is out, an error can only cut the connection, which it does, so that
 * the client sees that the reply is not whole.
 */
typedef int ed_handler(ed_req *req);

/* ---- the request ---- */

ED_API const char *ed_req_method(const ed_req *req);

/* The target as it was sent, its path (still encoded), and its query (still
 * encoded, "" when there is none). */
ED_API const char *ed_req_target(const ed_req *req);
ED_API const char *ed_req_path(const ed_req *req);
ED_API const char *ed_req_query(const ed_req *req);

/* "http" or "https", and the host with its port as the client named it; "" in
 * an HTTP/1.0 request without one. */
ED_API const char *ed_req_scheme(const ed_req *req);
ED_API const char *ed_req_host(const ed_req *req);

/* Major and minor version, 10 for 1.0, 11 for 1.1, 20 for 2. */
ED_API int ed_req_version(const ed_req *req);

/* The first field of that name (any case), or NULL. */
ED_API const char *ed_header(const ed_req *req, const char *name);

/* The i-th field, in the order sent; false when there are no more. */
ED_API bool ed_header_at(const ed_req *req, size_t i, struct ed_bytes *name,
                         struct ed_bytes *value);

/* A value of the query, decoded ('+' is a space); the first of that name, or
 * NULL. One that is not well encoded is as if absent. */
ED_API const char *ed_query(ed_req *req, const char *name);

/* The same as a number: `absent` when there is none, and ED_EBADREQ with a
 * detail when it is none or lies outside min..max. */
ED_API ED_CHECK int ed_query_int(ed_req *req, const char *name, int64_t min,
                                 int64_t max, int64_t absent, int64_t *value);

/* The value of a cookie as sent, or NULL. */
ED_API const char *ed_cookie(ed_req *req, const char *name);

/* Address of the client as text (addr.h), "unix:" over a Unix socket; without a
 * port where a proxy told it (middleware.h). */
ED_API const char *ed_req_peer(ed_req *req);

/* What TLS agreed on with the client, and the certificate it showed; false when
 * the request came in the clear, or it showed none. */
ED_API bool ed_req_tls(const ed_req *req, struct ed_tls_info *out);
ED_API bool ed_req_tls_peer(const ed_req *req, struct ed_tls_peer *out);

/* A short id of this request: what its log lines carry. */
ED_API const char *ed_req_id(ed_req *req);

/* The request's arena, and the object the server was made with. */
ED_API ed_arena *ed_req_arena(const ed_req *req);
ED_API void *ed_req_user(const ed_req *req);

/* ---- the body of the request ---- */

/* How many bytes ed_body() may read; 0 gives the server's limit again. */
ED_API void ed_body_limit(ed_req *req, size_t max_bytes);

/* Length if the client told it, 0 when there is no body, -1 when only the end
 * will tell. */
ED_API int64_t ed_body_length(const ed_req *req);

/*
 * Reads the whole body into the arena; again: the same. A client that waits
 * for "100 Continue" gets it here.
 *
 * Suspends. Returns 0, or
 *   ED_EBODYLIMIT   larger than the limit; nothing was kept
 *   ED_EPROTO       not well framed
 *   ED_EEOF         the client left before its end
 *   ED_ETIMEOUT     the client took too long, or the deadline passed
 *   ED_EUSAGE       a part of it was read already and is not here any more
 *   ED_ENOMEM, ED_ECANCELED
 */
ED_API ED_CHECK int ed_body(ed_req *req, struct ed_bytes *out);

/* The body as a value of jansson, a new reference, NULL on failure; see
 * ed_json_parse(). As ed_body(), and ED_EPARSE (400) for what is no JSON,
 * ed_error() telling where. */
ED_API ED_CHECK int ed_body_json(ed_req *req, struct json_t **out);

/* Reads what there is of the body, at least a byte, at most `len`. 0 at its
 * end. The limit does not apply. Suspends; errors as above. What is the
 * client's doing (ED_EPROTO, ED_EEOF, its taking too long) is returned again
 * and, by a handler that returns it, replied with 400 or 408. */
ED_API ED_CHECK ssize_t ed_body_read(ed_req *req, void *buf, size_t len);

/* ---- the reply ---- */

/*
 * Adds a field to the reply; both texts are copied. Does not suspend. Returns
 * 0, ED_ENOMEM, or
 *   ED_EUSAGE  the head is out, or on its way; or the field could split the
 *              reply or frame it wrongly (line ends; Content-Length,
 *              Transfer-Encoding, Connection)
 */
ED_API int ed_reply_header(ed_req *req, const char *name, const char *value);

/* The same, taking the place of fields of that name. Content-Type is set by
 * this, too. */
ED_API int ed_reply_header_set(ed_req *req, const char *name,
                               const char *value);

/*
 * Replies with text/plain; charset=utf-8, or with a type of your own. The
 * bytes are copied or sent before it returns.
 *
 * Suspends when the client is slow to take a large reply. Returns 0, or
 *   ED_EUSAGE     there was a reply already, or the status is none, or the
 *                 type is not the value of a field
 *   ED_ECANCELED  the client has left
 *   ED_ETIMEOUT, ED_ENOMEM, -EPIPE, ...
 */
ED_API int ed_reply(ed_req *req, int status, const char *fmt, ...)
    ED_PRINTF(3, 4);
ED_API int ed_reply_bytes(ed_req *req, int status, const char *content_type,
                          struct ed_bytes body);

/* Replies with what json_pack() (jansson) makes of the format, or with a value.
 * Values given as "o", and `value`, are the reply's from then on, whatever
 * happens. As ed_reply(); a format that cannot be packed and a NULL value are
 * ED_EUSAGE, or ED_ECONTENT where the last failure is that of ed_res_json(),
 * since some service answered something else than JSON. */
ED_API int ed_reply_json(ed_req *req, int status, const char *fmt, ...);
ED_API int ed_reply_json_value(ed_req *req, int status, struct json_t *value);

/*
 * Replies with JSON as it is written (json.h):
 *
 *     ed_json *j = ed_reply_json_begin(req, 200);
 *     ed_json_object(j);
 *     ed_json_key(j, "id");
 *     ed_json_int(j, 42);
 *     ed_json_end(j);
 *     return ed_json_finish(j);
 *
 * About 16 KiB are gathered and sent by ed_json_finish(), with their length.
 * What is longer is sent in pieces as it is written, and waits for a client
 * that is slow. Does not suspend; the functions of the writer may, as
 * ed_write() may.
 *
 * Returns a writer that is valid until the handler returns, or NULL without
 * memory, which those functions take for the writer. ed_json_finish() returns
 * 0, or the first error: ED_EUSAGE, with a detail, for what would not be JSON,
 * for a second reply, and for what is no status; ED_ENOMEM, or what ed_write()
 * returns. Nothing malformed is sent: until a piece is out an error can be
 * replied with, and then the connection is cut, as it is when the handler
 * returns without ed_json_finish().
 */
ED_API ED_CHECK ed_json *ed_reply_json_begin(ed_req *req, int status);

/* Replies 302 Found, or another 3xx, with a Location, which is escaped as
 * needed. As ed_reply(); any other status is ED_EUSAGE. */
ED_API int ed_redirect(ed_req *req, int status, const char *location);

/*
 * A reply in pieces. ed_reply_begin() sets the status (200 without it) and,
 * with `length` >= 0, the length, which the pieces must then add up to; with
 * -1 the end of the handler ends the body. Pieces are gathered and sent at the
 * end of the loop's turn, when there is enough of them, or by ed_flush().
 *
 * All suspend when the client is slow, but for ed_reply_begin(). Errors as with
 * ed_reply(); more than the length declared is ED_EUSAGE, and less cuts the
 * connection when the handler has returned.
 */
ED_API int ed_reply_begin(ed_req *req, int status, int64_t length);
ED_API int ed_write(ed_req *req, const char *fmt, ...) ED_PRINTF(2, 3);
ED_API int ed_write_bytes(ed_req *req, struct ed_bytes piece);
ED_API int ed_flush(ed_req *req);

/*
 * A piece out of an open file: `length` bytes from `offset` on, which the
 * kernel sends from where they are, if it can (not over TLS). What is not in
 * memory is read by the blocking pool (blocking.h) and not by the loop. The
 * descriptor is borrowed, its position neither used nor changed.
 *
 * Suspends as ed_write_bytes() does. Errors as there, and
 *   ED_EEOF   the file ends before, as one does that somebody cuts short: what
 *             there was has been sent, and the connection will be cut
 *   -EIO, ...
 */
ED_API int ed_write_file(ed_req *req, int fd, int64_t offset, int64_t length);

/* A field behind a body sent in pieces without a length; left out where the
 * version of HTTP has no place for it. Both texts are copied. Does not suspend.
 * 0, ED_ENOMEM, or ED_EUSAGE when the reply has ended or the field may not
 * stand there. */
ED_API int ed_reply_trailer(ed_req *req, const char *name, const char *value);

/* What was replied so far: 0, or the status once it is chosen; and whether
 * the head can no longer be changed. */
ED_API int ed_reply_status(const ed_req *req);
ED_API bool ed_reply_began(const ed_req *req);

/*
 * Says that the handler will now wait for what may be long in coming, as a long
 * poll does. It has its place among those that are handled at once
 * (max-in-flight of `eddy serve`) until it returns or its reply begins; this
 * gives the place to the next before. Again, or without such a limit: nothing.
 * Does not suspend.
 */
ED_API void ed_req_give_place(ed_req *req);

/*
 * Takes the connection over: replies 101 Switching Protocols with that
 * Upgrade (unless NULL, then 200, for CONNECT) and the fields added before,
 * and gives the stream, which belongs to the caller from then on. Bytes that
 * came behind the request are read first.
 *
 * Suspends. Returns 0, or
 *   ED_EBADREQ  the request asks for no upgrade (NULL: is no CONNECT), or its
 *               body was not read to the end
 *   ED_EUSAGE   there was a reply already, or the version of HTTP has none,
 *               or the protocol is not the value of a field
 */
ED_API ED_CHECK int ed_req_upgrade(ed_req *req, const char *protocol,
                                   ed_stream **out);

ED_END_DECLS
#endif
