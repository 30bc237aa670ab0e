/*
 * access_format.c - the lines of an access log.
 *
 * A format is read once, into pieces: text, and directives with what stands in
 * their braces. Promises that whatever a client sends, a line stays one line,
 * and no text ends its quotes.
 */
#include "app/access_format.h"

#include <eddy/clock.h>
#include <eddy/trace.h>
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
};

struct ed_access_format {
    bool json;
    size_t count;
    struct piece pieces[MAX_PIECES];
};

/* ---- text ---- */

/* What is not plain ASCII is shown as \xhh, for nobody knows what encoding a
 * client meant, and terminals obey control characters. */
static int add_escaped(struct ed_buf *out, struct ed_bytes text)
{
    int err = 0;

    for (size_t i = 0; i < text.len && !err; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c >= 0x7f)
            err = ed_buf_addf(out, "\\x%02x", c);
        else if (c == '"' || c == '\\')
            err = ed_buf_addf(out, "\\%c", c);
        else
            err = ed_buf_add(out, &text.ptr[i], 1);
    }
    return err;
}

static int add_text(struct ed_buf *out, const char *text)
{
    return text && *text ? add_escaped(out, ed_bytes(text))
                         : ed_buf_add(out, "-", 1);
}

/* ---- what a request has ---- */

/* Without a port: a client is more than one connection. */
static const char *peer_ip(ed_req *req, char out[ED_ADDR_TEXT])
{
    const char *peer = ed_req_peer(req);
    struct ed_addr addr;

    if (ed_addr_parse(&addr, ed_bytes(peer)) || addr.any.sa_family == AF_UNIX)
        return peer;
    return ed_addr_ip_text(&addr, out);
}

static const char *trace_id(char out[ED_TRACE_PARENT_TEXT])
{
    const struct ed_trace *trace = ed_trace_current();

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
    return add_text(out, peer_ip(a->req, text));
}

/* In UTC, and the names of months whatever the locale. */
static int add_time(struct ed_buf *out, const struct ed_access *a,
                    const char *argument)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(a->came / ED_S);
    struct tm tm;

    (void)argument;
    gmtime_r(&seconds, &tm);
    return ed_buf_addf(out, "[%02d/%.3s/%d:%02d:%02d:%02d +0000]", tm.tm_mday,
                       months + (size_t)3 * (unsigned)tm.tm_mon,
                       tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static int add_line(struct ed_buf *out, const struct ed_access *a,
                    const char *argument)
{
    int err = add_text(out, ed_req_method(a->req));

    (void)argument;
    if (!err)
        err = ed_buf_add(out, " ", 1);
    if (!err)
        err = add_text(out, ed_req_target(a->req));
    return err ? err : ed_buf_addf(out, " %s", version_text(a->req));
}

static int add_method(struct ed_buf *out, const struct ed_access *a,
                      const char *argument)
{
    (void)argument;
    return add_text(out, ed_req_method(a->req));
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

static int add_version(struct ed_buf *out, const struct ed_access *a,
                       const char *argument)
{
    (void)argument;
    return add_text(out, version_text(a->req));
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
    return ed_buf_addf(out, "%03d", a->status);
}

static int add_bytes(struct ed_buf *out, const struct ed_access *a,
                     const char *argument)
{
    (void)argument;
    return a->bytes ? ed_buf_addf(out, "%lld", (long long)a->bytes)
                    : ed_buf_add(out, "-", 1);
}

static int add_seconds(struct ed_buf *out, const struct ed_access *a,
                       const char *argument)
{
    (void)argument;
    return ed_buf_addf(out, "%lld", (long long)(a->took / ED_S));
}

static int add_precise(struct ed_buf *out, const struct ed_access *a,
                       const char *argument)
{
    (void)argument;
    return ed_buf_addf(out, "%lld.%06lld", (long long)(a->took / ED_S),
                       (long long)(a->took % ED_S / ED_US));
}

static int add_micros(struct ed_buf *out, const struct ed_access *a,
                      const char *argument)
{
    (void)argument;
    return ed_buf_addf(out, "%lld", (long long)(a->took / ED_US));
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
    return ed_buf_add(out, a->cut ? "X" : "+", 1);
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
                                                    : ed_buf_add(out, "-", 1);
}

static int add_other(struct ed_buf *out, const struct ed_access *a,
                     const char *argument)
{
    char text[ED_TRACE_PARENT_TEXT];

    return add_text(out, strcmp(argument, "trace") ? ed_req_scheme(a->req)
                                                   : trace_id(text));
}

/* The longer names first. */
static const struct directive {
    const char *name;
    add_fn *add;
    const char *arguments; /* NULL: takes none; "": any; else one of these */
} DIRECTIVES[] = {
    {"Tf", add_precise, NULL},  {"a", add_peer, NULL},
    {"t", add_time, NULL},      {"r", add_line, NULL},
    {"m", add_method, NULL},    {"U", add_path, NULL},
    {"q", add_query, NULL},     {"H", add_version, NULL},
    {"s", add_status, NULL},    {"b", add_bytes, NULL},
    {"T", add_seconds, NULL},   {"D", add_micros, NULL},
    {"P", add_process, NULL},   {"u", add_user, NULL},
    {"L", add_id, NULL},        {"h", add_host, NULL},
    {"X", add_end, NULL},       {"i", add_field, ""},
    {"o", add_reply_field, ""}, {"x", add_other, "trace scheme"},
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

/* Takes "{...}" off; false when it does not end. */
static bool take_argument(struct ed_where where, struct ed_bytes *rest,
                          const char **argument)
{
    *argument = NULL;
    if (!rest->len || rest->ptr[0] != '{')
        return true;
    ssize_t end = ed_bytes_find(*rest, ED_BYTES("}"));
    if (end < 0)
        return false;
    *argument =
        ed_app_copy(mw_app(where), ed_bytes_of(rest->ptr + 1, (size_t)end - 1));
    rest->ptr += end + 1;
    rest->len -= (size_t)end + 1;
    return true;
}

static bool suits(const struct directive *d, const char *argument)
{
    if (!d->arguments || !argument)
        return !d->arguments && !argument;
    return !*d->arguments ? ed_http1_is_token(ed_bytes(argument))
                          : mw_has_word(d->arguments, ed_bytes(argument));
}

/* Takes what stands behind a percent sign. */
static bool take_directive(struct ed_where where, struct ed_bytes *rest,
                           struct piece *piece)
{
    const char *argument;

    if (rest->len && rest->ptr[0] == '%') {
        piece->text = ed_bytes_of(rest->ptr++, 1);
        rest->len--;
        return true;
    }
    if (!take_argument(where, rest, &argument))
        return false;
    const struct directive *d = find_directive(*rest);
    if (!d || !suits(d, argument))
        return false;
    rest->ptr += strlen(d->name);
    rest->len -= strlen(d->name);
    piece->add = d->add;
    piece->argument = argument;
    return true;
}

static int read_format(struct ed_where where, struct ed_access_format *format,
                       const char *text)
{
    struct ed_bytes rest = ed_bytes(text);

    if (strchr(text, '\n'))
        return mw_refuse(where, "access log: a format is one line");
    while (rest.len) {
        const char *at = rest.ptr;
        struct piece *piece = &format->pieces[format->count++];
        if (format->count == MAX_PIECES)
            return mw_refuse(where, "access log: more than %d parts in '%s'",
                             MAX_PIECES, text);
        size_t plain = strcspn(at, "%");
        if (plain) {
            piece->text = ed_bytes_of(at, plain);
            rest.ptr += plain;
            rest.len -= plain;
            continue;
        }
        rest.ptr++;
        rest.len--;
        if (!take_directive(where, &rest, piece))
            return mw_refuse(where,
                             "access log: nobody knows what '%.12s' in "
                             "'%s' means",
                             at, text);
    }
    return 0;
}

struct ed_access_format *ed_access_format_new(struct ed_where where,
                                              const char *text)
{
    struct ed_access_format *format = MW_NEW(where, struct ed_access_format);

    if (!text || !strcmp(text, "combined"))
        text = COMBINED;
    else if (!strcmp(text, "common"))
        text = COMMON;
    format->json = !strcmp(text, "json");
    if (!format->json && read_format(where, format, mw_copy(where, text)))
        return NULL;
    return format;
}

/* ---- writing a line ---- */

static void json_member(ed_json *j, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    ed_json_key(j, name);
    ed_json_text(j, value);
}

static int add_json(struct ed_buf *out, const struct ed_access *a)
{
    char date[ED_ISO_DATE_LEN + 1], peer[ED_ADDR_TEXT];
    char trace[ED_TRACE_PARENT_TEXT];
    struct ed_json json, *j = &json;
    int64_t micros = a->took / ED_US;
    ed_req *req = a->req;

    ed_iso_date(date, a->came);
    ed_json_begin(j, out);
    ed_json_object(j);
    json_member(j, "time", date);
    json_member(j, "id", ed_req_id(req));
    json_member(j, "trace", trace_id(trace));
    json_member(j, "peer", peer_ip(req, peer));
    json_member(j, "user", ed_basic_user(req));
    json_member(j, "method", ed_req_method(req));
    json_member(j, "target", ed_req_target(req));
    json_member(j, "host", ed_req_host(req));
    json_member(j, "scheme", ed_req_scheme(req));
    json_member(j, "version", version_text(req));
    ed_json_key(j, "status");
    ed_json_int(j, a->status);
    ed_json_key(j, "bytes");
    ed_json_int(j, a->bytes);
    ed_json_key(j, "seconds");
    ed_json_double(j, (double)micros / 1e6);
    if (a->cut) {
        ed_json_key(j, "cut");
        ed_json_bool(j, true);
    }
    json_member(j, "referer", ed_header(req, "Referer"));
    json_member(j, "user_agent", ed_header(req, "User-Agent"));
    ed_json_end(j);
    return ed_json_finish(j);
}

static int add_pieces(const struct ed_access_format *format,
                      const struct ed_access *a, struct ed_buf *out)
{
    int err = 0;

    for (size_t i = 0; i < format->count && !err; i++) {
        const struct piece *p = &format->pieces[i];
        err = p->add ? p->add(out, a, p->argument)
                     : ed_buf_add(out, p->text.ptr, p->text.len);
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
        err = ed_buf_add(out, "\n", 1);
    if (err && out->ptr) {
        out->len = before;
        out->ptr[before] = '\0';
    }
    return err;
}
