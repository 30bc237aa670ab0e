/*
 * redirect.c - where a response leads, and what is asked for there.
 *
 * Promises that what was meant for one origin (scheme, host and port) is not
 * told to another: neither credentials nor a Host field nor cookies of the
 * caller's own. From https to http the origin is another one, too.
 */
#include "http/redirect.h"
#include "http/attempt.h"
#include "wire/url.h"
#include "http/watch.h"
#include <stdio.h>

/* ---- the new URL ---- */

/* Where the text of a URL may hold what only %XX can stand for: browsers write
 * it so, and servers count on it. */
static int add_escaped(struct ed_buf *out, const char *location)
{
    int err = ed_buf_reserve(out, 1);

    for (const char *at = location; *at && !err; at++) {
        unsigned char c = (unsigned char)*at;
        err = c > ' ' && c < 0x7f ? ed_buf_add(out, at, 1)
                                  : ed_buf_addf(out, "%%%02X", c);
    }
    return err;
}

static bool is_same_origin(const struct ed_url *a, const struct ed_url *b)
{
    /* One socket may be written in several ways: those are others, then. */
    if (a->socket.len || b->socket.len)
        return ed_bytes_equal(a->socket, b->socket);
    return a->secure == b->secure && a->port == b->port && a->ipv6 == b->ipv6 &&
           ed_bytes_equal_nocase(a->host, b->host);
}

/* A URL of this process's own, so that the views of it last. */
struct target {
    char *text;
    struct ed_url url;
};

static int add_target(struct ed_buf *out, struct ed_bytes base,
                      const char *location)
{
    struct ed_buf escaped = {0};
    int err = add_escaped(&escaped, location);

    if (!err)
        err = ed_url_resolve(out, base, ed_buf_bytes(&escaped));
    ed_buf_free(&escaped);
    return err;
}

/* A reference without a fragment has that of where it was found (RFC 9110,
 * 10.2.2). */
static int inherit_fragment(struct ed_buf *out, const struct ed_url *from)
{
    if (!from->fragment.ptr || (out->len && memchr(out->ptr, '#', out->len)))
        return 0;
    return ed_buf_add(out, from->fragment.ptr - 1, from->fragment.len + 1);
}

/* Copies a URL without its user information. */
static char *without_userinfo(const struct ed_url *url, const char *text)
{
    int before = (int)(url->userinfo.ptr - text);
    const char *behind = url->userinfo.ptr + url->userinfo.len + 1;

    return ed_arena_printf(ed_fiber_arena(), "%.*s%s", before, text, behind);
}

/* Nobody says who we are but the caller: user information in a Location means
 * nothing. */
static int drop_userinfo(struct target *to)
{
    const char *why;

    if (!to->url.userinfo.ptr)
        return 0;
    to->text = without_userinfo(&to->url, to->text);
    return to->text ? ed_url_parse(&to->url, ed_bytes(to->text), &why)
                    : ED_ENOMEM;
}

/* Resolves a Location. 1; 0 when nobody should go there: it is malformed, or of
 * another scheme, or a socket of this machine; ED_ENOMEM. */
static int resolve(struct ed_journey *j, const char *location,
                   struct target *to, bool *same)
{
    struct ed_bytes base = ed_bytes(j->url);
    struct ed_buf text = {0};
    struct ed_url from;
    const char *why;
    int err = ed_url_parse(&from, base, &why);

    if (!err)
        err = add_target(&text, base, location);
    if (!err)
        err = inherit_fragment(&text, &from);
    to->text =
        err ? NULL : ed_arena_copy(ed_fiber_arena(), ed_buf_bytes(&text));
    ed_buf_free(&text);
    if (!to->text)
        return err == ED_EURL ? 0 : ED_ENOMEM;
    err = ed_url_parse(&to->url, ed_bytes(to->text), &why);
    if (!err)
        err = drop_userinfo(to);
    if (err)
        return err == ED_EURL ? 0 : err;
    *same = is_same_origin(&from, &to->url);
    return *same || !to->url.socket.len;
}

/* ---- user information ---- */

static char *decoded(struct ed_bytes text)
{
    char *out = ed_arena_alloc(ed_fiber_arena(), text.len + 1);
    ssize_t len = out ? ed_url_decode(out, text, false) : -1;

    if (len < 0)
        return NULL;
    out[len] = '\0';
    return out;
}

/* Moves the user information of a URL that was taken apart to the options. */
static int move_userinfo(struct ed_journey *j, const struct ed_url *url,
                         const char *text)
{
    struct ed_bytes password = url->userinfo;
    struct ed_bytes user = ed_bytes_cut(&password, ':');

    j->url = without_userinfo(url, text);
    if (!j->url)
        return ed_fail(ED_ENOMEM, "no memory for a URL");
    /* "http://@host/" names nobody. */
    if (j->options.user || !url->userinfo.len)
        return 0;
    j->options.user = decoded(user);
    j->options.password = password.ptr ? decoded(password) : "";
    if (!j->options.user || !j->options.password)
        return ed_journey_explain(j, ED_EURL, "malformed user information");
    return 0;
}

int ed_redirect_take_userinfo(struct ed_journey *journey)
{
    struct ed_url url;
    const char *why;

    if (!ed_url_parse(&url, ed_bytes(journey->url), &why))
        return url.userinfo.ptr ? move_userinfo(journey, &url, journey->url)
                                : 0;
    /* Who knows what of it is a password: only what is behind is told. */
    journey->url = strrchr(journey->url, '@');
    return ed_journey_explain(journey, ED_EURL, "%s", why);
}

/* ---- what is left out ---- */

static struct ed_bytes name_of(const char *line)
{
    struct ed_bytes rest = ed_bytes(line);

    return ed_bytes_cut(&rest, ':');
}

static bool is_about_body(struct ed_bytes name)
{
    static const struct ed_bytes prefix = {"content-", 8};

    if (name.len > prefix.len)
        name.len = prefix.len;
    return ed_bytes_equal_nocase(name, prefix);
}

static bool is_for_origin(struct ed_bytes name)
{
    return ed_bytes_equal_nocase(name, ED_BYTES("Authorization")) ||
           ed_bytes_equal_nocase(name, ED_BYTES("Cookie")) ||
           ed_bytes_equal_nocase(name, ED_BYTES("Proxy-Authorization")) ||
           ed_bytes_equal_nocase(name, ED_BYTES("Host"));
}

/* The caller's fields without those. 0 or ED_ENOMEM. */
static int drop_fields(struct ed_journey *j, bool (*drops)(struct ed_bytes))
{
    const char *const *from = j->options.headers;
    const char **to;
    size_t count = 0;

    if (!from)
        return 0;
    while (from[count])
        count++;
    to = ed_arena_alloc(ed_fiber_arena(), (count + 1) * sizeof(*to));
    if (!to)
        return ed_journey_explain(j, ED_ENOMEM, "no memory for the request");
    j->options.headers = to;
    for (; *from; from++) {
        if (!drops(name_of(*from)))
            *to++ = *from;
    }
    *to = NULL;
    return 0;
}

static int drop_body(struct ed_journey *j)
{
    struct ed_fetch_options *o = &j->options;

    o->body = (struct ed_bytes){0};
    o->form = NULL;
    o->file = NULL;
    o->send = NULL;
    o->content_type = NULL;
    o->expect_continue = false;
    return drop_fields(j, is_about_body);
}

static int leave_origin(struct ed_journey *j)
{
    j->options.user = NULL;
    j->options.password = NULL;
    j->options.bearer = NULL;
    return drop_fields(j, is_for_origin);
}

/* ---- following ---- */

/* Whether the next request is a GET, whatever this one was. */
static bool becomes_get(int status, const char *method)
{
    if (status == 303)
        return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
    return (status == 301 || status == 302) && !strcmp(method, "POST");
}

/* The same method with the same body, or GET without one. */
static int change_request(struct ed_journey *j, int status)
{
    struct ed_fetch_options *o = &j->options;
    char why[32];

    o->method = ed_attempt_method(o);
    if (becomes_get(status, o->method)) {
        o->method = "GET";
        return drop_body(j);
    }
    snprintf(why, sizeof(why), "answered %d", status);
    return ed_journey_rewind(j, why);
}

static int too_many(const struct ed_journey *j, const struct target *to)
{
    return ed_journey_explain(j, ED_EREDIRECT,
                              "more than %u redirects, the last to %.100s",
                              j->max_redirects, to->text);
}

int ed_redirect_follow(struct ed_journey *journey, const ed_res *res)
{
    const char *location = ed_res_header(res, "Location");
    struct target to;
    bool same = false;
    int err = location ? resolve(journey, location, &to, &same) : 0;

    if (err == ED_ENOMEM)
        return ed_journey_explain(journey, err, "no memory for a redirect");
    if (err <= 0)
        return err;
    if (journey->redirects >= journey->max_redirects)
        return too_many(journey, &to);
    err = change_request(journey, res->status);
    if (!err && !same)
        err = leave_origin(journey);
    if (err)
        return err;
    journey->url = to.text;
    journey->redirects++;
    journey->challenges = 0;
    journey->client->redirects++;
    ed_watch(journey, ED_PHASE_REDIRECTED, res->status, 0);
    return 1;
}
