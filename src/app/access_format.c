/*
 * access_format.c - the lines of an access log.
 *
 * A format is read once, into pieces: text, and directives with what stands in
 * their braces. Promises that whatever a client sends, a line stays one line,
 * and no text ends its quotes.
 */
#include "app/access_format.h"
#include "base/ascii.h"
#include "http/trace.h"

#include <eddy/clock.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PIECES = 64 };

static const char COMMON[] = "%a - %u %t \"%r\" %s %b";
static const char COMBINED[] =
    "%a - %u %t \"%r\" %s %b \"%{Referer}i\" \"%{User-Agent}i\"";

typedef int add_fn(struct ed_buf *out, const struct ed_access *a,
                   const char *argument);

struct piece {
    struct ed_bytes text; /* if there is no `add` */
    add_fn *add;
    const char *argument; /* in braces; NULL: none */
    bool of_request;      /* "-" when there was none */
};

struct ed_access_format {
    bool json;
    size_t count;
    struct piece pieces[MAX_PIECES];
};

/* ---- text ---- */

/* ed_buf_add(), of which a line takes dozens, where there is room already. */
static inline int add(struct ed_buf *out, const char *text, size_t len)
{
    if (out->cap - out->len <= len)
        return ed_buf_add(out, text, len);
    memcpy(out->ptr + out->len, text, len);
    out->len += len;
    out->ptr[out->len] = '\0';
    return 0;
}

static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/* The same byte eight times; and whether one of eight is zero, in its highest
 * bit (and perhaps in those of bytes behind it). */
#define EIGHT(byte)    (UINT64_C(0x0101010101010101) * (byte))
#define ZERO_IN(eight) (((eight)-EIGHT(1)) & ~(eight)&EIGHT(0x80))

static bool are_plain(uint64_t eight)
{
    uint64_t special =
        eight | ((eight - EIGHT(' ')) & ~eight) | ZERO_IN(eight ^ EIGHT(0x7f)) |
        ZERO_IN(eight ^ EIGHT('"')) | ZERO_IN(eight ^ EIGHT('\\'));

    return !(special & EIGHT(0x80));
}

/* How much at the front stands for itself: most of what is ever logged. */
static size_t plain_len(struct ed_bytes text)
{
    uint64_t eight;
    size_t i = 0;

    while (text.len - i >= sizeof eight) {
        memcpy(&eight, text.ptr + i, sizeof eight);
        if (!are_plain(eight))
            break;
        i += sizeof eight;
    }
    if (i < text.len && text.len >= sizeof eight) {
        memcpy(&eight, text.ptr + text.len - sizeof eight, sizeof eight);
        if (text.len - i < sizeof eight && are_plain(eight))
            return text.len;
    }
    while (i < text.len && is_plain(text.ptr[i]))
        i++;
    return i;
}

static int add_special(struct ed_buf *out, char c)
{
    if (c == '"' || c == '\\')
        return add(out, (char[]){'\\', c}, 2);
    return ed_buf_addf(out, "\\x%02x", (unsigned char)c);
}

/* What is not plain ASCII is shown as \xhh, for nobody knows what encoding a
 * client meant, and terminals obey control characters. */
static int add_escaped(struct ed_buf *out, struct ed_bytes text)
{
    int err = 0;

    while (text.len && !err) {
        size_t len = plain_len(text);
        err = len ? add(out, text.ptr, len) : add_special(out, *text.ptr);
        len += len == 0;
        text = ed_bytes_of(text.ptr + len, text.len - len);
    }
    return err;
}

static int add_text(struct ed_buf *out, const char *text)
{
    return text && *text ? add_escaped(out, ed_bytes(text)) : add(out, "-", 1);
}

static int add_number(struct ed_buf *out, int64_t number)
{
    char digits[ED_DIGITS_MAX];
    char *end = digits + sizeof digits;
    const char *first = ed_digits_write(end, number > 0 ? (uint64_t)number : 0);

    return add(out, first, (size_t)(end - first));
}

/* ---- what a request has ---- */

int ed_access_status(const ed_req *req, int err)
{
    if (req->reply.began)
        return req->reply.status;
    return err == ED_ECANCELED || err == -EPIPE || err == -ECONNRESET
               ? ED_STATUS_CLIENT_LEFT
               : 0;
}

/* "1.2.3.4:56" or "[::1]:56" without the rest; ptr NULL for anything else. What
 * most clients look like, at a tenth of the cost of reading the address. */
static struct ed_bytes ip_in(const char *peer)
{
    const char *colon = strchr(peer, ':');
    const char *bracket = *peer == '[' ? strchr(peer, ']') : NULL;

    if (bracket)
        return ed_bytes_of(peer + 1, (size_t)(bracket - peer - 1));
    if (ed_is_digit(*peer) && colon && !strchr(colon + 1, ':'))
        return ed_bytes_of(peer, (size_t)(colon - peer));
    return (struct ed_bytes){0};
}

/* Without a port: a client is more than one connection. */
struct ed_bytes ed_access_peer(const char *peer, char out[ED_ADDR_TEXT])
{
    struct ed_bytes ip = ip_in(peer);
    struct ed_addr addr;

    if (ip.ptr)
        return ip;
    if (ed_addr_parse(&addr, ed_bytes(peer)) || addr.any.sa_family == AF_UNIX)
        return ed_bytes(peer);
    return ed_bytes(ed_addr_ip_text(&addr, out));
}

static const char *peer_of(const struct ed_access *a)
{
    const char *peer = a->req ? ed_req_peer(a->req) : a->peer;

    return peer ? peer : "";
}

static const char *trace_id(ed_req *req, char out[ED_TRACE_PARENT_TEXT])
{
    const struct ed_trace *trace = ed_req_trace(req);

    if (!trace)
        return "";
    ed_trace_text(trace, out);
    out[35] = '\0'; /* "00-" and 32 digits */
    return out + 3;
}

static const char *field_of_reply(const ed_req *req, const char *name,
                                  struct ed_bytes *out)
{
    const struct ed_reply_field *f = ed_reply_field_find(req, name);

    *out = (struct ed_bytes){0};
    if (f)
        *out = f->value;
    else if (ed_bytes_equal_nocase(ed_bytes(name), ED_BYTES("content-type")))
        *out = req->reply.content_type;
    return out->ptr;
}

static const char *version_text(const ed_req *req)
{
    int version = ed_req_version(req);

    return version == 10 ? "HTTP/1.0" : version == 11 ? "HTTP/1.1" : "HTTP/2.0";
}

/* ---- directives ---- */

static int add_peer(struct ed_buf *out, const struct ed_access *a,
                    const char *argument)
{
    char text[ED_ADDR_TEXT];

    (void)argument;
    struct ed_bytes ip = ed_access_peer(peer_of(a), text);
    return ip.len ? add_escaped(out, ip) : add(out, "-", 1);
}

enum { TIME_SIZE = 64 };

/* In UTC, and the names of months whatever the locale. */
static void write_time(char out[TIME_SIZE], time_t seconds)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;

    gmtime_r(&seconds, &tm);
    snprintf(out, TIME_SIZE, "[%02d/%.3s/%d:%02d:%02d:%02d +0000]", tm.tm_mday,
             months + (size_t)3 * (unsigned)tm.tm_mon, tm.tm_year + 1900,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Requests come many a second. */
static int add_time(struct ed_buf *out, const struct ed_access *a,
                    const char *argument)
{
    static _Thread_local char text[TIME_SIZE];
    static _Thread_local time_t of;
    time_t seconds = (time_t)(a->came / ED_S);

    (void)argument;
    if (seconds != of || !*text) {
        write_time(text, seconds);
        of = seconds;
    }
    return add(out, text, strlen(text));
}

/* A token (RFC 9110, 9.1), in which nothing needs to be escaped. */
static int add_method(struct ed_buf *out, const struct ed_access *a,
                      const char *argument)
{
    const char *method = ed_req_method(a->req);

    (void)argument;
    return add(out, method, strlen(method));
}

static int add_version(struct ed_buf *out, const struct ed_access *a,
                       const char *argument)
{
    (void)argument;
    return add(out, version_text(a->req), strlen("HTTP/1.1"));
}

static int add_line(struct ed_buf *out, const struct ed_access *a,
                    const char *argument)
{
    int err = add_method(out, a, argument);

    if (!err)
        err = add(out, " ", 1);
    if (!err)
        err = add_text(out, ed_req_target(a->req));
    if (!err)
        err = add(out, " ", 1);
    return err ? err : add_version(out, a, argument);
}

static int add_path(struct ed_buf *out, const struct ed_access *a,
                    const char *argument)
{
    (void)argument;
    return add_text(out, ed_req_path(a->req));
}

static int add_query(struct ed_buf *out, const struct ed_access *a,
                     const char *argument)
{
    (void)argument;
    return add_text(out, ed_req_query(a->req));
}

static int add_host(struct ed_buf *out, const struct ed_access *a,
                    const char *argument)
{
    (void)argument;
    return add_text(out, ed_req_host(a->req));
}

static int add_status(struct ed_buf *out, const struct ed_access *a,
                      const char *argument)
{
    (void)argument;
    if (a->status < 100)
        return ed_buf_addf(out, "%03d", a->status);
    return add_number(out, a->status);
}

static int add_bytes(struct ed_buf *out, const struct ed_access *a,
                     const char *argument)
{
    (void)argument;
    return a->bytes ? add_number(out, a->bytes) : add(out, "-", 1);
}

static int add_seconds(struct ed_buf *out, const struct ed_access *a,
                       const char *argument)
{
    (void)argument;
    return add_number(out, a->took / ED_S);
}

static int add_time_of(struct ed_buf *out, int64_t ns)
{
    return ed_buf_addf(out, "%lld.%06lld", (long long)(ns / ED_S),
                       (long long)(ns % ED_S / ED_US));
}

static int add_precise(struct ed_buf *out, const struct ed_access *a,
                       const char *argument)
{
    (void)argument;
    return add_time_of(out, a->took);
}

static int add_micros(struct ed_buf *out, const struct ed_access *a,
                      const char *argument)
{
    (void)argument;
    return add_number(out, a->took / ED_US);
}

static int add_process(struct ed_buf *out, const struct ed_access *a,
                       const char *argument)
{
    (void)a;
    (void)argument;
    return ed_buf_addf(out, "%ld", (long)getpid());
}

static int add_user(struct ed_buf *out, const struct ed_access *a,
                    const char *argument)
{
    (void)argument;
    return add_text(out, ed_basic_user(a->req));
}

static int add_id(struct ed_buf *out, const struct ed_access *a,
                  const char *argument)
{
    (void)argument;
    return add_text(out, ed_req_id(a->req));
}

static int add_end(struct ed_buf *out, const struct ed_access *a,
                   const char *argument)
{
    (void)argument;
    return add(out, a->cut ? "X" : "+", 1);
}

static int add_field(struct ed_buf *out, const struct ed_access *a,
                     const char *argument)
{
    return add_text(out, ed_header(a->req, argument));
}

static int add_reply_field(struct ed_buf *out, const struct ed_access *a,
                           const char *argument)
{
    struct ed_bytes value;

    return field_of_reply(a->req, argument, &value) ? add_escaped(out, value)
                                                    : add(out, "-", 1);
}

static int add_other(struct ed_buf *out, const struct ed_access *a,
                     const char *argument)
{
    char text[ED_TRACE_PARENT_TEXT];

    if (!strcmp(argument, "queue"))
        return add_time_of(out, a->req->waited);
    return add_text(out, strcmp(argument, "trace") ? ed_req_scheme(a->req)
                                                   : trace_id(a->req, text));
}

/* The longer names first. */
static const struct directive {
    const char *name;
    add_fn *add;
    const char *arguments; /* NULL: takes none; "": any; else one of these */
    bool of_request;
} DIRECTIVES[] = {
    {"Tf", add_precise, NULL, false},
    {"a", add_peer, NULL, false},
    {"t", add_time, NULL, false},
    {"r", add_line, NULL, true},
    {"m", add_method, NULL, true},
    {"U", add_path, NULL, true},
    {"q", add_query, NULL, true},
    {"H", add_version, NULL, true},
    {"s", add_status, NULL, false},
    {"b", add_bytes, NULL, false},
    {"T", add_seconds, NULL, false},
    {"D", add_micros, NULL, false},
    {"P", add_process, NULL, false},
    {"u", add_user, NULL, true},
    {"L", add_id, NULL, true},
    {"h", add_host, NULL, true},
    {"X", add_end, NULL, false},
    {"i", add_field, "", true},
    {"o", add_reply_field, "", true},
    {"x", add_other, "trace scheme queue", true},
};

/* ---- reading a format ---- */

static const struct directive *find_directive(struct ed_bytes text)
{
    for (size_t i = 0; i < sizeof DIRECTIVES / sizeof *DIRECTIVES; i++) {
        if (ed_bytes_starts(text, ed_bytes(DIRECTIVES[i].name)))
            return &DIRECTIVES[i];
    }
    return NULL;
}

/* A format that is being read. */
struct reading {
    struct ed_access_format *format;
    ed_arena *arena;
    struct ed_bytes rest;
    const char *text; /* all of it */
};

static void skip(struct reading *r, size_t len)
{
    r->rest = ed_bytes_of(r->rest.ptr + len, r->rest.len - len);
}

/* Takes "{...}" off. 0; ED_EUSAGE when it does not end, or ED_ENOMEM. */
static int take_argument(struct reading *r, const char **argument)
{
    *argument = NULL;
    if (!r->rest.len || r->rest.ptr[0] != '{')
        return 0;
    ssize_t end = ed_bytes_find(r->rest, ED_BYTES("}"));
    if (end < 0)
        return ED_EUSAGE;
    *argument =
        ed_arena_copy(r->arena, ed_bytes_of(r->rest.ptr + 1, (size_t)end - 1));
    skip(r, (size_t)end + 1);
    return *argument ? 0 : ED_ENOMEM;
}

static bool suits(const struct directive *d, const char *argument)
{
    if (!d->arguments || !argument)
        return !d->arguments && !argument;
    return !*d->arguments ? ed_http1_is_token(ed_bytes(argument))
                          : mw_has_word(d->arguments, ed_bytes(argument));
}

/* Takes what stands behind a percent sign. Errors as above. */
static int take_directive(struct reading *r, struct piece *piece)
{
    const char *argument;

    if (r->rest.len && r->rest.ptr[0] == '%') {
        piece->text = ed_bytes_of(r->rest.ptr, 1);
        skip(r, 1);
        return 0;
    }
    int err = take_argument(r, &argument);
    if (err)
        return err;
    const struct directive *d = find_directive(r->rest);
    if (!d || !suits(d, argument))
        return ED_EUSAGE;
    skip(r, strlen(d->name));
    piece->add = d->add;
    piece->argument = argument;
    piece->of_request = d->of_request;
    return 0;
}

static int read_piece(struct reading *r, const char **why)
{
    struct piece *piece = &r->format->pieces[r->format->count++];
    const char *at = r->rest.ptr;
    size_t plain = strcspn(at, "%");

    if (plain) {
        piece->text = ed_bytes_of(at, plain);
        skip(r, plain);
        return 0;
    }
    skip(r, 1);
    int err = take_directive(r, piece);
    if (err == ED_EUSAGE)
        *why = ed_arena_printf(
            r->arena, "nobody knows what '%.12s' in '%s' means", at, r->text);
    return err;
}

static int read_pieces(struct reading *r, const char **why)
{
    int err = 0;

    while (r->rest.len && !err) {
        if (r->format->count == MAX_PIECES) {
            *why = ed_arena_printf(r->arena, "more than %d parts in '%s'",
                                   MAX_PIECES, r->text);
            return ED_EUSAGE;
        }
        err = read_piece(r, why);
    }
    return err;
}

int ed_access_format_read(struct ed_access_format **out, ed_arena *arena,
                          const char *text, const char **why)
{
    struct reading r = {.arena = arena};

    *why = NULL;
    if (!text || !strcmp(text, "combined"))
        text = COMBINED;
    else if (!strcmp(text, "common"))
        text = COMMON;
    r.format = ed_arena_alloc(arena, sizeof *r.format);
    r.text = ed_arena_copy(arena, ed_bytes(text));
    if (!r.format || !r.text)
        return ED_ENOMEM;
    memset(r.format, 0, sizeof *r.format);
    *out = r.format;
    r.rest = ed_bytes(r.text);
    r.format->json = !strcmp(text, "json");
    if (r.format->json)
        return 0;
    if (strchr(text, '\n')) {
        *why = "a format is one line";
        return ED_EUSAGE;
    }
    return read_pieces(&r, why);
}

/* ---- writing a line ---- */

static void json_member(ed_json *j, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    ed_json_key(j, name);
    ed_json_text(j, value);
}

static void add_json_peer(ed_json *j, const struct ed_access *a)
{
    char text[ED_ADDR_TEXT];
    struct ed_bytes ip = ed_access_peer(peer_of(a), text);

    if (!ip.len)
        return;
    ed_json_key(j, "peer");
    ed_json_bytes(j, ip);
}

static void add_json_ids(ed_json *j, ed_req *req)
{
    char trace[ED_TRACE_PARENT_TEXT];

    json_member(j, "id", ed_req_id(req));
    json_member(j, "trace", trace_id(req, trace));
}

static void add_json_request(ed_json *j, ed_req *req)
{
    json_member(j, "user", ed_basic_user(req));
    json_member(j, "method", ed_req_method(req));
    json_member(j, "target", ed_req_target(req));
    json_member(j, "host", ed_req_host(req));
    json_member(j, "scheme", ed_req_scheme(req));
    json_member(j, "version", version_text(req));
}

static int add_json(struct ed_buf *out, const struct ed_access *a)
{
    char date[ED_ISO_DATE_LEN + 1];
    struct ed_json json, *j = &json;
    int64_t micros = a->took / ED_US;

    ed_iso_date(date, a->came);
    ed_json_begin(j, out);
    ed_json_object(j);
    json_member(j, "time", date);
    if (a->req)
        add_json_ids(j, a->req);
    add_json_peer(j, a);
    if (a->req)
        add_json_request(j, a->req);
    ed_json_key(j, "status");
    ed_json_int(j, a->status);
    ed_json_key(j, "bytes");
    ed_json_int(j, a->bytes);
    ed_json_key(j, "seconds");
    ed_json_double(j, (double)micros / 1e6);
    if (a->req && a->req->waited) {
        ed_json_key(j, "queued");
        ed_json_double(j, (double)a->req->waited / (double)ED_S);
    }
    if (a->cut) {
        ed_json_key(j, "cut");
        ed_json_bool(j, true);
    }
    if (a->req) {
        json_member(j, "referer", ed_header(a->req, "Referer"));
        json_member(j, "user_agent", ed_header(a->req, "User-Agent"));
    }
    ed_json_end(j);
    return ed_json_finish(j);
}

static int add_pieces(const struct ed_access_format *format,
                      const struct ed_access *a, struct ed_buf *out)
{
    int err = 0;

    for (size_t i = 0; i < format->count && !err; i++) {
        const struct piece *p = &format->pieces[i];
        if (!p->add)
            err = add(out, p->text.ptr, p->text.len);
        else if (p->of_request && !a->req)
            err = add(out, "-", 1);
        else
            err = p->add(out, a, p->argument);
    }
    return err;
}

int ed_access_format_add(const struct ed_access_format *format,
                         const struct ed_access *access, struct ed_buf *out)
{
    size_t before = out->len;
    int err =
        format->json ? add_json(out, access) : add_pieces(format, access, out);

    if (!err)
        err = add(out, "\n", 1);
    if (err && out->ptr) {
        out->len = before;
        out->ptr[before] = '\0';
    }
    return err;
}
