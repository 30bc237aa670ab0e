/*
 * forwarded.c - reads the Forwarded field.
 *
 * Strict: what one program reads otherwise than another is how a client makes
 * itself somebody else.
 */
#include "wire/forwarded.h"

#include "base/ascii.h"
#include "wire/http1.h"
#include "wire/host.h"

#include <eddy/error.h>

static void skip_blanks(struct ed_bytes *text)
{
    while (text->len && (*text->ptr == ' ' || *text->ptr == '\t')) {
        text->ptr++;
        text->len--;
    }
}

static bool take(struct ed_bytes *text, char c)
{
    if (!text->len || *text->ptr != c)
        return false;
    text->ptr++;
    text->len--;
    return true;
}

static struct ed_bytes take_token(struct ed_bytes *text)
{
    size_t len = 0;

    while (len < text->len &&
           ed_http1_is_token(ed_bytes_of(text->ptr + len, 1)))
        len++;
    struct ed_bytes token = ed_bytes_of(text->ptr, len);
    text->ptr += len;
    text->len -= len;
    return token;
}

/* Behind the first quote. */
static int take_quoted(struct ed_bytes *text, struct ed_bytes *out)
{
    const char *begin = text->ptr;

    while (text->len) {
        if (*text->ptr == '"') {
            *out = ed_bytes_of(begin, (size_t)(text->ptr - begin));
            take(text, '"');
            return 0;
        }
        size_t step = *text->ptr == '\\' ? 2 : 1;
        if (step > text->len)
            break;
        text->ptr += step;
        text->len -= step;
    }
    return ED_EPARSE;
}

static int take_value(struct ed_bytes *text, struct ed_bytes *out)
{
    if (take(text, '"'))
        return take_quoted(text, out);
    *out = take_token(text);
    return out->len ? 0 : ED_EPARSE;
}

static struct ed_bytes *place_of(struct ed_forwarded *f, struct ed_bytes name)
{
    const struct {
        const char *name;
        struct ed_bytes *place;
    } names[] = {{"for", &f->node},
                 {"by", &f->by},
                 {"proto", &f->proto},
                 {"host", &f->host}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (ed_bytes_equal_nocase(name, ed_bytes(names[i].name)))
            return names[i].place;
    }
    return NULL;
}

static int take_pair(struct ed_bytes *text, struct ed_forwarded *out)
{
    struct ed_bytes value = {0};
    struct ed_bytes name = take_token(text);

    if (!name.len || !take(text, '=') || take_value(text, &value))
        return ED_EPARSE;
    struct ed_bytes *place = place_of(out, name);
    if (!place)
        return 0;
    if (place->ptr)
        return ED_EPARSE;
    *place = value;
    return 0;
}

int ed_forwarded_next(struct ed_bytes *rest, struct ed_forwarded *out)
{
    bool any = false;

    *out = (struct ed_forwarded){0};
    for (;;) {
        skip_blanks(rest);
        if (!rest->len || *rest->ptr == ',') {
            if (any) {
                take(rest, ',');
                return 1;
            }
            if (!take(rest, ','))
                return 0;
            continue;
        }
        if (take(rest, ';'))
            continue;
        if (take_pair(rest, out))
            return ED_EPARSE;
        any = true;
        skip_blanks(rest);
        if (rest->len && *rest->ptr != ';' && *rest->ptr != ',')
            return ED_EPARSE;
    }
}

struct ed_bytes ed_forwarded_ip(struct ed_bytes node)
{
    struct ed_bytes none = {0};
    ssize_t colon = ed_bytes_find(node, ED_BYTES(":"));
    ssize_t close = ed_bytes_find(node, ED_BYTES("]"));

    if (node.len && node.ptr[0] == '[') {
        if (close < 0)
            return none;
        struct ed_bytes port =
            ed_bytes_of(node.ptr + close + 1, node.len - (size_t)close - 1);
        return !port.len || ed_host_is_port(port)
                   ? ed_bytes_of(node.ptr, (size_t)close + 1)
                   : none;
    }
    if (colon < 0)
        return node;
    struct ed_bytes port =
        ed_bytes_of(node.ptr + colon, node.len - (size_t)colon);
    /* With a second colon it is IPv6, which has no port without brackets. */
    if (ed_bytes_find(ed_bytes_of(port.ptr + 1, port.len - 1), ED_BYTES(":")) >=
        0)
        return node;
    return ed_host_is_port(port) ? ed_bytes_of(node.ptr, (size_t)colon) : none;
}
