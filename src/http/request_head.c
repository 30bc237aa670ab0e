/*
 * request_head.c - writes the head of a request that a client sends.
 *
 * Promises that no text of the caller's can end a line or frame the message:
 * what would is refused.
 */
#include "http/request_head.h"
#include "base/ascii.h"
#include "wire/http1.h"
#include <eddy/fiber.h>
#include <stdio.h>

static const struct ed_bytes PROXY_AUTHORIZATION = {"Proxy-Authorization", 19};
static const struct ed_bytes VERSION = {" HTTP/1.1\r\n", 11};

/* Room for what is not counted by name: names of fields, line ends, spaces, a
 * number. */
enum { FIXED_BYTES = 256 };

struct pen {
    char *at;
};

static void put(struct pen *pen, struct ed_bytes text)
{
    if (text.len)
        memcpy(pen->at, text.ptr, text.len);
    pen->at += text.len;
}

static void put_field(struct pen *pen, struct ed_bytes name_and_colon,
                      struct ed_bytes value)
{
    put(pen, name_and_colon);
    put(pen, value);
    put(pen, ED_BYTES("\r\n"));
}

static void put_number(struct pen *pen, struct ed_bytes name_and_colon,
                       uint64_t number)
{
    char digits[ED_DIGITS_MAX];
    char *end = digits + sizeof(digits);
    const char *first = ed_digits_write(end, number);

    put_field(pen, name_and_colon, ed_bytes_of(first, (size_t)(end - first)));
}

static bool is(struct ed_bytes name, struct ed_bytes other)
{
    return ed_bytes_equal_nocase(name, other);
}

/* Takes out those of our fields that the caller has set. */
static void give_way(struct ed_request_head *head, struct ed_bytes name)
{
    struct ed_request_field **at = &head->fields;

    while (*at) {
        if (is((*at)->name, name))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
}

/* So much of a name is told. */
static int shown(struct ed_bytes name)
{
    return name.len < 80 ? (int)name.len : 80;
}

/* The value is not told: it may be a secret, with a line end that was read
 * with it from its file. */
static int bad_value(struct ed_bytes name)
{
    return ed_fail(ED_EUSAGE, "a value for %.*s that is none", shown(name),
                   name.ptr);
}

static void take_proxy_authorization(struct ed_request_head *head,
                                     struct ed_bytes value)
{
    head->proxy_authorization = value;
    head->own_proxy_authorization = true;
}

static bool is_for_proxy(const char *line)
{
    struct ed_bytes rest = ed_bytes(line);

    return is(ed_bytes_cut(&rest, ':'), PROXY_AUTHORIZATION);
}

/* Checks one of the caller's fields, which may stand for one of ours. */
static int check_field(struct ed_request_head *head, const char *line)
{
    struct ed_bytes value = ed_bytes(line);
    struct ed_bytes name = ed_bytes_cut(&value, ':');

    if (!value.ptr || !ed_http1_is_token(name))
        return ed_fail(ED_EUSAGE, "'%.*s' is no header field", shown(name),
                       name.ptr);
    if (!ed_http1_is_value(ed_bytes_trim(value)))
        return bad_value(name);
    if (is(name, ED_BYTES("Content-Length")) ||
        is(name, ED_BYTES("Transfer-Encoding")))
        return ed_fail(ED_EUSAGE, "%.*s is the client's to set", (int)name.len,
                       name.ptr);
    if (is(name, ED_BYTES("Host")))
        head->host.len = 0;
    else if (is(name, ED_BYTES("User-Agent")))
        head->user_agent.len = 0;
    else if (is(name, ED_BYTES("Content-Type")))
        head->content_type.len = 0;
    else if (is(name, ED_BYTES("Expect")))
        head->expect = false;
    else if (is(name, PROXY_AUTHORIZATION))
        take_proxy_authorization(head, ed_bytes_trim(value));
    else if (is(name, ED_BYTES("Accept-Encoding")))
        head->codings = false;
    else if (is(name, ED_BYTES("Connection")))
        head->close |= ed_http1_lists(value, ED_BYTES("close"));
    else
        give_way(head, name);
    if (is(name, ED_BYTES("Range")))
        head->codings = false;
    return 0;
}

/* Checks the values that are given apart from the fields. */
static int check_value(const char *name, struct ed_bytes value)
{
    if (ed_http1_is_value(value))
        return 0;
    return ed_fail(ED_EUSAGE, "'%.80s' cannot be a %s", value.ptr, name);
}

static int check(struct ed_request_head *head, size_t *bytes)
{
    if (!ed_http1_is_token(head->method) ||
        ed_bytes_equal(head->method, ED_BYTES("CONNECT")))
        return ed_fail(ED_EUSAGE, "'%.40s' is no method to fetch with",
                       head->method.ptr);
    int err = check_value("Content-Type", head->content_type);
    if (!err)
        err = check_value("User-Agent", head->user_agent);
    if (err)
        return err;
    *bytes = FIXED_BYTES + head->method.len + head->target.len +
             head->host.len + head->user_agent.len + head->content_type.len +
             head->relayed.len + head->proxy_authorization.len;
    for (const char *const *line = head->headers; line && *line; line++) {
        err = check_field(head, *line);
        if (err)
            return err;
        *bytes += strlen(*line) + 2;
    }
    for (struct ed_request_field *f = head->fields; f; f = f->next) {
        if (!ed_http1_is_value(f->value))
            return bad_value(f->name);
        *bytes += f->name.len + f->value.len + 4;
    }
    return 0;
}

static void write(struct ed_request_head *head, struct pen *pen)
{
    put(pen, head->method);
    put(pen, ED_BYTES(" "));
    put(pen, head->relayed);
    if (head->slash)
        put(pen, ED_BYTES("/"));
    put(pen, head->target);
    put(pen, VERSION);
    if (head->host.len)
        put_field(pen, ED_BYTES("Host: "), head->host);
    if (head->user_agent.len)
        put_field(pen, ED_BYTES("User-Agent: "), head->user_agent);
    if (head->proxy_authorization.len && !head->withholds)
        put_field(pen, ED_BYTES("Proxy-Authorization: "),
                  head->proxy_authorization);
    for (const char *const *line = head->headers; line && *line; line++) {
        if (!head->own_proxy_authorization || !is_for_proxy(*line))
            put_field(pen, ed_bytes(*line), ED_BYTES(""));
    }
    for (struct ed_request_field *f = head->fields; f; f = f->next) {
        put(pen, f->name);
        put(pen, ED_BYTES(": "));
        f->written = pen->at;
        put_field(pen, f->value, ED_BYTES(""));
    }
    if (head->codings)
        put(pen, ED_BYTES("Accept-Encoding: gzip, br, zstd\r\n"));
    if (head->expect)
        put(pen, ED_BYTES("Expect: 100-continue\r\n"));
    if (head->content_type.len)
        put_field(pen, ED_BYTES("Content-Type: "), head->content_type);
    if (head->framing == ED_REQUEST_LENGTH)
        put_number(pen, ED_BYTES("Content-Length: "), head->length);
    else if (head->framing == ED_REQUEST_CHUNKED)
        put(pen, ED_BYTES("Transfer-Encoding: chunked\r\n"));
    put(pen, ED_BYTES("\r\n"));
}

int ed_request_head_write(struct ed_request_head *head, ed_arena *arena)
{
    size_t bytes = 0;
    char *room = head->store;
    int err = check(head, &bytes);

    if (err)
        return err;
    if (bytes > sizeof(head->store))
        room = ed_arena_alloc(arena, bytes);
    if (!room)
        return ed_fail(ED_ENOMEM, "no memory for the request head");
    struct pen pen = {room};
    write(head, &pen);
    head->bytes = ed_bytes_of(room, (size_t)(pen.at - room));
    return 0;
}
