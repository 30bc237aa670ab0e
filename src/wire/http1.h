/*
 * http1.h - HTTP/1.0 and HTTP/1.1 messages as bytes (RFC 9112).
 *
 * Pure functions: bytes in, structure out; no I/O, no allocation, no copy.
 * Strict where leniency has let requests be smuggled. What is malformed is
 * told with the status a server should answer and a static text saying why.
 */
#ifndef EDDY_WIRE_HTTP1_H
#define EDDY_WIRE_HTTP1_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/* A piece of the head, as an offset from its first byte: it stays true when
 * the head is copied elsewhere. */
struct ed_http1_span {
    uint32_t at;
    uint32_t len;
};

struct ed_http1_field {
    struct ed_http1_span name;
    struct ed_http1_span value; /* without the white space around it */
    uint8_t known; /* enum ed_http1_known, so that look-ups need no compare */
};

/* Fields that the codec, the server or the client look at themselves. */
enum ed_http1_known {
    ED_FIELD_OTHER,
    ED_FIELD_HOST,
    ED_FIELD_CONTENT_LENGTH,
    ED_FIELD_TRANSFER_ENCODING,
    ED_FIELD_CONNECTION,
    ED_FIELD_EXPECT,
    ED_FIELD_UPGRADE,
    ED_FIELD_CONTENT_TYPE,
    ED_FIELD_COOKIE,
    ED_FIELD_ACCEPT,
    ED_FIELD_DATE,
    ED_FIELD_SERVER,
};

struct ed_http1_limits {
    uint32_t max_line;   /* bytes of one line without its CRLF */
    uint32_t max_fields; /* how many field lines; `fields` has room for them */
    uint32_t max_head;   /* bytes of the whole head */
};

enum ed_http1_body {
    ED_BODY_NONE,
    ED_BODY_LENGTH,
    ED_BODY_CHUNKED,
    ED_BODY_UNTIL_CLOSE, /* responses only */
};

/*
 * A head being read. Set up by ed_http1_begin(); after ed_http1_request() or
 * ed_http1_response() has returned a positive number it describes a whole
 * head.
 */
struct ed_http1_head {
    /* The request line. */
    struct ed_http1_span method;
    struct ed_http1_span target; /* as sent */
    struct ed_http1_span path;   /* of the target: up to '?'; "*" for OPTIONS;
                                    empty for CONNECT; "/" for an absolute
                                    target without one */
    struct ed_http1_span query;  /* behind the '?' */
    struct ed_http1_span host;   /* Host, or the authority of an absolute or
                                    CONNECT target, which takes precedence */

    /* The status line. */
    uint16_t status;
    struct ed_http1_span reason;

    uint8_t minor; /* HTTP/1.minor */
    uint8_t body;  /* enum ed_http1_body */
    bool keep_alive;
    bool expect_continue;
    bool upgrade;  /* Connection names upgrade and Upgrade is there */
    bool has_host; /* `host` is known; it may be empty (RFC 9110, 7.2) */
    uint64_t content_length; /* with ED_BODY_LENGTH, 0 included; at most
                                INT64_MAX. As sent, too, where a response has
                                no body (to HEAD, 304) */

    uint32_t field_count;
    struct ed_http1_field *fields; /* the caller's array */

    /* When malformed. */
    uint16_t error_status; /* 400, 414, 417, 431, 501 or 505: of use to
                              servers only */
    const char *error;     /* static text */

    /* How far the reading got; the codec's own. */
    uint32_t line_at;
    uint32_t seen;
};

/* Makes a head ready. `fields` is the caller's, with room for
 * limits->max_fields, and must stay until the head is done with. */
void ed_http1_begin(struct ed_http1_head *head, struct ed_http1_field *fields);

/*
 * Reads a request head from the `len` bytes at `buf`, which begin with its
 * first byte (empty lines before it are skipped and count as part of it).
 * When more is needed, call again with the same bytes and more behind them;
 * lines already read are not read again, and `buf` may have moved.
 *
 * Returns the length of the head with its final empty line, 0 when more bytes
 * are needed, or ED_EPROTO (ED_EURILIMIT, ED_EHEADLIMIT) with head->error and
 * head->error_status set.
 */
ED_CHECK ssize_t ed_http1_request(struct ed_http1_head *head, const char *buf,
                                  size_t len,
                                  const struct ed_http1_limits *limits);

/* The same for a response head, which no empty line may precede. A message
 * with both Content-Length and Transfer-Encoding is malformed here, too.
 * `to_head` says that it answers a HEAD request and `to_connect` a CONNECT,
 * which changes how its body is delimited (RFC 9112, 6.3). An interim (1xx)
 * response is a head of its own. */
ED_CHECK ssize_t ed_http1_response(struct ed_http1_head *head, const char *buf,
                                   size_t len,
                                   const struct ed_http1_limits *limits,
                                   bool to_head, bool to_connect);

static inline struct ed_bytes ed_http1_bytes(const char *base,
                                             struct ed_http1_span span)
{
    struct ed_bytes b = {base + span.at, span.len};
    return b;
}

/*
 * A chunked body being read (RFC 9112, 7.1). Zero-initialised it stands at the
 * first chunk.
 */
struct ed_http1_chunked {
    uint64_t left;       /* bytes of the current chunk still to come */
    uint32_t line_bytes; /* of the size or trailer line so far */
    uint32_t trailer_bytes;
    uint8_t state;
    const char *error; /* static text when malformed */
};

enum ed_http1_chunk_event {
    ED_CHUNK_MORE,    /* all bytes used, more are needed */
    ED_CHUNK_DATA,    /* *out is a piece of the body, within `in` */
    ED_CHUNK_TRAILER, /* *out is a piece of the trailer section's raw bytes */
    ED_CHUNK_END,     /* the body has ended; what is left in *in is behind it */
};

/*
 * Reads on in *in and moves it behind what was used; call until it says MORE,
 * END or an error. The trailer section is handed out raw, line ends included,
 * in pieces as they come and without the empty line that ends it; put
 * together they can be given to ed_http1_trailers(). It is checked as it
 * comes, so nothing is lost by ignoring it.
 *
 * Returns an enum ed_http1_chunk_event, or ED_EPROTO with c->error set, or
 * ED_EHEADLIMIT when the trailer section exceeds `max_trailer_bytes`.
 */
ED_CHECK int ed_http1_chunked(struct ed_http1_chunked *c, struct ed_bytes *in,
                              struct ed_bytes *out, uint32_t max_trailer_bytes);

/* Reads a whole trailer section into `fields`; returns how many, or
 * ED_EPROTO, or ED_EHEADLIMIT when they are more than `max_fields`. Fields
 * that may not stand in a trailer (RFC 9110, 6.5.1) are left out. */
ED_CHECK int ed_http1_trailers(const char *buf, size_t len,
                               struct ed_http1_field *fields,
                               uint32_t max_fields);

/* The first of the fields of a head that has that name (any case), or NULL. */
const struct ed_http1_field *ed_http1_find(const char *head,
                                           const struct ed_http1_field *fields,
                                           uint32_t count,
                                           struct ed_bytes name);

/* Whether bytes are a token (RFC 9110, 5.6.2), as methods and field names
 * must be, and whether they may stand as a field value: tab, visible ASCII,
 * space and bytes from 0x80, without white space at the ends. For the writing
 * side, so that no reply can be split. */
bool ed_http1_is_token(struct ed_bytes b);
bool ed_http1_is_value(struct ed_bytes b);

/* Whether a list with commas (RFC 9110, 5.6.1) has a token, in any case. */
bool ed_http1_lists(struct ed_bytes list, struct ed_bytes token);

/* Writes a chunk's size line, "1a2b\r\n", and returns its length. */
#define ED_HTTP1_CHUNK_LINE_MAX 18
size_t ed_http1_chunk_line(char out[ED_HTTP1_CHUNK_LINE_MAX], uint64_t size);

/* The reason phrase of a status, "" when it has none. Static. */
const char *ed_http_reason(int status);

#endif
