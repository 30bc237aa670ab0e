/*
 * http1_lines.h - a head as lines, for the instruction set that the including
 * file has chosen (see http1_scan.h). It defines HTTP1_UNIT, HTTP1_UNIT_NAME
 * and HTTP1_NARROWER and gets a struct http1_unit.
 *
 * Every line is looked at from its start until it is whole, and its errors
 * are found in the order of its bytes, limits first: so it makes no
 * difference to the verdict in which pieces a head arrives.
 */
#include "wire/host.h"
#include "wire/http1_head.h"
#include "wire/http1_scan.h"

#define LINES_INLINE      SCAN_TARGET SCAN_INLINE
#define LINES_LIKELY(x)   __builtin_expect(!!(x), 1)
#define LINES_UNLIKELY(x) __builtin_expect(!!(x), 0)

LINES_INLINE struct ed_http1_span span_of(const char *buf, const char *from,
                                          const char *to)
{
    struct ed_http1_span span = {(uint32_t)(from - buf), (uint32_t)(to - from)};

    return span;
}

static const char *bad_name(struct ed_http1_head *head, const char *line,
                            const char *stop)
{
    if (stop > line && http1_is_blank(*stop))
        return ed_http1_fail(head, 400, "white space in a field name");
    if (http1_is_blank(*stop))
        return ed_http1_fail(head, 400,
                             head->field_count
                                 ? "folded field line"
                                 : "white space before the first field");
    if (stop == line && *stop == ':')
        return ed_http1_fail(head, 400, "empty field name");
    return ed_http1_fail(head, 400, "malformed field name");
}

static const char *bad_value(struct ed_http1_head *head, const char *stop)
{
    if (*stop == '\r')
        return ed_http1_fail(head, 400, "CR without LF");
    if (*stop == '\n')
        return ed_http1_fail(head, 400, "LF without CR");
    return ed_http1_fail(head, 400, "control character in a field value");
}

/* Host is checked here, where scanning is fast: every request has one. Nearly
 * all are a name or a name and a port. */
LINES_INLINE bool host_is_well_formed(const char *value, const char *end,
                                      size_t len)
{
    size_t plain = (size_t)(scan(value, end, &scan_host) - value);

    if (LINES_LIKELY(plain == len))
        return true;
    if (plain && ed_host_is_port(ed_bytes_of(value + plain, len - plain)))
        return true;
    return ed_host_is_valid(ed_bytes_of(value, len), plain);
}

LINES_INLINE bool read_host(struct ed_http1_head *head, const char *buf,
                            const char *end, struct ed_http1_span value)
{
    if (LINES_UNLIKELY(!host_is_well_formed(buf + value.at, end, value.len)))
        return !!ed_http1_fail(head, 400, "malformed Host");
    if (LINES_UNLIKELY(head->seen & HTTP1_SEEN_HOST))
        return !!ed_http1_fail(head, 400, "repeated Host");
    head->seen |= HTTP1_SEEN_HOST;
    head->has_host = true;
    if (LINES_LIKELY(!(head->seen & HTTP1_SEEN_AUTHORITY)))
        head->host = value;
    return true;
}

/* Reads the field line at `line`. Returns the line behind it; NULL when more
 * is needed or with head->error set. */
LINES_INLINE const char *read_field(struct ed_http1_head *head, const char *buf,
                                    const char *line, struct scan_ends *ends,
                                    const struct ed_http1_limits *limits,
                                    bool request)
{
    const char *end = ends->end;

    if (LINES_UNLIKELY(head->field_count == limits->max_fields))
        return ed_http1_fail(head, 431, "too many fields");

    const char *colon = scan(line, end, &scan_token);
    if (LINES_UNLIKELY(colon - line > limits->max_line))
        return ed_http1_fail(head, 431, "field line too long");
    if (LINES_UNLIKELY(colon == end))
        return NULL;
    if (LINES_UNLIKELY(*colon != ':' || colon == line))
        return bad_name(head, line, colon);

    const char *value = colon + 1;
    const char *stop = scan_next_end(ends, value);
    if (LINES_UNLIKELY(stop - line > limits->max_line))
        return ed_http1_fail(head, 431, "field line too long");
    if (LINES_UNLIKELY(stop == end))
        return NULL;
    if (LINES_UNLIKELY(*stop != '\r'))
        return bad_value(head, stop);
    if (LINES_UNLIKELY(stop + 1 == end))
        return NULL;
    if (LINES_UNLIKELY(stop[1] != '\n'))
        return bad_value(head, stop);

    const char *next = scan_next_end(ends, stop + 1) + 1; /* behind the LF */
    http1_trim(&value, &stop);

    enum ed_http1_known known = http1_known(line, (size_t)(colon - line));
    struct ed_http1_field *field = &head->fields[head->field_count++];
    field->name = span_of(buf, line, colon);
    field->value = span_of(buf, value, stop);
    field->known = known;
    if (known == ED_FIELD_OTHER || known > ED_FIELD_UPGRADE)
        return next;
    if (!request)
        return ed_http1_note_response_field(head, buf) ? next : NULL;
    if (known == ED_FIELD_HOST)
        return read_host(head, buf, end, field->value) ? next : NULL;
    return ed_http1_note_request_field(head, buf) ? next : NULL;
}

/* Reads field lines up to the empty one; as http1_read. */
LINES_INLINE size_t read_fields(struct ed_http1_head *head, const char *buf,
                                const char *end,
                                const struct ed_http1_limits *limits,
                                bool request)
{
    const char *line = buf + head->line_at;
    struct scan_ends ends = scan_ends_from(line, end);

    while (line < end && *line != '\r') {
        line = read_field(head, buf, line, &ends, limits, request);
        if (!line)
            return 0;
        head->line_at = (uint32_t)(line - buf);
    }
    if (end - line < 2)
        return 0;
    if (line[1] != '\n') {
        ed_http1_fail(head, 400, "CR without LF");
        return 0;
    }
    return (size_t)(line + 2 - buf);
}

/* What is wrong with the bytes from `at`, which should be "HTTP/1.1\r\n" or
 * "HTTP/1.0\r\n" but are not or not yet. Returns NULL in any case. */
static const char *bad_version(struct ed_http1_head *head, const char *at,
                               const char *end)
{
    static const char form[] = "HTTP/0.0";
    size_t len = (size_t)(end - at);

    for (size_t i = 0; i < 8; i++) {
        if (i == len)
            return NULL;
        if (form[i] == '0' ? at[i] < '0' || at[i] > '9' : at[i] != form[i])
            return ed_http1_fail(head, 400, "malformed HTTP version");
    }
    if (at[5] != '1' || at[7] > '1')
        return ed_http1_fail(head, 505, "not HTTP/1.0 or HTTP/1.1");
    if (len > 8 && at[8] != '\r')
        return ed_http1_fail(head, 400, "malformed end of the first line");
    if (len > 9)
        return ed_http1_fail(head, 400, "CR without LF");
    return NULL;
}

/* Skips empty lines; NULL when more is needed or with head->error set. */
LINES_INLINE const char *skip_empty_lines(struct ed_http1_head *head,
                                          const char *buf, const char *end)
{
    const char *line = buf + head->line_at;

    while (line < end && *line == '\r') {
        if (line - buf == 2 * HTTP1_EMPTY_LINES_MAX)
            return ed_http1_fail(head, 400, "too many empty lines");
        if (end - line < 2)
            return NULL;
        if (line[1] != '\n')
            return ed_http1_fail(head, 400, "CR without LF");
        line += 2;
        head->line_at = (uint32_t)(line - buf);
    }
    return line;
}

/* Reads the request line. Returns the line behind it; NULL when more is
 * needed or with head->error set. */
LINES_INLINE const char *read_request_line(struct ed_http1_head *head,
                                           const char *buf, const char *end,
                                           const struct ed_http1_limits *limits)
{
    const char *line = skip_empty_lines(head, buf, end);
    if (LINES_UNLIKELY(!line))
        return NULL;

    const char *space = scan(line, end, &scan_token);
    if (LINES_UNLIKELY(space - line > HTTP1_METHOD_MAX))
        return ed_http1_fail(head, 501, "method too long");
    if (LINES_UNLIKELY(space == end))
        return NULL;
    if (LINES_UNLIKELY(*space != ' ' || space == line))
        return ed_http1_fail(head, 400, "malformed method");

    const char *target = space + 1;
    const char *path_end = scan(target, end, &scan_target);
    const char *stop = path_end;
    while (stop < end && *stop == '?')
        stop = scan(stop + 1, end, &scan_target);
    if (LINES_UNLIKELY(stop - line > limits->max_line))
        return ed_http1_fail(head, 414, "request line too long");
    if (LINES_UNLIKELY(stop == end))
        return NULL;
    if (LINES_UNLIKELY(*stop != ' ' || stop == target))
        return ed_http1_fail(head, 400, "malformed request target");

    const char *version = stop + 1;
    if (LINES_UNLIKELY(version + 8 - line > limits->max_line))
        return ed_http1_fail(head, 414, "request line too long");
    if (LINES_UNLIKELY(end - version < 10))
        return bad_version(head, version, end);
    if (LINES_LIKELY(!memcmp(version, "HTTP/1.1\r\n", 10)))
        head->minor = 1;
    else if (!memcmp(version, "HTTP/1.0\r\n", 10))
        head->minor = 0;
    else
        return bad_version(head, version, end);

    head->method = span_of(buf, line, space);
    head->target = span_of(buf, target, stop);
    head->path = span_of(buf, target, path_end);
    head->query = span_of(buf, path_end + (path_end < stop), stop);
    bool connect = space - line == 7 && !memcmp(line, "CONNECT", 7);
    if (LINES_UNLIKELY(*target != '/' || connect) &&
        !ed_http1_note_target(head, buf))
        return NULL;
    return version + 10;
}

static SCAN_TARGET size_t read_request(struct ed_http1_head *head,
                                       const char *buf, size_t len,
                                       const struct ed_http1_limits *limits)
{
    const char *end = buf + len;

    if (!(head->seen & HTTP1_SEEN_START)) {
        const char *line = read_request_line(head, buf, end, limits);
        if (!line)
            return 0;
        head->line_at = (uint32_t)(line - buf);
        head->seen |= HTTP1_SEEN_START;
    }
    return read_fields(head, buf, end, limits, true);
}

/* Three digits, of which the first is not 0; 0 when there are none such or
 * not yet, and with head->error set when there will not be. */
static int read_status(struct ed_http1_head *head, const char *at,
                       const char *end)
{
    int status = 0;

    for (int i = 0; i < 3; i++) {
        if (at + i == end)
            return 0;
        if (at[i] < (i ? '0' : '1') || at[i] > '9') {
            ed_http1_fail(head, 400, "malformed status");
            return 0;
        }
        status = status * 10 + at[i] - '0';
    }
    return status;
}

/* Reads the status line, as read_request_line(). The space behind the status
 * may be missing where there is no reason: RFC 9112, 4 asks servers for it,
 * but some do without. */
LINES_INLINE const char *read_status_line(struct ed_http1_head *head,
                                          const char *buf, const char *end,
                                          const struct ed_http1_limits *limits)
{
    if (end - buf < 8 || memcmp(buf, "HTTP/1.", 7) ||
        (buf[7] != '1' && buf[7] != '0'))
        return bad_version(head, buf, end);
    head->minor = (uint8_t)(buf[7] - '0');
    if (end - buf < 9)
        return NULL;
    if (buf[8] != ' ')
        return ed_http1_fail(head, 400, "malformed status line");
    head->status = (uint16_t)read_status(head, buf + 9, end);
    if (!head->status)
        return NULL;

    const char *space = buf + 12;
    if (space == end)
        return NULL;
    if (*space != ' ' && *space != '\r')
        return ed_http1_fail(head, 400, "malformed status");
    const char *reason = space + (*space == ' ');
    const char *stop = scan(reason, end, &scan_value);
    if (stop - buf > limits->max_line)
        return ed_http1_fail(head, 431, "status line too long");
    if (stop == end)
        return NULL;
    if (*stop != '\r')
        return ed_http1_fail(head, 400, "malformed reason");
    if (stop + 1 == end)
        return NULL;
    if (stop[1] != '\n')
        return ed_http1_fail(head, 400, "CR without LF");
    head->reason = span_of(buf, reason, stop);
    return stop + 2;
}

static SCAN_TARGET size_t read_response(struct ed_http1_head *head,
                                        const char *buf, size_t len,
                                        const struct ed_http1_limits *limits)
{
    const char *end = buf + len;

    if (!(head->seen & HTTP1_SEEN_START)) {
        const char *line = read_status_line(head, buf, end, limits);
        if (!line)
            return 0;
        head->line_at = (uint32_t)(line - buf);
        head->seen |= HTTP1_SEEN_START;
    }
    return read_fields(head, buf, end, limits, false);
}

const struct http1_unit HTTP1_UNIT = {HTTP1_UNIT_NAME, SCAN_WIDTH, read_request,
                                      read_response, HTTP1_NARROWER};
