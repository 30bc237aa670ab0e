/*
 * auth.c - reads challenges.
 *
 * Commas separate challenges as well as their parameters, so that only what
 * stands behind a word tells which of them it begins: '=' a parameter, anything
 * else a challenge.
 */
#include "wire/auth.h"
#include "base/ascii.h"
#include "wire/http1.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void advance(struct ed_bytes *text, size_t n)
{
    if (n) /* else it may be no memory at all */
        *text = ed_bytes_of(text->ptr + n, text->len - n);
}

static void skip_blanks(struct ed_bytes *text)
{
    while (text->len && is_blank(text->ptr[0]))
        advance(text, 1);
}

/* Empty elements of a list mean nothing (RFC 9110, 5.6.1). */
static void skip_commas(struct ed_bytes *text)
{
    while (text->len && (is_blank(text->ptr[0]) || text->ptr[0] == ','))
        advance(text, 1);
}

static bool is_token_char(char c)
{
    return ed_http1_is_token(ed_bytes_of(&c, 1));
}

static bool is_token68_char(char c)
{
    return ed_is_alnum(c) || (c && strchr("-._~+/", c));
}

static struct ed_bytes take_while(struct ed_bytes *text, bool (*is)(char))
{
    size_t n = 0;

    while (n < text->len && is(text->ptr[n]))
        n++;
    struct ed_bytes taken = ed_bytes_of(text->ptr, n);
    advance(text, n);
    return taken;
}

/* Reads a quoted string; false if it does not end. */
static bool take_quoted(struct ed_bytes *text, struct ed_bytes *value)
{
    const char *begin = text->ptr + 1;
    size_t n = 1;

    while (n < text->len && text->ptr[n] != '"')
        n += text->ptr[n] == '\\' ? 2 : 1;
    if (n >= text->len)
        return false;
    *value = ed_bytes_of(begin, n - 1);
    advance(text, n + 1);
    return true;
}

/* Reads a parameter; false, and *text as it was, when there is none. */
static bool take_param(struct ed_bytes *text, struct ed_auth_param *out)
{
    struct ed_bytes rest = *text;

    out->name = take_while(&rest, is_token_char);
    skip_blanks(&rest);
    if (!out->name.len || !rest.len || rest.ptr[0] != '=')
        return false;
    advance(&rest, 1);
    skip_blanks(&rest);
    if (rest.len && rest.ptr[0] == '"') {
        if (!take_quoted(&rest, &out->value))
            return false;
    } else {
        out->value = take_while(&rest, is_token_char);
        if (!out->value.len)
            return false;
    }
    skip_blanks(&rest);
    if (rest.len && rest.ptr[0] != ',')
        return false;
    *text = rest;
    return true;
}

static bool take_token68(struct ed_bytes *text, struct ed_bytes *token)
{
    const char *begin = text->ptr;

    if (!take_while(text, is_token68_char).len)
        return false;
    while (text->len && text->ptr[0] == '=')
        advance(text, 1);
    *token = ed_bytes_of(begin, (size_t)(text->ptr - begin));
    skip_blanks(text);
    return !text->len || text->ptr[0] == ',';
}

/* The parameters of one challenge: what follows is none of its own any more. */
static struct ed_bytes take_params(struct ed_bytes *text)
{
    const char *begin = text->ptr;
    const char *end = begin;
    struct ed_bytes rest = *text;
    struct ed_auth_param param;

    while (take_param(&rest, &param)) {
        end = rest.ptr;
        *text = rest;
        skip_commas(&rest);
    }
    return ed_bytes_of(begin, (size_t)(end - begin));
}

bool ed_challenge_next(struct ed_bytes *rest, struct ed_challenge *out)
{
    *out = (struct ed_challenge){0};
    skip_commas(rest);
    out->scheme = take_while(rest, is_token_char);
    bool blank = rest->len && is_blank(rest->ptr[0]);
    skip_blanks(rest);
    if (out->scheme.len && (!rest->len || rest->ptr[0] == ','))
        return true;
    if (out->scheme.len && blank) {
        out->params = take_params(rest);
        if (out->params.len || take_token68(rest, &out->token))
            return true;
    }
    *rest = ed_bytes_of(NULL, 0);
    return false;
}

bool ed_auth_param_next(struct ed_bytes *rest, struct ed_auth_param *out)
{
    skip_commas(rest);
    if (take_param(rest, out))
        return true;
    *rest = ed_bytes_of(NULL, 0);
    return false;
}

size_t ed_auth_unescape(char *out, struct ed_bytes value)
{
    size_t len = 0;

    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\\' && i + 1 < value.len)
            i++;
        out[len++] = value.ptr[i];
    }
    return len;
}

int ed_auth_add_quoted(struct ed_buf *out, struct ed_bytes text)
{
    size_t start = out->len;
    int err = ed_buf_add(out, "\"", 1);

    for (size_t i = 0; i < text.len && !err; i++) {
        char c = text.ptr[i];
        if (c == '"' || c == '\\')
            err = ed_buf_add(out, "\\", 1);
        if (!err)
            err = ed_buf_add(out, &c, 1);
    }
    if (!err)
        err = ed_buf_add(out, "\"", 1);
    if (err && out->ptr)
        out->len = start;
    return err;
}
