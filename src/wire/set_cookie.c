/*
 * set_cookie.c - reads a Set-Cookie field as browsers do.
 *
 * Servers have written whatever worked, so that what looks like carelessness
 * here is a rule of RFC 6265bis: the last of two attributes counts, an unknown
 * or malformed one does not.
 */
#include "wire/set_cookie.h"
#include "wire/date.h"
#include <eddy/error.h>

/* Of the value of an attribute; a longer one does not count. */
enum { ATTRIBUTE_MAX = 1024 };

/* Expires and Max-Age, of which the latter is stronger. */
struct lifetimes {
    bool has_expires;
    bool has_max_age;
    int64_t expires;
    int64_t max_age;
};

static bool has_control(struct ed_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

/* "-?[0-9]+", of any size; beyond the longest age it does not matter. */
static bool read_age(struct ed_bytes text, int64_t *age)
{
    bool negative = text.len && text.ptr[0] == '-';

    *age = 0;
    if (text.len == (size_t)negative)
        return false;
    for (size_t i = negative; i < text.len; i++) {
        unsigned digit = (unsigned char)text.ptr[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        if (*age <= ED_COOKIE_AGE_MAX)
            *age = *age * 10 + digit;
    }
    if (negative)
        *age = 0;
    return true;
}

static bool is(struct ed_bytes name, struct ed_bytes other)
{
    return ed_bytes_equal_nocase(name, other);
}

static void take_attribute(struct ed_set_cookie *cookie,
                           struct lifetimes *lifetimes, struct ed_bytes name,
                           struct ed_bytes value)
{
    int64_t time;

    if (value.len > ATTRIBUTE_MAX)
        return;
    if (is(name, ED_BYTES("Expires"))) {
        if (ed_date_parse_cookie(value, &time))
            return;
        lifetimes->has_expires = true;
        lifetimes->expires = time;
    } else if (is(name, ED_BYTES("Max-Age"))) {
        if (!read_age(value, &time))
            return;
        lifetimes->has_max_age = true;
        lifetimes->max_age = time;
    } else if (is(name, ED_BYTES("Domain"))) {
        bool dot = ed_bytes_starts(value, ED_BYTES("."));
        cookie->domain = ed_bytes_of(value.ptr + dot, value.len - dot);
    } else if (is(name, ED_BYTES("Path"))) {
        if (!ed_bytes_starts(value, ED_BYTES("/")))
            value.len = 0;
        cookie->path = value;
    } else if (is(name, ED_BYTES("Secure"))) {
        cookie->secure = true;
    } else if (is(name, ED_BYTES("HttpOnly"))) {
        cookie->http_only = true;
    }
}

static void set_lifetime(struct ed_set_cookie *cookie,
                         const struct lifetimes *l, int64_t now)
{
    int64_t latest = now + ED_COOKIE_AGE_MAX;

    cookie->persistent = l->has_expires || l->has_max_age;
    if (l->has_max_age)
        cookie->expires = l->max_age > 0 ? now + l->max_age : 0;
    else if (l->has_expires)
        cookie->expires = l->expires;
    if (cookie->expires > latest)
        cookie->expires = latest;
}

static int bad(const char **why, const char *text)
{
    *why = text;
    return ED_EPARSE;
}

/* A piece without '=' is a value without a name. */
static int read_pair(struct ed_set_cookie *cookie, struct ed_bytes pair,
                     const char **why)
{
    struct ed_bytes name = ed_bytes_cut(&pair, '=');

    cookie->name = ed_bytes_trim(pair.ptr ? name : ED_BYTES(""));
    cookie->value = ed_bytes_trim(pair.ptr ? pair : name);
    if (!cookie->name.len && !cookie->value.len)
        return bad(why, "neither name nor value");
    if (cookie->name.len + cookie->value.len > ED_COOKIE_MAX)
        return bad(why, "larger than 4096 bytes");
    return 0;
}

int ed_set_cookie_parse(struct ed_set_cookie *cookie, struct ed_bytes field,
                        int64_t now, const char **why)
{
    struct lifetimes lifetimes = {0};

    *cookie = (struct ed_set_cookie){0};
    *why = NULL;
    if (has_control(field))
        return bad(why, "a control character");
    int err = read_pair(cookie, ed_bytes_cut(&field, ';'), why);
    if (err)
        return err;
    while (field.ptr) {
        struct ed_bytes value = ed_bytes_cut(&field, ';');
        struct ed_bytes name = ed_bytes_trim(ed_bytes_cut(&value, '='));
        if (!value.ptr) /* no '=' is no value */
            value = ED_BYTES("");
        take_attribute(cookie, &lifetimes, name, ed_bytes_trim(value));
    }
    set_lifetime(cookie, &lifetimes, now);
    return 0;
}

/* ---- where it goes ---- */

struct ed_bytes ed_cookie_default_path(struct ed_bytes path)
{
    if (!ed_bytes_starts(path, ED_BYTES("/")))
        return ED_BYTES("/");
    while (path.ptr[path.len - 1] != '/')
        path.len--;
    if (path.len > 1)
        path.len--;
    return path;
}

bool ed_cookie_path_match(struct ed_bytes path, struct ed_bytes cookie_path)
{
    if (!path.len)
        path = ED_BYTES("/");
    if (!cookie_path.len || !ed_bytes_starts(path, cookie_path))
        return false;
    return path.len == cookie_path.len ||
           cookie_path.ptr[cookie_path.len - 1] == '/' ||
           path.ptr[cookie_path.len] == '/';
}

bool ed_cookie_domain_match(struct ed_bytes host, struct ed_bytes domain)
{
    if (!domain.len || host.len < domain.len)
        return false;
    size_t before = host.len - domain.len;
    if (memcmp(host.ptr + before, domain.ptr, domain.len) != 0)
        return false;
    return !before || host.ptr[before - 1] == '.';
}
