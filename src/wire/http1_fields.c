/*
 * http1_fields.c - what a head means: its target, the fields that frame the
 * message, and how its body ends (RFC 9110, 7.2; RFC 9112, 3, 6 and 9).
 *
 * A message whose length two readers could see differently is refused, even
 * where the RFC would let a recipient choose: what is refused cannot be
 * smuggled.
 */
#include "wire/host.h"
#include "wire/http1_head.h"

/* --- the target --- */

static bool bad_target(struct ed_http1_head *head, const char *error)
{
    ed_http1_fail(head, 400, error);
    return false;
}

static void take_authority(struct ed_http1_head *head,
                           struct ed_http1_span authority)
{
    head->host = authority;
    head->has_host = true;
    head->seen |= HTTP1_SEEN_AUTHORITY;
}

/* RFC 9112, 3.2.3: host:port, and the port cannot be left out. */
static bool note_authority(struct ed_http1_head *head, struct ed_bytes target)
{
    if (!ed_host_is_valid(target, 0) || target.ptr[target.len - 1] == ':' ||
        target.ptr[target.len - 1] == ']' ||
        !memchr(target.ptr, ':', target.len))
        return bad_target(head, "malformed target of CONNECT");
    take_authority(head, head->target);
    head->path.len = 0;
    head->query.len = 0;
    return true;
}

/* The length of "http://" or "https://" at the start, or 0. */
static size_t scheme_length(struct ed_bytes target)
{
    static const char scheme[] = "https://";
    size_t i = 0;

    while (i < 4 && i < target.len && (target.ptr[i] | 0x20) == scheme[i])
        i++;
    if (i < 4)
        return 0;
    if (i < target.len && (target.ptr[i] | 0x20) == 's')
        i++;
    if (target.len - i < 3 || memcmp(target.ptr + i, "://", 3))
        return 0;
    return i + 3;
}

/* RFC 9112, 3.2.2. */
static bool note_absolute(struct ed_http1_head *head, const char *buf)
{
    struct ed_bytes target = ed_http1_bytes(buf, head->target);
    uint32_t scheme = (uint32_t)scheme_length(target);
    if (!scheme)
        return bad_target(head, "malformed request target");

    /* head->path is all before the '?' so far: "http://host/path". */
    const char *from = target.ptr + scheme;
    size_t len = head->path.len - scheme;
    const char *slash = memchr(from, '/', len);
    size_t host_len = slash ? (size_t)(slash - from) : len;
    if (!host_len || !ed_host_is_valid(ed_bytes_of(from, host_len), 0))
        return bad_target(head, "malformed host in the request target");

    struct ed_http1_span host = {head->target.at + scheme, (uint32_t)host_len};
    take_authority(head, host);
    if (slash) {
        head->path.at = host.at + host.len;
        head->path.len = (uint32_t)(len - host_len);
        return true;
    }
    /* An empty path is "/"; one stands right before the host. */
    head->path.at = host.at - 1;
    head->path.len = 1;
    return true;
}

bool ed_http1_note_target(struct ed_http1_head *head, const char *buf)
{
    struct ed_bytes method = ed_http1_bytes(buf, head->method);
    struct ed_bytes target = ed_http1_bytes(buf, head->target);

    if (ed_bytes_equal(method, ED_BYTES("CONNECT")))
        return note_authority(head, target);
    if (!ed_bytes_equal(target, ED_BYTES("*")))
        return note_absolute(head, buf);
    if (!ed_bytes_equal(method, ED_BYTES("OPTIONS")))
        return bad_target(head, "'*' is a target for OPTIONS only");
    return true;
}

/* --- the fields that frame a message --- */

/* Whether a value is a word, such as "close", in letters of either case. */
#define IS_WORD(value, lower)            \
    ((value).len == sizeof(lower) - 1 && \
     http1_same_word((value).ptr, lower, sizeof(lower) - 1))

/* Takes the next element off a comma-separated list, without the white space
 * around it. False at the end. */
static bool next_element(struct ed_bytes *list, struct ed_bytes *element)
{
    const char *at = list->ptr;
    const char *end = at + list->len;

    if (at == end)
        return false;

    const char *comma = memchr(at, ',', list->len);
    const char *stop = comma ? comma : end;
    *list = ed_bytes_of(comma ? comma + 1 : end,
                        comma ? (size_t)(end - comma) - 1 : 0);
    while (at < stop && http1_is_blank(*at))
        at++;
    while (stop > at && http1_is_blank(stop[-1]))
        stop--;
    *element = ed_bytes_of(at, (size_t)(stop - at));
    return true;
}

static bool note_length(struct ed_http1_head *head, struct ed_bytes value)
{
    uint64_t length = 0;

    if (head->seen & HTTP1_SEEN_LENGTH)
        return !!ed_http1_fail(head, 400, "repeated Content-Length");
    if (!value.len)
        return !!ed_http1_fail(head, 400, "malformed Content-Length");
    for (size_t i = 0; i < value.len; i++) {
        unsigned digit = (unsigned char)value.ptr[i] - (unsigned)'0';

        if (digit > 9)
            return !!ed_http1_fail(head, 400, "malformed Content-Length");
        /* Room for an off_t, so that nobody behind us can overflow. */
        if (length > ((uint64_t)INT64_MAX - digit) / 10)
            return !!ed_http1_fail(head, 400, "Content-Length too large");
        length = length * 10 + digit;
    }
    head->content_length = length;
    head->seen |= HTTP1_SEEN_LENGTH;
    return true;
}

static uint32_t connection_option(struct ed_bytes option)
{
    if (IS_WORD(option, "keep-alive"))
        return HTTP1_SEEN_KEEP_ALIVE;
    if (IS_WORD(option, "close"))
        return HTTP1_SEEN_CLOSE;
    if (IS_WORD(option, "upgrade"))
        return HTTP1_SEEN_UPGRADE_OPTION;
    return 0;
}

static void note_connection(struct ed_http1_head *head, struct ed_bytes value)
{
    uint32_t only = connection_option(value);
    struct ed_bytes option;

    head->seen |= only;
    while (!only && next_element(&value, &option))
        head->seen |= connection_option(option);
}

static bool note_request_encoding(struct ed_http1_head *head,
                                  struct ed_bytes value)
{
    if (head->minor == 0)
        return !!ed_http1_fail(head, 400, "Transfer-Encoding in HTTP/1.0");
    if (head->seen & HTTP1_SEEN_ENCODING)
        return !!ed_http1_fail(head, 400, "repeated Transfer-Encoding");
    if (!IS_WORD(value, "chunked"))
        return !!ed_http1_fail(head, 501, "unknown Transfer-Encoding");
    head->seen |= HTTP1_SEEN_ENCODING | HTTP1_SEEN_CHUNKED;
    return true;
}

/* Servers may apply other codings as well; only a last "chunked" tells where
 * the body ends, and there cannot be two of them (RFC 9112, 6.1). */
static bool note_response_encoding(struct ed_http1_head *head,
                                   struct ed_bytes value)
{
    struct ed_bytes coding;

    if (head->minor == 0)
        return !!ed_http1_fail(head, 400, "Transfer-Encoding in HTTP/1.0");
    head->seen |= HTTP1_SEEN_ENCODING;
    while (next_element(&value, &coding)) {
        if (!coding.len)
            continue;
        if (head->seen & HTTP1_SEEN_CHUNKED)
            return !!ed_http1_fail(head, 400, "coding behind chunked");
        if (IS_WORD(coding, "chunked"))
            head->seen |= HTTP1_SEEN_CHUNKED;
    }
    return true;
}

static bool note_expect(struct ed_http1_head *head, struct ed_bytes value)
{
    if (!IS_WORD(value, "100-continue"))
        return !!ed_http1_fail(head, 417, "unknown expectation");
    head->seen |= HTTP1_SEEN_CONTINUE;
    return true;
}

bool ed_http1_note_request_field(struct ed_http1_head *head, const char *buf)
{
    const struct ed_http1_field *field = &head->fields[head->field_count - 1];
    struct ed_bytes value = ed_http1_bytes(buf, field->value);

    switch (field->known) {
    case ED_FIELD_TRANSFER_ENCODING:
        return note_request_encoding(head, value);
    case ED_FIELD_EXPECT:
        return note_expect(head, value);
    default:
        return ed_http1_note_response_field(head, buf);
    }
}

bool ed_http1_note_response_field(struct ed_http1_head *head, const char *buf)
{
    const struct ed_http1_field *field = &head->fields[head->field_count - 1];
    struct ed_bytes value = ed_http1_bytes(buf, field->value);

    switch (field->known) {
    case ED_FIELD_CONTENT_LENGTH:
        return note_length(head, value);
    case ED_FIELD_TRANSFER_ENCODING:
        return note_response_encoding(head, value);
    case ED_FIELD_CONNECTION:
        note_connection(head, value);
        return true;
    case ED_FIELD_UPGRADE:
        head->seen |= HTTP1_SEEN_UPGRADE;
        return true;
    default:
        return true;
    }
}

/* --- when all lines were seen --- */

static bool has(const struct ed_http1_head *head, uint32_t seen)
{
    return (head->seen & seen) == seen;
}

static void finish_connection(struct ed_http1_head *head)
{
    bool persistent = head->minor >= 1 || has(head, HTTP1_SEEN_KEEP_ALIVE);

    head->keep_alive = persistent && !has(head, HTTP1_SEEN_CLOSE);
    /* RFC 9110, 7.8: Upgrade in HTTP/1.0 is to be ignored. */
    head->upgrade = head->minor >= 1 &&
                    has(head, HTTP1_SEEN_UPGRADE | HTTP1_SEEN_UPGRADE_OPTION);
}

bool ed_http1_finish_request(struct ed_http1_head *head)
{
    if (head->minor >= 1 && !has(head, HTTP1_SEEN_HOST))
        return !!ed_http1_fail(head, 400, "no Host");
    if (has(head, HTTP1_SEEN_LENGTH | HTTP1_SEEN_ENCODING))
        return !!ed_http1_fail(head, 400,
                               "Content-Length and Transfer-Encoding");

    if (has(head, HTTP1_SEEN_CHUNKED))
        head->body = ED_BODY_CHUNKED;
    else if (has(head, HTTP1_SEEN_LENGTH))
        head->body = ED_BODY_LENGTH;
    /* RFC 9110, 10.1.1: the expectation of an HTTP/1.0 client is ignored. */
    head->expect_continue = head->minor >= 1 && has(head, HTTP1_SEEN_CONTINUE);
    finish_connection(head);
    return true;
}

/* RFC 9112, 6.3, rules 1 and 2. */
static bool never_has_a_body(const struct ed_http1_head *head, bool to_head,
                             bool to_connect)
{
    return to_head || head->status < 200 || head->status == 204 ||
           head->status == 304 || (to_connect && head->status < 300);
}

bool ed_http1_finish_response(struct ed_http1_head *head, bool to_head,
                              bool to_connect)
{
    if (has(head, HTTP1_SEEN_LENGTH | HTTP1_SEEN_ENCODING))
        return !!ed_http1_fail(head, 400,
                               "Content-Length and Transfer-Encoding");

    finish_connection(head);
    if (never_has_a_body(head, to_head, to_connect)) {
        head->body = ED_BODY_NONE;
    } else if (has(head, HTTP1_SEEN_CHUNKED)) {
        head->body = ED_BODY_CHUNKED;
    } else if (has(head, HTTP1_SEEN_LENGTH)) {
        head->body = ED_BODY_LENGTH;
    } else {
        head->body = ED_BODY_UNTIL_CLOSE;
        head->keep_alive = false;
    }
    return true;
}
