/*
 * pattern.c - reads route patterns, and says what is wrong with bad ones.
 *
 * Patterns are written by programmers: every complaint quotes the piece it is
 * about. Nothing here runs while requests are served.
 */
#include "app/pattern.h"

#include "app/router.h"
#include "base/ascii.h"
#include "wire/http1.h"

#include <eddy/error.h>

/* A pattern being read. */
struct reader {
    struct ed_pattern *pattern;
    ed_arena *arena;
    const char **why;
};

/* Writes down what is wrong. */
ED_PRINTF(2, 3) static int wrong(struct reader *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    *r->why = ed_arena_vprintf(r->arena, fmt, args);
    va_end(args);
    return *r->why ? ED_EPARSE : ED_ENOMEM;
}

static int copy(struct reader *r, struct ed_bytes from, struct ed_bytes *to)
{
    char *text = ed_arena_copy(r->arena, from);
    if (!text)
        return ED_ENOMEM;
    *to = ed_bytes_of(text, from.len);
    return 0;
}

/* ---- methods and host ---- */

bool ed_pattern_method(struct ed_bytes *rest, struct ed_bytes *method)
{
    if (!rest->ptr)
        return false;
    *method = ed_bytes_cut(rest, ',');
    return true;
}

static bool has_lower_case(struct ed_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 'a' && text.ptr[i] <= 'z')
            return true;
    }
    return false;
}

static int read_methods(struct reader *r, struct ed_bytes list)
{
    struct ed_bytes rest = list, method;
    if (!list.len)
        return wrong(r, "begins with no method (such as GET, or * for all)");
    while (!ed_bytes_equal(list, ED_BYTES("*")) &&
           ed_pattern_method(&rest, &method)) {
        if (method.len && *method.ptr == '/')
            return wrong(r, "'%.*s' is not a method (such as GET %.*s)",
                         (int)method.len, method.ptr, (int)method.len,
                         method.ptr);
        if (!ed_http1_is_token(method) || memchr(method.ptr, '*', method.len))
            return wrong(r, "'%.*s' is not a method", (int)method.len,
                         method.ptr);
        if (has_lower_case(method))
            return wrong(r, "method '%.*s' is not in upper case",
                         (int)method.len, method.ptr);
    }
    return copy(r, list, &r->pattern->methods);
}

static bool is_host(struct ed_bytes host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("*{}?#@:,", c))
            return false;
    }
    return host.len > 0;
}

static int read_host(struct reader *r, struct ed_bytes host)
{
    if (!host.len)
        return 0;
    struct ed_bytes name = host;
    if (ed_bytes_starts(host, ED_BYTES("*."))) {
        r->pattern->subdomains = true;
        name = ed_bytes_of(host.ptr + 1, host.len - 1);
    }
    if (!is_host(name) || name.len == r->pattern->subdomains)
        return wrong(r,
                     "'%.*s' is not a host (such as example.org or "
                     "*.example.org, without a port)",
                     (int)host.len, host.ptr);
    char *lower = ed_arena_copy(r->arena, name);
    if (!lower)
        return ED_ENOMEM;
    ed_lower(lower, name);
    r->pattern->host = ed_bytes_of(lower, name.len);
    return 0;
}

/* ---- the path ---- */

static bool is_arg_name(struct ed_bytes name)
{
    if (!name.len || ed_is_digit(name.ptr[0]))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!ed_is_alnum(name.ptr[i]) && name.ptr[i] != '_')
            return false;
    }
    return true;
}

/* What stands between the braces. */
static int read_arg(struct reader *r, struct ed_part *part, struct ed_bytes arg,
                    bool last)
{
    struct ed_bytes type = arg;
    struct ed_bytes name = ed_bytes_cut(&type, ':');
    part->kind = ED_PART_NAME;
    if (type.ptr) {
        if (!ed_bytes_equal(type, ED_BYTES("int")))
            return wrong(r, "unknown type '%.*s' (did you mean 'int'?)",
                         (int)type.len, type.ptr);
        part->kind = ED_PART_INT;
    } else if (name.len && name.ptr[name.len - 1] == '*') {
        if (!last)
            return wrong(r, "{%.*s} is not at the end", (int)arg.len, arg.ptr);
        part->kind = ED_PART_REST;
        name.len--;
    }
    if (!is_arg_name(name))
        return wrong(r,
                     "'%.*s' is not a name for an argument (letters, digits "
                     "and _)",
                     (int)name.len, name.ptr);
    if (ed_pattern_arg(r->pattern, name) >= 0)
        return wrong(r, "two arguments are named '%.*s'", (int)name.len,
                     name.ptr);
    if (++r->pattern->arg_count > ED_PATTERN_ARGS)
        return wrong(r, "more than %d arguments", ED_PATTERN_ARGS);
    return copy(r, name, &part->text);
}

static int read_literal(struct reader *r, struct ed_part *part,
                        struct ed_bytes text, bool last)
{
    if (!text.len && !last)
        return wrong(r, "two slashes with nothing between them");
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c == 0x7f || strchr("?#{}", c))
            return wrong(r,
                         strchr("{}", c)
                             ? "in '%.*s': an argument is a whole segment, "
                               "such as /{name}/"
                             : "in '%.*s': white space, '?' and '#' cannot be "
                               "part of a path",
                         (int)text.len, text.ptr);
    }
    part->kind = ED_PART_LITERAL;
    int err = ed_path_decode(r->arena, text, &part->text);
    if (err == ED_EPARSE)
        return wrong(r, "in '%.*s': '%%' without two hex digits, or %%00",
                     (int)text.len, text.ptr);
    if (ed_path_has_dots(part->text))
        return wrong(r, "a segment '%.*s' never matches", (int)text.len,
                     text.ptr);
    return err;
}

static int read_part(struct reader *r, struct ed_bytes text, bool last)
{
    struct ed_pattern *p = r->pattern;
    struct ed_part part = {0};
    if (p->part_count == ED_PATTERN_PARTS)
        return wrong(r, "more than %d segments", ED_PATTERN_PARTS);
    bool braces =
        text.len >= 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}';
    int err = braces ? read_arg(r, &part,
                                ed_bytes_of(text.ptr + 1, text.len - 2), last)
                     : read_literal(r, &part, text, last);
    if (!err)
        p->parts[p->part_count++] = part;
    return err;
}

static int read_path(struct reader *r, struct ed_bytes path)
{
    struct ed_part parts[ED_PATTERN_PARTS];
    struct ed_pattern *p = r->pattern;
    struct ed_bytes rest = ed_bytes_of(path.ptr + 1, path.len - 1);
    p->parts = parts;
    while (rest.ptr) {
        struct ed_bytes segment = ed_bytes_cut(&rest, '/');
        int err = read_part(r, segment, !rest.ptr);
        if (err)
            return err;
    }
    size_t bytes = p->part_count * sizeof *parts;
    p->parts = ed_arena_alloc(r->arena, bytes);
    if (!p->parts)
        return ED_ENOMEM;
    memcpy(p->parts, parts, bytes);
    return 0;
}

int ed_pattern_parse(struct ed_pattern *pattern, ed_arena *arena,
                     const char *text, const char **why)
{
    struct reader r = {.pattern = pattern, .arena = arena, .why = why};
    memset(pattern, 0, sizeof *pattern);
    *why = NULL;
    pattern->text = ed_arena_copy(arena, ed_bytes(text));
    if (!pattern->text)
        return ED_ENOMEM;

    /* From here on the copy is read, which literals stay pieces of. */
    struct ed_bytes rest = ed_bytes(pattern->text);
    int err = read_methods(&r, ed_bytes_cut(&rest, ' '));
    if (err)
        return err;
    rest = ed_bytes_trim(rest);
    const char *slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
    if (!slash)
        return wrong(&r, "no path behind the method (such as GET /)");
    size_t host_len = (size_t)(slash - rest.ptr);
    err = read_host(&r, ed_bytes_of(rest.ptr, host_len));
    if (err)
        return err;
    return read_path(&r, ed_bytes_of(slash, rest.len - host_len));
}

/* ---- arguments ---- */

int ed_pattern_arg(const struct ed_pattern *pattern, struct ed_bytes name)
{
    int number = 0;
    for (size_t i = 0; i < pattern->part_count; i++) {
        if (pattern->parts[i].kind == ED_PART_LITERAL)
            continue;
        if (ed_bytes_equal(pattern->parts[i].text, name))
            return number;
        number++;
    }
    return -1;
}

bool ed_pattern_is_int(struct ed_bytes text)
{
    int64_t value;
    return text.len && text.ptr[0] != '+' && !ed_bytes_int(text, &value);
}
