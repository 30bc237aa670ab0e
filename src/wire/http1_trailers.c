/*
 * http1_trailers.c - a trailer section as fields (RFC 9110, 6.5).
 *
 * Drops the fields that must not come so late: whoever frames, routes,
 * authenticates or caches a message has already decided without them.
 */
#include "wire/http1_head.h"
#include "wire/http1_scan.h"

#include <eddy/error.h>

/* RFC 9110, 6.5.1: framing, routing, request modifiers, authentication,
 * response control, and how to process the content. */
static const char *const forbidden[] = {
    "transfer-encoding",
    "content-length",
    "host",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "cache-control",
    "expect",
    "max-forwards",
    "pragma",
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
    "authorization",
    "cookie",
    "set-cookie",
    "www-authenticate",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "age",
    "expires",
    "date",
    "location",
    "retry-after",
    "vary",
    "warning",
    "content-encoding",
    "content-type",
    "content-range",
};

static bool same_token(const char *name, size_t len, const char *lower)
{
    for (size_t i = 0; i < len; i++) {
        if (lower[i] == '\0' || (name[i] | 0x20) != lower[i])
            return false;
    }
    return lower[len] == '\0';
}

static bool is_forbidden(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        if (same_token(name, len, forbidden[i]))
            return true;
    }
    return false;
}

static struct ed_http1_span span_of(const char *buf, const char *from,
                                    const char *to)
{
    return (struct ed_http1_span){(uint32_t)(from - buf),
                                  (uint32_t)(to - from)};
}

/* Reads the line at `line`; returns the one behind it, or NULL. */
static const char *read_line(const char *buf, const char *line, const char *end,
                             struct ed_http1_field *field)
{
    const char *colon = scan(line, end, &scan_token);
    if (colon == line || colon == end || *colon != ':')
        return NULL;

    const char *value = colon + 1;
    const char *stop = scan(value, end, &scan_value);
    if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
        return NULL;

    const char *next = stop + 2;
    http1_trim(&value, &stop);
    field->name = span_of(buf, line, colon);
    field->value = span_of(buf, value, stop);
    field->known = http1_known(line, field->name.len);
    return next;
}

int ed_http1_trailers(const char *buf, size_t len,
                      struct ed_http1_field *fields, uint32_t max_fields)
{
    if (!len)
        return 0; /* and `buf` may be NULL */

    const char *line = buf;
    const char *end = buf + len;
    uint32_t count = 0;

    while (line < end) {
        struct ed_http1_field field;

        line = read_line(buf, line, end, &field);
        if (!line)
            return ED_EPROTO;
        if (is_forbidden(buf + field.name.at, field.name.len))
            continue;
        if (count == max_fields)
            return ED_EHEADLIMIT;
        fields[count++] = field;
    }
    return (int)count;
}
